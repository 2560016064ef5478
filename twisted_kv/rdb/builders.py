"""Decodes collections from RDB, one member at a time, since a large one does not arrive in one piece.

Redis checks little of what it loads, and so do we: the metadata of a stream is stored as the file has it.  With
`Cursor.is_deep` (`sanitize-dump-payload`), the packed forms have to be consistent, too.

The caller calls a builder's `step` until no member is left.  A step either reads a member, or raises `ShortError`
having changed nothing but the cursor's offset, which the caller then resets.  Damaged data raises `RdbError`.
"""

from __future__ import annotations

import math
from struct import unpack
from typing import Callable, Dict, Final, Iterator, Tuple, Type
from typing import List as ListOf

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.cursor import Cursor
from twisted_kv.rdb.errors import EmptyValueError, LostValueError, RdbError
from twisted_kv.rdb.packed import MANY, listpack_count, read_intset, read_listpack, read_ziplist, read_zipmap
from twisted_kv.store.entries import Collection
from twisted_kv.values.consumer_groups import UNKNOWN, Consumer, ConsumerGroup, Pending
from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List
from twisted_kv.values.packing import Packing
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.values.stream_nodes import LAST_ID, Node, id_parts, make_id, number_size, signed
from twisted_kv.values.streams import Stream
from twisted_kv.vocabulary.numbers import UINT64_MAX, leading_double, parse_integer

Unpack = Callable[[bytes], ListOf[bytes]]


class Builder:
    """Reads one collection: each `step` reads a member; once none are `left`, `value` is complete."""

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
        self._hash = Hash(cursor.packing)
        super().__init__(self._hash, cursor.length())

    def step(self, cursor: Cursor) -> None:
        field, content = cursor.string(), cursor.string()
        _set_field(self._hash, field, content, may_repeat=self._hash.is_packed and not cursor.is_deep)
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
            elif container == rdb.PACKED_NODE:
                if listpack_count(node) or cursor.is_deep:  # Redis drops a node whose count is zero
                    self._list.extend(_listpack(node, cursor))
            elif not container:
                self._list.extend(_unpacked(read_ziplist, node))
            else:
                raise RdbError("a list with a node of no known kind")
        self.left -= 1
        if not self.left and not self._list:
            raise EmptyValueError("a list without elements")


class _SetBuilder(Builder):
    def __init__(self, cursor: Cursor, kind: int) -> None:
        self._set = Set(cursor.packing)
        super().__init__(self._set, cursor.length())

    def step(self, cursor: Cursor) -> None:
        _add_member(self._set, cursor.string())
        self.left -= 1


class _SortedSetBuilder(Builder):
    def __init__(self, cursor: Cursor, kind: int) -> None:
        self._score = _text_score if kind == rdb.ZSET_TEXT else _score
        self._sorted_set = SortedSet(cursor.packing)
        super().__init__(self._sorted_set, cursor.length())

    def step(self, cursor: Cursor) -> None:
        member = cursor.string()
        score = self._score(cursor)
        _set_score(self._sorted_set, member, score)
        self.left -= 1


class _StreamBuilder(Builder):
    """Reads a stream: its nodes, its metadata, then its groups; `left` is 1 until all of it has been read."""

    def __init__(self, cursor: Cursor, kind: int) -> None:
        self._stream = Stream(cursor.packing)
        super().__init__(self._stream, 1)
        self._kind = kind
        self._nodes = _part_count(cursor)
        self._next: Callable[[Cursor], None] = self._node if self._nodes else self._metadata
        self._groups = self._entries = self._consumers = 0  # left to read, of the current parent
        self._group = ConsumerGroup(0, UNKNOWN)
        self._consumer = Consumer(b"", 0)
        self._must_have_consumers = False

    def step(self, cursor: Cursor) -> None:
        self._next(cursor)

    def _node(self, cursor: Cursor) -> None:
        start = cursor.string()
        if len(start) != 16:
            raise RdbError("a stream with an entry without an ID")
        node = _read_node(int.from_bytes(start, "big"), cursor.string(), cursor)
        if not self._stream.load(node):
            raise RdbError("a stream that has a node twice")
        self._nodes -= 1
        if not self._nodes:
            self._next = self._metadata

    def _metadata(self, cursor: Cursor) -> None:
        stream = self._stream
        length, last_id = cursor.length(), _read_id(cursor)
        first_id = deleted_id = 0
        added = length
        if self._kind != rdb.STREAM_BEFORE_7:
            first_id, deleted_id = _read_id(cursor), _read_id(cursor)
            added = cursor.length()
        self._groups = _part_count(cursor)
        if length and not stream.nodes:
            raise RdbError("a stream that has entries and no nodes")
        stream.length, stream.last_id, stream.deleted_id, stream.entries_added = length, last_id, deleted_id, added
        if self._kind == rdb.STREAM_BEFORE_7:  # without entries: after all possible IDs, as in Redis
            first_id = next((entry_id for entry_id, _ in stream.range(0, LAST_ID)), LAST_ID)
        stream.first_id = first_id
        self._begin_group()

    def _begin_group(self) -> None:
        self._next = self._group_header
        if not self._groups:
            self.left = 0

    def _group_header(self, cursor: Cursor) -> None:
        name = cursor.string()
        last_id = _read_id(cursor)
        read = UNKNOWN
        if self._kind != rdb.STREAM_BEFORE_7:
            read = signed(cursor.length())
        entries = _part_count(cursor)
        if name in self._stream.groups:
            raise RdbError("a stream that has a group twice")
        if self._kind == rdb.STREAM_BEFORE_7:
            read = self._stream.entries_before(last_id)
        self._group = ConsumerGroup(last_id, read)
        self._stream.add_group(name, self._group)
        self._entries = entries
        self._next = self._entry if entries else self._consumer_count

    def _entry(self, cursor: Cursor) -> None:
        entry_id = int.from_bytes(cursor.take(16), "big")
        delivered = int.from_bytes(cursor.take(8), "little", signed=True)
        count = cursor.length()
        if entry_id in self._group.pending:
            raise RdbError("a group of a stream has given an entry twice")
        self._group.pending[entry_id] = Pending(None, delivered, count)
        self._entries -= 1
        if not self._entries:
            self._next = self._consumer_count

    def _consumer_count(self, cursor: Cursor) -> None:
        self._consumers = _part_count(cursor)
        self._must_have_consumers = cursor.is_deep
        self._begin_consumer()

    def _begin_consumer(self) -> None:
        if self._consumers:
            self._next = self._consumer_header
            return
        if self._must_have_consumers and any(each.consumer is None for _, each in self._group.pending.items()):
            raise RdbError("a consumer group has an entry that is pending for no consumer")
        self._groups -= 1
        self._begin_group()

    def _consumer_header(self, cursor: Cursor) -> None:
        name = cursor.string()
        seen = int.from_bytes(cursor.take(8), "little", signed=True)
        if self._kind == rdb.STREAM_AFTER_7:
            cursor.take(8)  # when an entry was last delivered to it
        self._entries = _part_count(cursor)
        if name in self._group.consumers:
            raise RdbError("a group of a stream that has a consumer twice")
        self._consumer = self._group.consumers[name] = Consumer(name, seen)
        self._next = self._consumer_entry
        self._end_consumer()

    def _consumer_entry(self, cursor: Cursor) -> None:
        entry_id = int.from_bytes(cursor.take(16), "big")
        pending = self._group.pending.get(entry_id)
        if pending is None or pending.consumer is not None:
            raise RdbError("a consumer of a stream has an entry that its group did not give it")
        pending.give(entry_id, self._consumer)
        self._entries -= 1
        self._end_consumer()

    def _end_consumer(self) -> None:
        if not self._entries:
            self._consumers -= 1
            self._begin_consumer()


def _read_id(cursor: Cursor) -> int:
    milliseconds = cursor.length()
    return milliseconds << 64 | cursor.length()


def _score(cursor: Cursor) -> float:
    score: float = unpack("<d", cursor.take(8))[0]
    return score


def _text_score(cursor: Cursor) -> float:
    """Read a score as RDB before version 8 has it: a length and text, or one of three special lengths."""
    size = cursor.byte()
    if size >= 253:
        return (math.nan, math.inf, -math.inf)[size - 253]
    text = cursor.take(size)
    score, end = leading_double(text)
    rest = text[end : end + 1].lower()
    # Redis parses it with scanf, which does not fall back to a shorter number: `0x` and `infi` are not numbers.
    if (
        not end
        or (rest == b"x" and text[:end].lstrip(b"\t\n\v\f\r +-") == b"0")
        or (rest == b"i" and math.isinf(score))
    ):
        raise RdbError("a sorted set with a score that is no number")
    return score


_SCORE_BYTES: Final = 127
"""How many bytes Redis reads of a score that is packed as text."""


def _packed_score(text: bytes) -> float:
    return leading_double(text[:_SCORE_BYTES])[0]


def _part_count(cursor: Cursor) -> int:
    """Read how many nodes, groups, entries or consumers follow; the largest number means an error in Redis."""
    count = cursor.length()
    if count == UINT64_MAX:
        raise RdbError("a stream with an impossible number of parts")
    return count


def _set_field(value: Hash, field: bytes, content: bytes, *, may_repeat: bool = False) -> None:
    """Set a field.  Where Redis keeps the packed form as it is, a field may be repeated, and the first one is found."""
    if may_repeat and field in value:
        return
    if value.set(field, content) is not None:
        raise RdbError("a hash that has a field twice")


def _add_member(value: Set, member: bytes) -> None:
    if not value.add(member):
        raise RdbError("a set that has a member twice")


def _set_score(value: SortedSet, member: bytes, score: float, *, may_repeat: bool = False) -> None:
    if math.isnan(score):
        raise LostValueError("a sorted set with a score that is no number")
    if may_repeat and value.get(member) is not None:
        return
    if value.put(member, score) is not None:
        raise RdbError("a sorted set that has a member twice")


_SAME_FIELDS: Final = 2
_DELETED: Final = 1


def _read_node(start: int, data: bytes, cursor: Cursor) -> Node:
    """Read a node of a stream: two counts, the names of the first entry's fields, and the entries."""
    entries = _listpack(data, cursor)
    numbers = iter(entries)
    limit = len(entries)
    if not limit:
        raise RdbError("a node of a stream without anything")
    try:
        count, deleted = parse_integer(next(numbers)) or 0, parse_integer(next(numbers)) or 0
        node = Node(start, tuple([numbers.__next__() for _ in range(_count(next(numbers), limit))]))
        end = next(numbers)
        _read_entries(node, numbers, limit)
    except StopIteration:
        raise RdbError("a node of a stream is cut") from None
    node.count, node.deleted = count, deleted
    node.size = len(data) - number_size(count) - number_size(deleted)
    if cursor.is_deep and (end != b"0" or (count, deleted) != (len(node.ids) - node.holes, node.holes)):
        raise RdbError("a node of a stream has another number of entries than announced")
    return node


def _read_entries(node: Node, numbers: Iterator[bytes], limit: int) -> None:
    """Read entries up to the end, whatever the counts say; raises StopIteration if one is truncated."""
    milliseconds, sequence = id_parts(node.start)
    for text in numbers:
        flags = _number(text)
        entry_id = make_id(
            milliseconds + _number(next(numbers)) & UINT64_MAX, sequence + _number(next(numbers)) & UINT64_MAX
        )
        fields: ListOf[bytes] = []
        if flags & _SAME_FIELDS:
            for name in node.names:
                fields += (name, next(numbers))
        else:
            fields = [numbers.__next__() for _ in range(2 * _count(next(numbers), limit))]
        next(numbers, None)  # the number of the entry's parts, for walking backwards
        node.load(entry_id, tuple(fields), is_live=not flags & _DELETED)


def _number(text: bytes) -> int:
    number = parse_integer(text)
    if number is None:
        raise RdbError("a node of a stream with a text where a number should be")
    return number


def _count(text: bytes, limit: int) -> int:
    """Parse a count, capped at the number of entries present: some Pythons allocate memory for the announced count."""
    return min(_number(text), limit)


def _unpacked(unpack: Unpack, data: bytes) -> ListOf[bytes]:
    try:
        return unpack(data)
    except ValueError as error:
        raise RdbError(str(error)) from None


def _listpack(data: bytes, cursor: Cursor) -> ListOf[bytes]:
    """Return the entries of a listpack; its count is checked only with `is_deep`, as in Redis."""
    entries = _unpacked(read_listpack, data)
    if cursor.is_deep and listpack_count(data) not in (len(entries), MANY):
        raise RdbError("a listpack has another number of entries than announced")
    return entries


def _pairs(entries: ListOf[bytes], what: str) -> ListOf[Tuple[bytes, bytes]]:
    if len(entries) % 2:
        raise RdbError(f"{what} with one entry that has no other")
    return list(zip(entries[::2], entries[1::2]))


def _mapped_hash(entries: ListOf[bytes], packing: Packing, may_repeat: bool) -> Hash:
    value = Hash(packing)
    for field, content in _pairs(entries, "a hash"):
        _set_field(value, field, content, may_repeat=may_repeat)
    return value


def _packed_hash(entries: ListOf[bytes], packing: Packing, may_repeat: bool) -> Hash:
    value = _mapped_hash(entries, packing, may_repeat)
    # Whatever the size of the entries: what was packed in the file stays packed, as in Redis.
    value.packing = packing if len(value) <= packing.hash_max_listpack_entries else None
    return value


def _packed_set(entries: ListOf[bytes], packing: Packing, may_repeat: bool) -> Set:
    value = Set(packing)
    for member in entries:
        if not value.add(member) and not may_repeat:
            raise RdbError("a set that has a member twice")
    return value


def _packed_sorted_set(entries: ListOf[bytes], packing: Packing, may_repeat: bool) -> SortedSet:
    value = SortedSet(None)  # for now, so that a packed negative zero keeps its sign
    for member, score in _pairs(entries, "a sorted set"):
        _set_score(value, member, _packed_score(score), may_repeat=may_repeat)
    value.packing = packing if len(value) <= packing.zset_max_listpack_entries else None  # as for a hash
    return value


def _packed_list(entries: ListOf[bytes], packing: Packing, may_repeat: bool) -> List:
    return List(entries)


_PACKED: Final[Dict[int, Tuple[Unpack, Callable[[ListOf[bytes], Packing, bool], Collection]]]] = {
    rdb.HASH_ZIPMAP: (read_zipmap, _mapped_hash),
    rdb.HASH_ZIPLIST: (read_ziplist, _packed_hash),
    rdb.HASH_LISTPACK: (read_listpack, _packed_hash),
    rdb.LIST_ZIPLIST: (read_ziplist, _packed_list),
    rdb.SET_INTSET: (read_intset, _packed_set),
    rdb.SET_LISTPACK: (read_listpack, _packed_set),
    rdb.ZSET_ZIPLIST: (read_ziplist, _packed_sorted_set),
    rdb.ZSET_LISTPACK: (read_listpack, _packed_sorted_set),
}
"""The collections that are one string: how to unpack it, and how to make a value of the entries."""

_MAY_REPEAT: Final = (rdb.SET_INTSET, rdb.HASH_LISTPACK, rdb.ZSET_LISTPACK)
"""The types in which Redis accepts and keeps duplicates; we keep the first one."""

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
    """Return `kind` if it can be read; otherwise raise an `RdbError` that names it."""
    if kind == rdb.STRING or kind in _PACKED or kind in _BUILDERS:
        return kind
    if kind in rdb.NOT_KEPT:
        error = LostValueError if kind in rdb.MODULE_VALUES else RdbError
        raise error(f"there is {rdb.NOT_KEPT[kind]}, which this version of owncache does not keep")
    raise RdbError(f"byte {kind} where a type should be")


def begin(kind: int, cursor: Cursor) -> Collection | Builder:
    """Read a packed collection, or return a builder for one that may be large; `kind` must be `kept`.

    Raises `EmptyValueError` for a collection without members.
    """
    if kind in _BUILDERS:
        builder: Callable[[Cursor, int], Builder] = _BUILDERS[kind]
        return builder(cursor, kind)
    unpack, make = _PACKED[kind]
    data = cursor.string()
    if unpack is read_listpack:
        entries = _listpack(data, cursor)
        if listpack_count(data) < 2 and not cursor.is_deep:  # Redis trusts its count
            entries = []
    else:
        entries = _unpacked(unpack, data)
    if not entries:
        raise EmptyValueError("a collection without members")
    return make(entries, cursor.packing, kind in _MAY_REPEAT and not cursor.is_deep)
