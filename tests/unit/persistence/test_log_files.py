"""The files of a log belong to one thread: the reactor's side never touches them, whatever it is asked for."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

import pytest
from twisted.internet.defer import Deferred

from tests.storage.failing_disk import DATA, MemoryDisk, information, turns
from twisted_kv.persistence.files import Folder, Worker
from twisted_kv.persistence.log_files import LogFiles
from twisted_kv.testing import MemoryCache

T = TypeVar("T")


class Thread:
    """A disk whose workers say when they are at work."""

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.is_working = False

    def folder(self, path: str) -> Folder:
        return self.disk.folder(path)

    def worker(self) -> Worker:
        return _Worker(self, self.disk.worker())


class _Worker:
    def __init__(self, thread: Thread, worker: Worker) -> None:
        self._thread = thread
        self._worker = worker

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        def do() -> T:
            self._thread.is_working = True
            try:
                return work()
            finally:
                self._thread.is_working = False

        return self._worker.run(do)

    def stop(self) -> None:
        self._worker.stop()


def test_the_reactor_s_side_never_touches_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = Thread()
    touched: list[str] = []
    made: list[LogFiles] = []
    begin = LogFiles.__init__

    def init(self: LogFiles, *arguments: Any) -> None:
        begin(self, *arguments)
        made.append(self)

    def get(self: LogFiles, name: str) -> Any:
        if self in made and not thread.is_working and name not in ("__class__", "folder"):
            value = object.__getattribute__(self, name)
            if not callable(value):  # a method may be named, to be called by the thread
                touched.append(name)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(LogFiles, "__init__", init)
    monkeypatch.setattr(LogFiles, "__getattribute__", get, raising=False)
    config = {"dir": DATA, "save": "", "appendonly": "yes", "appendfsync": "everysec"}
    cache = MemoryCache(config, disk=thread)
    turns(cache)
    assert made
    cache.call("SET", "k", "v" * 1000)
    assert int(information(cache)["aof_buffer_length"]) > 1000
    cache.clock.advance(2)
    turns(cache)
    assert int(information(cache)["aof_current_size"]) > 1000
    assert information(cache)["aof_buffer_length"] == "0"
    for line in ("BGREWRITEAOF", "CONFIG SET appendfsync always", "SET k w", "CONFIG SET appendonly no"):
        cache.request(*line.split())
        turns(cache)
    cache.call("CONFIG", "SET", "appendonly", "yes")
    turns(cache)
    thread.disk.fail("write")
    cache.call("SET", "k", "x")
    cache.clock.advance(2)
    turns(cache)
    assert information(cache)["aof_last_write_status"] == "err"
    thread.disk.repair()
    cache.clock.advance(2)
    cache.stop()
    turns(cache)
    assert touched == []
