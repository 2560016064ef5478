"""Calls of the program around the cache: one after the other, and never within a unit.

What such a callback asks of the cache is a request of its own, and sees the whole effect of what has caused the call.
"""

from __future__ import annotations

from collections import deque
from typing import Callable, ClassVar, Deque, Final

from twisted_kv.engine.units import Units
from twisted_kv.vocabulary.logs import Logger

AT_ONCE: Final = 1000
"""Calls that are made before the reactor has its turn: a callback may publish what calls it again."""


class Deliveries:
    """The calls that are due.  `soon` schedules a call for another turn; it returns False if it cannot."""

    _log: ClassVar[Logger] = Logger()

    def __init__(self, units: Units, soon: Callable[[Callable[[], None]], bool]) -> None:
        self._units = units
        self._soon = soon
        self._calls: Deque[Callable[[], object]] = deque()
        self._is_scheduled = False

    def post(self, call: Callable[[], object]) -> None:
        """Make a call when the unit under way has ended, after all that were posted before."""
        self._calls.append(call)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._units.after(self._run)

    def stop(self) -> None:
        """Make the calls that are due already, since no other turn may come."""
        self._run_some(len(self._calls))
        self._is_scheduled = False  # what these have posted waits for the next post

    def _run(self) -> None:
        while self._run_some(AT_ONCE):
            if self._soon(self._run):
                return

    def _run_some(self, most: int) -> bool:
        """Make some of the calls, and return whether there are more."""
        while self._calls and most:
            most -= 1
            call = self._calls.popleft()
            try:
                call()
            except BaseException:  # whatever it is, the others must be called
                self._log.failure("a callback has failed")
        self._is_scheduled = bool(self._calls)
        return self._is_scheduled
