"""The checksum of RDB: a reflected CRC-64 with Jones's polynomial and an initial value of 0."""

from __future__ import annotations

from struct import Struct
from typing import Callable, Final

_POLYNOMIAL: Final = 0x95AC9329AC4BC9B5  # 0xAD93D23594C935A9 with its bits reversed


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


# Each half is computed separately: an unsigned 64-bit number is a big integer to PyPy, and takes thirty times as long.
_HALVES: Final = Struct("<II")
_LOW: Final = [entry & 0xFFFFFFFF for entry in _table()]
_HIGH: Final = [entry >> 32 for entry in _table()]


def crc64_by_table(data: bytes, crc: int = 0) -> int:
    """Return the checksum of data, continuing from `crc`, the checksum of the data before them."""
    low: int
    high: int
    low, high = _HALVES.unpack(crc.to_bytes(8, "little"))  # a part of a big integer would remain one
    for byte in data:
        index = (low ^ byte) & 0xFF
        low = (low >> 8 | (high & 0xFF) << 24) ^ _LOW[index]
        high = high >> 8 ^ _HIGH[index]
    return high << 32 | low


def _fastest() -> Callable[[bytes, int], int]:
    try:
        from anycrc import CRC
    except ImportError:  # PyPy, for which anycrc has no binaries
        return crc64_by_table
    calculate: Callable[[bytes, int], int] = CRC(64, 0xAD93D23594C935A9, 0, True, True, 0).calc
    return calculate


crc64: Final[Callable[[bytes, int], int]] = _fastest()
"""The same as `crc64_by_table`; with anycrc 0.13 ns a byte on CPython 3.11."""
