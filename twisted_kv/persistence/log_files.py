"""The files of the append-only file (AOF), as the thread that writes them sees them.

Everything here runs only in that thread, one call at a time, and may block.  Each result carries a `LogState` with what
the reactor's side (`append_only`) must know; that side accesses nothing else here.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import Callable

import attrs

from twisted_kv.persistence.files import File, Folder
from twisted_kv.persistence.log_format import date_note
from twisted_kv.persistence.manifest import Manifest, Part
from twisted_kv.settings.config import Settings


def read_manifest(folder: Folder, file_name: str) -> Manifest:
    """Return the manifest in a folder, or an empty one if there is none; raises OSError and `ManifestError`."""
    name = f"{file_name}.manifest"
    if folder.size(name) is None:
        return Manifest()
    file = folder.open(name)
    try:
        return Manifest.parse(b"".join(iter(lambda: file.read(1 << 16), b"")))
    finally:
        file.close()


@attrs.frozen
class LogState:
    """The state of an AOF's files."""

    name: str | None = None
    """Name of the file that is written to; None while there is none."""
    size: int = 0
    """Size of all files in bytes."""
    unwritten: int = 0
    """Number of bytes that could not be written, and will be retried."""
    is_doubtful: bool = False
    """Whether the file that is written to may lack data that were written to it, because a `sync` of it failed."""


class LogFiles:
    """The files of one append-only file; records are written to the last of them.

    `outer` is the folder that contains the AOF's folder; `seconds` returns the date.  All methods raise OSError.
    """

    def __init__(self, outer: Folder, settings: Settings, seconds: Callable[[], float]) -> None:
        self.folder = outer.inner(settings.appenddirname)
        self._outer = outer
        self._settings = settings
        self._seconds = seconds
        self._manifest = Manifest()
        self._part: Part | None = None
        self._file: File | None = None
        self._size = 0  # size in bytes of the file that is written to
        self._older_size = 0  # size in bytes of the files before it
        self._is_doubtful = False
        self._note = b""  # the timestamp note that was written last
        self._unwritten = b""  # data that could not be written, to go before the next records
        self._must_cut = False  # whether a part of them was written, and is still in the file

    def state(self) -> LogState:
        """Return the current state of the files."""
        name = None if self._file is None or self._part is None else self._part.name
        return LogState(name, self._older_size + self._size, len(self._unwritten), self._is_doubtful)

    def open(self, manifest: Manifest, empty_base: bytes, *, is_rdb: bool) -> list[str]:
        """Continue with the files of a manifest, or begin with an empty base.

        Returns the names of files that no manifest names, perhaps because it was lost: they stay unchanged.
        """
        taken: list[str] = []
        self.folder.make()
        self._outer.sync()
        updated = manifest
        if not updated.parts:
            taken.extend(name for name in self.folder.names() if name.endswith((".rdb", ".aof")))
            base = updated.next_base(self._settings.appendfilename, is_rdb=is_rdb, taken=taken)
            self._write_file(base.name, empty_base)
            updated = updated.begun_anew(base, ())
        if updated.increments:
            part = updated.increments[-1]
            file = self.folder.append(part.name)
        else:
            part = updated.next_increment(self._settings.appendfilename, taken)
            updated = updated.with_increment(part)
            file = self.folder.create(part.name)  # an existing file was never in the manifest, and holds other data
        try:
            self.folder.sync()
            if updated != manifest:
                self._write_manifest(updated)
            size = self.folder.size(part.name) or 0
            updated = self._without_history(updated)
            older = self._total_size(updated) - size
        except BaseException:
            file.close()
            raise
        self._manifest = updated
        self._begin(part, file, size, older)
        return taken

    def put(self, records: list[bytes], *, sync: bool) -> None:
        """Append records to the file, and force them to the disk if `sync` is set.

        Data that could not be written are kept, and written before the next records; a part that was written is cut
        off first.
        """
        file, part = self._file, self._part
        assert file is not None
        assert part is not None
        data = b"".join(records)
        if data and self._settings.aof_timestamp_enabled:
            note = date_note(self._seconds())
            if note != self._note:
                self._note = note
                data = note + data
        self._unwritten += data
        if self._must_cut:
            file.cut(self._size)
            self._must_cut = False
        if self._unwritten:
            self._must_cut = True
            file.write(self._unwritten)
            self._must_cut = False
            self._size += len(self._unwritten)
            self._unwritten = b""
        if sync:
            try:
                file.sync()
                if self.folder.size(part.name) is None:
                    raise FileNotFoundError(errno.ENOENT, "it was removed")
            except OSError:
                self._is_doubtful = True
                raise

    def rotate(self, records: list[bytes], *, afresh: bool, is_logging: bool) -> Part | None:
        """Append records to the file, and continue with a new one; return the new one.

        `afresh`: the existing files hold other data, and the manifest stays unchanged until `replace_base`.
        Without `is_logging` no new file is made.
        """
        if self._file is not None and not self._is_doubtful and not afresh:
            self.put(records, sync=True)
        self.folder.make()
        self._outer.sync()
        updated = read_manifest(self.folder, self._settings.appendfilename) if afresh else self._manifest
        if not is_logging:
            self._manifest = updated
            return None
        part = updated.next_increment(self._settings.appendfilename)
        file = self.folder.create(part.name)
        updated = updated.with_increment(part)
        try:
            self.folder.sync()
            if not afresh:
                self._write_manifest(updated)
        except BaseException:
            file.close()
            raise
        if self._file is not None:
            with suppress(OSError):  # it is closed even if `close` reports an error
                self._file.close()
        self._manifest = updated
        self._begin(part, file, 0, self._older_size + self._size)
        return part

    def replace_base(self, name: str, first: Part | None, *, is_rdb: bool) -> None:
        """Replace all files before an increment by a file of the outer folder."""
        base = self._manifest.next_base(self._settings.appendfilename, is_rdb=is_rdb)
        self._outer.take(name, self.folder, base.name)
        self.folder.sync()
        increments = self._manifest.increments
        increments = () if first is None else increments[increments.index(first) :]
        updated = self._manifest.begun_anew(base, increments)
        size = self._total_size(updated)
        self._write_manifest(updated)
        with suppress(OSError):  # files that cannot be removed now stay in the history, and are removed next time
            updated = self._without_history(updated)
        self._manifest = updated
        self._older_size = size - self._size

    def let_go(self) -> None:
        """Close the file that is written to, for good."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _begin(self, part: Part, file: File, size: int, older_size: int) -> None:
        """Make a file the one that is written to."""
        self._part = part
        self._file = file
        self._size = size
        self._older_size = older_size
        self._is_doubtful = False
        self._unwritten = b""
        self._must_cut = False

    def _write_file(self, name: str, data: bytes) -> None:
        file = self.folder.create(name)
        try:
            file.write(data)
            file.sync()
        finally:
            file.close()

    def _write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest atomically."""
        name = f"{self._settings.appendfilename}.manifest"
        try:
            self._write_file(f"temp-{name}", manifest.format())
            self.folder.replace(f"temp-{name}", name)
        except OSError:
            with suppress(OSError):
                self.folder.remove(f"temp-{name}")
            raise
        self.folder.sync()

    def _without_history(self, manifest: Manifest) -> Manifest:
        """Remove the files that are no longer needed; return the manifest without them."""
        if not manifest.history:
            return manifest
        for part in manifest.history:
            self.folder.remove(part.name)
        updated = attrs.evolve(manifest, history=())
        self._write_manifest(updated)
        return updated

    def _total_size(self, manifest: Manifest) -> int:
        return sum(self.folder.size(part.name) or 0 for part in manifest.parts)
