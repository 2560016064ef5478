"""The functions of a cache, in their libraries."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

from twisted_kv.engine.script_runs import Lua, ScriptRuns
from twisted_kv.engine.scripting import keys_count
from twisted_kv.scripting.libraries import NAME, Function, Libraries, Library, read_library
from twisted_kv.scripting.scripts import command_flags
from twisted_kv.sessions.services import Running
from twisted_kv.sessions.session import Server, Session
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Reply


class Functions:
    """The functions of one cache; `runs` runs them."""

    def __init__(self, server: Server, runs: ScriptRuns) -> None:
        self._server = server
        self._runs = runs
        self._lua = Lua(runs)
        self.libraries = Libraries()

    def call(self, session: Session, name: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        """Call a function; `words` are the number of keys, the keys and the arguments."""
        function = self.libraries.find(name)
        if function is None:
            raise CommandError("Function not found")
        count = keys_count(words, "Bad number of keys provided")
        callback, arguments, flags = function.callback, words[1:], function.flags
        request = (b"FCALL_RO" if read_only else b"FCALL", name, *words)
        now = self._server.now.elapsed
        running = Running(function.name, request, now, True, read_only, "allow-oom" in flags)
        return self._runs.start(
            session, self._lua, lambda interpreter: interpreter.call(callback, count, arguments), running, flags
        )

    def flags_of(self, command: Sequence[str], name: bytes) -> Sequence[str]:
        """Return the flags of a request that calls a function, given those of its command."""
        function = self.libraries.find(name)
        return command if function is None else command_flags(command, function.flags)

    def load(self, code: bytes, *, replace: bool) -> bytes:
        """Load a library; return its name, or raise `CommandError` and change nothing."""
        taken = (lambda name: False) if replace else self.libraries.by_name.__contains__
        library = self._read(code, self._lua, taken)
        self.libraries.add(library, replace=replace)
        return library.name

    @property
    def codes(self) -> Sequence[bytes]:
        """The codes of all libraries."""
        return self.libraries.codes

    def delete(self, name: bytes) -> None:
        """Delete a library; raise `CommandError` if there is none of that name."""
        if not self.libraries.remove(name):
            raise CommandError("Library not found")

    def flush(self) -> None:
        """Delete all libraries, and all that Lua holds."""
        self._lua = Lua(self._runs)
        self.libraries = Libraries()

    def restore(self, codes: Sequence[bytes], *, flush: bool, replace: bool) -> None:
        """Load libraries, all or none; raise `CommandError` if one cannot be loaded."""
        if flush:
            lua = Lua(self._runs)
            self.libraries = Libraries([self._read(code, lua) for code in codes])
            self._lua = lua
            return
        restored = [self._read(code, self._lua) for code in codes]
        libraries = Libraries(self.libraries.by_name.values())
        for library in restored:
            libraries.add(library, replace=replace)
        self.libraries = libraries

    def kill(self) -> None:
        """End the function that runs; raise `CommandError` if none runs, or if it has written."""
        self._runs.kill(is_function=True)

    @property
    def running(self) -> Running | None:
        """What runs."""
        return self._runs.running

    def limit_memory(self) -> None:
        """Take over a new limit of the memory."""
        self._lua.limit_memory()

    def information(self) -> Mapping[str, int]:
        """Return what INFO says about memory."""
        return {
            "number_of_functions": self.libraries.functions_count,
            "number_of_libraries": len(self.libraries.by_name),
            "used_memory_vm_functions": self._lua.memory,
            "used_memory_functions": self.libraries.memory,
        }

    def _read(self, code: bytes, lua: Lua, taken: Callable[[bytes], bool] = lambda name: False) -> Library:
        def load(body: bytes) -> Sequence[Function]:
            interpreter = lua.get()
            try:
                chunk = interpreter.compile(body, NAME)
            except ValueError as error:
                raise CommandError(f"Error compiling function: {error}") from None
            return self._runs.load(lambda: interpreter.load(chunk))  # type: ignore[no-any-return]

        return read_library(code, load, taken=taken)
