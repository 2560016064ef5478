"""Scripts by their SHA1, their flags, and the cache of those that came lately."""

from __future__ import annotations

import hashlib
from typing import Any, Callable, Dict, Final, FrozenSet, Sequence

from twisted_kv.vocabulary.errors import CommandError, as_text, c_string
from twisted_kv.wire.words import split_words

FLAGS: Final = frozenset(("no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"))
"""What scripts and functions may declare of themselves, in Redis 7.0."""

EVALUATED: Final = 500
"""Scripts that came by EVAL alone which are kept, as in Redis 7.4; 7.0 keeps all, for ever."""

EVALUATED_BYTES: Final = 8 << 20
"""Bytes of the texts of these that are kept; compiled, they take several times as much of Lua's memory."""

NAME: Final = b"@user_script"


class Script:
    """A script: its SHA1 in hexadecimal digits, and its flags: None without a shebang, when it may do anything."""

    __slots__ = ("flags", "function", "is_evaluated", "sha", "source")

    def __init__(self, source: bytes, compiler: Callable[[bytes], Any]) -> None:
        self.source = source
        self.sha = sha_of(source)
        self.flags, body = read_shebang(source)
        self.function = compiler(body)
        self.is_evaluated = False
        """Whether it came by EVAL alone: it may be forgotten."""


class ScriptCache:
    """The scripts of a cache; `compiler` makes a function of a script's text, or raises ValueError."""

    def __init__(self, compiler: Callable[[bytes], Any]) -> None:
        self._compiler = compiler
        self._loaded: Dict[bytes, Script] = {}
        self._evaluated: Dict[bytes, Script] = {}  # the least lately used first
        self._by_source: Dict[bytes, Script] = {}
        self._evaluated_bytes = 0
        self.memory = 0
        """Bytes of the texts."""

    def __len__(self) -> int:
        return len(self._loaded) + len(self._evaluated)

    def find(self, sha: bytes) -> Script | None:
        """Return a script by its SHA1, in any case."""
        script = self._loaded.get(sha) or self._evaluated.get(sha)
        if script is None and not sha.islower():
            sha = sha.lower()
            script = self._loaded.get(sha) or self._evaluated.get(sha)
        if script is not None and script.is_evaluated:
            self._use(script)
        return script

    def evaluate(self, source: bytes) -> Script:
        """Return the script of an EVAL; raise `CommandError` if it cannot be compiled."""
        script = self._by_source.get(source)
        if script is None:
            script = self._add(source)
            script.is_evaluated = True
            self._evaluated[script.sha] = script
            self._evaluated_bytes += len(source)
            self._shrink()
        elif script.is_evaluated:
            self._use(script)
        return script

    def load(self, source: bytes) -> Script:
        """Keep a script until the cache is flushed; raise `CommandError` if it cannot be compiled."""
        script = self._by_source.get(source) or self._add(source)
        if script.is_evaluated:
            self._drop(script)
            script.is_evaluated = False
        self._loaded[script.sha] = script
        return script

    def _use(self, script: Script) -> None:
        del self._evaluated[script.sha]
        self._evaluated[script.sha] = script

    def _add(self, source: bytes) -> Script:
        try:
            script = Script(source, self._compiler)
        except ValueError as error:
            raise CommandError(f"Error compiling script (new function): {error}") from None
        self._by_source[source] = script
        self.memory += len(source)
        return script

    def _shrink(self) -> None:
        """Forget what came by EVAL alone and was least lately used, while it is too much; the last one is kept."""
        evaluated = self._evaluated
        while len(evaluated) > 1 and (len(evaluated) > EVALUATED or self._evaluated_bytes > EVALUATED_BYTES):
            script = next(iter(self._evaluated.values()))
            self._drop(script)
            del self._by_source[script.source]
            self.memory -= len(script.source)

    def _drop(self, script: Script) -> None:
        """Take a script from those that may be forgotten."""
        del self._evaluated[script.sha]
        self._evaluated_bytes -= len(script.source)


def command_flags(command: Sequence[str], declared: FrozenSet[str]) -> list[str]:
    """Return the flags of a request that runs a script, from those of its command and what the script has declared."""
    flags = [flag for flag in command if flag not in ("stale", "denyoom", "write", "may_replicate")]
    if "allow-stale" in declared:
        flags.append("stale")
    if "no-writes" not in declared:
        flags.append("write")
        if "allow-oom" not in declared:
            flags.append("denyoom")
    return flags


def sha_of(source: bytes) -> bytes:
    """Return the SHA1 of a script, in hexadecimal digits."""
    return hashlib.sha1(source, usedforsecurity=False).hexdigest().encode()


def read_shebang(source: bytes) -> tuple[FrozenSet[str] | None, bytes]:
    """Return the flags of a script, None if it has no shebang, and its text without that line, whose end is kept.

    Raises `CommandError` for a shebang that Redis refuses.
    """
    if not source.startswith(b"#!"):
        return None, source
    line, end, _ = source.partition(b"\n")
    if not end:
        raise CommandError("Invalid script shebang")
    engine, options = split_shebang(line)
    if engine != b"#!lua":
        raise CommandError(f"Unexpected engine in script shebang: {as_text(c_string(engine))}")
    flags: set[str] = set()
    for option in options:
        if not option.startswith(b"flags="):
            raise CommandError(f"Unknown lua shebang option: {as_text(c_string(option))}")
        names = option[len(b"flags=") :]
        for name in map(as_text, names.split(b",") if names else ()):
            if name not in FLAGS:
                raise CommandError(f"Unexpected flag in script shebang: {name}")
            flags.add(name)
    return frozenset(flags), source[len(line) :]


def split_shebang(line: bytes) -> tuple[bytes, list[bytes]]:
    """Return the engine and the options of a shebang line; raise `CommandError` if its quotes are not closed."""
    try:
        words = split_words(line)
    except ValueError:
        words = []
    if not words:
        raise CommandError("Invalid engine in script shebang")
    return words[0], list(words[1:])
