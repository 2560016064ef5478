"""Requests from the same process: plain Python values in, reply values out."""

from __future__ import annotations

from threading import get_ident
from types import TracebackType

from twisted.internet.defer import Deferred, fail, succeed

from twisted_kv.declaring.commands import Lasting
from twisted_kv.engine.service import Service
from twisted_kv.sessions.session import Session
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY, Reply
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.words import Word, encode_word, encode_words

WRONG_THREAD = (
    "a cache is called in the thread of its reactor: from another one, use call_from_thread or run_from_thread"
)


def _later(reply: Promise, owner: Owner) -> Deferred[Reply]:
    """Return a Deferred that fires with a reply that is not known yet."""

    def abandon(_: Deferred[Reply]) -> None:
        reply.abandon()

    deferred: Deferred[Reply] = Deferred(abandon)

    def fire(result: Reply) -> None:
        if deferred.called:
            return  # it was cancelled
        # The callbacks may run inside somebody's `request`, and may call: that must not wait.
        asking, owner.asking = owner.asking, None
        if asking is not None:
            asking.may_wait = False
        if isinstance(result, CommandError):
            deferred.errback(result)
        else:
            deferred.callback(None if result is NULL_ARRAY else result)
        if asking is not None:
            asking.may_wait = True
            owner.asking = asking

    reply.then(fire)
    return deferred


class Owner:
    """The thread that may call: the reactor's, or while none runs yet, the one that created the cache."""

    __slots__ = ("asking", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.asking: Session | None = None
        """The session whose `request` is under way, so that it may wait."""

    def move(self) -> None:
        """Make the calling thread the owner of the cache."""
        self.thread = get_ident()


class LocalSession:
    """A session within the same process, with a selected database and a protocol version of its own.

    It is a context manager and speaks RESP3, so that replies keep their shape.  If it `is_shared`, no command may
    change the session (SELECT, MULTI, ...).  All methods must be called in the thread of the reactor, and raise
    RuntimeError in any other.
    """

    def __init__(self, service: Service, owner: Owner | None = None, *, is_shared: bool = False) -> None:
        self._service = service
        self._owner = owner or Owner()
        self._request = service.request
        self._session = service.begin(Lasting.CONNECTION, trusted=True)
        self._session.resp = 3
        self._session.may_wait = False
        if is_shared:
            self._session.share()

    def call(self, *words: Word) -> Reply:
        """Run one request and return its reply value, never a Deferred.

        Raises `CommandError` for an error reply, and its subclass `WouldWait` for a command that would have to wait,
        such as BLPOP on an empty list, or SAVE: it has then changed nothing; use `request` instead.  Raises TypeError
        for an argument that is not str, bytes, int or float, or if there are none at all.
        """
        if not words:
            raise TypeError("a request has at least one word")
        if get_ident() != self._owner.thread:
            raise RuntimeError(WRONG_THREAD)
        request = []
        values: tuple[object, ...] = words
        for value in values:  # the most frequent types are handled inline: a call for each would double the time
            if type(value) is bytes:
                request.append(value)
            elif type(value) is str and value.isascii():
                request.append(value.encode())
            else:
                request.append(encode_word(value))
        reply = self._request(self._session, request)
        if type(reply) is bytes:
            return reply
        if isinstance(reply, CommandError):
            raise reply
        return None if reply is NULL_ARRAY else reply

    def request(self, *words: Word) -> Deferred[Reply]:
        """Run one request; the Deferred fires with its reply value, now or later.

        It fails with `CommandError` for an error reply, and with its subclass `SessionEnded` if the session ends before
        the reply comes.  Cancelling it stops the wait.  Raises TypeError as `call` does.
        """
        if get_ident() != self._owner.thread:
            raise RuntimeError(WRONG_THREAD)
        request = encode_words(words)
        session, owner = self._session, self._owner
        asking, owner.asking = owner.asking, session
        session.may_wait = True
        try:
            reply = self._request(session, request)
        finally:
            session.may_wait = session is asking
            owner.asking = asking
        if type(reply) is Promise:
            return _later(reply, owner)
        if isinstance(reply, CommandError):
            return fail(reply)
        return succeed(None if reply is NULL_ARRAY else reply)

    def reset(self) -> None:
        """Reset the session, as RESET does for a client; pending Deferreds fail with `SessionEnded`."""
        self._service.end(self._session)
        self._session.reset()
        self._session.resp = 3

    def close(self) -> None:
        """End the session; a Deferred that still waits for a key fails with `SessionEnded`."""
        self._service.end(self._session)

    def __enter__(self) -> LocalSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
