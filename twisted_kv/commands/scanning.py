"""What SCAN, HSCAN, SSCAN and ZSCAN share: cursors, options, and the iteration over a collection."""

from __future__ import annotations

import re
from typing import Any, Callable, Final, Sequence, Type, TypeVar

import attrs

from twisted_kv.declaring.arguments import Arguments
from twisted_kv.sessions.session import Session
from twisted_kv.values.hashes import Hash
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, c_string
from twisted_kv.vocabulary.glob import Matcher, compile_pattern
from twisted_kv.vocabulary.replies import Reply

_CURSOR: Final = re.compile(rb"([+-]?)(\d+)\Z")

T = TypeVar("T", Hash, Set, SortedSet)


def scan_table(
    session: Session,
    key: bytes,
    kind: Type[T],
    cursor: bytes,
    words: tuple[bytes, ...],
    shown: Callable[[bytes, Any], Sequence[bytes]],
) -> Reply:
    """Run HSCAN, SSCAN or ZSCAN; `shown` returns the parts of the reply for a member and its value.

    A collection that Redis keeps packed is returned in one reply, regardless of COUNT.
    """
    start = read_cursor(cursor)
    members = session.db.read_as(key, kind)
    if members is None:
        return [b"0", []]
    options = ScanOptions.parse(words)
    next_cursor, items = (0, members.packed_items()) if members.is_packed else members.scan(start, options.count)
    return [b"%d" % next_cursor, [part for item in items if options.matches(item[0]) for part in shown(*item)]]


def read_cursor(word: bytes) -> int:
    """Parse a cursor as C's strtoul does: an empty one is 0, and a minus sign wraps around at 64 bits."""
    digits = c_string(word)
    match = _CURSOR.match(digits)
    if match is None:
        if not digits:
            return 0
        raise CommandError("invalid cursor")
    number = int(match[2][:40])
    if number >= 1 << 64:
        raise CommandError("invalid cursor")
    return -number % (1 << 64) if match[1] == b"-" else number


def _matches_all(key: bytes) -> bool:
    return True


@attrs.define
class ScanOptions:
    """The options of SCAN, HSCAN, SSCAN and ZSCAN."""

    count: int = 10
    matches: Matcher = _matches_all
    type_name: bytes | None = None

    @classmethod
    def parse(cls, words: tuple[bytes, ...], *, with_type: bool = False) -> ScanOptions:
        """Parse COUNT, MATCH and, for SCAN only, TYPE."""
        options = cls()
        arguments = Arguments(words)
        while arguments:
            option = arguments.option()
            if option == b"COUNT" and arguments:
                options.count = arguments.integer()
                if options.count < 1:
                    raise CommandError(SYNTAX)
            elif option == b"MATCH":
                options.matches = compile_pattern(arguments.word())
            elif option == b"TYPE" and with_type:
                options.type_name = c_string(arguments.word()).lower()
            else:
                raise CommandError(SYNTAX)
        return options
