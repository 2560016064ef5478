"""A client that blocks until each reply arrives, for a program such as an interactive prompt.  It needs no reactor.

Unlike `StreamClient`, it remembers the state of its connection: after a loss, the next request opens a new one and
restores the database, the protocol version and the password.
"""

from __future__ import annotations

import socket
from typing import Callable, Final, Iterator, Protocol, Sequence

from twisted_kv.vocabulary.command_names import READ_ONLY, check_single_reply, waiting_seconds
from twisted_kv.vocabulary.errors import CommandError, ProtocolError
from twisted_kv.vocabulary.replies import Push, Reply
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.reply_reader import ReplyReader
from twisted_kv.wire.words import Word, encode_words

CHUNK: Final = 65536


class NoAnswer(Exception):  # noqa: N818  # the name says what happened
    """A request was not answered; `str()` is the reason.  It may have been executed."""


class Ended(NoAnswer):
    """The server closed the connection before it replied."""


class Stream(Protocol):
    """The part of a socket's interface that the client needs."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, flags: int = 0, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class BlockingClient:
    """A client over a stream, which `connect` opens at the first request.

    `timeout` is in seconds, for each send and each receive.  For a blocking request (BLPOP) the time that the server
    may wait is added to it; there is no time-out if the server may wait forever.  A read-only request is retried up to
    `retries` times.
    """

    def __init__(
        self,
        connect: Callable[[], Stream],
        *,
        user: str = "default",
        password: str | None = None,
        database: int = 0,
        resp: int = 2,
        timeout: float = 5.0,
        retries: int = 2,
    ) -> None:
        self._connect = connect
        self._login = None if password is None else [user.encode(), password.encode()]
        self.database = database
        """The selected database."""
        self._resp = resp
        self._timeout = timeout
        self._retries = retries
        self._queue: list[list[bytes]] | None = None  # what was sent since MULTI
        self._stream: Stream | None = None
        self._reader = ReplyReader(is_exact=True)

    @property
    def in_transaction(self) -> bool:
        """Whether MULTI was sent, and neither EXEC nor DISCARD since."""
        return self._queue is not None

    def request(self, *words: Word) -> Reply:
        """Send a request and wait for its reply value; raises `CommandError` for an error reply, or `NoAnswer`.

        Without a reply, requests queued since MULTI are lost.  Raises TypeError for an argument that cannot be sent,
        and ValueError for a request that has not exactly one reply (SUBSCRIBE and MONITOR: see `listen`; CLIENT REPLY).
        """
        request = encode_words(words)
        check_single_reply(request)
        retries_left = self._retries if self._queue is None and request[0].lower() in READ_ONLY else 0
        while True:
            try:
                reply = self._attempt(request)
                break
            except NoAnswer:
                if not retries_left:
                    raise
                retries_left -= 1
        self._record(request, reply)
        if isinstance(reply, CommandError):
            raise reply
        return reply

    def listen(self, *words: Word) -> Iterator[Reply]:
        """Send a request that messages follow (SUBSCRIBE, MONITOR), and return all that comes, until it is closed.

        The connection is then of no more use for others: the next request makes another.  Raises `NoAnswer` when the
        connection ends, and `CommandError` for an error reply.
        """
        request = encode_words(words)
        try:
            reply = self._attempt(request, messages=True)
            while True:
                if isinstance(reply, CommandError):
                    raise reply
                yield reply
                try:
                    reply = self._next(0, messages=True)
                except (OSError, ProtocolError) as error:
                    raise NoAnswer(str(error)) from None
        finally:
            self.close()

    def move(self, connect: Callable[[], Stream]) -> None:
        """Switch to another server: the next request connects to it and selects the same database there."""
        self.close()
        self._connect = connect

    def close(self) -> None:
        """Close the connection and drop queued requests; the next request connects again."""
        stream, self._stream = self._stream, None
        self._queue = None
        self._reader = ReplyReader(is_exact=True)
        if stream is not None:
            stream.close()

    def _attempt(self, request: Sequence[bytes], *, messages: bool = False) -> Reply:
        try:
            if self._stream is not None and self._was_closed(self._stream):
                transaction = self.in_transaction
                self.close()
                if transaction:
                    raise NoAnswer("the connection was lost, and the transaction with it")
            if self._stream is None:
                self._greet()
            seconds = waiting_seconds(request) if self._queue is None else None
            patience = self._timeout if seconds is None else seconds and self._timeout + seconds
            return self._exchange(request, patience, messages=messages)
        except BaseException as error:
            self.close()  # a late reply would be taken for that of the next request
            if isinstance(error, ProtocolError):
                raise NoAnswer(f"the server does not speak RESP: {error}") from None
            if isinstance(error, socket.timeout):
                raise NoAnswer(f"no answer within {self._timeout:g} s") from None
            if isinstance(error, OSError):
                raise NoAnswer(error.strerror or str(error)) from None
            raise

    def _greet(self) -> None:
        """Connect and restore the state of the previous connection; raises `CommandError` if the server refuses."""
        self._stream = self._connect()
        greeting: list[list[bytes]] = []
        if self._resp == 3:
            greeting.append([b"HELLO", b"3", *([b"AUTH", *self._login] if self._login else [])])
        elif self._login:
            greeting.append([b"AUTH", *self._login])
        if self.database:
            greeting.append([b"SELECT", b"%d" % self.database])
        for request in greeting:
            reply = self._exchange(request, self._timeout)
            if isinstance(reply, CommandError):
                raise reply

    def _exchange(self, request: Sequence[bytes], seconds: float, *, messages: bool = False) -> Reply:
        """Send a request and wait for its reply, or with `messages` for whatever comes; 0 seconds means no limit."""
        assert self._stream is not None
        self._stream.settimeout(seconds or None)
        self._stream.sendall(encode_request(request))
        return self._next(seconds, messages=messages)

    def _next(self, seconds: float, *, messages: bool) -> Reply:
        """Wait for the next reply; messages are passed over unless they are wanted."""
        assert self._stream is not None
        self._stream.settimeout(seconds or None)
        while True:
            while (reply := self._reader.gets()) is None:
                data = self._stream.recv(CHUNK)
                if not data:
                    raise Ended("the connection ended before the reply came")
                self._reader.feed(data)
            if messages or not isinstance(reply[0], Push):
                return reply[0]

    @staticmethod
    def _was_closed(stream: Stream) -> bool:
        """Check whether the server has closed the connection since the last reply."""
        stream.settimeout(0)
        try:
            return not stream.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _record(self, request: list[bytes], reply: Reply) -> None:
        """Record how a request has changed the state of the connection."""
        name = request[0].lower()
        queue = self._queue
        refused = isinstance(reply, CommandError)
        if queue is not None and (name == b"exec" or (name in (b"discard", b"reset") and not refused)):
            self._queue = None
            if name == b"exec" and isinstance(reply, list):
                for queued, result in zip(queue, reply):
                    self._record(queued, result)
        if refused:
            return
        if self._queue is not None:
            self._queue.append(request)
        elif name == b"multi":
            self._queue = []
        elif name == b"select":
            self.database = int(request[1])
        elif name == b"auth":
            self._login = [b"default", request[1]] if len(request) == 2 else request[1:]
        elif name == b"hello" and len(request) > 1:
            self._resp = int(request[1])
            options = [word.lower() for word in request]
            if b"auth" in options[2:]:
                index = options.index(b"auth", 2)
                self._login = request[index + 1 : index + 3]
        elif name == b"reset":
            self.database, self._resp, self._login = 0, 2, None
