"""A fast path for the requests that nearly all clients send: whole, in Redis's plain form, many in a chunk.

Two functions do the same in different ways, each fast where the other is slow.  `by_lines` cuts a chunk with one
`split` and compares each announced length with the length of the line after it, which suits an interpreter; `by_bytes`
walks over the bytes, which suits a compiler.  Both stop at anything that is not as announced and leave it to
`RequestReader.gets()`, the only one that reports errors.

Where a chunk begins with a `Run`, requests of one command with the same number of arguments, they return that: its
arguments column by column are faster to find, and the command may take them all at once.

Microseconds per request, with 64 in a chunk: GETs alone, which are a run, and GETs and TTLs by turns:

|            | CPython 3.11.2 | compiled     | PyPy 7.3.11  |
| `by_lines` | 0.12, 0.29     | 0.11, 0.14   | 0.13, 0.13   |
| `by_bytes` | 0.31, 0.47     | 0.036, 0.050 | 0.013, 0.016 |
| `gets()`   | 1.3            | 0.42         | 0.08         |

(hiredis with checks of what it lets through took 0.23 on CPython 3.11.7, where `by_lines` took 0.29; a parser of
replies, it accepts nested arrays, integers and status lines, which no client may send, and allocates memory for any
announced count.)
"""

from __future__ import annotations

import platform
from types import FunctionType
from typing import Callable, Dict, Final, List, Tuple, Union, final

LEAST_RUN: Final = 4
"""The least number of requests that are worth being called a run."""
MOST_RUN: Final = 400
"""The maximum number of requests in a run: the time is checked after each."""
_MOST_LINES: Final = 2800
"""How many lines are looked at together: those of a run of SETs."""


@final
class Run:
    """Requests of one command with the same number of arguments, as they came one after the other.

    `name` is the command's name as it was spelled, `columns` holds the first arguments of all requests, then the
    second ones, and so on.
    """

    __slots__ = ("_data", "_start", "columns", "count", "name", "stop")

    def __init__(self, name: bytes, columns: list[list[bytes]], data: bytes, start: int, stop: int) -> None:
        self.name = name
        self.columns = columns
        self.count = len(columns[0])
        """The number of requests."""
        self._data = data
        self._start = start
        self.stop = stop
        """The offset of the first byte after them."""

    @property
    def encoded(self) -> bytes:
        """The requests as they came."""
        return self._data[self._start : self.stop]

    def requests(self, start: int = 0) -> list[list[bytes]]:
        """Return the requests from an index on, one by one."""
        columns = [column[start:] for column in self.columns] if start else self.columns
        return [[self.name, *arguments] for arguments in zip(*columns)]


Requests = Union[Run, List[List[bytes]]]
"""Requests as they were found: a run, or one by one."""
Taken = Tuple[Requests, int]
"""Requests, and the offset of the first byte after them."""


def listed(requests: Requests) -> list[list[bytes]]:
    """Return requests as a list, in whatever form they were found."""
    return requests.requests() if isinstance(requests, Run) else requests


TakePlain = Callable[[bytes, int], Taken]

_CR: Final = 13
_LF: Final = 10
_ZERO: Final = 48
_ASTERISK: Final = 42
_DOLLAR: Final = 36
_LEAST_FIVE_DIGITS: Final = 10_000
"""The least number of five digits: a plain request has no number with more digits."""


_COUNTS: Final = {b"*%d" % number: number for number in range(1, 1024)}


class _Announcements(Dict[int, bytes]):
    """The line that announces a bulk string, by its length; those of common lengths are precomputed."""

    def __missing__(self, length: int) -> bytes:
        return b"$%d" % length


_ANNOUNCEMENTS: Final = _Announcements((number, b"$%d" % number) for number in range(1024))


_announced: Final = _ANNOUNCEMENTS.__getitem__


def by_lines(data: bytes, start: int) -> Taken:
    """Parse the plain requests from an offset on, line by line."""
    lines = (data[start:] if start else data).split(b"\r\n", _MOST_LINES)
    end = len(lines) - 1  # the last is incomplete or empty, or all that is too much for once
    step = 2 * _COUNTS.get(lines[0], 0) + 1
    if step > 3 and end >= LEAST_RUN * step:
        columns = _columns(lines, step)
        if columns:
            used = len(columns[0]) * step
            stop = len(data) - sum(map(len, lines[used:])) - 2 * (end - used)
            return Run(lines[2], columns, data, start, stop), stop
    requests: list[list[bytes]] = []
    index = first = 0
    try:
        while index < end:
            first = index
            stop = index + 2 * _COUNTS[lines[index]]
            words = []
            while index < stop:
                word = lines[index + 2]
                if _ANNOUNCEMENTS[len(word)] != lines[index + 1]:
                    raise IndexError
                words.append(word)
                index += 2
            index += 1
            if index > end:
                raise IndexError  # the request's last line is incomplete
            requests.append(words)
    except (KeyError, IndexError):
        return requests, start + sum(map(len, lines[:first])) + 2 * first
    return requests, len(data) - len(lines[end])


def _columns(lines: list[bytes], step: int) -> list[list[bytes]]:
    """Return the arguments of the run that the lines of a chunk begin with, or nothing if that is not most of them.

    Each request takes `step` lines.  Columns are compared as a whole; only where one does not fit, the place is found.
    """
    count = min((len(lines) - 1) // step, MOST_RUN)
    least = max(LEAST_RUN, count * 3 // 4)  # the other lines have to be cut again
    for position in (0, 1, 2):  # the number of words, and the name
        column = lines[position : count * step : step]
        if column.count(column[0]) < count:
            count = next(index for index, line in enumerate(column) if line != column[0])
    if count < least or _ANNOUNCEMENTS[len(lines[2])] != lines[1]:
        return []
    columns = []
    for position in range(4, step, 2):
        column = lines[position : count * step : step]
        announced = lines[position - 1 : count * step : step]
        expected = list(map(_announced, map(len, column)))
        if announced != expected:
            count = next(index for index, line in enumerate(announced) if line != expected[index])
            if count < least:
                return []
        columns.append(column)
    return [column[:count] for column in columns] if len(columns[0]) > count else columns


def by_bytes(data: bytes, start: int) -> Taken:
    """Parse the plain requests from an offset on, byte by byte.

    Numbers are parsed inline, as Redis writes them: without a sign or leading zeros.  The code for this is here several
    times because PyPy takes three times as long with a function call.
    """
    requests: list[list[bytes]] = []
    last = len(data) - 1
    while start + 3 <= last and data[start] == _ASTERISK:
        at = start + 2
        missing = data[start + 1] - _ZERO
        if missing < 1 or missing > 9:
            break
        while at < last and data[at] != _CR:
            digit = data[at] - _ZERO
            if digit < 0 or digit > 9 or missing >= _LEAST_FIVE_DIGITS:
                return requests, start
            missing = missing * 10 + digit
            at += 1
        words: list[bytes] = []
        while missing:
            at += 2  # past the end of the previous line
            if at + 2 > last or data[at] != _DOLLAR:
                return requests, start
            length = data[at + 1] - _ZERO
            at += 2
            if length < 0 or length > 9 or (length == 0 and data[at] != _CR):
                return requests, start
            while at < last and data[at] != _CR:
                digit = data[at] - _ZERO
                if digit < 0 or digit > 9 or length >= _LEAST_FIVE_DIGITS:
                    return requests, start
                length = length * 10 + digit
                at += 1
            stop = at + 2 + length
            if stop >= last:  # the line end after it, perhaps part of the word too, has not arrived
                return requests, start
            words.append(data[at + 2 : stop])
            at = stop
            missing -= 1
        requests.append(words)
        begin, start = start, at + 2
        if start < last and len(requests) == 1:
            run = _run(data, begin, start, words)
            if run is not None:
                return run, run.stop
    return requests, start


def _run(data: bytes, start: int, second: int, words: list[bytes]) -> Run | None:
    """Parse the run at an offset, given its first request and the offset of the second; None if there is none.

    All of it is in the one form that Redis writes, line ends too, so that the append-only file may take it as it is.
    """
    last = len(data) - 1
    name = words[0]
    width = len(words) - 1
    head = b"*%d\r\n$%d\r\n%b\r\n" % (width + 1, len(name), name)
    if not width or data[second : second + len(head)] != head:
        return None
    size = len(head)
    columns: list[list[bytes]] = [[] for _ in range(width)]
    count = 0
    first = start
    while count < MOST_RUN and data[start : start + size] == head:
        at = start + size
        for column in columns:
            if at + 5 > last or data[at] != _DOLLAR:
                break
            length = data[at + 1] - _ZERO
            at += 2
            if length < 0 or length > 9 or (length == 0 and data[at] != _CR):
                break
            while data[at] != _CR and at < last:
                digit = data[at] - _ZERO
                if digit < 0 or digit > 9 or length >= _LEAST_FIVE_DIGITS:
                    break
                length = length * 10 + digit
                at += 1
            stop = at + 2 + length
            if stop >= last or data[at] != _CR or data[at + 1] != _LF or data[stop] != _CR or data[stop + 1] != _LF:
                break
            column.append(data[at + 2 : stop])
            at = stop + 2
        else:
            count += 1
            start = at
            continue
        for column in columns:
            del column[count:]
        break
    return Run(name, columns, data, first, start) if count >= LEAST_RUN else None


_is_interpreted: Final = platform.python_implementation() == "CPython" and isinstance(by_bytes, FunctionType)

take_plain: Final[TakePlain] = by_lines if _is_interpreted else by_bytes
