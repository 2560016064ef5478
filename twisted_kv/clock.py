"""Time: the only module that reads the wall clock.

Everything that passes with time (TTLs, idle time-outs, TIME, statistics) follows one clock, which is given to the
constructor: anything with `seconds()` and `callLater()`.  A test gives `twisted_kv.testing.Clock`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Protocol

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

TOLERANCE = 0.001
"""Milliseconds.  A date in seconds is a float that is exact to 0.24 microseconds only: 1.1 may be kept as 1.0999999."""


class Clock(Protocol):
    """Seconds since 1970, and calls at a later time.  Twisted's `IReactorTime` without what we do not need."""

    def seconds(self) -> float: ...

    def callLater(self, delay: float, call: Callable[..., object], /, *args: Any, **kw: Any) -> IDelayedCall: ...


class SystemClock:
    """The real time; the calls are made by a reactor, Twisted's own if none is given.

    Not `reactor.seconds()`: some reactors count from the start of the machine, and EXPIREAT needs the date.
    """

    def __init__(self, reactor: Any = None) -> None:
        self._reactor = reactor

    def seconds(self) -> float:
        return time.time()

    def callLater(self, delay: float, call: Callable[..., object], *args: Any, **kwargs: Any) -> IDelayedCall:
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        later: IDelayedCall = self._reactor.callLater(delay, call, *args, **kwargs)
        return later


class Now:
    """The present in whole milliseconds: the same for all who ask during one request, and read only if somebody asks.

    Whoever begins something new (a request, a timer) sets `stale`; the next who asks then reads the clock.  Most
    requests are about keys that stay, and never ask: reading the clock took a tenth of the time of a GET.
    """

    __slots__ = ("_milliseconds", "_seconds", "clock", "stale")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._seconds = clock.seconds
        self._milliseconds = 0
        self.stale = True

    @property
    def milliseconds(self) -> int:
        """Milliseconds since 1970."""
        return self.read() if self.stale else self._milliseconds

    def read(self) -> int:
        """Read the clock and give the milliseconds since 1970."""
        self._milliseconds = now = int(self._seconds() * 1000.0 + TOLERANCE)
        self.stale = False
        return now

    def until(self, milliseconds: int) -> float:
        """Seconds from this very moment to a date, at least 0; half the tolerance early, never late by a rounding."""
        return max(0.0, (milliseconds - TOLERANCE / 2) / 1000.0 - self._seconds())
