"""A program adds commands of its own: they are commands like all others, in every face."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from tests.own_commands import own
from twisted_kv.commands import GROUPS
from twisted_kv.testing import MemoryCache

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_example_s_command_is_one_like_all_others() -> None:
    names = runpy.run_path(str(EXAMPLES / "own_command.py"), run_name="example")
    with MemoryCache({"maxmemory": "100mb"}, groups=(*GROUPS, names["own"])) as cache:
        client = cache.connect()
        assert [client.call("INCRCAPPED", "n", 2) for _ in range(3)] == [1, 2, None]
        assert client.send(b"incrcapped n\r\n") == b"-ERR wrong number of arguments for 'incrcapped' command\r\n"
        assert client.send(b"INCRCAPPED n many\r\n") == b"-ERR value is not an integer or out of range\r\n"
        client.call("RPUSH", "l", "x")
        assert client.send(b"INCRCAPPED l 5\r\n").startswith(b"-WRONGTYPE ")
        assert client.send(b"MULTI\r\nINCRCAPPED m 5\r\nEXEC\r\n").endswith(b"*1\r\n:1\r\n")
        assert cache.datagrams("command").send(b"INCRCAPPED n 9") == b"(integer) 3\n"
        assert cache.call("COMMAND", "GETKEYS", "INCRCAPPED", "n", 5) == [b"n"]
        assert cache.call("COMMAND", "INFO", "INCRCAPPED")[0][:3] == [b"incrcapped", 3, [b"write", b"fast"]]
        documented = cache.call("COMMAND", "DOCS", "INCRCAPPED")[b"incrcapped"]
        assert documented[b"summary"] == b"Increment a number, up to a limit."
        assert b"cmdstat_incrcapped:calls=" in cache.call("INFO", "commandstats")
        client.call("WATCH", "n")
        cache.call("INCRCAPPED", "n", 9)
        assert client.send(b"MULTI\r\nPING\r\nEXEC\r\n").endswith(b"*-1\r\n")


def test_what_a_program_adds_is_there_in_its_own_cache_alone() -> None:
    with MemoryCache(groups=(*GROUPS, own)) as theirs, MemoryCache() as plain, MemoryCache(groups=(own,)) as small:
        assert theirs.call("COMMAND", "COUNT") == plain.call("COMMAND", "COUNT") + len(own.commands)
        client = small.connect()
        assert client.send(b"GET k\r\n").startswith(b"-ERR unknown command 'GET'")
        assert client.send(b"PUSH m\r\n").endswith(b"+OK\r\n")


def test_a_group_may_replace_a_command() -> None:
    from twisted_kv.declaring import Group

    other = Group("other")

    @other.command("PING", since="1.0.0", flags="fast")
    def ping(session: Any) -> bytes:
        """Answer otherwise."""
        return b"otherwise"

    with MemoryCache(groups=(*GROUPS, other)) as cache:
        assert cache.call("PING") == b"otherwise"
