"""A place in bytes of RDB: reads lengths and strings in all their encodings."""

from __future__ import annotations

from typing import Final

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.errors import RdbError, ShortError
from twisted_kv.rdb.lzf import decompress
from twisted_kv.values.packing import DEFAULTS, Packing

_MOST_EXPANSION: Final = 132
"""How many times longer than its compressed form a string can be: 264 bytes for two, at the best."""


class Cursor:
    """A place in bytes: reads what begins there, and moves behind it.  `ShortError` if it is not all there."""

    __slots__ = ("at", "data", "is_deep", "packing")

    def __init__(self, data: bytes = b"", at: int = 0, *, is_deep: bool = False, packing: Packing = DEFAULTS) -> None:
        self.is_deep = is_deep
        """Whether what is packed has to tally (`sanitize-dump-payload`)."""
        self.packing = packing
        """How small a collection has to be to stay packed."""
        self.data = data
        self.at = at

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
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
        """Read a length; raises `RdbError` for what is none."""
        first = self.byte()
        if first < 0x40:
            return first
        if first < 0x80:
            return (first & 0x3F) << 8 | self.byte()
        if first == rdb.LENGTH_32:
            return int.from_bytes(self.take(4), "big")
        if first == rdb.LENGTH_64:
            return int.from_bytes(self.take(8), "big")
        if first >= rdb.ENCODED:  # an encoding where no string is: Redis takes its number
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
            if size > packed * _MOST_EXPANSION:
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
