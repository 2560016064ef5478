"""The loads that benchmarks put on servers: redis-benchmark or a timetable over TCP, many sockets over UDP, and keys
to begin with.

Not a benchmark itself.  The UDP load is one Python process: on fast servers it is what limits the rate, so hold the
servers' CPU against each other first.
"""

from __future__ import annotations

import csv
import gc
import multiprocessing
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Sequence, Union

from harness import PATIENCE, Figures, Server, end

Test = Union[str, Sequence[str]]
"""One of redis-benchmark's own tests by its name, or the words of a request, `__rand_int__` for a random number."""

KEYS = 10_000
VALUE = b"v" * 64
LONGEST = 600.0
"""Seconds after which one run of redis-benchmark is given up."""


def key(number: int) -> bytes:
    """Give the name of a key, as redis-benchmark makes them."""
    return b"key:%012d" % number


def sets(numbers: range, *options: bytes, value: bytes = VALUE) -> bytes:
    """Give the requests that SET these keys."""
    head = b"*%d\r\n$3\r\nSET\r\n$16\r\n" % (3 + len(options))
    rest = b"".join(b"\r\n$%d\r\n%b" % (len(word), word) for word in (value, *options)) + b"\r\n"
    return b"".join([b"%bkey:%012d%b" % (head, number, rest) for number in numbers])


def fill(server: Server, keys: int, *options: bytes, value: bytes = VALUE) -> None:
    """SET keys over TCP, a thousand at a time."""
    with server.connect() as stream:
        for first in range(0, keys, 1000):
            numbers = range(first, min(first + 1000, keys))
            stream.sendall(sets(numbers, *options, value=value))
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
    server: Server, test: Test, requests: int, *, clients: int = 50, pipeline: int = 1, keys: int = KEYS
) -> Figures:
    """Load a server with redis-benchmark over TCP."""
    before = server.cpu_seconds()
    row = redis_benchmark_row(server, test, requests, clients=clients, pipeline=pipeline, keys=keys)
    used = server.cpu_seconds() - before
    return Figures(row["rps"], used / requests * 1e6, row["p99_latency_ms"])


def redis_benchmark_row(
    server: Server, test: Test, requests: int, *, clients: int = 50, pipeline: int = 1, keys: int = KEYS
) -> dict[str, float]:
    """Load a server with redis-benchmark over TCP; give all that it tells, by its own names of columns."""
    output = _redis_benchmark(server, test, clients, pipeline, keys, "-n", str(requests), "--csv")
    [*_, row] = csv.DictReader(line for line in output.splitlines() if line.startswith('"'))
    return {name: float(value) for name, value in row.items() if name != "test"}


def _redis_benchmark(server: Server, test: Test, clients: int, pipeline: int, keys: int, *more: str) -> str:
    named = isinstance(test, str)
    command = redis_benchmark_command(server, str(test) if named else "", clients, pipeline, keys)
    try:
        run = subprocess.run(
            [*command, *more, *(() if named else test)],
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
    """Give the command line of redis-benchmark, for one of its own tests or for a request behind it."""
    load = f"{f'-t {test}' if test else ''} -c {clients} -P {pipeline} -r {keys} -d {len(VALUE)}"
    return ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), *load.split()]


@contextmanager
def under_redis_benchmark(server: Server, test: str, pipeline: int, keys: int = KEYS) -> Iterator[None]:
    """Load a server over TCP until the block ends."""
    command = [*redis_benchmark_command(server, test, pipeline=pipeline, keys=keys), "-n", str(10**9)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
        if process.poll() is not None:
            sys.exit("redis-benchmark ended before its time")
    finally:
        end(process)


@contextmanager
def beside(work: Callable[..., Any], *words: Any) -> Iterator[Callable[[], Any]]:
    """Call `work(told, *words)` in a process of its own, which is to return soon after `told` can be read.

    What is yielded tells it so and gives what it returned.
    """
    here, told = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_beside, args=(here, told, work, words), daemon=True)
    process.start()
    told.close()

    def finish() -> Any:
        here.send(None)
        try:
            return here.recv()
        except EOFError:
            sys.exit(f"{work.__name__} failed")

    try:
        yield finish
    finally:
        here.close()
        process.join(1)
        process.terminate()
        process.join()


def _beside(here: Connection, told: Connection, work: Callable[..., Any], words: tuple[Any, ...]) -> None:
    here.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the one that started it
    with suppress(BrokenPipeError):
        told.send(work(told, *words))


class Offered(NamedTuple):
    """What came of an offered load; all are seconds, and moments are those of `time.perf_counter`."""

    waits: list[tuple[float, float]]
    """When each request was due, and how long from then until its answer."""
    pauses: list[tuple[float, float]]
    """When the client woke up later than it wished to, and how much."""


def offer_until_told(
    told: Connection, server: Server, rate: int, requests: Sequence[bytes], reply: bytes, clients: int = 50
) -> Offered:
    """Offer a server so many requests a second, by a timetable that some connections share.

    Replies must begin with `reply`.  The client sleeps until the next request is due, so it leaves its core to others.
    """
    with suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1")  # sleep no longer than asked for: 50 us is usual
    gc.disable()
    waits: list[tuple[float, float]] = []
    pauses: list[tuple[float, float]] = []
    with ExitStack() as stack:
        poll = stack.enter_context(select.epoll())
        streams = {}
        for _ in range(clients):
            stream = stack.enter_context(server.connect())
            poll.register(stream, select.EPOLLIN)
            streams[stream.fileno()] = stream
        poll.register(told, select.EPOLLIN)
        free = list(streams)
        since: dict[int, float] = {}
        begun, sent, last, ends = time.perf_counter(), 0, sys.maxsize, float("inf")
        while sent < last or since:
            asleep = time.perf_counter()
            pause = max(0.0, begun + sent / rate - asleep) if free and sent < last else 1.0
            select.select([poll], [], [], pause)  # to the microsecond, where epoll counts milliseconds
            now = time.perf_counter()
            if now - asleep > pause:
                pauses.append((now, now - asleep - pause))
            for number, _ in poll.poll(0):
                if number == told.fileno():
                    poll.unregister(told)
                    last, ends = max(sent, int((now - begun) * rate)), now + PATIENCE
                    continue
                if not (received := streams[number].recv(4096)).startswith(reply):
                    sys.exit(f"{server.name} gave a wrong reply: {received[:200]!r}")
                due = since.pop(number)
                waits.append((due, time.perf_counter() - due))
                free.append(number)
            while free and sent < last and begun + sent / rate <= now:
                number = free.pop()
                since[number] = begun + sent / rate
                streams[number].send(requests[sent % len(requests)])
                sent += 1
            if now > ends:
                sys.exit(f"{server.name} takes much less than {rate} requests a second")
    return Offered(waits, pauses)


def ping_until_told(told: Connection, server: Server, pause: float) -> list[tuple[float, float]]:
    """Send PING again and again, with pauses of some seconds; tell when each was sent, and how long it waited."""
    waits: list[tuple[float, float]] = []
    with server.connect() as stream:
        while not told.poll():
            asked = time.perf_counter()
            stream.sendall(b"PING\r\n")
            if stream.recv(1024) != b"+PONG\r\n":
                sys.exit(f"{server.name} did not answer PING")
            waits.append((asked, time.perf_counter() - asked))
            time.sleep(pause)
    return waits


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


def in_turn(rounds: int, servers: Sequence[Any], measure: Callable[[Any], Any]) -> list[Any]:
    """Measure servers in turn, A B A B, so that all share the machine's good and bad moments; give their medians."""
    measured = [[measure(server) for server in servers] for _ in range(rounds)]
    return [medians(column) for column in zip(*measured)]
