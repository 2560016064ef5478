"""Commands that make one sorted set of several."""

from __future__ import annotations

import pytest

from twisted_kv.testing import MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError

SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def client(cache: MemoryCache) -> MemoryConnection:
    """A client that speaks RESP2, of a cache with two sorted sets, a set and a string."""
    client = cache.connect()
    client.call("ZADD", "y", 1, "a", 2, "b")
    client.call("ZADD", "z", 10, "b", 20, "c", 30, "d")
    client.call("SADD", "s", "b", "x")
    client.call("SET", "string", "v")
    return client


def found(client: MemoryConnection, line: str) -> str:
    """Give a reply as one text."""
    return b" ".join(client.call(*line.split())).decode()


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("ZUNION 2 y z", "a b c d"),
        ("ZUNION 2 y z WITHSCORES", "a 1 b 12 c 20 d 30"),
        ("ZUNION 2 y z WEIGHTS 2 -1 WITHSCORES", "d -30 c -20 b -6 a 2"),
        ("ZUNION 2 y z withscores aggregate max weights 20 1", "a 20 c 20 d 30 b 40"),
        ("ZUNION 2 y z AGGREGATE MIN WITHSCORES", "a 1 b 2 c 20 d 30"),
        ("ZUNION 3 y s nope WITHSCORES", "a 1 x 1 b 3"),
        ("ZUNION 2 y y WITHSCORES", "a 2 b 4"),
        ("ZUNION 2 y z WEIGHTS 1 1 WEIGHTS 0 0 WITHSCORES", "a 0 b 0 c 0 d 0"),
        ("ZINTER 2 y z WITHSCORES", "b 12"),
        ("ZINTER 3 y z s WITHSCORES WEIGHTS 1 1 0.5", "b 12.5"),
        ("ZINTER 2 y z AGGREGATE MAX WITHSCORES", "b 10"),
        ("ZINTER 2 y nope", ""),
        ("ZINTER 1 s WITHSCORES", "b 1 x 1"),
        ("ZDIFF 2 y z", "a"),
        ("ZDIFF 2 s z WITHSCORES", "x 1"),
        ("ZDIFF 2 z y WITHSCORES", "c 20 d 30"),
        ("ZDIFF 3 z nope s WITHSCORES", "c 20 d 30"),
        ("ZDIFF 1 y", "a b"),
        ("ZDIFF 2 nope y", ""),
    ],
)
def test_sorted_sets_and_sets_are_put_together(client: MemoryConnection, line: str, reply: str) -> None:
    assert found(client, line) == reply


def test_a_large_sorted_set_less_a_small_one_is_found_either_way(client: MemoryConnection) -> None:
    client.call("ZADD", "large", *[word for number in range(1000) for word in (number, number)])
    client.call("ZADD", "small", 1, 1, 2, 2, 3, "x")
    client.call("SADD", "tiny", 3)
    assert len(client.call("ZDIFF", 4, "large", "small", "small", "tiny")) == 997
    assert found(client, "ZDIFF 3 small large tiny WITHSCORES") == "x 3"


def test_common_members_are_counted_up_to_a_limit(client: MemoryConnection) -> None:
    assert client.call("ZINTERCARD", 2, "z", "z") == 3
    assert client.call("ZINTERCARD", 2, "z", "z", "LIMIT", 2) == 2
    assert client.call("ZINTERCARD", 2, "z", "z", "limit", 0) == 3
    assert client.call("ZINTERCARD", 2, "z", "nope", "LIMIT", 9) == 0


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("ZUNIONSTORE {} 2 y z AGGREGATE MIN", "a 1 b 2 c 20 d 30"),
        ("ZINTERSTORE {} 2 y z WEIGHTS 1 2", "b 22"),
        ("ZDIFFSTORE {} 2 z y", "c 20 d 30"),
    ],
)
@pytest.mark.parametrize("target", ["y", "z", "s", "string", "made"])
def test_the_outcome_takes_the_place_of_whatever_was_there(
    client: MemoryConnection, line: str, reply: str, target: str
) -> None:
    assert client.call(*line.format(target).split()) == len(reply.split()) // 2
    assert found(client, f"ZRANGE {target} 0 -1 WITHSCORES") == reply


@pytest.mark.parametrize("command", ["ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"])
def test_an_outcome_without_members_removes_the_key(client: MemoryConnection, command: str) -> None:
    assert client.call(command, "string", 1, "nope") == 0
    assert client.call("EXISTS", "string") == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ZUNION 0 y", "ERR at least 1 input key is needed for 'zunion' command"),
        ("zinterstore made -1 y", "ERR at least 1 input key is needed for 'zinterstore' command"),
        ("ZINTERCARD 0 y", "ERR at least 1 input key is needed for 'zintercard' command"),
        ("ZDIFF x y", "ERR value is not an integer or out of range"),
        ("ZUNION 3 y z", SYNTAX),
        ("ZUNION 2 y string NOPE", WRONG_TYPE),
        ("ZUNION 1 y NOPE", SYNTAX),
        ("ZUNION 2 y z WEIGHTS 1", SYNTAX),
        ("ZUNION 1 y WEIGHTS x", "ERR weight value is not a float"),
        ("ZUNION 1 y WEIGHTS nan", "ERR weight value is not a float"),
        ("ZUNION 1 y AGGREGATE", SYNTAX),
        ("ZUNION 1 y AGGREGATE AVG", SYNTAX),
        ("ZUNION 1 y LIMIT 1", SYNTAX),
        ("ZDIFF 1 y WEIGHTS 1", SYNTAX),
        ("ZDIFF 1 y AGGREGATE SUM", SYNTAX),
        ("ZUNIONSTORE made 1 y WITHSCORES", SYNTAX),
        ("ZINTERCARD 1 y WITHSCORES", SYNTAX),
        ("ZINTERCARD 1 y LIMIT", SYNTAX),
        ("ZINTERCARD 1 y LIMIT -1", "ERR LIMIT can't be negative"),
        ("ZINTERCARD 1 y LIMIT x", "ERR LIMIT can't be negative"),
    ],
)
def test_words_that_make_no_sense_are_refused(client: MemoryConnection, line: str, text: str) -> None:
    with pytest.raises(CommandError) as caught:
        client.call(*line.split())
    assert str(caught.value) == text
    assert client.call("DBSIZE") == 4


# Infinities, and the order in which scores are added


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("ZUNION 2 up down WITHSCORES", "i 0"),
        ("ZUNION 1 up WEIGHTS 0 WITHSCORES", "i 0"),
        ("ZUNION 2 up up WEIGHTS 1 0 WITHSCORES", "i inf"),
        ("ZUNION 2 up up WEIGHTS 1 0 AGGREGATE MIN WITHSCORES", "i 0"),
        ("ZINTER 2 up down WITHSCORES", "i 0"),
        ("ZINTER 2 up up WEIGHTS 0 1 WITHSCORES", "i inf"),
        ("ZINTER 2 up up WEIGHTS 1 0 WITHSCORES", "i 0"),
        ("ZINTER 2 up up WEIGHTS 1 0 AGGREGATE MIN WITHSCORES", "i inf"),
        ("ZINTER 2 up up WEIGHTS 1 0 AGGREGATE MAX WITHSCORES", "i inf"),
    ],
)
def test_what_is_no_number_becomes_what_redis_makes_of_it(cache: MemoryCache, line: str, reply: str) -> None:
    client = cache.connect()
    client.call("ZADD", "up", "inf", "i")
    client.call("ZADD", "down", "-inf", "i")
    assert found(client, line) == reply


@pytest.mark.parametrize("command", ["ZUNION", "ZINTER"])
def test_scores_are_added_from_the_smallest_source_on(cache: MemoryCache, command: str) -> None:
    client = cache.connect()
    client.call("ZADD", "large", "1e16", "m", 0, "x", 0, "y")
    client.call("ZADD", "small", 1, "m")
    client.call("ZADD", "middle", 1, "m", 0, "x")
    replies = {found(client, f"{command} 3 {keys} WITHSCORES") for keys in ("large small middle", "middle large small")}
    assert len(replies) == 1
    assert "m 10000000000000002" in replies.pop()  # from the largest on, both would be lost


def test_scores_of_a_difference_are_floats_in_resp3(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("SADD", "s", "a")
    client.call("HELLO", 3)
    assert client.send(b"ZDIFF 1 s WITHSCORES\r\n") == b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n"
    assert client.send(b"ZUNION 1 s\r\n") == b"*1\r\n$1\r\na\r\n"
