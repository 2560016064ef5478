"""Notes what every request changed, so that a log can do it again.

While it is open, the functions of the commands that write are wrapped; while it is closed, and for commands that only
read, nothing is asked at all.  A request is noted as it was given, unless its command told another (`Session.log`); one
that changed nothing is not noted.
"""

from __future__ import annotations

from typing import Callable, Dict, Final, List, Tuple

from twisted_kv.replies import Reply
from twisted_kv.sessions.session import Server, Session
from twisted_kv.table import Command, Function

Record = Callable[[int, List[Tuple[bytes, ...]]], None]
"""Takes the number of a database, and requests that are to be done there all or none."""


class Journal:
    """Has `record` told of all that changes the data of a cache."""

    def __init__(self, server: Server, record: Record) -> None:
        self._server = server
        self._record: Final = record
        self._functions: Dict[Command, Function] = {}

    @property
    def is_open(self) -> bool:
        """Whether note is taken."""
        return bool(self._functions)

    def open(self) -> None:
        """Begin to take note."""
        effects: list[tuple[bytes, ...]] = []
        self._server.effects = effects
        for command in self._server.commands.every():
            if command.is_write and not command.subcommands:
                self._functions[command] = command.function
                command.function = self._noting(command, effects)
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
        self._record(index, [(b"DEL", key)])

    def _noting(self, command: Command, effects: list[tuple[bytes, ...]]) -> Function:
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
                record(database.index, effects.copy())
                effects.clear()
            elif database.changes != before:
                record(database.index, [name + words])
            return reply

        return run
