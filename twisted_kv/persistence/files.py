"""Files and folders, with only the operations that durability needs, and the thread that runs the blocking ones.

Tests replace the real `Folder` by one that simulates a failing disk or a loss of power.
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
    """An open file.  All methods raise OSError, after which the file may hold only a part of what was written."""

    def write(self, data: bytes) -> None:
        """Append all of the data."""

    def read(self, size: int) -> bytes:
        """Read the next bytes, at most `size`; empty at the end of the file."""

    def sync(self) -> None:
        """Force what was written to the disk."""

    def cut(self, size: int) -> None:
        """Truncate the file to so many bytes."""

    def close(self) -> None:
        """Close the file."""


class Folder(Protocol):
    """A folder, and its files by name.  All methods raise OSError."""

    @property
    def path(self) -> str:
        """Its path, for messages."""

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, or None if it does not exist."""

    def create(self, name: str) -> File:
        """Create an empty file, in place of an existing one of that name."""

    def append(self, name: str) -> File:
        """Open a file for appending; create it if it does not exist."""

    def open(self, name: str) -> File:
        """Open a file for reading."""

    def names(self) -> list[str]:
        """Return the names of all entries of the folder; empty if there is no folder."""

    def replace(self, name: str, other: str) -> None:
        """Rename a file, in place of an existing one of that name."""

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""

    def inner(self, name: str) -> Folder:
        """Return a folder inside this one, which need not exist yet."""

    def make(self) -> None:
        """Create the folder, if it does not exist."""

    def take(self, name: str, inner: Folder, other: str) -> None:
        """Move a file into a folder inside this one, under another name."""

    def sync(self) -> None:
        """Force the folder's entries (the names of its files) to the disk."""

    def lock(self) -> bool:
        """Lock the folder against use by others; return False if another holds the lock."""

    def unlock(self) -> None:
        """Release the lock."""


class Worker(Protocol):
    """Runs blocking calls outside the reactor's thread, one at a time, in the order in which they were passed."""

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Run a call; the Deferred fires with its outcome in the reactor's thread."""

    def stop(self) -> None:
        """Finish the calls that were passed, and accept no more."""


class Disk(Protocol):
    """A source of folders, and of workers for blocking calls."""

    def folder(self, path: str) -> Folder:
        """Return a folder by its path."""

    def worker(self) -> Worker:
        """Return a new worker."""


class RealDisk:
    """The files of this machine, and threads.  `reactor` is called when the first thread is needed."""

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
            # Even if the service is never stopped, its thread must not keep the process from ending.
            self._trigger = self._reactor().addSystemEventTrigger("after", "shutdown", self.stop)
        return deferToThreadPool(self._reactor(), self._pool, work)

    def stop(self) -> None:
        if self._is_running:
            with suppress(KeyError, ValueError):  # this very trigger may be running
                self._reactor().removeSystemEventTrigger(self._trigger)
            self._pool.stop()
            self._pool = ThreadPool(0, 1, "owncache files")  # a stopped pool cannot be started again
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
            return os.stat(self._path_of(name)).st_size
        except FileNotFoundError:
            return None

    def create(self, name: str) -> RealFile:
        # O_APPEND here too: after `cut`, a file without it continues at its old offset and leaves a hole of zeros.
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
        os.replace(self._path_of(name), self._path_of(other))

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._path_of(name))

    def inner(self, name: str) -> RealFolder:
        return RealFolder(self._path_of(name))

    def make(self) -> None:
        with suppress(FileExistsError):
            os.mkdir(self.path, 0o755)

    def take(self, name: str, inner: Folder, other: str) -> None:
        os.replace(self._path_of(name), os.path.join(inner.path, other))

    def sync(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self) -> bool:
        if self._lock is not None:
            return True
        # Lock the folder itself: no lock file is left behind, and the lock ends with the process, however that ends.
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:  # some network file systems cannot lock
            pass
        self._lock = descriptor
        return True

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _path_of(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _open(self, name: str, flags: int) -> RealFile:
        return RealFile(os.open(self._path_of(name), flags | os.O_CLOEXEC, 0o644))
