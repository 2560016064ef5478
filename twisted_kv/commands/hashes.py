"""Commands on values that are hashes: fields and their values."""

from __future__ import annotations

from twisted_kv.arguments import integer
from twisted_kv.commands.generic import ScanOptions, read_cursor
from twisted_kv.errors import OVERFLOW, ArityError, CommandError
from twisted_kv.groups import Group, first
from twisted_kv.numbers import INT64_MAX, INT64_MIN
from twisted_kv.replies import OK, Reply
from twisted_kv.sessions.session import Session
from twisted_kv.values.hashes import Hash

hashes = Group("hash", category="hash")

_SIZE = "O(N) where N is the size of the hash."
_EMPTY = Hash()

SMALL_HASH = 512
"""HSCAN gives up to so many fields at once, in the order they were set: Redis's hash-max-listpack-entries."""


def _to_read(session: Session, key: bytes) -> Hash:
    """Give the hash of a key; an empty one, which must not be changed, if there is none."""
    fields = session.db.read_as(key, Hash)
    return _EMPTY if fields is None else fields


def _to_change(session: Session, key: bytes) -> Hash:
    """Give the hash of a key, made now if there is none."""
    fields = session.db.edit(key, Hash, make=True)
    assert fields is not None
    return fields


@hashes.command(
    "HSET",
    since="2.0.0",
    flags="write denyoom fast",
    keys=first("RW update"),
    complexity="O(N) where N is the number of field/value pairs.",
)
def hset(session: Session, key: bytes, field: bytes, value: bytes, *more: bytes) -> Reply:
    """Set fields of a hash, and return how many of them are new."""
    if len(more) % 2:
        raise ArityError("hset")
    fields = _to_change(session, key)
    added = int(fields.set(field, value) is None)
    for place in range(0, len(more), 2):
        added += fields.set(more[place], more[place + 1]) is None
    session.db.changed(key, 1 + len(more) // 2)
    return added


@hashes.command(
    "HMSET",
    since="2.0.0",
    flags="write denyoom fast",
    keys=first("RW update"),
    complexity="O(N) where N is the number of fields being set.",
    deprecated=True,
)
def hmset(session: Session, key: bytes, field: bytes, value: bytes, *more: bytes) -> Reply:
    """Set fields of a hash, as HSET does."""
    if len(more) % 2:
        raise ArityError("hmset")
    hset(session, key, field, value, *more)
    return OK


@hashes.command("HSETNX", since="2.0.0", flags="write denyoom fast", keys=first("RW insert"))
def hsetnx(session: Session, key: bytes, field: bytes, value: bytes) -> Reply:
    """Set a field of a hash that does not exist."""
    fields = session.db.lookup_as(key, Hash)
    if fields is not None and field in fields:
        return 0
    _to_change(session, key).set(field, value)
    session.db.changed(key)
    return 1


@hashes.command("HGET", since="2.0.0", flags="readonly fast", keys=first("RO access"))
def hget(session: Session, key: bytes, field: bytes) -> Reply:
    """Return the value of a field of a hash."""
    return _to_read(session, key).get(field)


@hashes.command(
    "HMGET",
    since="2.0.0",
    flags="readonly fast",
    keys=first("RO access"),
    complexity="O(N) where N is the number of fields being requested.",
)
def hmget(session: Session, key: bytes, field: bytes, *more: bytes) -> Reply:
    """Return the values of fields of a hash."""
    fields = _to_read(session, key)
    return [fields.get(each) for each in (field, *more)]


@hashes.command(
    "HDEL",
    since="2.0.0",
    flags="write fast",
    keys=first("RW delete"),
    complexity="O(N) where N is the number of fields to be removed.",
)
def hdel(session: Session, key: bytes, field: bytes, *more: bytes) -> Reply:
    """Delete fields of a hash, and return how many there were."""
    fields = session.db.edit(key, Hash)
    if fields is None:
        return 0
    removed = sum(fields.pop(each) is not None for each in (field, *more))
    if removed:
        session.db.changed(key, removed)
    return removed


@hashes.command("HEXISTS", since="2.0.0", flags="readonly fast", keys=first("RO"))
def hexists(session: Session, key: bytes, field: bytes) -> Reply:
    """Tell whether a field of a hash exists."""
    return int(field in _to_read(session, key))


@hashes.command("HLEN", since="2.0.0", flags="readonly fast", keys=first("RO"))
def hlen(session: Session, key: bytes) -> Reply:
    """Return the number of fields of a hash."""
    return len(_to_read(session, key))


@hashes.command(
    "HGETALL",
    since="2.0.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output_order",
    complexity=_SIZE,
)
def hgetall(session: Session, key: bytes) -> Reply:
    """Return all fields of a hash with their values."""
    return dict(_to_read(session, key).items())


@hashes.command(
    "HKEYS",
    since="2.0.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output_order",
    complexity=_SIZE,
)
def hkeys(session: Session, key: bytes) -> Reply:
    """Return all fields of a hash."""
    return list(_to_read(session, key))


@hashes.command(
    "HVALS",
    since="2.0.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output_order",
    complexity=_SIZE,
)
def hvals(session: Session, key: bytes) -> Reply:
    """Return all values of a hash."""
    return list(_to_read(session, key).values())


@hashes.command("HINCRBY", since="2.0.0", flags="write denyoom fast", keys=first("RW access update"))
def hincrby(session: Session, key: bytes, field: bytes, increment: bytes) -> Reply:
    """Add to the number that a field of a hash holds."""
    amount = integer(increment)
    fields = session.db.lookup_as(key, Hash)
    old = None if fields is None else fields.get(field)
    total = integer(b"0" if old is None else old, "hash value is not an integer") + amount
    if not INT64_MIN <= total <= INT64_MAX:
        raise CommandError(OVERFLOW)
    _to_change(session, key).set(field, b"%d" % total)
    session.db.changed(key)
    return total


@hashes.command(
    "HSCAN",
    since="2.8.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output",
    complexity="O(1) for every call. O(N) for a complete iteration.",
)
def hscan(session: Session, key: bytes, cursor: bytes, *words: bytes) -> Reply:
    """Return some of the fields of a hash with their values, and the cursor to ask for more with."""
    start = read_cursor(cursor)
    fields = session.db.read_as(key, Hash)
    if fields is None:
        return [b"0", []]
    options = ScanOptions.parse(words)
    following, items = fields.scan(start, options.count) if len(fields) > SMALL_HASH else (0, list(fields.items()))
    return [b"%d" % following, [part for item in items if options.matches(item[0]) for part in item]]
