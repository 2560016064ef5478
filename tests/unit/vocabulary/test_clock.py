"""One clock for everything that passes with time."""

from __future__ import annotations

import time

import pytest
import twisted.internet
from twisted.internet import task

from twisted_kv.testing import START, Clock
from twisted_kv.vocabulary.clock import Now, SystemClock


def test_the_system_clock_counts_from_1970() -> None:
    before = time.time()
    seconds = SystemClock().seconds()
    assert before <= seconds <= time.time()


def test_the_system_clock_calls_later_by_the_reactor_it_was_given() -> None:
    reactor = task.Clock()
    calls: list[object] = []
    clock = SystemClock(reactor)
    clock.callLater(2.5, lambda *words, **options: calls.append((words, options)), 1, b=2)
    cancelled = clock.callLater(1, calls.append, "never")
    cancelled.cancel()
    reactor.advance(2.4)
    assert calls == []
    reactor.advance(0.1)
    assert calls == [((1,), {"b": 2})]


def test_the_system_clock_looks_for_the_reactor_when_it_first_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    reactor = task.Clock()
    clock = SystemClock()
    monkeypatch.setattr(twisted.internet, "reactor", reactor, raising=False)
    calls: list[int] = []
    clock.callLater(1, calls.append, 1)
    monkeypatch.setattr(twisted.internet, "reactor", None)
    clock.callLater(1, calls.append, 2)
    reactor.advance(1)
    assert calls == [1, 2]


def test_now_stands_still_until_the_clock_is_read_again() -> None:
    clock = Clock()
    now = Now(clock)
    assert now.milliseconds == START * 1000
    clock.advance(0.25)
    assert now.milliseconds == START * 1000
    assert now.read() == START * 1000 + 250
    assert now.milliseconds == START * 1000 + 250


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [
        (0.0, 0),
        (0.0009, 0),
        (0.001, 1),
        (1.1, 1100),
        (START + 0.001, START * 1000 + 1),
        (START + 0.0019, START * 1000 + 1),
    ],
)
def test_now_is_in_whole_milliseconds_that_have_passed(seconds: float, milliseconds: int) -> None:
    assert Now(Clock(seconds)).milliseconds == milliseconds


@pytest.mark.parametrize("start", [0, 1_000_000_000_000, START * 1000, 4_102_444_800_000])
def test_no_millisecond_is_lost_to_the_rounding_of_seconds(start: int) -> None:
    for milliseconds in range(start, start + 2_000):
        assert Now(Clock(milliseconds / 1000)).milliseconds == milliseconds


def test_a_call_at_a_date_finds_that_the_date_has_come() -> None:
    for offset in range(2_000):
        clock = task.Clock()
        clock.rightNow = START + offset / 1e6
        now = Now(clock)
        date = START * 1000 + offset
        clock.rightNow += now.until(date)
        assert now.read() == date


def test_the_time_until_a_date_is_counted_from_this_very_moment() -> None:
    clock = Clock()
    now = Now(clock)
    clock.advance(1)
    assert now.until(START * 1000 + 3_000) == pytest.approx(2, abs=1e-5)
    assert now.until(START * 1000 + 1_000) == 0.0
    assert now.until(0) == 0.0
