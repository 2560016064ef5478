"""A server's documentation of its commands (COMMAND DOCS), for `help`, hints while typing, and completion."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Sequence, Tuple

from twisted_kv.vocabulary.replies import Reply

TEXT: Final = """\
To get help about commands type:
      "help @<group>" to get a list of commands in <group>
      "help <command>" for help on <command>
      "help <tab>" to get a list of possible help topics
      "connect <host> <port>" to talk to another server
      "clear" to clear the screen, "quit" to exit
      ":set hints" and ":set nohints" for hints while typing
"""


class Document(NamedTuple):
    """The documentation of a command or subcommand: its `name` is in upper case, its arguments are in order."""

    name: str
    summary: str
    since: str
    group: str
    arguments: Tuple[str, ...]

    def lines(self, *, group: bool, colours: bool) -> str:
        """Return the text that redis-cli prints for the command, with or without its group."""
        bold, grey, yellow, plain = ("\33[1m", "\33[90m", "\33[33m", "\33[0m") if colours else ("",) * 4
        text = f"\n  {bold}{self.name}{plain} {grey}{' '.join(self.arguments)}{plain}\n"
        text += f"  {yellow}summary:{plain} {self.summary}\n  {yellow}since:{plain} {self.since}\n"
        return text + (f"  {yellow}group:{plain} {self.group}\n" if group else "")


class Documents:
    """All documents of a server, from its reply to COMMAND DOCS; empty if the reply is no map."""

    def __init__(self, reply: Reply = None) -> None:
        found = [each for name, facts in _pairs(reply) for each in _documents(name, facts)]
        self._documents = {each.name: each for each in sorted(found, key=lambda each: each.name)}

    @property
    def names(self) -> list[str]:
        """The commands' names in upper case; the names of subcommands follow those of their containers."""
        return list(self._documents)

    @property
    def topics(self) -> list[str]:
        """The topics that `help` accepts."""
        return [*sorted({f"@{each.group}" for each in self._documents.values()}), *self._documents]

    def help(self, words: Sequence[str], *, colours: bool = False) -> str:
        """Return the text that answers `help` with these words."""
        if not words:
            return TEXT
        topic = " ".join(words)
        if topic.startswith("@"):
            group = topic[1:].lower()
            found = [each for each in self._documents.values() if each.group == group]
        else:
            name = topic.upper()
            found = [each for each in self._documents.values() if each.name == name or each.name.startswith(name + " ")]
        if not self._documents:
            return "the server does not document its commands\n"
        if not found:
            return f"no help on {topic}: try help <tab>\n"
        return "".join(each.lines(group=not topic.startswith("@"), colours=colours) for each in found) + "\n"

    def hint(self, line: str) -> str:
        """Return the arguments that may follow a line that is being typed."""
        words = line.upper().split()
        document = next(filter(None, (self._documents.get(" ".join(words[:length])) for length in (2, 1))), None)
        if document is None:
            return ""
        missing = " ".join(document.arguments).split(" ")
        for _ in words[document.name.count(" ") + 1 :]:
            if missing and not missing[0].startswith("["):
                del missing[0]
        hint = " ".join(missing)
        return hint if line[-1:].isspace() or not hint else f" {hint}"


def _pairs(reply: Reply) -> list[tuple[Any, Any]]:
    """Return the pairs of a map in the form of either RESP version."""
    if isinstance(reply, dict):
        return list(reply.items())
    return list(zip(reply[::2], reply[1::2])) if isinstance(reply, list) else []


def _text(word: Any) -> str:
    return bytes(word).decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def _documents(name: Any, facts: Reply) -> list[Document]:
    fields = {_text(key): value for key, value in _pairs(facts)}
    arguments = fields.get("arguments")
    words = [word for each in (arguments if isinstance(arguments, list) else []) for word in _syntax(each)]
    document = Document(
        name=_text(name).upper().replace("|", " "),
        summary=_text(fields.get("summary", b"")),
        since=_text(fields.get("since", b"")),
        group=_text(fields.get("group", b"")),
        arguments=tuple(words),
    )
    subcommands = [each for subname, more in _pairs(fields.get("subcommands")) for each in _documents(subname, more)]
    return [document, *subcommands]


def _syntax(reply: Reply) -> list[str]:
    """Format one argument as Redis's documentation does."""
    fields = {_text(key): value for key, value in _pairs(reply)}
    kind = _text(fields.get("type", b""))
    flags = {_text(flag) for flag in fields.get("flags") or ()}
    inner = [" ".join(_syntax(each)) for each in fields.get("arguments") or ()]
    name = {"block": " ".join(inner), "oneof": "|".join(inner), "pure-token": ""}.get(
        kind, _text(fields.get("name", b""))
    )
    token = _text(fields["token"]) or '""' if "token" in fields else ""
    if "multiple" in flags:
        name = f"{name} [{token + ' ' if 'multiple_token' in flags else ''}{name} ...]"
    syntax = " ".join(filter(None, (token, name)))
    return [f"[{syntax}]" if "optional" in flags else syntax]
