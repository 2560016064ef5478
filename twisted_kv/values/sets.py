"""The set: members without values."""

from __future__ import annotations

from typing import Iterable

from twisted_kv.values.sizes import ITEM, bytes_size
from twisted_kv.values.tables import Table
from twisted_kv.vocabulary.numbers import parse_integer


class Set(Table[bool]):
    """An unordered collection of different byte strings."""

    __slots__ = ()

    def add(self, member: bytes) -> bool:
        """Add a member; return True if it is new."""
        if self._frozen is not None:
            self._own_shard(member)
        if self.set(member, True) is not None:
            return False
        self.memory += ITEM + bytes_size(member)
        packing = self.packing
        if packing is not None and (self._length > packing.set_max_intset_entries or parse_integer(member) is None):
            self.packing = None
        return True

    def remove(self, member: bytes) -> bool:
        """Remove a member; return True if it existed."""
        if self._frozen is not None:
            self._own_shard(member)
        if self.pop(member) is None:
            return False
        self.memory -= ITEM + bytes_size(member)
        return True

    def update(self, members: Iterable[bytes]) -> None:
        """Add many members."""
        for member in members:
            self.add(member)

    def listed(self) -> list[bytes]:
        """Return all members; integers that Redis keeps packed are in ascending order."""
        return sorted(self, key=int) if self.is_packed else list(self)

    def packed_items(self) -> list[tuple[bytes, bool]]:
        """Return all members, which are integers, in ascending order."""
        return [(member, True) for member in self.listed()]

    def copy(self) -> Set:
        """Return an independent set with the same members."""
        duplicate = Set()
        self._copy_to(duplicate)
        return duplicate
