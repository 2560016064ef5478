"""Streams: nodes and their bytes, and what is known of how far a group has read."""

from __future__ import annotations

import pytest

from tests.rdb.cases import NUMBERS, SIZES
from tests.rdb.reading import plain
from twisted_kv.rdb.packed import write_listpack
from twisted_kv.values.consumer_groups import UNKNOWN, Consumer, ConsumerGroup
from twisted_kv.values.packing import DEFAULTS
from twisted_kv.values.stream_nodes import LAST_ID, difference, id_parts, id_text, make_id, number_size, packed_size
from twisted_kv.values.streams import Stream

LIMIT = (1 << 64) - 1

FULL = DEFAULTS.stream_node_max_entries


def stream_of(*entry_ids: int) -> Stream:
    value = Stream()
    for entry_id in entry_ids:
        value.append(entry_id, (b"f", b"v"))
    return value


def ids(value: Stream) -> list[int]:
    return [entry_id for entry_id, _ in value.range(0, LAST_ID)]


def trim(value: Stream, *, length: int | None = None, least: int = 0, about: bool = False, limit: int = 0) -> int:
    return value.trim(length=length, least=least, approximately=about, limit=limit)


@pytest.mark.parametrize("parts", [(0, 0), (0, 1), (5, LIMIT), (LIMIT, 0), (LIMIT, LIMIT)])
def test_an_identity_is_put_together_and_taken_apart(parts: tuple[int, int]) -> None:
    entry_id = make_id(*parts)
    assert id_parts(entry_id) == parts
    assert id_text(entry_id) == b"%d-%d" % parts


@pytest.mark.parametrize(
    ("number", "start", "found"),
    [(0, 0, 0), (5, 7, -2), (LIMIT, 0, -1), (0, LIMIT, 1), (1 << 63, 0, -(1 << 63)), ((1 << 63) - 1, 0, (1 << 63) - 1)],
)
def test_a_difference_is_told_in_64_bits_with_a_sign(number: int, start: int, found: int) -> None:
    assert difference(number, start) == found
    assert (start + found) & LIMIT == number


def test_the_bytes_of_an_entry_are_those_that_a_listpack_takes() -> None:
    empty = len(write_listpack([]))
    for number in (*NUMBERS, LIMIT >> 1, -1, -5000, 1 << 40):
        assert number_size(number) == packed_size(b"%d" % number) == len(write_listpack([b"%d" % number])) - empty
    texts = [b"007", b"-0", b"-", b"", b" 1", b"9223372036854775808", b"1" * 21]
    for size in (*SIZES, 61, 62, 63, 64, 125, 126, 127, 16377, 16378, 16379, (1 << 21) - 6, (1 << 21) - 5):
        texts.append(b"v" * size)
    for text in texts:
        assert packed_size(text) == len(write_listpack([text])) - empty, len(text)


def test_deleted_entries_count_until_a_node_is_full() -> None:
    value = Stream()
    for entry_id in range(1, FULL + 1):
        value.append(entry_id, (b"f", b""))
        if entry_id > 1:
            assert value.delete([entry_id])
    assert (value.nodes, len(value)) == (1, 1)
    value.append(FULL + 1, (b"f", b""))
    assert (value.nodes, len(value)) == (2, 2)


def test_a_node_goes_with_its_last_entry_that_is_deleted() -> None:
    value = stream_of(*range(1, FULL + 2))
    assert value.nodes == 2
    for entry_id in range(FULL, 0, -1):
        assert value.delete([entry_id])
        assert not value.delete([entry_id])
    assert (value.nodes, value.first_id, value.deleted_id) == (
        1,
        FULL + 1,
        FULL,
    )
    assert value.delete([FULL + 1])
    assert (value.nodes, value.first_id, len(value)) == (0, 0, 0)
    assert value
    assert value.last_id == value.deleted_id == value.entries_added == FULL + 1


def test_a_node_without_entries_stays_where_deleted_ones_are_behind_them() -> None:
    """Redis writes such a node into its files: one was once refused, and taken away here."""
    value = stream_of(1, 2, 3)
    value.delete([3])
    assert trim(value, least=3) == 2
    assert (value.nodes, len(value), value.first_id) == (1, 0, 0)
    value.append(4, (b"f", b"v"))
    assert (value.nodes, value.first_id, ids(value)) == (1, 4, [4])
    assert list(value.range(0, LAST_ID, reverse=True)) == [(4, (b"f", b"v"))]
    assert value.get(1) is None
    assert trim(value, length=0) == 1
    assert value.nodes == 0


def test_whole_nodes_are_trimmed_approximately() -> None:
    value = stream_of(*range(1, 251))
    assert trim(value, length=200, about=True) == 0
    assert trim(value, length=149, about=True, limit=99) == 0
    assert trim(value, length=149, about=True, limit=100) == 100
    assert value.first_id == 101
    assert trim(value, least=201, about=True, limit=0) == 100
    assert trim(value, least=250, about=True) == 0
    assert trim(value, least=250) == 49
    assert ids(value) == [250]
    assert trim(value, length=5) == 0
    assert trim(value, least=LAST_ID, about=True) == 1


def test_a_range_that_ends_before_it_begins_is_empty() -> None:
    value = stream_of(1, 2, 3)
    for reverse in (False, True):
        assert list(value.range(3, 2, reverse=reverse)) == []
        assert list(value.range(4, LAST_ID, reverse=reverse)) == []
        assert list(value.range(0, 0, reverse=reverse)) == []
    assert list(Stream().range(0, LAST_ID)) == list(Stream().range(0, LAST_ID, reverse=True)) == []


def test_how_much_a_group_lags_is_known_while_nothing_was_deleted_before_it() -> None:
    value = stream_of(1, 2, 3, 4)
    group = ConsumerGroup(0, 0)
    assert value.lag(group) == 4
    value.advance(group, 1)
    value.advance(group, 1)
    assert (group.last_id, group.entries_read, value.lag(group)) == (1, 1, 3)
    value.delete([3])
    assert value.lag(group) is None
    value.advance(group, 2)
    assert (group.entries_read, value.lag(group)) == (UNKNOWN, None)
    value.advance(group, 4)
    assert (group.entries_read, value.lag(group)) == (4, 0)
    assert value.lag(ConsumerGroup(2, UNKNOWN)) is None
    assert value.lag(ConsumerGroup(9, UNKNOWN)) is None
    assert Stream().lag(ConsumerGroup(0, UNKNOWN)) == 0


def test_how_much_a_group_read_stays_unknown_in_a_stream_that_does_not_count() -> None:
    """A file can tell so: it has entries, and none that were ever added."""
    value = stream_of(1, 2)
    value.entries_added = 0
    group = ConsumerGroup(0, UNKNOWN)
    value.advance(group, 1)
    assert (group.last_id, group.entries_read, value.lag(group)) == (1, UNKNOWN, 0)


def test_an_entry_belongs_to_one_consumer_of_a_group() -> None:
    group = ConsumerGroup(0, 0)
    first, second = (group.consumers.setdefault(name, Consumer(name, 0)) for name in (b"a", b"b"))
    group.give(5, first, 100)
    group.give(5, second, 200)
    assert list(first.pending) == []
    assert list(second.pending) == list(group.pending) == [5]
    assert (group.pending[5].consumer, group.pending[5].delivered, group.pending[5].count) == (second, 200, 1)
    assert group.forget(5)
    assert not group.forget(5)
    assert not second.pending


def test_the_memory_of_groups_is_counted_whichever_is_changed_when() -> None:
    value = stream_of(*range(1, 11))
    empty = value.memory
    for name in (b"a", b"b", b"c"):
        group = ConsumerGroup(0, 0)
        value.add_group(name, group)
        group.consumers[b"bob"] = Consumer(b"bob", 0)
    assert value.memory == empty + sum(group.memory for group in value.groups.values())
    for entry_id, name in enumerate((b"a", b"b", b"a", b"c", b"c"), 1):
        changing = value.group(name)
        assert changing is not None
        changing.give(entry_id, changing.consumers[b"bob"], 0)
        assert value.group(b"nope") is None
    assert value.memory == value.copy().memory == empty + sum(group.memory for group in value.groups.values())
    assert value.drop_group(b"a")
    assert not value.drop_group(b"a")
    for name in (b"b", b"c"):
        assert value.drop_group(name)
    assert value.memory == empty


def test_a_stream_that_nobody_uses_is_released_in_parts_and_a_frozen_one_is_not_lost() -> None:
    value = stream_of(*range(1, 1001))
    group = ConsumerGroup(1000, 1000)
    value.add_group(b"g", group)
    consumer = group.consumers[b"a"] = Consumer(b"a", 0)
    for entry_id in range(1, 1001):
        group.give(entry_id, consumer, 5)
    held = plain(value)
    pieces = value.freeze()
    parts = list(iter(value.release, None))
    assert len(parts) >= 20
    assert sum(len(node.ids) for node in pieces[:-1]) == 1000
    copied = Stream()
    for node in pieces[:-1]:
        assert copied.load(node)
    copied.set_state(pieces[-1])
    assert list(copied.groups[b"g"].pending) == list(range(1, 1001))
    assert held == plain(copied)
