"""Sequences of generated requests get the same replies, and leave the same keys."""

from __future__ import annotations

from typing import Sequence

import pytest
from hypothesis import given

from .generated import (
    CONNECTION,
    FIELDS,
    GENERIC,
    HASHES,
    KEYS,
    SERVER,
    STRINGS,
    UNKNOWN,
    Words,
    protocols,
    sequences,
    thorough,
)
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]


def play(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    """Send requests to both servers; then compare what they hold."""
    servers.begin(resp)
    for request in requests:
        if request[0].upper() == b"DBSIZE":
            servers.call("EXISTS", *KEYS, *FIELDS)  # Redis counts keys whose time has come until it looks at them
        servers.call(*request)
    servers.compare_keyspaces()


@thorough
@given(requests=sequences(STRINGS), resp=protocols)
def test_strings_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(GENERIC, STRINGS, HASHES), resp=protocols)
def test_keys_and_times_to_live_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(HASHES), resp=protocols)
def test_hashes_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(CONNECTION), resp=protocols)
def test_connections_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(SERVER, STRINGS), resp=protocols)
def test_servers_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(GENERIC, STRINGS, HASHES, CONNECTION, SERVER, UNKNOWN, most=40), resp=protocols)
def test_everything_mixed_agrees_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)
