"""Durability of one cache: loading at the start, saves and AOF rewrites while it runs, and the shutdown.

At most one snapshot is in progress at a time (`snapshots`), either to be saved (`saves`) or to rewrite the append-only
file (`aof`).  This module coordinates them: it decides which comes next, serves the commands, and reacts to a disk that
fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Mapping

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred

from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.persistence.aof import Aof
from twisted_kv.persistence.errors import DataFolderError, LoadError
from twisted_kv.persistence.files import Folder, Worker
from twisted_kv.persistence.loading import Loader
from twisted_kv.persistence.report import aof_fields, loading_fields, save_fields, snapshot_fields
from twisted_kv.persistence.saves import Saves
from twisted_kv.persistence.snapshots import Snapshots
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import OK, Reply
from twisted_kv.vocabulary.waiting import Promise, resolve_all

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

TICK: Final = 0.1
"""Seconds between two checks of the save points and of the append-only file's growth, as in Redis."""

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

    `save_worker` writes snapshots, `log_worker` the append-only file.  Until `start()` has loaded the data, no client
    is served; if loading fails, the Deferred that it returns fails with `LoadError`, and no client is served at all.
    """

    _log = Logger()

    takes_time = True

    def __init__(self, dispatcher: Dispatcher, folder: Folder, save_worker: Worker, log_worker: Worker) -> None:
        self._units = dispatcher.units
        self._admission = dispatcher.admission
        self._server = server = dispatcher.server
        self._settings = server.settings
        self._now = server.now
        self._folder = folder
        self._worker = save_worker
        self._log_worker = log_worker
        self._snapshots = Snapshots(server, dispatcher.units, folder, save_worker, self._snapshot_ended)
        self._saves = Saves(self._snapshots)
        self._aof = Aof(dispatcher, self._snapshots, log_worker, self._update_misconf)
        self._loader: Loader | None = None
        self._is_loaded = False
        self._loaded_keys = 0
        self._expired_keys = 0
        self._starting: Deferred[None] | None = None
        self._tick_call: IDelayedCall | None = None
        self._shutdowns: list[Promise] = []  # replies of the SHUTDOWN commands that wait
        self._final_save: bool | None = None  # whether to save at shutdown; None: if save points are set
        server.services.persistence = self
        for name in ("save", "stop-writes-on-bgsave-error"):
            server.setting_changed[name] = self._update_misconf
        server.setting_changed["appendonly"] = self._appendonly_changed
        server.setting_changed["appendfsync"] = lambda: self._aof.file.policy_changed()
        self._admission.is_loading = True

    # Called by the service

    def lock(self) -> None:
        """Lock the folder against use by other servers; raises `DataFolderError`."""
        try:
            if self._folder.lock():
                return
        except OSError as error:
            raise DataFolderError(f"cannot use the folder {self._folder.path}: {error.strerror}") from None
        raise DataFolderError(f"the folder {self._folder.path} is used by another server")

    def start(self) -> Deferred[None]:
        """Load the data, unless that was done before, and begin to keep them; fails with `LoadError`."""
        self._snapshots.is_running = True
        self._final_save = None
        self._starting = ensureDeferred(self._start())
        return self._starting

    async def _start(self) -> None:
        if not self._is_loaded:
            await self._load()
            self._saves.loaded()
            self._loaded_keys = sum(map(len, self._server.databases))
            self._expired_keys = 0 if self._loader is None else self._loader.progress.expired
            self._loader = None
            self._is_loaded = True
            self._admission.is_loading = False
            if self._loaded_keys and not (self._settings.save or self._settings.appendonly):
                self._log.warn(
                    "{path}: {keys} keys were loaded, and none will be saved by itself: neither save nor appendonly "
                    "is set (SAVE and BGSAVE do it)",
                    path=self._folder.path,
                    keys=self._loaded_keys,
                )
        elif self._settings.appendonly:
            self._aof.begin()
        self._tick_call = self._now.clock.callLater(TICK, self._tick)

    async def _load(self) -> None:
        """Load the data; raises `LoadError`."""
        self._loader = loader = Loader(self._server, self._folder, self._log_worker)
        try:
            if not self._settings.appendonly:
                await loader.load_snapshot()
                return
            manifest = await loader.load_log()
            self._aof.keeps_lost = bool(loader.passed_over)
            try:
                await self._aof.open(manifest)
            except OSError as error:
                raise LoadError(f"{self._aof.file.path}: {error.strerror}") from None
        except (LoadError, CancelledError):
            for database in self._server.databases:
                database.flush()
            raise

    def sync(self) -> Deferred[bool]:
        """Force all changes to the disk; fires with False if that failed, or without an append-only file."""
        return self._aof.file.sync()

    async def stop(self) -> None:
        """Save what has to be saved, and unlock the folder."""
        self._snapshots.is_running = False
        if self._tick_call is not None:
            self._tick_call.cancel()
            self._tick_call = None
        if self._starting is not None:
            self._starting.cancel()
        self._aof.is_scheduled = False
        self._saves.stop()
        resolve_all(self._shutdowns, CommandError(CANNOT_SHUT_DOWN))
        if self._is_loaded:
            await self._aof.finish()
        self._snapshots.cancel()
        save = bool(self._settings.save) if self._final_save is None else self._final_save
        if self._is_loaded and save and self._saves.unsaved and not await self._saves.save_for_the_end():
            self._log.error("the last snapshot could not be saved")
        await self._aof.close()
        self._worker.stop()
        self._log_worker.stop()
        self._folder.unlock()

    def save_at_end(self, save: bool) -> None:
        """Set whether to save a last snapshot at shutdown, whatever the save points are."""
        self._final_save = save

    # Called by commands

    @property
    def last_save(self) -> int:
        return self._saves.record.date

    def save(self) -> Reply:
        self._check_running()
        return self._saves.save()

    def background_save(self, *, schedule: bool) -> Reply:
        self._check_running()
        return self._saves.background_save(schedule=schedule)

    def rewrite(self) -> Reply:
        self._check_running()
        return self._aof.rewrite()

    def reload(self) -> Reply:
        self._check_running()
        if not self._aof.is_kept or self._snapshots.saving is not None:
            raise CommandError("no append-only file can be loaded now")
        reply = Promise()
        ensureDeferred(self._reload(reply))
        return reply.now()

    async def _reload(self, reply: Promise) -> None:
        """Replace all data by the content of the append-only file; clients are not served meanwhile."""
        self._admission.is_loading = True
        self._aof.pause()
        self._units.is_held = True  # clients that wait are served with what is there in the end
        try:
            if not await self._aof.file.sync():
                raise LoadError("the append-only file cannot be written")
            for database in self._server.databases:
                database.flush()
            self._server.services.functions.flush()
            self._server.services.tracking.flushed()
            self._loader = Loader(self._server, self._folder, self._log_worker)
            await self._loader.load_log()
            reply.resolve(OK)
        except LoadError as error:
            self._log.critical("the append-only file could not be loaded again: {error}", error=error)
            reply.resolve(CommandError("Error trying to load the AOF files, check server logs"))
        finally:
            self._loader = None
            self._aof.go_on()
            self._admission.is_loading = False
            self._units.is_held = False
            self._units.finish()

    def shut_down(self, *, save: bool | None, force: bool) -> Reply:
        self._check_running()
        reply = Promise()
        self._shutdowns.append(reply)
        if len(self._shutdowns) == 1:  # else a shutdown is in progress
            save = bool(self._settings.save) if save is None else save
            ensureDeferred(self._shut_down(self._shutdowns, save and self._is_loaded, force))
        return reply.now()

    async def _shut_down(self, replies: list[Promise], save: bool, force: bool) -> None:
        if self._is_loaded and self._aof.is_missing and not force:
            self._log.error("the append-only file is being begun: it would be lost with the end")
            resolve_all(replies, CommandError(CANNOT_SHUT_DOWN))
            return
        self._snapshots.cancel()
        is_safe = not save or await self._saves.save_for_the_end()
        if self._aof.file.is_open:
            is_safe = await self._aof.file.sync() and is_safe
        if not replies:
            return  # the shutdown was aborted
        if not is_safe and not force:
            resolve_all(replies, CommandError(CANNOT_SHUT_DOWN))
            return
        self._final_save = save and is_safe
        self._server.stop()

    def abort_shutdown(self) -> bool:
        aborted, self._shutdowns = self._shutdowns, []
        if not aborted:
            return False
        self._snapshots.cancel()
        self._units.after(lambda: resolve_all(aborted, CommandError(CANNOT_SHUT_DOWN)))
        return True

    def flushed(self) -> None:
        if self._settings.save and self._is_loaded and self._snapshots.is_running:
            self._units.after(self._saves.flushed)

    def information(self) -> Mapping[str, object]:
        return {
            "loading": int(self._admission.is_loading),
            "async_loading": 0,
            **snapshot_fields(self._snapshots),
            **save_fields(self._saves, self._snapshots),
            "rdb_last_load_keys_expired": self._expired_keys,
            "rdb_last_load_keys_loaded": self._loaded_keys,
            **aof_fields(self._aof, self._snapshots),
            **({} if self._loader is None else loading_fields(self._loader.progress, self._now)),
        }

    # Background tasks

    def _tick(self) -> None:
        """Begin a save or a rewrite that is due."""
        self._tick_call = self._now.clock.callLater(TICK, self._tick)
        if self._snapshots.saving is not None or self._shutdowns:
            return
        if self._aof.is_untrusted:
            if self._aof.may_retry:
                self._aof.begin_anew()
        elif self._saves.is_due:
            self._saves.begin()
        elif self._aof.is_due:
            self._aof.begin_anew()

    def _snapshot_ended(self) -> None:
        """Begin the save or the rewrite that has waited for a snapshot to end."""
        self._update_misconf()
        if self._saves.is_next:
            self._saves.begin()
        elif self._aof.is_next:
            self._aof.begin_anew()

    def _appendonly_changed(self) -> None:
        """React to a changed `appendonly`; raises ValueError if it cannot be changed now."""
        if not self._is_loaded:
            raise ValueError("Unable to turn on AOF. Check server logs.")
        if self._settings.appendonly == self._aof.is_kept or not self._snapshots.is_running:
            return  # `start` will check it
        if self._settings.appendonly:
            self._aof.begin()
        else:
            self._aof.stop_keeping()
            self._update_misconf()

    def _check_running(self) -> None:
        if not self._snapshots.is_running:
            raise CommandError("this cache is stopped and has released its folder")

    def _update_misconf(self) -> None:
        """Make admission refuse writes while the disk fails, and only then."""
        misconf = None
        error = self._aof.file.error
        if error is not None:
            why = error.strerror if isinstance(error, OSError) else error
            misconf = CommandError(f"Errors writing to the AOF file: {why}", "MISCONF")
        elif self._saves.record.status == "err" and self._settings.save and self._settings.stop_writes_on_bgsave_error:
            misconf = RDB_MISCONF
        if misconf != self._admission.misconf:
            self._admission.misconf = misconf
