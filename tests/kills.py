"""Kills a server under load, again and again, and has `tests.histories` judge what it has kept.

    python -m tests.kills --subject owncache --mode always --kills 200

A server is started on a folder, clients write at random, SIGKILL ends it at a random moment, it is started again on the
same folder, and all its keys are read and judged; the next load goes on from there.  The seed that is told decides what
is sent and when, not how far the server gets with it.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Awaitable, Callable, Iterator, Sequence

import attrs

from tests.histories import TICKET, Entry, History, Keyspace, Request, judge
from tests.launch import launch
from twisted_kv.errors import CommandError
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.reply_reader import ReplyReader

PATIENCE = 30.0
"""Seconds after which a server that does not do what it should is a failure."""

DATABASES = 3
CONNECTIONS = 6
BALLAST = 400
"""Keys of 1000 bytes that the first connection writes at first, so that the files take a while to write."""

FRESH = 10
"""Kills after which a new folder is begun."""

SUBJECTS: dict[str, Callable[..., list[str]]] = {
    "owncache": lambda *options: launch("--no-udp", *options),
    "redis-server": lambda *options: ["redis-server", "--bind", "127.0.0.1", *options],
}
"""How each server is started, given options that all of them know."""


@attrs.frozen
class Mode:
    """Options of the server, and what they promise.

    What was answered `lag` seconds before the kill must be in, minus infinity if all that was answered must be.
    `chores` are requests that write files, and `longest` is how many seconds the load goes on at most.
    """

    options: tuple[str, ...]
    lag: float
    chores: tuple[str, ...] = ()
    longest: float = 1.5


def appending(fsync: str, *more: str) -> tuple[str, ...]:
    return ("--appendonly", "yes", "--appendfsync", fsync, *(more or ("--save", "")))


SNAPSHOTS = ("--appendonly", "no", "--save", "1 1")
MODES = {
    "always": Mode(appending("always"), -math.inf),
    "everysec": Mode(appending("everysec"), 2.0, longest=3.5),
    "no": Mode(appending("no"), math.inf),
    "snapshots": Mode(SNAPSHOTS, 8.0, ("BGSAVE", "BGSAVE", "SAVE")),
    "savepoints": Mode(SNAPSHOTS, 8.0, longest=12.0),
    "rewrites": Mode(appending("always"), -math.inf, ("BGREWRITEAOF",)),
    "rewrites everysec": Mode(appending("everysec"), 2.0, ("BGREWRITEAOF",), longest=3.5),
    "everything": Mode(appending("always", "--save", "1 1"), -math.inf, ("BGREWRITEAOF", "BGSAVE", "SAVE")),
}


# What is sent


class Author:
    """Thinks of the requests of one connection: on its own keys, in a few databases, each value another."""

    def __init__(self, name: int, draw: random.Random, ballast: int = 0) -> None:
        self.draw = draw
        self._name = name
        self._count = 0
        self._stamp = draw.getrandbits(32)
        self._ballast = iter(range(ballast))

    def _key(self, family: str) -> bytes:
        """Give a key that has held, if anything, most often a string (s), a counter (n), a float (f) or a hash (h)."""
        if self.draw.random() < 0.02:
            family = self.draw.choice("snfh")
        return f"{self._name}:{family}{self.draw.randrange(8)}".encode()

    def _value(self) -> bytes:
        self._count += 1
        size = 20_000 if self.draw.random() < 0.005 else self.draw.randrange(60)
        return b"v%d.%x." % (self._count, self._stamp) + b"x" * size

    def _far(self, unit: int) -> bytes:
        return b"%d" % (self.draw.randrange(10_000, 1_000_000) * unit)

    def _pairs(self) -> Iterator[bytes]:
        for field in self.draw.sample(range(8), self.draw.randint(1, 5)):
            yield from (b"f%d" % field, self._value())

    def request(self) -> tuple[bytes, ...]:
        """Give the next request."""
        for number in self._ballast:
            return b"SET", b"%d:ballast%d" % (self._name, number), self._value() + b"b" * 1000
        kind, any_key = self.draw.choice(KINDS), self._key(self.draw.choice("snfh"))
        if kind == "HSET":
            return (b"HSET", self._key("h"), *self._pairs())
        if kind == "HDEL":
            return (b"HDEL", self._key("h"), *(b"f%d" % each for each in self.draw.sample(range(8), 3)))
        if kind == "SET":
            options = [(), (), (b"PX", self._far(1000)), (b"KEEPTTL",), (b"NX",)]
            return (b"SET", self._key("s"), self._value(), *self.draw.choice(options))
        requests: dict[str, Callable[[], tuple[bytes, ...]]] = {
            "SELECT": lambda: (b"SELECT", b"%d" % self.draw.randrange(DATABASES)),
            "DRAW": lambda: (b"INCR", TICKET),
            "COUNT": lambda: (b"INCR", b"%d:count" % self._name),
            "INCR": lambda: (b"INCR", self._key("n")),
            "INCRBYFLOAT": lambda: (b"INCRBYFLOAT", self._key("f"), b"0.5"),
            "APPEND": lambda: (b"APPEND", self._key("s"), self._value()),
            "MSET": lambda: (b"MSET", self._key("s"), self._value(), self._key("s"), self._value()),
            "HINCRBY": lambda: (b"HINCRBY", self._key("h"), b"n", b"%d" % self.draw.randint(-9, 9)),
            "DEL": lambda: (b"DEL", any_key, self._key("h")),
            "GETDEL": lambda: (b"GETDEL", self._key("s")),
            "RENAME": lambda: (b"RENAME", self._key("s"), self._key("s")),
            "EXPIRE": lambda: (b"EXPIRE", any_key, b"-1" if self.draw.random() < 0.1 else self._far(1)),
            "PEXPIREAT": lambda: (b"PEXPIREAT", any_key, b"%d" % (FUTURE + self.draw.randrange(FUTURE))),
            "PERSIST": lambda: (b"PERSIST", any_key),
            "GETEX": lambda: (b"GETEX", self._key("s"), *self.draw.choice([(b"PX", self._far(1000)), (b"PERSIST",)])),
        }
        return requests[kind]()


FUTURE = 4_000_000_000_000
"""Milliseconds since 1970: a date in the year 2096."""

KINDS = (
    "SET SET SET SET SET HSET HSET HSET INCR INCR COUNT COUNT COUNT COUNT DRAW DRAW DRAW APPEND APPEND HDEL HINCRBY "
    "INCRBYFLOAT MSET MSET DEL DEL GETDEL RENAME EXPIRE EXPIRE PEXPIREAT PERSIST PERSIST GETEX SELECT"
).split()
"""The kinds of requests, each as often as it is likely.

COUNT goes to a key that is never removed, so that few states come twice.
"""


# What is there


def read_keyspace(ask: Callable[[Sequence[tuple[bytes, ...]]], list[Any]], date: Callable[[], float]) -> Keyspace:
    """Read all keys; `ask` gives the answers to a few requests, and `date` the present in seconds since 1970."""
    found: Keyspace = {}
    for database in range(DATABASES):
        _, keys = ask([(b"SELECT", b"%d" % database), (b"KEYS", b"*")])
        for start in range(0, len(keys), 50):
            some = keys[start : start + 50]
            kinds = ask([(b"TYPE", key) for key in some])
            values = ask([(b"HGETALL" if kind == b"hash" else b"GET", key) for key, kind in zip(some, kinds)])
            before = int(date() * 1000)
            left = ask([(b"PTTL", key) for key in some])
            after = math.ceil(date() * 1000)
            for key, kind, value, ttl in zip(some, kinds, values, left):
                held = dict(zip(value[::2], value[1::2])) if kind == b"hash" else value
                found[database, key] = Entry(held, None if ttl == -1 else (before + ttl, after + ttl))
    return found


class Client:
    """A connection that blocks."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._replies = ReplyReader()

    def ask(self, requests: Sequence[tuple[bytes, ...]]) -> list[Any]:
        """Send requests at once and give the answers."""
        self._socket.sendall(b"".join(map(encode_request, requests)))
        answers: list[Any] = []
        while len(answers) < len(requests):
            if (reply := self._replies.gets()) is not None:
                answers += reply
                continue
            piece = self._socket.recv(65_536)
            if not piece:
                raise ConnectionError("the server closed the connection")
            self._replies.feed(piece)
        return answers

    def close(self) -> None:
        self._socket.close()


# The server


class Server:
    """A server on a free port that keeps its files in a folder; it leads a process group of its own."""

    def __init__(self, subject: str, options: Sequence[str], folder: Path) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="run-", dir=folder.parent))  # twistd leaves its pid here
        self._log = self._scratch / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        # All processes of the server hold one end of a pipe: once it is closed, all have ended.
        self._alive, held = os.pipe()
        try:
            with open(self._log, "wb") as log:
                self._process = subprocess.Popen(
                    SUBJECTS[subject]("--port", str(self.port), "--dir", str(folder), *options),
                    cwd=self._scratch,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[held],
                )
        finally:
            os.close(held)

    def said(self) -> str:
        """All that was logged so far."""
        return self._log.read_text(errors="replace")

    def is_running(self) -> bool:
        return self._process.poll() is None

    def lacked_its_port(self) -> bool:
        """Tell whether it ended because another program had taken its port."""
        return not self.is_running() and "ddress already in use" in self.said()

    def connect(self) -> Client | None:
        """Wait until its files are read, and connect to it; gives None if another program had taken its port."""
        end = time.monotonic() + PATIENCE
        while self.is_running() and time.monotonic() < end:
            with suppress(OSError):
                client = Client(self.port)
                if client.ask([(b"PING",)]) == [b"PONG"] and self.is_running():
                    return client
                client.close()  # it is still loading
            time.sleep(0.01)
        if self.lacked_its_port():
            return None
        raise AssertionError(f"the server does not start:\n{self.said()[-3000:]}")

    def kill(self, orphans: bool = False) -> None:
        """Kill it with all its children, or let those end in their own time: a snapshot may be finished yet."""
        if orphans:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
            select.select([self._alive], [], [], PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its number is still taken: it was not waited for
        self._process.wait(PATIENCE)
        gone, _, _ = select.select([self._alive], [], [], PATIENCE)
        assert gone, "a process of the server's lives on"

    def close(self) -> None:
        """Kill it if it runs, and forget it."""
        if self._scratch.exists():
            if self.is_running():
                self.kill()
            os.close(self._alive)
            shutil.rmtree(self._scratch)


# The load


class Stream:
    """A connection of the load."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._replies = ReplyReader()

    @classmethod
    async def open(cls, port: int) -> Stream:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def send(self, requests: Sequence[tuple[bytes, ...]]) -> None:
        self._writer.write(b"".join(map(encode_request, requests)))
        await self._writer.drain()

    async def reply(self) -> Any:
        """Wait for the next answer; ConnectionError once there are no more."""
        while (reply := self._replies.gets()) is None:
            piece = await self._reader.read(65_536)
            if not piece:
                raise ConnectionError
            self._replies.feed(piece)
        return reply[0]

    def close(self) -> None:
        self._writer.close()


async def write(stream: Stream, history: History, author: Author) -> None:
    """Send an author's requests until the connection is lost, some one by one and some many at once."""
    draw = author.draw
    depth = draw.choice([1, 1, 4, 16, 100])
    ahead = draw.choice([0, depth])  # how many may be unanswered when more are sent
    unanswered: list[Request] = []
    while True:
        batch = [author.request() for _ in range(draw.randint(1, depth))]
        sent = time.monotonic()
        unanswered += [Request(words, sent) for words in batch]
        history.requests += unanswered[-len(batch) :]
        await stream.send(batch)
        while len(unanswered) > ahead:
            reply = await stream.reply()
            request = unanswered.pop(0)
            request.answered, request.reply = time.monotonic(), reply
        if draw.random() < 0.1:
            await asyncio.sleep(draw.expovariate(200))


@attrs.define
class Load:
    """What clients did to a server until it was killed; what was answered before `claimed` was told to be on disk."""

    histories: list[History]
    ended: float = math.inf
    claimed: float = -math.inf
    chores: int = 0
    chore: asyncio.Event = attrs.Factory(asyncio.Event)


async def do_chores(stream: Stream, load: Load, mode: Mode, draw: random.Random) -> None:
    """Have files written at random moments, and note what the server says was written."""

    async def ask(request: bytes) -> Any:
        await stream.send([(request,)])
        return await stream.reply()

    while mode.chores:
        await asyncio.sleep(draw.uniform(0, 0.2))
        request = draw.choice(mode.chores)
        sent = time.monotonic()
        load.chore.set()
        answer = await ask(request.encode())
        if isinstance(answer, CommandError):
            assert re.search("in progress|child process is active", str(answer)), f"{request} was answered {answer}"
            continue
        load.chores += 1
        if request == "BGSAVE":
            while b"rdb_bgsave_in_progress:0\r\n" not in (told := await ask(b"INFO")):
                await asyncio.sleep(0.01)
            if b"rdb_last_bgsave_status:ok\r\n" not in told:
                continue
        if request != "BGREWRITEAOF":
            load.claimed = sent


async def run_load(server: Server, mode: Mode, authors: Sequence[Author], draw: random.Random) -> Load:
    """Write to a server, by a connection for each author, until it was killed in the midst."""
    epoch = time.time() - time.monotonic()
    load = Load([History(number, epoch=epoch) for number in range(len(authors))])
    streams = [await Stream.open(server.port) for _ in range(len(authors) + 1)]

    async def until_lost(work: Awaitable[None]) -> None:
        with suppress(ConnectionError):
            await work

    async def end() -> None:
        await asyncio.sleep(draw.uniform(0.05, mode.longest))
        if mode.chores and draw.random() < 0.6:
            load.chore.clear()
            await asyncio.wait_for(load.chore.wait(), PATIENCE)
            await asyncio.sleep(draw.choice([0.0, 0.005, 0.05]) * draw.random())
        assert server.is_running(), f"the server ended by itself:\n{server.said()[-3000:]}"
        load.ended = time.monotonic()
        server.kill(orphans=draw.random() < 0.5)

    work = [write(*each) for each in zip(streams, load.histories, authors)]
    work.append(do_chores(streams[-1], load, mode, draw))
    try:
        await asyncio.wait_for(asyncio.gather(end(), *map(until_lost, work)), PATIENCE + mode.longest)
    finally:
        for stream in streams:
            stream.close()
    return load


# The trial


@attrs.define
class Tally:
    """What a trial has seen: were its figures small, it would prove nothing."""

    kills: int = 0
    requests: int = 0
    answered: int = 0
    kept: int = 0
    chores: int = 0
    claims: int = 0

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in attrs.asdict(self).items())


def start(subject: str, mode: Mode, folder: Path, draw: random.Random) -> tuple[Server, Client]:
    """Start a server, sometimes after it was killed at its start once or twice."""
    impatient = folder.exists() and any(folder.iterdir()) and draw.random() < 0.2
    folder.mkdir(exist_ok=True)
    for _ in range(draw.randint(1, 2) if impatient else 0):
        server = Server(subject, mode.options, folder)
        time.sleep(draw.uniform(0, 0.05 if subject == "redis-server" else 1.0))
        server.kill()
        server.close()
    for _ in range(5):
        server = Server(subject, mode.options, folder)
        try:
            client = server.connect()
        except BaseException:
            server.close()
            raise
        if client is not None:
            return server, client
        server.close()
    raise AssertionError("all ports are taken")


def trial(
    subject: str,
    mode: Mode,
    folder: Path,
    kills: int,
    seed: int,
    *,
    ballast: int = BALLAST,
    tamper: Callable[[Path], None] = lambda folder: None,
) -> Tally:
    """Kill a server so many times in a folder, and judge each time what it has kept.

    `tamper` may do something to its files before it is started again.
    """
    tally = Tally()
    draw = random.Random(f"{seed} {mode}")
    server: Server | None = None
    found: Keyspace = {}
    try:
        for number in range(kills):
            files = folder / f"files-{number // FRESH}"
            if number % FRESH == 0:
                if server is not None:
                    server.close()
                server, client = start(subject, mode, files, draw)
                client.close()
                found = {}
            assert server is not None
            authors = [
                Author(name, random.Random(draw.getrandbits(64)), ballast if name == number % FRESH == 0 else 0)
                for name in range(CONNECTIONS)
            ]
            load = asyncio.run(run_load(server, mode, authors, draw))
            server.close()
            tamper(files)
            shutil.rmtree(folder / "as-killed", ignore_errors=True)
            shutil.copytree(files, folder / "as-killed")  # for those who look into a failure
            server, client = start(subject, mode, files, draw)
            begin, found = found, read_keyspace(client.ask, time.time)
            client.close()
            moment = max(load.claimed, load.ended - mode.lag)
            kept = judge(begin, load.histories, found, load.ended, moment)
            tally.kills += 1
            tally.requests += sum(len(history.requests) for history in load.histories)
            tally.answered += sum(history.answered_before(math.inf) for history in load.histories)
            tally.kept += sum(kept)
            tally.chores += load.chores
            tally.claims += load.claimed > -math.inf
    except AssertionError as error:
        told = f"{subject}, seed {seed}, kill {tally.kills + 1} in {folder}: {error}"
        if server is not None and server.is_running():
            told += f"\nThe server that reads these files says:\n{server.said()[-2000:]}"
        raise AssertionError(told) from error
    finally:
        if server is not None:
            server.close()
    return tally


def main() -> None:
    """Try modes for long, and tell what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description="Kills servers and judges what is kept.")
    parser.add_argument("--subject", choices=SUBJECTS, default="owncache")
    parser.add_argument("--mode", choices=MODES, action="append", help="may be said more than once; all by default")
    parser.add_argument("--kills", type=int, default=200, help="for each mode")
    parser.add_argument("--ballast", type=int, default=BALLAST, help="keys of 1000 bytes")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    chosen = parser.parse_args()
    for name in chosen.mode or MODES:
        print(f"{chosen.subject}, {name}, seed {chosen.seed}: ", end="", flush=True)
        folder = Path(tempfile.mkdtemp(prefix="kills-"))
        tally = trial(chosen.subject, MODES[name], folder, chosen.kills, chosen.seed, ballast=chosen.ballast)
        print(tally, flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
