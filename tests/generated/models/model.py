"""What a server must do with the requests of one connection: its keys, its database and its transactions."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from tests.generated.models import collections, plain, streams
from tests.generated.models.keyspace import A_NUMBER, REFUSED, UNKNOWN, Keys, Keyspace, RefusedError, Span

TICKET = b"ticket"
"""The key of each database from which all connections draw numbers."""


class Model(Keys):
    """The keys of one connection as they must be.

    `drawn` are the numbers that the last request drew: from which database, and where in its answer they stand.
    """

    def __init__(self, keys: Keyspace) -> None:
        super().__init__(keys)
        self.drawn: list[tuple[int, int | None]] = []
        self._queue: list[Sequence[bytes]] | None = None

    def run(
        self, words: Sequence[bytes], now: Span = (0, 0), reply: Any = UNKNOWN, found: Keyspace | None = None
    ) -> Any:
        """Do a request that a server does at some time in a span, and give the answer."""
        self.now, self.found = now, found or {}
        self.touched, self.drawn = set(), []
        if words[0] == b"MULTI":
            self._queue = []
            return b"OK"
        if words[0] == b"DISCARD":
            self._queue = None
            return b"OK"
        if words[0] == b"EXEC":
            return self._execute(reply)
        if self._queue is not None:
            self._queue.append(words)
            return b"QUEUED"
        return self._do(words, reply, None)

    def _execute(self, reply: Any) -> list[Any]:
        queue, self._queue = self._queue or [], None
        replies = reply if isinstance(reply, list) and len(reply) == len(queue) else [UNKNOWN] * len(queue)
        return [self._do(words, known, place) for place, (words, known) in enumerate(zip(queue, replies))]

    def _do(self, words: Sequence[bytes], reply: Any, place: int | None) -> Any:
        self.reply = reply
        if words[0] == b"SELECT":
            self.database = int(words[1])
            return b"OK"
        if words[1:] == (TICKET,):
            self.drawn.append((self.database, place))
            return A_NUMBER
        try:
            return COMMANDS[words[0]](self, *words[1:])
        except RefusedError:
            return REFUSED


def _commands() -> dict[bytes, Callable[..., Any]]:
    return {
        name.rstrip("_").upper().encode(): function
        for module in (plain, collections, streams)
        for name, function in vars(module).items()
        if callable(function) and not name.startswith("_")
    }


COMMANDS = _commands()
"""What is done for each request, by its name."""
