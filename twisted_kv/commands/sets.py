"""Commands on values that are sets: members without an order."""

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
_LOGGED_AT_ONCE: Final = 1024
"""Members of one request in the log, where chance has chosen many."""


def _to_read(session: Session, key: bytes) -> Set:
    """Give the set of a key; an empty one, which must not be changed, if there is none."""
    members = session.db.read_as(key, Set)
    return _EMPTY if members is None else members


@sets.command(
    "SADD",
    since="1.0.0",
    flags="write denyoom fast",
    keys=first("RW insert"),
)
def sadd(session: Session, key: bytes, member: bytes, *more: bytes) -> Reply:
    """Add members to a set, and return how many of them are new."""
    members = session.db.edit_or_make(key, Set)
    added = sum([members.add(each) for each in (member, *more)])
    if added:
        session.db.changed(key, added)
    return added


@sets.command(
    "SREM",
    since="1.0.0",
    flags="write fast",
    keys=first("RW delete"),
    complexity="O(N)",
)
def srem(session: Session, key: bytes, member: bytes, *more: bytes) -> Reply:
    """Remove members from a set, and return how many there were."""
    return _remove(session, key, (member, *more))


def _remove(session: Session, key: bytes, gone: Sequence[bytes]) -> int:
    members = session.db.edit(key, Set)
    if members is None:
        return 0
    removed = sum([members.remove(each) for each in gone])
    if removed:
        session.db.changed(key, removed)
    return removed


@sets.command(
    "SMOVE",
    since="1.0.0",
    flags="write fast",
    keys=first("RW access delete") + second("RW insert"),
)
def smove(session: Session, source: bytes, destination: bytes, member: bytes) -> Reply:
    """Move a member from a set to another; returns 0 if it was not there."""
    members = session.db.lookup_as(source, Set)
    if members is None:
        return 0
    session.db.lookup_as(destination, Set)
    if source == destination:
        return int(member in members)
    if not _remove(session, source, (member,)):
        return 0
    if session.db.edit_or_make(destination, Set).add(member):
        session.db.changed(destination)
    return 1


@sets.command(
    "SISMEMBER",
    since="1.0.0",
    flags="readonly fast",
    keys=first("RO"),
)
def sismember(session: Session, key: bytes, member: bytes) -> Reply:
    """Tell whether a set has a member."""
    return int(member in _to_read(session, key))


@sets.command(
    "SMISMEMBER",
    since="6.2.0",
    flags="readonly fast",
    keys=first("RO access"),
    complexity="O(N)",
)
def smismember(session: Session, key: bytes, member: bytes, *more: bytes) -> Reply:
    """Tell of each of some members whether a set has it."""
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
)
def spop(session: Session, key: bytes, *words: bytes) -> Reply:
    """Remove any member of a set and return it, or several with a count."""
    if len(words) > 1:
        raise CommandError(SYNTAX)
    count = positive_or_zero(words[0]) if words else 1
    members = session.db.edit(key, Set)
    if members is None or not count:
        return OrderedSet() if words else None
    chosen = members.sample(session.server.random, count)
    if words and len(chosen) == len(members):
        session.db.emptied(key, len(chosen))
        session.log(b"DEL", key)
    else:
        _remove(session, key, chosen)
        for start in range(0, len(chosen), _LOGGED_AT_ONCE):  # a request that has too many words is no log's
            session.log(b"SREM", key, *chosen[start : start + _LOGGED_AT_ONCE])
    return OrderedSet(chosen) if words else chosen[0]


@sets.command(
    "SRANDMEMBER",
    since="1.0.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output",
)
def srandmember(session: Session, key: bytes, *words: bytes) -> Reply:
    """Return any member of a set, or several with a count: with repetition if that is negative."""
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
    """Return some of the members of a set, and the cursor to ask for more with."""
    return scan_table(session, key, Set, cursor, words, lambda member, _: (member,))


# Several sets


def _sources(session: Session, keys: Sequence[bytes]) -> list[Set]:
    return [_to_read(session, key) for key in keys]


def _common(sources: Sequence[Set], limit: int = 0) -> list[bytes]:
    """Give the members that all sets have, no more than a limit that is not 0."""
    different = {id(source): source for source in sources}  # a set that is named twice is asked once
    smallest, *others = sorted(different.values(), key=len)
    found = []
    for member in smallest.listed() if smallest.is_packed else smallest:
        if all(member in other for other in others):
            found.append(member)
            if len(found) == limit:
                break
    return found


def _as_set(session: Session, members: list[bytes]) -> OrderedSet:
    """Reply members in the order of the set that Redis makes of them: few integers come in their own order."""
    few = session.db.packing.set_max_intset_entries
    if len(members) <= few and all(parse_integer(member) is not None for member in members):
        members.sort(key=int)
    return OrderedSet(members)


def _all(sources: Sequence[Set]) -> list[bytes]:
    """Give the members of all sets."""
    return list(dict.fromkeys(member for source in sources for member in source))


def _without(sources: Sequence[Set]) -> list[bytes]:
    """Give the members of the first set that no other has: by whichever way asks less."""
    whole, *others = sources
    if len(whole) * len(sources) <= 2 * sum(map(len, sources)):
        others.sort(key=len, reverse=True)  # a large one has it most likely
        return [member for member in whole if not any(member in other for other in others)]
    left = dict.fromkeys(whole)
    for other in others:
        for member in other:
            left.pop(member, None)
    return list(left)


Combine = Callable[[Sequence[Set]], "list[bytes]"]


def _store(session: Session, destination: bytes, keys: Sequence[bytes], combine: Combine) -> int:
    members = combine(_sources(session, keys))
    made = Set(session.db.packing)
    made.update(members)
    session.db.store(destination, made)
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
    """Return the members that all of some sets have."""
    return OrderedSet(_common(_sources(session, (key, *keys))))


@sets.command(
    "SINTERSTORE",
    since="1.0.0",
    flags="write denyoom",
    keys=first("RW update") + every("RO access", start=2),
    complexity="O(N*M)",
)
def sinterstore(session: Session, destination: bytes, key: bytes, *keys: bytes) -> Reply:
    """Set a key to the members that all of some sets have, and return how many they are."""
    return _store(session, destination, (key, *keys), _common)


@sets.command(
    "SINTERCARD",
    since="7.0.0",
    flags="readonly movablekeys",
    keys=counted("RO access"),
    complexity="O(N*M)",
)
def sintercard(session: Session, numkeys: bytes, key: bytes, *words: bytes) -> Reply:
    """Return how many members all of some sets have."""
    arguments = Arguments((numkeys, key, *words))
    keys, limit = keys_and_limit(arguments)
    return len(_common(_sources(session, keys), limit))


def keys_and_limit(arguments: Arguments) -> tuple[Sequence[bytes], int]:
    """Take the number of keys, the keys and LIMIT."""
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
    """Return the members of all of some sets."""
    return _as_set(session, _all(_sources(session, (key, *keys))))


@sets.command(
    "SUNIONSTORE",
    since="1.0.0",
    flags="write denyoom",
    keys=first("OW update") + every("RO access", start=2),
    complexity="O(N)",
)
def sunionstore(session: Session, destination: bytes, key: bytes, *keys: bytes) -> Reply:
    """Set a key to the members of all of some sets, and return how many they are."""
    return _store(session, destination, (key, *keys), _all)


@sets.command(
    "SDIFF",
    since="1.0.0",
    flags="readonly",
    keys=every("RO access"),
    tips="nondeterministic_output_order",
    complexity="O(N)",
)
def sdiff(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Return the members of a set that none of some others has."""
    return _as_set(session, _without(_sources(session, (key, *keys))))


@sets.command(
    "SDIFFSTORE",
    since="1.0.0",
    flags="write denyoom",
    keys=first("OW update") + every("RO access", start=2),
    complexity="O(N)",
)
def sdiffstore(session: Session, destination: bytes, key: bytes, *keys: bytes) -> Reply:
    """Set a key to the members of a set that none of some others has, and return how many they are."""
    return _store(session, destination, (key, *keys), _without)
