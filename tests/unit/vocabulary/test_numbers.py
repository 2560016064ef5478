"""Numbers are read and written as Redis 7.0.15 does; the rows are what it answered."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from twisted_kv.vocabulary.numbers import (
    INT64_MAX,
    INT64_MIN,
    LONG_DOUBLE_DIGITS,
    format_double,
    format_long_double,
    leading_double,
    parse_double,
    parse_integer,
    parse_long_double,
    round_long_double,
)

LARGEST = (Fraction(2) ** 64 - 1) * Fraction(2) ** (16384 - 64)
SMALLEST = Fraction(2) ** -16445


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0),
        (b"7", 7),
        (b"-7", -7),
        (b"1234567890", 1234567890),
        (b"9223372036854775807", INT64_MAX),
        (b"-9223372036854775808", INT64_MIN),
    ],
)
def test_an_integer_is_read(text: bytes, value: int) -> None:
    assert parse_integer(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-",
        b"+1",
        b"-0",
        b"00",
        b"01",
        b"-01",
        b" 1",
        b"1 ",
        b"1\n",
        b"1\x00",
        b"1_000",
        b"1.0",
        b"1e3",
        b"0x10",
        b"abc",
        b"\xff",
        "\u0661".encode(),
        b"9223372036854775808",
        b"-9223372036854775809",
        b"99999999999999999999",
        b"9" * 10_000,
    ],
)
def test_only_the_canonical_form_is_an_integer(text: bytes) -> None:
    assert parse_integer(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0),
        (b"-0", 0),
        (b"1", 1),
        (b"+1.5", Fraction(3, 2)),
        (b"-1.5e1", -15),
        (b"1.", 1),
        (b".5", Fraction(1, 2)),
        (b"+.5e+1", 5),
        (b"5.0E-1", Fraction(1, 2)),
        (b"0x1p3", 8),
        (b"0X.8", Fraction(1, 2)),
        (b"-0xA.8P-1", Fraction(-21, 4)),
        (b"0x1.", 1),
        (b"0x1P0", 1),
        (b"0e99999999999999999999", 0),
        (b"0x0p99999999999999999999", 0),
        (b"0x1p-16445", SMALLEST),
        (b"0x1.8p-16446", SMALLEST),
        (b"1.9e-4951", SMALLEST),
        (b"0x1p16383", Fraction(2) ** 16383),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551617", 2**64),
        (b"18446744073709551619", 2**64 + 4),
        (b"0" * 5118 + b"1", 1),
    ],
)
def test_a_float_is_read_and_rounded_to_80_bits(text: bytes, value: Fraction) -> None:
    assert parse_long_double(text) == value


def test_a_tenth_is_the_nearest_80_bit_float() -> None:
    assert parse_long_double(b"0.1") == Fraction(0xCCCCCCCCCCCCCCCD, 2**67)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" 1",
        b"1 ",
        b"1\n",
        b"1\x00",
        b".",
        b"+",
        b"-.",
        b"e5",
        b"1e",
        b"1e+",
        b"1.5.5",
        b"1,5",
        b"1_0",
        b"0x",
        b"0x.",
        b"0xp1",
        b"0x1p",
        b"0x1e+1x",
        b"--1",
        b"nan",
        b"NaN(1)",
        b"infinit",
        b"\xff",
        b"1e5000",
        b"1e4933",
        b"-1e4933",
        b"1e999999999999999999999",
        b"1e-5000",
        b"1.8e-4951",
        b"1e-999999999999999999999",
        b"0x1p16384",
        b"0x1p99999",
        b"0x1p-16446",
        b"0x1p-99999",
        b"0" * 5119 + b"1",
        b"inf" + b" " * 5119,
    ],
)
def test_what_is_no_float_or_out_of_range_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_long_double(text)


@pytest.mark.parametrize("text", [b"inf", b"+INF", b"-inf", b"Infinity", b"-infinity"])
def test_an_infinity_is_a_float_though_never_a_result(text: bytes) -> None:
    assert parse_long_double(text) is None


@pytest.mark.parametrize("digits", [4_300, 4_301, 4_932])
def test_a_float_may_have_more_digits_than_python_reads_at_once(digits: int) -> None:
    assert parse_long_double(b"1" + b"0" * (digits - 1)) == round_long_double(Fraction(10) ** (digits - 1))
    assert parse_long_double(b"1." + b"0" * digits) == 1
    assert parse_long_double(b"0" * digits + b"25e-1") == Fraction(5, 2)


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"1e0000000000000000005", 100_000), (b"1e-0000000000000000001", None), (b"0x1p+0000000000000000003", 8)],
)
def test_an_exponent_may_begin_with_many_zeros(text: bytes, value: int | None) -> None:
    assert parse_long_double(text) == (parse_long_double(b"0.1") if value is None else value)


def test_the_longest_float_has_5119_digits() -> None:
    assert LONG_DOUBLE_DIGITS == 5119


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (Fraction(0), 0),
        (Fraction(2**64 + 1), 2**64),
        (Fraction(2**64 + 3), 2**64 + 4),
        (Fraction(-(2**64) - 3), -(2**64) - 4),
        (Fraction(2**64 - 1), 2**64 - 1),
        (Fraction(2**65 - 1), 2**65),
        (LARGEST, LARGEST),
        (-LARGEST, -LARGEST),
        (SMALLEST, SMALLEST),
        (SMALLEST / 2, 0),
        (SMALLEST * Fraction(3, 2), 2 * SMALLEST),
    ],
)
def test_a_fraction_is_rounded_to_the_nearest_80_bit_float(value: Fraction, rounded: Fraction) -> None:
    assert round_long_double(value) == rounded


@pytest.mark.parametrize("value", [Fraction(2) ** 16384, -(Fraction(2) ** 16384), LARGEST + Fraction(2) ** 16319])
def test_what_would_be_an_infinity_is_refused(value: Fraction) -> None:
    with pytest.raises(OverflowError):
        round_long_double(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(0), b"0"),
        (Fraction(3), b"3"),
        (Fraction(-3, 2), b"-1.5"),
        (Fraction(100), b"100"),
        (Fraction(1, 4), b"0.25"),
        (Fraction(1, 10**17), b"0.00000000000000001"),
        (Fraction(1, 10**18), b"0"),
        (Fraction(-1, 10**18), b"0"),
        (Fraction(5, 10**18), b"0"),
        (Fraction(15, 10**18), b"0.00000000000000002"),
        (Fraction(10**17 - 1, 10**17), b"0.99999999999999999"),
        (Fraction(10**18 - 1, 10**18), b"1"),
    ],
)
def test_a_float_is_written_with_17_places_less_the_zeros_at_its_end(value: Fraction, text: bytes) -> None:
    assert format_long_double(value) == text


def test_the_largest_float_is_written_in_full() -> None:
    text = format_long_double(LARGEST)
    assert len(text) == 4933
    assert text.startswith(b"118973149535723176502126385303097020516906")
    assert parse_long_double(b"0x0.FFFFFFFFFFFFFFFFp16384") == LARGEST
    assert format_long_double(Fraction(10) ** 4000) == b"1" + b"0" * 4000
    assert format_long_double(-(Fraction(10) ** 4001)) == b"-1" + b"0" * 4001


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, b"3"),
        (-0.5, b"-0.5"),
        (0.1, b"0.10000000000000001"),
        (1e17, b"1e+17"),
        (float("inf"), b"inf"),
        (float("-inf"), b"-inf"),
    ],
)
def test_a_double_is_written_with_17_digits(value: float, text: bytes) -> None:
    assert format_double(value) == text


@pytest.mark.parametrize("mantissa", ["1", "1.", ".5", "0.5", "-1", "+2.5"])
@pytest.mark.parametrize("exponent", ["", "e5", "E+5", "e-5"])
def test_a_long_text_is_a_double_as_a_short_one_is(mantissa: str, exponent: str) -> None:
    whole, point, fraction = mantissa.partition(".")
    text = whole + point + fraction + "0" * 500 * bool(point) + exponent
    assert parse_double(text.encode()) == float(text)


@pytest.mark.parametrize("end", ["e", "e+", "ex", "x", ".1", "-"])
def test_a_long_text_that_is_no_double_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match="00000"):
        parse_double(("1." + "0" * 500 + end).encode())


@pytest.mark.parametrize(
    ("text", "value", "end"),
    [
        (b"0x10", 16.0, 4),
        (b"-0x1p99999", -math.inf, 10),
        (b"12abc", 12.0, 2),
        (b"1_0", 1.0, 1),
        (b"x", 0.0, 0),
        (b"-infinity!", -math.inf, 9),
    ],
)
def test_a_number_at_the_beginning_is_read_as_c_does(text: bytes, value: float, end: int) -> None:
    assert leading_double(text) == (value, end)
