"""`maxmemory-clients`: the connections that take most are closed, the others stay."""

from __future__ import annotations

import pytest

from twisted_kv.faces.resp_connection import CONNECTION_SIZE
from twisted_kv.testing import MemoryCache, MemoryConnection, StreamTransport
from twisted_kv.vocabulary.errors import CommandError


def test_the_largest_connections_are_closed_until_it_is_enough(cache: MemoryCache) -> None:
    small, large, larger, kept = (cache.connect() for _ in range(4))
    kept.call("CLIENT", "NO-EVICT", "on")
    kept.send(b"*2\r\n$4\r\nECHO\r\n$90000\r\n" + b"x" * 80_000)
    large.send(b"*2\r\n$4\r\nECHO\r\n$90000\r\n" + b"x" * 20_000)
    larger.send(b"MULTI\r\n*2\r\n$4\r\nECHO\r\n$30000\r\n" + b"x" * 30_000 + b"\r\n")
    cache.call("CONFIG", "SET", "maxmemory-clients", 4 * CONNECTION_SIZE + 105_000)
    cache.clock.advance(1)
    assert [client.closed for client in (small, large, larger, kept)] == [False, False, True, False]
    assert b"evicted_clients:1\r\n" in cache.call("INFO", "stats")
    cache.call("CONFIG", "SET", "maxmemory-clients", 1)
    cache.clock.advance(0.1)
    assert [client.closed for client in (small, large, larger, kept)] == [True, True, True, False]


def test_a_percentage_is_one_of_maxmemory(cache: MemoryCache) -> None:
    client = cache.connect()
    cache.call("CONFIG", "SET", "maxmemory-clients", "10%")
    cache.clock.advance(1)
    assert not client.closed  # there is no limit of memory
    cache.call("CONFIG", "SET", "maxmemory", "20000")
    cache.clock.advance(1)
    assert client.closed
    assert cache.call("CONFIG", "GET", "maxmemory-clients") == {b"maxmemory-clients": b"10%"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("101%", "percentage argument must be less or equal to 100"),
        ("-1%", "argument must be a memory or percent value"),
        ("x", "argument must be a memory or percent value"),
        ("5%%", "argument must be a memory or percent value"),
    ],
)
def test_a_limit_that_is_none_is_refused(cache: MemoryCache, text: str, error: str) -> None:
    with pytest.raises(CommandError, match=error):
        cache.call("CONFIG", "SET", "maxmemory-clients", text)


def test_without_a_limit_nobody_is_closed(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"*2\r\n$4\r\nECHO\r\n$90000\r\n" + b"x" * 80_000)
    cache.clock.advance(10)
    assert not client.closed


def test_a_connection_that_is_over_is_not_counted_again(cache: MemoryCache) -> None:
    client = MemoryConnection(cache.factory, StreamTransport(capacity=10))
    client.protocol.dataReceived(b"PING\r\n" * 10 + b"*2\r\n$4\r\nECHO\r\n$190000\r\n" + b"x" * 150_000)
    cache.call("CONFIG", "SET", "maxmemory-clients", 1000)
    cache.clock.advance(5)
    assert b"evicted_clients:1\r\n" in cache.call("INFO", "stats")
