"""What real programs do with a Redis server: each case is one library, used as its documents say.

A case is a function of a port; it raises when something is not as it should be.  One that cannot work yet names the
command that it needs, and has to fail for want of that: the day it works, it has to be moved.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple


class Case(NamedTuple):
    """One program: what of it is tried, by which function, and the command that it needs and that is not there."""

    package: str
    tried: str
    run: Callable[[int], None]
    missing: str
    version: str
    """Its version, where it is not one of those in `requirements.txt`."""


CASES: Dict[str, Case] = {}


def program(
    package: str, tried: str, missing: str = "", version: str = ""
) -> Callable[[Callable[[int], None]], Callable[[int], None]]:
    """Declare a case."""

    def declare(run: Callable[[int], None]) -> Callable[[int], None]:
        CASES[run.__name__] = Case(package, tried, run, missing, version)
        return run

    return declare


LATER_REDIS = "6.4.0"
"""A redis-py that other programs here do not go with; it is in a folder of its own, `$LATER`."""


def node(script: str, port: int) -> None:
    """Run a program of Node; its packages are where `$NODE_PATH` says."""
    subprocess.run(["node", Path(__file__).parent / "node" / script, str(port)], check=True)


def same(got: object, expected: object) -> None:
    """Compare, and tell what was got."""
    if got != expected:
        raise AssertionError(f"{got!r} and not {expected!r}")


# Clients


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


# Caches


@program("django", "the cache backend of Django itself")
def django(port: int) -> None:
    from django.core.cache.backends.redis import RedisCache

    cache = RedisCache(f"redis://127.0.0.1:{port}/1", {})
    cache.set("k", {"a": 1}, 60)
    same(cache.get("k"), {"a": 1})
    same(cache.incr("n") if cache.add("n", 1) else None, 2)
    cache.set_many({"x": 1, "y": 2})
    same(cache.get_many(["x", "y", "z"]), {"x": 1, "y": 2})
    cache.clear()
    same(cache.get("k"), None)


@program("django-redis", "the cache backend, delete_pattern and TTL")
def django_redis(port: int) -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    from django_redis.cache import RedisCache

    cache = RedisCache(f"redis://127.0.0.1:{port}/2", {"OPTIONS": {}})
    cache.set("user:1", "a", 60)
    cache.set("user:2", "b", 60)
    same(cache.ttl("user:1") > 50, True)
    same(cache.delete_pattern("user:*"), 2)


@program("Flask-Caching", "the RedisCache of a Flask application")
def flask_caching(port: int) -> None:
    from flask import Flask
    from flask_caching import Cache

    app = Flask("app")
    cache = Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": port})
    with app.app_context():
        cache.set("k", [1, 2])
        same(cache.get("k"), [1, 2])
        same(cache.get_many("k", "l"), [[1, 2], None])
        same(cache.delete("k"), True)


@program("Flask-Session", "sessions of a Flask application")
def flask_session(port: int) -> None:
    import redis
    from flask import Flask, session
    from flask_session import Session

    app = Flask("app")
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis.Redis(port=port))
    Session(app)

    @app.route("/")
    def count() -> str:
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    with app.test_client() as client:
        same([client.get("/").text for _ in range(3)], ["1", "2", "3"])


@program("aiocache", "get, set, add, increment, multi_get, TTL")
def aiocache(port: int) -> None:
    async def run() -> None:
        from aiocache import RedisCache

        async with RedisCache(endpoint="127.0.0.1", port=port) as cache:
            same(await cache.set("k", "v", ttl=60), True)
            same(await cache.get("k"), "v")
            same(await cache.multi_get(["k", "l"]), ["v", None])
            same(await cache.increment("n", 5), 5)

    asyncio.run(run())


@program("dogpile.cache", "a region with values that are made when they are asked for")
def dogpile(port: int) -> None:
    from dogpile.cache import make_region

    region = make_region().configure("dogpile.cache.redis", arguments={"port": port, "redis_expiration_time": 60})
    calls = []

    @region.cache_on_arguments()
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    same([double(4), double(4)], [8, 8])
    same(calls, [4])


@program("requests-cache", "the storage of replies")
def requests_cache(port: int) -> None:
    import redis
    from requests_cache.backends.redis import RedisDict, RedisHashDict

    for kind in (RedisDict, RedisHashDict):
        stored = kind("requests", connection=redis.Redis(port=port), serializer=None)
        stored["a"] = b"a reply"
        same(stored["a"], b"a reply")
        same(list(stored), ["a"])


# Queues and workers


@program("huey", "tasks that a worker takes and whose results are waited for")
def huey(port: int) -> None:
    from huey import RedisHuey

    queue = RedisHuey("jobs", port=port, blocking=False)

    @queue.task()
    def add(first: int, second: int) -> int:
        return first + second

    result = add(1, 2)
    queue.execute(queue.dequeue())
    same(result.get(), 3)


@program("rq", "a job that a simple worker runs, while it subscribes to commands")
def rq(port: int) -> None:
    import redis
    from rq import Queue, SimpleWorker

    connection = redis.Redis(port=port)
    queue = Queue(connection=connection)
    job = queue.enqueue(abs, -7)
    SimpleWorker([queue], connection=connection).work(burst=True)
    same(job.return_value(), 7)


@program("celery", "a task that is sent, and its result that is waited for")
def celery(port: int) -> None:
    from celery import Celery

    url = f"redis://127.0.0.1:{port}/3"
    app = Celery("app", broker=url, backend=url)
    result = app.send_task("add", (1, 2))
    app.backend.store_result(result.id, 3, "SUCCESS")
    same(result.get(timeout=5), 3)


@program("kombu", "a queue of messages")
def kombu(port: int) -> None:
    from kombu import Connection

    with Connection(f"redis://127.0.0.1:{port}/4") as connection:
        queue = connection.SimpleQueue("q")
        queue.put({"a": 1})
        message = queue.get(timeout=3)
        same(message.payload, {"a": 1})
        message.ack()
        queue.close()


@program("kombu", "a fanout exchange")
def kombu_fanout(port: int) -> None:
    from kombu import Connection, Consumer, Exchange, Producer, Queue

    got: List[Any] = []
    exchange = Exchange("news", type="fanout")
    with Connection(f"redis://127.0.0.1:{port}/4") as connection:
        queues = [Queue(f"q{number}", exchange) for number in range(2)]
        channels = [connection.channel() for _ in queues]
        consumers = [
            Consumer(channel, queue, callbacks=[lambda body, message: (got.append(body), message.ack())])
            for channel, queue in zip(channels, queues)
        ]
        for consumer in consumers:
            consumer.consume()
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.3)  # it subscribes
        Producer(connection.channel(), exchange).publish({"a": 1})
        while len(got) < 2:
            connection.drain_events(timeout=5)
    same(got, [{"a": 1}] * 2)


@program("dramatiq", "a task that a worker runs", missing="EVALSHA")
def dramatiq(port: int) -> None:
    import dramatiq as package
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=f"redis://127.0.0.1:{port}/5")
    package.set_broker(broker)
    done = []

    @package.actor
    def work(number: int) -> None:
        done.append(number)

    work.send(7)
    worker = package.Worker(broker, worker_timeout=100)
    worker.start()
    broker.join(work.queue_name, timeout=3000)
    worker.stop()
    same(done, [7])


@program("arq", "a job that a worker runs, and its result")
def arq(port: int) -> None:
    from arq import create_pool
    from arq.connections import RedisSettings
    from arq.worker import Worker, func

    async def add(context: Any, first: int, second: int) -> int:
        return first + second

    async def run() -> None:
        settings = RedisSettings(port=port, database=6)
        pool = await create_pool(settings)
        job = await pool.enqueue_job("add", 1, 2)
        worker = Worker([func(add, name="add")], redis_pool=pool, burst=True, poll_delay=0.05, handle_signals=False)
        await worker.main()
        same(await job.result(timeout=3), 3)
        await worker.close()

    asyncio.run(run())


@program("taskiq-redis", "a task through a list, and its result")
def taskiq_redis(port: int) -> None:
    from taskiq.receiver import Receiver
    from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

    url = f"redis://127.0.0.1:{port}/7"

    async def run() -> None:
        broker = ListQueueBroker(url, queue_name="q").with_result_backend(RedisAsyncResultBackend(url))

        @broker.task
        async def double(number: int) -> int:
            return 2 * number

        broker.is_worker_process = True
        await broker.startup()
        task = await double.kiq(21)
        receiver = Receiver(broker)
        async for message in broker.listen():
            await receiver.callback(message)
            break
        same((await task.wait_result(timeout=3)).return_value, 42)
        await broker.shutdown()

    asyncio.run(run())


@program("scrapy-redis", "the queue and the filter of requests", missing="")
def scrapy_redis(port: int) -> None:
    import redis
    from scrapy import Request, Spider
    from scrapy_redis.dupefilter import RFPDupeFilter
    from scrapy_redis.queue import PriorityQueue

    client = redis.Redis(port=port)
    spider = Spider(name="s")
    queue = PriorityQueue(client, spider, "requests")
    queue.push(Request("http://localhost/a", priority=1))
    queue.push(Request("http://localhost/b", priority=9))
    same([queue.pop().url, len(queue)], ["http://localhost/b", 1])
    seen = RFPDupeFilter(client, "seen")
    same([seen.request_seen(Request("http://localhost/a")) for _ in range(2)], [False, True])


# Locks, limits, messages


@program("redis", "its Lock", missing="EVALSHA")
def redis_lock(port: int) -> None:
    import redis

    client = redis.Redis(port=port)
    with client.lock("lock", timeout=5):
        same(client.exists("lock"), 1)


@program("python-redis-lock", "a lock", missing="EVALSHA")
def python_redis_lock(port: int) -> None:
    import redis
    import redis_lock as package

    with package.Lock(redis.Redis(port=port), "name", expire=5):
        pass


@program("limits", "a moving window", missing="EVALSHA")
def limits(port: int) -> None:
    from limits import parse
    from limits.storage import storage_from_string
    from limits.strategies import MovingWindowRateLimiter

    limiter = MovingWindowRateLimiter(storage_from_string(f"redis://127.0.0.1:{port}/8"))
    rate = parse("2/minute")
    same([limiter.hit(rate, "user") for _ in range(3)], [True, True, False])


@program("redis", "publish and subscribe, in RESP2 and RESP3")
def redis_pubsub(port: int) -> None:
    import redis

    for protocol in (2, 3):
        client = redis.Redis(port=port, socket_timeout=3, protocol=protocol)
        subscriber = client.pubsub()
        subscriber.subscribe("c")
        subscriber.psubscribe("d*")
        client.publish("c", "m")
        client.publish("d1", "n")
        messages = [subscriber.get_message(timeout=1) for _ in range(4)]
        same([each["data"] for each in messages], [1, 2, b"m", b"n"])
        subscriber.unsubscribe()
        subscriber.ping()
        same([subscriber.get_message(timeout=1)["type"] for _ in range(2)], ["unsubscribe", "pong"])
        same(client.pubsub_numsub("c"), [(b"c", 0)])
        subscriber.close()


@program("redis", "asyncio: publish and subscribe")
def redis_pubsub_asyncio(port: int) -> None:
    import redis.asyncio as redis

    async def run() -> None:
        client = redis.Redis(port=port, decode_responses=True)
        async with client.pubsub() as subscriber:
            await subscriber.subscribe("c")
            await client.publish("c", "m")
            got = []
            async for message in subscriber.listen():
                got.append(message["data"])
                if len(got) == 2:
                    break
            same(got, [1, "m"])
        await client.aclose()

    asyncio.run(run())


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


@program("channels_redis", "its layer that publishes and subscribes")
def channels_redis_pubsub(port: int) -> None:
    from channels_redis.pubsub import RedisPubSubChannelLayer

    async def run() -> None:
        layer = RedisPubSubChannelLayer(hosts=[("127.0.0.1", port)])
        first, second = await layer.new_channel(), await layer.new_channel()
        for channel in (first, second):
            await layer.group_add("group", channel)
        await layer.group_send("group", {"type": "hello"})
        same([await asyncio.wait_for(layer.receive(each), 3) for each in (first, second)], [{"type": "hello"}] * 2)
        await layer.send(first, {"type": "alone"})
        same(await asyncio.wait_for(layer.receive(first), 3), {"type": "alone"})
        await layer.flush()

    asyncio.run(run())


@program("channels_redis", "a channel layer", missing="EVAL")
def channels_redis(port: int) -> None:
    from channels_redis.core import RedisChannelLayer

    async def run() -> None:
        layer = RedisChannelLayer(hosts=[("127.0.0.1", port)])
        await layer.send("channel", {"type": "hello"})
        same(await asyncio.wait_for(layer.receive("channel"), 3), {"type": "hello"})
        await layer.close_pools()

    asyncio.run(run())


@program("python-socketio", "messages to the rooms of other processes")
def python_socketio(port: int) -> None:
    import socketio

    url = f"redis://127.0.0.1:{port}/0"
    got: List[Any] = []

    async def run() -> None:
        server = socketio.AsyncServer(client_manager=socketio.AsyncRedisManager(url, channel="c"))
        server.manager.initialize()
        emitted = asyncio.Event()

        async def emit(event: str, data: Any, *_: Any, **how: Any) -> None:
            got.append((event, data, how["room"]))
            emitted.set()

        server.manager._handle_emit = lambda message: emit(message["event"], message["data"], room=message["room"])
        await asyncio.sleep(0.3)  # until it has subscribed
        socketio.RedisManager(url, channel="c", write_only=True).emit("event", {"a": 1}, room="r")
        await asyncio.wait_for(emitted.wait(), 5)

    asyncio.run(run())
    same(got, [("event", [{"a": 1}], "r")])


@program("ioredis", "publish and subscribe, pipelines, transactions, MONITOR", version="5.4.1")
def ioredis(port: int) -> None:
    node("ioredis.js", port)


@program("@socket.io/redis-adapter", "two servers of socket.io with a room in common", version="8.3.0")
def socketio_adapter(port: int) -> None:
    node("socketio.js", port)


if os.environ.get("HOME") is None:  # some programs look for it
    os.environ["HOME"] = tempfile.gettempdir()
