"""COMMAND: what the commands are, told from their declarations."""

from __future__ import annotations

from typing import Iterable

from twisted_kv.groups import Group
from twisted_kv.replies import OrderedSet, Reply, Status
from twisted_kv.sessions.session import Session
from twisted_kv.table import Command, KeySpec

introspection = Group("server", category="connection")

_FLAGS = "loading stale"
_TIPS = "nondeterministic_output_order"


@introspection.command(
    "COMMAND",
    since="2.8.13",
    flags=_FLAGS,
    tips=_TIPS,
    complexity="O(N) where N is the total number of Redis commands",
)
def command(session: Session, *ignored: bytes) -> Reply:
    """Return what is known of all commands."""
    return [_info(each) for each in session.server.commands]


introspection.help("COMMAND")


@introspection.command("COMMAND COUNT", since="2.8.13", flags=_FLAGS)
def command_count(session: Session) -> Reply:
    """Return the number of commands."""
    return len(session.server.commands)


@introspection.command(
    "COMMAND INFO",
    since="2.8.13",
    flags=_FLAGS,
    tips=_TIPS,
    complexity="O(N) where N is the number of commands to look up",
)
def command_info(session: Session, *names: bytes) -> Reply:
    """Return what is known of the named commands, or of all; null for a name that is none."""
    if not names:
        return command(session)
    found = map(session.server.commands.named, names)
    return [None if each is None else _info(each) for each in found]


@introspection.command(
    "COMMAND DOCS",
    since="7.0.0",
    flags=_FLAGS,
    tips=_TIPS,
    complexity="O(N) where N is the number of commands to look up",
)
def command_docs(session: Session, *names: bytes) -> Reply:
    """Return short texts about the named commands, or about all."""
    commands = session.server.commands
    if not names:
        return _docs(commands)
    return _docs(each for each in map(commands.named, names) if each is not None)


def _info(described: Command) -> Reply:
    """Describe a command in the ten parts of COMMAND INFO."""
    keys = described.keys
    first = keys[0].first if keys else 0
    step = keys[0].step if keys else 0
    last = keys[0].last or keys[-1].first if keys else 0
    return [
        described.name.encode(),
        described.arity,
        _words(described.flags),
        first,
        last,
        step,
        _words(f"@{category}" for category in described.acl_categories()),
        OrderedSet(tip.encode() for tip in described.tips),
        OrderedSet(_key_spec(spec) for spec in keys),
        [_info(each) for each in described.subcommands.values()] or OrderedSet(),  # as Redis, odd as it is
    ]


def _words(words: Iterable[str]) -> OrderedSet:
    return OrderedSet(Status(word.encode()) for word in words)


def _key_spec(spec: KeySpec) -> Reply:
    described: dict[bytes, Reply] = {b"notes": spec.notes.encode()} if spec.notes else {}
    described[b"flags"] = _words(spec.access)
    described[b"begin_search"] = {b"type": b"index", b"spec": {b"index": spec.first}}
    described[b"find_keys"] = {
        b"type": b"range",
        b"spec": {b"lastkey": spec.last, b"keystep": spec.step, b"limit": 0},
    }
    return described


def _docs(commands: Iterable[Command]) -> Reply:
    """Describe commands for people, as COMMAND DOCS does."""
    found: dict[bytes, Reply] = {}
    for each in commands:
        docs: dict[bytes, Reply] = {
            b"summary": each.summary.encode(),
            b"since": each.since.encode(),
            b"group": each.group.encode(),
            b"complexity": each.complexity.encode(),
        }
        if each.deprecated:
            docs[b"doc_flags"] = _words(["deprecated"])
        if each.subcommands:
            docs[b"subcommands"] = _docs(each.subcommands.values())
        found[each.name.encode()] = docs
    return found
