"""Replies of RESP2 and RESP3 are read however they are cut."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sockets.parsing import assert_reads_alike, peak_of, read, typed
from twisted_kv.vocabulary.errors import CommandError, ProtocolError
from twisted_kv.vocabulary.replies import NULL_ARRAY, Decimal, OrderedSet, Push, Status, Verbatim
from twisted_kv.wire.reply_reader import MAX_DEPTH, MAX_LINE, ReplyReader

TAIL = (b"*2\r\n:7\r\n$1\r\nx\r\n", ([7, b"x"],))
EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize(
    ("stream", "value"),
    [
        (b"+OK\r\n", Status(b"OK")),
        (b"+\r\n", Status(b"")),
        (b"+\xff\r\n", Status(b"\xff")),
        (b"-ERR no\r\n", CommandError("no")),
        (b"-WRONGTYPE not this\r\n", CommandError("not this", "WRONGTYPE")),
        (b"-NOCODE\r\n", CommandError("", "NOCODE")),
        (b"-ERR \xff\r\n", CommandError("\udcff")),
        (b":0\r\n", 0),
        (b":-9223372036854775808\r\n", -(2**63)),
        (b"$0\r\n\r\n", b""),
        (b"$4\r\n\r\n\r\n\r\n", b"\r\n\r\n"),
        (b"$256\r\n" + EVERY_BYTE + b"\r\n", EVERY_BYTE),
        (b"$-1\r\n", None),
        (b"_\r\n", None),
        (b"*-1\r\n", NULL_ARRAY),
        (b"*0\r\n", []),
        (b"*3\r\n:1\r\n$-1\r\n*2\r\n+a\r\n*0\r\n", [1, None, [Status(b"a"), []]]),
        (b"*2\r\n-ERR a\r\n:1\r\n", [CommandError("a"), 1]),
        (b"#t\r\n", True),
        (b"#f\r\n", False),
        (b",1.5\r\n", 1.5),
        (b",-inf\r\n", float("-inf")),
        (b",nan\r\n", float("nan")),
        (b"(3492890328409238509324850943850943825024385\r\n", 3492890328409238509324850943850943825024385),
        (b"=8\r\ntxt:a\nbc\r\n", Verbatim(b"a\nbc")),
        (b"!12\r\nERR a\r\n line\r\n", CommandError("a\r\n line")),
        (b"%0\r\n", {}),
        (b"%2\r\n$1\r\nb\r\n:1\r\n$1\r\na\r\n*1\r\n:2\r\n", {b"b": 1, b"a": [2]}),
        (b"%1\r\n*2\r\n:1\r\n*1\r\n:2\r\n:3\r\n", {(1, (2,)): 3}),
        (b"~0\r\n", set()),
        (b"~3\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nb\r\n", {b"a", b"b"}),
        (b"~2\r\n*1\r\n:1\r\n:2\r\n", OrderedSet([[1], 2])),
        (b"|1\r\n+a\r\n*1\r\n|1\r\n+c\r\n+d\r\n:1\r\n:7\r\n", 7),
        (b"*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n|0\r\n:2\r\n", [1, 2]),
        (b">2\r\n+message\r\n$1\r\nx\r\n", Push([Status(b"message"), b"x"])),
    ],
)
def test_replies_are_read_however_they_are_cut(stream: bytes, value: Any) -> None:
    assert_reads_alike(ReplyReader, stream, [(value,)], more=TAIL)
    assert_reads_alike(ReplyReader, stream * 3, [(value,)] * 3, more=TAIL)
    assert_reads_alike(ReplyReader, b"*2\r\n*1\r\n" + stream + stream, [([[value], value],)], more=TAIL)


def test_a_set_may_keep_its_order_and_a_double_its_digits() -> None:
    reader = ReplyReader(is_exact=True)
    reader.feed(b"~3\r\n$1\r\nb\r\n,38.10000081174143105\r\n*0\r\n")
    reply = reader.gets()
    assert reply == (OrderedSet([b"b", Decimal(b"38.10000081174143105"), []]),)
    assert [type(each) for each in (reply[0], *reply[0])] == [OrderedSet, bytes, Decimal, list]
    reader.feed(b",x\r\n")
    with pytest.raises(ProtocolError, match="invalid reply line"):
        reader.gets()


@pytest.mark.parametrize("key", [b"%1\r\n:1\r\n:2\r\n", b"%0\r\n", b"~1\r\n:1\r\n", b"*1\r\n~0\r\n", b"*1\r\n%0\r\n"])
def test_a_map_whose_key_is_a_map_or_a_set_is_read(key: bytes) -> None:
    (values, error) = read(ReplyReader(), [b"%1\r\n" + key + b"$1\r\nv\r\n"])
    assert error is None
    ((value,),) = values
    assert list(value.values()) == [b"v"]


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"PONG\r\n", "unknown reply type b'P'"),
        (b"\r\n", "unknown reply type b'\\r'"),
        (b"\xff\r\n", "unknown reply type b'\\xff'"),
        (b":\r\n", "invalid reply line b':'"),
        (b":x\r\n", "invalid reply line b':x'"),
        (b":1.5\r\n", "invalid reply line b':1.5'"),
        (b":\xff\r\n", "invalid reply line b':\\xff'"),
        (b"(x\r\n", "invalid reply line b'(x'"),
        (b",x\r\n", "invalid reply line b',x'"),
        (b"#\r\n", "invalid reply line b'#'"),
        (b"#T\r\n", "invalid reply line b'#T'"),
        (b"$\r\n", "invalid length b''"),
        (b"$x\r\n", "invalid length b'x'"),
        (b"$-2\r\n", "invalid length b'-2'"),
        (b"*-2\r\n", "invalid length b'-2'"),
        (b"%\xff\r\n", "invalid length b'\\xff'"),
        (b"~1.0\r\n", "invalid length b'1.0'"),
        (b"$536870913\r\n", "invalid bulk length"),
        (b"=536870913\r\n", "invalid bulk length"),
        (b"$1\r\nabc\r\n", "a bulk string does not end where it said"),
        (b"$3\r\nabcx\n", "a bulk string does not end where it said"),
    ],
)
def test_what_is_no_reply_is_refused(stream: bytes, error: str) -> None:
    assert_reads_alike(ReplyReader, stream, [], error, more=TAIL)
    assert_reads_alike(ReplyReader, b"+OK\r\n" + stream, [(Status(b"OK"),)], error, more=TAIL)
    assert_reads_alike(ReplyReader, b"*2\r\n:1\r\n" + stream, [], error, more=TAIL)


@pytest.mark.parametrize(
    "stream",
    [b"", b"+", b"+OK\r", b"$", b"$2\r\n", b"$2\r\nab", b"$2\r\nab\r", b"*1\r\n", b"*2\r\n:1\r\n", b"%1\r\n:1\r\n"],
)
def test_a_reply_that_is_not_whole_is_waited_for(stream: bytes) -> None:
    assert_reads_alike(ReplyReader, stream, [])


def test_replies_may_be_nested_128_deep_and_no_deeper() -> None:
    assert MAX_DEPTH == 128
    expected: Any = 1
    for _ in range(128):
        expected = [expected]
    assert_reads_alike(ReplyReader, b"*1\r\n" * 128 + b":1\r\n", [(expected,)])
    assert_reads_alike(ReplyReader, b"*1\r\n" * 129, [], "replies are nested too deeply")


def test_a_line_that_does_not_end_is_refused_after_64_kib() -> None:
    most = b"+" + b"x" * (MAX_LINE - 1)
    for pieces in ([most], [most[at : at + 100] for at in range(0, len(most), 100)]):
        reader = ReplyReader()
        assert read(reader, pieces) == ([], None)
        assert read(reader, [b"x"]) == ([], "a line of the reply is too long")


@pytest.mark.parametrize(
    "stream", [b"*4294967296\r\n", b"%1000000000\r\n", b"$104857600\r\n", b"$536870912\r\nab", b"*9\r\n" * 100]
)
def test_what_is_only_announced_takes_no_memory(stream: bytes) -> None:
    reader = ReplyReader()
    outcomes = []
    assert peak_of(lambda: outcomes.append(read(reader, [stream]))) < 1_000_000
    assert outcomes == [([], None)]


def test_the_most_bytes_of_a_bulk_string_can_be_set() -> None:
    assert read(ReplyReader(max_bulk=3), [b"$3\r\nabc\r\n"]) == ([(b"abc",)], None)
    assert read(ReplyReader(max_bulk=3), [b"$4\r\n"]) == ([], "invalid bulk length")


def test_a_reader_knows_whether_it_stands_between_two_replies() -> None:
    reader = ReplyReader()
    assert reader.between_replies
    reader.feed(b"*2\r\n:1\r\n")
    assert reader.pending == 8
    assert reader.gets() is None
    assert reader.pending == 0
    assert not reader.between_replies
    reader.feed(b":2\r\n+")
    assert reader.gets() == ([1, 2],)
    assert reader.pending == 1
    assert not reader.between_replies
    reader.feed(b"\r\n")
    assert typed(reader.gets()) == typed((Status(b""),))
    assert reader.between_replies
