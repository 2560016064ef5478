"""Commands on places on the earth."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY, Decimal

SYNTAX = "ERR syntax error"
NO_FLOAT = "ERR value is not a valid float"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
BAD_UNIT = "ERR unsupported unit provided. please use M, KM, FT, MI"
NO_MEMBER = "ERR could not decode requested zset member"
PALERMO, CATANIA = ("13.361389", "38.115556"), ("15.087269", "37.502669")
AROUND = ("FROMLONLAT", 15, 37)
CIRCLE = ("BYRADIUS", 200, "km")


@pytest.fixture
def sicily(cache: MemoryCache) -> MemoryCache:
    """The example that everybody uses."""
    assert cache.call("GEOADD", "s", *PALERMO, "Palermo", *CATANIA, "Catania") == 2
    return cache


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


def test_places_are_scores(sicily: MemoryCache) -> None:
    assert sicily.call("ZSCORE", "s", "Palermo") == 3479099956230698
    assert sicily.call("GEOHASH", "s", "Palermo", "nope", "Catania") == [b"sqc8b49rny0", None, b"sqdtr74hyu0"]
    assert sicily.call("GEOHASH", "nope", "x") == [None]


def test_places_are_told_as_degrees(sicily: MemoryCache) -> None:
    place, nothing = sicily.call("GEOPOS", "s", "Palermo", "nope")
    assert place == [Decimal(b"13.36138933897018433"), Decimal(b"38.11555639549629859")]
    assert nothing is NULL_ARRAY
    assert sicily.call("GEOPOS", "nope", "x") == [NULL_ARRAY]


def test_distances_are_told_in_many_units(sicily: MemoryCache) -> None:
    distances = [sicily.call("GEODIST", "s", "Palermo", "Catania", *unit) for unit in ((), ("km",), ("Mi\0",), ("FT",))]
    assert distances == [b"166274.1516", b"166.2742", b"103.3182", b"545518.8700"]
    assert sicily.call("GEODIST", "s", "Palermo", "Palermo") == b"0.0000"
    assert sicily.call("GEODIST", "s", "Palermo", "nope") is None
    assert sicily.call("GEODIST", "nope", "a", "b") is None


def test_options_tell_which_places_are_added(sicily: MemoryCache) -> None:
    assert sicily.call("GEOADD", "s", "NX", *CATANIA, "Palermo", 1, 1, "new") == 1
    assert sicily.call("GEOADD", "s", "xx", "ch", *CATANIA, "Palermo", 1, 1, "none") == 1
    assert sicily.call("ZCARD", "s") == 3


def test_a_place_that_is_known_is_no_change(sicily: MemoryCache) -> None:
    before = sicily.service.dispatcher.server.databases[0].changes
    assert sicily.call("GEOADD", "s", *PALERMO, "Palermo") == 0
    assert sicily.service.dispatcher.server.databases[0].changes == before


@pytest.mark.parametrize("latitude", [0, 67, 81, 85, -67, -84])
def test_what_is_near_is_found_in_all_latitudes(cache: MemoryCache, latitude: int) -> None:
    cache.call("GEOADD", "s", 10, latitude, "near", 30, latitude, "far", 10, latitude - 1, "below")
    assert cache.call("GEORADIUS", "s", 10, latitude, 10, "km") == [b"near"]
    assert cache.call("GEOSEARCH", "s", "FROMLONLAT", 10, latitude, "BYBOX", 10, 10, "km") == [b"near"]
    assert cache.call("GEOSEARCH", "s", "FROMLONLAT", 10, latitude, "BYBOX", 230, 10, "km") == [b"near"]
    assert set(cache.call("GEOSEARCH", "s", "FROMLONLAT", 10, latitude, "BYBOX", 10, 230, "km")) == {b"near", b"below"}


def test_members_around_a_place_are_found(sicily: MemoryCache) -> None:
    assert sicily.call("GEORADIUS", "s", 15, 37, 200, "km") == [b"Palermo", b"Catania"]
    assert sicily.call("GEORADIUS_RO", "s", 15, 37, 100, "km") == [b"Catania"]
    assert sicily.call("GEORADIUSBYMEMBER", "s", "Palermo", 100, "km") == [b"Palermo"]
    assert sicily.call("GEORADIUSBYMEMBER_RO", "s", "Palermo", 200, "km", "ASC") == [b"Palermo", b"Catania"]
    assert sicily.call("GEOSEARCH", "s", *AROUND, "BYBOX", 400, 400, "km", "ASC") == [b"Catania", b"Palermo"]
    assert sicily.call("GEOSEARCH", "s", *AROUND, "BYBOX", 1000, 10, "km") == []
    assert sicily.call("GEOSEARCH", "s", *AROUND, "BYBOX", 20, 1000, "km") == [b"Catania"]
    assert sicily.call("GEOSEARCH", "s", *AROUND, "BYBOX", 100, 200, "km") == [b"Catania"]
    assert sicily.call("GEOSEARCH", "s", "FROMMEMBER", "Catania", *CIRCLE, "DESC") == [b"Palermo", b"Catania"]
    assert sicily.call("GEOSEARCH", "s", *AROUND, "BYRADIUS", 0, "m") == []


def test_what_is_told_of_each_is_chosen(sicily: MemoryCache) -> None:
    [[member, far, score, place]] = sicily.call(
        "GEOSEARCH", "s", *AROUND, *CIRCLE, "WITHCOORD", "WITHDIST", "WITHHASH", "COUNT", 1
    )
    assert (member, far, score) == (b"Catania", b"56.4413", 3479447370796909)
    assert place == [Decimal(b"15.08726745843887329"), Decimal(b"37.50266842333162032")]


def test_few_are_found_if_few_are_wanted(sicily: MemoryCache) -> None:
    assert sicily.call("GEORADIUS", "s", 15, 37, 200, "km", "COUNT", 1) == [b"Catania"]
    assert sicily.call("GEORADIUS", "s", 15, 37, 200, "km", "COUNT", 1, "ANY") == [b"Palermo"]
    assert sicily.call("GEORADIUS", "s", 15, 37, 200, "km", "COUNT", 1, "DESC") == [b"Palermo"]
    assert sicily.call("GEORADIUS", "s", 15, 37, 200, "km", "COUNT", 5, "ANY") == [b"Palermo", b"Catania"]


def test_what_is_found_is_stored(sicily: MemoryCache) -> None:
    assert sicily.call("GEORADIUS", "s", 15, 37, 200, "km", "STORE", "d") == 2
    assert sicily.call("ZSCORE", "d", "Palermo") == 3479099956230698
    assert sicily.call("GEORADIUSBYMEMBER", "s", "Palermo", 200, "km", "STOREDIST", "d") == 2
    assert sicily.call("ZSCORE", "d", "Palermo") == 0
    assert sicily.call("GEOSEARCHSTORE", "d", "s", *AROUND, *CIRCLE, "STOREDIST") == 2
    assert abs(sicily.call("ZSCORE", "d", "Catania") - 56.4413) < 0.0001
    assert sicily.call("GEOSEARCHSTORE", "d", "s", *AROUND, *CIRCLE) == 2
    assert sicily.call("ZSCORE", "d", "Palermo") == 3479099956230698


def test_nothing_found_is_no_key(sicily: MemoryCache) -> None:
    sicily.call("SET", "d", "x")
    assert sicily.call("GEOSEARCHSTORE", "d", "nope", *AROUND, *CIRCLE) == 0
    assert sicily.call("EXISTS", "d") == 0
    sicily.call("SET", "d", "x")
    assert sicily.call("GEORADIUS", "s", 100, 37, 1, "km", "STORE", "d") == 0
    assert sicily.call("EXISTS", "d") == 0


def test_nothing_is_found_where_there_is_no_key(cache: MemoryCache) -> None:
    assert cache.call("GEOSEARCH", "nope", "FROMMEMBER", "x", *CIRCLE) == []
    assert cache.call("GEORADIUS", "nope", 15, 37, 200, "km") == []
    assert cache.call("GEORADIUSBYMEMBER", "nope", "x", "y", "z") == []


def test_a_search_may_be_larger_than_the_earth(sicily: MemoryCache) -> None:
    """The cosine of an infinite angle was an error of Python's."""
    for size in ("1e308", "inf"):
        assert len(sicily.call("GEORADIUS", "s", 15, 37, size, "km")) == 2
        assert len(sicily.call("GEOSEARCH", "s", *AROUND, "BYBOX", size, size, "km")) == 2


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "-1", "-0.5", "18446744073709551616"])
def test_any_score_is_a_place(cache: MemoryCache, score: str) -> None:
    cache.call("ZADD", "s", score, "m", 0, "zero")
    assert isinstance(cache.call("GEOPOS", "s", "m")[0], list)
    assert cache.call("GEODIST", "s", "m", "zero") is not None


def test_a_place_on_the_rim_is_found(cache: MemoryCache) -> None:
    """The cell of such a place lies beyond all others; once the cells at the other end were searched in its place."""
    cache.call("GEOADD", "s", 180, 0, "east", -180, 0, "west")
    assert cache.call("GEORADIUS", "s", 180, 0, 1, "km") == [b"east"]
    assert cache.call("GEORADIUS", "s", -180, 0, 1, "km") == [b"west"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("GEOADD", "s", 1, 1), "ERR wrong number of arguments for 'geoadd' command"),
        (("GEOADD", "s", "NX", "XX", 1, 1, "m"), SYNTAX),
        (("GEOADD", "s", 1, 1, "m", 2), SYNTAX),
        (("GEOADD", "s", "NX", "CH", "NX"), SYNTAX),
        (("GEOADD", "s", "x", 1, "m"), NO_FLOAT),
        (("GEOADD", "s", 181, 1, "m"), "ERR invalid longitude,latitude pair 181.000000,1.000000"),
        (("GEOADD", "s", 1, -86, "m"), "ERR invalid longitude,latitude pair 1.000000,-86.000000"),
        (("GEOADD", "t", 1, 1, "m"), WRONG_TYPE),
        (("GEOPOS", "t", "m"), WRONG_TYPE),
        (("GEOHASH", "t", "m"), WRONG_TYPE),
        (("GEODIST", "t", "a", "b"), WRONG_TYPE),
        (("GEODIST", "s", "a", "b", "x"), BAD_UNIT),
        (("GEODIST", "s", "a", "b", "km", "km"), SYNTAX),
        (("GEORADIUS", "t", 1, 1, 1, "km"), WRONG_TYPE),
        (("GEORADIUS", "s", 1, 1, "x", "km"), "ERR need numeric radius"),
        (("GEORADIUS", "s", 1, 1, -1, "km"), "ERR radius cannot be negative"),
        (("GEORADIUS", "s", 1, 1, 1, "x"), BAD_UNIT),
        (("GEORADIUS", "s", 1, 1, 1, "km", "NOPE"), SYNTAX),
        (("GEORADIUS", "s", 1, 1, 1, "km", "STORE"), SYNTAX),
        (("GEORADIUS", "s", 1, 1, 1, "km", "COUNT"), SYNTAX),
        (("GEORADIUS", "s", 1, 1, 1, "km", "COUNT", 0), "ERR COUNT must be > 0"),
        (("GEORADIUS", "s", 1, 1, 1, "km", "ANY"), "ERR the ANY argument requires COUNT argument"),
        (("GEORADIUS_RO", "s", 1, 1, 1, "km", "STORE", "d"), SYNTAX),
        (
            ("GEORADIUS", "s", 1, 1, 1, "km", "STORE", "d", "WITHHASH"),
            "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        (("GEORADIUSBYMEMBER", "s", "nope", 1, "km"), NO_MEMBER),
        (("GEOSEARCH", "s", "FROMMEMBER", "nope", *CIRCLE), NO_MEMBER),
        (("GEOSEARCH", "s", *AROUND, "FROMMEMBER", "Palermo"), SYNTAX),
        (("GEOSEARCH", "s", "FROMMEMBER", "Palermo", *AROUND), SYNTAX),
        (("GEOSEARCH", "s", *CIRCLE, "BYBOX", 1, 1, "km"), SYNTAX),
        (("GEOSEARCH", "s", "BYBOX", 1, 1, "km", *CIRCLE), SYNTAX),
        (("GEOSEARCH", "s", *AROUND, "BYBOX", "x", 1, "km"), "ERR need numeric width"),
        (("GEOSEARCH", "s", *AROUND, "BYBOX", 1, "x", "km"), "ERR need numeric height"),
        (("GEOSEARCH", "s", *AROUND, "BYBOX", 1, -1, "km"), "ERR height or width cannot be negative"),
        (("GEOSEARCH", "s", *AROUND, *CIRCLE, "STOREDIST"), SYNTAX),
        (
            ("GEOSEARCH", "s", *CIRCLE, "ASC", "ASC"),
            "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
        ),
        (
            ("GEOSEARCHSTORE", "d", "s", *AROUND, "ASC", "ASC"),
            "ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCHSTORE",
        ),
        (
            ("GEOSEARCHSTORE", "d", "s", *AROUND, *CIRCLE, "WITHDIST"),
            "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(sicily: MemoryCache, words: tuple[Any, ...], error: str) -> None:
    sicily.call("SET", "t", "x")
    assert refusal(sicily, *words) == error
    assert sicily.call("EXISTS", "d") == 0


def test_the_key_that_is_stored_to_is_one_of_the_keys(cache: MemoryCache) -> None:
    words = ("GEORADIUS", "s", 1, 1, 1, "km")
    assert cache.call("COMMAND", "GETKEYS", *words) == [b"s"]
    assert cache.call("COMMAND", "GETKEYS", *words, "STORE", "d", "storedist", "e") == [b"s", b"d", b"e"]
    found = cache.call("COMMAND", "GETKEYSANDFLAGS", *words, "STOREDIST", "e")
    assert [key for key, _ in found] == [b"s", b"e"]
