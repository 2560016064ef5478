"""LCS: the longest common subsequence of two strings."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError

NO_STRING = "ERR The specified keys must contain string values"


@pytest.fixture
def texts(cache: MemoryCache) -> MemoryCache:
    """The example that everybody uses."""
    cache.call("MSET", "a", "ohmytext", "b", "mynewtext")
    return cache


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ((), b"mytext"),
        (("LEN",), 6),
        (("IDX",), {b"matches": [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], b"len": 6}),
        (("idx", "MINMATCHLEN", 4), {b"matches": [[[4, 7], [5, 8]]], b"len": 6}),
        (
            ("IDX", "WITHMATCHLEN", "MINMATCHLEN", -1),
            {b"matches": [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]], b"len": 6},
        ),
        (("WITHMATCHLEN", "MINMATCHLEN", 4), b"mytext"),
    ],
)
def test_what_two_strings_have_in_common_is_told(texts: MemoryCache, words: tuple[Any, ...], reply: Any) -> None:
    assert texts.call("LCS", "a", "b", *words) == reply


def test_the_way_back_leads_through_both_strings(cache: MemoryCache) -> None:
    cache.call("MSET", "a", "xxabcyy", "b", "abzzcq")
    assert cache.call("LCS", "a", "b") == b"abc"
    assert cache.call("LCS", "b", "a") == b"abc"


def test_nothing_is_common_to_nothing(texts: MemoryCache) -> None:
    assert texts.call("LCS", "a", "nope") == b""
    assert texts.call("LCS", "nope", "b", "IDX") == {b"matches": [], b"len": 0}


def test_a_string_that_was_changed_in_place_is_read_whole(texts: MemoryCache) -> None:
    texts.call("SETRANGE", "long", 70_000, "mytext")
    assert texts.call("LCS", "long", "b", "LEN") == 6


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("a", "list"), NO_STRING),
        (("list", "a", "NOPE"), NO_STRING),
        (("a", "b", "NOPE"), "ERR syntax error"),
        (("a", "b", "MINMATCHLEN"), "ERR syntax error"),
        (("a", "b", "MINMATCHLEN", "x"), "ERR value is not an integer or out of range"),
        (("a", "b", "IDX", "LEN"), "ERR If you want both the length and indexes, please just use IDX."),
        (("huge", "huge", "LEN"), "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"),
    ],
)
def test_what_makes_no_sense_is_refused(texts: MemoryCache, words: tuple[Any, ...], error: str) -> None:
    texts.call("RPUSH", "list", "x")
    texts.call("SETRANGE", "huge", 70_000, "x")
    with pytest.raises(CommandError) as caught:
        texts.call("LCS", *words)
    assert str(caught.value) == error


def test_no_more_memory_is_taken_than_there_can_be_whatever_a_value_may_hold(texts: MemoryCache) -> None:
    texts.call("CONFIG", "SET", "proto-max-bulk-len", "100gb")
    texts.call("SETRANGE", "huge", 70_000, "x")
    with pytest.raises(CommandError, match="failed allocating transient memory for LCS"):
        texts.call("LCS", "huge", "huge", "LEN")


@pytest.mark.parametrize("letters", [1, 2, 3, 20])
def test_the_longest_common_text_is_common_and_the_longest(cache: MemoryCache, letters: int) -> None:
    chance = Random(letters)
    for _ in range(60):
        first, second = (
            bytes(97 + chance.randrange(letters) for _ in range(chance.randrange(70)))
            + b"z" * chance.choice([0, 0, 40])
            for _ in "ab"
        )
        lengths = [0] * (len(second) + 1)
        for letter in first:
            before = 0
            for at, other in enumerate(second, 1):
                before, lengths[at] = lengths[at], before + 1 if letter == other else max(lengths[at], lengths[at - 1])
        cache.call("MSET", "a", first, "b", second)
        found = cache.call("LCS", "a", "b")
        assert isinstance(found, bytes)
        assert len(found) == cache.call("LCS", "a", "b", "LEN") == lengths[-1]
        for text in (first, second):
            left = iter(text)
            assert all(letter in left for letter in found)
