"""Large values are let go of in small steps, each of which tells how much it was."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.store.expiry import Expiry
from twisted_kv.values.consumer_groups import Consumer, ConsumerGroup, Pending
from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List
from twisted_kv.values.long_strings import CHUNK, LongString
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.values.streams import Stream

COUNT = 5_000
MOST_AT_ONCE = 2_000


def a_hash() -> Hash:
    value = Hash()
    for number in range(COUNT):
        value.set(b"%d" % number, b"v")
    return value


def a_set() -> Set:
    value = Set()
    value.update(b"%d" % number for number in range(COUNT))
    return value


def a_sorted_set() -> SortedSet:
    value = SortedSet()
    value.fill({b"%d" % number: float(number) for number in range(COUNT)})
    return value


def a_stream() -> Stream:
    value = Stream()
    group = ConsumerGroup(0, 0)
    value.add_group(b"g", group)
    consumer = group.consumers[b"c"] = Consumer(b"c", 0)
    for number in range(1, COUNT + 1):
        value.append(number, (b"f", b"v"))
        group.give(number, consumer, 0)
    return value


def deadlines() -> Expiry:
    value = Expiry(lambda deadline: None)
    for number in range(COUNT):
        value.add(b"%d" % number, number)
    return value


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (a_hash(), COUNT),
        (a_set(), COUNT),
        (a_sorted_set(), 2 * COUNT),
        (a_stream(), 2 * COUNT),
        (deadlines(), COUNT),
        (List(b"%d" % number for number in range(COUNT)), COUNT),
        (LongString(bytes(1000 * CHUNK)), 1000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_goes_in_steps_that_are_counted(value: Any, parts: int) -> None:
    steps = []
    while (gone := value.release()) is not None:
        steps.append(len(gone))
    assert sum(steps) == parts
    assert 0 < max(steps) <= MOST_AT_ONCE
    assert value.release() is None


def test_what_is_pending_for_nobody_is_let_go_of_too() -> None:
    stream = Stream()
    group = stream.groups[b"g"] = ConsumerGroup(0, 0)
    group.pending[1 << 64] = Pending(None, 0, 1)
    assert group.forget(1 << 64)
    assert not group.forget(1 << 64)
    group.pending[1 << 64] = Pending(None, 0, 1)
    while stream.release() is not None:
        pass
    assert not stream.groups
