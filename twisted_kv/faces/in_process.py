"""Requests from the same process: plain Python values in, reply values out."""

from __future__ import annotations

from threading import get_ident
from types import TracebackType

from twisted.internet.defer import Deferred, fail, succeed

from twisted_kv.declaring.commands import Lasting
from twisted_kv.engine.service import Service
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY, Reply
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.words import Word, encode_word, encode_words

WRONG_THREAD = (
    "a cache is called in the thread of its reactor: from another one, use call_from_thread or run_from_thread"
)


def _later(reply: Promise) -> Deferred[Reply]:
    """Turn a reply that is not known yet into what Twisted has for it."""
    deferred: Deferred[Reply] = Deferred(lambda _: reply.abandon())

    def give(given: Reply) -> None:
        if not deferred.called:  # it may have been cancelled
            if isinstance(given, CommandError):
                deferred.errback(given)
            else:
                deferred.callback(None if given is NULL_ARRAY else given)

    reply.then(give)
    return deferred


class Owner:
    """The thread that may call: that of the reactor, or where there is none yet, the one that made the cache."""

    __slots__ = ("thread",)

    def __init__(self) -> None:
        self.thread = get_ident()

    def move(self) -> None:
        """Hand the cache over to the thread that calls this."""
        self.thread = get_ident()


class LocalSession:
    """A conversation of the same process: it has a selected database and a protocol version of its own.

    A context manager; it speaks RESP3, so that replies keep their shape.  In one that `is_shared` no command may change
    the conversation (SELECT, MULTI, ...).  All methods are for the thread of the reactor, and raise RuntimeError in
    another.
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

        Raises `CommandError` for an error reply, `WouldWait` (one of those) for a command that would have to wait, as
        BLPOP where nothing is there, or SAVE: it has changed nothing then, and `request` is for it.  Raises TypeError
        for a word that is not str, bytes, int or float, or if there is no word at all.
        """
        if not words:
            raise TypeError("a request has at least one word")
        if get_ident() != self._owner.thread:
            raise RuntimeError(WRONG_THREAD)
        request = []
        given: tuple[object, ...] = words
        for word in given:  # the kinds that are most frequent are spelled out: a call for each would double the time
            if type(word) is bytes:
                request.append(word)
            elif type(word) is str and word.isascii():
                request.append(word.encode())
            else:
                request.append(encode_word(word))
        reply = self._request(self._session, request)
        if type(reply) is bytes:
            return reply
        if isinstance(reply, CommandError):
            raise reply
        return None if reply is NULL_ARRAY else reply

    def request(self, *words: Word) -> Deferred[Reply]:
        """Run one request; the Deferred fires with its reply value, now or later.

        It fails with `CommandError` for an error reply, and with `SessionEnded` (one of those) if the conversation ends
        before the reply comes.  Cancelled, it waits no more.  Raises TypeError as `call`.
        """
        if get_ident() != self._owner.thread:
            raise RuntimeError(WRONG_THREAD)
        request = encode_words(words)
        session = self._session
        session.may_wait = True
        try:
            reply = self._request(session, request)
        finally:
            session.may_wait = False
        if type(reply) is Promise:
            return _later(reply)
        if isinstance(reply, CommandError):
            return fail(reply)
        return succeed(None if reply is NULL_ARRAY else reply)

    def reset(self) -> None:
        """Begin the conversation anew, as RESET does for a client; Deferreds that wait fail with `SessionEnded`."""
        self._service.end(self._session)
        self._session.reset()
        self._session.resp = 3

    def close(self) -> None:
        """End the conversation; a Deferred that still waits for a key fails with `SessionEnded`."""
        self._service.end(self._session)

    def __enter__(self) -> LocalSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
