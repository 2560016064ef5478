"""The decorators that declare commands.

A declaration is the only source of a command's metadata: COMMAND INFO and DOCS, the check of the number of arguments,
and whether a datagram may call it.

    @strings.command("GETDEL", flags="write fast", keys=first("RW access delete"), since="6.2.0")
    def getdel(session: Session, key: bytes) -> Reply:
        '''Return the string value of a key and delete the key.'''

The arity is derived from the function's signature, so it is written only once.  A command that clients pipeline may
have a second function that runs many requests at once: see `Group.run`.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, Final, Sequence, TypeVar

from twisted_kv.declaring.commands import (
    MANY,
    Command,
    FindKeys,
    Function,
    InTransaction,
    KeySpec,
    Lasting,
    RunFunction,
)
from twisted_kv.vocabulary.replies import Reply, Status

try:
    from twisted_kv.declaring.summaries import SUMMARIES  # of the compiled build alone: see hatch_build.py
except ImportError:
    SUMMARIES = {}

F = TypeVar("F", bound=Function)
R = TypeVar("R", bound=RunFunction)

FLAGS: Final = frozenset(
    "write readonly denyoom admin pubsub noscript blocking loading stale skip_monitor skip_slowlog asking fast no_auth "
    "may_replicate no_async_loading no_multi no_mandatory_keys movablekeys allow_busy".split()
)
"""The flags of commands in Redis 7.0."""


def first(access: str, notes: str = "") -> tuple[KeySpec, ...]:
    """Declare that the first argument is a key, and how it is accessed, in Redis's terms (`RW access update`)."""
    return (KeySpec(tuple(access.split()), 1, notes=notes),)


def second(access: str) -> tuple[KeySpec, ...]:
    """Declare that the second argument is a key: for a subcommand, the first after its name."""
    return (KeySpec(tuple(access.split()), 2),)


def every(access: str, *, start: int = 1, last: int = -1, step: int = 1, notes: str = "") -> tuple[KeySpec, ...]:
    """Declare that all arguments are keys, or every `step`th from index `start` to `last`."""
    return (KeySpec(tuple(access.split()), start, last, step, notes),)


def counted(access: str, start: int = 1, *, notes: str = "") -> tuple[KeySpec, ...]:
    """Declare that the argument at index `start` is the number of keys that follow it."""
    return (KeySpec(tuple(access.split()), start, notes=notes, counted=True),)


def after_streams(access: str, start: int) -> tuple[KeySpec, ...]:
    """Declare that the first half of the arguments after STREAMS are keys; STREAMS is searched for from `start` on."""
    return (KeySpec(tuple(access.split()), start, -1, keyword="STREAMS", limit=2),)


def unknown_keys(access: str, notes: str) -> tuple[KeySpec, ...]:
    """Declare that there may be keys at unknown positions."""
    return (KeySpec(tuple(access.split()), None, notes=notes),)


def after_keyword(keyword: str, access: str, start: int) -> tuple[KeySpec, ...]:
    """Declare that the argument after a keyword is a key; the keyword is searched for from `start` on."""
    return (KeySpec(tuple(access.split()), start, keyword=keyword),)


class Group:
    """The commands of one of Redis's groups, filled by the decorators of its module.

    `category` is the ACL category that all of them share, if there is one.
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
        doc_flags: str = "",
        lasting: Lasting = Lasting.REQUEST,
        find_keys: FindKeys | None = None,
        changes_session: bool = False,
        in_transaction: InTransaction = InTransaction.QUEUED,
        allowed: Callable[[Any], None] | None = None,
        fails_with_disk: bool = False,
        waits: bool = False,
        redact: Callable[[Sequence[bytes]], Sequence[bytes]] | None = None,
        while_subscribed: bool = False,
        tells_after: str = "",
        runs_requests: bool = False,
        as_called: Callable[[Any, Sequence[bytes]], Sequence[str]] | None = None,
    ) -> Callable[[F], F]:
        """Declare a function as a command; a name such as `CONFIG GET` declares a subcommand of an earlier container.

        `flags` are Redis's; a function that changes keys has to be declared with `write`, or its changes are not
        recorded in the append-only file, and one that returns a `Block` with `blocking`.  A command that
        `changes_session` is refused where callers share a session.  The rest is as in `Command`.  Raises ValueError for
        a flag or container that does not exist, TypeError for a function that cannot be a command.
        """
        unknown = set(flags.split()) - FLAGS
        if unknown:
            raise ValueError(f"{name}: no such flag: {', '.join(sorted(unknown))}")

        def declare(function: F) -> F:
            container, _, subcommand = name.lower().partition(" ")
            if subcommand and container.encode() not in self.commands:
                raise ValueError(f"{name}: the container {container.upper()} was not declared before")
            skip = 2 if subcommand else 1
            least, most = _bounds(function)
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
                doc_flags=tuple(doc_flags.split()),
                lasting=lasting,
                find_keys=find_keys,
                changes_session=changes_session,
                in_transaction=in_transaction,
                allowed=allowed,
                fails_with_disk=fails_with_disk,
                waits=waits,
                redact=redact,
                while_subscribed=while_subscribed,
                tells_after=frozenset(tells_after.encode().split()),
                runs_requests=runs_requests,
                as_called=as_called,
                summary=_summary(function),
                least=least + skip,
                most=MANY if most == MANY else most + skip,
            )
            if subcommand:
                self.commands[container.encode()].subcommands[subcommand.encode()] = command
            else:
                self.commands[container.encode()] = command
            return function

        return declare

    def run(self, name: str, *, arguments: int) -> Callable[[R], R]:
        """Declare a function that runs a command, declared before, for many requests with so many arguments each.

        Its arguments are the session and a `Run`, whose first column holds the keys.  It returns the replies of the
        first requests: of all, or of those before one that it leaves to the command itself, such as one whose key has
        expired or holds another type.  It raises nothing.  The requests are recorded in the append-only file as they
        came.
        """

        def declare(function: R) -> R:
            self.commands[name.lower().encode()].runs[arguments + 1] = function
            return function

        return declare

    def container(self, name: str, *, since: str, summary: str, help_since: str = "5.0.0") -> None:
        """Declare a command that consists of subcommands only, including HELP."""

        def refuse(session: Any, subcommand: bytes, *words: bytes) -> Reply:
            raise AssertionError("a container is never called: its subcommands are")

        refuse.__doc__ = summary
        self.command(name, since=since, categories="", complexity="Depends on subcommand.")(refuse)
        self.help(name, since=help_since)

    def help(self, name: str, *, since: str = "5.0.0") -> None:
        """Declare the HELP subcommand of a command that has subcommands."""

        def help_(session: Any) -> Reply:
            """Return a short text about the subcommands."""
            subcommands = self.commands[name.lower().encode()].subcommands
            lines = [f"{name} <subcommand> [<arg> ...]. Subcommands are:"]
            for subcommand in sorted(subcommands):
                lines += [subcommand.decode().upper(), f"    {subcommands[subcommand].summary}"]
            return [Status(line.encode()) for line in lines]

        self.command(f"{name} HELP", since=since, flags="loading stale")(help_)


def _summary(function: Function) -> str:
    """Return the first line of a function's docstring."""
    docstring = inspect.getdoc(function)
    if docstring is None:  # it is compiled
        docstring = SUMMARIES.get(f"{function.__module__.rpartition('.')[2]}.{function.__name__}", "")
    return docstring.partition("\n")[0]


def _bounds(function: Function) -> tuple[int, int]:
    """Return the least and the greatest number of arguments that a function takes after its session."""
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{function.__name__} is a coroutine function: a command returns its reply, or a Promise of it")
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if any(each.kind in (each.KEYWORD_ONLY, each.VAR_KEYWORD) for each in parameters):
        raise TypeError(f"{function.__name__} has keyword arguments, which no request can pass")
    least = sum(each.default is each.empty and each.kind is not each.VAR_POSITIONAL for each in parameters)
    many = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    return least, MANY if many else len(parameters)
