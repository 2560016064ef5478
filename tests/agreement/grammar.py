"""Redis's own description of its commands: COMMAND DOCS gives for each of them a tree of arguments."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, Iterator, Tuple

import attrs

from .replies import Parsed

Words = Tuple[bytes, ...]

NOT_READ = frozenset(
    "bgrewriteaof bgsave client command config debug info lastsave memory monitor pfselftest quit save shutdown time "
    "object|help object|idletime xgroup|help xinfo|help pubsub|help script|help script|debug "
    "function|help".split()
    + "subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe".split()
)
"""What is about one server, one connection or the time, and whose replies are therefore not the same, or not one."""


@attrs.frozen(order=True)
class Argument:
    """A node of a tree: what it is, the token before it, and its parts if it is a block or a choice."""

    name: str
    kind: str
    token: bytes
    flags: FrozenSet[str]
    parts: Tuple[Argument, ...]


@attrs.frozen(order=True)
class Entry:
    """A command: the words of its name, its group, and what may follow."""

    name: Words
    group: str
    arguments: Tuple[Argument, ...]


def read_grammar(docs: Parsed, known: Iterable[str]) -> list[Entry]:
    """Read the reply of COMMAND DOCS in RESP2, as far as the names of commands and subcommands are known."""
    names = {each for each in known if is_read(each)}
    return sorted(each for each in _entries(_pairs(docs)) if b"|".join(each.name).decode() in names)


def is_read(name: str) -> bool:
    """Tell whether a command is read that is called so, as `xinfo|stream`."""
    return "getkeys" in name or not NOT_READ & {name, name.partition("|")[0]}


def _pairs(reply: Parsed) -> Dict[str, Any]:
    """Make a map of a flat array, and leave its values as they are."""
    items = reply[1]
    return {key[1].decode(): value for key, value in zip(items[::2], items[1::2])}


def _entries(commands: Dict[str, Any]) -> Iterator[Entry]:
    for name, described in commands.items():
        told = _pairs(described)
        if "subcommands" in told:
            yield from _entries(_pairs(told["subcommands"]))
            continue
        arguments = tuple(map(_argument, told["arguments"][1])) if "arguments" in told else ()
        yield Entry(tuple(name.encode().split(b"|")), told["group"][1].decode(), arguments)


def _argument(reply: Parsed) -> Argument:
    told = _pairs(reply)
    return Argument(
        told["name"][1].decode(),
        told["type"][1].decode(),
        told["token"][1] if "token" in told else b"",
        frozenset(flag[1].decode() for flag in told["flags"][1]) if "flags" in told else frozenset(),
        tuple(map(_argument, told["arguments"][1])) if "arguments" in told else (),
    )
