"""How a connection ends: its states, the causes that may occur in each, and the state that each cause leads to.

The table is the whole logic: `stream` moves through it and acts on each state it enters, and the diagram in
`docs/architecture.md` is generated from it.  A cause that is not in the row of a state is ignored there.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Mapping


class State(Enum):
    """The state of a connection, from its beginning to its end."""

    OPEN = "requests are read, run and answered"
    HALF_CLOSED = "the client has closed its sending side: requests received so far are run and answered"
    OWING = "no more requests are run: the replies the client is still owed are sent"
    DRAINING = "everything was handed to the transport, which is sending it"
    LINGERING = "replies still owed are dropped: the transport has a moment to send what it holds"
    GONE = "the connection is lost"

    @property
    def is_over(self) -> bool:
        """Whether no more requests are run, and nothing more is handed to the transport."""
        return self in (State.DRAINING, State.LINGERING, State.GONE)


class Cause(Enum):
    """Why a connection leaves a state."""

    END_OF_INPUT = "the client has closed its sending side"
    LAST_REQUEST = "QUIT, SHUTDOWN, or bytes that are not a valid request"
    SERVED = "the client is owed nothing more"
    LEAVE = "CLIENT KILL, an exceeded limit, the idle timeout, or the port closing"
    LOST = "the transport reports that the connection is lost"


TRANSITIONS: Final[Mapping[State, Mapping[Cause, State]]] = {
    State.OPEN: {
        Cause.END_OF_INPUT: State.HALF_CLOSED,
        Cause.LAST_REQUEST: State.OWING,
        Cause.LEAVE: State.LINGERING,
        Cause.LOST: State.GONE,
    },
    State.HALF_CLOSED: {
        Cause.LAST_REQUEST: State.OWING,
        Cause.SERVED: State.DRAINING,
        Cause.LEAVE: State.LINGERING,
        Cause.LOST: State.GONE,
    },
    State.OWING: {
        Cause.SERVED: State.DRAINING,
        Cause.LEAVE: State.LINGERING,
        Cause.LOST: State.GONE,
    },
    State.DRAINING: {
        Cause.LEAVE: State.LINGERING,
        Cause.LOST: State.GONE,
    },
    State.LINGERING: {
        Cause.LOST: State.GONE,
    },
    State.GONE: {},
}

FAREWELL: Final = 60.0
"""Seconds that a connection may take to end after its last reply was handed over: a TLS client may never respond."""

PATIENCE: Final = 1.0
"""Seconds that a client has to read what was sent to it, once its connection must end in any case."""

LONGEST: Final[Mapping[State, float]] = {State.DRAINING: FAREWELL, State.LINGERING: PATIENCE}
"""Seconds after which a connection that is still in the state is aborted."""


def drawing() -> str:
    """Return the table as a state diagram in Mermaid's notation."""
    lines = ["stateDiagram-v2", "    [*] --> OPEN"]
    for state, row in TRANSITIONS.items():
        lines += [f"    {state.name} --> {after.name}: {cause.name}" for cause, after in row.items()]
    lines.append("    GONE --> [*]")
    return "\n".join(lines) + "\n"
