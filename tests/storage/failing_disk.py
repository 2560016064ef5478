"""A disk in memory that forgets at a power loss what was not forced to it, fails as it is told to, and works by hand.

    disk = MemoryDisk()
    cache = MemoryCache({"appendonly": "yes", "dir": "/data"}, disk=disk)
    disk.hold()                    # from now on nothing is done before the test says so
    disk.go()                      # one job of one worker
    left = disk.after_power_loss() # another disk, with what was forced to this one

What was written is volatile until `File.sync`, and so are names until `Folder.sync` of the folder that they are in; a
file that moved between folders has a name in each.  A failed `sync` drops what it should have forced, as Linux does:
the next one succeeds, and what was dropped is still not on the disk.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from random import Random
from typing import Any, Callable, TypeVar, Union

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_kv.persistence.files import Folder
from twisted_kv.testing import Clock, MemoryCache

T = TypeVar("T")

DATA = "/data"
"""The folder that is there from the beginning."""


def turns(cache: MemoryCache, times: int = 50) -> None:
    """Let the reactor go round so often, in no time."""
    for _ in range(times):
        cache.clock.advance(0)


def started(disk: MemoryDisk, clock: Clock | None = None, **settings: object) -> MemoryCache:
    """Start a cache on a disk, with settings by their names with underlines, and load what is there."""
    config = {"dir": DATA, "save": "", **{name.replace("_", "-"): value for name, value in settings.items()}}
    cache = MemoryCache(config, clock, disk)
    turns(cache)
    return cache


def information(cache: MemoryCache) -> dict[str, str]:
    """Give what INFO tells about persistence."""
    told = cache.call("INFO", "persistence")
    return dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)


class PowerLossError(BaseException):
    """The power is gone: what was under way never ends."""


@attrs.define(eq=False)
class FileNode:
    """What a file holds, what of it was forced to the disk, and from where to where a failed `sync` lost it."""

    data: bytes = b""
    forced: bytes = b""
    lost: list[tuple[int, int]] = attrs.Factory(list)

    @property
    def sure(self) -> int:
        """How many bytes at the beginning are the same here and on the disk."""
        if self.data.startswith(self.forced):
            return len(self.forced)
        pairs = zip(self.data, self.forced)
        return next((place for place, (one, other) in enumerate(pairs) if one != other), len(self.data))

    def on_disk(self) -> bytes:
        """Give the contents less what was lost."""
        data = self.data
        for start, end in self.lost:
            data = data[:start] + bytes(len(data[start:end])) + data[end:]
        return data

    def sync(self) -> None:
        self.forced = self.on_disk()

    def cut(self, size: int) -> None:
        self.data = self.data[:size].ljust(size, b"\0")
        self.lost = [(start, min(end, size)) for start, end in self.lost if start < size]

    def fail_to_sync(self) -> None:
        self.lost.append((self.sure, len(self.data)))

    def after_power_loss(self, random: Random | None) -> bytes:
        """Give what is found: what was forced, and any part of what was not."""
        if random is None or self.data == self.forced:
            return self.forced
        data, sure = self.on_disk(), self.sure
        reached = random.randint(sure, len(data))
        zeros = bytes(random.randint(0, len(data) - reached))
        return random.choice([self.forced, data, data[:reached], data[:reached] + zeros, data[:sure] + zeros])


@attrs.define(eq=False)
class FolderNode:
    """The names in a folder, those that were forced to the disk, and what was done since: names and what they name."""

    names: dict[str, Node] = attrs.Factory(dict)
    forced: dict[str, Node] = attrs.Factory(dict)
    changes: list[dict[str, Node | None]] = attrs.Factory(list)

    def change(self, **named: Node | None) -> None:
        self.changes.append(named)
        _apply(self.names, named)

    def sync(self) -> None:
        self.forced = dict(self.names)
        self.changes.clear()

    def after_power_loss(self, random: Random | None) -> dict[str, Node]:
        """Give the names that are found: those that were forced, and of what was done since the first or any."""
        names = dict(self.forced)
        if random is not None:
            in_order = random.random() < 0.5
            reached = random.randint(0, len(self.changes))
            for place, change in enumerate(self.changes):
                if place < reached if in_order else random.random() < 0.5:
                    _apply(names, change)
        return names


Node = Union[FileNode, FolderNode]


def _apply(names: dict[str, Node], change: dict[str, Node | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


@attrs.define
class Fault:
    """An error for operations of a kind: `spared` of them are done before it, and then `times` fail."""

    kind: str
    code: int
    spared: int = 0
    times: float = float("inf")


class MemoryDisk:
    """Folders and files in memory; see above.

    `operations` has a line for each that was begun: its kind and the name, "write appendonly.aof.1.incr.aof".
    `open_files` are those that nobody has closed.
    """

    def __init__(self) -> None:
        self.root = FolderNode()
        self.root.change(**{DATA: FolderNode()})
        self.root.sync()
        self.operations: list[str] = []
        self.open_files: list[MemoryFile] = []
        self.workers: list[MemoryWorker] = []
        self.capacity: int | None = None
        """The most bytes that all files may have."""
        self.syncs = True
        """Whether a `sync` of a file does anything: there are disks that lie."""
        self.power: int | None = None
        """After how many more operations the power goes."""
        self.is_held = False
        self._faults: list[Fault] = []
        self._locks: dict[int, object] = {}

    # The interface of a `Disk`

    def folder(self, path: str) -> MemoryFolder:
        return MemoryFolder(self, path, lambda: self.root, path)

    def worker(self) -> MemoryWorker:
        worker = MemoryWorker(self)
        self.workers.append(worker)
        return worker

    # What a test does

    def hold(self) -> None:
        """Let workers do nothing but what `go` has them do."""
        self.is_held = True

    def release(self) -> None:
        """Do all that waits, and from now on everything at once."""
        self.is_held = False
        while self.go():
            pass

    @property
    def waiting(self) -> list[MemoryWorker]:
        """The workers that have something to do."""
        return [worker for worker in self.workers if worker.jobs]

    def go(self, worker: MemoryWorker | None = None) -> bool:
        """Have a worker, or the first that has anything to do, do one thing; False if there is nothing."""
        chosen = [each for each in self.waiting if worker in (None, each)]
        if chosen:
            chosen[0].go()
        return bool(chosen)

    def fail(self, kind: str, code: int = errno.EIO, *, spared: int = 0, times: float = float("inf")) -> None:
        """Have operations of a kind fail until `repair`; "partial write" writes half of it first."""
        self._faults.append(Fault(kind, code, spared, times))

    def repair(self) -> None:
        """Let all operations succeed from now on."""
        self._faults.clear()
        self.capacity = None

    def remove_folder(self, path: str = DATA) -> None:
        """Take a folder away, and all that is in it."""
        self.root.change(**{path: None})

    def after_power_loss(self, random: Random | None = None) -> MemoryDisk:
        """Give a disk with what was forced to this one; with `random`, also with parts of what was not."""
        return self._copy(lambda file: file.after_power_loss(random), lambda folder: folder.after_power_loss(random))

    def after_kill(self) -> MemoryDisk:
        """Give a disk with all that was written to this one."""
        return self._copy(lambda file: file.data, lambda folder: folder.names)

    def files(self, path: str = DATA) -> dict[str, bytes]:
        """Give the names and contents of all files below a folder."""
        found: dict[str, bytes] = {}
        for name, node in self.root.names[path].names.items():  # type: ignore[union-attr]  # it is a folder
            if isinstance(node, FileNode):
                found[name] = node.data
            else:
                found.update({f"{name}/{each}": one.data for each, one in node.names.items()})  # type: ignore[union-attr]
        return found

    def put(self, name: str, data: bytes) -> None:
        """Have a file be there, forced to the disk, in the folder or a folder in that."""
        folder = self.root.names[DATA]
        *inner, name = name.split("/")
        for each in inner:
            assert isinstance(folder, FolderNode)
            if each not in folder.names:
                folder.change(**{each: FolderNode()})
            folder.sync()
            folder = folder.names[each]
        assert isinstance(folder, FolderNode)
        folder.change(**{name: FileNode(data, data)})
        folder.sync()

    def count(self, operation: str) -> int:
        """Tell how many operations began like that."""
        return sum(each.startswith(operation) for each in self.operations)

    # What files and folders ask

    def begin(self, kind: str, name: str) -> None:
        """Take note of an operation; raises what it is to fail with."""
        if self.power is not None:
            if self.power <= 0:
                raise PowerLossError
            self.power -= 1
        self.operations.append(f"{kind} {name}")
        for fault in self._faults:
            if fault.kind == kind:
                if fault.spared:
                    fault.spared -= 1
                elif fault.times:
                    fault.times -= 1
                    raise OSError(fault.code, os.strerror(fault.code))

    @property
    def is_faulty(self) -> bool:
        """Whether anything may fail."""
        return bool(self._faults) or self.capacity is not None

    @property
    def is_dead(self) -> bool:
        """Whether the power is gone."""
        return self.power is not None and self.power <= 0

    def room(self) -> int:
        """Tell how many bytes may be written."""
        if self.capacity is None:
            return 1 << 60
        return max(0, self.capacity - sum(map(len, self.files().values())))

    def take_lock(self, node: FolderNode, owner: object) -> bool:
        return self._locks.setdefault(id(node), owner) is owner

    def give_lock(self, owner: object) -> None:
        self._locks = {place: each for place, each in self._locks.items() if each is not owner}

    def _copy(self, data: Callable[[FileNode], bytes], names: Callable[[FolderNode], dict[str, Node]]) -> MemoryDisk:
        copies: dict[int, Node] = {}

        def copy(node: Node) -> Node:
            if id(node) not in copies:
                if isinstance(node, FileNode):
                    left = data(node)
                    copies[id(node)] = FileNode(left, left)
                else:
                    inner = {name: copy(each) for name, each in names(node).items()}
                    copies[id(node)] = FolderNode(inner, dict(inner))
            return copies[id(node)]

        disk = MemoryDisk()
        root = copy(self.root)
        assert isinstance(root, FolderNode)
        disk.root = root
        return disk


class MemoryWorker:
    """Does things at once, or one by one as the test lets it.  Of what the power loss cuts off nobody is told."""

    def __init__(self, disk: MemoryDisk) -> None:
        self._disk = disk
        self.jobs: deque[Callable[[], object]] = deque()
        self.is_stopped = False

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        self.is_stopped = False
        done: Deferred[T] = Deferred()

        def do() -> None:
            if self._disk.is_dead:
                return
            try:
                outcome: Any = work()
            except PowerLossError:
                return
            except BaseException:
                outcome = Failure()
            done.callback(outcome)

        if self._disk.is_held or self.jobs:
            self.jobs.append(do)
        else:
            do()
        return done

    def go(self) -> None:
        """Do one thing that waits."""
        self.jobs.popleft()()

    def stop(self) -> None:
        while self.jobs:
            self.go()
        self.is_stopped = True


class MemoryFile:
    """An open file."""

    def __init__(self, disk: MemoryDisk, name: str, node: FileNode) -> None:
        self._disk = disk
        self._name = name
        self._node = node
        self._at = 0
        disk.open_files.append(self)

    def write(self, data: bytes) -> None:
        self._begin("write")
        try:
            self._disk.begin("partial write", self._name)
        except OSError:
            self._write(data[: len(data) // 2])
            raise
        room = self._disk.room()
        self._write(data[:room])
        if len(data) > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _write(self, data: bytes) -> None:
        self._node.data += data

    def read(self, size: int) -> bytes:
        self._begin("read")
        data = self._node.data[self._at : self._at + size]
        self._at += len(data)
        return data

    def sync(self) -> None:
        try:
            self._begin("sync")
        except OSError:
            self._node.fail_to_sync()
            raise
        if self._disk.syncs:
            self._node.sync()

    def cut(self, size: int) -> None:
        self._begin("cut")
        self._node.cut(size)

    def close(self) -> None:
        assert self in self._disk.open_files, f"{self._name} is closed twice"
        self._disk.open_files.remove(self)
        self._disk.begin("close", self._name)

    def _begin(self, kind: str) -> None:
        assert self in self._disk.open_files, f"{self._name} is closed: {kind}"
        self._disk.begin(kind, self._name)


class MemoryFolder:
    """A folder, found by its name in another one whenever it is used."""

    def __init__(self, disk: MemoryDisk, path: str, parent: Callable[[], FolderNode], name: str) -> None:
        self.path = path
        self._disk = disk
        self._parent = parent
        self._name = name

    def size(self, name: str) -> int | None:
        self._disk.begin("size", name)
        try:
            node = self._node().names.get(name)
        except FileNotFoundError:
            return None
        return len(node.data) if isinstance(node, FileNode) else None

    def create(self, name: str) -> MemoryFile:
        self._disk.begin("create", name)
        folder = self._node()
        node = folder.names.get(name)
        if node is None:
            node = FileNode()
            folder.change(**{name: node})
        assert isinstance(node, FileNode)
        node.cut(0)  # the same file, emptied
        return MemoryFile(self._disk, name, node)

    def append(self, name: str) -> MemoryFile:
        self._disk.begin("append", name)
        folder = self._node()
        if name not in folder.names:
            folder.change(**{name: FileNode()})
        return self._file(name)

    def open(self, name: str) -> MemoryFile:
        self._disk.begin("open", name)
        return self._file(name)

    def names(self) -> list[str]:
        self._disk.begin("names", self._name)
        try:
            return list(self._node().names)
        except FileNotFoundError:
            return []

    def replace(self, name: str, other: str) -> None:
        self._disk.begin("replace", name)
        node = self._file_node(name)
        self._node().change(**{name: None, other: node})

    def remove(self, name: str) -> None:
        self._disk.begin("remove", name)
        try:
            folder = self._node()
        except FileNotFoundError:
            return
        if name in folder.names:
            folder.change(**{name: None})

    def inner(self, name: str) -> MemoryFolder:
        return MemoryFolder(self._disk, f"{self.path}/{name}", self._node, name)

    def make(self) -> None:
        self._disk.begin("make", self._name)
        parent = self._parent()
        if self._name not in parent.names:
            parent.change(**{self._name: FolderNode()})

    def take(self, name: str, inner: Folder, other: str) -> None:
        self._disk.begin("take", name)
        node = self._file_node(name)
        assert isinstance(inner, MemoryFolder)
        inner._node().change(**{other: node})
        self._node().change(**{name: None})

    def sync(self) -> None:
        self._disk.begin("folder sync", self._name)
        self._node().sync()

    def lock(self) -> bool:
        self._disk.begin("lock", self._name)
        return self._disk.take_lock(self._node(), self)

    def unlock(self) -> None:
        self._disk.give_lock(self)

    def _node(self) -> FolderNode:
        node = self._parent().names.get(self._name)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        assert isinstance(node, FolderNode)
        return node

    def _file_node(self, name: str) -> FileNode:
        node = self._node().names.get(name)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        assert isinstance(node, FileNode)
        return node

    def _file(self, name: str) -> MemoryFile:
        return MemoryFile(self._disk, name, self._file_node(name))
