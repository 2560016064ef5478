"""A cursor over the optional words of a request."""

from __future__ import annotations

from typing import Sequence

from twisted_kv.errors import NOT_AN_INTEGER, SYNTAX, CommandError, c_string
from twisted_kv.numbers import parse_integer


def integer(word: bytes, error: str = NOT_AN_INTEGER) -> int:
    """Read a 64-bit integer; raises `CommandError` with the given text."""
    value = parse_integer(word)
    if value is None:
        raise CommandError(error)
    return value


class Arguments:
    """Walks over words.  What an option lacks, and what no option took, is a syntax error."""

    __slots__ = ("_at", "_words")

    def __init__(self, words: Sequence[bytes]) -> None:
        self._words = words
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._words)

    @property
    def left(self) -> int:
        """Words that were not taken yet."""
        return len(self._words) - self._at

    def option(self) -> bytes:
        """Take the next word as an option's name, in upper case."""
        return c_string(self.word()).upper()

    def word(self) -> bytes:
        """Take the next word; raises a syntax error if there is none."""
        if self._at >= len(self._words):
            raise CommandError(SYNTAX)
        self._at += 1
        return self._words[self._at - 1]

    def integer(self) -> int:
        """Take the next word as a 64-bit integer."""
        return integer(self.word())
