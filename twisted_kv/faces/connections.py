"""The connections of Redis clients: which are taken on, and what is done for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from twisted_kv.engine.service import Service
from twisted_kv.faces.ending import PATIENCE
from twisted_kv.faces.stream import RespProtocol
from twisted_kv.transports.addresses import is_loopback
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IDelayedCall

SWEEP: Final = 1.0
"""Seconds between two looks at idle connections."""


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
