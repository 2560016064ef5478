"""Decodes the lengths and strings of RDB, in all their encodings, at an offset in a buffer."""

from __future__ import annotations

from typing import Final

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.errors import RdbError, ShortError
from twisted_kv.rdb.lzf import decompress
from twisted_kv.values.packing import DEFAULTS, Packing

_MAX_EXPANSION: Final = 132
"""How many times longer than its compressed form a string can be: 264 bytes for two at best."""


class Cursor:
    """An offset in a buffer: each method reads an item there and moves past it, or raises `ShortError` if it is cut."""

    __slots__ = ("at", "data", "is_deep", "packing")

    def __init__(self, data: bytes = b"", at: int = 0, *, is_deep: bool = False, packing: Packing = DEFAULTS) -> None:
        self.is_deep = is_deep
        """Whether packed forms have to be consistent (`sanitize-dump-payload`)."""
        self.packing = packing
        """The limits up to which a collection stays packed."""
        self.data = data
        self.at = at

    def take(self, size: int) -> bytes:
        """Read `size` bytes."""
        end = self.at + size
        if end > len(self.data):
            raise ShortError(end - len(self.data))
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def byte(self) -> int:
        """Read one byte."""
        return self.take(1)[0]

    def length(self) -> int:
        """Read a length; raises `RdbError` if there is none."""
        first = self.byte()
        if first < 0x40:
            return first
        if first < 0x80:
            return (first & 0x3F) << 8 | self.byte()
        if first == rdb.LENGTH_32:
            return int.from_bytes(self.take(4), "big")
        if first == rdb.LENGTH_64:
            return int.from_bytes(self.take(8), "big")
        if first >= rdb.ENCODED:  # a string encoding, but no string: Redis returns the number of the encoding
            return first & 0x3F
        raise RdbError(f"byte {first} where a length should be")

    def string(self) -> bytes:
        """Read a string in any of its encodings."""
        first = self.byte()
        if first < rdb.ENCODED:
            self.at -= 1
            return self.take(self.length())
        if first == rdb.LZF:
            packed, size = self.length(), self.length()
            if size > packed * _MAX_EXPANSION:
                raise RdbError("a compressed string announces more than it can hold")
            compressed = self.take(packed)
            if not size:
                return b""
            try:
                return decompress(compressed, size)
            except ValueError as error:
                raise RdbError(str(error)) from None
        width = {rdb.INT8: 1, rdb.INT16: 2, rdb.INT32: 4}.get(first)
        if width is None:
            raise RdbError(f"byte {first} where a string should be")
        return b"%d" % int.from_bytes(self.take(width), "little", signed=True)
