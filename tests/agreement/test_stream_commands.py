"""Streams: sequences of generated requests, trimming by whole nodes, and requests picked by hand."""

from __future__ import annotations

import time
from typing import Any, List, Sequence, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import effort

from .digests import says_the_time
from .generated import FAR, KEYS, Words, protocols, sequences
from .replies import Word
from .requests_streams import ENTRIES, GROUPS, INFO, OTHERS
from .servers import BothServers, RealConnection, encode
from .test_edges import lines

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]

SETTING = (
    (b"XADD", b"a", b"1", b"f", b"v", b"g", b"w"),
    (b"XADD", b"a", b"2-1", b"f", b"v"),
    (b"XADD", b"a", b"2-2", b"f", b"v", b"g", b"w"),
    (b"XADD", b"a", b"5", b"g", b"w"),
    (b"XGROUP", b"CREATE", b"a", b"g", b"0"),
    (b"XGROUP", b"CREATE", b"a", b"h", b"2"),
)
"""What generated requests often find, since they would seldom make a stream with groups themselves."""


def compare_streams(servers: BothServers, keys: Sequence[Word] = KEYS) -> None:
    """Compare all that is known of the streams at some keys."""
    servers.call("DEBUG", "DIGEST-VALUE", *keys)
    for key in keys:
        if servers.call("TYPE", key) == b"+stream\r\n":
            servers.call("XINFO", "STREAM", key)
            servers.call("XINFO", "STREAM", key, "FULL", "COUNT", 0)
            servers.call("XINFO", "GROUPS", key)


def play(servers: BothServers, requests: Sequence[Words], resp: int, setting: Sequence[Words] = ()) -> None:
    """Send requests to both servers; then compare what they hold."""
    servers.begin(resp)
    for request in (*setting, *requests):
        if not says_the_time(servers, request):
            servers.call(*request)
    compare_streams(servers)


generated = settings(max_examples=effort.examples(200))
before = st.sampled_from([(), SETTING, SETTING])


@generated
@given(requests=sequences(ENTRIES, INFO, OTHERS), resp=protocols, setting=before)
def test_entries_agree_with_redis(
    servers: BothServers, requests: Sequence[Words], resp: int, setting: Sequence[Words]
) -> None:
    play(servers, requests, resp, setting)


@generated
@given(requests=sequences(GROUPS, ENTRIES, INFO, OTHERS), resp=protocols, setting=before)
def test_groups_agree_with_redis(
    servers: BothServers, requests: Sequence[Words], resp: int, setting: Sequence[Words]
) -> None:
    play(servers, requests, resp, setting)


# Nodes

SHAPES = (("f", "g"), ("f",), ("g",), ("field", "5"), tuple("abcdefgh"), ("", "f"))
FILLINGS: Tuple[Word, ...] = (
    "", "v", 0, 127, 128, 4095, 4096, -1, -4096, -4097, 32767, 32768, 2**23, 2**31, 2**63 - 1, -(2**63), 2**63,
    "x" * 20, "x" * 63, "x" * 64, "x" * 125, "x" * 126, "x" * 127, "x" * 300, "x" * 2000, "x" * 4095, "x" * 4096, "007",
    "x" * 17000,
)  # fmt: skip
Run = Tuple[int, Sequence[str], Word, Tuple[int, int]]
"""How many entries, the names of their fields, all values, and how far their IDs are apart."""
runs = st.tuples(
    st.one_of(st.integers(1, 8), st.integers(1, 130)),
    st.sampled_from(SHAPES),
    st.sampled_from(FILLINGS),
    st.sampled_from([(0, 1), (1, 0), (0, 200), (5000, -1), (40_000, 70_000), (2**33, -3)]),
)
trims = st.one_of(
    st.tuples(st.just("MAXLEN"), st.sampled_from("=~"), st.integers(0, 200)),
    st.tuples(st.just("MAXLEN"), st.just("~"), st.integers(0, 200), st.just("LIMIT"), st.integers(0, 150)),
    st.tuples(st.just("MINID"), st.sampled_from("=~"), st.integers(0, 200)),
)


def fill(servers: BothServers, runs: Sequence[Run]) -> List[str]:
    """Add entries of many forms to a stream on both; gives their IDs."""
    milliseconds, sequence = 1, 0
    ids = []
    for count, fields, filling, (step, jump) in runs:
        for _ in range(count):
            milliseconds, sequence = milliseconds + step, max(0, sequence + jump)
            ids.append(f"{milliseconds}-{sequence}")
            servers.call("XADD", "s", ids[-1], *(word for field in fields for word in (field, filling)))
    return ids


@settings(max_examples=effort.examples(60))
@given(
    filled=st.lists(runs, min_size=1, max_size=6),
    steps=st.lists(st.one_of(trims, st.integers(0, 400), st.tuples(st.integers(0, 300), st.integers(1, 130)))),
)
def test_whole_nodes_are_trimmed_alike(servers: BothServers, filled: List[Run], steps: List[Any]) -> None:
    servers.begin()
    ids = fill(servers, filled)
    for step in steps:
        if isinstance(step, int):
            servers.call("XDEL", "s", ids[step % len(ids)])
        elif isinstance(step[0], int):
            start = step[0] % len(ids)
            servers.call("XDEL", "s", *ids[start : start + step[1]])
        elif step[0] == "MINID":
            servers.call("XTRIM", "s", *step[:2], ids[step[2] % len(ids)])
        else:
            servers.call("XTRIM", "s", *step)
        servers.call("XINFO", "STREAM", "s")
    servers.call("XADD", "s", 2**60, "f", "v")
    compare_streams(servers, ["s"])


# Picked by hand

BEFORE = lines(
    "XADD s 1 f v g w",
    "XADD s 2-1 f v",
    "XADD s 2-2 f v",
    "XADD s 5 g w",
    "XADD s 7 g w",
    "XGROUP CREATE s g 0",
    "XREADGROUP GROUP g x COUNT 3 STREAMS s >",
    "XGROUP CREATECONSUMER s g y",
    "XDEL s 2-1",
    "XADD t 9 f v",
    "XADD m 18446744073709551615-18446744073709551614 f v",
    "XADD q 4-18446744073709551615 f v",
    "SET str v",
)
"""A stream with a group, whose consumer has entries one of which was deleted; one ID before the last; a string."""

IDS = [
    "5", "5-", "5-*", "*", "-", "+", "$", ">", "''", "0", "0-0", "0-1", "00", "007", "7-007", "+7", " 7", "-7", "7 ",
    "7-1 ", "7-+1", "7--1", "7--0", "7--01", "7- 1", "7-\t1", "7-x", "x-7", "7-1-1", "1e3", "0x5",
    "18446744073709551615", "18446744073709551616", "18446744073709551615-18446744073709551615",
    "18446744073709551615-18446744073709551616", "18446744073709551615-*", "9223372036854775808", "-0", "-05", "--05",
    "99999999999999999999999", "0" * 126 + "7", "0" * 127 + "7", "(5", "(", "((5", "(-", "(+", "(0", "(0-0",
    "(18446744073709551615-18446744073709551615", "5\x00x", "-\x00", "*\x00", "$\x00", ">\x00", "5-*\x00", "7-**",
    "*-*", "*-5", "-*", "4-*", "8-*", "2-*",
]  # fmt: skip
OF_AN_ID = [
    "XADD s {} f v", "XADD q {} f v", "XADD m {} f v", "XADD new {} f v", "XADD s MINID {} 99 f v", "XDEL s {}",
    "XDEL s 1 {}", "XRANGE s {} +", "XRANGE s - {}", "XREVRANGE s {} -", "XREVRANGE s + {}", "XSETID s {}",
    "XSETID s 99 MAXDELETEDID {}", "XTRIM s MINID {}", "XREAD STREAMS s {}", "XREAD STREAMS new {}",
    "XREAD STREAMS m {}", "XREADGROUP GROUP g x STREAMS s {}", "XACK s g {}", "XPENDING s g {} + 9",
    "XPENDING s g - {} 9", "XCLAIM s g y 0 {}", "XCLAIM s g y 0 1 {}", "XCLAIM s g y 0 1 LASTID {}",
    "XAUTOCLAIM s g y 0 {}", "XGROUP CREATE s h {}", "XGROUP SETID s g {}", "XGROUP CREATE new h {} MKSTREAM",
]  # fmt: skip


ALL = ("s", "t", "m", "q", "w", "new", "str")


def fresh(servers: BothServers, requests: Sequence[Sequence[Word]], resp: int = 2, keys: Sequence[Word] = ALL) -> None:
    """Send requests to both servers, on the streams of `BEFORE`, and compare these then."""
    servers.begin(resp)
    for request in (*BEFORE, *requests):
        servers.call(*request)
    compare_streams(servers, keys)


@pytest.mark.parametrize("request_", OF_AN_ID)
@pytest.mark.every(9)
def test_ids_are_read_alike(servers: BothServers, request_: str) -> None:
    for each in IDS:
        request = tuple(each.replace("''", "") if word == "{}" else word for word in request_.split(" "))
        if not says_the_time(servers, tuple(str(word).encode() for word in request)):
            fresh(servers, [request], keys=["s", "new"] if "XADD" not in request_ else ALL)


BY_HAND = lines(
    "XADD s", "XADD s 9", "XADD s 9 f", "XADD s 9 f v g", "XADD s * f", "XADD str 9 f v", "XADD str 9 f",
    "XADD str x f v", "XADD str 0-0 f v", "XADD new NOMKSTREAM 9 f v", "XADD str NOMKSTREAM 9 f v",
    "XADD s NOMKSTREAM 9 f v", "XADD new NOMKSTREAM 0-0 f v", "XADD s MAXLEN 9 f v", "XADD s MAXLEN ~ 9 f v",
    "XADD s MAXLEN = 2 9 f v", "XADD s MAXLEN -1 9 f v", "XADD s MAXLEN x 9 f v", "XADD s MAXLEN 2 MAXLEN 2 9 f v",
    "XADD s MAXLEN 2 MINID 2 9 f v", "XADD s MINID 99 9 f v", "XADD s MAXLEN 0 9 f v", "XADD s LIMIT 5 9 f v",
    "XADD s LIMIT 0 9 f v", "XADD s LIMIT -1 9 f v", "XADD s LIMIT x 9 f v", "XADD s MAXLEN 2 LIMIT 5 9 f v",
    "XADD s MAXLEN ~ 2 LIMIT 0 9 f v", "XADD s LIMIT 1 MAXLEN ~ 2 9 f v", "XADD s LIMIT 1 MAXLEN 2 9 f v",
    "XADD s LIMIT 0 MAXLEN 2 9 f v", "XADD s maxlen 1 9 f v", "XADD s NOMKSTREAM MAXLEN",
    "XADD s NOMKSTREAM NOMKSTREAM 9 f v", "XADD s MAXLEN = ~ 2 9 f v", "XADD s 9 MAXLEN 2", "XTRIM s", "XTRIM s MAXLEN",
    "XTRIM s MAXLEN ~", "XTRIM s MAXLEN = ", "XTRIM s NOPE 2", "XTRIM s MAXLEN 2 NOPE", "XTRIM s MAXLEN 2 LIMIT",
    "XTRIM s LIMIT 2", "XTRIM s LIMIT 0", "XTRIM s LIMIT 2 NOPE", "XTRIM s MAXLEN 2 LIMIT 3",
    "XTRIM s MAXLEN ~ 2 LIMIT 3", "XTRIM s MAXLEN ~ 0 LIMIT 3", "XTRIM s MAXLEN ~ 0 LIMIT 4",
    "XTRIM s MAXLEN ~ 0 LIMIT 0", "XTRIM new MAXLEN 2", "XTRIM new NOPE 2", "XTRIM str MAXLEN 2", "XTRIM str MAXLEN x",
    "XTRIM s NOMKSTREAM MAXLEN 2", "XTRIM s MINID 2-2", "XTRIM s MINID = 99", "XTRIM s MINID ~ 99", "XTRIM s MAXLEN 3",
    "XTRIM s MAXLEN 9223372036854775807", "XDEL s", "XDEL new x", "XDEL str x", "XDEL str 1", "XDEL s 1 x",
    "XDEL s 1 1 99", "XDEL s 1 2-2 5 7", "XLEN s", "XLEN new", "XLEN str", "XLEN", "XLEN s s", "XRANGE s - +",
    "XRANGE new - +", "XRANGE str - +", "XRANGE str x +", "XRANGE new - x", "XRANGE s + -", "XRANGE s - + COUNT",
    "XRANGE s - + COUNT 0", "XRANGE new - + COUNT 0", "XRANGE s - + COUNT -5", "XRANGE s - + COUNT x",
    "XRANGE s - + COUNT 1 COUNT 2", "XRANGE s - + NOPE", "XRANGE s - + count 2", "XRANGE s - + COUNT 1 x",
    "XRANGE s x y", "XRANGE s (7 (7", "XRANGE s 2 2", "XRANGE s (2-1 (5", "XREVRANGE s + - COUNT 2", "XREVRANGE s 2 2",
    "XREVRANGE s - +", "XREVRANGE s x y", "XREVRANGE str + -", "XREVRANGE new + -", "XSETID new 5", "XSETID str 5",
    "XSETID str x", "XSETID s 6", "XSETID s 7", "XSETID s 9 ENTRIESADDED 3", "XSETID s 9 ENTRIESADDED 4",
    "XSETID s 9 ENTRIESADDED -1", "XSETID s 9 ENTRIESADDED x", "XSETID s 9 ENTRIESADDED", "XSETID s 9 MAXDELETEDID",
    "XSETID s 9 MAXDELETEDID 10", "XSETID s 9 MAXDELETEDID 9", "XSETID s 9 MAXDELETEDID 0-0", "XSETID s 9 NOPE",
    "XSETID s 9 MAXDELETEDID 8 ENTRIESADDED 99", "XSETID s 2-0", "XSETID new 9 NOPE", "XREAD", "XREAD STREAMS",
    "XREAD STREAMS s", "XREAD STREAMS s 0", "XREAD STREAMS s t 0", "XREAD STREAMS s t 0 0", "XREAD STREAMS s s 0 5",
    "XREAD STREAMS s s 0 99", "XREAD STREAMS s new 0 0", "XREAD STREAMS s str 0 0", "XREAD STREAMS str x",
    "XREAD STREAMS s str x 0", "XREAD STREAMS str s 0 x", "XREAD COUNT 1 STREAMS s 0", "XREAD COUNT 0 STREAMS s 0",
    "XREAD COUNT -1 STREAMS s 0", "XREAD COUNT x STREAMS s 0", "XREAD COUNT STREAMS s 0", "XREAD BLOCK x STREAMS s 0",
    "XREAD BLOCK -1 STREAMS s 0", "XREAD BLOCK 1.5 STREAMS s 0", "XREAD BLOCK 1 STREAMS s $",
    "XREAD BLOCK 1 COUNT 1 STREAMS s 0", "XREAD BLOCK 0 STREAMS s 0", "XREAD BLOCK 99999999999999999999 STREAMS s 0",
    "XREAD BLOCK 9223372036854775807 STREAMS s 0", "XREAD GROUP g x STREAMS s 0", "XREAD NOACK STREAMS s 0",
    "XREAD NOPE STREAMS s 0", "XREAD COUNT 1 BLOCK 1", "XREAD streams s 7", "XREAD STREAMS s 99", "XREAD STREAMS q 4",
    "XREADGROUP GROUP g x STREAMS s", "XREADGROUP GROUP g x STREAMS s >", "XREADGROUP GROUP g y STREAMS s >",
    "XREADGROUP GROUP g new COUNT 1 STREAMS s >", "XREADGROUP GROUP g x STREAMS s 0",
    "XREADGROUP GROUP g x COUNT 2 STREAMS s 0", "XREADGROUP GROUP g x COUNT 1 STREAMS s 1",
    "XREADGROUP GROUP g new STREAMS s 0", "XREADGROUP GROUP g y NOACK STREAMS s >",
    "XREADGROUP GROUP g new NOACK STREAMS s 0", "XREADGROUP GROUP nope x STREAMS s >",
    "XREADGROUP GROUP g x STREAMS new >", "XREADGROUP GROUP g x STREAMS str >", "XREADGROUP GROUP g x STREAMS s s > >",
    "XREADGROUP GROUP g x STREAMS s s > 0", "XREADGROUP GROUP g x STREAMS s t > >",
    "XREADGROUP GROUP g x COUNT 1 STREAMS s s > >", "XREADGROUP GROUP g x STREAMS s new $ 0",
    "XREADGROUP GROUP nope x STREAMS s $", "XREADGROUP NOACK COUNT 1 STREAMS s >", "XREADGROUP STREAMS s s s > > >",
    "XREADGROUP GROUP g x COUNT 1 NOPE", "XREADGROUP GROUP g x COUNT 1 BLOCK 1",
    "XREADGROUP GROUP g x BLOCK 1 STREAMS s 99", "XREADGROUP GROUP g x GROUP nope y STREAMS s >",
    "XREADGROUP GROUP g x STREAMS s s >", "XREADGROUP COUNT 1 GROUP g x STREAMS s >",
    "XREADGROUP BLOCK 1 GROUP g y STREAMS s s 0 >", "XACK s g", "XACK s g 1", "XACK s g 1 1 2-1", "XACK s g x",
    "XACK new g x", "XACK s nope x", "XACK str g x", "XACK s g 1 x", "XPENDING s", "XPENDING s g", "XPENDING s nope",
    "XPENDING new g", "XPENDING str g", "XPENDING s g -", "XPENDING s g - +", "XPENDING s g - + 9",
    "XPENDING s g - + 1", "XPENDING s g - + 0", "XPENDING s g - + -1", "XPENDING s g - + x", "XPENDING s g x y z",
    "XPENDING s g - + 9 x", "XPENDING s g - + 9 y", "XPENDING s g - + 9 nope", "XPENDING s g - + 9 x y",
    "XPENDING s g - + 9 x y z", "XPENDING s g - + 9 x y z w", "XPENDING s g IDLE", "XPENDING s g IDLE 0 -",
    "XPENDING s g IDLE 0 - +", "XPENDING s g IDLE 0 - + 9", "XPENDING s g IDLE 100000 - + 9",
    "XPENDING s g IDLE x - + 9", "XPENDING s g IDLE -1 - + 9", "XPENDING s g IDLE 0 - + 9 x",
    "XPENDING s g IDLE 0 - + 9 x y", "XPENDING new g - + x", "XPENDING s g idle 0 - + 9", "XPENDING s g + - 9",
    "XPENDING s g 2 2 9", "XCLAIM s g y 0", "XCLAIM s g y 0 1", "XCLAIM s g y 0 2-1", "XCLAIM s g y 0 1 2-1 2-2",
    "XCLAIM s g y x 1", "XCLAIM s g y -1 1", "XCLAIM s g y 100000 1", "XCLAIM s nope y 0 1", "XCLAIM new g y 0 1",
    "XCLAIM str g y 0 1", "XCLAIM s nope y x 1", "XCLAIM s g y 0 1 JUSTID", "XCLAIM s g y 0 5",
    "XCLAIM s g y 0 5 FORCE", "XCLAIM s g new 0 5 FORCE JUSTID", "XCLAIM s g new 0 99 FORCE", "XCLAIM s g new 0 99",
    "XCLAIM s g y 0 1 1", "XCLAIM s g y 0 1 NOPE", "XCLAIM s g y 0 1 nope\x00x", "XCLAIM s g y 0 1 IDLE",
    "XCLAIM s g y 0 1 IDLE x", "XCLAIM s g y 0 1 IDLE 5000000", "XCLAIM s g y 0 1 IDLE -5", "XCLAIM s g y 0 1 TIME 5",
    "XCLAIM s g y 0 1 TIME -5", "XCLAIM s g y 0 1 TIME x", f"XCLAIM s g y 0 1 TIME {FAR}000",
    "XCLAIM s g y 0 1 RETRYCOUNT 9", "XCLAIM s g y 0 1 RETRYCOUNT -9", "XCLAIM s g y 0 1 RETRYCOUNT 0",
    "XCLAIM s g y 0 1 RETRYCOUNT x", "XCLAIM s g y 0 1 LASTID 6", "XCLAIM s g y 0 1 LASTID 1",
    "XCLAIM s g y 0 99 LASTID 6", "XCLAIM s g y 0 1 JUSTID RETRYCOUNT 4", "XCLAIM s g y 0 1 FORCE 5",
    "XCLAIM s g y 0 FORCE", "XCLAIM s g y 0 1 IDLE 0 TIME 5", "XCLAIM s g x 0 1", "XCLAIM s g y 0 5 FORCE RETRYCOUNT 3",
    "XAUTOCLAIM s g y 0", "XAUTOCLAIM s g y 0 0", "XAUTOCLAIM s g y 0 0 COUNT 1", "XAUTOCLAIM s g y 0 0 COUNT 2",
    "XAUTOCLAIM s g y 0 0 JUSTID", "XAUTOCLAIM s g y 0 0 COUNT 0", "XAUTOCLAIM s g y 0 0 COUNT -1",
    "XAUTOCLAIM s g y 0 0 COUNT x", "XAUTOCLAIM s g y 0 0 COUNT", "XAUTOCLAIM s g y 0 0 COUNT 9223372036854775807",
    "XAUTOCLAIM s g y 0 0 COUNT 576460752303423488", "XAUTOCLAIM s g y 0 0 NOPE", "XAUTOCLAIM s g y 100000 0 COUNT 1",
    "XAUTOCLAIM s g new 100000 0", "XAUTOCLAIM s g y 0 99", "XAUTOCLAIM s g new 0 99", "XAUTOCLAIM s g y x 0",
    "XAUTOCLAIM s g y -1 0", "XAUTOCLAIM new g y x 0", "XAUTOCLAIM new g y 0 0", "XAUTOCLAIM str g y 0 0",
    "XAUTOCLAIM s nope y 0 0", "XAUTOCLAIM s g y 0 (1 JUSTID COUNT 1", "XAUTOCLAIM s g y 0 - COUNT 1 COUNT 5",
    "XAUTOCLAIM str g y 0 x", "XGROUP", "XGROUP NOPE", "XGROUP NOPE s g", "XGROUP CREATE", "XGROUP CREATE s g",
    "XGROUP CREATE s g 0", "XGROUP CREATE s h 0", "XGROUP CREATE s h $", "XGROUP CREATE new h $",
    "XGROUP CREATE new h $ MKSTREAM", "XGROUP CREATE new h 5 MKSTREAM", "XGROUP CREATE str h 0",
    "XGROUP CREATE str h 0 MKSTREAM", "XGROUP CREATE new h x MKSTREAM", "XGROUP CREATE s h 0 NOPE",
    "xgroup create s h 0 nope", "xGroup Create s h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM",
    "XGROUP CREATE new h 0 ENTRIESREAD 1 ENTRIESREAD 2", "XGROUP CREATE s h 0 ENTRIESREAD 3",
    "XGROUP CREATE s h 0 ENTRIESREAD -1", "XGROUP CREATE s h 0 ENTRIESREAD -2", "XGROUP CREATE s h 0 ENTRIESREAD x",
    "XGROUP CREATE s h 0 ENTRIESREAD", "XGROUP CREATE s h 0 MKSTREAM ENTRIESREAD 2", "XGROUP CREATE s g x",
    "XGROUP SETID s g 0", "XGROUP SETID s g $", "XGROUP SETID s g 5 ENTRIESREAD 4", "XGROUP SETID s nope 0",
    "XGROUP SETID s nope x", "XGROUP SETID new g 0", "XGROUP SETID str g 0", "XGROUP SETID s g 0 MKSTREAM",
    "XGROUP SETID s g 0 ENTRIESREAD 1 ENTRIESREAD 2", "XGROUP SETID s nope 0 ENTRIESREAD 1 ENTRIESREAD 2",
    "XGROUP SETID s g", "XGROUP SETID s g 99", "xgroup setID s g 0 NOPE", "XGROUP DESTROY s g", "XGROUP DESTROY s nope",
    "XGROUP DESTROY new g", "XGROUP DESTROY str g", "XGROUP DESTROY s g x", "XGROUP CREATECONSUMER s g y",
    "XGROUP CREATECONSUMER s g new", "XGROUP CREATECONSUMER s nope y", "XGROUP CREATECONSUMER new g y",
    "XGROUP CREATECONSUMER str g y", "XGROUP CREATECONSUMER s g", "XGROUP CREATECONSUMER s g y x",
    "XGROUP DELCONSUMER s g x", "XGROUP DELCONSUMER s g y", "XGROUP DELCONSUMER s g nope",
    "XGROUP DELCONSUMER s nope x", "XGROUP DELCONSUMER new g x", "XGROUP DELCONSUMER str g x", "XGROUP DELCONSUMER s g",
    "XINFO", "XINFO NOPE", "XINFO NOPE s", "XINFO STREAM", "XINFO STREAM new", "XINFO STREAM str",
    "XINFO STREAM new NOPE", "XINFO STREAM str NOPE", "XINFO STREAM s NOPE", "xinfo stream s nope",
    "XINFO STREAM s FULL", "XINFO STREAM s full", "XINFO STREAM s FULL COUNT", "XINFO STREAM s FULL COUNT 1",
    "XINFO STREAM s FULL COUNT 0", "XINFO STREAM s FULL COUNT -1", "XINFO STREAM s FULL COUNT x",
    "XINFO STREAM s FULL NOPE 1", "XINFO STREAM s FULL COUNT 1 x", "XINFO STREAM s COUNT 1", "XINFO GROUPS s",
    "XINFO GROUPS t", "XINFO GROUPS new", "XINFO GROUPS str", "XINFO GROUPS s x", "XINFO CONSUMERS s g",
    "XINFO CONSUMERS s nope", "XINFO CONSUMERS new g", "XINFO CONSUMERS str g", "XINFO CONSUMERS s",
    "XINFO CONSUMERS s g x", "COPY s new", "COPY s t REPLACE", "COPY s str", "RENAME s new", "MOVE s 1",
    "OBJECT ENCODING s", "TYPE s", "XREADGROUP GROUP \n\x00 x STREAMS s >", "XPENDING s nope\x00\r\n",
    "XINFO CONSUMERS s a\x00b", "XGROUP DESTROY s a\x00b", "XGROUP SETID s a\x00b 0", "XRANGE s - + COUNT\x00 1",
)  # fmt: skip


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("start", range(0, len(BY_HAND), 25))
def test_requests_picked_by_hand_are_answered_alike(servers: BothServers, start: int, resp: int) -> None:
    for request in BY_HAND[start : start + 25]:
        fresh(servers, [request], resp)


SEVERAL = {
    "the largest IDs were deleted": "XDEL s 5 7|XSETID s 6|XSETID s 4|XADD s 6 f v|XADD s 8 f v",
    "a stream is empty": "XDEL s 1 2-2 5 7|XSETID s 6|XSETID s 9 ENTRIESADDED 1|XADD s 9-5 f v|XREAD STREAMS s 0",
    "an empty stream has a larger ID deleted": "XDEL t 9|XSETID t 8|XSETID t 9|XSETID t 8 ENTRIESADDED 0",
    "new entries were deleted": "XDEL s 5 7|XREADGROUP GROUP g new STREAMS s >|"
    "XREAD STREAMS s 2-2|XREAD BLOCK 1 STREAMS s 2-2",
    "some new entries were deleted": "XDEL s 5|XREADGROUP GROUP g y STREAMS s >|XINFO GROUPS s",
    "a group goes back": "XGROUP SETID s g 0 ENTRIESREAD 0|XREADGROUP GROUP g y STREAMS s >|"
    "XREADGROUP GROUP g x STREAMS s 0|XPENDING s g",
    "deleted entries are claimed": "XDEL s 1 2-2|XCLAIM s g y 0 1 2-1|"
    "XAUTOCLAIM s g y 0 0 COUNT 1|XAUTOCLAIM s g y 0 0|XPENDING s g",
    "an entry is claimed twice": "XCLAIM s g y 0 1|XCLAIM s g x 0 1 JUSTID|"
    "XCLAIM s g new 0 1 RETRYCOUNT 7|XPENDING s g - + 9",
    "two groups": "XGROUP CREATE s h 2 ENTRIESREAD 2|XREADGROUP GROUP h x COUNT 1 STREAMS s >|"
    "XINFO GROUPS s|XTRIM s MAXLEN 1|XINFO GROUPS s",
    "copies": "COPY s new|XDEL new 1|XACK new g 1|"
    "XADD new 99 f v|XREADGROUP GROUP g x STREAMS new >|XINFO STREAM s FULL",
    "names": "XGROUP CREATE s h 0|XGROUP CREATE s a 0|"
    "XGROUP CREATECONSUMER s a z|XGROUP CREATECONSUMER s a b|XINFO CONSUMERS s a",
    "the last ID is used up": "XADD m 18446744073709551615-* f v|XADD m * f v|XADD m 5 f v|"
    "XADD m 5-* f v|XTRIM m MAXLEN 0|XADD m * f v",
    "everything is trimmed": "XTRIM s MINID 99|XINFO STREAM s|XADD s 8 f v|"
    "XINFO STREAM s|XTRIM s MINID ~ 99|XINFO STREAM s",
    "a node with deleted entries alone": "XDEL s 7|XTRIM s MINID 7|XADD s 8 f v|"
    "XINFO STREAM s|XTRIM s MAXLEN 0|XINFO STREAM s|XRANGE s - +",
    "rename and expiry": "RENAME s new|XREADGROUP GROUP g x STREAMS new >|"
    "EXPIRE new 0|XLEN new|XREADGROUP GROUP g x STREAMS new >",
    "reload": "DEBUG RELOAD|XINFO STREAM s FULL|XREADGROUP GROUP g y STREAMS s >|"
    "XADD s 8 f v|XINFO STREAM s|XPENDING s g - + 9",
    "reload of a node with deleted entries alone": "XDEL s 7|XTRIM s MINID 7|DEBUG RELOAD|XADD s 8 f v|XRANGE s - +",
    "IDs far apart": "XADD w 1-0 f v|XADD w 2-18446744073709551615 f v|"
    "XADD w 18446744073709551614-1 f v|DUMP w|DEBUG RELOAD",
}


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("name", SEVERAL)
def test_requests_that_follow_one_another_are_answered_alike(servers: BothServers, name: str, resp: int) -> None:
    fresh(servers, lines(*SEVERAL[name].split("|")), resp)


WATCHED = [
    "XADD s 9 f v", "XTRIM s MAXLEN 1", "XTRIM s MAXLEN 9", "XDEL s 1", "XDEL s 99", "XSETID s 50",
    "XGROUP CREATE s h 0", "XGROUP CREATE new h 0 MKSTREAM", "XGROUP SETID s g 0", "XGROUP DESTROY s g",
    "XGROUP CREATECONSUMER s g z", "XGROUP DELCONSUMER s g x", "XREADGROUP GROUP g x STREAMS s >",
    "XREADGROUP GROUP g new NOACK STREAMS s >", "XREADGROUP GROUP g new STREAMS s 0", "XACK s g 1", "XCLAIM s g y 0 1",
    "XCLAIM s g y 0 99 LASTID 99", "XAUTOCLAIM s g y 0 0",
]  # fmt: skip


@pytest.mark.parametrize("request_", WATCHED)
def test_transactions_are_aborted_by_the_same_requests(servers: BothServers, request_: str) -> None:
    """What changes groups alone is no change for who watches the key."""
    fresh(servers, lines("WATCH s new", request_, "MULTI", "PING", "EXEC"))


# Waiting


class Client:
    """One more connection to both servers."""

    def __init__(self, servers: BothServers, resp: int) -> None:
        self._servers = servers
        self.real, self.ours = RealConnection(servers.real_port), servers.cache.connect()
        self.real.ask(encode(("HELLO", resp)))
        self.ours.send(encode(("HELLO", resp)))
        self._answer = b""

    def send(self, *words: Word) -> None:
        """Send a request to both, which may have to wait."""
        self.real.send(encode(words))
        self._answer = self.ours.send(encode(words))
        self._servers.control.ask(encode(("PING",)))

    def take(self) -> None:
        """Compare what has come back, if anything has."""
        for _ in range(3):
            self._servers.control.ask(encode(("PING",)))
        self._servers.tick()
        theirs, ours = self.real.drain()[0], self._answer + self.ours.send(b"")
        self._answer = b""
        assert theirs == ours

    def close(self) -> None:
        self.real.close()
        self.ours.close()


WAITING = {
    "a reader": "XREAD BLOCK 0 STREAMS k $",
    "a reader of several": "XREAD BLOCK 0 COUNT 1 STREAMS new j k $ $ 50",
    "a reader who names a key twice": "XREAD BLOCK 0 STREAMS k k 9 5",
    "a consumer": "XREADGROUP GROUP g c BLOCK 0 STREAMS k >",
    "a consumer of several": "XREADGROUP GROUP g c BLOCK 0 NOACK STREAMS j k > >",
    "a reader whose time is up": "XREAD BLOCK 1 STREAMS k $",
}
MEANWHILE = [
    "DEL k", "SET k v", "XGROUP DESTROY k g", "RENAME k l", "FLUSHALL", "EXPIRE k 0", "XADD k 9 f v", "XADD k 99 f v",
    "XSETID k 60", "XGROUP SETID k g 0", "COPY l k REPLACE", "RENAME l k", "SWAPDB 0 1", "XDEL k 1", "XTRIM k MAXLEN 0",
    "MULTI|DEL k|XADD k 99 f v|EXEC", "MULTI|DEL k|SET k v|EXEC", "MULTI|DEL k|XADD k 99 f v|XGROUP CREATE k g 0|EXEC",
    "XADD new 5 f v", "XADD j 200 f v", "XADD k 9 f v|XADD k 10 f v", "MULTI|XADD k 9 f v|XADD k 99 f v|EXEC",
    "XGROUP DESTROY k nope", "UNLINK k j", "LPUSH k x", "XGROUP CREATE k h 0",
]  # fmt: skip


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("waiting", WAITING)
def test_those_who_wait_are_served_alike(servers: BothServers, waiting: str, resp: int) -> None:
    for meanwhile in MEANWHILE:
        servers.begin()
        for request in lines(
            "XADD k 1 f v",
            "XGROUP CREATE k g $",
            "XADD j 100 f v",
            "XGROUP CREATE j g $",
            "XADD l 100 f v",
            "XGROUP CREATE l g 0",
        ):
            servers.call(*request)
        clients = [Client(servers, resp) for _ in range(3)]
        for client in clients:
            client.send(*lines(WAITING[waiting])[0])
        if "BLOCK 1 " in WAITING[waiting]:
            time.sleep(0.02)
            for client in clients:  # Redis looks who has waited for too long when it is asked something
                client.take()
        for request in lines(*meanwhile.split("|")):
            servers.call(*request)
            for client in clients:
                client.take()
        for client in clients:
            client.close()
        if "SET k" not in meanwhile and meanwhile != "SWAPDB 0 1":
            compare_streams(servers, ["k", "j", "new"])


def test_those_who_waited_are_given_no_more_than_a_thousand_entries(servers: BothServers) -> None:
    servers.begin()
    client = Client(servers, 2)
    client.send(*lines("XREAD BLOCK 0 STREAMS k $")[0])
    for request in [("MULTI",), *[("XADD", "k", number, "f", "v") for number in range(1, 1500)], ("EXEC",)]:
        servers.call(*request)
    client.take()
    client.close()
