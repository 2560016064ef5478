"""The state of a session between MULTI and EXEC, and between WATCH and EXEC."""

from __future__ import annotations

from typing import Sequence

from twisted_kv.declaring.table import TableEntry
from twisted_kv.store.database import Database
from twisted_kv.store.observers import Change


class Transaction:
    """Queued requests that EXEC runs one after the other, with nothing in between.

    `is_aborted`: a request was refused, so EXEC will run none.
    """

    __slots__ = ("is_aborted", "memory", "queue")

    def __init__(self) -> None:
        self.queue: list[tuple[TableEntry, Sequence[bytes]]] = []
        self.is_aborted = False
        self.memory = 0
        """Bytes of the queued requests: counted as they come, since all clients are asked for it several times a second
        while `maxmemory-clients` is set."""

    def add(self, entry: TableEntry, words: Sequence[bytes]) -> None:
        """Queue a request."""
        self.queue.append((entry, words))
        self.memory += sum(map(len, words))

    @property
    def denies_oom(self) -> bool:
        """Whether one of the requests is refused when memory is short."""
        return any(entry.command.denies_oom for entry, _ in self.queue)

    @property
    def writes(self) -> bool:
        """Whether one of the requests may change data."""
        return any(entry.command.is_write for entry, _ in self.queue)


class Watches:
    """The watched keys of a session, which must not change before its transaction; `broken` is set when one has."""

    __slots__ = ("_keys", "broken")

    def __init__(self) -> None:
        self._keys: dict[tuple[int, bytes], Database] = {}
        self.broken = False

    def add(self, database: Database, key: bytes) -> None:
        """Watch a key, unless it is watched already."""
        if (database.index, key) not in self._keys:
            database.peek(key)  # remove it now if it has expired, which does not count as a change
            self._keys[database.index, key] = database
            database.watch(key, self._break)

    def check(self) -> bool:
        """Check that no key has changed; an expired key counts as changed."""
        for (_, key), database in self._keys.items():
            database.peek(key)
        return not self.broken

    def end(self) -> None:
        """Stop watching all keys."""
        for (_, key), database in self._keys.items():
            database.unwatch(key, self._break)
        self._keys.clear()

    def _break(self, key: bytes, change: Change) -> None:
        self.broken = True
