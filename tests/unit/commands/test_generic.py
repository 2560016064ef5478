"""Commands on keys of any type: their life, their names and walks over them."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest

from twisted_kv.service import CacheService
from twisted_kv.testing import START, Clock, MemoryCache
from twisted_kv.vocabulary.errors import CommandError

NOW = START * 1000


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


def info_field(call: Callable[..., Any], name: str) -> int:
    fields = dict(line.split(":", 1) for line in call("INFO").decode().split("\r\n") if ":" in line)
    return int(fields[name])


def walk(cache: MemoryCache, *words: Any) -> list[bytes]:
    """Take a walk with SCAN and options; gives what it gave."""
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, part = cache.call("SCAN", cursor, *words)
        found += part
        if cursor == b"0":
            return found


class TestTimeToLive:
    """The same with timers (a service that was started) and without."""

    @pytest.fixture(params=["started", "not started"])
    def service(self, request: pytest.FixtureRequest, clock: Clock) -> Iterator[CacheService]:
        service = CacheService(port=None, clock=clock)
        if request.param == "started":
            service.startService()
        yield service
        service.stopService()

    @pytest.mark.parametrize("milliseconds", [1, 2, 99, 100, 999, 1001, 86_400_000])
    def test_a_key_is_there_until_its_millisecond(self, service: CacheService, clock: Clock, milliseconds: int) -> None:
        service.call("SET", "k", "v", "PX", milliseconds)
        service.call("HSET", "h", "f", "v")
        service.call("PEXPIRE", "h", milliseconds)
        clock.advance((milliseconds - 1) / 1000)
        assert service.call("PTTL", "k") == 1
        assert service.call("EXISTS", "k", "h") == 2
        assert sorted(service.call("KEYS", "*")) == [b"h", b"k"]
        clock.advance(0.001)
        assert service.call("KEYS", "*") == []
        assert service.call("RANDOMKEY") is None
        assert service.call("SCAN", 0) == [b"0", []]
        assert service.call("GET", "k") is None
        assert service.call("PTTL", "k") == -2
        assert service.call("TYPE", "h") == b"none"
        assert service.call("HGETALL", "h") == {}
        assert service.call("DBSIZE") == 0
        assert info_field(service.call, "expired_keys") == 2

    @pytest.mark.parametrize(
        ("words", "reply", "there_after"),
        [
            (("EXISTS", "k"), 0, 0),
            (("DEL", "k"), 0, 0),
            (("UNLINK", "k"), 0, 0),
            (("TOUCH", "k"), 0, 0),
            (("PERSIST", "k"), 0, 0),
            (("EXPIRE", "k", 10), 0, 0),
            (("TTL", "k"), -2, 0),
            (("SCAN", "0"), [b"0", []], 0),
            (("GETDEL", "k"), None, 0),
            (("GETEX", "k", "PERSIST"), None, 0),
            (("SET", "k", "new", "XX"), None, 0),
            (("HDEL", "k", "f"), 0, 0),
            (("SET", "k", "new", "NX", "KEEPTTL"), b"OK", 1),
            (("SETNX", "k", "new"), 1, 1),
            (("GETSET", "k", "new"), None, 1),
            (("INCR", "k"), 1, 1),
            (("APPEND", "k", "new"), 3, 1),
            (("HSET", "k", "f", "v"), 1, 1),
        ],
    )
    def test_an_expired_key_is_as_if_it_had_never_been(
        self, service: CacheService, clock: Clock, words: tuple[Any, ...], reply: Any, there_after: int
    ) -> None:
        service.call("SET", "k", 41, "PX", 10)
        clock.advance(0.010)
        assert service.call(*words) == reply
        clock.advance(100)
        assert service.call("EXISTS", "k") == there_after

    def test_a_key_that_was_set_again_lives_on(self, service: CacheService, clock: Clock) -> None:
        service.call("SET", "k", "v", "PX", 10)
        service.call("SET", "k", "w", "PX", 30)
        clock.advance(0.029)
        assert service.call("GET", "k") == b"w"
        clock.advance(0.001)
        assert service.call("GET", "k") is None


def test_keys_go_by_themselves_at_their_millisecond(cache: MemoryCache, clock: Clock) -> None:
    for number in range(1000):
        cache.call("SET", number, "v", "PX", 100 + number)
    cache.call("SET", "stays", "v")
    clock.advance(0.1)
    assert cache.call("DBSIZE") == 1000
    clock.advance(0.499)
    assert cache.call("DBSIZE") == 501
    clock.advance(10)
    assert cache.call("DBSIZE") == 1
    assert info_field(cache.call, "expired_keys") == 1000


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("EXPIRE", "k", 10), 10_000),
        (("PEXPIRE", "k", 10), 10),
        (("EXPIREAT", "k", START + 10), 10_000),
        (("PEXPIREAT", "k", NOW + 10), 10),
    ],
)
def test_a_time_to_live_is_given_in_four_ways(cache: MemoryCache, words: tuple[Any, ...], left: int) -> None:
    cache.call("SET", "k", "v")
    assert cache.call("PTTL", "k") == -1
    assert cache.call(*words) == 1
    assert cache.call("PTTL", "k") == left
    assert cache.call(words[0], "nope", 10) == 0


@pytest.mark.parametrize(
    "words", [("EXPIRE", "k", 0), ("EXPIRE", "k", -1), ("PEXPIREAT", "k", NOW), ("EXPIREAT", "k", 0)]
)
def test_a_time_that_has_passed_deletes_the_key(cache: MemoryCache, words: tuple[Any, ...]) -> None:
    cache.call("SET", "k", "v")
    assert cache.call(*words) == 1
    assert cache.call("DBSIZE") == 0


@pytest.mark.parametrize(
    ("before", "words", "reply", "after"),
    [
        (None, ("NX",), 1, 100),
        (50, ("nx",), 0, 50),
        (None, ("XX",), 0, -1),
        (50, ("XX",), 1, 100),
        (None, ("GT",), 0, -1),
        (50, ("GT",), 1, 100),
        (100, ("GT",), 0, 100),
        (200, ("GT",), 0, 200),
        (None, ("LT",), 1, 100),
        (50, ("LT",), 0, 50),
        (100, ("LT",), 0, 100),
        (200, ("LT",), 1, 100),
        (50, ("XX", "GT"), 1, 100),
        (None, ("XX", "LT"), 0, -1),
    ],
)
def test_a_time_to_live_is_replaced_on_conditions(
    cache: MemoryCache, before: int | None, words: tuple[str, ...], reply: int, after: int
) -> None:
    cache.call("SET", "k", "v", *(() if before is None else ("EX", before)))
    assert cache.call("EXPIRE", "k", 100, *words) == reply
    assert cache.call("TTL", "k") == after


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("EXPIRE", "k", "abc"), "ERR value is not an integer or out of range"),
        (("EXPIRE", "k", "abc", "FOO"), "ERR Unsupported option FOO"),
        (("EXPIRE", "k", 10, "NX", "XX"), "ERR NX and XX, GT or LT options at the same time are not compatible"),
        (("EXPIRE", "k", 10, "LT", "NX"), "ERR NX and XX, GT or LT options at the same time are not compatible"),
        (("EXPIRE", "k", 10, "GT", "LT"), "ERR GT and LT options at the same time are not compatible"),
        (("EXPIRE", "k", 2**63 - 1), "ERR invalid expire time in 'expire' command"),
        (("EXPIRE", "k", -(2**63)), "ERR invalid expire time in 'expire' command"),
        (("PEXPIRE", "k", 2**63 - 1), "ERR invalid expire time in 'pexpire' command"),
        (("EXPIREAT", "k", 2**63 - 1), "ERR invalid expire time in 'expireat' command"),
        (("RENAME", "nope", "k"), "ERR no such key"),
        (("RENAME", "nope", "nope"), "ERR no such key"),
        (("SCAN", "abc"), "ERR invalid cursor"),
        (("SCAN", "+"), "ERR invalid cursor"),
        (("SCAN", 2**64), "ERR invalid cursor"),
        (("SCAN", 0, "COUNT", 0), "ERR syntax error"),
        (("SCAN", 0, "COUNT"), "ERR syntax error"),
        (("SCAN", 0, "COUNT", "abc"), "ERR value is not an integer or out of range"),
        (("SCAN", 0, "TYPE"), "ERR syntax error"),
        (("SCAN", 0, "FOO", "bar"), "ERR syntax error"),
    ],
)
def test_what_cannot_be_done_is_refused_in_redis_words(cache: MemoryCache, words: tuple[Any, ...], error: str) -> None:
    cache.call("SET", "k", "v", "EX", 100)
    assert refusal(cache, *words) == error
    assert (cache.call("GET", "k"), cache.call("TTL", "k"), cache.call("DBSIZE")) == (b"v", 100, 1)


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "s", "new", "EX", "abc"),
        ("SET", "h", "new", "GET", "EX", 5),
        ("SET", "s", "new", "NX", "XX"),
        ("MSET", "s", "1", "new", "2", "odd"),
        ("SETEX", "s", 0, "new"),
        ("GETEX", "s", "EX", -1),
        ("GETEX", "h", "EX", 1),
        ("GETSET", "h", "new"),
        ("GETDEL", "h"),
        ("APPEND", "h", "new"),
        ("INCR", "s"),
        ("INCRBYFLOAT", "s", "1"),
        ("EXPIRE", "s", 1, "NX", "GT"),
        ("EXPIRE", "s", 2**63 - 1),
        ("RENAME", "nope", "s"),
        ("HSET", "s", "f", "v"),
        ("HSET", "h", "f", "new", "g"),
        ("HSET", "new", "f", "v", "g"),
        ("HSETNX", "s", "f", "v"),
        ("HDEL", "s", "f"),
        ("HINCRBY", "h", "f", "abc"),
        ("HINCRBY", "h", "f", 1),
        ("HINCRBY", "new", "f", "abc"),
        ("HINCRBY", "s", "f", 1),
        ("FLUSHALL", "NOW"),
        ("FLUSHDB", "SYNC", "ASYNC"),
        ("DEL",),
        ("NOPE", "s"),
    ],
)
def test_a_command_that_fails_has_changed_nothing(cache: MemoryCache, words: tuple[Any, ...]) -> None:
    cache.call("SET", "s", "v", "EX", 100)
    cache.call("HSET", "h", "f", "v")
    database = cache.service.dispatcher.server.databases[0]
    before = database.changes
    refusal(cache, *words)
    assert database.changes == before
    assert sorted(cache.call("KEYS", "*")) == [b"h", b"s"]
    assert (cache.call("GET", "s"), cache.call("TTL", "s")) == (b"v", 100)
    assert (cache.call("HGETALL", "h"), cache.call("TTL", "h")) == ({b"f": b"v"}, -1)


def test_ttl_rounds_to_the_nearest_second(cache: MemoryCache) -> None:
    for milliseconds, seconds in ((1, 0), (499, 0), (500, 1), (1499, 1), (1500, 2)):
        cache.call("SET", "k", "v", "PX", milliseconds)
        assert cache.call("TTL", "k") == seconds
    cache.call("PERSIST", "k")
    assert cache.call("TTL", "k") == -1
    assert cache.call("TTL", "nope") == -2


def test_persist_tells_whether_the_key_was_to_go(cache: MemoryCache, clock: Clock) -> None:
    cache.call("SET", "k", "v", "PX", 10)
    assert cache.call("PERSIST", "k") == 1
    assert cache.call("PERSIST", "k") == 0
    assert cache.call("PERSIST", "nope") == 0
    clock.advance(1)
    assert cache.call("GET", "k") == b"v"


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_deleting_tells_how_many_keys_there_were(cache: MemoryCache, command: str) -> None:
    cache.call("MSET", "a", "1", "b", "2")
    cache.call("HSET", "h", "f", "v")
    assert cache.call(command, "a", "a", "h", "nope") == 2
    assert cache.call("KEYS", "*") == [b"b"]


@pytest.mark.parametrize("command", ["EXISTS", "TOUCH"])
def test_keys_that_are_named_twice_count_twice(cache: MemoryCache, command: str) -> None:
    cache.call("SET", "a", "1")
    assert cache.call(command, "a", "a", "nope") == 2


def test_the_type_of_a_key_is_a_status(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "f", "v")
    assert cache.connect().send(b"TYPE h\r\n") == b"+hash\r\n"
    assert cache.call("TYPE", "nope") == b"none"


def test_a_key_is_renamed_with_its_time_to_live(cache: MemoryCache, clock: Clock) -> None:
    cache.call("SET", "k", "v", "PX", 100)
    cache.call("HSET", "other", "f", "v")
    assert cache.call("RENAME", "k", "other") == b"OK"
    assert cache.call("EXISTS", "k") == 0
    assert cache.call("PTTL", "other") == 100
    assert cache.call("RENAME", "other", "other") == b"OK"
    assert cache.call("GET", "other") == b"v"
    clock.advance(0.1)
    assert cache.call("DBSIZE") == 0


def test_a_random_key_is_one_of_the_keys(cache: MemoryCache) -> None:
    assert cache.call("RANDOMKEY") is None
    cache.call("MSET", "a", "1", "b", "2")
    assert {cache.call("RANDOMKEY") for _ in range(100)} == {b"a", b"b"}


def test_keys_are_listed_by_a_pattern(cache: MemoryCache) -> None:
    cache.call("MSET", "one", 1, "two", 2, "three", 3)
    assert sorted(cache.call("KEYS", "t*")) == [b"three", b"two"]
    assert cache.call("KEYS", "o?e") == [b"one"]
    assert cache.call("KEYS", "x*") == []


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_a_walk_gives_every_key_once(cache: MemoryCache, count: int) -> None:
    for number in range(1500):
        cache.call("SET", number, "v")
    assert sorted(walk(cache, "COUNT", count)) == sorted(b"%d" % number for number in range(1500))


def test_a_walk_gives_the_keys_that_fit(cache: MemoryCache) -> None:
    cache.call("MSET", "a1", 1, "a2", 2, "b1", 3)
    cache.call("HSET", "a3", "f", "v")
    assert sorted(walk(cache, "MATCH", "a*")) == [b"a1", b"a2", b"a3"]
    assert sorted(walk(cache, "TYPE", "HASH")) == [b"a3"]
    assert walk(cache, "type", "zset") == []
    assert sorted(walk(cache, "MATCH", "a*", "TYPE", "string", "COUNT", 5)) == [b"a1", b"a2"]


@pytest.mark.parametrize("cursor", ["", "0", "+0", "-0", "00"])
def test_a_cursor_is_read_as_c_reads_it(cache: MemoryCache, cursor: str) -> None:
    cache.call("SET", "k", "v")
    assert cache.call("SCAN", cursor) == [b"0", [b"k"]]


@pytest.mark.parametrize("cursor", ["-1", str(2**64 - 1), "5"])
def test_any_number_is_a_cursor(cache: MemoryCache, cursor: str) -> None:
    following, found = cache.call("SCAN", cursor)
    assert (following, found) == (b"0", [])


def test_reads_count_as_hits_and_misses_and_writes_do_not(cache: MemoryCache) -> None:
    cache.call("SET", "k", 1)
    cache.call("INCR", "k")
    cache.call("DEL", "nope")
    cache.call("EXPIRE", "nope", 1)
    assert (info_field(cache.call, "keyspace_hits"), info_field(cache.call, "keyspace_misses")) == (0, 0)
    for words in (("GET", "k"), ("TTL", "k"), ("EXISTS", "k", "nope"), ("TYPE", "nope"), ("HGET", "nope", "f")):
        cache.call(*words)
    assert (info_field(cache.call, "keyspace_hits"), info_field(cache.call, "keyspace_misses")) == (3, 3)
