"""Files and folders, as few of their operations as durability needs, and the thread in which they may take their time.

Whoever tests what happens when a disk fails, or the power, gives another `Folder` in place of the real one.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import Any, Callable, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")


class File(Protocol):
    """An open file.  All methods raise OSError, after which the file may hold a part of what was written."""

    def write(self, data: bytes) -> None:
        """Write all of it at the end."""

    def read(self, size: int) -> bytes:
        """Read on, at most so many bytes; none at the end."""

    def sync(self) -> None:
        """Force what was written to the disk."""

    def cut(self, size: int) -> None:
        """Keep only so many bytes."""

    def close(self) -> None:
        """Let go of the file."""


class Folder(Protocol):
    """A folder and its files, by their names.  All methods raise OSError."""

    @property
    def path(self) -> str:
        """What people call it."""

    def size(self, name: str) -> int | None:
        """Give the size of a file in bytes, or None if there is none."""

    def create(self, name: str) -> File:
        """Make a new file, empty, in the place of any that was there."""

    def append(self, name: str) -> File:
        """Open a file to write at its end; made, if there is none."""

    def open(self, name: str) -> File:
        """Open a file to read it."""

    def names(self) -> list[str]:
        """Give the names of all that is in the folder; none if there is no folder."""

    def replace(self, name: str, other: str) -> None:
        """Give a file another name, in the place of any that bore it."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def inner(self, name: str) -> Folder:
        """Give a folder inside this one, which may not be there yet."""

    def make(self) -> None:
        """Make the folder, if it is not there."""

    def take(self, name: str, inner: Folder, other: str) -> None:
        """Move a file into a folder inside this one, under another name."""

    def sync(self) -> None:
        """Force to the disk which files bear which names."""

    def lock(self) -> bool:
        """Keep all others from using the folder; False if somebody does."""

    def unlock(self) -> None:
        """Let others use it."""


class Worker(Protocol):
    """Does what may take its time, one after the other, in the order it was given."""

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Do something, and tell its outcome in the reactor's thread."""

    def stop(self) -> None:
        """Finish what was given, and take no more."""


class Disk(Protocol):
    """Where files are, and who touches them."""

    def folder(self, path: str) -> Folder:
        """Give a folder by its path."""

    def worker(self) -> Worker:
        """Give a worker of its own."""


class RealDisk:
    """The files of this machine, and threads.  `reactor` is asked for when the first thread is needed."""

    def __init__(self, reactor: Callable[[], Any]) -> None:
        self._reactor = reactor

    def folder(self, path: str) -> Folder:
        return RealFolder(path)

    def worker(self) -> Worker:
        return ThreadWorker(self._reactor)


class ThreadWorker:
    """A worker with a thread of its own."""

    def __init__(self, reactor: Callable[[], Any]) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, 1, "owncache files")
        self._is_running = False
        self._trigger: Any = None

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        if not self._is_running:
            self._pool.start()
            self._is_running = True
            # Whose service nobody stops: its thread must not keep the process from ending.
            self._trigger = self._reactor().addSystemEventTrigger("after", "shutdown", self.stop)
        return deferToThreadPool(self._reactor(), self._pool, work)

    def stop(self) -> None:
        if self._is_running:
            with suppress(KeyError, ValueError):  # it is this trigger that stops it
                self._reactor().removeSystemEventTrigger(self._trigger)
            self._pool.stop()
            self._pool = ThreadPool(0, 1, "owncache files")  # one that was stopped cannot begin again
            self._is_running = False


class RealFile:
    """A file of this machine."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def read(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def cut(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


class RealFolder:
    """A folder of this machine."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock: int | None = None

    def size(self, name: str) -> int | None:
        try:
            return os.stat(self._of(name)).st_size
        except FileNotFoundError:
            return None

    def create(self, name: str) -> RealFile:
        # O_APPEND here too: after a cut, a file without it goes on at its old offset and leaves a hole of zeros.
        return self._open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)

    def append(self, name: str) -> RealFile:
        return self._open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def open(self, name: str) -> RealFile:
        return self._open(name, os.O_RDONLY)

    def names(self) -> list[str]:
        try:
            return os.listdir(self.path)
        except FileNotFoundError:
            return []

    def replace(self, name: str, other: str) -> None:
        os.replace(self._of(name), self._of(other))

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._of(name))

    def inner(self, name: str) -> RealFolder:
        return RealFolder(self._of(name))

    def make(self) -> None:
        with suppress(FileExistsError):
            os.mkdir(self.path, 0o755)

    def take(self, name: str, inner: Folder, other: str) -> None:
        os.replace(self._of(name), os.path.join(inner.path, other))

    def sync(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self) -> bool:
        if self._lock is not None:
            return True
        # The folder itself is locked: nothing is left behind, and the lock goes with the process, however that ends.
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:  # some network file systems cannot
            pass
        self._lock = descriptor
        return True

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _of(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _open(self, name: str, flags: int) -> RealFile:
        return RealFile(os.open(self._of(name), flags | os.O_CLOEXEC, 0o644))
