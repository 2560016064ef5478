"""Units of execution: a request with all that it runs, a waiter that is served, a timer's work.

What a unit has brought about for others is done when it has ended, and not in its midst: clients that wait for its keys
are served, what it has pushed is sent.  A unit within another belongs to that one.
"""

from __future__ import annotations

from typing import Callable, List


class Units:
    """Whether a unit is under way, and what is due after it.

    `depth` is how many units are under way, each within the one before.  Whoever calls commands counts it, without a
    call for each; all others use `begin` and `end`.
    """

    __slots__ = ("depth", "due", "is_held")

    def __init__(self) -> None:
        self.depth = 0
        self.due: List[Callable[[], None]] = []
        self.is_held = False
        """Whether what is due waits for more than the end of a unit: several are run that belong together."""

    def after(self, call: Callable[[], None]) -> None:
        """Call something when the outermost unit under way has ended; at once, if there is none."""
        if self.depth or self.is_held:
            self.due.append(call)
        else:
            call()

    def begin(self) -> None:
        """Begin a unit."""
        self.depth += 1

    def end(self) -> None:
        """End a unit, and do what is due if it was the outermost."""
        self.depth -= 1
        if self.due:
            self.finish()

    def finish(self) -> None:
        """Do what is due, unless a unit is under way."""
        while self.due and not self.depth and not self.is_held:
            self.due.pop(0)()
