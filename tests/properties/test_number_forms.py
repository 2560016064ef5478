"""Numbers agree with Python's integers and with C's long double."""

from __future__ import annotations

import ctypes
import platform
import re
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from twisted_kv.vocabulary.numbers import (
    INT64_MAX,
    INT64_MIN,
    LONG_DOUBLE_DIGITS,
    format_double,
    format_long_double,
    parse_integer,
    parse_long_double,
    round_long_double,
)

# Integers -------------------------------------------------------------------------------------------------------------


@given(st.one_of(st.integers(INT64_MIN - 3, INT64_MAX + 3), st.integers(), st.sampled_from([INT64_MIN, INT64_MAX])))
def test_every_integer_of_64_bits_is_read_in_its_canonical_form(value: int) -> None:
    expected = value if INT64_MIN <= value <= INT64_MAX else None
    assert parse_integer(b"%d" % value) == expected


@given(st.one_of(st.binary(max_size=22), st.text("0123456789-+_ .ex\n", max_size=22).map(str.encode)))
def test_nothing_but_the_canonical_form_is_an_integer(text: bytes) -> None:
    value = parse_integer(text)
    if re.fullmatch(rb"0|-?[1-9][0-9]*", text) and INT64_MIN <= int(text) <= INT64_MAX:
        assert value == int(text)
    else:
        assert value is None


# Floats ---------------------------------------------------------------------------------------------------------------

digits = st.text("0123456789", max_size=25)
signs = st.sampled_from(["", "-", "+"])
decimals = st.builds(
    "{}{}{}{}{}".format,
    signs,
    digits,
    st.sampled_from(["", "."]),
    digits,
    st.one_of(
        st.just(""),
        st.builds("{}{}{}{}".format, st.sampled_from("eE"), signs, st.sampled_from(["", "000", "0" * 20]), digits),
        st.builds("e{}".format, st.integers(-5_000, 5_000)),
        st.builds("e{}".format, st.integers(-4_975, -4_925)),
    ),
)
hexadecimals = st.builds(
    "{}0{}{}{}{}{}".format,
    signs,
    st.sampled_from("xX"),
    st.text("0123456789abcdefABCDEF", max_size=20),
    st.sampled_from(["", "."]),
    st.text("0123456789abcdefABCDEF", max_size=20),
    st.one_of(st.just(""), st.builds("{}{}".format, st.sampled_from("pP"), st.integers(-16_600, 16_600))),
)
others = st.one_of(
    st.text("0123456789.eEpPxX+-infatyINFATY _\n", max_size=9),
    st.sampled_from(["inf", "-inf", "Infinity", "nan", "-nan", "nan(1)", "infinity ", " 1", "1 "]),
    st.builds("{}{}".format, st.sampled_from("19"), st.integers(4_000, 5_200).map("0".__mul__)),
    st.builds("0.{}7".format, st.integers(4_000, 5_200).map("0".__mul__)),
)
texts = st.one_of(decimals, hexadecimals, others).map(str.encode)

mantissas = st.integers(-(2**64) + 1, 2**64 - 1)
near = st.builds(lambda mantissa, power: mantissa * Fraction(2) ** power, mantissas, st.integers(-130, 20))
any_size = st.builds(lambda mantissa, power: mantissa * Fraction(2) ** power, mantissas, st.integers(-16_445, 16_320))
fractions = st.one_of(near, any_size).map(round_long_double)


def outcome(text: bytes) -> Fraction | str:
    """Read a float, or tell why it is none."""
    try:
        value = parse_long_double(text)
    except ValueError:
        return "not a float"
    return "infinity" if value is None else value


@given(fractions)
def test_a_rounded_float_is_not_rounded_again(value: Fraction) -> None:
    assert round_long_double(value) == value
    assert round_long_double(-value) == -value


@given(fractions)
def test_a_written_float_is_no_farther_off_than_half_its_last_place(value: Fraction) -> None:
    text = format_long_double(value)
    assert re.fullmatch(rb"-?(0|[1-9][0-9]*)(\.[0-9]{0,16}[1-9])?", text)
    assert text != b"-0"
    whole, _, places = text.lstrip(b"-").partition(b".")
    size = Fraction(0)
    for at in range(0, len(whole), 1_000):
        part = whole[at : at + 1_000]
        size = size * 10 ** len(part) + int(part)
    size += Fraction(int(places or b"0"), 10 ** len(places))
    assert abs(size - abs(value)) <= Fraction(1, 2 * 10**17)


@given(st.floats(allow_nan=False))
def test_a_written_double_is_read_back(value: float) -> None:
    assert float(format_double(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_a_long_double(value: float) -> None:
    assert round_long_double(Fraction(value)) == Fraction(value)
    assert parse_long_double(value.hex().encode()) == Fraction(value)
    # 17 digits are so near to a double that being rounded twice cannot lead to its neighbour; its shortest form is not.
    assert float(parse_long_double(b"%.17g" % value)) == value


# Only C itself knows how C computes.  PyPy's ctypes has no long double, and other machines have another one.
if (platform.machine(), platform.libc_ver()[0], platform.python_implementation()) == ("x86_64", "glibc", "CPython"):

    class LongDouble(ctypes.c_longdouble):
        """A subclass, so that ctypes does not turn results into doubles."""

    c = ctypes.CDLL("libm.so.6", use_errno=True)  # it brings the C library with it
    c.strtold.restype = LongDouble
    c.strtold.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)]
    c.fmal.restype = LongDouble
    c.fmal.argtypes = [LongDouble, LongDouble, LongDouble]
    c.snprintf.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, LongDouble]

    ERANGE = 34
    ONE = c.strtold(b"1", None)

    def exact(value: LongDouble) -> Fraction | str:
        """Take the ten bytes of an 80-bit float apart."""
        data = bytes(value)
        mantissa = int.from_bytes(data[:8], "little")
        exponent = int.from_bytes(data[8:10], "little")
        if exponent & 0x7FFF == 0x7FFF:
            return "infinity" if mantissa == 1 << 63 else "not a float"
        size = mantissa * Fraction(2) ** (max(exponent & 0x7FFF, 1) - 16_383 - 63)
        return -size if exponent >> 15 else size

    def long_double(value: Fraction) -> LongDouble:
        """Put an 80-bit float together; its hexadecimal form names every bit."""
        shift = value.denominator.bit_length() - 1
        text = f"{'-' if value < 0 else ''}0x{abs(value.numerator):x}p{-shift}"
        found: LongDouble = c.strtold(text.encode(), None)
        assert exact(found) == value
        return found

    def outcome_of_c(text: bytes) -> Fraction | str:
        """Read a float as Redis does with C's strtold (string2ld)."""
        if not text or len(text) > LONG_DOUBLE_DIGITS or text[:1].isspace() or b"\0" in text:
            return "not a float"
        buffer = ctypes.create_string_buffer(text)
        end = ctypes.c_char_p()
        ctypes.set_errno(0)
        value = exact(c.strtold(ctypes.cast(buffer, ctypes.c_char_p), ctypes.byref(end)))
        if end.value != b"":
            return "not a float"
        if ctypes.get_errno() == ERANGE and value in (0, "infinity"):
            return "not a float"
        return value

    @given(texts)
    def test_floats_are_read_as_c_reads_them(text: bytes) -> None:
        assert outcome(text) == outcome_of_c(text)

    @given(fractions, fractions)
    def test_sums_are_rounded_as_c_rounds_them(first: Fraction, second: Fraction) -> None:
        try:
            total: Fraction | str = round_long_double(first + second)
        except OverflowError:
            total = "infinity"
        assert total == exact(c.fmal(long_double(first), ONE, long_double(second)))

    @given(fractions, fractions)
    def test_products_are_rounded_as_c_rounds_them(first: Fraction, second: Fraction) -> None:
        try:
            product: Fraction | str = round_long_double(first * second)
        except OverflowError:
            product = "infinity"
        assert product == exact(c.fmal(long_double(first), long_double(second), LongDouble(0)))

    @given(fractions)
    def test_floats_are_written_as_c_writes_them(value: Fraction) -> None:
        buffer = ctypes.create_string_buffer(LONG_DOUBLE_DIGITS + 1)
        length = c.snprintf(buffer, len(buffer), b"%.17Lf", long_double(value))
        assert 0 < length < len(buffer)
        text = buffer.value.rstrip(b"0").rstrip(b".")
        assert format_long_double(value) == (b"0" if text == b"-0" else text)
