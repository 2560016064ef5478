"""Runs twistd in a process whose wall clock is set back by an hour when a file is there, as somebody sets a machine's.

    python -m tests.servers.wound_clock FILE -n owncache --port 0

Only what reads the wall clock through `time.time` sees it, and that is all that Twisted and the program do.
"""

from __future__ import annotations

import os
import sys
import time

_real = time.time
_file = sys.argv.pop(1)


def _wound() -> float:
    return _real() - 3600 * os.path.exists(_file)


if __name__ == "__main__":
    time.time = _wound  # before Twisted takes it
    from twisted.scripts.twistd import run

    sys.argv[0] = "twistd"
    run()
