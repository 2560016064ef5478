"""What is written of a key beside its value: how it was used, in idle seconds or a count, and when it goes."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence, Tuple

from twisted_kv.rdb import format as rdb
from twisted_kv.store.usage import LastUse, Usage, UseCount

Use = Optional[Tuple[int, int]]
"""`format.IDLE` with seconds, `format.FREQUENCY` with a count of 0 to 255, or None if nothing is known."""


class Large(NamedTuple):
    """A key whose value is a large collection, as it was when it was frozen."""

    database: int
    """The number of the database."""
    key: bytes
    kind: type
    """The type of the value."""
    pieces: Sequence[Any]
    """What its `freeze()` gave."""
    length: int
    deadline: int | None
    use: Use


def use_of(usage: Usage | None, mark: int | None) -> Use:
    """Tell how a key with a mark was used, as far as the policy keeps account of it."""
    if isinstance(usage, LastUse):
        return rdb.IDLE, max(0, usage.idleness(mark)) // 1000
    if isinstance(usage, UseCount):
        return rdb.FREQUENCY, usage.count(mark)
    return None


def mark_of(usage: Usage | None, use: Use) -> int | None:
    """Give the mark of a key that was used so, or None if the policy keeps no such account."""
    if use is None:
        return None
    kind, number = use
    if isinstance(usage, LastUse) and kind == rdb.IDLE:
        return usage.mark(number)
    if isinstance(usage, UseCount) and kind == rdb.FREQUENCY:
        return usage.mark(number)
    return None
