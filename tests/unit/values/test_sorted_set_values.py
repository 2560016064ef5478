"""Sets and sorted sets: what Redis packs, and which members are in a range."""

from __future__ import annotations

import math
from typing import Any

import pytest

from twisted_kv.values.hashes import Hash
from twisted_kv.values.packing import DEFAULTS
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import ScoreRange, SortedSet, TextRange, add_scores

MOST = 1.7976931348623157e308
LEAST = 5e-324


def sorted_set(**scores: float) -> SortedSet:
    value = SortedSet()
    value.update((member.encode(), score) for member, score in scores.items())
    return value


def names(value: SortedSet, places: tuple[int, int]) -> str:
    return "".join(member.decode() for _, member in value.slice(*places))


EDGES = sorted_set(a=-math.inf, b=-MOST, c=-LEAST, d=0.0, e=LEAST, f=MOST, g=math.inf)


@pytest.mark.parametrize(
    ("low", "high", "without", "found"),
    [
        (-math.inf, math.inf, "", "abcdefg"),
        (-math.inf, math.inf, "low", "bcdefg"),
        (-math.inf, math.inf, "high", "abcdef"),
        (-math.inf, math.inf, "low high", "bcdef"),
        (math.inf, math.inf, "", "g"),
        (math.inf, math.inf, "low", ""),
        (math.inf, math.inf, "high", ""),
        (-math.inf, -math.inf, "", "a"),
        (-math.inf, -math.inf, "low", ""),
        (-math.inf, -math.inf, "high", ""),
        (math.inf, -math.inf, "", ""),
        (-MOST, MOST, "", "bcdef"),
        (-MOST, MOST, "low high", "cde"),
        (MOST, math.inf, "low", "g"),
        (-math.inf, -MOST, "high", "a"),
        (0.0, 0.0, "", "d"),
        (-0.0, 0.0, "", "d"),
        (0.0, -0.0, "", "d"),
        (0.0, 0.0, "low", ""),
        (0.0, LEAST, "low", "e"),
        (-LEAST, LEAST, "low high", "d"),
        (1.0, -1.0, "", ""),
    ],
)
def test_a_range_of_scores_has_what_is_in_it(low: float, high: float, without: str, found: str) -> None:
    wanted = ScoreRange(low, high, without_low="low" in without, without_high="high" in without)
    assert names(EDGES, wanted.ranks(EDGES)) == found
    assert wanted.ranks(SortedSet()) == (0, 0)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (TextRange(None, None), "abcde"),
        (TextRange(b"b", b"d"), "bcd"),
        (TextRange(b"b", b"d", without_low=True), "cd"),
        (TextRange(b"b", b"d", without_high=True), "bc"),
        (TextRange(b"b", b"b"), "b"),
        (TextRange(b"b", b"b", without_low=True), ""),
        (TextRange(b"d", b"b"), ""),
        (TextRange(None, b"b"), "ab"),
        (TextRange(b"bb", None), "cde"),
        (TextRange(b"", b"\xff"), "abcde"),
        (TextRange(None, None, low_is_last=True), ""),
        (TextRange(None, None, high_is_first=True), ""),
        (TextRange(b"x", None), ""),
        (TextRange(None, b"A"), ""),
    ],
)
def test_a_range_of_texts_has_what_is_in_it(wanted: TextRange, found: str) -> None:
    value = sorted_set(a=1, b=1, c=1, d=1, e=1)
    assert names(value, wanted.ranks(value)) == found
    assert names(value, wanted.ranks(value, reverse=True)) == found
    assert wanted.ranks(SortedSet()) == wanted.ranks(SortedSet(), reverse=True) == (0, 0)


def test_members_of_one_score_are_in_the_order_of_their_bytes() -> None:
    value = sorted_set(b=2, a=2, c=1)
    value.put(b"", 2)
    value.put(b"\xff", 2)
    assert [member for _, member in value.order] == [b"c", b"", b"a", b"b", b"\xff"]
    assert [value.rank(member) for member in (b"c", b"", b"\xff", b"nope")] == [0, 1, 4, None]


def test_a_score_of_zero_keeps_the_sign_that_it_had() -> None:
    value = SortedSet()
    value.put(b"long" * 20, 1)  # so it is not packed, where there is no sign
    assert value.put(b"m", -0.0) is None
    assert repr(value.put(b"m", 0.0)) == "-0.0"
    assert repr(value.get(b"m")) == repr(value.order[0][0]) == "-0.0"


def test_infinities_that_cancel_each_other_out_are_zero() -> None:
    assert add_scores(math.inf, -math.inf) == 0
    assert add_scores(math.inf, 1) == math.inf


@pytest.mark.parametrize("count", [1, 500, 5000])
def test_a_sorted_set_that_nobody_uses_is_released_in_parts(count: int) -> None:
    value = SortedSet()
    value.fill({b"%d" % place: float(place) for place in range(count)})
    shards = value.freeze()
    parts = list(iter(value.release, None))
    assert len(parts) > count // 2000
    assert value.release() is None
    assert sum(map(len, shards)) == count


def test_a_sorted_set_is_packed_until_it_is_large_once() -> None:
    for count in (DEFAULTS.zset_max_listpack_entries, DEFAULTS.zset_max_listpack_entries + 1):
        scores = {b"%d" % place: 1.0 for place in range(count)}
        put, filled = SortedSet(), SortedSet()
        put.update(scores.items())
        filled.fill(scores)
        assert put.is_packed is filled.is_packed is (count == DEFAULTS.zset_max_listpack_entries)
        put.remove(b"0")
        assert put.is_packed is put.copy().is_packed is filled.is_packed
    for size in (DEFAULTS.zset_max_listpack_value, DEFAULTS.zset_max_listpack_value + 1):
        value = SortedSet()
        value.put(b"m" * size, 1)
        assert value.is_packed is (size == DEFAULTS.zset_max_listpack_value)
        value.remove(b"m" * size)
        assert value.is_packed is (size == DEFAULTS.zset_max_listpack_value)


@pytest.mark.parametrize("gone", [(0, 1), (0, 1000), (1, 900), (400, 405), (500, 1000), (7, 7)])
def test_a_part_is_removed_few_or_many_at_once(gone: tuple[int, int]) -> None:
    value, left = SortedSet(), [(float(place // 3), b"%d" % place) for place in range(1000)]
    value.fill({member: score for score, member in left})
    left.sort()
    shards = value.freeze()
    assert value.remove_slice(*gone) == left[slice(*gone)]
    del left[slice(*gone)]
    assert list(value.order) == left
    assert dict(value.items()) == {member: score for score, member in left}
    assert sum(map(len, shards)) == 1000  # a snapshot sees nothing of it
    value.remove_slice(0, len(value))
    assert value.memory == SortedSet().memory


def test_in_a_large_set_of_different_scores_a_range_of_members_is_searched_for() -> None:
    value = SortedSet()
    value.fill({b"%04d" % place: float(place) for place in range(1000)})
    assert TextRange(b"0100", b"0200").ranks(value) == (100, 201)
    assert TextRange(b"0100", b"0200", without_low=True, without_high=True).ranks(value) == (101, 200)
    assert TextRange(None, b"00995").ranks(value, 3) == (3, 100)
    assert TextRange(b"0990", None).ranks(value, 3, reverse=True) == (990, 997)


@pytest.mark.parametrize("kind", [Hash, Set, SortedSet])
def test_a_copy_is_equal_and_goes_its_own_way(kind: type[Hash | Set | SortedSet]) -> None:
    value: Any = kind()
    for place in range(3000):
        put(value, b"%d" % place)
    for place in range(2500):  # so that shards are joined, of which some stand in several places
        take_out(value, b"%d" % place)
    value.freeze()
    copy = value.copy()
    model = dict(value.items())
    assert (dict(copy.items()), len(copy), copy.memory) == (model, 500, value.memory)
    for place in range(2500, 4000):
        put(copy, b"%d" % (place + 500))
        take_out(copy, b"%d" % place)
    assert dict(value.items()) == model
    assert len(copy) == len(list(copy)) == 500
    if isinstance(value, SortedSet):
        assert [member for _, member in value.order] == sorted(model)
        assert [member for _, member in copy.order] == sorted(copy)


def put(value: Any, key: bytes) -> None:
    if isinstance(value, Hash):
        value.set(key, key)
    elif isinstance(value, Set):
        value.add(key)
    else:
        value.put(key, 1.0)


def take_out(value: Any, key: bytes) -> None:
    if isinstance(value, Hash):
        value.pop(key)
    else:
        value.remove(key)


def test_a_set_is_packed_while_it_has_few_numbers_only() -> None:
    value = Set()
    value.update(b"%d" % place for place in range(DEFAULTS.set_max_intset_entries))
    assert value.is_packed
    assert value.copy().is_packed
    value.add(b"0")
    assert value.is_packed
    value.add(b"512")
    assert not value.is_packed
    value.remove(b"512")
    assert not value.is_packed
    assert not value.copy().is_packed
    for member in (b"a", b"007", b"-0", b"", b"9223372036854775808", b"1.0"):
        value = Set()
        value.update([b"1", member])
        assert not value.is_packed, member
    value = Set()
    value.update([b"9223372036854775807", b"-9223372036854775808", b"0"])
    assert value.is_packed
