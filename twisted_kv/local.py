"""Requests from the same process: plain Python values in, reply values out."""

from __future__ import annotations

from types import TracebackType
from typing import Union

from twisted.internet.defer import Deferred

from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.errors import CommandError
from twisted_kv.replies import NULL_ARRAY, Later, Reply
from twisted_kv.table import Lasting

Word = Union[str, bytes, int, float]


def encode_word(word: object) -> bytes:
    """Turn a word of a call into bytes: text as UTF-8, numbers in decimal; raises TypeError for anything else."""
    if isinstance(word, bytes):
        return bytes(word)
    if isinstance(word, str):
        try:
            return word.encode()
        except UnicodeEncodeError as error:
            raise TypeError(f"a word of a request is text that UTF-8 can write: {error}") from None
    if isinstance(word, bool):
        raise TypeError("a word of a request is str, bytes, int or float; what a bool means is for you to say")
    if isinstance(word, int):
        return b"%d" % word
    if isinstance(word, float):
        return repr(word).encode()
    raise TypeError(f"a word of a request is str, bytes, int or float, not {type(word).__name__}")


def _later(reply: Later) -> Deferred[Reply]:
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


class LocalSession:
    """A conversation of the same process: it has a selected database and a protocol version of its own.

    A context manager; it speaks RESP3, so that replies keep their shape.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._request = dispatcher.request
        self._session = dispatcher.begin(Lasting.CONNECTION, trusted=True)
        self._session.resp = 3

    def call(self, *words: Word) -> Reply:
        """Run one request and give its reply value; a Deferred of it for a command that waits, as BLPOP
        and SAVE do.

        Raises `CommandError` for an error reply, TypeError for a word that is not str, bytes, int or float, or if
        there is no word at all.
        """
        if not words:
            raise TypeError("a request has at least one word")
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
        if type(reply) is Later:
            return _later(reply)
        return None if reply is NULL_ARRAY else reply

    def close(self) -> None:
        """End the conversation; a Deferred that still waits for a key fails with `CommandError`."""
        self._dispatcher.end(self._session)

    def __enter__(self) -> LocalSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
