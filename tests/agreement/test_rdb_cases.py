"""The files made by hand are what they are said to be: a real redis-server reads those that it can."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.rdb_cases import CASES, DAMAGED, REFUSALS, VALUES, Case, Refusal, cuts
from tests.rdb_files import NEWEST, Typed

from .programs import Complaint, Program, contents, started, tool

pytestmark = pytest.mark.peer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def write(folder: Path, data: bytes) -> Path:
    """Put a file where a program looks for it."""
    (folder / "dump.rdb").write_bytes(data)
    return folder


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_file_holds_what_is_said(folder: Path, case: Case) -> None:
    with started("redis", write(folder, case.data), "--save", "") as redis:
        if case.version > NEWEST:
            assert redis.status == 1
            assert f"Can't handle RDB format version {case.version}" in redis.log
            return
        assert redis.status is None, redis.log
        now = time.time() * 1000
        expected = {
            (key.db, key.name): (b"hash", sorted(key.value.items()), key.deadline)
            if isinstance(key.value, dict)
            else (b"string", key.value, key.deadline)
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


@pytest.mark.parametrize("refusal", [pytest.param(each, id=each.name) for each in DAMAGED])
def test_redis_refuses_what_is_damaged(folder: Path, refusal: Refusal) -> None:
    with started("redis", write(folder, refusal.data), "--save", "", "--sanitize-dump-payload", "yes") as redis:
        assert redis.status is not None


def test_payloads_hold_what_is_said(folder: Path) -> None:
    with started("redis", folder, "--save", "") as redis:
        for value in VALUES:
            check_payload(redis, value)


def check_payload(redis: Program, value: Typed) -> None:
    """Restore a payload, from the oldest version on."""
    for version in (1, NEWEST):
        redis.tell([("DEL", "k"), ("RESTORE", "k", 0, value.payload(version))])
        if isinstance(value.value, dict):
            pairs = redis.ask("HGETALL", "k")
            assert isinstance(pairs, list)
            assert dict(zip(pairs[::2], pairs[1::2])) == value.value, value.name
        else:
            assert redis.ask("GET", "k") == value.value, value.name
    reply = redis.ask("RESTORE", "k", 0, value.payload(NEWEST + 1), "REPLACE")
    assert reply == Complaint("ERR DUMP payload version or checksum are wrong")


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
