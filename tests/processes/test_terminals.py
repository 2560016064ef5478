"""owncache-cli shows what redis-cli shows: at a terminal, for the same keys that are pressed, and in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Iterator, List, Sequence

import pyte
import pytest

from tests.agreement.servers import RealConnection, RedisServer, encode

pytestmark = [pytest.mark.processes, pytest.mark.peer]

ROWS, COLUMNS = 200, 100
PATIENCE = 20.0


class Terminal:
    """A program at a terminal: what is on its screen."""

    def __init__(self, arguments: Sequence[str], home: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "HOME": str(home), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self._process = subprocess.Popen(
            arguments, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def lines(self) -> List[str]:
        """The lines of the screen, without what is empty at its end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip("\n").split("\n")

    def press(self, keys: str) -> None:
        """Press keys, as soon as the program takes each by itself."""
        end = time.monotonic() + PATIENCE
        while termios.tcgetattr(self._master)[3] & termios.ICANON:
            assert time.monotonic() < end, self.lines
            self._read()
        os.write(self._master, keys.encode())

    def expect(self, last: str) -> None:
        """Wait until the last line is this."""
        end = time.monotonic() + PATIENCE
        while self.lines[-1] != last.rstrip():
            assert time.monotonic() < end, (last, self.lines)
            self._read()

    def _read(self) -> None:
        if select.select([self._master], [], [], 0.05)[0]:
            self._stream.feed(os.read(self._master, 65_536))

    def end(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._master)


@pytest.fixture
def redis_port(redis_server: RedisServer) -> int:
    """The port of a redis-server."""
    return redis_server.port


@pytest.fixture
def terminals(redis_port: int, tmp_path: Path) -> Iterator[List[Terminal]]:
    """redis-cli and owncache-cli, both connected to one redis-server."""
    programs = [[shutil.which("redis-cli") or "redis-cli"], [sys.executable, "-m", "twisted_kv.cli"]]
    made = [Terminal([*program, "-p", str(redis_port)], tmp_path) for program in programs]
    yield made
    for each in made:
        each.end()


LINES = [
    ("flushall", ""),
    ("set a 1", ""),
    ("get a", ""),
    ("select 3", "[3]"),
    ("multi", "[3](TX)"),
    ("set b 7", "[3](TX)"),
    ("exec", "[3]"),
    ("lrange nothing 0 -1", "[3]"),
    ("rpush", "[3]"),
    ("rpush l \"a b\" 'c' \\x01", "[3]"),
    ("lrange l 0 -1", "[3]"),
    ("nosuch", "[3]"),
    ('set "', "[3]"),
    ("2 incr n", "[3]"),
    ("help get", "[3]"),
    ("? xgroup create", "[3]"),
    (":set nohints", "[3]"),
    ("select 0", ""),
]


def test_both_show_the_same(terminals: List[Terminal], redis_port: int) -> None:
    for each in terminals:
        each.expect(f"127.0.0.1:{redis_port}>")
        for line, state in LINES:
            before = len(each.lines)
            each.press(line + "\r")
            while len(each.lines) <= before:
                each._read()
            each.expect(f"127.0.0.1:{redis_port}{state}>")
    theirs, ours = (each.lines for each in terminals)
    assert ours == theirs


OPTIONS_OF_SET = "[NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("get", " key"),
        ("get ", "key"),
        ("get k", ""),
        ("set k", f" value {OPTIONS_OF_SET}"),
        ("set k v ", OPTIONS_OF_SET),
        ("config set maxmemory ", "value [parameter value ...]"),
        ("nosuch ", ""),
    ],
)
def test_both_hint_the_same(terminals: List[Terminal], redis_port: int, line: str, hint: str) -> None:
    prompt = f"127.0.0.1:{redis_port}>"
    for each, width in zip(terminals, (COLUMNS, COLUMNS - 1)):  # ours leaves a place for the cursor
        each.expect(prompt)
        each.press(line)
        each.expect(f"{prompt} {line}{hint}"[:width])


def test_another_server_is_asked_from_then_on(terminals: List[Terminal], redis_port: int) -> None:
    for each in terminals:
        each.expect(f"127.0.0.1:{redis_port}>")
        each.press(f"connect localhost {redis_port}\r")
        each.expect(f"localhost:{redis_port}>")
        each.press("ping\r")
        each.expect(f"localhost:{redis_port}>")
    assert terminals[0].lines == terminals[1].lines


# In a pipe


def outputs(port: int, *arguments: str, lines: bytes = b"") -> List[bytes]:
    """What both programs write for the same arguments and input."""
    programs = [["redis-cli"], [sys.executable, "-m", "twisted_kv.cli"]]
    return [
        subprocess.run(
            [*program, "-p", str(port), *arguments], input=lines, capture_output=True, timeout=PATIENCE, check=False
        ).stdout
        for program in programs
    ]


@pytest.fixture
def filled(redis_port: int) -> int:
    """The port of a redis-server that has some keys."""
    with RealConnection(redis_port) as real:
        for words in (
            ("FLUSHALL",),
            ("RPUSH", "l", b'a "b"\\', "\xe4".encode(), b"\x00\xff\n", "1"),
            ("HSET", "h", "f", "v", "g", "w"),
            ("ZADD", "z", "1.5", "a", "inf", "b"),
            ("SADD", "s", "m"),
            ("XADD", "x", "1-1", "f", "v"),
            ("SET", "k", "v" * 30),
        ):
            real.ask(encode(words))
    return redis_port


REQUESTS = [
    "LRANGE l 0 -1", "HGETALL h", "ZRANGE z 0 -1 WITHSCORES", "ZSCORE z a", "SMEMBERS s", "XRANGE x - +", "GET nothing",
    "LRANGE nothing 0 -1", "STRLEN k", "PING", "NOSUCH", "INFO keyspace", "CLIENT GETNAME", "MEMORY DOCTOR",
]  # fmt: skip


@pytest.mark.every(8)
@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("form", ["", "--no-raw", "--csv", "--json"])
@pytest.mark.parametrize("resp", ["-2", "-3"])
def test_both_write_the_same(filled: int, request_: str, form: str, resp: str) -> None:
    theirs, ours = outputs(filled, resp, *form.split(), *request_.split())
    assert ours == theirs


@pytest.mark.parametrize(
    "arguments",
    ["--scan", "--scan --pattern [hk]", "--no-raw --scan", "--bigkeys", "-r 3 -i 0.01 PING", "-x ECHO", "-n 3 DBSIZE"],
)
def test_both_do_the_same(filled: int, arguments: str) -> None:
    theirs, ours = outputs(filled, *arguments.split(), lines=b"the last word")
    assert sorted(ours.split(b"\n")) == sorted(theirs.split(b"\n"))  # the kinds of keys have any order


def test_both_read_lines(filled: int) -> None:
    lines = b'get k\nset n 4\n2 incr n\ndel n\n\nset a "b c"\nget a\nselect 3\nget a\nmulti\nget a\nexec\n'
    theirs, ours = outputs(filled, lines=lines)
    assert ours == theirs
