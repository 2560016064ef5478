"""Who hears of what happens to the keys of a database, and of which event it was.

Three kinds, as each needs something else: a witness is asked before anything changes (a snapshot), a watcher after a
key that it names has changed (WATCH, requests that wait), and one for keys that nobody has asked to remove (the
journal).
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Callable, Protocol

from twisted_kv.values.sharded import ShardedDict

Held = Any
"""What the table of a database holds for a key: `database.Held`, whose module stands on this one."""


class Event(Enum):
    """What happened to a key."""

    SET = "its value was set, whatever it held"
    CHANGED = "its value was changed in place"
    REMOVED = "it was removed by a request, moved or renamed, or has no members left"
    EXPIRED = "its deadline was reached"
    EVICTED = "it was removed for want of memory"
    EXPIRE = "it was given a deadline"
    PERSISTED = "its deadline was removed"
    FLUSHED = "all keys of its database were removed"
    SWAPPED = "its database has exchanged all keys with another"
    RELOADED = "an equal value was put in the place of its own"


Watcher = Callable[[bytes, Event], None]
"""Is called with a key when that has changed, perhaps in the midst of a command."""

LostKey = Callable[[int, bytes, Event], None]
"""Is called with the number of a database and a key that was removed though no request asked for it."""


class Witness(Protocol):
    """Whoever needs what the keys held before they change."""

    def before(self, index: int, key: bytes, held: Held | None) -> None:
        """React to a key of a database that is about to change, and to what it holds; None if it is new."""

    def flushed(self, index: int, keys: ShardedDict[Held]) -> None:
        """Take over the keys that a database had: it begins anew."""

    def swapped(self, index: int, other: int) -> None:
        """React to two databases that have exchanged their keys."""
