"""Notes what every request changed, so that a log can do it again.

While it is open, the functions of the commands that write are wrapped; while it is closed, and for commands that only
read, nothing is asked at all.  A request is noted as it was given, unless its command told another (`Session.log`); one
that changed nothing is not noted.
"""

from __future__ import annotations

from typing import Callable, Dict, Final, List

from twisted_kv.replies import Reply
from twisted_kv.sessions.session import Effect, Server, Session
from twisted_kv.table import Command, Function

Record = Callable[[List[Effect]], None]
"""Takes requests that are to be done all or none, each with the number of its database."""


class Journal:
    """Has `record` told of all that changes the data of a cache."""

    def __init__(self, server: Server, record: Record) -> None:
        self._server = server
        self._take: Final = record
        self._transaction: List[Effect] | None = None  # what it has done so far
        self._functions: Dict[Command, Function] = {}

    @property
    def is_open(self) -> bool:
        """Whether note is taken."""
        return bool(self._functions)

    def open(self) -> None:
        """Begin to take note."""
        effects: List[Effect] = []
        self._server.effects = effects
        for command in self._server.commands.every():
            if command.subcommands:
                continue
            if command.is_write or any("RW" in spec.access for spec in command.keys):  # PFCOUNT keeps its estimate
                self._functions[command] = command.function
                command.function = self._noting(command, effects)
            elif command.name == "exec":
                self._functions[command] = command.function
                command.function = self._together(command.function)
        for database in self._server.databases:
            database.lost = self._lost

    def close(self) -> None:
        """Take note no more."""
        for command, function in self._functions.items():
            command.function = function
        self._functions.clear()
        self._server.effects = None
        for database in self._server.databases:
            database.lost = None

    def _lost(self, index: int, key: bytes) -> None:
        self._record([(index, (b"DEL", key))])

    def _record(self, done: List[Effect]) -> None:
        if self._transaction is None:
            self._take(done)
        else:
            self._transaction += done

    def _together(self, function: Function) -> Function:
        """Make the function of EXEC, which notes all that its requests have done as one."""

        def run(session: Session, *words: bytes) -> Reply:
            self._transaction = []
            try:
                return function(session, *words)
            finally:
                done, self._transaction = self._transaction, None
                if done:
                    self._take(done)

        return run

    def _noting(self, command: Command, effects: List[Effect]) -> Function:
        """Make the function of a command that notes what it has done."""
        function, record = command.function, self._record
        name = tuple(command.name.upper().encode().split(b"|"))

        def run(session: Session, *words: bytes) -> Reply:
            database = session.db
            before = database.changes
            try:
                reply = function(session, *words)
            except BaseException:
                effects.clear()
                raise
            if effects:
                record(effects.copy())
                effects.clear()
            elif database.changes != before:
                record([(database.index, name + words)])
            return reply

        return run
