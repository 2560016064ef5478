"""What is declared of a command: how it is called, where its keys stand, what is known of it beside.

A command is a plain function `(session, *arguments) -> reply`; how one is declared is in `groups`.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Any, Callable, Final, List, Sequence, Tuple

import attrs

from twisted_kv.vocabulary.errors import c_string
from twisted_kv.vocabulary.numbers import leading_integer, parse_integer
from twisted_kv.vocabulary.replies import Reply

Function = Callable[..., Reply]

KeyPlaces = List[Tuple[int, Tuple[str, ...]]]
"""Where the keys stand among the words of a request, and what is done with each."""

FindKeys = Callable[[Sequence[bytes]], KeyPlaces]
"""Finds the keys of a request where `KeySpec` cannot tell them."""

MANY: Final = sys.maxsize
"""The most words of a command that takes any number."""


class Lasting(IntEnum):
    """How long the conversation lasts that a request is part of, and how long one a command needs."""

    REQUEST = 0
    """One request, one reply: a datagram in the `equals` or `command` dialect."""
    DATAGRAM = 1
    """The requests of one datagram share a session."""
    CONNECTION = 2
    """A connection, or a session of the same process."""


@attrs.frozen
class KeySpec:
    """Where keys stand among the words, as Redis 7.0 tells it.

    They begin at word `first` (the name of the command is 0), or behind the word `keyword`, which is looked for from
    `first` on, backwards if that is negative; with `first` None, nobody can tell.  They go on to `last` (0: only there;
    -1: to the end), or only over the first half of these with a `limit` of 2; every `step`th is one.  If they are
    `counted`, their number stands where they would begin.
    """

    access: tuple[str, ...]
    first: int | None
    last: int = 0
    step: int = 1
    notes: str = ""
    keyword: str = ""
    limit: int = 0
    counted: bool = False

    def places(self, words: Sequence[bytes]) -> range | None:
        """Give the places of the keys in a request; None if they are not where they should be, or nobody can tell."""
        start = self.first
        if start is None:
            return None
        if self.keyword:
            start = self._behind_keyword(words, start)
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

    def _behind_keyword(self, words: Sequence[bytes], start: int) -> int | None:
        places = range(start, len(words)) if start > 0 else range(len(words) + start, 0, -1)
        for place in places:
            if c_string(words[place]).upper() == self.keyword.encode():
                return place + 1
        return None


class InTransaction(IntEnum):
    """What a command does between MULTI and EXEC."""

    QUEUED = 0
    """It is queued, and run by EXEC."""
    RUNS = 1
    """It is run at once."""
    ENDS = 2
    """It is run at once and ends the transaction, so it must not fail for lack of memory."""
    RUNS_QUEUED = 3
    """It runs all that is queued: whatever they are refused for, it is refused for."""


@attrs.frozen(eq=False)
class Command:
    """One command, or one subcommand of a container, as it is declared; all caches of a process share it.

    `name` is in lower case, a subcommand's `config|get`.  `least` and `most` count the words in all, those of the name
    among them.  `allowed` raises `CommandError` where a session may not call it at all.
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
    """What COMMAND DOCS says beside: `deprecated`, or `syscmd` for what is of no use to others."""
    lasting: Lasting
    summary: str
    least: int
    most: int
    find_keys: FindKeys | None = None
    changes_session: bool = False
    """Whether it changes the conversation (what is selected, queued, watched), and not only the data."""
    in_transaction: InTransaction = InTransaction.QUEUED
    allowed: Callable[[Any], None] | None = None
    fails_with_disk: bool = False
    """Whether it is refused while writes are, though it writes nothing: so clients can see that by asking."""
    subcommands: dict[bytes, Command] = attrs.field(factory=dict)

    @property
    def skip(self) -> int:
        """Words before the arguments of the function: the name of the command, and of the subcommand."""
        return self.name.count("|") + 1

    @property
    def is_write(self) -> bool:
        return "write" in self.flags

    @property
    def denies_oom(self) -> bool:
        """Whether it is refused when there is no memory."""
        return "denyoom" in self.flags

    @property
    def arity(self) -> int:
        """Redis's arity: the number of words, negative for "at least"."""
        return self.least if self.least == self.most else -self.least

    def is_open_at(self, count: int) -> bool:
        """Tell whether Redis's table, which knows no most of an open arity, would let so many words pass."""
        return count >= self.least and self.least != self.most

    def find(self, words: Sequence[bytes]) -> KeyPlaces | None:
        """Give the places of the keys in a request, and what is done with each; None if it is no sound request."""
        found: KeyPlaces | None = []
        if self.find_keys is not None and any("variable_flags" in spec.access for spec in self.keys):
            return self.find_keys(words)
        for spec in self.keys:
            places = spec.places(words)
            if places is None or found is None:
                found = None
                break
            found += [(place, spec.access) for place in places]
        if found is None:
            return self._find_otherwise(words)
        return found

    def _find_otherwise(self, words: Sequence[bytes]) -> KeyPlaces | None:
        """Find keys where they are not as the specifications say.

        Redis then reads a number of keys as C's atoi does, knows nothing of what is done with them, and names the key
        that something is stored at last.
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
        return [(place, ()) for place in (*range(start, start + number), *stored)]

    def acl_categories(self) -> list[str]:
        """Give the categories that Redis's ACL puts the command in, in Redis's order."""
        flags = set(self.flags)
        found = set(self.categories)
        for flag, implied in _CATEGORIES_OF_FLAGS.items():
            if flag in flags:
                found.update(implied)
        if "fast" not in flags:
            found.add("slow")
        return [category for category in _CATEGORIES if category in found]


_CATEGORIES: Final = (
    "keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin fast slow blocking "
    "dangerous connection transaction scripting"
).split()
_CATEGORIES_OF_FLAGS: Final[dict[str, tuple[str, ...]]] = {
    "write": ("write",),
    "readonly": ("read",),
    "admin": ("admin", "dangerous"),
    "pubsub": ("pubsub",),
    "fast": ("fast",),
    "blocking": ("blocking",),
}
