"""The set: members, and nothing of them but that they are there."""

from __future__ import annotations

from typing import Iterable

from twisted_kv.values.sizes import ITEM, bytes_size
from twisted_kv.values.tables import Table
from twisted_kv.vocabulary.numbers import parse_integer


class Set(Table[bool]):
    """Byte strings without an order."""

    __slots__ = ()

    def add(self, member: bytes) -> bool:
        """Add a member; True if it is new."""
        if self._frozen is not None:
            self._part(member)
        if self.set(member, True) is not None:
            return False
        self.memory += ITEM + bytes_size(member)
        packing = self.packing
        if packing is not None and (self._length > packing.set_max_intset_entries or parse_integer(member) is None):
            self.packing = None
        return True

    def remove(self, member: bytes) -> bool:
        """Remove a member; True if it was there."""
        if self._frozen is not None:
            self._part(member)
        if self.pop(member) is None:
            return False
        self.memory -= ITEM + bytes_size(member)
        return True

    def update(self, members: Iterable[bytes]) -> None:
        """Add many members."""
        for member in members:
            self.add(member)

    def listed(self) -> list[bytes]:
        """Give all members; integers that Redis packs in their order."""
        return sorted(self, key=int) if self.is_packed else list(self)

    def packed_items(self) -> list[tuple[bytes, bool]]:
        """Give all members, which are integers, in their order."""
        return [(member, True) for member in self.listed()]

    def copy(self) -> Set:
        """Give a set of its own with the same members."""
        own = Set()
        self._copy_to(own)
        return own
