"""Reads collections out of RDB, one member at a time, since a large one does not come in one piece.

A builder is asked for the next member until none is left.  Each step either reads a member or raises `ShortError` and
has changed nothing but the place of the cursor, which is put back then.  What is damaged raises `RdbError`.
"""

from __future__ import annotations

import math
from struct import unpack
from typing import Callable, Dict, Final, Tuple, Type
from typing import List as ListOf

from twisted_kv.numbers import UINT64_MAX, parse_integer
from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.cursor import Cursor
from twisted_kv.rdb.errors import EmptyValueError, LostValueError, RdbError
from twisted_kv.rdb.packed import read_intset, read_listpack, read_ziplist, read_zipmap
from twisted_kv.store.database import Collection
from twisted_kv.values.hashes import PACKED_FIELDS, Hash
from twisted_kv.values.lists import List
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import PACKED_MEMBERS, SortedSet
from twisted_kv.values.streams import (
    LAST_ID,
    UNKNOWN,
    Consumer,
    ConsumerGroup,
    Fields,
    Node,
    Pending,
    Stream,
    id_parts,
    make_id,
    number_size,
)

Unpack = Callable[[bytes], ListOf[bytes]]


class Builder:
    """Reads one collection: `step` reads a member, as long as there are some `left`; then `value` is whole."""

    def __init__(self, value: Collection, left: int) -> None:
        if not left:
            raise EmptyValueError("a collection without members")
        self.value = value
        self.left = left

    def step(self, cursor: Cursor) -> None:
        """Read the next member."""
        raise NotImplementedError


class _HashBuilder(Builder):
    def __init__(self, cursor: Cursor, kind: int) -> None:
        self._hash = Hash()
        super().__init__(self._hash, cursor.length())

    def step(self, cursor: Cursor) -> None:
        field, content = cursor.string(), cursor.string()
        _put(self._hash, field, content)
        self.left -= 1


class _ListBuilder(Builder):
    def __init__(self, cursor: Cursor, kind: int) -> None:
        self._list = List()
        self._kind = kind
        super().__init__(self._list, cursor.length())

    def step(self, cursor: Cursor) -> None:
        if self._kind == rdb.LIST:
            self._list.append(cursor.string())
        else:
            container = cursor.length() if self._kind == rdb.LIST_OF_LISTPACKS else 0
            node = cursor.string()
            if container == rdb.PLAIN_NODE:
                self._list.append(node)
            elif container in (0, rdb.PACKED_NODE):
                self._list.extend(_unpacked(read_listpack if container else read_ziplist, node))
            else:
                raise RdbError("a list with a node of no known kind")
        self.left -= 1
        if not self.left and not self._list:
            raise EmptyValueError("a list without elements")


class _SetBuilder(Builder):
    def __init__(self, cursor: Cursor, kind: int) -> None:
        self._set = Set()
        super().__init__(self._set, cursor.length())

    def step(self, cursor: Cursor) -> None:
        _add(self._set, cursor.string())
        self.left -= 1


class _SortedSetBuilder(Builder):
    def __init__(self, cursor: Cursor, kind: int) -> None:
        self._score = _text_score if kind == rdb.ZSET_TEXT else _score
        self._sorted_set = SortedSet()
        super().__init__(self._sorted_set, cursor.length())

    def step(self, cursor: Cursor) -> None:
        member = cursor.string()
        score = self._score(cursor)
        _rank(self._sorted_set, member, score)
        self.left -= 1


class _StreamBuilder(Builder):
    """A stream: its nodes, then what is known of it, then its groups; `left` is 1 until all of it was read."""

    def __init__(self, cursor: Cursor, kind: int) -> None:
        self._stream = Stream()
        super().__init__(self._stream, 1)
        self._kind = kind
        self._nodes = cursor.length()
        self._next: Callable[[Cursor], None] = self._node if self._nodes else self._facts
        self._groups = self._entries = self._consumers = 0  # how many are to come, of the one under way
        self._group = ConsumerGroup(0, UNKNOWN)
        self._consumer = Consumer(b"", 0)
        self._given: Dict[int, Tuple[int, int]] = {}

    def step(self, cursor: Cursor) -> None:
        self._next(cursor)

    def _node(self, cursor: Cursor) -> None:
        start = cursor.string()
        if len(start) != 16:
            raise RdbError("a stream with an entry without an ID")
        _read_node(self._stream, int.from_bytes(start, "big"), cursor.string())
        self._nodes -= 1
        if not self._nodes:
            self._next = self._facts

    def _facts(self, cursor: Cursor) -> None:
        stream = self._stream
        length = cursor.length()
        last_id = _id_of_lengths(cursor)
        first_id = deleted_id = 0
        added = length
        if self._kind != rdb.STREAM_BEFORE_7:
            first_id, deleted_id = _id_of_lengths(cursor), _id_of_lengths(cursor)
            added = cursor.length()
        self._groups = cursor.length()
        if length != len(stream):
            raise RdbError("a stream has another number of entries than announced")
        if last_id < max(stream.last_id, deleted_id) or added < length:
            raise RdbError("a stream has entries behind its last one, or has counted too few")
        stream.last_id, stream.deleted_id, stream.entries_added = last_id, deleted_id, added
        if self._kind == rdb.STREAM_BEFORE_7:  # without entries it is behind all that may come, as in Redis
            first_id = next((entry_id for entry_id, _ in stream.range(0, last_id)), LAST_ID)
        stream.first_id = first_id
        self._begin_group()

    def _begin_group(self) -> None:
        self._next = self._group_facts
        if not self._groups:
            self.left = 0

    def _group_facts(self, cursor: Cursor) -> None:
        name = cursor.string()
        last_id = _id_of_lengths(cursor)
        read = UNKNOWN
        if self._kind != rdb.STREAM_BEFORE_7:
            read = cursor.length()
            read = UNKNOWN if read == (1 << 64) - 1 else read
        entries = cursor.length()
        if name in self._stream.groups:
            raise RdbError("a stream that has a group twice")
        if self._kind == rdb.STREAM_BEFORE_7:
            read = self._stream.entries_before(last_id)
        self._group = ConsumerGroup(last_id, read)
        self._stream.add_group(name, self._group)
        self._entries = entries
        self._given = {}
        self._next = self._entry if entries else self._consumer_count

    def _entry(self, cursor: Cursor) -> None:
        entry_id = int.from_bytes(cursor.take(16), "big")
        delivered = int.from_bytes(cursor.take(8), "little", signed=True)
        count = cursor.length()
        if entry_id in self._given:
            raise RdbError("a group of a stream has given an entry twice")
        self._given[entry_id] = delivered, count
        self._entries -= 1
        if not self._entries:
            self._next = self._consumer_count

    def _consumer_count(self, cursor: Cursor) -> None:
        self._consumers = cursor.length()
        self._begin_consumer()

    def _begin_consumer(self) -> None:
        if self._consumers:
            self._next = self._consumer_facts
            return
        if len(self._group.pending) != len(self._given):
            raise RdbError("a group of a stream has given an entry to nobody")
        self._groups -= 1
        self._begin_group()

    def _consumer_facts(self, cursor: Cursor) -> None:
        name = cursor.string()
        seen = int.from_bytes(cursor.take(8), "little", signed=True)
        if self._kind == rdb.STREAM_AFTER_7:
            cursor.take(8)  # when it was given an entry last
        self._entries = cursor.length()
        if name in self._group.consumers:
            raise RdbError("a group of a stream that has a consumer twice")
        self._consumer = self._group.consumers[name] = Consumer(name, seen)
        self._next = self._consumer_entry
        self._end_consumer()

    def _consumer_entry(self, cursor: Cursor) -> None:
        entry_id = int.from_bytes(cursor.take(16), "big")
        if entry_id not in self._given or entry_id in self._group.pending:
            raise RdbError("a consumer of a stream has an entry that its group did not give it")
        pending = Pending(self._consumer, *self._given[entry_id])
        self._group.pending[entry_id] = self._consumer.pending[entry_id] = pending
        self._entries -= 1
        self._end_consumer()

    def _end_consumer(self) -> None:
        if not self._entries:
            self._consumers -= 1
            self._begin_consumer()


def _id_of_lengths(cursor: Cursor) -> int:
    milliseconds = cursor.length()
    return milliseconds << 64 | cursor.length()


def _score(cursor: Cursor) -> float:
    score: float = unpack("<d", cursor.take(8))[0]
    return score


def _text_score(cursor: Cursor) -> float:
    """Read a score as versions before 8 wrote it: the length of its digits, or one of three numbers."""
    size = cursor.byte()
    if size >= 253:
        return (math.nan, math.inf, -math.inf)[size - 253]
    return _float(cursor.take(size))


def _float(digits: bytes) -> float:
    try:
        return float(digits)
    except ValueError:
        raise RdbError("a sorted set with a score that is no number") from None


def _put(value: Hash, field: bytes, content: bytes) -> None:
    if value.set(field, content) is not None:
        raise RdbError("a hash that has a field twice")


def _add(value: Set, member: bytes) -> None:
    if not value.add(member):
        raise RdbError("a set that has a member twice")


def _rank(value: SortedSet, member: bytes, score: float) -> None:
    if math.isnan(score):
        raise LostValueError("a sorted set with a score that is no number")
    if value.put(member, score) is not None:
        raise RdbError("a sorted set that has a member twice")


_SAME_FIELDS: Final = 2
_DELETED: Final = 1


def _read_node(stream: Stream, start: int, data: bytes) -> None:
    """Read a node of a stream: two counts, the names of the first entry's fields, and the entries one by one."""
    entries = _unpacked(read_listpack, data)
    numbers = iter(entries)
    most = len(entries)
    try:
        count, deleted = _number(numbers.__next__()), _number(numbers.__next__())
        names = tuple([numbers.__next__() for _ in range(_count(numbers.__next__(), most))])
        if numbers.__next__() != b"0":
            raise RdbError("a node of a stream whose head has no end")
        milliseconds, sequence = id_parts(start)
        kept: ListOf[Tuple[int, Fields]] = []
        last = start - 1
        for _ in range(count + deleted):
            flags = _number(numbers.__next__())
            before, last = (
                last,
                make_id(
                    milliseconds + _number(numbers.__next__()) & UINT64_MAX,
                    sequence + _number(numbers.__next__()) & UINT64_MAX,
                ),
            )
            if last <= before:
                raise RdbError("a node of a stream whose entries are not in order")
            fields: ListOf[bytes] = []
            if flags & _SAME_FIELDS:
                for name in names:
                    fields += (name, numbers.__next__())
            else:
                fields = [numbers.__next__() for _ in range(2 * _count(numbers.__next__(), most))]
            numbers.__next__()  # how many parts the entry has, to walk backwards
            if not flags & _DELETED:
                kept.append((last, tuple(fields)))
    except StopIteration:
        raise RdbError("a node of a stream is cut") from None
    if next(numbers, None) is not None or len(kept) != count:
        raise RdbError("a node of a stream has another number of entries than announced")
    if stream.nodes and start <= stream.last_id:
        raise RdbError("a stream whose nodes are not in order")
    node = Node(start, names)
    node.deleted = deleted
    node.last = stream.last_id = max(start, last)
    node.size = len(data) - number_size(count) - number_size(deleted)
    stream.load(node, kept)


def _number(text: bytes) -> int:
    number = parse_integer(text)
    if number is None:
        raise RdbError("a node of a stream with a text where a number should be")
    return number


def _count(text: bytes, most: int) -> int:
    """Read a number of entries, but no more than there are: some Pythons make room for what is announced."""
    return min(_number(text), most)


def _unpacked(unpack: Unpack, data: bytes) -> ListOf[bytes]:
    try:
        return unpack(data)
    except ValueError as error:
        raise RdbError(str(error)) from None


def _pairs(entries: ListOf[bytes], what: str) -> ListOf[Tuple[bytes, bytes]]:
    if len(entries) % 2:
        raise RdbError(f"{what} with one entry that has no other")
    return list(zip(entries[::2], entries[1::2]))


def _mapped_hash(entries: ListOf[bytes]) -> Hash:
    value = Hash()
    for field, content in _pairs(entries, "a hash"):
        _put(value, field, content)
    return value


def _packed_hash(entries: ListOf[bytes]) -> Hash:
    value = _mapped_hash(entries)
    value.is_packed = len(value) <= PACKED_FIELDS  # however long they are: what came packed stays so, as in Redis
    return value


def _packed_set(entries: ListOf[bytes]) -> Set:
    value = Set()
    for member in entries:
        _add(value, member)
    return value


def _packed_sorted_set(entries: ListOf[bytes]) -> SortedSet:
    value = SortedSet()
    for member, score in _pairs(entries, "a sorted set"):
        _rank(value, member, _float(score))
    value.is_packed = len(value) <= PACKED_MEMBERS  # as a hash
    return value


_PACKED: Final[Dict[int, Tuple[Unpack, Callable[[ListOf[bytes]], Collection]]]] = {
    rdb.HASH_ZIPMAP: (read_zipmap, _mapped_hash),
    rdb.HASH_ZIPLIST: (read_ziplist, _packed_hash),
    rdb.HASH_LISTPACK: (read_listpack, _packed_hash),
    rdb.LIST_ZIPLIST: (read_ziplist, List),
    rdb.SET_INTSET: (read_intset, _packed_set),
    rdb.SET_LISTPACK: (read_listpack, _packed_set),
    rdb.ZSET_ZIPLIST: (read_ziplist, _packed_sorted_set),
    rdb.ZSET_LISTPACK: (read_listpack, _packed_sorted_set),
}
"""The collections that are one string: how it is taken apart, and what is made of the parts."""

_BUILDERS: Final[Dict[int, Type[Builder]]] = {
    rdb.HASH: _HashBuilder,
    rdb.LIST: _ListBuilder,
    rdb.LIST_OF_ZIPLISTS: _ListBuilder,
    rdb.LIST_OF_LISTPACKS: _ListBuilder,
    rdb.SET: _SetBuilder,
    rdb.ZSET: _SortedSetBuilder,
    rdb.ZSET_TEXT: _SortedSetBuilder,
    rdb.STREAM_BEFORE_7: _StreamBuilder,
    rdb.STREAM: _StreamBuilder,
    rdb.STREAM_AFTER_7: _StreamBuilder,
}


def kept(kind: int) -> int:
    """Give back a type that can be read; raises `RdbError` that names any other."""
    if kind == rdb.STRING or kind in _PACKED or kind in _BUILDERS:
        return kind
    if kind in rdb.NOT_KEPT:
        error = LostValueError if kind in rdb.MODULE_VALUES else RdbError
        raise error(f"there is {rdb.NOT_KEPT[kind]}, which this version of owncache does not keep")
    raise RdbError(f"byte {kind} where a type should be")


def begin(kind: int, cursor: Cursor) -> Collection | Builder:
    """Read a collection of a type that is `kept`, or begin to read one that may be large.

    Raises `EmptyValueError` for one without members.
    """
    if kind in _BUILDERS:
        builder: Callable[[Cursor, int], Builder] = _BUILDERS[kind]
        return builder(cursor, kind)
    unpack, make = _PACKED[kind]
    entries = _unpacked(unpack, cursor.string())
    if not entries:
        raise EmptyValueError("a collection without members")
    return make(entries)
