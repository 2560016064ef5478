"""How a connection ends: its states, what may happen in each, and where that leads.

The table is all there is to it: `stream` moves through it and does what each state says, and the drawing in
`docs/architecture.md` is made from it.  What is not in the row of a state changes nothing there.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Mapping


class State(Enum):
    """Where a connection stands between its beginning and its end."""

    OPEN = "requests are read, run and answered"
    HALF_CLOSED = "the client sends no more: what it has sent is run and answered"
    OWING = "no more requests are run: what the client is owed is sent"
    DRAINING = "all was handed to the transport, which sends it"
    LINGERING = "what the client is owed is dropped: the transport sends what it holds, for a moment"
    GONE = "the connection is lost"

    @property
    def is_over(self) -> bool:
        """Whether nothing more is run, nor handed to the transport."""
        return self in (State.DRAINING, State.LINGERING, State.GONE)


class Cause(Enum):
    """Why a connection leaves a state."""

    END_OF_INPUT = "the client has sent its end"
    LAST_REQUEST = "QUIT, SHUTDOWN, or bytes that are no request"
    SERVED = "the client is owed nothing any more"
    LEAVE = "CLIENT KILL, a limit, the idle time-out, the end of the port"
    LOST = "the transport says so"


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
"""Seconds that a connection has to end once its last reply was handed over: a TLS client may never answer."""

PATIENCE: Final = 1.0
"""Seconds that a client has to take what was sent to it, once its connection is to end in any case."""

LONGEST: Final[Mapping[State, float]] = {State.DRAINING: FAREWELL, State.LINGERING: PATIENCE}
"""Seconds after which a connection that is still in such a state is aborted."""


def drawing() -> str:
    """Return the table as a state diagram in Mermaid's notation."""
    lines = ["stateDiagram-v2", "    [*] --> OPEN"]
    for state, row in TRANSITIONS.items():
        lines += [f"    {state.name} --> {after.name}: {cause.name}" for cause, after in row.items()]
    lines.append("    GONE --> [*]")
    return "\n".join(lines) + "\n"
