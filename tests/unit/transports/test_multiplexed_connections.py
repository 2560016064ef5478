"""Connections behind a multiplexer, turn by turn: phases, commits, faults of one, what sending at once may break."""

from __future__ import annotations

import array
import os
import socket
from typing import Any, Callable, Iterator

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from tests.sockets.multiplexed import Far, Machine, factory_of, failing
from twisted_kv.engine.wakeup import READ_SIZE
from twisted_kv.faces.in_process import LocalSession
from twisted_kv.faces.resp_connection import RespConnection
from twisted_kv.transports import multiplexer
from twisted_kv.transports.multiplexer import BYTES_AT_ONCE
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.encoder import encode_request

pytestmark = [
    pytest.mark.fast,
    pytest.mark.skipif(not multiplexer.is_possible, reason="the system has no epoll"),
]

BIG = b"x" * 300_000
BIG_REPLY = b"$300000\r\n" + BIG + b"\r\n"


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.close()


class Disk:
    """A commit that takes its time: `finish()` ends the oldest."""

    def __init__(self, machine: Machine) -> None:
        self.pending: list[Callable[[bool], None]] = []
        machine.wakeup.commit = self.pending.append

    def finish(self) -> None:
        self.pending.pop(0)(True)


def call(machine: Machine, *words: bytes) -> Any:
    """Run one request in process."""
    with LocalSession(machine.dispatcher) as session:
        return session.call(*words)


def near(machine: Machine) -> RespConnection:
    """Give the server's side of the only connection."""
    [connection] = machine.factory.connections
    return connection


def owed(machine: Machine) -> Far:
    """Give a client that is owed more than the system holds, so that the rest waits to be written."""
    call(machine, b"SET", b"big", BIG)
    client = machine.connect()
    client.send(b"GET big\r\n" * 10)
    machine.turn()
    assert near(machine).transport in machine.multiplexer.getWriters()
    return client


# Sending


def test_a_reply_leaves_in_the_wake_up_of_its_request_and_nothing_waits_to_write(machine: Machine) -> None:
    client = machine.connect()
    client.send(b"PING\r\n")
    machine.turn()
    assert client.take() == b"+PONG\r\n"
    assert machine.multiplexer.getWriters() == []


def test_what_the_system_does_not_take_at_once_follows_in_order(machine: Machine) -> None:
    client = owed(machine)
    client.send(b"PING\r\n")
    received = client.take()
    while len(received) < 10 * len(BIG_REPLY) + 7:
        assert machine.is_ready()
        machine.turn()
        received += client.take()
    assert received == BIG_REPLY * 10 + b"+PONG\r\n"
    machine.settle()
    assert machine.multiplexer.getWriters() == []


def test_a_client_that_does_not_read_wakes_nobody(machine: Machine) -> None:
    owed(machine)
    machine.settle()


def test_a_client_that_does_not_read_and_is_told_to_go_is_gone(machine: Machine) -> None:
    client = owed(machine)
    near(machine).close()
    machine.clock.advance(0)
    machine.settle()
    assert machine.factory.connections == set()
    client.take()
    assert client.ended


def test_after_half_a_close_all_that_is_owed_arrives(machine: Machine) -> None:
    call(machine, b"SET", b"big", BIG)
    client = machine.connect()
    client.send(b"GET big\r\n" * 10)
    client.socket.shutdown(socket.SHUT_WR)
    received = b""
    while not client.ended:
        assert machine.is_ready()
        machine.turn()
        received += client.take()
    assert received == BIG_REPLY * 10
    assert machine.factory.connections == set()


def silent(machine: Machine) -> tuple[Any, Far]:
    """Connect a client to a protocol that does nothing; gives its transport too."""
    made: list[Protocol] = []
    factory = factory_of(Protocol)
    factory.buildProtocol = lambda address: made.append(Protocol()) or made[0]
    client = machine.connect(factory)
    return made[0].transport, client


def test_nothing_is_sent_after_an_abort(machine: Machine) -> None:
    transport, client = silent(machine)
    transport.abortConnection()
    transport.write(b"late")
    machine.clock.advance(0)
    machine.settle()
    assert client.take() == b""
    assert client.ended


def test_nothing_is_sent_after_half_a_close_of_ours(machine: Machine) -> None:
    transport, client = silent(machine)
    transport.write(b"in time")
    transport.loseWriteConnection()
    machine.turn_until(lambda: machine.multiplexer.getWriters() == [])
    transport.write(b"late")
    machine.settle()
    assert client.take() == b"in time"
    assert client.ended


class Pull:
    """A producer that gives a piece each time that it is asked."""

    def __init__(self, transport: Any, pieces: list[bytes]) -> None:
        self.transport = transport
        self.pieces = pieces

    def resumeProducing(self) -> None:
        if self.pieces:
            self.transport.write(self.pieces.pop(0))
        else:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def stopProducing(self) -> None:
        self.pieces.clear()


def test_a_producer_that_waits_to_be_asked_is_asked_until_its_end(machine: Machine) -> None:
    transport, client = silent(machine)
    transport.registerProducer(Pull(transport, [b"one ", b"two ", b"three"]), False)
    machine.settle()
    assert client.take() == b"one two three"
    assert client.ended


def test_a_descriptor_that_is_sent_goes_with_the_bytes_after_it(machine: Machine) -> None:
    transport, client = silent(machine)
    transport.sendFileDescriptor(client.socket.fileno())
    transport.write(b"x")
    machine.settle()
    data, more, _, _ = client.socket.recvmsg(100, socket.CMSG_SPACE(4))
    assert data == b"x"
    [(_, kind, sent)] = more
    assert kind == socket.SCM_RIGHTS
    for number in array.array("i", sent):
        os.close(number)


# Phases


class Member(Protocol):
    """Writes into the log of its factory what happens to it."""

    factory: Any

    def dataReceived(self, data: bytes) -> None:
        self.factory.log.append("read")
        self.factory.machine.wakeup.join(self)
        self.data = data

    def run(self) -> bytes:
        self.factory.log.append("run")
        return self.data

    def answer(self, answers: bytes) -> None:
        self.factory.log.append("answer")
        self.transport.write(answers)

    def close(self, *, abort: bool = False) -> None:
        self.transport.abortConnection()


def test_all_are_read_then_all_run_then_one_commit_then_all_answers(machine: Machine) -> None:
    factory = factory_of(Member)
    factory.machine, factory.log = machine, []
    clients = [machine.connect(factory) for _ in range(5)]
    for client in clients:
        client.send(b"hello")
    disk = Disk(machine)
    machine.turn()
    assert factory.log == ["read"] * 5 + ["run"] * 5
    assert len(disk.pending) == 1
    disk.finish()
    assert factory.log[10:] == ["answer"] * 5
    assert [client.take() for client in clients] == [b"hello"] * 5


def test_replies_leave_after_their_commit_only_and_in_order(machine: Machine) -> None:
    disk = Disk(machine)
    first, second = machine.connect(), machine.connect()
    first.send(b"INCR n\r\n")
    machine.turn()
    first.send(b"INCR n\r\n")
    second.send(b"INCR other\r\n")
    machine.turn()
    assert (first.take(), second.take()) == (b"", b"")
    disk.finish()
    assert (first.take(), second.take()) == (b":1\r\n", b"")
    disk.finish()
    assert (first.take(), second.take()) == (b":2\r\n", b":1\r\n")


def test_reads_wait_for_the_commit_of_what_they_saw(machine: Machine) -> None:
    disk = Disk(machine)
    writer, reader = machine.connect(), machine.connect()
    writer.send(b"SET k v\r\n")
    machine.turn()
    reader.send(b"GET k\r\n")
    machine.turn()
    assert reader.take() == b""
    disk.finish()
    disk.finish()
    assert reader.take() == b"$1\r\nv\r\n"


def test_one_that_is_lost_before_the_commit_is_over_leaves_the_others_their_answers(machine: Machine) -> None:
    disk = Disk(machine)
    gone, other = machine.connect(), machine.connect()
    for client in (gone, other):
        client.send(b"INCR n\r\n")
    machine.turn()
    gone.socket.close()
    machine.settle()
    disk.finish()
    machine.settle()
    assert other.take() in (b":1\r\n", b":2\r\n")
    assert call(machine, b"GET", b"n") == b"2"


def finish_all(machine: Machine, disk: Disk) -> None:
    """Take turns and end commits, one at a time, until there is nothing to do."""
    machine.settle()
    while disk.pending:
        disk.finish()
        machine.settle()


def test_half_a_close_while_a_commit_lasts_loses_no_reply(machine: Machine) -> None:
    disk = Disk(machine)
    client = machine.connect()
    client.send(b"INCR n\r\n")
    machine.turn()
    client.socket.shutdown(socket.SHUT_WR)
    finish_all(machine, disk)
    assert client.take() == b":1\r\n"
    assert client.ended


@pytest.mark.parametrize(
    ("last", "answer"),
    [(b"QUIT\r\n", b"+OK\r\n"), (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n")],
)
def test_the_last_reply_is_not_lost_where_commits_of_two_wake_ups_last(
    machine: Machine, last: bytes, answer: bytes
) -> None:
    disk = Disk(machine)
    client = machine.connect()
    client.send(b"INCR n\r\n")
    machine.turn()
    client.send(last)
    machine.turn()
    finish_all(machine, disk)
    assert client.take() == b":1\r\n" + answer
    assert client.ended


# One connection, and the others


def test_a_protocol_that_fails_to_read_ends_alone(machine: Machine) -> None:
    class Bad(Protocol):
        def dataReceived(self, data: bytes) -> None:
            failing()

        def connectionLost(self, reason: Any = None) -> None:
            failing()

    clients = [machine.connect(), machine.connect(factory_of(Bad)), machine.connect()]
    for client in clients:
        client.send(b"PING\r\n")
    machine.turn()
    machine.settle()
    assert [client.take() for client in clients] == [b"+PONG\r\n", b"", b"+PONG\r\n"]
    assert [client.ended for client in clients] == [False, True, False]


def fail_on_bad(machine: Machine) -> None:
    """Have the dispatch service fail, as it never should, on a request that is BAD."""
    really = machine.dispatcher.request
    machine.dispatcher.request = lambda session, words: failing() if words == [b"BAD"] else really(session, words)


@pytest.mark.pure
@pytest.mark.parametrize("phase", ["run", "answer"])
def test_a_connection_that_fails_in_a_later_phase_ends_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    if phase == "run":
        fail_on_bad(machine)
    else:
        really = RespConnection.answer
        monkeypatch.setattr(
            RespConnection, "answer", lambda self, it: failing() if b"BAD" in it[0] else really(self, it)
        )
    clients = [machine.connect() for _ in range(3)]
    for client, word in zip(clients, (b"PING", b"BAD", b"PING")):
        client.send(word + b"\r\n")
    machine.turn()
    machine.settle()
    assert [client.take() for client in clients] == [b"+PONG\r\n", b"", b"+PONG\r\n"]
    assert [client.ended for client in clients] == [False, True, False]
    assert len(machine.factory.connections) == len(machine.dispatcher.server.sessions) == 2


def test_one_that_closes_itself_where_it_reads_is_closed(machine: Machine) -> None:
    for way in ("loseConnection", "abortConnection"):

        class Leaver(Protocol):
            def dataReceived(self, data: bytes, way: str = way) -> None:
                getattr(self.transport, way)()

        client = machine.connect(factory_of(Leaver))
        client.send(b"x" * 5_000)
        machine.turn()
        machine.settle()
        client.take()
        assert client.ended
        assert machine.multiplexer.getReaders() == machine.multiplexer.getWriters() == []


def test_one_that_another_kills_in_the_same_wake_up_is_closed_and_runs_no_more(machine: Machine) -> None:
    killer, victim, other = machine.connect(), machine.connect(), machine.connect()
    victim.send(b"CLIENT ID\r\n")
    machine.turn()
    number = victim.take()[1:-2]
    machine.settle()
    killer.send(b"CLIENT KILL ID %b\r\nSET killed 1\r\n" % number)
    victim.send(b"INCR n\r\n")
    other.send(b"PING\r\n")
    machine.turn()
    machine.settle()
    assert killer.take() == b":1\r\n+OK\r\n"
    assert other.take() == b"+PONG\r\n"
    victim.take()
    assert (killer.ended, victim.ended, other.ended) == (False, True, False)
    assert call(machine, b"GET", b"n") is None


def test_two_that_kill_each_other_in_the_same_wake_up_leave_one(machine: Machine) -> None:
    clients = [machine.connect(), machine.connect()]
    for client in clients:
        client.send(b"CLIENT KILL TYPE normal SKIPME yes\r\n")
    machine.turn()
    machine.settle()
    assert sorted(client.take() for client in clients) == [b"", b":1\r\n"]
    assert sorted(client.ended for client in clients) == [False, True]


def test_a_killed_one_that_sent_its_end_too_is_lost_once(machine: Machine) -> None:
    killer, victim = machine.connect(), machine.connect()
    killer.send(b"CLIENT KILL TYPE normal SKIPME yes\r\n")
    victim.send(b"PING\r\n")
    victim.socket.close()
    machine.turn()
    machine.settle()
    assert killer.take() == b":1\r\n"
    assert len(machine.factory.connections) == len(machine.dispatcher.server.sessions) == 1


def lose_after_reading(machine: Machine, last: bytes) -> None:
    """Have a client send its last words and go, while the server has something to write to it."""
    port = machine.multiplexer.listenTCP(0, machine.factory, interface="127.0.0.1")
    call(machine, b"SET", b"big", BIG)
    client = socket.create_connection((port.getHost().host, port.getHost().port), 5)
    try:
        client.sendall(b"GET big\r\n" * 50)
        machine.turn_until(lambda: machine.factory.connections and near(machine).waiting_output)
        machine.settle()
        client.sendall(last)
    finally:
        client.close()  # with a reset, since it has not read what came
    machine.turn_until(lambda: machine.multiplexer.getReaders() == [port])
    port.stopListening()


def test_what_was_read_before_a_connection_is_lost_is_done(machine: Machine) -> None:
    lose_after_reading(machine, b"INCR n\r\n")
    assert call(machine, b"GET", b"n") == b"1"


@pytest.mark.parametrize("last", [b"CLIENT LIST\r\n", b"CLIENT INFO\r\n"])
def test_what_asks_for_the_addresses_of_a_lost_connection_is_no_fault_of_ours(machine: Machine, last: bytes) -> None:
    with capturedLogs() as logged:
        lose_after_reading(machine, last)
    assert [event for event in logged if "log_failure" in event] == []


@pytest.mark.pure
def test_a_fault_in_the_last_requests_of_a_lost_connection_leaves_nobody_behind(machine: Machine) -> None:
    fail_on_bad(machine)
    lose_after_reading(machine, b"BAD\r\n")
    assert machine.factory.connections == set()
    assert machine.dispatcher.server.sessions == {}


# Fairness


def test_three_flooders_do_not_keep_a_quiet_client_waiting(machine: Machine) -> None:
    flooders = [machine.connect() for _ in range(3)]
    quiet = machine.connect()
    for flooder in flooders:
        flooder.send(encode_request([b"SET", b"k", b"v" * 100]) * 500)
    for _ in range(3):
        quiet.send(b"PING\r\n")
        machine.turn()
        assert quiet.take() == b"+PONG\r\n"


def test_what_is_read_for_one_wake_up_is_bounded(machine: Machine) -> None:
    flooders = [machine.connect() for _ in range(20)]
    for flooder in flooders:
        flooder.send(encode_request([b"PING", b"x" * 100]) * 500)
    server = machine.dispatcher.server
    served = []
    while machine.is_ready():
        before = server.statistics.bytes_received
        machine.turn()
        served.append(server.statistics.bytes_received - before)
    assert max(served) <= BYTES_AT_ONCE + READ_SIZE
    assert sum(served) == 20 * 500 * len(encode_request([b"PING", b"x" * 100]))


def test_among_many_flooders_a_quiet_client_is_served_within_one_round(machine: Machine) -> None:
    flooders = [machine.connect() for _ in range(20)]
    quiet = machine.connect()
    for flooder in flooders:
        flooder.send(encode_request([b"PING", b"x" * 100]) * 500)
    quiet.send(b"PING\r\n")
    turns = 0
    while not (answer := quiet.take()):
        machine.turn()
        turns += 1
    assert answer == b"+PONG\r\n"
    assert turns <= 1 + 20 * READ_SIZE // BYTES_AT_ONCE


def test_what_comes_after_a_connection_was_told_to_go_is_bounded_too(machine: Machine) -> None:
    clients = [owed_and_closing(machine) for _ in range(10)]
    before = machine.dispatcher.server.statistics.bytes_received
    for client in clients:
        client.send(b"x" * READ_SIZE)
    machine.turn()
    assert machine.dispatcher.server.statistics.bytes_received - before <= BYTES_AT_ONCE + READ_SIZE


def owed_and_closing(machine: Machine) -> Far:
    """Give a client that has said QUIT and takes no replies."""
    call(machine, b"SET", b"big", BIG)
    client = machine.connect()
    client.send(b"GET big\r\n" * 10 + b"QUIT\r\n")
    machine.turn()
    return client


# The end


def test_when_the_reactor_stops_all_connections_and_ports_are_closed(machine: Machine) -> None:
    port = machine.multiplexer.listenTCP(0, machine.factory, interface="127.0.0.1")
    clients = [machine.connect() for _ in range(3)]
    owing = owed_and_closing(machine)
    machine.multiplexer.connectionLost(Failure(ConnectionLost()))
    for client in [*clients, owing]:
        client.take()
        assert client.ended
    assert port.disconnected
    assert machine.factory.connections == set()
    assert machine.dispatcher.server.sessions == {}


def test_all_connections_may_be_closed_by_a_request_of_one(machine: Machine) -> None:
    clients = [machine.connect() for _ in range(3)]
    for client in clients:
        client.send(b"CLIENT KILL TYPE normal SKIPME no\r\n")
    machine.turn()
    machine.settle()
    for client in clients:
        client.take()
        assert client.ended
    assert machine.dispatcher.server.sessions == {}
    with pytest.raises(CommandError):
        call(machine, b"CLIENT", b"KILL", b"1.2.3.4:5")
