"""Commands about the whole server: databases, settings, time and end."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from twisted_kv.service import CacheService
from twisted_kv.settings.config import KNOWN
from twisted_kv.testing import START, Clock, MemoryCache
from twisted_kv.vocabulary.errors import NO_FOLDER, CommandError


def refusal(client: Any, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        client.call(*words)
    return str(caught.value)


@pytest.fixture
def full(cache: MemoryCache) -> MemoryCache:
    """A cache with keys in two databases."""
    with cache.session() as session:
        session.call("SET", "k", "v", "EX", 10)
        session.call("HSET", "h", "f", "v")
        session.call("SELECT", 1)
        session.call("SET", "other", "v")
    return cache


def sizes(cache: MemoryCache) -> tuple[int, int]:
    with cache.session() as session:
        first = session.call("DBSIZE")
        session.call("SELECT", 1)
        return first, session.call("DBSIZE")


@pytest.mark.parametrize("words", [(), ("ASYNC",), ("sync",)])
def test_flushing_removes_the_keys_of_one_or_of_all_databases(full: MemoryCache, words: tuple[str, ...]) -> None:
    assert sizes(full) == (2, 1)
    assert full.call("FLUSHDB", *words) == b"OK"
    assert sizes(full) == (0, 1)
    assert full.call("FLUSHALL", *words) == b"OK"
    assert sizes(full) == (0, 0)


@pytest.mark.parametrize("command", ["FLUSHDB", "FLUSHALL"])
@pytest.mark.parametrize("words", [("NOW",), ("SYNC", "ASYNC"), ("ASYNC", "x")])
def test_flushing_with_other_words_is_refused(full: MemoryCache, command: str, words: tuple[str, ...]) -> None:
    assert refusal(full, command, *words) == "ERR syntax error"
    assert sizes(full) == (2, 1)


def test_a_key_set_after_a_flush_does_not_inherit_a_time_to_live(full: MemoryCache, clock: Clock) -> None:
    full.call("FLUSHALL")
    full.call("SET", "k", "new")
    clock.advance(10)
    assert full.call("GET", "k") == b"new"
    full.call("SET", "k", "v", "PX", 1)
    clock.advance(0.001)
    assert full.call("DBSIZE") == 0


FIELDS = 3000
FAILED = "ERR CONFIG SET failed (possibly related to argument"


@pytest.mark.parametrize(
    "lose",
    [
        lambda cache: cache.call("DEL", "big"),
        lambda cache: cache.call("UNLINK", "big"),
        lambda cache: cache.call("FLUSHDB"),
        lambda cache: cache.call("FLUSHALL"),
        lambda cache: cache.call("SET", "big", "small"),
        lambda cache: cache.call("MSET", "big", "small"),
        lambda cache: cache.call("RENAME", "other", "big"),
        lambda cache: cache.call("EXPIRE", "big", -1),
        lambda cache: cache.call("PEXPIRE", "big", 1),
    ],
    ids=[
        "DEL",
        "UNLINK",
        "FLUSHDB",
        "FLUSHALL",
        "SET over it",
        "MSET over it",
        "RENAME over it",
        "EXPIRE -1",
        "expiry",
    ],
)
def test_a_large_value_is_released_in_steps_however_it_is_lost(
    cache: MemoryCache, clock: Clock, lose: Callable[[MemoryCache], object]
) -> None:
    cache.call("HSET", "big", *(word for number in range(FIELDS) for word in (number, "v")))
    cache.call("SET", "other", "v")
    big: Any = cache.service.dispatcher.server.databases[0].lookup(b"big")
    lose(cache)
    assert len(list(big)) == FIELDS  # the request itself does not wait for it
    clock.advance(1)
    assert cache.call("HLEN", "gone") == 0
    assert list(big) == []


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        (("RPUSH", "k"), ("LPOP", "k", FIELDS)),
        (("RPUSH", "k"), ("LMPOP", 1, "k", "RIGHT", "COUNT", FIELDS + 1)),
        (("SADD", "k"), ("SPOP", "k", FIELDS)),
        (("ZADD", "k"), ("ZPOPMIN", "k", FIELDS)),
        (("ZADD", "k"), ("ZPOPMAX", "k", FIELDS + 1)),
        (("ZADD", "k"), ("ZMPOP", 1, "k", "MAX", "COUNT", FIELDS)),
        (("ZADD", "k"), ("ZREMRANGEBYRANK", "k", 0, -1)),
        (("ZADD", "k"), ("ZREMRANGEBYSCORE", "k", "-inf", "+inf")),
    ],
)
def test_a_large_value_is_released_in_steps_when_all_its_members_are_taken(
    cache: MemoryCache, clock: Clock, made: tuple[Any, ...], taken: tuple[Any, ...]
) -> None:
    scores = (1,) if made[0] == "ZADD" else ()
    cache.call(*made, *(word for number in range(FIELDS) for word in (*scores, number)))
    database = cache.service.dispatcher.server.databases[0]
    big: Any = database.lookup(b"k")
    before = database.changes
    cache.call(*taken)
    assert cache.call("EXISTS", "k") == 0
    assert database.changes - before == FIELDS
    assert len(list(big)) == FIELDS
    clock.advance(1)
    assert list(big) == []


def test_what_is_lost_before_the_start_is_dropped_at_once() -> None:
    clock = Clock()
    service = CacheService(port=None, clock=clock)
    service.call("HSET", "h", "f", "v")
    assert service.call("DEL", "h") == 1
    assert service.call("FLUSHALL") == b"OK"
    assert clock.getDelayedCalls() == []


def test_time_is_that_of_the_clock(cache: MemoryCache, clock: Clock) -> None:
    assert cache.call("TIME") == [b"%d" % START, b"0"]
    clock.advance(1.25)
    assert cache.call("TIME") == [b"%d" % (START + 1), b"250000"]


class TestShutdown:
    def test_it_is_refused_where_the_process_is_somebody_elses(self, cache: MemoryCache) -> None:
        assert refusal(cache, "SHUTDOWN") == "ERR SHUTDOWN is refused: this cache is part of another program"
        assert refusal(cache.connect(), "SHUTDOWN", "NOSAVE").startswith("ERR SHUTDOWN is refused")
        assert cache.call("PING") == b"PONG"

    @pytest.mark.parametrize("words", [(), ("NOSAVE",), ("nosave", "NOW", "FORCE")])
    def test_it_calls_what_the_host_gave_for_it_and_answers_nothing(self, words: tuple[str, ...]) -> None:
        calls: list[str] = []
        service = CacheService(port=None, clock=Clock(), on_shutdown=lambda: calls.append("shutdown"))
        service.call("SHUTDOWN", *words)
        assert calls == ["shutdown"]

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            (("FOO",), "ERR syntax error"),
            (("SAVE", "NOSAVE"), "ERR syntax error"),
            (("ABORT", "NOW"), "ERR syntax error"),
            (("ABORT",), "ERR No shutdown in progress."),
            (("SAVE",), f"ERR Errors trying to SHUTDOWN: {NO_FOLDER}"),
        ],
    )
    def test_wrong_words_do_not_stop_anything(self, words: tuple[str, ...], error: str) -> None:
        calls: list[str] = []
        service = CacheService(port=None, clock=Clock(), on_shutdown=lambda: calls.append("shutdown"))
        assert refusal(service, "SHUTDOWN", *words) == error
        assert calls == []

    def test_a_datagram_cannot_stop_the_server(self, cache: MemoryCache) -> None:
        assert cache.datagrams("command").send(b"SHUTDOWN") == b"(error) ERR SHUTDOWN needs a connection\n"


class TestConfig:
    def test_settings_are_told_by_name_and_by_pattern(self, cache: MemoryCache) -> None:
        assert cache.call("CONFIG", "GET", "maxclients") == {b"maxclients": b"10000"}
        assert cache.call("CONFIG", "GET", "MaxClients", "nope") == {b"MaxClients": b"10000"}
        assert cache.call("CONFIG", "GET", "TIME*", "timeou?", "timeout") == {b"timeout": b"0"}
        assert cache.call("CONFIG", "GET", "nope*") == {}
        assert set(cache.call("CONFIG", "GET", "*")) == {name.encode() for name in KNOWN}

    def test_settings_are_changed_together(self, cache: MemoryCache) -> None:
        assert cache.call("CONFIG", "SET", "timeout", 5, "TCP-KeepAlive", 7) == b"OK"
        assert cache.call("CONFIG", "GET", "ti*t", "tcp-k*") == {b"timeout": b"5", b"tcp-keepalive": b"7"}

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            (("timeout", 5, "nope", 1), "ERR Unknown option or number of arguments for CONFIG SET - 'nope'"),
            (
                ("timeout", 5, "databases", 3),
                f"{FAILED} 'databases') - can't set immutable config",
            ),
            (
                ("timeout", 5, "TimeOut", 6),
                f"{FAILED} 'TimeOut') - duplicate parameter",
            ),
            (
                ("timeout", 5, "maxclients", "abc"),
                f"{FAILED} 'maxclients') - argument couldn't be parsed into an integer",
            ),
            (
                ("timeout", 5, "protected-mode", "maybe"),
                f"{FAILED} 'protected-mode') - argument must be 'yes' or 'no'",
            ),
            (("timeout", 5, "maxclients"), "ERR syntax error"),
            (("timeout",), "ERR wrong number of arguments for 'config|set' command"),
        ],
    )
    def test_all_settings_are_changed_or_none(self, cache: MemoryCache, words: tuple[Any, ...], error: str) -> None:
        before = cache.call("CONFIG", "GET", "*")
        assert refusal(cache, "CONFIG", "SET", *words) == error
        assert cache.call("CONFIG", "GET", "*") == before

    def test_what_cannot_be_applied_is_put_back(self, cache: MemoryCache) -> None:
        seen: list[int] = []

        def refuse() -> None:
            seen.append(cache.service.settings.tcp_keepalive)
            raise ValueError("not today")

        cache.service.dispatcher.server.setting_changed["tcp-keepalive"] = refuse
        error = refusal(cache, "CONFIG", "SET", "timeout", 5, "tcp-keepalive", 6, "requirepass", "x")
        assert error == "ERR CONFIG SET failed (possibly related to argument 'tcp-keepalive') - not today"
        assert seen == [6, 300]  # it is told of what was put back too
        assert cache.call("CONFIG", "GET", "timeout", "tcp-keepalive", "requirepass") == {
            b"timeout": b"0",
            b"tcp-keepalive": b"300",
            b"requirepass": b"",
        }

    def test_a_change_is_told_to_whom_it_concerns(self, cache: MemoryCache) -> None:
        seen: list[int] = []
        cache.service.dispatcher.server.setting_changed["timeout"] = lambda: seen.append(cache.service.settings.timeout)
        cache.call("CONFIG", "SET", "timeout", 5)
        cache.call("CONFIG", "SET", "tcp-keepalive", 5)
        assert seen == [5]

    def test_unknown_subcommands_are_refused(self, cache: MemoryCache) -> None:
        assert refusal(cache, "CONFIG", "FOO", "x") == "ERR unknown subcommand 'FOO'. Try CONFIG HELP."
        assert refusal(cache, "CONFIG") == "ERR wrong number of arguments for 'config' command"
        assert refusal(cache, "CONFIG", "GET") == "ERR wrong number of arguments for 'config|get' command"


def test_two_caches_in_one_process_share_nothing(cache: MemoryCache) -> None:
    other = MemoryCache()
    cache.connect().call("SET", "k", "v")
    cache.call("CONFIG", "SET", "timeout", 5, "requirepass", "geheim")
    cache.call("GET", "k")
    refusal(cache, "GET")
    assert other.call("DBSIZE") == 0
    assert other.call("CONFIG", "GET", "timeout", "requirepass") == {b"timeout": b"0", b"requirepass": b""}
    assert other.connect().call("PING") == b"PONG"
    told = other.call("INFO", "everything")
    assert b"keyspace_hits:0" in told
    assert b"total_error_replies:0" in told
    assert b"cmdstat_set:" not in told
    assert b"cmdstat_get:" not in told
    assert b"connected_clients:1" in told
    other.stop()
