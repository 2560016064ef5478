"""INFO: what a cache counts and knows about itself."""

from __future__ import annotations

import builtins
import os
import sys
from typing import Any

import pytest

from twisted_kv.commands.info import human
from twisted_kv.testing import START, Clock, MemoryCache
from twisted_kv.version import VERSION
from twisted_kv.vocabulary.errors import CommandError


def sections_of(text: bytes) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    for part in filter(None, text.decode().split("\r\n\r\n")):
        head, *lines = part.strip("\r\n").split("\r\n")
        assert head.startswith("# ")
        sections[head[2:]] = dict(line.split(":", 1) for line in lines)  # type: ignore[misc]
    return sections


def info(cache: Any, *words: str) -> dict[str, dict[str, str]]:
    return sections_of(cache.call("INFO", *words))


DEFAULT = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Errorstats", "Cluster"]
DEFAULT += ["Keyspace"]
ALL = [*DEFAULT[:7], "Commandstats", *DEFAULT[7:]]


@pytest.mark.parametrize(
    ("words", "sections"),
    [
        ((), DEFAULT),
        (("default",), DEFAULT),
        (("ALL",), ALL),
        (("everything",), ALL),
        (("commandstats", "default"), ALL),
        (("Stats",), ["Stats"]),
        (("keyspace", "server"), ["Server", "Keyspace"]),
        (("nope",), []),
        (("\udcff",), []),
    ],
)
def test_sections_are_chosen_by_name(cache: MemoryCache, words: tuple[str, ...], sections: list[str]) -> None:
    given = [word.encode("utf-8", "surrogateescape") for word in words]
    assert list(sections_of(cache.call("INFO", *given))) == sections


def test_it_is_text_for_people(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"INFO server\r\n").startswith(b"$")
    client.call("HELLO", 3)
    assert client.send(b"INFO server\r\n").startswith(b"=")


def test_the_server_tells_who_it_is_and_since_when(cache: MemoryCache, clock: Clock) -> None:
    clock.advance(2 * 86_400 + 1.5)
    server = info(cache, "server")["Server"]
    assert server["redis_version"] == "7.0.15"
    assert server["owncache_version"] == VERSION
    assert server["process_id"] == str(os.getpid())
    assert server["arch_bits"] in ("32", "64")
    assert server["uptime_in_seconds"] == str(2 * 86_400 + 1)
    assert server["uptime_in_days"] == "2"
    assert server["server_time_usec"] == str(int((START + 2 * 86_400 + 1.5) * 1_000_000))


def test_every_cache_has_a_run_id_of_its_own(cache: MemoryCache) -> None:
    other = MemoryCache()
    first, second = info(cache)["Server"]["run_id"], info(other)["Server"]["run_id"]
    assert len(first) == len(second) == 40
    assert first != second
    other.stop()


def test_clients_are_counted_while_they_are_connected(cache: MemoryCache) -> None:
    clients = [cache.connect() for _ in range(3)]
    assert info(cache)["Clients"]["connected_clients"] == "3"
    clients[0].close()
    assert info(cache)["Clients"]["connected_clients"] == "2"
    assert info(cache)["Stats"]["total_connections_received"] == "3"
    assert info(cache)["Clients"]["maxclients"] == "10000"


def test_the_memory_of_the_process_is_told(cache: MemoryCache) -> None:
    memory = info(cache)["Memory"]
    assert int(memory["used_memory_rss"]) > 1_000_000
    assert int(memory["used_memory_rss_peak"]) > 1_000_000
    assert memory["used_memory_rss_human"][-1] in "MG"


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_where_the_system_does_not_tell_the_memory_the_peak_stands_for_it(
    cache: MemoryCache, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no such file")

    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", platform)
        patch.setattr(builtins, "open", refuse)
        text = cache.call("INFO", "memory")
    memory = sections_of(text)["Memory"]
    assert memory["used_memory_rss"] == memory["used_memory_rss_peak"]


def test_requests_and_errors_are_counted(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("SET", "k", "v")
    for words in (("GET",), ("HGET", "k", "f"), ("NOPE",), ("HLEN", "k")):
        with pytest.raises(CommandError):
            client.call(*words)
    told = info(client, "everything")
    assert told["Stats"]["total_commands_processed"] == "4"  # as in Redis, refused requests do not count
    assert told["Stats"]["total_error_replies"] == "4"
    assert told["Errorstats"] == {"errorstat_ERR": "count=2", "errorstat_WRONGTYPE": "count=2"}
    assert told["Commandstats"]["cmdstat_set"] == "calls=1,rejected_calls=0,failed_calls=0"
    assert told["Commandstats"]["cmdstat_get"] == "calls=0,rejected_calls=1,failed_calls=0"
    assert told["Commandstats"]["cmdstat_hget"] == "calls=1,rejected_calls=0,failed_calls=1"
    assert "cmdstat_del" not in told["Commandstats"]


def test_subcommands_are_counted_by_their_full_name(cache: MemoryCache) -> None:
    cache.call("CONFIG", "GET", "port")
    assert info(cache, "commandstats")["Commandstats"]["cmdstat_config|get"].startswith("calls=1,")


def test_bytes_are_counted_in_both_directions(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"PING\r\n")
    stats = info(cache)["Stats"]
    assert (stats["total_net_input_bytes"], stats["total_net_output_bytes"]) == ("6", "7")


def test_hits_misses_and_expired_keys_are_those_of_all_databases(cache: MemoryCache, clock: Clock) -> None:
    with cache.session() as session:
        for index in (0, 3):
            session.call("SELECT", index)
            session.call("SET", "k", "v", "PX", 5)
            session.call("GET", "k")
            session.call("GET", "nope")
            session.call("MGET", "nope", "k")
    clock.advance(1)
    stats = info(cache)["Stats"]
    assert (stats["keyspace_hits"], stats["keyspace_misses"], stats["expired_keys"]) == ("4", "4", "2")


def test_only_databases_with_keys_are_listed(cache: MemoryCache) -> None:
    assert info(cache)["Keyspace"] == {}
    with cache.session() as session:
        session.call("SELECT", 7)
        session.call("SET", "a", "v", "PX", 1000)
        session.call("SET", "b", "v", "PX", 3000)
        session.call("SET", "c", "v")
    assert info(cache)["Keyspace"] == {"db7": "keys=3,expires=2,avg_ttl=2000"}


def test_counts_begin_anew_with_resetstat(cache: MemoryCache, clock: Clock) -> None:
    client = cache.connect()
    client.call("SET", "k", "v", "PX", 1)
    client.call("GET", "k")
    client.call("GET", "nope")
    with pytest.raises(CommandError):
        client.call("HLEN", "k")
    clock.advance(1)
    assert cache.call("CONFIG", "RESETSTAT") == b"OK"
    told = info(cache, "everything")
    counts = {name: value for name, value in told["Stats"].items() if value != "0"}
    assert counts == {"total_commands_processed": "1"}
    assert told["Errorstats"] == {}
    assert set(told["Commandstats"]) <= {"cmdstat_config|resetstat", "cmdstat_info"}
    assert told["Clients"]["connected_clients"] == "1"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (1536, "1.50K"),
        (2 << 20, "2.00M"),
        (3328 << 20, "3.25G"),
        (1 << 40, "1.00T"),
        (1 << 50, "1.00P"),
        ((1 << 60) - 1, "1024.00P"),
        (1 << 61, "2305843009213693952B"),
    ],
)
def test_sizes_are_written_for_people(count: int, text: str) -> None:
    assert human(count) == text
