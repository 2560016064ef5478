"""The `bit` library of Redis's Lua (LuaBitOp): operations on 32 bits.

A number becomes 32 bits as in LuaBitOp: it is rounded to an integer (halfway to the even one) and wraps around.
"""

from __future__ import annotations

import struct
from operator import and_, or_, xor
from typing import Any, Callable, Final, Mapping

from twisted_kv.scripting.struct_library import Arguments, number_argument

_MASK: Final = 0xFFFFFFFF
_EXACT_LIMIT: Final = 2**51
_ROUNDER: Final = float(2**52 + 2**51)  # to a double that is added to it, the lowest bit of the sum is worth 1
_DOUBLE: Final = struct.Struct("<d")
_LOW_BITS: Final = struct.Struct("<I4x")
_WORD_BE: Final = struct.Struct(">I")
_WORD_LE: Final = struct.Struct("<I")
_DIGITS: Final = 8


def _bits(function: str, index: int, arguments: Arguments) -> int:
    number = number_argument(function, index, arguments)
    if isinstance(number, int) and -_EXACT_LIMIT <= number <= _EXACT_LIMIT:
        return number & _MASK
    bits: int = _LOW_BITS.unpack(_DOUBLE.pack(number + _ROUNDER))[0]
    return bits


def _signed(bits: int) -> int:
    return bits - 2**32 if bits >= 2**31 else bits


def tobit(*arguments: Any) -> int:
    """Return a number as a signed integer of 32 bits."""
    return _signed(_bits("tobit", 1, arguments))


def tohex(*arguments: Any) -> bytes:
    """Return the last hexadecimal digits of a number: 8 of them or as many as the second argument says.

    A negative count asks for upper case.
    """
    digits = b"%08x" % _bits("tohex", 1, arguments)
    if len(arguments) == 1:
        return digits
    count = _signed(_bits("tohex", 2, arguments))
    if count < 0:
        digits = digits.upper()
    return digits[_DIGITS - min(abs(count), _DIGITS) :]


def bnot(*arguments: Any) -> int:
    """Return a number with all its bits inverted."""
    return _signed(_bits("bnot", 1, arguments) ^ _MASK)


def bswap(*arguments: Any) -> int:
    """Return a number with its bytes in reverse order."""
    bits: int = _WORD_BE.unpack(_WORD_LE.pack(_bits("bswap", 1, arguments)))[0]
    return _signed(bits)


def _folding(name: str, operator: Callable[[int, int], int]) -> Callable[..., int]:
    def fold(*arguments: Any) -> int:
        result = _bits(name, 1, arguments)
        for index in range(len(arguments), 1, -1):  # the last wrong argument is the one to blame
            result = operator(result, _bits(name, index, arguments))
        return _signed(result)

    return fold


def _shifting(name: str, operator: Callable[[int, int], int]) -> Callable[..., int]:
    def shift(*arguments: Any) -> int:
        bits = _bits(name, 1, arguments)
        return _signed(operator(bits, _bits(name, 2, arguments) & 31) & _MASK)

    return shift


def _rotated_left(bits: int, count: int) -> int:
    return bits << count | bits >> (32 - count)


FUNCTIONS: Final[Mapping[bytes, Callable[..., Any]]] = {
    b"tobit": tobit,
    b"bnot": bnot,
    b"band": _folding("band", and_),
    b"bor": _folding("bor", or_),
    b"bxor": _folding("bxor", xor),
    b"lshift": _shifting("lshift", lambda bits, count: bits << count),
    b"rshift": _shifting("rshift", lambda bits, count: bits >> count),
    b"arshift": _shifting("arshift", lambda bits, count: _signed(bits) >> count),
    b"rol": _shifting("rol", _rotated_left),
    b"ror": _shifting("ror", lambda bits, count: _rotated_left(bits, 32 - count)),
    b"bswap": bswap,
    b"tohex": tohex,
}
