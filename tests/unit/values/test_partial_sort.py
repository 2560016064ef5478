"""The first of many in order; which of equal ones are first is compared with Redis in the agreement tests."""

from __future__ import annotations

from random import Random

import pytest

from twisted_kv.values.partial_sort import first_in_order


@pytest.mark.parametrize("size", [0, 1, 2, 6, 7, 8, 39, 41, 300])
@pytest.mark.parametrize("different", [1, 2, 5, 1000])
@pytest.mark.parametrize("descending", [False, True])
def test_the_first_are_in_order(size: int, different: int, descending: bool) -> None:
    random = Random(size)
    items = [(random.randrange(different), number) for number in range(size)]
    for count in {0, 1, size // 2, size - 1, size, size + 1} - {-1}:
        found = first_in_order(items, count, lambda item: item[0], descending=descending)
        assert len(set(found)) == len(found)
        assert [item[0] for item in found] == sorted((item[0] for item in items), reverse=descending)[:count]


def test_all_that_are_equal_stay_as_they_are_if_all_are_wanted() -> None:
    items = [(number % 3, number) for number in range(50)]
    assert first_in_order(items, 50, lambda item: item[0]) == sorted(items)
