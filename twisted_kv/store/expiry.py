"""The volatile keys of a database, by their deadlines: a hierarchical timing wheel (Varghese and Lauck, 1987).

The deadline of a key is in the table of its database, and here once more, to find the keys that expire next.  A key is
in a bucket with all others whose deadlines are close together: within a millisecond at level 0, 1.02 seconds at level
1, 17.5 minutes at level 2, and so on.  The nearer its deadline, the finer the level: two of its widths before a bucket
begins, it is opened, and its keys move to the level below, a few at a time.  So setting, replacing and removing a
deadline takes the same short time however many there are, and no step has to look at all of them.  A heap would keep
the deadlines that were replaced, and a key that is set again and again with a TTL would fill it; a sorted list takes
four times as long, and a third more memory.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import islice
from random import Random
from typing import Callable, Final

from twisted_kv.values.sharded import ShardedDict

_BITS: Final = 10
"""Each level's buckets are 1,024 times as wide as those of the level below."""
_LEVELS: Final = 5
_AHEAD: Final = 2
"""How many widths before it begins a bucket is opened."""
_SAMPLE: Final = 32
"""Keys that are looked at where an exact answer would take too long."""
_FEW: Final = 64
"""Numbers of buckets that are gone for which a heap is not made anew."""
_AFTER_ALL: Final = 1 << 63
"""A date after all deadlines."""


class _Level:
    """The buckets of one width, by number: a deadline divided by the width.

    `order` is a heap of their numbers, among them some of buckets that are gone.  Deadlines before `end` belong here,
    or to a finer level: all buckets of the next level up to there were opened.
    """

    __slots__ = ("buckets", "end", "order", "shift")

    def __init__(self, shift: int) -> None:
        self.shift = shift
        self.buckets: dict[int, ShardedDict[int]] = {}
        self.order: list[int] = []
        self.end = _AFTER_ALL

    def make(self, number: int) -> ShardedDict[int]:
        """Make a bucket."""
        bucket = self.buckets[number] = ShardedDict()
        if len(self.order) > 2 * len(self.buckets) + _FEW:
            self.order = list(self.buckets)
            heapify(self.order)
        else:
            heappush(self.order, number)
        return bucket

    def first(self) -> int | None:
        """Return the lowest number of a bucket, or None."""
        order = self.order
        while order and order[0] not in self.buckets:
            heappop(order)
        return order[0] if order else None


class Expiry:
    """The deadlines of the keys of one database, in milliseconds since 1970; `date` is the current time.

    `alarm` is called with each date that is nearer than all others at which something has to be done: `advance`, and
    then to remove the keys that are `due`.
    """

    __slots__ = ("_alarm", "_finer", "_length", "_levels", "_next")

    def __init__(self, alarm: Callable[[int], None], date: int = 0) -> None:
        self._alarm = alarm
        self._levels = [_Level(_BITS * level) for level in range(_LEVELS)]
        self._finer = self._levels[:-1]
        for finer, level in zip(self._levels, self._levels[1:]):
            finer.end = (date >> level.shift) + _AHEAD + 1 << level.shift
        self._length = 0
        self._next = _AFTER_ALL  # the nearest date that the alarm was called with

    def __len__(self) -> int:
        return self._length

    def _level_of(self, deadline: int) -> _Level:
        """Return the level to which a deadline belongs."""
        for level in self._finer:
            if deadline < level.end:
                return level
        return self._levels[-1]

    def add(self, key: bytes, deadline: int) -> None:
        """Add the deadline of a key that has none here."""
        self._length += 1
        self._put(key, deadline)

    def _put(self, key: bytes, deadline: int) -> None:
        level = self._level_of(deadline)
        number = deadline >> level.shift
        bucket = level.buckets.get(number)
        if bucket is None:
            bucket = level.make(number)
            date = deadline if not level.shift else (number - _AHEAD) << level.shift
            if date < self._next:
                self._next = date
                self._alarm(date)
        bucket.set(key, deadline)

    def remove(self, key: bytes, deadline: int) -> None:
        """Remove the deadline of a key; raises ValueError if it has none near that."""
        level = self._level_of(deadline)
        number = deadline >> level.shift
        bucket = level.buckets.get(number)
        if bucket is None or bucket.pop(key) is None:  # its bucket is open, and it has not been moved yet
            level, number, bucket = self._find(key, deadline)
            bucket.pop(key)
        if not len(bucket):
            del level.buckets[number]
        self._length -= 1

    def _find(self, key: bytes, deadline: int) -> tuple[_Level, int, ShardedDict[int]]:
        for level in self._levels:
            number = deadline >> level.shift
            bucket = level.buckets.get(number)
            if bucket is not None and key in bucket:
                return level, number, bucket
        raise ValueError(f"{key!r} does not expire at {deadline}")

    def move(self, key: bytes, old: int, deadline: int) -> None:
        """Replace the deadline of a key; raises ValueError as `remove` does."""
        level = self._level_of(deadline)
        number = deadline >> level.shift
        if old >> level.shift == number:
            bucket = level.buckets.get(number)
            if bucket is not None and key in bucket:
                bucket.set(key, deadline)
                return
        self.remove(key, old)
        self.add(key, deadline)

    def next_date(self) -> int | None:
        """Return the nearest date at which something has to be done, or None if there are no deadlines."""
        date = _AFTER_ALL
        for level in self._levels:
            number = level.first()
            if number is not None:
                date = min(date, number if not level.shift else (number - _AHEAD) << level.shift)
        self._next = date
        return None if date == _AFTER_ALL else date

    def advance(self, now: int, most: int) -> int:
        """Open the buckets whose time has come, and move up to `most` keys; returns how many."""
        moved = 0
        for finer, level in reversed(list(zip(self._levels, self._levels[1:]))):
            target = (now >> level.shift) + _AHEAD
            while moved < most:
                number = level.first()
                if number is None or number > target:
                    finer.end = target + 1 << level.shift  # below what it was, if the clock was set back
                    break
                finer.end = max(finer.end, number + 1 << level.shift)
                bucket = level.buckets[number]
                for key, deadline in list(islice(bucket.items(), most - moved)):
                    bucket.pop(key)
                    self._put(key, deadline)
                    moved += 1
                if not len(bucket):
                    del level.buckets[number]
        return moved

    def due(self, now: int, most: int) -> list[bytes]:
        """Return up to `most` keys whose deadlines have passed, the longest overdue first."""
        keys: list[bytes] = []
        level = self._levels[0]
        looked_at: list[int] = []
        while len(keys) < most:
            number = level.first()
            if number is None or number > now:
                break
            heappop(level.order)
            if number not in looked_at[-1:]:  # a heap may have a number twice
                looked_at.append(number)
                keys += islice(level.buckets[number], most - len(keys))
        for number in looked_at:
            heappush(level.order, number)
        return keys

    def nearest(self) -> tuple[int, bytes] | None:
        """Return the nearest deadline and its key, or None; of very many close together it may be another of them."""
        for level in self._levels:
            number = level.first()
            if number is not None:
                return min((deadline, key) for key, deadline in islice(level.buckets[number].items(), _SAMPLE))
        return None

    def random_key(self, random: Random) -> bytes | None:
        """Return a key with a deadline chosen uniformly at random, or None."""
        if not self._length:
            return None
        buckets = [bucket for level in self._levels for bucket in level.buckets.values()]
        [bucket] = random.choices(buckets, [len(each) for each in buckets])
        return bucket.random_key(random)

    def mean_left(self, now: int) -> int:
        """Return the mean TTL of the keys in milliseconds, from a sample of the buckets of each level."""
        total = weight = 0
        for level in self._levels:
            step = len(level.buckets) // _SAMPLE + 1
            for bucket in islice(level.buckets.values(), 0, None, step):
                total += len(bucket) * next(bucket.values())
                weight += len(bucket)
        return max(0, total // weight - now) if weight else 0

    def release(self) -> list[int] | None:
        """Remove and return a small part of what is no longer used, or None when nothing is left."""
        for level in self._levels:
            for number, bucket in level.buckets.items():
                released = bucket.release()
                if released is None:
                    del level.buckets[number]
                    return []
                return released
        return None
