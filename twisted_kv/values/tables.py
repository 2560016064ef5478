"""What hashes, sets and sorted sets have in common: a table that a snapshot can look at while it changes."""

from __future__ import annotations

from random import Random
from typing import TypeVar

from twisted_kv.values.packing import DEFAULTS, Packing
from twisted_kv.values.sharded import ShardedDict
from twisted_kv.values.sizes import TABLE

V = TypeVar("V")


class Table(ShardedDict[V]):
    """A mapping that can be frozen: it shows a snapshot what it held then, and goes on changing.

    `memory` estimates its bytes; `counted` is what its database has counted of them.  `packing` are the limits within
    which Redis would keep the same data in a small packed form; once it does not, they are None, and stay so.
    """

    __slots__ = ("_frozen", "counted", "memory", "packing")

    def __init__(self, packing: Packing | None = DEFAULTS) -> None:
        super().__init__()
        self.memory = TABLE
        self.counted = 0
        self.packing = packing
        self._frozen: set[int] | None = None  # shards that must not change, by id(); whoever froze them holds them

    @property
    def is_packed(self) -> bool:
        """Whether Redis would keep it packed."""
        return self.packing is not None

    def packed_items(self) -> list[tuple[bytes, V]]:
        """Give all keys with their values in the order in which Redis keeps them packed."""
        return list(self.items())

    def listed(self) -> list[bytes]:
        """Give all keys, in Redis's order where it has one."""
        return list(self)

    def sample(self, random: Random, count: int) -> list[bytes]:
        """Give so many different keys, each choice as likely as the others; all of them if there are no more."""
        if count >= self._length:
            return self.listed()
        if count * 3 > self._length:
            return random.sample(list(self), count)
        chosen: dict[bytes, None] = {}
        while len(chosen) < count:
            key = self.random_key(random)
            assert key is not None  # there are more than are asked for
            chosen[key] = None
        return list(chosen)

    def draw(self, random: Random, count: int) -> list[bytes]:
        """Give so many keys of a table that has some, the same one more than once as it happens."""
        if count * 3 > self._length:
            return random.choices(list(self), k=count)
        drawn = [self.random_key(random) for _ in range(count)]
        return [key for key in drawn if key is not None]

    def _copy_to(self, own: Table[V]) -> None:
        """Have an empty table of the same type hold the same: shard by shard, a tenth of the work of key by key."""
        copies = {id(shard): shard.copy() for shard in self._each_shard()}
        own.shards = [copies[id(shard)] for shard in self.shards]
        own._depths = self._depths.copy()
        own._deepest, own.shift, own._length = self._deepest, self.shift, self._length
        own.memory, own.packing = self.memory, self.packing

    def freeze(self) -> list[dict[bytes, V]]:
        """Give the shards as they are now.  What is changed later is changed in a copy of its shard, until `thaw`."""
        shards = self.pieces()
        self._frozen = {id(shard) for shard in shards}
        return shards

    def thaw(self) -> None:
        """Let the shards that were given change again."""
        self._frozen = None

    def pieces(self) -> list[dict[bytes, V]]:
        """Give the shards, which must not be changed, for as long as nothing else is."""
        return list(self._each_shard())

    def _part(self, key: bytes) -> None:
        """Have the shard of a key changed in a copy, if it is frozen."""
        assert self._frozen is not None
        place = (hash(key) >> self.shift) % len(self.shards)
        shard = self.shards[place]
        if id(shard) in self._frozen:
            self._frozen.discard(id(shard))
            self._replace(place, shard.copy())
