"""A disk that is full, and has room again: a real file system of one megabyte, which takes root to mount."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest

from tests.servers.kills import Client

from .test_twistd import PATIENCE, Program, running, wait_until

pytestmark = pytest.mark.processes


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own, of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this machine does not let us mount a file system: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def told(client: Client, name: str, value: str) -> bool:
    """Whether INFO says so of persistence."""
    [information] = client.ask([(b"INFO", b"persistence")])
    return f"\r\n{name}:{value}\r\n" in information.decode()


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=20m", str(folder)], check=True)


class Writer:
    """Sets keys to values of 30 KB one by one, and remembers those that were answered."""

    def __init__(self, program: Program) -> None:
        self._port = program.port
        self.client = Client(program.port)
        self.kept: List[bytes] = []

    def set_one(self) -> bool:
        key = b"key %d" % len(self.kept)
        try:
            is_kept = self.client.ask([(b"SET", key, key * 4_000)]) == [b"OK"]
        except ConnectionError:  # with `always`, who waits for a disk that fails is not answered
            self.client.close()
            self.client = Client(self._port)
            return False
        if is_kept:
            self.kept.append(key)
        return is_kept

    def fill(self) -> None:
        """Set keys until the disk is full."""
        wait_until(lambda: not self.set_one(), "the disk to be full")

    def go_on(self) -> None:
        wait_until(self.set_one, "the disk to be well again")
        assert all(self.set_one() for _ in range(20))

    def check(self, program: Program) -> None:
        client = Client(program.port)
        wait_until(lambda: client.ask([(b"PING",)]) == [b"PONG"], "the load")
        lost = [key for key in self.kept if client.ask([(b"GET", key)]) != [key * 4_000]]
        assert not lost
        client.close()


@pytest.mark.parametrize("policy", ["always", "everysec"])
@pytest.mark.every(2)
def test_a_log_is_whole_after_the_disk_was_full(tmp_path: Path, small: Path, policy: str) -> None:
    options = ("--dir", str(small), "--appendonly", "yes", "--appendfsync", policy)
    with running(tmp_path, *options) as program:
        writer = Writer(program)
        writer.fill()
        enlarge(small)
        writer.go_on()
        program.process.terminate()
        program.process.wait(PATIENCE)
    with running(tmp_path, *options) as program:
        writer.check(program)


@pytest.mark.thorough
def test_a_log_is_whole_after_the_disk_was_full_and_the_process_killed(tmp_path: Path, small: Path) -> None:
    options = ("--dir", str(small), "--appendonly", "yes", "--appendfsync", "always")
    with running(tmp_path, *options) as program:
        writer = Writer(program)
        writer.fill()
        enlarge(small)
        writer.go_on()
        program.process.kill()
        program.process.wait(PATIENCE)
        (tmp_path / "twistd.pid").unlink()
    with running(tmp_path, *options) as program:
        writer.check(program)


def test_a_snapshot_and_a_rewrite_that_found_no_room_are_made_when_there_is(tmp_path: Path, small: Path) -> None:
    options = ("--dir", str(small), "--appendonly", "yes", "--save", "3600 1000000")
    with running(tmp_path, *options) as program:
        writer = Writer(program)
        for _ in range(25):
            assert writer.set_one()
        client = writer.client
        wait_until(lambda: told(client, "aof_pending_bio_fsync", "0"), "the log")
        [failed] = client.ask([(b"SAVE",)])
        assert failed != b"OK"
        client.ask([(b"BGREWRITEAOF",)])
        wait_until(lambda: told(client, "aof_last_bgrewrite_status", "err"), "a rewrite to fail")
        enlarge(small)
        writer.go_on()
        assert client.ask([(b"SAVE",)]) == [b"OK"]
        client.ask([(b"BGREWRITEAOF",)])
        wait_until(lambda: told(client, "aof_last_bgrewrite_status", "ok"), "a rewrite to succeed")
        assert writer.set_one()
        program.process.terminate()
        program.process.wait(PATIENCE)
    with running(tmp_path, *options) as program:
        writer.check(program)
    with running(tmp_path, "--dir", str(small), "--save", "3600 1000000") as program:
        assert Client(program.port).ask([(b"EXISTS", writer.kept[0])]) == [1]
