"""The stand-in for the reactor: descriptors, faults, bounds and its end, turn by turn."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Iterator
from unittest import mock

import pytest
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from tests.sockets.multiplexed import Descriptor, Machine, failing, take_number
from twisted_kv.service import CacheService
from twisted_kv.transports import multiplexer
from twisted_kv.transports.multiplexer import BYTES_AT_ONCE, CONNECTIONS_AT_ONCE

pytestmark = [
    pytest.mark.fast,
    pytest.mark.skipif(not multiplexer.is_possible, reason="the system has no epoll"),
]


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.close()


# The reactor that it is one descriptor of


def test_it_provides_what_it_says(machine: Machine) -> None:
    verifyObject(IReadDescriptor, machine.multiplexer)
    verifyObject(IReactorFDSet, machine.multiplexer)


def test_nothing_is_created_before_the_first_descriptor_comes() -> None:
    with mock.patch.object(multiplexer.select, "epoll", side_effect=AssertionError("too early")):
        CacheService(port=0).call("PING")
        machine = Machine()
        descriptor = Descriptor(machine)
        machine.multiplexer.removeReader(descriptor)
        machine.multiplexer.removeWriter(descriptor)
        machine.multiplexer.doRead()
        assert machine.multiplexer.removeAll() == []
        assert machine.multiplexer.fileno() == -1
        machine.close()
    assert machine.outer.asked == []


def test_the_reactor_is_asked_once_however_many_come(machine: Machine) -> None:
    for _ in range(3):
        Descriptor(machine).watch(write=True)
    assert machine.outer.asked == [("add", True)]
    assert machine.outer.readers == [machine.multiplexer]


def test_it_leaves_the_reactor_before_its_descriptor_is_closed(machine: Machine) -> None:
    Descriptor(machine).watch()
    machine.multiplexer.close()
    assert machine.outer.asked == [("add", True), ("remove", True)]
    assert machine.multiplexer.fileno() == -1


def test_closed_twice_or_before_anything_came_is_closed(machine: Machine) -> None:
    machine.multiplexer.close()
    Descriptor(machine).watch()
    machine.multiplexer.close()
    machine.multiplexer.close()
    machine.multiplexer.doRead()
    assert machine.outer.asked == [("add", True), ("remove", True)]


def test_after_its_end_it_serves_who_comes_anew_and_nobody_of_before(machine: Machine) -> None:
    old = Descriptor(machine).watch().poke()
    machine.multiplexer.close()
    new = Descriptor(machine).watch().poke()
    machine.turn()
    assert (old.done, new.done) == ([], ["read"])


def test_when_the_reactor_stops_all_are_told_why_though_one_fails(machine: Machine) -> None:
    reader, writer = Descriptor(machine).watch(), Descriptor(machine).watch(read=False, write=True)
    bad, both = Descriptor(machine).watch(), Descriptor(machine).watch(write=True)
    bad.on_lost = failing
    why = Failure(ConnectionLost())
    machine.multiplexer.connectionLost(why)
    for each in (reader, writer, bad, both):
        assert (each.done, each.reason) == (["lost"], why)
    assert machine.multiplexer.getReaders() == machine.multiplexer.getWriters() == []
    assert machine.outer.asked == [("add", True), ("remove", True)]


def test_one_that_another_ends_while_the_reactor_stops_is_told_once(machine: Machine) -> None:
    first, second = Descriptor(machine).watch(), Descriptor(machine).watch()
    first.on_lost = lambda: second.done or second.connectionLost(None)
    second.on_lost = lambda: first.done or first.connectionLost(None)
    machine.multiplexer.connectionLost(Failure(ConnectionLost()))
    assert (first.done, second.done) == (["lost"], ["lost"])


def test_time_is_the_reactors(machine: Machine) -> None:
    called: list[int] = []
    machine.multiplexer.callLater(1.0, called.append, 7)
    machine.clock.advance(1.0)
    assert called == [7]


# What descriptors wait for


def test_who_waits_to_read_reads_and_who_waits_to_write_writes(machine: Machine) -> None:
    reader = Descriptor(machine).watch().poke()
    writer = Descriptor(machine).watch(read=False, write=True).poke()
    both = Descriptor(machine).watch(write=True).poke()
    machine.turn()
    assert (reader.done, writer.done, both.done) == (["read"], ["write"], ["read", "write"])


def test_what_each_waits_for_is_told(machine: Machine) -> None:
    reader, writer = Descriptor(machine).watch(), Descriptor(machine).watch(read=False, write=True)
    assert machine.multiplexer.getReaders() == [reader]
    assert machine.multiplexer.getWriters() == [writer]
    assert set(machine.multiplexer.removeAll()) == {reader, writer}
    assert machine.multiplexer.getReaders() == machine.multiplexer.getWriters() == []
    machine.multiplexer.doRead()
    assert reader.done == writer.done == []


def test_asked_twice_is_asked_once(machine: Machine) -> None:
    descriptor = Descriptor(machine).watch().watch().poke()
    machine.turn()
    machine.multiplexer.removeReader(descriptor)
    machine.multiplexer.removeReader(descriptor)
    machine.turn()
    assert descriptor.done == ["read"]


def test_an_interest_may_come_and_go_while_the_other_stays(machine: Machine) -> None:
    descriptor = Descriptor(machine).watch(write=True)
    machine.multiplexer.removeWriter(descriptor)
    assert not machine.is_ready()
    machine.multiplexer.addWriter(descriptor)
    machine.multiplexer.removeReader(descriptor)
    descriptor.poke()
    machine.turn()
    assert descriptor.done == ["write"]


@pytest.mark.parametrize("write", [False, True])
def test_who_waits_for_nothing_wakes_nobody_though_the_other_end_is_gone(machine: Machine, write: bool) -> None:
    descriptor = Descriptor(machine).watch(read=not write, write=write)
    descriptor.far.close()
    assert machine.is_ready()
    machine.multiplexer.removeReader(descriptor)
    machine.multiplexer.removeWriter(descriptor)
    assert not machine.is_ready()
    machine.turn()
    assert descriptor.done == []


def test_the_end_of_the_other_side_leads_to_what_was_wanted_and_to_nothing_else(machine: Machine) -> None:
    reader, writer = Descriptor(machine).watch(), Descriptor(machine).watch(read=False, write=True)
    reader.far.close()
    writer.far.close()
    machine.turn()
    assert (reader.done, writer.done) == (["read", "half lost"], ["write"])


def test_who_stops_writing_in_its_read_does_not_write(machine: Machine) -> None:
    descriptor = Descriptor(machine).watch(write=True).poke()
    descriptor.on_read = lambda: machine.multiplexer.removeWriter(descriptor)
    machine.turn()
    assert descriptor.done == ["read"]


def test_who_comes_while_others_read_is_served_next_time(machine: Machine) -> None:
    late = Descriptor(machine).poke()
    first = Descriptor(machine, lambda: machine.multiplexer.addReader(late)).watch().poke()
    machine.turn()
    assert (first.done, late.done) == (["read"], [])
    machine.turn()
    assert late.done == ["read"]


def test_a_descriptor_may_be_let_go_when_it_has_no_number_any_more(machine: Machine) -> None:
    descriptor = Descriptor(machine).watch(write=True)
    descriptor.near.close()
    machine.multiplexer.removeReader(descriptor)
    machine.multiplexer.removeWriter(descriptor)
    assert machine.multiplexer.getReaders() == machine.multiplexer.getWriters() == []


# Events of descriptors that are gone


def each_ends_the_other(machine: Machine) -> list[Descriptor]:
    """Two descriptors, both readable, of which the one that reads first ends the other; a third gets its number."""
    first, second, new = Descriptor(machine), Descriptor(machine), Descriptor(machine)

    def end(other: Descriptor) -> None:
        machine.multiplexer.removeReader(other)
        new.near = machine.keep(take_number(other.near, new.near))
        new.watch()

    first.on_read, second.on_read = (lambda: end(second)), (lambda: end(first))
    return [first, second, new]


def test_an_event_of_a_closed_descriptor_does_no_harm_to_the_next_of_its_number(machine: Machine) -> None:
    first, second, new = each_ends_the_other(machine)
    for each in (first, second):
        each.watch().poke()
        each.far.close()  # so that it is an error or the end, too
    machine.turn()
    assert first.done + second.done == ["read"]
    assert set(new.done) <= {"read"}  # which found nothing
    new.done.clear()
    new.poke()
    machine.turn()
    assert new.done == ["read"]


def test_an_event_of_one_that_was_ended_meanwhile_is_passed_over(machine: Machine) -> None:
    first, second = Descriptor(machine), Descriptor(machine)
    first.on_read = lambda: second.connectionLost(None)
    second.on_read = lambda: first.connectionLost(None)
    for each in (first, second):
        each.watch().poke()
    machine.turn()
    assert sorted(first.done + second.done) == ["lost", "read"]


def test_one_that_stopped_reading_meanwhile_is_not_read_from(machine: Machine) -> None:
    first, second = Descriptor(machine), Descriptor(machine)

    def stop(other: Descriptor) -> None:
        machine.multiplexer.removeReader(other)
        machine.multiplexer.addWriter(other)  # as loseConnection does

    first.on_read, second.on_read = (lambda: stop(second)), (lambda: stop(first))
    for each in (first, second):
        each.watch().poke()
    machine.turn()
    assert (first.done + second.done).count("read") == 1


def test_one_that_was_closed_behind_its_back_does_no_harm_to_the_next_of_its_number(machine: Machine) -> None:
    careless, new = Descriptor(machine).watch(), Descriptor(machine)
    new.near = machine.keep(take_number(careless.near, new.near))
    new.watch().poke()
    machine.multiplexer.removeReader(careless)
    machine.turn()
    assert new.done == ["read"]


# Faults


@pytest.mark.parametrize("fault", [RuntimeError, MemoryError, SystemExit])
@pytest.mark.parametrize("act", ["on_read", "on_write"])
def test_a_fault_ends_its_own_connection_and_the_others_are_served(
    machine: Machine, act: str, fault: type[BaseException]
) -> None:
    others = [Descriptor(machine).watch().poke()]
    bad = Descriptor(machine).watch(write=True).poke()
    others.append(Descriptor(machine).watch().poke())
    setattr(bad, act, lambda: failing(fault=fault))
    with suppress(SystemExit):
        machine.turn()
    assert bad.done[-1] == "lost"
    assert bad.reason.check(fault)
    assert [each.done for each in others] == [["read"], ["read"]]


@pytest.mark.parametrize("fault", [RuntimeError, SystemExit])
@pytest.mark.parametrize("closes_halves", [False, True])
def test_a_fault_while_one_is_lost_stays_its_own(
    machine: Machine, closes_halves: bool, fault: type[BaseException]
) -> None:
    others = [Descriptor(machine).watch().poke()]
    bad = Descriptor(machine, closes_halves=closes_halves).watch()
    bad.far.close()
    bad.on_lost = lambda: failing(fault=fault)
    others.append(Descriptor(machine).watch().poke())
    with suppress(SystemExit):
        machine.turn()
    assert bad.done[-1] == "lost"
    assert [each.done for each in others] == [["read"], ["read"]]
    assert bad not in machine.multiplexer.getReaders()


@pytest.mark.parametrize(("result", "reason"), [(-1, ConnectionLost), (ConnectionLost(), ConnectionLost)])
def test_one_that_says_so_is_lost(machine: Machine, result: Any, reason: type[Exception]) -> None:
    for act in ("on_read", "on_write"):
        descriptor = Descriptor(machine).watch(read=act == "on_read", write=act == "on_write").poke()
        setattr(descriptor, act, lambda: result)
        machine.turn()
        assert descriptor.done[-1] == "lost"
        assert descriptor.reason.check(reason)


def test_who_is_done_with_writing_is_lost_and_who_is_done_with_reading_may_write_on(machine: Machine) -> None:
    reader = Descriptor(machine, ConnectionDone).watch(write=True).poke()
    writer = Descriptor(machine).watch(write=True)
    writer.on_write = ConnectionDone
    whole = Descriptor(machine, ConnectionDone, closes_halves=False).watch().poke()
    machine.turn()
    assert reader.done == ["read", "half lost", "write"]
    assert (writer.done, whole.done) == (["write", "lost"], ["read", "lost"])
    assert machine.multiplexer.getReaders() == []
    assert machine.multiplexer.getWriters() == [reader]


# Bounds, so that the host program and all connections have their turn


def test_so_many_are_served_in_a_wake_up_and_the_others_first_in_the_next(machine: Machine) -> None:
    order: list[int] = []
    count = CONNECTIONS_AT_ONCE + 30
    for number in range(count):
        Descriptor(machine, lambda number=number: order.append(number)).watch().poke()
    machine.turn()
    assert len(order) == len(set(order)) == CONNECTIONS_AT_ONCE
    machine.turn()
    assert set(order[:count]) == set(range(count))


class Nobody:
    """Somebody who asks for nothing."""

    def run(self) -> None:
        """Run nothing."""

    def answer(self, answers: None) -> None:
        """Say nothing."""

    def close(self, *, abort: bool = False) -> None:
        """Do nothing."""


def greedy(machine: Machine, order: list[str], name: str, size: int) -> Descriptor:
    """Give a descriptor that always has something to read."""

    def read() -> None:
        order.append(name)
        machine.wakeup.load += size
        machine.wakeup.join(Nobody())

    return Descriptor(machine, read).watch().poke()


def test_so_many_bytes_are_read_in_a_wake_up_and_the_others_first_in_the_next(machine: Machine) -> None:
    order: list[str] = []
    names = [f"flooder {number}" for number in range(12)]
    for name in names:
        greedy(machine, order, name, BYTES_AT_ONCE // 4)
    for _ in range(3):
        before = len(order)
        machine.turn()
        assert 0 < len(order) - before <= 5  # the one that passes the bound is the last
    assert sorted(order[: len(names)]) == sorted(names)


def test_the_bound_is_for_each_wake_up_anew(machine: Machine) -> None:
    order: list[str] = []
    greedy(machine, order, "flooder", 10 * BYTES_AT_ONCE)
    for _ in range(3):
        machine.turn()
    assert order == ["flooder"] * 3


def test_those_left_over_may_go_before_their_turn(machine: Machine) -> None:
    order: list[str] = []
    left = [greedy(machine, order, name, 2 * BYTES_AT_ONCE) for name in "abc"]
    machine.turn()
    for each in left:
        machine.multiplexer.removeReader(each)
    machine.turn()
    assert len(order) == 1
    quiet = Descriptor(machine).watch().poke()
    machine.turn()
    assert quiet.done == ["read"]


def test_those_left_over_are_forgotten_with_the_end(machine: Machine) -> None:
    order: list[str] = []
    all_of_them = [greedy(machine, order, name, 2 * BYTES_AT_ONCE) for name in "abc"]
    machine.turn()
    machine.multiplexer.close()
    machine.turn()
    for each in all_of_them:
        each.near.recv(1)
        each.watch()
    machine.turn()
    assert len(order) == 1


def test_it_may_be_closed_by_one_that_it_serves(machine: Machine) -> None:
    def close() -> None:
        machine.wakeup.load += 2 * BYTES_AT_ONCE
        machine.wakeup.join(Nobody())
        machine.multiplexer.close()

    all_of_them = [Descriptor(machine, close).watch().poke() for _ in range(3)]
    machine.turn()
    assert sum(len(each.done) for each in all_of_them) == 1
    quiet = Descriptor(machine).watch()
    machine.turn()
    assert quiet.done == []
    quiet.poke()
    machine.turn()
    assert quiet.done == ["read"]


# Ports


def test_an_endpoint_listens_here_and_not_on_the_reactor(machine: Machine) -> None:
    opened: list[Any] = []
    serverFromString(machine.multiplexer, "tcp:0:interface=127.0.0.1").listen(machine.factory).addCallback(
        opened.append
    )
    assert machine.outer.readers == [machine.multiplexer]
    assert machine.multiplexer.getReaders() == opened != []


def test_a_port_that_is_closed_within_a_wake_up_takes_nobody_on_any_more(machine: Machine) -> None:
    port = machine.multiplexer.listenTCP(0, machine.factory, interface="127.0.0.1")
    address = port.getHost().host, port.getHost().port
    Descriptor(machine, lambda: port.stopListening() and None).watch().poke()
    machine.turn_until(lambda: port not in machine.multiplexer.getReaders())
    with pytest.raises(ConnectionRefusedError):
        machine.keep(socket.socket()).connect(address)
    assert machine.factory.connections == set()


def test_a_listening_socket_may_be_adopted(machine: Machine) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        machine.multiplexer.adoptStreamPort(listening.fileno(), socket.AF_INET, machine.factory)
        client = machine.keep(socket.create_connection(listening.getsockname(), 5))
    machine.turn_until(lambda: machine.factory.connections)
    client.sendall(b"PING\r\n")
    machine.turn_until(lambda: machine.dispatcher.server.commands.entry_of([b"PING"]).calls)
    assert client.recv(100) == b"+PONG\r\n"


def test_a_tcp_connection_may_be_adopted(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = machine.keep(socket.create_connection(listening.getsockname(), 5))
        accepted, _ = listening.accept()
    with accepted:
        machine.multiplexer.adoptStreamConnection(accepted.fileno(), socket.AF_INET, machine.factory)
    client.sendall(b"PING\r\n")
    machine.turn_until(lambda: machine.dispatcher.server.commands.entry_of([b"PING"]).calls)
    assert client.recv(100) == b"+PONG\r\n"


def test_a_listening_unix_socket_may_be_adopted(machine: Machine) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("")  # the system chooses a name that is in no folder
        listening.listen()
        listening.setblocking(False)
        machine.multiplexer.adoptStreamPort(listening.fileno(), socket.AF_UNIX, machine.factory)
        client = machine.keep(socket.socket(socket.AF_UNIX))
        client.connect(listening.getsockname())
    client.sendall(b"PING\r\n")
    machine.turn_until(lambda: machine.dispatcher.server.commands.entry_of([b"PING"]).calls)
    assert client.recv(100) == b"+PONG\r\n"
