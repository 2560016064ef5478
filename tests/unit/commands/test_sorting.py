"""SORT and SORT_RO: elements in another order, or what other keys hold for them."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError


@pytest.fixture
def filled(cache: MemoryCache) -> MemoryCache:
    cache.call("RPUSH", "l", 3, 1, 2, 10)
    cache.call("RPUSH", "t", "b", "a", "c")
    cache.call("SADD", "s", 3, 1, 2)
    cache.call("SADD", "u", "b", "a")
    cache.call("ZADD", "z", 3, "1", 1, "2", 2, "3")
    cache.call("MSET", "w_1", 5, "w_2", 1, "w_10", 7)
    for number in (1, 2, 3):
        cache.call("HSET", f"h_{number}", "f", 4 - number)
    return cache


def texts(*words: object) -> list[Any]:
    return [None if word is None else str(word).encode() for word in words]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("l", texts(1, 2, 3, 10)),
        ("l DESC", texts(10, 3, 2, 1)),
        ("l ASC LIMIT 1 2", texts(2, 3)),
        ("l LIMIT -1 -1", texts(1, 2, 3, 10)),
        ("l LIMIT 9 9", []),
        ("l ALPHA", texts(1, 10, 2, 3)),
        ("l BY nosort", texts(3, 1, 2, 10)),
        ("l BY nosort DESC", texts(10, 2, 1, 3)),
        ("l BY w_*", texts(3, 2, 1, 10)),
        ("l BY w_* ALPHA", texts(3, 2, 1, 10)),
        ("l BY h_*->f", texts(10, 3, 2, 1)),
        ("l GET # GET w_* GET nope", texts(1, 5, None, 2, 1, None, 3, None, None, 10, 7, None)),
        ("l GET h_*->f GET h_*->", texts(3, None, 2, None, 1, None, None, None)),
        ("l BY nosort BY w_*", texts(3, 1, 2, 10)),
        ("l BY nosort\0*", texts(3, 1, 2, 10)),
        ("l GET #\0 GET w_\0* LIMIT 0 1", texts(1, None)),
        ("l GET h_*->\0f LIMIT 0 1", texts(None)),
        ("l GET h_*->f\0 LIMIT 0 1", texts(None)),
        ("l GET h_*", texts(None, None, None, None)),
        ("l GET w_*->f LIMIT 0 1", texts(None)),
        ("t ALPHA DESC", texts("c", "b", "a")),
        ("s DESC", texts(3, 2, 1)),
        ("u ALPHA", texts("a", "b")),
        ("z", texts(1, 2, 3)),
        ("z BY nosort", texts(2, 3, 1)),
        ("z BY nosort DESC LIMIT 0 2", texts(1, 3)),
        ("nope", []),
    ],
)
@pytest.mark.parametrize("name", ["SORT", "SORT_RO"])
def test_elements_are_sorted(filled: MemoryCache, name: str, request_: str, expected: list[Any]) -> None:
    assert filled.call(name, *request_.split(" ")) == expected


def test_texts_are_compared_up_to_their_first_nul_but_for_what_is_stored(cache: MemoryCache) -> None:
    cache.call("RPUSH", "l", "b", "a\0c", "a\0b")
    assert cache.call("SORT", "l", "ALPHA") == texts("a\0c", "a\0b", "b")
    cache.call("SORT", "l", "ALPHA", "STORE", "d")
    assert cache.call("LRANGE", "d", 0, -1) == texts("a\0b", "a\0c", "b")


def test_of_equal_texts_a_part_comes_as_the_quicksort_of_redis_leaves_it(cache: MemoryCache) -> None:
    cache.call("RPUSH", "l", *range(9))
    assert cache.call("SORT", "l", "BY", "w_*", "ALPHA") == texts(*range(9))
    assert cache.call("SORT", "l", "BY", "w_*", "ALPHA", "LIMIT", 0, 8) == texts(8, *range(1, 8))
    assert cache.call("SORT", "l", "BY", "w_*", "ALPHA", "LIMIT", 7, -1) == texts(7, 0)


@pytest.mark.parametrize("name", ["SORT", "SORT_RO"])
def test_a_sorted_set_is_unpacked_by_it(filled: MemoryCache, name: str) -> None:
    filled.call(name, "z", "LIMIT", 0, 0)
    assert filled.call("OBJECT", "ENCODING", "z") == b"skiplist"


def test_a_long_string_is_looked_up_whole(cache: MemoryCache) -> None:
    cache.call("RPUSH", "l", 1)
    cache.call("SETRANGE", "w_1", 100_000, "x")
    assert len(cache.call("SORT", "l", "GET", "w_*")[0]) == 100_001


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("SORT l NOPE", "ERR syntax error"),
        ("SORT l LIMIT 1", "ERR syntax error"),
        ("SORT l BY", "ERR syntax error"),
        ("SORT l GET", "ERR syntax error"),
        ("SORT l STORE", "ERR syntax error"),
        ("SORT_RO l STORE d", "ERR syntax error"),
        ("SORT l LIMIT a 1", "ERR value is not an integer or out of range"),
        ("SORT t", "ERR One or more scores can't be converted into double"),
        ("SORT w_1", "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
)
def test_what_cannot_be_sorted_is_refused(filled: MemoryCache, request_: str, error: str) -> None:
    with pytest.raises(CommandError) as caught:
        filled.call(*request_.split(" "))
    assert str(caught.value) == error


@pytest.mark.parametrize("number", ["1e400", "1e-400", "nan", "0x", "1 ", "x"])
def test_what_is_no_number_in_range_cannot_be_sorted_by(cache: MemoryCache, number: str) -> None:
    cache.call("RPUSH", "l", 1, number)
    with pytest.raises(CommandError, match="can't be converted into double"):
        cache.call("SORT", "l")


def test_infinities_and_nothing_are_numbers(cache: MemoryCache) -> None:
    cache.call("RPUSH", "l", "inf", "", "-inf", 1)
    assert cache.call("SORT", "l") == texts("-inf", "", 1, "inf")


@pytest.mark.parametrize(
    ("request_", "stored"),
    [
        ("l", texts(1, 2, 3, 10)),
        ("l GET w_*", texts(5, 1, "", 7)),
        ("s BY nosort", texts(1, 2, 3)),
        ("s BY nosort DESC", texts(3, 2, 1)),
        ("z BY nosort", texts(2, 3, 1)),
        ("l LIMIT 0 1", texts(1)),
    ],
)
def test_the_outcome_can_be_stored(filled: MemoryCache, request_: str, stored: list[bytes]) -> None:
    filled.call("SET", "d", "v", "EX", 100)
    assert filled.call("SORT", *request_.split(" "), "STORE", "d") == len(stored)
    assert filled.call("LRANGE", "d", 0, -1) == stored
    assert filled.call("TTL", "d") == -1


def test_storing_nothing_removes_the_key(filled: MemoryCache) -> None:
    assert filled.call("SORT", "nope", "STORE", "l") == 0
    assert filled.call("EXISTS", "l") == 0


@pytest.mark.parametrize("request_", ["SORT z", "SORT_RO z BY nosort", "SORT z LIMIT 9 1"])
def test_a_sorted_set_that_was_sorted_is_packed_no_more(filled: MemoryCache, request_: str) -> None:
    assert filled.call("OBJECT", "ENCODING", "z") == b"listpack"
    filled.call(*request_.split())
    assert filled.call("OBJECT", "ENCODING", "z") == b"skiplist"
