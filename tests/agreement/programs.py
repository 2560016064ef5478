"""Runs a real redis-server, or our program, as a process on a folder of files, and asks it over a socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import pytest

from tests.rdb.files import Group, Streamed, StreamId, Value
from tests.servers.launch import launch

from .replies import Word
from .servers import encode

OURS = os.environ.get("AGREEMENT_OURS", "owncache")
"""The program that is compared with Redis; `AGREEMENT_OURS=redis` compares Redis with itself, which tests the tests."""

PATIENCE = 30.0
"""Seconds that a program has for anything."""

BATCH = 100
"""Requests that are sent before their replies are read; few enough for the buffers of the sockets."""

Plain = Union[None, int, bytes, List[Any], "Complaint"]
Request = Tuple[Word, ...]
Contents = Dict[Tuple[int, bytes], Tuple[object, object, Optional[int]]]
"""Type, value and deadline (in milliseconds, or None) by database and key."""

MILLISECONDS = 1000
"""How far apart two deadlines may be if one of them is only known by the time that is left."""


class Complaint(str):
    """An error that a program replied."""


def tool(name: str) -> str:
    """Find one of Redis's programs, or skip the test."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    return program


class Connection:
    """A blocking connection that gives replies as plain values; a status is as a string."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._file = self._socket.makefile("rb")

    def ask(self, requests: Sequence[Request]) -> list[Plain]:
        """Send requests, a few at a time, and give their replies."""
        replies: list[Plain] = []
        for start in range(0, len(requests), BATCH):
            some = requests[start : start + BATCH]
            self._socket.sendall(b"".join(map(encode, some)))
            replies += [self._reply() for _ in some]
        return replies

    def _reply(self) -> Plain:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection was closed")
        mark, rest = line[:1], line[1:-2]
        if mark == b"+":
            return rest
        if mark == b"-":
            return Complaint(rest.decode())
        count = int(rest)
        if mark == b":":
            return count
        if count < 0:
            return None
        if mark == b"*":
            return [self._reply() for _ in range(count)]
        return self._file.read(count + 2)[:-2]

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self._socket.close()


class Program:
    """A program on a folder, which either answers or has ended when this is made.

    `status` is its exit status, None while it runs.  Its log goes beside the folder, where the next one does not
    overwrite it.
    """

    def __init__(self, name: str, folder: Path, *options: str) -> None:
        self.name = name
        self.folder = folder
        self._beside = folder.parent / f"{folder.name}.processes"
        self._beside.mkdir(exist_ok=True)
        self._connection: Optional[Connection] = None
        for _ in range(5):  # another program may take the port between our look and the start
            self._start(options)
            if self.status is None or "ddress already in use" not in self.log:
                return
        raise AssertionError(self.log)

    def _start(self, options: tuple[str, ...]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        place = self._beside / str(len(list(self._beside.iterdir())))  # twistd writes a file where it is started
        place.mkdir()
        self._log = place / "log"
        own = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(self.folder), *options]
        command = launch(*own) if self.name == "owncache" else [tool("redis-server"), *own]
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                command, cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + PATIENCE
        while self.status is None:
            try:
                self._connection = Connection(port)
                if self._is_this() and not isinstance(self.ask("PING"), Complaint):
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"{self.name} neither answers nor ends: {self.log}")
            time.sleep(0.01)

    def _is_this(self) -> bool:
        """Tell whether it is our process that answers, and not another that has the port, so that ours will end."""
        told = self.ask("INFO", "server")
        return isinstance(told, bytes) and b"\r\nprocess_id:%d\r\n" % self._process.pid in told

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """What was logged since the start."""
        return self._log.read_text(errors="replace")

    def ask(self, *words: Word) -> Plain:
        """Send a request and give its reply."""
        return self.ask_all([words])[0]

    def ask_all(self, requests: Iterable[Request]) -> list[Plain]:
        """Send requests and give their replies."""
        assert self._connection is not None, self.log
        return self._connection.ask(list(requests))

    def tell(self, requests: Iterable[Request]) -> None:
        """Send requests, none of which may fail."""
        requests = list(requests)
        for request, reply in zip(requests, self.ask_all(requests)):
            assert not isinstance(reply, Complaint), (self.name, request, reply)

    def info(self, section: str) -> dict[str, str]:
        """Give the fields of a section of INFO."""
        reply = self.ask("INFO", section)
        assert isinstance(reply, bytes)
        return dict(line.split(":", 1) for line in reply.decode().split("\r\n") if ":" in line)

    def wait_for_children(self) -> None:
        """Wait until nothing is saved or rewritten any more, and nothing is about to be."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            told = self.info("persistence")
            names = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
            if all(told[name] == "0" for name in names):
                return
            time.sleep(0.01)
        raise AssertionError(f"{self.name} saves without end: {self.log}")

    def shut_down(self, *words: Word) -> None:
        """Have it end by SHUTDOWN, which must succeed."""
        try:
            reply = self.ask("SHUTDOWN", *words)
        except ConnectionError:
            reply = None
        assert reply is None, (self.name, reply, self.log)
        self._process.wait(PATIENCE)
        assert self.status == 0, self.log

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self.status is None:
            self._process.kill()
        self._process.wait(PATIENCE)


@contextmanager
def started(name: str, folder: Path, *options: str) -> Iterator[Program]:
    """Run a program on a folder, and end it by its process id; it may have ended already."""
    program = Program(name, folder, *options)
    try:
        yield program
    finally:
        program.kill()


@contextmanager
def running(name: str, folder: Path, *options: str) -> Iterator[Program]:
    """Run a program on a folder, which must answer."""
    with started(name, folder, *options) as program:
        assert program.status is None, program.log
        yield program


_READ: Dict[object, Tuple[Word, ...]] = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"list": ("LRANGE", 0, -1),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"stream": ("XINFO", "STREAM", "FULL", "COUNT", 0),
}
"""How a value of each type is asked for; the key stands behind the name of the command."""


def type_of(value: Value) -> bytes:
    """Tell what TYPE answers for a value."""
    if isinstance(value, Streamed):
        return b"stream"
    if isinstance(value, list):
        return b"zset" if isinstance(value[0], tuple) else b"list"
    return {bytes: b"string", dict: b"hash", set: b"set"}[type(value)]


def question(kind: object, key: bytes) -> Request:
    """Give the request that asks for all of a value of a type."""
    words = _READ[kind]
    place = 2 if kind == b"stream" else 1
    return (*words[:place], key, *words[place:])


def value_told(kind: object, reply: Any) -> Value:
    """Give the value that was told by a reply to `question`."""
    if kind == b"hash":
        return dict(zip(reply[::2], reply[1::2]))
    if kind == b"set":
        return set(reply)
    if kind == b"zset":
        return [(float(score), member) for member, score in zip(reply[::2], reply[1::2])]
    return _stream_told(_named(reply)) if kind == b"stream" else reply


def _named(reply: List[Any]) -> Dict[bytes, Any]:
    return dict(zip(reply[::2], reply[1::2]))


def _stream_told(told: Dict[bytes, Any]) -> Streamed:
    return Streamed(
        [(_id_told(each[0]), tuple(each[1])) for each in told[b"entries"]],
        _id_told(told[b"last-generated-id"]),
        _id_told(told[b"recorded-first-entry-id"]),
        _id_told(told[b"max-deleted-entry-id"]),
        told[b"entries-added"],
        {group[b"name"]: _group_told(group) for group in map(_named, told[b"groups"])},
    )


def _group_told(told: Dict[bytes, Any]) -> Group:
    consumers = list(map(_named, told[b"consumers"]))
    held = {(each[b"name"], *entry) for each in consumers for entry in map(tuple, each[b"pending"])}
    assert held == {(consumer, entry, when, count) for entry, consumer, when, count in told[b"pending"]}
    return Group(
        _id_told(told[b"last-delivered-id"]),
        told[b"entries-read"],
        {each[b"name"]: each[b"seen-time"] for each in consumers},
        {_id_told(entry): (consumer, when, count) for entry, consumer, when, count in told[b"pending"]},
    )


def _id_told(text: bytes) -> StreamId:
    milliseconds, sequence = text.split(b"-")
    return int(milliseconds), int(sequence)


def contents(program: Program, databases: int = 16) -> Contents:
    """Give all that a program holds."""
    found: Contents = {}
    for index in range(databases):
        _, keys = program.ask_all([("SELECT", index), ("KEYS", "*")])
        assert isinstance(keys, list)
        types = program.ask_all([("TYPE", key) for key in keys])
        values = program.ask_all([question(kind, key) for kind, key in zip(types, keys)])
        for key, kind, value, deadline in zip(keys, types, values, _deadlines(program, keys)):
            assert not isinstance(value, Complaint), (key, kind, value)
            found[index, key] = kind, value_told(kind, value), deadline
    program.ask("SELECT", 0)
    return found


def _deadlines(program: Program, keys: list[Any]) -> list[int | None]:
    """Give the deadlines of keys: exactly from Redis, and from our program as near as its time and the rest tell."""
    if program.name == "redis":
        told: list[Any] = program.ask_all([("PEXPIRETIME", key) for key in keys])
        return [None if deadline == -1 else deadline for deadline in told]
    told = program.ask_all([request for key in keys for request in (("TIME",), ("PTTL", key))])
    return [
        None if left == -1 else int(now[0]) * 1000 + int(now[1]) // 1000 + left
        for now, left in zip(told[::2], told[1::2])
    ]


def assert_alike(theirs: Contents, ours: Contents) -> None:
    """Compare what two programs hold: names, types and values to the byte, deadlines within a second.

    When the consumers of a stream were seen is not compared: a log does not tell it.
    """
    in_one = sorted(set(ours) ^ set(theirs))
    assert not in_one, f"these keys are in one alone: {in_one[:5]}"
    for place, (kind, value, deadline) in theirs.items():
        assert ours[place][0] == kind, place
        assert _without_seen(ours[place][1]) == _without_seen(value), place
        other = ours[place][2]
        assert (other is None) == (deadline is None), (place, deadline, other)
        assert abs((other or 0) - (deadline or 0)) <= MILLISECONDS, (place, deadline, other)


def _without_seen(value: object) -> object:
    if not isinstance(value, Streamed):
        return value
    groups = {name: group._replace(consumers=dict.fromkeys(group.consumers, 0)) for name, group in value.groups.items()}
    return value._replace(groups=groups)


def files(folder: Path) -> dict[str, int]:
    """Give the sizes of all files in a folder, by their names in it."""
    return {str(each.relative_to(folder)): each.stat().st_size for each in folder.rglob("*") if each.is_file()}


def manifest(folder: Path) -> str:
    """Give the text of the manifest, or nothing where there is none."""
    path = folder / "appendonlydir" / "appendonly.aof.manifest"
    return path.read_text() if path.exists() else ""
