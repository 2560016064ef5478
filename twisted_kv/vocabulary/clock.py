"""Time: the only module that reads the system's clocks.

Everything that depends on time uses one clock, which is passed to the constructor: any object with `seconds()` and
`callLater()`, and `monotonic()` if its date can be set.  Tests pass `twisted_kv.testing.Clock`.

Two kinds of time are kept apart.  Dates (the deadlines of keys, TIME, LASTSAVE) follow the wall clock, which may be
set.  Durations (timeouts, `everysec`, a client's idle time) and delayed calls follow a monotonic clock: setting the
wall clock back by an hour delays none of them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Protocol, Tuple

from twisted_kv.vocabulary.timers import Timers, monotonic_timers

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

TOLERANCE = 0.001
"""Milliseconds.  A date in seconds is a float, exact to 0.24 microseconds only: 1.1 may be stored as 1.0999999."""


class Clock(Protocol):
    """Seconds since 1970, and delayed calls: the part of Twisted's `IReactorTime` that is needed here.

    It may also have `monotonic()`: seconds that never go back, from an arbitrary origin.  Without it `seconds()`
    serves both purposes, as with Twisted's `task.Clock`, which is never set back.
    """

    def seconds(self) -> float: ...

    def callLater(self, delay: float, call: Callable[..., object], /, *args: Any, **kw: Any) -> IDelayedCall: ...


class SystemClock:
    """The system's clocks; delayed calls run in the thread of a reactor, Twisted's global one if none is given.

    This does not use `reactor.seconds()`: some reactors count from the start of the machine, and EXPIREAT needs the
    date; others follow the wall clock, and their calls are late when that is set back (see `timers`).
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
    """The current time in whole milliseconds: constant during one request, and read only on demand.

    The code that starts a request or a timer sets `stale`; the next access then reads the clock.  Most requests concern
    keys without a deadline and never access it: reading the clock took a tenth of the time of a GET.
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
        """Read the clock and return the milliseconds since 1970."""
        self._milliseconds = now = int(self._seconds() * 1000.0 + TOLERANCE)
        self.stale = False
        return now

    def hold(self) -> Tuple[int, bool]:
        """Return the time as it is seen now, for `resume`."""
        return self._milliseconds, self.stale

    def resume(self, held: Tuple[int, bool]) -> None:
        """Go back to the time that was seen before, in the midst of a request that others have interrupted."""
        self._milliseconds, self.stale = held

    @property
    def elapsed(self) -> int:
        """Milliseconds on the monotonic clock, which measures durations; its origin is arbitrary."""
        return int(self._monotonic() * 1000.0 + TOLERANCE)

    def until(self, milliseconds: int) -> float:
        """Return the seconds from now to a date, at least 0; half the tolerance early, so never late by rounding."""
        return max(0.0, (milliseconds - TOLERANCE / 2) / 1000.0 - self._seconds())
