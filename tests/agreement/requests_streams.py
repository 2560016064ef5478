"""Generated requests about streams, their groups and what is known of them."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import FAR, integers, keys, options, some, values, words

LAST = b"18446744073709551615"

numbers = st.one_of(
    st.integers(0, 9).map(lambda number: b"%d" % number),
    st.sampled_from([b"0", b"1", b"2", b"3", b"1", b"2", LAST, b"18446744073709551614", b"9223372036854775808"]),
    st.sampled_from([b"18446744073709551616", b"", b"007", b"+5", b" 5", b"-05", b"-5", b"-0", b"5 ", b"x", b"5\x001"]),
)
plain_ids = st.one_of(st.integers(1, 8).map(lambda number: b"%d" % number), st.sampled_from([b"1-1", b"2-1", b"2-2"]))
ids = st.one_of(
    plain_ids,
    plain_ids,
    st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda parts: b"%d-%d" % parts),
    st.tuples(numbers, numbers).map(b"-".join),
    numbers,
    st.sampled_from([b"0", b"0-0", b"-", b"+", b"$", b">", b"*", b"5-", b"-5", b"5-*", b"1-1-1", b"(1", b"1" * 128]),
    st.sampled_from([LAST + b"-" + LAST, b"%d000" % FAR, b"%d000-%b" % (FAR, LAST)]),
)
new_ids = st.one_of(
    st.integers(1, 30).map(lambda number: b"%d" % number),
    st.integers(1, 9).map(lambda number: b"%d-*" % number),
    st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda parts: b"%d-%d" % parts),
    ids,
    st.just(b"*"),
)
bounds = st.one_of(st.sampled_from([b"-", b"+", b"-", b"+"]), ids, ids.map(lambda word: b"(" + word))
group_names = st.sampled_from([b"g", b"g", b"h", b"", b"k\r\n\x00\xff"])
consumer_names = st.sampled_from([b"x", b"y", b"", b"z\x00\n"])
names = st.sampled_from([b"f", b"g", b"", b"5", b"field"])
pairs = some(st.tuples(names, st.one_of(st.just(b"v"), values)), 1)
counts = st.one_of(st.integers(0, 5).map(lambda number: b"%d" % number), integers)
idle_times = st.sampled_from([b"0", b"0", b"0", b"100000", b"5000000", b"-1", b"x", b"9223372036854775807"])
"""Least idle times that do not depend on how fast a test runs."""

limits = words("LIMIT", counts)
trims = (
    words("MAXLEN", counts),
    words("MAXLEN", st.sampled_from([b"=", b"~"]), counts),
    words("MINID", ids),
    words("MINID", st.sampled_from([b"=", b"~"]), ids),
    words("MAXLEN", st.just(b"~"), counts, limits),
    limits,
    words("MAXLEN"),
    words("MAXLEN", st.just(b"~")),
)
one_trim = st.one_of(*trims[:5])

ENTRIES = st.one_of(
    words("XADD", keys, new_ids, pairs),
    words("XADD", keys, st.integers(1, 30).map(lambda number: b"%d" % number), pairs),
    words("XADD", keys, options("NOMKSTREAM", one_trim, *trims), new_ids, pairs),
    words("XTRIM", keys, options(one_trim, one_trim, *trims)),
    words("XTRIM", keys, one_trim),
    words("XDEL", keys, some(plain_ids, 1)),
    words("XDEL", keys, some(ids, 1)),
    words("XLEN", keys),
    words("XRANGE", keys, bounds, bounds, options(words("COUNT", counts))),
    words("XREVRANGE", keys, bounds, bounds, options(words("COUNT", counts))),
    words("XSETID", keys, ids, options(words("ENTRIESADDED", counts), words("MAXDELETEDID", ids), "ENTRIESADDED")),
    words("XREAD", options(words("COUNT", counts), "NOACK"), "STREAMS", keys, ids),
    words("XREAD", options(words("COUNT", counts)), "STREAMS", keys, keys, ids, ids),
    words("XREAD", options(words("BLOCK", st.sampled_from([b"1", b"-1", b"x"]))), "STREAMS", keys, ids),
)

_read_ids = st.one_of(st.just(b">"), st.just(b">"), st.just(b"0"), ids)
_claim_options = options(
    "FORCE",
    "JUSTID",
    words("IDLE", st.sampled_from([b"1000000", b"10000000", b"x", b"-1", b"0"])),
    words("TIME", st.sampled_from([b"1", b"1000000", b"0", b"-1", b"x", b"%d000" % FAR])),
    words("RETRYCOUNT", counts),
    words("LASTID", ids),
    "LASTID",
)

GROUPS = st.one_of(
    words("XGROUP", "CREATE", keys, group_names, st.sampled_from([b"0", b"$"])),
    words("XGROUP", "CREATE", keys, group_names, st.sampled_from([b"0", b"$"]), "MKSTREAM"),
    words("XGROUP", "CREATE", keys, group_names, ids, options("MKSTREAM", words("ENTRIESREAD", counts))),
    words("XGROUP", "SETID", keys, group_names, ids, options(words("ENTRIESREAD", counts))),
    words("XGROUP", "DESTROY", keys, group_names),
    words("XGROUP", "CREATECONSUMER", keys, group_names, consumer_names),
    words("XGROUP", "DELCONSUMER", keys, group_names, consumer_names),
    words("XREADGROUP", "GROUP", group_names, consumer_names, "STREAMS", keys, _read_ids),
    words("XREADGROUP", "GROUP", group_names, consumer_names, "STREAMS", keys, st.just(b">")),
    words(
        "XREADGROUP",
        "GROUP",
        group_names,
        consumer_names,
        options("NOACK", words("COUNT", counts), words("BLOCK", st.just(b"1"))),
        "STREAMS",
        st.one_of(st.tuples(keys, _read_ids), st.tuples(keys, keys, _read_ids, _read_ids)),
    ),
    words("XACK", keys, group_names, some(plain_ids, 1)),
    words("XACK", keys, group_names, some(ids, 1)),
    words("XPENDING", keys, group_names),
    words("XPENDING", keys, group_names, bounds, bounds, counts, some(consumer_names, most=1)),
    words("XPENDING", keys, group_names, st.just(b"-"), st.just(b"+"), st.just(b"9")),
    words("XPENDING", keys, group_names, "IDLE", idle_times, bounds, bounds, counts, some(consumer_names, most=2)),
    words("XCLAIM", keys, group_names, consumer_names, idle_times, some(plain_ids, 1), _claim_options),
    words("XCLAIM", keys, group_names, consumer_names, st.just(b"0"), some(plain_ids, 1), "FORCE", _claim_options),
    words("XCLAIM", keys, group_names, consumer_names, idle_times, some(ids, 1), _claim_options),
    words("XAUTOCLAIM", keys, group_names, consumer_names, idle_times, st.one_of(bounds, st.just(b"0"))),
    words(
        "XAUTOCLAIM", keys, group_names, consumer_names, idle_times, bounds, options("JUSTID", words("COUNT", counts))
    ),
)

INFO = st.one_of(
    words("XINFO", "STREAM", keys, options("FULL", words("FULL", "COUNT", counts), words("COUNT", counts))),
    words("XINFO", "STREAM", keys, "FULL"),
    words("XINFO", "GROUPS", keys),
    words("XINFO", "CONSUMERS", keys, group_names),
)

OTHERS = st.one_of(
    words("DEL", keys),
    words("EXPIRE", keys, st.sampled_from([b"1000000", b"0"])),
    words("RENAME", keys, keys),
    words("COPY", keys, keys, options("REPLACE")),
    words("TYPE", keys),
    words("OBJECT", "ENCODING", keys),
    words("SET", keys, values),
    words("DEBUG", "DIGEST-VALUE", keys),
)
