"""How a connection ends: every state and every cause, by the table and on a connection."""

from __future__ import annotations

from typing import Callable

import pytest

from tests.own_commands import promises
from twisted_kv.faces.ending import FAREWELL, LONGEST, PATIENCE, TRANSITIONS, Cause, State
from twisted_kv.testing import MemoryCache, MemoryConnection


def state_of(client: MemoryConnection) -> State:
    return client.protocol.connection._state


def fill_transport(client: MemoryConnection) -> None:
    """Let the transport hold more than it takes, so that it does not end the connection before the test says so."""
    client.send(b"PING\r\n")
    client.transport.capacity = 10_000
    client.protocol.dataReceived(b"ECHO " + b"x" * 100 + b"\r\n")


def half_closed(client: MemoryConnection) -> None:
    client.send(b"LATER a\r\n")
    client.half_close()


def owing(client: MemoryConnection) -> None:
    client.send(b"LATER a\r\nQUIT\r\n")


def draining(client: MemoryConnection) -> None:
    fill_transport(client)
    client.protocol.dataReceived(b"QUIT\r\n")


def lingering(client: MemoryConnection) -> None:
    fill_transport(client)
    client.protocol.connection.close()


def gone(client: MemoryConnection) -> None:
    client.close()


def served(client: MemoryConnection) -> None:
    if b"a" in promises:
        promises.pop(b"a").resolve(1)


BRING: dict[State, Callable[[MemoryConnection], None]] = {
    State.OPEN: lambda client: client.protocol.dataReceived(b"LATER a\r\n"),
    State.HALF_CLOSED: half_closed,
    State.OWING: owing,
    State.DRAINING: draining,
    State.LINGERING: lingering,
    State.GONE: gone,
}
"""How a connection comes into a state."""

HAPPEN: dict[Cause, Callable[[MemoryConnection], None]] = {
    Cause.END_OF_INPUT: lambda client: client.half_close(),
    Cause.LAST_REQUEST: lambda client: client.protocol.connection._move(Cause.LAST_REQUEST),
    Cause.SERVED: served,
    Cause.LEAVE: lambda client: client.protocol.connection.close(),
    Cause.LOST: lambda client: client.close(),
}
"""How a cause comes about."""


def test_every_state_has_a_row() -> None:
    assert list(TRANSITIONS) == list(State)


def test_there_is_no_way_back_and_all_ways_lead_to_the_end() -> None:
    order = list(State)
    for state, row in TRANSITIONS.items():
        assert all(order.index(after) > order.index(state) for after in row.values())
        assert (row.get(Cause.LOST) is State.GONE) is (state is not State.GONE)


def test_a_state_in_which_nothing_is_owed_does_not_last() -> None:
    assert set(LONGEST) == {state for state in State if state.is_over} - {State.GONE}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("cause", list(Cause))
def test_a_connection_goes_as_the_table_says(own: MemoryCache, state: State, cause: Cause) -> None:
    client = own.connect(capacity=1 << 20)
    BRING[state](client)
    assert state_of(client) is state
    after = TRANSITIONS[state].get(cause, state)
    # The fake transport loses a connection at once that has nothing to send, as a reactor does in its next turn.
    holds = len(client.transport.value()) > 0
    HAPPEN[cause](client)
    reached = state_of(client)
    assert reached is after or (reached is State.GONE and after.is_over and not holds)


def test_what_waits_for_nobody_is_abandoned_when_a_connection_is_told_to_go(own: MemoryCache) -> None:
    for state in (State.HALF_CLOSED, State.OWING):
        client = own.connect()
        BRING[state](client)
        assert list(promises) == [b"a"]
        client.protocol.connection.close()
        assert promises == {}
        assert client.closed


def test_a_client_that_ends_its_input_and_is_owed_nothing_is_gone_at_once(own: MemoryCache) -> None:
    client = own.connect()
    client.half_close()
    assert client.closed


@pytest.mark.parametrize(("state", "longest"), [(State.DRAINING, FAREWELL), (State.LINGERING, PATIENCE)])
def test_a_connection_that_does_not_end_by_itself_is_aborted(own: MemoryCache, state: State, longest: float) -> None:
    client = own.connect(capacity=1 << 20)
    BRING[state](client)
    own.clock.advance(longest)
    assert not client.closed
    own.clock.advance(2)
    assert client.closed
    assert state_of(client) is State.GONE


def test_bytes_that_come_after_the_last_request_are_not_read(own: MemoryCache) -> None:
    client = own.connect()
    client.send(b"LATER a\r\nQUIT\r\nSET k v\r\n")
    client.send(b"SET k v\r\n")
    assert client.protocol.connection.waiting_input == len(b"SET k v\r\n")
    served(client)
    assert own.call("EXISTS", "k") == 0
    assert client.closed
