"""Scripts in a real process: what is left of them when it is killed, and what others are told while one runs."""

from __future__ import annotations

import itertools
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any, List

import pytest

from tests.processes.test_twistd import Program, running
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.reply_reader import ReplyReader

pytestmark = [pytest.mark.processes, pytest.mark.lua]

KEYS = 50
COUNT = b"for i = 1, 50 do redis.call('SELECT', i % 3) redis.call('INCR', 'k' .. i) end return redis.call('GET', 'k50')"
"""Counts in many keys of three databases."""
SEVEN = b"#!lua name=l\nredis.register_function('f', function() return 7 end)"
ENDLESS = b"while true do pcall(redis.call, 'GET', 'k') end"


class Client:
    def __init__(self, program: Program) -> None:
        self.stream = program.connect()
        self.stream.settimeout(20)
        self.reader = ReplyReader()

    def send(self, *words: bytes) -> None:
        self.stream.sendall(encode_request(words))

    def receive(self) -> Any:
        while (reply := self.reader.gets()) is None:
            data = self.stream.recv(65_536)
            if not data:
                raise ConnectionError
            self.reader.feed(data)
        return reply[0]

    def call(self, *words: bytes) -> Any:
        self.send(*words)
        return self.receive()


def counts(client: Client) -> List[int]:
    found = []
    for number in range(1, KEYS + 1):
        client.call(b"SELECT", b"%d" % (number % 3))
        found.append(int(client.call(b"GET", b"k%d" % number) or 0))
    return found


@pytest.mark.parametrize("options", [("--appendfsync", "always"), ("--aof-use-rdb-preamble", "no")])
def test_a_script_is_done_all_or_not_at_all(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Killed at any moment: what was answered is there with `always`, and no script is there in part."""
    draw = random.Random(random.getrandbits(32))
    promised = 0
    for round_ in range(4):
        with running(tmp_path, "--dir", ".", "--appendonly", "yes", "--save", "", *options) as program:
            client = Client(program)
            found = counts(client)
            assert len(set(found)) == 1, found
            assert found[0] >= promised
            if not round_:
                client.call(b"FUNCTION", b"LOAD", SEVEN)
            assert client.call(b"FCALL", b"f", b"0") == 7
            if round_ == 2:
                client.call(b"BGREWRITEAOF")
            threading.Timer(draw.uniform(0.05, 0.5), os.kill, [program.process.pid, signal.SIGKILL]).start()
            try:
                for _ in itertools.count():
                    client.send(b"EVAL", COUNT, b"0")
                    done = int(client.receive())
                    if "always" in options:
                        promised = done
            except OSError:
                pass
            assert program.wait() == -signal.SIGKILL


def test_others_are_told_that_a_script_runs_and_may_end_it(tmp_path: Path) -> None:
    with running(tmp_path, "--busy-reply-threshold", "100") as program:
        script, other = Client(program), Client(program)
        for source, name in ((ENDLESS, b"SCRIPT"), (b"while true do end", b"SCRIPT")):
            script.send(b"EVAL", source, b"0")
            time.sleep(0.3)
            late = Client(program)  # connected while it runs
            assert str(other.call(b"GET", b"k")).startswith("BUSY Redis is busy running a script.")
            assert str(late.call(b"PING")).startswith("BUSY")
            assert late.call(name, b"KILL") == b"OK"
            killed = script.receive()
            assert isinstance(killed, CommandError)
            assert str(killed).startswith("ERR Script killed by user with SCRIPT KILL...")
            assert other.call(b"GET", b"k") is None


def test_a_busy_program_can_be_shut_down_and_keeps_nothing_of_the_script(tmp_path: Path) -> None:
    options = ("--dir", ".", "--appendonly", "yes", "--save", "", "--busy-reply-threshold", "100")
    with running(tmp_path, *options) as program:
        script, other = Client(program), Client(program)
        other.call(b"SET", b"before", b"1")
        script.send(b"EVAL", b"redis.call('SET', 'half', 1) " + ENDLESS, b"0")
        time.sleep(0.3)
        assert str(other.call(b"SHUTDOWN")).startswith("BUSY")
        assert str(other.call(b"SCRIPT", b"KILL")).startswith("UNKILLABLE")
        other.send(b"SHUTDOWN", b"NOSAVE")
        assert program.wait() == 0
        assert "Traceback" not in program.said()
    with running(tmp_path, *options) as program:
        client = Client(program)
        assert client.call(b"MGET", b"before", b"half") == [b"1", None]


def test_a_datagram_runs_a_script(tmp_path: Path) -> None:
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with running(tmp_path, "--udp-dialect", "command") as program, datagrams as sender:
        sender.settimeout(20)
        sha = Client(program).call(b"SCRIPT", b"LOAD", b"return {KEYS[1], 1}")
        sender.sendto(b'EVAL "return 1" 0', ("127.0.0.1", program.port))
        assert sender.recv(1000) == b"(error) ERR EVAL needs a connection\n"
        sender.sendto(b"EVALSHA %b 1 k" % sha, ("127.0.0.1", program.port))
        assert sender.recv(1000) == b'1) "k"\n2) (integer) 1\n'
