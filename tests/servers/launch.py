"""How the tests start the program; the options `--transport` and `--reactor` of pytest say which way."""

from __future__ import annotations

import os
import shutil
import sys

TWISTD = shutil.which("twistd", path=os.path.dirname(sys.executable)) or shutil.which("twistd") or "twistd"
LAUNCHERS = {"twistd": [sys.executable, TWISTD, "-n"], "python -m twisted": [sys.executable, "-m", "twisted"]}

_transport: list[str] = []
_reactor: list[str] = []


def choose(transport: str, reactor: str | None) -> None:
    """Have all programs that are started from now on use a transport, and a reactor by its name for twistd."""
    _transport[:] = [] if transport == "fast" else ["--transport", transport]
    _reactor[:] = [] if reactor is None else [f"--reactor={reactor}"]


def launch(*options: str, launcher: str = "twistd") -> list[str]:
    """Give the command that starts the program in the foreground, with options of its own."""
    log = [] if launcher == "twistd" else ["--log-format=text"]
    return [*LAUNCHERS[launcher], *_reactor, *log, "owncache", *_transport, *options]


def launch_daemon(*twistd: str, options: tuple[str, ...] = ()) -> list[str]:
    """Give the command that starts the program as a daemon, with options of twistd's and of its own."""
    return [sys.executable, TWISTD, *_reactor, *twistd, "owncache", *_transport, *options]


def benchmark_options() -> list[str]:
    """Give the options for a benchmark whose servers use the transport that was chosen."""
    return ["--option=" + " ".join(_transport)] if _transport else []
