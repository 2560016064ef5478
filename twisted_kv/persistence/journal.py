"""Records the changes of each unit of execution, so that the append-only file can replay them.

While the journal is open, it is a layer around the commands that write; while it is closed, and for commands that only
read, no check is made at all.  It records a request as the client sent it, unless the command reports another one
(`Session.journal`); a request that changed nothing is not recorded.  All changes of one unit make one record: those of
an EXEC, of a command and the commands that it calls, of a request and the keys that it found expired.
"""

from __future__ import annotations

from typing import Callable, Dict, Final, List

from twisted_kv.declaring.commands import Command, Function, RunFunction
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.engine.layers import JOURNAL
from twisted_kv.sessions.services import Effect, NoEffects
from twisted_kv.sessions.session import Session
from twisted_kv.store.observers import Change
from twisted_kv.vocabulary.replies import Reply
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.plain_requests import Run

Record = Callable[[List[Effect]], None]
"""Takes requests to be replayed all or none, each with the index of its database."""
RecordRun = Callable[[int, bytes], None]
"""Takes encoded requests, of which each is a record of its own, and the index of their database."""


class Journal:
    """Calls `record` for all changes of a cache's data, or `record_run` for those of many requests at once."""

    def __init__(self, dispatcher: Dispatcher, record: Record, record_run: RecordRun | None = None) -> None:
        self._server = dispatcher.server
        self._layers = dispatcher.layers
        self._units = dispatcher.units
        self._record: Final = record
        self._record_run: Final = record_run
        self._effects: List[Effect] = []  # effects that the running command has reported
        self._unit: List[Effect] = []  # effects of the current unit, if it runs more than one command
        self._lost_at: List[int] = []  # where effects of the unit are that remove keys that no request removed
        self._reported = 0  # how often a command reported effects before it called another
        self._nested: Dict[int, int] = {}  # changes by database, recorded by commands within others
        self._is_muted = False
        self.is_open = False

    def open(self) -> None:
        """Begin to record."""
        self.is_open = True
        self._server.services.effects = self
        self._layers.switch(JOURNAL, self._layer, self._run_layer)
        for database in self._server.databases:
            database.lost = self._key_lost

    def close(self) -> None:
        """Stop recording."""
        self.is_open = False
        self._server.services.effects = NoEffects()
        self._layers.switch(JOURNAL, None)
        for database in self._server.databases:
            database.lost = None

    def _key_lost(self, index: int, key: bytes, change: Change) -> None:
        """Record the removal of a key that no request removed."""
        effect = index, (b"DEL", key)
        if self._units.depth and not self._units.is_timer:
            self._lost_at.append(len(self._unit))
            self._gather([effect])
            if change is Change.EVICTED:  # a change that the running command has not made itself
                self._nested[index] = self._nested.get(index, 0) + 1
        else:
            self._record([effect])

    def append(self, effect: Effect) -> None:
        """Record an effect of the command that is running."""
        self._effects.append(effect)

    def mute(self, is_muted: bool) -> None:
        """Record nothing of what requests do, or go on."""
        self._is_muted = is_muted

    def discard(self) -> None:
        """Record nothing of what the unit under way has done."""
        self._effects.clear()
        self._unit.clear()
        self._lost_at.clear()

    def _note(self, effects: List[Effect]) -> None:
        if self._is_muted:
            return
        if self._unit or self._units.depth > 1:
            self._gather(effects)
        else:
            self._record(effects)

    def _gather(self, effects: List[Effect]) -> None:
        """Keep effects until the end of the unit."""
        if not self._unit:
            self._units.at_end(self._record_unit)
        self._unit += effects

    def _keep_lost(self, start: int) -> None:
        """Drop the effects of the unit from an index on, but those of keys that no request removed."""
        kept = [self._unit[at] for at in self._lost_at if at >= start]
        del self._unit[start:]
        self._unit += kept
        self._lost_at = [at for at in self._lost_at if at < start]
        self._lost_at += range(start, start + len(kept))

    def _record_unit(self) -> None:
        effects, self._unit = self._unit, []
        self._nested.clear()
        self._lost_at.clear()
        if effects:
            self._record(effects)

    def _run_layer(self, command: Command, function: RunFunction) -> RunFunction:
        """Wrap the function that runs many requests of a command, so that they are recorded as they came.

        Each of them repeats its own effect, or that it had none; and it has let no key expire.
        """
        if not command.is_write:
            return function

        def run(session: Session, requests: Run) -> List[Reply]:
            record_run = self._record_run
            if record_run is None or self._units.depth > 1 or self._is_muted:
                return []
            replies = function(session, requests)
            done = len(replies)
            if done == requests.count:
                record_run(session.db.index, requests.encoded)
            elif done:
                record_run(session.db.index, b"".join(map(encode_request, requests.requests()[:done])))
            return replies

        return run

    def _layer(self, command: Command, function: Function) -> Function:
        """Wrap a command's function so that its effects are recorded."""
        if (
            command.subcommands
            or command.runs_requests
            or not (
                command.is_write or any("RW" in spec.access for spec in command.keys)  # PFCOUNT stores its estimate
            )
        ):
            return function
        effects = self._effects
        name = tuple(command.name.upper().encode().split(b"|"))

        def run(session: Session, *arguments: bytes) -> Reply:
            if effects:  # reported by the command that calls this one
                self._reported += 1
                self._gather(effects.copy())
                effects.clear()
            database = session.db
            index, before, reported, start = database.index, database.changes, self._reported, len(self._unit)
            nested = self._nested.get(index, 0) if self._nested else 0
            try:
                reply = function(session, *arguments)
            except BaseException:
                effects.clear()
                raise
            changes = database.changes - before
            own = changes if not self._nested else changes - self._nested.get(index, 0) + nested
            if effects:
                self._note(effects.copy())
                effects.clear()
            elif (own or session.db is not database) and self._reported == reported:
                # Its own request replays all of it, including the effects of the commands that it called, but not what
                # time has done: the replay removes no key by itself.
                if len(self._unit) > start:
                    self._keep_lost(start)
                self._note([(index, name + arguments)])
            if self._units.depth > 1:
                self._nested[index] = nested + changes
            return reply

        return run
