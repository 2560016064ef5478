"""The requests that rebuild a collection, for a rewrite of the append-only file."""

from __future__ import annotations

from itertools import chain
from typing import Any, Callable, Dict, Final, Iterable, Iterator, Sequence

from twisted_kv.rdb.bodies import body_parts
from twisted_kv.rdb.payload import sealed
from twisted_kv.values.consumer_groups import UNKNOWN
from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List
from twisted_kv.values.long_strings import LongString
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.values.stream_nodes import id_text
from twisted_kv.values.streams import Stream, StreamState
from twisted_kv.vocabulary.numbers import format_double
from twisted_kv.wire.encoder import encode_request

MEMBERS_AT_ONCE: Final = 64
"""Members per request, as in Redis (AOF_REWRITE_ITEMS_PER_CMD)."""

Pieces = Sequence[Any]


def collection_requests(key: bytes, kind: type, pieces: Pieces, length: int) -> Iterator[bytes]:
    """Return the requests that rebuild a collection, from the result of its `pieces()` or `freeze()`."""
    return _ENCODERS[kind](key, pieces, length)


def _string(key: bytes, pieces: Pieces, length: int) -> Iterator[bytes]:
    yield b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (len(key), key, length)
    yield from map(bytes, pieces)
    yield b"\r\n"


def _batches(name: bytes, key: bytes, members: Iterable[Sequence[bytes]]) -> Iterator[bytes]:
    """Yield requests with `MEMBERS_AT_ONCE` members each, a member being one argument or two."""
    listed = list(members)
    for start in range(0, len(listed), MEMBERS_AT_ONCE):
        yield encode_request((name, key, *chain.from_iterable(listed[start : start + MEMBERS_AT_ONCE])))


def _hash(key: bytes, shards: Pieces, length: int) -> Iterator[bytes]:
    for shard in shards:
        yield from _batches(b"HMSET", key, shard.items())


def _list(key: bytes, chunks: Pieces, length: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield from _batches(b"RPUSH", key, ((element,) for element in chunk))


def _set(key: bytes, shards: Pieces, length: int) -> Iterator[bytes]:
    for shard in shards:
        yield from _batches(b"SADD", key, ((member,) for member in shard))


def _sorted_set(key: bytes, shards: Pieces, length: int) -> Iterator[bytes]:
    for shard in shards:
        yield from _batches(b"ZADD", key, ((format_double(score), member) for member, score in shard.items()))


def _stream(key: bytes, pieces: Pieces, length: int) -> Iterator[bytes]:
    if not pieces[-1].is_plain:  # no stream commands rebuild such a stream, which XSETID may have made
        kind, parts = body_parts(Stream, pieces, length, compressed=False)
        yield encode_request((b"RESTORE", key, b"0", sealed(kind, b"".join(parts))))
        return
    for node in pieces[:-1]:
        entries = node.entries(0, len(node.ids))
        yield b"".join([encode_request((b"XADD", key, id_text(entry_id), *fields)) for entry_id, fields in entries])
    yield from _stream_state(key, pieces[-1])


def _stream_state(key: bytes, state: StreamState) -> Iterator[bytes]:
    last = id_text(state.last_id)
    if not state.length:  # an entry that is trimmed at once creates the stream; with a last ID of 0, it never had one
        yield encode_request((b"XADD", key, b"MAXLEN", b"0", last if state.last_id else b"0-1", b"x", b"y"))
    added, deleted = b"%d" % state.entries_added, id_text(state.deleted_id)
    yield encode_request((b"XSETID", key, last, b"ENTRIESADDED", added, b"MAXDELETEDID", deleted))
    for name, last_id, read, pending, consumers in state.groups:
        yield encode_request((b"XGROUP", b"CREATE", key, name, id_text(last_id), *_entries_read(read)))
        deliveries = {id_text(entry_id): (delivered, count) for entry_id, delivered, count in pending}
        for consumer, _, ids in consumers:
            yield encode_request((b"XGROUP", b"CREATECONSUMER", key, name, consumer))
            for entry_id in ids:
                delivered, count = deliveries[id_text(entry_id)]
                claim = (b"XCLAIM", key, name, consumer, b"0", id_text(entry_id), b"TIME", b"%d" % delivered)
                yield encode_request((*claim, b"RETRYCOUNT", b"%d" % count, b"JUSTID", b"FORCE"))


def _entries_read(read: int) -> tuple[bytes, ...]:
    return () if read == UNKNOWN else (b"ENTRIESREAD", b"%d" % read)


_ENCODERS: Final[Dict[type, Callable[[bytes, Pieces, int], Iterator[bytes]]]] = {
    LongString: _string,
    Hash: _hash,
    List: _list,
    Set: _set,
    SortedSet: _sorted_set,
    Stream: _stream,
}
