"""Commands of an embedder, as the tests of what clients are owed need them: they push, and they answer later."""

from __future__ import annotations

from typing import Any, Callable

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, every, first
from twisted_kv.sessions.session import Session
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import OK, Push, Reply
from twisted_kv.vocabulary.waiting import Promise

own = Group("own")

promises: dict[bytes, Promise] = {}
"""What LATER and HELD have promised last, by the name that they were given."""


@own.command("PUSH", flags="fast", since="1.0.0")
def push(session: Session, message: bytes) -> Reply:
    """Push a message to all connections."""
    for each in session.server.sessions.values():
        each.push(Push([b"message", message]))
    return OK


@own.command("SETPUSH", flags="write fast", since="1.0.0")
def setpush(session: Session, key: bytes, value: bytes) -> Reply:
    """Push a value to all connections, and then set it."""
    push(session, value)
    session.db.set(key, value)
    return OK


@own.command("LATER", flags="fast", since="1.0.0")
def later(session: Session, name: bytes) -> Reply:
    """Answer when the test says so; what is asked after it is answered before."""
    promises[name] = promise = Promise(holds=False)
    promise.abandon = lambda: promises.pop(name, None)
    return promise


@own.command("HELD", flags="fast", since="1.0.0")
def held(session: Session, name: bytes) -> Reply:
    """Answer when the test says so; nothing that is asked after it is run before."""
    promises[name] = promise = Promise()
    promise.abandon = lambda: promises.pop(name, None)
    return promise


@own.command("LATERKEY", flags="write fast", keys=first("RW update"), since="1.0.0")
def laterkey(session: Session, key: bytes, holds: bytes) -> Reply:
    """Set a key and answer as LATER or HELD does: requests of it may be run together."""
    session.db.set(key, b"later")
    promises[key] = promise = Promise(holds=holds == b"1")
    promise.abandon = lambda: promises.pop(key, None)
    return promise


@own.command("AGREED", flags="fast", since="1.0.0")
def agreed(session: Session, number: bytes) -> Reply:
    """Return a promise that is resolved already."""
    promise = Promise(holds=bool(int(number) & 1))
    promise.resolve(int(number))
    return promise


@own.command("NONSENSE", since="1.0.0")
def nonsense(session: Session) -> Reply:
    """Return a value that is no reply."""
    return object()


class QuotaError(CommandError):
    """An error of an embedder's own."""

    def __init__(self) -> None:
        super().__init__("too much", "QUOTA")


@own.command("REFUSE", since="1.0.0")
def refuse(session: Session) -> Reply:
    """Return an error of a class that the cache has never seen."""
    return QuotaError()


@own.command("BOTH", flags="write", since="1.0.0", keys=every("RW", last=2))
def both(session: Session, first: bytes, second: bytes) -> Reply:
    """Increment two keys, as one unit."""
    return [session.call(b"INCR", first), session.call(b"INCR", second)]


@own.command("OWNTOO", flags="write", since="1.0.0", keys=every("RW", last=2))
def owntoo(session: Session, first: bytes, second: bytes) -> Reply:
    """Increment one key by a command and set another directly."""
    session.call(b"INCR", first)
    session.db.set(second, b"set")
    return OK


@own.command("TOLD", flags="write", since="1.0.0", keys=every("RW", last=2))
def told(session: Session, first: bytes, second: bytes) -> Reply:
    """Set one key directly, and say so, between two commands."""
    session.call(b"INCR", first)
    session.db.set(second, b"set")
    session.journal(b"SET", second, b"set")
    session.call(b"INCR", first)
    return OK


@own.command("INPROCESS", flags="write", since="1.0.0", keys=first("RW"))
def inprocess(session: Session, key: bytes) -> Reply:
    """Set a key by one that it calls, and make a call in process that has to make room."""
    session.call(b"SET", key, b"v" * 200)
    callers[0]("PING")
    return session.db.holds(key)


callers: list[Callable[..., Any]] = []
"""What INPROCESS calls."""


@own.command("SLOW", since="1.0.0")
def slow(session: Session) -> Reply:
    """Take so long that the wake-up is late."""
    clock = session.server.now.clock
    assert isinstance(clock, Clock)
    clock.rightNow += 0.02
    return OK


@own.command("ELSEWHERE", flags="write", since="1.0.0", keys=first("RW"), lasting=Lasting.SESSION)
def elsewhere(session: Session, key: bytes) -> Reply:
    """Set a key of another database, which stays selected."""
    session.call(b"SELECT", b"1")
    session.db.set(key, b"there")
    return OK


@own.command("WITHIN", since="1.0.0", lasting=Lasting.SESSION)
def within(session: Session, *words: bytes) -> Reply:
    """Run another command within this one, and put what it replies into a list."""
    return [session.call(*words)]


def cache_with_own(
    config: dict[str, object] | None = None, clock: Clock | None = None, disk: Any = None
) -> MemoryCache:
    """Start a cache that has these commands, too."""
    promises.clear()
    return MemoryCache(config, clock, disk, groups=(*GROUPS, own))
