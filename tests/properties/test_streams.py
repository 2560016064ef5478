"""Streams are read alike however they are cut, and what is written is read back."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sockets.parsing import read, read_at_the_end, typed
from twisted_kv.vocabulary.errors import CommandError, as_text
from twisted_kv.vocabulary.numbers import INT64_MAX, INT64_MIN, format_double
from twisted_kv.vocabulary.replies import NULL_ARRAY, NullArray, OrderedSet, Push, Status, Verbatim
from twisted_kv.wire.dialects import DIALECTS, Equals, Resp, Words
from twisted_kv.wire.encoder import encode_request, encode_resp2, encode_resp3
from twisted_kv.wire.reply_reader import ReplyReader
from twisted_kv.wire.requests import RequestReader
from twisted_kv.wire.words import quote, split_words

words = st.lists(st.binary(max_size=40), min_size=1, max_size=5)
lines = st.binary(max_size=20).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """Cut a stream at some places."""
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in zip(places, places[1:])]


def unescape(token: bytes) -> bytes:
    r"""Take a token by its bytes where it writes `\r`, `\n` or `\x20`."""
    return token.decode("unicode_escape").encode("latin-1")


cuts = st.lists(st.integers(0, 10_000), max_size=12)

# Streams --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(words, st.booleans()), max_size=6), cuts)
def test_requests_are_read_alike_however_they_are_cut(
    requests: list[tuple[list[bytes], bool]], cuts: list[int]
) -> None:
    stream = b"".join(
        " ".join(map(quote, request)).encode() + b"\r\n" if inline else encode_request(request)
        for request, inline in requests
    )
    expected = ([request for request, _ in requests], None)
    assert read(RequestReader(), pieces(stream, cuts)) == expected
    assert read_at_the_end(RequestReader(), pieces(stream, cuts)) == expected


request_tokens = st.sampled_from(
    rb"*1\r\n *2\r\n *-1\r\n *0\r\n *x\r\n $1\r\n $0\r\n $-1\r\n $4\r\nPING\r\n *1\r\n$4\r\nPING\r\n PING\r\n a \r\n \n"
    rb" \r * $ 1 - \x20 \x22 \x27 \x5c \xff".split()
).map(unescape)
reply_tokens = st.sampled_from(
    rb"+OK\r\n -ERR\r\n :1\r\n :x\r\n $1\r\na\r\n $-1\r\n $0\r\n\r\n $1\r\nabc _\r\n *0\r\n *1\r\n *2\r\n *-1\r\n"
    rb" %1\r\n %0\r\n ~2\r\n ~0\r\n >1\r\n #t\r\n ,1.5\r\n (7\r\n =5\r\ntxt:a\r\n !5\r\nERR\x20x\r\n \r\n \r \n"
    rb" * $ 1 \xff".split()
).map(unescape)


@given(st.one_of(st.binary(max_size=60), st.lists(request_tokens, max_size=12).map(b"".join)), cuts)
def test_any_bytes_are_the_same_requests_however_they_are_cut(stream: bytes, cuts: list[int]) -> None:
    assert read(RequestReader(), pieces(stream, cuts)) == read(RequestReader(), [stream])


@given(st.one_of(st.binary(max_size=60), st.lists(reply_tokens, max_size=12).map(b"".join)), cuts)
def test_any_bytes_are_the_same_replies_however_they_are_cut(stream: bytes, cuts: list[int]) -> None:
    assert typed(read(ReplyReader(), pieces(stream, cuts))) == typed(read(ReplyReader(), [stream]))


# Replies --------------------------------------------------------------------------------------------------------------

integers = st.integers(INT64_MIN, INT64_MAX)
members = st.binary(max_size=8)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    st.floats(allow_nan=False),
    st.binary(max_size=20),
    lines.map(Status),
    st.binary(max_size=20).map(Verbatim),
    lines.map(CommandError.parse),
    st.just(NULL_ARRAY),
)
values = st.recursive(
    scalars,
    lambda each: st.one_of(
        st.lists(each, max_size=4),
        st.dictionaries(members, each, max_size=4),
        st.sets(members, max_size=4),
        st.frozensets(members, max_size=4),
        st.lists(each, max_size=3).map(lambda items: OrderedSet([*items, [b"keeps its order"]])),
        st.lists(each, max_size=4).map(Push),
    ),
    max_leaves=12,
)


def as_resp2(value: Any) -> Any:
    """What a client that speaks RESP2 sees of a value."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return format_double(value)
    if isinstance(value, Verbatim):
        return bytes(value)
    if isinstance(value, dict):
        return [as_resp2(part) for pair in value.items() for part in pair]
    if isinstance(value, (list, set, frozenset)):
        return [as_resp2(item) for item in value]
    return value


def as_resp3(value: Any) -> Any:
    """What a client that speaks RESP3 sees of a value."""
    if isinstance(value, NullArray):
        return None
    if isinstance(value, dict):
        return {key: as_resp3(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return set(value)
    if isinstance(value, list):
        return type(value)(as_resp3(item) for item in value)
    return value


@pytest.mark.parametrize(("encode", "seen"), [(encode_resp2, as_resp2), (encode_resp3, as_resp3)])
@given(replies=st.lists(values, min_size=1, max_size=3), cuts=cuts)
def test_replies_are_read_back_however_they_are_cut(
    encode: Callable[[Any], bytes], seen: Callable[[Any], Any], replies: list[Any], cuts: list[int]
) -> None:
    stream = b"".join(map(encode, replies))
    expected = typed(([(seen(reply),) for reply in replies], None))
    assert typed(read(ReplyReader(), pieces(stream, cuts))) == expected
    assert typed(read_at_the_end(ReplyReader(), pieces(stream, cuts))) == expected


@given(st.binary(min_size=1, max_size=40))
def test_an_error_with_bytes_of_a_client_is_one_line_of_the_stream(data: bytes) -> None:
    ((error,),), failure = read(ReplyReader(), [encode_resp2(CommandError(as_text(data)))])
    assert failure is None
    text = data.rstrip(b"\r\n").replace(b"\r", b" ").replace(b"\n", b" ")
    assert error.line == (b"ERR " + text if text else b"ERR")


# Words ----------------------------------------------------------------------------------------------------------------


@given(words)
def test_quoted_words_are_read_back(words: list[bytes]) -> None:
    for word in words:
        assert split_words(quote(word).encode()) == [word]
    line = " ".join(map(quote, words))
    assert line.isascii()
    assert line.isprintable()
    assert split_words(line.encode()) == words


def words_by_redis(line: bytes) -> list[bytes] | None:
    """Cut a line as the rules say, one byte after another; None where quotes are not balanced."""
    found: list[bytes] = []
    at = 0
    while True:
        while line[at : at + 1].isspace():
            at += 1
        if at == len(line):
            return found
        word = b""
        quoting = b""
        while True:
            byte = line[at : at + 1]
            following = line[at + 1 : at + 2]
            if not quoting:
                if not byte or byte in b" \n\r\t":
                    break
                if byte in b"\"'":
                    quoting = byte
                else:
                    word += byte
            elif not byte:
                return None
            elif byte == quoting:
                if following and not following.isspace():
                    return None
                at += 1
                break
            elif quoting == b'"' and byte == b"\\" and re.match(rb"x[0-9a-fA-F]{2}", line[at + 1 : at + 4]):
                word += bytes.fromhex(line[at + 2 : at + 4].decode())
                at += 3
            elif quoting == b'"' and byte == b"\\" and following:
                word += {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}.get(following, following)
                at += 1
            elif quoting == b"'" and byte == b"\\" and following == b"'":
                word += b"'"
                at += 1
            else:
                word += byte
            at += 1
        found.append(word)


odd_lines = st.lists(st.sampled_from(list(b"ab\"'\\ \t\v\nx41n\xff")), max_size=14).map(bytes)


@given(st.one_of(st.binary(max_size=20), odd_lines))
def test_any_line_is_cut_into_words_by_the_rules(line: bytes) -> None:
    line = line.replace(b"\0", b"0")
    try:
        found = split_words(line)
    except ValueError:
        assert words_by_redis(line) is None
    else:
        assert found == words_by_redis(line)


# Datagrams ------------------------------------------------------------------------------------------------------------

datagrams = st.one_of(
    st.binary(max_size=60),
    st.lists(request_tokens, max_size=8).map(b"".join),
    st.tuples(
        st.sampled_from([b"PING", b"get", b"Set", b"*1", b"*", b"SET k v PX", b"set a b EX 5 keepttl", b""]),
        st.sampled_from([b"", b" ", b"\t", b"\n", b"=", b"S", b"\0", b"\v"]),
        st.binary(max_size=20),
    ).map(b"".join),
)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", sorted(DIALECTS))
@given(datagram=datagrams)
def test_no_bytes_make_a_dialect_raise_anything_but_a_command_error(name: str, binary: bool, datagram: bytes) -> None:
    dialect = DIALECTS[name](binary).choose(datagram)
    requests = []
    with suppress(CommandError):
        requests = dialect.parse(datagram)
    for request in requests:
        assert request
        assert {type(word) for word in request} == {bytes}


@given(datagrams)
def test_what_auto_picks_is_what_the_rule_says(datagram: bytes) -> None:
    first = b"" if datagram[:1].isspace() else datagram.split(None, 1)[0] if datagram else b""
    if first.upper() in (b"PING", b"GET", b"SET"):
        expected: type = Words
    elif datagram[:1] == b"*" and datagram[1:2].isdigit():
        expected = Resp
    else:
        expected = Equals
    assert type(DIALECTS["auto"]().choose(datagram)) is expected


@given(st.binary(max_size=40))
def test_a_binary_equals_datagram_is_taken_byte_for_byte(datagram: bytes) -> None:
    (request,) = Equals(binary=True).parse(datagram)
    assert datagram == b"=".join(request[1:])
    assert (request[0] == b"SET") == (b"=" in datagram)


@given(st.binary(max_size=40), st.sampled_from([b"\n", b"\r\n"]))
def test_one_line_ending_is_not_part_of_a_request(datagram: bytes, ending: bytes) -> None:
    whole = datagram[:-1] if ending == b"\n" and datagram.endswith(b"\r") else datagram
    assert Equals().parse(datagram + ending) == Equals(binary=True).parse(whole)


@given(st.lists(words, min_size=1, max_size=4), st.integers(0, 10_000))
def test_a_resp_datagram_is_answered_when_all_its_requests_are_whole(requests: list[list[bytes]], cut: int) -> None:
    ends = [len(b"".join(map(encode_request, requests[:count]))) for count in range(len(requests) + 1)]
    stream = b"".join(map(encode_request, requests))
    cut %= len(stream) + 1
    expected = requests[: ends.index(cut)] if cut in ends else []
    assert Resp().parse(stream[:cut]) == expected


@given(st.binary(max_size=10), st.lists(st.binary(max_size=6), min_size=1, max_size=4))
def test_the_value_of_set_is_all_words_joined_by_one_blank(key: bytes, value: list[bytes]) -> None:
    value[-1] += b"."  # not the end of a time option
    value.insert(0, b"x")
    line = " ".join(map(quote, [b"SET", key, *value, b"end"])).encode()
    assert Words(binary=True).parse(line) == [[b"SET", key, b" ".join([*value, b"end"])]]
    (request,) = Words(binary=True).parse(line + b" px 5 KEEPTTL")
    assert request == [b"SET", key, b" ".join([*value, b"end"]), b"px", b"5", b"KEEPTTL"]
