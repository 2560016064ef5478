"""Commands on the bits of strings."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from tests.sockets.parsing import peak_of
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError

BAD_OFFSET = "ERR bit offset is not an integer or out of range"
BAD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
NO_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
LONG = 100_000


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


def changes(cache: MemoryCache) -> int:
    return cache.service.dispatcher.server.databases[0].changes


def test_a_bit_is_set_and_cleared_and_what_it_was_is_told(cache: MemoryCache) -> None:
    assert cache.call("SETBIT", "k", 7, 1) == 0
    assert cache.call("SETBIT", "k", 9, 1) == 0
    assert cache.call("GET", "k") == b"\x01\x40"
    assert cache.call("SETBIT", "k", 7, 0) == 1
    assert cache.call("GET", "k") == b"\x00\x40"


def test_a_bit_that_is_so_already_is_no_change(cache: MemoryCache) -> None:
    cache.call("SETBIT", "k", 7, 1)
    before = changes(cache)
    assert cache.call("SETBIT", "k", 7, 1) == 1
    assert changes(cache) == before
    cache.call("SETBIT", "k", 8, 0)
    assert changes(cache) > before
    assert cache.call("STRLEN", "k") == 2


def test_a_bit_is_read_also_where_nothing_is(cache: MemoryCache) -> None:
    cache.call("SET", "k", b"\x01")
    assert [cache.call("GETBIT", "k", place) for place in (6, 7, 8, 100)] == [0, 1, 0, 0]
    assert cache.call("GETBIT", "nope", 0) == 0


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ((), 26),
        ((0, 0), 4),
        ((1, 1), 6),
        ((0, -5), 10),
        ((-2, -1), 7),
        ((-1, -2), 0),
        ((3, 1), 0),
        ((100, 200), 0),
        ((1, 1, "BYTE"), 6),
        ((5, 30, "BIT"), 17),
        ((0, -1, "bit"), 26),
        ((8, 15, "BIT"), 6),
        ((-1, -3, "BIT"), 0),
    ],
)
def test_bits_are_counted_in_ranges(cache: MemoryCache, words: tuple[Any, ...], reply: int) -> None:
    cache.call("SET", "k", "foobar")
    assert cache.call("BITCOUNT", "k", *words) == reply


def test_bits_of_no_string_are_none_whatever_the_range(cache: MemoryCache) -> None:
    assert cache.call("BITCOUNT", "nope") == 0
    assert cache.call("BITCOUNT", "nope", "x", "y") == 0
    cache.call("SET", "k", "")
    assert cache.call("BITCOUNT", "k") == 0


@pytest.mark.parametrize(
    ("value", "words", "reply"),
    [
        (b"\x00\x0f\x00", (1,), 12),
        (b"\xff\xf0\x00", (0,), 12),
        (b"\xff\xff", (0,), 16),
        (b"\xff\xff", (0, 0), 16),
        (b"\xff\xff", (0, 0, -1), -1),
        (b"\x00\x00", (1,), -1),
        (b"\x00\x0f\x80", (1, 2), 16),
        (b"\x00\x0f\x80", (1, -1), 16),
        (b"\x00\x0f\x80", (1, 2, 1), -1),
        (b"\x80\x00", (1, -10, -20), 0),
        (b"\x00\x0f\x80", (1, 13, 20, "BIT"), 13),
        (b"\xff\x00", (0, 3, 6, "BIT"), -1),
        (b"\x00\x00\x01", (1, 0, 22, "BIT"), -1),
        (b"\xff\xfb", (0, 9, -1, "BIT"), 13),
        (b"", (0,), -1),
        (b"", (1, 0), -1),
    ],
)
def test_the_first_bit_of_a_kind_is_found(cache: MemoryCache, value: bytes, words: Any, reply: int) -> None:
    cache.call("SET", "k", value)
    assert cache.call("BITPOS", "k", *words) == reply


def test_no_string_is_zeros_without_end(cache: MemoryCache) -> None:
    assert cache.call("BITPOS", "nope", 0) == 0
    assert cache.call("BITPOS", "nope", 1) == -1


def test_bits_of_long_strings_are_found_and_counted(cache: MemoryCache) -> None:
    cache.call("SETBIT", "k", LONG * 8 + 3, 1)
    assert cache.call("BITPOS", "k", 1) == LONG * 8 + 3
    assert cache.call("BITCOUNT", "k") == 1
    assert cache.call("GETBIT", "k", LONG * 8 + 3) == 1
    assert cache.call("GETBIT", "k", LONG * 8 + 3000) == 0
    assert cache.call("BITCOUNT", "k", 1, LONG * 8 + 2, "BIT") == 0
    assert cache.call("BITFIELD", "k", "SET", "u8", f"#{LONG}", 255, "GET", "i9", f"{LONG * 8}") == [16, -2]


@pytest.mark.parametrize(
    ("operation", "result"),
    [("AND", b"\x30\x00\x00"), ("or", b"\x7c\xff\x01"), ("XOR", b"\x4c\xff\x01"), ("And\x00", b"\x30\x00\x00")],
)
def test_strings_are_combined_the_shorter_ones_with_zeros(cache: MemoryCache, operation: str, result: bytes) -> None:
    cache.call("MSET", "a", b"\x3c", "b", b"\x70\xff\x01")
    assert cache.call("BITOP", operation, "d", "a", "b") == 3
    assert cache.call("GET", "d") == result


def test_long_strings_are_combined_piece_by_piece(cache: MemoryCache) -> None:
    cache.call("MSET", "a", b"\x3c" * 200_001, "b", b"\x70" * 65_537)
    assert cache.call("BITOP", "OR", "d", "b", "a") == 200_001
    assert cache.call("GET", "d") == b"\x7c" * 65_537 + b"\x3c" * (200_001 - 65_537)


def test_a_string_is_inverted(cache: MemoryCache) -> None:
    cache.call("SET", "a", b"\x00\xf0")
    assert cache.call("BITOP", "NOT", "a", "a") == 2
    assert cache.call("GET", "a") == b"\xff\x0f"


def test_what_is_combined_of_nothing_is_no_key(cache: MemoryCache) -> None:
    cache.call("SET", "d", "x")
    assert cache.call("BITOP", "XOR", "d", "nope", "none") == 0
    assert cache.call("EXISTS", "d") == 0


@pytest.mark.parametrize(
    ("operation", "keys", "bits"),
    [
        ("AND", ["sparse", "sparse"], 2),
        ("AND", ["sparse", "dense"], 1),
        ("OR", ["sparse", "dense"], 300_001),
        ("XOR", ["dense", "sparse"], 300_000),
        ("XOR", ["sparse", "sparse"], 0),
        ("OR", ["short", "sparse"], 9),
    ],
)
def test_what_nobody_wrote_costs_nothing(cache: MemoryCache, operation: str, keys: list[str], bits: int) -> None:
    size = 1 << 25
    cache.call("SETBIT", "sparse", size * 8 - 1, 1)
    cache.call("SETBIT", "sparse", 7, 1)
    cache.call("SET", "dense", b"\x01" * 300_000)
    cache.call("SET", "short", b"\xff")
    made = peak_of(lambda: cache.call("BITOP", operation, "d", *keys))
    assert made < 2_000_000
    assert cache.call("STRLEN", "d") == size
    assert cache.call("BITCOUNT", "d") == bits
    assert cache.call("OBJECT", "ENCODING", "d") == b"raw"
    assert cache.call("MEMORY", "USAGE", "d") < 2_000_000


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 98_304, 98_305])
def test_a_long_result_has_its_length(cache: MemoryCache, size: int) -> None:
    cache.call("SETRANGE", "a", size - 1, "x")
    for operation in ("AND", "OR"):
        assert cache.call("BITOP", operation, "d", "a", "a") == size
        assert cache.call("GET", "d") == cache.call("GET", "a")
    cache.call("SET", "short", "xyz")
    assert cache.call("BITOP", "AND", "d", "a", "short") == size
    assert cache.call("GET", "d") == bytes(size)
    assert cache.call("MEMORY", "USAGE", "d") > size % 32_768
    assert cache.call("BITOP", "NOT", "d", "a") == size
    assert cache.call("BITOP", "XOR", "e", "d", "a") == size
    assert cache.call("GET", "e") == b"\xff" * size


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("GET", "u4", 0, "GET", "i4", "#1"), [6, 6]),
        (("SET", "u8", 0, 255, "GET", "i8", 0), [102, -1]),
        (("SET", "u8", 0, -1), [102]),
        (("INCRBY", "u8", 0, 200), [46]),
        (("overflow", "sat", "INCRBY", "u8", 0, 200, "INCRBY", "i8", 0, -200), [255, -128]),
        (("OVERFLOW", "SAT", "INCRBY", "u8", 0, -200, "SET", "i4", 0, 100), [0, 0]),
        (("OVERFLOW", "FAIL", "INCRBY", "u8", 0, 200, "GET", "u8", 0), [None, 102]),
        (("OVERFLOW", "FAIL", "SET", "i8", 0, 128, "OVERFLOW", "WRAP", "SET", "i8", 0, 128), [None, 102]),
        (("INCRBY", "i8", 0, 100, "GET", "u8", 0), [-54, 202]),
        (("GET", "u63", 100, "GET", "i64", 4294967295 - 64), [0, 0]),
        (("SET", "i64", 48, -(2**63), "INCRBY", "i64", 48, -1), [0, 2**63 - 1]),
        (("GET", "u8", "#2305843009213693952"), [102]),
        ((), []),
    ],
)
def test_numbers_within_a_string_are_read_and_changed(cache: MemoryCache, words: Any, reply: Any) -> None:
    cache.call("SET", "k", "foobar")
    assert cache.call("BITFIELD", "k", *words) == reply


def test_a_string_has_room_for_all_fields_also_where_none_fits(cache: MemoryCache) -> None:
    assert cache.call("BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u8", 12, 256) == [None]
    assert cache.call("GET", "k") == b"\0\0\0"


def test_a_number_that_is_so_already_is_no_change(cache: MemoryCache) -> None:
    cache.call("BITFIELD", "k", "SET", "u8", 0, 5)
    before = changes(cache)
    assert cache.call("BITFIELD", "k", "SET", "u8", 0, 5) == [5]
    assert changes(cache) == before


def test_numbers_are_read_where_nothing_may_change(cache: MemoryCache) -> None:
    cache.call("SET", "k", "f")
    assert cache.call("BITFIELD_RO", "k", "GET", "u8", 0, "GET", "u8", 4) == [102, 96]
    assert cache.call("BITFIELD_RO", "nope", "GET", "u8", 0) == [0]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("SETBIT", "k", "x", 1), BAD_OFFSET),
        (("SETBIT", "k", -1, 1), BAD_OFFSET),
        (("SETBIT", "k", 2**32, 1), BAD_OFFSET),
        (("SETBIT", "k", "#1", 1), BAD_OFFSET),
        (("SETBIT", "k", 1, 2), "ERR bit is not an integer or out of range"),
        (("SETBIT", "l", 1, 1), WRONG_TYPE),
        (("GETBIT", "k", "x"), BAD_OFFSET),
        (("GETBIT", "l", 1), WRONG_TYPE),
        (("BITCOUNT", "k", 1), SYNTAX),
        (("BITCOUNT", "k", 1, 2, "BIT", 3), SYNTAX),
        (("BITCOUNT", "k", 1, 2, "NOPE"), SYNTAX),
        (("BITCOUNT", "k", "x", 2), NO_INTEGER),
        (("BITCOUNT", "l"), WRONG_TYPE),
        (("BITPOS", "k", "x"), NO_INTEGER),
        (("BITPOS", "k", 2), "ERR The bit argument must be 1 or 0."),
        (("BITPOS", "k", 1, 0, 1, "BIT", 1), SYNTAX),
        (("BITPOS", "k", 1, 0, "x", "NOPE"), SYNTAX),
        (("BITPOS", "l", 1), WRONG_TYPE),
        (("BITOP", "NOPE", "d", "k"), SYNTAX),
        (("BITOP", "NOT", "d", "k", "k"), "ERR BITOP NOT must be called with a single source key."),
        (("BITOP", "AND", "d", "l"), WRONG_TYPE),
        (("BITFIELD", "k", "NOPE"), SYNTAX),
        (("BITFIELD", "k", "GET", "u8"), SYNTAX),
        (("BITFIELD", "k", "SET", "u8", 0), SYNTAX),
        (("BITFIELD", "k", "OVERFLOW"), SYNTAX),
        (("BITFIELD", "k", "OVERFLOW", "NOPE"), "ERR Invalid OVERFLOW type specified"),
        (("BITFIELD", "k", "GET", "u64", 0), BAD_TYPE),
        (("BITFIELD", "k", "GET", "i65", 0), BAD_TYPE),
        (("BITFIELD", "k", "GET", "x8", 0), BAD_TYPE),
        (("BITFIELD", "k", "GET", "u0", 0), BAD_TYPE),
        (("BITFIELD", "k", "GET", "u8", "#x"), BAD_OFFSET),
        (("BITFIELD", "k", "GET", "u8", "x"), BAD_OFFSET),
        (("BITFIELD", "k", "SET", "u8", 0, "x"), NO_INTEGER),
        (("BITFIELD", "l", "GET", "u8", 0), WRONG_TYPE),
        (
            ("BITFIELD", "k", "SET", "u63", 4294967295, 1),
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
        (("BITFIELD_RO", "k", "SET", "u8", 0, 1), "ERR BITFIELD_RO only supports the GET subcommand"),
        (("BITFIELD_RO", "l", "GET", "u8", 0), WRONG_TYPE),
    ],
)
def test_what_makes_no_sense_is_refused(cache: MemoryCache, words: tuple[Any, ...], error: str) -> None:
    cache.call("SET", "k", "foobar")
    cache.call("RPUSH", "l", "x")
    before = changes(cache)
    assert refusal(cache, *words) == error
    assert changes(cache) == before


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (("BITFIELD", "k", "GET", "u8", 0), [b"RO", b"access"]),
        (("BITFIELD", "k", "GET", "u8", 0, "SET", "u8", 0, 1), [b"RW", b"access", b"update"]),
        (("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", "u8", 0, 1), [b"RW", b"access", b"update"]),
        (("BITFIELD", "k", "GET", "u8", 0, "NOPE"), [b"RW", b"access", b"update"]),
        (("BITFIELD", "k"), [b"RO", b"access"]),
    ],
)
def test_the_key_of_bitfield_is_only_read_where_nothing_is_written(cache: MemoryCache, words: Any, flags: Any) -> None:
    [[key, found]] = cache.call("COMMAND", "GETKEYSANDFLAGS", *words)
    assert (key, list(found)) == (b"k", flags)


@pytest.mark.parametrize("has_count", [True, False])
def test_bits_are_counted_with_and_without_pythons_own_count(
    monkeypatch: pytest.MonkeyPatch, cache: MemoryCache, has_count: bool
) -> None:
    bitmaps = import_module("twisted_kv.commands.bitmaps")  # of the package, the name is the group's
    monkeypatch.setattr(bitmaps, "_COUNTS_BITS", has_count and hasattr(int, "bit_count"))
    cache.call("SET", "k", bytes(range(256)) * 300)
    assert cache.call("BITCOUNT", "k") == 300 * 1024
    assert cache.call("BITCOUNT", "k", 5, 9, "BIT") == 0


@pytest.mark.parametrize(
    ("overflow", "field", "number", "stored"),
    [
        ("SAT", "i8", -(2**63), 127),
        ("SAT", "i8", -(2**63) + 127, 127),
        ("SAT", "i8", -(2**63) + 128, -128),
        ("SAT", "i63", -(2**63), 2**62 - 1),
        ("SAT", "i64", -(2**63), -(2**63)),
        ("SAT", "u8", -1, 255),
        ("WRAP", "i8", -(2**63), 0),
        ("FAIL", "i8", -(2**63), 0),
    ],
)
def test_numbers_too_small_for_a_field_are_taken_as_c_does(
    cache: MemoryCache, overflow: str, field: str, number: int, stored: int
) -> None:
    cache.call("BITFIELD", "k", "OVERFLOW", overflow, "SET", field, 0, number)
    assert cache.call("BITFIELD", "k", "GET", field, 0) == [stored]


def test_fields_far_from_each_other_are_changed_one_by_one(cache: MemoryCache) -> None:
    operations = ["SET", "u8", "0", "1", "INCRBY", "u8", "800000", "7", "GET", "u8", "0", "INCRBY", "u8", "#0", "1"]
    assert cache.call("BITFIELD", "k", *operations) == [0, 7, 1, 2]
    assert cache.call("STRLEN", "k") == 100_001
    assert cache.call("BITFIELD", "k") == []
