"""Lists: generated requests and requests picked by hand get the same replies, and leave the same lists."""

from __future__ import annotations

from typing import Sequence

import pytest
from hypothesis import given

from .generated import KEYS, Words, protocols, sequences, thorough
from .requests_lists import AROUND, LISTS
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]


def compare_lists(servers: BothServers) -> None:
    """Compare what both hold."""
    for key in KEYS:
        servers.call("TYPE", key)
        servers.call("LRANGE", key, 0, -1)
        servers.call("PTTL", key)
    servers.call("DEBUG", "DIGEST-VALUE", *KEYS)
    servers.compare_data()


@thorough
@given(requests=sequences(LISTS, AROUND, most=30), resp=protocols)
def test_lists_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    servers.begin(resp)
    for request in requests:
        servers.call(*request)
    compare_lists(servers)


MAX, MIN = 2**63 - 1, -(2**63)
PLACES = ["0", "1", "-1", "4", "5", "-5", "-6", str(MAX), str(MIN), str(MAX + 1), "x", "''", "1.5", "-0", "01", " 1"]
LPOS_OPTIONS = [
    "RANK 1", "RANK 2", "RANK 3", "RANK -1", "RANK -2", "RANK -9", "RANK 0", f"RANK {MIN}", f"RANK {MIN + 1}",
    f"RANK {MAX}", "RANK x", "RANK", "COUNT 0", "COUNT 1", "COUNT 2", "COUNT 9", "COUNT -1", "COUNT x", "COUNT",
    f"COUNT {MAX}", "MAXLEN 0", "MAXLEN 1", "MAXLEN 3", "MAXLEN -1", "MAXLEN x", "MAXLEN", f"MAXLEN {MAX}",
    "RANK -1 COUNT 2", "RANK -1 MAXLEN 2", "RANK 2 COUNT 0 MAXLEN 4", "COUNT 1 COUNT 0", "rank 2 Count 0", "NOPE",
    "RANK 1 RANK", "COUNT 0 RANK -2 MAXLEN 5", "RANK 0 COUNT -1", "COUNT -1 RANK 0",
]  # fmt: skip

EDGES = [
    *[f"{command} k {place}" for command in ("LINDEX", "LPOP", "RPOP") for place in PLACES],
    *[f"LSET k {place} new" for place in PLACES],
    *[f"LREM k {place} a" for place in PLACES],
    *[f"LRANGE k {start} {stop}" for start in PLACES for stop in ("0", "-1", "x", str(MAX), str(MIN))],
    *[f"LTRIM k {start} {stop}" for start in ("0", "1", "-1", "9", "x", str(MIN)) for stop in ("0", "-1", "-9", "x")],
    *[f"LPOS k a {each}" for each in LPOS_OPTIONS],
    "LPOS k nope", "LPOS k nope COUNT 0", "LPOS k",
    "LPOP k 1 2", "RPOP k 1 2", "LPOP", "LPOP k x y", "LPUSH k", "LPUSHX k",
    "LINSERT k BEFORE a x", "LINSERT k AFTER a x", "LINSERT k before c x", "LINSERT k AFTER b x", "LINSERT k NEAR a x",
    "LINSERT k BEFORE nope x", "LINSERT k BEFORE a", "LINSERT k BEFORE a x y",
    "LMOVE k j LEFT RIGHT", "LMOVE k k LEFT RIGHT", "LMOVE k k LEFT LEFT", "LMOVE k s LEFT RIGHT",
    "LMOVE s k LEFT LEFT",
    "LMOVE k j UP LEFT", "LMOVE k j LEFT UP", "LMOVE s s UP LEFT", "LMOVE k j LEFT", "RPOPLPUSH k k", "RPOPLPUSH k s",
    "RPOPLPUSH nope s", "LMOVE nope s LEFT LEFT", "RPOPLPUSH s nope",
    "LMPOP 1 k LEFT", "LMPOP 1 k RIGHT COUNT 2", "LMPOP 2 nope k LEFT COUNT 9", "LMPOP 1 k LEFT COUNT 0",
    "LMPOP 1 k LEFT COUNT -1", "LMPOP 1 k LEFT COUNT x", "LMPOP 1 k LEFT COUNT", "LMPOP 1 k LEFT COUNT 1 COUNT 2",
    "LMPOP 1 k UP", "LMPOP 0 k LEFT", "LMPOP -1 k LEFT", "LMPOP x k LEFT", "LMPOP 2 k LEFT", "LMPOP 1 k j LEFT",
    "LMPOP 9 k LEFT", f"LMPOP {MAX} k LEFT", f"LMPOP 1 k LEFT COUNT {MAX}", "LMPOP 2 s k LEFT", "LMPOP 2 k s LEFT",
    "LMPOP 1 nope LEFT", "LMPOP 1 k LEFT NOPE 1", "LMPOP 1 k", "LMPOP 1 s UP", "BLMPOP 0 1 k LEFT COUNT 2",
    "BLMPOP x 0 k LEFT", "BLMPOP x 1 s LEFT", "BLMPOP 0 1 s LEFT", "BLPOP s 0", "BLPOP s x", "BLPOP k s -1",
    "BLMOVE s k LEFT LEFT 0", "BLMOVE k s LEFT LEFT 0", "BLMOVE k j UP LEFT x", "BRPOPLPUSH k s 0", "BRPOPLPUSH s k x",
    *[
        f"{command} s {rest}".strip()
        for command, rest in {
            "LPUSH": "a", "RPUSH": "a", "LPUSHX": "a", "RPUSHX": "a", "LINSERT": "BEFORE a b", "LLEN": "",
            "LINDEX": "0",
            "LSET": "0 a", "LRANGE": "0 1", "LTRIM": "0 1", "LREM": "0 a", "LPOS": "a", "LPOP": "", "RPOP": "1",
        }.items()
    ],
    "LPOP s x", "LSET s x a", "LSET nope x a", "LINDEX nope x", "LINDEX s x", "LTRIM nope x 0", "LTRIM s x 0",
    "LREM nope x a", "LREM s x a", "LRANGE s x 0", "LPOS s a RANK 0", "LPOS nope a RANK 0", "LPOS nope a COUNT 0",
    "LPOP nope", "LPOP nope 0", "LPOP nope 1", "LPOP nope -1", "RPOP k 0", "LSET nope 0 a", "LINSERT s NEAR a b",
    "LINSERT nope NEAR a b",
]  # fmt: skip


@pytest.mark.parametrize("resp", [2, 3])
def test_edge_cases_on_lists_agree(servers: BothServers, resp: int) -> None:
    servers.begin(resp)
    for line in EDGES:
        servers.call("FLUSHALL")
        servers.call("SET", "s", "v")
        servers.call("RPUSH", "k", "a", "b", "a", "", "c")
        servers.call(*("" if word == "''" else word for word in line.split(" ")))
        servers.call("LRANGE", "k", 0, -1)
        servers.call("LRANGE", "j", 0, -1)
        servers.call("GET", "s")


@pytest.mark.parametrize("size", [100, 1000, 5000])
def test_long_lists_agree(both: BothServers, size: int) -> None:
    elements = [b"element %d" % (number % 700) for number in range(size)]
    both.call("RPUSH", "k", *elements)
    both.call("LPUSH", "k", *elements[: size // 2])
    for line in (
        f"LINDEX k {size}", f"LINDEX k -{size}", f"LSET k {size // 2} new", "LINSERT k AFTER new x", "LPOS k x",
        "LPOS k x RANK -1", f"LRANGE k {size // 3} {size}", "LREM k 1 x", "LPOP k 77", "RPOP k 600", "LLEN k",
        "LREM k -3 element", "OBJECT ENCODING k", "LREM k 0 new", "LTRIM k 20 -20", "DEBUG DIGEST-VALUE k",
    ):  # fmt: skip
        both.call(*line.split(" "))
    both.call("LREM", "k", -2, "element 5")
    both.call("LREM", "k", 2, "element 6")
    both.call("LREM", "k", 0, "element 7")
    both.call("LPOS", "k", "element 8", "COUNT", 0, "RANK", -2)
    both.call("LRANGE", "k", 0, -1)
    both.call("COPY", "k", "j")
    both.call("LTRIM", "j", size // 2, -1)
    both.call("DEBUG", "DIGEST-VALUE", "k", "j")
