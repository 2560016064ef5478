"""Measures messages: PUBLISH to many subscribers, reading with client tracking on, and changes that are told.

    python benchmarks/messages.py

Each load is sent to redis-server and to owncache in turn by one Python process, which waits until every message has
arrived; what is told is the server's own CPU.  Needs redis-server.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import sys
import time
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Any, Callable, Sequence

from connections import SPARE, allow_files
from harness import PATIENCE, Arguments, Report, Server, need, owncache, ratio, redis

SUBSCRIBERS = (1, 100, 1000)
PIPELINE = 20
PAYLOAD = b"x" * 64
KEYS = 1000

Load = Callable[[Server], float]
"""Sends a load, and gives the CPU microseconds of the server for each of its requests."""


def request(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def read(stream: socket.socket, size: int) -> None:
    """Read so many bytes."""
    while size > 0:
        got = len(stream.recv(min(size, 1 << 20)))
        if not got:
            sys.exit("the server has closed a connection")
        size -= got


def ask(stream: socket.socket, data: bytes, end: bytes) -> None:
    """Send requests, and read until the replies end so."""
    stream.sendall(data)
    got = b""
    while not got.endswith(end):
        more = stream.recv(1 << 16)
        if not more:
            sys.exit("the server has closed a connection")
        got += more


def timed(server: Server, requests: int, send: Callable[[], None]) -> float:
    used = server.cpu_seconds()
    send()
    return (server.cpu_seconds() - used) / requests * 1e6


def publish(server: Server, subscribers: int, messages: int, pipeline: int) -> float:
    """Publish messages, so many at a time, to so many subscribers."""
    data = request(b"PUBLISH", b"news", PAYLOAD) * pipeline
    message = len(request(b"message", b"news", PAYLOAD)) * pipeline
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(subscribers):
            stream = stack.enter_context(server.connect())
            ask(stream, request(b"SUBSCRIBE", b"news"), b":1\r\n")
            selector.register(stream, selectors.EVENT_READ)
        publisher = stack.enter_context(server.connect())

        def send() -> None:
            for _ in range(max(1, messages // pipeline)):
                publisher.sendall(data)
                owed = message * subscribers
                deadline = time.monotonic() + PATIENCE
                while owed:
                    if time.monotonic() > deadline:
                        sys.exit(f"{server.name} has lost messages")
                    for key, _ in selector.select(PATIENCE):
                        owed -= len(key.fileobj.recv(1 << 16))  # type: ignore[union-attr]  # sockets are registered
                read(publisher, len(b":%d\r\n" % subscribers) * pipeline)

        send()
        return timed(server, max(1, messages // pipeline) * pipeline, send)


def get_tracked(server: Server, requests: int, *, is_tracked: bool) -> float:
    """Read keys, 16 requests at a time, with tracking or without."""
    with server.connect() as stream:
        ask(stream, request(b"HELLO", b"3"), b"*0\r\n")
        for key in range(KEYS):
            ask(stream, request(b"SET", b"k%d" % key, PAYLOAD), b"+OK\r\n")
        if is_tracked:
            ask(stream, request(b"CLIENT", b"TRACKING", b"on"), b"+OK\r\n")
        pieces = [
            b"".join(request(b"GET", b"k%d" % (key % KEYS)) for key in range(n, n + 16)) for n in range(0, KEYS, 16)
        ]
        reply = len(b"$64\r\n\r\n") + len(PAYLOAD)

        def send() -> None:
            for number in range(requests // 16):
                stream.sendall(pieces[number % len(pieces)])
                read(stream, 16 * reply)

        send()
        return timed(server, requests // 16 * 16, send)


def change_tracked(server: Server, changes: int, *, is_tracked: bool) -> float:
    """Change a key that another client has read: a GET and a SET, and the invalidation."""
    with server.connect() as reader, server.connect() as writer:
        ask(reader, request(b"HELLO", b"3"), b"*0\r\n")
        if is_tracked:
            ask(reader, request(b"CLIENT", b"TRACKING", b"on"), b"+OK\r\n")
        ask(writer, request(b"SET", b"k", PAYLOAD), b"+OK\r\n")
        get, change = request(b"GET", b"k"), request(b"SET", b"k", PAYLOAD)
        told = len(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n") if is_tracked else 0
        reply = len(b"$64\r\n\r\n") + len(PAYLOAD)

        def send() -> None:
            for _ in range(changes):
                reader.sendall(get)
                read(reader, reply)
                writer.sendall(change)
                read(writer, len(b"+OK\r\n"))
                read(reader, told)

        send()
        return timed(server, changes, send)


def in_turn(rounds: int, servers: Sequence[Server], load: Load) -> list[float]:
    """Send a load to servers in turn, and give the median of each."""
    costs: list[list[float]] = [[] for _ in servers]
    for _ in range(rounds):
        for server, found in zip(servers, costs):
            found.append(load(server))
    return [median(found) for found in costs]


def main() -> None:
    arguments = Arguments(__doc__)
    arguments.size("--messages", 400, 20, "messages of each load, to each subscriber")
    arguments.size("--requests", 40_000, 320, "requests with tracking")
    options = arguments.read()
    need("redis-server")
    allow_files(max(SUBSCRIBERS) + SPARE)
    limit = ["--maxclients", str(max(SUBSCRIBERS) + SPARE)]
    report = Report("messages", options, "redis-server")
    with ExitStack() as stack:
        servers: list[Any] = [stack.enter_context(start()) for start in starts(options, limit)]

        def measure(title: str, load: Load) -> None:
            theirs, ours = in_turn(options.rounds, servers, load)
            report.row(title, theirs, ours, ratio(ours, theirs))

        report.table("Messages", "load", "redis CPU us", "owncache CPU us", "owncache / redis")
        for count in SUBSCRIBERS:
            messages = options.messages if count > 1 else 10 * options.messages
            measure(f"PUBLISH to {count}", partial(publish, subscribers=count, messages=messages, pipeline=1))
            measure(
                f"PUBLISH to {count}, {PIPELINE} at a time",
                partial(publish, subscribers=count, messages=messages, pipeline=PIPELINE),
            )
        for tracked, what in ((False, "without tracking"), (True, "with tracking")):
            measure(f"GET P=16 {what}", partial(get_tracked, requests=options.requests, is_tracked=tracked))
            measure(f"GET and SET {what}", partial(change_tracked, changes=options.requests // 8, is_tracked=tracked))
    report.save()


def starts(options: argparse.Namespace, limit: list[str]) -> list[Callable[[], Any]]:
    """Return what starts the servers."""
    return [partial(redis, *limit), partial(owncache, options, *limit)]


if __name__ == "__main__":
    main()
