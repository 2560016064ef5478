"""Durability of one cache: when snapshots are saved, what is logged, what is done when the disk fails, and the end.

There is at most one snapshot under way, either to save it (BGSAVE, SAVE, the save points, SHUTDOWN) or to begin the
append-only file anew (BGREWRITEAOF, its growth, `appendonly` switched on, a log that is in doubt).  Who comes second
waits or is refused, in Redis's words.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Callable, Final, Mapping

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, succeed
from twisted.python.failure import Failure

from twisted_kv.clock import Now
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.engine.wakeup import commit_nothing
from twisted_kv.errors import CommandError, SaveError
from twisted_kv.logs import Logger
from twisted_kv.persistence.append_only import AppendOnlyFile
from twisted_kv.persistence.errors import DataFolderError, LoadError
from twisted_kv.persistence.files import Folder, Worker
from twisted_kv.persistence.journal import Journal
from twisted_kv.persistence.loading import Loader
from twisted_kv.persistence.log_format import CommandWriter
from twisted_kv.persistence.manifest import Part
from twisted_kv.persistence.saving import Saving
from twisted_kv.persistence.snapshot import Snapshot, Writer
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.writer import RdbWriter
from twisted_kv.replies import OK, Reply, Status
from twisted_kv.sessions.session import REDIS_VERSION
from twisted_kv.waiting import Promise

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

TICK: Final = 0.1
"""Seconds between two looks at the save points and at the growth of the log, as in Redis."""

RETRY: Final = 5.0
"""Seconds until a snapshot that could not be saved is tried again."""

CANNOT_SHUT_DOWN: Final = "Errors trying to SHUTDOWN. Check logs."
RDB_MISCONF: Final = CommandError(
    "Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify "
    "the data set are disabled, because this instance is configured to report errors during writes if RDB "
    "snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    "error.",
    "MISCONF",
)


class Durability:
    """Keeps the data of one cache in a folder.

    `save_worker` writes snapshots, `log_worker` the append-only file.  Until `start()` has loaded what is there, nobody
    is served; the Deferred that it gives fails with `LoadError`, and then nobody ever is.
    """

    _log = Logger()

    def __init__(self, dispatcher: Dispatcher, folder: Folder, save_worker: Worker, log_worker: Worker) -> None:
        self._dispatcher = dispatcher
        self._admission = dispatcher.admission
        self._server = server = dispatcher.server
        self._settings = server.settings
        self._now = server.now
        self._folder = folder
        self._worker = save_worker
        self._log_worker = log_worker
        self._aof = self._new_log()
        self._journal = Journal(dispatcher, self._aof.record)
        self._loader: Loader | None = None
        self._is_loaded = False
        self._loaded_keys = 0
        self._expired_keys = 0
        self._is_running = False
        self._starting: Deferred[None] | None = None
        self._tick_call: IDelayedCall | None = None
        self._rdb = _Saves(self._now)
        self._rewrites = _Saves(self._now)
        self._saving: Saving | None = None
        self._rewritten: Deferred[None] = succeed(None)  # fires when the last rewrite is over
        self._saves_rdb = False  # what the snapshot under way is for; else it is for the log
        self._waiting_saves: list[Promise] = []  # SAVE commands that wait for the snapshot under way, or for their turn
        self._rewrite_scheduled = False
        self._save_scheduled = False
        self._keeps_log = False  # whether the log has what a rewrite would drop: then only an operator may ask for one
        self._has_base = False  # whether the manifest names what we write to
        self._closing: list[Deferred[bool]] = []  # logs that were switched off, and still write their end
        self._saved_changes = 0  # how many changes there had been when the last snapshot that was saved began
        self._base_size = 0  # bytes of the log when it was begun anew
        self._shutdowns: list[Promise] = []  # SHUTDOWN commands that wait
        self._final_save: bool | None = None  # whether the end is to save; None as the save points say
        server.services.persistence = self
        for name in ("save", "stop-writes-on-bgsave-error"):
            server.setting_changed[name] = self._update_misconf
        server.setting_changed["appendonly"] = self._appendonly_changed
        server.setting_changed["appendfsync"] = lambda: self._aof.policy_changed()
        self._admission.is_loading = True

    # The service's part

    def lock(self) -> None:
        """Keep all others from using the folder; raises `DataFolderError`."""
        try:
            if self._folder.lock():
                return
        except OSError as error:
            raise DataFolderError(f"cannot use the folder {self._folder.path}: {error.strerror}") from None
        raise DataFolderError(f"the folder {self._folder.path} is used by another server")

    def start(self) -> Deferred[None]:
        """Load what is there, unless that was done before, and begin to keep the data; fails with `LoadError`."""
        self._is_running = True
        self._final_save = None
        self._starting = ensureDeferred(self._start())
        return self._starting

    async def _start(self) -> None:
        if not self._is_loaded:
            await self._load()
            self._saved_changes = self._changes()
            self._admission.is_loading = False
            self._loaded_keys = sum(map(len, self._server.databases))
            self._expired_keys = 0 if self._loader is None else self._loader.progress.expired
            self._loader = None
            self._is_loaded = True
            if self._loaded_keys and not (self._settings.save or self._settings.appendonly):
                self._log.warn(
                    "{path}: {keys} keys were loaded, and none will be saved by itself: neither save nor appendonly "
                    "is set (SAVE and BGSAVE do it)",
                    path=self._folder.path,
                    keys=self._loaded_keys,
                )
        elif self._settings.appendonly:
            self._begin_log()
        self._tick_call = self._now.clock.callLater(TICK, self._tick)

    async def _load(self) -> None:
        """Load the data; raises `LoadError`."""
        self._loader = loader = Loader(self._server, self._folder, self._log_worker)
        try:
            if not self._settings.appendonly:
                await loader.load_snapshot()
                return
            manifest = await loader.load_log()
            self._keeps_log = bool(loader.passed_over)
            writer = self._writer()
            empty = writer.begin(self._facts(is_base=True))
            empty += writer.end(crc64(empty, 0))
            try:
                await self._aof.open(manifest, empty, is_rdb=self._settings.aof_use_rdb_preamble)
            except OSError as error:
                raise LoadError(f"{self._aof.path}: {error.strerror}") from None
            self._has_base = True
            self._base_size = self._aof.size
            self._keep_log()
        except (LoadError, CancelledError):
            for database in self._server.databases:
                database.flush()
            raise

    def sync(self) -> Deferred[bool]:
        """Force all that was changed to the disk; gives False if that failed, or if there is no append-only file."""
        return self._aof.sync()

    async def stop(self) -> None:
        """Save what is to be saved, and let go of the folder."""
        self._is_running = False
        if self._tick_call is not None:
            self._tick_call.cancel()
            self._tick_call = None
        if self._starting is not None:
            self._starting.cancel()
        self._save_scheduled = self._rewrite_scheduled = False
        self._answer_all(self._waiting_saves, SaveError("the cache was stopped"))
        self._answer_all(self._shutdowns, CommandError(CANNOT_SHUT_DOWN))
        for closing in self._closing.copy():
            await closing
        if self._is_loaded and self._settings.appendonly and not self._has_base:
            await self._finish_log()
        self._cancel_saving()
        save = bool(self._settings.save) if self._final_save is None else self._final_save
        if self._is_loaded and save and self._unsaved() and not await self._save_for_the_end():
            self._log.error("the last snapshot could not be saved")
        self._journal.close()
        if not await self._aof.close():
            self._log.error("the end of the append-only file could not be written")
        self._aof = self._new_log()
        self._has_base = False
        self._dispatcher.wakeup.commit = commit_nothing
        self._worker.stop()
        self._log_worker.stop()
        self._folder.unlock()

    def save_at_end(self, save: bool) -> None:
        """Have the end save a last snapshot, or none, whatever the save points say."""
        self._final_save = save

    # The commands' part

    takes_time = True

    @property
    def last_save(self) -> int:
        return self._rdb.date

    def save(self) -> Reply:
        self._check_running()
        if self._saving is not None and self._saves_rdb:
            raise CommandError("Background save already in progress")
        reply = Promise()
        self._waiting_saves.append(reply)
        if self._saving is None:
            self._begin_save()
        return reply.now()

    def background_save(self, *, schedule: bool) -> Reply:
        self._check_running()
        if self._saving is None:
            self._begin_save()
            return Status(b"Background saving started")
        if self._saves_rdb:
            raise CommandError("Background save already in progress")
        if not schedule:
            raise CommandError(
                "Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
                "schedule a BGSAVE whenever possible."
            )
        self._save_scheduled = True
        return Status(b"Background saving scheduled")

    def rewrite(self) -> Reply:
        self._check_running()
        self._keeps_log = False
        if self._saving is None:
            self._begin_rewrite()
            return Status(b"Background append only file rewriting started")
        if not self._saves_rdb:
            raise CommandError("Background append only file rewriting already in progress")
        self._rewrite_scheduled = True
        return Status(b"Background append only file rewriting scheduled")

    def reload(self) -> Reply:
        self._check_running()
        if not self._journal.is_open or self._saving is not None:
            raise CommandError("there is no append-only file that could be loaded now")
        reply = Promise()
        ensureDeferred(self._reload(reply))
        return reply.now()

    async def _reload(self, reply: Promise) -> None:
        """Load what was logged in the place of all data; nothing else is served meanwhile."""
        self._admission.is_loading = True
        self._journal.close()
        try:
            if not await self._aof.sync():
                raise LoadError("the log cannot be written")
            for database in self._server.databases:
                database.flush()
            self._loader = Loader(self._server, self._folder, self._log_worker)
            await self._loader.load_log()
            reply.resolve(OK)
        except LoadError as error:
            self._log.critical("the append-only file could not be loaded again: {error}", error=error)
            reply.resolve(CommandError("Error trying to load the AOF files, check server logs"))
        finally:
            self._loader = None
            self._admission.is_loading = False
            self._journal.open()

    def shut_down(self, *, save: bool | None, force: bool) -> Reply:
        self._check_running()
        reply = Promise()
        self._shutdowns.append(reply)
        if len(self._shutdowns) == 1:  # else one is under way
            save = bool(self._settings.save) if save is None else save
            ensureDeferred(self._shut_down(self._shutdowns, save and self._is_loaded, force))
        return reply.now()

    def abort_shutdown(self) -> bool:
        aborted, self._shutdowns = self._shutdowns, []
        if not aborted:
            return False
        self._answer_all(aborted, CommandError(CANNOT_SHUT_DOWN))
        self._cancel_saving()
        return True

    def flushed(self) -> None:
        if self._settings.save and self._is_loaded and self._is_running:
            if self._saving is not None and self._saves_rdb:
                self._cancel_saving()
            if self._saving is None:
                self._begin_save(counted=False)
            else:
                self._save_scheduled = True

    def information(self) -> Mapping[str, object]:
        aof, saving = self._aof, self._saving
        saves = saving is not None and self._saves_rdb
        rewrites = saving is not None and not self._saves_rdb
        seconds = -1 if saving is None else (self._now.elapsed - saving.started) // 1000
        progress = None if self._loader is None else self._loader.progress
        fields: dict[str, object] = {
            "loading": int(self._admission.is_loading),
            "async_loading": 0,
            "current_cow_peak": 0,  # nothing is forked, and nothing is copied for it
            "current_cow_size": 0,
            "current_cow_size_age": 0,
            "current_fork_perc": "0.00",
            "current_save_keys_processed": 0 if saving is None else saving.snapshot.written,
            "current_save_keys_total": 0 if saving is None else saving.snapshot.keys,
            "rdb_changes_since_last_save": self._unsaved(),
            "rdb_bgsave_in_progress": int(saves),
            "rdb_last_save_time": self._rdb.date,
            "rdb_last_bgsave_status": self._rdb.status,
            "rdb_last_bgsave_time_sec": self._rdb.seconds,
            "rdb_current_bgsave_time_sec": seconds if saves else -1,
            "rdb_saves": self._rdb.count,
            "rdb_last_cow_size": 0,
            "rdb_last_load_keys_expired": self._expired_keys,
            "rdb_last_load_keys_loaded": self._loaded_keys,
            "aof_enabled": int(self._settings.appendonly),
            "aof_rewrite_in_progress": int(rewrites),
            "aof_rewrite_scheduled": int(self._rewrite_scheduled),
            "aof_last_rewrite_time_sec": self._rewrites.seconds,
            "aof_current_rewrite_time_sec": seconds if rewrites else -1,
            "aof_last_bgrewrite_status": self._rewrites.status,
            "aof_rewrites": self._rewrites.count,
            "aof_rewrites_consecutive_failures": self._rewrites.failures,
            "aof_last_write_status": "ok" if aof.error is None else "err",
            "aof_last_cow_size": 0,
            "module_fork_in_progress": 0,
            "module_fork_last_cow_size": 0,
        }
        if aof.is_open:
            fields.update(
                {
                    "aof_current_size": aof.size,
                    "aof_base_size": self._base_size,
                    "aof_pending_rewrite": 0,
                    "aof_buffer_length": aof.buffered,
                    "aof_pending_bio_fsync": int(aof.unsynced > 0),
                    "aof_delayed_fsync": aof.delayed,
                }
            )
        if progress is not None:
            passed = (self._now.elapsed - progress.started) / 1000
            left = progress.total - progress.loaded
            fields.update(
                {
                    "loading_start_time": progress.date,
                    "loading_total_bytes": progress.total,
                    "loading_loaded_bytes": progress.loaded,
                    "loading_loaded_perc": f"{100 * progress.loaded / max(1, progress.total):.2f}",
                    "loading_eta_seconds": int(passed * left / progress.loaded) if progress.loaded else 1,
                }
            )
        return fields

    # Snapshots

    def _begin_save(self, *, counted: bool = True) -> None:
        """Begin to save a snapshot; Redis does not count the one that follows a FLUSHALL."""
        self._save_scheduled = False
        changes = self._changes()
        is_asked_for = bool(self._waiting_saves)
        temporary = f"temp-{os.getpid()}.rdb"
        name = self._settings.dbfilename

        def install() -> None:
            self._folder.replace(temporary, name)
            self._folder.sync()

        def installed(_: object) -> None:
            self._saved_changes = changes
            self._rdb.saved()
            self._rdb.count += counted
            self._log.info("saved {path}/{name}", path=self._folder.path, name=name)

        def ended(error: Exception | None) -> None:
            failed = error is not None and not isinstance(error, CancelledError)
            if not (failed and is_asked_for):  # who asked for it is told; Redis refuses no writes for that
                self._rdb.ended(error)
            self._answer_all(self._waiting_saves, OK if error is None else SaveError(_reason(error)))

        saved = self._take_snapshot(self._rdb_writer(), self._folder, temporary, self._rdb).finished
        saved.addCallback(lambda _: self._worker.run(install)).addCallback(installed)
        saved.addBoth(self._ended, "the snapshot", ended)

    def _begin_rewrite(self) -> None:
        """Begin to write the log anew, with what the databases hold now."""
        self._rewrite_scheduled = bool(self._closing)
        if self._rewrite_scheduled:
            return  # both would take the same names for their files
        aof = self._aof
        is_rdb = self._settings.aof_use_rdb_preamble
        temporary = f"temp-rewriteaof-bg-{os.getpid()}.aof"
        rotated = aof.rotate(afresh=not self._has_base, is_logging=self._settings.appendonly)
        saving = self._take_snapshot(self._writer(), self._folder, temporary, self._rewrites)

        def install(first: Part | None) -> Deferred[None]:
            return aof.replace_base(temporary, first, is_rdb=is_rdb)

        def installed(_: object) -> None:
            self._has_base = aof.is_open
            self._base_size = aof.size
            self._rewrites.count += 1
            self._log.info("began {path} anew: {size} bytes", path=aof.path, size=aof.size)

        def not_rotated(failure: Failure) -> Failure:
            saving.fail(failure)
            return failure

        def ended(error: Exception | None) -> None:
            rotated.addErrback(lambda _: None)
            self._rewrites.ended(error)

        rotated.addErrback(not_rotated)
        saved = saving.finished.addCallback(lambda _: rotated).addCallback(install).addCallback(installed)
        self._rewritten = saved.addBoth(self._ended, "the append-only file", ended)

    def _take_snapshot(self, writer: Writer, folder: Folder, name: str, saves: _Saves) -> Saving:
        """Begin to write what the databases hold now into a file."""
        facts = self._facts(is_base=saves is self._rewrites)
        databases = self._server.databases
        snapshot = Snapshot(databases, writer, facts, databases[0].discard)
        saves.begin()
        self._saves_rdb = saves is self._rdb
        self._saving = saving = Saving(snapshot, writer, folder, name, self._worker, self._now)
        self._aof.sync_is_paused = self._settings.no_appendfsync_on_rewrite
        saving.start()
        return saving

    def _cancel_saving(self) -> None:
        """End the snapshot that is under way; if it is written, it may get its name all the same."""
        if self._saving is not None:
            self._saving.finished.cancel()

    def _ended(self, result: object, what: str, ended: Callable[[Exception | None], None]) -> None:
        """Take note of how a snapshot ended, and begin with what has waited for that."""
        saving, self._saving = self._saving, None
        assert saving is not None
        self._aof.sync_is_paused = False
        error: Exception | None = None
        if isinstance(result, Failure):
            saving.discard()
            error = result.value if isinstance(result.value, Exception) else RuntimeError(str(result.value))
            if isinstance(error, OSError):
                self._log.error("{what} could not be written: {why}", what=what, why=error)
            elif not isinstance(error, CancelledError):
                self._log.failure("{what} could not be written", failure=result, what=what)
        ended(error)
        self._update_misconf()
        if self._waiting_saves or (self._save_scheduled and self._is_running):
            self._begin_save()
        elif self._rewrite_scheduled and self._is_running:
            self._begin_rewrite()

    def _tick(self) -> None:
        """Begin what is due."""
        self._tick_call = self._now.clock.callLater(TICK, self._tick)
        if self._saving is not None or self._shutdowns:
            return
        if self._settings.appendonly and (self._aof.is_doubtful or not self._has_base) and not self._keeps_log:
            if self._rewrites.since_tried >= RETRY:
                self._begin_rewrite()
        elif self._is_save_due():
            self._begin_save()
        elif self._has_grown() and (not self._rewrites.failures or self._rewrites.since_tried >= RETRY):
            self._begin_rewrite()

    def _is_save_due(self) -> bool:
        if self._rdb.status == "err" and self._rdb.since_tried <= RETRY:
            return False
        unsaved, age = self._unsaved(), self._rdb.since_saved
        return any(unsaved >= point.changes and age > point.seconds for point in self._settings.save if unsaved)

    def _has_grown(self) -> bool:
        aof, percentage = self._aof, self._settings.auto_aof_rewrite_percentage
        if self._keeps_log or not aof.is_open or not percentage or aof.size <= self._settings.auto_aof_rewrite_min_size:
            return False
        base = self._base_size or 1
        return (aof.size - base) * 100 // base >= percentage

    # The log

    def _new_log(self) -> AppendOnlyFile:
        return AppendOnlyFile(self._folder, self._settings, self._now, self._log_worker, lambda: self._update_misconf())

    def _keep_log(self) -> None:
        """Take note of all that changes from now on, and answer when it is as safe as it has to be."""
        self._journal = Journal(self._dispatcher, self._aof.record)
        self._journal.open()
        self._dispatcher.wakeup.commit = self._aof.commit

    def _begin_log(self) -> None:
        """Begin a log of what the databases hold, whatever an older one says."""
        self._has_base = self._keeps_log = False
        self._keep_log()
        if self._saving is None:
            self._begin_rewrite()
        else:
            self._rewrite_scheduled = True

    def _appendonly_changed(self) -> None:
        if not self._is_loaded:
            raise ValueError("Unable to turn on AOF. Check server logs.")
        if self._settings.appendonly == self._journal.is_open or not self._is_running:
            return  # `start` will look
        if self._settings.appendonly:
            self._begin_log()
            return
        self._journal.close()
        self._dispatcher.wakeup.commit = commit_nothing
        if not self._saves_rdb:
            self._cancel_saving()
        closing = self._aof.close()
        self._closing.append(closing)
        closing.addCallback(self._closed, closing)
        self._aof = self._new_log()
        self._has_base = False
        self._update_misconf()

    def _closed(self, is_safe: bool, closing: Deferred[bool]) -> bool:
        """Begin with the next log, if it has waited for the end of the one before."""
        self._closing.remove(closing)
        if self._rewrite_scheduled and self._saving is None and self._is_running:
            self._begin_rewrite()
        return is_safe

    def _writer(self) -> Writer:
        """Give what writes the base of a log."""
        if not self._settings.aof_use_rdb_preamble:
            return CommandWriter(self._settings.aof_timestamp_enabled)
        return self._rdb_writer()

    def _rdb_writer(self) -> RdbWriter:
        settings = self._settings
        return RdbWriter(self._server.packing, compressed=settings.rdbcompression, checked=settings.rdbchecksum)

    # The end

    async def _shut_down(self, replies: list[Promise], save: bool, force: bool) -> None:
        if self._is_loaded and self._settings.appendonly and not self._has_base and not force:
            self._log.error("the append-only file is being begun: it would be lost with the end")
            self._answer_all(replies, CommandError(CANNOT_SHUT_DOWN))
            return
        self._cancel_saving()
        is_safe = not save or await self._save_for_the_end()
        if self._aof.is_open:
            is_safe = await self._aof.sync() and is_safe
        if not replies:
            return  # it was aborted
        if not is_safe and not force:
            self._answer_all(replies, CommandError(CANNOT_SHUT_DOWN))
            return
        self._final_save = save and is_safe
        self._server.stop()

    async def _finish_log(self) -> None:
        """Begin the log before the end, since no file has what the databases hold."""
        if self._saving is None or self._saves_rdb:
            self._cancel_saving()
            self._begin_rewrite()
        await self._rewritten

    async def _save_for_the_end(self) -> bool:
        """Save a snapshot; False if that failed."""
        saved: Deferred[Reply] = Deferred()
        reply = Promise()
        reply.then(saved.callback)
        self._waiting_saves.append(reply)
        if self._saving is None:
            self._begin_save()
        return await saved is OK

    # All of them

    def _check_running(self) -> None:
        if not self._is_running:
            raise CommandError("this cache is stopped: it has let go of its folder")

    def _changes(self) -> int:
        return sum(database.changes for database in self._server.databases)

    def _unsaved(self) -> int:
        """How many changes there were since the snapshot that was last saved began."""
        return self._changes() - self._saved_changes

    def _seconds(self) -> int:
        return int(self._now.clock.seconds())

    def _facts(self, *, is_base: bool) -> dict[str, str | int]:
        """What a file says about itself, as Redis has it."""
        used = sum(database.memory for database in self._server.databases)
        return {
            "redis-ver": REDIS_VERSION,
            "redis-bits": 64,
            "ctime": self._seconds(),
            "used-mem": used,
            "aof-base": int(is_base),
        }

    def _update_misconf(self) -> None:
        """Refuse writes while the disk fails, and only then."""
        misconf = None
        error = self._aof.error
        if error is not None:
            why = error.strerror if isinstance(error, OSError) else error
            misconf = CommandError(f"Errors writing to the AOF file: {why}", "MISCONF")
        elif self._rdb.status == "err" and self._settings.save and self._settings.stop_writes_on_bgsave_error:
            misconf = RDB_MISCONF
        if misconf != self._admission.misconf:
            self._admission.misconf = misconf

    @staticmethod
    def _answer_all(waiting: list[Promise], reply: Reply) -> None:
        answered, waiting[:] = waiting[:], []
        for each in answered:
            each.resolve(reply)


def _reason(error: Exception) -> str:
    if isinstance(error, CancelledError):
        return "it was cancelled"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class _Saves:
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
        """Take note that one was saved; at the start, of the start."""
        self.date = int(self._now.clock.seconds())
        self._saved = self._now.elapsed

    def begin(self) -> None:
        """Take note that one begins."""
        self._tried = self._now.elapsed

    @property
    def since_saved(self) -> int:
        """Whole seconds since the last one was saved."""
        return (self._now.elapsed - self._saved) // 1000

    @property
    def since_tried(self) -> float:
        """Whole seconds since the last one began; for ever, if none did."""
        return math.inf if self._tried is None else (self._now.elapsed - self._tried) // 1000

    def ended(self, error: Exception | None) -> None:
        """Take note of how one ended; if it was cancelled, that says nothing."""
        self.seconds = int(self.since_tried)
        if error is None:
            self.status = "ok"
            self.failures = 0
        elif not isinstance(error, CancelledError):
            self.status = "err"
            self.failures += 1
