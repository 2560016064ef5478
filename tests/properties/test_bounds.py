"""The bounds of ranges are read as C reads them."""

from __future__ import annotations

import ctypes
import math
import platform

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_kv.vocabulary.numbers import parse_bound

pytestmark = pytest.mark.skipif(
    (platform.machine(), platform.libc_ver()[0]) != ("x86_64", "glibc"), reason="compares with glibc's strtod"
)

texts = st.one_of(
    st.text("0123456789.eE+-xXpPinfa \t\n\0_(", max_size=12).map(str.encode),
    st.floats().map(lambda number: repr(number).encode()),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number.hex().encode()),
    st.tuples(st.integers(-400, 400), st.integers(0, 10**25)).map(lambda pair: b"%de%d" % (pair[1], pair[0])),
)


def outcome(text: bytes) -> str:
    try:
        return repr(parse_bound(text))
    except ValueError:
        return "no float"


def outcome_of_c(text: bytes) -> str:
    c = ctypes.CDLL("libm.so.6")  # it brings the C library with it
    c.strtod.restype = ctypes.c_double
    c.strtod.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)]
    buffer = ctypes.create_string_buffer(text)
    end = ctypes.c_char_p()
    value = c.strtod(ctypes.cast(buffer, ctypes.c_char_p), ctypes.byref(end))
    return "no float" if end.value != b"" or math.isnan(value) else repr(value)


@given(text=texts)
@example(text=b" \0")
@example(text=b"\x0b1")
@example(text=b"0x1p-1080")
@example(text=b"-0x1p9999")
@example(text=b"1e99999999999999999999")
def test_bounds_are_read_as_c_reads_them(text: bytes) -> None:
    assert outcome(text) == outcome_of_c(text)
