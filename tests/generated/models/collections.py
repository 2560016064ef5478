"""What requests do to lists, sets and sorted sets.

Who waits for a key is told as if it had come when there was something for it.
"""

from __future__ import annotations

from typing import Any

from tests.generated.models.keyspace import UNKNOWN, Entry, Keys, Ranked, RefusedError

LEFT = b"LEFT"

# Lists


def _push(model: Keys, key: bytes, elements: tuple[bytes, ...], at_left: bool) -> Any:
    row = model.held(key, list) or []
    new = [*reversed(elements), *row] if at_left else [*row, *elements]
    model.change(key, new)
    return len(new)


def rpush(model: Keys, key: bytes, *elements: bytes) -> Any:
    return _push(model, key, elements, False)


def lpush(model: Keys, key: bytes, *elements: bytes) -> Any:
    return _push(model, key, elements, True)


def lpushx(model: Keys, key: bytes, element: bytes) -> Any:
    return lpush(model, key, element) if model.held(key, list) else 0


def _pop(model: Keys, key: bytes, at_left: bool, count: int) -> list[bytes]:
    """Take elements off a list that is there, the outermost first."""
    row = model.held(key, list)
    if row is None:
        raise AssertionError("nothing is there to be taken")
    taken = row[:count] if at_left else row[::-1][:count]
    model.change(key, row[count:] if at_left else row[: max(len(row) - count, 0)])
    return taken


def _popped(model: Keys, key: bytes, at_left: bool, count: bytes) -> Any:
    if model.held(key, list) is None:
        return None
    taken = _pop(model, key, at_left, int(count or 1))
    return taken if count else taken[0]


def lpop(model: Keys, key: bytes, count: bytes = b"") -> Any:
    return _popped(model, key, True, count)


def rpop(model: Keys, key: bytes, count: bytes = b"") -> Any:
    return _popped(model, key, False, count)


def lmove(model: Keys, key: bytes, other: bytes, source: bytes, target: bytes, _: bytes = b"") -> Any:
    row = model.held(key, list)
    if row is None:
        return None
    if key == other:  # it does not go in between
        element = row[0 if source == LEFT else -1]
        rest = row[1:] if source == LEFT else row[:-1]
        model.change(key, [element, *rest] if target == LEFT else [*rest, element])
        return element
    model.held(other, list)
    [element] = _pop(model, key, source == LEFT, 1)
    _push(model, other, (element,), target == LEFT)
    return element


def ltrim(model: Keys, key: bytes, start: bytes, end: bytes) -> Any:
    """Keep a range of places that count from the left."""
    row = model.held(key, list)
    if row is not None:
        model.change(key, row[int(start) : int(end) + 1])
    return b"OK"


def lset(model: Keys, key: bytes, index: bytes, element: bytes) -> Any:
    row = model.held(key, list)
    if row is None or int(index) >= len(row):
        raise RefusedError
    model.change(key, [*row[: int(index)], element, *row[int(index) + 1 :]])
    return b"OK"


def linsert(model: Keys, key: bytes, _: bytes, pivot: bytes, element: bytes) -> Any:
    """Insert an element before another."""
    row = model.held(key, list)
    if row is None:
        return 0
    if pivot not in row:
        return -1
    place = row.index(pivot)
    model.change(key, [*row[:place], element, *row[place:]])
    return len(row) + 1


def lrem(model: Keys, key: bytes, _: bytes, element: bytes) -> Any:
    """Remove all elements that are alike."""
    row = model.held(key, list) or []
    model.change(key, [each for each in row if each != element])
    return row.count(element)


def blpop(model: Keys, key: bytes, _: bytes) -> Any:
    return [key, *_pop(model, key, True, 1)]


def brpop(model: Keys, key: bytes, _: bytes) -> Any:
    return [key, *_pop(model, key, False, 1)]


blmove = lmove


def blmpop(model: Keys, _: bytes, _numkeys: bytes, key: bytes, end: bytes, _count: bytes, count: bytes) -> Any:
    return [key, _pop(model, key, end == LEFT, int(count))]


# Sets


def sadd(model: Keys, key: bytes, *members: bytes) -> Any:
    before = model.held(key, set) or set()
    model.change(key, before | set(members))
    return len(set(members) - before)


def srem(model: Keys, key: bytes, *members: bytes) -> Any:
    before = model.held(key, set) or set()
    model.change(key, before - set(members))
    return len(before & set(members))


def smove(model: Keys, key: bytes, other: bytes, member: bytes) -> Any:
    source = model.held(key, set)
    if source is None:
        return 0
    target = model.held(other, set) or set()
    if member not in source:
        return 0
    if key != other:
        model.change(key, source - {member})
        model.change(other, target | {member})
    return 1


def spop(model: Keys, key: bytes, count: bytes = b"") -> Any:
    """Remove members that the server chooses: those that it named, or else those that were not found."""
    members = model.held(key, set)
    if members is None:
        return [] if count else None
    number = min(int(count or 1), len(members))
    if model.reply is UNKNOWN:
        gone = members - (model.found_at(key, set) or set())
        if len(gone) != number:
            gone = set(sorted(members)[:number])
    else:
        gone = set(model.reply) if count else {model.reply}
        if len(gone) != number or not gone <= members:
            return b"some of the members"
    model.change(key, members - gone)
    return model.reply


def sunionstore(model: Keys, key: bytes, *others: bytes) -> Any:
    return _stored(model, key, set().union(*[model.held(each, set) or set() for each in others]))


def sdiffstore(model: Keys, key: bytes, *others: bytes) -> Any:
    first, *rest = [model.held(each, set) or set() for each in others]
    return _stored(model, key, first.difference(*rest))


def _stored(model: Keys, key: bytes, value: Any) -> Any:
    model.put(key, Entry(value))
    return len(value)


# Sorted sets


def zadd(model: Keys, key: bytes, option: bytes, *pairs: bytes) -> Any:
    """Set scores; CH counts those that are changed too, and NX, XX, GT, LT limit which are."""
    scores = model.held(key, Ranked) or Ranked()
    new = Ranked(scores)
    for text, member in zip(pairs[::2], pairs[1::2]):
        score, old = float(text), new.get(member)
        allowed = {b"NX": old is None, b"XX": old is not None, b"CH": True}
        allowed.update({b"GT": old is None or score > old, b"LT": old is None or score < old})
        if allowed[option]:
            new[member] = score
    model.change(key, new)
    changed = [member for member, score in new.items() if scores.get(member) != score]
    return len(changed) if option == b"CH" else len(new) - len(scores)


def zincrby(model: Keys, key: bytes, step: bytes, member: bytes) -> Any:
    scores = Ranked(model.held(key, Ranked) or {})
    scores[member] = scores.get(member, 0.0) + float(step)
    model.change(key, scores)
    return b"%g" % scores[member]


def zrem(model: Keys, key: bytes, *members: bytes) -> Any:
    return len(_removed(model, key, set(members)))


def _removed(model: Keys, key: bytes, members: set[bytes]) -> set[bytes]:
    scores = model.held(key, Ranked) or Ranked()
    model.change(key, Ranked({each: score for each, score in scores.items() if each not in members}))
    return members & scores.keys()


def _in_order(scores: Ranked) -> list[bytes]:
    return sorted(scores, key=lambda member: (scores[member], member))


def zremrangebyscore(model: Keys, key: bytes, least: bytes, most: bytes) -> Any:
    scores = model.held(key, Ranked) or Ranked()
    return len(_removed(model, key, {each for each, score in scores.items() if float(least) <= score <= float(most)}))


def zremrangebyrank(model: Keys, key: bytes, start: bytes, end: bytes) -> Any:
    scores = model.held(key, Ranked) or Ranked()
    return len(_removed(model, key, set(_in_order(scores)[int(start) : int(end) + 1])))


def _outermost(model: Keys, key: bytes, is_least: bool, count: int) -> list[list[bytes]]:
    """Take members off, with their scores."""
    scores = model.held(key, Ranked) or Ranked()
    order = _in_order(scores)
    taken = order[:count] if is_least else order[::-1][:count]
    _removed(model, key, set(taken))
    return [[member, b"%g" % scores[member]] for member in taken]


def zpopmin(model: Keys, key: bytes, count: bytes) -> Any:
    return [word for pair in _outermost(model, key, True, int(count)) for word in pair]


def zpopmax(model: Keys, key: bytes, count: bytes) -> Any:
    return [word for pair in _outermost(model, key, False, int(count)) for word in pair]


def bzpopmin(model: Keys, key: bytes, _: bytes) -> Any:
    return [key, *_outermost(model, key, True, 1)[0]]


def bzpopmax(model: Keys, key: bytes, _: bytes) -> Any:
    return [key, *_outermost(model, key, False, 1)[0]]


def bzmpop(model: Keys, _: bytes, _numkeys: bytes, key: bytes, end: bytes, _count: bytes, count: bytes) -> Any:
    return [key, _outermost(model, key, end == b"MIN", int(count))]


def zunionstore(model: Keys, key: bytes, _: bytes, *others: bytes) -> Any:
    """Add scores up, which are 1 for members of sets."""
    union = Ranked()
    for each in others:
        entry = model.get(each)
        value = dict.fromkeys(entry.value, 1.0) if entry and isinstance(entry.value, set) else model.held(each, Ranked)
        for member, score in (value or {}).items():
            union[member] = union.get(member, 0.0) + score
    return _stored(model, key, union)


def zrangestore(model: Keys, key: bytes, source: bytes, start: bytes, end: bytes) -> Any:
    scores = model.held(source, Ranked) or Ranked()
    kept = _in_order(scores)[int(start) : int(end) + 1]
    return _stored(model, key, Ranked({member: scores[member] for member in kept}))
