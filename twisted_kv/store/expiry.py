"""The volatile keys of a database, in the order of their deadlines.

The deadline of a key is kept in its entry; this module keeps only the order, to find the key that expires next.  It is
a sorted list and not a heap, because a heap keeps the deadlines that were replaced: a key that is set again and again
with a TTL would fill it.
"""

from __future__ import annotations

from random import Random
from typing import Callable

from sortedcontainers import SortedList

from twisted_kv.values.orders import release_part


class Expiry:
    """The deadlines of the keys of one database, in milliseconds since 1970.

    `alarm` is called with each deadline that is nearer than all others, so that its owner can call `due` in time.
    """

    __slots__ = ("_alarm", "_order")

    def __init__(self, alarm: Callable[[int], None]) -> None:
        self._alarm = alarm
        self._order: SortedList[tuple[int, bytes]] = SortedList()

    def __len__(self) -> int:
        return len(self._order)

    def add(self, key: bytes, deadline: int) -> None:
        """Add the deadline of a key that has none here."""
        self._order.add((deadline, key))
        if self._order[0][0] == deadline:
            self._alarm(deadline)

    def remove(self, key: bytes, deadline: int) -> None:
        """Remove a deadline; raises ValueError if the key does not have it."""
        self._order.remove((deadline, key))

    def next_deadline(self) -> int | None:
        """Return the nearest deadline, or None."""
        return self._order[0][0] if self._order else None

    def next_key(self) -> bytes | None:
        """Return the key with the nearest deadline, or None."""
        return self._order[0][1] if self._order else None

    def random_key(self, random: Random) -> bytes | None:
        """Return a key with a deadline chosen uniformly at random, or None."""
        return self._order[random.randrange(len(self._order))][1] if self._order else None

    def due(self, now: int, most: int) -> list[bytes]:
        """Return up to `most` keys whose deadlines have passed, the longest overdue first."""
        keys = []
        for deadline, key in self._order.islice(0, most):
            if deadline > now:
                break
            keys.append(key)
        return keys

    def mean_left(self, now: int) -> int:
        """Return the mean TTL of the keys in milliseconds, from a sample spread evenly over their order."""
        count = len(self._order)
        if not count:
            return 0
        sample = [self._order[index][0] for index in range(0, count, max(1, count // 16))]
        return max(0, sum(sample) // len(sample) - now)

    def release(self) -> list[object] | None:
        """Remove and return a small part of an order that is no longer used, or None when nothing is left."""
        return release_part(self._order)
