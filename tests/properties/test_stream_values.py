"""Generated cases for the stream: it is like a list of entries, whatever is added to it, deleted and trimmed."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.rdb.reading import plain
from twisted_kv.rdb.payload import dump, restore
from twisted_kv.values.consumer_groups import Consumer, ConsumerGroup
from twisted_kv.values.packing import Packing
from twisted_kv.values.sizes import TABLE
from twisted_kv.values.stream_nodes import ENTRY_SIZE, LAST_ID, PART_SIZE, Fields, make_id
from twisted_kv.values.streams import NODE_SIZE, Stream

FIELDS = st.one_of(
    st.binary(max_size=9).map(lambda value: (b"f", value)),
    st.sampled_from([(), (b"f", b"1", b"g", b"2"), (b"g", b"7"), (b"f", b"x" * 70)]),
)
STEPS = st.one_of(st.integers(1, 3), st.integers(1, 1 << 66), st.just((1 << 64) - 1))
NUMBERS = st.integers(0, 1 << 30)
NAMES = st.sampled_from([b"", b"a", b"b"])


def memory_of(stream: Stream) -> int:
    """What a stream should count for its memory; entries that were deleted count until their node goes."""
    kept = [fields for node in stream._nodes for fields in node.items]
    weight = sum(ENTRY_SIZE + sum(PART_SIZE + len(part) for part in fields) for fields in kept)
    weight += sum(group.memory for group in stream.groups.values())
    return TABLE + NODE_SIZE * stream.nodes + weight


class StreamMachine(RuleBasedStateMachine):
    """A stream of very small nodes, and a list; now and then it is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.packing = Packing()
        self.packing.stream_node_max_entries, self.packing.stream_node_max_bytes = 4, 120
        self.stream = Stream(self.packing)
        self.model: list[tuple[int, Fields]] = []
        self.last = self.deleted = self.added = 0
        self.given: dict[tuple[bytes, int], bytes] = {}
        self.frozen: tuple[Any, ...] | None = None

    def near(self, number: int) -> int:
        """Give an ID at or about an entry, or any."""
        if not self.model or number % 7 == 6:
            return number
        return max(0, self.model[number // 21 % len(self.model)][0] + number % 3 - 1)

    @rule(step=STEPS, fields=st.lists(FIELDS, min_size=1, max_size=9))
    def append(self, step: int, fields: list[Fields]) -> None:
        for each in fields:
            if self.last + step <= LAST_ID:
                self.last += step
                self.stream.append(self.last, each)
                self.model.append((self.last, each))
                self.added += 1

    @rule(numbers=st.lists(NUMBERS, max_size=9))
    def delete(self, numbers: list[int]) -> None:
        for number in numbers:
            entry_id = self.near(number)
            found = [each for each in self.model if each[0] == entry_id]
            assert self.stream.delete([entry_id]) == bool(found)
            if found:
                self.model.remove(found[0])
                self.deleted = max(self.deleted, entry_id)

    @rule(length=st.integers(0, 20), approximately=st.booleans(), limit=st.integers(0, 9))
    def trim_to_a_length(self, length: int, approximately: bool, limit: int) -> None:
        before = len(self.model)
        limit = limit if approximately else 0
        removed = self.stream.trim(length=length, least=0, approximately=approximately, limit=limit)
        self.model = self.model[removed:]
        if approximately:
            assert not removed or len(self.model) >= length
            assert removed <= (limit or before)
        else:
            assert len(self.model) == min(before, length)

    @rule(number=NUMBERS, approximately=st.booleans(), limit=st.integers(0, 9))
    def trim_to_an_identity(self, number: int, approximately: bool, limit: int) -> None:
        least = self.near(number)
        older = sum(entry_id < least for entry_id, _ in self.model)
        limit = limit if approximately else 0
        removed = self.stream.trim(length=None, least=least, approximately=approximately, limit=limit)
        assert removed <= (min(older, limit) if limit else older)
        assert approximately or removed == older
        self.model = self.model[removed:]

    @rule(start=NUMBERS, end=NUMBERS)
    def look(self, start: int, end: int) -> None:
        low, high = self.near(start), self.near(end)
        expected = [each for each in self.model if low <= each[0] <= high]
        assert list(self.stream.range(low, high)) == expected
        assert list(self.stream.range(low, high, reverse=True)) == expected[::-1]
        assert self.stream.get(low) == dict(self.model).get(low)

    @rule(name=NAMES, consumer=NAMES, numbers=st.lists(NUMBERS, max_size=5))
    def give(self, name: bytes, consumer: bytes, numbers: list[int]) -> None:
        group = self.stream.group(name)
        if group is None:
            group = ConsumerGroup(0, 0)
            self.stream.add_group(name, group)
        given = group.consumers.setdefault(consumer, Consumer(consumer, 5))
        for number in numbers:
            entry_id = self.near(number)
            group.give(entry_id, given, number)
            self.given[name, entry_id] = consumer
            self.stream.advance(group, entry_id)

    @rule(name=NAMES, numbers=st.lists(NUMBERS, max_size=5))
    def forget(self, name: bytes, numbers: list[int]) -> None:
        group = self.stream.group(name)
        if group is not None:
            for number in numbers:
                entry_id = self.near(number)
                assert group.forget(entry_id) is (self.given.pop((name, entry_id), None) is not None)

    @rule()
    def go_through_a_payload(self) -> None:
        """Go on with what came out of a payload, which is cut into the same nodes, but for those without entries."""
        if self.frozen is None:
            value = restore(dump(self.stream), packing=self.packing)
            assert isinstance(value, Stream)
            assert plain(value) == plain(self.stream)
            self.stream = value

    @rule()
    def copy(self) -> None:
        own = self.stream.copy()
        assert plain(own) == plain(self.stream)
        assert own.memory == self.stream.memory
        own.trim(length=0, least=0, approximately=False, limit=0)
        for name in list(own.groups):
            assert own.drop_group(name)
        assert not list(own.range(0, LAST_ID))
        assert own.memory == memory_of(own)  # a node may be left of which all was deleted

    @precondition(lambda self: self.frozen is None)
    @rule()
    def freeze(self) -> None:
        self.frozen = self.stream.freeze(), self.model.copy(), self.stream.state()

    @precondition(lambda self: self.frozen is not None)
    @rule()
    def thaw(self) -> None:
        self.stream.thaw()
        self.frozen = None

    @invariant()
    def it_is_like_the_other(self) -> None:
        stream = self.stream
        assert list(stream.range(0, LAST_ID)) == self.model
        assert list(stream.range(0, LAST_ID, reverse=True)) == self.model[::-1]
        assert len(stream) == len(self.model)
        assert (stream.last_id, stream.deleted_id, stream.entries_added) == (self.last, self.deleted, self.added)
        assert stream.first_id == (self.model[0][0] if self.model else 0)
        assert stream.memory == memory_of(stream)
        assert stream._starts == [node.start for node in stream._nodes]
        pending = {
            (name, entry_id): each.consumer.name
            for name, group in stream.groups.items()
            for entry_id, each in group.pending.items()
        }
        assert pending == self.given
        if self.frozen is not None:
            pieces, model, state = self.frozen
            assert [pair for node in pieces[:-1] for pair in node.entries(0, len(node.ids))] == model
            assert pieces[-1] == state


TestStreams = StreamMachine.TestCase


def test_an_identity_is_made_of_two_numbers_of_64_bits() -> None:
    assert make_id((1 << 64) - 1, (1 << 64) - 1) == LAST_ID
