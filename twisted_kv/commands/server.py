"""Commands about the whole server: its databases, settings, time, snapshots and shutdown."""

from __future__ import annotations

from typing import Callable

from twisted_kv.commands.connection import database_number, database_of
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group
from twisted_kv.sessions.session import Session, SettingError
from twisted_kv.settings.config import KNOWN
from twisted_kv.store.database import Database
from twisted_kv.vocabulary.errors import SYNTAX, BusyError, CommandError, as_text, c_string
from twisted_kv.vocabulary.glob import compile_pattern
from twisted_kv.vocabulary.replies import NO_REPLY, OK, Reply
from twisted_kv.vocabulary.waiting import Promise

server = Group("server")

_ADMIN = "admin noscript loading stale"
_FLUSH_TIPS = "request_policy:all_shards response_policy:all_succeeded"


@server.command(
    "DBSIZE",
    since="1.0.0",
    flags="readonly fast",
    categories="keyspace",
    tips="request_policy:all_shards response_policy:agg_sum",
)
def dbsize(session: Session) -> Reply:
    """Return the number of keys in the selected database."""
    return len(session.db)


@server.command(
    "FLUSHDB",
    since="1.0.0",
    flags="write",
    categories="keyspace dangerous",
    tips=_FLUSH_TIPS,
    complexity="O(1); the memory is released in small steps",
)
def flushdb(session: Session, *words: bytes) -> Reply:
    """Remove all keys of the selected database."""
    return _flush(session, words, [session.db])


@server.command(
    "FLUSHALL",
    since="1.0.0",
    flags="write",
    categories="keyspace dangerous",
    tips=_FLUSH_TIPS,
    complexity="O(1); the memory is released in small steps",
)
def flushall(session: Session, *words: bytes) -> Reply:
    """Remove all keys of all databases."""
    return _flush(session, words, session.server.databases)


@server.command(
    "SWAPDB",
    since="4.0.0",
    flags="write fast",
    categories="keyspace dangerous",
    complexity="O(N)",
    lasting=Lasting.DATAGRAM,
)
def swapdb(session: Session, first: bytes, second: bytes) -> Reply:
    """Swap the keys of two databases."""
    numbers = database_number(first, "invalid first DB index"), database_number(second, "invalid second DB index")
    one, other = [database_of(session, number) for number in numbers]
    if one is not other:
        one.swap(other)
        session.journal(b"SWAPDB", first, second)
    return OK


def _flush(session: Session, words: tuple[bytes, ...], databases: list[Database]) -> Reply:
    """Remove all keys of databases.  SYNC and ASYNC do the same: memory is always released in small steps."""
    if words and (len(words) > 1 or c_string(words[0]).upper() not in (b"SYNC", b"ASYNC")):
        raise CommandError(SYNTAX)
    for database in databases:
        database.flush()
    session.server.services.tracking.flushed()
    session.journal(b"FLUSHDB" if len(databases) == 1 else b"FLUSHALL")  # even if there were no keys, as Redis does
    if len(databases) > 1:
        session.server.services.persistence.flushed()
    return OK


@server.command("MONITOR", since="1.0.0", flags="admin noscript loading stale", lasting=Lasting.CONNECTION)
def monitor(session: Session) -> Reply:
    """Show this connection the requests of all clients as they are run."""
    if session.transaction is not None:
        raise CommandError("MONITOR isn't allowed for DENY BLOCKING client")
    if session.is_monitor:
        return NO_REPLY
    session.server.services.monitoring.begin(session)
    return OK


@server.command("TIME", since="2.6.0", flags="loading stale fast", tips="nondeterministic_output")
def time(session: Session) -> Reply:
    """Return the time: whole seconds since 1970, and the microseconds of the current second."""
    seconds, microseconds = divmod(round(session.server.now.clock.seconds() * 1_000_000), 1_000_000)
    return [b"%d" % seconds, b"%d" % microseconds]


@server.command(
    "SHUTDOWN",
    since="1.0.0",
    flags="admin noscript loading stale no_multi allow_busy",
    lasting=Lasting.SESSION,  # the sender of a datagram can be forged
)
def shutdown(session: Session, *words: bytes) -> Reply:
    """Stop the server."""
    options = {c_string(each).lower() for each in words}
    if not options <= {b"nosave", b"save", b"now", b"force", b"abort"}:
        raise CommandError(SYNTAX)
    if (b"abort" in options and len(options) > 1) or (b"save" in options and b"nosave" in options):
        raise CommandError(SYNTAX)
    persistence = session.server.services.persistence
    if b"abort" in options:
        if not persistence.abort_shutdown():
            raise CommandError("No shutdown in progress.")
        return OK
    if session.server.shutdown is None:
        raise CommandError("SHUTDOWN is refused: this cache is part of another program")
    scripts, running = session.server.services.scripts, session.server.services.functions.running
    if running is not None and b"nosave" not in options:
        raise BusyError(is_function=running.is_function)
    if persistence.takes_time:
        session.must_wait("shutdown")
    save = True if b"save" in options else False if b"nosave" in options else None
    reply = persistence.shut_down(save=save, force=b"force" in options)
    if running is not None:
        scripts.shut_down()
        if type(reply) is Promise:
            reply = _once_failed(reply, scripts.go_on)
    session.closing = reply is NO_REPLY
    return reply


def _once_failed(reply: Promise, go_on: Callable[[], None]) -> Promise:
    """Return the reply to a SHUTDOWN, which comes if that fails, and have others go on then."""
    failed = Promise(holds=reply.holds)
    failed.abandon = reply.give_up

    def fail(failure: Reply) -> None:
        go_on()
        failed.resolve(failure)

    reply.then(fail)
    return failed


@server.command(
    "SAVE",
    since="1.0.0",
    flags="admin noscript no_async_loading no_multi",
    complexity="O(N) where N is the total number of keys in all databases",
    lasting=Lasting.SESSION,
)
def save(session: Session) -> Reply:
    """Save a snapshot, and reply when it is on disk; other clients are served meanwhile."""
    persistence = session.server.services.persistence
    if persistence.takes_time:
        session.must_wait("save")
    return persistence.save()


@server.command("BGSAVE", since="1.0.0", flags="admin noscript no_async_loading", lasting=Lasting.SESSION)
def bgsave(session: Session, *words: bytes) -> Reply:
    """Start to save a snapshot in the background."""
    if words and (len(words) > 1 or c_string(words[0]).upper() != b"SCHEDULE"):
        raise CommandError(SYNTAX)
    return session.server.services.persistence.background_save(schedule=bool(words))


@server.command(
    "LASTSAVE", since="1.0.0", flags="loading stale fast", categories="admin dangerous", tips="nondeterministic_output"
)
def lastsave(session: Session) -> Reply:
    """Return the date of the last saved snapshot, in seconds since 1970."""
    return session.server.services.persistence.last_save


@server.command("BGREWRITEAOF", since="1.0.0", flags="admin noscript no_async_loading", lasting=Lasting.SESSION)
def bgrewriteaof(session: Session) -> Reply:
    """Start to rewrite the append-only file, as short as possible."""
    return session.server.services.persistence.rewrite()


server.container("CONFIG", since="2.0.0", summary="Read and change the settings.")


@server.command(
    "CONFIG GET",
    since="2.0.0",
    flags=_ADMIN,
    complexity="O(N) when N is the number of configuration parameters provided",
)
def config_get(session: Session, pattern: bytes, *patterns: bytes) -> Reply:
    """Return the settings whose names match any of the patterns."""
    settings = session.server.settings
    found: dict[str, bytes] = {}  # the name shown for each setting
    for each in (pattern, *patterns):
        if set(b"*?[") & set(each):
            matches = compile_pattern(c_string(each), ignore_case=True)
            for name in KNOWN:
                if matches(name.encode()):
                    found.setdefault(name, name.encode())
        elif as_text(each).lower() in KNOWN:
            found.setdefault(as_text(each).lower(), each)
    return {shown: settings.get(name).encode("utf-8", "surrogateescape") for name, shown in found.items()}


@server.command(
    "CONFIG SET",
    since="2.0.0",
    flags=_ADMIN,
    lasting=Lasting.SESSION,  # as for SHUTDOWN
    tips="request_policy:all_nodes response_policy:all_succeeded",
    complexity="O(N) when N is the number of configuration parameters provided",
)
def config_set(session: Session, name: bytes, value: bytes, *more: bytes) -> Reply:
    """Change settings: all of them, or none if one cannot be changed."""
    if len(more) % 2:
        raise CommandError(SYNTAX)
    arguments = [as_text(each) for each in (name, value, *more)]
    wanted: dict[str, str] = {}
    for given, text in zip(arguments[::2], arguments[1::2]):
        setting = KNOWN.get(given.lower())
        if setting is None:
            shown = given.partition("\0")[0]
            raise CommandError(f"Unknown option or number of arguments for CONFIG SET - '{shown}'")
        if setting.fixed:
            raise _refused(given, f"can't set {setting.fixed} config")
        if setting.name in wanted:
            raise _refused(given, "duplicate parameter")
        wanted[setting.name] = text
    try:
        session.server.change_settings(wanted)
    except SettingError as error:
        raise _refused(error.name, str(error)) from None
    return OK


def _refused(name: str, reason: str) -> CommandError:
    return CommandError(f"CONFIG SET failed (possibly related to argument '{name}') - {reason}")


@server.command("CONFIG RESETSTAT", since="2.0.0", flags=_ADMIN)
def config_resetstat(session: Session) -> Reply:
    """Reset the statistics that INFO reports."""
    session.server.reset_statistics()
    return OK
