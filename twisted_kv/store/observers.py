"""The interfaces of observers of the keys of a database, and the changes that are reported to them.

There are four kinds, because their needs differ: a witness is notified before anything changes (a snapshot), a watcher
after a particular key has changed (WATCH, requests that wait), `LostKey` of keys that are removed without a request
for it (the journal), and `Report` of what happened, by the names that Redis gives it (keyspace events).
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Callable, Protocol

from twisted_kv.values.sharded import ShardedDict

Held = Any
"""What the table of a database holds for a key: `database.Held`, whose module imports this one."""


class Change(Enum):
    """What happened to a key."""

    SET = "its value was set, whatever it held"
    CHANGED = "its value was changed in place"
    REMOVED = "it was removed by a request, moved or renamed, or has no members left"
    EXPIRED = "its deadline was reached"
    EVICTED = "it was removed for lack of memory"
    EXPIRE = "it was given a deadline"
    PERSISTED = "its deadline was removed"
    FLUSHED = "all keys of its database were removed"
    SWAPPED = "its database has exchanged all keys with another"
    RELOADED = "its value was replaced by an equal one"

    @property
    def is_modification(self) -> bool:
        """Whether the key was modified, and not all keys at once or none."""
        return self not in (Change.RELOADED, Change.FLUSHED, Change.SWAPPED)

    @property
    def is_by_request(self) -> bool:
        """Whether a request has made the change."""
        return self not in (Change.EXPIRED, Change.EVICTED)


Watcher = Callable[[bytes, Change], None]
"""Is called with a key and the change after the key has changed, perhaps in the middle of a command."""

LostKey = Callable[[int, bytes, Change], None]
"""Is called with a database's index, a key that was removed without a request for it, and the change."""

Modified = Callable[[bytes, bool], None]
"""Is called with a key whose value was modified, and whether a request has done it."""

Report = Callable[[int, bytes, bytes], None]
"""Is called with a database's index, the name of a keyspace event (`vocabulary.keyspace_events`), and the key."""


class Witness(Protocol):
    """An observer that needs what the keys hold before they change."""

    def before(self, index: int, key: bytes, held: Held | None) -> None:
        """React to a key that is about to change; `held` is what it holds, None if it is new."""

    def flushed(self, index: int, keys: ShardedDict[Held]) -> None:
        """Take over the keys that a database held before it was flushed."""

    def swapped(self, index: int, other: int) -> None:
        """React to two databases exchanging their keys."""
