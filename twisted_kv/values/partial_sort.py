"""Partial sorting: the first of many items in order, as Redis finds them where not all are needed.

The order of items with equal keys depends on Redis's quicksort (J. Bentley and D. McIlroy, "Engineering a sort
function", 1993), which goes on sorting only the parts that are needed.  Clients see that order, so it is reproduced.
"""

from __future__ import annotations

from typing import Callable, Final, List, TypeVar

T = TypeVar("T")

_FEW: Final = 7
"""Fewer items are sorted by insertion."""
_MANY: Final = 40
"""With more items, the pivot is chosen among nine."""


def first_in_order(
    items: list[T], stop: int, key: Callable[[T], float], *, start: int = 0, descending: bool = False
) -> list[T]:
    """Return the items of the half-open range `start` to `stop` in the order of their keys."""
    numbers = [-key(each) if descending else key(each) for each in items]
    if (not start and stop >= len(items)) or len(set(numbers)) == len(numbers):
        return [items[index] for index in sorted(range(len(items)), key=numbers.__getitem__)][start:stop]
    indexes = list(range(len(items)))
    parts = [(0, len(indexes))]
    while parts:
        first, size = parts.pop()
        if size > 1 and first < stop and first + size > start:
            parts += _partition(indexes, numbers, first, size)
    return [items[index] for index in indexes[start:stop]]


def _partition(indexes: List[int], numbers: List[float], start: int, size: int) -> list[tuple[int, int]]:
    """Sort a few items; partition more of them around a pivot, and return the two parts that are left."""
    if size < _FEW:
        indexes[start : start + size] = sorted(indexes[start : start + size], key=numbers.__getitem__)
        return []
    middle = _pivot(indexes, numbers, start, size)
    _swap(indexes, start, middle)
    pivot = numbers[indexes[start]]
    same = low = start + 1
    last_same = high = start + size - 1
    while True:
        while low <= high and numbers[indexes[low]] <= pivot:
            if numbers[indexes[low]] == pivot:
                _swap(indexes, same, low)
                same += 1
            low += 1
        while low <= high and numbers[indexes[high]] >= pivot:
            if numbers[indexes[high]] == pivot:
                _swap(indexes, high, last_same)
                last_same -= 1
            high -= 1
        if low > high:
            break
        _swap(indexes, low, high)
        low += 1
        high -= 1
    end = start + size
    _swap_ranges(indexes, start, low, min(same - start, low - same))
    _swap_ranges(indexes, low, end, min(last_same - high, end - last_same - 1))
    return [(start, low - same), (end - (last_same - high), last_same - high)]


def _swap(indexes: List[int], one: int, other: int) -> None:
    indexes[one], indexes[other] = indexes[other], indexes[one]


def _swap_ranges(indexes: List[int], start: int, end: int, size: int) -> None:
    """Exchange the `size` items from `start` on with the `size` items before `end`."""
    for step in range(size):
        _swap(indexes, start + step, end - size + step)


def _pivot(indexes: List[int], numbers: List[float], start: int, size: int) -> int:
    """Return the position of the pivot."""

    def median(one: int, two: int, three: int) -> int:
        first, second, third = (numbers[indexes[position]] for position in (one, two, three))
        if first < second:
            return two if second < third else three if first < third else one
        return two if second > third else one if first < third else three

    middle = start + size // 2
    if size == _FEW:
        return middle
    low, high = start, start + size - 1
    if size > _MANY:
        step = size // 8
        low = median(low, low + step, low + 2 * step)
        middle = median(middle - step, middle, middle + step)
        high = median(high - 2 * step, high - step, high)
    return median(low, middle, high)
