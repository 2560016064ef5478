"""Values of all types: made of what Python has, and generated."""

from __future__ import annotations

import math
from typing import Any, Dict, Tuple

from hypothesis import strategies as st

from tests.rdb.files import Group, Streamed, StreamId
from tests.rdb.files import Value as Plain
from twisted_kv.store.entries import Collection, Value
from twisted_kv.values.consumer_groups import UNKNOWN, Consumer, ConsumerGroup
from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.values.stream_nodes import LAST_ID, make_id
from twisted_kv.values.streams import Stream


def value_of(sample: Plain) -> Value:
    """Make a value of what Python has; the same that `plain` gives of it."""
    if isinstance(sample, bytes):
        return sample
    if isinstance(sample, dict):
        table = Hash()
        for field, content in sample.items():
            table.set(field, content)
        return table
    if isinstance(sample, set):
        members = Set()
        members.update(sample)
        return members
    if isinstance(sample, Streamed):
        return _stream_of(sample)
    row: Any = sample
    if row and isinstance(row[0], tuple):
        ranked = SortedSet()
        ranked.update((member, score) for score, member in row)
        return ranked
    return List(row)


def _stream_of(sample: Streamed) -> Stream:
    stream = Stream()
    for parts, fields in sample.entries:
        stream.append(make_id(*parts), fields)
    stream.last_id, stream.first_id = make_id(*sample.last), make_id(*sample.first)
    stream.deleted_id, stream.entries_added = make_id(*sample.deleted), sample.added
    for name, group in sample.groups.items():
        made = ConsumerGroup(make_id(*group.last), UNKNOWN if group.read is None else group.read)
        stream.add_group(name, made)
        for consumer, seen in group.consumers.items():
            made.consumers[consumer] = Consumer(consumer, seen)
        for parts, (consumer, delivered, count) in group.pending.items():
            entry_id = make_id(*parts)
            made.give(entry_id, made.consumers[consumer], delivered)
            made.pending[entry_id].count = count
    return stream


numbers = st.integers(-(1 << 63), (1 << 63) - 1).map(lambda number: b"%d" % number)
texts = st.one_of(st.binary(max_size=80), numbers, st.integers(-9000, 9000).map(lambda number: b"%d" % number))
long_texts = st.tuples(st.binary(min_size=1, max_size=6), st.integers(1, 3000)).map(lambda pair: pair[0] * pair[1])
elements = st.one_of(texts, texts, texts, long_texts)
scores = st.one_of(
    st.floats(allow_nan=False), st.integers(-5, 5).map(float), st.sampled_from([math.inf, -math.inf, 0.0, -0.0])
)
words64 = st.one_of(st.integers(0, 9), st.integers(0, (1 << 64) - 1), st.just((1 << 64) - 1))
ids: st.SearchStrategy[StreamId] = st.tuples(words64, words64)
dates = st.one_of(st.integers(0, 1 << 41), st.just(-1))
fields = st.one_of(
    st.tuples(st.just(b"f"), texts), st.just(()), st.tuples(texts, elements, texts, texts), st.tuples(texts, texts)
)
names = st.sampled_from([b"", b"a", b"12", b"group " * 20])


@st.composite
def groups(draw: Any) -> Group:
    """Generate a group of a stream, whose entries need not be there."""
    consumers: Dict[bytes, int] = draw(st.dictionaries(names, dates, max_size=3))
    pending: Dict[StreamId, Tuple[bytes, int, int]] = {}
    if consumers:
        given = st.tuples(st.sampled_from(sorted(consumers)), dates, st.integers(0, 1 << 40))
        pending = draw(st.dictionaries(ids, given, max_size=6))
    return Group(draw(ids), draw(st.one_of(st.none(), st.integers(0, 1 << 40))), consumers, pending)


@st.composite
def streamed(draw: Any) -> Streamed:
    """Generate a stream; what it says of itself may be anything that is possible."""
    entries = sorted(draw(st.dictionaries(ids.filter(any), fields, max_size=12)).items())
    first, last = (entries[0][0], entries[-1][0]) if entries else ((0, 0), (0, 0))
    deleted = draw(ids)
    return Streamed(
        entries,
        max(last, deleted, draw(ids)),
        first,
        deleted,
        len(entries) + draw(st.integers(0, 1 << 40)),
        draw(st.dictionaries(names, groups(), max_size=3)),
    )


def _ranked(members: Dict[bytes, float]) -> Any:
    return sorted((score, member) for member, score in members.items())


digits = st.one_of(st.integers(-(1 << 15), (1 << 15) - 1), st.integers(-(1 << 63), (1 << 63) - 1))
values: st.SearchStrategy[Plain] = st.one_of(
    elements,
    st.dictionaries(texts, elements, min_size=1, max_size=20),
    st.lists(elements, min_size=1, max_size=20),
    st.sets(elements, min_size=1, max_size=20),
    st.sets(digits.map(lambda number: b"%d" % number), min_size=1, max_size=20),
    st.dictionaries(elements, scores, min_size=1, max_size=20).map(_ranked),
    streamed(),
)
"""Values of all types as Python has them; none is empty but strings and streams."""


def many(kind: str, count: int) -> Plain:
    """Give a large value of a type, by its name in the answer of TYPE."""
    rows = [b"%d-%d" % (place, place * 7919 % 1000) for place in range(count)]
    if kind == "stream":
        entries = [((place, place % 3), (b"f", text)) for place, text in enumerate(rows, 1)]
        pending = {entry_id: (b"alice", 5, 1) for entry_id, _ in entries[::3]}
        readers = Group(entries[-1][0], count, {b"alice": 7}, pending)
        return Streamed(entries, entries[-1][0], entries[0][0], (0, 0), count, {b"readers": readers})
    if kind == "zset":
        return sorted((float(place % 97), text) for place, text in enumerate(rows))
    made: Dict[str, Plain] = {
        "string": b"".join(rows) * 20,
        "hash": {text: text[::-1] for text in rows},
        "list": rows,
        "set": set(rows),
    }
    return made[kind]


KINDS = ("string", "hash", "list", "set", "zset", "stream")


def change(value: Collection, place: int, text: bytes, removed: bool) -> None:
    """Change a collection in place, if it has what is to be removed."""
    if isinstance(value, Hash):
        value.pop(b"f%d" % place) if removed else value.set(b"f%d" % place, text)
    elif isinstance(value, List):
        if removed and value:
            (value.pop if place % 2 else value.pop_left)()
        elif value and place % 3:
            value.insert(place % len(value), text)
            value.replace(place * 7 % len(value), text)
        elif not removed:
            (value.append if place % 2 else value.append_left)(text)
    elif isinstance(value, Set):
        value.remove(b"%d-%d" % (place, place * 7919 % 1000)) if removed else value.add(text)
    elif isinstance(value, SortedSet):
        if removed:
            value.remove_slice(place, place + 2)
        else:
            value.put(b"m%d" % place, float(place * 31 % 17))
    elif isinstance(value, Stream):
        if not removed:
            value.append(value.last_id + place + 1, (b"f", text))
            group = value.groups.setdefault(b"g%d" % (place % 3), ConsumerGroup(0, 0))
            group.give(value.last_id, group.consumers.setdefault(text[:1], Consumer(text[:1], 5)), place)
        elif place % 4:
            value.delete([next((entry_id for entry_id, _ in value.range(place << 64, LAST_ID)), 0)])
        else:
            value.trim(length=len(value) - place % 3, least=0, approximately=False, limit=0)


def as_replayed(value: Plain) -> Plain:
    """Leave out what a log of commands does not tell of a stream: when consumers were seen, and what they lost.

    When entries were given to them is left out, too: a server whose clock is behind takes its own time for a later one.
    """
    if not isinstance(value, Streamed):
        return value
    known = {entry_id for entry_id, _ in value.entries}
    groups = {
        name: group._replace(
            consumers=dict.fromkeys(group.consumers, 0),
            pending={
                entry_id: (consumer, 0, count)
                for entry_id, (consumer, _, count) in group.pending.items()
                if entry_id in known
            },
        )
        for name, group in value.groups.items()
    }
    return value._replace(first=value.first if value.entries else (0, 0), groups=groups)
