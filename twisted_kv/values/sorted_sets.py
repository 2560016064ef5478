"""The sorted set: members with a score each, ordered by score, then by the bytes of the member."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import Callable, Final, Iterable, Tuple

from sortedcontainers import SortedList

from twisted_kv.values.orders import release_part
from twisted_kv.values.packing import DEFAULTS, Packing
from twisted_kv.values.sizes import ITEM, SLOT, bytes_size
from twisted_kv.values.tables import Table

ORDER_SIZE: Final = 640
"""Bytes of an empty order."""
NODE_SIZE: Final = 24 + 56 + SLOT
"""Bytes of a score and its position in the order."""

_FEW: Final = 8
"""Up to this many are removed from the order one by one; with more, removing all at once is half the work."""

Ranked = Tuple[float, bytes]
"""A score and its member."""


class ScoreRange:
    """The scores between two bounds, each of which may be excluded."""

    __slots__ = ("_above_all", "_below_all", "high", "low")

    def __init__(self, low: float, high: float, *, without_low: bool = False, without_high: bool = False) -> None:
        self.low = math.nextafter(low, math.inf) if without_low else low
        self.high = math.nextafter(high, -math.inf) if without_high else high
        self._above_all = without_low and low == math.inf
        self._below_all = without_high and high == -math.inf

    def ranks(self, members: SortedSet) -> tuple[int, int]:
        """Return the half-open index range of the members within the bounds."""
        if self._above_all or self._below_all or self.low > self.high:
            return 0, 0
        order = members.order
        start = order.bisect_left((self.low, b""))
        if self.high == math.inf:
            return start, len(order)
        return start, order.bisect_left((math.nextafter(self.high, math.inf), b""))


class TextRange:
    """The members between two bounds in the order of their bytes, each of which may be excluded.

    A bound of None is beyond all members: a lower one before them unless `low_is_last`, an upper one after them unless
    `high_is_first`.
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
        """The lower bound is after all members."""
        self.high_is_first = high_is_first
        """The upper bound is before all members."""

    def ranks(self, members: SortedSet, skipped: int = 0, *, reverse: bool = False) -> tuple[int, int]:
        """Return the half-open index range of the members within the bounds, without the first `skipped` of them.

        In reverse, the last ones are skipped.  Redis does not define the result for members with different scores: in a
        small set it checks them one by one, and so does this.  In a large set both search as if the members were in
        order.
        """
        order = members.order
        if self.low_is_last or self.high_is_first or self._is_empty() or not len(order):
            return 0, 0
        if order[0][0] != order[-1][0] and members.is_packed:
            return self._walk([member for _, member in order], skipped, reverse=reverse)
        start = 0 if self.low is None else _bisect_members(order, self.low, after=self.without_low)
        stop = len(order) if self.high is None else _bisect_members(order, self.high, after=not self.without_high)
        return (start, max(start, stop - skipped)) if reverse else (min(start + skipped, stop), stop)

    def _is_empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.without_low or self.without_high))

    def _walk(self, members: list[bytes], skipped: int, *, reverse: bool) -> tuple[int, int]:
        """Find the first member in the range, skip `skipped` of any members, and stop at the first beyond the range."""
        if not self._above(members[-1]) or not self._below(members[0]):
            return 0, 0
        size = len(members)
        if reverse:
            members.reverse()
        is_after_start, is_before_end = (self._below, self._above) if reverse else (self._above, self._below)
        start = next(index for index, member in enumerate(members) if is_after_start(member))
        if not is_before_end(members[start]):
            return 0, 0
        start = min(start + skipped, size)
        stop = start + sum(1 for _ in takewhile(is_before_end, members[start:]))
        return (size - stop, size - start) if reverse else (start, stop)

    def _above(self, member: bytes) -> bool:
        return self.low is None or (member > self.low if self.without_low else member >= self.low)

    def _below(self, member: bytes) -> bool:
        return self.high is None or (member < self.high if self.without_high else member <= self.high)


def _bisect_members(order: SortedList[Ranked], member: bytes, *, after: bool) -> int:
    """Return the index of a member in an order by bytes, or with `after` the index after it."""
    score = order[0][0]
    if score == order[-1][0]:
        return order.bisect_right((score, member)) if after else order.bisect_left((score, member))
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        found = order[middle][1]
        if found < member or (after and found == member):
            low = middle + 1
        else:
            high = middle
    return low


class SortedSet(Table[float]):
    """A mapping from member to score, and the order of both.

    `order` holds the pairs of score and member; callers must only read it.
    """

    __slots__ = ("order",)

    def __init__(self, packing: Packing | None = DEFAULTS) -> None:
        super().__init__(packing)
        self.order: SortedList[Ranked] = SortedList()
        self.memory += ORDER_SIZE

    def put(self, member: bytes, score: float) -> float | None:
        """Set the score of a member; return its old score, or None."""
        old = self.get(member)
        if old == score:
            return old  # a zero also keeps its sign
        if self._frozen is not None:
            self._own_shard(member)
        if old is not None:
            self.order.remove((old, member))
        else:
            self.memory += ITEM + NODE_SIZE + bytes_size(member)
            packing = self.packing
            if packing is not None and (
                self._length >= packing.zset_max_listpack_entries or len(member) > packing.zset_max_listpack_value
            ):
                self.packing = None
        if self.packing is not None:
            score += 0.0  # a packed set does not keep a negative zero
        self.set(member, score)
        self.order.add((score, member))
        return old

    def update(self, members: Iterable[tuple[bytes, float]]) -> None:
        """Set the scores of many members."""
        for member, score in members:
            self.put(member, score)

    def fill(self, members: dict[bytes, float]) -> None:
        """Fill an empty set with members: faster than one by one."""
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
            self.memory += ITEM + NODE_SIZE + bytes_size(member)
        self.order = SortedList([(score, member) for member, score in members.items()])

    def remove(self, member: bytes) -> float | None:
        """Remove a member and return its score, or None."""
        score = self._remove_score(member)
        if score is not None:
            self.order.remove((score, member))
        return score

    def _remove_score(self, member: bytes) -> float | None:
        """Remove a member from everything except the order, and return its score, or None."""
        if self._frozen is not None:
            self._own_shard(member)
        score = self.pop(member)
        if score is not None:
            self.memory -= ITEM + NODE_SIZE + bytes_size(member)
        return score

    def rank(self, member: bytes) -> int | None:
        """Return the rank of a member, from 0 on, or None."""
        score = self.get(member)
        return None if score is None else self.order.bisect_left((score, member))

    def slice(self, start: int, stop: int, *, reverse: bool = False) -> list[Ranked]:
        """Return a half-open range of ranks, in reverse order on request."""
        found: list[Ranked] = self.order[start:stop]
        if reverse:
            found.reverse()
        return found

    def remove_slice(self, start: int, stop: int) -> list[Ranked]:
        """Remove and return a half-open range of ranks."""
        removed = list(self.order.islice(start, stop))
        remove = self.remove
        if len(removed) > _FEW:
            del self.order[start:stop]
            remove = self._remove_score
        for _, member in removed:
            remove(member)
        return removed

    def listed(self) -> list[bytes]:
        """Return all members, ordered by score."""
        return [member for _, member in self.order]

    def packed_items(self) -> list[tuple[bytes, float]]:
        """Return all members with their scores, ordered by score."""
        return [(member, score) for score, member in self.order]

    def copy(self) -> SortedSet:
        """Return an independent sorted set with the same members."""
        duplicate = SortedSet()
        self._copy_to(duplicate)
        duplicate.order = self.order.copy()
        return duplicate

    def release(self) -> list[float] | None:
        """Remove and return a small part of a set that is no longer used, or None when nothing is left."""
        removed = release_part(self.order)
        return super().release() if removed is None else [0.0] * len(removed)


Aggregate = Callable[[float, float], float]
"""Combines two scores into one."""


def add_scores(first: float, second: float) -> float:
    """Return the sum of two scores; for infinities of opposite sign it is 0, as in Redis."""
    total = first + second
    return 0.0 if math.isnan(total) else total
