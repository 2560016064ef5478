"""Snapshots that are saved: for SAVE and BGSAVE, at the save points, after FLUSHALL, and at the end."""

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
        self._waiting: list[Promise] = []  # SAVE commands that wait for the snapshot under way, or for their turn
        self._saved_changes = 0  # how many changes there had been when the last snapshot that was saved began

    def loaded(self) -> None:
        """Take what the databases hold for saved."""
        self._saved_changes = self._snapshots.changes

    @property
    def unsaved(self) -> int:
        """How many changes there were since the snapshot that was last saved began."""
        return self._snapshots.changes - self._saved_changes

    @property
    def is_under_way(self) -> bool:
        return self._snapshots.is_for(self.record)

    @property
    def is_next(self) -> bool:
        """Whether one is to begin as soon as that may be."""
        return bool(self._waiting) or (self._is_scheduled and self._snapshots.is_running)

    @property
    def is_due(self) -> bool:
        """Whether a save point is reached."""
        if self.record.status == "err" and self.record.since_tried <= RETRY:
            return False
        unsaved, age = self.unsaved, self.record.since_saved
        return any(unsaved >= point.changes and age > point.seconds for point in self._settings.save if unsaved)

    def save(self) -> Reply:
        """Save one; the reply comes when it is on the disk."""
        if self.is_under_way:
            raise CommandError(IN_PROGRESS)
        reply = Promise()
        self._waiting.append(reply)
        if self._snapshots.saving is None:
            self.begin()
        return reply.now()

    def background_save(self, *, schedule: bool) -> Reply:
        """Begin to save one, or schedule it if that cannot be now."""
        if self._snapshots.saving is None:
            self.begin()
            return Status(b"Background saving started")
        if self.is_under_way:
            raise CommandError(IN_PROGRESS)
        if not schedule:
            raise CommandError(
                "Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
                "schedule a BGSAVE whenever possible."
            )
        self._is_scheduled = True
        return Status(b"Background saving scheduled")

    def flushed(self) -> None:
        """Save that nothing is there any more, in the place of what is under way."""
        if self.is_under_way:
            self._snapshots.cancel()
        if self._snapshots.saving is None:
            self.begin(counted=False)
        else:
            self._is_scheduled = True

    async def save_for_the_end(self) -> bool:
        """Save one; False if that failed."""
        saved: Deferred[Reply] = Deferred()
        reply = Promise()
        reply.then(saved.callback)
        self._waiting.append(reply)
        if self._snapshots.saving is None:
            self.begin()
        return await saved is OK

    def begin(self, *, counted: bool = True) -> None:
        """Begin to save one; Redis does not count the one that follows a FLUSHALL."""
        snapshots, folder = self._snapshots, self._snapshots.folder
        self._is_scheduled = False
        changes = snapshots.changes
        is_asked_for = bool(self._waiting)
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
            if not (failed and is_asked_for):  # who asked for it is told; Redis refuses no writes for that
                self.record.ended(error)
            resolve_all(self._waiting, OK if error is None else SaveError(_reason(error)))

        saved = snapshots.take(snapshots.rdb_writer(), temporary, self.record).finished
        saved.addCallback(lambda _: snapshots.worker.run(install)).addCallback(installed)
        saved.addBoth(snapshots.over, "the snapshot", ended)

    def stop(self) -> None:
        """Save nothing more that is not asked for anew."""
        self._is_scheduled = False
        resolve_all(self._waiting, SaveError("the cache was stopped"))


def _reason(error: Exception) -> str:
    if isinstance(error, CancelledError):
        return "it was cancelled"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
