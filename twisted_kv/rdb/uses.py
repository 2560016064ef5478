"""What is written of a key besides its value: its use, as idle seconds or a count, and its deadline."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence, Tuple

from twisted_kv.rdb import format as rdb
from twisted_kv.store.usage import LastUse, Usage, UseCount

Use = Optional[Tuple[int, int]]
"""`format.IDLE` with seconds, `format.FREQUENCY` with a count of 0 to 255, or None if unknown."""


class Large(NamedTuple):
    """A key whose value is a large collection, in the state in which it was frozen."""

    database: int
    """The index of the database."""
    key: bytes
    kind: type
    """The type of the value."""
    pieces: Sequence[Any]
    """The result of the value's `freeze()`."""
    length: int
    deadline: int | None
    use: Use


def use_of(usage: Usage | None, mark: int | None) -> Use:
    """Return the use of a key from its mark, or None if the policy does not record use."""
    if isinstance(usage, LastUse):
        return rdb.IDLE, max(0, usage.idleness(mark)) // 1000
    if isinstance(usage, UseCount):
        return rdb.FREQUENCY, usage.count(mark)
    return None


def mark_of(usage: Usage | None, use: Use) -> int | None:
    """Return the mark that records this use, or None if the policy does not record this kind of use."""
    if use is None:
        return None
    kind, number = use
    if isinstance(usage, LastUse) and kind == rdb.IDLE:
        return usage.mark(number)
    if isinstance(usage, UseCount) and kind == rdb.FREQUENCY:
        return usage.mark(number)
    return None
