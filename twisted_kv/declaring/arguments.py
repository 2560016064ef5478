"""Parsing of arguments: numbers, and a cursor over the optional arguments of a request."""

from __future__ import annotations

import math
from typing import Sequence

from twisted_kv.vocabulary.errors import NOT_A_FLOAT, NOT_AN_INTEGER, SYNTAX, CommandError, c_string
from twisted_kv.vocabulary.numbers import INT64_MAX, parse_double, parse_integer, parse_long_double, round_long_double


def integer(word: bytes, error: str = NOT_AN_INTEGER) -> int:
    """Parse a 64-bit integer; raise `CommandError` with the given text if it is not one."""
    value = parse_integer(word)
    if value is None:
        raise CommandError(error)
    return value


def positive(word: bytes, error: str) -> int:
    """Parse an integer above 0; raise `CommandError` with the given text if it is not one."""
    value = integer(word, error)
    if value < 1:
        raise CommandError(error)
    return value


def half_open(begin: int, end: int, size: int) -> tuple[int, int]:
    """Return an inclusive range of indexes, negative ones from the end, as a half-open range; (0, 0) if it is empty."""
    begin = max(0, begin + size if begin < 0 else begin)
    end = min(size, (end + size if end < 0 else end) + 1)
    return (begin, end) if begin < end else (0, 0)


def double(word: bytes, error: str = NOT_A_FLOAT) -> float:
    """Parse a double; raise `CommandError` with the given text if it is not one."""
    try:
        return parse_double(word)
    except ValueError:
        raise CommandError(error) from None


def timeout(word: bytes) -> int:
    """Parse a timeout in seconds, which may have a fraction; return whole milliseconds, 0 for no timeout."""
    try:
        seconds = parse_long_double(word)
    except ValueError:
        raise CommandError("timeout is not a float or out of range") from None
    try:
        milliseconds = -1 if seconds is None else math.ceil(round_long_double(seconds * 1000))
    except OverflowError:
        milliseconds = -1
    if not 0 <= milliseconds <= INT64_MAX:  # in C, a value that is too large becomes negative
        raise CommandError("timeout is negative")
    return milliseconds


class Arguments:
    """A cursor over arguments.  A missing argument, or one that no option takes, is a syntax error."""

    __slots__ = ("_arguments", "_index")

    def __init__(self, words: Sequence[bytes]) -> None:
        self._arguments = words
        self._index = 0

    def __bool__(self) -> bool:
        return self._index < len(self._arguments)

    @property
    def left(self) -> int:
        """The number of arguments that were not taken yet."""
        return len(self._arguments) - self._index

    def option(self) -> bytes:
        """Take the next argument as an option's name, and return it in upper case."""
        return c_string(self.word()).upper()

    def takes(self, name: bytes) -> bool:
        """Take the next argument if it is the option `name`, which must be in upper case; return whether it is."""
        if self._index < len(self._arguments) and c_string(self._arguments[self._index]).upper() == name:
            self._index += 1
            return True
        return False

    def rest(self) -> Sequence[bytes]:
        """Take all remaining arguments."""
        words, self._index = self._arguments[self._index :], len(self._arguments)
        return words

    def words(self, count: int) -> Sequence[bytes]:
        """Take the next `count` arguments; raise a syntax error if there are fewer."""
        if count > self.left:
            raise CommandError(SYNTAX)
        self._index += count
        return self._arguments[self._index - count : self._index]

    def word(self) -> bytes:
        """Take the next argument; raise a syntax error if there is none."""
        if self._index >= len(self._arguments):
            raise CommandError(SYNTAX)
        self._index += 1
        return self._arguments[self._index - 1]

    def integer(self) -> int:
        """Take the next argument as a 64-bit integer."""
        return integer(self.word())
