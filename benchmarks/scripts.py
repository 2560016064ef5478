"""Measures scripts: EVALSHA of those that locks and queues use, of loops, of JSON, and the jobs of BullMQ.

    python benchmarks/scripts.py
    NODE_PATH=node_modules python benchmarks/scripts.py        where BullMQ is installed (npm install bullmq)

Each load is sent to redis-server and to owncache in turn; what is told is the server's own CPU.  Needs redis-server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Callable, Sequence

import attrs
from harness import Arguments, Report, Server, need, owncache, ratio, redis
from messages import ask, in_turn, read, request, timed

UNLOCK = b"if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
GET = b"return redis.call('get', KEYS[1])"
SET = b"return redis.call('set', KEYS[1], ARGV[1])"
GETS = b"for i = 1, 100 do redis.call('get', KEYS[1]) end"
LOOP = b"local n = 0 for i = 1, 100000 do n = n + i end return n"
RANGE = b"return redis.call('lrange', KEYS[1], 0, -1)"
JSON = (
    b'{"id":12345,"name":"some job name","data":{"a":[1,2,3,4,5],"b":"text with some length","c":true,"d":null},'
    b'"opts":{"attempts":3,"delay":0,"timestamp":1690000000000},"x":1.5,"y":"zz"}'
)
BULLMQ = Path(__file__).with_name("bullmq.js")


@attrs.frozen
class Load:
    """A script with its keys and arguments, the share of all requests that are sent, and how many at a time."""

    title: str
    source: bytes
    keys: Sequence[bytes] = ()
    arguments: Sequence[bytes] = ()
    share: float = 1.0
    pipeline: int = 1


LOADS = (
    Load("return 1", b"return 1"),
    Load("unlock, not the owner", UNLOCK, [b"key"], [b"another"]),
    Load("one GET", GET, [b"key"]),
    Load("one SET", SET, [b"other"], [b"v" * 64]),
    Load("LRANGE of 10", RANGE, [b"list"]),
    Load("100 GETs", GETS, [b"key"], share=1 / 20),
    Load("a loop of 100,000 turns", LOOP, share=1 / 100),
    Load("cjson.decode of 200 bytes", b"return #cjson.decode(ARGV[1])", arguments=[JSON]),
    Load("cjson.encode of what it gave", b"return cjson.encode(cjson.decode(ARGV[1]))", arguments=[JSON]),
)


def evaluate(server: Server, load: Load, requests: int) -> float:
    """Send a script by its SHA1."""
    with server.connect() as stream:
        ask(stream, request(b"SET", b"key", b"v" * 64), b"+OK\r\n")
        ask(stream, request(b"DEL", b"list"), b"\r\n")
        ask(stream, request(b"RPUSH", b"list", *(b"item%d" % number for number in range(10))), b":10\r\n")
        stream.sendall(request(b"SCRIPT", b"LOAD", load.source))
        sha = stream.recv(100)[5:45]
        words = request(b"EVALSHA", sha, b"%d" % len(load.keys), *load.keys, *load.arguments)
        stream.sendall(words)
        size = len(stream.recv(1 << 16))
        count = max(10, int(requests * load.share))

        def send() -> None:
            for _ in range(max(1, count // load.pipeline)):
                stream.sendall(words * load.pipeline)
                read(stream, size * load.pipeline)

        send()
        return timed(server, max(1, count // load.pipeline) * load.pipeline, send)


def queue(server: Server, jobs: int) -> float:
    """Have BullMQ add jobs, and a worker of it process them."""

    def send() -> None:
        subprocess.run(["node", str(BULLMQ), str(server.port), str(jobs)], check=True, timeout=300)

    send()
    return timed(server, jobs, send)


def has_bullmq() -> bool:
    folders = os.environ.get("NODE_PATH", "").split(os.pathsep)
    return shutil.which("node") is not None and any((Path(folder) / "bullmq").is_dir() for folder in folders)


def main() -> None:
    arguments = Arguments(__doc__)
    arguments.size("--requests", 10_000, 40, "requests of each load")
    arguments.size("--jobs", 2_000, 10, "jobs of BullMQ, if it is installed")
    options = arguments.read()
    need("redis-server")
    report = Report("scripts", options, "redis-server")
    with ExitStack() as stack:
        servers: list[Any] = [stack.enter_context(start()) for start in (redis, partial(owncache, options))]

        def measure(title: str, load: Callable[[Server], float]) -> None:
            theirs, ours = in_turn(options.rounds, servers, load)
            report.row(title, theirs, ours, ratio(ours, theirs))

        report.table("Scripts", "EVALSHA of", "redis CPU us", "owncache CPU us", "owncache / redis")
        for pipeline in (1, 16):
            for load in LOADS:
                if pipeline == 1 or load.share == 1:
                    title = load.title if pipeline == 1 else f"{load.title}, {pipeline} at a time"
                    one = attrs.evolve(load, pipeline=pipeline)
                    measure(title, partial(evaluate, load=one, requests=options.requests))
        if has_bullmq():
            report.table("BullMQ", "load", "redis CPU us", "owncache CPU us", "owncache / redis")
            measure("a job that is added and processed", partial(queue, jobs=options.jobs))
    report.save()


if __name__ == "__main__":
    main()
