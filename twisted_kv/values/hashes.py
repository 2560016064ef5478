"""The hash: fields and their values."""

from __future__ import annotations

from twisted_kv.values.sharded import ShardedDict
from twisted_kv.values.sizes import TABLE, bytes_size, item_size


class Hash(ShardedDict[bytes]):
    """A mapping from field to value, both byte strings.

    `memory` estimates its bytes; `counted` is what its database has counted of them.  A hash that is frozen shows a
    snapshot what it held then, and goes on changing.
    """

    __slots__ = ("_frozen", "counted", "memory")

    def __init__(self) -> None:
        super().__init__()
        self.memory = TABLE
        self.counted = 0
        self._frozen: set[int] | None = None  # shards that must not change, by id(); whoever froze them holds them

    def set(self, key: bytes, value: bytes) -> bytes | None:
        """Set the value of a field; gives the one it had, or None."""
        if self._frozen is not None:
            self._part(key)
        old = super().set(key, value)
        self.memory += item_size(key, value) if old is None else bytes_size(value) - bytes_size(old)
        return old

    def pop(self, key: bytes) -> bytes | None:
        """Remove a field and give the value it had, or None."""
        if self._frozen is not None:
            self._part(key)
        value = super().pop(key)
        if value is not None:
            self.memory -= item_size(key, value)
        return value

    def freeze(self) -> list[dict[bytes, bytes]]:
        """Give the shards as they are now.  What is changed later is changed in a copy of its shard, until `thaw`."""
        shards = list(self._each_shard())
        self._frozen = {id(shard) for shard in shards}
        return shards

    def thaw(self) -> None:
        """Let the shards that were given change again."""
        self._frozen = None

    def _part(self, key: bytes) -> None:
        """Have the shard of a key changed in a copy, if it is frozen."""
        assert self._frozen is not None
        place = (hash(key) >> self.shift) % len(self.shards)
        shard = self.shards[place]
        if id(shard) in self._frozen:
            self._frozen.discard(id(shard))
            self._replace(place, shard.copy())
