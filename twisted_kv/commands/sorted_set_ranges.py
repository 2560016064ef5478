"""Commands on ranges of sorted sets: by rank, by score, or by the bytes of the members (lexicographically)."""

from __future__ import annotations

from typing import Callable, Final, Iterable, Sequence

import attrs

from twisted_kv.commands.sorted_sets import scored, to_read
from twisted_kv.declaring.arguments import Arguments, half_open, integer
from twisted_kv.declaring.groups import Group, first, second
from twisted_kv.sessions.session import Session
from twisted_kv.values.sorted_sets import Ranked, ScoreRange, SortedSet, TextRange
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, c_string
from twisted_kv.vocabulary.numbers import parse_bound
from twisted_kv.vocabulary.replies import Reply

sorted_set_ranges = Group("sorted-set", category="sortedset")

_BAD_SCORE_BOUND: Final = "min or max is not a float"
_BAD_TEXT_BOUND: Final = "min or max not valid string range item"

RankRange = Callable[[SortedSet], "tuple[int, int]"]
"""A function that returns the half-open range of ranks of the members of a sorted set that are within some bounds."""


def score_range(low: bytes, high: bytes) -> ScoreRange:
    """Parse a range of scores; a bound after `(` is exclusive."""
    bounds = []
    for bound in (low, high):
        try:
            bounds.append(parse_bound(bound[1:] if bound.startswith(b"(") else bound))
        except ValueError:
            raise CommandError(_BAD_SCORE_BOUND) from None
    without_low, without_high = low.startswith(b"("), high.startswith(b"(")
    return ScoreRange(bounds[0], bounds[1], without_low=without_low, without_high=without_high)


def text_range(low: bytes, high: bytes) -> TextRange:
    """Parse a range of members: `[` or `(` before each bound, or `-` and `+` for the first and the last of all."""
    for bound in (low, high):
        if bound[:1] not in (b"[", b"(") and c_string(bound) not in (b"-", b"+"):
            raise CommandError(_BAD_TEXT_BOUND)
    return TextRange(
        None if low.startswith((b"-", b"+")) else low[1:],
        None if high.startswith((b"-", b"+")) else high[1:],
        without_low=low.startswith(b"("),
        without_high=high.startswith(b"("),
        low_is_last=low.startswith(b"+"),
        high_is_first=high.startswith(b"-"),
    )


def rank_range_of(start: bytes, stop: bytes, *, reverse: bool = False) -> RankRange:
    """Parse an inclusive range of ranks; negative ones count from the end, and reversed ones from the highest score."""
    begin, end = integer(start), integer(stop)

    def rank_range(members: SortedSet) -> tuple[int, int]:
        size = len(members)
        low, high = half_open(begin, end, size)
        return (size - high, size - low) if reverse else (low, high)

    return rank_range


@attrs.define
class Selection:
    """A part of a sorted set: the range that `ranks` returns, the direction, and the portion that LIMIT selects."""

    ranks: RankRange
    reverse: bool
    offset: int = 0
    count: int = -1
    with_scores: bool = False

    def of(self, members: SortedSet) -> Iterable[Ranked]:
        """Return the selected members of a sorted set."""
        if self.offset < 0:
            return ()
        start, stop = self.ranks(members)
        size = max(0, stop - start - self.offset)
        if self.count >= 0:
            size = min(size, self.count)
        if not size:
            return ()
        if self.reverse:
            return members.slice(stop - self.offset - size, stop - self.offset, reverse=True)
        return members.slice(start + self.offset, start + self.offset + size)


def _select(words: Sequence[bytes], kind: str = "", reverse: bool | None = None, *, stored: bool = False) -> Selection:
    """Parse two bounds and options; `kind` is BYSCORE, BYLEX or RANK if the command implies it, else options decide."""
    start, stop, *options = words
    arguments = Arguments(options)
    with_scores = False
    offset, count = 0, -1
    wanted, backward = kind, reverse
    while arguments:
        if not stored and arguments.takes(b"WITHSCORES"):
            with_scores = True
        elif arguments.left >= 3 and arguments.takes(b"LIMIT"):
            offset, count = arguments.integer(), arguments.integer()
        elif backward is None and arguments.takes(b"REV"):
            backward = True
        elif not wanted and arguments.takes(b"BYLEX"):
            wanted = "BYLEX"
        elif not wanted and arguments.takes(b"BYSCORE"):
            wanted = "BYSCORE"
        else:
            raise CommandError(SYNTAX)
    by_rank = wanted in ("", "RANK")
    if count != -1 and by_rank:
        raise CommandError("syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
    if with_scores and wanted == "BYLEX":
        raise CommandError("syntax error, WITHSCORES not supported in combination with BYLEX")
    backward = bool(backward)
    if by_rank:
        return Selection(rank_range_of(start, stop, reverse=backward), backward, with_scores=with_scores)
    low, high = (stop, start) if backward else (start, stop)
    if wanted == "BYSCORE":
        return Selection(score_range(low, high).ranks, backward, offset, count, with_scores)
    text = text_range(low, high)
    # If scores differ, skipped members need not be in the range, so the search for the range itself must skip them.
    return Selection(lambda members: text.ranks(members, offset, reverse=backward), backward, min(offset, 0), count)


def _range(session: Session, key: bytes, selection: Selection) -> Reply:
    members = to_read(session, key)
    return scored(session, selection.of(members), with_scores=selection.with_scores)


def _between_ranks(session: Session, key: bytes, start: bytes, stop: bytes, *, reverse: bool) -> Reply:
    """Return the members in a range of ranks: what most requests want, without the search for options."""
    begin, end = integer(start), integer(stop)
    members = to_read(session, key)
    size = len(members)
    low, high = half_open(begin, end, size)
    if reverse:
        low, high = size - high, size - low
    return [member for _, member in members.slice(low, high, reverse=reverse)]


@sorted_set_ranges.command(
    "ZRANGE",
    since="1.2.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(log(N)+M)",
)
def zrange(session: Session, key: bytes, start: bytes, stop: bytes, *words: bytes) -> Reply:
    """Return the members of a sorted set in a range of ranks, of scores (BYSCORE) or of members (BYLEX)."""
    if not words:
        return _between_ranks(session, key, start, stop, reverse=False)
    return _range(session, key, _select((start, stop, *words)))


@sorted_set_ranges.command(
    "ZREVRANGE",
    since="1.2.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(log(N)+M)",
    doc_flags="deprecated",
)
def zrevrange(session: Session, key: bytes, start: bytes, stop: bytes, *words: bytes) -> Reply:
    """Return the members of a sorted set in a range of ranks, in descending order of score."""
    if not words:
        return _between_ranks(session, key, start, stop, reverse=True)
    return _range(session, key, _select((start, stop, *words), "RANK", True))


@sorted_set_ranges.command(
    "ZRANGEBYSCORE",
    since="1.0.5",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(log(N)+M)",
    doc_flags="deprecated",
)
def zrangebyscore(session: Session, key: bytes, low: bytes, high: bytes, *words: bytes) -> Reply:
    """Return the members of a sorted set in a range of scores."""
    return _range(session, key, _select((low, high, *words), "BYSCORE", False))


@sorted_set_ranges.command(
    "ZREVRANGEBYSCORE",
    since="2.2.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(log(N)+M)",
    doc_flags="deprecated",
)
def zrevrangebyscore(session: Session, key: bytes, high: bytes, low: bytes, *words: bytes) -> Reply:
    """Return the members of a sorted set in a range of scores, in descending order of score."""
    return _range(session, key, _select((high, low, *words), "BYSCORE", True))


@sorted_set_ranges.command(
    "ZRANGEBYLEX",
    since="2.8.9",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(log(N)+M)",
    doc_flags="deprecated",
)
def zrangebylex(session: Session, key: bytes, low: bytes, high: bytes, *words: bytes) -> Reply:
    """Return the members in a lexicographical range of a sorted set with equal scores."""
    return _range(session, key, _select((low, high, *words), "BYLEX", False))


@sorted_set_ranges.command(
    "ZREVRANGEBYLEX",
    since="2.8.9",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(log(N)+M)",
    doc_flags="deprecated",
)
def zrevrangebylex(session: Session, key: bytes, high: bytes, low: bytes, *words: bytes) -> Reply:
    """Return the members in a lexicographical range of a sorted set with equal scores, in descending order."""
    return _range(session, key, _select((high, low, *words), "BYLEX", True))


@sorted_set_ranges.command(
    "ZRANGESTORE",
    since="6.2.0",
    flags="write denyoom",
    keys=first("OW update") + second("RO access"),
    complexity="O(log(N)+M)",
)
def zrangestore(session: Session, destination: bytes, source: bytes, start: bytes, stop: bytes, *words: bytes) -> Reply:
    """Set a key to the members that ZRANGE returns for another key, and return how many there are."""
    selection = _select((start, stop, *words), stored=True)
    result = SortedSet(session.db.packing)
    result.fill({member: score for score, member in selection.of(to_read(session, source))})
    session.db.store(destination, result, b"zrangestore")
    return len(result)


@sorted_set_ranges.command(
    "ZCOUNT",
    since="2.0.0",
    flags="readonly fast",
    keys=first("RO access"),
    complexity="O(log(N))",
)
def zcount(session: Session, key: bytes, low: bytes, high: bytes) -> Reply:
    """Return the number of members of a sorted set in a range of scores."""
    start, stop = score_range(low, high).ranks(to_read(session, key))
    return max(0, stop - start)


@sorted_set_ranges.command(
    "ZLEXCOUNT",
    since="2.8.9",
    flags="readonly fast",
    keys=first("RO access"),
    complexity="O(log(N))",
)
def zlexcount(session: Session, key: bytes, low: bytes, high: bytes) -> Reply:
    """Return the number of members in a lexicographical range of a sorted set with equal scores."""
    wanted = text_range(low, high)
    start, stop = wanted.ranks(to_read(session, key))
    return max(0, stop - start)


def _remove(session: Session, key: bytes, rank_range: RankRange, event: bytes) -> int:
    members = session.db.edit(key, SortedSet)
    if members is None:
        return 0
    start, stop = rank_range(members)
    removed = max(0, stop - start)
    if removed == len(members):
        session.db.emptied(key, removed, event)
    elif removed:
        members.remove_slice(start, stop)
        session.db.changed(key, removed, event=event)
    return removed


@sorted_set_ranges.command(
    "ZREMRANGEBYRANK",
    since="2.0.0",
    flags="write",
    keys=first("RW delete"),
    complexity="O(log(N)+M)",
)
def zremrangebyrank(session: Session, key: bytes, start: bytes, stop: bytes) -> Reply:
    """Remove the members of a sorted set in a range of ranks, and return how many were removed."""
    return _remove(session, key, rank_range_of(start, stop), b"zremrangebyrank")


@sorted_set_ranges.command(
    "ZREMRANGEBYSCORE",
    since="1.2.0",
    flags="write",
    keys=first("RW delete"),
    complexity="O(log(N)+M)",
)
def zremrangebyscore(session: Session, key: bytes, low: bytes, high: bytes) -> Reply:
    """Remove the members of a sorted set in a range of scores, and return how many were removed."""
    return _remove(session, key, score_range(low, high).ranks, b"zremrangebyscore")


@sorted_set_ranges.command(
    "ZREMRANGEBYLEX",
    since="2.8.9",
    flags="write",
    keys=first("RW delete"),
    complexity="O(log(N)+M)",
)
def zremrangebylex(session: Session, key: bytes, low: bytes, high: bytes) -> Reply:
    """Remove the members in a lexicographical range of a sorted set with equal scores; return how many there were."""
    return _remove(session, key, text_range(low, high).ranks, b"zremrangebylex")
