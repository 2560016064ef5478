"""The stream: entries in the order of their IDs, and the groups of consumers that share them.

An ID is one number here, milliseconds in its upper 64 bits and a sequence number in its lower.  Entries stand in nodes
of up to `NODE_ENTRIES`, which are cut where Redis cuts its own: XTRIM with `~` removes whole nodes only, and what it
leaves is seen by clients.  So each node keeps count of the bytes that its entries would take packed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import groupby
from typing import Any, Final, Iterator, List, NamedTuple, Sequence, Tuple

from sortedcontainers import SortedDict

from twisted_kv.numbers import UINT64_MAX, parse_integer
from twisted_kv.values.sizes import BYTES, SLOT, TABLE

NODE_ENTRIES: Final = 100
"""Entries of a node, those that were deleted since among them (stream-node-max-entries)."""
NODE_BYTES: Final = 4096
"""Bytes that a node may have before it gets another entry (stream-node-max-bytes)."""
_COUNTS_BYTES: Final = 4
"""Bytes of the two counts at the front of a node that is not full: of its entries, and of those that were deleted."""

LAST_ID: Final = (1 << 128) - 1
UNKNOWN: Final = -1
"""How many entries a group has read, where that cannot be told."""

ENTRY_SIZE: Final = 44 + 40 + 2 * SLOT
"""Bytes of an entry beside its fields: the ID, the tuple of the fields, and both places."""
PART_SIZE: Final = BYTES + 8
"""Bytes of a field or a value beside its own."""
NODE_SIZE: Final = 400
GROUP_SIZE: Final = 1500
PENDING_SIZE: Final = 330

Fields = Tuple[bytes, ...]
"""Fields and values by turns."""


def make_id(milliseconds: int, sequence: int) -> int:
    """Put the two parts of an ID together."""
    return milliseconds << 64 | sequence


def id_parts(entry_id: int) -> tuple[int, int]:
    """Take an ID apart: milliseconds, and sequence number."""
    return entry_id >> 64, entry_id & UINT64_MAX


def id_text(entry_id: int) -> bytes:
    """Write an ID as clients see it."""
    return b"%d-%d" % (entry_id >> 64, entry_id & UINT64_MAX)


def difference(number: int, start: int) -> int:
    """Tell how far a part of an ID is from another, as Redis notes it: in 64 bits with a sign, and around their end."""
    return (number - start + (1 << 63) & UINT64_MAX) - (1 << 63)


def packed_size(entry: bytes) -> int:
    """Bytes that a byte string takes in a listpack."""
    size = len(entry)
    if size <= 20 and entry[:1] < b":":
        number = parse_integer(entry)
        if number is not None:
            return number_size(number)
    if size < 64:
        return size + 2
    if size < 4096:
        return size + 2 + (1 if size + 2 < 128 else 2)
    total = size + 5
    return total + (2 if total < 16383 else 3 if total < 2097151 else 4 if total < 268435455 else 5)


def number_size(number: int) -> int:
    """Bytes that a number takes in a listpack."""
    if 0 <= number < 128:
        return 2
    if -4096 <= number < 4096:
        return 3
    bits = (number if number >= 0 else ~number).bit_length() + 1
    return 4 if bits <= 16 else 5 if bits <= 24 else 6 if bits <= 32 else 10


class Node:
    """Some entries that follow one another.

    `size` is what they would take packed, the two counts at the front aside.
    """

    __slots__ = ("deleted", "ids", "items", "last", "names", "size", "start")

    def __init__(self, start: int, names: Fields) -> None:
        self.start = start
        """The ID that all others of the node are told by: that of its first entry, also when that is deleted."""
        self.names = names
        """The names of the fields of the first entry, which others with the same need not repeat."""
        self.ids: list[int] = []
        self.items: list[Fields] = []
        self.deleted = 0
        self.last = start
        """The ID of the last entry, also when that is deleted."""
        self.size = 9 + sum([packed_size(name) for name in names]) + number_size(len(names))

    def copy(self) -> Node:
        """Give a node of its own with the same entries."""
        own = Node(self.start, self.names)
        own.ids = self.ids.copy()
        own.items = self.items.copy()
        own.deleted, own.last, own.size = self.deleted, self.last, self.size
        return own

    def append(self, entry_id: int, fields: Fields) -> None:
        """Add an entry behind all others."""
        self.ids.append(entry_id)
        self.items.append(fields)
        self.last = entry_id
        start = self.start
        count = len(fields) // 2
        size = 2 + number_size(difference(entry_id >> 64, start >> 64))
        size += number_size(difference(entry_id & UINT64_MAX, start & UINT64_MAX))
        if fields[::2] == self.names:
            size += sum([packed_size(value) for value in fields[1::2]]) + number_size(count + 3)
        else:
            size += sum([packed_size(part) for part in fields]) + number_size(count) + number_size(2 * count + 4)
        self.size += size


class Pending:
    """An entry that a consumer has been given and has not acknowledged."""

    __slots__ = ("consumer", "count", "delivered")

    def __init__(self, consumer: Consumer, delivered: int, count: int) -> None:
        self.consumer = consumer
        self.delivered = delivered
        """The date in milliseconds."""
        self.count = count
        """How often it was delivered."""


class Consumer:
    """One of those who share a stream."""

    __slots__ = ("name", "pending", "seen")

    def __init__(self, name: bytes, seen: int) -> None:
        self.name = name
        self.seen = seen
        """The date in milliseconds at which it asked last."""
        self.pending: SortedDict[int, Pending] = SortedDict()


class ConsumerGroup:
    """Consumers that share a stream: each entry goes to one of them.

    `counted` is what its stream has counted of its memory.
    """

    __slots__ = ("consumers", "counted", "entries_read", "last_id", "pending")

    def __init__(self, last_id: int, entries_read: int) -> None:
        self.counted = 0
        self.last_id = last_id
        self.entries_read = entries_read
        self.pending: SortedDict[int, Pending] = SortedDict()
        self.consumers: SortedDict[bytes, Consumer] = SortedDict()

    @property
    def memory(self) -> int:
        """Bytes of memory, as an estimate."""
        return GROUP_SIZE * (1 + len(self.consumers)) + PENDING_SIZE * len(self.pending)

    def give(self, entry_id: int, consumer: Consumer, now: int) -> None:
        """Take note that a consumer is given an entry for the first time, whoever had it before."""
        before = self.pending.get(entry_id)
        if before is not None:
            del before.consumer.pending[entry_id]
        self.pending[entry_id] = consumer.pending[entry_id] = Pending(consumer, now, 1)

    def forget(self, entry_id: int) -> bool:
        """Take note that an entry was acknowledged, or is gone; False if nobody had it."""
        pending = self.pending.pop(entry_id, None)
        if pending is None:
            return False
        del pending.consumer.pending[entry_id]
        return True


class StreamState(NamedTuple):
    """What a stream is beside its entries: the last piece that a snapshot gets of it."""

    length: int
    last_id: int
    first_id: int
    deleted_id: int
    entries_added: int
    groups: Sequence[Tuple[bytes, int, int, Sequence[Tuple[int, int, int]], Sequence[Tuple[bytes, int, Sequence[int]]]]]
    """Of each group the name, last ID, entries read, the pending entries (ID, date, count), and the consumers (name,
    date, IDs of pending entries)."""


class Stream:
    """Entries in the order of their IDs.

    `counted` is what its database has counted of its memory.  A stream that is frozen shows a snapshot what it held
    then, and goes on changing.
    """

    __slots__ = (
        "_changing",
        "_frozen",
        "_length",
        "_nodes",
        "_starts",
        "_weight",
        "counted",
        "deleted_id",
        "entries_added",
        "first_id",
        "groups",
        "last_id",
    )

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._starts: list[int] = []  # the first ID of each node, to look one up
        self._length = 0
        self._frozen: set[int] | None = None  # nodes that must not change, by id(); whoever froze them holds them
        self._weight = TABLE  # bytes of memory, but for what has changed in one group
        self._changing: ConsumerGroup | None = None  # that group
        self.counted = 0
        self.last_id = 0
        self.first_id = 0
        self.deleted_id = 0
        """The largest ID that was deleted."""
        self.entries_added = 0
        self.groups: SortedDict[bytes, ConsumerGroup] = SortedDict()
        """The groups by their names, to be looked at; see `group`."""

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        """Tell that a stream without entries is one: it still knows its last ID and its groups."""
        return True

    @property
    def memory(self) -> int:
        """Bytes of memory, as an estimate."""
        self._count_changing()
        return self._weight

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)

    @property
    def largest(self) -> int:
        """The largest ID of an entry that is there; 0 if there is none."""
        return next((entry_id for entry_id, _ in self.range(0, LAST_ID, reverse=True)), 0)

    @property
    def oldest(self) -> int:
        """The ID from which on there are nodes: of an entry that may have been deleted; `LAST_ID` if there are none."""
        return self._starts[0] if self._starts else LAST_ID

    def tree_nodes(self) -> int:
        """Tell how many nodes the radix tree has in which Redis keeps the nodes of a stream by their first IDs."""
        return _tree_nodes([start.to_bytes(16, "big") for start in self._starts], 0)

    # Entries

    def append(self, entry_id: int, fields: Fields) -> None:
        """Add an entry whose ID is above all others."""
        length = sum(map(len, fields))
        node = self._node_for(entry_id, fields, length)
        node.append(entry_id, fields)
        self._length += 1
        self.entries_added += 1
        self.last_id = entry_id
        if self._length == 1:
            self.first_id = entry_id
        self._weight += ENTRY_SIZE + PART_SIZE * len(fields) + length

    def load(self, node: Node, entries: Sequence[tuple[int, Fields]]) -> None:
        """Add a node with the entries that it has left; what else the stream is has to be set by itself."""
        for entry_id, fields in entries:
            node.ids.append(entry_id)
            node.items.append(fields)
        self._weight += _entries_memory(node.items)
        self._nodes.append(node)
        self._starts.append(node.start)
        self._length += len(entries)
        self._weight += NODE_SIZE

    def get(self, entry_id: int) -> Fields | None:
        """Give the fields of an entry, or None."""
        node, place = self._find(entry_id)
        return None if node is None else node.items[place]

    def range(self, start: int, end: int, *, reverse: bool = False) -> Iterator[tuple[int, Fields]]:
        """Give the entries from one ID to another, both included, in their order or in reverse."""
        if start > end:
            return
        if reverse:
            for at in range(bisect_right(self._starts, end) - 1, -1, -1):
                node = self._nodes[at]
                low, high = bisect_left(node.ids, start), bisect_right(node.ids, end)
                yield from zip(node.ids[low:high][::-1], node.items[low:high][::-1])
                if low:
                    return
            return
        for at in range(max(0, bisect_right(self._starts, start) - 1), len(self._nodes)):
            node = self._nodes[at]
            low, high = bisect_left(node.ids, start), bisect_right(node.ids, end)
            yield from zip(node.ids[low:high], node.items[low:high])
            if high < len(node.ids):
                return

    def delete(self, entry_id: int) -> bool:
        """Remove an entry; True if it was there."""
        node, place = self._find(entry_id)
        if node is None:
            return False
        at = bisect_right(self._starts, entry_id) - 1
        if len(node.ids) == 1:
            self._drop_nodes(at, at + 1)
        else:
            node = self._own(at)
            self._forget_entries(node, place, place + 1)
        if entry_id > self.deleted_id:
            self.deleted_id = entry_id
        if entry_id == self.first_id or not self._length:
            self._find_first()
        return True

    def trim(self, *, length: int | None, least: int, approximately: bool, limit: int) -> int:
        """Remove the oldest entries until there are `length` left, or none with an ID below `least`.

        `approximately`: whole nodes only, and no more than `limit` entries if that is not 0.  Gives how many went.
        """
        removed = 0
        at = 0
        while at < len(self._nodes):
            node = self._nodes[at]
            count = len(node.ids)
            if length is not None and self._length - removed <= length:
                break
            if limit and removed + count > limit:
                break
            whole = self._length - removed - count >= length if length is not None else node.last < least
            if whole:
                removed += count
                at += 1
                continue
            if approximately:
                break
            some = self._length - removed - length if length is not None else bisect_left(node.ids, least)
            if some:
                self._drop_nodes(0, at)
                at = 0
                self._forget_entries(self._own(0), 0, some)
                removed += some
            break
        if at:
            self._drop_nodes(0, at)
        if removed:
            self._find_first()
        return removed

    # What is known of how far somebody has read

    def has_tombstones(self, start: int) -> bool:
        """Tell whether an entry from an ID on may have been deleted."""
        return self._length > 0 and self.deleted_id >= max(start, self.first_id, 1)

    def entries_before(self, entry_id: int) -> int:
        """Tell how many entries were ever added up to an ID, itself included; `UNKNOWN` if that cannot be told."""
        if not self.entries_added:
            return 0
        if not self._length and entry_id <= self.last_id:
            return self.entries_added
        if entry_id == self.last_id:
            return self.entries_added
        if entry_id > self.last_id:
            return UNKNOWN
        if not self.deleted_id or self.deleted_id < self.first_id:
            if entry_id < self.first_id:
                return self.entries_added - self._length
            if entry_id == self.first_id:
                return self.entries_added - self._length + 1
        return UNKNOWN

    def lag(self, group: ConsumerGroup) -> int | None:
        """Tell how many entries a group has not been given yet; None if that cannot be told."""
        if not self.entries_added:
            return 0
        if group.entries_read != UNKNOWN and not self.has_tombstones(group.last_id):
            return self.entries_added - group.entries_read
        read = self.entries_before(group.last_id)
        return None if read == UNKNOWN else self.entries_added - read

    def advance(self, group: ConsumerGroup, entry_id: int) -> None:
        """Take note that a group is given an entry, if it is one of those that it had not been given."""
        if entry_id <= group.last_id:
            return
        if group.entries_read != UNKNOWN and not self.has_tombstones(entry_id):
            group.entries_read += 1
        elif self.entries_added:
            group.entries_read = self.entries_before(entry_id)
        group.last_id = entry_id

    # Groups

    def group(self, name: bytes) -> ConsumerGroup | None:
        """Give a group that may be changed until the next one is asked for, or None."""
        group = self.groups.get(name)
        if group is not self._changing:
            self._count_changing()
            self._changing = group
        return group

    def add_group(self, name: bytes, group: ConsumerGroup) -> None:
        """Add a group, which may be changed until the next one is asked for."""
        self._count_changing()
        self.groups[name] = self._changing = group

    def drop_group(self, name: bytes) -> bool:
        """Remove a group; False if there is none of that name."""
        group = self.group(name)
        if group is None:
            return False
        self._count_changing()
        self._weight -= group.counted
        self._changing = None
        del self.groups[name]
        return True

    # As a whole

    def copy(self) -> Stream:
        """Give a stream of its own with the same entries and groups."""
        own = Stream()
        own._nodes = [node.copy() for node in self._nodes]
        own._starts = self._starts.copy()
        own._length, own._weight = self._length, self.memory - sum([each.counted for each in self.groups.values()])
        own.set_state(self.state())
        return own

    def state(self) -> StreamState:
        """Give all that a stream is beside its entries."""
        groups = []
        for name, group in self.groups.items():
            pending = [(entry_id, each.delivered, each.count) for entry_id, each in group.pending.items()]
            consumers = [(each.name, each.seen, list(each.pending)) for each in group.consumers.values()]
            groups.append((name, group.last_id, group.entries_read, pending, consumers))
        return StreamState(self._length, self.last_id, self.first_id, self.deleted_id, self.entries_added, groups)

    def set_state(self, state: StreamState) -> None:
        """Take over all that another stream is beside its entries."""
        self.last_id, self.first_id = state.last_id, state.first_id
        self.deleted_id, self.entries_added = state.deleted_id, state.entries_added
        for name, last_id, entries_read, pending, consumers in state.groups:
            group = ConsumerGroup(last_id, entries_read)
            self.add_group(name, group)
            known = {entry_id: (delivered, count) for entry_id, delivered, count in pending}
            for consumer_name, seen, ids in consumers:
                consumer = group.consumers[consumer_name] = Consumer(consumer_name, seen)
                for entry_id in ids:
                    consumer.pending[entry_id] = group.pending[entry_id] = Pending(consumer, *known[entry_id])

    def pieces(self) -> list[Any]:
        """Give the nodes and the state, which must not be changed, for as long as nothing else is."""
        return [*self._nodes, self.state()]

    def freeze(self) -> list[Any]:
        """Give the nodes and the state as they are now.  What is changed later is changed in a copy, until `thaw`."""
        self._frozen = {id(node) for node in self._nodes}
        return self.pieces()

    def thaw(self) -> None:
        """Let the nodes that were given change again."""
        self._frozen = None

    def release(self) -> Sequence[object] | None:
        """Take a small part out of a stream that nobody uses any more; None when nothing is left."""
        if self._nodes:
            return self._nodes.pop().items
        if self.groups:
            name = next(iter(self.groups))
            group = self.groups[name]
            some = [group.pending.popitem() for _ in range(min(NODE_ENTRIES, len(group.pending)))]
            for entry_id, each in some:
                each.consumer.pending.pop(entry_id)
            if not some:
                del self.groups[name]
            return some
        return None

    # The rest is our own

    def _count_changing(self) -> None:
        group = self._changing
        if group is not None:
            weight = group.memory
            self._weight += weight - group.counted
            group.counted = weight

    def _node_for(self, entry_id: int, fields: Fields, length: int) -> Node:
        """Give the node that a new entry of so many bytes goes into: the last, or a new one if that is full."""
        if self._nodes:
            node = self._nodes[-1]
            count = len(node.ids) + node.deleted
            if count < NODE_ENTRIES and node.size + _COUNTS_BYTES + length < NODE_BYTES:
                return node if self._frozen is None else self._own(len(self._nodes) - 1)
        node = Node(entry_id, fields[::2])
        self._nodes.append(node)
        self._starts.append(entry_id)
        self._weight += NODE_SIZE
        return node

    def _find(self, entry_id: int) -> tuple[Node | None, int]:
        at = bisect_right(self._starts, entry_id) - 1
        if at >= 0:
            node = self._nodes[at]
            place = bisect_left(node.ids, entry_id)
            if place < len(node.ids) and node.ids[place] == entry_id:
                return node, place
        return None, 0

    def _own(self, at: int) -> Node:
        """Give a node that is to be changed: a copy of its own, if it is frozen."""
        node = self._nodes[at]
        if self._frozen is not None and id(node) in self._frozen:
            node = self._nodes[at] = node.copy()
        return node

    def _drop_nodes(self, start: int, stop: int) -> None:
        for node in self._nodes[start:stop]:
            self._length -= len(node.ids)
            self._weight -= NODE_SIZE + _entries_memory(node.items)
        del self._nodes[start:stop]
        del self._starts[start:stop]

    def _forget_entries(self, node: Node, start: int, stop: int) -> None:
        """Remove some entries of a node; without any it stays, as in Redis, if deleted ones are behind them."""
        self._weight -= _entries_memory(node.items[start:stop])
        del node.ids[start:stop]
        del node.items[start:stop]
        node.deleted += stop - start
        self._length -= stop - start

    def _find_first(self) -> None:
        self.first_id = next((node.ids[0] for node in self._nodes if node.ids), 0)


def _entries_memory(items: List[Fields]) -> int:
    return sum([ENTRY_SIZE + PART_SIZE * len(fields) + sum(map(len, fields)) for fields in items])


def _tree_nodes(keys: Sequence[bytes], start: int) -> int:
    """Count the nodes of a radix tree for keys in their order that are the same up to a place."""
    if len(keys) < 2:
        return 1 + (start < 16 and bool(keys))
    shared = next(place for place in range(start, 16) if keys[0][place] != keys[-1][place])
    count = 1 + (shared > start)
    for _, branch in groupby(keys, lambda key: key[shared]):
        count += _tree_nodes(list(branch), shared + 1)
    return count
