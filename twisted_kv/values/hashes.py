"""The hash: fields and their values."""

from __future__ import annotations

from twisted_kv.values.sizes import bytes_size, item_size
from twisted_kv.values.tables import Table


class Hash(Table[bytes]):
    """A mapping from field to value, both byte strings."""

    __slots__ = ()

    def set(self, key: bytes, value: bytes) -> bytes | None:
        """Set the value of a field; return its old value, or None."""
        if self._frozen is not None:
            self._own_shard(key)
        old = super().set(key, value)
        if old is not None:
            self.memory += bytes_size(value) - bytes_size(old)
        else:
            self.memory += item_size(key, value)
        packing = self.packing
        if packing is not None and (
            self._length > packing.hash_max_listpack_entries
            or len(value) > packing.hash_max_listpack_value
            or len(key) > packing.hash_max_listpack_value
        ):
            self.packing = None
        return old

    def pop(self, key: bytes) -> bytes | None:
        """Remove a field and return its value, or None."""
        if self._frozen is not None:
            self._own_shard(key)
        value = super().pop(key)
        if value is not None:
            self.memory -= item_size(key, value)
        return value

    def copy(self) -> Hash:
        """Return an independent hash with the same fields."""
        duplicate = Hash()
        self._copy_to(duplicate)
        return duplicate
