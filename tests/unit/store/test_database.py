"""One numbered database: look-up, change and expiry of keys."""

from __future__ import annotations

from random import Random

import pytest

from twisted_kv.store.database import Database
from twisted_kv.store.entries import Releasable
from twisted_kv.store.usage import LastUse
from twisted_kv.testing import Clock
from twisted_kv.values.hashes import Hash
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.errors import WrongTypeError


class Time:
    """A clock and the present that follows it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.now = Now(self.clock)

    def advance(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds / 1000)
        self.now.read()

    def after(self, milliseconds: int) -> int:
        return self.now.milliseconds + milliseconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def db(time: Time) -> Database:
    return Database(0, time.now, random=Random(1))


def a_hash(**fields: str) -> Hash:
    made = Hash()
    for field, value in fields.items():
        made.set(field.encode(), value.encode())
    return made


def test_a_key_holds_what_was_set(db: Database) -> None:
    db.set(b"k", b"v")
    assert db.lookup(b"k") == b"v"
    assert db.lookup_as(b"k", bytes) == b"v"
    assert db.read_as(b"k", bytes) == b"v"
    assert len(db) == 1


def test_a_key_that_is_not_there_is_none_of_any_type(db: Database) -> None:
    assert db.lookup(b"k") is None
    assert db.lookup_as(b"k", Hash) is None
    assert db.read_as(b"k", Hash) is None
    assert db.type_name(b"k") == b"none"


def test_a_value_of_another_type_is_refused(db: Database) -> None:
    db.set(b"k", b"v")
    with pytest.raises(WrongTypeError):
        db.lookup_as(b"k", Hash)
    with pytest.raises(WrongTypeError):
        db.read_as(b"k", Hash)


def test_types_have_redis_names(db: Database) -> None:
    db.set(b"s", b"")
    db.set(b"h", a_hash(f="v"))
    assert db.type_name(b"s") == b"string"
    assert db.type_name(b"h") == b"hash"


def test_only_reads_are_hits_and_misses(db: Database) -> None:
    db.set(b"k", b"v")
    db.lookup(b"k")
    db.lookup(b"other")
    db.read(b"k")
    db.read(b"other")
    db.read(b"another")
    assert (db.hits, db.misses) == (1, 2)


def test_a_key_is_there_until_its_millisecond(db: Database, time: Time) -> None:
    db.set(b"k", b"v", time.after(100))
    time.advance(99)
    assert db.lookup(b"k") == b"v"
    time.advance(1)
    assert db.lookup(b"k") is None
    assert len(db) == 0
    assert db.expired == 1
    assert db.deadline(b"k") is None


def test_setting_anew_lets_a_key_stay(db: Database, time: Time) -> None:
    db.set(b"k", b"v", time.after(100))
    db.set(b"k", b"w")
    time.advance(1000)
    assert db.lookup(b"k") == b"w"


def test_a_deadline_can_be_kept(db: Database, time: Time) -> None:
    db.set(b"k", b"v", time.after(100))
    db.set(b"k", b"w", keep_deadline=True)
    assert db.lookup(b"k") == b"w"
    time.advance(100)
    assert db.lookup(b"k") is None


@pytest.mark.parametrize("late", [0, 1, 100_000])
def test_a_deadline_that_has_passed_removes_the_key_at_once(db: Database, time: Time, late: int) -> None:
    db.set(b"k", b"v", time.after(100))
    db.expire_at(b"k", time.after(-late))
    assert len(db) == 0
    assert not db.expiry


def test_persisting_tells_whether_the_key_was_to_go(db: Database, time: Time) -> None:
    db.set(b"k", b"v", time.after(100))
    db.set(b"stays", b"v")
    assert db.persist(b"k")
    assert not db.persist(b"k")
    assert not db.persist(b"stays")
    assert not db.persist(b"nope")
    time.advance(1000)
    assert db.lookup(b"k") == b"v"


def test_an_expired_key_cannot_be_saved(db: Database, time: Time) -> None:
    db.set(b"k", b"v", time.after(100))
    time.advance(100)
    assert not db.persist(b"k")
    assert db.lookup(b"k") is None


def test_renaming_takes_value_and_deadline_along(db: Database, time: Time) -> None:
    when = time.after(100)
    db.set(b"k", b"v", when)
    db.set(b"other", b"old", time.after(5))
    assert db.rename(b"k", b"other")
    assert db.lookup(b"k") is None
    assert db.lookup(b"other") == b"v"
    assert db.deadline(b"other") == when
    assert not db.rename(b"k", b"other")


def test_renaming_a_key_that_stays_frees_the_target_of_its_deadline(db: Database, time: Time) -> None:
    db.set(b"k", b"v")
    db.set(b"other", b"old", time.after(5))
    db.rename(b"k", b"other")
    assert db.deadline(b"other") is None


def test_deleting_tells_what_was_there_and_forgets_the_deadline(db: Database, time: Time) -> None:
    db.set(b"k", b"v", time.after(100))
    assert db.delete(b"k")
    assert not db.delete(b"k")
    db.set(b"k", b"w")
    time.advance(1000)
    assert db.lookup(b"k") == b"w"


def test_a_value_that_became_empty_takes_its_key_along(db: Database, time: Time) -> None:
    value = a_hash(f="v")
    db.set(b"h", value, time.after(100))
    value.pop(b"f")
    db.changed(b"h")
    assert len(db) == 0
    assert not db.expiry


def test_a_value_that_is_not_empty_stays_after_a_change(db: Database) -> None:
    value = a_hash(f="v")
    db.set(b"h", value)
    value.set(b"g", b"w")
    before = db.changes
    db.changed(b"h")
    assert db.lookup(b"h") is value
    assert db.changes == before + 1


def test_keys_that_have_expired_are_not_listed(db: Database, time: Time) -> None:
    db.set(b"stays", b"v")
    assert list(db.live_keys()) == [b"stays"]
    db.set(b"goes", b"v", time.after(100))
    time.advance(99)
    assert sorted(db.live_keys()) == [b"goes", b"stays"]
    time.advance(1)
    assert list(db.live_keys()) == [b"stays"]


def test_keys_that_have_expired_are_not_scanned(db: Database, time: Time) -> None:
    db.set(b"stays", b"v")
    assert db.scan(0, 10) == (0, [(b"stays", b"v")])
    db.set(b"goes", b"v", time.after(100))
    time.advance(100)
    assert db.scan(0, 10) == (0, [(b"stays", b"v")])
    assert len(db) == 1


def test_a_random_key_is_none_that_has_expired(db: Database, time: Time) -> None:
    assert db.random_key() is None
    for number in range(20):
        db.set(b"%d" % number, b"v", time.after(100))
    db.set(b"stays", b"v")
    time.advance(100)
    assert db.random_key() == b"stays"
    db.delete(b"stays")
    assert db.random_key() is None
    assert len(db) == 0


def test_due_keys_are_removed_a_few_at_a_time(db: Database, time: Time) -> None:
    for number in range(10):
        db.set(b"%d" % number, b"v", time.after(number + 1))
    time.advance(5)
    assert db.expire_due(3) == 3
    assert len(db) == 7
    assert db.expire_due(100) == 2
    assert db.expire_due(100) == 0
    assert db.expired == 5


def test_the_alarm_is_called_with_the_nearest_deadline(time: Time) -> None:
    alarms: list[int] = []
    db = Database(0, time.now, alarms.append)
    db.set(b"a", b"v", time.after(100))
    db.set(b"b", b"v", time.after(200))
    db.flush()
    db.set(b"c", b"v", time.after(300))
    assert alarms == [time.after(100), time.after(100) + 200]


def test_flushing_leaves_nothing_and_gives_what_is_to_be_released(time: Time) -> None:
    discarded: list[Releasable] = []
    db = Database(0, time.now, discard=discarded.append)
    for number in range(2000):
        db.set(b"%d" % number, b"v", time.after(1000))
    before = db.changes
    db.flush()
    assert len(db) == 0
    assert not db.expiry
    assert db.changes == before + 2000
    released: list[object] = []
    for each in discarded:
        while (part := each.release()) is not None:
            released += part
    assert sum(isinstance(each, tuple) and each[0] == b"v" for each in released) == 2000
    db.set(b"k", b"v")
    assert db.lookup(b"k") == b"v"


def test_every_change_is_counted_and_no_look_up_is(db: Database, time: Time) -> None:
    db.set(b"k", b"v", time.after(1000))
    counts = [db.changes]
    for change in (lambda: db.persist(b"k"), lambda: db.rename(b"k", b"l"), lambda: db.delete(b"l")):
        change()
        counts.append(db.changes)
    assert counts == sorted(set(counts))
    before = db.changes
    db.lookup(b"k")
    db.delete(b"k")
    db.persist(b"k")
    db.rename(b"k", b"l")
    assert db.changes == before


def test_a_random_key_is_found_among_expired_ones(db: Database, time: Time) -> None:
    for number in range(2000):
        db.set(b"%d" % number, b"v", time.after(100))
    time.advance(100)
    assert db.random_key() is None
    assert len(db) > 1000  # it does not wait until all are removed
    db.set(b"stays", b"v")
    assert db.random_key() == b"stays"


def test_the_use_of_a_key_is_known_from_the_first_use_on(db: Database, time: Time) -> None:
    db.set(b"k", b"v")
    db.set(b"goes", b"v", time.after(1000))
    db.usage = LastUse(time.now)
    assert db.mark(b"k") is None
    time.advance(10)
    assert db.lookup(b"k") == b"v"
    assert db.mark(b"k") == time.now.milliseconds
    assert db.lookup(b"goes") == b"v"
    assert db.persist(b"goes")
    assert db.mark(b"goes") == time.now.milliseconds
    assert db.deadline(b"goes") is None
    for key in (b"k", b"goes"):
        db.delete(key)
    assert db.memory == 0
