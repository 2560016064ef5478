"""The dispatch service: three methods between whoever receives requests and the commands.

    session = dispatcher.begin(Lasting.CONNECTION, link)      a conversation begins
    reply = dispatcher.request(session, [b"GET", b"key"])      a request gives a reply value; an error is a value too
    dispatcher.end(session)                                    the conversation is over

Datagrams, connections and calls in process all come through here, so a rule that holds for all of them (who may ask,
how many words, what is counted) stands here once.
"""

from __future__ import annotations

from typing import Callable, Iterable, Sequence

from twisted_kv.clock import Clock, Now, SystemClock
from twisted_kv.commands import GROUPS
from twisted_kv.commands.debugging import check_debug_allowed
from twisted_kv.config import Settings
from twisted_kv.engine.blocking import Blocking
from twisted_kv.engine.eviction import Eviction
from twisted_kv.engine.housekeeping import Housekeeping
from twisted_kv.engine.units import Units
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.errors import NO_FOLDER, ArityError, AttackError, CommandError, SubcommandError, as_text, c_string
from twisted_kv.logs import Logger
from twisted_kv.replies import NO_REPLY, QUEUED, Reply
from twisted_kv.sessions.session import Link, Server, Session
from twisted_kv.sessions.transactions import Transaction
from twisted_kv.table import Command, Commands, CommandTable, Lasting

_ATTACKS = (b"post", b"host:")
"""First words of an HTTP request, which a browser was tricked into sending here."""

_TAKES_NO_MEMORY = frozenset(("exec", "discard", "quit", "reset"))
"""What is never refused in a transaction for lack of memory, as all else is that could be queued."""
_NEVER_QUEUED = frozenset(("exec", "discard", "multi", "watch", "quit", "reset"))
"""What is run at once though a transaction was begun."""


class Dispatcher:
    """Runs requests of sessions, each on what the cache holds at that moment.

    `shutdown` is called for SHUTDOWN; without it SHUTDOWN is refused, since the process is somebody else's.  `groups`
    are the commands that there are.
    """

    _log = Logger()

    def __init__(
        self,
        settings: Settings | None = None,
        clock: Clock | None = None,
        shutdown: Callable[[], None] | None = None,
        groups: Iterable[Commands] = GROUPS,
    ) -> None:
        self._now = Now(clock or SystemClock())
        self._units = Units()
        self._housekeeping = Housekeeping(self._now, self._units)
        self.server = Server(
            settings or Settings(),
            self._now,
            CommandTable(groups),
            alarm=self._housekeeping.alarm,
            discard=self._housekeeping.discard,
            shutdown=shutdown,
        )
        self._statistics = self.server.statistics
        self.wakeup = WakeUp(self._now, self._statistics, self._housekeeping.soon, self._units)
        """Where whoever reads requests from a network has them run."""
        self._eviction = Eviction(
            self.server.settings, self._now, self.server.databases, self.server.random, self._housekeeping.soon
        )
        self.blocking = Blocking(self._now, self._run, self._units)
        for command in self.server.commands.every():
            if "blocking" in command.flags:
                command.function = self.blocking.wrap(command)
        self.server.blocking = self.blocking
        self.server.run = self._run
        self.server.keep_account = self._eviction.keep_account
        self.server.set_active_expire = self._housekeeping.set_active_expire
        self._spelled: dict[bytes, Command] = {}
        self.admission_changed()
        for name in ("save", "appendonly"):
            self.server.setting_changed[name] = self._refuse_files
        self.server.setting_changed["maxmemory"] = self.admission_changed
        self.server.setting_changed["maxmemory-policy"] = self._eviction.policy_changed

    def start(self) -> None:
        """Begin to remove keys when their time comes.  Without it they go when they are asked for."""
        self._housekeeping.start(self.server.databases)

    def stop(self) -> None:
        """Leave no timer behind; requests are served all the same."""
        self._housekeeping.stop()
        self._eviction.stop()
        self.blocking.stop()

    def begin(self, lasting: Lasting, link: Link | None = None, *, trusted: bool = False) -> Session:
        """Begin a conversation; one with a link is listed by CLIENT LIST until `end`.

        A trusted one is never asked for the password: it is of the process that holds the data.
        """
        self._now.stale = True
        session = Session(self.server, lasting, link, trusted=trusted)
        if link is not None:
            self.server.sessions[session.id] = session
        return session

    def request(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Run one request, at least one word; gives the reply value, a `CommandError` value for an error."""
        self._now.stale = True
        command = self._spelled.get(words[0])
        count = len(words)
        if (
            command is None
            or count < command.least
            or count > command.most
            or command.lasting > session.lasting
            or not session.direct
        ):
            try:
                command = self._admit(session, words)
            except CommandError as error:
                self._statistics.errors[error.code] += 1
                return error.bare()
            except AttackError:
                return NO_REPLY
            except Exception:
                return self._internal_error(as_text(words[0][:128]))
            if session.transaction is not None and command.name not in _NEVER_QUEUED:
                session.last_command = command
                session.transaction.queue.append((command, words))
                return QUEUED
        command.calls += 1
        session.last_command = command
        units = self._units
        units.depth += 1
        try:
            arguments = count - command.skip
            if arguments == 1:  # spelled out for the requests that are most frequent: a star costs a tenth of a GET
                reply = command.function(session, words[-1])
            elif arguments == 2:
                reply = command.function(session, words[-2], words[-1])
            else:
                reply = command.function(session, *words[command.skip :])
        except CommandError as error:
            command.failed += 1
            self._statistics.errors[error.code] += 1
            reply = error.spelled(words) if type(error) is SubcommandError else error.bare()
        except Exception:
            command.failed += 1
            reply = self._internal_error(command.name)
        except BaseException:
            units.depth -= 1
            raise
        units.depth -= 1
        if units.due:
            units.finish()
        return reply

    def end(self, session: Session) -> None:
        """End a conversation."""
        self.server.sessions.pop(session.id, None)
        session.unwatch()
        self.blocking.forget(session)

    def _run(self, session: Session, command: Command, words: Sequence[bytes]) -> Reply:
        """Run a request in the midst of another, or again."""
        try:
            if len(words) > command.most:
                raise ArityError(command.name)
            return command.function(session, *words[command.skip :])
        except CommandError as error:
            command.failed += 1
            self._statistics.errors[error.code] += 1
            return error.spelled(words) if type(error) is SubcommandError else error.bare()
        except Exception:
            command.failed += 1
            return self._internal_error(command.name)

    def _internal_error(self, command: str) -> CommandError:
        """Tell of a fault of ours to whoever asked and to the log; nobody else notices."""
        self._log.failure("{command} failed", command=command)
        self._statistics.errors["ERR"] += 1
        return CommandError("internal error, see the log of the server")

    def _admit(self, session: Session, words: Sequence[bytes]) -> Command:
        """Give the command of a request, if the session may call it now and so; raises `CommandError` if not."""
        try:
            command = self.server.commands.spelled.get(words[0]) or self._find(session, words)
        except CommandError:
            if session.transaction is not None:
                session.transaction.spoilt = True
            raise
        transaction = session.transaction
        is_exec = command.name == "exec"
        try:
            # Redis's table knows no most words of an open arity: there the password comes first, and EXEC finds out.
            least, most, count = command.least, command.most, len(words)
            is_later = session.must_authenticate or transaction is not None
            if count < least or (count > most and (least == most or not is_later)):
                raise ArityError(command.name)
            if command.name == "debug":
                check_debug_allowed(session)
            if not command.no_auth and session.must_authenticate:
                raise CommandError("Authentication required.", "NOAUTH")
            if transaction is not None and command.no_multi:
                raise CommandError("Command not allowed inside a transaction")
            if self.server.settings.maxmemory and not self._eviction.make_room(_denies_oom(command, transaction)):
                raise CommandError("command not allowed when used memory > 'maxmemory'.", "OOM")
            misconf = self.server.misconf
            if misconf is not None and (_writes(command, transaction) or command.name == "ping"):
                # Anew each time: an exception that is kept keeps the frames of all that raised it, with their words.
                raise CommandError(misconf.message, misconf.code)
            if self.server.loading and not command.loading:
                raise CommandError("Redis is loading the dataset in memory", "LOADING")
            if command.lasting > session.lasting:
                raise CommandError(f"{command.name.upper().replace('|', ' ')} needs a connection")
        except CommandError as error:
            command.rejected += 1
            if transaction is not None:
                transaction.spoilt = True
            if is_exec:
                session.end_transaction()
                why = error.message if isinstance(error, ArityError) else str(error)
                raise CommandError(f"Transaction discarded because of: {why}", "EXECABORT") from None
            raise
        return command

    def admission_changed(self) -> None:
        """Have every request looked at with care while memory is limited, data are loaded, or the disk fails."""
        server = self.server
        careful = server.settings.maxmemory or server.loading or server.misconf is not None
        self._spelled = {} if careful else server.commands.spelled

    def _refuse_files(self) -> None:
        """Refuse settings that ask for files where there is no folder for them; raises ValueError."""
        settings = self.server.settings
        if settings.save or settings.appendonly:
            raise ValueError(f"{NO_FOLDER} (--dir, or dir in the config)")

    def _find(self, session: Session, words: Sequence[bytes]) -> Command:
        """Find a command, however it is spelled; raises `CommandError` if there is none."""
        if session.link is not None and c_string(words[0]).lower() in _ATTACKS:
            why = "it sent HTTP, a browser may have been tricked"
            self.server.repeated.closed(self._log, session.link.peer, why)
            session.closing = True
            session.link.close()  # and the replies to what came before in the same bytes are dropped, as by Redis
            raise AttackError
        return self.server.commands.find(words)


def _denies_oom(command: Command, transaction: Transaction | None) -> bool:
    """Tell whether a request is refused when there is no memory; in a transaction, whatever would be queued is."""
    if transaction is None or command.denies_oom:
        return command.denies_oom
    return transaction.denies_oom if command.name == "exec" else command.name not in _TAKES_NO_MEMORY


def _writes(command: Command, transaction: Transaction | None) -> bool:
    """Tell whether a request may change data."""
    return command.is_write or (command.name == "exec" and transaction is not None and transaction.writes)
