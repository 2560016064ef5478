"""Commands on geographical positions, which are members of sorted sets whose scores are geohashes."""

from __future__ import annotations

from typing import Final, Sequence

import attrs

from twisted_kv.commands.sorted_sets import zadd
from twisted_kv.declaring.arguments import Arguments, double
from twisted_kv.declaring.commands import KeyPositions
from twisted_kv.declaring.groups import Group, after_keyword, first, second
from twisted_kv.sessions.session import Session
from twisted_kv.values.geohash import LATITUDE_LIMIT, LONGITUDE_LIMIT, Shape, decode, distance, encode, text
from twisted_kv.values.partial_sort import first_in_order
from twisted_kv.values.sorted_sets import SortedSet
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, c_string
from twisted_kv.vocabulary.replies import NULL_ARRAY, Decimal, Reply

geo = Group("geo", category="geo")

_UNITS: Final = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}
"""Metres of each unit."""


def _metres_per_unit(argument: bytes) -> float:
    metres = _UNITS.get(c_string(argument).upper())
    if metres is None:
        raise CommandError("unsupported unit provided. please use M, KM, FT, MI")
    return metres


def _read_coordinates(longitude: bytes, latitude: bytes) -> tuple[float, float]:
    """Parse a longitude and a latitude in degrees."""
    east, north = double(longitude), double(latitude)
    if abs(east) > LONGITUDE_LIMIT or abs(north) > LATITUDE_LIMIT:
        raise CommandError(f"invalid longitude,latitude pair {east:.6f},{north:.6f}")
    return east, north


def _format_degrees(degrees: float) -> Decimal:
    return Decimal((b"%.17f" % degrees).rstrip(b"0").rstrip(b"."))  # the centre of a cell is never within 1e-9 of 0


def _format_metres(length: float) -> bytes:
    return b"%.4f" % length


@geo.command(
    "GEOADD",
    since="3.2.0",
    flags="write denyoom",
    keys=first("RW update"),
    complexity="O(log(N))",
    tells_after="zadd",
)
def geoadd(session: Session, key: bytes, longitude: bytes, latitude: bytes, member: bytes, *words: bytes) -> Reply:
    """Add members with their positions to a sorted set, and return how many of them were new."""
    everything = (longitude, latitude, member, *words)
    arguments = Arguments(everything)
    names = set()
    while (option := next(filter(arguments.takes, (b"NX", b"XX", b"CH")), None)) is not None:
        names.add(option)
    rest = arguments.rest()
    options = everything[: len(everything) - len(rest)]
    if len(rest) % 3 or {b"NX", b"XX"} <= names:
        raise CommandError(SYNTAX)
    scored: list[bytes] = []
    for index in range(0, len(rest), 3):
        scored += (b"%d" % encode(*_read_coordinates(rest[index], rest[index + 1])), rest[index + 2])
    if not scored:
        raise CommandError(SYNTAX)
    changes = session.db.changes
    reply = zadd(session, key, *options, *scored)
    if session.db.changes != changes:
        session.journal(b"ZADD", key, *options, *scored)
    return reply


@geo.command(
    "GEOPOS",
    since="3.2.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def geopos(session: Session, key: bytes, *members: bytes) -> Reply:
    """Return the longitudes and latitudes of members, with null for each that is not a member."""
    points = session.db.read_as(key, SortedSet)
    replies: list[Reply] = []
    for member in members:
        score = None if points is None else points.get(member)
        replies.append(NULL_ARRAY if score is None else [_format_degrees(each) for each in decode(score)])
    return replies


@geo.command(
    "GEOHASH",
    since="3.2.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(log(N))",
)
def geohash(session: Session, key: bytes, *members: bytes) -> Reply:
    """Return the positions of members as standard geohashes of 11 characters, with null for each non-member."""
    points = session.db.read_as(key, SortedSet)
    scores = [None if points is None else points.get(member) for member in members]
    return [None if score is None else text(score) for score in scores]


@geo.command(
    "GEODIST",
    since="3.2.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(log(N))",
)
def geodist(session: Session, key: bytes, member: bytes, other: bytes, *words: bytes) -> Reply:
    """Return the distance between two members."""
    if len(words) > 1:
        raise CommandError(SYNTAX)
    unit = _metres_per_unit(words[0]) if words else 1.0
    points = session.db.read_as(key, SortedSet)
    if points is None:
        return None
    score, other_score = points.get(member), points.get(other)
    if score is None or other_score is None:
        return None
    return _format_metres(distance(*decode(score), *decode(other_score)) / unit)


@attrs.frozen
class Found:
    """A member within a shape, its distance from the centre in metres, and its position."""

    member: bytes
    far: float
    score: float
    place: tuple[float, float]


@attrs.define
class Search:
    """The arguments of a command that searches for members by position, and the search itself."""

    place: tuple[float, float] | None = None
    unit: float = 1.0
    radius: float | None = None
    box: tuple[float, float] | None = None
    with_distance: bool = False
    with_hash: bool = False
    with_place: bool = False
    order: bytes = b""
    count: int = 0
    any: bool = False
    target: bytes | None = None
    stores_distance: bool = False
    event: bytes = b"geosearchstore"
    """What a stored result is reported as."""

    def take_radius(self, arguments: Arguments) -> None:
        """Parse a radius and its unit."""
        self.radius = double(arguments.word(), "need numeric radius")
        if self.radius < 0:
            raise CommandError("radius cannot be negative")
        self.unit = _metres_per_unit(arguments.word())

    def take_box(self, arguments: Arguments) -> None:
        """Parse a width, a height and their unit."""
        width = double(arguments.word(), "need numeric width")
        height = double(arguments.word(), "need numeric height")
        if width < 0 or height < 0:
            raise CommandError("height or width cannot be negative")
        self.box = width, height
        self.unit = _metres_per_unit(arguments.word())

    def take_member(self, points: SortedSet | None, member: bytes) -> None:
        """Set the centre of the search to the position of a member."""
        if points is None:
            return
        score = points.get(member)
        if score is None:
            raise CommandError("could not decode requested zset member")
        self.place = decode(score)

    def take_option(self, option: bytes, arguments: Arguments) -> bool:
        """Parse an option that all search commands share; returns False if it is not one of these."""
        if option == b"WITHDIST":
            self.with_distance = True
        elif option == b"WITHHASH":
            self.with_hash = True
        elif option == b"WITHCOORD":
            self.with_place = True
        elif option == b"ANY":
            self.any = True
        elif option in (b"ASC", b"DESC"):
            self.order = option
        elif option == b"COUNT" and arguments:
            self.count = arguments.integer()
            if self.count <= 0:
                raise CommandError("COUNT must be > 0")
        else:
            return False
        return True

    def check(self, storing: str) -> None:
        """Raise `CommandError` for options that conflict; `storing` is what the error calls the storing option."""
        if self.target is not None and (self.with_distance or self.with_hash or self.with_place):
            raise CommandError(f"{storing} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")

    def run(self, session: Session, points: SortedSet | None) -> Reply:
        """Search for members, and return or store them."""
        if self.any and not self.count:
            raise CommandError("the ANY argument requires COUNT argument")
        if points is None:
            if self.target is None:
                return []
            session.db.delete(self.target)
            return 0
        found = self._found(points)
        if self.target is not None:
            return self._store(session, self.target, found)
        return [self._reply(each) for each in found]

    def _found(self, points: SortedSet) -> list[Found]:
        assert self.place is not None
        width, height = self.box or (None, 0.0)
        shape = Shape(*self.place, self.unit, self.radius or 0.0, width, height)
        found: list[Found] = []
        for low, high in shape.cells():
            start = points.order.bisect_left((float(low), b""))
            for score, member in points.slice(start, points.order.bisect_left((float(high), b""))):
                place = decode(score)
                metres = shape.distance(*place)
                if metres is not None:
                    found.append(Found(member, metres, score, place))
                    if self.any and len(found) >= self.count:
                        return self._sorted(found)
        return self._sorted(found)

    def _sorted(self, found: list[Found]) -> list[Found]:
        """Sort the found members as requested; with COUNT but without an order, nearest first."""
        count = self.count or len(found)
        if self.order or (self.count and not self.any):
            return first_in_order(found, count, lambda each: each.far, descending=self.order == b"DESC")
        return found[:count]

    def _reply(self, found: Found) -> Reply:
        parts: list[Reply] = [found.member]
        if self.with_distance:
            parts.append(_format_metres(found.far / self.unit))
        if self.with_hash:
            parts.append(int(found.score))
        if self.with_place:
            parts.append([_format_degrees(each) for each in found.place])
        return parts if len(parts) > 1 else found.member

    def _store(self, session: Session, target: bytes, found: Sequence[Found]) -> int:
        result = SortedSet(session.db.packing)
        result.fill({each.member: each.far / self.unit if self.stores_distance else each.score for each in found})
        session.db.store(target, result, self.event)
        return len(found)


def _radius(session: Session, key: bytes, member: bytes | None, words: Sequence[bytes], *, may_store: bool) -> Reply:
    """Search around a member, or around the coordinates in the first two arguments."""
    points = session.db.read_as(key, SortedSet)
    search = Search(event=b"georadiusstore")
    arguments = Arguments(words)
    if member is None:
        search.place = _read_coordinates(arguments.word(), arguments.word())
        search.take_radius(arguments)
    elif points is None:
        arguments.words(2)  # Redis does not check the radius and unit in this case
    else:
        search.take_member(points, member)
        search.take_radius(arguments)
    while arguments:
        option = arguments.option()
        if may_store and option in (b"STORE", b"STOREDIST") and arguments:
            search.target = arguments.word()
            search.stores_distance = option == b"STOREDIST"
        elif not search.take_option(option, arguments):
            raise CommandError(SYNTAX)
    search.check("STORE option in GEORADIUS")
    return search.run(session, points)


def _radius_keys(words: Sequence[bytes], first_option: int) -> KeyPositions:
    """Return the keys of GEORADIUS and GEORADIUSBYMEMBER: the first argument, and the one after STORE or STOREDIST.

    `first_option` is the index of the first word that may be an option.
    """
    indexes = range(first_option, len(words) - 1)
    store = next((index + 1 for index in indexes if c_string(words[index]).upper() in (b"STORE", b"STOREDIST")), 0)
    source: KeyPositions = [(1, ("RO", "access"))]
    return [*source, (store, ("OW", "update"))] if store else source


@geo.command(
    "GEORADIUS",
    find_keys=lambda words: _radius_keys(words, 6),
    since="3.2.0",
    flags="write denyoom movablekeys",
    keys=first("RO access") + after_keyword("STORE", "OW update", 6) + after_keyword("STOREDIST", "OW update", 6),
    complexity="O(N+log(M))",
    doc_flags="deprecated",
)
def georadius(
    session: Session, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes, *words: bytes
) -> Reply:
    """Return, or store, the members within a circle around a position."""
    return _radius(session, key, None, (longitude, latitude, radius, unit, *words), may_store=True)


@geo.command(
    "GEORADIUS_RO",
    since="3.2.10",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N+log(M))",
    doc_flags="deprecated",
)
def georadius_ro(
    session: Session, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes, *words: bytes
) -> Reply:
    """Return the members within a circle around a position."""
    return _radius(session, key, None, (longitude, latitude, radius, unit, *words), may_store=False)


@geo.command(
    "GEORADIUSBYMEMBER",
    find_keys=lambda words: _radius_keys(words, 5),
    since="3.2.0",
    flags="write denyoom movablekeys",
    keys=first("RO access") + after_keyword("STORE", "OW update", 5) + after_keyword("STOREDIST", "OW update", 5),
    complexity="O(N+log(M))",
    doc_flags="deprecated",
)
def georadiusbymember(session: Session, key: bytes, member: bytes, radius: bytes, unit: bytes, *words: bytes) -> Reply:
    """Return, or store, the members within a circle around a member."""
    return _radius(session, key, member, (radius, unit, *words), may_store=True)


@geo.command(
    "GEORADIUSBYMEMBER_RO",
    since="3.2.10",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N+log(M))",
    doc_flags="deprecated",
)
def georadiusbymember_ro(
    session: Session, key: bytes, member: bytes, radius: bytes, unit: bytes, *words: bytes
) -> Reply:
    """Return the members within a circle around a member."""
    return _radius(session, key, member, (radius, unit, *words), may_store=False)


def _search(session: Session, key: bytes, words: Sequence[bytes], target: bytes | None) -> Reply:
    """Search around a member or coordinates, within a circle or a box."""
    points = session.db.read_as(key, SortedSet)
    search = Search(target=target)
    from_member = from_place = False
    arguments = Arguments(words)
    while arguments:
        option = arguments.option()
        if option == b"FROMMEMBER" and arguments and not from_place:
            search.take_member(points, arguments.word())
            from_member = True
        elif option == b"FROMLONLAT" and arguments.left >= 2 and not from_member:
            search.place = _read_coordinates(arguments.word(), arguments.word())
            from_place = True
        elif option == b"BYRADIUS" and arguments.left >= 2 and search.box is None:
            search.take_radius(arguments)
        elif option == b"BYBOX" and arguments.left >= 3 and search.radius is None:
            search.take_box(arguments)
        elif option == b"STOREDIST" and target is not None:
            search.stores_distance = True
        elif not search.take_option(option, arguments):
            raise CommandError(SYNTAX)
    name = "GEOSEARCH" if target is None else "GEOSEARCHSTORE"
    search.check(name)
    if not (from_member or from_place):
        raise CommandError(f"exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}")
    if search.radius is None and search.box is None:
        raise CommandError(f"exactly one of BYRADIUS and BYBOX can be specified for {name}")
    return search.run(session, points)


@geo.command(
    "GEOSEARCH",
    since="6.2.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N+log(M))",
)
def geosearch(
    session: Session, key: bytes, origin: bytes, place: bytes, shape: bytes, size: bytes, unit: bytes, *words: bytes
) -> Reply:
    """Return the members within a circle or a box around a member or a position."""
    return _search(session, key, (origin, place, shape, size, unit, *words), None)


@geo.command(
    "GEOSEARCHSTORE",
    since="6.2.0",
    flags="write denyoom",
    keys=first("OW update") + second("RO access"),
    complexity="O(N+log(M))",
)
def geosearchstore(
    session: Session,
    destination: bytes,
    source: bytes,
    origin: bytes,
    place: bytes,
    shape: bytes,
    size: bytes,
    unit: bytes,
    *words: bytes,
) -> Reply:
    """Set a key to the members of another key within a circle or a box, and return how many there are."""
    return _search(session, source, (origin, place, shape, size, unit, *words), destination)
