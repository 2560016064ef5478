"""DEBUG: what tests of clients and of this server need, and no other user should have."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Callable, Final, Iterable, Mapping

from twisted_kv.commands.objects import encoding, references
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group
from twisted_kv.rdb.payload import dump, restore
from twisted_kv.sessions.session import Session
from twisted_kv.settings.kinds import parse_memory
from twisted_kv.store.database import Database
from twisted_kv.store.entries import TYPE_NAMES, Value
from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List
from twisted_kv.values.long_strings import LongString
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.values.stream_nodes import LAST_ID, id_parts
from twisted_kv.vocabulary.errors import CommandError, as_text, c_string, c_text
from twisted_kv.vocabulary.numbers import format_double
from twisted_kv.vocabulary.replies import OK, Reply, Status
from twisted_kv.vocabulary.waiting import Promise

debugging = Group("server")

_RELOAD_OPTIONS: Final = (b"MERGE", b"NOFLUSH", b"NOSAVE")
_TYPE_NUMBERS: Final = {b"string": 0, b"list": 1, b"set": 2, b"zset": 3, b"hash": 4, b"stream": 6}
_LEADING_NUMBER: Final = re.compile(rb"\s*[+]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LONGEST_SLEEP: Final = 1e9
"""Seconds; a timer can only be set to a limited time."""
_MOST_PACKED: Final = (4 << 30) - (1 << 20)


def check_allowed(session: Session) -> None:
    """Raise `CommandError` if this session may not use DEBUG."""
    allowed = session.server.settings.enable_debug_command
    if allowed != "yes" and not (allowed == "local" and _is_local(session)):
        raise CommandError(
            'DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a '
            "local connection, otherwise you need to set this option in the configuration file, and then restart the "
            "server."
        )


def _is_local(session: Session) -> bool:
    if session.link is None:
        return session.trusted
    peer = session.link.peer
    return peer.startswith(("127.", "/", "[::1]", "::1"))


@debugging.command(
    "DEBUG",
    doc_flags="syscmd",
    since="1.0.0",
    flags="admin noscript loading stale",
    complexity="Depends on subcommand.",
    lasting=Lasting.SESSION,
    allowed=check_allowed,
)
def debug(session: Session, subcommand: bytes, *words: bytes) -> Reply:
    """Inspect the server or change how it works, if the setting enable-debug-command allows it."""
    name = subcommand.upper()
    known = _SUBCOMMANDS.get(name)
    if known is None or not known[0] <= len(words) <= known[1]:
        raise CommandError(
            f"unknown subcommand or wrong number of arguments for '{c_text(subcommand)[:128]}'. Try DEBUG HELP."
        )
    return known[2](session, *words)


def _help(session: Session) -> Reply:
    lines = ["DEBUG <subcommand> [<arg> ...]. Subcommands are:", *sorted(name.decode() for name in _SUBCOMMANDS)]
    return [Status(line.encode()) for line in lines]


def _sleep(session: Session, seconds: bytes) -> Reply:
    """Make this client wait; all others are served meanwhile, unlike in Redis."""
    session.must_wait("debug|sleep")
    promise = Promise()
    number = _LEADING_NUMBER.match(seconds)
    delay = min(float(number.group()), _LONGEST_SLEEP) if number is not None else 0.0
    call = session.server.now.clock.callLater(delay, promise.resolve, OK)
    promise.abandon = call.cancel
    return promise


def _value(session: Session, key: bytes) -> Value:
    value = session.db.peek(key)
    if value is None:
        raise CommandError("no such key")
    return value


def _object(session: Session, key: bytes, *words: bytes) -> Reply:
    value = _value(session, key)
    facts = f"Value at:0x{id(value):x} refcount:{references(session, value)} encoding:{encoding(value).decode()}"
    size = len(dump(value, session.db.packing)) - 10
    return Status(f"{facts} serializedlength:{size} lru:0 lru_seconds_idle:0".encode())


def _set_active_expire(session: Session, flag: bytes) -> Reply:
    session.server.services.upkeep.set_active_expire(flag.strip() not in (b"0", b""))
    return OK


def _packed_threshold(session: Session, size: bytes) -> Reply:
    """Accept Redis's threshold for storing lists, which are stored differently here."""
    try:
        if parse_memory(as_text(size)) <= _MOST_PACKED:
            return OK
    except ValueError:
        pass
    raise CommandError("argument must be a memory value bigger than 1 and smaller than 4gb")


def _reload(session: Session, *words: bytes) -> Reply:
    """Encode every value as in a file, and decode it again."""
    if any(c_string(each).upper() not in _RELOAD_OPTIONS for each in words):
        raise CommandError("DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    if words:
        raise CommandError("DEBUG RELOAD takes no options here: nothing is read from a file")
    for database in session.server.databases:
        for key in list(database.live_keys()):
            value = database.peek(key)
            assert value is not None  # it is one of the live keys, and the time does not change meanwhile
            database.reload(key, restore(dump(value, database.packing), packing=database.packing))
    return OK


def _loadaof(session: Session) -> Reply:
    persistence = session.server.services.persistence
    if persistence.takes_time:
        session.must_wait("debug|loadaof")
    return persistence.reload()


# Digests


def _sha(data: bytes) -> int:
    return int.from_bytes(hashlib.sha1(data, usedforsecurity=False).digest(), "big")


def _mixed(digest: int, *parts: bytes) -> int:
    """Add parts to a digest so that their order matters."""
    for part in parts:
        digest = _sha((digest ^ _sha(part)).to_bytes(20, "big"))
    return digest


def _without_order(digest: int, pairs: Iterable[tuple[bytes, bytes]]) -> int:
    """Add pairs to a digest so that their order does not matter."""
    for pair in pairs:
        digest ^= _sha(_mixed(0, *pair).to_bytes(20, "big"))
    return digest


def _value_digest(digest: int, database: Database, key: bytes, value: Value) -> int:
    """Add a value, and whether its key has a deadline, to a digest, as Redis does (xorObjectDigest)."""
    digest = _mixed(digest, _TYPE_NUMBERS[TYPE_NAMES[type(value)]].to_bytes(4, "big"))
    if isinstance(value, bytes):
        digest = _mixed(digest, value)
    elif isinstance(value, LongString):
        digest = _mixed(digest, value.joined())
    elif isinstance(value, List):
        digest = _mixed(digest, *value)
    elif isinstance(value, Set):
        for member in value:
            digest ^= _sha(member)
    elif isinstance(value, SortedSet):
        digest = _without_order(digest, ((member, format_double(score)) for score, member in value.order))
    elif isinstance(value, Hash):
        digest = _without_order(digest, value.items())
    else:
        for entry_id, fields in value.range(0, LAST_ID):
            digest = _mixed(digest, b"%d.%d" % id_parts(entry_id), *fields)
    if database.deadline(key) is not None:
        digest ^= _sha(b"!!expire!!")
    return digest


def _digest(session: Session) -> Reply:
    digest = 0
    for database in session.server.databases:
        if not len(database):
            continue
        digest = _mixed(digest, database.index.to_bytes(4, "big"))
        for key in database.live_keys():
            value = database.peek(key)
            assert value is not None  # as above
            digest ^= _sha(_value_digest(_mixed(0, key), database, key, value).to_bytes(20, "big"))
    return Status(b"%040x" % digest)


def _digest_value(session: Session, *keys: bytes) -> Reply:
    digests = []
    for key in keys:
        value = session.db.peek(key)
        digests.append(Status(b"%040x" % (0 if value is None else _value_digest(0, session.db, key, value))))
    return digests


_MANY: Final = math.inf
_SUBCOMMANDS: Final[Mapping[bytes, tuple[int, float, Callable[..., Reply]]]] = {
    b"SLEEP": (1, 1, _sleep),
    b"OBJECT": (1, 2, _object),
    b"SET-ACTIVE-EXPIRE": (1, 1, _set_active_expire),
    b"DIGEST": (0, 0, _digest),
    b"DIGEST-VALUE": (0, _MANY, _digest_value),
    b"RELOAD": (0, _MANY, _reload),
    b"LOADAOF": (0, 0, _loadaof),
    b"QUICKLIST-PACKED-THRESHOLD": (1, 1, _packed_threshold),
    b"HELP": (0, 0, _help),
}
"""The minimum and maximum number of arguments of each subcommand, and its function."""
