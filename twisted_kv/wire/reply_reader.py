"""Parses the replies of a server in RESP2 and RESP3, for clients.

Like `RequestReader`: `feed()` takes bytes, `gets()` returns the next whole reply.  When a reply arrives in many pieces,
parsing continues where it stopped instead of starting over.
"""

from __future__ import annotations

from typing import Any, Callable, Final

from twisted_kv.vocabulary.errors import CommandError, ProtocolError
from twisted_kv.vocabulary.replies import NULL_ARRAY, Decimal, OrderedSet, Push, Reply, Status, Verbatim

MAX_DEPTH: Final = 128
MAX_LINE: Final = 64 * 1024


class _IncompleteError(Exception):
    """The buffer ends in the middle of a value."""


class _Frame:
    """A partially read aggregate: its items so far, and how many are missing."""

    __slots__ = ("build", "items", "left")

    def __init__(self, build: Callable[[list[Reply]], Reply], left: int) -> None:
        self.build = build
        self.left = left
        self.items: list[Reply] = []


class ReplyReader:
    """Splits a byte stream into reply values.

    Errors inside or at the top of a reply are returned as `CommandError` values, not raised.  RESP2 null arrays are
    `NULL_ARRAY`; a set with members that Python cannot hash is an `OrderedSet`.  With `is_exact`, meant for display,
    every set keeps its order and every double its digits (`Decimal`).  Attributes are skipped: no Redis command but
    DEBUG sends any.
    """

    def __init__(self, *, max_bulk: int = 512 * 1024 * 1024, is_exact: bool = False) -> None:
        self._is_exact = is_exact
        self._max_bulk = max_bulk
        self._buffer = bytearray()
        self._at = 0
        self._frames: list[_Frame] = []

    @property
    def pending(self) -> int:
        """How many buffered bytes belong to no whole value yet."""
        return len(self._buffer) - self._at

    @property
    def between_replies(self) -> bool:
        """Whether every reply that was begun has been returned."""
        return not self._frames and not self.pending

    def feed(self, data: bytes) -> None:
        """Add bytes of the stream to the buffer."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def gets(self) -> tuple[Reply] | None:
        """Return the next reply in a tuple of one (the reply may be None), or None until more bytes arrive.

        Raises `ProtocolError`, after which the stream is unusable.
        """
        while True:
            try:
                value = self._value()
            except _IncompleteError:
                return None
            if value is _ATTRIBUTES:
                continue
            while self._frames and not isinstance(value, _Frame):
                frame = self._frames[-1]
                frame.items.append(value)
                frame.left -= 1
                if frame.left:
                    break
                value = self._frames.pop().build(frame.items)
                if value is _ATTRIBUTES:
                    break
            else:
                if not isinstance(value, _Frame):
                    return (value,)
                if len(self._frames) >= MAX_DEPTH:
                    raise ProtocolError("replies are nested too deeply")
                self._frames.append(value)

    def _value(self) -> Any:
        """Read one value, or the header of an aggregate as a new frame."""
        end = self._buffer.find(b"\r\n", self._at)
        if end < 0:
            if len(self._buffer) - self._at > MAX_LINE:
                raise ProtocolError("a line of the reply is too long")
            raise _IncompleteError
        mark = bytes(self._buffer[self._at : self._at + 1])
        line = bytes(self._buffer[self._at + 1 : end])
        if mark in _BULKS:
            return self._bulk(mark, line, end + 2)
        self._at = end + 2
        read = _LINES.get(mark)
        if read is not None:
            try:
                value = read(line)
                return Decimal(line) if mark == b"," and self._is_exact else value
            except ValueError:
                raise ProtocolError(f"invalid reply line {mark + line!r}") from None
        aggregate = _AGGREGATES.get(mark)
        if aggregate is None:
            raise ProtocolError(f"unknown reply type {mark!r}")
        build, values_each = aggregate
        if build is _set and self._is_exact:
            build = OrderedSet
        count = _count(line)
        if count < 0:
            return NULL_ARRAY
        return _Frame(build, count * values_each) if count else build([])

    def _bulk(self, mark: bytes, line: bytes, start: int) -> Reply:
        length = _count(line)
        if length > self._max_bulk:
            raise ProtocolError("invalid bulk length")
        if length < 0:
            self._at = start
            return None
        end = start + length
        if len(self._buffer) < end + 2:
            raise _IncompleteError
        if self._buffer[end : end + 2] != b"\r\n":
            raise ProtocolError("a bulk string does not end where it said")
        data = bytes(self._buffer[start:end])
        self._at = end + 2
        if mark == b"=":
            return Verbatim(data[4:])
        return CommandError.parse(data) if mark == b"!" else data


def _count(line: bytes) -> int:
    try:
        count = int(line)
    except ValueError:
        raise ProtocolError(f"invalid length {line!r}") from None
    if count < -1:
        raise ProtocolError(f"invalid length {line!r}")
    return count


def _boolean(line: bytes) -> bool:
    if line not in (b"t", b"f"):
        raise ValueError(line)
    return line == b"t"


def _hashable(value: Reply) -> Any:
    """Make a map's key hashable: an array becomes a tuple, a map a tuple of pairs, a set a frozenset."""
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return tuple((key, _hashable(item)) for key, item in value.items())
    return frozenset(value) if isinstance(value, set) else value


def _map(items: list[Reply]) -> dict[Any, Reply]:
    return {_hashable(key): value for key, value in zip(items[::2], items[1::2])}


def _set(items: list[Reply]) -> Reply:
    try:
        return set(items)
    except TypeError:
        return OrderedSet(items)


_ATTRIBUTES: Final = object()


def _attributes(items: list[Reply]) -> Any:
    """Discard attributes: they describe the reply that follows, and no caller uses them."""
    return _ATTRIBUTES


_BULKS: Final = (b"$", b"=", b"!")

_LINES: Final[dict[bytes, Callable[[bytes], Reply]]] = {
    b"+": Status,
    b"-": CommandError.parse,
    b":": int,
    b"(": int,
    b",": float,
    b"#": _boolean,
    b"_": lambda line: None,
}

_AGGREGATES: Final[dict[bytes, tuple[Callable[[list[Reply]], Reply], int]]] = {
    b"*": (list, 1),
    b"%": (_map, 2),
    b"~": (_set, 1),
    b">": (Push, 1),
    b"|": (_attributes, 2),
}
