"""The append-only file: when answers wait, what one sync is for, and what becomes of a disk that fails."""

from __future__ import annotations

import errno

import pytest

from tests.storage.failing_disk import DATA, MemoryDisk, information, started, turns
from twisted_kv.persistence.append_only import PAUSE, RETRY, SYNC_INTERVAL
from twisted_kv.testing import MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.encoder import encode_request

LOG = "appendonlydir/appendonly.aof.1.incr.aof"
MANIFEST = "appendonlydir/appendonly.aof.manifest"
NAME = "appendonly.aof.1.incr.aof"


def logging(disk: MemoryDisk, fsync: str = "always", **settings: object) -> MemoryCache:
    return started(disk, appendonly="yes", appendfsync=fsync, **settings)


def ask(client: MemoryConnection, *words: str) -> bytes:
    """Send a request, and give what comes back at once."""
    return client.send(encode_request([word.encode() for word in words]))


def later(client: MemoryConnection) -> bytes:
    """Give what has come meanwhile."""
    return client.transport.take()


def restarted(disk: MemoryDisk, *, power: bool = False) -> MemoryCache:
    """Start another cache on what is there after a kill, or a power loss."""
    return logging(disk.after_power_loss() if power else disk.after_kill())


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


# When who is answered


def test_with_always_an_answer_waits_for_the_sync(disk: MemoryDisk) -> None:
    client = logging(disk).connect()
    disk.hold()
    assert ask(client, "SET", "k", "v") == b""
    assert disk.count(f"sync {NAME}") == 0
    disk.go()
    assert later(client) == b"+OK\r\n"
    assert disk.count(f"sync {NAME}") == 1


def test_with_always_one_sync_serves_all_who_asked_while_another_was_under_way(disk: MemoryDisk) -> None:
    cache = logging(disk)
    clients = [cache.connect() for _ in range(5)]
    disk.hold()
    for client in clients:
        ask(client, "INCR", "n")
    disk.go()
    assert [later(client) for client in clients] == [b":1\r\n", b"", b"", b"", b""]
    disk.go()
    assert [later(client) for client in clients[1:]] == [b":2\r\n", b":3\r\n", b":4\r\n", b":5\r\n"]
    assert disk.count(f"sync {NAME}") == 2
    assert not disk.waiting


def test_with_always_who_reads_waits_for_what_may_have_been_read(disk: MemoryDisk) -> None:
    cache = logging(disk)
    writer, reader = cache.connect(), cache.connect()
    assert ask(reader, "GET", "k") == b"$-1\r\n"
    disk.hold()
    ask(writer, "SET", "k", "v")
    assert ask(reader, "GET", "k") == b""
    disk.release()
    assert later(reader) == b"$1\r\nv\r\n"


def test_with_everysec_answers_come_at_once_and_the_disk_is_asked_each_second(disk: MemoryDisk) -> None:
    cache = logging(disk, "everysec")
    client = cache.connect()
    syncs = []
    for _ in range(30):
        assert ask(client, "INCR", "n").startswith(b":")
        cache.clock.advance(0.1)
        syncs.append(disk.count(f"sync {NAME}"))
    assert 3 <= syncs[-1] <= 4
    cache.clock.advance(SYNC_INTERVAL)
    cache.clock.advance(SYNC_INTERVAL)
    assert information(cache)["aof_pending_bio_fsync"] == "0"
    last = len(disk.operations)
    cache.clock.advance(10)
    assert len(disk.operations) == last  # nothing is done where nothing is to be done


def test_with_everysec_answers_wait_for_a_disk_that_takes_two_seconds(disk: MemoryDisk) -> None:
    cache = logging(disk, "everysec")
    client = cache.connect()
    disk.hold()
    for _ in range(18):
        assert ask(client, "INCR", "n") != b""
        cache.clock.advance(0.1)
    cache.clock.advance(0.1)
    assert ask(client, "INCR", "n") == b""
    assert information(cache)["aof_delayed_fsync"] == "1"
    disk.go()
    assert later(client) == b""
    disk.go()
    assert later(client) == b":19\r\n"
    assert ask(client, "INCR", "n") == b":20\r\n"


def test_with_no_nothing_is_forced_before_the_end(disk: MemoryDisk) -> None:
    cache = logging(disk, "no")
    client = cache.connect()
    assert ask(client, "SET", "k", "v") == b"+OK\r\n"
    cache.clock.advance(10)
    assert disk.count(f"sync {NAME}") == 0
    assert restarted(disk).call("GET", "k") == b"v"
    cache.stop()
    assert restarted(disk, power=True).call("GET", "k") == b"v"


def test_what_nobody_waits_for_is_gathered_for_a_moment(disk: MemoryDisk) -> None:
    cache = logging(disk)
    for _ in range(3):
        cache.call("INCR", "n")
    assert disk.files()[LOG] == b""
    select, request = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n", b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"
    assert information(cache)["aof_buffer_length"] == str(len(select + request * 3))
    cache.clock.advance(PAUSE)
    assert disk.files()[LOG].count(b"INCR") == 3
    assert disk.count(f"write {NAME}") == 1
    assert information(cache)["aof_buffer_length"] == "0"


def test_what_came_while_the_disk_was_busy_is_written_a_moment_after(disk: MemoryDisk) -> None:
    cache = logging(disk, "no")
    disk.hold()
    cache.call("INCR", "n")
    cache.clock.advance(PAUSE)
    cache.call("INCR", "n")
    disk.release()
    cache.clock.advance(PAUSE)
    assert disk.files()[LOG].count(b"INCR") == 2


def test_keys_that_expire_by_themselves_are_written_too(disk: MemoryDisk) -> None:
    cache = logging(disk)
    cache.call("SET", "k", "v", "PX", 100)
    cache.clock.advance(0.2)
    cache.clock.advance(PAUSE)
    assert disk.files()[LOG].endswith(b"$3\r\nDEL\r\n$1\r\nk\r\n")


def test_a_note_of_the_time_is_written_once_a_second(disk: MemoryDisk) -> None:
    cache = logging(disk, aof_timestamp_enabled="yes")
    client = cache.connect()
    for _ in range(3):
        ask(client, "INCR", "n")
    cache.clock.advance(1)
    ask(client, "INCR", "n")
    assert disk.files()[LOG].count(b"#TS:") == 2
    assert restarted(disk).call("GET", "n") == b"4"


@pytest.mark.parametrize(("pause", "waits"), [("yes", False), ("no", True)])
def test_while_a_snapshot_is_written_everysec_waits_if_it_is_told_to(disk: MemoryDisk, pause: str, waits: bool) -> None:
    cache = logging(disk, "everysec", no_appendfsync_on_rewrite=pause)
    client = cache.connect()
    ask(client, "INCR", "n")
    cache.clock.advance(2)
    disk.hold()
    ask(client, "BGSAVE")
    _, log = disk.workers
    ask(client, "INCR", "n")
    before = disk.count(f"sync {NAME}")
    for _ in range(30):
        cache.clock.advance(0.1)
        disk.go(log)
    assert (disk.count(f"sync {NAME}") > before) is waits
    assert ask(client, "INCR", "n") == b":3\r\n"
    disk.release()
    cache.clock.advance(2)
    assert information(cache)["aof_pending_bio_fsync"] == "0"


# sync() of the service


def test_the_service_tells_when_all_is_safe(disk: MemoryDisk) -> None:
    cache = logging(disk, "no")
    safe: list[bool] = []
    cache.service.sync().addCallback(safe.append)
    assert safe == [True]
    disk.hold()
    cache.call("SET", "k", "v")
    cache.service.sync().addCallback(safe.append)
    assert safe == [True]
    disk.release()
    assert safe == [True, True]
    assert restarted(disk, power=True).call("GET", "k") == b"v"


def test_who_is_told_that_all_is_safe_may_change_more(disk: MemoryDisk) -> None:
    cache = logging(disk)
    cache.call("INCR", "n")
    cache.service.sync().addCallback(lambda _: cache.call("INCR", "n"))
    cache.clock.advance(PAUSE)
    assert restarted(disk, power=True).call("GET", "n") == b"2"


def test_the_service_tells_if_it_is_not_safe(disk: MemoryDisk) -> None:
    cache = logging(disk)
    safe: list[bool] = []
    disk.fail("write", errno.ENOSPC)
    cache.call("SET", "k", "v")
    cache.service.sync().addCallback(safe.append)
    cache.service.sync().addCallback(safe.append)
    assert safe == [False, False]


def test_without_a_log_nothing_is_safe_unless_there_is_nothing(disk: MemoryDisk) -> None:
    safe: list[bool] = []
    MemoryCache().service.sync().addCallback(safe.append)
    assert safe == [False]


# A disk that fails


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_a_full_disk_refuses_writes_and_ping_and_serves_reads_until_there_is_room(disk: MemoryDisk, fsync: str) -> None:
    cache = logging(disk, fsync)
    client = cache.connect()
    assert ask(client, "SET", "k", "v") == b"+OK\r\n"
    cache.clock.advance(PAUSE)
    disk.capacity = sum(map(len, disk.files().values())) + 5
    told = ask(client, "SET", "big", "x" * 100)
    cache.clock.advance(PAUSE)
    assert told == (b"" if fsync == "always" else b"+OK\r\n")
    assert client.closed is (fsync == "always")
    client = cache.connect()
    misconf = b"-MISCONF Errors writing to the AOF file: No space left on device\r\n"
    assert ask(client, "SET", "k", "w") == misconf
    assert ask(client, "PING") == misconf
    assert ask(client, "GET", "k") == b"$1\r\nv\r\n"
    assert information(cache)["aof_last_write_status"] == "err"
    cache.clock.advance(RETRY)
    assert ask(client, "SET", "k", "w") == misconf
    disk.repair()
    cache.clock.advance(RETRY)
    assert ask(client, "SET", "k", "w") == b"+OK\r\n"
    assert information(cache)["aof_last_write_status"] == "ok"
    cache.clock.advance(SYNC_INTERVAL * 2)
    data = disk.files()[LOG]
    assert (data.count(b"big"), data.count(b"SELECT"), data.count(b"$1\r\nw")) == (1, 1, 1)
    assert restarted(disk).call("STRLEN", "big") == 100


@pytest.mark.parametrize("kind", ["write", "partial write"])
def test_what_could_not_be_written_is_written_once_when_it_can_be(disk: MemoryDisk, kind: str) -> None:
    cache = logging(disk)
    cache.call("INCR", "n")
    disk.fail(kind, errno.EIO, times=2)
    cache.clock.advance(PAUSE)
    cache.clock.advance(RETRY)
    cache.clock.advance(RETRY)
    assert disk.files()[LOG].count(b"INCR") == 1
    assert restarted(disk, power=True).call("GET", "n") == b"1"


def test_a_torn_end_that_cannot_be_cut_off_is_tried_again(disk: MemoryDisk) -> None:
    cache = logging(disk)
    cache.call("INCR", "n")
    disk.fail("partial write", errno.EIO, times=1)
    disk.fail("cut", errno.EROFS, times=1)
    for _ in range(3):
        cache.clock.advance(RETRY)
    assert restarted(disk, power=True).call("GET", "n") == b"1"
    assert information(cache)["aof_last_write_status"] == "ok"


def test_nobody_who_waits_is_told_that_it_was_done_when_the_sync_fails(disk: MemoryDisk) -> None:
    cache = logging(disk)
    clients = [cache.connect() for _ in range(3)]
    disk.hold()
    for client in clients:
        ask(client, "INCR", "n")
    disk.fail("sync")
    disk.go()
    assert [(later(client), client.closed) for client in clients] == [(b"", True)] * 3


def test_after_a_failed_sync_the_log_is_begun_anew_before_writes_are_served(disk: MemoryDisk) -> None:
    cache = logging(disk)
    client = cache.connect()
    assert ask(client, "SET", "k", "v") == b"+OK\r\n"
    disk.fail("sync", errno.EIO, times=1)
    assert ask(client, "SET", "k", "w") == b""
    client = cache.connect()
    for _ in range(4):
        cache.clock.advance(0.01)
        assert ask(client, "SET", "k", "x") == b"-MISCONF Errors writing to the AOF file: Input/output error\r\n"
    cache.clock.advance(0.1)
    turns(cache)
    assert ask(client, "SET", "k", "x") == b"+OK\r\n"
    assert "appendonlydir/appendonly.aof.2.base.rdb" in disk.files()
    assert LOG not in disk.files()
    assert restarted(disk, power=True).call("GET", "k") == b"x"


def test_after_a_failed_sync_that_goes_on_failing_no_write_is_served_and_nothing_stays(disk: MemoryDisk) -> None:
    cache = logging(disk)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.fail("sync")
    ask(client, "SET", "k", "w")
    client = cache.connect()
    for _ in range(200):
        cache.clock.advance(0.1)
    assert ask(client, "SET", "k", "x").startswith(b"-MISCONF Errors writing to the AOF file: Input/output error")
    assert len(disk.open_files) == 1
    assert [name for name in disk.files() if "temp" in name] == []
    disk.repair()
    for _ in range(60):
        cache.clock.advance(0.1)
    assert ask(client, "SET", "k", "x") == b"+OK\r\n"
    assert restarted(disk, power=True).call("GET", "k") == b"x"


def test_a_sync_that_fails_while_the_log_is_begun_anew_has_it_begun_once_more(disk: MemoryDisk) -> None:
    cache = logging(disk)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.hold()
    ask(client, "BGREWRITEAOF")
    _, log = disk.workers
    while disk.go(log):
        pass
    ask(client, "SET", "k", "w")
    disk.fail("sync", errno.EIO, times=1)
    disk.go(log)
    disk.release()
    turns(cache)
    client = cache.connect()
    assert ask(client, "SET", "k", "x").startswith(b"-MISCONF")
    for _ in range(60):
        cache.clock.advance(0.1)
    assert ask(client, "SET", "k", "x") == b"+OK\r\n"
    assert restarted(disk, power=True).call("GET", "k") == b"x"


def test_a_key_that_expires_while_the_log_is_begun_anew_frees_no_write_before_that_is_done(disk: MemoryDisk) -> None:
    cache = logging(disk)
    client = cache.connect()
    ask(client, "SET", "gone", "v", "PX", "300")
    disk.fail("sync", errno.EIO, times=1)
    ask(client, "SET", "k", "w")
    disk.hold()
    cache.clock.advance(0.1)
    _, log = disk.workers
    disk.go(log)
    for _ in range(15):
        cache.clock.advance(0.1)
        disk.go(log)
    assert disk.count("write appendonly.aof.2.incr.aof") == 1
    assert ask(cache.connect(), "SET", "k", "x").startswith(b"-MISCONF")
    disk.release()
    turns(cache)
    assert ask(cache.connect(), "SET", "k", "x") == b"+OK\r\n"
    assert restarted(disk, power=True).call("GET", "k") == b"x"


def test_a_log_that_was_removed_is_begun_anew(disk: MemoryDisk) -> None:
    cache = logging(disk)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.folder(DATA).inner("appendonlydir").remove(NAME)
    assert ask(client, "SET", "k", "w") == b""
    client = cache.connect()
    assert ask(client, "SET", "k", "x") == b"-MISCONF Errors writing to the AOF file: it was removed\r\n"
    cache.clock.advance(0.1)
    turns(cache)
    assert ask(client, "SET", "k", "x") == b"+OK\r\n"
    assert restarted(disk, power=True).call("GET", "k") == b"x"


def test_a_folder_that_was_removed_refuses_writes_until_it_is_there_again(disk: MemoryDisk) -> None:
    cache = logging(disk)
    client = cache.connect()
    ask(client, "SET", "k", "v")
    disk.remove_folder()
    assert ask(client, "SET", "k", "w") == b""
    client = cache.connect()
    for _ in range(100):
        cache.clock.advance(0.1)
    assert ask(client, "SET", "k", "x").startswith(b"-MISCONF Errors writing to the AOF file: No such file")
    assert ask(client, "GET", "k") == b"$1\r\nw\r\n"
    disk.folder(DATA).make()
    disk.root.sync()
    for _ in range(60):
        cache.clock.advance(0.1)
    assert ask(client, "SET", "k", "x") == b"+OK\r\n"
    assert restarted(disk, power=True).call("GET", "k") == b"x"


def test_a_fault_of_ours_in_the_other_thread_is_told_as_if_the_disk_had_failed(
    disk: MemoryDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = logging(disk)
    client = cache.connect()

    def fail(*_: object) -> None:
        raise RuntimeError("a fault that the test wants")

    monkeypatch.setattr("tests.storage.failing_disk.MemoryFile.write", fail)
    assert ask(client, "SET", "k", "v") == b""
    assert client.closed
    client = cache.connect()
    assert ask(client, "SET", "k", "v") == b"-MISCONF Errors writing to the AOF file: a fault that the test wants\r\n"


def test_what_wants_the_program_to_end_in_the_other_thread_is_told_as_well(
    disk: MemoryDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = logging(disk)
    client = cache.connect()

    def fail(*_: object) -> None:
        raise SystemExit("enough")

    monkeypatch.setattr("tests.storage.failing_disk.MemoryFile.write", fail)
    ask(client, "SET", "k", "v")
    assert ask(cache.connect(), "SET", "k", "v") == b"-MISCONF Errors writing to the AOF file: enough\r\n"


# Files that follow one another


def counted(disk: MemoryDisk, kind: str) -> int:
    """Tell how many operations of a kind one rewrite needs."""
    cache = logging(disk)
    cache.connect().call("INCR", "n")
    before = disk.count(f"{kind} ")
    cache.call("BGREWRITEAOF")
    turns(cache)
    return disk.count(f"{kind} ") - before


FAILING = [
    (kind, place)
    for kind in ("create", "write", "sync", "replace", "remove", "take", "folder sync", "make", "close", "size")
    for place in range(counted(MemoryDisk(), kind))
]


@pytest.mark.parametrize(("kind", "place"), FAILING)
@pytest.mark.parametrize("fsync", ["always", "everysec"])
@pytest.mark.every(5)
def test_whatever_fails_of_a_rewrite_nothing_is_lost_or_doubled_then_or_later(
    disk: MemoryDisk, kind: str, place: int, fsync: str
) -> None:
    cache = logging(disk, fsync)
    cache.connect().call("INCR", "n")
    cache.clock.advance(2)
    disk.fail(kind, errno.ENOSPC, spared=place, times=1)
    cache.call("BGREWRITEAOF")
    turns(cache)
    assert restarted(disk).call("GET", "n") == b"1"
    for _ in range(80):
        cache.clock.advance(0.1)
    assert len(disk.open_files) == 1
    assert [name for name in disk.files() if "temp" in name] == []
    assert cache.connect().call("INCR", "n") == 2
    cache.clock.advance(2)
    assert restarted(disk, power=True).call("GET", "n") == b"2"
    disk.hold()
    cache.call("BGREWRITEAOF")
    while disk.go():  # at any moment of the next, there are all files that the manifest names
        assert restarted(disk, power=True).call("GET", "n") == b"2"
        turns(cache)
    assert LOG not in disk.files()
    disk.release()
    cache.stop()
    assert disk.open_files == []


def test_a_rewrite_whose_new_file_cannot_be_made_is_told_and_not_tried_at_every_tick(disk: MemoryDisk) -> None:
    cache = logging(disk, auto_aof_rewrite_min_size=1, auto_aof_rewrite_percentage=1)
    cache.connect().call("SET", "k", "v" * 200)
    disk.fail("create", errno.EMFILE, times=1)
    cache.clock.advance(0.1)
    for _ in range(40):
        cache.clock.advance(0.1)
    assert disk.count("create appendonly.aof.2.incr.aof") == 1
    told = information(cache)
    assert (told["aof_last_bgrewrite_status"], told["aof_rewrites_consecutive_failures"]) == ("err", "1")


def test_a_snapshot_that_waits_for_a_new_file_which_cannot_be_made_is_not_put_in_place(disk: MemoryDisk) -> None:
    cache = logging(disk)
    client = cache.connect()
    client.call("INCR", "n")
    disk.hold()
    cache.call("BGREWRITEAOF")
    save, _ = disk.workers
    turns(cache)
    while disk.go(save) and save.jobs:
        turns(cache)
    disk.fail("create", times=1)
    disk.release()
    turns(cache)
    cache.clock.advance(RETRY)
    assert cache.connect().call("INCR", "n") == 2
    assert restarted(disk, power=True).call("GET", "n") == b"2"
    assert [name for name in disk.files() if "temp" in name] == []


def test_the_folder_of_a_log_that_is_switched_on_is_forced_to_the_disk(disk: MemoryDisk) -> None:
    cache = started(disk)
    cache.connect().call("CONFIG", "SET", "appendonly", "yes")
    turns(cache)
    cache.connect().call("CONFIG", "SET", "appendfsync", "always")
    cache.connect().call("SET", "k", "v")
    assert restarted(disk, power=True).call("GET", "k") == b"v"


def test_a_log_that_is_closed_while_a_rewrite_waits_begins_nothing_any_more(disk: MemoryDisk) -> None:
    cache = logging(disk)
    client = cache.connect()
    disk.hold()
    ask(client, "INCR", "n")
    cache.call("BGREWRITEAOF")  # its new file has to wait for the write
    other = cache.connect()
    assert ask(other, "CONFIG", "SET", "appendonly", "no") != b"-"
    ask(other, "CONFIG", "SET", "appendonly", "yes")
    disk.release()
    turns(cache)
    assert disk.count("create appendonly.aof.2.incr.aof") == 1
    assert cache.connect().call("INCR", "n") == 2
    assert restarted(disk, power=True).call("GET", "n") == b"2"
    cache.stop()
    assert disk.open_files == []


def test_the_files_of_a_log_that_was_switched_off_are_replaced_by_a_rewrite(disk: MemoryDisk) -> None:
    cache = logging(disk)
    cache.call("BGREWRITEAOF")
    turns(cache)
    client = cache.connect()
    client.call("CONFIG", "SET", "appendonly", "no")
    client.call("SET", "k", "v")
    client.call("BGREWRITEAOF")
    turns(cache)
    assert sorted(disk.files()) == ["appendonlydir/appendonly.aof.3.base.rdb", MANIFEST]
    assert restarted(disk).call("GET", "k") == b"v"


def test_a_manifest_that_says_nothing_clear_keeps_a_log_from_being_begun(disk: MemoryDisk) -> None:
    disk.put(MANIFEST, b"what?\n")
    cache = started(disk)
    client = cache.connect()
    client.call("CONFIG", "SET", "appendonly", "yes")
    turns(cache)
    with pytest.raises(CommandError, match="MISCONF Errors writing to the AOF file: a line without a file"):
        client.call("SET", "k", "v")
    assert disk.files()[MANIFEST] == b"what?\n"
    client.call("CONFIG", "SET", "appendonly", "no")
    assert client.call("SET", "k", "v") == b"OK"
