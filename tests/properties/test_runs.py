"""A pipeline has the same effects whether its requests are run together or one by one.

Two caches get the same bytes in the same pieces: one of them has no runs.  Whatever anybody can see must be equal: what
each connection is sent, the data and their memory, the counts, and the data of a cache that replays the log.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import Any, List

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.own_commands import cache_with_own, promises
from tests.rdb.reading import plain
from twisted_kv.declaring.commands import Lasting
from twisted_kv.persistence.journal import Journal
from twisted_kv.persistence.log_format import LogReader, write_effects
from twisted_kv.store.entries import parts
from twisted_kv.testing import Clock, MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.plain_requests import Run

OBSERVERS = {
    "nobody": [],
    "another watches a key": [[b"WATCH", b"s1"], [b"MULTI"]],
    "another waits for a list": [[b"BLPOP", b"l1", b"l2", b"0"]],
    "another waits for a sorted set": [[b"BZPOPMIN", b"z1", b"0"]],
    "another tracks": [[b"HELLO", b"3"], [b"CLIENT", b"TRACKING", b"ON"], [b"MGET", b"s1", b"s2", b"n1"]],
    "another tracks all": [[b"HELLO", b"3"], [b"CLIENT", b"TRACKING", b"ON", b"BCAST"]],
    "another reads events": [[b"PSUBSCRIBE", b"__key*"]],
    "another monitors": [[b"MONITOR"]],
}
"""What another client has sent before."""

BEGINNINGS = {
    "as it is": [],
    "in RESP3": [[b"HELLO", b"3"]],
    "in another database": [[b"SELECT", b"1"]],
    "in a transaction": [[b"MULTI"]],
    "watching": [[b"WATCH", b"s1", b"n1"]],
    "without replies": [[b"CLIENT", b"REPLY", b"OFF"]],
    "skipping a reply": [[b"CLIENT", b"REPLY", b"SKIP"]],
    "tracking": [[b"HELLO", b"3"], [b"CLIENT", b"TRACKING", b"ON"]],
    "tracking all": [[b"HELLO", b"3"], [b"CLIENT", b"TRACKING", b"ON", b"BCAST"]],
    "reading events": [[b"HELLO", b"3"], [b"PSUBSCRIBE", b"__key*"]],
    "subscribed": [[b"SUBSCRIBE", b"c"]],
    "monitoring": [[b"MONITOR"]],
}
"""What the client has sent before."""

SETTINGS: dict[str, dict[str, object]] = {
    "none": {},
    "a limit of memory": {"maxmemory": "1mb", "maxmemory-policy": "allkeys-lru"},
    "hardly any memory": {"maxmemory": "1"},
    "events": {"notify-keyspace-events": "KEAnm"},
    "a password": {"requirepass": "secret"},
}

SCENES = [
    *[("none", "nobody", "as it is")] * 8,
    *[("none", observer, "as it is") for observer in OBSERVERS],
    *[("none", "nobody", beginning) for beginning in BEGINNINGS],
    *[(settings, "nobody", "as it is") for settings in SETTINGS],
    *[("events", "another reads events", "as it is"), ("events", "nobody", "reading events")] * 2,
    ("none", "another tracks", "tracking"),
    ("none", "another tracks all", "tracking all"),
    ("a limit of memory", "another watches a key", "as it is"),
    ("events", "another monitors", "reading events"),
]
"""The settings, what another client does, and what the client has done; the usual ones more often."""

KEYS = [b"s1", b"s2", b"n1", b"h1", b"l1", b"l2", b"S1", b"z1", b"x1", b"soon1", b"soon2", b"soon3", b"long1", b"none"]
FILLED = [
    b"SET s1 old",
    b"SET n1 41",
    b"HSET h1 f v n 1",
    b"RPUSH l1 a b",
    b"SADD S1 m 1",
    b"ZADD z1 1 m",
    b"XADD x1 1-1 f v",
    b"SET soon1 v PX 50",
    b"SET soon2 7 PX 50",
    b"HSET soon3 f v",
    b"PEXPIRE soon3 50",
    b"SET long1 v EX 100",
]
NAMES = {
    0: b"GET GET INCR DECR STRLEN GETDEL HLEN LPOP RPOP LLEN SCARD ZCARD TTL PERSIST TYPE EXISTS DEL XLEN SPOP ECHO "
    b"MGET UNLINK get GeT",
    1: b"SET SET SETNX INCRBY HGET HDEL HEXISTS APPEND LPUSH RPUSH RPUSHX SADD SREM SISMEMBER ZSCORE ZREM EXPIRE "
    b"PEXPIRE GETSET PFADD GETBIT MOVE set XDEL NOSUCH RENAME RENAMENX EXISTS MGET SMOVE PUBLISH",
    2: b"HSET HINCRBY ZADD ZINCRBY GETEX SETBIT SMOVE",
    3: b"SET SET",
}
"""The commands, by the number of arguments after the key."""
ARGUMENTS = [b"0", b"1", b"-1", b"f", b"m", b"n", b"v", b"EX", b"PX", b"100", b"1-1", b"x" * 1024, b"", b"l2", b"\r\n"]

key = st.sampled_from(KEYS)
argument = st.one_of(st.sampled_from(ARGUMENTS), key, st.binary(max_size=4))


@st.composite
def groups(draw: st.DrawFn) -> list[list[bytes]]:
    """Requests of one command, mostly with one number of arguments, perhaps many of them."""
    more = draw(st.sampled_from([*NAMES]))
    name = draw(st.sampled_from(NAMES[more].split()))
    one = st.tuples(st.just(name), key, *[argument] * more).map(list)
    return draw(st.lists(one, min_size=1, max_size=8)) * draw(st.sampled_from([1, 1, 2, 60]))


def shown(value: Any) -> Any:
    """A value as something that can be compared and is short."""
    found = plain(value)
    return found if len(repr(found)) < 200 else hash(repr(found))


def encoded(requests: list[list[bytes]]) -> bytes:
    return b"".join(map(encode_request, requests))


class Side:
    """A cache with two clients, and a log of its changes."""

    def __init__(self, settings: dict[str, object], *, has_runs: bool) -> None:
        self.cache = MemoryCache(settings, clock=Clock())
        self.dispatcher = self.cache.service.dispatcher
        self.dispatcher.has_runs = has_runs
        self.log: List[bytes] = []
        self._database = -1
        for line in FILLED:
            if not settings.get("requirepass") and settings.get("maxmemory") != "1":
                self.cache.call(*line.split())
        self.cache.service.dispatcher.server.random.seed(1)
        self.before = self.data_of(self.cache)
        Journal(self.dispatcher, self._record, self._record_run).open()
        self.other, self.own = self.cache.connect(), self.cache.connect()
        session = self.dispatcher.begin(Lasting.CONNECTION, trusted=True)
        for name in chain.from_iterable(map(bytes.split, NAMES.values())):
            with suppress(CommandError):
                self.dispatcher.admission.admit(session, [name, b"k"])  # so that the first of them may be a run

    def _record(self, effects: Any) -> None:
        data, self._database = write_effects(effects, self._database)
        self.log.append(data)

    def _record_run(self, index: int, data: bytes) -> None:
        if index != self._database:
            self.log.append(encode_request([b"SELECT", b"%d" % index]))
            self._database = index
        self.log.append(data)

    def data_of(self, cache: MemoryCache) -> list[dict[bytes, Any]]:
        """All keys with their payloads and deadlines, without removing those that have expired."""
        found = []
        for database in cache.service.dispatcher.server.databases[:2]:
            keys = sorted(database.table)
            found.append({key: (shown(parts(database.table.get(key))[0]), database.deadline(key)) for key in keys})
        return found

    def seen(self, *connections: MemoryConnection) -> list[Any]:
        """What has been sent, and all that can be asked."""
        server = self.dispatcher.server
        databases = [(each.memory, each.hits, each.misses, each.expired, len(each)) for each in server.databases[:2]]
        calls = {entry.name: (entry.calls, entry.rejected, entry.failed) for entry in server.commands.entries()}
        sent = [each.transport.take() for each in connections]
        return [sent, databases, self.data_of(self.cache), calls, dict(server.statistics.errors)]

    def replayed(self) -> list[dict[bytes, Any]]:
        """The data of a cache that had the same data before, and has run the log."""
        copy = Side({}, has_runs=False)
        reader = LogReader(0)
        reader.feed(b"".join(self.log))
        session = copy.cache.session()
        while taken := reader.take()[0]:
            for request in taken:
                session.call(*request)
        return copy.data_of(copy.cache)


def both(settings: str, observer: str, beginning: str, pieces: list[tuple[list[list[bytes]], float]]) -> None:
    sides = [Side(SETTINGS[settings], has_runs=has_runs) for has_runs in (True, False)]
    seen: list[list[Any]] = []
    for side in sides:
        side.other.send(encoded(OBSERVERS[observer]))
        side.own.send(encoded(BEGINNINGS[beginning]))
        found = []
        for requests, seconds in pieces:
            side.own.protocol.dataReceived(encoded(requests))
            for _ in range(20):
                side.cache.clock.advance(0)
            found.append(side.seen(side.other, side.own))
            side.cache.clock.advance(seconds)
        side.other.send(encode_request([b"EXEC"]))
        found.append(side.seen(side.other, side.own))
        seen.append(found)
    assert seen[0] == seen[1]
    if settings == "none":
        assert sides[0].replayed() == sides[1].replayed()


several = st.lists(groups(), max_size=4).map(lambda lists: list(chain.from_iterable(lists)))
pieces = st.lists(st.tuples(several, st.sampled_from([0, 0.02, 0.06])), max_size=4)


@given(st.sampled_from(SCENES), pieces)
@example(("none", "another waits for a list", "as it is"), [([[b"LPUSH", b"l2", b"v"]] * 8, 0)])
@example(("none", "another waits for a list", "as it is"), [([[b"LPUSH", b"S1", b"v"]] * 8, 0)])
@example(("none", "nobody", "reading events"), [([[b"SET", b"s1", b"v"]] * 8, 0)])
@example(("none", "nobody", "as it is"), [([], 0.06), ([[b"HSET", b"soon3", b"g", b"w"]] * 8, 0)])
@example(("none", "nobody", "as it is"), [([], 0.06), ([[b"GET", b"soon1"], *[[b"GET", b"s1"]] * 8], 0)])
@example(("none", "nobody", "as it is"), [([[b"GET", b"s1"]] * 6 + [[b"GET", b"h1"]] + [[b"GET", b"s1"]] * 6, 0)])
@example(("none", "another watches a key", "as it is"), [([[b"SET", b"s1", b"v"]] * 8, 0)])
@example(("events", "another reads events", "as it is"), [([[b"SET", b"s1", b"v"], [b"SET", b"s2", b"v"]] * 4, 0)])
@example(("events", "another reads events", "as it is"), [([[b"GET", b"none"]] * 8, 0)])
def test_runs_do_what_the_requests_do_one_by_one(scene: tuple[str, str, str], pieces: Any) -> None:
    both(*scene, pieces)


def runs_of(cache: MemoryCache) -> list[int]:
    """Note, from now on, how many requests are run together."""
    noted: list[int] = []
    dispatcher = cache.service.dispatcher
    request_run = dispatcher.request_run

    def noting(session: Any, run: Run) -> Any:
        replies = request_run(session, run)
        noted.append(len(replies))
        return replies

    dispatcher.request_run = noting  # type: ignore[method-assign]  # to look at what it returns
    return noted


@pytest.mark.pure
@pytest.mark.parametrize("requests", [b"GET s1", b"SET s1 v", b"HGET h1 f", b"INCR n1", b"LPUSH l1 v", b"TTL s1"])
def test_pipelines_of_fast_commands_are_run_together(requests: bytes) -> None:
    side = Side({}, has_runs=True)
    noted = runs_of(side.cache)
    side.own.send(encoded([requests.split()]))
    side.own.send(encoded([requests.split()] * 100))
    assert noted == [100]
    side.other.send(encoded([[b"BLPOP", b"l9", b"0"]]))
    side.own.send(encoded([requests.split()] * 100))
    assert noted == [100, 100]


@pytest.mark.pure
@pytest.mark.parametrize("request_", [b"BLPOP l9 0", b"LRANGE l1 0 -1", b"ECHO v", b"PUBLISH c m", b"SUBSCRIBE c"])
def test_requests_of_other_commands_are_run_one_by_one(request_: bytes) -> None:
    side = Side({}, has_runs=True)
    noted = runs_of(side.cache)
    side.own.send(encoded([request_.split()] * 10))
    assert set(noted) == {0}


@pytest.mark.pure
def test_the_log_of_a_run_is_the_chunk_as_it_came() -> None:
    side = Side({}, has_runs=True)
    data = encoded([[b"SET", b"k%d" % number, b"v"] for number in range(100)])
    side.own.send(data)
    assert side.log == [encode_request([b"SELECT", b"0"]), data]


@pytest.mark.parametrize("holds", [b"0", b"1"])
def test_a_run_ends_at_a_reply_that_comes_later(holds: bytes) -> None:
    cache = cache_with_own()
    client = cache.connect()
    client.send(encode_request([b"LATERKEY", b"first", holds]))
    promises.pop(b"first").resolve(b"done")
    assert client.transport.take() == b"$4\r\ndone\r\n"
    requests = [[b"LATERKEY", b"k%d" % number, holds] for number in range(8)]
    assert client.send(encoded([*requests, [b"PING"]])) == b""
    replies = b""
    for number in range(8):
        promises.pop(b"k%d" % number).resolve(b"%d" % number)
        replies += client.transport.take()
    assert replies == b"".join([b"$1\r\n%d\r\n" % number for number in range(8)]) + b"+PONG\r\n"


# Datagrams

DATAGRAMS = [
    b"s1",
    b"s2",
    b"n1",
    b"h1",
    b"soon1",
    b"none",
    b"",
    b"keyDoesNotExists",
    b"s1\n",
    b"s1\r\n",
    b"s1=new",
    b"big",
]
DATAGRAMS += [
    b"GET s1",
    b"get",
    b"*1\r\n$4\r\nPING\r\n",
    b"*",
    b"x" * 300,
    b"(nil)",
    b"-ERR no\r\n",
    b"PING",
    b"Ss",
    b"a b",
]
PEERS = [("127.0.0.1", 50_000), ("127.0.0.1", 50_001), ("127.0.0.1", 7), ("192.0.2.1", 50_000)]


def answers_to(datagrams: list[tuple[bytes, Any]], dialect: str, settings: dict[str, object], *, has_runs: bool) -> Any:
    side = Side(settings, has_runs=has_runs)
    if not settings.get("requirepass"):
        side.cache.call("SET", "big", b"x" * 65_500)
    side.cache.clock.advance(0.06)
    face = side.cache.datagrams(dialect)
    face.protocol.datagramsReceived(datagrams)
    found = list(face.transport.sent)
    face.close()
    return found, side.seen(side.other)


@given(
    st.lists(st.tuples(st.one_of(st.sampled_from(DATAGRAMS), st.just(b"s1")), st.sampled_from(PEERS)), max_size=20),
    st.sampled_from(["auto", "equals", "command"]),
    st.sampled_from([{}, {"requirepass": "secret"}, {"udp-refuse-port": "7"}, {"notify-keyspace-events": "KEAm"}]),
)
@example([(b"s1", PEERS[0])] * 8, "auto", {})
@example([(b"keyDoesNotExists", PEERS[0])] * 8, "auto", {})
@example([*[(b"s1", PEERS[0])] * 4, (b"h1", PEERS[1]), *[(b"s2", PEERS[0])] * 4], "equals", {})
@example([*[(b"s1", PEERS[0])] * 4, (b"soon1", PEERS[1]), *[(b"s2", PEERS[0])] * 4], "equals", {})
@example([(b"big", PEERS[0])] * 4, "equals", {})
@example([(b"x" * 65_536, PEERS[0])] * 4, "equals", {})
def test_datagrams_are_answered_alike_together_and_one_by_one(
    datagrams: list[tuple[bytes, Any]], dialect: str, settings: dict[str, object]
) -> None:
    together = answers_to(datagrams, dialect, settings, has_runs=True)
    assert together == answers_to(datagrams, dialect, settings, has_runs=False)


@pytest.mark.pure
def test_datagrams_that_are_keys_are_run_together() -> None:
    side = Side({}, has_runs=True)
    face = side.cache.datagrams("auto")
    noted = runs_of(side.cache)
    face.protocol.datagramsReceived([(b"s1", PEERS[0])] * 50)
    assert noted == [50]
    assert face.transport.sent == [(b"s1=old", PEERS[0])] * 50
