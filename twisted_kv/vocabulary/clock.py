"""Time: the only module that reads the system's clocks.

Everything that passes with time follows one clock, which is given to the constructor: anything with `seconds()` and
`callLater()`, and `monotonic()` if its date can be set.  A test gives `twisted_kv.testing.Clock`.

Two kinds of time are kept apart.  Dates (the deadlines of keys, TIME, LASTSAVE) follow the wall clock, which somebody
may set.  Durations (time-outs, `everysec`, how long a client has been idle) follow a clock that only goes forward, and
so do the calls that are made later: a clock that is set back by an hour delays none of them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Protocol

from twisted_kv.vocabulary.timers import Timers, monotonic_timers

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

TOLERANCE = 0.001
"""Milliseconds.  A date in seconds is a float that is exact to 0.24 microseconds only: 1.1 may be kept as 1.0999999."""


class Clock(Protocol):
    """Seconds since 1970, and calls at a later time.  Twisted's `IReactorTime` without what we do not need.

    It may have `monotonic()` as well: seconds that only go forward, from any beginning.  Without it `seconds()` is
    taken for both, as with Twisted's `task.Clock`, which nobody sets back.
    """

    def seconds(self) -> float: ...

    def callLater(self, delay: float, call: Callable[..., object], /, *args: Any, **kw: Any) -> IDelayedCall: ...


class SystemClock:
    """The real time; the calls are made in the thread of a reactor, Twisted's own if none is given.

    Not `reactor.seconds()`: some reactors count from the start of the machine, and EXPIREAT needs the date; others
    count by the wall clock, and their calls are late when that is set back (see `timers`).
    """

    def __init__(self, reactor: Any = None) -> None:
        self._reactor = reactor
        self._timers: Timers | None = None

    def seconds(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def callLater(self, delay: float, call: Callable[..., object], *args: Any, **kwargs: Any) -> IDelayedCall:
        if self._timers is None:
            if self._reactor is None:
                from twisted.internet import reactor

                self._reactor = reactor
            self._timers = monotonic_timers(self._reactor)
        return self._timers.callLater(delay, call, *args, **kwargs)


class Now:
    """The present in whole milliseconds: the same for all who ask during one request, and read only if somebody asks.

    Whoever begins something new (a request, a timer) sets `stale`; the next who asks then reads the clock.  Most
    requests are about keys that stay, and never ask: reading the clock took a tenth of the time of a GET.
    """

    __slots__ = ("_milliseconds", "_monotonic", "_seconds", "clock", "stale")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._seconds = clock.seconds
        self._monotonic: Callable[[], float] = getattr(clock, "monotonic", clock.seconds)
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

    @property
    def elapsed(self) -> int:
        """Milliseconds on the clock that only goes forward: what durations are measured by; the zero means nothing."""
        return int(self._monotonic() * 1000.0 + TOLERANCE)

    def until(self, milliseconds: int) -> float:
        """Seconds from this very moment to a date, at least 0; half the tolerance early, never late by a rounding."""
        return max(0.0, (milliseconds - TOLERANCE / 2) / 1000.0 - self._seconds())
