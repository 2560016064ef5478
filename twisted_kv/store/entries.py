"""What the table of a database holds for a key: values of six types, and entries for keys with more than a value."""

from __future__ import annotations

from typing import Any, Final, Protocol, Sequence, Tuple, Type, TypeVar, Union

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
Entry = Tuple[Any, ...]
"""A value, the deadline of its key, and the mark of its use (`Usage`); either is None if there is none.

The deadline is the date in milliseconds at which the key expires.  It is a plain tuple because the garbage collector
stops tracking tuples of what refers to nothing else: with a million objects of a class in its place, a full collection
took 170 to 300 ms (CPython 3.11).
"""
Held = Union[bytes, LongString, Hash, List, Set, SortedSet, Stream, Entry]

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

ENTRY_SIZE: Final = 80
"""Bytes of an `Entry` and its mark."""
DEADLINE_SIZE: Final = 72
"""Bytes of a deadline, and of its place among all deadlines."""


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


def parts(held: Held | None) -> tuple[Any, int | None, int | None]:
    """Return the value, the deadline and the mark of what a table holds for a key."""
    if isinstance(held, tuple):
        value, deadline, mark = held
        return value, deadline, mark
    return held, None, None


def measure(value: Value) -> int:
    """Return the bytes of memory of a value, and record them as counted."""
    if not isinstance(value, bytes):
        value.counted = value.memory
    return counted(value)


def counted(value: Value) -> int:
    """Return the bytes of memory that were counted for a value; a collection may have grown since."""
    return bytes_size(value) if isinstance(value, bytes) else value.counted
