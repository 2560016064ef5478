"""Answers to datagrams that come after the wake-up in which the datagram was read.

A datagram has no connection to keep a reply for, and its sender may be gone or forged.  So the answers owed are bounded
in number and in age: beyond the number a request gets an error at once, beyond the age its answer is abandoned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Final, List, Tuple

from twisted_kv.sessions.statistics import Statistics
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

Datagrams = List[Tuple[bytes, Any]]
"""Datagrams, each with its source or destination address: a host, a port, and what the transport adds."""

MOST_OWED: Final = 4096
"""Maximum number of datagrams of one port that may be waiting for their answers."""

LONGEST: Final = 10.0
"""Seconds after which an answer is abandoned: the datagram's sender has given up long before."""

TOO_MANY: Final = "too many answers to datagrams are under way"


class LateAnswer:
    """A datagram that is owed an answer."""

    def __init__(self, address: Any) -> None:
        self.address = address
        self.deadline = 0
        """When the answer is abandoned, in milliseconds of `Now.elapsed`."""

    def go_on(self) -> bytes | None:
        """Continue after a reply has arrived; return the answer, or None for no answer or if more replies follow."""
        raise NotImplementedError

    @property
    def is_complete(self) -> bool:
        """Whether no more replies are to come."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Stop waiting for replies."""
        raise NotImplementedError


class LateAnswers:
    """The datagrams of one port that are owed an answer; calls `post` when a reply has arrived for one."""

    _log = Logger()

    def __init__(self, now: Now, statistics: Statistics, post: Callable[[], None]) -> None:
        self.arrived: List[LateAnswer] = []
        """Those for which a reply has arrived."""
        self._now = now
        self._statistics = statistics
        self._post = post
        self._owed: Dict[LateAnswer, None] = {}  # oldest first
        self._call: IDelayedCall | None = None

    @property
    def is_full(self) -> bool:
        """Whether no more answers may be owed."""
        return len(self._owed) >= MOST_OWED

    def owe(self, late: LateAnswer) -> None:
        """Register an answer as owed."""
        late.deadline = self._now.elapsed + int(LONGEST * 1000)
        self._owed[late] = None
        if self._call is None:
            self._call = self._now.clock.callLater(LONGEST, self._abandon_expired)

    def arrive(self, late: LateAnswer) -> None:
        """Continue with an answer in the next turn, since a reply has arrived, unless it was abandoned."""
        if late in self._owed:
            self.arrived.append(late)
            self._post()

    def take(self) -> Datagrams:
        """Remove and return the answers that are complete."""
        arrived, self.arrived = self.arrived, []
        answers: Datagrams = []
        for late in dict.fromkeys(arrived):
            if late not in self._owed:
                continue  # it was abandoned meanwhile
            answer = None
            try:
                answer = late.go_on()
            except Exception:  # a bug of ours; the others are still answered
                self._log.failure("a datagram could not be answered")
                late.abandon()
            if late.is_complete:
                self._owed.pop(late, None)
                if answer is not None:
                    answers.append((answer, late.address))
        return answers

    def close(self) -> None:
        """Abandon all answers."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.arrived.clear()
        for late in list(self._owed):
            self._abandon(late)

    def _abandon_expired(self) -> None:
        self._call = None
        now = self._now.elapsed
        for late in list(self._owed):
            if late.deadline > now:
                self._call = self._now.clock.callLater((late.deadline - now) / 1000, self._abandon_expired)
                break
            self._abandon(late)

    def _abandon(self, late: LateAnswer) -> None:
        del self._owed[late]
        self._statistics.dropped_late_datagrams += 1
        late.abandon()
