"""The hash: fields and their values."""

from __future__ import annotations

from twisted_kv.values.sharded import ShardedDict


class Hash(ShardedDict[bytes]):
    """A mapping from field to value, both byte strings."""

    __slots__ = ()
