"""Replies that come later: promises, and the blocks that blocking commands return.

Why not a Deferred: a promise is resolved once, with a reply value that may be an error; it has one callback, which
returns nothing; callbacks are not chained, and an error without a callback is not an unhandled error.  It says whether
later requests may run, which a Deferred cannot.  And commands, which make promises, do not depend on a reactor.  An
in-process caller gets a Deferred: `faces.in_process` makes one from the promise.
"""

from __future__ import annotations

from typing import Callable, Sequence

from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY, Reply

__all__ = ["Block", "Promise", "resolve_all"]


def _nothing() -> None:
    """Do nothing: the default for `Promise.abandon`."""


class Promise:
    """A reply that is not known yet.

    With `holds`, no later request of the same connection runs before it is resolved, as in Redis for BLPOP.  Without,
    it only keeps its position in the order of the replies: one connection may have many such promises pending.
    """

    __slots__ = ("_callback", "_reply", "abandon", "holds", "is_resolved")

    def __init__(self, *, holds: bool = True) -> None:
        self.holds = holds
        self.is_resolved = False
        self.abandon: Callable[[], object] = _nothing
        """Called when the client no longer waits: the request need not be completed."""
        self._reply: Reply = None
        self._callback: Callable[[Reply], object] | None = None

    def resolve(self, reply: Reply) -> None:
        """Set the reply, once; it may be a `CommandError`."""
        assert not self.is_resolved
        self.is_resolved = True
        self._reply = reply
        if self._callback is not None:
            self._callback(reply)

    def give_up(self) -> None:
        """Abandon the promise, in the way that is set by then: for a promise that stands for this one."""
        self.abandon()

    def now(self) -> Reply:
        """Return the reply if it is known, and this promise if not: what a command returns."""
        return self._reply if self.is_resolved else self

    def then(self, callback: Callable[[Reply], object]) -> None:
        """Call `callback` with the reply as soon as it is known."""
        if self.is_resolved:
            callback(self._reply)
        else:
            self._callback = callback


class Block:
    """A request that waits for a key to hold a value: what a blocking command returns when there is nothing yet.

    The request waits until one of the `keys` holds a value of type `kind`.  Then the request that `again` returns for
    that key is run; this may raise `CommandError`.  After `timeout` milliseconds (0: never) the reply is `late`; in a
    transaction it is `otherwise` at once.  With `gone`, the reply is its result when a key is deleted or holds
    another type.  With `is_for`, the command runs again for a key only if that returns True: many requests may wait for
    one key, most of them for something else.
    """

    __slots__ = ("again", "gone", "is_for", "keys", "kind", "late", "otherwise", "timeout")

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
        late: Reply = NULL_ARRAY,
    ) -> None:
        self.keys = keys
        self.kind = kind
        self.timeout = timeout
        self.again = again
        self.otherwise = otherwise
        self.gone = gone
        self.is_for = is_for
        self.late = late


def resolve_all(promises: list[Promise], reply: Reply) -> None:
    """Resolve promises with the same reply, and empty the list."""
    resolved, promises[:] = promises[:], []
    for each in resolved:
        each.resolve(reply)
