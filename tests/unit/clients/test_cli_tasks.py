"""owncache-cli: what it does beside requests: help, hints, another server, walks over keys, other forms of replies."""

from __future__ import annotations

import io
from typing import Any, Callable, Iterator

import pytest

from tests.sockets.memory_stream import MemoryStream
from twisted_kv.blocking_client import BlockingClient
from twisted_kv.cli import sampling, shell
from twisted_kv.cli.documents import Documents
from twisted_kv.cli.shell import FORMS, Shell
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY, Decimal, OrderedSet, Reply, Status, Verbatim

KEY = [b"name", b"key", b"type", b"key"]
DOCS: Reply = [
    b"get", [b"summary", b"Get a value.", b"since", b"1.0.0", b"group", b"string", b"arguments", [KEY]],
    b"set", [
        b"summary", b"Set a value.", b"since", b"1.0.0", b"group", b"string", b"arguments", [
            KEY,
            [b"name", b"value", b"type", b"string"],
            [b"name", b"c", b"type", b"oneof", b"flags", [b"optional"], b"arguments", [
                [b"name", b"nx", b"type", b"pure-token", b"token", b"NX"],
                [b"name", b"xx", b"type", b"pure-token", b"token", b"XX"],
            ]],
            [b"name", b"pair", b"type", b"block", b"flags", [b"optional", b"multiple"], b"arguments", [
                [b"name", b"a", b"type", b"string"], [b"name", b"b", b"type", b"string", b"token", b""],
            ]],
        ],
    ],
    b"config", [b"summary", b"Settings.", b"group", b"server", b"subcommands", [
        b"config|get", {
            b"summary": b"Tell.", b"since": b"2.0.0", b"group": b"server", b"arguments": [
                {b"name": b"parameter", b"type": b"string", b"flags": [b"multiple", b"multiple_token"], b"token": b"P"},
            ],
        },
    ]],
]  # fmt: skip


class Program:
    """A shell on a cache in memory, and what it wrote."""

    def __init__(self, cache: MemoryCache, form: str = "no-raw") -> None:
        self.output, self.errors = io.BytesIO(), io.BytesIO()
        self.client = BlockingClient(lambda: MemoryStream(cache))
        self.shell = Shell(self.client, self.output, self.errors, form=FORMS[form], name="here:1")

    @property
    def written(self) -> bytes:
        """What came since it was last asked for."""
        data = self.output.getvalue()
        self.output.seek(0)
        self.output.truncate()
        return data


@pytest.fixture
def program(cache: MemoryCache) -> Program:
    return Program(cache)


# What the server tells of its commands


def test_help_writes_a_command_as_redis_cli_does() -> None:
    documents = Documents(DOCS)
    assert documents.help(["Set"]) == (
        '\n  SET key value [NX|XX] [a "" b [a "" b ...]]\n  summary: Set a value.\n  since: 1.0.0\n  group: string\n\n'
    )
    assert documents.help(["get"], colours=True) == (
        "\n  \33[1mGET\33[0m \33[90mkey\33[0m\n  \33[33msummary:\33[0m Get a value.\n"
        "  \33[33msince:\33[0m 1.0.0\n  \33[33mgroup:\33[0m string\n\n"
    )


@pytest.mark.parametrize(
    ("topic", "names"),
    [
        ("@string", ["GET", "SET"]),
        ("@Server", ["CONFIG", "CONFIG GET"]),
        ("config", ["CONFIG", "CONFIG GET"]),
        ("config get", ["CONFIG GET"]),
    ],
)
def test_help_may_be_asked_for_a_group_or_a_container(topic: str, names: list[str]) -> None:
    lines = Documents(DOCS).help(topic.split()).split("\n")
    told = [lines[place - 1].split(" P ")[0] for place, line in enumerate(lines) if line.startswith("  summary")]
    assert [line.strip().split(" key")[0] for line in told] == names


@pytest.mark.parametrize("topic", ["nosuch", "@nosuch", "config nosuch"])
def test_what_nobody_knows_has_no_help(topic: str) -> None:
    assert Documents(DOCS).help(topic.split()) == f"no help on {topic}: try help <tab>\n"
    assert Documents().help(topic.split()) == "the server does not document its commands\n"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("", ""),
        ("se", ""),
        ("set", ' key value [NX|XX] [a "" b [a "" b ...]]'),
        ("SET ", 'key value [NX|XX] [a "" b [a "" b ...]]'),
        ("set k", ' value [NX|XX] [a "" b [a "" b ...]]'),
        ("set k v ", '[NX|XX] [a "" b [a "" b ...]]'),
        ("set k v NX ", '[NX|XX] [a "" b [a "" b ...]]'),
        ("get k ", ""),
        ("get k", ""),
        ("config get ", "P parameter [P parameter ...]"),
        ("config", ""),
        ("nosuch ", ""),
    ],
)
def test_hints_tell_what_may_follow(line: str, hint: str) -> None:
    assert Documents(DOCS).hint(line) == hint


def test_the_topics_are_groups_and_commands() -> None:
    assert Documents(DOCS).topics == ["@server", "@string", "CONFIG", "CONFIG GET", "GET", "SET"]


def test_help_is_asked_of_the_server_once(program: Program) -> None:
    for line in (b"help get", b"? GET", b"HELP @string"):
        assert program.shell.run_line(line) == 0
        assert b"summary: " in program.written
    assert program.shell.run_line(b"help") == 0
    assert b"help @<group>" in program.written
    assert program.client.request("INFO", "commandstats").count(b"cmdstat_command|docs:calls=1") == 1


def test_help_is_asked_for_again_when_the_server_may_tell(cache: MemoryCache, program: Program) -> None:
    cache.call("CONFIG", "SET", "requirepass", "secret")
    program.shell.run_line(b"help get")
    assert program.written == b"the server does not document its commands\n"
    program.shell.run_line(b"auth secret")
    program.shell.run_line(b"multi")
    program.shell.run_line(b"help get")
    assert b"the server does not document" in program.written
    program.shell.run_line(b"exec")
    program.shell.run_line(b"help get")
    assert b"summary: " in program.written


# What else a line may ask for


def test_a_number_before_a_request_repeats_it(program: Program) -> None:
    assert program.shell.run_line(b"3 incr n") == 0
    assert program.written == b"(integer) 1\n(integer) 2\n(integer) 3\n"
    assert program.shell.run_line(b"7") == 1  # which the server does not know
    for line in (b"0 incr n", b"-2 incr n"):
        assert program.shell.run_line(line) == 2
    assert program.errors.getvalue() == b"a number before a request says how often it is run: 1 or more\n" * 2


def test_hints_can_be_switched_off_and_on(program: Program) -> None:
    for line, expected in ((b":set nohints", False), (b":set hints", True), (b":set other", True), (b":set", True)):
        program.shell.run_line(line)
        assert program.shell.shows_hints is expected
    assert program.errors.getvalue() == b"it is :set hints or :set nohints\n" * 2


def test_another_server_is_asked_from_then_on(
    cache: MemoryCache, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses: list[Any] = []
    with MemoryCache() as other:

        def connector(*address: Any) -> Callable[[], MemoryStream]:
            addresses.append(address)
            return lambda: MemoryStream(other)

        monkeypatch.setattr(shell, "connector", connector)
        program.shell.run_line(b"select 2")
        program.shell.run_line(b"connect there 7000")
        assert addresses == [("there", 7000, 5.0)]
        assert program.shell.prompt == "there:7000[2]> "
        program.shell.run_line(b"set k v")
        assert cache.call("DBSIZE") == other.call("DBSIZE") == 0
        other.session()
        with other.session() as session:
            session.call("SELECT", 2)
            assert session.call("GET", "k") == b"v"
    assert program.errors.getvalue() == b""


@pytest.mark.parametrize("line", [b"connect", b"connect there", b"connect there 1 2"])
def test_another_server_has_a_host_and_a_port(program: Program, line: bytes) -> None:
    assert program.shell.run_line(line) == 2
    assert program.errors.getvalue() == b"it is connect HOST PORT\n"


@pytest.mark.parametrize("port", [b"0", b"99999", b"x"])
def test_a_wrong_port_leaves_the_connection_as_it_is(program: Program, port: bytes) -> None:
    program.shell.run_line(b"connect there " + port)
    assert program.errors.getvalue() == b"a port is a number from 1 to 65535\n"
    assert program.shell.prompt == "here:1> "
    assert program.shell.run_line(b"PING") == 0


def test_nobody_there_is_told_at_once(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> Any:
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(shell, "connector", lambda *address: refused)
    assert program.shell.run_line(b"connect there 7000") == 2
    assert program.errors.getvalue() == b"no answer from there:7000: nobody there\n"


def test_datagrams_go_to_one_address() -> None:
    class Calls:
        database, in_transaction = 0, False

        def request(self, *words: Any) -> Reply:
            return None

    errors = io.BytesIO()
    Shell(Calls(), io.BytesIO(), errors, form=FORMS["raw"]).run_line(b"connect there 7000")
    assert errors.getvalue() == b"connect is for TCP\n"


# Other forms of replies


@pytest.mark.parametrize(
    ("reply", "csv", "json"),
    [
        (b'a "b"\\\n\x01\xff', b'"a \\"b\\"\\\\\\n\\x01\\xff"', b'"a \\"b\\"\\\\\\n\\u0001\xff"'),
        (Status(b"OK"), b'"OK"', b'"OK"'),
        (Verbatim(b"a\tb"), b'"a\\tb"', b'"a\\tb"'),
        (Decimal(b"1.5"), b"1.5", b"1.5"),
        (None, b"NULL", b"null"),
        (NULL_ARRAY, b"NULL", b"null"),
        (7, b"7", b"7"),
        (True, b"true", b"true"),
        (False, b"false", b"false"),
        (1.5, b"1.5", b"1.5"),
        ([], b"", b"[]"),
        ([b"a", [1, None], {}], b'"a",1,NULL,', b'["a",[1,null],{}]'),
        ({b"a": 1, b"b": [b"c"]}, b'"a",1,"b","c"', b'{"a":1,"b":["c"]}'),
        ({1: 2, (1, 2): 3}, b"1,2,1,2,3", b'{"1":2,"[1,2]":3}'),
        (OrderedSet([b"b", b"a"]), b'"b","a"', b'["b","a"]'),
        (CommandError("no"), b'ERROR,"ERR no"', b'error:"ERR no"'),
    ],
)
def test_replies_are_written_as_values_or_as_json(reply: Reply, csv: bytes, json: bytes) -> None:
    assert FORMS["csv"](reply) == csv + b"\n"
    assert FORMS["json"](reply) == json + b"\n"


@pytest.mark.parametrize("form", ["raw", "csv", "json"])
def test_a_text_for_people_is_plain_in_every_form(cache: MemoryCache, form: str) -> None:
    program = Program(cache, form)
    program.shell.run_line(b"INFO clients")
    assert program.written.startswith(b"# Clients\r\n")


# Walks over keys


def filled(cache: MemoryCache) -> None:
    cache.call("RPUSH", "list", *range(7))
    cache.call("SET", "a", "x" * 10)
    cache.call("SET", "b\n", "x" * 20)
    cache.call("SADD", "set", 1, 2)
    cache.call("ZADD", "zset", 1, "a")
    cache.call("HSET", "hash", "f", "v")
    cache.call("XADD", "stream", "1-1", "f", "v")


@pytest.mark.parametrize(("form", "shown"), [("raw", b"b\n\n"), ("no-raw", b'"b\\n"\n'), ("json", b"b\n\n")])
def test_all_keys_are_listed(cache: MemoryCache, form: str, shown: bytes) -> None:
    filled(cache)
    program = Program(cache, form)
    assert program.shell.run_task("scan", b"[ab]*", 0) == 0
    written = program.written
    assert shown in written
    assert len(written) == len(shown) + (4 if form == "no-raw" else 2)
    assert program.shell.run_task("scan", None, 0) == 0
    assert program.written.count(b"\n") == (7 if form == "no-raw" else 8)


def test_pauses_are_made_between_requests(cache: MemoryCache, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    cache.call("MSET", *range(2000))
    assert sum(map(len, sampling.scan(cache.call, None, 0.5))) == 1000
    assert slept == [0.5] * len(slept) != []
    each = len(slept)
    assert sum(map(len, sampling.scan(cache.call, None, 0.5, 10))) == 1000
    assert len(slept) - each == each // 10


def test_the_largest_keys_are_told_as_redis_cli_does(cache: MemoryCache, program: Program) -> None:
    filled(cache)
    assert program.shell.run_task("bigkeys", None, 0) == 0
    lines = program.written.decode().split("\n")
    assert lines[1] == "# Scanning the entire keyspace to find biggest keys as well as"
    for line in (
        "[00.00%] Biggest list   found so far '\"list\"' with 7 items",
        "Sampled 7 keys in the keyspace!",
        "Total key length in bytes is 24 (avg len 3.43)",
        "Biggest   list found '\"list\"' has 7 items",
        "Biggest string found '\"b\\n\"' has 20 bytes",
        "1 lists with 7 items (14.29% of keys, avg size 7.00)",
        "2 strings with 30 bytes (28.57% of keys, avg size 15.00)",
        "1 streams with 1 entries (14.29% of keys, avg size 1.00)",
    ):
        assert line in lines


def test_no_keys_have_no_largest_one(program: Program) -> None:
    assert program.shell.run_task("bigkeys", b"nosuch*", 0) == 0
    written = program.written.decode()
    assert "Sampled 0 keys in the keyspace!\nTotal key length in bytes is 0 (avg len 0.00)\n\n\n0 lists" in written
    assert "Biggest" not in written.replace("biggest", "")


def test_a_key_that_goes_meanwhile_is_counted_and_no_more() -> None:
    replies = {b"DBSIZE": 1, b"SCAN": [b"0", [b"k"]], b"TYPE": Status(b"none")}
    written: list[str] = []
    sampling.big_keys(lambda *words: replies[words[0]], written.append, None, 0)
    assert "Sampled 1 keys in the keyspace!\n" in written


# A server that is watched


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Sleep not, and interrupt the 22nd time."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 22:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    return slept


def test_a_server_is_watched_line_by_line(cache: MemoryCache, program: Program, sleeps: list[float]) -> None:
    cache.call("SET", "k", "v")
    with pytest.raises(KeyboardInterrupt):
        program.shell.run_task("stat", None, 0)
    lines = program.written.decode().split("\n")
    assert [place for place, line in enumerate(lines) if line.startswith("keys ")] == [1, 23]
    assert lines[0] == "------- data ------ --------------------- load -------------------- - child -"
    first, second = lines[2].split(), lines[3].split()
    assert (first[0], first[2], first[3], first[5]) == ("1", "1", "0", "(+0)")
    assert (int(second[4]) - int(first[4]), second[5]) == (1, "(+1)")
    assert set(sleeps) == {1.0}


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1 << 20, "1.00M"), (3 << 29, "1.50G"), (1 << 50, "1024.00T")],
)
def test_bytes_are_written_with_a_unit(size: int, text: str) -> None:
    assert sampling._memory(size) == text


@pytest.mark.parametrize("task", ["scan", "bigkeys", "stat"])
def test_a_task_that_is_refused_has_status_1(cache: MemoryCache, program: Program, task: str) -> None:
    cache.call("CONFIG", "SET", "requirepass", "secret")
    assert program.shell.run_task(task, None, 0) == 1
    assert program.written.endswith(b"(error) NOAUTH Authentication required.\n")
