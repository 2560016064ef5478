"""Writes down what all databases held at one moment, in small steps, while they go on changing.

A snapshot walks over the keys shard by shard.  A key that changes before the walk has come to it is written first, as
it was: the database tells of every change before it is made.  A key that is new is remembered, so that the walk passes
it over.  So the file is the state of the moment at which the snapshot began, in whatever order its keys are written.

A large collection is frozen when the walk comes to it or it changes first, and written in parts; nothing may stand
between these, so what has to be written meanwhile waits until the last part.
"""

from __future__ import annotations

from typing import Callable, Final, Iterable, Iterator, Mapping, Protocol

from twisted_kv.rdb.uses import Large, Use, use_of
from twisted_kv.store.database import Collection, Database, Entry, Held, Releasable, Value, is_large
from twisted_kv.values.sharded import ShardedDict, position

ALL: Final = 1 << 60
"""Beyond all positions: where the walk stands in a database that it is done with."""


LONG: Final = 64 * 1024
"""Bytes of a string from which on it is not copied, but given by itself."""


class Writer(Protocol):
    """Makes the bytes of a snapshot: RDB, or a log."""

    def begin(self, facts: Mapping[str, str | int]) -> bytes:
        """Give the head."""

    def database(self, index: int, keys: int, deadlines: int) -> bytes:
        """Begin a database."""

    def key(self, index: int, key: bytes, value: Value, deadline: int | None, use: Use) -> bytes:
        """Give a key with its value."""

    def large_string(self, index: int, key: bytes, value: bytes, deadline: int | None, use: Use) -> list[bytes]:
        """Give a key whose value is a long string, in parts of which one is the value itself."""

    def large(self, large: Large) -> Iterator[bytes]:
        """Give a key whose value is a large collection, in parts that follow one another."""

    def end(self, crc: int) -> bytes:
        """Give the end, behind what has a checksum."""


class _Walk:
    """How far a snapshot has come in one database."""

    __slots__ = ("cursor", "database", "deadlines", "index", "items", "passed_over", "place", "table", "then")

    def __init__(self, database: Database) -> None:
        self.database = database
        self.index = database.index  # what it was at the beginning, whatever is swapped later
        self.deadlines = len(database.expiry)
        self.table = database.table
        self.cursor = 0
        self.then = 0  # where the cursor goes when the items at hand are written
        self.items: list[tuple[bytes, Held]] = []
        self.place = 0  # how many of the items at hand are done
        self.passed_over: set[bytes] = set()
        """Keys from the cursor on that are written already, or are newer than the snapshot."""


class Snapshot:
    """What the databases hold at the moment it is made.

    `step()` gives the next bytes until there are none; `close()` ends it at any time.  `discard` is given what is large
    and used no more.
    """

    def __init__(
        self,
        databases: Iterable[Database],
        writer: Writer,
        facts: Mapping[str, str | int],
        discard: Callable[[Releasable], None],
    ) -> None:
        self._databases = list(databases)
        self._writer = writer
        self._discard = discard
        self._walks = [_Walk(database) for database in self._databases]  # by the numbers of the databases
        self._to_walk = [walk for walk in self._walks if len(walk.table)]
        self._out: list[bytes] = []
        self._is_long = False  # whether long strings are among it
        self._size = 0
        self._large: list[Large] = []  # collections that wait to be written in parts
        self._parts: Iterator[bytes] | None = None  # of the one that is being written
        self._behind: list[bytes] = []  # comes behind them
        self._frozen: list[Collection] = []
        self._flushed: list[ShardedDict[Held]] = []
        self.keys = sum(len(walk.table) for walk in self._to_walk)
        """How many keys there were."""
        self.written = 0
        """How many of them were written by now."""
        self._put(writer.begin(facts))
        for database in self._databases:
            database.witness = self

    def close(self) -> None:
        """End the snapshot: the databases change as they like."""
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
        """Write some more, about `most` bytes; gives them, or None when all was written."""
        while self._size < most and not self._is_long:
            if self._parts is not None:
                self._write_part(self._parts)
            elif self._large:
                large = self._large.pop()
                self._parts = self._writer.large(large)
            elif self._to_walk:
                self._walk_on(self._to_walk[0], most)
            else:
                break
        self._size = 0
        out, self._out = self._out, []
        if self._is_long:
            place = next((place for place, part in enumerate(out) if len(part) >= LONG), len(out))
            first = place or 1
            self._out = out[first:]
            self._is_long = any(len(part) >= LONG for part in self._out)
            out = out[:first]
        return b"".join(out) or None

    # What databases call

    def before(self, index: int, key: bytes, held: Held | None) -> None:
        """Write a key down before it changes, unless that was done."""
        walk = self._walks[index]
        if position(key) < walk.cursor or key in walk.passed_over:
            return
        walk.passed_over.add(key)
        if held is not None:
            self._write(walk, key, held)

    def flushed(self, index: int, keys: ShardedDict[Held]) -> None:
        """Walk on over the keys that a database had, and pass over all that come now."""
        self._flushed.append(keys)
        if self._walks[index].table is keys:
            newer = self._walks[index] = _Walk(self._databases[index])
            newer.cursor = ALL

    def swapped(self, index: int, other: int) -> None:
        """Go on with the keys of two databases under the numbers that they had."""
        self._walks[index], self._walks[other] = self._walks[other], self._walks[index]

    # The rest is our own

    def _walk_on(self, walk: _Walk, most: int) -> None:
        """Write keys of one shard: all of them, unless they are many bytes."""
        if not walk.items:
            if not walk.cursor:
                self._put(self._writer.database(walk.index, len(walk.table), walk.deadlines))
            walk.then, shard = walk.table.step(walk.cursor)
            walk.items = list(shard.items())
            walk.place = 0
        passed_over, items = walk.passed_over, walk.items
        first = place = walk.place
        while place < len(items) and self._size < most:
            key, held = items[place]
            if not passed_over or key not in passed_over:
                self._write(walk, key, held)
            place += 1
        walk.place = place
        if place < len(items):
            passed_over.update([key for key, _ in items[first:place]])
            return
        if passed_over:
            passed_over.difference_update([key for key, _ in items])
        walk.items = []
        walk.cursor = walk.then
        if not walk.cursor:
            walk.cursor = ALL
            passed_over.clear()
            self._to_walk.pop(0)

    def _write(self, walk: _Walk, key: bytes, held: Held) -> None:
        self.written += 1
        index, usage = walk.index, walk.database.usage
        deadline: int | None = None
        mark: int | None = None
        if isinstance(held, Entry):
            value, deadline, mark = held.value, held.deadline, held.mark
        else:
            value = held
        use = None if usage is None else use_of(usage, mark)
        if not isinstance(value, bytes) and is_large(value):
            self._frozen.append(value)
            self._large.append(Large(index, key, type(value), value.freeze(), len(value), deadline, use))
        elif isinstance(value, bytes) and len(value) >= LONG:
            for part in self._writer.large_string(index, key, value, deadline, use):
                self._put(part)
        else:
            self._put(self._writer.key(index, key, value, deadline, use))

    def _write_part(self, parts: Iterator[bytes]) -> None:
        """Write a part of a large collection, and after the last what has waited for it."""
        part = next(parts, None)
        if part is not None:
            self._size += len(part)
            self._out.append(part)
        else:
            self._parts = None
            behind, self._behind = self._behind, []
            for each in behind:
                self._put(each)

    def _put(self, data: bytes) -> None:
        if self._parts is not None:  # no step gives it yet
            self._behind.append(data)
            return
        self._size += len(data)
        self._out.append(data)
        if len(data) >= LONG:
            self._is_long = True
