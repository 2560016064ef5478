"""The script or the function that runs: one at a time, each as one request and one unit.

It calls commands in a session of its own, in the caller's database and without a password.  Time stands still for it,
so no key expires in its midst, and what it changes leaves it as one record of the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Final, FrozenSet, Sequence

from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.table import TableEntry
from twisted_kv.engine.admission import Admission
from twisted_kv.engine.units import Units
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.scripting.errors import Raised
from twisted_kv.scripting.kinds import RAISED
from twisted_kv.sessions.services import Running
from twisted_kv.sessions.session import REDIS_VERSION, Server, Session
from twisted_kv.vocabulary.errors import BusyError, CommandError, as_text, c_string
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import NoReply, Reply
from twisted_kv.vocabulary.waiting import Promise

if TYPE_CHECKING:
    from twisted_kv.scripting.interpreter import Interpreter
    from twisted_kv.scripting.results import Results

CALLS: Final = 64
"""Fast commands after which the time is looked at."""
SLOW: Final = 8
"""As how many of these a command counts whose duration depends on the data."""

LOAD_TIME: Final = 500
"""Milliseconds that the code of a library may run while it is loaded, as in Redis."""

REPL_AOF: Final = 1
"""The flag of `redis.set_repl` that has changes recorded."""

_LEVELS: Final = ("debug", "debug", "info", "warn")
_LEVEL_NAMES: Final = ("debug", "verbose", "notice", "warning")

KILLED: Final = b"ERR Script killed by user with SCRIPT KILL..."
TOO_LONG: Final = b"ERR Script killed: it has run longer than script-time-limit"
SHUT_DOWN: Final = b"ERR Script killed: the server shuts down"

Run = Callable[[Session, Sequence[bytes], TableEntry], Reply]
"""Runs a request whose command was admitted before."""


class Lua:
    """An interpreter that is made when it is first needed, and the reader of its results."""

    def __init__(self, runs: ScriptRuns) -> None:
        self._runs = runs
        self.interpreter: Interpreter | None = None
        self.results: Results | None = None

    def get(self) -> Interpreter:
        """Return the interpreter; raise `MissingLuaError` if there is no Lua."""
        if self.interpreter is None:
            from twisted_kv.scripting.interpreter import Interpreter
            from twisted_kv.scripting.results import Results

            self.interpreter = Interpreter(self._runs, self._runs.memory_limit, REDIS_VERSION)
            self.results = Results(self.interpreter)
        return self.interpreter

    def limit_memory(self) -> None:
        """Take over a new limit."""
        if self.interpreter is not None:
            self.interpreter.set_memory_limit(self._runs.memory_limit)

    @property
    def memory(self) -> int:
        """Bytes that it takes."""
        return 0 if self.interpreter is None else self.interpreter.memory


class ScriptRuns:
    """Runs scripts and functions, and serves as the host of their interpreters.

    `run` runs a request within a unit.  `wakeup` is suspended while other clients are served in the midst of a script;
    `poll`, if there is one, reads their requests and answers them.
    """

    _log = Logger()

    def __init__(self, server: Server, admission: Admission, run: Run, units: Units, wakeup: WakeUp) -> None:
        self._server = server
        self._units = units
        self._admission = admission
        self._run = run
        self._wakeup = wakeup
        self.poll: Callable[[], None] | None = None
        self._left = CALLS
        self._killed: bytes | None = None  # the error with which the script is to end
        self._is_polling = False
        self._entries: Dict[bytes, TableEntry] = {}  # of the commands that scripts call, as they spell them
        self._session = Session(server, Lasting.CONNECTION, trusted=True)
        self._session.may_wait = False
        self._session.is_script = True
        self.running: Running | None = None
        self._is_guarded = False  # whether the next write must be checked
        self._is_muted = False
        self._loading_since: int | None = None

    @property
    def memory_limit(self) -> int:
        """Bytes that an interpreter may take."""
        return self._server.settings.lua_memory_limit

    def start(
        self,
        session: Session,
        lua: Lua,
        call: Callable[[Interpreter], Any],
        running: Running,
        flags: FrozenSet[str] | None,
    ) -> Reply:
        """Run a script for a session, if nothing speaks against it; `call` calls it.

        `flags` are what it has declared; None for a script that may do anything.
        """
        if self.running is not None:
            raise CommandError("a script cannot run another script")
        admission = self._admission
        if flags is not None:
            self._check(flags, read_only=running.is_read_only)
            running.is_read_only = running.is_read_only or "no-writes" in flags
        self._is_guarded = running.is_read_only or admission.refuses_some_writes
        own = self._session
        own.db = session.db
        own.resp = 2
        interpreter = lua.get()
        self.running = running
        self._left = CALLS
        self._units.depth += 1
        try:
            result = call(interpreter)
            kind = type(result)
            if kind is bytes or kind is int:
                return result
            if kind is tuple and result[0] == RAISED:
                raise _failure(running.name, result)
            results = lua.results
            assert results is not None
            reply = results.reply(result, own.resp, session.resp, is_encoded=session.link is not None)
            if results.uncounted:
                self._count(running, results.uncounted)
            if isinstance(reply, CommandError):
                reply.is_counted = len(result) > 2 and bool(result[2])
                raise reply
            return reply
        except interpreter.lua_error:  # it was to end while its reply was read
            raise CommandError.parse(self._killed or KILLED) from None
        finally:
            self._units.depth -= 1
            self.running = None
            if self._is_muted:
                self.set_repl(REPL_AOF)
            if self._killed is SHUT_DOWN:
                self._server.services.effects.discard()  # nothing of what it has done outlasts the process
                self._server.services.effects.mute(True)
            elif admission.busy is not None:
                admission.busy = None
            self._killed = None

    def _count(self, running: Running, codes: Sequence[str]) -> None:
        """Count the errors within a reply."""
        self._server.commands.entry_of(running.request[:1]).failed += 1
        for code in codes:
            self._server.statistics.errors[code] += 1

    def load(self, load: Callable[[], Any]) -> Any:
        """Run the code of a library while it is loaded."""
        self._loading_since = self._server.now.elapsed
        try:
            return load()
        finally:
            self._loading_since = None

    def kill(self, *, is_function: bool) -> None:
        """End the script that runs; raise `CommandError` if none runs, if it has written, or if it is no function."""
        running = self.running
        if running is None:
            raise CommandError("No scripts in execution right now.", "NOTBUSY")
        if running.wrote:
            raise CommandError(
                "Sorry the script already executed write commands against the dataset. You can either wait the script "
                "termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
                "UNKILLABLE",
            )
        if running.is_function is not is_function:
            raise BusyError(is_function=running.is_function)
        self._killed = KILLED

    def shut_down(self) -> None:
        """End the script that runs, whatever it has written: the process ends, and nothing is kept of it.

        Until then nobody else is served.
        """
        self._killed = SHUT_DOWN

    def go_on(self) -> None:
        """Go on after a shutdown that has failed."""
        self._log.error("the shutdown has failed: what the script that was ended has written is not in the log")
        self._server.services.effects.mute(False)
        self._admission.busy = None

    def _check(self, flags: FrozenSet[str], *, read_only: bool) -> None:
        """Raise `CommandError` if a script with these flags cannot run now."""
        if "no-writes" in flags:
            return
        misconf = self._admission.misconf
        if misconf is not None:
            raise CommandError(
                f"{misconf.message.partition(' Commands that may')[0]} Writable scripts are blocked. Use 'no-writes' "
                "flag for read only scripts.",
                misconf.code,
            )
        if read_only:
            raise CommandError("Can not execute a script with write flag using *_ro command.")
        if "allow-oom" not in flags and self._admission.is_short_of_memory:
            raise CommandError(
                "allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'", "OOM"
            )

    # What a script asks: the host of its interpreter

    def run(self, words: Sequence[bytes]) -> Reply:
        """Run a command for the script."""
        entry = self._entries.get(words[0])
        if entry is None:
            entry = self._find(words)
        count = len(words)
        if count < entry.least or count != entry.least == entry.most:
            raise self._refusal(b"ERR Wrong number of args calling Redis command from script", entry)
        if entry.is_write:
            if self._is_guarded:
                self._check_write(entry)
            if entry.command.is_write:
                assert self.running is not None  # or nobody would call a command
                self.running.wrote = True
        entry.calls += 1
        self._left -= 1 if entry.is_fast else SLOW
        if self._left <= 0:
            self._left = CALLS
            error = self.tick()
            if error is not None:
                raise Raised(error, is_fatal=True)
        reply = self._run(self._session, words, entry)
        kind = type(reply)
        if kind is bytes or kind is int:
            return reply
        if kind is Promise:
            reply.abandon()
            raise self._refusal(b"ERR %b would have to wait" % words[0][:128], entry)
        return None if kind is NoReply else reply

    def _find(self, words: Sequence[bytes]) -> TableEntry:
        """Find a command that a script calls; raise `Raised` if it may not."""
        try:
            entry = self._server.commands.entry_of(words)
        except CommandError:
            raise self._refusal(b"ERR Unknown Redis command called from script") from None
        command, count = entry.command, len(words)
        if count < entry.least or count != entry.least == entry.most:
            raise self._refusal(b"ERR Wrong number of args calling Redis command from script", entry)
        if "noscript" in command.flags or (command.changes_session and command.name != "select"):
            raise self._refusal(b"ERR This Redis command is not allowed from script", entry)
        if entry.skip == 1 and len(self._entries) < 1000:
            self._entries[words[0]] = entry
        return entry

    def _check_write(self, entry: TableEntry) -> None:
        """Raise `Raised` if the script may not write, or not now: only its first write can be refused."""
        running = self.running
        assert running is not None
        if running.is_read_only:
            raise self._refusal(b"ERR Write commands are not allowed from read-only scripts.", entry)
        if running.wrote or not entry.command.is_write:
            return
        admission = self._admission
        if admission.misconf is not None:
            raise self._refusal(admission.misconf.line, entry)
        if entry.command.denies_oom and not running.allows_oom and admission.is_short_of_memory:
            raise self._refusal(b"OOM command not allowed when used memory > 'maxmemory'.", entry)

    def _refusal(self, text: bytes, entry: TableEntry | None = None) -> Raised:
        """Return the error for a command that is refused, and count it."""
        if entry is not None:
            entry.rejected += 1
        self._server.statistics.errors[as_text(text).partition(" ")[0]] += 1
        return Raised(text)

    def log(self, level: int, text: bytes) -> None:
        """Log a line, as Redis's levels say."""
        if level >= _LEVEL_NAMES.index(self._server.settings.loglevel):
            emit: Callable[..., None] = getattr(self._log, _LEVELS[level])
            emit("{text}", text=as_text(text))

    def set_resp(self, version: int) -> None:
        """Have replies in another version of the protocol."""
        self._session.resp = version

    def set_repl(self, flags: int) -> None:
        """Have changes recorded, or not."""
        self._is_muted = not flags & REPL_AOF
        self._server.services.effects.mute(self._is_muted)

    def check_acl(self, words: Sequence[bytes]) -> bool:
        """Check whether a command exists: there is one user, who may do everything."""
        try:
            self._server.commands.find(words)
        except CommandError:
            raise Raised(b"ERR Invalid command passed to redis.acl_check_cmd()") from None
        return True

    def tick(self) -> bytes | None:
        """Return the error with which to end the script, if it has to end; serve others if it takes long."""
        now = self._server.now.elapsed
        running = self.running
        if running is None:
            is_late = self._loading_since is not None and now - self._loading_since > LOAD_TIME
            return b"ERR FUNCTION LOAD timeout" if is_late else None
        elapsed, settings = now - running.since, self._server.settings
        if self._admission.busy is not None:
            self._serve_others()
        elif settings.busy_reply_threshold and elapsed >= settings.busy_reply_threshold:
            self._become_busy(running, elapsed)
        limit = settings.script_time_limit
        if limit and elapsed > limit and not running.wrote and self._killed is None:
            self._log.warn("a script is killed: it has run longer than script-time-limit")
            self._killed = TOO_LONG
        return self._killed

    def _become_busy(self, running: Running, elapsed: int) -> None:
        """From now on serve others while the script runs: most of what they send is refused."""
        self._log.warn(
            "slow script: {name} has been running for {elapsed} milliseconds; {command} ends it",
            name=as_text(running.name),
            elapsed=elapsed,
            command="FUNCTION KILL" if running.is_function else "SCRIPT KILL",
        )
        self._admission.busy = BusyError(is_function=running.is_function)
        self._serve_others()

    def _serve_others(self) -> None:
        """Read and answer requests of other clients; the script sees the time stand still."""
        if self.poll is None or self._is_polling:
            return
        now = self._server.now
        before = now.hold()
        self._is_polling = True
        try:
            self._wakeup.suspend(self.poll)
        finally:
            self._is_polling = False
            now.resume(before)


def _failure(name: bytes, result: Sequence[Any]) -> CommandError:
    """Return the error that a script has raised; one of a command was counted when that failed."""
    text: bytes = c_string(result[1])
    if len(result) > 3 and result[2] is not None:
        text += b" script: %b, on %b:%d." % (name, result[2], result[3])
    error = CommandError.parse(text)
    error.is_counted = len(result) > 4 and bool(result[4])
    return error
