"""Decides whether a cache keeps an append-only file (AOF), and when that is rewritten from what the databases hold.

`append_only` writes the file; `journal` determines what goes into it.
"""

from __future__ import annotations

import os
from typing import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.engine.wakeup import commit_nothing
from twisted_kv.persistence.append_only import AppendOnlyFile
from twisted_kv.persistence.files import Worker
from twisted_kv.persistence.journal import Journal
from twisted_kv.persistence.log_format import CommandWriter
from twisted_kv.persistence.manifest import Manifest, Part
from twisted_kv.persistence.snapshot import Writer
from twisted_kv.persistence.snapshots import RETRY, SaveRecord, Snapshots
from twisted_kv.rdb.checksum import crc64
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import Reply, Status


class Aof:
    """The append-only file of one cache; `changed` is called when it starts to fail, or to work again."""

    _log = Logger()

    def __init__(
        self, dispatcher: Dispatcher, snapshots: Snapshots, worker: Worker, changed: Callable[[], None]
    ) -> None:
        self._dispatcher = dispatcher
        self._snapshots = snapshots
        self._settings = snapshots.settings
        self._worker = worker
        self._changed = changed
        self.record = SaveRecord(snapshots.now)
        self.file = self._new_file()
        self._journal = Journal(dispatcher, self.file.record, self.file.record_run)
        self.is_scheduled = False
        """Whether a rewrite begins when the current snapshot has ended."""
        self.has_base = False
        """Whether the manifest names the file that is written to."""
        self.base_size = 0
        """Size in bytes after the last rewrite."""
        self.keeps_lost = False
        """Whether it holds data that a rewrite would drop: then only an operator may request a rewrite."""
        self._rewritten: Deferred[None] = succeed(None)  # fires when the last rewrite has ended
        self._closing: list[Deferred[bool]] = []  # files that were switched off and still write their last records
        snapshots.busy = self._pause_sync

    @property
    def is_kept(self) -> bool:
        """Whether changes are recorded."""
        return self._journal.is_open

    @property
    def is_under_way(self) -> bool:
        """Whether a rewrite is in progress."""
        return self._snapshots.is_for(self.record)

    @property
    def is_next(self) -> bool:
        """Whether a rewrite begins as soon as possible."""
        return self.is_scheduled and self._snapshots.is_running

    @property
    def is_missing(self) -> bool:
        """Whether `appendonly` is set but no file holds the data."""
        return self._settings.appendonly and not self.has_base

    @property
    def is_untrusted(self) -> bool:
        """Whether it is missing or in doubt, so that it must be rewritten before anything else is done."""
        return (self.is_missing or (self._settings.appendonly and self.file.is_doubtful)) and not self.keeps_lost

    @property
    def may_retry(self) -> bool:
        """Whether the last attempt at a rewrite was long enough ago."""
        return self.record.since_tried >= RETRY

    @property
    def is_due(self) -> bool:
        """Whether it has grown enough for an automatic rewrite."""
        file, percentage = self.file, self._settings.auto_aof_rewrite_percentage
        if self.keeps_lost or not file.is_open or not percentage:
            return False
        if file.size <= self._settings.auto_aof_rewrite_min_size or (self.record.failures and not self.may_retry):
            return False
        base = self.base_size or 1
        return (file.size - base) * 100 // base >= percentage

    async def open(self, manifest: Manifest) -> None:
        """Continue with the files that were loaded; raises OSError."""
        writer = self._writer()
        empty = writer.begin(self._snapshots.facts(is_base=True))
        empty += writer.end(crc64(empty, 0))
        await self.file.open(manifest, empty, is_rdb=self._settings.aof_use_rdb_preamble)
        self.has_base = True
        self.base_size = self.file.size
        self._start_recording()

    def begin(self) -> None:
        """Begin a file that holds what the databases hold now, whatever an older file holds."""
        self.has_base = self.keeps_lost = False
        self._start_recording()
        if self._snapshots.saving is None:
            self.begin_anew()
        else:
            self.is_scheduled = True

    def rewrite(self) -> Reply:
        """Begin a rewrite on request, or schedule it; raises `CommandError`."""
        self.keeps_lost = False
        if self._snapshots.may_begin:
            self.begin_anew()
            return Status(b"Background append only file rewriting started")
        if self.is_under_way:
            raise CommandError("Background append only file rewriting already in progress")
        self.is_scheduled = True
        if self._snapshots.saving is None:  # in a transaction
            self._snapshots.units.after(self._begin_scheduled)
        return Status(b"Background append only file rewriting scheduled")

    def _begin_scheduled(self) -> None:
        if self.is_next and self._snapshots.saving is None:
            self.begin_anew()

    def begin_anew(self) -> None:
        """Begin a rewrite from what the databases hold now."""
        self.is_scheduled = bool(self._closing)
        if self.is_scheduled:
            return  # the old and the new file would use the same names
        file = self.file
        is_rdb = self._settings.aof_use_rdb_preamble
        temporary = f"temp-rewriteaof-bg-{os.getpid()}.aof"
        rotated = file.rotate(afresh=not self.has_base, is_logging=self._settings.appendonly)
        saving = self._snapshots.take(self._writer(), temporary, self.record, is_base=True)

        def install(first: Part | None) -> Deferred[None]:
            return file.replace_base(temporary, first, is_rdb=is_rdb)

        def installed(_: object) -> None:
            self.has_base = file.is_open
            self.base_size = file.size
            self.record.count += 1
            self._log.info("rewrote {path}: {size} bytes", path=file.path, size=file.size)

        def not_rotated(failure: Failure) -> Failure:
            saving.fail(failure)
            return failure

        def ended(error: Exception | None) -> None:
            rotated.addErrback(lambda _: None)
            self.record.ended(error)

        rotated.addErrback(not_rotated)
        saved = saving.finished.addCallback(lambda _: rotated).addCallback(install).addCallback(installed)
        self._rewritten = saved.addBoth(self._snapshots.over, "the append-only file", ended)

    def stop_keeping(self) -> None:
        """Switch it off: write what was recorded, and record nothing more."""
        self._journal.close()
        self._dispatcher.wakeup.commit = commit_nothing
        if self.is_under_way:
            self._snapshots.cancel()
        closing = self.file.close()
        self._closing.append(closing)
        closing.addCallback(self._file_closed, closing)
        self.file = self._new_file()
        self.has_base = False

    def pause(self) -> None:
        """Stop recording while the file's own content is loaded."""
        self._journal.close()

    def go_on(self) -> None:
        """Resume recording."""
        self._journal.open()

    async def finish(self) -> None:
        """Write the file before the cache stops, if none holds what the databases hold."""
        for closing in self._closing.copy():
            await closing
        if not self.is_missing:
            return
        if not self.is_under_way:
            self._snapshots.cancel()
            self.begin_anew()
        await self._rewritten

    async def close(self) -> None:
        """Write what was recorded, and close the files."""
        self._journal.close()
        if not await self.file.close():
            self._log.error("the end of the append-only file could not be written")
        self.file = self._new_file()
        self.has_base = False
        self._dispatcher.wakeup.commit = commit_nothing

    def _new_file(self) -> AppendOnlyFile:
        snapshots = self._snapshots
        return AppendOnlyFile(snapshots.folder, self._settings, snapshots.now, self._worker, lambda: self._changed())

    def _start_recording(self) -> None:
        """Record all changes from now on, and hold replies back until these are as safe as `appendfsync` demands."""
        self._journal = Journal(self._dispatcher, self.file.record, self.file.record_run)
        self._journal.open()
        self._dispatcher.wakeup.commit = self.file.commit

    def _pause_sync(self, is_busy: bool) -> None:
        """React to the beginning or the end of a snapshot."""
        self.file.sync_is_paused = is_busy and self._settings.no_appendfsync_on_rewrite

    def _file_closed(self, is_safe: bool, closing: Deferred[bool]) -> bool:
        """Begin the next file, if it has waited for the previous one to close."""
        self._closing.remove(closing)
        self._begin_scheduled()
        return is_safe

    def _writer(self) -> Writer:
        """Return the writer of the base."""
        if not self._settings.aof_use_rdb_preamble:
            return CommandWriter(self._settings.aof_timestamp_enabled)
        return self._snapshots.rdb_writer()
