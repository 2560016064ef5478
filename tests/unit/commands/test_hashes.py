"""Commands on values that are hashes."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import MemoryCache
from twisted_kv.values.packing import DEFAULTS
from twisted_kv.vocabulary.errors import CommandError


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


def test_fields_are_set_and_told_how_many_are_new(cache: MemoryCache) -> None:
    assert cache.call("HSET", "h", "a", "1", "b", "2") == 2
    assert cache.call("HSET", "h", "a", "3", "c", "4", "c", "5") == 1
    assert cache.call("HGETALL", "h") == {b"a": b"3", b"b": b"2", b"c": b"5"}
    assert cache.call("HLEN", "h") == 3


def test_fields_are_read_in_many_ways(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "a", "1", "b", "", "", "3")
    assert cache.call("HGET", "h", "a") == b"1"
    assert cache.call("HGET", "h", "nope") is None
    assert cache.call("HMGET", "h", "b", "nope", "", "b") == [b"", None, b"3", b""]
    assert cache.call("HKEYS", "h") == [b"a", b"b", b""]
    assert cache.call("HVALS", "h") == [b"1", b"", b"3"]
    assert (cache.call("HEXISTS", "h", "b"), cache.call("HEXISTS", "h", "c")) == (1, 0)


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("HGET", "nope", "f"), None),
        (("HMGET", "nope", "f", "g"), [None, None]),
        (("HGETALL", "nope"), {}),
        (("HKEYS", "nope"), []),
        (("HVALS", "nope"), []),
        (("HLEN", "nope"), 0),
        (("HEXISTS", "nope", "f"), 0),
        (("HDEL", "nope", "f"), 0),
        (("HSCAN", "nope", 0), [b"0", []]),
        (("HSCAN", "nope", 0, "FOO"), [b"0", []]),
    ],
)
def test_a_key_that_is_not_there_is_an_empty_hash(cache: MemoryCache, words: tuple[Any, ...], reply: Any) -> None:
    assert cache.call(*words) == reply
    assert cache.call("DBSIZE") == 0


@pytest.mark.parametrize(
    "words",
    [
        ("HSET", "s", "f", "v"),
        ("HSETNX", "s", "f", "v"),
        ("HGET", "s", "f"),
        ("HMGET", "s", "f"),
        ("HDEL", "s", "f"),
        ("HEXISTS", "s", "f"),
        ("HGETALL", "s"),
        ("HKEYS", "s"),
        ("HVALS", "s"),
        ("HLEN", "s"),
        ("HINCRBY", "s", "f", 1),
        ("HSCAN", "s", 0),
    ],
)
def test_a_key_that_holds_no_hash_is_refused(cache: MemoryCache, words: tuple[Any, ...]) -> None:
    cache.call("SET", "s", "v")
    assert refusal(cache, *words) == "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert cache.call("GET", "s") == b"v"


def test_a_field_is_set_once_with_hsetnx(cache: MemoryCache) -> None:
    assert cache.call("HSETNX", "h", "f", "1") == 1
    assert cache.call("HSETNX", "h", "f", "2") == 0
    assert cache.call("HSETNX", "h", "g", "3") == 1
    assert cache.call("HGETALL", "h") == {b"f": b"1", b"g": b"3"}


def test_a_hash_without_fields_is_gone(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "a", "1", "b", "2")
    cache.call("EXPIRE", "h", 100)
    assert cache.call("HDEL", "h", "nope") == 0
    assert cache.call("HDEL", "h", "a", "a", "nope") == 1
    assert cache.call("TTL", "h") == 100
    assert cache.call("HDEL", "h", "b") == 1
    assert cache.call("DBSIZE") == 0
    cache.call("HSET", "h", "a", "1")
    assert cache.call("TTL", "h") == -1


def test_a_change_of_a_field_keeps_the_time_to_live(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "n", "1")
    cache.call("EXPIRE", "h", 100)
    cache.call("HSET", "h", "a", "1")
    cache.call("HSETNX", "h", "b", "1")
    cache.call("HINCRBY", "h", "n", "1")
    assert cache.call("TTL", "h") == 100


def test_a_field_counts(cache: MemoryCache) -> None:
    assert cache.call("HINCRBY", "h", "n", 5) == 5
    assert cache.call("HINCRBY", "h", "n", -7) == -2
    assert cache.call("HGET", "h", "n") == b"-2"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("HSET", "h", "f", "v", "g"), "ERR wrong number of arguments for 'hset' command"),
        (("HSET", "h", "f"), "ERR wrong number of arguments for 'hset' command"),
        (("HINCRBY", "h", "n", "abc"), "ERR value is not an integer or out of range"),
        (("HINCRBY", "h", "text", 1), "ERR hash value is not an integer"),
        (("HINCRBY", "h", "empty", 1), "ERR hash value is not an integer"),
        (("HINCRBY", "h", "n", 2**63 - 1), "ERR increment or decrement would overflow"),
        (("HSCAN", "h", "abc"), "ERR invalid cursor"),
        (("HSCAN", "h", 0, "COUNT", 0), "ERR syntax error"),
        (("HSCAN", "h", 0, "TYPE", "hash"), "ERR syntax error"),
        (("HSCAN", "h", 0, "MATCH"), "ERR syntax error"),
    ],
)
def test_what_cannot_be_done_is_refused_in_redis_words(cache: MemoryCache, words: tuple[Any, ...], error: str) -> None:
    cache.call("HSET", "h", "n", "1", "text", "v", "empty", "")
    assert refusal(cache, *words) == error
    assert cache.call("HGETALL", "h") == {b"n": b"1", b"text": b"v", b"empty": b""}


def test_a_small_hash_is_scanned_in_one_step_in_its_order(cache: MemoryCache) -> None:
    cache.call(
        "HSET",
        "h",
        *(word for number in range(DEFAULTS.hash_max_listpack_entries) for word in (f"f{number:03}", number)),
    )
    cursor, parts = cache.call("HSCAN", "h", 0, "COUNT", 1)
    assert cursor == b"0"
    assert parts[::2] == [b"f%03d" % number for number in range(DEFAULTS.hash_max_listpack_entries)]


@pytest.mark.parametrize("count", [1, 10, 5000])
def test_a_large_hash_is_scanned_in_steps(cache: MemoryCache, count: int) -> None:
    expected = {b"f%d" % number: b"%d" % number for number in range(2000)}
    for field, value in expected.items():
        cache.call("HSET", "h", field, value)
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, parts = cache.call("HSCAN", "h", cursor, "COUNT", count)
        found += parts
        if cursor == b"0":
            break
    assert len(found) == 4000
    assert dict(zip(found[::2], found[1::2])) == expected


def test_fields_are_scanned_by_a_pattern(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "a1", "1", "b1", "2", "a2", "3")
    assert cache.call("HSCAN", "h", 0, "MATCH", "a*") == [b"0", [b"a1", b"1", b"a2", b"3"]]


def test_hmset_sets_fields_and_does_not_count_them(cache: MemoryCache) -> None:
    assert cache.call("HMSET", "h", "f", "v") == b"OK"
    assert cache.call("HMSET", "h", "f", "w", "g", "") == b"OK"
    assert cache.call("HGETALL", "h") == {b"f": b"w", b"g": b""}
    assert refusal(cache, "HMSET", "h", "f", "v", "g") == "ERR wrong number of arguments for 'hmset' command"
    assert refusal(cache, "HMSET", "h", "f") == "ERR wrong number of arguments for 'hmset' command"
    cache.call("SET", "s", "v")
    assert refusal(cache, "HMSET", "s", "f", "v").startswith("WRONGTYPE")
