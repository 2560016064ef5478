"""Commands that estimate how many different elements there are."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from twisted_kv.testing import MemoryCache
from twisted_kv.values.hyperloglogs import REGISTERS, place_and_run
from twisted_kv.vocabulary.errors import CommandError

NO_LOG = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPT = "INVALIDOBJ Corrupted HLL object detected"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"

HEAD = b"HYLL\x01" + bytes(10) + b"\x80"
SHORT = HEAD + b"\x7f\xfe"
TOO_LONG = HEAD + b"\x7f\xff\x80"


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


def test_elements_are_added_and_counted(cache: MemoryCache) -> None:
    assert cache.call("PFADD", "h", "a", "b", "c") == 1
    assert cache.call("PFADD", "h", "a", "b") == 0
    assert cache.call("PFADD", "h") == 0
    assert cache.call("PFCOUNT", "h") == 3


def test_a_log_without_elements_is_made(cache: MemoryCache) -> None:
    assert cache.call("PFADD", "h") == 1
    assert cache.call("GET", "h") == HEAD + b"\x7f\xff"
    assert cache.call("PFCOUNT", "h") == 0
    assert cache.call("PFCOUNT", "nope") == 0


def test_an_estimate_is_kept_in_the_value_until_it_changes(cache: MemoryCache) -> None:
    cache.call("PFADD", "h", "a")
    assert cache.call("GETRANGE", "h", 8, 15) == bytes(7) + b"\x80"
    for _ in range(2):
        assert cache.call("PFCOUNT", "h") == 1
        assert cache.call("GETRANGE", "h", 8, 15) == b"\x01" + bytes(7)
    cache.call("PFADD", "h", "b")
    assert cache.call("GETRANGE", "h", 15, 15) == b"\x80"


def test_several_logs_are_counted_together(cache: MemoryCache) -> None:
    cache.call("PFADD", "h", "a", "b")
    cache.call("PFADD", "i", "b", "c")
    assert cache.call("PFCOUNT", "h", "i", "nope") == 3


def test_logs_are_merged_into_one(cache: MemoryCache) -> None:
    cache.call("PFADD", "h", "a", "b")
    cache.call("PFADD", "i", "b", "c")
    assert cache.call("PFMERGE", "d", "h", "i", "nope") == b"OK"
    assert cache.call("PFCOUNT", "d") == 3
    assert cache.call("PFMERGE", "h") == b"OK"
    assert cache.call("PFCOUNT", "h") == 2


def test_what_is_merged_with_a_dense_log_is_dense(cache: MemoryCache) -> None:
    cache.call("PFADD", "h", "a")
    cache.call("PFADD", "i", "b")
    assert cache.call("PFDEBUG", "TODENSE", "i") == 1
    assert cache.call("PFDEBUG", "TODENSE", "i") == 0
    cache.call("PFMERGE", "h", "i")
    assert cache.call("PFDEBUG", "ENCODING", "h") == b"dense"
    assert cache.call("PFCOUNT", "h") == 2
    assert cache.call("PFADD", "h", "a") == 0
    assert cache.call("PFADD", "h", "new") == 1


def test_a_log_of_many_elements_becomes_dense(cache: MemoryCache) -> None:
    for start in range(0, 3000, 500):
        cache.call("PFADD", "h", *range(start, start + 500))
    assert cache.call("PFDEBUG", "ENCODING", "h") == b"dense"
    assert abs(cache.call("PFCOUNT", "h") - 3000) < 100


def test_a_log_keeps_its_time_to_live(cache: MemoryCache) -> None:
    cache.call("PFADD", "h", "a")
    cache.call("EXPIRE", "h", 100)
    cache.call("PFADD", "h", "b")
    cache.call("PFCOUNT", "h")
    cache.call("PFMERGE", "h")
    assert cache.call("TTL", "h") == 100


def test_a_log_is_looked_at_from_within(cache: MemoryCache) -> None:
    cache.call("SET", "h", HEAD + b"\x80\x05\x85\x7f\xf6")
    assert cache.call("PFDEBUG", "encoding", "h") == b"sparse"
    assert cache.call("PFDEBUG", "DECODE", "h") == b"v:1,1 z:6 v:2,2 Z:16375"
    registers = cache.call("PFDEBUG", "GETREG", "h")
    assert registers == [1, 0, 0, 0, 0, 0, 0, 2, 2, *[0] * 16375]
    assert cache.call("PFDEBUG", "ENCODING", "h") == b"dense"
    assert cache.call("PFDEBUG", "GETREG", "h") == registers


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("PFDEBUG", "DECODE", "nope"), "ERR The specified key does not exist"),
        (("PFDEBUG", "NOPE", "sound"), "ERR Unknown PFDEBUG subcommand 'NOPE'"),
        (("PFDEBUG", "DECODE", "dense"), "ERR HLL encoding is not sparse"),
        (("PFDEBUG", "GETREG", "short"), CORRUPT),
        (("PFADD", "text", "a"), NO_LOG),
        (("PFADD", "long text", "a"), NO_LOG),
        (("PFADD", "unknown", "a"), NO_LOG),
        (("PFADD", "cut", "a"), NO_LOG),
        (("PFADD", "list", "a"), WRONG_TYPE),
        (("PFADD", "empty", "a"), CORRUPT),
        (("PFCOUNT", "text"), NO_LOG),
        (("PFCOUNT", "short"), CORRUPT),
        (("PFCOUNT", "too long"), CORRUPT),
        (("PFCOUNT", "short", "list"), CORRUPT),
        (("PFCOUNT", "list", "short"), WRONG_TYPE),
        (("PFMERGE", "d", "short"), CORRUPT),
        (("PFMERGE", "d", "too long"), CORRUPT),
        (("PFMERGE", "d", "sound", "list"), WRONG_TYPE),
        (("PFMERGE", "text"), NO_LOG),
    ],
)
def test_what_is_no_sound_log_is_refused(cache: MemoryCache, words: tuple[Any, ...], error: str) -> None:
    cache.call("PFADD", "sound", "a")
    cache.call("PFADD", "dense", "a")
    cache.call("PFDEBUG", "TODENSE", "dense")
    cache.call("SET", "cut", cache.call("GET", "dense")[:-1])
    cache.call("MSET", "text", "x", "long text", "x" * 20, "unknown", b"HYLL\x02" + bytes(20))
    cache.call("MSET", "short", SHORT, "too long", TOO_LONG, "empty", HEAD)
    cache.call("RPUSH", "list", "x")
    assert refusal(cache, *words) == error
    assert cache.call("EXISTS", "d") == 0


def test_what_was_added_before_the_damage_was_found_stays(cache: MemoryCache) -> None:
    places = {place_and_run(b"%d" % number)[0]: number for number in range(100_000)}
    element, beyond = places[min(places)], places[max(places)]
    cache.call("SET", "h", HEAD + b"\x08")
    assert refusal(cache, "PFADD", "h", element, beyond) == CORRUPT
    assert cache.call("GET", "h") != HEAD + b"\x08"


def test_the_test_of_itself_passes(cache: MemoryCache) -> None:
    assert cache.call("PFSELFTEST") == b"OK"


@pytest.mark.pure
def test_the_test_of_itself_fails_where_estimates_are_wrong(
    cache: MemoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["twisted_kv.commands.hyperloglogs"], "estimate", lambda registers: 0)
    assert refusal(cache, "PFSELFTEST") == "ERR TESTFAILED"


def test_the_error_of_a_corrupt_log_is_made_anew_and_holds_on_to_no_request(cache: MemoryCache) -> None:
    cache.call("SET", "h", SHORT)
    errors = []
    for _ in range(2):
        with pytest.raises(CommandError, match="Corrupted") as caught:
            cache.call("PFCOUNT", "h")
        errors.append(caught.value)
    assert errors[0] is not errors[1]


@pytest.mark.parametrize("value", [50, 51, 63])
def test_a_count_that_64_bits_cannot_hold_is_the_lowest_number_and_is_not_kept(cache: MemoryCache, value: int) -> None:
    """No elements fill all registers so; a string that somebody made does."""
    bits = sum(value << 6 * place for place in range(REGISTERS)).to_bytes(REGISTERS * 6 // 8, "little")
    cache.call("SET", "k", b"HYLL" + bytes(11) + b"\x80" + bits)
    assert cache.call("PFCOUNT", "k") == cache.call("PFCOUNT", "k", "nope") == -(2**63)
    assert cache.call("GET", "k")[:16] == b"HYLL" + bytes(11) + b"\x80"
    cache.call("PFADD", "k", *range(10))
    assert cache.call("PFCOUNT", "k") == -(2**63)


def test_elements_that_a_dense_value_has_already_change_nothing(cache: MemoryCache) -> None:
    elements = [b"%d" % number for number in range(20_000)]
    assert cache.call("PFADD", "h", *elements) == 1
    assert cache.call("PFADD", "h", *elements) == 0
