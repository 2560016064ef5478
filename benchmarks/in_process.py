"""Measures calls in the same process, in microseconds a call: through the public API, and one layer below it.

    python benchmarks/in_process.py
    python benchmarks/in_process.py --python pypy3

The cache has no clients; each call is timed in the interpreter that was asked for.
"""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
import sys
import timeit

from harness import Arguments, Report

LONGEST = 600.0
"""Seconds after which the run is given up."""


def measure(calls: int, rounds: int, *words: str) -> dict[str, float]:
    """Time each call in this process, in a cache with these options of twistd's."""
    from twisted_kv import CacheService
    from twisted_kv.declaring.commands import Lasting
    from twisted_kv.tap import Options

    options = Options()
    options.parseOptions(["--port", "0", *words])
    cache = CacheService(config=options.settings)
    cache.call("SET", "key", b"v" * 64)
    cache.call("HSET", "hash", "field", "value")
    session = cache.dispatcher.begin(Lasting.SESSION)
    value = b"v" * 64
    timed = {
        'cache.call("GET", key)': lambda: cache.call("GET", "key"),
        'cache.call(b"GET", key)': lambda: cache.call(b"GET", b"key"),
        'cache.call(b"SET", key, value)': lambda: cache.call(b"SET", b"key", value),
        'cache.call(b"SET", key, value, b"PX", 10000)': lambda: cache.call(b"SET", b"other", value, b"PX", b"10000"),
        'cache.call(b"HGET", key, field)': lambda: cache.call(b"HGET", b"hash", b"field"),
        'cache.call(b"INCR", key)': lambda: cache.call(b"INCR", b"counter"),
        "dispatcher.request(session, [GET, key])": lambda: cache.dispatcher.request(session, [b"GET", b"key"]),
    }
    medians = {}
    for name, call in timed.items():
        timeit.timeit(call, number=max(1, calls // 5))  # caches warm up, and PyPy compiles
        medians[name] = statistics.median(timeit.repeat(call, number=calls, repeat=rounds)) / calls * 1e6
    return medians


def main() -> None:
    if sys.argv[1:2] == ["measure"]:  # in the interpreter that was asked for
        calls, rounds, *words = sys.argv[2:]
        print(json.dumps(measure(int(calls), int(rounds), *words)))
        return
    arguments = Arguments(__doc__)
    arguments.size("--calls", 100_000, 2_000, "calls in each round")
    options = arguments.read()
    report = Report("in_process", options)
    command = [options.python, __file__, "measure", str(options.calls), str(options.rounds)]
    child = subprocess.run([*command, *shlex.split(options.option)], stdout=subprocess.PIPE, text=True, timeout=LONGEST)
    if child.returncode:
        sys.exit("the calls could not be timed")
    report.table("Calls", "call", "us")
    for call, microseconds in json.loads(child.stdout).items():
        report.row(f"`{call}`", microseconds)
    report.save()


if __name__ == "__main__":
    main()
