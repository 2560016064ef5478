"""Writes a snapshot to a file: the reactor's thread encodes it in slices, and another thread writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_kv.persistence.files import File, Folder, Worker
from twisted_kv.persistence.snapshot import Snapshot, Writer
from twisted_kv.rdb.checksum import crc64
from twisted_kv.vocabulary.clock import Now

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

SLICE: Final = 8 * 1024
"""Bytes that are encoded before requests are served again: some 0.1 ms on CPython 3.11, for keys of 64 bytes."""

BLOCK: Final = 256 * 1024
"""Bytes that are passed to the other thread at a time."""

AHEAD: Final = 4 * BLOCK
"""Bytes that may wait to be written; beyond that, encoding pauses until the disk has caught up."""


class Saving:
    """Writes a snapshot into a file of a folder, and forces it to the disk.

    `finished` fires with the file's size, or fails with the OSError that prevented it.  On failure, or when `finished`
    is cancelled, the file is removed.
    """

    def __init__(self, snapshot: Snapshot, writer: Writer, folder: Folder, name: str, worker: Worker, now: Now) -> None:
        self.snapshot = snapshot
        self.started = now.elapsed
        self.finished: Deferred[int] = Deferred(lambda _: self._end())
        self._writer = writer
        self._folder = folder
        self._name = name
        self._worker = worker
        self._clock = now.clock
        self._file: File | None = None  # used only in the other thread, like the next two attributes
        self._crc = 0
        self._written = 0
        self._encoded: list[bytes] = []
        self._encoded_bytes = 0
        self._waiting = 0  # bytes that were passed to the other thread and are not written yet
        self._call: IDelayedCall | None = None
        self._is_encoded = False
        self._is_over = False

    def start(self) -> None:
        """Create the file, and begin to encode."""
        self._queue(self._create, 0)
        if self._call is None and not self._is_over:
            self._encode_slice()

    @property
    def buffered(self) -> int:
        """Bytes that were encoded and are not written yet."""
        return self._encoded_bytes + self._waiting

    def fail(self, failure: Failure) -> None:
        """Stop, and make `finished` fail, unless it is over already."""
        if not self._is_over:
            self._end()
            self.finished.errback(failure)

    def discard(self) -> None:
        """Remove the file, after all work queued before, unless it was renamed."""
        self._worker.run(self._remove).addErrback(lambda _: None)  # the next snapshot replaces a file that is left

    def _encode_slice(self) -> None:
        """Encode a slice, and pass a full block to the other thread."""
        self._call = None
        try:
            data = self.snapshot.step(SLICE)
        except Exception:  # a bug: the snapshot has failed, and the next may begin
            self.fail(Failure())
            return
        if data is not None:
            self._encoded.append(data)
            self._encoded_bytes += len(data)
            if self._encoded_bytes >= BLOCK:
                self._flush()
            self._schedule_slice()
            return
        self._is_encoded = True
        self._flush()
        self.snapshot.close()
        self._queue(self._finish, 0).addCallback(self._done)

    def _schedule_slice(self) -> None:
        if self._call is None and not self._is_over and not self._is_encoded and self._waiting < AHEAD:
            self._call = self._clock.callLater(0, self._encode_slice)

    def _flush(self) -> None:
        encoded, self._encoded = self._encoded, []
        size, self._encoded_bytes = self._encoded_bytes, 0
        self._queue(lambda: self._write(encoded), size)

    def _queue(self, work: Callable[[], None], size: int) -> Deferred[None]:
        """Queue a call for the other thread; `size` is the number of bytes that it writes."""
        self._waiting += size

        def done(result: None) -> None:
            self._waiting -= size
            self._schedule_slice()

        queued = self._worker.run(lambda: None if self._is_over else work())
        queued.addCallbacks(done, self.fail)
        return queued

    def _done(self, result: None) -> None:
        if not self._is_over:
            self._is_over = True
            self.finished.callback(self._written)

    def _end(self) -> None:
        """Stop immediately, and remove the file."""
        self._is_over = True
        self.snapshot.close()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.discard()

    # In the other thread

    def _create(self) -> None:
        self._folder.remove(self._name)  # after a power loss, it may name a file that was moved: do not truncate that
        self._file = self._folder.create(self._name)

    def _write(self, parts: list[bytes]) -> None:
        assert self._file is not None
        for part in parts:
            for start in range(0, len(part), BLOCK):  # so that the reactor's thread can run in between
                self._crc = crc64(part[start : start + BLOCK], self._crc)
            self._written += len(part)
            self._file.write(part)

    def _finish(self) -> None:
        assert self._file is not None
        end = self._writer.end(self._crc)
        self._written += len(end)
        self._file.write(end)
        self._file.sync()
        file, self._file = self._file, None
        file.close()

    def _remove(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
        self._folder.remove(self._name)
