"""The table of small dicts: a mapping that is walked in steps while it changes."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Iterator

import pytest

from twisted_kv.values import sharded as module
from twisted_kv.values.hashes import Hash
from twisted_kv.values.sharded import ShardedDict


def filled(count: int) -> ShardedDict[int]:
    table: ShardedDict[int] = ShardedDict()
    for number in range(count):
        table.set(b"%d" % number, number)
    return table


def walk(table: ShardedDict[int], count: int) -> Iterator[bytes]:
    cursor = 0
    while True:
        cursor, items = table.scan(cursor, count)
        yield from (key for key, _ in items)
        if not cursor:
            return


@pytest.fixture
def tiny_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD_SIZE", 8)
    monkeypatch.setattr(module, "_NEARLY_EMPTY", 2)


def test_setting_gives_what_the_key_had() -> None:
    table: ShardedDict[int] = ShardedDict()
    assert table.set(b"k", 1) is None
    assert table.set(b"k", 2) == 1
    assert table.get(b"k") == 2
    assert len(table) == 1
    assert b"k" in table
    assert b"other" not in table


def test_popping_gives_the_value_once() -> None:
    table = filled(3)
    assert table.pop(b"1") == 1
    assert table.pop(b"1") is None
    assert table.get(b"1") is None
    assert len(table) == 2


def test_a_value_that_is_empty_is_a_value() -> None:
    fields = Hash()
    fields.set(b"f", b"")
    assert fields.get(b"f") == b""
    assert fields.pop(b"f") == b""
    assert len(fields) == 0


@pytest.mark.parametrize("count", [0, 1, 512, 513, 5000])
def test_all_items_are_given_once_whatever_the_size(count: int) -> None:
    table = filled(count)
    expected = {b"%d" % number: number for number in range(count)}
    assert Counter(table) == Counter(expected.keys())
    assert sorted(table.items()) == sorted(expected.items())
    assert sorted(table.values()) == sorted(expected.values())


@pytest.mark.parametrize("step", [1, 10, 511, 100_000])
def test_a_walk_over_a_table_at_rest_gives_each_key_once(step: int) -> None:
    assert Counter(walk(filled(2000), step)) == Counter(b"%d" % number for number in range(2000))


def test_a_walk_over_an_empty_table_ends_at_once() -> None:
    assert ShardedDict().scan(0, 10) == (0, [])


@pytest.mark.parametrize("cursor", [1, 12345, 2**52 - 1, 2**52, 2**64 - 1])
def test_any_number_is_taken_as_a_cursor(cursor: int) -> None:
    table = filled(2000)
    following, items = table.scan(cursor, 10)
    assert following >= 0
    assert all(table.get(key) == value for key, value in items)


def test_a_step_gives_about_what_was_asked_for_and_never_stalls() -> None:
    cursor, items = filled(5000).scan(0, 10)
    assert cursor
    assert len(items) == 10


def test_a_walk_finds_the_one_key_that_is_left_of_many(tiny_shards: None) -> None:
    table = filled(10_000)
    stay = next(iter(table))
    for key in list(table):
        if key != stay:
            table.pop(key)
    assert list(walk(table, 1)) == [stay]


@pytest.mark.pure
def test_a_step_ends_after_a_number_of_empty_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD_SIZE", 4)
    monkeypatch.setattr(module, "_NEARLY_EMPTY", -1)  # nothing is joined
    table = filled(4000)
    for key in list(table):
        table.pop(key)
    cursor, items = table.scan(0, 1)
    assert cursor != 0
    assert items == []
    assert list(walk(table, 1)) == []


@pytest.mark.pure
def test_keys_that_share_a_position_are_given_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "position", lambda key: 7)
    table = filled(20)
    cursor, items = table.scan(0, 5)
    assert len(items) == 20
    assert table.scan(cursor, 5) == (0, [])


def test_a_table_grows_and_shrinks_back_to_one_shard() -> None:
    table = filled(20_000)
    assert len(table.shards) > 16
    for number in range(20_000):
        assert table.pop(b"%d" % number) == number
    assert len(table) == 0
    assert len(table.shards) <= 2
    assert list(table) == []


def test_a_table_that_shrank_grows_again() -> None:
    table = filled(5000)
    for number in range(4900):
        table.pop(b"%d" % number)
    for number in range(4900):
        table.set(b"%d" % number, number)
    assert Counter(walk(table, 50)) == Counter(b"%d" % number for number in range(5000))


@pytest.mark.pure
def test_no_shard_stays_much_fuller_than_it_may(tiny_shards: None) -> None:
    table = filled(3000)
    assert max(map(len, table._each_shard())) <= 2 * 8
    assert all(table.get(b"%d" % number) == number for number in range(3000))


def test_keys_whose_hashes_cannot_be_parted_are_kept_all_the_same(
    tiny_shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_DEPTH", 2)
    table = filled(200)
    assert len(table.shards) <= 4
    assert all(table.get(b"%d" % number) == number for number in range(200))


def test_a_random_key_of_an_empty_table_is_none() -> None:
    assert ShardedDict().random_key(Random(1)) is None


@pytest.mark.parametrize("count", [1, 7, 700])
def test_random_keys_are_drawn_evenly(count: int) -> None:
    table = filled(count)
    random = Random(5)
    draws = 30 * count
    drawn = Counter(table.random_key(random) for _ in range(draws))
    assert set(drawn) == set(table)
    assert max(drawn.values()) <= 3 * 30
    # The sum of squared deviations follows chi-square: its mean is count - 1, its variance twice that.
    chi_square = sum((times - 30) ** 2 / 30 for times in drawn.values())
    assert chi_square <= count + 6 * (2 * count) ** 0.5


def test_keys_of_a_shard_that_was_cut_less_often_are_drawn_as_often() -> None:
    table = filled(20_000)
    stay = {b"%d" % number for number in range(0, 20_000, 100)}
    for key in list(table):
        if key not in stay and key[-1:] != b"7":
            table.pop(key)
    random = Random(6)
    left = len(table)
    drawn = Counter(table.random_key(random) for _ in range(20 * left))
    chi_square = sum((drawn[key] - 20) ** 2 / 20 for key in table)
    assert chi_square <= left + 6 * (2 * left) ** 0.5


def test_a_table_is_released_shard_by_shard() -> None:
    table = filled(5000)
    shards = sum(1 for _ in table._each_shard())
    released = []
    while (part := table.release()) is not None:
        released.append(part)
    assert len(released) == shards
    assert sum(map(len, released)) == 5000
    assert list(table) == []


def test_a_step_leaves_out_what_the_walk_has_passed_though_its_shard_was_joined() -> None:
    table: ShardedDict[int] = ShardedDict()
    for number in range(2 * module.SHARD_SIZE):
        table.set(b"%d" % number, number)
    cursor, first = table.step(0)
    left = [*list(first)[:10], *[key for key in table if key not in first][-10:]]
    passed = set(left[:10])
    for key in list(table):
        if key not in left:
            table.pop(key)
    assert len(table.shards) == 1
    seen: set[bytes] = set()
    while cursor:
        cursor, items = table.step(cursor)
        seen |= items.keys()
    assert seen == set(left) - passed
