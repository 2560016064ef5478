"""A real cache for tests: the whole stack, with fake transports and a clock that only the test advances.

    cache = MemoryCache()
    client = cache.connect()
    client.call("SET", "k", "v", "PX", 100)
    cache.clock.advance(0.1)
    assert client.call("GET", "k") is None

No socket is opened, no time passes and no reactor runs.
"""

from __future__ import annotations

from collections import deque
from itertools import cycle
from types import TracebackType
from typing import Any, Callable, Iterable, Mapping, Sequence, TypeVar

from twisted.internet import error, task
from twisted.internet.address import IPv4Address
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, ensureDeferred, execute, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_kv.declaring.groups import Group
from twisted_kv.faces.connections import RespFactory
from twisted_kv.faces.datagram import CacheDatagramProtocol
from twisted_kv.faces.in_process import LocalSession
from twisted_kv.faces.stream import RespProtocol
from twisted_kv.persistence.files import Disk, Folder, RealFolder, Worker
from twisted_kv.service import CacheService
from twisted_kv.settings.config import KNOWN
from twisted_kv.vocabulary.command_names import check_single_reply
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Push, Reply
from twisted_kv.vocabulary.script_requests import Script
from twisted_kv.vocabulary.subscriptions import KeyEvent, OnMessage, Subscription
from twisted_kv.wire.dialects import DIALECTS, MAX_DATAGRAM, Dialect
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.reply_reader import ReplyReader
from twisted_kv.wire.words import Word, encode_words

T = TypeVar("T")

EARLY = 4e-7
"""Seconds: less than half a microsecond, the resolution of a `Clock`."""

START = 1_767_225_600
"""The initial date of a `Clock`: 2026-01-01 00:00:00 UTC."""


class Clock(task.Clock):
    """A clock that only `advance` moves, and that begins at a plausible date.

    It counts whole microseconds, so that ten steps of a tenth of a second are exactly one second.  `jump` sets the
    date, as an administrator sets a machine's clock: no time passes, and no scheduled call is made earlier or later.
    """

    def __init__(self, start: float = START) -> None:
        super().__init__()
        self.rightNow = float(start)
        self._jumped = 0.0

    def seconds(self) -> float:
        """Return the date, in seconds since 1970."""
        return self.rightNow + self._jumped

    def monotonic(self) -> float:
        """Return the seconds that only `advance` increases, by which calls are scheduled."""
        return self.rightNow

    def jump(self, amount: float) -> None:
        """Move the date by some seconds, forward or (if negative) back."""
        self._jumped += amount

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:  # noqa: A002  # Twisted's name
        """Schedule a call after a delay in seconds, whatever the date is then."""
        due = self.rightNow + delay
        call = DelayedCall(due, callable, args, kw, self.calls.remove, lambda call: None, self.monotonic)
        self.calls.append(call)
        self._sortCalls()
        return call

    def advance(self, amount: float) -> None:
        """Advance by some seconds and make the calls that become due."""
        # Calls are due slightly early, since the time of a call is a sum that may be rounded up.
        exact = round(self.rightNow + amount, 6)
        self.rightNow = exact + EARLY
        self._sortCalls()
        while self.calls and self.calls[0].getTime() <= self.rightNow:
            call = self.calls.pop(0)
            call.called = 1
            call.func(*call.args, **call.kw)
        self.rightNow = max(exact, round(self.rightNow - EARLY, 6))  # a call may have advanced the clock


class StreamTransport(StringTransport):
    """A stream whose other end is the test: `value()` returns what was written, and its buffer can fill up.

    When more than `capacity` bytes were written and not taken (`take`), it pauses its producer, as a full socket does.
    """

    def __init__(self, peer: str = "127.0.0.1", port: int = 54321, capacity: int | None = None) -> None:
        super().__init__(hostAddress=IPv4Address("TCP", "127.0.0.1", 6379), peerAddress=IPv4Address("TCP", peer, port))
        self.capacity = capacity
        self.protocol: IProtocol | None = None
        self.lost = False
        self.wrote: Callable[[], None] | None = None
        """Called when data was written, or when the connection was lost."""

    def write(self, data: bytes) -> None:
        if self.lost:
            return
        super().write(data)
        if self.capacity is not None and len(self.value()) > self.capacity and self.producer is not None:
            self.producer.pauseProducing()
        if self.wrote is not None:
            self.wrote()

    def take(self) -> bytes:
        """Remove and return what was written, which makes room for more."""
        data: bytes = self.value()
        self.clear()
        if self.producer is not None and self.capacity is not None:
            self.producer.resumeProducing()
        elif self.disconnecting:
            self._lose()
        return data

    def loseConnection(self) -> None:
        self.disconnecting = True
        if self.capacity is None or not self.value():
            self._lose()

    def abortConnection(self) -> None:
        self.disconnected = True
        self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            if self.protocol is not None:
                self.protocol.connectionLost(Failure(ConnectionDone()))
            if self.wrote is not None:
                self.wrote()


class DatagramTransport:
    """A datagram socket whose other end is the test: `sent` lists what was sent, as (datagram, address)."""

    def __init__(self, max_packet_size: int = 65_536, port: int = 6379) -> None:
        self.maxPacketSize = max_packet_size
        self.port = port
        self.sent: list[tuple[bytes, Any]] = []
        self.capacity = MAX_DATAGRAM
        """The size of the largest datagram that can be sent, in bytes."""
        self.refuses = False
        """Whether sending fails, as it does after an ICMP error for an earlier datagram."""

    def getHost(self) -> IPv4Address:
        """Return the address that the socket is bound to."""
        return IPv4Address("UDP", "127.0.0.1", self.port)

    def write(self, packet: bytes, addr: Any = None) -> None:
        """Send a datagram."""
        if self.refuses:
            raise OSError(111, "Connection refused")
        if len(packet) > self.capacity:
            raise error.MessageLengthError("message too long")
        self.sent.append((packet, addr))


class MemoryConnection:
    """A Redis client of a `MemoryCache`, over a fake transport."""

    def __init__(self, factory: RespFactory, transport: StreamTransport) -> None:
        self.transport = transport
        self.protocol: RespProtocol = factory.buildProtocol(transport.getPeer())
        self._reader = ReplyReader()
        self._owed: deque[Deferred[Reply]] = deque()
        transport.protocol = self.protocol
        self.protocol.makeConnection(transport)

    def send(self, data: bytes) -> bytes:
        """Send bytes and return the bytes that came back."""
        self.protocol.dataReceived(data)
        return self.transport.take()

    def call(self, *words: Word) -> Reply:
        """Send a request and return its reply value; errors are raised.  Pushes that arrive before it are ignored.

        Raises RuntimeError while the reply to an earlier request is outstanding, since replies come in order, and
        AssertionError if this request is not answered at once: its reply is then outstanding.
        """
        if self._owed:
            raise RuntimeError("a reply is owed to this connection: requests that may wait are for `request`")
        replies: list[Reply] = []
        self.request(*words).addBoth(replies.append)
        if not replies:
            raise AssertionError("no reply came: it is owed, and `request` would have given a Deferred of it")
        if isinstance(replies[0], Failure):
            replies[0].raiseException()
        return replies[0]

    def request(self, *words: Word) -> Deferred[Reply]:
        """Send a request; the Deferred fires with its reply value when that arrives, after those of earlier requests.

        It fails with `CommandError` for an error reply, and with `ConnectionDone` if the connection ends first.  Raises
        ValueError for a request that has not exactly one reply (SUBSCRIBE, MONITOR, CLIENT REPLY): use `send` for it.
        """
        request = encode_words(words)
        check_single_reply(request)
        owed: Deferred[Reply] = Deferred()
        self._owed.append(owed)
        self.transport.wrote = self._receive_replies
        self.protocol.dataReceived(encode_request(request))
        return owed

    def _receive_replies(self) -> None:
        """Fire the Deferreds of the replies that have arrived."""
        if self.transport.lost:
            while self._owed:
                self._owed.popleft().errback(ConnectionDone())
            return
        self._reader.feed(self.transport.take())
        while self._owed and (reply := self._reader.gets()) is not None:
            if isinstance(reply[0], Push):
                continue
            owed = self._owed.popleft()
            if not self._owed:
                self.transport.wrote = None
            if isinstance(reply[0], CommandError):
                owed.errback(reply[0])
            else:
                owed.callback(reply[0])

    @property
    def closed(self) -> bool:
        """Whether the connection has been closed, by either side."""
        return self.transport.lost

    def half_close(self) -> None:
        """Close the client's sending side only."""
        IHalfCloseableProtocol(self.protocol).readConnectionLost()

    def close(self) -> None:
        """Close the connection from the client's side."""
        self.transport.abortConnection()


class InlineWorker:
    """A worker that runs at once what is otherwise run in another thread."""

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Run a function and return a fired Deferred of its outcome."""
        return execute(work)

    def stop(self) -> None:
        """Do nothing: no work is ever in progress."""


class InlineDisk:
    """The files of this machine, accessed in the calling thread."""

    def folder(self, path: str) -> Folder:
        """Return the folder at a path."""
        return RealFolder(path)

    def worker(self) -> Worker:
        """Return a worker."""
        return InlineWorker()


class MemoryCache:
    """A started `CacheService` without ports, on a `Clock`, with as many clients as a test needs.

    `config` holds settings by their redis.conf names; `groups` are the commands, as for `CacheService`.  With `dir`,
    `save` or `appendonly` in `config` it writes real files; work that takes several turns of a reactor continues when
    the clock is advanced, even by 0.  As a context manager it stops on exit.
    """

    def __init__(
        self,
        config: Mapping[str, object] | None = None,
        clock: Clock | None = None,
        disk: Disk | None = None,
        groups: Iterable[Group] | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.service = CacheService(
            port=None, config=config, clock=self.clock, disk=disk or InlineDisk(), groups=groups
        )
        self.service.startService()
        self.factory = RespFactory(self.service.dispatcher)
        self.factory.doStart()
        self._ports = cycle(range(50_000, 60_000))
        self._sessions: list[LocalSession] = []
        self._faces: list[MemoryDatagrams] = []
        self._began = self.clock.seconds()
        settings = self.service.settings
        self._settings = {name: each.get(settings) for name, each in KNOWN.items() if not each.fixed}

    def call(self, *words: Word) -> Reply:
        """Run one request in process and return its reply value; raises as `CacheService.call` does."""
        return self.service.call(*words)

    def request(self, *words: Word) -> Deferred[Reply]:
        """Run one request in process; the Deferred fires with its reply value, now or later."""
        return self.service.request(*words)

    def script(self, source: str | bytes) -> Script:
        """Return a script to be called with keys and arguments, as `CacheService.script` does."""
        return self.service.script(source)

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function(session, *args)` as one unit, as `CacheService.run` does."""
        return self.service.run(function, *args)

    def subscribe(
        self, *channels: Word, patterns: Sequence[Word] = (), callback: OnMessage | None = None
    ) -> Subscription:
        """Subscribe in process, as `CacheService.subscribe` does."""
        return self.service.subscribe(*channels, patterns=patterns, callback=callback)

    def publish(self, channel: Word, payload: Word) -> int:
        """Publish a message in process, as `CacheService.publish` does."""
        return self.service.publish(channel, payload)

    def on(
        self, event: str, pattern: Word, callback: Callable[[KeyEvent], object], database: int | None = None
    ) -> Subscription:
        """Call back for what happens to keys, as `CacheService.on` does."""
        return self.service.on(event, pattern, callback, database)

    def session(self) -> LocalSession:
        """Return a new session in process."""
        session = self.service.session()
        self._sessions.append(session)
        return session

    def connect(self, peer: str = "127.0.0.1", capacity: int | None = None) -> MemoryConnection:
        """Connect a Redis client; `capacity` is that of its `StreamTransport`."""
        return MemoryConnection(self.factory, StreamTransport(peer, next(self._ports), capacity))

    def endpoint(self) -> MemoryEndpoint:
        """Return a client endpoint for any Twisted protocol that speaks RESP."""
        return MemoryEndpoint(self.factory)

    def datagrams(self, dialect: str | None = None, binary: bool = False) -> MemoryDatagrams:
        """Return a datagram face that speaks the dialect of this name, or by default that of the settings."""
        chosen = None if dialect is None else DIALECTS[dialect](binary)
        face = MemoryDatagrams(self.service, chosen)
        self._faces.append(face)
        return face

    def reset(self, *, clock: bool = False) -> None:
        """Restore the initial state for the next test: no data, no scripts, the original settings, statistics at zero.

        Connections from `connect` and `endpoint` are closed, subscriptions are stopped, sessions from `session` are
        reset, and requests that wait for a key fail with `SessionEnded`.  The service, the factory and the endpoints
        stay usable.  With `clock`, the date is also set back to the initial one.
        """
        server = self.service.dispatcher.server
        self.factory.abort_all()
        self.service.dispatcher.blocking.stop()
        server.services.pausing.end()
        self.service.stop_subscriptions()
        settings = self.service.settings
        server.change_settings(
            {
                name: KNOWN[name].kind.format(value)
                for name, value in self._settings.items()
                if KNOWN[name].get(settings) != value
            }
        )
        server.services.upkeep.set_active_expire(True)
        for session in self._sessions:
            session.reset()
        self.service.call("FLUSHALL")
        server.services.scripts.flush()
        server.services.functions.flush()
        server.reset_statistics()
        if clock:
            self.clock.jump(self._began - self.clock.seconds())

    def __enter__(self) -> MemoryCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the cache; no scheduled call is left on the clock."""
        for face in self._faces:
            face.close()
        ensureDeferred(self.factory.close_all())
        self.factory.doStop()
        self.service.stopService()


class MemoryDatagrams:
    """The datagram face of a `MemoryCache`, over a fake socket."""

    def __init__(
        self, service: CacheService, dialect: Dialect | None, transport: DatagramTransport | None = None
    ) -> None:
        self.transport = transport or DatagramTransport()
        self.protocol = CacheDatagramProtocol(service.dispatcher, dialect)
        self.protocol.makeConnection(self.transport)  # type: ignore[arg-type]  # it implements what the protocol needs
        self._is_open = True

    def close(self) -> None:
        """Close the socket; replies that are still outstanding are dropped."""
        if self._is_open:
            self._is_open = False
            self.protocol.stopProtocol()

    def send(self, datagram: bytes, peer: tuple[str, int] = ("127.0.0.1", 54321)) -> bytes | None:
        """Send a datagram and return the one that answers it, or None if there was no reply."""
        before = len(self.transport.sent)
        self.protocol.datagramReceived(datagram, peer)
        answers = self.transport.sent[before:]
        assert len(answers) <= 1
        assert all(address == peer for _, address in answers)
        return answers[0][0] if answers else None


class _PipeTransport(StringTransport):
    """One end of a pipe in memory: what is written is delivered to the protocol at the other end."""

    def __init__(self, pipe: _Pipe, host: IAddress, peer: IAddress) -> None:
        super().__init__(hostAddress=host, peerAddress=peer)
        self.pipe = pipe
        self.protocol: Any = None
        self.other: _PipeTransport | None = None
        self.lost = False

    def write(self, data: bytes) -> None:
        if not self.disconnecting:
            self.pipe.put(self, data)

    def loseConnection(self) -> None:
        if not self.disconnecting:
            self.disconnecting = True
            self.pipe.put(self, None)

    def abortConnection(self) -> None:
        self.loseConnection()

    def pauseProducing(self) -> None:
        """Do nothing once the connection ends, as a socket does: Twisted's fake raises an error then."""
        if not self.disconnecting:
            super().pauseProducing()

    def resumeProducing(self) -> None:
        """Do nothing once the connection ends, as a socket does: Twisted's fake raises an error then."""
        if not self.disconnecting:
            super().resumeProducing()

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing: a pipe in memory has no delay."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Do nothing: the peer of a pipe in memory cannot disappear."""


class _Pipe:
    """Carries bytes between two protocols, in order, and never calls one from within a call of the other."""

    def __init__(self, client: Any, server: Any, address: IAddress) -> None:
        host = IPv4Address("TCP", "127.0.0.1", 6379)
        self._queue: deque[tuple[_PipeTransport, bytes | None]] = deque()
        self._busy = True
        ends = _PipeTransport(self, address, host), _PipeTransport(self, host, address)
        ends[0].other, ends[1].other = ends[1], ends[0]
        ends[0].protocol, ends[1].protocol = client, server
        server.makeConnection(ends[1])
        client.makeConnection(ends[0])
        self._busy = False
        self._run()

    def put(self, sender: _PipeTransport, data: bytes | None) -> None:
        self._queue.append((sender, data))
        self._run()

    def _run(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            while self._queue:
                sender, data = self._queue.popleft()
                receiver = sender.other
                assert receiver is not None
                if data is not None:
                    if not receiver.lost and not receiver.disconnecting:
                        receiver.protocol.dataReceived(data)
                    continue
                for end in (sender, receiver):
                    end.disconnecting = True
                    if not end.lost:
                        end.lost = True
                        end.protocol.connectionLost(Failure(ConnectionDone()))
        finally:
            self._busy = False


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """A client endpoint that connects to a `MemoryCache`, or refuses connections while `refuses` is set."""

    def __init__(self, factory: RespFactory) -> None:
        self._factory = factory
        self.refuses = False

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect a protocol to a new session of the cache."""
        if self.refuses:
            return fail(error.ConnectionRefusedError("no server listens"))
        address = IPv4Address("TCP", "127.0.0.1", 54321)
        client = protocolFactory.buildProtocol(address)
        assert client is not None
        _Pipe(client, self._factory.buildProtocol(address), address)
        return succeed(client)
