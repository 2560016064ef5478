"""Configuration files and signals, as somebody who comes from Redis meets them."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from tests.servers.kills import Client
from tests.servers.launch import launch

from .test_twistd import PATIENCE, running, wait_until

pytestmark = pytest.mark.processes

DEBIAN = Path("/etc/redis/redis.conf")


@pytest.mark.peer
@pytest.mark.skipif(not DEBIAN.exists(), reason="redis-server is not installed")
def test_debians_configuration_file_starts(tmp_path: Path) -> None:
    text = DEBIAN.read_text()
    assert "\ndir /var/lib/redis\n" in text
    data = tmp_path / "data"
    data.mkdir()
    config = tmp_path / "redis.conf"
    config.write_text(text.replace("\ndir /var/lib/redis\n", f"\ndir {data}\n"))
    with running(tmp_path, "--config", str(config), "--port", "0") as program:
        said = program.said()
        assert "daemonize, logfile, pidfile: that is twistd's business" in said
        assert "the configuration file has no save line" in said
        assert "nothing to do here" not in said
        client = Client(program.port)
        told = client.ask([(b"CONFIG", b"GET", b"hz"), (b"CONFIG", b"GET", b"slowlog-log-slower-than")])
        assert told == [[b"hz", b"10"], [b"slowlog-log-slower-than", b"-1"]]


def test_all_that_is_wrong_is_told_in_one_go(tmp_path: Path) -> None:
    config = tmp_path / "conf"
    config.write_text("port 0\nhz x\nnobody knows\nslowlog-log-slower-than 5\n")
    ended = subprocess.run(
        launch("--config", str(config)), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 1
    first, second, third = ended.stderr.splitlines()
    assert first == f"owncache: {config}: line 2: setting 'hz': argument couldn't be parsed into an integer"
    assert second == f"{config}: line 3: unknown setting 'nobody'"
    assert third.startswith(f"{config}: line 4: setting 'slowlog-log-slower-than': there is no slow log here")


def test_sighup_reads_the_file_again_and_the_data_outlast_it(tmp_path: Path) -> None:
    config = tmp_path / "conf"
    config.write_text("timeout 5\nmaxclients 50\nhz 20\n")
    held = ("--maxclients", "60", "--hash-max-listpack-entries", "99")
    options = ("--config", str(config), *held, "--dir", str(tmp_path), "--save", "3600 1")
    with running(tmp_path, *options) as program:
        client = Client(program.port)

        def settings() -> list[object]:
            names = (b"timeout", b"maxclients", b"tcp-keepalive", b"port")
            return [client.ask([(b"CONFIG", b"GET", name)])[0][1] for name in names]

        def reload(text: str, said: str) -> None:
            config.write_text(text)
            program.process.send_signal(signal.SIGHUP)
            wait_until(lambda: said in program.said(), said)

        before = settings()
        assert before[:3] == [b"5", b"60", b"300"]
        assert client.ask([(b"SET", b"k", b"v")]) == [b"OK"]
        reload("timeout 7\nmaxclients 55\ntcp-keepalive 10\ntcp-backlog 7\n", "again: tcp-keepalive, timeout")
        assert settings() == [b"7", b"60", b"10", before[3]]
        assert "these settings hold from the next start on: tcp-backlog" in program.said()
        reload("timeout 9\ntimeout x\n", "the configuration is left as it is: ")
        assert settings() == [b"7", b"60", b"10", before[3]]
        reload("tcp-keepalive 11\nhash-max-ziplist-entries 7\n", "read the configuration again: tcp-keepalive\n")
        assert settings() == [b"7", b"60", b"11", before[3]]
        assert client.ask([(b"CONFIG", b"GET", b"hash-max-listpack-entries")])[0][1] == b"99"  # by whichever name
        program.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "SIGUSR1 is ignored" in program.said(), "SIGUSR1 to be ignored")
        assert client.ask([(b"GET", b"k")]) == [b"v"]
        program.process.terminate()
        assert program.wait() in (0, -signal.SIGTERM)  # twistd ends by the signal it got
        assert not (tmp_path / "twistd.pid").exists()
        assert (tmp_path / "dump.rdb").exists()


def test_without_a_file_sighup_is_ignored(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        program.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "SIGHUP is ignored" in program.said(), "SIGHUP to be ignored")
        assert program.inline(b"PING") == b"+PONG\r\n+OK\r\n"


@pytest.mark.parametrize(
    ("setting", "number", "saved"),
    [("nosave", signal.SIGTERM, False), ("save", signal.SIGTERM, True), ("nosave", signal.SIGINT, False)],
)
def test_a_signal_ends_the_process_as_is_said(tmp_path: Path, setting: str, number: int, saved: bool) -> None:
    name = "--shutdown-on-sigterm" if number == signal.SIGTERM else "--shutdown-on-sigint"
    points = "3600 1" if setting == "nosave" else ""
    with running(tmp_path, name, setting, "--dir", str(tmp_path), "--save", points) as program:
        assert program.inline(b"SET k v") == b"+OK\r\n+OK\r\n"
        program.process.send_signal(number)
        program.wait()
        assert (tmp_path / "dump.rdb").exists() is saved


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        (["--unixsocket", "{}"], 0o700),
        (["--unixsocket", "{}", "--unixsocketperm", "770"], 0o770),
        (["--endpoint", "unix:{}"], 0o700),
        (["--endpoint", "unix:{}:mode=660"], 0o660),
    ],
)
def test_a_unix_socket_is_for_its_owner_unless_others_are_let_in(tmp_path: Path, options: list[str], mode: int) -> None:
    path = tmp_path / "s"
    with running(tmp_path, *(option.format(path) for option in options)):
        assert stat.S_IMODE(os.stat(path).st_mode) == mode
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(PATIENCE)
            stream.connect(str(path))
            stream.sendall(b"PING\r\n")
            assert stream.recv(100) == b"+PONG\r\n"


def test_a_unix_socket_that_was_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with running(tmp_path, "--unixsocket", str(path)) as program:
        program.process.kill()
        program.process.wait(PATIENCE)
    assert path.exists()
    (tmp_path / "twistd.pid").unlink()
    with running(tmp_path, "--unixsocket", str(path)) as program:
        assert program.inline(b"PING") == b"+PONG\r\n+OK\r\n"


def test_a_password_on_the_command_line_is_warned_of(tmp_path: Path) -> None:
    with running(tmp_path, "--requirepass", "secret") as program:
        assert "--requirepass on the command line can be read by all users of this machine" in program.said()


def test_names_that_nobody_knows_may_be_warned_of(tmp_path: Path) -> None:
    config = tmp_path / "conf"
    config.write_text("nobody knows\nappendonly no\n")
    with running(tmp_path, "--config", str(config), "--config-unknown", "warn") as program:
        assert f"{config}: unknown setting 'nobody'" in program.said()
