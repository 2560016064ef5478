"""Generated requests about sorted sets."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import options, some, words
from .requests_sets import (
    counts,
    cursors,
    drawn_counts,
    few_or_many,
    keys,
    members,
    numbers_of_keys,
    scan_options,
    some_members,
)

PLAIN_SCORES = b"""0 1 -1 2 3 5 -0 0.0 -0.0 1.5 -1.5 .5 5. 1e5 3.0e3 0.1 0.2 0.3 inf -inf +inf infinity -Infinity 0x10
0x1p-3 -0x1p4 1e308 1.7976931348623157e308 -1e308 5e-324 2.2250738585072014e-308 123456789012345678 9007199254740993
0.1234567890123456789 3.141592653589793 1e17 1e16 100000000000000000000 4503599627370496 4503599627370497
9223372036854775807 9223372036854775808 1e22 1e23 +7 007""".split()
ODD_SCORES = (
    *b"nan -nan nan(1) 1e309 -1e309 1e-400 5e-325 0x 0x1p5000 abc (1 [1 1_0 1e e1 . - + -- infinit".split(),
    b"",
    b" 1",
    b"\t1",
    b"1 ",
    b"1\n",
    b"1\x00",
    b"\x00",
    b" \x00",
    b"0" * 400 + b"1",
)
ODD_BOUNDS = (b"(", b"(inf", b"(-inf", b"((1", b"( 1", b"()", b"(1e309", b" ", b"( ", b"(nan")
TEXT_BOUNDS = (*b"- + [a (a [b (b [c [ ( [1 (1 [2 [z (zz a -a +a [f (x".split(), b"", b"+\x00", b"-\x00x", b"[\x00\xff")
OPTIONS = ("NX", "XX", "GT", "LT", "CH", "INCR")

plain_scores = st.one_of(
    st.sampled_from(PLAIN_SCORES),
    st.integers(-3, 9).map(lambda number: b"%d" % number),
    st.floats(-100, 100).map(lambda number: repr(number).encode()),
)
few_scores = st.sampled_from([b"0", b"-0", b"1", b"-1", b"2", b"0.1", b"inf", b"-inf", b"1e308", b"3"])
finite_scores = st.integers(-3, 3).map(lambda number: b"%d" % number)
scores = st.one_of(plain_scores, plain_scores, plain_scores, plain_scores, st.sampled_from(ODD_SCORES))
pairs = st.tuples(plain_scores, members)
score_bounds = st.one_of(
    finite_scores,
    st.sampled_from([b"-inf", b"+inf", b"(0", b"(1"]),
    plain_scores,
    plain_scores.map(lambda score: b"(" + score),
    st.sampled_from(ODD_SCORES),
    st.sampled_from(ODD_BOUNDS),
)
text_bounds = st.one_of(st.sampled_from([b"-", b"+"]), st.sampled_from(TEXT_BOUNDS))
any_bounds = st.one_of(counts, score_bounds, text_bounds)
limits = st.one_of(words("LIMIT", counts, counts), words("LIMIT", counts), words("LIMIT", st.just((b"0", b"-1"))))
range_options = options("BYSCORE", "BYLEX", "REV", "WITHSCORES", limits, most=4)

many_of_equal_scores = few_or_many.map(
    lambda count: tuple(word for number in range(min(count, 129)) for word in (b"0", b"m%03d" % number))
)
many_of_unequal_scores = few_or_many.map(
    lambda count: tuple(word for number in range(min(count, 129)) for word in (b"%d" % (number % 9), b"%d" % number))
)

weights = some(st.one_of(st.sampled_from([b"0", b"1", b"2", b"-1", b"0.1", b"inf", b"-inf", b"-0", b"1e308"]), scores))
joined = options(
    words("WEIGHTS", weights),
    words("WEIGHTS", weights),
    words("AGGREGATE", st.sampled_from([b"SUM", b"min", b"MAX", b"avg"])),
    "WITHSCORES",
    words("LIMIT", counts),
    "AGGREGATE",
    most=4,
)
matched = st.integers(1, 3).flatmap(
    lambda count: words(
        st.just(b"%d" % count),
        some(keys, count, count),
        st.one_of(st.just(()), words("WEIGHTS", some(few_scores, count, count))),
        st.one_of(st.just(()), words("AGGREGATE", st.sampled_from([b"SUM", b"MIN", b"MAX"]))),
        st.one_of(st.just(()), words("WITHSCORES")),
    )
)
operands = st.one_of(words(numbers_of_keys, some(keys, 1), joined), matched, matched)
popped = st.sampled_from([b"ZPOPMIN", b"ZPOPMAX", b"zpopmin"])
times = st.sampled_from([b"0.001", b"0.001", b"1", b"-1", b"abc", b"", b"nan", b"inf", b"1e300", b"0x1"])
which_end = st.sampled_from([b"MIN", b"max", b"MAX", b"MID", b"COUNT"])
pop_options = options(words("COUNT", counts), "COUNT")
small_numbers_of_keys = st.sampled_from(
    [b"1", b"1", b"2", b"3", b"0", b"-1", b"x", b"", b"1.0", b"99999999999999999999"]
)

ADDING = st.one_of(
    words("ZADD", keys, some(pairs, 1, 5)),
    words("ZADD", keys, some(st.tuples(few_scores, st.sampled_from([b"a", b"b", b"c", b"1", b"y" * 65])), 2, 9)),
    words("ZADD", keys, some(st.tuples(finite_scores, some_members.map(lambda some: some[0])), 1, 8)),
    words("ZADD", keys, options(*OPTIONS, most=4), some(st.tuples(scores, members), 1, 3)),
    words("ZADD", keys, options(*OPTIONS, most=3), scores, members),
    words("ZADD", keys, many_of_equal_scores),
    words("ZADD", keys, many_of_unequal_scores),
    words("ZINCRBY", keys, scores, members),
    words("SADD", keys, some_members),
)

SORTED_SETS = st.one_of(
    words("ZREM", keys, some_members),
    words("ZCARD", keys),
    words("ZSCORE", keys, members),
    words("ZMSCORE", keys, some_members),
    words(st.sampled_from([b"ZRANK", b"ZREVRANK"]), keys, members),
    words("ZRANDMEMBER", keys),
    words("ZRANDMEMBER", keys, drawn_counts, options("WITHSCORES")),
    words("ZSCAN", keys, cursors, scan_options),
    words(popped, keys, options(counts, most=1)),
    words("ZMPOP", small_numbers_of_keys, some(keys, 1, 2), which_end, pop_options),
    words("BZMPOP", times, small_numbers_of_keys, some(keys, 1, 2), which_end, pop_options),
    words(st.sampled_from([b"BZPOPMIN", b"BZPOPMAX"]), some(keys, 1), times),
)

RANGES = st.one_of(
    words("ZRANGE", keys, counts, counts, range_options),
    words("ZRANGE", keys, any_bounds, any_bounds, range_options),
    words("ZRANGE", keys, score_bounds, score_bounds, "BYSCORE", range_options),
    words("ZRANGE", keys, text_bounds, text_bounds, "BYLEX", range_options),
    words("ZREVRANGE", keys, counts, counts, range_options),
    words(st.sampled_from([b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE"]), keys, score_bounds, score_bounds, range_options),
    words(st.sampled_from([b"ZRANGEBYLEX", b"ZREVRANGEBYLEX"]), keys, text_bounds, text_bounds, range_options),
    words("ZRANGESTORE", keys, keys, any_bounds, any_bounds, range_options),
    words("ZRANGESTORE", keys, keys, counts, counts),
    words("ZCOUNT", keys, score_bounds, score_bounds),
    words("ZLEXCOUNT", keys, text_bounds, text_bounds),
    words("ZREMRANGEBYRANK", keys, counts, counts),
    words("ZREMRANGEBYSCORE", keys, score_bounds, score_bounds),
    words("ZREMRANGEBYLEX", keys, text_bounds, text_bounds),
)

OPERATIONS = st.one_of(
    words(st.sampled_from([b"ZUNION", b"ZINTER", b"ZDIFF", b"ZINTERCARD"]), operands),
    words(st.sampled_from([b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE"]), keys, operands),
)
