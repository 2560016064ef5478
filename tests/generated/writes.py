"""Generated requests that write lists, sets, sorted sets, streams and long strings, or have any keys go elsewhere.

There are few keys of each type, so that requests meet; now and then one goes to a key of another type.
"""

from __future__ import annotations

from typing import Any, Tuple

from hypothesis import strategies as st

Words = Tuple[bytes, ...]


def _flat(parts: Any) -> Words:
    return tuple(word for part in parts for word in ([part] if isinstance(part, bytes) else part))


def words(line: str, *parts: Any) -> st.SearchStrategy[Words]:
    """Give requests that begin with some words; of the parts each is a word, some words, or a strategy of those."""
    strategies = [st.just(part) if isinstance(part, bytes) else part for part in parts]
    return st.tuples(*strategies).map(lambda found: _flat((*line.encode().split(), *found)))


def some(of: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Words]:
    return st.lists(of, min_size=1, max_size=most).map(_flat)


def _numbers(least: int, most: int) -> st.SearchStrategy[bytes]:
    return st.integers(least, most).map(lambda number: b"%d" % number)


any_key = st.sampled_from([b"list", b"row", b"set", b"bag", b"ranks", b"board", b"stream", b"flow", b"long", b"a"])
lists = st.one_of(*[st.sampled_from([b"list", b"row"])] * 9, any_key)
sets = st.one_of(*[st.sampled_from([b"set", b"bag"])] * 9, any_key)
ranks = st.one_of(*[st.sampled_from([b"ranks", b"board"])] * 9, any_key)
streams = st.one_of(*[st.sampled_from([b"stream", b"flow"])] * 9, any_key)
texts = st.sampled_from([b"v", b"w", b"1", b"-7", b"", b"x\r\n$1\r\n", b"y" * 80])
ends = st.sampled_from([b"LEFT", b"RIGHT"])
places = _numbers(-4, 4)
scores = st.sampled_from([b"1", b"2", b"2.5", b"-1", b"inf", b"-inf", b"0", b"3e10"])
members = st.sampled_from([b"m", b"n", b"1", b"2", b"z" * 70])
groups = st.sampled_from([b"g", b"g", b"h"])
consumers = st.sampled_from([b"alice", b"bob"])
ids = st.builds(lambda first, then: b"%d-%d" % (first, then), st.integers(1, 4), st.integers(0, 3))
databases = st.sampled_from([b"0", b"1"])

_of_lists = [
    words("RPUSH", lists, some(texts)),
    words("LPUSH", lists, some(texts)),
    words("RPUSHX", lists, some(texts)),
    words("LPOP", lists, st.sampled_from([(), (b"2",), (b"0",)])),
    words("RPOP", lists, st.sampled_from([(), (b"2",)])),
    words("LMPOP 2", lists, lists, ends, b"COUNT", _numbers(1, 3)),
    words("LMOVE", lists, lists, ends, ends),
    words("RPOPLPUSH", lists, lists),
    words("LTRIM", lists, places, places),
    words("LSET", lists, places, texts),
    words("LINSERT", lists, st.sampled_from([b"BEFORE", b"AFTER"]), texts, texts),
    words("LREM", lists, places, texts),
    words("BLPOP", lists, lists, b"0.001"),
    words("BLMOVE", lists, lists, ends, ends, b"0.001"),
    words("SORT", sets, b"ALPHA", b"STORE", lists),
]
_of_sets = [
    words("SADD", sets, some(members)),
    words("SADD", sets, some(members)),
    words("SREM", sets, some(members)),
    words("SPOP", sets, st.sampled_from([(), (b"2",), (b"0",), (b"9",)])),
    words("SMOVE", sets, sets, members),
    words("SUNIONSTORE", sets, sets, sets),
    words("SINTERSTORE", sets, sets, sets),
    words("SDIFFSTORE", sets, sets, sets),
]
_conditions = st.sampled_from([(), (), (b"NX",), (b"XX",), (b"GT",), (b"LT", b"CH"), (b"XX", b"GT")])
_of_ranks = [
    words("ZADD", ranks, _conditions, some(st.tuples(scores, members))),
    words("ZADD", ranks, some(st.tuples(scores, members))),
    words("ZADD", ranks, _conditions, b"INCR", scores, members),
    words("ZINCRBY", ranks, scores, members),
    words("ZREM", ranks, some(members)),
    words("ZPOPMIN", ranks, st.sampled_from([(), (b"2",)])),
    words("ZPOPMAX", ranks, st.sampled_from([(), (b"2",)])),
    words("ZMPOP 2", ranks, ranks, st.sampled_from([b"MIN", b"MAX"]), b"COUNT", _numbers(1, 3)),
    words("BZPOPMIN", ranks, ranks, b"0.001"),
    words("ZREMRANGEBYSCORE", ranks, scores, scores),
    words("ZREMRANGEBYRANK", ranks, places, places),
    words("ZREMRANGEBYLEX", ranks, b"-", b"(n"),
    words("ZUNIONSTORE", ranks, b"2", ranks, ranks),
    words("ZINTERSTORE", ranks, b"2", ranks, sets),
    words("ZDIFFSTORE", ranks, b"2", ranks, ranks),
    words("ZRANGESTORE", ranks, ranks, places, places),
    words("GEOADD", ranks, b"13.3", b"38.1", members),
]
_limits = st.sampled_from([(), (), (b"MAXLEN", b"2"), (b"MAXLEN", b"~", b"1"), (b"MINID", b"2-1"), (b"NOMKSTREAM",)])
_starts = st.sampled_from([b"0", b"$", b"2-1"])
_of_streams = [
    words("XADD", streams, _limits, st.one_of(ids, st.sampled_from([b"4-*", b"3-*"])), b"f", texts),
    words("XADD", streams, _limits, st.sampled_from([b"*", b"4-*", b"4-*"]), b"f", texts, b"g", texts),
    words("XADD", streams, st.one_of(ids, st.sampled_from([b"2-*", b"4-*"])), b"f", texts),
    words("XDEL", streams, some(ids)),
    words("XTRIM", streams, st.sampled_from([(b"MAXLEN", b"1"), (b"MAXLEN", b"0"), (b"MINID", b"3")])),
    words("XSETID", streams, st.sampled_from([b"4-9", b"9000000000000-0"])),
    words("XGROUP CREATE", streams, groups, _starts, st.sampled_from([(), (b"MKSTREAM",)])),
    words("XGROUP CREATE", streams, groups, _starts, b"MKSTREAM"),
    words("XGROUP SETID", streams, groups, _starts),
    words("XGROUP DESTROY", streams, groups),
    words("XGROUP CREATECONSUMER", streams, groups, consumers),
    words("XGROUP DELCONSUMER", streams, groups, consumers),
    words("XREADGROUP GROUP", groups, consumers, b"COUNT", _numbers(1, 3), b"STREAMS", streams, b">"),
    words("XREADGROUP GROUP", groups, consumers, b"STREAMS", streams, b">"),
    words("XREADGROUP GROUP", groups, consumers, b"NOACK", b"STREAMS", streams, b">"),
    words("XREADGROUP GROUP", groups, consumers, b"STREAMS", streams, b"0"),
    words("XACK", streams, groups, some(ids)),
    words("XCLAIM", streams, groups, consumers, b"0", some(ids)),
    words("XCLAIM", streams, groups, consumers, b"0", some(ids), b"IDLE", b"50", b"FORCE", b"RETRYCOUNT", b"7"),
    words("XCLAIM", streams, groups, consumers, b"0", ids, b"JUSTID", b"LASTID", ids),
    words("XAUTOCLAIM", streams, groups, consumers, st.sampled_from([b"0", b"40"]), b"0"),
]
_of_strings = [
    words("SETRANGE long", _numbers(60_000, 70_000), texts),
    words("SETBIT long", _numbers(500_000, 550_000), st.sampled_from([b"0", b"1"])),
    words("APPEND long", texts),
    words("BITFIELD long SET u8", _numbers(0, 560_000), b"77"),
    words("BITOP NOT a long"),
    words("PFADD a", some(members)),
]
_of_keys = [
    words("COPY", any_key, any_key, b"DB", databases, st.sampled_from([(), (b"REPLACE",)])),
    words("MOVE", any_key, databases),
    words("RENAME", any_key, any_key),
    words("RENAMENX", any_key, any_key),
    words("SWAPDB 0 1"),
    words("DEL", any_key, any_key),
    words("PEXPIRE", any_key, _numbers(-1, 5000)),
    words("PERSIST", any_key),
]

writes = st.one_of(
    *(st.one_of(*each) for each in (_of_lists, _of_sets, _of_ranks, _of_streams, _of_streams, _of_strings, _of_keys))
)
"""Requests that may write."""

BEGINNING: list[Words] = [
    (b"XGROUP", b"CREATE", b"stream", b"g", b"0", b"MKSTREAM"),
    (b"XGROUP", b"CREATE", b"flow", b"g", b"0", b"MKSTREAM"),
    (b"XADD", b"stream", b"1-0", b"f", b"v"),
    (b"XADD", b"flow", b"1-0", b"f", b"v"),
]
"""Requests without which most of those about groups are refused."""
