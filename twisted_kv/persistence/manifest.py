"""The manifest of an append-only file (AOF): which files it consists of, and in what order they are read.

The format is that of Redis 7, one line per file: `file appendonly.aof.1.base.rdb seq 1 type b`.  A base (`b`) holds the
data at one moment, increments (`i`) hold what was written since, and history (`h`) files may be removed.
"""

from __future__ import annotations

from typing import Container, Final, Iterator

import attrs

from twisted_kv.persistence.errors import ManifestError
from twisted_kv.vocabulary.errors import as_text
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.wire.words import split_words

LONGEST_LINE: Final = 1024
BASE: Final = "b"
INCREMENT: Final = "i"
HISTORY: Final = "h"


@attrs.frozen
class Part:
    """One file of an append-only file."""

    name: str
    number: int
    kind: str


@attrs.frozen
class Manifest:
    """The files of an append-only file."""

    base: Part | None = None
    increments: tuple[Part, ...] = ()
    history: tuple[Part, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Parse a manifest; raises `ManifestError`."""
        manifest = cls()
        offset = 0
        if not data:
            raise ManifestError("the manifest is empty")
        for line in data.split(b"\n")[:-1]:
            try:
                if not line.startswith(b"#"):
                    manifest = manifest._with_part(_read_part(line))
            except ValueError as error:
                raise ManifestError(str(error), offset) from None
            offset += len(line) + 1
        if offset != len(data):
            raise ManifestError("the last line of the manifest is not whole", offset)
        return manifest

    def format(self) -> bytes:
        """Encode the manifest."""
        return b"".join(map(_write_part, self._all_parts()))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The files to read, in order."""
        return (*((self.base,) if self.base is not None else ()), *self.increments)

    def next_increment(self, file_name: str, taken: Container[str] = ()) -> Part:
        """Return the next increment, whose name is not among those taken."""
        return self._name(self.increments[-1] if self.increments else None, file_name, "incr.aof", INCREMENT, taken)

    def next_base(self, file_name: str, *, is_rdb: bool, taken: Container[str] = ()) -> Part:
        """Return the next base, whose name is not among those taken."""
        return self._name(self.base, file_name, f"base.{'rdb' if is_rdb else 'aof'}", BASE, taken)

    def with_increment(self, part: Part) -> Manifest:
        """Return the manifest with another increment."""
        return attrs.evolve(self, increments=(*self.increments, part))

    def begun_anew(self, base: Part, increments: tuple[Part, ...]) -> Manifest:
        """Return a manifest whose new base replaces the old one and all increments but the given ones."""
        replaced = [part for part in self.parts if part not in increments]
        history = (*self.history, *(attrs.evolve(part, kind=HISTORY) for part in replaced))
        return Manifest(base, increments, history)

    def _name(self, last: Part | None, file_name: str, suffix: str, kind: str, taken: Container[str]) -> Part:
        """Return a new file, whose name is neither taken nor in the history."""
        history = {part.name for part in self.history}
        number = 1 if last is None else last.number + 1
        while (name := f"{file_name}.{number}.{suffix}") in history or name in taken:
            number += 1
        return Part(name, number, kind)

    def _with_part(self, part: Part) -> Manifest:
        if part.kind == BASE:
            if self.base is not None:
                raise ValueError("a second base")
            return attrs.evolve(self, base=part)
        if part.kind == HISTORY:
            return attrs.evolve(self, history=(*self.history, part))
        if self.increments and part.number <= self.increments[-1].number:
            raise ValueError("an increment whose number is not greater than the one before it")
        return self.with_increment(part)

    def _all_parts(self) -> Iterator[Part]:
        if self.base is not None:
            yield self.base
        yield from self.history
        yield from self.increments


def _read_part(line: bytes) -> Part:
    """Parse one line: alternating names and values, of which three are known."""
    if len(line) >= LONGEST_LINE:
        raise ValueError("a line that is too long")
    words = [as_text(word) for word in split_words(line.rstrip(b"\r"))]
    values = {name.lower(): value for name, value in zip(words[::2], words[1::2])}
    name, kind = values.get("file", ""), values.get("type", "")
    number = parse_integer(values.get("seq", "").encode("utf-8", "surrogateescape"))
    if len(words) % 2 or not name or not number or number < 0:
        raise ValueError("a line without a file, its number and its type")
    if kind not in (BASE, INCREMENT, HISTORY):
        raise ValueError(f"'{kind}' where a type should be")
    if "/" in name or name in (".", ".."):
        raise ValueError("the name of a file with a path")
    return Part(name, number, kind)


def _write_part(part: Part) -> bytes:
    name = part.name.encode("utf-8", "surrogateescape")
    if not name.isascii() or not name.decode().isprintable() or set(name) & set(b" \"'\\"):
        name = b'"%b"' % b"".join(_escaped(byte) for byte in name)
    return b"file %b seq %d type %b\n" % (name, part.number, part.kind.encode())


def _escaped(byte: int) -> bytes:
    if byte in b'"\\':
        return b"\\%c" % byte
    return b"%c" % byte if 32 <= byte < 127 else b"\\x%02x" % byte
