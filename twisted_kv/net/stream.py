"""The face for Redis clients: RESP over any stream that Twisted has."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ISystemHandle, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from zope.interface import implementer

from twisted_kv.engine.service import Service
from twisted_kv.engine.wakeup import READ_SIZE
from twisted_kv.errors import CommandError, ProtocolError, as_text
from twisted_kv.logs import Logger
from twisted_kv.net.addresses import address_name, is_loopback
from twisted_kv.replies import OK, Push, Reply
from twisted_kv.sessions.outbox import CHUNK, MOST_SLOTS, SMALL, Batch, Outbox, Slot
from twisted_kv.sessions.session import Session
from twisted_kv.table import Lasting
from twisted_kv.waiting import Promise
from twisted_kv.wire.encoder import BULK_HEADERS, encode_resp2
from twisted_kv.wire.requests import AT_ONCE, PORTION, RequestReader

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IDelayedCall
    from twisted.python.failure import Failure

FAREWELL = 60.0
"""Seconds that a connection has to end once its last reply was handed over: a TLS client may never answer."""

PATIENCE = 1.0
"""Seconds that a client has to take what was sent to it, once its connection is to end in any case."""

SWEEP = 1.0
"""Seconds between two looks at idle connections."""


@implementer(IHalfCloseableProtocol, IPushProducer)
class RespProtocol(Protocol):
    """One Redis client.

    Replies go to the transport at once until it says that its buffer is full.  From then on they wait in the outbox,
    where they can be counted: the client is served on, as Redis does (who pipelines much reads late), until a limit is
    passed.
    """

    _log = Logger()

    def __init__(self, factory: RespFactory) -> None:
        self.factory = self._factory = factory
        self._service = service = factory.service
        self._now = service.now
        self._wakeup = service.wakeup
        self._statistics = service.statistics
        self._settings = service.settings
        self._session: Session | None = None
        self._reader = RequestReader()
        self._outbox = Outbox(self._settings)
        self._full = False  # the transport takes no more for now
        self._soft_since: int | None = None  # when the soft limit was passed, in milliseconds of `Now.elapsed`
        self._left: int | None = None  # when the client was told to go, in milliseconds of `Now.elapsed`
        self._finished: int | None = None  # when the last reply was handed over, in milliseconds of `Now.elapsed`
        self._turns = 0  # in wake-ups that are not committed yet
        self._awaited: Promise | None = None  # its request takes its time, and what comes after it is not run yet
        self._behind = False  # requests have gathered behind it, more perhaps than others can wait for
        self._producing = False  # the transport tells us when it is full
        self._joined = False  # there is a turn to come, or it is under way
        self._ended = False  # the client sends no more
        self._closing = False  # nothing is read any more; the connection ends when the replies are out

    # What Twisted calls

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.registerProducer(self, True)  # type: ignore[attr-defined]  # all of Twisted's streams have it
        self._producing = True
        if hasattr(self.transport, "bufferSize"):
            self.transport.bufferSize = READ_SIZE
        refusal = self._factory.admit(self)
        if refusal is not None:
            data = encode_resp2(refusal)
            self._statistics.bytes_sent += len(data)
            self.transport.write(data)
            self._left = self._now.elapsed
            self._finish()
            return
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            _keep_alive(self.transport, self._settings.tcp_keepalive)
        self._session = self._service.begin(Lasting.CONNECTION, self)

    def dataReceived(self, data: bytes) -> None:
        self._wakeup.load += len(data)
        if self._session is None or self._closing:
            return
        self._reader.feed(data)
        if self._awaited is not None:
            self._check_query_limit()
        elif not self._joined:
            self._joined = True
            self._wakeup.join(self)

    def run(self) -> Batch:
        """Run the requests that have come, and return what the client is owed for them and was pushed meanwhile."""
        self._turns += 1
        session, reader, request, outbox = self._session, self._reader, self._service.request, self._outbox
        if session is None or self._closing:
            self._joined = False
            return []
        session.last_active = self._wakeup.elapsed
        reader.max_bulk = self._settings.proto_max_bulk_len
        parts = outbox.parts
        least = reader.pending - PORTION if self._behind else 0  # where others have their turn
        again = False
        try:
            ended = session.closing or self._awaited is not None
            while reader.more and not ended and (requests := self._next_requests(session)):
                following = iter(requests)
                for words in following:
                    reply = request(session, words)
                    if type(reply) is bytes and len(reply) < SMALL:  # as most replies are
                        parts += (BULK_HEADERS[len(reply)], reply, b"\r\n")
                        continue
                    if reply is OK:
                        parts.append(b"+OK\r\n")
                    elif type(reply) is Promise:
                        if self._promised(reply, session):
                            reader.give_back(following)
                            ended = True
                    else:
                        self._add(reply, session)
                        call = session.last_call
                        # It may be what made the wake-up late; behind quick ones the clock is not asked.
                        if call is not None and not call.is_fast and reader.at_once > 1 and self._wakeup.is_late:
                            reader.at_once = 1
                            reader.put_off(following)
                    ended = ended or session.closing
                    if ended:
                        break
                    if not session.authenticated and session.must_authenticate:
                        reader.give_back(following)  # it was RESET: what follows has to be read with more care
                if reader.more and not ended and self._gives_way(least):
                    again = True
                    break
        except ProtocolError as error:
            parts.append(encode_resp2(CommandError(f"Protocol error: {error}")))
            session.closing = True
        self._joined = self._behind = again
        if reader.more and not session.closing:
            self._check_query_limit()
        return outbox.take()

    def _next_requests(self, session: Session) -> list[list[bytes]]:
        """Give the next requests that have come as a whole; who has not given the password may announce little."""
        reader = self._reader
        reader.authenticated = session.authenticated or not session.must_authenticate
        return reader.take() or reader.take_one()

    def _gives_way(self, least: int) -> bool:
        """Leave the rest to the next wake-up, if this one is late or few bytes enough are left; True if that can be."""
        if self._wakeup.is_late:
            self._reader.at_once = 1  # until some were quick again
            return self._wakeup.join_next(self)
        self._reader.at_once = min(2 * self._reader.at_once, AT_ONCE)
        return self._reader.pending < least and self._wakeup.join_next(self)

    def _add(self, reply: Reply, session: Session) -> None:
        """Owe the reply to a request, in the version that is spoken after it: HELLO is answered in the new one."""
        if not self._outbox.add(reply, session.resp):
            self._give_up("its reply is longer than client-output-buffer-limit")

    def _promised(self, promise: Promise, session: Session) -> bool:
        """Owe a reply that comes later; True if no more requests may run before it has come."""
        if promise.holds or len(self._outbox.slots) >= MOST_SLOTS:
            self._awaited = promise
            promise.then(self._resume)
            self._leave_if_ended()
            return self._awaited is not None
        promise.then(partial(self._fill, self._outbox.promise(promise, session.resp)))
        return False

    def _leave_if_ended(self) -> None:
        """Wait for no key on behalf of a client that sends no more: what it would get may be for nobody."""
        if self._ended and self._session is not None and self._session.waiting:
            self.close()

    def _resume(self, reply: Reply) -> None:
        """Go on behind a request whose reply has come; it is sent with the others of a wake-up."""
        self._awaited = None
        self._behind = True
        self._gather(reply)

    def _fill(self, slot: Slot, reply: Reply) -> None:
        """Send a reply that comes later, in its place, with the others of a wake-up."""
        self._gather(reply, slot)

    def _gather(self, reply: Reply, slot: Slot | None = None) -> None:
        """Owe a reply or a push that comes while no request of this client is run, and have a turn for it."""
        if self._session is None or self._closing:
            return
        try:
            outbox = self._outbox
            fits = outbox.add(reply, self._session.resp) if slot is None else outbox.fill(slot, reply)
        except Exception:  # no reply at all, a fault of ours: whoever gave it is not to suffer
            self._wakeup.fail(self)
            return
        if not fits:
            self._give_up("its reply is longer than client-output-buffer-limit")
        elif not self._joined:
            self._joined = True
            self._wakeup.post(self)

    def _check_query_limit(self) -> None:
        """Disconnect a client that has sent more than may wait to be run."""
        if self._reader.pending > self._settings.client_query_buffer_limit:
            self._tell("its request is longer than client-query-buffer-limit")
            self._statistics.query_limit_disconnections += 1
            self.close()

    def answer(self, batch: Batch) -> None:
        """Send what was owed in a turn that is committed, unless the connection was closed meanwhile."""
        self._turns -= 1
        session, outbox = self._session, self._outbox
        if session is None or self._closing or not batch:
            return
        data = batch[0]
        if len(batch) > 1 or self._full or outbox.released or type(data) is not bytes or len(data) > CHUNK:
            outbox.release(batch)
            self._send()
        elif data:
            outbox.held_bytes -= len(data)
            self._statistics.bytes_sent += len(data)
            self.transport.write(data)  # type: ignore[union-attr]  # who answers has a transport
        if session.closing or self._ended:
            self._finish_if_served()

    def _finish_if_served(self) -> None:
        """End the connection of a client that sends no more, or is to go, unless it is still owed something."""
        if not self._turns and not self._joined and self._awaited is None and not self._outbox.slots:
            self._finish()

    def readConnectionLost(self) -> None:
        """The client sends no more; it still gets the replies that it is owed."""
        self._ended = True
        self._finish_if_served()
        self._leave_if_ended()

    def writeConnectionLost(self) -> None:
        """The client takes no more."""
        self.close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        try:
            if self._joined and not self._closing:
                self.run()  # a last turn, though nobody hears of it; what that leaves goes the way of what was not read
        finally:
            self._forget()

    def _forget(self) -> None:
        """Let go of everything: the connection is lost."""
        self._closing = True
        self._clear()
        self._reader = RequestReader()
        if self._session is not None:
            self._service.end(self._session)
            # The two know each other: without this their buffers would stay until the garbage collector comes by.
            self._session.link = None
            self._session = None
        self._factory.forget(self)

    # What the transport calls

    def pauseProducing(self) -> None:
        self._full = True

    def resumeProducing(self) -> None:
        self._full = False
        if self._session is not None:
            self._session.last_active = self._now.elapsed
        self._send()

    def stopProducing(self) -> None:
        self._full = True

    # What commands see

    @property
    def peer(self) -> str:
        return self._name(self.transport.getPeer())  # type: ignore[union-attr]  # a link has a transport

    @property
    def local(self) -> str:
        try:
            return self._name(self.transport.getHost())  # type: ignore[union-attr]  # as above
        except AttributeError:  # the connection is lost, and Twisted's transport has no socket any more
            return "?:0"

    @property
    def descriptor(self) -> int:
        fileno: Any = getattr(self.transport, "fileno", None)
        return -1 if fileno is None else int(fileno())

    @property
    def waiting_input(self) -> int:
        return self._reader.pending

    @property
    def waiting_output(self) -> int:
        return self._outbox.held_bytes + self._outbox.waiting_bytes

    def push(self, message: Reply) -> None:
        session = self._session
        if session is None or session.closing:
            return
        if session.pushed is not None:
            session.pushed.append(Push(message))
        else:
            self._gather(Push(message))

    def close(self, *, abort: bool = False) -> None:
        """End the connection; what waits here is not sent.

        What the transport holds is sent, unless the connection is aborted or the client does not take it soon.
        """
        if self.transport is None:
            return
        if self._left is None:
            self._left = self._now.elapsed
        self._closing = True
        if self._session is not None:
            self._session.closing = True  # no request that came with others is run any more
            self._clear()  # and it gets nothing that it may have waited for
            self._service.end(self._session)
        self._disconnect(abort=abort or self._full)

    # The rest is our own

    def sweep(self, now: int) -> None:
        """Close a connection that was idle, over its soft limit, or told to go for too long."""
        if self._left is not None:
            if now - self._left > PATIENCE * 1000:
                self._disconnect(abort=True)
            return
        if self._finished is not None and now - self._finished > FAREWELL * 1000:
            self._disconnect(abort=True)
            return
        if self._session is None:
            return
        timeout = self._settings.timeout
        if timeout and not self._session.waiting and now - self._session.last_active > timeout * 1000:
            self.close()
        elif self._outbox.size:
            self._check_output_limits(now)

    def _clear(self) -> None:
        """Owe the client nothing any more."""
        awaited, self._awaited = self._awaited, None
        self._outbox.clear()
        if awaited is not None:
            awaited.abandon()

    def _send(self) -> None:
        """Hand what may be sent to the transport, a chunk at a time, until it is full; too much ends the connection."""
        outbox = self._outbox
        while not self._full and (chunk := outbox.next_chunk()):
            self._statistics.bytes_sent += len(chunk)
            self.transport.write(chunk)  # type: ignore[union-attr]  # who sends has a transport
        if not self._closing:
            self._check_output_limits(self._now.elapsed)
        elif not outbox.released:
            self._finish()

    def _finish(self) -> None:
        """Read no more, and end the connection as soon as all replies are out."""
        self._closing = True
        if not self._outbox.released and self.transport is not None:
            if self._finished is None:
                self._finished = self._now.elapsed
            self._disconnect(abort=False)

    def _disconnect(self, *, abort: bool) -> None:
        """Tell the transport to end; with a producer that is paused, it would wait for it for ever."""
        if self._producing:
            self._producing = False
            self.transport.unregisterProducer()  # type: ignore[union-attr]  # as above
        if abort:
            self.transport.abortConnection()  # type: ignore[union-attr]  # as above
        else:
            self.transport.loseConnection()  # type: ignore[union-attr]  # as above

    def _give_up(self, why: str) -> None:
        self._tell(why)
        self._statistics.output_limit_disconnections += 1
        self.close()

    def _tell(self, why: str) -> None:
        """Log why the client is disconnected."""
        self._service.repeated.closed(self._log, self.peer, why)

    def _check_output_limits(self, now: int) -> None:
        """Disconnect the client if too many replies wait for it."""
        outbox = self._outbox
        limit = outbox.limit
        if not (limit.soft and outbox.size > limit.soft):
            self._soft_since = None
        elif self._soft_since is None:
            self._soft_since = now
        too_long = self._soft_since is not None and now - self._soft_since > limit.seconds * 1000
        if too_long or (limit.hard and outbox.size > limit.hard):
            self._give_up("it does not read its replies (client-output-buffer-limit)")

    def _name(self, address: IAddress) -> str:
        if isinstance(address, UNIXAddress):
            path = self.transport.getHost().name  # type: ignore[union-attr]  # the peer's side has no name
            return f"{as_text(path or b'')}:0"
        return address_name(address)


def _keep_alive(transport: Any, seconds: int) -> None:
    """Have the system ask a silent client every so many seconds whether it is there; give up after three times."""
    transport.setTcpKeepAlive(seconds > 0)
    handle: Any = transport.getHandle() if ISystemHandle.providedBy(transport) else None
    is_tcp = isinstance(handle, socket.socket) and handle.family in (socket.AF_INET, socket.AF_INET6)
    if seconds > 0 and is_tcp and hasattr(socket, "TCP_KEEPIDLE"):
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


class RespFactory(Factory):
    """Makes the connections of Redis clients, and looks after all of them.  All it needs is a service."""

    noisy = False
    _log = Logger()

    def __init__(self, service: Service) -> None:
        self.service = service
        self.connections: set[RespProtocol] = set()
        self._refused: set[RespProtocol] = set()
        self._all_lost: Deferred[None] | None = None
        self._sweep_call: IDelayedCall | None = None

    def startFactory(self) -> None:
        self._sweep_call = self.service.now.clock.callLater(SWEEP, self._sweep)

    def stopFactory(self) -> None:
        if self._sweep_call is not None:
            self._sweep_call.cancel()
            self._sweep_call = None

    def buildProtocol(self, addr: IAddress | None) -> RespProtocol:
        return RespProtocol(self)

    def admit(self, connection: RespProtocol) -> CommandError | None:
        """Take a new connection on, or give the error that it is refused with."""
        service = self.service
        refusal = None
        if len(self.connections) >= service.settings.maxclients:
            refusal = CommandError("max number of clients reached")
        elif service.settings.protected_mode and not service.settings.requirepass and self._is_foreign(connection):
            refusal = CommandError(
                "owncache runs in protected mode: no password is set, so only clients on the same machine are served. "
                "Set one with --requirepass, or switch the mode off with --protected-mode no.",
                "DENIED",
            )
        if refusal is not None:
            service.statistics.connections_rejected += 1
            self._refused.add(connection)
            return refusal
        service.statistics.connections_received += 1
        self.connections.add(connection)
        return None

    def forget(self, connection: RespProtocol) -> None:
        """Let go of a connection that is lost."""
        self.connections.discard(connection)
        self._refused.discard(connection)
        if self._all_lost is not None and not self.connections and not self._refused:
            self._all_lost.callback(None)

    async def close_all(self) -> None:
        """End all connections, and return when they are gone.  Who does not take what was sent is not waited for."""
        for connection in self._all():
            connection.close()
        if not self.connections and not self._refused:
            return
        self._all_lost = Deferred()
        giving_up = self.service.now.clock.callLater(PATIENCE, self.abort_all)
        await self._all_lost
        self._all_lost = None
        if giving_up.active():
            giving_up.cancel()

    def abort_all(self) -> None:
        """End all connections at once, whatever they are owed."""
        for connection in self._all():
            connection.close(abort=True)

    def _all(self) -> list[RespProtocol]:
        return [*self.connections, *self._refused]

    @staticmethod
    def _is_foreign(connection: RespProtocol) -> bool:
        peer = connection.transport.getPeer()  # type: ignore[union-attr]  # it was just connected
        return isinstance(peer, (IPv4Address, IPv6Address)) and not is_loopback(peer.host)

    def _sweep(self) -> None:
        self._sweep_call = self.service.now.clock.callLater(SWEEP, self._sweep)
        self.service.now.stale = True  # what is asked for the date between requests gets that of today
        now = self.service.now.elapsed
        for connection in self._all():
            connection.sweep(now)
