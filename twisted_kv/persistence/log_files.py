"""The files of the append-only file, as the thread that writes them has them.

Everything here runs in that thread alone, one call after the other, and may take its time.  What the reactor's side
(`append_only`) has to know of it comes back as a `LogState` with each outcome; it looks at nothing else here.
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
    """Read the manifest in a folder, an empty one if there is none; raises OSError and `ManifestError`."""
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
    """How the files of a log are."""

    name: str | None = None
    """Of the file that is written to; None while there is none."""
    size: int = 0
    """Bytes of all files."""
    unwritten: int = 0
    """Bytes that could not be written, and are tried again."""
    is_doubtful: bool = False
    """Whether the file that is written to may not hold what was written to it: a `sync` of it has failed."""


class LogFiles:
    """The files of one append-only file, the last of which is written to.

    `outer` is the folder that the folder of the log is in; `seconds` tells the date.  All methods raise OSError.
    """

    def __init__(self, outer: Folder, settings: Settings, seconds: Callable[[], float]) -> None:
        self.folder = outer.inner(settings.appenddirname)
        self._outer = outer
        self._settings = settings
        self._seconds = seconds
        self._manifest = Manifest()
        self._part: Part | None = None
        self._file: File | None = None
        self._size = 0  # bytes of the file that is written to
        self._older_size = 0  # bytes of the files before it
        self._is_doubtful = False
        self._note = b""  # the last that was written: when that was
        self._unwritten = b""  # what could not be written, in front of the next records
        self._must_cut = False  # a part of it was, and is still there

    def state(self) -> LogState:
        """Return how the files are now."""
        name = None if self._file is None or self._part is None else self._part.name
        return LogState(name, self._older_size + self._size, len(self._unwritten), self._is_doubtful)

    def open(self, manifest: Manifest, empty_base: bytes, *, is_rdb: bool) -> list[str]:
        """Go on with the files of a manifest, or begin with an empty base.

        Returns the names of files that no manifest names, as if that was lost: they stay as they are.
        """
        taken: list[str] = []
        self.folder.make()
        self._outer.sync()
        known = manifest
        if not known.parts:
            taken.extend(name for name in self.folder.names() if name.endswith((".rdb", ".aof")))
            base = known.next_base(self._settings.appendfilename, is_rdb=is_rdb, taken=taken)
            self._write_file(base.name, empty_base)
            known = known.begun_anew(base, ())
        if known.increments:
            part = known.increments[-1]
            file = self.folder.append(part.name)
        else:
            part = known.next_increment(self._settings.appendfilename, taken)
            known = known.with_increment(part)
            file = self.folder.create(part.name)  # one that is there was never named, and holds other data
        try:
            self.folder.sync()
            if known != manifest:
                self._write_manifest(known)
            size = self.folder.size(part.name) or 0
            known = self._without_history(known)
            older = self._size_of(known) - size
        except BaseException:
            file.close()
            raise
        self._manifest = known
        self._begin(part, file, size, older)
        return taken

    def put(self, records: list[bytes], *, sync: bool) -> None:
        """Write records at the end of the file, and force them to the disk if asked to.

        What could not be written is kept, and written before the next records; what was written of it is cut off.
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
        """Write records at the end of the file, and go on with a new one; returns that.

        `afresh`: the files that are there hold other data, and the manifest is left as it is until `replace_base`.
        Without `is_logging` there will be no new file.
        """
        if self._file is not None and not self._is_doubtful and not afresh:
            self.put(records, sync=True)
        self.folder.make()
        self._outer.sync()
        known = read_manifest(self.folder, self._settings.appendfilename) if afresh else self._manifest
        if not is_logging:
            self._manifest = known
            return None
        part = known.next_increment(self._settings.appendfilename)
        file = self.folder.create(part.name)
        known = known.with_increment(part)
        try:
            self.folder.sync()
            if not afresh:
                self._write_manifest(known)
        except BaseException:
            file.close()
            raise
        if self._file is not None:
            with suppress(OSError):  # it is not open any more, whatever is said of that
                self._file.close()
        self._manifest = known
        self._begin(part, file, 0, self._older_size + self._size)
        return part

    def replace_base(self, name: str, first: Part | None, *, is_rdb: bool) -> None:
        """Put a file of the outer folder in the place of all before an increment."""
        base = self._manifest.next_base(self._settings.appendfilename, is_rdb=is_rdb)
        self._outer.take(name, self.folder, base.name)
        self.folder.sync()
        increments = self._manifest.increments
        increments = () if first is None else increments[increments.index(first) :]
        known = self._manifest.begun_anew(base, increments)
        size = self._size_of(known)
        self._write_manifest(known)
        with suppress(OSError):  # what cannot be removed now is history, and is removed the next time
            known = self._without_history(known)
        self._manifest = known
        self._older_size = size - self._size

    def let_go(self) -> None:
        """Close the file that is written to, for ever."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _begin(self, part: Part, file: File, size: int, older_size: int) -> None:
        """Write to a file from now on."""
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
        """Put another manifest in the place of the one that is there, all of it or nothing."""
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
        """Remove the files that are not needed any more."""
        if not manifest.history:
            return manifest
        for part in manifest.history:
            self.folder.remove(part.name)
        known = attrs.evolve(manifest, history=())
        self._write_manifest(known)
        return known

    def _size_of(self, manifest: Manifest) -> int:
        return sum(self.folder.size(part.name) or 0 for part in manifest.parts)
