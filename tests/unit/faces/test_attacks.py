"""What an attack on the cache found: each test is the shortest way to one fault."""

from __future__ import annotations

import socket
from random import Random
from typing import Any

import pytest
from twisted.internet.protocol import DatagramProtocol

from twisted_kv import service
from twisted_kv.testing import MemoryCache
from twisted_kv.transports import datagram_batches
from twisted_kv.transports.multiplexer import BYTES_AT_ONCE
from twisted_kv.values.sharded import ShardedDict
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.encoder import encode_request

MANY = 3000


def config_set_fails(cache: MemoryCache, *words: Any) -> None:
    """Set something together with a `maxclients` that the system cannot give."""
    with pytest.raises(CommandError, match="not able to handle"):
        cache.call("CONFIG", "SET", *words, "maxclients", 4_294_967_295)


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "allow_clients", lambda wanted: min(wanted, 10_000))


# CONFIG SET that is taken back


@pytest.mark.usefixtures("few_files")
def test_the_limit_holds_on_when_its_change_is_taken_back(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "maxmemory", 100_000, "maxmemory-policy", "allkeys-random")
    config_set_fails(cache, "maxmemory", 0)
    assert cache.call("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"100000"}
    for number in range(MANY):
        cache.call("SET", f"k{number}", "x" * 100)
    assert cache.call("DBSIZE") < 1000


@pytest.mark.usefixtures("few_files")
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu"])
def test_the_policy_works_on_when_its_change_is_taken_back(cache: MemoryCache, policy: str) -> None:
    cache.call("CONFIG", "SET", "maxmemory", 100_000, "maxmemory-policy", policy)
    config_set_fails(cache, "maxmemory-policy", "noeviction")
    for number in range(MANY):
        cache.call("SET", f"k{number}", "x" * 100)
    assert 0 < cache.call("DBSIZE") < 1000


# Faults of the server before a command runs


@pytest.mark.pure
def test_a_fault_while_room_is_made_is_an_internal_error(cache: MemoryCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.call("CONFIG", "SET", "maxmemory", 1)
    client = cache.connect()

    def fault() -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(cache.service.dispatcher._eviction, "make_room", fault)
    assert client.send(encode_request([b"PING"])) == b"-ERR internal error, see the log of the server\r\n"
    assert not client.closed


# Replies that are not counted


@pytest.mark.parametrize("request_words", [(b"CLIENT", b"INFO"), (b"CLIENT", b"LIST")])
def test_long_texts_count_towards_the_limit_of_replies(request_words: tuple[bytes, ...]) -> None:
    cache = MemoryCache({"client-output-buffer-limit": "normal 1mb 0 0"})
    client = cache.connect(capacity=1 << 16)
    client.call("CLIENT", "SETNAME", "n" * 200_000)
    describe = cache.service.dispatcher.server.commands.entry_of(list(request_words))
    client.send(encode_request(request_words) * 100)
    asked = describe.calls
    assert client.closed
    assert asked < 20  # what is over the limit is not even made
    cache.stop()


# Random keys


def test_a_random_key_is_found_soon_in_a_table_that_was_emptied_in_the_order_of_a_walk() -> None:
    class Counting(Random):
        draws = 0

        def randrange(self, *arguments: Any, **keywords: Any) -> int:
            self.draws += 1
            return super().randrange(*arguments, **keywords)

    table: ShardedDict[bytes] = ShardedDict()
    for number in range(200_000):
        table.set(b"%d" % number, b"v")
    cursor = 0
    while len(table) > 100:
        cursor, items = table.scan(cursor, 50)
        for key, _ in items:
            table.pop(key)
    random = Counting(1)
    for _ in range(20):
        assert table.random_key(random) is not None
    assert random.draws < 20 * 200


# The order of refusals


def test_a_count_that_no_server_takes_is_invalid_before_it_is_unauthenticated() -> None:
    cache = MemoryCache({"requirepass": "secret"})
    client = cache.connect()
    assert client.send(b"*2147483648\r\n") == b"-ERR Protocol error: invalid multibulk length\r\n"
    cache.stop()


# Datagrams by the batch


@pytest.mark.skipif(not datagram_batches.is_possible, reason="this system has no recvmmsg")
def test_what_is_received_at_once_is_bounded_in_bytes() -> None:
    """As a wake-up is: 64 datagrams of full size may hold 300,000 requests, more than a second of work."""
    received: list[int] = []

    class Recorder(DatagramProtocol):
        def datagramsReceived(self, datagrams: datagram_batches.Datagrams) -> None:
            received.append(sum(len(datagram) for datagram, _ in datagrams))

    class Reactor:
        def addReader(self, reader: Any) -> None:
            """Do nothing: the test reads."""

        def removeReader(self, reader: Any) -> None:
            """Do nothing: as above."""

    port: Any = datagram_batches.BatchPort(  # type: ignore[no-untyped-call]  # of Twisted
        0, Recorder(), "127.0.0.1", 65_536, Reactor()
    )
    port.startListening()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(64):
            sender.sendto(b"x" * 60_000, ("127.0.0.1", port.getHost().port))
    for _ in range(64):
        port.doRead()
    port.socket.close()
    assert sum(received) > 120_000
    assert max(received) <= 4 * BYTES_AT_ONCE
