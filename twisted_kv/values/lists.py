"""The list: a sequence of chunks, so that both ends are quick to reach and a change moves only nearby elements.

A chunk holds up to `CHUNK` elements.  An insertion or removal moves the elements of one chunk, and finding an element
by its index sums up the lengths of the chunks, from the nearer end.
"""

from __future__ import annotations

from typing import Final, Iterable, Iterator, Sequence

from twisted_kv.values.sizes import SLOT, TABLE, bytes_size

CHUNK: Final = 512
"""Elements a chunk may hold: moving all of them takes some 0.1 us."""
_STRIDE: Final = 32
"""Chunks that are skipped at once when searching for an index: a third of the time of a walk chunk by chunk."""


class List:
    """A sequence of byte strings.

    `memory` estimates its bytes; `counted` is the part of them that its database has counted.  A frozen list shows a
    snapshot what it held when it was frozen, and can still change.
    """

    __slots__ = ("_chunks", "_frozen", "_length", "counted", "memory")

    def __init__(self, elements: Iterable[bytes] = ()) -> None:
        self._chunks: list[list[bytes]] = []
        self._length = 0
        self._frozen: set[int] | None = None  # id() of chunks that must not change; whoever froze them keeps them alive
        self.memory = TABLE
        self.counted = 0
        self.extend(elements)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            yield from chunk

    def __reversed__(self) -> Iterator[bytes]:
        for chunk in reversed(self._chunks):
            yield from reversed(chunk)

    # Ends

    def append(self, element: bytes) -> None:
        """Add an element at the tail."""
        chunks = self._chunks
        if not chunks or len(chunks[-1]) >= CHUNK:
            chunks.append([element])
        else:
            chunk = chunks[-1] if self._frozen is None else self._own(len(chunks) - 1)
            chunk.append(element)
        self._length += 1
        self.memory += SLOT + bytes_size(element)

    def append_left(self, element: bytes) -> None:
        """Add an element at the head."""
        chunks = self._chunks
        if not chunks or len(chunks[0]) >= CHUNK:
            chunks.insert(0, [element])
        else:
            chunk = chunks[0] if self._frozen is None else self._own(0)
            chunk.insert(0, element)
        self._length += 1
        self.memory += SLOT + bytes_size(element)

    def extend(self, elements: Iterable[bytes]) -> None:
        """Add elements at the tail, one by one."""
        for element in elements:
            self.append(element)

    def pop(self) -> bytes:
        """Remove and return the element at the tail; the list must not be empty."""
        chunk = self._chunks[-1] if self._frozen is None else self._own(len(self._chunks) - 1)
        element = chunk.pop()
        if not chunk:
            del self._chunks[-1]
        self._length -= 1
        self.memory -= SLOT + bytes_size(element)
        return element

    def pop_left(self) -> bytes:
        """Remove and return the element at the head; the list must not be empty."""
        chunk = self._chunks[0] if self._frozen is None else self._own(0)
        element = chunk.pop(0)
        if not chunk:
            del self._chunks[0]
        self._length -= 1
        self.memory -= SLOT + bytes_size(element)
        return element

    # Access by index; all indexes are from 0 to the length

    def get(self, place: int) -> bytes:
        """Return the element at an index."""
        chunk_index, element_index = self._find(place)
        return self._chunks[chunk_index][element_index]

    def replace(self, place: int, element: bytes) -> None:
        """Replace the element at an index."""
        chunk_index, element_index = self._find(place)
        chunk = self._own(chunk_index)
        self.memory += bytes_size(element) - bytes_size(chunk[element_index])
        chunk[element_index] = element

    def insert(self, place: int, element: bytes) -> None:
        """Insert an element before the one at an index."""
        chunk_index, element_index = self._find(place)
        chunk = self._own(chunk_index)
        chunk.insert(element_index, element)
        if len(chunk) > CHUNK:
            half = len(chunk) // 2
            self._chunks[chunk_index : chunk_index + 1] = [chunk[:half], chunk[half:]]
        self._length += 1
        self.memory += SLOT + bytes_size(element)

    def slice(self, start: int, stop: int) -> list[bytes]:
        """Return the elements of a half-open index range."""
        count = stop - start
        if count <= 0:
            return []
        chunk_index, element_index = self._find(start)
        found = self._chunks[chunk_index][element_index : element_index + count]
        while len(found) < count:
            chunk_index += 1
            found += self._chunks[chunk_index][: count - len(found)]
        return found

    def keep(self, start: int, stop: int) -> int:
        """Remove all elements outside a half-open index range; returns how many were removed."""
        removed = self._length - max(0, stop - start)
        if stop <= start:
            self._chunks = []
            self._length = 0
            self.memory = TABLE
            return removed
        after = self._length - stop
        counted = removed < self._length // 2  # subtract what is removed, or sum up what is kept: the smaller part
        self._cut(start, left=True, counted=counted)
        self._cut(after, left=False, counted=counted)
        if not counted:
            self.memory = TABLE + sum([SLOT + bytes_size(element) for chunk in self._chunks for element in chunk])
        return removed

    def remove(self, element: bytes, count: int) -> int:
        """Remove up to `count` elements equal to a given one, from the tail if it is negative; all if it is 0.

        Returns how many were removed.
        """
        limit = abs(count) or self._length
        removed = 0
        from_tail = count < 0
        chunk_index = len(self._chunks) - 1 if from_tail else 0
        while 0 <= chunk_index < len(self._chunks) and removed < limit:
            found = self._chunks[chunk_index].count(element)
            is_dropped = False
            if found:
                chunk = self._own(chunk_index)
                found = min(found, limit - removed)
                _remove_some(chunk, element, found, from_tail=from_tail)
                removed += found
                if not chunk:
                    del self._chunks[chunk_index]
                    is_dropped = True
            if from_tail:
                chunk_index -= 1
            elif not is_dropped:
                chunk_index += 1
        self._length -= removed
        self.memory -= removed * (SLOT + bytes_size(element))
        return removed

    def index(self, element: bytes) -> int | None:
        """Return the index of the first element equal to a given one, or None."""
        before = 0
        for chunk in self._chunks:
            if element in chunk:
                return before + chunk.index(element)
            before += len(chunk)
        return None

    def copy(self) -> List:
        """Return an independent list with the same elements."""
        duplicate = List()
        duplicate._chunks = [chunk.copy() for chunk in self._chunks]
        duplicate._length = self._length
        duplicate.memory = self.memory
        return duplicate

    # Snapshots and release

    def pieces(self) -> Sequence[list[bytes]]:
        """Return the chunks, which the caller must not change; they are valid until the list changes."""
        return self._chunks

    def freeze(self) -> list[list[bytes]]:
        """Return the chunks as they are now.  Until `thaw`, later changes are made in copies of them."""
        self._frozen = {id(chunk) for chunk in self._chunks}
        return self._chunks.copy()

    def thaw(self) -> None:
        """Allow the frozen chunks to change in place again."""
        self._frozen = None

    def release(self) -> list[bytes] | None:
        """Remove and return a small part of a list that is no longer used, or None when nothing is left."""
        return self._chunks.pop() if self._chunks else None

    # Private helpers

    def _find(self, index: int) -> tuple[int, int]:
        """Return the index of the chunk that holds an element, and the index of the element in it."""
        chunks = self._chunks
        if index <= self._length // 2:
            chunk_index = 0
            while index >= (skipped := sum(map(len, chunks[chunk_index : chunk_index + _STRIDE]))):
                index -= skipped
                chunk_index += _STRIDE
            while index >= len(chunks[chunk_index]):
                index -= len(chunks[chunk_index])
                chunk_index += 1
            return chunk_index, index
        remaining = self._length - index
        chunk_index = len(chunks)
        while remaining > (skipped := sum(map(len, chunks[max(0, chunk_index - _STRIDE) : chunk_index]))):
            remaining -= skipped
            chunk_index -= _STRIDE
        while remaining > 0:
            chunk_index -= 1
            remaining -= len(chunks[chunk_index])
        return chunk_index, -remaining

    def _own(self, chunk_index: int) -> list[bytes]:
        """Return a chunk that may be changed: replaced by a copy first if it is frozen."""
        chunk = self._chunks[chunk_index]
        if self._frozen is not None and id(chunk) in self._frozen:
            chunk = self._chunks[chunk_index] = chunk.copy()
        return chunk

    def _cut(self, count: int, *, left: bool, counted: bool) -> None:
        """Remove `count` elements from one end, and subtract them from the memory if `counted`."""
        while count:
            chunk_index = 0 if left else len(self._chunks) - 1
            chunk = self._chunks[chunk_index]
            if len(chunk) <= count:
                removed = chunk
                del self._chunks[chunk_index]
            else:
                chunk = self._own(chunk_index)
                removed = chunk[:count] if left else chunk[-count:]
                if left:
                    del chunk[:count]
                else:
                    del chunk[-count:]
            count -= len(removed)
            self._length -= len(removed)
            if counted:
                self.memory -= sum([SLOT + bytes_size(element) for element in removed])


def _remove_some(chunk: list[bytes], element: bytes, count: int, *, from_tail: bool) -> None:
    """Remove `count` elements equal to a given one from a chunk, which has at least as many."""
    indexes = [index for index, each in enumerate(chunk) if each == element]
    indexes = indexes[-count:] if from_tail else indexes[:count]
    if len(indexes) == 1:
        del chunk[indexes[0]]
        return
    removed = set(indexes)
    chunk[:] = [each for index, each in enumerate(chunk) if index not in removed]
