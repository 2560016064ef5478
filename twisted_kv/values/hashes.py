"""The hash: fields and their values."""

from __future__ import annotations

from twisted_kv.values.sharded import ShardedDict
from twisted_kv.values.sizes import TABLE, bytes_size, item_size


class Hash(ShardedDict[bytes]):
    """A mapping from field to value, both byte strings.

    `memory` estimates its bytes; `counted` is what its database has counted of them.
    """

    __slots__ = ("counted", "memory")

    def __init__(self) -> None:
        super().__init__()
        self.memory = TABLE
        self.counted = 0

    def set(self, key: bytes, value: bytes) -> bytes | None:
        """Set the value of a field; gives the one it had, or None."""
        old = super().set(key, value)
        self.memory += item_size(key, value) if old is None else bytes_size(value) - bytes_size(old)
        return old

    def pop(self, key: bytes) -> bytes | None:
        """Remove a field and give the value it had, or None."""
        value = super().pop(key)
        if value is not None:
            self.memory -= item_size(key, value)
        return value
