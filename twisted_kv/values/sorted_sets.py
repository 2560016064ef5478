"""The sorted set: members with a score each, in the order of the scores, then of the members' bytes."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import Callable, Final, Iterable, Iterator, Tuple

from sortedcontainers import SortedList

from twisted_kv.values.orders import release_part
from twisted_kv.values.packing import DEFAULTS, Packing
from twisted_kv.values.sizes import ITEM, SLOT, bytes_size
from twisted_kv.values.tables import Table

ORDER_SIZE: Final = 640
"""Bytes of an empty order."""
SEAT_SIZE: Final = 24 + 56 + SLOT
"""Bytes that a score and its place in the order take."""

_FEW: Final = 8
"""Fewer are taken out of the order one by one; of more, all at once is half the work."""

Ranked = Tuple[float, bytes]
"""A score and its member."""


class ScoreRange:
    """Scores from one to another, each of which may be left out."""

    __slots__ = ("_high", "_low", "high", "low")

    def __init__(self, low: float, high: float, *, without_low: bool = False, without_high: bool = False) -> None:
        self.low = math.nextafter(low, math.inf) if without_low else low
        self.high = math.nextafter(high, -math.inf) if without_high else high
        self._low = without_low and low == math.inf
        self._high = without_high and high == -math.inf

    def places(self, members: SortedSet) -> tuple[int, int]:
        """Give the places from which on and up to before which a sorted set is in the range."""
        if self._low or self._high or self.low > self.high:
            return 0, 0
        order = members.order
        start = order.bisect_left((self.low, b""))
        if self.high == math.inf:
            return start, len(order)
        return start, order.bisect_left((math.nextafter(self.high, math.inf), b""))


class TextRange:
    """Members from one to another in the order of their bytes, each of which may be left out.

    None as a bound is beyond all members; `before_all` and `behind_all` tell on which side each lies.
    """

    __slots__ = ("high", "high_is_first", "low", "low_is_last", "without_high", "without_low")

    def __init__(
        self,
        low: bytes | None,
        high: bytes | None,
        *,
        without_low: bool = False,
        without_high: bool = False,
        low_is_last: bool = False,
        high_is_first: bool = False,
    ) -> None:
        self.low = low
        self.high = high
        self.without_low = without_low
        self.without_high = without_high
        self.low_is_last = low_is_last
        """The lower bound is behind all members."""
        self.high_is_first = high_is_first
        """The upper bound is before all members."""

    def places(self, members: SortedSet, skipped: int = 0, *, reverse: bool = False) -> tuple[int, int]:
        """Give the places from which on and up to before which a sorted set is in the range, less some at its start.

        In reverse, the start is the end.  Redis leaves open what that means for members with different scores; of a
        small set it looks at one after the other, and so does this.  In a large one both search as if the members
        were in order.
        """
        order = members.order
        if self.low_is_last or self.high_is_first or self._is_empty() or not len(order):
            return 0, 0
        if order[0][0] != order[-1][0] and members.is_packed:
            return self._walked([member for _, member in order], skipped, reverse=reverse)
        start = 0 if self.low is None else _seat(order, self.low, behind=self.without_low)
        stop = len(order) if self.high is None else _seat(order, self.high, behind=not self.without_high)
        return (start, max(start, stop - skipped)) if reverse else (min(start + skipped, stop), stop)

    def _is_empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.without_low or self.without_high))

    def _walked(self, members: list[bytes], skipped: int, *, reverse: bool) -> tuple[int, int]:
        """Find the first member in the range, skip some, whatever they are, and go on to the first beyond the range."""
        if not self._above(members[-1]) or not self._below(members[0]):
            return 0, 0
        size = len(members)
        if reverse:
            members.reverse()
        begins, lasts = (self._below, self._above) if reverse else (self._above, self._below)
        start = next(place for place, member in enumerate(members) if begins(member))
        if not lasts(members[start]):
            return 0, 0
        start = min(start + skipped, size)
        stop = start + sum(1 for _ in takewhile(lasts, members[start:]))
        return (size - stop, size - start) if reverse else (start, stop)

    def _above(self, member: bytes) -> bool:
        return self.low is None or (member > self.low if self.without_low else member >= self.low)

    def _below(self, member: bytes) -> bool:
        return self.high is None or (member < self.high if self.without_high else member <= self.high)


def _seat(order: SortedList[Ranked], member: bytes, *, behind: bool) -> int:
    """Give the place of a member in an order by the bytes, or the one behind it."""
    score = order[0][0]
    if score == order[-1][0]:
        return order.bisect_right((score, member)) if behind else order.bisect_left((score, member))
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        found = order[middle][1]
        if found < member or (behind and found == member):
            low = middle + 1
        else:
            high = middle
    return low


class SortedSet(Table[float]):
    """A mapping from member to score, and the order of both.

    `order` has the pairs of score and member; to be read only.
    """

    __slots__ = ("order",)

    def __init__(self, packing: Packing | None = DEFAULTS) -> None:
        super().__init__(packing)
        self.order: SortedList[Ranked] = SortedList()
        self.memory += ORDER_SIZE

    def put(self, member: bytes, score: float) -> float | None:
        """Give a member a score; returns the one it had, or None."""
        old = self.get(member)
        if old == score:
            return old  # and a zero keeps its sign
        if self._frozen is not None:
            self._part(member)
        if old is not None:
            self.order.remove((old, member))
        else:
            self.memory += ITEM + SEAT_SIZE + bytes_size(member)
            packing = self.packing
            if packing is not None and (
                self._length >= packing.zset_max_listpack_entries or len(member) > packing.zset_max_listpack_value
            ):
                self.packing = None
        if self.packing is not None:
            score += 0.0  # packed, a negative zero is not kept
        self.set(member, score)
        self.order.add((score, member))
        return old

    def update(self, members: Iterable[tuple[bytes, float]]) -> None:
        """Give many members their scores."""
        for member, score in members:
            self.put(member, score)

    def fill(self, members: dict[bytes, float]) -> None:
        """Give an empty set its members: faster than one after the other."""
        packing = self.packing
        if packing is not None and (
            len(members) > packing.zset_max_listpack_entries
            or max(map(len, members), default=0) > packing.zset_max_listpack_value
        ):
            self.packing = None
        if self.packing is not None:
            members = {member: score + 0.0 for member, score in members.items()}  # as in `put`
        for member, score in members.items():
            self.set(member, score)
            self.memory += ITEM + SEAT_SIZE + bytes_size(member)
        self.order = SortedList([(score, member) for member, score in members.items()])

    def remove(self, member: bytes) -> float | None:
        """Remove a member and give the score it had, or None."""
        score = self._remove_score(member)
        if score is not None:
            self.order.remove((score, member))
        return score

    def _remove_score(self, member: bytes) -> float | None:
        """Remove a member from all but the order, and give the score it had, or None."""
        if self._frozen is not None:
            self._part(member)
        score = self.pop(member)
        if score is not None:
            self.memory -= ITEM + SEAT_SIZE + bytes_size(member)
        return score

    def rank(self, member: bytes) -> int | None:
        """Give the place of a member in the order, from 0 on, or None."""
        score = self.get(member)
        return None if score is None else self.order.bisect_left((score, member))

    def slice(self, start: int, stop: int, *, reverse: bool = False) -> Iterator[Ranked]:
        """Give what stands from a place up to before another, in reverse if that is asked for."""
        found: Iterator[Ranked] = self.order.islice(start, stop, reverse)
        return found

    def remove_slice(self, start: int, stop: int) -> list[Ranked]:
        """Remove what stands from a place up to before another, and give it."""
        gone = list(self.order.islice(start, stop))
        remove = self.remove
        if len(gone) > _FEW:
            del self.order[start:stop]
            remove = self._remove_score
        for _, member in gone:
            remove(member)
        return gone

    def listed(self) -> list[bytes]:
        """Give all members in the order of their scores."""
        return [member for _, member in self.order]

    def packed_items(self) -> list[tuple[bytes, float]]:
        """Give all members with their scores, in the order of these."""
        return [(member, score) for score, member in self.order]

    def copy(self) -> SortedSet:
        """Give a sorted set of its own with the same members."""
        own = SortedSet()
        self._copy_to(own)
        own.order = self.order.copy()
        return own

    def release(self) -> list[float] | None:
        """Take a small part out of a set that nobody uses any more; None when nothing is left."""
        gone = release_part(self.order)
        return super().release() if gone is None else [0.0] * len(gone)


Aggregate = Callable[[float, float], float]
"""Makes one score of two."""


def add_scores(first: float, second: float) -> float:
    """Give the sum of two scores; of two infinities that cancel each other out it is 0, as in Redis."""
    total = first + second
    return 0.0 if math.isnan(total) else total
