"""Addresses: how they are written, and who is served."""

from __future__ import annotations

import ipaddress

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from twisted_kv.transports.addresses import address_name, is_loopback, is_served, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", ipaddress.IPv4Address("127.0.0.1")),
        ("::1", ipaddress.IPv6Address("::1")),
        ("fe80::1%eth0", ipaddress.IPv6Address("fe80::1")),
        ("::ffff:10.0.0.7", ipaddress.IPv4Address("10.0.0.7")),
        ("localhost", None),
        ("", None),
        ("127.0.0.1.9", None),
        ("/run/owncache.sock", None),
    ],
)
def test_an_address_is_read_or_is_none(text: str, address: object) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.200.3.4", "::1", "::ffff:127.0.0.1"])
def test_the_loopback_addresses_are_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "192.0.2.7", "::", "2001:db8::1", "::ffff:10.0.0.1", "nobody"])
def test_other_addresses_are_foreign(host: str) -> None:
    assert not is_loopback(host)


NETWORKS = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("2001:db8::/32")]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8:1::5"])
def test_loopback_and_the_allowed_networks_are_served(host: str) -> None:
    assert is_served(host, NETWORKS)


@pytest.mark.parametrize("host", ["10.2.0.1", "2001:db9::1", "::ffff:10.2.0.1", "no address"])
def test_nobody_else_is_served(host: str) -> None:
    assert not is_served(host, NETWORKS)


def test_without_allowed_networks_only_this_machine_is_served() -> None:
    assert is_served("127.0.0.1", [])
    assert not is_served("10.1.2.3", [])


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (IPv4Address("TCP", "127.0.0.1", 6379), "127.0.0.1:6379"),
        (IPv6Address("TCP", "::1", 6379), "[::1]:6379"),
        (IPv4Address("UDP", "10.0.0.1", 1), "10.0.0.1:1"),
        (UNIXAddress(b"/run/owncache.sock"), "?:0"),
        (None, "?:0"),
    ],
)
def test_an_address_is_written_as_redis_does(address: object, name: str) -> None:
    assert address_name(address) == name
