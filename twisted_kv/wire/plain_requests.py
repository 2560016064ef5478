"""A short cut for the requests that nearly all clients send: whole, in Redis's plain form, many in a chunk.

Two functions do the same in two ways, each fast where the other is slow: `by_lines` cuts a chunk with one `split` and
compares each announced length with the length of the line behind it, which suits an interpreter; `by_bytes` goes from
byte to byte, which suits a compiler.  Whatever is not as announced is left to `RequestReader.gets()`, which alone knows
errors; so neither has to.

Microseconds a request, with 64 GETs in a chunk (hiredis with the looks at what it lets through: 0.23; the parser of
replies takes nested arrays, integers and status lines, which no client may send, and memory for any announced count):

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
"""Requests, and where in the data the first byte behind them is."""

_CR: Final = 13
_ZERO: Final = 48
_ASTERISK: Final = 42
_DOLLAR: Final = 36
_MOST: Final = 10_000
"""Numbers of one more digit than this has are none of a plain request."""


_COUNTS: Final = {b"*%d" % number: number for number in range(1, 1024)}


class _Announcements(Dict[int, bytes]):
    """The line that announces a bulk string, by its length; those of the frequent lengths are kept."""

    def __missing__(self, length: int) -> bytes:
        return b"$%d" % length


_ANNOUNCEMENTS: Final = _Announcements((number, b"$%d" % number) for number in range(1024))


def by_lines(data: bytes, start: int) -> Taken:
    """Take the plain requests from a place on, line by line."""
    requests: list[list[bytes]] = []
    lines = (data[start:] if start else data).split(b"\r\n")
    end = len(lines) - 1  # the last is not whole, or empty
    place = first = 0
    try:
        while place < end:
            first = place
            stop = place + 2 * _COUNTS[lines[place]]
            words = []
            while place < stop:
                word = lines[place + 2]
                if _ANNOUNCEMENTS[len(word)] != lines[place + 1]:
                    raise IndexError
                words.append(word)
                place += 2
            place += 1
            if place > end:
                raise IndexError  # its last line is not whole
            requests.append(words)
    except (KeyError, IndexError):
        return requests, start + sum(map(len, lines[:first])) + 2 * first
    return requests, len(data) - len(lines[end])


def by_bytes(data: bytes, start: int) -> Taken:
    """Take the plain requests from a place on, byte by byte.

    A number is read where it stands, as Redis writes it: without a sign or leading zeros.  That stands here twice,
    because PyPy takes three times as long where it has to call for it.
    """
    requests: list[list[bytes]] = []
    last = len(data) - 1
    while start + 3 <= last and data[start] == _ASTERISK:
        place = start + 2
        missing = data[start + 1] - _ZERO
        if missing < 1 or missing > 9:
            break
        while place < last and data[place] != _CR:
            digit = data[place] - _ZERO
            if digit < 0 or digit > 9 or missing >= _MOST:
                return requests, start
            missing = missing * 10 + digit
            place += 1
        words: list[bytes] = []
        while missing:
            place += 2  # past the line before
            if place + 2 > last or data[place] != _DOLLAR:
                return requests, start
            length = data[place + 1] - _ZERO
            place += 2
            if length < 0 or length > 9 or (length == 0 and data[place] != _CR):
                return requests, start
            while place < last and data[place] != _CR:
                digit = data[place] - _ZERO
                if digit < 0 or digit > 9 or length >= _MOST:
                    return requests, start
                length = length * 10 + digit
                place += 1
            stop = place + 2 + length
            if stop >= last:  # the line end behind it has not come, nor perhaps all of the word
                return requests, start
            words.append(data[place + 2 : stop])
            place = stop
            missing -= 1
        requests.append(words)
        start = place + 2
    return requests, start


_is_interpreted: Final = platform.python_implementation() == "CPython" and isinstance(by_bytes, FunctionType)

take_plain: Final = by_lines if _is_interpreted else by_bytes
