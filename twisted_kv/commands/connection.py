"""Commands about the connection itself: its user, its protocol and its database."""

from __future__ import annotations

import re
from typing import Sequence

from twisted_kv.declaring.arguments import Arguments, integer
from twisted_kv.declaring.commands import InTransaction, Lasting
from twisted_kv.declaring.groups import Group
from twisted_kv.sessions.session import DEFAULT_USER, REDIS_VERSION, Session
from twisted_kv.store.database import Database
from twisted_kv.vocabulary.errors import NOT_AN_INTEGER, SYNTAX, CommandError, c_string, c_text
from twisted_kv.vocabulary.replies import OK, PONG, Reply, Status

connection = Group("connection", category="connection")

INT_MAX = 2**31 - 1

_UNPRINTABLE = re.compile(rb"[^!-~]")


@connection.command(
    "PING",
    since="1.0.0",
    flags="fast",
    tips="request_policy:all_shards response_policy:all_succeeded",
    fails_with_disk=True,
    while_subscribed=True,
)
def ping(session: Session, message: bytes | None = None) -> Reply:
    """Return PONG, or the given message."""
    if session.only_listens:
        return [b"pong", message or b""]
    return PONG if message is None else message


@connection.command("ECHO", since="1.0.0", flags="loading stale fast")
def echo(session: Session, message: bytes) -> Reply:
    """Return the given message."""
    return message


@connection.command(
    "QUIT",
    since="1.0.0",
    flags="noscript loading stale fast no_auth allow_busy",
    lasting=Lasting.SESSION,
    changes_session=True,
    in_transaction=InTransaction.ENDS,
    while_subscribed=True,
)
def quit_(session: Session, *ignored: bytes) -> Reply:
    """Close the connection."""
    session.closing = True
    return OK


@connection.command("SELECT", since="1.0.0", flags="loading stale fast", lasting=Lasting.DATAGRAM, changes_session=True)
def select(session: Session, index: bytes) -> Reply:
    """Select the database for the requests that follow."""
    session.db = database_of(session, database_number(index))
    return OK


def database_number(index: bytes, error: str = NOT_AN_INTEGER) -> int:
    """Parse the number of a database; raises `CommandError`, with the given text, if it is not a 32-bit integer."""
    number = integer(index, error)
    if not -INT_MAX - 1 <= number <= INT_MAX:
        if error != NOT_AN_INTEGER:
            raise CommandError(error)
        raise CommandError(f"value is out of range, value must between {-INT_MAX - 1} and {INT_MAX}")
    return number


def database_of(session: Session, number: int) -> Database:
    """Return the database with a number; raises `CommandError` if there is none."""
    if not 0 <= number < len(session.server.databases):
        raise CommandError("DB index is out of range")
    return session.server.databases[number]


_REDACTED = b"(redacted)"


def _redact_all(words: Sequence[bytes]) -> Sequence[bytes]:
    return [words[0], *(_REDACTED for _ in words[1:])]


def _redact_hello(words: Sequence[bytes]) -> Sequence[bytes]:
    """Redact the user and the password after AUTH, as far as HELLO would read them."""
    shown = list(words)
    index = 2
    while index < len(shown):
        option = c_string(shown[index]).upper()
        if option == b"AUTH":
            shown[index + 1 : index + 3] = [_REDACTED] * len(shown[index + 1 : index + 3])
        index += 3 if option == b"AUTH" else 2
    return shown


@connection.command(
    "AUTH",
    since="1.0.0",
    flags="noscript loading stale fast no_auth allow_busy",
    complexity="O(N) where N is the number of passwords defined for the user",
    lasting=Lasting.DATAGRAM,
    changes_session=True,
    redact=_redact_all,
)
def auth(session: Session, password: bytes, *more: bytes) -> Reply:
    """Authenticate with the password, or with a user's name and the password."""
    if len(more) > 1:
        raise CommandError(SYNTAX)
    user = DEFAULT_USER.encode()
    if more:
        user, password = password, more[0]
    elif not session.server.settings.requirepass:
        raise CommandError(
            "AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    _authenticate(session, user, password)
    return OK


@connection.command(
    "HELLO",
    since="6.0.0",
    flags="noscript loading stale fast no_auth allow_busy",
    lasting=Lasting.DATAGRAM,
    changes_session=True,
    redact=_redact_hello,
)
def hello(session: Session, *words: bytes) -> Reply:
    """Select the protocol version; with AUTH and SETNAME, also authenticate and name the connection."""
    arguments = Arguments(words)
    version = None
    if arguments:
        version = integer(arguments.word(), "Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise CommandError("unsupported protocol version", "NOPROTO")
    while arguments:
        argument = arguments.word()
        option = c_string(argument).upper()
        # Each option takes effect at once, as in Redis, even if a later one is wrong.
        if option == b"AUTH" and arguments.left >= 2:
            _authenticate(session, arguments.word(), arguments.word())
        elif option == b"SETNAME" and arguments.left >= 1:
            name = arguments.word()
            check_name(name)
            session.name = name
        else:
            raise CommandError(f"Syntax error in HELLO option '{c_text(argument)}'")
    if session.must_authenticate:
        raise CommandError(
            "HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option "
            "can be used to authenticate the client and select the RESP protocol version at the same time",
            "NOAUTH",
        )
    if version is not None:
        session.resp = version
        session.refresh()
    return {
        b"server": b"redis",
        b"version": REDIS_VERSION.encode(),
        b"proto": session.resp,
        b"id": session.id,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


@connection.command(
    "RESET",
    since="6.2.0",
    flags="noscript loading stale fast no_auth allow_busy",
    lasting=Lasting.DATAGRAM,
    changes_session=True,
    in_transaction=InTransaction.ENDS,
    while_subscribed=True,
)
def reset(session: Session) -> Reply:
    """Reset the connection to its initial state."""
    session.reset()
    return Status(b"RESET")


def _authenticate(session: Session, user: bytes, password: bytes) -> None:
    if not session.authenticate(user, password):
        raise CommandError("invalid username-password pair or user is disabled.", "WRONGPASS")


def check_name(name: bytes, what: str = "Client names") -> None:
    """Raise `CommandError` for a name that would break the lines of CLIENT LIST."""
    if _UNPRINTABLE.search(name):
        raise CommandError(f"{what} cannot contain spaces, newlines or special characters.")
