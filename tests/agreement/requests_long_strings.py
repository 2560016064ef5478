"""Generated requests on strings, many of which are so long that they are changed in place; and LCS."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import any_case, durations, integers, keys, options, some, times, values, words

LONG = 64 * 1024
"""A string that grows past this is kept in another form."""

near_long = st.integers(LONG - 3, LONG + 3)
offsets = st.one_of(
    st.one_of(near_long, st.integers(0, 20), st.integers(32_766, 32_770), st.integers(0, 140_000)).map(
        lambda number: b"%d" % number
    ),
    st.sampled_from([b"536870911", b"536870912", b"9223372036854775807", b"-1", b"x", b""]),
)
pieces = st.one_of(
    values.filter(lambda value: len(value) < 400),
    st.sampled_from([b"", b"x", b"ab" * 17_000, b"long" * 17_000, b"1"]),
    st.integers(1, 70_000).map(lambda size: b"%d" % size + b"y" * size),
)
# 512 MB less a few bytes would really be made, so what is sent at the limit is never short enough for it
writable = st.tuples(offsets, pieces).filter(lambda pair: not (pair[0] == b"536870911" and len(pair[1]) < 2))
ends = st.one_of(
    st.integers(-140_000, 140_000).map(lambda number: b"%d" % number),
    st.integers(-20, 20).map(lambda number: b"%d" % number),
    integers,
)

LONG_STRINGS = st.one_of(
    words("SETRANGE", keys, writable),
    words("SETRANGE", keys, writable),
    words("APPEND", keys, pieces),
    words("APPEND", keys, pieces),
    words("GETRANGE", keys, ends, ends),
    words("SUBSTR", keys, ends, ends),
    words("STRLEN", keys),
    words("MSETNX", some(st.tuples(keys, pieces), 1)),
    words("SETBIT", keys, st.integers(0, 1_000_000).map(lambda number: b"%d" % number), st.sampled_from([b"0", b"1"])),
)

SEEN_BY_OTHERS = st.one_of(
    words("GET", keys),
    words("MGET", some(keys, 1)),
    words("SET", keys, values, options("GET", "NX", "XX", "KEEPTTL", words("GET", "NX"))),
    words("GETSET", keys, values),
    words("GETDEL", keys),
    words("GETEX", keys, options(*times, "PERSIST")),
    words("INCR", keys),
    words("DECRBY", keys, integers),
    words("INCRBYFLOAT", keys, integers),
    words("SETNX", keys, values),
    words("MSET", some(st.tuples(keys, values), 1)),
    words("BITOP", st.one_of(*map(any_case, ("AND", "OR", "XOR"))), keys, some(keys, 1)),
    words("BITOP", "NOT", keys, keys),
    words("BITCOUNT", keys, st.one_of(st.just(()), st.tuples(ends, ends))),
    words("BITPOS", keys, st.sampled_from([b"0", b"1"]), st.one_of(st.just(()), ends, st.tuples(ends, ends))),
    words("PFADD", keys, values),
    words("PFCOUNT", some(keys, 1)),
    words("PFMERGE", some(keys, 1)),
    words("DUMP", keys),
    words("COPY", keys, keys, options("REPLACE", words("DB", st.just(b"1")))),
    words("MOVE", keys, st.just(b"1")),
    words("RENAME", keys, keys),
    words("RENAMENX", keys, keys),
    words("OBJECT", "ENCODING", keys),
    words("OBJECT", "REFCOUNT", keys),
    words("TYPE", keys),
    words("EXPIRE", keys, durations),
    words("PERSIST", keys),
    words("DEL", some(keys, 1)),
    words("HSET", keys, values, values),
    words("RPUSH", keys, some(st.sampled_from([b"a", b"b", b"c"]), 1)),
    words("SORT", keys, st.sampled_from([(), (b"BY", b"*")]), "ALPHA", some(st.sampled_from([b"GET", b"*"]), most=0)),
    words("SORT", keys, "BY", st.just(b"*"), "ALPHA", "GET", st.just(b"*"), "GET", st.just(b"#")),
    words("DEBUG", "DIGEST-VALUE", some(keys, 1)),
    words("LCS", keys, keys, "NOPE"),
    words("HGET", keys, values),
    words("ZADD", keys, integers, values),
)

letters = st.one_of(
    st.text("ab", max_size=30), st.text("abcd", max_size=60), st.text("abc\xff\x00", max_size=80), st.text(max_size=20)
).map(lambda text: text.encode())
lcs_options = options(
    "IDX",
    "LEN",
    "WITHMATCHLEN",
    words("IDX", "WITHMATCHLEN"),
    words("MINMATCHLEN", integers),
    words("IDX", "MINMATCHLEN", st.integers(-1, 6).map(lambda number: b"%d" % number)),
    words("MINMATCHLEN"),
    most=4,
)

SUBSEQUENCES = st.one_of(
    words("SET", keys, letters),
    words("SET", keys, letters),
    words("LCS", keys, keys, lcs_options),
    words("LCS", keys, keys, lcs_options),
    words("LCS", keys, keys),
    words("LCS", keys, keys, "IDX"),
    words("MSET", st.just(b"a"), letters, st.just(b"b"), letters),
    words("RPUSH", keys, values),
    words("DEL", keys),
)
