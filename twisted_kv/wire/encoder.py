"""Encodes reply values in RESP2 and RESP3, and words as a request.

Each protocol version has one table, keyed by the exact type of the value, so no reply passes a chain of type checks.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Callable, Dict, Final, Iterable, Sequence

from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.numbers import format_double
from twisted_kv.vocabulary.replies import (
    OK,
    BigNumber,
    Decimal,
    Encoded,
    ExecReply,
    Followed,
    NoReply,
    NullArray,
    OrderedSet,
    Pairs,
    Push,
    Reply,
    Several,
    Status,
    Verbatim,
)
from twisted_kv.wire.short_arrays import BULK_HEADERS, FEW, SHORT, short_array

Encoders = Dict[type, Callable[[Any], bytes]]
Encode = Callable[[Reply], bytes]


def encode_resp2(value: Reply) -> bytes:
    """Encode a reply for a client that speaks RESP2; raises KeyError for a value that is no reply."""
    return _RESP2[type(value)](value)


def encode_resp3(value: Reply) -> bytes:
    """Encode a reply for a client that speaks RESP3; raises KeyError for a value that is no reply."""
    return _RESP3[type(value)](value)


def encode(value: Reply, resp: int) -> bytes:
    """Encode a reply in a protocol version that HELLO accepts; raises KeyError for a value that is no reply."""
    return ENCODERS[resp][type(value)](value)


def least_size(value: Reply) -> int:
    """Return a lower bound of a reply's encoded size in bytes, without encoding it.

    A request of a few bytes can ask for one large value a million times: the values are shared, their copies are not.
    """
    if type(value) is dict:
        return least_size(list(value)) + least_size(list(value.values()))
    if type(value) is not list:
        return len(value) if type(value) is bytes else 0
    return sum([len(item) for item in value if type(item) is bytes])


_THREE_WORDS: Final = b"*3\r\n" + 3 * b"$%d\r\n%b\r\n"


def encode_request(words: Sequence[bytes]) -> bytes:
    """Encode the words of a request as an array of bulk strings."""
    if len(words) == 3:  # most records of the journal: in a third of the time
        first, second, third = words
        return _THREE_WORDS % (len(first), first, len(second), second, len(third), third)
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


def _bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def _status(value: Status) -> bytes:
    return b"+%b\r\n" % value


def _integer(value: int) -> bytes:
    return b":%d\r\n" % value


def _error(value: CommandError) -> bytes:
    return b"-%b\r\n" % value.line


def _verbatim(value: Verbatim) -> bytes:
    return b"=%d\r\ntxt:%b\r\n" % (len(value) + 4, value)


def _items(mark: bytes, encode: Encode) -> Callable[[Iterable[Reply]], bytes]:
    def encode_items(value: Any) -> bytes:
        parts = [mark + b"%d\r\n" % len(value)]
        _add_items(parts, value, encode)
        return b"".join(parts)

    return encode_items


def _add_items(parts: list[bytes], items: Iterable[Reply], encode: Encode) -> None:
    """Append encoded items to `parts`.  Short strings and arrays, the usual cases, cost little each."""
    for item in items:
        kind = type(item)
        if kind is bytes and len(item) < SHORT:
            parts += (BULK_HEADERS[len(item)], item, b"\r\n")
        elif kind is list:
            parts.append(b"*%d\r\n" % len(item))
            _add_items(parts, item, encode)
        else:
            parts.append(encode(item))


def _pairs(mark: bytes, size: int, encode: Encode) -> Callable[[dict[Reply, Reply]], bytes]:
    def encode_pairs(value: dict[Reply, Reply]) -> bytes:
        parts = [mark + b"%d\r\n" % (len(value) * size)]
        _add_items(parts, chain.from_iterable(value.items()), encode)
        return b"".join(parts)

    return encode_pairs


def _push_resp2(value: Push) -> bytes:
    data = value.resp2
    if data is None:
        data = value.resp2 = _array(value)
    return data


def _push_resp3(value: Push) -> bytes:
    data = value.resp3
    if data is None:
        data = value.resp3 = _message(value)
    return data


def _sequence(encode: Encode) -> Callable[[Iterable[Reply]], bytes]:
    def encode_sequence(value: Iterable[Reply]) -> bytes:
        return b"".join([encode(each) for each in value])

    return encode_sequence


def _followed(encode: Encode) -> Callable[[Followed], bytes]:
    def encode_followed(value: Followed) -> bytes:
        return b"".join([encode(each) for each in (value.reply, *value.pushes)])

    return encode_followed


_array: Final = _items(b"*", encode_resp2)
_message: Final = _items(b">", encode_resp3)

_COMMON: Final[Encoders] = {
    bytes: _bulk,
    Status: _status,
    int: _integer,
    CommandError: _error,
    NoReply: lambda value: b"",
    Encoded: bytes,
    ExecReply: lambda value: b"".join([encode(each, value.resp) for each in (*value.pushes, value.reply)]),
}


class _Table(Dict[type, Callable[[Any], bytes]]):
    """The encoders of a protocol version; a subclass of `CommandError` is added when its first instance is encoded."""

    def __missing__(self, kind: type) -> Callable[[Any], bytes]:
        if not issubclass(kind, CommandError):
            raise KeyError(kind)
        self[kind] = _error
        return _error


_KINDS2: Final[Encoders] = {
    **_COMMON,
    type(None): lambda value: b"$-1\r\n",
    NullArray: lambda value: b"*-1\r\n",
    bool: lambda value: b":1\r\n" if value else b":0\r\n",
    float: lambda value: _bulk(format_double(value)),
    Verbatim: _bulk,
    Decimal: _bulk,
    BigNumber: _bulk,
    dict: _pairs(b"*", 2, encode_resp2),
    Pairs: lambda value: _RESP2[list]([list(pair) for pair in value]),
    **dict.fromkeys((list, set, frozenset, OrderedSet), _array),
    Push: _push_resp2,
    Several: _sequence(encode_resp2),
    Followed: _followed(encode_resp2),
}
_RESP2: Final[Encoders] = _Table(_KINDS2)

_KINDS3: Final[Encoders] = {
    **_COMMON,
    type(None): lambda value: b"_\r\n",
    NullArray: lambda value: b"_\r\n",
    bool: lambda value: b"#t\r\n" if value else b"#f\r\n",
    float: lambda value: b",%b\r\n" % format_double(value),
    Verbatim: _verbatim,
    Decimal: lambda value: b",%b\r\n" % value,
    BigNumber: lambda value: b"(%b\r\n" % value,
    dict: _pairs(b"%", 1, encode_resp3),
    Pairs: lambda value: b"%%%d\r\n" % len(value) + b"".join([encode_resp3(part) for pair in value for part in pair]),
    list: _items(b"*", encode_resp3),
    Push: _push_resp3,
    Several: _sequence(encode_resp3),
    Followed: _followed(encode_resp3),
    **dict.fromkeys((set, frozenset, OrderedSet), _items(b"~", encode_resp3)),
}
_RESP3: Final[Encoders] = _Table(_KINDS3)

ENCODERS: Final[Dict[int, Encoders]] = {2: _RESP2, 3: _RESP3}
"""The encoders of each protocol version that HELLO accepts, by the type of the reply."""


def encode_few(value: Reply, resp: int) -> bytes | None:
    """Encode an array, a set or a map of few short strings, numbers and nulls; return None for any other reply.

    Most arrays are such, and need no check of their size before they are encoded.
    """
    mark = _MARKS[resp].get(type(value))
    if mark is None or len(value) > FEW:
        return None
    count = len(value)
    if type(value) is dict:
        return short_array(mark % (count if resp == 3 else 2 * count), value, _SIMPLE[resp])
    return short_array(mark % count, value, _SIMPLE[resp])


def encode_run(replies: list[Reply], resp: int) -> bytes | None:
    """Encode one reply after the other, if all are short strings, numbers and the like; return None if not."""
    if replies[0] is OK and set(map(id, replies)) == {id(OK)}:
        return b"+OK\r\n" * len(replies)
    return short_array(b"", replies, _SIMPLE[resp])


_ARRAY: Final = b"*%d\r\n"
_SET: Final = b"~%d\r\n"
_MARKS: Final[Dict[int, Dict[type, bytes]]] = {
    2: dict.fromkeys((list, set, frozenset, OrderedSet, dict), _ARRAY),
    3: {list: _ARRAY, dict: b"%%%d\r\n", **dict.fromkeys((set, frozenset, OrderedSet), _SET)},
}
"""The first line of a reply that has elements, by protocol version and type."""
AGGREGATES: Final = frozenset(_MARKS[2])
"""The types of the replies that `encode_few` may encode."""
_SIMPLE: Final[Dict[int, Encoders]] = {
    resp: {kind: encoders[kind] for kind in (type(None), int, float, bool, Status, Decimal)}
    for resp, encoders in ENCODERS.items()
}
"""The encoders of what is small whatever it is."""
