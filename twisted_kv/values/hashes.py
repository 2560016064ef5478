"""The hash: fields and their values."""

from __future__ import annotations

from twisted_kv.values.table import Table


class Hash(Table[bytes]):
    """A mapping from field to value, both byte strings."""

    __slots__ = ()
