"""A Lua runtime for scripts: what goes into it, what comes out, and the limits that it keeps.

Nothing here knows what a command is: the host runs them.
"""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import contextmanager, suppress
from importlib import import_module, resources
from math import copysign
from typing import Any, Callable, Final, Iterator, Mapping, Protocol, Sequence

from twisted_kv.scripting.bit_library import FUNCTIONS as BIT
from twisted_kv.scripting.bytecode import keep_frames
from twisted_kv.scripting.conversion import ToLua, size_of
from twisted_kv.scripting.errors import LibraryError, OutOfMemoryError, Raised
from twisted_kv.scripting.kinds import OUT_OF_MEMORY, RAISED
from twisted_kv.scripting.libraries import BAD_NAME, Function, flags_of, is_name
from twisted_kv.scripting.struct_library import FUNCTIONS as STRUCT
from twisted_kv.vocabulary.errors import INTERNAL, CommandError, MissingLuaError, as_text, c_string
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.numbers import parse_double
from twisted_kv.vocabulary.replies import Reply

SLACK: Final = 1 << 20
"""Bytes below the limit at which a script that calls a command is ended.

Lua must not run out of memory while the host gives it a value: there is nothing to catch the error then, and the
process would end (or stand still).  So the host gives values only while they fit, and leaves this much for small ones.
"""

WORDS_AT_ONCE: Final = 4000
"""Arguments of one call: Lua's C functions take at most 8,000."""

_LARGE: Final = 64 * 1024
_WORD: Final = 100
"""Bytes that one of many arguments takes beside its text, at most."""
_SOURCE: Final = 24
"""How many times its size a source takes while it is compiled, at most."""
_REFERENCES: Final = 8000
"""Places for values of Lua that Python refers to, made beforehand: an argument must not need memory either, and there
are at most so many in a call."""
_COMPILED: Final = 500
"""Functions after which that is seen to again, as each keeps a place."""

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
        self.lua_error: type[Exception] = lua51.LuaError
        """Raised where a script ends while its result is read."""
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
        self._compiled = 0
        self._make_references()
        exports = self._chunk("prelude.lua")(lua.table_from(self._callbacks(version)))
        self.to_lua = ToLua(lua, exports)
        self.convert = self.to_lua.resp2
        self.open: Callable[[Any], Any] = exports[b"open"]
        self.part: Callable[[Any, int, int], Any] = exports[b"part"]
        self._adopt = exports[b"adopt"]
        self._collect = exports[b"collect"]
        self._forget_error = exports[b"forget_error"]
        self._has_raised = False  # whether an exception has passed through Lua, which keeps the last one
        self._run = exports[b"run"]
        self._run_with = exports[b"run_with"]
        self._call_function = exports[b"call"]
        self._call_with = exports[b"call_with"]
        self._load_library = exports[b"load"]
        self._registered = exports[b"registered"]

    # What the host asks for

    def compile(self, source: bytes, name: bytes) -> Any:
        """Compile a script, and return it as a function of Lua; raises ValueError with Lua's text."""
        if not self._has_room(_SOURCE * len(source)):
            raise OutOfMemoryError
        is_bytecode = source[:1] == b"\x1b"  # which Lua would trust
        with self.unlimited():  # there is room, and the host takes what comes of it
            try:
                function = self._adopt(self._lua.compile(b"\1" if is_bytecode else source, name=name), name)
                self._compiled += 1
                if self._compiled % _COMPILED == 0:
                    self._make_references()
                return function
            except self._syntax_error as error:
                text = _text(error)
                raise ValueError(text.replace("char(1)", "char(27)") if is_bytecode else text) from None

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
        if result[0] == RAISED and result[1] == OUT_OF_MEMORY:
            raise OutOfMemoryError
        if result[0] == RAISED:
            raise CommandError(f"Error registering functions: {as_text(c_string(result[1]))}")
        _, found, count = result
        functions = []
        with self.unlimited():
            for index in range(1, count + 1):
                name, callback, description, flags = self._registered(found, index)
                functions.append(Function(name, callback, description or None, flags_of(flags.split())))
            self._compiled += count
            self._make_references()
        return functions

    @contextmanager
    def unlimited(self) -> Iterator[None]:
        """Lift the limit of the memory while the host takes values from Lua, or gives it some that were counted."""
        self._lua.set_max_memory(0)
        try:
            yield
        finally:
            self._lua.set_max_memory(self._limit)

    def _enter(self, run: Any, run_with: Any, function: Any, count: int, words: Sequence[bytes]) -> Any:
        """Call one of the entry points, which takes words one by one, or another that takes them in tables."""
        self.convert = self.to_lua.resp2
        size = 0
        for word in words:
            size += len(word)
        are_few = len(words) <= WORDS_AT_ONCE
        if not are_few:
            size += _WORD * len(words)
        if self._used() + size > self._soft_limit and not self._has_room(size):
            return (RAISED, OUT_OF_MEMORY)
        try:
            if are_few:
                result = run(function, count, *words)
            else:
                make = self._lua.table_from
                with self.unlimited():
                    keys, arguments = make(words[:count]), make(words[count:])
                result = run_with(function, keys, arguments)
        except self._memory_error:
            result = (RAISED, OUT_OF_MEMORY)
        finally:
            self._lua.set_max_memory(self._limit)
            if self._has_raised:
                self._has_raised = False
                self._forget_error()
            if self.interrupt is not None:
                interrupt, self.interrupt = self.interrupt, None
                raise interrupt
        if type(result) is tuple and result[0] == RAISED and result[1] == b"not enough memory":
            self._collect()
            return (RAISED, OUT_OF_MEMORY)
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
        small: dict[bytes, Callable[..., Any]] = {
            b"pack_double": as_double.pack,
            b"unpack_double": lambda data: as_double.unpack(data)[0],
            b"pack_float": as_float.pack,
            b"unpack_float": lambda data: as_float.unpack(data)[0],
            b"check_function": _check_function,
            b"keep_frames": self._keep_frames,
            b"sha1hex": self._sha1hex,
            b"log": self._log_line,
            b"setresp": self._setresp,
            b"set_repl": self._set_repl,
            b"acl_check_cmd": self._acl_check_cmd,
        }
        return {
            **{name: self._with_room(each) for name, each in small.items()},
            b"describe": self._describe,
            b"tick": self._tick,
            b"nothing": _raise_nothing,
            b"load_cjson": self._chunk("cjson.lua"),
            b"load_cmsgpack": self._chunk("cmsgpack.lua"),
            b"struct": make({name: self._library_function(each) for name, each in STRUCT.items()}),
            b"bit": make({name: self._library_function(each) for name, each in BIT.items()}),
            b"constants": make(constants),
            b"seed_high": int.from_bytes(seed[:3], "big"),
            b"seed_low": int.from_bytes(seed[3:], "big"),
            b"call": self._call,
            b"pcall": self._pcall,
        }

    def _with_room(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function that gives little, so that there is room for that."""

        def call(*arguments: Any) -> Any:
            if self._used() > self._soft_limit:
                self._make_room(0)
            return function(*arguments)

        return call

    def _call(self, *words: Any) -> Any:
        if self._used() > self._soft_limit:
            self._make_room(0)
        for word in words:
            if type(word) is not bytes:
                words = _as_words(words)
                break
        else:
            if not words:
                raise Raised(b"ERR Please specify at least one argument for this redis lib call", is_counted=False)
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
            return self.to_lua.fault(error.text, error.is_counted)

    def _give(self, reply: Reply) -> Any:
        """Convert a reply, if there is room for it."""
        size = size_of(reply)
        if size <= _LARGE:
            return self.convert(reply)
        self._make_room(size)
        with self.unlimited():
            return self.convert(reply)

    def _make_room(self, size: int) -> None:
        """Check that there is room for values of the host; end the script that runs if there is not."""
        if not self._has_room(size):
            self._spare_for_error()
            raise Raised(OUT_OF_MEMORY, is_fatal=True)

    def _has_room(self, size: int) -> bool:
        """Check whether there is room for values of the host."""
        if self._used() + size <= self._soft_limit:
            return True
        with self.unlimited():
            self._collect()
        return self._used() + size <= self._soft_limit

    def _spare_for_error(self) -> None:
        """Raise the limit by what an error takes, until the script has ended."""
        self._lua.set_max_memory(self._limit + 2 * SLACK)

    def _describe(self, error: BaseException) -> tuple[bytes, bool, bool]:
        """Return the text of an exception, whether it was counted, and whether nothing may catch it."""
        self._has_raised = True
        if self._used() > self._limit - SLACK // 2:  # there must be room for what this gives: the script is over
            self._spare_for_error()
            return OUT_OF_MEMORY, False, True
        error.__traceback__ = error.__context__ = None  # the frames would keep words as long as Lua keeps the error
        if isinstance(error, Raised):
            return error.text[:_LARGE], error.is_counted, error.is_fatal
        if not isinstance(error, Exception):
            self.interrupt = error
            return b"ERR interrupted", False, True
        self._log.error("a function for scripts has failed: {error!r}", error=error)
        return b"ERR " + INTERNAL.encode(), False, False

    def _tick(self) -> bytes | None:
        text = self._host.tick()
        if text is not None:
            self._spare_for_error()
        return text

    def _keep_frames(self, code: bytes) -> bytes:
        self._make_room(2 * len(code))
        return keep_frames(code)

    def _sha1hex(self, *words: Any) -> bytes:
        if len(words) != 1:
            raise Raised(b"ERR wrong number of arguments", is_counted=False)
        word = words[0]
        if type(word) is int or type(word) is float:
            word = _printed(word, b"%.14g")
        return hashlib.sha1(word if type(word) is bytes else b"", usedforsecurity=False).hexdigest().encode()

    def _log_line(self, *words: Any) -> None:
        if len(words) < 2:
            raise Raised(b"ERR redis.log() requires two arguments or more.", is_counted=False)
        level = _as_number(words[0])
        if level is None:
            raise Raised(b"ERR First argument must be a number (log level).", is_counted=False)
        if not 0 <= level < 4:
            raise Raised(b"ERR Invalid debug level.", is_counted=False)
        texts = [
            word if type(word) is bytes else _printed(word, b"%.14g") for word in words[1:] if type(word) in _PRINTED
        ]
        self._host.log(int(level), b" ".join(texts))

    def _setresp(self, *words: Any) -> None:
        if len(words) != 1:
            raise Raised(b"ERR redis.setresp() requires one argument.", is_counted=False)
        version = _as_number(words[0])
        if version is None or not 2 <= version < 4:
            raise Raised(b"ERR RESP version must be 2 or 3.", is_counted=False)
        self.convert = self.to_lua.resp2 if int(version) == 2 else self.to_lua.resp3
        self._host.set_resp(int(version))

    def _set_repl(self, *words: Any) -> None:
        if len(words) != 1:
            raise Raised(b"ERR redis.set_repl() requires two arguments.", is_counted=False)
        flags = _as_number(words[0]) or 0
        if not 0 <= flags < 4:
            raise Raised(
                b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.", is_counted=False
            )
        self._host.set_repl(int(flags))

    def _acl_check_cmd(self, *words: Any) -> bool:
        return self._host.check_acl(_as_words(words))

    def _library_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function of a library: it gives True and its values, or False and the text of its error."""

        def call(*arguments: Any) -> Any:
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

        return self._with_room(call)

    # Making it

    def _chunk(self, name: str) -> Any:
        """Load a file of Lua that stands beside this module."""
        source = resources.files(__package__).joinpath(name).read_bytes()
        function = self._lua.compile(source, name=b"@owncache")
        return self._load(keep_frames(self._dump(function), strip=True), b"@owncache")

    def _make_references(self) -> None:
        make = self._lua.compile(b"local t = {} for i = 1, 4000 do t[i] = {} end return unpack(t)", name=b"@owncache")
        kept = [make() for _ in range(_REFERENCES // WORDS_AT_ONCE)]
        del kept


def _import_lua() -> Any:
    try:
        return import_module("lupa.lua51")
    except ImportError:
        raise MissingLuaError from None


def _raise_nothing() -> None:
    raise Raised(b"")


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
            words.append(_printed(value, b"%.17g"))
        else:
            raise Raised(b"ERR Lua redis lib command arguments must be strings or integers", is_counted=False)
    if not words:
        raise Raised(b"ERR Please specify at least one argument for this redis lib call", is_counted=False)
    return tuple(words)


def _printed(value: float, form: bytes) -> bytes:
    """Return a number as C prints it, a sign of what is no number included."""
    return b"-nan" if value != value and copysign(1.0, value) < 0 else form % value


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
