"""Numbers as Redis parses and formats them.

`parse_integer` accepts the canonical form only, as Redis's string2ll does.  INCRBYFLOAT computes in C's 80-bit `long
double` and prints `%.17Lf`; Python has no such type, so the few operations that it needs work on exact fractions, which
are rounded to 64 bits of mantissa after each step.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

INT32_MAX: Final = 2**31 - 1
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
UINT64_MAX: Final = 2**64 - 1

LONG_DOUBLE_DIGITS: Final = 5 * 1024 - 1
"""The longest text that Redis parses as a float (MAX_LONG_DOUBLE_CHARS, less C's terminating NUL)."""

_LARGEST_WHOLE: Final = 2.0**62
_MANTISSA_BITS: Final = 64
_LARGEST_EXPONENT: Final = 16384  # 2**16384 is the first power that an 80-bit float cannot hold
_SMALLEST_EXPONENT: Final = -16445  # 2**-16445 is the smallest denormal

_DECIMAL: Final = re.compile(rb"([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?\Z")
_HEXADECIMAL: Final = re.compile(
    rb"([+-]?)0[xX](?:([0-9a-fA-F]+)(?:\.([0-9a-fA-F]*))?|\.([0-9a-fA-F]+))(?:[pP]([+-]?\d+))?\Z"
)
_NOT_ZERO: Final = re.compile(rb"\A[+-]?(?:0[xX])?[0.]*(?!0[xX])[1-9a-dfA-DF]")
_LEADING_INTEGER: Final = re.compile(rb"[ \t-\r]*([+-]?\d{1,20})")
_INFINITY: Final = re.compile(rb"[+-]?inf(?:inity)?\Z", re.IGNORECASE)


def parse_integer(text: bytes) -> int | None:
    """Parse a 64-bit integer in canonical form: no spaces, no plus sign, no leading zeros; None if it is not one."""
    if len(text) > 20:
        return None
    try:
        value = int(text)
    except ValueError:
        return None
    if b"%d" % value != text or not INT64_MIN <= value <= INT64_MAX:
        return None
    return value


def leading_integer(text: bytes) -> int:
    """Parse the 32-bit integer that a text begins with, as C's atoi does: 0 if there is none."""
    found = _LEADING_INTEGER.match(text)
    value = 0 if found is None else max(INT64_MIN, min(int(found.group(1)), INT64_MAX))
    return (value + 2**31) % 2**32 - 2**31


_LONG: Final = 400
"""Length of a number, in bytes, above which a backtracking regular expression takes too long."""


def _is_decimal(text: bytes) -> bool:
    """Check whether a text is a decimal number, with or without a fraction and an exponent."""
    if len(text) <= _LONG:
        return _DECIMAL.match(text) is not None
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    mantissa, mark, exponent = digits.replace(b"E", b"e").partition(b"e")
    whole, _, fraction = mantissa.partition(b".")
    if exponent[:1] in (b"+", b"-"):
        exponent = exponent[1:]
    has_whole_part = whole.isdigit() and (fraction.isdigit() or not fraction)
    return (has_whole_part or (not whole and fraction.isdigit())) and (exponent.isdigit() if mark else True)


def parse_double(text: bytes) -> float:
    """Parse a double as C's strtod does; raise ValueError for what Redis calls "not a valid float".

    That includes numbers that are too large or too small for a double, unless written as an infinity.
    """
    if _INFINITY.match(text):
        return -math.inf if text.startswith(b"-") else math.inf
    if _is_decimal(text):
        value = float(text)
    elif _HEXADECIMAL.match(text):
        try:
            value = float.fromhex(text.decode())
        except OverflowError:
            raise ValueError(text) from None
    else:
        raise ValueError(text)
    if math.isinf(value) or (not value and _NOT_ZERO.search(text)):
        raise ValueError(text)
    return value


_C_DOUBLE: Final = re.compile(
    rb"[\t-\r ]*([+-]?)(?:"
    rb"(?P<hex>0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?)"
    rb"|(?P<decimal>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)"
    rb"|(?P<infinity>inf(?:inity)?)|(?P<nan>nan))",
    re.IGNORECASE,
)


def leading_double(text: bytes) -> tuple[float, int]:
    """Parse the longest prefix of a text that is a double, as C's strtod does; return its value and its end.

    Both are 0 if there is no such prefix.  A number that is too large becomes an infinity; `nan` is accepted.
    """
    text = text.partition(b"\0")[0]
    found = _C_DOUBLE.match(text)
    if found is None:
        return 0.0, 0
    if found["nan"]:
        value = math.nan
    elif found["infinity"]:
        value = math.inf
    elif found["decimal"]:
        value = float(found["decimal"])
    else:
        try:
            value = float.fromhex(found["hex"].decode())
        except OverflowError:
            value = math.inf
    return -value if found[1] == b"-" else value, found.end()


def parse_bound(text: bytes) -> float:
    """Parse the bound of a range as C's strtod does, which accepts leading spaces and parses the empty text as 0.

    Raise ValueError for a text that is not a number.
    """
    text = text.partition(b"\0")[0]
    if not text:
        return 0.0
    digits = text.lstrip(b" \t\n\v\f\r")
    if _INFINITY.match(digits):
        return -math.inf if digits.startswith(b"-") else math.inf
    if _is_decimal(digits):
        return float(digits)
    if _HEXADECIMAL.match(digits):
        try:
            return float.fromhex(digits.decode())
        except OverflowError:
            return -math.inf if digits.startswith(b"-") else math.inf
    raise ValueError(text)


def parse_long_double(text: bytes) -> Fraction | None:
    """Parse a float as C's strtold does, rounded to 80 bits; return None for an infinity.

    Raise ValueError for what Redis calls "not a valid float".
    """
    if len(text) > LONG_DOUBLE_DIGITS:
        raise ValueError(text)
    if _INFINITY.match(text):
        return None
    decimal = _DECIMAL.match(text)
    match = decimal or _HEXADECIMAL.match(text)
    if match is None:
        raise ValueError(text)
    sign, whole, fraction, fraction_only, exponent = match.groups()
    places = fraction or fraction_only or b""
    base, radix, step = (10, 10, 1) if decimal else (16, 2, 4)
    digits = _whole_number((whole or b"") + places, base)
    power = _whole_number(exponent.lstrip(b"+-"), 10) if exponent else 0
    power = (-power if exponent and exponent.startswith(b"-") else power) - step * len(places)
    if digits and abs(power) > (10_500 if decimal else 40_000):
        raise ValueError(text)  # out of range by far: not worth computing
    scale = Fraction(radix) ** power if digits else Fraction(1)
    try:
        value = round_long_double(digits * scale)
    except OverflowError:
        raise ValueError(text) from None
    if digits and not value:
        raise ValueError(text)
    return -value if sign == b"-" else value


def round_long_double(value: Fraction) -> Fraction:
    """Round to the nearest 80-bit float, ties to even; raise OverflowError where that would be an infinity."""
    if not value:
        return value
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if size < Fraction(2) ** exponent:
        exponent -= 1  # now 2**exponent <= size < 2**(exponent + 1)
    unit = Fraction(2) ** max(exponent - _MANTISSA_BITS + 1, _SMALLEST_EXPONENT)
    rounded = round(value / unit) * unit
    if abs(rounded) >= Fraction(2) ** _LARGEST_EXPONENT:
        raise OverflowError("an 80-bit float cannot hold this")
    return rounded


def format_long_double(value: Fraction) -> bytes:
    """Format as `%.17Lf` without the trailing zeros, as INCRBYFLOAT does; a negative zero becomes 0."""
    scaled = round(abs(value) * 10**17)
    whole, places = divmod(scaled, 10**17)
    text = f"{_decimal_digits(whole)}.{places:017d}".rstrip("0").rstrip(".")
    return (b"-" if value < 0 and text != "0" else b"") + text.encode()


def _whole_number(digits: bytes, base: int) -> int:
    """Parse a whole number of any length: Python refuses more than 4,300 decimal digits at once."""
    value = 0
    for start in range(0, len(digits), 4000):
        part = digits[start : start + 4000]
        value = value * base ** len(part) + int(part, base)
    return value


def _decimal_digits(value: int) -> str:
    """Format a whole number of any length in decimal: Python refuses more than 4,300 digits at once."""
    parts = []
    while value >= 10**4000:
        value, part = divmod(value, 10**4000)
        parts.append(f"{part:04000d}")
    return str(value) + "".join(reversed(parts))


def format_double(value: float) -> bytes:
    """Format a double as `%.17g`, as Redis 7.0 does in replies."""
    return b"%.17g" % value


def format_packed_score(value: float) -> bytes:
    """Format a score as Redis 7.0 stores it in a small sorted set: whole numbers up to 2**62 keep all their digits."""
    is_whole = abs(value) <= _LARGEST_WHOLE and value.is_integer() and (value or math.copysign(1, value) > 0)
    return b"%d" % value if is_whole else format_double(value)
