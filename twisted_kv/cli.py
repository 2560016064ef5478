"""owncache-cli: talks to owncache, or to any Redis server, over TCP; to owncache also over UDP.

    owncache-cli -p 6379 SET foo bar       one request; the exit status is 1 for an error reply, 2 for no answer
    owncache-cli                           a prompt, with history and completion (with the `cli` extra)
    echo "GET foo" | owncache-cli          one request a line

Twisted's reactor runs in a thread of its own, so that the prompt and Ctrl-C stay with the main thread.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
from typing import Any, BinaryIO, Callable, Sequence

from twisted.internet import error
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.threads import blockingCallFromThread

from twisted_kv.client import DatagramClient, StreamClient
from twisted_kv.config import Settings
from twisted_kv.errors import CommandError
from twisted_kv.replies import Reply, Verbatim
from twisted_kv.version import VERSION
from twisted_kv.wire.dialects import DIALECTS
from twisted_kv.wire.terminal import render, render_raw
from twisted_kv.wire.words import split_words

PASSWORD_VARIABLE = "REDISCLI_AUTH"  # noqa: S105  # the name of a variable
"""The environment variable that holds the password, as for redis-cli."""

PLAIN_TEXTS = {b"INFO", b"LOLWUT"}
"""Commands whose reply is a text for people also in RESP2."""

NO_ANSWER = (
    error.ConnectError,
    error.ConnectionClosed,
    error.DNSLookupError,
    error.TimeoutError,
    error.MessageLengthError,
)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with status 2 and a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="owncache-cli", description="Talk to owncache, or to any Redis server.", add_help=False
    )
    default_port = Settings().port
    parser.add_argument("--help", action="help", help="show this and exit")
    parser.add_argument("--version", action="version", version=f"owncache-cli {VERSION}")
    parser.add_argument("-h", "--host", default="127.0.0.1", help="the server's address [%(default)s]")
    parser.add_argument("-p", "--port", type=_port, default=default_port, help="its port [%(default)s]")
    parser.add_argument("-s", "--socket", metavar="PATH", help="a Unix socket, in place of host and port")
    parser.add_argument("-a", "--password", help=f"the password; {PASSWORD_VARIABLE} in the environment is safer")
    parser.add_argument("--user", default="default", help="the user's name [%(default)s]")
    parser.add_argument("-n", "--database", type=int, default=0, metavar="N", help="the database [%(default)s]")
    parser.add_argument("-3", dest="resp", action="store_const", const=3, default=2, help="speak RESP3")
    parser.add_argument(
        "-t", "--timeout", type=_seconds, default=5.0, metavar="S", help="seconds to wait [%(default)s]"
    )
    parser.add_argument("--udp", action="store_true", help="send datagrams")
    parser.add_argument(
        "--dialect",
        choices=[name for name in DIALECTS if name != "auto"],
        default="resp",
        help="of UDP [%(default)s]; more than PING, GET, SET in `command` needs a server of that dialect",
    )
    parser.add_argument("--retries", type=int, default=2, metavar="N", help="of requests that only read [%(default)s]")
    parser.add_argument("--raw", action="store_true", help="write replies as they are, also on a terminal")
    parser.add_argument("--no-raw", action="store_true", help="write replies with their types, also into a pipe")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="a request; without one, a prompt")
    options = parser.parse_args(arguments)
    if options.password is None:
        options.password = os.environ.get(PASSWORD_VARIABLE)
    if options.udp and options.password is not None and options.dialect != "resp":
        parser.error("over UDP a password needs --dialect resp")
    if options.udp and options.database:
        parser.error("a datagram has no selected database: -n needs a connection")
    return options


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError("a number of seconds above 0 is needed")
    return seconds


def make_client(options: argparse.Namespace, reactor: Any) -> StreamClient | DatagramClient:
    """Make the client that the options ask for; raises OSError for a UDP host that has no address."""
    if options.udp:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_DGRAM)
        return DatagramClient(
            str(found[0][4][0]),
            options.port,
            dialect=options.dialect,
            password=options.password,
            timeout=options.timeout,
            retries=options.retries,
            reactor=reactor,
        )
    endpoint: Any
    if options.socket:
        endpoint = UNIXClientEndpoint(reactor, options.socket, timeout=options.timeout)
    else:
        endpoint = HostnameEndpoint(reactor, options.host, options.port, timeout=options.timeout)
    return StreamClient(
        endpoint,
        password=options.password,
        user=options.user,
        database=options.database,
        resp=options.resp,
        timeout=options.timeout,
        retries=options.retries,
        clock=reactor,
    )


class Shell:
    """Runs requests and writes their replies.  `call` gives a reply value or raises.

    With `silent_sets`, SET is not answered, and nothing is written for it.
    """

    def __init__(
        self,
        call: Callable[..., Reply],
        output: BinaryIO,
        errors: BinaryIO,
        *,
        raw: bool,
        name: str = "",
        silent_sets: bool = False,
    ) -> None:
        self._call = call
        self._output = output
        self._errors = errors
        self._raw = raw
        self._silent_sets = silent_sets
        self.name = name

    def run(self, words: Sequence[bytes | str]) -> int:
        """Run one request; gives the exit status: 0, 1 for an error reply, 2 if there was no answer."""
        try:
            reply = self._call(*words)
        except CommandError as refusal:
            self._write(refusal)
            return 1
        except NO_ANSWER as failure:
            self._complain(f"no answer from {self.name}: {failure}")
            return 2
        except ValueError as failure:
            self._complain(str(failure))
            return 2
        name = words[0] if isinstance(words[0], bytes) else os.fsencode(words[0])
        if type(reply) is bytes and name.upper() in PLAIN_TEXTS:
            reply = Verbatim(reply)
        if reply is not None or self._answered(name):
            self._write(reply)
        return 0

    def _answered(self, name: bytes) -> bool:
        """Tell whether there was a reply at all: a SET of the `equals` dialect has none."""
        return not (self._silent_sets and name.upper() == b"SET")

    def run_line(self, line: bytes) -> int | None:
        """Run a line of words; None if it asks to leave."""
        try:
            words = split_words(line)
        except ValueError:
            self._complain("Invalid argument(s)")
            return 2
        if not words:
            return 0
        if len(words) == 1 and words[0].lower() in (b"exit", b"quit"):
            return None
        return self.run(words)

    def run_lines(self, lines: Any) -> int:
        """Run lines until there are no more; gives the worst exit status."""
        worst = 0
        for line in lines:
            status = self.run_line(line)
            if status is None:
                break
            worst = max(worst, status)
        return worst

    def command_names(self) -> list[str]:
        """Ask the server for the names of its commands, for completion; none if it does not tell."""
        try:
            docs = self._call(b"COMMAND", b"DOCS")
        except (CommandError, ValueError, *NO_ANSWER):
            return []
        if isinstance(docs, list):
            docs = dict(zip(docs[::2], docs[1::2]))
        if not isinstance(docs, dict):
            return []
        names = []
        for name, described in docs.items():
            names.append(name.decode().upper())
            if isinstance(described, list):
                described = dict(zip(described[::2], described[1::2]))
            subcommands = described.get(b"subcommands", [])
            names += [
                each.decode().upper().replace("|", " ")
                for each in (subcommands if isinstance(subcommands, dict) else subcommands[::2])
            ]
        return sorted(names)

    def _write(self, reply: Reply) -> None:
        self._output.write(render_raw(reply) + b"\n" if self._raw else render(reply))
        self._output.flush()

    def _complain(self, text: str) -> None:
        self._errors.write(text.encode("utf-8", "surrogateescape") + b"\n")
        self._errors.flush()


def interact(shell: Shell) -> int:
    """Read requests at a prompt until the person leaves."""
    read = _reader(shell)
    while True:
        try:
            line = read(f"{shell.name}> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if shell.run_line(line.encode("utf-8", "surrogateescape")) is None:
            return 0


def _reader(shell: Shell) -> Callable[[str], str]:
    """Give the prompt: prompt_toolkit's where it is installed, Python's own otherwise."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory
    except ImportError:
        return input
    completer = WordCompleter(shell.command_names(), ignore_case=True, sentence=True)
    history = FileHistory(os.path.expanduser("~/.owncache_cli_history"))
    session: PromptSession[str] = PromptSession(history=history, completer=completer, complete_while_typing=False)
    return session.prompt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; gives its exit status."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    from twisted.internet import reactor

    loop: Any = reactor
    thread = threading.Thread(target=loop.run, kwargs={"installSignalHandlers": False}, daemon=True)
    thread.start()
    try:
        try:
            client = make_client(options, loop)
        except OSError as failure:
            print(f"no answer from {options.host}: {failure}", file=sys.stderr)
            return 2
        name = options.socket or f"{options.host}:{options.port}"
        raw = options.raw or not (sys.stdout.isatty() or options.no_raw)
        shell = Shell(
            lambda *words: blockingCallFromThread(loop, client.request, *words),
            sys.stdout.buffer,
            sys.stderr.buffer,
            raw=raw,
            name=name,
            silent_sets=options.udp and options.dialect == "equals",
        )
        if options.words:
            return shell.run([os.fsencode(word) for word in options.words])
        if sys.stdin.isatty():
            return interact(shell)
        return shell.run_lines(sys.stdin.buffer)
    except KeyboardInterrupt:
        return 130
    finally:
        loop.callFromThread(loop.stop)
        thread.join(5)


if __name__ == "__main__":
    raise SystemExit(main())
