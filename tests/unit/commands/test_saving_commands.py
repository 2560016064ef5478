"""SAVE and its like: who may ask for them, with which words, and what they say where there is no folder."""

from __future__ import annotations

from typing import Any

import pytest

from tests.storage.plain_disk import MemoryDisk
from twisted_kv.testing import START, Clock, MemoryCache
from twisted_kv.vocabulary.errors import NO_FOLDER, CommandError


def refusal(client: Any, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        client.call(*words)
    return str(caught.value)


@pytest.mark.parametrize("words", [("SAVE",), ("BGSAVE",), ("BGSAVE", "schedule"), ("LASTSAVE",), ("BGREWRITEAOF",)])
def test_without_a_folder_there_is_nothing_to_save_to(cache: MemoryCache, words: Any) -> None:
    assert refusal(cache.connect(), *words) == f"ERR {NO_FOLDER}"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("SAVE", "x"), "ERR wrong number of arguments for 'save' command"),
        (("BGSAVE", "x"), "ERR syntax error"),
        (("BGSAVE", "SCHEDULE", "x"), "ERR syntax error"),
        (("LASTSAVE", "x"), "ERR wrong number of arguments for 'lastsave' command"),
        (("BGREWRITEAOF", "x"), "ERR wrong number of arguments for 'bgrewriteaof' command"),
        (("SHUTDOWN", "x"), "ERR syntax error"),
        (("SHUTDOWN", "SAVE", "NOSAVE"), "ERR syntax error"),
        (("SHUTDOWN", "ABORT", "NOW"), "ERR syntax error"),
        (("SHUTDOWN", "ABORT"), "ERR No shutdown in progress."),
    ],
)
@pytest.mark.parametrize("has_folder", [True, False])
def test_other_words_are_refused(words: Any, error: str, has_folder: bool) -> None:
    cache = MemoryCache({"dir": "/memory"} if has_folder else None, disk=MemoryDisk())
    assert refusal(cache.connect(), *words) == error
    cache.stop()


@pytest.mark.parametrize("name", ["SAVE", "BGSAVE", "BGREWRITEAOF"])
def test_a_datagram_cannot_ask_for_it(name: str) -> None:
    cache = MemoryCache({"dir": "/memory"}, disk=MemoryDisk())
    datagrams = cache.datagrams("resp")
    datagrams.protocol.datagramReceived(b"*1\r\n$%d\r\n%b\r\n" % (len(name), name.encode()), ("127.0.0.1", 5))
    assert datagrams.transport.sent == [(b"-ERR %b needs a connection\r\n" % name.encode(), ("127.0.0.1", 5))]
    cache.stop()


def test_saving_without_a_log_nor_save_points_takes_a_folder_only() -> None:
    disk = MemoryDisk()
    cache = MemoryCache({"dir": "/memory"}, Clock(), disk)
    client = cache.connect()
    assert client.call("LASTSAVE") == START
    cache.call("SET", "k", "v")
    cache.clock.advance(5)
    assert client.call("BGSAVE") == b"Background saving started"
    cache.clock.advance(0)
    assert client.call("LASTSAVE") == START + 5
    assert disk.files["dump.rdb"].startswith(b"REDIS0010")
    assert refusal(client, "SHUTDOWN") == "ERR SHUTDOWN is refused: this cache is part of another program"
    cache.stop()


def test_a_shutdown_that_is_to_save_is_refused_without_a_folder() -> None:
    ended: list[bool] = []
    cache = MemoryCache()
    cache.service.dispatcher.server.shutdown = lambda: ended.append(True)
    client = cache.connect()
    assert refusal(client, "SHUTDOWN", "SAVE") == f"ERR Errors trying to SHUTDOWN: {NO_FOLDER}"
    assert ended == []
    assert client.send(b"SHUTDOWN NOSAVE\r\n") == b""
    assert ended == [True]
    cache.stop()


def test_a_shutdown_saves_if_it_is_asked_to() -> None:
    ended: list[bool] = []
    disk = MemoryDisk()
    cache = MemoryCache({"dir": "/memory"}, Clock(), disk)
    cache.service.dispatcher.server.shutdown = lambda: ended.append(True)
    cache.call("SET", "k", "v")
    client, other = cache.connect(), cache.connect()
    assert client.send(b"SHUTDOWN SAVE\r\n") == b""
    assert other.call("SHUTDOWN", "ABORT") == b"OK"
    assert client.transport.take() == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
    cache.clock.advance(0)
    assert (ended, disk.files) == ([], {})
    client.send(b"SHUTDOWN\r\n")
    cache.clock.advance(0)
    assert (ended, disk.files) == ([True], {})
    cache.stop()
    cache = MemoryCache({"dir": "/memory"}, Clock(), disk)
    cache.service.dispatcher.server.shutdown = lambda: ended.append(False)
    cache.call("SET", "k", "v")
    cache.connect().send(b"SHUTDOWN SAVE\r\n")
    cache.clock.advance(0)
    assert ended == [True, False]
    assert b"\x00\x01k\x01v" in disk.files["dump.rdb"]
    cache.stop()


PROTECTED = ["dir", "dbfilename"]
IMMUTABLE = ["rdbchecksum", "appenddirname", "appendfilename"]
CHANGEABLE = {
    "save": [("60 5", "60 5"), ("", ""), ("3600 1 300 100", "3600 1 300 100"), ("1 0", "1 0")],
    "rdbcompression": [("YES", "yes"), ("no", "no")],
    "stop-writes-on-bgsave-error": [("no", "no")],
    "appendfsync": [("always", "always"), ("NO", "no"), ("everysec", "everysec")],
    "no-appendfsync-on-rewrite": [("yes", "yes")],
    "auto-aof-rewrite-percentage": [("0", "0"), ("2147483647", "2147483647")],
    "auto-aof-rewrite-min-size": [("64mb", "67108864"), ("", "0")],
    "aof-load-truncated": [("no", "no")],
    "aof-use-rdb-preamble": [("no", "no")],
    "aof-timestamp-enabled": [("yes", "yes")],
}


@pytest.mark.parametrize("name", [*PROTECTED, *IMMUTABLE])
def test_a_setting_of_files_cannot_be_changed(cache: MemoryCache, name: str) -> None:
    why = "protected" if name in PROTECTED else "immutable"
    expected = f"ERR CONFIG SET failed (possibly related to argument '{name}') - can't set {why} config"
    assert refusal(cache.connect(), "CONFIG", "SET", name, "x") == expected


@pytest.mark.parametrize("name", CHANGEABLE)
def test_a_setting_of_durability_can_be_changed(name: str) -> None:
    cache = MemoryCache({"dir": "/memory"}, disk=MemoryDisk())
    client = cache.connect()
    cache.clock.advance(0)
    for text, told in CHANGEABLE[name]:
        assert client.call("CONFIG", "SET", name, text) == b"OK"
        assert client.call("CONFIG", "GET", name) == [name.encode(), told.encode()]
    cache.stop()
