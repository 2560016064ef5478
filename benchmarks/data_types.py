"""Measures requests on large collections, beside redis-server: CPU per request, and whether it grows with the size.

    python benchmarks/data_types.py

A list, a set, a hash, a sorted set and a stream have a million elements each; a string has 100 MB, and is changed in
place.  Before, the same requests go to small ones of a thousand elements.  redis-benchmark asks, 50 clients.  Needs
redis-server and redis-benchmark.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Callable

from harness import Arguments, Figures, Report, Server, need, owncache, ratio, redis
from loads import in_turn, redis_benchmark

BATCH = 100
PIPELINES = (1, 16)

LOADS = {
    "ZADD": "ZADD z __rand_int__ member:__rand_int__",
    "ZINCRBY": "ZINCRBY z 1 member:__rand_int__",
    "ZRANK": "ZRANK z member:__rand_int__",
    "ZRANGE of 100": "ZRANGE z {middle} {middle_99}",
    "ZRANGEBYSCORE of 100": "ZRANGEBYSCORE z {middle} +inf LIMIT 0 100",
    "LPUSH": "LPUSH l element",
    "LPOP": "LPOP l",
    "LRANGE of 100": "LRANGE l 0 99",
    "LRANGE of 100, middle": "LRANGE l {middle} {middle_99}",
    "SADD": "SADD s member:__rand_int__",
    "SISMEMBER": "SISMEMBER s member:__rand_int__",
    "SRANDMEMBER": "SRANDMEMBER s",
    "HSET": "HSET h field:__rand_int__ value",
    "HGET": "HGET h field:__rand_int__",
    "HGETALL of 100": "HGETALL hundred",
    "XADD": "XADD x * field value",
    "XRANGE of 100": "XRANGE x - + COUNT 100",
    "SETBIT": "SETBIT b 4000 1",
    "APPEND": "APPEND b x",
}


def request(*words: bytes) -> bytes:
    """Write a request."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


def element(prefix: bytes, number: int) -> bytes:
    """Give an element as redis-benchmark makes them."""
    return b"%b:%012d" % (prefix, number)


MAKERS: dict[str, Callable[[range], list[bytes]]] = {
    "list": lambda numbers: [request(b"RPUSH", b"l", *[element(b"element", number) for number in numbers])],
    "set": lambda numbers: [request(b"SADD", b"s", *[element(b"member", number) for number in numbers])],
    "sorted set": lambda numbers: [
        request(b"ZADD", b"z", *[part for n in numbers for part in (b"%d" % n, element(b"member", n))])
    ],
    "hash": lambda numbers: [
        request(b"HSET", b"h", *[part for n in numbers for part in (element(b"field", n), b"value")])
    ],
    "stream": lambda numbers: [request(b"XADD", b"x", b"*", b"field", b"value") for _ in numbers],
}


def fill(server: Server, count: int, string_bytes: int) -> None:
    """Make the collections, so many elements each, and the string."""
    requests = [request(b"FLUSHALL"), request(b"SETRANGE", b"b", b"%d" % (string_bytes - 1), b"x")]
    requests.append(request(b"HSET", b"hundred", *[b"%b%d" % (part, n) for n in range(100) for part in (b"f", b"v")]))
    send(server, requests)
    for make in MAKERS.values():
        for start in range(0, count, 100 * BATCH):
            stop = min(start + 100 * BATCH, count)
            send(server, [each for at in range(start, stop, BATCH) for each in make(range(at, min(at + BATCH, stop)))])


def send(server: Server, requests: list[bytes]) -> None:
    """Send requests that are answered with a line each, or a short string, and wait for all of the answers."""
    with server.connect() as stream:
        stream.sendall(b"".join(requests) + request(b"ECHO", b"the end of it"))
        received = b""
        while not received.endswith(b"the end of it\r\n"):
            piece = stream.recv(1 << 20)
            if not piece or piece.startswith(b"-"):
                sys.exit(f"{server.name} refused a request: {piece[:200]!r}")
            received = received[-100:] + piece


def words(load: str, count: int) -> list[str]:
    middle = count // 2
    return load.format(middle=middle, middle_99=middle + 99).split()


def measure_all(options: argparse.Namespace, report: Report, servers: list[Server]) -> None:
    costs: dict[tuple[int, str], list[Figures]] = {(pipeline, name): [] for pipeline in PIPELINES for name in LOADS}
    for count in (1000, options.elements):  # in this order: what large ones leave behind is released in the background
        for server in servers:
            fill(server, count, options.string_bytes if count == options.elements else 1000)
        for pipeline, name in costs:
            n = options.requests * (1 if pipeline == 1 else 3)
            asked = words(LOADS[name], count)
            measure = partial(redis_benchmark, test=asked, requests=n, pipeline=pipeline, keys=count)
            costs[pipeline, name] += in_turn(options.rounds, servers, measure)
    columns = ["redis CPU us", "owncache CPU us", "owncache / redis", "redis with 1,000", "owncache with 1,000"]
    for pipeline in PIPELINES:
        report.table(f"P={pipeline}, {options.elements} elements", "load", *columns)
        for name in LOADS:
            theirs_small, ours_small, theirs, ours = costs[pipeline, name]
            quotient = ratio(ours.cost, theirs.cost)
            report.row(name, theirs.cost, ours.cost, quotient, theirs_small.cost, ours_small.cost)


def main() -> None:
    arguments = Arguments(__doc__, rounds=3)
    arguments.size("--elements", 1_000_000, 2_000, "elements of each collection")
    arguments.size("--requests", 50_000, 500, "requests of each load, three times as many pipelined")
    arguments.size("--string-bytes", 100_000_000, 100_000, "bytes of the string")
    options = arguments.read()
    need("redis-server", "redis-benchmark")
    report = Report("data_types", options, "redis-server")
    with redis() as theirs, owncache(options) as ours:
        measure_all(options, report, [theirs, ours])
    report.save()


if __name__ == "__main__":
    main()
