"""The loads that benchmarks put on servers: redis-benchmark over TCP, many sockets over UDP, and keys to begin with.

Not a benchmark itself.  The UDP load is one Python process: on fast servers it is what limits the rate, so hold the
servers' CPU against each other first.
"""

from __future__ import annotations

import csv
import select
import socket
import statistics
import subprocess
import sys
import time
from collections import deque
from contextlib import ExitStack
from typing import Any, Callable, Sequence

from harness import Figures, Server

KEYS = 10_000
VALUE = b"v" * 64
LONGEST = 600.0
"""Seconds after which one run of redis-benchmark is given up."""


def key(number: int) -> bytes:
    """Give the name of a key, as redis-benchmark makes them."""
    return b"key:%012d" % number


def sets(numbers: range, *options: bytes) -> bytes:
    """Give the requests that SET these keys."""
    head = b"*%d\r\n$3\r\nSET\r\n$16\r\n" % (3 + len(options))
    rest = b"".join(b"\r\n$%d\r\n%b" % (len(word), word) for word in (VALUE, *options)) + b"\r\n"
    return b"".join([b"%bkey:%012d%b" % (head, number, rest) for number in numbers])


def fill(server: Server, keys: int, *options: bytes) -> None:
    """SET keys over TCP, a thousand at a time."""
    with server.connect() as stream:
        for first in range(0, keys, 1000):
            numbers = range(first, min(first + 1000, keys))
            stream.sendall(sets(numbers, *options))
            awaited = b"+OK\r\n" * len(numbers)
            received = b""
            while len(received) < len(awaited):
                piece = stream.recv(65_536)
                if not piece:
                    sys.exit(f"{server.name} closed the connection while it was filled")
                received += piece
            if received != awaited:
                sys.exit(f"{server.name} refused a key: {received[:200]!r}")


def redis_benchmark(
    server: Server, test: str, requests: int, *, clients: int = 50, pipeline: int = 1, keys: int = KEYS
) -> Figures:
    """Load a server with redis-benchmark over TCP."""
    before = server.cpu_seconds()
    output = _redis_benchmark(server, test, clients, pipeline, keys, "-n", str(requests), "--csv")
    used = server.cpu_seconds() - before
    [*_, row] = csv.DictReader(line for line in output.splitlines() if line.startswith('"'))
    return Figures(float(row["rps"]), used / requests * 1e6, float(row["p99_latency_ms"]))


def _redis_benchmark(server: Server, test: str, clients: int, pipeline: int, keys: int, *more: str) -> str:
    try:
        run = subprocess.run(
            [*redis_benchmark_command(server, test, clients, pipeline, keys), *more],
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"redis-benchmark took longer than {LONGEST:.0f} seconds with {server.name}")
    if run.returncode:
        sys.exit(f"redis-benchmark failed with {server.name}:\n{run.stderr or run.stdout}")
    return run.stdout


def redis_benchmark_command(
    server: Server, test: str, clients: int = 50, pipeline: int = 1, keys: int = KEYS
) -> list[str]:
    """Give the command line of redis-benchmark."""
    load = f"-t {test} -c {clients} -P {pipeline} -r {keys} -d {len(VALUE)}"
    return ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), *load.split()]


def ask_by_datagrams(
    server: Server, requests: Sequence[bytes], *, sockets: int, window: int, seconds: float
) -> Figures:
    """Ask by UDP from some sockets, with `window` requests under way on each of them."""
    with ExitStack() as stack:
        peers: dict[int, tuple[socket.socket, deque[float]]] = {}
        poll = select.epoll()
        stack.callback(poll.close)
        for _ in range(sockets):
            peer = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            peer.connect(("127.0.0.1", server.port))
            peer.setblocking(False)
            poll.register(peer, select.EPOLLIN)
            peers[peer.fileno()] = peer, deque()
        sent, waits, silences = 0, [], 0
        before, started = server.cpu_seconds(), time.perf_counter()
        now = started
        while now - started < seconds:
            ready = poll.poll(0.25) if sent else []
            now = time.perf_counter()
            if not ready:  # nothing was asked yet, or what was is lost
                silences += 1
                for peer, asked in peers.values():
                    asked.clear()
                    for _ in range(window):
                        peer.send(requests[sent % len(requests)])
                        asked.append(now)
                        sent += 1
            for number, _ in ready:
                peer, asked = peers[number]
                try:
                    while True:
                        peer.recv(2048)
                        now = time.perf_counter()
                        waits.append(now - asked.popleft() if asked else 0.0)
                        peer.send(requests[sent % len(requests)])
                        asked.append(now)
                        sent += 1
                except BlockingIOError:
                    pass
        used = server.cpu_seconds() - before
        if not waits or silences > 4:
            sys.exit(f"{server.name} does not answer datagrams: {sent} sent, {len(waits)} answers")
        return Figures(len(waits) / (now - started), used / len(waits) * 1e6, percentile(waits, 99) * 1e3)


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def medians(figures: Sequence[Any]) -> Any:
    """Give the median of each figure of several rounds."""
    return type(figures[0])(*map(statistics.median, zip(*figures)))


def in_turn(rounds: int, servers: Sequence[Server], measure: Callable[[Server], Any]) -> list[Any]:
    """Measure servers in turn, A B A B, so that all share the machine's good and bad moments; give their medians."""
    measured = [[measure(server) for server in servers] for _ in range(rounds)]
    return [medians(column) for column in zip(*measured)]
