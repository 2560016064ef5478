"""The benchmarks as people run them, in a run of a few seconds; no figure is judged here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.servers.launch import benchmark_options

pytestmark = pytest.mark.processes

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
PATIENCE = 60.0
"""Seconds after which a benchmark that should take a few has failed."""

ALONE = ["in_process"]
BESIDE_PEERS = ["servers", "connections", "memory", "growth", "latency", "durability", "data_types", "host", "hostile"]
BESIDE_PEERS += ["messages", "scripts"]
PEERS = ["redis-server", "redis-benchmark"]


def run(name: str, *options: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ if path is None else {**os.environ, "PATH": path},
    )


def assert_measures(name: str, results: Path, *options: str) -> None:
    """Hold that a benchmark prints and writes the same tables, that nothing of it is left, and that it can be drawn."""
    ended = run(name, "--quick", "--results", str(results), *benchmark_options(), *options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    printed = [line for line in ended.stdout.splitlines() if line.startswith("| ")]
    tables = json.loads((results / f"{name}.json").read_text())["tables"]
    assert tables
    for title, rows in tables.items():
        assert title in ended.stdout
        assert rows
        assert f"| {' | '.join(rows[0])} |" in printed
    assert len(printed) == sum(2 + len(rows) for rows in tables.values())
    if find_spec("matplotlib") is not None:
        drawn = run("plots", "--results", str(results), "--plots", str(results))
        assert drawn.returncode == 0, drawn.stdout + drawn.stderr
        assert "<svg" in (results / f"{name}.svg").read_text()


@pytest.mark.parametrize("name", ALONE)
def test_a_benchmark_measures(name: str, tmp_path: Path) -> None:
    assert_measures(name, tmp_path)


def need_peers() -> None:
    for program in PEERS:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@pytest.mark.peer
@pytest.mark.parametrize("name", BESIDE_PEERS)
@pytest.mark.every(9)
def test_a_benchmark_measures_beside_its_peers(name: str, tmp_path: Path) -> None:
    need_peers()
    assert_measures(name, tmp_path)


@pytest.mark.peer
@pytest.mark.thorough
def test_durability_is_measured_of_any_servers(tmp_path: Path) -> None:
    need_peers()
    command = "redis-server --port {port} --bind 127.0.0.1 --save ''"
    assert_measures("durability", tmp_path, f"--server=one={command}", f"--server=other={command}", "--own-file=rdb")
    for rows in json.loads((tmp_path / "durability.json").read_text())["tables"].values():
        assert {row["server"] for row in rows} == {"redis", "one", "other"}


def test_a_server_of_another_form_is_told_in_a_line() -> None:
    ended = run("durability", "--quick", "--server", "no command")
    assert ended.returncode == 1
    assert ended.stderr.startswith("--server takes NAME=COMMAND")


@pytest.mark.parametrize("name", BESIDE_PEERS)
def test_without_its_peer_a_benchmark_says_so(name: str, tmp_path: Path) -> None:
    ended = run(name, "--quick", path=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.endswith("is not installed, and this benchmark needs it\n")
    assert "Traceback" not in ended.stderr


def test_an_interpreter_without_owncache_is_told_in_a_line(tmp_path: Path) -> None:
    ended = run("in_process", "--quick", "--python", str(tmp_path / "nothing"))
    assert ended.returncode == 1
    assert ended.stderr.startswith("cannot run ")


def test_options_of_twistd_reach_the_cache() -> None:
    ended = run("in_process", "--quick", "--option=--no-such")
    assert ended.returncode == 1
    assert "option --no-such not recognized" in ended.stderr


def test_each_benchmark_is_tested_and_explained() -> None:
    shared = {"harness", "loads", "plots"}
    names = {path.stem for path in FOLDER.glob("*.py")} - shared
    assert names == {*ALONE, *BESIDE_PEERS}
    explained = (FOLDER / "README.md").read_text()
    for name in names | {"plots"}:
        assert f"python benchmarks/{name}.py" in explained
        assert f"    python benchmarks/{name}.py\n" in (FOLDER / f"{name}.py").read_text()
