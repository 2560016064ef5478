"""OBJECT, MEMORY USAGE and DEBUG: what tests and people want to know of a key."""

from __future__ import annotations

from typing import Any, Iterator

import pytest

from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError


@pytest.fixture
def cache() -> Iterator[MemoryCache]:
    cache = MemoryCache({"enable-debug-command": "yes"})
    yield cache
    cache.stop()


def refusal(cache: Any, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


LONG = "x" * 65
VALUES: list[tuple[tuple[Any, ...], bytes]] = [
    (("SET", "k", 7), b"int"),
    (("SET", "k", "v"), b"embstr"),
    (("SET", "k", LONG), b"raw"),
    (("SETRANGE", "k", 100_000, "x"), b"raw"),
    (("RPUSH", "k", 1), b"quicklist"),
    (("HSET", "k", "f", 1), b"listpack"),
    (("HSET", "k", "f", LONG), b"hashtable"),
    (("SADD", "k", 1), b"intset"),
    (("SADD", "k", "x"), b"hashtable"),
    (("ZADD", "k", 1, "m"), b"listpack"),
    (("ZADD", "k", 1, LONG), b"skiplist"),
    (("XADD", "k", "1-1", "f", "v"), b"stream"),
]


@pytest.mark.parametrize(("request_", "encoding"), VALUES)
def test_the_encoding_is_that_of_redis(cache: MemoryCache, request_: Any, encoding: bytes) -> None:
    cache.call(*request_)
    assert cache.call("OBJECT", "ENCODING", "k") == encoding


@pytest.mark.parametrize(
    ("requests", "encoding"),
    [
        ("SET k 10|APPEND k 0", b"raw"),
        ("APPEND k 100", b"int"),
        ("SET k word|APPEND k ''", b"raw"),
        ("SETRANGE k 0 1", b"raw"),
        ("SET k word|SETRANGE k 9 x", b"raw"),
        ("SETBIT k 7 1", b"raw"),
        ("SET k 1|SETBIT k 7 1", b"raw"),
        ("SET k 1|EXPIRE k 9|SETBIT k 7 1", b"raw"),
        ("SET k 1|BITFIELD k GET u8 0", b"int"),
        ("SET k 1|BITFIELD k SET u8 0 49", b"raw"),
        ("SET j 1|BITOP NOT k j", b"raw"),
        ("PFADD k 1", b"raw"),
        ("PFMERGE k", b"raw"),
        ("INCRBYFLOAT k 5", b"embstr"),
        ("INCRBYFLOAT k 5|INCR k", b"int"),
        ("SET k 1|APPEND k 0|INCR k", b"int"),
        ("SET j 1|APPEND j 0|COPY j k", b"raw"),
        ("SET j 1|APPEND j 0|RENAME j k", b"raw"),
        ("SET k 1|APPEND k 0|GET k", b"raw"),
        ("SET k 1|APPEND k 0|DEBUG RELOAD", b"int"),
    ],
)
def test_the_encoding_of_a_short_string_tells_how_it_came_about(
    cache: MemoryCache, requests: str, encoding: bytes
) -> None:
    for request_ in requests.split("|"):
        cache.call(*request_.replace("''", "").split(" "))
    assert cache.call("OBJECT", "ENCODING", "k") == encoding


def test_a_string_that_was_changed_in_place_is_bytes_for_who_reads_it(cache: MemoryCache) -> None:
    cache.call("SET", "k", "1")
    cache.call("APPEND", "k", "0")
    cache.call("RPUSH", "l", "k")
    assert type(cache.call("GET", "k")) is bytes
    assert [type(value) for value in cache.call("MGET", "k", "nope")] == [bytes, type(None)]
    assert [type(value) for value in cache.call("SORT", "l", "BY", "nosort", "GET", "*")] == [bytes]
    assert type(cache.call("GETRANGE", "k", 0, -1)) is bytes
    assert cache.call("TYPE", "k") == b"string"
    assert cache.call("OBJECT", "REFCOUNT", "k") == 1
    assert type(cache.call("GETDEL", "k")) is bytes


@pytest.mark.parametrize(("request_", "encoding"), VALUES)
def test_values_are_the_same_after_a_reload(cache: MemoryCache, request_: Any, encoding: bytes) -> None:
    cache.call(*request_)
    cache.call("EXPIRE", "k", 100)
    before = cache.call("DEBUG", "DIGEST")
    assert cache.call("DEBUG", "RELOAD") == b"OK"
    assert cache.call("DEBUG", "DIGEST") == before
    assert cache.call("PTTL", "k") == 100_000
    assert cache.call("DEBUG", "DIGEST-VALUE", "k", "nope")[1] == b"0" * 40
    assert cache.call("DEBUG", "OBJECT", "k").startswith(b"Value at:0x")


@pytest.mark.parametrize("what", ["ENCODING", "REFCOUNT", "IDLETIME", "FREQ"])
def test_of_no_key_nothing_is_known(cache: MemoryCache, what: str) -> None:
    assert cache.call("OBJECT", what, "nope") is None


def test_small_numbers_are_shared(cache: MemoryCache) -> None:
    cache.call("MSET", "a", 9999, "b", 10000, "c", "x")
    assert [cache.call("OBJECT", "REFCOUNT", key) for key in "abc"] == [2**31 - 1, 1, 1]
    cache.call("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
    assert cache.call("OBJECT", "REFCOUNT", "a") == 1


def test_idle_time_is_counted_from_the_first_question_on(cache: MemoryCache) -> None:
    cache.call("SET", "k", "v")
    assert cache.call("OBJECT", "IDLETIME", "k") == 0
    cache.call("GET", "k")
    cache.clock.advance(5)
    assert cache.call("OBJECT", "IDLETIME", "k") == 5
    assert "not selected" in refusal(cache, "OBJECT", "FREQ", "k")


def test_the_count_of_uses_is_known_under_lfu(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    cache.call("SET", "k", "v")
    assert cache.call("OBJECT", "FREQ", "k") == 5
    assert "idle time not tracked" in refusal(cache, "OBJECT", "IDLETIME", "k")


def test_memory_usage_is_an_estimate_of_a_key(cache: MemoryCache) -> None:
    cache.call("SET", "k", "v" * 1000)
    stays = cache.call("MEMORY", "USAGE", "k")
    assert 1000 < stays < 1300
    cache.call("EXPIRE", "k", 100)
    assert cache.call("MEMORY", "USAGE", "k", "SAMPLES", 0) > stays
    assert cache.call("MEMORY", "USAGE", "nope") is None


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("SAMPLES",), "ERR syntax error"),
        (("SAMPLES", -1), "ERR syntax error"),
        (("NOPE", 1), "ERR syntax error"),
        (("SAMPLES", "x"), "ERR value is not an integer or out of range"),
    ],
)
def test_memory_usage_refuses_other_options(cache: MemoryCache, words: Any, error: str) -> None:
    assert refusal(cache, "MEMORY", "USAGE", "k", *words) == error


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("NOPE",), "ERR unknown subcommand or wrong number of arguments for 'NOPE'. Try DEBUG HELP."),
        (("SLEEP",), "ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP."),
        (("OBJECT", "nope"), "ERR no such key"),
        (("LOADAOF",), "ERR this cache has no append-only file"),
        (("RELOAD", "NOPE"), "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."),
        (("RELOAD", "NOSAVE"), "ERR DEBUG RELOAD takes no options here: nothing is read from a file"),
        (
            ("QUICKLIST-PACKED-THRESHOLD", "x"),
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ),
        (
            ("QUICKLIST-PACKED-THRESHOLD", "4gb"),
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ),
    ],
)
def test_debug_refuses(cache: MemoryCache, words: Any, error: str) -> None:
    assert refusal(cache, "DEBUG", *words) == error


def test_debug_does_little_things(cache: MemoryCache) -> None:
    assert cache.call("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "1kb") == b"OK"
    assert b"SLEEP" in cache.call("DEBUG", "HELP")
    for active in (0, 1):
        assert cache.call("DEBUG", "SET-ACTIVE-EXPIRE", active) == b"OK"


@pytest.mark.parametrize(
    ("seconds", "waits"), [("0.5", 0.5), ("x", 0), ("-1", 0), ("0.5x", 0.5), ("1e1", 10), ("inf", 0)]
)
def test_debug_sleep_lets_one_client_wait(cache: MemoryCache, seconds: str, waits: float) -> None:
    client = cache.connect()
    client.send(f"DEBUG SLEEP {seconds}\r\n".encode())
    assert cache.call("PING") == b"PONG"
    cache.clock.advance(waits)
    assert client.transport.value().endswith(b"+OK\r\n")


def test_debug_is_for_local_connections_if_the_setting_says_so() -> None:
    cache = MemoryCache({"enable-debug-command": "local", "protected-mode": "no"})
    assert cache.connect("127.0.0.1").call("DEBUG", "DIGEST") == b"0" * 40
    assert "not allowed" in refusal(cache.connect("10.0.0.1"), "DEBUG", "DIGEST")
    assert cache.call("DEBUG", "DIGEST") == b"0" * 40
    cache.stop()


def test_debug_is_for_nobody_by_default() -> None:
    cache = MemoryCache()
    assert refusal(cache, "DEBUG", "DIGEST").startswith("ERR DEBUG command not allowed. If the enable-debug-command")
    cache.stop()
