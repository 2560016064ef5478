"""The append-only file (AOF): another thread writes the records to the disk, in one batch for all that came meanwhile.

`record()` takes changes.  A wake-up calls `commit()` before it sends its replies; the callback of `commit()` runs
immediately, or when all records are on the disk, as `appendfsync` demands:

* always: when they are forced to the disk.
* everysec: immediately, as long as what was answered is forced to the disk within two seconds.  When the disk takes
  longer, replies wait for it, as in Redis.
* no: immediately; the system decides when to write.

After a disk error, the write is retried every second; meanwhile `error` is set, and writes are refused.  Replies that
wait at that time are not sent, since their outcome is unknown.  Data that could not be written stay in memory, and the
part of them that reached the file is cut off.  After a failed `fsync`, though, the system may have dropped what it
could not write, and may report success the next time: then only a rewritten file can be trusted (`is_doubtful`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from twisted_kv.persistence.files import Folder, Worker
from twisted_kv.persistence.log_files import LogFiles, LogState
from twisted_kv.persistence.log_format import write_effects
from twisted_kv.persistence.manifest import Manifest, Part
from twisted_kv.sessions.services import Effect
from twisted_kv.settings.config import Settings
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.wire.encoder import encode_request

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

T = TypeVar("T")
U = TypeVar("U")

PAUSE: Final = 0.01
"""Seconds for which records are gathered before they are written, when no reply waits for them."""

SYNC_INTERVAL: Final = 1.0
"""Seconds from one `fsync` to the next, with `everysec`."""

LONGEST_DELAY: Final = 1900
"""Milliseconds for which answered changes may lack an `fsync` with `everysec`, before replies wait for it."""

RETRY: Final = 1.0
"""Seconds until a failed write is retried."""

Answer = Callable[[bool], None]


class AppendOnlyFile:
    """One append-only file, on the reactor's side: the records, when to write them, and who waits for that.

    The thread of `worker` writes it.  `changed` is called when `error` has changed, and after each write.
    """

    _log = Logger()

    def __init__(
        self, folder: Folder, settings: Settings, now: Now, worker: Worker, changed: Callable[[], None]
    ) -> None:
        self.error: Exception | None = None
        """Why nothing can be written at present, or None."""
        self.is_doubtful = False
        """Whether the file may differ from what was written to it: it must be rewritten."""
        self.sync_is_paused = False
        """Whether `everysec` is suspended while a snapshot is written (`no-appendfsync-on-rewrite`)."""
        self.delayed = 0
        """How often replies had to wait for a slow disk."""
        self._files = LogFiles(folder, settings, now.clock.seconds)  # for the thread only, but for the path
        self.path = self._files.folder.path
        self._state = LogState()  # of the files, after the thread's last task
        self._settings = settings
        self._now = now
        self._worker = worker
        self._changed = changed
        self._records: list[bytes] = []  # each encoded when added: a single object, with nothing to traverse
        self._database = -1  # the database that is selected at the end of the records
        self._taken = 0  # total number of records that were handed to the other thread
        self._covered = 0  # how many of these are in the base that is being written
        self._synced = 0  # how many of these are safe
        self._unsynced_since: int | None = None  # when the oldest unsafe record was added (`Now.elapsed`)
        self._last_sync = 0  # when the last successful sync began (`Now.elapsed`)
        self._waiting: deque[tuple[int, Answer]] = deque()  # how many records must be safe, and the callback
        # Tasks to run between two writes: the task, the Deferred of its outcome, and what to call if it is dropped.
        self._steps: deque[tuple[Callable[[], None], Deferred[Any], Callable[[], None]]] = deque()
        self._is_busy = False
        self._is_closed = False
        self._call: IDelayedCall | None = None

    @property
    def recorded(self) -> int:
        """Total number of records so far."""
        return self._taken + len(self._records)

    @property
    def buffered(self) -> int:
        """Bytes that are not written yet."""
        return self._state.unwritten + sum(map(len, self._records))

    @property
    def unsynced(self) -> int:
        """How many records are not safe yet."""
        return self.recorded - self._synced

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return self._state.size

    @property
    def is_open(self) -> bool:
        """Whether there is a file to write to."""
        return self._state.name is not None

    def record(self, done: list[Effect]) -> None:
        """Record effects as one record, which is replayed as a whole or not at all."""
        index, request = done[0]
        if index == self._database and len(done) == 1:
            self._records.append(encode_request(request))
        else:
            data, self._database = write_effects(done, self._database)
            self._records.append(data)
        self._recorded()

    def record_run(self, index: int, requests: bytes) -> None:
        """Record requests on one database, encoded, each of which is replayed or not by itself."""
        if index != self._database:
            requests = encode_request((b"SELECT", b"%d" % index)) + requests
            self._database = index
        self._records.append(requests)
        self._recorded()

    def _recorded(self) -> None:
        """Plan to write what was recorded."""
        if self._unsynced_since is None:
            self._unsynced_since = self._now.elapsed
        if self._call is None and not self._is_busy and not self._is_closed:
            self._schedule_write(PAUSE)

    def commit(self, answer: Answer) -> None:
        """Call `answer` when all records are as safe as `appendfsync` demands."""
        if not self._waiting and self._may_answer():
            answer(True)
        else:
            self.delayed += self._settings.appendfsync == "everysec"
            self._wait(answer)

    def sync(self) -> Deferred[bool]:
        """Force all records to the disk; fires with False if that failed."""
        forced: Deferred[bool] = Deferred()
        if not self.unsynced:
            forced.callback(True)
        elif self.error is not None or not self.is_open:
            forced.callback(False)
        else:
            self._wait(forced.callback)
        return forced

    def open(self, manifest: Manifest, empty_base: bytes, *, is_rdb: bool) -> Deferred[None]:
        """Continue with the files that were loaded, or begin with an empty base; fails with OSError."""
        files = self._files

        def warn(unnamed: list[str]) -> None:
            if unnamed:
                self._log.warn("{path} has files but no manifest: they were not loaded", path=self.path)

        return self._in_thread(lambda: files.open(manifest, empty_base, is_rdb=is_rdb)).addCallback(warn)

    def rotate(self, *, afresh: bool, is_logging: bool = True) -> Deferred[Part | None]:
        """Write all further records to a new file; fires with that file, or fails with OSError.

        `afresh`: the existing files hold other data, and the manifest stays unchanged until `replace_base`.
        Without `is_logging` no new file is made.
        """
        records, taken = self._take()
        self._covered = taken
        self._database = -1  # each file begins with a SELECT
        files = self._files

        def note(part: Part | None) -> Part | None:
            if part is not None and not afresh and not self.is_doubtful:
                self._mark_safe(taken, self._now.elapsed)
            return part

        def put_back() -> None:
            self._records[:0] = records
            self._taken -= len(records)

        return self._between_writes(lambda: files.rotate(records, afresh=afresh, is_logging=is_logging), note, put_back)

    def replace_base(self, name: str, first: Part | None, *, is_rdb: bool) -> Deferred[None]:
        """Replace all files before an increment by a file of the outer folder; fails with OSError."""
        covered, files = self._covered, self._files

        def note(_: None) -> None:
            if self.is_doubtful and not self._state.is_doubtful:
                self.is_doubtful = False
                self._set_error(None)
            if not self.is_doubtful:
                self._mark_safe(covered, self._now.elapsed)

        return self._between_writes(lambda: files.replace_base(name, first, is_rdb=is_rdb), note)

    def close(self) -> Deferred[bool]:
        """Force all records to the disk, and close the files; fires with False if that failed.

        Tasks of `rotate` and `replace_base` that have not begun are dropped and fail with CancelledError.
        """
        steps, self._steps = self._steps, deque()
        for _, outcome, dropped in reversed(steps):
            dropped()
            outcome.errback(CancelledError())

        def forced(is_safe: bool) -> Deferred[bool]:
            self._is_closed = True
            self._release(False)
            if self._call is not None:
                self._call.cancel()
                self._call = None
            return self._between_writes(self._files.let_go, lambda _: None).addBoth(lambda _: is_safe)

        if self.error is None or not self.is_open or self._state.is_doubtful:
            return self.sync().addCallback(forced)
        tried: Deferred[bool] = Deferred()  # retry once: the disk may work again
        self._wait(tried.callback)
        return tried.addCallback(forced)

    def policy_changed(self) -> None:
        """React to a changed `appendfsync`."""
        self._plan(None)

    # When to write

    def _may_answer(self) -> bool:
        since = self._unsynced_since
        policy = self._settings.appendfsync
        if since is None or policy == "no" or not self.is_open or self.error is not None:
            return True  # while the disk fails, writes are refused, so there are no changes to wait for
        if policy == "always":
            return False
        return self.sync_is_paused or self._now.elapsed - since < LONGEST_DELAY

    def _wait(self, answer: Answer) -> None:
        self._waiting.append((self.recorded, answer))
        self._write()

    def _schedule_write(self, delay: float) -> None:
        if self._call is None and not self._is_closed:
            self._call = self._now.clock.callLater(delay, self._due)

    def _due(self) -> None:
        self._call = None
        self._write()

    def _plan(self, _: object) -> None:
        """Schedule the next write."""
        if self._steps or (self._waiting and self.error is None):
            self._write()
        elif self._is_closed:
            return
        elif self.error is not None:
            self._schedule_write(RETRY)
        elif self._records:
            self._schedule_write(PAUSE)
        elif self._settings.appendfsync == "everysec" and self._synced < self._taken:
            self._schedule_write(max(PAUSE, SYNC_INTERVAL - (self._now.elapsed - self._last_sync) / 1000))

    def _must_sync(self) -> bool:
        policy = self._settings.appendfsync
        if self._waiting or policy == "always":
            return True
        is_time = self._now.elapsed - self._last_sync >= SYNC_INTERVAL * 1000
        return policy == "everysec" and is_time and not self.sync_is_paused

    def _write(self) -> None:
        """Run the next task in the other thread, unless that is busy."""
        if self._is_busy:
            return
        if self._steps:
            step, _, _ = self._steps.popleft()
            step()
            return
        if self._is_closed or not self.is_open or self._state.is_doubtful:
            return
        began = self._now.elapsed
        sync = self._must_sync()
        records, taken = self._take()

        def written(result: None) -> None:
            if not self.is_doubtful:
                self._set_error(None)
            if sync:
                self._last_sync = began
                self._mark_safe(taken, began)

        put = self._run(lambda: self._files.put(records, sync=sync))
        put.addCallback(written).addErrback(self._note_failure).addCallback(self._plan)

    def _take(self) -> tuple[list[bytes], int]:
        """Take the records to write; return them, and the total number of records taken so far."""
        records, self._records = self._records, []
        self._taken += len(records)
        return records, self._taken

    def _between_writes(
        self, work: Callable[[], T], note: Callable[[T], U], dropped: Callable[[], None] = lambda: None
    ) -> Deferred[U]:
        """Queue a task for the other thread, and call `note` with its result even if the Deferred has no callbacks."""
        outcome: Deferred[U] = Deferred()

        def step() -> None:
            self._run(work).addCallback(note).addCallbacks(outcome.callback, fail).addCallback(self._plan)

        def fail(failure: Failure) -> None:
            self._note_failure(failure)
            outcome.errback(failure)

        self._steps.append((step, outcome, dropped))
        self._write()
        return outcome

    def _run(self, work: Callable[[], T]) -> Deferred[T]:
        self._is_busy = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

        def ran(result: T) -> T:
            self._is_busy = False
            return result

        return self._in_thread(work).addBoth(ran)

    def _in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        """Run a task on the files in the other thread, and update the state of the files afterwards."""
        files = self._files

        def task() -> tuple[LogState, T | None, Exception | None]:
            try:
                outcome = work()
            except Exception as error:
                return files.state(), None, error
            return files.state(), outcome, None

        def done(result: tuple[LogState, T | None, Exception | None]) -> T:
            self._state, outcome, error = result
            if error is not None:
                raise error
            return outcome  # type: ignore[return-value]  # the task's result, which may be None

        return self._worker.run(task).addCallback(done)

    # Outcomes

    def _mark_safe(self, taken: int, began: int) -> None:
        """Note that `taken` records are safe, and that the others came after `began` (milliseconds, `Now.elapsed`)."""
        self._synced = max(self._synced, taken)
        self._unsynced_since = began if self.unsynced else None
        self._release(True)

    def _release(self, is_safe: bool) -> None:
        """Call the callbacks whose records are safe now; or all of them with False, after a failure."""
        while self._waiting and (not is_safe or self._waiting[0][0] <= self._synced):
            _, answer = self._waiting.popleft()
            answer(is_safe)

    def _note_failure(self, failure: Failure) -> None:
        """Record a failure of the disk; no kind of error may stop the cache."""
        error = failure.value
        if self.error is None:
            self._log.error("cannot write the append-only file {name}: {why}", name=self._name, why=error)
        self.is_doubtful = self.is_doubtful or self._state.is_doubtful
        self._release(False)
        self._set_error(error if isinstance(error, Exception) else RuntimeError(str(error)))

    def _set_error(self, error: Exception | None) -> None:
        if self.error is not None and error is None:
            self._log.info("the append-only file {name} can be written again", name=self._name)
        self.error = error
        self._changed()

    @property
    def _name(self) -> str:
        return f"{self.path}/{self._state.name or self._settings.appendfilename}"
