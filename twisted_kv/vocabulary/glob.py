r"""Patterns of KEYS, SCAN, HSCAN and CONFIG GET: `*`, `?`, `[a-z]`, `[^a]` and `\` as Redis matches them.

A pattern is cut at its stars into pieces of fixed length.  The first piece must open the text, the last must close it,
and each between is looked for from the left, which is right for globs and never backtracks: a hostile pattern such as
`*a*a*a*a*b` costs no more than one walk over the text for each piece.

A piece without `?` and classes is looked for as it stands; others become regular expressions, none of them long, and
none before there is a text that is long enough for the whole pattern.
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
"""What stands for one byte of a text and is longer itself."""
_LONGEST_EXPRESSION: Final = 200
"""Atoms of a regular expression: compiling one takes longer than matching it."""
_MOST_STARS: Final = 1000
"""Stars with something behind them: of more, Redis finds that nothing matches."""
_LOOKED_AT: Final = 4096
"""Bytes of a pattern that are looked at until there is a text as long as they ask for."""
_LONGEST_KEPT: Final = 200
"""Bytes of a pattern that is remembered: clients ask for the same ones again and again."""


def compile_pattern(pattern: bytes, ignore_case: bool = False) -> Matcher:
    """Return a function that tells whether a text matches the whole pattern.

    As in Redis, of all patterns that could, only the empty one and a single star match the empty text.
    """
    return _kept(pattern, ignore_case) if len(pattern) <= _LONGEST_KEPT else _compile(pattern, ignore_case)


def _compile(pattern: bytes, ignore_case: bool) -> Matcher:
    if pattern == b"*":
        return lambda text: True
    if ignore_case:
        pattern = pattern.lower()
    least = _least(pattern[:_LOOKED_AT])
    is_whole = len(pattern) <= _LOOKED_AT
    known: List[Matcher] = []

    def matches(text: bytes) -> bool:
        nonlocal least, is_whole
        if len(text) < least:  # before the pattern is even cut
            return False
        if not is_whole:
            least, is_whole = _least(pattern), True
            return matches(text)
        if not known:
            known.append(_matcher(_cut(pattern), ignore_case))
        return known[0](text)

    return matches


def _least(pattern: bytes) -> int:
    """Return the least length of a text that matches."""
    if b"[" in pattern or b"\\" in pattern:
        pattern = _ONE_BYTE.sub(b"?", pattern)
    return len(pattern) - pattern.count(b"*")


def _matcher(pieces: List[Tuple[_Piece, int]], ignore_case: bool) -> Matcher:
    """Return what matches texts that are not too short."""
    if len(pieces) == 1:
        [(whole, length)] = pieces

        def equals(text: bytes) -> bool:
            return len(text) == length and whole.matches(text.lower() if ignore_case else text, 0)

        return equals
    (first, shortest), *middle, (last, tail) = pieces
    between = [piece for piece, length in middle if length]
    if len(between) + bool(tail) > _MOST_STARS:
        return lambda text: False

    def matches(text: bytes) -> bool:
        end = len(text) - tail
        if not text or end < shortest:
            return False
        if ignore_case:
            text = text.lower()
        if not first.matches(text, 0) or not last.matches(text, end):
            return False
        at = shortest
        for piece in between:
            at = piece.find(text, at, end)
            if at < 0:
                return False
            at += piece.length
        return True

    return matches


_kept = lru_cache(maxsize=256)(_compile)


class _Piece:
    """A part of a pattern without stars: literal runs, runs of any bytes, and classes."""

    __slots__ = ("_literal", "_parts", "length")

    def __init__(self, parts: List[Tuple[str, bytes]], length: int) -> None:
        self._parts = parts
        self._literal = b"".join([text for _, text in parts]) if all(kind == "plain" for kind, _ in parts) else None
        self.length = length

    def matches(self, text: bytes, at: int) -> bool:
        """Whether the text is like that from a place on."""
        if self._literal is not None:
            return text.startswith(self._literal, at)
        for expression, length in self._expressions():
            if expression.match(text, at) is None:
                return False
            at += length
        return True

    def find(self, text: bytes, at: int, end: int) -> int:
        """Return the first place from one on at which the text is like that, up to an end; -1 if there is none."""
        if self._literal is not None:
            return text.find(self._literal, at, end)
        (first, _), *others = expressions = list(self._expressions())
        while at + self.length <= end:
            found = first.search(text, at, end)
            if found is None or found.start() + self.length > end:
                return -1
            at = found.start()
            if not others or self._follows(expressions, text, at):
                return at
            at += 1
        return -1

    @staticmethod
    def _follows(expressions: List[Tuple[re.Pattern[bytes], int]], text: bytes, at: int) -> bool:
        for expression, length in expressions:
            if expression.match(text, at) is None:
                return False
            at += length
        return True

    def _expressions(self) -> Iterator[Tuple[re.Pattern[bytes], int]]:
        """Return regular expressions that follow one another, and how many bytes each takes."""
        written: List[bytes] = []
        for atom in self._atoms():
            written.append(atom)
            if len(written) == _LONGEST_EXPRESSION:
                yield re.compile(b"".join(written), re.DOTALL), len(written)
                written = []
        if written:
            yield re.compile(b"".join(written), re.DOTALL), len(written)

    def _atoms(self) -> Iterator[bytes]:
        """Return a regular expression for each byte."""
        for kind, text in self._parts:
            if kind == "plain":
                yield from (re.escape(bytes((byte,))) for byte in text)
            elif kind == "any":
                yield from (b"." for _ in text)
            else:
                yield _members(text)


def _cut(pattern: bytes) -> List[Tuple[_Piece, int]]:
    """Cut a pattern at its stars."""
    pieces: List[Tuple[_Piece, int]] = []
    parts: List[Tuple[str, bytes]] = []
    length = 0
    for found in _TOKEN.finditer(pattern):
        kind = found.lastgroup
        assert kind is not None
        if kind == "stars":
            for _ in found[kind]:
                pieces.append((_Piece(parts, length), length))
                parts, length = [], 0
            continue
        text = found[kind]
        parts.append(("plain" if kind == "escaped" else kind, text))
        length += 1 if kind == "members" else len(text)
    pieces.append((_Piece(parts, length), length))
    return pieces


def _members(text: bytes) -> bytes:
    """Write the class that stands in brackets."""
    negated = text[:1] == b"^"
    members: set[int] = set()
    at = int(negated)
    while at < len(text):
        if text[at] == 0x5C and at + 1 < len(text):  # a backslash
            members.add(text[at + 1])
            at += 2
        elif text[at + 1 : at + 2] == b"-" and at + 2 < len(text):
            low, high = sorted((_signed(text[at]), _signed(text[at + 2])))
            members.update(member & 0xFF for member in range(low, high + 1))
            at += 3
        else:
            members.add(text[at])
            at += 1
    listed = b"".join(b"\\x%02x" % member for member in sorted(members))
    if not members:
        return b"." if negated else b"(?!)."
    return b"[" + (b"^" if negated else b"") + listed + b"]"


def _signed(byte: int) -> int:
    """Return a byte as a C char: those from 0x80 on stand before all others in a range."""
    return byte - 256 if byte > 0x7F else byte
