"""Opens and closes the ports that the settings name."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, DeferredList, ensureDeferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.udp import Port as UDPPort

from twisted_kv.faces.connections import RespFactory
from twisted_kv.faces.datagram import READ_SIZE, CacheDatagramProtocol
from twisted_kv.settings.config import Settings
from twisted_kv.transports import multiplexer
from twisted_kv.transports.addresses import address_name, parse_address
from twisted_kv.transports.datagram_batches import ask_for_room, count_drops
from twisted_kv.transports.multiplexer import Multiplexer
from twisted_kv.vocabulary.logs import Logger

if TYPE_CHECKING:
    from twisted_kv.engine.service import Service

ATTEMPTS: Final = 100
"""Maximum number of free TCP ports tried to find one whose number is free for UDP too."""

PRIVATE: Final = 0o700
"""The permissions of a Unix socket, unless the settings name others."""

_WILDCARDS: Final = {"*": "0.0.0.0", "::*": "::"}  # noqa: S104  # only on request
_UNAVAILABLE: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}


def bind_addresses(settings: Settings) -> list[tuple[str, bool]]:
    """Return the addresses to listen on, and whether each is optional; raises ValueError for an invalid one."""
    addresses = []
    for entry in settings.bind:
        name = entry.removeprefix("-")
        host = _WILDCARDS.get(name, name)
        if parse_address(host) is None:
            raise ValueError(f"setting 'bind': '{name}' is not an address, as 127.0.0.1 or ::1 are")
        addresses.append((host, entry.startswith("-")))
    return addresses


def check_ports(settings: Settings) -> None:
    """Bind each port and release it again; raises OSError with a text that names the first that cannot be bound."""
    for host, optional in bind_addresses(settings):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        wanted = [(socket.SOCK_STREAM, settings.port)] if settings.tcp else []
        if settings.udp:
            wanted.append((socket.SOCK_DGRAM, settings.port if settings.udp_port < 0 else settings.udp_port))
        for kind, number in wanted:
            try:
                with socket.socket(family, kind) as probe:
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    if kind == socket.SOCK_STREAM:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((host, number))
                    if kind == socket.SOCK_STREAM:
                        probe.listen(1)  # with SO_REUSEADDR two may bind, but only one may listen
            except OSError as error:
                if not (optional and error.errno in _UNAVAILABLE):
                    raise OSError(f"cannot listen on {host}:{number}: {error.strerror}") from None


def check(settings: Settings) -> None:
    """Raise ValueError for settings that the server must not start with."""
    addresses = bind_addresses(settings)
    if (settings.tcp or settings.udp) and not addresses:
        raise ValueError("setting 'bind': there is no address to listen on")
    foreign = [host for host, _ in addresses if not parse_address(host).is_loopback]  # type: ignore[union-attr]
    if settings.udp and foreign and not settings.udp_allow:
        raise ValueError(
            f"on {foreign[0]}, datagrams of anybody would be answered, also those with a forged sender: "
            "name who is served with udp-allow (--udp-allow NETWORK), or switch udp off (--no-udp)"
        )


def are_asked_for(settings: Settings) -> bool:
    """Return whether the settings name anything to open."""
    return bool(settings.tcp or settings.udp or settings.unixsocket or settings.endpoint)


class Listeners:
    """The open ports of one cache.

    `port` and `udp_port` are the bound port numbers, or None.
    """

    _log = Logger()

    def __init__(self, reactor: Any, settings: Settings, service: Service) -> None:
        fast = multiplexer.is_possible and settings.transport == "fast"
        self._multiplexer = Multiplexer(reactor, service.wakeup) if fast else None
        self._reactor = self._multiplexer or reactor
        self._settings = settings
        self._service = service
        self._factory = RespFactory(service)
        self._ports: list[Any] = []
        self._closed = False
        self._address_text = ""  # the content of the address file
        self.port: int | None = None
        self.udp_port: int | None = None

    def open(self) -> None:
        """Open all ports and write the address file; raises `CannotListenError`, and then none is open."""
        try:
            self._open_pair()
            addresses = [
                f"{'udp' if isinstance(port, UDPPort) else 'tcp'} {address_name(port.getHost())}\n"
                for port in self._ports
            ]
            if self._settings.unixsocket:
                self._open_unix(self._settings.unixsocket)
                addresses.append(f"unix {self._settings.unixsocket}\n")
            for description in self._settings.endpoint:
                self._open_endpoint(description)
            if self._settings.address_file:
                self._write_address_file("".join(addresses))
        except BaseException:
            self.close()
            raise

    def _write_address_file(self, addresses: str) -> None:
        """Replace the address file atomically: a reader finds either all addresses or the previous file."""
        path = self._settings.address_file
        try:
            with open(path + ".new", "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(addresses)
            os.replace(path + ".new", path)
        except OSError as error:
            raise CannotListenError(None, path, error) from None
        self._address_text = addresses

    def _remove_address_file(self) -> None:
        """Remove the address file, unless another server has written its own there."""
        written, self._address_text = self._address_text, ""
        path = self._settings.address_file
        with suppress(OSError):
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                is_ours = file.read() == written
            if is_ours:
                os.unlink(path)

    def count_drops(self) -> int:
        """Return the number of datagrams that the system dropped before they could be read."""
        return sum(count_drops(port.socket) for port in self._ports if isinstance(port, UDPPort) and port.connected)

    def serve_once(self) -> None:
        """Serve what is ready now, in the midst of a request, when the reactor cannot."""
        if self._multiplexer is not None:
            self._multiplexer.doRead()
            return
        served: dict[int, Any] = {port.fileno(): port for port in self._ports if hasattr(port, "doRead")}
        for connection in self._factory.connections:
            transport: Any = connection.transport
            while not hasattr(transport, "doRead") and hasattr(transport, "transport"):
                transport = transport.transport  # beneath TLS
            if hasattr(transport, "doRead") and transport.fileno() >= 0:
                served[transport.fileno()] = transport
        reactor: Any = self._reactor
        readers = set(map(id, reactor.getReaders()))
        poll = select.poll()
        for descriptor, selectable in served.items():
            if id(selectable) in readers:
                poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(0):
            why = served[descriptor].doRead()
            if why:
                reactor._disconnectSelectable(served[descriptor], why, True)  # as the reactor does
        for selectable in reactor.getWriters():
            writer = served.get(selectable.fileno())
            if writer is selectable:
                writer.doWrite()

    def close(self) -> Deferred[Any]:
        """Close all ports and connections for good; fires when that is done."""
        self._closed = True
        if self._address_text:
            self._remove_address_file()
        closed = self._close_ports()
        if self._multiplexer is not None:
            closed.addCallback(self._close_multiplexer, self._multiplexer)
        return closed

    @staticmethod
    def _close_multiplexer(result: Any, multiplexer: Multiplexer) -> Any:
        multiplexer.close()
        return result

    def _close_ports(self) -> Deferred[Any]:
        ports, self._ports = self._ports, []
        self.port = self.udp_port = None
        stopped = [maybeDeferred(port.stopListening) for port in ports]
        stopped.append(ensureDeferred(self._factory.close_all()))
        return DeferredList(stopped, consumeErrors=True)

    def _open_pair(self) -> None:
        """Open the TCP and UDP ports; if the port setting is 0, choose a number that both can use."""
        attempts = ATTEMPTS if self._settings.port == 0 else 1
        while True:
            attempts -= 1
            try:
                self._open_all(self._settings.port)
                break
            except CannotListenError:
                self._close_ports()
                if not attempts:
                    raise
        for port in self._ports:
            kind = "datagrams" if isinstance(port, UDPPort) else "RESP"
            self._log.info("{kind} on {address}", kind=kind, address=address_name(port.getHost()))

    def _open_all(self, number: int) -> None:
        """Open the UDP ports, then the TCP ports: a client that is connected may send a datagram at once."""
        addresses = bind_addresses(self._settings)
        if self._settings.udp:
            shared = self._settings.udp_port < 0
            chosen = number if shared else self._settings.udp_port
            for host, optional in addresses:
                port = self._listen(self._listen_udp, chosen, host, optional)
                if port is not None:
                    chosen = port.getHost().port
            self.udp_port = chosen
            number = chosen if shared else number
        if self._settings.tcp:
            for host, optional in addresses:
                port = self._listen(self._listen_tcp, number, host, optional)
                if port is not None:
                    number = port.getHost().port
            self.port = number

    def _listen(self, listen: Any, number: int, host: str, optional: bool) -> Any:
        """Open one port; return None for an optional address that this machine does not have."""
        try:
            port = listen(number, host)
        except CannotListenError as error:
            if optional and getattr(error.socketError, "errno", None) in _UNAVAILABLE:
                return None
            raise
        self._ports.append(port)
        return port

    def _listen_tcp(self, number: int, host: str) -> Any:
        backlog = self._settings.tcp_backlog
        if host != "::":
            return self._reactor.listenTCP(number, self._factory, backlog=backlog, interface=host)
        with _ipv6_only(socket.SOCK_STREAM, number) as bound:
            bound.listen(backlog)
            return self._reactor.adoptStreamPort(bound.fileno(), socket.AF_INET6, self._factory)

    def _listen_udp(self, number: int, host: str) -> Any:
        protocol = CacheDatagramProtocol(self._service)
        if host != "::":
            port = self._reactor.listenUDP(number, protocol, interface=host, maxPacketSize=READ_SIZE)
        else:
            with _ipv6_only(socket.SOCK_DGRAM, number) as bound:
                descriptor = bound.fileno()
                port = self._reactor.adoptDatagramPort(descriptor, socket.AF_INET6, protocol, maxPacketSize=READ_SIZE)
        ask_for_room(port.socket)  # for every kind of port
        return port

    def _open_unix(self, path: str) -> None:
        """Open a Unix socket, replacing one that another process has left."""
        with suppress(OSError):
            if stat.S_ISSOCK(os.stat(path).st_mode):
                os.unlink(path)
        self._opened(self._reactor.listenUNIX(path, self._factory, mode=self._settings.unixsocketperm or PRIVATE), path)

    def _open_endpoint(self, description: str) -> None:
        if description.startswith("unix:") and "mode=" not in description:
            description += f":mode={PRIVATE:o}"  # Twisted's default lets everybody in
        from twisted.internet.endpoints import serverFromString  # loads TLS and more, so only when needed

        opened = serverFromString(self._reactor, description).listen(self._factory)
        failures: list[BaseException] = []
        opened.addCallbacks(self._opened, lambda failure: failures.append(failure.value), callbackArgs=(description,))
        if failures:
            raise CannotListenError(None, description, failures[0])
        opened.addCallback(self._log_late_failure, description, failures)

    def _log_late_failure(self, _: None, description: str, failures: list[BaseException]) -> None:
        """Log the failure of an endpoint that failed only after `open` had returned."""
        for error in failures:
            self._log.error("cannot listen on {endpoint}: {error}", endpoint=description, error=error)

    def _opened(self, port: Any, description: str) -> None:
        if self._closed:
            port.stopListening()  # it opened only after everything was closed
            return
        self._ports.append(port)
        self._log.info("RESP on {endpoint}", endpoint=description)


def _ipv6_only(kind: int, number: int) -> socket.socket:
    """Bind a socket to all IPv6 addresses but no IPv4 ones, which have a socket of their own.

    Twisted has no option for this, and the system's default is to include the IPv4 ones.
    """
    bound = None
    try:
        bound = socket.socket(socket.AF_INET6, kind)
        bound.setblocking(False)
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("::", number))
    except OSError as error:
        if bound is not None:
            bound.close()
        raise CannotListenError("::", number, error) from None
    return bound
