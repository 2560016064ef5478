"""The settings that say how small a collection has to be to stay packed have the effect that they have in Redis."""

from __future__ import annotations

from itertools import count
from typing import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_kv.settings.config import ALIASES
from twisted_kv.values import packing

from .generated import Words, some, thorough, words
from .replies import parse
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]

NAMES = [name.replace("_", "-") for name in packing.NAMES]
DEFAULTS = {name: getattr(packing.DEFAULTS, name.replace("-", "_")) for name in NAMES}

limits = st.one_of(
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(7, 200),
    st.sampled_from([-1, -5, -9, 1 << 30, 2**31 - 1, 2**63 - 1]),
)
EARLIER = [name for name in ALIASES if "ziplist" in name]
"""The names of these settings in earlier versions."""

changes = st.tuples(
    st.just(b"CONFIG"), st.just(b"SET"), st.sampled_from([*NAMES, *EARLIER]).map(str.encode), limits.map(b"%d".__mod__)
)

small = st.integers(0, 12).map(lambda number: b"%d" % number)
texts = st.one_of(small, small, st.integers(0, 80).map(lambda size: b"x" * size))
hashes, sets_, sorted_sets = (st.sampled_from([name + b"1", name + b"2"]) for name in (b"h", b"s", b"z"))

REQUESTS = st.one_of(
    words("HSET", hashes, some(st.tuples(texts, texts), 1, 5)),
    words("HDEL", hashes, texts),
    words("HINCRBY", hashes, small, small),
    words("SADD", sets_, some(small, 1, 6)),
    words("SADD", sets_, texts),
    words("SREM", sets_, texts),
    words("SUNIONSTORE", sets_, sets_, sets_),
    words("SMOVE", sets_, sets_, small),
    words("ZADD", sorted_sets, some(st.tuples(small, texts), 1, 5)),
    words("ZREM", sorted_sets, texts),
    words("ZUNIONSTORE", sorted_sets, st.just(b"2"), sorted_sets, sorted_sets),
    words("ZRANGESTORE", sorted_sets, sorted_sets, st.just(b"0"), small),
    words("SORT", sorted_sets, st.just(b"ALPHA")),
    words("COPY", st.one_of(hashes, sets_, sorted_sets), st.sampled_from([b"h3", b"s3", b"z3"]), st.just(b"REPLACE")),
    words("XADD", st.just(b"x"), st.just(b"NOMKSTREAM"), st.just(b"*"), st.just(b"f"), texts),
    words("XTRIM", st.just(b"x"), st.just(b"MAXLEN"), st.just(b"~"), small),
    words("PFADD", st.just(b"p"), some(texts, 1, 6)),
    words("DEBUG", st.just(b"RELOAD")),
)


@pytest.fixture(autouse=True)
def _as_before(servers: BothServers) -> Iterator[None]:
    yield
    for name, value in DEFAULTS.items():
        assert servers.ask_real("CONFIG", "SET", name, value) == b"+OK\r\n"


def compare(servers: BothServers) -> None:
    """Compare how each key is kept; what is packed has the same bytes."""
    keys, _ = parse(servers.ask_real("KEYS", "*"))
    for _, key in keys[1]:
        kind = servers.call("TYPE", key)
        if kind == b"+stream\r\n":
            servers.call("XINFO", "STREAM", key)
            continue
        encoding = servers.call("OBJECT", "ENCODING", key)
        if kind != b"+hash\r\n" and (b"listpack" in encoding or b"intset" in encoding):  # it may have had another order
            servers.call("DUMP", key)
        elif key == b"p":
            servers.call("GET", key)
    servers.compare_data()


@thorough
@given(parts=st.lists(st.tuples(changes, st.lists(REQUESTS, min_size=1, max_size=12)), min_size=1, max_size=5))
def test_collections_are_packed_within_the_limits_of_redis(
    servers: BothServers, parts: Sequence[tuple[Words, Sequence[Words]]]
) -> None:
    servers.begin()
    for name, value in DEFAULTS.items():
        servers.call("CONFIG", "SET", name, value)
    ids = count(1)
    for _ in range(39):
        servers.call("XADD", "x", f"{next(ids)}-1", "f", "v")
    for change, requests in parts:
        servers.call(*change)
        for name in (change[2], *EARLIER):
            servers.call("CONFIG", "GET", name)
        for request in requests:
            servers.call(*(f"{next(ids)}-1" if word == b"*" else word for word in request))
        compare(servers)
