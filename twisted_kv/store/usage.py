"""How much a key is used, for the policies of `maxmemory-policy` that need to know.

The use of a key is recorded as one number in its entry, the mark.  `LastUse` keeps the date; `UseCount` keeps Redis's
logarithmic count, which grows ever more rarely (`lfu-log-factor`) and falls by one for every `lfu-decay-time` minutes
without use.  The sign tells the marks of the two apart, so after a change of policy neither misreads the other's marks.
"""

from __future__ import annotations

from random import Random
from typing import Final, Protocol

from twisted_kv.settings.config import Settings
from twisted_kv.vocabulary.clock import Now

FIRST_COUNT: Final = 5
"""The initial count of a new key, as Redis's LFU_INIT_VAL: a new key should not be evicted at once."""
MOST_COUNT: Final = 255

_MINUTE: Final = 60_000
_COUNT_BITS: Final = 8


class Usage(Protocol):
    """A way to record the use of a key in one number, its mark; None is the mark of a key with no recorded use."""

    def used(self, mark: int | None) -> int:
        """Return the new mark of a key that is used now, from its old one."""

    def idleness(self, mark: int | None) -> int:
        """Return how idle a key is: the higher, the sooner it is evicted."""


class LastUse:
    """The date of the last use, in milliseconds (LRU)."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._since = now.milliseconds  # keys with no recorded use count as last used then

    def used(self, mark: int | None) -> int:
        return self._now.milliseconds

    def idleness(self, mark: int | None) -> int:
        return self._now.milliseconds - (self._since if mark is None or mark < 0 else mark)

    def mark(self, idle: int) -> int:
        """Return the mark of a key that has been idle for `idle` seconds."""
        return max(0, self._now.milliseconds - idle * 1000)


class UseCount:
    """Approximately how often a key is used (LFU): the minute of the last decay, and a count of 0 to 255."""

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
        """Return the current count of a key, with its decay."""
        if mark is None or mark >= 0:
            return FIRST_COUNT
        minute, count = divmod(-mark, 1 << _COUNT_BITS)
        decay = self._settings.lfu_decay_time
        return max(0, count - (self._now.milliseconds // _MINUTE - minute) // decay) if decay else count

    def mark(self, count: int) -> int:
        """Return the mark of a key that is used now and has a count of 0 to 255."""
        return -((self._now.milliseconds // _MINUTE) << _COUNT_BITS | count)
