"""The geohash: a point on the earth as one integer of 52 bits, so that nearby points mostly have nearby numbers.

The ranges of longitude and latitude are each halved 26 times, and the bits of the two are interleaved, those of the
longitude first.  The arithmetic is that of Redis, operation for operation: clients see the numbers as scores, to the
last bit.
"""

from __future__ import annotations

import math
from typing import Final, Iterator, NamedTuple

STEPS: Final = 26
LATITUDE_LIMIT: Final = 85.05112878
LONGITUDE_LIMIT: Final = 180.0
EARTH_RADIUS: Final = 6372797.560856
"""Metres."""

_MERCATOR_MAX: Final = 20037726.37
_RADIANS: Final = math.pi / 180.0

_UINT32: Final = (1 << 32) - 1
_UINT64: Final = (1 << 64) - 1
_SIGN: Final = 1 << 63

_ALPHABET: Final = "0123456789bcdefghjkmnpqrstuvwxyz"


class Box(NamedTuple):
    """The points between two latitudes and two longitudes, in degrees."""

    south: float
    north: float
    west: float
    east: float


WORLD: Final = Box(-LATITUDE_LIMIT, LATITUDE_LIMIT, -LONGITUDE_LIMIT, LONGITUDE_LIMIT)
STANDARD_WORLD: Final = Box(-90.0, 90.0, -180.0, 180.0)
"""The world of standard geohash strings, which includes the poles."""

_WORLD_CELLS: Final = 1 << STEPS
_WORLD_SOUTH, _WORLD_WEST = WORLD.south, WORLD.west
_WORLD_HEIGHT: Final = WORLD.north - WORLD.south
_WORLD_WIDTH: Final = WORLD.east - WORLD.west


def _spread(number: int) -> int:
    """Insert a zero bit before each of 32 bits."""
    number = (number | number << 16) & 0x0000FFFF0000FFFF
    number = (number | number << 8) & 0x00FF00FF00FF00FF
    number = (number | number << 4) & 0x0F0F0F0F0F0F0F0F
    number = (number | number << 2) & 0x3333333333333333
    return (number | number << 1) & 0x5555555555555555


def _gather(number: int) -> int:
    """Extract every second bit: the reverse of `_spread`."""
    number &= 0x5555555555555555
    number = (number | number >> 1) & 0x3333333333333333
    number = (number | number >> 2) & 0x0F0F0F0F0F0F0F0F
    number = (number | number >> 4) & 0x00FF00FF00FF00FF
    number = (number | number >> 8) & 0x0000FFFF0000FFFF
    return (number | number >> 16) & 0x00000000FFFFFFFF


def encode(longitude: float, latitude: float, steps: int = STEPS, world: Box = WORLD) -> int:
    """Return the number of a point in the world, with two bits for each step."""
    north = (latitude - world.south) / (world.north - world.south) * (1 << steps)
    east = (longitude - world.west) / (world.east - world.west) * (1 << steps)
    return _spread(int(north)) | _spread(int(east)) << 1


def area(number: int, steps: int = STEPS, world: Box = WORLD) -> Box:
    """Return the box of the points that have a number."""
    north, east = _gather(number), _gather(number >> 1)
    height, width = world.north - world.south, world.east - world.west
    cells = 1 << steps
    return Box(
        world.south + (north * 1.0 / cells) * height,
        world.south + (((north + 1) & _UINT32) * 1.0 / cells) * height,
        world.west + (east * 1.0 / cells) * width,
        world.west + (((east + 1) & _UINT32) * 1.0 / cells) * width,
    )


def number_of(score: float) -> int:
    """Return the number for any score, converted to an unsigned integer as the processors that Redis runs on do it."""
    if math.isfinite(score) and -_SIGN <= score < 2 * _SIGN:
        return int(score) & _UINT64
    return 0 if score > 0 else _SIGN


def decode(score: float) -> tuple[float, float]:
    """Return the longitude and the latitude of the centre of the points that have a score."""
    number = int(score) if 0.0 <= score < _SIGN else number_of(score)
    north, east = _gather(number), _gather(number >> 1)
    # The centre of `area`, without creating a box for each of thousands of points.
    south = _WORLD_SOUTH + (north * 1.0 / _WORLD_CELLS) * _WORLD_HEIGHT
    west = _WORLD_WEST + (east * 1.0 / _WORLD_CELLS) * _WORLD_WIDTH
    latitude = (south + (_WORLD_SOUTH + (((north + 1) & _UINT32) * 1.0 / _WORLD_CELLS) * _WORLD_HEIGHT)) / 2
    longitude = (west + (_WORLD_WEST + (((east + 1) & _UINT32) * 1.0 / _WORLD_CELLS) * _WORLD_WIDTH)) / 2
    if not -LONGITUDE_LIMIT <= longitude <= LONGITUDE_LIMIT:
        longitude = max(-LONGITUDE_LIMIT, min(LONGITUDE_LIMIT, longitude))
    if not -LATITUDE_LIMIT <= latitude <= LATITUDE_LIMIT:
        latitude = max(-LATITUDE_LIMIT, min(LATITUDE_LIMIT, latitude))
    return longitude, latitude


def text(score: float) -> bytes:
    """Return the standard geohash string of a point, of eleven letters."""
    longitude, latitude = decode(score)
    bits = encode(longitude, latitude, world=STANDARD_WORLD)
    letters = [_ALPHABET[bits >> (52 - 5 * (index + 1)) & 31] for index in range(10)]
    return ("".join(letters) + _ALPHABET[0]).encode()


def distance(longitude: float, latitude: float, other_longitude: float, other_latitude: float) -> float:
    """Return the distance between two points in metres, over the surface of a sphere."""
    start, end = longitude * _RADIANS, other_longitude * _RADIANS
    across = math.sin((end - start) / 2)
    if across == 0.0:
        return _distance_along(latitude, other_latitude)
    south, north = latitude * _RADIANS, other_latitude * _RADIANS
    up = math.sin((north - south) / 2)
    share = up * up + math.cos(south) * math.cos(north) * across * across
    return 2.0 * EARTH_RADIUS * math.asin(math.sqrt(share if share < 1.0 else 1.0))


def _distance_along(latitude: float, other_latitude: float) -> float:
    """Return the distance between two points on one meridian, in metres."""
    return EARTH_RADIUS * abs(other_latitude * _RADIANS - latitude * _RADIANS)


class Shape(NamedTuple):
    """A circle or, with a width, a rectangle around a point; lengths are in a unit of `unit` metres."""

    longitude: float
    latitude: float
    unit: float
    radius: float = 0.0
    width: float | None = None
    height: float = 0.0

    def distance(self, longitude: float, latitude: float) -> float | None:
        """Return the distance from the centre to a point in metres, or None if the point lies outside."""
        if self.width is None:
            far = distance(self.longitude, self.latitude, longitude, latitude)
            return far if far <= self.radius * self.unit else None
        if _distance_along(latitude, self.latitude) > self.height * self.unit / 2:
            return None
        if distance(longitude, latitude, self.longitude, latitude) > self.width * self.unit / 2:
            return None
        return distance(self.longitude, self.latitude, longitude, latitude)

    def cells(self) -> Iterator[tuple[int, int]]:
        """Yield half-open ranges of numbers that cover all points of the shape, and some more."""
        bounds = self._bounds()
        steps = self._steps()
        centre = encode(self.longitude, self.latitude, steps)
        around = _around(centre, steps)
        north, south, east, west = (area(around[index], steps) for index in range(1, 5))
        is_too_small = (
            north.north < bounds.north
            or south.south > bounds.south
            or east.east < bounds.east
            or west.west > bounds.west
        )
        if steps > 1 and is_too_small:
            steps -= 1
            centre = encode(self.longitude, self.latitude, steps)
            around = _around(centre, steps)
        excluded: set[int] = set()
        if steps >= 2:
            box = area(centre, steps)
            excluded.update(_SOUTH if box.south < bounds.south else ())
            excluded.update(_NORTH if box.north > bounds.north else ())
            excluded.update(_WEST if box.west < bounds.west else ())
            excluded.update(_EAST if box.east > bounds.east else ())
        last = -1
        for index, number in enumerate(around):
            if index in excluded or (last > 0 and number == around[last]):
                continue
            last = index
            shift = 52 - steps * 2
            yield number << shift, (number + 1) << shift

    def _bounds(self) -> Box:
        """Return a box that contains the whole shape."""
        height = self.unit * (self.radius if self.width is None else self.height / 2)
        width = self.unit * (self.radius if self.width is None else self.width / 2)
        up = height / EARTH_RADIUS / _RADIANS
        nearer_pole = self.latitude - up if self.latitude < 0 else self.latitude + up
        cosine = math.cos(nearer_pole * _RADIANS) if math.isfinite(nearer_pole) else math.nan
        across = width / EARTH_RADIUS / cosine / _RADIANS
        return Box(self.latitude - up, self.latitude + up, self.longitude - across, self.longitude + across)

    def _steps(self) -> int:
        """Return how often to halve the world so that nine cells should cover the shape."""
        reach = self.radius
        if self.width is not None:
            reach = math.sqrt((self.width / 2) * (self.width / 2) + (self.height / 2) * (self.height / 2))
        reach *= self.unit
        if reach == 0:
            return STEPS
        steps = 1
        while reach < _MERCATOR_MAX:
            reach *= 2
            steps += 1
        steps -= 2
        if abs(self.latitude) > 66:
            steps -= 1
            if abs(self.latitude) > 80:
                steps -= 1
        return max(1, min(STEPS, steps))


_NORTH: Final = (1, 5, 6)
_SOUTH: Final = (2, 7, 8)
_EAST: Final = (3, 5, 7)
_WEST: Final = (4, 6, 8)
"""The indexes of the cells of each side in the list that `_around` returns."""


def _around(number: int, steps: int) -> list[int]:
    """Return a cell and its neighbours: north, south, east, west, and the corners north-east to south-west.

    The world wraps around, also over the poles.  A point on its northern or eastern edge is in a cell beyond all
    others, which wraps around only if it is moved, as in Redis.
    """
    cells = 1 << steps
    north, east = _gather(number), _gather(number >> 1)
    moves = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
    rows = {0: north, 1: (north + 1) % cells, -1: (north - 1) % cells}
    columns = {0: east, 1: (east + 1) % cells, -1: (east - 1) % cells}
    return [_spread(rows[up]) | _spread(columns[right]) << 1 for up, right in moves]
