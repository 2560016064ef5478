"""SORT: the elements of a list, a set or a sorted set in order, or what other keys hold for them."""

from __future__ import annotations

import math
import re
import sys
from typing import Any, Callable, Final, Iterable, Sequence

import attrs

from twisted_kv.declaring.arguments import Arguments
from twisted_kv.declaring.commands import KeyPositions
from twisted_kv.declaring.groups import Group, first, unknown_keys
from twisted_kv.sessions.session import Session
from twisted_kv.store.database import Database
from twisted_kv.values.hashes import Hash
from twisted_kv.values.lists import List
from twisted_kv.values.long_strings import string_bytes
from twisted_kv.values.partial_sort import first_in_order
from twisted_kv.values.sets import Set
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, WrongTypeError, c_string
from twisted_kv.vocabulary.numbers import parse_bound, parse_double
from twisted_kv.vocabulary.replies import Reply

sorting = Group("generic", category="keyspace")

_BY_OR_GET: Final = (
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key "
    "we sort"
)
_STORE: Final = (
    "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument "
    "array"
)
_NOT_ZERO: Final = re.compile(rb"\s*[+-]?[0.]*[1-9]")
_RO: Final = ("RO", "access")
_OW: Final = ("OW", "update")


def _sort_keys(words: Sequence[bytes]) -> KeyPositions:
    """Return the keys of SORT: the first argument, and the one after the last STORE."""
    keys: KeyPositions = [(1, _RO)]
    index = 2
    store = 0
    while index < len(words):
        option = c_string(words[index]).upper()
        if option == b"STORE" and index + 1 < len(words):
            store = index + 1
        index += 1 + {b"LIMIT": 2, b"GET": 1, b"BY": 1}.get(option, 0)
    return [*keys, (store, _OW)] if store else keys


def _sort_ro_keys(words: Sequence[bytes]) -> KeyPositions:
    return [(1, _RO)]


def follow(database: Database, pattern: bytes, element: bytes) -> bytes | None:
    """Return what a pattern refers to for an element: `#` itself, `key*` a string, `key*->field` a field of a hash."""
    seen = c_string(pattern)  # Redis looks for special characters only here
    if seen == b"#":
        return element
    star = seen.find(b"*")
    if star < 0:
        return None
    before, after = pattern[:star], pattern[star + 1 :]
    arrow = seen.find(b"->", star + 1)
    if 0 <= arrow < len(seen) - 2:
        fields = database.read(before + element + pattern[star + 1 : arrow])
        return fields.get(pattern[arrow + 2 :]) if isinstance(fields, Hash) else None
    return string_bytes(database.read(before + element + after))


@attrs.define
class SortOptions:
    """The options of SORT."""

    by: bytes | None = None
    get: list[bytes] = attrs.Factory(list)
    descending: bool = False
    as_text: bool = False
    start: int = 0
    count: int = -1
    target: bytes | None = None
    keeps_order: bool = False
    """Whether any BY asked for no sorting: that holds even if a later BY gives a pattern."""

    @classmethod
    def parse(cls, words: Sequence[bytes], *, may_store: bool) -> SortOptions:
        """Parse options."""
        options = cls()
        arguments = Arguments(words)
        while arguments:
            option = arguments.option()
            if option in (b"ASC", b"DESC"):
                options.descending = option == b"DESC"
            elif option == b"ALPHA":
                options.as_text = True
            elif option == b"LIMIT" and arguments.left >= 2:
                options.start, options.count = arguments.integer(), arguments.integer()
            elif option == b"STORE" and may_store and arguments:
                options.target = arguments.word()
            elif option == b"BY" and arguments:
                options.by = arguments.word()
                options.keeps_order |= b"*" not in c_string(options.by)
            elif option == b"GET" and arguments:
                options.get.append(arguments.word())
            else:
                raise CommandError(SYNTAX)
        return options

    def bounds(self, length: int) -> tuple[int, int]:
        """Return the half-open index range that LIMIT selects among `length` elements."""
        start = min(max(0, self.start), length)
        return start, length if self.count < 0 else min(start + self.count, length)


def _elements(session: Session, key: bytes, options: SortOptions) -> list[bytes]:
    """Return the elements to sort, or only the requested part if nothing is to be sorted."""
    value = session.db.read(key)
    if value is None:
        return []
    if isinstance(value, SortedSet):
        value.packing = None  # Redis sorts only a skip list, and converts a packed value to one
        if options.keeps_order:
            start, stop = options.bounds(len(value))
            if options.descending:
                start, stop = len(value) - stop, len(value) - start
            return [member for _, member in value.slice(start, stop, reverse=options.descending)]
        return list(value)
    if isinstance(value, List):
        if not options.keeps_order:
            return list(value)
        start, stop = options.bounds(len(value))
        if options.descending:
            return value.slice(len(value) - stop, len(value) - start)[::-1]
        return value.slice(start, stop)
    if isinstance(value, Set):
        members = [member for member, _ in value.packed_items()] if value.is_packed else list(value)
        return members[slice(*options.bounds(len(members)))] if options.keeps_order else members
    raise WrongTypeError


def _number(text: bytes) -> float:
    """Parse a value to sort by as C's strtod does, but refuse what a double cannot hold."""
    try:
        number = parse_bound(text)
        if math.isinf(number):
            parse_double(text.strip())
        if abs(number) < sys.float_info.min and _NOT_ZERO.match(text):
            raise ValueError("too small")
    except ValueError:
        raise CommandError("One or more scores can't be converted into double") from None
    return number


def _in_order(session: Session, elements: list[bytes], options: SortOptions) -> list[bytes]:
    """Sort, and return the requested part; in numeric order, ties are broken by the elements' bytes."""
    start, stop = options.bounds(len(elements))

    def look_up(element: bytes) -> bytes | None:
        return element if options.by is None else follow(session.db, options.by, element)

    order: Callable[[bytes], Any]
    if options.as_text:
        texts = {element: look_up(element) for element in elements}
        if options.target is None:  # then Redis compares C strings
            texts = {element: text and c_string(text) for element, text in texts.items()}

        def order(element: bytes) -> Any:
            text = texts[element]
            return (text is not None, text or b"")

        if options.by is not None and stop - start < len(elements):  # then Redis sorts only that part, in its own way
            ranks = {each: rank for rank, each in enumerate(sorted({order(element) for element in texts}))}
            return first_in_order(
                elements, stop, lambda element: ranks[order(element)], start=start, descending=options.descending
            )

    else:
        found = {element: look_up(element) for element in elements}
        numbers = {element: 0.0 if text is None else _number(text) for element, text in found.items()}

        def order(element: bytes) -> Any:
            return (numbers[element], element)

    return sorted(elements, key=order, reverse=options.descending)[start:stop]


def _sort(session: Session, key: bytes, words: Sequence[bytes], *, may_store: bool) -> Reply:
    options = SortOptions.parse(words, may_store=may_store)
    if options.keeps_order and options.target is not None and isinstance(session.db.peek(key), Set):
        options.keeps_order = False  # so that the stored result does not depend on chance
        options.by, options.as_text = None, True
    elements = _elements(session, key, options)
    if not options.keeps_order:
        elements = _in_order(session, elements, options)
    replies: Iterable[bytes | None] = elements
    if options.get:
        replies = [follow(session.db, pattern, element) for element in elements for pattern in options.get]
    if options.target is None:
        return list(replies)
    result = List([reply or b"" for reply in replies])
    session.db.store(options.target, result, b"sortstore")
    return len(result)


@sorting.command(
    "SORT",
    since="1.0.0",
    flags="write denyoom movablekeys",
    keys=first("RO access")
    + unknown_keys(
        "RO access",
        notes=_BY_OR_GET,
    )
    + unknown_keys(
        "OW update",
        notes=_STORE,
    ),
    categories="set sortedset list dangerous",
    complexity="O(N+M*log(M))",
    find_keys=_sort_keys,
)
def sort(session: Session, key: bytes, *words: bytes) -> Reply:
    """Sort the elements of a list, a set or a sorted set, and return or store them."""
    return _sort(session, key, words, may_store=True)


@sorting.command(
    "SORT_RO",
    since="7.0.0",
    flags="readonly movablekeys",
    keys=first("RO access")
    + unknown_keys(
        "RO access",
        notes=_BY_OR_GET,
    ),
    categories="set sortedset list dangerous",
    complexity="O(N+M*log(M))",
    find_keys=_sort_ro_keys,
)
def sort_ro(session: Session, key: bytes, *words: bytes) -> Reply:
    """Sort the elements of a list, a set or a sorted set, and return them."""
    return _sort(session, key, words, may_store=False)
