"""COPY, MOVE, RENAMENX, SWAPDB, EXPIRETIME, the keys of requests, and the newer commands on hashes."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import START, MemoryCache
from twisted_kv.vocabulary.errors import CommandError


def refusal(client: Any, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        client.call(*words)
    return str(caught.value)


SAME = "ERR source and destination objects are the same"
OUT = "ERR DB index is out of range"
NO_INTEGER = "ERR value is not an integer or out of range"


@pytest.mark.parametrize(
    "made", ["SET k v", "RPUSH k a b", "SADD k a", "ZADD k 1 a", "HSET k f v", "XADD k 1-1 f v", "SETRANGE k 99999 x"]
)
def test_a_copy_is_equal_and_on_its_own(cache: MemoryCache, made: str) -> None:
    cache.call(*made.split(" "))
    cache.call("EXPIRE", "k", 100)
    assert cache.call("COPY", "k", "j") == 1
    assert cache.call("DUMP", "j") == cache.call("DUMP", "k")
    assert cache.call("TTL", "j") == 100
    cache.call("DEL", "k")
    assert cache.call("EXISTS", "j") == 1


def test_a_copy_replaces_only_if_told_to(cache: MemoryCache) -> None:
    cache.call("MSET", "k", "v", "j", "w")
    assert cache.call("COPY", "k", "j") == 0
    assert cache.call("GET", "j") == b"w"
    assert cache.call("COPY", "k", "j", "replace") == 1
    assert cache.call("GET", "j") == b"v"
    assert cache.call("COPY", "nope", "j", "REPLACE") == 0


def test_keys_are_copied_and_moved_to_other_databases(cache: MemoryCache) -> None:
    with cache.session() as session:
        session.call("SET", "k", "v", "EX", 100)
        assert session.call("COPY", "k", "k", "DB", 2) == 1
        assert session.call("MOVE", "k", 2) == 0
        assert session.call("MOVE", "k", 3) == 1
        assert session.call("MOVE", "k", 3) == 0
        assert session.call("EXISTS", "k") == 0
        for index in (2, 3):
            session.call("SELECT", index)
            assert (session.call("GET", "k"), session.call("TTL", "k")) == (b"v", 100)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("COPY k k", SAME),
        ("COPY k k DB 0 REPLACE", SAME),
        ("COPY k j DB", "ERR syntax error"),
        ("COPY k j NOPE", "ERR syntax error"),
        ("COPY k j DB 16", OUT),
        ("COPY k j DB x", NO_INTEGER),
        ("MOVE k 0", SAME),
        ("MOVE k 16", OUT),
        ("MOVE k x", NO_INTEGER),
        ("MOVE k 4294967296", "ERR value is out of range, value must between -2147483648 and 2147483647"),
        ("RENAMENX nope j", "ERR no such key"),
        ("SWAPDB x 0", "ERR invalid first DB index"),
        ("SWAPDB 99 x", "ERR invalid second DB index"),
        ("SWAPDB 99 4294967296", "ERR invalid second DB index"),
        ("SWAPDB 0 99", OUT),
        ("SWAPDB -1 0", OUT),
    ],
)
def test_what_makes_no_sense_is_refused(cache: MemoryCache, request_: str, error: str) -> None:
    cache.call("SET", "k", "v")
    assert refusal(cache, *request_.split(" ")) == error
    assert cache.call("GET", "k") == b"v"


def test_renamenx_takes_only_a_name_that_is_free(cache: MemoryCache) -> None:
    cache.call("MSET", "k", "v", "j", "w")
    assert cache.call("RENAMENX", "k", "j") == 0
    assert cache.call("RENAMENX", "k", "k") == 0
    assert cache.call("RENAMENX", "k", "free") == 1
    assert cache.call("GET", "free") == b"v"


def test_databases_exchange_keys_deadlines_and_memory(cache: MemoryCache) -> None:
    with cache.session() as session:
        session.call("SET", "k", "v", "PX", 10)
        assert session.call("SWAPDB", 0, 1) == b"OK"
        assert session.call("SWAPDB", 1, 1) == b"OK"
        assert session.call("DBSIZE") == 0
        session.call("SELECT", 1)
        assert session.call("GET", "k") == b"v"
        cache.clock.advance(0.01)
        assert session.call("DBSIZE") == 0
    assert sum(database.memory for database in cache.service.dispatcher.server.databases) == 0


def test_the_date_of_a_key_is_known(cache: MemoryCache) -> None:
    cache.call("SET", "stays", "v")
    cache.call("SET", "k", "v", "PX", 1500)
    assert [cache.call("PEXPIRETIME", key) for key in ("k", "stays", "nope")] == [START * 1000 + 1500, -1, -2]
    assert [cache.call("EXPIRETIME", key) for key in ("k", "stays", "nope")] == [START + 2, -1, -2]


# COMMAND


@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        ("GET a", [[b"a", [b"RO", b"access"]]]),
        ("SET a b GET", [[b"a", [b"RW", b"access", b"update"]]]),
        ("SET a b", [[b"a", [b"OW", b"update"]]]),
        ("BITFIELD a GET u8 0", [[b"a", [b"RO", b"access"]]]),
        ("BITFIELD a GET u8 0 SET u8 0 1", [[b"a", [b"RW", b"access", b"update"]]]),
        ("BITFIELD a GET", [[b"a", [b"RW", b"access", b"update"]]]),
        ("SORT a STORE b STORE c LIMIT 0 1 GET x", [[b"a", [b"RO", b"access"]], [b"c", [b"OW", b"update"]]]),
        ("SORT_RO a GET b", [[b"a", [b"RO", b"access"]]]),
        ("GEORADIUS a 1 1 1 m STORE b", [[b"a", [b"RO", b"access"]], [b"b", [b"OW", b"update"]]]),
        ("GEORADIUSBYMEMBER a x 1 m", [[b"a", [b"RO", b"access"]]]),
        ("ZUNION 2x a b", [[b"a", []], [b"b", []]]),
        ("ZUNIONSTORE d 1x a", [[b"a", []], [b"d", []]]),
        ("XREAD COUNT 1 STREAMS a b 0 0", [[b"a", [b"RO", b"access"]], [b"b", [b"RO", b"access"]]]),
        ("OBJECT ENCODING a", [[b"a", [b"RO"]]]),
    ],
)
def test_the_keys_of_a_request_are_found(cache: MemoryCache, request_: str, keys: list[Any]) -> None:
    assert cache.call("COMMAND", "GETKEYSANDFLAGS", *request_.split(" ")) == keys
    assert cache.call("COMMAND", "GETKEYS", *request_.split(" ")) == [key for key, _ in keys]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("NOPE a", "ERR Invalid command specified"),
        ("PING a", "ERR The command has no key arguments"),
        ("GET a b", "ERR Invalid number of arguments specified for command"),
        ("ZUNION 0 a", "ERR Invalid arguments specified for command"),
        ("ZUNION x a", "ERR Invalid arguments specified for command"),
        ("ZUNION 3 a b", "ERR Invalid arguments specified for command"),
        ("XREAD a b c", "ERR Invalid arguments specified for command"),
    ],
)
def test_a_request_without_keys_is_refused(cache: MemoryCache, request_: str, error: str) -> None:
    assert refusal(cache, "COMMAND", "GETKEYS", *request_.split(" ")) == error


def test_the_names_of_commands_are_listed(cache: MemoryCache) -> None:
    assert len(cache.call("COMMAND", "LIST")) == cache.call("COMMAND", "COUNT")
    assert cache.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "GETD*") == [b"getdel"]
    assert b"multi" in cache.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "transaction")
    assert cache.call("COMMAND", "LIST", "FILTERBY", "MODULE", "x") == []
    for words in (("NOPE",), ("FILTERBY", "PATTERN"), ("FILTERBY", "NOPE", "x"), ("NOPE", "PATTERN", "x")):
        assert refusal(cache, "COMMAND", "LIST", *words) == "ERR syntax error"


# Hashes


def test_the_length_of_a_field_is_known(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "f", "four")
    assert [cache.call("HSTRLEN", *words) for words in (("h", "f"), ("h", "g"), ("nope", "f"))] == [4, 0, 0]


@pytest.mark.parametrize(
    ("before", "increment", "reply"),
    [
        (None, "1.5", b"1.5"),
        ("1", "0.25", b"1.25"),
        ("x", "1", "ERR hash value is not a float"),
        ("1", "x", "ERR value is not a valid float"),
        ("1", "inf", "ERR value is NaN or Infinity"),
        ("inf", "1", "ERR increment would produce NaN or Infinity"),
    ],
)
def test_decimal_numbers_are_added(cache: MemoryCache, before: Any, increment: str, reply: Any) -> None:
    if before is not None:
        cache.call("HSET", "h", "f", before)
    if isinstance(reply, str):
        assert refusal(cache, "HINCRBYFLOAT", "h", "f", increment) == reply
    else:
        assert cache.call("HINCRBYFLOAT", "h", "f", increment) == cache.call("HGET", "h", "f") == reply


def test_fields_are_drawn(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "f", 1, "g", 2)
    assert cache.call("HRANDFIELD", "h") in (b"f", b"g")
    assert sorted(cache.call("HRANDFIELD", "h", 5)) == [b"f", b"g"]
    assert len(cache.call("HRANDFIELD", "h", -5)) == 5
    assert sorted(cache.call("HRANDFIELD", "h", 5, "withvalues")) == [[b"f", b"1"], [b"g", b"2"]]
    assert len(cache.connect().call("HRANDFIELD", "h", -3, "WITHVALUES")) == 6
    assert cache.call("HRANDFIELD", "h", 0) == cache.call("HRANDFIELD", "nope", 3) == []
    assert cache.call("HRANDFIELD", "nope") is None


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("x",), NO_INTEGER),
        (("x", "NOPE"), NO_INTEGER),
        ((1, "NOPE"), "ERR syntax error"),
        ((1, "WITHVALUES", "x"), "ERR syntax error"),
        ((2**63 - 1, "WITHVALUES"), "ERR value is out of range"),
        ((-(2**63) + 1,), "ERR value is out of range"),
    ],
)
def test_drawing_fields_is_refused(cache: MemoryCache, words: Any, error: str) -> None:
    cache.call("HSET", "h", "f", 1)
    assert refusal(cache, "HRANDFIELD", "h", *words) == error
