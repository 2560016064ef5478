"""owncache-cli: its arguments, its shell on a fake call, its prompt, and the whole program on a cache in memory."""

from __future__ import annotations

import io
import socket
import stat
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
import twisted.internet

from tests.sockets.memory_stream import MemoryStream
from twisted_kv import cli
from twisted_kv.blocking_client import BlockingClient, Ended, NoAnswer
from twisted_kv.cli import interact, make_client, parse_arguments, prompt, take_address
from twisted_kv.cli.connecting import DatagramCalls
from twisted_kv.cli.shell import FORMS, Shell
from twisted_kv.testing import MemoryCache
from twisted_kv.version import VERSION
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Reply

# The arguments


@pytest.fixture(autouse=True)
def _no_password_of_the_person_who_runs_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDISCLI_AUTH", raising=False)


def test_the_defaults_are_those_of_redis_cli() -> None:
    options = parse_arguments([])
    assert (options.host, options.port, options.database, options.resp) == ("127.0.0.1", 6379, 0, 2)
    assert (options.socket, options.password, options.user, options.udp) == (None, None, "default", False)
    assert options.words == []


def test_every_option_is_understood() -> None:
    options = parse_arguments(
        "-h ::1 -p 7000 -a secret --user me -n 3 -3 -t 0.5 --retries 0 --no-raw -s /run/s SET k v".split()
    )
    assert (options.host, options.port, options.password, options.user) == ("::1", 7000, "secret", "me")
    assert (options.database, options.resp, options.timeout, options.retries) == (3, 3, 0.5, 0)
    assert (options.form, options.task, options.socket) == ("no-raw", None, "/run/s")
    assert options.words == ["SET", "k", "v"]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("redis://", ("127.0.0.1", 6379, "default", None, 0)),
        ("redis://there", ("there", 6379, "default", None, 0)),
        ("redis://there:7000/", ("there", 7000, "default", None, 0)),
        ("redis://me:s%40@[::1]:7000/3", ("::1", 7000, "me", "s@", 3)),
        ("redis://secret@there", ("there", 6379, "default", "secret", 0)),
        ("redis://:secret@there/1", ("there", 6379, "default", "secret", 1)),
    ],
)
def test_an_address_may_say_all(uri: str, expected: tuple[object, ...]) -> None:
    options = parse_arguments(["-u", uri, "PING"])
    assert (options.host, options.port, options.user, options.password, options.database) == expected


def test_json_is_written_of_resp3_unless_the_other_is_asked_for() -> None:
    assert [parse_arguments(words.split()).resp for words in ("", "-3", "--json", "--json -2", "--csv")] == [
        2,
        3,
        3,
        2,
        2,
    ]


def test_what_follows_the_command_belongs_to_it() -> None:
    assert parse_arguments(["ECHO", "-p", "1", "--udp"]).words == ["ECHO", "-p", "1", "--udp"]
    assert not parse_arguments(["ECHO", "--udp"]).udp


def test_the_password_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDISCLI_AUTH", "from outside")
    assert parse_arguments([]).password == "from outside"
    assert parse_arguments(["-a", "given"]).password == "given"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--nonsense"], "--nonsense"),
        (["-p", "many"], "argument -p/--port: "),
        (["-p", "99999"], "argument -p/--port: "),
        (["-p", "0"], "argument -p/--port: "),
        (["-t", "-1"], "argument -t/--timeout: "),
        (["-t", "soon"], "argument -t/--timeout: "),
        (["--udp", "--dialect", "morse"], "invalid choice"),
        (["--udp", "--dialect", "equals", "-a", "secret"], "a password needs --dialect resp"),
        (["--udp", "-n", "1"], "a datagram has no selected database"),
        (["-t"], "expected one argument"),
        (["-r-5", "PING"], "a number of times"),
        (["-r", "x", "PING"], "a number of times"),
        (["-x"], "which request?"),
        (["--raw", "--json"], "not allowed with argument"),
        (["--scan", "--stat"], "not allowed with argument"),
        (["--scan", "PING"], "--scan is without a request"),
        (["--stat", "--pattern", "a*"], "--pattern is for --scan and --bigkeys"),
        (["-u", "http://here/"], "begins with redis://"),
        (["-u", "rediss://here/"], "begins with redis://"),
        (["-u", "redis://here:99999/"], "argument -u/--uri: "),
        (["-u", "redis://here/x"], "a database is a number"),
        (["-u", "redis://here:0/"], "a port is a number"),
        (["-u", "redis://[::1"], "Invalid IPv6 URL"),
    ],
)
def test_wrong_arguments_are_told_and_end_with_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(arguments)
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_the_version_and_the_help_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for option, text in (("--version", f"owncache-cli {VERSION}"), ("--help", "--dialect")):
        with pytest.raises(SystemExit) as ended:
            parse_arguments([option])
        assert ended.value.code == 0
        assert text in capsys.readouterr().out


# The client that they ask for


class Loop:
    """A reactor that does nothing, and is stopped in the end."""

    def __init__(self) -> None:
        self.stopped = 0

    def run(self, installSignalHandlers: bool) -> None:  # noqa: N803  # as Twisted has it
        assert not installSignalHandlers

    def stop(self) -> None:
        self.stopped += 1

    def callFromThread(self, call: Callable[[], None]) -> None:
        call()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_datagrams_are_sent_when_asked_for(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    loop = Loop()
    monkeypatch.setattr(twisted.internet, "reactor", loop, raising=False)
    client = make_client(parse_arguments(["--udp", "-h", host]))
    assert isinstance(client, DatagramCalls)
    assert client._client._host == ("127.0.0.1" if host == "localhost" else host)
    client.close()
    assert loop.stopped == 1


@pytest.mark.parametrize(
    ("arguments", "family"), [(["-p", "{port}"], socket.AF_INET), (["-s", "{path}"], socket.AF_UNIX)]
)
def test_the_address_chooses_the_kind_of_stream(arguments: list[str], family: int, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(family) as listening:
        listening.bind(("127.0.0.1", 0) if family == socket.AF_INET else path)
        listening.listen()
        port = listening.getsockname()[1] if family == socket.AF_INET else 0
        client = make_client(parse_arguments([each.format(port=port, path=path) for each in arguments]))
        assert isinstance(client, BlockingClient)
        stream = client._connect()
        listening.accept()[0].close()
        assert stream.recv(1) == b""
        stream.close()


# The file in which a server tells where it listens


@pytest.mark.parametrize(
    ("told", "arguments", "found"),
    [
        ("udp 127.0.0.1:1\ntcp 0.0.0.0:7\ntcp [::]:7\nunix /s\n", [], ("127.0.0.1", 7, None, False)),
        ("udp 127.0.0.1:1\ntcp 0.0.0.0:7\n", ["--udp"], ("127.0.0.1", 1, None, True)),
        ("tcp [::]:7\n", [], ("::1", 7, None, False)),
        ("tcp [2001:db8::1]:7\n", [], ("2001:db8::1", 7, None, False)),
        ("unix /run/a b\nudp 127.0.0.1:1\n", [], ("127.0.0.1", 6379, "/run/a b", False)),
        ("udp 127.0.0.1:1\n", [], ("127.0.0.1", 1, None, True)),
    ],
)
def test_an_address_is_taken_from_the_file_of_a_server(
    tmp_path: Path, told: str, arguments: list[str], found: tuple[Any, ...]
) -> None:
    path = tmp_path / "addresses"
    path.write_text(told)
    options = parse_arguments([*arguments, "--address-file", str(path)])
    take_address(options)
    assert (options.host, options.port, options.socket, options.udp) == found


@pytest.mark.parametrize("told", [None, "", "tcp 127.0.0.1:1\n", "udp\n\n", "udp 127.0.0.1\n", "udp here:there\n", "x"])
def test_a_file_without_the_address_is_no_answer(program: Any, tmp_path: Path, told: str | None) -> None:
    path = tmp_path / "addresses"
    if told is not None:
        path.write_text(told)
    status, output, errors = program("--udp", "--address-file", str(path), "PING")
    assert (status, output) == (2, b"")
    assert errors.startswith(f"no answer from {path}: ".encode())


# The shell


class Fake:
    """A shell on a call that gives, or raises, what the test says."""

    def __init__(self, answer: Reply = b"v", *, raw: bool = False) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []
        self.database, self.in_transaction = 0, False
        self.output, self.errors = io.BytesIO(), io.BytesIO()
        self.shell = Shell(self, self.output, self.errors, form=FORMS["raw" if raw else "no-raw"], name="here:1")

    def request(self, *words: Any) -> Reply:
        self.asked.append(words)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("reply", "typed", "raw"),
    [
        (b"a b\n", b'"a b\\n"\n', b"a b\n\n"),
        (None, b"(nil)\n", b"\n"),
        (7, b"(integer) 7\n", b"7\n"),
        ([b"a", None, 1], b'1) "a"\n2) (nil)\n3) (integer) 1\n', b"a\n\n1\n"),
        ([], b"(empty array)\n", b"\n"),
    ],
)
def test_replies_are_written_with_types_or_raw(reply: Reply, typed: bytes, raw: bytes) -> None:
    for wish, text in ((False, typed), (True, raw)):
        fake = Fake(reply, raw=wish)
        assert fake.shell.run([b"GET", b"k"]) == 0
        assert fake.output.getvalue() == text
        assert fake.errors.getvalue() == b""


@pytest.mark.parametrize("line", [b"INFO", b"info server", b"lolwut", b"client list", b"CLIENT INFO", b"memory doctor"])
def test_a_text_for_people_is_not_quoted(line: bytes) -> None:
    fake = Fake(b"# Server\r\nport:1\r\n")
    assert fake.shell.run_line(line) == 0
    assert fake.output.getvalue() == b"# Server\r\nport:1\r\n"  # which has line ends of its own


def test_an_error_reply_is_status_1() -> None:
    fake = Fake(CommandError("no such key"))
    assert fake.shell.run([b"GET"]) == 1
    assert fake.output.getvalue() == b"(error) ERR no such key\n"


def test_no_answer_is_status_2_and_told_on_the_other_stream() -> None:
    fake = Fake(NoAnswer("nobody there"))
    assert fake.shell.run([b"GET", b"k"]) == 2
    assert fake.output.getvalue() == b""
    told = fake.errors.getvalue()
    assert told.startswith(b"no answer from here:1: ")
    assert told.count(b"\n") == 1


def test_a_server_that_was_told_to_end_may_end_the_connection() -> None:
    fake = Fake(Ended("the connection ended before the reply came"))
    assert fake.shell.run([b"SHUTDOWN", b"NOSAVE"]) == 0
    assert fake.errors.getvalue() == b""
    assert fake.shell.run([b"PING"]) == 2


def test_a_request_that_cannot_be_sent_is_status_2() -> None:
    fake = Fake(ValueError("the equals dialect knows little"))
    assert fake.shell.run([b"DEL", b"k"]) == 2
    assert fake.errors.getvalue() == b"the equals dialect knows little\n"


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (b"GET k\n", [(b"GET", b"k")]),
        (b'SET k "a b\\xff"', [(b"SET", b"k", b"a b\xff")]),
        (b"", []),
        (b"   \r\n", []),
    ],
)
def test_a_line_is_cut_into_words(line: bytes, asked: list[tuple[bytes, ...]]) -> None:
    fake = Fake()
    assert fake.shell.run_line(line) == 0
    assert fake.asked == asked


@pytest.mark.parametrize("line", [b'SET k "a', b"SET 'a'b c"])
def test_unbalanced_quotes_are_told_as_redis_cli_does(line: bytes) -> None:
    fake = Fake()
    assert fake.shell.run_line(line) == 2
    assert fake.errors.getvalue() == b"Invalid argument(s)\n"
    assert fake.asked == []


@pytest.mark.parametrize("line", [b"quit", b"EXIT\n", b" Quit \r\n"])
def test_a_line_may_ask_to_leave(line: bytes) -> None:
    fake = Fake()
    assert fake.shell.run_line(line) is None
    assert fake.asked == []


def test_lines_are_run_to_the_end_and_the_worst_status_is_given() -> None:
    fake = Fake()
    assert fake.shell.run_lines([b"GET a\n", b"\n", b"GET b\n"]) == 0
    assert len(fake.asked) == 2
    fake.answer = CommandError("no")
    assert fake.shell.run_lines([b"GET a\n", b'"\n', b"GET a\n"]) == 2
    assert fake.shell.run_lines([b"GET a\n", b"quit\n", b'"\n']) == 1


DOCS = [b"get", [b"summary", b"s"], b"config", [b"subcommands", [b"config|get", [], b"config|set", []]]]


@pytest.mark.parametrize(
    "docs",
    [
        DOCS,
        {b"get": {b"summary": b"s"}, b"config": {b"subcommands": {b"config|get": {}, b"config|set": {}}}},
    ],
)
def test_the_server_tells_the_names_for_completion(docs: Reply) -> None:
    fake = Fake(docs)
    assert fake.shell.documents.names == ["CONFIG", "CONFIG GET", "CONFIG SET", "GET"]
    assert fake.asked == [(b"COMMAND", b"DOCS")]


@pytest.mark.parametrize("answer", [CommandError("unknown"), NoAnswer("slow"), ValueError("no"), b"what", None])
def test_a_server_that_does_not_tell_gives_no_names(answer: Reply) -> None:
    assert Fake(answer).shell.documents.names == []


def test_the_names_come_from_a_real_cache(cache: MemoryCache) -> None:
    for resp in (2, 3):
        client = BlockingClient(lambda: MemoryStream(cache), resp=resp)
        names = Shell(client, io.BytesIO(), io.BytesIO(), form=FORMS["raw"]).documents.names
        assert {"GET", "SET", "CONFIG GET", "CLIENT LIST"} <= set(names)


# The prompt


def typed(*lines: Any) -> Callable[[Shell], Callable[[str], str]]:
    """A prompt at which somebody types lines; an exception stands for a key that makes it."""
    left = list(lines)

    def read(prompt: str) -> str:
        assert prompt == "here:1> "
        line = left.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line

    return lambda shell: read


@pytest.mark.parametrize("last", ["quit", "exit", EOFError()])
def test_the_prompt_runs_lines_until_the_person_leaves(monkeypatch: pytest.MonkeyPatch, last: Any) -> None:
    monkeypatch.setattr(prompt, "_reader", typed("GET a", "", KeyboardInterrupt(), "GET ü", last))
    fake = Fake()
    assert interact(fake.shell) == 0
    assert fake.asked == [(b"GET", b"a"), (b"GET", "ü".encode())]
    assert fake.output.getvalue() == b'"v"\n"v"\n'


def test_the_prompt_tells_the_database_and_the_transaction(cache: MemoryCache) -> None:
    client = BlockingClient(lambda: MemoryStream(cache))
    shell = Shell(client, io.BytesIO(), io.BytesIO(), form=FORMS["no-raw"], name="here:1")
    seen = []
    for line in (b"PING", b"select 3", b"MULTI", b"select 4", b"EXEC", b"select 99", b"RESET"):
        shell.run_line(line)
        seen.append(shell.prompt)
    assert seen == [
        "here:1> ",
        "here:1[3]> ",
        "here:1[3](TX)> ",
        "here:1[3](TX)> ",
        "here:1[4]> ",
        "here:1[4]> ",
        "here:1> ",
    ]


def test_clear_clears_the_screen() -> None:
    fake = Fake()
    assert fake.shell.run_line(b"clear") == 0
    assert fake.output.getvalue() == b"\x1b[H\x1b[2J"
    assert fake.asked == []


def test_an_interrupt_ends_what_waits_and_not_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "_reader", typed("BLPOP q 0", "PING", EOFError()))
    fake = Fake()
    answers: list[Any] = [KeyboardInterrupt(), b"PONG"]

    def request(*words: Any) -> Reply:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(fake, "request", request)
    assert interact(fake.shell) == 0
    assert fake.output.getvalue() == b'"PONG"\n'


SECRETS = [
    "2 AUTH secret",
    "3 hello 3 auth default secret",
    '"AUTH" secret',
    "'auth' user secret",
    '"CONFIG" SET requirepass secret',
    'auth "secret',
    "AUTH secret",
    "  auth user secret",
    "ACL  SETUSER me >secret",
    "config set maxclients 3 requirepass secret",
    "HELLO 3 AUTH default secret",
    "MIGRATE h 1 k 0 5 AUTH secret",
]
PLAIN = ["3 GET auth", "GET auth", "CONFIG SET maxclients 3", "HELLO 3", "ACL LIST"]


@pytest.mark.parametrize("is_there", [False, True])
def test_without_the_extra_the_prompt_is_pythons_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_there: bool
) -> None:
    path = tmp_path / ".owncache_cli_history.plain"
    if is_there:
        path.write_text("PING\n")
        path.chmod(0o644)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    lines = [*SECRETS, *PLAIN, " "]
    monkeypatch.setattr("builtins.input", lambda prompt: lines.pop(0))
    fake = Fake()
    read = prompt._reader(fake.shell)
    for _ in range(len(lines)):
        read("here:1> ")
    assert path.read_text().split("\n") == [*(["PING"] if is_there else []), *PLAIN, ""]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert fake.asked == []


def test_a_python_without_readline_has_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("prompt_toolkit", "readline"):
        monkeypatch.setitem(sys.modules, module, None)
    assert prompt._reader(Fake().shell) is input


@pytest.mark.parametrize("extra", [True, False])
def test_where_no_history_can_be_kept_there_is_a_prompt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, extra: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    if not extra:
        monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
        monkeypatch.setattr("builtins.input", lambda prompt: "PING")
        assert prompt._reader(Fake().shell)("here:1> ") == "PING"
    else:
        assert callable(prompt._reader(Fake(DOCS).shell))
    assert list(tmp_path.iterdir()) == []


def test_with_the_extra_the_prompt_has_history_and_completion(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    monkeypatch.setenv("HOME", str(tmp_path))
    fake = Fake(DOCS)
    path = tmp_path / ".owncache_cli_history"
    path.touch(0o644)
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        read = prompt._reader(fake.shell)
        for line in [*SECRETS, *PLAIN]:
            keys.send_text(line + "\n")
            assert read("here:1> ") == line
    kept = path.read_text()
    assert all("+" + line in kept for line in PLAIN)
    assert "secret" not in kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert fake.asked == [(b"COMMAND", b"DOCS")]


# The whole program, its reactor and its client replaced


class Console:
    """A standard stream of bytes, a terminal or a pipe."""

    def __init__(self, data: bytes = b"", *, terminal: bool = False) -> None:
        self.buffer = io.BytesIO(data)
        self.isatty = lambda: terminal

    def write(self, text: str) -> None:
        self.buffer.write(text.encode())

    def flush(self) -> None:
        """Do nothing: all is written."""


@pytest.fixture
def program(cache: MemoryCache, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, bytes, bytes]]:
    """Run the program against a cache in memory; gives its status and what it wrote."""
    monkeypatch.setattr(
        cli, "make_client", lambda options: BlockingClient(lambda: MemoryStream(cache), resp=options.resp)
    )

    def run(*arguments: str, lines: bytes = b"", terminal: bool = False) -> tuple[int, bytes, bytes]:
        streams = Console(lines, terminal=terminal), Console(terminal=terminal), Console()
        for name, stream in zip(("stdin", "stdout", "stderr"), streams):
            monkeypatch.setattr(sys, name, stream)
        try:
            status = cli.main(list(arguments))
        finally:
            monkeypatch.undo()
        return status, streams[1].buffer.getvalue(), streams[2].buffer.getvalue()

    return run


@pytest.mark.parametrize(
    ("arguments", "terminal", "output"),
    [
        (["GET", "k"], False, b"value\n"),
        (["GET", "k"], True, b'"value"\n'),
        (["--raw", "GET", "k"], True, b"value\n"),
        (["--no-raw", "GET", "k"], False, b'"value"\n'),
        (["-3", "--no-raw", "HGETALL", "h"], False, b'1# "f" => "v"\n'),
        (["--no-raw", "HGETALL", "h"], False, b'1) "f"\n2) "v"\n'),
    ],
)
def test_one_request_is_run_and_written_as_the_output_asks(
    cache: MemoryCache, program: Any, arguments: list[str], terminal: bool, output: bytes
) -> None:
    cache.call("SET", "k", "value")
    cache.call("HSET", "h", "f", "v")
    assert program(*arguments, terminal=terminal) == (0, output, b"")


def test_words_that_are_no_utf_8_reach_the_server_as_they_were(cache: MemoryCache, program: Any) -> None:
    assert program("SET", "k", b"\xff\xfe".decode("utf-8", "surrogateescape"))[0] == 0
    assert cache.call("GET", "k") == b"\xff\xfe"


def test_an_error_reply_makes_the_program_end_with_status_1(program: Any) -> None:
    status, output, errors = program("FLY", "away")
    assert (status, errors) == (1, b"")
    assert output.startswith(b"ERR unknown command 'FLY'")


def test_the_last_word_may_come_from_the_input(cache: MemoryCache, program: Any) -> None:
    assert program("-x", "SET", "k", lines=b"a\n\xff\n") == (0, b"OK\n", b"")
    assert cache.call("GET", "k") == b"a\n\xff\n"


def test_a_request_may_be_run_many_times(cache: MemoryCache, program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    assert program("-r", "3", "-i", "0.5", "INCR", "k") == (0, b"1\n2\n3\n", b"")
    assert slept == [0.5, 0.5]


def test_a_request_may_be_run_for_ever(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    assert program("-r", "0", "INCR", "k") == (130, b"1\n2\n3\n4\n5\n", b"")


def test_an_output_that_nobody_reads_ends_the_program(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*ignored: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(Shell, "_write", broken)
    assert program("PING")[0] == 141


def test_an_output_that_is_full_is_told_in_one_line(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*ignored: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Shell, "_write", full)
    status, _, errors = program("PING")
    assert (status, errors) == (2, b"cannot write: [Errno 28] No space left on device\n")


def test_closed_streams_are_as_if_nothing_were_there(
    cache: MemoryCache, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert cli.main(["SET", "k", "v"]) == 0
    assert cli.main(["-x", "SET", "l"]) == 0
    assert cli.main([]) == 0
    assert (cache.call("GET", "k"), cache.call("GET", "l")) == (b"v", b"")


def test_lines_from_a_pipe_are_requests(cache: MemoryCache, program: Any) -> None:
    assert program(lines=b"SET a 1\nINCR a\n\nGET a\n") == (0, b"OK\n2\n2\n", b"")
    assert cache.call("GET", "a") == b"2"


def test_a_terminal_gets_a_prompt(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def leave(prompt: str) -> str:
        asked.append(prompt)
        raise EOFError

    monkeypatch.setattr(prompt, "_reader", lambda shell: leave)
    assert program(terminal=True) == (0, b"", b"")
    assert asked == ["127.0.0.1:6379> "]


def test_a_host_without_an_address_is_told_in_one_line(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*ignored: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(cli, "make_client", nowhere)
    status, output, errors = program("--udp", "-h", "nowhere", "PING")
    assert (status, output) == (2, b"")
    assert errors == b"no answer from nowhere: Name or service not known\n"


def test_an_interrupt_ends_the_program_with_status_130(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*ignored: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Shell, "run", interrupted)
    assert program("GET", "k")[0] == 130


def test_the_arguments_are_those_of_the_process_where_none_are_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["owncache-cli", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    assert VERSION in capsys.readouterr().out


class Interrupted(MemoryStream):
    """A stream on which the user presses Ctrl-C when nothing more comes."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        try:
            return super().recv(size, flags)
        except socket.timeout:
            raise KeyboardInterrupt from None


@pytest.mark.parametrize(("form", "head"), [("no-raw", "Reading messages... (press Ctrl-C to quit)\n"), ("raw", "")])
def test_messages_are_written_until_the_user_interrupts(cache: MemoryCache, form: str, head: str) -> None:
    output = io.BytesIO()
    client = BlockingClient(lambda: Interrupted(cache))
    shell = Shell(client, output, io.BytesIO(), form=FORMS[form])
    assert shell.run([b"SUBSCRIBE", b"c", b"d"]) == 0
    lines = output.getvalue().decode()
    assert lines.startswith(head)
    assert lines.count("subscribe") == 2
    assert cache.call("PUBSUB", "CHANNELS") == []
    assert shell.run([b"GET", b"k"]) == 0
    assert shell.run([b"SUBSCRIBE"]) == 1
    errors = io.BytesIO()
    assert Shell(client, output, errors, form=FORMS[form]).run([b"UNSUBSCRIBE"]) == 2
    assert b"waits for one reply" in errors.getvalue()
