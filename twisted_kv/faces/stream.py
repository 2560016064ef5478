"""The face for Redis clients: RESP over any of Twisted's stream transports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from zope.interface import implementer

from twisted_kv.faces.resp_connection import Owner, RespConnection

if TYPE_CHECKING:
    from twisted.python.failure import Failure


@implementer(IHalfCloseableProtocol, IPushProducer)
class RespProtocol(Protocol):
    """Twisted's end of a `RespConnection`: passes on what the transport reports."""

    def __init__(self, owner: Owner) -> None:
        self.factory = owner
        self.connection = RespConnection(owner)

    def connectionMade(self) -> None:
        self.connection.begin(self.transport, self)

    def dataReceived(self, data: bytes) -> None:
        self.connection.receive(data)

    def readConnectionLost(self) -> None:
        """React to the client closing its sending side; it still gets the replies that it is owed."""
        self.connection.end_input()

    def writeConnectionLost(self) -> None:
        """React to the client closing its receiving side."""
        self.connection.close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.connection.lose()

    def pauseProducing(self) -> None:
        self.connection.pause()

    def resumeProducing(self) -> None:
        self.connection.resume()

    def stopProducing(self) -> None:
        self.connection.pause()
