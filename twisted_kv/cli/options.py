"""The command line of owncache-cli."""

from __future__ import annotations

import argparse
import os
from typing import Any, Final, Sequence

from twisted_kv.cli.connecting import port_number
from twisted_kv.version import VERSION

DEFAULT_PORT: Final = 6379

PASSWORD_VARIABLE = "REDISCLI_AUTH"  # noqa: S105  # the name of a variable
"""The environment variable that holds the password, as for redis-cli."""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; exits with status 2 and a message if it is invalid."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for name, value in (options.uri or {}).items():
        setattr(options, name, value)
    if options.resp is None:
        options.resp = 3 if options.form == "json" else 2
    if options.password is None:
        options.password = os.environ.get(PASSWORD_VARIABLE)
    if options.udp and options.password is not None and options.dialect != "resp":
        parser.error("over UDP a password needs --dialect resp")
    if options.stdin and not options.words:
        parser.error("-x provides the last argument of a request: which request?")
    if options.task and options.words:
        parser.error(f"--{options.task} is without a request")
    if options.pattern is not None and options.task not in ("scan", "bigkeys"):
        parser.error("--pattern is for --scan and --bigkeys")
    if options.udp and options.database:
        parser.error("a datagram has no selected database: -n needs a connection")
    return options


def _parser() -> argparse.ArgumentParser:
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
        help="the file in which a server writes its addresses, in place of an address",
    )
    parser.add_argument("-a", "--password", help=f"the password; {PASSWORD_VARIABLE} in the environment is safer")
    parser.add_argument("--user", default="default", help="the user's name [%(default)s]")
    parser.add_argument("-n", "--database", type=int, default=0, metavar="N", help="the database [%(default)s]")
    parser.add_argument("-u", "--uri", type=_uri, metavar="URI", help="all of these: redis://user:password@host:port/N")
    parser.add_argument("-2", dest="resp", action="store_const", const=2, help="speak RESP2, as without --json")
    parser.add_argument("-3", dest="resp", action="store_const", const=3, help="speak RESP3")
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
    parser.add_argument("-i", "--interval", type=_interval, default=0.0, metavar="S", help="seconds between the times")
    parser.add_argument("-x", "--stdin", action="store_true", help="read the last word of the request from the input")
    _add_forms_and_tasks(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="a request; without one, a prompt")
    return parser


def _add_forms_and_tasks(parser: argparse.ArgumentParser) -> None:
    """Add the options for the form of replies and for tasks instead of a request: at most one of each."""
    form = parser.add_mutually_exclusive_group()
    for name, help_text in (
        ("raw", "write replies as they are, also on a terminal"),
        ("no-raw", "write replies with their types, also into a pipe"),
        ("csv", "write replies as comma-separated values"),
        ("json", "write replies as JSON"),
    ):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=help_text)
    task = parser.add_mutually_exclusive_group()
    for name, help_text in (
        ("scan", "list all keys"),
        ("bigkeys", "find the largest key of each type"),
        ("stat", "tell what the server holds and does, a line each second"),
    ):
        task.add_argument(f"--{name}", dest="task", action="store_const", const=name, help=help_text)
    parser.add_argument("--pattern", help="of the keys of --scan and --bigkeys")


def _port(text: str) -> int:
    try:
        return port_number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _uri(text: str) -> dict[str, Any]:
    """Parse an address such as redis://user:password@host:port/database, in which only the host is required."""
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(text)
        found: dict[str, Any] = {"host": parts.hostname, "port": parts.port}
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if parts.scheme != "redis":
        raise argparse.ArgumentTypeError("an address that begins with redis:// is needed")
    if parts.port is not None:
        _port(str(parts.port))
    database = parts.path.strip("/")
    if database and not database.isdecimal():
        raise argparse.ArgumentTypeError("a database is a number")
    found["database"] = int(database) if database else None
    user, password = parts.username, parts.password
    if password is None:  # as in redis-cli, a single word is the password
        user, password = None, user
    found["user"] = unquote(user) if user else None
    found["password"] = None if password is None else unquote(password)
    return {name: value for name, value in found.items() if value is not None}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError("a number of seconds above 0 is needed")
    return seconds


def _interval(text: str) -> float:
    return 0.0 if text == "0" else _seconds(text)


def _times(text: str) -> int:
    try:
        times = int(text)
    except ValueError:
        times = -1
    if times < 0:
        raise argparse.ArgumentTypeError("a number of times is needed, 0 for no end")
    return times
