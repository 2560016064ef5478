"""Measures the costliest requests that commands allow at a given data size, and how long others wait meanwhile.

    python benchmarks/hostile.py
    python benchmarks/hostile.py --only SORT
    python benchmarks/hostile.py --python /usr/bin/pypy3

Each case of the table below is sent to owncache and to redis-server, at two sizes. Told are the time until the reply is
there, by how much it grows from the smaller size to the larger, the longest PING of another client meanwhile, and by how
much resident memory has grown. A ratio above the limit is marked: 25 where Redis needs less than 50 ms, 8 (4 for a
compiled build and PyPy) where it needs more. Needs redis-server.

A new case is one line: a name, what is there before, the request, and two sizes.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, NamedTuple, Tuple

from harness import Arguments, Report, Server, need, owncache, ratio, redis

Make = Callable[[int], bytes]

MARK = b"=-=the end=-="
LONGEST = 60.0
"""Seconds after which a request is given up."""
SLOW = 0.05
"""Seconds of Redis's from which on the stricter limit holds."""
NOTICED = 0.005
"""Seconds of ours that are too few to be looked at."""


def R(*words: Any) -> bytes:  # noqa: N802  # it stands in every line of the table
    """Write a request."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def many(name: str, key: str, *shape: str) -> Make:
    """Write the requests that fill a key with n members, each of the words of `shape` with its number in it."""

    def make(n: int) -> bytes:
        words = [part.format(number) for number in range(n) for part in shape]
        step = 2000 * len(shape)
        return b"".join(R(name, key, *words[start : start + step]) for start in range(0, len(words), step))

    return make


def keys(n: int, *shape: str) -> bytes:
    """Write n requests, with the number in each."""
    return b"".join(R(*(part.format(number) for part in shape)) for number in range(n))


def nothing(n: int) -> bytes:
    return b""


def text(n: int) -> bytes:
    return R("SET", "k", "x" * n)


def sparse(n: int) -> bytes:
    return R("SETBIT", "k", n * 8 - 1, 1)


class Case(NamedTuple):
    """One row of the table."""

    name: str
    before: Make
    request: Make
    sizes: Tuple[int, int] = (20_000, 200_000)


LIST = many("RPUSH", "l", "e{}")
SET = many("SADD", "s", "e{}")
NUMBERS = many("RPUSH", "l", "{}")
HASH = many("HSET", "h", "f{}", "v{}")
RANKS = many("ZADD", "z", "{}", "m{}")
PLACES = many("GEOADD", "g", "13.{0:06}", "38.{0:06}", "m{0}")


def entries(n: int) -> bytes:
    return keys(n, "XADD", "x", "{}-1", "f", "v") if n else b""


def group(n: int) -> bytes:
    """A stream whose entries were all given to a consumer."""
    return entries(n) + R("XGROUP", "CREATE", "x", "g", "0") + R("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")


def colliding(n: int) -> bytes:
    """IDs whose numbers have the same remainder by 2**61-1, by which Python finds numbers."""
    prime = 2**61 - 1
    ids = [(number * prime >> 64, number * prime & 2**64 - 1) for number in range(1, n + 1)]
    return R("XGROUP", "CREATE", "x", "g", "0", "MKSTREAM") + b"".join(
        R("XADD", "x", f"{a}-{b}", "f", "v") for a, b in ids
    )


CASES: List[Case] = [
    # Strings and bits
    Case("LCS of x with n bytes", lambda n: R("SET", "a", "x") + R("SET", "b", "y" * n), lambda n: R("LCS", "a", "b"), (100_000, 1_000_000)),
    Case("LCS of n with n bytes", lambda n: R("SET", "a", "ab" * (n // 2)) + R("SET", "b", "ba" * (n // 2)), lambda n: R("LCS", "a", "b"), (500, 5_000)),
    Case("100 BITCOUNT of n bytes", text, lambda n: R("BITCOUNT", "k") * 100, (1 << 20, 16 << 20)),
    Case("BITCOUNT, sparse", sparse, lambda n: R("BITCOUNT", "k"), (1 << 26, 1 << 29)),
    Case("BITPOS 1, sparse", sparse, lambda n: R("BITPOS", "k", 1), (1 << 26, 1 << 29)),
    Case("BITOP AND, sparse", sparse, lambda n: R("BITOP", "AND", "d", "k", "k"), (1 << 26, 1 << 29)),
    Case("BITFIELD of n operations", text, lambda n: R("BITFIELD", "k", *["INCRBY", "u8", "0", "1"] * n), (10_000, 100_000)),
    Case("INCRBYFLOAT of n bytes", lambda n: R("SET", "k", "1" * n), lambda n: R("INCRBYFLOAT", "k", 1), (1 << 20, 16 << 20)),
    Case("GETRANGE of n bytes, 100 times", text, lambda n: R("GETRANGE", "k", 1, -1) * 100, (100_000, 1_000_000)),
    # Counting
    Case("PFADD of n words", nothing, lambda n: R("PFADD", "k", *range(n))),
    Case("PFADD of a word of n bytes", nothing, lambda n: R("PFADD", "k", "x" * n), (100_000, 1_000_000)),
    Case("PFCOUNT of n keys", lambda n: keys(n, "PFADD", "p{}", "a", "b", "c{}"), lambda n: R("PFCOUNT", *[f"p{i}" for i in range(n)]), (100, 1_000)),
    Case("PFMERGE of n keys", lambda n: keys(n, "PFADD", "p{}", "a", "b", "c{}"), lambda n: R("PFMERGE", "d", *[f"p{i}" for i in range(n)]), (100, 1_000)),
    # Keys and patterns
    Case("KEYS with a pattern of n bytes", lambda n: keys(1_000, "SET", "key:{}", "v"), lambda n: R("KEYS", "a" * n), (30_000, 300_000)),
    Case("KEYS with n classes", lambda n: keys(1_000, "SET", "key:{}", "v"), lambda n: R("KEYS", "[ab]" * n), (10_000, 100_000)),
    Case("KEYS *a*a*...b on a key of n", lambda n: R("SET", "a" * n, "v"), lambda n: R("KEYS", "*a" * 50 + "*b"), (1_000, 10_000)),
    Case("CONFIG GET of n bytes", nothing, lambda n: R("CONFIG", "GET", "a*" * (n // 2)), (20_000, 200_000)),
    Case("SCAN MATCH n bytes, COUNT 1000", lambda n: keys(1_000, "SET", "key:{}", "v"), lambda n: R("SCAN", 0, "MATCH", "a?" * (n // 2), "COUNT", 1_000), (30_000, 300_000)),
    Case("EXISTS of n", lambda n: R("SET", "a", 1), lambda n: R("EXISTS", *["a"] * n)),
    Case("MGET of n", lambda n: R("SET", "a", 1), lambda n: R("MGET", *["a"] * n)),
    Case("MSET of n", nothing, lambda n: R("MSET", *range(2 * n))),
    Case("DEL of n", lambda n: keys(n, "SET", "k{}", "v"), lambda n: R("DEL", *[f"k{i}" for i in range(n)])),
    # Transactions
    Case("WATCH of n", nothing, lambda n: R("WATCH", *range(n)), (2_000, 20_000)),  # Redis's own time grows with the square
    Case("EXEC of n SETs", nothing, lambda n: R("MULTI") + R("SET", "a", "b") * n + R("EXEC"), (50_000, 500_000)),
    # Lists
    Case("LTRIM to one", LIST, lambda n: R("LTRIM", "l", 0, 0)),
    Case("LINSERT in the middle of n, 100 times", LIST, lambda n: R("LINSERT", "l", "BEFORE", f"e{n // 2}", "x") * 100, (2_000, 20_000)),
    Case("LPOS of what is not there, 10 times", LIST, lambda n: R("LPOS", "l", "x", "COUNT", 0) * 10),
    Case("LREM of what is not there, 10 times", LIST, lambda n: R("LREM", "l", 0, "x") * 10),
    Case("LRANGE of n", LIST, lambda n: R("LRANGE", "l", 0, -1)),
    Case("DUMP of a list", NUMBERS, lambda n: R("DUMP", "l")),
    Case("SORT of n numbers", NUMBERS, lambda n: R("SORT", "l")),
    Case("SORT BY nosort LIMIT 0 10", LIST, lambda n: R("SORT", "l", "BY", "nosort", "LIMIT", 0, 10)),
    Case("SORT BY w_* GET #", NUMBERS, lambda n: R("SORT", "l", "BY", "w_*", "GET", "#")),
    Case("SORT STORE", NUMBERS, lambda n: R("SORT", "l", "STORE", "d")),
    # Sets, hashes
    Case("SINTERCARD of one set n times", lambda n: SET(100), lambda n: R("SINTERCARD", n, *["s"] * n)),
    Case("SUNIONSTORE of 10 sets", SET, lambda n: R("SUNIONSTORE", "d", *["s"] * 10)),
    Case("SDIFF of 50 others", SET, lambda n: R("SDIFF", "s", *[f"o{i}" for i in range(50)])),
    Case("SRANDMEMBER -n", SET, lambda n: R("SRANDMEMBER", "s", -n)),
    Case("HRANDFIELD -n WITHVALUES", HASH, lambda n: R("HRANDFIELD", "h", -n, "WITHVALUES")),
    Case("SPOP of all", SET, lambda n: R("SPOP", "s", n)),
    Case("HGETALL of n", HASH, lambda n: R("HGETALL", "h")),
    Case("HSET of n", nothing, lambda n: R("HSET", "h", *range(2 * n))),
    # Sorted sets, geo
    Case("ZADD of n", nothing, lambda n: R("ZADD", "z", *range(2 * n))),
    Case("ZADD with a score of n digits", nothing, lambda n: R("ZADD", "z", "1" * n + "x", "m"), (1 << 20, 16 << 20)),
    Case("ZUNIONSTORE of 20", RANKS, lambda n: R("ZUNIONSTORE", "d", 20, *["z"] * 20), (5_000, 50_000)),
    Case("ZINTERSTORE of 5", RANKS, lambda n: R("ZINTERSTORE", "d", 5, *["z"] * 5), (5_000, 50_000)),
    Case("ZRANGE of n", RANKS, lambda n: R("ZRANGE", "z", 0, -1, "WITHSCORES")),
    Case("ZRANGEBYSCORE with an offset of n", RANKS, lambda n: R("ZRANGEBYSCORE", "z", "-inf", "+inf", "LIMIT", n - 1, 1)),
    Case("ZREMRANGEBYRANK of all", RANKS, lambda n: R("ZREMRANGEBYRANK", "z", 0, -1)),
    Case("GEOPOS of n", PLACES, lambda n: R("GEOPOS", "g", *[f"m{i}" for i in range(n)]), (5_000, 50_000)),
    Case("GEOSEARCH of all WITHCOORD", PLACES, lambda n: R("GEOSEARCH", "g", "FROMLONLAT", 13, 38, "BYRADIUS", 5000, "km", "WITHCOORD"), (5_000, 50_000)),
    Case("GEOSEARCH of all ASC", PLACES, lambda n: R("GEOSEARCH", "g", "FROMLONLAT", 13, 38, "BYRADIUS", 5000, "km", "ASC"), (5_000, 50_000)),
    # Streams
    Case("XREADGROUP of n IDs that collide", colliding, lambda n: R("XREADGROUP", "GROUP", "g", "c", "COUNT", n, "STREAMS", "x", ">"), (2_000, 20_000)),
    Case("XREADGROUP of n", lambda n: entries(n) + R("XGROUP", "CREATE", "x", "g", "0"), lambda n: R("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"), (5_000, 50_000)),
    Case("XRANGE of n", entries, lambda n: R("XRANGE", "x", "-", "+"), (5_000, 50_000)),
    Case("XTRIM MAXLEN 0", entries, lambda n: R("XTRIM", "x", "MAXLEN", 0)),
    Case("XDEL of n", entries, lambda n: R("XDEL", "x", *[f"{i}-1" for i in range(n)]), (5_000, 50_000)),
    Case("XACK of n", group, lambda n: R("XACK", "x", "g", *[f"{i}-1" for i in range(n)]), (5_000, 50_000)),
    Case("XAUTOCLAIM of n", group, lambda n: R("XAUTOCLAIM", "x", "g", "d", 0, 0, "COUNT", n), (5_000, 50_000)),
    Case("XPENDING of n", group, lambda n: R("XPENDING", "x", "g", "-", "+", n), (5_000, 50_000)),
    Case("XINFO STREAM FULL", group, lambda n: R("XINFO", "STREAM", "x", "FULL", "COUNT", 0), (5_000, 50_000)),
    Case("COPY of a stream with a group", group, lambda n: R("COPY", "x", "y"), (5_000, 50_000)),
    # The server
    Case("n unknown commands, pipelined", nothing, lambda n: R("NOSUCH", "a", "b") * n, (10_000, 100_000)),
    Case("n wrong types, pipelined", lambda n: R("LPUSH", "l", 1), lambda n: R("GET", "l") * n, (10_000, 100_000)),
    Case("n inline PINGs", nothing, lambda n: b"PING\r\n" * n, (10_000, 100_000)),
    Case("COMMAND INFO of n", nothing, lambda n: R("COMMAND", "INFO", *["get"] * n), (2_000, 20_000)),
    Case("CONFIG SET of n pairs, refused", nothing, lambda n: R("CONFIG", "SET", *["a"] * 2 * n), (10_000, 100_000)),
    Case("FLUSHALL of n keys", lambda n: keys(n, "SET", "k{}", "v", "EX", "1000"), lambda n: R("FLUSHALL")),
]  # fmt: skip


class Outcome(NamedTuple):
    """What came of one request."""

    seconds: float
    longest_ping: float
    memory: int


def ask(stream: socket.socket, data: bytes) -> float:
    """Send requests and read until all are answered; returns the seconds that took."""
    stream.setblocking(False)
    left = memoryview(data + R("ECHO", MARK))
    end = b"$%d\r\n%b\r\n" % (len(MARK), MARK)
    seen = b""
    began = time.perf_counter()
    while not seen.endswith(end) or left:
        readable, writable, _ = select.select([stream], [stream] if left else [], [], LONGEST)
        if not readable and not writable:
            raise TimeoutError
        if writable:
            left = left[stream.send(left[: 1 << 20]) :]
        if readable:
            piece = stream.recv(1 << 20)
            if not piece:
                raise ConnectionError("the server closed the connection")
            seen = (seen + piece)[-len(end) :]
    return time.perf_counter() - began


@contextmanager
def pinging(server: Server) -> Iterator[List[float]]:
    """Have another client send PING each 3 ms; the list has the longest wait in the end."""
    waits = [0.0]
    over = threading.Event()

    def ping() -> None:
        with server.connect() as stream:
            stream.settimeout(2 * LONGEST)
            while not over.is_set():
                began = time.perf_counter()
                stream.sendall(b"PING\r\n")
                stream.recv(64)
                waits[0] = max(waits[0], time.perf_counter() - began)
                time.sleep(0.003)

    thread = threading.Thread(target=ping, daemon=True)
    thread.start()
    yield waits
    over.set()
    thread.join(LONGEST)


def measure(server: Server, case: Case, n: int, rounds: int) -> Outcome:
    """Fill a server, and send the request; the best of some rounds is told."""
    outcomes = []
    for _ in range(rounds):
        with server.connect() as stream:
            ask(stream, R("FLUSHALL") + case.before(n))
            before = server.resident_bytes()
            with pinging(server) as waits:
                time.sleep(0.02)
                seconds = ask(stream, case.request(n))
            outcomes.append(Outcome(seconds, waits[0], server.resident_bytes() - before))
    return min(outcomes)


def main() -> None:
    arguments = Arguments(__doc__, rounds=2)
    arguments.size("--divide", 1, 500, "by how much all sizes are divided")
    arguments.add_argument("--only", default="", metavar="TEXT", help="cases with this in their names")
    options = arguments.read()
    need("redis-server")
    report = Report("hostile", options, "redis-server")
    interpreter = report.about["interpreter"]
    limit = 8 if "CPython" in interpreter and "compiled" not in interpreter else 4
    report.table(
        "Costly requests",
        "request", "n", "redis ms", "owncache ms", "ratio", "redis grows", "owncache grows", "redis PING ms",
        "owncache PING ms", "redis MB", "owncache MB", "over the limit",
    )  # fmt: skip
    over = 0
    with owncache(options) as own, redis() as real:
        for case in CASES:
            if options.only not in case.name:
                continue
            small, large = (max(2, size // options.divide) for size in case.sizes)
            first, theirs_first = (measure(server, case, small, 1) for server in (own, real))
            ours, theirs = (measure(server, case, large, options.rounds) for server in (own, real))
            factor = ratio(ours.seconds, theirs.seconds) or 0.0
            is_over = ours.seconds > NOTICED and factor > (limit if theirs.seconds > SLOW else 25)
            over += is_over
            report.row(
                case.name, large, theirs.seconds * 1000, ours.seconds * 1000, factor,
                ratio(theirs.seconds, theirs_first.seconds), ratio(ours.seconds, first.seconds),
                theirs.longest_ping * 1000, ours.longest_ping * 1000, theirs.memory / 1e6, ours.memory / 1e6,
                "yes" if is_over else "",
            )  # fmt: skip
    print(f"\n{over} over the limit")
    report.save()


if __name__ == "__main__":
    main()
