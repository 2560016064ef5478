"""What programs subclass can be subclassed in every build, the compiled one too."""

from __future__ import annotations

from twisted_kv import CacheService
from twisted_kv.client import DatagramClient, StreamClient
from twisted_kv.faces.connections import RespFactory
from twisted_kv.faces.datagram import CacheDatagramProtocol
from twisted_kv.faces.stream import RespProtocol
from twisted_kv.testing import Clock, DatagramTransport, MemoryCache, MemoryConnection, StreamTransport
from twisted_kv.vocabulary.compiling import mypyc_attr


class Service(CacheService):
    def startService(self) -> None:
        super().startService()
        self.is_mine = True


class Shouting(RespProtocol):
    """Reads everything in upper case."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data.upper())


class ShoutingFactory(RespFactory):
    def buildProtocol(self, addr: object) -> Shouting:
        return Shouting(self)


class ShoutingDatagrams(CacheDatagramProtocol):
    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        super().datagramReceived(datagram.upper(), addr)


class Stream(StreamClient):
    pass


class Datagram(DatagramClient):
    pass


class Cache(MemoryCache):
    def connect(self, *arguments: object, **named: object) -> MemoryConnection:
        connection = super().connect()
        connection.call("CLIENT", "SETNAME", "mine")
        return connection


def test_the_service_can_be_subclassed() -> None:
    service = Service(port=None, clock=Clock())
    service.startService()
    assert service.is_mine
    assert service.call("SET", "k", "v") == b"OK"
    service.stopService()


def test_the_protocols_can_be_subclassed() -> None:
    with MemoryCache() as cache:
        client = MemoryConnection(ShoutingFactory(cache.service.dispatcher), StreamTransport())
        assert client.send(b"set k v\r\nget k\r\n") == b"+OK\r\n$1\r\nV\r\n"
        protocol = ShoutingDatagrams(cache.service.dispatcher)
        transport = DatagramTransport()
        protocol.makeConnection(transport)  # type: ignore[arg-type]  # it implements what the protocol needs
        protocol.datagramReceived(b"k", ("127.0.0.1", 50_000))
        assert transport.sent == [(b"K=V", ("127.0.0.1", 50_000))]
        protocol.stopProtocol()


def test_the_kit_and_the_clients_can_be_subclassed() -> None:
    with Cache() as cache:
        assert cache.connect().call("CLIENT", "GETNAME") == b"mine"
    assert issubclass(Stream, StreamClient)
    assert issubclass(Datagram, DatagramClient)


def test_without_the_compiler_its_decorator_does_nothing() -> None:
    assert mypyc_attr(allow_interpreted_subclasses=True)(Service) is Service
