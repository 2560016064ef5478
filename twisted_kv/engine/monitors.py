"""MONITOR: shows the requests of all clients as they are run.

While somebody monitors, every request passes through admission, which notes its words, and a layer around each command
shows them once it has run.  Commands for administrators are not shown, and passwords are not either.
"""

from __future__ import annotations

from typing import Dict, Sequence

from twisted_kv.declaring.commands import Command, Function, Lasting
from twisted_kv.engine.admission import Admission
from twisted_kv.engine.layers import MONITOR, Layers
from twisted_kv.sessions.session import Server, Session
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Followed, Reply, Status
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.words import quote


class Monitors:
    """The sessions that see all requests.  `words` are those of the request that is about to run."""

    def __init__(self, server: Server, layers: Layers, admission: Admission) -> None:
        self._server = server
        self._layers = layers
        self._admission = admission
        self._sessions: Dict[Session, None] = {}
        self.words: Sequence[bytes] = ()

    def begin(self, session: Session) -> None:
        """Show all requests to a session from now on."""
        session.is_monitor = True
        session.refresh()
        self._sessions[session] = None
        self._switch()

    def end(self, session: Session) -> None:
        """Show a session no more requests."""
        session.is_monitor = False
        session.refresh()
        del self._sessions[session]
        self._switch()

    def _switch(self) -> None:
        is_on = bool(self._sessions)
        self._layers.switch(MONITOR, self._layer if is_on else None)
        self._admission.ask_always("monitor", is_on)

    def _layer(self, command: Command, function: Function) -> Function:
        """Wrap the function of a command that is shown."""
        if command.runs_requests:
            return self._show_before(command, function)
        if "admin" in command.flags or "skip_monitor" in command.flags:
            return function

        def run(session: Session, *arguments: bytes) -> Reply:
            words, self.words = self.words, ()
            try:
                reply = function(session, *arguments)
            except CommandError:
                line = self._show(session, command, words)
                if line is not None:
                    session.push_behind([line])
                raise
            line = self._show(session, command, words)
            if line is None:
                return reply
            if type(reply) is Promise:
                session.push(line)  # the reply comes later
                return reply
            return Followed(reply, [line])

        return run

    def _show_before(self, command: Command, function: Function) -> Function:
        """Wrap the function of a command that runs others, which are shown after it."""

        def run(session: Session, *arguments: bytes) -> Reply:
            words, self.words = self.words, ()
            self._show(session, command, words)
            return function(session, *arguments)

        return run

    def _show(self, session: Session, command: Command, words: Sequence[bytes]) -> Status | None:
        """Show a request to all who monitor; return the line that its own client sees behind the reply, if it does."""
        if not words or not words[0] or session.is_replay:  # a request that has waited runs again, or a journal
            return None
        line = Status(self._line(session, words if command.redact is None else command.redact(words)))
        for each in tuple(self._sessions):
            if each is not session:
                each.push(line)
        return line if session in self._sessions and not session.closing else None

    def _line(self, session: Session, words: Sequence[bytes]) -> bytes:
        seconds, microseconds = divmod(round(self._server.now.clock.seconds() * 1_000_000), 1_000_000)
        shown = " ".join([quote(word) for word in words])
        return f"{seconds}.{microseconds:06} [{session.db.index} {_origin(session)}] {shown}".encode()


def _origin(session: Session) -> str:
    """Return where a request comes from."""
    if session.is_script:
        return "lua"
    if session.link is not None:
        peer = session.link.peer
        return f"unix:{peer}" if peer.startswith("/") else peer
    return "process" if session.lasting is Lasting.SESSION else "datagram"
