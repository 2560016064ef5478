"""The `struct` library of Redis's Lua (lua-struct): Lua values to bytes of a fixed layout and back.

Sizes are those of C on x86-64: `l`, `L` and `T` have 8 bytes.  Bytes are little-endian unless `>` says otherwise.
What is returned is bounded by what is given: an option is worth 32 bytes at most, or a string among the arguments.
"""

from __future__ import annotations

import re
import struct
from math import copysign, isnan
from typing import Any, Callable, Final, Iterator, Mapping, Tuple, Union

from twisted_kv.scripting.errors import LibraryError

Number = Union[int, float]
Value = Union[int, float, bytes]
Arguments = Tuple[Any, ...]

_INT_MAX: Final = 2**31 - 1
_UINT64: Final = 2**64
_STACK_SLOTS: Final = 8000  # what Lua grants a C function
_EXACT_INTEGERS: Final = 2**53
_LARGEST_INTEGRAL: Final = 32
_DEFAULT_ALIGNMENT: Final = 8
_SIZES: Final = {"b": 1, "h": 2, "l": 8, "T": 8, "f": 4, "d": 8, "x": 1}
_SIZES.update({"B": 1, "H": 2, "L": 8})
_INTEGERS: Final = frozenset("bBhHlLTiI")
_SIGNED: Final = frozenset("bhli")

_LUA_TYPES: Final = {
    "_LuaTable": "table",
    "_LuaFunction": "function",
    "_LuaCoroutineFunction": "thread",  # one that has not been resumed yet
    "_LuaThread": "thread",
}
_SPACE: Final = b" \t\n\v\f\r"
_DECIMAL: Final = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL: Final = re.compile(rb"[+-]?0[xX](?:[0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?")
_NO_FINITE_NUMBER: Final = re.compile(rb"([+-]?)(?:(inf(?:inity)?)|nan(?:\([0-9a-z_]*\))?)", re.IGNORECASE)


class _Format:
    """A format that is being read, with the byte order and the alignment that hold at this point."""

    def __init__(self, function: str, text: bytes) -> None:
        self._function = function
        self._text = text.partition(b"\0")[0].decode("latin-1")
        self._position = 0
        self._alignment = 1
        self.order = "<"

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield each option and its size in bytes."""
        while self._position < len(self._text):
            option = self._text[self._position]
            self._position += 1
            yield option, self._size(option)

    def padding(self, offset: int, option: str, size: int) -> int:
        """Return the number of bytes between an offset and an option's value."""
        if size == 0 or option == "c":
            return 0
        size = min(size, self._alignment)
        return (size - (offset & (size - 1))) & (size - 1)

    def control(self, option: str) -> None:
        """Obey an option that stands for no value."""
        if option in "<>":
            self.order = option
        elif option == "!":
            alignment = self._number(_DEFAULT_ALIGNMENT)
            if alignment <= 0 or alignment & (alignment - 1):
                raise LibraryError(f"alignment {alignment} is not a power of 2")
            self._alignment = alignment
        elif option != " ":
            raise bad_argument(self._function, 1, f"invalid format option '{option}'")

    def _size(self, option: str) -> int:
        if option == "c":
            return self._number(1)
        if option not in "iI":
            return _SIZES.get(option, 0)
        size = self._number(4)
        if size > _LARGEST_INTEGRAL:
            raise LibraryError(f"integral size {size} is larger than limit of {_LARGEST_INTEGRAL}")
        return size

    def _number(self, default: int) -> int:
        start, number = self._position, 0
        while "0" <= self._text[self._position : self._position + 1] <= "9":
            number = number * 10 + int(self._text[self._position])
            if number > _INT_MAX:
                raise LibraryError("integral size overflow")
            self._position += 1
        return number if self._position > start else default


def pack(*arguments: Any) -> bytes:
    """Return the bytes of values in a format (the first argument)."""
    layout = _Format("pack", string_argument("pack", 1, arguments))
    result = bytearray()
    index = 2
    for option, size in layout:
        result += bytes(layout.padding(len(result), option, size))
        if option == "x":
            result.append(0)
        elif option in _INTEGERS:
            result += _integer_bytes(number_argument("pack", index, arguments, "nil"), size, layout.order)
            index += 1
        elif option in "fd":
            result += _float_bytes(number_argument("pack", index, arguments, "nil"), layout.order + option)
            index += 1
        elif option in "sc":
            text = string_argument("pack", index, arguments, "nil")
            index += 1
            if len(text) < size:
                raise bad_argument("pack", index, "string too short")
            result += text[: size or None]
            if option == "s":
                result.append(0)
        else:
            layout.control(option)
    return bytes(result)


def unpack(*arguments: Any) -> tuple[Value, ...]:
    """Return the values that bytes (the second argument) hold in a format, and the position after them."""
    layout = _Format("unpack", string_argument("unpack", 1, arguments))
    data = string_argument("unpack", 2, arguments)
    position = _start(arguments)
    values: list[Value] = []
    for option, size in layout:
        position += layout.padding(position, option, size)
        _require(data, position, size)
        if len(arguments) + len(values) + 2 > _STACK_SLOTS:
            raise LibraryError("stack overflow (too many results)")
        if option in _INTEGERS:
            values.append(_integer(data[position : position + size], option in _SIGNED, layout.order))
        elif option in "fd":
            values.append(struct.unpack_from(layout.order + option, data, position)[0])
        elif option == "c":
            if size == 0:
                size = _previous_size(values)
                _require(data, position, size)
            values.append(data[position : position + size])
        elif option == "s":
            end = data.find(b"\0", position)
            if end < 0:
                raise LibraryError("unfinished string in data")
            values.append(data[position:end])
            size = end - position + 1
        elif option != "x":
            layout.control(option)
        position += size
    return (*values, _lua_integer((position + 1 + 2**63) % _UINT64 - 2**63))


def size(*arguments: Any) -> int:
    """Return the number of bytes that a format takes."""
    layout = _Format("size", string_argument("size", 1, arguments))
    total = 0
    for option, width in layout:
        total += layout.padding(total, option, width)
        if option == "s":
            raise bad_argument("size", 1, "option 's' has no fixed size")
        if option == "c" and width == 0:
            raise bad_argument("size", 1, "option 'c0' has no fixed size")
        if not (option.isascii() and option.isalnum()):
            layout.control(option)
        total += width
    return total


def _integer_bytes(number: Number, size: int, order: str) -> bytes:
    if number >= _UINT64:
        number = 0
    elif not number >= 2**63:
        number = to_int64(number)
    data = (int(number) % _UINT64).to_bytes(8, "little")[:size].ljust(size, b"\0")
    return data if order == "<" else data[::-1]


def _float_bytes(number: Number, code: str) -> bytes:
    try:
        return struct.pack(code, number)
    except OverflowError:
        return struct.pack(code, copysign(float("inf"), number))


def _start(arguments: Arguments) -> int:
    if len(arguments) < 3 or arguments[2] is None:
        return 0
    start = to_int64(number_argument("unpack", 3, arguments))
    if start == 0:
        raise bad_argument("unpack", 3, "offset must be 1 or greater")
    return (start - 1) % _UINT64


def _require(data: bytes, position: int, size: int) -> None:
    if position + size > len(data):
        raise bad_argument("unpack", 2, "data string too short")


def _previous_size(values: list[Value]) -> int:
    number = to_number(values[-1]) if values else None
    if number is None:
        raise LibraryError("format 'c0' needs a previous size")
    del values[-1]
    return int.from_bytes(_integer_bytes(number, 8, "<"), "little")


def _integer(data: bytes, is_signed: bool, order: str) -> Number:
    """Return the integer of some bytes; of more than 8 only the lowest count, but the sign is looked for as in C."""
    low = int.from_bytes(data if order == "<" else data[::-1], "little") % _UINT64
    if not is_signed:
        return _lua_integer(low)
    signs = (_UINT64 - 1 << (len(data) * 8 - 1) % 64) % _UINT64
    if low & signs:
        low |= signs
    return _lua_integer(low - _UINT64 if low >= 2**63 else low)


def _lua_integer(number: int) -> Number:
    """Return a number that Lua's doubles hold; lupa refuses integers of more than 63 bits."""
    return number if -_EXACT_INTEGERS <= number <= _EXACT_INTEGERS else float(number)


def bad_argument(function: str, index: int, reason: str) -> LibraryError:
    """Return the error of a function that cannot use an argument."""
    return LibraryError(f"bad argument #{index} to '{function}' ({reason})")


def number_argument(function: str, index: int, arguments: Arguments, absent: str = "no value") -> Number:
    """Return an argument that is a number or the text of one."""
    if index > len(arguments):
        raise bad_argument(function, index, f"number expected, got {absent}")
    value = arguments[index - 1]
    number = to_number(value)
    if number is None:
        raise bad_argument(function, index, f"number expected, got {_type_of(value)}")
    return number


def string_argument(function: str, index: int, arguments: Arguments, absent: str = "no value") -> bytes:
    """Return an argument that is a string, or the text of a number."""
    if index > len(arguments):
        raise bad_argument(function, index, f"string expected, got {absent}")
    value = arguments[index - 1]
    if isinstance(value, bytes):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number_text(value)
    raise bad_argument(function, index, f"string expected, got {_type_of(value)}")


def to_number(value: Any) -> Number | None:
    """Return a number, or what the text of a number stands for (as C's strtod), or None."""
    if isinstance(value, (int, float)):
        return None if isinstance(value, bool) else value
    if not isinstance(value, bytes):
        return None
    text = value.partition(b"\0")[0].strip(_SPACE)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text.decode("ascii"))
        except OverflowError:
            return float("-inf" if text.startswith(b"-") else "inf")
    match = _NO_FINITE_NUMBER.fullmatch(text)
    if match is None:
        return None
    return float(match[1].decode("ascii") + ("inf" if match[2] else "nan"))


def to_int64(number: Number) -> int:
    """Return a number as C on x86-64 casts it to 64 bits: cut to an integer, and the least one if it is beyond them."""
    if -(2**63) <= number < 2**63:
        return int(number)
    return -(2**63)


def _number_text(number: Number) -> bytes:
    if isnan(number) and copysign(1.0, number) < 0:
        return b"-nan"
    return b"%.14g" % number


def _type_of(value: Any) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, bytes):
        return "string"
    if isinstance(value, (int, float)):
        return "number"
    return _LUA_TYPES.get(type(value).__name__, "userdata")


FUNCTIONS: Final[Mapping[bytes, Callable[..., Any]]] = {b"pack": pack, b"unpack": unpack, b"size": size}
