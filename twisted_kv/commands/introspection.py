"""COMMAND: information about the commands, taken from their declarations."""

from __future__ import annotations

from typing import Callable, Iterable, Sequence

from twisted_kv.declaring.commands import Command, KeySpec
from twisted_kv.declaring.groups import Group
from twisted_kv.sessions.session import Session
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, as_text, c_string
from twisted_kv.vocabulary.glob import compile_pattern
from twisted_kv.vocabulary.replies import OrderedSet, Reply, Status

introspection = Group("server", category="connection")

_FLAGS = "loading stale"
_HIDDEN = ("may_replicate",)
"""Flags that Redis does not tell of."""
_TIPS = "nondeterministic_output_order"


@introspection.command(
    "COMMAND",
    since="2.8.13",
    flags=_FLAGS,
    tips=_TIPS,
    complexity="O(N) where N is the total number of Redis commands",
)
def command(session: Session, *ignored: bytes) -> Reply:
    """Return information about all commands."""
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
    """Return information about the named commands, or about all; null for an unknown name."""
    if not names:
        return command(session)
    found = {name: session.server.commands.named(name) for name in names}
    infos = {name: None if each is None else _info(each) for name, each in found.items()}  # once, however often named
    return [infos[name] for name in names]


@introspection.command(
    "COMMAND DOCS",
    since="7.0.0",
    flags=_FLAGS,
    tips=_TIPS,
    complexity="O(N) where N is the number of commands to look up",
)
def command_docs(session: Session, *names: bytes) -> Reply:
    """Return short descriptions of the named commands, or of all."""
    commands = session.server.commands
    if not names:
        return _docs(commands)
    return _docs(each for each in map(commands.named, names) if each is not None)


@introspection.command(
    "COMMAND GETKEYS",
    since="2.8.13",
    flags="loading stale",
    complexity="O(N)",
)
def command_getkeys(session: Session, name: bytes, word: bytes, *words: bytes) -> Reply:
    """Return the keys of a request."""
    return [key for key, _ in _keys(session, (name, word, *words))]


@introspection.command(
    "COMMAND GETKEYSANDFLAGS",
    since="7.0.0",
    flags="loading stale",
    complexity="O(N)",
)
def command_getkeysandflags(session: Session, name: bytes, word: bytes, *words: bytes) -> Reply:
    """Return the keys of a request, and how it accesses each."""
    return [[key, _statuses(access)] for key, access in _keys(session, (name, word, *words))]


def _keys(session: Session, words: Sequence[bytes]) -> list[tuple[bytes, tuple[str, ...]]]:
    try:
        described = session.server.commands.find(words)
    except CommandError:
        raise CommandError("Invalid command specified") from None
    if not described.has_keys:
        raise CommandError("The command has no key arguments")
    if not described.least <= len(words) <= described.most and not described.is_open_at(len(words)):
        raise CommandError("Invalid number of arguments specified for command")
    found = described.find(words)
    if not found and "no_mandatory_keys" in described.flags:
        return []
    if not found:
        raise CommandError("Invalid arguments specified for command")
    return [(words[index], access) for index, access in found]


@introspection.command(
    "COMMAND LIST",
    since="7.0.0",
    flags="loading stale",
    tips="nondeterministic_output_order",
    complexity="O(N)",
)
def command_list(session: Session, *words: bytes) -> Reply:
    """Return the names of all commands, or of those that pass a filter."""
    commands = session.server.commands
    if not words:
        return [each.name.encode() for each in commands]
    if len(words) != 3 or c_string(words[0]).upper() != b"FILTERBY":
        raise CommandError(SYNTAX)
    kind = c_string(words[1]).upper()
    passes: Callable[[Command], bool]
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        category = as_text(words[2]).lower()
        passes = lambda each: category in each.acl_categories()  # noqa: E731
    elif kind == b"PATTERN":
        matches = compile_pattern(words[2], ignore_case=True)
        passes = lambda each: matches(each.name.encode())  # noqa: E731
    else:
        raise CommandError(SYNTAX)
    return [each.name.encode() for each in commands.every() if passes(each)]


def _info(described: Command) -> Reply:
    """Describe a command in the ten parts of COMMAND INFO."""
    keys = described.keys
    first, last, step = _legacy_range(keys)
    return [
        described.name.encode(),
        described.arity,
        _statuses(flag for flag in described.flags if flag not in _HIDDEN),
        first,
        last,
        step,
        _statuses(f"@{category}" for category in described.acl_categories()),
        OrderedSet(tip.encode() for tip in described.tips),
        OrderedSet(_key_spec(spec) for spec in keys),
        [_info(each) for each in described.subcommands.values()] or OrderedSet(),  # odd, but as in Redis
    ]


def _statuses(texts: Iterable[str]) -> OrderedSet:
    return OrderedSet(Status(text.encode()) for text in texts)


def _key_spec(spec: KeySpec) -> Reply:
    described: dict[bytes, Reply] = {b"notes": spec.notes.encode()} if spec.notes else {}
    described[b"flags"] = _statuses(spec.access)
    begin: Reply = {b"type": b"index", b"spec": {b"index": spec.first}}
    keys: Reply = {
        b"type": b"range",
        b"spec": {b"lastkey": spec.last, b"keystep": spec.step, b"limit": spec.limit},
    }
    if spec.keyword:
        begin = {b"type": b"keyword", b"spec": {b"keyword": spec.keyword.encode(), b"startfrom": spec.first}}
    if spec.counted:
        keys = {b"type": b"keynum", b"spec": {b"keynumidx": 0, b"firstkey": 1, b"keystep": 1}}
    if spec.first is None:
        begin = keys = {b"type": b"unknown", b"spec": {}}
    described[b"begin_search"] = begin
    described[b"find_keys"] = keys
    return described


def _legacy_range(keys: Sequence[KeySpec]) -> tuple[int, int, int]:
    """Return the range of keys as versions before 7.0 reported it: as far as keys are adjacent at fixed indexes."""
    fixed = []
    for spec in keys:
        if spec.first is None or spec.keyword or spec.counted:
            break
        fixed.append(spec)
    if not fixed:
        return 0, 0, 0
    first, last = fixed[0], fixed[-1]
    end = last.last if last.last < 0 else (last.first or 0) + last.last
    return first.first or 0, end, max(spec.step for spec in fixed)


def _docs(commands: Iterable[Command]) -> Reply:
    """Describe commands for human readers, as COMMAND DOCS does."""
    found: dict[bytes, Reply] = {}
    for each in commands:
        docs: dict[bytes, Reply] = {
            b"summary": each.summary.encode(),
            b"since": each.since.encode(),
            b"group": each.group.encode(),
            b"complexity": each.complexity.encode(),
        }
        if each.doc_flags:
            docs[b"doc_flags"] = _statuses(each.doc_flags)
        if each.subcommands:
            docs[b"subcommands"] = _docs(each.subcommands.values())
        found[each.name.encode()] = docs
    return found
