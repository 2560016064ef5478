"""What a cache does unasked: expiry and release, a little at a time."""

from __future__ import annotations

from typing import Any, Iterator

import pytest

from twisted_kv.engine.housekeeping import KEYS_AT_ONCE, LONGEST_SLEEP, VALUES_AT_ONCE, Housekeeping
from twisted_kv.engine.units import Units
from twisted_kv.store.database import Database
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.vocabulary.clock import Now


class House:
    """Housekeeping with two databases, on a clock whose calls are made one at a time."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.now = Now(self.clock)
        self.housekeeping = Housekeeping(self.now, Units())
        self.databases = [Database(index, self.now, self.housekeeping.alarm) for index in (0, 1)]

    def fill(self, index: int, count: int, milliseconds: int) -> None:
        for number in range(count):
            self.databases[index].set(b"%d" % number, b"v", self.now.milliseconds + milliseconds)

    def turn(self) -> bool:
        """Make the one call that is due, as one turn of a reactor does; False if there is none."""
        due = [call for call in self.clock.getDelayedCalls() if call.getTime() <= self.clock.seconds()]
        if not due:
            return False
        self.clock.calls.remove(due[0])
        due[0].called = 1
        due[0].func(*due[0].args, **due[0].kw)
        return True

    def let_pass(self, milliseconds: int) -> None:
        """Let time pass without making any call."""
        self.clock.rightNow = round(self.clock.rightNow + milliseconds / 1000, 6)


class Large:
    """Something that is released in a number of steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def release(self) -> list[object] | None:
        if not self.left:
            return None
        self.left -= 1
        return []


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    house.housekeeping.start(house.databases)
    yield house
    house.housekeeping.stop()
    assert house.clock.getDelayedCalls() == []


def test_nothing_is_scheduled_while_nothing_is_to_go(house: House) -> None:
    house.databases[0].set(b"k", b"v")
    assert house.clock.getDelayedCalls() == []


def test_there_is_one_timer_for_the_nearest_deadline(house: House) -> None:
    house.fill(0, 5, 1000)
    house.fill(1, 5, 500)
    house.fill(0, 1, 2000)
    (call,) = house.clock.getDelayedCalls()
    assert call.getTime() == pytest.approx(house.clock.seconds() + 0.5, abs=1e-5)


def test_keys_of_all_databases_go_at_their_time(house: House) -> None:
    house.fill(0, 3, 100)
    house.fill(1, 2, 200)
    house.clock.advance(0.1)
    assert [len(database) for database in house.databases] == [0, 2]
    house.clock.advance(0.1)
    assert [len(database) for database in house.databases] == [0, 0]


def test_keys_stay_until_they_are_asked_for_if_that_is_wanted(house: House) -> None:
    house.fill(0, 3, 100)
    house.housekeeping.set_active_expire(False)
    house.clock.advance(1)
    assert len(house.databases[0]) == 3
    house.fill(0, 1, 200)
    assert house.clock.getDelayedCalls() == []
    house.housekeeping.set_active_expire(False)
    house.housekeeping.set_active_expire(True)
    house.clock.advance(1)
    assert len(house.databases[0]) == 0


def test_keys_that_were_due_before_the_start_go_after_it() -> None:
    house = House()
    house.fill(0, 3, 100)
    house.fill(1, 3, 5000)
    house.clock.advance(1)
    assert len(house.databases[0]) == 3
    house.housekeeping.start(house.databases)
    house.clock.advance(0)
    assert [len(database) for database in house.databases] == [0, 3]
    house.housekeeping.stop()
    assert house.clock.getDelayedCalls() == []


def test_many_keys_go_in_steps(house: House) -> None:
    house.fill(0, KEYS_AT_ONCE * 3 + 1, 100)
    house.let_pass(100)
    left = []
    while house.turn():
        left.append(len(house.databases[0]))
    assert left == [KEYS_AT_ONCE * 2 + 1, 1, 0]  # each portion is twice the one before, while there is more


def test_a_database_with_many_expiring_keys_does_not_starve_the_others(house: House) -> None:
    house.fill(0, KEYS_AT_ONCE * 5, 100)
    house.fill(1, 10, 100)
    house.let_pass(100)
    house.turn()
    house.turn()
    assert len(house.databases[1]) == 0
    assert len(house.databases[0]) > 0


def test_a_timer_whose_key_is_gone_does_no_harm(house: House) -> None:
    house.fill(0, 1, 100)
    house.databases[0].flush()
    house.clock.advance(1)
    assert house.databases[0].expired == 0
    assert house.clock.getDelayedCalls() == []
    house.fill(0, 1, 100)
    house.clock.advance(0.1)
    assert len(house.databases[0]) == 0


def test_after_the_stop_nothing_runs(house: House) -> None:
    house.fill(0, 3, 100)
    large = Large(5)
    house.housekeeping.discard(large)
    house.housekeeping.stop()
    house.housekeeping.discard(large)
    house.fill(1, 3, 100)
    assert house.clock.getDelayedCalls() == []
    house.clock.advance(10)
    assert (len(house.databases[0]), large.left) == (3, 5)


def test_large_things_are_released_a_step_at_a_time(house: House) -> None:
    one, other = Large(VALUES_AT_ONCE + 1), Large(2)
    house.housekeeping.discard(one)
    house.housekeeping.discard(other)
    assert len(house.clock.getDelayedCalls()) == 1
    assert house.turn()
    assert (one.left, other.left) == (1, 2)  # the oldest first
    assert house.turn()
    assert (one.left, other.left) == (0, 0)
    assert not house.turn()


def test_many_values_of_middling_size_are_released_one_by_one(cache: MemoryCache) -> None:
    for number in range(100):
        cache.call("HSET", number, *[word for field in range(400) for word in (field, "v")])
    server = cache.service.dispatcher.server
    values: list[Any] = [server.databases[0].lookup(b"%d" % number) for number in range(100)]
    cache.call("FLUSHALL")
    call = cache.clock.calls.pop(0)
    call.called = 1
    call.func(*call.args)
    assert 50 < sum(bool(list(value)) for value in values) < 100
    cache.clock.advance(0)
    assert not any(list(value) for value in values)


def test_flushing_what_is_empty_leaves_nothing_to_release(cache: MemoryCache) -> None:
    before = len(cache.clock.getDelayedCalls())
    cache.connect().send(b"FLUSHALL\r\n" * 1000)
    assert len(cache.clock.getDelayedCalls()) == before
    assert not cache.service.dispatcher._housekeeping._discarded


def test_a_clock_that_is_set_forward_is_noticed_soon(house: House) -> None:
    house.fill(0, 3, 3_600_000)
    house.let_pass(7_200_000)  # and no call is made, as when the wall clock jumps
    house.fill(1, 3, 1000)
    house.clock.advance(LONGEST_SLEEP + 1)
    assert (len(house.databases[0]), len(house.databases[1])) == (0, 0)


def test_release_and_expiry_go_on_side_by_side(house: House) -> None:
    house.fill(0, KEYS_AT_ONCE * 2, 100)
    house.let_pass(100)
    large = Large(2)
    house.housekeeping.discard(large)
    house.clock.advance(0)
    assert (large.left, len(house.databases[0])) == (0, 0)


def test_deleting_small_values_leaves_no_backlog(cache: MemoryCache) -> None:
    """A client that makes and deletes small hashes quickly must not outrun the release of their memory."""
    client = cache.connect()
    client.send(b"HSET h f v\r\nDEL h\r\n" * 500)
    steps = 0
    while cache.clock.calls and cache.clock.calls[0].getTime() <= cache.clock.seconds():
        call = cache.clock.calls.pop(0)
        call.called = 1
        call.func(*call.args, **call.kw)
        steps += 1
    assert steps <= 10


def test_keys_that_expire_are_removed_as_fast_as_others_are_set(house: House) -> None:
    """Or the memory grows without end: a client that pipelines sets some 350 keys in a turn of the reactor."""
    for turn in range(100):
        for each in range(350):
            house.databases[0].set(b"%d.%d" % (turn, each), b"v", house.now.read() + 1)
        house.let_pass(2)
        house.turn()
    assert len(house.databases[0]) < 5_000
