"""Generated requests on the bits of strings, and on their parts."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import Strategy, any_case, durations, integers, keys, options, some, words

BITS = (
    b"\x00",
    b"\xff",
    b"\x00\x00\x01",
    b"\xff\xff\xfe",
    b"\x80",
    b"foobar",
    b"\xff" * 300,
    b"\x00" * 300,
    b"",
    b"12",
)
LIMIT = 512 * 1024 * 1024 * 8
"""Bits of the longest string."""

contents = st.one_of(st.sampled_from(BITS), st.binary(max_size=12))
few = st.integers(-40, 100).map(lambda number: b"%d" % number)
ranges = st.one_of(few, few, few, integers, st.integers(-600_000, 600_000).map(lambda number: b"%d" % number))
bits = st.sampled_from([b"0", b"1", b"0", b"1", b"0", b"1", b"2", b"-1", b"", b"01", b"x", b"4294967296", b"1\x00"])
past_all = st.sampled_from(
    [b"%d" % LIMIT, b"%d" % (LIMIT + 1), b"-1", b"4294967296000", b"9223372036854775807", b"9223372036854775808"]
)
places = st.one_of(
    st.integers(0, 300).map(lambda number: b"%d" % number),
    st.integers(0, 300).map(lambda number: b"%d" % number),
    st.integers(520_000, 540_000).map(lambda number: b"%d" % number),
    past_all,
    integers.filter(lambda word: not word.isdigit() or int(word) < 1_000_000),
)
offsets = st.one_of(
    places,
    st.integers(0, 20).map(lambda number: b"#%d" % number),
    st.sampled_from([b"#", b"#-1", b"##1", b"# 1", b"#x", b"#01", b"#9223372036854775807", b"#4294967296"]),
)
widths = st.one_of(
    st.integers(1, 64).map(lambda number: b"i%d" % number),
    st.integers(1, 63).map(lambda number: b"u%d" % number),
    st.sampled_from([b"u8", b"i8", b"u1", b"i1", b"u63", b"i64", b"i63"]),
    st.sampled_from([b"u64", b"i65", b"i0", b"u0", b"i-1", b"I8", b"8", b"i", b"", b"u 8", b"u08", b"i8\x00"]),
)
edges = st.builds(
    lambda power, sign, more: b"%d" % max(-(2**63), min(2**63 - 1, sign * 2**power + more)),
    st.integers(0, 63),
    st.sampled_from([1, -1]),
    st.integers(-2, 2),
)
numbers = st.one_of(edges, edges, few, integers)
modes = words("OVERFLOW", st.one_of(*map(any_case, ("WRAP", "SAT", "FAIL", "SAT", "FAIL")), st.just(b"NOPE")))
get = words("GET", widths, offsets)
field_requests = st.one_of(
    get, words("SET", widths, offsets, numbers), words("INCRBY", widths, offsets, numbers), modes, words("NOPE")
)
good_widths = st.one_of(
    st.integers(1, 64).map(lambda number: b"i%d" % number), st.integers(1, 63).map(lambda number: b"u%d" % number)
)
good_offsets = st.one_of(
    st.integers(0, 200).map(lambda number: b"%d" % number), st.integers(0, 9).map(lambda number: b"#%d" % number)
)
good_modes = words("OVERFLOW", st.one_of(*map(any_case, ("WRAP", "SAT", "FAIL"))))
good_fields = st.one_of(
    words("GET", good_widths, good_offsets),
    words("SET", good_widths, good_offsets, edges),
    words("INCRBY", good_widths, good_offsets, edges),
    words("INCRBY", good_widths, good_offsets, edges),
    good_modes,
)
units = st.one_of(any_case("BIT"), any_case("BYTE"), any_case("BIT"), st.sampled_from([b"", b"NOPE", b"bit\x00"]))
range_words: Strategy = st.one_of(
    st.just(()), ranges, st.tuples(ranges, ranges), st.tuples(ranges, ranges, units), st.tuples(ranges, ranges, units)
)
operations = st.one_of(*map(any_case, ("AND", "OR", "XOR", "NOT", "NOPE")))

BITMAPS = st.one_of(
    words("SETBIT", keys, places, bits),
    words("GETBIT", keys, places),
    words("BITCOUNT", keys, range_words),
    words("BITCOUNT", keys, range_words),
    words("BITPOS", keys, bits, range_words),
    words("BITPOS", keys, bits, range_words),
    words("BITOP", operations, keys, some(keys, 1)),
    words("BITFIELD", keys, some(good_fields, most=6)),
    words("BITFIELD", keys, some(field_requests, most=5)),
    words("BITFIELD_RO", keys, some(words("GET", good_widths, good_offsets), most=4)),
    words("BITFIELD_RO", keys, some(st.one_of(get, get, field_requests), most=4)),
    words("SET", keys, contents),
)

OTHERS = st.one_of(
    words("SETRANGE", keys, st.sampled_from([b"0", b"5", b"65530", b"70000"]), contents),
    words("GETRANGE", keys, ranges, ranges),
    words("APPEND", keys, contents),
    words("STRLEN", keys),
    words("GET", keys),
    words("DEL", keys),
    words("EXPIRE", keys, durations),
    words("RENAME", keys, keys),
    words("COPY", keys, keys, options("REPLACE")),
    words("TYPE", keys),
    words("OBJECT", "ENCODING", keys),
    words("RPUSH", keys, contents),
    words("INCR", keys),
)
