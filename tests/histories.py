"""Decides whether what a killed server has kept is a moment of what its clients did.

Each connection owns its keys and keeps a `History`: what it sent, when, and what was answered.  `judge` looks for a
prefix of each history after which the connection's keys are as they were found; a `Model` says what each request does.
The prefixes must belong together:

- what was answered before a moment that the caller names is in;
- what was answered, on whatever connection, before a request was sent that is in, is in too.  All connections are
  driven by one program, so its clock orders them: any request is a token of what was answered before it;
- all connections now and then draw a number with INCR from one key of each database: exactly the numbers up to the one
  that was found are in.

Nothing here knows of sockets, processes or the present time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import ceil, floor, inf
from typing import Any, Dict, NamedTuple, Sequence, Tuple, Union

import attrs

from twisted_kv.errors import CommandError

TICKET = b"ticket"
"""The key of each database from which all connections draw numbers."""

SLACK = 100
"""Milliseconds by which the date of an expiry may be off: a server may read its clock once for many requests."""

Value = Union[bytes, Dict[bytes, bytes]]
Place = Tuple[int, bytes]
"""A database and a key."""
Span = Tuple[int, int]
"""Milliseconds since 1970: not before the first, not after the second."""


class Entry(NamedTuple):
    """The value at a key, and when it expires, if it does."""

    value: Value
    expires: Span | None = None


Keyspace = Dict[Place, Entry]


def alike(expected: Entry | None, found: Entry | None) -> bool:
    """Tell whether an entry is the expected one, its expiry up to what was known of the time."""
    if expected is None or found is None:
        return expected is found
    if expected.expires is None or found.expires is None:
        return expected == found
    (first, last), (earliest, latest) = expected.expires, found.expires
    return expected.value == found.value and first <= latest + SLACK and earliest <= last + SLACK


# What requests do


class RefusedError(Exception):
    """A request that is answered with an error and changes nothing."""


REFUSED = object()
"""What the model answers where a server gives an error, whichever."""

A_NUMBER = object()
"""What the model answers where only the other connections know which number it is."""


def integer(value: bytes) -> int:
    if not value.lstrip(b"-").isdigit():
        raise RefusedError
    return int(value)


def halves(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        raise RefusedError from None


class Model:
    """The keys of one connection as they must be; `touched` are those that the last request may have changed."""

    def __init__(self, keys: Keyspace) -> None:
        self.keys = dict(keys)
        self.touched: set[Place] = set()
        self.database = 0
        self._now: Span = (0, 0)

    def run(self, words: Sequence[bytes], now: Span = (0, 0)) -> Any:
        """Do a request that a server does at some time in a span, and give the answer."""
        self._now = now
        self.touched = set()
        if words[1] == TICKET:
            return A_NUMBER
        try:
            return getattr(self, "do_" + words[0].decode().lower())(*words[1:])
        except RefusedError:
            return REFUSED

    def _get(self, key: bytes) -> Entry | None:
        return self.keys.get((self.database, key))

    def _put(self, key: bytes, entry: Entry | None) -> None:
        place = self.database, key
        self.touched.add(place)
        if entry is None or entry.value == {}:
            self.keys.pop(place, None)
        else:
            self.keys[place] = entry

    def _string(self, key: bytes, default: bytes = b"") -> tuple[bytes, Span | None]:
        value, expires = self._get(key) or Entry(default)
        if not isinstance(value, bytes):
            raise RefusedError
        return value, expires

    def _hash(self, key: bytes) -> tuple[dict[bytes, bytes], Span | None]:
        value, expires = self._get(key) or Entry({})
        if isinstance(value, bytes):
            raise RefusedError
        return dict(value), expires

    def _after(self, milliseconds: int) -> Span:
        return self._now[0] + milliseconds, self._now[1] + milliseconds

    def do_select(self, index: bytes) -> Any:
        self.database = int(index)
        return b"OK"

    def do_set(self, key: bytes, value: bytes, option: bytes = b"", milliseconds: bytes = b"") -> Any:
        old = self._get(key)
        if option == b"NX" and old:
            return None
        expires = self._after(int(milliseconds)) if option == b"PX" else None
        if option == b"KEEPTTL" and old:
            expires = old.expires
        self._put(key, Entry(value, expires))
        return b"OK"

    def do_mset(self, *pairs: bytes) -> Any:
        for key, value in zip(pairs[::2], pairs[1::2]):
            self._put(key, Entry(value))
        return b"OK"

    def do_append(self, key: bytes, more: bytes) -> Any:
        value, expires = self._string(key)
        self._put(key, Entry(value + more, expires))
        return len(value + more)

    def do_incr(self, key: bytes) -> Any:
        value, expires = self._string(key, b"0")
        number = integer(value) + 1
        self._put(key, Entry(b"%d" % number, expires))
        return number

    def do_incrbyfloat(self, key: bytes, step: bytes) -> Any:
        """Add a half, which floats of all kinds do alike."""
        value, expires = self._string(key, b"0")
        number = b"%g" % (halves(value) + halves(step))
        self._put(key, Entry(number, expires))
        return number

    def do_getdel(self, key: bytes) -> Any:
        if self._get(key) is None:
            return None
        value, _ = self._string(key)
        self._put(key, None)
        return value

    def do_getex(self, key: bytes, option: bytes, milliseconds: bytes = b"") -> Any:
        if self._get(key) is None:
            return None
        value, _ = self._string(key)
        self._put(key, Entry(value, self._after(int(milliseconds)) if option == b"PX" else None))
        return value

    def do_hset(self, key: bytes, *pairs: bytes) -> Any:
        fields, expires = self._hash(key)
        before = len(fields)
        fields.update(zip(pairs[::2], pairs[1::2]))
        self._put(key, Entry(fields, expires))
        return len(fields) - before

    def do_hdel(self, key: bytes, *names: bytes) -> Any:
        fields, expires = self._hash(key)
        gone = [fields.pop(name) for name in names if name in fields]
        self._put(key, Entry(fields, expires))
        return len(gone)

    def do_hincrby(self, key: bytes, name: bytes, step: bytes) -> Any:
        fields, expires = self._hash(key)
        number = integer(fields.get(name, b"0")) + int(step)
        self._put(key, Entry({**fields, name: b"%d" % number}, expires))
        return number

    def do_del(self, *keys: bytes) -> Any:
        there = {key for key in keys if self._get(key)}
        for key in there:
            self._put(key, None)
        return len(there)

    def do_rename(self, key: bytes, new: bytes) -> Any:
        entry = self._get(key)
        if entry is None:
            raise RefusedError
        self._put(key, None)
        self._put(new, entry)
        return b"OK"

    def do_persist(self, key: bytes) -> Any:
        entry = self._get(key)
        if entry is None or entry.expires is None:
            return 0
        self._put(key, Entry(entry.value))
        return 1

    def do_expire(self, key: bytes, seconds: bytes) -> Any:
        entry = self._get(key)
        if entry is not None:
            gone = int(seconds) < 0
            self._put(key, None if gone else Entry(entry.value, self._after(int(seconds) * 1000)))
        return int(entry is not None)

    def do_pexpireat(self, key: bytes, date: bytes) -> Any:
        entry = self._get(key)
        if entry is not None:
            self._put(key, Entry(entry.value, (int(date), int(date))))
        return int(entry is not None)


# What was done


@attrs.define
class Request:
    """A request, when it was sent and answered (seconds of the client's clock), and what the answer was."""

    words: tuple[bytes, ...]
    sent: float
    answered: float = inf
    reply: Any = None

    def __str__(self) -> str:
        text = b" ".join(self.words).decode("latin-1")
        return repr(text if len(text) < 100 else f"{text[:97]}...")

    def is_answered_as(self, expected: Any) -> bool:
        if expected is REFUSED:
            return isinstance(self.reply, CommandError)
        if expected is A_NUMBER:
            return isinstance(self.reply, int)
        return bool(self.reply == expected)


@attrs.define
class History:
    """All that one connection did, in order; `epoch` is the date at which its clock stood at 0."""

    name: int
    requests: list[Request] = attrs.Factory(list)
    epoch: float = 0.0

    def answered_before(self, moment: float) -> int:
        """Give how many requests were answered before a moment; answers come in order."""
        return bisect_left([request.answered for request in self.requests], moment)

    def span(self, request: Request, ended: float) -> Span:
        """Give the dates between which a request was done, if it was."""
        last = min(request.answered, ended)
        return floor((self.epoch + request.sent) * 1000), ceil((self.epoch + last) * 1000)


def split(keys: Keyspace, histories: Sequence[History]) -> tuple[dict[int, Keyspace], dict[int, int]]:
    """Tell which keys belong to each connection, and the last number that was drawn in each database.

    A key begins with the number of the connection that alone writes it.
    """
    own: dict[int, Keyspace] = {history.name: {} for history in histories}
    numbers = {}
    for (database, key), entry in keys.items():
        name = key.partition(b":")[0]
        if key == TICKET:
            number = entry.value if isinstance(entry.value, bytes) else b""
            assert number.isdigit(), f"{entry.value!r} was never drawn from database {database}"
            numbers[database] = int(number)
        else:
            connection = int(name) if name.isdigit() else -1
            assert connection in own, f"nobody wrote {key!r} of database {database}"
            own[connection][database, key] = entry
    return own, numbers


# What is there


@attrs.define
class Reading:
    """A history read beside what was found: how many of its requests may be in, and the numbers that they drew.

    `most` is the largest number of requests that the drawn numbers allow; `draws` are the number of requests up to and
    with the draw, the database and what was drawn, infinity if that is not known.
    """

    history: History
    fits: list[int]
    draws: list[tuple[int, int, float]]
    most: float = inf
    length: int = 0

    def rise(self, least: int, why: str) -> None:
        """Choose the shortest prefix that fits and has some number of requests; fails if there is none."""
        place = bisect_left(self.fits, max(least, self.length))
        if place < len(self.fits) and self.fits[place] <= self.most:
            self.length = self.fits[place]
            return
        told = f"connection {self.history.name}: "
        if least:
            told += f"request {least}, {self.history.requests[least - 1]}, {why}, and is lost; "
        told += f"its keys are as after {self.fits[-5:]} of its {len(self.history.requests)} requests"
        if self.most < inf:
            told += f", and a number that is not in was drawn by request {self.most + 1}"
        raise AssertionError(told)

    def last(self) -> Request | None:
        """Give the last request that is in."""
        return self.history.requests[self.length - 1] if self.length else None

    def drawn(self, database: int) -> tuple[int, int]:
        """Give how many numbers of a database were drawn by the chosen prefix, and by the longest that is possible."""
        draws = [place for place, each, _ in self.draws if each == database]
        longest = max(fit for fit in self.fits if fit <= self.most)
        return bisect_right(draws, self.length), bisect_right(draws, longest)


def read(begin: Keyspace, history: History, found: Keyspace, ended: float) -> Reading:
    """Find all prefixes of a history after which its keys, which were those of `begin`, are as they were found."""
    model = Model(begin)
    wrong = {place for place in {*found, *begin} if not alike(begin.get(place), found.get(place))}
    nearest = len(wrong), 0
    reading = Reading(history, [] if wrong else [0], [])
    for length, request in enumerate(history.requests, 1):
        expected = model.run(request.words, history.span(request, ended))
        if request.answered < inf:
            told = f"connection {history.name}: request {length}, {request}, was answered {request.reply!r}"
            assert request.is_answered_as(expected), f"{told}, not {expected!r}"
        if expected is A_NUMBER:
            drawn = request.reply if request.answered < inf else inf
            reading.draws.append((length, model.database, drawn))
        for place in model.touched:
            same = alike(model.keys.get(place), found.get(place))
            (wrong.discard if same else wrong.add)(place)
        if not wrong:
            reading.fits.append(length)
        elif len(wrong) <= nearest[0]:
            nearest = len(wrong), length
    if not reading.fits:
        number, length = nearest
        raise AssertionError(
            f"connection {history.name}: its keys are as after no prefix of its {len(history.requests)} requests; "
            f"{number} differ after {length}:{_differences(begin, history, found, ended, length)}"
        )
    return reading


def _differences(begin: Keyspace, history: History, found: Keyspace, ended: float, length: int) -> str:
    """Show the first few keys that are not as after some requests."""
    model = Model(begin)
    for request in history.requests[:length]:
        model.run(request.words, history.span(request, ended))
    wrong = [place for place in {*found, *model.keys} if not alike(model.keys.get(place), found.get(place))]
    lines = [
        f"\n  {place[1]!r} of database {place[0]}: {_shown(found.get(place))}, not {_shown(model.keys.get(place))}"
        for place in sorted(wrong)[:3]
    ]
    return "".join(lines)


def _shown(entry: Entry | None) -> str:
    text = repr(entry and tuple(entry))
    return text if len(text) < 300 else f"{text[:150]}...{text[-147:]}"


def judge(
    begin: Keyspace, histories: Sequence[History], found: Keyspace, ended: float, moment: float = -inf
) -> list[int]:
    """Give how many requests of each connection are in; AssertionError if what was found is no moment of them all.

    `begin` is what was there before all requests, `ended` when the server was killed, and what was answered before
    `moment` must be in.
    """
    before, drawn_before = split(begin, histories)
    own, drawn = split(found, histories)
    readings = [read(before[history.name], history, own[history.name], ended) for history in histories]
    _limit_by_draws(readings, drawn)
    for reading in readings:
        reading.rise(reading.history.answered_before(moment), "was answered in time")
    _hold_order(readings)
    for database in {*drawn, *drawn_before}:
        counts = [reading.drawn(database) for reading in readings]
        least, most = (drawn_before.get(database, 0) + sum(count) for count in zip(*counts))
        told = f"{least} to {most} numbers of database {database} were drawn, and the last is"
        assert least <= drawn.get(database, 0) <= most, f"{told} {drawn.get(database, 0)}"
    return [reading.length for reading in readings]


def _limit_by_draws(readings: list[Reading], numbers: dict[int, int]) -> None:
    """Hold that of the numbers drawn those up to the one that was found are in, and no others."""
    for reading in readings:
        above = [place for place, database, drawn in reading.draws if numbers.get(database, 0) < drawn < inf]
        within = [place for place, database, drawn in reading.draws if drawn <= numbers.get(database, 0)]
        reading.most = min(above, default=inf) - 1
        reading.rise(max(within, default=0), "drew a number that is in")


def _hold_order(readings: list[Reading]) -> None:
    """Hold that what was answered before a request that is in was sent is in too."""
    while True:
        last = [(request.sent, request, reading) for reading in readings if (request := reading.last())]
        if not last:
            return
        sent, witness, there = max(last, key=lambda each: each[0])
        before = [reading.length for reading in readings]
        for reading in readings:
            least = reading.history.answered_before(sent)
            if least > reading.length:
                witnessed = f"request {there.length} of connection {there.history.name}, {witness},"
                reading.rise(least, f"was answered before {witnessed} was sent, which is in")
        if before == [reading.length for reading in readings]:
            return
