"""Short strings that Redis would keep in a longer form than they need, because of how they came about.

A string that is set is kept as a number (`int`) or together with what Redis knows of it (`embstr`) if it can be.  One
that was changed in place is `raw`, and one that was computed as a decimal number never `int`.  OBJECT ENCODING tells it
and COPY keeps it; all else takes these for the bytes that they are, and a file does not tell of it.
"""

from __future__ import annotations

from typing import Final

EMBEDDED_BYTES: Final = 44
"""Bytes of a string that Redis keeps together with what it knows of it; a longer one is `raw` anyway."""


class Raw(bytes):
    """A short string that was changed in place."""

    __slots__ = ()


class Computed(bytes):
    """A short string that is the sum of decimal numbers."""

    __slots__ = ()


def raw(data: bytes) -> bytes:
    """Give a string as one that was changed in place."""
    return Raw(data) if len(data) <= EMBEDDED_BYTES else data
