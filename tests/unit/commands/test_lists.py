"""Commands on values that are lists."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError

MIN = -(2**63)
ZERO_RANK = (
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from "
    "the end of the list"
)


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return caught.value.line.decode()


def held(cache: MemoryCache, key: str = "k") -> str:
    """Give the elements of a list, one character each."""
    elements: list[bytes] = cache.call("LRANGE", key, 0, -1)
    return b"".join(elements).decode()


@pytest.fixture
def abacd(cache: MemoryCache) -> MemoryCache:
    """A cache with the list `k` of a, b, a, c, d and the string `s`."""
    cache.call("RPUSH", "k", *"abacd")
    cache.call("SET", "s", "v")
    return cache


def test_elements_are_added_at_both_ends(cache: MemoryCache) -> None:
    assert cache.call("LPUSH", "k", "a", "b") == 2
    assert cache.call("RPUSH", "k", "c", "d") == 4
    assert held(cache) == "bacd"


def test_elements_are_added_to_lists_that_exist(cache: MemoryCache) -> None:
    assert (cache.call("LPUSHX", "k", "a"), cache.call("RPUSHX", "k", "a")) == (0, 0)
    cache.call("RPUSH", "k", "x")
    assert cache.call("LPUSHX", "k", "a", "b") == 3
    assert cache.call("RPUSHX", "k", "c", "d") == 5
    assert held(cache) == "baxcd"


@pytest.mark.parametrize(
    ("words", "reply", "elements"),
    [
        (("BEFORE", "a"), 6, "xabacd"),
        (("after", "a"), 6, "axbacd"),
        (("BEFORE", "d"), 6, "abacxd"),
        (("AFTER", "d"), 6, "abacdx"),
        (("AFTER", "z"), -1, "abacd"),
    ],
)
def test_an_element_is_put_beside_another(abacd: MemoryCache, words: Any, reply: int, elements: str) -> None:
    assert abacd.call("LINSERT", "k", *words, "x") == reply
    assert held(abacd) == elements


def test_nothing_is_put_into_a_list_that_is_not_there(cache: MemoryCache) -> None:
    assert cache.call("LINSERT", "k", "BEFORE", "a", "x") == 0
    assert cache.call("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("place", "element"), [(0, b"a"), (4, b"d"), (5, None), (-1, b"d"), (-5, b"a"), (-6, None), (2**63 - 1, None)]
)
def test_an_element_is_read_by_its_place(abacd: MemoryCache, place: int, element: bytes | None) -> None:
    assert abacd.call("LINDEX", "k", place) == element


@pytest.mark.parametrize(("place", "elements"), [(0, "xbacd"), (2, "abxcd"), (-1, "abacx")])
def test_an_element_is_replaced_by_its_place(abacd: MemoryCache, place: int, elements: str) -> None:
    assert abacd.call("LSET", "k", place, "x") == b"OK"
    assert held(abacd) == elements


@pytest.mark.parametrize(
    ("start", "stop", "elements"),
    [(0, -1, "abacd"), (1, 2, "ba"), (-2, 9, "cd"), (-9, 0, "a"), (3, 2, ""), (9, 9, ""), (0, -9, ""), (MIN, -5, "a")],
)
def test_a_range_is_read_and_kept(abacd: MemoryCache, start: int, stop: int, elements: str) -> None:
    assert b"".join(abacd.call("LRANGE", "k", start, stop)).decode() == elements
    assert abacd.call("LTRIM", "k", start, stop) == b"OK"
    assert held(abacd) == elements
    assert abacd.call("EXISTS", "k") == bool(elements)


@pytest.mark.parametrize(
    ("count", "element", "removed", "elements"),
    [(0, "a", 2, "bcd"), (1, "a", 1, "bacd"), (-1, "a", 1, "abcd"), (9, "a", 2, "bcd"), (0, "z", 0, "abacd")],
)
def test_elements_are_removed_by_what_they_are(
    abacd: MemoryCache, count: int, element: str, removed: int, elements: str
) -> None:
    assert abacd.call("LREM", "k", count, element) == removed
    assert held(abacd) == elements


def test_a_list_without_elements_is_gone(cache: MemoryCache) -> None:
    cache.call("RPUSH", "k", "a", "a")
    assert cache.call("LREM", "k", 0, "a") == 2
    assert cache.call("EXISTS", "k") == 0
    assert cache.call("LREM", "k", 0, "a") == 0


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        ((), 0),
        (("RANK", 2), 2),
        (("RANK", 3), None),
        (("RANK", -1), 2),
        (("RANK", -2), 0),
        (("RANK", MIN), 2),
        (("COUNT", 0), [0, 2]),
        (("COUNT", 1), [0]),
        (("RANK", -1, "COUNT", 0), [2, 0]),
        (("RANK", 3, "COUNT", 0), []),
        (("MAXLEN", 2, "COUNT", 0), [0]),
        (("MAXLEN", 1, "RANK", -1), None),
        (("maxlen", 0), 0),
    ],
)
def test_an_element_is_looked_for(abacd: MemoryCache, options: Any, reply: Any) -> None:
    assert abacd.call("LPOS", "k", "a", *options) == reply


def test_nothing_is_found_in_a_list_that_is_not_there(cache: MemoryCache) -> None:
    assert cache.call("LPOS", "k", "a") is None
    assert cache.call("LPOS", "k", "a", "COUNT", 0) == []


def test_elements_are_taken_from_both_ends(abacd: MemoryCache) -> None:
    assert abacd.call("LPOP", "k") == b"a"
    assert abacd.call("RPOP", "k") == b"d"
    assert abacd.call("LPOP", "k", 0) == []
    assert abacd.call("RPOP", "k", 2) == [b"c", b"a"]
    assert abacd.call("RPOP", "k", 9) == [b"b"]
    assert abacd.call("EXISTS", "k") == 0


def test_a_list_is_taken_as_a_whole(abacd: MemoryCache) -> None:
    assert abacd.call("LPOP", "k", 5) == [b"a", b"b", b"a", b"c", b"d"]
    assert abacd.call("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("LLEN", "nope"), 0),
        (("LINDEX", "nope", "x"), None),
        (("LRANGE", "nope", 0, -1), []),
        (("LTRIM", "nope", 0, -1), b"OK"),
        (("LREM", "nope", 0, "a"), 0),
        (("LPOP", "nope"), None),
        (("RPOP", "nope", 1), None),
        (("LMOVE", "nope", "s", "LEFT", "LEFT"), None),
        (("RPOPLPUSH", "nope", "s"), None),
        (("LMPOP", 2, "nope", "no", "LEFT"), None),
    ],
)
def test_a_key_that_is_not_there_is_an_empty_list(abacd: MemoryCache, words: Any, reply: Any) -> None:
    assert abacd.call(*words) == reply
    assert abacd.call("EXISTS", "nope") == 0


@pytest.mark.parametrize(
    ("sides", "element", "source", "target"),
    [
        (("LEFT", "LEFT"), b"a", "bacd", "ax"),
        (("LEFT", "RIGHT"), b"a", "bacd", "xa"),
        (("right", "Left"), b"d", "abac", "dx"),
        (("RIGHT", "RIGHT"), b"d", "abac", "xd"),
    ],
)
def test_an_element_is_moved(abacd: MemoryCache, sides: Any, element: bytes, source: str, target: str) -> None:
    abacd.call("RPUSH", "j", "x")
    assert abacd.call("LMOVE", "k", "j", *sides) == element
    assert (held(abacd), held(abacd, "j")) == (source, target)


def test_an_element_is_moved_round(abacd: MemoryCache) -> None:
    assert abacd.call("RPOPLPUSH", "k", "k") == b"d"
    assert held(abacd) == "dabac"
    assert abacd.call("LMOVE", "k", "k", "LEFT", "RIGHT") == b"d"
    assert held(abacd) == "abacd"


def test_a_list_of_one_that_is_moved_round_keeps_its_time_to_live(cache: MemoryCache) -> None:
    cache.call("RPUSH", "k", "a")
    cache.call("EXPIRE", "k", 100)
    assert cache.call("LMOVE", "k", "k", "LEFT", "LEFT") == b"a"
    assert cache.call("TTL", "k") == 100
    assert cache.call("BRPOPLPUSH", "k", "k", 0) == b"a"
    assert cache.call("TTL", "k") == 100


def test_the_last_element_is_moved_and_its_list_is_gone(cache: MemoryCache) -> None:
    cache.call("RPUSH", "k", "a")
    assert cache.call("RPOPLPUSH", "k", "j") == b"a"
    assert cache.call("KEYS", "*") == [b"j"]


def test_elements_are_taken_from_the_first_list_that_is_there(abacd: MemoryCache) -> None:
    assert abacd.call("LMPOP", 2, "nope", "k", "LEFT") == [b"k", [b"a"]]
    assert abacd.call("LMPOP", 1, "k", "right", "count", 2) == [b"k", [b"d", b"c"]]
    assert abacd.call("LMPOP", 3, "nope", "k", "s", "LEFT", "COUNT", 9) == [b"k", [b"b", b"a"]]


def test_what_may_wait_takes_at_once_what_is_there(abacd: MemoryCache) -> None:
    assert abacd.call("BLPOP", "nope", "k", 0) == [b"k", b"a"]
    assert abacd.call("BRPOP", "k", 0) == [b"k", b"d"]
    assert abacd.call("BLMPOP", 0, 2, "nope", "k", "RIGHT", "COUNT", 1) == [b"k", [b"c"]]
    assert abacd.call("BLMOVE", "k", "j", "LEFT", "LEFT", 0) == b"b"
    assert abacd.call("BRPOPLPUSH", "k", "j", 0) == b"a"
    assert held(abacd, "j") == "ab"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("LINSERT k NEAR a x", "ERR syntax error"),
        ("LINDEX k x", "ERR value is not an integer or out of range"),
        ("LSET nope 0 x", "ERR no such key"),
        ("LSET k 5 x", "ERR index out of range"),
        ("LSET k -6 x", "ERR index out of range"),
        ("LRANGE nope x 0", "ERR value is not an integer or out of range"),
        ("LTRIM nope 0 x", "ERR value is not an integer or out of range"),
        ("LREM nope x a", "ERR value is not an integer or out of range"),
        ("LPOS k a RANK 0", ZERO_RANK),
        ("LPOS k a COUNT -1", "ERR COUNT can't be negative"),
        ("LPOS k a MAXLEN x", "ERR MAXLEN can't be negative"),
        ("LPOS k a RANK", "ERR syntax error"),
        ("LPOS k a NOPE 1", "ERR syntax error"),
        ("LPOP k -1", "ERR value is out of range, must be positive"),
        ("LPOP k x", "ERR value is out of range, must be positive"),
        ("LPOP k 1 2", "ERR wrong number of arguments for 'lpop' command"),
        ("RPOP k 1 2", "ERR wrong number of arguments for 'rpop' command"),
        ("LMOVE k j UP LEFT", "ERR syntax error"),
        ("LMOVE k j LEFT UP", "ERR syntax error"),
        ("LMOVE k s LEFT LEFT", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("LMPOP 0 k LEFT", "ERR numkeys should be greater than 0"),
        ("LMPOP 3 k LEFT", "ERR syntax error"),
        ("LMPOP 1 k UP", "ERR syntax error"),
        ("LMPOP 2 k LEFT COUNT", "ERR syntax error"),
        ("LMPOP 1 k LEFT COUNT 0", "ERR count should be greater than 0"),
        ("LMPOP 1 k LEFT COUNT 1 COUNT 1", "ERR syntax error"),
        ("LMPOP 1 k LEFT NOPE", "ERR syntax error"),
        ("BLPOP k -1", "ERR timeout is negative"),
        ("BRPOP k inf", "ERR timeout is negative"),
        ("BLPOP k 1e400", "ERR timeout is negative"),
        ("BLMOVE k j LEFT LEFT x", "ERR timeout is not a float or out of range"),
        ("BRPOPLPUSH k s 0", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("BLMPOP 0 1 s LEFT", "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(abacd: MemoryCache, words: str, error: str) -> None:
    assert refusal(abacd, *words.split()) == error
    assert held(abacd) == "abacd"
    assert sorted(abacd.call("KEYS", "*")) == [b"k", b"s"]


@pytest.mark.parametrize(
    "words",
    [
        "LPUSH s a", "RPUSH s a", "LPUSHX s a", "RPUSHX s a", "LINSERT s BEFORE a b", "LLEN s", "LINDEX s 0",
        "LSET s 0 a",
        "LRANGE s 0 1", "LTRIM s 0 1", "LREM s 0 a", "LPOS s a", "LPOP s", "RPOP s 1", "LMOVE s k LEFT LEFT",
        "RPOPLPUSH s k", "LMPOP 2 s k LEFT", "BLPOP s k 0", "BRPOP s k 0", "BLMOVE s k LEFT LEFT 0", "BRPOPLPUSH s k 0",
        "BLMPOP 0 2 s k LEFT",
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(abacd: MemoryCache, words: str) -> None:
    assert refusal(abacd, *words.split()) == "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert abacd.call("GET", "s") == b"v"


def test_memory_is_counted_back_when_lists_are_gone(cache: MemoryCache) -> None:
    database = cache.service.dispatcher.server.databases[0]
    for request in (
        "RPUSH k a b c d e f", "LPUSH k 1 2 3", "LINSERT k BEFORE a x", "LSET k 0 something-longer",
        "LREM k 1 b",
        "LMOVE k j LEFT RIGHT",
        "LMOVE k k LEFT RIGHT", "LTRIM k 1 -2", "LPOP k 2", "RPOP k", "LMPOP 1 j LEFT", "LPOP k 99",
    ):  # fmt: skip
        cache.call(*request.split())
    assert cache.call("DBSIZE") == 0
    assert database.memory == 0


def test_a_copy_of_a_long_list_is_a_list_of_its_own(cache: MemoryCache) -> None:
    cache.call("RPUSH", "k", *range(2000))
    assert cache.call("COPY", "k", "j") == 1
    assert cache.call("LTRIM", "j", 700, -600) == b"OK"
    assert cache.call("LRANGE", "j", 0, -1) == [b"%d" % number for number in range(700, 1401)]
    assert cache.call("LLEN", "k") == 2000
