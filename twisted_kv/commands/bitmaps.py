"""Commands on the bits of values that are byte strings.  Bit 0 is the most significant bit of the first byte."""

from __future__ import annotations

import functools
import operator
from typing import Callable, Final, Iterator, Sequence

import attrs

from twisted_kv.commands.strings import check_string_size
from twisted_kv.declaring.arguments import Arguments, integer
from twisted_kv.declaring.commands import MANY, KeyPositions
from twisted_kv.declaring.groups import Group, every, first, second
from twisted_kv.sessions.session import Session
from twisted_kv.store.database import Database
from twisted_kv.values.long_strings import CHUNK, LONG, LongString
from twisted_kv.values.short_strings import raw
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, WrongTypeError, c_string
from twisted_kv.vocabulary.numbers import INT64_MAX, INT64_MIN, UINT64_MAX, parse_integer
from twisted_kv.vocabulary.replies import Reply

bitmaps = Group("bitmap", category="bitmap")

_BAD_OFFSET: Final = "bit offset is not an integer or out of range"
_BIT_COUNTS: Final = bytes([bin(byte).count("1") for byte in range(256)])
_COUNTS_BITS: Final = hasattr(int, "bit_count")  # from Python 3.10 on
_PIECE_SIZE: Final = CHUNK  # a piece is then one chunk of a long string, so chunks need not be joined


def _offset(session: Session, argument: bytes, *, width: int = 0) -> int:
    """Parse a bit offset; with a width, `#3` means the offset 3 * width."""
    if width and argument.startswith(b"#"):
        offset = integer(argument[1:], _BAD_OFFSET) * width
        offset = (offset - INT64_MIN) % (UINT64_MAX + 1) + INT64_MIN  # too large a product wraps around, as in C
    else:
        offset = integer(argument, _BAD_OFFSET)
    if offset < 0 or offset >> 3 >= session.server.settings.proto_max_bulk_len:
        raise CommandError(_BAD_OFFSET)
    return offset


def _string(database: Database, key: bytes) -> bytes | LongString:
    """Return the string of a key for changing it; an empty one if there is none."""
    value = database.lookup(key)
    if value is None:
        return b""
    if isinstance(value, (bytes, LongString)):
        return value
    raise WrongTypeError


def _slice(value: bytes | LongString, start: int, stop: int) -> bytes:
    return value[start:stop] if isinstance(value, bytes) else value.slice(start, min(stop, len(value)))


@bitmaps.command(
    "SETBIT",
    since="2.2.0",
    flags="write denyoom",
    keys=first("RW access update"),
)
def setbit(session: Session, key: bytes, offset: bytes, bit: bytes) -> Reply:
    """Set or clear a bit of the string value of a key, and return its previous value."""
    bit_offset = _offset(session, offset)
    if parse_integer(bit) not in (0, 1):
        raise CommandError("bit is not an integer or out of range")
    value = _string(session.db, key)
    byte_offset, mask = bit_offset >> 3, 0x80 >> (bit_offset & 7)
    byte = _slice(value, byte_offset, byte_offset + 1)
    old = byte[0] if byte else 0
    new = old | mask if bit == b"1" else old & ~mask
    if not byte or new != old:
        session.db.write_string(key, byte_offset, bytes((new,)), b"setbit")
    else:
        session.db.keep_raw(key)
    return int(bool(old & mask))


@bitmaps.command(
    "GETBIT",
    since="2.2.0",
    flags="readonly fast",
    keys=first("RO access"),
)
def getbit(session: Session, key: bytes, offset: bytes) -> Reply:
    """Return a bit of the string value of a key."""
    bit_offset = _offset(session, offset)
    byte = _slice(session.db.read_string(key), bit_offset >> 3, (bit_offset >> 3) + 1)
    return byte[0] >> (7 - (bit_offset & 7)) & 1 if byte else 0


def _read(session: Session, key: bytes) -> bytes | LongString | None:
    """Return the string of a key for reading, or None if there is none."""
    value = session.db.read(key)
    if value is None or isinstance(value, (bytes, LongString)):
        return value
    raise WrongTypeError


def _is_bit_range(arguments: Sequence[bytes]) -> bool:
    """Check whether the third argument of a range says that it is in bits, not bytes."""
    if len(arguments) < 3:
        return False
    unit = c_string(arguments[2]).upper()
    if unit not in (b"BIT", b"BYTE"):
        raise CommandError(SYNTAX)
    return unit == b"BIT"


def _clip(start: int, end: int, size: int, *, in_bits: bool) -> tuple[int, int]:
    """Clip a range of bytes or bits to the value, and return it as a half-open range of bits, (0, 0) if it is empty."""
    total = size * 8 if in_bits else size
    start = max(0, start + total if start < 0 else start)
    end = min(total - 1, max(0, end + total) if end < 0 else end)
    if start > end:
        return 0, 0
    return (start, end + 1) if in_bits else (start * 8, (end + 1) * 8)


@bitmaps.command(
    "BITCOUNT",
    since="2.6.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def bitcount(session: Session, key: bytes, *words: bytes) -> Reply:
    """Return the number of bits set in the string value of a key, or in a range of it."""
    value = _read(session, key)
    if value is None:
        return 0
    if len(words) not in (0, 2, 3):
        raise CommandError(SYNTAX)
    # Not by `map`: where it is compiled, an error behind that would be lost (mypy 2.4.1).
    start, end = (integer(words[0]), integer(words[1])) if words else (0, -1)
    if start < 0 and end < 0 and start > end:
        return 0
    first, last = _clip(start, end, len(value), in_bits=_is_bit_range(words))
    return _count(value, first, last)


def _count(value: bytes | LongString, start: int, stop: int) -> int:
    """Return the number of bits set in a half-open range of bits."""
    if start >= stop:
        return 0
    count = 0
    first, last = start >> 3, (stop - 1) >> 3
    for offset in _pieces(value, first, last + 1):
        count += popcount(_slice(value, offset, min(offset + _PIECE_SIZE, last + 1)))
    head = _slice(value, first, first + 1)[0] >> (8 - (start & 7)) if start & 7 else 0
    tail = _slice(value, last, last + 1)[0] & (0xFF >> (stop & 7)) if stop & 7 else 0
    return count - _BIT_COUNTS[head] - _BIT_COUNTS[tail]


@bitmaps.command(
    "BITPOS",
    since="2.8.7",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def bitpos(session: Session, key: bytes, bit: bytes, *words: bytes) -> Reply:
    """Return the position of the first bit that is set, or clear, in the string value of a key or a range of it."""
    wanted = integer(bit)
    if wanted not in (0, 1):
        raise CommandError("The bit argument must be 1 or 0.")
    value = _read(session, key)
    if value is None:
        return -wanted
    if len(words) > 3:
        raise CommandError(SYNTAX)
    start = integer(words[0]) if words else 0
    in_bits = _is_bit_range(words)
    end = integer(words[1]) if len(words) > 1 else -1
    first, last = _clip(start, end, len(value), in_bits=in_bits)
    if first >= last:
        return -1
    position = _first_bit(value, wanted, first, last)
    if position is not None:
        return position
    return -1 if wanted or len(words) > 1 else last  # without an explicit end, zeros follow the value


def _pieces(value: bytes | LongString, start: int, stop: int) -> Iterator[int]:
    """Yield the offsets of the pieces that may have a bit set, skipping runs of zeros that were never written."""
    offset = start
    while offset < stop:
        zeros = value.zeros(offset) if isinstance(value, LongString) else 0
        if not zeros:
            yield offset
        offset += zeros or _PIECE_SIZE


def popcount(data: bytes) -> int:
    """Return the number of bits set."""
    if _COUNTS_BITS:
        return int.from_bytes(data, "little").bit_count()
    return sum(data.translate(_BIT_COUNTS))  # on PyPy 20 times as fast as counting the digits of a number


def _first_bit(value: bytes | LongString, wanted: int, start: int, stop: int) -> int | None:
    """Return the position of the first bit that equals `wanted` in a half-open range of bits, or None."""
    unwanted = b"\0" if wanted else b"\xff"
    first, last = start >> 3, (stop - 1) >> 3
    for offset in _pieces(value, first, last + 1) if wanted else range(first, last + 1, _PIECE_SIZE):
        piece = bytearray(_slice(value, offset, min(offset + _PIECE_SIZE, last + 1)))
        if offset == first and start & 7:
            mask = 0xFF >> (start & 7)
            piece[0] = piece[0] & mask if wanted else piece[0] | ~mask & 0xFF
        skipped = len(piece) - len(piece.lstrip(unwanted))
        if skipped < len(piece):
            byte = piece[skipped] if wanted else ~piece[skipped] & 0xFF
            position = (offset + skipped) * 8 + 8 - byte.bit_length()
            return position if position < stop else None
    return None


_OPERATIONS: Final[dict[bytes, Callable[[int, int], int]]] = {
    b"AND": operator.and_,
    b"OR": operator.or_,
    b"XOR": operator.xor,
}


@bitmaps.command(
    "BITOP",
    since="2.6.0",
    flags="write denyoom",
    keys=second("OW update") + every("RO access", start=3),
    complexity="O(N)",
)
def bitop(session: Session, operation: bytes, destination: bytes, key: bytes, *keys: bytes) -> Reply:
    """Set a key to the result of a bitwise operation on the string values of other keys, and return its length."""
    name = c_string(operation).upper()
    if name not in _OPERATIONS and name != b"NOT":
        raise CommandError(SYNTAX)
    if name == b"NOT" and keys:
        raise CommandError("BITOP NOT must be called with a single source key.")
    values = [_read(session, each) or b"" for each in (key, *keys)]
    size = max(map(len, values))
    if not size:
        session.db.delete(destination)
        return 0
    pieces = (_combine(name, values, offset, min(offset + _PIECE_SIZE, size)) for offset in range(0, size, _PIECE_SIZE))
    if size > LONG:
        session.db.set(destination, LongString.of(pieces, size))
    else:
        result = b"".join([bytes(_PIECE_SIZE) if piece is None else piece for piece in pieces])
        session.db.set(destination, raw(result[:size]))
    return size


_INVERTED: Final = bytes(range(255, -1, -1))


def _combine(name: bytes, values: Sequence[bytes | LongString], start: int, stop: int) -> bytes | None:
    """Combine a half-open byte range of values; returns None for zeros alone, if values were never written there."""
    if name == b"NOT":
        return _slice(values[0], start, stop).translate(_INVERTED)
    written = [value for value in values if not _is_unwritten(value, start, stop)]
    if not written or (name == b"AND" and len(written) < len(values)):
        return None
    # The bytes that a shorter value lacks count as zeros: they are the most significant ones.
    numbers = [int.from_bytes(_slice(value, start, stop), "little") for value in written]
    return functools.reduce(_OPERATIONS[name], numbers).to_bytes(stop - start, "little")


def _is_unwritten(value: bytes | LongString, start: int, stop: int) -> bool:
    """Check whether a half-open byte range contains only zeros that were never written."""
    return start >= len(value) or (isinstance(value, LongString) and value.is_unwritten(start, stop))


@attrs.frozen
class _Field:
    """One operation of BITFIELD, on an integer of some width at a bit offset."""

    name: bytes
    offset: int
    width: int
    signed: bool
    operand: int
    overflow: bytes

    def run(self, old: int) -> tuple[Reply, int | None]:
        """Return the reply for the current value of the field, and the new value, or None to leave it unchanged."""
        if self.name == b"GET":
            return old, None
        operand = self.operand if self.signed or self.name != b"SET" else self.operand & UINT64_MAX
        new = self._fit(operand if self.name == b"SET" else old + operand)
        if new is None:
            return None, None
        return (old if self.name == b"SET" else new), new

    def _fit(self, number: int) -> int | None:
        """Fit a number into the field as OVERFLOW specifies; with FAIL, returns None if it does not fit."""
        minimum = -(1 << self.width - 1) if self.signed else 0
        maximum = (1 << self.width - 1) - 1 if self.signed else (1 << self.width) - 1
        if minimum <= number <= maximum:
            return number
        if self.overflow == b"FAIL":
            return None
        if self.overflow == b"SAT":
            # A value of SET may be so small that the difference overflows inside Redis, which then deems it too large.
            overflows = self.name == b"SET" and maximum - number > INT64_MAX
            return minimum if number < minimum and not overflows else maximum
        number &= (1 << self.width) - 1
        return number - (1 << self.width) if self.signed and number > maximum else number


def _fields(session: Session, words: Sequence[bytes], *, read_only: bool) -> list[_Field]:
    """Parse the operations of BITFIELD."""
    fields = []
    overflow = b"WRAP"
    arguments = Arguments(words)
    while arguments:
        option = arguments.option()
        if option == b"OVERFLOW" and arguments:
            overflow = arguments.option()
            if overflow not in (b"WRAP", b"SAT", b"FAIL"):
                raise CommandError("Invalid OVERFLOW type specified")
            continue
        if option not in (b"GET", b"SET", b"INCRBY") or arguments.left < (2 if option == b"GET" else 3):
            raise CommandError(SYNTAX)
        width, signed = _field_type(arguments.word())
        offset = _offset(session, arguments.word(), width=width)
        operand = 0
        if option != b"GET":
            operand = integer(arguments.word())
        fields.append(_Field(option, offset, width, signed, operand, overflow))
    if read_only and any(field.name != b"GET" for field in fields):
        raise CommandError("BITFIELD_RO only supports the GET subcommand")
    return fields


def _field_type(argument: bytes) -> tuple[int, bool]:
    argument = c_string(argument)
    signed = argument.startswith(b"i")
    width = parse_integer(argument[1:]) if argument[:1] in (b"i", b"u") else None
    if width is None or not 1 <= width <= (64 if signed else 63):
        raise CommandError(
            "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
        )
    return width, signed


_MAX_SPAN: Final = 4096
"""Bytes from the first to the last field up to which all fields are changed in one write."""


def _run_fields(session: Session, key: bytes, fields: Sequence[_Field]) -> list[Reply]:
    """Run operations in order, each on the result of the one before it, and return their replies."""
    replies: list[Reply] = []
    start = min([field.offset >> 3 for field in fields], default=0)
    stop = max([(field.offset + field.width + 7) >> 3 for field in fields], default=0)
    if stop - start > _MAX_SPAN:
        return [reply for field in fields for reply in _run_fields(session, key, [field])]
    value = bytearray(_slice(_string(session.db, key), start, stop).ljust(stop - start, b"\0"))
    low, high = stop, start  # the range of changed bytes
    for field in fields:
        first, last = field.offset >> 3, (field.offset + field.width - 1) >> 3
        bits = int.from_bytes(value[first - start : last + 1 - start], "big")
        shift = (last + 1) * 8 - field.offset - field.width
        mask = (1 << field.width) - 1
        old = bits >> shift & mask
        if field.signed and old >> field.width - 1:
            old -= 1 << field.width
        reply, new = field.run(old)
        replies.append(reply)
        if new is not None and new != old:
            bits = bits & ~(mask << shift) | (new & mask) << shift
            value[first - start : last + 1 - start] = bits.to_bytes(last + 1 - first, "big")
            low, high = min(low, first), max(high, last + 1)
    if low < high:
        session.db.write_string(key, low, bytes(value[low - start : high - start]), None)
    return replies


def _bitfield_keys(words: Sequence[bytes]) -> KeyPositions:
    """Return the key of BITFIELD, which is only read if GET is the only operation."""
    index = 2
    while index < len(words):
        option = c_string(words[index]).upper()
        length = {b"GET": 3, b"OVERFLOW": 2}.get(option, MANY)
        if len(words) - index < length:
            return [(1, ("RW", "access", "update"))]
        index += length
    return [(1, ("RO", "access"))]


@bitmaps.command(
    "BITFIELD",
    find_keys=_bitfield_keys,
    since="3.2.0",
    flags="write denyoom",
    keys=first("RW access update variable_flags", notes="This command allows both access and modification of the key"),
    tells_after="setbit",
)
def bitfield(session: Session, key: bytes, *words: bytes) -> Reply:
    """Read and change integers of any width within the string value of a key."""
    fields = _fields(session, words, read_only=False)
    ends = [field.offset + field.width for field in fields if field.name != b"GET"]
    if not ends:
        session.db.read_string(key)  # in Redis, it only reads then
    else:
        _string(session.db, key)
        _extend(session, key, (max(ends) + 7) // 8)
    replies = _run_fields(session, key, fields)
    if any(reply is not None and field.name != b"GET" for field, reply in zip(fields, replies)):
        session.db.tell(b"setbit", key)
    return replies


def _extend(session: Session, key: bytes, size: int) -> None:
    """Extend a string to hold all fields that SET or INCRBY name, even if no field is changed in the end."""
    check_string_size(session, size)
    if len(_string(session.db, key)) < size:
        session.db.write_string(key, size - 1, b"\0", None)
    else:
        session.db.keep_raw(key)


@bitmaps.command(
    "BITFIELD_RO",
    since="6.0.0",
    flags="readonly fast",
    keys=first("RO access"),
)
def bitfield_ro(session: Session, key: bytes, *words: bytes) -> Reply:
    """Read integers of any width within the string value of a key."""
    fields = _fields(session, words, read_only=True)
    session.db.read_string(key)
    return _run_fields(session, key, fields)
