"""How much memory things take, as an estimate that costs nothing to keep: a few sums, no walk over the data.

The figures were read off CPython 3.11 on a 64-bit machine, and are checked against the growth of resident memory by
`benchmarks/memory.py`.  An item of a dict is an average over its shard's life, which grows from half full to full.
"""

from __future__ import annotations

from typing import Final

_HEADER: Final = 33  # of a bytes object
_GRAIN: Final = 16  # memory is handed out in multiples of it

ROUNDING: Final = _HEADER + _GRAIN - 1
GRAIN_MASK: Final = -_GRAIN

ITEM: Final = 56
"""Bytes that a key takes in its table, beside the key and the value."""

TABLE: Final = 480
"""Bytes of an empty `ShardedDict`."""


def bytes_size(data: bytes) -> int:
    """Bytes of memory of a byte string."""
    return (len(data) + ROUNDING) & GRAIN_MASK


def item_size(key: bytes, value: bytes) -> int:
    """Bytes of memory of a key and its value in a table."""
    return ITEM + ((len(key) + ROUNDING) & GRAIN_MASK) + ((len(value) + ROUNDING) & GRAIN_MASK)
