"""Words for requests that are written by a grammar: usual ones, ones at an edge, and wrong ones."""

from __future__ import annotations

from typing import Dict, Sequence

from tests.rdb.cases import VALUES as TYPED_VALUES
from twisted_kv.rdb.payload import dump, restore

KEYS = {
    "string": b"s1 s2 s3 n1 n2".split(),
    "bitmap": b"s1 s2 s3 n1".split(),
    "list": b"l1 l2 l3".split(),
    "set": b"t1 t2 t3".split(),
    "sorted-set": b"z1 z2 z3 g1 t1".split(),
    "hash": b"h1 h2 n_5".split(),
    "stream": b"x1 x2".split(),
    "hyperloglog": b"p1 p2 p3".split(),
    "geo": b"g1 g1 g2".split(),
}
"""The keys that most requests of a group are about; a few are shared by two groups."""

ALL_KEYS = [*sorted({key for keys in KEYS.values() for key in keys}), b"", b"none", b"k\r\n\x00\xff"]

SMALL = b"0 1 2 3 4 5 7 10 -1 -2 -3 -5".split()
EDGES = [
    *b"9223372036854775807 -9223372036854775808 9223372036854775808 -9223372036854775809 9223372036854775806 "
    b"18446744073709551615 18446744073709551616 -9223372036854775807 2147483647 2147483648 -2147483648 -2147483649 "
    b"4294967295 4294967296 4611686018427387904 99999999999999999999999999 007 -0 +5 -05 1e3 1.0 .5 5. 1.5 0x10 1_0 "
    b"- + . ( [ $ > * ~ = inf -inf nan".split(),
    b"",
    b" 5",
    b"5 ",
    b"5\n",
    b"5\x00",
    b"\x00",
    b"1" * 40,
]
FLOATS = [
    *b"0 1 -1 1.5 -1.5 .5 5. 3.0e3 1e5 1E-2 0.1 0.2 0.30000000000000004 -0 -0.0 inf -inf +inf Infinity iNf nan -nan "
    b"0x10 0x1p-3 1e400 -1e400 1e308 1e-320 5e-324 1e-400 123456789012345678901234567890 1e17 1e21 17179869184.5 "
    b"3.141592653589793238 100.00 +1.0 1e 1e+ e5 1.2.3 0x 1,5 infx nan(1) 9007199254740993 1234567.125".split(),
    b"",
    b" 1",
    b"1 ",
    b"1\x00",
    b"0" * 300 + b"1",
    b"9" * 300,
]
LONGITUDES = b"0 13.361389 15.087269 -122.4 180 -180 180.1 179.999 2.35 13.5 -0".split()
LATITUDES = b"0 38.115556 37.502669 85.05112878 -85.05112878 85.06 -33.9 48.85 38 37.8".split()
DISTANCES = b"0 1 100 200 200.5 5000 30000 -1 1e4 inf nan x 0.001 1e-3".split()
SCORE_BOUNDS = b"-inf +inf inf 0 1 2 3 -1 (1 (2 (-inf (inf 1.5 (1.5 1e1 ( (x [1 nan (nan 0x1 - + ((1".split()
LEX_BOUNDS = [*b"- + [a (a [b (b [m1 (m2 [ ( [\xff a x -inf +inf -a +a [[a 1 0 -1".split(), b"", b"[a\x00", b"[a b"]
STREAM_IDS = [
    *b"0 1 2 3 5 9 1-1 2-1 2-2 3-0 5-5 0-0 0-1 1-0 5-* 1-* - + $ > (1 (2-1 (- (0-0 5- -5 1-1-1 x 1-x +5 -0 007 1-+1 "
    b"18446744073709551615 18446744073709551615-18446744073709551615 18446744073709551616 1-18446744073709551616 "
    b"(18446744073709551615-18446744073709551615 9223372036854775808-9223372036854775807 4102444800000".split(),
    b"",
    b"1 ",
    b" 1",
    b"1\x00",
    b"1" * 129,
]
NEW_IDS = [b"%d" % number for number in range(1, 40)] + [b"%d-*" % number for number in range(1, 20)]
GLOBS = [*b"* ? a* *1 [a-m]* [^a]* [ [a \\a m? *m* ** \\ a\\ [z-a]* [a\\ *? [] [^] s? h*".split(), b"", b"\xff*"]
WEIGHTS = [
    *b"n_* n_*->f * # nosort h1->* h1->f n_*-> n_** s* h*->a x1 nosort* s1 *->f *->".split(),
    b"",
    b"#\0",
    b"n_\0*",
    b"n_*\0",
    b"h1->*\0x",
]
MEMBERS = [
    *b"a b c m1 m2 m3 m10 1 2 3 5 10 -1 1.5 x Palermo Catania \xff \xc3\xbc -0 007 9223372036854775807".split(),
    b"",
    b" 1",
    b"a\x00b",
    b"a b\r\n",
    b"long member, of more than sixty-four bytes: " + b"x" * 40,
]
VALUES = [*MEMBERS, *SMALL, *EDGES, *FLOATS, b"foobar", b"\xff\xf0\x00", b"\x00" * 20, b"abcabcabd" * 9, b"y" * 600]
DURATIONS = b"0 -1 9223372036854775807 9223372036854775 9223372036854776 -9223372036854775808 x 1.5".split()
DATES = b"0 -1 1 x 1.5 4102444800 9223372036854775807 9223372036854775 -9223372036854775808 4102444800499".split()
TIMEOUTS = [*b"0 0.001 0.002 1e-3 0x1p-9 -1 inf nan x 1e400 9223372036854775 -inf 1e18 0,1 (1".split(), b"", b" 1"]
QUICK = frozenset(b"0.001 0.002 1e-3 0x1p-9 -1 1e18 1e400 0,1".split())
"""Time-outs that are soon over, or are none."""
ENCODINGS = b"u8 i8 u1 i1 u63 i64 u64 i65 u0 u16 i5 u4 U8 i x u08 u+8 i-1 u".split()
BIT_OFFSETS = b"0 1 7 8 9 63 64 100 #0 #1 #3 #10 # -1 #-1 x 4294967296 9223372036854775807 #9223372036854775807".split()
OLDEST_LISTPACK, NEWEST_KIND = 16, 19
PAYLOADS = [
    payload
    for each in TYPED_VALUES
    if len(each.body) < 3000 and each.kind <= NEWEST_KIND
    for payload in (each.payload(),)
    if each.kind < OLDEST_LISTPACK or dump(restore(payload)) == payload
]

BY_NAME: Dict[str, Sequence[bytes]] = {
    "seconds": DURATIONS,
    "milliseconds": DURATIONS,
    "ttl": [b"0", b"0", b"0", *DURATIONS],
    "ms": DURATIONS,
    "min-idle-time": b"0 0 0 0 100000 9223372036854775807 -1 x 1.5".split(),
    "unix-time-seconds": DATES,
    "unix-time-milliseconds": DATES,
    "timeout": TIMEOUTS,
    "cursor": b"0 0 0 0 0 1 -1 x 18446744073709551615 18446744073709551616 00 +0 -0".split(),
    "destination-db": b"0 1 1 2 3 15 16 -1 x".split(),
    "db": b"0 1 1 2 3 15 16 -1 x".split(),
    "index1": b"0 1 1 2 3 15 16 -1 x".split(),
    "index2": b"0 1 1 2 3 15 16 -1 x".split(),
    "protover": b"2 3 2 3 1 4 x".split(),
    "longitude": LONGITUDES,
    "latitude": LATITUDES,
    "radius": DISTANCES,
    "width": DISTANCES,
    "height": DISTANCES,
    "encoding": ENCODINGS,
    "subcommand": b"GETREG DECODE ENCODING TODENSE encoding NOPE".split(),
    "operation": b"AND OR XOR NOT and Or xor not NAND".split(),
    "serialized-value": [*PAYLOADS, b"", b"short", PAYLOADS[0][:-1], PAYLOADS[1] + b"x"],
    "type": b"string list set zset hash stream STRING none x".split(),
    "group": [*b"g1 g1 g1 g2 none".split(), b""],
    "groupname": [*b"g1 g1 g1 g2 none".split(), b""],
    "consumer": [*b"c1 c1 c2 c3".split(), b"", b"\x00\n"],
    "consumername": [*b"c1 c1 c2 c3".split(), b"", b"\x00\n"],
    "id": STREAM_IDS,
    "last-id": STREAM_IDS,
    "max_deleted_entry_id": STREAM_IDS,
    "threshold": [*SMALL, *STREAM_IDS],
    "lastid": STREAM_IDS,
    "username": b"default eve".split(),
    "password": b"secret".split(),
    "clientname": [*b"me you".split(), b"a b", b""],
}
"""Words for arguments whose name says more than their type."""

BY_KIND: Dict[str, Sequence[bytes]] = {
    "string": [*MEMBERS, *MEMBERS, *MEMBERS, *VALUES],
    "integer": [*SMALL, *SMALL, *SMALL, *SMALL, *EDGES],
    "double": [*FLOATS, *SMALL],
    "pattern": GLOBS,
    "unix-time": DATES,
}


JUNK = [*EDGES, *FLOATS, *SCORE_BOUNDS, *LEX_BOUNDS, *STREAM_IDS, *MEMBERS, *WEIGHTS, b"NOPE", b"WITHSCORES", b"COUNT"]

BOUNDS = {"start", "stop", "end", "min", "max"}

SETTING_UP = (
    b"SET s1 foobar|SET s2 \xff\x00\x0f|SET n1 10|SET n_1 3|SET n_2 1|SET n_5 1.5|"
    b"RPUSH l1 a b c 1 2 3 a|RPUSH l2 3 1 2 10 5|"
    b"SADD t1 1 2 3 5 10|SADD t2 a b m1 m2|SADD t3 3 5 7|ZADD z1 1 a 2 b 3 c 3 m1|ZADD z2 0 a 0 b 0 m1 0 m2|"
    b"ZADD z3 inf a -inf b 1.5 m10|HSET h1 a 1 b 2 c x|HSET h2 f 10 m1 1.5|PFADD p1 a b c|PFADD p2 c d e 1 2 3|"
    b"XADD x1 1 a 1|XADD x1 2-1 a 2 b 3|XADD x1 2-2 c 4|XADD x1 5 a 5|XADD x2 3 m1 x|XGROUP CREATE x1 g1 0|"
    b"XREADGROUP GROUP g1 c1 COUNT 2 STREAMS x1 >|XGROUP CREATE x1 g2 $|XGROUP CREATE x2 g1 0|"
    b"GEOADD g1 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 2.35 48.85 a -122.4 37.8 b|"
    b"GEOADD g2 13.5 38 m1 180 85 m2|EXPIRE s2 1000000|EXPIRE l2 2000000|EXPIREAT h2 4102444800"
)
