"""Who watches a key is told of each change of it, and who witnesses changes before they are made."""

from __future__ import annotations

import pytest

from twisted_kv.clock import Now
from twisted_kv.store.database import Database, Held
from twisted_kv.testing import Clock
from twisted_kv.values.sharded import ShardedDict


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


def test_one_of_two_watchers_may_go(database: Database) -> None:
    first: list[bytes] = []
    second: list[bytes] = []
    database.watch(b"k", first.append)
    database.watch(b"k", second.append)
    database.watch(b"other", first.append)
    database.set(b"k", b"v")
    database.unwatch(b"k", first.append)
    database.set(b"k", b"w")
    assert first == [b"k"]
    assert second == [b"k", b"k"]
    database.unwatch(b"k", second.append)
    database.unwatch(b"other", first.append)
    assert not database.watched


def test_a_key_that_is_to_stay_has_changed(database: Database) -> None:
    told: list[bytes] = []
    database.set(b"k", b"v", 10**15)
    database.watch(b"k", told.append)
    assert database.persist(b"k")
    assert told == [b"k"]


def test_a_value_is_witnessed_before_an_equal_one_takes_its_place(database: Database) -> None:
    seen = Seen()
    database.set(b"k", b"v")
    memory = database.memory
    database.witness = seen
    database.reload(b"k", bytes([118]))
    assert seen.before_changes == [(3, b"k", b"v")]
    assert (database.peek(b"k"), database.memory) == (b"v", memory)


def test_who_watches_is_told_of_an_equal_value_in_the_place_of_another(database: Database) -> None:
    """Redis loads all keys anew (DEBUG RELOAD), and counts that as a change of those that are watched."""
    told: list[bytes] = []
    database.set(b"k", b"v")
    database.watch(b"k", told.append)
    database.reload(b"k", bytes([118]))
    assert told == [b"k"]
