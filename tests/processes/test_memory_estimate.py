"""The running estimate of memory stays within 15 % of what resident memory grows by (CPython; see values/sizes.py)."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

PROGRAM = """
import resource, sys
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.declaring.commands import Lasting

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()

kind, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dispatcher = Dispatcher()
session = dispatcher.begin(Lasting.SESSION)
if kind == "lru":
    dispatcher.request(session, [b"CONFIG", b"SET", b"maxmemory-policy", b"allkeys-lru"])
dispatcher.request(session, [b"SET", b"first", b"value"])
before, counted = resident(), session.db.memory
for number in range(count):
    key, value = b"key:%012d" % number, b"%d" % (number % 10) + b"x" * (size - 1)
    if kind == "fields":
        dispatcher.request(session, [b"HSET", b"hash", key, value])
    elif kind == "hashes":
        words = [word for field in range(5) for word in (b"field%d" % field, b"%d" % number + value)]
        dispatcher.request(session, [b"HSET", key, *words])
    elif kind == "deadlines":
        dispatcher.request(session, [b"SET", key, value, b"PX", b"%d" % (10**9 + number)])
    else:
        dispatcher.request(session, [b"SET", key, value])
print((session.db.memory - counted) / (resident() - before))
"""


@pytest.mark.skipif(
    platform.python_implementation() == "PyPy" or not sys.platform.startswith("linux"),
    reason="elsewhere resident memory tells little",
)
@pytest.mark.parametrize(
    ("kind", "count", "size"),
    [
        ("strings", 200_000, 2),
        ("strings", 200_000, 64),
        ("strings", 100_000, 1000),
        ("deadlines", 200_000, 64),
        ("lru", 200_000, 64),
        ("fields", 200_000, 30),
        ("hashes", 50_000, 20),
    ],
)
@pytest.mark.every(7)
def test_the_estimate_follows_resident_memory(kind: str, count: int, size: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, str(count), str(size)], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert 0.85 < float(ran.stdout) < 1.15
