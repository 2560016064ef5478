"""Requests from the same process."""

from __future__ import annotations

import enum
import re
from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.faces.in_process import LocalSession, Owner, _later, encode_word
from twisted_kv.settings.config import Settings
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.version import VERSION
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.waiting import Promise


class Text(str):
    """A text of another class."""

    __slots__ = ()

    def __str__(self) -> str:
        return "not the text itself"


class Colour(str, enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("word", "encoded"),
    [
        (b"\xff\0", b"\xff\0"),
        ("grün", "grün".encode()),
        ("", b""),
        (0, b"0"),
        (-(2**70), b"-1180591620717411303424"),
        (1.5, b"1.5"),
        (0.1, b"0.1"),
        (1e300, b"1e+300"),
        (Text("text"), b"text"),
        (Colour.RED, b"red"),
    ],
)
def test_a_word_becomes_bytes(word: Any, encoded: bytes) -> None:
    assert encode_word(word) == encoded
    assert type(encode_word(word)) is bytes


@pytest.mark.parametrize("word", [None, True, [b"a"], {}, object(), 1j, bytearray(b"a"), memoryview(b"a")])
def test_a_word_of_another_kind_is_refused(word: Any) -> None:
    with pytest.raises(TypeError, match="a word of a request is str, bytes, int or float"):
        encode_word(word)


def test_a_text_that_is_no_utf_8_is_refused_as_a_word() -> None:
    with pytest.raises(TypeError):
        encode_word("\udcff")


def test_replies_are_the_values_themselves(cache: MemoryCache) -> None:
    assert cache.call("SET", "k", 1) == b"OK"
    assert cache.call("GET", "k") == b"1"
    assert cache.call("GET", "nope") is None
    assert cache.call("INCR", "k") == 2
    assert cache.call("MGET", "k", "nope") == [b"2", None]
    cache.call("HSET", "h", "f", "v")
    assert cache.call("HGETALL", "h") == {b"f": b"v"}


def test_an_error_reply_is_raised(cache: MemoryCache) -> None:
    cache.call("SET", "k", "v")
    with pytest.raises(CommandError) as caught:
        cache.call("HGETALL", "k")
    assert (caught.value.code, caught.value.message) == (
        "WRONGTYPE",
        "Operation against a key holding the wrong kind of value",
    )


def test_a_request_has_at_least_one_word(cache: MemoryCache) -> None:
    with pytest.raises(TypeError, match="a request has at least one word"):
        cache.call()


def test_a_word_that_is_refused_has_changed_nothing(cache: MemoryCache) -> None:
    with pytest.raises(TypeError):
        cache.call("MSET", "a", 1, "b", None)
    assert cache.call("DBSIZE") == 0


def test_each_session_selects_for_itself(cache: MemoryCache) -> None:
    with cache.session() as one, cache.session() as other:
        one.call("SELECT", 1)
        one.call("SET", "k", "v")
        assert other.call("GET", "k") is None
        assert cache.call("GET", "k") is None
        assert one.call("CLIENT", "ID") != other.call("CLIENT", "ID")
        assert b" resp=3 " in one.call("CLIENT", "INFO")


def test_a_session_needs_no_password() -> None:
    dispatcher = Dispatcher(Settings.of({"requirepass": "geheim"}), Clock())
    session = LocalSession(dispatcher)
    assert session.call("PING") == b"PONG"
    session.close()


def test_the_version_is_one_that_the_index_takes() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?(\.dev\d+)?", VERSION)


def test_a_reply_that_comes_when_nobody_waits_for_it_any_more_is_dropped() -> None:
    reply = Promise()
    deferred = _later(reply, Owner()).addErrback(lambda failure: failure.type)
    deferred.cancel()
    reply.resolve(b"too late")
    assert deferred.result is CancelledError
