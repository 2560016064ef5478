"""Which keys of a database are to go, in the order of their deadlines.

The deadline of a key stands in its entry; here is only the order, for the question which key is next.  It is a sorted
list and not a heap, because a heap keeps the deadlines that were replaced: a key that is set again and again with a TTL
would fill it.
"""

from __future__ import annotations

from random import Random
from typing import Callable

from sortedcontainers import SortedList

from twisted_kv.values.orders import release_part


class Expiry:
    """The deadlines of the keys of one database, in milliseconds since 1970.

    `alarm` is called with a deadline that is nearer than all before it, so that somebody looks at `due` in time.
    """

    __slots__ = ("_alarm", "_order")

    def __init__(self, alarm: Callable[[int], None]) -> None:
        self._alarm = alarm
        self._order: SortedList[tuple[int, bytes]] = SortedList()

    def __len__(self) -> int:
        return len(self._order)

    def add(self, key: bytes, deadline: int) -> None:
        """Take note of the deadline of a key that has none here."""
        self._order.add((deadline, key))
        if self._order[0][0] == deadline:
            self._alarm(deadline)

    def remove(self, key: bytes, deadline: int) -> None:
        """Forget a deadline; raises ValueError if the key does not have it."""
        self._order.remove((deadline, key))

    def next_deadline(self) -> int | None:
        """Give the nearest deadline, or None."""
        return self._order[0][0] if self._order else None

    def next_key(self) -> bytes | None:
        """Give the key with the nearest deadline, or None."""
        return self._order[0][1] if self._order else None

    def random_key(self, random: Random) -> bytes | None:
        """Give any key that has a deadline, each as likely as the others, or None."""
        return self._order[random.randrange(len(self._order))][1] if self._order else None

    def due(self, now: int, most: int) -> list[bytes]:
        """Give up to `most` keys whose deadline has come, the longest overdue first."""
        keys = []
        for deadline, key in self._order.islice(0, most):
            if deadline > now:
                break
            keys.append(key)
        return keys

    def mean_left(self, now: int) -> int:
        """Milliseconds that the keys have left, on average over a sample spread evenly over their order."""
        count = len(self._order)
        if not count:
            return 0
        sample = [self._order[place][0] for place in range(0, count, max(1, count // 16))]
        return max(0, sum(sample) // len(sample) - now)

    def release(self) -> list[object] | None:
        """Take a small part out of what nobody asks for any more; None when nothing is left."""
        return release_part(self._order)
