"""Encodes what all databases held at one moment, in small steps, while they keep changing.

A snapshot walks over the keys shard by shard.  If a key changes before the walk has reached it, its old value is
written first: the database notifies the snapshot before each change.  A new key is remembered, so that the walk skips
it.  So the file holds the state at the moment when the snapshot began, in whatever order its keys are written.

A large collection is frozen when the walk reaches it or when it is about to change, whichever comes first, and is
written in parts.  The parts must be adjacent, so other data that have to be written meanwhile wait until the last part.
"""

from __future__ import annotations

from typing import Callable, Final, Iterable, Iterator, Mapping, Protocol

from twisted_kv.rdb.uses import Large, Use, use_of
from twisted_kv.store.database import Database
from twisted_kv.store.entries import Collection, Held, Releasable, Value, is_large, parts
from twisted_kv.values.sharded import ShardedDict, position

ALL: Final = 1 << 60
"""Greater than all positions: the walk's cursor in a database that it has finished."""


LONG: Final = 64 * 1024
"""Strings of at least so many bytes are not copied, but returned as they are."""


class Writer(Protocol):
    """Encodes a snapshot, as RDB or as requests."""

    def begin(self, facts: Mapping[str, str | int]) -> bytes:
        """Return the header."""

    def functions(self, codes: Iterable[bytes]) -> bytes:
        """Return libraries of functions."""

    def database(self, index: int, keys: int, deadlines: int) -> bytes:
        """Return the beginning of a database."""

    def key(self, index: int, key: bytes, value: Value, deadline: int | None, use: Use) -> bytes:
        """Return a key with its value."""

    def large_string(self, index: int, key: bytes, value: bytes, deadline: int | None, use: Use) -> list[bytes]:
        """Return a key whose value is a long string, in parts; one of them is the value itself."""

    def large(self, large: Large) -> Iterator[bytes]:
        """Yield a key whose value is a large collection, in parts that must be adjacent."""

    def end(self, crc: int) -> bytes:
        """Return the footer; `crc` is the checksum of all before it."""


class _Walk:
    """The progress of a snapshot in one database."""

    __slots__ = (
        "cursor",
        "database",
        "deadlines",
        "index",
        "item_index",
        "items",
        "next_cursor",
        "passed_over",
        "table",
    )

    def __init__(self, database: Database) -> None:
        self.database = database
        self.index = database.index  # its index when the snapshot began, even if databases are swapped later
        self.deadlines = len(database.expiry)
        self.table = database.table
        self.cursor = 0
        self.next_cursor = 0  # the next cursor, once the current items are written
        self.items: list[tuple[bytes, Held]] = []
        self.item_index = 0  # how many of the current items are done
        self.passed_over: set[bytes] = set()
        """Keys at or after the cursor that are already written, or are newer than the snapshot."""


class Snapshot:
    """The content of the databases at the moment when the snapshot is made.

    `step()` returns the next bytes until there are none; `close()` ends the snapshot at any time.  `discard` is called
    with large objects that are no longer used; `functions` are the codes of libraries.
    """

    def __init__(
        self,
        databases: Iterable[Database],
        writer: Writer,
        facts: Mapping[str, str | int],
        discard: Callable[[Releasable], None],
        functions: Iterable[bytes] = (),
    ) -> None:
        self._databases = list(databases)
        self._writer = writer
        self._discard = discard
        self._walks = [_Walk(database) for database in self._databases]  # by the indexes of the databases
        self._unfinished = [walk for walk in self._walks if len(walk.table)]
        self._out: list[bytes] = []
        self._is_long = False  # whether the output contains long strings
        self._size = 0
        self._large: list[Large] = []  # collections that wait to be written in parts
        self._parts: Iterator[bytes] | None = None  # of the collection that is being written
        self._delayed: list[bytes] = []  # output that waits until the last of these parts
        self._frozen: list[Collection] = []
        self._flushed: list[ShardedDict[Held]] = []
        self.keys = sum(len(walk.table) for walk in self._unfinished)
        """Number of keys in the snapshot."""
        self.written = 0
        """Number of keys written so far."""
        self._append(writer.begin(facts))
        self._append(writer.functions(functions))
        for database in self._databases:
            database.witness = self

    def close(self) -> None:
        """End the snapshot, and stop being notified of changes."""
        for database in self._databases:
            if database.witness is self:
                database.witness = None
        for value in self._frozen:
            value.thaw()
        for table in self._flushed:
            self._discard(table)
        self._frozen.clear()
        self._flushed.clear()

    def step(self, most: int) -> bytes | None:
        """Return the next bytes, about `most` of them, or None when all are written."""
        while self._size < most and not self._is_long:
            if self._parts is not None:
                self._write_part(self._parts)
            elif self._large:
                large = self._large.pop()
                self._parts = self._writer.large(large)
            elif self._unfinished:
                self._write_keys(self._unfinished[0], most)
            else:
                break
        self._size = 0
        out, self._out = self._out, []
        if self._is_long:
            index = next((index for index, part in enumerate(out) if len(part) >= LONG), len(out))
            count = index or 1
            self._out = out[count:]
            self._is_long = any(len(part) >= LONG for part in self._out)
            out = out[:count]
        return b"".join(out) or None

    # Called by databases

    def before(self, index: int, key: bytes, held: Held | None) -> None:
        """Write a key before it changes, unless that was done."""
        walk = self._walks[index]
        if position(key) < walk.cursor or key in walk.passed_over:
            return
        walk.passed_over.add(key)
        if held is not None:
            self._write(walk, key, held)

    def flushed(self, index: int, keys: ShardedDict[Held]) -> None:
        """Continue the walk over the keys that a database had, and skip all keys that are added from now on."""
        self._flushed.append(keys)
        if self._walks[index].table is keys:
            newer = self._walks[index] = _Walk(self._databases[index])
            newer.cursor = ALL

    def swapped(self, index: int, other: int) -> None:
        """Continue with the keys of two swapped databases under their former indexes."""
        self._walks[index], self._walks[other] = self._walks[other], self._walks[index]

    # The walk

    def _write_keys(self, walk: _Walk, most: int) -> None:
        """Write keys of one shard: all of them, unless that exceeds `most` bytes."""
        if not walk.items:
            if not walk.cursor:
                self._append(self._writer.database(walk.index, len(walk.table), walk.deadlines))
            walk.next_cursor, shard = walk.table.step(walk.cursor)
            walk.items = list(shard.items())
            walk.item_index = 0
        passed_over, items = walk.passed_over, walk.items
        first = item_index = walk.item_index
        while item_index < len(items) and self._size < most:
            key, held = items[item_index]
            if not passed_over or key not in passed_over:
                self._write(walk, key, held)
            item_index += 1
        walk.item_index = item_index
        if item_index < len(items):
            passed_over.update([key for key, _ in items[first:item_index]])
            return
        if passed_over:
            passed_over.difference_update([key for key, _ in items])
        walk.items = []
        walk.cursor = walk.next_cursor
        if not walk.cursor:
            walk.cursor = ALL
            passed_over.clear()
            self._unfinished.pop(0)

    def _write(self, walk: _Walk, key: bytes, held: Held) -> None:
        self.written += 1
        index, usage = walk.index, walk.database.usage
        value, deadline, mark = parts(held)
        use = None if usage is None else use_of(usage, mark)
        if not isinstance(value, bytes) and is_large(value):
            self._frozen.append(value)
            self._large.append(Large(index, key, type(value), value.freeze(), len(value), deadline, use))
        elif isinstance(value, bytes) and len(value) >= LONG:
            for part in self._writer.large_string(index, key, value, deadline, use):
                self._append(part)
        else:
            self._append(self._writer.key(index, key, value, deadline, use))

    def _write_part(self, parts: Iterator[bytes]) -> None:
        """Write a part of a large collection, and after the last part the output that has waited for it."""
        part = next(parts, None)
        if part is not None:
            self._size += len(part)
            self._out.append(part)
        else:
            self._parts = None
            delayed, self._delayed = self._delayed, []
            for data in delayed:
                self._append(data)

    def _append(self, data: bytes) -> None:
        if self._parts is not None:  # no step may return it yet
            self._delayed.append(data)
            return
        self._size += len(data)
        self._out.append(data)
        if len(data) >= LONG:
            self._is_long = True
