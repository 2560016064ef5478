"""The order of the deadlines of keys."""

from __future__ import annotations

from random import Random

import pytest

from twisted_kv.store.expiry import Expiry

HOUR = 3_600_000


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
    assert expiry.next_date() is None
    assert expiry.nearest() is None
    expiry.add(b"a", 300)
    expiry.add(b"b", 100)
    assert expiry.next_date() == 100
    assert expiry.nearest() == (100, b"b")
    expiry.remove(b"b", 100)
    assert expiry.next_date() == 300


def test_of_few_keys_of_one_bucket_the_nearest_is_known(expiry: Expiry) -> None:
    for number in range(20):
        expiry.add(b"%d" % number, HOUR + (number + 7) % 20)
    assert expiry.nearest() == (HOUR, b"13")


def test_the_alarm_rings_for_deadlines_nearer_than_all_others_only(expiry: Expiry, alarms: list[int]) -> None:
    expiry.add(b"a", 300)
    expiry.add(b"b", 400)
    expiry.add(b"c", 200)
    assert alarms == [300, 200]


def test_the_alarm_rings_two_widths_before_a_bucket_begins(expiry: Expiry, alarms: list[int]) -> None:
    expiry.add(b"a", 10 * 1024 + 7)
    expiry.add(b"b", 10 * 1024 + 5)
    expiry.add(b"c", 9 * 1024)
    expiry.add(b"d", 5 << 20)
    assert alarms == [8 * 1024, 7 * 1024]
    assert expiry.advance(7 * 1024 - 1, 10) == 0
    assert expiry.advance(7 * 1024, 10) == 1
    assert expiry.next_date() == 8 * 1024
    assert expiry.advance(8 * 1024, 10) == 2
    assert expiry.due(10 * 1024 + 6, 10) == [b"c", b"b"]
    assert expiry.next_date() == 9 * 1024


def test_a_bucket_is_opened_in_steps(expiry: Expiry) -> None:
    for number in range(1000):
        expiry.add(b"%d" % number, HOUR)
    now = HOUR - 1000
    steps = 0
    while expiry.advance(now, 64):
        steps += 1
    assert steps >= 1000 // 64
    assert expiry.due(HOUR - 1, 2000) == []
    assert len(expiry.due(HOUR, 2000)) == 1000


def test_a_deadline_is_removed_and_replaced_while_its_bucket_is_open(expiry: Expiry) -> None:
    for number in range(100):
        expiry.add(b"%d" % number, HOUR)
    assert expiry.advance(HOUR - 1000, 50) == 50
    for number in range(0, 100, 2):
        expiry.remove(b"%d" % number, HOUR)
        expiry.move(b"%d" % (number + 1), HOUR, HOUR + 1)
    assert len(expiry) == 50
    while expiry.advance(HOUR - 1000, 50):
        pass
    assert expiry.due(HOUR, 100) == []
    assert sorted(expiry.due(HOUR + 1, 100)) == sorted(b"%d" % number for number in range(1, 100, 2))


def test_a_deadline_that_is_not_there_is_not_removed(expiry: Expiry) -> None:
    with pytest.raises(ValueError, match="does not expire"):
        expiry.remove(b"k", 100)
    expiry.add(b"k", 100)
    with pytest.raises(ValueError, match="does not expire"):
        expiry.move(b"k", HOUR, HOUR)
    assert len(expiry) == 1


def test_a_key_that_is_set_again_and_again_leaves_no_numbers_behind(expiry: Expiry) -> None:
    expiry.add(b"k", 0)
    for number in range(1, 100_000):
        expiry.move(b"k", (number - 1) << 40, number << 40)
    assert sum(len(level.order) + len(level.buckets) for level in expiry._levels) < 1000


def test_a_clock_that_is_set_back_makes_no_bucket_for_each_millisecond(expiry: Expiry) -> None:
    expiry.advance(1000 * HOUR, 1)
    expiry.advance(0, 1)
    for number in range(1000):
        expiry.add(b"%d" % number, HOUR + 1000 * number)
    assert sum(len(level.buckets) for level in expiry._levels) < 10


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
