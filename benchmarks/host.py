"""Measures how late timers fire in a Twisted program that has the cache in its own process, while it is loaded.

    python benchmarks/host.py

The program calls `reactor.callLater(0.005, ...)` again and again and notes how late it was called.  From outside,
redis-benchmark (50 clients) and the UDP load ask its cache as fast as they can, so the figures are those of a host
under full load.  Needs redis-benchmark.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Callable

from harness import Arguments, Report, Server, need, running
from loads import KEYS, ask_by_datagrams, fill, key, percentile, under_redis_benchmark

INTERVAL = 0.005
SETTLE = 0.2
"""Seconds at the beginning of a load that do not count."""


def host(port: str, path: str, *words: str) -> None:
    """Be the program; when it is told to end, it writes when its timer was called, and how late."""
    from twisted.internet import reactor

    from twisted_kv import CacheService
    from twisted_kv.tap import Options

    options = Options()
    options.parseOptions(["--port", port, *words])
    cache = CacheService(config=options.settings)
    cache.startService()
    calls: list[tuple[float, float]] = []

    def called(due: float) -> None:
        now = time.monotonic()
        calls.append((now, now - due))
        reactor.callLater(INTERVAL, called, time.monotonic() + INTERVAL)

    reactor.callLater(INTERVAL, called, time.monotonic() + INTERVAL)
    reactor.run()
    Path(path).write_text(json.dumps(calls))


def loads(server: Server, seconds: float) -> dict[str, Callable[[], object]]:
    """Give what loads the cache for so many seconds, by its name."""

    def tcp(test: str, pipeline: int) -> Callable[[], None]:
        def load() -> None:
            with under_redis_benchmark(server, test, pipeline):
                time.sleep(seconds)

        return load

    keys = [key(number) for number in range(KEYS)]
    return {
        "none": lambda: time.sleep(seconds),
        "TCP GET P=1": tcp("get", 1),
        "TCP GET P=16": tcp("get", 16),
        "TCP SET P=64": tcp("set", 64),
        "UDP key, 8 x 32": lambda: ask_by_datagrams(server, keys, sockets=8, window=32, seconds=seconds),
    }


def measure(options: argparse.Namespace) -> dict[str, list[list[float]]]:
    """Give the lateness of each timer, by load and round."""
    periods: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "calls.json")
        command = [options.python, __file__, "host", "{port}", str(path), *shlex.split(options.option)]
        with running("the host", *command) as server:
            fill(server, KEYS)
            for _ in range(options.rounds):
                for name, load in loads(server, options.seconds).items():
                    begun = time.monotonic()
                    load()
                    periods.append((name, begun + SETTLE, begun + options.seconds))
        calls = json.loads(path.read_text())
    late: dict[str, list[list[float]]] = {}
    for name, begun, ended in periods:
        late.setdefault(name, []).append([lateness for when, lateness in calls if begun <= when <= ended])
    return late


def main() -> None:
    if sys.argv[1:2] == ["host"]:  # in the interpreter that was asked for
        host(*sys.argv[2:])
        return
    arguments = Arguments(__doc__)
    arguments.size("--seconds", 3.0, 0.6, "length of each load")
    options = arguments.read()
    need("redis-benchmark")
    report = Report("host", options)
    report.table("How late timers are", "load", "p50 ms", "p99 ms", "max ms", "calls")
    for name, rounds in measure(options).items():
        if not all(rounds):
            sys.exit(f"under the load '{name}' the timer was not called at all")
        p50, p99 = (median(percentile(each, percent) for each in rounds) * 1000 for percent in (50, 99))
        report.row(name, p50, p99, max(map(max, rounds)) * 1000, sum(map(len, rounds)))
    report.save()


if __name__ == "__main__":
    main()
