"""The order of the deadlines of keys."""

from __future__ import annotations

from random import Random

import pytest

from twisted_kv.store.expiry import Expiry


@pytest.fixture
def alarms() -> list[int]:
    return []


@pytest.fixture
def expiry(alarms: list[int]) -> Expiry:
    return Expiry(alarms.append)


def test_a_deadline_that_is_replaced_leaves_nothing(expiry: Expiry) -> None:
    expiry.add(b"k", 1000)
    for deadline in range(999, 0, -1):
        expiry.remove(b"k", deadline + 1)
        expiry.add(b"k", deadline)
    assert len(expiry) == 1
    assert expiry.due(10_000, 10) == [b"k"]


def test_a_key_that_has_a_deadline_can_be_drawn(expiry: Expiry) -> None:
    random = Random(1)
    assert expiry.random_key(random) is None
    for key in (b"a", b"b", b"c"):
        expiry.add(key, 100)
    assert {expiry.random_key(random) for _ in range(100)} == {b"a", b"b", b"c"}


def test_the_nearest_deadline_is_known(expiry: Expiry) -> None:
    assert expiry.next_deadline() is None
    assert expiry.next_key() is None
    expiry.add(b"a", 300)
    expiry.add(b"b", 100)
    assert expiry.next_deadline() == 100
    assert expiry.next_key() == b"b"
    expiry.remove(b"b", 100)
    assert expiry.next_deadline() == 300


def test_the_alarm_rings_for_deadlines_nearer_than_all_others_only(expiry: Expiry, alarms: list[int]) -> None:
    expiry.add(b"a", 300)
    expiry.add(b"b", 400)
    expiry.add(b"c", 200)
    assert alarms == [300, 200]


def test_keys_are_due_in_the_order_of_their_deadlines(expiry: Expiry) -> None:
    for key, deadline in ((b"late", 300), (b"first", 100), (b"second", 200)):
        expiry.add(key, deadline)
    assert expiry.due(99, 10) == []
    assert expiry.due(200, 10) == [b"first", b"second"]
    assert expiry.due(1000, 1) == [b"first"]


def test_the_mean_time_left_is_that_of_the_keys(expiry: Expiry) -> None:
    assert expiry.mean_left(0) == 0
    for number in range(100):
        expiry.add(b"%d" % number, 1000)
    assert expiry.mean_left(400) == 600
    assert expiry.mean_left(5000) == 0
