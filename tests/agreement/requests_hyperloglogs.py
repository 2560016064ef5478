"""Generated requests on HyperLogLogs, sound, damaged, and strings that are none."""

from __future__ import annotations

from hypothesis import strategies as st

from .generated import Strategy, Words, any_case, durations, keys, options, some, values, words

HEAD = b"HYLL\x01" + bytes(11)
DENSE = b"HYLL\x00" + bytes(11) + bytes(12288)
EMPTY = HEAD + b"\x7f\xff"


def _runs(*, whole: bool) -> Strategy:
    """Give a sparse string of runs, of as many registers as there should be or of any number."""

    def made(parts: list[bytes]) -> bytes:
        left = 16384
        for part in parts:
            left -= part[0] & 3 if part[0] & 0x80 else part[0] & 63
            left -= 1
        tail = b"" if not whole or left < 1 else bytes((0x40 | (left - 1) >> 8, (left - 1) & 0xFF))
        return HEAD + b"".join(parts) + tail

    value = st.builds(lambda value, size: bytes((0x80 | value << 2 | size,)), st.integers(0, 31), st.integers(0, 3))
    few = st.builds(lambda value, size: bytes((0x80 | value << 2 | size,)), st.integers(0, 2), st.integers(0, 3))
    zeros = st.integers(0, 63).map(lambda size: bytes((size,)))
    return st.lists(st.one_of(few, few, value, zeros), max_size=60).map(made)


def _is_cut(data: bytes) -> bool:
    """Tell whether the last run lacks its second byte: Redis writes behind the end of such a string then."""
    at = len(HEAD)
    while at < len(data):
        at += 2 if data[at] & 0xC0 == 0x40 else 1
    return at > len(data)


damaged = st.one_of(
    _runs(whole=False),
    st.binary(max_size=30).map(lambda data: HEAD + data).filter(lambda data: not _is_cut(data)),
    st.just(HEAD),
    st.just(HEAD + b"\x7f\xff\x00"),
    st.just(HEAD + b"\x7f\xfe"),
    st.sampled_from([DENSE[:-1], DENSE + b"x", b"HYLL", b"HYLX\x01" + bytes(11), b"HYLL\x02" + bytes(11), HEAD[:15]]),
)
dense = st.binary(min_size=3, max_size=3).map(lambda three: DENSE[:16] + three * 4096)
counted = st.integers(0, 2**63 - 1).map(lambda count: EMPTY[:8] + count.to_bytes(8, "little") + EMPTY[16:])
logs = st.one_of(_runs(whole=True), dense, st.just(EMPTY), counted)


def _elements(pair: tuple[int, int]) -> Words:
    start, count = pair
    return tuple(b"e%d" % number for number in range(start, start + count))


elements = st.one_of(
    some(values),
    st.tuples(st.integers(0, 100_000), st.integers(0, 60)).map(_elements),
    st.tuples(st.integers(0, 100_000), st.integers(200, 800)).map(_elements),
    st.binary(max_size=40).map(lambda data: (data,)),
)
subcommands = st.one_of(*map(any_case, ("GETREG", "DECODE", "ENCODING", "TODENSE", "NOPE")))

HYPERLOGLOGS = st.one_of(
    words("PFADD", keys, elements),
    words("PFADD", keys, elements),
    words("PFCOUNT", keys),
    words("PFCOUNT", some(keys, 1)),
    words("PFMERGE", keys, some(keys)),
    words("PFDEBUG", subcommands, keys),
    words("SET", keys, logs),
    words("GET", keys),
)

places = st.sampled_from([b"3", b"4", b"15", b"16", b"18", b"70000"])
OTHERS = st.one_of(
    words("SET", keys, damaged),
    words("SET", keys, damaged),
    words("SET", keys, values),
    words("GET", keys),
    words("DUMP", keys),
    words("DEL", keys),
    words("EXPIRE", keys, durations),
    words("RENAME", keys, keys),
    words("COPY", keys, keys, options("REPLACE")),
    words("TYPE", keys),
    words("OBJECT", "ENCODING", keys),
    words("RPUSH", keys, values),
    words("STRLEN", keys),
    words("SETRANGE", keys, places, st.sampled_from([b"", b"\x00", b"\x80", b"\xff"])),
)
