"""Reads RDB files with the cache's own reader, cut in pieces, and tells what they hold."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from tests.rdb.files import Group, Streamed
from tests.rdb.files import Value as Plain
from twisted_kv.rdb.reader import OneByOne, RdbError, RdbReader, Target
from twisted_kv.rdb.uses import Use
from twisted_kv.store.entries import Value
from twisted_kv.values.consumer_groups import UNKNOWN, ConsumerGroup
from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List as ListValue
from twisted_kv.values.long_strings import LongString
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.values.stream_nodes import LAST_ID, id_parts
from twisted_kv.values.streams import Stream

__all__ = ["Plain", "Read", "Reading", "plain"]


class Read(NamedTuple):
    """A key that was read from a file."""

    db: int
    name: bytes
    value: Plain
    deadline: Optional[int]
    use: Use


def plain(value: Value) -> Plain:
    """Give a value as Python has it."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, LongString):
        return value.joined()
    if isinstance(value, Hash):
        return dict(value.items())
    if isinstance(value, ListValue):
        return list(value)
    if isinstance(value, Set):
        return set(value)
    if isinstance(value, SortedSet):
        assert sorted((score, member) for member, score in value.items()) == list(value.order)
        return list(value.order)
    return _streamed(value)


def _streamed(stream: Stream) -> Streamed:
    entries = [(id_parts(entry_id), fields) for entry_id, fields in stream.range(0, LAST_ID)]
    state = stream.state()
    assert not state.is_plain or len(entries) == len(stream)
    return Streamed(
        entries,
        id_parts(stream.last_id),
        id_parts(stream.first_id),
        id_parts(stream.deleted_id),
        stream.entries_added,
        {name: _group(group) for name, group in stream.groups.items()},
    )


def _group(group: ConsumerGroup) -> Group:
    held = {(name, each) for name, consumer in group.consumers.items() for each in consumer.pending}
    assert held == {(each.owner, entry_id) for entry_id, each in group.pending.items() if each.consumer is not None}
    return Group(
        id_parts(group.last_id),
        None if group.entries_read == UNKNOWN else group.entries_read,
        {name: consumer.seen for name, consumer in group.consumers.items()},
        {id_parts(each): (pending.owner, pending.delivered, pending.count) for each, pending in group.pending.items()},
    )


class Reading:
    """One file that is read; `keys` are those that were handed on, also when it is refused."""

    def __init__(self, *, checked: bool = True, is_deep: bool = False, databases: int = 1 << 64) -> None:
        self.keys: List[Read] = []
        self._seen: set[tuple[int, bytes]] = set()
        self._databases = databases
        self.reader = RdbReader(self._select, checked=checked, is_deep=is_deep)

    def run(self, data: bytes, piece: int = 1 << 30, most: int = 1000) -> list[Read]:
        """Read a file in pieces of some bytes, up to so many keys at a time."""
        for start in range(0, len(data), piece):
            self.reader.feed(data[start : start + piece])
            while self.reader.read(most) and not self.reader.done:
                pass
        self.reader.finish()
        return self.keys

    def _select(self, index: int) -> Target:
        if index >= self._databases:
            raise RdbError(f"database {index}, and there are only {self._databases} (setting databases)")

        def keep(name: bytes, value: Value, deadline: int | None, use: Use) -> bool:
            if (index, name) in self._seen:
                return False
            self._seen.add((index, name))
            self.keys.append(Read(index, name, plain(value), deadline, use))
            return True

        return OneByOne(keep)
