"""Loads the data that a previous process saved: a snapshot, or an append-only file (AOF).

As in Redis, only the append-only file is loaded with `appendonly`, and only the snapshot without it.  Another thread
reads the files, and the reactor's thread loads them in slices, so that the reactor keeps running; clients get LOADING
errors meanwhile.

The end of the last file of the AOF may be torn, because a process or a machine stopped while it wrote.  That end is cut
off, with a message in the server's log.  Any other damage prevents the start and changes no file.
"""

from __future__ import annotations

from typing import Callable, Final, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.python.failure import Failure

from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.table import TableEntry
from twisted_kv.persistence.errors import LoadError, LogError, ManifestError
from twisted_kv.persistence.files import File, Folder, Worker
from twisted_kv.persistence.log_files import read_manifest
from twisted_kv.persistence.log_format import LogReader, is_torn, request_size
from twisted_kv.persistence.manifest import BASE, Manifest, Part
from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.errors import RdbError
from twisted_kv.rdb.reader import Keep, RdbReader
from twisted_kv.rdb.uses import Use, mark_of
from twisted_kv.sessions.session import Server, Session
from twisted_kv.store.database import Database
from twisted_kv.store.entries import Value
from twisted_kv.vocabulary.errors import ArityError, CommandError, LossError, as_text
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.wire.plain_requests import Requests, Run

T = TypeVar("T")

CHUNK: Final = 1024 * 1024
"""Bytes that are read at a time."""

PIECE: Final = 32 * 1024
"""Bytes of an append-only file that are replayed before the reactor's next turn: some 2 ms."""

LEAST_KEY: Final = 4
"""The least bytes of a snapshot that a key takes."""

KEYS_AT_ONCE: Final = 1000
"""Keys of a snapshot that are loaded before the reactor's next turn: some 1.5 ms on CPython 3.11."""

LONGEST_TORN: Final = 64 * CHUNK
"""If more bytes than that follow damage, it is not taken for the torn end of an append-only file."""

REPORT_INTERVAL: Final = 5.0
"""Seconds between two progress messages in the log while data are loaded."""


@attrs.define
class Progress:
    """The progress of loading."""

    date: int
    """When it began, in seconds since 1970."""
    started: int
    """The same on the monotonic clock, in milliseconds."""
    total: int = 0
    """Size of all files in bytes."""
    loaded: int = 0
    expired: int = 0
    """Number of a snapshot's keys that had expired in the meantime."""


class _Source:
    """A file that is read in chunks, each while the previous one is loaded."""

    def __init__(self, folder: Folder, name: str, worker: Worker) -> None:
        self.folder = folder
        self.name = name
        self._worker = worker
        self._file: File | None = None  # used only in the other thread
        self._next = worker.run(self._read)

    async def read(self) -> bytes:
        """Return the next bytes; empty at the end of the file."""
        data = await self._next
        if data:
            self._next = self._worker.run(self._read)
        return data

    def close(self) -> None:
        """Close the file, at any time."""
        self._next.addErrback(lambda _: None)
        self._worker.run(self._close).addErrback(lambda _: None)

    def error(self, why: object, offset: int) -> LoadError:
        """Return an error that names the file and the offset."""
        return LoadError(f"{self.folder.path}/{self.name}: {why} (at byte {offset})")

    def _read(self) -> bytes:
        if self._file is None:
            self._file = self.folder.open(self.name)
        return self._file.read(CHUNK)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


class _Target:
    """Where the keys of one database of a file go."""

    def __init__(self, database: Database, progress: Progress) -> None:
        self._database = database
        self._progress = progress
        self.keep: Keep = self._load if database.usage is None else self._load_with_use

    def drop_expired(self, now: int) -> None:
        """Drop keys that have expired from now on."""
        load, progress = self.keep, self._progress

        def keep(key: bytes, value: Value, deadline: int | None, use: Use) -> bool:
            if deadline is not None and deadline <= now:
                progress.expired += 1
                return True
            return load(key, value, deadline, use)

        self.keep = keep

    def keep_strings(self, keys: list[bytes], values: list[bytes]) -> bool:
        """Load strings without deadlines; return False if one of the keys already exists."""
        if self._database.usage is None:
            return self._database.load_strings(keys, values)
        return all(self._load_with_use(key, value, None, None) for key, value in zip(keys, values))

    def expect(self, count: int) -> None:
        """Prepare for so many keys, unless the file is too small for them."""
        self._database.expect(min(count, self._progress.total // LEAST_KEY))

    def _load(self, key: bytes, value: Value, deadline: int | None, use: Use) -> bool:
        return self._database.load(key, value, deadline)

    def _load_with_use(self, key: bytes, value: Value, deadline: int | None, use: Use) -> bool:
        usage = self._database.usage
        assert usage is not None  # it is recorded from the start
        return self._database.load(key, value, deadline, mark_of(usage, use))


class Loader:
    """Loads the data of one server from a folder."""

    _log = Logger()

    def __init__(self, server: Server, folder: Folder, worker: Worker) -> None:
        self._server = server
        self._settings = server.settings
        self._clock = server.now.clock
        self._folder = folder
        self._worker = worker
        self._reported = server.now.elapsed
        self.passed_over = 0
        """Number of the AOF's requests that failed: the next rewrite would drop what they hold."""
        self.progress = Progress(int(self._clock.seconds()), self._reported)

    async def load_snapshot(self) -> None:
        """Load `dbfilename`, if it exists; raises `LoadError`."""
        name = self._settings.dbfilename
        size = await self._in_thread(self._folder, name, lambda: self._folder.size(name))
        if size is None:
            return
        self.progress.total = size
        source = _Source(self._folder, name, self._worker)
        try:
            await self._load_rdb(source, await source.read(), self._target_unless_expired)
        except OSError as error:
            raise source.error(error.strerror, self.progress.loaded) from None
        finally:
            source.close()
        self._report_loaded(name)

    async def load_log(self) -> Manifest:
        """Load the append-only file, if there is one, and return its manifest; raises `LoadError`."""
        folder = self._folder.inner(self._settings.appenddirname)
        old = self._settings.appendfilename
        manifest = await self._read_manifest(folder)
        is_old = (
            not manifest.parts and await self._in_thread(self._folder, old, lambda: self._folder.size(old)) is not None
        )
        if is_old:  # of Redis 6 or earlier: a single file, which becomes a base
            folder = self._folder
            manifest = Manifest(Part(old, 1, BASE))
        for database in self._server.databases:
            database.ignores_deadlines = True
        try:
            await self._load_parts(folder, manifest)
        finally:
            for database in self._server.databases:
                database.ignores_deadlines = False
        if is_old:
            await self._in_thread(self._folder, old, self._move_in)
        if manifest.parts:
            self._report_loaded("the append-only file")
        return manifest

    async def _load_parts(self, folder: Folder, manifest: Manifest) -> None:
        sizes = []
        for part in manifest.parts:
            size = await self._in_thread(folder, part.name, lambda name=part.name: folder.size(name))  # type: ignore[misc]
            if size is None:
                raise LoadError(f"{folder.path}/{part.name}: the manifest names it, and it is not there")
            sizes.append(size)
        self.progress.total = sum(sizes)
        for index, part in enumerate(manifest.parts):
            source = _Source(folder, part.name, self._worker)
            # A base gets its name when all of it is on the disk, so it cannot be torn, unless it is an old single file.
            is_last = not any(sizes[index + 1 :]) and (part.kind != BASE or len(sizes) == 1)
            try:
                await self._load_part(source, may_be_torn=is_last)
            except OSError as error:
                raise source.error(error.strerror, 0) from None
            finally:
                source.close()

    async def _read_manifest(self, folder: Folder) -> Manifest:
        """Read the manifest of the append-only file."""
        name = self._settings.appendfilename
        return await self._in_thread(folder, f"{name}.manifest", lambda: read_manifest(folder, name))

    def _move_in(self) -> None:
        """Move an old single file into the folder of its future manifest."""
        name = self._settings.appendfilename
        folder = self._folder.inner(self._settings.appenddirname)
        folder.make()
        self._folder.take(name, folder, name)
        folder.sync()
        self._folder.sync()

    # Snapshots

    async def _load_rdb(self, source: _Source, data: bytes, select: Callable[[int], _Target]) -> bytes:
        """Load a snapshot whose first bytes are `data`; return the bytes that were read after its end."""
        settings = self._settings
        is_deep = settings.sanitize_dump_payload == "yes"
        reader = RdbReader(
            select,
            checked=settings.rdbchecksum,
            is_deep=is_deep,
            packing=self._server.packing,
            load_function=self._load_function,
        )
        try:
            while not reader.done:
                if not data:
                    reader.finish()
                reader.feed(data)
                self._advance(len(data))
                while reader.read(KEYS_AT_ONCE) and not reader.done:
                    await self._next_turn()
                data = b"" if reader.done else await source.read()
        except RdbError as error:
            raise source.error(error, error.offset) from None
        return reader.rest

    def _load_function(self, code: bytes) -> None:
        """Load a library of functions; raises `RdbError`."""
        try:
            self._server.services.functions.load(code, replace=False)
        except CommandError as error:
            raise RdbError(f"a library of functions cannot be loaded: {error.message}") from None

    def _target(self, index: int) -> _Target:
        """Return where the keys of a database go; raises `RdbError` if there is no such database."""
        if index >= len(self._server.databases):
            raise RdbError(f"database {index}, and there are only {len(self._server.databases)} (setting databases)")
        return _Target(self._server.databases[index], self.progress)

    def _target_unless_expired(self, index: int) -> _Target:
        """Return the same for a file whose expired keys are dropped."""
        target = self._target(index)
        target.drop_expired(self._server.now.read())
        return target

    # Append-only files

    async def _load_part(self, source: _Source, *, may_be_torn: bool) -> None:
        """Load one file of the AOF: requests, or a snapshot and the requests after it."""
        data = await source.read()
        offset = 0
        if data.startswith(rdb.MAGIC):
            before = self.progress.loaded
            rest = await self._load_rdb(source, data, self._target)
            offset = self.progress.loaded - before - len(rest)
            data = rest or await source.read()
        replay = _Replay(self._server)
        reader = LogReader(offset)
        try:
            while data:
                for start in range(0, len(data), PIECE):
                    reader.feed(data[start : start + PIECE])
                    while True:
                        requests, start_offset = reader.take()
                        if not requests:
                            break
                        replay.run(requests, start_offset)
                    await self._next_turn()
                self._advance(len(data))
                data = await source.read()
            torn = reader.rest
        except LogError as error:
            torn = reader.rest + data[start + PIECE :] if error.offset == reader.offset else b""
            while torn and len(torn) < LONGEST_TORN and data:
                data = await source.read()
                torn += data
            if not torn or data or not torn.endswith(b"\0"):
                raise source.error(error, error.offset) from None
        self._report_passed_over(source, replay)
        if replay.transaction_start is None and not torn:
            return
        end = reader.offset if replay.transaction_start is None else replay.transaction_start
        if torn and not is_torn(torn):
            raise source.error("a request is damaged: whole requests follow inside it", reader.offset)
        if not may_be_torn:
            raise source.error("it ends in the middle of a request, and later files have more", end)
        if not self._settings.aof_load_truncated:
            raise source.error("it ends in the middle of a request, and aof-load-truncated is no", end)
        await self._in_thread(source.folder, source.name, lambda: _cut(source.folder, source.name, end))
        self._log.warn(
            "{path}/{name}: the end was torn off while it was written; what was left of the last request is cut off at "
            "byte {end}",
            path=source.folder.path,
            name=source.name,
            end=end,
        )

    def _report_passed_over(self, source: _Source, replay: _Replay) -> None:
        """Log in one message which requests of a file failed."""
        if replay.passed_over:
            self.passed_over += replay.passed_over
            self._log.critical(
                "{path}/{name}: {count} requests could not be carried out and are passed over, the first at byte "
                "{place}: {why}. The log keeps them until BGREWRITEAOF is asked for",
                path=source.folder.path,
                name=source.name,
                count=replay.passed_over,
                place=replay.first_offset,
                why=replay.first_error,
            )

    # Common helpers

    def _in_thread(self, folder: Folder, name: str, work: Callable[[], T]) -> Deferred[T]:
        """Call `work` in the other thread; fails with `LoadError`."""

        def fail(failure: Failure) -> T:
            error = failure.value
            if isinstance(error, CancelledError):
                raise error
            why = error.strerror if isinstance(error, OSError) else error
            if isinstance(error, ManifestError):
                why = f"{error} (at byte {error.offset})"
            raise LoadError(f"{folder.path}/{name}: {why}")

        return maybeDeferred(self._worker.run, work).addErrback(fail)

    def _next_turn(self) -> Deferred[None]:
        """Wait for the reactor's next turn, so that other work can run."""
        turn: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(0, turn.callback, None)
        return turn

    def _advance(self, size: int) -> None:
        """Count loaded bytes, and log the progress from time to time."""
        progress = self.progress
        progress.loaded += size
        now = self._server.now.elapsed
        if now - self._reported >= REPORT_INTERVAL * 1000:
            self._reported = now
            percent = 100 * progress.loaded // max(1, progress.total)
            self._log.info("loading: {percent} % of {total} bytes", percent=percent, total=progress.total)

    def _report_loaded(self, what: str) -> None:
        keys = sum(map(len, self._server.databases))
        seconds = (self._server.now.elapsed - self.progress.started) / 1000
        self._log.info("loaded {what}: {keys} keys in {seconds:.3f} seconds", what=what, keys=keys, seconds=seconds)


class _Replay:
    """Replays the requests of an append-only file.

    A request that fails is skipped, as by Redis: the rest may still be useful.  A request whose payload is intact but
    cannot be stored raises `LogError`; it ends a redis-server, too.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.passed_over = 0
        """Number of requests that failed."""
        self.first_offset = 0
        """Offset of the first of them, in bytes."""
        self.first_error = ""
        """Its command, and why it failed."""
        self._session = Session(server, Lasting.SESSION, trusted=True, is_replay=True)
        self._transaction: list[tuple[list[bytes], int]] = []
        self.transaction_start: int | None = None
        """Offset of a MULTI whose EXEC has not been read yet, or None."""

    def run(self, requests: Requests, offset: int) -> None:
        """Run adjacent requests, the first of which begins at `offset`; raises `LogError`."""
        if isinstance(requests, Run):
            done = 0 if self.transaction_start is not None else self._run_together(requests, offset)
            if done == requests.count:
                return
            offset += sum(map(request_size, requests.requests()[:done]))
            requests = requests.requests(done)
        for words in requests:
            name = words[0].upper()
            if name == b"MULTI":
                if self.transaction_start is not None:
                    raise LogError(f"the transaction that begins at byte {self.transaction_start} has no end", offset)
                self.transaction_start = offset
            elif name == b"EXEC":
                self.transaction_start = None
                for request, request_offset in self._transaction:
                    self._run(request, request_offset)
                self._transaction.clear()
            elif self.transaction_start is not None:
                self._find(words, offset)  # check now: without an EXEC, all of it would be taken for a torn end
                self._transaction.append((words, offset))
            else:
                self._run(words, offset)
            offset += request_size(words)

    def _run_together(self, run: Run, offset: int) -> int:
        """Run the first requests of a run, if their command has a function for many; return how many were run."""
        entry = self._find([run.name, *[column[0] for column in run.columns]], offset)
        function = entry.runs.get(len(run.columns) + 1)
        return 0 if function is None else len(function(self._session, run))

    def _find(self, words: list[bytes], offset: int) -> TableEntry:
        commands = self._server.commands
        try:
            command = commands.find(words)
            if not command.least <= len(words) <= command.most:
                raise ArityError(command.name)
        except CommandError as error:
            raise LogError(error.message, offset) from None
        is_run = command.runs_requests  # Redis before 5 has logged scripts as they were sent
        if not (command.is_write or is_run or "readonly" in command.flags or command.name in ("select", "ping")):
            raise LogError(f"'{as_text(words[0])}' is no command that belongs into a log", offset)
        return commands.entry(command)

    def _run(self, words: list[bytes], offset: int) -> None:
        entry = self._find(words, offset)
        reply = self._server.services.execution.run(self._session, words, entry)
        if not isinstance(reply, CommandError):
            return
        if isinstance(reply, LossError) and reply.lost:
            raise LogError(f"'{entry.name}' cannot be carried out: {reply.lost}", offset)
        if not self.passed_over:
            self.first_offset = offset
            self.first_error = f"'{entry.name}': {reply}"
        self.passed_over += 1


def _cut(folder: Folder, name: str, size: int) -> None:
    """Truncate a file to so many bytes."""
    file = folder.append(name)
    try:
        file.cut(size)
        file.sync()
    finally:
        file.close()
