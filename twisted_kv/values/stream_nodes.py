"""The nodes of a stream: some entries that follow one another, as Redis packs them.

An ID is one number here, milliseconds in its upper 64 bits and a sequence number in its lower.  A node keeps its
entries in the order in which they were added, those that were deleted since among them: XTRIM looks at these too, and a
node that a file brings may have them in any order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import compress
from typing import Final, Iterator, Tuple

from twisted_kv.values.sizes import BYTES, SLOT
from twisted_kv.vocabulary.numbers import UINT64_MAX, parse_integer

LAST_ID: Final = (1 << 128) - 1

ENTRY_SIZE: Final = 44 + 40 + 2 * SLOT
"""Bytes of an entry beside its fields: the ID, the tuple of the fields, and both places."""
PART_SIZE: Final = BYTES + 8
"""Bytes of a field or a value beside its own."""

Fields = Tuple[bytes, ...]
"""Fields and values by turns."""


def make_id(milliseconds: int, sequence: int) -> int:
    """Put the two parts of an ID together."""
    return milliseconds << 64 | sequence


def id_parts(entry_id: int) -> tuple[int, int]:
    """Take an ID apart: milliseconds, and sequence number."""
    return entry_id >> 64, entry_id & UINT64_MAX


def id_text(entry_id: int) -> bytes:
    """Write an ID as clients see it."""
    return b"%d-%d" % (entry_id >> 64, entry_id & UINT64_MAX)


def difference(number: int, start: int) -> int:
    """Return how far a part of an ID is from another, as Redis notes it: in 64 bits with a sign."""
    return signed(number - start)


def packed_size(entry: bytes) -> int:
    """Bytes that a byte string takes in a listpack."""
    size = len(entry)
    if size <= 20 and entry[:1] < b":":
        number = parse_integer(entry)
        if number is not None:
            return number_size(number)
    if size < 64:
        return size + 2
    if size < 4096:
        return size + 2 + (1 if size + 2 < 128 else 2)
    total = size + 5
    return total + (2 if total < 16383 else 3 if total < 2097151 else 4 if total < 268435455 else 5)


def number_size(number: int) -> int:
    """Bytes that a number takes in a listpack."""
    if 0 <= number < 128:
        return 2
    if -4096 <= number < 4096:
        return 3
    bits = (number if number >= 0 else ~number).bit_length() + 1
    return 4 if bits <= 16 else 5 if bits <= 24 else 6 if bits <= 32 else 10


def signed(number: int) -> int:
    """Wrap a number around the end of 64 bits with a sign, as C does."""
    return (number + (1 << 63) & UINT64_MAX) - (1 << 63)


class Node:
    """Some entries that follow one another.

    `size` is what they would take packed, the two counts at the front aside.
    """

    __slots__ = ("count", "deleted", "holes", "ids", "items", "live", "names", "size", "start", "weight")

    def __init__(self, start: int, names: Fields) -> None:
        self.start = start
        """The ID that all others of the node are told by: that of its first entry, also when that is deleted."""
        self.names = names
        """The names of the fields of the first entry, which others with the same need not repeat."""
        self.ids: list[int] = []
        self.items: list[Fields] = []
        self.live = bytearray()
        """1 for each entry that is there, 0 for one that was deleted."""
        self.holes = 0
        """How many of them are 0."""
        self.count = 0
        """How many entries are there; a file may say anything, and Redis goes by what it says (64 bits, signed)."""
        self.deleted = 0
        """The same of those that were deleted."""
        self.weight = 0
        """Bytes of memory of all entries, as an estimate."""
        self.size = 9 + sum([packed_size(name) for name in names]) + number_size(len(names))

    @property
    def is_plain(self) -> bool:
        """Whether the entries are in the order of their IDs, and as many as the node says."""
        ids = self.ids
        in_order = all(map(int.__lt__, ids, ids[1:])) and bool(ids) and ids[0] >= self.start
        return in_order and self.deleted == self.holes and self.count == len(ids) - self.holes

    def copy(self) -> Node:
        """Return a node of its own with the same entries."""
        own = Node(self.start, self.names)
        own.ids = self.ids.copy()
        own.items = self.items.copy()
        own.live = self.live.copy()
        own.holes, own.count, own.deleted, own.size = self.holes, self.count, self.deleted, self.size
        own.weight = self.weight
        return own

    def append(self, entry_id: int, fields: Fields) -> None:
        """Add an entry after all others."""
        self.load(entry_id, fields, is_live=True)
        self.count = signed(self.count + 1)
        start = self.start
        count = len(fields) // 2
        size = 2 + number_size(difference(entry_id >> 64, start >> 64))
        size += number_size(difference(entry_id & UINT64_MAX, start & UINT64_MAX))
        if fields[::2] == self.names:
            size += sum([packed_size(value) for value in fields[1::2]]) + number_size(count + 3)
        else:
            size += sum([packed_size(part) for part in fields]) + number_size(count) + number_size(2 * count + 4)
        self.size += size

    def load(self, entry_id: int, fields: Fields, *, is_live: bool) -> None:
        """Add an entry that the counts and the size know of already."""
        self.ids.append(entry_id)
        self.items.append(fields)
        self.live.append(is_live)
        self.holes += not is_live
        self.weight += ENTRY_SIZE + PART_SIZE * len(fields) + sum(map(len, fields))

    def delete(self, index: int) -> None:
        """Mark an entry that is there as deleted."""
        self.live[index] = 0
        self.holes += 1
        self.count = signed(self.count - 1)
        self.deleted = signed(self.deleted + 1)

    def entries(self, start: int, end: int) -> Iterator[tuple[int, Fields]]:
        """Return the entries that are there from one index up to before another."""
        pairs = zip(self.ids[start:end], self.items[start:end])
        return compress(pairs, self.live[start:end]) if self.holes else pairs

    def entries_reversed(self, start: int, end: int) -> Iterator[tuple[int, Fields]]:
        """The same, the last one first."""
        pairs = zip(self.ids[start:end][::-1], self.items[start:end][::-1])
        return compress(pairs, self.live[start:end][::-1]) if self.holes else pairs

    def bounds(self, start: int, end: int) -> tuple[int, int]:
        """Return the half-open index range of the IDs from one to another, both included, in a plain node."""
        return bisect_left(self.ids, start), bisect_right(self.ids, end)
