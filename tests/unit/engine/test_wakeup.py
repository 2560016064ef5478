"""One wake-up: all run when all have read, what they changed is committed once, and only then is anybody answered."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from twisted_kv.engine.units import Units
from twisted_kv.engine.wakeup import ROUNDS, WakeUp, commit_nothing
from twisted_kv.sessions.statistics import Statistics
from twisted_kv.testing import Clock
from twisted_kv.vocabulary.clock import Now


class Member:
    """Somebody who writes into a common log what is asked of it, and fails where it is told to."""

    def __init__(self, name: str, log: list[str], failing: str = "", fault: BaseException | None = None) -> None:
        self.name = name
        self.log = log
        self.failing = failing
        self.fault = fault or RuntimeError("a fault that the test wants")
        self.on_run: Callable[[], object] = list

    def run(self) -> str:
        self._note("run")
        self.on_run()
        return f"answers of {self.name}"

    def answer(self, answers: Any) -> None:
        assert answers == f"answers of {self.name}"
        self._note("answer")

    def close(self, *, abort: bool = False) -> None:
        self._note("abort" if abort else "close")

    def _note(self, what: str) -> None:
        self.log.append(f"{what} {self.name}")
        if what in self.failing.split():
            raise self.fault


class Disk:
    """A commit that takes its time: `finish()` ends the oldest."""

    def __init__(self, wakeup: WakeUp, log: list[str]) -> None:
        self.log = log
        self.pending: list[Callable[[bool], None]] = []
        wakeup.commit = self.commit

    def commit(self, answer: Callable[[bool], None]) -> None:
        self.log.append("commit")
        self.pending.append(answer)

    def finish(self) -> None:
        self.log.append("committed")
        self.pending.pop(0)(True)


@pytest.fixture
def wakeup() -> WakeUp:
    return WakeUp(Now(Clock()), Statistics())


@pytest.fixture
def log() -> list[str]:
    return []


def join_all(wakeup: WakeUp, *members: Member) -> None:
    """Have members join in one wake-up."""
    wakeup.open()
    for member in members:
        wakeup.join(member)
    wakeup.close()


def test_who_joins_while_nothing_is_open_runs_and_is_answered_at_once(wakeup: WakeUp, log: list[str]) -> None:
    wakeup.join(Member("a", log))
    assert log == ["run a", "answer a"]


def test_nobody_runs_before_all_have_read_and_nobody_is_answered_before_all_have_run(
    wakeup: WakeUp, log: list[str]
) -> None:
    wakeup.open()
    for name in "abc":
        wakeup.join(Member(name, log))
    assert log == []
    wakeup.close()
    assert log == ["run a", "run b", "run c", "answer a", "answer b", "answer c"]


def test_all_that_ran_is_committed_once_before_the_first_answer(wakeup: WakeUp, log: list[str]) -> None:
    disk = Disk(wakeup, log)
    join_all(wakeup, Member("a", log), Member("b", log))
    assert log == ["run a", "run b", "commit"]
    disk.finish()
    assert log[3:] == ["committed", "answer a", "answer b"]


def test_a_wake_up_may_begin_while_the_commit_of_another_lasts(wakeup: WakeUp, log: list[str]) -> None:
    disk = Disk(wakeup, log)
    member = Member("a", log)
    join_all(wakeup, member)
    join_all(wakeup, member, Member("b", log))
    assert log == ["run a", "commit", "run a", "run b", "commit"]
    disk.finish()
    disk.finish()
    assert log[5:] == ["committed", "answer a", "committed", "answer a", "answer b"]


def test_where_nobody_joined_nothing_is_committed(wakeup: WakeUp, log: list[str]) -> None:
    Disk(wakeup, log)
    join_all(wakeup)
    wakeup.close()
    assert log == []


def test_nobody_runs_twice_for_one_joining(wakeup: WakeUp, log: list[str]) -> None:
    join_all(wakeup, Member("a", log))
    join_all(wakeup)
    assert log == ["run a", "answer a"]


def test_after_a_close_each_joining_is_a_wake_up_of_its_own_again(wakeup: WakeUp, log: list[str]) -> None:
    join_all(wakeup)
    wakeup.join(Member("a", log))
    assert log == ["run a", "answer a"]


def test_who_joins_while_others_run_is_run_and_answered_too(wakeup: WakeUp, log: list[str]) -> None:
    first, late = Member("first", log), Member("late", log)
    first.on_run = lambda: wakeup.join(late)
    join_all(wakeup, first, Member("second", log))
    assert sorted(log) == sorted(f"{what} {name}" for what in ("run", "answer") for name in ("first", "second", "late"))


def test_a_member_that_fails_to_run_is_aborted_and_the_others_are_answered(wakeup: WakeUp, log: list[str]) -> None:
    join_all(wakeup, Member("a", log), Member("bad", log, "run"), Member("c", log))
    assert log == ["run a", "run bad", "abort bad", "run c", "answer a", "answer c"]


def test_a_member_that_fails_to_answer_is_aborted_and_the_others_are_answered(wakeup: WakeUp, log: list[str]) -> None:
    join_all(wakeup, Member("a", log), Member("bad", log, "answer"), Member("c", log))
    assert log == ["run a", "run bad", "run c", "answer a", "answer bad", "abort bad", "answer c"]


@pytest.mark.parametrize("failing", ["run abort", "answer abort"])
def test_a_member_that_cannot_even_be_aborted_keeps_no_answer_from_the_others(
    wakeup: WakeUp, log: list[str], failing: str
) -> None:
    join_all(wakeup, Member("bad", log, failing), Member("c", log))
    assert log[-1] == "answer c"


@pytest.mark.parametrize("failing", ["run", "answer"])
def test_a_member_that_wants_the_program_to_end_keeps_no_answer_from_the_others(
    wakeup: WakeUp, log: list[str], failing: str
) -> None:
    try:
        join_all(wakeup, Member("bad", log, failing, SystemExit()), Member("c", log))
    except SystemExit:
        pytest.fail("it reached the reactor, which would drop the connections of all")
    assert log[-1] == "answer c"


def test_the_load_is_counted_as_received_when_it_is_run(log: list[str]) -> None:
    statistics = Statistics()
    wakeup = WakeUp(Now(Clock()), statistics)
    before = statistics.bytes_received
    wakeup.open()
    wakeup.load += 100
    wakeup.join(Member("a", log))
    assert (wakeup.load, statistics.bytes_received) == (100, before)
    wakeup.close()
    assert (wakeup.load, statistics.bytes_received) == (0, before + 100)


def test_its_time_is_that_of_the_last_wake_up(log: list[str]) -> None:
    clock = Clock()
    wakeup = WakeUp(Now(clock), Statistics())
    began = wakeup.elapsed
    clock.advance(1.5)
    join_all(wakeup)
    assert wakeup.elapsed == began
    join_all(wakeup, Member("a", log))
    assert wakeup.elapsed == began + 1500


def test_where_nothing_is_kept_the_answer_is_given_at_once() -> None:
    answered: list[bool] = []
    commit_nothing(answered.append)
    assert answered == [True]


def test_nobody_is_told_that_something_was_done_if_it_cannot_be_committed() -> None:
    log: list[str] = []
    wakeup = WakeUp(Now(Clock()), Statistics())

    def refuse(answer: Callable[[bool], None]) -> None:
        raise OSError("no space left on device")

    wakeup.commit = refuse
    wakeup.open()
    for name in ("a", "b"):
        wakeup.join(Member(name, log))
    wakeup.close()
    assert log == ["run a", "run b", "abort a", "abort b"]


def test_who_joins_again_and_again_lets_others_have_their_turn(log: list[str]) -> None:
    later: list[Callable[[], None]] = []
    wakeup = WakeUp(Now(Clock()), Statistics(), lambda call: later.append(call) or True)  # type: ignore[func-returns-value]
    endless = Member("a", log)
    endless.on_run = lambda: wakeup.join(endless)
    join_all(wakeup, endless)
    assert log.count("run a") == log.count("answer a") == ROUNDS
    later.pop()()
    assert log.count("run a") == log.count("answer a") == 2 * ROUNDS


def test_who_joins_the_next_wake_up_does_not_run_in_this_one(log: list[str]) -> None:
    wakeup = WakeUp(Now(Clock()), Statistics(), lambda call: True)
    one, other = Member("a", log), Member("b", log)
    one.on_run = lambda: wakeup.join_next(other)
    join_all(wakeup, one)
    assert log == ["run a", "answer a"]
    join_all(wakeup)
    assert log[2:] == ["run b", "answer b"]


def test_where_nothing_happens_later_there_is_no_next_wake_up(wakeup: WakeUp, log: list[str]) -> None:
    assert not wakeup.join_next(Member("a", log))


def test_who_is_posted_in_a_unit_is_answered_when_that_has_ended(log: list[str]) -> None:
    units = Units()
    wakeup = WakeUp(Now(Clock()), Statistics(), units=units)
    units.begin()
    wakeup.post(Member("a", log))
    wakeup.post(Member("b", log))
    assert log == []
    units.end()
    assert log == ["run a", "run b", "answer a", "answer b"]


def test_who_is_posted_before_a_wake_up_opens_is_answered_in_that(log: list[str]) -> None:
    units = Units()
    wakeup = WakeUp(Now(Clock()), Statistics(), units=units)
    units.begin()
    wakeup.post(Member("a", log))
    wakeup.open()
    units.end()
    assert log == []
    wakeup.join(Member("b", log))
    wakeup.close()
    assert log == ["run a", "run b", "answer a", "answer b"]


def test_a_call_at_the_end_comes_when_all_have_run_and_may_let_others_answer(wakeup: WakeUp, log: list[str]) -> None:
    first, second = Member("a", log), Member("b", log)
    wakeup.open()
    wakeup.join(first)
    wakeup.at_end(lambda: log.append("end"))
    wakeup.at_end(lambda: wakeup.post(second))
    wakeup.close()
    assert log == ["run a", "end", "run b", "answer a", "answer b"]
    wakeup.at_end(lambda: log.append("alone"))
    assert log[-1] == "alone"


def test_a_call_at_the_end_that_fails_keeps_no_answer_from_the_others(wakeup: WakeUp, log: list[str]) -> None:
    def fail() -> None:
        raise ValueError("no")

    wakeup.open()
    wakeup.join(Member("a", log))
    wakeup.at_end(fail)
    wakeup.at_end(lambda: log.append("end"))
    wakeup.close()
    assert log == ["run a", "end", "answer a"]
