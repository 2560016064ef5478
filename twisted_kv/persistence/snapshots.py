"""Snapshots of one cache, one at a time: to save it, or to begin its append-only file anew.

Who comes second waits, or is refused in Redis's words; that is the business of `saves` and `aof`.
"""

from __future__ import annotations

import math
from typing import Callable, Final

from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from twisted_kv.persistence.files import Folder, Worker
from twisted_kv.persistence.snapshot import Snapshot, Writer
from twisted_kv.persistence.snapshot_writing import Saving
from twisted_kv.rdb.writer import RdbWriter
from twisted_kv.sessions.session import REDIS_VERSION, Server
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.logs import Logger

RETRY: Final = 5.0
"""Seconds until a snapshot that could not be saved is tried again."""

Ended = Callable[["Exception | None"], None]
"""Is called when a snapshot has ended, with what it failed with."""


class SaveRecord:
    """What INFO tells about snapshots of one kind."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self.saved()
        self._tried: int | None = None  # when the last one began (`Now.elapsed`)
        self.status = "ok"
        self.seconds = -1
        """How long the last one took."""
        self.count = 0
        self.failures = 0
        """How many failed since one did not."""

    def saved(self) -> None:
        """Set the date of the last one to now; at the start, of the start."""
        self.date = int(self._now.clock.seconds())
        self._saved = self._now.elapsed

    def begin(self) -> None:
        """Set the time of the last attempt to now."""
        self._tried = self._now.elapsed

    @property
    def since_saved(self) -> int:
        """Whole seconds since the last one was saved."""
        return (self._now.elapsed - self._saved) // 1000

    @property
    def since_tried(self) -> float:
        """Whole seconds since the last one began; infinity, if none did."""
        return math.inf if self._tried is None else (self._now.elapsed - self._tried) // 1000

    def ended(self, error: Exception | None) -> None:
        """Record how one ended; if it was cancelled, that says nothing."""
        self.seconds = int(self.since_tried)
        if error is None:
            self.status = "ok"
            self.failures = 0
        elif not isinstance(error, CancelledError):
            self.status = "err"
            self.failures += 1


class Snapshots:
    """Takes snapshots of one cache; `ended` is called when one has ended, and another may begin.

    `busy` is called with True when one begins, with False when it has ended.  While `is_running`, new ones may begin.
    """

    _log = Logger()

    def __init__(self, server: Server, folder: Folder, worker: Worker, ended: Callable[[], None]) -> None:
        self.server = server
        self.settings = server.settings
        self.now = server.now
        self.folder = folder
        self.worker = worker
        self.saving: Saving | None = None
        """The one that is under way."""
        self.is_running = False
        self.busy: Callable[[bool], None] = lambda is_busy: None
        self._ended = ended
        self._record: SaveRecord | None = None  # of the kind that is under way

    def is_for(self, record: SaveRecord) -> bool:
        """Whether the one that is under way is of a kind."""
        return self.saving is not None and self._record is record

    def take(self, writer: Writer, name: str, record: SaveRecord, *, is_base: bool = False) -> Saving:
        """Begin to write what the databases hold now into a file of the folder; pass its end to `over`."""
        databases = self.server.databases
        snapshot = Snapshot(databases, writer, self.facts(is_base=is_base), databases[0].discard)
        record.begin()
        self._record = record
        self.saving = saving = Saving(snapshot, writer, self.folder, name, self.worker, self.now)
        self.busy(True)
        saving.start()
        return saving

    def over(self, result: object, what: str, ended: Ended) -> None:
        """End the snapshot that is under way, with its outcome, and let the next begin."""
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
        """End the snapshot that is under way; if it is written, it may get its name all the same."""
        if self.saving is not None:
            self.saving.finished.cancel()

    @property
    def changes(self) -> int:
        """How many changes there were since the process began."""
        return sum(database.changes for database in self.server.databases)

    def rdb_writer(self) -> RdbWriter:
        """Return what writes a snapshot in Redis's format."""
        settings = self.settings
        return RdbWriter(self.server.packing, compressed=settings.rdbcompression, checked=settings.rdbchecksum)

    def facts(self, *, is_base: bool) -> dict[str, str | int]:
        """Return what a file says about itself, as Redis has it."""
        used = sum(database.memory for database in self.server.databases)
        return {
            "redis-ver": REDIS_VERSION,
            "redis-bits": 64,
            "ctime": int(self.now.clock.seconds()),
            "used-mem": used,
            "aof-base": int(is_base),
        }
