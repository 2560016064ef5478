"""Locks, and values that change only if nobody else changed them."""

from __future__ import annotations

import asyncio
import threading
import time

from tests.programs.declaring import Programs, same, until

program = Programs()


@program("redis", "its Lock: acquire, wait for it, extend, reacquire, release, and a lock that is lost")
def redis_lock(port: int) -> None:
    import redis
    from redis.exceptions import LockError, LockNotOwnedError

    client = redis.Redis(port=port)
    with client.lock("lock", timeout=5):
        same(client.exists("lock"), 1)
        same(client.lock("lock").acquire(blocking=False), False)
        began = time.monotonic()
        same(client.lock("lock", sleep=0.01).acquire(blocking_timeout=0.3), False)
        same(0.2 < time.monotonic() - began < 2, True)
    same(client.exists("lock"), 0)

    lock = client.lock("lock", timeout=5, thread_local=False)
    same([lock.acquire(), lock.owned(), lock.locked()], [True, True, True])
    same(lock.extend(10), True)
    same(9_000 < client.pttl("lock") <= 15_000, True)
    same(lock.extend(7, replace_ttl=True), True)
    same(6_000 < client.pttl("lock") <= 7_000, True)
    same(lock.reacquire(), True)
    same(4_000 < client.pttl("lock") <= 5_000, True)
    waiting = threading.Thread(target=client.lock("lock", sleep=0.01).acquire)
    waiting.start()
    lock.release()
    waiting.join(5)
    same(client.exists("lock"), 1)

    client.delete("lock")
    lost = client.lock("lost", timeout=0.05)
    lost.acquire()
    until(lambda: not client.exists("lost"))
    for attempt in (lost.reacquire, lambda: lost.extend(1), lost.release):
        try:
            attempt()
        except LockNotOwnedError:
            continue
        raise AssertionError("a lost lock was still owned")
    try:
        client.lock("never").release()
    except LockError:
        pass
    else:
        raise AssertionError("an unlocked lock was released")


@program("redis", "its Lock with asyncio")
def redis_lock_asyncio(port: int) -> None:
    import redis.asyncio as redis

    async def run() -> None:
        client = redis.Redis(port=port)
        held = []

        async def hold(name: str) -> None:
            async with client.lock("lock", timeout=5, sleep=0.01):
                held.append(name)
                await asyncio.sleep(0.02)
                held.append(name)

        await asyncio.gather(*(hold(name) for name in "abc"))
        same([held[at] == held[at + 1] for at in (0, 2, 4)], [True] * 3)
        await client.aclose()

    asyncio.run(run())


@program("python-redis-lock", "locks that are renewed, extended, waited for, lost and reset")
def python_redis_lock(port: int) -> None:
    import redis
    import redis_lock as package

    client = redis.Redis(port=port)
    with package.Lock(client, "name", expire=5) as lock:
        same([lock.locked(), package.Lock(client, "name").acquire(blocking=False)], [True, False])
        lock.extend(expire=60)
        same(client.ttl("lock:name") > 50, True)
        waited = package.Lock(client, "name", expire=5)
        waiting = threading.Thread(target=waited.acquire)
        waiting.start()
    waiting.join(5)
    same(waited.get_owner_id(), waited.id)
    try:
        lock.release()
    except package.NotAcquired:
        pass
    else:
        raise AssertionError("another's lock was released")
    waited.reset()
    same(waited.locked(), False)
    with package.Lock(client, "renewed", expire=1, auto_renewal=True) as renewed:
        time.sleep(1.5)
        same(renewed.get_owner_id(), renewed.id)
    package.Lock(client, "left").acquire()
    package.reset_all(client)
    same(client.keys("lock:*"), [])


@program("pottery", "Redlock, NextID, and a cache that is a decorator")
def pottery_redlock(port: int) -> None:
    from pottery import NextID, Redlock, ReleaseUnlockedLock, redis_cache, synchronize
    from redis import Redis

    client = Redis(port=port, socket_timeout=5)
    masters = {client}
    lock = Redlock(key="printer", masters=masters, auto_release_time=5)
    with lock:
        same(4 < lock.locked() <= 5, True)
        same(Redlock(key="printer", masters=masters).acquire(blocking=False), False)
        lock.extend()
    same(lock.locked(), 0)
    try:
        lock.release()
    except ReleaseUnlockedLock:
        pass
    else:
        raise AssertionError("an unlocked lock was released")
    numbers = NextID(key="tweets", masters=masters)
    same([next(numbers), next(numbers)], [1, 2])

    @synchronize(key="double", masters=masters, auto_release_time=5, blocking=True)
    @redis_cache(redis=client, key="cache")
    def double(number: int) -> int:
        return 2 * number

    same([double(4), double(4)], [8, 8])


@program("cashews", "a cache, locks, and limits of rates by scripts")
def cashews(port: int) -> None:
    from cashews import Cache
    from cashews.exceptions import RateLimitError

    async def run() -> None:
        cache = Cache()
        cache.setup(f"redis://127.0.0.1:{port}/9", suppress=False)
        calls = []

        @cache(ttl="1m", key="double:{number}", lock=True)
        async def double(number: int) -> int:
            calls.append(number)
            await asyncio.sleep(0.05)
            return 2 * number

        same(await asyncio.gather(double(4), double(4)), [8, 8])
        same(calls, [4])
        same([await cache.incr("n", expire=60), 50 < await cache.get_expire("n") <= 60], [1, True])
        async with cache.lock("lock", "10s"):
            same(await cache.is_locked("lock"), True)
        same(await cache.is_locked("lock"), False)

        @cache.rate_limit(limit=2, period="1m", ttl="1m")
        async def fixed() -> int:
            return 1

        @cache.slice_rate_limit(limit=2, period="1m")
        async def sliding() -> int:
            return 1

        for limited in (fixed, sliding):
            same([await limited(), await limited()], [1, 1])
            try:
                await limited()
            except RateLimitError:
                continue
            raise AssertionError("no limit")
        await cache.delete_match("double:*")
        same(await cache.get("double:4"), None)
        await cache.close()

    asyncio.run(run())


@program("walrus", "its scripts: a limit of a rate, locks, arrays, compare and swap")
def walrus_scripts(port: int) -> None:
    import walrus as package

    database = package.Database(port=port)
    for limit in (database.rate_limit("plain", limit=2, per=60), database.rate_limit_lua("lua", limit=2, per=60)):
        same([limit.limit("user") for _ in range(4)], [False, False, True, True])
    with database.lock("lock", ttl=5000):
        other = database.lock("lock", ttl=1000)
        same([other.acquire(block=False), other.release()], [False, False])
        waiting = threading.Thread(target=other.acquire)
        waiting.start()
    waiting.join(5)
    same(other.release(), True)
    array = database.Array("array")
    array.extend(["a", "b", "c"])
    array.append("d")
    array[0] = "z"
    same([array.pop(), array.pop(1), list(array)], [b"d", b"b", [b"z", b"c"]])
    database["fence"] = "1.first"
    same([database.cas("fence", "1.", "2.second"), database.cas("fence", "1.", "3.third")], [1, 0])
    same(database["fence"], b"2.second")


@program("walrus", "a cache, autocompletion, a graph, full-text search, streams, models")
def walrus_parts(port: int) -> None:
    import walrus as package

    database = package.Database(port=port)
    cache = database.cache()
    calls = []

    @cache.cached(timeout=60)
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    same([double(4), double(4), calls], [8, 8, [4]])
    titles = database.autocomplete()
    for number, title in enumerate(["Unit testing", "Testing in production", "Databases"]):
        titles.store(number, title=title, data={"title": title})
    same([each["title"] for each in titles.search("test")], ["Testing in production", "Unit testing"])
    titles.boost_object(0, multiplier=5.0)
    same(len(list(titles.search("test", limit=1))), 1)
    same(titles.exists(0), True)
    graph = database.graph("people")
    graph.store("charlie", "likes", "huey")
    graph.store("charlie", "likes", "mickey")
    same([each["o"] for each in graph.query("charlie", "likes", None)], ["huey", "mickey"])
    index = database.Index("search")
    index.add("1", "scripts in a cache", author="a")
    index.add("2", "a stream of messages", author="b")
    same([each["author"] for each in index.search("cache")], ["a"])
    stream = database.Stream("events")
    first = stream.add({"n": "1"}, id="1-1")
    same([first, len(stream)], [b"1-1", 1])
    group = database.consumer_group("group", ["events"])
    group.create()
    group.set_id("0")
    same(len(group.read()), 1)

    class User(package.Model):
        __database__ = database
        name = package.TextField(primary_key=True)
        age = package.IntegerField(index=True)

    for name, age in (("a", 30), ("b", 40)):
        User.create(name=name, age=age)
    same([user.name for user in User.query(User.age > 35)], ["b"])


@program("aiocache", "its lock, and a value that is set only if it did not change")
def aiocache_lock(port: int) -> None:
    async def run() -> None:
        from aiocache import RedisCache
        from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock

        async with RedisCache(endpoint="127.0.0.1", port=port) as cache:
            held = []

            async def hold() -> None:
                async with RedLock(cache, "k", lease=2):
                    if not await cache.get("k"):
                        held.append(1)
                        await cache.set("k", "v")

            await asyncio.gather(hold(), hold(), hold())
            same(held, [1])
            async with OptimisticLock(cache, "k") as lock:
                await lock.cas("w")
            same(await cache.get("k"), "w")
            async with OptimisticLock(cache, "k") as lock:
                await cache.set("k", "another")
                try:
                    await lock.cas("x")
                except OptimisticLockError:
                    return
            raise AssertionError("another's value was replaced")

    asyncio.run(run())


@program("django-redis", "cache.lock, and incr, which is a script")
def django_redis_lock(port: int) -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    from django_redis.cache import RedisCache

    cache = RedisCache(f"redis://127.0.0.1:{port}/2", {"OPTIONS": {}})
    with cache.lock("lock", timeout=5):
        same(cache.lock("lock", blocking=False).acquire(), False)
    cache.set("n", 1, 60)
    same([cache.incr("n", 4), cache.decr("n"), cache.ttl("n") > 50], [5, 4, True])
    try:
        cache.incr("none")
    except ValueError:
        pass
    else:
        raise AssertionError("a key that is not there was incremented")
    same([cache.set("once", 1, nx=True), cache.set("once", 2, nx=True)], [True, False])


@program("huey", "its semaphore, which is a script")
def huey_semaphore(port: int) -> None:
    from huey import RedisHuey
    from huey.contrib.helpers import RedisSemaphore

    semaphore = RedisSemaphore(RedisHuey("jobs", port=port), "two", value=2, timeout=60)
    first, second = semaphore.acquire("a"), semaphore.acquire("b")
    same([first, second, semaphore.acquire("c")], ["a", "b", None])
    same([semaphore.renew("a"), semaphore.renew("z")], [True, False])
    semaphore.release("a")
    same(semaphore.acquire("c"), "c")
