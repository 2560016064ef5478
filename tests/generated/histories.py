"""Decides whether what a killed server has kept is a moment of what its clients did.

Each connection owns its keys and keeps a `History`: what it sent, when, and what was answered.  `judge` looks for a
prefix of each history after which the connection's keys are as they were found; a `Model` (`models`) says what each
request does.  What a server chooses by itself is taken from its answer, or from what was found: whoever asks for that
waits for the answer before it goes on.

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
from typing import Any, Sequence

import attrs

from tests.generated.models.keyspace import A_NUMBER, REFUSED, UNKNOWN, Entry, Keyspace, Span, alike
from tests.generated.models.model import TICKET, Model
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY

# What was done


@attrs.define
class Request:
    """A request, when it was sent and answered (seconds of the client's clock), and what the answer was."""

    words: tuple[bytes, ...]
    sent: float
    answered: float = inf
    reply: Any = UNKNOWN

    def __str__(self) -> str:
        text = b" ".join(self.words).decode("latin-1")
        return repr(text if len(text) < 100 else f"{text[:97]}...")

    def is_answered_as(self, expected: Any) -> bool:
        return _fits(self.reply, expected)


def _fits(reply: Any, expected: Any) -> bool:
    """Tell whether a reply is the expected one, or may be."""
    if expected is REFUSED:
        return isinstance(reply, CommandError)
    if expected is A_NUMBER:
        return isinstance(reply, int)
    if expected is None:
        return reply is None or reply is NULL_ARRAY
    if isinstance(reply, list) and isinstance(expected, list):
        return len(reply) == len(expected) and all(map(_fits, reply, expected))
    return bool(reply == expected)


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
        expected = model.run(request.words, history.span(request, ended), request.reply, found)
        if request.answered < inf:
            told = f"connection {history.name}: request {length}, {request}, was answered {request.reply!r}"
            assert request.is_answered_as(expected), f"{told}, not {expected!r}"
        for database, place in model.drawn:
            drawn = inf
            if request.answered < inf:
                drawn = request.reply if place is None else request.reply[place]
            reading.draws.append((length, database, drawn))
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
        model.run(request.words, history.span(request, ended), request.reply, found)
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
