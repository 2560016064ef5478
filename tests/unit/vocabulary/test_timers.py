"""Calls at a later time, on a timer of the system that a test moves by hand."""

from __future__ import annotations

import os
from typing import Any, Callable, List, Tuple

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorFDSet, IReactorThreads
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.servers.capture import listening
from twisted_kv.vocabulary import timers
from twisted_kv.vocabulary.timers import DescriptorTimers, LinuxTimer, monotonic_timers


@implementer(IReactorFDSet, IReactorThreads)
class Reactor:
    """Watches descriptors, and has a date for its time, as most of Twisted's reactors."""

    def __init__(self, date: float = 1.7e9) -> None:
        self.readers: List[Any] = []
        self.date = date

    def seconds(self) -> float:
        return self.date

    def addReader(self, reader: Any) -> None:
        assert reader.fileno() >= 0
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


class Timer:
    """The system's timer, which says by hand that it is time."""

    def __init__(self) -> None:
        self.armed: List[float] = []
        self.pipes: List[Tuple[int, int]] = []

    def create(self) -> int:
        self.pipes.append(os.pipe())
        return self.pipes[-1][0]

    def arm(self, descriptor: int, due: float) -> None:
        self.armed.append(due)


class Bench:
    """Timers whose time is `now`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("twisted_kv.vocabulary.timers.time.monotonic", lambda: self.now)
        self.reactor = Reactor()
        self.timer = Timer()
        self.timers = DescriptorTimers(self.reactor, self.timer)
        self.called: List[str] = []

    def later(self, delay: float, name: str) -> Any:
        return self.timers.callLater(delay, self.called.append, name)

    def pass_time(self, seconds: float) -> List[str]:
        """Let time pass, and the descriptor be read if it is due; returns what was called."""
        self.now += seconds
        self.called.clear()
        if self.reactor.readers and self.timer.armed[-1] <= self.now:
            self.timers.doRead()
        return self.called.copy()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_calls_are_made_in_the_order_of_their_times(bench: Bench) -> None:
    bench.later(2, "second"), bench.later(1, "first"), bench.later(5, "third")
    assert bench.timer.armed == [102.0, 101.0]
    assert bench.pass_time(0.5) == []
    assert bench.pass_time(2) == ["first", "second"]
    assert bench.pass_time(2) == []
    assert bench.pass_time(1) == ["third"]


def test_the_descriptor_is_open_only_while_something_is_to_be_called(bench: Bench) -> None:
    assert bench.timers.fileno() == -1
    bench.later(1, "a")
    assert bench.reactor.readers == [bench.timers]
    bench.pass_time(1)
    assert (bench.reactor.readers, bench.timers.fileno()) == ([], -1)
    bench.later(1, "b").cancel()
    assert bench.reactor.readers == []
    assert bench.pass_time(2) == []
    bench.later(1, "c")
    assert bench.pass_time(1) == ["c"]


def test_a_call_that_was_cancelled_is_passed_over_among_those_that_are_due(bench: Bench) -> None:
    bench.later(1, "first")
    bench.later(2, "cancelled").cancel()
    bench.later(3, "last")
    assert bench.pass_time(3) == ["first", "last"]


def test_what_a_call_asks_for_at_once_waits_for_the_next_turn(bench: Bench) -> None:
    bench.timers.callLater(1, lambda: bench.later(0, "then"))
    bench.later(1, "others")
    assert bench.pass_time(1) == ["others"]
    assert bench.pass_time(0) == ["then"]


def test_one_that_is_cancelled_or_called_is_not_called_again(bench: Bench) -> None:
    other = bench.later(1, "cancelled by the first")
    bench.called.clear()
    first = bench.timers.callLater(0.5, other.cancel)
    bench.later(1, "last")
    assert bench.pass_time(1) == ["last"]
    assert not first.active()
    assert not other.active()


def test_one_that_is_delayed_or_hastened_is_called_at_its_new_time(bench: Bench) -> None:
    late, early = bench.later(1, "late"), bench.later(9, "early")
    late.delay(2)
    early.reset(0.5)
    assert bench.pass_time(0.5) == ["early"]
    assert bench.pass_time(1) == []
    assert bench.pass_time(1.5) == ["late"]
    assert bench.pass_time(9) == []
    assert bench.reactor.readers == []


def test_one_that_fails_keeps_none_from_being_called(bench: Bench) -> None:
    bench.timers.callLater(1, lambda: 1 // 0)
    bench.later(1, "next")
    with listening() as said:
        assert bench.pass_time(1) == ["next"]
    assert said.tracebacks == ["a call at a later time failed"]


def test_cancelled_calls_do_not_pile_up(bench: Bench) -> None:
    bench.later(1, "kept")
    for _ in range(1000):
        bench.later(3600, "gone").cancel()
    assert len(bench.timers._calls) < 100
    assert bench.pass_time(1) == ["kept"]


def test_nothing_stays_open_when_the_reactor_ends(bench: Bench) -> None:
    bench.later(1, "a")
    bench.timers.connectionLost(None)  # type: ignore[arg-type]  # it is not looked at
    assert bench.timers.fileno() == -1
    assert bench.timers.logPrefix() == "owncache timers"


def test_a_reactor_that_counts_from_the_start_of_the_machine_makes_the_calls_itself() -> None:
    reactor = Reactor(date=5000.0)
    assert monotonic_timers(reactor) is reactor
    clock = Clock()
    assert monotonic_timers(clock) is clock


def test_a_fake_reactor_whose_clock_was_moved_to_a_date_is_believed() -> None:
    reactor = MemoryReactorClock()
    reactor.advance(1.7e9)
    assert monotonic_timers(reactor) is reactor


def test_one_whose_time_is_the_date_is_given_a_timer_of_the_system() -> None:
    assert isinstance(monotonic_timers(Reactor()), DescriptorTimers)


@pytest.mark.parametrize("error", [AttributeError, OSError, ImportError])
def test_without_a_timer_of_the_system_the_calls_are_the_reactors(
    monkeypatch: pytest.MonkeyPatch, error: Callable[..., Exception]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(timers, "LinuxTimer", fail)
    timers._system_timer.cache_clear()
    reactor = Reactor()
    try:
        assert monotonic_timers(reactor) is reactor
        assert monotonic_timers(reactor) is reactor
    finally:
        timers._system_timer.cache_clear()


def test_the_systems_timer_is_readable_when_it_is_due() -> None:
    timer = LinuxTimer()
    descriptor = timer.create()
    timer.arm(descriptor, 0.0)
    assert len(os.read(descriptor, 8)) == 8
    timer.arm(descriptor, 1e9)
    with pytest.raises(BlockingIOError):
        os.read(descriptor, 8)
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        timer.arm(descriptor, 0.0)


def test_a_system_that_gives_no_timer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    timer = LinuxTimer()
    monkeypatch.setattr(timer, "_make", lambda *arguments: -1)
    with pytest.raises(OSError):  # noqa: PT011  # whatever the last error was
        timer.create()


def test_a_call_that_another_has_cancelled_when_both_were_due_is_not_made(bench: Bench) -> None:
    others: List[Any] = []
    bench.timers.callLater(1, lambda: others[0].cancel())
    others.append(bench.later(1, "never"))
    bench.later(1, "c")
    assert bench.pass_time(2) == ["c"]


def test_a_call_that_another_puts_off_when_both_were_due_is_made_later(bench: Bench) -> None:
    made = []
    calls = [bench.timers.callLater(1.0, lambda: calls[1].reset(5.0))]
    calls.append(bench.timers.callLater(1.0, made.append, "late"))
    bench.pass_time(1.5)
    assert made == []
    bench.pass_time(6.0)
    assert made == ["late"]


def test_timers_that_never_had_a_call_have_nothing_to_close(bench: Bench) -> None:
    bench.timers.connectionLost(Failure(ConnectionDone()))
    assert bench.timer.pipes == []
    later = bench.later(1, "a")
    later.cancel()
    assert bench.pass_time(2) == []
