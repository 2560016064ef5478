"""Replies that come later: a promise to whoever asked, and what a blocking command asks for.

Why not a Deferred: a promise is resolved once, with a reply value that may be an error; it has one callback, which
returns nothing; nobody chains anything to it, and one that nobody takes is no unhandled error.  It says whether the
requests after it may run, which no Deferred can.  And commands, which make promises, know nothing of a reactor.  A
caller in process gets a Deferred: `local` makes one of the promise.
"""

from __future__ import annotations

from typing import Callable, Sequence

from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Reply

__all__ = ["Block", "Promise", "resolve_all"]


def _nothing() -> None:
    """Nobody needs to know."""


class Promise:
    """A reply that is not known yet.

    With `holds`, no later request of the same connection runs before it is resolved, as Redis does for BLPOP.  Without,
    it only keeps its place in the order of the replies: many such promises of one connection may be under way.
    """

    __slots__ = ("_callback", "_reply", "abandon", "holds", "is_resolved")

    def __init__(self, *, holds: bool = True) -> None:
        self.holds = holds
        self.is_resolved = False
        self.abandon: Callable[[], None] = _nothing
        """Called by who waits no more: nothing needs to be done for the request."""
        self._reply: Reply = None
        self._callback: Callable[[Reply], None] | None = None

    def resolve(self, reply: Reply) -> None:
        """Set the reply, once; it may be a `CommandError`."""
        assert not self.is_resolved
        self.is_resolved = True
        self._reply = reply
        if self._callback is not None:
            self._callback(reply)

    def now(self) -> Reply:
        """Return the reply if it is known, and this promise if not: what a command returns."""
        return self._reply if self.is_resolved else self

    def then(self, callback: Callable[[Reply], None]) -> None:
        """Call `callback` with the reply as soon as it is known."""
        if self.is_resolved:
            callback(self._reply)
        else:
            self._callback = callback


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


def resolve_all(promises: list[Promise], reply: Reply) -> None:
    """Resolve promises with the same reply, and empty the list."""
    resolved, promises[:] = promises[:], []
    for each in resolved:
        each.resolve(reply)
