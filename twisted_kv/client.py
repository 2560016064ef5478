"""A small client: RESP over any Twisted endpoint, and the three dialects over UDP.

Each request gives a Deferred, which can be awaited, and which always fires: with the reply value, or with an error.
`CommandError` is the server's answer; `TimeoutError` and `ConnectionError` (both of `twisted.internet.error`) say that
there was none.  A request that only reads is tried again a few times, any other never: it may have been carried out.
"""

from __future__ import annotations

import os
import re
from collections import deque
from typing import Any, Callable, Final, Protocol, Sequence

from twisted.internet import error
from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred, fail
from twisted.internet.error import ConnectError, ConnectionClosed, ConnectionLost
from twisted.internet.protocol import DatagramProtocol, Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from twisted_kv.vocabulary.clock import SystemClock
from twisted_kv.vocabulary.command_names import OF_CONNECTION, READ_ONLY, waiting_seconds
from twisted_kv.vocabulary.errors import CommandError, ProtocolError
from twisted_kv.vocabulary.replies import Push, Reply, Status
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.reply_reader import ReplyReader
from twisted_kv.wire.words import Word, encode_words, quote


def is_idempotent(words: Sequence[bytes]) -> bool:
    """Tell whether a request may be sent a second time when the first was not answered."""
    return words[0].lower() in READ_ONLY


def _value(reply: Reply) -> Reply:
    if isinstance(reply, CommandError):
        raise reply
    return reply


class _StreamProtocol(TwistedProtocol):
    """One connection to a server: replies come in the order of the requests.

    `unusable` is called as soon as no more requests may be sent here, which is before the connection is lost.
    """

    def __init__(self, unusable: Callable[[_StreamProtocol], None]) -> None:
        self._unusable = unusable
        self._reader = ReplyReader()
        self._waiting: deque[Deferred[Reply]] = deque()
        self._end: Exception | None = None  # why no more replies come

    def request(self, words: Sequence[bytes]) -> Deferred[Reply]:
        """Send a request.  To cancel it ends the connection, since its reply could be taken for the next one's."""
        if self._end is not None:
            return fail(self._end)
        waiting: Deferred[Reply] = Deferred(self._cancelled)
        self._waiting.append(waiting)
        assert self.transport is not None
        self.transport.write(encode_request(words))
        return waiting

    @property
    def usable(self) -> bool:
        """Whether requests may be sent here still."""
        return self._end is None

    def abort(self, why: Exception | None = None) -> None:
        """End the connection at once; what waits for a reply fails when it is gone."""
        self._end = why or ConnectionLost("the connection was ended before the reply came")
        self._unusable(self)
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]  # all of Twisted's streams have it

    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while self._end is None and (reply := self._reader.gets()) is not None:
                self._take(reply[0])
        except ProtocolError as error:
            self.abort(ConnectionLost(f"the server does not speak RESP: {error}"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._end is None:
            self._end = ConnectionLost("the connection ended before the reply came")
            self._unusable(self)
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            each.errback(self._end)

    def _take(self, reply: Reply) -> None:
        if self._waiting and not isinstance(reply, Push):
            self._waiting.popleft().callback(reply)
        elif isinstance(reply, CommandError):
            self.abort(reply)  # such as that there are too many clients
        elif not isinstance(reply, Push):
            raise ProtocolError("a reply that nobody asked for")

    def _cancelled(self, waiting: Deferred[Reply]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self.abort()


class Connects(Protocol):
    """What makes a connection: any of Twisted's client endpoints, and whatever else has its one method."""

    def connect(self, protocolFactory: Any, /) -> Deferred[Any]: ...


class StreamClient:
    """A client over any endpoint.  It connects at the first request, and again at the next one after it was lost.

    `timeout` is in seconds, for connecting and for each request; `retries` bounds how often a request that only reads
    is tried again.  `resp` is the protocol version, 2 or 3.

    A request that may have the server wait (BLPOP, XREAD BLOCK) has a connection of its own meanwhile, so that others
    do not wait behind it, and `timeout` seconds more than it asks for; none, if it waits for ever.
    """

    def __init__(
        self,
        endpoint: Connects,
        *,
        password: str | None = None,
        user: str = "default",
        database: int = 0,
        resp: int = 3,
        timeout: float = 5.0,
        retries: int = 2,
        clock: Any = None,
    ) -> None:
        if resp not in (2, 3):
            raise ValueError(f"resp is the protocol version, 2 or 3, not {resp!r}")
        self._endpoint = endpoint
        self._timeout = timeout
        self._retries = retries
        self._clock: Any = SystemClock() if clock is None else clock
        self._connection: _StreamProtocol | None = None
        self._waiters: list[Deferred[_StreamProtocol]] = []  # requests that wait for one connection
        self._waiting: set[_StreamProtocol] = set()  # connections of requests that may have the server wait
        self._closed = 0  # how often the client was closed: what began before does not go on behind it
        self._greeting: list[list[bytes]] = []
        if password is not None and resp == 2:
            self._greeting.append([b"AUTH", user.encode(), password.encode()])
        elif resp == 3:
            login = [] if password is None else [b"AUTH", user.encode(), password.encode()]
            self._greeting.append([b"HELLO", b"3", *login])
        if database:
            self._greeting.append([b"SELECT", b"%d" % database])

    def request(self, *words: Word) -> Deferred[Reply]:
        """Send a request; fires with its reply value.

        Fails with `CommandError`, `TimeoutError`, `ConnectError` or `ConnectionLost`; raises TypeError for a word that
        cannot be sent, and ValueError for what would be forgotten when it connects again: SELECT, AUTH, HELLO, RESET.
        """
        request = encode_words(words)
        if request[0].lower() in OF_CONNECTION:
            name = request[0].decode("utf-8", "replace").upper()
            raise ValueError(
                f"{name} would hold for one connection only: give database, password and resp to the client"
            )
        seconds = waiting_seconds(request)
        return ensureDeferred(self._request(request) if seconds is None else self._wait(request, seconds))

    def close(self) -> None:
        """End the connections; what waits for a reply fails, and the next request opens another."""
        self._closed += 1
        ended = [*self._waiting] if self._connection is None else [self._connection, *self._waiting]
        self._connection = None
        for connection in ended:
            connection.abort(ConnectionLost("the client was closed before the reply came"))

    async def _request(self, request: list[bytes]) -> Reply:
        left = self._retries if is_idempotent(request) else 0
        closed = self._closed
        while True:
            try:
                connection = self._connection
                if connection is None:
                    connection = await self._connect()
                return _value(await self._bounded(connection.request(request)))
            except (ConnectError, ConnectionClosed, error.TimeoutError):
                if not left or closed != self._closed:
                    raise
                left -= 1

    async def _wait(self, request: list[bytes], seconds: float) -> Reply:
        """Send a request that may have the server wait, over a connection of its own."""
        closed = self._closed
        connection = await self._greeted()
        self._waiting.add(connection)
        try:
            if closed != self._closed:
                raise ConnectionLost("the client was closed while it connected")
            reply = connection.request(request)
            return _value(await (self._bounded(reply, seconds) if seconds else reply))
        finally:
            self._waiting.discard(connection)
            connection.abort()

    def _connect(self) -> Deferred[_StreamProtocol]:
        """Wait for a connection; all who wait at a time share one attempt, and its end."""
        waiter: Deferred[_StreamProtocol] = Deferred()
        self._waiters.append(waiter)
        if len(self._waiters) == 1:
            ensureDeferred(self._connected()).addBoth(self._tell_waiters)
        return waiter

    def _tell_waiters(self, outcome: Any) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.called:  # as one that was cancelled is
                waiter.callback(outcome)  # a failure counts as one

    async def _connected(self) -> _StreamProtocol:
        closed = self._closed
        connection = await self._greeted()
        if closed != self._closed:
            connection.abort(ConnectionLost("the client was closed while it connected"))
        elif connection.usable:
            self._connection = connection
        return connection

    async def _greeted(self) -> _StreamProtocol:
        """Make a connection that has the password, the version and the database."""
        connecting: Deferred[Any] = self._endpoint.connect(Factory.forProtocol(self._protocol))
        connection: _StreamProtocol = await self._bounded(connecting)
        for request in self._greeting:
            reply = await self._bounded(connection.request(request))
            if isinstance(reply, CommandError):
                connection.abort()
                raise reply
        return connection

    def _protocol(self) -> _StreamProtocol:
        return _StreamProtocol(self._forget)

    def _forget(self, connection: _StreamProtocol) -> None:
        if self._connection is connection:
            self._connection = None

    def _bounded(self, waiting: Deferred[Any], more: float = 0.0) -> Deferred[Any]:
        return waiting.addTimeout(self._timeout + more, self._clock, _timed_out)


def _timed_out(failure: Any, timeout: float) -> Any:
    """Replace whatever a time-out led to by the error that says so."""
    raise error.TimeoutError(string=f"no answer within {timeout:g} s")


class _Equals:
    """Requests and replies in the `equals` dialect.

    A dialect's `encode` gives a datagram and what its reply is known by, which `decode` is given again.
    """

    def encode(self, words: list[bytes]) -> tuple[bytes, bytes]:
        name = words[0].upper()
        if name == b"SET" and len(words) == 3 and b"=" not in words[1]:
            return words[1] + b"=" + words[2], b""
        if name == b"GET" and len(words) == 2 and b"=" not in words[1]:
            return words[1], b""
        raise ValueError("the equals dialect knows GET KEY and SET KEY VALUE, and no = in a key")

    def is_answered(self, words: list[bytes]) -> bool:
        return words[0].upper() != b"SET"

    def decode(self, words: list[bytes], number: bytes, datagram: bytes) -> Reply:
        if datagram == b"keyDoesNotExists":
            return None
        if datagram.startswith(words[1] + b"="):
            return datagram[len(words[1]) + 1 :]
        if datagram.startswith(b"(error) "):
            return CommandError.parse(datagram[8:])
        raise ProtocolError("not the reply to this request")


_TIME_OPTIONS: Final = re.compile(rb"(?:(?:EX|PX|EXAT|PXAT) \S+|KEEPTTL|)\Z", re.IGNORECASE)

_PLAIN: Final = re.compile(rb"[!#-&(-~]+\Z")
"""Words that need no quotes.  A name in quotes would not be known as the beginning of a `command` datagram."""


class _Command:
    """Requests in the `command` dialect; the replies are texts."""

    def encode(self, words: list[bytes]) -> tuple[bytes, bytes]:
        if words[0].upper() == b"SET" and not _TIME_OPTIONS.match(b" ".join(words[3:])):
            raise ValueError("the command dialect knows EX, PX, EXAT, PXAT and KEEPTTL; all else is part of the value")
        return b" ".join(word if _PLAIN.match(word) else quote(word).encode() for word in words), b""

    def is_answered(self, words: list[bytes]) -> bool:
        return True

    def decode(self, words: list[bytes], number: bytes, datagram: bytes) -> Reply:
        if not datagram.endswith(b"\n"):
            return CommandError(
                "the server took this for another dialect: as words it knows PING, GET and SET alone, "
                "unless it was started with --udp-dialect command"
            )
        text = datagram[:-1]
        return CommandError.parse(text[8:]) if text.startswith(b"(error) ") else Status(text)


class _Resp:
    """Requests in the `resp` dialect.  A number goes along and comes back, so that an older reply is told from this."""

    def __init__(self, password: str | None) -> None:
        self._login = [] if password is None else [[b"AUTH", password.encode()]]

    def encode(self, words: list[bytes]) -> tuple[bytes, bytes]:
        number = os.urandom(8).hex().encode()
        return b"".join(map(encode_request, [*self._login, [b"ECHO", number], words])), number

    def is_answered(self, words: list[bytes]) -> bool:
        return True

    def decode(self, words: list[bytes], number: bytes, datagram: bytes) -> Reply:
        reader = ReplyReader()
        reader.feed(datagram)
        replies = []
        while (reply := reader.gets()) is not None:
            replies.append(reply[0])
        if len(replies) == 1 and isinstance(replies[0], CommandError):
            return replies[0]  # an error about the datagram as a whole
        if len(replies) != len(self._login) + 2 or replies[-2] != number:
            raise ProtocolError("not the reply to this request")
        return replies[-1]


class _DatagramSocket(DatagramProtocol):
    """One UDP socket that talks to one server."""

    noisy = False

    def __init__(self, host: str, port: int, received: Callable[[bytes], None], refused: Callable[[], None]) -> None:
        self._peer = host, port
        self._received = received
        self._refused = refused
        self._open = True

    def startProtocol(self) -> None:
        self.transport.connect(*self._peer)  # type: ignore[union-attr]  # it was just made

    def send(self, datagram: bytes) -> None:
        """Send a datagram to the server."""
        self.transport.write(datagram)  # type: ignore[union-attr,call-arg]  # it is open, and connected to its peer

    def detach(self) -> None:
        """Tell nothing any more: the socket is closed in a later turn, when another may be in use."""
        self._open = False

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if self._open:
            self._received(datagram)

    def connectionRefused(self) -> None:
        if self._open:
            self._refused()

    def stopProtocol(self) -> None:
        # Twisted's epoll reactor closes the port on an ICMP error, and does not tell of the refusal.
        self.connectionRefused()


class DatagramClient:
    """A client over UDP: requests are sent one at a time, each when the one before it has its reply.

    `host` is an IP address; `dialect` is `equals`, `command` or `resp`, and a password needs `resp`.  A server that
    was not started with `--udp-dialect command` knows PING, GET and SET alone in that dialect.  `timeout` is in
    seconds, for each try; a request that only reads is tried `retries` times more.  After a time-out the socket is
    replaced, so that a late reply cannot be taken for the next one's.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 6379,
        *,
        dialect: str = "resp",
        password: str | None = None,
        timeout: float = 1.0,
        retries: int = 2,
        reactor: Any = None,
    ) -> None:
        if password is not None and dialect != "resp":
            raise ValueError("only the resp dialect takes a password")
        dialects: dict[str, Any] = {"equals": _Equals(), "command": _Command(), "resp": _Resp(password)}
        if dialect not in dialects:
            raise ValueError(f"unknown dialect {dialect!r}")
        self._host, self._port = host, port
        self._dialect = dialects[dialect]
        self._timeout = timeout
        self._retries = retries
        self._reactor = reactor
        self._clock: Any = SystemClock(reactor)
        self._lock = DeferredLock()
        self._socket: Any = None
        self._protocol: _DatagramSocket | None = None
        self._waiting: Deferred[Reply] | None = None
        self._words: list[bytes] = []
        self._number = b""

    def request(self, *words: Word) -> Deferred[Reply]:
        """Send a request; fires with its reply value, None at once for a request that the dialect does not answer.

        Fails with `CommandError`, `TimeoutError`, `ConnectionRefusedError`, `ConnectionLost` (the client was closed) or
        `MessageLengthError` (no datagram holds the request); raises TypeError or ValueError for a request that cannot
        be sent in this dialect.
        """
        request = encode_words(words)
        self._dialect.encode(request)  # an error is raised here, not in a Deferred
        return self._lock.run(lambda: ensureDeferred(self._request(request)))

    def close(self) -> Deferred[Any] | None:
        """Close the socket; the next request opens another.  Fires when that is done, if it takes time."""
        if self._protocol is not None:
            self._protocol.detach()
        opened, self._socket, self._protocol = self._socket, None, None
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.errback(ConnectionLost("the client was closed before the reply came"))
        closed: Deferred[Any] | None = opened.stopListening() if opened is not None else None
        return closed

    async def _request(self, request: list[bytes]) -> Reply:
        left = self._retries if is_idempotent(request) else 0
        while True:
            try:
                return _value(await self._exchange(request))
            except (error.TimeoutError, error.ConnectionRefusedError):
                self.close()
                if not left:
                    raise
                left -= 1

    def _exchange(self, request: list[bytes]) -> Deferred[Reply]:
        """Send a request once; fires with what came for it."""
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        datagram, self._number = self._dialect.encode(request)
        if self._protocol is None:
            self._protocol = _DatagramSocket(self._host, self._port, self._received, self._refused)
            interface = "::" if ":" in self._host else ""
            self._socket = self._reactor.listenUDP(0, self._protocol, interface=interface, maxPacketSize=65_536)
        self._words = request
        waiting: Deferred[Reply] = Deferred(self._cancelled)
        self._waiting = waiting
        if not self._dialect.is_answered(request):
            self._waiting = None
            waiting.callback(None)
        try:
            self._protocol.send(datagram)
        except BaseException:  # it is told of at once, and nothing comes for it
            self._waiting = None
            raise
        return waiting.addTimeout(self._timeout, self._clock, _timed_out)

    def _cancelled(self, waiting: Deferred[Reply]) -> None:
        """Take another socket for the next request: the reply to this one may come yet."""
        self._waiting = None
        self.close()

    def _received(self, datagram: bytes) -> None:
        if self._waiting is None:
            return
        try:
            reply = self._dialect.decode(self._words, self._number, datagram)
        except ProtocolError:
            return  # an older reply, or one that was doubled on its way
        waiting, self._waiting = self._waiting, None
        waiting.callback(reply)

    def _refused(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.errback(Failure(error.ConnectionRefusedError(f"nobody listens on {self._host}:{self._port}")))
