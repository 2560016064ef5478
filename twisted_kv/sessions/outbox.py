"""What one client is owed, in the order in which it is owed: replies, pushes, and slots for replies that come later.

All of it goes the same way.  It is *gathered* in `parts` while requests run; *taken* at the end of the client's turn in
a wake-up; *released* when what it tells of is committed; and then *sent*, as fast as the transport takes it, up to the
first slot that is still empty.  So a push never overtakes a reply, and nobody hears of a write before it is safe.

Sans-IO: whoever has the transport asks for the next chunk, and says when something may be sent.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Deque, Dict, Final, List

from twisted_kv.settings.config import Settings
from twisted_kv.settings.kinds import BufferLimit
from twisted_kv.vocabulary.replies import Reply
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.encoder import BULK_HEADERS, encode, least_size

SMALL: Final = len(BULK_HEADERS)
"""Bytes of a reply that goes out together with others without being counted by itself."""

CHUNK: Final = 64 * 1024
"""Bytes of waiting replies that are handed to the transport at a time."""

MOST_SLOTS: Final = 1024
"""Replies of one client that may be under way; behind so many, its next request waits for one of them."""

Batch = List[Any]
"""What was gathered in one turn: bytes, a `Slot`, or the `Filling` of a slot of an earlier turn."""


class Slot:
    """Where a reply belongs that comes later, and the protocol version that was spoken when it was asked for."""

    __slots__ = ("data", "promise", "resp")

    def __init__(self, promise: Promise, resp: int) -> None:
        self.promise = promise
        self.resp = resp
        self.data: bytes | None = None
        """The reply, once it may be sent."""


class Filling:
    """A reply that has come for a slot; it may be sent when the turn in which it came is committed."""

    __slots__ = ("data", "slot")

    def __init__(self, slot: Slot, data: bytes) -> None:
        self.slot = slot
        self.data = data


class Outbox:
    """What one client is owed."""

    __slots__ = (
        "_large",
        "_must_part",
        "_settings",
        "_soft_since",
        "held_bytes",
        "parts",
        "released",
        "slots",
        "waiting_bytes",
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.parts: Batch = []
        """What this turn has brought so far.  Whoever runs requests adds small byte strings here without a call."""
        self.held_bytes = 0
        """Bytes that were taken and not released, because what they tell of is not committed."""
        self.released: Deque[Any] = deque()
        """What may be sent and waits for the transport, or for a slot before it: bytes and slots."""
        self.waiting_bytes = 0
        """Bytes that were released and not sent."""
        self.slots: Dict[Slot, None] = {}
        """The slots whose reply may not be sent yet, in their order."""
        self._large = 0  # bytes of the parts that are not small
        self._must_part = False  # not all parts are bytes that may be joined
        self._soft_since: int | None = None  # when the soft limit was passed, in milliseconds of `Now.elapsed`

    @property
    def limit(self) -> BufferLimit:
        """The `client-output-buffer-limit` of the class of this client."""
        limit = self._settings.client_output_buffer_limit.normal
        assert limit is not None  # each class has one
        return limit

    @property
    def size(self) -> int:
        """Bytes that the client is owed, small replies of this turn aside."""
        return self._large + self.held_bytes + self.waiting_bytes

    @property
    def is_within_limit(self) -> bool:
        """Whether so much may be owed; a chunk may in any case, since it is handed over at once."""
        hard = self.limit.hard
        return not hard or self.size <= max(hard, CHUNK)

    @property
    def is_owing(self) -> bool:
        """Whether there is something that was not sent yet, or a reply that is still to come."""
        return bool(self.slots or self.released)

    def is_beyond_limits(self, now: int) -> bool:
        """Tell whether the client is owed too much, or much for too long, at a time of `Now.elapsed`."""
        limit = self.limit
        if not (limit.soft and self.size > limit.soft):
            self._soft_since = None
        elif self._soft_since is None:
            self._soft_since = now
        too_long = self._soft_since is not None and now - self._soft_since > limit.seconds * 1000
        return too_long or bool(limit.hard and self.size > limit.hard)

    # While requests run

    def add(self, reply: Reply, resp: int) -> bool:
        """Gather a reply or a push; False if the client would be owed more than its limit allows.

        What would be too much is not even encoded, where its size is known before.
        """
        kind = type(reply)
        if kind is bytes:
            self.parts += (b"$%d\r\n" % len(reply), reply, b"\r\n")
            size = len(reply)
        else:
            if kind is list or kind is dict:
                self._large += least_size(reply)
                fits = self.is_within_limit
                self._large -= least_size(reply)
                if not fits:
                    return False
            data = encode(reply, resp)
            self.parts.append(data)
            size = len(data)
        if size < SMALL:
            return True
        self._large += size
        return self.is_within_limit

    def promise(self, promise: Promise, resp: int) -> Slot:
        """Keep a place for a reply that comes later."""
        slot = Slot(promise, resp)
        self.slots[slot] = None
        self.parts.append(slot)
        self._must_part = True
        return slot

    def fill(self, slot: Slot, reply: Reply) -> bool:
        """Gather the reply that a slot is for; False if the client would be owed more than its limit allows."""
        data = encode(reply, slot.resp)
        self.parts.append(Filling(slot, data))
        self._large += len(data)
        self._must_part = True
        return self.is_within_limit

    def take(self) -> Batch:
        """Take what was gathered, as one byte string if it is small; give it to `release` when it may be sent."""
        batch = self.parts
        self.parts = []
        if self._large or self._must_part:
            self._large = 0
            self._must_part = False
            self.held_bytes += _size(batch)
            batch.append(b"")  # so that one part alone is always bytes that may be sent as they are
            return batch
        data = b"".join(batch)
        self.held_bytes += len(data)
        return [data]

    # When it is committed

    def release(self, batch: Batch) -> None:
        """Let what was gathered in one turn be sent, behind all that was released before."""
        size = _size(batch)
        self.held_bytes -= size
        self.waiting_bytes += size
        for part in batch:
            if type(part) is Filling:
                part.slot.data = part.data
                del self.slots[part.slot]
            elif part:
                self.released.append(part)

    def next_chunk(self) -> bytes:
        """Take the next bytes that may be sent, up to `CHUNK`; none if a reply that comes later stands before them."""
        parts: List[Any] = []
        room = CHUNK
        released = self.released
        while released and room:
            part = released.popleft()
            if type(part) is Slot:
                if part.data is None:
                    released.appendleft(part)
                    break
                part = part.data
            if len(part) > room:
                view = memoryview(part)
                released.appendleft(view[room:])
                part = view[:room]
            parts.append(part)
            room -= len(part)
        self.waiting_bytes -= CHUNK - room
        return b"".join(parts)

    # The end

    def clear(self) -> None:
        """Owe nothing any more: nobody would get it."""
        slots = list(self.slots)
        self.slots.clear()
        self.parts = []
        self.released.clear()
        self.waiting_bytes = self.held_bytes = self._large = 0
        self._must_part = False
        for slot in slots:
            slot.promise.abandon()


def _size(batch: Batch) -> int:
    """Count the bytes of what was gathered in one turn."""
    return sum([len(part.data) if type(part) is Filling else len(part) for part in batch if type(part) is not Slot])
