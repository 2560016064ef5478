"""Commands on values that are byte strings."""

from __future__ import annotations

from typing import Callable, Sequence

import attrs

from twisted_kv.commands.expiration import TIME_OPTIONS, expire_at, future_deadline
from twisted_kv.declaring.arguments import Arguments, integer
from twisted_kv.declaring.commands import KeyPositions
from twisted_kv.declaring.groups import Group, every, first
from twisted_kv.sessions.session import Session
from twisted_kv.values.long_strings import LongString, string_bytes
from twisted_kv.values.short_strings import Computed
from twisted_kv.vocabulary.errors import (
    NOT_A_FLOAT,
    OVERFLOW,
    STRING_TOO_LONG,
    SYNTAX,
    ArityError,
    CommandError,
    WrongTypeError,
    c_string,
)
from twisted_kv.vocabulary.numbers import (
    INT64_MAX,
    INT64_MIN,
    format_long_double,
    parse_long_double,
    round_long_double,
)
from twisted_kv.vocabulary.replies import OK, Reply
from twisted_kv.wire.plain_requests import Run

strings = Group("string", category="string")


@strings.command("GET", since="1.0.0", flags="readonly fast", keys=first("RO access"))
def get(session: Session, key: bytes) -> Reply:
    """Return the string value of a key."""
    return session.db.read_as(key, bytes)


@strings.run("GET", arguments=1)
def get_run(session: Session, run: Run) -> list[Reply]:
    """Run GET for many keys."""
    return session.db.read_strings(run.columns[0])


@attrs.define
class ValueOptions:
    """The options of SET and GETEX: conditions, and what happens to the key's deadline."""

    only_new: bool = False
    only_old: bool = False
    old_value: bool = False
    keep_deadline: bool = False
    persist: bool = False
    time: tuple[bytes, bytes] | None = None  # the option and its argument

    @classmethod
    def parse(cls, words: tuple[bytes, ...], allowed: tuple[bytes, ...]) -> ValueOptions:
        """Parse options; raises a syntax error for one that is not allowed or conflicts with an earlier one.

        The time itself is parsed later, because its errors come after all others.
        """
        options = cls()
        arguments = Arguments(words)
        while arguments:
            option = arguments.option()
            if option in TIME_OPTIONS:
                conflicts = options.keep_deadline or options.persist or (options.time and options.time[0] != option)
                if conflicts:
                    raise CommandError(SYNTAX)
                options.time = option, arguments.word()
            elif option not in allowed:
                raise CommandError(SYNTAX)
            elif option == b"NX" and not options.only_old:
                options.only_new = True
            elif option == b"XX" and not options.only_new:
                options.only_old = True
            elif option == b"GET":
                options.old_value = True
            elif option == b"KEEPTTL" and not options.time:
                options.keep_deadline = True
            elif option == b"PERSIST" and not options.time:
                options.persist = True
            else:
                raise CommandError(SYNTAX)
        return options

    def deadline(self, session: Session, command: str) -> int | None:
        """Return the deadline in milliseconds that the time option sets, or None without that option."""
        if self.time is None:
            return None
        option, time = self.time
        return future_deadline(session, time, *TIME_OPTIONS[option], command)


def _set_keys(words: Sequence[bytes]) -> KeyPositions:
    """Return the key of SET, which is read only if GET is among the options."""
    if any(c_string(argument).upper() == b"GET" for argument in words[3:]):
        return [(1, ("RW", "access", "update"))]
    return [(1, ("OW", "update"))]


@strings.command(
    "SET",
    find_keys=_set_keys,
    since="1.0.0",
    flags="write denyoom",
    keys=first("RW access update variable_flags", notes="RW and ACCESS due to the optional `GET` argument"),
)
def set_(session: Session, key: bytes, value: bytes, *words: bytes) -> Reply:
    """Set a key to a string value, replacing a value of any type."""
    if not words:
        session.db.set(key, value)
        return OK
    if len(words) == 2 and words[0] in TIME_OPTIONS:  # what most requests with options want
        unit, absolute = TIME_OPTIONS[words[0]]
        until = future_deadline(session, words[1], unit, absolute, "set")
        session.db.lookup(key)
        return _set_until(session, key, value, until)
    options = ValueOptions.parse(words, (b"NX", b"XX", b"GET", b"KEEPTTL"))
    deadline = options.deadline(session, "set")
    old = session.db.read_as(key, bytes) if options.old_value else None
    exists = old is not None or session.db.lookup(key) is not None
    if (options.only_new and exists) or (options.only_old and not exists):
        return old
    session.db.set(key, value, deadline, keep_deadline=options.keep_deadline)
    if deadline is not None:
        _tell_deadline(session, key, deadline)
        _log_set_until(session, key, value, deadline)
    elif options.old_value:  # replaying the journal needs no reply
        session.journal(b"SET", key, value, *[argument for argument in words if c_string(argument).upper() != b"GET"])
    return old if options.old_value else OK


@strings.run("SET", arguments=2)
def set_run(session: Session, run: Run) -> list[Reply]:
    """Run SET without options for many keys."""
    keys, values = run.columns
    return [OK] * len(keys) if session.db.set_strings(keys, values) else []


@strings.run("SET", arguments=4)
def set_until_run(session: Session, run: Run) -> list[Reply]:
    """Run SET with one time option for many keys, unless they have to be recorded: with absolute times."""
    keys, values, options, times = run.columns
    option = options[0]
    if session.is_recorded or option not in TIME_OPTIONS or options.count(option) < len(options):
        return []
    unit, absolute = TIME_OPTIONS[option]
    known: dict[bytes, int] = {}
    deadlines: list[int] = []
    for time in times:
        until = known.get(time)
        if until is None:
            try:
                until = known[time] = future_deadline(session, time, unit, absolute, "set")
            except CommandError:
                break
        deadlines.append(until)
    return [OK] * session.db.set_volatile_strings(keys, values, deadlines)


def _log_set_until(session: Session, key: bytes, value: bytes, deadline: int) -> None:
    if not session.is_recorded:
        return
    if session.db.has_passed(deadline):  # later journal records must find the key gone, as it is now
        session.journal(b"DEL", key)
        return
    session.journal(b"SET", key, value, b"PXAT", b"%d" % deadline)


@strings.command("SETNX", since="1.0.0", flags="write denyoom fast", keys=first("OW insert"))
def setnx(session: Session, key: bytes, value: bytes) -> Reply:
    """Set the string value of a key, if the key does not exist."""
    if session.db.lookup(key) is not None:
        return 0
    session.db.set(key, value)
    return 1


@strings.command("SETEX", since="2.0.0", flags="write denyoom", keys=first("OW update"))
def setex(session: Session, key: bytes, seconds: bytes, value: bytes) -> Reply:
    """Set the string value of a key and its time to live in seconds."""
    return _set_until(session, key, value, future_deadline(session, seconds, 1000, False, "setex"))


@strings.command("PSETEX", since="2.6.0", flags="write denyoom", keys=first("OW update"))
def psetex(session: Session, key: bytes, milliseconds: bytes, value: bytes) -> Reply:
    """Set the string value of a key and its time to live in milliseconds."""
    return _set_until(session, key, value, future_deadline(session, milliseconds, 1, False, "psetex"))


def _set_until(session: Session, key: bytes, value: bytes, deadline: int) -> Reply:
    session.db.set(key, value, deadline)
    _tell_deadline(session, key, deadline)
    _log_set_until(session, key, value, deadline)
    return OK


def _tell_deadline(session: Session, key: bytes, deadline: int) -> None:
    """Report that a key that was set has got a deadline, or has expired at once."""
    if session.db.report is not None:
        session.db.tell(b"expire", key)
        if session.db.has_passed(deadline):
            session.db.tell(b"expired", key)


@strings.command(
    "GETEX",
    since="6.2.0",
    flags="write fast",
    keys=first("RW access update", notes="RW and UPDATE because it changes the TTL"),
    tells_after="del expire persist",
)
def getex(session: Session, key: bytes, *words: bytes) -> Reply:
    """Return the string value of a key, and set or remove its deadline."""
    options = ValueOptions.parse(words, (b"PERSIST",))
    value = session.db.read_as(key, bytes)
    if value is None:
        return None
    deadline = options.deadline(session, "getex")
    if deadline is not None:
        expire_at(session, key, deadline)
    elif options.persist and session.db.persist(key):
        session.journal(b"PERSIST", key)
    return value


@strings.command(
    "GETSET",
    since="1.0.0",
    flags="write denyoom fast",
    keys=first("RW access update"),
    doc_flags="deprecated",
    tells_after="new set",
)
def getset(session: Session, key: bytes, value: bytes) -> Reply:
    """Set the string value of a key and return the one it had."""
    old = session.db.read_as(key, bytes)
    session.db.set(key, value)
    session.journal(b"SET", key, value)
    return old


@strings.command("GETDEL", since="6.2.0", flags="write fast", keys=first("RW access delete"), tells_after="del")
def getdel(session: Session, key: bytes) -> Reply:
    """Return the string value of a key and delete the key."""
    value = session.db.read_as(key, bytes)
    if value is not None:
        session.db.delete(key)
        session.journal(b"DEL", key)
    return value


@strings.command(
    "MGET",
    since="1.0.0",
    flags="readonly fast",
    keys=every("RO access"),
    tips="request_policy:multi_shard",
    complexity="O(N) where N is the number of keys to retrieve.",
)
def mget(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Return the string values of keys, with null for each key that holds no string."""
    values = map(session.db.read, (key, *keys))
    return [value if type(value) is bytes else string_bytes(value) for value in values]


@strings.command(
    "MSET",
    since="1.0.1",
    flags="write denyoom",
    keys=every("OW update", step=2),
    tips="request_policy:multi_shard response_policy:all_succeeded",
    complexity="O(N) where N is the number of keys to set.",
)
def mset(session: Session, key: bytes, value: bytes, *more: bytes) -> Reply:
    """Set the string values of several keys."""
    if len(more) % 2:
        raise ArityError("mset")
    session.db.set(key, value)
    for index in range(0, len(more), 2):
        session.db.set(more[index], more[index + 1])
    return OK


@strings.command(
    "MSETNX",
    since="1.0.1",
    flags="write denyoom",
    keys=every("OW insert", step=2),
    tips="request_policy:multi_shard response_policy:agg_min",
    complexity="O(N)",
)
def msetnx(session: Session, key: bytes, value: bytes, *more: bytes) -> Reply:
    """Set the string values of several keys, if none of the keys exists."""
    if len(more) % 2:
        raise ArityError("msetnx")
    pairs = (key, value, *more)
    if any(session.db.lookup(each) is not None for each in pairs[::2]):
        return 0
    for each, each_value in zip(pairs[::2], pairs[1::2]):
        session.db.set(each, each_value)
    return 1


@strings.command(
    "APPEND",
    since="2.0.0",
    flags="write denyoom fast",
    keys=first("RW insert"),
)
def append(session: Session, key: bytes, value: bytes) -> Reply:
    """Append bytes to the string value of a key, and return its new length."""
    old = session.db.lookup(key)
    if old is None:
        session.db.set(key, value, event=b"append")
        return len(value)
    if not isinstance(old, (bytes, LongString)):
        raise WrongTypeError
    check_string_size(session, len(old) + len(value))
    return session.db.write_string(key, len(old), value, b"append")


def check_string_size(session: Session, size: int) -> None:
    """Raise `CommandError` if a string would be longer than `proto-max-bulk-len`."""
    if size > session.server.settings.proto_max_bulk_len:
        raise CommandError(STRING_TOO_LONG)


@strings.command(
    "SETRANGE",
    since="2.2.0",
    flags="write denyoom",
    keys=first("RW update"),
)
def setrange(session: Session, key: bytes, offset: bytes, value: bytes) -> Reply:
    """Overwrite part of the string value of a key from an offset on, and return its new length."""
    start = integer(offset)
    if start < 0:
        raise CommandError("offset is out of range")
    old = session.db.lookup(key)
    if not (old is None or isinstance(old, (bytes, LongString))):
        raise WrongTypeError
    if not value:
        return 0 if old is None else len(old)
    check_string_size(session, start + len(value))
    return session.db.write_string(key, start, value, b"setrange")


def _range(session: Session, key: bytes, start: bytes, end: bytes) -> bytes:
    first, last = integer(start), integer(end)
    value = session.db.read_string(key)
    if first < 0 and last < 0 and first > last:
        return b""
    size = len(value)
    first = max(0, first + size if first < 0 else first)
    last = min(size - 1, max(0, last + size) if last < 0 else last)
    if first > last:
        return b""
    return value[first : last + 1] if isinstance(value, bytes) else value.slice(first, last + 1)


@strings.command(
    "GETRANGE",
    since="2.4.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def getrange(session: Session, key: bytes, start: bytes, end: bytes) -> Reply:
    """Return a substring of the string value of a key."""
    return _range(session, key, start, end)


@strings.command(
    "SUBSTR",
    since="1.0.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
    doc_flags="deprecated",
)
def substr(session: Session, key: bytes, start: bytes, end: bytes) -> Reply:
    """Return a substring of the string value of a key, as GETRANGE does."""
    return _range(session, key, start, end)


@strings.command("STRLEN", since="2.2.0", flags="readonly fast", keys=first("RO"))
def strlen(session: Session, key: bytes) -> Reply:
    """Return the length of the string value of a key."""
    return len(session.db.read_string(key))


def _counter(name: str, since: str) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
    return strings.command(name, since=since, flags="write denyoom fast", keys=first("RW access update"))


@_counter("INCR", "1.0.0")
def incr(session: Session, key: bytes) -> Reply:
    """Increment the integer value of a key by one, and return it."""
    return _add(session, key, 1)


@_counter("DECR", "1.0.0")
def decr(session: Session, key: bytes) -> Reply:
    """Decrement the integer value of a key by one, and return it."""
    return _add(session, key, -1)


@_counter("INCRBY", "1.0.0")
def incrby(session: Session, key: bytes, increment: bytes) -> Reply:
    """Add a number to the integer value of a key, and return the sum."""
    return _add(session, key, integer(increment))


@_counter("DECRBY", "1.0.0")
def decrby(session: Session, key: bytes, decrement: bytes) -> Reply:
    """Subtract a number from the integer value of a key, and return the difference."""
    amount = integer(decrement)
    if amount == INT64_MIN:
        raise CommandError("decrement would overflow")
    return _add(session, key, -amount)


def _add(session: Session, key: bytes, amount: int) -> int:
    old = session.db.lookup_as(key, bytes)
    total = integer(b"0" if old is None else old) + amount
    if not INT64_MIN <= total <= INT64_MAX:
        raise CommandError(OVERFLOW)
    session.db.set(key, b"%d" % total, keep_deadline=True, event=b"incrby")
    return total


@_counter("INCRBYFLOAT", "2.6.0")
def incrbyfloat(session: Session, key: bytes, increment: bytes) -> Reply:
    """Add a number to the floating-point value of a key, with C's 80-bit precision."""
    old = session.db.lookup_as(key, bytes)
    try:
        start = parse_long_double(b"0" if old is None else old)
        amount = parse_long_double(increment)
    except ValueError:
        raise CommandError(NOT_A_FLOAT) from None
    try:
        if start is None or amount is None:
            raise OverflowError
        total = round_long_double(start + amount)
    except OverflowError:
        raise CommandError("increment would produce NaN or Infinity") from None
    value = format_long_double(total)
    session.db.set(key, Computed(value), keep_deadline=True, event=b"incrbyfloat")
    session.journal(b"SET", key, value, b"KEEPTTL")
    return value
