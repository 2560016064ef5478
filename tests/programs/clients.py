"""Clients, and the collections that are made of them."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from tests.programs.declaring import Programs, same

program = Programs()

LATER_REDIS = "6.4.0"
"""A redis-py that other programs here do not go with; it is in a folder of its own, `$LATER`."""


@program("redis", "all types of data, pipelines, WATCH, SCAN, RESP2 and RESP3")
def redis_py(port: int) -> None:
    import redis

    for protocol in (2, 3):
        client = redis.Redis(port=port, protocol=protocol, decode_responses=True)
        client.flushall()
        with client.pipeline() as pipe:
            pipe.watch("n")
            pipe.multi()
            pipe.incr("n").set("k", "v", ex=100).rpush("l", 1, 2).hset("h", mapping={"f": "v"}).zadd("z", {"m": 1.5})
            same(pipe.execute(), [1, True, 2, 1, 1])
        same(sorted(client.scan_iter()), ["h", "k", "l", "n", "z"])
        same(client.xadd("x", {"f": "v"}, id="1-1"), "1-1")
        same(client.zrange("z", 0, -1, withscores=True)[0][1], 1.5)
        client.close()


@program("redis", "asyncio, with a pool, blocking commands and a pipeline")
def redis_py_asyncio(port: int) -> None:
    import redis.asyncio as redis

    async def run() -> None:
        client = redis.Redis(port=port, decode_responses=True)
        waiting = asyncio.create_task(client.blpop("queue", timeout=5))
        await asyncio.sleep(0.05)
        await client.rpush("queue", "job")
        same(await waiting, ["queue", "job"] if isinstance(waiting.result(), list) else ("queue", "job"))
        async with client.pipeline(transaction=True) as pipe:
            same(await pipe.set("a", 1).incrby("a", 4).execute(), [True, 5])
        await client.aclose()

    asyncio.run(run())


@program("hiredis", "as the parser of redis-py")
def hiredis(port: int) -> None:
    import redis
    from redis.connection import HIREDIS_AVAILABLE

    same(HIREDIS_AVAILABLE, True)
    client = redis.Redis(port=port)
    client.set("k", b"\x00" * 100_000)
    same(len(client.get("k")), 100_000)
    client.close()


@program("valkey", "strings and hashes")
def valkey(port: int) -> None:
    import valkey as package

    client = package.Valkey(port=port)
    client.hset("h", mapping={"a": 1, "b": 2})
    same(client.hgetall("h"), {b"a": b"1", b"b": b"2"})
    client.close()


@program("coredis", "asyncio, typed replies")
def coredis(port: int) -> None:
    import coredis as package

    async def run() -> None:
        client = package.Redis(port=port, decode_responses=True)
        async with client:
            await client.set("k", "v")
            same(await client.get("k"), "v")
            same(await client.lpush("l", ["a", "b"]), 2)

    asyncio.run(run())


@program("walrus", "containers as Python objects")
def walrus(port: int) -> None:
    import walrus as package

    database = package.Database(port=port)
    hashed = database.Hash("h")
    hashed.update(a="1", b="2")
    same(hashed["a"], b"1")
    listed = database.List("l")
    listed.extend(["x", "y"])
    same(len(listed), 2)


@program("redis-collections", "a dict, a list and a set in the cache")
def redis_collections(port: int) -> None:
    import redis
    from redis_collections import Dict as Stored
    from redis_collections import List as StoredList

    client = redis.Redis(port=port)
    stored = Stored(redis=client, key="d")
    stored["a"] = [1, 2]
    same(dict(stored), {"a": [1, 2]})
    listed = StoredList([1, 2, 3], redis=client, key="l")
    same(listed.pop(), 3)


@program("pottery", "a dict, a set, a counter and a HyperLogLog in the cache")
def pottery(port: int) -> None:
    from pottery import HyperLogLog, RedisCounter, RedisDict, RedisSet
    from redis import Redis

    client = Redis(port=port, socket_timeout=5)
    same(RedisDict({"a": 1}, redis=client, key="d")["a"], 1)
    same(len(RedisSet([1, 2, 2], redis=client, key="s")), 2)
    same(RedisCounter("aab", redis=client, key="c")["a"], 2)
    seen = HyperLogLog(redis=client, key="p")
    seen.update(str(number) for number in range(100))
    same(95 < len(seen) < 105, True)


@program("redis", "its client-side cache, which the server invalidates", version=LATER_REDIS)
def redis_client_side_cache(port: int) -> None:
    sys.path.insert(0, os.environ["LATER"])
    import redis
    from redis._parsers import _RESP3Parser
    from redis.cache import CacheConfig

    same(redis.__version__, LATER_REDIS)
    # It asks for Redis 7.4, though it uses what has been there since 6.0.
    redis.connection.CacheProxyConnection.MIN_ALLOWED_VERSION = "7.0.0"
    pool = redis.ConnectionPool(port=port, protocol=3, parser_class=_RESP3Parser, cache_config=CacheConfig())
    caching = redis.Redis(connection_pool=pool)
    other = redis.Redis(port=port)
    other.set("k", "1")
    same([caching.get("k"), caching.get("k"), caching.get_cache().size], [b"1", b"1", 1])
    other.set("k", "2")
    end = time.monotonic() + 5
    while caching.get("k") == b"1" and time.monotonic() < end:
        time.sleep(0.01)  # the message is on its way
    same([caching.get("k"), caching.get_cache().size], [b"2", 1])


@program("redis", "MONITOR")
def redis_monitor(port: int) -> None:
    import redis

    client = redis.Redis(port=port, socket_timeout=3)
    with client.monitor() as monitor:
        client.set("k", "a b")
        shown = (each["command"] for each in monitor.listen())
        same(next(each for each in shown if "CLIENT" not in each), "SET k a b")
