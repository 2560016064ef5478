"""The interactive prompt, with history, completion and hints."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Callable, Final

from twisted_kv.cli.shell import Shell
from twisted_kv.wire.words import split_words

HISTORY: Final = "~/.owncache_cli_history"

_SECRET: Final = re.compile(
    rb"(\d+ )?(AUTH|ACL SETUSER|CONFIG SET .*(REQUIREPASS|MASTERAUTH)|HELLO .*AUTH|MIGRATE) ", re.S
)


def is_secret(line: str) -> bool:
    """Check whether a line may contain a password, and so must not enter the history; if unsure (open quote), True."""
    try:
        words = split_words(line.encode("utf-8", "surrogateescape"))
    except ValueError:
        return True
    return _SECRET.match(b" ".join(words).upper() + b" ") is not None


def interact(shell: Shell) -> int:
    """Run requests from the prompt until the user quits.  Ctrl-C aborts a waiting request and its connection."""
    read = _reader(shell)
    while True:
        try:
            if shell.run_line(read(shell.prompt).encode("utf-8", "surrogateescape")) is None:
                return 0
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0


def _reader(shell: Shell) -> Callable[[str], str]:
    """Return a function that prompts for a line: prompt_toolkit's if installed, otherwise Python's, with readline."""
    path = os.path.expanduser(HISTORY)
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.application import get_app
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.formatted_text import StyleAndTextTuples
        from prompt_toolkit.history import FileHistory, InMemoryHistory
        from prompt_toolkit.layout.processors import AfterInput
    except ImportError:
        return _plain_reader(path + ".plain")  # it is in another format

    class SafeHistory(FileHistory):
        def store_string(self, string: str) -> None:
            if not is_secret(string):
                super().store_string(string)

    def names() -> list[str]:
        return [*shell.documents.names, *(f"help {topic}" for topic in shell.documents.topics)]

    def hint() -> StyleAndTextTuples:
        app = get_app()
        line = app.current_buffer.document
        if app.is_done or not shell.shows_hints or not line.is_cursor_at_the_end:
            return []
        room = app.output.get_size().columns - len(shell.prompt) - len(line.text) - 1
        return [("class:auto-suggestion", shell.documents.hint(line.text)[: max(0, room)])]

    history = SafeHistory(path) if _make_private(path) else InMemoryHistory()
    session: PromptSession[str] = PromptSession(
        history=history,
        completer=WordCompleter(names, ignore_case=True, sentence=True),
        complete_while_typing=False,
        input_processors=[AfterInput(hint)],
    )
    return session.prompt


def _plain_reader(path: str) -> Callable[[str], str]:
    try:
        import readline
    except ImportError:  # not every Python has it
        return input
    with suppress(AttributeError):  # PyPy's readline lacks it, and adds nothing to the history by itself
        readline.set_auto_history(False)
    is_saved = _make_private(path)
    if is_saved:
        readline.read_history_file(path)

    def read(prompt: str) -> str:
        line = input(prompt)
        if line.strip():
            readline.add_history(line)
            if is_saved and not is_secret(line):
                with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(line + "\n")
        return line

    return read


def _make_private(path: str) -> bool:
    """Create the history file if needed and make it private to its owner; return False if that fails."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        os.chmod(path, 0o600)
    except OSError:
        return False
    return True
