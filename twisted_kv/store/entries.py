"""What the table of a database holds for a key: values of six types, and entries for keys with more than a value."""

from __future__ import annotations

from typing import Any, Final, Protocol, Sequence, Type, TypeVar, Union, final

from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List
from twisted_kv.values.long_strings import LongString, string_bytes
from twisted_kv.values.sets import Set
from twisted_kv.values.sharded import SHARD_SIZE
from twisted_kv.values.short_strings import Computed, Raw
from twisted_kv.values.sizes import bytes_size
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.values.streams import Stream
from twisted_kv.vocabulary.errors import WrongTypeError

Collection = Union[LongString, Hash, List, Set, SortedSet, Stream]
"""The values that are changed in place."""
COLLECTIONS: Final = (LongString, Hash, List, Set, SortedSet, Stream)
Value = Union[bytes, Collection]
V = TypeVar("V", bytes, LongString, Hash, List, Set, SortedSet, Stream)
Held = Union[bytes, LongString, Hash, List, Set, SortedSet, Stream, "Entry"]

TYPE_NAMES: Final[dict[type, bytes]] = {
    bytes: b"string",
    Raw: b"string",
    Computed: b"string",
    LongString: b"string",
    Hash: b"hash",
    List: b"list",
    Set: b"set",
    SortedSet: b"zset",
    Stream: b"stream",
}
"""The reply of TYPE for each kind of value."""

ENTRY_SIZE: Final = 96
"""Bytes of an `Entry` and its mark."""
DEADLINE_SIZE: Final = 96
"""Bytes of a deadline in the order of deadlines."""


@final
class Entry:
    """A value with the deadline and the use of its key.

    `deadline` is the date in milliseconds at which the key expires, or None; `mark` records how it was used (`Usage`).
    """

    __slots__ = ("deadline", "mark", "value")

    def __init__(self, value: Value, deadline: int | None = None, mark: int | None = None) -> None:
        self.value = value
        self.deadline = deadline
        self.mark = mark


class Releasable(Protocol):
    """Something large that is no longer used.  Freeing it all at once would block the process for a long time."""

    def release(self) -> Sequence[object] | None:
        """Remove a small part and return its contents, or None when nothing is left."""


def is_large(value: Collection) -> bool:
    """Check whether a value is so large that work on all of it is better done in steps."""
    return len(value) > SHARD_SIZE


def as_kind(value: Value | None, kind: Type[V]) -> V | None:
    """Return a value of a type, or None if there is none; raises `WrongTypeError` if it is of another type."""
    if value is None or type(value) is kind:
        return value
    plain: Any = string_bytes(value) if kind is bytes else None
    if plain is None:
        raise WrongTypeError
    return plain  # type: ignore[no-any-return]


def measure(value: Value) -> int:
    """Return the bytes of memory of a value, and record them as counted."""
    if not isinstance(value, bytes):
        value.counted = value.memory
    return counted(value)


def counted(value: Value) -> int:
    """Return the bytes of memory that were counted for a value; a collection may have grown since."""
    return bytes_size(value) if isinstance(value, bytes) else value.counted
