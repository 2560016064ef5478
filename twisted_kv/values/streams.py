"""The stream: entries in the order of their IDs, and the groups of consumers that share them.

An ID is one number here: milliseconds in the upper 64 bits, a sequence number in the lower 64.  Entries are kept in
nodes, and a node ends where one of Redis would: XTRIM with `~` removes only whole nodes, and clients see what it
leaves.  So each node tracks how many bytes its entries would take packed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import groupby
from typing import Any, Final, Iterable, Iterator, NamedTuple, Sequence, Tuple

from sortedcontainers import SortedDict

from twisted_kv.values.consumer_groups import UNKNOWN, Consumer, ConsumerGroup, Pending
from twisted_kv.values.packing import DEFAULTS, Packing
from twisted_kv.values.sizes import TABLE
from twisted_kv.values.stream_nodes import LAST_ID, Fields, Node, signed
from twisted_kv.vocabulary.numbers import INT64_MAX, UINT64_MAX

_NODE_MAX_BYTES: Final = 1 << 30
"""Bytes that a node may have before another entry is added to it, whatever the settings say."""
_RELEASED_AT_ONCE: Final = 100
_COUNTS_BYTES: Final = 4
"""Bytes of the two counts at the front of a node that is not full: of its entries, and of the deleted ones."""

NODE_SIZE: Final = 400


class StreamState(NamedTuple):
    """All of a stream except its entries: the last piece of it that a snapshot receives."""

    length: int
    """An unsigned 64-bit number, as all numbers of a stream, and kept separately: a file may claim any length."""
    last_id: int
    first_id: int
    deleted_id: int
    entries_added: int
    groups: Sequence[Tuple[bytes, int, int, Sequence[Tuple[int, int, int]], Sequence[Tuple[bytes, int, Sequence[int]]]]]
    """For each group its name, last ID, entries read, pending entries (ID, date, count), and consumers (name, date, IDs
    of pending entries)."""
    is_plain: bool
    """Whether XADD, XSETID, XGROUP and XCLAIM can create such a stream."""


class Stream:
    """Entries in the order of their IDs.

    XSETID may set the last ID below that of a deleted entry, and a file may claim anything about a stream.  Then nodes
    and entries may be in any order (`_is_plain` is False), and the walk over them follows Redis's own step by step, so
    that all results are the same.

    `counted` is the part of its memory that its database has counted.  A frozen stream shows a snapshot what it held
    when it was frozen, and can still change.
    """

    __slots__ = (
        "_changing",
        "_counts_match",
        "_frozen",
        "_is_plain",
        "_nodes",
        "_starts",
        "_tree",
        "_weight",
        "counted",
        "deleted_id",
        "entries_added",
        "first_id",
        "groups",
        "last_id",
        "length",
        "packing",
    )

    def __init__(self, packing: Packing = DEFAULTS) -> None:
        self.packing = packing
        """The limits of its nodes."""
        self._nodes: list[Node] = []
        self._starts: list[int] = []  # the first ID of each node, to find a node
        self._is_plain = True  # IDs ascend from entry to entry and from node to node
        self._tree: tuple[Any, int] = None, 0  # the nodes for which the tree was counted, and the result
        self._counts_match = True  # the counts of nodes and stream match their entries
        self.length = 0
        """The number of entries: an unsigned 64-bit number."""
        self._frozen: set[int] | None = None  # id() of nodes that must not change; whoever froze them keeps them alive
        self._weight = TABLE  # bytes of memory, without the changes in one group
        self._changing: ConsumerGroup | None = None  # that group
        self.counted = 0
        self.last_id = 0
        self.first_id = 0
        self.deleted_id = 0
        """The largest deleted ID."""
        self.entries_added = 0
        self.groups: SortedDict[bytes, ConsumerGroup] = SortedDict()
        """The groups by name, only for reading; to change one, see `group`."""

    def __len__(self) -> int:
        return self.length & INT64_MAX

    def __bool__(self) -> bool:
        """Return True even without entries: an empty stream still has its last ID and its groups."""
        return True

    @property
    def memory(self) -> int:
        """Bytes of memory, as an estimate."""
        self._count_changing()
        return self._weight

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return len(self._nodes)

    @property
    def largest(self) -> int:
        """The largest ID of an existing entry; 0 if there is none."""
        return next((entry_id for entry_id, _ in self.range(0, LAST_ID, reverse=True)), 0)

    @property
    def oldest(self) -> int:
        """The first ID of the first node, whose entry may have been deleted; `LAST_ID` if there are no nodes."""
        return self._starts[0] if self._starts else LAST_ID

    def tree_nodes(self) -> int:
        """Return the number of nodes of the radix tree in which Redis keeps a stream's nodes by their first IDs."""
        ends = len(self._starts), self._starts[:1], self._starts[-1:]
        if self._tree[0] != ends:  # nodes come at the end and go at the front; other changes force a recount
            self._tree = ends, _tree_nodes([start.to_bytes(16, "big") for start in self._starts], 0)
        return self._tree[1]

    # Entries

    def append(self, entry_id: int, fields: Fields) -> None:
        """Add an entry whose ID is above the last one."""
        size = sum(map(len, fields))
        node = self._node_for(entry_id, fields, size)
        if self._is_plain and node.ids and node.ids[-1] >= entry_id:
            self._is_plain = False  # XSETID has set the last ID below a deleted one
        before = node.weight
        node.append(entry_id, fields)
        self._weight += node.weight - before
        self.length = self.length + 1 & UINT64_MAX
        self.entries_added = self.entries_added + 1 & UINT64_MAX
        self.last_id = entry_id
        if self.length == 1:
            self.first_id = entry_id

    def load(self, node: Node) -> bool:
        """Add a node of a file; return False if one has the same first ID.  All else has to be set separately."""
        index = bisect_left(self._starts, node.start)
        if index < len(self._starts):
            if self._starts[index] == node.start:
                return False
            self._is_plain = False
        elif not node.is_plain or (self._nodes and self._nodes[-1].ids[-1:] >= node.ids[:1]):
            self._is_plain = False
        self._nodes.insert(index, node)
        self._starts.insert(index, node.start)
        self._weight += NODE_SIZE + node.weight
        self._counts_match = self._counts_match and node.is_plain
        return True

    def get(self, entry_id: int) -> Fields | None:
        """Return the fields of an entry, or None."""
        found = self._find(entry_id)
        return None if found is None else self._nodes[found[0]].items[found[1]]

    def range(self, start: int, end: int, *, reverse: bool = False) -> Iterator[tuple[int, Fields]]:
        """Iterate over the entries from one ID to another, both included, in order or in reverse."""
        if start > end:
            return
        if not self._is_plain:
            for node_index, index in self._walk(start, end, reverse=reverse):
                yield self._nodes[node_index].ids[index], self._nodes[node_index].items[index]
        elif reverse:
            for node_index in range(bisect_right(self._starts, end) - 1, -1, -1):
                node = self._nodes[node_index]
                low, high = node.bounds(start, end)
                yield from node.entries_reversed(low, high)
                if low:
                    return
        else:
            for node_index in range(max(0, bisect_right(self._starts, start) - 1), len(self._nodes)):
                node = self._nodes[node_index]
                low, high = node.bounds(start, end)
                yield from node.entries(low, high)
                if high < len(node.ids):
                    return

    def delete(self, entry_ids: Iterable[int]) -> int:
        """Remove entries; returns how many existed."""
        removed = 0
        first_was_removed = False
        for entry_id in entry_ids:
            found = self._find(entry_id)
            if found is None:
                continue
            node_index, index = found
            if self._nodes[node_index].count == 1:
                self._drop_nodes(node_index, node_index + 1)
            else:
                self._own(node_index).delete(index)
            self.length = self.length - 1 & UINT64_MAX
            self.deleted_id = max(self.deleted_id, entry_id)
            first_was_removed = first_was_removed or entry_id == self.first_id
            removed += 1
        if removed and (first_was_removed or not self.length):
            self._find_first()
        return removed

    def trim(self, *, length: int | None, least: int, approximately: bool, limit: int) -> int:
        """Remove the oldest entries until `length` are left, or none with an ID below `least`.

        With `approximately`, remove only whole nodes, and no more than `limit` entries if that is not 0.  Returns how
        many entries were removed.
        """
        removed = 0
        whole_nodes = 0  # number of nodes to remove
        while whole_nodes < len(self._nodes):
            if length is not None and self.length <= length:
                break
            node = self._nodes[whole_nodes]
            count = node.count
            if limit and removed + count > limit:
                break
            if length is not None:
                is_removed = self.length - count & UINT64_MAX >= length
            else:
                is_removed = not node.ids or node.ids[-1] < least
            if is_removed:
                self.length = self.length - count & UINT64_MAX
                removed = signed(removed + count)
                whole_nodes += 1
                continue
            if not approximately:
                removed = signed(removed + self._trim_node(whole_nodes, length, least))
            break
        if whole_nodes:
            self._drop_nodes(0, whole_nodes)
        if removed or not self.length:
            self._find_first()
        return removed

    def _trim_node(self, node_index: int, length: int | None, least: int) -> int:
        """Remove the first entries of a node; return how many."""
        removed = 0
        node = self._own(node_index)
        for index, entry_id in enumerate(node.ids):
            if self.length <= length if length is not None else entry_id >= least:
                break
            if node.live[index]:
                node.delete(index)
                self.length = self.length - 1 & UINT64_MAX
                removed += 1
        return removed

    # How far a group has read

    def has_tombstones(self, start: int) -> bool:
        """Check whether an entry from an ID on may have been deleted."""
        return self.length > 0 and self.deleted_id >= max(start, self.first_id, 1)

    def entries_before(self, entry_id: int) -> int:
        """Return how many entries were ever added up to and including an ID; `UNKNOWN` if that is not known."""
        if not self.entries_added:
            return 0
        if entry_id == self.last_id or (not self.length and entry_id < self.last_id):
            return signed(self.entries_added)
        if entry_id > self.last_id:
            return UNKNOWN
        if not self.deleted_id or self.deleted_id < self.first_id:
            if entry_id < self.first_id:
                return signed(self.entries_added - self.length)
            if entry_id == self.first_id:
                return signed(self.entries_added - self.length + 1)
        return UNKNOWN

    def lag(self, group: ConsumerGroup) -> int | None:
        """Return how many entries were not delivered to a group yet; None if that is not known."""
        if not self.entries_added:
            return 0
        if group.entries_read != UNKNOWN and not self.has_tombstones(group.last_id):
            return signed(self.entries_added - group.entries_read)
        read = self.entries_before(group.last_id)
        return None if read == UNKNOWN else signed(self.entries_added - read)

    def advance(self, group: ConsumerGroup, entry_id: int) -> None:
        """Record that an entry is delivered to a group, if it is after the last one delivered."""
        if entry_id <= group.last_id:
            return
        if group.entries_read != UNKNOWN and not self.has_tombstones(entry_id):
            group.entries_read = signed(group.entries_read + 1)
        elif self.entries_added:
            group.entries_read = self.entries_before(entry_id)
        group.last_id = entry_id

    # Groups

    def group(self, name: bytes) -> ConsumerGroup | None:
        """Return a group, which may be changed until the next call for another group, or None."""
        group = self.groups.get(name)
        if group is not self._changing:
            self._count_changing()
            self._changing = group
        return group

    def add_group(self, name: bytes, group: ConsumerGroup) -> None:
        """Add a group, which may be changed until the next call for another group."""
        self._count_changing()
        self.groups[name] = self._changing = group

    def drop_group(self, name: bytes) -> bool:
        """Remove a group; return False if there is none of that name."""
        group = self.group(name)
        if group is None:
            return False
        self._count_changing()
        self._weight -= group.counted
        self._changing = None
        del self.groups[name]
        return True

    # The stream as a whole

    def copy(self) -> Stream:
        """Return an independent stream with the same entries and groups."""
        duplicate = Stream(self.packing)
        duplicate._nodes = [node.copy() for node in self._nodes]
        duplicate._starts = self._starts.copy()
        duplicate._is_plain, duplicate._counts_match = self._is_plain, self._counts_match
        duplicate._weight = self.memory - sum([each.counted for each in self.groups.values()])
        duplicate.set_state(self.state())
        return duplicate

    def state(self) -> StreamState:
        """Return all of the stream except its entries."""
        groups = []
        is_plain = self._is_plain and self._counts_match and self.length == sum([node.count for node in self._nodes])
        is_plain = is_plain and self.largest <= self.last_id >= self.deleted_id and self.entries_added >= self.length
        is_plain = is_plain and self.entries_added <= INT64_MAX
        for name, group in self.groups.items():
            pending = []
            for entry_id, each in group.pending.items():
                pending.append((entry_id, each.delivered, each.count))
                is_plain = is_plain and each.consumer is not None and each.delivered >= 0 and each.count <= INT64_MAX
            consumers = [(each.name, each.seen, list(each.pending)) for each in group.consumers.values()]
            groups.append((name, group.last_id, group.entries_read, pending, consumers))
            is_plain = is_plain and group.entries_read >= UNKNOWN
        return StreamState(
            self.length, self.last_id, self.first_id, self.deleted_id, self.entries_added, groups, is_plain
        )

    def set_state(self, state: StreamState) -> None:
        """Take over all of another stream except its entries."""
        self.length, self.last_id, self.first_id = state.length, state.last_id, state.first_id
        self.deleted_id, self.entries_added = state.deleted_id, state.entries_added
        for name, last_id, entries_read, pending, consumers in state.groups:
            group = ConsumerGroup(last_id, entries_read)
            self.add_group(name, group)
            for entry_id, delivered, count in pending:
                group.pending[entry_id] = Pending(None, delivered, count)
            for consumer_name, seen, ids in consumers:
                consumer = group.consumers[consumer_name] = Consumer(consumer_name, seen)
                for entry_id in ids:
                    group.pending[entry_id].give(entry_id, consumer)

    def pieces(self) -> list[Any]:
        """Return the nodes and the state, which the caller must not change and which are valid until a change."""
        return [*self._nodes, self.state()]

    def freeze(self) -> list[Any]:
        """Return the nodes and the state as they are now.  Until `thaw`, changes are made in copies."""
        self._frozen = {id(node) for node in self._nodes}
        return self.pieces()

    def thaw(self) -> None:
        """Allow the frozen nodes to change in place again."""
        self._frozen = None

    def release(self) -> Sequence[object] | None:
        """Remove and return a small part of a stream that is no longer used, or None when nothing is left."""
        if self._nodes:
            return self._nodes.pop().items
        if self.groups:
            name = next(iter(self.groups))
            group = self.groups[name]
            removed = [group.pending.pop_last() for _ in range(min(_RELEASED_AT_ONCE, len(group.pending)))]
            for entry_id, each in removed:
                if each.consumer is not None:
                    del each.consumer.pending[entry_id]
            if not removed:
                del self.groups[name]
            return removed
        return None

    # Private helpers

    def _count_changing(self) -> None:
        group = self._changing
        if group is not None:
            weight = group.memory
            self._weight += weight - group.counted
            group.counted = weight

    def _node_for(self, entry_id: int, fields: Fields, length: int) -> Node:
        """Return the node for a new entry of `length` bytes: the last one, or a new one if that is full."""
        if self._nodes:
            node = self._nodes[-1]
            max_entries, max_bytes = self.packing.stream_node_max_entries, self.packing.stream_node_max_bytes
            has_room = node.size + _COUNTS_BYTES + length < min(max_bytes or _NODE_MAX_BYTES, _NODE_MAX_BYTES)
            if has_room and (not max_entries or signed(node.count + node.deleted) < max_entries):
                return node if self._frozen is None else self._own(len(self._nodes) - 1)
            if entry_id <= self._starts[-1] or (node.ids and entry_id <= node.ids[-1]):
                return self._node_before(entry_id, fields[::2])
        node = Node(entry_id, fields[::2])
        self._nodes.append(node)
        self._starts.append(entry_id)
        self._weight += NODE_SIZE
        return node

    def _node_before(self, entry_id: int, names: Fields) -> Node:
        """Make a node that does not come after all others; it replaces one with the same first ID, as in Redis."""
        self._is_plain = False
        index = bisect_left(self._starts, entry_id)
        if index < len(self._starts) and self._starts[index] == entry_id:
            self._drop_nodes(index, index + 1)
            self._counts_match = False  # the length still includes its entries
        node = Node(entry_id, names)
        self._tree = None, 0
        self._nodes.insert(index, node)
        self._starts.insert(index, entry_id)
        self._weight += NODE_SIZE
        return node

    def _walk(self, start: int, end: int, *, reverse: bool) -> Iterator[tuple[int, int]]:
        """Yield the node index and entry index of the entries from one ID to another, in the order of Redis's iterator.

        It begins with the node that should hold the first ID, skips entries that are deleted or before that ID, and
        ends at the first entry after the other ID.
        """
        if reverse:
            node_index = bisect_right(self._starts, end) - 1 if end else -1
            nodes = range(node_index if node_index >= 0 else len(self._nodes) - 1, -1, -1)
        else:
            nodes = range(max(0, bisect_right(self._starts, start) - 1), len(self._nodes))
        for node_index in nodes:
            node = self._nodes[node_index]
            for index in reversed(range(len(node.ids))) if reverse else range(len(node.ids)):
                entry_id = node.ids[index]
                if not node.live[index] or (entry_id > end if reverse else entry_id < start):
                    continue
                if entry_id < start if reverse else entry_id > end:
                    return
                yield node_index, index

    def _find(self, entry_id: int) -> tuple[int, int] | None:
        """Return the node index and the entry index of an entry, or None if it does not exist."""
        if not self._is_plain:
            return next(self._walk(entry_id, entry_id, reverse=False), None)
        node_index = bisect_right(self._starts, entry_id) - 1
        if node_index >= 0:
            node = self._nodes[node_index]
            index = bisect_left(node.ids, entry_id)
            if index < len(node.ids) and node.ids[index] == entry_id and node.live[index]:
                return node_index, index
        return None

    def _own(self, index: int) -> Node:
        """Return a node that may be changed: replaced by a copy first if it is frozen."""
        node = self._nodes[index]
        if self._frozen is not None and id(node) in self._frozen:
            node = self._nodes[index] = node.copy()
        return node

    def _drop_nodes(self, start: int, stop: int) -> None:
        self._tree = None, 0
        for node in self._nodes[start:stop]:
            self._weight -= NODE_SIZE + node.weight
        del self._nodes[start:stop]
        del self._starts[start:stop]

    def _find_first(self) -> None:
        if not self.length:
            self.first_id = 0
        else:
            self.first_id = next((entry_id for entry_id, _ in self.range(0, LAST_ID)), LAST_ID)


def _tree_nodes(keys: Sequence[bytes], start: int) -> int:
    """Count the nodes of a radix tree for sorted keys that are equal up to an offset."""
    if len(keys) < 2:
        return 1 + (start < 16 and bool(keys))
    shared = next(offset for offset in range(start, 16) if keys[0][offset] != keys[-1][offset])
    count = 1 + (shared > start)
    for _, branch in groupby(keys, lambda key: key[shared]):
        count += _tree_nodes(list(branch), shared + 1)
    return count
