"""The command table of one cache: look-up by name, the function to call, and the call statistics."""

from __future__ import annotations

from enum import IntEnum
from typing import Iterable, Iterator, Mapping, Protocol, Sequence

from twisted_kv.declaring.commands import Command, Function, InTransaction, Lasting, RunFunction
from twisted_kv.vocabulary.errors import CommandError, as_text, c_string


class Commands(Protocol):
    """The commands of a group, by name in lower case."""

    @property
    def commands(self) -> Mapping[bytes, Command]: ...


class TableEntry:
    """A command in the table of one cache: its function there, and its call statistics."""

    __slots__ = (
        "calls",
        "command",
        "failed",
        "function",
        "is_fast",
        "is_queued",
        "is_write",
        "least",
        "may_run_together",
        "most",
        "name",
        "rejected",
        "runs",
        "skip",
    )

    def __init__(self, command: Command, composer: Composer) -> None:
        self.command = command
        self.name = command.name
        self.compose(composer)
        self.least = command.least
        self.most = command.most
        self.skip = command.skip
        self.is_fast = "fast" in command.flags
        """Redis's flag: whether its duration does not depend on the amount of data."""
        self.is_queued = command.in_transaction is InTransaction.QUEUED and "no_multi" not in command.flags
        """Whether a transaction may queue it without further checks."""
        self.is_write = not {"write", "may_replicate"}.isdisjoint(command.flags)
        """Whether it writes, as Redis sees it in a script: what replicas are told of counts."""
        self.reset_statistics()

    def compose(self, composer: Composer) -> None:
        """Wrap the functions of the command in the layers that are on."""
        self.function = composer.compose(self.command)
        """The function of the command."""
        self.runs = composer.compose_runs(self.command)
        """Run the first requests of a run at once, by the length of each."""
        self.may_run_together = composer.may_run_together(self.command)
        """Whether many requests may be admitted at once at present."""

    def reset_statistics(self) -> None:
        """Set all counters to 0."""
        self.calls = self.rejected = self.failed = 0


class Scope(IntEnum):
    """Which commands a session may call, apart from the checks of admission: see `CommandTable.at_once`."""

    REQUEST = 0
    DATAGRAM = 1
    SESSION = 2
    CONNECTION = 3
    SHARED = 4
    """As for an in-process session, but independent callers share it: no command may change it."""

    def allows(self, command: Command) -> bool:
        """Check whether a session of this scope may call a command."""
        if self is Scope.SHARED:
            return command.lasting <= Lasting.SESSION and not command.changes_session
        return command.lasting <= self


class Composer(Protocol):
    """Wraps the functions of commands in layers."""

    def compose(self, command: Command) -> Function:
        """Return the function that runs a request."""

    def compose_runs(self, command: Command) -> dict[int, RunFunction]:
        """Return the functions that run many requests, by the length of each."""

    def may_run_together(self, command: Command) -> bool:
        """Check whether many requests may be admitted at once."""


class NoLayers:
    """The functions of commands as they are."""

    def compose(self, command: Command) -> Function:
        return command.function

    def compose_runs(self, command: Command) -> dict[int, RunFunction]:
        return command.runs

    def may_run_together(self, command: Command) -> bool:
        return command.may_run_together


class CommandTable:
    """The commands of one cache, with its own statistics; an entry is made when its command is first looked up."""

    def __init__(self, groups: Iterable[Commands], composer: Composer | None = None) -> None:
        self._composer = composer or NoLayers()
        self._commands: dict[bytes, Command] = {}
        for group in groups:
            self._commands.update(group.commands)
        self._entries: dict[Command, TableEntry] = {}
        self.at_once: list[dict[bytes, TableEntry]] = [{} for _ in Scope]
        """For each scope, the commands for which only the number of arguments needs checking.

        The key is the name as clients spell it, so that one look-up is enough for most requests.  Filled as commands
        are looked up; empty while admission has more to check.
        """

    def entry(self, command: Command) -> TableEntry:
        """Return the entry of a command."""
        entry = self._entries.get(command)
        if entry is None:
            entry = self._entries[command] = TableEntry(command, self._composer)
        return entry

    def entry_of(self, words: Sequence[bytes]) -> TableEntry:
        """Return the entry of a request's command; raise `CommandError` as `find` does."""
        return self.entry(self.find(words))

    def entries(self) -> list[TableEntry]:
        """Return the entries of all commands that were looked up, in the order of the table."""
        return [self._entries[command] for command in self.every() if command in self._entries]

    def recompose(self) -> None:
        """Recompose all functions after a layer was switched on or off."""
        for entry in self._entries.values():
            entry.compose(self._composer)

    def call_at_once(self, word: bytes, entry: TableEntry) -> None:
        """Add a command to `at_once`, if its name is spelled as most clients do.

        A command with subcommands is never added, since the subcommand has to be looked up.
        """
        command = entry.command
        name = command.name.encode()
        if word in (name, name.upper()) and not command.subcommands:
            for scope in Scope:
                if scope.allows(command):
                    self.at_once[scope][word] = entry

    def clear_at_once(self) -> None:
        """Clear `at_once`, so that every command goes through admission."""
        for entries in self.at_once:
            entries.clear()

    def __len__(self) -> int:
        return len(self._commands)

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def every(self) -> Iterator[Command]:
        """Return all commands and all subcommands."""
        for command in self:
            yield command
            yield from command.subcommands.values()

    def named(self, name: bytes) -> Command | None:
        """Return a command by its full name in any case, `config|get` for a subcommand; None if there is none."""
        container, bar, subcommand = name.lower().partition(b"|")
        command = self._commands.get(container)
        if command is None or not bar:
            return command
        return command.subcommands.get(subcommand)

    def find(self, words: Sequence[bytes]) -> Command:
        """Return the command of a request; raise `CommandError` with Redis's text if there is none."""
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
    """Return the error text for an unknown command, with the beginning of its arguments."""
    arguments = b""
    for argument in words[1:]:
        if len(arguments) >= 128:
            break
        arguments += b"'%b' " % c_string(argument)[: 128 - len(arguments)]
    return f"unknown command '{as_text(c_string(words[0])[:128])}', with args beginning with: {as_text(arguments)}"
