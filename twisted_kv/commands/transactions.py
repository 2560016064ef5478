"""Transactions: requests that run one after the other, with nothing in between."""

from __future__ import annotations

from typing import Callable

from twisted_kv.declaring.commands import InTransaction, Lasting
from twisted_kv.declaring.groups import Group, every
from twisted_kv.sessions.session import Session
from twisted_kv.sessions.transactions import Transaction
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY, OK, ExecReply, Pushed, Reply
from twisted_kv.vocabulary.waiting import Promise

transactions = Group("transactions", category="transaction")


@transactions.command(
    "MULTI",
    since="1.2.0",
    flags="noscript loading stale fast allow_busy",
    lasting=Lasting.DATAGRAM,
    changes_session=True,
    in_transaction=InTransaction.RUNS,
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
    changes_session=True,
    in_transaction=InTransaction.RUNS_QUEUED,
)
def exec_(session: Session) -> Reply:
    """Run the requests queued since MULTI, unless a watched key has changed."""
    transaction = session.transaction
    if transaction is None:
        raise CommandError("EXEC without MULTI")
    intact = session.watches is None or session.watches.check()
    session.unwatch()
    if transaction.is_aborted or not intact:
        session.end_transaction()
        if transaction.is_aborted:
            raise CommandError("Transaction discarded because of previous errors.", "EXECABORT")
        return NULL_ARRAY
    replies: list[Reply] = []
    versions: list[int] = []
    pushes: dict[int, list[Pushed]] = {}  # those that came during a request, by its index
    pushed: list[Pushed] = []
    session.pushed = pushed
    run = session.server.services.execution.run
    try:
        for entry, words in transaction.queue:
            entry.calls += 1
            replies.append(run(session, words, entry))
            versions.append(session.resp)
            if pushed:
                pushes[len(versions) - 1] = pushed
                session.pushed = pushed = []
    finally:
        session.pushed = None
    session.end_transaction()
    return _when_all_are_known(replies, lambda: replies if session.trusted else _spoken(replies, versions, pushes))


def _spoken(replies: list[Reply], versions: list[int], pushes: dict[int, list[Pushed]]) -> list[Reply]:
    """Return the replies to be encoded as when they were made: HELLO may have changed the protocol, and pushes came."""
    last = versions[-1] if versions else 0
    if not pushes and versions.count(last) == len(versions):
        return replies
    return [
        reply if resp == last and index not in pushes else ExecReply(reply, resp, pushes.get(index, ()))
        for index, (reply, resp) in enumerate(zip(replies, versions))
    ]


def _when_all_are_known(replies: list[Reply], reply: Callable[[], Reply]) -> Reply:
    """Return the whole reply, or a promise of it if some of the replies come later."""
    awaited = [index for index, each in enumerate(replies) if type(each) is Promise]
    if not awaited:
        return reply()
    whole = Promise()
    unknown = set(awaited)

    def resolve(index: int, known: Reply) -> None:
        replies[index] = known
        unknown.discard(index)
        if not unknown:
            whole.resolve(reply())

    def abandon() -> None:
        for index in unknown:
            replies[index].abandon()

    whole.abandon = abandon
    for index in awaited:
        replies[index].then(lambda known, index=index: resolve(index, known))
    return whole.now()


@transactions.command(
    "DISCARD",
    since="2.0.0",
    flags="noscript loading stale fast allow_busy",
    complexity="O(N)",
    lasting=Lasting.DATAGRAM,
    changes_session=True,
    in_transaction=InTransaction.ENDS,
)
def discard(session: Session) -> Reply:
    """Discard the requests queued since MULTI, and stop watching keys."""
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
    changes_session=True,
    in_transaction=InTransaction.RUNS,
)
def watch(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Watch keys: the next EXEC does nothing if any of them has changed by then, whoever changed it."""
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
    changes_session=True,
)
def unwatch(session: Session) -> Reply:
    """Stop watching keys."""
    session.unwatch()
    return OK
