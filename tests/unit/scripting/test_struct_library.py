"""The `struct` library answers as Redis 7.0.15 does."""

from __future__ import annotations

from math import copysign, isnan
from typing import Any

import pytest

from twisted_kv.scripting import struct_library
from twisted_kv.scripting.errors import LibraryError
from twisted_kv.scripting.struct_library import FUNCTIONS

NAN, INFINITY = float("nan"), float("inf")
TOO_SHORT = "bad argument #2 to 'unpack' (data string too short)"

pack, unpack, size = (FUNCTIONS[name] for name in (b"pack", b"unpack", b"size"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((b"",), b""),
        ((b"bBhH", 300, -1, -2, 65543), b"\x2c\xff\xfe\xff\x07\x00"),
        ((b">i<i", 1, 1), b"\x00\x00\x00\x01\x01\x00\x00\x00"),
        ((b"lLT", -4, 2**53, 9), b"\xfc" + b"\xff" * 7 + b"\0\0\0\0\0\0\x20\0" + b"\x09" + b"\0" * 7),
        ((b"l", -1.9), b"\xff" * 8),
        ((b"L", 2.0**64), b"\0" * 8),
        ((b"L", 2.0**63 + 2048), b"\0\x08\0\0\0\0\0\x80"),
        ((b"L", -1e300), b"\0" * 7 + b"\x80"),
        ((b"L", NAN), b"\0" * 7 + b"\x80"),
        ((b"L", INFINITY), b"\0" * 8),
        ((b"i1i3i5", 1, 2, 3), b"\1\2\0\0\3\0\0\0\0"),
        ((b">i3", 66051), b"\1\2\3"),
        ((b"i12", -7), b"\xf9" + b"\xff" * 7 + b"\0" * 4),
        ((b">i16", -5), b"\0" * 8 + b"\xff" * 7 + b"\xfb"),
        ((b"i0", 1), b""),
        ((b"!bi", 1, 2), b"\1\0\0\0\2\0\0\0"),
        ((b"!2bi", 1, 2), b"\1\0\2\0\0\0"),
        ((b"!i3b", 1, 2), b"\0\0\1\0\0\2"),
        ((b"!bc0i", 1, b"a", 3), b"\1a\0\0\3\0\0\0"),
        ((b"xx b", 1), b"\0\0\1"),
        ((b"f>d", 0.1, 0.1), b"\xcd\xcc\xcc\x3d\x3f\xb9\x99\x99\x99\x99\x99\x9a"),
        ((b"ff", 1e300, -1e300), b"\0\0\x80\x7f\0\0\x80\xff"),
        ((b"ss", b"a\0b", b"c"), b"a\0b\0c\0"),
        ((b"cc0c2", b"abc", b"abc", b"abc"), b"aabcab"),
        ((b"sss", 5, 0.1, 2**53), b"5\x000.1\x009.007199254741e+15\0"),
        ((b"ss", INFINITY, copysign(NAN, -1)), b"inf\0-nan\0"),
        ((b"bb", b"5", b"0x10"), b"\x05\x10"),
        ((b"b\0q", 1, 2), b"\1"),
    ],
)
def test_values_are_packed(arguments: tuple[Any, ...], expected: bytes) -> None:
    assert pack(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((b"bBhH", b"\xff" * 6), (-1, 255, -1, 65535, 7)),
        ((b"lL", b"\xff" * 16), (-1, 1.8446744073709552e19, 17)),
        ((b"i16I16", b"\xff" * 32), (-1, 1.8446744073709552e19, 33)),
        ((b"i12", bytes(range(1, 13))), (-2080177663, 13)),
        ((b">i16", bytes(range(1, 17))), (6.5134524249499622e17, 17)),
        ((b">i3I3", b"\1\2\3\xff\xff\xff"), (66051, 16777215, 7)),
        ((b"i", b"abcde", 2), (1701077858, 6)),
        ((b"b", b"abcde", b"2"), (98, 3)),
        ((b"b", b"abcde", None), (97, 2)),
        ((b"b", 65), (54, 2)),
        ((b"", b"abc", 100), (100,)),
        ((b"", b"abc", -4), (-4,)),
        ((b"", b"abc", NAN), (-(2.0**63),)),
        ((b"!bi", b"a...\1\0\0\0", 2), (46, 1, 9)),
        ((b"xsc2", b".abc\0def"), (b"abc", b"de", 8)),
        ((b"bc0", b"\2abc"), (b"ab", 4)),
        ((b"sc0", b" 0x2 \0abcd"), (b"ab", 9)),
        ((b"dc0", b"\0\0\0\0\0\0\4\x40abc"), (b"ab", 11)),
        ((b"dc0", b"\0\0\0\0\0\0\xf0\x43abc"), (b"", 9)),
        ((b"f>f", b"\0\0\x80\x3f\x3f\x80\0\0"), (1.0, 1.0, 9)),
    ],
)
def test_values_are_unpacked(arguments: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    assert unpack(*arguments) == expected


def test_special_floats_are_unpacked() -> None:
    nan, zero, after = unpack(b"fd", b"\0\0\xc0\x7f\0\0\0\0\0\0\0\x80")
    assert isnan(nan)
    assert copysign(1, zero) == -1
    assert after == 13


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (b"", 0),
        (b"bhilfdT", 35),
        (b"!bhilfdT", 40),
        (b"!8bi3d", 16),
        (b"!16bi16bi32x!i3", 86),
        (b"c5xc", 7),
        (b"q5", 0),
        (b"c2147483647c2147483647", 4294967294),
        (b"c2147483640 i i", 2147483648),
        (5, 0),
    ],
)
def test_a_format_has_a_size(layout: Any, expected: int) -> None:
    assert size(layout) == expected


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("pack", (), "bad argument #1 to 'pack' (string expected, got no value)"),
        ("pack", (None,), "bad argument #1 to 'pack' (string expected, got nil)"),
        ("pack", (b"=",), "bad argument #1 to 'pack' (invalid format option '=')"),
        ("pack", (b"b5", 1), "bad argument #1 to 'pack' (invalid format option '5')"),
        ("pack", (b"!3",), "alignment 3 is not a power of 2"),
        ("pack", (b"!0",), "alignment 0 is not a power of 2"),
        ("pack", (b"i33", 1), "integral size 33 is larger than limit of 32"),
        ("pack", (b"i2147483648", 1), "integral size overflow"),
        ("pack", (b"bb", 1), "bad argument #3 to 'pack' (number expected, got nil)"),
        ("pack", (b"b", b"x"), "bad argument #2 to 'pack' (number expected, got string)"),
        ("pack", (b"d", True), "bad argument #2 to 'pack' (number expected, got boolean)"),
        ("pack", (b"s",), "bad argument #2 to 'pack' (string expected, got nil)"),
        ("pack", (b"c4", b"abc"), "bad argument #3 to 'pack' (string too short)"),
        ("pack", (b"c1000000000", b"abc"), "bad argument #3 to 'pack' (string too short)"),
        ("unpack", (b"i",), "bad argument #2 to 'unpack' (string expected, got no value)"),
        ("unpack", (b"i", b"abc"), TOO_SHORT),
        ("unpack", (b"b", b"abc", 0), "bad argument #3 to 'unpack' (offset must be 1 or greater)"),
        ("unpack", (b"b", b"abc", -4), TOO_SHORT),
        ("unpack", (b"b", b"abc", 2**53), TOO_SHORT),
        ("unpack", (b"<", b"abc", 100), TOO_SHORT),
        ("unpack", (b"b", b"abc", b"x"), "bad argument #3 to 'unpack' (number expected, got string)"),
        ("unpack", (b"s", b"abc"), "unfinished string in data"),
        ("unpack", (b"c0", b"abc"), "format 'c0' needs a previous size"),
        ("unpack", (b"sc0", b"ab\0abc"), "format 'c0' needs a previous size"),
        ("unpack", (b"bc0", b"\xffabc"), TOO_SHORT),
        ("unpack", (b"q", b"a"), "bad argument #1 to 'unpack' (invalid format option 'q')"),
        ("unpack", (b"b" * 7998, b"a" * 7998), "stack overflow (too many results)"),
        ("size", (b"s",), "bad argument #1 to 'size' (option 's' has no fixed size)"),
        ("size", (b"ic0",), "bad argument #1 to 'size' (option 'c0' has no fixed size)"),
        ("size", (b"\xc8",), "bad argument #1 to 'size' (invalid format option '\xc8')"),
    ],
)
def test_misuse_is_explained(function: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(LibraryError) as error:
        FUNCTIONS[function.encode()](*arguments)
    assert str(error.value) == message


def test_the_name_of_a_number_is_known_though_numbers_fit_everywhere() -> None:
    assert struct_library._type_of(1.5) == "number"
