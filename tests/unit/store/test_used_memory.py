"""INFO's used_memory: it rises with what is put in, and falls when that is lost, however that happens."""

from __future__ import annotations

from random import Random
from typing import Any, Callable

import pytest

from tests.servers.memory import FAR, SIZE, attempt, fill, settle, used
from twisted_kv.testing import MemoryCache

GROWTHS: dict[str, Callable[[MemoryCache, int], object]] = {
    "SET": lambda cache, each: cache.call("SET", f"k{each}", "x" * SIZE),
    "SET in place of a small one": lambda cache, each: (
        cache.call("SET", f"k{each}", ""),
        cache.call("SET", f"k{each}", "x" * SIZE),
    ),
    "SET EX": lambda cache, each: cache.call("SET", f"k{each}", "x" * SIZE, "EX", FAR),
    "SETEX": lambda cache, each: cache.call("SETEX", f"k{each}", FAR, "x" * SIZE),
    "SETNX": lambda cache, each: cache.call("SETNX", f"k{each}", "x" * SIZE),
    "GETSET": lambda cache, each: cache.call("GETSET", f"k{each}", "x" * SIZE),
    "MSET": lambda cache, each: cache.call("MSET", f"k{each}", "x" * 500, f"other{each}", "x" * 500),
    "APPEND": lambda cache, each: [cache.call("APPEND", f"k{each}", "x" * 100) for _ in range(10)],
    "APPEND to one": lambda cache, each: cache.call("APPEND", "k", "x" * SIZE),
    "a long name": lambda cache, each: cache.call("SET", "x" * SIZE + str(each), ""),
    "RENAME to a long name": lambda cache, each: (
        cache.call("SET", "k", ""),
        cache.call("RENAME", "k", "x" * SIZE + str(each)),
    ),
    "HSET": lambda cache, each: cache.call("HSET", f"k{each}", "f", "x" * SIZE),
    "HSET of many fields": lambda cache, each: cache.call(
        "HSET", f"k{each}", *(word for field in range(10) for word in (field, "x" * 100))
    ),
    "HSET to one": lambda cache, each: cache.call("HSET", "k", each, "x" * SIZE),
    "HSET in place of a small one": lambda cache, each: (
        cache.call("HSET", "k", each, ""),
        cache.call("HSET", "k", each, "x" * SIZE),
    ),
    "HSETNX": lambda cache, each: cache.call("HSETNX", "k", each, "x" * SIZE),
    "a long name of a field": lambda cache, each: cache.call("HSET", "k", "x" * SIZE + str(each), ""),
}

LOSSES: dict[str, Callable[[MemoryCache], object]] = {
    "DEL": lambda cache: [cache.call("DEL", key) for key in keys(cache)],
    "UNLINK": lambda cache: cache.call("UNLINK", *keys(cache)),
    "FLUSHDB": lambda cache: cache.call("FLUSHDB"),
    "FLUSHALL": lambda cache: cache.call("FLUSHALL"),
    "FLUSHALL SYNC": lambda cache: cache.call("FLUSHALL", "SYNC"),
    "EXPIRE -1": lambda cache: [cache.call("EXPIRE", key, -1) for key in keys(cache)],
    "expiry": lambda cache: [cache.call("PEXPIRE", key, 1) for key in keys(cache)],
    "RENAME over each other": lambda cache: (
        cache.call("SET", "small", ""),
        [(cache.call("RENAME", "small", key), cache.call("RENAME", key, "small")) for key in keys(cache, "small")],
    ),
}


def keys(cache: MemoryCache, but: str = "") -> list[bytes]:
    """Give the names of all keys but one."""
    found: Any = cache.call("KEYS", "*")
    return [key for key in found if key != but.encode()]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("growth", GROWTHS)
@pytest.mark.every(3)
def test_what_is_used_rises_with_what_is_put_in_and_falls_when_it_is_lost(
    cache: MemoryCache, growth: str, loss: str
) -> None:
    before = used(cache)
    for each in range(200):
        GROWTHS[growth](cache, each)
    full = used(cache)
    assert full - before >= 200 * SIZE
    assert full - before < 200 * SIZE * 5
    LOSSES[loss](cache)
    settle(cache)
    assert abs(used(cache) - before) <= (full - before) * 0.02


SHRINKINGS: dict[str, Callable[[MemoryCache, int], object]] = {
    "SET of a small one": lambda cache, each: cache.call("SET", f"k{each}", "x"),
    "GETDEL": lambda cache, each: cache.call("GETDEL", f"k{each}"),
    "GETSET of a small one": lambda cache, each: cache.call("GETSET", f"k{each}", "x"),
    "MSET of a small one": lambda cache, each: cache.call("MSET", f"k{each}", "x"),
    "SETEX of a small one": lambda cache, each: cache.call("SETEX", f"k{each}", FAR, "x"),
    "a hash in its place": lambda cache, each: (
        cache.call("DEL", f"k{each}"),
        cache.call("HSET", f"k{each}", "f", "v"),
    ),
    "GETEX into the past": lambda cache, each: cache.call("GETEX", f"k{each}", "PXAT", 1),
}


@pytest.mark.parametrize("shrinking", SHRINKINGS)
def test_what_is_used_falls_when_a_value_is_overwritten_by_a_smaller_one(cache: MemoryCache, shrinking: str) -> None:
    before = used(cache)
    fill(cache, number=200, size=5 * SIZE)
    full = used(cache)
    for each in range(200):
        SHRINKINGS[shrinking](cache, each)
    settle(cache)
    assert used(cache) - before < (full - before) * 0.2


def test_what_is_used_falls_with_the_fields_of_a_hash(cache: MemoryCache) -> None:
    before = used(cache)
    for each in range(1000):
        cache.call("HSET", "h", each, "x" * SIZE)
    full = used(cache)
    for each in range(500):
        cache.call("HDEL", "h", each)
    half = used(cache)
    assert (full - before) * 0.4 < half - before < (full - before) * 0.6
    for each in range(500, 750):
        cache.call("HSET", "h", each, "")
    assert (full - before) * 0.15 < used(cache) - before < (full - before) * 0.4
    cache.call("HDEL", "h", *range(500, 1000))
    settle(cache)
    assert abs(used(cache) - before) <= (full - before) * 0.02


def test_times_to_live_are_not_counted_twice(cache: MemoryCache) -> None:
    fill(cache, number=100)
    before = used(cache)
    for _ in range(50):
        for each in range(100):
            cache.call("EXPIRE", f"k{each}", FAR)
            cache.call("PERSIST", f"k{each}")
    settle(cache)
    assert abs(used(cache) - before) < 100 * SIZE * 0.1


@pytest.mark.parametrize("seed", range(5))
def test_what_is_used_does_not_drift(cache: MemoryCache, seed: int) -> None:
    random = Random(seed)
    before = used(cache)
    names = [f"k{each}" for each in range(12)]
    hashes = [f"h{each}" for each in range(6)]

    def value() -> str:
        return "x" * random.choice([0, 1, 10, 100, 1000, 10_000])

    actions: list[Callable[[], tuple[Any, ...]]] = [
        lambda: ("SET", random.choice(names), value()),
        lambda: ("SET", random.choice(names), value(), "PX", random.randint(1, 500)),
        lambda: ("SET", random.choice(names), value(), "KEEPTTL", "GET"),
        lambda: ("SET", random.choice(names), value(), random.choice(["NX", "XX"])),
        lambda: ("MSET", random.choice(names), value(), random.choice(names), value()),
        lambda: ("APPEND", random.choice(names), value()),
        lambda: ("INCR", random.choice([*names, "number"])),
        lambda: ("INCRBYFLOAT", "number", "0.125"),
        lambda: ("GETSET", random.choice(names), value()),
        lambda: ("GETDEL", random.choice(names)),
        lambda: ("DEL", random.choice(names), random.choice(hashes)),
        lambda: ("RENAME", random.choice([*names, *hashes]), random.choice([*names, *hashes])),
        lambda: ("PEXPIRE", random.choice([*names, *hashes]), random.randint(-10, 1000)),
        lambda: ("PERSIST", random.choice([*names, *hashes])),
        lambda: ("HSET", random.choice(hashes), random.randint(0, 800), value(), "f" * random.randint(1, 2000), ""),
        lambda: ("HSET", random.choice(hashes), *(word for each in range(600) for word in (each, "v"))),
        lambda: ("HDEL", random.choice(hashes), *range(random.randint(1, 700))),
        lambda: ("HINCRBY", random.choice(hashes), "number", random.randint(-(10**15), 10**15)),
        lambda: ("HSETNX", random.choice(hashes), random.randint(0, 9), value()),
    ]
    with cache.session() as session:
        for _ in range(1500):
            if not random.randrange(50):
                session.call("SELECT", random.choice([0, 7]))
            if not random.randrange(20):
                cache.clock.advance(random.random() / 10)
            assert attempt(session, *random.choice(actions)()) in ("", "ERR", "WRONGTYPE")
        for index in (0, 7):
            session.call("SELECT", index)
            session.call("DEL", "number", *names, *hashes)
            assert session.call("DBSIZE") == 0
    settle(cache)
    assert abs(used(cache) - before) < 10_000


def test_what_is_used_does_not_change_when_keys_are_read(cache: MemoryCache) -> None:
    fill(cache, number=100)
    before = used(cache)
    for each in range(100):
        cache.call("GET", f"k{each}")
        cache.call("GET", f"nope{each}")
        cache.call("HGETALL", "nope")
    assert abs(used(cache) - before) < SIZE
