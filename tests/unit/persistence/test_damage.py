"""Every file of ours, cut at every byte and with every byte turned: loaded in part where that is safe, else refused.

Never is there a traceback, a hang, data that are served though something is missing in their midst, or a cut that drops
whole requests.  The long run turns each bit of larger files.
"""

from __future__ import annotations

from typing import Iterator, Sequence

import pytest

from tests import effort
from tests.storage.plain_disk import Files
from tests.storage.starts import (
    BASE,
    INCR,
    MORE,
    RDB_BASE,
    Data,
    Request,
    Start,
    after,
    contents,
    laid_out,
    log,
    start,
    started,
    words,
)
from twisted_kv.wire.encoder import encode_request

LONG = effort.is_long()
COUNT = 300 if LONG else 36
MASKS = (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF) if LONG else (0x01, 0xFF)
STEP = 23 if effort.is_quick() else 1
"""The quick run looks at every 23rd byte."""
FAR = 4_102_444_800_000

pytestmark = pytest.mark.timeout(3000 if LONG else 120)


def some_requests(count: int = COUNT) -> list[Request]:
    """Strings, hashes, deadlines, several databases, binary values, and values that look like requests."""
    requests: list[Request] = []
    for place in range(count // 9):
        requests += [
            words("SET", f"k{place}", f"v{place}"),
            words("SET", f"t{place}", "x\r\n*y\r\n", "PXAT", FAR + place),
            words("HSET", "h", f"f{place}", "\0" * 3, "g", place),
            words("SELECT", place % 3),
            words("SET", b"\xff\r\n", b"a\r\n*1\r\n$4\r\nPING\r\nb" * (place % 2)),
            words("INCR", "n"),
            words("PEXPIREAT", "n", FAR),
            words("DEL", f"k{place - 1}"),
            words("APPEND", "s", "*3\r\n"),
        ]
    return requests


COLLECTIONS: list[Request] = [
    words("RPUSH", "l", "a", "*1\r\n"),
    words("LMOVE", "l", "m", "LEFT", "RIGHT"),
    words("SADD", "t", "7", b"\xff"),
    words("SMOVE", "t", "u", "7"),
    words("ZADD", "z", "2.5", "m", "-inf", b"\0"),
    words("ZREMRANGEBYSCORE", "z", "2", "3"),
    words("SELECT", 1),
    words("XADD", "x", "MAXLEN", "2", "5-1", "f", "v\r\n"),
    words("XGROUP", "CREATE", "x", "g", "0"),
    words("XCLAIM", "x", "g", "bob", "0", "5-1", "TIME", FAR, "RETRYCOUNT", "3", "FORCE", "JUSTID", "LASTID", "5-1"),
    words("XDEL", "x", "5-1"),
    words("SETRANGE", "b", "30", "$1\r\n"),
    words("COPY", "x", "y", "DB", "2"),
    words("SWAPDB", "0", "1"),
    words("PEXPIREAT", "l", FAR),
]
"""Requests to all other types, as a log has them."""

REQUESTS = [*some_requests(18 if not LONG else COUNT), *COLLECTIONS]
LOG = log(*REQUESTS)
ENDS = [len(log(*REQUESTS[:count])) for count in range(len(REQUESTS) + 1)]
HELD = after(REQUESTS)


def snapshot() -> bytes:
    """Give what the cache itself writes when it holds all that."""
    files = laid_out(incr=LOG)
    with started(files) as cache:
        cache.connect().call("BGREWRITEAOF")
        for _ in range(20):
            cache.clock.advance(0)
    return files[RDB_BASE]


RDB = snapshot()


def flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give data with a byte turned, and its place."""
    for at in range(0, len(data), STEP):
        for mask in MASKS:
            yield at, data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def assert_refused(outcome: Start, files: Files, before: Files, name: str) -> None:
    """Assert that nothing was loaded, that it was said of which file, and that no file was changed."""
    assert outcome.refused is not None
    assert f"/memory/{name}: " in outcome.refused
    assert "(at byte " in outcome.refused
    assert outcome.data == {}
    assert outcome.tracebacks == []
    assert outcome.warnings[-1] == f"cannot load the data: {outcome.refused}"
    assert files == before


def refused(files: Files, name: str, **config: object) -> str:
    """Assert that a start is refused, and give why."""
    before = dict(files)
    outcome = start(files, **config)
    assert_refused(outcome, files, before, name)
    return str(outcome.refused)


def whole_before(size: int) -> int:
    """Tell how many requests of the log are whole in so many bytes of it."""
    return sum(end <= size for end in ENDS) - 1


# A snapshot


def test_a_snapshot_of_ours_is_loaded() -> None:
    outcome = start({"dump.rdb": RDB}, appendonly="no")
    assert outcome == (HELD[-1], None, [], [])


def test_a_snapshot_that_is_cut_anywhere_is_refused() -> None:
    for end in range(0, len(RDB), STEP):
        why = refused({"dump.rdb": RDB[:end]}, "dump.rdb", appendonly="no")
        assert f"(at byte {end})" in why


def test_a_snapshot_that_is_flipped_anywhere_is_refused() -> None:
    for _, data in flips(RDB):
        refused({"dump.rdb": data}, "dump.rdb", appendonly="no")


def test_a_checksum_that_nobody_asks_for_lets_a_snapshot_be_loaded_or_refused() -> None:
    for at, data in flips(RDB):
        files = {"dump.rdb": data}
        outcome = start(files, appendonly="no", rdbchecksum="no")
        assert outcome.tracebacks == []
        assert files == {"dump.rdb": data}
        assert outcome.refused is None or outcome.data == {}
        if at >= len(RDB) - 8:
            assert outcome.data == HELD[-1]


# A log


def test_a_log_that_is_cut_anywhere_holds_its_whole_requests() -> None:
    for end in range(0, len(LOG) + 1, STEP):
        files = laid_out(incr=LOG[:end])
        count = whole_before(end)
        before = dict(files)
        outcome = start(files)
        if end == ENDS[count]:
            assert outcome == (HELD[count], None, [], [])
            continue
        if LOG[:end].endswith(b"\r\nPING\r\n"):  # as a text and as requests it is the same: that is for people to say
            assert_refused(outcome, files, before, INCR)
            continue
        assert (outcome.data, outcome.refused, outcome.tracebacks) == (HELD[count], None, []), end
        assert files[INCR] == LOG[: ENDS[count]]
        assert len(outcome.warnings) == 1
        assert f"/memory/{INCR}: " in outcome.warnings[0]
        assert f"byte {ENDS[count]}" in outcome.warnings[0]
        assert end % 5 or start(files) == (HELD[count], None, [], [])


def test_a_log_of_hundreds_of_requests_that_is_cut_somewhere_holds_its_whole_requests() -> None:
    requests = some_requests(300)
    data = log(*requests)
    held = after(requests)
    ends = [len(log(*requests[:count])) for count in range(len(requests) + 1)]
    for end in range(5, len(data), 61):
        files = laid_out(incr=data[:end])
        count = sum(each <= end for each in ends) - 1
        outcome = start(files)
        if outcome.refused is None or not data[:end].endswith(b"PING\r\n"):
            assert (outcome.data, outcome.refused) == (held[count], None)
            assert files[INCR] == data[: ends[count]]


def test_a_log_that_is_torn_is_refused_if_that_is_asked_for() -> None:
    for end in range(0, len(LOG), 7 * STEP):
        if end not in ENDS:
            refused(laid_out(incr=LOG[:end]), INCR, aof_load_truncated="no")
        else:
            assert start(laid_out(incr=LOG[:end]), aof_load_truncated="no").refused is None


@pytest.mark.parametrize("size", [1, 2, 100, 4096])
def test_zeros_behind_a_torn_log_go_with_what_was_torn(size: int) -> None:
    for end in range(0, len(LOG) + 1, 5 * STEP):
        files = laid_out(incr=LOG[:end] + bytes(size))
        before = dict(files)
        count = whole_before(end)
        outcome = start(files)
        assert outcome.tracebacks == []
        if outcome.refused is None:
            assert outcome.data == HELD[count]
            assert files[INCR] == LOG[: ENDS[count]]
        else:
            assert LOG[:end].endswith((b"PING\r\n", b"\r"))
            assert_refused(outcome, files, before, INCR)


def test_zeros_in_the_midst_are_refused() -> None:
    for at in range(0, len(ENDS) - 1, 9):
        refused(laid_out(incr=LOG[: ENDS[at]] + bytes(512) + LOG[ENDS[at] :]), INCR)


def test_zeros_are_refused_where_nothing_torn_may_be() -> None:
    refused(laid_out(incr=LOG + bytes(512)), INCR, aof_load_truncated="no")


def assert_no_harm(outcome: Start, files: Files, before: Files, damaged: int, ends: Sequence[int], name: str) -> None:
    """Assert that of a log with one damaged byte nothing was lost but the last request, if that was damaged."""
    assert outcome.tracebacks == []
    if outcome.refused is not None:
        assert_refused(outcome, files, before, name)
    elif len(files[name]) < ends[-1]:
        assert len(files[name]) == ends[-2] <= damaged
        assert f"byte {ends[-2]}" in outcome.warnings[0]
        assert files[name] == before[name][: ends[-2]]
    else:
        assert files == before


def test_a_log_that_is_flipped_anywhere_loses_no_whole_request_that_follows() -> None:
    for at, data in flips(LOG):
        files = laid_out(incr=data)
        before = dict(files)
        outcome = start(files)
        assert_no_harm(outcome, files, before, at, ENDS, INCR)


@pytest.mark.parametrize(
    "behind",
    [
        log(("SET", "b", "two\r\nlines")),
        log(("SET", "b", "two\r\nlines")) * 3,
        log(("SET", b"\xff\0", "")),
        log(("SET", "b", "v" * 70_000)),
        log(("DEL", *range(2000))),
        b"#TS:1600000000\r\n" + log(("DEL", "b")),
        log(("DEL", "b")) + b"#TS:1600000000\r\n",
        log(("DEL", "b")) + b"#TS:16",
        log(("DEL", "b")) + b"*",
        log(("DEL", "b")) + b"*3\r\n$3\r\nS",
        log(("DEL", "b")) + b"*3\r\n$3\r\nSET\r",
        log(("DEL", "b")) + b"*3\r",
        log(("DEL", "b")) + bytes(100),
        log(("SET", "text", "* a\r\n* b\r\n*1\r\n$9\r\n"), ("DEL", "b")),
    ],
)
@pytest.mark.parametrize("announced", [9999, 99_999, 999_999_999])
def test_whole_requests_behind_a_wrong_length_are_never_cut_off(behind: bytes, announced: int) -> None:
    damaged = log(("SET", "a", "v")) + b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\nshort\r\n" % announced
    files = laid_out(incr=damaged + behind)
    before = dict(files)
    outcome = start(files)
    if len(behind) < announced:
        assert_refused(outcome, files, before, INCR)
        assert "whole requests follow" in str(outcome.refused)
    else:
        assert_refused(outcome, files, before, INCR)


@pytest.mark.parametrize(
    "text",
    [
        b"* one\r\n* two\r\n* three",
        b"\r\n*1\r\n$4\r\nPING\r\n and so on",
        b"\r\n*1\r\n$4\r\nPING\r\n" * 50 + b"and so on",
        b"\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n$ 5",
        b"\r\n*9\r\n$5\r\nabcdefg",
        b"\r\n" + b"*1\r\n$4\r\nPING\r\n" * 50 + b"and so on",
        b"\r\n*1\r\n$999\r\nabc",
        b"\r\n*1\r\n$x\r\n",
        b"\r\n*0\r\n\r\n*-1\r\n",
        b"#TS:5\r\n* a",
    ],
)
def test_a_torn_value_may_look_like_requests(text: bytes) -> None:
    whole = log(("SET", "a", "v"))
    files = laid_out(incr=whole + b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000\r\n" + text)
    outcome = start(files)
    assert (outcome.data, outcome.refused) == ({(0, b"a"): (b"v", None)}, None)
    assert files[INCR] == whole


@pytest.mark.parametrize("tail", [b"", b"$", b"*", b"*1\r", b"*1\r\n$4\r\nPI", b"#TS", b"#TS:5\r\n"])
def test_a_torn_value_that_ends_as_requests_do_is_for_people_to_judge(tail: bytes) -> None:
    data = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000\r\n\r\n*1\r\n$4\r\nPING\r\n" + tail
    assert "whole requests follow" in refused(laid_out(incr=data), INCR)


def test_a_long_text_is_looked_through_in_reasonable_time() -> None:
    whole = log(("SET", "a", "v"))
    for text in (b"* an item of a list\r\n" * 100_000, b"\r\n*9\r\n$4" * 200_000, b"\r\n*1\r\n$2\r\nab\r\n" * 100_000):
        files = laid_out(incr=whole + b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$99999999\r\n" + text + b"end")
        assert start(files).data == {(0, b"a"): (b"v", None)}
    # Each of many beginnings would go through all of the rest: that is given up, and nothing is cut off.
    nested = b"\r\n*9999\r\n" + b"$7\r\n\r\n*9999\r\n" * 100_000
    refused(laid_out(incr=whole + b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$99999999\r\n" + nested), INCR)


# Transactions


GROUPS = [
    [words("SET", "a", 1)],
    [words("MULTI"), words("SET", "b", "\r\n*1\r\n"), words("SELECT", 2), words("SET", "c", 2), words("EXEC")],
    [words("SELECT", 0)],
    [words("MULTI"), words("HSET", "h", "f", "v"), words("PEXPIREAT", "h", FAR), words("EXEC")],
    [words("INCR", "a")],
    [words("MULTI"), words("DEL", "a"), words("SET", "d", 1), words("EXEC")],
    [
        words("MULTI"),
        words("RPUSH", "l", "a"),
        words("SWAPDB", 0, 2),
        words("XADD", "x", "1-1", "f", "v"),
        words("EXEC"),
    ],
]


def held_after_groups() -> list[Data]:
    held = after([request for group in GROUPS for request in group])
    places = [sum(len(group) for group in GROUPS[:count]) for count in range(len(GROUPS) + 1)]
    return [held[place] for place in places]


GROUP_LOG = log(*(request for group in GROUPS for request in group))
GROUP_ENDS = [len(log(*(request for group in GROUPS[:count] for request in group))) for count in range(len(GROUPS) + 1)]
GROUPS_HELD = held_after_groups()


def test_a_transaction_is_loaded_as_a_whole_or_not_at_all() -> None:
    for end in range(0, len(GROUP_LOG) + 1, STEP):
        files = laid_out(incr=GROUP_LOG[:end])
        count = sum(each <= end for each in GROUP_ENDS) - 1
        outcome = start(files)
        assert (outcome.data, outcome.refused, outcome.tracebacks) == (GROUPS_HELD[count], None, [])
        assert len(outcome.warnings) == (end not in GROUP_ENDS)
        assert files[INCR] == GROUP_LOG[: GROUP_ENDS[count]]
        assert start(files) == (GROUPS_HELD[count], None, [], [])


def test_a_transaction_without_its_end_is_cut_off_where_it_begins() -> None:
    whole = log(("SET", "a", 1))
    files = laid_out(incr=whole + log(("MULTI",), ("SET", "b", 1), ("SET", "c", 1)))
    outcome = start(files)
    assert outcome.data == {(0, b"a"): (b"1", None)}
    assert f"byte {len(whole)}" in outcome.warnings[0]
    assert files[INCR] == whole


def test_a_log_with_transactions_that_is_flipped_anywhere_loses_nothing_that_follows() -> None:
    follows = log(("SET", "e", 1), ("SET", "f", 1))
    ends = [*GROUP_ENDS, GROUP_ENDS[-1] + len(follows) // 2, GROUP_ENDS[-1] + len(follows)]
    for at, data in flips(GROUP_LOG + follows):
        files = laid_out(incr=data)
        before = dict(files)
        assert_no_harm(start(files), files, before, at, ends, INCR)


def test_a_damaged_end_of_a_transaction_does_not_swallow_what_follows() -> None:
    damaged = log(("MULTI",), ("SET", "a", 1), ("SET", "b", 1), ("EXEB",)) + log(("SET", "c", 1)) * 3
    assert "EXEB" in refused(laid_out(incr=damaged), INCR)
    twice = log(("MULTI",), ("SET", "a", 1)) + log(("MULTI",), ("SET", "b", 1), ("EXEC",))
    assert "has no end" in refused(laid_out(incr=twice), INCR)
    wrong = log(("MULTI",), ("SET", "a"), ("SET", "b", 1))
    assert "wrong number of arguments" in refused(laid_out(incr=wrong), INCR)


# A base and its increments


SHORT = log(*REQUESTS[:9])


@pytest.mark.parametrize("more", [b"", log(("SET", "z", 1))])
def test_a_base_that_is_cut_anywhere_is_refused(more: bytes) -> None:
    for end in range(1, len(RDB), STEP):
        refused(laid_out(rdb_base=RDB[:end], incr=more), RDB_BASE)
    for end in range(1, len(SHORT), STEP):
        if end not in ENDS:
            refused(laid_out(base=SHORT[:end], incr=more), BASE)


def test_a_base_that_is_the_only_file_may_be_an_old_log_and_is_cut() -> None:
    files = laid_out(base=SHORT[:-3])
    assert start(files).data == HELD[8]
    assert files[BASE] == SHORT[: ENDS[8]]


def test_a_base_that_is_flipped_anywhere_is_refused() -> None:
    for _, data in flips(RDB):
        refused(laid_out(rdb_base=data, incr=log(("SET", "z", 1))), RDB_BASE)


def test_an_increment_behind_a_base_may_be_torn() -> None:
    for end in range(0, ENDS[9] + 1, STEP):
        files = laid_out(rdb_base=RDB, incr=LOG[:end])
        assert start(files).refused is None
        assert files[RDB_BASE] == RDB
        assert files[INCR] == LOG[: ENDS[whole_before(end)]]


def test_requests_behind_the_snapshot_of_a_base_are_loaded_and_their_damage_is_told_by_its_place() -> None:
    outcome = start(laid_out(rdb_base=RDB + log(("SET", "z", 1)), incr=log(("SET", "y", 1))))
    assert outcome.data == {**HELD[-1], (0, b"z"): (b"1", None), (0, b"y"): (b"1", None)}
    why = refused(laid_out(rdb_base=RDB + log(("SET", "z", 1)) + b"xyz", incr=b""), RDB_BASE)
    assert f"(at byte {len(RDB) + len(log(('SET', 'z', 1)))})" in why


def test_an_increment_that_is_torn_and_followed_by_another_is_refused_and_nothing_is_changed() -> None:
    for end in range(1, ENDS[9], STEP):
        if end not in ENDS:
            refused(laid_out(rdb_base=RDB, incr=LOG[:end], more=log(("SET", "z", 1))), INCR)
    open_transaction = log(("MULTI",), ("SET", "a", 1))
    refused(laid_out(rdb_base=RDB, incr=open_transaction, more=log(("SET", "z", 1))), INCR)


def test_an_increment_that_is_torn_and_followed_by_empty_ones_is_cut() -> None:
    for end in range(1, ENDS[9], STEP):
        files = laid_out(rdb_base=RDB, incr=LOG[:end], more=b"")
        assert start(files).refused is None
        assert files[INCR] == LOG[: ENDS[whole_before(end)]]
        assert files[MORE] == b""


def test_an_old_log_that_is_cut_anywhere_holds_its_whole_requests() -> None:
    for end in range(0, ENDS[9] + 1, STEP):
        files = {"appendonly.aof": LOG[:end]}
        count = whole_before(end)
        assert start(files).data == HELD[count]
        assert files["appendonlydir/appendonly.aof"] == LOG[: ENDS[count]]
        assert start(files) == (HELD[count], None, [], [])


def test_the_next_start_writes_on_behind_the_cut() -> None:
    files = laid_out(incr=LOG[: ENDS[5] + 3])
    with started(files) as cache:
        cache.call("SET", "new", "v")
        held = contents(cache)
        cache.clock.advance(2)
    assert start(files) == (held, None, [], [])
    assert files[INCR].startswith(LOG[: ENDS[5]])
    assert encode_request(words("SET", "new", "v")) in files[INCR]
