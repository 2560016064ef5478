"""The files and folders of this machine, and the thread that touches them."""

from __future__ import annotations

import errno
import fcntl
import threading
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.python.failure import Failure

from twisted_kv.persistence.files import RealDisk, RealFolder, ThreadWorker


class QueueReactor:
    """As much of a reactor as a thread needs to tell an outcome: calls wait until the test makes them."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.triggers: list[Any] = []

    def addSystemEventTrigger(self, phase: str, event: str, call: Any) -> Any:
        assert (phase, event) == ("after", "shutdown")
        self.triggers.append(call)
        return call

    def removeSystemEventTrigger(self, trigger: Any) -> None:
        if trigger not in self.triggers:
            raise ValueError("it was called, or removed")
        self.triggers.remove(trigger)

    def callFromThread(self, call: Any, *args: Any) -> None:
        self.calls.append((call, args))

    def run(self) -> None:
        while self.calls:
            call, args = self.calls.pop(0)
            call(*args)


@pytest.fixture
def folder(tmp_path: Path) -> RealFolder:
    return RealFolder(str(tmp_path))


def read(folder: RealFolder, name: str) -> bytes:
    file = folder.open(name)
    try:
        return b"".join(iter(lambda: file.read(3), b""))
    finally:
        file.close()


def write(folder: RealFolder, name: str, data: bytes) -> None:
    file = folder.create(name)
    file.write(data)
    file.close()


def test_what_is_written_is_read_again(folder: RealFolder) -> None:
    file = folder.create("f")
    file.write(b"Hello ")
    file.write(b"World")
    file.sync()
    file.close()
    assert read(folder, "f") == b"Hello World"
    assert folder.size("f") == 11


def test_writing_goes_on_where_the_system_took_only_a_part(folder: RealFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    real = os.write
    monkeypatch.setattr("os.write", lambda descriptor, data: real(descriptor, data[:2]))
    write(folder, "f", b"abcdefg")
    assert read(folder, "f") == b"abcdefg"


def test_a_file_that_is_created_is_empty_whatever_bore_its_name(folder: RealFolder) -> None:
    write(folder, "f", b"old")
    folder.create("f").close()
    assert read(folder, "f") == b""


def test_one_that_is_appended_to_keeps_what_it_has_and_is_written_to_behind_a_cut(folder: RealFolder) -> None:
    write(folder, "f", b"abcdef")
    file = folder.append("f")
    file.cut(2)
    file.write(b"XY")
    file.close()
    assert read(folder, "f") == b"abXY"
    folder.append("new").close()
    assert folder.size("new") == 0


def test_a_file_or_a_folder_that_is_not_there_has_no_size_and_no_names(folder: RealFolder) -> None:
    assert folder.size("f") is None
    inner = folder.inner("inner")
    assert inner.size("f") is None
    assert inner.names() == []


def test_a_folder_is_made_once(folder: RealFolder) -> None:
    inner = folder.inner("inner")
    inner.make()
    inner.make()
    assert folder.names() == ["inner"]
    assert inner.path == f"{folder.path}/inner"


def test_a_file_gets_another_name_and_another_folder(folder: RealFolder) -> None:
    write(folder, "a", b"new")
    write(folder, "b", b"old")
    folder.replace("a", "b")
    assert folder.names() == ["b"]
    inner = folder.inner("inner")
    inner.make()
    folder.take("b", inner, "c")
    inner.sync()
    folder.sync()
    assert (folder.names(), read(inner, "c")) == (["inner"], b"new")


def test_a_file_is_removed_be_it_there_or_not(folder: RealFolder) -> None:
    write(folder, "a", b"")
    folder.remove("a")
    folder.remove("a")
    assert folder.names() == []


def test_a_folder_is_locked_for_one_at_a_time(folder: RealFolder) -> None:
    other = RealFolder(folder.path)
    assert folder.lock()
    assert not other.lock()
    assert folder.names() == []
    folder.unlock()
    folder.unlock()
    assert other.lock()
    other.unlock()


def test_where_folders_cannot_be_locked_they_are_used_all_the_same(
    folder: RealFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert folder.lock()
    folder.unlock()


def test_a_folder_that_is_not_there_cannot_be_locked(folder: RealFolder) -> None:
    with pytest.raises(FileNotFoundError):
        folder.inner("inner").lock()


def test_a_thread_does_what_it_is_given_one_after_the_other_and_ends() -> None:
    turns = QueueReactor()
    worker = ThreadWorker(lambda: turns)
    threads: list[threading.Thread] = []
    outcomes: list[object] = []

    def work() -> int:
        threads.append(threading.current_thread())
        return len(threads)

    def fail() -> None:
        raise OSError(errno.EIO, "a fault that the test wants")

    for each in (work, work, fail):
        worker.run(each).addBoth(outcomes.append)
    assert outcomes == []
    worker.stop()
    turns.run()
    assert outcomes[:2] == [1, 2]
    assert isinstance(outcomes[2], Failure)
    assert threads[0] is threads[1] is not threading.current_thread()
    assert not threads[0].is_alive()


def test_a_thread_that_was_stopped_can_begin_again() -> None:
    turns = QueueReactor()
    worker = ThreadWorker(lambda: turns)
    worker.stop()
    outcomes: list[object] = []
    for number in (1, 2):
        worker.run(lambda number=number: number).addBoth(outcomes.append)  # type: ignore[misc]
        worker.stop()
        turns.run()
    assert outcomes == [1, 2]


def test_a_thread_that_nobody_stops_does_not_outlast_its_reactor() -> None:
    turns = QueueReactor()
    worker = ThreadWorker(lambda: turns)
    outcomes: list[object] = []
    worker.run(lambda: 1).addBoth(outcomes.append)
    [trigger] = turns.triggers
    turns.triggers.clear()  # a reactor forgets what it calls
    trigger()
    turns.run()
    assert outcomes == [1]
    worker.stop()
    assert turns.triggers == []


def test_the_disk_of_this_machine_has_its_folders_and_a_thread_for_each_worker(tmp_path: Path) -> None:
    disk = RealDisk(lambda: reactor)
    assert disk.folder(str(tmp_path)).names() == []
    assert disk.worker() is not disk.worker()


def test_who_has_locked_a_folder_may_lock_it_again(folder: RealFolder) -> None:
    assert folder.lock()
    assert folder.lock()
    folder.unlock()
    assert RealFolder(folder.path).lock()
