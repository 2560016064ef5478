"""One wake-up of the reactor: read all, run all, commit once, answer all.

A connection that has read something joins the wake-up; no request runs before all connections have read.  Then all
requests run, their changes are committed together, and only then are replies sent.  That makes a durable cache
affordable (one write to the disk for all requests of the wake-up).  It is also faster, because each stage runs for all
connections before the next stage does (15.6 instead of 16.4 us a GET in the trial that led to it, CPython 3.11).

Without a multiplexer that opens a wake-up for many connections, each join is a wake-up of its own.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Final, Protocol

from twisted_kv.engine.units import Units
from twisted_kv.sessions.statistics import Statistics
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.logs import Logger

READ_SIZE: Final = 16 * 1024
"""Bytes that are read from a connection before the others have their turn, as in Redis."""

ROUNDS: Final = 100
"""Rounds in one wake-up for members that join while it runs, about 10 ms: clients that serve each other (BLMOVE from a
to b, and back) could otherwise continue until their requests are used up."""

TURN: Final = 10
"""Milliseconds after which the rest of a wake-up is left to the next one; a single request may take longer."""

MEMBERS: Final = 1000
"""Members that are answered before the rest is left to the next wake-up: each answer is a call of the system, and one
message may have very many subscribers."""

REQUESTS: Final = 16
"""Requests, or datagrams, after which the time is checked."""

Commit = Callable[[Callable[[bool], None]], None]
"""Makes changes durable, then calls its argument with True, or with False on failure.  The callbacks of several commits
are called in the order of the commits."""


class Member(Protocol):
    """A reader of requests that sends their replies."""

    def run(self) -> Any:
        """Run the requests that were read, and return what `answer` is to send."""

    def answer(self, answers: Any) -> None:
        """Send answers, unless the client is gone."""

    def close(self, *, abort: bool = False) -> None:
        """End the session."""


def commit_nothing(answer: Callable[[bool], None]) -> None:
    """Answer at once: no data outlast the process."""
    answer(True)


def _never(call: Callable[[], None]) -> bool:
    return False


class WakeUp:
    """Runs the members whose requests were read and not run yet.

    `soon` schedules a call for after the others' turns; it returns False if it cannot.
    `load` counts the bytes that were read and not run yet; a multiplexer stops reading when that is enough.
    `elapsed` is the time of the last wake-up (see `Now.elapsed`), for uses that need no better precision.
    """

    _log = Logger()

    def __init__(
        self,
        now: Now,
        statistics: Statistics,
        soon: Callable[[Callable[[], None]], bool] = _never,
        units: Units | None = None,
    ) -> None:
        self._units = units or Units()
        self._now = now
        self._statistics = statistics
        self._soon = soon
        self._joined: list[Member] = []
        self._postponed: list[Member] = []
        self._last: list[Callable[[], None]] = []  # calls that are due at the end
        self._members: Deque[Member] = deque()  # of the round under way, that have not run yet
        self._answers: list[tuple[Member, Any]] = []  # what is to be sent at the end
        self._suspended: list[Member] = []  # whose requests run while others are served
        self._current: Member | None = None
        self._is_open = False
        self._is_running = False
        self.load = 0
        self.elapsed = now.elapsed
        self._end_of_turn = self.elapsed + TURN
        self.commit: Commit = commit_nothing

    def open(self) -> None:
        """Make members that join wait for `close()`."""
        self._is_open = True

    def join(self, member: Member) -> None:
        """Schedule a member to run and answer when all have read, or at the end of the wake-up under way."""
        self._joined.append(member)
        if not self._is_open and not self._is_running:
            self.close()

    def post(self, member: Member) -> None:
        """Schedule a member to answer that has read nothing but has something to send.

        Outside of a wake-up that happens when the unit under way has ended: the change that caused the message must be
        committed before the message is sent.
        """
        self._joined.append(member)
        if not self._is_open and not self._is_running and len(self._joined) == 1:
            self._units.after(self._flush)

    def at_end(self, call: Callable[[], None]) -> None:
        """Make a call at the end of the wake-up, when all requests have run; what it pushes is sent with the others.

        Outside of a wake-up that happens when the unit under way has ended.
        """
        self._last.append(call)
        if not self._is_open and not self._is_running and not self._joined:
            self._units.after(self._flush)

    def _flush(self) -> None:
        if not self._is_open and not self._is_running:
            self.close()

    def join_next(self, member: Member) -> bool:
        """Schedule a member to run and answer at the next wake-up; return False if there may be none."""
        if not self._soon(self.close):
            return False
        self._postponed.append(member)
        return True

    @property
    def commits_at_once(self) -> bool:
        """Whether nothing is made durable, so that a member may send its answers before the wake-up ends."""
        return self.commit is commit_nothing

    @property
    def is_late(self) -> bool:
        """Whether this wake-up has used up its time, so that the rest should wait for the next one."""
        return self._now.elapsed > self._end_of_turn

    def close(self) -> None:
        """Run the requests of all members that joined, commit, and answer."""
        self._is_open = False
        self._statistics.bytes_received += self.load
        self.load = 0
        if self._postponed:
            self._joined += self._postponed
            self._postponed = []
        if not self._joined and not self._last:
            return
        self._now.stale = True
        self.elapsed = self._now.elapsed
        self._end_of_turn = self.elapsed + TURN
        self._is_running = True
        rounds = 0
        while self._joined or self._last:  # a request may serve waiting clients, which then join
            if not self._joined:
                self._make_last_calls()
                continue
            if rounds >= ROUNDS and self._soon(self.close):
                break
            rounds += 1
            self._members.extend(self._joined)
            self._joined = []
            self._run_members()
        self._is_running = False
        self._commit()

    def _commit(self) -> None:
        """Commit what the members have done, and answer them."""
        answers, self._answers = self._answers, []

        def answer(done: bool) -> None:
            for member, each in answers:
                if not done:  # never confirm a change that is not durable
                    self._end(member)
                    continue
                try:
                    member.answer(each)
                except BaseException:  # as above
                    self.fail(member)

        try:
            self.commit(answer)
        except BaseException:  # as above
            for member, _ in answers:
                self.fail(member)

    def _run_members(self) -> None:
        """Run members, and note what is to be sent; leave the rest to the next wake-up if it is late."""
        members = self._members
        index = 0
        while members:
            if index & 7 == 7 and (self.is_late or len(self._answers) >= MEMBERS) and self._soon(self.close):
                self._postponed = [*members, *self._postponed]
                members.clear()
                break
            index += 1
            member = members.popleft()
            self._current = member
            try:
                done = member.run()
                self._answers.append((member, done))  # which may be another list than before it ran: see `suspend`
            except BaseException:  # whatever it is, the others must be served
                self.fail(member)
        self._current = None

    def suspend(self, serve: Callable[[], None]) -> None:
        """Serve others in the midst of a member's request: `serve` reads, in wake-ups of its own.

        Those whose turn would have come in this wake-up are served first, and those that had theirs are answered, so
        that each gets its replies in their order.  A connection is not run again before its own request is over.
        """
        suspended = self._current
        state = self._is_open, self._is_running, suspended, self.elapsed, self._end_of_turn
        joined = [*self._members, *self._joined]
        last, self._last = self._last, []
        self._members.clear()
        if self._answers:
            self._commit()
        if suspended is not None:
            self._suspended.append(suspended)
        self._is_open = self._is_running = False
        self._joined = joined
        try:
            if joined:
                self.close()
            serve()
        finally:
            if suspended is not None:
                self._suspended.pop()
            self._last = last + self._last
            self._is_open, self._is_running, self._current, self.elapsed, self._end_of_turn = state

    def is_suspended(self, member: Member) -> bool:
        """Whether a request of a member runs while others are served."""
        return member in self._suspended

    def _make_last_calls(self) -> None:
        calls, self._last = self._last, []
        for call in calls:
            try:
                call()
            except BaseException:  # whatever it is, the members must be answered
                self._log.failure("a call at the end of a wake-up has failed")

    def fail(self, member: Member) -> None:
        """End a session in which the server has failed; other sessions are not affected."""
        self._log.failure("a connection is closed because of a fault of the server")
        self._end(member)

    def _end(self, member: Member) -> None:
        try:
            member.close(abort=True)
        except BaseException:  # as above
            self._log.failure("a connection could not be closed")
