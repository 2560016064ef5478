"""What a session remembers between MULTI and EXEC, and between WATCH and EXEC."""

from __future__ import annotations

from typing import Sequence

from twisted_kv.declaring.table import TableEntry
from twisted_kv.store.database import Database
from twisted_kv.store.observers import Event


class Transaction:
    """Requests that are to be run one after the other, with nothing in between.

    `is_spoilt`: one that came was refused, so none will be run.
    """

    __slots__ = ("is_spoilt", "queue")

    def __init__(self) -> None:
        self.queue: list[tuple[TableEntry, Sequence[bytes]]] = []
        self.is_spoilt = False

    @property
    def denies_oom(self) -> bool:
        """Whether one of the requests is refused when there is no memory."""
        return any(entry.command.denies_oom for entry, _ in self.queue)

    @property
    def writes(self) -> bool:
        """Whether one of the requests may change data."""
        return any(entry.command.is_write for entry, _ in self.queue)


class Watches:
    """The keys of a session that must not change before its transaction; `broken` when one has."""

    __slots__ = ("_keys", "broken")

    def __init__(self) -> None:
        self._keys: dict[tuple[int, bytes], Database] = {}
        self.broken = False

    def add(self, database: Database, key: bytes) -> None:
        """Watch a key; a second time changes nothing."""
        if (database.index, key) not in self._keys:
            database.peek(key)  # one whose time has come goes now, which is no change
            self._keys[database.index, key] = database
            database.watch(key, self._break)

    def check(self) -> bool:
        """Tell whether no key has changed; one whose time has come has."""
        for (_, key), database in self._keys.items():
            database.peek(key)
        return not self.broken

    def end(self) -> None:
        """Watch no more."""
        for (_, key), database in self._keys.items():
            database.unwatch(key, self._break)
        self._keys.clear()

    def _break(self, key: bytes, event: Event) -> None:
        self.broken = True
