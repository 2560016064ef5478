"""Kills a server under load, again and again, and has `tests.generated.histories` judge what it has kept.

    python -m tests.servers.kills --subject owncache --mode always --kills 200

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
from typing import Any, Awaitable, Callable, Sequence

import attrs

from tests.generated.histories import History, Request, judge
from tests.generated.models.keyspace import Entry, Group, Keyspace, Pending, Ranked, Streamed, Value
from tests.generated.models.streams import identity
from tests.servers.authors import SHARED, Author, Words
from tests.servers.launch import launch
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.reply_reader import ReplyReader

PATIENCE = 30.0
"""Seconds after which a server that does not do what it should is a failure."""

CONNECTIONS = 6
DATABASES = SHARED + 2 * CONNECTIONS
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


# What is there


def read_keyspace(ask: Callable[[Sequence[Words]], list[Any]], date: Callable[[], float]) -> Keyspace:
    """Read all keys; `ask` gives the answers to a few requests, and `date` the present in seconds since 1970."""
    found: Keyspace = {}
    for database in range(DATABASES):
        _, keys = ask([(b"SELECT", b"%d" % database), (b"KEYS", b"*")])
        for start in range(0, len(keys), 50):
            some = keys[start : start + 50]
            kinds = ask([(b"TYPE", key) for key in some])
            values = ask([READING[kind](key) for key, kind in zip(some, kinds)])
            before = int(date() * 1000)
            left = ask([(b"PTTL", key) for key in some])
            after = math.ceil(date() * 1000)
            for key, kind, value, ttl in zip(some, kinds, values, left):
                expires = None if ttl == -1 else (before + ttl, after + ttl)
                found[database, key] = Entry(MAKING[kind](value), expires)
    return found


READING: dict[bytes, Callable[[bytes], Words]] = {
    b"string": lambda key: (b"GET", key),
    b"hash": lambda key: (b"HGETALL", key),
    b"list": lambda key: (b"LRANGE", key, b"0", b"-1"),
    b"set": lambda key: (b"SMEMBERS", key),
    b"zset": lambda key: (b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"),
    b"stream": lambda key: (b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"),
}
"""The request that reads a value, by its type."""


def by_twos(row: Sequence[Any]) -> Any:
    return zip(row[::2], row[1::2])


def make_stream(told: Sequence[Any]) -> Streamed:
    about = dict(by_twos(told))
    return Streamed(
        {identity(entry_id): tuple(fields) for entry_id, fields in about[b"entries"]},
        identity(about[b"last-generated-id"]),
        identity(about[b"max-deleted-entry-id"]),
        about[b"entries-added"],
        {group[b"name"]: make_group(group) for group in map(dict, map(by_twos, about[b"groups"]))},
    )


def make_group(about: dict[bytes, Any]) -> Group:
    return Group(
        identity(about[b"last-delivered-id"]),
        frozenset(dict(by_twos(consumer))[b"name"] for consumer in about[b"consumers"]),
        {identity(entry_id): Pending(consumer, (at, at), count) for entry_id, consumer, at, count in about[b"pending"]},
    )


MAKING: dict[bytes, Callable[[Any], Value]] = {
    b"string": bytes,
    b"hash": lambda row: dict(by_twos(row)),
    b"list": list,
    b"set": set,
    b"zset": lambda row: Ranked({member: float(score) for member, score in by_twos(row)}),
    b"stream": make_stream,
}
"""The value that a server has told, by its type."""


class Client:
    """A connection that blocks."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._replies = ReplyReader()

    def ask(self, requests: Sequence[Words]) -> list[Any]:
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
                told, pong = client.ask([(b"INFO", b"server"), (b"PING",)])
                if pong == b"PONG" and b"\r\nprocess_id:%d\r\n" % self._process.pid in told:  # not who has its port
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

    async def send(self, requests: Sequence[Words]) -> None:
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


@attrs.define
class Writer:
    """A connection that writes what an author thinks of, and another that waits for keys that the first one fills."""

    stream: Stream
    waiter: Stream
    history: History
    author: Author
    _unanswered: list[Request] = attrs.Factory(list)

    async def run(self) -> None:
        """Send requests until the connection is lost, some one by one and some many at once."""
        draw = self.author.draw
        depth = draw.choice([1, 1, 4, 16, 100])
        ahead = draw.choice([0, depth])  # how many may be unanswered when more are sent
        while True:
            await self._send(self._batch(draw.randint(1, depth)))
            await self._settle(0 if self.author.must_wait else ahead)
            if draw.random() < 0.04:
                await self._be_served()
            if draw.random() < 0.1:
                await asyncio.sleep(draw.expovariate(200))

    def _batch(self, count: int) -> list[Words]:
        """Give so many requests, fewer if an answer is to be waited for, and more if a transaction is under way."""
        batch = [self.author.request()]
        while not self.author.must_wait and (len(batch) < count or self.author.is_amid):
            batch.append(self.author.request())
        return batch

    async def _send(self, batch: Sequence[Words]) -> None:
        sent = time.monotonic()
        requests = [Request(words, sent) for words in batch]
        self._unanswered += requests
        self.history.requests += requests
        await self.stream.send(batch)

    async def _settle(self, ahead: int) -> None:
        """Wait until no more than some requests are unanswered."""
        while len(self._unanswered) > ahead:
            reply = await self.stream.reply()
            request = self._unanswered.pop(0)
            request.answered, request.reply = time.monotonic(), reply

    async def _be_served(self) -> None:
        """Wait for a key by the other connection; what it gets was done after what has filled the key."""
        await self._settle(0)
        served = self.author.served()
        await self._send(served.before)
        await self._settle(0)
        request = Request(served.waiting, time.monotonic())
        await self.waiter.send([(b"SELECT", b"%d" % self.author.database), served.waiting])
        assert await self.waiter.reply() == b"OK"
        await asyncio.sleep(self.author.draw.choice([0, 0, 0.002]))
        await self._send(served.serving)
        self.history.requests.append(request)
        await self._settle(0)
        reply = await self.waiter.reply()
        request.answered, request.reply = time.monotonic(), reply


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
    streams = [await Stream.open(server.port) for _ in range(2 * len(authors) + 1)]

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

    writers = map(Writer, streams, streams[len(authors) :], load.histories, authors)
    work = [writer.run() for writer in writers]
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
                Author(name, random.Random(draw.getrandbits(64)), ballast if name == number % FRESH == 0 else 0, number)
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
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers.kills", description="Kills servers and judges what is kept."
    )
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
