"""What a command answers: plain Python values, and a small type for each thing that Python has no word for.

`bytes` is a bulk string, `int` an integer, `None` a null, `list` an array, `dict` a map, `set` a set, `float` a double,
`bool` a boolean, and a `CommandError` an error.  `wire/encoder.py` turns them into RESP2 or RESP3.
"""

from __future__ import annotations

from typing import Any, Callable, Final, List, Sequence

from twisted_kv.errors import CommandError


class Status(bytes):
    """A short text such as OK, which RESP sends as a simple string."""

    __slots__ = ()


class Verbatim(bytes):
    """A text meant for people (INFO, CLIENT LIST): a bulk string in RESP2, a verbatim string in RESP3."""

    __slots__ = ()


class Decimal(bytes):
    """A number whose digits the command has written: a bulk string in RESP2, a double in RESP3."""

    __slots__ = ()


class OrderedSet(List[Any]):
    """A set whose members keep the order they are given in; an array in RESP2."""

    __slots__ = ()


class Pairs(List[Any]):
    """Names with values, where a name may come twice: a map in RESP3, an array of pairs in RESP2."""

    __slots__ = ()


class Push(List[Any]):
    """A message that the server sends unasked; an array in RESP2."""

    __slots__ = ()


class Spoken:
    """A reply in the version of the protocol that was spoken when it was made, whatever is spoken since.

    It stands among the replies of an EXEC in which HELLO was.
    """

    __slots__ = ("reply", "resp")

    def __init__(self, reply: Reply, resp: int) -> None:
        self.reply = reply
        self.resp = resp


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


def _nothing() -> None:
    """Nobody needs to know."""


class Later:
    """A reply that is not known yet.  What the client sends behind the request waits for it."""

    __slots__ = ("_reply", "_taker", "abandon", "is_given")

    def __init__(self) -> None:
        self.is_given = False
        self.abandon: Callable[[], None] = _nothing
        """Called by who waits no more: nothing needs to be done for the request."""
        self._reply: Reply = None
        self._taker: Callable[[Reply], None] | None = None

    def give(self, reply: Reply) -> None:
        """Give the reply, once; it may be a `CommandError`."""
        assert not self.is_given
        self.is_given = True
        self._reply = reply
        if self._taker is not None:
            self._taker(reply)

    def now(self) -> Reply:
        """Give the reply if it is known, and this if not: what a command returns."""
        return self._reply if self.is_given else self

    def then(self, taker: Callable[[Reply], None]) -> None:
        """Have the reply taken as soon as it is known."""
        if self.is_given:
            taker(self._reply)
        else:
            self._taker = taker


class Block:
    """A request that waits for a key to hold something: what a blocking command returns when there is nothing yet.

    Whoever runs the command waits until one of the `keys` holds a value of type `kind`, and runs it again then, with
    the words that `again` gives for that key; that may raise `CommandError`.  After `timeout` milliseconds (0: never)
    the reply is a null array, in a transaction it is `otherwise` at once.  With `gone` it is what that gives when a key
    is gone, or holds another type.  With `is_for`, the command is run again for a key only if that says so: many may
    wait for one key, and most of them for something else.
    """

    __slots__ = ("again", "gone", "is_for", "keys", "kind", "otherwise", "timeout")

    def __init__(
        self,
        keys: Sequence[bytes],
        kind: type,
        timeout: int,
        again: Callable[[bytes], Sequence[bytes]],
        otherwise: Reply,
        *,
        gone: Callable[[], CommandError] | None = None,
        is_for: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.keys = keys
        self.kind = kind
        self.timeout = timeout
        self.again = again
        self.otherwise = otherwise
        self.gone = gone
        self.is_for = is_for


OK: Final = Status(b"OK")
QUEUED: Final = Status(b"QUEUED")
PONG: Final = Status(b"PONG")
NULL_ARRAY: Final = NullArray()
NO_REPLY: Final = NoReply()

Reply = Any
"""Any of the values above.  A recursive union of them would have to be narrowed at each use and would say no more."""

__all__ = [
    "NO_REPLY",
    "NULL_ARRAY",
    "OK",
    "PONG",
    "QUEUED",
    "Block",
    "CommandError",
    "Decimal",
    "Later",
    "NoReply",
    "NullArray",
    "OrderedSet",
    "Pairs",
    "Push",
    "Reply",
    "Status",
    "Verbatim",
]
