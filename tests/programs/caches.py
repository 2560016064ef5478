"""Caches, and sessions in them."""

from __future__ import annotations

import asyncio
import multiprocessing
from typing import Callable, List

from tests.programs.declaring import Programs, same

program = Programs()


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


@program("django-cacheops", "queries of Django's that are cached, and forgotten when a row changes")
def cacheops(port: int) -> None:
    for insideout in (False, True):
        cached_queries(port, insideout)


def cached_queries(port: int, insideout: bool) -> None:
    """Run in a process of its own: Django is set up once."""
    process = multiprocessing.get_context("fork").Process(target=use_cacheops, args=(port, insideout))
    process.start()
    process.join()
    same(process.exitcode, 0)


def use_cacheops(port: int, insideout: bool) -> None:
    import django as package
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["cacheops"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        CACHEOPS_REDIS={"port": port, "db": int(insideout)},
        CACHEOPS={"*.*": {"ops": "all", "timeout": 60, "lock": True}},
        CACHEOPS_INSIDEOUT=insideout,
    )
    package.setup()
    from cacheops import cached_as, invalidate_all, invalidate_model
    from django.db import connection, models
    from django.test.utils import CaptureQueriesContext

    class Article(models.Model):
        title = models.CharField(max_length=50)
        topic = models.IntegerField()

        class Meta:
            app_label = "cacheops"

    with connection.schema_editor() as editor:
        editor.create_model(Article)
    for number in range(6):
        Article.objects.create(title=f"number {number}", topic=number % 2)

    def titles(**which: object) -> List[str]:
        return [each.title for each in Article.objects.filter(**which).order_by("id")]

    def queries(work: Callable[[], object]) -> int:
        with CaptureQueriesContext(connection) as seen:
            work()
        return len(seen)

    same([queries(lambda: titles(topic=1)) for _ in range(2)], [1, 0])
    same([queries(lambda: titles(topic=0)) for _ in range(2)], [1, 0])
    same([queries(lambda: Article.objects.filter(topic__in=[0, 1]).count()) for _ in range(2)], [1, 0])
    changed = Article.objects.get(title="number 1")
    changed.title = "changed"
    changed.save()
    same([titles(topic=1)[0], queries(lambda: titles(topic=0))], ["changed", 0])
    Article.objects.filter(topic=0).invalidated_update(title="all of them")
    same(titles(topic=0), ["all of them"] * 3)

    @cached_as(Article, timeout=60)
    def count() -> int:
        return Article.objects.nocache().count()

    same([count(), queries(count)], [6, 0])
    Article.objects.create(title="one more", topic=1)
    same(count(), 7)
    invalidate_model(Article)
    same(queries(lambda: titles(topic=1)), 1)
    invalidate_all()
    same(queries(lambda: titles(topic=1)), 1)
