"""Estimates of memory that cost almost nothing to maintain: a few sums, no walk over the data.

The figures were measured on CPython 3.11 and PyPy 7.3 on a 64-bit machine.  The size of a dict item is an average over
the life of its shard, which grows from half full to full.  On CPython the sums stay within 15 % of the growth of
resident memory (`benchmarks/memory.py`); only values of one byte, which CPython shares, take less.  On PyPy they are
the size of the data itself, while resident memory varies with the garbage collector.
"""

from __future__ import annotations

import platform
from typing import Final

_PYPY: Final = platform.python_implementation() == "PyPy"
_HEADER: Final = 24 if _PYPY else 33  # of a bytes object
_GRAIN: Final = 8 if _PYPY else 16  # memory is allocated in multiples of it

ROUNDING: Final = _HEADER + _GRAIN - 1
GRAIN_MASK: Final = -_GRAIN

ITEM: Final = 46
"""Bytes of an item in a table, without the key and the value."""

BYTES: Final = _HEADER + _GRAIN // 2
"""Bytes of overhead of a byte string, on average."""

SLOT: Final = 9
"""Bytes of an element in a Python list, without the element itself."""

TABLE: Final = 272
"""Bytes of an empty `ShardedDict`."""


def bytes_size(data: bytes) -> int:
    """Return the bytes of memory of a byte string."""
    return (len(data) + ROUNDING) & GRAIN_MASK


def item_size(key: bytes, value: bytes) -> int:
    """Return the bytes of memory of a key and its value in a table."""
    return ITEM + ((len(key) + ROUNDING) & GRAIN_MASK) + ((len(value) + ROUNDING) & GRAIN_MASK)
