"""The keys of one numbered database, with their values and their deadlines.

Every look-up and every change of a key goes through the methods here.  They hide a key whose deadline has passed,
whether or not it has been removed yet.  This is the one place that counts changes and memory; whatever must be notified
of changes (snapshots, watching clients, events) hooks in here.

Most keys have a value and nothing else, and the table holds that value itself.  For a key that has a deadline, or whose
use is recorded, the table holds an `Entry` instead.
"""

from __future__ import annotations

from random import Random
from typing import Callable, Final, Iterator, Type

from twisted_kv.store.entries import (
    DEADLINE_SIZE,
    ENTRY_SIZE,
    TYPE_NAMES,
    Collection,
    Entry,
    Held,
    Releasable,
    V,
    Value,
    as_kind,
    counted,
    is_large,
    measure,
    parts,
)
from twisted_kv.store.expiry import Expiry
from twisted_kv.store.observers import Change, Observed
from twisted_kv.store.usage import Usage
from twisted_kv.values.lists import List
from twisted_kv.values.packing import DEFAULTS, Packing
from twisted_kv.values.sharded import ShardedDict
from twisted_kv.values.sizes import GRAIN_MASK, ITEM, ROUNDING, bytes_size
from twisted_kv.vocabulary.clock import Now

_MAX_DRAWS: Final = 100
_FEW_DRAWS: Final = 16


def _ignore(it: object) -> None:
    """Do nothing: keys expire only when they are looked up, and values are freed at once, not in steps."""


class Keyspace(Observed):
    """The keys of one database; what only strings need is in `Database`.

    `now` is the clock; `alarm` is called with each deadline (milliseconds since 1970) that is nearer than all others;
    `discard` is called with large values that are no longer used.
    """

    __slots__ = (
        "_alarm",
        "_keys",
        "_now",
        "changes",
        "discard",
        "evicted",
        "expired",
        "expiry",
        "hits",
        "ignores_deadlines",
        "keeps_expired",
        "memory",
        "misses",
        "packing",
        "random",
        "usage",
    )

    def __init__(
        self,
        index: int,
        now: Now,
        alarm: Callable[[int], None] = _ignore,
        discard: Callable[[Releasable], None] = _ignore,
        random: Random | None = None,
        packing: Packing = DEFAULTS,
    ) -> None:
        super().__init__(index)
        self.random = random or Random()
        self.packing = packing
        """The limits within which its collections stay packed."""
        self.changes = 0
        self.memory = 0
        """Bytes of memory of the keys and their values, as an estimate."""
        self.usage: Usage | None = None
        """Records the use of keys, while the eviction policy needs it."""
        self.ignores_deadlines = False
        """Deadlines are ignored while a journal is replayed: its own records say when each key was removed."""
        self.keeps_expired = False
        """Who only reads finds expired keys hidden but does not remove them, while clients are paused."""
        self.hits = 0
        self.misses = 0
        self.expired = 0
        self.evicted = 0
        self._now = now
        self._alarm = alarm
        self.discard = discard
        self._keys: ShardedDict[Held] = ShardedDict()
        self.expiry = Expiry(alarm, now.milliseconds)

    def __len__(self) -> int:
        return len(self._keys)

    # Look-up

    def peek(self, key: bytes) -> Value | None:
        """Return the value of a key of any type, or None, without counting a hit, a miss or a use of the key."""
        entry = self._keys.get(key)
        if not isinstance(entry, tuple):
            return entry
        return None if self._has_expired(key, entry, self.keeps_expired) else entry[0]

    def lookup(self, key: bytes) -> Value | None:
        """Return the value of a key of any type, or None, and count a use of the key, but neither a hit nor a miss."""
        entry = self._keys.get(key)
        if not isinstance(entry, tuple) and self.usage is None:
            return entry
        return self._use(key, entry)

    def lookup_as(self, key: bytes, kind: Type[V]) -> V | None:
        """Do the same as `lookup` for one type of value; raises `WrongTypeError` if the value is of another type."""
        return as_kind(self.lookup(key), kind)

    def edit(self, key: bytes, kind: Type[V]) -> V | None:
        """Do the same as `lookup_as`, for a caller that changes the value in place and then calls `changed`."""
        value = self.lookup_as(key, kind)
        if self.witness is not None:
            self.witness.before(self.index, key, self._keys.get(key))
        return value

    def edit_or_make(self, key: bytes, kind: Type[V]) -> V:
        """Do the same as `edit`, and create an empty value if the key does not exist."""
        value = self.edit(key, kind)
        if value is not None:
            return value
        make: Callable[..., V] = kind
        made = make() if kind is List else make(self.packing)
        self._replaced(key, made, self._keys.set(key, made), None, False, None)
        return made

    def read(self, key: bytes, *, use: bool = True) -> Value | None:
        """Return the value of a key of any type, or None; count a hit or a miss, and by default a use of the key."""
        value = self.lookup(key) if use and not self.keeps_expired else self.peek(key)
        if value is None:
            self.misses += 1
            if self.report is not None:
                self.report(self.index, b"keymiss", key)
        else:
            self.hits += 1
        return value

    def read_as(self, key: bytes, kind: Type[V]) -> V | None:
        """Do the same as `read` for one type of value; raises `WrongTypeError` if the value is of another type."""
        keys = self._keys
        held = keys.shards[hash(key) >> keys.shift].get(key)
        if type(held) is kind and self.usage is None:  # the path of most requests, as short as possible
            self.hits += 1
            return held
        return as_kind(self.read(key), kind)

    def weight(self, key: bytes) -> int | None:
        """Return the bytes of memory of a key with its value, as an estimate, or None if there is no key."""
        value = self.peek(key)
        if value is None:
            return None
        entry = self._keys.get(key)
        weight = ITEM + bytes_size(key) + counted(value)
        if isinstance(entry, tuple):
            weight += ENTRY_SIZE + (DEADLINE_SIZE if entry[1] is not None else 0)
        return weight

    def deadline(self, key: bytes) -> int | None:
        """Return the date in milliseconds at which a key expires, or None if it has no deadline."""
        return parts(self._keys.get(key))[1]

    @property
    def table(self) -> ShardedDict[Held]:
        """All keys, including expired ones; only for a snapshot, which changes nothing."""
        return self._keys

    def mark(self, key: bytes) -> int | None:
        """Return the recorded use of a key, a number for `usage`, or None."""
        return parts(self._keys.get(key))[2]

    def type_name(self, key: bytes) -> bytes:
        """Return the name of the type of a key's value, as TYPE replies it; `none` if there is no key."""
        value = self.read(key, use=False)
        return b"none" if value is None else TYPE_NAMES[type(value)]

    def live_keys(self) -> Iterator[bytes]:
        """Iterate over all keys that have not expired; the database must not be changed meanwhile."""
        if not self.expiry:
            return iter(self._keys)
        now = self._now.milliseconds
        return (
            key
            for key, entry in self._keys.items()
            if not isinstance(entry, tuple) or entry[1] is None or now < entry[1]
        )

    def scan(self, cursor: int, count: int) -> tuple[int, list[tuple[bytes, Value]]]:
        """Return the next cursor, and about `count` keys with their values from a cursor on.

        A scan begins and ends with 0.  It returns a key that exists from its start to its end exactly once.
        """
        cursor, items = self._keys.scan(cursor, count)
        found = []
        for key, entry in items:
            if not isinstance(entry, tuple):
                found.append((key, entry))
            elif not self._has_expired(key, entry, self.keeps_expired):
                found.append((key, entry[0]))
        return cursor, found

    def random_key(self) -> bytes | None:
        """Return a key chosen uniformly at random, or None if there is none."""
        for _ in range(_MAX_DRAWS):
            key = self._keys.random_key(self.random)
            if key is None or self.peek(key) is not None:
                return key
        return next(self.live_keys(), None)  # nearly all have expired at once and are not removed yet

    def draw(self, *, volatile: bool = False) -> bytes | None:
        """Return a key, or a volatile key, chosen uniformly at random, or None; it may have expired already."""
        if not volatile:
            return self._keys.random_key(self.random)
        for _ in range(_FEW_DRAWS if self.expiry else 0):
            key = self._keys.random_key(self.random)
            if key is not None and self.deadline(key) is not None:
                return key
        return self.expiry.random_key(self.random)  # few are volatile: it takes longer for each, but finds one

    def holds(self, key: bytes, *, volatile: bool = False) -> bool:
        """Check whether a key exists, or exists and is volatile; it may have expired already."""
        return self.deadline(key) is not None if volatile else key in self._keys

    # Change

    def set(
        self,
        key: bytes,
        value: Value,
        deadline: int | None = None,
        *,
        keep_deadline: bool = False,
        event: bytes | None = b"set",
    ) -> None:
        """Set the value of a key, whatever it held, and report an event.

        It expires at `deadline`, a date in milliseconds, or never; with `keep_deadline` it keeps the deadline it had.
        """
        self.changes += 1
        if deadline is not None and self._set_volatile(key, value, deadline):
            return
        old = self._keys.set(key, value)
        # The path of most requests:
        if type(value) is bytes and deadline is None and self.usage is None and self.witness is None and not self.alert:
            if type(old) is bytes:
                self.memory += ((len(value) + ROUNDING) & GRAIN_MASK) - ((len(old) + ROUNDING) & GRAIN_MASK)
                return
            if old is None:
                self.memory += ITEM + ((len(key) + ROUNDING) & GRAIN_MASK) + ((len(value) + ROUNDING) & GRAIN_MASK)
                return
        self._replaced(key, value, old, deadline, keep_deadline, event)

    def _set_volatile(self, key: bytes, value: Value, deadline: int) -> bool:
        """Set a string with a deadline in place of a string or of nothing; return False if that is not so simple."""
        if (
            type(value) is not bytes
            or self.usage is not None
            or self.witness is not None
            or self.alert
            or self.has_passed(deadline)
        ):
            return False
        old = self._keys.get(key)
        if isinstance(old, tuple):
            old_value, old_deadline, _ = old
            if type(old_value) is not bytes or old_deadline is None:
                return False
            self.expiry.move(key, old_deadline, deadline)
            weight = -((len(old_value) + ROUNDING) & GRAIN_MASK)
        elif type(old) is bytes:
            self.expiry.add(key, deadline)
            weight = ENTRY_SIZE + DEADLINE_SIZE - ((len(old) + ROUNDING) & GRAIN_MASK)
        elif old is None:
            self.expiry.add(key, deadline)
            weight = ENTRY_SIZE + DEADLINE_SIZE + ITEM + ((len(key) + ROUNDING) & GRAIN_MASK)
        else:
            return False
        self._keys.set(key, (value, deadline, None))
        self.memory += weight + ((len(value) + ROUNDING) & GRAIN_MASK)
        return True

    def make(self, key: bytes, value: Value, deadline: int | None, event: bytes | None) -> None:
        """Set a key as `set` does, but as a new one: one that exists is removed before, without an event."""
        if self.report is not None and self.peek(key) is not None:
            self._remove(key)
        self.set(key, value, deadline, event=event)

    def store(self, key: bytes, value: Collection, event: bytes) -> None:
        """Set the value of a key to a collection and report an event, or remove the key if the collection is empty."""
        if value:
            self.set(key, value, event=event)
        else:
            self.delete(key)

    def load(self, key: bytes, value: Value, deadline: int | None = None, mark: int | None = None) -> bool:
        """Restore a key from before the process started, which counts as no change; False if it exists already."""
        held: Held = value if deadline is None and mark is None else (value, deadline, mark)
        if self._keys.set(key, held) is not None:
            return False
        self.memory += ITEM + bytes_size(key) + measure(value)
        if isinstance(held, tuple):
            self.memory += ENTRY_SIZE
            if deadline is not None:
                self.expiry.add(key, deadline)
                self.memory += DEADLINE_SIZE
        return True

    def expect(self, count: int) -> None:
        """Prepare for so many keys in all, if there are none: a table that grows moves each of them several times."""
        if not len(self._keys):
            self._keys = ShardedDict(count)

    def reload(self, key: bytes, value: Value) -> None:
        """Replace the value of an existing key by an equal one, which is a change only for its watchers."""
        entry = self._keys.get(key)
        old, _, _ = parts(entry)
        assert old is not None
        if self.witness is not None:
            self.witness.before(self.index, key, entry)
        self.memory -= counted(old)
        self.memory += measure(value)
        self._put(key, entry, value)
        self._discard_large(old)
        if self.alert:
            self.touch(key, Change.RELOADED)

    def changed(self, key: bytes, count: int = 1, *, quietly: bool = False, event: bytes | None = None) -> None:
        """Record that the value of a key was changed in place, in `count` of its members, and report an event.

        If the value became empty, the key is removed.  With `quietly`, the watchers of the key are not notified: what
        the consumer groups of a stream do does not count as a change of the stream, as in Redis.
        """
        self.changes += count
        value, _, _ = parts(self._keys.get(key))
        if value:
            assert not isinstance(value, bytes)  # bytes are never changed in place
            weight = value.memory
            self.memory += weight - value.counted
            value.counted = weight
            if self.alert:
                if not quietly:
                    self.touch(key, Change.CHANGED)
                self.tell(event, key)
        else:
            self._remove(key)
            self.tell(event, key)
            self.tell(b"del", key)

    def emptied(self, key: bytes, count: int, event: bytes) -> None:
        """Record that all `count` members of a value were taken: remove its key, and release the value in steps."""
        self.changes += count
        self._remove(key)
        self.tell(event, key)
        self.tell(b"del", key)

    def delete(self, key: bytes) -> bool:
        """Remove a key; return True if it existed."""
        if self.peek(key) is None:
            return False
        self.changes += 1
        self._remove(key)
        self.tell(b"del", key)
        return True

    def set_mark(self, key: bytes, mark: int) -> None:
        """Set the recorded use of an existing key, a number of `usage`."""
        entry = self._keys.get(key)
        assert entry is not None
        value, deadline, _ = parts(entry)
        self._keys.set(key, (value, deadline, mark))
        if not isinstance(entry, tuple):
            self.memory += ENTRY_SIZE

    def has_passed(self, deadline: int) -> bool:
        """Check whether a key with such a deadline expires at once."""
        return deadline <= self._now.milliseconds and not self.ignores_deadlines

    def expire_at(self, key: bytes, deadline: int) -> None:
        """Set the deadline of an existing key, a date in milliseconds; remove the key at once if that has passed."""
        self.changes += 1
        if self._expire_at(key, deadline):
            if self.alert:
                self.touch(key, Change.EXPIRE)
            self.tell(b"expire", key)
        else:
            self.tell(b"del", key)

    def persist(self, key: bytes) -> bool:
        """Remove a key's deadline; return True if it had one."""
        if self.lookup(key) is None or self.deadline(key) is None:
            return False
        self.changes += 1
        self._set_deadline(key, None)
        if self.alert:
            self.touch(key, Change.PERSISTED)
        self.tell(b"persist", key)
        return True

    def rename(self, source: bytes, target: bytes) -> bool:
        """Move the value and the deadline of a key to another, whatever that held; False if there is no such key."""
        value = self.lookup(source)
        if value is None:
            return False
        deadline = self.deadline(source)
        self._take_out(source)
        self.make(target, value, deadline, None)
        self.tell(b"rename_from", source)
        self.tell(b"rename_to", target)
        return True

    def move(self, key: bytes, other: Keyspace) -> bool:
        """Move a key with its deadline to another database; False if it is missing here, or exists there."""
        value = self.lookup(key)
        if value is None or other.lookup(key) is not None:
            return False
        deadline = self.deadline(key)
        self._take_out(key)
        self.changes += 1
        other.make(key, value, deadline, None)
        self.tell(b"move_from", key)
        other.tell(b"move_to", key)
        return True

    def swap(self, other: Keyspace) -> None:
        """Exchange all keys with another database."""
        self.changes += 1
        if self.witness is not None:
            self.witness.swapped(self.index, other.index)
        touched = []
        for each in (self, other):
            for key in list(each.watched):
                # Look up both: an expired key has to be removed now, before the indexes refer to other data.
                value, other_value = self.peek(key), other.peek(key)
                if value is not None or other_value is not None:
                    touched.append((each, key))
        self._keys, other._keys = other._keys, self._keys
        self.expiry, other.expiry = other.expiry, self.expiry
        self.memory, other.memory = other.memory, self.memory
        for each, key in touched:
            each.touch(key, Change.SWAPPED)

    def flush(self) -> None:
        """Remove all keys."""
        if not len(self._keys):
            return
        self.changes += len(self._keys)
        touched = [key for key in self.watched if self.peek(key) is not None]
        if self.witness is not None:
            self.witness.flushed(self.index, self._keys)
        else:
            self.discard(self._keys)
        if self.expiry:
            self.discard(self.expiry)
        self._keys = ShardedDict()
        self.expiry = Expiry(self._alarm, self._now.milliseconds)
        self.memory = 0
        for key in touched:
            self.touch(key, Change.FLUSHED)

    # Removal without a request

    def evict(self, key: bytes) -> None:
        """Remove an existing key to free memory."""
        self.changes += 1
        self.evicted += 1
        self._lose(key, Change.EVICTED)
        self.tell(b"evicted", key)

    def expire_due(self, most: int) -> int:
        """Remove expired keys, and prepare for others to expire; returns for how many keys, up to `most`."""
        now = self._now.milliseconds
        moved = self.expiry.advance(now, most)
        keys = self.expiry.due(now, most - moved)
        for key in keys:
            self._expire(key)
        return moved + len(keys)

    def _use(self, key: bytes, entry: Held | None) -> Value | None:
        """Return the value of what the table holds for a key, None if it has expired, and count a use of the key."""
        usage = self.usage
        if isinstance(entry, tuple):
            if self._has_expired(key, entry):
                return None
            value: Value = entry[0]
            if usage is not None:
                self._keys.set(key, (value, entry[1], usage.used(entry[2])))
            return value
        if usage is not None and entry is not None:
            self._keys.set(key, (entry, None, usage.used(None)))
            self.memory += ENTRY_SIZE
        return entry

    def _has_expired(self, key: bytes, entry: Entry, is_kept: bool = False) -> bool:
        """Check whether a key has expired, and remove it if so, unless it is kept."""
        deadline = entry[1]
        if deadline is None or deadline > self._now.milliseconds or self.ignores_deadlines:
            return False
        if not is_kept:
            self._expire(key)
        return True

    def _expire(self, key: bytes) -> None:
        self.expired += 1
        self._lose(key, Change.EXPIRED)
        self.tell(b"expired", key)

    def _lose(self, key: bytes, change: Change) -> None:
        """Remove a key without a request for it, and report it to `lost`."""
        self._remove(key, change)
        if self.lost is not None:
            self.lost(self.index, key, change)

    def _remove(self, key: bytes, change: Change = Change.REMOVED) -> None:
        self._discard_large(self._take_out(key, change))

    def _take_out(self, key: bytes, change: Change = Change.REMOVED) -> Value:
        if self.witness is not None:
            self.witness.before(self.index, key, self._keys.get(key))
        entry = self._keys.pop(key)
        assert entry is not None
        value: Value = entry if not isinstance(entry, tuple) else entry[0]
        if isinstance(entry, tuple):
            self.memory -= ENTRY_SIZE
            if entry[1] is not None:
                self.expiry.remove(key, entry[1])
                self.memory -= DEADLINE_SIZE
        self.memory -= ITEM + bytes_size(key) + counted(value)
        if self.alert:
            self.touch(key, change)
        return value

    def _replaced(
        self,
        key: bytes,
        value: Value,
        old: Held | None,
        deadline: int | None,
        keep_deadline: bool,
        event: bytes | None,
    ) -> None:
        """Account for a value that was set in place of another, in all cases but the simplest ones."""
        if self.witness is not None:
            self.witness.before(self.index, key, old)
        old_value, old_deadline, mark = parts(old)
        if keep_deadline and old_deadline is not None and self.has_passed(old_deadline):
            keep_deadline = False  # only read since it has expired: this is a new key
            if self.lost is not None:
                self.lost(self.index, key, Change.EXPIRED)
        if isinstance(old, tuple):
            self.memory -= ENTRY_SIZE
        if old_value is None:
            self.memory += ITEM + bytes_size(key)
        else:
            self.memory -= counted(old_value)
            self._discard_large(old_value)
        self.memory += measure(value)
        if self.usage is not None:
            self._put_entry(key, (value, old_deadline, self.usage.used(mark)))
        elif old_deadline is not None:
            self._put_entry(key, (value, old_deadline, None))
        exists = True
        if deadline is not None:
            exists = self._expire_at(key, deadline)
        elif old_deadline is not None and not keep_deadline:
            self._set_deadline(key, None)
        if exists and self.alert:
            self.touch(key, Change.SET)
        if self.report is not None:
            if old_value is None:
                self.report(self.index, b"new", key)
            elif old_deadline is not None and self.has_passed(old_deadline):
                self.report(self.index, b"expired", key)  # nobody has looked at it since
                self.report(self.index, b"new", key)
            self.tell(event, key)

    def _expire_at(self, key: bytes, deadline: int) -> bool:
        """Set the deadline of an existing key, or remove the key if that has passed; return False if so."""
        if self.has_passed(deadline):
            self._remove(key)
            return False
        self._set_deadline(key, deadline)
        return True

    def _set_deadline(self, key: bytes, deadline: int | None) -> None:
        """Change the deadline of an existing key."""
        entry = self._keys.get(key)
        if self.witness is not None:
            self.witness.before(self.index, key, entry)
        assert entry is not None
        value, old_deadline, mark = parts(entry)
        if isinstance(entry, tuple):
            self.memory -= ENTRY_SIZE
        if old_deadline is not None:
            self.expiry.remove(key, old_deadline)
            self.memory -= DEADLINE_SIZE
        if deadline is not None:
            self.expiry.add(key, deadline)
            self.memory += DEADLINE_SIZE
        if deadline is not None or mark is not None:
            self._put_entry(key, (value, deadline, mark))
        else:
            self._keys.set(key, value)

    def _put_entry(self, key: bytes, entry: Entry) -> None:
        """Store an entry in place of its value."""
        self._keys.set(key, entry)
        self.memory += ENTRY_SIZE

    def _put(self, key: bytes, entry: Held | None, value: Value) -> None:
        """Replace the value of a key, which keeps its deadline and its recorded use."""
        self._keys.set(key, value if not isinstance(entry, tuple) else (value, entry[1], entry[2]))

    def _discard_large(self, value: Value) -> None:
        """Discard a value that no key holds any more, if it is large."""
        if not isinstance(value, bytes) and is_large(value):
            self.discard(value)
