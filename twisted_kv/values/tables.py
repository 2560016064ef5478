"""The common base of hashes, sets and sorted sets: a table that a snapshot can read while it changes."""

from __future__ import annotations

from random import Random
from typing import TypeVar

from twisted_kv.values.packing import DEFAULTS, Packing
from twisted_kv.values.sharded import ShardedDict
from twisted_kv.values.sizes import TABLE

V = TypeVar("V")


class Table(ShardedDict[V]):
    """A mapping that can be frozen: it shows a snapshot what it held when it was frozen, and can still change.

    `memory` estimates its bytes; `counted` is the part of them that its database has counted.  `packing` holds the
    limits within which Redis would keep the same data in a small packed form.  Once they are exceeded it becomes None,
    and stays None.
    """

    __slots__ = ("_frozen", "counted", "memory", "packing")

    def __init__(self, packing: Packing | None = DEFAULTS) -> None:
        super().__init__()
        self.memory = TABLE
        self.counted = 0
        self.packing = packing
        self._frozen: set[int] | None = None  # id() of shards that must not change; whoever froze them keeps them alive

    @property
    def is_packed(self) -> bool:
        """Whether Redis would keep the same data packed."""
        return self.packing is not None

    def packed_items(self) -> list[tuple[bytes, V]]:
        """Return all keys with their values, in the order in which Redis packs them."""
        return list(self.items())

    def listed(self) -> list[bytes]:
        """Return all keys, in Redis's order where it has one."""
        return list(self)

    def sample(self, random: Random, count: int) -> list[bytes]:
        """Return `count` different keys chosen uniformly at random; all keys if there are no more."""
        if count >= self._length:
            return self.listed()
        if count * 3 > self._length:
            return random.sample(list(self), count)
        chosen: dict[bytes, None] = {}
        while len(chosen) < count:
            key = self.random_key(random)
            assert key is not None  # the table has more than `count` keys
            chosen[key] = None
        return list(chosen)

    def draw(self, random: Random, count: int) -> list[bytes]:
        """Return `count` random keys, possibly with repetitions; the table must not be empty."""
        if count * 3 > self._length:
            return random.choices(list(self), k=count)
        drawn = [self.random_key(random) for _ in range(count)]
        return [key for key in drawn if key is not None]

    def _copy_to(self, other: Table[V]) -> None:
        """Copy all data to an empty table of the same type: shard by shard, a tenth of the work of key by key."""
        copies = {id(shard): shard.copy() for shard in self._each_shard()}
        other.shards = [copies[id(shard)] for shard in self.shards]
        other._depths = self._depths.copy()
        other._deepest, other.shift, other._length = self._deepest, self.shift, self._length
        other.memory, other.packing = self.memory, self.packing

    def freeze(self) -> list[dict[bytes, V]]:
        """Return the shards as they are now.  Until `thaw`, later changes are made in copies of them."""
        shards = self.pieces()
        self._frozen = {id(shard) for shard in shards}
        return shards

    def thaw(self) -> None:
        """Allow the frozen shards to change in place again."""
        self._frozen = None

    def pieces(self) -> list[dict[bytes, V]]:
        """Return the shards, which the caller must not change; they are valid until the table changes."""
        return list(self._each_shard())

    def _own_shard(self, key: bytes) -> None:
        """Replace the shard of a key by a copy if it is frozen, before the key changes."""
        assert self._frozen is not None
        slot = (hash(key) >> self.shift) % len(self.shards)
        shard = self.shards[slot]
        if id(shard) in self._frozen:
            self._frozen.discard(id(shard))
            self._replace(slot, shard.copy())
