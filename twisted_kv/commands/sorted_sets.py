"""Commands on values that are sorted sets: members ordered by score."""

from __future__ import annotations

import math
from typing import Final, Iterable, Sequence

import attrs

from twisted_kv.commands.counts import MultiplePop, check_pairs, draw, drawn_count, positive_or_zero
from twisted_kv.commands.scanning import scan_table
from twisted_kv.declaring.arguments import Arguments, double, timeout
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, counted, every, first
from twisted_kv.sessions.session import Session
from twisted_kv.values.sorted_sets import Ranked, SortedSet
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, c_string
from twisted_kv.vocabulary.numbers import format_double, format_packed_score
from twisted_kv.vocabulary.replies import NULL_ARRAY, Reply
from twisted_kv.vocabulary.waiting import Block

sorted_sets = Group("sorted-set", category="sortedset")

_EMPTY: Final = SortedSet()


def to_read(session: Session, key: bytes) -> SortedSet:
    """Return the sorted set of a key for reading; a shared empty one, which must not be changed, if there is none."""
    members = session.db.read_as(key, SortedSet)
    return _EMPTY if members is None else members


def scored(session: Session, ranked: Iterable[Ranked], *, with_scores: bool) -> Reply:
    """Return a reply of members, optionally with scores: as pairs in RESP3, as a flat array in RESP2."""
    if not with_scores:
        return [member for _, member in ranked]
    if session.resp == 3:
        return [[member, score] for score, member in ranked]
    return [part for score, member in ranked for part in (member, score)]


@attrs.define
class AddOptions:
    """The options of ZADD."""

    only_new: bool = False
    only_old: bool = False
    only_greater: bool = False
    only_less: bool = False
    count_changes: bool = False
    increment: bool = False

    def take(self, arguments: Arguments) -> None:
        """Parse the options, which come before the first score."""
        while True:
            if arguments.takes(b"NX"):
                self.only_new = True
            elif arguments.takes(b"XX"):
                self.only_old = True
            elif arguments.takes(b"GT"):
                self.only_greater = True
            elif arguments.takes(b"LT"):
                self.only_less = True
            elif arguments.takes(b"CH"):
                self.count_changes = True
            elif arguments.takes(b"INCR"):
                self.increment = True
            else:
                return

    def check(self, pairs: int) -> None:
        """Raise `CommandError` for options that conflict."""
        if self.only_new and self.only_old:
            raise CommandError("XX and NX options at the same time are not compatible")
        if (self.only_new and (self.only_greater or self.only_less)) or (self.only_greater and self.only_less):
            raise CommandError("GT, LT, and/or NX options at the same time are not compatible")
        if self.increment and pairs > 1:
            raise CommandError("INCR option supports a single increment-element pair")

    def score(self, old: float | None, wanted: float) -> float | None:
        """Return the new score of a member, or None to leave the member unchanged."""
        if old is None:
            return None if self.only_old else wanted
        if self.only_new:
            return None
        score = old + wanted if self.increment else wanted
        if math.isnan(score):
            raise CommandError("resulting score is not a number (NaN)")
        if (self.only_less and score >= old) or (self.only_greater and score <= old):
            return None
        return score


@sorted_sets.command(
    "ZADD",
    since="1.2.0",
    flags="write denyoom fast",
    keys=first("RW update"),
    complexity="O(log(N))",
    tells_after="zadd zincr",
)
def zadd(session: Session, key: bytes, score: bytes, member: bytes, *words: bytes) -> Reply:
    """Add members to a sorted set, or update their scores, and return how many members were new."""
    return _add(session, key, (score, member, *words), AddOptions())


@sorted_sets.command(
    "ZINCRBY",
    since="1.2.0",
    flags="write denyoom fast",
    keys=first("RW access update"),
    complexity="O(log(N))",
    tells_after="zincr",
)
def zincrby(session: Session, key: bytes, increment: bytes, member: bytes) -> Reply:
    """Add a number to the score of a member of a sorted set, and return the new score."""
    return _add(session, key, (increment, member), AddOptions(increment=True))


def _add(session: Session, key: bytes, words: Sequence[bytes], options: AddOptions) -> Reply:
    """Run ZADD or ZINCRBY.  Redis parses options in ZINCRBY too, and then finds no pair left after them."""
    arguments = Arguments(words)
    options.take(arguments)
    pairs = arguments.rest()
    if len(pairs) % 2 or not pairs:
        raise CommandError(SYNTAX)
    options.check(len(pairs) // 2)
    scores = [double(score) for score in pairs[::2]]
    members = (session.db.edit if options.only_old else session.db.edit_or_make)(key, SortedSet)
    if members is None:
        return None if options.increment else 0
    added = updated = 0
    result: float | None = None
    for wanted, member in zip(scores, pairs[1::2]):
        old = members.get(member)
        result = options.score(old, wanted)
        if result is None:
            continue
        if old is None:
            added += 1
        elif old != result:
            updated += 1
        members.put(member, result)
    if added or updated:
        session.db.changed(key, added + updated, event=b"zincr" if options.increment else b"zadd")
    if options.increment:
        return result
    return added + updated if options.count_changes else added


@sorted_sets.command(
    "ZREM",
    since="1.2.0",
    flags="write fast",
    keys=first("RW delete"),
    complexity="O(M*log(N))",
)
def zrem(session: Session, key: bytes, member: bytes, *more: bytes) -> Reply:
    """Remove members from a sorted set, and return how many were removed."""
    members = session.db.edit(key, SortedSet)
    if members is None:
        return 0
    removed = sum(members.remove(each) is not None for each in (member, *more))
    if removed:
        session.db.changed(key, removed, event=b"zrem")
    return removed


@sorted_sets.command(
    "ZCARD",
    since="1.2.0",
    flags="readonly fast",
    keys=first("RO"),
)
def zcard(session: Session, key: bytes) -> Reply:
    """Return the number of members of a sorted set."""
    return len(to_read(session, key))


@sorted_sets.command(
    "ZSCORE",
    since="1.2.0",
    flags="readonly fast",
    keys=first("RO access"),
)
def zscore(session: Session, key: bytes, member: bytes) -> Reply:
    """Return the score of a member of a sorted set."""
    return to_read(session, key).get(member)


@sorted_sets.command(
    "ZMSCORE",
    since="6.2.0",
    flags="readonly fast",
    keys=first("RO access"),
    complexity="O(N)",
)
def zmscore(session: Session, key: bytes, member: bytes, *more: bytes) -> Reply:
    """Return the scores of members of a sorted set, with null for each that is not a member."""
    members = to_read(session, key)
    return [members.get(each) for each in (member, *more)]


@sorted_sets.command(
    "ZRANK",
    since="2.0.0",
    flags="readonly fast",
    keys=first("RO access"),
    complexity="O(log(N))",
)
def zrank(session: Session, key: bytes, member: bytes) -> Reply:
    """Return the rank of a member of a sorted set, counted from the lowest score."""
    return to_read(session, key).rank(member)


@sorted_sets.command(
    "ZREVRANK",
    since="2.0.0",
    flags="readonly fast",
    keys=first("RO access"),
    complexity="O(log(N))",
)
def zrevrank(session: Session, key: bytes, member: bytes) -> Reply:
    """Return the rank of a member of a sorted set, counted from the highest score."""
    members = to_read(session, key)
    rank = members.rank(member)
    return None if rank is None else len(members) - 1 - rank


@sorted_sets.command(
    "ZRANDMEMBER",
    since="6.2.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output",
    complexity="O(N)",
)
def zrandmember(session: Session, key: bytes, *words: bytes) -> Reply:
    """Return a random member of a sorted set, or several with a count; a negative count allows repetition."""
    count = drawn_count(words[0]) if words else 1
    if len(words) > 2 or (len(words) == 2 and c_string(words[1]).upper() != b"WITHSCORES"):
        raise CommandError(SYNTAX)
    if len(words) == 2:
        check_pairs(count)
    members, random = to_read(session, key), session.server.random
    if not words:
        return members.random_key(random)
    drawn = [(score, each) for each in draw(members, random, count) if (score := members.get(each)) is not None]
    return scored(session, drawn, with_scores=len(words) == 2)


@sorted_sets.command(
    "ZSCAN",
    since="2.8.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output",
)
def zscan(session: Session, key: bytes, cursor: bytes, *words: bytes) -> Reply:
    """Return some members of a sorted set with their scores, and the cursor that continues the iteration."""
    members = session.db.peek(key)
    format_score = format_packed_score if isinstance(members, SortedSet) and members.is_packed else format_double
    return scan_table(session, key, SortedSet, cursor, words, lambda member, score: (member, format_score(score)))


# Removing members


def _pop_members(session: Session, key: bytes, count: int, *, highest: bool) -> list[Ranked]:
    """Remove up to `count` members with the lowest or the highest scores from an existing sorted set.

    Returns them in that order.
    """
    members = session.db.edit(key, SortedSet)
    assert members is not None
    size = len(members)
    event = b"zpopmax" if highest else b"zpopmin"
    if count >= size:
        popped = members.slice(0, size, reverse=highest)
        session.db.emptied(key, size, event)
        return popped
    popped = members.remove_slice(size - count, size)[::-1] if highest else members.remove_slice(0, count)
    session.db.changed(key, count, event=event)
    return popped


def _pop(session: Session, key: bytes, arguments: tuple[bytes, ...], *, highest: bool) -> Reply:
    if len(arguments) > 1:
        raise CommandError(SYNTAX)
    count = positive_or_zero(arguments[0]) if arguments else 1
    if session.db.lookup_as(key, SortedSet) is None or not count:
        return []
    popped = _pop_members(session, key, count, highest=highest)
    if arguments and session.resp == 3:
        return [[member, score] for score, member in popped]
    return [part for score, member in popped for part in (member, score)]


@sorted_sets.command(
    "ZPOPMIN",
    since="5.0.0",
    flags="write fast",
    keys=first("RW access delete"),
    complexity="O(log(N)*M)",
    tells_after="zpopmin del",
)
def zpopmin(session: Session, key: bytes, *words: bytes) -> Reply:
    """Remove and return the member with the lowest score and its score, or several with a count."""
    return _pop(session, key, words, highest=False)


@sorted_sets.command(
    "ZPOPMAX",
    since="5.0.0",
    flags="write fast",
    keys=first("RW access delete"),
    complexity="O(log(N)*M)",
    tells_after="zpopmax del",
)
def zpopmax(session: Session, key: bytes, *words: bytes) -> Reply:
    """Remove and return the member with the highest score and its score, or several with a count."""
    return _pop(session, key, words, highest=True)


_ENDS: Final = (b"MIN", b"MAX")


def _pop_first(session: Session, pop: MultiplePop) -> Reply:
    """Remove members from the first sorted set that exists, and return its key with them; None if none exists."""
    highest = pop.end == b"MAX"
    for key in pop.keys:
        if session.db.lookup_as(key, SortedSet) is not None:
            popped = _pop_members(session, key, pop.count, highest=highest)
            session.journal(b"ZPOPMAX" if highest else b"ZPOPMIN", key, b"%d" % len(popped))
            return [key, [[member, score] for score, member in popped]]
    return None


@sorted_sets.command(
    "ZMPOP",
    since="7.0.0",
    flags="write movablekeys",
    keys=counted("RW access delete"),
    complexity="O(K)",
    tells_after="zpopmin zpopmax del",
)
def zmpop(session: Session, numkeys: bytes, key: bytes, where: bytes, *words: bytes) -> Reply:
    """Remove members from one end of the first of several sorted sets that exists; return its key with them."""
    reply = _pop_first(session, MultiplePop.parse((numkeys, key, where, *words), _ENDS))
    return NULL_ARRAY if reply is None else reply


@sorted_sets.command(
    "BZMPOP",
    since="7.0.0",
    flags="write blocking movablekeys",
    keys=counted("RW access delete", 2),
    complexity="O(K)",
    lasting=Lasting.SESSION,
    tells_after="zpopmin zpopmax del",
)
def bzmpop(session: Session, seconds: bytes, numkeys: bytes, key: bytes, where: bytes, *words: bytes) -> Reply:
    """Remove members from the first of several sorted sets as ZMPOP does, but wait for one if none exists."""
    pop = MultiplePop.parse((numkeys, key, where, *words), _ENDS)
    milliseconds = timeout(seconds)
    reply = _pop_first(session, pop)
    return pop.block(SortedSet, milliseconds) if reply is None else reply


def _blocking_pop(session: Session, arguments: Sequence[bytes], *, highest: bool) -> Reply:
    *keys, seconds = arguments
    milliseconds = timeout(seconds)
    for key in keys:
        if session.db.lookup_as(key, SortedSet) is not None:
            [(score, member)] = _pop_members(session, key, 1, highest=highest)
            session.journal(b"ZPOPMAX" if highest else b"ZPOPMIN", key)
            return [key, member, score]
    return Block(keys, SortedSet, milliseconds, lambda ready: (ready, b"0"), NULL_ARRAY)


@sorted_sets.command(
    "BZPOPMIN",
    since="5.0.0",
    flags="write noscript blocking fast",
    keys=every("RW access delete", last=-2),
    complexity="O(log(N))",
    lasting=Lasting.SESSION,
    tells_after="zpopmin del",
)
def bzpopmin(session: Session, key: bytes, seconds: bytes, *words: bytes) -> Reply:
    """Remove and return the lowest member of the first of several sorted sets that exists; wait if none does."""
    return _blocking_pop(session, (key, seconds, *words), highest=False)


@sorted_sets.command(
    "BZPOPMAX",
    since="5.0.0",
    flags="write noscript blocking fast",
    keys=every("RW access delete", last=-2),
    complexity="O(log(N))",
    lasting=Lasting.SESSION,
    tells_after="zpopmax del",
)
def bzpopmax(session: Session, key: bytes, seconds: bytes, *words: bytes) -> Reply:
    """Remove and return the highest member of the first of several sorted sets that exists; wait if none does."""
    return _blocking_pop(session, (key, seconds, *words), highest=True)
