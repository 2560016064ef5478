"""Takes the raw replies of servers apart, in RESP2 and RESP3; knows nothing of the cache's own reader."""

from __future__ import annotations

from typing import Any, List, Tuple, Union

Word = Union[bytes, str, int, float]
Parsed = Tuple[bytes, Any]
"""A reply taken apart: its mark (`$`, `*`, ...), and its line, its text, or the list of what is in it."""

WHOLE_LINE = b"+-:,#_("
BULK = b"$=!"
MEMBERS = {b"*": 1, b"~": 1, b">": 1, b"%": 2}


def as_bytes(word: Word) -> bytes:
    """Write a word of a request as it is sent."""
    return word if isinstance(word, bytes) else str(word).encode()


def parse(data: bytes, at: int = 0) -> tuple[Parsed, int]:
    """Take one reply apart, and tell where it ends; IndexError if it is not whole."""
    end = data.find(b"\r\n", at)
    if end < 0:
        raise IndexError(at)
    mark, line, at = data[at : at + 1], data[at + 1 : end], end + 2
    if mark in WHOLE_LINE:
        return (mark, line), at
    size = int(line)
    if size < 0:
        return (mark, None), at
    if mark in BULK:
        if len(data) < at + size + 2:
            raise IndexError(at)
        return (mark, data[at : at + size]), at + size + 2
    items: List[Parsed] = []
    for _ in range(size * MEMBERS[mark]):
        item, at = parse(data, at)
        items.append(item)
    return (mark, items), at


def sorted_reply(reply: Parsed) -> Parsed:
    """Put the members of arrays and sets, and the pairs of maps, in order, on all levels."""
    mark, content = reply
    if not isinstance(content, list):
        return reply
    items = [sorted_reply(item) for item in content]
    if mark == b"%":
        pairs = sorted(zip(items[::2], items[1::2]), key=repr)
        return mark, [item for pair in pairs for item in pair]
    return mark, sorted(items, key=repr)
