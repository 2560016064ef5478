"""Admission: the checks before a command runs, in Redis's order.

The rules are rows of a table, each with its error.  A rule that cannot apply at present (no memory limit, a healthy
disk) is skipped.  Most requests never come here: while the number of arguments is the only thing to check, a session
finds its commands in `CommandTable.at_once`.
"""

from __future__ import annotations

from typing import Callable, Dict, Final, Sequence, Set, Tuple

import attrs

from twisted_kv.declaring.commands import Command, InTransaction
from twisted_kv.declaring.table import CommandTable, Scope, TableEntry
from twisted_kv.engine.eviction import Eviction
from twisted_kv.sessions.session import Server, Session
from twisted_kv.sessions.transactions import Transaction
from twisted_kv.vocabulary.errors import ArityError, AttackError, BusyError, CommandError, SharedSessionError, c_string
from twisted_kv.vocabulary.logs import Logger

_ATTACKS: Final = (b"post", b"host:")
"""How an HTTP request begins, which a browser may have been tricked into sending here."""


class Admission:
    """The checks before a command runs.

    `is_loading`: data are being loaded, and only a few commands are served.  `misconf`: the error that refuses writes
    while the disk fails.  `busy`: the error that refuses nearly all while a script runs.  Setting one of them, or
    calling `settings_changed`, takes effect with the next request.
    """

    _log = Logger()

    def __init__(self, server: Server, table: CommandTable, eviction: Eviction) -> None:
        self.server = server
        self.eviction = eviction
        self._table = table
        self._is_loading = False
        self._misconf: CommandError | None = None
        self._busy: BusyError | None = None
        self._rules: Tuple[Rule, ...] = ()
        self._has_state_rules = False
        self._reasons: Set[str] = set()  # why every request has to come here
        self._variants: Dict[Tuple[Command, Tuple[str, ...]], Command] = {}  # commands with the flags of some requests
        self.settings_changed()

    @property
    def is_loading(self) -> bool:
        return self._is_loading

    @is_loading.setter
    def is_loading(self, is_loading: bool) -> None:
        self._is_loading = is_loading
        self.settings_changed()

    @property
    def misconf(self) -> CommandError | None:
        return self._misconf

    @misconf.setter
    def misconf(self, misconf: CommandError | None) -> None:
        self._misconf = misconf
        self.settings_changed()

    @property
    def busy(self) -> BusyError | None:
        return self._busy

    @busy.setter
    def busy(self, busy: BusyError | None) -> None:
        self._busy = busy
        self.settings_changed()

    def settings_changed(self) -> None:
        """Select the rules that can apply at present."""
        applies: dict[Rule, bool] = {
            _memory: bool(self.server.settings.maxmemory),
            _disk: self._misconf is not None,
            _loading: self._is_loading,
            _is_busy: self._busy is not None,
        }
        self._rules = tuple(rule for rule in RULES if applies.get(rule, True))
        self._has_state_rules = any(applies.values()) or bool(self._reasons)
        self._table.clear_at_once()

    def ask_always(self, reason: str, is_on: bool) -> None:
        """Have every request come here, for a reason of others, or no longer for that one."""
        if is_on:
            self._reasons.add(reason)
        else:
            self._reasons.discard(reason)
        self.settings_changed()

    @property
    def refuses_some_writes(self) -> bool:
        """Whether a write may be refused at present: memory is limited, or the disk has failed."""
        return self._misconf is not None or bool(self.server.settings.maxmemory)

    @property
    def is_short_of_memory(self) -> bool:
        """Whether a request that needs memory is refused."""
        return bool(self.server.settings.maxmemory) and not self.eviction.make_room(True)

    def as_called(self, session: Session, command: Command, words: Sequence[bytes]) -> Command:
        """Return a command with the flags that it has in this request."""
        if command.as_called is None:
            return command
        flags = tuple(command.as_called(session, words))
        if flags == command.flags:
            return command
        variant = self._variants.get((command, flags))
        if variant is None:
            variant = self._variants[command, flags] = attrs.evolve(command, flags=flags)
        return variant

    def admit(self, session: Session, words: Sequence[bytes]) -> TableEntry:
        """Return the table entry of a request's command; raise `CommandError` if the session may not call it now."""
        transaction = session.transaction
        try:
            entry = self._find(session, words)
        except CommandError:
            if transaction is not None:
                transaction.is_aborted = True
            raise
        command, count = entry.command, len(words)
        if command.as_called is not None and command.least <= count and self._has_state_rules:
            command = self.as_called(session, command, words)
        for rule in self._rules:
            error = rule(self, session, command, count)
            if error is not None:
                entry.rejected += 1
                raise self._refusal(session, command, error)
        if not self._has_state_rules and command.allowed is None:
            self._table.call_at_once(words[0], entry)
        return entry

    def _find(self, session: Session, words: Sequence[bytes]) -> TableEntry:
        """Find a command, however it is spelled; raise `CommandError` if there is none."""
        if session.link is not None and c_string(words[0]).lower() in _ATTACKS:
            why = "it sent HTTP, a browser may have been tricked"
            self.server.repeated.closed(self._log, session.link.peer, why)
            session.link.close()  # this drops the replies to earlier requests in the same bytes, as Redis does
            raise AttackError
        return self._table.entry_of(words)

    @staticmethod
    def _refusal(session: Session, command: Command, error: CommandError) -> CommandError:
        """Return the error for a refused request; within a transaction, mark the transaction as spoilt."""
        if session.transaction is not None:
            session.transaction.is_aborted = True
        if command.in_transaction is not InTransaction.RUNS_QUEUED:
            return error
        session.end_transaction()
        why = error.message if error.code == "ERR" else str(error)
        return CommandError(f"Transaction discarded because of: {why}", "EXECABORT")


Rule = Callable[[Admission, Session, Command, int], "CommandError | None"]
"""Returns the error that refuses a request, or None; the last argument is the request's length, name included."""


def _arity(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    # Redis's table has no upper bound for an open arity: it checks the password first, and EXEC reports the excess.
    least, most = command.least, command.most
    is_later = session.must_authenticate or session.transaction is not None
    if count < least or (count > most and (least == most or not is_later)):
        return ArityError(command.name)
    return None


def _allowed(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if command.allowed is not None:
        try:
            command.allowed(session)
        except CommandError as error:
            return error
    return None


def _password(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if session.must_authenticate and "no_auth" not in command.flags:
        return CommandError("Authentication required.", "NOAUTH")
    return None


def _not_in_transaction(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if session.transaction is not None and "no_multi" in command.flags:
        return CommandError("Command not allowed inside a transaction")
    return None


def _memory(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if admission.eviction.make_room(_denies_oom(command, session.transaction)):
        return None
    return CommandError("command not allowed when used memory > 'maxmemory'.", "OOM")


def _disk(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    misconf = admission.misconf
    if misconf is not None and (command.fails_with_disk or _writes(command, session.transaction)):
        # A new exception each time: a stored one would keep every frame that raised it, with the arguments there.
        return CommandError(misconf.message, misconf.code)
    return None


def _only_listens(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if session.only_listens and not command.while_subscribed:
        return CommandError(
            f"Can't execute '{command.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
            "in this context"
        )
    return None


def _loading(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if "loading" in command.flags:
        return None
    return CommandError("Redis is loading the dataset in memory", "LOADING")


def _is_busy(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    busy = admission.busy
    if busy is None or "allow_busy" in command.flags:
        return None
    return BusyError(is_function=busy.is_function)  # a new one, as above


def _monitors(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if session.is_monitor and not {"write", "readonly", "may_replicate"}.isdisjoint(command.flags):
        return CommandError("Replica can't interact with the keyspace")  # to Redis, who monitors is a replica
    return None


def _lasting(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if command.lasting > session.lasting:
        hint = "; in process, messages come by `subscribe` and `on`" if session.trusted else ""
        return CommandError(f"{command.name.upper().replace('|', ' ')} needs a connection{hint}")
    return None


def _shared(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if command.changes_session and session.scope is Scope.SHARED:
        return SharedSessionError(command.name)
    return None


RULES: Final[Tuple[Rule, ...]] = (
    _arity,
    _allowed,
    _password,
    _not_in_transaction,
    _memory,
    _disk,
    _only_listens,
    _loading,
    _is_busy,
    _monitors,
    _lasting,
    _shared,
)
"""All rules in the order of their evaluation, that of Redis's processCommand; Redis does not have the last two."""


def _denies_oom(command: Command, transaction: Transaction | None) -> bool:
    """Check whether a request is refused when memory is short; in a transaction, whatever would be queued is."""
    if transaction is None or command.denies_oom:
        return command.denies_oom
    if command.in_transaction is InTransaction.RUNS_QUEUED:
        return transaction.denies_oom
    return command.in_transaction is not InTransaction.ENDS


def _writes(command: Command, transaction: Transaction | None) -> bool:
    """Check whether a request may change data."""
    if command.in_transaction is InTransaction.RUNS_QUEUED and transaction is not None:
        return transaction.writes
    return command.is_write
