"""Commands on ranges of sorted sets."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError

NO_INTEGER = "ERR value is not an integer or out of range"
NO_SCORE = "ERR min or max is not a float"
NO_TEXT = "ERR min or max not valid string range item"
NO_LIMIT = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
NO_SCORES = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def client(cache: MemoryCache) -> MemoryConnection:
    """A client that speaks RESP2, of a cache with members `a` to `e` of scores 1 to 5, and of one score."""
    client = cache.connect()
    client.call("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d", 5, "e")
    client.call("ZADD", "same", 0, "a", 0, "b", 0, "c", 0, "d", 0, "e")
    client.call("SET", "string", "v")
    return client


def refusal(client: MemoryConnection, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        client.call(*words)
    return str(caught.value)


def found(client: MemoryConnection, line: str) -> str:
    """Give the members of a reply as one text."""
    return b"".join(client.call(*line.split())).decode()


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ("ZRANGE z 0 -1", "abcde"),
        ("ZRANGE z 1 3", "bcd"),
        ("ZRANGE z -2 99", "de"),
        ("ZRANGE z -99 0", "a"),
        ("ZRANGE z 3 1", ""),
        ("ZRANGE z 5 9", ""),
        ("ZRANGE z 0 -9", ""),
        ("ZRANGE z 0 1 REV", "ed"),
        ("ZRANGE z 0 1 rev WITHSCORES", "e5d4"),
        ("ZRANGE z 0 -1 LIMIT 7 -1", "abcde"),
        ("ZREVRANGE z 1 -1", "dcba"),
        ("ZREVRANGE z 0 0 withscores", "e5"),
        ("ZRANGE nope 0 -1", ""),
    ],
)
def test_a_range_of_places_is_given(client: MemoryConnection, line: str, members: str) -> None:
    assert found(client, line) == members


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ("ZRANGEBYSCORE z 2 4", "bcd"),
        ("ZRANGEBYSCORE z (2 (4", "c"),
        ("ZRANGEBYSCORE z -inf +inf", "abcde"),
        ("ZRANGEBYSCORE z (-inf (inf", "abcde"),
        ("ZRANGEBYSCORE z (inf inf", ""),
        ("ZRANGEBYSCORE z -inf (-inf", ""),
        ("ZRANGEBYSCORE z 4 2", ""),
        ("ZRANGEBYSCORE z (2 2", ""),
        ("ZRANGEBYSCORE z 0x2 3.0e0", "bc"),
        ("ZRANGEBYSCORE z ( 2", "ab"),
        ("ZRANGEBYSCORE z 1e400 inf", ""),
        ("ZRANGEBYSCORE z 0x1p9999 inf", ""),
        ("ZRANGEBYSCORE z -0x1p9999 1", "a"),
        ("ZRANGEBYSCORE z 2 4 LIMIT 1 1", "c"),
        ("ZRANGEBYSCORE z 2 4 LIMIT 1 -5", "cd"),
        ("ZRANGEBYSCORE z 2 4 LIMIT 0 0", ""),
        ("ZRANGEBYSCORE z 2 4 LIMIT 9 1", ""),
        ("ZRANGEBYSCORE z 2 4 LIMIT -1 1", ""),
        ("ZRANGEBYSCORE z 2 3 LIMIT 0 9 WITHSCORES", "b2c3"),
        ("ZREVRANGEBYSCORE z 4 2", "dcb"),
        ("ZREVRANGEBYSCORE z (4 2 LIMIT 1 9", "b"),
        ("ZREVRANGEBYSCORE z 2 4", ""),
        ("ZRANGE z 2 3 BYSCORE", "bc"),
        ("ZRANGE z 3 2 BYSCORE REV WITHSCORES LIMIT 0 1", "c3"),
        ("ZRANGEBYSCORE nope 0 1", ""),
    ],
)
def test_a_range_of_scores_is_given(client: MemoryConnection, line: str, members: str) -> None:
    assert found(client, line) == members


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ("ZRANGEBYLEX same - +", "abcde"),
        ("ZRANGEBYLEX same [b [d", "bcd"),
        ("ZRANGEBYLEX same (b (d", "c"),
        ("ZRANGEBYLEX same (b [b", ""),
        ("ZRANGEBYLEX same [b [b", "b"),
        ("ZRANGEBYLEX same [d [b", ""),
        ("ZRANGEBYLEX same + -", ""),
        ("ZRANGEBYLEX same - -", ""),
        ("ZRANGEBYLEX same + +", ""),
        ("ZRANGEBYLEX same - [", ""),
        ("ZRANGEBYLEX same [x +", ""),
        ("ZRANGEBYLEX same (bb [cc", "c"),
        ("ZRANGEBYLEX same (b (c", ""),
        ("ZRANGEBYLEX same - + LIMIT 1 2", "bc"),
        ("ZRANGEBYLEX same - (c LIMIT 9 2", ""),
        ("ZRANGEBYLEX same - + LIMIT -1 2", ""),
        ("ZREVRANGEBYLEX same + -", "edcba"),
        ("ZREVRANGEBYLEX same [d (b", "dc"),
        ("ZREVRANGEBYLEX same [d [b LIMIT 1 1", "c"),
        ("ZREVRANGEBYLEX same [d [b LIMIT 9 1", ""),
        ("ZRANGE same [b + BYLEX", "bcde"),
        ("ZRANGE same + [b BYLEX REV LIMIT 0 2", "ed"),
        ("ZRANGEBYLEX nope - +", ""),
    ],
)
def test_a_range_of_members_is_given(client: MemoryConnection, line: str, members: str) -> None:
    assert found(client, line) == members


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ("ZRANGEBYLEX mixed [b [d", "bd"),
        ("ZRANGEBYLEX mixed - [d", "bd"),
        ("ZRANGEBYLEX mixed [b +", "bdzac"),
        ("ZRANGEBYLEX mixed [c [d", "d"),
        ("ZRANGEBYLEX mixed [e [f", ""),
        ("ZRANGEBYLEX mixed - (b", ""),
        ("ZRANGEBYLEX mixed (c (d", ""),
        ("ZRANGEBYLEX mixed - [d LIMIT 1 9", "d"),
        ("ZRANGEBYLEX mixed - [d LIMIT 3 9", "ac"),
        ("ZRANGEBYLEX mixed - [d LIMIT 9 9", ""),
        ("ZREVRANGEBYLEX mixed + [b", "c"),
        ("ZREVRANGEBYLEX mixed [d -", "cazdb"),
        ("ZREVRANGEBYLEX mixed [d -  LIMIT 3 1", "d"),
        ("ZREVRANGEBYLEX mixed (c [b", ""),
        ("ZREVRANGEBYLEX mixed [z [b LIMIT 2 9", "zdb"),
        ("ZREVRANGEBYLEX mixed [zz [x", ""),
    ],
)
def test_where_scores_differ_members_are_looked_at_one_by_one(
    client: MemoryConnection, line: str, members: str
) -> None:
    client.call("ZADD", "mixed", 1, "b", 2, "d", 3, "z", 4, "a", 5, "c")
    assert found(client, line) == members


def test_members_in_a_range_are_counted(client: MemoryConnection) -> None:
    assert client.call("ZCOUNT", "z", "(1", "+inf") == 4
    assert client.call("ZCOUNT", "z", 9, 1) == 0
    assert client.call("ZCOUNT", "nope", 0, 1) == 0
    assert client.call("ZLEXCOUNT", "same", "[b", "+") == 4
    assert client.call("ZLEXCOUNT", "same", "+", "-") == 0
    assert client.call("ZLEXCOUNT", "z", "(a", "[c") == 2


@pytest.mark.parametrize(
    ("line", "removed", "left"),
    [
        ("ZREMRANGEBYRANK z 1 2", 2, "ade"),
        ("ZREMRANGEBYRANK z 9 9", 0, "abcde"),
        ("ZREMRANGEBYSCORE z (1 (5", 3, "ae"),
        ("ZREMRANGEBYSCORE z 7 9", 0, "abcde"),
        ("ZREMRANGEBYLEX same [b (d", 2, "ade"),
        ("ZREMRANGEBYLEX same (b (c", 0, "abcde"),
        ("ZREMRANGEBYRANK z 0 -1", 5, ""),
        ("ZREMRANGEBYRANK nope 0 -1", 0, ""),
        ("ZREMRANGEBYSCORE nope 0 1", 0, ""),
        ("ZREMRANGEBYLEX nope - +", 0, ""),
    ],
)
def test_members_in_a_range_are_removed(client: MemoryConnection, line: str, removed: int, left: str) -> None:
    key = line.split()[1]
    assert client.call(*line.split()) == removed
    assert found(client, f"ZRANGE {key} 0 -1") == left
    assert client.call("EXISTS", key) == bool(left)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("ZRANGESTORE made z 1 2", "b2c3"),
        ("ZRANGESTORE z z 1 2", "b2c3"),
        ("ZRANGESTORE string z 0 0 REV", "e5"),
        ("ZRANGESTORE made z 2 (4 BYSCORE", "b2c3"),
        ("ZRANGESTORE made z + [d BYLEX REV LIMIT 0 1", "e5"),
        ("ZRANGESTORE string z 7 9", ""),
        ("ZRANGESTORE z nope 0 -1", ""),
    ],
)
def test_a_range_takes_the_place_of_whatever_was_there(client: MemoryConnection, line: str, left: str) -> None:
    key = line.split()[1]
    assert client.call(*line.split()) == len(left) // 2
    assert found(client, f"ZRANGE {key} 0 -1 WITHSCORES") == left
    assert client.call("EXISTS", key) == bool(left)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ZRANGE z x 1", NO_INTEGER),
        ("ZRANGE z 1 1.5", NO_INTEGER),
        ("ZRANGE z 0 1 NOPE", SYNTAX),
        ("ZRANGE z 0 1 LIMIT 1", SYNTAX),
        ("ZRANGE z 0 1 LIMIT x 1", NO_INTEGER),
        ("ZRANGE z 0 1 LIMIT 1 x", NO_INTEGER),
        ("ZRANGE z 0 1 LIMIT 0 1", NO_LIMIT),
        ("ZRANGE z 0 1 REV REV", SYNTAX),
        ("ZRANGE z 0 1 BYLEX BYSCORE", SYNTAX),
        ("ZRANGE z 0 1 BYSCORE BYSCORE", SYNTAX),
        ("ZRANGE z 0 1 BYLEX WITHSCORES", NO_SCORES),
        ("ZRANGE z 0 1 BYLEX", NO_TEXT),
        ("ZRANGE z x 1 BYSCORE", NO_SCORE),
        ("ZRANGE string x 1 BYSCORE", NO_SCORE),
        ("ZRANGE string 0 1", WRONG_TYPE),
        ("ZREVRANGE z 0 1 REV", SYNTAX),
        ("ZREVRANGE z 0 1 BYSCORE", SYNTAX),
        ("ZREVRANGE z 0 1 LIMIT 0 1", NO_LIMIT),
        ("ZRANGEBYSCORE z 0 nan", NO_SCORE),
        ("ZRANGEBYSCORE z ((0 1", NO_SCORE),
        ("ZRANGEBYSCORE z 0 1 BYLEX", SYNTAX),
        ("ZRANGEBYSCORE z 0 1 REV", SYNTAX),
        ("ZRANGEBYLEX z a +", NO_TEXT),
        ("ZRANGEBYLEX z - +x", NO_TEXT),
        ("ZRANGEBYLEX z - + WITHSCORES", NO_SCORES),
        ("ZRANGESTORE made z 0 1 WITHSCORES", SYNTAX),
        ("ZRANGESTORE z string 0 1", WRONG_TYPE),
        ("ZCOUNT z x 1", NO_SCORE),
        ("ZCOUNT string 0 1", WRONG_TYPE),
        ("ZLEXCOUNT z 0 1", NO_TEXT),
        ("ZLEXCOUNT string - +", WRONG_TYPE),
        ("ZREMRANGEBYRANK z x 1", NO_INTEGER),
        ("ZREMRANGEBYRANK string 0 1", WRONG_TYPE),
        ("ZREMRANGEBYSCORE string x 1", NO_SCORE),
        ("ZREMRANGEBYLEX string - z", NO_TEXT),
    ],
)
def test_words_that_make_no_sense_are_refused(client: MemoryConnection, line: str, text: str) -> None:
    assert refusal(client, *line.split()) == text
    assert client.call("ZCARD", "z") == 5


@pytest.mark.parametrize(
    ("bound", "members"),
    [("", 0), (" 2", 2), ("\t\n2", 2), (b"2\0x", 2), (b"\0", 0), ("(", 0), ("( 2", 1), ("+Infinity", 5)],
)
def test_bounds_are_read_as_c_does(client: MemoryConnection, bound: Any, members: int) -> None:
    assert client.call("ZCOUNT", "z", "-inf", bound) == members


@pytest.mark.parametrize("bound", [" ", b" \0", "2 ", "1_0", "0x", "( ", "-", "1e", "infinit"])
def test_what_is_no_bound_is_refused(client: MemoryConnection, bound: Any) -> None:
    assert refusal(client, "ZCOUNT", "z", "-inf", bound) == NO_SCORE


def test_the_signs_for_all_members_end_where_texts_of_c_do(client: MemoryConnection) -> None:
    assert client.call("ZLEXCOUNT", "same", b"-\0x", b"+\0") == 5
