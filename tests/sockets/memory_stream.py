"""A socket for a client that waits, whose other end is a cache in memory."""

from __future__ import annotations

import socket

from twisted_kv.testing import MemoryCache


class MemoryStream:
    """Sends and receives as a socket does; where a real one would wait, its time is up at once."""

    def __init__(self, cache: MemoryCache) -> None:
        self.connection = cache.connect()
        self.seconds: float | None = None
        self.closed = False
        self._received = b""

    def sendall(self, data: bytes) -> None:
        if self.connection.transport.lost:
            raise BrokenPipeError(32, "Broken pipe")
        self.connection.protocol.dataReceived(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        assert not self.closed
        self._received += self.connection.transport.take()
        given = self._received[:size]
        if given or self.connection.transport.lost:
            if flags != socket.MSG_PEEK:
                self._received = self._received[size:]
            return given
        raise BlockingIOError if self.seconds == 0 else socket.timeout("timed out")

    def settimeout(self, seconds: float | None) -> None:
        self.seconds = seconds

    def close(self) -> None:
        self.closed = True
        self.connection.transport.loseConnection()
