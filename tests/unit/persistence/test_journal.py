"""What is noted of each request, so that a log can do it again: as Redis does."""

from __future__ import annotations

from typing import Any, List, Tuple

import pytest

from tests.storage.journal_cases import bits, keys, lists, scripts, sets, sorted_sets, streams
from tests.storage.starts import Request, contents, words
from twisted_kv.commands import GROUPS
from twisted_kv.declaring.table import CommandTable
from twisted_kv.persistence.journal import Journal
from twisted_kv.rdb.payload import dump
from twisted_kv.sessions.services import Effect, NoEffects
from twisted_kv.testing import START, MemoryCache
from twisted_kv.vocabulary.errors import CommandError

NOW = START * 1000
FAR = 4_102_444_800_000
PAYLOAD = dump(b"hello")

Noted = List[List[Effect]]
"""What was noted: what was done together, each with the number of its database."""

Case = Tuple[List[Tuple[Any, ...]], Tuple[Any, ...], List[Tuple[Any, ...]]]
"""What was done before, a request, and what is noted of it."""

S = ("SET", "k", "v")
N = ("SET", "k", 5)
T = ("SET", "k", "v", "EX", 100)
H = ("HSET", "h", "f", 1)

CASES: list[Case] = [
    ([], ("SET", "k", "v"), [("SET", "k", "v")]),
    ([S], ("SET", "k", "v"), [("SET", "k", "v")]),
    ([], ("SET", "k", "v", "EX", 100), [("SET", "k", "v", "PXAT", NOW + 100_000)]),
    ([], ("SET", "k", "v", "PX", 7), [("SET", "k", "v", "PXAT", NOW + 7)]),
    ([], ("SET", "k", "v", "EXAT", FAR // 1000), [("SET", "k", "v", "PXAT", FAR)]),
    ([], ("SET", "k", "v", "PXAT", FAR), [("SET", "k", "v", "PXAT", FAR)]),
    ([], ("SET", "k", "v", "PXAT", FAR, "NX", "GET"), [("SET", "k", "v", "PXAT", FAR)]),
    ([S], ("SET", "k", "w", "XX", "EX", 5, "GET"), [("SET", "k", "w", "PXAT", NOW + 5000)]),
    ([], ("SET", "k", "v", "GET"), [("SET", "k", "v")]),
    ([], ("SET", "k", "v", "NX"), [("SET", "k", "v", "NX")]),
    ([], ("SET", "k", "v", "NX", "GET"), [("SET", "k", "v", "NX")]),
    ([S], ("SET", "k", "v", "NX"), []),
    ([], ("SET", "k", "v", "XX"), []),
    ([S], ("SET", "k", "w", "XX"), [("SET", "k", "w", "XX")]),
    ([T], ("SET", "k", "w", "KEEPTTL"), [("SET", "k", "w", "KEEPTTL")]),
    ([T], ("SET", "k", "w", "GET", "KEEPTTL"), [("SET", "k", "w", "KEEPTTL")]),
    # Redis keeps the key until it is looked for, and notes DEL then; here it is gone at once.
    ([S], ("SET", "k", "w", "PXAT", 1), [("DEL", "k")]),
    ([], ("SET", "k", "w", "EXAT", 1), [("DEL", "k")]),
    ([], ("SETEX", "k", 100, "v"), [("SET", "k", "v", "PXAT", NOW + 100_000)]),
    ([], ("PSETEX", "k", 100, "v"), [("SET", "k", "v", "PXAT", NOW + 100)]),
    ([], ("SETNX", "k", "v"), [("SETNX", "k", "v")]),
    ([S], ("SETNX", "k", "v"), []),
    ([], ("GETSET", "k", "v"), [("SET", "k", "v")]),
    ([S], ("GETSET", "k", "w"), [("SET", "k", "w")]),
    ([S], ("GETDEL", "k"), [("DEL", "k")]),
    ([], ("GETDEL", "k"), []),
    ([S], ("GETEX", "k"), []),
    ([S], ("GETEX", "k", "EX", 10), [("PEXPIREAT", "k", NOW + 10_000)]),
    ([S], ("GETEX", "k", "PXAT", FAR), [("PEXPIREAT", "k", FAR)]),
    ([S], ("GETEX", "k", "PXAT", 1), [("DEL", "k")]),
    ([T], ("GETEX", "k", "PERSIST"), [("PERSIST", "k")]),
    ([S], ("GETEX", "k", "PERSIST"), []),
    ([S], ("GETEX", "k", "EX", 0), []),
    ([], ("MSET", "a", 1, "b", 2), [("MSET", "a", 1, "b", 2)]),
    ([], ("APPEND", "k", "x"), [("APPEND", "k", "x")]),
    ([S], ("APPEND", "k", ""), [("APPEND", "k", "")]),
    ([], ("INCR", "k"), [("INCR", "k")]),
    ([], ("DECR", "k"), [("DECR", "k")]),
    ([N], ("INCRBY", "k", 0), [("INCRBY", "k", 0)]),
    ([N], ("DECRBY", "k", 7), [("DECRBY", "k", 7)]),
    ([S], ("INCR", "k"), []),
    ([N], ("INCRBYFLOAT", "k", "1.5"), [("SET", "k", "6.5", "KEEPTTL")]),
    ([], ("INCRBYFLOAT", "k", "1.5"), [("SET", "k", "1.5", "KEEPTTL")]),
    ([S], ("INCRBYFLOAT", "k", "1.5"), []),
    ([S], ("DEL", "k", "nope"), [("DEL", "k", "nope")]),
    ([], ("DEL", "nope"), []),
    ([S], ("UNLINK", "nope", "k"), [("UNLINK", "nope", "k")]),
    ([], ("UNLINK", "nope"), []),
    ([S], ("EXPIRE", "k", 50), [("PEXPIREAT", "k", NOW + 50_000)]),
    ([T], ("EXPIRE", "k", 5000, "gt"), [("PEXPIREAT", "k", NOW + 5_000_000, "gt")]),
    ([T], ("EXPIRE", "k", 50, "NX"), []),
    ([S], ("EXPIRE", "k", 0), [("DEL", "k")]),
    ([], ("EXPIRE", "nope", -5), []),
    ([S], ("PEXPIRE", "k", 50), [("PEXPIREAT", "k", NOW + 50)]),
    ([S], ("EXPIREAT", "k", FAR // 1000), [("PEXPIREAT", "k", FAR)]),
    ([S], ("EXPIREAT", "k", 1), [("DEL", "k")]),
    ([S], ("PEXPIREAT", "k", FAR), [("PEXPIREAT", "k", FAR)]),
    ([T], ("PERSIST", "k"), [("PERSIST", "k")]),
    ([S], ("PERSIST", "k"), []),
    ([S], ("RENAME", "k", "j"), [("RENAME", "k", "j")]),
    ([S], ("RENAME", "k", "k"), []),
    ([], ("RENAME", "k", "j"), []),
    ([], ("RESTORE", "k", 0, PAYLOAD), [("RESTORE", "k", 0, PAYLOAD)]),
    ([], ("RESTORE", "k", 100, PAYLOAD), [("RESTORE", "k", NOW + 100, PAYLOAD, "ABSTTL")]),
    ([], ("RESTORE", "k", FAR, PAYLOAD, "absttl"), [("RESTORE", "k", FAR, PAYLOAD, "absttl")]),
    ([S], ("RESTORE", "k", 0, PAYLOAD, "REPLACE"), [("RESTORE", "k", 0, PAYLOAD, "REPLACE")]),
    (
        [S],
        ("RESTORE", "k", 100, PAYLOAD, "IDLETIME", 5, "REPLACE"),
        [("RESTORE", "k", NOW + 100, PAYLOAD, "IDLETIME", 5, "REPLACE", "ABSTTL")],
    ),
    ([S], ("RESTORE", "k", 0, PAYLOAD), []),
    ([], ("RESTORE", "k", 1, PAYLOAD, "ABSTTL"), []),
    ([S], ("RESTORE", "k", 1, PAYLOAD, "ABSTTL", "REPLACE"), [("DEL", "k")]),
    ([], H, [H]),
    ([H], H, [H]),
    ([S], ("HSET", "k", "f", "v"), []),
    ([], ("HMSET", "h", "f", "v", "g", "w"), [("HMSET", "h", "f", "v", "g", "w")]),
    ([], ("HSETNX", "h", "f", "v"), [("HSETNX", "h", "f", "v")]),
    ([H], ("HSETNX", "h", "f", "v"), []),
    ([H], ("HINCRBY", "h", "f", 0), [("HINCRBY", "h", "f", 0)]),
    ([H], ("HDEL", "h", "f", "nope"), [("HDEL", "h", "f", "nope")]),
    ([H], ("HDEL", "h", "nope"), []),
    ([], ("HDEL", "h", "f"), []),
    ([S], ("FLUSHDB",), [("FLUSHDB",)]),
    ([], ("FLUSHDB", "ASYNC"), [("FLUSHDB",)]),
    ([S], ("FLUSHALL",), [("FLUSHALL",)]),
    ([], ("FLUSHALL", "SYNC"), [("FLUSHALL",)]),
    ([S], ("FLUSHALL", "NOW"), []),
    ([S], ("GET", "k"), []),
    ([], ("CONFIG", "SET", "maxmemory", 0), []),
]


BY_TYPE = (bits, keys, lists, scripts, sets, sorted_sets, streams)
for each in BY_TYPE:
    CASES += each.CASES


class Noting:
    """A cache, and what is noted of its requests."""

    def __init__(self, config: dict[str, object] | None = None) -> None:
        self.noted: Noted = []
        self.cache = MemoryCache(config)
        self.server = self.cache.service.dispatcher.server
        self.journal = Journal(self.cache.service.dispatcher, self.noted.append)
        self.connection = self.cache.connect()

    def call(self, *request: Any) -> None:
        failed = ""
        try:
            self.connection.call(*request)
        except CommandError as error:
            failed = str(error)
        assert "internal" not in failed

    def take(self) -> list[Request]:
        """Give what was noted since, of database 0."""
        noted, self.noted[:] = self.noted.copy(), []
        effects = [effect for done in noted for effect in done]
        assert {index for index, _ in effects} <= {0}
        return [request for _, request in effects]


@pytest.fixture
def noting() -> Any:
    noting = Noting()
    yield noting
    noting.cache.stop()


@pytest.mark.parametrize(
    ("before", "request_", "noted"),
    [
        pytest.param(*each, id=f"{each[1]}"[:60], marks=[pytest.mark.lua] if each in scripts.CASES else [])
        for each in CASES
    ],
)
@pytest.mark.every(5)
def test_a_request_is_noted_as_redis_does(noting: Noting, before: Any, request_: Any, noted: Any) -> None:
    for each in before:
        noting.call(*each)
    noting.journal.open()
    noting.call(*request_)
    assert noting.take() == [words(*each) for each in noted]


def test_what_chance_has_chosen_is_noted_in_requests_that_a_log_can_have(noting: Noting) -> None:
    members = [b"%d" % number for number in range(3000)]
    noting.call("SADD", "s", *members)
    noting.journal.open()
    noting.call("SPOP", "s", 2500)
    noted = noting.take()
    assert max(map(len, noted)) <= 1026
    gone = {member for request in noted for member in request[2:]}
    assert len(gone) == 2500
    assert set(noting.cache.call("SMEMBERS", "s")) == set(members) - gone


def test_every_command_that_writes_has_a_case() -> None:
    table = CommandTable(GROUPS)
    writing = {command.name for command in table.every() if command.is_write and not command.subcommands}
    noted = [[str(word).encode() for word in request] for _, request, effects in CASES if effects]
    assert writing <= {table.find(request).name for request in noted}


@pytest.mark.parametrize("name", ["set", "Set", "SET"])
def test_names_are_noted_in_capitals(noting: Noting, name: str) -> None:
    noting.journal.open()
    noting.call(name, "k", "v")
    assert noting.take() == [words("SET", "k", "v")]


def test_nothing_is_noted_while_the_journal_is_closed(noting: Noting) -> None:
    noting.call("SET", "k", "v")
    assert not noting.journal.is_open
    noting.journal.open()
    assert noting.journal.is_open
    noting.journal.close()
    for request in (("SET", "k", "v", "EX", 5), ("GETDEL", "k"), ("FLUSHALL",)):
        noting.call(*request)
    noting.cache.clock.advance(10)
    assert noting.noted == []
    assert isinstance(noting.server.services.effects, NoEffects)


def test_the_database_of_a_request_is_noted(noting: Noting) -> None:
    noting.journal.open()
    for request in (("SELECT", 3), ("SET", "k", "v"), ("FLUSHALL",), ("SELECT", 0), ("SET", "k", "v")):
        noting.call(*request)
    expected = [[(3, words("SET", "k", "v"))], [(3, words("FLUSHALL"))], [(0, words("SET", "k", "v"))]]
    assert noting.noted == expected


@pytest.mark.parametrize(
    "request_",
    [
        ("GET", "k"), ("TTL", "k"), ("EXISTS", "k"), ("TYPE", "k"), ("SET", "k", "w", "XX"), ("DEL", "k"),
        ("UNLINK", "k"), ("PERSIST", "k"), ("EXPIRE", "k", 100), ("RENAME", "k", "j"), ("GETDEL", "k"),
        ("GETEX", "k"), ("SCAN", 0), ("RANDOMKEY",), ("MGET", "k"), ("DUMP", "k"), ("HGET", "k", "f"), ("TOUCH", "k"),
    ],
)  # fmt: skip
def test_a_key_that_has_expired_is_noted_as_gone_by_who_looks_for_it(noting: Noting, request_: Any) -> None:
    noting.call("SET", "k", "v", "PX", 10)
    noting.journal.open()
    noting.cache.clock.rightNow += 1  # and no timer has run
    noting.call(*request_)
    assert noting.take() == [words("DEL", "k")]


@pytest.mark.parametrize(
    "request_",
    [("SET", "k", "w", "KEEPTTL"), ("INCR", "k"), ("APPEND", "k", "x"), ("HSET", "k", "f", "v"), ("SETNX", "k", "w")],
)
def test_a_key_that_has_expired_is_noted_as_gone_before_what_it_becomes(noting: Noting, request_: Any) -> None:
    noting.call("SET", "k", "v", "PX", 10)
    noting.journal.open()
    noting.cache.clock.rightNow += 1
    noting.call(*request_)
    assert noting.take() == [words("DEL", "k"), words(*request_)]


@pytest.mark.parametrize("requests", [[("XADD", "k", "1-1", "f", "v")], []])
def test_a_watched_key_that_has_expired_is_noted_as_gone_before_databases_change_places(
    noting: Noting, requests: list[tuple[Any, ...]]
) -> None:
    with noting.cache.service.session() as other:
        other.call("SELECT", 1)
        other.call("SET", "k", "v", "PX", 10)
    for request in requests:
        noting.call(*request)
    waiting = noting.cache.connect()
    waiting.send(b"XREAD BLOCK 0 STREAMS k $\r\n")
    noting.journal.open()
    noting.cache.clock.rightNow += 1
    noting.call("SWAPDB", 0, 1)
    assert noting.noted == [[(1, (b"DEL", b"k")), (0, (b"SWAPDB", b"0", b"1"))]]


def test_keys_that_expire_by_themselves_are_noted_as_gone(noting: Noting) -> None:
    noting.call("SET", "k", "v", "PX", 10)
    noting.call("SET", "j", "v", "PX", 20)
    noting.journal.open()
    noting.cache.clock.advance(1)
    assert noting.take() == [words("DEL", "k"), words("DEL", "j")]


def test_keys_that_are_evicted_are_noted_as_gone() -> None:
    noting = Noting({"maxmemory-policy": "allkeys-random"})
    noting.call("MSET", "a", 1, "b", 2)
    noting.journal.open()
    noting.call("CONFIG", "SET", "maxmemory", 1)
    for _ in range(20):
        noting.call("PING")
        noting.cache.clock.advance(0.1)
    assert sorted(noting.take()) == [words("DEL", "a"), words("DEL", "b")]
    noting.cache.stop()


@pytest.mark.pure
def test_what_a_request_told_before_it_broke_is_not_noted_of_the_next(noting: Noting) -> None:
    def broken(session: Any, key: bytes, value: bytes) -> Any:
        session.journal(b"SET", key, value)
        raise RuntimeError("broken")

    noting.journal.open()
    entry = noting.server.commands.entry_of([b"APPEND"])
    entry.function = noting.journal._layer(entry.command, broken)
    with pytest.raises(CommandError, match="internal error"):
        noting.connection.call("APPEND", "k", "v")
    noting.call("SET", "a", 1)
    assert noting.take() == [words("SET", "a", 1)]


@pytest.mark.parametrize("request_", [("XTRIM", "x", "MINID", "3-0"), ("XADD", "x", "MINID", "3-0", "2-1", "f", "v")])
def test_a_stream_that_was_trimmed_to_nothing_is_empty_in_the_log_too(noting: Noting, request_: Any) -> None:
    """A log once said MINID 0-0 of it: replayed, all entries were there again."""
    noting.journal.open()
    noting.call("XADD", "x", "1-1", "f", "v")
    noting.call(*request_)
    held = contents(noting.cache)
    other = MemoryCache()
    for request in noting.take():
        other.call(*request)
    assert other.call("XLEN", "x") == 0
    assert contents(other) == held
    other.stop()


def test_a_key_that_was_set_to_go_at_once_is_gone_for_what_follows_in_the_log(noting: Noting) -> None:
    """A log once said only SET with a past deadline: replayed, the key was still there for SETNX and its like."""
    noting.journal.open()
    for request in (
        S,
        ("SET", "k", "x", "PXAT", 1),
        ("SETNX", "k", "new"),
        ("SET", "n", "x", "EXAT", 1),
        ("INCR", "n"),
    ):
        noting.call(*request)
    held = contents(noting.cache)
    other = MemoryCache()
    for database in other.service.dispatcher.server.databases:
        database.ignores_deadlines = True
    for request in noting.take():
        other.call(*request)
    assert contents(other) == held == {(0, b"k"): (b"new", None), (0, b"n"): (b"1", None)}
    other.stop()
