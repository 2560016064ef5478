"""The deadlines of keys: by key and in order."""

from __future__ import annotations

import pytest

from twisted_kv.store.expiry import RELEASED_AT_ONCE, Expiry


@pytest.fixture
def alarms() -> list[int]:
    return []


@pytest.fixture
def expiry(alarms: list[int]) -> Expiry:
    return Expiry(alarms.append)


def test_a_deadline_is_told_by_key(expiry: Expiry) -> None:
    expiry.set(b"k", 100)
    assert expiry.deadline(b"k") == 100
    assert expiry.deadline(b"other") is None
    assert len(expiry) == 1


def test_a_new_deadline_replaces_the_old_one(expiry: Expiry) -> None:
    for deadline in range(1000, 0, -1):
        expiry.set(b"k", deadline)
    assert len(expiry) == 1
    assert expiry.due(10_000, 10) == [b"k"]


def test_the_nearest_deadline_is_known(expiry: Expiry) -> None:
    assert expiry.next_deadline() is None
    expiry.set(b"a", 300)
    expiry.set(b"b", 100)
    assert expiry.next_deadline() == 100
    expiry.discard(b"b")
    assert expiry.next_deadline() == 300


def test_the_alarm_rings_for_deadlines_nearer_than_all_others_only(expiry: Expiry, alarms: list[int]) -> None:
    expiry.set(b"a", 300)
    expiry.set(b"b", 400)
    expiry.set(b"c", 200)
    assert alarms == [300, 200]


def test_keys_are_due_in_the_order_of_their_deadlines(expiry: Expiry) -> None:
    for key, deadline in ((b"late", 300), (b"first", 100), (b"second", 200)):
        expiry.set(key, deadline)
    assert expiry.due(99, 10) == []
    assert expiry.due(200, 10) == [b"first", b"second"]
    assert expiry.due(1000, 1) == [b"first"]


def test_discarding_tells_whether_there_was_a_deadline(expiry: Expiry) -> None:
    expiry.set(b"k", 100)
    assert expiry.discard(b"k")
    assert not expiry.discard(b"k")
    assert not expiry


def test_the_mean_time_left_is_that_of_the_keys(expiry: Expiry) -> None:
    assert expiry.mean_left(0) == 0
    for number in range(100):
        expiry.set(b"%d" % number, 1000)
    assert expiry.mean_left(400) == 600
    assert expiry.mean_left(5000) == 0


def test_deadlines_are_released_in_steps(expiry: Expiry) -> None:
    for number in range(RELEASED_AT_ONCE * 3):
        expiry.set(b"%d" % number, number)
    steps = 1
    while expiry.release():
        steps += 1
    assert steps >= 3
    assert expiry.next_deadline() is None
