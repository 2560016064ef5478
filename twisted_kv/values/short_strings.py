"""Short strings that Redis would keep in a longer form than necessary, because of how they were made.

Redis keeps a string that is set as a number (`int`) or in one piece with its object header (`embstr`) if possible.  A
string that was changed in place is `raw`, and one that was computed as a decimal number is never `int`.  OBJECT
ENCODING shows the difference and COPY keeps it; all else treats these strings as ordinary bytes, and files do not
record it.
"""

from __future__ import annotations

from typing import Final

EMBEDDED_BYTES: Final = 44
"""Most bytes of a string that Redis keeps in one piece with its object header; a longer one is `raw` anyway."""


class Raw(bytes):
    """A short string that was changed in place."""

    __slots__ = ()


class Computed(bytes):
    """A short string that is the sum of decimal numbers."""

    __slots__ = ()


def raw(data: bytes) -> bytes:
    """Return a string as one that was changed in place."""
    return Raw(data) if len(data) <= EMBEDDED_BYTES else data
