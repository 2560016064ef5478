"""Datagrams by the batch, over real sockets; Twisted's own port is the reference."""

from __future__ import annotations

import errno
import socket
from typing import Any, Callable
from unittest import mock

import pytest
from twisted.internet import udp
from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from twisted.trial import unittest

from tests.sockets.datagrams import MARKS, Peer, has_ipv6, link_local
from tests.sockets.reactors import connect, run, turn, turns_until
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.faces.datagram import READ_SIZE
from twisted_kv.service import CacheService
from twisted_kv.sessions.statistics import Statistics
from twisted_kv.testing import Clock
from twisted_kv.transports import datagram_batches, multiplexer
from twisted_kv.transports.datagram_batches import BATCH, BUFFER, BatchPort, count_drops
from twisted_kv.transports.multiplexer import Multiplexer
from twisted_kv.vocabulary.clock import Now
from twisted_kv.wire.dialects import DIALECTS, MAX_DATAGRAM
from twisted_kv.wire.encoder import encode_request

pytestmark = pytest.mark.fast

ALL_BYTES = bytes(range(256))
TOO_LARGE = b"reply is too large for a datagram"
FAULT = "a fault that the test wants"


def resp(*requests: list[bytes]) -> bytes:
    return b"".join(map(encode_request, requests))


def largest(head: bytes) -> bytes:
    """Fill a datagram up to the most that IPv4 carries."""
    return head + b"x" * (MAX_DATAGRAM - len(head))


TALKS: dict[str, list[bytes]] = {
    "equals": [b"", b"=", b"", b"foo=bar", b"foo", b"foo\r\n", b"a\0b=" + ALL_BYTES, b"a\0b", b"nope", b"\n", b"PING"],
    "command": [b"", b"PING", b"SET k a b c", b"GET k", b"HSET h f v", b"HGETALL h", b"GET", b"FLY", b"SELECT 1"],
    "resp": [
        b"",
        resp([b"PING"]),
        resp([b"SET", ALL_BYTES, ALL_BYTES], [b"GET", ALL_BYTES], [b"NOPE"]),
        b"*1\r\n",
        b"x",
    ],
}
TALKS["auto"] = [*TALKS["equals"], *TALKS["resp"], b"SET k v", b"GET k", b"get nope", b"PINGS"]
LARGE: dict[str, list[bytes]] = {
    "equals": [largest(b"k="), b"k", largest(b"n"), b"big"],
    "command": [largest(b"SET k "), b"GET k", b"STRLEN k", largest(b"PING "), b"GET big"],
    "resp": [largest(resp([b"ECHO", b""])[:-6] + b"$65480\r\n"), resp([b"GET", b"big"]), resp([b"GET", b"most"])],
    "auto": [largest(b"k="), b"k", largest(b"SET k "), b"GET k", b"big", resp([b"GET", b"most"])],
}


class Batches(DatagramProtocol):
    """Notes the batches that it gets."""

    noisy = False

    def __init__(self, on_batch: Callable[[Any], Any] = lambda batch: None) -> None:
        self.batches: list[Any] = []
        self.on_batch = on_batch

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.datagramsReceived([(datagram, addr)])

    def datagramsReceived(self, datagrams: Any) -> None:
        self.batches.append(datagrams)
        self.on_batch(datagrams)


class Case(unittest.SynchronousTestCase):
    """Runs a coroutine on a reactor of its own."""

    skip = (
        None
        if multiplexer.is_possible and datagram_batches.is_possible
        else "the system has no epoll, or receives no datagrams by the batch"
    )

    def run_on(self, main: Any) -> Any:
        return run("epoll", main)

    def service(self, reactor: Any, bind: str = "127.0.0.1", **config: Any) -> CacheService:
        named = {name.replace("_", "-"): value for name, value in config.items()}
        cache = CacheService(port=0, bind=bind, config=named, reactor=reactor)
        cache.startService()
        return cache

    def peer(self, to: Any, at: Any = None) -> Peer:
        peer = Peer(to, at)
        self.addCleanup(peer.close)
        return peer

    def peer_of(self, cache: CacheService) -> Peer:
        return self.peer(("127.0.0.1", cache.udp_port))

    def port(self, reactor: Any, protocol: Any, host: str = "127.0.0.1") -> tuple[Multiplexer, Any, Peer]:
        """Open a port for a protocol; gives a peer of it too."""
        inner = Multiplexer(reactor, WakeUp(Now(Clock()), Statistics()))
        port = inner.listenUDP(0, protocol, interface=host, maxPacketSize=READ_SIZE)
        assert type(port) is BatchPort
        return inner, port, self.peer((host, port.getHost().port))


def batch_port(cache: CacheService) -> Any:
    """Give the port that takes the datagrams of a cache."""
    [port] = [port for port in cache._listeners._ports if isinstance(port, udp.Port)]
    return port


class SameTests(Case):
    """The same datagrams get the same answers as from Twisted's own port."""

    def compare(self, dialect: str, talk: list[bytes], host: str = "127.0.0.1", **config: Any) -> None:
        async def outcome(reactor: Any, transport: str) -> Any:
            cache = self.service(reactor, host, transport=transport, udp_dialect=dialect, **config)
            assert type(batch_port(cache)) is (BatchPort if transport == "fast" else udp.Port)
            cache.call("SET", "big", b"x" * 70_000)
            cache.call("SET", "most", b"x" * (MAX_DATAGRAM - len(b"$65495\r\n\r\n")))
            peer = self.peer((host, cache.udp_port))
            answers = [await peer.ask(reactor, dialect, datagram) for datagram in talk]
            counted = cache.dispatcher.server.statistics
            counts = counted.datagrams_received, counted.bytes_received, counted.bytes_sent, counted.datagrams_refused
            await cache.stopService()
            return answers, counts

        async def main(reactor: Any) -> None:
            fast, plain = await outcome(reactor, "fast"), await outcome(reactor, "plain")
            assert fast == plain
            assert any(fast[0])

        self.run_on(main)

    def test_each_dialect_is_answered_the_same(self) -> None:
        for dialect in DIALECTS:
            self.compare(dialect, TALKS[dialect])

    def test_where_every_byte_counts_it_is_answered_the_same(self) -> None:
        self.compare("equals", TALKS["equals"], udp_binary="yes")

    def test_the_largest_datagrams_and_answers_too_large_are_the_same(self) -> None:
        for dialect in DIALECTS:
            self.compare(dialect, LARGE[dialect])

    def test_over_ipv6_it_is_answered_the_same(self) -> None:
        if not has_ipv6():
            raise unittest.SkipTest("this machine has no ::1")
        for dialect in DIALECTS:
            self.compare(dialect, TALKS[dialect] + LARGE[dialect], "::1")

    def test_who_is_not_served_is_answered_the_same(self) -> None:
        self.compare("resp", [resp([b"AUTH", b"secret"], [b"PING"])])

    def test_an_answer_too_large_is_told(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            cache.call("SET", "big", b"x" * 70_000)
            [answer] = await self.peer_of(cache).ask(reactor, "auto", b"GET big")
            assert TOO_LARGE in answer
            await cache.stopService()

        self.run_on(main)


class PeerTests(Case):
    """Who sends, and who is answered."""

    def test_a_peer_on_one_link_is_answered_there(self) -> None:
        found = link_local()
        if found is None:
            raise unittest.SkipTest("this machine has no address of one link")
        host, link = found

        async def main(reactor: Any) -> None:
            cache = self.service(reactor, "::", udp_allow="fe80::/10")
            peer = self.peer((host, cache.udp_port, 0, link), (host, 0, 0, link))
            assert await peer.ask(reactor, "auto", b"PING") == [b"PONG\n"]
            await cache.stopService()

        self.run_on(main)

    def test_the_address_of_a_peer_on_one_link_names_the_link_and_may_be_written_to(self) -> None:
        found = link_local()
        if found is None:
            raise unittest.SkipTest("this machine has no address of one link")
        host, link = found

        async def main(reactor: Any) -> None:
            protocol = Batches()
            inner, port, _ = self.port(reactor, protocol, "::")
            peer = self.peer((host, port.getHost().port, 0, link), (host, 0, 0, link))
            peer.send(b"hello")
            await turns_until(reactor, lambda: protocol.batches)
            [[(datagram, address)]] = protocol.batches
            assert datagram == b"hello"
            assert address[0] == f"{host}%{link}"
            assert address[1] == peer.socket.getsockname()[1]
            port.write(b"one", address)
            port.write_all([(b"two", address)])
            assert await peer.answered(reactor, 2) == [b"one", b"two"]
            await port.stopListening()
            inner.close()

        self.run_on(main)

    def test_an_address_is_a_host_and_a_port_before_anything_else(self) -> None:
        async def main(reactor: Any) -> None:
            for host in ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",):
                protocol = Batches()
                inner, port, peer = self.port(reactor, protocol, host)
                peer.send(b"hello")
                await turns_until(reactor, lambda protocol=protocol: protocol.batches)
                [[(datagram, address)]] = protocol.batches
                assert (datagram, address[:2]) == (b"hello", peer.socket.getsockname()[:2])
                await port.stopListening()
                inner.close()

        self.run_on(main)

    def test_peers_that_are_gone_keep_no_answer_from_the_others(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            here = [self.peer_of(cache) for _ in range(10)]
            for peer in here:
                leaving = Peer(("127.0.0.1", cache.udp_port))
                leaving.send(b"PING")
                leaving.close()
                peer.send(b"PING")
            for peer in here:
                assert await peer.answered(reactor, 1) == [b"PONG\n"]
            assert await here[0].ask(reactor, "auto", b"PING") == [b"PONG\n"]  # their errors have come by now
            await cache.stopService()

        self.run_on(main)

    def test_more_peers_than_are_remembered_each_get_their_own_answer(self) -> None:
        peers = 4096 + 2 * BATCH

        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            first = self.peer_of(cache)
            assert await first.ask(reactor, "auto", b"PING first") == [b"first\n"]
            for start in range(0, peers, BATCH):
                group = []
                for number in range(start, start + BATCH):
                    at = f"127.1.{number >> 8}.{number & 255}", 0
                    group.append(Peer(("127.0.0.1", cache.udp_port), at))
                    group[-1].send(b"PING %d" % number)
                for number, peer in enumerate(group, start):
                    assert await peer.answered(reactor, 1) == [b"%d\n" % number]
                    peer.close()
            assert await first.ask(reactor, "auto", b"PING again") == [b"again\n"]
            assert cache.dispatcher.server.statistics.datagrams_received >= peers
            await cache.stopService()

        self.run_on(main)


class BatchTests(Case):
    """What waits is received by the batch, and answered by the batch."""

    def test_more_than_one_batch_is_answered_in_several_wake_ups_in_order_and_whole(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            received: list[int] = []

            def commit(answer: Callable[[bool], None]) -> None:
                received.append(cache.dispatcher.server.statistics.datagrams_received)
                answer(True)

            cache.dispatcher.wakeup.commit = commit
            peer = self.peer_of(cache)
            peer.send(*[b"PING %d" % number for number in range(3 * BATCH + 8)])
            answers = await peer.answered(reactor, 3 * BATCH + 8)
            assert answers == [b"%d\n" % number for number in range(3 * BATCH + 8)]
            batches = [after - before for before, after in zip([0, *received], received)]
            assert batches[:5] == [4, 8, 16, 32, 64]  # it begins small, since datagrams may be large
            assert max(batches) == BATCH
            assert sum(batches) == 3 * BATCH + 8
            await cache.stopService()

        self.run_on(main)

    def test_datagrams_of_all_sizes_in_one_batch_keep_their_bytes(self) -> None:
        async def main(reactor: Any) -> None:
            protocol = Batches()
            inner, port, peer = self.port(reactor, protocol)
            sizes = [0, 65_507, 1, 0, 8192, 8193, 65_507, 3]
            sent = [bytes([place]) * size for place, size in enumerate(sizes)]
            peer.send(*sent)
            await turns_until(reactor, lambda: sum(map(len, protocol.batches)) == len(sent))
            received = [each for batch in protocol.batches for each in batch]
            assert [datagram for datagram, _ in received] == sent
            port.write_all(received)
            assert await peer.answered(reactor, len(sent)) == sent
            await port.stopListening()
            inner.close()

        self.run_on(main)

    def test_a_full_batch_of_the_largest_answers_is_sent(self) -> None:
        async def main(reactor: Any) -> None:
            protocol = Batches()
            inner, port, peer = self.port(reactor, protocol)
            peer.send(b"hello")
            await turns_until(reactor, lambda: protocol.batches)
            [[(_, address)]] = protocol.batches
            answers = [bytes([place]) * MAX_DATAGRAM for place in range(BATCH)]
            port.write_all([(answer, address) for answer in answers])
            got = peer.look()  # the system may have dropped some, but none is cut or takes the place of another
            assert got
            assert got == [answer for answer in answers if answer in got]
            await port.stopListening()
            inner.close()

        self.run_on(main)

    def test_answers_by_more_than_a_batch_are_all_sent(self) -> None:
        async def main(reactor: Any) -> None:
            protocol = Batches()
            inner, port, peer = self.port(reactor, protocol)
            peer.send(b"hello")
            await turns_until(reactor, lambda: protocol.batches)
            [[(_, address)]] = protocol.batches
            for count in (0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH):
                sent = [b"%d" % number for number in range(count)]
                port.write_all([(datagram, address) for datagram in sent])
                assert await peer.answered(reactor, count) == sent
            await port.stopListening()
            inner.close()

        self.run_on(main)

    def test_one_that_cannot_be_sent_keeps_none_of_the_others(self) -> None:
        async def main(reactor: Any) -> None:
            protocol = Batches()
            inner, port, peer = self.port(reactor, protocol)
            peer.send(b"hello")
            await turns_until(reactor, lambda: protocol.batches)
            [[(_, address)]] = protocol.batches
            host, _, name = address
            nowhere = (host, 0, name[:2] + b"\0\0" + name[4:])  # the system sends nothing to port 0
            too_large = b"x" * (MAX_DATAGRAM + 1)
            for bad in ((b"lost", nowhere), (too_large, address)):
                port.write_all([(b"first", address), bad, (b"second", address), bad, bad, (b"last", address), bad])
                assert await peer.answered(reactor, 3) == [b"first", b"second", b"last"]
                port.write_all([bad] * (BATCH + 1))
            port.write_all([(b"still here", address)])
            assert await peer.answered(reactor, 1) == [b"still here"]
            await port.stopListening()
            inner.close()

        self.run_on(main)

    def test_a_single_datagram_is_written_as_by_twisteds_own_port(self) -> None:
        async def main(reactor: Any) -> None:
            for host in ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",):
                protocol = Batches()
                inner, port, peer = self.port(reactor, protocol, host)
                peer.send(b"hello")
                await turns_until(reactor, lambda protocol=protocol: protocol.batches)
                [[(_, address)]] = protocol.batches
                port.write(b"one", address)
                port.write(b"", address[:2])
                assert await peer.answered(reactor, 2) == [b"one", b""]
                with pytest.raises(MessageLengthError):
                    port.write(b"x" * 70_000, address)
                await port.stopListening()
                inner.close()

        self.run_on(main)

    def test_after_a_connect_a_datagram_is_written_without_an_address(self) -> None:
        async def main(reactor: Any) -> None:
            inner, port, peer = self.port(reactor, Batches())
            port.connect(*peer.socket.getsockname()[:2])
            port.write(b"one")
            assert await peer.answered(reactor, 1) == [b"one"]
            await port.stopListening()
            inner.close()

        self.run_on(main)

    def test_a_fault_of_the_protocol_costs_its_batch_and_the_port_lives_on(self) -> None:
        """As with Twisted's own port, which logs it and reads on."""

        async def main(reactor: Any) -> None:
            def fail(batch: Any) -> None:
                if batch[0][0] == b"bad":
                    raise RuntimeError(FAULT)

            protocol = Batches(fail)
            inner, port, peer = self.port(reactor, protocol)
            peer.send(b"bad")
            await turns_until(reactor, lambda: protocol.batches)
            readers = inner.getReaders()
            assert readers == [port]
            peer.send(b"good")
            await turns_until(reactor, lambda: len(protocol.batches) == 2)
            await port.stopListening()
            inner.close()

        self.addCleanup(self.flushLoggedErrors, RuntimeError)
        self.run_on(main)


class OrderTests(Case):
    """One wake-up: all is read, all is run, it is committed once, all are answered."""

    def test_no_datagram_is_answered_before_the_commit(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            held: list[Callable[[], None]] = []
            cache.dispatcher.wakeup.commit = held.append
            first, second = self.peer_of(cache), self.peer_of(cache)
            first.send(b"SET k v", b"GET k")
            second.send(b"GET k")
            await turns_until(reactor, lambda: held)
            assert cache.call("GET", "k") == b"v"  # it is done, but nobody may know
            await turn(reactor)
            assert first.is_silent()
            assert second.is_silent()
            assert len(held) == 1
            held.pop()(True)
            assert await first.answered(reactor, 2) == [b"OK\n", b"v\n"]
            assert await second.answered(reactor, 1) == [b"v\n"]
            await cache.stopService()

        self.run_on(main)

    def test_datagrams_and_connections_of_one_wake_up_see_one_order(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            client = await connect(reactor, cache.port)
            await client.ask(b"PING\r\n", b"+PONG\r\n")
            commits: list[Callable[[], None]] = []
            cache.dispatcher.wakeup.commit = commits.append
            peers = [self.peer_of(cache) for _ in range(2)]
            raw = client.transport.socket
            request = resp([b"INCR", b"n"])
            peers[0].send(request, request)
            assert raw.send(request * 3) == 3 * len(request)
            peers[1].send(request, request)
            await turns_until(reactor, lambda: commits)
            [answer] = commits
            assert cache.call("GET", "n") == b"7"
            assert client.received == b""
            assert all(peer.is_silent() for peer in peers)
            answer(True)
            by_datagram = (await peers[0].answered(reactor, 2)) + (await peers[1].answered(reactor, 2))
            by_connection = bytes(await client.read(3 * len(b":1\r\n")))
            orders = [[b":%d\r\n" % number for number in order] for order in ([1, 2, 3, 4], [4, 5, 6, 7])]
            assert by_datagram in orders
            others = [b":%d\r\n" % number for number in range(1, 8) if b":%d\r\n" % number not in by_datagram]
            assert by_connection == b"".join(others)
            client.transport.abortConnection()
            await client.lost
            await cache.stopService()

        self.run_on(main)


class EndTests(Case):
    """How it ends, and begins again."""

    def test_the_port_may_be_closed_while_datagrams_wait(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            peer = self.peer_of(cache)
            peer.send(*[b"PING"] * (2 * BATCH))
            await cache.stopService()
            assert b"dropped_datagrams:0\r\n" in cache.call("INFO", "stats")
            assert cache.udp_port is None
            assert set(peer.look()) <= {b"PONG\n"}

        self.run_on(main)

    def test_answers_that_are_owed_over_the_end_are_let_go(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            held: list[Callable[[], None]] = []
            cache.dispatcher.wakeup.commit = held.append
            peer = self.peer_of(cache)
            peer.send(b"PING")
            await turns_until(reactor, lambda: held)
            await cache.stopService()
            for answer in held:
                answer(True)
            assert peer.is_silent()

        self.run_on(main)
        assert self.flushLoggedErrors() == []

    def test_it_may_be_stopped_and_started_again(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            for number in range(1, 4):
                peer = self.peer_of(cache)
                assert await peer.ask(reactor, "auto", resp([b"INCR", b"n"])) == [b":%d\r\n" % number]
                await cache.stopService()
                cache.startService()
            await cache.stopService()
            assert not any(type(each).__name__ == "Multiplexer" for each in reactor.getReaders())

        self.run_on(main)

    def test_the_reactor_may_end_while_datagrams_wait(self) -> None:
        caches: list[CacheService] = []

        async def main(reactor: Any) -> None:
            caches.append(self.service(reactor))
            peer = self.peer_of(caches[0])
            peer.send(b"PING")
            assert await peer.answered(reactor, 1) == [b"PONG\n"]
            peer.send(*[b"PING"] * BATCH)

        self.run_on(main)
        assert caches[0].call("PING") == b"PONG"


class SystemTests(Case):
    """What is asked of the system, and what it tells."""

    def test_large_buffers_are_asked_for(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            port = batch_port(cache)
            for option, name in ((socket.SO_RCVBUF, "rmem_max"), (socket.SO_SNDBUF, "wmem_max")):
                with open(f"/proc/sys/net/core/{name}") as file:
                    most = int(file.read())
                assert port.socket.getsockopt(socket.SOL_SOCKET, option) == 2 * min(BUFFER, most)  # Linux doubles it
            await cache.stopService()

        self.run_on(main)

    def test_what_the_system_dropped_is_told(self) -> None:
        self.check_drops("fast")

    def test_it_is_told_without_batches_too(self) -> None:
        self.check_drops("plain")

    def check_drops(self, transport: str) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor, udp_dialect="equals", transport=transport)
            port = batch_port(cache)
            assert b"dropped_datagrams:0\r\n" in cache.call("INFO", "stats")
            peer = self.peer_of(cache)
            size = 4000
            sent = port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // size + 100
            peer.send(*[b"k=" + b"x" * size] * sent)  # nobody reads meanwhile
            dropped = count_drops(port.socket)
            assert 0 < dropped < sent
            statistics = cache.dispatcher.server.statistics
            await turns_until(reactor, lambda: statistics.datagrams_received == sent - dropped)
            assert b"dropped_datagrams:%d\r\n" % dropped in cache.call("INFO", "stats")
            assert await peer.ask(reactor, "equals", b"nope") == [b"keyDoesNotExists"]
            await cache.stopService()

        self.run_on(main)

    def test_a_system_that_does_not_tell_has_dropped_none(self) -> None:
        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            port, really = batch_port(cache), batch_port(cache).socket
            for refusal in ({"side_effect": OSError(errno.ENOPROTOOPT, "no")}, {"return_value": b"short"}):
                port.socket = mock.Mock(getsockopt=mock.Mock(**refusal))
                assert count_drops(port.socket) == 0
            port.socket = really
            await cache.stopService()

        self.run_on(main)

    @pytest.mark.pure
    def test_a_system_that_sends_a_part_of_a_batch_or_is_interrupted_loses_nothing(self) -> None:
        library, ffi = datagram_batches._library, datagram_batches._ffi
        told: list[int] = []

        class Reluctant:
            """Is interrupted every other time, and else does no more than three."""

            interrupted = False

            def _is_interrupted(self) -> bool:
                self.interrupted = not self.interrupted
                if self.interrupted:
                    ffi.errno = errno.EINTR
                return self.interrupted

            def sendmmsg(self, number: int, headers: Any, count: int, flags: int) -> int:
                sent = -1 if self._is_interrupted() else library.sendmmsg(number, headers, min(count, 3), flags)
                told.append(sent)
                return sent

            def recvmmsg(self, number: int, headers: Any, count: int, flags: int, patience: Any) -> int:
                if self._is_interrupted():
                    return -1
                return library.recvmmsg(number, headers, min(count, 10), flags, patience)

        async def main(reactor: Any) -> None:
            cache = self.service(reactor)
            peer = self.peer_of(cache)
            peer.send(*[b"PING %d" % number for number in range(100)])
            assert await peer.answered(reactor, 100) == [b"%d\n" % number for number in range(100)]
            await cache.stopService()

        with mock.patch.object(datagram_batches, "_library", Reluctant()):
            self.run_on(main)
        assert {-1, 3} <= set(told)

    @pytest.mark.pure
    def test_a_system_without_batches_is_served_by_twisteds_own_port(self) -> None:
        async def main(reactor: Any) -> None:
            for host in ("127.0.0.1", "::"):
                if ":" in host and not has_ipv6():
                    continue
                cache = self.service(reactor, host, udp_allow="10.0.0.0/8")
                assert type(batch_port(cache)) is udp.Port
                peer = self.peer(("::1" if ":" in host else host, cache.udp_port))
                assert await peer.ask(reactor, "auto", b"SET k v", b"GET k") == [b"OK\n", b"v\n"]
                assert b"dropped_datagrams:0\r\n" in cache.call("INFO", "stats")
                await cache.stopService()

        with mock.patch.object(datagram_batches, "is_possible", False):
            self.run_on(main)

    def test_every_dialect_has_a_mark(self) -> None:
        assert MARKS.keys() == TALKS.keys() == LARGE.keys() == DIALECTS.keys()
