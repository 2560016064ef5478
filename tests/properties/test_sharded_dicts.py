"""Generated cases for the table: a dict that can be walked while it changes."""

from __future__ import annotations

from random import Random
from typing import Iterator
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from twisted_kv.values import sharded as module
from twisted_kv.values.sharded import ShardedDict

SHARD_SIZE = 4
NUMBERS = st.integers(0, 120)
COUNTS = st.integers(1, 40)


def name(number: int) -> bytes:
    return b"key:%d" % number


class TableMachine(RuleBasedStateMachine):
    """A table beside a dict, and walks that were begun and go on while keys come and go."""

    def __init__(self) -> None:
        super().__init__()
        # Shards so small that a few keys cut and join them.
        self.patches = mock.patch.multiple(
            module, SHARD_SIZE=SHARD_SIZE, _FILLED=3, _NEARLY_EMPTY=1, _EMPTY_SHARDS_PER_STEP=2
        )
        self.patches.start()
        self.table: ShardedDict[int] = ShardedDict()
        self.model: dict[bytes, int] = {}
        self.cursor = 0
        self.walking = False
        self.stayed: set[bytes] = set()
        self.seen: list[bytes] = []

    def teardown(self) -> None:
        self.patches.stop()

    @initialize(count=st.sampled_from([0, 1, 60]), expected=st.sampled_from([0, 1, 7, 60, 300]))
    def fill(self, count: int, expected: int) -> None:
        self.table = ShardedDict(expected)
        for number in range(count):
            self.set(number, number)

    @rule(numbers=st.lists(NUMBERS, max_size=20), value=st.integers(0, 9))
    def add_all(self, numbers: list[int], value: int) -> None:
        keys = [name(number) for number in numbers]
        seen: dict[bytes, int] = {}
        for key in keys:
            if key in self.model or key in seen:
                break
            seen[key] = value
        assert self.table.add_all(keys, [value] * len(keys)) is (len(seen) == len(keys))
        self.model.update(seen)

    @rule(number=NUMBERS, value=st.integers(0, 9))
    def set(self, number: int, value: int) -> None:
        key = name(number)
        assert self.table.set(key, value) == self.model.get(key)
        self.model[key] = value

    @rule(number=NUMBERS)
    def pop(self, number: int) -> None:
        self.stayed.discard(name(number))
        assert self.table.pop(name(number)) == self.model.pop(name(number), None)

    @rule(start=NUMBERS)
    def set_many(self, start: int) -> None:
        for number in range(start, start + 40):
            self.set(number, number)

    @rule(start=NUMBERS)
    def pop_many(self, start: int) -> None:
        for number in range(start, start + 60):
            self.pop(number)

    @precondition(lambda self: not self.walking)
    @rule()
    def begin_walk(self) -> None:
        self.walking = True
        self.cursor = 0
        self.stayed = set(self.model)
        self.seen = []

    @precondition(lambda self: self.walking)
    @rule(count=COUNTS)
    def step(self, count: int) -> None:
        self.cursor, items = self.table.scan(self.cursor, count)
        assert all(self.model[key] == value for key, value in items)
        self.seen += [key for key, _ in items]
        if self.cursor == 0:
            self.end_walk()

    @precondition(lambda self: self.walking)
    @rule(count=COUNTS)
    def finish(self, count: int) -> None:
        while self.walking:
            self.step(count)

    def end_walk(self) -> None:
        self.walking = False
        assert self.stayed <= set(self.seen)
        assert not [key for key in self.stayed if self.seen.count(key) != 1]

    @rule(number=NUMBERS)
    def look_up(self, number: int) -> None:
        assert self.table.get(name(number)) == self.model.get(name(number))
        assert (name(number) in self.table) is (name(number) in self.model)

    @rule(seed=st.integers(0, 5))
    def draw(self, seed: int) -> None:
        key = self.table.random_key(Random(seed))
        assert key in self.model or (key is None and not self.model)

    @invariant()
    def holds_what_the_dict_holds(self) -> None:
        assert len(self.table) == len(self.model)
        assert sorted(self.table.items()) == sorted(self.model.items())
        assert sorted(self.table) == sorted(self.model)
        assert sorted(self.table.values()) == sorted(self.model.values())


TestTableIsADictThatCanBeWalked = TableMachine.TestCase


@pytest.fixture(scope="module")
def small_shards() -> Iterator[None]:
    with mock.patch.multiple(module, SHARD_SIZE=32, _NEARLY_EMPTY=4):
        yield


@given(
    numbers=st.sets(st.integers(0, 400), min_size=1, max_size=200),
    gone=st.sets(st.integers(0, 400)),
    seed=st.integers(0, 2**32),
)
def test_every_key_can_be_drawn_and_only_those_that_are_there(
    small_shards: None, numbers: set[int], gone: set[int], seed: int
) -> None:
    table: ShardedDict[int] = ShardedDict()
    for number in numbers:
        table.set(name(number), number)
    for number in gone:
        table.pop(name(number))
    left = {name(number) for number in numbers - gone}
    random = Random(seed)
    drawn = {table.random_key(random) for _ in range(25 * len(left))}
    assert drawn <= left
    # Each key is missed with probability exp(-25): never, unless some key has no seat.
    assert len(drawn) == len(left)


@given(numbers=st.lists(st.integers(0, 100_000), min_size=1, max_size=400), count=st.integers(1, 1000))
def test_a_walk_over_a_table_at_rest_gives_each_key_once_in_any_steps(
    small_shards: None, numbers: list[int], count: int
) -> None:
    table: ShardedDict[int] = ShardedDict()
    for number in numbers:
        table.set(name(number), number)
    walked: list[bytes] = []
    cursor, items = table.scan(0, count)
    walked += [key for key, _ in items]
    while cursor:
        cursor, items = table.scan(cursor, count)
        walked += [key for key, _ in items]
    assert sorted(walked) == sorted(table)
