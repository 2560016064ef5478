"""Notes what every unit of execution changed, so that a log can do it again.

While it is open, it is a layer around the commands that write; while it is closed, and for commands that only read,
nothing is asked at all.  A request is noted as it was given, unless its command told another (`Session.log`); one that
changed nothing is not noted.  What belongs to one unit is one record: an EXEC, a command and those that it calls, a
request and the keys that were found expired by it.
"""

from __future__ import annotations

from typing import Callable, Dict, Final, List

from twisted_kv.declaring.commands import Command, Function
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.engine.layers import JOURNAL
from twisted_kv.sessions.services import Effect, NoEffects
from twisted_kv.sessions.session import Session
from twisted_kv.store.observers import Event
from twisted_kv.vocabulary.replies import Reply

Record = Callable[[List[Effect]], None]
"""Takes requests that are to be done all or none, each with the number of its database."""


class Journal:
    """Has `record` told of all that changes the data of a cache."""

    def __init__(self, dispatcher: Dispatcher, record: Record) -> None:
        self._server = dispatcher.server
        self._layers = dispatcher.layers
        self._units = dispatcher.units
        self._take: Final = record
        self._effects: List[Effect] = []  # what the command that runs has told itself
        self._unit: List[Effect] = []  # what the unit under way has done, if it is more than one command
        self._told = 0  # how often a command has told of something before it called another
        self._nested: Dict[int, int] = {}  # changes of each database that were noted by commands within others
        self.is_open = False

    def open(self) -> None:
        """Begin to take note."""
        self.is_open = True
        self._server.services.effects = self._effects
        self._layers.switch(JOURNAL, self._layer)
        for database in self._server.databases:
            database.lost = self._lost

    def close(self) -> None:
        """Take note no more."""
        self.is_open = False
        self._server.services.effects = NoEffects()
        self._layers.switch(JOURNAL, None)
        for database in self._server.databases:
            database.lost = None

    def _lost(self, index: int, key: bytes, event: Event) -> None:
        """Take note of a key that is gone though no request asked for it."""
        effect = index, (b"DEL", key)
        if self._units.depth and not self._units.is_bout:
            self._gather([effect])
        else:
            self._take([effect])

    def _note(self, done: List[Effect]) -> None:
        if self._unit or self._units.depth > 1:
            self._gather(done)
        else:
            self._take(done)

    def _gather(self, done: List[Effect]) -> None:
        """Keep what was done until the end of the unit."""
        if not self._unit:
            self._units.at_end(self._record_unit)
        self._unit += done

    def _record_unit(self) -> None:
        done, self._unit = self._unit, []
        self._nested.clear()
        if done:
            self._take(done)

    def _layer(self, command: Command, function: Function) -> Function:
        """Make the function of a command that notes what it has done."""
        if command.subcommands or not (
            command.is_write or any("RW" in spec.access for spec in command.keys)  # PFCOUNT keeps its estimate
        ):
            return function
        effects = self._effects
        name = tuple(command.name.upper().encode().split(b"|"))

        def run(session: Session, *words: bytes) -> Reply:
            if effects:  # of a command that calls this one
                self._told += 1
                self._gather(effects.copy())
                effects.clear()
            database = session.db
            index, before, told, start = database.index, database.changes, self._told, len(self._unit)
            nested = self._nested.get(index, 0) if self._nested else 0
            try:
                reply = function(session, *words)
            except BaseException:
                effects.clear()
                raise
            changes = database.changes - before
            own = changes if not self._nested else changes - self._nested.get(index, 0) + nested
            if effects:
                self._note(effects.copy())
                effects.clear()
            elif own and self._told == told:
                if own != changes:  # its own words do all of it again, also what was done by those that it has called
                    del self._unit[start:]
                self._note([(index, name + words)])
            if self._units.depth > 1:
                self._nested[index] = nested + changes
            return reply

        return run
