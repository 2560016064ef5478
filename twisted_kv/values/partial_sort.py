"""The first of many in order, as Redis finds them where not all are wanted.

Which of several equal ones come first is for its quicksort to decide (J. Bentley and D. McIlroy, "Engineering a sort
function", 1993), of which only the parts that are wanted are sorted further.  Clients see that order, so it is kept.
"""

from __future__ import annotations

from typing import Callable, Final, List, TypeVar

T = TypeVar("T")

_FEW: Final = 7
"""Fewer are sorted by insertion."""
_MANY: Final = 40
"""For more, the pivot is looked for among nine."""


def first_in_order(
    items: list[T], stop: int, key: Callable[[T], float], *, start: int = 0, descending: bool = False
) -> list[T]:
    """Give what stands from a place up to before another in the order of the keys."""
    numbers = [-key(each) if descending else key(each) for each in items]
    if (not start and stop >= len(items)) or len(set(numbers)) == len(numbers):
        return [items[place] for place in sorted(range(len(items)), key=numbers.__getitem__)][start:stop]
    places = list(range(len(items)))
    parts = [(0, len(places))]
    while parts:
        first, size = parts.pop()
        if size > 1 and first < stop and first + size > start:
            parts += _partition(places, numbers, first, size)
    return [items[place] for place in places[start:stop]]


def _partition(places: List[int], numbers: List[float], start: int, size: int) -> list[tuple[int, int]]:
    """Sort a few places; of more, put the smaller ones before the pivot, and give the two parts that are left."""
    if size < _FEW:
        places[start : start + size] = sorted(places[start : start + size], key=numbers.__getitem__)
        return []
    middle = _pivot(places, numbers, start, size)
    _swap(places, start, middle)
    pivot = numbers[places[start]]
    same = low = start + 1
    last_same = high = start + size - 1
    while True:
        while low <= high and numbers[places[low]] <= pivot:
            if numbers[places[low]] == pivot:
                _swap(places, same, low)
                same += 1
            low += 1
        while low <= high and numbers[places[high]] >= pivot:
            if numbers[places[high]] == pivot:
                _swap(places, high, last_same)
                last_same -= 1
            high -= 1
        if low > high:
            break
        _swap(places, low, high)
        low += 1
        high -= 1
    end = start + size
    _swap_rows(places, start, low, min(same - start, low - same))
    _swap_rows(places, low, end, min(last_same - high, end - last_same - 1))
    return [(start, low - same), (end - (last_same - high), last_same - high)]


def _swap(places: List[int], one: int, other: int) -> None:
    places[one], places[other] = places[other], places[one]


def _swap_rows(places: List[int], start: int, end: int, size: int) -> None:
    """Exchange so many from a place on with as many up to before another."""
    for step in range(size):
        _swap(places, start + step, end - size + step)


def _pivot(places: List[int], numbers: List[float], start: int, size: int) -> int:
    """Choose the place of the pivot."""

    def median(one: int, two: int, three: int) -> int:
        first, second, third = (numbers[places[at]] for at in (one, two, three))
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
