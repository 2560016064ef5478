"""Generated cases for the values that are tables, hashes, sets and sorted sets: each is like what Python has."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twisted_kv.values import sharded
from twisted_kv.values.hashes import Hash
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import ScoreRange, SortedSet, TextRange, add_scores

MEMBERS = st.integers(0, 60).map(lambda number: b"%d" % number if number % 3 else b"m" * number)
SCORES = st.one_of(
    st.integers(-3, 3).map(float),
    st.sampled_from([0.0, -0.0, math.inf, -math.inf, 5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308]),
    st.floats(allow_nan=False),
)
PLACES = st.integers(0, 1 << 30)


class TableMachine(RuleBasedStateMachine):
    """A hash, a set and a sorted set of very small shards, and two dicts; now and then they are frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = mock.patch.multiple(sharded, SHARD_SIZE=4, _NEARLY_EMPTY=1)
        self.patch.start()
        self.hash, self.set, self.sorted_set = Hash(), Set(), SortedSet()
        self.texts: dict[bytes, bytes] = {}
        self.scores: dict[bytes, float] = {}
        self.frozen: tuple[Any, ...] | None = None

    def teardown(self) -> None:
        self.patch.stop()

    @property
    def order(self) -> list[tuple[float, bytes]]:
        return sorted((score, member) for member, score in self.scores.items())

    @rule(members=st.lists(MEMBERS, max_size=20), text=st.sampled_from([b"", b"v", b"w" * 30]), score=SCORES)
    def put(self, members: list[bytes], text: bytes, score: float) -> None:
        for member in members:
            assert self.hash.set(member, text) == self.texts.get(member)
            assert self.set.add(member) is (member not in self.scores)
            before = self.scores.get(member)
            assert self.sorted_set.put(member, score) == before
            self.texts[member] = text
            if before != score:
                self.scores[member] = score

    @rule(scores=st.dictionaries(MEMBERS, SCORES, max_size=20))
    def put_many(self, scores: dict[bytes, float]) -> None:
        self.sorted_set.update(scores.items())
        self.set.update(scores)
        for member, score in scores.items():
            self.hash.set(member, b"many")
            self.texts[member] = b"many"
            if self.scores.get(member) != score:
                self.scores[member] = score

    @rule(members=st.lists(MEMBERS, max_size=20))
    def remove(self, members: list[bytes]) -> None:
        for member in members:
            assert self.hash.pop(member) == self.texts.pop(member, None)
            assert self.set.remove(member) is (member in self.scores)
            assert self.sorted_set.remove(member) == self.scores.pop(member, None)

    @rule(start=PLACES, stop=PLACES)
    def remove_slice(self, start: int, stop: int) -> None:
        start, stop = start % (len(self.scores) + 1), stop % (len(self.scores) + 1)
        gone = self.order[start:stop]
        assert self.sorted_set.remove_slice(start, stop) == gone
        for _, member in gone:
            self.set.remove(member)
            self.hash.pop(member)
            del self.scores[member], self.texts[member]

    @rule(start=PLACES, stop=PLACES, member=MEMBERS)
    def look(self, start: int, stop: int, member: bytes) -> None:
        start, stop = start % (len(self.scores) + 1), stop % (len(self.scores) + 1)
        some = self.order[start:stop]
        assert list(self.sorted_set.slice(start, stop)) == some
        assert list(self.sorted_set.slice(start, stop, reverse=True)) == some[::-1]
        names = [name for _, name in self.order]
        assert self.sorted_set.rank(member) == (names.index(member) if member in names else None)

    @rule()
    def copy(self) -> None:
        hash_, set_, sorted_set = self.hash.copy(), self.set.copy(), self.sorted_set.copy()
        assert (hash_.memory, set_.memory) == (self.hash.memory, self.set.memory)
        assert sorted_set.memory == self.sorted_set.memory
        assert list(sorted_set.order) == self.order
        hash_.set(b"own", b"v")
        set_.add(b"own")
        sorted_set.put(b"own", 1.0)
        assert [len(each) for each in (hash_, set_, sorted_set)] == [len(self.scores) + 1] * 3

    @precondition(lambda self: self.frozen is None)
    @rule()
    def freeze(self) -> None:
        pieces = self.hash.freeze(), self.set.freeze(), self.sorted_set.freeze()
        self.frozen = (*pieces, self.texts.copy(), self.scores.copy())

    @precondition(lambda self: self.frozen is not None)
    @rule()
    def thaw(self) -> None:
        for each in (self.hash, self.set, self.sorted_set):
            each.thaw()
        self.frozen = None

    @invariant()
    def they_are_like_the_others(self) -> None:
        assert dict(self.hash.items()) == self.texts
        assert sorted(self.set) == sorted(self.scores)
        assert dict(self.sorted_set.items()) == self.scores
        assert list(self.sorted_set.order) == self.order
        assert all(repr(self.sorted_set.get(member)) == repr(score) for score, member in self.sorted_set.order)
        fresh = SortedSet()
        fresh.fill(self.scores)
        assert fresh.memory == self.sorted_set.memory
        assert list(fresh.order) == self.order
        if self.frozen is not None:
            hash_, set_, sorted_set, texts, scores = self.frozen
            assert _joined(hash_) == texts
            assert _joined(set_) == dict.fromkeys(scores, True)
            assert _joined(sorted_set) == scores


def _joined(shards: list[dict[bytes, Any]]) -> dict[bytes, Any]:
    """Give what several shards have, each key in one of them."""
    joined = {key: value for shard in shards for key, value in shard.items()}
    assert len(joined) == sum(map(len, shards))
    return joined


TestTables = TableMachine.TestCase


scores = st.dictionaries(MEMBERS, SCORES, max_size=30)
bounds = st.one_of(SCORES, st.integers(-3, 3).map(float))


def sorted_set_of(scores: dict[bytes, float]) -> SortedSet:
    value = SortedSet()
    value.fill(scores)
    return value


@given(scores=scores, low=bounds, high=bounds, without_low=st.booleans(), without_high=st.booleans())
def test_a_range_of_scores_has_what_is_in_it(
    scores: dict[bytes, float], low: float, high: float, without_low: bool, without_high: bool
) -> None:
    value = sorted_set_of(scores)
    start, stop = ScoreRange(low, high, without_low=without_low, without_high=without_high).ranks(value)
    expected = [
        (score, member)
        for score, member in value.order
        if (score > low if without_low else score >= low) and (score < high if without_high else score <= high)
    ]
    assert list(value.slice(start, stop)) == expected
    assert stop - start == len(expected) or not expected


texts = st.sampled_from([b"", b"1", b"2", b"22", b"m", b"mm" * 9, b"m" * 60, b"\xff"])


@given(
    members=st.sets(MEMBERS, max_size=30),
    low=st.none() | texts,
    high=st.none() | texts,
    without_low=st.booleans(),
    without_high=st.booleans(),
    low_is_last=st.booleans(),
    high_is_first=st.booleans(),
)
def test_a_range_of_texts_has_what_is_in_it_among_members_of_one_score(
    members: set[bytes],
    low: bytes | None,
    high: bytes | None,
    without_low: bool,
    without_high: bool,
    low_is_last: bool,
    high_is_first: bool,
) -> None:
    low_is_last, high_is_first = low_is_last and low is None, high_is_first and high is None
    value = sorted_set_of(dict.fromkeys(members, 1.5))
    wanted = TextRange(
        low,
        high,
        without_low=without_low,
        without_high=without_high,
        low_is_last=low_is_last,
        high_is_first=high_is_first,
    )
    expected = [
        member
        for member in sorted(members)
        if not low_is_last
        and not high_is_first
        and (low is None or (member > low if without_low else member >= low))
        and (high is None or (member < high if without_high else member <= high))
    ]
    for start, stop in (wanted.ranks(value), wanted.ranks(value, reverse=True)):
        assert [member for _, member in value.slice(start, stop)] == expected


@given(scores=scores, low=st.none() | texts, high=st.none() | texts, first=st.booleans(), last=st.booleans())
def test_a_range_of_texts_among_different_scores_is_a_part_of_the_order(
    scores: dict[bytes, float], low: bytes | None, high: bytes | None, first: bool, last: bool
) -> None:
    value = sorted_set_of(scores)
    wanted = TextRange(low, high, without_low=first, without_high=last)
    for start, stop in (wanted.ranks(value), wanted.ranks(value, reverse=True)):
        assert 0 <= start <= stop <= len(value)


@given(first=SCORES, second=SCORES)
def test_a_sum_of_scores_is_always_a_number(first: float, second: float) -> None:
    total = add_scores(first, second)
    assert not math.isnan(total)
    assert total == first + second or (math.isinf(first) and first == -second)
