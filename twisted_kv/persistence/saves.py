"""Saves snapshots: for SAVE and BGSAVE, at the save points, after FLUSHALL, and at shutdown."""

from __future__ import annotations

import os
from typing import Final

from twisted.internet.defer import CancelledError, Deferred

from twisted_kv.persistence.snapshots import RETRY, SaveRecord, Snapshots
from twisted_kv.vocabulary.errors import CommandError, SaveError
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import OK, Reply, Status
from twisted_kv.vocabulary.waiting import Promise, resolve_all

IN_PROGRESS: Final = "Background save already in progress"


class Saves:
    """Saves snapshots of one cache."""

    _log = Logger()

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._settings = snapshots.settings
        self.record = SaveRecord(snapshots.now)
        self._is_scheduled = False
        self._waiting: list[Promise] = []  # replies of SAVE commands that wait for the current snapshot or the next
        self._saved_changes = 0  # the number of changes when the last saved snapshot began

    def loaded(self) -> None:
        """Treat what the databases hold as saved."""
        self._saved_changes = self._snapshots.changes

    @property
    def unsaved(self) -> int:
        """Number of changes since the last saved snapshot began."""
        return self._snapshots.changes - self._saved_changes

    @property
    def is_under_way(self) -> bool:
        return self._snapshots.is_for(self.record)

    @property
    def is_next(self) -> bool:
        """Whether a save begins as soon as possible."""
        return bool(self._waiting) or (self._is_scheduled and self._snapshots.is_running)

    @property
    def is_due(self) -> bool:
        """Whether a save point is reached."""
        if self.record.status == "err" and self.record.since_tried <= RETRY:
            return False
        unsaved, age = self.unsaved, self.record.since_saved
        return any(unsaved >= point.changes and age > point.seconds for point in self._settings.save if unsaved)

    def save(self) -> Reply:
        """Save a snapshot; the reply is sent when it is on the disk."""
        if self.is_under_way:
            raise CommandError(IN_PROGRESS)
        reply = Promise()
        self._waiting.append(reply)
        if self._snapshots.saving is None:
            self.begin()
        return reply.now()

    def background_save(self, *, schedule: bool) -> Reply:
        """Begin to save a snapshot, or schedule it if that is not possible now."""
        if self._snapshots.may_begin:
            self.begin()
            return Status(b"Background saving started")
        if self.is_under_way:
            raise CommandError(IN_PROGRESS)
        if self._snapshots.saving is None:  # in a transaction
            self._snapshots.units.after(self._begin_scheduled)
        elif not schedule:
            raise CommandError(
                "Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
                "schedule a BGSAVE whenever possible."
            )
        self._is_scheduled = True
        return Status(b"Background saving scheduled")

    def flushed(self) -> None:
        """Save the empty databases, in place of a save that is in progress."""
        if self.is_under_way:
            self._snapshots.cancel()
        if self._snapshots.saving is None:
            self.begin(counted=False)
        else:
            self._is_scheduled = True

    async def save_for_the_end(self) -> bool:
        """Save a snapshot; return False if that failed."""
        saved: Deferred[Reply] = Deferred()
        reply = Promise()
        reply.then(saved.callback)
        self._waiting.append(reply)
        if self._snapshots.saving is None:
            self.begin()
        return await saved is OK

    def begin(self, *, counted: bool = True) -> None:
        """Begin to save a snapshot; Redis does not count the save after a FLUSHALL."""
        snapshots, folder = self._snapshots, self._snapshots.folder
        self._is_scheduled = False
        changes = snapshots.changes
        is_requested = bool(self._waiting)
        temporary = f"temp-{os.getpid()}.rdb"
        name = self._settings.dbfilename

        def install() -> None:
            folder.replace(temporary, name)
            folder.sync()

        def installed(_: object) -> None:
            self._saved_changes = changes
            self.record.saved()
            self.record.count += counted
            self._log.info("saved {path}/{name}", path=folder.path, name=name)

        def ended(error: Exception | None) -> None:
            failed = error is not None and not isinstance(error, CancelledError)
            if not (failed and is_requested):  # the requester gets the error; Redis refuses no writes then
                self.record.ended(error)
            resolve_all(self._waiting, OK if error is None else SaveError(_reason(error)))

        saved = snapshots.take(snapshots.rdb_writer(), temporary, self.record).finished
        saved.addCallback(lambda _: snapshots.worker.run(install)).addCallback(installed)
        saved.addBoth(snapshots.over, "the snapshot", ended)

    def _begin_scheduled(self) -> None:
        if self.is_next and self._snapshots.saving is None:
            self.begin()

    def stop(self) -> None:
        """Cancel scheduled saves, and fail those that wait."""
        self._is_scheduled = False
        resolve_all(self._waiting, SaveError("the cache was stopped"))


def _reason(error: Exception) -> str:
    if isinstance(error, CancelledError):
        return "it was cancelled"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
