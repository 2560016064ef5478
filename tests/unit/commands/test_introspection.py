"""COMMAND: what the commands are."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError


def test_a_script_without_keys_has_none(cache: MemoryCache) -> None:
    assert cache.call("COMMAND", "GETKEYS", "EVAL", "return 1", 0) == []
    assert cache.call("COMMAND", "GETKEYS", "EVAL", "return 1", 1, "k") == [b"k"]


def test_all_commands_are_described_in_ten_parts(cache: MemoryCache) -> None:
    described = cache.call("COMMAND")
    assert len(described) == cache.call("COMMAND", "COUNT")
    assert all(len(each) == 10 for each in described)
    names = [each[0] for each in described]
    assert {b"get", b"set", b"hset", b"config", b"client", b"command", b"info"} <= set(names)
    assert len(set(names)) == len(names)
    assert cache.call("COMMAND", "INFO") == described


@pytest.mark.parametrize(
    ("name", "arity", "flags", "first", "last", "step"),
    [
        ("get", 2, [b"readonly", b"fast"], 1, 1, 1),
        ("SET", -3, [b"write", b"denyoom"], 1, 1, 1),
        ("mset", -3, [b"write", b"denyoom"], 1, -1, 2),
        ("del", -2, [b"write"], 1, -1, 1),
        ("rename", 3, [b"write"], 1, 2, 1),
        ("ping", -1, [b"fast"], 0, 0, 0),
        ("config|get", -3, [b"admin", b"noscript", b"loading", b"stale"], 0, 0, 0),
    ],
)
def test_a_command_is_described_as_redis_does(
    cache: MemoryCache, name: str, arity: int, flags: list[bytes], first: int, last: int, step: int
) -> None:
    ((*parts, _categories, _tips, _keys, _subcommands),) = cache.call("COMMAND", "INFO", name)
    assert parts == [name.lower().encode(), arity, flags, first, last, step]


def test_keys_are_described(cache: MemoryCache) -> None:
    ((*_, categories, tips, keys, subcommands),) = cache.call("COMMAND", "INFO", "set")
    assert categories == [b"@write", b"@string", b"@slow"]
    assert tips == []
    assert subcommands == []
    assert keys == [
        {
            b"notes": b"RW and ACCESS due to the optional `GET` argument",
            b"flags": [b"RW", b"access", b"update", b"variable_flags"],
            b"begin_search": {b"type": b"index", b"spec": {b"index": 1}},
            b"find_keys": {b"type": b"range", b"spec": {b"lastkey": 0, b"keystep": 1, b"limit": 0}},
        }
    ]


def test_subcommands_are_described_with_their_container(cache: MemoryCache) -> None:
    ((name, arity, *_, subcommands),) = cache.call("COMMAND", "INFO", "config")
    assert (name, arity) == (b"config", -2)
    assert {each[0] for each in subcommands} >= {b"config|get", b"config|set", b"config|resetstat", b"config|help"}


def test_a_name_that_is_none_is_null_in_info_and_left_out_in_docs(cache: MemoryCache) -> None:
    assert cache.call("COMMAND", "INFO", "nope", "config|nope") == [None, None]
    assert cache.call("COMMAND", "DOCS", "nope") == {}


def test_docs_tell_what_a_command_is_for(cache: MemoryCache) -> None:
    docs = cache.call("COMMAND", "DOCS", "GETSET", "config", "nope")
    assert list(docs) == [b"getset", b"config"]
    assert docs[b"getset"] == {
        b"summary": b"Set the string value of a key and return the one it had.",
        b"since": b"1.0.0",
        b"group": b"string",
        b"complexity": b"O(1)",
        b"doc_flags": [b"deprecated"],
    }
    assert b"config|get" in docs[b"config"][b"subcommands"]


def test_docs_without_names_are_those_of_all_commands(cache: MemoryCache) -> None:
    docs = cache.call("COMMAND", "DOCS")
    assert len(docs) == cache.call("COMMAND", "COUNT")
    assert all(each[b"summary"] and each[b"since"] and each[b"group"] for each in docs.values())


def test_the_shape_over_the_wire_follows_the_protocol(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"COMMAND INFO get nope\r\n").startswith(
        b"*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n"
    )
    client.call("HELLO", 3)
    assert client.send(b"COMMAND INFO get\r\n").startswith(
        b"*1\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n"
    )
    assert client.send(b"COMMAND DOCS get\r\n").startswith(b"%1\r\n$3\r\nget\r\n%4\r\n$7\r\nsummary\r\n")


@pytest.mark.parametrize("container", ["COMMAND", "CLIENT", "CONFIG"])
def test_help_tells_the_subcommands(cache: MemoryCache, container: str) -> None:
    lines: Any = cache.call(container, "HELP")
    assert lines[0].startswith(container.encode())
    assert b"HELP" in lines


def test_a_subcommand_that_is_none_is_refused(cache: MemoryCache) -> None:
    with pytest.raises(CommandError, match=r"ERR unknown subcommand 'foo'\. Try COMMAND HELP\."):
        cache.call("COMMAND", "foo")
    with pytest.raises(CommandError, match=r"ERR wrong number of arguments for 'command\|count' command"):
        cache.call("COMMAND", "COUNT", "x")
