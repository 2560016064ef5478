"""What a datagram asks for in each dialect, how it is answered, and which dialect it is in."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.declaring.commands import Lasting
from twisted_kv.vocabulary.errors import ArityError, CommandError, WrongTypeError
from twisted_kv.vocabulary.replies import NO_REPLY, NULL_ARRAY, OK, PONG, Verbatim
from twisted_kv.wire.dialects import DIALECTS, MAX_DATAGRAM, Auto, Dialect, Equals, Resp, Words

PING = b"*1\r\n$4\r\nPING\r\n"


@pytest.mark.parametrize(
    ("datagram", "request_"),
    [
        (b"foo=bar", [b"SET", b"foo", b"bar"]),
        (b"foo=bar=baz", [b"SET", b"foo", b"bar=baz"]),
        (b"foo===", [b"SET", b"foo", b"=="]),
        (b"foo=", [b"SET", b"foo", b""]),
        (b"=bar", [b"SET", b"", b"bar"]),
        (b"=", [b"SET", b"", b""]),
        (b"foo", [b"GET", b"foo"]),
        (b"", [b"GET", b""]),
        (b"\n", [b"GET", b""]),
        (b"\r\n", [b"GET", b""]),
        (b"\r", [b"GET", b"\r"]),
        (b"foo\n", [b"GET", b"foo"]),
        (b"foo\r\n", [b"GET", b"foo"]),
        (b"foo\n\n", [b"GET", b"foo\n"]),
        (b"foo\r\n\r\n", [b"GET", b"foo\r\n"]),
        (b"foo\n\r", [b"GET", b"foo\n\r"]),
        (b"foo=bar\r\n", [b"SET", b"foo", b"bar"]),
        (b"foo=\n", [b"SET", b"foo", b""]),
        (b"a b = c d ", [b"SET", b"a b ", b" c d "]),
        (b"\xff\x00=\xfe\x00", [b"SET", b"\xff\x00", b"\xfe\x00"]),
        (b"PING", [b"GET", b"PING"]),
        (b"*1\r\n$4\r\nPING\r\n", [b"GET", b"*1\r\n$4\r\nPING"]),
    ],
)
def test_equals_sets_with_an_equals_sign_and_retrieves_without(datagram: bytes, request_: list[bytes]) -> None:
    assert Equals().parse(datagram) == [request_]


@pytest.mark.parametrize(
    ("datagram", "request_"),
    [
        (b"foo=bar\n", [b"SET", b"foo", b"bar\n"]),
        (b"foo\r\n", [b"GET", b"foo\r\n"]),
        (b"\n", [b"GET", b"\n"]),
        (b"", [b"GET", b""]),
    ],
)
def test_every_byte_of_a_binary_equals_datagram_counts(datagram: bytes, request_: list[bytes]) -> None:
    assert Equals(binary=True).parse(datagram) == [request_]


@pytest.mark.parametrize(
    ("request_", "reply", "answer"),
    [
        ([b"SET", b"foo", b"bar"], OK, None),
        ([b"SET", b"foo", b"bar"], CommandError("no memory", "OOM"), None),
        ([b"GET", b"foo"], b"bar", b"foo=bar"),
        ([b"GET", b"foo"], b"", b"foo="),
        ([b"GET", b""], b"bar", b"=bar"),
        ([b"GET", b"\xff"], b"\n\x00", b"\xff=\n\x00"),
        ([b"GET", b"nope"], None, b"keyDoesNotExists"),
        (
            [b"GET", b"hash"],
            WrongTypeError(),
            b"(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
)
def test_equals_answers_a_retrieval_and_nothing_else(request_: list[bytes], reply: Any, answer: bytes | None) -> None:
    assert Equals().render(request_, reply, 2) == answer


@pytest.mark.parametrize(
    ("datagram", "requests"),
    [
        (b"", []),
        (b"\n", []),
        (b" \t\r\n", []),
        (b"PING", [[b"PING"]]),
        (b"ping\r\n", [[b"ping"]]),
        (b"  hset h \"a b\\n\" 'c d'\n", [[b"hset", b"h", b"a b\n", b"c d"]]),
        (b"GET a b", [[b"GET", b"a", b"b"]]),
        (b'GET ""', [[b"GET", b""]]),
        (b"GET \xff\xfe", [[b"GET", b"\xff\xfe"]]),
        (b"SET", [[b"SET"]]),
        (b"SET KEYVAL", [[b"SET", b"KEYVAL"]]),
        (b"SET Foo Bar", [[b"SET", b"Foo", b"Bar"]]),
        (b"SET foo bar baz", [[b"SET", b"foo", b"bar baz"]]),
        (b"set  foo  bar \t baz\n", [[b"set", b"foo", b"bar baz"]]),
        (b'SET foo "a  b" c', [[b"SET", b"foo", b"a  b c"]]),
        (b"SET note remember to get", [[b"SET", b"note", b"remember to get"]]),
        (b"SET foo bar px 10000", [[b"SET", b"foo", b"bar", b"px", b"10000"]]),
        (b"SET foo bar baz EX 10", [[b"SET", b"foo", b"bar baz", b"EX", b"10"]]),
        (b"SET foo bar exat 10", [[b"SET", b"foo", b"bar", b"exat", b"10"]]),
        (b"SET foo bar PXAT 10", [[b"SET", b"foo", b"bar", b"PXAT", b"10"]]),
        (b"SET foo bar baz KeepTTL", [[b"SET", b"foo", b"bar baz", b"KeepTTL"]]),
        (b"SET foo bar EX 10 KEEPTTL", [[b"SET", b"foo", b"bar", b"EX", b"10", b"KEEPTTL"]]),
        (b"SET foo bar EX 1 PX 2", [[b"SET", b"foo", b"bar", b"EX", b"1", b"PX", b"2"]]),
        (b"SET foo bar EX -1", [[b"SET", b"foo", b"bar", b"EX", b"-1"]]),
        (b"SET foo bar PX abc", [[b"SET", b"foo", b"bar", b"PX", b"abc"]]),
        (b"SET foo bar EX abc PX 5", [[b"SET", b"foo", b"bar EX abc", b"PX", b"5"]]),
        (b"SET foo EX 5 is soon", [[b"SET", b"foo", b"EX 5 is soon"]]),
        (b"SET foo bar EX", [[b"SET", b"foo", b"bar EX"]]),
        (b"SET foo bar NX", [[b"SET", b"foo", b"bar NX"]]),
        (b"SET foo bar XX EX 5", [[b"SET", b"foo", b"bar XX", b"EX", b"5"]]),
        (b"SET foo EX 10", [[b"SET", b"foo", b"EX 10"]]),  # at least one word is the value
        (b"SET foo KEEPTTL", [[b"SET", b"foo", b"KEEPTTL"]]),
        (b"SET foo KEEPTTL KEEPTTL", [[b"SET", b"foo", b"KEEPTTL", b"KEEPTTL"]]),
        (b"SET PX 5 PX 6", [[b"SET", b"PX", b"5", b"PX", b"6"]]),
        (b"SETNX foo bar baz", [[b"SETNX", b"foo", b"bar", b"baz"]]),
    ],
)
def test_command_reads_words_and_joins_the_value_of_set(datagram: bytes, requests: list[list[bytes]]) -> None:
    assert Words().parse(datagram) == requests


@pytest.mark.parametrize("datagram", [b'GET "a', b"GET 'a", b'GET "a"b', b"GET a'b'c", b"'\n", b'SET k "\xff'])
def test_command_refuses_quotes_that_are_not_balanced(datagram: bytes) -> None:
    for binary in (False, True):
        with pytest.raises(CommandError) as raised:
            Words(binary).parse(datagram)
        assert raised.value.line == b"ERR Protocol error: unbalanced quotes in request"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (PONG, b"PONG\n"),
        (OK, b"OK\n"),
        (b"Bar", b"Bar\n"),
        (b"", b"\n"),
        (b"\xff\x00", b"\xff\x00\n"),
        (Verbatim(b"a\nb"), b"a\nb\n"),
        (None, b"(nil)\n"),
        (NULL_ARRAY, b"(nil)\n"),
        (1, b"(integer) 1\n"),
        ([b"a"], b'1) "a"\n'),
        ([], b"(empty array)\n"),
        # As redis-cli shows what it gets in RESP2.
        (True, b"(integer) 1\n"),
        (1.5, b"1.5\n"),
        ([1.5, False], b'1) "1.5"\n2) (integer) 0\n'),
        ({b"a": {b"b": 1}}, b'1) "a"\n2) 1) "b"\n   2) (integer) 1\n'),
        ({}, b"(empty array)\n"),
        (frozenset({b"a"}), b'1) "a"\n'),
        (NO_REPLY, None),
        (CommandError("no"), b"(error) ERR no\n"),
        (ArityError("set"), b"(error) ERR wrong number of arguments for 'SET' command\n"),
        (ArityError("config|get"), b"(error) ERR wrong number of arguments for 'CONFIG|GET' command\n"),
    ],
)
def test_command_answers_with_lines_for_a_terminal(reply: Any, answer: bytes | None) -> None:
    assert Words().render([b"X"], reply, 2) == answer


@pytest.mark.parametrize(
    ("datagram", "requests"),
    [
        (PING, [[b"PING"]]),
        (PING + b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n", [[b"PING"], [b"GET", b"\r\n"]]),
        (b"*0\r\n" + PING, [[b"PING"]]),
        (b"*1\r\n$3\r\n\xff\x00\n\r\n", [[b"\xff\x00\n"]]),
        (b"", []),
        (b"*0\r\n", []),
        (b"PING\r\n", []),
        (PING + b"\r\n", []),
        (PING + b"PING\r\n", []),
        (b"*x\r\n", []),
        (PING + b"*x\r\n", []),
        (b"*1\r\n$-1\r\n", []),
        (b"*1\r\n:1\r\n", []),
        (b"*1\r\n$65508\r\n", []),
        (b"*1\r\n$99999999\r\n", []),
        (b"\xff\xfe", []),
    ],
)
def test_resp_reads_whole_requests_or_none(datagram: bytes, requests: list[list[bytes]]) -> None:
    for binary in (False, True):
        assert Resp(binary).parse(datagram) == requests


@pytest.mark.parametrize("whole", [b"", PING, b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"])
def test_resp_keeps_silent_where_a_datagram_ends_within_a_request(whole: bytes) -> None:
    last = b"*3\r\n$0\r\n\r\n$1\r\nk\r\n$0\r\n\r\n"
    answered = [cut for cut in range(1, len(last)) if Resp().parse(whole + last[:cut])]
    assert answered == []


@pytest.mark.parametrize(
    ("reply", "resp", "answer"),
    [
        (PONG, 2, b"+PONG\r\n"),
        (None, 2, b"$-1\r\n"),
        (None, 3, b"_\r\n"),
        (CommandError("no"), 2, b"-ERR no\r\n"),
        (ArityError("set"), 2, b"-ERR wrong number of arguments for 'set' command\r\n"),
        ({b"a": 1}, 3, b"%1\r\n$1\r\na\r\n:1\r\n"),
        (NO_REPLY, 2, None),
        (NO_REPLY, 3, None),
    ],
)
def test_resp_answers_in_the_version_of_the_session(reply: Any, resp: int, answer: bytes | None) -> None:
    assert Resp().render([b"X"], reply, resp) == answer


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        ("auto", b"(error) ERR reply is too large for a datagram"),
        ("equals", b"(error) ERR reply is too large for a datagram"),
        ("command", b"(error) ERR reply is too large for a datagram\n"),
        ("resp", b"-ERR reply is too large for a datagram\r\n"),
    ],
)
def test_each_dialect_writes_errors_in_its_own_form(dialect: str, answer: bytes) -> None:
    assert DIALECTS[dialect]().error(CommandError("reply is too large for a datagram")) == answer


@pytest.mark.parametrize(
    ("datagram", "dialect"),
    [
        (b"PING", Words),
        (b"ping\n", Words),
        (b"Ping\r\n", Words),
        (b"GET", Words),
        (b"get foo", Words),
        (b"GET\tfoo", Words),
        (b"SET foo=bar", Words),
        (b"sEt foo bar", Words),
        (b"PING =", Words),
        (b"PINGS", Equals),
        (b"GETDEL foo", Equals),
        (b"GET=5", Equals),
        (b"SET\x00", Equals),
        (b"DEL foo", Equals),
        (b"foo=GET", Equals),
        (b"foo", Equals),
        (b"", Equals),
        (b"\n", Equals),
        (b'"GET" foo', Equals),
        (PING, Resp),
        (b"*0", Resp),
        (b"*9garbage", Resp),
        (b"*", Equals),
        (b"*-1\r\n", Equals),
        (b"*a=b", Equals),
        (b"*=1", Equals),
        (b"*\xb2", Equals),
        (b" *1\r\n", Equals),
        (b"\xff\xfe", Equals),
    ],
)
def test_auto_picks_the_dialect_by_how_a_datagram_begins(datagram: bytes, dialect: type[Dialect]) -> None:
    for binary in (False, True):
        chosen = Auto(binary).choose(datagram)
        assert type(chosen) is dialect
        assert chosen.binary is binary


@pytest.mark.parametrize("dialect", [Equals, Words, Resp])
def test_a_pinned_dialect_knows_no_special_words(dialect: type[Dialect]) -> None:
    pinned = dialect()
    assert {pinned.choose(datagram) for datagram in (b"PING", PING, b"foo=bar", b"")} == {pinned}


def test_the_dialects_are_known_by_their_names() -> None:
    assert {name: each.name for name, each in DIALECTS.items()} == {
        "auto": "auto",
        "equals": "equals",
        "command": "command",
        "resp": "resp",
    }
    assert MAX_DATAGRAM == 65_507


def test_only_the_requests_of_a_resp_datagram_share_a_session() -> None:
    assert (Equals.lasting, Words.lasting, Resp.lasting) == (Lasting.REQUEST, Lasting.REQUEST, Lasting.DATAGRAM)
