"""A mapping from bytes that never stops the process to grow, and that can be walked in small steps while it changes.

One Python dict of millions of keys is rebuilt in one go when it grows (355 ms at 5.6 million keys, measured on CPython
3.11) and gives no cursor.  So the keys are spread over many small dicts, the shards, by the leading bits of their hash:

* each shard holds an interval of the hashes; `shards` lists them in the order of the hashes.  A shard that became too
  full is cut in the middle of its interval; two neighbours that became nearly empty are joined again.
* the list has one place for each value of the leading `depth` bits.  A shard that was cut less often than others stands
  in several places side by side (extendible hashing), so the list doubles only when a shard of full depth is cut.
* a hash is a signed number, and `hash >> shift` is then a place in the list counted from either end, as Python counts.

A cursor is a position in the order of the hashes.  Keys keep their hash whatever is added or removed, so a walk gives
each key that is there from its start to its end exactly once.
"""

from __future__ import annotations

import heapq
import sys
from itertools import islice
from random import Random
from typing import Final, Generic, Iterator, TypeVar

V = TypeVar("V")

SHARD_SIZE: Final = 512
"""Keys a shard may hold.  Cutting one takes some 60 us on CPython 3.11."""
_NEARLY_EMPTY: Final = SHARD_SIZE // 8
_MAX_DEPTH: Final = 32  # 4,294,967,296 places: more are of no use, and keys of one hash cannot be parted

_HASH_BITS: Final = sys.hash_info.width
_CURSOR_BITS: Final = min(52, _HASH_BITS)  # cursors stay exact in clients that keep numbers as doubles
_CURSOR_MASK: Final = (1 << _CURSOR_BITS) - 1
_CURSOR_SHIFT: Final = _HASH_BITS - _CURSOR_BITS
_EMPTY_SHARDS_PER_STEP: Final = 64
_UNLUCKY_DRAWS: Final = 100


class ShardedDict(Generic[V]):
    """A mapping from bytes to values: the methods of a dict that are needed, and `scan`.

    `shards[hash(key) >> shift].get(key)` is what `get()` does, for one who cannot afford a call.
    """

    __slots__ = ("_deepest", "_depths", "_length", "shards", "shift")

    def __init__(self) -> None:
        self.shards: list[dict[bytes, V]] = [{}]
        self._depths = [0]  # how often the shard at this place was cut
        self._deepest = 1  # shards that stand in one place only: the list can be halved when there are none
        self.shift = _HASH_BITS
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __contains__(self, key: bytes) -> bool:
        return key in self.shards[hash(key) >> self.shift]

    def get(self, key: bytes) -> V | None:
        """Give the value of a key, or None."""
        return self.shards[hash(key) >> self.shift].get(key)

    def set(self, key: bytes, value: V) -> V | None:
        """Set the value of a key; gives the one it had, or None."""
        place = hash(key) >> self.shift
        shard = self.shards[place]
        old = shard.get(key)
        shard[key] = value
        if old is None:
            self._length += 1
            if len(shard) > SHARD_SIZE:
                self._cut(place % len(self.shards))
        return old

    def pop(self, key: bytes) -> V | None:
        """Remove a key and give the value it had, or None."""
        place = hash(key) >> self.shift
        shard = self.shards[place]
        value = shard.pop(key, None)
        if value is not None:
            self._length -= 1
            if len(shard) <= _NEARLY_EMPTY and len(self.shards) > 1:
                self._join(place % len(self.shards))
        return value

    def __iter__(self) -> Iterator[bytes]:
        for shard in self._each_shard():
            yield from shard

    def items(self) -> Iterator[tuple[bytes, V]]:
        """Give all keys with their values, in the order of the cursor's walk by and large."""
        for shard in self._each_shard():
            yield from shard.items()

    def values(self) -> Iterator[V]:
        """Give all values, in the order of `items()`."""
        for shard in self._each_shard():
            yield from shard.values()

    def scan(self, cursor: int, count: int) -> tuple[int, list[tuple[bytes, V]]]:
        """Give some items from a cursor on, about `count`, and the cursor to go on with; 0 begins and ends the walk."""
        found: list[tuple[bytes, V]] = []
        bits = len(self.shards).bit_length() - 1
        cursor &= _CURSOR_MASK
        for _ in range(_EMPTY_SHARDS_PER_STEP + count):
            place = cursor >> (_CURSOR_BITS - bits)
            ahead = [(place_of, key) for key in self.shards[place] if (place_of := position(key)) >= cursor]
            missing = count - len(found)
            if len(ahead) > missing:
                last = heapq.nsmallest(missing, ahead)[-1][0]  # keys that share a position are not parted
                found += [(key, self.shards[place][key]) for place_of, key in ahead if place_of <= last]
                return (last + 1) & _CURSOR_MASK, found
            found += [(key, self.shards[place][key]) for _, key in ahead]
            span = 1 << (bits - self._depths[place])
            cursor = ((place // span + 1) * span) << (_CURSOR_BITS - bits)
            if cursor > _CURSOR_MASK:
                return 0, found
            if len(found) >= count:
                break
        return cursor, found

    def step(self, cursor: int) -> tuple[int, dict[bytes, V]]:
        """Give the items of one shard from a cursor on, and the cursor to go on with, as `scan`: a faster walk."""
        bits = len(self.shards).bit_length() - 1
        place = cursor >> (_CURSOR_BITS - bits)
        span = 1 << (bits - self._depths[place])
        start = place // span * span
        items = self.shards[place]
        if cursor > start << (_CURSOR_BITS - bits):  # it was joined with one that the walk has passed
            items = {key: value for key, value in items.items() if position(key) >= cursor}
        return (start + span) << (_CURSOR_BITS - bits) & _CURSOR_MASK, items

    def random_key(self, random: Random) -> bytes | None:
        """Give any key, each as likely as the others, or None if there is none."""
        if not self._length:
            return None
        most = SHARD_SIZE if len(self.shards) > 1 else self._length
        for _ in range(_UNLUCKY_DRAWS):
            # A place is drawn, then a seat in its shard; with an empty seat both are drawn again, so that a full shard
            # is met more often than one that is nearly empty.
            place = random.randrange(len(self.shards))
            seat = random.randrange(most << (len(self.shards).bit_length() - 1 - self._depths[place]))
            shard = self.shards[place]
            if seat < len(shard):
                return next(islice(shard, seat, None))
        return next(islice(self, random.randrange(self._length), None))  # there are few keys in many shards

    def release(self) -> list[V] | None:
        """Take a small part out of a table that nobody uses any more; gives its values, None when nothing is left."""
        if not self.shards:
            return None
        shard = self.shards.pop()
        while self.shards and self.shards[-1] is shard:
            self.shards.pop()
        return list(shard.values())

    def _each_shard(self) -> Iterator[dict[bytes, V]]:
        previous = None
        for shard in self.shards:
            if shard is not previous:
                yield shard
                previous = shard

    def _replace(self, place: int, shard: dict[bytes, V]) -> None:
        """Put another shard wherever the one at a place stands."""
        span = len(self.shards) >> self._depths[place]
        start = place // span * span
        self.shards[start : start + span] = [shard] * span

    def _cut(self, place: int) -> None:
        """Part the shard at a place by the next bit of its keys' hashes."""
        depth = self._depths[place]
        if depth >= _MAX_DEPTH:
            return
        if 1 << depth == len(self.shards):
            self.shards = [shard for shard in self.shards for _ in (0, 1)]
            self._depths = [each for each in self._depths for _ in (0, 1)]
            self.shift -= 1
            self._deepest = 0
            place *= 2
        bit = _HASH_BITS - 1 - depth
        halves: tuple[dict[bytes, V], dict[bytes, V]] = ({}, {})
        for key, value in self.shards[place].items():
            halves[hash(key) >> bit & 1][key] = value
        span = len(self.shards) >> depth
        start = place // span * span
        half = span // 2
        self.shards[start : start + span] = [halves[0]] * half + [halves[1]] * half
        self._depths[start : start + span] = [depth + 1] * span
        if half == 1:
            self._deepest += 2

    def _join(self, place: int) -> None:
        """Join the shard at a place with its neighbour, if that one is as small and was cut from the same."""
        depth = self._depths[place]
        span = len(self.shards) >> depth
        start = place // span * span
        other = start ^ span
        shard, neighbour = self.shards[start], self.shards[other]
        if self._depths[other] != depth or len(shard) + len(neighbour) > _NEARLY_EMPTY * 2:
            return
        joined = {**neighbour, **shard}  # a new one: somebody may hold on to those two
        first = min(start, other)
        self.shards[first : first + 2 * span] = [joined] * (2 * span)
        self._depths[first : first + 2 * span] = [depth - 1] * (2 * span)
        if span == 1:
            self._deepest -= 2
            while not self._deepest:
                self._halve()

    def _halve(self) -> None:
        """Drop every second place: no shard needs the last bit any more."""
        self.shards = self.shards[::2]
        self._depths = self._depths[::2]
        self.shift += 1
        self._deepest = self._depths.count(_HASH_BITS - self.shift)


def position(key: bytes) -> int:
    """Give the place of a key in the order of the walk: the leading bits of its hash."""
    return (hash(key) >> _CURSOR_SHIFT) & _CURSOR_MASK
