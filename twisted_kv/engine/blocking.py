"""Requests that wait for a key: who waits for what, in the order in which they came.

A blocking command returns a `Block` when there is nothing for it yet.  Here it becomes a promise (`Later`), and when
one of its keys has changed, after the request that changed it, the command is run again for that key.  So there is one
way only that a client gets something, and what it takes is counted and logged like any other request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, List, Tuple

from twisted_kv.clock import Now
from twisted_kv.errors import CommandError
from twisted_kv.replies import Block, Later, Reply
from twisted_kv.sessions.session import Session
from twisted_kv.store.database import Database
from twisted_kv.table import Command, Function

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

Run = Callable[[Session, Command, Tuple[bytes, ...]], Reply]

_UNBLOCKED = CommandError("client unblocked via CLIENT UNBLOCK", "UNBLOCKED")


class _Waiter:
    """One request that waits."""

    __slots__ = ("block", "call", "command", "database", "later", "session")

    def __init__(self, session: Session, command: Command, block: Block) -> None:
        self.session = session
        self.command = command
        self.block = block
        self.database = session.db
        self.later = Later()
        self.call: IDelayedCall | None = None


class Blocking:
    """Who waits for which key.

    `ready` are the keys that have changed and that somebody waits for; when it is not empty, `serve` is to be called.
    `run` runs a command that is known with the words of a request.
    """

    def __init__(self, now: Now, run: Run) -> None:
        self._now = now
        self._run = run
        self.ready: List[Tuple[Database, bytes]] = []
        self._waiters: Dict[Tuple[int, bytes], List[_Waiter]] = {}
        self._sessions: Dict[Session, List[_Waiter]] = {}
        self._watchers: Dict[int, Callable[[bytes], None]] = {}
        self._again = False  # a request is run that has waited

    def __len__(self) -> int:
        return len(self._sessions)

    def wrap(self, command: Command) -> Function:
        """Give a function that does what a blocking command does, and waits if there is nothing to do yet."""
        function = command.function

        def run(session: Session, *words: bytes) -> Reply:
            reply = function(session, *words)
            if type(reply) is not Block or self._again:
                return reply
            if session.transaction is not None:  # others cannot do anything meanwhile: its time is up at once
                return reply.otherwise
            return self._wait(_Waiter(session, command, reply))

        return run

    def serve(self) -> None:
        """Run the requests again that wait for keys that have changed, for as long as that changes others."""
        while self.ready:
            database, key = self.ready.pop(0)
            value = database.peek(key)
            for waiter in list(self._waiters.get((database.index, key), ())):
                if type(value) is waiter.block.kind or waiter.block.unless_gone:
                    self._try(waiter, key)
                    value = database.peek(key)
                    if value is None and not waiter.block.unless_gone:
                        break

    def unblock(self, session: Session, *, error: bool) -> bool:
        """Let the request of a session wait no more: as if its time was up, or with an error; False if none waits."""
        waiters = self._sessions.get(session)
        if not waiters:
            return False
        self._finish(waiters[0], _UNBLOCKED if error else waiters[0].block.otherwise)
        return True

    def look_again(self, database: Database, key: bytes) -> None:
        """Run those again that wait for a key, though it has not changed for who watches it."""
        if (database.index, key) in self._waiters:
            self._watcher(database)(key)

    def forget(self, session: Session) -> None:
        """Take note that a session has ended: what it waits for goes to others."""
        for waiter in self._sessions.get(session, [])[:]:
            self._drop(waiter)

    def stop(self) -> None:
        """Leave no timer behind."""
        for session in list(self._sessions):
            self.forget(session)

    # The rest is our own

    def _wait(self, waiter: _Waiter) -> Later:
        block, database = waiter.block, waiter.database
        for key in dict.fromkeys(block.keys):
            waiters = self._waiters.setdefault((database.index, key), [])
            if not waiters:
                database.watch(key, self._watcher(database))
            waiters.append(waiter)
        self._sessions.setdefault(waiter.session, []).append(waiter)
        waiter.session.waiting += 1
        if block.timeout:
            waiter.call = self._now.clock.callLater(block.timeout / 1000, self._expire, waiter)
        waiter.later.abandon = lambda: self._drop(waiter)
        return waiter.later

    def _watcher(self, database: Database) -> Callable[[bytes], None]:
        """Give what a database is to call: the same each time, so that it can be taken back."""
        if database.index not in self._watchers:

            def changed(key: bytes) -> None:
                if (database, key) not in self.ready:
                    self.ready.append((database, key))

            self._watchers[database.index] = changed
        return self._watchers[database.index]

    def _try(self, waiter: _Waiter, key: bytes) -> None:
        """Run a request again, for a key that has changed."""
        session, command = waiter.session, waiter.command
        words = (*(b"",) * command.skip, *waiter.block.again(key))
        selected, session.db = session.db, waiter.database
        self._again = True
        try:
            reply = self._run(session, command, words)
        finally:
            self._again = False
            session.db = selected
        if type(reply) is not Block:
            self._finish(waiter, reply)

    def _expire(self, waiter: _Waiter) -> None:
        waiter.call = None
        self._now.stale = True
        self._finish(waiter, waiter.block.otherwise)

    def _finish(self, waiter: _Waiter, reply: Reply) -> None:
        self._drop(waiter)
        waiter.later.give(reply)

    def _drop(self, waiter: _Waiter) -> None:
        """Let a request wait no more."""
        waiters = self._sessions.get(waiter.session, [])
        if waiter not in waiters:
            return
        waiters.remove(waiter)
        if not waiters:
            del self._sessions[waiter.session]
        waiter.session.waiting -= 1
        if waiter.call is not None:
            waiter.call.cancel()
            waiter.call = None
        for key in dict.fromkeys(waiter.block.keys):
            place = waiter.database.index, key
            others = self._waiters[place]
            others.remove(waiter)
            if not others:
                del self._waiters[place]
                waiter.database.unwatch(key, self._watcher(waiter.database))
