"""The multiplexer under each kind of reactor, over real sockets; each reactor is made for one test and runs in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.protocol import Factory, Protocol
from twisted.trial import unittest

from tests.servers.certificates import TlsClient, context_factory, records, write_certificate
from tests.sockets.reactors import Client, connect, done, has_uvloop, run, turn, turns_until
from twisted_kv.engine.wakeup import READ_SIZE, WakeUp
from twisted_kv.faces.connections import RespFactory
from twisted_kv.faces.stream import RespProtocol
from twisted_kv.service import CacheService
from twisted_kv.sessions.statistics import Statistics
from twisted_kv.testing import Clock
from twisted_kv.transports import multiplexer
from twisted_kv.transports.multiplexer import BYTES_AT_ONCE, Multiplexer
from twisted_kv.vocabulary.clock import Now
from twisted_kv.wire.encoder import encode_request

pytestmark = pytest.mark.fast

BIG = b"x" * 300_000
BIG_REPLY = b"$300000\r\n" + BIG + b"\r\n"
SECRET = b"nobody may read this on the wire"

SCRIPT = [
    (b"SET k v\r\n", b"+OK\r\n"),
    (b"GET k\r\n", b"$1\r\nv\r\n"),
    (b"INCR n\r\nINCR n\r\nGET nothing\r\n", b":1\r\n:2\r\n$-1\r\n"),
    (encode_request([b"SET", b"big", BIG]), b"+OK\r\n"),
    (b"GET big\r\n", BIG_REPLY),
    (b"HSET h f v\r\nHGETALL h\r\n", b":1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"),
    (b"*0\r\nPING\r\nNONSENSE\r\n", b"+PONG\r\n-ERR unknown command 'NONSENSE', with args beginning with: \r\n"),
    (b"QUIT\r\n", b"+OK\r\n"),
]


def epolls() -> int:
    """Count the epoll descriptors of this process."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += "eventpoll" in os.readlink(f"/proc/self/fd/{name}")
    return count


class Case(unittest.SynchronousTestCase):
    """Runs a coroutine on a reactor of the kind of its class."""

    kind = ""

    def run_on(self, main: Any) -> Any:
        before = epolls()
        result = run(self.kind, main)
        assert epolls() == before
        return result

    def folder(self) -> Path:
        path = tempfile.mkdtemp(dir="/tmp" if os.path.isdir("/tmp") else None)  # the path of a socket must be short
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return Path(path)


def service(reactor: Any, **options: Any) -> CacheService:
    """Give a cache that serves on a reactor."""
    options.setdefault("port", 0)
    cache = CacheService(reactor=reactor, **options)
    cache.startService()
    return cache


async def gone(cache: CacheService, reactor: Any) -> None:
    """Wait until no client is connected."""
    await turns_until(reactor, lambda: not cache.dispatcher.server.sessions)


class ServiceCases:
    """What a cache promises its clients."""

    def test_requests_are_answered(self) -> None:
        async def main(reactor: Any) -> None:
            cache = service(reactor)
            client = await connect(reactor, cache.port)
            for request, answer in SCRIPT:
                await client.ask(request, answer)
            await client.lost
            await cache.stopService()

        self.run_on(main)

    def test_plain_transport_answers_the_same(self) -> None:
        async def main(reactor: Any) -> None:
            answers = []
            for transport in ("fast", "plain"):
                cache = service(reactor, config={"transport": transport})
                client = await connect(reactor, cache.port)
                client.transport.write(b"".join(request for request, _ in SCRIPT))
                answers.append(await client.lost)
                await cache.stopService()
            assert answers[0] == answers[1] == b"".join(answer for _, answer in SCRIPT)

        self.run_on(main)

    def test_after_half_a_close_all_that_is_owed_arrives(self) -> None:
        async def main(reactor: Any) -> None:
            cache = service(reactor)
            cache.call("SET", "big", BIG)
            client = await connect(reactor, cache.port)
            client.transport.pauseProducing()
            client.transport.write(b"GET big\r\n" * 20)
            client.transport.loseWriteConnection()
            get = cache.dispatcher.server.commands.entry_of([b"GET"])
            await turns_until(reactor, lambda: get.calls == 20)
            client.transport.resumeProducing()
            assert await client.lost == BIG_REPLY * 20
            await gone(cache, reactor)
            await cache.stopService()

        self.run_on(main)

    def test_a_client_that_does_not_read_keeps_nobody_waiting_and_reads_all_later(self) -> None:
        async def main(reactor: Any) -> None:
            cache = service(reactor)
            cache.call("SET", "big", BIG)
            deaf, other = await connect(reactor, cache.port), await connect(reactor, cache.port)
            deaf.transport.pauseProducing()
            deaf.transport.write(b"GET big\r\n" * 40)
            get = cache.dispatcher.server.commands.entry_of([b"GET"])
            await turns_until(reactor, lambda: get.calls == 40)
            await other.ask(b"PING\r\n", b"+PONG\r\n")
            assert b" omem=0 " not in cache.call("CLIENT", "LIST").split(b"\n")[0]
            deaf.transport.resumeProducing()
            assert await deaf.read(40 * len(BIG_REPLY)) == BIG_REPLY * 40
            await deaf.ask(b"PING\r\n", b"+PONG\r\n")
            await cache.stopService()

        self.run_on(main)

    def test_a_client_that_never_reads_is_gone_when_it_is_killed(self) -> None:
        async def main(reactor: Any) -> None:
            cache = service(reactor)
            cache.call("SET", "big", BIG)
            deaf, other = await connect(reactor, cache.port), await connect(reactor, cache.port)
            deaf.transport.pauseProducing()
            deaf.transport.write(b"GET big\r\n" * 40)
            await turns_until(reactor, lambda: b" omem=0 " not in cache.call("CLIENT", "LIST").split(b"\n")[0])
            await other.ask(b"CLIENT KILL TYPE normal\r\n", b":1\r\n")
            await turns_until(reactor, lambda: len(cache.dispatcher.server.sessions) == 1)
            await other.ask(b"PING\r\n", b"+PONG\r\n")
            deaf.transport.abortConnection()
            await cache.stopService()

        self.run_on(main)

    def test_a_storm_of_connections_some_of_them_reset_leaves_nobody_behind(self) -> None:
        async def visit(reactor: Any, port: int, number: int) -> None:
            client = await connect(reactor, port)
            if number % 4 == 0:
                client.transport.write(b"INCR visits\r\n")
                client.transport.abortConnection()  # which resets it
            elif number % 4 == 1:
                client.transport.loseConnection()
            elif number % 4 == 2:
                await client.ask(b"PING\r\n", b"+PONG\r\n")
                client.transport.abortConnection()
            else:
                await client.ask(b"QUIT\r\n", b"+OK\r\n")
            await client.lost

        async def main(reactor: Any) -> None:
            cache = service(reactor)
            for _ in range(10):
                visits = [Deferred.fromCoroutine(visit(reactor, cache.port, number)) for number in range(40)]
                await gatherResults(visits, consumeErrors=True)
            await gone(cache, reactor)
            await (await connect(reactor, cache.port)).ask(b"PING\r\n", b"+PONG\r\n")
            await cache.stopService()

        self.run_on(main)

    def test_descriptors_that_are_used_again_at_once_serve_their_new_clients(self) -> None:
        async def main(reactor: Any) -> None:
            cache = service(reactor)
            numbers = set()
            for _ in range(50):
                leaving, staying = await connect(reactor, cache.port), await connect(reactor, cache.port)
                leaving.transport.write(b"QUIT\r\n")
                staying.transport.write(b"PING\r\n")
                coming = await connect(reactor, cache.port)
                await coming.ask(b"PING\r\n", b"+PONG\r\n")
                assert await leaving.lost == b"+OK\r\n"
                assert await staying.read(7) == b"+PONG\r\n"
                lines = cache.call("CLIENT", "LIST").split(b"\n")[:-1]
                numbers |= {line.split(b" fd=")[1].split(b" ")[0] for line in lines}
                for client in (staying, coming):
                    client.transport.abortConnection()
                    await client.lost
            assert len(numbers) < 50  # they were used again
            await gone(cache, reactor)
            await cache.stopService()

        self.run_on(main)

    def test_a_unix_socket_is_served(self) -> None:
        path = str(self.folder() / "s")

        async def main(reactor: Any) -> None:
            cache = service(reactor, port=None, config={"endpoint": f"unix:{path}"})
            client = await connect(reactor, path)
            for request, answer in SCRIPT:
                await client.ask(request, answer)
            assert await client.lost == b""
            await cache.stopService()
            assert not os.path.exists(path)

        self.run_on(main)


class EndCases:
    """How it ends, and begins again."""

    def test_the_stop_closes_the_port_and_the_connections_and_waits_for_them(self) -> None:
        async def main(reactor: Any) -> None:
            cache = service(reactor)
            cache.call("SET", "big", BIG)
            clients = [await connect(reactor, cache.port) for _ in range(5)]
            clients[0].transport.pauseProducing()
            clients[0].transport.write(b"GET big\r\n" * 40)
            for client in clients[1:]:
                await client.ask(b"PING\r\n", b"+PONG\r\n")
            port = cache.port
            await cache.stopService()
            assert cache.dispatcher.server.sessions == {}
            with pytest.raises(Refused):
                await connect(reactor, port)
            await gatherResults([client.lost for client in clients[1:]])
            clients[0].transport.abortConnection()  # it does not read, so it has not heard of it
            await clients[0].lost

        self.run_on(main)

    def test_it_may_be_stopped_and_started_again(self) -> None:
        async def main(reactor: Any) -> None:
            cache = service(reactor)
            for number in range(1, 4):
                client = await connect(reactor, cache.port)
                await client.ask(b"INCR starts\r\n", b":%d\r\n" % number)
                await cache.stopService()
                await client.lost
                cache.startService()
            await cache.stopService()
            assert not any(type(each).__name__ == "Multiplexer" for each in reactor.getReaders())

        self.run_on(main)

    def test_a_new_start_need_not_wait_for_the_end_of_the_stop(self) -> None:
        async def main(reactor: Any) -> None:
            cache = service(reactor)
            client = await connect(reactor, cache.port)
            await client.ask(b"PING\r\n", b"+PONG\r\n")
            stopped = done(cache.stopService())
            cache.startService()
            new = await connect(reactor, cache.port)
            await new.ask(b"PING\r\n", b"+PONG\r\n")
            await stopped
            await client.lost
            await new.ask(b"PING\r\n", b"+PONG\r\n")
            await cache.stopService()

        self.run_on(main)

    def test_shutdown_ends_the_connections_before_the_reactor_ends(self) -> None:
        clients: list[Client] = []
        caches: list[CacheService] = []

        async def main(reactor: Any) -> None:
            cache = service(reactor, on_shutdown=reactor.stop)
            reactor.addSystemEventTrigger("before", "shutdown", cache.stopService)
            caches.append(cache)
            clients.extend([await connect(reactor, cache.port), await connect(reactor, cache.port)])
            await clients[1].ask(b"PING\r\n", b"+PONG\r\n")
            clients[0].transport.write(b"SET k v\r\nSHUTDOWN\r\n")
            await Deferred()

        self.run_on(main)
        assert [client.ended for client in clients] == [True, True]
        assert caches[0].call("GET", "k") == b"v"
        assert caches[0].dispatcher.server.sessions == {}
        assert caches[0].port is None

    def test_a_reactor_that_stops_without_a_word_ends_all_connections(self) -> None:
        clients: list[Client] = []
        caches: list[CacheService] = []

        async def main(reactor: Any) -> None:
            caches.append(service(reactor))
            for _ in range(3):
                clients.append(await connect(reactor, caches[0].port))
                await clients[-1].ask(b"PING\r\n", b"+PONG\r\n")

        self.run_on(main)
        assert caches[0].dispatcher.server.sessions == {}
        assert all(client.ended for client in clients)


class Leaver(Protocol):
    """Ends its connection where it reads; the first byte says how."""

    def dataReceived(self, data: bytes) -> None:
        if data[:1] == b"a":
            self.transport.abortConnection()
        elif data[:1] == b"l":
            self.transport.write(b"bye")
            self.transport.loseConnection()
        else:
            raise RuntimeError("a fault that the test wants")


class Upgrader(RespProtocol):
    """A client's connection that begins in the clear, and with the first bytes turns to TLS."""

    def dataReceived(self, data: bytes) -> None:
        if self.factory.context is None:
            super().dataReceived(data)
            return
        context, self.factory.context = self.factory.context, None
        assert data == b"STARTTLS\n"
        self.transport.write(b"GO\n")
        self.transport.startTLS(context)


class TransportCases:
    """What other protocols and transports see."""

    def test_a_protocol_that_ends_its_connection_where_it_reads_or_fails_there_ends_alone(self) -> None:
        async def main(reactor: Any) -> None:
            inner = Multiplexer(reactor, WakeUp(Now(Clock()), Statistics()))
            port = inner.listenTCP(0, Factory.forProtocol(Leaver), interface="127.0.0.1")
            for _ in range(5):
                clients = {word: await connect(reactor, port.getHost().port) for word in (b"a", b"l", b"fault")}
                for word, client in clients.items():
                    client.transport.write(word * 10_000)
                assert [await client.lost for client in clients.values()][1:] == [b"bye", b""]
            await port.stopListening()
            inner.close()

        self.run_on(main)
        assert len(self.flushLoggedErrors(RuntimeError)) == 5

    def test_tls_is_served_and_nothing_is_on_the_wire_in_the_clear(self) -> None:
        key, certificate = write_certificate(self.folder())
        description = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"

        async def main(reactor: Any) -> None:
            cache = service(reactor, port=None, config={"endpoint": description})
            [port] = cache._listeners._ports
            client, other = TlsClient(), TlsClient()
            await connect(reactor, port.getHost().port, client)
            await connect(reactor, port.getHost().port, other)
            client.send(encode_request([b"SET", b"k", SECRET]) + b"GET k\r\n" * 3)
            answer = b"$%d\r\n%b\r\n" % (len(SECRET), SECRET)
            assert await client.read(5 + 3 * len(answer)) == b"+OK\r\n" + answer * 3
            other.send(b"GET k\r\nQUIT\r\n")
            assert await other.lost == answer + b"+OK\r\n"
            for each in (client, other):
                assert SECRET not in each.wire
                assert 23 in records(each.wire)
            await cache.stopService()
            await client.lost

        self.run_on(main)

    def test_a_tls_client_that_reads_late_gets_all(self) -> None:
        context = context_factory(self.folder())

        async def main(reactor: Any) -> None:
            cache = service(reactor, port=None)
            inner = Multiplexer(reactor, cache.dispatcher.wakeup)
            cache.call("SET", "big", BIG)
            port = inner.listenSSL(0, RespFactory(cache.dispatcher), context, interface="127.0.0.1")
            client = TlsClient()
            await connect(reactor, port.getHost().port, client)
            client.send(b"PING\r\n")
            assert await client.read(7) == b"+PONG\r\n"
            client.transport.pauseProducing()
            client.send(b"GET big\r\n" * 40)
            get = cache.dispatcher.server.commands.entry_of([b"GET"])
            await turns_until(reactor, lambda: get.calls == 40)
            client.transport.resumeProducing()
            assert await client.read(40 * len(BIG_REPLY)) == BIG_REPLY * 40
            records(client.wire)
            client.transport.abortConnection()
            await gone(cache, reactor)
            await port.stopListening()
            inner.close()
            await cache.stopService()

        self.run_on(main)

    @pytest.mark.pure
    def test_a_connection_may_turn_to_tls(self) -> None:
        context = context_factory(self.folder())

        async def main(reactor: Any) -> None:
            cache = service(reactor, port=None)
            inner = Multiplexer(reactor, cache.dispatcher.wakeup)
            factory = RespFactory(cache.dispatcher)
            factory.context = context
            factory.buildProtocol = lambda address: Upgrader(factory)
            port = inner.listenTCP(0, factory, interface="127.0.0.1")
            client = TlsClient(plain_until=b"GO\n")
            await connect(reactor, port.getHost().port, client)
            client.transport.write(b"STARTTLS\n")
            await turns_until(reactor, lambda: client.wire)
            client.send(encode_request([b"SET", b"k", SECRET]) + b"GET k\r\n")
            answer = b"+OK\r\n$%d\r\n%b\r\n" % (len(SECRET), SECRET)
            assert await client.read(len(answer)) == answer
            client.send(b"PING\r\n")  # by now nothing waits to be written before the answer
            assert await client.read(7) == b"+PONG\r\n"
            assert 23 in records(client.wire)
            client.transport.abortConnection()
            await gone(cache, reactor)
            await port.stopListening()
            inner.close()
            await cache.stopService()

        def clock() -> Any:
            return self.reactor

        async def noting_the_reactor(reactor: Any) -> None:
            self.reactor = reactor  # Twisted asks for the one that is installed, where a connection turns to TLS
            await main(reactor)

        with mock.patch("twisted.protocols.tls._get_default_clock", clock):
            self.run_on(noting_the_reactor)

    def test_endpoints_of_all_kinds_listen_behind_the_one_descriptor(self) -> None:
        folder = self.folder()
        key, certificate = write_certificate(folder)

        async def main(reactor: Any) -> None:
            before = set(reactor.getReaders())
            inner = Multiplexer(reactor, WakeUp(Now(Clock()), Statistics()))
            for description in (
                "tcp:0:interface=127.0.0.1",
                f"unix:{folder / 's'}",
                f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}",
            ):
                await serverFromString(inner, description).listen(Factory.forProtocol(Leaver))
            assert set(reactor.getReaders()) - before == {inner}
            ports = inner.getReaders()
            assert len(ports) == 3
            await gatherResults([done(port.stopListening()) for port in ports])
            inner.close()
            assert set(reactor.getReaders()) == before

        self.run_on(main)


class Flooder(Client):
    """Sends requests for as long as the other side takes them, and throws the answers away."""

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        self.transport.write(encode_request([b"PING", b"x" * 100]) * 1000)

    def stopProducing(self) -> None:
        pass

    def dataReceived(self, data: bytes) -> None:
        pass


class FairnessCases:
    """The host program and quiet clients have their turn while others send all they can."""

    def test_between_two_wake_ups_the_host_has_its_turn(self) -> None:
        """The host's calls are made once a turn; what is served between two of them is bounded."""
        served: list[int] = []

        async def main(reactor: Any) -> None:
            cache = service(reactor)
            flooders = [await connect(reactor, cache.port, Flooder()) for _ in range(10)]
            statistics = cache.dispatcher.server.statistics
            wakeups: list[int] = []
            really = Multiplexer.doRead

            def count(inner: Any) -> None:
                before = statistics.bytes_received
                really(inner)
                wakeups.append(statistics.bytes_received - before)

            with mock.patch.object(Multiplexer, "doRead", count):
                for _ in range(200):
                    await turn(reactor)
                    served.append(len(wakeups))
            assert max(wakeups) <= BYTES_AT_ONCE + READ_SIZE
            assert sum(wakeups) > 20 * BYTES_AT_ONCE
            for flooder in flooders:
                flooder.transport.unregisterProducer()
                flooder.transport.abortConnection()
            await gone(cache, reactor)
            await cache.stopService()

        self.run_on(main)
        longest = max(after - before for before, after in zip(served, served[1:]))
        assert longest <= self.wakeups_in_a_turn

    def test_a_quiet_client_is_answered_within_a_few_turns(self) -> None:
        async def main(reactor: Any) -> None:
            cache = service(reactor)
            flooders = [await connect(reactor, cache.port, Flooder()) for _ in range(3)]
            quiet = await connect(reactor, cache.port)
            statistics = cache.dispatcher.server.statistics
            waits = []
            for _ in range(20):
                before = statistics.bytes_received
                await quiet.ask(b"PING\r\n", b"+PONG\r\n")
                waits.append(statistics.bytes_received - before)
            assert sorted(waits)[10] <= 4 * BYTES_AT_ONCE
            for flooder in flooders:
                flooder.transport.unregisterProducer()
                flooder.transport.abortConnection()
            quiet.transport.loseConnection()
            await gone(cache, reactor)
            await cache.stopService()

        self.run_on(main)


class AllCases(ServiceCases, EndCases, TransportCases, FairnessCases):
    """All of them, for each kind of reactor."""

    skip = None if multiplexer.is_possible else "the system has no epoll"
    wakeups_in_a_turn = 1


class EpollTests(AllCases, Case):
    """Twisted's reactor of Linux."""

    kind = "epoll"


class PollTests(AllCases, Case):
    """Twisted's reactor for systems with poll."""

    kind = "poll"


class SelectTests(AllCases, Case):
    """Twisted's reactor for every system."""

    kind = "select"


class AsyncioTests(AllCases, Case):
    """Twisted on asyncio's loop."""

    kind = "asyncio"


class UvloopTests(AllCases, Case):
    """Twisted on uvloop, by way of asyncio."""

    kind = "uvloop"
    skip = AllCases.skip or (None if has_uvloop else "uvloop is not installed; it comes with the extra 'test'")
