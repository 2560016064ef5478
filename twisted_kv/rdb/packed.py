"""The packed forms in which Redis keeps small collections in memory, and writes them as one string: entries in a row.

    listpack (Redis 7):  bytes in all, 4; entries, 2; entries, each followed by its own size read backwards; 0xFF
    ziplist (2.6 to 6):  bytes in all, 4; offset of the last entry, 4; entries, 2; entries, each led by the size of the
                         one before it; 0xFF
    zipmap (2.4):        pairs, 1; field, value, each led by its length, a value's also by its unused bytes; 0xFF

What is read comes from a file or a client: every size is checked against what is there.  All raise ValueError.
"""

from __future__ import annotations

from typing import Final, Iterable

from twisted_kv.vocabulary.numbers import parse_integer

_END: Final = 0xFF
MANY: Final = 0xFFFF
"""A count of so many says nothing: the entries have to be counted."""


def listpack_count(data: bytes) -> int:
    """Return how many entries a listpack says it has, which Redis seldom compares; `MANY` says nothing."""
    return int.from_bytes(data[4:6], "little")


def read_listpack(data: bytes) -> list[bytes]:
    """Return the entries of a listpack, as many as there are; numbers as their digits."""
    _check_size(data, 7)
    entries: list[bytes] = []
    at, last = 6, len(data) - 1
    while at < last:
        head = data[at]
        start = at
        if head < 0x80:  # 7 bits of a number
            entries.append(b"%d" % head)
            at += 1
        elif head < 0xC0:  # a string of up to 63 bytes
            at += 1 + (head & 0x3F)
            entries.append(data[start + 1 : at])
        elif head < 0xE0:  # 13 bits of a number, with a sign
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
        elif head == _END:  # what is after it is dead
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
    """Put entries into a listpack; those that read as numbers as numbers, as Redis does."""
    parts: list[bytes] = []
    for entry in entries:
        packed = _pack(entry)
        parts += (packed, _BACKWARD[len(packed)] if len(packed) < 128 else _backward(len(packed)))
    body = b"".join(parts)
    count = min(len(parts) // 2, MANY)
    return (len(body) + 7).to_bytes(4, "little") + count.to_bytes(2, "little") + body + b"\xff"


def _pack(entry: bytes) -> bytes:
    """Give an entry of a listpack without its size."""
    size = len(entry)
    number = parse_integer(entry) if size <= 20 and entry[:1] < b":" else None  # what begins with a letter is none
    if number is not None:
        if 0 <= number < 128:
            return bytes((number,))
        if -(1 << 12) <= number < 1 << 12:
            number &= (1 << 13) - 1
            return bytes((0xC0 | number >> 8, number & 0xFF))
        bits = (number if number >= 0 else ~number).bit_length() + 1  # with a sign
        head, width = next(each for each in _LISTPACK_NUMBERS.items() if bits <= 8 * each[1])
        return bytes((head,)) + number.to_bytes(width, "little", signed=True)
    if size < 64:
        return bytes((0x80 | size,)) + entry
    if size < 4096:
        return bytes((0xE0 | size >> 8, size & 0xFF)) + entry
    return b"\xf0" + size.to_bytes(4, "little") + entry


def _backward(size: int) -> bytes:
    """Write the size of an entry so that it can be read from behind: seven bits a byte, all but the first marked."""
    parts = [0x80 | size >> shift & 0x7F for shift in range(7 * (_backward_size(size) - 1), -1, -7)]
    parts[0] &= 0x7F
    return bytes(parts)


def _backward_size(size: int) -> int:
    """How many bytes the size of an entry takes; Redis gives all but the first step one less than would fit."""
    if size < 128:
        return 1
    return next((width for width in range(2, 5) if size < (1 << 7 * width) - 1), 5)


_BACKWARD: Final = [bytes((size,)) for size in range(128)]


def read_ziplist(data: bytes) -> list[bytes]:
    """Give the entries of a ziplist; numbers as their digits."""
    _check_size(data, 11)
    entries: list[bytes] = []
    at, last, before = 10, len(data) - 1, 0
    while at < last:
        start = at
        if data[at] == 0xFE:
            previous = int.from_bytes(data[at + 1 : at + 5], "little")
            at += 5
        else:
            previous = data[at]
            at += 1
        if previous != before:
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
        before = at - start
    _check_end(data, at, entries, int.from_bytes(data[8:10], "little"), "ziplist")
    return entries


_ZIPLIST_NUMBERS: Final = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}


def read_zipmap(data: bytes) -> list[bytes]:
    """Give the fields and values of a zipmap by turns."""
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
        elif size == _END and not len(entries) % 2:  # what is after it is dead
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
    """Give the numbers of an intset as their digits: bytes of each, 4; numbers, 4; the numbers in their order."""
    width = int.from_bytes(data[:4], "little")
    if len(data) < _INTSET_HEAD or width not in (2, 4, 8):
        raise ValueError("an intset has numbers of no known size")
    if len(data) != _INTSET_HEAD + width * int.from_bytes(data[4:_INTSET_HEAD], "little"):
        raise ValueError("an intset has another size than announced")
    places = range(_INTSET_HEAD, len(data), width)
    return [b"%d" % int.from_bytes(data[at : at + width], "little", signed=True) for at in places]


def write_intset(members: Iterable[bytes]) -> bytes:
    """Put numbers, given as their digits, into an intset."""
    numbers = sorted([int(member) for member in members])
    bits = max([(number if number >= 0 else ~number).bit_length() + 1 for number in numbers])
    width = 2 if bits <= 16 else 4 if bits <= 32 else 8
    head = width.to_bytes(4, "little") + len(numbers).to_bytes(4, "little")
    return head + b"".join([number.to_bytes(width, "little", signed=True) for number in numbers])


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise ValueError("an entry is cut")
    return data[at]


def _check_size(data: bytes, least: int) -> None:
    if len(data) < least or int.from_bytes(data[:4], "little") != len(data) or data[-1] != _END:
        raise ValueError("a packed collection has another size than announced")


def _check_end(data: bytes, at: int, entries: list[bytes], announced: int, kind: str) -> None:
    if at != len(data) - 1 or announced not in (len(entries), MANY):
        raise ValueError(f"a {kind} has another number of entries than announced")
