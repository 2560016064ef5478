"""Functions in Lua: libraries of them are kept with the data, and survive restarts."""

from __future__ import annotations

from typing import Sequence

from twisted_kv.commands.scripting import COMPLEXITY, FLAGS, UNKNOWN_USE
from twisted_kv.declaring.arguments import Arguments
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, counted
from twisted_kv.rdb.errors import RdbError
from twisted_kv.rdb.payload import dump_functions, is_sound, read_functions
from twisted_kv.scripting.libraries import ENGINE, Library
from twisted_kv.sessions.session import Session
from twisted_kv.vocabulary.errors import BusyError, CommandError, SubcommandError, c_string, c_text
from twisted_kv.vocabulary.glob import compile_pattern
from twisted_kv.vocabulary.replies import OK, OrderedSet, Reply, Status

functions = Group("scripting", category="scripting")

_EVERYWHERE = "request_policy:all_shards response_policy:all_succeeded"


def _flags_of_function(session: Session, words: Sequence[bytes]) -> Sequence[str]:
    command = session.server.commands.find(words)
    return session.server.services.functions.flags_of(command.flags, words[1])


@functions.command(
    "FCALL",
    since="7.0.0",
    flags=f"{FLAGS} may_replicate",
    keys=counted("RW access update", 2, notes=UNKNOWN_USE),
    complexity=COMPLEXITY.replace("script", "function"),
    runs_requests=True,
    as_called=_flags_of_function,
)
def fcall(session: Session, function: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """Call a function: a number of keys, the keys and the arguments follow."""
    return session.server.services.functions.call(session, function, (numkeys, *words), read_only=False)


@functions.command(
    "FCALL_RO",
    since="7.0.0",
    flags=f"readonly {FLAGS}",
    keys=counted("RO access", 2, notes=UNKNOWN_USE.replace("RW and UPDATE", "RO and ACCESS")),
    complexity=COMPLEXITY.replace("script", "function"),
    runs_requests=True,
    as_called=_flags_of_function,
)
def fcall_ro(session: Session, function: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """Call a function that may not write."""
    return session.server.services.functions.call(session, function, (numkeys, *words), read_only=True)


functions.container("FUNCTION", since="7.0.0", summary="Manage functions.", help_since="7.0.0")


@functions.command(
    "FUNCTION LOAD",
    since="7.0.0",
    flags="write denyoom noscript",
    tips=_EVERYWHERE,
    complexity="O(1) (considering compilation time is redundant)",
    lasting=Lasting.SESSION,
)
def function_load(session: Session, code: bytes, *words: bytes) -> Reply:
    """Load a library from its code, with REPLACE in place of one of the same name; return its name."""
    *options, code = (code, *words)
    for option in options:
        if c_string(option).upper() != b"REPLACE":
            raise CommandError(f"Unknown option given: {c_text(option)}")
    name = session.server.services.functions.load(code, replace=bool(options))
    session.db.changes += 1
    session.journal(b"FUNCTION", b"LOAD", *options, code)
    return name


@functions.command(
    "FUNCTION DELETE",
    since="7.0.0",
    flags="write noscript",
    tips=_EVERYWHERE,
    lasting=Lasting.SESSION,
)
def function_delete(session: Session, name: bytes) -> Reply:
    """Delete a library with its functions."""
    session.server.services.functions.delete(name)
    session.db.changes += 1
    session.journal(b"FUNCTION", b"DELETE", name)
    return OK


@functions.command(
    "FUNCTION FLUSH",
    since="7.0.0",
    flags="write noscript",
    tips=_EVERYWHERE,
    complexity="O(N) where N is the number of functions deleted",
    lasting=Lasting.SESSION,
)
def function_flush(session: Session, *words: bytes) -> Reply:
    """Delete all libraries; ASYNC and SYNC make no difference."""
    if len(words) > 1:
        raise SubcommandError
    if words and c_string(words[0]).lower() not in (b"sync", b"async"):
        raise CommandError("FUNCTION FLUSH only supports SYNC|ASYNC option")
    session.server.services.functions.flush()
    session.db.changes += 1
    session.journal(b"FUNCTION", b"FLUSH")
    return OK


@functions.command(
    "FUNCTION LIST",
    since="7.0.0",
    flags="noscript",
    tips="nondeterministic_output_order",
    complexity="O(N) where N is the number of functions",
)
def function_list(session: Session, *words: bytes) -> Reply:
    """Return the libraries with their functions: those whose names match LIBRARYNAME, and with WITHCODE their codes."""
    arguments = Arguments(words)
    pattern: bytes | None = None
    with_code = False
    while arguments:
        word = arguments.word()
        option = c_string(word).upper()
        if option == b"WITHCODE" and not with_code:
            with_code = True
        elif option == b"LIBRARYNAME" and pattern is None:
            if not arguments:
                raise CommandError("library name argument was not given")
            pattern = arguments.word()
        else:
            raise CommandError(f"Unknown argument {c_text(word)}")
    libraries = session.server.services.functions.libraries.by_name.values()
    matches = (lambda name: True) if pattern is None else compile_pattern(pattern, ignore_case=True)
    return [_describe(library, with_code) for library in libraries if matches(library.name)]


def _describe(library: Library, with_code: bool) -> Reply:
    described: dict[bytes, Reply] = {
        b"library_name": library.name,
        b"engine": ENGINE,
        b"functions": [
            {
                b"name": function.name,
                b"description": function.description,
                b"flags": OrderedSet(Status(flag.encode()) for flag in sorted(function.flags)),
            }
            for function in library.functions
        ],
    }
    if with_code:
        described[b"library_code"] = library.code
    return described


@functions.command(
    "FUNCTION DUMP", since="7.0.0", flags="noscript", complexity="O(N) where N is the number of functions"
)
def function_dump(session: Session) -> Reply:
    """Return all libraries as a payload for FUNCTION RESTORE."""
    return dump_functions(session.server.services.functions.codes)


@functions.command(
    "FUNCTION RESTORE",
    since="7.0.0",
    flags="write denyoom noscript",
    tips=_EVERYWHERE,
    complexity="O(N) where N is the number of functions on the payload",
    lasting=Lasting.SESSION,
)
def function_restore(session: Session, payload: bytes, *words: bytes) -> Reply:
    """Load the libraries of a payload beside those that exist (APPEND), over them (REPLACE), or instead (FLUSH)."""
    if len(words) > 1:
        raise SubcommandError
    policy = c_string(words[0]).upper() if words else b"APPEND"
    if policy not in (b"APPEND", b"REPLACE", b"FLUSH"):
        raise CommandError("Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
    if not is_sound(payload):
        raise CommandError("DUMP payload version or checksum are wrong")
    try:
        codes = read_functions(payload)
    except RdbError as error:
        raise CommandError(str(error)) from None
    session.server.services.functions.restore(codes, flush=policy == b"FLUSH", replace=policy == b"REPLACE")
    session.db.changes += 1
    session.journal(b"FUNCTION", b"RESTORE", payload, *words)
    return OK


@functions.command(
    "FUNCTION STATS",
    since="7.0.0",
    flags="noscript allow_busy",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
)
def function_stats(session: Session) -> Reply:
    """Return which function runs, and how many there are."""
    service = session.server.services.functions
    running = service.running
    if running is not None and not running.is_function:
        raise BusyError(is_function=False)
    described: Reply = None
    if running is not None:
        described = {
            b"name": running.name,
            b"command": list(running.request),
            b"duration_ms": session.server.now.elapsed - running.since,
        }
    counts = {
        b"libraries_count": len(service.libraries.by_name),
        b"functions_count": service.libraries.functions_count,
    }
    return {b"running_script": described, b"engines": {ENGINE: counts}}


@functions.command(
    "FUNCTION KILL",
    since="7.0.0",
    flags="noscript allow_busy",
    tips="request_policy:all_shards response_policy:one_succeeded",
    lasting=Lasting.SESSION,
)
def function_kill(session: Session) -> Reply:
    """End the function that runs, if it has not written anything."""
    session.server.services.functions.kill()
    return OK
