"""Writes docs/commands.md from the table of commands: `python docs/make_commands.py`."""

from __future__ import annotations

from pathlib import Path

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.commands import Command, Lasting
from twisted_kv.declaring.table import CommandTable

PATH = Path(__file__).with_name("commands.md")
PLACES = {
    Lasting.REQUEST: "everywhere",
    Lasting.DATAGRAM: "not alone in a datagram",
    Lasting.SESSION: "over a connection, in process",
    Lasting.CONNECTION: "over a connection",
}
HEAD = """\
# Commands

Made from the declarations of the commands by `docs/make_commands.py`; not to be edited by hand.

The arity counts the name; a negative one is the least number of words. "Everywhere" is over a connection, in process
and in datagrams of each dialect; "not alone in a datagram" needs others in the same datagram, which the `resp` dialect
allows.
"""


def document() -> str:
    """Give the text of docs/commands.md."""
    groups: dict[str, list[Command]] = {}
    for command in CommandTable(GROUPS).every():
        if not command.subcommands:
            groups.setdefault(command.group, []).append(command)
    parts = [HEAD]
    for group in sorted(groups):
        parts.append(f"\n## {group}\n\n| command | arity | since | flags | where | what it does |\n|{' --- |' * 6}\n")
        parts += [_line(command) for command in sorted(groups[group], key=lambda each: each.name)]
    return "".join(parts)


def _line(command: Command) -> str:
    name = command.name.upper().replace("|", " ")
    cells = (
        name,
        str(command.arity),
        command.since,
        " ".join(command.flags),
        PLACES[command.lasting],
        command.summary.replace("|", "\\|"),
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
