"""Generated cases for snapshots: databases that change in every way while one is written."""

from __future__ import annotations

from random import Random
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.generated.values import KINDS, as_replayed, change, many, value_of
from tests.rdb.reading import Reading, plain
from tests.storage.starts import Data, contents
from twisted_kv.commands import GROUPS
from twisted_kv.declaring.table import CommandTable
from twisted_kv.persistence.log_format import CommandWriter, LogReader
from twisted_kv.persistence.snapshot import Snapshot, Writer
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.writer import RdbWriter
from twisted_kv.store import database as database_module
from twisted_kv.store import entries
from twisted_kv.store.database import Database
from twisted_kv.store.entries import Releasable, parts
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.values import lists, long_strings, sharded
from twisted_kv.values.hashes import Hash
from twisted_kv.values.long_strings import LongString
from twisted_kv.values.packing import Packing
from twisted_kv.vocabulary.clock import Now

DATABASES = st.integers(0, 2)
NUMBERS = st.integers(0, 60)
SIZES = st.one_of(st.integers(1, 40), st.integers(1, 3000))


_TABLE = CommandTable(GROUPS)
CAN_REPLAY = {"rpush", "sadd", "zadd", "xadd", "xsetid", "xclaim"} <= {each.name for each in _TABLE.every()}


def name(number: int) -> bytes:
    return b"key:%d" % number


class SnapshotMachine(RuleBasedStateMachine):
    """Databases with shards so small that they are cut and joined all the time, and snapshots of them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [
            mock.patch.multiple(sharded, SHARD_SIZE=4, _NEARLY_EMPTY=1),
            mock.patch.multiple(entries, SHARD_SIZE=4),
            mock.patch.multiple(database_module, LONG=40),
            mock.patch.multiple(long_strings, CHUNK=16, _ZEROS=bytes(16)),
            mock.patch.object(lists, "CHUNK", 4),
        ]
        for patch in self.patches:
            patch.start()
        self.clock = Clock()
        self.now = Now(self.clock)
        packing = Packing()
        packing.stream_node_max_entries = 4
        self.databases = [
            Database(index, self.now, discard=self.discard, random=Random(1), packing=packing) for index in range(3)
        ]
        self.snapshot: Snapshot | None = None
        self.discarded: list[Releasable] = []
        self.count = 0

    def teardown(self) -> None:
        for patch in self.patches:
            patch.stop()

    def discard(self, value: Releasable) -> None:
        """Release what is discarded at once, and all of it: nobody may need it any more."""
        self.discarded.append(value)
        while value.release() is not None:
            pass

    def value(self, number: int) -> bytes:
        self.count += 1
        return b"%d:" % self.count + b"v" * (number % 30)

    def contents(self) -> Data:
        return {
            (database.index, key): (plain(parts(held)[0]), database.deadline(key))
            for database in self.databases
            for key, held in database.table.items()
        }

    @initialize(count=st.sampled_from([0, 3, 60]))
    def fill(self, count: int) -> None:
        for number in range(count):
            self.set(number % 3, number)
            self.set_collection((number + 1) % 3, number * 7 % 60, KINDS[number % len(KINDS)], number % 20 + 1)

    # Changes

    @rule(index=DATABASES, number=NUMBERS)
    def set(self, index: int, number: int) -> None:
        self.databases[index].set(name(number), self.value(number))

    @rule(index=DATABASES, start=NUMBERS)
    def set_many(self, index: int, start: int) -> None:
        for number in range(start, start + 30):
            self.set(index, number)

    @rule(index=DATABASES, number=NUMBERS, kind=st.sampled_from(KINDS), count=st.integers(1, 40))
    def set_collection(self, index: int, number: int, kind: str, count: int) -> None:
        self.databases[index].set(name(number), value_of(many(kind, count)))

    @rule(index=DATABASES, number=NUMBERS, start=st.integers(0, 30), count=st.integers(1, 30), removed=st.booleans())
    def edit(self, index: int, number: int, start: int, count: int, removed: bool) -> None:
        database = self.databases[index]
        value = database.peek(name(number))
        if isinstance(value, (bytes, LongString)):
            database.write_string(name(number), start * 3, self.value(count) * count)
            return
        edit = database.edit if removed else database.edit_or_make
        edited = edit(name(number), Hash if value is None else type(value))
        if edited is None:
            return
        for place in range(start, start + count):
            change(edited, place, self.value(place), removed)
        database.changed(name(number), count)

    @rule(index=DATABASES, number=NUMBERS, other=DATABASES)
    def move(self, index: int, number: int, other: int) -> None:
        if index != other:
            self.databases[index].move(name(number), self.databases[other])

    @rule(index=DATABASES, other=DATABASES)
    def swap(self, index: int, other: int) -> None:
        if index != other:
            self.databases[index].swap(self.databases[other])

    @rule(index=DATABASES, number=NUMBERS)
    def delete(self, index: int, number: int) -> None:
        self.databases[index].delete(name(number))

    @rule(index=DATABASES, start=NUMBERS)
    def delete_many(self, index: int, start: int) -> None:
        for number in range(start, start + 40):
            self.delete(index, number)

    @rule(index=DATABASES, number=NUMBERS, other=NUMBERS)
    def rename(self, index: int, number: int, other: int) -> None:
        if number != other:
            self.databases[index].rename(name(number), name(other))

    @rule(index=DATABASES, number=NUMBERS, time=st.integers(-5, 5000))
    def expire(self, index: int, number: int, time: int) -> None:
        database = self.databases[index]
        if database.peek(name(number)) is not None:
            database.expire_at(name(number), self.now.milliseconds + time)

    @rule(index=DATABASES, number=NUMBERS)
    def persist(self, index: int, number: int) -> None:
        self.databases[index].persist(name(number))

    @rule(index=DATABASES)
    def evict(self, index: int) -> None:
        key = self.databases[index].draw()
        if key is not None:
            self.databases[index].evict(key)

    @rule(milliseconds=st.integers(1, 3000), most=st.integers(0, 20))
    def time_passes(self, milliseconds: int, most: int) -> None:
        self.clock.advance(milliseconds / 1000)
        self.now.read()
        for database in self.databases:
            database.expire_due(most)

    @rule(index=DATABASES)
    def flush(self, index: int) -> None:
        self.databases[index].flush()

    @rule()
    def flush_all(self) -> None:
        for database in self.databases:
            database.flush()

    # Snapshots

    @precondition(lambda self: self.snapshot is None)
    @rule(as_commands=st.booleans(), compressed=st.booleans())
    def begin(self, as_commands: bool, compressed: bool) -> None:
        self.expected = self.contents()
        as_commands = as_commands and CAN_REPLAY
        self.writer: Writer = CommandWriter() if as_commands else RdbWriter(compressed=compressed)
        self.snapshot = Snapshot(self.databases, self.writer, {"ctime": 1}, self.discard)
        self.data = b""

    @precondition(lambda self: self.snapshot is not None)
    @rule(most=SIZES, times=st.integers(1, 5))
    def step(self, most: int, times: int) -> None:
        assert self.snapshot is not None
        for _ in range(times):
            part = self.snapshot.step(most)
            if part is None:
                self.end()
                return
            self.data += part

    @precondition(lambda self: self.snapshot is not None)
    @rule()
    def close(self) -> None:
        assert self.snapshot is not None
        self.snapshot.close()
        self.snapshot = None

    def end(self) -> None:
        assert self.snapshot is not None
        self.snapshot.close()
        assert [database.witness for database in self.databases] == [None] * 3
        assert not any(walk.passed_over for walk in self.snapshot._walks if walk.cursor)
        self.snapshot = None
        self.data += self.writer.end(crc64(self.data, 0))
        if isinstance(self.writer, RdbWriter):
            found = {(key.db, key.name): (key.value, key.deadline) for key in Reading().run(self.data)}
        else:
            found = replayed(self.data)
            self.expected = {key: (as_replayed(value), date) for key, (value, date) in self.expected.items()}
            found = {key: (as_replayed(value), date) for key, (value, date) in found.items()}
        assert found == self.expected


def replayed(data: bytes) -> Data:
    cache = MemoryCache(clock=Clock(0))
    reader = LogReader()
    reader.feed(data)
    with cache.session() as session:
        while True:
            requests, _ = reader.take()
            if not requests:
                break
            for request in requests:
                session.call(*request)
    assert reader.rest == b""
    data_of = contents(cache)
    cache.stop()
    return data_of


TestSnapshots = SnapshotMachine.TestCase
