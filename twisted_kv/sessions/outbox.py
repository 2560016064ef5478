"""The outbox: what one connection is owed, in order: replies, pushes, and slots for replies that come later.

All of it passes through four stages.  It is *gathered* in `parts` while requests run; *taken* at the end of the
client's turn in a wake-up; *released* when the changes it reports are committed; and then *sent*, as fast as the
transport takes it, up to the first slot that is still empty.  So a push never overtakes a reply, and no client sees the
result of a write before it is safe.

Sans-IO: the owner of the transport asks for the next chunk, and calls `release` when a batch may be sent.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, Final, List

from twisted_kv.settings.kinds import BufferLimit
from twisted_kv.vocabulary.logs import log_no_reply
from twisted_kv.vocabulary.replies import Push, Pushed, Reply
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.encoder import AGGREGATES, encode, encode_few, encode_run, least_size
from twisted_kv.wire.short_arrays import SHORT

SMALL: Final = SHORT
"""Size in bytes from which a reply is counted by itself; smaller ones are joined with others, uncounted."""

CHUNK: Final = 64 * 1024
"""Bytes of waiting replies that are passed to the transport at a time."""

MOST_SLOTS: Final = 1024
"""Promised replies that one client may have pending; at this number, its next request waits for one of them."""

Batch = List[Any]
"""What one turn has gathered: bytes, a `Slot`, or the `Filling` of a slot of an earlier turn."""


class Slot:
    """The position of a reply that comes later, with the protocol version at the time of its request."""

    __slots__ = ("data", "promise", "resp")

    def __init__(self, promise: Promise, resp: int) -> None:
        self.promise = promise
        self.resp = resp
        self.data: bytes | None = None
        """The reply, once it may be sent."""


class Filling:
    """The reply for a slot; it may be sent when the turn in which it arrived is committed."""

    __slots__ = ("data", "slot")

    def __init__(self, slot: Slot, data: bytes) -> None:
        self.slot = slot
        self.data = data


class Outbox:
    """What one connection is owed.  `limit` returns the `client-output-buffer-limit` of the client's class."""

    __slots__ = (
        "_cannot_join",
        "_large",
        "_limit",
        "_pushed",
        "_soft_since",
        "held_bytes",
        "parts",
        "released",
        "slots",
        "waiting_bytes",
    )

    def __init__(self, limit: Callable[[], BufferLimit]) -> None:
        self._limit = limit
        self.parts: Batch = []
        """What this turn has gathered so far.  Code that runs requests appends small byte strings here directly."""
        self.held_bytes = 0
        """Bytes that were taken and not released, because the changes they report are not committed."""
        self.released: Deque[Any] = deque()
        """Bytes and slots that may be sent, and wait for the transport or for an earlier slot."""
        self.waiting_bytes = 0
        """Bytes that were released and not sent."""
        self.slots: Dict[Slot, None] = {}
        """The slots whose reply may not be sent yet, in order."""
        self._large = 0  # bytes of the parts that are not small
        self._pushed = 0  # bytes of the small pushes: their number has no bound, as that of replies has
        self._cannot_join = False  # some parts are slots or fillings, which cannot be joined with others
        self._soft_since: int | None = None  # when the soft limit was exceeded, in milliseconds of `Now.elapsed`

    @property
    def size(self) -> int:
        """Bytes that the client is owed, without the small replies of this turn."""
        return self._large + self._pushed + self.held_bytes + self.waiting_bytes

    @property
    def is_within_limit(self) -> bool:
        """Whether the size is within the hard limit; one chunk always is, since the transport takes it at once."""
        hard = self._limit().hard
        return not hard or self.size <= max(hard, CHUNK)

    @property
    def is_owing(self) -> bool:
        """Whether anything is unsent, or a reply is still to come."""
        return bool(self.slots or self.released)

    def is_beyond_limits(self, now: int) -> bool:
        """Check at a time of `Now.elapsed` whether the hard limit is exceeded, or the soft limit for too long."""
        limit = self._limit()
        if not (limit.soft and self.size > limit.soft):
            self._soft_since = None
        elif self._soft_since is None:
            self._soft_since = now
        too_long = self._soft_since is not None and now - self._soft_since > limit.seconds * 1000
        return too_long or bool(limit.hard and self.size > limit.hard)

    # While requests run

    def add(self, reply: Reply, resp: int) -> bool:
        """Gather a reply or a push; return False if the client would be owed more than its limit allows.

        A reply that is known beforehand to be too large is not encoded.
        """
        kind = type(reply)
        if kind is bytes:
            self.parts += (b"$%d\r\n" % len(reply), reply, b"\r\n")
            size = len(reply)
        else:
            data = encode_few(reply, resp) if kind in AGGREGATES else self._encoded(reply, resp)
            if data is None:
                if not self._may_fit(reply):
                    return False
                data = self._encoded(reply, resp)
            self.parts.append(data)
            size = len(data)
        if size < SMALL:
            return True
        self._large += size
        return self.is_within_limit

    def add_run(self, replies: List[Reply], resp: int) -> bool:
        """Gather the replies to many requests, as `add` does each."""
        data = encode_run(replies, resp)
        if data is None:
            return all(self.add(reply, resp) for reply in replies)
        self.parts.append(data)
        return True

    def add_push(self, message: Pushed, resp: int) -> bool:
        """Gather a push, as `add` does: what is sent to many is encoded once, and found at once."""
        data: bytes | None = None
        if type(message) is Push:
            data = message.resp2 if resp == 2 else message.resp3
        if data is None:
            data = self._encoded(message, resp)
        if len(data) >= SMALL:
            return self.add(message, resp)
        self.parts.append(data)
        self._pushed += len(data)
        return self._pushed < CHUNK or self.is_within_limit

    def _may_fit(self, reply: Reply) -> bool:
        """Check whether a reply may be within the limit, before it is encoded."""
        least = least_size(reply)
        self._large += least
        fits = self.is_within_limit
        self._large -= least
        return fits

    def _encoded(self, reply: Reply, resp: int) -> bytes:
        """Encode a reply; a value that is none, which is a bug of its command, becomes an error reply."""
        try:
            return encode(reply, resp)
        except Exception:
            return encode(log_no_reply(reply), resp)

    def promise(self, promise: Promise, resp: int) -> Slot:
        """Reserve a slot for a reply that comes later."""
        slot = Slot(promise, resp)
        self.slots[slot] = None
        self.parts.append(slot)
        self._cannot_join = True
        return slot

    def fill(self, slot: Slot, reply: Reply) -> bool:
        """Gather the reply for a slot; return False if the client would be owed more than its limit allows."""
        data = self._encoded(reply, slot.resp)
        self.parts.append(Filling(slot, data))
        self._large += len(data)
        self._cannot_join = True
        return self.is_within_limit

    def take(self) -> Batch:
        """Take what was gathered, as one byte string if it is small; pass it to `release` when it may be sent."""
        batch = self.parts
        self.parts = []
        self._pushed = 0
        if self._large or self._cannot_join:
            self._large = 0
            self._cannot_join = False
            self.held_bytes += _size(batch)
            batch.append(b"")  # so that a batch of one part is always bytes that may be sent as they are
            return batch
        data = b"".join(batch) if len(batch) != 1 else batch[0]
        self.held_bytes += len(data)
        return [data]

    # When it is committed

    def release(self, batch: Batch) -> None:
        """Allow a batch to be sent, after all that was released before."""
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
        """Take the next bytes that may be sent, at most `CHUNK`; empty if a slot without its reply comes first."""
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
        """Discard everything and abandon the promises: the client is gone."""
        slots = list(self.slots)
        self.slots.clear()
        self.parts = []
        self.released.clear()
        self.waiting_bytes = self.held_bytes = self._large = self._pushed = 0
        self._cannot_join = False
        for slot in slots:
            slot.promise.abandon()


def _size(batch: Batch) -> int:
    """Count the bytes of a batch."""
    return sum([len(part.data) if type(part) is Filling else len(part) for part in batch if type(part) is not Slot])
