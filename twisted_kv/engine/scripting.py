"""The scripts of a cache: those that EVAL brings, and those that SCRIPT LOAD keeps."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from twisted_kv.engine.script_runs import Lua, ScriptRuns
from twisted_kv.scripting.scripts import NAME, Script, ScriptCache, command_flags, read_shebang
from twisted_kv.sessions.services import Running
from twisted_kv.sessions.session import Server, Session
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.vocabulary.replies import Reply


class Scripting:
    """The scripts of one cache, by their SHA1; `runs` runs them."""

    def __init__(self, server: Server, runs: ScriptRuns) -> None:
        self._server = server
        self._runs = runs
        self._lua = Lua(runs)
        self._cache = ScriptCache(self._compile)

    def evaluate(self, session: Session, source: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        """Run the script of an EVAL; `words` are the number of keys, the keys and the arguments."""
        count = keys_count(words)
        return self._start(session, b"EVAL", self._cache.evaluate(source), count, words, read_only=read_only)

    def evaluate_sha(self, session: Session, sha: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        """Run a script that is in the cache; raise `CommandError` if it is not."""
        if len(sha) != 40:
            raise _no_script()
        count = keys_count(words)
        script = self._cache.find(sha)
        if script is None:
            raise _no_script()
        return self._start(session, b"EVALSHA", script, count, words, read_only=read_only)

    def flags_of(self, command: Sequence[str], word: bytes, *, is_sha: bool) -> Sequence[str]:
        """Return the flags of a request that runs a script, given those of its command.

        A script that has declared flags is taken at its word; one that is unknown has those of the command.
        """
        if is_sha:
            script = self._cache.find(word)
            flags = None if script is None else script.flags
        else:
            try:
                flags, _ = read_shebang(word)
            except CommandError:
                return command
        return command if flags is None else command_flags(command, flags)

    def load(self, source: bytes) -> bytes:
        """Put a script into the cache, until it is flushed; return its SHA1."""
        return self._cache.load(source).sha

    def exists(self, sha: bytes) -> bool:
        """Check whether a script is in the cache."""
        return self._cache.find(sha) is not None

    def flush(self) -> None:
        """Forget all scripts, and all that Lua holds."""
        self._lua = Lua(self._runs)
        self._cache = ScriptCache(self._compile)

    def shut_down(self) -> None:
        """End the script that runs, whatever it has written: nothing is kept of it."""
        self._runs.shut_down()

    def go_on(self) -> None:
        """Go on after a shutdown that has failed."""
        self._runs.go_on()

    def kill(self) -> None:
        """End the script that runs; raise `CommandError` if none runs, or if it has written."""
        self._runs.kill(is_function=False)

    def limit_memory(self) -> None:
        """Take over a new limit of the memory."""
        self._lua.limit_memory()

    def information(self) -> Mapping[str, int]:
        """Return what INFO says about memory."""
        return {
            "used_memory_lua": self._lua.memory,
            "used_memory_vm_eval": self._lua.memory,
            "used_memory_scripts_eval": self._cache.memory,
            "number_of_cached_scripts": len(self._cache),
        }

    def _start(
        self, session: Session, name: bytes, script: Script, count: int, words: Sequence[bytes], *, read_only: bool
    ) -> Reply:
        arguments, flags = words[1:], script.flags
        request = (name + b"_RO" if read_only else name, script.sha, *words)
        now = self._server.now.elapsed
        running = Running(script.sha, request, now, False, read_only, flags is not None and "allow-oom" in flags)
        function = script.function
        return self._runs.start(
            session, self._lua, lambda interpreter: interpreter.run(function, count, arguments), running, flags
        )

    def _compile(self, body: bytes) -> Any:
        return self._lua.get().compile(body, NAME)


def keys_count(words: Sequence[bytes], error: str = "value is not an integer or out of range") -> int:
    """Return the number of keys that a request declares; raise `CommandError` if it has not so many arguments.

    `error` is the text for what is no number.
    """
    count = parse_integer(words[0])
    if count is None:
        raise CommandError(error)
    if count >= len(words):
        raise CommandError("Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError("Number of keys can't be negative")
    return count


def _no_script() -> CommandError:
    return CommandError("No matching script. Please use EVAL.", "NOSCRIPT")
