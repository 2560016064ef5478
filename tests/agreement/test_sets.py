"""Sets and sorted sets: sequences of generated requests, and requests picked by hand."""

from __future__ import annotations

from typing import Sequence

import pytest
from hypothesis import given

from .generated import Words, protocols, sequences, thorough
from .replies import parse
from .requests_sets import SETS, around, keys
from .requests_sorted_sets import ADDING, OPERATIONS, RANGES, SORTED_SETS
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]

AROUND = around(keys)


def play(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    """Send requests to both servers; then compare what they hold."""
    servers.begin(resp)
    servers.call("SET", "s", "string")
    for request in requests:
        if is_left_open(servers, request):
            continue
        blocking = request[0].upper().startswith(b"BZ")
        if blocking:  # in a transaction nobody waits
            servers.call("MULTI")
        servers.call(*request)
        if blocking:
            servers.call("EXEC")
    compare_data(servers)


def is_left_open(servers: BothServers, request: Words) -> bool:
    """Tell whether a range of members is asked of a large sorted set of unequal scores.

    What Redis gives then depends on the levels that it has drawn for its skip list.
    """
    name = request[0].upper()
    if b"LEX" not in name and b"BYLEX" not in [word.upper() for word in request]:
        return False
    key = request[2 if name == b"ZRANGESTORE" and len(request) > 2 else 1] if len(request) > 1 else b""
    if servers.ask_real("OBJECT", "ENCODING", key) != b"$8\r\nskiplist\r\n":
        return False
    ends = [servers.ask_real("ZRANGE", key, end, end, "WITHSCORES") for end in (0, -1)]
    first, last = (parse(end)[0][1][-1] for end in ends)
    return bool(first != last)


def compare_data(servers: BothServers) -> None:
    """Compare all keys of the first database: how they are kept, what they hold, and when they go."""
    names, _ = parse(servers.call("KEYS", "*"))
    for _, key in names[1]:
        kind = servers.call("TYPE", key)
        servers.call("OBJECT", "ENCODING", key)
        if kind == b"+zset\r\n":
            servers.call("ZRANGE", key, 0, -1, "WITHSCORES")
        servers.call("DEBUG", "DIGEST-VALUE", key)
        servers.call("PTTL", key)


@thorough
@given(requests=sequences(SETS, AROUND), resp=protocols)
def test_sets_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(ADDING, SORTED_SETS, AROUND), resp=protocols)
def test_sorted_sets_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(ADDING, RANGES, RANGES, RANGES, AROUND), resp=protocols)
def test_ranges_of_sorted_sets_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(ADDING, OPERATIONS, OPERATIONS, AROUND), resp=protocols)
def test_operations_on_sorted_sets_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)
