"""Answers to datagrams that come later than the wake-up in which the datagram was read.

A datagram has no connection that could be owed something, and its sender may be gone or forged.  So what is owed is
bounded, in number and in age: beyond that a request gets an error at once, or its answer is given up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Final, List, Tuple

from twisted_kv.sessions.statistics import Statistics
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

Datagrams = List[Tuple[bytes, Any]]
"""Datagrams, each with the address that it comes from or goes to: a host, a port, and what the transport adds."""

MOST_OWED: Final = 4096
"""Datagrams of one port whose answers may be under way."""

LONGEST: Final = 10.0
"""Seconds after which an answer is given up: whoever has sent the datagram has long since done so."""

TOO_MANY: Final = "too many answers to datagrams are under way"


class LateAnswer:
    """A datagram that is owed an answer."""

    def __init__(self, address: Any) -> None:
        self.address = address
        self.deadline = 0
        """When it is given up, in milliseconds of `Now.elapsed`."""

    def go_on(self) -> bytes | None:
        """Do what there is to do since a reply has come; returns the answer, None for silence or if more is to come."""
        raise NotImplementedError

    @property
    def is_complete(self) -> bool:
        """Whether no more replies are to come."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Wait for no more replies."""
        raise NotImplementedError


class LateAnswers:
    """The datagrams of one port that are owed an answer; `post` is called when there is something to go on with."""

    _log = Logger()

    def __init__(self, now: Now, statistics: Statistics, post: Callable[[], None]) -> None:
        self.arrived: List[LateAnswer] = []
        """Those for which a reply has come."""
        self._now = now
        self._statistics = statistics
        self._post = post
        self._owed: Dict[LateAnswer, None] = {}  # the oldest first
        self._call: IDelayedCall | None = None

    @property
    def is_full(self) -> bool:
        """Whether no more may be owed."""
        return len(self._owed) >= MOST_OWED

    def owe(self, late: LateAnswer) -> None:
        """Owe an answer."""
        late.deadline = self._now.elapsed + int(LONGEST * 1000)
        self._owed[late] = None
        if self._call is None:
            self._call = self._now.clock.callLater(LONGEST, self._give_up_old)

    def arrive(self, late: LateAnswer) -> None:
        """Go on with an answer in the next turn, since a reply has come; not if it was given up."""
        if late in self._owed:
            self.arrived.append(late)
            self._post()

    def take(self) -> Datagrams:
        """Take the answers that are complete."""
        arrived, self.arrived = self.arrived, []
        answers: Datagrams = []
        for late in dict.fromkeys(arrived):
            answer = None
            try:
                answer = late.go_on()
            except Exception:  # a fault of ours; the others are answered
                self._log.failure("a datagram could not be answered")
                late.abandon()
            if late.is_complete:
                self._owed.pop(late, None)
                if answer is not None:
                    answers.append((answer, late.address))
        return answers

    def close(self) -> None:
        """Give all of them up."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.arrived.clear()
        for late in list(self._owed):
            self._give_up(late)

    def _give_up_old(self) -> None:
        self._call = None
        now = self._now.elapsed
        for late in list(self._owed):
            if late.deadline > now:
                self._call = self._now.clock.callLater((late.deadline - now) / 1000, self._give_up_old)
                break
            self._give_up(late)

    def _give_up(self, late: LateAnswer) -> None:
        del self._owed[late]
        self._statistics.late_datagrams_given_up += 1
        late.abandon()
