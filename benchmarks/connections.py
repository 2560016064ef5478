"""Measures what connections cost: 10,000 idle ones beside 50 busy ones, and more and more busy ones.

    python benchmarks/connections.py

The idle ones have each asked once (PING), then say nothing.  For each program two servers run, one with idle
connections and one without, and redis-benchmark asks both in turn (GET, not pipelined).  Then its own clients grow from
1 to 1,000.  Needs redis-server and redis-benchmark.
"""

from __future__ import annotations

import argparse
import resource
import socket
import sys
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Callable, Iterator

from harness import Arguments, Report, Server, need, owncache, ratio, redis
from loads import KEYS, fill, in_turn, redis_benchmark

BUSY = (1, 10, 50, 200, 1000)
AT_ONCE = 32
"""Connections that are opened before they are waited for; less than any server's backlog."""
SPARE = 100
"""Open files that a program needs besides its connections."""


def allow_files(needed: int) -> None:
    """Let this process, and those that it starts, have so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"the limit of open files is {hard}, of {needed} needed: raise it (ulimit -n), or use fewer --idle")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextmanager
def idle_connections(server: Server, count: int) -> Iterator[None]:
    """Hold connections until the block ends."""
    with ExitStack() as stack:
        for first in range(0, count, AT_ONCE):
            opened: list[socket.socket] = []
            for _ in range(first, min(first + AT_ONCE, count)):
                opened.append(stack.enter_context(server.connect()))
                opened[-1].sendall(b"PING\r\n")
            for stream in opened:
                reply = stream.recv(1024)
                if reply != b"+PONG\r\n":
                    sys.exit(f"{server.name} refused a connection: {reply!r}")
        yield


def beside_idle(options: argparse.Namespace, report: Report, start: Callable[[], Any]) -> None:
    """Measure busy connections with idle ones and without, and the idle ones alone."""
    with start() as alone, start() as crowded:
        for server in (alone, crowded):
            fill(server, KEYS)
        memory = crowded.resident_bytes()
        with idle_connections(crowded, options.idle):
            memory = crowded.resident_bytes() - memory
            used = crowded.cpu_seconds()
            time.sleep(options.pause)
            used = crowded.cpu_seconds() - used
            first, second = in_turn(
                options.rounds, [alone, crowded], lambda server: redis_benchmark(server, "get", options.requests)
            )
        costs = (first.cost, second.cost, ratio(first.cost, second.cost))
        rates = (first.rate, second.rate, ratio(second.rate, first.rate))
        report.row(alone.name, *costs, *rates, memory / options.idle / 1024, used / options.pause * 1000)


def more_and_more(options: argparse.Namespace, report: Report, *starts: Callable[[], Any]) -> None:
    """Measure more and more busy connections."""
    report.table(
        "Busy connections (GET)",
        "clients",
        "redis CPU us",
        "owncache CPU us",
        "redis / owncache",
        "redis req/s",
        "owncache req/s",
        "redis p99 ms",
        "owncache p99 ms",
    )
    with ExitStack() as stack:
        servers = [stack.enter_context(start()) for start in starts]
        for server in servers:
            fill(server, KEYS)
        for clients in BUSY:
            theirs, own = in_turn(
                options.rounds,
                servers,
                lambda server, clients=clients: redis_benchmark(server, "get", options.requests, clients=clients),
            )
            costs = (theirs.cost, own.cost, ratio(theirs.cost, own.cost))
            report.row(clients, *costs, theirs.rate, own.rate, theirs.p99, own.p99)


def main() -> None:
    arguments = Arguments(__doc__)
    arguments.size("--idle", 10_000, 300, "idle connections")
    arguments.size("--requests", 100_000, 3_000, "requests of each load")
    arguments.size("--pause", 5.0, 1.1, "seconds for which the idle connections are watched alone")
    options = arguments.read()
    need("redis-server", "redis-benchmark")
    allow_files(max(options.idle, *BUSY) + SPARE)
    limit = ["--maxclients", str(options.idle + max(BUSY) + SPARE)]
    starts = partial(redis, *limit), partial(owncache, options, *limit)
    report = Report("connections", options, "redis-server")
    report.table(
        f"50 busy connections (GET) beside {options.idle} idle ones",
        "server",
        "CPU us, alone",
        "CPU us, beside idle",
        "alone / beside idle",
        "req/s, alone",
        "req/s, beside idle",
        "beside idle / alone",
        "KB an idle connection",
        "CPU ms a second of idling",
    )
    for start in starts:
        beside_idle(options, report, start)
    more_and_more(options, report, *starts)
    report.save()


if __name__ == "__main__":
    main()
