"""What a server tells of its commands (COMMAND DOCS), for `help`, for hints while typing, and for completion."""

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
    """What is known of one command, or one subcommand: its `name` in upper case, and its arguments in order."""

    name: str
    summary: str
    since: str
    group: str
    arguments: Tuple[str, ...]

    def lines(self, *, group: bool, colours: bool) -> str:
        """Write it as redis-cli does, with its group or without."""
        bold, grey, yellow, plain = ("\33[1m", "\33[90m", "\33[33m", "\33[0m") if colours else ("",) * 4
        text = f"\n  {bold}{self.name}{plain} {grey}{' '.join(self.arguments)}{plain}\n"
        text += f"  {yellow}summary:{plain} {self.summary}\n  {yellow}since:{plain} {self.since}\n"
        return text + (f"  {yellow}group:{plain} {self.group}\n" if group else "")


class Documents:
    """All that a server tells, from the reply to COMMAND DOCS; nothing if that is none."""

    def __init__(self, reply: Reply = None) -> None:
        found = [each for name, facts in _pairs(reply) for each in _documents(name, facts)]
        self._documents = {each.name: each for each in sorted(found, key=lambda each: each.name)}

    @property
    def names(self) -> list[str]:
        """The commands in upper case, subcommands behind the names of their containers."""
        return list(self._documents)

    @property
    def topics(self) -> list[str]:
        """What `help` may be asked for."""
        return [*sorted({f"@{each.group}" for each in self._documents.values()}), *self._documents]

    def help(self, words: Sequence[str], *, colours: bool = False) -> str:
        """Answer `help`, with what was asked for."""
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
            return "the server tells nothing of its commands\n"
        if not found:
            return f"no help on {topic}: try help <tab>\n"
        return "".join(each.lines(group=not topic.startswith("@"), colours=colours) for each in found) + "\n"

    def hint(self, line: str) -> str:
        """Give the arguments that may follow a line that is being typed."""
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
    """Read a map in the form of either version of RESP."""
    if isinstance(reply, dict):
        return list(reply.items())
    return list(zip(reply[::2], reply[1::2])) if isinstance(reply, list) else []


def _text(word: Any) -> str:
    return bytes(word).decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def _documents(name: Any, facts: Reply) -> list[Document]:
    told = {_text(key): value for key, value in _pairs(facts)}
    arguments = told.get("arguments")
    words = [word for each in (arguments if isinstance(arguments, list) else []) for word in _syntax(each)]
    made = Document(
        name=_text(name).upper().replace("|", " "),
        summary=_text(told.get("summary", b"")),
        since=_text(told.get("since", b"")),
        group=_text(told.get("group", b"")),
        arguments=tuple(words),
    )
    below = [each for subname, more in _pairs(told.get("subcommands")) for each in _documents(subname, more)]
    return [made, *below]


def _syntax(reply: Reply) -> list[str]:
    """Write one argument as Redis's documents do."""
    told = {_text(key): value for key, value in _pairs(reply)}
    kind = _text(told.get("type", b""))
    flags = {_text(flag) for flag in told.get("flags") or ()}
    inner = [" ".join(_syntax(each)) for each in told.get("arguments") or ()]
    name = {"block": " ".join(inner), "oneof": "|".join(inner), "pure-token": ""}.get(
        kind, _text(told.get("name", b""))
    )
    token = _text(told["token"]) or '""' if "token" in told else ""
    if "multiple" in flags:
        name = f"{name} [{token + ' ' if 'multiple_token' in flags else ''}{name} ...]"
    written = " ".join(filter(None, (token, name)))
    return [f"[{written}]" if "optional" in flags else written]
