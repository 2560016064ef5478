"""How much a key is used, for the policies of `maxmemory-policy` that ask for it.

What is kept of a key is one number in its entry.  `LastUse` keeps the date; `UseCount` keeps Redis's logarithmic count,
which grows ever more seldom (`lfu-log-factor`) and falls by one with every `lfu-decay-time` minutes without use.  The
numbers of the two are told apart by their sign, so a policy that is changed does not misread what the other left.
"""

from __future__ import annotations

from random import Random
from typing import Final, Protocol

from twisted_kv.settings.config import Settings
from twisted_kv.vocabulary.clock import Now

FIRST_COUNT: Final = 5
"""What the count of a new key begins with, as Redis's LFU_INIT_VAL: a new key should not go at once."""
MOST_COUNT: Final = 255

_MINUTE: Final = 60_000
_COUNT_BITS: Final = 8


class Usage(Protocol):
    """A way to keep in one number how a key is used; None is the number of a key of which nothing is known."""

    def used(self, mark: int | None) -> int:
        """Give the number of a key that is used now, from the one it had."""

    def idleness(self, mark: int | None) -> int:
        """Tell how dispensable a key is: more is more."""


class LastUse:
    """The date of the last use, in milliseconds (LRU)."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._since = now.milliseconds  # keys of which nothing is known have not been used since

    def used(self, mark: int | None) -> int:
        return self._now.milliseconds

    def idleness(self, mark: int | None) -> int:
        return self._now.milliseconds - (self._since if mark is None or mark < 0 else mark)

    def mark(self, idle: int) -> int:
        """Give the number of a key that was not used for so many seconds."""
        return max(0, self._now.milliseconds - idle * 1000)


class UseCount:
    """How often a key is used, by and large (LFU): the minute of the last decay, and the count of 0 to 255."""

    def __init__(self, now: Now, settings: Settings, random: Random) -> None:
        self._now = now
        self._settings = settings
        self._random = random

    def used(self, mark: int | None) -> int:
        if mark is None or mark >= 0:
            return self.mark(FIRST_COUNT)
        count = self.count(mark)
        if count < MOST_COUNT:
            beyond = max(0, count - FIRST_COUNT)
            if self._random.random() < 1.0 / (beyond * self._settings.lfu_log_factor + 1):
                count += 1
        return self.mark(count)

    def idleness(self, mark: int | None) -> int:
        return MOST_COUNT - self.count(mark)

    def count(self, mark: int | None) -> int:
        """Give the count of a key as it is now."""
        if mark is None or mark >= 0:
            return FIRST_COUNT
        minute, count = divmod(-mark, 1 << _COUNT_BITS)
        decay = self._settings.lfu_decay_time
        return max(0, count - (self._now.milliseconds // _MINUTE - minute) // decay) if decay else count

    def mark(self, count: int) -> int:
        """Give the number of a key that is used now and has a count of 0 to 255."""
        return -((self._now.milliseconds // _MINUTE) << _COUNT_BITS | count)
