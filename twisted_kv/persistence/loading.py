"""Finds again what outlasted the last process: a snapshot, or an append-only file.

As in Redis, with `appendonly` the append-only file counts and nothing else; without it the snapshot.  Files are read in
another thread and loaded in slices, so that the reactor lives on; whoever asks meanwhile is told LOADING.

The end of the last log may be torn off: a process or a machine that stopped while it wrote.  That is cut off, and said
in the log of the server.  All other damage stops the start and changes no file.
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
from twisted_kv.store.database import Value
from twisted_kv.vocabulary.errors import ArityError, CommandError, PayloadError, as_text
from twisted_kv.vocabulary.logs import Logger

T = TypeVar("T")

CHUNK: Final = 1024 * 1024
"""Bytes that are read at a time."""

PIECE: Final = 32 * 1024
"""Bytes of a log that are replayed before others have their turn: some 2 ms."""

KEYS_AT_ONCE: Final = 1000
"""Keys of a snapshot that are loaded before others have their turn: some 1.5 ms on CPython 3.11."""

LONGEST_TORN: Final = 64 * CHUNK
"""More bytes than that behind damage are not taken for the torn end of a log."""

REPORT_INTERVAL: Final = 5.0
"""Seconds between two lines in the log while data are loaded."""


@attrs.define
class Progress:
    """How far the loading has come."""

    date: int
    """Seconds since 1970 at which it began."""
    started: int
    """The same on the clock that only goes forward, in milliseconds."""
    total: int = 0
    """Bytes of all files."""
    loaded: int = 0
    expired: int = 0
    """Keys of a snapshot that had gone meanwhile."""


class _Source:
    """A file that is read chunk by chunk, each while the one before it is loaded."""

    def __init__(self, folder: Folder, name: str, worker: Worker) -> None:
        self.folder = folder
        self.name = name
        self._worker = worker
        self._file: File | None = None  # used in the other thread only
        self._next = worker.run(self._read)

    async def read(self) -> bytes:
        """Give the next bytes; none at the end."""
        data = await self._next
        if data:
            self._next = self._worker.run(self._read)
        return data

    def close(self) -> None:
        """Let go of the file, at any time."""
        self._next.addErrback(lambda _: None)
        self._worker.run(self._close).addErrback(lambda _: None)

    def error(self, why: object, offset: int) -> LoadError:
        """Make the error that names the place."""
        return LoadError(f"{self.folder.path}/{self.name}: {why} (at byte {offset})")

    def _read(self) -> bytes:
        if self._file is None:
            self._file = self.folder.open(self.name)
        return self._file.read(CHUNK)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


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
        """Requests of the log that could not be carried out: the next rewrite would drop what they hold."""
        self.progress = Progress(int(self._clock.seconds()), self._reported)

    async def load_snapshot(self) -> None:
        """Load `dbfilename`, if it is there; raises `LoadError`."""
        name = self._settings.dbfilename
        size = await self._do(self._folder, name, lambda: self._folder.size(name))
        if size is None:
            return
        self.progress.total = size
        source = _Source(self._folder, name, self._worker)
        try:
            await self._load_rdb(source, await source.read(), self._keep_unless_expired)
        except OSError as error:
            raise source.error(error.strerror, self.progress.loaded) from None
        finally:
            source.close()
        self._say_loaded(name)

    async def load_log(self) -> Manifest:
        """Load the append-only file, if there is one, and give what it consists of; raises `LoadError`."""
        folder = self._folder.inner(self._settings.appenddirname)
        old = self._settings.appendfilename
        manifest = await self._read_manifest(folder)
        is_old = not manifest.parts and await self._do(self._folder, old, lambda: self._folder.size(old)) is not None
        if is_old:  # of Redis 6 or before: one file, which is to become a base
            folder = self._folder
            manifest = Manifest(Part(old, 1, BASE))
        for database in self._server.databases:
            database.deaf_to_time = True
        try:
            await self._load_parts(folder, manifest)
        finally:
            for database in self._server.databases:
                database.deaf_to_time = False
        if is_old:
            await self._do(self._folder, old, self._move_in)
        if manifest.parts:
            self._say_loaded("the append-only file")
        return manifest

    async def _load_parts(self, folder: Folder, manifest: Manifest) -> None:
        sizes = []
        for part in manifest.parts:
            size = await self._do(folder, part.name, lambda name=part.name: folder.size(name))  # type: ignore[misc]
            if size is None:
                raise LoadError(f"{folder.path}/{part.name}: the manifest names it, and it is not there")
            sizes.append(size)
        self.progress.total = sum(sizes)
        for place, part in enumerate(manifest.parts):
            source = _Source(folder, part.name, self._worker)
            # A base gets its name when all of it is on the disk, unless it is an old log.
            is_last = not any(sizes[place + 1 :]) and (part.kind != BASE or len(sizes) == 1)
            try:
                await self._load_part(source, may_be_torn=is_last)
            except OSError as error:
                raise source.error(error.strerror, 0) from None
            finally:
                source.close()

    async def _read_manifest(self, folder: Folder) -> Manifest:
        """Read which files there are."""
        name = self._settings.appendfilename
        return await self._do(folder, f"{name}.manifest", lambda: read_manifest(folder, name))

    def _move_in(self) -> None:
        """Move an old file to where its manifest will look for it."""
        name = self._settings.appendfilename
        folder = self._folder.inner(self._settings.appenddirname)
        folder.make()
        self._folder.take(name, folder, name)
        folder.sync()
        self._folder.sync()

    # Snapshots

    async def _load_rdb(self, source: _Source, data: bytes, keep: Callable[[int], Keep]) -> bytes:
        """Load a snapshot that begins with some data; gives what was read behind its end."""
        settings = self._settings
        is_deep = settings.sanitize_dump_payload == "yes"
        reader = RdbReader(keep, checked=settings.rdbchecksum, is_deep=is_deep, packing=self._server.packing)
        try:
            while not reader.done:
                if not data:
                    reader.finish()
                reader.feed(data)
                self._advance(len(data))
                while reader.read(KEYS_AT_ONCE) and not reader.done:
                    await self._turn()
                data = b"" if reader.done else await source.read()
        except RdbError as error:
            raise source.error(error, error.offset) from None
        return reader.rest

    def _keep(self, index: int) -> Keep:
        """Give what takes the keys of a database; raises `RdbError` if there is none of that number."""
        if index >= len(self._server.databases):
            raise RdbError(f"database {index}, and there are only {len(self._server.databases)} (setting databases)")
        database = self._server.databases[index]
        usage = database.usage
        if usage is None:
            load = database.load
            return lambda key, value, deadline, use: load(key, value, deadline)
        return lambda key, value, deadline, use: database.load(key, value, deadline, mark_of(usage, use))

    def _keep_unless_expired(self, index: int) -> Keep:
        load = self._keep(index)
        now = self._server.now.read()

        def keep(key: bytes, value: Value, deadline: int | None, use: Use) -> bool:
            if deadline is not None and deadline <= now:
                self.progress.expired += 1
                return True
            return load(key, value, deadline, use)

        return keep

    # Logs

    async def _load_part(self, source: _Source, *, may_be_torn: bool) -> None:
        """Load one file of an append-only file: requests, or a snapshot and requests behind it."""
        data = await source.read()
        offset = 0
        if data.startswith(rdb.MAGIC):
            before = self.progress.loaded
            rest = await self._load_rdb(source, data, self._keep)
            offset = self.progress.loaded - before - len(rest)
            data = rest or await source.read()
        replay = _Replay(self._server)
        reader = LogReader(offset)
        try:
            while data:
                for start in range(0, len(data), PIECE):
                    reader.feed(data[start : start + PIECE])
                    while True:
                        requests, place = reader.take()
                        if not requests:
                            break
                        replay.run(requests, place)
                    await self._turn()
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
        self._tell_passed_over(source, replay)
        if replay.transaction_start is None and not torn:
            return
        end = reader.offset if replay.transaction_start is None else replay.transaction_start
        if torn and not is_torn(torn):
            raise source.error("a request is damaged: whole ones follow in the midst of it", reader.offset)
        if not may_be_torn:
            raise source.error("it ends in the midst of a request, and more was written to the files behind it", end)
        if not self._settings.aof_load_truncated:
            raise source.error("it ends in the midst of a request, and aof-load-truncated is no", end)
        await self._do(source.folder, source.name, lambda: _cut(source.folder, source.name, end))
        self._log.warn(
            "{path}/{name}: the end was torn off while it was written; what was left of the last request is cut off at "
            "byte {end}",
            path=source.folder.path,
            name=source.name,
            end=end,
        )

    def _tell_passed_over(self, source: _Source, replay: _Replay) -> None:
        """Say in one line what of a file could not be carried out."""
        if replay.passed_over:
            self.passed_over += replay.passed_over
            self._log.critical(
                "{path}/{name}: {count} requests could not be carried out and are passed over, the first at byte "
                "{place}: {why}. The log keeps them until BGREWRITEAOF is asked for",
                path=source.folder.path,
                name=source.name,
                count=replay.passed_over,
                place=replay.first_place,
                why=replay.first_error,
            )

    # All of them

    def _do(self, folder: Folder, name: str, work: Callable[[], T]) -> Deferred[T]:
        """Have something done in the other thread; fails with `LoadError`."""

        def fail(failure: Failure) -> T:
            error = failure.value
            if isinstance(error, CancelledError):
                raise error
            why = error.strerror if isinstance(error, OSError) else error
            if isinstance(error, ManifestError):
                why = f"{error} (at byte {error.offset})"
            raise LoadError(f"{folder.path}/{name}: {why}")

        return maybeDeferred(self._worker.run, work).addErrback(fail)

    def _turn(self) -> Deferred[None]:
        """Let others have their turn."""
        turn: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(0, turn.callback, None)
        return turn

    def _advance(self, size: int) -> None:
        """Take note that so many bytes were loaded, and say so now and then."""
        progress = self.progress
        progress.loaded += size
        now = self._server.now.elapsed
        if now - self._reported >= REPORT_INTERVAL * 1000:
            self._reported = now
            percent = 100 * progress.loaded // max(1, progress.total)
            self._log.info("loading: {percent} % of {total} bytes", percent=percent, total=progress.total)

    def _say_loaded(self, what: str) -> None:
        keys = sum(map(len, self._server.databases))
        seconds = (self._server.now.elapsed - self.progress.started) / 1000
        self._log.info("loaded {what}: {keys} keys in {seconds:.3f} seconds", what=what, keys=keys, seconds=seconds)


class _Replay:
    """Does again what a log says was done.

    A request that fails is passed over, as by Redis: what is left may be worth having.  One that holds what is whole
    and cannot be kept raises `LogError`, as it ends a redis-server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.passed_over = 0
        """How many requests failed."""
        self.first_place = 0
        """Where the first of them stands."""
        self.first_error = ""
        """What it is, and why it failed."""
        self._session = Session(server, Lasting.CONNECTION, trusted=True, is_replay=True)
        self._transaction: list[tuple[list[bytes], int]] = []
        self.transaction_start: int | None = None
        """Where the MULTI stands whose EXEC has not come yet."""

    def run(self, requests: list[list[bytes]], offset: int) -> None:
        """Run requests that lie side by side from an offset on; raises `LogError`."""
        for words in requests:
            name = words[0].upper()
            if name == b"MULTI":
                if self.transaction_start is not None:
                    raise LogError(f"the transaction that begins at byte {self.transaction_start} has no end", offset)
                self.transaction_start = offset
            elif name == b"EXEC":
                self.transaction_start = None
                for request, place in self._transaction:
                    self._run(request, place)
                self._transaction.clear()
            elif self.transaction_start is not None:
                self._find(words, offset)  # now: without an EXEC all of it would be taken to be torn off
                self._transaction.append((words, offset))
            else:
                self._run(words, offset)
            offset += request_size(words)

    def _find(self, words: list[bytes], offset: int) -> TableEntry:
        commands = self._server.commands
        try:
            command = commands.find(words)
            if not command.least <= len(words) <= command.most:
                raise ArityError(command.name)
        except CommandError as error:
            raise LogError(error.message, offset) from None
        if not (command.is_write or "readonly" in command.flags or command.name in ("select", "ping")):
            raise LogError(f"'{as_text(words[0])}' is no command that belongs into a log", offset)
        return commands.entry(command)

    def _run(self, words: list[bytes], offset: int) -> None:
        entry = self._find(words, offset)
        reply = self._server.services.execution.request(self._session, words, entry)
        if not isinstance(reply, CommandError):
            return
        if isinstance(reply, PayloadError) and reply.lost:
            raise LogError(f"'{entry.name}' cannot be carried out: {reply.lost}", offset)
        if not self.passed_over:
            self.first_place = offset
            self.first_error = f"'{entry.name}': {reply}"
        self.passed_over += 1


def _cut(folder: Folder, name: str, size: int) -> None:
    """Keep only the beginning of a file."""
    file = folder.append(name)
    try:
        file.cut(size)
        file.sync()
    finally:
        file.close()
