"""Addresses: how Redis writes them, and which belong to this machine."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any, Iterable, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@lru_cache(maxsize=4096)
def parse_address(host: str) -> Address | None:
    """Parse an address; return None for an invalid one.  An IPv4-mapped IPv6 address is returned as IPv4."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_loopback(host: str) -> bool:
    """Return whether an address is a loopback address."""
    address = parse_address(host)
    return address is not None and address.is_loopback


def is_served(host: str, allowed: Iterable[Network]) -> bool:
    """Return whether datagrams from an address are answered: it is loopback, or in one of the networks."""
    address = parse_address(host)
    if address is None:
        return False
    return address.is_loopback or any(address in network for network in allowed)


def address_name(address: Any) -> str:
    """Format a TCP or UDP address as Redis does: `127.0.0.1:6379`, `[::1]:6379`."""
    host = getattr(address, "host", None)
    if host is None:
        return "?:0"
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
