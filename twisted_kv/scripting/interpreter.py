"""A Lua runtime for scripts: what goes into it, what comes out, and the limits that it keeps.

Nothing here knows what a command is: the host runs them.
"""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import suppress
from importlib import import_module, resources
from typing import Any, Callable, Final, Mapping, Protocol, Sequence

from twisted_kv.scripting.bit_library import FUNCTIONS as BIT
from twisted_kv.scripting.bytecode import keep_frames
from twisted_kv.scripting.conversion import ToLua, size_of
from twisted_kv.scripting.errors import LibraryError, Raised
from twisted_kv.scripting.libraries import BAD_NAME, Function, flags_of, is_name
from twisted_kv.scripting.struct_library import FUNCTIONS as STRUCT
from twisted_kv.vocabulary.errors import INTERNAL, CommandError, MissingLuaError, as_text, c_string
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.numbers import parse_double
from twisted_kv.vocabulary.replies import Reply

OUT_OF_MEMORY: Final = b"ERR not enough memory: the script needs more than lua-memory-limit"

SLACK: Final = 1 << 20
"""Bytes below the limit at which a script that calls a command is ended.

Lua must not run out of memory while the host gives it a value: there is nothing to catch the error then, and the
process would end (or stand still).  So the host gives values only while they fit, and leaves this much for small ones.
"""

WORDS_AT_ONCE: Final = 4000
"""Arguments of one call: Lua's C functions take at most 8,000."""

_LARGE: Final = 64 * 1024
_REFERENCES: Final = 8192
"""Places for values of Lua that Python refers to, made beforehand: an argument must not need memory either."""

_CONSTANTS: Final[Mapping[bytes, object]] = {
    b"LOG_DEBUG": 0,
    b"LOG_VERBOSE": 1,
    b"LOG_NOTICE": 2,
    b"LOG_WARNING": 3,
    b"REPL_NONE": 0,
    b"REPL_AOF": 1,
    b"REPL_SLAVE": 2,
    b"REPL_REPLICA": 2,
    b"REPL_ALL": 3,
}


class Host(Protocol):
    """What the interpreter asks for while a script runs.  Each may raise `Raised`."""

    def run(self, words: Sequence[bytes]) -> Reply:
        """Run a command; an error of the command itself is a reply."""

    def log(self, level: int, text: bytes) -> None:
        """Log a line; the level is one of Redis's, from 0 (debug) to 3 (warning)."""

    def set_resp(self, version: int) -> None:
        """Have replies in another version of the protocol."""

    def set_repl(self, flags: int) -> None:
        """Have what follows recorded (1), replicated (2), both or neither."""

    def check_acl(self, words: Sequence[bytes]) -> bool:
        """Check whether the user may run a command."""

    def tick(self) -> bytes | None:
        """Return the error with which to end the script, if it has to end; called now and then while it runs."""


class Interpreter:
    """One runtime.  Functions that it compiles belong to it.

    `version` and `version_number` are those of Redis that scripts are told.  Raises `CommandError` if Lua is not there.
    """

    _log = Logger()

    def __init__(self, host: Host, memory_limit: int, version: str) -> None:
        lua51 = _import_lua()
        self._host = host
        self._memory_error: type[Exception] = lua51.LuaMemoryError
        self._syntax_error: type[Exception] = lua51.LuaSyntaxError
        self._lua_error: type[Exception] = lua51.LuaError
        self._limit = memory_limit
        self._lua = lua = lua51.LuaRuntime(
            encoding=None,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_refuse_attribute,
            max_memory=memory_limit,
        )
        self._used: Callable[[], int] = lua.get_memory_used
        self._soft_limit = memory_limit - SLACK
        self._run_host = host.run
        self.interrupt: BaseException | None = None
        """What came while a script ran, and concerns the process, not the script."""
        self._dump: Callable[[Any], bytes] = lua.compile(b"return string.dump(...)", name=b"@owncache")
        self._load: Callable[[bytes, bytes], Any] = lua.compile(b"return loadstring(...)", name=b"@owncache")
        self._make_references()
        exports = self._chunk("prelude.lua")(lua.table_from(self._callbacks(version)))
        self.to_lua = ToLua(lua, exports)
        self.convert = self.to_lua.resp2
        self.open: Callable[[Any], Any] = exports[b"open"]
        self.part: Callable[[Any, int, int], Any] = exports[b"part"]
        self._adopt = exports[b"adopt"]
        self._collect = exports[b"collect"]
        self._run = exports[b"run"]
        self._run_with = exports[b"run_with"]
        self._call_function = exports[b"call"]
        self._call_with = exports[b"call_with"]
        self._load_library = exports[b"load"]
        self._registered = exports[b"registered"]

    # What the host asks for

    def compile(self, source: bytes, name: bytes) -> Any:
        """Compile a script, and return it as a function of Lua; raises ValueError with Lua's text."""
        if not self._has_room(4 * len(source)):
            raise CommandError.parse(OUT_OF_MEMORY)
        is_bytecode = source[:1] == b"\x1b"  # which Lua would trust
        try:
            return self._adopt(self._lua.compile(b"\1" if is_bytecode else source, name=name), name)
        except self._syntax_error as error:
            text = _text(error)
            raise ValueError(text.replace("char(1)", "char(27)") if is_bytecode else text) from None
        except (self._memory_error, Raised):
            raise CommandError.parse(OUT_OF_MEMORY) from None

    def run(self, function: Any, count: int, words: Sequence[bytes]) -> Any:
        """Run a script; the first `count` words are its keys.

        The result is as Lua gives it: a value, or a tuple that begins with a kind (see `results`).
        """
        return self._enter(self._run, self._run_with, function, count, words)

    def call(self, function: Any, count: int, words: Sequence[bytes]) -> Any:
        """Call a function of a library; the first `count` words are its keys.  The result is as that of `run`."""
        return self._enter(self._call_function, self._call_with, function, count, words)

    def load(self, chunk: Any) -> list[Function]:
        """Run the code of a library, and return the functions that it registers; raises `CommandError`."""
        result = self._enter(self._load_library, self._load_library, chunk, 0, ())
        if result[0] == -1:
            raise CommandError(f"Error registering functions: {as_text(c_string(result[1]))}")
        _, found, count = result
        functions = []
        for index in range(1, count + 1):
            name, callback, description, flags = self._registered(found, index)
            functions.append(Function(name, callback, description or None, flags_of(flags.split())))
        return functions

    def _enter(self, run: Any, run_with: Any, function: Any, count: int, words: Sequence[bytes]) -> Any:
        """Call one of the entry points, which takes words one by one, or another that takes them in tables."""
        self.convert = self.to_lua.resp2
        size = 0
        for word in words:
            size += len(word)
        are_few = len(words) <= WORDS_AT_ONCE
        if not are_few:
            size += 40 * len(words)
        if self._used() + size > self._soft_limit and not self._has_room(size):
            return (-1, OUT_OF_MEMORY)
        try:
            if are_few:
                result = run(function, count, *words)
            else:
                make = self._lua.table_from
                result = run_with(function, make(words[:count]), make(words[count:]))
        except self._memory_error:
            result = (-1, OUT_OF_MEMORY)
        finally:
            self._lua.set_max_memory(self._limit)
            if self.interrupt is not None:
                interrupt, self.interrupt = self.interrupt, None
                raise interrupt
        if type(result) is tuple and result[0] == -1 and result[1] == b"not enough memory":
            self._collect()
            return (-1, OUT_OF_MEMORY)
        return result

    @property
    def memory(self) -> int:
        """Bytes that Lua has allocated."""
        return self._used()

    def set_memory_limit(self, limit: int) -> None:
        """Set how many bytes Lua may allocate."""
        self._limit = limit
        self._soft_limit = limit - SLACK
        self._lua.set_max_memory(limit)

    # What scripts call

    def _callbacks(self, version: str) -> dict[bytes, Any]:
        major, minor, patch = map(int, version.split("."))
        number = (major << 16) | (minor << 8) | patch
        constants = {**_CONSTANTS, b"REDIS_VERSION": version.encode(), b"REDIS_VERSION_NUM": number}
        make, seed = self._lua.table_from, os.urandom(6)
        as_double, as_float = struct.Struct(">d"), struct.Struct(">f")
        return {
            b"describe": self._describe,
            b"tick": self._tick,
            b"keep_frames": self._keep_frames,
            b"load_cjson": self._chunk("cjson.lua"),
            b"load_cmsgpack": self._chunk("cmsgpack.lua"),
            b"pack_double": as_double.pack,
            b"unpack_double": lambda data: as_double.unpack(data)[0],
            b"pack_float": as_float.pack,
            b"unpack_float": lambda data: as_float.unpack(data)[0],
            b"struct": make({name: self._library_function(each) for name, each in STRUCT.items()}),
            b"bit": make({name: self._library_function(each) for name, each in BIT.items()}),
            b"check_function": _check_function,
            b"constants": make(constants),
            b"seed_high": int.from_bytes(seed[:3], "big"),
            b"seed_low": int.from_bytes(seed[3:], "big"),
            b"call": self._call,
            b"pcall": self._pcall,
            b"sha1hex": self._sha1hex,
            b"log": self._log_line,
            b"setresp": self._setresp,
            b"set_repl": self._set_repl,
            b"acl_check_cmd": self._acl_check_cmd,
        }

    def _call(self, *words: Any) -> Any:
        if self._used() > self._soft_limit:
            self._make_room(0)
        for word in words:
            if type(word) is not bytes:
                words = _as_words(words)
                break
        else:
            if not words:
                raise Raised(b"ERR Please specify at least one argument for this redis lib call")
        reply = self._run_host(words)
        kind = type(reply)
        if kind is int:
            return reply
        if kind is bytes:
            if len(reply) > _LARGE:
                self._make_room(len(reply))
            return reply
        if isinstance(reply, CommandError):
            raise Raised(reply.line)
        return self._give(reply)

    def _pcall(self, *words: Any) -> Any:
        try:
            return self._call(*words)
        except Raised as error:
            if error.is_fatal:
                raise
            return self.to_lua.fault(error.text)

    def _give(self, reply: Reply) -> Any:
        """Convert a reply, if there is room for it."""
        size = size_of(reply)
        if size > _LARGE:
            self._make_room(size)
        return self.convert(reply)

    def _make_room(self, size: int) -> None:
        """Check that there is room for values of the host; end the script that runs if there is not."""
        if not self._has_room(size):
            self._lua.set_max_memory(self._limit + SLACK)  # for the error; until the script has ended
            raise Raised(OUT_OF_MEMORY, is_fatal=True)

    def _has_room(self, size: int) -> bool:
        """Check whether there is room for values of the host."""
        if self._used() + size <= self._soft_limit:
            return True
        self._lua.set_max_memory(self._limit + SLACK)
        self._collect()
        self._lua.set_max_memory(self._limit)
        return self._used() + size <= self._soft_limit

    def _describe(self, error: BaseException) -> tuple[bytes, bool]:
        """Return the text of an exception, and whether nothing may catch it."""
        error.__traceback__ = error.__context__ = None  # the frames would keep words as long as Lua keeps the error
        if isinstance(error, Raised):
            return error.text, error.is_fatal
        if not isinstance(error, Exception):
            self.interrupt = error
            return b"ERR interrupted", True
        self._log.error("a function for scripts has failed: {error!r}", error=error)
        return b"ERR " + INTERNAL.encode(), False

    def _tick(self) -> bytes | None:
        return self._host.tick()

    def _keep_frames(self, code: bytes) -> bytes:
        self._make_room(2 * len(code))
        return keep_frames(code)

    def _sha1hex(self, *words: Any) -> bytes:
        if len(words) != 1:
            raise Raised(b"ERR wrong number of arguments")
        word = words[0]
        if type(word) is int or type(word) is float:
            word = b"%.14g" % word
        return hashlib.sha1(word if type(word) is bytes else b"", usedforsecurity=False).hexdigest().encode()

    def _log_line(self, *words: Any) -> None:
        if len(words) < 2:
            raise Raised(b"ERR redis.log() requires two arguments or more.")
        level = _as_number(words[0])
        if level is None:
            raise Raised(b"ERR First argument must be a number (log level).")
        if not 0 <= level < 4:
            raise Raised(b"ERR Invalid debug level.")
        texts = [word if type(word) is bytes else b"%.14g" % word for word in words[1:] if type(word) in _PRINTED]
        self._host.log(int(level), b" ".join(texts))

    def _setresp(self, *words: Any) -> None:
        if len(words) != 1:
            raise Raised(b"ERR redis.setresp() requires one argument.")
        version = _as_number(words[0])
        if version is None or not 2 <= version < 4:
            raise Raised(b"ERR RESP version must be 2 or 3.")
        self.convert = self.to_lua.resp2 if int(version) == 2 else self.to_lua.resp3
        self._host.set_resp(int(version))

    def _set_repl(self, *words: Any) -> None:
        if len(words) != 1:
            raise Raised(b"ERR redis.set_repl() requires two arguments.")
        flags = _as_number(words[0]) or 0
        if not 0 <= flags < 4:
            raise Raised(b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
        self._host.set_repl(int(flags))

    def _acl_check_cmd(self, *words: Any) -> bool:
        return self._host.check_acl(_as_words(words))

    def _library_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function of a library: it gives True and its values, or False and the text of its error."""

        def call(*arguments: Any) -> Any:
            if self._used() > self._soft_limit:
                self._make_room(0)
            try:
                values = function(*arguments)
            except LibraryError as error:
                return False, str(error).encode("latin-1", "replace")
            if type(values) is not tuple:
                values = (values,)
            size = sum([len(value) for value in values if type(value) is bytes])
            if size > _LARGE:
                self._make_room(size)
            return (True, *values)

        return call

    # Making it

    def _chunk(self, name: str) -> Any:
        """Load a file of Lua that stands beside this module."""
        source = resources.files(__package__).joinpath(name).read_bytes()
        function = self._lua.compile(source, name=b"@owncache")
        return self._load(keep_frames(self._dump(function), strip=True), b"@owncache")

    def _make_references(self) -> None:
        make = self._lua.compile(b"local t = {} for i = 1, 4000 do t[i] = {} end return unpack(t)", name=b"@owncache")
        kept = [make() for _ in range(_REFERENCES // 4000)]
        del kept


def _import_lua() -> Any:
    try:
        return import_module("lupa.lua51")
    except ImportError:
        raise MissingLuaError from None


def _refuse_attribute(*ignored: object) -> None:
    raise AttributeError("scripts see no Python")


_PRINTED: Final = (bytes, int, float)


def _check_function(name: bytes, *flags: bytes) -> bytes | None:
    """Return what is wrong with the name or the flags of a function, or None."""
    if not is_name(name):
        return BAD_NAME.encode()
    try:
        flags_of(flags)
    except ValueError as error:
        return str(error).encode()
    return None


def _as_words(values: Sequence[Any]) -> tuple[bytes, ...]:
    """Return the words of a request that a script makes; numbers are written as C's %.17g does."""
    words = []
    for value in values:
        kind = type(value)
        if kind is bytes:
            words.append(value)
        elif kind is int or kind is float:
            words.append(b"%.17g" % value)
        else:
            raise Raised(b"ERR Lua redis lib command arguments must be strings or integers")
    if not words:
        raise Raised(b"ERR Please specify at least one argument for this redis lib call")
    return tuple(words)


def _as_number(value: Any) -> float | None:
    """Return a number, or a text that Lua takes for one; None for anything else."""
    if type(value) is int or type(value) is float:
        return float(value)
    with suppress(ValueError):
        return parse_double(value) if type(value) is bytes else None
    return None


def _text(error: Exception) -> str:
    """Return Lua's text of a syntax error, for an error reply."""
    return as_text(error.args[0]).removeprefix("error loading code: ")
