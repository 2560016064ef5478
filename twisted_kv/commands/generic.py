"""Commands on keys of any type."""

from __future__ import annotations

import attrs

from twisted_kv.commands.connection import database_number, database_of
from twisted_kv.commands.expiration import deadline, expire_at
from twisted_kv.commands.scanning import ScanOptions, read_cursor
from twisted_kv.declaring.arguments import Arguments, integer
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, every, first, second
from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.errors import LostValueError, RdbError
from twisted_kv.rdb.payload import dump as payload_of
from twisted_kv.rdb.payload import is_sound
from twisted_kv.rdb.payload import restore as value_of
from twisted_kv.rdb.uses import Use, mark_of
from twisted_kv.sessions.session import Session
from twisted_kv.store.entries import TYPE_NAMES
from twisted_kv.store.usage import MOST_COUNT
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, PayloadError, c_string, c_text
from twisted_kv.vocabulary.glob import compile_pattern
from twisted_kv.vocabulary.numbers import INT64_MAX
from twisted_kv.vocabulary.replies import OK, Reply, Status
from twisted_kv.vocabulary.waiting import Block

generic = Group("generic", category="keyspace")

_SUM = "request_policy:multi_shard response_policy:agg_sum"


@generic.command(
    "DEL",
    since="1.0.0",
    flags="write",
    keys=every("RM delete"),
    tips=_SUM,
    complexity="O(N) where N is the number of keys that will be removed.",
)
def del_(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Delete keys, and return how many existed."""
    return _delete(session, (key, *keys))


@generic.command(
    "UNLINK",
    since="4.0.0",
    flags="write fast",
    keys=every("RM delete"),
    tips=_SUM,
    complexity="O(1) for each key removed regardless of its size.",
)
def unlink(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Delete keys as DEL does: neither command waits until the memory of a large value is released."""
    return _delete(session, (key, *keys))


def _delete(session: Session, keys: tuple[bytes, ...]) -> int:
    return sum(session.db.delete(key) for key in keys)


@generic.command(
    "EXISTS",
    since="1.0.0",
    flags="readonly fast",
    keys=every("RO"),
    tips=_SUM,
    complexity="O(N) where N is the number of keys to check.",
)
def exists(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Return how many of the keys exist; a key that is named twice counts twice."""
    return sum(session.db.read(each, use=False) is not None for each in (key, *keys))


@generic.command(
    "TOUCH",
    since="3.2.1",
    flags="readonly fast",
    keys=every("RO"),
    tips=_SUM,
    complexity="O(N) where N is the number of keys that will be touched.",
)
def touch(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Mark keys as used now, and return how many exist."""
    return sum(session.db.read(each) is not None for each in (key, *keys))


@generic.command("TYPE", since="1.0.0", flags="readonly fast", keys=first("RO"))
def type_(session: Session, key: bytes) -> Reply:
    """Return the name of the type of a key's value."""
    return Status(session.db.type_name(key))


@attrs.define
class ExpireCondition:
    """The condition under which another deadline may replace a key's deadline."""

    only_without: bool = False
    only_with: bool = False
    only_later: bool = False
    only_earlier: bool = False

    @classmethod
    def parse(cls, words: tuple[bytes, ...]) -> ExpireCondition:
        """Parse NX, XX, GT and LT."""
        condition = cls()
        for argument in words:
            option = c_string(argument).upper()
            if option == b"NX":
                condition.only_without = True
            elif option == b"XX":
                condition.only_with = True
            elif option == b"GT":
                condition.only_later = True
            elif option == b"LT":
                condition.only_earlier = True
            else:
                raise CommandError(f"Unsupported option {c_text(argument)}")
        if condition.only_without and (condition.only_with or condition.only_later or condition.only_earlier):
            raise CommandError("NX and XX, GT or LT options at the same time are not compatible")
        if condition.only_later and condition.only_earlier:
            raise CommandError("GT and LT options at the same time are not compatible")
        return condition

    def allows(self, old: int | None, new: int) -> bool:
        """Return whether a new deadline may replace an old one; no deadline counts as later than any."""
        if old is None:
            return not (self.only_with or self.only_later)
        if self.only_without or (self.only_later and new <= old):
            return False
        return not (self.only_earlier and new >= old)


def _expire_at(session: Session, key: bytes, when: int, condition: ExpireCondition, words: tuple[bytes, ...]) -> Reply:
    if session.db.lookup(key) is None or not condition.allows(session.db.deadline(key), when):
        return 0
    expire_at(session, key, when, *words)
    return 1


@generic.command("EXPIRE", since="1.0.0", flags="write fast", keys=first("RW update"), tells_after="expire")
def expire(session: Session, key: bytes, seconds: bytes, *words: bytes) -> Reply:
    """Set a key to expire after some seconds."""
    condition = ExpireCondition.parse(words)
    return _expire_at(session, key, deadline(session, seconds, 1000, False, "expire"), condition, words)


@generic.command("PEXPIRE", since="2.6.0", flags="write fast", keys=first("RW update"), tells_after="expire")
def pexpire(session: Session, key: bytes, milliseconds: bytes, *words: bytes) -> Reply:
    """Set a key to expire after some milliseconds."""
    condition = ExpireCondition.parse(words)
    return _expire_at(session, key, deadline(session, milliseconds, 1, False, "pexpire"), condition, words)


@generic.command("EXPIREAT", since="1.2.0", flags="write fast", keys=first("RW update"), tells_after="expire")
def expireat(session: Session, key: bytes, seconds: bytes, *words: bytes) -> Reply:
    """Set a key to expire at a date in seconds since 1970."""
    condition = ExpireCondition.parse(words)
    return _expire_at(session, key, deadline(session, seconds, 1000, True, "expireat"), condition, words)


@generic.command("PEXPIREAT", since="2.6.0", flags="write fast", keys=first("RW update"), tells_after="expire")
def pexpireat(session: Session, key: bytes, milliseconds: bytes, *words: bytes) -> Reply:
    """Set a key to expire at a date in milliseconds since 1970."""
    condition = ExpireCondition.parse(words)
    return _expire_at(session, key, deadline(session, milliseconds, 1, True, "pexpireat"), condition, words)


@generic.command("TTL", since="1.0.0", flags="readonly fast", keys=first("RO access"), tips="nondeterministic_output")
def ttl(session: Session, key: bytes) -> Reply:
    """Return a key's TTL in seconds: -1 if it has no deadline, -2 if there is no such key."""
    milliseconds = _ttl_reply(session, key)
    return milliseconds if milliseconds < 0 else (milliseconds + 500) // 1000


@generic.command("PTTL", since="2.6.0", flags="readonly fast", keys=first("RO access"), tips="nondeterministic_output")
def pttl(session: Session, key: bytes) -> Reply:
    """Return a key's TTL in milliseconds: -1 if it has no deadline, -2 if there is no such key."""
    return _ttl_reply(session, key)


def _ttl_reply(session: Session, key: bytes) -> int:
    if session.db.read(key, use=False) is None:
        return -2
    when = session.db.deadline(key)
    return -1 if when is None else when - session.now


@generic.command("PERSIST", since="2.2.0", flags="write fast", keys=first("RW update"))
def persist(session: Session, key: bytes) -> Reply:
    """Remove a key's deadline; return 1 if it had one."""
    return int(session.db.persist(key))


@generic.command(
    "EXPIRETIME",
    since="7.0.0",
    flags="readonly fast",
    keys=first("RO access"),
)
def expiretime(session: Session, key: bytes) -> Reply:
    """Return a key's deadline in seconds since 1970: -1 if it has none, -2 if there is no such key."""
    when = _deadline_reply(session, key)
    return when if when < 0 else (when + 500) // 1000


@generic.command(
    "PEXPIRETIME",
    since="7.0.0",
    flags="readonly fast",
    keys=first("RO access"),
)
def pexpiretime(session: Session, key: bytes) -> Reply:
    """Return a key's deadline in milliseconds since 1970: -1 if it has none, -2 if there is no such key."""
    return _deadline_reply(session, key)


def _deadline_reply(session: Session, key: bytes) -> int:
    if session.db.read(key, use=False) is None:
        return -2
    when = session.db.deadline(key)
    return -1 if when is None else when


@generic.command("RENAME", since="1.0.0", flags="write", keys=first("RW access delete") + second("OW update"))
def rename(session: Session, key: bytes, new_key: bytes) -> Reply:
    """Rename a key, replacing any key that has the new name."""
    if session.db.lookup(key) is None:
        raise CommandError("no such key")
    if key != new_key:
        session.db.rename(key, new_key)
    return OK


@generic.command(
    "RENAMENX",
    since="1.0.0",
    flags="write fast",
    keys=first("RW access delete") + second("OW insert"),
)
def renamenx(session: Session, key: bytes, new_key: bytes) -> Reply:
    """Rename a key, unless a key has the new name."""
    if session.db.lookup(key) is None:
        raise CommandError("no such key")
    if key == new_key or session.db.lookup(new_key) is not None:
        return 0
    session.db.rename(key, new_key)
    return 1


_SAME = "source and destination objects are the same"


@generic.command(
    "MOVE",
    since="1.0.0",
    flags="write fast",
    keys=first("RW access update"),
)
def move(session: Session, key: bytes, database: bytes) -> Reply:
    """Move a key to another database, unless a key has the same name there."""
    other = database_of(session, database_number(database))
    if other is session.db:
        raise CommandError(_SAME)
    return int(session.db.move(key, other))


@generic.command(
    "COPY",
    since="6.2.0",
    flags="write denyoom",
    keys=first("RO access") + second("OW update"),
    complexity="O(N)",
)
def copy(session: Session, source: bytes, destination: bytes, *words: bytes) -> Reply:
    """Copy the value and the deadline of a key to another key."""
    target, replace = session.db, False
    arguments = Arguments(words)
    while arguments:
        if arguments.takes(b"REPLACE"):
            replace = True
        elif arguments.left >= 2 and arguments.takes(b"DB"):
            target = database_of(session, database_number(arguments.word()))
        else:
            raise CommandError(SYNTAX)
    if target is session.db and source == destination:
        raise CommandError(_SAME)
    value = session.db.read(source)
    if value is None or (target.lookup(destination) is not None and not replace):
        return 0
    copied = value if isinstance(value, bytes) else value.copy()
    target.make(destination, copied, session.db.deadline(source), b"copy_to")
    if target is not session.db:
        session.journal(b"COPY", source, destination, *words)
    return 1


@generic.command(
    "WAIT",
    since="3.0.0",
    flags="noscript",
    categories="connection",
    tips="request_policy:all_shards response_policy:agg_min",
    lasting=Lasting.SESSION,
    waits=True,
)
def wait(session: Session, numreplicas: bytes, timeout: bytes) -> Reply:
    """Wait until replicas have confirmed the writes, and return how many have: there are none, so the time is up."""
    wanted = integer(numreplicas)
    milliseconds = integer(timeout, "timeout is not an integer or out of range")
    if milliseconds < 0:
        raise CommandError("timeout is negative")
    if wanted <= 0:
        return 0
    return Block((), type(None), milliseconds, lambda key: (), 0, late=0)


@generic.command(
    "DUMP",
    since="2.6.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output",
    complexity="O(N) where N is the size of the value.",
)
def dump(session: Session, key: bytes) -> Reply:
    """Return the value of a key in a serialized form that RESTORE accepts, here or in Redis."""
    value = session.db.read(key)
    return None if value is None else payload_of(value, session.db.packing)


@attrs.define
class RestoreOptions:
    """The options of RESTORE."""

    replace: bool = False
    absolute: bool = False
    use: Use = None

    @classmethod
    def parse(cls, words: tuple[bytes, ...]) -> RestoreOptions:
        """Parse REPLACE, ABSTTL, IDLETIME and FREQ; the last two exclude each other."""
        options = cls()
        arguments = Arguments(words)
        while arguments:
            option = arguments.option()
            other = None if options.use is None else options.use[0]
            if option == b"REPLACE":
                options.replace = True
            elif option == b"ABSTTL":
                options.absolute = True
            elif option == b"IDLETIME" and arguments and other != rdb.FREQUENCY:
                options.use = rdb.IDLE, arguments.integer()
                if options.use[1] < 0:
                    raise CommandError("Invalid IDLETIME value, must be >= 0")
            elif option == b"FREQ" and arguments and other != rdb.IDLE:
                options.use = rdb.FREQUENCY, arguments.integer()
                if not 0 <= options.use[1] <= MOST_COUNT:
                    raise CommandError("Invalid FREQ value, must be >= 0 and <= 255")
            else:
                raise CommandError(SYNTAX)
        return options


def _must_be_sound(session: Session) -> bool:
    """Return whether a restored value must be checked for consistency; a replayed journal is not a client."""
    sanitize = session.server.settings.sanitize_dump_payload
    return sanitize == "yes" or (sanitize == "clients" and not session.is_replay)


@generic.command(
    "RESTORE",
    since="2.6.0",
    flags="write denyoom",
    keys=first("OW update"),
    categories="keyspace dangerous",
    complexity="O(N) where N is the size of the value.",
)
def restore(session: Session, key: bytes, ttl: bytes, payload: bytes, *words: bytes) -> Reply:
    """Set a key to a value that DUMP returned."""
    options = RestoreOptions.parse(words)
    if not options.replace and session.db.lookup(key) is not None:
        raise CommandError("Target key name already exists.", "BUSYKEY")
    time = integer(ttl)
    if time < 0:
        raise CommandError("Invalid TTL value, must be >= 0")
    if not is_sound(payload):
        raise CommandError("DUMP payload version or checksum are wrong")
    try:
        value = value_of(payload, is_deep=_must_be_sound(session), packing=session.db.packing)
    except LostValueError as error:
        raise PayloadError(str(error)) from None
    except RdbError:
        raise PayloadError from None
    deadline = None if not time else time if options.absolute else session.now + time
    if deadline is not None and (deadline > INT64_MAX or session.db.has_passed(deadline)):
        if session.db.delete(key):
            session.journal(b"DEL", key)
        return OK
    session.db.make(key, value, deadline, b"restore")
    mark = mark_of(session.db.usage, options.use)
    if mark is not None:
        session.db.set_mark(key, mark)
    if deadline is not None:
        absolute = () if options.absolute else (b"ABSTTL",)
        session.journal(b"RESTORE", key, b"%d" % deadline, payload, *words, *absolute)
    return OK


@generic.command("RANDOMKEY", since="1.0.0", flags="readonly", tips="request_policy:all_shards nondeterministic_output")
def randomkey(session: Session) -> Reply:
    """Return a random key."""
    return session.db.random_key()


@generic.command(
    "KEYS",
    since="1.0.0",
    flags="readonly",
    categories="keyspace dangerous",
    tips="request_policy:all_shards nondeterministic_output_order",
    complexity="O(N) with N being the number of keys in the database.",
)
def keys(session: Session, pattern: bytes) -> Reply:
    """Return all keys that match a pattern."""
    matches = compile_pattern(pattern)
    return [key for key in session.db.live_keys() if matches(key)]


@generic.command(
    "SCAN",
    since="2.8.0",
    flags="readonly",
    tips="nondeterministic_output request_policy:special",
    complexity="O(1) for every call. O(N) for a complete iteration.",
)
def scan(session: Session, cursor: bytes, *words: bytes) -> Reply:
    """Return some of the keys, and the cursor for the next call."""
    start = read_cursor(cursor)
    options = ScanOptions.parse(words, with_type=True)
    following, items = session.db.scan(start, options.count)
    if options.type_name is not None:
        items = [item for item in items if TYPE_NAMES[type(item[1])] == options.type_name]
    return [b"%d" % following, [key for key, _ in items if options.matches(key)]]
