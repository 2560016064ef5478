"""Groups of consumers that share a stream, with the entries each consumer has received and not acknowledged."""

from __future__ import annotations

from typing import Final, Iterator

from sortedcontainers import SortedDict

from twisted_kv.values.stream_nodes import LAST_ID
from twisted_kv.vocabulary.numbers import UINT64_MAX

UNKNOWN: Final = -1
"""How many entries a group has read, where that is not known."""

GROUP_SIZE: Final = 1500
PENDING_SIZE: Final = 330


class Pending:
    """An entry that a consumer has received and not acknowledged; in files there are some without a consumer."""

    __slots__ = ("consumer", "count", "delivered")

    def __init__(self, consumer: Consumer | None, delivered: int, count: int) -> None:
        self.consumer = consumer
        self.delivered = delivered
        """The date in milliseconds."""
        self.count = count
        """How often it was delivered: an unsigned 64-bit number, as in Redis."""

    @property
    def owner(self) -> bytes:
        """The name of the consumer; empty if there is none."""
        return b"" if self.consumer is None else self.consumer.name

    def give(self, entry_id: int, consumer: Consumer) -> None:
        """Assign the entry to another consumer."""
        if self.consumer is not None:
            del self.consumer.pending[entry_id]
        consumer.pending[entry_id] = self
        self.consumer = consumer

    def deliver(self) -> None:
        """Count one more delivery."""
        self.count = self.count + 1 & UINT64_MAX


class PendingList:
    """A mapping from ID to pending entry, in the order of the IDs.

    The keys are the IDs as 16 bytes: the hash of a number has no seed, and clients, who choose the IDs, could choose
    some that collide.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: SortedDict[bytes, Pending] = SortedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[int]:
        return map(_number, self._entries)

    def __contains__(self, entry_id: int) -> bool:
        return _key(entry_id) in self._entries

    def __getitem__(self, entry_id: int) -> Pending:
        return self._entries[_key(entry_id)]

    def __setitem__(self, entry_id: int, pending: Pending) -> None:
        self._entries[_key(entry_id)] = pending

    def __delitem__(self, entry_id: int) -> None:
        del self._entries[_key(entry_id)]

    def get(self, entry_id: int) -> Pending | None:
        """Return a pending entry, or None."""
        return self._entries.get(_key(entry_id))

    def pop(self, entry_id: int) -> Pending | None:
        """Remove and return a pending entry, or None if there is none."""
        return self._entries.pop(_key(entry_id), None)

    def pop_last(self) -> tuple[int, Pending]:
        """Remove and return the entry with the largest ID; the list must not be empty."""
        key, pending = self._entries.popitem()
        return _number(key), pending

    def ids(self, start: int, end: int = LAST_ID) -> Iterator[int]:
        """Return the IDs from `start` to `end`, both included."""
        return map(_number, self._entries.irange(_key(start), _key(end))) if start <= LAST_ID else iter(())

    def items(self) -> Iterator[tuple[int, Pending]]:
        """Return the IDs and the entries."""
        return zip(self, self._entries.values())

    def edges(self) -> tuple[int, int]:
        """Return the smallest and the largest ID; the list must not be empty."""
        return _number(self._entries.peekitem(0)[0]), _number(self._entries.peekitem(-1)[0])


def _key(entry_id: int) -> bytes:
    return entry_id.to_bytes(16, "big")


def _number(key: bytes) -> int:
    return int.from_bytes(key, "big")


class Consumer:
    """One of the consumers of a group."""

    __slots__ = ("name", "pending", "seen")

    def __init__(self, name: bytes, seen: int) -> None:
        self.name = name
        self.seen = seen
        """The date in milliseconds of its last request."""
        self.pending = PendingList()


class ConsumerGroup:
    """Consumers that share a stream: each entry is delivered to one of them.

    `counted` is the part of its memory that its stream has counted.
    """

    __slots__ = ("consumers", "counted", "entries_read", "last_id", "pending")

    def __init__(self, last_id: int, entries_read: int) -> None:
        self.counted = 0
        self.last_id = last_id
        self.entries_read = entries_read
        self.pending = PendingList()
        self.consumers: SortedDict[bytes, Consumer] = SortedDict()

    @property
    def memory(self) -> int:
        """Bytes of memory, as an estimate."""
        return GROUP_SIZE * (1 + len(self.consumers)) + PENDING_SIZE * len(self.pending)

    def give(self, entry_id: int, consumer: Consumer, now: int) -> Pending:
        """Assign an entry to a consumer for the first time, whoever had it before; returns the pending entry."""
        self.forget(entry_id)
        pending = self.pending[entry_id] = consumer.pending[entry_id] = Pending(consumer, now, 1)
        return pending

    def forget(self, entry_id: int) -> bool:
        """Drop a pending entry that was acknowledged or deleted; return False if it was not pending."""
        pending = self.pending.pop(entry_id)
        if pending is None:
            return False
        if pending.consumer is not None:
            del pending.consumer.pending[entry_id]
        return True
