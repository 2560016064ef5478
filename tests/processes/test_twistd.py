"""The program as people run it: `twistd owncache` in a process of its own, asked over real sockets."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

import pytest

from tests.servers.launch import LAUNCHERS, launch, launch_daemon
from twisted_kv.version import VERSION
from twisted_kv.wire.encoder import encode_request

pytestmark = pytest.mark.processes

PATIENCE = 30.0
"""Seconds after which a process that does not do what it should is a failure."""


def wait_until(true: Callable[[], Any], what: str) -> Any:
    """Wait for something that another process does."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


class Program:
    """A running `twistd -n owncache` on a free port, with its log in a file."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        launcher: str = "twistd",
        command: Optional[Sequence[str]] = None,
        **process: Any,
    ) -> None:
        self.folder = folder
        self.log = folder / "log"
        arguments = ["--port", "0", *options] if "--port" not in options else list(options)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                launch(*arguments, launcher=launcher) if command is None else [*command, *arguments],
                cwd=folder if command is None else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **process,
            )
        try:
            wait_until(lambda: "is ready" in self.said() or self.process.poll() is not None, "the start")
            assert self.process.poll() is None, self.said()
        except BaseException:
            self.end()
            raise

    def said(self) -> str:
        """All that was logged so far."""
        return self.log.read_text()

    def numbers(self, what: str) -> set[int]:
        """The port numbers that the log tells for `RESP` or `datagrams`."""
        return {int(number) for number in re.findall(rf"\] {what} on \S+:(\d+)\n", self.said())}

    @property
    def port(self) -> int:
        [number] = self.numbers("RESP")
        return number

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def inline(self, *lines: bytes) -> bytes:
        """Send lines over a connection, and give all that comes until it is closed."""
        with self.connect() as stream:
            stream.sendall(b"\r\n".join([*lines, b"QUIT", b""]))
            received = b""
            while piece := stream.recv(65_536):
                received += piece
            return received

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)


@contextmanager
def running(folder: Path, *options: str, **more: Any) -> Iterator[Program]:
    program = Program(folder, *options, **more)
    try:
        yield program
    finally:
        program.end()


class Sender:
    """A UDP socket whose silences are told at once: a second request behind each must be answered first."""

    def __init__(self, port: int, *, equals: bool = False) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.equals = equals
        self.count = 0

    def ask(self, datagram: bytes) -> bytes | None:
        """Send a datagram and give what answers it, or None for silence."""
        self.count += 1
        mark = b"mark-%d" % self.count
        self.socket.send(datagram)
        if self.equals:
            self.socket.send(mark + b"=")
            self.socket.send(mark)
            probe = mark + b"="
        else:
            self.socket.send(b"PING " + mark)
            probe = mark + b"\n"
        answers = []
        while (answer := self.socket.recv(65_536)) != probe:
            answers.append(answer)
        assert len(answers) <= 1
        return answers[0] if answers else None


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One program for all tests that leave it running."""
    with running(tmp_path_factory.mktemp("owncache")) as program:
        yield program


@pytest.fixture
def sender(program: Program) -> Iterator[Sender]:
    """A UDP socket of its own, and an empty cache."""
    assert program.inline(b"FLUSHALL") == b"+OK\r\n+OK\r\n"
    sender = Sender(program.port)
    yield sender
    sender.socket.close()


# The tables of the dialects, by a raw UDP socket

EQUALS = [
    [(b"foo=bar", None), (b"foo", b"foo=bar")],
    [(b"foo=old", None), (b"foo=bar", None), (b"foo", b"foo=bar")],
    [(b"SET foo old px 100000", b"OK\n"), (b"foo=bar", None), (b"TTL", b"keyDoesNotExists"), (b"foo", b"foo=bar")],
    [(b"foo=bar=baz", None), (b"foo", b"foo=bar=baz")],
    [(b"foo===", None), (b"foo", b"foo===")],
    [(b"foo=", None), (b"foo", b"foo=")],
    [(b"=bar", None), (b"", b"=bar"), (b"\n", b"=bar"), (b"\r\n", b"=bar")],
    [(b"foo=bar\n", None), (b"foo\n", b"foo=bar"), (b"foo\r\n", b"foo=bar"), (b"foo", b"foo=bar")],
    [(b"foo=\xff\0\r\n\xfe", None), (b"foo", b"foo=\xff\0\r\n\xfe")],
    [(b"nope", b"keyDoesNotExists")],
    [(b"", b"keyDoesNotExists")],
    [(b"\n", b"keyDoesNotExists")],
]

COMMAND = [
    [(b"PING", b"PONG\n")],
    [(b"ping\n", b"PONG\n")],
    [(b"SET Foo Bar", b"OK\n"), (b"GET Foo", b"Bar\n"), (b"get Foo\r\n", b"Bar\n"), (b"GET foo", b"(nil)\n")],
    [(b"SET foo bar baz", b"OK\n"), (b"GET foo", b"bar baz\n")],
    [(b"SET note remember to get", b"OK\n"), (b"GET note", b"remember to get\n")],
    [(b"SET foo bar px 10000", b"OK\n"), (b"GET foo", b"bar\n")],
    [(b'SET foo "a b\\n"', b"OK\n"), (b"GET foo", b"a b\n\n")],
    [(b"GET nope", b"(nil)\n")],
    [(b"SET", b"(error) ERR wrong number of arguments for 'SET' command\n")],
    [(b"SET KEYVAL", b"(error) ERR wrong number of arguments for 'SET' command\n")],
    [(b"GET", b"(error) ERR wrong number of arguments for 'GET' command\n")],
    [(b"GET a b", b"(error) ERR wrong number of arguments for 'GET' command\n")],
    [(b"SET foo bar PX abc", b"(error) ERR value is not an integer or out of range\n"), (b"GET foo", b"(nil)\n")],
    [(b'SET foo "bar', b"(error) ERR Protocol error: unbalanced quotes in request\n")],
]


@pytest.mark.parametrize("rows", EQUALS + COMMAND)
def test_each_row_of_the_two_tables_is_answered_so(sender: Sender, rows: list[tuple[bytes, bytes | None]]) -> None:
    for sent, answer in rows:
        assert sender.ask(sent) == answer


def test_a_key_of_another_type_is_a_wrong_type(program: Program, sender: Sender) -> None:
    program.inline(b"HSET h f v")
    assert sender.ask(b"h") == b"(error) WRONGTYPE Operation against a key holding the wrong kind of value"
    assert sender.ask(b"GET h") == b"(error) WRONGTYPE Operation against a key holding the wrong kind of value\n"


def test_a_key_is_gone_when_its_time_has_come(sender: Sender) -> None:
    assert sender.ask(b"SET foo bar px 100") == b"OK\n"
    wait_until(lambda: sender.ask(b"GET foo") == b"(nil)\n", "the end of a key")


def test_resp_travels_in_datagrams(sender: Sender) -> None:
    sent = encode_request([b"SET", b"k", b"a\r\n"]) + encode_request([b"GET", b"k"])
    assert sender.ask(sent) == b"+OK\r\n$3\r\na\r\n\r\n"
    assert sender.ask(b"*1\r\n$4\r\nPI") is None


def test_a_key_set_by_datagram_is_read_over_tcp(program: Program, sender: Sender) -> None:
    assert sender.ask(b"foo=bar") is None
    assert program.inline(b"GET foo") == b"$3\r\nbar\r\n+OK\r\n"


def test_a_reply_that_is_too_large_is_an_error(program: Program, sender: Sender) -> None:
    with program.connect() as stream:
        stream.sendall(encode_request([b"SET", b"big", b"x" * 70_000]))
        assert stream.recv(100) == b"+OK\r\n"
    assert sender.ask(b"big") == b"(error) ERR reply is too large for a datagram"
    assert sender.ask(b"GET big") == b"(error) ERR reply is too large for a datagram\n"
    sent = encode_request([b"GET", b"big"])
    assert sender.ask(sent) == b"-ERR reply is too large for a datagram\r\n"


def test_the_largest_datagram_is_served(sender: Sender) -> None:
    datagram = b"k=" + b"v" * 65_505
    assert sender.ask(datagram) is None
    assert sender.ask(b"k") == datagram


def test_a_peer_that_goes_away_does_not_stop_the_listener(program: Program, sender: Sender) -> None:
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.sendto(b"PING", ("127.0.0.1", program.port))
    assert sender.ask(b"PING") == b"PONG\n"


def test_pinned_to_equals_and_binary_every_byte_counts(tmp_path: Path) -> None:
    with running(tmp_path, "--udp-dialect", "equals", "--udp-binary") as program:
        sender = Sender(program.port, equals=True)
        for word in (b"PING", b"GET a", b"SET a b", b"*1\r\n"):
            assert sender.ask(word) == b"keyDoesNotExists"
        assert sender.ask(b"foo=bar\n") is None
        assert sender.ask(b"foo") == b"foo=bar\n"
        assert sender.ask(b"foo\n") == b"keyDoesNotExists"
        sender.socket.close()


def test_pinned_to_command_every_command_works(tmp_path: Path) -> None:
    with running(tmp_path, "--udp-dialect", "command") as program:
        sender = Sender(program.port)
        for sent, answer in [
            (b"INCR n", b"(integer) 1\n"),
            (b"KEYS *", b'1) "n"\n'),
            (b"KEYS x", b"(empty array)\n"),
            (b"FLY away", b"(error) ERR unknown command 'FLY', with args beginning with: 'away' \n"),
            (b"SELECT 1", b"(error) ERR SELECT needs a connection\n"),
            (b"foo=bar", b"(error) ERR unknown command 'foo=bar', with args beginning with: \n"),
            (b"", None),
            (b"\n", None),
        ]:
            assert sender.ask(sent) == answer
        sender.socket.close()


def test_with_a_password_a_datagram_without_it_gets_silence(tmp_path: Path) -> None:
    with running(tmp_path, "--requirepass", "secret") as program:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(PATIENCE)
            sender.connect(("127.0.0.1", program.port))
            for sent in (b"PING", b"foo", b"foo=bar", encode_request([b"PING"]), encode_request([b"AUTH", b"no"])):
                sender.send(sent)
            sender.send(encode_request([b"AUTH", b"secret"]) + encode_request([b"DBSIZE"]))
            assert sender.recv(65_536) == b"+OK\r\n:0\r\n"
        assert b"refused_datagrams:5\r\n" in program.inline(b"AUTH secret", b"INFO stats")


# The start and the end


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_one_number_is_chosen_and_told_for_both_transports(tmp_path: Path, launcher: str) -> None:
    with running(tmp_path, launcher=launcher) as program:
        assert program.numbers("RESP") == program.numbers("datagrams") == {program.port}
        assert program.inline(b"PING") == b"+PONG\r\n+OK\r\n"
        sender = Sender(program.port)
        assert sender.ask(b"PING") == b"PONG\n"
        sender.socket.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_twistd_with_its_own_exit_status(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as program:
        assert (tmp_path / "twistd.pid").exists()
        with program.connect() as client:
            client.sendall(b"PING\r\n")
            assert client.recv(100) == b"+PONG\r\n"
            program.process.send_signal(number)
            assert client.recv(100) == b""
            assert program.wait() == -number
        assert not (tmp_path / "twistd.pid").exists()
        assert "Traceback" not in program.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_python_m_twisted(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, launcher="python -m twisted") as program:
        assert program.inline(b"PING") == b"+PONG\r\n+OK\r\n"  # so the reactor runs, and looks after signals
        program.process.send_signal(number)
        assert program.wait() in (-number, 128 + number, 0)
        assert "Traceback" not in program.said()


def test_a_client_that_never_reads_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with running(tmp_path) as program, program.connect() as deaf:
        deaf.sendall(encode_request([b"SET", b"big", b"x" * 1_000_000]) + b"GET big\r\n" * 50)
        program.inline(b"PING")
        program.process.send_signal(signal.SIGTERM)
        assert program.wait() == -signal.SIGTERM


@pytest.mark.parametrize("words", [b"SHUTDOWN", b"SHUTDOWN NOSAVE", b"shutdown now"])
def test_shutdown_ends_the_program_with_status_0(tmp_path: Path, words: bytes) -> None:
    with running(tmp_path) as program:
        with program.connect() as client:
            client.sendall(words + b"\r\n")
            assert client.recv(100) == b""
        assert program.wait() == 0
        assert "Traceback" not in program.said()
        assert not (tmp_path / "twistd.pid").exists()


def test_shutdown_by_datagram_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, "--udp-dialect", "command") as program:
        sender = Sender(program.port)
        assert sender.ask(b"SHUTDOWN") == b"(error) ERR SHUTDOWN needs a connection\n"
        sender.socket.close()


def test_a_daemon_is_started_and_stopped_by_its_pid(tmp_path: Path) -> None:
    pid_file, log = tmp_path / "owncache.pid", tmp_path / "owncache.log"
    started = subprocess.run(
        launch_daemon(f"--pidfile={pid_file}", f"--logfile={log}", options=("--port", "0")),
        cwd=tmp_path,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (started.returncode, started.stderr) == (0, b"")
    wait_until(pid_file.exists, "the pid file")
    pid = int(pid_file.read_text())
    try:
        wait_until(lambda: log.exists() and "is ready" in log.read_text(), "the start")
        [port] = set(re.findall(r"RESP on \S+:(\d+)\n", log.read_text()))
        with socket.create_connection(("127.0.0.1", int(port)), PATIENCE) as client:
            client.sendall(b"PING\r\n")
            assert client.recv(100) == b"+PONG\r\n"
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not pid_file.exists(), "the end")
    assert "Traceback" not in log.read_text()


def test_a_daemon_that_cannot_start_tells_the_one_who_starts_it(program: Program, tmp_path: Path) -> None:
    ended = subprocess.run(
        launch_daemon("--logfile=log", options=("--port", str(program.port))),
        cwd=tmp_path,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode != 0
    assert b"cannot listen on" in ended.stderr
    assert b"Traceback" not in ended.stderr
    wait_until(lambda: not (tmp_path / "twistd.pid").exists(), "the end of the daemon")


# What cannot be started


def refused(folder: Path, *options: str, launcher: str = "twistd") -> str:
    """Start the program in vain; gives the one line that it says on stderr."""
    ended = subprocess.run(
        launch(*options, launcher=launcher), cwd=folder, capture_output=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode not in (0, None)
    told = ended.stderr.decode()
    assert "Traceback" not in told + ended.stdout.decode()
    assert told.startswith("owncache: ")
    assert told.count("\n") == 1, told
    assert not (folder / "twistd.pid").exists()
    return told


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--nonsense"], "--nonsense not recognized"),
        (["--port"], "--port requires argument"),
        (["--port", "many"], "setting 'port': argument couldn't be parsed into an integer"),
        (["--port", "0", "--bind", "nowhere"], "'nowhere' is not an address"),
        (["--port", "0", "--config", "/does/not/exist"], "cannot read /does/not/exist: No such file or directory"),
        (["--port", "0", "--config", "."], "cannot read .: Is a directory"),
        (["--port", "0", "--bind", "0.0.0.0"], "--udp-allow NETWORK"),
        (["--port", "0", "--endpoint", "carrier-pigeon:1"], "setting 'endpoint': 'carrier-pigeon:1'"),
    ],
)
@pytest.mark.every(5)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, launcher: str, options: list[str], why: str) -> None:
    assert why in refused(tmp_path, *options, launcher=launcher)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_port_in_use_is_told_in_one_line(program: Program, tmp_path: Path, launcher: str) -> None:
    told = refused(tmp_path, "--port", str(program.port), launcher=launcher)
    assert f"cannot listen on 127.0.0.1:{program.port}: " in told
    assert "Address already in use" in told


def test_a_wrong_line_of_a_config_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("# settings\nport 0\nnonsense yes\n")
    assert "conf: line 3: unknown setting 'nonsense'" in refused(tmp_path, "--config", "conf")


def test_a_unix_socket_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    told = refused(tmp_path, "--port", "0", "--endpoint", "unix:/does/not/exist/s")
    assert "/does/not/exist/s" in told


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(("option", "told"), [("--help", "--udp-dialect"), ("--version", f"owncache {VERSION}\n")])
def test_the_help_and_the_version_are_printed(tmp_path: Path, launcher: str, option: str, told: str) -> None:
    ended = subprocess.run(
        [*LAUNCHERS[launcher], "owncache", option], cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 0
    assert told in ended.stdout.decode()
    assert ended.stderr == b""


# Options that show only in a process


def test_a_config_file_is_read_and_options_go_before_it(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text('port 1\nmaxclients 7\nrequirepass "a b"\n')
    with running(tmp_path, "--config", "conf", "--port", "0", "--maxclients", "8") as program:
        answer = program.inline(b'AUTH "a b"', b"CONFIG GET maxclients")
        assert answer == b"+OK\r\n*2\r\n$10\r\nmaxclients\r\n$1\r\n8\r\n+OK\r\n"


def test_a_small_limit_of_open_files_lowers_maxclients_and_says_so(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    with running(tmp_path, preexec_fn=limit) as program:
        assert "maxclients lowered from 10000 to 96" in program.said()
        assert b"$2\r\n96\r\n" in program.inline(b"CONFIG GET maxclients")
        streams = [program.connect() for _ in range(96)]
        for stream in streams:
            stream.sendall(b"PING\r\n")
        assert [stream.recv(100) for stream in streams] == [b"+PONG\r\n"] * 96
        with program.connect() as late:
            assert late.recv(100) == b"-ERR max number of clients reached\r\n"
        for stream in streams:
            stream.close()


def test_without_udp_no_datagram_port_is_open(tmp_path: Path) -> None:
    with running(tmp_path, "--no-udp", "--bind", "0.0.0.0") as program:
        assert program.numbers("datagrams") == set()
        assert program.inline(b"PING") == b"+PONG\r\n+OK\r\n"


def test_the_memory_stays_bounded_for_clients_that_never_read(tmp_path: Path) -> None:
    with running(tmp_path, "--client-output-buffer-limit", "normal 4mb 0 0") as program:

        def resident() -> int:
            found = re.search(rb"used_memory_rss:(\d+)\r\n", program.inline(b"INFO memory"))
            assert found is not None
            return int(found[1])

        with program.connect() as stream:
            stream.sendall(encode_request([b"SET", b"big", b"x" * 100_000]))
            assert stream.recv(100) == b"+OK\r\n"
        before = resident()
        for number in (1, 2, 3):
            ended = b"client_output_buffer_limit_disconnections:%d\r\n" % number
            with program.connect() as deaf:
                with suppress(OSError):  # it is closed on us, as it should be
                    for _ in range(2000):
                        deaf.sendall(b"GET big\r\n")
                wait_until(lambda: ended in program.inline(b"INFO stats"), "a disconnection")  # noqa: B023
            assert resident() - before < 64 << 20
