"""Data sets for the comparisons of files: requests that fill a server, and requests that its log has to tell."""

from __future__ import annotations

import random
import time
from typing import Callable

from .file_collections import edge_lists, edge_sets, edge_sorted_sets, edge_streams
from .programs import Request

LETTERS = b"abcdefghijklmnopqrstuvwxyz"
SIZES = [*range(26), 62, 63, 64, 65, 127, 128, 253, 254, 255, 256, 4095, 4096, 16_383, 16_384, 16_385, 100_000]
EDGES = sorted({sign * (1 << bits) + step for bits in (0, 3, 7, 8, 12, 15, 16, 23, 31, 32, 63) for sign in (1, -1)
                for step in (-1, 0, 1)})  # fmt: skip
NO_NUMBERS = [b"007", b"-0", b"+1", b"", b" 1", b"1 ", b"1.0", b"1e3", b"0x1", b"00", b"--1", b"-", b"\xd9\xa3", b"1\0"]
YEAR_2100 = 4_102_444_800


def compressible(size: int, kind: int) -> bytes:
    """Make bytes that LZF makes shorter, in one of several ways."""
    pieces = [b"a", b"ab", b"abcdefgh" * 3 + b"-", bytes(300) + b"x", b"the quick brown fox %d " * 9]
    piece = pieces[kind % len(pieces)]
    return (piece * (size // len(piece) + 1))[:size]


def noise(chance: random.Random, size: int) -> bytes:
    """Make bytes that nothing makes shorter."""
    return chance.randbytes(size)


def edge_strings() -> list[Request]:
    """Strings of all sizes around the edges of the encodings, compressible or not, and numbers and almost numbers."""
    chance = random.Random(1)
    requests: list[Request] = []
    for size in SIZES:
        requests.append(("SET", f"noise:{size}", noise(chance, size)))
        requests += [("SET", f"text:{size}:{kind}", compressible(size, kind)) for kind in range(5)]
        half = noise(chance, size // 2)
        requests.append(("SET", f"half:{size}", half + compressible(size - len(half), size)))
    requests += [("SET", f"number:{value}", value) for value in EDGES]
    requests += [("SET", b"almost:" + text, text) for text in NO_NUMBERS]
    requests += [("INCRBY", "counted", 70_000), ("APPEND", "appended", "12"), ("APPEND", "appended", "3")]
    return requests


def edge_names() -> list[Request]:
    """Names of keys around the same edges."""
    chance = random.Random(2)
    names = [noise(chance, size) for size in SIZES if size <= 20_000]
    names += [compressible(size, 1) for size in SIZES if size <= 20_000]
    names += [b"%d" % value for value in EDGES] + NO_NUMBERS
    return [("SET", name, "v") if place % 3 else ("HSET", name, "f", "v") for place, name in enumerate(names)]


def edge_hashes() -> list[Request]:
    """Hashes around the edges at which Redis packs them or does not, and of values around the edges of packing."""
    chance = random.Random(3)
    requests: list[Request] = [
        ("HSET", f"one:{size}:{kind}", value, "v", "f", value)
        for size in SIZES
        for kind, value in enumerate((noise(chance, size), compressible(size, size)))
    ]
    for count in (1, 2, 63, 64, 65, 511, 512, 513, 5000):
        pairs = [word for place in range(count) for word in (f"field {place}", place * 1237 - 70_000)]
        requests.append(("HSET", f"many:{count}", *pairs))
    requests.append(("HSET", "numbers", *(word for value in EDGES for word in (value, -value))))
    requests.append(("HSET", "almost", *(word for text in NO_NUMBERS for word in (text, text))))
    requests += [("HSET", "shrunk", *map(str, range(2000))), ("HDEL", "shrunk", *map(str, range(2, 2000, 2)))]
    requests += [("HSET", "shortened", "f", b"v" * 100), ("HSET", "shortened", "f", "v"), ("HINCRBY", "count", "f", 7)]
    return requests


def several_databases() -> list[Request]:
    """Keys of the same names in several databases."""
    requests: list[Request] = []
    for index in (0, 1, 9, 15, 3):
        requests += [("SELECT", index), ("SET", "k", f"in {index}"), ("HSET", "h", "f", index)]
        requests += [("SET", f"only in {index}", "v", "EX", 100_000)]
    return [*requests, ("SELECT", 0)]


def deadlines() -> list[Request]:
    """Keys with and without a time to live, some of which have expired when they are looked for."""
    requests: list[Request] = [("SET", f"key {place}", "v", "EX", 10_000 + place) for place in range(100)]
    requests += [("SET", "far", "v", "PXAT", YEAR_2100 * 1000 + 123), ("SET", "stays", "v"), ("HSET", "h", "f", "v")]
    requests += [("PEXPIREAT", "h", YEAR_2100 * 1000 + 7), ("SET", "kept", "1", "EXAT", YEAR_2100)]
    requests += [("SET", "kept", "2", "KEEPTTL"), ("SET", "lost", "1", "EX", 9000), ("SET", "lost", "2")]
    requests += [("SET", f"short {place}", "v", "PX", 1) for place in range(20)]
    requests += [("SET", "furthest", "v", "PXAT", 1 << 60), ("HSET", "gone", "f", "v"), ("PEXPIRE", "gone", 1)]
    return requests


def random_data(seed: int) -> list[Request]:
    """Whatever a seed makes."""
    chance = random.Random(seed)

    def text() -> bytes:
        size = chance.choice((chance.randrange(25), chance.randrange(80), chance.randrange(600), chance.choice(SIZES)))
        make: list[Callable[[], bytes]] = [
            lambda: noise(chance, size),
            lambda: compressible(size, chance.randrange(5)),
            lambda: bytes(chance.choices(LETTERS[: chance.randrange(1, 27)], k=size)),
            lambda: b"%d" % chance.choice(EDGES),
            lambda: b"%d" % chance.randrange(-(1 << chance.randrange(1, 64)), 1 << 40),
        ]
        return chance.choice(make)()

    requests: list[Request] = []
    for place in range(150):
        name = b"%d:" % place + text()[:300]
        if chance.random() < 0.1:
            requests.append(("SELECT", chance.randrange(16)))
        if chance.random() < 0.6:
            requests.append(("SET", name, text()))
        else:
            count = chance.choice((1, 2, 5, 70, 600))
            requests.append(("HSET", name, *(text()[: 20 if count > 9 else 20_000] for _ in range(2 * count))))
        if chance.random() < 0.3:
            requests.append(("PEXPIRE", name, chance.choice((1, 500_000, 10_000_000_000))))
    return [*requests, ("SELECT", 0)]


DATA: dict[str, Callable[[], list[Request]]] = {
    "nothing": list,
    "strings": edge_strings,
    "names": edge_names,
    "hashes": edge_hashes,
    "lists": edge_lists,
    "sets": edge_sets,
    "sorted sets": edge_sorted_sets,
    "streams": edge_streams,
    "databases": several_databases,
    "deadlines": deadlines,
    **{f"seed {seed}": lambda seed=seed: random_data(seed) for seed in range(3)},  # type: ignore[misc]
}


CHANGES = """
SET a 1 | SET a 2 EX 5000 | SET b 2 PX 5000000 | SET c 3 EXAT {soon} | SET d 4 PXAT {far} | SET d 5 KEEPTTL
SET e 5 GET | SET e 6 NX | SET f 7 NX | SET f 8 XX | SET nope 9 XX | set g 1 ex 5000 | SET h0 v NX GET
SET past v PXAT 1 | SET past v EXAT 1 | SETEX i 5000 v | PSETEX j 5000000 v | SETNX k v | SETNX k w
GETSET l v | GETSET l w | SET m v | GETDEL m | GETDEL m | SET n v EX 5000 | GETEX n | GETEX n EX 6000
GETEX n PX 7000000 | GETEX n PERSIST | GETEX n PERSIST | SET o v | GETEX o PXAT 1 | MSET p 1 q 2 r 3
INCR p | DECR p | INCRBY p 5 | DECRBY p 3 | INCRBY p 0 | INCRBYFLOAT q 1.5 | INCRBYFLOAT q 3.0e3
APPEND r x | SET s 1 EX 5000 | INCRBYFLOAT s 0.1 | INCR nope2 | DEL p nope q | DEL nope | UNLINK r nope
SET t v | EXPIRE t 5000 | EXPIRE t 10 GT | EXPIRE t 6000 GT | EXPIRE t 7000 XX | PEXPIRE t 8000000
EXPIREAT t {soon} | PEXPIREAT t {far} | PERSIST t | PERSIST t | EXPIRE t -1 | SET u v | EXPIREAT u 1
SET v v | PEXPIREAT v 1 | SET w v | EXPIRE w 0 | EXPIRE nope 5 | SET x v EX 5000 | RENAME x y
RENAME nope y | RENAME y y | SET z v EX 5000 | SET y2 v | RENAME y2 z | HSET h f v | HSET h f v g w
HSET h f w | HDEL h f nope | HDEL h nope | HSETNX h n 1 | HSETNX h n 2 | HINCRBY h n 5 | HINCRBY h n 0
HSET gone f v g w | HDEL gone f g | HSET a f v | INCR h | SET wrong | SELECT 3 | SET in3 v EX 5000 | GET in3
SELECT 0 | GET a | SELECT 3 | SET k v | SELECT 5 | SELECT 7 | SET k v | FLUSHDB | SELECT 0 | SET last 1
MULTI | SET ma 1 | INCR ma | EXEC | MULTI | SET mb 1 | EXEC | MULTI | GET mb | EXEC | MULTI | SET mc 1
DISCARD | MULTI | SET md 1 | HSET md f v | INCR md | EXEC | MULTI | SET in5 1 | SELECT 6 | SET in6 2
SELECT 0 | SET in0 3 | EXEC
"""


def changes() -> list[Request]:
    """Requests of each kind that a log has to tell, and some that it must not; replies may be errors."""
    text = CHANGES.format(soon=int(time.time()) + 5000, far=YEAR_2100 * 1000)
    requests: list[Request] = [tuple(line.split()) for line in text.replace("\n", "|").split("|") if line.strip()]
    binary = bytes(range(256))
    return [*requests, ("SET", binary, binary * 3), ("HSET", "", "", "", binary, ""), ("APPEND", "empty", "")]
