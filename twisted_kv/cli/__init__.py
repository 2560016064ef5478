"""owncache-cli: talks to owncache, or to any Redis server, over TCP; to owncache also over UDP.

    owncache-cli -p 6379 SET foo bar       one request; the exit status is 1 for an error reply, 2 for no reply
    owncache-cli                           a prompt, with history and completion (with the `cli` extra)
    echo "GET foo" | owncache-cli          one request per line

    owncache-cli --scan --pattern "user:*" all matching keys; also --bigkeys and --stat

At the prompt, `help` shows the server's documentation of its commands, `connect` switches to another server, a number
before a request repeats it, `clear` clears the screen, and `quit` exits.  The history is kept in
~/.owncache_cli_history, readable by its owner only, without lines that contain a password.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Sequence

from twisted_kv.cli.connecting import make_client, take_address
from twisted_kv.cli.options import parse_arguments
from twisted_kv.cli.prompt import interact
from twisted_kv.cli.shell import FORMS, Shell


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        if options.address_file:
            take_address(options)
        client = make_client(options)
    except OSError as failure:
        print(f"no answer from {options.address_file or options.host}: {failure}", file=sys.stderr)
        return 2
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    shell = Shell(
        client,
        _bytes_of(sys.stdout, "wb"),
        _bytes_of(sys.stderr, "wb"),
        form=FORMS[options.form or ("no-raw" if is_terminal else "raw")],
        name=options.socket or f"{options.host}:{options.port}",
        timeout=options.timeout,
        silent_sets=options.udp and options.dialect == "equals",
        colours=is_terminal,
    )
    try:
        if options.task:
            pattern = None if options.pattern is None else os.fsencode(options.pattern)
            return shell.run_task(options.task, pattern, options.interval)
        if options.words:
            words = [os.fsencode(word) for word in options.words]
            if options.stdin:
                words.append(_bytes_of(sys.stdin, "rb").read())
            return shell.run_often(words, options.repeat, options.interval)
        if sys.stdin is not None and sys.stdin.isatty():
            return interact(shell)
        return shell.run_lines(_bytes_of(sys.stdin, "rb"))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stdout = None  # otherwise Python reports at exit that it cannot flush it
        return 141
    except OSError as failure:  # such as a full disk
        sys.stdout = None  # as above
        print(f"cannot write: {failure}", file=sys.stderr)
        return 2
    finally:
        client.close()


def _bytes_of(stream: Any, mode: str) -> Any:
    """Return the binary form of a standard stream, or the null device if the stream is closed."""
    return open(os.devnull, mode) if stream is None else stream.buffer  # open until the end
