"""What a script returns, as a reply.

Lua's tables are read one level at a time: `open` (in `prelude.lua`) says what a table is, and gives its parts.
"""

from __future__ import annotations

from math import copysign
from typing import Any, Final, Iterator, List, Tuple

from twisted_kv.scripting.interpreter import WORDS_AT_ONCE, Interpreter
from twisted_kv.scripting.kinds import ARRAY, BIG_NUMBER, DOUBLE, ERROR, LONG, MAP, SET, STATUS, VERBATIM
from twisted_kv.vocabulary.errors import CommandError, as_text, c_string
from twisted_kv.vocabulary.replies import OK, BigNumber, Decimal, Encoded, OrderedSet, Pairs, Reply, Status, Verbatim
from twisted_kv.wire.encoder import encode

SHALLOW: Final = 100
"""Levels up to which a reply is made of lists; a deeper one is encoded here, without recursion."""
MOST_VALUES: Final = 4_000_000
"""Values of a reply; a few tables that contain each other may come to any number."""
DEEPEST: Final = 7995
"""Places on Lua's stack that the levels of a reply may take in Redis: an array takes one, a map or a set three."""
_TOO_DEEP: Final = CommandError("reached lua stack limit")
_LEAST: Final = -(2**63)


class _NoValueError(Exception):
    """A reply that Python's values cannot express: one that is too deep, or has keys that are not texts."""


class Results:
    """Reads the results of one interpreter."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._open = interpreter.open
        self._part = interpreter.part
        self._left = 0  # how many values may still be read
        self.uncounted: List[str] = []
        """The codes of the errors within the last reply that were not counted yet."""

    def reply(self, result: Any, version: int, resp: int, *, is_encoded: bool) -> Reply:
        """Return the reply for a result of a script that has asked for a version of the protocol.

        Where `is_encoded`, what values cannot express is returned as it is sent in version `resp`; else as well as
        values can.
        """
        if type(result) is not tuple:
            return _scalar(result, version)
        self.uncounted.clear()
        with self._interpreter.unlimited():  # a table takes a place in Lua while Python refers to it
            try:
                self._left = MOST_VALUES
                return self._value(result, version, 0, is_lossy=not is_encoded)
            except _NoValueError:
                self._left = MOST_VALUES
                return Encoded(self._encode(result, version, resp)) if is_encoded else _TOO_DEEP

    def _read(self, value: Any, version: int, level: int, *, is_lossy: bool) -> Reply:
        kind = type(value)
        if kind is bytes or kind is int:
            return value
        if value is None or kind is bool or kind is float:
            return _scalar(value, version)
        if not _is_table(value):
            return None
        return self._value(self._open(value), version, level, is_lossy=is_lossy)

    def _value(self, opened: Any, version: int, level: int, *, is_lossy: bool) -> Reply:
        """Return the value of a table that was opened."""
        kind = opened[0]
        if level == SHALLOW:
            raise _NoValueError
        self._count(opened)
        below = level + 1
        if kind == ARRAY:
            return [
                item if type(item) is bytes else self._read(item, version, below, is_lossy=is_lossy)
                for item in opened[1:]
            ]
        if kind in _SIMPLE:
            if kind == VERBATIM and opened[1] != b"txt" and not is_lossy:
                raise _NoValueError
            if kind == ERROR and level and not (len(opened) > 2 and opened[2]):
                self.uncounted.append(_simple(opened).code)
            return _simple(opened)
        items = [self._read(item, version, below, is_lossy=is_lossy) for item in self._items(opened)]
        if kind == MAP:
            pairs = list(zip(items[::2], items[1::2]))
            if all(type(key) is bytes for key, _ in pairs):
                return dict(pairs)
            if is_lossy:
                return Pairs(pairs)
            raise _NoValueError
        return OrderedSet(items) if kind == SET else items

    def _count(self, opened: Any) -> None:
        """Count the values of a table; raise `CommandError` if there are too many."""
        self._left -= opened[2] if opened[0] in (MAP, SET, LONG) else len(opened)
        if self._left < 0:
            raise CommandError("the reply of the script is too large")

    def _items(self, opened: Any) -> List[Any]:
        """Return all parts of a map, a set, or an array."""
        if opened[0] == ARRAY:
            return list(opened[1:])
        _, table, count = opened
        items: List[Any] = []
        for first in range(1, count + 1, WORDS_AT_ONCE):
            part = self._part(table, first, min(first + WORDS_AT_ONCE - 1, count))
            items += part if type(part) is tuple else (part,)
        return items

    def _encode(self, opened: Any, version: int, resp: int) -> bytes:
        """Encode a table that was opened, however deep it is."""
        parts: List[bytes] = []
        levels: List[Tuple[Iterator[Any], int]] = [(iter(()), 0)]
        places = 0
        while True:
            kind = opened[0]
            if kind in _SIMPLE:
                parts.append(_encode_simple(opened, resp))
            else:
                self._count(opened)
                items = self._items(opened)
                parts.append(_header(kind, len(items), resp))
                size = 3 if kind in (MAP, SET) else 1
                levels.append((iter(items), size))
                places += size
            while levels:
                items_left, size = levels[-1]
                item = next(items_left, _END)
                if item is _END:
                    levels.pop()
                    places -= size
                elif places >= DEEPEST:
                    parts.append(encode(_TOO_DEEP, resp))
                elif _is_table(item):
                    opened = self._open(item)
                    break
                else:
                    parts.append(encode(_scalar(item, version), resp))
            else:
                return b"".join(parts)


_END: Final = object()
_SIMPLE: Final = frozenset((ERROR, STATUS, DOUBLE, BIG_NUMBER, VERBATIM))


def _is_table(value: Any) -> bool:
    return type(value).__name__ == "_LuaTable"


def _header(kind: int, count: int, resp: int) -> bytes:
    if resp == 3 and kind == MAP:
        return b"%%%d\r\n" % (count // 2)
    return (b"~" if resp == 3 and kind == SET else b"*") + b"%d\r\n" % count


def _simple(opened: Any) -> Reply:
    kind, value = opened[:2]
    if kind == ERROR:
        return error_of(value)
    if kind == STATUS:
        if value == b"OK":  # nearly all are
            return OK
        return Status(c_string(value).replace(b"\r", b" ").replace(b"\n", b" "))
    if kind == DOUBLE:
        return Decimal(b"-nan" if copysign(1.0, value) < 0 else b"nan") if value != value else float(value)
    if kind == BIG_NUMBER:
        return BigNumber(value.replace(b"\r", b" ").replace(b"\n", b" "))
    return Verbatim(opened[2])


def _encode_simple(opened: Any, resp: int) -> bytes:
    if opened[0] == VERBATIM and resp == 3:
        text = opened[2]
        return b"=%d\r\n%b:%b\r\n" % (len(text) + 4, c_string(opened[1])[:3].ljust(3), text)
    return encode(_simple(opened), resp)


def error_of(text: bytes) -> CommandError:
    """Return the error with a text that a script has given, of which nothing is cut at its end."""
    text = c_string(text)
    error = CommandError.parse(text)
    error.args = (as_text(text),)
    return error


def _scalar(value: Any, version: int) -> Reply:
    """Return the reply for a value that is no table."""
    kind = type(value)
    if kind is bytes or kind is int:
        return value
    if kind is bool:
        return value if version == 3 else 1 if value else None
    if kind is float:
        return int(value) if abs(value) < 2**63 else _LEAST
    return None
