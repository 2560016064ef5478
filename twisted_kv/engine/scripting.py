"""Runs scripts: one at a time, each as one request and one unit.

A script calls commands in a session of its own, in the caller's database and without a password.  Time stands still for
it, so no key expires in its midst, and what it changes leaves it as one record of the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Final, FrozenSet, Mapping, Sequence

from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.table import TableEntry
from twisted_kv.engine.admission import Admission
from twisted_kv.scripting.errors import Raised
from twisted_kv.scripting.scripts import Script, ScriptCache, read_shebang
from twisted_kv.sessions.session import REDIS_VERSION, Server, Session
from twisted_kv.vocabulary.errors import CommandError, as_text, c_string
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.vocabulary.replies import Followed, NoReply, Reply
from twisted_kv.vocabulary.waiting import Promise

if TYPE_CHECKING:
    from twisted_kv.scripting.interpreter import Interpreter
    from twisted_kv.scripting.results import Results

CALLS: Final = 64
"""Commands after which a script looks at the time."""

REPL_AOF: Final = 1
"""The flag of `redis.set_repl` that has changes recorded."""

_LEVELS: Final = ("debug", "debug", "info", "warn")


Run = Callable[[Session, Sequence[bytes], TableEntry], Reply]
"""Runs a request whose command was admitted before."""


class Scripting:
    """The scripts of one cache, and the one that runs.

    `run` runs a request.
    """

    _log = Logger()

    def __init__(self, server: Server, admission: Admission, run: Run) -> None:
        self._server = server
        self._admission = admission
        self._run = run
        self._entries: Dict[bytes, TableEntry] = {}  # of the commands that scripts call, as they spell them
        self._session = Session(server, Lasting.CONNECTION, trusted=True)
        self._session.may_wait = False
        self._session.is_script = True
        self._interpreter: Interpreter | None = None
        self._results: Results | None = None
        self._cache = ScriptCache(self._compile)
        self._script: Script | None = None  # the one that runs
        self._is_read_only = False
        self._is_guarded = False  # whether writes must be checked: memory is short, or the disk has failed
        self._allows_oom = False
        self._wrote = False
        self._left = CALLS
        self._is_muted = False
        server.setting_changed["lua-memory-limit"] = self._limit_memory

    # What commands ask

    def evaluate(self, session: Session, source: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        """Run the script of an EVAL; `words` are the number of keys, the keys and the arguments."""
        count = _keys_count(words)
        return self._start(session, self._cache.evaluate(source), count, words, read_only=read_only)

    def evaluate_sha(self, session: Session, sha: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        """Run a script that is in the cache."""
        if len(sha) != 40:
            raise _no_script()
        count = _keys_count(words)
        script = self._cache.find(sha)
        if script is None:
            raise _no_script()
        return self._start(session, script, count, words, read_only=read_only)

    def flags_of(self, command: Sequence[str], word: bytes, *, is_sha: bool) -> Sequence[str]:
        """Return the flags of a request that runs a script, given those of its command.

        A script that has declared flags is taken at its word; one that is unknown has those of the command.
        """
        try:
            if is_sha:
                script = self._cache.find(word)
                flags = None if script is None else script.flags
            else:
                flags, _ = read_shebang(word)
        except CommandError:
            return command
        if flags is None:
            return command
        changed = [flag for flag in command if flag not in ("stale", "denyoom", "write", "may_replicate")]
        if "allow-stale" in flags:
            changed.append("stale")
        if "no-writes" not in flags:
            changed.append("write")
            if "allow-oom" not in flags:
                changed.append("denyoom")
        return changed

    def load(self, source: bytes) -> bytes:
        """Put a script into the cache, until it is flushed; return its SHA1."""
        return self._cache.load(source).sha

    def exists(self, sha: bytes) -> bool:
        """Check whether a script is in the cache."""
        return self._cache.find(sha) is not None

    def flush(self) -> None:
        """Forget all scripts, and all that Lua holds."""
        self._cache = ScriptCache(self._compile)
        self._interpreter = self._results = None

    def kill(self) -> None:
        """End the script that runs; raise `CommandError` if none runs, or if it has written."""
        raise CommandError("No scripts in execution right now.", "NOTBUSY")

    def information(self) -> Mapping[str, object]:
        """Return what INFO says about memory."""
        used = 0 if self._interpreter is None else self._interpreter.memory
        return {
            "used_memory_lua": used,
            "used_memory_vm_eval": used,
            "used_memory_scripts_eval": self._cache.memory,
            "number_of_cached_scripts": len(self._cache),
        }

    # Running

    def _start(self, session: Session, script: Script, count: int, words: Sequence[bytes], *, read_only: bool) -> Reply:
        """Run a script for a session, if nothing speaks against it."""
        if self._script is not None:
            raise CommandError("a script cannot run another script")
        flags = script.flags
        if flags is not None:
            self._check(flags, read_only=read_only)
            read_only = read_only or "no-writes" in flags
        self._is_read_only = read_only
        self._allows_oom = flags is not None and "allow-oom" in flags
        self._is_guarded = self._admission.refuses_some_writes
        self._wrote = False
        own = self._session
        own.db = session.db
        own.resp = 2
        self._script = script
        interpreter, results = self._interpreter, self._results
        assert interpreter is not None and results is not None  # it has compiled the script
        try:
            result = interpreter.run(script.function, count, words[1:])
            kind = type(result)
            if kind is bytes or kind is int:
                return result
            if kind is tuple and result[0] == -1:
                return self._failure(session, script, result)
            is_encoded = session.link is not None
            reply = results.reply(result, own.resp, session.resp, is_encoded=is_encoded)
            if kind is tuple and result[0] == 1 and not (len(result) > 2 and result[2]):
                raise reply  # an error of the script's own, which is counted
            return reply
        finally:
            self._script = None
            if self._is_muted:
                self.set_repl(REPL_AOF)

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

    @staticmethod
    def _failure(session: Session, script: Script, result: Sequence[Any]) -> Reply:
        """Return or raise the error of a script: one of a command was counted when that failed."""
        text: bytes = c_string(result[1])
        if len(result) > 3 and result[2] is not None:
            text += b" script: %b, on %b:%d." % (script.sha, result[2], result[3])
        error = CommandError.parse(text)
        if len(result) > 4 and result[4]:
            return error
        raise error

    # What a script asks: the host of its interpreter

    def run(self, words: Sequence[bytes]) -> Reply:
        """Run a command for the script."""
        entry = self._entries.get(words[0])
        if entry is None:
            entry = self._find(words)
        count = len(words)
        if count < entry.least or count != entry.least == entry.most:
            raise Raised(b"ERR Wrong number of args calling Redis command from script")
        if entry.is_write:
            if self._is_read_only or self._is_guarded:
                self._check_write(entry)
            self._wrote = self._wrote or entry.command.is_write
        entry.calls += 1
        reply = self._run(self._session, words, entry)
        kind = type(reply)
        if kind is bytes or kind is int:
            return reply
        if kind is Followed:
            return reply.reply  # what follows concerns no session of a script
        if kind is Promise:
            reply.abandon()
            raise Raised(b"ERR %b would have to wait" % words[0])
        return None if kind is NoReply else reply

    def _find(self, words: Sequence[bytes]) -> TableEntry:
        """Find a command that a script calls; raise `Raised` if it may not."""
        try:
            entry = self._server.commands.entry_of(words)
        except CommandError:
            raise Raised(b"ERR Unknown Redis command called from script") from None
        command, count = entry.command, len(words)
        if count < entry.least or count != entry.least == entry.most:
            raise Raised(b"ERR Wrong number of args calling Redis command from script")
        if "noscript" in command.flags or (command.changes_session and command.name != "select"):
            raise Raised(b"ERR This Redis command is not allowed from script")
        if entry.skip == 1 and len(self._entries) < 1000:
            self._entries[words[0]] = entry
        return entry

    def _check_write(self, entry: TableEntry) -> None:
        """Raise `Raised` if the script may not write, or not now: only its first write can be refused."""
        if self._is_read_only:
            raise Raised(b"ERR Write commands are not allowed from read-only scripts.")
        if self._wrote or not entry.command.is_write:
            return
        admission = self._admission
        if admission.misconf is not None:
            raise Raised(admission.misconf.line)
        if entry.command.denies_oom and not self._allows_oom and admission.is_short_of_memory:
            raise Raised(b"OOM command not allowed when used memory > 'maxmemory'.")

    def log(self, level: int, text: bytes) -> None:
        """Log a line, as Redis's levels say."""
        if level >= _NAMES.index(self._server.settings.loglevel):
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
        """Return the error with which to end the script, if it has to end."""
        return None

    # Making it

    def _compile(self, body: bytes) -> Any:
        if self._interpreter is None:
            from twisted_kv.scripting.interpreter import Interpreter
            from twisted_kv.scripting.results import Results

            self._interpreter = Interpreter(self, self._server.settings.lua_memory_limit, REDIS_VERSION)
            self._results = Results(self._interpreter)
        return self._interpreter.compile(body, b"@user_script")

    def _limit_memory(self) -> None:
        if self._interpreter is not None:
            self._interpreter.set_memory_limit(self._server.settings.lua_memory_limit)


_NAMES: Final = ("debug", "verbose", "notice", "warning")


def _keys_count(words: Sequence[bytes]) -> int:
    """Return the number of keys that a request declares; raise `CommandError` if it has not so many arguments."""
    count = parse_integer(words[0])
    if count is None:
        raise CommandError("value is not an integer or out of range")
    if count >= len(words):
        raise CommandError("Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError("Number of keys can't be negative")
    return count


def _no_script() -> CommandError:
    return CommandError("No matching script. Please use EVAL.", "NOSCRIPT")
