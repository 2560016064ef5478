"""What a server has kept that was killed under load.

`python -m tests.servers.kills` does the same for as long as one likes.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.servers.kills import MODES, trial

pytestmark = pytest.mark.processes

TAMPERED = 20
"""Kills within which the loss of what was written must have been found."""


@pytest.fixture(params=["owncache", pytest.param("redis-server", marks=pytest.mark.peer)])
def subject(request: pytest.FixtureRequest) -> str:
    if request.param == "redis-server" and shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    return str(request.param)


@pytest.fixture
def seed() -> int:
    """Told by the trial when it fails."""
    return random.getrandbits(32)


@pytest.mark.parametrize("mode", ["always", "everysec", "snapshots", "rewrites"])
@pytest.mark.every(3)
def test_what_was_kept_is_a_moment_and_lacks_nothing_that_was_promised(
    subject: str, mode: str, seed: int, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    kills = pytestconfig.getoption("kills") if subject == "owncache" else 1
    tally = trial(subject, MODES[mode], tmp_path, kills, seed)
    assert tally.kills == kills
    assert tally.answered


def cut(folder: Path) -> None:
    """Take the last tenth off the file that is appended to."""
    [path] = (folder / "appendonlydir").glob("appendonly.aof.*.incr.aof")
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size * 9 // 10)


def forget(folder: Path) -> None:
    (folder / "dump.rdb").unlink(missing_ok=True)


def test_an_append_only_file_that_was_cut_is_found(subject: str, seed: int, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"was answered in time, and is lost|as after no prefix"):
        trial(subject, MODES["always"], tmp_path, TAMPERED, seed, ballast=0, tamper=cut)


def test_a_snapshot_that_was_removed_is_found(subject: str, seed: int, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"was answered in time, and is lost|as after no prefix"):
        trial(subject, MODES["snapshots"], tmp_path, TAMPERED, seed, tamper=forget)
