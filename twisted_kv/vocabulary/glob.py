r"""Patterns of KEYS, SCAN, HSCAN and CONFIG GET: `*`, `?`, `[a-z]`, `[^a]` and `\` as Redis matches them.

A pattern is split at its stars into pieces of fixed length.  The first piece must match at the beginning of the text,
the last one at its end, and each between is searched for from the left, which is correct for globs and never
backtracks: a hostile pattern such as `*a*a*a*a*b` costs no more than one pass over the text for each piece.

A piece without `?` and classes is searched for literally.  Others become short regular expressions, which are compiled
only when there is a text that is long enough for the whole pattern.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Callable, Final, Iterator, List, Tuple

Matcher = Callable[[bytes], bool]

_TOKEN: Final = re.compile(
    rb"""(?P<stars>\*+)
       | (?P<any>\?+)
       | \[(?P<members>\^?(?:\\.|[^\]]-.|[^\]])*)(?:\]|\Z)
       | \\(?P<escaped>.)
       | (?P<plain>[^*?\[\\]+|\\)""",
    re.VERBOSE | re.DOTALL,
)
_ONE_BYTE: Final = re.compile(rb"\\.|\[\^?(?:\\.|[^\]]-.|[^\]])*(?:\]|\Z)", re.DOTALL)
"""A class or an escaped byte: it matches one byte of a text, but is longer itself."""
_LONGEST_EXPRESSION: Final = 200
"""Atoms of one regular expression: compiling takes longer than matching."""
_MAX_STARS: Final = 1000
"""Stars that something follows: with more, Redis reports that nothing matches."""
_SCANNED_FIRST: Final = 4096
"""Bytes of a pattern that are scanned before there is a text as long as they require."""
_LONGEST_CACHED: Final = 200
"""Bytes of a pattern that is cached: clients use the same ones again and again."""


def compile_pattern(pattern: bytes, ignore_case: bool = False) -> Matcher:
    """Return a function that checks whether a text matches the whole pattern.

    As in Redis, the empty text is matched only by the empty pattern and a single star, and not by `**`.
    """
    return _cached(pattern, ignore_case) if len(pattern) <= _LONGEST_CACHED else _compile(pattern, ignore_case)


def _compile(pattern: bytes, ignore_case: bool) -> Matcher:
    if pattern == b"*":
        return lambda text: True
    if ignore_case:
        pattern = pattern.lower()
    minimum = _minimum_length(pattern[:_SCANNED_FIRST])
    is_whole = len(pattern) <= _SCANNED_FIRST
    known: List[Matcher] = []

    def matches(text: bytes) -> bool:
        nonlocal minimum, is_whole
        if len(text) < minimum:  # before the pattern is even split
            return False
        if not is_whole:
            minimum, is_whole = _minimum_length(pattern), True
            return matches(text)
        if not known:
            known.append(_matcher(_split(pattern), ignore_case))
        return known[0](text)

    return matches


def _minimum_length(pattern: bytes) -> int:
    """Return the minimum length of a matching text."""
    if b"[" in pattern or b"\\" in pattern:
        pattern = _ONE_BYTE.sub(b"?", pattern)
    return len(pattern) - pattern.count(b"*")


def _matcher(pieces: List[Tuple[_Piece, int]], ignore_case: bool) -> Matcher:
    """Return a matcher for texts that have at least the minimum length."""
    if len(pieces) == 1:
        [(whole, length)] = pieces

        def equals(text: bytes) -> bool:
            return len(text) == length and whole.matches(text.lower() if ignore_case else text, 0)

        return equals
    (first, shortest), *middle, (last, tail) = pieces
    between = [piece for piece, length in middle if length]
    if len(between) + bool(tail) > _MAX_STARS:
        return lambda text: False

    def matches(text: bytes) -> bool:
        end = len(text) - tail
        if not text or end < shortest:
            return False
        if ignore_case:
            text = text.lower()
        if not first.matches(text, 0) or not last.matches(text, end):
            return False
        position = shortest
        for piece in between:
            position = piece.find(text, position, end)
            if position < 0:
                return False
            position += piece.length
        return True

    return matches


_cached = lru_cache(maxsize=256)(_compile)


class _Piece:
    """A part of a pattern without stars: literal runs, runs of any bytes, and classes."""

    __slots__ = ("_literal", "_parts", "length")

    def __init__(self, parts: List[Tuple[str, bytes]], length: int) -> None:
        self._parts = parts
        self._literal = b"".join([text for _, text in parts]) if all(kind == "plain" for kind, _ in parts) else None
        self.length = length

    def matches(self, text: bytes, position: int) -> bool:
        """Check whether the text matches at a position."""
        if self._literal is not None:
            return text.startswith(self._literal, position)
        for expression, length in self._expressions():
            if expression.match(text, position) is None:
                return False
            position += length
        return True

    def find(self, text: bytes, position: int, end: int) -> int:
        """Return the first matching position between two positions; -1 if there is none."""
        if self._literal is not None:
            return text.find(self._literal, position, end)
        (first, _), *others = expressions = list(self._expressions())
        while position + self.length <= end:
            found = first.search(text, position, end)
            if found is None or found.start() + self.length > end:
                return -1
            position = found.start()
            if not others or self._follows(expressions, text, position):
                return position
            position += 1
        return -1

    @staticmethod
    def _follows(expressions: List[Tuple[re.Pattern[bytes], int]], text: bytes, position: int) -> bool:
        for expression, length in expressions:
            if expression.match(text, position) is None:
                return False
            position += length
        return True

    def _expressions(self) -> Iterator[Tuple[re.Pattern[bytes], int]]:
        """Return consecutive regular expressions, and the number of bytes that each matches."""
        written: List[bytes] = []
        length = 0
        for atom, bytes_each in self._atoms():
            written.append(atom)
            length += bytes_each
            if len(written) == _LONGEST_EXPRESSION:
                yield re.compile(b"".join(written), re.DOTALL), length
                written, length = [], 0
        if written:
            yield re.compile(b"".join(written), re.DOTALL), length

    def _atoms(self) -> Iterator[Tuple[bytes, int]]:
        """Return regular expressions for one byte each, or for a run of any bytes, and how many bytes these match."""
        for kind, text in self._parts:
            if kind == "plain":
                for byte in text:
                    yield re.escape(bytes((byte,))), 1
            elif kind == "any":
                yield b".{%d}" % len(text), len(text)
            else:
                yield _members(text), 1


def _split(pattern: bytes) -> List[Tuple[_Piece, int]]:
    """Split a pattern at its stars, but no further than it takes to see that there are too many."""
    pieces: List[Tuple[_Piece, int]] = []
    parts: List[Tuple[str, bytes]] = []
    length = 0
    for found in _TOKEN.finditer(pattern):
        kind = found.lastgroup
        assert kind is not None
        if kind == "stars":
            pieces.append((_Piece(parts, length), length))  # many stars in a row are one
            parts, length = [], 0
            if len(pieces) > _MAX_STARS + 2:
                break
            continue
        text = found[kind]
        parts.append(("plain" if kind == "escaped" else kind, text))
        length += 1 if kind == "members" else len(text)
    pieces.append((_Piece(parts, length), length))
    return pieces


def _members(text: bytes) -> bytes:
    """Return a regular expression for a class in brackets."""
    negated = text[:1] == b"^"
    members: set[int] = set()
    position = int(negated)
    while position < len(text):
        if text[position] == 0x5C and position + 1 < len(text):  # a backslash
            members.add(text[position + 1])
            position += 2
        elif text[position + 1 : position + 2] == b"-" and position + 2 < len(text):
            low, high = sorted((_signed(text[position]), _signed(text[position + 2])))
            members.update(member & 0xFF for member in range(low, high + 1))
            position += 3
        else:
            members.add(text[position])
            position += 1
    listed = b"".join(b"\\x%02x" % member for member in sorted(members))
    if not members:
        return b"." if negated else b"(?!)."
    return b"[" + (b"^" if negated else b"") + listed + b"]"


def _signed(byte: int) -> int:
    """Return a byte as a C char: in a range, those from 0x80 on come before all others."""
    return byte - 256 if byte > 0x7F else byte
