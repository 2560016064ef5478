"""The memory limit: what is refused, and which keys go under each policy.

All is seen through commands.  The limits are set above what an empty cache says it uses, so they do not depend on how
much that is; the bounds on which keys survive leave room for an approximation as good as that of Redis with five
samples.
"""

from __future__ import annotations

from random import Random
from typing import Any, Callable

import pytest

from tests.servers.memory import (
    ALLKEYS,
    COUNT,
    EVICTING,
    FAR,
    LFU,
    LRU,
    SIZE,
    VOLATILE,
    attempt,
    choose,
    count,
    fill,
    leave,
    left,
    settle,
    told,
    ttl_for,
    used,
)
from twisted_kv.declaring.commands import Lasting
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.service import CacheService
from twisted_kv.settings.config import Settings
from twisted_kv.store.usage import MOST_COUNT, UseCount
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import OK

OOM = "OOM command not allowed when used memory > 'maxmemory'."


def refusal(cache: Any, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


# Over the limit, where nothing may go


def fill_up(cache: MemoryCache, *options: Any) -> int:
    """Set keys until one is refused; gives how many were set."""
    for each in range(20 * COUNT):
        if code := attempt(cache, "SET", f"k{each}", "x" * SIZE, *options):
            assert code == "OOM"
            return each
    raise AssertionError("nothing was refused")


def test_without_eviction_writes_are_refused_at_the_limit_and_all_keys_stay(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "maxmemory", used(cache) + 1_000_000)
    number = fill_up(cache, "EX", FAR)
    assert 200 < number <= 1000
    for words in (("SET", "k0", ""), ("HSET", "h", "f", "v"), ("INCR", "n"), ("APPEND", "k0", ""), ("MSET", "a", "b")):
        assert refusal(cache, *words) == OOM
        assert refusal(cache.connect(), *words) == OOM
    assert len(left(cache, number=number)) == cache.call("DBSIZE") == number
    assert cache.call("STRLEN", "k0") == SIZE
    assert count(cache, "evicted_keys") == 0
    told_of = told(cache, "everything")
    assert told_of["errorstat_OOM"] == "count=11"
    assert told_of["cmdstat_set"] == f"calls={number},rejected_calls=3,failed_calls=0"


def test_an_error_in_the_same_process_says_what_it_is(cache: MemoryCache) -> None:
    cache.call("SET", "s", "v")
    cache.call("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(CommandError) as caught:
        cache.call("SET", "k", "v")
    assert caught.value.code == "OOM"
    assert caught.value.message == "command not allowed when used memory > 'maxmemory'."
    with cache.session() as session:
        assert refusal(session, "SET", "k", "v") == OOM


def test_datagrams_are_refused_too(cache: MemoryCache) -> None:
    cache.call("SET", "s", "v")
    cache.call("CONFIG", "SET", "maxmemory", 1)
    assert cache.datagrams("command").send(b"SET k v") == b"(error) OOM " + OOM[4:].encode() + b"\n"
    assert cache.datagrams("resp").send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n") == b"-" + OOM.encode() + b"\r\n"
    equals = cache.datagrams("equals")
    assert equals.send(b"k=v") is None
    assert count(cache, "refused_datagram_sets") == 1
    assert equals.send(b"s") == b"s=v"
    assert cache.call("EXISTS", "k") == 0


@pytest.mark.parametrize(
    "make_room",
    [
        lambda cache: cache.call("DEL", *(f"k{each}" for each in range(100))),
        lambda cache: cache.call("UNLINK", *(f"k{each}" for each in range(100))),
        lambda cache: [cache.call("GETDEL", f"k{each}") for each in range(100)],
        lambda cache: [cache.call("EXPIRE", f"k{each}", -1) for each in range(100)],
        lambda cache: [cache.call("PEXPIRE", f"k{each}", 5) for each in range(100)],
        lambda cache: cache.call("HDEL", "h", *range(100)),
        lambda cache: [cache.call("RENAME", f"k{each}", "k0") for each in range(100)],
        lambda cache: cache.call("FLUSHDB"),
        lambda cache: cache.call("FLUSHALL"),
        lambda cache: cache.call("CONFIG", "SET", "maxmemory", 0),
        lambda cache: cache.call("CONFIG", "SET", "maxmemory", used(cache) + 100_000),
        lambda cache: cache.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),  # which spares what is new
    ],
    ids=("DEL UNLINK GETDEL EXPIRE-1 expiry HDEL RENAME FLUSHDB FLUSHALL no-limit higher-limit another-policy".split()),
)
def test_writes_are_served_again_once_there_is_room(
    cache: MemoryCache, make_room: Callable[[MemoryCache], object]
) -> None:
    cache.call("HSET", "h", *(word for each in range(100) for word in (each, "x" * SIZE)))
    cache.call("CONFIG", "SET", "maxmemory", used(cache) + 300_000)
    assert fill_up(cache) >= 100
    make_room(cache)
    settle(cache)
    assert cache.call("SET", "new", "x" * SIZE) == b"OK"
    assert cache.call("STRLEN", "new") == SIZE


@pytest.mark.parametrize("policy", VOLATILE)
def test_without_a_key_that_goes_nothing_may_be_removed(cache: MemoryCache, policy: str) -> None:
    before = choose(cache, policy)
    cache.call("CONFIG", "SET", "maxmemory", before + 1_000_000)
    number = fill_up(cache)
    assert len(left(cache, number=number)) == cache.call("DBSIZE") == number
    assert count(cache, "evicted_keys") == 0
    cache.call("EXPIRE", "k0", FAR)
    settle(cache)
    assert left(cache, number=number) == set(range(1, number))
    assert count(cache, "evicted_keys") == 1


def test_a_lower_limit_is_set_even_if_more_is_used(cache: MemoryCache) -> None:
    fill(cache, number=100)
    assert cache.call("CONFIG", "SET", "maxmemory", 1) == b"OK"
    assert cache.call("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"1"}
    settle(cache)
    assert len(left(cache, number=100)) == 100


# What goes


@pytest.mark.parametrize("policy", EVICTING)
def test_writes_go_on_at_the_limit_and_the_limit_holds(cache: MemoryCache, policy: str) -> None:
    limit = choose(cache, policy) + 1_000_000
    cache.call("CONFIG", "SET", "maxmemory", limit)
    options = ("EX", FAR) if policy in VOLATILE else ()
    for each in range(3000):
        assert cache.call("SET", f"k{each}", "x" * SIZE, *options) == b"OK"
        if not each % 100:
            assert used(cache) <= limit + 5 * SIZE
    settle(cache)
    assert limit - 200_000 < used(cache) <= limit
    size: Any = cache.call("DBSIZE")
    assert size == len(left(cache, number=3000)) > 200
    assert count(cache, "evicted_keys") == 3000 - size
    assert count(cache, "expired_keys") == 0


@pytest.mark.parametrize("policy", EVICTING)
def test_a_lower_limit_removes_keys_and_no_more_than_it_must(cache: MemoryCache, policy: str) -> None:
    before = choose(cache, policy)
    fill(cache, ttl=ttl_for(policy))
    limit = leave(cache, before, 0.6)
    assert used(cache) <= limit
    assert 0.4 * COUNT < len(left(cache)) <= 0.65 * COUNT
    assert count(cache, "evicted_keys") == COUNT - len(left(cache))


@pytest.mark.parametrize("policy", EVICTING)
def test_the_removal_of_a_key_is_no_miss_and_no_expiry(cache: MemoryCache, policy: str) -> None:
    before = choose(cache, policy)
    fill(cache, ttl=ttl_for(policy))
    cache.call("CONFIG", "RESETSTAT")
    leave(cache, before, 0.5)
    assert count(cache, "evicted_keys") > 0.3 * COUNT
    for name in ("keyspace_hits", "keyspace_misses", "expired_keys", "total_error_replies"):
        assert count(cache, name) == 0
    cache.call("CONFIG", "RESETSTAT")
    assert count(cache, "evicted_keys") == 0


@pytest.mark.parametrize("policy", VOLATILE)
def test_keys_without_a_time_to_live_stay(cache: MemoryCache, policy: str) -> None:
    before = choose(cache, policy)
    fill(cache, "stays", COUNT // 2)
    fill(cache, "goes", COUNT // 2, ttl=FAR)
    limit = leave(cache, before, 0.7)
    assert len(left(cache, "stays", COUNT // 2)) == COUNT // 2
    remaining = len(left(cache, "goes", COUNT // 2))
    assert COUNT * 0.1 < remaining < COUNT * 0.25
    assert used(cache) <= limit
    assert count(cache, "evicted_keys") == COUNT // 2 - remaining
    assert told(cache, "keyspace")["db0"].startswith(f"keys={COUNT // 2 + remaining},expires={remaining},")


@pytest.mark.parametrize("policy", LRU)
def test_keys_that_were_not_used_for_long_go_first(cache: MemoryCache, clock: Clock, policy: str) -> None:
    before = choose(cache, policy)
    fill(cache, ttl=ttl_for(policy))
    clock.advance(10)
    for each in range(0, COUNT, 2):
        cache.call("GET", f"k{each}")
    clock.advance(10)
    leave(cache, before, 0.7)
    there = left(cache)
    recent = sum(each % 2 == 0 for each in there)
    assert recent > 0.85 * COUNT / 2
    assert len(there) - recent < 0.55 * COUNT / 2


@pytest.mark.parametrize("policy", LFU)
def test_keys_that_are_seldom_used_go_first(cache: MemoryCache, clock: Clock, policy: str) -> None:
    cache.call("CONFIG", "SET", "lfu-log-factor", 1)
    before = choose(cache, policy)
    fill(cache, ttl=ttl_for(policy))
    for _ in range(20):
        for each in range(0, COUNT, 2):
            cache.call("GET", f"k{each}")
    clock.advance(5)
    for each in range(1, COUNT, 2):
        cache.call("GET", f"k{each}")  # the most recent use, but only one
    leave(cache, before, 0.7)
    there = left(cache)
    frequent = sum(each % 2 == 0 for each in there)
    assert frequent > 0.85 * COUNT / 2
    assert len(there) - frequent < 0.55 * COUNT / 2


@pytest.mark.parametrize("policy", LFU)
def test_what_was_often_used_long_ago_is_forgotten(cache: MemoryCache, clock: Clock, policy: str) -> None:
    cache.call("CONFIG", "SET", "lfu-log-factor", 1, "lfu-decay-time", 1)
    before = choose(cache, policy)
    fill(cache, ttl=ttl_for(policy))
    for _ in range(20):
        for each in range(0, COUNT, 2):
            cache.call("GET", f"k{each}")
    clock.advance(3600)
    for _ in range(5):
        for each in range(1, COUNT, 2):
            cache.call("GET", f"k{each}")
    leave(cache, before, 0.7)
    there = left(cache)
    new = sum(each % 2 for each in there)
    assert new > 0.85 * COUNT / 2


@pytest.mark.parametrize("policy", LFU)
def test_without_decay_what_was_often_used_long_ago_stays(cache: MemoryCache, clock: Clock, policy: str) -> None:
    cache.call("CONFIG", "SET", "lfu-log-factor", 1, "lfu-decay-time", 0)
    before = choose(cache, policy)
    fill(cache, ttl=ttl_for(policy))
    for _ in range(20):
        for each in range(0, COUNT, 2):
            cache.call("GET", f"k{each}")
    clock.advance(3600)
    for each in range(1, COUNT, 2):
        cache.call("GET", f"k{each}")
    leave(cache, before, 0.7)
    assert sum(each % 2 == 0 for each in left(cache)) > 0.85 * COUNT / 2


def test_keys_whose_time_is_nearest_go_first(cache: MemoryCache) -> None:
    before = choose(cache, "volatile-ttl")
    order = list(range(COUNT))
    Random(1).shuffle(order)
    for each in range(COUNT):
        cache.call("SET", f"k{each}", "x" * SIZE, "EX", 100_000 + 10 * order[each])
    for each in range(COUNT):  # it does not matter who was used
        if order[each] < COUNT // 2:
            cache.call("GET", f"k{each}")
    leave(cache, before, 0.5)
    ranks = [order[each] for each in left(cache)]
    assert sum(rank >= COUNT * 2 // 3 for rank in ranks) > 0.95 * COUNT / 3
    assert sum(rank < COUNT // 3 for rank in ranks) < 0.15 * COUNT / 3


@pytest.mark.parametrize("policy", ["allkeys-random", "volatile-random"])
def test_random_policies_ask_neither_for_age_nor_for_use(cache: MemoryCache, clock: Clock, policy: str) -> None:
    before = choose(cache, policy)
    fill(cache, ttl=ttl_for(policy))
    clock.advance(10)
    for _ in range(3):
        for each in range(COUNT // 2):
            cache.call("GET", f"k{each}")
    leave(cache, before, 0.5)
    there = left(cache)
    used_ones = sum(each < COUNT // 2 for each in there)
    for part in (used_ones, len(there) - used_ones):
        assert 0.25 * COUNT / 2 < part < 0.75 * COUNT / 2


def test_allkeys_policies_do_not_ask_for_a_time_to_live(cache: MemoryCache, clock: Clock) -> None:
    before = choose(cache, "allkeys-lru")
    fill(cache, "old", COUNT // 2)
    clock.advance(10)
    fill(cache, "new", COUNT // 2, ttl=100)
    clock.advance(10)
    leave(cache, before, 0.7)
    assert len(left(cache, "new", COUNT // 2)) > 0.85 * COUNT / 2
    assert len(left(cache, "old", COUNT // 2)) < 0.55 * COUNT / 2


@pytest.mark.parametrize("policy", EVICTING)
def test_hashes_go_like_strings(cache: MemoryCache, policy: str) -> None:
    limit = choose(cache, policy) + 1_000_000
    cache.call("CONFIG", "SET", "maxmemory", limit)
    for each in range(300):
        cache.call("HSET", f"h{each}", "f0", "x")
        if policy in VOLATILE:
            cache.call("EXPIRE", f"h{each}", FAR)
        cache.call("HSET", f"h{each}", *(word for field in range(100) for word in (f"f{field}", "x" * 100)))
    settle(cache)
    assert limit - 300_000 < used(cache) <= limit
    there = left(cache, "h", 300)
    assert 20 < len(there) <= 100
    # In a volatile policy, a hash may go between its two HSETs, and come back without a time to live.
    assert count(cache, "evicted_keys") >= 300 - len(there)
    for each in there:
        assert cache.call("HLEN", f"h{each}") == 100


def test_a_hash_that_grows_pushes_others_out(cache: MemoryCache, clock: Clock) -> None:
    limit = choose(cache, "allkeys-lru") + 1_000_000
    fill(cache, number=500)
    clock.advance(1)
    cache.call("CONFIG", "SET", "maxmemory", limit)
    for each in range(600):
        cache.call("HSET", "h", each, "x" * SIZE)
        clock.advance(0.1)
    settle(cache)
    assert used(cache) <= limit
    assert cache.call("HLEN", "h") == 600
    assert len(left(cache, number=500)) < 400


def test_a_large_value_that_goes_makes_room_at_once(cache: MemoryCache, clock: Clock) -> None:
    """What is released in steps must not be asked for again from other keys."""
    before = choose(cache, "allkeys-lru")
    cache.call("CONFIG", "SET", "maxmemory-samples", 64)
    for each in range(20):
        cache.call("HSET", f"big{each}", *(word for field in range(1000) for word in (field, "x" * 100)))
    clock.advance(10)
    fill(cache, "small", 20)
    clock.advance(10)
    limit = leave(cache, before, 0.93)
    assert used(cache) <= limit
    assert len(left(cache, "small", 20)) >= 18
    assert 16 <= len(left(cache, "big", 20)) < 20


def test_a_value_larger_than_the_limit_does_not_stay(cache: MemoryCache) -> None:
    limit = choose(cache, "allkeys-lru") + 500_000
    cache.call("CONFIG", "SET", "maxmemory", limit)
    fill(cache, number=100)
    for connection in (cache, cache.connect()):
        assert attempt(connection, "SET", "huge", "x" * 2_000_000) in ("", "OOM")  # Redis counts what was sent, too
        settle(cache)
        assert used(cache) <= limit
        assert cache.call("EXISTS", "huge") == 0
        assert cache.call("SET", "k", "v") == b"OK"


# All databases, changes at run time, and what is left behind


def in_databases(cache: MemoryCache, *indices: int) -> dict[int, int]:
    """Give the number of keys of databases."""
    sizes = {}
    with cache.session() as session:
        for index in indices:
            session.call("SELECT", index)
            size: Any = session.call("DBSIZE")
            sizes[index] = size
    return sizes


def fill_database(cache: MemoryCache, index: int, number: int, ttl: int) -> None:
    with cache.session() as session:
        session.call("SELECT", index)
        options = ("EX", ttl) if ttl else ()
        for each in range(number):
            session.call("SET", f"k{each}", "x" * SIZE, *options)


@pytest.mark.parametrize("policy", EVICTING)
def test_keys_of_all_databases_go(cache: MemoryCache, policy: str) -> None:
    before = choose(cache, policy)
    for index in (0, 5, 15):
        fill_database(cache, index, 400, ttl_for(policy))
    limit = leave(cache, before, 0.4)
    sizes = in_databases(cache, 0, 5, 15)
    assert used(cache) <= limit
    assert 0.25 * 1200 < sum(sizes.values()) < 0.45 * 1200
    assert count(cache, "evicted_keys") == 1200 - sum(sizes.values())
    if policy.endswith("random"):
        assert all(0.2 * 400 < size < 0.6 * 400 for size in sizes.values())


@pytest.mark.parametrize("policy", [*LRU, "volatile-ttl"])
def test_keys_of_all_databases_are_compared_with_each_other(cache: MemoryCache, clock: Clock, policy: str) -> None:
    before = choose(cache, policy)
    fill_database(cache, 3, 500, ttl_for(policy) and 500_000)
    clock.advance(10)
    fill_database(cache, 9, 500, ttl_for(policy))
    clock.advance(10)
    leave(cache, before, 0.7)
    sizes = in_databases(cache, 3, 9)
    assert sizes[9] > 0.85 * 500
    assert sizes[3] < 0.55 * 500


def test_a_write_in_one_database_pushes_out_keys_of_another(cache: MemoryCache, clock: Clock) -> None:
    limit = choose(cache, "allkeys-lru") + 1_000_000
    cache.call("CONFIG", "SET", "maxmemory", limit)
    fill_database(cache, 1, 500, 0)
    clock.advance(10)
    fill_database(cache, 2, 2000, 0)
    settle(cache)
    assert in_databases(cache, 1)[1] < 50
    assert in_databases(cache, 2)[2] > 200
    assert used(cache) <= limit


@pytest.mark.parametrize("policy", ALLKEYS)
def test_a_policy_chosen_at_run_time_holds_at_once(cache: MemoryCache, policy: str) -> None:
    limit = used(cache) + 1_000_000
    cache.call("CONFIG", "SET", "maxmemory", limit)
    number = fill_up(cache)
    cache.call("CONFIG", "SET", "maxmemory-policy", policy)
    assert cache.call("SET", "new", "x" * SIZE) == b"OK"
    assert len(left(cache, number=number)) < number
    cache.call("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    assert "OOM" in [attempt(cache, "SET", f"more{each}", "x" * SIZE) for each in range(100)]
    cache.call("CONFIG", "SET", "maxmemory-policy", policy)
    assert cache.call("SET", "new", "x" * SIZE) == b"OK"
    settle(cache)
    assert used(cache) <= limit


@pytest.mark.parametrize("first", EVICTING)
@pytest.mark.parametrize("second", EVICTING)
@pytest.mark.every(5)
def test_keys_from_before_a_change_of_policy_go_too(cache: MemoryCache, clock: Clock, first: str, second: str) -> None:
    before = choose(cache, first)
    fill(cache, number=400, ttl=FAR)
    for each in range(0, 400, 3):
        cache.call("GET", f"k{each}")
    clock.advance(5)
    cache.call("CONFIG", "SET", "maxmemory-policy", second)
    for each in range(0, 400, 2):
        cache.call("GET", f"k{each}")
    limit = leave(cache, before, 0.5)
    assert used(cache) <= limit
    assert 0.3 * 400 < len(left(cache, number=400)) < 0.55 * 400


def test_use_is_known_of_keys_set_before_there_was_a_limit(cache: MemoryCache, clock: Clock) -> None:
    before = choose(cache, "allkeys-lru")
    fill(cache)
    clock.advance(10)
    for each in range(0, COUNT, 2):
        cache.call("GET", f"k{each}")
    clock.advance(10)
    leave(cache, before, 0.7)
    assert sum(each % 2 == 0 for each in left(cache)) > 0.85 * COUNT / 2


def test_a_time_to_live_goes_with_its_key(cache: MemoryCache, clock: Clock) -> None:
    before = choose(cache, "volatile-ttl")
    fill(cache, number=400, ttl=100)
    leave(cache, before, 0.5)
    there = left(cache, number=400)
    cache.call("CONFIG", "SET", "maxmemory", 0)
    for each in set(range(400)) - there:
        cache.call("SET", f"k{each}", "new", "KEEPTTL")
    assert told(cache, "keyspace")["db0"].startswith(f"keys=400,expires={len(there)},")
    clock.advance(100)
    assert cache.call("DBSIZE") == 400 - len(there)
    assert count(cache, "expired_keys") == len(there)


def test_keys_whose_time_has_come_make_room_without_eviction(cache: MemoryCache, clock: Clock) -> None:
    limit = choose(cache, "allkeys-lru") + 1_000_000
    cache.call("CONFIG", "SET", "maxmemory", limit)
    fill(cache, "short", 300, ttl=1)
    clock.advance(1)
    settle(cache)
    fill(cache, "long", 300)
    assert len(left(cache, "long", 300)) == 300
    assert count(cache, "evicted_keys") == 0
    assert count(cache, "expired_keys") == 300


def test_a_walk_goes_on_while_keys_go(cache: MemoryCache) -> None:
    before = choose(cache, "allkeys-random")
    fill(cache)
    seen: list[Any] = []
    reply: Any = cache.call("SCAN", 0, "COUNT", 50)
    for share in (0.9, 0.8, 0.7, 0.6):
        seen += reply[1]
        cache.call("CONFIG", "SET", "maxmemory", 0)
        leave(cache, before, share)
        reply = cache.call("SCAN", reply[0], "COUNT", 50)
    while reply[0] != b"0":
        seen += reply[1]
        reply = cache.call("SCAN", reply[0], "COUNT", 50)
    seen += reply[1]
    assert {f"k{each}".encode() for each in left(cache)} <= set(seen)


def test_the_limit_may_be_given_from_the_start() -> None:
    cache = MemoryCache(config={"maxmemory": "64mb", "maxmemory-policy": "volatile-ttl", "maxmemory-samples": 10})
    memory = told(cache, "memory")
    assert memory["maxmemory"] == str(64 << 20)
    assert memory["maxmemory_human"] == "64.00M"
    assert memory["maxmemory_policy"] == "volatile-ttl"
    assert cache.call("CONFIG", "GET", "maxmemory-policy", "maxmemory-samples") == {
        b"maxmemory-policy": b"volatile-ttl",
        b"maxmemory-samples": b"10",
    }
    cache.stop()


def test_two_caches_have_limits_of_their_own(cache: MemoryCache) -> None:
    other = MemoryCache()
    before = used(other)
    fill(cache, number=100)
    cache.call("CONFIG", "SET", "maxmemory", 1, "maxmemory-policy", "allkeys-lru")
    assert abs(used(other) - before) < SIZE
    fill(other, number=100)
    settle(cache)
    assert len(left(other, number=100)) == 100
    assert len(left(cache, number=100)) == 0
    other.stop()


def test_a_cache_that_is_not_started_keeps_its_limit_too() -> None:
    service = CacheService(port=None, clock=Clock())
    service.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    text: Any = service.call("INFO", "memory")
    base = int(text.split(b"used_memory:")[1].split(b"\r\n")[0])
    service.call("CONFIG", "SET", "maxmemory", base + 500_000)
    for each in range(2000):
        service.call("SET", f"k{each}", "x" * SIZE)
    size: Any = service.call("DBSIZE")
    assert 100 < size <= 501
    text = service.call("INFO", "memory")
    assert int(text.split(b"used_memory:")[1].split(b"\r\n")[0]) <= base + 500_000 + 2 * SIZE


def test_requests_that_come_together_make_room_together(cache: MemoryCache) -> None:
    """Or those of one segment evict tens of thousands of keys before anybody else is served."""
    fill(cache, number=30_000, size=10)
    cache.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    client = cache.connect()
    cache.call("CONFIG", "SET", "maxmemory", 1000)
    before = count(cache, "evicted_keys")
    client.send(b"PING\r\n" * 200)
    assert count(cache, "evicted_keys") - before < 2_000


def test_a_cache_without_timers_makes_room_at_each_request() -> None:
    dispatcher = Dispatcher(Settings.of({"maxmemory-policy": "allkeys-random"}))
    session = dispatcher.begin(Lasting.SESSION)
    for number in range(500):
        assert dispatcher.request(session, [b"SET", b"%d" % number, b"x" * 1000]) is OK
    dispatcher.request(session, [b"CONFIG", b"SET", b"maxmemory", b"1"])
    for _ in range(10):
        dispatcher.request(session, [b"PING"])
    assert dispatcher.request(session, [b"DBSIZE"]) == 0


def test_room_that_was_made_otherwise_ends_the_eviction(cache: MemoryCache) -> None:
    choose(cache, "allkeys-random")
    fill(cache)
    cache.call("CONFIG", "SET", "maxmemory", 1)
    cache.call("PING")
    cache.call("CONFIG", "SET", "maxmemory", 0)
    there = len(left(cache))
    settle(cache)
    assert len(left(cache)) == there > 0


def test_a_candidate_that_is_gone_is_passed_over(cache: MemoryCache, clock: Clock) -> None:
    choose(cache, "allkeys-lru")
    fill(cache, number=20)
    clock.advance(10)
    cache.call("CONFIG", "SET", "maxmemory", used(cache) - 1)
    cache.call("PING")
    assert len(left(cache, number=20)) == 19
    cache.call("CONFIG", "SET", "maxmemory", 0)
    cache.call("FLUSHALL")
    fill(cache, "other", number=20)
    cache.call("CONFIG", "SET", "maxmemory", used(cache) - 1)
    cache.call("PING")
    assert len(left(cache, "other", 20)) == 19


def test_a_use_count_ends_at_its_most() -> None:
    now = Now(Clock())
    usage = UseCount(now, Settings.of({"lfu-log-factor": 0}), Random(1))
    mark = usage.used(None)
    for _ in range(300):
        mark = usage.used(mark)
    assert usage.count(mark) == MOST_COUNT
    assert usage.idleness(mark) == 0
