"""Encodes RDB, version 10, as Redis 7.0 does."""

from __future__ import annotations

from typing import Iterable, Iterator, Mapping

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.bodies import body_parts, kind_and_body
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.uses import Large, Use
from twisted_kv.rdb.words import write_length, write_string
from twisted_kv.store.entries import Value
from twisted_kv.values.packing import DEFAULTS, Packing


class RdbWriter:
    """Encodes the parts of one file in order; the caller writes what the methods return to the file.

    `compressed` and `checked` are Redis's `rdbcompression` and `rdbchecksum`.
    """

    def __init__(self, packing: Packing = DEFAULTS, *, compressed: bool = False, checked: bool = True) -> None:
        self._packing = packing
        self._compressed = compressed
        self._checked = checked
        self._index = -1

    def begin(self, facts: Mapping[str, str | int]) -> bytes:
        """Return the header of the file, with facts about it that no reader needs."""
        parts = [b"%b%04d" % (rdb.MAGIC, rdb.VERSION)]
        for name, fact in facts.items():
            parts += (b"\xfa", write_string(name.encode()), write_string(str(fact).encode()))
        return b"".join(parts)

    def functions(self, codes: Iterable[bytes]) -> bytes:
        """Return libraries of functions, by their codes."""
        return b"".join([bytes((rdb.FUNCTION,)) + write_string(code, compressed=self._compressed) for code in codes])

    def database(self, index: int, keys: int, deadlines: int) -> bytes:
        """Return the header of a database: its index, and how many keys it has, in all and with deadlines."""
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
        """Return a key of a database with its value; `use` is an opcode and its number: idle seconds or a count."""
        if deadline is None and use is None and index == self._index and type(value) is bytes:
            return b"".join((b"\x00", write_string(key), write_string(value, compressed=self._compressed)))
        kind, body = kind_and_body(value, self._packing, compressed=self._compressed)
        return self._prefix(index, deadline, use) + bytes((kind,)) + write_string(key) + body

    def large_string(self, index: int, key: bytes, value: bytes, deadline: int | None, use: Use) -> list[bytes]:
        """Return a key whose value is a long string, in parts; one part is the value itself, to avoid a copy."""
        if self._compressed:
            return [self.key(index, key, value, deadline, use)]
        head = self._prefix(index, deadline, use) + b"\x00" + write_string(key)
        return [head + write_length(len(value)), value]

    def large(self, large: Large) -> Iterator[bytes]:
        """Yield a key whose value is a large collection, in parts; nothing else may be written between them."""
        kind, parts = body_parts(large.kind, large.pieces, large.length, compressed=self._compressed)
        yield self._prefix(large.database, large.deadline, large.use) + bytes((kind,)) + write_string(large.key)
        yield from parts

    def end(self, crc: int) -> bytes:
        """Return the end of the file; `crc` is the checksum of all that was written before."""
        mark = bytes((rdb.END,))
        return mark + (crc64(mark, crc).to_bytes(8, "little") if self._checked else bytes(8))

    def _prefix(self, index: int, deadline: int | None, use: Use) -> bytes:
        """Return what precedes the type of a key: its database if that has changed, its deadline, its use."""
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
