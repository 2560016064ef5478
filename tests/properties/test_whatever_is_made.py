"""Whatever requests that were accepted can make is written, and loaded again: by each way that there is."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from tests.generated.writes import consumers, groups, ids, streams, words, writes
from tests.storage.failing_disk import MemoryDisk, started, turns
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError

Words = Tuple[bytes, ...]

EXTREMES = (0, 1, 2, 5, 2**31 - 1, 2**31, 2**53, 2**63 - 2, 2**63 - 1, -1, -(2**31), -(2**63))
extremes = st.sampled_from([b"%d" % number for number in EXTREMES])
LARGEST = b"18446744073709551615-18446744073709551614"
far_ids = st.one_of(ids, ids, st.sampled_from([LARGEST, b"9223372036854775808-0", b"0-1", b"9-9"]))
scores = st.sampled_from(
    [b"-0", b"0", b"inf", b"-inf", b"5e-324", b"1.7976931348623157e308", b"0.1", b"1e17", b"-1e300"]
)

_inner_facts = [
    words("XADD", streams, far_ids, b"f", b"v"),
    words("XADD", streams, far_ids, b"f", b"v"),
    words("XDEL", streams, far_ids),
    words("XTRIM", streams, b"MINID", far_ids),
    words("XTRIM", streams, b"MAXLEN", st.sampled_from([b"0", b"1", b"3"])),
    words("XSETID", streams, far_ids),
    words("XSETID", streams, far_ids, b"ENTRIESADDED", extremes, b"MAXDELETEDID", far_ids),
    words("XGROUP CREATE", streams, groups, far_ids, b"MKSTREAM", b"ENTRIESREAD", extremes),
    words("XGROUP SETID", streams, groups, far_ids, b"ENTRIESREAD", extremes),
    words("XGROUP CREATECONSUMER", streams, groups, consumers),
    words("XREADGROUP GROUP", groups, consumers, b"STREAMS", streams, b">"),
    words("XREADGROUP GROUP", groups, consumers, b"STREAMS", streams, b"0"),
    words("XCLAIM", streams, groups, consumers, b"0", far_ids, b"RETRYCOUNT", extremes, b"FORCE"),
    words("XCLAIM", streams, groups, consumers, b"0", far_ids, b"TIME", extremes, b"FORCE", b"JUSTID"),
    words("XCLAIM", streams, groups, consumers, b"0", far_ids, b"IDLE", extremes, b"LASTID", far_ids, b"FORCE"),
    words("XAUTOCLAIM", streams, groups, consumers, b"0", b"0"),
    words("ZADD", st.sampled_from([b"ranks", b"board"]), scores, st.sampled_from([b"m", b"n", b"z" * 70])),
    words("SET n", extremes),
    words("INCRBY n", extremes),
    words("SADD set", extremes),
    words("HSET hash", extremes, extremes),
    words(
        "PEXPIREAT",
        st.sampled_from([b"n", b"stream", b"ranks"]),
        st.sampled_from([b"4102444800000", b"9223372036854775807"]),
    ),
    words("SETBIT bits", st.sampled_from([b"0", b"7", b"600000"]), b"1"),
]
scripts = st.lists(st.one_of(*_inner_facts, *_inner_facts, writes), min_size=1, max_size=25)


class Made:
    """A cache that keeps files, with a client of its own."""

    def __init__(self, disk: MemoryDisk, clock: Any = None, **settings: object) -> None:
        self.disk = disk
        self.cache: MemoryCache = started(disk, clock, enable_debug_command="yes", **settings)
        self.session = self.cache.session()

    def told(self) -> Dict[Any, Any]:
        """All that is held, and what is known of each stream beside its entries."""
        facts: Dict[Any, Any] = {"digest": self.session.call("DEBUG", "DIGEST")}
        for key in sorted(self.session.call("KEYS", "*")):
            facts[key] = self.session.call("PEXPIRETIME", key)
            if self.session.call("TYPE", key) == b"stream":
                known = self.session.call("XINFO", "STREAM", key, "FULL")
                facts[key] = [facts[key], {name: fact for name, fact in known.items() if b"radix" not in name}]
        return facts


def without_dates(told: Dict[Any, Any]) -> Dict[Any, Any]:
    """Leave out when a consumer was seen, which no request can set."""
    return _pruned(told)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(each) for name, each in value.items() if name != b"seen-time"}
    return [_pruned(each) for each in value] if isinstance(value, list) else value


def again(made: Made, **settings: object) -> Dict[Any, Any]:
    """Start another cache on what is on the disk."""
    return Made(made.disk.after_kill(), made.cache.clock, **settings).told()


LOWERED = [(b"XADD", b"s", b"5-1", b"a", b"b"), (b"XDEL", b"s", b"5-1"), (b"XSETID", b"s", b"1-1")]


@given(script=scripts, compress=st.booleans())
@example(
    script=[(b"XADD", b"s", b"5-1", b"a", b"b"), (b"XDEL", b"s", b"5-1"), (b"XSETID", b"s", b"1-1")], compress=False
)
def test_whatever_is_made_is_loaded_again(script: List[Words], compress: bool) -> None:
    made = Made(MemoryDisk(), appendonly="yes", rdbcompression="yes" if compress else "no")
    for request in script:
        failures: list[Failure] = []
        made.session.request(*request).addErrback(failures.append).cancel()  # nobody waits for a key here
        assert all(failure.check(CommandError, CancelledError) for failure in failures)
        assert not any("internal error" in str(failure.value) for failure in failures)
    told = made.told()
    made.cache.service.sync()
    assert without_dates(again(made, appendonly="yes")) == without_dates(told)  # what was logged
    made.session.request("SAVE")
    turns(made.cache)
    assert again(made) == told  # a snapshot
    made.session.call("BGREWRITEAOF")
    turns(made.cache)
    assert again(made, appendonly="yes") == told  # a base that is a snapshot
    made.session.call("CONFIG", "SET", "aof-use-rdb-preamble", "no")
    made.session.call("BGREWRITEAOF")
    turns(made.cache)
    assert without_dates(again(made, appendonly="yes")) == without_dates(told)  # a base of requests
    for key in made.session.call("KEYS", "*"):
        payload, deadline = made.session.call("DUMP", key), made.session.call("PEXPIRETIME", key)
        assert made.session.call("RESTORE", key, max(0, deadline), payload, "REPLACE", "ABSTTL") == b"OK"
    assert made.told() == told


@pytest.mark.parametrize("how", ["RELOAD", "LOADAOF"])
def test_whatever_is_made_is_loaded_again_by_debug(how: str) -> None:
    made = Made(MemoryDisk(), appendonly="yes", appendfsync="always")
    for request in ("XADD s 5-1 a b", "XDEL s 5-1", "XSETID s 1-1", "XADD s 2-1 a b", "XGROUP CREATE s g 0"):
        made.session.call(*request.split())
    told = made.told()
    made.session.request("DEBUG", how)
    turns(made.cache)
    assert made.told() == told
