"""CLIENT PAUSE: requests of network clients are held until it ends, all of them or those that write.

Meanwhile no key expires and none is evicted.  Calls in process go on: they belong to the program.  A datagram has
nobody to wait, and is dropped.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Callable, Dict, Sequence, Tuple

from twisted_kv.declaring.commands import Command, InTransaction
from twisted_kv.engine.admission import Admission
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.sessions.session import Server, Session
from twisted_kv.vocabulary.replies import NO_REPLY, Reply
from twisted_kv.vocabulary.waiting import Promise

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall


class Pause:
    """Whether clients are paused, and the requests that are held.

    `request` runs a request from its beginning; `hold_keys` is told whether keys must not expire; `soon` schedules a
    call for after the others' turns.
    """

    def __init__(
        self,
        server: Server,
        admission: Admission,
        wakeup: WakeUp,
        request: Callable[[Session, Sequence[bytes]], Reply],
        hold_keys: Callable[[bool], None],
        soon: Callable[[Callable[[], None]], bool],
    ) -> None:
        self._server = server
        self._admission = admission
        self._wakeup = wakeup
        self._request = request
        self._hold_keys = hold_keys
        self._soon = soon
        self.is_on = False
        self._only_writes = False
        self._end = 0  # in milliseconds of `Now.elapsed`
        self._call: IDelayedCall | None = None
        self._held: Dict[Promise, Tuple[Session, Sequence[bytes]]] = {}

    def begin(self, milliseconds: int, *, only_writes: bool) -> None:
        """Pause clients; a pause that is on already is only made longer, or stricter."""
        end = self._server.now.elapsed + milliseconds
        if self.is_on:
            end = max(end, self._end)
            only_writes = only_writes and self._only_writes
        self._end, self._only_writes = end, only_writes
        if not self.is_on:
            self.is_on = True
            self._hold_keys(True)
            self._admission.ask_always("pause", True)
        if self._call is not None:
            self._call.cancel()
        self._call = self._server.now.clock.callLater((end - self._server.now.elapsed) / 1000, self._time_is_up)

    def end(self) -> None:
        """End the pause, and run what was held once the unit under way has ended."""
        if not self.is_on:
            return
        self.is_on = False
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._hold_keys(False)
        self._admission.ask_always("pause", False)
        self._wakeup.at_end(self._release)

    def concerns(self, session: Session, command: Command) -> bool:
        """Check whether a request has to wait."""
        if session.trusted or session.is_monitor:
            return False
        if not self._only_writes:
            return True
        transaction = session.transaction
        if command.in_transaction is InTransaction.RUNS_QUEUED and transaction is not None:
            return any(_may_write(entry.command) for entry, _ in transaction.queue)
        return _may_write(command)

    def hold(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Hold a request; the reply comes when the pause is over."""
        if session.link is None:
            self._server.statistics.dropped_paused_datagrams += 1
            return NO_REPLY
        promise = Promise()
        promise.abandon = lambda: self._take(promise)
        self._held[promise] = session, words
        session.waiting += 1
        return promise

    def _take(self, promise: Promise) -> Tuple[Session, Sequence[bytes]] | None:
        """Hold a request no more, and return it."""
        held = self._held.pop(promise, None)
        if held is not None:
            held[0].waiting -= 1
        return held

    def _time_is_up(self) -> None:
        self._call = None
        self._server.now.stale = True
        self.end()

    def _release(self) -> None:
        """Run what was held, in its order: it may be held again, or a client may have gone meanwhile."""
        left = deque(self._held)
        while left:
            promise = left.popleft()
            held = self._take(promise)
            if held is None:
                continue
            reply = self._request(*held)
            if type(reply) is Promise:
                promise.abandon = reply.give_up
                reply.then(promise.resolve)
            else:
                promise.resolve(reply)
            if left and self._wakeup.is_late and self._soon(self._go_on):
                return

    def _go_on(self) -> None:
        """Run more of what was held, unless clients are paused again."""
        if not self.is_on:
            self._wakeup.at_end(self._release)


def _may_write(command: Command) -> bool:
    """Check whether a command may change data, or send what a replica would have to send too."""
    return command.is_write or "may_replicate" in command.flags
