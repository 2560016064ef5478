"""A long string that is changed in place: a sequence of chunks, of which a change copies at most one."""

from __future__ import annotations

from typing import Final, Iterable, Sequence, Union

from twisted_kv.values.sizes import SLOT, TABLE

CHUNK: Final = 32 * 1024
"""Bytes of each chunk except the last."""

LONG: Final = 64 * 1024
"""A string of more bytes is kept as chunks once it is changed in place."""

_RELEASED_AT_ONCE: Final = 64
_ZEROS: Final = bytes(CHUNK)

Chunk = Union[bytes, bytearray, memoryview]
"""A chunk that can be written to in place is a bytearray; the others are replaced by one when they change."""


class LongString:
    """A string of which parts can be read and written.

    `memory` estimates its bytes; `counted` is the part of them that its database has counted.  Zeros that were never
    written take next to no memory.
    """

    __slots__ = ("_chunks", "_frozen", "_length", "counted", "memory")

    def __init__(self, data: bytes = b"") -> None:
        view = memoryview(data)  # the chunks share the memory of the data until they change
        self._chunks: list[Chunk] = [view[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
        self._length = len(data)
        self._frozen: set[int] | None = None  # id() of chunks that must not change; whoever froze them keeps them alive
        self.memory = TABLE + self._length
        self.counted = 0

    @classmethod
    def of(cls, chunks: Iterable[bytes | None], length: int) -> LongString:
        """Make a string from chunks, None for one of unwritten zeros; all but the last have `CHUNK` bytes."""
        string = cls()
        string._chunks = [_ZEROS if chunk is None else chunk for chunk in chunks]
        string._length = length
        if length % CHUNK and string._chunks[-1] is _ZEROS:
            string._chunks[-1] = bytes(length % CHUNK)
        string.memory += sum([SLOT if chunk is _ZEROS else SLOT + len(chunk) for chunk in string._chunks])
        return string

    def __len__(self) -> int:
        return self._length

    def joined(self) -> bytes:
        """Return all bytes, in one copy."""
        return b"".join(self._chunks)

    def slice(self, start: int, stop: int) -> bytes:
        """Return the bytes of a half-open range of offsets; both are from 0 to the length."""
        if stop <= start:
            return b""
        first, last = start // CHUNK, (stop - 1) // CHUNK
        if first == last:
            return bytes(self._chunks[first][start - first * CHUNK : stop - first * CHUNK])
        parts = self._chunks[first : last + 1]
        parts[0] = memoryview(parts[0])[start - first * CHUNK :]
        parts[-1] = memoryview(parts[-1])[: stop - last * CHUNK]
        return b"".join(parts)

    def zeros(self, offset: int) -> int:
        """Return how many unwritten zeros there are from an offset on; 0 if that byte may be another."""
        index = first = offset // CHUNK
        while index < len(self._chunks) and self._chunks[index] is _ZEROS:
            index += 1
        return index * CHUNK - offset if index > first else 0

    def is_unwritten(self, start: int, stop: int) -> bool:
        """Check whether the chunks of a half-open range of offsets were never written to."""
        return all(chunk is _ZEROS for chunk in self._chunks[start // CHUNK : (stop + CHUNK - 1) // CHUNK])

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes over others or after the end; the gap in between becomes zeros."""
        if offset > self._length:
            self._pad(offset)
        written = 0
        while written < len(data):
            index, within = divmod(offset + written, CHUNK)
            chunk = self._own(index)
            size = min(CHUNK - within, len(data) - written)
            chunk[within : within + size] = data[written : written + size]
            written += size
        end = offset + len(data)
        if end > self._length:
            self.memory += end - self._length
            self._length = end

    def copy(self) -> LongString:
        """Return an independent string with the same bytes: read-only chunks are shared, unwritten zeros stay so."""
        duplicate = LongString()
        duplicate._chunks = [bytearray(chunk) if isinstance(chunk, bytearray) else chunk for chunk in self._chunks]
        duplicate._length, duplicate.memory = self._length, self.memory
        return duplicate

    def pieces(self) -> Sequence[Chunk]:
        """Return the chunks, which the caller must not change; they are valid until the string changes."""
        return self._chunks

    def freeze(self) -> list[Chunk]:
        """Return the chunks as they are now.  Until `thaw`, later changes are made in copies of them."""
        self._frozen = {id(chunk) for chunk in self._chunks}
        return self._chunks.copy()

    def thaw(self) -> None:
        """Allow the frozen chunks to change in place again."""
        self._frozen = None

    def release(self) -> list[object] | None:
        """Remove and return a small part of a string that is no longer used, or None when nothing is left."""
        if not self._chunks:
            return None
        removed = self._chunks[-_RELEASED_AT_ONCE:]
        del self._chunks[-_RELEASED_AT_ONCE:]
        return list(removed)

    # Private helpers

    def _pad(self, length: int) -> None:
        """Extend the string to a length with zeros."""
        if self._chunks and len(self._chunks[-1]) < CHUNK:
            last = len(self._chunks) - 1
            end = min(length, (last + 1) * CHUNK)
            chunk = self._own(last)
            self.memory += end - self._length
            chunk.extend(bytes(end - self._length))
            self._length = end
        while self._length < length:
            size = min(CHUNK, length - self._length)
            self._chunks.append(_ZEROS if size == CHUNK else bytearray(size))
            self._length += size
            self.memory += SLOT if size == CHUNK else SLOT + size

    def _own(self, index: int) -> bytearray:
        """Return the chunk at an index as a writable one: a new one after the end, a copy if needed."""
        if index == len(self._chunks):
            chunk = bytearray()
            self._chunks.append(chunk)
            return chunk
        current = self._chunks[index]
        if isinstance(current, bytearray) and (self._frozen is None or id(current) not in self._frozen):
            return current
        if current is _ZEROS:
            self.memory += CHUNK
        chunk = bytearray(current)
        self._chunks[index] = chunk
        return chunk


def string_bytes(value: object) -> bytes | None:
    """Return the bytes of a string, in whatever form it is kept; None for any other value."""
    if isinstance(value, LongString):
        return value.joined()
    return bytes(value) if isinstance(value, bytes) else None
