"""Streams whose facts contradict each other: whatever Redis loads is loaded, and it goes on as in Redis."""

from __future__ import annotations

from typing import Any, List, Tuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.rdb import files as make

from .generated import thorough
from .replies import parse
from .servers import BothServers

pytestmark = pytest.mark.peer

Id = Tuple[int, int]
few_ids = st.tuples(st.integers(1, 7), st.sampled_from([0, 1, 5]))
texts = few_ids.map(lambda parts: "{}-{}".format(*parts))
small = st.integers(0, 4)

SAME_FIELDS, DELETED = 2, 1
UINT64_MAX = (1 << 64) - 1


@st.composite
def nodes(draw: Any) -> Tuple[Id, bytes]:
    """A node whose entries are in any order, and whose counts are wrong now and then."""
    start = draw(few_ids)
    entries = draw(st.lists(st.tuples(few_ids, st.sampled_from([0, 0, DELETED])), min_size=1, max_size=4))
    if draw(st.booleans()):
        entries.sort()
    live = sum(not flag for _, flag in entries)
    counts = [
        live + draw(st.sampled_from([0, 0, 0, 1, -1, 97, -3])),
        len(entries) - live + draw(st.sampled_from([0, 0, 1, -1, 96])),
    ]
    items: List[Any] = [*counts, 1, b"f", 0]
    for number, ((milliseconds, sequence), flag) in enumerate(entries):
        items += [SAME_FIELDS | flag, milliseconds - start[0], sequence - start[1], b"%d" % number, 4]
    return start, make.packed(items)


@st.composite
def payloads(draw: Any) -> bytes:
    """A stream for RESTORE."""
    found = dict(draw(st.lists(nodes(), max_size=3)))
    length = draw(st.sampled_from([0, 1, 2, 3, 5, 100, UINT64_MAX, 1 << 63])) if found else 0
    added = draw(st.sampled_from([0, 1, 3, 9, UINT64_MAX]))
    last, first, deleted = draw(few_ids), draw(few_ids), draw(st.one_of(st.just((0, 0)), few_ids))
    body = make.length(len(found))
    for start, data in found.items():
        body += make.string(start[0].to_bytes(8, "big") + start[1].to_bytes(8, "big")) + make.string(data)
    facts = (length, *last, *first, *deleted, added, 0)
    return make.dump_payload(make.STREAM_LISTPACKS_2, body + b"".join(map(make.length, facts)))


def words(line: str, *parts: Any) -> st.SearchStrategy[Tuple[Any, ...]]:
    return st.tuples(*[st.just(word) for word in line.split()], *parts)


WRITES = st.one_of(
    words("XADD k", texts, st.just("f"), st.just("v")),
    words("XADD k", texts, st.just("g"), st.just("w")),
    words("XADD k MAXLEN 2", texts, st.just("f"), st.just("v")),
    words("XADD k MAXLEN ~ 1", texts, st.just("f"), st.just("v")),
    words("XDEL k", texts),
    words("XDEL k", texts, texts),
    words("XTRIM k MAXLEN", small),
    words("XTRIM k MAXLEN ~", small),
    words("XTRIM k MAXLEN ~", small, st.just("LIMIT"), small),
    words("XTRIM k MINID", texts),
    words("XTRIM k MINID ~", texts),
    words("XSETID k", texts),
    words("XSETID k", texts, st.just("ENTRIESADDED"), small, st.just("MAXDELETEDID"), texts),
    words("XREAD COUNT 1 STREAMS k", texts),
    words("XREAD STREAMS k", texts),
    words("XRANGE k", texts, texts),
    words("XREVRANGE k", texts, texts),
)
LOOKS = (
    ("XLEN", "k"),
    ("XRANGE", "k", "-", "+"),
    ("XREVRANGE", "k", "+", "-"),
    ("XINFO", "STREAM", "k"),
    ("DEBUG", "DIGEST-VALUE", "k"),
)


def play(both: BothServers, script: List[Tuple[Any, ...]]) -> None:
    for request in script:
        # Redis ends where a stream says that it has entries and has none, and is asked for the last one.
        if request[0] in ("XREAD", "XSETID") and both.ask_ours("XRANGE", "k", "-", "+") == b"*0\r\n":
            continue
        both.call(*request)
        for look in LOOKS:
            both.call(*look)


def check_copies(both: BothServers) -> None:
    """What we dump is taken by both, and is the same there."""
    if both.call("EXISTS", "k") == b":0\r\n":
        return
    digest = both.call("DEBUG", "DIGEST-VALUE", "k")
    facts = both.ask_ours("XINFO", "STREAM", "k")
    (_, payload), _ = parse(both.ask_ours("DUMP", "k"))
    both.call("RESTORE", "k", 0, payload, "REPLACE")
    assert both.call("DEBUG", "DIGEST-VALUE", "k") == digest
    assert both.ask_ours("XINFO", "STREAM", "k") == both.ask_real("XINFO", "STREAM", "k") == facts


@thorough
@given(payload=payloads(), script=st.lists(WRITES, min_size=3, max_size=13))
def test_streams_that_do_not_tally_agree(servers: BothServers, payload: bytes, script: List[Tuple[Any, ...]]) -> None:
    servers.begin()
    servers.call("RESTORE", "k", 0, payload)
    play(servers, [("XLEN", "k"), *script])
    check_copies(servers)


LOWERED = [("XADD", "k", "5-1", "f", "v"), ("XADD", "k", "6-1", "f", "v"), ("XDEL", "k", "6-1"), ("XSETID", "k", "5-1")]


@thorough
@given(script=st.lists(st.one_of(WRITES, words("XADD k", texts, st.just("f"), st.just("v"))), max_size=20))
@example(script=[("XADD", "k", "5-1", "a", "b"), ("XDEL", "k", "5-1"), ("XSETID", "k", "1-1")])
@example(script=[*LOWERED, ("XADD", "k", "5-2", "f", "v"), ("XADD", "k", "6-1", "f", "v")])
@example(script=[*LOWERED[:3], ("XTRIM", "k", "MINID", "6-0"), ("XSETID", "k", "1-1"), ("XADD", "k", "2-1", "f", "v")])
def test_streams_whose_last_id_was_set_back_agree(servers: BothServers, script: List[Tuple[Any, ...]]) -> None:
    servers.begin()
    play(servers, script)
    check_copies(servers)


def test_a_node_may_take_the_place_of_another(both: BothServers) -> None:
    script: List[Tuple[Any, ...]] = [("XADD", "k", f"5-{number}", "f", "v") for number in range(1, 101)]
    script += [("XDEL", "k", "5-100"), ("XTRIM", "k", "MINID", "5-100"), ("XSETID", "k", "5-0")]
    script += [("XADD", "k", "5-1", "f", "v"), ("XADD", "k", "5-2", "f", "v"), ("XDEL", "k", "5-1"), ("XLEN", "k")]
    for request in script[:100]:
        both.call(*request)
    play(both, script[100:])
    check_copies(both)
