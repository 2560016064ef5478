"""One numbered database: keys, their values and their deadlines.

Every look-up and every change of a key goes through the methods here, and a key whose time has come is never seen
through them, whether or not it has been removed yet.  This is the one place that counts changes; whatever must hear of
them (snapshots, watching clients, events) hooks in here.
"""

from __future__ import annotations

from random import Random
from typing import Any, Callable, Final, Iterator, Protocol, Sequence, Type, TypeVar, Union

from twisted_kv.clock import Now
from twisted_kv.errors import WrongTypeError
from twisted_kv.store.expiry import Expiry
from twisted_kv.values.hashes import Hash
from twisted_kv.values.sharded import SHARD_SIZE, ShardedDict

Value = Union[bytes, Hash]
V = TypeVar("V", bytes, Hash)

TYPE_NAMES: Final[dict[type, bytes]] = {bytes: b"string", Hash: b"hash"}
"""What TYPE answers for each kind of value."""


class Releasable(Protocol):
    """Something large that nobody uses any more.  To drop it in one go would stop the process for long."""

    def release(self) -> Sequence[object] | None:
        """Take a small part out; gives what was in it, None when nothing is left."""


def is_large(value: object) -> bool:
    """Tell whether to drop a value would take so long that it is better done in steps."""
    return isinstance(value, ShardedDict) and len(value) > SHARD_SIZE


def _ignore_alarm(deadline: int) -> None:
    """Nobody waits for deadlines: keys expire when they are asked for."""


def _drop(value: Releasable) -> None:
    """Nobody releases things in steps: they go at once."""


class Database:
    """The keys of one database.

    `now` tells the time; `alarm` is called with each deadline (milliseconds since 1970) that is nearer than all others;
    `discard` is given what is large and used no more.
    """

    __slots__ = (
        "_alarm",
        "_discard",
        "_keys",
        "_now",
        "changes",
        "expired",
        "expiry",
        "hits",
        "index",
        "misses",
        "random",
    )

    def __init__(
        self,
        index: int,
        now: Now,
        alarm: Callable[[int], None] = _ignore_alarm,
        discard: Callable[[Releasable], None] = _drop,
        random: Random | None = None,
    ) -> None:
        self.index = index
        self.random = random or Random()
        self.changes = 0
        self.hits = 0
        self.misses = 0
        self.expired = 0
        self._now = now
        self._alarm = alarm
        self._discard = discard
        self._keys: ShardedDict[Any] = ShardedDict()
        self.expiry = Expiry(alarm)

    def __len__(self) -> int:
        return len(self._keys)

    # Look-up

    def lookup(self, key: bytes) -> Value | None:
        """Give the value of a key of any type, or None; not counted as a hit or miss."""
        value: Value | None = self._keys.get(key)
        if value is not None and self.expiry and self._has_expired(key):
            return None
        return value

    def lookup_as(self, key: bytes, kind: Type[V]) -> V | None:
        """Like `lookup` for one type of value; raises `WrongTypeError` for another."""
        value = self.lookup(key)
        if value is None or type(value) is kind:
            return value
        raise WrongTypeError

    def read(self, key: bytes) -> Value | None:
        """Give the value of a key of any type, or None, and count a hit or a miss."""
        value = self.lookup(key)
        if value is None:
            self.misses += 1
        else:
            self.hits += 1
        return value

    def read_as(self, key: bytes, kind: Type[V]) -> V | None:
        """Like `read` for one type of value; raises `WrongTypeError` for another."""
        value = self.read(key)
        if value is None or type(value) is kind:
            return value
        raise WrongTypeError

    def deadline(self, key: bytes) -> int | None:
        """Give the date in milliseconds at which a key goes, or None if it stays."""
        return self.expiry.deadline(key)

    def type_name(self, key: bytes) -> bytes:
        """Give the name of the type of a key's value, as TYPE has it; `none` for no key."""
        value = self.read(key)
        return b"none" if value is None else TYPE_NAMES[type(value)]

    def live_keys(self) -> Iterator[bytes]:
        """Give all keys; the database must not be changed meanwhile."""
        if not self.expiry:
            return iter(self._keys)
        now = self._now.milliseconds
        return (key for key in self._keys if now < (self.expiry.deadline(key) or now + 1))

    def scan(self, cursor: int, count: int) -> tuple[int, list[tuple[bytes, Value]]]:
        """Give some keys with their values from a cursor on, about `count`, and the cursor to go on with.

        The walk begins and ends with 0.  A key that is there from its start to its end is given exactly once.
        """
        cursor, items = self._keys.scan(cursor, count)
        if self.expiry:
            items = [item for item in items if not self._has_expired(item[0])]
        return cursor, items

    def random_key(self) -> bytes | None:
        """Give any key, each as likely as the others, or None if there is none."""
        while (key := self._keys.random_key(self.random)) is not None:
            if not self.expiry or not self._has_expired(key):
                return key
        return None

    # Change

    def set(self, key: bytes, value: Value, deadline: int | None = None, *, keep_deadline: bool = False) -> None:
        """Set the value of a key, whatever it held.

        It goes at `deadline`, a date in milliseconds, or stays; with `keep_deadline` the one it had holds on.
        """
        self.changes += 1
        old = self._keys.set(key, value)
        if old is not None and type(old) is not bytes and is_large(old):
            self._discard(old)
        if deadline is not None:
            self.expire_at(key, deadline)
        elif self.expiry and not keep_deadline:
            self.expiry.discard(key)

    def changed(self, key: bytes) -> None:
        """Say that the value of a key was changed in place.  A value that became empty takes its key along."""
        self.changes += 1
        if not self._keys.get(key):
            self._remove(key)

    def delete(self, key: bytes) -> bool:
        """Remove a key; True if there was one."""
        if self.lookup(key) is None:
            return False
        self.changes += 1
        self._remove(key)
        return True

    def expire_at(self, key: bytes, deadline: int) -> None:
        """Let an existing key go at a date in milliseconds; at once, if that has passed."""
        self.changes += 1
        if deadline <= self._now.milliseconds:
            self._remove(key)
        else:
            self.expiry.set(key, deadline)

    def persist(self, key: bytes) -> bool:
        """Let a key stay; True if it was to go."""
        if self.lookup(key) is None or not self.expiry.discard(key):
            return False
        self.changes += 1
        return True

    def rename(self, source: bytes, target: bytes) -> bool:
        """Give the value and the deadline of a key to another, whatever that held; False if there is no such key."""
        value = self.lookup(source)
        if value is None:
            return False
        deadline = self.expiry.deadline(source)
        self._take_out(source)
        self.set(target, value, deadline)
        return True

    def flush(self) -> None:
        """Remove all keys."""
        if not len(self._keys):
            return
        self.changes += len(self._keys)
        self._discard(self._keys)
        if self.expiry:
            self._discard(self.expiry)
        self._keys = ShardedDict()
        self.expiry = Expiry(self._alarm)

    def expire_due(self, most: int) -> int:
        """Remove up to `most` keys whose time has come; gives how many they were."""
        keys = self.expiry.due(self._now.milliseconds, most)
        for key in keys:
            self._expire(key)
        return len(keys)

    def _has_expired(self, key: bytes) -> bool:
        """Tell whether a key's time has come, and remove it then."""
        deadline = self.expiry.deadline(key)
        if deadline is None or deadline > self._now.milliseconds:
            return False
        self._expire(key)
        return True

    def _expire(self, key: bytes) -> None:
        self.expired += 1
        self._remove(key)

    def _remove(self, key: bytes) -> None:
        value = self._take_out(key)
        if type(value) is not bytes and is_large(value):
            self._discard(value)

    def _take_out(self, key: bytes) -> Any:
        value = self._keys.pop(key)
        if self.expiry:
            self.expiry.discard(key)
        return value
