"""A snapshot is what the databases held at the moment it was made, whatever they do while it is written."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.generated.values import KINDS, change, many, value_of
from tests.rdb.reading import Reading, plain
from tests.storage.starts import Data
from twisted_kv.persistence.log_format import CommandWriter, LogReader
from twisted_kv.persistence.snapshot import LONG, Snapshot, Writer
from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.writer import RdbWriter
from twisted_kv.settings.config import Settings
from twisted_kv.store.database import Database
from twisted_kv.store.entries import Releasable, parts
from twisted_kv.store.usage import LastUse, UseCount
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.values.hashes import Hash
from twisted_kv.values.long_strings import LongString
from twisted_kv.values.sharded import SHARD_SIZE
from twisted_kv.vocabulary.clock import Now
from twisted_kv.wire.plain_requests import listed

FACTS = {"redis-ver": "7.0.15", "ctime": 1_600_000_000}
LARGE = SHARD_SIZE * 3


class Taken:
    """Three databases, and a snapshot of them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.now = Now(self.clock)
        self.databases = [Database(index, self.now) for index in range(3)]
        self.discarded: list[Releasable] = []

    def begin(self, writer: Writer | None = None) -> Snapshot:
        self.writer = writer or RdbWriter()
        self.expected = self.contents()
        self.snapshot = Snapshot(self.databases, self.writer, FACTS, self.discarded.append)
        self.data = b""
        return self.snapshot

    def step(self, most: int = 1000) -> bool:
        part = self.snapshot.step(most)
        self.data += part or b""
        return part is not None

    def finish(self, most: int = 1000) -> bytes:
        while self.step(most):
            pass
        assert self.snapshot.step(most) is None
        self.snapshot.close()
        self.data += self.writer.end(crc64(self.data, 0))
        return self.data

    def contents(self) -> Data:
        data: Data = {}
        for database in self.databases:
            for key, held in database.table.items():
                data[database.index, key] = plain(parts(held)[0]), database.deadline(key)
        return data

    def assert_whole(self, most: int = 1000) -> None:
        """Finish, and assert that it is what was there."""
        assert read(self.finish(most)) == self.expected
        assert all(database.witness is None for database in self.databases)
        assert self.snapshot.written == len(self.expected) == self.snapshot.keys


def read(data: bytes) -> Data:
    return {(key.db, key.name): (key.value, key.deadline) for key in Reading().run(data)}


def hash_of(count: int, text: bytes = b"v") -> Hash:
    value = Hash()
    for place in range(count):
        value.set(b"f%d" % place, text)
    return value


@pytest.fixture
def taken() -> Taken:
    taken = Taken()
    for place in range(2000):
        taken.databases[0].set(b"k%d" % place, b"value %d" % place)
    for place in range(5):
        taken.databases[1].set(b"h%d" % place, hash_of(10))
    taken.databases[1].set(b"large", hash_of(LARGE), taken.now.milliseconds + 1000)
    taken.databases[2].set(b"t", b"v", taken.now.milliseconds + 500)
    return taken


@pytest.mark.parametrize("most", [1, 100, 10_000, 1 << 30])
def test_a_snapshot_is_written_in_steps_of_any_size(taken: Taken, most: int) -> None:
    taken.begin()
    taken.assert_whole(most)
    assert Reading().run(taken.data)[0].use is None


def test_an_empty_snapshot_is_a_whole_file() -> None:
    taken = Taken()
    taken.begin()
    taken.assert_whole()
    taken.begin(CommandWriter())
    assert taken.finish() == b""


def test_a_step_gives_about_as_many_bytes_as_were_asked_for(taken: Taken) -> None:
    snapshot = taken.begin()
    sizes = [len(part) for part in iter(lambda: snapshot.step(1000), None)]
    assert max(sizes) < 20_000  # a part of a large hash
    assert len(sizes) > 20


def test_what_changes_is_written_as_it_was(taken: Taken) -> None:
    for steps in (0, 1, 7, 20, 40):
        taken.begin()
        for _ in range(steps):
            taken.step()
        first, second, third = taken.databases
        for place in range(0, 2000, 3):
            first.set(b"k%d" % place, b"new")
            first.delete(b"k%d" % (place + 1))
            first.set(b"new%d" % (place + steps), b"v")
        fields = second.edit(b"h1", Hash)
        assert fields is not None
        fields.set(b"f1", b"changed")
        second.changed(b"h1")
        second.rename(b"h2", b"renamed")
        third.expire_at(b"t", taken.now.milliseconds + 9000)
        taken.assert_whole()
        first.set(b"k1", b"again")
        second.set(b"h2", hash_of(3))


def test_a_value_that_changes_while_a_large_hash_is_written_waits_for_its_end(taken: Taken) -> None:
    """A step once gave nothing, as if all were written, when what waited had as many bytes as it was to give."""
    taken.begin()
    taken.databases[1].delete(b"large")  # so it is written first
    taken.step(1)
    taken.step(1)
    for place in range(2000):
        taken.databases[0].set(b"k%d" % place, b"new" * 100)
    taken.assert_whole(100)


def test_values_that_change_among_the_parts_of_a_large_hash_are_written_behind_it() -> None:
    taken = Taken()
    for index in (0, 2):
        for place in range(50):
            taken.databases[index].set(b"k%d" % place, b"v" * 5000)
    taken.databases[1].set(b"large", hash_of(LARGE))
    taken.databases[1].set(b"other", hash_of(LARGE), taken.now.milliseconds + 5)
    taken.begin()
    taken.databases[1].delete(b"other")
    taken.databases[1].delete(b"large")
    for place in range(50):
        taken.step(1)
        taken.databases[0].delete(b"k%d" % place)
        taken.databases[2].set(b"k%d" % place, b"new" * 5000)
    taken.assert_whole(4096)


@pytest.mark.parametrize("begun", [0, 1, 3, 5])
def test_a_large_hash_goes_on_changing(begun: int) -> None:
    taken = Taken()
    database = taken.databases[0]
    database.set(b"large", hash_of(LARGE))
    for _ in range(2):
        taken.begin()
        for _ in range(begun):
            taken.step(100)
        fields = database.edit(b"large", Hash)
        assert fields is not None
        for place in range(LARGE + 2000):
            fields.set(b"f%d" % place, b"changed")
        for place in range(0, LARGE, 2):
            fields.pop(b"f%d" % place)
        fields.pop(b"nope")
        database.changed(b"large")
        taken.assert_whole(100)
        assert len(fields) == LARGE // 2 + 2000
    for place in range(LARGE + 2000):
        fields.pop(b"f%d" % place)
    assert len(fields) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("begun", [0, 1, 3, 5])
def test_a_large_value_of_any_type_goes_on_changing(kind: str, begun: int) -> None:
    taken = Taken()
    database = taken.databases[0]
    database.set(b"large", value_of(many(kind, LARGE)), taken.now.milliseconds + 1000)
    if kind == "string":
        database.write_string(b"large", 5, b"changed in place", None)
    database.set(b"copy", b"v")
    value = database.peek(b"large")
    assert value is not None
    assert not isinstance(value, bytes)
    for _ in range(2):
        taken.begin()
        for step in range(begun + 5):
            if step >= begun:
                if isinstance(value, LongString):
                    database.write_string(b"large", step * 30_000, b"more" * 9000)
                else:
                    edited = database.edit(b"large", type(value))
                    assert edited is value
                    for place in range(step * 50, step * 50 + 100):
                        change(value, place, b"%d" % place, step % 2 == 1)
                    database.changed(b"large", 100)
            taken.step(100)
        database.rename(b"large", b"renamed")
        taken.assert_whole(100)
        assert value._frozen is None
        database.rename(b"renamed", b"large")
    assert database.delete(b"large")


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_a_frozen_value_is_of_its_own(kind: str) -> None:
    taken = Taken()
    value = value_of(many(kind, LARGE))
    if isinstance(value, bytes):
        value = LongString(value)
    held = plain(value)
    taken.databases[0].set(b"large", value)
    taken.begin()
    taken.databases[0].edit(b"large", type(value))
    copied = value.copy()
    assert copied._frozen is None
    taken.databases[1].set(b"copy", copied)
    for place in range(50):
        if isinstance(copied, LongString):
            copied.write(place, b"new")
        else:
            change(copied, place, b"new", False)
    assert plain(value) == held
    taken.assert_whole()


def test_a_large_hash_that_is_gone_is_written_all_the_same(taken: Taken) -> None:
    database = taken.databases[1]
    database.discard = lambda value: value.release()
    for removal in (
        lambda: database.delete(b"large"),
        lambda: database.set(b"large", b"short"),
        lambda: database.rename(b"h1", b"large"),
        lambda: database.evict(b"large"),
    ):
        database.set(b"large", hash_of(LARGE))
        database.set(b"h1", hash_of(3))
        taken.begin()
        taken.step(1)
        removal()
        database.set(b"large", hash_of(LARGE + 5))
        taken.assert_whole()


@pytest.mark.parametrize("steps", [0, 3, 25])
def test_flushing_does_not_take_away_what_is_to_be_written(taken: Taken, steps: int) -> None:
    taken.begin()
    for _ in range(steps):
        taken.step()
    tables = [database.table for database in taken.databases]
    for database in taken.databases:
        database.flush()
        database.flush()
        database.set(b"k1", b"new")
        database.set(b"large", hash_of(LARGE))
        database.flush()
        database.set(b"k2", b"newer")
    assert taken.discarded == []
    taken.assert_whole()
    assert [table for table in taken.discarded if table in tables] == tables
    assert len(taken.discarded) == 6


def test_what_expires_or_is_evicted_is_written_as_it_was(taken: Taken) -> None:
    first = taken.databases[0]
    for place in range(0, 2000, 2):
        first.expire_at(b"k%d" % place, taken.now.milliseconds + 100 + place)
    taken.begin()
    taken.step()
    taken.clock.advance(1)
    taken.now.read()
    assert first.peek(b"k200") is None
    for database in taken.databases:
        database.expire_due(500)
    for place in range(1, 1000, 2):
        first.evict(b"k%d" % place)
    taken.assert_whole()


def test_keys_are_written_once_though_their_shards_are_cut_and_joined(taken: Taken) -> None:
    first = taken.databases[0]
    taken.begin()
    step = 0
    while taken.step(300):
        step += 1
        for place in range(300):
            if step % 20 < 10:
                first.set(b"more %d %d" % (step, place), b"v")
            else:
                first.delete(b"more %d %d" % (step - 10, place))
                first.delete(b"k%d" % (place + step))
    taken.assert_whole()


def test_what_is_remembered_is_let_go_as_the_walk_goes_on(taken: Taken) -> None:
    snapshot = taken.begin()
    for place in range(2000):
        taken.databases[0].set(b"k%d" % place, b"new")
    walk = snapshot._walks[0]
    assert len(walk.passed_over) == 2000
    sizes = []
    while taken.step():
        sizes.append(len(walk.passed_over))
    assert sizes == sorted(sizes, reverse=True)
    assert walk.passed_over == set()
    taken.databases[0].set(b"k1", b"newer")
    assert walk.passed_over == set()


def test_a_snapshot_that_is_closed_early_leaves_nothing_behind(taken: Taken) -> None:
    snapshot = taken.begin()
    large = taken.databases[1].peek(b"large")
    assert isinstance(large, Hash)
    taken.databases[1].delete(b"large")
    taken.databases[0].flush()
    taken.step()
    snapshot.close()
    assert [database.witness for database in taken.databases] == [None] * 3
    assert large._frozen is None
    assert len(taken.discarded) == 1
    snapshot.close()
    assert len(taken.discarded) == 1


def test_a_snapshot_that_is_closed_late_leaves_the_next_alone(taken: Taken) -> None:
    snapshot = taken.begin()
    second = taken.begin()
    snapshot.close()
    assert all(database.witness is second for database in taken.databases)
    taken.assert_whole()


def uses(data: bytes) -> dict[bytes, Any]:
    return {key.name: key.use for key in Reading().run(data)}


def test_the_use_of_keys_is_written_with_them() -> None:
    for usage, told in (
        (LastUse, [(rdb.IDLE, 90), (rdb.IDLE, 20)]),
        (UseCount, [(rdb.FREQUENCY, 4), (rdb.FREQUENCY, 5)]),
    ):
        taken = Taken()
        database = taken.databases[0]
        database.usage = LastUse(taken.now) if usage is LastUse else UseCount(taken.now, Settings(), database.random)
        database.set(b"old", b"v")
        taken.clock.advance(70)
        taken.now.read()
        database.set(b"large", hash_of(LARGE))
        taken.clock.advance(20)
        taken.now.read()
        taken.begin()
        assert uses(taken.finish()) == dict(zip((b"old", b"large"), told))


def replayed(data: bytes) -> Data:
    """Give what a log of commands makes."""
    reader = LogReader()
    reader.feed(data)
    cache = MemoryCache()
    held: Data = {}
    with cache.session() as session:
        while True:
            requests = listed(reader.take()[0])
            if not requests:
                break
            for request in requests:
                assert request[0] in (b"SELECT", b"SET", b"HMSET", b"PEXPIREAT")
                assert len(request) <= 2 + 2 * 64
                session.call(*request)
    assert reader.rest == b""
    for database in cache.service.dispatcher.server.databases:
        for key, entry in database.table.items():
            held[database.index, key] = plain(parts(entry)[0]), database.deadline(key)
    cache.stop()
    return held


@pytest.mark.parametrize("most", [1, 1000, 1 << 30])
def test_a_snapshot_can_be_commands_too(taken: Taken, most: int) -> None:
    taken.begin(CommandWriter(dated=True))
    taken.step(most)
    taken.databases[1].delete(b"large")
    taken.databases[2].set(b"t", b"new" * 1000)
    taken.databases[0].set(b"k7", b"new" * 1000)
    data = taken.finish(most)
    assert data.startswith(b"#TS:1600000000\r\n*2\r\n$6\r\nSELECT")
    assert replayed(data) == taken.expected


@pytest.fixture
def value() -> Hash:
    return hash_of(LARGE)


def test_a_frozen_hash_shows_what_it_held(value: Hash) -> None:
    held = dict(value.items())
    shards = value.freeze()
    assert len(shards) > 2
    value.set(b"f0", b"changed")
    value.set(b"new", b"v")
    assert value.pop(b"f1") == b"v"
    assert value.pop(b"nope") is None
    assert {field: content for shard in shards for field, content in shard.items()} == held
    assert len(dict(value.items())) == len(value) == LARGE
    value.thaw()
    before = [dict(shard) for shard in shards]
    untouched = value._each_shard()
    assert any(shard in before for shard in untouched)
    for place in range(LARGE):
        value.set(b"f%d" % place, b"all")
    assert set(dict(value.items()).values()) == {b"all", b"v"}


# Long strings


def with_long_strings() -> Taken:
    taken = Taken()
    for index in (0, 2):
        for place in range(20):
            taken.databases[index].set(b"k%d" % place, b"v" * 50)
        for place, size in enumerate((LONG - 1, LONG, 3 * LONG)):
            value = Random(size).randbytes(size)
            taken.databases[index].set(b"long%d" % place, value, taken.now.milliseconds + 1000 * place + 1)
            taken.databases[index].set(b"staying%d" % place, value)
    taken.databases[1].set(b"large", hash_of(LARGE))
    return taken


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("most", [1, 1000, 1 << 30])
def test_long_strings_are_written_among_the_others(most: int, compressed: bool) -> None:
    taken = with_long_strings()
    taken.begin(RdbWriter(compressed=compressed))
    taken.assert_whole(most)


@pytest.mark.parametrize("most", [1, 1000, 1 << 30])
def test_long_strings_can_be_commands_too(most: int) -> None:
    taken = with_long_strings()
    taken.begin(CommandWriter())
    assert replayed(taken.finish(most)) == taken.expected


def test_a_long_string_is_not_copied() -> None:
    taken = with_long_strings()
    snapshot = taken.begin()
    values = [value for index in (0, 2) for value in (taken.databases[index].peek(b"staying1"),)]
    parts = list(iter(lambda: snapshot.step(1000), None))
    assert all(any(part is value for part in parts) for value in values)


def test_long_strings_that_change_among_the_parts_of_a_large_hash_wait_for_its_end() -> None:
    taken = with_long_strings()
    taken.begin()
    taken.databases[1].delete(b"large")  # so it is written first
    taken.step(1)
    taken.step(1)
    for index in (0, 2):
        for place in range(3):
            taken.databases[index].set(b"staying%d" % place, b"new")
    taken.assert_whole(100)
