"""Reads RDB files with the cache's own reader, cut in pieces, and tells what they hold."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Union

from twisted_kv.rdb.reader import Keep, RdbError, RdbReader
from twisted_kv.rdb.uses import Use
from twisted_kv.store.database import Value

Plain = Union[bytes, "dict[bytes, bytes]"]


class Read(NamedTuple):
    """A key that was read from a file."""

    db: int
    name: bytes
    value: Plain
    deadline: Optional[int]
    use: Use


def plain(value: Value) -> Plain:
    """Give a value as Python has it."""
    return value if isinstance(value, bytes) else dict(value.items())


class Reading:
    """One file that is read; `keys` are those that were handed on, also when it is refused."""

    def __init__(self, *, checked: bool = True, databases: int = 1 << 64) -> None:
        self.keys: List[Read] = []
        self._seen: set[tuple[int, bytes]] = set()
        self._databases = databases
        self.reader = RdbReader(self._select, checked=checked)

    def run(self, data: bytes, piece: int = 1 << 30, most: int = 1000) -> list[Read]:
        """Read a file in pieces of some bytes, up to so many keys at a time."""
        for start in range(0, len(data), piece):
            self.reader.feed(data[start : start + piece])
            while self.reader.read(most) and not self.reader.done:
                pass
        self.reader.finish()
        return self.keys

    def _select(self, index: int) -> Keep:
        if index >= self._databases:
            raise RdbError(f"database {index}, and there are only {self._databases} (setting databases)")

        def keep(name: bytes, value: Value, deadline: int | None, use: Use) -> bool:
            if (index, name) in self._seen:
                return False
            self._seen.add((index, name))
            self.keys.append(Read(index, name, plain(value), deadline, use))
            return True

        return keep
