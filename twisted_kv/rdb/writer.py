"""Writes RDB, version 10, as Redis 7.0 does."""

from __future__ import annotations

from itertools import chain
from typing import Final, Iterator, Mapping, Sequence

from twisted_kv.numbers import parse_integer
from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.lzf import compress
from twisted_kv.rdb.packed import write_listpack
from twisted_kv.rdb.uses import Use
from twisted_kv.store.database import Value

PACKED_FIELDS: Final = 512
"""A hash of no more fields, none of them nor of their values longer than 64 bytes, is written packed, as in Redis."""
PACKED_BYTES: Final = 64

_LONGEST_NUMBER: Final = 11
_LEAST_COMPRESSED: Final = 21


def write_length(length: int) -> bytes:
    """Write a length: in as few bytes as it takes."""
    if length < 1 << 6:
        return bytes((length,))
    if length < 1 << 14:
        return bytes((0x40 | length >> 8, length & 0xFF))
    if length < 1 << 32:
        return b"\x80" + length.to_bytes(4, "big")
    return b"\x81" + length.to_bytes(8, "big")


_LENGTHS: Final = [write_length(length) for length in range(1 << 10)]


def write_string(data: bytes, *, compressed: bool = False) -> bytes:
    """Write a string: as a number if it reads as one of at most 32 bits."""
    size = len(data)
    if size <= _LONGEST_NUMBER:
        if data[:1] < b":":  # what begins with a letter is no number
            number = parse_integer(data)
            if number is not None:
                if -(1 << 7) <= number < 1 << 7:
                    return bytes((rdb.INT8, number & 0xFF))
                if -(1 << 15) <= number < 1 << 15:
                    return b"\xc1" + number.to_bytes(2, "little", signed=True)
                if -(1 << 31) <= number < 1 << 31:
                    return b"\xc2" + number.to_bytes(4, "little", signed=True)
        return _LENGTHS[size] + data
    if compressed and size >= _LEAST_COMPRESSED:
        shorter = compress(data)
        if shorter is not None:
            return b"".join((b"\xc3", write_length(len(shorter)), write_length(size), shorter))
    return (_LENGTHS[size] if size < 1 << 10 else write_length(size)) + data


def kind_and_body(value: Value, *, compressed: bool = False) -> tuple[int, bytes]:
    """Give the type and the body of a value, as DUMP and files have them."""
    if isinstance(value, bytes):
        return rdb.STRING, write_string(value, compressed=compressed)
    if len(value) <= PACKED_FIELDS:
        entries = list(chain.from_iterable(value.items()))
        if max(map(len, entries)) <= PACKED_BYTES:
            return rdb.HASH_LISTPACK, write_string(write_listpack(entries), compressed=compressed)
    return rdb.HASH, b"".join(_hash_parts(value.shards, len(value), compressed))


def _hash_parts(shards: Sequence[Mapping[bytes, bytes]], count: int, compressed: bool) -> Iterator[bytes]:
    """Give the body of a hash in parts of a few hundred fields."""
    yield write_length(count)
    previous = None
    for shard in shards:
        if shard is not previous:
            previous = shard
            yield b"".join([write_string(part, compressed=compressed) for part in chain.from_iterable(shard.items())])


class RdbWriter:
    """Writes the parts of one file in their order; whoever has one puts what it returns into the file.

    `compressed` and `checked` are Redis's `rdbcompression` and `rdbchecksum`.
    """

    def __init__(self, *, compressed: bool = False, checked: bool = True) -> None:
        self._compressed = compressed
        self._checked = checked
        self._index = -1

    def begin(self, facts: Mapping[str, str | int]) -> bytes:
        """Give the head of the file, with facts about it that no reader needs."""
        parts = [b"%b%04d" % (rdb.MAGIC, rdb.VERSION)]
        for name, fact in facts.items():
            parts += (b"\xfa", write_string(name.encode()), write_string(str(fact).encode()))
        return b"".join(parts)

    def database(self, index: int, keys: int, deadlines: int) -> bytes:
        """Begin a database, and announce how many keys it has."""
        self._index = index
        return b"".join((b"\xfe", write_length(index), b"\xfb", write_length(keys), write_length(deadlines)))

    def key(
        self,
        index: int,
        key: bytes,
        value: Value,
        deadline: int | None,
        use: Use,
    ) -> bytes:
        """Give a key of a database with its value; `use` is an opcode and its number: idle seconds or a count."""
        if deadline is None and use is None and index == self._index and type(value) is bytes:
            return b"".join((b"\x00", write_string(key), write_string(value, compressed=self._compressed)))
        kind, body = kind_and_body(value, compressed=self._compressed)
        return self._lead(index, deadline, use) + bytes((kind,)) + write_string(key) + body

    def large_string(self, index: int, key: bytes, value: bytes, deadline: int | None, use: Use) -> list[bytes]:
        """Give a key whose value is a long string, in parts of which one is the value itself: it is not copied."""
        if self._compressed:
            return [self.key(index, key, value, deadline, use)]
        head = self._lead(index, deadline, use) + b"\x00" + write_string(key)
        return [head + write_length(len(value)), value]

    def large_hash(
        self,
        index: int,
        key: bytes,
        shards: Sequence[Mapping[bytes, bytes]],
        count: int,
        deadline: int | None,
        use: Use,
    ) -> Iterator[bytes]:
        """Give a key whose value is a large hash, in parts; nothing else may come between them."""
        yield self._lead(index, deadline, use) + bytes((rdb.HASH,)) + write_string(key)
        yield from _hash_parts(shards, count, self._compressed)

    def end(self, crc: int) -> bytes:
        """Give the end of the file, whose checksum up to here is `crc`."""
        mark = bytes((rdb.END,))
        return mark + (crc64(mark, crc).to_bytes(8, "little") if self._checked else bytes(8))

    def _lead(self, index: int, deadline: int | None, use: Use) -> bytes:
        """Give what stands before the type of a key."""
        parts = []
        if index != self._index:
            self._index = index
            parts += [b"\xfe", write_length(index)]
        if deadline is not None:
            parts += [b"\xfc", deadline.to_bytes(8, "little", signed=True)]
        if use is not None:
            opcode, number = use
            parts += [bytes((opcode,)), bytes((number,)) if opcode == rdb.FREQUENCY else write_length(number)]
        return b"".join(parts)
