"""What is known of a command, and the table in which a request finds its command.

A command is a plain function `(session, *words) -> reply`; how one is declared is in `groups`.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Callable, Final, Iterable, Iterator, List, Mapping, Protocol, Sequence, Tuple

import attrs

from twisted_kv.errors import CommandError, as_text, c_string
from twisted_kv.numbers import leading_integer, parse_integer
from twisted_kv.replies import Reply

Function = Callable[..., Reply]

KeyPlaces = List[Tuple[int, Tuple[str, ...]]]
"""Where the keys stand among the words of a request, and what is done with each."""

FindKeys = Callable[[Sequence[bytes]], KeyPlaces]
"""Finds the keys of a request where `KeySpec` cannot tell them."""

MANY: Final = sys.maxsize
"""The most words of a command that takes any number."""


class Lasting(IntEnum):
    """How long the conversation lasts that a request is part of, and how long one a command needs."""

    REQUEST = 0
    """One request, one reply: a datagram in the `equals` or `command` dialect."""
    DATAGRAM = 1
    """The requests of one datagram share a session."""
    CONNECTION = 2
    """A connection, or a session of the same process."""


@attrs.frozen
class KeySpec:
    """Where keys stand among the words, as Redis 7.0 tells it.

    They begin at word `first` (the name of the command is 0), or behind the word `keyword`, which is looked for from
    `first` on, backwards if that is negative; with `first` None, nobody can tell.  They go on to `last` (0: only there;
    -1: to the end), or only over the first half of these with a `limit` of 2; every `step`th is one.  If they are
    `counted`, their number stands where they would begin.
    """

    access: tuple[str, ...]
    first: int | None
    last: int = 0
    step: int = 1
    notes: str = ""
    keyword: str = ""
    limit: int = 0
    counted: bool = False

    def places(self, words: Sequence[bytes]) -> range | None:
        """Give the places of the keys in a request; None if they are not where they should be, or nobody can tell."""
        start = self.first
        if start is None:
            return None
        if self.keyword:
            start = self._behind_keyword(words, start)
        if start is None or not 0 < start < len(words):
            return None
        if not self.counted:
            last = len(words) + self.last if self.last < 0 else start + self.last
            if self.limit > 1 and self.last < 0:
                last = start + (last - start + 1) // self.limit - 1
            step = self.step
        else:
            count = parse_integer(words[start])
            if count is None:
                return None
            start += 1
            last, step = start + count - 1, 1
        return range(start, last + 1, step) if start <= last < len(words) else None

    def _behind_keyword(self, words: Sequence[bytes], start: int) -> int | None:
        places = range(start, len(words)) if start > 0 else range(len(words) + start, 0, -1)
        for place in places:
            if c_string(words[place]).upper() == self.keyword.encode():
                return place + 1
        return None


class Command:
    """One command, or one subcommand of a container; `name` is in lower case, a subcommand's `config|get`."""

    __slots__ = (
        "calls",
        "categories",
        "changes_session",
        "complexity",
        "denies_oom",
        "doc_flags",
        "failed",
        "find_keys",
        "flags",
        "function",
        "group",
        "is_fast",
        "is_write",
        "keys",
        "lasting",
        "least",
        "loading",
        "most",
        "name",
        "no_auth",
        "no_multi",
        "rejected",
        "since",
        "skip",
        "subcommands",
        "summary",
        "tips",
    )

    def __init__(
        self,
        *,
        name: str,
        function: Function,
        group: str,
        since: str,
        flags: tuple[str, ...],
        keys: tuple[KeySpec, ...],
        categories: tuple[str, ...],
        tips: tuple[str, ...],
        complexity: str,
        doc_flags: tuple[str, ...],
        lasting: Lasting,
        summary: str,
        find_keys: FindKeys | None = None,
        changes_session: bool = False,
        least: int,
        most: int,
    ) -> None:
        self.name = name
        self.function = function
        self.group = group
        self.since = since
        self.flags = flags
        self.keys = keys
        self.categories = categories
        self.tips = tips
        self.complexity = complexity
        self.doc_flags = doc_flags
        """What COMMAND DOCS says beside: `deprecated`, or `syscmd` for what is of no use to others."""
        self.lasting = lasting
        self.changes_session = changes_session
        """Whether it changes the conversation (what is selected, queued, watched), and not only the data."""
        self.summary = summary
        self.find_keys = find_keys
        self.skip = name.count("|") + 1
        """Words before the arguments of the function: the name of the command, and of the subcommand."""
        self.least = least
        """Words in all, those of the name among them."""
        self.most = most
        self.no_auth = "no_auth" in flags
        """Is served before the password was given."""
        self.denies_oom = "denyoom" in flags
        """Is refused when there is no memory."""
        self.no_multi = "no_multi" in flags
        """Is refused in a transaction."""
        self.is_fast = "fast" in flags
        """Whether it takes no longer for more data: Redis's flag."""
        self.is_write = "write" in flags
        self.loading = "loading" in flags
        """Is served while data are loaded."""
        self.subcommands: dict[bytes, Command] = {}
        self.calls = self.rejected = self.failed = 0

    def copy(self) -> Command:
        """Give the same command with counts of its own."""
        own = Command(
            name=self.name,
            function=self.function,
            group=self.group,
            since=self.since,
            flags=self.flags,
            keys=self.keys,
            categories=self.categories,
            tips=self.tips,
            complexity=self.complexity,
            doc_flags=self.doc_flags,
            lasting=self.lasting,
            summary=self.summary,
            find_keys=self.find_keys,
            changes_session=self.changes_session,
            least=self.least,
            most=self.most,
        )
        own.subcommands = {name: subcommand.copy() for name, subcommand in self.subcommands.items()}
        return own

    @property
    def arity(self) -> int:
        """Redis's arity: the number of words, negative for "at least"."""
        return self.least if self.least == self.most else -self.least

    def is_open_at(self, count: int) -> bool:
        """Tell whether Redis's table, which knows no most of an open arity, would let so many words pass."""
        return count >= self.least and self.least != self.most

    def find(self, words: Sequence[bytes]) -> KeyPlaces | None:
        """Give the places of the keys in a request, and what is done with each; None if it is no sound request."""
        found: KeyPlaces | None = []
        if self.find_keys is not None and any("variable_flags" in spec.access for spec in self.keys):
            return self.find_keys(words)
        for spec in self.keys:
            places = spec.places(words)
            if places is None or found is None:
                found = None
                break
            found += [(place, spec.access) for place in places]
        if found is None:
            return self._find_otherwise(words)
        return found

    def _find_otherwise(self, words: Sequence[bytes]) -> KeyPlaces | None:
        """Find keys where they are not as the specifications say.

        Redis then reads a number of keys as C's atoi does, knows nothing of what is done with them, and names the key
        that something is stored at last.
        """
        if self.find_keys is not None:
            return self.find_keys(words)
        spec = self.keys[-1]
        if not spec.counted or spec.first is None or spec.first >= len(words):
            return None
        start = spec.first + 1
        number = leading_integer(words[spec.first])
        if not 1 <= number <= len(words) - start:
            return None
        stored = [first.first for first in self.keys[:-1] if first.first is not None]
        return [(place, ()) for place in (*range(start, start + number), *stored)]

    def acl_categories(self) -> list[str]:
        """Give the categories that Redis's ACL puts the command in, in Redis's order."""
        flags = set(self.flags)
        found = set(self.categories)
        for flag, implied in _CATEGORIES_OF_FLAGS.items():
            if flag in flags:
                found.update(implied)
        if "fast" not in flags:
            found.add("slow")
        return [category for category in _CATEGORIES if category in found]

    def reset_statistics(self) -> None:
        """Begin to count anew."""
        self.calls = self.rejected = self.failed = 0


_CATEGORIES: Final = (
    "keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin fast slow blocking "
    "dangerous connection transaction scripting"
).split()
_CATEGORIES_OF_FLAGS: Final[dict[str, tuple[str, ...]]] = {
    "write": ("write",),
    "readonly": ("read",),
    "admin": ("admin", "dangerous"),
    "pubsub": ("pubsub",),
    "fast": ("fast",),
    "blocking": ("blocking",),
}


class Commands(Protocol):
    """The commands of a group, by their names in lower case."""

    @property
    def commands(self) -> Mapping[bytes, Command]: ...


class CommandTable:
    """The commands of one cache, each with its own counts."""

    def __init__(self, groups: Iterable[Commands]) -> None:
        self._commands: dict[bytes, Command] = {}
        for group in groups:
            for name, command in group.commands.items():
                self._commands[name] = command.copy()
        self.spelled: dict[bytes, Command] = {}
        """Commands without subcommands by their name as clients spell it: one look-up for most requests."""
        for name, command in self._commands.items():
            if not command.subcommands:
                self.spelled[name] = self.spelled[name.upper()] = command

    def __len__(self) -> int:
        return len(self._commands)

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def every(self) -> Iterator[Command]:
        """Give all commands and all subcommands."""
        for command in self:
            yield command
            yield from command.subcommands.values()

    def named(self, name: bytes) -> Command | None:
        """Give a command by its full name in any case, `config|get` for a subcommand."""
        container, bar, subcommand = name.lower().partition(b"|")
        command = self._commands.get(container)
        if command is None or not bar:
            return command
        return command.subcommands.get(subcommand)

    def find(self, words: Sequence[bytes]) -> Command:
        """Give the command of a request; raises `CommandError` with Redis's text if there is none."""
        command = self._commands.get(words[0].lower())
        if command is None:
            raise CommandError(_unknown(words))
        if not command.subcommands or len(words) == 1:
            return command
        subcommand = command.subcommands.get(words[1].lower())
        if subcommand is None:
            name = as_text(c_string(words[1])[:128])
            raise CommandError(f"unknown subcommand '{name}'. Try {command.name.upper()} HELP.")
        return subcommand


def _unknown(words: Sequence[bytes]) -> str:
    """Word the error for a command that is not known, with the beginning of what came with it."""
    arguments = b""
    for word in words[1:]:
        if len(arguments) >= 128:
            break
        arguments += b"'%b' " % c_string(word)[: 128 - len(arguments)]
    return f"unknown command '{as_text(c_string(words[0])[:128])}', with args beginning with: {as_text(arguments)}"
