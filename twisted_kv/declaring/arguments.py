"""A cursor over the optional words of a request."""

from __future__ import annotations

import math
from typing import Sequence

from twisted_kv.vocabulary.errors import NOT_A_FLOAT, NOT_AN_INTEGER, SYNTAX, CommandError, c_string
from twisted_kv.vocabulary.numbers import INT64_MAX, parse_double, parse_integer, parse_long_double, round_long_double


def integer(word: bytes, error: str = NOT_AN_INTEGER) -> int:
    """Read a 64-bit integer; raises `CommandError` with the given text."""
    value = parse_integer(word)
    if value is None:
        raise CommandError(error)
    return value


def positive(word: bytes, error: str) -> int:
    """Read an integer above 0; raises `CommandError` with the given text."""
    value = integer(word, error)
    if value < 1:
        raise CommandError(error)
    return value


def double(word: bytes, error: str = NOT_A_FLOAT) -> float:
    """Read a double; raises `CommandError` with the given text."""
    try:
        return parse_double(word)
    except ValueError:
        raise CommandError(error) from None


def timeout(word: bytes) -> int:
    """Read a time-out in seconds, which may have a fraction; gives whole milliseconds, 0 for none."""
    try:
        seconds = parse_long_double(word)
    except ValueError:
        raise CommandError("timeout is not a float or out of range") from None
    try:
        milliseconds = -1 if seconds is None else math.ceil(round_long_double(seconds * 1000))
    except OverflowError:
        milliseconds = -1
    if not 0 <= milliseconds <= INT64_MAX:  # what is too large for C becomes negative there
        raise CommandError("timeout is negative")
    return milliseconds


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

    def takes(self, name: bytes) -> bool:
        """Take the next word if it is that option, whose name is given in upper case."""
        if self._at < len(self._words) and c_string(self._words[self._at]).upper() == name:
            self._at += 1
            return True
        return False

    def rest(self) -> Sequence[bytes]:
        """Take all words that are left."""
        words, self._at = self._words[self._at :], len(self._words)
        return words

    def words(self, count: int) -> Sequence[bytes]:
        """Take so many words; raises a syntax error if there are fewer."""
        if count > self.left:
            raise CommandError(SYNTAX)
        self._at += count
        return self._words[self._at - count : self._at]

    def word(self) -> bytes:
        """Take the next word; raises a syntax error if there is none."""
        if self._at >= len(self._words):
            raise CommandError(SYNTAX)
        self._at += 1
        return self._words[self._at - 1]

    def integer(self) -> int:
        """Take the next word as a 64-bit integer."""
        return integer(self.word())
