"""What requests do to strings, to hashes, and to keys whatever they hold."""

from __future__ import annotations

from typing import Any

from tests.generated.models.keyspace import Entry, Keys, RefusedError, integer


def halves(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        raise RefusedError from None


# Strings


def set_(model: Keys, key: bytes, value: bytes, option: bytes = b"", milliseconds: bytes = b"") -> Any:
    old = model.get(key)
    if option == b"NX" and old:
        return None
    expires = model.after(int(milliseconds)) if option == b"PX" else None
    if option == b"KEEPTTL" and old:
        expires = old.expires
    model.put(key, Entry(value, expires))
    return b"OK"


def mset(model: Keys, *pairs: bytes) -> Any:
    for key, value in zip(pairs[::2], pairs[1::2]):
        model.put(key, Entry(value))
    return b"OK"


def append(model: Keys, key: bytes, more: bytes) -> Any:
    value = (model.held(key, bytes) or b"") + more
    model.change(key, value)
    return len(value)


def setrange(model: Keys, key: bytes, offset: bytes, piece: bytes) -> Any:
    value = model.held(key, bytes) or b""
    start = int(offset)
    value = value[:start].ljust(start, b"\0") + piece + value[start + len(piece) :]
    model.change(key, value)
    return len(value)


def setbit(model: Keys, key: bytes, offset: bytes, bit: bytes) -> Any:
    value = model.held(key, bytes) or b""
    place, mask = int(offset) // 8, 0x80 >> int(offset) % 8
    value = value.ljust(place + 1, b"\0")
    old = value[place]
    new = old | mask if bit == b"1" else old & ~mask
    model.change(key, value[:place] + bytes([new]) + value[place + 1 :])
    return int(bool(old & mask))


def incr(model: Keys, key: bytes) -> Any:
    number = integer(model.held(key, bytes) or b"0") + 1
    model.change(key, b"%d" % number)
    return number


def incrbyfloat(model: Keys, key: bytes, step: bytes) -> Any:
    """Add a half, which floats of all kinds do alike."""
    number = b"%g" % (halves(model.held(key, bytes) or b"0") + halves(step))
    model.change(key, number)
    return number


def getdel(model: Keys, key: bytes) -> Any:
    value = model.held(key, bytes)
    if value is not None:
        model.put(key, None)
    return value


def getex(model: Keys, key: bytes, option: bytes, milliseconds: bytes = b"") -> Any:
    value = model.held(key, bytes)
    if value is not None:
        model.put(key, Entry(value, model.after(int(milliseconds)) if option == b"PX" else None))
    return value


# Hashes


def hset(model: Keys, key: bytes, *pairs: bytes) -> Any:
    fields = model.held(key, dict) or {}
    new = {**fields, **dict(zip(pairs[::2], pairs[1::2]))}
    model.change(key, new)
    return len(new) - len(fields)


def hdel(model: Keys, key: bytes, *names: bytes) -> Any:
    fields = dict(model.held(key, dict) or {})
    gone = [fields.pop(name) for name in names if name in fields]
    model.change(key, fields)
    return len(gone)


def hincrby(model: Keys, key: bytes, name: bytes, step: bytes) -> Any:
    fields = model.held(key, dict) or {}
    number = integer(fields.get(name, b"0")) + int(step)
    model.change(key, {**fields, name: b"%d" % number})
    return number


# Keys


def del_(model: Keys, *keys: bytes) -> Any:
    there = {key for key in keys if model.get(key)}
    for key in there:
        model.put(key, None)
    return len(there)


def rename(model: Keys, key: bytes, new: bytes) -> Any:
    entry = model.get(key)
    if entry is None:
        raise RefusedError
    model.put(key, None)
    model.put(new, entry)
    return b"OK"


def renamenx(model: Keys, key: bytes, new: bytes) -> Any:
    if model.get(key) is None:
        raise RefusedError
    if model.get(new) is not None:
        return 0
    rename(model, key, new)
    return 1


def move(model: Keys, key: bytes, database: bytes) -> Any:
    entry, other = model.get(key), int(database)
    if other == model.database:
        raise RefusedError
    if entry is None or (other, key) in model.keys:
        return 0
    model.put(key, None)
    model.put(key, entry, other)
    return 1


def copy(model: Keys, key: bytes, new: bytes, _: bytes, database: bytes, option: bytes = b"") -> Any:
    entry, other = model.get(key), int(database)
    if (other, new) == (model.database, key):
        raise RefusedError
    if entry is None or ((other, new) in model.keys and option != b"REPLACE"):
        return 0
    model.put(new, entry, other)
    return 1


def swapdb(model: Keys, one: bytes, other: bytes) -> Any:
    places = {int(one): int(other), int(other): int(one)}
    moved = {place: model.keys.pop(place) for place in list(model.keys) if place[0] in places}
    model.touched.update(moved)
    for (database, key), entry in moved.items():
        model.put(key, entry, places[database])
    return b"OK"


def flushdb(model: Keys) -> Any:
    for database, key in list(model.keys):
        if database == model.database:
            model.put(key, None)
    return b"OK"


def persist(model: Keys, key: bytes) -> Any:
    entry = model.get(key)
    if entry is None or entry.expires is None:
        return 0
    model.put(key, Entry(entry.value))
    return 1


def expire(model: Keys, key: bytes, seconds: bytes) -> Any:
    entry = model.get(key)
    if entry is not None:
        gone = int(seconds) < 0
        model.put(key, None if gone else Entry(entry.value, model.after(int(seconds) * 1000)))
    return int(entry is not None)


def pexpireat(model: Keys, key: bytes, date: bytes) -> Any:
    entry = model.get(key)
    if entry is not None:
        model.put(key, Entry(entry.value, (int(date), int(date))))
    return int(entry is not None)
