"""Measures how long a GET takes when both servers are offered the same load, beside redis-server.

    python benchmarks/latency.py

50 connections share a timetable: at 10,000 requests a second one is due every 100 us, whatever came of those before.  A
request is timed from the moment when it was due, so one that had to wait for a free connection counts with its wait.
The client is one Python process that never sleeps: it needs a core for itself, and its own delays (some 10 us) are part
of both servers' figures.  "Client's pause" is the longest time for which it did nothing: where that is milliseconds,
the machine was busy with something else, and p99 and p99.9 tell of that.  Needs redis-server.
"""

from __future__ import annotations

import gc
import select
import sys
import time
from contextlib import ExitStack
from typing import NamedTuple

from harness import PATIENCE, Arguments, Report, Server, need, owncache, redis
from loads import KEYS, VALUE, fill, in_turn, key, percentile

CLIENTS = 50
REPLY = b"$%d\r\n%b\r\n" % (len(VALUE), VALUE)
PERCENTS = (50, 90, 99, 99.9)


class Latency(NamedTuple):
    """What one load gave: microseconds within which so many percent were answered, and what it cost."""

    p50: float
    p90: float
    p99: float
    p99_9: float
    rate: float
    cost: float
    pause: float


def offer(server: Server, rate: int, seconds: float) -> Latency:
    """Offer a server so many GETs a second."""
    requests = [b"*2\r\n$3\r\nGET\r\n$16\r\n%b\r\n" % key(number) for number in range(KEYS)]
    waits: list[float] = []
    with ExitStack() as stack:
        poll = stack.enter_context(select.epoll())
        streams = {}
        for _ in range(CLIENTS):
            stream = stack.enter_context(server.connect())
            poll.register(stream, select.EPOLLIN)
            streams[stream.fileno()] = stream
        free = list(streams)
        since: dict[int, float] = {}
        gc.disable()
        stack.callback(gc.enable)
        used, begun = server.cpu_seconds(), time.perf_counter()
        sent, total, pause, now = 0, int(rate * seconds), 0.0, begun
        while len(waits) < total:
            before, now = now, time.perf_counter()
            pause = max(pause, now - before)
            while free and sent < total and begun + sent / rate <= now:
                number = free.pop()
                since[number] = begun + sent / rate
                streams[number].send(requests[sent % KEYS])
                sent += 1
            for number, _ in poll.poll(0):
                if streams[number].recv(4096) != REPLY:
                    sys.exit(f"{server.name} gave a wrong reply")
                waits.append(time.perf_counter() - since[number])
                free.append(number)
            if now - begun > 10 * seconds + PATIENCE:
                sys.exit(f"{server.name} takes much less than {rate} requests a second")
        elapsed = time.perf_counter() - begun
        used = server.cpu_seconds() - used
    percentiles = [percentile(waits, percent) * 1e6 for percent in PERCENTS]
    return Latency(*percentiles, total / elapsed, used / total * 1e6, pause * 1e6)


def main() -> None:
    arguments = Arguments(__doc__)
    arguments.size("--seconds", 3.0, 0.3, "length of each load")
    arguments.size(
        "--rate", 30_000, 6_000, "requests per second of the highest load, after a third and two thirds of it"
    )
    options = arguments.read()
    need("redis-server")
    report = Report("latency", options, "redis-server")
    percentiles = [f"p{percent} us" for percent in PERCENTS]
    report.table(
        "GET under an equal load", "offered req/s", "server", "req/s", *percentiles, "CPU us", "client's pause us"
    )
    with redis() as theirs, owncache(options) as ours:
        servers = [theirs, ours]
        for server in servers:
            fill(server, KEYS)
        for rate in (options.rate // 3, options.rate * 2 // 3, options.rate):
            measured = in_turn(options.rounds, servers, lambda server, rate=rate: offer(server, rate, options.seconds))
            for server, found in zip(servers, measured):
                report.row(rate, server.name, found.rate, *found[: len(PERCENTS)], found.cost, found.pause)
    report.save()


if __name__ == "__main__":
    main()
