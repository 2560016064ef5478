"""The files made by hand are what they are said to be: a real redis-server reads those that it can."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from tests.rdb.cases import CASES, DAMAGED, LOADED, LOADED_EVEN_SO, REFUSALS, VALUES, Case, Refusal, cuts
from tests.rdb.files import NEWEST, Typed
from tests.rdb.reading import plain
from tests.storage.failing_disk import MemoryDisk
from tests.storage.failing_disk import started as memory_started
from twisted_kv.rdb.payload import dump, restore

from .programs import Complaint, Program, contents, question, started, tool, type_of, value_told

pytestmark = pytest.mark.peer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A redis-server that looks closely at what it restores."""
    folder = tmp_path_factory.mktemp("shared") / "data"
    folder.mkdir()
    with started("redis", folder, "--save", "", "--sanitize-dump-payload", "yes") as redis:
        assert redis.status is None, redis.log
        yield redis


def write(folder: Path, data: bytes) -> Path:
    """Put a file where a program looks for it."""
    (folder / "dump.rdb").write_bytes(data)
    return folder


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
@pytest.mark.every(5)
def test_a_file_holds_what_is_said(folder: Path, case: Case) -> None:
    with started("redis", write(folder, case.data), "--save", "") as redis:
        if case.version > NEWEST:
            assert redis.status == 1
            assert f"Can't handle RDB format version {case.version}" in redis.log
            return
        assert redis.status is None, redis.log
        now = time.time() * 1000
        expected = {
            (key.db, key.name): (type_of(key.value), key.value, key.deadline)
            for key in case.keys
            if key.deadline is None or key.deadline > now
        }
        assert contents(redis) == expected
        assert redis.info("persistence")["rdb_last_load_keys_expired"] == str(len(case.keys) - len(expected))


@pytest.mark.parametrize("refusal", [pytest.param(each, id=each.name) for each in REFUSALS])
def test_what_we_refuse_is_what_is_said(folder: Path, refusal: Refusal) -> None:
    with started("redis", write(folder, refusal.data), "--save", "") as redis:
        if refusal.question:
            if refusal.version > NEWEST:  # what is new in it is read nevertheless, but for its version
                assert "Can't handle RDB format version" in redis.log
                return
            assert redis.status is None, redis.log
            assert redis.ask(*refusal.question) == refusal.answer
        else:
            assert redis.status is not None, redis.log  # it is 0 where the last checks find the file whole


NO_NUMBER = "a score of nan"
"""Redis loads a packed score that is no number; here no order could be kept with it."""
STRICTER = "a stream's node with a deleted entry that is not announced"
"""Redis's close look passes over it."""


@pytest.mark.parametrize("is_deep", [False, True], ids=["as ever", "sanitized"])
@pytest.mark.parametrize("refusal", [pytest.param(each, id=each.name) for each in DAMAGED if each.version <= NEWEST])
@pytest.mark.every(5)
def test_what_redis_makes_of_a_damaged_file_we_make_of_it(folder: Path, refusal: Refusal, is_deep: bool) -> None:
    is_loaded = (LOADED_EVEN_SO if is_deep else LOADED).match(refusal.name)
    sanitize = "yes" if is_deep else "no"
    with started(
        "redis", write(folder, refusal.data), "--save", "", "--sanitize-dump-payload", sanitize,
        "--enable-debug-command", "yes",
    ) as redis:  # fmt: skip
        if NO_NUMBER in refusal.name or (is_deep and refusal.name == STRICTER):
            assert redis.status is None
            assert not is_loaded
            return
        if redis.status is None and not is_loaded:  # it ends when it looks at what it has loaded
            with pytest.raises(ConnectionError):
                redis.ask("DEBUG", "DIGEST")
            return
        assert (redis.status is None) == bool(is_loaded)
        if is_loaded and "twice" not in refusal.name:  # of which the first is kept here, both there
            ours = MemoryDisk()
            ours.put("dump.rdb", refusal.data)
            cache = memory_started(ours, enable_debug_command="yes", sanitize_dump_payload=sanitize)
            assert cache.call("DEBUG", "DIGEST") == redis.ask("DEBUG", "DIGEST")


def test_payloads_hold_what_is_said(folder: Path) -> None:
    with started("redis", folder, "--save", "") as redis:
        for value in VALUES:
            check_payload(redis, value)


def check_payload(redis: Program, value: Typed) -> None:
    """Restore a payload, from the oldest version on."""
    kind = type_of(value.value)
    for version in (1, NEWEST):
        reply = redis.ask("RESTORE", "k", 0, value.payload(version), "REPLACE")
        if value.version > NEWEST:
            assert reply == Complaint("ERR Bad data format"), value.name
        else:
            assert reply == b"OK", value.name
            assert value_told(kind, redis.ask(*question(kind, b"k"))) == value.value, value.name
    reply = redis.ask("RESTORE", "k", 0, value.payload(NEWEST + 1), "REPLACE")
    assert reply == Complaint("ERR DUMP payload version or checksum are wrong")


@pytest.mark.parametrize("each", VALUES, ids=lambda each: each.name)
@pytest.mark.every(5)
def test_redis_takes_what_we_make_of_a_value(shared: Program, each: Typed) -> None:
    kind = type_of(each.value)
    assert shared.ask("RESTORE", "k", 0, dump(restore(each.payload())), "REPLACE") == b"OK"
    assert value_told(kind, shared.ask(*question(kind, b"k"))) == each.value
    payload = shared.ask("DUMP", "k")
    assert isinstance(payload, bytes)
    assert plain(restore(payload)) == each.value


@pytest.mark.parametrize(
    "name", ["all that Redis says of a file", "a deadline and use", "a listpack of several fields"]
)
def test_a_file_that_is_cut_is_refused(folder: Path, name: str) -> None:
    [data] = [case.data for case in CASES if case.name == name]
    path = folder / "dump.rdb"
    for beginning in cuts(data):
        path.write_bytes(beginning)
        assert (
            subprocess.run([tool("redis-check-rdb"), str(path)], stdout=subprocess.DEVNULL, timeout=30).returncode == 1
        )
    path.write_bytes(data)
    assert subprocess.run([tool("redis-check-rdb"), str(path)], stdout=subprocess.DEVNULL, timeout=30).returncode == 0
