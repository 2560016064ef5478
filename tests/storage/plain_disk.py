"""A disk that is a dict: nothing fails, nothing waits, and thousands of starts take seconds."""

from __future__ import annotations

from typing import Dict

from twisted_kv.persistence.files import File, Folder, Worker
from twisted_kv.testing import InlineWorker

Files = Dict[str, bytes]
"""The bytes of each file, by its path inside the folder of the data."""


class MemoryFile:
    """An open file: it stays the same when its name goes to another file, as in the system."""

    def __init__(self, files: Files, name: str, opened: list[MemoryFile]) -> None:
        self._files = files
        self._opened = opened
        self.name = name
        self.is_named = True
        self._at = 0
        opened.append(self)

    def write(self, data: bytes) -> None:
        self._files[self.name] += data  # at the end, wherever that is now

    def read(self, size: int) -> bytes:
        data = self._files[self.name][self._at : self._at + size]
        self._at += len(data)
        return data

    def sync(self) -> None:
        pass

    def cut(self, size: int) -> None:
        self._files[self.name] = self._files[self.name][:size].ljust(size, b"\0")

    def close(self) -> None:
        self._opened.remove(self)

    def lose_name(self, left: Files) -> None:
        """Go on without a name that anybody could open; `left` is shared by all who have the same file open."""
        self._files = left
        self.is_named = False


class MemoryFolder:
    """A folder whose files are entries of a dict, `prefix` before their names."""

    def __init__(self, files: Files, prefix: str = "", opened: list[MemoryFile] | None = None) -> None:
        self._opened: list[MemoryFile] = [] if opened is None else opened
        self.path = f"/memory/{prefix}".rstrip("/")
        self._files = files
        self._prefix = prefix

    def size(self, name: str) -> int | None:
        data = self._files.get(self._prefix + name)
        return None if data is None else len(data)

    def create(self, name: str) -> File:
        self._files[self._prefix + name] = b""
        return self.append(name)

    def append(self, name: str) -> File:
        self._files.setdefault(self._prefix + name, b"")
        return MemoryFile(self._files, self._prefix + name, self._opened)

    def open(self, name: str) -> File:
        if self._prefix + name not in self._files:
            raise FileNotFoundError(2, "No such file or directory")
        return MemoryFile(self._files, self._prefix + name, self._opened)

    def names(self) -> list[str]:
        names = (name[len(self._prefix) :] for name in self._files if name.startswith(self._prefix))
        return [name for name in names if "/" not in name]

    def replace(self, name: str, other: str) -> None:
        self._move(self._prefix + name, self._prefix + other)

    def remove(self, name: str) -> None:
        self._lose(self._prefix + name)
        self._files.pop(self._prefix + name, None)

    def inner(self, name: str) -> Folder:
        return MemoryFolder(self._files, f"{self._prefix}{name}/", self._opened)

    def make(self) -> None:
        pass

    def take(self, name: str, inner: Folder, other: str) -> None:
        assert isinstance(inner, MemoryFolder)
        self._move(self._prefix + name, inner._prefix + other)

    def sync(self) -> None:
        pass

    def lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass

    def _move(self, name: str, other: str) -> None:
        self._lose(other)
        self._files[other] = self._files.pop(name)
        for file in self._opened:
            if file.name == name and file.is_named:
                file.name = other

    def _lose(self, name: str) -> None:
        """Let the files that are open under a name go on without it."""
        left = {name: self._files.get(name, b"")}
        for file in self._opened:
            if file.name == name and file.is_named:
                file.lose_name(left)


class MemoryDisk:
    """Gives the one folder there is, under whatever path."""

    def __init__(self, files: Files | None = None) -> None:
        self.files: Files = {} if files is None else files
        self._opened: list[MemoryFile] = []

    def folder(self, path: str) -> Folder:
        return MemoryFolder(self.files, "", self._opened)

    def worker(self) -> Worker:
        return InlineWorker()
