"""One numbered database: its keys, and what only strings need."""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

from twisted_kv.store.entries import Held, as_kind, parts
from twisted_kv.store.keyspace import Keyspace
from twisted_kv.values.long_strings import LONG, LongString
from twisted_kv.values.short_strings import Raw, raw
from twisted_kv.values.sizes import GRAIN_MASK, ITEM, ROUNDING
from twisted_kv.vocabulary.errors import WrongTypeError

_STRING_OR_NONE: Final = frozenset((bytes, type(None)))


class Database(Keyspace):
    """The keys of one database, with methods for strings: many at once, and parts of long ones."""

    __slots__ = ()

    def read_string(self, key: bytes) -> bytes | LongString:
        """Return the string of a key as it is stored, for a caller that needs a part of it; empty if there is no key.

        Raises `WrongTypeError`.
        """
        value = self.read(key)
        if value is None:
            return b""
        if isinstance(value, (bytes, LongString)):
            return value
        raise WrongTypeError

    def write_string(self, key: bytes, offset: int, data: bytes, event: bytes | None = None) -> int:
        """Write bytes into the string of a key at an offset, after zero padding if needed; returns the new length.

        A long string is not copied.  Raises `WrongTypeError`.
        """
        value = self.lookup(key)
        if isinstance(value, LongString):
            self.edit(key, LongString)
            value.write(offset, data)
            self.changed(key, event=event)
            return len(value)
        old = as_kind(value, bytes) or b""
        length = max(len(old), offset + len(data))
        if length > LONG:
            long = LongString(old)
            long.write(offset, data)
            self.set(key, long, keep_deadline=True, event=event)
        elif offset == len(old):
            self.set(key, raw(old + data), keep_deadline=True, event=event)
        else:
            head = old[:offset].ljust(offset, b"\0")
            self.set(key, raw(head + data + old[offset + len(data) :]), keep_deadline=True, event=event)
        return length

    def keep_raw(self, key: bytes) -> None:
        """Mark the string of a key as changed in place, though nothing about it has changed."""
        entry = self._keys.get(key)
        value, _, _ = parts(entry)
        if isinstance(value, bytes) and type(value) is not Raw:
            self._put(key, entry, raw(value))

    # Many at once

    def read_strings(self, keys: list[bytes]) -> list[Any]:
        """Do the same as `read_as` with bytes for many keys, up to one that does not hold a string or has expired.

        Reads none while the use of keys is recorded.
        """
        if self.usage is not None or self.report is not None:
            return []
        table = self._keys
        shards, shift = table.shards, table.shift
        found: list[Any] = [shards[hash(key) >> shift].get(key) for key in keys]
        if not _STRING_OR_NONE.issuperset(map(type, found)):
            found = self._strings_of(found)
        misses = found.count(None)
        self.misses += misses
        self.hits += len(found) - misses
        return found

    def _strings_of(self, found: list[Held | None]) -> list[Any]:
        """Return the strings in what the table holds for some keys, up to one that is none or has expired."""
        now = self._now.milliseconds
        strings: list[bytes | None] = []
        for held in found:
            if isinstance(held, tuple):
                value, deadline, _ = held
                held = value if deadline is None or deadline > now or self.ignores_deadlines else held
            if held is not None and type(held) is not bytes:
                break
            strings.append(held)
        return strings

    def set_strings(self, keys: list[bytes], values: list[bytes]) -> bool:
        """Do the same as `set` for many keys, of whose changes nobody wants to know.

        Sets none and returns False while the use of keys is recorded or a snapshot is taken.
        """
        if self.usage is not None or self.witness is not None:
            return False
        self.changes += len(keys)
        memory = 0
        table = self._keys
        shards, shift = table.shards, table.shift
        for key, value in zip(keys, values):
            shard = shards[hash(key) >> shift]
            old = shard.get(key)
            if type(old) is bytes:  # the path of most requests, without a call
                shard[key] = value
                if len(value) != len(old):
                    memory += ((len(value) + ROUNDING) & GRAIN_MASK) - ((len(old) + ROUNDING) & GRAIN_MASK)
                continue
            table.set(key, value)
            shards, shift = table.shards, table.shift  # it may have grown
            if old is None:
                memory += ITEM + ((len(key) + ROUNDING) & GRAIN_MASK) + ((len(value) + ROUNDING) & GRAIN_MASK)
            else:
                self._replaced(key, value, old, None, False, None)
        self.memory += memory
        return True

    def set_volatile_strings(self, keys: list[bytes], values: list[bytes], deadlines: list[int]) -> int:
        """Do the same as `set` with deadlines for keys, up to one that is not simple; returns for how many."""
        done = 0
        for key, value, deadline in zip(keys, values, deadlines):
            if not self._set_volatile(key, value, deadline):
                break
            done += 1
        self.changes += done
        return done

    def load_strings(self, keys: list[bytes], values: list[bytes]) -> bool:
        """Do the same as `load` for many keys without deadlines; returns False if one of them exists already."""
        if not self._keys.add_all(keys, values):
            return False
        sizes = [((len(each) + ROUNDING) & GRAIN_MASK) for each in chain(keys, values)]
        self.memory += ITEM * len(keys) + sum(sizes)
        return True
