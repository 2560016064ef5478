"""The commands of one cache: how each is called there, how often it was, and how a request finds its own."""

from __future__ import annotations

from enum import IntEnum
from typing import Callable, Iterable, Iterator, Mapping, Protocol, Sequence

from twisted_kv.declaring.commands import Command, Function, InTransaction
from twisted_kv.vocabulary.errors import CommandError, as_text, c_string


class Commands(Protocol):
    """The commands of a group, by their names in lower case."""

    @property
    def commands(self) -> Mapping[bytes, Command]: ...


class TableEntry:
    """A command in the table of one cache: how it is called there, and how often it was."""

    __slots__ = (
        "calls",
        "command",
        "failed",
        "function",
        "is_fast",
        "is_queued",
        "least",
        "most",
        "name",
        "rejected",
        "skip",
    )

    def __init__(self, command: Command, function: Function) -> None:
        self.command = command
        self.name = command.name
        self.function = function
        """The function of the command, within the layers that are on."""
        self.least = command.least
        self.most = command.most
        self.skip = command.skip
        self.is_fast = "fast" in command.flags
        """Whether it takes no longer for more data: Redis's flag."""
        self.is_queued = command.in_transaction is InTransaction.QUEUED and "no_multi" not in command.flags
        """Whether a transaction may queue it with no more questions."""
        self.reset_statistics()

    def reset_statistics(self) -> None:
        """Begin to count anew."""
        self.calls = self.rejected = self.failed = 0


class Scope(IntEnum):
    """Which commands a session may call, apart from what it is asked before: see `CommandTable.at_once`."""

    REQUEST = 0
    DATAGRAM = 1
    CONNECTION = 2
    SHARED = 3
    """As a connection, but callers who know nothing of each other share it: no command may change it."""


Compose = Callable[[Command], Function]


def bare(command: Command) -> Function:
    """Give the function of a command without any layer."""
    return command.function


class CommandTable:
    """The commands of one cache, with its own counts; an entry is made when its command is first asked for."""

    def __init__(self, groups: Iterable[Commands], compose: Compose = bare) -> None:
        self._compose = compose
        self._commands: dict[bytes, Command] = {}
        for group in groups:
            self._commands.update(group.commands)
        self._entries: dict[Command, TableEntry] = {}
        self.at_once: list[dict[bytes, TableEntry]] = [{} for _ in Scope]
        """For each scope, what may be called with no more questions than the number of its words.

        By its name as clients spell it, so that one look-up is enough for most requests.  Filled as commands are asked
        for; empty while there are more questions.
        """

    def entry(self, command: Command) -> TableEntry:
        """Give the entry of a command."""
        entry = self._entries.get(command)
        if entry is None:
            entry = self._entries[command] = TableEntry(command, self._compose(command))
        return entry

    def entry_of(self, words: Sequence[bytes]) -> TableEntry:
        """Give the entry of the command of a request; raises `CommandError` as `find`."""
        return self.entry(self.find(words))

    def entries(self) -> list[TableEntry]:
        """Give the entries of all commands that were asked for, in the order of the table."""
        return [self._entries[command] for command in self.every() if command in self._entries]

    def recompose(self) -> None:
        """Put all functions together anew: a layer was switched on or off."""
        for command, entry in self._entries.items():
            entry.function = self._compose(command)

    def call_at_once(self, word: bytes, entry: TableEntry) -> None:
        """Let a command be called with no more questions, if its name is spelled as it is by most clients.

        One with subcommands never is: which of them is meant is a question.
        """
        command = entry.command
        name = command.name.encode()
        if word in (name, name.upper()) and not command.subcommands:
            for scope in Scope:
                if command.lasting <= scope and not (scope is Scope.SHARED and command.changes_session):
                    self.at_once[scope][word] = entry

    def ask_always(self) -> None:
        """Let no command be called without questions any more."""
        for entries in self.at_once:
            entries.clear()

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
