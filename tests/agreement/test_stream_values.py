"""Streams are cut into the same nodes as in Redis, so that what is trimmed approximately leaves the same entries."""

from __future__ import annotations

import random
from typing import Any, Iterator

import pytest

from tests.rdb.reading import plain
from twisted_kv.rdb.payload import dump, is_sound, restore
from twisted_kv.values.stream_nodes import LAST_ID, Fields, id_text
from twisted_kv.values.streams import Stream

from .programs import Complaint, Connection, Request
from .servers import RedisServer

pytestmark = pytest.mark.peer

KEY = b"stream"
NUMBERS = [0, 127, 128, 4095, 4096, 32767, 32768, 8388607, 8388608, 2147483647, 2147483648, 2**63 - 1, 2**63]
TEXTS = [b"%d" % (sign * number) for number in NUMBERS for sign in (1, -1)] + [b"007", b"-0", b"", b"1.5", b"-"]
SIZES = [1, 11, 61, 62, 63, 64, 65, 124, 125, 126, 127, 128, 500, 2000, 4093, 4094, 4095, 4096, 4097, 16376, 16385]


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Connection]:
    connection = Connection(redis_server.port)
    connection.ask([("FLUSHALL",)])
    yield connection
    connection.close()


class Pair:
    """A stream of Redis's and one of ours, which have to be alike after each step."""

    def __init__(self, redis: Connection, chance: random.Random) -> None:
        self.redis = redis
        self.chance = chance
        self.ours = Stream()
        self.last = 0
        self.names: list[bytes] = [b"f", b"12"]

    def ask(self, *words: Any) -> Any:
        [reply] = self.redis.ask([words])
        assert not isinstance(reply, Complaint), (words, reply)
        return reply

    def text(self) -> bytes:
        chance = self.chance
        if chance.random() < 0.4:
            return chance.choice(TEXTS)
        size = chance.choice(SIZES) if chance.random() < 0.05 else chance.randrange(90)
        return chance.choice([b"x", b"1", b"\xff"]) * size

    def fields(self) -> Fields:
        chance = self.chance
        if chance.random() < 0.1:
            self.names = [self.text()[:100] for _ in range(chance.randrange(1, 5))]
        names = self.names if chance.random() < 0.8 else [self.text()[:50], b"other"]
        return tuple(part for name in names for part in (name, self.text()))

    def append(self, count: int) -> None:
        requests: list[Request] = []
        for _ in range(count):
            step = self.chance.choice([1, 1, 2, 130, 1 << 64, (5 << 64) + 3, (70_000 << 64) - 5, 1 << 90])
            if self.chance.random() < 0.02:
                step = (-self.last - 1) & ((1 << 64) - 1) or 1  # up to the greatest sequence number
            if self.last + step > LAST_ID:
                break
            self.last += step
            fields = self.fields()
            requests.append(("XADD", KEY, id_text(self.last), *fields))
            self.ours.append(self.last, fields)
        assert not any(isinstance(reply, Complaint) for reply in self.redis.ask(requests))

    def ids(self) -> list[int]:
        return [entry_id for entry_id, _ in self.ours.range(0, LAST_ID)]

    def delete(self, share: float) -> None:
        ids = self.ids()
        if not ids:
            return
        start = self.chance.randrange(len(ids))
        some = [each for each in ids[start : start + 150] if self.chance.random() < share]
        if some:
            assert self.ask("XDEL", KEY, *map(id_text, some)) == self.ours.delete(some)

    def trim(self) -> None:
        chance, ids = self.chance, self.ids()
        by_length = chance.random() < 0.5
        length = chance.randrange(len(ids) + 2)
        least = chance.choice([*ids, 0]) + chance.choice([0, 1, -1])
        least = min(max(least, 0), LAST_ID)
        approximately = chance.random() < 0.7
        words: list[Any] = ["MAXLEN", "~="[not approximately], length] if by_length else [
            "MINID", "~="[not approximately], id_text(least)
        ]  # fmt: skip
        limit = 0
        if approximately:
            limit = chance.choice([0, 1, 50, 99, 100, 101, 250, 10_000])
            if limit != 10_000 or chance.random() < 0.5:  # it is what goes without saying
                words += ["LIMIT", limit]
        removed = self.ours.trim(
            length=length if by_length else None, least=least, approximately=approximately, limit=limit
        )
        assert self.ask("XTRIM", KEY, *words) == removed, words

    def go_through_a_payload(self) -> None:
        """Go on with what Redis dumps, which has deleted entries in it."""
        payload = self.ask("DUMP", KEY)
        if payload is not None:
            assert is_sound(payload)
            value = restore(payload)
            assert isinstance(value, Stream)
            assert plain(value) == plain(self.ours)
            self.ours = value

    def compare(self) -> None:
        told = self.ask("XINFO", "STREAM", KEY)
        found = dict(zip(told[::2], told[1::2]))
        ours = self.ours
        assert found[b"radix-tree-keys"] == ours.nodes
        assert found[b"length"] == len(ours)
        assert found[b"last-generated-id"] == id_text(ours.last_id)
        assert found[b"max-deleted-entry-id"] == id_text(ours.deleted_id)
        assert found[b"entries-added"] == ours.entries_added
        assert found[b"recorded-first-entry-id"] == id_text(ours.first_id)
        entries = self.ask("XRANGE", KEY, "-", "+")
        assert [(each[0], tuple(each[1])) for each in entries] == [
            (id_text(entry_id), fields) for entry_id, fields in ours.range(0, LAST_ID)
        ]

    def give_back(self) -> None:
        """Have Redis take what we dump."""
        assert self.ask("RESTORE", KEY, 0, dump(self.ours), "REPLACE") == b"OK"
        self.ours = restored(dump(self.ours))


def restored(payload: bytes) -> Stream:
    value = restore(payload)
    assert isinstance(value, Stream)
    return value


@pytest.fixture
def strict(redis: Connection) -> Iterator[Connection]:
    """The real server, which looks through all that it restores; it is that of later tests, too."""
    redis.ask([("CONFIG", "SET", "sanitize-dump-payload", "yes")])
    yield redis
    redis.ask([("CONFIG", "SET", "sanitize-dump-payload", "no")])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.every(5)
def test_a_stream_is_cut_into_the_nodes_of_redis(strict: Connection, seed: int) -> None:
    pair = Pair(strict, random.Random(seed))
    pair.append(3)
    for _ in range(60):
        step = pair.chance.choice(["append", "append", "append", "delete", "trim", "trim", "payload", "back"])
        if step == "append":
            pair.append(pair.chance.choice([1, 5, 60, 250]))
        elif step == "delete":
            pair.delete(pair.chance.choice([0.05, 0.5, 1.0]))
        elif step == "trim":
            pair.trim()
        elif step == "payload":
            pair.go_through_a_payload()
        elif seed % 2:
            pair.give_back()
        pair.compare()


@pytest.mark.parametrize("size", [1, 63, 64, 120, 127, 128, 1000, 4080, 4095, 4096, 20_000])
def test_nodes_of_entries_of_one_size_are_full_at_the_same_entry(redis: Connection, size: int) -> None:
    pair = Pair(redis, random.Random(size))
    for place in range(1, 220):
        fields = (b"field", b"x" * size)
        pair.ours.append(place << 64, fields)
        assert pair.ask("XADD", KEY, f"{place}-0", *fields)
        told = pair.ask("XINFO", "STREAM", KEY)
        assert dict(zip(told[::2], told[1::2]))[b"radix-tree-keys"] == pair.ours.nodes, place


def test_a_node_is_full_at_the_same_byte_whether_its_entries_were_added_or_loaded(redis: Connection) -> None:
    fields = b"field", b"x" * 2000
    for size in range(1995, 2070):
        other = b"field", b"y" * size
        redis.ask(
            [("DEL", KEY), ("XADD", KEY, "1-1", *fields), ("XADD", KEY, "1-2", *fields[:1], b""), ("XDEL", KEY, "1-2")]
        )
        [payload] = redis.ask([("DUMP", KEY)])
        assert isinstance(payload, bytes)
        loaded, added = restored(payload), Stream()
        added.append((1 << 64) + 1, fields)
        added.append((1 << 64) + 2, (b"field", b""))
        added.delete([(1 << 64) + 2])
        _, told = redis.ask([("XADD", KEY, "1-3", *other), ("XINFO", "STREAM", KEY)])
        assert isinstance(told, list)
        nodes = dict(zip(told[::2], told[1::2]))[b"radix-tree-keys"]
        for ours in (loaded, added):
            ours.append((1 << 64) + 3, other)
            assert ours.nodes == nodes, size
