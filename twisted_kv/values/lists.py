"""The list: a row of chunks, so that both ends are near, and nothing has to move that is far off.

A chunk holds up to `CHUNK` elements.  Whatever is inserted or removed moves the elements of one chunk, and finding a
place by its number looks at the lengths of the chunks, from the end that is nearer.
"""

from __future__ import annotations

from typing import Final, Iterable, Iterator, Sequence

from twisted_kv.values.sizes import SLOT, TABLE, bytes_size

CHUNK: Final = 512
"""Elements a chunk may hold: to move all of them takes some 0.1 us."""
_STRIDE: Final = 32
"""Chunks that are passed over at once on the way to a place: a third of the time of a walk from one to the next."""


class List:
    """Byte strings in a row.

    `memory` estimates its bytes; `counted` is what its database has counted of them.  A list that is frozen shows a
    snapshot what it held then, and goes on changing.
    """

    __slots__ = ("_chunks", "_frozen", "_length", "counted", "memory")

    def __init__(self, elements: Iterable[bytes] = ()) -> None:
        self._chunks: list[list[bytes]] = []
        self._length = 0
        self._frozen: set[int] | None = None  # chunks that must not change, by id(); whoever froze them holds them
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
        """Add elements at the tail, one after the other."""
        for element in elements:
            self.append(element)

    def pop(self) -> bytes:
        """Remove the element at the tail, of a list that has one."""
        chunk = self._chunks[-1] if self._frozen is None else self._own(len(self._chunks) - 1)
        element = chunk.pop()
        if not chunk:
            del self._chunks[-1]
        self._length -= 1
        self.memory -= SLOT + bytes_size(element)
        return element

    def pop_left(self) -> bytes:
        """Remove the element at the head, of a list that has one."""
        chunk = self._chunks[0] if self._frozen is None else self._own(0)
        element = chunk.pop(0)
        if not chunk:
            del self._chunks[0]
        self._length -= 1
        self.memory -= SLOT + bytes_size(element)
        return element

    # Places; all of them from 0 to the length

    def get(self, place: int) -> bytes:
        """Give the element at a place."""
        at, within = self._find(place)
        return self._chunks[at][within]

    def replace(self, place: int, element: bytes) -> None:
        """Put another element at a place."""
        at, within = self._find(place)
        chunk = self._own(at)
        self.memory += bytes_size(element) - bytes_size(chunk[within])
        chunk[within] = element

    def insert(self, place: int, element: bytes) -> None:
        """Put an element before the one at a place."""
        at, within = self._find(place)
        chunk = self._own(at)
        chunk.insert(within, element)
        if len(chunk) > CHUNK:
            half = len(chunk) // 2
            self._chunks[at : at + 1] = [chunk[:half], chunk[half:]]
        self._length += 1
        self.memory += SLOT + bytes_size(element)

    def slice(self, start: int, stop: int) -> list[bytes]:
        """Give the elements from a place up to before another."""
        count = stop - start
        if count <= 0:
            return []
        at, within = self._find(start)
        found = self._chunks[at][within : within + count]
        while len(found) < count:
            at += 1
            found += self._chunks[at][: count - len(found)]
        return found

    def keep(self, start: int, stop: int) -> int:
        """Remove all elements but those from a place up to before another; gives how many were removed."""
        removed = self._length - max(0, stop - start)
        if stop <= start:
            self._chunks = []
            self._length = 0
            self.memory = TABLE
            return removed
        behind = self._length - stop
        counted = removed < self._length // 2  # what stays is counted, if that is less
        self._cut(start, left=True, counted=counted)
        self._cut(behind, left=False, counted=counted)
        if not counted:
            self.memory = TABLE + sum([SLOT + bytes_size(element) for chunk in self._chunks for element in chunk])
        return removed

    def remove(self, element: bytes, count: int) -> int:
        """Remove elements that are equal to one: so many from the head on, from the tail if negative, or all if 0.

        Gives how many they were.
        """
        most = abs(count) or self._length
        removed = 0
        backward = count < 0
        at = len(self._chunks) - 1 if backward else 0
        while 0 <= at < len(self._chunks) and removed < most:
            found = self._chunks[at].count(element)
            gone = False
            if found:
                chunk = self._own(at)
                found = min(found, most - removed)
                _remove_some(chunk, element, found, backward=backward)
                removed += found
                if not chunk:
                    del self._chunks[at]
                    gone = True
            if backward:
                at -= 1
            elif not gone:
                at += 1
        self._length -= removed
        self.memory -= removed * (SLOT + bytes_size(element))
        return removed

    def index(self, element: bytes) -> int | None:
        """Give the place of the first element that is equal to one, or None."""
        before = 0
        for chunk in self._chunks:
            if element in chunk:
                return before + chunk.index(element)
            before += len(chunk)
        return None

    def copy(self) -> List:
        """Give a list of its own with the same elements."""
        own = List()
        own._chunks = [chunk.copy() for chunk in self._chunks]
        own._length = self._length
        own.memory = self.memory
        return own

    # For snapshots, and for the end

    def pieces(self) -> Sequence[list[bytes]]:
        """Give the chunks, which must not be changed, for as long as nothing else is."""
        return self._chunks

    def freeze(self) -> list[list[bytes]]:
        """Give the chunks as they are now.  What is changed later is changed in a copy, until `thaw`."""
        self._frozen = {id(chunk) for chunk in self._chunks}
        return self._chunks.copy()

    def thaw(self) -> None:
        """Let the chunks that were given change again."""
        self._frozen = None

    def release(self) -> list[bytes] | None:
        """Take a small part out of a list that nobody uses any more; None when nothing is left."""
        return self._chunks.pop() if self._chunks else None

    # The rest is our own

    def _find(self, place: int) -> tuple[int, int]:
        """Give the chunk in which a place is, and the place in it."""
        chunks = self._chunks
        if place <= self._length // 2:
            at = 0
            while place >= (some := sum(map(len, chunks[at : at + _STRIDE]))):
                place -= some
                at += _STRIDE
            while place >= len(chunks[at]):
                place -= len(chunks[at])
                at += 1
            return at, place
        left = self._length - place
        at = len(chunks)
        while left > (some := sum(map(len, chunks[max(0, at - _STRIDE) : at]))):
            left -= some
            at -= _STRIDE
        while left > 0:
            at -= 1
            left -= len(chunks[at])
        return at, -left

    def _own(self, at: int) -> list[bytes]:
        """Give a chunk that is to be changed: a copy of its own, if it is frozen."""
        chunk = self._chunks[at]
        if self._frozen is not None and id(chunk) in self._frozen:
            chunk = self._chunks[at] = chunk.copy()
        return chunk

    def _cut(self, count: int, *, left: bool, counted: bool) -> None:
        """Remove so many elements from one end, and take them off the memory if that is `counted`."""
        while count:
            at = 0 if left else len(self._chunks) - 1
            chunk = self._chunks[at]
            if len(chunk) <= count:
                gone = chunk
                del self._chunks[at]
            else:
                chunk = self._own(at)
                gone = chunk[:count] if left else chunk[-count:]
                if left:
                    del chunk[:count]
                else:
                    del chunk[-count:]
            count -= len(gone)
            self._length -= len(gone)
            if counted:
                self.memory -= sum([SLOT + bytes_size(element) for element in gone])


def _remove_some(chunk: list[bytes], element: bytes, count: int, *, backward: bool) -> None:
    """Remove so many elements of a chunk that are equal to one, of which there are as many."""
    places = [place for place, each in enumerate(chunk) if each == element]
    places = places[-count:] if backward else places[:count]
    if len(places) == 1:
        del chunk[places[0]]
        return
    gone = set(places)
    chunk[:] = [each for place, each in enumerate(chunk) if place not in gone]
