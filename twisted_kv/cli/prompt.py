"""The prompt: reads lines from a person, with history, completion and hints."""

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
    """Whether a line may hold a password, so that no history is kept of it; in doubt, as with a quote that is open."""
    try:
        words = split_words(line.encode("utf-8", "surrogateescape"))
    except ValueError:
        return True
    return _SECRET.match(b" ".join(words).upper() + b" ") is not None


def interact(shell: Shell) -> int:
    """Read requests at a prompt until the person leaves.  Ctrl-C ends what waits for a reply, and its connection."""
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
    """Give the prompt: prompt_toolkit's where it is installed, Python's own with readline otherwise."""
    path = os.path.expanduser(HISTORY)
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.application import get_app
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.formatted_text import StyleAndTextTuples
        from prompt_toolkit.history import FileHistory, InMemoryHistory
        from prompt_toolkit.layout.processors import AfterInput
    except ImportError:
        return _plain_reader(path + ".plain")  # its lines are written in another way

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

    history = SafeHistory(path) if _keep_to_oneself(path) else InMemoryHistory()
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
    except ImportError:  # not in every Python
        return input
    with suppress(AttributeError):  # PyPy's has it not, and keeps no history by itself
        readline.set_auto_history(False)
    is_kept = _keep_to_oneself(path)
    if is_kept:
        readline.read_history_file(path)

    def read(prompt: str) -> str:
        line = input(prompt)
        if line.strip():
            readline.add_history(line)
            if is_kept and not is_secret(line):
                with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(line + "\n")
        return line

    return read


def _keep_to_oneself(path: str) -> bool:
    """Make the file of the history if there is none, and let nobody else read it; False if it cannot be kept."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        os.chmod(path, 0o600)
    except OSError:
        return False
    return True
