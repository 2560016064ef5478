"""Generated requests on places on the earth: at random, at the poles, at the date line, and nowhere."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import durations, floats, integers, keys, options, some, values, words

NORTH = b"85.05112878"
TOO_FAR_NORTH = b"85.05112879"

towns = [b"m%d" % number for number in range(12)]
members = st.sampled_from([*towns, b"", b"\x00\xff\r\n"])
longitudes = st.one_of(
    st.floats(-180, 180).map(lambda number: b"%.17g" % number),
    st.floats(-5, 5).map(lambda number: b"%.3f" % number),
    st.sampled_from([b"180", b"-180", b"179.999999", b"-179.999999", b"0", b"-0", b"90", b"-90", b"0.0000001"]),
)
latitudes = st.one_of(
    st.floats(-85.05112878, 85.05112878).map(lambda number: b"%.17g" % number),
    st.floats(-5, 5).map(lambda number: b"%.3f" % number),
    st.sampled_from([NORTH, b"-" + NORTH, b"85", b"-85", b"66", b"-66.1", b"80.5", b"0", b"-0", b"85.0511"]),
)
nowhere = st.sampled_from(
    [
        (b"180.1", b"0"),
        (b"0", TOO_FAR_NORTH),
        (b"-181", b"-90"),
        (b"inf", b"0"),
        (b"0", b"-inf"),
        (b"nan", b"0"),
        (b"x", b"0"),
        (b"0", b""),
        (b"1e300", b"1"),
        (b" 1", b"1"),
    ]
)
places = st.one_of(
    st.tuples(longitudes, latitudes),
    st.tuples(longitudes, latitudes),
    st.tuples(longitudes, latitudes),
    st.tuples(longitudes, latitudes),
    nowhere,
)
sound = st.tuples(longitudes, latitudes)
lengths = st.one_of(
    st.floats(0, 30_000).map(lambda number: b"%.6f" % number),
    st.floats(0, 600).map(lambda number: b"%.6f" % number),
    st.integers(0, 25_000).map(lambda number: b"%d" % number),
    st.sampled_from([b"0", b"1", b"5000", b"5001.7", b"10000", b"20000", b"20037.73", b"40000", b"1e9", b"1e300"]),
)
odd_lengths = st.one_of(lengths, lengths, lengths, st.sampled_from([b"inf", b"-1", b"-0", b"nan", b"x", b"-inf", b""]))
units = st.sampled_from([b"km", b"km", b"KM", b"m", b"Mi", b"ft", b"mi", b"x", b"", b"km\x00"])
good_units = st.sampled_from([b"km", b"km", b"km", b"km", b"mi", b"m", b"ft"])
counts = st.one_of(st.integers(1, 12).map(lambda number: b"%d" % number), integers)
replies = ("WITHDIST", "WITHHASH", "WITHCOORD", "ASC", "DESC")
limits = (words("COUNT", counts), words("COUNT", st.just(b"3"), "ANY"), "ANY", words("COUNT"))
store = (words("STORE", keys), words("STOREDIST", keys), words("STORE"))
show = options(*replies, *limits, most=4)
centre = st.one_of(
    words("FROMLONLAT", sound),
    words("FROMLONLAT", sound),
    words("FROMMEMBER", members),
    words("FROMLONLAT", places),
)
shape = st.one_of(
    words("BYRADIUS", lengths, good_units),
    words("BYBOX", lengths, lengths, good_units),
    words("BYRADIUS", odd_lengths, units),
    words("BYBOX", odd_lengths, odd_lengths, units),
)
jumble = options(*replies, *limits, *store, centre, shape, "STOREDIST", most=6)
search = st.one_of(
    words(centre, shape, show), words(shape, show, centre), words(centre, shape, show), words(centre, shape, jumble)
)

FILL = words("GEOADD", keys, some(st.tuples(sound, st.sampled_from(towns)), 3, 12))
GEO = st.one_of(
    FILL,
    FILL,
    words("GEOADD", keys, options("NX", "XX", "CH", most=3), some(st.tuples(places, members), 0)),
    words("GEOPOS", keys, some(members)),
    words("GEOHASH", keys, some(members)),
    words("GEODIST", keys, members, members, options(units, most=2)),
    words("GEOSEARCH", keys, search),
    words("GEOSEARCH", keys, search),
    words("GEOSEARCH", keys, search),
    words("GEOSEARCH", keys, jumble),
    words("GEOSEARCHSTORE", keys, keys, centre, shape, options("STOREDIST", "ASC", "DESC", *limits)),
    words("GEOSEARCHSTORE", keys, keys, search),
    words("GEORADIUS", keys, places, odd_lengths, units, options(*replies, *limits, *store, most=4)),
    words("GEORADIUS", keys, sound, lengths, good_units, show),
    words("GEORADIUS", keys, sound, lengths, good_units, options(*store, *limits)),
    words("GEORADIUS_RO", keys, places, lengths, units, options(*replies, *limits, *store)),
    words("GEORADIUSBYMEMBER", keys, members, odd_lengths, units, options(*replies, *limits, *store, most=4)),
    words("GEORADIUSBYMEMBER", keys, members, lengths, good_units, show),
    words("GEORADIUSBYMEMBER_RO", keys, members, lengths, units, options(*replies, *limits, *store)),
)

OTHERS = st.one_of(
    words("ZRANGE", keys, st.just(b"0"), st.just(b"-1"), "WITHSCORES"),
    words("ZADD", keys, floats, members),
    words("ZREM", keys, members),
    words("DEL", keys),
    words("EXPIRE", keys, durations),
    words("RENAME", keys, keys),
    words("COPY", keys, keys, options("REPLACE")),
    words("TYPE", keys),
    words("OBJECT", "ENCODING", keys),
    words("SET", keys, values),
)
