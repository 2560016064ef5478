"""Data sets of lists, sets, sorted sets and streams, and requests on them that a log has to tell."""

from __future__ import annotations

import random

from .programs import Request

YEAR_2100 = 4_102_444_800
SIZES = [0, 1, 11, 63, 64, 65, 127, 128, 4095, 4096, 8170, 8180, 8190, 8192, 8200, 70_000]
EDGES = sorted({sign * (1 << bits) + step for bits in (0, 7, 12, 15, 23, 31, 63) for sign in (1, -1)
                for step in (-1, 0)})  # fmt: skip
TEXTS = [b"007", b"-0", b"+1", b"", b" 1", b"1.0", b"\1\xff\r\n"]


def edge_lists() -> list[Request]:
    """Lists around the edges of packing and of nodes."""
    chance = random.Random(11)
    requests: list[Request] = [("RPUSH", f"list one:{size}", chance.randbytes(size)) for size in SIZES]
    for count in (1, 2, 127, 128, 129, 512, 513, 3000):
        requests.append(("RPUSH", f"list many:{count}", *(place * 1237 - 70_000 for place in range(count))))
        requests.append(("LPUSH", f"list texts:{count}", *(f"element {place}" for place in range(count))))
    requests.append(("RPUSH", "list mixed", *EDGES, *TEXTS, *(chance.randbytes(size) for size in SIZES)))
    requests += [
        ("RPUSH", "list shrunk", *range(2000)),
        ("LTRIM", "list shrunk", 700, 1300),
        ("LREM", "list shrunk", 0, 900),
    ]
    requests += [("LSET", "list shrunk", 5, "set"), ("LINSERT", "list shrunk", "BEFORE", "set", "inserted")]
    requests += [
        ("RPUSH", "list gone", 1, 2),
        ("LPOP", "list gone", 2),
        ("PEXPIREAT", "list many:128", YEAR_2100 * 1000),
    ]
    return requests


def edge_sets() -> list[Request]:
    """Sets around the edges at which Redis packs them or does not."""
    chance = random.Random(12)
    requests: list[Request] = [("SADD", f"set one:{size}", chance.randbytes(size)) for size in SIZES]
    for count in (1, 2, 511, 512, 513, 3000):
        requests.append(("SADD", f"set numbers:{count}", *range(-count // 2, count - count // 2)))
        requests.append(("SADD", f"set texts:{count}", *(f"member {place}" for place in range(count))))
    for bits in (8, 15, 16, 31, 32, 62, 63):
        requests.append(("SADD", f"set bits:{bits}", (1 << bits) - 1, -(1 << bits), 0))
    requests += [
        ("SADD", "set mixed", *EDGES, *TEXTS),
        ("SADD", "set shrunk", *range(2000)),
        ("SREM", "set shrunk", *range(1998)),
    ]
    return requests


def edge_sorted_sets() -> list[Request]:
    """Sorted sets around the edges at which Redis packs them or does not, and of scores at theirs."""
    chance = random.Random(13)
    requests: list[Request] = [("ZADD", f"zset one:{size}", size, chance.randbytes(size)) for size in SIZES]
    for count in (1, 2, 127, 128, 129, 3000):
        pairs = [word for place in range(count) for word in (place * 37 % 101 / 4, f"member {place}")]
        requests.append(("ZADD", f"zset many:{count}", *map(str, pairs)))
    scores = ["inf", "-inf", "0", "0.1", "1e300", "-1e-300", "5e-324", "1.7976931348623157e308", "3", "-7", "1e17",
              "9007199254740993", "0.30000000000000004", "123456789.125", *map(str, EDGES)]  # fmt: skip
    pairs = [word for place, score in enumerate(scores) for word in (score, f"m{place}")]
    requests += [("ZADD", "zset scores", *pairs), ("ZADD", "zset large scores", *pairs, 1, "m" * 100)]
    requests += [
        ("ZADD", "zset shrunk", *(str(place) for place in range(2000))),
        ("ZREMRANGEBYRANK", "zset shrunk", 5, -1),
    ]
    return requests


def edge_streams() -> list[Request]:
    """Streams with all that they may have beside their entries."""
    chance = random.Random(14)
    requests: list[Request] = [("XADD", "stream small", "5-1", "f", "v"), ("XADD", "stream small", "5-2", "f", "w")]
    for place in range(1, 700):
        names = ("f", "g") if place % 50 else ("other",)
        values = [chance.choice([chance.randbytes(chance.randrange(90)), b"%d" % chance.choice(EDGES)]) for _ in names]
        fields = [word for pair in zip(names, values) for word in pair]
        requests.append(("XADD", "stream many", f"{place * 7}-{place % 3}", *fields))
    requests += [("XADD", "stream sizes", f"1-{size + 1}", "f", chance.randbytes(size)) for size in SIZES]
    requests += [("XDEL", "stream many", *(f"{place * 7}-{place % 3}" for place in range(3, 600, 4)))]
    requests += [("XADD", "stream far", f"5-{2**64 - 1}", "f", 1), ("XADD", "stream far", "6-0", "f", 2),
                 ("XADD", "stream far", f"{2**64 - 1}-{2**64 - 1}", "f", 3)]  # fmt: skip
    requests += [
        ("XGROUP", "CREATE", "stream empty", "g", "0", "MKSTREAM"),
        ("XADD", "stream emptied", "7-7", "f", "v"),
    ]
    requests += [
        ("XDEL", "stream emptied", "7-7"),
        ("XSETID", "stream emptied", "9-9", "ENTRIESADDED", 5, "MAXDELETEDID", "8-8"),
    ]
    requests += [("XADD", "stream trimmed", f"{place}-1", "f", "v") for place in range(1, 4)]
    requests += [("XDEL", "stream trimmed", "3-1"), ("XTRIM", "stream trimmed", "MINID", "3-1")]
    requests += [
        ("XGROUP", "CREATE", "stream many", group, start) for group, start in (("a", 0), ("b", "700-1"), ("c", "$"))
    ]
    requests += [
        ("XREADGROUP", "GROUP", "a", who, "COUNT", 50, "STREAMS", "stream many", ">") for who in ("bob", "al", "bob")
    ]
    requests += [("XREADGROUP", "GROUP", "b", "bob", "NOACK", "STREAMS", "stream many", ">")]
    requests += [
        ("XGROUP", "CREATECONSUMER", "stream many", "c", "idle"),
        ("XACK", "stream many", "a", "7-1", "14-2", "28-1"),
    ]
    requests += [("XCLAIM", "stream many", "a", "carol", 0, "35-2", "RETRYCOUNT", 7, "TIME", 1_600_000_000_000)]
    return requests


COLLECTION_CHANGES = """
RPUSH l a b c | LPUSH l z | LPUSHX l y | RPUSHX nope y | LINSERT l AFTER a i | LINSERT l AFTER nope i | LSET l 0 s
LREM l 1 b | LREM l 0 nope | LTRIM l 0 10 | LTRIM l 1 -2 | LPOP l | RPOP l 1 | RPUSH l 1 2 3 | RPOPLPUSH l l2
LMOVE l l2 LEFT RIGHT | LMPOP 2 nope l LEFT COUNT 1 | BLPOP l 1 | RPUSH l 5 6 | BRPOPLPUSH l l2 1 | DEL l2
SADD s a b c | SADD s a | SREM s nope | SREM s b | SMOVE s s2 c | SMOVE s s2 nope | SADD s 1 2 3 | SPOP one
SUNIONSTORE s3 s s2 | SINTERSTORE s4 s s3 | SDIFFSTORE s5 s nope | SINTERSTORE s5 s nope | SADD only m | SPOP only
ZADD z 1 a 2 b 3 c | ZADD z 1 a | ZADD z XX CH 5 a | ZADD z NX 9 a | ZADD z GT 1 a | ZADD z INCR 2 b | ZINCRBY z 0.1 c
ZREM z nope | ZREM z b | ZPOPMIN z | ZADD z 1 d 2 e 3 f | ZPOPMAX z 1 | ZREMRANGEBYRANK z 0 0 | ZADD z 1 g 2 h 2 i
ZREMRANGEBYSCORE z 1 1 | ZREMRANGEBYLEX z [h [h | ZUNIONSTORE z2 2 z s WEIGHTS 2 1 | ZINTERSTORE z3 2 z z2
ZRANGESTORE z4 z 0 -1 | ZDIFFSTORE z5 2 z z2 | BZPOPMIN z 1 | ZMPOP 1 z2 MIN | PFADD p a b c | PFMERGE p2 p
SETRANGE r 5 x | SETBIT r 100 1 | BITOP NOT r2 r | BITFIELD r SET u8 0 7 | GETDEL r2 | COPY l lc | COPY z zc REPLACE
XADD x 1-1 f v | XADD x 1-* f v | XADD x NOMKSTREAM 2-5 f v g w | XADD nope NOMKSTREAM 1-1 f v | XADD x 1-1 f v
XADD x MAXLEN 5 3-1 f v | XADD x MINID ~ 1-1 3-2 f v | XGROUP CREATE x g 0 | XGROUP CREATE x g2 $ ENTRIESREAD 3
XGROUP CREATE made g $ MKSTREAM | XREADGROUP GROUP g bob COUNT 2 STREAMS x > | XREADGROUP GROUP g al STREAMS x >
XREADGROUP GROUP g al NOACK STREAMS x > | XACK x g 1-1 | XACK x g 9-9 | XCLAIM x g carl 0 3-1 3-2 | XDEL x 1-2
XAUTOCLAIM x g dora 0 0 COUNT 2 | XGROUP SETID x g2 2-5 | XGROUP DELCONSUMER x g al | XGROUP DESTROY x g2
XTRIM x MAXLEN 2 | XTRIM x MAXLEN 2 | XSETID x 9-9 | XGROUP CREATECONSUMER x g eve | SORT l STORE sorted | SWAPDB 0 3
SWAPDB 0 3 | MOVE s5 4 | SPOP s 2 | GEOADD geo 13.4 52.5 berlin | GEOSEARCHSTORE g2 geo FROMMEMBER berlin BYRADIUS 1 km
MULTI | RPUSH ml 1 | SADD ms 1 | LPOP ml | XADD mx 1-1 f v | EXEC | SET last 2
"""


def collection_changes() -> list[Request]:
    """Requests of each kind on collections that a log has to tell, and some that it must not."""
    return [tuple(line.split()) for line in COLLECTION_CHANGES.replace("\n", "|").split("|") if line.strip()]
