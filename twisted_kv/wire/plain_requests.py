"""A fast path for the requests that nearly all clients send: whole, in Redis's plain form, many in a chunk.

Two functions do the same in different ways, each fast where the other is slow.  `by_lines` cuts a chunk with one
`split` and compares each announced length with the length of the line after it, which suits an interpreter; `by_bytes`
walks over the bytes, which suits a compiler.  Both stop at anything that is not as announced and leave it to
`RequestReader.gets()`, the only one that reports errors.

Microseconds per request, with 64 GETs in a chunk (hiredis with checks of what it lets through: 0.23; a parser of
replies, it accepts nested arrays, integers and status lines, which no client may send, and allocates memory for any
announced count):

|            | CPython 3.11 | compiled | PyPy 7.3.11 |
| `by_lines` | 0.29         | 0.17     | 0.15        |
| `by_bytes` | 0.56         | 0.07     | 0.05        |
| `gets()`   | 1.8          | 0.9      | 0.35        |
"""

from __future__ import annotations

import platform
from types import FunctionType
from typing import Dict, Final, List, Tuple

Taken = Tuple[List[List[bytes]], int]
"""Requests, and the offset of the first byte after them."""

_CR: Final = 13
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


def by_lines(data: bytes, start: int) -> Taken:
    """Parse the plain requests from an offset on, line by line."""
    requests: list[list[bytes]] = []
    lines = (data[start:] if start else data).split(b"\r\n")
    end = len(lines) - 1  # the last is incomplete or empty
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


def by_bytes(data: bytes, start: int) -> Taken:
    """Parse the plain requests from an offset on, byte by byte.

    Numbers are parsed inline, as Redis writes them: without a sign or leading zeros.  The code for this is here twice
    because PyPy takes three times as long with a function call.
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
        start = at + 2
    return requests, start


_is_interpreted: Final = platform.python_implementation() == "CPython" and isinstance(by_bytes, FunctionType)

take_plain: Final = by_lines if _is_interpreted else by_bytes
