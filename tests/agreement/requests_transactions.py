"""Steps of two clients: what is watched, queued and changed meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .generated import Strategy, some, words

keys = st.sampled_from([b"a", b"b", b"c"])
databases = st.sampled_from([b"0", b"1"])

CHANGES = st.one_of(
    words("SET", keys, st.sampled_from([b"1", b"x"])),
    words("SET", keys, st.just(b"1"), "XX"),
    words("DEL", some(keys, 1)),
    words("EXPIRE", keys, st.sampled_from([b"100000", b"-1"])),
    words("PERSIST", keys),
    words("APPEND", keys, st.sampled_from([b"", b"x"])),
    words("RENAME", keys, keys),
    words("RENAMENX", keys, keys),
    words("MOVE", keys, databases),
    words("COPY", keys, keys),
    words("COPY", keys, keys, "DB", databases),
    words("COPY", keys, keys, "DB", databases, "REPLACE"),
    words("SWAPDB", databases, databases),
    words("FLUSHDB"),
    words("FLUSHALL"),
    words("SELECT", databases),
    words("INCR", keys),
    words("HSET", keys, st.just(b"f"), st.just(b"v")),
    words("HDEL", keys, st.just(b"f")),
    words("RPUSH", keys, st.sampled_from([b"1", b"2"])),
    words("LREM", keys, st.just(b"0"), st.sampled_from([b"1", b"2"])),
    words("LTRIM", keys, st.sampled_from([b"0", b"1"]), st.just(b"-1")),
    words("LSET", keys, st.just(b"0"), st.just(b"1")),
    words("RPOPLPUSH", keys, keys),
    words("SADD", keys, st.sampled_from([b"1", b"2"])),
    words("SREM", keys, st.sampled_from([b"1", b"2"])),
    words("SMOVE", keys, keys, st.just(b"1")),
    words("ZADD", keys, st.just(b"1"), st.just(b"m")),
    words("ZREM", keys, st.just(b"m")),
    words("XADD", keys, st.sampled_from([b"1-1", b"2-2"]), st.just(b"f"), st.just(b"v")),
    words("XDEL", keys, st.just(b"1-1")),
    words("XGROUP", "CREATE", keys, st.just(b"g"), st.just(b"0")),
    words("XGROUP", "DESTROY", keys, st.just(b"g")),
    words("XREADGROUP", "GROUP", st.just(b"g"), st.just(b"c"), "STREAMS", keys, st.just(b">")),
    words("SORT", keys, "STORE", keys),
    words("SUNIONSTORE", keys, keys, keys),
    words("ZUNIONSTORE", keys, st.just(b"1"), keys),
    words("PFADD", keys, st.just(b"1")),
    words("PFMERGE", keys, keys),
    words("GETDEL", keys),
    words("GETEX", keys, "PERSIST"),
)
READS = st.one_of(
    words("GET", keys),
    words("TYPE", keys),
    words("HGETALL", keys),
    words("EXISTS", keys),
    words("OBJECT", "ENCODING", keys),
    words("DEBUG", "DIGEST-VALUE", keys),
    words("BLPOP", keys, st.just(b"0")),
    words("XREAD", "BLOCK", st.just(b"0"), "STREAMS", keys, st.just(b"$")),
)
STEPS = st.one_of(
    words("MULTI"),
    words("MULTI"),
    words("EXEC"),
    words("EXEC"),
    words("EXEC"),
    words("WATCH", some(keys, 1)),
    words("WATCH", some(keys, 1)),
    words("UNWATCH"),
    words("DISCARD"),
    words("RESET"),
    words("EXEC", keys),
    words("MULTI", keys),
    words("GET"),
    words("FLY", keys),
    words("SAVE"),
    words("PING", keys, keys),
    words("CONFIG", "FLY"),
    CHANGES,
    CHANGES,
    CHANGES,
    READS,
)
ONLY_QUEUED = (b"BLPOP", b"XREAD", b"SAVE")
"""What would wait for ever, or take long, outside of a transaction."""


@st.composite
def conversations(draw: Any, most: int = 30) -> Strategy:
    """Give steps, each with the number of the client that takes it: the second one only changes keys."""
    steps = []
    for _ in range(draw(st.integers(3, most))):
        second = draw(st.integers(0, 3)) == 0
        steps.append((int(second), draw(CHANGES if second else STEPS)))
    return steps
