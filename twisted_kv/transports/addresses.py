"""Addresses: how Redis writes them, and which are of this machine."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any, Iterable, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@lru_cache(maxsize=4096)
def parse_address(host: str) -> Address | None:
    """Read an address; None for a text that is none.  An IPv4 address in IPv6 clothes comes out as IPv4."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_loopback(host: str) -> bool:
    """Tell whether an address is of this machine alone."""
    address = parse_address(host)
    return address is not None and address.is_loopback


def is_served(host: str, allowed: Iterable[Network]) -> bool:
    """Tell whether datagrams of an address are answered: it is loopback, or in one of the networks."""
    address = parse_address(host)
    if address is None:
        return False
    return address.is_loopback or any(address in network for network in allowed)


def address_name(address: Any) -> str:
    """Write a TCP or UDP address as Redis does: `127.0.0.1:6379`, `[::1]:6379`."""
    host = getattr(address, "host", None)
    if host is None:
        return "?:0"
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
