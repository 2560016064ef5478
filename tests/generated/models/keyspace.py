"""Keys and values as Python has them, and what is said of an answer that is not known beforehand."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, NamedTuple, Set, Tuple, Type, TypeVar, Union

Place = Tuple[int, bytes]
"""A database and a key."""
Span = Tuple[int, int]
"""Milliseconds since 1970: not before the first, not after the second."""
Id = Tuple[int, int]
"""An identity in a stream."""

SLACK = 100
"""Milliseconds by which a date may be off: a server may read its clock once for many requests."""


class Ranked(Dict[bytes, float]):
    """A sorted set: scores by their members."""


class Pending(NamedTuple):
    """Whose an entry is that was delivered, when, and how often."""

    consumer: bytes
    delivered: Span
    count: int


class Group(NamedTuple):
    """A group of a stream.

    When its consumers were seen, and how many entries it has read, no log tells.
    """

    last: Id
    consumers: FrozenSet[bytes]
    pending: Dict[Id, Pending]


class Streamed(NamedTuple):
    """A stream."""

    entries: Dict[Id, Tuple[bytes, ...]]
    last: Id
    deleted: Id
    added: int
    groups: Dict[bytes, Group]


Value = Union[bytes, Dict[bytes, bytes], List[bytes], Set[bytes], Ranked, Streamed]


class Entry(NamedTuple):
    """The value at a key, and when it expires, if it does."""

    value: Value
    expires: Span | None = None


Keyspace = Dict[Place, Entry]


def near(one: Span, other: Span) -> bool:
    """Tell whether two dates may be the same."""
    return one[0] <= other[1] + SLACK and other[0] <= one[1] + SLACK


def alike(expected: Entry | None, found: Entry | None) -> bool:
    """Tell whether an entry is the expected one, its dates up to what was known of the time."""
    if expected is None or found is None:
        return expected is found
    if (expected.expires is None) is not (found.expires is None):
        return False
    if expected.expires and found.expires and not near(expected.expires, found.expires):
        return False
    if isinstance(expected.value, Streamed) and isinstance(found.value, Streamed):
        return _alike_streams(expected.value, found.value)
    return type(expected.value) is type(found.value) and expected.value == found.value


def _alike_streams(expected: Streamed, found: Streamed) -> bool:
    if expected[:4] != found[:4] or expected.groups.keys() != found.groups.keys():
        return False
    return all(_alike_groups(group, found.groups[name]) for name, group in expected.groups.items())


def _alike_groups(expected: Group, found: Group) -> bool:
    if expected[:2] != found[:2] or expected.pending.keys() != found.pending.keys():
        return False
    pairs = [(each, found.pending[entry_id]) for entry_id, each in expected.pending.items()]
    return all(
        one.consumer == other.consumer and one.count == other.count and near(one.delivered, other.delivered)
        for one, other in pairs
    )


class RefusedError(Exception):
    """A request that is answered with an error and changes nothing."""


REFUSED = object()
"""What the model answers where a server gives an error, whichever."""

A_NUMBER = object()
"""What the model answers where only the other connections know which number it is."""

UNKNOWN = object()
"""What was answered to a request if nothing was, so that nobody knows what the server chose."""

Held = TypeVar("Held")


class Keys:
    """The keys of one connection as they must be; `touched` are those that the last request may have changed.

    `reply` is what a request was answered, if it was, and `found` are the keys after the last request of all: they
    tell what a server has chosen.
    """

    def __init__(self, keys: Keyspace) -> None:
        self.keys = dict(keys)
        self.touched: set[Place] = set()
        self.database = 0
        self.now: Span = (0, 0)
        self.reply: Any = UNKNOWN
        self.found: Keyspace = {}

    def get(self, key: bytes) -> Entry | None:
        return self.keys.get((self.database, key))

    def put(self, key: bytes, entry: Entry | None, database: int | None = None) -> None:
        """Have a key hold an entry; a collection that is empty is not kept, but for a stream."""
        place = self.database if database is None else database, key
        self.touched.add(place)
        if entry is None or (not entry.value and not isinstance(entry.value, bytes)):
            self.keys.pop(place, None)
        else:
            self.keys[place] = entry

    def held(self, key: bytes, kind: Type[Held]) -> Held | None:
        """Give the value at a key, which must be of a kind."""
        entry = self.get(key)
        if entry is None:
            return None
        if type(entry.value) is not kind:
            raise RefusedError
        return entry.value

    def change(self, key: bytes, value: Value) -> None:
        """Have a key hold another value, for as long as it held the one before."""
        old = self.get(key)
        self.put(key, Entry(value, old.expires if old else None))

    def after(self, milliseconds: int) -> Span:
        return self.now[0] + milliseconds, self.now[1] + milliseconds

    def found_at(self, key: bytes, kind: Type[Held]) -> Held | None:
        """Give the value that is at a key after the last request of all, if it is of a kind."""
        entry = self.found.get((self.database, key))
        return entry.value if entry is not None and type(entry.value) is kind else None


def integer(value: bytes) -> int:
    if not value.lstrip(b"-").isdigit():
        raise RefusedError
    return int(value)
