"""What a log that is written anew says of a collection makes the same collection."""

from __future__ import annotations

import re
from typing import Any

import pytest

from twisted_kv.persistence.remaking import collection_requests
from twisted_kv.rdb.payload import dump
from twisted_kv.testing import MemoryCache
from twisted_kv.wire.requests import RequestReader

MADE = {
    "a list": ["RPUSH k " + " ".join(map(str, range(700)))],
    "a set": ["SADD k a b c"],
    "a set of numbers": ["SADD k 3 1 2"],
    "a sorted set": ["ZADD k 1.5 a -inf b 3 c"],
    "a hash": ["HSET k f v g w"],
    "a stream": ["XADD k 1-1 f v", "XADD k 2-0 g w h x", "XADD k 3-0 f v", "XDEL k 3-0"],
    "a stream with groups": [
        "XADD k 1-1 f v",
        "XADD k 2-0 f v",
        "XGROUP CREATE k g 0",
        "XGROUP CREATE k h 1-1 ENTRIESREAD 1",
        "XREADGROUP GROUP g c STREAMS k >",
        "XGROUP CREATECONSUMER k g idle",
    ],
    "a stream that is empty": ["XADD k 5-5 f v", "XDEL k 5-5"],
    "a stream that never had an entry": ["XGROUP CREATE k g $ MKSTREAM"],
    "a long string": ["SETRANGE k 70000 x", "SETBIT k 9 1"],
}


@pytest.mark.parametrize("requests", MADE.values(), ids=MADE)
def test_the_requests_make_the_same_value(requests: list[str]) -> None:
    cache, other = (MemoryCache({"enable-debug-command": "yes"}) for _ in range(2))
    for request in requests:
        cache.call(*request.split(" "))
    value: Any = cache.service.dispatcher.server.databases[0].peek(b"k")
    reader = RequestReader()
    reader.feed(b"".join(collection_requests(b"k", type(value), value.pieces(), len(value))))
    while (words := reader.gets()) is not None:
        other.call(*words)
    made: Any = other.service.dispatcher.server.databases[0].peek(b"k")
    if not re.search("ENTRIESREAD|MKSTREAM|XDEL|XTRIM", str(requests)):  # a stream keeps entries that were deleted
        assert dump(made) == dump(value)
    assert other.call("DEBUG", "DIGEST-VALUE", "k") == cache.call("DEBUG", "DIGEST-VALUE", "k")
    for each in (cache, other):
        each.stop()
