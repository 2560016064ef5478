"""Measures requests per second, CPU per request and latency: TCP beside redis-server, UDP beside memcached.

    python benchmarks/servers.py

Over TCP redis-benchmark loads both with 50 clients.  Over UDP some sockets ask both for keys, each in its own way:
owncache by the bare key, memcached by `get key` behind its header of eight bytes.  There are 10,000 keys, with values
of 64 bytes, all of them set before they are read.  Needs redis-server and redis-benchmark; without memcached its
columns are empty.
"""

from __future__ import annotations

import argparse
import socket
import sys
from contextlib import ExitStack

from harness import PATIENCE, Arguments, Figures, Report, Server, installed, memcached, need, owncache, ratio, redis
from loads import KEYS, VALUE, ask_by_datagrams, fill, in_turn, key, redis_benchmark

FRAME = b"\0\0\0\0\0\1\0\0"
"""How each request to memcached begins over UDP: request 0, datagram 0 of 1."""


def fill_memcached(server: Server) -> None:
    """Set all keys by datagrams, one after the other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(PATIENCE)
        peer.connect(("127.0.0.1", server.port))
        for number in range(KEYS):
            peer.send(FRAME + b"set %b 0 0 %d\r\n%b\r\n" % (key(number), len(VALUE), VALUE))
            if not peer.recv(2048).endswith(b"STORED\r\n"):
                sys.exit("memcached refused a key")


def tcp(options: argparse.Namespace, report: Report, ours: Server) -> None:
    with redis() as theirs:
        for server in (theirs, ours):
            fill(server, KEYS)
        begin(report, "TCP", "redis")
        for pipeline in (1, 16, 64):
            for test in ("set", "get"):
                requests = options.requests * (1 if pipeline == 1 else 5)

                def measure(server: Server, test: str = test, pipeline: int = pipeline, n: int = requests) -> Figures:
                    return redis_benchmark(server, test, n, pipeline=pipeline)

                add(report, f"{test.upper()} P={pipeline}", *in_turn(options.rounds, [theirs, ours], measure))


def udp(options: argparse.Namespace, report: Report, ours: Server) -> None:
    asked = {
        "owncache": [key(number) for number in range(KEYS)],
        "memcached": [FRAME + b"get %b\r\n" % key(number) for number in range(KEYS)],
    }
    with ExitStack() as stack:
        servers = [ours]
        if installed("memcached"):
            servers.insert(0, stack.enter_context(memcached()))
            fill_memcached(servers[0])
        else:
            print("\nmemcached is not installed: its columns stay empty")
        begin(report, "UDP", "memcached")
        for sockets, window in ((50, 1), (8, 32)):

            def measure(server: Server, sockets: int = sockets, window: int = window) -> Figures:
                return ask_by_datagrams(
                    server, asked[server.name], sockets=sockets, window=window, seconds=options.seconds
                )

            *theirs, own = in_turn(options.rounds, servers, measure)
            add(report, f"key, {sockets} x {window}", theirs[0] if theirs else None, own)


def begin(report: Report, title: str, peer: str) -> None:
    """Begin a table; both ratios are better when they are higher."""
    of_both = [f"{peer} req/s", "owncache req/s", "ratio", f"{peer} CPU us", "owncache CPU us", f"{peer} / owncache"]
    report.table(title, "load", *of_both, f"{peer} p99 ms", "owncache p99 ms")


def add(report: Report, load: str, peer: Figures | None, own: Figures) -> None:
    rate, cost, p99 = peer or (None, None, None)
    rates = (rate, own.rate, ratio(own.rate, rate))
    report.row(load, *rates, cost, own.cost, ratio(cost, own.cost), p99, own.p99)


def main() -> None:
    arguments = Arguments(__doc__)
    arguments.size("--requests", 100_000, 3_000, "requests of each TCP load, five times as many pipelined")
    arguments.size("--seconds", 2.0, 0.3, "length of each UDP load")
    options = arguments.read()
    need("redis-server", "redis-benchmark")
    report = Report("servers", options, "redis-server", "memcached")
    with owncache(options) as ours:
        tcp(options, report, ours)
        udp(options, report, ours)
    report.save()


if __name__ == "__main__":
    main()
