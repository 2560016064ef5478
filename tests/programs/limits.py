"""Limits of rates."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from tests.programs.declaring import Programs, same, until

program = Programs()


@program("limits", "all its strategies: hit, test, window statistics, clear and reset")
def limits(port: int) -> None:
    from limits import parse, strategies
    from limits.storage import storage_from_string

    storage = storage_from_string(f"redis://127.0.0.1:{port}/8")
    rate, second = parse("3/minute"), parse("1/second")
    for kind in (
        strategies.FixedWindowRateLimiter,
        strategies.MovingWindowRateLimiter,
        strategies.SlidingWindowCounterRateLimiter,
    ):
        limiter = kind(storage)
        same([limiter.hit(rate, "user") for _ in range(2)], [True, True])
        same([limiter.test(rate, "user", cost=2), limiter.test(rate, "user")], [False, True])
        same(limiter.test(rate, "another", cost=3), True)
        stats = limiter.get_window_stats(rate, "user")
        same([stats.remaining, -1 < stats.reset_time - time.time() <= 61], [1, True])
        same([limiter.hit(rate, "user"), limiter.hit(rate, "user"), limiter.hit(rate, "user")], [True, False, False])
        same(limiter.get_window_stats(rate, "user").remaining, 0)
        limiter.clear(rate, "user")
        same([limiter.get_window_stats(rate, "user").remaining, limiter.hit(rate, "user", cost=3)], [3, True])
        same(storage.reset() > 0, True)
        same([limiter.hit(second, "user"), limiter.hit(second, "user")], [True, False])
        until(partial(limiter.hit, second, "user"))
        storage.reset()


@program("limits", "its strategies with asyncio")
def limits_asyncio(port: int) -> None:
    from limits import parse
    from limits.aio import strategies
    from limits.storage import storage_from_string

    async def run() -> None:
        # redis-py: its own choice is coredis, in a version that does not go with the one that is tried here
        storage = storage_from_string(f"async+redis://127.0.0.1:{port}/8", implementation="redispy")
        rate = parse("2/minute")
        for kind in (
            strategies.FixedWindowRateLimiter,
            strategies.MovingWindowRateLimiter,
            strategies.SlidingWindowCounterRateLimiter,
        ):
            limiter = kind(storage)
            same([await limiter.hit(rate, "user") for _ in range(3)], [True, True, False])
            same((await limiter.get_window_stats(rate, "user")).remaining, 0)
            await storage.reset()

    asyncio.run(run())


@program("Flask-Limiter", "limits of a Flask application, by three strategies")
def flask_limiter(port: int) -> None:
    from flask import Flask
    from flask_limiter import Limiter

    for strategy in ("fixed-window", "moving-window", "sliding-window-counter"):
        app = Flask("app")
        limiter = Limiter(
            lambda: "user",
            app=app,
            storage_uri=f"redis://127.0.0.1:{port}/8",
            strategy=strategy,
            headers_enabled=True,
            key_prefix=strategy,
        )

        @app.route("/")
        @limiter.limit("2/minute")
        def index() -> str:
            return "here"

        with app.test_client() as client:
            answers = [client.get("/") for _ in range(3)]
        same([answer.status_code for answer in answers], [200, 200, 429])
        same(answers[0].headers["X-RateLimit-Remaining"], "1")


@program("throttled-py", "all its algorithms: fixed and sliding window, token bucket, leaking bucket, GCRA")
def throttled(port: int) -> None:
    from throttled import RateLimiterType, Throttled, store

    kept = store.RedisStore(server=f"redis://127.0.0.1:{port}/8")
    for kind in RateLimiterType:
        throttle = Throttled(using=kind.value, quota="3/m burst 3", store=kept, key=f"user:{kind.value}")
        same(throttle.peek(f"user:{kind.value}").remaining, 3)
        got = [throttle.limit() for _ in range(4)]
        same([each.limited for each in got], [False, False, False, True])
        same([got[0].state.remaining, got[3].state.remaining], [2, 0])
        same(0 < got[3].state.retry_after <= 60, True)
    waiting = Throttled(using="gcra", quota="20/s burst 1", store=kept, key="waits", timeout=1)
    began = time.monotonic()
    same([waiting.limit().limited for _ in range(4)], [False] * 4)
    same(time.monotonic() - began > 0.1, True)


@program("pyrate-limiter", "a bucket with two rates, and one of many items at once")
def pyrate_limiter(port: int) -> None:
    from pyrate_limiter import Duration, Limiter, Rate, RedisBucket
    from redis import Redis

    client = Redis(port=port, db=8)
    bucket = RedisBucket.init([Rate(2, Duration.SECOND), Rate(3, Duration.MINUTE)], client, "bucket")
    limiter = Limiter(bucket)
    same([limiter.try_acquire("user", blocking=False) for _ in range(3)], [True, True, False])
    same(bucket.count(), 2)
    until(lambda: limiter.try_acquire("user", blocking=False))
    same(limiter.try_acquire("user", blocking=False), False)
    many = RedisBucket.init([Rate(5000, Duration.MINUTE)], client, "many")
    limiter = Limiter(many)
    got = [limiter.try_acquire("user", weight=weight, blocking=False) for weight in (4500, 501, 500)]
    same(got, [True, False, True])
    same(many.count(), 5000)
