"""A snapshot on its way into a file: made in slices in the reactor's thread, written in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Final

from twisted.internet.defer import Deferred

from twisted_kv.persistence.files import File, Folder, Worker
from twisted_kv.persistence.snapshot import Snapshot, Writer
from twisted_kv.rdb.checksum import crc64
from twisted_kv.vocabulary.clock import Now

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

SLICE: Final = 8 * 1024
"""Bytes that are made before requests are served again: some 0.1 ms on CPython 3.11, for keys of 64 bytes."""

BLOCK: Final = 256 * 1024
"""Bytes that are handed to the other thread at a time."""

AHEAD: Final = 4 * BLOCK
"""Bytes that may wait to be written; then no more are made until the disk has caught up."""


class Saving:
    """Writes a snapshot into a file of a folder, and forces it to the disk.

    `finished` gives its size, or fails with the OSError that prevented it; then, or when it is cancelled, the file is
    removed.
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
        self._file: File | None = None  # used in the other thread only, as the two that follow
        self._crc = 0
        self._written = 0
        self._made: list[bytes] = []
        self._made_bytes = 0
        self._waiting = 0  # bytes that were handed over and are not written yet
        self._call: IDelayedCall | None = None
        self._is_made = False
        self._is_over = False

    def start(self) -> None:
        """Begin."""
        self._hand_over(self._create, 0)
        if self._call is None and not self._is_over:
            self._go_on()

    @property
    def buffered(self) -> int:
        """Bytes that were made and are not written yet."""
        return self._made_bytes + self._waiting

    def fail(self, failure: Failure) -> None:
        """Stop, and let `finished` fail, unless it is over already."""
        if not self._is_over:
            self._end()
            self.finished.errback(failure)

    def discard(self) -> None:
        """Remove the file, in its turn, if nobody has given it another name."""
        self._worker.run(self._remove).addErrback(lambda _: None)  # what is left will be replaced by the next

    def _go_on(self) -> None:
        """Make a slice, and hand over what has become a block."""
        self._call = None
        data = self.snapshot.step(SLICE)
        if data is not None:
            self._made.append(data)
            self._made_bytes += len(data)
            if self._made_bytes >= BLOCK:
                self._flush()
            self._come_again()
            return
        self._is_made = True
        self._flush()
        self.snapshot.close()
        self._hand_over(self._finish, 0).addCallback(self._done)

    def _come_again(self) -> None:
        if self._call is None and not self._is_over and not self._is_made and self._waiting < AHEAD:
            self._call = self._clock.callLater(0, self._go_on)

    def _flush(self) -> None:
        made, self._made = self._made, []
        size, self._made_bytes = self._made_bytes, 0
        self._hand_over(lambda: self._write(made), size)

    def _hand_over(self, work: Callable[[], None], size: int) -> Deferred[None]:
        """Have something done in the other thread, in its turn."""
        self._waiting += size

        def done(result: None) -> None:
            self._waiting -= size
            self._come_again()

        handed = self._worker.run(lambda: None if self._is_over else work())
        handed.addCallbacks(done, self.fail)
        return handed

    def _done(self, result: None) -> None:
        if not self._is_over:
            self._is_over = True
            self.finished.callback(self._written)

    def _end(self) -> None:
        """Stop at once, and leave nothing behind."""
        self._is_over = True
        self.snapshot.close()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.discard()

    # In the other thread

    def _create(self) -> None:
        self._folder.remove(self._name)  # it may name what was moved from here when the power went: that stays as it is
        self._file = self._folder.create(self._name)

    def _write(self, parts: list[bytes]) -> None:
        assert self._file is not None
        for part in parts:
            for start in range(0, len(part), BLOCK):  # the other thread has its turn in between
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
