"""Functions: the real server says what is loaded, refused and answered, and reads what was saved."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Iterable, Tuple

import pytest

from .programs import OURS, running, tool
from .replies import Word
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.lua]

Words = Tuple[Word, ...]

R = "redis.register_function"
F = f"{R}('f', function(keys, args) return {{#keys, #args}} end)"

CODES = [
    "return 1",
    "#!lua\nreturn 1",
    "#!lua name=\nreturn 1",
    "#!lua name=a b\nreturn 1",
    "#!lua name=a-b\nreturn 1",
    "#!lua name=l name=m\nreturn 1",
    "#!lua NAME=l\nreturn 1",
    "#!lua name=l foo=m\nreturn 1",
    "#!lua name=l",
    '#!lua name="l\nreturn 1',
    f'#!lua name="l"\n{F}',
    f"#!LUA name=l\n{F}",
    "#!js name=l\nreturn 1",
    "#!\nreturn 1",
    "#!lua name=l\nreturn 1",
    "#!lua name=l\nbad bad",
    "#!lua name=l\nlocal x = nil; x.y = 1",
    "#!lua name=l\nerror('x')",
    "#!lua name=l\nredis.call('get', 'a')",
    "#!lua name=l\nfoo = 1",
    "#!lua name=l\nlocal a = redis.foo",
    "#!lua name=l\nredis.x = 1",
    f"#!lua name=l\n{R}('f')",
    f"#!lua name=l\n{R}()",
    f"#!lua name=l\n{R}('f', 1)",
    f"#!lua name=l\n{R}({{}}, function() end)",
    f"#!lua name=l\n{R}('f-g', function() end)",
    f"#!lua name=l\n{R}('', function() end)",
    f"#!lua name=l\n{R}('f', function() end, 1)",
    f"#!lua name=l\n{R}(1, function() end)",
    f"#!lua name=l\n{R}({{}})",
    f"#!lua name=l\n{R}{{function_name = 'f'}}",
    f"#!lua name=l\n{R}{{callback = function() end}}",
    f"#!lua name=l\n{R}{{function_name = {{}}, callback = function() end}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = 1}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = function() end, foo = 1}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = function() end, [true] = 1}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = function() end, [1] = 1}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = function() end, flags = 1}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = function() end, flags = {{'x'}}}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = function() end, flags = {{1}}}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = function() end, flags = {{'no-writes', 'no-writes'}}}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = function() end, description = 1}}",
    f"#!lua name=l\n{R}{{function_name = 'f', callback = function() end, description = {{}}}}",
    f"#!lua name=l\n{F}\n{F}",
    f"#!lua name=l\nredis.log(redis.LOG_DEBUG, 'loading')\n{R}(('f'):rep(3), function() end)",
]
"""Codes of libraries: what is wrong with each, or that nothing is."""

BODIES = [
    "return {keys, args}",
    "return redis.call('set', keys[1], args[1])",
    "return redis.pcall('lpush', keys[1], args[1])",
    "return redis.call('nope')",
    "error('deep')",
    "error({err = 'MY own'})",
    "return redis.error_reply('X y')",
    "return KEYS",
    "foo = 1",
    "return {redis.foo == nil, redis.register_function == nil}",
    "return {type(pcall), type(cjson.encode), type(string.rep)}",
    "redis.setresp(3) return redis.call('hgetall', 'no')",
    "return {map = {a = 1}}",
    "return cjson.decode('bad')",
    "local f = function() error('x') end f()",
]
"""Bodies of functions; each is called with some keys and arguments."""

CALLS: list[Words] = [
    ("FCALL", "f", 1, "k", "a"),
    ("FCALL", "F", 0),
    ("FCALL", "f", 2, "k", "j"),
    ("FCALL_RO", "f", 1, "k", "a"),
    ("FCALL", "f", "x"),
    ("FCALL", "f", 3, "x"),
    ("FCALL", "f", -1),
    ("FCALL", "nope", "x"),
]

REQUESTS: list[Words] = [
    ("FUNCTION", "LOAD", f"#!lua name=l\n{F}"),
    ("FUNCTION", "LOAD", f"#!lua name=m\n{F}"),
    ("FUNCTION", "LOAD", "REPLACE", f"#!lua name=m\n{F}"),
    ("FUNCTION", "LOAD", "replace", f"#!lua name=l\n{R}('g', function() return 7 end)"),
    ("FUNCTION", "LOAD", "x", f"#!lua name=l\n{F}"),
    ("FUNCTION", "LOAD", "REPLACE"),
    ("FUNCTION", "LOAD", "REPLACE", "REPLACE", f"#!lua name=l\n{F}"),
    ("FUNCTION", "LOAD", "REPLACE", "#!lua name=l\nreturn 1"),
    ("FUNCTION", "LIST"),
    ("FUNCTION", "LIST", "WITHCODE", "LIBRARYNAME", "L*"),
    ("FUNCTION", "LIST", "LIBRARYNAME", "zz*"),
    ("FUNCTION", "LIST", "LIBRARYNAME"),
    ("FUNCTION", "LIST", "zz"),
    ("FUNCTION", "LIST", "WITHCODE", "WITHCODE"),
    ("FUNCTION", "LIST", "LIBRARYNAME", "a", "LIBRARYNAME", "b"),
    ("FCALL", "f", 0),
    ("FCALL", "g", 0),
    ("FUNCTION", "STATS"),
    ("FUNCTION", "DUMP"),
    ("FUNCTION", "KILL"),
    ("MULTI",),
    ("FUNCTION", "LOAD", f"#!lua name=m\n{R}('h', function() return 8 end)"),
    ("FCALL", "h", 0),
    ("FUNCTION", "LOAD", "bad"),
    ("EXEC",),
    ("FLUSHALL",),
    ("FCALL", "h", 0),
    ("FUNCTION", "DELETE", "l"),
    ("FUNCTION", "DELETE", "l"),
    ("FUNCTION", "FLUSH", "x"),
    ("FUNCTION", "FLUSH", "async", "x"),
    ("FUNCTION", "FLUSH", "sync"),
    ("FUNCTION", "STATS"),
    ("FUNCTION", "DUMP"),
    ("FUNCTION",),
    ("FUNCTION", "nosuch"),
    ("FUNCTION", "STATS", "x"),
    ("FUNCTION", "RESTORE", "bad"),
]


def begin(servers: BothServers, resp: int) -> None:
    servers.begin(resp)
    servers.call("FUNCTION", "FLUSH")


@pytest.mark.parametrize("resp", [2, 3])
def test_the_code_of_a_library_is_judged_alike(servers: BothServers, resp: int) -> None:
    begin(servers, resp)
    for code in CODES:
        servers.call("FUNCTION", "LOAD", code)
        servers.call("FUNCTION", "LIST", "WITHCODE")
        servers.call("FUNCTION", "FLUSH")


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("flags", ["", "no-writes", "allow-oom", "allow-stale', 'no-cluster"])
def test_a_function_answers_alike(servers: BothServers, resp: int, flags: str) -> None:
    begin(servers, resp)
    declared = f", flags = {{'{flags}'}}" if flags else ""
    for body in BODIES:
        function = f"function(keys, args)\n{body}\nend"
        code = f"#!lua name=l\n{R}{{function_name = 'f', callback = {function}{declared}, description = 'd'}}"
        servers.call("FUNCTION", "LOAD", "REPLACE", code)
        for call in CALLS:
            servers.call(*call)


@pytest.mark.parametrize("resp", [2, 3])
def test_libraries_are_kept_alike(servers: BothServers, resp: int) -> None:
    begin(servers, resp)
    for request in REQUESTS:
        servers.call(*request)


def test_what_is_dumped_is_restored_alike(servers: BothServers) -> None:
    begin(servers, 2)
    servers.call("FUNCTION", "LOAD", f"#!lua name=l\n{F}")
    payload = servers.call("FUNCTION", "DUMP").split(b"\r\n", 1)[1][:-2]
    for policy in ((), ("APPEND",), ("REPLACE",), ("FLUSH",), ("x",), ("FLUSH", "x")):
        servers.call("FUNCTION", "RESTORE", payload, *policy)
        servers.call("FUNCTION", "LIST", "WITHCODE")
    servers.call("FUNCTION", "RESTORE", payload[:-1] + b"x")
    servers.call("SET", "k", "v")
    servers.call("FUNCTION", "RESTORE", servers.call("DUMP", "k").split(b"\r\n", 1)[1][:-2])
    servers.call("FUNCTION", "FLUSH")


WAYS = [pytest.param("redis", OURS, id="redis to ours"), pytest.param(OURS, "redis", id="ours to redis")]
FILES = {
    "snapshot": (("--save", "3600 1"), (("SAVE",),)),
    "log": (("--save", "", "--appendonly", "yes", "--appendfsync", "always"), ()),
    "rewritten log": (("--save", "", "--appendonly", "yes", "--appendfsync", "always"), (("BGREWRITEAOF",),)),
    "rewritten log of commands": (
        ("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no"),
        (("BGREWRITEAOF",),),
    ),
}


@pytest.mark.processes
@pytest.mark.parametrize(("writer", "reader"), WAYS)
@pytest.mark.parametrize("kind", FILES)
def test_functions_are_read_from_the_files_of_the_other(tmp_path: Path, writer: str, reader: str, kind: str) -> None:
    tool("redis-server")
    options, requests = FILES[kind]
    folder, other = tmp_path / "written", tmp_path / "read"
    folder.mkdir()
    libraries: Iterable[str] = (f"#!lua name=l\n{F}", f"#!lua name=m\n{R}('g', function() return 'g' end)")
    with running(writer, folder, *options) as program:
        for code in libraries:
            program.ask("FUNCTION", "LOAD", code)
        program.ask("EVAL", "redis.call('SET', 'a', 1) redis.call('SELECT', 3) redis.call('SET', 'b', 2)", 0)
        program.ask("FUNCTION", "DELETE", "m") if kind == "log" else None
        for request in requests:
            program.ask(*request)
        program.wait_for_children()
        program.ask("FCALL", "f", 0)
    shutil.copytree(folder, other)
    with running(reader, other, *options) as program:
        assert program.ask("FCALL", "f", 1, "k", "a", "b") == [1, 2]
        assert (program.ask("GET", "a"), program.ask("GET", "b")) == (b"1", None)
        if kind != "log":
            assert program.ask("FCALL", "g", 0) == b"g"
