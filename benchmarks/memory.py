"""Measures the resident memory of a key, beside redis-server: how much RSS grows while a million keys are set.

    python benchmarks/memory.py

The names have 16 bytes and the values 64, with a time to live and without one.  Each load goes to fresh servers, in the
same way.  Needs redis-server.
"""

from __future__ import annotations

from statistics import median

from harness import Arguments, Report, Server, need, owncache, ratio, redis
from loads import fill

LOADS = {"SET key value": (), "SET key value EX 100000": (b"EX", b"100000")}


def growth(server: Server, keys: int, *words: bytes) -> float:
    """Give the bytes by which a server grows for each key."""
    before = server.resident_bytes()
    fill(server, keys, *words)
    return (server.resident_bytes() - before) / keys


def main() -> None:
    arguments = Arguments(__doc__, rounds=1)
    arguments.size("--keys", 1_000_000, 20_000, "keys that are set")
    options = arguments.read()
    need("redis-server")
    report = Report("memory", options, "redis-server")
    report.table(f"Bytes of RSS a key, {options.keys} keys", "load", "redis", "owncache", "redis / owncache")
    for load, words in LOADS.items():
        of_redis, of_ours = [], []
        for _ in range(options.rounds):
            with redis() as theirs:
                of_redis.append(growth(theirs, options.keys, *words))
            with owncache(options) as ours:
                of_ours.append(growth(ours, options.keys, *words))
        report.row(load, median(of_redis), median(of_ours), ratio(median(of_redis), median(of_ours)))
    report.save()


if __name__ == "__main__":
    main()
