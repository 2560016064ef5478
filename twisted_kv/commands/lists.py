"""Commands on values that are lists: sequences of elements, with a head and a tail."""

from __future__ import annotations

from typing import Final, Sequence

import attrs

from twisted_kv.commands.counts import MultiplePop, positive_or_zero
from twisted_kv.declaring.arguments import Arguments, half_open, integer, timeout
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, counted, every, first, second
from twisted_kv.sessions.session import Session
from twisted_kv.values.lists import List
from twisted_kv.vocabulary.errors import SYNTAX, ArityError, CommandError, c_string
from twisted_kv.vocabulary.numbers import INT64_MAX
from twisted_kv.vocabulary.replies import NULL_ARRAY, OK, Reply
from twisted_kv.vocabulary.waiting import Block

lists = Group("list", category="list")

_EMPTY: Final = List()


def _to_read(session: Session, key: bytes) -> List:
    """Return the list of a key for reading; a shared empty list, which must not be changed, if there is none."""
    elements = session.db.read_as(key, List)
    return _EMPTY if elements is None else elements


def _push(session: Session, key: bytes, elements: Sequence[bytes], *, left: bool) -> int:
    target = session.db.edit_or_make(key, List)
    for element in elements:
        if left:
            target.append_left(element)
        else:
            target.append(element)
    session.db.changed(key, len(elements), event=b"lpush" if left else b"rpush")
    return len(target)


@lists.command(
    "LPUSH",
    since="1.0.0",
    flags="write denyoom fast",
    keys=first("RW insert"),
    tells_after="lpush",
)
def lpush(session: Session, key: bytes, element: bytes, *more: bytes) -> Reply:
    """Insert elements at the head of a list, one after the other, and return its new length."""
    return _push(session, key, (element, *more), left=True)


@lists.command(
    "RPUSH",
    since="1.0.0",
    flags="write denyoom fast",
    keys=first("RW insert"),
    tells_after="rpush",
)
def rpush(session: Session, key: bytes, element: bytes, *more: bytes) -> Reply:
    """Append elements to the tail of a list, and return its new length."""
    return _push(session, key, (element, *more), left=False)


@lists.command(
    "LPUSHX",
    since="2.2.0",
    flags="write denyoom fast",
    keys=first("RW insert"),
    tells_after="lpush",
)
def lpushx(session: Session, key: bytes, element: bytes, *more: bytes) -> Reply:
    """Insert elements at the head of a list, if the list exists, and return its new length."""
    if session.db.lookup_as(key, List) is None:
        return 0
    return _push(session, key, (element, *more), left=True)


@lists.command(
    "RPUSHX",
    since="2.2.0",
    flags="write denyoom fast",
    keys=first("RW insert"),
    tells_after="rpush",
)
def rpushx(session: Session, key: bytes, element: bytes, *more: bytes) -> Reply:
    """Append elements to the tail of a list, if the list exists, and return its new length."""
    if session.db.lookup_as(key, List) is None:
        return 0
    return _push(session, key, (element, *more), left=False)


@lists.command(
    "LINSERT",
    since="2.2.0",
    flags="write denyoom",
    keys=first("RW insert"),
    complexity="O(N)",
)
def linsert(session: Session, key: bytes, where: bytes, pivot: bytes, element: bytes) -> Reply:
    """Insert an element before or after another in a list, and return its new length, or -1 without the other."""
    side = c_string(where).upper()
    if side not in (b"BEFORE", b"AFTER"):
        raise CommandError(SYNTAX)
    elements = session.db.edit(key, List)
    if elements is None:
        return 0
    index = elements.index(pivot)
    if index is None:
        return -1
    index += side == b"AFTER"
    if index == len(elements):
        elements.append(element)
    else:
        elements.insert(index, element)
    session.db.changed(key, event=b"linsert")
    return len(elements)


@lists.command(
    "LLEN",
    since="1.0.0",
    flags="readonly fast",
    keys=first("RO"),
)
def llen(session: Session, key: bytes) -> Reply:
    """Return the length of a list."""
    return len(_to_read(session, key))


def _index(elements: List, argument: bytes) -> int | None:
    """Parse an index, which counts from the tail if negative; returns None if it is out of range."""
    index = integer(argument)
    index = index + len(elements) if index < 0 else index
    return index if 0 <= index < len(elements) else None


@lists.command(
    "LINDEX",
    since="1.0.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def lindex(session: Session, key: bytes, index: bytes) -> Reply:
    """Return the element at an index of a list."""
    elements = session.db.read_as(key, List)
    if elements is None:
        return None
    position = _index(elements, index)
    return None if position is None else elements.get(position)


@lists.command(
    "LSET",
    since="1.0.0",
    flags="write denyoom",
    keys=first("RW update"),
    complexity="O(N)",
    tells_after="lset",
)
def lset(session: Session, key: bytes, index: bytes, element: bytes) -> Reply:
    """Set the element at an index of a list."""
    elements = session.db.edit(key, List)
    if elements is None:
        raise CommandError("no such key")
    position = _index(elements, index)
    if position is None:
        raise CommandError("index out of range")
    elements.replace(position, element)
    session.db.changed(key, event=b"lset")
    return OK


@lists.command(
    "LRANGE",
    since="1.0.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(S+N)",
)
def lrange(session: Session, key: bytes, start: bytes, stop: bytes) -> Reply:
    """Return the elements in an index range of a list."""
    begin, end = integer(start), integer(stop)
    elements = _to_read(session, key)
    begin, end = half_open(begin, end, len(elements))
    return elements.slice(begin, end)


@lists.command(
    "LTRIM",
    since="1.0.0",
    flags="write",
    keys=first("RW delete"),
    complexity="O(N)",
)
def ltrim(session: Session, key: bytes, start: bytes, stop: bytes) -> Reply:
    """Remove all elements of a list outside an index range."""
    begin, end = integer(start), integer(stop)
    elements = session.db.edit(key, List)
    if elements is not None:
        begin, end = half_open(begin, end, len(elements))
        removed = elements.keep(begin, end)
        session.db.changed(key, removed, event=b"ltrim")  # even if nothing was removed, watchers must be notified
    return OK


@lists.command(
    "LREM",
    since="1.0.0",
    flags="write",
    keys=first("RW delete"),
    complexity="O(N+M)",
)
def lrem(session: Session, key: bytes, count: bytes, element: bytes) -> Reply:
    """Remove up to a count of equal elements from the head of a list, from the tail if negative, or all if 0."""
    limit = integer(count)
    elements = session.db.edit(key, List)
    if elements is None:
        return 0
    removed = elements.remove(element, limit)
    if removed:
        session.db.changed(key, removed, event=b"lrem")
    return removed


@attrs.define
class PositionOptions:
    """The options of LPOS."""

    rank: int = 1
    count: int | None = None
    most: int = 0

    @classmethod
    def parse(cls, words: Sequence[bytes]) -> PositionOptions:
        """Parse RANK, COUNT and MAXLEN."""
        options = cls()
        arguments = Arguments(words)
        while arguments:
            option = arguments.option()
            if option == b"RANK" and arguments:
                options.rank = arguments.integer()
                if not options.rank:
                    raise CommandError(
                        "RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
                        "or use negative to start from the end of the list"
                    )
            elif option == b"COUNT" and arguments:
                options.count = positive_or_zero(arguments.word(), "COUNT can't be negative")
            elif option == b"MAXLEN" and arguments:
                options.most = positive_or_zero(arguments.word(), "MAXLEN can't be negative")
            else:
                raise CommandError(SYNTAX)
        return options


@lists.command(
    "LPOS",
    since="6.0.6",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def lpos(session: Session, key: bytes, element: bytes, *words: bytes) -> Reply:
    """Return the index of an element in a list, or several indexes with COUNT."""
    options = PositionOptions.parse(words)
    elements = session.db.read_as(key, List)
    found: list[int] = []
    if elements is not None:
        wanted = 1 if options.count is None else options.count or len(elements)
        backward = options.rank < 0
        to_skip = abs(options.rank) - 1 if abs(options.rank) <= INT64_MAX else 0  # C cannot negate -2**63: skips none
        for index, each in enumerate(reversed(elements) if backward else elements):
            if options.most and index >= options.most:
                break
            if each != element:
                continue
            if to_skip:
                to_skip -= 1
                continue
            found.append(len(elements) - 1 - index if backward else index)
            if len(found) == wanted:
                break
    if options.count is not None:
        return found
    return found[0] if found else None


# Removing elements


def _pop_elements(session: Session, key: bytes, count: int, *, left: bool) -> list[bytes]:
    """Remove up to `count` elements from one end of an existing list, and return them."""
    elements = session.db.edit(key, List)
    assert elements is not None
    event = b"lpop" if left else b"rpop"
    if count >= len(elements):
        popped = list(elements) if left else list(reversed(elements))
        session.db.emptied(key, len(popped), event)
        return popped
    popped = [elements.pop_left() if left else elements.pop() for _ in range(count)]
    session.db.changed(key, count, event=event)
    return popped


def _pop(session: Session, key: bytes, arguments: tuple[bytes, ...], *, left: bool) -> Reply:
    if len(arguments) > 1:
        raise ArityError("lpop" if left else "rpop")
    count = positive_or_zero(arguments[0]) if arguments else None
    elements = session.db.lookup_as(key, List)
    if elements is None:
        return None if count is None else NULL_ARRAY
    if count is None:
        return _pop_elements(session, key, 1, left=left)[0]
    return _pop_elements(session, key, count, left=left) if count else []


@lists.command(
    "LPOP",
    since="1.0.0",
    flags="write fast",
    keys=first("RW access delete"),
    complexity="O(N)",
    tells_after="lpop del",
)
def lpop(session: Session, key: bytes, *words: bytes) -> Reply:
    """Remove and return the element at the head of a list, or several with a count."""
    return _pop(session, key, words, left=True)


@lists.command(
    "RPOP",
    since="1.0.0",
    flags="write fast",
    keys=first("RW access delete"),
    complexity="O(N)",
    tells_after="rpop del",
)
def rpop(session: Session, key: bytes, *words: bytes) -> Reply:
    """Remove and return the element at the tail of a list, or several with a count."""
    return _pop(session, key, words, left=False)


def _is_left(argument: bytes) -> bool:
    """Parse the name of an end: LEFT or RIGHT."""
    side = c_string(argument).upper()
    if side not in (b"LEFT", b"RIGHT"):
        raise CommandError(SYNTAX)
    return side == b"LEFT"


def _move(session: Session, source: bytes, target: bytes, from_left: bool, to_left: bool) -> bytes | None:
    """Move an element from one end of a list to an end of another, or of the same list; None if there is no source."""
    elements = session.db.edit(source, List)
    if elements is None:
        return None
    session.db.lookup_as(target, List)  # check the type of the target before anything is removed
    if source == target:  # the key must not be deleted meanwhile
        element = elements.pop_left() if from_left else elements.pop()
        _push(session, target, (element,), left=to_left)
        session.db.tell(b"lpop" if from_left else b"rpop", source)
    else:  # what happened is reported in this order
        element = elements.get(0 if from_left else len(elements) - 1)
        _push(session, target, (element,), left=to_left)
        _pop_elements(session, source, 1, left=from_left)
    return element


@lists.command(
    "LMOVE",
    since="6.2.0",
    flags="write denyoom",
    keys=first("RW access delete") + second("RW insert"),
    tells_after="lpop rpop del",
)
def lmove(session: Session, source: bytes, destination: bytes, source_side: bytes, target_side: bytes) -> Reply:
    """Move an element from one end of a list to an end of another list, and return it."""
    return _move(session, source, destination, _is_left(source_side), _is_left(target_side))


@lists.command(
    "RPOPLPUSH",
    since="1.2.0",
    flags="write denyoom",
    keys=first("RW access delete") + second("RW insert"),
    doc_flags="deprecated",
    tells_after="lpop rpop del",
)
def rpoplpush(session: Session, source: bytes, destination: bytes) -> Reply:
    """Move the element at the tail of a list to the head of another list, and return it."""
    return _move(session, source, destination, False, True)


_ENDS: Final = (b"LEFT", b"RIGHT")


def _pop_first(session: Session, pop: MultiplePop) -> Reply:
    """Remove elements from the first list that exists, and return its key with them; None if no list exists."""
    left = pop.end == b"LEFT"
    for key in pop.keys:
        if session.db.lookup_as(key, List) is not None:
            popped = _pop_elements(session, key, pop.count, left=left)
            session.journal(b"LPOP" if left else b"RPOP", key, b"%d" % len(popped))
            return [key, popped]
    return None


@lists.command(
    "LMPOP",
    since="7.0.0",
    flags="write movablekeys",
    keys=counted("RW access delete"),
    complexity="O(N+M)",
    tells_after="lpop rpop del",
)
def lmpop(session: Session, numkeys: bytes, key: bytes, where: bytes, *words: bytes) -> Reply:
    """Remove elements from the first of several lists that exists, and return its key with the elements."""
    reply = _pop_first(session, MultiplePop.parse((numkeys, key, where, *words), _ENDS))
    return NULL_ARRAY if reply is None else reply


# Waiting for elements


@lists.command(
    "BLMPOP",
    since="7.0.0",
    flags="write blocking movablekeys",
    keys=counted("RW access delete", 2),
    complexity="O(N+M)",
    lasting=Lasting.SESSION,
    tells_after="lpop rpop del",
)
def blmpop(session: Session, seconds: bytes, numkeys: bytes, key: bytes, where: bytes, *words: bytes) -> Reply:
    """Remove elements from the first of several lists as LMPOP does, but wait for one if none exists."""
    pop = MultiplePop.parse((numkeys, key, where, *words), _ENDS)
    milliseconds = timeout(seconds)
    reply = _pop_first(session, pop)
    return pop.block(List, milliseconds) if reply is None else reply


def _blocking_pop(session: Session, arguments: Sequence[bytes], *, left: bool) -> Reply:
    *keys, seconds = arguments
    milliseconds = timeout(seconds)
    for key in keys:
        if session.db.lookup_as(key, List) is not None:
            [element] = _pop_elements(session, key, 1, left=left)
            session.journal(b"LPOP" if left else b"RPOP", key)
            return [key, element]
    return Block(keys, List, milliseconds, lambda ready: (ready, b"0"), NULL_ARRAY)


@lists.command(
    "BLPOP",
    since="2.0.0",
    flags="write noscript blocking",
    keys=every("RW access delete", last=-2),
    complexity="O(N)",
    lasting=Lasting.SESSION,
    tells_after="lpop del",
)
def blpop(session: Session, key: bytes, seconds: bytes, *words: bytes) -> Reply:
    """Remove and return the head of the first of several lists that exists; wait for one if none does."""
    return _blocking_pop(session, (key, seconds, *words), left=True)


@lists.command(
    "BRPOP",
    since="2.0.0",
    flags="write noscript blocking",
    keys=every("RW access delete", last=-2),
    complexity="O(N)",
    lasting=Lasting.SESSION,
    tells_after="rpop del",
)
def brpop(session: Session, key: bytes, seconds: bytes, *words: bytes) -> Reply:
    """Remove and return the tail of the first of several lists that exists; wait for one if none does."""
    return _blocking_pop(session, (key, seconds, *words), left=False)


@lists.command(
    "BLMOVE",
    since="6.2.0",
    flags="write denyoom noscript blocking",
    keys=first("RW access delete") + second("RW insert"),
    lasting=Lasting.SESSION,
    tells_after="lpop rpop del",
)
def blmove(
    session: Session, source: bytes, destination: bytes, source_side: bytes, target_side: bytes, seconds: bytes
) -> Reply:
    """Move an element between lists as LMOVE does, but wait for the source list if it does not exist."""
    from_left, to_left = _is_left(source_side), _is_left(target_side)
    milliseconds = timeout(seconds)
    element = _move(session, source, destination, from_left, to_left)
    if element is None:
        again = source, destination, source_side, target_side, b"0"
        return Block((source,), List, milliseconds, lambda _: again, None)
    session.journal(b"LMOVE", source, destination, source_side, target_side)
    return element


@lists.command(
    "BRPOPLPUSH",
    since="2.2.0",
    flags="write denyoom noscript blocking",
    keys=first("RW access delete") + second("RW insert"),
    doc_flags="deprecated",
    lasting=Lasting.SESSION,
    tells_after="lpop rpop del",
)
def brpoplpush(session: Session, source: bytes, destination: bytes, seconds: bytes) -> Reply:
    """Move an element between lists as RPOPLPUSH does, but wait for the source list if it does not exist."""
    milliseconds = timeout(seconds)
    element = _move(session, source, destination, False, True)
    if element is None:
        return Block((source,), List, milliseconds, lambda _: (source, destination, b"0"), None)
    session.journal(b"RPOPLPUSH", source, destination)
    return element
