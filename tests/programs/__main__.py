"""Runs real programs against owncache, and compares `docs/programs.md` with what came of it.

    python -m tests.programs               fails if a program does not do what the document says
    python -m tests.programs --write       writes the document
    python -m tests.programs --only arq    some of them; the document is left alone
    python -m tests.programs --peer        the same against a redis-server; the document is left alone

It runs where the programs are installed (`tests/programs/requirements.txt`); the server is another Python's:
`--server .venv/bin/python`.  `.ci/programs` does all that.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, List, NamedTuple

from tests.programs.cases import CASES
from tests.programs.declaring import Case, at_home

PATIENCE = 60.0
"""Seconds that a case may take, and that a server may take to start or to stop."""

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "programs.md"

HEAD = """\
# Programs that were tried

Each of these was run against owncache as its documents say; the check that every change has to pass runs them again
(`.ci/programs`) and fails if one does not do what this table says. Not in the table: netcat, redis-cli,
redis-benchmark, and all commands of redis-py and txredisapi, which other tests use.

| program | what was tried | |
| --- | --- | --- |
"""


class Outcome(NamedTuple):
    """What came of one case: why it failed, or nothing, and how long it took."""

    name: str
    why: str
    seconds: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_command(options: argparse.Namespace, port: int) -> List[str]:
    if options.peer:
        return ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
    return [options.server, "-m", "twisted", "owncache", "--port", str(port)]


def attempt(options: argparse.Namespace, name: str) -> Outcome:
    """Run one case against a server of its own."""
    port = free_port()
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        server = subprocess.Popen(server_command(options, port), stdout=log, stderr=log)
        try:
            wait_for(port)
            began = time.monotonic()
            why = run(name, port)
        finally:
            server.terminate()
            server.wait(PATIENCE)
        return Outcome(name, why or complaint(log), time.monotonic() - began)


def run(name: str, port: int) -> str:
    """Run one case in a process of its own; returns what it wrote if it failed, or nothing."""
    with tempfile.TemporaryFile("w+", errors="replace") as output, tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.programs", "--run", name, "--port", str(port)],
            cwd=ROOT,
            env={**at_home(), "TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        why = ""
        try:
            if process.wait(PATIENCE):
                why = f"it ended with {process.returncode}"
        except subprocess.TimeoutExpired:
            why = f"nothing came of it within {PATIENCE:g} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it started
            process.wait()
        output.seek(0)
        return why and f"{output.read()}{why}"


def complaint(log: IO[str]) -> str:
    """Return a server's log if there is an error in it that no client was told of."""
    log.seek(0)
    text = log.read()
    return text if "Traceback" in text else ""


def wait_for(port: int) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def is_as_told(missing: str, why: str) -> bool:
    """Whether a case did what it says: work, or fail because the command that it names is unknown."""
    if not missing:
        return not why
    return bool(why) and f"unknown command '{missing}'" in why.replace('"', "'").replace("`", "'")


def line(case: Case) -> str:
    state = f"needs {case.missing}, which is not there yet" if case.missing else "works"
    return f"| {case.package} {case.version or version(case.package)} | {case.tried} | {state} |\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Run real programs against owncache.")
    parser.add_argument("--server", default=sys.executable, help="the Python that has owncache")
    parser.add_argument("--peer", action="store_true", help="run them against a redis-server instead")
    parser.add_argument("--write", action="store_true", help="write docs/programs.md")
    parser.add_argument("--only", default="", help="cases with this in their names")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many cases run at once")
    parser.add_argument("--run", default="", help=argparse.SUPPRESS)  # one case, in this process
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        CASES[options.run].run(options.port)
        return 0
    names = [name for name in CASES if options.only in name]
    failed = False
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, why, seconds in pool.map(partial(attempt, options), names):
            missing = "" if options.peer else CASES[name].missing
            good = is_as_told(missing, why)
            print(f"{'ok' if good else 'NOT AS TOLD':12}{name} ({seconds:.1f} s)", flush=True)
            if not good:
                failed = True
                print(why or f"it worked, though it is said to need {missing}")
    return 1 if not (options.only or options.peer) and not is_documented(options.write) else int(failed)


def is_documented(write: bool) -> bool:
    """Write the document, or compare it with the cases."""
    text = HEAD + "".join(map(line, CASES.values()))
    if write:
        DOCUMENT.write_text(text)
    elif DOCUMENT.read_text() != text:
        print(f"{DOCUMENT} is not what these programs do: python -m tests.programs --write")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
