"""What tests of the memory limit share: figures of INFO, fills, and a look at what is left."""

from __future__ import annotations

from typing import Any

from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError

SIZE = 1000
"""Bytes of a value."""
COUNT = 1000
"""Keys of a fill; a few of Redis's own tests of this kind have as many."""

LRU = ["allkeys-lru", "volatile-lru"]
LFU = ["allkeys-lfu", "volatile-lfu"]
ALLKEYS = ["allkeys-lru", "allkeys-lfu", "allkeys-random"]
VOLATILE = ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"]
EVICTING = [*ALLKEYS, *VOLATILE]

FAR = 1_000_000
"""Seconds: a time to live that ends after every test."""


def told(cache: MemoryCache, section: str) -> dict[str, str]:
    """Give the fields of a section of INFO."""
    text: Any = cache.call("INFO", section)
    return dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)


def used(cache: MemoryCache) -> int:
    return int(told(cache, "memory")["used_memory"])


def count(cache: MemoryCache, name: str) -> int:
    return int(told(cache, "stats")[name])


def attempt(cache: Any, *words: Any) -> str:
    """Run a request, and give the code of its error, nothing if there was none."""
    try:
        cache.call(*words)
    except CommandError as error:
        return error.code
    return ""


def settle(cache: MemoryCache) -> None:
    """Let a second pass, with requests: what is removed or released in steps is gone then."""
    for _ in range(100):
        cache.clock.advance(0.01)
        cache.call("PING")


def fill(cache: MemoryCache, prefix: str = "k", number: int = COUNT, *, ttl: int = 0, size: int = SIZE) -> None:
    """Set keys, numbered from 0."""
    options = ("EX", ttl) if ttl else ()
    for each in range(number):
        cache.call("SET", f"{prefix}{each}", "x" * size, *options)


def left(cache: MemoryCache, prefix: str = "k", number: int = COUNT) -> set[int]:
    """Give the numbers of the keys that are still there; they are not used thereby."""
    return {each for each in range(number) if cache.call("EXISTS", f"{prefix}{each}")}


def leave(cache: MemoryCache, before: int, share: float) -> int:
    """Set the limit so that a share of what was put in since `before` may stay; gives the limit."""
    limit = before + int((used(cache) - before) * share)
    cache.call("CONFIG", "SET", "maxmemory", limit)
    settle(cache)
    return limit


def choose(cache: MemoryCache, policy: str) -> int:
    """Choose a policy, and give what is used before anything is put in."""
    cache.call("CONFIG", "SET", "maxmemory-policy", policy)
    return used(cache)


def ttl_for(policy: str) -> int:
    """Give the time to live of keys that are to go under a policy."""
    return FAR if policy in VOLATILE else 0
