"""OBJECT and MEMORY: how a value is encoded, how it is used, and how much memory it takes."""

from __future__ import annotations

from typing import Final

from twisted_kv.declaring.arguments import Arguments
from twisted_kv.declaring.groups import Group, second
from twisted_kv.sessions.session import Session
from twisted_kv.store.entries import Value
from twisted_kv.store.usage import LastUse, UseCount
from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List
from twisted_kv.values.long_strings import LongString
from twisted_kv.values.sets import Set
from twisted_kv.values.short_strings import EMBEDDED_BYTES, Computed, Raw
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.vocabulary.errors import SYNTAX, CommandError
from twisted_kv.vocabulary.numbers import INT32_MAX, parse_integer
from twisted_kv.vocabulary.replies import Reply

objects = Group("generic", category="keyspace")
memory = Group("server")

objects.container("OBJECT", since="2.2.3", help_since="6.2.0", summary="Inspect how the value of a key is stored.")

_SHARED_NUMBERS: Final = 10_000
"""How many numbers, from 0 on, Redis stores once for all keys."""


def encoding(value: Value) -> bytes:
    """Return how Redis would encode a value: derived, because values are stored differently here."""
    if isinstance(value, bytes) and not isinstance(value, Raw) and len(value) <= EMBEDDED_BYTES:
        return b"int" if not isinstance(value, Computed) and parse_integer(value) is not None else b"embstr"
    if isinstance(value, (bytes, LongString)):
        return b"raw"
    if isinstance(value, List):
        return b"quicklist"
    if isinstance(value, Hash):
        return b"listpack" if value.is_packed else b"hashtable"
    if isinstance(value, Set):
        return b"intset" if value.is_packed else b"hashtable"
    if isinstance(value, SortedSet):
        return b"listpack" if value.is_packed else b"skiplist"
    return b"stream"


def references(session: Session, value: Value) -> int:
    """Return how many references to a value Redis would count."""
    number = parse_integer(value) if type(value) is bytes else None
    is_shared = number is not None and 0 <= number < _SHARED_NUMBERS
    keeps_own = session.server.settings.maxmemory and not session.server.settings.maxmemory_policy.endswith(
        ("-random", "-ttl", "noeviction")
    )
    return INT32_MAX if is_shared and not keeps_own else 1


@objects.command(
    "OBJECT ENCODING",
    since="2.2.3",
    flags="readonly",
    keys=second("RO"),
    tips="nondeterministic_output",
)
def object_encoding(session: Session, key: bytes) -> Reply:
    """Return how Redis would encode the value of a key."""
    value = session.db.peek(key)
    return None if value is None else encoding(value)


@objects.command(
    "OBJECT REFCOUNT",
    since="2.2.3",
    flags="readonly",
    keys=second("RO"),
    tips="nondeterministic_output",
)
def object_refcount(session: Session, key: bytes) -> Reply:
    """Return how many references to the value of a key Redis would count."""
    value = session.db.peek(key)
    return None if value is None else references(session, value)


@objects.command(
    "OBJECT IDLETIME",
    since="2.2.3",
    flags="readonly",
    keys=second("RO"),
    tips="nondeterministic_output",
)
def object_idletime(session: Session, key: bytes) -> Reply:
    """Return for how many seconds a key was not used; this is tracked from the first such request on."""
    database = session.db
    if database.peek(key) is None:
        return None
    if isinstance(database.usage, UseCount):
        raise CommandError(
            "An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between "
            "policies at runtime LRU and LFU data will take some time to adjust."
        )
    if database.usage is None:
        session.server.services.upkeep.track_use()
    assert isinstance(database.usage, LastUse)
    return database.usage.idleness(database.mark(key)) // 1000


@objects.command(
    "OBJECT FREQ",
    since="4.0.0",
    flags="readonly",
    keys=second("RO"),
    tips="nondeterministic_output",
)
def object_freq(session: Session, key: bytes) -> Reply:
    """Return a key's use count, which the LFU policies maintain, from 0 to 255."""
    database = session.db
    if database.peek(key) is None:
        return None
    if not isinstance(database.usage, UseCount):
        raise CommandError(
            "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
            "between policies at runtime LRU and LFU data will take some time to adjust."
        )
    return database.usage.count(database.mark(key))


memory.container("MEMORY", since="4.0.0", help_since="4.0.0", summary="Report what memory is used for.")


@memory.command(
    "MEMORY USAGE",
    since="4.0.0",
    flags="readonly",
    keys=second("RO"),
    complexity="O(N)",
)
def memory_usage(session: Session, key: bytes, *words: bytes) -> Reply:
    """Return approximately how many bytes a key and its value take in this server."""
    arguments = Arguments(words)
    while arguments:
        if arguments.left < 2 or not arguments.takes(b"SAMPLES"):
            raise CommandError(SYNTAX)
        if arguments.integer() < 0:
            raise CommandError(SYNTAX)
    return session.db.weight(key)
