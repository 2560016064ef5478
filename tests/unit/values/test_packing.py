"""How small a collection has to be to stay packed is said by settings, and each has its effect at once."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.settings.config import ALIASES
from twisted_kv.testing import MemoryCache

PACKED = [
    ("hash-max-listpack-entries", 2, "HSET k a 1 b 2", "HSET k c 3"),
    ("hash-max-listpack-value", 3, "HSET k abc abc", "HSET k b abcd"),
    ("hash-max-ziplist-value", 3, "HSET k abc abc", "HSET k abcd b"),
    ("set-max-intset-entries", 2, "SADD k 1 2", "SADD k 3"),
    ("zset-max-listpack-entries", 2, "ZADD k 1 a 2 b", "ZADD k 3 c"),
    ("zset-max-listpack-value", 3, "ZADD k 1 abc", "ZADD k 1 abcd"),
    ("zset-max-ziplist-entries", 2, "ZADD k 1 a 2 b", "ZADD k 3 c"),
]


@pytest.mark.parametrize(("name", "value", "within", "beyond"), PACKED)
def test_what_is_within_the_limit_is_packed(
    cache: MemoryCache, name: str, value: int, within: str, beyond: str
) -> None:
    cache.call("CONFIG", "SET", name, value)
    cache.call(*within.split())
    packed = cache.call("OBJECT", "ENCODING", "k")
    assert packed in (b"listpack", b"intset")
    cache.call(*beyond.split())
    assert cache.call("OBJECT", "ENCODING", "k") in (b"hashtable", b"skiplist")
    cache.call("CONFIG", "SET", name, 100)
    cache.call("COPY", "k", "copy")
    assert cache.call("OBJECT", "ENCODING", "copy") in (b"hashtable", b"skiplist")  # and stays so
    cache.call("RESTORE", "new", 0, cache.call("DUMP", "k"))
    cache.call(*beyond.replace(" k ", " other ").split())
    assert cache.call("OBJECT", "ENCODING", "other") == packed


@pytest.mark.parametrize(("request_", "value"), [("HSET k a 1 b 2", 1), ("ZADD k 1 a 2 b", 1), ("SADD k 1 2", 1)])
def test_a_value_that_comes_packed_and_is_too_large_is_unpacked(cache: MemoryCache, request_: str, value: int) -> None:
    cache.call(*request_.split())
    payload = cache.call("DUMP", "k")
    for name in ("hash-max-listpack-entries", "zset-max-listpack-entries", "set-max-intset-entries"):
        cache.call("CONFIG", "SET", name, value)
    cache.call("RESTORE", "k", 0, payload, "REPLACE")
    assert cache.call("OBJECT", "ENCODING", "k") in (b"hashtable", b"skiplist")


@pytest.mark.parametrize(
    ("size", "elements", "is_one"),
    [
        (-2, [b"x" * 4000] * 2, True),
        (-1, [b"x" * 4000] * 2, False),
        (-3, [b"x" * 8000] * 2, True),
        (-9, [b"x" * 30_000] * 2, True),
        (2, [b"x"] * 2, True),
        (2, [b"x"] * 3, False),
        (0, [b"x"], True),
        (100, [b"x" * 5000] * 2, False),
    ],
)
def test_a_list_is_one_node_of_a_file_within_the_limit(
    cache: MemoryCache, size: int, elements: list[bytes], is_one: bool
) -> None:
    cache.call("CONFIG", "SET", "list-max-listpack-size", size)
    cache.call("RPUSH", "k", *elements)
    payload = cache.call("DUMP", "k")
    assert (payload[:3] == b"\x12\x01\x02") is is_one
    cache.call("RESTORE", "copy", 0, payload)
    assert cache.call("LRANGE", "copy", 0, -1) == elements


@pytest.mark.parametrize(("entries", "size", "nodes"), [(3, 4096, 4), (0, 4096, 1), (100, 60, 3), (0, 0, 1)])
def test_a_stream_has_nodes_of_the_size_that_is_set(cache: MemoryCache, entries: int, size: int, nodes: int) -> None:
    cache.call("CONFIG", "SET", "stream-node-max-entries", entries, "stream-node-max-bytes", size)
    for number in range(1, 11):
        cache.call("XADD", "x", number, "f", "v")
    assert cache.call("XINFO", "STREAM", "x")[b"radix-tree-keys"] == nodes
    cache.call("XTRIM", "x", "MAXLEN", "~", 1)
    assert (cache.call("XLEN", "x") < 10) is (nodes > 1)  # whole nodes go only


def test_a_hyperloglog_is_sparse_within_the_limit(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "hll-sparse-max-bytes", 30)
    cache.call("PFADD", "k", "a")
    assert cache.call("PFDEBUG", "ENCODING", "k") == b"sparse"
    cache.call("PFADD", "k", *range(10))
    assert cache.call("PFDEBUG", "ENCODING", "k") == b"dense"


def test_the_limits_of_one_cache_are_not_those_of_another(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "set-max-intset-entries", 0)
    with MemoryCache({"set-max-intset-entries": 1}) as other:
        other.call("SADD", "k", 1)
        assert other.call("OBJECT", "ENCODING", "k") == b"intset"
    cache.call("SADD", "k", 1)
    assert cache.call("OBJECT", "ENCODING", "k") == b"hashtable"


def test_an_earlier_name_is_the_same_setting(cache: MemoryCache) -> None:
    names: list[Any] = [word for name in ALIASES for word in (name, 7)]
    assert cache.call("CONFIG", "SET", *names, "hash-max-listpack-entries", 8) == b"OK"
    for name, each in ALIASES.items():
        value = b"8" if each.alias_of == "hash-max-listpack-entries" else b"7"
        assert cache.call("CONFIG", "GET", name) == {name.encode(): value}
        assert cache.call("CONFIG", "GET", each.alias_of) == {each.alias_of.encode(): value}
