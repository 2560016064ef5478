"""The stream: entries in the order of their IDs, and the groups of consumers that share them.

An ID is one number here, milliseconds in its upper 64 bits and a sequence number in its lower.  Entries stand in nodes
which are cut where Redis cuts its own: XTRIM with `~` removes whole nodes only, and what it
leaves is seen by clients.  So each node keeps count of the bytes that its entries would take packed.
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

_NODE_MOST_BYTES: Final = 1 << 30
"""Bytes that a node may have before it gets another entry, whatever the settings say."""
_RELEASED_AT_ONCE: Final = 100
_COUNTS_BYTES: Final = 4
"""Bytes of the two counts at the front of a node that is not full: of its entries, and of those that were deleted."""

NODE_SIZE: Final = 400


class StreamState(NamedTuple):
    """What a stream is beside its entries: the last piece that a snapshot gets of it."""

    length: int
    """64 bits without a sign, as all numbers of a stream, and kept by itself: a file may say anything."""
    last_id: int
    first_id: int
    deleted_id: int
    entries_added: int
    groups: Sequence[Tuple[bytes, int, int, Sequence[Tuple[int, int, int]], Sequence[Tuple[bytes, int, Sequence[int]]]]]
    """Of each group the name, last ID, entries read, the pending entries (ID, date, count), and the consumers (name,
    date, IDs of pending entries)."""
    is_plain: bool
    """Whether XADD, XSETID, XGROUP and XCLAIM can make such a stream."""


class Stream:
    """Entries in the order of their IDs.

    XSETID may set the last ID below that of an entry that was deleted, and a file may say anything of a stream.  Then
    nodes and entries are in any order, the walk over them is Redis's step by step, and so is all that comes of it
    (`_is_plain` is False).

    `counted` is what its database has counted of its memory.  A stream that is frozen shows a snapshot what it held
    then, and goes on changing.
    """

    __slots__ = (
        "_changing",
        "_frozen",
        "_is_plain",
        "_nodes",
        "_starts",
        "_tallies",
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
        """How large its nodes grow."""
        self._nodes: list[Node] = []
        self._starts: list[int] = []  # the first ID of each node, to look one up
        self._is_plain = True  # IDs ascend from entry to entry and from node to node
        self._tree: tuple[Any, int] = None, 0  # for which nodes the tree was counted, and what came of it
        self._tallies = True  # nodes and stream have the entries that they say they have
        self.length = 0
        """How many entries there are: 64 bits without a sign."""
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
        return self.length & INT64_MAX

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
        ends = len(self._starts), self._starts[:1], self._starts[-1:]
        if self._tree[0] != ends:  # nodes come at the end and go at the front; others are counted anew in any case
            self._tree = ends, _tree_nodes([start.to_bytes(16, "big") for start in self._starts], 0)
        return self._tree[1]

    # Entries

    def append(self, entry_id: int, fields: Fields) -> None:
        """Add an entry whose ID is above the last one."""
        size = sum(map(len, fields))
        node = self._node_for(entry_id, fields, size)
        if self._is_plain and node.ids and node.ids[-1] >= entry_id:
            self._is_plain = False  # XSETID has set the last ID below one that was deleted
        before = node.weight
        node.append(entry_id, fields)
        self._weight += node.weight - before
        self.length = self.length + 1 & UINT64_MAX
        self.entries_added = self.entries_added + 1 & UINT64_MAX
        self.last_id = entry_id
        if self.length == 1:
            self.first_id = entry_id

    def load(self, node: Node) -> bool:
        """Add a node of a file, False if there is one with that first ID; all else has to be set by itself."""
        at = bisect_left(self._starts, node.start)
        if at < len(self._starts):
            if self._starts[at] == node.start:
                return False
            self._is_plain = False
        elif not node.is_plain or (self._nodes and self._nodes[-1].ids[-1:] >= node.ids[:1]):
            self._is_plain = False
        self._nodes.insert(at, node)
        self._starts.insert(at, node.start)
        self._weight += NODE_SIZE + node.weight
        self._tallies = self._tallies and node.is_plain
        return True

    def get(self, entry_id: int) -> Fields | None:
        """Return the fields of an entry, or None."""
        found = self._find(entry_id)
        return None if found is None else self._nodes[found[0]].items[found[1]]

    def range(self, start: int, end: int, *, reverse: bool = False) -> Iterator[tuple[int, Fields]]:
        """Return the entries from one ID to another, both included, in their order or in reverse."""
        if start > end:
            return
        if not self._is_plain:
            for at, index in self._walk(start, end, reverse=reverse):
                yield self._nodes[at].ids[index], self._nodes[at].items[index]
        elif reverse:
            for at in range(bisect_right(self._starts, end) - 1, -1, -1):
                node = self._nodes[at]
                low, high = node.bounds(start, end)
                yield from node.entries_reversed(low, high)
                if low:
                    return
        else:
            for at in range(max(0, bisect_right(self._starts, start) - 1), len(self._nodes)):
                node = self._nodes[at]
                low, high = node.bounds(start, end)
                yield from node.entries(low, high)
                if high < len(node.ids):
                    return

    def delete(self, entry_ids: Iterable[int]) -> int:
        """Remove entries; returns how many were there."""
        removed = 0
        first_is_gone = False
        for entry_id in entry_ids:
            found = self._find(entry_id)
            if found is None:
                continue
            at, index = found
            if self._nodes[at].count == 1:
                self._drop_nodes(at, at + 1)
            else:
                self._own(at).delete(index)
            self.length = self.length - 1 & UINT64_MAX
            self.deleted_id = max(self.deleted_id, entry_id)
            first_is_gone = first_is_gone or entry_id == self.first_id
            removed += 1
        if removed and (first_is_gone or not self.length):
            self._find_first()
        return removed

    def trim(self, *, length: int | None, least: int, approximately: bool, limit: int) -> int:
        """Remove the oldest entries until there are `length` left, or none with an ID below `least`.

        `approximately`: whole nodes only, and no more than `limit` entries if that is not 0.  Returns how many went.
        """
        removed = 0
        whole = 0  # nodes that go
        while whole < len(self._nodes):
            if length is not None and self.length <= length:
                break
            node = self._nodes[whole]
            count = node.count
            if limit and removed + count > limit:
                break
            if length is not None:
                goes = self.length - count & UINT64_MAX >= length
            else:
                goes = not node.ids or node.ids[-1] < least
            if goes:
                self.length = self.length - count & UINT64_MAX
                removed = signed(removed + count)
                whole += 1
                continue
            if not approximately:
                removed = signed(removed + self._trim_node(whole, length, least))
            break
        if whole:
            self._drop_nodes(0, whole)
        if removed or not self.length:
            self._find_first()
        return removed

    def _trim_node(self, at: int, length: int | None, least: int) -> int:
        """Remove the first entries of a node; returns how many."""
        removed = 0
        node = self._own(at)
        for index, entry_id in enumerate(node.ids):
            if self.length <= length if length is not None else entry_id >= least:
                break
            if node.live[index]:
                node.delete(index)
                self.length = self.length - 1 & UINT64_MAX
                removed += 1
        return removed

    # What is known of how far somebody has read

    def has_tombstones(self, start: int) -> bool:
        """Tell whether an entry from an ID on may have been deleted."""
        return self.length > 0 and self.deleted_id >= max(start, self.first_id, 1)

    def entries_before(self, entry_id: int) -> int:
        """Tell how many entries were ever added up to an ID, itself included; `UNKNOWN` if that cannot be told."""
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
        """Tell how many entries a group has not been given yet; None if that cannot be told."""
        if not self.entries_added:
            return 0
        if group.entries_read != UNKNOWN and not self.has_tombstones(group.last_id):
            return signed(self.entries_added - group.entries_read)
        read = self.entries_before(group.last_id)
        return None if read == UNKNOWN else signed(self.entries_added - read)

    def advance(self, group: ConsumerGroup, entry_id: int) -> None:
        """Take note that a group is given an entry, if it is one of those that it had not been given."""
        if entry_id <= group.last_id:
            return
        if group.entries_read != UNKNOWN and not self.has_tombstones(entry_id):
            group.entries_read = signed(group.entries_read + 1)
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
        """Return a stream of its own with the same entries and groups."""
        own = Stream(self.packing)
        own._nodes = [node.copy() for node in self._nodes]
        own._starts = self._starts.copy()
        own._is_plain, own._tallies = self._is_plain, self._tallies
        own._weight = self.memory - sum([each.counted for each in self.groups.values()])
        own.set_state(self.state())
        return own

    def state(self) -> StreamState:
        """Return all that a stream is beside its entries."""
        groups = []
        is_plain = self._is_plain and self._tallies and self.length == sum([node.count for node in self._nodes])
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
        """Take over all that another stream is beside its entries."""
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
            some = [group.pending.pop_last() for _ in range(min(_RELEASED_AT_ONCE, len(group.pending)))]
            for entry_id, each in some:
                if each.consumer is not None:
                    del each.consumer.pending[entry_id]
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
        """Return the node that a new entry of so many bytes goes into: the last, or a new one if that is full."""
        if self._nodes:
            node = self._nodes[-1]
            most, most_bytes = self.packing.stream_node_max_entries, self.packing.stream_node_max_bytes
            has_room = node.size + _COUNTS_BYTES + length < min(most_bytes or _NODE_MOST_BYTES, _NODE_MOST_BYTES)
            if has_room and (not most or signed(node.count + node.deleted) < most):
                return node if self._frozen is None else self._own(len(self._nodes) - 1)
            if entry_id <= self._starts[-1] or (node.ids and entry_id <= node.ids[-1]):
                return self._node_before(entry_id, fields[::2])
        node = Node(entry_id, fields[::2])
        self._nodes.append(node)
        self._starts.append(entry_id)
        self._weight += NODE_SIZE
        return node

    def _node_before(self, entry_id: int, names: Fields) -> Node:
        """Make a node that does not come after all others: in the place of one with the same first ID, as in Redis."""
        self._is_plain = False
        at = bisect_left(self._starts, entry_id)
        if at < len(self._starts) and self._starts[at] == entry_id:
            self._drop_nodes(at, at + 1)
            self._tallies = False  # the length still counts what it had
        node = Node(entry_id, names)
        self._tree = None, 0
        self._nodes.insert(at, node)
        self._starts.insert(at, entry_id)
        self._weight += NODE_SIZE
        return node

    def _walk(self, start: int, end: int, *, reverse: bool) -> Iterator[tuple[int, int]]:
        """Return where the entries from one ID to another are: nodes and indices, in the order of Redis's iterator.

        It begins with the node that the first ID should be in, passes over what is deleted or before that ID, and ends
        at the first entry after the other one.
        """
        if reverse:
            at = bisect_right(self._starts, end) - 1 if end else -1
            nodes = range(at if at >= 0 else len(self._nodes) - 1, -1, -1)
        else:
            nodes = range(max(0, bisect_right(self._starts, start) - 1), len(self._nodes))
        for at in nodes:
            node = self._nodes[at]
            for index in reversed(range(len(node.ids))) if reverse else range(len(node.ids)):
                entry_id = node.ids[index]
                if not node.live[index] or (entry_id > end if reverse else entry_id < start):
                    continue
                if entry_id < start if reverse else entry_id > end:
                    return
                yield at, index

    def _find(self, entry_id: int) -> tuple[int, int] | None:
        """Return the node and the index of an entry, None if it is not there."""
        if not self._is_plain:
            return next(self._walk(entry_id, entry_id, reverse=False), None)
        at = bisect_right(self._starts, entry_id) - 1
        if at >= 0:
            node = self._nodes[at]
            index = bisect_left(node.ids, entry_id)
            if index < len(node.ids) and node.ids[index] == entry_id and node.live[index]:
                return at, index
        return None

    def _own(self, at: int) -> Node:
        """Give a node that is to be changed: a copy of its own, if it is frozen."""
        node = self._nodes[at]
        if self._frozen is not None and id(node) in self._frozen:
            node = self._nodes[at] = node.copy()
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
    """Count the nodes of a radix tree for keys in their order that are the same up to a place."""
    if len(keys) < 2:
        return 1 + (start < 16 and bool(keys))
    shared = next(place for place in range(start, 16) if keys[0][place] != keys[-1][place])
    count = 1 + (shared > start)
    for _, branch in groupby(keys, lambda key: key[shared]):
        count += _tree_nodes(list(branch), shared + 1)
    return count
