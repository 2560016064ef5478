"""How keys were used, as files and RESTORE tell it."""

from __future__ import annotations

from random import Random

import pytest

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.uses import mark_of, use_of
from twisted_kv.settings.config import Settings
from twisted_kv.store.database import Database
from twisted_kv.store.usage import FIRST_COUNT, LastUse, UseCount
from twisted_kv.testing import Clock
from twisted_kv.vocabulary.clock import Now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def now(clock: Clock) -> Now:
    return Now(clock)


def pass_time(clock: Clock, now: Now, seconds: float) -> None:
    clock.advance(seconds)
    now.read()


def test_without_an_account_nothing_is_told_nor_kept() -> None:
    assert use_of(None, 7) is None
    assert mark_of(None, (rdb.IDLE, 7)) is None
    assert mark_of(None, None) is None


@pytest.mark.parametrize("idle", [0, 1, 70_000])
def test_idle_seconds_survive(clock: Clock, now: Now, idle: int) -> None:
    usage = LastUse(now)
    assert mark_of(usage, None) is None
    assert mark_of(usage, (rdb.FREQUENCY, 7)) is None
    mark = mark_of(usage, (rdb.IDLE, idle))
    assert use_of(usage, mark) == (rdb.IDLE, idle)
    pass_time(clock, now, 10.9)
    assert use_of(usage, mark) == (rdb.IDLE, idle + 10)
    assert use_of(usage, None) == (rdb.IDLE, 10)


def test_more_idle_seconds_than_there_were_are_as_many_as_there_were(now: Now) -> None:
    usage = LastUse(now)
    assert mark_of(usage, (rdb.IDLE, 1 << 63)) == 0


def test_a_clock_that_was_set_back_makes_no_key_used_in_the_future(clock: Clock, now: Now) -> None:
    usage = LastUse(now)
    mark = usage.used(None)
    clock.rightNow -= 1000
    now.read()
    assert use_of(usage, mark) == (rdb.IDLE, 0)


@pytest.mark.parametrize("count", [0, 1, 5, 255])
def test_a_count_survives(clock: Clock, now: Now, count: int) -> None:
    usage = UseCount(now, Settings(), Random(1))
    assert mark_of(usage, None) is None
    assert mark_of(usage, (rdb.IDLE, 7)) is None
    mark = mark_of(usage, (rdb.FREQUENCY, count))
    assert use_of(usage, mark) == (rdb.FREQUENCY, count)
    pass_time(clock, now, 120)
    assert use_of(usage, mark) == (rdb.FREQUENCY, max(0, count - 2))
    assert use_of(usage, None) == (rdb.FREQUENCY, FIRST_COUNT)


def test_a_mark_can_be_given_to_any_key(now: Now) -> None:
    database = Database(0, now)
    database.set(b"k", b"v")
    memory = database.memory
    for mark in (7, 8):
        database.set_mark(b"k", mark)
        assert database.mark(b"k") == mark
        assert database.peek(b"k") == b"v"
    assert database.delete(b"k")
    assert database.memory == 0 < memory
