"""Transactions: requests that are run one after the other, with nothing in between."""

from __future__ import annotations

from twisted_kv.errors import CommandError
from twisted_kv.groups import Group, every
from twisted_kv.replies import NULL_ARRAY, OK, Later, Reply
from twisted_kv.sessions.session import Session
from twisted_kv.sessions.transactions import Transaction
from twisted_kv.table import Lasting

transactions = Group("transactions", category="transaction")


@transactions.command(
    "MULTI",
    since="1.2.0",
    flags="noscript loading stale fast allow_busy",
    lasting=Lasting.DATAGRAM,
)
def multi(session: Session) -> Reply:
    """Begin a transaction: the requests that follow are queued."""
    if session.transaction is not None:
        raise CommandError("MULTI calls can not be nested")
    session.transaction = Transaction()
    session.refresh()
    return OK


@transactions.command(
    "EXEC",
    since="1.2.0",
    flags="noscript loading stale skip_slowlog",
    complexity="Depends on subcommand.",
    lasting=Lasting.DATAGRAM,
)
def exec_(session: Session) -> Reply:
    """Run the requests that were queued since MULTI, unless a key that is watched has changed."""
    transaction = session.transaction
    if transaction is None:
        raise CommandError("EXEC without MULTI")
    intact = session.watches is None or session.watches.check()
    session.unwatch()
    if transaction.spoilt or not intact:
        session.end_transaction()
        if transaction.spoilt:
            raise CommandError("Transaction discarded because of previous errors.", "EXECABORT")
        return NULL_ARRAY
    replies = []
    for command, words in transaction.queue:
        command.calls += 1
        replies.append(session.server.run(session, command, words))
    session.end_transaction()
    return _when_all_are_known(replies)


def _when_all_are_known(replies: list[Reply]) -> Reply:
    """Give replies, or a promise of them if some come later."""
    awaited = [place for place, reply in enumerate(replies) if type(reply) is Later]
    if not awaited:
        return replies
    whole = Later()
    left = set(awaited)

    def take(place: int, reply: Reply) -> None:
        replies[place] = reply
        left.discard(place)
        if not left:
            whole.give(replies)

    for place in awaited:
        replies[place].then(lambda reply, place=place: take(place, reply))
    return whole.now()


@transactions.command(
    "DISCARD",
    since="2.0.0",
    flags="noscript loading stale fast allow_busy",
    complexity="O(N)",
    lasting=Lasting.DATAGRAM,
)
def discard(session: Session) -> Reply:
    """Forget the requests that were queued since MULTI, and watch keys no more."""
    if session.transaction is None:
        raise CommandError("DISCARD without MULTI")
    session.end_transaction()
    return OK


@transactions.command(
    "WATCH",
    since="2.2.0",
    flags="noscript loading stale fast allow_busy",
    keys=every("RO"),
    lasting=Lasting.DATAGRAM,
)
def watch(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Have the next EXEC do nothing if one of some keys has changed by then, whoever changes it."""
    if session.transaction is not None:
        raise CommandError("WATCH inside MULTI is not allowed")
    for each in (key, *keys):
        session.watch(each)
    return OK


@transactions.command(
    "UNWATCH",
    since="2.2.0",
    flags="noscript loading stale fast allow_busy",
    lasting=Lasting.DATAGRAM,
)
def unwatch(session: Session) -> Reply:
    """Watch keys no more."""
    session.unwatch()
    return OK
