"""The append-only file: what was recorded goes to the disk in another thread, together for all who asked meanwhile.

`record()` is told what was changed.  `commit()`, which a wake-up calls before it answers, answers at once, or when all
that was recorded is on the disk, as `appendfsync` asks for:

* always: when it was forced there.
* everysec: at once, as long as what was answered is forced to the disk within two seconds.  When the disk takes longer,
  answers wait for it, as Redis waits.
* no: at once; the system decides.

A disk that fails is tried again every second; meanwhile `error` says so, and writes are refused.  Nobody who waits is
answered then, since nobody knows.  What could not be written stays here, and the half of it that was is cut off.  After
a failed `fsync`, though, the system may have dropped what it could not write, and say the next time that all is well:
then only a log that is begun anew can be trusted (`is_doubtful`).
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
"""Seconds for which records are gathered before they are written, where nobody waits for them."""

SYNC_INTERVAL: Final = 1.0
"""Seconds from one `fsync` to the next, with `everysec`."""

LONGEST_DELAY: Final = 1900
"""Milliseconds that something answered may be without an `fsync` with `everysec`, before answers wait for it."""

RETRY: Final = 1.0
"""Seconds until a disk that failed is tried again."""

Answer = Callable[[bool], None]


class AppendOnlyFile:
    """One append-only file, on the reactor's side: what was recorded, when it is written, and who waits for that.

    The thread of `worker` writes it.  `changed` is called when `error` has changed, and when something was written.
    """

    _log = Logger()

    def __init__(
        self, folder: Folder, settings: Settings, now: Now, worker: Worker, changed: Callable[[], None]
    ) -> None:
        self.error: Exception | None = None
        """Why nothing can be written for now."""
        self.is_doubtful = False
        """Whether what was written may not be what will be read: the log has to be begun anew."""
        self.sync_is_paused = False
        """Whether `everysec` waits, while a snapshot is written (`no-appendfsync-on-rewrite`)."""
        self.delayed = 0
        """How often answers had to wait for a slow disk."""
        self._files = LogFiles(folder, settings, now.clock.seconds)  # all but its folder's name: for the thread alone
        self.path = self._files.folder.path
        self._state = LogState()  # of the files, when the thread had last done something
        self._settings = settings
        self._now = now
        self._worker = worker
        self._changed = changed
        self._records: list[bytes] = []  # each by itself: encoded at once, they are one object that nobody traverses
        self._database = -1  # in which they end
        self._taken = 0  # how many records were given to the other thread, in all
        self._covered = 0  # how many of them are in the base that is being written
        self._synced = 0  # how many of these are safe
        self._unsynced_since: int | None = None  # when the oldest record came that is not safe (`Now.elapsed`)
        self._last_sync = 0  # when the last successful one began (`Now.elapsed`)
        self._waiting: deque[tuple[int, Answer]] = deque()  # for so many records to be safe
        # What is to be done between two writes: how, who waits for it, and what to do if it is dropped.
        self._steps: deque[tuple[Callable[[], None], Deferred[Any], Callable[[], None]]] = deque()
        self._is_busy = False
        self._is_closed = False
        self._call: IDelayedCall | None = None

    @property
    def recorded(self) -> int:
        """How many records there were, in all."""
        return self._taken + len(self._records)

    @property
    def buffered(self) -> int:
        """Bytes that are not written yet."""
        return self._state.unwritten + sum(map(len, self._records))

    @property
    def unsynced(self) -> int:
        """How many of them are not safe yet."""
        return self.recorded - self._synced

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self._state.size

    @property
    def is_open(self) -> bool:
        """Whether there is a file to write to."""
        return self._state.name is not None

    def record(self, done: list[Effect]) -> None:
        """Take note of what was done: all of it, or nothing."""
        index, request = done[0]
        if index == self._database and len(done) == 1:
            self._records.append(encode_request(request))
        else:
            data, self._database = write_effects(done, self._database)
            self._records.append(data)
        if self._unsynced_since is None:
            self._unsynced_since = self._now.elapsed
        if self._call is None and not self._is_busy and not self._is_closed:
            self._come_again(PAUSE)

    def commit(self, answer: Answer) -> None:
        """Answer when what was recorded is as safe as `appendfsync` asks for."""
        if not self._waiting and self._may_answer():
            answer(True)
        else:
            self.delayed += self._settings.appendfsync == "everysec"
            self._wait(answer)

    def sync(self) -> Deferred[bool]:
        """Force all that was recorded to the disk; gives False if that failed."""
        forced: Deferred[bool] = Deferred()
        if not self.unsynced:
            forced.callback(True)
        elif self.error is not None or not self.is_open:
            forced.callback(False)
        else:
            self._wait(forced.callback)
        return forced

    def open(self, manifest: Manifest, empty_base: bytes, *, is_rdb: bool) -> Deferred[None]:
        """Go on with the files that were loaded, or begin with an empty base; fails with OSError."""
        files = self._files

        def note(taken: list[str]) -> None:
            if taken:
                self._log.warn("{path} has files but no manifest: they were not loaded", path=self.path)

        return self._in_thread(lambda: files.open(manifest, empty_base, is_rdb=is_rdb)).addCallback(note)

    def rotate(self, *, afresh: bool, is_logging: bool = True) -> Deferred[Part | None]:
        """Write to a new file what is recorded from now on; gives it, or fails with OSError.

        `afresh`: the files that are there hold other data, and the manifest is left as it is until `replace_base`.
        Without `is_logging` there will be no such file.
        """
        records, taken = self._take()
        self._covered = taken
        self._database = -1  # in which each file begins
        files = self._files

        def note(part: Part | None) -> Part | None:
            if part is not None and not afresh and not self.is_doubtful:
                self._are_safe(taken, self._now.elapsed)
            return part

        def give_back() -> None:
            self._records[:0] = records
            self._taken -= len(records)

        return self._between_writes(
            lambda: files.rotate(records, afresh=afresh, is_logging=is_logging), note, give_back
        )

    def replace_base(self, name: str, first: Part | None, *, is_rdb: bool) -> Deferred[None]:
        """Put a file of the outer folder in the place of all before an increment; fails with OSError."""
        covered, files = self._covered, self._files

        def note(_: None) -> None:
            if self.is_doubtful and not self._state.is_doubtful:
                self.is_doubtful = False
                self._has_failed(None)
            if not self.is_doubtful:
                self._are_safe(covered, self._now.elapsed)

        return self._between_writes(lambda: files.replace_base(name, first, is_rdb=is_rdb), note)

    def close(self) -> Deferred[bool]:
        """Force all to the disk, and let go of the files; gives False if that failed.

        What `rotate` and `replace_base` have not begun is not done any more, and fails with CancelledError.
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
        tried: Deferred[bool] = Deferred()  # once more: the disk may be well again
        self._wait(tried.callback)
        return tried.addCallback(forced)

    def policy_changed(self) -> None:
        """Take note that `appendfsync` is another."""
        self._plan(None)

    # When to write

    def _may_answer(self) -> bool:
        since = self._unsynced_since
        policy = self._settings.appendfsync
        if since is None or policy == "no" or not self.is_open or self.error is not None:
            return True  # while the disk fails, nobody can have changed anything
        if policy == "always":
            return False
        return self.sync_is_paused or self._now.elapsed - since < LONGEST_DELAY

    def _wait(self, answer: Answer) -> None:
        self._waiting.append((self.recorded, answer))
        self._write()

    def _come_again(self, delay: float) -> None:
        if self._call is None and not self._is_closed:
            self._call = self._now.clock.callLater(delay, self._due)

    def _due(self) -> None:
        self._call = None
        self._write()

    def _plan(self, _: object) -> None:
        """Say when to write next."""
        if self._steps or (self._waiting and self.error is None):
            self._write()
        elif self._is_closed:
            return
        elif self.error is not None:
            self._come_again(RETRY)
        elif self._records:
            self._come_again(PAUSE)
        elif self._settings.appendfsync == "everysec" and self._synced < self._taken:
            self._come_again(max(PAUSE, SYNC_INTERVAL - (self._now.elapsed - self._last_sync) / 1000))

    def _must_sync(self) -> bool:
        policy = self._settings.appendfsync
        if self._waiting or policy == "always":
            return True
        is_time = self._now.elapsed - self._last_sync >= SYNC_INTERVAL * 1000
        return policy == "everysec" and is_time and not self.sync_is_paused

    def _write(self) -> None:
        """Have what there is to do next done in the other thread, unless that is busy."""
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
                self._has_failed(None)
            if sync:
                self._last_sync = began
                self._are_safe(taken, began)

        put = self._run(lambda: self._files.put(records, sync=sync))
        put.addCallback(written).addErrback(self._note_failure).addCallback(self._plan)

    def _take(self) -> tuple[list[bytes], int]:
        """Take the records that are to be written; gives them, and how many there were then in all."""
        records, self._records = self._records, []
        self._taken += len(records)
        return records, self._taken

    def _between_writes(
        self, work: Callable[[], T], note: Callable[[T], U], dropped: Callable[[], None] = lambda: None
    ) -> Deferred[U]:
        """Have something done in the other thread in its turn, and take note of it, whether anybody waits or not."""
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
        """Have something done with the files in the other thread, and learn how they are then."""
        files = self._files

        def do() -> tuple[LogState, T | None, Exception | None]:
            try:
                outcome = work()
            except Exception as error:
                return files.state(), None, error
            return files.state(), outcome, None

        def done(result: tuple[LogState, T | None, Exception | None]) -> T:
            self._state, outcome, error = result
            if error is not None:
                raise error
            return outcome  # type: ignore[return-value]  # of the work, which may well be None

        return self._worker.run(do).addCallback(done)

    # What became of it

    def _are_safe(self, taken: int, began: int) -> None:
        """Take note that so many records are safe, and others came after a moment in milliseconds (`Now.elapsed`)."""
        self._synced = max(self._synced, taken)
        self._unsynced_since = began if self.unsynced else None
        self._release(True)

    def _release(self, is_safe: bool) -> None:
        """Answer those who wait for what is safe now; or all, if it will not be."""
        while self._waiting and (not is_safe or self._waiting[0][0] <= self._synced):
            _, answer = self._waiting.popleft()
            answer(is_safe)

    def _note_failure(self, failure: Failure) -> None:
        """Take note that the disk fails; whatever it is, it must not stop the cache."""
        error = failure.value
        if self.error is None:
            self._log.error("cannot write the append-only file {name}: {why}", name=self._name, why=error)
        self.is_doubtful = self.is_doubtful or self._state.is_doubtful
        self._release(False)
        self._has_failed(error if isinstance(error, Exception) else RuntimeError(str(error)))

    def _has_failed(self, error: Exception | None) -> None:
        if self.error is not None and error is None:
            self._log.info("the append-only file {name} can be written again", name=self._name)
        self.error = error
        self._changed()

    @property
    def _name(self) -> str:
        return f"{self.path}/{self._state.name or self._settings.appendfilename}"
