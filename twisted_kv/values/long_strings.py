"""A long string that is changed in place: a row of chunks, of which a change copies one at the most."""

from __future__ import annotations

from typing import Final, Iterable, Sequence, Union

from twisted_kv.values.sizes import SLOT, TABLE

CHUNK: Final = 32 * 1024
"""Bytes of each chunk but the last."""

LONG: Final = 64 * 1024
"""A string of more bytes is kept as a row of chunks once it is changed in place."""

_RELEASED_AT_ONCE: Final = 64
_ZEROS: Final = bytes(CHUNK)

Chunk = Union[bytes, bytearray, memoryview]
"""What can be written to in place is a bytearray; the others are replaced by one when they change."""


class LongString:
    """Bytes of which parts can be read and written.

    `memory` estimates what they take; `counted` is what its database has counted of them.  Zeros that nobody wrote
    take next to nothing.
    """

    __slots__ = ("_chunks", "_frozen", "_length", "counted", "memory")

    def __init__(self, data: bytes = b"") -> None:
        view = memoryview(data)  # the chunks share the memory of the data until they change
        self._chunks: list[Chunk] = [view[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
        self._length = len(data)
        self._frozen: set[int] | None = None  # chunks that must not change, by id(); whoever froze them holds them
        self.memory = TABLE + self._length
        self.counted = 0

    @classmethod
    def of(cls, chunks: Iterable[bytes | None], length: int) -> LongString:
        """Make a string of its chunks, None for one of zeros that nobody wrote; all but the last have `CHUNK` bytes."""
        own = cls()
        own._chunks = [_ZEROS if chunk is None else chunk for chunk in chunks]
        own._length = length
        if length % CHUNK and own._chunks[-1] is _ZEROS:
            own._chunks[-1] = bytes(length % CHUNK)
        own.memory += sum([SLOT if chunk is _ZEROS else SLOT + len(chunk) for chunk in own._chunks])
        return own

    def __len__(self) -> int:
        return self._length

    def joined(self) -> bytes:
        """Give all bytes, in one copy."""
        return b"".join(self._chunks)

    def slice(self, start: int, stop: int) -> bytes:
        """Give the bytes from a place up to before another; both from 0 to the length."""
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
        """Return how many zeros that nobody wrote follow from an offset on; 0 if that byte may be another."""
        at = first = offset // CHUNK
        while at < len(self._chunks) and self._chunks[at] is _ZEROS:
            at += 1
        return at * CHUNK - offset if at > first else 0

    def is_unwritten(self, start: int, stop: int) -> bool:
        """Whether nobody wrote to the chunks from an offset up to before another."""
        return all(chunk is _ZEROS for chunk in self._chunks[start // CHUNK : (stop + CHUNK - 1) // CHUNK])

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes where others are, or behind the end; what lies between is zeros."""
        if offset > self._length:
            self._pad(offset)
        at = 0
        while at < len(data):
            place, within = divmod(offset + at, CHUNK)
            chunk = self._own(place)
            size = min(CHUNK - within, len(data) - at)
            chunk[within : within + size] = data[at : at + size]
            at += size
        end = offset + len(data)
        if end > self._length:
            self.memory += end - self._length
            self._length = end

    def copy(self) -> LongString:
        """Give a string of its own with the same bytes: what cannot be written to is shared, zeros stay none."""
        own = LongString()
        own._chunks = [bytearray(chunk) if isinstance(chunk, bytearray) else chunk for chunk in self._chunks]
        own._length, own.memory = self._length, self.memory
        return own

    def pieces(self) -> Sequence[Chunk]:
        """Give the chunks, which must not be changed, for as long as nothing else is."""
        return self._chunks

    def freeze(self) -> list[Chunk]:
        """Give the chunks as they are now.  What is changed later is changed in a copy, until `thaw`."""
        self._frozen = {id(chunk) for chunk in self._chunks}
        return self._chunks.copy()

    def thaw(self) -> None:
        """Let the chunks that were given change again."""
        self._frozen = None

    def release(self) -> list[object] | None:
        """Take a small part out of a string that nobody uses any more; None when nothing is left."""
        if not self._chunks:
            return None
        gone = self._chunks[-_RELEASED_AT_ONCE:]
        del self._chunks[-_RELEASED_AT_ONCE:]
        return list(gone)

    # The rest is our own

    def _pad(self, length: int) -> None:
        """Let the string grow to a length with zeros."""
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

    def _own(self, place: int) -> bytearray:
        """Give the chunk at a place as one that can be written to: a new one behind the end, a copy if need be."""
        if place == len(self._chunks):
            chunk = bytearray()
            self._chunks.append(chunk)
            return chunk
        known = self._chunks[place]
        if isinstance(known, bytearray) and (self._frozen is None or id(known) not in self._frozen):
            return known
        if known is _ZEROS:
            self.memory += CHUNK
        chunk = bytearray(known)
        self._chunks[place] = chunk
        return chunk


def string_bytes(value: object) -> bytes | None:
    """Return the bytes of a string, in whatever form it is kept; None for any other value."""
    if isinstance(value, LongString):
        return value.joined()
    return bytes(value) if isinstance(value, bytes) else None
