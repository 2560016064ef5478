"""Reply values: plain Python values, and a small type for each kind of reply that Python has no type for.

`bytes` is a bulk string, `int` an integer, `None` a null, `list` an array, `dict` a map, `set` a set, `float` a double,
`bool` a boolean, and a `CommandError` an error.  `wire/encoder.py` encodes them as RESP2 or RESP3.
"""

from __future__ import annotations

from typing import Any, Final, Iterable, List, Sequence, Union

from twisted_kv.vocabulary.errors import CommandError


class Status(bytes):
    """A short text such as OK, which RESP sends as a simple string."""

    __slots__ = ()


class Verbatim(bytes):
    """A text for human readers (INFO, CLIENT LIST): a bulk string in RESP2, a verbatim string in RESP3."""

    __slots__ = ()


class Decimal(bytes):
    """A number that the command has formatted itself: a bulk string in RESP2, a double in RESP3."""

    __slots__ = ()


class BigNumber(bytes):
    """The digits of an integer of any size: a bulk string in RESP2, a big number in RESP3."""

    __slots__ = ()


class Encoded(bytes):
    """A reply as it is sent, encoded already for the one client that gets it."""

    __slots__ = ()


class OrderedSet(List[Any]):
    """A set whose members keep their order; an array in RESP2."""

    __slots__ = ()


class Pairs(List[Any]):
    """Names with values, where a name may occur twice: a map in RESP3, an array of pairs in RESP2."""

    __slots__ = ()


class Push(List[Any]):
    """A message that the server sends without a request; an array in RESP2.

    It may go to many clients, so its encodings are kept in `resp2` and `resp3` once they were made: it must not be
    changed after that.
    """

    __slots__ = ("resp2", "resp3")

    def __init__(self, parts: Iterable[Any] = ()) -> None:
        super().__init__(parts)
        self.resp2: bytes | None = None
        self.resp3: bytes | None = None


Pushed = Union[Push, Status]
"""A message that answers no request: a push, or a line of MONITOR."""


class Several(List[Any]):
    """The reply to a request that is answered by several messages, one after the other, such as SUBSCRIBE."""

    __slots__ = ()


class Followed:
    """A reply that messages to the same client follow: its command has caused them, and Redis replies first."""

    __slots__ = ("pushes", "reply")

    def __init__(self, reply: Reply, pushes: Sequence[Pushed]) -> None:
        self.reply = reply
        self.pushes = pushes


class ExecReply:
    """A reply among those of an EXEC, with the protocol version that was in use when it was made.

    HELLO may have changed that since.  `pushes` arrived while its request ran: they are sent before it, uncounted.
    """

    __slots__ = ("pushes", "reply", "resp")

    def __init__(self, reply: Reply, resp: int, pushes: Sequence[Pushed] = ()) -> None:
        self.reply = reply
        self.resp = resp
        self.pushes = pushes


def messages_of(reply: Reply) -> Reply:
    """Return what is left of a reply that is not sent: the messages that come with it, in their order."""
    found: List[Pushed] = []
    _gather(reply, found)
    return Several(found) if found else NO_REPLY


def _gather(reply: Reply, found: List[Pushed]) -> None:
    kind = type(reply)
    if kind is Push:
        found.append(reply)
    elif kind is Several or kind is list:
        for each in reply:
            _gather(each, found)
    elif kind is ExecReply:
        found += reply.pushes
        _gather(reply.reply, found)
    elif kind is Followed:
        _gather(reply.reply, found)
        found += reply.pushes


class NullArray:
    """A null where an array was expected: `*-1` in RESP2, the one null in RESP3."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL_ARRAY"


class NoReply:
    """Nothing is sent for this request."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_REPLY"


OK: Final = Status(b"OK")
QUEUED: Final = Status(b"QUEUED")
PONG: Final = Status(b"PONG")
NULL_ARRAY: Final = NullArray()
NO_REPLY: Final = NoReply()

Reply = Any
"""Any of the values above.  A recursive union would have to be narrowed at each use and would add no information."""

__all__ = [
    "NO_REPLY",
    "NULL_ARRAY",
    "OK",
    "PONG",
    "QUEUED",
    "BigNumber",
    "CommandError",
    "Decimal",
    "Encoded",
    "Followed",
    "NoReply",
    "NullArray",
    "OrderedSet",
    "Pairs",
    "Push",
    "Pushed",
    "Reply",
    "Several",
    "Status",
    "Verbatim",
    "messages_of",
]
