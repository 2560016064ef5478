"""HSTRLEN, HINCRBYFLOAT and HRANDFIELD, which came later than the other commands on hashes."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import fields, floats, integers, keys, options, values, words

HASHES_ALSO = st.one_of(
    words("HSTRLEN", keys, fields),
    words("HINCRBYFLOAT", keys, fields, floats),
    words("HINCRBYFLOAT", keys, fields, floats),
    words("HRANDFIELD", keys),
    words(
        "HRANDFIELD", keys, st.sampled_from([b"0", b"x", b"", b"1.5", b"-9223372036854775808", b"99"]), options("NOPE")
    ),
    words("HRANDFIELD", keys, st.one_of(integers.filter(lambda word: len(word) < 6), st.just(b"-3")), "WITHVALUES"),
    words("HRANDFIELD", keys, st.sampled_from([b"9223372036854775807", b"-9223372036854775807"]), "WITHVALUES"),
    words("HSET", keys, fields, values),
    words("SET", keys, values),
)
