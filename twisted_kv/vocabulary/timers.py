"""Delayed calls that do not follow the wall clock, under any reactor.

Twisted's epoll, poll, select and kqueue reactors store the time of a delayed call as a date (`reactor.seconds` is
`time.time`): when the machine's clock is set back by an hour, a call that was due in two seconds is due an hour later,
and the reactor sleeps.  The asyncio reactor uses a monotonic clock, and so do the clocks of tests.  For the other
reactors there are `DescriptorTimers`: a system timer that becomes readable (Linux's timerfd on CLOCK_MONOTONIC),
watched by the reactor like any descriptor.

Where the system has no such timer (macOS, BSD), and under a reactor that watches no descriptors, the reactor's own
delayed calls are used: they are late by as much as the clock is set back.
"""

from __future__ import annotations

import os
import time
from functools import cache
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Callable, Protocol

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IReactorFDSet, IReactorThreads, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_kv.vocabulary.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

_DATES = 1e9
"""Seconds: a reactor whose time is above this counts from 1970, and not from the start of the machine."""

_MAX_CANCELLED = 50
"""Cancelled calls that may stay in the heap, in addition to as many as there are live calls."""


class Timers(Protocol):
    """Schedules delayed calls."""

    def callLater(self, delay: float, call: Callable[..., object], /, *args: Any, **kw: Any) -> IDelayedCall: ...


def monotonic_timers(reactor: Any) -> Timers:
    """Return timers that call in a reactor's thread and do not follow the wall clock, where the system has such."""
    follows_wall_clock = reactor.seconds() > _DATES
    is_real = IReactorFDSet.providedBy(reactor) and IReactorThreads.providedBy(reactor)  # the fake ones have no threads
    if follows_wall_clock and is_real:
        system = _system_timer()
        if system is not None:
            return DescriptorTimers(reactor, system)
    timers: Timers = reactor
    return timers


@implementer(IReadDescriptor)
class DescriptorTimers:
    """Delayed calls on the monotonic clock; one descriptor becomes readable when the next call is due.

    The descriptor is open, and registered with the reactor, only while a call is pending.
    """

    _log = Logger()

    def __init__(self, reactor: Any, system: SystemTimer) -> None:
        self._reactor = reactor
        self._system = system
        self._calls: list[tuple[float, int, DelayedCall]] = []  # a heap, which may hold cancelled calls
        self._numbers = count()
        self._live = 0  # how many of them are pending
        self._descriptor = -1
        self._armed_for = 0.0

    def callLater(self, delay: float, call: Callable[..., object], /, *args: Any, **kw: Any) -> IDelayedCall:
        """Schedule a call after a delay in seconds."""
        due = time.monotonic() + delay
        delayed = DelayedCall(due, call, args, kw, self._cancel, self._push, time.monotonic)
        self._live += 1
        self._push(delayed)
        return delayed

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Return the name for log messages."""
        return "owncache timers"

    def connectionLost(self, reason: Failure) -> None:
        """Close the descriptor, which the reactor watches no longer."""
        self._close()

    def doRead(self) -> None:
        """Run the calls that are due."""
        self._armed_for = 0.0
        now = time.monotonic()
        due = []  # calls scheduled by these run after other events had their turn, even if due at once
        while self._calls and self._calls[0][0] <= now:
            call = heappop(self._calls)[2]
            if not call.active():
                continue
            if call.getTime() > now:
                heappush(self._calls, (call.getTime(), next(self._numbers), call))
            else:
                due.append(call)
        for call in due:
            if not call.active():  # an earlier call has cancelled it
                continue
            if call.getTime() > now:  # or postponed it
                heappush(self._calls, (call.getTime(), next(self._numbers), call))
                continue
            self._live -= 1
            call.called = 1
            try:
                call.func(*call.args, **call.kw)
            except BaseException:  # as in the reactor itself, the other calls still run
                self._log.failure("a call at a later time failed")
        self._arm()

    def _push(self, call: DelayedCall) -> None:
        """Push a call onto the heap; a second time if it was rescheduled to an earlier time."""
        heappush(self._calls, (call.getTime(), next(self._numbers), call))
        self._arm()

    def _cancel(self, call: DelayedCall) -> None:
        self._live -= 1
        if len(self._calls) > 2 * self._live + _MAX_CANCELLED:
            self._calls = [each for each in self._calls if each[2].active()]
            heapify(self._calls)
        if not self._live:
            self._arm()

    def _arm(self) -> None:
        """Set the timer to the first call, or close the descriptor if no call is pending."""
        if not self._live:
            self._calls.clear()
            self._close()
            return
        due = self._calls[0][0]
        if self._descriptor < 0:
            self._descriptor = self._system.create()
            self._reactor.addReader(self)
        elif due == self._armed_for:
            return
        self._armed_for = due
        self._system.arm(self._descriptor, due)

    def _close(self) -> None:
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1


class SystemTimer(Protocol):
    """Descriptors that become readable at a given time of `time.monotonic`."""

    def create(self) -> int:
        """Return a new descriptor."""

    def arm(self, descriptor: int, due: float) -> None:
        """Make a descriptor readable at a given time, and no sooner."""


@cache
def _system_timer() -> SystemTimer | None:
    """Return this system's timer; None if it has none."""
    try:
        return LinuxTimer()
    except (ImportError, AttributeError, OSError):
        return None


class LinuxTimer:
    """Linux's timerfd, through the C library: Python itself has it only from 3.13 on."""

    _MONOTONIC = 1
    _ABSOLUTE = 1
    _FLAGS = os.O_NONBLOCK | os.O_CLOEXEC

    def __init__(self) -> None:
        import ctypes  # here, because few processes need it

        class TimeSpec(ctypes.Structure):
            _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))

        class TimerSpec(ctypes.Structure):
            _fields_ = (("interval", TimeSpec), ("value", TimeSpec))

        library = ctypes.CDLL(None, use_errno=True)
        self._make, self._set = library.timerfd_create, library.timerfd_settime
        self._spec = TimerSpec()
        self._reference = ctypes.byref(self._spec)
        self._errno = ctypes.get_errno

    def create(self) -> int:
        descriptor: int = self._make(self._MONOTONIC, self._FLAGS)
        if descriptor < 0:
            raise OSError(self._errno(), os.strerror(self._errno()))
        return descriptor

    def arm(self, descriptor: int, due: float) -> None:
        # A nanosecond late, so that the call is due when `doRead` runs.  All zeros would disarm the timer.
        nanoseconds = max(1, int(due * 1e9) + 1)
        self._spec.value.seconds, self._spec.value.nanoseconds = divmod(nanoseconds, 1_000_000_000)
        if self._set(descriptor, self._ABSOLUTE, self._reference, None):
            raise OSError(self._errno(), os.strerror(self._errno()))
