"""Clients that send datagrams to a cache in the same process; they wait by letting its reactor take turns."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import Any

from tests.sockets.reactors import turns_until
from twisted_kv.wire.encoder import encode_request

Address = Any
"""A host, a port, and for IPv6 its flow and scope."""

ROOM = 4 * 1024 * 1024
"""Bytes that a client's socket asks for, so that no answer is lost there."""

MARKS: dict[str, tuple[list[bytes], bytes]] = {
    "auto": ([b"mark=1", b"mark"], b"mark=1"),
    "equals": ([b"mark=1", b"mark"], b"mark=1"),
    "command": ([b"PING mark"], b"mark\n"),
    "resp": ([encode_request([b"PING", b"mark"])], b"$4\r\nmark\r\n"),
}
"""For each dialect what is sent behind the datagrams of a test, and the answer that tells that all were served."""


class Peer:
    """A UDP socket that talks to one address."""

    def __init__(self, to: Address, at: Address | None = None) -> None:
        self.socket = _bound(socket.AF_INET6 if ":" in to[0] else socket.AF_INET, at)
        if self.socket.getsockname()[1] == to[1]:  # by chance: what comes from the number of the server gets no answer
            with self.socket:
                self.socket = _bound(self.socket.family, at)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        self.socket.connect(to)
        self.answers: list[bytes] = []

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            assert self.socket.send(datagram) == len(datagram)

    def look(self) -> list[bytes]:
        """Give all answers that have come so far."""
        with suppress(BlockingIOError):
            while True:
                self.answers.append(self.socket.recv(65_536))
        return self.answers

    async def answered(self, reactor: Any, count: int) -> list[bytes]:
        """Wait for so many answers, and take all that have come."""
        await turns_until(reactor, lambda: len(self.look()) >= count)
        taken, self.answers = self.answers, []
        return taken

    async def ask(self, reactor: Any, dialect: str, *datagrams: bytes) -> list[bytes]:
        """Send datagrams, and give what answers them; silences are known by the answer to what is sent behind."""
        mark, last = MARKS[dialect]
        self.send(*datagrams, *mark)
        await turns_until(reactor, lambda: last in self.look())
        taken, self.answers = self.answers, []
        assert taken.pop() == last
        return taken

    def is_silent(self) -> bool:
        """Tell whether nothing has come."""
        return not self.answers and not select.select([self.socket], [], [], 0)[0]

    def close(self) -> None:
        self.socket.close()


def link_local() -> tuple[str, int] | None:
    """Give an address of this machine that means something on one link only, and the number of that link."""
    with suppress(OSError), open("/proc/net/if_inet6") as file:
        for line in file:
            digits, index, _, _, flags, _ = line.split()
            if digits.startswith("fe80") and not int(flags, 16) & 0x40:  # a tentative one cannot be used yet
                return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits)), int(index, 16)
    return None


def has_ipv6() -> bool:
    """Tell whether this machine has ::1."""
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def _bound(family: int, at: Address | None) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    if at is not None:
        opened.bind(at)
    return opened
