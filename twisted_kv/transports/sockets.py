"""What is asked of the socket below a Twisted transport, and how its ends are named."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import ISystemHandle, ITCPTransport

from twisted_kv.transports.addresses import address_name
from twisted_kv.vocabulary.errors import as_text


def prepare(transport: Any, keep_alive: int) -> None:
    """Have a TCP connection send at once, and the system ask a silent client every so many seconds whether it is there.

    It gives up after three times.  With 0 it never asks.
    """
    if not ITCPTransport.providedBy(transport):
        return
    transport.setTcpNoDelay(True)
    transport.setTcpKeepAlive(keep_alive > 0)
    handle: Any = transport.getHandle() if ISystemHandle.providedBy(transport) else None
    is_tcp = isinstance(handle, socket.socket) and handle.family in (socket.AF_INET, socket.AF_INET6)
    if keep_alive > 0 and is_tcp and hasattr(socket, "TCP_KEEPIDLE"):
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keep_alive)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keep_alive // 3))
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def peer_name(transport: Any) -> str:
    """Name the far end as Redis does: `127.0.0.1:54321`, or the path of the Unix socket."""
    return _name(transport, transport.getPeer())


def local_name(transport: Any) -> str:
    """Name our end as Redis does."""
    try:
        return _name(transport, transport.getHost())
    except AttributeError:  # the connection is lost, and Twisted's transport has no socket any more
        return "?:0"


def descriptor(transport: Any) -> int:
    """Return the file descriptor of a transport, or -1."""
    fileno: Any = getattr(transport, "fileno", None)
    return -1 if fileno is None else int(fileno())


def _name(transport: Any, address: Any) -> str:
    if isinstance(address, UNIXAddress):
        path = transport.getHost().name  # the peer's side has no name
        return f"{as_text(path or b'')}:0"
    return address_name(address)
