"""The packed forms in which Redis keeps small collections in memory and writes them as one string: entries in a row.

Their fields, with the size of each number in bytes:

    listpack (Redis 7):  total bytes, 4; entry count, 2; entries, each followed by its own size, read backwards; 0xFF
    ziplist (2.6 to 6):  total bytes, 4; offset of the last entry, 4; entry count, 2; entries, each preceded by the size
                         of the previous one; 0xFF
    zipmap (2.4):        pair count, 1; fields and values, each preceded by its length, a value also by the number of
                         its unused bytes; 0xFF

The data come from a file or a client, so every size is checked against the bytes present.  All readers raise
ValueError.
"""

from __future__ import annotations

from typing import Final, Iterable

from twisted_kv.vocabulary.numbers import parse_integer

_END: Final = 0xFF
MANY: Final = 0xFFFF
"""A count of this value means that it is unknown: the entries have to be counted."""


def listpack_count(data: bytes) -> int:
    """Return the entry count in a listpack's header, which Redis seldom checks; `MANY` means unknown."""
    return int.from_bytes(data[4:6], "little")


def read_listpack(data: bytes) -> list[bytes]:
    """Return the entries of a listpack, whatever its count; numbers as their digits."""
    _check_size(data, 7)
    entries: list[bytes] = []
    at, last = 6, len(data) - 1
    while at < last:
        head = data[at]
        start = at
        if head < 0x80:  # a 7-bit number
            entries.append(b"%d" % head)
            at += 1
        elif head < 0xC0:  # a string of up to 63 bytes
            at += 1 + (head & 0x3F)
            entries.append(data[start + 1 : at])
        elif head < 0xE0:  # a signed 13-bit number
            number = (head & 0x1F) << 8 | _byte(data, at + 1)
            entries.append(b"%d" % (number - (1 << 13) if number >= 1 << 12 else number))
            at += 2
        elif head < 0xF0:  # a string of up to 4,095 bytes
            size = (head & 0x0F) << 8 | _byte(data, at + 1)
            at += 2 + size
            entries.append(data[start + 2 : at])
        elif head == 0xF0:  # a string of any length
            size = int.from_bytes(data[at + 1 : at + 5], "little")
            at += 5 + size
            entries.append(data[start + 5 : at])
        elif head in _LISTPACK_NUMBERS:
            at += 1 + _LISTPACK_NUMBERS[head]
            entries.append(b"%d" % int.from_bytes(data[start + 1 : at], "little", signed=True))
        elif head == _END:  # bytes after it are unused
            return entries
        else:
            raise ValueError("a listpack has an entry of no known kind")
        size = at - start
        at += _backward_size(size)
        if at > last or data[at - _backward_size(size) : at] != _backward(size):
            raise ValueError("a listpack has an entry of a wrong size")
    return entries


_LISTPACK_NUMBERS: Final = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}


def write_listpack(entries: Iterable[bytes]) -> bytes:
    """Encode entries as a listpack, those that read as numbers as numbers, as Redis does."""
    parts: list[bytes] = []
    for entry in entries:
        packed = _pack(entry)
        parts += (packed, _BACKWARD[len(packed)] if len(packed) < 128 else _backward(len(packed)))
    body = b"".join(parts)
    count = min(len(parts) // 2, MANY)
    return (len(body) + 7).to_bytes(4, "little") + count.to_bytes(2, "little") + body + b"\xff"


def _pack(entry: bytes) -> bytes:
    """Encode an entry of a listpack, without its size."""
    size = len(entry)
    number = parse_integer(entry) if size <= 20 and entry[:1] < b":" else None  # no number begins with a letter
    if number is not None:
        if 0 <= number < 128:
            return bytes((number,))
        if -(1 << 12) <= number < 1 << 12:
            number &= (1 << 13) - 1
            return bytes((0xC0 | number >> 8, number & 0xFF))
        bits = (number if number >= 0 else ~number).bit_length() + 1  # including the sign
        head, width = next(each for each in _LISTPACK_NUMBERS.items() if bits <= 8 * each[1])
        return bytes((head,)) + number.to_bytes(width, "little", signed=True)
    if size < 64:
        return bytes((0x80 | size,)) + entry
    if size < 4096:
        return bytes((0xE0 | size >> 8, size & 0xFF)) + entry
    return b"\xf0" + size.to_bytes(4, "little") + entry


def _backward(size: int) -> bytes:
    """Encode the size of an entry for reading backwards: seven bits per byte, the top bit set in all but the first."""
    parts = [0x80 | size >> shift & 0x7F for shift in range(7 * (_backward_size(size) - 1), -1, -7)]
    parts[0] &= 0x7F
    return bytes(parts)


def _backward_size(size: int) -> int:
    """Return how many bytes an entry's size takes; all of Redis's limits but the first are one less than would fit."""
    if size < 128:
        return 1
    return next((width for width in range(2, 5) if size < (1 << 7 * width) - 1), 5)


_BACKWARD: Final = [bytes((size,)) for size in range(128)]


def read_ziplist(data: bytes) -> list[bytes]:
    """Return the entries of a ziplist; numbers as their digits."""
    _check_size(data, 11)
    entries: list[bytes] = []
    at, last, previous_size = 10, len(data) - 1, 0
    while at < last:
        start = at
        if data[at] == 0xFE:
            announced = int.from_bytes(data[at + 1 : at + 5], "little")
            at += 5
        else:
            announced = data[at]
            at += 1
        if announced != previous_size:
            raise ValueError("a ziplist has an entry of a wrong size")
        head = _byte(data, at)
        at += 1
        kind = head >> 6
        if kind < 3:
            if kind == 0:
                size = head & 0x3F
            elif kind == 1:
                size = (head & 0x3F) << 8 | _byte(data, at)
                at += 1
            else:
                size = int.from_bytes(data[at : at + 4], "big")
                at += 4
            entries.append(data[at : at + size])
            at += size
        elif head in _ZIPLIST_NUMBERS:
            size = _ZIPLIST_NUMBERS[head]
            entries.append(b"%d" % int.from_bytes(data[at : at + size], "little", signed=True))
            at += size
        elif 0xF1 <= head <= 0xFD:
            entries.append(b"%d" % ((head & 0x0F) - 1))
        else:
            raise ValueError("a ziplist has an entry of no known kind")
        if at > last:
            raise ValueError("a ziplist has an entry of a wrong size")
        previous_size = at - start
    _check_end(data, at, entries, int.from_bytes(data[8:10], "little"), "ziplist")
    return entries


_ZIPLIST_NUMBERS: Final = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}


def read_zipmap(data: bytes) -> list[bytes]:
    """Return the fields and values of a zipmap, alternating."""
    if len(data) < 2 or data[-1] != _END:
        raise ValueError("a zipmap is cut")
    entries: list[bytes] = []
    at, last = 1, len(data) - 1
    while at < last:
        size = data[at]
        at += 1
        if size == 0xFE:
            size = int.from_bytes(data[at : at + 4], "little")
            at += 4
        elif size == _END and not len(entries) % 2:  # bytes after it are unused
            break
        elif size == _END:
            raise ValueError("a zipmap ends too early")
        unused = 0
        if len(entries) % 2:
            unused = _byte(data, at)
            at += 1
        entries.append(data[at : at + size])
        at += size + unused
        if at > last:
            raise ValueError("a zipmap has an entry of a wrong size")
    if len(entries) % 2:
        raise ValueError("a zipmap lacks a value")
    if data[0] < 0xFE and data[0] != len(entries) // 2:
        raise ValueError("a zipmap has another number of entries than announced")
    return entries


_INTSET_HEAD: Final = 8


def read_intset(data: bytes) -> list[bytes]:
    """Return the digits of an intset's numbers: bytes per number, 4; count, 4; the numbers in ascending order."""
    width = int.from_bytes(data[:4], "little")
    if len(data) < _INTSET_HEAD or width not in (2, 4, 8):
        raise ValueError("an intset has numbers of no known size")
    if len(data) != _INTSET_HEAD + width * int.from_bytes(data[4:_INTSET_HEAD], "little"):
        raise ValueError("an intset has another size than announced")
    offsets = range(_INTSET_HEAD, len(data), width)
    return [b"%d" % int.from_bytes(data[at : at + width], "little", signed=True) for at in offsets]


def write_intset(members: Iterable[bytes]) -> bytes:
    """Encode numbers, passed as their digits, as an intset."""
    numbers = sorted([int(member) for member in members])
    bits = max([(number if number >= 0 else ~number).bit_length() + 1 for number in numbers])
    width = 2 if bits <= 16 else 4 if bits <= 32 else 8
    head = width.to_bytes(4, "little") + len(numbers).to_bytes(4, "little")
    return head + b"".join([number.to_bytes(width, "little", signed=True) for number in numbers])


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise ValueError("an entry is cut")
    return data[at]


def _check_size(data: bytes, minimum: int) -> None:
    if len(data) < minimum or int.from_bytes(data[:4], "little") != len(data) or data[-1] != _END:
        raise ValueError("a packed collection has another size than announced")


def _check_end(data: bytes, at: int, entries: list[bytes], announced: int, kind: str) -> None:
    if at != len(data) - 1 or announced not in (len(entries), MANY):
        raise ValueError(f"a {kind} has another number of entries than announced")
