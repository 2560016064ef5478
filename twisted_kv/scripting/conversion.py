"""Replies to values of Lua, in the version of the protocol that the script has asked for."""

from __future__ import annotations

from typing import Any, Callable, Dict, Final

from twisted_kv.scripting.errors import Raised
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.numbers import format_double
from twisted_kv.vocabulary.replies import (
    Decimal,
    NoReply,
    NullArray,
    OrderedSet,
    Pairs,
    Reply,
    Status,
    Verbatim,
)

_AT_ONCE: Final = 200
"""Items up to which a call of a function of Lua makes a table faster than `table_from`."""
_ITEM: Final = 140
"""Bytes of an item of a table beside its text, at most: those of a map or a set take most."""

Converter = Callable[[Any], Any]


def size_of(reply: Reply) -> int:
    """Return how many bytes a reply takes in Lua, at most."""
    if isinstance(reply, bytes):
        return len(reply) + _ITEM
    if isinstance(reply, dict):
        return size_of(list(reply)) + size_of(list(reply.values()))
    if not isinstance(reply, (list, tuple, set, frozenset)):
        return _ITEM
    try:
        return sum(map(len, reply)) + _ITEM * len(reply) if type(next(iter(reply), b"")) is bytes else _sum(reply)
    except TypeError:
        return _sum(reply)


def _sum(items: Any) -> int:
    return sum([size_of(item) for item in items]) + _ITEM * len(items)


class ToLua:
    """Converts replies: `resp2` and `resp3` take any, the other methods make one kind of table.

    `lua` is the runtime, `exports` are the functions of `prelude.lua`.
    """

    def __init__(self, lua: Any, exports: Any) -> None:
        self._table_from = lua.table_from
        self._array = exports[b"array"]
        self._status = exports[b"status"]
        self.fault: Callable[[bytes, bool], Any] = exports[b"fault"]
        double, verbatim = exports[b"double"], exports[b"verbatim"]
        self._map, self._set = exports[b"map"], exports[b"set"]
        common: Dict[type, Converter] = {
            bytes: _same,
            int: _same,
            Status: lambda value: self._status(bytes(value)),
            NoReply: lambda value: False,
        }
        self._resp2: Dict[type, Converter] = {
            **common,
            type(None): lambda value: False,
            NullArray: lambda value: False,
            bool: int,
            float: format_double,
            Decimal: bytes,
            Verbatim: bytes,
            list: lambda value: self._items(value, self.resp2),
            dict: self._flat,
            Pairs: lambda value: self._items(map(list, value), self.resp2),
            **dict.fromkeys((set, frozenset, OrderedSet), lambda value: self._items(value, self.resp2)),
        }
        self._resp3: Dict[type, Converter] = {
            **common,
            type(None): lambda value: None,
            NullArray: lambda value: None,
            bool: _same,
            float: double,
            Decimal: lambda value: double(float(value)),
            Verbatim: lambda value: verbatim(bytes(value)),
            list: lambda value: self._items(value, self.resp3),
            dict: lambda value: self._mapping(value.items()),
            Pairs: self._mapping,
            **dict.fromkeys((set, frozenset, OrderedSet), self._members),
        }

    def resp2(self, value: Reply) -> Any:
        """Convert a reply as RESP2 gives it."""
        return self._convert(self._resp2, value)

    def resp3(self, value: Reply) -> Any:
        """Convert a reply as RESP3 gives it."""
        return self._convert(self._resp3, value)

    def _convert(self, converters: Dict[type, Converter], value: Reply) -> Any:
        converter = converters.get(type(value))
        if converter is not None:
            return converter(value)
        if isinstance(value, CommandError):
            return self.fault(value.line, True)
        raise Raised(b"ERR the reply cannot be converted")

    def _items(self, items: Any, convert: Converter) -> Any:
        values = [item if type(item) is bytes else convert(item) for item in items]
        if len(values) <= _AT_ONCE and None not in values:
            return self._array(*values)
        return self._table_from(values)

    def _flat(self, value: Dict[Any, Any]) -> Any:
        return self._items([part for pair in value.items() for part in pair], self.resp2)

    def _mapping(self, pairs: Any) -> Any:
        flat = [self.resp3(part) for pair in pairs for part in pair]
        return self._map(self._table_from(flat), len(flat))

    def _members(self, members: Any) -> Any:
        values = [self.resp3(member) for member in members]
        return self._set(self._table_from(values), len(values))


def _same(value: Any) -> Any:
    return value
