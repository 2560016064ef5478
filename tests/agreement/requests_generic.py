"""What is asked of keys whatever they hold: COPY, MOVE, SWAPDB, times, OBJECT, SORT; and a value of each type."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import any_case, integers, options, some, words

keys = st.sampled_from([b"a", b"b", b"c", b"", b"w_1"])
databases = st.one_of(st.sampled_from([b"0", b"0", b"1", b"1", b"2"]), integers)
small = st.sampled_from([b"1", b"2", b"3", b"10", b"-1", b"1.5"])
members = st.one_of(small, small, st.sampled_from([b"x", b"", b"inf", b"nan", b"1e5", b" 1", b"0x10", b"1e400", b"-0"]))
weights = st.sampled_from([b"w_*", b"w_*->f", b"*", b"#", b"nosort", b"", b"w_*->", b"w_**", b"h->*", b"*->f->g"])

VALUES_IN_ORDER = st.one_of(
    words("SET", keys, members),
    words("SET", st.sampled_from([b"w_1", b"w_2", b"w_3", b"w_10", b"w_x"]), members),
    words("HSET", st.sampled_from([b"w_1", b"w_2", b"w_3", b"a"]), st.just(b"f"), members),
    words("RPUSH", keys, some(members, 1, 6)),
    words("RPUSH", keys, some(small, 1, 6)),
    words("SADD", keys, some(st.sampled_from([b"1", b"10", b"-1"]), 1, 4)),
    words("SADD", keys, some(st.sampled_from([b"1", b"2", b"3"]), 1, 3)),
    words("XADD", keys, st.sampled_from([b"1-1", b"2-2"]), st.just(b"f"), members),
)
"""Values whose members Redis walks over in an order that is known: so equals come in that order from SORT."""
VALUES = st.one_of(
    VALUES_IN_ORDER, words("ZADD", keys, some(st.tuples(st.sampled_from([b"1", b"2", b"3"]), small), 1, 4))
)

KEYS_OF_ANY_TYPE = st.one_of(
    words("COPY", keys, keys, options("REPLACE", words("DB", databases), words("DB"))),
    words("COPY", keys, keys, "REPLACE"),
    words("MOVE", keys, databases),
    words("RENAME", keys, keys),
    words("RENAMENX", keys, keys),
    words("SWAPDB", databases, databases),
    words("SELECT", st.sampled_from([b"0", b"1", b"2"])),
    words("EXPIRETIME", keys),
    words("PEXPIRETIME", keys),
    words("PEXPIREAT", keys, st.sampled_from([b"4102444800499", b"4102444800500", b"1", b"9223372036854775807"])),
    words("PERSIST", keys),
    words("DEL", some(keys, 1)),
    words("TYPE", keys),
    words("OBJECT", st.sampled_from([b"ENCODING", b"REFCOUNT", b"FREQ", b"encoding", b"NOPE"]), keys),
    words("OBJECT", some(keys)),
    words("MEMORY", "USAGE", st.just(b"nope"), options(words("SAMPLES", integers), words("SAMPLES"))),
    words("DEBUG", "DIGEST-VALUE", some(keys)),
    words("DEBUG", "DIGEST"),
    words("DEBUG", "RELOAD"),
    words("DEBUG", st.sampled_from([b"NOPE", b"SLEEP", b"OBJECT", b"SET-ACTIVE-EXPIRE"])),
    words("DEBUG", "QUICKLIST-PACKED-THRESHOLD", st.sampled_from([b"100mb", b"1x", b"5gb", b"0", b"", b"-1", b"4gb"])),
    words("DBSIZE"),
)

SORT_OPTIONS = options(
    words("BY", weights),
    words("BY", weights),
    words("GET", weights),
    words("GET", weights, "GET", weights),
    words("LIMIT", integers, integers),
    words("LIMIT", st.sampled_from([b"0", b"1", b"-1"]), st.sampled_from([b"0", b"1", b"2", b"-1"])),
    "ASC",
    "DESC",
    "DESC",
    "ALPHA",
    "ALPHA",
    words("STORE", keys),
    words("LIMIT"),
    words("BY"),
    most=5,
)
SORTS = st.one_of(
    words("SORT", keys, SORT_OPTIONS),
    words("SORT", keys, "ALPHA", SORT_OPTIONS),
    words("SORT_RO", keys, SORT_OPTIONS),
    words("SORT", keys, "STORE", keys, SORT_OPTIONS),
    words(any_case("LRANGE"), keys, st.just(b"0"), st.just(b"-1")),
)
