"""The dispatch service: three methods between the receivers of requests and the commands.

    session = dispatcher.begin(Lasting.CONNECTION, link)      begin a session
    reply = dispatcher.request(session, [b"GET", b"key"])      run a request; the reply is a value, and so is an error
    dispatcher.end(session)                                    end the session

Datagrams, connections and in-process calls all come through here.  No other code calls commands: the dispatcher runs
them for a request, for EXEC, for a client that has waited, for a journal replay, and for one command within another.
"""

from __future__ import annotations

from typing import Callable, ClassVar, Final, Iterable, Sequence, TypeVar

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.commands import InTransaction, Lasting
from twisted_kv.declaring.table import Commands, CommandTable, Scope, TableEntry
from twisted_kv.engine.admission import Admission
from twisted_kv.engine.blocking import Blocking
from twisted_kv.engine.deliveries import Deliveries
from twisted_kv.engine.eviction import Eviction
from twisted_kv.engine.functions import Functions
from twisted_kv.engine.housekeeping import Housekeeping
from twisted_kv.engine.layers import WAITING, Layers
from twisted_kv.engine.monitors import Monitors
from twisted_kv.engine.notifications import Notifications
from twisted_kv.engine.pausing import Pause
from twisted_kv.engine.script_runs import ScriptRuns
from twisted_kv.engine.scripting import Scripting
from twisted_kv.engine.tracking import Tracking
from twisted_kv.engine.units import Units
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.sessions.session import Link, Server, Session
from twisted_kv.settings.config import Settings
from twisted_kv.vocabulary.clock import Clock, Now, SystemClock
from twisted_kv.vocabulary.errors import (
    INTERNAL,
    NO_FOLDER,
    ArityError,
    AttackError,
    CommandError,
    SharedSessionError,
    SpelledError,
    WouldWait,
    as_text,
)
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import NO_REPLY, QUEUED, Followed, Reply
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.plain_requests import MOST_RUN, Run
from twisted_kv.wire.requests import AT_ONCE, FIRST

T = TypeVar("T")

_CHECKED_AFTER: Final = frozenset((FIRST, *range(AT_ONCE // 4, MOST_RUN, AT_ONCE // 4)))
"""The numbers of requests of a run after which the time is checked."""


class Dispatcher:
    """Runs the requests of sessions, each on the data as they are at that moment.

    `shutdown` is called for SHUTDOWN; without it SHUTDOWN is refused, since the process belongs to the embedding
    application.  `groups` holds all commands.
    """

    _log = Logger()
    HAS_RUNS: ClassVar[bool] = True
    """Whether a new dispatcher runs pipelines of one command together.  Both ways do the same, as the tests show."""

    def __init__(
        self,
        settings: Settings | None = None,
        clock: Clock | None = None,
        shutdown: Callable[[], None] | None = None,
        groups: Iterable[Commands] = GROUPS,
    ) -> None:
        self.has_runs = Dispatcher.HAS_RUNS
        self.now = Now(clock or SystemClock())
        self.units = Units()
        self._admitted: TableEntry | None = None  # the entry of the request that `run` passes on
        self.layers = Layers()
        self._housekeeping = Housekeeping(self.now, self.units)
        self._table = CommandTable(groups, self.layers)
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
        self.channels = server.channels
        self.deliveries = Deliveries(self.units, self._housekeeping.soon)
        """Calls back the program around the cache."""
        self.wakeup = WakeUp(self.now, self.statistics, self._housekeeping.soon, self.units)
        """Runs the requests that faces have read from a network."""
        self._eviction = Eviction(
            server.settings, self.now, server.databases, server.random, self._housekeeping.soon, self.units
        )
        self.notifications = Notifications(server, self.layers)
        """Reports keyspace events."""
        self.admission = Admission(server, self._table, self._eviction)
        self.monitors = Monitors(server, self.layers, self.admission)
        self.pause = Pause(server, self.admission, self.wakeup, self.request, self._hold_keys, self._housekeeping.soon)
        self.blocking = Blocking(self.now, self.run, self.units)
        self.layers.changed = self._table.recompose
        self.layers.switch(WAITING, self.blocking.layer)
        services = server.services
        services.execution = self
        services.waiting = self.blocking
        self.script_runs = ScriptRuns(server, self.admission, self.run_within, self.units, self.wakeup)
        services.scripts = scripts = Scripting(server, self.script_runs)
        services.functions = functions = Functions(server, self.script_runs)
        services.tracking = Tracking(server, self.layers, self.wakeup)
        services.upkeep = self
        services.monitoring = self.monitors
        services.pausing = self.pause
        for name in ("save", "appendonly"):
            server.setting_changed[name] = self._refuse_files

        def limit_lua() -> None:
            scripts.limit_memory()
            functions.limit_memory()

        server.setting_changed["lua-memory-limit"] = limit_lua
        server.setting_changed["maxmemory"] = self.admission.settings_changed
        server.setting_changed["maxmemory-policy"] = self._eviction.policy_changed

    def start(self) -> None:
        """Start removing keys as they expire.  Until then, an expired key is removed when a request accesses it."""
        self._housekeeping.start(self.server.databases)

    def stop(self) -> None:
        """Cancel all timers; requests are still served."""
        self._housekeeping.stop()
        self._eviction.stop()
        self.blocking.stop()
        self.pause.end()
        self.deliveries.stop()

    def set_active_expire(self, active: bool) -> None:
        """Set whether keys are removed as they expire, or only when a request accesses them."""
        self._housekeeping.set_active_expire(active)

    def _hold_keys(self, is_held: bool) -> None:
        """Let no key expire or be evicted, or let that go on."""
        self._eviction.is_held = is_held
        for database in self.server.databases:
            database.keeps_expired = is_held
        self._housekeeping.hold_keys(is_held)

    def track_use(self) -> None:
        """Start tracking when keys are used, whatever the policy."""
        self._eviction.track_use()

    def begin(self, lasting: Lasting, link: Link | None = None, *, trusted: bool = False) -> Session:
        """Begin a session; one with a link is listed by CLIENT LIST until `end`.

        A trusted session needs no password: it belongs to the process that holds the data.
        """
        self.now.stale = True
        session = Session(self.server, lasting, link, trusted=trusted)
        if link is not None:
            self.server.sessions[session.id] = session
        return session

    def request(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Run one request, which includes the command's name; return the reply value, a `CommandError` for an error."""
        entry = self._admitted
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
        else:
            self._admitted = None
            if count > entry.most:  # it was queued: Redis's table has no upper bound
                return self._count_error(session, entry, ArityError(entry.name))
        units = self.units
        depth = units.depth
        units.depth = depth + 1
        try:
            arguments = count - entry.skip
            if arguments == 1:  # written out for the most frequent requests: unpacking costs a tenth of a GET
                reply = entry.function(session, words[-1])
            elif arguments == 2:
                reply = entry.function(session, words[-2], words[-1])
            else:
                reply = entry.function(session, *words[entry.skip :])
        except BaseException as error:
            units.depth = depth
            reply = self._failure(session, words, entry, error)
        units.depth = depth
        if units.is_due:
            units.finish()
        return reply

    def request_run(self, session: Session, run: Run) -> list[Reply]:
        """Run the first requests of a run, as `request` runs each; return their replies.

        What has to be asked for each request is asked once for all.  Those that are left have to be run one by one.
        """
        entry = session.at_once.get(run.name)
        length = len(run.columns) + 1
        if entry is None or not entry.may_run_together or not entry.least <= length <= entry.most or not self.has_runs:
            return []
        database = session.db
        if database.alert and not all(map(database.ignores_changes_of, run.columns)):  # some of them may be keys
            return []
        self.now.stale = True
        session.last_call = entry
        run_at_once = entry.runs.get(length)
        if run_at_once is None:
            return self._run_each(session, run, entry)
        units = self.units
        depth = units.depth
        units.depth = depth + 1
        try:
            replies = run_at_once(session, run)
        finally:
            units.depth = depth
        entry.calls += len(replies)
        if units.is_due:
            units.finish()
        return replies

    def _run_each(self, session: Session, run: Run, entry: TableEntry) -> list[Reply]:
        """Run requests that are admitted, up to one after which others have to be served."""
        units, function = self.units, entry.function
        depth = units.depth
        replies: list[Reply] = []
        for arguments in zip(*run.columns):
            units.depth = depth + 1
            try:
                reply = function(session, *arguments)
            except BaseException as error:
                units.depth = depth
                reply = self._failure(session, (run.name, *arguments), entry, error)
            units.depth = depth
            replies.append(reply)
            if units.is_due:
                units.finish()
                break
            if type(reply) is Promise or (len(replies) in _CHECKED_AFTER and self.wakeup.is_late):
                break
        entry.calls += len(replies)
        return replies

    def run(self, session: Session, words: Sequence[bytes], entry: TableEntry) -> Reply:
        """Run a request whose admission is over: within another request, or again.

        The entry is passed in an attribute, not as an optional parameter, so that the most frequent call has exactly
        the arguments of the method, which is what CPython calls fastest.
        """
        self._admitted = entry
        self.monitors.words = words
        return self.request(session, words)

    def run_within(self, session: Session, words: Sequence[bytes], entry: TableEntry) -> Reply:
        """Run a request as `run` does, within a unit whose depth its caller has raised: what a script calls."""
        if len(words) > entry.most:
            return self._count_error(session, entry, ArityError(entry.name))
        self.monitors.words = words
        try:
            return entry.function(session, *words[entry.skip :])
        except CommandError as error:
            return self._failure(session, words, entry, error)
        except Exception:  # in a journal replay too: nothing is raised through Lua
            entry.failed += 1
            return self._internal_error(entry.name)

    def call(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Run one request within another, for the same session and as a part of the same unit.

        Return the reply value; an error is a value too.  Blocking commands do not wait, as in a transaction.
        """
        try:
            entry = self._table.entry_of(words)
            if not entry.least <= len(words) <= entry.most:
                raise ArityError(entry.name)
            if entry.command.in_transaction is not InTransaction.QUEUED or entry.command.lasting > session.lasting:
                raise CommandError(f"{entry.name.upper()} cannot be called within another command")
            if entry.command.changes_session and session.scope is Scope.SHARED:
                raise SharedSessionError(entry.name)
        except CommandError as error:
            return error.bare()
        entry.calls += 1
        may_wait, session.may_wait = session.may_wait, False
        try:
            reply = self.run(session, words, entry)
        finally:
            session.may_wait = may_wait
        if type(reply) is Promise:  # a unit does not wait
            reply.abandon()
            return WouldWait(entry.name)
        if type(reply) is Followed:  # the caller wants a value; the messages come before its own reply
            for message in reply.pushes:
                session.push(message)
            return reply.reply
        return reply

    def run_unit(self, work: Callable[[], T]) -> T:
        """Run work that makes several requests, as one unit; return what it returns."""
        return self.units.run(work)

    def end(self, session: Session) -> None:
        """End a session."""
        self.server.sessions.pop(session.id, None)
        session.release()
        self.blocking.forget(session)

    def only_reads(self, words: Sequence[bytes]) -> bool:
        """Check whether a request leaves the data, the server and the session unchanged."""
        try:
            command = self._table.find(words)
        except CommandError:
            return False
        return command.lasting is Lasting.REQUEST and not {"write", "admin"} & set(command.flags)

    def _admit(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Return the entry of a command that may run now, or the reply to a request that is refused or queued."""
        if session.is_shut:
            return NO_REPLY
        transaction = session.transaction
        if session.tracked is not None and session.tracked.caching:
            self._use_caching(session, words)
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
        if self.pause.is_on and self.pause.concerns(session, self.admission.as_called(session, entry.command, words)):
            if session.tracked is not None:
                session.tracked.caching_is_used = False  # it comes again
            session.last_call = entry
            return self.pause.hold(session, words)
        if transaction is None or entry.command.in_transaction is not InTransaction.QUEUED:
            self.monitors.words = words
            return entry
        session.last_call = entry
        transaction.add(entry, words)
        return QUEUED

    @staticmethod
    def _use_caching(session: Session, words: Sequence[bytes]) -> None:
        """Let CLIENT CACHING hold for this request, if none has come since; a transaction is one request."""
        tracked = session.tracked
        assert tracked is not None  # the caller has checked it
        if tracked.caching_is_used and session.transaction is None:
            tracked.caching = tracked.caching_is_used = False
            session.refresh()
        elif words[0].lower() != b"client":
            tracked.caching_is_used = True

    def _failure(self, session: Session, words: Sequence[bytes], entry: TableEntry, error: BaseException) -> Reply:
        """Return the reply to a request that has failed, with the messages that come behind it.

        A fault of the server is logged, and its client told; in a journal replay it is raised, since the loader reports
        that the start has failed.  What is no fault but the end of the process is raised too.
        """
        if not isinstance(error, CommandError):
            if session.is_replay or not isinstance(error, Exception):
                raise error
            entry.failed += 1
            return self._internal_error(entry.name)
        reply = self._count_error(session, entry, error.spelled(words) if isinstance(error, SpelledError) else error)
        if session.behind is None:
            return reply
        behind, session.behind = session.behind, None
        return Followed(reply, behind)

    def _count_error(self, session: Session, entry: TableEntry, error: CommandError) -> CommandError:
        """Count an error reply, except in a journal replay, where no client issued the request."""
        if not session.is_replay:
            entry.failed += 1
            if not error.is_counted:
                self.statistics.errors[error.code] += 1
        return error.bare()

    def _internal_error(self, command: str) -> CommandError:
        """Log a fault of the server and return the error reply for the client; other clients are not affected."""
        self._log.failure("{command} failed", command=command)
        self.statistics.errors["ERR"] += 1
        return CommandError(INTERNAL)

    def _refuse_files(self) -> None:
        """Raise ValueError if a setting requires files and there is no folder for them."""
        settings = self.settings
        if settings.save or settings.appendonly:
            raise ValueError(f"{NO_FOLDER} (--dir, or dir in the config)")
