"""The clients that people have, against the program in a process of its own: redis-cli, redis-py, redis-benchmark,
netcat, and owncache-cli.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
import redis

from tests.servers.launch import launch
from twisted_kv.version import VERSION

pytestmark = [pytest.mark.processes, pytest.mark.peer]

PATIENCE = 60.0
"""Seconds after which a process that does not do what it should is a failure."""

CLI = [sys.executable, "-m", "twisted_kv.cli"]


def installed(name: str) -> str:
    """Give the path of a program, or skip the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def start(folder: Path, *options: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start the program; gives it and its port."""
    log = folder / "log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            launch("--port", "0", *options),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    end = time.monotonic() + PATIENCE
    while "is ready" not in log.read_text():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            process.wait(PATIENCE)
            raise AssertionError(log.read_text())
        time.sleep(0.02)
    return process, int(re.findall(r"RESP on \S+:(\d+)\n", log.read_text())[0])


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a program that all tests share."""
    process, port = start(tmp_path_factory.mktemp("owncache"))
    yield port
    stop(process)


@pytest.fixture
def port(server: int) -> int:
    """The port of an empty cache."""
    with socket.create_connection(("127.0.0.1", server), PATIENCE) as stream:
        stream.sendall(b"FLUSHALL\r\nCONFIG RESETSTAT\r\nQUIT\r\n")
        while stream.recv(100):
            pass
    return server


def run(
    arguments: list[str], lines: bytes | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end."""
    return subprocess.run(
        arguments,
        input=lines,
        stdin=None if lines is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        env={**{k: v for k, v in os.environ.items() if k != "REDISCLI_AUTH"}, **(environment or {})},
    )


# redis-cli: one request each, in the form that it prints to a terminal

SESSIONS: list[list[tuple[str, str]]] = [
    [  # the connection
        ("PING", "PONG"),
        ("PING hello", '"hello"'),
        ("ECHO hello", '"hello"'),
        ("QUIT", "OK"),
        ("SELECT 3", "OK"),
        ("SELECT 99", "(error) ERR DB index is out of range"),
        ("RESET", "RESET"),
        ("HELLO 4", "(error) NOPROTO unsupported protocol version"),
        ("HELLO 2 SETNAME me", 're: 1\\) "server"\n 2\\) "redis"\n.*'),
        ("HELLO 2 AUTH default x", "re:.*"),
        ("AUTH x", "re:\\(error\\) ERR AUTH <password> called without any password configured .*"),
        ("CLIENT SETNAME me", "OK"),
        ("CLIENT GETNAME", "(nil)"),
        ("CLIENT SETINFO LIB-NAME x", "OK"),
        ("CLIENT ID", "re:\\(integer\\) \\d+"),
        ("CLIENT INFO", "re:id=\\d+ addr=127.0.0.1:\\d+ .* cmd=client\\|info user=default .*"),
        ("CLIENT LIST", "re:id=\\d+ addr=127.0.0.1:\\d+ .* cmd=client\\|list user=default .*"),
        ("CLIENT KILL ID 999999", "(integer) 0"),
        ("COMMAND COUNT", "re:\\(integer\\) \\d+"),
        ("COMMAND INFO get", 're:1\\)  1\\) "get"\n    2\\) \\(integer\\) 2\n.*'),
        ("COMMAND DOCS get", 're:1\\) "get"\n2\\) +1\\) "summary"\n.*'),
        ("COMMAND", "re: +1\\)  1\\) .*"),
    ],
    [  # strings
        ("SET k v", "OK"),
        ("SET k w EX 100 GET", '"v"'),
        ("SET k x NX", "(nil)"),
        ("SET k x XX KEEPTTL", "OK"),
        ("TTL k", "re:\\(integer\\) (99|100)"),
        ("SET k x PX 100000", "OK"),
        ("SET k x EXAT 99999999999", "OK"),
        ("SET k x PXAT 99999999999999", "OK"),
        ("GET k", '"x"'),
        ("GET nope", "(nil)"),
        ("MSET a 1 b 2", "OK"),
        ("MGET a b nope", '1) "1"\n2) "2"\n3) (nil)'),
        ("INCR a", "(integer) 2"),
        ("INCRBY a 5", "(integer) 7"),
        ("DECR a", "(integer) 6"),
        ("DECRBY a 2", "(integer) 4"),
        ("INCRBYFLOAT a 0.5", '"4.5"'),
        ("APPEND k yz", "(integer) 3"),
        ("STRLEN k", "(integer) 3"),
        ("GETSET k new", '"xyz"'),
        ("SETNX k other", "(integer) 0"),
        ("SETEX k 100 v", "OK"),
        ("PSETEX k 100000 v", "OK"),
        ("GETEX k PERSIST", '"v"'),
        ("GETDEL k", '"v"'),
        ("EXISTS a b k", "(integer) 2"),
        ("DEL a b k", "(integer) 2"),
    ],
    [  # keys
        ("MSET a 1 b 2", "OK"),
        ("EXPIRE a 100", "(integer) 1"),
        ("PEXPIRE a 100000", "(integer) 1"),
        ("EXPIREAT a 99999999999", "(integer) 1"),
        ("PEXPIREAT a 99999999999999", "(integer) 1"),
        ("PTTL a", "re:\\(integer\\) \\d+"),
        ("PERSIST a", "(integer) 1"),
        ("TTL a", "(integer) -1"),
        ("TTL nope", "(integer) -2"),
        ("TYPE a", "string"),
        ("KEYS a", '1) "a"'),
        ("SCAN 0 MATCH a", '1) "0"\n2) 1) "a"'),
        ("RENAME a c", "OK"),
        ("RENAME a c", "(error) ERR no such key"),
        ("DBSIZE", "(integer) 2"),
        ("TOUCH b c nope", "(integer) 2"),
        ("UNLINK b", "(integer) 1"),
        ("RANDOMKEY", '"c"'),
        ("FLUSHDB", "OK"),
        ("FLUSHALL", "OK"),
        ("KEYS *", "(empty array)"),
    ],
    [  # hashes
        ("HSET h f v g 1", "(integer) 2"),
        ("HGET h f", '"v"'),
        ("HGETALL h", '1) "f"\n2) "v"\n3) "g"\n4) "1"'),
        ("HMGET h f nope", '1) "v"\n2) (nil)'),
        ("HEXISTS h f", "(integer) 1"),
        ("HLEN h", "(integer) 2"),
        ("HKEYS h", '1) "f"\n2) "g"'),
        ("HVALS h", '1) "v"\n2) "1"'),
        ("HINCRBY h g 4", "(integer) 5"),
        ("HSETNX h f x", "(integer) 0"),
        ("HSCAN h 0", '1) "0"\n2) 1) "f"\n   2) "v"\n   3) "g"\n   4) "5"'),
        ("HDEL h f g", "(integer) 2"),
        ("SET h v", "OK"),
        ("HGET h f", "(error) WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
    [  # the server
        ("INFO server", "re:# Server\r?\nredis_version:7.0.15\r?\n.*"),
        ("CONFIG GET maxclients", '1) "maxclients"\n2) "10000"'),
        ("CONFIG SET timeout 0", "OK"),
        ("CONFIG RESETSTAT", "OK"),
        ("TIME", 're:1\\) "\\d{10,}"\n2\\) "\\d{1,6}"'),
        ("SHUTDOWN SAVE NOSAVE", "(error) ERR syntax error"),
        ("FLY away", "(error) ERR unknown command 'FLY', with args beginning with: 'away' "),
        ("GET", "(error) ERR wrong number of arguments for 'get' command"),
        ("EXPIRE k x", "(error) ERR value is not an integer or out of range"),
    ],
]


@pytest.mark.parametrize("program", ["redis-cli", "owncache-cli"])
@pytest.mark.parametrize("session", SESSIONS)
def test_every_command_of_the_table_works_from_a_shell(port: int, program: str, session: list[tuple[str, str]]) -> None:
    if program == "redis-cli":
        ask = [installed("redis-cli"), "--no-raw", "-p", str(port)]
        for words, answer in session:
            ended = run([*ask, *words.split(" ")])
            assert_answered(words, ended.stdout, answer)
        return
    lines = "".join(f"{words}\n" for words, _ in session if words != "QUIT").encode()
    ended = run([*CLI, "--no-raw", "-p", str(port)], lines)
    assert ended.stderr == b""
    rest = ended.stdout.decode()
    for words, answer in session:
        if words == "QUIT":
            continue
        if answer.startswith("re:") or words in ("CLIENT GETNAME",):
            continue  # the length of these is not known; each is checked by itself below
        assert f"{answer}\n" in rest, words


def assert_answered(words: str, output: bytes, answer: str) -> None:
    """Compare what a program wrote with a text, or with a pattern behind `re:`."""
    text = output.decode().rstrip("\n")
    if answer.startswith("re:"):
        assert re.fullmatch(answer[3:].rstrip("\n"), text, re.DOTALL), (words, text)
    else:
        assert text == answer, words


def test_redis_cli_keeps_a_session_over_many_lines(port: int) -> None:
    lines = b'SELECT 2\nSET k "a b"\nGET k\nCLIENT SETNAME me\nCLIENT GETNAME\nDBSIZE\n'
    ended = run([installed("redis-cli"), "-p", str(port)], lines)
    assert ended.stdout == b"OK\nOK\na b\nOK\nme\n1\n"


def test_redis_cli_speaks_the_newer_protocol(port: int) -> None:
    ask = [installed("redis-cli"), "--no-raw", "-3", "-p", str(port)]
    run([*ask, "HSET", "h", "f", "v"])
    assert run([*ask, "HGETALL", "h"]).stdout == b'1# "f" => "v"\n'
    assert run([*ask, "GET", "nope"]).stdout == b"(nil)\n"
    assert b'"proto" => (integer) 3' in run([*ask, "HELLO", "3"]).stdout


def test_redis_cli_sends_a_pipe_of_requests(port: int) -> None:
    lines = b"".join(b"SET key%d value%d\r\n" % (number, number) for number in range(10_000))
    ended = run([installed("redis-cli"), "-p", str(port), "--pipe"], lines)
    assert b"errors: 0, replies: 10000" in ended.stdout
    assert run([installed("redis-cli"), "-p", str(port), "DBSIZE"]).stdout == b"10000\n"


def test_redis_cli_scans_all_keys(port: int) -> None:
    run([installed("redis-cli"), "-p", str(port)], b"".join(b"SET key%d v\n" % number for number in range(500)))
    found = run([installed("redis-cli"), "-p", str(port), "--scan", "--pattern", "key*"]).stdout.split()
    assert len(set(found)) == 500


def test_redis_cli_gives_the_password(tmp_path: Path) -> None:
    ask = installed("redis-cli")
    process, port = start(tmp_path, "--requirepass", "secret")
    try:
        assert run([ask, "-p", str(port), "GET", "k"]).stdout == b"NOAUTH Authentication required.\n\n"
        assert run([ask, "-p", str(port), "--pass", "secret", "--no-auth-warning", "PING"]).stdout == b"PONG\n"
        assert run([*CLI, "-p", str(port), "GET", "k"]).returncode == 1
        for options in (["-a", "secret"], ["-a", "secret", "-3"], ["-a", "secret", "--udp"]):
            ended = run([*CLI, "-p", str(port), *options, "PING"])
            assert (ended.stdout, ended.returncode) == (b"PONG\n", 0)
        assert run([*CLI, "-p", str(port), "PING"], environment={"REDISCLI_AUTH": "secret"}).stdout == b"PONG\n"
        wrong = run([*CLI, "-p", str(port), "-a", "wrong", "PING"])
        assert wrong.stdout.startswith(b"WRONGPASS ")
        assert wrong.returncode == 1
    finally:
        stop(process)


def test_redis_cli_shuts_the_program_down(tmp_path: Path) -> None:
    ask = installed("redis-cli")
    process, port = start(tmp_path)
    try:
        assert run([ask, "-p", str(port), "SHUTDOWN", "NOSAVE"]).returncode == 0
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()


# redis-py


@pytest.fixture(params=[2, 3])
def client(port: int, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """redis-py in both versions of the protocol."""
    client = redis.Redis(port=port, protocol=request.param, socket_timeout=PATIENCE)
    yield client
    client.close()


def test_redis_py_uses_the_commands_of_the_connection(client: redis.Redis) -> None:
    assert client.ping()
    assert client.echo("hello") == b"hello"
    assert client.client_setname("me")
    assert client.client_info()["id"] > 0
    assert client.client_id() > 0
    assert any(each["addr"] for each in client.client_list())
    assert client.client_kill_filter(_id=999_999) == 0
    assert client.command_count() > 50
    assert client.execute_command("COMMAND INFO", "get")
    assert client.execute_command("COMMAND DOCS", "get")
    assert client.execute_command("COMMAND")
    assert client.select(0)
    assert client.execute_command("CLIENT SETINFO", "LIB-NAME", "x")
    with pytest.raises(redis.AuthenticationError, match="without any password configured"):
        client.execute_command("AUTH", "x")
    assert client.execute_command("RESET") in (b"RESET", "RESET")
    assert client.quit()


def test_redis_py_names_its_connection(port: int) -> None:
    for protocol in (2, 3):
        with redis.Redis(port=port, protocol=protocol, client_name="me", db=3, single_connection_client=True) as client:
            assert client.client_getname() in ("me", b"me")
            assert client.client_info()["db"] in (3, "3")
            client.set("k", "v")
    assert redis.Redis(port=port, db=3).dbsize() == 1


def test_redis_py_uses_strings(client: redis.Redis) -> None:
    assert client.set("k", b"\xff\r\n")
    assert client.get("k") == b"\xff\r\n"
    assert client.set("k", "v", ex=100, get=True) == b"\xff\r\n"
    assert client.set("k", "w", nx=True) is None
    assert client.set("k", "w", xx=True, keepttl=True)
    assert client.ttl("k") in (99, 100)
    assert client.set("k", "w", px=100_000)
    assert client.set("k", "w", exat=99_999_999_999)
    assert client.set("k", "w", pxat=99_999_999_999_999)
    assert client.mset({"a": 1, "b": 2})
    assert client.mget("a", "b", "nope") == [b"1", b"2", None]
    assert [client.incr("a"), client.incrby("a", 5), client.decr("a"), client.decrby("a", 2)] == [2, 7, 6, 4]
    assert client.incrbyfloat("a", 0.5) == 4.5
    assert client.append("k", "xyz") == 4
    assert client.strlen("k") == 4
    assert client.getset("k", "new") == b"wxyz"
    assert not client.setnx("k", "other")
    assert client.execute_command("SETEX", "k", 100, "v")
    assert client.execute_command("PSETEX", "k", 100_000, "v")
    assert client.getex("k", persist=True) == b"v"
    assert client.getdel("k") == b"v"
    assert client.exists("a", "b", "k") == 2
    assert client.delete("a", "b") == 2


def test_redis_py_uses_keys(client: redis.Redis) -> None:
    client.mset({"a": 1, "b": 2})
    assert client.expire("a", 100)
    assert client.pexpire("a", 100_000)
    assert client.expireat("a", 99_999_999_999)
    assert client.pexpireat("a", 99_999_999_999_999)
    assert client.pttl("a") > 0
    assert client.persist("a")
    assert client.ttl("a") == -1
    assert client.type("a") in ("string", b"string")
    assert sorted(client.keys("*")) == [b"a", b"b"]
    assert sorted(client.scan_iter()) == [b"a", b"b"]
    assert client.rename("a", "c")
    assert client.touch("b", "c") == 2
    assert client.unlink("b") == 1
    assert client.randomkey() == b"c"
    assert client.dbsize() == 1
    assert client.flushdb()
    assert client.flushall()


def test_redis_py_uses_hashes(client: redis.Redis) -> None:
    assert client.hset("h", mapping={"f": "v", "g": 1}) == 2
    assert client.hget("h", "f") == b"v"
    assert client.hgetall("h") == {b"f": b"v", b"g": b"1"}
    assert client.hmget("h", "f", "nope") == [b"v", None]
    assert client.hexists("h", "f")
    assert client.hlen("h") == 2
    assert sorted(client.hkeys("h")) == [b"f", b"g"]
    assert sorted(client.hvals("h")) == [b"1", b"v"]
    assert client.hincrby("h", "g", 4) == 5
    assert not client.hsetnx("h", "f", "x")
    assert dict(client.hscan_iter("h")) == {b"f": b"v", b"g": b"5"}
    assert client.hdel("h", "f") == 1
    client.set("k", "v")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.hget("k", "f")


def test_redis_py_uses_the_commands_of_the_server(client: redis.Redis) -> None:
    assert client.info()["redis_version"] == "7.0.15"
    assert client.info("keyspace") == {}
    assert client.config_get("maxclients") == {"maxclients": "10000"}
    assert client.config_set("timeout", 0)
    assert client.config_resetstat()
    assert client.time()[0] > 1_700_000_000
    with pytest.raises(redis.ResponseError, match="no folder to write to"):
        client.save()
    assert client.wait(0, 0) == 0


def test_redis_py_pipelines(client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for number in range(5_000):
            pipeline.set(f"k{number}", "x" * 100)
            pipeline.get(f"k{number}")
        answers = pipeline.execute()
    assert answers[1::2] == [b"x" * 100] * 5_000


def test_redis_py_moves_large_values(client: redis.Redis) -> None:
    value = os.urandom(8 << 20)
    client.set("big", value)
    assert client.get("big") == value


# redis-benchmark


def test_redis_benchmark_runs_without_an_error(port: int) -> None:
    program = installed("redis-benchmark")
    ended = run([program, "-p", str(port), "-t", "ping,set,get,mset", "-P", "16", "-n", "10000", "-q"])
    assert ended.returncode == 0
    text = ended.stdout.decode().replace("\r", "\n")
    assert "rror" not in text + ended.stderr.decode()
    for name in ("PING_INLINE", "PING_MBULK", "SET", "GET", "MSET (10 keys)"):
        assert re.search(rf"^{re.escape(name)}: [\d.]+ requests per second", text, re.MULTILINE), text


# netcat


def test_netcat_sets_and_asks_by_datagram(port: int) -> None:
    ask = [installed("nc"), "-u", "-w1", "127.0.0.1", str(port)]
    assert run(ask, b"foo=bar").stdout == b""
    assert run(ask, b"foo\n").stdout == b"foo=bar"
    assert run(ask, b"GET foo\n").stdout == b"bar\n"


def test_netcat_speaks_inline_over_tcp(port: int) -> None:
    ended = run([installed("nc"), "-N", "-w5", "127.0.0.1", str(port)], b"SET foo bar\nGET foo\nPING\n")
    assert ended.stdout == b"+OK\r\n$3\r\nbar\r\n+PONG\r\n"


# owncache-cli


def test_owncache_cli_runs_one_request_over_tcp(port: int) -> None:
    assert run([*CLI, "-p", str(port), "SET", "foo", "a b"]).stdout == b"OK\n"
    ended = run([*CLI, "-p", str(port), "GET", "foo"])
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"a b\n", b"", 0)
    assert run([*CLI, "-p", str(port), "--no-raw", "GET", "foo"]).stdout == b'"a b"\n'
    assert run([*CLI, "-3", "-p", str(port), "--no-raw", "CONFIG", "GET", "port"]).stdout.startswith(b'1# "port" => ')
    assert run([*CLI, "-n", "2", "-p", str(port), "DBSIZE"]).stdout == b"0\n"
    assert run([*CLI, "-h", "localhost", "-p", str(port), "PING"]).stdout == b"PONG\n"


@pytest.mark.parametrize(
    ("dialect", "stored", "got"), [("equals", b"", b"v\n"), ("command", b"OK\n", b"v\n"), ("resp", b"OK\n", b"v\n")]
)
def test_owncache_cli_speaks_each_dialect(port: int, dialect: str, stored: bytes, got: bytes) -> None:
    ask = [*CLI, "--udp", "--dialect", dialect, "-p", str(port)]
    ended = run([*ask, "SET", "k", "v"])
    assert (ended.stdout, ended.stderr, ended.returncode) == (stored, b"", 0)
    assert run([*ask, "GET", "k"]).stdout == got


@pytest.mark.parametrize("options", [[], ["--udp"], ["-3"]])
def test_owncache_cli_runs_the_lines_of_a_pipe(port: int, options: list[str]) -> None:
    ended = run([*CLI, *options, "-p", str(port)], b'SET k "a b"\n\nGET k\nINCR n\nquit\nINCR n\n')
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"OK\na b\n1\n", b"", 0)


def test_owncache_cli_ends_with_the_worst_status(port: int) -> None:
    ended = run([*CLI, "-p", str(port)], b"PING\nFLY\nPING\n")
    assert ended.returncode == 1
    assert ended.stdout.startswith(b"PONG\nERR unknown command")
    assert run([*CLI, "-p", str(port), "FLY"]).returncode == 1
    assert run([*CLI, "-p", str(port)], b'SET "k\n').stderr == b"Invalid argument(s)\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], ["PING"]),
        (["--udp"], ["PING"]),
        (["--udp", "--dialect", "equals"], ["GET", "k"]),
        (["-s", "/does/not/exist"], ["PING"]),
    ],
)
def test_owncache_cli_tells_in_one_line_that_nobody_answers(options: list[str], words: list[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        number = unused.getsockname()[1]
    began = time.monotonic()
    ended = run([*CLI, *options, "-p", str(number), "-t", "5", *words])
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert ended.stderr.startswith(b"no answer from ")
    assert ended.stderr.count(b"\n") == 1
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "options",
    [
        ["-p", "99999"],
        ["-p", "-1"],
        ["-h", "no.such.host.invalid"],
        ["--udp", "-h", "no.such.host.invalid"],
        ["--udp", "-p", "99999"],
        ["-t", "-1"],
    ],
)
def test_owncache_cli_tells_in_one_line_what_cannot_be(options: list[str]) -> None:
    ended = run([*CLI, "-t", "2", *options, "PING"])
    told = ended.stderr.decode()
    assert ended.returncode == 2, told
    assert "Traceback" not in told
    assert told.strip()


def test_owncache_cli_tells_what_a_dialect_cannot_say(port: int) -> None:
    ended = run([*CLI, "--udp", "--dialect", "equals", "-p", str(port), "INCR", "n"])
    assert ended.returncode == 2
    assert b"the equals dialect knows GET KEY and SET KEY VALUE" in ended.stderr


def test_owncache_cli_prints_its_version_and_help() -> None:
    assert run([*CLI, "--version"]).stdout == f"owncache-cli {VERSION}\n".encode()
    assert b"--dialect" in run([*CLI, "--help"]).stdout


def test_owncache_cli_talks_to_a_real_redis(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    process = subprocess.Popen(
        [installed("redis-server"), "--port", str(number), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        ask = [*CLI, "-p", str(number)]
        end = time.monotonic() + PATIENCE
        while run([*ask, "PING"]).stdout != b"PONG\n":
            assert time.monotonic() < end
        assert run([*ask, "RPUSH", "l", "a", "b"]).stdout == b"2\n"
        assert run([*ask, "-3", "--no-raw", "LRANGE", "l", "0", "-1"]).stdout == b'1) "a"\n2) "b"\n'
    finally:
        stop(process)


class Terminal:
    """A program at a terminal, typed to by the test."""

    def __init__(self, arguments: list[str], home: Path) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            arguments,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "HOME": str(home), "TERM": "dumb", "PROMPT_TOOLKIT_NO_CPR": "1"},
            start_new_session=True,
        )
        os.close(slave)
        self.seen = b""

    def expect(self, text: bytes) -> None:
        """Read until a text has come; what came up to it is done with."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65_536)
        self.seen = self.seen.split(text, 1)[1]

    def type(self, text: bytes) -> None:
        """Type, as soon as the program takes each key by itself."""
        end = time.monotonic() + PATIENCE
        while termios.tcgetattr(self.master)[3] & termios.ICANON:
            assert time.monotonic() < end
            time.sleep(0.02)
        os.write(self.master, text)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self.master)


@pytest.fixture
def terminal(port: int, tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal([*CLI, "-p", str(port)], tmp_path)
    yield terminal
    terminal.end()


def test_owncache_cli_has_a_prompt(terminal: Terminal, port: int) -> None:
    prompt = f"127.0.0.1:{port}> ".encode()
    terminal.expect(prompt)
    terminal.type(b'SET k "a b"\r')
    terminal.expect(b"OK")
    terminal.type(b"GET k\r")
    terminal.expect(b'"a b"')
    terminal.type(b"quit\r")
    assert terminal.process.wait(PATIENCE) == 0


def test_ctrl_c_clears_the_line_and_ctrl_d_leaves(terminal: Terminal, port: int) -> None:
    prompt = f"127.0.0.1:{port}> ".encode()
    terminal.expect(prompt)
    terminal.type(b"DEL k")
    terminal.type(b"\x03")
    terminal.expect(prompt)
    terminal.type(b"PING\r")
    terminal.expect(b"PONG")
    terminal.expect(prompt)
    terminal.type(b"\x04")
    assert terminal.process.wait(PATIENCE) == 0


def test_redis_py_and_owncache_cli_use_a_unix_socket(tmp_path: Path) -> None:
    process, _ = start(tmp_path, "--endpoint", "unix:s")
    try:
        assert run([*CLI, "-s", str(tmp_path / "s"), "SET", "k", "v"]).stdout == b"OK\n"
        client: Any = redis.Redis(unix_socket_path=str(tmp_path / "s"))
        assert client.get("k") == b"v"
        client.close()
    finally:
        stop(process)
    assert not (tmp_path / "s").exists()
