"""The face for datagrams: each is answered by one datagram, or by silence."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Sequence

from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import DatagramProtocol

from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.errors import CommandError
from twisted_kv.net.addresses import is_served
from twisted_kv.table import Lasting
from twisted_kv.wire.dialects import DIALECTS, MAX_DATAGRAM, Dialect, Request
from twisted_kv.wire.encoder import least_size

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

READ_SIZE = 65_536
"""Give this to `listenUDP` as `maxPacketSize`: more than any datagram holds.  Twisted's default cuts at 8,192 bytes."""

DATAGRAMS_A_TURN = 64
"""Datagrams that are answered before others have their turn."""

TOO_LARGE = "reply is too large for a datagram"


class CacheDatagramProtocol(DatagramProtocol):
    """Answers datagrams in one dialect; by default in the one that the dispatcher's settings name.

    With a password set, only a `resp` datagram that begins with a right AUTH is served.
    """

    noisy = False

    def __init__(self, dispatcher: Dispatcher, dialect: Dialect | None = None) -> None:
        settings = dispatcher.server.settings
        self.dispatcher = dispatcher
        self._settings = settings
        self._statistics = dispatcher.server.statistics
        self._dialect = dialect or DIALECTS[settings.udp_dialect](settings.udp_binary)
        self._session = dispatcher.begin(Lasting.REQUEST)
        self._read_size = READ_SIZE
        self._turn = DATAGRAMS_A_TURN
        self._pause: IDelayedCall | None = None
        self._is_served = lru_cache(maxsize=4096)(partial(is_served, allowed=settings.udp_allow))

    def startProtocol(self) -> None:
        self._read_size = getattr(self.transport, "maxPacketSize", READ_SIZE)

    def stopProtocol(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self._statistics.datagrams_received += 1
        self._turn -= 1
        if not self._turn:
            self._turn = DATAGRAMS_A_TURN
            self._give_way()
        self._statistics.bytes_received += len(datagram)
        if not self._is_served(addr[0]):
            self._statistics.datagrams_refused += 1
            return
        dialect = self._dialect.choose(datagram)
        try:
            if len(datagram) >= self._read_size:
                raise CommandError("request is cut: it is longer than this server reads")
            requests = dialect.parse(datagram)
        except CommandError as error:
            if self._settings.requirepass:
                self._statistics.datagrams_refused += 1
                return
            answer: bytes | None = dialect.error(error)
        else:
            answer = self._answer(dialect, requests)
        if answer is None:
            return
        self._statistics.bytes_sent += len(answer)
        assert self.transport is not None
        try:
            self.transport.write(answer, addr)
        except MessageLengthError:  # some systems carry less than IPv4 does
            with suppress(OSError):
                self.transport.write(dialect.error(CommandError(TOO_LARGE)), addr)
        except OSError:
            pass  # the reply is lost, as datagrams may be; the next one is served

    def connectionRefused(self) -> None:
        """A peer went away before it got its reply."""

    def _answer(self, dialect: Dialect, requests: Sequence[Request]) -> bytes | None:
        """Run the requests of a datagram; gives the answering datagram, or None."""
        if not requests:
            return None
        session = self._session
        password = bool(self._settings.requirepass)
        if password and (dialect.lasting < Lasting.DATAGRAM or requests[0][0].upper() != b"AUTH"):
            self._statistics.datagrams_refused += 1
            return None
        if dialect.lasting >= Lasting.DATAGRAM:
            session = self.dispatcher.begin(dialect.lasting)
        parts: list[bytes] = []
        size = 0
        for request in requests:
            if size > MAX_DATAGRAM and self._only_reads(request):
                continue  # its reply would not be sent
            reply = self.dispatcher.request(session, request)
            if password and session.must_authenticate and not parts:
                self._statistics.datagrams_refused += 1
                return None
            if size > MAX_DATAGRAM or least_size(reply) > MAX_DATAGRAM:
                size += MAX_DATAGRAM + 1
                continue
            part = dialect.render(request, reply, session.resp)
            if part is not None:
                size += len(part)
                parts.append(part)
            elif isinstance(reply, CommandError):
                self._statistics.datagram_sets_refused += 1
        if size > MAX_DATAGRAM:
            return dialect.error(CommandError(TOO_LARGE))
        return b"".join(parts) if parts else None

    def _only_reads(self, request: Request) -> bool:
        """Tell whether a request leaves the data, the server and what the rest of the datagram works on as they are."""
        try:
            command = self.dispatcher.server.commands.find(request)
        except CommandError:
            return False
        return command.lasting is Lasting.REQUEST and not {"write", "admin"} & set(command.flags)

    def _give_way(self) -> None:
        """Let the reactor have its turn after so many datagrams: Twisted itself reads until it has 256 KiB."""
        transport: Any = self.transport
        if self._pause is None and hasattr(transport, "maxThroughput"):
            throughput = transport.maxThroughput
            transport.maxThroughput = 0  # its loop looks at this before each datagram

            def go_on() -> None:
                self._pause = None
                transport.maxThroughput = throughput

            self._pause = self.dispatcher.server.now.clock.callLater(0, go_on)
