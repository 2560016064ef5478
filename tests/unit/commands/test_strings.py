"""Commands on values that are byte strings."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import START, Clock, MemoryCache
from twisted_kv.vocabulary.errors import CommandError

NOW = START * 1000


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


def test_a_string_is_set_and_got(cache: MemoryCache) -> None:
    assert cache.call("SET", "k", b"\0\xff\r\n") == b"OK"
    assert cache.call("GET", "k") == b"\0\xff\r\n"
    assert cache.call("GET", "other") is None


def test_a_key_and_a_value_may_be_empty(cache: MemoryCache) -> None:
    cache.call("SET", "", "")
    assert cache.call("GET", "") == b""
    assert cache.call("STRLEN", "") == 0
    assert cache.call("EXISTS", "") == 1


def test_a_key_is_gone_at_its_millisecond(cache: MemoryCache, clock: Clock) -> None:
    cache.call("SET", "k", "v", "PX", 100)
    clock.advance(0.099)
    assert cache.call("GET", "k") == b"v"
    clock.advance(0.001)
    assert cache.call("GET", "k") is None


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("EX", 10), 10_000),
        (("px", 1500), 1500),
        (("EXAT", START + 7), 7000),
        (("PXAT", NOW + 5), 5),
        (("EX", 1, "EX", 100), 100_000),
        ((), -1),
    ],
)
def test_a_time_to_live_is_given_in_four_ways(cache: MemoryCache, options: tuple[Any, ...], left: int) -> None:
    cache.call("SET", "k", "v", *options)
    assert cache.call("PTTL", "k") == left


@pytest.mark.parametrize("date", [("EXAT", START - 1), ("PXAT", NOW), ("PXAT", 1)])
def test_setting_with_a_date_that_has_passed_leaves_no_key(cache: MemoryCache, date: tuple[Any, ...]) -> None:
    cache.call("SET", "k", "old")
    assert cache.call("SET", "k", "v", *date) == b"OK"
    assert cache.call("GET", "k") is None
    assert cache.call("DBSIZE") == 0


def test_keepttl_keeps_the_time_to_live(cache: MemoryCache) -> None:
    cache.call("SET", "k", "v", "EX", 10)
    cache.call("SET", "k", "w", "KEEPTTL")
    assert cache.call("TTL", "k") == 10
    cache.call("SET", "k", "x")
    assert cache.call("TTL", "k") == -1


def test_nx_sets_only_a_new_key_and_xx_only_an_old_one(cache: MemoryCache) -> None:
    assert cache.call("SET", "k", "1", "XX") is None
    assert cache.call("SET", "k", "2", "NX") == b"OK"
    assert cache.call("SET", "k", "3", "NX") is None
    assert cache.call("GET", "k") == b"2"
    assert cache.call("SET", "k", "4", "xx") == b"OK"
    assert cache.call("GET", "k") == b"4"


def test_set_can_give_the_old_value(cache: MemoryCache) -> None:
    assert cache.call("SET", "k", "1", "GET") is None
    assert cache.call("SET", "k", "2", "GET") == b"1"
    assert cache.call("SET", "k", "3", "NX", "GET") == b"2"
    assert cache.call("SET", "k", "4", "GET", "XX", "EX", 5) == b"2"
    assert cache.call("SET", "nope", "5", "XX", "GET") is None
    assert cache.call("GET", "k") == b"4"
    assert cache.call("EXISTS", "nope") == 0


def test_set_replaces_a_value_of_any_type(cache: MemoryCache) -> None:
    cache.call("HSET", "k", "f", "v")
    assert cache.call("SET", "k", "v") == b"OK"
    assert cache.call("TYPE", "k") == b"string"


@pytest.mark.parametrize(
    "options",
    [
        ("NX", "XX"),
        ("XX", "NX"),
        ("EX",),
        ("EX", 1, "PX", 1),
        ("EX", 1, "KEEPTTL"),
        ("KEEPTTL", "EX", 1),
        ("PERSIST",),
        ("FOO",),
        ("",),
        ("GET", "GET", "NX", "XX"),
    ],
)
def test_options_of_set_that_do_not_go_together_are_a_syntax_error(
    cache: MemoryCache, options: tuple[Any, ...]
) -> None:
    assert refusal(cache, "SET", "k", "v", *options) == "ERR syntax error"
    assert cache.call("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("SET", "k", "v", "EX", "abc"), "ERR value is not an integer or out of range"),
        (("SET", "k", "v", "EX", 0), "ERR invalid expire time in 'set' command"),
        (("SET", "k", "v", "PX", -1), "ERR invalid expire time in 'set' command"),
        (("SET", "k", "v", "PXAT", 0), "ERR invalid expire time in 'set' command"),
        (("SET", "k", "v", "EX", 2**63 - 1), "ERR invalid expire time in 'set' command"),
        (("SET", "k", "v", "PX", 2**63 - 1), "ERR invalid expire time in 'set' command"),
        (("SETEX", "k", 0, "v"), "ERR invalid expire time in 'setex' command"),
        (("SETEX", "k", "abc", "v"), "ERR value is not an integer or out of range"),
        (("PSETEX", "k", -5, "v"), "ERR invalid expire time in 'psetex' command"),
        (("GETEX", "s", "EX", 0), "ERR invalid expire time in 'getex' command"),
        (("GETEX", "s", "KEEPTTL"), "ERR syntax error"),
        (("GETEX", "s", "PERSIST", "EX", 1), "ERR syntax error"),
        (("GETEX", "s", "EX", 1, "PERSIST"), "ERR syntax error"),
        (("GETEX", "nope", "FOO"), "ERR syntax error"),
        (("MSET", "a", "1", "b"), "ERR wrong number of arguments for 'mset' command"),
        (("INCR", "s"), "ERR value is not an integer or out of range"),
        (("INCRBY", "n", "1.5"), "ERR value is not an integer or out of range"),
        (("INCRBY", "n", 2**63), "ERR value is not an integer or out of range"),
        (("INCRBY", "n", 2**63 - 1), "ERR increment or decrement would overflow"),
        (("DECRBY", "n", -(2**63)), "ERR decrement would overflow"),
        (("INCRBYFLOAT", "s", 1), "ERR value is not a valid float"),
        (("INCRBYFLOAT", "n", "abc"), "ERR value is not a valid float"),
        (("INCRBYFLOAT", "n", "inf"), "ERR increment would produce NaN or Infinity"),
        (("INCRBYFLOAT", "huge", "1.18e4932"), "ERR increment would produce NaN or Infinity"),
    ],
)
def test_what_cannot_be_done_is_refused_in_redis_words(cache: MemoryCache, words: tuple[Any, ...], error: str) -> None:
    cache.call("MSET", "s", "v", "n", 10, "huge", "1.18e4932")
    assert refusal(cache, *words) == error
    assert cache.call("MGET", "s", "n", "huge") == [b"v", b"10", b"1.18e4932"]
    assert cache.call("DBSIZE") == 3


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (("INCR", "k"), "ERR value is not an integer or out of range"),
        (("DECR", "k"), "ERR value is not an integer or out of range"),
        (("INCRBY", "k", 5), "ERR value is not an integer or out of range"),
        (("DECRBY", "k", 5), "ERR value is not an integer or out of range"),
        (("INCRBYFLOAT", "k", 5), "ERR value is not a valid float"),
    ],
)
def test_an_empty_string_is_no_number(cache: MemoryCache, command: tuple[Any, ...], error: str) -> None:
    cache.call("SET", "k", "")
    assert refusal(cache, *command) == error
    assert cache.call("GET", "k") == b""


def test_an_increment_that_is_no_float_is_told_even_where_the_key_holds_an_infinity(cache: MemoryCache) -> None:
    cache.call("SET", "k", "inf")
    assert refusal(cache, "INCRBYFLOAT", "k", "abc") == "ERR value is not a valid float"
    assert refusal(cache, "INCRBYFLOAT", "k", "1") == "ERR increment would produce NaN or Infinity"


@pytest.mark.parametrize(
    "words",
    [
        ("GET", "h"),
        ("GETSET", "h", "v"),
        ("GETDEL", "h"),
        ("GETEX", "h", "EX", 1),
        ("SET", "h", "v", "GET"),
        ("SET", "h", "v", "NX", "GET"),
        ("APPEND", "h", "v"),
        ("STRLEN", "h"),
        ("INCR", "h"),
        ("DECRBY", "h", 1),
        ("INCRBYFLOAT", "h", 1),
    ],
)
def test_a_key_that_holds_no_string_is_refused(cache: MemoryCache, words: tuple[Any, ...]) -> None:
    cache.call("HSET", "h", "f", "v")
    assert refusal(cache, *words) == "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert cache.call("HGETALL", "h") == {b"f": b"v"}
    assert cache.call("TTL", "h") == -1


def test_setnx_sets_a_new_key_only(cache: MemoryCache) -> None:
    assert cache.call("SETNX", "k", "1") == 1
    assert cache.call("SETNX", "k", "2") == 0
    assert cache.call("GET", "k") == b"1"


def test_setex_and_psetex_set_with_a_time_to_live(cache: MemoryCache) -> None:
    assert cache.call("SETEX", "s", 2, "v") == b"OK"
    assert cache.call("PSETEX", "ms", 2, "v") == b"OK"
    assert (cache.call("PTTL", "s"), cache.call("PTTL", "ms")) == (2000, 2)


def test_getex_changes_the_time_to_live(cache: MemoryCache) -> None:
    cache.call("SET", "k", "v")
    assert cache.call("GETEX", "k") == b"v"
    assert cache.call("GETEX", "k", "PX", 5) == b"v"
    assert cache.call("PTTL", "k") == 5
    assert cache.call("GETEX", "k") == b"v"
    assert cache.call("PTTL", "k") == 5
    assert cache.call("GETEX", "k", "PERSIST") == b"v"
    assert cache.call("PTTL", "k") == -1
    assert cache.call("GETEX", "k", "PXAT", 1) == b"v"
    assert cache.call("EXISTS", "k") == 0
    assert cache.call("GETEX", "k", "EX", 0) is None


def test_getset_gives_the_old_value_and_ends_the_time_to_live(cache: MemoryCache) -> None:
    assert cache.call("GETSET", "k", "1") is None
    cache.call("EXPIRE", "k", 10)
    assert cache.call("GETSET", "k", "2") == b"1"
    assert cache.call("TTL", "k") == -1


def test_getdel_gives_the_value_once(cache: MemoryCache) -> None:
    cache.call("SET", "k", "v")
    assert cache.call("GETDEL", "k") == b"v"
    assert cache.call("GETDEL", "k") is None


def test_many_keys_are_set_and_got_in_one_request(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "f", "v")
    cache.call("SET", "a", "0", "EX", 10)
    assert cache.call("MSET", "a", "1", "b", "2", "a", "3") == b"OK"
    assert cache.call("MGET", "a", "b", "nope", "h") == [b"3", b"2", None, None]
    assert cache.call("TTL", "a") == -1


def test_appending_keeps_the_time_to_live(cache: MemoryCache) -> None:
    assert cache.call("APPEND", "k", "ab") == 2
    cache.call("EXPIRE", "k", 10)
    assert cache.call("APPEND", "k", "c") == 3
    assert cache.call("GET", "k") == b"abc"
    assert cache.call("TTL", "k") == 10
    assert cache.call("STRLEN", "k") == 3


def test_appending_nothing_makes_an_empty_key(cache: MemoryCache) -> None:
    assert cache.call("APPEND", "k", "") == 0
    assert cache.call("EXISTS", "k") == 1


def test_a_string_cannot_be_appended_to_beyond_the_longest_value() -> None:
    cache = MemoryCache(config={"proto-max-bulk-len": 1 << 20})
    cache.call("SET", "k", b"x" * (1 << 20))
    assert refusal(cache, "APPEND", "k", "y") == "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    assert cache.call("STRLEN", "k") == 1 << 20
    cache.stop()


@pytest.mark.parametrize(
    ("words", "total"),
    [
        (("INCR", "k"), 11),
        (("DECR", "k"), 9),
        (("INCRBY", "k", -20), -10),
        (("DECRBY", "k", 20), -10),
        (("INCRBY", "k", 2**63 - 11), 2**63 - 1),
        (("DECRBY", "k", 2**63 - 1), 11 - 2**63),
    ],
)
def test_a_counter_keeps_its_time_to_live(cache: MemoryCache, words: tuple[Any, ...], total: int) -> None:
    cache.call("SET", "k", 10, "EX", 10)
    assert cache.call(*words) == total
    assert cache.call("GET", "k") == b"%d" % total
    assert cache.call("TTL", "k") == 10


@pytest.mark.parametrize(
    ("words", "total"), [(("INCR", "k"), 1), (("DECR", "k"), -1), (("INCRBY", "k", 5), 5), (("DECRBY", "k", 5), -5)]
)
def test_a_counter_begins_at_zero(cache: MemoryCache, words: tuple[Any, ...], total: int) -> None:
    assert cache.call(*words) == total


@pytest.mark.parametrize(
    ("start", "increment", "total"),
    [
        (None, "10.50", b"10.5"),
        ("3.0e3", "200", b"3200"),
        ("0.1", "0.2", b"0.3"),
        ("1", "-1", b"0"),
        ("5", "1e-18", b"5"),
    ],
)
def test_a_decimal_counter_counts_as_redis_does(
    cache: MemoryCache, start: str | None, increment: str, total: bytes
) -> None:
    if start is not None:
        cache.call("SET", "k", start, "EX", 10)
    assert cache.call("INCRBYFLOAT", "k", increment) == total
    assert cache.call("GET", "k") == total
    assert cache.call("TTL", "k") == (-1 if start is None else 10)
