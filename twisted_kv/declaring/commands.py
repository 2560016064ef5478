"""The declaration of a command: its function, its key specifications and the rest of its metadata.

A command is a plain function `(session, *arguments) -> reply`; `groups` shows how to declare one.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Any, Callable, Final, List, Sequence, Tuple

import attrs

from twisted_kv.vocabulary.errors import c_string
from twisted_kv.vocabulary.numbers import leading_integer, parse_integer
from twisted_kv.vocabulary.replies import Reply
from twisted_kv.wire.plain_requests import Run

Function = Callable[..., Reply]
RunFunction = Callable[[Any, Run], List[Reply]]
"""Runs a command, in a session, for the first requests of a run; returns their replies."""

KeyPositions = List[Tuple[int, Tuple[str, ...]]]
"""The positions of the keys in a request (the name is 0), and how the command accesses each."""

FindKeys = Callable[[Sequence[bytes]], KeyPositions]
"""Finds the keys of a request where a `KeySpec` cannot describe them."""

MANY: Final = sys.maxsize
"""The `most` of a command that takes any number of arguments."""


class Lasting(IntEnum):
    """How long a session lasts, and how long a session a command needs."""

    REQUEST = 0
    """One request, one reply: a datagram in the `equals` or `command` dialect."""
    DATAGRAM = 1
    """The requests of one datagram share a session."""
    SESSION = 2
    """A session of its own: a connection, or an in-process session."""
    CONNECTION = 3
    """A connection, to which messages can be sent that answer no request."""


@attrs.frozen
class KeySpec:
    """A key specification of Redis 7.0: where the keys of a request are.

    The keys begin at index `first` (the name of the command is 0), or after the argument `keyword`, which is searched
    for from `first` on, backwards if that is negative; with `first` None, their position is unknown.  They extend to
    `last` (0: a single key; -1: to the end of the request), or over the first half of that range with a `limit` of 2;
    every `step`th argument is a key.  If they are `counted`, the number of keys is at the index where they would begin.
    """

    access: tuple[str, ...]
    first: int | None
    last: int = 0
    step: int = 1
    notes: str = ""
    keyword: str = ""
    limit: int = 0
    counted: bool = False

    @property
    def is_no_key(self) -> bool:
        """Whether it describes a shard channel, which only a cluster treats as a key."""
        return "not_key" in self.access

    def positions(self, words: Sequence[bytes]) -> range | None:
        """Return the positions of the keys in a request; None if they are missing or their position is unknown."""
        start = self.first
        if start is None:
            return None
        if self.keyword:
            start = self._after_keyword(words, start)
        if start is None or not 0 < start < len(words):
            return None
        if not self.counted:
            last = len(words) + self.last if self.last < 0 else start + self.last
            if self.limit > 1 and self.last < 0:
                last = start + (last - start + 1) // self.limit - 1
            step = self.step
        else:
            count = parse_integer(words[start])
            if count is None:
                return None
            start += 1
            last, step = start + count - 1, 1
        return range(start, last + 1, step) if start <= last < len(words) else None

    def _after_keyword(self, words: Sequence[bytes], start: int) -> int | None:
        positions = range(start, len(words)) if start > 0 else range(len(words) + start, 0, -1)
        for position in positions:
            if c_string(words[position]).upper() == self.keyword.encode():
                return position + 1
        return None


class InTransaction(IntEnum):
    """What a command does between MULTI and EXEC."""

    QUEUED = 0
    """It is queued, and EXEC runs it."""
    RUNS = 1
    """It runs at once."""
    ENDS = 2
    """It runs at once and ends the transaction, so it must not fail for lack of memory."""
    RUNS_QUEUED = 3
    """It runs the queued requests: whatever refuses one of them refuses it."""


@attrs.frozen(eq=False)
class Command:
    """The declaration of a command, or of a subcommand of a container; all caches of a process share it.

    `name` is in lower case, as `config|get` for a subcommand.  `least` and `most` bound the length of a request,
    including the name.  `allowed` raises `CommandError` where a session may not call the command at all.
    """

    name: str
    function: Function
    group: str
    since: str
    flags: tuple[str, ...]
    keys: tuple[KeySpec, ...]
    categories: tuple[str, ...]
    tips: tuple[str, ...]
    complexity: str
    doc_flags: tuple[str, ...]
    """The flags in COMMAND DOCS: `deprecated`, or `syscmd` for a command that is for internal use."""
    lasting: Lasting
    summary: str
    least: int
    most: int
    find_keys: FindKeys | None = None
    changes_session: bool = False
    """Whether it changes the session (what is selected, queued, watched), and not only the data."""
    in_transaction: InTransaction = InTransaction.QUEUED
    allowed: Callable[[Any], None] | None = None
    fails_with_disk: bool = False
    """Whether it is refused while writes are, although it writes nothing: clients use it to detect that state."""
    waits: bool = False
    """Whether it may return a `Block` although Redis does not flag it as blocking."""
    redact: Callable[[Sequence[bytes]], Sequence[bytes]] | None = None
    """Returns a request without its passwords, as it is shown."""
    while_subscribed: bool = False
    """Whether a client that speaks RESP2 may send it while it is subscribed to something."""
    tells_after: frozenset[bytes] = frozenset()
    """The keyspace events that Redis reports only when it has replied: a client sees its own behind the reply."""
    runs_requests: bool = False
    """Whether it runs other requests, which are recorded and shown in its place."""
    as_called: Callable[[Any, Sequence[bytes]], Sequence[str]] | None = None
    """Returns the flags of one request, given its session, where they depend on more than the command."""
    runs: dict[int, RunFunction] = attrs.field(factory=dict)
    """Run the command for many requests, by the length of each: see `Group.run`."""
    subcommands: dict[bytes, Command] = attrs.field(factory=dict)

    @property
    def skip(self) -> int:
        """The number of elements before the function's arguments: the command's name and the subcommand's."""
        return self.name.count("|") + 1

    @property
    def has_keys(self) -> bool:
        return not all(spec.is_no_key for spec in self.keys)

    @property
    def is_write(self) -> bool:
        return "write" in self.flags

    @property
    def may_block(self) -> bool:
        """Whether it may return a `Block`: what Redis's flag says, and WAIT."""
        return "blocking" in self.flags or self.waits

    @property
    def may_run_together(self) -> bool:
        """Whether many requests of it can be admitted at once.

        None of them takes long, they work on keys that are their arguments, and none changes what admission or another
        one depends on.
        """
        return (
            ("fast" in self.flags or bool(self.runs))
            and any(spec.first == 1 for spec in self.keys)
            and self.lasting is Lasting.REQUEST
            and self.in_transaction is InTransaction.QUEUED
            and not (self.changes_session or self.may_block or self.runs_requests or self.subcommands)
            and self.allowed is None
        )

    @property
    def denies_oom(self) -> bool:
        """Whether it is refused when memory is short."""
        return "denyoom" in self.flags

    @property
    def arity(self) -> int:
        """Redis's arity: the length of a request with the name, negative for "at least"."""
        return self.least if self.least == self.most else -self.least

    def is_open_at(self, count: int) -> bool:
        """Check whether Redis's table, which has no upper bound for an open arity, would accept this length."""
        return count >= self.least and self.least != self.most

    def find(self, words: Sequence[bytes]) -> KeyPositions | None:
        """Return the positions of the keys in a request and how each is accessed; None if the request is invalid."""
        found: KeyPositions | None = []
        if self.find_keys is not None and any("variable_flags" in spec.access for spec in self.keys):
            return self.find_keys(words)
        for spec in self.keys:
            positions = spec.positions(words)
            if positions is None or found is None:
                found = None
                break
            found += [(position, spec.access) for position in positions]
        if found is None:
            return self._find_fallback(words)
        return found

    def _find_fallback(self, words: Sequence[bytes]) -> KeyPositions | None:
        """Find the keys of a request that does not match the key specifications.

        In that case Redis parses a number of keys as C's atoi does, does not report how they are accessed, and returns
        the destination key last.
        """
        if self.find_keys is not None:
            return self.find_keys(words)
        spec = self.keys[-1]
        if not spec.counted or spec.first is None or spec.first >= len(words):
            return None
        start = spec.first + 1
        number = leading_integer(words[spec.first])
        if not 1 <= number <= len(words) - start:
            return None
        stored = [first.first for first in self.keys[:-1] if first.first is not None]
        return [(position, ()) for position in (*range(start, start + number), *stored)]

    def acl_categories(self) -> list[str]:
        """Return the ACL categories of the command, in Redis's order."""
        flags = set(self.flags)
        found = set(self.categories)
        for flag, implied in _CATEGORIES_OF_FLAGS.items():
            if flag in flags:
                found.update(implied)
        if "readonly" in flags and "scripting" not in found:  # a script reads, but what is up to it
            found.add("read")
        if "fast" not in flags:
            found.add("slow")
        return [category for category in _CATEGORIES if category in found]


_CATEGORIES: Final = (
    "keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin fast slow blocking "
    "dangerous connection transaction scripting"
).split()
_CATEGORIES_OF_FLAGS: Final[dict[str, tuple[str, ...]]] = {
    "write": ("write",),
    "admin": ("admin", "dangerous"),
    "pubsub": ("pubsub",),
    "fast": ("fast",),
    "blocking": ("blocking",),
}
