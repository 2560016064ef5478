"""A snapshot on its way into a file: slices for the reactor, blocks for the disk, nothing left of a failure."""

from __future__ import annotations

import errno

import pytest
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from tests.storage.failing_disk import DATA, MemoryDisk, MemoryWorker, turns
from twisted_kv.persistence.snapshot import Snapshot
from twisted_kv.persistence.snapshot_writing import AHEAD, BLOCK, SLICE, Saving
from twisted_kv.rdb.writer import RdbWriter
from twisted_kv.store.database import Database
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.vocabulary.clock import Now

NAME = "temp.rdb"


class Desk:
    """A saving of a cache, and how it ended."""

    def __init__(self, values: int = 1, size: int = 10) -> None:
        self.cache = MemoryCache()
        self.disk = MemoryDisk()
        self.clock = Clock()
        for number in range(values):
            self.cache.call("SET", f"k{number}", b"%d" % number * size)
        self.databases: list[Database] = self.cache.service.dispatcher.server.databases
        writer = RdbWriter(compressed=False, checked=True)
        snapshot = Snapshot(self.databases, writer, {}, lambda value: None)
        worker: MemoryWorker = self.disk.worker()
        self.saving = Saving(snapshot, writer, self.disk.folder(DATA), NAME, worker, Now(self.clock))
        self.outcomes: list[object] = []
        self.saving.finished.addBoth(self.outcomes.append)

    def finish(self) -> None:
        while self.clock.getDelayedCalls():
            self.clock.advance(0)

    @property
    def is_ended(self) -> bool:
        """Whether nothing is left of it: no timer, no open file, no witness of changes."""
        witnesses = [database.witness for database in self.databases]
        return not (self.clock.getDelayedCalls() or self.disk.open_files or any(witnesses))

    def error(self) -> BaseException:
        (failure,) = self.outcomes
        assert isinstance(failure, Failure)
        return failure.value


def test_it_gives_the_size_of_a_file_that_is_forced_to_the_disk() -> None:
    desk = Desk()
    desk.saving.start()
    desk.finish()
    found = desk.disk.after_power_loss().files()
    assert found == {}  # its name is not: that is up to who gives it its own
    assert desk.disk.operations[-2:] == [f"sync {NAME}", f"close {NAME}"]
    assert desk.outcomes == [len(desk.disk.files()[NAME])]
    assert desk.is_ended


def test_a_file_that_has_another_name_too_is_left_as_it_is() -> None:
    desk = Desk()
    desk.disk.put(NAME, b"the base of a log")
    folder = desk.disk.root.names[DATA]
    folder.change(other=folder.names[NAME])  # type: ignore[union-attr]  # moved, and the power went
    desk.saving.start()
    desk.finish()
    assert desk.disk.files()["other"] == b"the base of a log"


def test_a_slice_is_made_at_once_and_more_in_other_turns() -> None:
    desk = Desk(values=60, size=SLICE)
    desk.disk.hold()
    desk.saving.start()
    assert SLICE <= desk.saving.buffered < 4 * SLICE
    assert len(desk.disk.waiting[0].jobs) == 1  # the file is to be made
    desk.finish()
    assert desk.saving.buffered >= BLOCK
    assert len(desk.disk.waiting[0].jobs) > 1
    desk.disk.release()
    desk.finish()
    assert desk.saving.buffered == 0
    assert desk.outcomes == [len(desk.disk.files()[NAME])]


def test_no_more_is_made_while_the_disk_does_not_catch_up() -> None:
    desk = Desk(values=100, size=SLICE)
    desk.disk.hold()
    desk.saving.start()
    desk.finish()
    assert AHEAD <= desk.saving.buffered < AHEAD + 2 * BLOCK
    desk.disk.go()
    desk.disk.go()
    assert desk.clock.getDelayedCalls()
    desk.disk.release()
    desk.finish()
    assert desk.outcomes == [len(desk.disk.files()[NAME])]
    assert desk.is_ended


@pytest.mark.parametrize("kind", ["create", "write", "partial write", "sync", "close"])
def test_a_disk_that_fails_ends_it_and_nothing_stays(kind: str) -> None:
    desk = Desk(values=40, size=SLICE)
    desk.disk.fail(kind, errno.ENOSPC, times=1)
    desk.saving.start()
    desk.finish()
    error = desk.error()
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOSPC
    assert desk.disk.files() == {}
    assert desk.is_ended


def test_what_was_handed_over_before_a_failure_is_not_done_any_more() -> None:
    desk = Desk(values=40, size=SLICE)
    desk.disk.fail("create")
    desk.disk.hold()
    desk.saving.start()
    desk.finish()
    desk.disk.release()
    assert desk.disk.operations == [f"remove {NAME}", f"create {NAME}", f"remove {NAME}"]
    assert isinstance(desk.error(), OSError)


@pytest.mark.parametrize("is_held", [True, False])
def test_it_can_be_cancelled_in_its_midst(is_held: bool) -> None:
    desk = Desk(values=20, size=SLICE)
    if is_held:
        desk.disk.hold()
    desk.saving.start()
    desk.saving.finished.cancel()
    desk.disk.release()
    assert isinstance(desk.error(), CancelledError)
    assert desk.disk.files() == {}
    assert desk.is_ended


def test_it_is_not_cancelled_any_more_when_it_is_over() -> None:
    desk = Desk()
    desk.saving.start()
    desk.finish()
    desk.saving.finished.cancel()
    assert desk.outcomes == [len(desk.disk.files()[NAME])]


def test_cancelled_while_the_last_is_written_it_leaves_nothing() -> None:
    desk = Desk()
    desk.disk.hold()
    desk.saving.start()
    desk.finish()
    desk.saving.finished.cancel()
    desk.disk.release()
    assert isinstance(desk.error(), CancelledError)
    assert desk.disk.files() == {}
    assert desk.is_ended


def test_what_fails_after_the_end_says_nothing() -> None:
    desk = Desk()
    desk.saving.start()
    desk.finish()
    desk.saving.fail(Failure(OSError(errno.EIO, "too late")))
    assert desk.outcomes == [len(desk.disk.files()[NAME])]
    desk.saving.discard()
    assert desk.disk.files() == {}


def test_a_file_that_cannot_even_be_removed_is_left_to_the_next() -> None:
    desk = Desk()
    desk.disk.fail("sync")
    desk.disk.fail("remove", spared=1)
    desk.saving.start()
    desk.finish()
    assert isinstance(desk.error(), OSError)
    assert list(desk.disk.files()) == [NAME]
    assert desk.is_ended


@pytest.mark.parametrize(("points", "wish", "is_saved"), [("60 1", False, False), ("", True, True)])
def test_the_end_saves_as_it_is_told(points: str, wish: bool, is_saved: bool) -> None:
    disk = MemoryDisk()
    cache = MemoryCache({"dir": DATA, "save": points}, disk=disk)
    cache.call("SET", "k", "v")
    durability = cache.service._durability
    assert durability is not None
    durability.save_at_end(wish)
    cache.stop()
    turns(cache)
    assert ("dump.rdb" in disk.files()) is is_saved


@pytest.mark.pure
def test_a_value_that_cannot_be_written_fails_the_snapshot_and_the_next_may_begin() -> None:
    """Once the snapshot was under way for ever."""
    desk = Desk()
    desk.databases[0]._keys.set(b"bad", 5)  # type: ignore[arg-type]  # a bug of whoever has put it there
    desk.saving.start()
    desk.finish()
    assert isinstance(desk.error(), Exception)
    assert desk.is_ended
