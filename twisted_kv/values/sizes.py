"""How much memory things take, as an estimate that costs nothing to keep: a few sums, no walk over the data.

The figures were read off CPython 3.11 and PyPy 7.3 on a 64-bit machine.  An item of a dict is an average over its
shard's life, which grows from half full to full.  On CPython the sums stay within 15 % of the growth of resident memory
(`benchmarks/memory.py`); only values of one byte, which CPython shares, take less.  On PyPy they are what the data
takes, and resident memory moves with the garbage collector.
"""

from __future__ import annotations

import platform
from typing import Final

_PYPY: Final = platform.python_implementation() == "PyPy"
_HEADER: Final = 24 if _PYPY else 33  # of a bytes object
_GRAIN: Final = 8 if _PYPY else 16  # memory is handed out in multiples of it

ROUNDING: Final = _HEADER + _GRAIN - 1
GRAIN_MASK: Final = -_GRAIN

ITEM: Final = 46
"""Bytes that a key takes in its table, beside the key and the value."""

BYTES: Final = _HEADER + _GRAIN // 2
"""Bytes that a byte string takes beside its own, on average."""

SLOT: Final = 9
"""Bytes that an element takes in a list of Python's, beside itself."""

TABLE: Final = 272
"""Bytes of an empty `ShardedDict`."""


def bytes_size(data: bytes) -> int:
    """Bytes of memory of a byte string."""
    return (len(data) + ROUNDING) & GRAIN_MASK


def item_size(key: bytes, value: bytes) -> int:
    """Bytes of memory of a key and its value in a table."""
    return ITEM + ((len(key) + ROUNDING) & GRAIN_MASK) + ((len(value) + ROUNDING) & GRAIN_MASK)
