"""Generated requests about sets."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import FAR, Strategy, any_case, integers, options, patterns, some, words

KEYS = (*[b"a", b"b"] * 4, *[b"c"] * 2, b"n", b"s", b"k\r\n\x00\xff")
"""Names of keys, some of them more often than others: `s` holds a string most of the time."""
MEMBERS = (
    *b"a b c 1 2 3 -5 10 007 +1 -0 9223372036854775807 -9223372036854775808 9223372036854775808".split(),
    b"",
    b" 1",
    b"\x00\xff\r\n",
    b"f",
    b"*",
    b"x" * 64,
    b"y" * 65,
)

_NEVER_ENDING = [b"%d" % (more - 2**63) for more in (1, 2)]
"""Redis draws so many members before it answers."""

keys = st.sampled_from(KEYS)
members = st.sampled_from(MEMBERS)
numbers = st.integers(-4, 12).map(lambda number: b"%d" % number)
some_members = st.one_of(some(members, 1, 5), some(numbers, 1, 8))
counts = st.one_of(st.integers(-3, 6).map(lambda number: b"%d" % number), integers)
drawn_counts = counts.filter(lambda word: word not in _NEVER_ENDING)
cursors = st.sampled_from([b"0", b"0", b"0", b"", b"x", b"-0", b"00", b"99999999999999999999", b"1.5"])
scan_options = options(
    words("MATCH", patterns), words("COUNT", integers), words("COUNT", st.just(b"2")), words("TYPE", "SET")
)
numbers_of_keys = st.one_of(st.sampled_from([b"1", b"2", b"2", b"3"]), counts)

few_or_many = st.sampled_from([2, 127, 128, 129, 511, 512, 513])
many_numbers = few_or_many.map(lambda count: tuple(b"%d" % (number * 7 % 1000) for number in range(count)))

SETS = st.one_of(
    words("SADD", keys, some_members),
    words("SADD", keys, some_members),
    words("SADD", keys, some_members),
    words("SADD", keys, many_numbers),
    words("SREM", keys, some_members),
    words("SREM", keys, many_numbers),
    words("SMOVE", keys, keys, members),
    words("SISMEMBER", keys, members),
    words("SMISMEMBER", keys, some_members),
    words("SCARD", keys),
    words("SMEMBERS", keys),
    words("SPOP", keys),
    words("SPOP", keys, counts),
    words("SRANDMEMBER", keys),
    words("SRANDMEMBER", keys, drawn_counts),
    words("SSCAN", keys, cursors, scan_options),
    words(st.sampled_from([b"SINTER", b"SUNION", b"SDIFF", b"sdiff"]), some(keys, 1, 4)),
    words(st.sampled_from([b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"]), keys, some(keys, 1, 4)),
    words("SINTERCARD", numbers_of_keys, some(keys, 1), options(words("LIMIT", counts), "LIMIT")),
)


def around(keys: Strategy) -> Strategy:
    """Give requests that are about keys of any type."""
    return st.one_of(
        words("DEL", keys),
        words("EXPIREAT", keys, st.just(b"%d" % FAR)),
        words("PERSIST", keys),
        words("RENAME", keys, keys),
        words("COPY", keys, keys, options("REPLACE", most=1)),
        words("TYPE", keys),
        words("OBJECT", "ENCODING", keys),
        words("SET", st.one_of(st.just(b"s"), keys), members),
        words("GET", keys),
        words(any_case("HSET"), st.just(b"s"), members, members),
    )
