"""Units of execution: a request with everything it runs, a waiter that is served, or a timer's work.

The effects of a unit on other clients are deferred until it has ended: only then are clients served that wait for its
keys, and its pushes sent.  A unit within another is part of the outer one.
"""

from __future__ import annotations

from typing import Callable, List, TypeVar

T = TypeVar("T")


class Units:
    """Tracks whether a unit is under way, and which calls are due after it.

    `depth` is the number of nested units under way.  Callers of commands increment and decrement it themselves, which
    saves a function call; timers use `begin` and `end`.  When it is back at 0 and `is_due` is set, the caller must call
    `finish`.
    """

    __slots__ = ("_after", "_at_end", "depth", "is_due", "is_held", "is_timer")

    def __init__(self) -> None:
        self.depth = 0
        self.is_due = False
        self.is_timer = False
        """Whether a timer's work is under way: what it does to one key is independent of the next."""
        self.is_held = False
        """Whether calls that are due after a unit must wait, because several units run that belong together."""
        self._at_end: List[Callable[[], None]] = []
        self._after: List[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """Schedule a call for the end of the outermost unit, as a part of it."""
        self._at_end.append(call)
        self.is_due = True

    def after(self, call: Callable[[], None]) -> None:
        """Schedule a call for when the outermost unit has ended; call at once if no unit is under way."""
        if self.depth or self.is_held:
            self._after.append(call)
            self.is_due = True
        else:
            call()

    def begin(self) -> None:
        """Begin a timer's work."""
        self.is_timer = self.is_timer or not self.depth  # within a request, it is a part of that
        self.depth += 1

    def end(self) -> None:
        """End a timer's work."""
        self.depth -= 1
        self.is_timer = self.is_timer and self.depth > 0
        if self.is_due:
            self.finish()

    def run(self, work: Callable[[], T]) -> T:
        """Run work that makes several requests, as one unit; return what it returns."""
        self.depth += 1
        try:
            return work()
        finally:
            self.depth -= 1
            if self.is_due:
                self.finish()

    def run_timer(self, work: Callable[[], T]) -> T:
        """Run work that no request asked for, as a unit of its own; return what it returns."""
        self.begin()
        try:
            return work()
        finally:
            self.end()

    def finish(self) -> None:
        """Run the calls that are due, unless a unit is under way."""
        if self.depth:
            return
        while self._at_end:
            self._at_end.pop(0)()
        while self._after and not self.depth and not self.is_held:
            self._after.pop(0)()
        self.is_due = bool(self._at_end or self._after)
