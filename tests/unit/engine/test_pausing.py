"""CLIENT PAUSE: network clients are held, calls in process are not, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.vocabulary.errors import CommandError


def test_clients_are_held_and_calls_in_process_go_on(cache: MemoryCache) -> None:
    client = cache.connect()
    cache.call("CLIENT", "PAUSE", 100)
    assert client.send(b"SET k 1\r\nGET k\r\n") == b""
    assert b"blocked_clients:1\r\n" in cache.call("INFO", "clients")
    assert cache.call("GET", "k") is None
    cache.clock.advance(0.099)
    assert client.transport.take() == b""
    cache.clock.advance(0.001)
    assert client.transport.take() == b"+OK\r\n$1\r\n1\r\n"
    assert client.send(b"PING\r\n") == b"+PONG\r\n"
    assert b"blocked_clients:0\r\n" in cache.call("INFO", "clients")


def test_a_datagram_is_dropped_and_counted(cache: MemoryCache) -> None:
    face, resp = cache.datagrams("command"), cache.datagrams("resp")
    cache.call("CLIENT", "PAUSE", 100, "WRITE")
    assert face.send(b"SET k v") is None
    assert face.send(b"GET k") == b"(nil)\n"
    assert resp.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$4\r\nPING\r\n") == b"+PONG\r\n"
    assert cache.datagrams("equals").send(b"k=v") is None
    assert b"dropped_paused_datagrams:3\r\n" in cache.call("INFO", "stats")
    cache.call("CLIENT", "UNPAUSE")
    assert cache.call("GET", "k") is None
    assert face.send(b"SET k v") == b"OK\n"


def test_what_was_held_runs_in_its_order_when_the_pause_is_ended(cache: MemoryCache) -> None:
    first, second = cache.connect(), cache.connect()
    cache.call("CLIENT", "PAUSE", 60_000, "WRITE")
    first.send(b"APPEND k a\r\nAPPEND k c\r\n")
    second.send(b"APPEND k b\r\n")
    assert cache.call("CLIENT", "UNPAUSE") == b"OK"
    assert cache.call("GET", "k") == b"abc"
    assert first.transport.take() == b":1\r\n:3\r\n"
    assert second.transport.take() == b":2\r\n"
    assert cache.call("CLIENT", "UNPAUSE") == b"OK"  # nothing happens


def test_a_pause_is_only_made_longer_and_stricter(cache: MemoryCache) -> None:
    client = cache.connect()
    cache.call("CLIENT", "PAUSE", 100, "ALL")
    cache.call("CLIENT", "PAUSE", 10, "WRITE")
    assert client.send(b"GET k\r\n") == b""
    cache.clock.advance(0.05)
    assert client.transport.take() == b""
    cache.clock.advance(0.05)
    assert client.transport.take() == b"$-1\r\n"


def test_who_is_gone_is_not_served(cache: MemoryCache) -> None:
    gone, killed, stays = cache.connect(), cache.connect(), cache.connect()
    number = killed.call("CLIENT", "ID")
    cache.call("CLIENT", "PAUSE", 100)
    for client in (gone, killed, stays):
        client.send(b"APPEND k x\r\n")
    gone.close()
    cache.call("CLIENT", "KILL", "ID", number)
    cache.clock.advance(0.1)
    assert cache.call("GET", "k") == b"x"
    assert stays.transport.take() == b":1\r\n"


def test_who_is_paused_cannot_be_unblocked(cache: MemoryCache) -> None:
    client = cache.connect()
    number = client.call("CLIENT", "ID")
    cache.call("CLIENT", "PAUSE", 100)
    client.send(b"SET k v\r\n")
    assert cache.call("CLIENT", "UNBLOCK", number) == 0
    cache.clock.advance(0.1)
    assert client.transport.take() == b"+OK\r\n"


def test_no_key_expires_and_none_is_evicted(cache: MemoryCache) -> None:
    cache.call("SET", "k", "x" * 100, "PX", 10)
    cache.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    cache.call("CLIENT", "PAUSE", 1000, "WRITE")
    cache.clock.advance(0.5)
    assert cache.connect().send(b"GET k\r\nTTL k\r\nDBSIZE\r\n") == b"$-1\r\n:-2\r\n:1\r\n"
    cache.call("CONFIG", "SET", "maxmemory", 1)
    cache.call("SET", "j", "x")
    assert cache.call("DBSIZE") == 2
    cache.clock.advance(0.5)
    assert b"expired_keys:1\r\n" in cache.call("INFO", "stats")
    cache.call("GET", "j")
    assert cache.call("DBSIZE") == 0


def test_a_key_that_has_expired_in_a_pause_can_be_set_anew(cache: MemoryCache) -> None:
    cache.call("SET", "k", "old", "PX", 10)
    cache.call("CLIENT", "PAUSE", 1000)
    cache.clock.advance(0.5)
    cache.call("RPUSH", "k", "x")
    assert cache.call("TTL", "k") == -1
    cache.call("DEL", "k")
    assert cache.call("DBSIZE") == 0
    cache.clock.advance(0.5)
    assert cache.call("DBSIZE") == 0


def test_a_held_request_that_waits_for_a_key_then_is_served_and_forgotten(cache: MemoryCache) -> None:
    client, other = cache.connect(), cache.connect()
    cache.call("CLIENT", "PAUSE", 100, "WRITE")
    client.send(b"BLPOP l 0\r\n")
    other.send(b"BLPOP l 0\r\n")
    cache.clock.advance(0.1)
    assert len(cache.service.dispatcher.blocking) == 2
    client.close()
    assert len(cache.service.dispatcher.blocking) == 1
    cache.call("RPUSH", "l", "x")
    assert other.transport.take() == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n"


def test_a_request_may_be_held_twice(cache: MemoryCache) -> None:
    first, second = cache.connect(), cache.connect()
    cache.call("CLIENT", "PAUSE", 100)
    first.send(b"CLIENT PAUSE 100\r\n")
    second.send(b"PING\r\n")
    cache.clock.advance(0.1)
    assert first.transport.take() == b"+OK\r\n"
    assert second.transport.take() == b""
    cache.clock.advance(0.1)
    assert second.transport.take() == b"+PONG\r\n"


def test_a_cache_that_stops_in_a_pause_leaves_no_timer() -> None:
    cache = MemoryCache()
    cache.connect().send(b"CLIENT PAUSE 1000\r\nPING\r\n")
    cache.stop()
    assert cache.clock.getDelayedCalls() == []


def test_a_reset_cache_is_not_paused(cache: MemoryCache) -> None:
    cache.call("CLIENT", "PAUSE", 1000)
    cache.reset()
    assert cache.connect().send(b"PING\r\n") == b"+PONG\r\n"


@pytest.mark.parametrize("words", ["CLIENT PAUSE x", "CLIENT PAUSE -1", "CLIENT PAUSE 1 NOW", "CLIENT PAUSE 1 ALL x"])
def test_a_wrong_pause_pauses_nobody(cache: MemoryCache, words: str) -> None:
    with pytest.raises(CommandError):
        cache.call(*words.split())
    assert cache.connect().send(b"PING\r\n") == b"+PONG\r\n"


def test_a_transaction_is_held_for_what_it_has_queued(cache: MemoryCache) -> None:
    reads, writes = cache.connect(), cache.connect()
    reads.send(b"MULTI\r\nGET k\r\n")
    writes.send(b"MULTI\r\nSET k v\r\n")
    reads.transport.take(), writes.transport.take()
    cache.call("CLIENT", "PAUSE", 100, "WRITE")
    assert reads.send(b"EXEC\r\n") == b"*1\r\n$-1\r\n"
    assert writes.send(b"EXEC\r\n") == b""
    cache.clock.advance(0.1)
    assert writes.transport.take() == b"*1\r\n+OK\r\n"


def test_one_who_closes_another_when_it_is_resumed(cache: MemoryCache) -> None:
    first, second = cache.connect(), cache.connect()
    number = second.call("CLIENT", "ID")
    cache.call("CLIENT", "PAUSE", 100)
    first.send(b"CLIENT KILL ID %d\r\n" % number)
    second.send(b"SET k v\r\n")
    cache.clock.advance(0.1)
    assert first.transport.take() == b":1\r\n"
    assert second.closed
    assert cache.call("GET", "k") is None


def test_who_monitors_is_not_paused(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"MONITOR\r\n")
    cache.call("CLIENT", "PAUSE", 100)
    assert client.send(b"PING\r\n").startswith(b"+PONG\r\n")


@pytest.mark.parametrize(
    ("write", "read"),
    [
        ("INCR s", "GET s"),
        ("RPUSH l new", "LRANGE l 0 -1"),
        ("SETNX n new", "GET n"),
        ("RENAMENX keep n", "GET n"),
        ("APPEND s x", "GET s"),
        ("SET s x KEEPTTL", "GET s"),
        ("PFMERGE n p", "PFCOUNT n"),
    ],
)
def test_a_call_in_process_finds_no_expired_key_in_a_pause_nor_does_the_journal(
    tmp_path: Path, write: str, read: str
) -> None:
    config = {"dir": str(tmp_path), "appendonly": "yes"}
    with MemoryCache(config) as cache:
        for words in (
            "SET s 5 PX 100",
            "RPUSH l old",
            "PEXPIRE l 100",
            "SET n old PX 100",
            "SET keep src",
            "PFADD p a",
        ):
            cache.call(*words.split())
        cache.call("CLIENT", "PAUSE", 10_000, "WRITE")
        cache.clock.advance(1)
        cache.call(*write.split())
        expected = cache.call(*read.split())
        assert expected not in (None, [], 0)
        assert cache.call("TTL", read.split()[1]) == -1
    with MemoryCache(config) as cache:
        cache.clock.advance(1)
        assert cache.call(*read.split()) == expected


def test_a_cache_that_is_started_again_is_not_paused(cache: MemoryCache) -> None:
    cache.call("CLIENT", "PAUSE", 1000)
    cache.call("SET", "k", "v", "PX", 500)
    client = cache.connect()
    assert client.send(b"GET k\r\n") == b""
    cache.service.stopService()
    cache.service.startService()
    assert client.transport.take() == b"$1\r\nv\r\n"
    cache.clock.advance(1)
    assert cache.call("DBSIZE") == 0


@pytest.mark.pure  # it replaces a method
def test_what_was_held_leaves_the_reactor_its_turns(cache: MemoryCache, clock: Clock) -> None:
    clients = [cache.connect() for _ in range(5)]
    cache.call("CLIENT", "PAUSE", 100)
    for client in clients:
        client.send(b"INCR k\r\n")
    wakeup = cache.service.dispatcher.wakeup
    late = mock.PropertyMock(return_value=True)
    with mock.patch.object(type(wakeup), "is_late", late):
        cache.call("CLIENT", "UNPAUSE")
        assert cache.call("GET", "k") == b"1"
    clock.advance(0)
    assert cache.call("GET", "k") == b"5"
    assert [client.transport.take() for client in clients] == [b":%d\r\n" % number for number in range(1, 6)]


def test_a_choice_of_what_is_remembered_waits_with_its_request(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.send(b"CLIENT TRACKING on OPTIN\r\nCLIENT CACHING YES\r\n")
    cache.call("CLIENT", "PAUSE", 100)
    assert client.send(b"GET k\r\n") == b""
    cache.clock.advance(0.1)
    assert client.transport.take() == b"_\r\n"
    cache.call("SET", "k", 1)
    assert client.transport.take() == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"


def test_a_held_request_whose_client_wants_no_replies(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.send(b"CLIENT REPLY OFF\r\n")
    cache.call("CLIENT", "PAUSE", 100)
    assert client.send(b"PING\r\nSUBSCRIBE x\r\nCLIENT REPLY ON\r\nPING\r\n") == b""
    cache.clock.advance(0.1)
    assert client.transport.take() == b">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n+OK\r\n+PONG\r\n"


@pytest.mark.pure  # it replaces a method
def test_what_was_held_waits_for_the_next_pause_if_there_is_one(cache: MemoryCache, clock: Clock) -> None:
    clients = [cache.connect() for _ in range(3)]
    cache.call("CLIENT", "PAUSE", 100)
    for client in clients:
        client.send(b"INCR k\r\n")
    wakeup = cache.service.dispatcher.wakeup
    with mock.patch.object(type(wakeup), "is_late", mock.PropertyMock(return_value=True)):
        cache.call("CLIENT", "UNPAUSE")
    cache.call("CLIENT", "PAUSE", 100)
    clock.advance(0)
    assert cache.call("GET", "k") == b"1"
    clock.advance(0.1)
    assert cache.call("GET", "k") == b"3"


def test_a_key_that_has_expired_in_a_pause_keeps_no_deadline_without_files_too(cache: MemoryCache) -> None:
    cache.call("PFADD", "k", "old")
    cache.call("PEXPIRE", "k", 10)
    cache.call("PFADD", "other", "a")
    cache.call("CLIENT", "PAUSE", 1000)
    cache.clock.advance(0.5)
    cache.call("PFMERGE", "k", "other")
    assert (cache.call("TTL", "k"), cache.call("PFCOUNT", "k")) == (-1, 1)
