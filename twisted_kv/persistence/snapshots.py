"""Snapshots of one cache, one at a time: to save it, or to rewrite its append-only file.

A second request waits, or is refused with Redis's error; `saves` and `aof` decide that.
"""

from __future__ import annotations

import math
from typing import Callable, Final

from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from twisted_kv.engine.units import Units
from twisted_kv.persistence.files import Folder, Worker
from twisted_kv.persistence.snapshot import Snapshot, Writer
from twisted_kv.persistence.snapshot_writing import Saving
from twisted_kv.rdb.writer import RdbWriter
from twisted_kv.sessions.session import REDIS_VERSION, Server
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.logs import Logger

RETRY: Final = 5.0
"""Seconds until a failed snapshot is retried."""

Ended = Callable[["Exception | None"], None]
"""Called when a snapshot has ended, with its error or None."""


class SaveRecord:
    """What INFO reports about snapshots of one kind."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self.saved()
        self._tried: int | None = None  # when the last snapshot began (`Now.elapsed`)
        self.status = "ok"
        self.seconds = -1
        """How long the last snapshot took; -1 before the first."""
        self.count = 0
        self.failures = 0
        """Number of failures since the last success."""

    def saved(self) -> None:
        """Set the date of the last saved snapshot to now; initially, it is the start's date."""
        self.date = int(self._now.clock.seconds())
        self._saved = self._now.elapsed

    def begin(self) -> None:
        """Set the time of the last attempt to now."""
        self._tried = self._now.elapsed

    @property
    def since_saved(self) -> int:
        """Whole seconds since the last snapshot was saved."""
        return (self._now.elapsed - self._saved) // 1000

    @property
    def since_tried(self) -> float:
        """Whole seconds since the last snapshot began; infinity if none did."""
        return math.inf if self._tried is None else (self._now.elapsed - self._tried) // 1000

    def ended(self, error: Exception | None) -> None:
        """Record the outcome of a snapshot; cancellation leaves the status unchanged."""
        self.seconds = int(self.since_tried)
        if error is None:
            self.status = "ok"
            self.failures = 0
        elif not isinstance(error, CancelledError):
            self.status = "err"
            self.failures += 1


class Snapshots:
    """Takes snapshots of one cache; `ended` is called when one has ended, and another may begin.

    `busy` is called with True when a snapshot begins, with False when it has ended.  New ones may begin while
    `is_running`.
    """

    _log = Logger()

    def __init__(self, server: Server, units: Units, folder: Folder, worker: Worker, ended: Callable[[], None]) -> None:
        self.server = server
        self.units = units
        self.settings = server.settings
        self.now = server.now
        self.folder = folder
        self.worker = worker
        self.saving: Saving | None = None
        """The current snapshot."""
        self.is_running = False
        self.busy: Callable[[bool], None] = lambda is_busy: None
        self._ended = ended
        self._record: SaveRecord | None = None  # of the current snapshot's kind

    @property
    def may_begin(self) -> bool:
        """Whether one may begin now: none is under way, and no unit, of which it would hold a part."""
        return self.saving is None and self.units.depth <= 1

    def is_for(self, record: SaveRecord) -> bool:
        """Return whether the current snapshot is of the kind that `record` describes."""
        return self.saving is not None and self._record is record

    def take(self, writer: Writer, name: str, record: SaveRecord, *, is_base: bool = False) -> Saving:
        """Begin to write what the databases hold now to a file of the folder; pass the outcome to `over`."""
        databases = self.server.databases
        functions = self.server.services.functions.codes
        snapshot = Snapshot(databases, writer, self.facts(is_base=is_base), databases[0].discard, functions)
        record.begin()
        self._record = record
        self.saving = saving = Saving(snapshot, writer, self.folder, name, self.worker, self.now)
        self.busy(True)
        saving.start()
        return saving

    def over(self, result: object, what: str, ended: Ended) -> None:
        """End the current snapshot with its outcome, and allow the next to begin."""
        saving, self.saving = self.saving, None
        assert saving is not None
        self.busy(False)
        error: Exception | None = None
        if isinstance(result, Failure):
            saving.discard()
            error = result.value if isinstance(result.value, Exception) else RuntimeError(str(result.value))
            if isinstance(error, OSError):
                self._log.error("{what} could not be written: {why}", what=what, why=error)
            elif not isinstance(error, CancelledError):
                self._log.failure("{what} could not be written", failure=result, what=what)
        ended(error)
        self._ended()

    def cancel(self) -> None:
        """Cancel the current snapshot; if it is already written, it may still be renamed into place."""
        if self.saving is not None:
            self.saving.finished.cancel()

    @property
    def changes(self) -> int:
        """Number of changes since the process began."""
        return sum(database.changes for database in self.server.databases)

    def rdb_writer(self) -> RdbWriter:
        """Return a writer of snapshots in Redis's format."""
        settings = self.settings
        return RdbWriter(self.server.packing, compressed=settings.rdbcompression, checked=settings.rdbchecksum)

    def facts(self, *, is_base: bool) -> dict[str, str | int]:
        """Return the metadata of a snapshot's file, as in Redis."""
        used = sum(database.memory for database in self.server.databases)
        return {
            "redis-ver": REDIS_VERSION,
            "redis-bits": 64,
            "ctime": int(self.now.clock.seconds()),
            "used-mem": used,
            "aof-base": int(is_base),
        }
