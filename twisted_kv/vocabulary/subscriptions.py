"""Subscriptions as a Python program has them: messages for a callback, or for `async for`."""

from __future__ import annotations

import asyncio
from collections import deque
from inspect import iscoroutinefunction
from typing import Any, Callable, ClassVar, Deque, Final, Sequence

import attrs
from twisted.internet.defer import Deferred

from twisted_kv.vocabulary.logs import Logger

MOST_UNREAD: Final = 10_000
"""Messages that a subscription keeps for its reader; while there are so many, new ones are lost."""


@attrs.frozen
class Message:
    """A message that was published to a channel.

    `pattern` is the pattern that matched, None for a subscription to the channel itself.
    """

    channel: bytes
    payload: bytes
    pattern: bytes | None = None


OnMessage = Callable[[Message], object]
"""Is called with each message."""


@attrs.frozen
class KeyEvent:
    """Something that happened to a key, by the name that Redis gives it: `set`, `expired`, `lpush`, ..."""

    event: str
    key: bytes
    database: int


class MessagesLost(Exception):  # noqa: N818 - not an error of the program, but a fact about its messages
    """Messages were lost at this point, because too many were unread; `count` is how many."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} messages were lost: {MOST_UNREAD} were unread")
        self.count = count


def check_callback(callback: object) -> None:
    """Raise TypeError for what is no plain function."""
    if not callable(callback) or iscoroutinefunction(callback):
        raise TypeError("a callback is a plain function; what waits reads the messages with `async for`")


def check_names(channels: Sequence[object], patterns: Sequence[object]) -> None:
    """Check what is to be subscribed to; raises ValueError if nothing is named, TypeError for a single pattern."""
    if isinstance(patterns, (str, bytes)):
        raise TypeError("patterns is a sequence of patterns, not a single one")
    if not channels and not patterns:
        raise ValueError("a subscription names at least one channel or pattern")


class Subscription:
    """Messages as they come: each is passed to the callback, or read with `async for`.

        async for message in subscription:
            print(message.channel, message.payload)

    This works in a Twisted coroutine, and in an asyncio task if the reactor is asyncio's.  At most `MOST_UNREAD`
    messages wait to be read; then `MessagesLost` is raised once at the point where some are missing, and reading goes
    on behind it.  An exception of a callback is logged, and the next message is delivered all the same.

    As a context manager it stops on exit.  `end` is called when it stops.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, end: Callable[[], None], callback: Callable[[Any], object] | None = None) -> None:
        if callback is not None:
            check_callback(callback)
        self._end = end
        self._callback = callback
        self._unread: Deque[Any] = deque()
        self._readers: Deque[Deferred[Any]] = deque()
        self._lost = 0
        self.is_stopped = False
        """Whether no more messages come."""

    def stop(self) -> None:
        """Receive no more messages; those that are unread are dropped, and a loop over them ends."""
        if self.is_stopped:
            return
        self.is_stopped = True
        self._unread.clear()
        self._lost = 0
        self._end()
        while self._readers:
            self._readers.popleft().errback(StopAsyncIteration())

    def put(self, message: Any) -> None:
        """Deliver a message."""
        if self.is_stopped:
            return
        if self._callback is not None:
            try:
                self._callback(message)
            except Exception:
                self._log.failure("the callback of a subscription has failed")
        elif self._readers:
            self._readers.popleft().callback(message)
        elif len(self._unread) < MOST_UNREAD and not self._lost:
            self._unread.append(message)
        else:
            self._lost += 1

    def __aiter__(self) -> Subscription:
        if self._callback is not None:
            raise TypeError("the messages of this subscription go to its callback")
        return self

    async def __anext__(self) -> Any:
        if self.is_stopped:
            raise StopAsyncIteration
        if self._unread:
            return self._unread.popleft()
        if self._lost:
            lost, self._lost = self._lost, 0
            raise MessagesLost(lost)
        reader: Deferred[Any] = Deferred(self._readers.remove)
        self._readers.append(reader)
        return await (reader.asFuture(asyncio.get_running_loop()) if _is_in_asyncio_task() else reader)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def _is_in_asyncio_task() -> bool:
    """Check whether a task of asyncio awaits, which cannot await a Deferred."""
    try:
        return asyncio.current_task() is not None
    except RuntimeError:  # no loop of asyncio runs
        return False
