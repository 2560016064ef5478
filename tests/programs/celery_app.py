"""The application of Celery that `workers.celery_worker` starts a worker of; `$CACHE_PORT` is the server's."""

from __future__ import annotations

import os
from typing import List

from celery import Celery

URL = f"redis://127.0.0.1:{os.environ['CACHE_PORT']}/3"

app = Celery("app", broker=URL, backend=URL)
app.conf.update(
    broker_connection_retry_on_startup=False,
    broker_transport_options={"visibility_timeout": 60, "priority_steps": [0, 5]},
    result_extended=True,
    task_acks_late=True,
)


@app.task
def add(first: int, second: int) -> int:
    return first + second


@app.task
def total(numbers: List[int]) -> int:
    return sum(numbers)


@app.task(bind=True, max_retries=2)
def second_time(self: object) -> int:
    if not self.request.retries:
        raise self.retry(countdown=0.2)
    return int(self.request.retries)


@app.task
def fail() -> None:
    raise ValueError("this task fails")
