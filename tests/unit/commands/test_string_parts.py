"""Commands on parts of strings, and strings that are long enough to be changed in place."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import MemoryCache
from twisted_kv.values.long_strings import LONG, LongString
from twisted_kv.vocabulary.errors import CommandError

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
NO_INTEGER = "ERR value is not an integer or out of range"
SIZE = LONG + 10


@pytest.fixture
def long(cache: MemoryCache) -> bytes:
    """What the key `long` holds, which is kept so that it is changed in place."""
    cache.call("SETRANGE", "long", SIZE - 4, "tail")
    assert isinstance(cache.service.dispatcher.server.databases[0].peek(b"long"), LongString)
    return bytes(SIZE - 4) + b"tail"


def test_a_string_is_appended_to(cache: MemoryCache) -> None:
    assert [cache.call("APPEND", "k", part) for part in ("ab", "", "c")] == [2, 2, 3]
    assert cache.call("GET", "k") == b"abc"
    assert cache.call("APPEND", "new", "") == 0
    assert cache.call("EXISTS", "new") == 1


def test_a_part_is_overwritten(cache: MemoryCache) -> None:
    cache.call("SET", "k", "Hello World")
    assert cache.call("SETRANGE", "k", 6, "Redis") == 11
    assert cache.call("SETRANGE", "k", 13, "!") == 14
    assert cache.call("GET", "k") == b"Hello Redis\0\0!"
    assert cache.call("SETRANGE", "k", 2**40, "") == 14
    assert cache.call("SETRANGE", "nope", 2**40, "") == 0
    assert cache.call("EXISTS", "nope") == 0


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [(0, 3, b"This"), (-3, -1, b"ing"), (0, -1, b"This is a string"), (10, 100, b"string"), (5, 2, b""), (-1, -5, b""),
     (-100, 3, b"This"), (100, 200, b""), (0, -100, b"T")],
)  # fmt: skip
def test_a_part_is_read(cache: MemoryCache, start: int, end: int, part: bytes) -> None:
    cache.call("SET", "k", "This is a string")
    assert cache.call("GETRANGE", "k", start, end) == part
    assert cache.call("SUBSTR", "k", start, end) == part
    assert cache.call("GETRANGE", "nope", start, end) == b""


def test_strings_are_set_if_none_of_them_is_there(cache: MemoryCache) -> None:
    assert cache.call("MSETNX", "a", 1, "b", 2) == 1
    assert cache.call("MSETNX", "b", 3, "c", 4) == 0
    assert cache.call("MGET", "a", "b", "c") == [b"1", b"2", None]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("APPEND", "l", "x"), WRONG_TYPE),
        (("APPEND", "k", "x" * 2**20), TOO_LONG),
        (("SETRANGE", "l", 0, "x"), WRONG_TYPE),
        (("SETRANGE", "k", -1, "x"), "ERR offset is out of range"),
        (("SETRANGE", "k", "x", "x"), NO_INTEGER),
        (("SETRANGE", "k", 2**20, "x"), TOO_LONG),
        (("GETRANGE", "l", 0, 1), WRONG_TYPE),
        (("GETRANGE", "l", "x", 1), NO_INTEGER),
        (("GETRANGE", "k", 0, "x"), NO_INTEGER),
        (("STRLEN", "l"), WRONG_TYPE),
        (("MSETNX", "a", 1, "b"), "ERR wrong number of arguments for 'msetnx' command"),
    ],
)
def test_what_makes_no_sense_is_refused(cache: MemoryCache, words: tuple[Any, ...], error: str) -> None:
    cache.call("CONFIG", "SET", "proto-max-bulk-len", 2**20)
    cache.call("SET", "k", "v")
    cache.call("RPUSH", "l", "x")
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    assert str(caught.value) == error


def test_a_long_string_is_read_like_any_other(cache: MemoryCache, long: bytes) -> None:
    assert cache.call("GET", "long") == long
    assert cache.call("MGET", "long", "nope") == [long, None]
    assert cache.call("STRLEN", "long") == SIZE
    assert cache.call("GETRANGE", "long", -6, -1) == b"\0\0tail"
    assert cache.call("SUBSTR", "long", 0, -1) == long
    assert cache.call("GETEX", "long", "EX", 100) == long
    assert cache.call("TTL", "long") == 100
    assert cache.call("TYPE", "long") == b"string"
    assert cache.call("OBJECT", "ENCODING", "long") == b"raw"
    assert cache.call("SCAN", 0, "TYPE", "string") == [b"0", [b"long"]]
    assert cache.call("MEMORY", "USAGE", "long") > SIZE - LONG


def test_a_long_string_is_changed_in_place(cache: MemoryCache, long: bytes) -> None:
    assert cache.call("APPEND", "long", "!") == SIZE + 1
    assert cache.call("SETRANGE", "long", 0, "head") == SIZE + 1
    assert cache.call("GET", "long") == b"head" + long[4:] + b"!"


@pytest.mark.parametrize(
    "words",
    [("SET", "long", "x", "GET"), ("GETSET", "long", "x"), ("GETDEL", "long"), ("SET", "long", "x", "NX", "GET")],
)
def test_the_old_value_may_be_a_long_string(cache: MemoryCache, long: bytes, words: tuple[Any, ...]) -> None:
    assert cache.call(*words) == long


def test_a_long_string_is_copied_moved_and_restored(cache: MemoryCache, long: bytes) -> None:
    cache.call("COPY", "long", "copy")
    cache.call("RESTORE", "restored", 0, cache.call("DUMP", "long"))
    cache.call("RENAME", "long", "other")
    cache.call("APPEND", "other", "!")
    assert cache.call("MGET", "copy", "restored", "other", "long") == [long, long, long + b"!", None]


def test_a_long_string_is_combined_counted_and_sorted_by(cache: MemoryCache, long: bytes) -> None:
    assert cache.call("BITOP", "NOT", "inverted", "long") == SIZE
    assert cache.call("BITOP", "AND", "both", "long", "inverted") == SIZE
    assert cache.call("BITCOUNT", "both") == 0
    cache.call("RPUSH", "list", "long")
    assert cache.call("SORT", "list", "BY", "*", "ALPHA", "GET", "*") == [long]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("INCR", "long"), NO_INTEGER),
        (("INCRBYFLOAT", "long", 1), "ERR value is not a valid float"),
        (("PFADD", "long", "x"), "WRONGTYPE Key is not a valid HyperLogLog string value."),
        (("RPUSH", "long", "x"), WRONG_TYPE),
        (("HGET", "long", "x"), WRONG_TYPE),
    ],
)
def test_a_long_string_is_a_string_in_errors_too(
    cache: MemoryCache, long: bytes, words: tuple[Any, ...], error: str
) -> None:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    assert str(caught.value) == error
