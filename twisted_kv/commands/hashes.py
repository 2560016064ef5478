"""Commands on values that are hashes: maps from fields to values."""

from __future__ import annotations

from fractions import Fraction

from twisted_kv.commands.counts import check_pairs, draw, drawn_count
from twisted_kv.commands.scanning import scan_table
from twisted_kv.declaring.arguments import integer
from twisted_kv.declaring.groups import Group, first
from twisted_kv.sessions.session import Session
from twisted_kv.values.hashes import Hash
from twisted_kv.vocabulary.errors import NOT_A_FLOAT, OVERFLOW, SYNTAX, ArityError, CommandError, c_string
from twisted_kv.vocabulary.numbers import INT64_MAX, INT64_MIN, format_long_double, parse_long_double, round_long_double
from twisted_kv.vocabulary.replies import OK, Reply

hashes = Group("hash", category="hash")

_LINEAR = "O(N) where N is the size of the hash."
_EMPTY = Hash()


def _to_read(session: Session, key: bytes) -> Hash:
    """Return the hash of a key for reading; a shared empty hash, which must not be changed, if there is none."""
    fields = session.db.read_as(key, Hash)
    return _EMPTY if fields is None else fields


@hashes.command(
    "HSET",
    since="2.0.0",
    flags="write denyoom fast",
    keys=first("RW update"),
    complexity="O(N) where N is the number of field/value pairs.",
    tells_after="hset",
)
def hset(session: Session, key: bytes, field: bytes, value: bytes, *more: bytes) -> Reply:
    """Set fields of a hash, and return how many of them were new."""
    if len(more) % 2:
        raise ArityError("hset")
    fields = session.db.edit_or_make(key, Hash)
    added = int(fields.set(field, value) is None)
    for index in range(0, len(more), 2):
        added += fields.set(more[index], more[index + 1]) is None
    session.db.changed(key, 1 + len(more) // 2, event=b"hset")
    return added


@hashes.command(
    "HMSET",
    since="2.0.0",
    flags="write denyoom fast",
    keys=first("RW update"),
    complexity="O(N) where N is the number of fields being set.",
    doc_flags="deprecated",
    tells_after="hset",
)
def hmset(session: Session, key: bytes, field: bytes, value: bytes, *more: bytes) -> Reply:
    """Set fields of a hash, as HSET does."""
    if len(more) % 2:
        raise ArityError("hmset")
    hset(session, key, field, value, *more)
    return OK


@hashes.command("HSETNX", since="2.0.0", flags="write denyoom fast", keys=first("RW insert"), tells_after="hset")
def hsetnx(session: Session, key: bytes, field: bytes, value: bytes) -> Reply:
    """Set a field of a hash, if the field does not exist."""
    fields = session.db.lookup_as(key, Hash)
    if fields is not None and field in fields:
        return 0
    session.db.edit_or_make(key, Hash).set(field, value)
    session.db.changed(key, event=b"hset")
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
    """Return the values of several fields of a hash."""
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
    """Delete fields of a hash, and return how many were deleted."""
    fields = session.db.edit(key, Hash)
    if fields is None:
        return 0
    removed = sum(fields.pop(each) is not None for each in (field, *more))
    if removed:
        session.db.changed(key, removed, event=b"hdel")
    return removed


@hashes.command("HEXISTS", since="2.0.0", flags="readonly fast", keys=first("RO"))
def hexists(session: Session, key: bytes, field: bytes) -> Reply:
    """Return whether a field of a hash exists."""
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
    complexity=_LINEAR,
)
def hgetall(session: Session, key: bytes) -> Reply:
    """Return all fields of a hash with their values."""
    found: dict[bytes, bytes] = {}
    for shard in _to_read(session, key).pieces():
        found.update(shard)
    return found


@hashes.command(
    "HKEYS",
    since="2.0.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output_order",
    complexity=_LINEAR,
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
    complexity=_LINEAR,
)
def hvals(session: Session, key: bytes) -> Reply:
    """Return all values of a hash."""
    return list(_to_read(session, key).values())


@hashes.command(
    "HINCRBY", since="2.0.0", flags="write denyoom fast", keys=first("RW access update"), tells_after="hincrby"
)
def hincrby(session: Session, key: bytes, field: bytes, increment: bytes) -> Reply:
    """Add a number to the integer value of a field of a hash, and return the sum."""
    amount = integer(increment)
    fields = session.db.lookup_as(key, Hash)
    old = None if fields is None else fields.get(field)
    total = integer(b"0" if old is None else old, "hash value is not an integer") + amount
    if not INT64_MIN <= total <= INT64_MAX:
        raise CommandError(OVERFLOW)
    session.db.edit_or_make(key, Hash).set(field, b"%d" % total)
    session.db.changed(key, event=b"hincrby")
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
    """Return some fields of a hash with their values, and the cursor that continues the iteration."""
    return scan_table(session, key, Hash, cursor, words, lambda field, value: (field, value))


@hashes.command(
    "HSTRLEN",
    since="3.2.0",
    flags="readonly fast",
    keys=first("RO"),
)
def hstrlen(session: Session, key: bytes, field: bytes) -> Reply:
    """Return the length of the value of a field of a hash."""
    return len(_to_read(session, key).get(field) or b"")


@hashes.command(
    "HINCRBYFLOAT",
    since="2.6.0",
    flags="write denyoom fast",
    keys=first("RW access update"),
    tells_after="hincrbyfloat",
)
def hincrbyfloat(session: Session, key: bytes, field: bytes, increment: bytes) -> Reply:
    """Add a number to the floating-point value of a field of a hash, with C's 80-bit precision."""
    amount = _long_double(increment, NOT_A_FLOAT)
    if amount is None:
        raise CommandError("value is NaN or Infinity")
    fields = session.db.lookup_as(key, Hash)
    old = None if fields is None else fields.get(field)
    start = Fraction(0) if old is None else _long_double(old, "hash value is not a float")
    try:
        if start is None:
            raise OverflowError
        total = round_long_double(start + amount)
    except OverflowError:
        raise CommandError("increment would produce NaN or Infinity") from None
    value = format_long_double(total)
    session.db.edit_or_make(key, Hash).set(field, value)
    session.db.changed(key, event=b"hincrbyfloat")
    session.journal(b"HSET", key, field, value)
    return value


def _long_double(argument: bytes, error: str) -> Fraction | None:
    try:
        return parse_long_double(argument)
    except ValueError:
        raise CommandError(error) from None


@hashes.command(
    "HRANDFIELD",
    since="6.2.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output",
    complexity="O(N)",
)
def hrandfield(session: Session, key: bytes, *words: bytes) -> Reply:
    """Return a random field of a hash, or several with a count; a negative count allows repetition."""
    if len(words) > 2 or (len(words) == 2 and c_string(words[1]).upper() != b"WITHVALUES"):
        drawn_count(words[0])
        raise CommandError(SYNTAX)
    count = drawn_count(words[0]) if words else 1
    if len(words) == 2:
        check_pairs(count)
    fields, random = _to_read(session, key), session.server.random
    if not words:
        return fields.random_key(random)
    drawn = draw(fields, random, count)
    if len(words) == 1:
        return drawn
    pairs = [[field, fields.get(field)] for field in drawn]
    return pairs if session.resp == 3 else [part for pair in pairs for part in pair]
