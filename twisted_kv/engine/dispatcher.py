"""The dispatch service: three methods between whoever receives requests and the commands.

    session = dispatcher.begin(Lasting.CONNECTION, link)      a conversation begins
    reply = dispatcher.request(session, [b"GET", b"key"])      a request gives a reply value; an error is a value too
    dispatcher.end(session)                                    the conversation is over

Datagrams, connections and calls in process all come through here, and here alone commands are called: for a request,
for EXEC, for a client that has waited, for a log that is replayed, and by one command for another.
"""

from __future__ import annotations

from typing import Callable, Iterable, Sequence

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.commands import InTransaction, Lasting
from twisted_kv.declaring.table import Commands, CommandTable, TableEntry
from twisted_kv.engine.admission import Admission
from twisted_kv.engine.blocking import Blocking
from twisted_kv.engine.eviction import Eviction
from twisted_kv.engine.housekeeping import Housekeeping
from twisted_kv.engine.layers import WAITING, Layers
from twisted_kv.engine.units import Units
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.sessions.session import Link, Server, Session
from twisted_kv.settings.config import Settings
from twisted_kv.vocabulary.clock import Clock, Now, SystemClock
from twisted_kv.vocabulary.errors import NO_FOLDER, ArityError, AttackError, CommandError, SubcommandError, as_text
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import NO_REPLY, QUEUED, Reply


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
        self.now = Now(clock or SystemClock())
        self.units = Units()
        self.layers = Layers()
        self._housekeeping = Housekeeping(self.now, self.units)
        self._table = CommandTable(groups, self.layers.compose)
        self.server = server = Server(
            settings or Settings(),
            self.now,
            self._table,
            alarm=self._housekeeping.alarm,
            discard=self._housekeeping.discard,
            shutdown=shutdown,
        )
        self.settings = server.settings
        self.statistics = server.statistics
        self.repeated = server.repeated
        self.silent_ports = server.silent_ports
        self.wakeup = WakeUp(self.now, self.statistics, self._housekeeping.soon, self.units)
        """Where whoever reads requests from a network has them run."""
        self._eviction = Eviction(server.settings, self.now, server.databases, server.random, self._housekeeping.soon)
        self.admission = Admission(server, self._table, self._eviction)
        self.blocking = Blocking(self.now, self.request, self.units)
        self.layers.changed = self._table.recompose
        self.layers.switch(WAITING, self.blocking.layer)
        services = server.services
        services.execution = self
        services.waiting = self.blocking
        services.upkeep = self
        for name in ("save", "appendonly"):
            server.setting_changed[name] = self._refuse_files
        server.setting_changed["maxmemory"] = self.admission.settings_changed
        server.setting_changed["maxmemory-policy"] = self._eviction.policy_changed

    def start(self) -> None:
        """Begin to remove keys when their time comes.  Without it they go when they are asked for."""
        self._housekeeping.start(self.server.databases)

    def stop(self) -> None:
        """Leave no timer behind; requests are served all the same."""
        self._housekeeping.stop()
        self._eviction.stop()
        self.blocking.stop()

    def set_active_expire(self, active: bool) -> None:
        """Remove keys when their time comes, or only when somebody asks for them."""
        self._housekeeping.set_active_expire(active)

    def track_use(self) -> None:
        """Begin to keep account of when keys are used, whatever the policy."""
        self._eviction.track_use()

    def begin(self, lasting: Lasting, link: Link | None = None, *, trusted: bool = False) -> Session:
        """Begin a conversation; one with a link is listed by CLIENT LIST until `end`.

        A trusted one is never asked for the password: it is of the process that holds the data.
        """
        self.now.stale = True
        session = Session(self.server, lasting, link, trusted=trusted)
        if link is not None:
            self.server.sessions[session.id] = session
        return session

    def request(self, session: Session, words: Sequence[bytes], admitted: TableEntry | None = None) -> Reply:
        """Run one request, at least one word; gives the reply value, a `CommandError` value for an error.

        With `admitted`, its command was asked for before: it runs within another request, or again.
        """
        entry = admitted
        count = len(words)
        if entry is None:
            self.now.stale = True
            entry = session.at_once.get(words[0])
            if entry is None or count < entry.least or count > entry.most:
                reply = self._admit(session, words)
                if type(reply) is not TableEntry:
                    return reply
                entry = reply
            entry.calls += 1
            session.last_call = entry
        elif count > entry.most:  # it was queued: Redis's table knows no most words
            return self._failed(session, entry, ArityError(entry.name))
        units = self.units
        depth = units.depth
        units.depth = depth + 1
        try:
            arguments = count - entry.skip
            if arguments == 1:  # spelled out for the requests that are most frequent: a star costs a tenth of a GET
                reply = entry.function(session, words[-1])
            elif arguments == 2:
                reply = entry.function(session, words[-2], words[-1])
            else:
                reply = entry.function(session, *words[entry.skip :])
        except CommandError as error:
            reply = self._failed(session, entry, error.spelled(words) if type(error) is SubcommandError else error)
        except Exception:
            if session.is_replay:  # whoever loads says that the start is over
                units.depth = depth
                raise
            entry.failed += 1
            reply = self._internal_error(entry.name)
        except BaseException:
            units.depth = depth
            raise
        units.depth = depth
        if units.is_due:
            units.finish()
        return reply

    def call(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Run one request within another, for the same session, and as a part of what that does.

        Gives the reply value, an error as a value.  What would wait does not, as in a transaction.
        """
        try:
            entry = self._table.entry_of(words)
            if not entry.least <= len(words) <= entry.most:
                raise ArityError(entry.name)
            if entry.command.in_transaction is not InTransaction.QUEUED or entry.command.lasting > session.lasting:
                raise CommandError(f"{entry.name.upper()} cannot be called within another command")
        except CommandError as error:
            return error.bare()
        entry.calls += 1
        return self.request(session, words, entry)

    def end(self, session: Session) -> None:
        """End a conversation."""
        self.server.sessions.pop(session.id, None)
        session.unwatch()
        self.blocking.forget(session)

    def only_reads(self, words: Sequence[bytes]) -> bool:
        """Tell whether a request leaves the data, the server and the conversation as they are."""
        try:
            command = self._table.find(words)
        except CommandError:
            return False
        return command.lasting is Lasting.REQUEST and not {"write", "admin"} & set(command.flags)

    def _admit(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Give the entry of a command that may be called now, or the reply to a request that is refused or queued."""
        transaction = session.transaction
        try:
            if transaction is not None and session.authenticated:
                entry = self._table.at_once[session.scope].get(words[0])
                if entry is None or not entry.is_queued or not entry.least <= len(words) <= entry.most:
                    entry = self.admission.admit(session, words)
            else:
                entry = self.admission.admit(session, words)
        except CommandError as error:
            self.statistics.errors[error.code] += 1
            return error.bare()
        except AttackError:
            return NO_REPLY
        except Exception:
            return self._internal_error(as_text(words[0][:128]))
        if transaction is None or entry.command.in_transaction is not InTransaction.QUEUED:
            return entry
        session.last_call = entry
        transaction.queue.append((entry, words))
        return QUEUED

    def _failed(self, session: Session, entry: TableEntry, error: CommandError) -> CommandError:
        """Count an error reply, unless a log is replayed: nobody has asked then."""
        if not session.is_replay:
            entry.failed += 1
            self.statistics.errors[error.code] += 1
        return error.bare()

    def _internal_error(self, command: str) -> CommandError:
        """Tell of a fault of ours to whoever asked and to the log; nobody else notices."""
        self._log.failure("{command} failed", command=command)
        self.statistics.errors["ERR"] += 1
        return CommandError("internal error, see the log of the server")

    def _refuse_files(self) -> None:
        """Refuse settings that ask for files where there is no folder for them; raises ValueError."""
        settings = self.settings
        if settings.save or settings.appendonly:
            raise ValueError(f"{NO_FOLDER} (--dir, or dir in the config)")
