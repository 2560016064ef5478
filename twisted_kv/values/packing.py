"""The limits within which Redis keeps collections packed, and the limits of their nodes.

Collections are stored differently here, but clients see the effects of the limits: in OBJECT ENCODING, in files, in
what a SCAN returns at once, and in what XTRIM with `~` leaves.
"""

from __future__ import annotations

from typing import Final

NAMES: Final = (
    "hash_max_listpack_entries",
    "hash_max_listpack_value",
    "hll_sparse_max_bytes",
    "list_max_listpack_size",
    "set_max_intset_entries",
    "stream_node_max_bytes",
    "stream_node_max_entries",
    "zset_max_listpack_entries",
    "zset_max_listpack_value",
)
"""The limits, named as the settings of Redis."""


class Packing:
    """The limits of one server, each named as its setting; CONFIG SET changes them for all its values."""

    __slots__ = NAMES

    def __init__(self) -> None:
        self.hash_max_listpack_entries = 512
        self.hash_max_listpack_value = 64
        """Bytes of a field or of its value."""
        self.hll_sparse_max_bytes = 3000
        self.list_max_listpack_size = -2
        """Elements of a node, or -1 to -5 for 4 to 64 KiB."""
        self.set_max_intset_entries = 512
        self.stream_node_max_bytes = 4096
        """Bytes that a node may have before another entry is added to it; 0 is no limit."""
        self.stream_node_max_entries = 100
        """Entries of a node, including deleted ones; 0 is no limit."""
        self.zset_max_listpack_entries = 128
        self.zset_max_listpack_value = 64
        """Bytes of a member."""

    def list_fits(self, elements: int, size: int) -> bool:
        """Check whether a listpack of `elements` elements and `size` bytes fits into one node of a list."""
        limit = self.list_max_listpack_size
        if limit < 0:
            return size <= _NODE_BYTES[min(-limit, len(_NODE_BYTES)) - 1]
        return size <= _NODE_BYTES[1] and elements <= max(limit, 1)


_NODE_BYTES: Final = [4096 << power for power in range(5)]

DEFAULTS: Final = Packing()
"""Redis's default limits, for values that belong to no server."""
