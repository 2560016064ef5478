"""Generated requests: every command, with options that go together and options that do not."""

from __future__ import annotations

from typing import Any, Tuple

from hypothesis import settings
from hypothesis import strategies as st

from tests import effort
from tests.rdb import files as make
from tests.rdb.cases import VALUES as TYPED_VALUES

Words = Tuple[bytes, ...]
Strategy = st.SearchStrategy[Any]

FAR = 4_102_444_800  # the year 2100 in seconds: no key goes while a test runs, unless it goes at once

KEYS = (b"a", b"b", b"c", b"", b"k\r\n\x00\xff")
FIELDS = (b"f", b"g", b"", b"\x00*", b"field of more than sixty-four bytes: " + b"x" * 64)
NUMBERS = (
    "0 1 -1 5 -5 10 100 007 -0 01 +1 1e5 1E2 1.5 -1.5 .5 5. 3.0e3 0.1 0.2 inf -inf +inf infinity nan -nan 0x10 0x1p-3 "
    "9223372036854775807 -9223372036854775808 9223372036854775808 -9223372036854775809 9223372036854775806 "
    "18446744073709551615 99999999999999999999 4294967296 2147483648 1e-20 1e400 5e-324 1e5000 - + . e 1e 0x 1_000"
)
VALUES = (
    *NUMBERS.encode().split(),
    b"",
    b" 1",
    b"1 ",
    b"1\x00",
    b"bar",
    b"\x00\xff\r\n",
    "ü".encode(),
    b"word " * 13,
    b"long" * 300,
)

keys = st.sampled_from(KEYS)
fields = st.sampled_from(FIELDS)
values = st.sampled_from(VALUES)
integers = st.one_of(
    st.integers(-20, 20).map(lambda number: b"%d" % number),
    st.sampled_from([str(sign * 2**63 + more).encode() for sign in (1, -1) for more in (-2, -1, 0, 1)]),
    values,
)
floats = st.one_of(
    st.floats(-1e6, 1e6).map(lambda number: repr(number).encode()),
    st.decimals(-1000, 1000, places=3).map(lambda number: str(number).encode()),
    values,
)
bad_times = st.sampled_from(
    [b"0", b"-1", b"abc", b"", b"1.5", b" 100000", b"9223372036854775807", b"-9223372036854775808"]
)
near_overflow = st.sampled_from(
    [b"9223372036854775", b"9223372036854776", b"9222000000000000000", b"99999999999999999999"]
)
durations = st.one_of(st.integers(100_000, 10**9).map(lambda number: b"%d" % number), bad_times, near_overflow)
dates_in_seconds = st.one_of(
    st.integers(FAR, 2 * FAR).map(lambda number: b"%d" % number), bad_times, near_overflow, st.just(b"1")
)
dates = st.one_of(
    st.integers(FAR * 1000, FAR * 2000).map(lambda number: b"%d" % number), bad_times, near_overflow, st.just(b"1")
)
patterns = st.one_of(
    st.sampled_from(
        [b"*", b"?", b"a", b"[ab]", b"[^a]", b"[a-c]", b"\\a", b"k*", b"*\xff", b"", b"[", b"[a", b"*f*", b"**", b"\\"]
    ),
    st.text("ab*?[]^-\\k\xff", max_size=5).map(lambda text: text.encode("latin-1")),
)


_SMALL = [each.payload() for each in TYPED_VALUES if len(each.body) < 2000 and isinstance(each.value, (bytes, dict))]
_UNSOUND = [b"", b"short", _SMALL[0][:-1], _SMALL[0] + b"x", make.dump_payload(make.STRING, make.string(b"v"), 11)]
_WITHOUT_VALUE = [
    (make.HASH, b"\0"),
    (make.HASH, b"\2\1a\1b"),
    (make.STRING, b"\xc4abc"),
    (200, b"\5hello"),
    (255, b""),
]
payloads = st.one_of(
    st.sampled_from(_SMALL),
    st.sampled_from(_SMALL),
    st.sampled_from(_UNSOUND),
    st.sampled_from([make.dump_payload(kind, body) for kind, body in _WITHOUT_VALUE]),
)


def any_case(name: str) -> Strategy:
    """Spell a name as clients do."""
    return st.sampled_from([name.encode(), name.lower().encode(), name.title().encode()])


def words(*parts: Any) -> Strategy:
    """Put words together: a str is a fixed word, a strategy gives a word or a tuple of them."""
    strategies = [any_case(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*strategies).map(_flat)


def _flat(parts: Any) -> Words:
    if isinstance(parts, bytes):
        return (parts,)
    return tuple(word for part in parts for word in _flat(part))


def some(part: Strategy, least: int = 0, most: int = 3) -> Strategy:
    """Give a part several times."""
    return st.lists(part, min_size=least, max_size=most).map(_flat)


def options(*choices: Any, most: int = 3) -> Strategy:
    """Give some options in any order, whether they go together or not, and now and then one that is none."""
    known = [words(choice) if isinstance(choice, str) else choice for choice in choices]
    return st.one_of(st.just(()), st.one_of(*known), some(st.one_of(*known, *known, words("NOPE")), most=most))


times = (
    words("EX", durations),
    words("PX", durations),
    words("EXAT", dates_in_seconds),
    words("PXAT", dates),
    words("EX"),
)
expire_options = options("NX", "XX", "GT", "LT")
restore_options = options(
    "REPLACE",
    "ABSTTL",
    words("IDLETIME", integers),
    words("FREQ", integers),
    words("REPLACE", "FREQ", st.just(b"7")),
    words("FREQ"),
)
scan_options = options(
    words("MATCH", patterns),
    words("COUNT", integers),
    words("COUNT", st.just(b"100")),
    words("TYPE", st.sampled_from([b"string", b"hash", b"list", b"STRING", b"x"])),
)
cursors = st.sampled_from(
    [b"0", b"0", b"0", b"", b"x", b"-0", b"+0", b"00", b" 0", b"0x", b"99999999999999999999", b"1.5"]
)

STRINGS = st.one_of(
    words("SET", keys, values),
    words("SET", keys, values, options("NX", "XX", "GET", "KEEPTTL", *times, "PERSIST", most=4)),
    words("GET", keys),
    words("MSET", some(st.tuples(keys, values), 1)),
    words("MGET", some(keys, 1)),
    words("DEL", some(keys, 1)),
    words("EXISTS", some(keys, 1)),
    words("INCR", keys),
    words("DECR", keys),
    words("INCRBY", keys, integers),
    words("DECRBY", keys, integers),
    words("INCRBYFLOAT", keys, floats),
    words("APPEND", keys, values),
    words("STRLEN", keys),
    words("GETSET", keys, values),
    words("SETNX", keys, values),
    words("SETEX", keys, durations, values),
    words("PSETEX", keys, durations, values),
    words("GETDEL", keys),
    words("GETEX", keys, options(*times, "PERSIST", "KEEPTTL", "NX")),
)

GENERIC = st.one_of(
    words("EXPIRE", keys, durations, expire_options),
    words("PEXPIRE", keys, durations, expire_options),
    words("EXPIREAT", keys, dates_in_seconds, expire_options),
    words("PEXPIREAT", keys, dates, expire_options),
    words("TTL", keys),
    words("PTTL", keys),
    words("PERSIST", keys),
    words("TYPE", keys),
    words("KEYS", patterns),
    words("SCAN", cursors, scan_options),
    words("RENAME", keys, keys),
    words("UNLINK", some(keys, 1)),
    words("TOUCH", some(keys, 1)),
    words("RANDOMKEY"),
    words("DUMP", keys),
    words("RESTORE", keys, durations, payloads, restore_options),
    words("RESTORE", keys, st.just(b"0"), payloads, restore_options),
    words("RESTORE", keys, dates, payloads, "ABSTTL", restore_options),
)

HASHES = st.one_of(
    words("HSET", keys, some(st.tuples(fields, values), 1)),
    words("HMSET", keys, some(st.tuples(fields, values), 1)),
    words("DUMP", keys),
    words("HGET", keys, fields),
    words("HDEL", keys, some(fields, 1)),
    words("HEXISTS", keys, fields),
    words("HGETALL", keys),
    words("HMGET", keys, some(fields, 1)),
    words("HLEN", keys),
    words("HKEYS", keys),
    words("HVALS", keys),
    words("HINCRBY", keys, fields, integers),
    words("HSETNX", keys, fields, values),
    words("HSCAN", keys, cursors, scan_options),
)

names = st.sampled_from([b"", b"me", b"a b", b"a\n", b"\x7f", b"caf\xc3\xa9", b"!~"])
CONNECTION = st.one_of(
    words("PING", some(values, most=2)),
    words("ECHO", values),
    words("SELECT", st.one_of(st.sampled_from([b"0", b"1", b"2"]), integers)),
    words("HELLO", options(st.sampled_from([b"2", b"3", b"1", b"4", b"x", b""]), most=1)),
    words(
        "HELLO",
        st.sampled_from([b"2", b"3"]),
        options(words("AUTH", st.sampled_from([b"default", b"eve"]), values), words("SETNAME", names), words("AUTH")),
    ),
    words("AUTH", some(st.sampled_from([b"default", b"eve", b"secret"]), 1)),
    words("CLIENT", "SETNAME", names),
    words("CLIENT", "GETNAME"),
    words("CLIENT", "ID"),
    words("CLIENT", "INFO"),
    words("CLIENT", "LIST", options("ID", words("ID", integers), words("TYPE", values), words("TYPE", "NORMAL"))),
    words("CLIENT", st.sampled_from([b"NOPE", b"", b"kill", b"a\r\nb"])),
    words(
        "COMMAND",
        "INFO",
        some(st.sampled_from([b"get", b"SET", b"nope", b"config|get", b"config|nope", b"get|x", b""]), 1),
    ),
    words("COMMAND", "DOCS", st.sampled_from([b"nope", b"get"])),
    words("COMMAND", st.sampled_from([b"COUNT", b"nope"])),
    words("RESET"),
)

FIXED = (b"dir", b"dbfilename", b"rdbchecksum", b"appendfilename", b"appenddirname")
OF_FILES = (
    b"save",
    b"dbfilename",
    b"rdbcompression",
    b"rdbchecksum",
    b"stop-writes-on-bgsave-error",
    b"appendonly",
    b"appendfsync",
    b"appenddirname",
    b"appendfilename",
    b"no-appendfsync-on-rewrite",
    b"auto-aof-rewrite-percentage",
    b"auto-aof-rewrite-min-size",
    b"aof-load-truncated",
    b"aof-use-rdb-preamble",
    b"aof-timestamp-enabled",
)
NO_SAVE_POINTS = (b" 3600 1", b"3600  1", b"3600", b"3600 1 300", b"-1 1", b"0 1", b"1 -1", b"a b", b"3600\t1", b" ")

SERVER = st.one_of(
    words("DBSIZE"),
    words("FLUSHDB", options("SYNC", "ASYNC")),
    words("FLUSHALL", options("SYNC", "ASYNC")),
    words("TIME"),
    words("CONFIG", "RESETSTAT"),
    words(
        "CONFIG",
        "GET",
        some(st.sampled_from([b"timeout", b"TIMEOUT", b"databases", b"time?ut", b"nope", b"", b"tcp-keep*"]), 1),
    ),
    words("CONFIG", "GET", some(st.sampled_from([*OF_FILES, b"auto-aof-*", b"APPEND*"]), 1)),
    words("CONFIG", "SET", st.sampled_from([b"save", b"Save"]), st.sampled_from(NO_SAVE_POINTS)),
    words("CONFIG", "SET", st.sampled_from([*FIXED, *OF_FILES]), st.sampled_from([b"maybe", b"-1", b"x/y", b"1x"])),
    words("CONFIG", st.sampled_from([b"nope", b""])),
    words("INFO", some(st.sampled_from([b"server", b"ALL", b"nope", b"keyspace"]))),
)

UNKNOWN = st.one_of(words(st.sampled_from([b"FLY", b"", b"a\r\nb", b"f" * 200]), some(values, most=5)))

junk = st.sampled_from([b"NOPE", b"", b"\x00"])


@st.composite
def spoilt(draw: Any, requests: Strategy) -> Words:
    """Give a request that lacks a word, has one too many, or has one that makes no sense."""
    request: Words = draw(requests)
    place = draw(st.integers(1, len(request)))
    if draw(st.booleans()):
        return (*request[:place], draw(junk), *request[place + draw(st.integers(0, 1)) :])
    return (*request[:place], *request[place + 1 :])


def sequences(*groups: Strategy, most: int = 20) -> Strategy:
    """Give sequences of requests of some groups, the first of them much more often than the others."""
    first = groups[0]
    requests = st.one_of(*groups)
    return st.lists(st.one_of(first, first, requests, spoilt(requests)), min_size=1, max_size=most)


protocols = st.sampled_from([2, 3])

thorough = settings(max_examples=effort.examples(100))
"""At least so many examples in any profile: a request takes both servers less than a millisecond."""
