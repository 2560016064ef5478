"""Queues of jobs, and the workers that take them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, List

from tests.programs.declaring import Programs, same

program = Programs()


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
