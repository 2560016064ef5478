"""Arguments that several command groups parse alike: counts, numbered keys, and what LMPOP and ZMPOP share."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Sequence, TypeVar

import attrs

from twisted_kv.declaring.arguments import Arguments, integer, positive
from twisted_kv.values.tables import Table
from twisted_kv.vocabulary.errors import SYNTAX, CommandError
from twisted_kv.vocabulary.numbers import INT64_MAX
from twisted_kv.vocabulary.replies import NULL_ARRAY
from twisted_kv.vocabulary.waiting import Block

NOT_POSITIVE = "value is out of range, must be positive"
OUT_OF_RANGE = "value is out of range"
MOST_DRAWN = 10_000_000
"""The most random members that a client may request with repetition; Redis would continue until memory is full."""

V = TypeVar("V")


def positive_or_zero(word: bytes, error: str = NOT_POSITIVE) -> int:
    """Parse an integer of 0 or more; raises `CommandError` with the same text if it is negative or not an integer."""
    number = integer(word, error)
    if number < 0:
        raise CommandError(error)
    return number


def drawn_count(word: bytes) -> int:
    """Parse the number of members to draw at random; a negative number allows repetition."""
    number = integer(word)
    if number == -INT64_MAX - 1:
        raise CommandError(f"value is out of range, value must between {-INT64_MAX} and {INT64_MAX}")
    return number


def check_pairs(count: int) -> None:
    """Raise `CommandError` for a number of pairs whose elements Redis could not count in 64 bits."""
    if abs(count) > INT64_MAX // 2:
        raise CommandError(OUT_OF_RANGE)


def draw(members: Table[V], random: Random, count: int) -> list[bytes]:
    """Return distinct random members of a table, or possibly repeated ones if the count is negative."""
    if not len(members):
        return []
    if count < -MOST_DRAWN:
        raise CommandError(OUT_OF_RANGE)
    return members.draw(random, -count) if count < 0 else members.sample(random, count)


def numbered_keys(
    arguments: Arguments, error: str = "numkeys should be greater than 0", *, too_many: str = SYNTAX
) -> Sequence[bytes]:
    """Parse the number of keys, then the keys; raises `CommandError` with the given texts."""
    count = positive(arguments.word(), error)
    if count > arguments.left:
        raise CommandError(too_many)
    return arguments.words(count)


@attrs.frozen
class MultiplePop:
    """The arguments of LMPOP, ZMPOP and their blocking forms: keys, an end, and a maximum count."""

    keys: Sequence[bytes]
    end: bytes
    count: int

    @classmethod
    def parse(cls, words: Sequence[bytes], ends: tuple[bytes, bytes]) -> MultiplePop:
        """Parse the number of keys, the keys, the name of one of the two ends, and COUNT."""
        arguments = Arguments(words)
        keys = numbered_keys(arguments)
        end = arguments.option()
        if end not in ends:
            raise CommandError(SYNTAX)
        count = 0
        while arguments:
            if count or not arguments.takes(b"COUNT"):
                raise CommandError(SYNTAX)
            count = positive(arguments.word(), "count should be greater than 0")
        return cls(keys, end, count or 1)

    def block(self, kind: type, milliseconds: int) -> Block:
        """Return a `Block` that waits for one of the keys, then runs the same command on that key alone."""
        next_arguments = partial(_arguments_for, self.end, self.count)
        return Block(self.keys, kind, milliseconds, next_arguments, NULL_ARRAY)


def _arguments_for(end: bytes, count: int, ready: bytes) -> tuple[bytes, ...]:
    """Return the arguments of the same command for one key, which is ready."""
    return b"0", b"1", ready, end, b"COUNT", b"%d" % count
