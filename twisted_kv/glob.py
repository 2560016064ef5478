r"""Patterns of KEYS, SCAN, HSCAN and CONFIG GET: `*`, `?`, `[a-z]`, `[^a]` and `\` as Redis matches them.

A pattern is cut at its stars into pieces of fixed length.  The first piece must open the text, the last must close it,
and each between is looked for from the left, which is right for globs and never backtracks: a hostile pattern such as
`*a*a*a*a*b` costs no more than one walk over the text for each piece.
"""

from __future__ import annotations

import re
from typing import Callable

Matcher = Callable[[bytes], bool]


def compile_pattern(pattern: bytes, ignore_case: bool = False) -> Matcher:
    """Give a function that tells whether a text matches the whole pattern.

    As in Redis, of all patterns that could, only the empty one and a single star match the empty text.
    """
    if pattern == b"*":
        return lambda text: True
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    pieces: list[tuple[re.Pattern[bytes], int]] = []
    for atoms in _split(pattern):
        pieces.append((re.compile(b"".join(atoms), flags), len(atoms)))
    if len(pieces) == 1:
        whole = pieces[0][0]
        return lambda text: whole.fullmatch(text) is not None
    (first, shortest), *middle, (last, tail) = pieces
    between = [piece for piece, length in middle if length]

    def matches(text: bytes) -> bool:
        end = len(text) - tail
        if not text or end < shortest or first.match(text) is None or last.match(text, end) is None:
            return False
        at = shortest
        for piece in between:
            found = piece.search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True

    return matches


def _split(pattern: bytes) -> list[list[bytes]]:
    """Cut a pattern at its stars; each piece is a list of regular expressions for one byte each."""
    pieces: list[list[bytes]] = [[]]
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        at += 1
        if byte == b"*":
            pieces.append([])
        elif byte == b"?":
            pieces[-1].append(b".")
        elif byte == b"[":
            members, at = _members(pattern, at)
            pieces[-1].append(members)
        else:
            if byte == b"\\" and at < len(pattern):
                byte = pattern[at : at + 1]
                at += 1
            pieces[-1].append(re.escape(byte))
    return pieces


def _members(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Read a class from behind its bracket; one that is never closed ends with the pattern."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    members: set[int] = set()
    while at < len(pattern) and pattern[at : at + 1] != b"]":
        if pattern[at : at + 1] == b"\\" and at + 1 < len(pattern):
            members.add(pattern[at + 1])
            at += 2
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            low, high = sorted((_signed(pattern[at]), _signed(pattern[at + 2])))
            members.update(member & 0xFF for member in range(low, high + 1))
            at += 3
        else:
            members.add(pattern[at])
            at += 1
    listed = b"".join(b"\\x%02x" % member for member in sorted(members))
    if not members:
        return (b"." if negated else b"(?!)."), at + 1
    return b"[" + (b"^" if negated else b"") + listed + b"]", at + 1


def _signed(byte: int) -> int:
    """Give a byte as a C char: those from 0x80 on stand before all others in a range."""
    return byte - 256 if byte > 0x7F else byte
