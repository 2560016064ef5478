"""Units of execution: a request with all that it runs, a waiter that is served, a timer's work.

What a unit has brought about for others is done when it has ended, and not in its midst: clients that wait for its keys
are served, what it has pushed is sent.  A unit within another belongs to that one.
"""

from __future__ import annotations

from typing import Callable, List


class Units:
    """Whether a unit is under way, and what is due after it.

    `depth` is how many units are under way, each within the one before.  Whoever calls commands counts it, without a
    call for each; timers use `begin` and `end`.  When it is 0 again and something `is_due`, `finish` is to be called.
    """

    __slots__ = ("_after", "_at_end", "depth", "is_bout", "is_due", "is_held")

    def __init__(self) -> None:
        self.depth = 0
        self.is_due = False
        self.is_bout = False
        """Whether a timer's work is under way: what it does to one key has nothing to do with the next."""
        self.is_held = False
        """Whether what is due after a unit waits: several are run that belong together."""
        self._at_end: List[Callable[[], None]] = []
        self._after: List[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """Call something at the end of the outermost unit, as a part of it."""
        self._at_end.append(call)
        self.is_due = True

    def after(self, call: Callable[[], None]) -> None:
        """Call something when the outermost unit under way has ended; at once, if there is none."""
        if self.depth or self.is_held:
            self._after.append(call)
            self.is_due = True
        else:
            call()

    def begin(self) -> None:
        """Begin a timer's work."""
        self.depth += 1
        self.is_bout = True

    def end(self) -> None:
        """End a timer's work."""
        self.depth -= 1
        self.is_bout = False
        if self.is_due:
            self.finish()

    def finish(self) -> None:
        """Do what is due, unless a unit is under way."""
        if self.depth:
            return
        while self._at_end:
            self._at_end.pop(0)()
        while self._after and not self.depth and not self.is_held:
            self._after.pop(0)()
        self.is_due = bool(self._at_end or self._after)
