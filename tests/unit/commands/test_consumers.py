"""When a consumer of a group is made."""

from __future__ import annotations

import pytest

from twisted_kv.testing import MemoryCache


@pytest.fixture
def group(cache: MemoryCache) -> MemoryCache:
    """A cache with a stream, whose only entry a group was given that has no consumer."""
    cache.call("XADD", "x", "1-1", "f", "v")
    cache.call("XGROUP", "CREATE", "x", "g", "1-1")
    return cache


@pytest.mark.parametrize("words", [("XCLAIM", "x", "g", "bob", 0, "1-1"), ("XAUTOCLAIM", "x", "g", "bob", 0, 0)])
def test_who_claims_what_is_not_pending_is_not_known_by_that(group: MemoryCache, words: tuple[object, ...]) -> None:
    group.call(*words)
    assert group.call("XINFO", "CONSUMERS", "x", "g") == []


def test_who_claims_what_was_removed_is_not_known_by_that(group: MemoryCache) -> None:
    group.call("XADD", "x", "1-2", "f", "v")
    group.call("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "x", ">")
    group.call("XDEL", "x", "1-2")
    group.call("XCLAIM", "x", "g", "bob", 0, "1-2")
    assert [about[b"name"] for about in group.call("XINFO", "CONSUMERS", "x", "g")] == [b"alice"]


def test_a_group_that_has_read_all_but_what_was_removed_is_given_nothing(group: MemoryCache) -> None:
    group.call("XADD", "x", "1-2", "f", "v")
    group.call("XDEL", "x", "1-2")
    assert group.call("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "x", ">") is None
    assert group.call("XINFO", "CONSUMERS", "x", "g") == []
