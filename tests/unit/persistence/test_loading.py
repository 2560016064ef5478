"""What outlasted the last process is found again, a slice at a time; whoever asks meanwhile is told so."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import LogLevel

from tests.rdb import files as make
from tests.servers.capture import listening
from tests.storage.plain_disk import Files, MemoryDisk, MemoryFolder
from tests.storage.starts import BASE, INCR, MANIFEST, RDB_BASE, contents, laid_out, log, run_out, start, started, turn
from twisted_kv.persistence import loading
from twisted_kv.persistence.files import File, Folder
from twisted_kv.persistence.loading import REPORT_INTERVAL
from twisted_kv.testing import START, Clock, MemoryCache
from twisted_kv.vocabulary.errors import CommandError

NOW = START * 1000
FAR = 4_102_444_800_000


def snapshot(*parts: bytes, **options: Any) -> Files:
    return {"dump.rdb": make.rdb(*parts, **options)}


def string(name: bytes, value: bytes = b"v") -> bytes:
    return make.key(name, make.STRING, make.string(value))


def begun(files: Files, clock: Clock | None = None, **config: object) -> MemoryCache:
    """A cache that has not loaded all of its files yet."""
    named = {name.replace("_", "-"): value for name, value in config.items()}
    return MemoryCache({"dir": "/memory", "appendonly": "yes", **named}, clock, MemoryDisk(files))


def refusal(client: Any, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        client.call(*words)
    return str(caught.value)


# Which files count


@pytest.mark.parametrize(
    ("files", "log_data", "snapshot_data"),
    [
        ({}, {}, {}),
        (snapshot(string(b"s")), {}, {b"s": b"v"}),
        ({**snapshot(string(b"s")), **laid_out(incr=log(("SET", "a", 1)))}, {b"a": b"1"}, {b"s": b"v"}),
        (laid_out(rdb_base=make.rdb(string(b"b")), incr=b""), {b"b": b"v"}, {}),
        (laid_out(rdb_base=b"", incr=log(("SET", "a", 1))), {b"a": b"1"}, {}),
        (laid_out(base=log(("SET", "b", 1)), incr=log(("SET", "a", 1))), {b"a": b"1", b"b": b"1"}, {}),
        ({"appendonly.aof": log(("SET", "a", 1))}, {b"a": b"1"}, {}),
        ({"appendonly.aof": make.rdb(string(b"b")) + log(("SET", "a", 1))}, {b"a": b"1", b"b": b"v"}, {}),
        ({"appendonly.aof": b"", **snapshot(string(b"s"))}, {}, {b"s": b"v"}),
        ({"appendonly.aof": log(("SET", "old", 1)), **laid_out(incr=log(("SET", "a", 1)))}, {b"a": b"1"}, {}),
    ],
)
def test_the_log_counts_or_the_snapshot(files: Files, log_data: Any, snapshot_data: Any) -> None:
    for appendonly, data in (("yes", log_data), ("no", snapshot_data)):
        outcome = start(dict(files), appendonly=appendonly)
        assert {key: value for (_, key), (value, _) in outcome.data.items()} == data
        assert outcome[1:] == (None, [], [])


def test_files_that_no_manifest_names_are_not_loaded_and_not_written_over() -> None:
    lost = {INCR: log(("SET", "a", 1)), "appendonlydir/appendonly.aof.1.base.rdb": b"lost"}
    files = dict(lost)
    outcome = start(files)
    assert outcome.data == {}
    assert [line for line in outcome.warnings if "no manifest" in line]
    assert {name: files[name] for name in lost} == lost
    assert files[MANIFEST].count(b" seq 2 ") == 2


def test_an_old_log_becomes_a_base() -> None:
    files = {"appendonly.aof": log(("SET", "a", 1))}
    with started(files) as cache:
        cache.call("SET", "b", 2)
        cache.clock.advance(2)
    assert files["appendonlydir/appendonly.aof"] == log(("SET", "a", 1))
    assert files[MANIFEST].startswith(b"file appendonly.aof seq 1 type b\n")
    assert start(files).data == {(0, b"a"): (b"1", None), (0, b"b"): (b"2", None)}


def test_each_file_of_a_log_begins_in_the_first_database() -> None:
    outcome = start(laid_out(incr=log(("SELECT", 5), ("SET", "a", 1)), more=log(("SET", "b", 1))))
    assert set(outcome.data) == {(5, b"a"), (0, b"b")}


@pytest.mark.parametrize("name", [RDB_BASE, INCR])
def test_a_file_that_the_manifest_names_and_that_is_not_there_is_refused(name: str) -> None:
    files = laid_out(rdb_base=make.rdb(), incr=log(("SET", "a", 1)))
    del files[name]
    before = dict(files)
    outcome = start(files)
    assert outcome.refused == f"/memory/{name}: the manifest names it, and it is not there"
    assert outcome.data == {}
    assert files == before


@pytest.mark.parametrize("manifest", [b"", b"xyz\n", b"file a seq 1 type b"])
def test_a_manifest_that_says_nothing_clear_is_refused(manifest: bytes) -> None:
    files = {**laid_out(incr=b""), MANIFEST: manifest}
    outcome = start(files)
    assert outcome.refused is not None
    assert outcome.refused.startswith(f"/memory/{MANIFEST}: ")
    assert outcome.refused.endswith("(at byte 0)")


# What is in them


def test_keys_of_a_snapshot_that_have_expired_are_left_out() -> None:
    files = snapshot(make.expires_ms(NOW), string(b"gone"), make.expires_ms(NOW + 1), string(b"stays"), string(b"k"))
    with started(files, appendonly="no") as cache:
        assert set(contents(cache)) == {(0, b"stays"), (0, b"k")}
        text: Any = cache.call("INFO", "persistence")
        assert b"rdb_last_load_keys_expired:1\r\n" in text
        assert b"rdb_last_load_keys_loaded:2\r\n" in text
        cache.clock.advance(0.001)
        assert set(contents(cache)) == {(0, b"k")}


def test_keys_of_a_log_that_have_expired_are_there_until_all_is_loaded() -> None:
    base = make.rdb(make.expires_ms(NOW - 1000), string(b"gone"), make.expires_ms(NOW - 1000), string(b"kept"))
    files = laid_out(rdb_base=base, incr=log(("PERSIST", "kept"), ("SETNX", "gone", "new"), ("EXPIRE", "kept", 9)))
    with started(files) as cache:
        assert cache.call("EXISTS", "gone", "kept") == 1
        cache.clock.advance(0.01)
        assert set(contents(cache)) == {(0, b"kept")}
        assert cache.call("INFO", "persistence").count(b"rdb_last_load_keys_expired:0\r\n") == 1  # type: ignore[union-attr]
        cache.clock.advance(2)
    assert log(("DEL", "gone")) in files[INCR]


def test_a_clock_that_was_set_back_loses_nothing() -> None:
    files = laid_out(incr=b"")
    with started(files, Clock(START + 1000)) as cache:
        cache.call("SET", "k", "v", "EX", 100)
        cache.call("SET", "j", "v")
        cache.clock.advance(2)
    for date in (0, START - 10**6, START):
        with started(dict(files), Clock(date)) as cache:
            assert contents(cache) == {(0, b"k"): (b"v", NOW + 1_100_000), (0, b"j"): (b"v", None)}


def test_databases_that_there_are_not_are_refused_in_snapshots() -> None:
    data = make.rdb(make.select(3), string(b"k"))
    assert start({"dump.rdb": data}, appendonly="no", databases=4).refused is None
    for files, config in (({"dump.rdb": data}, {"appendonly": "no"}), (laid_out(rdb_base=data, incr=b""), {})):
        outcome = start(files, databases=3, **config)
        assert "database 3, and there are only 3 (setting databases)" in str(outcome.refused)
        assert outcome.data == {}


def test_the_use_of_keys_is_loaded_if_the_policy_asks_for_it() -> None:
    data = make.rdb(make.idle(70), string(b"k"), make.frequency(9), string(b"j"))
    for policy, marks in (("noeviction", 0), ("allkeys-lru", 1), ("allkeys-lfu", 1)):
        with started({"dump.rdb": data}, appendonly="no", maxmemory_policy=policy) as cache:
            database = cache.service.dispatcher.server.databases[0]
            assert sum(database.mark(key) is not None for key in (b"k", b"j")) == marks
            assert cache.call("MGET", "k", "j") == [b"v", b"v"]


def test_memory_is_counted_of_what_is_loaded() -> None:
    fields = [word for place in range(600) for word in (f"f{place}", place)]
    requests = [
        ("SET", "k", "v" * 100),
        ("SET", "t", "v", "PXAT", FAR),
        ("HSET", "h", *fields),
        ("HSET", "i", "f", "v"),
    ]
    files = laid_out(incr=log(*requests))
    with started(files) as cache:
        memory = cache.service.dispatcher.server.databases[0].memory
        cache.connect().call("BGREWRITEAOF")
        for _ in range(20):
            cache.clock.advance(0)
    with started(files) as cache:
        database = cache.service.dispatcher.server.databases[0]
        assert database.memory == memory
        for key in ("k", "t", "h", "i"):
            cache.call("DEL", key)
        assert database.memory == 0


# Requests that are wrong


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (("FLY", "away"), "unknown command 'FLY'"),
        (("SET", "k"), "wrong number of arguments for 'set' command"),
        (("GET", "k", "x"), "wrong number of arguments for 'get' command"),
        (("CONFIG", "SET", "maxmemory", 1), "no command that belongs into a log"),
        (("SHUTDOWN",), "no command that belongs into a log"),
        (("CONFIG",), ""),
    ],
)
def test_a_request_that_cannot_be_in_a_log_is_refused(request_: Any, why: str) -> None:
    before = log(("SET", "a", 1))
    files = laid_out(incr=before + log(request_))
    outcome = start(files)
    assert outcome.refused is not None
    assert why in outcome.refused
    assert outcome.refused.startswith(f"/memory/{INCR}: ")
    assert outcome.refused.endswith(f"(at byte {len(before)})")
    assert outcome.data == {}


def test_requests_that_fail_are_told_in_one_line_and_passed_over() -> None:
    before = log(("SET", "a", "x"))
    bad = [("INCR", "a"), ("HSET", "a", "f", "v"), ("SELECT", 99), ("MULTI",), ("INCR", "a"), ("EXEC",)]
    outcome = start(laid_out(incr=before + log(*bad, ("SET", "b", 1))))
    assert set(outcome.data) == {(0, b"a"), (0, b"b")}
    assert outcome.refused is None
    [line] = outcome.warnings
    assert line.startswith(
        f"/memory/{INCR}: 4 requests could not be carried out and are passed over, the first at byte {len(before)}: "
    )
    assert line.endswith(
        "'incr': ERR value is not an integer or out of range. The log keeps them until BGREWRITEAOF is asked for"
    )


MODULE_VALUE = make.dump_payload(7, b"\x81\x85\xe9e\xb2\xd5\xe0\x04\x00\x02\x05\x00")
"""Three facts of a module's value, as Redis writes them: its type, a number, and the end."""


@pytest.mark.parametrize("transaction", [False, True])
def test_a_value_that_is_whole_and_cannot_be_kept_stops_the_start(transaction: bool) -> None:
    before = log(("SET", "a", 1), *[("MULTI",)] * transaction)
    bad = log(("RESTORE", "k", 0, MODULE_VALUE), *[("EXEC",)] * transaction)
    files = laid_out(incr=before + bad + log(("SET", "b", 2)))
    outcome = start(files)
    assert outcome.refused == (
        f"/memory/{INCR}: 'restore' cannot be carried out: there is a value of a module, which this version of "
        f"owncache does not keep (at byte {len(before)})"
    )
    assert outcome.data == {}


def test_a_restore_of_garbage_is_passed_over_as_by_redis() -> None:
    bad = [("RESTORE", "k", 0, "garbage"), ("RESTORE", "k", 0, make.dump_payload(0x63, b"\x01a"))]
    outcome = start(laid_out(incr=log(("SET", "a", 1), *bad, ("SET", "b", 2))))
    assert outcome.refused is None
    assert set(outcome.data) == {(0, b"a"), (0, b"b")}
    assert "2 requests could not be carried out" in outcome.warnings[0]


def test_requests_that_read_and_an_end_without_a_beginning_do_no_harm() -> None:
    outcome = start(laid_out(incr=log(("GET", "a"), ("PING",), ("EXEC",), ("set", "a", 1))))
    assert outcome == ({(0, b"a"): (b"1", None)}, None, [], [])


# Slices


def many_keys(count: int = 20_000) -> Files:
    return laid_out(incr=log(*(("SET", f"k{place}", "v") for place in range(count))))


def test_others_have_their_turn_while_data_are_loaded() -> None:
    cache = begun(many_keys())
    client = cache.connect()
    turns = 0
    while cache.service.dispatcher.admission.is_loading:
        turns += 1
        for request in (("GET", "k1"), ("SET", "k1", "v"), ("PING",), ("DBSIZE",), ("SAVE",), ("BGREWRITEAOF",)):
            assert refusal(client, *request) == "LOADING Redis is loading the dataset in memory"
        assert refusal(cache, "GET", "k1") == "LOADING Redis is loading the dataset in memory"
        assert client.call("CONFIG", "GET", "timeout") == [b"timeout", b"0"]
        assert client.call("CLIENT", "SETNAME", "me") == b"OK"
        assert client.call("LASTSAVE") == START
        info: Any = client.call("INFO", "persistence")
        assert b"loading:1\r\n" in info
        assert b"loading_total_bytes:" in info
        assert refusal(client, "CONFIG", "SET", "appendonly", "no").endswith(
            "Unable to turn on AOF. Check server logs."
        )
        turn(cache.clock)
    assert turns > 10
    assert client.call("DBSIZE") == 20_000
    assert b"loading:0\r\n" in client.call("INFO", "persistence")  # type: ignore[operator]
    cache.stop()


def test_a_snapshot_is_loaded_in_slices_too() -> None:
    table = {b"f%d" % place: b"v" for place in range(5000)}
    keys = [string(b"k%d" % place) for place in range(5000)]
    data = make.rdb(*keys, make.key(b"h", make.HASH, make.hash_table(table)))
    cache = begun({"dump.rdb": data}, appendonly="no")
    turns = 0
    while cache.service.dispatcher.admission.is_loading:
        turns += 1
        turn(cache.clock)
    assert turns > 8
    assert cache.call("DBSIZE") == 5001
    cache.stop()


def test_files_are_read_chunk_by_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    base = make.rdb(*(string(b"k%d" % place, b"v" * place) for place in range(60)))
    requests = log(*(("SET", f"j{place}", "v\r\n" * place) for place in range(60)))
    few = log(*(("SET", f"j{place}", "v\r\n" * place) for place in range(9)))
    for size in (9, 10, 100, 1000):
        monkeypatch.setattr(loading, "CHUNK", size)
        monkeypatch.setattr(loading, "PIECE", max(1, size // 3))
        assert len(start(laid_out(rdb_base=base + few, incr=few)).data) > 60
        assert len(start({"dump.rdb": base}, appendonly="no").data) == 60
        torn = laid_out(incr=requests + b"*3\r\n$3\r\nSE" + bytes(50))
        assert len(start(torn).data) == 60
        assert torn[INCR] == requests


def test_damage_with_much_behind_it_is_not_taken_for_a_torn_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "CHUNK", 100)
    monkeypatch.setattr(loading, "PIECE", 50)
    monkeypatch.setattr(loading, "LONGEST_TORN", 1000)
    assert start(laid_out(incr=log(("SET", "a", 1)) + b"*" + bytes(800))).refused is None
    outcome = start(laid_out(incr=log(("SET", "a", 1)) + b"*" + bytes(1200)))
    assert "(at byte 27)" in str(outcome.refused)


def test_how_far_it_has_come_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "CHUNK", 10_000)
    files = many_keys(2000)
    with listening() as said:
        cache = begun(files)
        while cache.service.dispatcher.admission.is_loading:
            turn(cache.clock)
            cache.clock.rightNow += REPORT_INTERVAL / 2
        lines = [line for line in said.at(LogLevel.info) if line.startswith("loading: ")]
        total = len(files[INCR])
        assert len(lines) > 2
        assert all(line.endswith(f" % of {total} bytes") for line in lines)
        assert [
            line for line in said.at(LogLevel.info) if line.startswith("loaded the append-only file: 2000 keys in ")
        ]
    cache.stop()


def test_a_clock_that_goes_back_while_data_are_loaded_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "CHUNK", 10_000)
    cache = begun(many_keys(2000))
    client = cache.connect()
    while cache.service.dispatcher.admission.is_loading:
        cache.clock.rightNow -= 1000
        for call in cache.clock.getDelayedCalls():
            call.time -= 1000  # a reactor's own time does not go back
        assert b"loading_eta_seconds:" in client.call("INFO", "persistence")  # type: ignore[operator]
        turn(cache.clock)
    assert cache.call("DBSIZE") == 2000
    cache.stop()


@pytest.mark.parametrize("turns", [0, 1, 5])
@pytest.mark.parametrize("appendonly", ["yes", "no"])
def test_a_cache_that_is_stopped_while_it_loads_leaves_its_files_alone(turns: int, appendonly: str) -> None:
    files = {**many_keys(), **snapshot(*(string(b"k%d" % place) for place in range(9000)))}
    before = dict(files)
    with listening() as said:
        cache = begun(files, appendonly=appendonly)
        for _ in range(turns):
            turn(cache.clock)
        assert cache.service.dispatcher.admission.is_loading
        cache.stop()
    assert said.warnings == said.tracebacks == []
    assert files == before
    assert cache.clock.getDelayedCalls() == []
    assert contents(cache) == {}


# Disks that fail


class FailingFolder(MemoryFolder):
    """A folder one of whose files cannot be read."""

    def open(self, name: str) -> File:
        raise OSError(5, "Input/output error")

    def inner(self, name: str) -> Folder:
        return FailingFolder(self._files, f"{name}/")


class FailingDisk(MemoryDisk):
    def folder(self, path: str) -> Folder:
        return FailingFolder(self.files)


@pytest.mark.parametrize(
    ("files", "appendonly", "name"),
    [
        (snapshot(), "no", "dump.rdb"),
        ({"appendonly.aof": b""}, "yes", "appendonly.aof"),
        (laid_out(incr=b""), "yes", MANIFEST),
    ],
)
def test_a_file_that_cannot_be_read_is_named(files: Files, appendonly: str, name: str) -> None:
    cache = MemoryCache({"dir": "/memory", "appendonly": appendonly}, Clock(), FailingDisk(files))
    refused: list[str] = []
    cache.service.when_loaded().addErrback(lambda failure: refused.append(str(failure.value)))
    run_out(cache.clock, cache)
    assert len(refused) == 1
    assert refused[0].startswith(f"/memory/{name}: Input/output error")
    cache.stop()


def test_a_base_of_commands_is_read_whatever_it_is_called() -> None:
    assert set(start(laid_out(rdb_base=log(("SET", "a", 1)), incr=b"")).data) == {(0, b"a")}
    assert set(start(laid_out(base=make.rdb(string(b"k")), incr=b"")).data) == {(0, b"k")}
    assert start({**laid_out(base=b"", incr=b"")}).refused is None
    assert BASE.endswith(".aof")


@pytest.mark.parametrize(("announced", "most"), [(0, 1), (300, 1), (800, 4), (1 << 62, 4)])
def test_a_table_is_made_for_the_keys_that_a_snapshot_may_hold(announced: int, most: int) -> None:
    keys = [string(b"k%d" % number, b"v" * 7) for number in range(300)]
    files = snapshot(make.select(0), make.resize(announced, 0), *keys)
    with started(files, appendonly="no") as cache:
        table = cache.service.dispatcher.server.databases[0].table
        assert len(table) == 300
        assert len(table.shards) == most
        assert cache.call("GET", "k299") == b"v" * 7


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
def test_a_key_that_is_there_twice_among_many_is_refused(policy: str) -> None:
    files = snapshot(*[string(b"k%d" % (number % 60)) for number in range(100)])
    outcome = start(files, appendonly="no", maxmemory_policy=policy, maxmemory="1gb")
    assert "a key is there twice" in str(outcome.refused)


def test_requests_of_one_command_are_replayed_together_and_one_by_one_alike() -> None:
    sets = [("SET", f"k{number}", number) for number in range(50)]
    requests = [*sets, *[("SET", f"k{number}", "v", "PXAT", FAR) for number in range(10)], ("MULTI",), *sets, ("EXEC",)]
    requests += [("INCR", "n")] * 9 + [("SET", "k1", "v", "EX", "nonsense")] * 5 + sets[:2]
    with started(laid_out(incr=log(*requests)), appendonly="yes") as cache:
        assert cache.call("DBSIZE") == 51
        assert cache.call("GET", "n") == b"9"
        assert cache.call("GET", "k49") == b"49"
        assert cache.call("TTL", "k5") == -1


def test_a_run_of_a_log_ends_before_a_request_that_fails() -> None:
    sets = [("SET", f"k{number}", "v", "PXAT", FAR) for number in range(20)]
    wrong = [("SET", f"k{number}", "v", "PXAT", "nonsense") for number in range(2)]
    files = laid_out(incr=log(*sets, *wrong, *sets[:3]))
    with listening() as said, started(files, appendonly="yes") as cache:
        assert cache.call("DBSIZE") == 20
        assert cache.call("PEXPIRETIME", "k2") == FAR
    assert any(f"the first at byte {len(log(*sets))}" in each for each in said.at(LogLevel.critical))


def test_runs_are_written_to_the_log_and_replayed() -> None:
    disk = MemoryDisk({})
    cache = MemoryCache({"dir": "/memory", "appendonly": "yes"}, Clock(), disk)
    run_out(cache.clock, cache)
    client = cache.connect()
    client.call("SET", "k", "v")
    sets = log(*[("SET", f"k{number}", number) for number in range(50)])
    for data in (sets, log(("SELECT", 1)), sets):
        client.send(data)
    cache.clock.advance(2)
    assert disk.files[INCR].count(sets) == 2
    with started(dict(disk.files), appendonly="yes") as again:
        assert again.call("INFO", "keyspace").count(b"keys=5") == 2  # type: ignore[union-attr]
