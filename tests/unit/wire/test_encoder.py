"""Reply values are written as Redis 7.0 writes them, in RESP2 and in RESP3."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.vocabulary.errors import ArityError, CommandError, ExpireTimeError, WrongTypeError
from twisted_kv.vocabulary.replies import NO_REPLY, NULL_ARRAY, OK, PONG, NoReply, OrderedSet, Push, Status, Verbatim
from twisted_kv.wire.encoder import encode, encode_request, encode_resp2, encode_resp3


@pytest.mark.parametrize(
    ("value", "resp2", "resp3"),
    [
        (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
        (b"\r\n\xff\x00", b"$4\r\n\r\n\xff\x00\r\n", b"$4\r\n\r\n\xff\x00\r\n"),
        (OK, b"+OK\r\n", b"+OK\r\n"),
        (PONG, b"+PONG\r\n", b"+PONG\r\n"),
        (0, b":0\r\n", b":0\r\n"),
        (-(2**63), b":-9223372036854775808\r\n", b":-9223372036854775808\r\n"),
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        (NO_REPLY, b"", b""),
        (True, b":1\r\n", b"#t\r\n"),
        (False, b":0\r\n", b"#f\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (3.0, b"$1\r\n3\r\n", b",3\r\n"),
        (0.1, b"$19\r\n0.10000000000000001\r\n", b",0.10000000000000001\r\n"),
        (1e300, b"$23\r\n1.0000000000000001e+300\r\n", b",1.0000000000000001e+300\r\n"),
        (float("inf"), b"$3\r\ninf\r\n", b",inf\r\n"),
        (float("-inf"), b"$4\r\n-inf\r\n", b",-inf\r\n"),
        (Verbatim(b"a\nb"), b"$3\r\na\nb\r\n", b"=7\r\ntxt:a\nb\r\n"),
        (CommandError("no"), b"-ERR no\r\n", b"-ERR no\r\n"),
        (CommandError("a\r\nb\xe9"), b"-ERR a  b\xc3\xa9\r\n", b"-ERR a  b\xc3\xa9\r\n"),
        (
            WrongTypeError(),
            b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        ),
        (
            ArityError("get"),
            b"-ERR wrong number of arguments for 'get' command\r\n",
            b"-ERR wrong number of arguments for 'get' command\r\n",
        ),
        (
            ExpireTimeError("set"),
            b"-ERR invalid expire time in 'set' command\r\n",
            b"-ERR invalid expire time in 'set' command\r\n",
        ),
        ([], b"*0\r\n", b"*0\r\n"),
        ([1, [None, b"a"]], b"*2\r\n:1\r\n*2\r\n$-1\r\n$1\r\na\r\n", b"*2\r\n:1\r\n*2\r\n_\r\n$1\r\na\r\n"),
        ({}, b"*0\r\n", b"%0\r\n"),
        ({b"k": True}, b"*2\r\n$1\r\nk\r\n:1\r\n", b"%1\r\n$1\r\nk\r\n#t\r\n"),
        (set(), b"*0\r\n", b"~0\r\n"),
        ({b"a"}, b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
        (frozenset({1}), b"*1\r\n:1\r\n", b"~1\r\n:1\r\n"),
        (OrderedSet([b"b", b"a"]), b"*2\r\n$1\r\nb\r\n$1\r\na\r\n", b"~2\r\n$1\r\nb\r\n$1\r\na\r\n"),
        (Push([Status(b"message"), 1]), b"*2\r\n+message\r\n:1\r\n", b">2\r\n+message\r\n:1\r\n"),
        ([{b"m": {1.0}}], b"*1\r\n*2\r\n$1\r\nm\r\n*1\r\n$1\r\n1\r\n", b"*1\r\n%1\r\n$1\r\nm\r\n~1\r\n,1\r\n"),
    ],
)
def test_a_value_is_written_in_both_versions(value: Any, resp2: bytes, resp3: bytes) -> None:
    assert (encode_resp2(value), encode_resp3(value)) == (resp2, resp3)
    assert (encode(value, 2), encode(value, 3)) == (resp2, resp3)


@pytest.mark.parametrize("value", ["text", (1, 2), object(), bytearray(b"x"), 1j])
def test_a_value_that_is_no_reply_is_not_written(value: object) -> None:
    for version in (2, 3):
        with pytest.raises(KeyError):
            encode(value, version)  # type: ignore[arg-type]  # that is what is tested
        with pytest.raises(KeyError):
            encode([value], version)  # type: ignore[list-item]  # as above


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ([b"PING"], b"*1\r\n$4\r\nPING\r\n"),
        ([b"SET", b"", b"\r\n\xff"], b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\n\r\n\xff\r\n"),
        ([], b"*0\r\n"),
    ],
)
def test_words_are_written_as_a_request(words: list[bytes], request_: bytes) -> None:
    assert encode_request(words) == request_


def test_the_values_without_content_say_their_names() -> None:
    assert repr(NULL_ARRAY) == "NULL_ARRAY"
    assert repr(NO_REPLY) == "NO_REPLY"
    assert isinstance(NO_REPLY, NoReply)
