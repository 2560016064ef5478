"""Many connections behind one descriptor: a stand-in for the reactor that serves all of them in each reactor turn.

Twisted needs some 12 us for each descriptor that is ready, and two more system calls for each reply.  So our
connections are registered with an epoll object of our own, and only that one descriptor with the reactor.  When it is
readable, one call serves everything that is ready, in the phases of a wake-up (`engine/wakeup.py`).  Ports and
connections are still Twisted's classes: they take a `reactor` argument, and get the multiplexer instead.  Buffers,
producers, half-close and TLS are Twisted's too; the one addition is that a connection with an empty buffer sends at
once.

Measured (50 clients, one GET at a time, CPython 3.11): 7.1 us of CPU for a GET, 17.0 with `listenTCP`, 5 for Redis.
Without it (no epoll, or the setting `transport plain`) everything works the same, only slower.

Invariants, each of which was once violated:

* a callback that raises ends its own connection; nothing may escape `doRead`, or the reactor would drop all of them.
* an event for a closed descriptor may arrive when its number already belongs to a new connection: HUP and ERR only
  trigger the read or the write that was wanted, which detects the error itself.  A descriptor without any interest is
  unregistered.
* a connection is unregistered from the epoll object before it is closed, and the multiplexer from the reactor before
  the epoll object is closed.
* nothing is created before the first descriptor is added: a program that forks first must not share an epoll object.
* what one wake-up reads is bounded, in connections and in bytes, and those left over are served first in the next.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Final

from twisted.internet import tcp, udp, unix
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableDescriptor, IReactorFDSet, IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_kv.engine.wakeup import READ_SIZE, WakeUp
from twisted_kv.transports import datagram_batches
from twisted_kv.vocabulary.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IProtocolFactory

CONNECTIONS_AT_ONCE: Final = 64
"""Descriptors served before control returns to the host program; more of them gained nothing (15.8 to 15.4 us)."""

BYTES_AT_ONCE: Final = 64 * 1024
"""Bytes read before control returns to the host program: about 3 ms of GETs, or 26 of inline PINGs, the worst."""

IN: Final = getattr(select, "EPOLLIN", 1)
OUT: Final = getattr(select, "EPOLLOUT", 4)

is_possible: Final = hasattr(select, "epoll")
"""Whether this system supports the multiplexer."""


class _DirectSend:
    """Mixed in before Twisted's connection class: sends at once if nothing is buffered.

    This belongs in the transport, not in a protocol: under TLS, a protocol that bypasses its transport sends plaintext.
    """

    bufferSize = READ_SIZE
    _direct = True  # until something requires Twisted's own way of writing

    def write(self: Any, data: bytes) -> None:
        if not self._direct or self.dataBuffer or self._tempDataBuffer or self.disconnecting or not self.connected:
            super().write(data)  # type: ignore[misc]  # of the class this is mixed into
            return
        try:
            sent = self.socket.send(data)
        except OSError:
            sent = 0  # it is full or broken: the next write of the buffer finds out
        if sent < len(data):
            super().write(data[sent:])  # type: ignore[misc]  # as above

    def startTLS(self, *arguments: Any) -> None:
        self._direct = False
        super().startTLS(*arguments)  # type: ignore[misc]  # as above

    def abortConnection(self) -> None:
        self._direct = False
        super().abortConnection()  # type: ignore[misc]  # as above

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._direct = self._direct and streaming  # a pull producer is asked for more when buffered data was sent
        super().registerProducer(producer, streaming)  # type: ignore[misc]  # as above


class Connection(_DirectSend, tcp.Server):
    """A TCP connection behind a multiplexer."""

    def doRead(self: Any) -> Any:
        try:
            data = self.socket.recv(self.bufferSize)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self.protocol.dataReceived(data)
        return None


class UnixConnection(_DirectSend, unix.Server):
    """A connection over a Unix socket, behind a multiplexer."""

    def sendFileDescriptor(self, descriptor: int) -> None:
        self._direct = False  # it is sent with the bytes written next
        super().sendFileDescriptor(descriptor)


class _Port(tcp.Port):
    transport = Connection


class _UnixPort(unix.Port):
    transport = UnixConnection


@implementer(IReadDescriptor, IReactorFDSet)
class Multiplexer:
    """Serves descriptors as a reactor does, and is itself one descriptor of `reactor`."""

    _log = Logger()

    def __init__(self, reactor: Any, wakeup: WakeUp) -> None:
        self._reactor = reactor
        self._wakeup = wakeup
        self._epoll: Any = None
        self._interests: dict[Any, tuple[int, int]] = {}  # each selectable's descriptor and event mask
        self._selectables: dict[int, Any] = {}  # by descriptor
        self._readers: dict[int, Any] = {}  # those that wait for input, by descriptor
        self._unserved: list[tuple[int, int]] = []  # events that the last wake-up left over

    def close(self) -> None:
        """Leave the reactor.  Descriptors still registered are no longer served."""
        self._interests.clear()
        self._selectables.clear()
        self._readers.clear()
        self._unserved.clear()
        if self._epoll is not None:
            self._reactor.removeReader(self)
            self._epoll.close()
            self._epoll = None

    # What the reactor calls

    def fileno(self) -> int:
        return -1 if self._epoll is None else int(self._epoll.fileno())

    def logPrefix(self) -> str:
        return "owncache"

    def doRead(self) -> None:
        """Serve everything that is ready: read all, run all, commit once, answer all."""
        if self._epoll is None:
            return
        wakeup = self._wakeup
        events = self._unserved or self._epoll.poll(0, CONNECTIONS_AT_ONCE)
        self._unserved = []
        wakeup.open()
        try:
            served = 0
            for descriptor, event in events:
                served += 1
                selectable = self._readers.get(descriptor)
                if event != IN or selectable is None:
                    self._serve(descriptor, event)
                    continue
                try:
                    why = selectable.doRead()
                except BaseException as error:
                    why = self._log_fault(error)
                if why:
                    self._end(selectable, why, True)
                if wakeup.load > BYTES_AT_ONCE:
                    self._unserved = events[served:]
                    break
        finally:
            wakeup.close()

    def connectionLost(self, reason: Failure) -> None:
        """Disconnect everything: the reactor is stopping."""
        for selectable in self.getReaders() + self.getWriters():
            if selectable in self._interests:
                self._lose(selectable, reason)
        self.close()

    # What ports and connections call: the reactor's interface

    def addReader(self, reader: Any) -> None:
        self._change_interest(reader, IN, 0)

    def addWriter(self, writer: Any) -> None:
        self._change_interest(writer, OUT, 0)

    def removeReader(self, reader: Any) -> None:
        self._change_interest(reader, 0, IN)

    def removeWriter(self, writer: Any) -> None:
        self._change_interest(writer, 0, OUT)

    def removeAll(self) -> list[Any]:
        removed = list(self._interests)
        for selectable in removed:
            self._change_interest(selectable, 0, IN | OUT)
        return removed

    def getReaders(self) -> list[Any]:
        return [selectable for selectable, (_, mask) in self._interests.items() if mask & IN]

    def getWriters(self) -> list[Any]:
        return [selectable for selectable, (_, mask) in self._interests.items() if mask & OUT]

    @property
    def callLater(self) -> Callable[..., IDelayedCall]:
        """The reactor's own `callLater`."""
        later: Callable[..., IDelayedCall] = self._reactor.callLater
        return later

    # What endpoints call

    def listenTCP(self, port: int, factory: IProtocolFactory, backlog: int = 50, interface: str = "") -> Any:
        return self._listen(_Port(port, factory, backlog, interface, self))

    def listenSSL(
        self, port: int, factory: IProtocolFactory, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        from twisted.protocols.tls import TLSMemoryBIOFactory  # needs pyOpenSSL, which is only there for TLS

        wrapped = TLSMemoryBIOFactory(contextFactory, False, factory, clock=self._reactor)
        return self.listenTCP(port, wrapped, backlog, interface)

    def listenUNIX(
        self, address: Any, factory: IProtocolFactory, backlog: int = 50, mode: int = 0o666, wantPID: int = 0
    ) -> Any:
        return self._listen(_UnixPort(address, factory, backlog, mode, self, wantPID))

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> Any:
        if addressFamily == socket.AF_UNIX:
            return self._listen(_UnixPort._fromListeningDescriptor(self, fileDescriptor, factory))
        return self._listen(_Port._fromListeningDescriptor(self, fileDescriptor, addressFamily, factory))

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> Any:
        if addressFamily == socket.AF_UNIX:
            return UnixConnection._fromConnectedSocket(fileDescriptor, factory, self)
        return Connection._fromConnectedSocket(fileDescriptor, addressFamily, factory, self)

    def listenUDP(self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192) -> Any:
        kind = datagram_batches.BatchPort if datagram_batches.is_possible else udp.Port
        return self._listen(kind(port, protocol, interface, maxPacketSize, self))

    def adoptDatagramPort(
        self, fileDescriptor: int, addressFamily: int, protocol: Any, maxPacketSize: int = 8192
    ) -> Any:
        kind = datagram_batches.BatchPort if datagram_batches.is_possible else udp.Port
        return self._listen(kind._fromListeningDescriptor(self, fileDescriptor, addressFamily, protocol, maxPacketSize))

    def _listen(self, port: Any) -> Any:
        port.startListening()
        return port

    # Internals

    def _change_interest(self, selectable: Any, add: int, remove: int) -> None:
        """Change the events that a selectable waits for."""
        interest = self._interests.get(selectable)
        if interest is None and not add:
            return
        descriptor, mask = interest or (selectable.fileno(), 0)
        wanted = (mask | add) & ~remove
        if wanted == mask:
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            self._reactor.addReader(self)
        if not wanted:
            del self._interests[selectable]
            if self._selectables.get(descriptor) is selectable:  # unless it was closed and its number reused
                del self._selectables[descriptor]
                self._readers.pop(descriptor, None)
                with suppress(OSError, ValueError):  # it was closed without unregistering
                    self._epoll.unregister(descriptor)
            return
        if mask:
            try:
                self._epoll.modify(descriptor, wanted)
            except (OSError, ValueError):  # as above
                if add:
                    raise
        else:
            self._epoll.register(descriptor, wanted)
        self._interests[selectable] = descriptor, wanted
        self._selectables[descriptor] = selectable
        if wanted & IN:
            self._readers[descriptor] = selectable
        else:
            self._readers.pop(descriptor, None)

    def _serve(self, descriptor: int, event: int) -> None:
        """Read or write, as the selectable wants.  Any event but OUT may mean that there is input or its end."""
        selectable = self._selectables.get(descriptor)
        if selectable is None:
            return
        _, mask = self._interests[selectable]
        if mask & IN and event & ~OUT:
            self._perform(selectable, selectable.doRead, True)
            _, mask = self._interests.get(selectable, (0, 0))
        if mask & OUT and event & ~IN:
            self._perform(selectable, selectable.doWrite, False)

    def _perform(self, selectable: Any, act: Callable[[], Any], is_read: bool) -> None:
        """Have a selectable read or write; end it if it returns a reason or raises."""
        try:
            why = act()
        except BaseException as error:
            why = self._log_fault(error)
        if why:
            self._end(selectable, why, is_read)

    def _log_fault(self, error: BaseException) -> BaseException:
        self._log.failure("a connection is ended by a fault of its protocol")
        return error

    def _end(self, selectable: Any, why: Any, is_read: bool) -> None:
        """Close a selectable's input if only that has ended, or else the whole selectable."""
        if is_read and isinstance(why, ConnectionDone) and IHalfCloseableDescriptor.providedBy(selectable):
            self._change_interest(selectable, 0, IN)
            try:
                selectable.readConnectionLost(Failure(why))
            except BaseException as error:
                self._lose(selectable, Failure(self._log_fault(error)))
        else:
            self._lose(selectable, Failure(why if isinstance(why, BaseException) else ConnectionLost()))

    def _lose(self, selectable: Any, reason: Failure) -> None:
        """Unregister a selectable and notify it that it is lost."""
        self._change_interest(selectable, 0, IN | OUT)
        try:
            selectable.connectionLost(reason)
        except BaseException:
            self._log.failure("a lost connection failed once more")
