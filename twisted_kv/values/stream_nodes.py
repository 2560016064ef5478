"""The nodes of a stream: consecutive entries, grouped as Redis packs them.

An ID is one number here: milliseconds in the upper 64 bits, a sequence number in the lower 64.  A node keeps its
entries in the order in which they were added, including deleted ones: XTRIM looks at these too, and a node from a file
may have its entries in any order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import compress
from typing import Final, Iterator, Tuple

from twisted_kv.values.sizes import BYTES, SLOT
from twisted_kv.vocabulary.numbers import UINT64_MAX, parse_integer

LAST_ID: Final = (1 << 128) - 1

ENTRY_SIZE: Final = 44 + 40 + 2 * SLOT
"""Bytes of an entry without its fields: the ID, the tuple of the fields, and a slot for each in a list."""
PART_SIZE: Final = BYTES + 8
"""Bytes of overhead of a field or a value."""

Fields = Tuple[bytes, ...]
"""Fields and values, alternating."""


def make_id(milliseconds: int, sequence: int) -> int:
    """Return the ID made of its two parts."""
    return milliseconds << 64 | sequence


def id_parts(entry_id: int) -> tuple[int, int]:
    """Return the milliseconds and the sequence number of an ID."""
    return entry_id >> 64, entry_id & UINT64_MAX


def id_text(entry_id: int) -> bytes:
    """Return an ID as clients see it."""
    return b"%d-%d" % (entry_id >> 64, entry_id & UINT64_MAX)


def difference(number: int, start: int) -> int:
    """Return the difference between two parts of IDs as Redis stores it: a signed 64-bit number."""
    return signed(number - start)


def packed_size(entry: bytes) -> int:
    """Return the bytes that a byte string takes in a listpack."""
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
    """Return the bytes that a number takes in a listpack."""
    if 0 <= number < 128:
        return 2
    if -4096 <= number < 4096:
        return 3
    bits = (number if number >= 0 else ~number).bit_length() + 1
    return 4 if bits <= 16 else 5 if bits <= 24 else 6 if bits <= 32 else 10


def signed(number: int) -> int:
    """Wrap a number around to a signed 64-bit number, as C does."""
    return (number + (1 << 63) & UINT64_MAX) - (1 << 63)


class Node:
    """Consecutive entries of a stream.

    `size` is the bytes that they would take packed, without the two counts at the front.
    """

    __slots__ = ("count", "deleted", "holes", "ids", "items", "live", "names", "size", "start", "weight")

    def __init__(self, start: int, names: Fields) -> None:
        self.start = start
        """The ID that all others of the node are relative to: that of its first entry, even if that is deleted."""
        self.names = names
        """The field names of the first entry, which other entries with the same names need not repeat."""
        self.ids: list[int] = []
        self.items: list[Fields] = []
        self.live = bytearray()
        """1 for each entry that exists, 0 for each deleted one."""
        self.holes = 0
        """The number of zeros in `live`."""
        self.count = 0
        """The number of existing entries; a file may claim any number, and Redis relies on it (64 bits, signed)."""
        self.deleted = 0
        """The same for the deleted entries."""
        self.weight = 0
        """Bytes of memory of all entries, as an estimate."""
        self.size = 9 + sum([packed_size(name) for name in names]) + number_size(len(names))

    @property
    def is_plain(self) -> bool:
        """Whether the entries are in the order of their IDs, and the counts of the node are true."""
        ids = self.ids
        in_order = all(map(int.__lt__, ids, ids[1:])) and bool(ids) and ids[0] >= self.start
        return in_order and self.deleted == self.holes and self.count == len(ids) - self.holes

    def copy(self) -> Node:
        """Return an independent node with the same entries."""
        duplicate = Node(self.start, self.names)
        duplicate.ids = self.ids.copy()
        duplicate.items = self.items.copy()
        duplicate.live = self.live.copy()
        duplicate.holes, duplicate.count, duplicate.deleted, duplicate.size = (
            self.holes,
            self.count,
            self.deleted,
            self.size,
        )
        duplicate.weight = self.weight
        return duplicate

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
        """Add an entry that the counts and the size already include."""
        self.ids.append(entry_id)
        self.items.append(fields)
        self.live.append(is_live)
        self.holes += not is_live
        self.weight += ENTRY_SIZE + PART_SIZE * len(fields) + sum(map(len, fields))

    def delete(self, index: int) -> None:
        """Mark an existing entry as deleted."""
        self.live[index] = 0
        self.holes += 1
        self.count = signed(self.count - 1)
        self.deleted = signed(self.deleted + 1)

    def entries(self, start: int, end: int) -> Iterator[tuple[int, Fields]]:
        """Return the existing entries of a half-open index range."""
        pairs = zip(self.ids[start:end], self.items[start:end])
        return compress(pairs, self.live[start:end]) if self.holes else pairs

    def entries_reversed(self, start: int, end: int) -> Iterator[tuple[int, Fields]]:
        """Return the same as `entries`, the last one first."""
        pairs = zip(self.ids[start:end][::-1], self.items[start:end][::-1])
        return compress(pairs, self.live[start:end][::-1]) if self.holes else pairs

    def bounds(self, start: int, end: int) -> tuple[int, int]:
        """Return the half-open index range of the IDs from `start` to `end` inclusive, in a plain node."""
        return bisect_left(self.ids, start), bisect_right(self.ids, end)
