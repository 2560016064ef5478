"""Which keys of a database are to go, and when.

The deadlines are kept twice: by key, for the question whether a key has expired, and in order, for the question
which is next.  The order is a sorted list and not a heap, because a heap keeps the deadlines that were replaced: a key
that is set again and again with a TTL would fill it.
"""

from __future__ import annotations

from typing import Callable, Final

from sortedcontainers import SortedList

from twisted_kv.values.sharded import ShardedDict

RELEASED_AT_ONCE: Final = 512


class Expiry:
    """The deadlines of the keys of one database, in milliseconds since 1970.

    `alarm` is called with a deadline that is nearer than all before it, so that somebody looks at `due` in time.
    """

    __slots__ = ("_alarm", "_deadlines", "_order")

    def __init__(self, alarm: Callable[[int], None]) -> None:
        self._alarm = alarm
        self._deadlines: ShardedDict[int] = ShardedDict()
        self._order: SortedList[tuple[int, bytes]] = SortedList()

    def __len__(self) -> int:
        return len(self._deadlines)

    def deadline(self, key: bytes) -> int | None:
        """Give the deadline of a key, or None if it is to stay."""
        return self._deadlines.get(key)

    def set(self, key: bytes, deadline: int) -> None:
        """Set the deadline of a key, in place of the one it had."""
        self.discard(key)
        self._deadlines.set(key, deadline)
        self._order.add((deadline, key))
        if self._order[0][0] == deadline:
            self._alarm(deadline)

    def discard(self, key: bytes) -> bool:
        """Let a key stay; True if it had a deadline."""
        deadline = self._deadlines.pop(key)
        if deadline is None:
            return False
        self._order.remove((deadline, key))
        return True

    def next_deadline(self) -> int | None:
        """Give the nearest deadline, or None."""
        return self._order[0][0] if self._order else None

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

    def release(self) -> list[int] | None:
        """Take a small part out of what nobody asks for any more; gives its deadlines, None when nothing is left."""
        del self._order[-RELEASED_AT_ONCE:]
        released = self._deadlines.release()
        return [] if released is None and self._order else released
