"""Runs real programs against owncache, and holds `docs/programs.md` against what came of it.

    python -m tests.programs               fails if a program does not do what the document says
    python -m tests.programs --write       writes the document
    python -m tests.programs --only arq    some of them, and nothing is compared

It runs where the programs are installed (`tests/programs/requirements.txt`); the server is another Python's:
`--server .venv/bin/python`.  `.ci/programs` does all that.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import subprocess
import sys
import time
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.programs.cases import CASES, Case

PATIENCE = 30.0
DOCUMENT = Path(__file__).parents[2] / "docs" / "programs.md"

HEAD = """\
# Programs that were tried

Each of these was run against owncache as its documents say; the check that every change has to pass runs them again
(`.ci/programs`) and fails if one does not do what this table tells. Not in the table: netcat, redis-cli,
redis-benchmark, and all commands of redis-py and txredisapi, which other tests use.

| program | what was tried | |
| --- | --- | --- |
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def attempt(name: str, port: int, outcome: Any) -> None:
    """Run one case in a process of its own, and tell why it failed."""
    try:
        CASES[name].run(port)
    except BaseException:  # it may be anything, and a thread's may be another's
        outcome.send(traceback.format_exc())
    else:
        outcome.send("")


def run(name: str, port: int) -> str:
    """Run one case; returns why it failed, or nothing."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=attempt, args=(name, port, theirs))
    process.start()
    theirs.close()
    try:
        return str(ours.recv()) if ours.poll(PATIENCE) else f"nothing came of it within {PATIENCE:g} s"
    except EOFError:
        return "the process ended without a word"
    finally:
        process.kill()
        process.join()


def is_as_told(case: Case, why: str) -> bool:
    """Whether a case did what it says: work, or fail for want of the command that it names."""
    if not case.missing:
        return not why
    return bool(why) and f"unknown command '{case.missing}'" in why.replace('"', "'").replace("`", "'")


def line(case: Case) -> str:
    state = f"needs {case.missing}, which is not there yet" if case.missing else "works"
    return f"| {case.package} {case.version or version(case.package)} | {case.tried} | {state} |\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Run real programs against owncache.")
    parser.add_argument("--server", default=sys.executable, help="the Python that has owncache")
    parser.add_argument("--write", action="store_true", help="write docs/programs.md")
    parser.add_argument("--only", default="", help="cases with this in their names")
    options = parser.parse_args()
    names = [name for name in CASES if options.only in name]
    failed = []
    for name in names:
        port = free_port()
        server = subprocess.Popen(
            [options.server, "-m", "twisted", "owncache", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(port)
            began = time.monotonic()
            why = run(name, port)
        finally:
            server.terminate()
            server.wait(PATIENCE)
        case = CASES[name]
        good = is_as_told(case, why)
        print(f"{'ok' if good else 'NOT AS TOLD':12}{name} ({time.monotonic() - began:.1f} s)", flush=True)
        if not good:
            failed.append(name)
            print(why or f"it worked, though it is said to need {case.missing}")
    text = HEAD + "".join(line(CASES[name]) for name in names)
    if options.write:
        DOCUMENT.write_text(text)
    elif not options.only and DOCUMENT.read_text() != text:
        print(f"{DOCUMENT} is not what these programs do: python -m tests.programs --write")
        return 1
    return 1 if failed else 0


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


if __name__ == "__main__":
    sys.exit(main())
