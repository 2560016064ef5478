"""What a command declares, and the table in which a request finds its command.

A command is a plain function `(session, *words) -> reply`.  Its declaration is the only source for everything that is
said about it: COMMAND INFO and DOCS, the check of its number of words, and what a datagram may call.

    @strings.command("GETDEL", flags="write fast", keys=first("RW access delete"), since="6.2.0")
    def getdel(session: Session, key: bytes) -> Reply:
        '''Return the string value of a key and delete the key.'''

The arity is the signature: it is written once.
"""

from __future__ import annotations

import copy
import inspect
import sys
from enum import IntEnum
from typing import Any, Callable, Final, Iterable, Iterator, Sequence, TypeVar

import attrs

from twisted_kv.errors import CommandError, as_text, c_string
from twisted_kv.replies import Reply, Status

Function = Callable[..., Reply]
F = TypeVar("F", bound=Function)

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
    """Where keys stand among the words: from `first`, to `last` (0: only there; -1: to the end), every `step`th."""

    access: tuple[str, ...]
    first: int
    last: int = 0
    step: int = 1
    notes: str = ""


def first(access: str, notes: str = "") -> tuple[KeySpec, ...]:
    """Declare that the first word is a key, and what is done with it in Redis's words (`RW access update`)."""
    return (KeySpec(tuple(access.split()), 1, notes=notes),)


def second(access: str) -> tuple[KeySpec, ...]:
    """Declare that the second word is a key."""
    return (KeySpec(tuple(access.split()), 2),)


def every(access: str, step: int = 1) -> tuple[KeySpec, ...]:
    """Declare that all words are keys, or every `step`th from the first on."""
    return (KeySpec(tuple(access.split()), 1, -1, step),)


@attrs.define(eq=False)
class Command:
    """One command, or one subcommand of a container; `name` is in lower case, a subcommand's `config|get`."""

    name: str
    function: Function
    group: str
    since: str
    flags: tuple[str, ...]
    keys: tuple[KeySpec, ...]
    categories: tuple[str, ...]
    tips: tuple[str, ...]
    complexity: str
    deprecated: bool
    lasting: Lasting
    summary: str
    skip: int  # words before the arguments of the function: the name of the command, and of the subcommand
    least: int  # words in all
    most: int
    subcommands: dict[bytes, Command] = attrs.field(factory=dict)
    no_auth: bool = False  # is served before the password was given
    denies_oom: bool = False  # is refused when there is no memory
    calls: int = 0
    rejected: int = 0
    failed: int = 0

    @property
    def arity(self) -> int:
        """Redis's arity: the number of words, negative for "at least"."""
        return self.least if self.least == self.most else -self.least

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


class Group:
    """The commands of one of Redis's groups, filled by the decorators of its module.

    `category` is the ACL category that all of them share, where there is one.
    """

    def __init__(self, name: str, category: str = "") -> None:
        self.name = name
        self.category = category
        self.commands: dict[bytes, Command] = {}

    def command(
        self,
        name: str,
        *,
        since: str,
        flags: str = "",
        keys: tuple[KeySpec, ...] = (),
        categories: str | None = None,
        tips: str = "",
        complexity: str = "O(1)",
        deprecated: bool = False,
        lasting: Lasting = Lasting.REQUEST,
    ) -> Callable[[F], F]:
        """Declare a function as a command; `CONFIG GET` declares a subcommand of a container declared before."""

        def declare(function: F) -> F:
            container, _, subcommand = name.lower().partition(" ")
            least, most = _bounds(function)
            skip = 2 if subcommand else 1
            command = Command(
                name=name.lower().replace(" ", "|"),
                function=function,
                group=self.name,
                since=since,
                flags=tuple(flags.split()),
                keys=keys,
                categories=tuple((self.category if categories is None else categories).split()),
                tips=tuple(tips.split()),
                complexity=complexity,
                deprecated=deprecated,
                lasting=lasting,
                summary=(inspect.getdoc(function) or "").partition("\n")[0],
                skip=skip,
                least=least + skip,
                most=MANY if most == MANY else most + skip,
                no_auth="no_auth" in flags.split(),
                denies_oom="denyoom" in flags.split(),
            )
            if subcommand:
                self.commands[container.encode()].subcommands[subcommand.encode()] = command
            else:
                self.commands[container.encode()] = command
            return function

        return declare

    def container(self, name: str, *, since: str, summary: str) -> None:
        """Declare a command that only has subcommands, HELP among them."""

        def refuse(session: Any, subcommand: bytes, *words: bytes) -> Reply:
            raise AssertionError("a container is never called: its subcommands are")

        refuse.__doc__ = summary
        self.command(name, since=since, categories="", complexity="Depends on subcommand.")(refuse)
        self.help(name)

    def help(self, name: str) -> None:
        """Declare the HELP subcommand of a command that has subcommands."""

        def help_(session: Any) -> Reply:
            """Return a short text about the subcommands."""
            subcommands = self.commands[name.lower().encode()].subcommands
            lines = [f"{name} <subcommand> [<arg> ...]. Subcommands are:"]
            for subcommand in sorted(subcommands):
                lines += [subcommand.decode().upper(), f"    {subcommands[subcommand].summary}"]
            return [Status(line.encode()) for line in lines]

        self.command(f"{name} HELP", since="5.0.0", flags="loading stale")(help_)


def _bounds(function: Function) -> tuple[int, int]:
    """Count the least and the most words that a function takes behind its session."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    least = sum(each.default is each.empty and each.kind is not each.VAR_POSITIONAL for each in parameters)
    many = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    return least, MANY if many else len(parameters)


class CommandTable:
    """The commands of one cache, each with its own counts."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._commands: dict[bytes, Command] = {}
        for group in groups:
            for name, command in group.commands.items():
                own = copy.copy(command)
                own.subcommands = {each: copy.copy(known) for each, known in command.subcommands.items()}
                self._commands[name] = own
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
