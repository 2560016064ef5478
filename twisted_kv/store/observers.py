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


class Observed:
    """What a database knows of those who want to know of changes of its keys.  `index` is its own.

    Nobody does in most cases, and `alert` is all that is looked at then.
    """

    __slots__ = ("alert", "index", "lost", "modified", "report", "watched", "witness")

    def __init__(self, index: int) -> None:
        self.index = index
        self.witness: Witness | None = None
        """Is notified of every change before it is made, while a snapshot is taken."""
        self.watched: dict[bytes, list[Watcher]] = {}
        """The watchers to notify when a key changes, by key."""
        self.lost: LostKey | None = None
        """Is called with each key that is removed without a request for it: expired, or evicted."""
        self.report: Report | None = None
        """Is called with each keyspace event, if anybody wants to know; set it with `report_to`."""
        self.modified: Modified | None = None
        """Is called with each key that is modified, if anybody wants to know; set it with `tell_modified`."""
        self.alert = False
        """Whether anybody wants to know of changes: the one question that most changes ask."""

    def watch(self, key: bytes, watcher: Watcher) -> None:
        """Call a watcher whenever a key changes."""
        self.watched.setdefault(key, []).append(watcher)
        self.alert = True

    def unwatch(self, key: bytes, watcher: Watcher) -> None:
        """Stop notifying a watcher of a key."""
        watchers = self.watched[key]
        watchers.remove(watcher)
        if not watchers:
            del self.watched[key]
        if not self.watched:
            self.watched = {}  # a dict that was large does not shrink
            self._be_alert()

    def report_to(self, report: Report | None) -> None:
        """Report keyspace events from now on, or no more with None."""
        self.report = report
        self._be_alert()

    def tell_modified(self, modified: Modified | None) -> None:
        """Call a function with each key that is modified from now on, or none with None."""
        self.modified = modified
        self._be_alert()

    def _be_alert(self) -> None:
        self.alert = bool(self.watched) or self.report is not None or self.modified is not None

    def ignores_changes_of(self, keys: list[bytes]) -> bool:
        """Check whether nobody wants to know of changes of these keys, nor of the events of any."""
        return self.report is None and self.modified is None and self.watched.keys().isdisjoint(keys)

    def tell(self, event: bytes | None, key: bytes) -> None:
        """Report a keyspace event, if there is one and anybody wants to know."""
        if self.report is not None and event is not None:
            self.report(self.index, event, key)

    def touch(self, key: bytes, change: Change) -> None:
        """Notify the watchers of a key of a change."""
        for watcher in tuple(self.watched.get(key, ())):  # one may unregister another
            watcher(key, change)
        if self.modified is not None and change.is_modification:
            self.modified(key, change.is_by_request)
