"""Commands on values that are sets: unordered collections of distinct members."""

from __future__ import annotations

from typing import Callable, Final, Sequence

from twisted_kv.commands.counts import draw, drawn_count, numbered_keys, positive_or_zero
from twisted_kv.commands.scanning import scan_table
from twisted_kv.declaring.arguments import Arguments
from twisted_kv.declaring.groups import Group, counted, every, first, second
from twisted_kv.sessions.session import Session
from twisted_kv.values.sets import Set
from twisted_kv.vocabulary.errors import SYNTAX, CommandError
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.vocabulary.replies import OrderedSet, Reply

sets = Group("set", category="set")

_EMPTY: Final = Set()
_MEMBERS_PER_RECORD: Final = 1024
"""The most members that one SREM in the journal names when SPOP has chosen many at random."""


def _to_read(session: Session, key: bytes) -> Set:
    """Return the set of a key for reading; a shared empty set, which must not be changed, if there is none."""
    members = session.db.read_as(key, Set)
    return _EMPTY if members is None else members


@sets.command(
    "SADD",
    since="1.0.0",
    flags="write denyoom fast",
    keys=first("RW insert"),
)
def sadd(session: Session, key: bytes, member: bytes, *more: bytes) -> Reply:
    """Add members to a set, and return how many of them were new."""
    members = session.db.edit_or_make(key, Set)
    added = sum([members.add(each) for each in (member, *more)])
    if added:
        session.db.changed(key, added, event=b"sadd")
    return added


@sets.command(
    "SREM",
    since="1.0.0",
    flags="write fast",
    keys=first("RW delete"),
    complexity="O(N)",
)
def srem(session: Session, key: bytes, member: bytes, *more: bytes) -> Reply:
    """Remove members from a set, and return how many were removed."""
    return _remove(session, key, (member, *more), b"srem")


def _remove(session: Session, key: bytes, to_remove: Sequence[bytes], event: bytes) -> int:
    members = session.db.edit(key, Set)
    if members is None:
        return 0
    removed = sum([members.remove(each) for each in to_remove])
    if removed:
        session.db.changed(key, removed, event=event)
    return removed


@sets.command(
    "SMOVE",
    since="1.0.0",
    flags="write fast",
    keys=first("RW access delete") + second("RW insert"),
)
def smove(session: Session, source: bytes, destination: bytes, member: bytes) -> Reply:
    """Move a member from one set to another, and return 1, or 0 if it was not in the first."""
    members = session.db.lookup_as(source, Set)
    if members is None:
        return 0
    session.db.lookup_as(destination, Set)
    if source == destination:
        return int(member in members)
    if not _remove(session, source, (member,), b"srem"):
        return 0
    if session.db.edit_or_make(destination, Set).add(member):
        session.db.changed(destination, event=b"sadd")
    return 1


@sets.command(
    "SISMEMBER",
    since="1.0.0",
    flags="readonly fast",
    keys=first("RO"),
)
def sismember(session: Session, key: bytes, member: bytes) -> Reply:
    """Return whether a set contains a member."""
    return int(member in _to_read(session, key))


@sets.command(
    "SMISMEMBER",
    since="6.2.0",
    flags="readonly fast",
    keys=first("RO access"),
    complexity="O(N)",
)
def smismember(session: Session, key: bytes, member: bytes, *more: bytes) -> Reply:
    """Return for each of several members whether a set contains it."""
    members = _to_read(session, key)
    return [int(each in members) for each in (member, *more)]


@sets.command(
    "SCARD",
    since="1.0.0",
    flags="readonly fast",
    keys=first("RO"),
)
def scard(session: Session, key: bytes) -> Reply:
    """Return the number of members of a set."""
    return len(_to_read(session, key))


@sets.command(
    "SMEMBERS",
    since="1.0.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output_order",
    complexity="O(N)",
)
def smembers(session: Session, key: bytes) -> Reply:
    """Return all members of a set."""
    return OrderedSet(_to_read(session, key).listed())


@sets.command(
    "SPOP",
    since="1.0.0",
    flags="write fast",
    keys=first("RW access delete"),
    tips="nondeterministic_output",
    tells_after="del",
)
def spop(session: Session, key: bytes, *words: bytes) -> Reply:
    """Remove and return a random member of a set, or several with a count."""
    if len(words) > 1:
        raise CommandError(SYNTAX)
    count = positive_or_zero(words[0]) if words else 1
    members = session.db.edit(key, Set)
    if members is None or not count:
        return OrderedSet() if words else None
    chosen = members.sample(session.server.random, count)
    if words and len(chosen) == len(members):
        session.db.emptied(key, len(chosen), b"spop")
        session.journal(b"DEL", key)
    else:
        _remove(session, key, chosen, b"spop")
        for start in range(0, len(chosen), _MEMBERS_PER_RECORD):  # no journal record may have too many arguments
            session.journal(b"SREM", key, *chosen[start : start + _MEMBERS_PER_RECORD])
    return OrderedSet(chosen) if words else chosen[0]


@sets.command(
    "SRANDMEMBER",
    since="1.0.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output",
)
def srandmember(session: Session, key: bytes, *words: bytes) -> Reply:
    """Return a random member of a set, or several with a count; a negative count allows repetition."""
    if len(words) > 1:
        raise CommandError(SYNTAX)
    count = drawn_count(words[0]) if words else 1
    members, random = _to_read(session, key), session.server.random
    return draw(members, random, count) if words else members.random_key(random)


@sets.command(
    "SSCAN",
    since="2.8.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output",
)
def sscan(session: Session, key: bytes, cursor: bytes, *words: bytes) -> Reply:
    """Return some members of a set, and the cursor that continues the iteration."""
    return scan_table(session, key, Set, cursor, words, lambda member, _: (member,))


# Operations on several sets


def _sources(session: Session, keys: Sequence[bytes]) -> list[Set]:
    return [_to_read(session, key) for key in keys]


def _intersection(sources: Sequence[Set], limit: int = 0) -> list[bytes]:
    """Return the members that all sets contain, at most `limit` of them; 0 means no limit."""
    distinct = {id(source): source for source in sources}  # a set that is named twice is checked once
    smallest, *others = sorted(distinct.values(), key=len)
    found = []
    for member in smallest.listed() if smallest.is_packed else smallest:
        if all(member in other for other in others):
            found.append(member)
            if len(found) == limit:
                break
    return found


def _as_set(session: Session, members: list[bytes]) -> OrderedSet:
    """Return members in the order of the set that Redis builds from them: a small set of integers is sorted."""
    max_integers = session.db.packing.set_max_intset_entries
    if len(members) <= max_integers and all(parse_integer(member) is not None for member in members):
        members.sort(key=int)
    return OrderedSet(members)


def _union(sources: Sequence[Set]) -> list[bytes]:
    """Return the members of all sets."""
    return list(dict.fromkeys(member for source in sources for member in source))


def _difference(sources: Sequence[Set]) -> list[bytes]:
    """Return the members of the first set that no other contains, by whichever method takes fewer lookups."""
    minuend, *others = sources
    if len(minuend) * len(sources) <= 2 * sum(map(len, sources)):
        others.sort(key=len, reverse=True)  # a larger set is more likely to contain a member
        return [member for member in minuend if not any(member in other for other in others)]
    remaining = dict.fromkeys(minuend)
    for other in others:
        for member in other:
            remaining.pop(member, None)
    return list(remaining)


Combine = Callable[[Sequence[Set]], "list[bytes]"]


def _store(session: Session, destination: bytes, keys: Sequence[bytes], combine: Combine, event: bytes) -> int:
    members = combine(_sources(session, keys))
    result = Set(session.db.packing)
    result.update(members)
    session.db.store(destination, result, event)
    return len(members)


@sets.command(
    "SINTER",
    since="1.0.0",
    flags="readonly",
    keys=every("RO access"),
    tips="nondeterministic_output_order",
    complexity="O(N*M)",
)
def sinter(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Return the intersection of several sets."""
    return OrderedSet(_intersection(_sources(session, (key, *keys))))


@sets.command(
    "SINTERSTORE",
    since="1.0.0",
    flags="write denyoom",
    keys=first("RW update") + every("RO access", start=2),
    complexity="O(N*M)",
    tells_after="sinterstore",
)
def sinterstore(session: Session, destination: bytes, key: bytes, *keys: bytes) -> Reply:
    """Set a key to the intersection of several sets, and return its number of members."""
    return _store(session, destination, (key, *keys), _intersection, b"sinterstore")


@sets.command(
    "SINTERCARD",
    since="7.0.0",
    flags="readonly movablekeys",
    keys=counted("RO access"),
    complexity="O(N*M)",
)
def sintercard(session: Session, numkeys: bytes, key: bytes, *words: bytes) -> Reply:
    """Return the number of members in the intersection of several sets."""
    arguments = Arguments((numkeys, key, *words))
    keys, limit = keys_and_limit(arguments)
    return len(_intersection(_sources(session, keys), limit))


def keys_and_limit(arguments: Arguments) -> tuple[Sequence[bytes], int]:
    """Parse the number of keys, the keys and LIMIT."""
    keys = numbered_keys(arguments, too_many="Number of keys can't be greater than number of args")
    limit = 0
    while arguments:
        if not arguments.takes(b"LIMIT"):
            raise CommandError(SYNTAX)
        limit = positive_or_zero(arguments.word(), "LIMIT can't be negative")
    return keys, limit


@sets.command(
    "SUNION",
    since="1.0.0",
    flags="readonly",
    keys=every("RO access"),
    tips="nondeterministic_output_order",
    complexity="O(N)",
)
def sunion(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Return the union of several sets."""
    return _as_set(session, _union(_sources(session, (key, *keys))))


@sets.command(
    "SUNIONSTORE",
    since="1.0.0",
    flags="write denyoom",
    keys=first("OW update") + every("RO access", start=2),
    complexity="O(N)",
    tells_after="sunionstore del",
)
def sunionstore(session: Session, destination: bytes, key: bytes, *keys: bytes) -> Reply:
    """Set a key to the union of several sets, and return its number of members."""
    return _store(session, destination, (key, *keys), _union, b"sunionstore")


@sets.command(
    "SDIFF",
    since="1.0.0",
    flags="readonly",
    keys=every("RO access"),
    tips="nondeterministic_output_order",
    complexity="O(N)",
)
def sdiff(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Return the members of a set that no other given set contains."""
    return _as_set(session, _difference(_sources(session, (key, *keys))))


@sets.command(
    "SDIFFSTORE",
    since="1.0.0",
    flags="write denyoom",
    keys=first("OW update") + every("RO access", start=2),
    complexity="O(N)",
    tells_after="sdiffstore del",
)
def sdiffstore(session: Session, destination: bytes, key: bytes, *keys: bytes) -> Reply:
    """Set a key to the members of a set that no other given set contains, and return how many there are."""
    return _store(session, destination, (key, *keys), _difference, b"sdiffstore")
