"""The protocols on real sockets, in the process of the test: what a fake transport cannot show."""

from __future__ import annotations

import socket
import time
from typing import Any, Callable

import txredisapi
from twisted.internet import defer, task, threads
from twisted.internet.defer import inlineCallbacks
from twisted.trial import unittest

from twisted_kv import CacheDatagramProtocol, CacheService, Dispatcher, RespFactory
from twisted_kv.faces.datagram import READ_SIZE
from twisted_kv.wire.dialects import DIALECTS, MAX_DATAGRAM
from twisted_kv.wire.encoder import encode_request

TIMEOUT = 10.0
"""Seconds after which a socket of a test gives up."""


def reactor_in_use() -> Any:
    """Give the reactor, which is installed by the time that a test runs."""
    from twisted.internet import reactor

    return reactor


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), TIMEOUT)


def read_all(stream: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    received = b""
    while piece := stream.recv(65_536):
        received += piece
    return received


def read(stream: socket.socket, size: int) -> bytes:
    """Read so many bytes, or fewer if the connection ends before."""
    received = b""
    while len(received) < size:
        piece = stream.recv(size - len(received))
        if not piece:
            break
        received += piece
    return received


def ask(port: int, datagram: bytes, patience: float = TIMEOUT) -> bytes | None:
    """Send a datagram and give the one that answers it, or None for silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(patience)
        sender.sendto(datagram, ("127.0.0.1", port))
        try:
            return sender.recv(65_536)
        except socket.timeout:
            return None


class SocketCase(unittest.TestCase):
    """A started cache; the sockets of the test live in a thread."""

    timeout = 40

    def cache(self, **config: Any) -> CacheService:
        named = {name.replace("_", "-"): value for name, value in config.items()}
        cache = CacheService(port=0, config=named, reactor=reactor_in_use())
        self.addCleanup(cache.stopService)
        cache.startService()
        return cache

    def blocking(self, call: Callable[..., Any], *arguments: Any) -> defer.Deferred[Any]:
        return threads.deferToThread(call, *arguments)


class StreamTests(SocketCase):
    """RESP over TCP."""

    @inlineCallbacks
    def test_one_byte_at_a_time_is_understood(self) -> Any:
        cache = self.cache()
        sent = encode_request([b"SET", b"k", b"a\r\nb"]) + b"GET k\r\n" + encode_request([b"QUIT"])

        def talk() -> bytes:
            with connect(cache.port) as stream:
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(len(sent)):
                    stream.sendall(sent[at : at + 1])
                return read_all(stream)

        assert (yield self.blocking(talk)) == b"+OK\r\n$4\r\na\r\nb\r\n+OK\r\n"

    @inlineCallbacks
    def test_a_value_of_many_reads_is_kept_and_given_whole(self) -> Any:
        cache = self.cache()
        value = bytes(range(256)) * 20_000

        def talk() -> bytes:
            with connect(cache.port) as stream:
                stream.sendall(encode_request([b"SET", b"k", value]))
                assert read(stream, 5) == b"+OK\r\n"
                stream.sendall(b"GET k\r\n")
                return read(stream, len(value) + 12)

        assert (yield self.blocking(talk)) == b"$5120000\r\n" + value + b"\r\n"

    @inlineCallbacks
    def test_a_half_closed_client_gets_the_replies_that_it_is_owed(self) -> Any:
        cache = self.cache()
        cache.call("SET", "big", b"x" * 1_000_000)

        def talk() -> int:
            with connect(cache.port) as stream:
                stream.sendall(b"GET big\r\n" * 20)
                stream.shutdown(socket.SHUT_WR)
                return len(read_all(stream))

        assert (yield self.blocking(talk)) == 20 * (1_000_000 + len(b"$1000000\r\n\r\n"))

    @inlineCallbacks
    def test_a_half_closed_client_that_waits_for_a_key_is_ended_and_takes_nothing(self) -> Any:
        cache = self.cache()

        def talk() -> bytes:
            with connect(cache.port) as stream:
                stream.sendall(b"BLPOP k 0\r\nSET s 1\r\n")
                stream.shutdown(socket.SHUT_WR)
                return read_all(stream)

        assert (yield self.blocking(talk)) == b""
        assert cache.call("RPUSH", "k", "a") == 1
        assert cache.call("KEYS", "*") == [b"k"]

    @inlineCallbacks
    def test_a_client_that_is_killed_while_it_waits_takes_nothing(self) -> Any:
        cache = self.cache()

        def talk() -> tuple[bytes, bytes]:
            with connect(cache.port) as stream, connect(cache.port) as other:
                stream.sendall(b"CLIENT ID\r\n")
                number = stream.recv(100)[1:-2]
                stream.sendall(b"BLPOP k 0\r\n")
                other.sendall(b"CLIENT KILL ID " + number + b"\r\nRPUSH k a\r\nLLEN k\r\n")
                return read(other, 12), read_all(stream)

        assert (yield self.blocking(talk)) == (b":1\r\n:1\r\n:1\r\n", b"")

    @inlineCallbacks
    def test_a_client_that_never_reads_is_ended_and_others_are_served(self) -> Any:
        cache = self.cache(client_output_buffer_limit="normal 2mb 0 0")
        cache.call("SET", "big", b"x" * 500_000)

        def flood() -> bool:
            with connect(cache.port) as deaf, connect(cache.port) as other:
                for _ in range(200):
                    try:
                        deaf.sendall(b"GET big\r\n")
                    except OSError:
                        break
                    other.sendall(b"PING\r\n")
                    assert read(other, 7) == b"+PONG\r\n"
                other.sendall(b"CLIENT LIST\r\n")
                return other.recv(65_536).count(b" addr=") == 1

        assert (yield self.blocking(flood))
        assert b"client_output_buffer_limit_disconnections:1\r\n" in cache.call("INFO", "stats")

    @inlineCallbacks
    def test_one_connection_more_than_maxclients_is_refused(self) -> Any:
        cache = self.cache(maxclients=64)

        def talk() -> tuple[bytes, int]:
            streams = [connect(cache.port) for _ in range(64)]
            try:
                for stream in streams:
                    stream.sendall(b"PING\r\n")
                served = sum(read(stream, 7) == b"+PONG\r\n" for stream in streams)
                with connect(cache.port) as late:
                    return read_all(late), served
            finally:
                for stream in streams:
                    stream.close()

        assert (yield self.blocking(talk)) == (b"-ERR max number of clients reached\r\n", 64)

    @inlineCallbacks
    def test_a_hundred_megabytes_announced_and_never_sent_hold_nobody_up(self) -> Any:
        cache = self.cache()

        def talk() -> bytes:
            with connect(cache.port) as liar, connect(cache.port) as other:
                liar.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$104857600\r\n")
                other.sendall(b"PING\r\n")
                assert read(other, 7) == b"+PONG\r\n"
                other.sendall(b"CLIENT LIST\r\n")
                return other.recv(65_536)

        listed = yield self.blocking(talk)
        assert listed.count(b" addr=") == 2
        assert b" tot-mem=104857" not in listed

    @inlineCallbacks
    def test_an_inline_request_without_an_end_is_refused(self) -> Any:
        cache = self.cache()

        def talk() -> bytes:
            with connect(cache.port) as stream:
                stream.sendall(b"x" * (64 * 1024 + 1))
                return read_all(stream)

        assert (yield self.blocking(talk)) == b"-ERR Protocol error: too big inline request\r\n"

    @inlineCallbacks
    def test_a_browser_that_was_tricked_is_closed(self) -> Any:
        cache = self.cache()

        def talk(sent: bytes) -> bytes:
            with connect(cache.port) as stream:
                stream.sendall(sent)
                return read_all(stream)

        for first in (b"POST / HTTP/1.1\r\n", b"Host: localhost\r\n"):
            assert (yield self.blocking(talk, first)) == b""
        assert cache.call("DBSIZE") == 0

    @inlineCallbacks
    def test_an_idle_client_is_ended(self) -> Any:
        cache = self.cache(timeout=1)

        def talk() -> tuple[bytes, float]:
            with connect(cache.port) as stream:
                stream.sendall(b"PING\r\n")
                began = time.monotonic()
                return read_all(stream), time.monotonic() - began

        received, lasted = yield self.blocking(talk)
        assert received == b"+PONG\r\n"
        assert lasted >= 0.9

    @inlineCallbacks
    def test_a_tcp_connection_has_its_options(self) -> Any:
        cache = self.cache(tcp_keepalive=100)
        with connect(cache.port):
            while not cache.dispatcher.server.sessions:
                yield task.deferLater(reactor_in_use(), 0.01)
            [session] = cache.dispatcher.server.sessions.values()
            assert session.link.descriptor > 2
            assert session.link.transport.getTcpNoDelay()
            assert session.link.transport.getTcpKeepAlive()


class DatagramTests(SocketCase):
    """Datagrams over UDP."""

    @inlineCallbacks
    def test_the_largest_datagrams_go_both_ways_whole(self) -> Any:
        cache = self.cache()
        value = b"v" * (MAX_DATAGRAM - 2)
        sent = yield self.blocking(ask, cache.udp_port, b"k=" + value, 0.2)
        assert sent is None
        assert cache.call("STRLEN", "k") == len(value)
        assert (yield self.blocking(ask, cache.udp_port, b"k")) == b"k=" + value
        cache.call("APPEND", "k", "v")
        answer = yield self.blocking(ask, cache.udp_port, b"k")
        assert answer == b"(error) ERR reply is too large for a datagram"

    @inlineCallbacks
    def test_an_empty_datagram_is_a_request_for_the_empty_key(self) -> Any:
        cache = self.cache()
        assert (yield self.blocking(ask, cache.udp_port, b"")) == b"keyDoesNotExists"
        cache.call("SET", "", "bar")
        assert (yield self.blocking(ask, cache.udp_port, b"")) == b"=bar"

    @inlineCallbacks
    def test_a_peer_that_went_away_does_not_stop_the_listener(self) -> Any:
        cache = self.cache()

        def vanish() -> None:
            for _ in range(20):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                    sender.sendto(b"PING", ("127.0.0.1", cache.udp_port))

        yield self.blocking(vanish)
        assert (yield self.blocking(ask, cache.udp_port, b"PING")) == b"PONG\n"

    @inlineCallbacks
    def test_a_datagram_that_the_kernel_cut_is_an_error(self) -> Any:
        protocol = CacheDatagramProtocol(Dispatcher())
        port = reactor_in_use().listenUDP(0, protocol, interface="127.0.0.1")  # reads 8,192 bytes at most
        self.addCleanup(port.stopListening)
        number = port.getHost().port
        answer = yield self.blocking(ask, number, b"k=" + b"x" * 10_000)
        assert answer == b"(error) ERR request is cut: it is longer than this server reads"
        assert (yield self.blocking(ask, number, b"k")) == b"keyDoesNotExists"


class CompositionTests(SocketCase):
    """The protocol classes in somebody's own program."""

    @inlineCallbacks
    def test_the_classes_need_nothing_but_a_dispatcher(self) -> Any:
        dispatcher = Dispatcher()
        reactor = reactor_in_use()
        factory = RespFactory(dispatcher)
        stream = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(stream.stopListening)
        protocol = CacheDatagramProtocol(dispatcher, DIALECTS["command"](False))
        datagrams = reactor.listenUDP(0, protocol, interface="127.0.0.1", maxPacketSize=READ_SIZE)
        self.addCleanup(datagrams.stopListening)
        assert (yield self.blocking(ask, datagrams.getHost().port, b"SET k v")) == b"OK\n"

        def talk() -> bytes:
            with connect(stream.getHost().port) as client:
                client.sendall(b"GET k\r\nSHUTDOWN\r\nQUIT\r\n")
                return read_all(client)

        assert (yield self.blocking(talk)) == (
            b"$1\r\nv\r\n-ERR SHUTDOWN is refused: this cache is part of another program\r\n+OK\r\n"
        )

    @inlineCallbacks
    def test_the_dispatcher_of_a_service_serves_a_port_of_ones_own(self) -> Any:
        cache = self.cache()
        port = reactor_in_use().listenUDP(
            0, CacheDatagramProtocol(cache.dispatcher), interface="127.0.0.1", maxPacketSize=READ_SIZE
        )
        self.addCleanup(port.stopListening)
        cache.call("SET", "k", "v")
        assert (yield self.blocking(ask, port.getHost().port, b"k")) == b"k=v"


class TxRedisApiTests(SocketCase):
    """txredisapi, the client of Twisted programs."""

    @inlineCallbacks
    def client(self, cache: CacheService, **options: Any) -> Any:
        client = yield txredisapi.Connection("127.0.0.1", cache.port, reconnect=False, charset=None, **options)
        self.addCleanup(client.disconnect)
        return client

    @inlineCallbacks
    def test_strings_and_keys(self) -> Any:
        redis = yield self.client(self.cache())
        assert (yield redis.ping()) in ("PONG", b"PONG")
        assert (yield redis.set("a", b"\xff", expire=100)) in ("OK", b"OK")
        assert (yield redis.get("a")) == b"\xff"
        assert (yield redis.ttl("a")) in (99, 100)
        assert (yield redis.persist("a")) == 1
        assert (yield redis.mset({"b": "1", "c": "two"})) in ("OK", b"OK")
        assert (yield redis.mget(["a", "c", "nope"])) == [b"\xff", b"two", None]
        assert (yield redis.incr("b", 4)) == 5
        assert (yield redis.decr("b")) == 4
        assert (yield redis.append("b", "2")) == 2
        assert (yield redis.getset("b", "x")) in (42, b"42")
        assert (yield redis.setnx("b", "y")) == 0
        assert (yield redis.exists("b")) == 1
        assert (yield redis.rename("b", "d")) in ("OK", b"OK")
        assert sorted((yield redis.keys("*"))) == [b"a", b"c", b"d"]
        assert (yield redis.type("a")) in ("string", b"string")
        assert (yield redis.delete(["a", "c", "d"])) == 3
        assert (yield redis.dbsize()) == 0
        assert (yield redis.flushdb()) in ("OK", b"OK")

    @inlineCallbacks
    def test_hashes(self) -> Any:
        redis = yield self.client(self.cache())
        assert (yield redis.hset("h", "f", "v")) == 1
        assert (yield redis.hset("h", "g", "1")) == 1
        assert (yield redis.hget("h", "f")) == b"v"
        assert (yield redis.hmget("h", ["f", "nope"])) == [b"v", None]
        assert (yield redis.hincr("h", "g")) == 2
        assert (yield redis.hexists("h", "g")) == 1
        assert (yield redis.hlen("h")) == 2
        assert sorted((yield redis.hkeys("h"))) == [b"f", b"g"]
        assert set((yield redis.hvals("h"))) == {2, b"v"}
        assert (yield redis.hgetall("h")) == {b"f": b"v", b"g": 2}
        assert (yield redis.hdel("h", "f")) == 1

    @inlineCallbacks
    def test_errors_databases_and_passwords(self) -> Any:
        cache = self.cache(requirepass="secret")
        redis = yield self.client(cache, dbid=3, password="secret")
        yield redis.set("k", "v")
        assert b"db3:keys=1," in cache.call("INFO", "keyspace")
        yield self.assertFailure(redis.hget("k", "f"), txredisapi.ResponseError)
        assert (yield redis.get("k")) == b"v"
        info = yield redis.info("server")
        assert "redis_version" in str(info)

    @inlineCallbacks
    def test_many_requests_at_once_on_a_pool(self) -> Any:
        cache = self.cache()
        pool = yield txredisapi.ConnectionPool("127.0.0.1", cache.port, poolsize=4, reconnect=False)
        self.addCleanup(pool.disconnect)
        counts = yield defer.gatherResults([pool.incr("n") for _ in range(200)])
        assert sorted(counts) == list(range(1, 201))
