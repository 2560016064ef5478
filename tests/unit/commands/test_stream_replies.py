"""Commands on streams, their groups, and what is known of them."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.testing import START, MemoryCache
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY, Pairs
from twisted_kv.wire.encoder import encode_resp2, encode_resp3

NOW = b"%d" % (START * 1000)
LAST = b"18446744073709551615"
ENDS = b"%b-%b" % (LAST, LAST)
BAD_ID = "ERR Invalid stream ID specified as stream command argument"
SYNTAX = "ERR syntax error"
NOT_A_NUMBER = "ERR value is not an integer or out of range"
NO_GROUP = "NOGROUP No such key 's' or consumer group 'nope'"
EXHAUSTED = "ERR The stream has exhausted the last possible ID, unable to add more items"


@pytest.fixture
def streams(cache: MemoryCache) -> MemoryCache:
    """A cache with a stream of four entries, two of which were given to a consumer of a group."""
    for number in range(1, 5):
        cache.call("XADD", "s", number, "f", number)
    cache.call("XGROUP", "CREATE", "s", "g", 0)
    cache.call("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", "s", ">")
    cache.call("XGROUP", "CREATE", "t", "g", 0, "MKSTREAM")
    return cache


def entry(number: int) -> list[object]:
    return [b"%d-0" % number, [b"f", b"%d" % number]]


def split(request: str) -> list[str]:
    return ["" if word == "''" else word for word in request.split(" ")]


REPLIES: list[tuple[str, Any]] = [
    ("XADD new 5 f v", b"5-0"),
    ("XADD new 5-7 f v", b"5-7"),
    ("XADD new 5-* f v", b"5-0"),
    ("XADD s 4-* f v", b"4-1"),
    ("XADD new * f v", NOW + b"-0"),
    ("XADD new 007 f v", b"7-0"),
    ("XADD new 7--07 f v", b"7-18446744073709551609"),
    ("XADD new NOMKSTREAM 5 f v", None),
    ("XADD s NOMKSTREAM MAXLEN ~ 2 LIMIT 0 5 f v", b"5-0"),
    ("XADD s MINID = 3 5 f v", b"5-0"),
    ("XTRIM s MAXLEN 1", 3),
    ("XTRIM s MAXLEN = 9", 0),
    ("XTRIM s MAXLEN ~ 1", 0),
    ("XTRIM s MAXLEN ~ 0", 4),
    ("XTRIM s MAXLEN ~ 0 LIMIT 3", 0),
    ("XTRIM s MINID 3", 2),
    ("XTRIM s MINID ~ 99", 4),
    ("XTRIM new MAXLEN 1", 0),
    ("XDEL s 1 1 99", 1),
    ("XDEL new x", 0),
    ("XLEN s", 4),
    ("XLEN new", 0),
    ("XRANGE s - +", [entry(1), entry(2), entry(3), entry(4)]),
    ("XRANGE s 2 3", [entry(2), entry(3)]),
    ("XRANGE s (2 (4-0", [entry(3)]),
    ("XRANGE s - + COUNT 1", [entry(1)]),
    ("XRANGE s - + COUNT -1", None),
    ("XRANGE new - +", []),
    ("XREVRANGE s + - COUNT 2", [entry(4), entry(3)]),
    ("XSETID s 9", b"OK"),
    ("XSETID t 9", b"OK"),
    ("XSETID s 9 ENTRIESADDED 9 MAXDELETEDID 3", b"OK"),
    ("XREAD STREAMS s 3", {b"s": [entry(4)]}),
    ("XREAD COUNT 1 STREAMS s new 0 0", {b"s": [entry(1)]}),
    ("XREAD STREAMS s s 3 2", Pairs([(b"s", [entry(4)]), (b"s", [entry(3), entry(4)])])),
    ("XREAD STREAMS s new $ $", None),
    ("XGROUP CREATE s h $", b"OK"),
    ("XGROUP CREATE new h $ MKSTREAM", b"OK"),
    ("XGROUP CREATE s h 2 ENTRIESREAD 2", b"OK"),
    ("XGROUP SETID s g -", b"OK"),
    ("XGROUP SETID s g $ ENTRIESREAD 4", b"OK"),
    ("XGROUP DESTROY s g", 1),
    ("XGROUP DESTROY s nope", 0),
    ("XGROUP CREATECONSUMER s g d", 1),
    ("XGROUP CREATECONSUMER s g c", 0),
    ("XGROUP DELCONSUMER s g c", 2),
    ("XGROUP DELCONSUMER s g d", 0),
    ("XREADGROUP GROUP g d STREAMS s >", {b"s": [entry(3), entry(4)]}),
    ("XREADGROUP GROUP g d NOACK COUNT 1 STREAMS s >", {b"s": [entry(3)]}),
    ("XREADGROUP GROUP g c NOACK STREAMS s >", {b"s": [entry(3), entry(4)]}),
    ("XREADGROUP GROUP g c STREAMS t >", None),
    ("XREADGROUP GROUP g c STREAMS s 0", {b"s": [entry(1), entry(2)]}),
    ("XREADGROUP GROUP g d STREAMS s 0", {b"s": []}),
    ("XREADGROUP GROUP g c STREAMS s s 0 >", Pairs([(b"s", [entry(1), entry(2)]), (b"s", [entry(3), entry(4)])])),
    ("XACK s g 1 1 9", 1),
    ("XACK s nope x", 0),
    ("XACK s g 9", 0),
    ("XPENDING s g", [2, b"1-0", b"2-0", [[b"c", b"2"]]]),
    ("XPENDING s g - + 9", [[b"1-0", b"c", 0, 1], [b"2-0", b"c", 0, 1]]),
    ("XPENDING s g - + 1 c", [[b"1-0", b"c", 0, 1]]),
    ("XPENDING s g - + 9 d", []),
    ("XPENDING s g IDLE 5 - + 9", []),
    ("XCLAIM s g d 0 1", [entry(1)]),
    ("XCLAIM s g d 0 1 JUSTID", [b"1-0"]),
    ("XCLAIM s g d 0 3 9", []),
    ("XCLAIM s g d 0 3 FORCE", [entry(3)]),
    ("XCLAIM s g d 5 1", []),
    ("XCLAIM s g d 0 3 LASTID 3", []),
    ("XCLAIM s g d 0 1 IDLE 5 RETRYCOUNT 7 LASTID 1", [entry(1)]),
    ("XCLAIM s g c 0 1 TIME -1", [entry(1)]),
    ("XAUTOCLAIM s g d 0 0", [b"0-0", [entry(1), entry(2)], []]),
    ("XAUTOCLAIM s g d 0 0 COUNT 1 JUSTID", [b"2-0", [b"1-0"], []]),
    ("XAUTOCLAIM s g d 5 0", [b"0-0", [], []]),
]


@pytest.mark.parametrize(("request_", "reply"), REPLIES, ids=[each[0] for each in REPLIES])
def test_a_request_gets_its_reply(streams: MemoryCache, request_: str, reply: Any) -> None:
    given = streams.call(*split(request_))
    assert given == reply
    assert type(given) is type(reply) or isinstance(given, bytes)


REFUSALS: list[tuple[str, str]] = [
    ("XADD s 9 f", "ERR wrong number of arguments for 'xadd' command"),
    ("XADD s 9 f v g", "ERR wrong number of arguments for 'xadd' command"),
    ("XADD s NOMKSTREAM NOMKSTREAM NOMKSTREAM", "ERR wrong number of arguments for 'xadd' command"),
    ("XADD s 0 f v", "ERR The ID specified in XADD must be greater than 0-0"),
    ("XADD s 4 f v", "ERR The ID specified in XADD is equal or smaller than the target stream top item"),
    ("XADD s 3-* f v", "ERR The ID specified in XADD is equal or smaller than the target stream top item"),
    ("XADD str 9 f v", "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("XADD s x f v", BAD_ID),
    ("XADD s 18446744073709551616 f v", BAD_ID),
    ("XADD s -1 f v", BAD_ID),
    ("XADD s 5--1 f v", BAD_ID),
    (f"XADD s {'0' * 127}9 f v", BAD_ID),
    ("XADD s MAXLEN 1 MINID 1 9 f v", "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"),
    ("XADD s MAXLEN -1 9 f v", "ERR The MAXLEN argument must be >= 0."),
    ("XADD s LIMIT -1 9 f v", "ERR The LIMIT argument must be >= 0."),
    ("XADD s LIMIT 1 9 f v", "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
    ("XTRIM s MAXLEN 1 LIMIT 1", "ERR syntax error, LIMIT cannot be used without the special ~ option"),
    ("XTRIM s LIMIT 0", "ERR syntax error, XTRIM must be called with a trimming strategy"),
    ("XTRIM s NOPE 1", SYNTAX),
    ("XRANGE s (- +", BAD_ID),
    (f"XRANGE s ({ENDS.decode()} +", "ERR invalid start ID for the interval"),
    ("XRANGE s - (0-0", "ERR invalid end ID for the interval"),
    ("XRANGE s - + COUNT", SYNTAX),
    ("XSETID new 9", "ERR no such key"),
    ("XSETID s 3", "ERR The ID specified in XSETID is smaller than the target stream top item"),
    ("XSETID s 9 ENTRIESADDED 3", "ERR The entries_added specified in XSETID is smaller than the target stream length"),
    ("XSETID s 9 ENTRIESADDED -1", "ERR entries_added must be positive"),
    (
        "XSETID s 9 MAXDELETEDID 10",
        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
    ),
    ("XSETID s 9 ENTRIESADDED", SYNTAX),
    ("XREAD BLOCK x STREAMS s 0", "ERR timeout is not an integer or out of range"),
    ("XREAD BLOCK -1 STREAMS s 0", "ERR timeout is negative"),
    (
        "XREAD STREAMS s s 0",
        "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
    ),
    (
        "XREAD GROUP g c STREAMS s 0",
        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
    ),
    ("XREAD NOACK STREAMS s 0", "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."),
    ("XREAD NOPE STREAMS s 0", SYNTAX),
    ("XREAD COUNT 1 COUNT 1", SYNTAX),
    (
        "XREAD STREAMS s >",
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
    ),
    ("XREADGROUP NOACK COUNT 1 STREAMS s >", "ERR Missing GROUP option for XREADGROUP"),
    ("XREADGROUP GROUP nope c STREAMS s >", NO_GROUP + " in XREADGROUP with GROUP option"),
    (
        "XREADGROUP GROUP g c STREAMS s $",
        (
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer "
            "by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty "
            "result set."
        ),
    ),
    (
        "XGROUP CREATE new g 0",
        (
            "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
            "MKSTREAM option to create an empty stream automatically."
        ),
    ),
    ("XGROUP CREATE s g 0", "BUSYGROUP Consumer Group name already exists"),
    ("XGROUP CREATE s h 0 ENTRIESREAD -2", "ERR value for ENTRIESREAD must be positive or -1"),
    (
        "xgroup Create s h 0 NOPE",
        "ERR unknown subcommand or wrong number of arguments for 'Create'. Try XGROUP HELP.",
    ),
    (
        "XGROUP CREATE s h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM",
        "ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
    ),
    (
        "XGROUP SETID s g 0 ENTRIESREAD 1 ENTRIESREAD 1",
        "ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.",
    ),
    ("XGROUP SETID s nope 0", "NOGROUP No such consumer group 'nope' for key name 's'"),
    ("XACK s g x", BAD_ID),
    ("XPENDING s nope", NO_GROUP),
    ("XPENDING s g -", SYNTAX),
    ("XPENDING s g IDLE 1 -", SYNTAX),
    ("XCLAIM s g d x 1", "ERR Invalid min-idle-time argument for XCLAIM"),
    ("XCLAIM s g d 0 1 NOPE", "ERR Unrecognized XCLAIM option 'NOPE'"),
    ("XAUTOCLAIM s g d 0 0 COUNT 0", "ERR COUNT must be > 0"),
    ("XAUTOCLAIM s g d 0 0 NOPE", SYNTAX),
    ("XINFO STREAM new", "ERR no such key"),
    ("XINFO STREAM s NOPE", "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."),
    ("XINFO STREAM s FULL COUNT x", NOT_A_NUMBER),
    ("XINFO CONSUMERS s nope", "NOGROUP No such consumer group 'nope' for key name 's'"),
]


@pytest.mark.parametrize(("request_", "error"), REFUSALS, ids=[each[0][:60] for each in REFUSALS])
def test_a_request_is_refused_and_changes_nothing(streams: MemoryCache, request_: str, error: str) -> None:
    streams.call("SET", "str", "v")
    before = streams.call("XINFO", "STREAM", "s", "FULL")
    with pytest.raises(CommandError) as caught:
        streams.call(*split(request_))
    assert str(caught.value) == error
    assert streams.call("XINFO", "STREAM", "s", "FULL") == before


def test_the_last_id_is_the_end_of_a_stream(cache: MemoryCache) -> None:
    cache.call("XADD", "s", LAST + b"-18446744073709551614", "f", "v")
    assert cache.call("XADD", "s", "*", "f", "v") == ENDS
    for entry_id in ("*", "9", "9-*"):
        with pytest.raises(CommandError, match=EXHAUSTED):
            cache.call("XADD", "s", entry_id, "f", "v")


def test_a_millisecond_has_an_end(cache: MemoryCache) -> None:
    cache.call("XADD", "s", b"4-" + LAST, "f", "v")
    with pytest.raises(CommandError, match="Elements are too large to be stored"):
        cache.call("XADD", "s", "4-*", "f", "v")


def test_deleted_entries_are_shown_to_who_was_given_them(streams: MemoryCache) -> None:
    streams.call("XDEL", "s", 1)
    assert streams.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", 0) == {b"s": [[b"1-0", NULL_ARRAY], entry(2)]}


def test_deleted_entries_cannot_be_claimed_and_are_pending_no_more(streams: MemoryCache) -> None:
    streams.call("XDEL", "s", 1, 2)
    assert streams.call("XCLAIM", "s", "g", "d", 0, 1, 99) == []
    assert streams.call("XAUTOCLAIM", "s", "g", "d", 0, 0) == [b"0-0", [], [b"2-0"]]
    assert streams.call("XPENDING", "s", "g") == [0, None, None, NULL_ARRAY]


def test_a_consumer_is_made_by_who_gets_something(streams: MemoryCache) -> None:
    streams.call("XCLAIM", "s", "g", "d", 0, 99)
    streams.call("XAUTOCLAIM", "s", "g", "d", 0, 99)
    assert [each[b"name"] for each in streams.call("XINFO", "CONSUMERS", "s", "g")] == [b"c"]
    streams.call("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", 0)
    streams.clock.advance(2)
    assert streams.call("XINFO", "CONSUMERS", "s", "g") == [
        {b"name": b"c", b"pending": 2, b"idle": 2000},
        {b"name": b"d", b"pending": 0, b"idle": 2000},
    ]


def test_idle_entries_are_found_and_claimed(streams: MemoryCache) -> None:
    streams.clock.advance(1)
    assert streams.call("XPENDING", "s", "g", "IDLE", 1000, "-", "+", 1) == [[b"1-0", b"c", 1000, 1]]
    assert streams.call("XCLAIM", "s", "g", "d", 1000, 1) == [entry(1)]
    assert streams.call("XPENDING", "s", "g", "-", "+", 9) == [[b"1-0", b"d", 0, 2], [b"2-0", b"c", 1000, 1]]


def test_an_entry_that_is_read_anew_changes_hands(streams: MemoryCache) -> None:
    streams.call("XGROUP", "SETID", "s", "g", 0)
    streams.call("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", ">")
    assert streams.call("XPENDING", "s", "g")[3] == [[b"d", b"4"]]


def test_a_stream_tells_about_itself(streams: MemoryCache) -> None:
    streams.call("XDEL", "s", 2)
    facts = streams.call("XINFO", "STREAM", "s")
    assert facts == {
        b"length": 3,
        b"radix-tree-keys": 1,
        b"radix-tree-nodes": 2,
        b"last-generated-id": b"4-0",
        b"max-deleted-entry-id": b"2-0",
        b"entries-added": 4,
        b"recorded-first-entry-id": b"1-0",
        b"groups": 1,
        b"first-entry": entry(1),
        b"last-entry": entry(4),
    }
    streams.call("XTRIM", "s", "MAXLEN", 0)
    facts = streams.call("XINFO", "STREAM", "s")
    assert (facts[b"first-entry"], facts[b"last-entry"], facts[b"radix-tree-keys"]) == (None, None, 0)


@pytest.mark.parametrize(("count", "shown"), [(None, 2), (0, 2), (1, 1), (-1, 2)])
def test_a_stream_tells_all_about_itself(streams: MemoryCache, count: int | None, shown: int) -> None:
    streams.call("XGROUP", "CREATE", "s", "h", 3)
    words = () if count is None else ("COUNT", count)
    facts = streams.call("XINFO", "STREAM", "s", "FULL", *words)
    group, other = facts[b"groups"]
    pending = [[b"1-0", int(NOW), 1], [b"2-0", int(NOW), 1]][:shown]
    consumer = {b"name": b"c", b"seen-time": int(NOW), b"pel-count": 2, b"pending": pending}
    assert len(facts[b"entries"]) == 2 * shown if count != 1 else 1
    assert group == {
        b"name": b"g",
        b"last-delivered-id": b"2-0",
        b"entries-read": 2,
        b"lag": 2,
        b"pel-count": 2,
        b"pending": [[entry_id, b"c", time, times] for entry_id, time, times in pending],
        b"consumers": [consumer],
    }
    assert (other[b"entries-read"], other[b"lag"]) == (None, None)


def test_groups_tell_how_far_they_have_read(streams: MemoryCache) -> None:
    streams.call("XGROUP", "CREATE", "s", "h", 3)
    assert streams.call("XINFO", "GROUPS", "s") == [
        {b"name": b"g", b"consumers": 1, b"pending": 2, b"last-delivered-id": b"2-0", b"entries-read": 2, b"lag": 2},
        {
            b"name": b"h",
            b"consumers": 0,
            b"pending": 0,
            b"last-delivered-id": b"3-0",
            b"entries-read": None,
            b"lag": None,
        },
    ]


def test_streams_that_are_read_are_pairs_for_who_speaks_resp2(streams: MemoryCache) -> None:
    assert streams.connect().call("XREAD", "STREAMS", "s", 3) == [[b"s", [entry(4)]]]


def test_a_map_may_have_a_key_twice() -> None:
    pairs = Pairs([(b"s", 1), (b"s", 2)])
    assert encode_resp3(pairs) == b"%2\r\n$1\r\ns\r\n:1\r\n$1\r\ns\r\n:2\r\n"
    assert encode_resp2(pairs) == b"*2\r\n*2\r\n$1\r\ns\r\n:1\r\n*2\r\n$1\r\ns\r\n:2\r\n"


def test_readers_all_get_a_new_entry_and_consumers_share_it(streams: MemoryCache) -> None:
    streams.call("XGROUP", "SETID", "s", "g", "$")
    replies: list[Any] = []
    for words in (
        ("XREAD", "BLOCK", 0, "STREAMS", "s", "new", "$", "$"),
        ("XREAD", "BLOCK", 0, "STREAMS", "s", "$"),
        ("XREADGROUP", "GROUP", "g", "d", "BLOCK", 0, "NOACK", "STREAMS", "s", ">"),
        ("XREADGROUP", "GROUP", "g", "e", "BLOCK", 0, "STREAMS", "s", ">"),
    ):
        streams.session().request(*words).addBoth(replies.append)
    streams.call("XDEL", "s", 1)
    assert replies == []
    streams.call("XADD", "s", 9, "f", 9)
    assert replies == 3 * [{b"s": [entry(9)]}]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("XGROUP DESTROY s g", "NOGROUP the consumer group this client was blocked on no longer exists"),
        ("DEL s", "UNBLOCKED the stream key no longer exists"),
        ("SET s v", "UNBLOCKED the stream key no longer exists"),
    ],
)
def test_a_consumer_waits_no_more_when_there_is_nothing_to_wait_for(
    streams: MemoryCache, request_: str, error: str
) -> None:
    streams.call("XGROUP", "SETID", "s", "g", "$")
    replies: list[Any] = []
    streams.session().request("XREADGROUP", "GROUP", "g", "d", "BLOCK", 0, "STREAMS", "s", ">").addBoth(replies.append)
    streams.call(*split(request_))
    assert [str(reply.value) for reply in replies] == [error]


def test_a_reader_waits_only_as_long_as_it_says(cache: MemoryCache) -> None:
    replies: list[Any] = []
    cache.session().request("XREAD", "BLOCK", 10, "STREAMS", "s", "$").addBoth(replies.append)
    cache.clock.advance(0.01)
    assert replies == [None]
