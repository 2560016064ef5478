"""Queues of jobs whose own workers run: delays, retries, schedules, results of several jobs."""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import Any, Iterator, List

from tests.programs.declaring import PATIENCE, Programs, same, soon, until

program = Programs()

SECOND = datetime.timedelta(seconds=1)


@program("celery", "a worker: groups, chords, chains, ETA, retries, priorities, revoked tasks, remote control")
def celery_worker(port: int) -> None:
    os.environ["CACHE_PORT"] = str(port)
    from celery import chain, chord, group

    from tests.programs.celery_app import add, app, fail, second_time, total

    command = ["-A", "tests.programs.celery_app", "worker", "-P", "threads", "-c", "4", "-l", "warning"]
    worker = subprocess.Popen([sys.executable, "-m", "celery", *command])
    try:
        same(add.delay(1, 2).get(PATIENCE), 3)
        same(group(add.s(number, 1) for number in range(4))().get(PATIENCE), [1, 2, 3, 4])
        same(chord((add.s(number, number) for number in range(10)), total.s())().get(PATIENCE), 90)
        same(chain(add.s(1, 2), add.s(4), group(add.s(1), add.s(2)), total.s())().get(PATIENCE), 17)
        began = time.monotonic()
        same(add.apply_async((3, 4), countdown=1).get(PATIENCE), 7)
        same(time.monotonic() - began > 0.9, True)
        same(second_time.delay().get(PATIENCE), 1)
        same(add.apply_async((5, 6), priority=5).get(PATIENCE), 11)
        same(isinstance(fail.delay().get(PATIENCE, propagate=False), ValueError), True)
        later = add.apply_async((1, 1), countdown=30)
        control = app.control.inspect(timeout=1)
        until(lambda: any((control.scheduled() or {}).values()))
        later.revoke()
        until(lambda: [later.id] in (control.revoked() or {}).values())
        same(len(app.control.ping(timeout=1)), 1)
        failed = chord([add.s(1, 1), fail.s()], total.s()).delay()
        same("this task fails" in str(failed.get(PATIENCE, propagate=False)), True)
    finally:
        worker.terminate()
    same(worker.wait(PATIENCE), 0)


@program("celery-redbeat", "a scheduler whose entries and whose lock are in the cache")
def redbeat(port: int) -> None:
    os.environ["CACHE_PORT"] = str(port)
    import redis
    from celery.schedules import schedule
    from redbeat import RedBeatScheduler, RedBeatSchedulerEntry
    from redbeat.schedulers import acquire_distributed_beat_lock

    from tests.programs.celery_app import add, app

    RedBeatSchedulerEntry("often", add.name, schedule(SECOND), args=(1, 2), app=app).save()
    scheduler = RedBeatScheduler(app, lock_timeout=30)

    class Service:
        """What Celery sends with the signal that a scheduler starts."""

    Service.scheduler = scheduler
    acquire_distributed_beat_lock(Service)
    client = redis.Redis(port=port, db=3)
    same(client.exists("redbeat::lock"), 1)
    until(lambda: scheduler.tick() is not None and client.llen("celery") == 2)
    same(RedBeatSchedulerEntry.from_key("redbeat:often", app=app).total_run_count, 2)
    scheduler.close()
    same(client.exists("redbeat::lock"), 0)


@contextmanager
def consuming(queue: Any) -> Iterator[None]:
    """Run a consumer of Huey in threads."""
    from huey.consumer import Consumer

    consumer = Consumer(queue, workers=2, scheduler_interval=1, initial_delay=0.01, max_delay=0.1)
    consumer.start()
    try:
        yield
    finally:
        consumer.stop(graceful=True)


@program("huey", "a consumer: delays, retries, a periodic task, a revoked one")
def huey_schedule(port: int) -> None:
    from huey import RedisHuey, crontab

    queue = RedisHuey("jobs", port=port)
    tries: List[float] = []
    ticks: List[float] = []

    @queue.task()
    def add(first: int, second: int) -> int:
        return first + second

    @queue.task(retries=1, retry_delay=1)
    def second_time() -> None:
        tries.append(time.monotonic())
        if len(tries) < 2:
            raise ValueError("the first time")

    @queue.periodic_task(crontab(minute="*"))
    def tick() -> None:
        ticks.append(time.monotonic())

    with consuming(queue):
        began = time.monotonic()
        same(add.schedule((3, 4), delay=1)(blocking=True, timeout=PATIENCE), 7)
        same(time.monotonic() - began > 0.9, True)
        second_time()
        until(lambda: len(tries) == 2)
        same(tries[1] - tries[0] > 0.9, True)
        revoked = add.schedule((1, 1), delay=1)
        revoked.revoke()
        same(revoked.is_revoked(), True)
        until(lambda: queue.scheduled_count() == 0 and ticks)


@program("huey", "a consumer: pipelines, groups, a lock, priorities, values that are kept")
def huey_results(port: int) -> None:
    from huey import PriorityRedisHuey
    from huey.exceptions import TaskException

    queue = PriorityRedisHuey("jobs", port=port)
    order: List[str] = []

    @queue.task()
    def add(first: int, second: int) -> int:
        return first + second

    @queue.task()
    @queue.lock_task("alone")
    def alone() -> str:
        time.sleep(0.5)
        return "done"

    @queue.task()
    def note(name: str) -> None:
        order.append(name)

    def outcome(result: Any) -> str:
        try:
            return str(result(blocking=True, timeout=PATIENCE))
        except TaskException as error:
            return "locked" if "lock" in str(error).lower() else str(error)

    for name, priority in (("low", 1), ("high", 9)):
        note(name, priority=priority)
    for _ in range(2):
        queue.execute(queue.dequeue())
    same(order, ["high", "low"])
    with consuming(queue):
        same(queue.enqueue(add.s(1, 2).then(add, 10)).get(blocking=True, timeout=PATIENCE), [3, 13])
        same(add.map([(1, 1), (2, 2)]).get(blocking=True, timeout=PATIENCE), [2, 4])
        same(sorted(map(outcome, [alone(), alone()])), ["done", "locked"])
    queue.put("key", {"a": 1})
    same(queue.get("key"), {"a": 1})


@program("dramatiq", "a task that a worker runs")
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


@program("dramatiq", "delayed messages, retries, results, pipelines, groups, dead letters")
def dramatiq_whole(port: int) -> None:
    import dramatiq as package
    from dramatiq.brokers.redis import RedisBroker
    from dramatiq.rate_limits.backends import RedisBackend as LimitBackend
    from dramatiq.results import Results
    from dramatiq.results.backends import RedisBackend
    from dramatiq.results.errors import ResultFailure

    url = f"redis://127.0.0.1:{port}/5"
    broker = RedisBroker(url=url, maintenance_chance=500_000)  # half of its requests clean up
    broker.add_middleware(Results(backend=RedisBackend(url=url)))
    broker.add_middleware(package.middleware.GroupCallbacks(LimitBackend(url=url)))
    package.set_broker(broker)
    tries: List[float] = []
    called = threading.Event()

    @package.actor(store_results=True)
    def add(first: int, second: int) -> int:
        return first + second

    @package.actor(store_results=True, max_retries=2, min_backoff=100, max_backoff=200)
    def second_time() -> int:
        tries.append(time.monotonic())
        if len(tries) < 2:
            raise ValueError("the first time")
        return len(tries)

    @package.actor(store_results=True, max_retries=0)
    def fail() -> None:
        raise ValueError("always")

    @package.actor
    def call() -> None:
        called.set()

    worker = package.Worker(broker, worker_timeout=100, worker_threads=4)
    worker.start()
    milliseconds = int(PATIENCE * 1000)
    try:
        began = time.monotonic()
        delayed = add.send_with_options(args=(3, 4), delay=1000)
        same(add.send(1, 2).get_result(block=True, timeout=milliseconds), 3)
        same(delayed.get_result(block=True, timeout=milliseconds), 7)
        same(time.monotonic() - began > 0.9, True)
        same(second_time.send().get_result(block=True, timeout=milliseconds), 2)
        pipeline = (add.message(1, 2) | add.message(10)).run()
        same(pipeline.get_result(block=True, timeout=milliseconds), 13)
        group = package.group([add.message(number, 1) for number in range(20)])
        group.add_completion_callback(call.message())
        same(list(group.run().get_results(block=True, timeout=milliseconds)), list(range(1, 21)))
        same(called.wait(PATIENCE), True)
        try:
            fail.send().get_result(block=True, timeout=milliseconds)
        except ResultFailure:
            pass
        else:
            raise AssertionError("a task that fails had a result")
        broker.join("default", timeout=milliseconds)
        until(lambda: broker.client.zcard("dramatiq:default.XQ") == 1)  # the letter of the task that failed
    finally:
        worker.stop()


@program("dramatiq", "limits of rates, and a queue that is flushed")
def dramatiq_limits(port: int) -> None:
    import dramatiq as package
    from dramatiq.brokers.redis import RedisBroker
    from dramatiq.rate_limits import ConcurrentRateLimiter, WindowRateLimiter
    from dramatiq.rate_limits.backends import RedisBackend

    url = f"redis://127.0.0.1:{port}/5"
    limits = RedisBackend(url=url)
    alone = ConcurrentRateLimiter(limits, "one", limit=1)
    with alone.acquire() as acquired, alone.acquire(raise_on_failure=False) as again:
        same([acquired, again], [True, False])
    window = WindowRateLimiter(limits, "two", limit=2, window=30)
    got = []
    for _ in range(3):
        with window.acquire(raise_on_failure=False) as acquired:
            got.append(acquired)
    same(got, [True, True, False])
    broker = RedisBroker(url=url)
    package.set_broker(broker)

    @package.actor
    def work() -> None: ...

    for _ in range(3):
        work.send()
    same(broker.client.llen("dramatiq:default"), 3)
    broker.flush_all()
    same(broker.client.keys("dramatiq:default*"), [])


def double(number: int) -> int:
    """A job of RQ: its worker imports it."""
    return 2 * number


def second_time() -> int:
    """A job of RQ that fails the first time."""
    from rq import get_current_job

    job = get_current_job()
    if job.meta.setdefault("tries", 0) == 0:
        job.meta["tries"] = 1
        job.save_meta()
        raise ValueError("the first time")
    return 1


@program("rq", "a worker with its scheduler: delays, retries, repeats, dependencies, unique jobs, rate limits")
def rq_worker(port: int) -> None:
    import redis
    from rq import Queue, Repeat, Retry, SimpleWorker
    from rq.exceptions import DuplicateJobError
    from rq.rate_limit import RateLimit
    from rq.scheduler import RQScheduler

    connection = redis.Redis(port=port)
    queue = Queue(connection=connection)
    first = queue.enqueue(double, 1, job_id="first", unique=True)
    try:
        queue.enqueue(double, 1, job_id="first", unique=True)
    except DuplicateJobError:
        pass
    else:
        raise AssertionError("a second job of the same name")
    later = queue.enqueue_in(SECOND, double, 2, job_id="later", unique=True)
    dependent = queue.enqueue(double, 3, depends_on=[first, later])
    retried = queue.enqueue(second_time, retry=Retry(max=2, interval=1))
    repeated = queue.enqueue(double, 4, repeat=Repeat(times=1, interval=1))
    limit = RateLimit(key="two", concurrency=2)
    limited = [queue.enqueue(double, number, rate_limit=limit) for number in range(5)]
    same([job.get_status().value for job in limited], ["queued"] * 2 + ["rate_limited"] * 3)
    cancelled = queue.enqueue(double, 9)
    cancelled.cancel()
    scheduler = RQScheduler([queue], connection=connection, logging_level=logging.WARNING)
    same(scheduler.acquire_locks(), {"default"})
    same(RQScheduler([queue], connection=connection).acquire_locks(), set())
    worker = SimpleWorker([queue], connection=connection)
    waited = [first, later, dependent, retried, *limited]

    def work() -> bool:
        scheduler.enqueue_scheduled_jobs()
        scheduler.heartbeat()
        worker.work(burst=True, logging_level="WARNING")
        return all(job.is_finished for job in waited) and len(repeated.results()) == 2

    until(work)
    scheduler.release_locks()
    same([job.return_value() for job in waited], [2, 4, 6, 1, 0, 2, 4, 6, 8])
    same(cancelled.get_status().value, "canceled")
    same(connection.exists("rq:scheduler-lock:default"), 0)


@program("saq", "a worker: jobs, delays, retries, results, several at once, a schedule, an abort")
def saq(port: int) -> None:
    from saq import CronJob, Job, Queue, Worker

    async def run() -> None:
        queue = Queue.from_url(f"redis://127.0.0.1:{port}/4")
        tries: List[float] = []
        ticks = asyncio.Event()

        async def add(context: Any, *, first: int, second: int) -> int:
            return first + second

        async def second_time(context: Any) -> int:
            tries.append(time.monotonic())
            if len(tries) < 2:
                raise ValueError("the first time")
            return len(tries)

        async def sleep(context: Any) -> None:
            await asyncio.sleep(60)

        async def tick(context: Any) -> None:
            ticks.set()

        worker = Worker(
            queue,
            [("add", add), ("second_time", second_time), ("sleep", sleep)],
            cron_jobs=[CronJob(tick, cron="* * * * * */1")],
        )
        worker.SIGNALS = []
        working = asyncio.create_task(worker.start())
        await queue.connect()
        await asyncio.sleep(0.3)  # its first sweep aborts what is dequeued at that moment
        same(await queue.apply("add", first=1, second=2, timeout=10), 3)
        same(await queue.map("add", [{"first": 1, "second": n} for n in range(3)]), [1, 2, 3])
        began = time.time()
        job = await queue.enqueue("add", first=3, second=4, scheduled=int(time.time()) + 2)
        await job.refresh(until_complete=PATIENCE)
        same([job.result, time.time() - began > 0.9], [7, True])
        same(await queue.apply("second_time", retries=2), 2)
        unique = [await queue.enqueue(Job("sleep", key="one", timeout=30)) for _ in range(2)]
        same([bool(each) for each in unique], [True, False])
        await asyncio.sleep(0.2)
        await unique[0].abort("enough")
        await unique[0].refresh(until_complete=PATIENCE)
        same(unique[0].status.value, "aborted")
        await soon(ticks.wait())
        info = await queue.info(jobs=True)
        same([len(info["workers"]), info["active"]], [1, 0])
        await worker.stop()
        await working
        await queue.disconnect()

    asyncio.run(run())


async def served(broker: Any, count: int) -> None:
    """Let a worker of taskiq take so many messages."""
    from taskiq.receiver import Receiver

    receiver = Receiver(broker)
    async for message in broker.listen():
        await receiver.callback(message)
        count -= 1
        if not count:
            break


@program("taskiq-redis", "streams, with what is redelivered; publish and subscribe; two sources of schedules")
def taskiq_redis_whole(port: int) -> None:
    from taskiq import ScheduledTask
    from taskiq_redis import (
        ListRedisScheduleSource,
        PubSubBroker,
        RedisAsyncResultBackend,
        RedisScheduleSource,
        RedisStreamBroker,
    )

    url = f"redis://127.0.0.1:{port}/7"

    async def run() -> None:
        for kind in (RedisStreamBroker, PubSubBroker):
            broker = kind(url, queue_name="q").with_result_backend(RedisAsyncResultBackend(url, result_ex_time=60))

            @broker.task
            async def double(number: int) -> int:
                return 2 * number

            broker.is_worker_process = True
            await broker.startup()
            serving = asyncio.create_task(served(broker, 3))
            await asyncio.sleep(0.2)  # until it has subscribed
            tasks = [await double.kiq(number) for number in range(3)]
            same([(await task.wait_result(timeout=PATIENCE)).return_value for task in tasks], [0, 2, 4])
            await soon(serving)
            await broker.shutdown()
        for source in (RedisScheduleSource(url, prefix="a"), ListRedisScheduleSource(url, prefix="b")):
            await source.startup()
            past = datetime.datetime.now(datetime.timezone.utc) - SECOND
            for number, when in enumerate(({"cron": "* * * * *"}, {"time": past})):
                await source.add_schedule(
                    ScheduledTask(
                        task_name="double", labels={}, args=[number], kwargs={}, schedule_id=str(number), **when
                    )
                )
            same(sorted(each.schedule_id for each in await source.get_schedules()), ["0", "1"])
            await source.delete_schedule("0")
            same([each.args for each in await source.get_schedules()], [[1]])
            await source.shutdown()
        await redelivered()

    async def redelivered() -> None:
        """A message that one consumer took and did not acknowledge goes to another."""
        options = {"queue_name": "r", "idle_timeout": 200, "xread_block": 100}
        first, second = (RedisStreamBroker(url, **options, consumer_name=name) for name in "ab")
        await first.startup()

        @first.task(task_name="task")
        async def task() -> None: ...

        await task.kiq()
        async for message in first.listen():
            taken = message.data
            break
        await asyncio.sleep(0.3)
        await second.startup()
        listening = second.listen()
        message = await soon(listening.__anext__())
        same(message.data, taken)
        await message.ack()
        await first.shutdown()
        await second.shutdown()

    asyncio.run(run())


@program("arq", "a worker: a delayed job, a retry, a schedule, an abort, a unique job")
def arq_worker(port: int) -> None:
    from arq import Retry, create_pool, cron
    from arq.connections import RedisSettings
    from arq.jobs import JobStatus
    from arq.worker import Worker, func

    async def run() -> None:
        ticks = asyncio.Event()

        async def add(context: Any, first: int, second: int) -> int:
            return first + second

        async def second_time(context: Any) -> int:
            if context["job_try"] < 2:
                raise Retry(defer=0.3)
            return int(context["job_try"])

        async def sleep(context: Any) -> None:
            await asyncio.sleep(60)

        async def tick(context: Any) -> None:
            ticks.set()

        pool = await create_pool(RedisSettings(port=port, database=6))
        worker = Worker(
            [func(add, name="add"), func(second_time, name="second_time"), func(sleep, name="sleep")],
            cron_jobs=[cron(tick, second=set(range(60)), run_at_startup=True)],
            redis_pool=pool,
            poll_delay=0.05,
            allow_abort_jobs=True,
            handle_signals=False,
        )
        working = asyncio.create_task(worker.main())
        began = time.monotonic()
        later = await pool.enqueue_job("add", 3, 4, _defer_by=1)
        same(await later.status(), JobStatus.deferred)
        same(await later.result(timeout=PATIENCE), 7)
        same(time.monotonic() - began > 0.9, True)
        same(await (await pool.enqueue_job("second_time")).result(timeout=PATIENCE), 2)
        unique = [await pool.enqueue_job("sleep", _job_id="one") for _ in range(2)]
        same([bool(each) for each in unique], [True, False])
        await asyncio.sleep(0.2)
        same(await unique[0].abort(timeout=PATIENCE), True)
        await soon(ticks.wait())
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await worker.close()

    asyncio.run(run())


@program("streaq", "a worker, which calls functions: delays, retries, dependent and unique tasks, a schedule, an abort")
def streaq(port: int) -> None:
    from streaq import StreaqRetry, TaskStatus, Worker

    async def run() -> None:
        worker = Worker(redis_url=f"redis://127.0.0.1:{port}")
        ticks = asyncio.Event()

        @worker.task
        async def double(number: int) -> int:
            return 2 * number

        @worker.task
        async def second_time() -> int:
            tries = second_time.context.tries
            if tries < 2:
                raise StreaqRetry(delay=1)
            return tries

        @worker.task(unique=True, timeout=60)
        async def sleep() -> None:
            await asyncio.sleep(60)

        @worker.cron("* * * * * * *")
        async def tick() -> None:
            ticks.set()

        seconds = int(PATIENCE)
        working = asyncio.create_task(worker.run_async())
        while not worker._running and not working.done():
            await asyncio.sleep(0.05)
        if working.done():
            await working
        task = await double.enqueue(21)
        same((await task.result(seconds)).result, 42)
        began = time.monotonic()
        later = await double.enqueue(4).start(delay=1)
        same(await later.status(), TaskStatus.SCHEDULED)
        after = await double.enqueue(5).start(after=later.id)
        same((await after.result(seconds)).result, 10)
        same(time.monotonic() - began > 0.9, True)
        same((await (await second_time.enqueue()).result(seconds)).result, 2)
        chained = await double.enqueue(1).then(double)
        same((await chained.result(seconds)).result, 4)
        long = await sleep.enqueue()
        await asyncio.sleep(0.3)
        same(await long.abort(seconds), True)
        await soon(ticks.wait())
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    asyncio.run(run())
