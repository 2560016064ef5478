"""What needs no socket: where batches are possible, and what the bytes of an address say."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from twisted_kv.transports import datagram_batches
from twisted_kv.transports.datagram_batches import _MOST_PEERS, _load, _Peers

ROOM = 32


def name_4(host: str, port: int) -> bytes:
    """Write an IPv4 address as Linux does, in the room that there is for one."""
    return (struct.pack("=H", socket.AF_INET) + struct.pack("!H4s", port, socket.inet_aton(host))).ljust(ROOM, b"\0")


def name_6(host: str, port: int, scope: int = 0) -> bytes:
    """Write an IPv6 address as Linux does: all of it in the network's order, but for family and scope."""
    packed = struct.pack("!HI16s", port, 7, socket.inet_pton(socket.AF_INET6, host))
    return (struct.pack("=H", socket.AF_INET6) + packed + struct.pack("=I", scope)).ljust(ROOM, b"\0")


@pytest.mark.parametrize(
    ("family", "name", "host", "port"),
    [
        (socket.AF_INET, name_4("127.0.0.1", 1), "127.0.0.1", 1),
        (socket.AF_INET, name_4("10.200.255.3", 65_535), "10.200.255.3", 65_535),
        (socket.AF_INET6, name_6("::1", 6379), "::1", 6379),
        (socket.AF_INET6, name_6("2001:db8::ffff", 258), "2001:db8::ffff", 258),
        (socket.AF_INET6, name_6("fe80::1", 258, 2), "fe80::1%2", 258),
        (socket.AF_INET6, name_6("fe80::1", 258, 70_000), "fe80::1%70000", 258),
    ],
    ids=["loopback", "IPv4", "IPv6 loopback", "IPv6", "a link", "a link with a large number"],
)
def test_the_bytes_of_an_address_are_read_as_the_system_writes_them(
    family: int, name: bytes, host: str, port: int
) -> None:
    assert _Peers(family)[name] == (host, port, name)


def test_one_address_is_read_once() -> None:
    peers = _Peers(socket.AF_INET)
    assert peers[name_4("127.0.0.1", 1)] == peers[name_4("127.0.0.1", 1)] == ("127.0.0.1", 1, name_4("127.0.0.1", 1))
    with mock.patch.object(socket, "inet_ntop", side_effect=AssertionError("read again")):
        assert peers[name_4("127.0.0.1", 1)][0] == "127.0.0.1"
    assert len(peers) == 1


def test_no_more_addresses_are_kept_than_there_is_room_for() -> None:
    peers = _Peers(socket.AF_INET)
    for number in range(2 * _MOST_PEERS + 10):
        name = name_4("127.0.0.1", number)
        assert peers[name] == ("127.0.0.1", number, name)
        assert len(peers) <= _MOST_PEERS


@pytest.mark.pure
def test_without_cffi_there_are_no_batches() -> None:
    with mock.patch.object(datagram_batches, "import_module", side_effect=ImportError("no cffi")):
        assert _load() == (None, None)


@pytest.mark.pure
@pytest.mark.parametrize("functions", [{}, {"recvmmsg": len}, {"sendmmsg": len}])
def test_a_system_that_lacks_one_of_the_two_has_no_batches(functions: dict[str, Any]) -> None:
    ffi = mock.Mock(dlopen=mock.Mock(return_value=SimpleNamespace(**functions)))
    with mock.patch.object(
        datagram_batches, "import_module", return_value=mock.Mock(FFI=lambda *name, **prepared: ffi)
    ):
        assert _load() == (None, None)


def test_what_was_prepared_is_what_cffi_makes_of_the_declarations(tmp_path: Path) -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.set_source("owncache", None)
    ffi.cdef(datagram_batches.DECLARATIONS)
    path = tmp_path / "emitted.py"
    ffi.emit_python_code(str(path))
    made: dict[str, Any] = {}
    backend = SimpleNamespace(FFI=lambda name, **prepared: made.update(prepared))
    exec(path.read_text().replace("import _cffi_backend", ""), {"_cffi_backend": backend})
    assert made == datagram_batches._PREPARED


@pytest.mark.pure
def test_a_system_that_has_both_has_batches() -> None:
    library = SimpleNamespace(recvmmsg=len, sendmmsg=len)
    ffi = mock.Mock(dlopen=mock.Mock(return_value=library))
    with mock.patch.object(
        datagram_batches, "import_module", return_value=mock.Mock(FFI=lambda *name, **prepared: ffi)
    ):
        assert _load() == (ffi, library)
