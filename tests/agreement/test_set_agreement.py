"""Sets and sorted sets: sequences of generated requests, and requests picked by hand."""

from __future__ import annotations

from typing import Sequence

import pytest
from hypothesis import given

from .generated import Words, protocols, sequences, thorough
from .replies import parse
from .requests_sets import SETS, around, keys
from .requests_sorted_sets import (
    ADDING,
    ODD_BOUNDS,
    ODD_SCORES,
    OPERATIONS,
    PLAIN_SCORES,
    RANGES,
    SORTED_SETS,
)
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


# Picked by hand

Z = "ZADD z 1 a 2 b 3 c"
LARGE = "ZADD z " + " ".join(f"0 m{number:03}" for number in range(129))
LONG = "x" * 65

EDGES = [
    [Z, "ZINCRBY z NX a", "ZINCRBY z nx ch", "ZINCRBY z CH INCR"],
    ["ZADD z inf i", "ZADD y -inf i", "ZADD z INCR -inf i", "ZINCRBY z -inf i", "ZINCRBY y inf i", "ZADD z INCR nan i"],
    ["ZADD z inf i 1 a", "ZUNION 2 z z WEIGHTS 1 0 WITHSCORES", "ZUNION 2 z z WEIGHTS 1 -1 WITHSCORES"],
    ["ZADD z inf i 1 a", *(f"ZINTER 2 z z WEIGHTS 1 0 WITHSCORES AGGREGATE {way}" for way in ("SUM", "MIN", "MAX"))],
    ["ZADD z inf i 1 a", *(f"ZINTER 2 z z WEIGHTS 0 1 WITHSCORES AGGREGATE {way}" for way in ("SUM", "MIN", "MAX"))],
    ["ZADD z inf i 1 a", *(f"ZUNION 2 z z WEIGHTS 0 1 WITHSCORES AGGREGATE {way}" for way in ("SUM", "MIN", "MAX"))],
    ["ZADD z inf i 1 a", "ZADD y 1 i", "ZINTERSTORE s 2 z y WEIGHTS 0 1", "ZINTERSTORE s 2 y z WEIGHTS 0 0"],
    ["ZADD z 1e16 m 0 x 0 y", "ZADD a 1 m", "ZADD b 1 m 0 x", "ZUNION 3 z a b WITHSCORES", "ZINTER 3 z b a WITHSCORES"],
    ["ZADD z -0 a", "ZSCORE z a", f"ZADD z -0 {LONG} -0 b", "ZRANGE z 0 -1 WITHSCORES", "ZADD z 0 b", "ZSCORE z b"],
    [LARGE, "ZADD z -0 n -0 m000", "ZMSCORE z n m000", "COPY z y", "ZSCORE y n", "ZRANGESTORE s z 0 -1", "ZSCORE s n"],
    [LARGE, "ZADD z -0 n", "ZUNIONSTORE s 2 z z WEIGHTS -1 1", "ZRANGE s 0 -1 WITHSCORES", "ZUNION 1 z WITHSCORES"],
    [LARGE, "ZADD z -0 n", "ZRANGESTORE s z -inf inf BYSCORE LIMIT 100 -1", "ZSCORE s n", "ZSCORE z n"],
    [LARGE, "ZUNIONSTORE s 1 z WEIGHTS -1", "ZRANGE s 0 -1 WITHSCORES", "ZREMRANGEBYRANK s 0 1", "OBJECT ENCODING s"],
    [LARGE, "ZRANGEBYLEX z [m010 [m020 LIMIT 3 4", "ZREVRANGEBYLEX z (m020 [m010 LIMIT 3 4", "ZLEXCOUNT z - (m100"],
    [
        LARGE,
        "ZRANGEBYLEX z [m010 [m020 LIMIT 11 4",
        "ZREVRANGEBYLEX z (m020 [m010 LIMIT 9 -1",
        "ZREMRANGEBYLEX z [m1 +",
    ],
    ["ZADD z 1 b 2 d 3 z 4 a 5 c", *(f"ZRANGEBYLEX z - [d LIMIT {skip} 9" for skip in range(6))],
    ["ZADD z 1 b 2 d 3 z 4 a 5 c", *(f"ZREVRANGEBYLEX z [z [b LIMIT {skip} 9" for skip in range(6))],
    ["ZADD z 1 b 2 d 3 z 4 a 5 c", "ZLEXCOUNT z [b [d", "ZLEXCOUNT z - (b", "ZREMRANGEBYLEX z - [d", "ZCARD z"],
    [Z, "ZRANGE z 0 1 REV REV", "ZRANGE z 0 1 LIMIT 0 -1", "ZRANGE z 0 1 LIMIT 0 1", "ZRANGE z 0 1 LIMIT 0"],
    [Z, "ZRANGE z x y BYLEX WITHSCORES LIMIT 0 1", "ZRANGE z x y WITHSCORES LIMIT 0 1", "ZRANGE s x y BYSCORE"],
    [Z, *(f"ZRANGEBYSCORE z -inf +inf LIMIT {limit}" for limit in ("1 -1", "-1 1", "0 0", "9 9", "-9 -9", "1 1"))],
    [Z, *(f"ZRANGE z {places}" for places in ("0 -4", "-9 -3", "3 9", "2 1", "-1 -1", f"{-(2**63)} {2**63 - 1}"))],
    [
        Z,
        f"ZRANDMEMBER z {2**62} WITHSCORES",
        f"ZRANDMEMBER z {2**62}",
        f"ZRANDMEMBER z {-(2**63)}",
        "ZRANDMEMBER s 1 x",
    ],
    [Z, f"ZRANDMEMBER nope {-(2**63) + 1}", f"SRANDMEMBER nope {-(2**63) + 1}", "ZRANDMEMBER z 3 WITHSCORES"],
    [Z, "ZPOPMIN z x", "ZPOPMIN s 0", "ZPOPMAX z 0", "ZPOPMIN z -1", "ZPOPMAX z 1", "ZPOPMIN nope 1", "ZPOPMIN z 9"],
    [Z, "ZMPOP 1 z MIN COUNT 2 COUNT 1", "ZMPOP 2 z MIN", "ZMPOP 2 nope z MAX COUNT 9", "ZMPOP 1 z MIN", "TYPE z"],
    ["BZPOPMIN nope nope 0.01", "BZPOPMAX nope 0.01", "BZMPOP 0.01 1 nope MIN", "BZPOPMIN s 0.01", "BZPOPMIN nope s 1"],
    [Z, "BZPOPMIN nope z 0", "BZPOPMAX z z 0", "BZMPOP 0 1 z MIN COUNT 5", "BZMPOP inf 1 z MIN", "BZPOPMIN z 1e4932"],
    ["SADD a 3 1 2", "SMEMBERS a", "SINTER a a", "SUNION a", "SDIFF a b", "SRANDMEMBER a 3", "SSCAN a 7", "SPOP a 3"],
    ["SADD a 3 1 x", "SREM a x", "OBJECT ENCODING a", "SUNIONSTORE b a", "OBJECT ENCODING b", "SUNION a", "SDIFF a"],
    ["SADD a 1 2", "SADD b 2 3", "SINTERSTORE a a b", "SUNIONSTORE b b b", "SDIFFSTORE b b a", "SDIFFSTORE b b b"],
    [
        "SADD a 1",
        "SADD b 1",
        "SMOVE a b 1",
        "SMOVE b b 1",
        "SMOVE b s 1",
        "SMOVE nope s 1",
        "SMOVE s b 1",
        "SMOVE b a 2",
    ],
    ["SINTERCARD 0 a", "SINTERCARD 2 a", "SINTERCARD 1 a LIMIT", "SINTERCARD 1 a LIMIT x", "SINTERCARD 1 s LIMIT -1"],
    ["SPOP a x", "SPOP a -1", "SPOP s 0", "SPOP a 1 2", f"SRANDMEMBER a {-(2**63)}", "SRANDMEMBER s 0", "SPOP a 0"],
]


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("lines", EDGES, ids=lambda lines: lines[-1][:60])
def test_edges_agree_with_redis(servers: BothServers, lines: Sequence[str], resp: int) -> None:
    play(servers, [tuple(word.encode() for word in line.split()) for line in lines], resp)


@pytest.mark.parametrize("score", sorted({*PLAIN_SCORES, *ODD_SCORES, *ODD_BOUNDS}))
def test_scores_and_bounds_are_read_and_written_alike(both: BothServers, score: bytes) -> None:
    both.call("ZADD", "z", 1, "a", -1, "b", 16, "c", "inf", "d", "-inf", "e")
    both.call("ZADD", "z", score, "m")
    both.call("ZSCORE", "z", "m")
    both.call("ZINCRBY", "z", score, "a")
    both.call("ZUNION", 1, "z", "WEIGHTS", score, "WITHSCORES")
    both.call("ZSCAN", "z", 0)
    both.call("DUMP", "z")
    both.call("ZCOUNT", "z", score, "+inf")
    both.call("ZCOUNT", "z", b"(" + score, "+inf")
    both.call("HELLO", 3)
    both.call("ZRANGE", "z", 0, -1, "WITHSCORES")
    both.call("ZADD", "z", "INCR", score, "n")
    both.call("ZADD", "z", score, LONG)
    both.call("ZSCAN", "z", 0, "COUNT", 100)


@pytest.mark.parametrize("size", [127, 128, 129, 511, 512, 513])
def test_sets_are_kept_alike_around_the_sizes_at_which_that_changes(both: BothServers, size: int) -> None:
    both.call("SADD", "s", *range(size))
    both.call("ZADD", "z", *[word for number in range(size) for word in (number, number)])
    both.call("ZUNIONSTORE", "y", 2, "z", "s")
    both.call("SUNIONSTORE", "t", "s")
    both.call("ZRANGESTORE", "x", "z", 0, -1)
    for more in ("SADD s new", "ZADD z 1 new", "SREM s new", "ZREM z new", "ZREMRANGEBYRANK z 1 -1", "SPOP t 1"):
        for key in "stxyz":
            both.call("OBJECT", "ENCODING", key)
        both.call(*more.split())
    compare_data(both)


@pytest.mark.parametrize("size", [64, 65])
@pytest.mark.parametrize(
    "made",
    ["ZADD made 1 {}", "ZUNIONSTORE made 1 z", "ZRANGESTORE made z 0 -1", "ZDIFFSTORE made 2 z y", "COPY z made"],
)
def test_long_members_are_kept_alike(both: BothServers, made: str, size: int) -> None:
    member = "x" * size
    both.call("ZADD", "z", 1, "a", 2, member)
    both.call("ZADD", "y", 1, "a")
    both.call(*made.format(member).split())
    compare_data(both)
    both.call("ZREM", "made", member)
    both.call("OBJECT", "ENCODING", "made")
