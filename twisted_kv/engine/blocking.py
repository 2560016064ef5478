"""Requests that wait for a key: who waits for what, in the order in which they came.

A blocking command returns a `Block` when there is nothing for it yet.  Here it becomes a promise (`Promise`), and when
one of its keys has changed, after the request that changed it, the command is run again for that key.  So there is one
way only that a client gets something, and what it takes is counted and logged like any other request.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Callable, Deque, Dict, Sequence, Tuple, Type

from twisted_kv.declaring.commands import Command, Function
from twisted_kv.declaring.table import TableEntry
from twisted_kv.engine.units import Units
from twisted_kv.sessions.session import Session
from twisted_kv.store.database import Database
from twisted_kv.store.observers import Event, Watcher
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.errors import CommandError, SessionEnded, WouldWait
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import NULL_ARRAY, Reply
from twisted_kv.vocabulary.waiting import Block, Promise

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

Request = Callable[[Session, Sequence[bytes], TableEntry], Reply]


class _Gone:
    """Stands among the types for: anything but the type that is waited for."""


class _Waiter:
    """One request that waits."""

    __slots__ = ("block", "call", "database", "entry", "promise", "session")

    def __init__(self, session: Session, entry: TableEntry, block: Block) -> None:
        self.session = session
        self.entry = entry
        self.block = block
        self.database = session.db
        self.promise = Promise()
        self.call: IDelayedCall | None = None

    @property
    def kinds(self) -> tuple[type, ...]:
        """What a key has to become for this request to go on."""
        return (self.block.kind,) if self.block.gone is None else (self.block.kind, _Gone)


_Waiters = Dict[Type[object], Dict[_Waiter, None]]
"""Those who wait for a key, in the order in which they came, by the type that it has to become."""

_AT_ONCE = 16
"""Waiters that are looked up together; most keys serve few."""


class Blocking:
    """Who waits for which key.

    `request` runs a command that was admitted before.  Who waits is served when the unit has ended that
    has brought what is waited for.
    """

    _log = Logger()

    def __init__(self, now: Now, request: Request, units: Units) -> None:
        self._units = units
        self._now = now
        self._request = request
        self._ready: Dict[Tuple[Database, bytes], None] = {}  # keys that have become what somebody waits for
        self._waiters: Dict[Tuple[int, bytes], _Waiters] = {}
        self._sessions: Dict[Session, Dict[_Waiter, None]] = {}
        self._watchers: Dict[int, Watcher] = {}
        self._again = False  # a request is run that has waited
        self._given: Deque[Tuple[Promise, Reply]] = deque()  # replies on their way
        self._giving = False

    def __len__(self) -> int:
        return len(self._sessions)

    def layer(self, command: Command, function: Function) -> Function:
        """Make the function that does what a blocking command does, and waits if there is nothing to do yet."""
        if "blocking" not in command.flags:
            return function

        def run(session: Session, *words: bytes) -> Reply:
            reply = function(session, *words)
            if type(reply) is not Block or self._again:
                return reply
            if self._units.depth > 1:  # within a transaction or another command: others cannot do anything meanwhile
                return reply.otherwise
            if not session.may_wait:
                raise WouldWait(command.name)
            return self._wait(_Waiter(session, session.server.commands.entry(command), reply))

        return run

    def serve(self) -> None:
        """Run the requests again that wait for keys that are ready, for as long as that makes others ready."""
        self._units.is_held = True
        try:
            while self._ready:
                for database, key in list(self._ready):
                    del self._ready[database, key]
                    self._serve(database, key)
        finally:
            self._units.is_held = False
        self._hand_out()

    def unblock(self, session: Session, *, error: bool) -> bool:
        """Let the request of a session wait no more: as if its time was up, or with an error; False if none waits."""
        waiter = next(iter(self._sessions.get(session, ())), None)
        if waiter is None:
            return False
        unblocked = CommandError("client unblocked via CLIENT UNBLOCK", "UNBLOCKED")
        self._finish(waiter, unblocked if error else NULL_ARRAY)
        self._units.after(self._hand_out)  # what that client has sent behind it must not run in the midst of an EXEC
        return True

    def look_again(self, database: Database, key: bytes) -> None:
        """Run those again that wait for a key, though it has not changed for who watches it."""
        if (database.index, key) in self._waiters:
            self._watcher(database)(key, Event.CHANGED)

    def forget(self, session: Session) -> None:
        """Take note that a session has ended: what it waits for goes to others.

        Behind a link there is nobody left.  Who called in process is told.
        """
        for waiter in list(self._sessions.get(session, ())):
            if session.link is None:
                self._finish(waiter, SessionEnded())
            else:
                self._drop(waiter)
        self._hand_out()

    def stop(self) -> None:
        """Leave no timer behind."""
        for session in list(self._sessions):
            self.forget(session)

    # The rest is our own

    def _wait(self, waiter: _Waiter) -> Promise:
        block, database = waiter.block, waiter.database
        for key in dict.fromkeys(block.keys):
            place = database.index, key
            if place not in self._waiters:
                self._waiters[place] = {}
                database.watch(key, self._watcher(database))
            for kind in waiter.kinds:
                self._waiters[place].setdefault(kind, {})[waiter] = None
        self._sessions.setdefault(waiter.session, {})[waiter] = None
        waiter.session.waiting += 1
        if block.timeout:
            waiter.call = self._now.clock.callLater(block.timeout / 1000, self._expire, waiter)
        waiter.promise.abandon = lambda: self._drop(waiter)
        return waiter.promise

    def _watcher(self, database: Database) -> Watcher:
        """Give what a database is to call: the same each time, so that it can be taken back."""
        if database.index not in self._watchers:

            def changed(key: bytes, event: Event) -> None:
                kinds = self._waiters[database.index, key]
                if type(database.peek(key)) in kinds or _Gone in kinds:
                    if not self._ready:
                        self._units.after(self.serve)
                    self._ready[database, key] = None

            self._watchers[database.index] = changed
        return self._watchers[database.index]

    def _serve(self, database: Database, key: bytes) -> None:
        """Serve those who wait for a key, in the order in which they came, as far as it reaches."""
        kinds = self._waiters.get((database.index, key), {})
        kind = type(database.peek(key))
        waiting = kinds.get(kind, {})
        passed_over = 0  # those at the front who still wait: what is there is not for them
        while len(waiting) > passed_over and type(database.peek(key)) is kind:
            for waiter in list(islice(waiting, passed_over, passed_over + _AT_ONCE)):
                if waiter.block.is_for is None or waiter.block.is_for(key):
                    self._try(waiter, key)
                passed_over += waiter in waiting
                if type(database.peek(key)) is not kind:
                    break
        for waiter in list(kinds.get(_Gone, ())):
            if waiter.block.kind is not kind and waiter.block.gone is not None:
                self._finish(waiter, waiter.block.gone())

    def _try(self, waiter: _Waiter, key: bytes) -> None:
        """Run a request again, for a key that is ready."""
        session, entry = waiter.session, waiter.entry
        selected, session.db = session.db, waiter.database
        self._again = True
        try:
            reply = self._request(session, (*(b"",) * entry.skip, *waiter.block.again(key)), entry)
        except CommandError as error:
            reply = error.bare()
        finally:
            self._again = False
            session.db = selected
        if type(reply) is not Block:
            self._finish(waiter, reply)

    def _expire(self, waiter: _Waiter) -> None:
        waiter.call = None
        self._now.stale = True
        self._finish(waiter, NULL_ARRAY)
        self._hand_out()

    def _finish(self, waiter: _Waiter, reply: Reply) -> None:
        """Have a request answered as soon as all are served."""
        self._drop(waiter)
        promise = waiter.promise
        promise.abandon = lambda: promise.resolve(reply)  # it is done, and cannot be undone
        self._given.append((promise, reply))

    def _hand_out(self) -> None:
        """Give replies, one after the other: who gets one may at once ask for what gives another."""
        if self._giving:
            return
        self._giving = True
        while self._given:
            promise, reply = self._given.popleft()
            try:
                if not promise.is_resolved:
                    promise.resolve(reply)
            except BaseException:  # whatever it is, the others get theirs
                self._log.failure("a reply that was waited for could not be taken")
        self._giving = False

    def _drop(self, waiter: _Waiter) -> None:
        """Let a request wait no more."""
        waiters = self._sessions[waiter.session]
        del waiters[waiter]
        if not waiters:
            del self._sessions[waiter.session]
        waiter.session.waiting -= 1
        if waiter.call is not None:
            waiter.call.cancel()
            waiter.call = None
        for key in dict.fromkeys(waiter.block.keys):
            place = waiter.database.index, key
            kinds = self._waiters[place]
            for kind in waiter.kinds:
                del kinds[kind][waiter]
                if not kinds[kind]:
                    del kinds[kind]
            if not kinds:
                del self._waiters[place]
                waiter.database.unwatch(key, self._watcher(waiter.database))
