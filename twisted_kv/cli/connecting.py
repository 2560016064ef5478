"""Clients made from the command line: over a connection, over UDP, or to the address in a server's address file."""

from __future__ import annotations

import argparse
import socket
from typing import Any, Callable

from twisted_kv.blocking_client import BlockingClient, NoAnswer, Stream
from twisted_kv.vocabulary.replies import Reply


def make_client(options: argparse.Namespace) -> BlockingClient | DatagramCalls:
    """Return the client that the options specify; raises OSError for a UDP host that has no address."""
    if options.udp:
        return DatagramCalls(options)

    def connect() -> Stream:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(options.timeout)
        stream.connect(options.socket)
        return stream

    return BlockingClient(
        connect if options.socket else connector(options.host, options.port, options.timeout),
        password=options.password,
        user=options.user,
        database=options.database,
        resp=options.resp,
        timeout=options.timeout,
        retries=options.retries,
    )


def port_number(text: str) -> int:
    """Parse a port number; raises ValueError if it is invalid."""
    number = int(text) if text.isdecimal() else 0
    if not 0 < number < 65536:
        raise ValueError("a port is a number from 1 to 65535")
    return number


def connector(host: str, port: int, timeout: float) -> Callable[[], Stream]:
    """Return a function that connects to a TCP port, with a time-out in seconds."""

    def connect() -> Stream:
        stream = socket.create_connection((host, port), timeout)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    return connect


def take_address(options: argparse.Namespace) -> None:
    """Set the options' address from a server's address file; raises OSError if the file or the address is missing."""
    with open(options.address_file, encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.rstrip("\n").partition(" ") for line in file]
    addresses = {kind: address for kind, _, address in reversed(lines)}  # the first of each kind
    kind = next((each for each in (("udp",) if options.udp else ("tcp", "unix", "udp")) if each in addresses), "")
    host, _, port = addresses.get(kind, "").rpartition(":")
    if kind == "unix":
        options.socket = addresses[kind]
        return
    if not port.isdecimal():
        raise OSError(f"{options.address_file} names no such address")
    options.udp = kind == "udp"
    options.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))  # noqa: S104  # all interfaces
    options.port = int(port)


class DatagramCalls:
    """A blocking front end to a `DatagramClient`.  The reactor, imported only for this, runs in its own thread."""

    database = 0
    in_transaction = False

    def __init__(self, options: argparse.Namespace) -> None:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_DGRAM)
        import threading

        from twisted.internet import error, reactor
        from twisted.internet.threads import blockingCallFromThread

        from twisted_kv.client import DatagramClient

        loop: Any = reactor
        self._loop = loop
        self._call = blockingCallFromThread
        self._failures = (error.ConnectError, error.ConnectionClosed, error.TimeoutError, error.MessageLengthError)
        self._client = DatagramClient(
            str(found[0][4][0]),
            options.port,
            dialect=options.dialect,
            password=options.password,
            timeout=options.timeout,
            retries=options.retries,
            reactor=loop,
        )
        self._thread = threading.Thread(target=loop.run, kwargs={"installSignalHandlers": False}, daemon=True)
        self._thread.start()

    def request(self, *words: bytes) -> Reply:
        """Send a request and wait for its reply value, as `BlockingClient.request` does."""
        try:
            return self._call(self._loop, self._client.request, *words)
        except self._failures as failure:
            raise NoAnswer(str(failure)) from None

    def close(self) -> None:
        """Stop the reactor, which cannot be started again."""
        self._loop.callFromThread(self._loop.stop)
        self._thread.join(5)
