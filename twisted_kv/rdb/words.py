"""Encodes the lengths and strings of RDB."""

from __future__ import annotations

from struct import Struct
from typing import Final

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.lzf import compress
from twisted_kv.vocabulary.numbers import parse_integer

_LONGEST_NUMBER: Final = 11
_MIN_COMPRESSED: Final = 21


def write_length(length: int) -> bytes:
    """Encode a length in as few bytes as possible."""
    if length < 1 << 6:
        return bytes((length,))
    if length < 1 << 14:
        return bytes((0x40 | length >> 8, length & 0xFF))
    if length < 1 << 32:
        return b"\x80" + length.to_bytes(4, "big")
    return b"\x81" + length.to_bytes(8, "big")


_LENGTHS: Final = [write_length(length) for length in range(1 << 10)]


_ZERO: Final = 0x30
_INT16: Final = Struct("<h").pack
_INT32: Final = Struct("<i").pack


def write_string(data: bytes, *, compressed: bool = False) -> bytes:
    """Encode a string, as a number if it reads as one of at most 32 bits."""
    size = len(data)
    if size <= _LONGEST_NUMBER:
        if data[:1] < b":":  # no number begins with a letter
            number = int(data) if data.isdigit() and data[0] != _ZERO else parse_integer(data)
            if number is not None:
                if -(1 << 7) <= number < 1 << 7:
                    return bytes((rdb.INT8, number & 0xFF))
                if -(1 << 15) <= number < 1 << 15:
                    return b"\xc1" + _INT16(number)
                if -(1 << 31) <= number < 1 << 31:
                    return b"\xc2" + _INT32(number)
        return _LENGTHS[size] + data
    if compressed and size >= _MIN_COMPRESSED:
        shorter = compress(data)
        if shorter is not None:
            return b"".join((b"\xc3", write_length(len(shorter)), write_length(size), shorter))
    return (_LENGTHS[size] if size < 1 << 10 else write_length(size)) + data
