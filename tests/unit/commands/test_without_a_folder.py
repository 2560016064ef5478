"""A cache without a folder refuses what would ask for files, and says what to do; one that saves nothing says so."""

from __future__ import annotations

import errno
from typing import Any, List

import pytest

from tests.servers.capture import listening
from tests.storage.failing_disk import MemoryDisk, started, turns
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError


@pytest.mark.parametrize("words", [("appendonly", "yes"), ("save", "1 1"), ("timeout", "5", "save", "3600 1")])
def test_settings_that_ask_for_files_are_refused_without_a_folder(cache: MemoryCache, words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"has no folder to write to: it was started without dir"):
        cache.call("CONFIG", "SET", *words)
    assert cache.call("CONFIG", "GET", words[-2]) in ({b"appendonly": b"no"}, {b"save": b""})
    assert cache.call("CONFIG", "GET", "timeout") == {b"timeout": b"0"}


def test_settings_that_ask_for_none_are_taken(cache: MemoryCache) -> None:
    assert cache.call("CONFIG", "SET", "appendonly", "no", "save", "") == b"OK"


@pytest.mark.parametrize(("settings", "says"), [({}, True), ({"save": "3600 1"}, False)])
def test_a_start_that_loads_and_will_save_nothing_says_so(settings: dict[str, Any], says: bool) -> None:
    disk = MemoryDisk()
    cache = started(disk)
    cache.call("SET", "k", "v")
    cache.request("SAVE")
    turns(cache)
    with listening() as said:
        started(disk.after_kill(), **settings)
    lines = [line for line in said.warnings if "none will be saved by itself" in line]
    assert len(lines) == says
    assert not lines or lines[0].startswith("/data: 1 keys were loaded, and none will be saved by itself: neither save")


def test_a_save_that_fails_tells_the_reason_in_process_and_redis_s_bytes_to_clients() -> None:
    disk = MemoryDisk()
    cache = started(disk)
    client = cache.connect()
    cache.call("SET", "k", "v")
    disk.fail("write", errno.ENOSPC)
    failed: List[Any] = []
    cache.request("SAVE").addErrback(failed.append)
    turns(cache)
    assert str(failed[0].value) == "ERR the snapshot could not be saved: No space left on device"
    client.send(b"SAVE\r\n")
    turns(cache)
    assert client.transport.take() == b"-ERR\r\n"
    disk.repair()


def test_a_save_that_is_cut_off_by_the_end_says_so() -> None:
    disk = MemoryDisk()
    cache = started(disk)
    cache.call("SET", "k", "v")
    disk.hold()
    failed: List[Any] = []
    cache.request("SAVE").addErrback(failed.append)
    cache.service.stopService()
    turns(cache)
    disk.release()
    turns(cache)
    assert "the snapshot could not be saved: " in str(failed[0].value)
