"""What requests do to streams and their groups."""

from __future__ import annotations

from typing import Any

from tests.generated.models.keyspace import SLACK, UNKNOWN, Group, Id, Keys, Pending, RefusedError, Streamed

NOTHING = Streamed({}, (0, 0), (0, 0), 0, {})


def identity(text: bytes) -> Id:
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number)


def written(entry_id: Id) -> bytes:
    return b"%d-%d" % entry_id


def _shown(stream: Streamed, ids: list[Id]) -> list[Any]:
    return [[written(each), list(stream.entries[each])] for each in ids]


def xadd(model: Keys, key: bytes, *words: bytes) -> Any:
    """Append an entry, `XADD key [MAXLEN n] id field value ...`; an identity is `*` or `milliseconds-*`."""
    stream = model.held(key, Streamed) or NOTHING
    most = None
    if words[0] == b"MAXLEN":
        most, words = int(words[1]), words[2:]
    new = _next_id(model, key, stream, words[0])
    entries = {**stream.entries, new: words[1:]}
    entries = dict(list(entries.items())[-most:] if most else entries)
    model.change(key, stream._replace(entries=entries, last=new, added=stream.added + 1))
    return written(new)


def _next_id(model: Keys, key: bytes, stream: Streamed, wish: bytes) -> Id:
    last = stream.last
    if wish != b"*":
        milliseconds = int(wish.partition(b"-")[0])
        if milliseconds < last[0]:
            raise RefusedError
    elif last[0] > model.now[1] + SLACK:
        milliseconds = last[0]
    else:
        return _chosen_id(model, key, last)
    return (milliseconds, last[1] + 1 if milliseconds == last[0] else 0)


def _chosen_id(model: Keys, key: bytes, last: Id) -> Id:
    """Give the identity that the server took from its clock: as it said, or else as it was found."""
    found = model.found_at(key, Streamed) or NOTHING
    new = found.last if model.reply is UNKNOWN else identity(model.reply)
    is_possible = new > last and model.now[0] - SLACK <= new[0] <= model.now[1] + SLACK
    return new if is_possible else (model.now[1] + SLACK, 0)


def xdel(model: Keys, key: bytes, *ids: bytes) -> Any:
    stream = model.held(key, Streamed)
    gone = {identity(each) for each in ids} & (stream.entries.keys() if stream else set())
    if stream is not None and gone:
        entries = {each: fields for each, fields in stream.entries.items() if each not in gone}
        model.change(key, stream._replace(entries=entries, deleted=max(stream.deleted, *gone)))
    return len(gone)


def xtrim(model: Keys, key: bytes, _: bytes, length: bytes) -> Any:
    stream = model.held(key, Streamed)
    if stream is None:
        return 0
    kept = list(stream.entries.items())[max(len(stream.entries) - int(length), 0) :]
    model.change(key, stream._replace(entries=dict(kept)))
    return len(stream.entries) - len(kept)


def xsetid(model: Keys, key: bytes, last: bytes) -> Any:
    stream = model.held(key, Streamed)
    if stream is None or (stream.entries and identity(last) < max(stream.entries)):
        raise RefusedError
    model.change(key, stream._replace(last=identity(last)))
    return b"OK"


# Groups


def _grouped(model: Keys, key: bytes, name: bytes) -> tuple[Streamed, Group]:
    stream = model.held(key, Streamed)
    if stream is None or name not in stream.groups:
        raise RefusedError
    return stream, stream.groups[name]


def _put_group(model: Keys, key: bytes, name: bytes, group: Group | None) -> None:
    stream = model.held(key, Streamed) or NOTHING
    groups = {each: known for each, known in stream.groups.items() if each != name}
    if group is not None:
        groups[name] = group
    model.change(key, stream._replace(groups=groups))


def xgroup(model: Keys, action: bytes, key: bytes, name: bytes, *words: bytes) -> Any:
    return ACTIONS[action](model, key, name, *words)


def _create(model: Keys, key: bytes, name: bytes, start: bytes, _: bytes) -> Any:
    stream = model.held(key, Streamed) or NOTHING
    if name in stream.groups:
        raise RefusedError
    _put_group(model, key, name, Group(stream.last if start == b"$" else (0, 0), frozenset(), {}))
    return b"OK"


def _destroy(model: Keys, key: bytes, name: bytes) -> Any:
    stream = model.held(key, Streamed)
    if stream is None:
        raise RefusedError
    if name in stream.groups:
        _put_group(model, key, name, None)
    return int(name in stream.groups)


def _set_id(model: Keys, key: bytes, name: bytes, start: bytes) -> Any:
    stream, group = _grouped(model, key, name)
    _put_group(model, key, name, group._replace(last=stream.last if start == b"$" else (0, 0)))
    return b"OK"


def _create_consumer(model: Keys, key: bytes, name: bytes, consumer: bytes) -> Any:
    _, group = _grouped(model, key, name)
    _put_group(model, key, name, group._replace(consumers=group.consumers | {consumer}))
    return int(consumer not in group.consumers)


def _delete_consumer(model: Keys, key: bytes, name: bytes, consumer: bytes) -> Any:
    _, group = _grouped(model, key, name)
    kept = {entry_id: each for entry_id, each in group.pending.items() if each.consumer != consumer}
    _put_group(model, key, name, group._replace(consumers=group.consumers - {consumer}, pending=kept))
    return len(group.pending) - len(kept)


ACTIONS = {
    b"CREATE": _create,
    b"DESTROY": _destroy,
    b"SETID": _set_id,
    b"CREATECONSUMER": _create_consumer,
    b"DELCONSUMER": _delete_consumer,
}


def xreadgroup(model: Keys, _: bytes, name: bytes, consumer: bytes, *words: bytes) -> Any:
    """Deliver what is new, `XREADGROUP GROUP name consumer COUNT|BLOCK n [NOACK] STREAMS key >`."""
    key = words[-2]
    stream, group = _grouped(model, key, name)
    new = sorted(each for each in stream.entries if each > group.last)
    if words[0] == b"COUNT":
        new = new[: int(words[1])]
    if not new:
        return None
    given = {} if b"NOACK" in words[:-2] else {each: Pending(consumer, model.now, 1) for each in new}
    pending = {**group.pending, **given}
    _put_group(model, key, name, Group(new[-1], group.consumers | {consumer}, pending))
    return [[key, _shown(stream, new)]]


def xack(model: Keys, key: bytes, name: bytes, *ids: bytes) -> Any:
    stream = model.held(key, Streamed)
    if stream is None or name not in stream.groups:
        return 0
    group, known = stream.groups[name], {identity(each) for each in ids}
    pending = {entry_id: each for entry_id, each in group.pending.items() if entry_id not in known}
    _put_group(model, key, name, group._replace(pending=pending))
    return len(group.pending) - len(pending)


def xclaim(model: Keys, key: bytes, name: bytes, consumer: bytes, _: bytes, *ids: bytes) -> Any:
    """Have pending entries be another's; those that are no more in the stream are forgotten."""
    stream, group = _grouped(model, key, name)
    wanted = [each for each in map(identity, ids) if each in group.pending]
    taken, _ = _take_over(model, key, name, consumer, wanted)
    return _shown(stream, taken)


def xautoclaim(model: Keys, key: bytes, name: bytes, consumer: bytes, _: bytes, _start: bytes) -> Any:
    """Claim all that is pending; the consumer is known from then on."""
    stream, group = _grouped(model, key, name)
    taken, gone = _take_over(model, key, name, consumer, sorted(group.pending))
    return [b"0-0", _shown(stream, taken), [written(each) for each in gone]]


def _take_over(model: Keys, key: bytes, name: bytes, consumer: bytes, wanted: list[Id]) -> tuple[list[Id], list[Id]]:
    stream, group = _grouped(model, key, name)
    taken = [each for each in wanted if each in stream.entries]
    gone = [each for each in wanted if each not in stream.entries]
    pending = {entry_id: each for entry_id, each in group.pending.items() if entry_id not in gone}
    for entry_id in taken:
        pending[entry_id] = Pending(consumer, model.now, pending[entry_id].count + 1)
    consumers = group.consumers | ({consumer} if taken else set())
    _put_group(model, key, name, group._replace(consumers=consumers, pending=pending))
    return taken, gone
