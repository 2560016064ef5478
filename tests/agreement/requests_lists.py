"""Generated requests on lists: every command, with options that go together and options that do not."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import expire_options, integers, keys, options, some, values, words

elements = st.sampled_from([b"a", b"b", b"c", b"", b"1", b"-5", b"x" * 70, b"\x00\xff\r\n"])
places = st.one_of(st.integers(-6, 6).map(lambda place: b"%d" % place), integers)
counts = st.one_of(st.integers(-4, 4).map(lambda count: b"%d" % count), integers)
sides = st.sampled_from([b"LEFT", b"RIGHT", b"left", b"Right", b"UP", b"", b"LEFT\x00"])
ends = st.sampled_from([b"LEFT", b"RIGHT", b"LEFT", b"RIGHT", b"left"])
timeouts = st.sampled_from([b"0.001", b"1e-3", b"0x1p-10", b"-1", b"x", b"", b"inf", b"9223372036854775808", b" 1"])
numbered = st.one_of(
    some(keys, 1).map(lambda found: (b"%d" % len(found), *found)),
    st.tuples(integers, some(keys, 1)).map(lambda pair: (pair[0], *pair[1])),
)

LISTS = st.one_of(
    words("LPUSH", keys, some(elements, 1, 5)),
    words("RPUSH", keys, some(elements, 1, 5)),
    words("RPUSH", keys, some(elements, 1, 5)),
    words("LPUSHX", keys, some(elements, 1)),
    words("RPUSHX", keys, some(elements, 1)),
    words("LINSERT", keys, st.sampled_from([b"BEFORE", b"AFTER", b"before", b"NEAR"]), elements, elements),
    words("LLEN", keys),
    words("LINDEX", keys, places),
    words("LSET", keys, places, elements),
    words("LRANGE", keys, places, places),
    words("LTRIM", keys, places, places),
    words("LREM", keys, counts, elements),
    words(
        "LPOS",
        keys,
        elements,
        options(words("RANK", counts), words("COUNT", counts), words("MAXLEN", counts), words("RANK")),
    ),
    words("LPOP", keys),
    words("RPOP", keys),
    words("LPOP", keys, counts),
    words("RPOP", keys, counts),
    words("LMOVE", keys, keys, ends, ends),
    words("LMOVE", keys, keys, sides, sides),
    words("RPOPLPUSH", keys, keys),
    words("LMPOP", numbered, ends, options(words("COUNT", counts))),
    words("LMPOP", numbered, sides, options(words("COUNT", counts))),
    words("BLPOP", some(keys, 1), timeouts),
    words("BRPOP", some(keys, 1), timeouts),
    words("BLMOVE", keys, keys, sides, ends, timeouts),
    words("BRPOPLPUSH", keys, keys, timeouts),
    words("BLMPOP", timeouts, numbered, sides, options(words("COUNT", counts))),
)
"""Blocking ones wait for a millisecond at most."""

AROUND = st.one_of(
    words("DEL", some(keys, 1)),
    words("SET", keys, values),
    words("HSET", keys, elements, elements),
    words("RENAME", keys, keys),
    words("COPY", keys, keys, options("REPLACE")),
    words("TYPE", keys),
    words("EXISTS", keys),
    words("EXPIRE", keys, st.sampled_from([b"100000", b"0"]), expire_options),
    words("OBJECT", "ENCODING", keys),
    words("DEBUG", "DIGEST-VALUE", some(keys, 1)),
    words("SORT", keys, "ALPHA", options("DESC", words("LIMIT", counts, counts), words("STORE", keys))),
)
