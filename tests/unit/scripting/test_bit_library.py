"""The `bit` library answers as Redis 7.0.15 does."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.scripting.bit_library import FUNCTIONS
from twisted_kv.scripting.errors import LibraryError


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (2**31, -(2**31)),
        (2**32 + 5, 5),
        (-(2**31) - 1, 2**31 - 1),
        (1.5, 2),
        (2.5, 2),
        (-0.5, 0),
        (-1.5, -2),
        (2**51 + 1, 0),
        (2**53 + 2, 1),
        (2.0**54 + 4, 1),
        (-(2**53) - 2, 4),
        (1e300, -2013235812),
        (float("nan"), 0),
        (float("inf"), 0),
        (b"0x10", 16),
        (b" 5\n", 5),
        (b"1e3", 1000),
        (b"-0x10", -16),
        (b"0x1.8", 2),
        (b"0x1p4", 16),
        (b"0x1ffffffff", -1),
        (b"0xffffffffffffffffff", -(2**31)),
        (b"1\0", 1),
        (b"1e400", 0),
        (b"0x1p99999", 0),
        (b"-infinity", 0),
        (b"nan", 0),
    ],
)
def test_a_number_becomes_32_bits(number: Any, expected: int) -> None:
    assert FUNCTIONS[b"tobit"](number) == expected


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (b"tohex", (1,), b"00000001"),
        (b"tohex", (-1,), b"ffffffff"),
        (b"tohex", (255, -2), b"FF"),
        (b"tohex", (255, 0), b""),
        (b"tohex", (255, -9), b"000000FF"),
        (b"tohex", (0x12345678, 4), b"5678"),
        (b"tohex", (1, -(2**31)), b"00000001"),
        (b"tohex", (1, 1.5), b"01"),
        (b"bnot", (0x12345678,), -305419897),
        (b"band", (0x12345678, 0xFF), 120),
        (b"band", (b"3", b"1", 7), 1),
        (b"bor", (1, 2, 4, 8), 15),
        (b"bxor", (0xA5A5F0F0, 0xAA55FF00), 267390960),
        (b"band", (1,), 1),
        (b"lshift", (1, 31), -(2**31)),
        (b"lshift", (1, 33), 2),
        (b"lshift", (1, -1), -(2**31)),
        (b"rshift", (-1, 24), 255),
        (b"rshift", (-1, 0), -1),
        (b"arshift", (0x87654321, 12), -493996),
        (b"arshift", (-8, 33), -4),
        (b"rol", (0x12345678, 12), 1164411171),
        (b"ror", (0x12345678, 12), 1736516421),
        (b"ror", (1, -1), 2),
        (b"ror", (1, 0), 1),
        (b"bswap", (0x78563412,), 305419896),
        (b"bswap", (0x87654321,), 558065031),
    ],
)
def test_operations(function: bytes, arguments: tuple[Any, ...], expected: Any) -> None:
    assert FUNCTIONS[function](*arguments) == expected


@pytest.mark.parametrize(
    ("function", "arguments", "blamed", "got"),
    [
        (b"tobit", (), 1, "no value"),
        (b"tobit", (None,), 1, "nil"),
        (b"tobit", (b"x",), 1, "string"),
        (b"tobit", (b"",), 1, "string"),
        (b"tobit", (b"1 2",), 1, "string"),
        (b"tobit", (b"0x",), 1, "string"),
        (b"tobit", (b"1_0",), 1, "string"),
        (b"tobit", (True,), 1, "boolean"),
        (b"tobit", (object(),), 1, "userdata"),
        (b"tohex", (1, None), 2, "nil"),
        (b"band", (), 1, "no value"),
        (b"band", (1, b"x", 2, None), 4, "nil"),
        (b"bor", (b"x", b"x"), 1, "string"),
        (b"lshift", (1,), 2, "no value"),
        (b"ror", (b"x", b"x"), 1, "string"),
    ],
)
def test_what_is_no_number_is_blamed(function: bytes, arguments: tuple[Any, ...], blamed: int, got: str) -> None:
    with pytest.raises(LibraryError) as error:
        FUNCTIONS[function](*arguments)
    assert str(error.value) == f"bad argument #{blamed} to '{function.decode()}' (number expected, got {got})"


def test_a_long_text_is_refused_at_once() -> None:
    with pytest.raises(LibraryError):
        FUNCTIONS[b"tobit"](b"1" * 1_000_000 + b"x")
