"""The clock of the machine is set back by an hour, or forward: nothing that measures a duration takes note of it."""

from __future__ import annotations

import pytest

from tests.storage.failing_disk import MemoryDisk, information, started, turns
from twisted_kv.testing import Clock, MemoryCache

jumps = pytest.mark.parametrize("jump", [-3600, 3600])


@jumps
def test_a_jump_moves_the_date_and_makes_no_call(jump: int) -> None:
    clock = Clock(1_000_000)
    called = []
    clock.callLater(2, called.append, 1)
    clock.jump(jump)
    assert clock.seconds() == 1_000_000 + jump
    assert clock.monotonic() == 1_000_000
    clock.advance(1.9)
    assert called == []
    clock.advance(0.1)
    assert called == [1]


@jumps
def test_a_client_that_waits_for_two_seconds_waits_for_two_seconds(jump: int) -> None:
    with_link = MemoryCache()
    client = with_link.connect()
    client.send(b"BLPOP nothing 2\r\n")
    with_link.clock.jump(jump)
    with_link.clock.advance(1.9)
    assert client.transport.value() == b""
    with_link.clock.advance(0.2)
    assert client.transport.take() == b"*-1\r\n"


@jumps
@pytest.mark.parametrize("later", [0, 5])
def test_everysec_forces_the_log_to_the_disk_within_a_second(jump: int, later: int) -> None:
    disk = MemoryDisk()
    cache = started(disk, appendonly="yes", appendfsync="everysec")
    cache.clock.advance(1.5)
    cache.call("SET", "a", 1)
    cache.clock.advance(later)
    cache.clock.jump(jump)
    cache.call("SET", "b", 2)
    before = disk.count("sync appendonly.aof.1.incr")
    cache.clock.advance(0.5), cache.clock.advance(0.6)
    assert disk.count("sync appendonly.aof.1.incr") == before + 1
    assert information(cache)["aof_pending_bio_fsync"] == "0"


@jumps
def test_a_disk_that_takes_two_seconds_has_answers_wait(jump: int) -> None:
    disk = MemoryDisk()
    cache = started(disk, appendonly="yes", appendfsync="everysec")
    client = cache.connect()
    cache.clock.advance(2)
    disk.hold()
    client.send(b"SET a 1\r\n")
    cache.clock.jump(jump)
    cache.clock.advance(0.1)
    assert client.send(b"SET b 2\r\n").count(b"+OK") == 1
    cache.clock.advance(2)
    assert client.send(b"SET c 3\r\n") == b""
    disk.release()
    assert client.transport.take() == b"+OK\r\n"


@jumps
def test_a_snapshot_is_due_by_the_seconds_that_have_passed(jump: int) -> None:
    disk = MemoryDisk()
    cache = started(disk, save="10 1")
    cache.call("SET", "k", "v")
    cache.clock.jump(jump)
    cache.clock.advance(9)
    turns(cache)
    assert "dump.rdb" not in disk.files()
    cache.clock.advance(2.1)
    turns(cache)
    assert "dump.rdb" in disk.files()
    assert cache.call("LASTSAVE") == pytest.approx(cache.clock.seconds(), abs=2)


@jumps
def test_an_idle_client_goes_when_it_was_idle_for_so_long(jump: int) -> None:
    cache = MemoryCache({"timeout": 10})
    client = cache.connect()
    client.call("PING")
    cache.clock.jump(jump)
    cache.clock.advance(1.1)
    assert " age=1 idle=0 " in client.call("CLIENT", "INFO").decode()
    assert b"uptime_in_seconds:1\r\n" in client.call("INFO", "server")
    for _ in range(9):
        cache.clock.advance(1)
        assert not client.closed
    cache.clock.advance(2)
    assert client.closed


def test_keys_expire_by_the_date() -> None:
    cache = MemoryCache()
    cache.call("SET", "k", "v", "EX", 100)
    cache.clock.jump(-3600)
    assert cache.call("TTL", "k") == 3700
    cache.clock.jump(3700)
    assert cache.call("GET", "k") is None


def test_keys_expire_by_themselves_soon_after_the_date_was_set_forward() -> None:
    cache = MemoryCache()
    cache.call("SET", "k", "v", "EX", 100)
    cache.clock.jump(200)
    cache.clock.advance(10)
    assert cache.call("DBSIZE") == 0


def test_a_clock_without_a_forward_one_of_its_own_is_taken_for_both() -> None:
    class Plain:
        def __init__(self, clock: Clock) -> None:
            self.seconds = clock.seconds
            self.callLater = clock.callLater

    clock = Clock()
    cache = MemoryCache(clock=Plain(clock))  # type: ignore[arg-type]  # as some program's own
    client = cache.connect()
    clock.advance(3)
    assert " age=3 " in client.call("CLIENT", "INFO").decode()
