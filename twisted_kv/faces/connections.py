"""The connections of Redis clients: which are admitted, and what is done for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from twisted_kv.engine.service import Service
from twisted_kv.faces.ending import PATIENCE
from twisted_kv.faces.resp_connection import RespConnection
from twisted_kv.faces.stream import RespProtocol
from twisted_kv.transports.addresses import is_loopback
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.logs import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IDelayedCall

SWEEP: Final = 1.0
"""Seconds between two checks for idle connections."""

MEMORY_SWEEP: Final = 0.1
"""Seconds between two checks while the memory of all connections is limited."""


class RespFactory(Factory):
    """Builds the connections of Redis clients and manages them.  All it needs is a service."""

    noisy = False
    _log = Logger()

    def __init__(self, service: Service) -> None:
        self.service = service
        self.connections: set[RespConnection] = set()
        self._refused: set[RespConnection] = set()
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

    def admit(self, connection: RespConnection) -> CommandError | None:
        """Admit a new connection, or return the error that it is refused with."""
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

    def forget(self, connection: RespConnection) -> None:
        """Forget a connection that is lost."""
        self.connections.discard(connection)
        self._refused.discard(connection)
        if self._all_lost is not None and not self.connections and not self._refused:
            self._all_lost.callback(None)

    async def close_all(self) -> None:
        """Close all connections, and return when they are gone.  Those open after `PATIENCE` seconds are aborted."""
        for connection in self._all():
            connection.close()
        if not self.connections and not self._refused:
            return
        self._all_lost = Deferred()
        abort_call = self.service.now.clock.callLater(PATIENCE, self.abort_all)
        await self._all_lost
        self._all_lost = None
        if abort_call.active():
            abort_call.cancel()

    def abort_all(self) -> None:
        """Abort all connections at once, whatever they are owed."""
        for connection in self._all():
            connection.close(abort=True)

    def _all(self) -> list[RespConnection]:
        return [*self.connections, *self._refused]

    @staticmethod
    def _is_foreign(connection: RespConnection) -> bool:
        peer = connection.transport.getPeer()
        return isinstance(peer, (IPv4Address, IPv6Address)) and not is_loopback(peer.host)

    def _sweep(self) -> None:
        self._sweep_call = self.service.now.clock.callLater(
            MEMORY_SWEEP if self.service.settings.maxmemory_clients else SWEEP, self._sweep
        )
        self.service.now.stale = True  # whatever asks for the time between requests gets the current one
        now = self.service.now.elapsed
        for connection in self._all():
            connection.sweep(now)
        limit = self.service.settings.clients_memory
        if limit:
            self._shrink(limit)

    def _shrink(self, limit: int) -> None:
        """Close the connections that take most memory until all together take no more than the limit."""
        sizes = {connection: connection.memory_with_queue for connection in self.connections if not connection.is_over}
        beyond = sum(sizes.values()) - limit
        if beyond <= 0:
            return  # they need not be sorted
        for connection in sorted(sizes, key=sizes.__getitem__, reverse=True):
            if beyond <= 0:
                return
            if not connection.is_kept:
                beyond -= sizes[connection]
                self.service.statistics.evicted_clients += 1
                connection.close_for_memory()
