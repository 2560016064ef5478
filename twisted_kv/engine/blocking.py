"""Requests that wait for a key, in order of arrival.

A blocking command returns a `Block` when there is nothing for it yet.  Here it becomes a promise (`Promise`).  When a
request has changed one of its keys, the command runs again for that key, after that request.  So a client obtains data
in one way only, and what a blocked request takes is counted and journaled like any other request.
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
from twisted_kv.store.observers import Change, Watcher
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.errors import INTERNAL, CommandError, SessionEnded, WouldWait
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import Reply
from twisted_kv.vocabulary.waiting import Block, Promise

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

Request = Callable[[Session, Sequence[bytes], TableEntry], Reply]


class _Gone:
    """A marker among the types: anything but the type that the request waits for."""


class _Waiter:
    """One waiting request."""

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
        """The types that a key must take for this request to continue."""
        return (self.block.kind,) if self.block.gone is None else (self.block.kind, _Gone)


_Waiters = Dict[Type[object], Dict[_Waiter, None]]
"""The waiters for one key, in order of arrival, by the type that the key must take."""

_BATCH = 16
"""Waiters that are looked up together; most keys serve only a few."""


class Blocking:
    """Tracks which requests wait for which keys.

    `request` runs a command that was admitted before.  A waiter is served when the unit that made its key ready has
    ended.
    """

    _log = Logger()

    def __init__(self, now: Now, request: Request, units: Units) -> None:
        self._units = units
        self._now = now
        self._request = request
        self._ready: Dict[Tuple[Database, bytes], None] = {}  # keys of a type that a request waits for
        self._waiters: Dict[Tuple[int, bytes], _Waiters] = {}
        self._sessions: Dict[Session, Dict[_Waiter, None]] = {}
        self._watchers: Dict[int, Watcher] = {}
        self._is_rerunning = False  # a request that has waited is running again
        self._given: Deque[Tuple[Promise, Reply]] = deque()  # replies to be delivered
        self._is_delivering = False

    def __len__(self) -> int:
        return len(self._sessions)

    def layer(self, command: Command, function: Function) -> Function:
        """Wrap the function of a blocking command so that it waits if there is nothing to do yet."""
        if not command.may_block:
            return function

        def run(session: Session, *words: bytes) -> Reply:
            reply = function(session, *words)
            if type(reply) is not Block or self._is_rerunning:
                return reply
            if self._units.depth > 1:  # within a transaction or another command, where no other client can run
                return reply.otherwise
            if not session.may_wait:
                raise WouldWait(command.name)
            return self._wait(_Waiter(session, session.server.commands.entry(command), reply))

        return run

    def serve(self) -> None:
        """Rerun the requests that wait for ready keys, until no more keys become ready."""
        self._units.is_held = True
        try:
            while self._ready:
                for database, key in list(self._ready):
                    del self._ready[database, key]
                    self._serve(database, key)
        finally:
            self._units.is_held = False
        self._deliver()

    def unblock(self, session: Session, *, error: bool) -> bool:
        """End the wait of a session's request, as if it had timed out or with an error; return False if none waits."""
        waiter = next(iter(self._sessions.get(session, ())), None)
        if waiter is None:
            return False
        unblocked = CommandError("client unblocked via CLIENT UNBLOCK", "UNBLOCKED")
        self._finish(waiter, unblocked if error else waiter.block.late)
        self._units.after(self._deliver)  # that client's later requests must not run in the middle of an EXEC
        return True

    def look_again(self, database: Database, key: bytes) -> None:
        """Rerun the requests that wait for a key, although its watchers were not notified of a change."""
        if (database.index, key) in self._waiters:
            self._watcher(database)(key, Change.CHANGED)

    def forget(self, session: Session) -> None:
        """Remove the waiting requests of a session that has ended.

        On a link there is no client left to answer.  An in-process caller gets a `SessionEnded` reply.
        """
        for waiter in list(self._sessions.get(session, ())):
            if session.link is None:
                self._finish(waiter, SessionEnded())
            else:
                self._drop(waiter)
        self._deliver()

    def stop(self) -> None:
        """End all waits and cancel their timers."""
        for session in list(self._sessions):
            self.forget(session)

    # Internal

    def _wait(self, waiter: _Waiter) -> Promise:
        block, database = waiter.block, waiter.database
        for key in dict.fromkeys(block.keys):
            database_key = database.index, key
            if database_key not in self._waiters:
                self._waiters[database_key] = {}
                database.watch(key, self._watcher(database))
            for kind in waiter.kinds:
                self._waiters[database_key].setdefault(kind, {})[waiter] = None
        self._sessions.setdefault(waiter.session, {})[waiter] = None
        waiter.session.waiting += 1
        if block.timeout:
            waiter.call = self._now.clock.callLater(block.timeout / 1000, self._expire, waiter)
        waiter.promise.abandon = lambda: self._drop(waiter)
        return waiter.promise

    def _watcher(self, database: Database) -> Watcher:
        """Return the callback for a database: always the same one, so that it can be unregistered."""
        if database.index not in self._watchers:

            def changed(key: bytes, change: Change) -> None:
                kinds = self._waiters[database.index, key]
                if type(database.peek(key)) in kinds or _Gone in kinds:
                    is_first = not self._ready
                    self._ready[database, key] = None
                    if is_first:
                        self._units.after(self.serve)

            self._watchers[database.index] = changed
        return self._watchers[database.index]

    def _serve(self, database: Database, key: bytes) -> None:
        """Serve the waiters for a key in order of arrival, until its value is used up."""
        kinds = self._waiters.get((database.index, key), {})
        kind = type(database.peek(key))
        waiting = kinds.get(kind, {})
        passed_over = 0  # waiters at the front that keep waiting: the value is not for them
        while len(waiting) > passed_over and type(database.peek(key)) is kind:
            for waiter in list(islice(waiting, passed_over, passed_over + _BATCH)):
                if waiter.block.is_for is None or waiter.block.is_for(key):
                    self._retry(waiter, key)
                passed_over += waiter in waiting
                if type(database.peek(key)) is not kind:
                    break
        for waiter in list(kinds.get(_Gone, ())):
            if waiter.block.kind is not kind and waiter.block.gone is not None:
                self._finish(waiter, waiter.block.gone())

    def _retry(self, waiter: _Waiter, key: bytes) -> None:
        """Rerun a request for a ready key."""
        session, entry = waiter.session, waiter.entry
        selected, session.db = session.db, waiter.database
        self._is_rerunning = True
        try:
            reply = self._request(session, (*(b"",) * entry.skip, *waiter.block.again(key)), entry)
        except CommandError as error:
            reply = error.bare()
        except Exception:  # a bug in one command must not reach whoever made the key ready
            self._log.failure("{command} failed", command=entry.name)
            reply = CommandError(INTERNAL)
        finally:
            self._is_rerunning = False
            session.db = selected
        if type(reply) is not Block:
            self._finish(waiter, reply)

    def _expire(self, waiter: _Waiter) -> None:
        waiter.call = None
        self._now.stale = True
        self._finish(waiter, waiter.block.late)
        self._deliver()

    def _finish(self, waiter: _Waiter, reply: Reply) -> None:
        """Queue the reply to a waiting request; it is delivered when all waiters are served."""
        self._drop(waiter)
        promise = waiter.promise
        promise.abandon = lambda: promise.resolve(reply)  # it has taken effect already
        self._given.append((promise, reply))

    def _deliver(self) -> None:
        """Deliver replies one after the other: a callback may immediately issue a request that adds another."""
        if self._is_delivering:
            return
        self._is_delivering = True
        while self._given:
            promise, reply = self._given.popleft()
            try:
                if not promise.is_resolved:
                    promise.resolve(reply)
            except BaseException:  # whatever it is, the others must get their replies
                self._log.failure("a callback for a reply has failed")
        self._is_delivering = False

    def _drop(self, waiter: _Waiter) -> None:
        """Remove a waiting request."""
        waiters = self._sessions[waiter.session]
        del waiters[waiter]
        if not waiters:
            del self._sessions[waiter.session]
        waiter.session.waiting -= 1
        if waiter.call is not None:
            waiter.call.cancel()
            waiter.call = None
        for key in dict.fromkeys(waiter.block.keys):
            database_key = waiter.database.index, key
            kinds = self._waiters[database_key]
            for kind in waiter.kinds:
                del kinds[kind][waiter]
                if not kinds[kind]:
                    del kinds[kind]
            if not kinds:
                del self._waiters[database_key]
                waiter.database.unwatch(key, self._watcher(waiter.database))
