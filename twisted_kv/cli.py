"""owncache-cli: talks to owncache, or to any Redis server, over TCP; to owncache also over UDP.

    owncache-cli -p 6379 SET foo bar       one request; the exit status is 1 for an error reply, 2 for no answer
    owncache-cli                           a prompt, with history and completion (with the `cli` extra)
    echo "GET foo" | owncache-cli          one request a line

At the prompt, `clear` clears the screen, and `quit` leaves.  Its history is kept in ~/.owncache_cli_history, for its
owner alone, without what holds a password.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
import time
from contextlib import suppress
from itertools import count
from typing import Any, BinaryIO, Callable, Final, Sequence

from twisted_kv.blocking_client import BlockingClient, NoAnswer, Stream
from twisted_kv.errors import CommandError
from twisted_kv.replies import Reply, Verbatim
from twisted_kv.version import VERSION
from twisted_kv.wire.terminal import render, render_raw
from twisted_kv.wire.words import split_words

DEFAULT_PORT: Final = 6379

PASSWORD_VARIABLE = "REDISCLI_AUTH"  # noqa: S105  # the name of a variable
"""The environment variable that holds the password, as for redis-cli."""

PLAIN_TEXTS: Final = re.compile(
    rb"(INFO|LOLWUT)( .*)?|CLIENT (LIST|INFO)|MEMORY (DOCTOR|MALLOC-STATS)|CLUSTER (INFO|NODES)|LATENCY (DOCTOR|GRAPH)",
    re.I | re.S,
)
"""Requests whose reply is a text for people also in RESP2."""

HISTORY: Final = "~/.owncache_cli_history"

SECRET: Final = re.compile(
    r"\s*(AUTH|ACL\s+SETUSER|CONFIG\s+SET\b.*\b(requirepass|masterauth)|HELLO\b.*\bAUTH|MIGRATE)\b", re.I | re.S
)
"""Lines that hold a password: no history is kept of them."""

CLEAR: Final = b"\x1b[H\x1b[2J"


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with status 2 and a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="owncache-cli", description="Talk to owncache, or to any Redis server.", add_help=False
    )
    parser.add_argument("--help", action="help", help="show this and exit")
    parser.add_argument("--version", action="version", version=f"owncache-cli {VERSION}")
    parser.add_argument("-h", "--host", default="127.0.0.1", help="the server's address [%(default)s]")
    parser.add_argument("-p", "--port", type=_port, default=DEFAULT_PORT, help="its port [%(default)s]")
    parser.add_argument("-s", "--socket", metavar="PATH", help="a Unix socket, in place of host and port")
    parser.add_argument(
        "--address-file",
        metavar="PATH",
        help="the file in which a server tells where it listens, in place of an address",
    )
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
        choices=("equals", "command", "resp"),
        default="resp",
        help="of UDP [%(default)s]; more than PING, GET, SET in `command` needs a server of that dialect",
    )
    parser.add_argument("--retries", type=int, default=2, metavar="N", help="of requests that only read [%(default)s]")
    parser.add_argument(
        "-r", "--repeat", type=_times, default=1, metavar="N", help="run the request N times, 0: for ever"
    )
    parser.add_argument("-i", "--interval", type=_seconds, default=0.0, metavar="S", help="seconds between these times")
    parser.add_argument("-x", "--stdin", action="store_true", help="read the last word of the request from the input")
    parser.add_argument("--raw", action="store_true", help="write replies as they are, also on a terminal")
    parser.add_argument("--no-raw", action="store_true", help="write replies with their types, also into a pipe")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="a request; without one, a prompt")
    options = parser.parse_args(arguments)
    if options.password is None:
        options.password = os.environ.get(PASSWORD_VARIABLE)
    if options.udp and options.password is not None and options.dialect != "resp":
        parser.error("over UDP a password needs --dialect resp")
    if options.stdin and not options.words:
        parser.error("-x gives the last word of a request: which one?")
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


def _times(text: str) -> int:
    try:
        times = int(text)
    except ValueError:
        times = -1
    if times < 0:
        raise argparse.ArgumentTypeError("a number of times is needed, 0 for no end")
    return times


def make_client(options: argparse.Namespace) -> BlockingClient | DatagramCalls:
    """Make the client that the options ask for; raises OSError for a UDP host that has no address."""
    if options.udp:
        return DatagramCalls(options)

    def connect() -> Stream:
        if options.socket:
            stream = socket.socket(socket.AF_UNIX)
            stream.settimeout(options.timeout)
            stream.connect(options.socket)
            return stream
        stream = socket.create_connection((options.host, options.port), options.timeout)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    return BlockingClient(
        connect,
        password=options.password,
        user=options.user,
        database=options.database,
        resp=options.resp,
        timeout=options.timeout,
        retries=options.retries,
    )


def take_address(options: argparse.Namespace) -> None:
    """Take the address that a server has told in its file; raises OSError if there is none, or no server."""
    with open(options.address_file, encoding="utf-8", errors="surrogateescape") as file:
        told = dict(line.rstrip("\n").split(" ", 1) for line in reversed(file.readlines()))  # the first of a kind
    kind = next((each for each in (("udp",) if options.udp else ("tcp", "unix", "udp")) if each in told), None)
    if kind is None:
        raise OSError(f"{options.address_file} tells of no such address")
    if kind == "unix":
        options.socket = told[kind]
        return
    host, _, port = told[kind].rpartition(":")
    options.udp = kind == "udp"
    options.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))  # noqa: S104  # all
    options.port = int(port)


class DatagramCalls:
    """Waits for what a `DatagramClient` gives.  Its reactor runs in a thread of its own, loaded for this alone."""

    database = 0
    in_transaction = False

    def __init__(self, options: argparse.Namespace) -> None:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_DGRAM)
        import threading

        from twisted.internet import error, reactor
        from twisted.internet.threads import blockingCallFromThread

        from twisted_kv.client import DatagramClient

        loop: Any = reactor
        self._loop = loop
        self._call = blockingCallFromThread
        self._failures = (error.ConnectError, error.ConnectionClosed, error.TimeoutError, error.MessageLengthError)
        self._client = DatagramClient(
            str(found[0][4][0]),
            options.port,
            dialect=options.dialect,
            password=options.password,
            timeout=options.timeout,
            retries=options.retries,
            reactor=loop,
        )
        self._thread = threading.Thread(target=loop.run, kwargs={"installSignalHandlers": False}, daemon=True)
        self._thread.start()

    def request(self, *words: bytes) -> Reply:
        """As `BlockingClient.request`."""
        try:
            return self._call(self._loop, self._client.request, *words)
        except self._failures as failure:
            raise NoAnswer(str(failure)) from None

    def close(self) -> None:
        """Stop the reactor, which cannot be started again."""
        self._loop.callFromThread(self._loop.stop)
        self._thread.join(5)


class Shell:
    """Runs requests of a client and writes their replies.

    With `silent_sets`, SET is not answered, and nothing is written for it.
    """

    def __init__(
        self,
        client: BlockingClient | DatagramCalls,
        output: BinaryIO,
        errors: BinaryIO,
        *,
        raw: bool,
        name: str = "",
        silent_sets: bool = False,
    ) -> None:
        self._client = client
        self._output = output
        self._errors = errors
        self._raw = raw
        self._silent_sets = silent_sets
        self.name = name

    @property
    def prompt(self) -> str:
        """What stands before a line, as redis-cli has it: the server, the database, whether a transaction was begun."""
        database = f"[{self._client.database}]" if self._client.database else ""
        return f"{self.name}{database}{'(TX)' if self._client.in_transaction else ''}> "

    def run(self, words: Sequence[bytes]) -> int:
        """Run one request; gives the exit status: 0, 1 for an error reply, 2 if there was no answer."""
        try:
            reply = self._client.request(*words)
        except CommandError as refusal:
            self._write(refusal)
            return 1
        except NoAnswer as failure:
            self._complain(f"no answer from {self.name}: {failure}")
            return 2
        except ValueError as failure:
            self._complain(str(failure))
            return 2
        if type(reply) is bytes and PLAIN_TEXTS.fullmatch(b" ".join(words[:2])):
            reply = Verbatim(reply)
        if reply is not None or self._answered(words[0]):
            self._write(reply)
        return 0

    def run_often(self, words: Sequence[bytes], times: int, interval: float) -> int:
        """Run one request so many times, 0 for ever, with seconds between; gives the worst exit status."""
        worst = self.run(words)
        for _ in range(times - 1) if times else count():
            time.sleep(interval)
            worst = max(worst, self.run(words))
        return worst

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
        name = words[0].lower()
        if len(words) == 1 and name in (b"exit", b"quit"):
            return None
        if len(words) == 1 and name == b"clear":
            self._output.write(CLEAR)
            self._output.flush()
            return 0
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
            docs = self._client.request(b"COMMAND", b"DOCS")
        except (CommandError, ValueError, NoAnswer):
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
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory, InMemoryHistory
    except ImportError:
        return _plain_reader(path + ".plain")  # its lines are written in another way

    class SafeHistory(FileHistory):
        def store_string(self, string: str) -> None:
            if not SECRET.match(string):
                super().store_string(string)

    completer = WordCompleter(shell.command_names(), ignore_case=True, sentence=True)
    history = SafeHistory(path) if _keep_to_oneself(path) else InMemoryHistory()
    session: PromptSession[str] = PromptSession(history=history, completer=completer, complete_while_typing=False)
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
            if is_kept and not SECRET.match(line):
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; gives its exit status."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        if options.address_file:
            take_address(options)
        client = make_client(options)
    except OSError as failure:
        print(f"no answer from {options.address_file or options.host}: {failure}", file=sys.stderr)
        return 2
    shell = Shell(
        client,
        sys.stdout.buffer,
        sys.stderr.buffer,
        raw=options.raw or not (sys.stdout.isatty() or options.no_raw),
        name=options.socket or f"{options.host}:{options.port}",
        silent_sets=options.udp and options.dialect == "equals",
    )
    try:
        if options.words:
            words = [os.fsencode(word) for word in options.words]
            if options.stdin:
                words.append(sys.stdin.buffer.read())
            return shell.run_often(words, options.repeat, options.interval)
        if sys.stdin.isatty():
            return interact(shell)
        return shell.run_lines(sys.stdin.buffer)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stdout = None  # or Python complains that it cannot flush it
        return 141
    finally:
        client.close()


if __name__ == "__main__":
    raise SystemExit(main())
