"""The timing wheel knows the same deadlines as a dictionary does, whatever is set, and however time goes on."""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.effort import examples
from twisted_kv.store.expiry import Expiry

keys = st.integers(0, 40).map(lambda number: b"%d" % number)
spans = st.one_of(
    st.integers(-10, 3000),
    st.integers(0, 3_000_000),
    st.integers(0, 1 << 41),
    st.sampled_from([(1 << bits) + more for bits in (10, 11, 20, 21, 30, 40) for more in (-1, 0, 1)]),
)


class Deadlines(RuleBasedStateMachine):
    """Sets, replaces and removes deadlines, and lets time go on."""

    @initialize(now=st.one_of(st.just(0), st.integers(0, 1 << 42)))
    def begin(self, now: int) -> None:
        self.now = now
        self.alarms: list[int] = []
        self.expiry = Expiry(self.alarms.append, now)
        self.known: dict[bytes, int] = {}

    @rule(key=keys, span=spans)
    def set_deadline(self, key: bytes, span: int) -> None:
        deadline = max(0, self.now + span)
        if key in self.known:
            self.expiry.move(key, self.known[key], deadline)
        else:
            self.expiry.add(key, deadline)
        self.known[key] = deadline

    @rule(key=keys)
    def remove(self, key: bytes) -> None:
        if key in self.known:
            self.expiry.remove(key, self.known.pop(key))

    @rule(span=spans, most=st.integers(1, 30))
    def let_time_go_on(self, span: int, most: int) -> None:
        self.now += max(0, span)
        self.step(most)

    @rule(span=st.integers(0, 1 << 41))
    def set_clock_back(self, span: int) -> None:
        self.now = max(0, self.now - span)

    @rule(most=st.integers(1, 30))
    def step(self, most: int) -> None:
        moved = self.expiry.advance(self.now, most)
        assert moved <= most
        found = self.expiry.due(self.now, most)
        assert len(found) <= most
        assert [self.known[key] for key in found] == sorted(self.known[key] for key in found)
        for key in found:
            assert self.known[key] <= self.now
            self.expiry.remove(key, self.known.pop(key))

    @rule()
    def do_all_that_is_due(self) -> None:
        """Do what the timers do: until the next date is to come, nothing is overdue."""
        for _ in range(1000):
            date = self.expiry.next_date()
            if date is None or date > self.now:
                break
            self.step(7)
        else:
            raise AssertionError("there is something to do for ever")
        assert all(deadline > self.now for deadline in self.known.values())

    @rule(seed=st.integers(0, 9))
    def draw(self, seed: int) -> None:
        key = self.expiry.random_key(Random(seed))
        assert (key is None) is not bool(self.known)
        assert key is None or key in self.known

    @invariant()
    def knows_the_same(self) -> None:
        if not hasattr(self, "known"):
            return
        assert len(self.expiry) == len(self.known)
        date = self.expiry.next_date()
        nearest = self.expiry.nearest()
        if not self.known:
            assert (date, nearest, self.expiry.mean_left(self.now)) == (None, None, 0)
        else:
            assert date is not None
            assert nearest is not None
            assert date <= min(self.known.values())
            assert self.known[nearest[1]] == nearest[0]


TestDeadlines = Deadlines.TestCase
TestDeadlines.settings = settings(max_examples=examples(60), stateful_step_count=40)
