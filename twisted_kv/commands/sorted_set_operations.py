"""Commands that combine sorted sets: union, intersection and difference.  Members of plain sets have the score 1."""

from __future__ import annotations

import math
from typing import Callable, Final, Mapping, Sequence, Union

import attrs

from twisted_kv.commands.counts import positive_or_zero
from twisted_kv.commands.sorted_sets import scored
from twisted_kv.declaring.arguments import Arguments, double, integer
from twisted_kv.declaring.groups import Group, counted, first
from twisted_kv.sessions.session import Session
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import Aggregate, SortedSet, add_scores
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, WrongTypeError
from twisted_kv.vocabulary.replies import Reply

sorted_set_operations = Group("sorted-set", category="sortedset")

Source = Union[Set, SortedSet]

_AGGREGATES: Final[Mapping[bytes, Aggregate]] = {b"SUM": add_scores, b"MIN": min, b"MAX": max}
_EMPTY: Final = Set()


@attrs.define
class Operands:
    """The input of an operation: sorted sets or sets with their weights, and how scores of a member are aggregated."""

    sources: Sequence[tuple[Source, float]]
    aggregate: Aggregate = add_scores
    with_scores: bool = False
    limit: int = 0

    @classmethod
    def parse(cls, session: Session, words: Sequence[bytes], command: str, options: Sequence[str]) -> Operands:
        """Parse the number of keys, the keys, and the options that the command supports."""
        arguments = Arguments(words)
        count = integer(arguments.word())
        if count < 1:
            raise CommandError(f"at least 1 input key is needed for '{command}' command")
        sources = [_source(session, key) for key in arguments.words(count)]
        weights = [1.0] * count
        operands = cls(())
        while arguments:
            if "WEIGHTS" in options and arguments.left > count and arguments.takes(b"WEIGHTS"):
                weights = [double(weight, "weight value is not a float") for weight in arguments.words(count)]
            elif "AGGREGATE" in options and arguments.left >= 2 and arguments.takes(b"AGGREGATE"):
                aggregate = _AGGREGATES.get(arguments.option())
                if aggregate is None:
                    raise CommandError(SYNTAX)
                operands.aggregate = aggregate
            elif "WITHSCORES" in options and arguments.takes(b"WITHSCORES"):
                operands.with_scores = True
            elif "LIMIT" in options and arguments.left >= 2 and arguments.takes(b"LIMIT"):
                operands.limit = positive_or_zero(arguments.word(), "LIMIT can't be negative")
            else:
                raise CommandError(SYNTAX)
        operands.sources = list(zip(sources, weights))
        return operands

    @property
    def by_size(self) -> list[tuple[Source, float]]:
        """The sources, smallest first: Redis adds scores in that order, and sums of doubles depend on the order."""
        return sorted(self.sources, key=lambda source: len(source[0]))


def _source(session: Session, key: bytes) -> Source:
    value = session.db.read(key)
    if value is None:
        return _EMPTY
    if isinstance(value, (Set, SortedSet)):
        return value
    raise WrongTypeError


def _weighted(score: float, weight: float) -> float:
    """Return a score multiplied by its weight; infinity times 0 is 0, as in Redis."""
    product = score * weight
    return 0.0 if math.isnan(product) else product


def _union(operands: Operands) -> dict[bytes, float]:
    scores: dict[bytes, float] = {}
    for source, weight in operands.by_size:
        for member, score in source.items():
            weighted = _weighted(score, weight)
            old = scores.get(member)
            scores[member] = weighted if old is None else operands.aggregate(old, weighted)
    return scores


def _intersection(operands: Operands) -> dict[bytes, float]:
    # Infinity times 0 is 0 only in the smallest source.  In the others it remains NaN: a sum with it is 0, and neither
    # MIN nor MAX selects it.
    (smallest, weight), *others = operands.by_size
    scores: dict[bytes, float] = {}
    for member, score in smallest.items():
        total = _weighted(score, weight)
        for other, other_weight in others:
            found = other.get(member)
            if found is None:
                break
            total = operands.aggregate(total, found * other_weight)
        else:
            scores[member] = total
            if len(scores) == operands.limit:
                break
    return scores


def _difference(operands: Operands) -> dict[bytes, float]:
    (minuend, _), *others = operands.sources
    if len(minuend) * len(others) <= 2 * sum(len(other) for other, _ in others):
        return {
            member: float(score) for member, score in minuend.items() if not any(member in other for other, _ in others)
        }
    scores = {member: float(score) for member, score in minuend.items()}
    for other, _ in others:
        for member in other:
            scores.pop(member, None)
    return scores


Operation = Callable[[Operands], "dict[bytes, float]"]


def _read(session: Session, words: Sequence[bytes], operation: Operation, command: str, *options: str) -> Reply:
    operands = Operands.parse(session, words, command, (*options, "WITHSCORES"))
    ranked = sorted([(score, member) for member, score in operation(operands).items()])
    return scored(session, ranked, with_scores=operands.with_scores)


def _store(
    session: Session, destination: bytes, words: Sequence[bytes], operation: Operation, command: str, *options: str
) -> int:
    scores = operation(Operands.parse(session, words, command, options))
    result = SortedSet(session.db.packing)
    result.fill(scores)
    session.db.store(destination, result, command.encode())
    return len(scores)


@sorted_set_operations.command(
    "ZUNION",
    since="6.2.0",
    flags="readonly movablekeys",
    keys=counted("RO access"),
    complexity="O(N)",
)
def zunion(session: Session, numkeys: bytes, key: bytes, *words: bytes) -> Reply:
    """Return the union of several sorted sets."""
    return _read(session, (numkeys, key, *words), _union, "zunion", "WEIGHTS", "AGGREGATE")


@sorted_set_operations.command(
    "ZUNIONSTORE",
    since="2.0.0",
    flags="write denyoom movablekeys",
    keys=first("OW update") + counted("RO access", 2),
    complexity="O(N)",
)
def zunionstore(session: Session, destination: bytes, numkeys: bytes, key: bytes, *words: bytes) -> Reply:
    """Set a key to the union of several sorted sets, and return its number of members."""
    return _store(session, destination, (numkeys, key, *words), _union, "zunionstore", "WEIGHTS", "AGGREGATE")


@sorted_set_operations.command(
    "ZINTER",
    since="6.2.0",
    flags="readonly movablekeys",
    keys=counted("RO access"),
    complexity="O(N*K)",
)
def zinter(session: Session, numkeys: bytes, key: bytes, *words: bytes) -> Reply:
    """Return the intersection of several sorted sets."""
    return _read(session, (numkeys, key, *words), _intersection, "zinter", "WEIGHTS", "AGGREGATE")


@sorted_set_operations.command(
    "ZINTERSTORE",
    since="2.0.0",
    flags="write denyoom movablekeys",
    keys=first("OW update") + counted("RO access", 2),
    complexity="O(N*K)",
)
def zinterstore(session: Session, destination: bytes, numkeys: bytes, key: bytes, *words: bytes) -> Reply:
    """Set a key to the intersection of several sorted sets, and return its number of members."""
    return _store(session, destination, (numkeys, key, *words), _intersection, "zinterstore", "WEIGHTS", "AGGREGATE")


@sorted_set_operations.command(
    "ZINTERCARD",
    since="7.0.0",
    flags="readonly movablekeys",
    keys=counted("RO access"),
    complexity="O(N*K)",
)
def zintercard(session: Session, numkeys: bytes, key: bytes, *words: bytes) -> Reply:
    """Return the number of members in the intersection of several sorted sets."""
    operands = Operands.parse(session, (numkeys, key, *words), "zintercard", ("LIMIT",))
    return len(_intersection(operands))


@sorted_set_operations.command(
    "ZDIFF",
    since="6.2.0",
    flags="readonly movablekeys",
    keys=counted("RO access"),
    complexity="O(L + (N-K)log(N))",
)
def zdiff(session: Session, numkeys: bytes, key: bytes, *words: bytes) -> Reply:
    """Return the members of a sorted set that no other given sorted set contains."""
    return _read(session, (numkeys, key, *words), _difference, "zdiff")


@sorted_set_operations.command(
    "ZDIFFSTORE",
    since="6.2.0",
    flags="write denyoom movablekeys",
    keys=first("OW update") + counted("RO access", 2),
    complexity="O(L + (N-K)log(N))",
)
def zdiffstore(session: Session, destination: bytes, numkeys: bytes, key: bytes, *words: bytes) -> Reply:
    """Set a key to the members of a sorted set that no other given one contains, and return how many there are."""
    return _store(session, destination, (numkeys, key, *words), _difference, "zdiffstore")
