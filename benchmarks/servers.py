"""Holds owncache against a redis-server on the same machine, in one run.

    python benchmarks/servers.py                      # needs redis-server and redis-benchmark
    python benchmarks/servers.py --rounds 5 --seconds 2

Over TCP, redis-benchmark loads both in turn (50 clients, values of 64 bytes, keys set before they are read).  Over UDP,
where Redis does not speak, 50 sockets ask owncache for keys, and Redis's cost of a GET over TCP is what it is held
against.  For each load: requests per second, and the server's own CPU time per request, which is what to trust on a
machine that others use too.  Medians over the rounds.  Everything stays on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import csv
import os
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from typing import Iterator, NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
KEYS = 10_000


class Figure(NamedTuple):
    """What one round gave: requests per second, and CPU microseconds of the server per request."""

    rate: float
    cost: float


class Server(NamedTuple):
    """A server under load."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """CPU time that the process has used so far."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def free_port() -> int:
    """Give a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(name: str, *command: str) -> Iterator[Server]:
    """Run a server until the block ends; `{port}` in the command is filled in."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [word.format(port=port) for word in command],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 20
            while True:
                if process.poll() is not None:
                    sys.exit(f"{name} ended with status {process.returncode}")
                try:
                    socket.create_connection(("127.0.0.1", port), 0.5).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        sys.exit(f"{name} does not answer")
                    time.sleep(0.05)
            yield Server(name, port, process)
        finally:
            process.terminate()
            process.wait(10)


def tcp(server: Server, test: str, pipeline: int, requests: int) -> Figure:
    """Load a server with redis-benchmark."""
    before = server.cpu_seconds()
    output = subprocess.run(
        f"redis-benchmark -p {server.port} -t {test} -P {pipeline} -n {requests} -c 50 -d 64 -r {KEYS} --csv".split(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = list(csv.DictReader(line for line in output.splitlines() if line.startswith('"')))
    return Figure(float(rows[-1]["rps"]), (server.cpu_seconds() - before) / requests * 1e6)


def udp(server: Server, sockets: int, window: int, seconds: float) -> Figure:
    """Ask for keys by datagrams in the `equals` dialect, `window` of them under way on each socket."""
    with ExitStack() as stack:
        peers = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(sockets)]
        poll = select.epoll()
        stack.callback(poll.close)
        for peer in peers:
            peer.connect(("127.0.0.1", server.port))
            peer.setblocking(False)
            poll.register(peer, select.EPOLLIN)
        by_number = {peer.fileno(): peer for peer in peers}
        requests = [b"key:%012d" % number for number in range(KEYS)]
        before, started, replies, sent = server.cpu_seconds(), time.monotonic(), 0, 0
        for peer in peers:
            for _ in range(window):
                peer.send(requests[sent % KEYS])
                sent += 1
        while time.monotonic() - started < seconds:
            events = poll.poll(0.25)
            if not events:  # lost: ask again
                for peer in peers:
                    peer.send(requests[sent % KEYS])
                    sent += 1
            for number, _ in events:
                peer = by_number[number]
                try:
                    while True:
                        peer.recv(2048)
                        replies += 1
                        peer.send(requests[sent % KEYS])
                        sent += 1
                except BlockingIOError:
                    pass
        elapsed = time.monotonic() - started
        return Figure(replies / elapsed, (server.cpu_seconds() - before) / replies * 1e6)


def median(figures: list[Figure]) -> Figure:
    """Give the medians of the rates and of the costs."""
    return Figure(statistics.median(each.rate for each in figures), statistics.median(each.cost for each in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100_000, help="of each TCP load, four times as many pipelined")
    parser.add_argument("--seconds", type=float, default=2, help="of each UDP load")
    options = parser.parse_args()
    for needed in ("redis-server", "redis-benchmark"):
        if shutil.which(needed) is None:
            sys.exit(f"{needed} is not installed")
    twistd = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "owncache"]
    with ExitStack() as stack:
        redis = stack.enter_context(
            running("redis", "redis-server", "--port", "{port}", "--save", "", "--appendonly", "no")
        )
        ours = stack.enter_context(running("owncache", *twistd, "--port", "{port}"))
        print("| load | redis req/s | owncache req/s | ratio | redis us CPU | owncache us CPU | redis / owncache |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        cost_of_get = 0.0
        for pipeline in (1, 16, 64):
            for test in ("set", "get"):
                requests = options.requests * (1 if pipeline == 1 else 4)
                pairs = [[tcp(each, test, pipeline, requests) for each in (redis, ours)] for _ in range(options.rounds)]
                theirs, own = (median([pair[place] for pair in pairs]) for place in (0, 1))
                if (test, pipeline) == ("get", 1):
                    cost_of_get = theirs.cost
                show(f"TCP {test.upper()} P={pipeline}", theirs, own)
        for sockets, window in ((50, 1), (8, 32)):
            own = median([udp(ours, sockets, window, options.seconds) for _ in range(options.rounds)])
            show(f"UDP key, {sockets} x {window} (beside Redis's TCP GET P=1)", Figure(0, cost_of_get), own)


def show(load: str, theirs: Figure, own: Figure) -> None:
    """Print a row of the table."""
    rates = (
        f"{theirs.rate:.0f} | {own.rate:.0f} | {own.rate / theirs.rate:.2f}"
        if theirs.rate
        else f"- | {own.rate:.0f} | -"
    )
    print(f"| {load} | {rates} | {theirs.cost:.1f} | {own.cost:.1f} | {theirs.cost / own.cost:.2f} |", flush=True)


if __name__ == "__main__":
    main()
