"""Scripts in Lua: a program of a client that runs here, as one request.

A datagram, whose sender may be forged, may run what a connection has loaded, and bring no script of its own.
"""

from __future__ import annotations

from typing import Sequence

from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, counted
from twisted_kv.sessions.session import Session
from twisted_kv.vocabulary.errors import CommandError, c_string
from twisted_kv.vocabulary.replies import OK, Reply

scripting = Group("scripting", category="scripting")

FLAGS = "noscript stale skip_monitor no_mandatory_keys movablekeys"
COMPLEXITY = "Depends on the script that is executed."
UNKNOWN_USE = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"


def _flags_of_script(session: Session, words: Sequence[bytes]) -> Sequence[str]:
    entry = session.server.commands.entry_of(words)
    is_sha = words[0].lower().startswith(b"evalsha")
    return session.server.services.scripts.flags_of(entry.command.flags, words[1], is_sha=is_sha)


@scripting.command(
    "EVAL",
    since="2.6.0",
    flags=f"{FLAGS} may_replicate",
    keys=counted("RW access update", 2, notes=UNKNOWN_USE),
    complexity=COMPLEXITY,
    lasting=Lasting.SESSION,
    runs_requests=True,
    as_called=_flags_of_script,
)
def eval_(session: Session, script: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """Run a script: a number of keys, the keys and the arguments follow."""
    return session.server.services.scripts.evaluate(session, script, (numkeys, *words), read_only=False)


@scripting.command(
    "EVAL_RO",
    since="7.0.0",
    flags=f"readonly {FLAGS}",
    keys=counted("RO access", 2, notes=UNKNOWN_USE.replace("RW and UPDATE", "RO and ACCESS")),
    complexity=COMPLEXITY,
    lasting=Lasting.SESSION,
    runs_requests=True,
    as_called=_flags_of_script,
)
def eval_ro(session: Session, script: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """Run a script that may not write."""
    return session.server.services.scripts.evaluate(session, script, (numkeys, *words), read_only=True)


@scripting.command(
    "EVALSHA",
    since="2.6.0",
    flags=f"{FLAGS} may_replicate",
    keys=counted("RW access update", 2),
    complexity=COMPLEXITY,
    runs_requests=True,
    as_called=_flags_of_script,
)
def evalsha(session: Session, sha1: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """Run a script that was loaded or run before, by the SHA1 of its text."""
    return session.server.services.scripts.evaluate_sha(session, sha1, (numkeys, *words), read_only=False)


@scripting.command(
    "EVALSHA_RO",
    since="7.0.0",
    flags=f"readonly {FLAGS}",
    keys=counted("RO access", 2),
    complexity=COMPLEXITY,
    runs_requests=True,
    as_called=_flags_of_script,
)
def evalsha_ro(session: Session, sha1: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """Run a script that may not write, by the SHA1 of its text."""
    return session.server.services.scripts.evaluate_sha(session, sha1, (numkeys, *words), read_only=True)


scripting.container("SCRIPT", since="2.6.0", summary="Manage scripts.")


@scripting.command(
    "SCRIPT LOAD",
    since="2.6.0",
    flags="noscript stale",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    complexity="O(N) with N being the length in bytes of the script body.",
    lasting=Lasting.SESSION,
)
def script_load(session: Session, script: bytes) -> Reply:
    """Keep a script until SCRIPT FLUSH, without running it, and return its SHA1."""
    return session.server.services.scripts.load(script)


@scripting.command(
    "SCRIPT EXISTS",
    since="2.6.0",
    flags="noscript",
    tips="request_policy:all_shards response_policy:agg_logical_and",
    complexity="O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
)
def script_exists(session: Session, sha1: bytes, *sha1s: bytes) -> Reply:
    """Return for each SHA1 whether a script is kept by it."""
    exists = session.server.services.scripts.exists
    return [int(exists(each)) for each in (sha1, *sha1s)]


@scripting.command(
    "SCRIPT FLUSH",
    since="2.6.0",
    flags="noscript",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    complexity="O(N) with N being the number of scripts in cache",
    lasting=Lasting.SESSION,
)
def script_flush(session: Session, *words: bytes) -> Reply:
    """Forget all scripts; ASYNC and SYNC make no difference."""
    if len(words) > 1 or (words and c_string(words[0]).lower() not in (b"sync", b"async")):
        raise CommandError("SCRIPT FLUSH only support SYNC|ASYNC option")
    session.server.services.scripts.flush()
    return OK


@scripting.command(
    "SCRIPT KILL",
    since="2.6.0",
    flags="noscript allow_busy",
    tips="request_policy:all_shards response_policy:one_succeeded",
    lasting=Lasting.SESSION,
)
def script_kill(session: Session) -> Reply:
    """End the script that runs, if it has not written anything."""
    session.server.services.scripts.kill()
    return OK


@scripting.command("SCRIPT DEBUG", since="3.2.0", flags="noscript")
def script_debug(session: Session, mode: bytes) -> Reply:
    """Set whether the scripts of this connection are debugged: there is no debugger here."""
    mode = c_string(mode).lower()
    if mode in (b"yes", b"sync"):
        raise CommandError("there is no debugger for scripts here")
    if mode != b"no":
        raise CommandError("Use SCRIPT DEBUG YES/SYNC/NO")
    return OK
