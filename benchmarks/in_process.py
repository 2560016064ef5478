"""Times calls in the same process, through the public API and one layer below it.

python benchmarks/in_process.py
"""

from __future__ import annotations

import platform
import statistics
import timeit

from twisted_kv import CacheService
from twisted_kv.table import Lasting

CALLS = 100_000
ROUNDS = 5


def main() -> None:
    cache = CacheService(port=None)
    cache.call("SET", "key", b"x" * 64)
    cache.call("HSET", "hash", "field", "value")
    session = cache.dispatcher.begin(Lasting.CONNECTION)
    calls = {
        'cache.call("GET", key)': lambda: cache.call("GET", "key"),
        'cache.call(b"GET", key)': lambda: cache.call(b"GET", b"key"),
        'cache.call(b"SET", key, value)': lambda: cache.call(b"SET", b"key", b"value"),
        'cache.call(b"SET", key, value, b"PX", 10000)': lambda: cache.call(b"SET", b"other", b"value", b"PX", b"10000"),
        'cache.call(b"HGET", key, field)': lambda: cache.call(b"HGET", b"hash", b"field"),
        'cache.call(b"INCR", key)': lambda: cache.call(b"INCR", b"counter"),
        "dispatcher.request(session, [GET, key])": lambda: cache.dispatcher.request(session, [b"GET", b"key"]),
    }
    print(f"{platform.python_implementation()} {platform.python_version()}, medians of {ROUNDS} x {CALLS} calls")
    print("| call | us |")
    print("| --- | --- |")
    for name, call in calls.items():
        timeit.timeit(call, number=CALLS // 10)
        times = timeit.repeat(call, number=CALLS, repeat=ROUNDS)
        print(f"| `{name}` | {statistics.median(times) / CALLS * 1e6:.2f} |")


if __name__ == "__main__":
    main()
