"""Who saves when, what the commands answer in each state, and that nothing is lost between a start and a stop."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.storage.failing_disk import DATA, MemoryDisk, information, started, turns
from twisted_kv.persistence.errors import DataFolderError
from twisted_kv.persistence.loading import LoadError
from twisted_kv.persistence.snapshots import RETRY
from twisted_kv.service import CacheService
from twisted_kv.testing import Clock, MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import OK
from twisted_kv.wire.encoder import encode_request

RDB_MISCONF = (
    b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    b"may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    b"snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    b"error.\r\n"
)
IN_PROGRESS = b"-ERR Background save already in progress\r\n"
CANNOT_SHUT_DOWN = b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
STARTED = b"+Background saving started\r\n"
REWRITING = b"+Background append only file rewriting started\r\n"


def ask(client: MemoryConnection, *words: str) -> bytes:
    """Send a request, and give what comes back at once."""
    return client.send(encode_request([word.encode() for word in words]))


def later(client: MemoryConnection) -> bytes:
    """Give what has come meanwhile."""
    return client.transport.take()


def finish(disk: MemoryDisk, cache: MemoryCache) -> None:
    """Let the disk do all that there is to do."""
    disk.release()
    turns(cache)
    disk.release()


def loaded(disk: MemoryDisk, *, power: bool = False, **settings: object) -> MemoryCache:
    """Start another cache on what is left."""
    return started(disk.after_power_loss() if power else disk.after_kill(), **settings)


def is_clean(disk: MemoryDisk, cache: MemoryCache) -> bool:
    """Whether nothing is left of a cache that was stopped."""
    files = [name for name in disk.files() if "temp" in name]
    return not (cache.clock.getDelayedCalls() or disk.open_files or files or disk.waiting)


class Ends:
    """Takes note of how often a cache asked for its end."""

    def __init__(self, cache: MemoryCache) -> None:
        self.count = 0
        cache.service.dispatcher.server.shutdown = self

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


# Snapshots by command


def test_a_snapshot_holds_what_was_there_when_it_began(disk: MemoryDisk) -> None:
    cache = started(disk)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.hold()
    assert ask(client, "BGSAVE") == STARTED
    ask(client, "SET", "k", "w")
    told = information(cache)
    assert (told["rdb_bgsave_in_progress"], told["rdb_saves"], told["current_save_keys_total"]) == ("1", "0", "1")
    cache.clock.advance(2)
    assert information(cache)["rdb_current_bgsave_time_sec"] == "2"
    finish(disk, cache)
    told = information(cache)
    assert (told["rdb_bgsave_in_progress"], told["rdb_saves"], told["rdb_last_bgsave_status"]) == ("0", "1", "ok")
    assert (told["rdb_last_bgsave_time_sec"], told["rdb_changes_since_last_save"]) == ("2", "1")
    assert ask(client, "LASTSAVE") == b":%d\r\n" % cache.clock.seconds()
    assert loaded(disk, power=True).call("GET", "k") == b"v"


def test_save_is_answered_when_the_file_has_its_name_for_ever_and_others_are_served_meanwhile(
    disk: MemoryDisk,
) -> None:
    cache = started(disk)
    client, other = cache.connect(), cache.connect()
    ask(client, "SET", "k", "v")
    disk.hold()
    assert ask(client, "SAVE") == b""
    assert ask(other, "GET", "k") == b"$1\r\nv\r\n"
    turns(cache)
    while later(client) == b"":
        assert loaded(disk, power=True).call("GET", "k") is None
        disk.go()
        turns(cache)
    assert loaded(disk, power=True).call("GET", "k") == b"v"


def test_in_process_save_gives_what_will_be_answered(disk: MemoryDisk) -> None:
    cache = started(disk)
    reply: Any = cache.request("SAVE")
    assert isinstance(reply, Deferred)
    turns(cache)
    answers: list[object] = []
    reply.addCallback(answers.append)
    assert answers == [OK]


def test_while_a_snapshot_is_saved_another_is_refused_and_a_rewrite_is_scheduled(disk: MemoryDisk) -> None:
    cache = started(disk)
    client = cache.connect()
    disk.hold()
    assert ask(client, "BGSAVE") == STARTED
    assert ask(client, "BGSAVE") == ask(client, "BGSAVE", "SCHEDULE") == ask(client, "SAVE") == IN_PROGRESS
    scheduled = b"+Background append only file rewriting scheduled\r\n"
    assert ask(client, "BGREWRITEAOF") == ask(client, "BGREWRITEAOF") == scheduled
    assert information(cache)["aof_rewrite_scheduled"] == "1"
    finish(disk, cache)
    finish(disk, cache)
    told = information(cache)
    assert (told["rdb_saves"], told["aof_rewrites"], told["aof_rewrite_scheduled"]) == ("1", "1", "0")


def test_while_the_log_is_rewritten_a_snapshot_waits_or_is_refused(disk: MemoryDisk) -> None:
    cache = started(disk)
    client, other = cache.connect(), cache.connect()
    disk.hold()
    assert ask(client, "BGREWRITEAOF") == REWRITING
    assert ask(client, "BGREWRITEAOF") == b"-ERR Background append only file rewriting already in progress\r\n"
    assert ask(client, "BGSAVE") == (
        b"-ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
        b"schedule a BGSAVE whenever possible.\r\n"
    )
    assert ask(client, "BGSAVE", "SCHEDULE") == b"+Background saving scheduled\r\n"
    assert ask(other, "SAVE") == b""
    told = information(cache)
    assert (told["aof_rewrite_in_progress"], told["aof_current_rewrite_time_sec"]) == ("1", "0")
    finish(disk, cache)
    finish(disk, cache)
    assert later(other) == b"+OK\r\n"
    told = information(cache)
    assert (told["rdb_saves"], told["aof_rewrites"]) == ("1", "1")  # one snapshot is enough for both


def test_a_bgsave_that_was_scheduled_begins_when_the_rewrite_is_over(disk: MemoryDisk) -> None:
    cache = started(disk)
    client = cache.connect()
    disk.hold()
    ask(client, "BGREWRITEAOF")
    ask(client, "BGSAVE", "SCHEDULE")
    finish(disk, cache)
    finish(disk, cache)
    assert information(cache)["rdb_saves"] == "1"


# Snapshots that fail


@pytest.mark.parametrize("kind", ["create", "write", "sync", "replace", "folder sync"])
def test_a_bgsave_that_fails_refuses_writes_until_one_succeeds(disk: MemoryDisk, kind: str) -> None:
    cache = started(disk, save="3600 1")
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.fail(kind, errno.ENOSPC)
    assert ask(client, "BGSAVE") == STARTED
    turns(cache)
    assert information(cache)["rdb_last_bgsave_status"] == "err"
    assert ask(client, "SET", "k", "w") == ask(client, "PING") == RDB_MISCONF
    misconf = cache.service.dispatcher.admission.misconf
    assert misconf is not None
    assert misconf.__traceback__ is None  # it was never raised, and holds on to none of the requests
    assert ask(client, "GET", "k") == b"$1\r\nv\r\n"
    assert [name for name in disk.files() if "temp" in name] == []
    ask(client, "CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    assert ask(client, "PING") == b"+PONG\r\n"
    ask(client, "CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    assert ask(client, "PING") == RDB_MISCONF
    ask(client, "CONFIG", "SET", "save", "")
    assert ask(client, "PING") == b"+PONG\r\n"
    ask(client, "CONFIG", "SET", "save", "3600 1")
    disk.repair()
    ask(client, "SAVE")
    turns(cache)
    assert later(client) == b"+OK\r\n"
    assert ask(client, "SET", "k", "w") == b"+OK\r\n"
    assert disk.open_files == []


def test_a_save_that_fails_is_told_to_who_asked_and_refuses_nobody(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    client = cache.connect()
    disk.fail("sync", times=1)
    ask(client, "SAVE")
    turns(cache)
    assert later(client) == b"-ERR\r\n"
    assert ask(client, "SET", "k", "w") == b"+OK\r\n"
    assert information(cache)["rdb_last_bgsave_status"] == "ok"


def test_a_snapshot_that_fails_leaves_the_one_before_it(disk: MemoryDisk) -> None:
    cache = started(disk)
    cache.call("SET", "k", "v")
    cache.request("SAVE")
    turns(cache)
    cache.call("SET", "k", "w")
    for kind in ("partial write", "sync", "replace"):
        disk.fail(kind, errno.ENOSPC, times=1)
        cache.call("BGSAVE")
        turns(cache)
        assert loaded(disk).call("GET", "k") == b"v"


def test_a_fault_of_ours_in_a_snapshot_is_told_as_its_failure(
    disk: MemoryDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SystemExit("a fault that the test wants")

    monkeypatch.setattr("twisted_kv.persistence.snapshot_writing.crc64", fail)
    cache = started(disk)
    cache.call("BGSAVE")
    turns(cache)
    assert information(cache)["rdb_last_bgsave_status"] == "err"
    assert disk.files() == {}


def test_a_rewrite_that_fails_is_tried_again_after_a_while(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes", auto_aof_rewrite_min_size=1, auto_aof_rewrite_percentage=1)
    cache.call("SET", "k", "v" * 200)
    disk.fail("take", times=1)
    cache.clock.advance(0.2)
    turns(cache)
    cache.clock.advance(0.2)
    told = information(cache)
    assert (told["aof_last_bgrewrite_status"], told["aof_rewrites_consecutive_failures"]) == ("err", "1")
    for _ in range(int(RETRY * 10) + 2):
        cache.clock.advance(0.1)
    told = information(cache)
    assert (told["aof_last_bgrewrite_status"], told["aof_rewrites"]) == ("ok", "1")
    assert [name for name in disk.files() if "temp" in name] == []


# Save points and FLUSHALL


def test_a_snapshot_is_saved_when_a_save_point_is_reached(disk: MemoryDisk) -> None:
    cache = started(disk, save="10 2")
    cache.call("SET", "a", "1")
    for _ in range(120):
        cache.clock.advance(0.1)
    assert disk.files() == {}  # one change is not enough
    cache.call("SET", "b", "1")
    cache.clock.advance(0.2)
    assert information(cache)["rdb_changes_since_last_save"] == "0"
    cache.call("MSET", "a", "2", "b", "2")
    for _ in range(100):
        cache.clock.advance(0.1)
    assert information(cache)["rdb_saves"] == "1"  # it is not old enough
    for _ in range(15):
        cache.clock.advance(0.1)
    assert information(cache)["rdb_saves"] == "2"


def test_a_save_point_that_failed_is_tried_again_after_a_while(disk: MemoryDisk) -> None:
    cache = started(disk, save="1 1")
    cache.call("SET", "a", "1")
    disk.fail("sync")
    for _ in range(100):
        cache.clock.advance(0.1)
    assert 1 <= disk.count("sync temp") <= 2
    disk.repair()
    for _ in range(70):
        cache.clock.advance(0.1)
    assert information(cache)["rdb_last_bgsave_status"] == "ok"
    assert loaded(disk, power=True).call("GET", "a") == b"1"


def test_flushall_ends_the_snapshot_under_way_and_saves_an_empty_one(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    client = cache.connect()
    ask(client, "SET", "k", "v")
    ask(client, "SAVE")
    turns(cache)
    disk.hold()
    ask(client, "BGSAVE")
    assert ask(client, "FLUSHALL").endswith(b"+OK\r\n")
    finish(disk, cache)
    finish(disk, cache)
    told = information(cache)
    assert (told["rdb_last_bgsave_status"], told["rdb_changes_since_last_save"]) == ("ok", "0")
    assert loaded(disk, power=True).call("DBSIZE") == 0


def test_flushall_while_the_log_is_rewritten_saves_an_empty_snapshot_after_that(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    client = cache.connect()
    ask(client, "SET", "k", "v")
    ask(client, "SAVE")
    turns(cache)
    disk.hold()
    ask(client, "BGREWRITEAOF")
    ask(client, "FLUSHALL")
    finish(disk, cache)
    finish(disk, cache)
    assert loaded(disk, power=True).call("DBSIZE") == 0


def test_without_save_points_flushall_saves_nothing(disk: MemoryDisk) -> None:
    cache = started(disk)
    cache.call("FLUSHALL")
    turns(cache)
    assert disk.files() == {}


# SHUTDOWN


def test_shutdown_saves_if_there_are_save_points(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    ends = Ends(cache)
    cache.call("SET", "k", "v")
    ask(cache.connect(), "SHUTDOWN")
    turns(cache)
    assert ends.count == 1
    cache.stop()
    assert is_clean(disk, cache)
    assert information(cache)["rdb_saves"] == "1"
    assert loaded(disk, power=True).call("GET", "k") == b"v"


@pytest.mark.parametrize(
    ("words", "save", "is_saved"), [("NOSAVE", "3600 1", False), ("SAVE", "", True), ("NOW", "", False)]
)
def test_shutdown_saves_as_it_is_told(disk: MemoryDisk, words: str, save: str, is_saved: bool) -> None:
    cache = started(disk, save=save)
    ends = Ends(cache)
    cache.call("SET", "k", "v")
    ask(cache.connect(), "SHUTDOWN", words)
    turns(cache)
    assert ends.count == 1
    cache.stop()
    turns(cache)
    assert is_clean(disk, cache)
    assert ("dump.rdb" in disk.files()) is is_saved


def test_a_shutdown_that_cannot_save_is_refused_unless_it_is_forced(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    ends = Ends(cache)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.fail("sync")
    ask(client, "SHUTDOWN")
    turns(cache)
    assert later(client) == CANNOT_SHUT_DOWN
    assert ends.count == 0
    assert ask(client, "GET", "k") == b"$1\r\nv\r\n"
    ask(client, "SHUTDOWN", "FORCE")
    turns(cache)
    assert ends.count == 1


def test_a_shutdown_can_be_aborted(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    ends = Ends(cache)
    client, other = cache.connect(), cache.connect()
    assert ask(other, "SHUTDOWN", "ABORT") == b"-ERR No shutdown in progress.\r\n"
    ask(client, "SET", "k", "v")
    disk.hold()
    ask(client, "SHUTDOWN")
    assert ask(other, "SHUTDOWN", "ABORT") == b"+OK\r\n"
    assert later(client) == CANNOT_SHUT_DOWN
    finish(disk, cache)
    assert ends.count == 0
    assert ask(client, "SET", "k", "w") == b"+OK\r\n"


def test_a_shutdown_after_an_aborted_one_is_not_answered_for_that(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1", appendonly="yes", appendfsync="no")
    ends = Ends(cache)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.hold()
    ask(client, "SHUTDOWN")
    ask(cache.connect(), "SHUTDOWN", "ABORT")
    ask(client, "SHUTDOWN", "NOSAVE")
    finish(disk, cache)
    assert later(client) == CANNOT_SHUT_DOWN  # for the first: like every reply it has waited for the log
    assert ends.count == 1


def test_who_asks_for_the_end_while_another_waits_for_it_waits_too(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    ends = Ends(cache)
    client, other = cache.connect(), cache.connect()
    ask(client, "SET", "k", "v")
    disk.hold()
    ask(client, "SHUTDOWN")
    ask(other, "SHUTDOWN")
    finish(disk, cache)
    assert (later(client), later(other), ends.count) == (b"", b"", 1)
    assert loaded(disk, power=True).call("GET", "k") == b"v"


def test_a_shutdown_forces_the_log_to_the_disk(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes", appendfsync="no")
    ends = Ends(cache)
    cache.call("SET", "k", "v")
    ask(cache.connect(), "SHUTDOWN")
    assert ends.count == 1
    assert loaded(disk, power=True, appendonly="yes").call("GET", "k") == b"v"


def test_the_log_is_loaded_again_in_the_place_of_all_data(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes", appendfsync="always", enable_debug_command="yes")
    client, other = cache.connect(), cache.connect()
    ask(client, "SET", "k", "v")
    ask(client, "EXPIRE", "k", "100")
    disk.hold()
    assert ask(client, "DEBUG", "LOADAOF") == b""
    asked = ask(other, "GET", "k")
    finish(disk, cache)
    assert later(client) == b"+OK\r\n"
    assert (asked + later(other)).startswith(b"-LOADING")
    assert ask(other, "GET", "k") == b"$1\r\nv\r\n"
    assert ask(other, "TTL", "k") == b":100\r\n"
    ask(client, "SET", "k", "w")
    finish(disk, cache)
    assert loaded(disk, power=True, appendonly="yes").call("GET", "k") == b"w"


def test_without_a_log_there_is_none_to_be_loaded_again(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1", enable_debug_command="yes")
    assert ask(cache.connect(), "DEBUG", "LOADAOF").startswith(b"-ERR no append-only file")


def loaded_again_while_it_fails(disk: MemoryDisk, what: str) -> tuple[MemoryCache, MemoryConnection]:
    """Have a cache load its log again, with a request that was not written yet, from a disk that fails."""
    cache = started(disk, appendonly="yes", enable_debug_command="yes")
    client = cache.connect()
    finish(disk, cache)
    disk.hold()
    ask(client, "SET", "k", "v")
    disk.fail(what)
    ask(client, "DEBUG", "LOADAOF")
    finish(disk, cache)
    return cache, client


def test_a_log_that_cannot_be_read_is_told(disk: MemoryDisk) -> None:
    _, client = loaded_again_while_it_fails(disk, "read")
    assert b"-ERR Error trying to load the AOF files" in later(client)
    disk.repair()


def test_a_log_that_cannot_be_written_is_not_loaded_again(disk: MemoryDisk) -> None:
    cache, _ = loaded_again_while_it_fails(disk, "sync")
    assert cache.call("GET", "k") == b"v"
    disk.repair()


def test_a_shutdown_while_the_log_is_rewritten_leaves_all_its_files(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes")
    Ends(cache)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    cache.clock.advance(2)
    disk.hold()
    ask(client, "BGREWRITEAOF")
    ask(client, "SET", "l", "v")
    ask(client, "SHUTDOWN")
    finish(disk, cache)
    cache.stop()
    turns(cache)
    assert is_clean(disk, cache)
    assert disk.files()["appendonlydir/appendonly.aof.manifest"].count(b"\n") == 3
    assert loaded(disk, power=True, appendonly="yes").call("MGET", "k", "l") == [b"v", b"v"]


def test_a_shutdown_before_the_log_is_begun_is_refused_and_a_stop_waits_for_it(disk: MemoryDisk) -> None:
    cache = started(disk)
    ends = Ends(cache)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.hold()
    ask(client, "CONFIG", "SET", "appendonly", "yes")
    assert ask(client, "SHUTDOWN") == CANNOT_SHUT_DOWN
    assert ends.count == 0
    cache.stop()
    finish(disk, cache)
    assert is_clean(disk, cache)
    assert loaded(disk, power=True, appendonly="yes").call("GET", "k") == b"v"


def test_a_forced_shutdown_does_not_wait_for_a_log_that_is_begun(disk: MemoryDisk) -> None:
    cache = started(disk)
    ends = Ends(cache)
    client = cache.connect()
    disk.hold()
    ask(client, "CONFIG", "SET", "appendonly", "yes")
    ask(client, "SHUTDOWN", "FORCE")
    finish(disk, cache)
    assert ends.count == 1


def test_a_shutdown_saves_behind_a_rewrite_that_has_waited_longer(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    ends = Ends(cache)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.hold()
    ask(client, "BGSAVE")
    ask(client, "BGREWRITEAOF")
    ask(client, "SET", "k", "w")
    ask(client, "SHUTDOWN")
    for _ in range(3):
        finish(disk, cache)
    assert ends.count == 1
    assert loaded(disk, power=True).call("GET", "k") == b"w"


def test_one_that_was_never_started_can_be_stopped(disk: MemoryDisk) -> None:
    service = CacheService(port=None, config={"dir": DATA}, clock=Clock(), disk=disk)
    service.stopService()
    assert disk.files() == {}


def test_what_could_not_be_loaded_is_loaded_by_another_start_if_it_can_be(disk: MemoryDisk) -> None:
    cache = started(disk)
    cache.call("SET", "k", "v")
    cache.request("SAVE")
    turns(cache)
    cache.stop()
    disk.fail("read")
    cache = started(disk)
    failures: list[Failure] = []
    cache.service.when_loaded().addErrback(failures.append)
    assert failures[0].check(LoadError)
    cache.service.stopService()
    disk.repair()
    cache.service.startService()
    turns(cache)
    told: list[object] = []
    cache.service.when_loaded().addCallback(told.append)
    assert told == [None]
    assert cache.call("GET", "k") == b"v"


def test_a_shutdown_while_data_are_loaded_saves_nothing_over_them(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    cache.call("SET", "k", "v")
    cache.request("SAVE")
    turns(cache)
    cache.stop()
    turns(cache)
    before = disk.files()
    disk.hold()
    cache = started(disk, save="3600 1")
    ends = Ends(cache)
    assert ask(cache.connect(), "SHUTDOWN", "SAVE") == b""
    assert ends.count == 1
    disk.release()
    cache.stop()
    turns(cache)
    assert disk.files() == before
    assert cache.clock.getDelayedCalls() == []


# Start and stop


def test_what_is_there_at_the_stop_is_there_after_the_start(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    cache.call("SET", "k", "v")
    cache.stop()
    turns(cache)
    assert is_clean(disk, cache)
    assert loaded(disk, power=True).call("GET", "k") == b"v"


def test_at_the_stop_nothing_is_saved_that_has_not_changed(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    cache.stop()
    turns(cache)
    assert disk.files() == {}


def test_a_last_snapshot_and_an_end_of_the_log_that_fail_keep_no_cache_from_stopping(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1", appendonly="yes")
    cache.call("SET", "k", "v")
    disk.fail("write", errno.ENOSPC)
    cache.stop()
    turns(cache)
    assert is_clean(disk, cache)
    disk.repair()
    assert loaded(disk, appendonly="yes").call("DBSIZE") == 0


@pytest.mark.parametrize("settings", [{"appendonly": "yes"}, {"save": "3600 1"}])
def test_what_is_written_while_it_was_stopped_is_in_the_files_after_the_next_start(
    disk: MemoryDisk, settings: dict[str, object]
) -> None:
    cache = started(disk, **settings)
    service = cache.service
    cache.call("SET", "k", "v")
    for number in range(3):
        service.stopService()
        turns(cache)
        cache.call("SET", f"k{number}", "v")
        service.startService()
        turns(cache)
        cache.call("INCR", "n")
    service.stopService()
    turns(cache)
    assert disk.open_files == []
    assert loaded(disk, power=True, **settings).call("MGET", "k", "k0", "k1", "k2", "n") == [b"v"] * 4 + [b"3"]


def test_one_that_is_stopped_right_after_its_start_keeps_what_was_written_before(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes")
    service = cache.service
    service.stopService()
    cache.call("SET", "k", "v")
    disk.hold()
    service.startService()
    cache.stop()
    finish(disk, cache)
    assert is_clean(disk, cache)
    assert loaded(disk, power=True, appendonly="yes").call("GET", "k") == b"v"


def test_one_that_is_stopped_while_a_snapshot_is_written_begins_its_log_after_that(disk: MemoryDisk) -> None:
    cache = started(disk)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.hold()
    ask(client, "BGSAVE")
    ask(client, "CONFIG", "SET", "appendonly", "yes")
    cache.stop()
    finish(disk, cache)
    assert is_clean(disk, cache)
    assert loaded(disk, power=True, appendonly="yes").call("GET", "k") == b"v"


def test_a_shutdown_without_saving_says_nothing_about_the_next_stop(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    Ends(cache)
    cache.call("SET", "k", "v")
    ask(cache.connect(), "SHUTDOWN", "NOSAVE")
    cache.service.stopService()
    turns(cache)
    assert disk.files() == {}
    cache.service.startService()
    turns(cache)
    cache.service.stopService()
    turns(cache)
    assert loaded(disk).call("GET", "k") == b"v"


def test_one_that_is_stopped_while_a_snapshot_is_written_leaves_nothing_of_it(disk: MemoryDisk) -> None:
    cache = started(disk)
    cache.call("SET", "k", "v")
    disk.hold()
    cache.call("BGSAVE")
    cache.stop()
    finish(disk, cache)
    assert is_clean(disk, cache)
    assert disk.files() == {}


def test_one_that_is_stopped_while_a_save_waits_for_a_rewrite_begins_nothing_any_more(disk: MemoryDisk) -> None:
    cache = started(disk)
    answers: list[object] = []
    disk.hold()
    cache.call("BGREWRITEAOF")
    reply: Any = cache.request("SAVE")
    reply.addBoth(answers.append)
    cache.stop()
    finish(disk, cache)
    assert is_clean(disk, cache)
    assert isinstance(answers[0], Failure)
    assert all(worker.is_stopped for worker in disk.workers)


@pytest.mark.parametrize(
    ("settings", "jobs"),
    [*(({"appendonly": "yes"}, jobs) for jobs in range(4)), *(({"save": "3600 1"}, jobs) for jobs in range(2))],
)
def test_one_that_is_stopped_while_it_loads_changes_no_file_and_can_be_started_again(
    disk: MemoryDisk, settings: dict[str, object], jobs: int
) -> None:
    cache = started(disk, **settings)
    cache.call("SET", "k", "v")
    cache.stop()
    turns(cache)
    before = disk.files()
    disk.hold()
    cache = started(disk, **settings)
    waiting: list[object] = []
    cache.service.when_loaded().addBoth(waiting.append)
    for _ in range(jobs):
        disk.go()
    assert cache.service.dispatcher.admission.is_loading
    cache.service.stopService()
    finish(disk, cache)
    assert disk.files() == before
    assert waiting == []
    cache.service.startService()
    turns(cache)
    assert waiting == [None]
    assert cache.call("GET", "k") == b"v"


def test_while_it_is_stopped_nothing_is_saved_or_begun(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    Ends(cache)
    cache.stop()
    cache.call("SET", "k", "v")
    for words in (["SAVE"], ["BGSAVE"], ["BGREWRITEAOF"], ["SHUTDOWN"]):
        failed: list[Failure] = []
        cache.request(*words).addErrback(failed.append)
        assert "this cache is stopped" in str(failed[0].value)
    cache.call("FLUSHALL")
    turns(cache)
    assert is_clean(disk, cache)
    assert disk.files() == {}
    assert all(worker.is_stopped for worker in disk.workers)


def test_a_log_that_is_switched_on_while_it_is_stopped_begins_with_the_start_and_notes_all_once(
    disk: MemoryDisk,
) -> None:
    cache = started(disk)
    cache.service.stopService()
    cache.call("INCR", "n")
    cache.call("CONFIG", "SET", "appendonly", "yes")
    assert disk.files() == {}
    cache.service.startService()
    turns(cache)
    cache.call("INCR", "n")
    cache.clock.advance(2)
    cache.clock.advance(2)
    assert disk.files()["appendonlydir/appendonly.aof.1.incr.aof"].count(b"INCR") == 1
    assert loaded(disk, power=True, appendonly="yes").call("GET", "n") == b"2"


def test_a_log_that_is_switched_off_while_it_is_stopped_is_not_begun(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes")
    cache.service.stopService()
    cache.call("CONFIG", "SET", "appendonly", "no")
    before = disk.files()
    cache.service.startService()
    cache.call("SET", "k", "v")
    cache.stop()
    turns(cache)
    assert disk.files() == before


def test_a_log_cannot_be_switched_on_or_off_while_data_are_loaded(disk: MemoryDisk) -> None:
    disk.hold()
    cache = started(disk)
    told = ask(cache.connect(), "CONFIG", "SET", "appendonly", "yes")
    assert told.endswith(b"Unable to turn on AOF. Check server logs.\r\n")
    assert not cache.service.settings.appendonly
    finish(disk, cache)
    assert not cache.service.dispatcher.admission.is_loading


def test_switching_a_log_to_what_it_is_does_nothing(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes")
    before = len(disk.operations)
    cache.connect().call("CONFIG", "SET", "appendonly", "yes")
    assert len(disk.operations) == before


def test_a_log_that_is_switched_on_while_a_snapshot_is_saved_begins_after_that(disk: MemoryDisk) -> None:
    cache = started(disk)
    client = cache.connect()
    disk.hold()
    ask(client, "BGSAVE")
    ask(client, "CONFIG", "SET", "appendonly", "yes")
    ask(client, "SET", "k", "v")
    assert information(cache)["aof_rewrite_scheduled"] == "1"
    finish(disk, cache)
    finish(disk, cache)
    cache.clock.advance(2)
    assert loaded(disk, appendonly="yes").call("GET", "k") == b"v"


def test_a_log_that_is_switched_off_while_a_snapshot_is_saved_leaves_that_alone(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes")
    client = cache.connect()
    disk.hold()
    ask(client, "BGSAVE")
    ask(client, "CONFIG", "SET", "appendonly", "no")
    finish(disk, cache)
    assert information(cache)["rdb_saves"] == "1"


def test_a_beginning_of_the_log_that_fails_is_tried_again(disk: MemoryDisk) -> None:
    cache = started(disk)
    client = cache.connect()
    disk.fail("take", times=1)
    ask(client, "CONFIG", "SET", "appendonly", "yes")
    turns(cache)
    assert information(cache)["aof_last_bgrewrite_status"] == "err"
    for _ in range(int(RETRY * 10) + 2):
        cache.clock.advance(0.1)
    assert ask(client, "SET", "k", "v") == b"+OK\r\n"
    cache.clock.advance(2)
    assert loaded(disk, power=True, appendonly="yes").call("GET", "k") == b"v"


def test_a_log_does_not_begin_with_a_file_that_is_to_be_removed(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes")
    client = cache.connect()
    ask(client, "INCR", "n")
    ask(client, "CONFIG", "SET", "appendonly", "no")
    disk.fail("remove", spared=1)  # the temporary file's, and no more
    ask(client, "BGREWRITEAOF")
    turns(cache)
    assert disk.files()["appendonlydir/appendonly.aof.manifest"].count(b"type h") == 2
    again = disk.after_power_loss()
    for number in (2, 3, 4):
        cache = started(again, appendonly="yes", appendfsync="always")
        assert cache.connect().call("INCR", "n") == number
        again = again.after_power_loss()


def test_a_log_does_not_begin_with_a_file_that_no_manifest_ever_named(disk: MemoryDisk) -> None:
    cache = started(disk)
    client = cache.connect()
    ask(client, "BGREWRITEAOF")
    turns(cache)
    disk.hold()
    ask(client, "CONFIG", "SET", "appendonly", "yes")
    _, log = disk.workers
    disk.go(log)
    ask(client, "INCR", "n")
    cache.service.sync()
    disk.go(log)
    left = disk.after_kill()
    assert b"INCR" in left.files()["appendonlydir/appendonly.aof.1.incr.aof"]
    cache = started(left, appendonly="yes", appendfsync="always")
    assert cache.connect().call("INCR", "n") == 1
    assert loaded(left, appendonly="yes").call("GET", "n") == b"1"


# The folder


def test_with_dir_alone_nothing_is_written_unasked_and_everything_on_demand(disk: MemoryDisk) -> None:
    cache = started(disk)
    cache.call("SET", "k", "v")
    for _ in range(100):
        cache.clock.advance(1)
    assert disk.count("create") == disk.count("write") == 0
    cache.request("SAVE")
    turns(cache)
    cache.stop()
    assert list(disk.files()) == ["dump.rdb"]


def test_without_dir_save_and_appendonly_no_disk_is_touched() -> None:
    disk = MemoryDisk()
    cache = MemoryCache({"save": ""}, disk=disk)
    for words in (["SAVE"], ["BGSAVE"], ["BGREWRITEAOF"], ["LASTSAVE"]):
        with pytest.raises(CommandError, match="no folder to write to"):
            cache.call(*words)
    cache.call("FLUSHALL")
    cache.stop()
    assert disk.operations == []
    assert disk.workers == []


def test_a_folder_is_used_by_one_at_a_time(disk: MemoryDisk) -> None:
    cache = started(disk)
    with pytest.raises(DataFolderError, match="the folder /data is used by another server"):
        started(disk)
    cache.stop()
    started(disk).stop()


def test_a_folder_that_cannot_be_used_is_told_by_its_name(disk: MemoryDisk) -> None:
    with pytest.raises(DataFolderError, match="cannot use the folder /nowhere: No such file or directory"):
        MemoryCache({"dir": "/nowhere"}, disk=disk)


@pytest.mark.parametrize("kind", ["make", "create", "write", "folder sync", "replace"])
def test_a_log_that_cannot_be_begun_stops_the_start(disk: MemoryDisk, kind: str) -> None:
    disk.fail(kind, errno.EROFS)
    cache = started(disk, appendonly="yes")
    failures: list[Failure] = []
    cache.service.when_loaded().addErrback(failures.append)
    assert failures[0].check(LoadError)
    assert str(failures[0].value) == f"{DATA}/appendonlydir: Read-only file system"
    assert ask(cache.connect(), "GET", "k").startswith(b"-LOADING")
    cache.stop()
    assert cache.clock.getDelayedCalls() == []
    assert disk.open_files == []


def test_how_far_the_loading_has_come_is_told(disk: MemoryDisk) -> None:
    cache = started(disk)
    cache.call("SET", "k", "v")
    cache.call("SET", "gone", "v", "PX", 10)
    cache.request("SAVE")
    turns(cache)
    cache.stop()
    size = len(disk.files()["dump.rdb"])
    disk.hold()
    cache.clock.advance(1)
    cache = started(disk, cache.clock)
    told = information(cache)
    assert (told["loading"], told["loading_total_bytes"], told["loading_eta_seconds"]) == ("1", "0", "1")
    disk.go()
    assert information(cache)["loading_total_bytes"] == str(size)
    finish(disk, cache)
    told = information(cache)
    assert (told["loading"], told["rdb_last_load_keys_loaded"], told["rdb_last_load_keys_expired"]) == ("0", "1", "1")


def test_the_log_has_the_form_that_is_asked_for(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes", aof_use_rdb_preamble="no")
    cache.call("SET", "k", "v")
    cache.call("BGREWRITEAOF")
    turns(cache)
    assert b"SET" in disk.files()["appendonlydir/appendonly.aof.2.base.aof"]
    assert loaded(disk, appendonly="yes").call("GET", "k") == b"v"


@pytest.mark.parametrize("stopped", [False, True])
def test_a_log_that_is_switched_off_and_on_at_once_begins_when_the_one_before_is_closed(
    disk: MemoryDisk, stopped: bool
) -> None:
    cache = started(disk, appendonly="yes")
    client = cache.connect()
    ask(client, "SET", "old", "1")
    disk.hold()
    ask(client, "CONFIG", "SET", "appendonly", "no")
    ask(client, "SET", "between", "2")
    ask(client, "CONFIG", "SET", "appendonly", "yes")
    ask(client, "SET", "new", "3")
    if stopped:
        cache.stop()
    finish(disk, cache)
    finish(disk, cache)
    cache.clock.advance(2)
    again = loaded(disk, power=True, appendonly="yes")
    assert again.call("MGET", "old", "between", "new") == [b"1", b"2", b"3"]


@pytest.mark.parametrize("jobs", range(8))
def test_a_log_that_is_switched_off_at_any_moment_of_a_rewrite_is_begun_well_the_next_time(
    disk: MemoryDisk, jobs: int
) -> None:
    cache = started(disk, appendonly="yes")
    client = cache.connect()
    ask(client, "SET", "old", "1")
    disk.hold()
    ask(client, "BGREWRITEAOF")
    for _ in range(jobs):
        turns(cache, 3)
        disk.go()
    ask(client, "CONFIG", "SET", "appendonly", "no")
    finish(disk, cache)
    ask(client, "CONFIG", "SET", "appendonly", "yes")
    ask(client, "SET", "new", "2")
    finish(disk, cache)
    cache.clock.advance(2)
    again = loaded(disk, power=True, appendonly="yes")
    assert again.call("MGET", "old", "new") == [b"1", b"2"]


def test_a_disk_that_is_well_again_at_the_end_gets_what_was_answered(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes")
    client = cache.connect()
    disk.fail("write")
    assert ask(client, "SET", "k", "v") == b"+OK\r\n"
    cache.clock.advance(0.1)
    assert ask(client, "SET", "k", "w").startswith(b"-MISCONF")
    disk.repair()
    cache.stop()
    assert loaded(disk, power=True, appendonly="yes").call("GET", "k") == b"v"


@pytest.mark.parametrize("seconds", [0, 5])
def test_what_is_not_forced_yet_is_when_the_policy_asks_for_it(disk: MemoryDisk, seconds: int) -> None:
    cache = started(disk, appendonly="yes", appendfsync="no")
    client = cache.connect()
    ask(client, "SET", "k", "v")
    cache.clock.advance(seconds)
    ask(client, "CONFIG", "SET", "appendfsync", "everysec")
    cache.clock.advance(2)
    assert loaded(disk, power=True, appendonly="yes").call("GET", "k") == b"v"


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_what_a_rewrite_has_taken_is_written_though_the_end_comes_before_it(disk: MemoryDisk, policy: str) -> None:
    """It once was counted as safe, and was in no file."""
    cache = started(disk, appendonly="yes", appendfsync=policy)
    client = cache.connect()
    disk.hold()
    ask(client, "SET", "a", "1")
    cache.clock.advance(0.02)  # the disk is busy with it
    ask(client, "SET", "b", "2")
    ask(client, "BGREWRITEAOF")
    ask(client, "SET", "c", "3")
    cache.stop()
    finish(disk, cache)
    assert loaded(disk, power=True, appendonly="yes").call("MGET", "a", "b", "c") == [b"1", b"2", b"3"]


# A log that holds what could not be carried out


def held_log() -> MemoryDisk:
    """Give a disk with a log that would be begun anew, for it has grown, and that has a request which fails."""
    disk = MemoryDisk()
    cache = started(disk, appendonly="yes")
    cache.call("SET", "k", "v")
    cache.stop()
    left = disk.after_kill()
    name = "appendonlydir/appendonly.aof.1.incr.aof"
    data = left.files()[name]
    left.put(name, data + encode_request([b"LPUSH", b"k", b"x"]) + encode_request([b"SET", b"long", b"v" * 999]))
    return left


def test_no_rewrite_of_its_own_drops_what_could_not_be_carried_out() -> None:
    disk = held_log()
    cache = started(disk, appendonly="yes", auto_aof_rewrite_min_size=1, auto_aof_rewrite_percentage=1)
    assert cache.call("STRLEN", "long") == 999
    cache.call("SET", "more", "v" * 9999)
    for _ in range(100):
        cache.clock.advance(0.1)
    assert information(cache)["aof_rewrites"] == "0"
    assert any(b"LPUSH" in data for data in disk.files().values())
    cache.call("BGREWRITEAOF")
    turns(cache)
    assert information(cache)["aof_rewrites"] == "1"
    assert not any(b"LPUSH" in data for data in disk.files().values())


def test_with_a_log_in_doubt_an_operator_is_waited_for_too() -> None:
    disk = held_log()
    cache = started(disk, appendonly="yes")
    disk.fail("sync", times=1)
    cache.call("SET", "more", "v")
    for _ in range(100):
        cache.clock.advance(0.1)
    with pytest.raises(CommandError, match="MISCONF"):
        cache.call("SET", "more", "v")
    assert any(b"LPUSH" in data for data in disk.files().values())
    cache.call("BGREWRITEAOF")
    turns(cache)
    assert cache.call("SET", "more", "v") == b"OK"


# In a transaction


def test_a_rewrite_that_is_asked_for_in_a_transaction_begins_after_it(disk: MemoryDisk) -> None:
    """Once the base held a part of the transaction, and the increment all of it: INCR was applied twice."""
    cache = started(disk, appendonly="yes")
    client = cache.connect()
    replies = client.send(b"MULTI\r\nINCR n\r\nBGREWRITEAOF\r\nINCR n\r\nEXEC\r\n")
    assert replies.endswith(b"*3\r\n:1\r\n+Background append only file rewriting scheduled\r\n:2\r\n")
    finish(disk, cache)
    assert information(cache)["aof_rewrites"] == "1"
    left = loaded(disk, appendonly="yes")
    assert left.call("GET", "n") == b"2"
    left.stop()
    cache.stop()


def test_a_save_that_is_asked_for_in_a_transaction_holds_all_of_it(disk: MemoryDisk) -> None:
    cache = started(disk)
    client = cache.connect()
    replies = client.send(b"MULTI\r\nINCR n\r\nBGSAVE\r\nINCR n\r\nEXEC\r\n")
    assert replies.endswith(b"*3\r\n:1\r\n+Background saving scheduled\r\n:2\r\n")
    finish(disk, cache)
    left = loaded(disk)
    assert left.call("GET", "n") == b"2"
    left.stop()
    cache.stop()


def test_a_save_that_is_asked_for_twice_in_a_transaction_is_one(disk: MemoryDisk) -> None:
    cache = started(disk, appendonly="yes")
    client = cache.connect()
    client.send(b"MULTI\r\nSET k v\r\nBGSAVE\r\nBGSAVE\r\nBGREWRITEAOF\r\nBGREWRITEAOF\r\nEXEC\r\n")
    finish(disk, cache)
    told = information(cache)
    assert (told["rdb_saves"], told["aof_rewrites"]) == ("1", "1")
    cache.stop()


def test_a_flush_in_a_transaction_is_saved_with_what_follows_it(disk: MemoryDisk) -> None:
    cache = started(disk, save="3600 1")
    client = cache.connect()
    client.send(b"SET k v\r\nMULTI\r\nFLUSHALL\r\nSET n 1\r\nEXEC\r\n")
    finish(disk, cache)
    left = loaded(disk)
    assert (left.call("GET", "n"), left.call("DBSIZE")) == (b"1", 1)
    left.stop()
    cache.stop()


def test_who_waits_is_not_served_from_what_is_loaded_again(disk: MemoryDisk) -> None:
    """Once a client was served an element of the file that had been taken long before."""
    cache = started(disk, appendonly="yes", enable_debug_command="yes")
    client, waiting = cache.connect(), cache.connect()
    client.send(b"RPUSH k old\r\nLPOP k\r\n")
    waiting.send(b"BLPOP k 0\r\n")
    disk.hold()
    client.send(b"DEBUG LOADAOF\r\n")
    finish(disk, cache)
    turns(cache)
    assert later(client).endswith(b"+OK\r\n")
    assert later(waiting) == b""
    client.send(b"RPUSH k new\r\n")
    assert later(waiting) == b"*2\r\n$1\r\nk\r\n$3\r\nnew\r\n"
    cache.stop()
