"""The options of the socket below a Twisted transport, and the names of its ends."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import ISystemHandle, ITCPTransport

from twisted_kv.transports.addresses import address_name
from twisted_kv.vocabulary.errors import as_text


def prepare(transport: Any, keep_alive: int) -> None:
    """Disable Nagle's algorithm on a TCP connection, and have the system probe a silent client.

    The first probe is sent after `keep_alive` seconds of silence; after three without a response the connection is
    dropped.  0 disables probing.
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
    """Return the name of the remote end as Redis writes it: `127.0.0.1:54321`, or the path of the Unix socket."""
    return _name(transport, transport.getPeer())


def local_name(transport: Any) -> str:
    """Return the name of our end as Redis writes it."""
    try:
        return _name(transport, transport.getHost())
    except AttributeError:  # the connection is lost, and Twisted's transport no longer has a socket
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
