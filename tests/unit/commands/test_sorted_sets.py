"""Commands on values that are sorted sets: members and scores, one set at a time."""

from __future__ import annotations

import math
from typing import Any

import pytest

from twisted_kv.commands.counts import MOST_DRAWN
from twisted_kv.testing import MemoryCache, MemoryConnection
from twisted_kv.values.packing import DEFAULTS
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NO_FLOAT = "ERR value is not a valid float"
NO_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"
LEAST = -(2**63)


@pytest.fixture
def client(cache: MemoryCache) -> MemoryConnection:
    """A client that speaks RESP2, in which scores are texts."""
    return cache.connect()


def refusal(client: MemoryConnection, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        client.call(*words)
    return str(caught.value)


def scores(client: MemoryConnection, key: str) -> list[bytes]:
    """Give members and scores, in order."""
    found: list[bytes] = client.call("ZRANGE", key, 0, -1, "WITHSCORES")
    return found


def test_members_are_added_and_told_how_many_are_new(client: MemoryConnection) -> None:
    assert client.call("ZADD", "z", 1, "a", 2, "b", 3, "a") == 2
    assert client.call("ZADD", "z", 1, "a", 0, "c") == 1
    assert scores(client, "z") == [b"c", b"0", b"a", b"1", b"b", b"2"]
    assert client.call("ZCARD", "z") == 3


def test_members_of_one_score_are_in_the_order_of_their_bytes(client: MemoryConnection) -> None:
    client.call("ZADD", "z", 0, "b", 0, "", 0, "\xff", 0, "ab", 0, "a")
    assert client.call("ZRANGE", "z", 0, -1) == [b"", b"a", b"ab", b"b", "\xff".encode()]


@pytest.mark.parametrize(
    ("options", "reply", "left"),
    [
        ((), 1, [b"n", b"1", b"low", b"2", b"high", b"3"]),
        (("NX",), 1, [b"low", b"1", b"n", b"1", b"high", b"5"]),
        (("XX",), 0, [b"low", b"2", b"high", b"3"]),
        (("GT",), 1, [b"n", b"1", b"low", b"2", b"high", b"5"]),
        (("LT",), 1, [b"low", b"1", b"n", b"1", b"high", b"3"]),
        (("CH",), 3, [b"n", b"1", b"low", b"2", b"high", b"3"]),
        (("xx", "gt", "ch"), 1, [b"low", b"2", b"high", b"5"]),
        (("CH", "LT", "XX"), 1, [b"low", b"1", b"high", b"3"]),
    ],
)
def test_options_say_which_scores_are_set(
    client: MemoryConnection, options: Any, reply: int, left: list[bytes]
) -> None:
    client.call("ZADD", "z", 1, "low", 5, "high")
    assert client.call("ZADD", "z", *options, 2, "low", 3, "high", 1, "n") == reply
    assert scores(client, "z") == left


@pytest.mark.parametrize(
    ("options", "increment", "member", "reply"),
    [
        ((), 2, "a", b"7"),
        ((), -2.5, "a", b"2.5"),
        ((), 3, "new", b"3"),
        (("NX",), 1, "a", None),
        (("NX",), 1, "new", b"1"),
        (("XX",), 1, "a", b"6"),
        (("XX",), 1, "new", None),
        (("GT",), -1, "a", None),
        (("GT",), 1, "a", b"6"),
        (("LT",), 1, "a", None),
        (("LT",), 0, "a", None),
        (("LT",), -1, "a", b"4"),
    ],
)
def test_a_score_is_added_to(client: MemoryConnection, options: Any, increment: Any, member: str, reply: Any) -> None:
    client.call("ZADD", "z", 5, "a")
    assert client.call("ZADD", "z", *options, "INCR", increment, member) == reply


def test_zincrby_adds_to_a_score(client: MemoryConnection) -> None:
    assert client.call("ZINCRBY", "z", "1.5", "a") == b"1.5"
    assert client.call("ZINCRBY", "z", "-2", "a") == b"-0.5"


def test_nothing_becomes_of_a_key_that_only_old_members_may_change(client: MemoryConnection) -> None:
    assert client.call("ZADD", "z", "XX", 1, "a") == 0
    assert client.call("ZADD", "z", "XX", "INCR", 1, "a") is None
    assert client.call("EXISTS", "z") == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("ZADD", "z", 1, "a", 2), SYNTAX),
        (("ZADD", "z", "NX", "CH"), SYNTAX),
        (("ZADD", "z", "NX", "XX", 1, "a"), "ERR XX and NX options at the same time are not compatible"),
        (
            ("ZADD", "z", "NX", "GT", 1, "a"),
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ),
        (
            ("ZADD", "z", "LT", "GT", "x", "a"),
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ),
        (("ZADD", "z", "INCR", 1, "a", 2, "b"), "ERR INCR option supports a single increment-element pair"),
        (("ZADD", "z", 1, "a", "x", "b"), NO_FLOAT),
        (("ZADD", "z", "nan", "a"), NO_FLOAT),
        (("ZADD", "z", "INCR", "-inf", "top"), "ERR resulting score is not a number (NaN)"),
        (("ZINCRBY", "z", "-inf", "top"), "ERR resulting score is not a number (NaN)"),
        (("ZINCRBY", "z", "x", "a"), NO_FLOAT),
        (("ZINCRBY", "z", "NX", "a"), SYNTAX),
        (("ZINCRBY", "z", "nx", "ch"), SYNTAX),
        (("ZRANDMEMBER", "z", "x", "y"), NO_INTEGER),
        (("ZRANDMEMBER", "z", 1, "y"), SYNTAX),
        (("ZRANDMEMBER", "z", 1, "WITHSCORES", "y"), SYNTAX),
        (("ZRANDMEMBER", "z", LEAST), f"ERR value is out of range, value must between {LEAST + 1} and {2**63 - 1}"),
        (("ZRANDMEMBER", "z", 2**62, "WITHSCORES"), "ERR value is out of range"),
        (("ZRANDMEMBER", "z", -(2**62), "WITHSCORES"), "ERR value is out of range"),
        (("ZRANDMEMBER", "z", -MOST_DRAWN - 1), "ERR value is out of range"),
        (("ZPOPMIN", "z", 1, 2), SYNTAX),
        (("ZPOPMAX", "z", -1), "ERR value is out of range, must be positive"),
        (("ZPOPMAX", "z", "x"), "ERR value is out of range, must be positive"),
        (("ZMPOP", 0, "z", "MIN"), "ERR numkeys should be greater than 0"),
        (("ZMPOP", "x", "z", "MIN"), "ERR numkeys should be greater than 0"),
        (("ZMPOP", 9, "z", "MIN"), SYNTAX),
        (("ZMPOP", 2, "z", "MIN"), SYNTAX),
        (("ZMPOP", 1, "z", "MID"), SYNTAX),
        (("ZMPOP", 1, "z", "MIN", "COUNT"), SYNTAX),
        (("ZMPOP", 1, "z", "MIN", "COUNT", 0), "ERR count should be greater than 0"),
        (("ZMPOP", 1, "z", "MIN", "COUNT", 1, "COUNT", 1), SYNTAX),
        (("BZMPOP", "x", 1, "z", "MIN", "x"), SYNTAX),
        (("BZMPOP", "x", 1, "z", "MIN"), "ERR timeout is not a float or out of range"),
        (("BZPOPMIN", "z", -1), "ERR timeout is negative"),
        (("BZPOPMIN", "z", "inf"), "ERR timeout is negative"),
        (("BZPOPMAX", "z", "1e30"), "ERR timeout is negative"),
        (("BZPOPMAX", "z", "1e4932"), "ERR timeout is negative"),
        (("ZSCAN", "z", "x"), "ERR invalid cursor"),
    ],
)
def test_words_that_make_no_sense_are_refused_and_change_nothing(
    cache: MemoryCache, words: tuple[Any, ...], text: str
) -> None:
    cache.call("ZADD", "z", 1, "a", "inf", "top")
    client = cache.connect()
    with pytest.raises(CommandError) as caught:
        client.call(*words)
    assert str(caught.value) == text
    assert scores(client, "z") == [b"a", b"1", b"top", b"inf"]


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("ZREM", "nope", "a"), 0),
        (("ZCARD", "nope"), 0),
        (("ZSCORE", "nope", "a"), None),
        (("ZMSCORE", "nope", "a", "b"), [None, None]),
        (("ZRANK", "nope", "a"), None),
        (("ZREVRANK", "nope", "a"), None),
        (("ZRANDMEMBER", "nope"), None),
        (("ZRANDMEMBER", "nope", -(2**63) + 1), []),
        (("ZRANDMEMBER", "nope", 3, "WITHSCORES"), []),
        (("ZSCAN", "nope", 0, "FOO"), [b"0", []]),
        (("ZPOPMIN", "nope"), []),
        (("ZPOPMAX", "nope", 3), []),
        (("ZMPOP", 1, "nope", "MIN"), NULL_ARRAY),
    ],
)
def test_a_key_that_is_not_there_is_an_empty_sorted_set(client: MemoryConnection, words: Any, reply: Any) -> None:
    assert client.call(*words) == reply
    assert client.call("DBSIZE") == 0


@pytest.mark.parametrize(
    "words",
    [
        ("ZADD", "k", 1, "a"),
        ("ZADD", "k", "XX", 1, "a"),
        ("ZINCRBY", "k", 1, "a"),
        ("ZREM", "k", "a"),
        ("ZCARD", "k"),
        ("ZSCORE", "k", "a"),
        ("ZMSCORE", "k", "a"),
        ("ZRANK", "k", "a"),
        ("ZREVRANK", "k", "a"),
        ("ZRANDMEMBER", "k"),
        ("ZSCAN", "k", 0),
        ("ZPOPMIN", "k"),
        ("ZPOPMAX", "k", 0),
        ("ZMPOP", 2, "nope", "k", "MIN"),
        ("BZPOPMIN", "nope", "k", 1),
        ("BZMPOP", 1, 1, "k", "MAX"),
    ],
)
def test_a_key_that_holds_no_sorted_set_is_refused(cache: MemoryCache, words: tuple[Any, ...]) -> None:
    cache.call("SADD", "k", "v")
    client = cache.connect()
    with pytest.raises(CommandError, match=WRONG_TYPE):
        client.call(*words)
    assert cache.call("SMEMBERS", "k") == [b"v"]


def test_scores_and_ranks_are_read(client: MemoryConnection) -> None:
    client.call("ZADD", "z", 1, "a", 2.5, "b", "inf", "c")
    assert (client.call("ZSCORE", "z", "b"), client.call("ZSCORE", "z", "x")) == (b"2.5", None)
    assert client.call("ZMSCORE", "z", "c", "x", "a") == [b"inf", None, b"1"]
    assert (client.call("ZRANK", "z", "a"), client.call("ZREVRANK", "z", "a")) == (0, 2)
    assert (client.call("ZRANK", "z", "x"), client.call("ZREVRANK", "z", "x")) == (None, None)


def test_members_are_removed_and_the_key_goes_with_the_last(client: MemoryConnection) -> None:
    client.call("ZADD", "z", 1, "a", 2, "b")
    assert client.call("ZREM", "z", "a", "a", "x") == 1
    assert client.call("ZREM", "z", "x") == 0
    assert client.call("ZREM", "z", "b") == 1
    assert client.call("EXISTS", "z") == 0


# How they are kept


def test_a_sorted_set_that_was_not_packed_never_is_again(client: MemoryConnection) -> None:
    client.call("ZADD", "z", *[word for number in range(DEFAULTS.zset_max_listpack_entries) for word in (0, number)])
    assert client.call("OBJECT", "ENCODING", "z") == b"listpack"
    client.call("ZADD", "z", 0, "one more")
    assert client.call("OBJECT", "ENCODING", "z") == b"skiplist"
    client.call("ZREMRANGEBYRANK", "z", 1, -1)
    assert client.call("OBJECT", "ENCODING", "z") == b"skiplist"
    client.call("COPY", "z", "same")
    assert client.call("OBJECT", "ENCODING", "same") == b"skiplist"
    client.call("ZUNIONSTORE", "new", 1, "z")
    assert client.call("OBJECT", "ENCODING", "new") == b"listpack"


@pytest.mark.parametrize(
    ("size", "encoding"),
    [(64, b"listpack"), (65, b"skiplist")],
)
@pytest.mark.parametrize("made", [(), ("ZUNIONSTORE", "z", 1, "z"), ("ZRANGESTORE", "z", "z", 0, -1)])
def test_a_long_member_is_not_packed(client: MemoryConnection, size: int, encoding: bytes, made: Any) -> None:
    client.call("ZADD", "z", 1, "a", 2, "x" * size)
    if made:
        client.call(*made)
    assert client.call("OBJECT", "ENCODING", "z") == encoding


def test_a_negative_zero_is_kept_only_where_it_is_not_packed(client: MemoryConnection) -> None:
    long = "x" * 65
    client.call("ZADD", "z", "-0", "a", "-0", long, "-0", "b", 0, "c")
    assert client.call("ZMSCORE", "z", "a", long, "b", "c") == [b"0", b"-0", b"-0", b"0"]
    client.call("ZADD", "z", "CH", 0, "b", "-0", "c")
    assert client.call("ZMSCORE", "z", "b", "c") == [b"-0", b"0"]
    client.call("COPY", "z", "same")
    assert client.call("ZSCORE", "same", "b") == b"-0"
    assert client.call("ZSCAN", "z", 0, "MATCH", "b") == [b"0", [b"b", b"-0"]]
    assert client.call("ZRANDMEMBER", "z", 9, "WITHSCORES")[:4] == [b"a", b"0", b"b", b"-0"]
    client.call("ZREM", "z", long)
    client.call("ZUNIONSTORE", "z", 1, "z")
    assert client.call("ZSCORE", "z", "b") == b"0"


# Any members, and walks


def test_any_member_is_given(client: MemoryConnection) -> None:
    client.call("ZADD", "z", 3, "a", 2, "b", 1, "c")
    assert client.call("ZRANDMEMBER", "z") in (b"a", b"b", b"c")
    assert client.call("ZRANDMEMBER", "z", 0) == []
    assert len(set(client.call("ZRANDMEMBER", "z", 2))) == 2
    assert client.call("ZRANDMEMBER", "z", 5, "withscores") == [b"c", b"1", b"b", b"2", b"a", b"3"]
    assert len(client.call("ZRANDMEMBER", "z", -50, "WITHSCORES")) == 100


def test_a_large_sorted_set_is_walked_in_steps_and_completely(client: MemoryConnection) -> None:
    client.call("ZADD", "z", *[word for number in range(2000) for word in (number / 2, number)])
    cursor, seen, steps = b"0", {}, 0
    while steps == 0 or cursor != b"0":
        cursor, found = client.call("ZSCAN", "z", cursor, "COUNT", 50)
        for member, score in zip(found[::2], found[1::2]):
            assert member not in seen
            seen[member] = score
        steps += 1
        client.call("ZADD", "z", 0, f"new {steps}")
        client.call("ZREM", "z", 1999 - steps)
    assert steps > 10
    assert all(seen[b"%d" % number] == b"%.17g" % (number / 2) for number in range(1999 - steps))


def test_a_small_sorted_set_is_walked_in_its_order_and_in_one_step(client: MemoryConnection) -> None:
    client.call("ZADD", "z", 2, "a", 1, "b", 0, "x")
    assert client.call("ZSCAN", "z", 0, "COUNT", 1, "MATCH", "[ab]") == [b"0", [b"b", b"1", b"a", b"2"]]


def test_a_walk_gives_whole_scores_as_they_are_packed(client: MemoryConnection) -> None:
    client.call("ZADD", "z", "1e17", "a", "4611686018427387904", "b", "1e19", "c")
    assert client.call("ZSCAN", "z", 0)[1][1::2] == [b"100000000000000000", b"4611686018427387904", b"1e+19"]
    client.call("ZADD", "z", "inf", "x" * 65)
    assert client.call("ZSCAN", "z", 0, "MATCH", "a")[1] == [b"a", b"1e+17"]


# Taking members out


def test_the_lowest_and_the_highest_are_taken_out(client: MemoryConnection) -> None:
    client.call("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d", 5, "e")
    assert client.call("ZPOPMIN", "z") == [b"a", b"1"]
    assert client.call("ZPOPMAX", "z") == [b"e", b"5"]
    assert client.call("ZPOPMAX", "z", 0) == []
    assert client.call("ZPOPMAX", "z", 2) == [b"d", b"4", b"c", b"3"]
    assert client.call("ZPOPMIN", "z", 9) == [b"b", b"2"]
    assert client.call("EXISTS", "z") == 0


def test_the_first_sorted_set_that_is_there_loses_members(client: MemoryConnection) -> None:
    client.call("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert client.call("ZMPOP", 2, "nope", "z", "min") == [b"z", [[b"a", b"1"]]]
    assert client.call("ZMPOP", 2, "nope", "z", "MAX", "COUNT", 9) == [b"z", [[b"c", b"3"], [b"b", b"2"]]]
    assert client.call("EXISTS", "z") == 0


def test_blocking_requests_take_at_once_what_is_there(cache: MemoryCache) -> None:
    cache.call("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d")
    client = cache.connect()
    assert client.call("BZPOPMIN", "nope", "z", 0) == [b"z", b"a", b"1"]
    assert client.call("BZPOPMAX", "z", "z", 0) == [b"z", b"d", b"4"]
    assert client.call("BZMPOP", 0, 1, "z", "MAX", "COUNT", 5) == [b"z", [[b"c", b"3"], [b"b", b"2"]]]


@pytest.mark.parametrize(
    "words",
    ["BZPOPMIN z 0.1", "BZPOPMAX y z 0.1", "BZMPOP 0.1 2 y z MIN", "BZMPOP 0.1 1 z MAX COUNT 3"],
)
def test_blocking_requests_give_up_when_their_time_is_over(cache: MemoryCache, words: str) -> None:
    client = cache.connect()
    assert client.send(words.encode() + b"\r\n") == b""
    cache.clock.advance(0.099)
    assert client.send(b"") == b""
    cache.clock.advance(0.001)
    assert client.transport.take() == b"*-1\r\n"


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("BZPOPMIN y z 0", b"*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n"),
        ("BZPOPMAX z 0", b"*3\r\n$1\r\nz\r\n$1\r\nb\r\n$1\r\n2\r\n"),
        ("BZMPOP 0 2 y z MIN", b"*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
        ("BZMPOP 0 1 z MAX COUNT 1", b"*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    ],
)
def test_blocking_requests_take_what_comes(cache: MemoryCache, words: str, reply: bytes) -> None:
    client = cache.connect()
    client.send(words.encode() + b"\r\n")
    cache.call("ZADD", "z", 1, "a", 2, "b")
    assert client.transport.take() == reply
    assert cache.call("ZCARD", "z") == 1


# Replies


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (b"ZADD z INCR 1 a", b",2\r\n"),
        (b"ZADD z NX INCR 1 a", b"_\r\n"),
        (b"ZINCRBY z inf a", b",inf\r\n"),
        (b"ZSCORE z a", b",1\r\n"),
        (b"ZSCORE z x", b"_\r\n"),
        (b"ZRANK z x", b"_\r\n"),
        (b"ZMSCORE z a x", b"*2\r\n,1\r\n_\r\n"),
        (b"ZPOPMIN z", b"*2\r\n$1\r\na\r\n,1\r\n"),
        (b"ZPOPMIN z 1", b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n"),
        (b"ZPOPMIN nope 1", b"*0\r\n"),
        (b"ZMPOP 1 nope MIN", b"_\r\n"),
        (b"ZRANDMEMBER z 1 WITHSCORES", b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n"),
        (b"ZRANGE z 0 -1", b"*1\r\n$1\r\na\r\n"),
        (b"ZRANGE z 0 -1 WITHSCORES", b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n"),
        (b"ZSCAN z 0", b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
        (b"BZPOPMIN z 0", b"*3\r\n$1\r\nz\r\n$1\r\na\r\n,1\r\n"),
    ],
)
def test_scores_are_doubles_in_resp3(cache: MemoryCache, words: bytes, reply: bytes) -> None:
    cache.call("ZADD", "z", 1, "a")
    client = cache.connect()
    client.call("HELLO", 3)
    assert client.send(words + b"\r\n") == reply


@pytest.mark.parametrize(
    ("score", "reply"),
    [
        ("0.1", b"0.10000000000000001"),
        ("3.0", b"3"),
        ("0x10", b"16"),
        ("-0x1.8p1", b"-3"),
        ("1e17", b"1e+17"),
        ("1e16", b"10000000000000000"),
        ("5e-324", b"4.9406564584124654e-324"),
        ("1.7976931348623157e308", b"1.7976931348623157e+308"),
        ("-Infinity", b"-inf"),
        ("+INF", b"inf"),
        ("-0", b"0"),
    ],
)
def test_scores_are_written_with_seventeen_digits(client: MemoryConnection, score: str, reply: bytes) -> None:
    client.call("ZADD", "z", score, "a")
    assert client.call("ZSCORE", "z", "a") == reply


@pytest.mark.parametrize(
    "score", ["", " 1", "1 ", "1e400", "-1e400", "1e-400", "0x1p5000", "nan(1)", "0x", "1_0", b"1\0", "e", "."]
)
def test_what_is_no_score_is_refused(client: MemoryConnection, score: Any) -> None:
    assert refusal(client, "ZADD", "z", score, "a") == NO_FLOAT
    assert client.call("EXISTS", "z") == 0


def test_the_sum_of_scores_is_that_of_doubles(client: MemoryConnection) -> None:
    client.call("ZADD", "z", "0.1", "a", "1e308", "b")
    assert float(client.call("ZINCRBY", "z", "0.2", "a")) == 0.1 + 0.2
    assert float(client.call("ZINCRBY", "z", "1e308", "b")) == math.inf
