"""A multiplexer whose reactor never runs: its turns are taken by hand, over real descriptors."""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress
from typing import Any, Callable

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableDescriptor
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.faces.connections import RespFactory
from twisted_kv.settings.config import Settings
from twisted_kv.testing import Clock
from twisted_kv.transports.multiplexer import Multiplexer

PATIENCE = 10.0
"""Seconds after which what does not happen is a failure."""


class Outer:
    """A reactor that is asked to watch one descriptor; it notes what it was asked, and whether that was open then."""

    def __init__(self, clock: Clock) -> None:
        self.callLater = clock.callLater
        self.seconds = clock.seconds
        self.readers: list[Any] = []
        self.asked: list[tuple[str, bool]] = []

    def addReader(self, reader: Any) -> None:
        self.asked.append(("add", reader.fileno() >= 0))
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.asked.append(("remove", reader.fileno() >= 0))
        self.readers.remove(reader)


class Far:
    """The other end of a connection, as a client has it."""

    def __init__(self, stream: socket.socket) -> None:
        self.socket = stream
        stream.setblocking(False)
        self.ended = False

    def send(self, data: bytes) -> None:
        assert self.socket.send(data) == len(data)

    def take(self) -> bytes:
        """Give all that has come."""
        received = []
        with suppress(BlockingIOError, ConnectionResetError):
            while piece := self.socket.recv(1 << 20):
                received.append(piece)
            self.ended = True
        return b"".join(received)


class Machine:
    """A multiplexer, the dispatch service behind it, and all descriptors that a test opens."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.outer = Outer(self.clock)
        self.dispatcher = Dispatcher(Settings(), self.clock)
        self.wakeup = self.dispatcher.wakeup
        self.multiplexer = Multiplexer(self.outer, self.wakeup)
        self.factory = RespFactory(self.dispatcher)
        self._opened: list[Any] = []

    def keep(self, each: Any) -> Any:
        """Have something closed at the end."""
        self._opened.append(each)
        return each

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Give two ends of a connection, which carries bytes at once."""
        ends = socket.socketpair()
        for end in ends:
            end.setblocking(False)
            self.keep(end)
        return ends

    def connect(self, factory: Any = None) -> Far:
        """Connect a client to a protocol of a factory, over a Unix socket."""
        near, far = self.pair()
        self.multiplexer.adoptStreamConnection(near.fileno(), socket.AF_UNIX, factory or self.factory)
        near.close()  # it was duplicated
        return Far(far)

    def is_ready(self) -> bool:
        """Tell whether the reactor would wake up."""
        descriptor = self.multiplexer.fileno()
        return descriptor >= 0 and bool(select.select([descriptor], [], [], 0)[0])

    def turn(self) -> None:
        """Take one turn of the reactor."""
        self.multiplexer.doRead()
        self.clock.advance(0)

    def settle(self) -> None:
        """Take turns until nothing is ready."""
        for _ in range(1000):
            if not self.is_ready():
                return
            self.turn()
        raise AssertionError("it is ready for ever")

    def turn_until(self, true: Callable[[], Any]) -> None:
        """Take turns, each when something is ready, until something holds."""
        for _ in range(1000):
            if true():
                return
            assert select.select([self.multiplexer.fileno()], [], [], PATIENCE)[0], "nothing happens any more"
            self.turn()
        raise AssertionError("it never comes to hold")

    def close(self) -> None:
        self.multiplexer.connectionLost(Failure(ConnectionLost()))
        self.clock.advance(0)
        for each in self._opened:
            each.close()


class Descriptor:
    """A descriptor that notes what is done to it, and does what a test wants."""

    def __init__(
        self, machine: Machine, on_read: Callable[[], Any] | None = None, *, closes_halves: bool = True
    ) -> None:
        self.machine = machine
        self.near, self.far = machine.pair()
        self.done: list[str] = []
        self.on_read = on_read or self.receive
        self.on_write: Callable[[], Any] = lambda: None
        self.on_lost: Callable[[], Any] = lambda: None
        self.reason: Any = None
        if closes_halves:
            alsoProvides(self, IHalfCloseableDescriptor)

    def receive(self) -> Any:
        """Read as Twisted's connections do."""
        try:
            data = self.near.recv(16_384)
        except BlockingIOError:
            return None
        return None if data else ConnectionDone()

    def fileno(self) -> int:
        return self.near.fileno()

    def logPrefix(self) -> str:
        return "test"

    def doRead(self) -> Any:
        self.done.append("read")
        return self.on_read()

    def doWrite(self) -> Any:
        self.done.append("write")
        return self.on_write()

    def readConnectionLost(self, reason: Any) -> None:
        self.done.append("half lost")
        self.on_lost()

    def connectionLost(self, reason: Any) -> None:
        self.done.append("lost")
        self.reason = reason
        self.machine.multiplexer.removeReader(self)
        self.machine.multiplexer.removeWriter(self)
        self.near.close()
        self.on_lost()

    def watch(self, *, read: bool = True, write: bool = False) -> Descriptor:
        if read:
            self.machine.multiplexer.addReader(self)
        if write:
            self.machine.multiplexer.addWriter(self)
        return self

    def poke(self) -> Descriptor:
        """Make it readable."""
        self.far.send(b"x")
        return self


def take_number(old: socket.socket, new: socket.socket) -> socket.socket:
    """Close a socket, and give another its descriptor number."""
    number = old.fileno()
    family, kind = new.family, new.type
    old.close()
    os.dup2(new.fileno(), number)
    new.close()
    taken = socket.socket(family, kind, fileno=number)
    taken.setblocking(False)
    return taken


def failing(*_: Any, fault: type[BaseException] = RuntimeError) -> Any:
    """Raise what nobody expects."""
    raise fault("a fault that the test wants")


def factory_of(protocol: Any) -> Any:
    """Give a factory that needs no arguments."""
    factory = Factory.forProtocol(protocol)
    factory.noisy = False
    return factory
