"""Measures what a GET and a SET cost while the keys grow to 10 million, and how long anybody waits meanwhile.

    python benchmarks/growth.py
    python benchmarks/growth.py --keys 1000000

While keys are added as fast as the server takes them, a second connection sends PING each millisecond; the longest wait
for an answer tells of a table that is enlarged at once, or of a garbage collector.  Then redis-benchmark asks for keys
and sets them anew, 50 clients, 16 requests in each pipeline.  Needs redis-server and redis-benchmark, and some 4 GB of
memory for 10 million keys.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from typing import Iterator

from harness import PATIENCE, Arguments, Report, Server, need, owncache, ratio, redis
from loads import in_turn, percentile, redis_benchmark, sets

FIRST_STEP = 10_000
AT_ONCE = 100
"""Keys that are sent together: little work, so that the wait that is measured is the server's."""
UNDER_WAY = 1_000
"""Keys that are sent before the first of them is answered."""
PAUSE = 0.001
"""Seconds between two PINGs, at least."""


def steps(most: int) -> Iterator[int]:
    """Give the numbers of keys at which is measured, each ten times the one before."""
    keys = FIRST_STEP
    while keys < most:
        yield keys
        keys *= 10
    yield most


def grow(server: Server, first: int, last: int) -> list[float]:
    """Add keys; give the seconds that each PING of a second connection waited."""
    waits: list[float] = []
    with server.connect() as writer, server.connect() as prober, select.epoll() as poll:
        for stream in (writer, prober):
            poll.register(stream, select.EPOLLIN)
        sent, answered, asked, answered_at = first, 0, 0.0, time.perf_counter()
        while answered < (last - first) * len(b"+OK\r\n") or asked:
            if sent < last and sent - first - answered // 5 < UNDER_WAY:
                writer.sendall(sets(range(sent, min(sent + AT_ONCE, last))))
                sent = min(sent + AT_ONCE, last)
            now = time.perf_counter()
            if not asked and now - answered_at > PAUSE:
                prober.sendall(b"PING\r\n")
                asked = now
            for number, _ in poll.poll(PAUSE):
                if number == writer.fileno():
                    answered += len(_replies(writer, server))
                else:
                    _replies(prober, server)
                    answered_at = time.perf_counter()
                    waits.append(answered_at - asked)
                    asked = 0.0
            if asked and now - asked > PATIENCE:
                sys.exit(f"{server.name} did not answer PING in {PATIENCE:.0f} seconds")
    return waits or [0.0]


def _replies(stream: socket.socket, server: Server) -> bytes:
    received = stream.recv(65_536)
    if not received or b"-" in received:
        sys.exit(f"{server.name} refused a key: {received[:200]!r}")
    return received


def main() -> None:
    arguments = Arguments(__doc__, rounds=3)
    arguments.size("--keys", 10_000_000, 30_000, "the most keys")
    arguments.size("--requests", 300_000, 5_000, "requests of each load")
    options = arguments.read()
    need("redis-server", "redis-benchmark")
    report = Report("growth", options, "redis-server")
    of_commands = [
        column
        for test in ("GET", "SET")
        for column in (f"redis {test} CPU us", f"owncache {test} CPU us", f"redis / owncache {test}")
    ]
    of_waits = [f"{who} {what} ms" for what in ("p99.9 wait", "longest wait") for who in ("redis", "owncache")]
    report.table("Growing keyspace", "keys", *of_commands, *of_waits)
    with redis() as theirs, owncache(options) as ours:
        servers = [theirs, ours]
        keys = 0
        for most in steps(options.keys):
            waits = [grow(server, keys, most) for server in servers]
            keys = most
            costs: list[float | None] = []
            for test in ("get", "set"):
                peer, own = in_turn(
                    options.rounds,
                    servers,
                    lambda server, test=test, keys=keys: redis_benchmark(
                        server, test, options.requests, pipeline=16, keys=keys
                    ),
                )
                costs += [peer.cost, own.cost, ratio(peer.cost, own.cost)]
            late = [percentile(each, 99.9) * 1000 for each in waits]
            longest = [max(each) * 1000 for each in waits]
            report.row(keys, *costs, *late, *longest)
    report.save()


if __name__ == "__main__":
    main()
