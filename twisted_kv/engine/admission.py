"""Admission: who may call which command now, asked in Redis's order.

The rules are rows of a table, each with its error.  One that cannot apply now (no memory limit, a disk that is well) is
not asked, and most requests are asked nothing here: while there is nothing to refuse but by the number of words, a
session finds its commands in `CommandTable.at_once`.
"""

from __future__ import annotations

from typing import Callable, Final, Sequence, Tuple

from twisted_kv.declaring.commands import Command, InTransaction
from twisted_kv.declaring.table import CommandTable, Scope, TableEntry
from twisted_kv.engine.eviction import Eviction
from twisted_kv.sessions.session import Server, Session
from twisted_kv.sessions.transactions import Transaction
from twisted_kv.vocabulary.errors import ArityError, AttackError, CommandError, SharedSessionError, c_string
from twisted_kv.vocabulary.logs import Logger

_ATTACKS: Final = (b"post", b"host:")
"""First words of an HTTP request, which a browser was tricked into sending here."""


class Admission:
    """What is asked before a command is called.

    `is_loading`: data are being loaded, and few commands are served.  `misconf`: the error that writes are refused with
    while the disk fails.  Setting either, or calling `settings_changed`, takes effect with the next request.
    """

    _log = Logger()

    def __init__(self, server: Server, table: CommandTable, eviction: Eviction) -> None:
        self.server = server
        self.eviction = eviction
        self._table = table
        self._is_loading = False
        self._misconf: CommandError | None = None
        self._rules: Tuple[Rule, ...] = ()
        self._is_careful = False
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

    def settings_changed(self) -> None:
        """Choose the rules that can apply now."""
        now: dict[Rule, bool] = {
            _memory: bool(self.server.settings.maxmemory),
            _disk: self._misconf is not None,
            _loading: self._is_loading,
        }
        self._rules = tuple(rule for rule in RULES if now.get(rule, True))
        self._is_careful = any(now.values())
        self._table.ask_always()

    def admit(self, session: Session, words: Sequence[bytes]) -> TableEntry:
        """Give the entry of the command of a request; raises `CommandError` if the session may not call it now."""
        transaction = session.transaction
        try:
            entry = self._find(session, words)
        except CommandError:
            if transaction is not None:
                transaction.is_spoilt = True
            raise
        command, count = entry.command, len(words)
        for rule in self._rules:
            error = rule(self, session, command, count)
            if error is not None:
                entry.rejected += 1
                raise self._refused(session, command, error)
        if not self._is_careful and command.allowed is None:
            self._table.call_at_once(words[0], entry)
        return entry

    def _find(self, session: Session, words: Sequence[bytes]) -> TableEntry:
        """Find a command, however it is spelled; raises `CommandError` if there is none."""
        if session.link is not None and c_string(words[0]).lower() in _ATTACKS:
            why = "it sent HTTP, a browser may have been tricked"
            self.server.repeated.closed(self._log, session.link.peer, why)
            session.link.close()  # and the replies to what came before in the same bytes are dropped, as by Redis
            raise AttackError
        return self._table.entry_of(words)

    @staticmethod
    def _refused(session: Session, command: Command, error: CommandError) -> CommandError:
        """Give the error of a request that is refused; in a transaction, it spoils that."""
        if session.transaction is not None:
            session.transaction.is_spoilt = True
        if command.in_transaction is not InTransaction.RUNS_QUEUED:
            return error
        session.end_transaction()
        why = error.message if isinstance(error, ArityError) else str(error)
        return CommandError(f"Transaction discarded because of: {why}", "EXECABORT")


Rule = Callable[[Admission, Session, Command, int], "CommandError | None"]
"""Gives the error that a request of so many words is refused with, or None."""


def _arity(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    # Redis's table knows no most words of an open arity: there the password comes first, and EXEC finds out.
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
        # Anew each time: an exception that is kept keeps the frames of all that raised it, with their words.
        return CommandError(misconf.message, misconf.code)
    return None


def _loading(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if "loading" in command.flags:
        return None
    return CommandError("Redis is loading the dataset in memory", "LOADING")


def _lasting(admission: Admission, session: Session, command: Command, count: int) -> CommandError | None:
    if command.lasting > session.lasting:
        return CommandError(f"{command.name.upper().replace('|', ' ')} needs a connection")
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
    _loading,
    _lasting,
    _shared,
)
"""All rules in the order in which they are asked, which is that of Redis's processCommand; the last two are ours."""


def _denies_oom(command: Command, transaction: Transaction | None) -> bool:
    """Tell whether a request is refused when there is no memory; in a transaction, whatever would be queued is."""
    if transaction is None or command.denies_oom:
        return command.denies_oom
    if command.in_transaction is InTransaction.RUNS_QUEUED:
        return transaction.denies_oom
    return command.in_transaction is not InTransaction.ENDS


def _writes(command: Command, transaction: Transaction | None) -> bool:
    """Tell whether a request may change data."""
    if command.in_transaction is InTransaction.RUNS_QUEUED and transaction is not None:
        return transaction.writes
    return command.is_write
