"""A small client: RESP over any Twisted endpoint, and the three dialects over UDP.

Each request returns a Deferred, which can be awaited, and which always fires: with the reply value, or with an error.
`CommandError` is the server's reply; `TimeoutError` and `ConnectionError` (both of `twisted.internet.error`) mean that
there was none.  Read-only requests are retried a few times; others never are, since they may have been executed.
"""

from __future__ import annotations

import os
import re
from collections import deque
from typing import Any, Callable, Final, Protocol, Sequence

from twisted.internet import error
from twisted.internet.defer import Deferred, DeferredLock, FirstError, ensureDeferred, fail, gatherResults
from twisted.internet.error import ConnectError, ConnectionClosed, ConnectionLost
from twisted.internet.protocol import DatagramProtocol, Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from twisted_kv.vocabulary.clock import SystemClock
from twisted_kv.vocabulary.command_names import (
    LISTENING,
    OF_CONNECTION,
    OF_CONNECTION_BY_CLIENT,
    READ_ONLY,
    waiting_seconds,
)
from twisted_kv.vocabulary.errors import CommandError, ProtocolError, as_text
from twisted_kv.vocabulary.replies import Push, Reply, Status
from twisted_kv.vocabulary.script_requests import RemoteScript
from twisted_kv.vocabulary.subscriptions import Message, OnMessage, Subscription, check_names
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.reply_reader import ReplyReader
from twisted_kv.wire.words import Word, encode_word, encode_words, quote


def is_idempotent(words: Sequence[bytes]) -> bool:
    """Check whether a request may be sent again if it was not answered."""
    return words[0].lower() in READ_ONLY


def _value(reply: Reply) -> Reply:
    if isinstance(reply, CommandError):
        raise reply
    return reply


class _StreamProtocol(TwistedProtocol):
    """One connection to a server, whose replies arrive in the order of the requests.

    `unusable` is called as soon as no more requests may be sent, which is before the connection is lost.
    """

    def __init__(self, unusable: Callable[[_StreamProtocol], None]) -> None:
        self._unusable = unusable
        self._reader = ReplyReader()
        self._waiting: deque[Deferred[Reply]] = deque()
        self._end: Exception | None = None  # why no more replies will arrive

    def request(self, words: Sequence[bytes]) -> Deferred[Reply]:
        """Send a request.  Cancelling it closes the connection, as its reply could be taken for that of the next."""
        if self._end is not None:
            return fail(self._end)
        waiting: Deferred[Reply] = Deferred(self._cancelled)
        self._waiting.append(waiting)
        assert self.transport is not None
        self.transport.write(encode_request(words))
        return waiting

    @property
    def usable(self) -> bool:
        """Whether requests may still be sent over this connection."""
        return self._end is None

    def abort(self, why: Exception | None = None) -> None:
        """Close the connection at once; requests that wait for a reply fail once it is lost."""
        self._end = why or ConnectionLost("the connection was ended before the reply came")
        self._unusable(self)
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]  # all of Twisted's streams have it

    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while self._end is None and (reply := self._reader.gets()) is not None:
                self._receive(reply[0])
        except ProtocolError as error:
            self.abort(ConnectionLost(f"the server does not speak RESP: {error}"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._end is None:
            self._end = ConnectionLost("the connection ended before the reply came")
            self._unusable(self)
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            each.errback(self._end)

    def _receive(self, reply: Reply) -> None:
        if self._waiting and not isinstance(reply, Push):
            self._waiting.popleft().callback(reply)
        elif isinstance(reply, CommandError):
            self.abort(reply)  # an error without a request, such as too many clients
        elif not isinstance(reply, Push):
            raise ProtocolError("a reply without a request")

    def _cancelled(self, waiting: Deferred[Reply]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self.abort()


class _ListeningProtocol(_StreamProtocol):
    """A connection that is subscribed to something; `deliver` is called with each message."""

    def __init__(self, unusable: Callable[[_StreamProtocol], None], deliver: Callable[[Message], None]) -> None:
        super().__init__(unusable)
        self._deliver = deliver

    def _receive(self, reply: Reply) -> None:
        kind = reply[0] if isinstance(reply, list) and reply else None
        if kind == b"message" and len(reply) == 3:
            self._deliver(Message(reply[1], reply[2]))
        elif kind == b"pmessage" and len(reply) == 4:
            self._deliver(Message(reply[2], reply[3], reply[1]))
        elif kind in (b"subscribe", b"psubscribe"):  # in RESP3 these are pushes, though they answer
            super()._receive(list(reply))
        else:
            super()._receive(reply)


class _Feed:
    """Keeps one subscription supplied: over a connection of its own, which is made again whenever it is lost."""

    def __init__(self, client: StreamClient, requests: list[list[bytes]], callback: OnMessage | None) -> None:
        self._client = client
        self._requests = requests
        self._subscription = Subscription(self._stop, callback)
        self._started: Deferred[Subscription] = Deferred(self._cancel)
        self._is_settled = False  # what `_started` fires with is decided
        self._attempt: Deferred[None] | None = None  # to connect and to subscribe
        self._connection: _StreamProtocol | None = None
        self._delay = _SHORTEST_DELAY
        self._call: Any = None  # the next attempt to connect, or the next check of the connection

    def start(self) -> Deferred[Subscription]:
        """Subscribe; fires when the server has confirmed it, and fails if it cannot be done."""
        self._connect()
        return self._started

    def stop(self) -> None:
        self._subscription.stop()

    def _connect(self) -> None:
        self._call = None
        self._attempt = ensureDeferred(self._subscribe())
        self._attempt.addCallbacks(self._subscribed, self._failed)

    async def _subscribe(self) -> None:
        connection = await self._client._open_connection(self._protocol)
        self._connection = connection
        replies = [self._client._with_timeout(connection.request(request)) for request in self._requests]
        try:
            found = await gatherResults(replies, consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()
        for reply in found:
            _value(reply)

    def _protocol(self) -> _StreamProtocol:
        return _ListeningProtocol(self._lost, self._subscription.put)

    def _subscribed(self, _: None) -> None:
        if self._subscription.is_stopped:
            return
        self._delay = _SHORTEST_DELAY
        if not self._started.called:
            self._started.callback(self._subscription)
        if self._connection is not None:
            self._call = self._client._clock.callLater(_PROBE, self._probe)

    def _failed(self, failure: Failure) -> None:
        """React to an attempt that has failed: the first one ends the subscription, later ones are repeated."""
        if self._subscription.is_stopped:
            return
        if not self._started.called:
            started, self._is_settled = self._started, True  # it fails with this, and not because it is stopped
            self._subscription.stop()
            started.errback(failure)
        elif self._connection is not None:
            self._connection.abort()
        else:
            self._retry()

    def _probe(self) -> None:
        """Ask for a sign of life: nothing else tells a quiet connection from a dead one."""
        self._call = None
        connection = self._connection
        if connection is not None:
            alive = self._client._with_timeout(connection.request([b"PING"]))
            alive.addCallbacks(self._subscribed, lambda _: connection.abort())

    def _lost(self, connection: _StreamProtocol) -> None:
        """Connect again, unless the subscription is over."""
        if self._connection is connection:
            self._connection = None
            self._retry()

    def _retry(self) -> None:
        if self._subscription.is_stopped or not self._started.called:
            return
        if self._call is not None:
            self._call.cancel()
        self._call = self._client._clock.callLater(self._delay, self._connect)
        self._delay = min(2 * self._delay, _LONGEST_DELAY)

    def _cancel(self, _: Deferred[Subscription]) -> None:
        self._is_settled = True
        self._subscription.stop()

    def _stop(self) -> None:
        """End the connection: the subscription was stopped."""
        self._client._feeds.discard(self)
        connection, self._connection = self._connection, None
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._attempt is not None:
            self._attempt.cancel()
        if connection is not None and connection.usable:
            connection.abort()
        if not self._started.called and not self._is_settled:
            self._started.errback(ConnectionLost("the client was closed before the server had confirmed it"))


_SHORTEST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 5.0
"""Seconds until a lost connection of a subscription is made again: the delay doubles with each attempt."""
_PROBE: Final = 30.0
"""Seconds after which a connection of a subscription is asked for a sign of life."""


class Connects(Protocol):
    """An object that connects: any of Twisted's client endpoints, or another object with this one method."""

    def connect(self, protocolFactory: Any, /) -> Deferred[Any]: ...


class StreamClient:
    """A client over any endpoint.  It connects at the first request, and reconnects at the next one after a loss.

    `timeout` is in seconds, for connecting and for each request; `retries` limits how often a read-only request is
    retried.  `resp` is the protocol version, 2 or 3.

    A blocking request (BLPOP, XREAD BLOCK) gets a connection of its own, so that other requests do not wait for it.
    Its time-out is `timeout` seconds more than the server may wait; it has none if the server may wait forever.
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
        self._waiters: list[Deferred[_StreamProtocol]] = []  # requests that wait for the shared connection
        self._waiting: set[_StreamProtocol] = set()  # connections of blocking requests
        self._feeds: set[_Feed] = set()  # the subscriptions
        self._closed = 0  # how often the client was closed: what was begun before a close must not continue after it
        self._greeting: list[list[bytes]] = []
        if password is not None and resp == 2:
            self._greeting.append([b"AUTH", user.encode(), password.encode()])
        elif resp == 3:
            login = [] if password is None else [b"AUTH", user.encode(), password.encode()]
            self._greeting.append([b"HELLO", b"3", *login])
        if database:
            self._greeting.append([b"SELECT", b"%d" % database])

    def request(self, *words: Word) -> Deferred[Reply]:
        """Send a request; the Deferred fires with its reply value.

        It fails with `CommandError`, `TimeoutError`, `ConnectError` or `ConnectionLost`.  Raises TypeError for an
        argument that cannot be sent, and ValueError for a request whose effect a reconnection would lose (SELECT, AUTH,
        HELLO, RESET) or that messages follow (SUBSCRIBE: see `subscribe`).
        """
        request = encode_words(words)
        name = request[0].lower()
        if name in OF_CONNECTION:
            raise ValueError(
                f"{as_text(name.upper())} would hold for one connection only: give database, password and resp to the "
                "client"
            )
        if name == b"client" and len(request) > 1 and request[1].lower() in OF_CONNECTION_BY_CLIENT:
            raise ValueError(f"CLIENT {as_text(request[1].upper())} would hold for one connection only")
        if name in LISTENING:
            raise ValueError(f"{as_text(name.upper())} is followed by messages: call subscribe")
        seconds = waiting_seconds(request)
        return ensureDeferred(self._request(request) if seconds is None else self._wait(request, seconds))

    def script(self, source: str | bytes) -> RemoteScript:
        """Return a script in Lua: `client.script("return redis.call('GET', KEYS[1])").request(["key"])`."""
        return RemoteScript(self.request, source)

    def subscribe(
        self, *channels: Word, patterns: Sequence[Word] = (), callback: OnMessage | None = None
    ) -> Deferred[Subscription]:
        """Subscribe to channels, and to all channels that match patterns, over a connection of its own.

        The Deferred fires when the server has confirmed it, with a `Subscription`: each `Message` is passed to the
        callback, or read with `async for`.  It fails as `request` does.  A connection that is lost later is made again
        until `Subscription.stop` or `close`; what is published meanwhile is missed.  Raises ValueError if nothing is
        named, and TypeError for a name that cannot be sent.
        """
        check_names(channels, patterns)
        requests = [[b"SUBSCRIBE", encode_word(name)] for name in channels]
        requests += [[b"PSUBSCRIBE", encode_word(pattern)] for pattern in patterns]
        feed = _Feed(self, requests, callback)
        self._feeds.add(feed)
        return feed.start()

    def close(self) -> None:
        """Close the connections and stop all subscriptions; requests that wait for a reply fail.

        The next request connects again.
        """
        self._closed += 1
        for feed in tuple(self._feeds):
            feed.stop()
        ended = [*self._waiting] if self._connection is None else [self._connection, *self._waiting]
        self._connection = None
        for connection in ended:
            connection.abort(ConnectionLost("the client was closed before the reply came"))

    async def _request(self, request: list[bytes]) -> Reply:
        retries_left = self._retries if is_idempotent(request) else 0
        closed = self._closed
        while True:
            try:
                connection = self._connection
                if connection is None:
                    connection = await self._connect()
                return _value(await self._with_timeout(connection.request(request)))
            except (ConnectError, ConnectionClosed, error.TimeoutError):
                if not retries_left or closed != self._closed:
                    raise
                retries_left -= 1

    async def _wait(self, request: list[bytes], seconds: float) -> Reply:
        """Send a blocking request over a connection of its own."""
        closed = self._closed
        connection = await self._open_connection()
        self._waiting.add(connection)
        try:
            if closed != self._closed:
                raise ConnectionLost("the client was closed while it connected")
            reply = connection.request(request)
            return _value(await (self._with_timeout(reply, seconds) if seconds else reply))
        finally:
            self._waiting.discard(connection)
            connection.abort()

    def _connect(self) -> Deferred[_StreamProtocol]:
        """Wait for the shared connection; concurrent requests share one attempt and its outcome."""
        waiter: Deferred[_StreamProtocol] = Deferred()
        self._waiters.append(waiter)
        if len(self._waiters) == 1:
            ensureDeferred(self._open_shared_connection()).addBoth(self._notify_waiters)
        return waiter

    def _notify_waiters(self, outcome: Any) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.called:  # a cancelled one was
                waiter.callback(outcome)  # a Failure runs its errbacks

    async def _open_shared_connection(self) -> _StreamProtocol:
        closed = self._closed
        connection = await self._open_connection()
        if closed != self._closed:
            connection.abort(ConnectionLost("the client was closed while it connected"))
        elif connection.usable:
            self._connection = connection
        return connection

    async def _open_connection(self, protocol: Callable[[], _StreamProtocol] | None = None) -> _StreamProtocol:
        """Open a connection and send it the password, the protocol version and the database."""
        connecting: Deferred[Any] = self._endpoint.connect(Factory.forProtocol(protocol or self._protocol))
        connection: _StreamProtocol = await self._with_timeout(connecting)
        for request in self._greeting:
            reply = await self._with_timeout(connection.request(request))
            if isinstance(reply, CommandError):
                connection.abort()
                raise reply
        return connection

    def _protocol(self) -> _StreamProtocol:
        return _StreamProtocol(self._forget)

    def _forget(self, connection: _StreamProtocol) -> None:
        if self._connection is connection:
            self._connection = None

    def _with_timeout(self, waiting: Deferred[Any], extra: float = 0.0) -> Deferred[Any]:
        return waiting.addTimeout(self._timeout + extra, self._clock, _timed_out)


def _timed_out(failure: Any, timeout: float) -> Any:
    """Replace the outcome of a request that timed out by `TimeoutError`."""
    raise error.TimeoutError(string=f"no answer within {timeout:g} s")


class _Equals:
    """Requests and replies in the `equals` dialect.

    A dialect's `encode` returns a datagram and a token that identifies its reply, which is passed to `decode`.
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

    def decode(self, words: list[bytes], token: bytes, datagram: bytes) -> Reply:
        if datagram == b"keyDoesNotExists":
            return None
        if datagram.startswith(words[1] + b"="):
            return datagram[len(words[1]) + 1 :]
        if datagram.startswith(b"(error) "):
            return CommandError.parse(datagram[8:])
        raise ProtocolError("not the reply to this request")


_TIME_OPTIONS: Final = re.compile(rb"(?:(?:EX|PX|EXAT|PXAT) \S+|KEEPTTL|)\Z", re.IGNORECASE)

_PLAIN: Final = re.compile(rb"[!#-&(-~]+\Z")
"""Words that need no quotes.  A server does not recognize a datagram whose first word is quoted as `command`."""


class _Command:
    """Requests in the `command` dialect; the replies are plain text."""

    def encode(self, words: list[bytes]) -> tuple[bytes, bytes]:
        if words[0].upper() == b"SET" and not _TIME_OPTIONS.match(b" ".join(words[3:])):
            raise ValueError("the command dialect knows EX, PX, EXAT, PXAT and KEEPTTL; all else is part of the value")
        return b" ".join(word if _PLAIN.match(word) else quote(word).encode() for word in words), b""

    def is_answered(self, words: list[bytes]) -> bool:
        return True

    def decode(self, words: list[bytes], token: bytes, datagram: bytes) -> Reply:
        if not datagram.endswith(b"\n"):
            return CommandError(
                "the server took this for another dialect: as words it knows PING, GET and SET alone, "
                "unless it was started with --udp-dialect command"
            )
        text = datagram[:-1]
        return CommandError.parse(text[8:]) if text.startswith(b"(error) ") else Status(text)


class _Resp:
    """Requests in the `resp` dialect.  Each carries a token, which its reply echoes, to tell it from older replies."""

    def __init__(self, password: str | None) -> None:
        self._login = [] if password is None else [[b"AUTH", password.encode()]]

    def encode(self, words: list[bytes]) -> tuple[bytes, bytes]:
        token = os.urandom(8).hex().encode()
        return b"".join(map(encode_request, [*self._login, [b"ECHO", token], words])), token

    def is_answered(self, words: list[bytes]) -> bool:
        return True

    def decode(self, words: list[bytes], token: bytes, datagram: bytes) -> Reply:
        reader = ReplyReader()
        reader.feed(datagram)
        replies = []
        while (reply := reader.gets()) is not None:
            replies.append(reply[0])
        if len(replies) == 1 and isinstance(replies[0], CommandError):
            return replies[0]  # an error about the datagram as a whole
        if len(replies) != len(self._login) + 2 or replies[-2] != token:
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
        self.transport.connect(*self._peer)  # type: ignore[union-attr]  # it was just set

    def send(self, datagram: bytes) -> None:
        """Send a datagram to the server."""
        self.transport.write(datagram)  # type: ignore[union-attr,call-arg]  # it is open, and connected to its peer

    def detach(self) -> None:
        """Stop calling back: the socket is closed in a later turn, when another may already be in use."""
        self._open = False

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if self._open:
            self._received(datagram)

    def connectionRefused(self) -> None:
        if self._open:
            self._refused()

    def stopProtocol(self) -> None:
        # Twisted's epoll reactor closes the port on an ICMP error, and does not report the refusal.
        self.connectionRefused()


class DatagramClient:
    """A client over UDP: requests are sent one at a time, each after the reply to the one before it.

    `host` is an IP address; `dialect` is `equals`, `command` or `resp`, and a password needs `resp`.  In the `command`
    dialect, a server that was not started with `--udp-dialect command` knows only PING, GET and SET.  `timeout` is in
    seconds, for each attempt; a read-only request is retried up to `retries` times.  After a time-out the socket is
    replaced, so that a late reply cannot be taken for that of the next request.
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
        self._token = b""

    def request(self, *words: Word) -> Deferred[Reply]:
        """Send a request; the Deferred fires with its reply value, or with None at once if the dialect has no reply.

        It fails with `CommandError`, `TimeoutError`, `ConnectionRefusedError`, `ConnectionLost` (the client was closed)
        or `MessageLengthError` (the request does not fit a datagram).  Raises TypeError or ValueError for a request
        that cannot be sent in this dialect.
        """
        request = encode_words(words)
        self._dialect.encode(request)  # an error is raised here, not in a Deferred
        return self._lock.run(lambda: ensureDeferred(self._request(request)))

    def close(self) -> Deferred[Any] | None:
        """Close the socket; the next request opens another.  A Deferred, if any, fires when it is closed."""
        if self._protocol is not None:
            self._protocol.detach()
        opened, self._socket, self._protocol = self._socket, None, None
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.errback(ConnectionLost("the client was closed before the reply came"))
        closed: Deferred[Any] | None = opened.stopListening() if opened is not None else None
        return closed

    async def _request(self, request: list[bytes]) -> Reply:
        retries_left = self._retries if is_idempotent(request) else 0
        while True:
            try:
                return _value(await self._exchange(request))
            except (error.TimeoutError, error.ConnectionRefusedError):
                self.close()
                if not retries_left:
                    raise
                retries_left -= 1

    def _exchange(self, request: list[bytes]) -> Deferred[Reply]:
        """Send a request once; the Deferred fires with its reply."""
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        datagram, self._token = self._dialect.encode(request)
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
        except BaseException:  # raised to the caller at once; no reply will arrive
            self._waiting = None
            raise
        return waiting.addTimeout(self._timeout, self._clock, _timed_out)

    def _cancelled(self, waiting: Deferred[Reply]) -> None:
        """Use another socket for the next request, since the reply to this one may still arrive."""
        self._waiting = None
        self.close()

    def _received(self, datagram: bytes) -> None:
        if self._waiting is None:
            return
        try:
            reply = self._dialect.decode(self._words, self._token, datagram)
        except ProtocolError:
            return  # an older reply, or one that the network duplicated
        waiting, self._waiting = self._waiting, None
        waiting.callback(reply)

    def _refused(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.errback(Failure(error.ConnectionRefusedError(f"no server listens on {self._host}:{self._port}")))
