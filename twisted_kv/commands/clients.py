"""CLIENT: name, list and close connections."""

from __future__ import annotations

from functools import partial
from typing import Callable, Iterable

from twisted_kv.commands.connection import check_name
from twisted_kv.declaring.arguments import Arguments, integer
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group
from twisted_kv.sessions.channels import Kind
from twisted_kv.sessions.session import DEFAULT_USER, Session, memory_of
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, SubcommandError, as_text, c_string, c_text
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.vocabulary.replies import NO_REPLY, OK, Reply, Verbatim

clients = Group("connection", category="connection")

clients.container("CLIENT", since="2.4.0", summary="Name, list and close connections.")

TYPES = (b"normal", b"master", b"replica", b"slave", b"pubsub")
"""The types of clients that Redis knows; there are no replicas here, and no master."""

_OWN = "noscript loading stale"
_ADMIN = "admin noscript loading stale"


@clients.command("CLIENT ID", since="5.0.0", flags=_OWN, lasting=Lasting.SESSION)
def client_id(session: Session) -> Reply:
    """Return the ID of this connection."""
    return session.id


@clients.command("CLIENT GETNAME", since="2.6.9", flags=_OWN, lasting=Lasting.SESSION)
def client_getname(session: Session) -> Reply:
    """Return the name of this connection."""
    return session.name or None


@clients.command("CLIENT SETNAME", since="2.6.9", flags=_OWN, lasting=Lasting.SESSION, changes_session=True)
def client_setname(session: Session, name: bytes) -> Reply:
    """Name this connection."""
    check_name(name)
    session.name = name
    return OK


@clients.command("CLIENT SETINFO", since="7.2.0", flags=_OWN, lasting=Lasting.SESSION, changes_session=True)
def client_setinfo(session: Session, attribute: bytes, value: bytes) -> Reply:
    """Set the name (LIB-NAME) or the version (LIB-VER) of the client library."""
    option = c_string(attribute).upper()
    if option not in (b"LIB-NAME", b"LIB-VER"):
        raise CommandError(f"Unrecognized option '{c_text(attribute)}'")
    check_name(value, option.decode().lower())
    if option == b"LIB-NAME":
        session.library_name = value
    else:
        session.library_version = value
    return OK


@clients.command("CLIENT INFO", since="6.2.0", flags=_OWN, tips="nondeterministic_output", lasting=Lasting.SESSION)
def client_info(session: Session) -> Reply:
    """Return information about this connection."""
    return Verbatim(_describe(session))


@clients.command(
    "CLIENT LIST",
    since="2.4.0",
    flags=_ADMIN,
    tips="nondeterministic_output",
    complexity="O(N) where N is the number of client connections",
)
def client_list(session: Session, *words: bytes) -> Reply:
    """Return information about all connections, those of a type, or those with the given IDs."""
    sessions = session.server.sessions
    listed: Iterable[Session] = sessions.values()
    arguments = Arguments(words)
    if arguments:
        option = arguments.option()
        if option == b"TYPE" and arguments.left == 1:
            listed = filter(partial(_is_of_type, _client_type(arguments.word())), sessions.values())
        elif option == b"ID" and arguments:
            ids = [integer(each, "Invalid client ID") for each in words[1:]]
            listed = [sessions[each] for each in ids if each in sessions]
        else:
            raise CommandError(SYNTAX)
    return Verbatim(b"".join(map(_describe, listed)))


@clients.command(
    "CLIENT KILL",
    since="2.4.0",
    flags=_ADMIN,
    complexity="O(N) where N is the number of client connections",
    lasting=Lasting.SESSION,  # the sender of a datagram can be forged
)
def client_kill(session: Session, word: bytes, *more: bytes) -> Reply:
    """Close the connection with the given address, or all that match the given filters."""
    if not more:
        address = as_text(word)
        if not _kill(session, [lambda each: each.link is not None and each.link.peer == address]):
            raise CommandError("No such client")
        return OK
    return _kill(session, _filters(session, Arguments((word, *more))))


@clients.command(
    "CLIENT UNBLOCK",
    since="5.0.0",
    flags="admin noscript loading stale",
    complexity="O(log N)",
    lasting=Lasting.SESSION,
)
def client_unblock(session: Session, client_id: bytes, *words: bytes) -> Reply:
    """End another connection's wait for a key, as if the wait had timed out or with an error."""
    error = False
    if len(words) > 1:
        raise CommandError("unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.")
    if words:
        option = c_string(words[0]).upper()
        if option not in (b"TIMEOUT", b"ERROR"):
            raise CommandError("CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
        error = option == b"ERROR"
    other = session.server.sessions.get(integer(client_id))
    return int(other is not None and session.server.services.waiting.unblock(other, error=error))


@clients.command("CLIENT REPLY", since="3.2.0", flags=_OWN, lasting=Lasting.CONNECTION)
def client_reply(session: Session, mode: bytes) -> Reply:
    """Send this connection replies (ON), none (OFF), or none to the next request (SKIP); messages are sent anyway."""
    wanted = c_string(mode).lower()
    if wanted == b"on":
        session.replies_off = session.skips_reply = False
        return OK
    if wanted == b"off":
        session.replies_off = True
    elif wanted != b"skip":
        raise CommandError(SYNTAX)
    elif not session.replies_off:
        session.skips_reply = True
    return NO_REPLY


@clients.command("CLIENT NO-EVICT", since="7.0.0", flags=_ADMIN, lasting=Lasting.CONNECTION)
def client_no_evict(session: Session, mode: bytes) -> Reply:
    """Set whether this connection may not be closed for `maxmemory-clients`."""
    wanted = c_string(mode).lower()
    if wanted not in (b"on", b"off"):
        raise CommandError(SYNTAX)
    session.is_kept = wanted == b"on"
    return OK


@clients.command("CLIENT PAUSE", since="2.9.50", flags=_ADMIN, lasting=Lasting.SESSION)
def client_pause(session: Session, timeout: bytes, *words: bytes) -> Reply:
    """Hold the requests of all connections for some milliseconds, or those that write."""
    if len(words) > 1:
        raise SubcommandError
    mode = c_string(words[0]).lower() if words else b"all"
    if mode not in (b"write", b"all"):
        raise CommandError("CLIENT PAUSE mode must be WRITE or ALL")
    milliseconds = integer(timeout, "timeout is not an integer or out of range")
    if milliseconds < 0:
        raise CommandError("timeout is negative")
    session.server.services.pausing.begin(milliseconds, only_writes=mode == b"write")
    return OK


@clients.command(
    "CLIENT UNPAUSE",
    since="6.2.0",
    flags=_ADMIN,
    complexity="O(N) Where N is the number of paused clients",
    lasting=Lasting.SESSION,
)
def client_unpause(session: Session) -> Reply:
    """End the pause of all connections."""
    session.server.services.pausing.end()
    return OK


Filter = Callable[[Session], bool]


def _filters(session: Session, arguments: Arguments) -> list[Filter]:
    """Parse the filters of CLIENT KILL; if one is given twice, the last applies."""
    filters: dict[bytes, Filter] = {b"SKIPME": lambda each: each is not session}
    while arguments:
        option, value = arguments.option(), arguments.word()
        if option == b"ID":
            number = parse_integer(value)
            if number is None or number < 1:
                raise CommandError("client-id should be greater than 0")
            filters[option] = partial(_has_id, number)
        elif option == b"TYPE":
            filters[option] = partial(_is_of_type, _client_type(value))
        elif option in (b"ADDR", b"LADDR"):
            filters[option] = partial(_has_address, "peer" if option == b"ADDR" else "local", as_text(value))
        elif option == b"USER":
            if value != DEFAULT_USER.encode():
                raise CommandError(f"No such user '{c_text(value)}'")
        elif option == b"SKIPME" and c_string(value).lower() == b"yes":
            filters[option] = lambda each: each is not session
        elif option == b"SKIPME" and c_string(value).lower() == b"no":
            filters.pop(option, None)
        else:
            raise CommandError(SYNTAX)
    return list(filters.values())


def _has_id(number: int, each: Session) -> bool:
    return each.id == number


def _is_of_type(name: bytes, each: Session) -> bool:
    return name == (b"normal" if each.subscriptions is None else b"pubsub")


def _has_address(side: str, address: str, each: Session) -> bool:
    return getattr(each.link, side, None) == address


def _kill(session: Session, filters: list[Filter]) -> int:
    """Close the connections that pass all filters; the calling one closes after its reply."""
    killed = 0
    for each in list(session.server.sessions.values()):
        if all(passes(each) for passes in filters):
            killed += 1
            if each is session:
                session.closing = True
            else:
                assert each.link is not None  # otherwise it would not be listed
                each.link.close()
    return killed


def _client_type(word: bytes) -> bytes:
    """Parse the name of a type of clients; raises `CommandError` for one that Redis does not know."""
    name = c_string(word).lower()
    if name not in TYPES:
        raise CommandError(f"Unknown client type '{c_text(word)}'")
    return name


def _flags(session: Session) -> str:
    """Return the letters of CLIENT LIST for a client's current state."""
    flags = ""
    if session.is_monitor:
        flags += "O"
    if session.subscriptions is not None:
        flags += "P"
    if session.transaction is not None:
        flags += "x"
    if session.waiting:
        flags += "b"
    if session.tracked is not None:
        flags += "t" + "R" * session.tracked.is_broken + "B" * session.tracked.is_broadcast
    if session.watches is not None and session.watches.broken:
        flags += "d"
    if session.is_kept:
        flags += "e"
    return flags or "N"


def _subscribed(session: Session, kind: Kind) -> int:
    return 0 if session.subscriptions is None else len(session.subscriptions.names[kind])


def _describe(session: Session) -> bytes:
    """Return a session's line of CLIENT LIST.

    Redis's buffers that have no counterpart here are 0: what a client has sent is kept as it came until it is run, so
    that it is all in `qbuf`, and replies are kept in a list, not in a buffer of fixed size.
    """
    link = session.link
    waiting_input = link.waiting_input if link is not None else 0
    waiting_output = link.waiting_output if link is not None else 0
    queued = 0 if session.transaction is None else session.transaction.memory
    fields = {
        "id": session.id,
        "addr": link.peer if link is not None else "",
        "laddr": link.local if link is not None else "",
        "fd": link.descriptor if link is not None else -1,
        "name": as_text(session.name),
        "age": (session.server.now.elapsed - session.created) // 1000,
        "idle": (session.server.now.elapsed - session.last_active) // 1000,
        "flags": _flags(session),
        "db": session.db.index,
        "sub": _subscribed(session, Kind.CHANNEL),
        "psub": _subscribed(session, Kind.PATTERN),
        "ssub": _subscribed(session, Kind.SHARD),
        "multi": -1 if session.transaction is None else len(session.transaction.queue),
        "qbuf": waiting_input,
        "qbuf-free": 0,
        "argv-mem": 0,
        "multi-mem": queued,
        "rbs": 0,
        "rbp": 0,
        "obl": 0,
        "oll": link.waiting_parts if link is not None else 0,
        "omem": waiting_output,
        "tot-mem": memory_of(session),
        "events": "rw" if waiting_output else "r",
        "cmd": "NULL" if session.last_call is None else session.last_call.name,
        "user": DEFAULT_USER,
        "redir": -1 if session.tracked is None else session.tracked.redirect,
        "resp": session.resp,
        "lib-name": as_text(session.library_name),
        "lib-ver": as_text(session.library_version),
    }
    line = " ".join(f"{name}={value}" for name, value in fields.items()) + "\n"
    return line.encode("utf-8", "surrogateescape")
