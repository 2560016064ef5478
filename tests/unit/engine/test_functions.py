"""Functions: libraries of them are kept as a whole, and called by name."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.payload import dump, dump_functions, sealed
from twisted_kv.rdb.words import write_string
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import OK, OrderedSet, Status

pytestmark = pytest.mark.lua

LIBRARY = """#!lua name=l
local calls = 0
redis.register_function('count', function(keys, args)
  calls = calls + 1
  return {calls, keys, args}
end)
local function put(keys, args) return redis.call('SET', keys[1], args[1]) end
redis.register_function{function_name = 'put', callback = put,
                        description = 'Put it.', flags = {'allow-oom', 'no-cluster'}}
redis.register_function{function_name = 'Look', callback = function(keys) return redis.call('GET', keys[1]) end,
                        flags = {'no-writes'}}
"""


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


def names(cache: MemoryCache) -> list[bytes]:
    return [library[b"library_name"] for library in cache.call("FUNCTION", "LIST")]


def test_functions_are_called_by_name(cache: MemoryCache) -> None:
    assert cache.call("FUNCTION", "LOAD", LIBRARY) == b"l"
    assert cache.call("FCALL", "count", 1, "k", "a") == [1, [b"k"], [b"a"]]
    many = [b"%d" % number for number in range(9000)]
    assert cache.call("FCALL", "COUNT", 5000, *many) == [2, many[:5000], many[5000:]]
    assert cache.call("FCALL", "put", 1, "k", "v") == Status(b"OK")
    assert cache.call("FCALL_RO", "look", 1, "k") == b"v"
    assert (
        refusal(cache, "FCALL_RO", "put", 1, "k") == "ERR Can not execute a script with write flag using *_ro command."
    )
    assert refusal(cache, "FCALL", "nope", "x") == "ERR Function not found"
    assert refusal(cache, "FCALL", "put", "x") == "ERR Bad number of keys provided"
    assert refusal(cache, "FCALL", "put", 0) == (
        "ERR Lua redis lib command arguments must be strings or integers script: put, on @user_function:7."
    )
    assert refusal(cache, "EVAL", "return redis.register_function('x', function() end)", 0).startswith(
        "ERR user_script:1"
    )


def test_what_a_library_says_of_itself(cache: MemoryCache) -> None:
    cache.call("FUNCTION", "LOAD", LIBRARY)
    described = {
        b"library_name": b"l",
        b"engine": b"LUA",
        b"functions": [
            {b"name": b"count", b"description": None, b"flags": OrderedSet()},
            {
                b"name": b"put",
                b"description": b"Put it.",
                b"flags": OrderedSet([Status(b"allow-oom"), Status(b"no-cluster")]),
            },
            {b"name": b"Look", b"description": None, b"flags": OrderedSet([Status(b"no-writes")])},
        ],
    }
    assert cache.call("FUNCTION", "LIST") == [described]
    with_code = {**described, b"library_code": LIBRARY.encode()}
    assert cache.call("FUNCTION", "LIST", "libraryname", "L*", "withcode") == [with_code]
    assert cache.call("FUNCTION", "LIST", "LIBRARYNAME", "x") == []
    assert refusal(cache, "FUNCTION", "LIST", "LIBRARYNAME") == "ERR library name argument was not given"
    assert refusal(cache, "FUNCTION", "LIST", "WITHCODE", "WITHCODE") == "ERR Unknown argument WITHCODE"
    stats = {b"libraries_count": 1, b"functions_count": 3}
    assert cache.call("FUNCTION", "STATS") == {b"running_script": None, b"engines": {b"LUA": stats}}
    told = cache.call("INFO", "memory").decode()
    assert "number_of_functions:3\r\nnumber_of_libraries:1\r\n" in told


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("return 1", "Missing library metadata"),
        ("#!lua name=l", "Invalid library metadata"),
        ('#!lua name="l\n', "Invalid library metadata"),
        ("#!lua\n", "Library name was not given"),
        ("#!lua name=l name=m\n", "Invalid metadata value, name argument was given multiple times"),
        ("#!lua name=l x=y\n", "Invalid metadata value given: x=y"),
        ("#!lua name=a-b\n", "Library names can only contain letters, numbers, or underscores(_)"),
        ("#!js name=l\n", "Engine 'js' not found"),
        ("#!lua name=l\n", "No functions registered"),
        ("#!lua name=l\nbad bad", "Error compiling function: user_function:2: '=' expected near 'bad'"),
        ("#!lua name=l\nredis.call('GET', 'x')", "Error registering functions: ERR user_function:2: Script attempted"),
        ("#!lua name=l\nlocal x = pcall", "Error registering functions: ERR user_function:2: Script attempted"),
        ("#!lua name=l\nx = 1", "Error registering functions: ERR user_function:2: Attempt to modify a readonly"),
        ("#!lua name=l\nwhile true do end", "Error registering functions: ERR FUNCTION LOAD timeout"),
        (
            "#!lua name=l\nredis.register_function('a', function() end, 1)",
            "Error registering functions: ERR wrong number",
        ),
        ("#!lua name=l\nredis.register_function('a')", "Error registering functions: ERR calling redis.register_fun"),
        (
            "#!lua name=l\nredis.register_function({}, function() end)",
            "Error registering functions: ERR first argument",
        ),
        ("#!lua name=l\nredis.register_function('a', 1)", "Error registering functions: ERR second argument"),
        (
            "#!lua name=l\nredis.register_function('a-', function() end)",
            "Error registering functions: ERR Library names",
        ),
        ("#!lua name=l\nredis.register_function{[{}]=1}", "Error registering functions: ERR named argument key"),
        ("#!lua name=l\nredis.register_function{x=1}", "Error registering functions: ERR unknown argument given"),
        (
            "#!lua name=l\nredis.register_function{function_name={}}",
            "Error registering functions: ERR function_name arg",
        ),
        (
            "#!lua name=l\nredis.register_function{description={}}",
            "Error registering functions: ERR description argument",
        ),
        ("#!lua name=l\nredis.register_function{callback=1}", "Error registering functions: ERR callback argument"),
        ("#!lua name=l\nredis.register_function{flags=1}", "Error registering functions: ERR flags argument"),
        ("#!lua name=l\nredis.register_function{flags={1}}", "Error registering functions: ERR unknown flag given"),
        (
            "#!lua name=l\nredis.register_function{callback=function() end}",
            "Error registering functions: ERR redis.register",
        ),
        (
            "#!lua name=l\nredis.register_function{function_name='a'}",
            "Error registering functions: ERR redis.register_f",
        ),
        (
            "#!lua name=l\nredis.register_function{function_name='a', callback=function() end, flags={'x'}}",
            "Error registering functions: ERR unknown flag given",
        ),
        (
            "#!lua name=l\nredis.register_function(1, function() end) redis.register_function('1', function() end)",
            "Error registering functions: ERR Function already exists in the library",
        ),
    ],
)
def test_a_library_that_is_wrong_is_not_loaded(cache: MemoryCache, code: str, error: str) -> None:
    runs = cache.service.dispatcher.script_runs
    elapsed = iter(range(0, 10**9, 200))
    if "while" in code:
        cache.clock.monotonic = lambda: next(elapsed) / 1000  # type: ignore[method-assign]
        cache.service.dispatcher.now._monotonic = cache.clock.monotonic
    assert refusal(cache, "FUNCTION", "LOAD", code).startswith("ERR " + error)
    assert names(cache) == []
    assert runs.running is None


def test_to_register_is_for_loading_alone(cache: MemoryCache) -> None:
    code = (
        "#!lua name=l\nlocal register = redis.register_function\n"
        "register('f', function() return register('g', function() end) end)"
    )
    cache.call("FUNCTION", "LOAD", code)
    assert refusal(cache, "FCALL", "f", 0).startswith(
        "ERR redis.register_function can only be called on FUNCTION LOAD command"
    )


def test_names_are_taken_once(cache: MemoryCache) -> None:
    f = "redis.register_function('f', function() return '%s' end)"
    cache.call("FUNCTION", "LOAD", "#!lua name=a\n" + f % "a")
    assert refusal(cache, "FUNCTION", "LOAD", "#!lua name=a\n" + f % "b") == "ERR Library 'a' already exists"
    assert refusal(cache, "FUNCTION", "LOAD", "#!lua name=b\n" + (f % "b").replace("'f'", "'F'")) == (
        "ERR Function F already exists"
    )
    assert refusal(cache, "FUNCTION", "LOAD", "REPLACE", "#!lua name=b\n" + f % "b") == "ERR Function f already exists"
    assert cache.call("FUNCTION", "LOAD", "replace", "#!lua name=a\n" + f % "c") == b"a"
    assert cache.call("FCALL", "f", 0) == b"c"
    assert refusal(cache, "FUNCTION", "LOAD", "x", "#!lua name=a\n") == "ERR Unknown option given: x"
    assert cache.call("FUNCTION", "DELETE", "a") is OK
    assert refusal(cache, "FUNCTION", "DELETE", "a") == "ERR Library not found"
    assert refusal(cache, "FCALL", "f", 0) == "ERR Function not found"


def test_names_that_differ_in_case_alone_are_the_same(cache: MemoryCache) -> None:
    f = "redis.register_function('%s', function() return '%s' end)"
    assert refusal(cache, "FUNCTION", "LOAD", "#!lua name=a\n" + f % ("f", "f") + f % ("F", "F")) == (
        "ERR Error registering functions: ERR Function already exists in the library"
    )


def test_dump_and_restore(cache: MemoryCache) -> None:
    empty = cache.call("FUNCTION", "DUMP")
    cache.call("FUNCTION", "LOAD", LIBRARY)
    payload = cache.call("FUNCTION", "DUMP")
    assert refusal(cache, "FUNCTION", "RESTORE", payload) == "ERR Library l already exists"
    assert refusal(cache, "FUNCTION", "RESTORE", payload, "append") == "ERR Library l already exists"
    assert cache.call("FUNCTION", "RESTORE", payload, "REPLACE") is OK
    assert cache.call("FUNCTION", "RESTORE", empty, "FLUSH") is OK
    assert names(cache) == []
    assert cache.call("FUNCTION", "RESTORE", payload, "FLUSH") is OK
    assert cache.call("FCALL", "count", 0) == [1, [], []]
    other = dump_functions([b"#!lua name=m\nredis.register_function('look', function() end)"])
    assert refusal(cache, "FUNCTION", "RESTORE", other) == "ERR Function look already exists"
    assert refusal(cache, "FUNCTION", "RESTORE", dump_functions([b"x"]), "FLUSH") == "ERR Missing library metadata"
    assert names(cache) == [b"l"]
    wrong = "ERR DUMP payload version or checksum are wrong"
    assert refusal(cache, "FUNCTION", "RESTORE", payload[:-1] + b"x") == wrong
    assert refusal(cache, "FUNCTION", "RESTORE", "short") == wrong
    assert refusal(cache, "FUNCTION", "RESTORE", dump(b"v")) == "ERR given type is not a function"
    old = sealed(rdb.FUNCTION_BEFORE_RELEASE, write_string(b"x"))
    assert refusal(cache, "FUNCTION", "RESTORE", old) == "ERR Pre-GA function format not supported"
    cut = sealed(rdb.FUNCTION, b"\x05ab")
    assert refusal(cache, "FUNCTION", "RESTORE", cut) == "ERR Failed loading library code"
    assert refusal(cache, "FUNCTION", "RESTORE", payload, "x").startswith("ERR Wrong restore policy given")
    assert refusal(cache, "FUNCTION", "RESTORE", payload, "FLUSH", "x").startswith("ERR unknown subcommand or wrong")
    assert refusal(cache, "FUNCTION", "FLUSH", "x") == "ERR FUNCTION FLUSH only supports SYNC|ASYNC option"
    assert refusal(cache, "FUNCTION", "FLUSH", "SYNC", "x").startswith("ERR unknown subcommand or wrong")
    assert cache.call("FUNCTION", "FLUSH") is OK
    assert names(cache) == []


def test_functions_are_no_keys_and_a_reset_removes_them(cache: MemoryCache) -> None:
    cache.call("FUNCTION", "LOAD", LIBRARY)
    cache.call("FLUSHALL")
    assert names(cache) == [b"l"]
    cache.reset()
    assert names(cache) == []


def test_flags_and_the_state_of_the_server(cache: MemoryCache) -> None:
    cache.call("FUNCTION", "LOAD", LIBRARY)
    cache.call("SET", "filler", "x" * 1000)
    cache.call("CONFIG", "SET", "maxmemory", 1)
    assert refusal(cache, "FCALL", "count", 0) == "OOM command not allowed when used memory > 'maxmemory'."
    assert cache.call("FCALL", "put", 1, "k", "v") == Status(b"OK")
    assert cache.call("FCALL", "look", 1, "k") == b"v"
    assert refusal(cache, "FCALL", "nope", 0) == "ERR Function not found"
    assert refusal(cache, "FUNCTION", "LOAD", "x") == "OOM command not allowed when used memory > 'maxmemory'."
    cache.call("CONFIG", "SET", "maxmemory", 0)


def test_a_limit_of_the_memory_holds_for_functions(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "lua-memory-limit", "6mb")
    cache.call("FUNCTION", "LOAD", LIBRARY)
    cache.call("CONFIG", "SET", "lua-memory-limit", "5mb")
    error = "ERR not enough memory: the script needs more than lua-memory-limit"
    assert refusal(cache, "FCALL", "count", 0, "x" * 6_000_000) == error
    big = "#!lua name=m\n--" + "x" * 6_000_000
    assert refusal(cache, "FUNCTION", "LOAD", big) == error
    assert cache.call("FCALL", "count", 0) == [1, [], []]


def test_a_library_that_fills_the_memory_while_it_is_loaded(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "lua-memory-limit", "4mb")
    code = "#!lua name=m\nlocal t = {} for i = 1, 1000000 do t[i] = ('x'):rep(1000) .. i end"
    error = "ERR not enough memory: the script needs more than lua-memory-limit"
    assert refusal(cache, "FUNCTION", "LOAD", code) == error
    assert names(cache) == []
