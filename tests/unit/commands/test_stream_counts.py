"""What a stream counts: how far groups have read, and the nodes that Redis would have."""

from __future__ import annotations

import pytest

from twisted_kv.testing import MemoryCache


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache()


def test_a_group_finds_its_count_again_when_it_comes_to_the_end(cache: MemoryCache) -> None:
    for number in range(1, 4):
        cache.call("XADD", "s", f"{number}-0", "f", "v")
    cache.call("XGROUP", "CREATE", "s", "g", "1-0")
    assert cache.call("XINFO", "GROUPS", "s")[0][b"entries-read"] is None
    cache.call("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "s", ">")
    assert cache.call("XINFO", "GROUPS", "s")[0][b"entries-read"] is None
    cache.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    assert cache.call("XINFO", "GROUPS", "s")[0][b"entries-read"] == 3
    cache.call("XGROUP", "SETID", "s", "g", "0")
    cache.call("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "s", ">")
    assert cache.call("XINFO", "GROUPS", "s")[0][b"entries-read"] == 1


@pytest.mark.parametrize(("entries", "nodes"), [(0, 1), (1, 2), (100, 2), (101, 6), (201, 8), (301, 11)])
def test_the_nodes_are_those_of_the_tree_that_redis_has(cache: MemoryCache, entries: int, nodes: int) -> None:
    cache.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    for number in range(1, entries + 1):
        cache.call("XADD", "s", f"{number}-0", "f", "v")
    assert cache.call("XINFO", "STREAM", "s")[b"radix-tree-nodes"] == nodes
