"""LZF, the compression of strings in RDB: runs of literal bytes, and references to bytes up to 8 KiB before.

A control byte n below 32 announces n + 1 literal bytes.  From 32 on, its upper three bits are the length of a reference
minus two (if all three are set, the next byte is added), its lower five bits and the following byte the distance minus
one.
"""

from __future__ import annotations

from typing import Final

_LONGEST_RUN: Final = 32
_LONGEST_REFERENCE: Final = 264
_FARTHEST: Final = 1 << 13


def decompress(data: bytes, length: int) -> bytes:
    """Return the decompressed data; raises ValueError if they are not well-formed or not `length` bytes long."""
    out = bytearray()
    at, end = 0, len(data)
    while at < end:
        control = data[at]
        at += 1
        if control < _LONGEST_RUN:
            start = at
            at += control + 1
            if at > end:
                raise ValueError("a compressed string ends too early")
            out += data[start:at]
            continue
        size = control >> 5
        try:
            if size == 7:
                size += data[at]
                at += 1
            distance = ((control & 0x1F) << 8 | data[at]) + 1
        except IndexError:
            raise ValueError("a compressed string ends too early") from None
        at += 1
        size += 2
        start = len(out) - distance
        if start < 0:
            raise ValueError("a compressed string refers to what is before its start")
        piece = out[start : start + size]
        if len(piece) < size:  # it overlaps its own output: a repeating pattern
            piece = (piece * (size // len(piece) + 1))[:size]
        out += piece
        if len(out) > length:
            break
    if len(out) != length:
        raise ValueError("a compressed string has another length than announced")
    return bytes(out)


def compress(data: bytes) -> bytes | None:
    """Return compressed data, or None unless that saves at least four bytes, as Redis requires."""
    max_size = len(data) - 4
    out = bytearray()
    seen: dict[bytes, int] = {}
    at = literal = 0
    end = len(data)
    while at < end - 2:
        triple = data[at : at + 3]
        previous = seen.get(triple)
        seen[triple] = at
        if previous is None or at - previous > _FARTHEST:
            at += 1
            continue
        size = 3
        while size < _LONGEST_REFERENCE and at + size < end and data[previous + size] == data[at + size]:
            size += 1
        _add_literals(out, data[literal:at])
        distance = at - previous - 1
        if size - 2 < 7:
            out.append((size - 2) << 5 | distance >> 8)
        else:
            out += bytes((7 << 5 | distance >> 8, size - 2 - 7))
        out.append(distance & 0xFF)
        at += size
        literal = at
        if len(out) > max_size:
            return None
    _add_literals(out, data[literal:])
    return bytes(out) if len(out) <= max_size else None


def _add_literals(out: bytearray, data: bytes) -> None:
    for start in range(0, len(data), _LONGEST_RUN):
        run = data[start : start + _LONGEST_RUN]
        out.append(len(run) - 1)
        out += run
