"""Who watches a key is told of each change of it, and who witnesses changes before they are made."""

from __future__ import annotations

from typing import Callable, List, Tuple

import pytest

from twisted_kv.store.database import Database
from twisted_kv.store.entries import Held
from twisted_kv.store.observers import Change, Watcher
from twisted_kv.testing import Clock
from twisted_kv.values.lists import List as List_
from twisted_kv.values.sharded import ShardedDict
from twisted_kv.vocabulary.clock import Now


class Seen:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.before_changes: list[tuple[int, bytes, object]] = []

    def before(self, index: int, key: bytes, held: Held | None) -> None:
        self.before_changes.append((index, key, held))

    def flushed(self, index: int, keys: ShardedDict[Held]) -> None:
        raise AssertionError("nothing is flushed here")

    def swapped(self, index: int, other: int) -> None:
        raise AssertionError("nothing is swapped here")


@pytest.fixture
def database() -> Database:
    return Database(3, Now(Clock()))


Told = List[Tuple[bytes, Change]]


def noting(told: Told) -> Watcher:
    return lambda key, event: told.append((key, event))


def test_one_of_two_watchers_may_go(database: Database) -> None:
    first: Told = []
    second: Told = []
    one, other = noting(first), noting(second)
    database.watch(b"k", one)
    database.watch(b"k", other)
    database.watch(b"other", one)
    database.set(b"k", b"v")
    database.unwatch(b"k", one)
    database.set(b"k", b"w")
    assert first == [(b"k", Change.SET)]
    assert second == [(b"k", Change.SET)] * 2
    database.unwatch(b"k", other)
    database.unwatch(b"other", one)
    assert not database.watched


def change(database: Database) -> None:
    database.edit_or_make(b"l", List_).append(b"x")
    database.changed(b"l")


def empty(database: Database) -> None:
    database.edit_or_make(b"l", List_).append(b"x")
    database.changed(b"l")
    value = database.edit(b"l", List_)
    assert value is not None
    value.pop_left()
    database.changed(b"l")


def expire(database: Database) -> None:
    database.set(b"k", b"v", database._now.milliseconds + 5)
    clock = database._now.clock
    assert isinstance(clock, Clock)
    clock.advance(0.005)
    database._now.stale = True
    assert database.peek(b"k") is None


@pytest.mark.parametrize(
    ("act", "events"),
    [
        (lambda database: database.set(b"k", b"w"), [(b"k", Change.SET)]),
        (lambda database: database.set(b"k", b"w", 10**15), [(b"k", Change.SET)]),
        (lambda database: database.set(b"k", b"w", 1), [(b"k", Change.REMOVED)]),
        (change, [(b"l", Change.SET), (b"l", Change.CHANGED)]),
        (empty, [(b"l", Change.SET), (b"l", Change.CHANGED), (b"l", Change.REMOVED)]),
        (lambda database: database.delete(b"k"), [(b"k", Change.REMOVED)]),
        (lambda database: database.expire_at(b"k", 10**15), [(b"k", Change.EXPIRE)]),
        (lambda database: database.expire_at(b"k", 1), [(b"k", Change.REMOVED)]),
        (
            lambda database: (database.expire_at(b"k", 10**15), database.persist(b"k")),
            [(b"k", Change.EXPIRE), (b"k", Change.PERSISTED)],
        ),
        (lambda database: database.rename(b"k", b"l"), [(b"k", Change.REMOVED), (b"l", Change.SET)]),
        (lambda database: database.move(b"k", Database(4, database._now)), [(b"k", Change.REMOVED)]),
        (lambda database: database.swap(Database(4, database._now)), [(b"k", Change.SWAPPED)]),
        (lambda database: database.flush(), [(b"k", Change.FLUSHED)]),
        (lambda database: database.evict(b"k"), [(b"k", Change.EVICTED)]),
        (expire, [(b"k", Change.SET), (b"k", Change.EXPIRED)]),
        # Redis loads all keys anew (DEBUG RELOAD), and counts that as a change of those that are watched.
        (lambda database: database.reload(b"k", bytes([118])), [(b"k", Change.RELOADED)]),
    ],
)
def test_a_watcher_is_told_what_happened(database: Database, act: Callable[[Database], object], events: Told) -> None:
    told: Told = []
    database.set(b"k", b"v")
    for key in (b"k", b"l"):
        database.watch(key, noting(told))
    act(database)
    assert told == events


@pytest.mark.parametrize(("act", "event"), [(expire, Change.EXPIRED), (lambda it: it.evict(b"k"), Change.EVICTED)])
def test_who_asks_for_lost_keys_is_told_why(
    database: Database, act: Callable[[Database], object], event: Change
) -> None:
    lost: list[tuple[int, bytes, Change]] = []
    database.set(b"k", b"v")
    database.lost = lambda index, key, why: lost.append((index, key, why))
    act(database)
    database.set(b"k", b"v")
    database.delete(b"k")
    assert lost == [(3, b"k", event)]


def test_a_value_is_witnessed_before_an_equal_one_takes_its_place(database: Database) -> None:
    seen = Seen()
    database.set(b"k", b"v")
    memory = database.memory
    database.witness = seen
    database.reload(b"k", bytes([118]))
    assert seen.before_changes == [(3, b"k", b"v")]
    assert (database.peek(b"k"), database.memory) == (b"v", memory)
