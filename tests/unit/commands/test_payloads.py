"""DUMP and RESTORE: a value out of one cache and into another."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest

from tests.rdb import files as make
from tests.rdb.cases import LOADED, LOADED_EVEN_SO, VALUES
from tests.rdb.collections import damaged
from tests.rdb.files import Typed
from tests.rdb.reading import plain
from twisted_kv.testing import START, MemoryCache
from twisted_kv.vocabulary.errors import CommandError

NOW = START * 1000
HELLO = make.dump_payload(make.STRING, make.string(b"hello"))
UNSOUND = HELLO[:-1] + b"?"
EMPTY = make.dump_payload(make.HASH, make.length(0))
SYNTAX = "ERR syntax error"
BUSY = "BUSYKEY Target key name already exists."
NO_NUMBER = "ERR value is not an integer or out of range"


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


def test_a_value_is_dumped_and_restored(cache: MemoryCache) -> None:
    cache.call("SET", "k", "v", "EX", 100)
    cache.call("HSET", "h", "f", "v", "g", 7)
    for key, other in (("k", "k2"), ("h", "h2")):
        payload: Any = cache.call("DUMP", key)
        assert cache.call("RESTORE", other, 0, payload) == b"OK"
        assert cache.call("DUMP", other) == payload
    assert cache.call("GET", "k2") == b"v"
    assert cache.call("TTL", "k2") == -1
    assert cache.call("HGETALL", "h2") == {b"f": b"v", b"g": b"7"}
    assert cache.call("DUMP", "nope") is None


def test_a_large_sorted_set_is_dumped_from_its_last_member_on(cache: MemoryCache) -> None:
    cache.call("ZADD", "z", 2, "b", 1, "x" * 65, 3, "c", 2, "a")
    members = [(b"c", 3.0), (b"b", 2.0), (b"a", 2.0), (b"x" * 65, 1.0)]
    body = make.length(4) + b"".join(make.string(member) + pack("<d", score) for member, score in members)
    assert cache.call("DUMP", "z") == make.dump_payload(make.ZSET_2, body, version=10)


LONG = b"x" * 65


@pytest.mark.parametrize(
    ("kind", "body", "encoding"),
    [
        (make.HASH_LISTPACK, make.packed([LONG, 1]), b"listpack"),
        (make.HASH_ZIPLIST, make.zipped([LONG, 1]), b"listpack"),
        (make.HASH_ZIPMAP, make.zipmap({LONG: b"1"}), b"hashtable"),
        (make.ZSET_LISTPACK, make.packed([LONG, 1]), b"listpack"),
        (make.ZSET_ZIPLIST, make.zipped([LONG, 1]), b"listpack"),
    ],
)
def test_what_comes_packed_stays_so_however_long_its_members_are(
    cache: MemoryCache, kind: int, body: bytes, encoding: bytes
) -> None:
    cache.call("RESTORE", "k", 0, make.dump_payload(kind, make.string(body)))
    cache.call("COPY", "k", "other")
    assert [cache.call("OBJECT", "ENCODING", key) for key in ("k", "other")] == [encoding, encoding]


@pytest.mark.parametrize("case", VALUES, ids=lambda case: case.name)
@pytest.mark.every(5)
def test_a_value_of_any_encoding_is_restored(cache: MemoryCache, case: Typed) -> None:
    assert cache.call("RESTORE", "k", 0, case.payload()) == b"OK"
    database = cache.service.dispatcher.server.databases[0]
    value = database.peek(b"k")
    assert value is not None
    assert plain(value) == case.value
    payload: Any = cache.call("DUMP", "k")
    assert cache.call("RESTORE", "k", 0, payload, "REPLACE") == b"OK"
    value = database.peek(b"k")
    assert value is not None
    assert plain(value) == case.value
    assert cache.call("DEL", "k") == 1
    assert database.memory == 0


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ((0,), -1),
        ((100,), 100),
        (("100", "REPLACE"), 100),
        ((NOW + 50, "absttl"), 50),
        ((NOW + 50, "ABSTTL", "replace", "REPLACE"), 50),
        ((0, "IDLETIME", 5), -1),
        ((0, "IDLETIME", 5, "idletime", 6), -1),
        ((0, "FREQ", 255, "FREQ", 0), -1),
        ((2**63 - 1, "ABSTTL"), 2**63 - 1 - NOW),
    ],
)
def test_a_time_to_live_comes_with_the_value(cache: MemoryCache, words: Any, left: int) -> None:
    ttl, *options = words
    assert cache.call("RESTORE", "k", ttl, HELLO, *options) == b"OK"
    assert cache.call("PTTL", "k") == left
    assert cache.call("GET", "k") == b"hello"


@pytest.mark.parametrize("words", [(1, "ABSTTL"), (NOW, "ABSTTL"), (2**63 - 1,)])
def test_a_time_to_live_that_has_passed_leaves_no_key(cache: MemoryCache, words: Any) -> None:
    ttl, *options = words
    assert cache.call("RESTORE", "k", ttl, HELLO, *options) == b"OK"
    cache.call("SET", "old", "v")
    assert cache.call("RESTORE", "old", ttl, HELLO, *options, "REPLACE") == b"OK"
    assert cache.call("DBSIZE") == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [  # each with what comes later wrong too: the order is Redis's
        (("k", "x", UNSOUND, "NOPE"), SYNTAX),
        (("k", "x", UNSOUND, "IDLETIME"), SYNTAX),
        (("k", "x", UNSOUND, "FREQ"), SYNTAX),
        (("k", "x", UNSOUND, "IDLETIME", 5, "FREQ", 5), SYNTAX),
        (("k", "x", UNSOUND, "FREQ", 5, "IDLETIME", 5), SYNTAX),
        (("k", "x", UNSOUND, "IDLETIME", -1, "NOPE"), "ERR Invalid IDLETIME value, must be >= 0"),
        (("k", "x", UNSOUND, "IDLETIME", "x"), NO_NUMBER),
        (("k", "x", UNSOUND, "FREQ", -1), "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (("k", "x", UNSOUND, "FREQ", 256), "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (("k", "x", UNSOUND, "FREQ", "x"), NO_NUMBER),
        (("k", "x", UNSOUND), BUSY),
        (("k", "x", UNSOUND, "REPLACE"), NO_NUMBER),
        (("n", "x", UNSOUND), NO_NUMBER),
        (("n", " 5", UNSOUND), NO_NUMBER),
        (("n", 2**63, UNSOUND), NO_NUMBER),
        (("n", -1, UNSOUND), "ERR Invalid TTL value, must be >= 0"),
        (("n", 0, UNSOUND), "ERR DUMP payload version or checksum are wrong"),
        (("n", 0, b""), "ERR DUMP payload version or checksum are wrong"),
        (
            ("n", 0, make.dump_payload(make.STRING, make.string(b"v"), 11)),
            "ERR DUMP payload version or checksum are wrong",
        ),
        (("n", 0, EMPTY), "ERR Bad data format"),
        (("n", 0, make.dump_payload(make.LIST, make.length(2) + make.string(b"a"))), "ERR Bad data format"),
        (("n", 0, make.dump_payload(make.MODULE_2, make.module_value())), "ERR Bad data format"),
        (("n", 0), "ERR wrong number of arguments for 'restore' command"),
    ],
)
def test_what_cannot_be_restored_is_refused_in_redis_order(cache: MemoryCache, words: Any, error: str) -> None:
    cache.call("SET", "k", "v")
    assert refusal(cache, "RESTORE", *words) == error
    assert cache.call("GET", "k") == b"v"
    assert cache.call("DBSIZE") == 1


def test_a_key_that_has_expired_is_not_in_the_way(cache: MemoryCache) -> None:
    cache.call("SET", "k", "v", "PX", 5)
    cache.clock.rightNow += 1
    assert cache.call("RESTORE", "k", 0, HELLO) == b"OK"
    assert cache.call("PTTL", "k") == -1


@pytest.mark.parametrize(("policy", "option", "kept"), [
    ("allkeys-lru", ("IDLETIME", 50), True),
    ("allkeys-lru", ("FREQ", 50), False),
    ("allkeys-lfu", ("FREQ", 50), True),
    ("noeviction", ("FREQ", 50), False),
])  # fmt: skip
def test_the_use_of_a_key_comes_with_it_if_the_policy_asks_for_it(policy: str, option: Any, kept: bool) -> None:
    cache = MemoryCache({"maxmemory-policy": policy})
    cache.call("RESTORE", "k", 0, HELLO)
    cache.call("RESTORE", "used", 0, HELLO, *option)
    database = cache.service.dispatcher.server.databases[0]
    assert (database.mark(b"k") != database.mark(b"used")) is kept
    cache.stop()


def test_no_payload_of_another_type_is_restored(cache: MemoryCache) -> None:
    kinds = {each.kind for each in VALUES}
    assert len(kinds) == 19
    for kind in {*range(256)} - kinds:
        assert refusal(cache, "RESTORE", "k", 0, make.dump_payload(kind, b"\1\1a\1b")) == "ERR Bad data format"


@pytest.mark.parametrize(("name", "kind", "body", "word"), list(damaged()))
def test_a_payload_that_contradicts_itself_is_refused(
    cache: MemoryCache, name: str, kind: int, body: bytes, word: str
) -> None:
    payload = make.dump_payload(kind, body)
    for sanitize, loaded in (("no", LOADED), ("clients", LOADED_EVEN_SO)):
        cache.call("CONFIG", "SET", "sanitize-dump-payload", sanitize)
        if loaded.match(name) and "one entry" not in name:
            assert cache.call("RESTORE", "k", 0, payload) == b"OK"
            assert cache.call("DEL", "k") == 1
        else:
            assert refusal(cache, "RESTORE", "k", 0, payload) == "ERR Bad data format", (name, word)
            assert cache.call("DBSIZE") == 0


def test_a_payload_that_is_cut_anywhere_is_refused(cache: MemoryCache) -> None:
    for case in VALUES:
        if len(case.body) < 300:
            for end in range(len(case.body)):
                payload = make.dump_payload(case.kind, case.body[:end])
                assert refusal(cache, "RESTORE", "k", 0, payload) == "ERR Bad data format", (case.name, end)


def test_a_stream_of_an_impossible_number_of_nodes_is_refused(cache: MemoryCache) -> None:
    payload = make.dump_payload(make.STREAM_LISTPACKS_2, make.length(2**64 - 1) + bytes(9))
    with pytest.raises(CommandError, match="Bad data format"):
        cache.call("RESTORE", "k", 0, payload)


def test_a_compressed_string_that_announces_too_much_is_refused(cache: MemoryCache) -> None:
    payload = make.dump_payload(0, b"\xc3" + make.length(3) + make.length(1 << 20) + b"\x01ab")
    with pytest.raises(CommandError, match="Bad data format"):
        cache.call("RESTORE", "k", 0, payload)


def test_the_count_of_a_listpack_is_compared_where_that_is_asked_for(cache: MemoryCache) -> None:
    packed = bytearray(make.packed([b"f", b"v"]))
    packed[4:6] = b"\x07\x00"
    payload = make.dump_payload(make.HASH_LISTPACK, make.string(bytes(packed)))
    assert cache.call("RESTORE", "k", 0, payload) == b"OK"
    cache.call("CONFIG", "SET", "sanitize-dump-payload", "yes")
    with pytest.raises(CommandError, match="Bad data format"):
        cache.call("RESTORE", "k", 0, payload, "REPLACE")


def test_a_compressed_string_of_nothing_is_nothing(cache: MemoryCache) -> None:
    assert cache.call("RESTORE", "k", 0, make.dump_payload(0, b"\xc3\x01\x00\x00")) == b"OK"
    assert cache.call("GET", "k") == b""


def untidy_stream(start: int, entries: list[int], counts: tuple[int, int], length: int, last: int) -> bytes:
    """A stream of one node, whose entries are live if they are said to be, with counts and a length of its own."""
    items: list[Any] = [*counts, 1, b"f", 0]
    for number in entries:
        items += [2 | (number < 0), abs(number) - start, 0, b"v", 4]
    body = make.length(1) + make.string(start.to_bytes(8, "big") + bytes(8)) + make.string(make.packed(items))
    facts = (length, last, 0, 0, 0, 0, 0, 0, 0)
    return make.dump_payload(make.STREAM_LISTPACKS_2, body + b"".join(map(make.length, facts)))


def test_an_entry_may_come_before_a_node_that_says_it_is_full(cache: MemoryCache) -> None:
    cache.call("RESTORE", "k", 0, untidy_stream(9, [9], (1, 99), 1, 5))
    assert cache.call("XADD", "k", "6-1", "f", "w") == b"6-1"
    assert cache.call("XRANGE", "k", "-", "+") == [[b"6-1", [b"f", b"w"]], [b"9-0", [b"f", b"v"]]]


def test_a_node_that_has_fewer_entries_than_it_says_is_trimmed_to_nothing(cache: MemoryCache) -> None:
    cache.call("RESTORE", "k", 0, untidy_stream(1, [1, -2, 3], (97, 1), 100, 9))
    assert cache.call("XTRIM", "k", "MAXLEN", 50) == 2
    assert cache.call("XLEN", "k") == 98


def test_a_stream_that_has_a_length_and_no_node_is_refused(cache: MemoryCache) -> None:
    facts = (0, 5, 9, 0, 0, 0, 0, 0, 5, 0)
    payload = make.dump_payload(make.STREAM_LISTPACKS_2, b"".join(map(make.length, facts)))
    assert refusal(cache, "RESTORE", "k", 0, payload) == "ERR Bad data format"


def test_a_short_list_of_long_elements_is_restored(cache: MemoryCache) -> None:
    elements = [b"%d" % number * 5000 for number in range(3)]  # more than one listpack of Redis's takes
    cache.call("RPUSH", "k", *elements)
    cache.call("RESTORE", "d", 0, cache.call("DUMP", "k"))
    assert cache.call("LRANGE", "d", 0, -1) == elements
