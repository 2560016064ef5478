"""Encodes values for RDB: small collections packed, large ones member by member, in parts of a few hundred."""

from __future__ import annotations

from itertools import chain
from struct import pack
from typing import Any, Callable, Dict, Final, Iterator, Sequence, Tuple

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.packed import write_intset, write_listpack
from twisted_kv.rdb.words import write_length, write_string
from twisted_kv.store.entries import Value
from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List
from twisted_kv.values.long_strings import LongString
from twisted_kv.values.packing import DEFAULTS, Packing
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.values.stream_nodes import Node, difference, id_parts
from twisted_kv.values.streams import Stream, StreamState
from twisted_kv.vocabulary.numbers import UINT64_MAX, format_packed_score

Pieces = Sequence[Any]


def kind_and_body(value: Value, packing: Packing = DEFAULTS, *, compressed: bool = False) -> tuple[int, bytes]:
    """Return the RDB type and the encoded body of a value, as in DUMP payloads and files."""
    if isinstance(value, bytes):
        return rdb.STRING, write_string(value, compressed=compressed)
    packed = _packed(value)
    if packed is not None:
        kind, body = packed
        return kind, write_string(body, compressed=compressed)
    if isinstance(value, List) and packing.list_fits(len(value), 2 * len(value)):  # at least two bytes per element
        node = write_listpack(value)
        if packing.list_fits(len(value), len(node)):
            return rdb.LIST_OF_LISTPACKS, b"\1\2" + write_string(node, compressed=compressed)
    pieces: Pieces
    if isinstance(value, SortedSet):
        backwards = value.slice(0, len(value), reverse=True)  # the order in which Redis walks its skip list
        pieces = [{member: score for score, member in backwards}]
    else:
        pieces = value.pieces()
    kind, parts = body_parts(type(value), pieces, len(value), compressed=compressed)
    return kind, b"".join(parts)


def _packed(value: Value) -> tuple[int, bytes] | None:
    """Return the RDB type and the packed form of a collection that Redis keeps packed, or None for any other."""
    if isinstance(value, Hash):
        if value.is_packed:
            return rdb.HASH_LISTPACK, write_listpack(chain.from_iterable(value.items()))
    elif isinstance(value, Set):
        if value.is_packed:
            return rdb.SET_INTSET, write_intset(value)
    elif isinstance(value, SortedSet) and value.is_packed:
        pairs = [(member, format_packed_score(score)) for score, member in value.order]
        return rdb.ZSET_LISTPACK, write_listpack(chain.from_iterable(pairs))
    return None


def body_parts(kind: type, pieces: Pieces, length: int, *, compressed: bool) -> Tuple[int, Iterator[bytes]]:
    """Return the RDB type of a collection, and its body in parts, from the result of its `pieces()` or `freeze()`."""
    number, parts = _BODIES[kind]
    return number, parts(pieces, length, compressed)


def _string_parts(pieces: Pieces, length: int, compressed: bool) -> Iterator[bytes]:
    yield write_length(length)
    yield from map(bytes, pieces)


def _hash_parts(shards: Pieces, count: int, compressed: bool) -> Iterator[bytes]:
    yield write_length(count)
    for shard in shards:
        yield b"".join([write_string(part, compressed=compressed) for part in chain.from_iterable(shard.items())])


def _member_parts(chunks: Pieces, count: int, compressed: bool) -> Iterator[bytes]:
    """Yield the encoded elements of a list, or members of a set."""
    yield write_length(count)
    for chunk in chunks:
        yield b"".join([write_string(element, compressed=compressed) for element in chunk])


def _sorted_set_parts(shards: Pieces, count: int, compressed: bool) -> Iterator[bytes]:
    yield write_length(count)
    for shard in shards:
        yield b"".join(
            [write_string(member, compressed=compressed) + pack("<d", score) for member, score in shard.items()]
        )


def _stream_parts(pieces: Pieces, length: int, compressed: bool) -> Iterator[bytes]:
    state = pieces[-1]
    nodes = pieces[:-1]
    yield write_length(len(nodes))
    for node in nodes:
        listpack = write_listpack(_node_entries(node))
        yield write_string(node.start.to_bytes(16, "big")) + write_string(listpack, compressed=compressed)
    yield from _state_parts(state)


_DELETED: Final = 1
_SAME_FIELDS: Final = 2


def _node_entries(node: Node) -> Iterator[bytes]:
    """Return the entries of a node's listpack, including those that have been deleted since."""
    yield b"%d" % node.count
    yield b"%d" % node.deleted
    yield b"%d" % len(node.names)
    yield from node.names
    yield b"0"
    first_milliseconds, first_sequence = id_parts(node.start)
    for entry_id, fields, is_live in zip(node.ids, node.items, bytes(node.live)):  # mypyc cannot iterate a bytearray
        milliseconds, sequence = id_parts(entry_id)
        count = len(fields) // 2
        same = fields[::2] == node.names
        yield b"%d" % (_SAME_FIELDS * same | _DELETED * (not is_live))
        yield b"%d" % difference(milliseconds, first_milliseconds)
        yield b"%d" % difference(sequence, first_sequence)
        if same:
            yield from fields[1::2]
            yield b"%d" % (count + 3)
        else:
            yield b"%d" % count
            yield from fields
            yield b"%d" % (2 * count + 4)


def _state_parts(state: StreamState) -> Iterator[bytes]:
    yield write_length(state.length) + _id_lengths(state.last_id) + _id_lengths(state.first_id)
    yield _id_lengths(state.deleted_id) + write_length(state.entries_added) + write_length(len(state.groups))
    for name, last_id, read, pending, consumers in state.groups:
        yield write_string(name) + _id_lengths(last_id) + write_length(read & UINT64_MAX)
        yield write_length(len(pending)) + b"".join(
            [
                entry_id.to_bytes(16, "big") + delivered.to_bytes(8, "little", signed=True) + write_length(count)
                for entry_id, delivered, count in pending
            ]
        )
        yield write_length(len(consumers))
        for consumer, seen, ids in consumers:
            yield write_string(consumer) + seen.to_bytes(8, "little", signed=True) + write_length(len(ids))
            yield b"".join([entry_id.to_bytes(16, "big") for entry_id in ids])


def _id_lengths(entry_id: int) -> bytes:
    return write_length(entry_id >> 64) + write_length(entry_id & (1 << 64) - 1)


_BODIES: Final[Dict[type, Tuple[int, Callable[[Pieces, int, bool], Iterator[bytes]]]]] = {
    LongString: (rdb.STRING, _string_parts),
    Hash: (rdb.HASH, _hash_parts),
    List: (rdb.LIST, _member_parts),
    Set: (rdb.SET, _member_parts),
    SortedSet: (rdb.ZSET, _sorted_set_parts),
    Stream: (rdb.STREAM, _stream_parts),
}
