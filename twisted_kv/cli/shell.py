"""The shell: runs requests and its own commands, and writes their results."""

from __future__ import annotations

import re
import time
from itertools import count
from typing import Any, BinaryIO, Callable, Final, Sequence

from twisted_kv.blocking_client import BlockingClient, Ended, NoAnswer
from twisted_kv.cli import sampling
from twisted_kv.cli.connecting import DatagramCalls, connector, port_number
from twisted_kv.cli.documents import Documents
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.vocabulary.replies import Reply
from twisted_kv.wire.terminal import render, render_csv, render_json, render_raw
from twisted_kv.wire.words import split_words

PLAIN_TEXTS: Final = re.compile(
    rb"(INFO|LOLWUT)( .*)?|CLIENT (LIST|INFO)|MEMORY (DOCTOR|MALLOC-STATS)|CLUSTER (INFO|NODES)|LATENCY (DOCTOR|GRAPH)",
    re.I | re.S,
)
"""Requests whose reply is text for people, in RESP2 too."""

FORMS: Final[dict[str, Callable[[Reply], bytes]]] = {
    "raw": lambda reply: render_raw(reply) + b"\n",
    "no-raw": render,
    "csv": lambda reply: render_csv(reply) + b"\n",
    "json": lambda reply: render_json(reply) + b"\n",
}
"""The functions that format replies, by the options that select them."""

_LISTENS: Final = (b"subscribe", b"psubscribe", b"ssubscribe", b"monitor")
"""Requests that messages follow."""

CLEAR: Final = b"\x1b[H\x1b[2J"


class Shell:
    """Runs requests over a client and writes their replies, which `form` formats as bytes.

    With `silent_sets`, SET has no reply, and nothing is written for it.
    """

    def __init__(
        self,
        client: BlockingClient | DatagramCalls,
        output: BinaryIO,
        errors: BinaryIO,
        *,
        form: Callable[[Reply], bytes],
        name: str = "",
        timeout: float = 5.0,
        silent_sets: bool = False,
        colours: bool = False,
    ) -> None:
        self._client = client
        self._output = output
        self._errors = errors
        self._form = form
        self._plain = form if form is render else FORMS["raw"]  # for output that is no reply
        self._timeout = timeout
        self._silent_sets = silent_sets
        self._colours = colours
        self._documents: Documents | None = None
        self.name = name
        self.shows_hints = True

    @property
    def prompt(self) -> str:
        """The prompt, as in redis-cli: the server, the database, and whether a transaction is open."""
        database = f"[{self._client.database}]" if self._client.database else ""
        return f"{self.name}{database}{'(TX)' if self._client.in_transaction else ''}> "

    def run(self, words: Sequence[bytes]) -> int:
        """Run one request and return the exit status: 0, 1 for an error reply, 2 if there was no reply.

        After SUBSCRIBE or MONITOR it writes messages until the user interrupts it.
        """
        client = self._client
        if words[0].lower() in _LISTENS and isinstance(client, BlockingClient) and not client.in_transaction:
            return self._attempt(lambda: self._listen(client, words))

        def run() -> None:
            try:
                reply = self._client.request(*words)
            except Ended:
                if words[0].lower() == b"shutdown":
                    return  # the server confirms it by closing the connection
                raise
            if isinstance(reply, bytes) and PLAIN_TEXTS.fullmatch(b" ".join(words[:2])):
                self._write(reply)  # the text ends its own lines
            elif reply is not None or self._has_reply(words[0]):
                self._write(self._form(reply))

        if words[0].lower() in (b"auth", b"hello"):
            self._documents = None
        return self._attempt(run)

    def _listen(self, client: BlockingClient, words: Sequence[bytes]) -> None:
        if self._form is render:
            self._write_text("Reading messages... (press Ctrl-C to quit)\n")
        try:
            for message in client.listen(*words):
                self._write(self._form(message))
        except KeyboardInterrupt:
            client.close()

    def run_task(self, name: str, pattern: bytes | None, interval: float) -> int:
        """Run `--scan`, `--bigkeys` or `--stat` and return the exit status."""
        ask = self._client.request
        if name == "scan":
            return self._attempt(lambda: self._scan(pattern, interval))
        if name == "bigkeys":
            return self._attempt(lambda: sampling.big_keys(ask, self._write_text, pattern, interval))
        return self._attempt(lambda: sampling.watch(ask, self._write_text, interval or 1.0))

    def _scan(self, pattern: bytes | None, interval: float) -> None:
        for keys in sampling.scan(self._client.request, pattern, interval):
            for key in keys:
                self._write(self._plain(key))

    def _attempt(self, run: Callable[[], object]) -> int:
        try:
            run()
        except CommandError as refusal:
            self._write(self._form(refusal))
            return 1
        except NoAnswer as failure:
            self._write_error(f"no answer from {self.name}: {failure}")
            return 2
        except ValueError as failure:
            self._write_error(str(failure))
            return 2
        return 0

    def run_often(self, words: Sequence[bytes], times: int, interval: float) -> int:
        """Run a request `times` times (0: forever), `interval` seconds apart, and return the worst exit status."""
        worst = self.run(words)
        for _ in range(times - 1) if times else count():
            time.sleep(interval)
            worst = max(worst, self.run(words))
        return worst

    def _has_reply(self, name: bytes) -> bool:
        """Check whether a command has a reply: a SET in the `equals` dialect has none."""
        return not (self._silent_sets and name.upper() == b"SET")

    def run_line(self, line: bytes) -> int | None:
        """Run a line and return its exit status, or None if it quits."""
        try:
            words = split_words(line)
        except ValueError:
            self._write_error("Invalid argument(s)")
            return 2
        if not words:
            return 0
        name = words[0].lower()
        if len(words) == 1 and name in (b"exit", b"quit"):
            return None
        times = parse_integer(name)
        if len(words) > 1 and times is not None:
            if times > 0:
                return self.run_often(words[1:], times, 0)
            self._write_error("a number before a request says how often it is run: 1 or more")
            return 2
        status = self._run_own(name, words)
        return self.run(words) if status is None else status

    def _run_own(self, name: bytes, words: Sequence[bytes]) -> int | None:
        """Run one of the shell's own commands and return its exit status, or None if it is a request."""
        texts = [word.decode("utf-8", "replace") for word in words]
        if name in (b"help", b"?"):
            self._write_text(self.documents.help(texts[1:], colours=self._colours))
        elif len(words) == 1 and name == b"clear":
            self._write(CLEAR)
        elif name == b":set":
            if texts[1:] not in (["hints"], ["nohints"]):
                self._write_error("it is :set hints or :set nohints")
                return 2
            self.shows_hints = texts[1] == "hints"
        elif name == b"connect":
            if len(words) != 3:
                self._write_error("it is connect HOST PORT")
                return 2
            return self._connect(*texts[1:])
        else:
            return None
        return 0

    def _connect(self, host: str, port: str) -> int:
        """Switch to another server, and report at once if it does not respond."""
        if not isinstance(self._client, BlockingClient):
            self._write_error("connect is for TCP")
            return 2
        try:
            number = port_number(port)
        except ValueError as failure:
            self._write_error(str(failure))
            return 2
        self._client.move(connector(host, number, self._timeout))
        self._documents = None
        self.name = f"{host}:{port}"
        return self._attempt(lambda: self._client.request(b"PING"))

    def run_lines(self, lines: Any) -> int:
        """Run all lines, or those before one that quits, and return the worst exit status."""
        worst = 0
        for line in lines:
            status = self.run_line(line)
            if status is None:
                break
            worst = max(worst, status)
        return worst

    @property
    def documents(self) -> Documents:
        """The server's documentation of its commands, requested once, and again after AUTH or HELLO."""
        if self._documents is None:
            if self._client.in_transaction:
                return Documents()  # COMMAND DOCS would be queued
            try:
                self._documents = Documents(self._client.request(b"COMMAND", b"DOCS"))
            except (CommandError, ValueError, NoAnswer):
                self._documents = Documents()
        return self._documents

    def _write(self, data: bytes) -> None:
        self._output.write(data)
        self._output.flush()

    def _write_text(self, text: str) -> None:
        self._write(text.encode("utf-8", "surrogateescape"))

    def _write_error(self, text: str) -> None:
        self._errors.write(text.encode("utf-8", "surrogateescape") + b"\n")
        self._errors.flush()
