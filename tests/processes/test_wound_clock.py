"""The wall clock is set back while the program runs, under reactors whose delayed calls follow it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.servers.kills import Client
from twisted_kv.vocabulary.replies import NULL_ARRAY

from .test_twistd import running

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("reactor", ["epoll", "select", "asyncio"])
@pytest.mark.every(3)
def test_nobody_waits_longer_and_the_log_is_forced_to_the_disk(tmp_path: Path, reactor: str) -> None:
    back = tmp_path / "back"
    command = [
        sys.executable,
        "-m",
        "tests.servers.wound_clock",
        str(back),
        "--pidfile=",
        "-n",
        f"--reactor={reactor}",
        "owncache",
    ]
    with running(tmp_path, "--dir", str(tmp_path), "--appendonly", "yes", command=command) as program:
        client, waiting = Client(program.port), Client(program.port)
        assert client.ask([(b"SET", b"before", b"1")]) == [b"OK"]
        [(seconds, _)] = client.ask([(b"TIME",)])
        back.touch()
        began = time.monotonic()
        assert client.ask([(b"SET", b"k", b"v")]) == [b"OK"]
        assert int(client.ask([(b"TIME",)])[0][0]) < int(seconds) - 3000
        assert waiting.ask([(b"BLPOP", b"nothing", b"1.5")]) == [NULL_ARRAY]
        assert 1.4 < time.monotonic() - began < 2.5
        [told] = client.ask([(b"INFO", b"persistence")])
        assert b"\r\naof_pending_bio_fsync:0\r\n" in told
