"""MULTI, EXEC and WATCH with two clients: the same replies, and the same data in the end."""

from __future__ import annotations

from typing import Iterator, List, Sequence, Tuple

import pytest
from hypothesis import given

from .generated import Words, protocols, thorough
from .replies import parse
from .requests_transactions import ONLY_QUEUED, conversations
from .servers import BothServers, RealConnection
from .test_edges import lines

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]

Steps = Sequence[Tuple[int, Words]]


class Clients:
    """Two clients of both servers; `call` says what one of them says."""

    def __init__(self, servers: BothServers) -> None:
        self._servers = servers
        self._connections = [
            (servers.real, servers.ours),
            (RealConnection(servers.real_port), servers.cache.connect()),
        ]
        self._queues = [False, False]

    def call(self, client: int, *words: bytes) -> bytes:
        """Send a request of a client to both; one that is only of use in a transaction is left out elsewhere."""
        servers = self._servers
        name = words[0].upper()
        if name in ONLY_QUEUED and not self._queues[client]:
            return b""
        servers.real, servers.ours = self._connections[client]
        try:
            reply = servers.call(*words)
        finally:
            servers.real, servers.ours = self._connections[0]
        if name in (b"EXEC", b"DISCARD", b"RESET") and reply != b"-ERR wrong number of arguments for 'discard' command":
            self._queues[client] = False
        if name == b"MULTI" and reply == b"+OK\r\n":
            self._queues[client] = True
        return reply

    def close(self) -> None:
        self._connections[1][0].close()


def compare_data(servers: BothServers) -> None:
    """Compare the keys, the values and the times to live of two databases."""
    servers.call("RESET")
    for index in (0, 1):
        servers.call("SELECT", index)
        _, keys = parse(servers.call("KEYS", "*"))[0]
        for _, key in keys:
            servers.call("DEBUG", "DIGEST-VALUE", key)
            servers.call("PTTL", key)
    servers.compare_data()


@thorough
@given(steps=conversations(), resp=protocols)
def test_transactions_of_two_clients_agree_with_redis(servers: BothServers, steps: Steps, resp: int) -> None:
    servers.begin(resp)
    clients = Clients(servers)
    try:
        for client, request in steps:
            clients.call(client, *request)
        clients.call(0, b"EXEC")
        compare_data(servers)
    finally:
        clients.close()


@pytest.fixture
def clients(both: BothServers) -> Iterator[Clients]:
    clients = Clients(both)
    yield clients
    clients.close()


STREAM = "XADD a 1-1 f v,XGROUP CREATE a g 0,XREADGROUP GROUP g c STREAMS a >"
WATCHED: List[Tuple[str, str]] = [  # what was before, and what happens to `a` or `b` while they are watched
    ("", "SET a 1"), ("SET a 1", "SET a 1"), ("SET a 1", "DEL a"), ("", "DEL a"), ("", "UNLINK a b"),
    ("SET a 1", "SET c 1"), ("SET a 1", "SET a 5 NX"), ("SET a 1", "SETNX a 5"), ("SET a 1", "MSETNX a 5 c 6"),
    ("SET a 1", "APPEND a ''"), ("SET a 1", "SETRANGE a 0 ''"), ("SET a 1", "SETRANGE a 0 1"),
    ("SET a 1", "INCRBY a 0"),
    ("SET a 1", "GETEX a"), ("SET a 1", "GETEX a PERSIST"), ("SET a 1 EX 1000", "GETEX a PERSIST"),
    ("SET a 1", "GETEX a EX 100"), ("SET a 1", "GETDEL a"), ("SET a 1", "GETSET a 1"), ("SET a 1", "TOUCH a"),
    ("SET a 1", "EXPIRE a 100"), ("SET a 1", "EXPIRE a -1"), ("SET a 1 EX 1000", "EXPIRE a 100 NX"),
    ("SET a 1", "PERSIST a"), ("SET a 1 EX 1000", "PERSIST a"), ("SET a 1", "RENAME a c"), ("SET c 1", "RENAME c a"),
    ("SET a 1", "RENAME a a"), ("SET a 1,SET c 1", "RENAMENX a c"), ("SET c 1", "RENAMENX c a"),
    ("SET a 1", "MOVE a 1"), ("SET a 1", "COPY a c"), ("SET c 1", "COPY c a"), ("SET a 1,SET c 1", "COPY c a"),
    ("SET a 1,SET c 1", "COPY c a REPLACE"), ("SET a 1", "COPY a a DB 1"), ("", "RESTORE a 1 x ABSTTL"),
    ("SET a 1", "FLUSHALL"), ("SET a 1", "FLUSHDB"), ("SET c 1", "FLUSHALL"), ("SET a 1", "SWAPDB 0 1"),
    ("SET a 1", "SWAPDB 0 0"), ("SET c 1", "SWAPDB 0 1"), ("SELECT 1,SET a 1,SELECT 0", "SWAPDB 1 0"),
    ("SELECT 1,SET a 1,SELECT 0", "SWAPDB 1 2"), ("SET a 1", "DEBUG RELOAD"), ("", "DEBUG RELOAD"),
    ("SET a 1", "SELECT 1,SET a 2"), ("RPUSH a 1", "LTRIM a 0 -1"), ("RPUSH a 1", "LREM a 0 x"),
    ("RPUSH a 1", "LSET a 0 1"), ("RPUSH a 1", "LINSERT a BEFORE x y"), ("RPUSH a 1", "LPOP a 0"),
    ("RPUSH a 1", "LMOVE a a LEFT RIGHT"), ("", "RPUSHX a x"), ("RPUSH a 1", "SORT a BY nosort"),
    ("", "SORT c STORE a"), ("SET a 1", "SORT c STORE a"), ("SADD a 1", "SADD a 1"), ("SADD a 1", "SREM a 2"),
    ("SADD a 1", "SMOVE a a 1"), ("SADD a 1", "SMOVE a b 2"), ("SADD a 1", "SMOVE a b 1"), ("SADD a 1", "SPOP a 0"),
    ("", "SDIFFSTORE a b"), ("SADD a 1", "SDIFFSTORE a a"), ("ZADD a 1 1", "ZADD a 1 1"),
    ("ZADD a 1 x", "ZINCRBY a 0 x"), ("ZADD a 1 x", "ZREM a y"), ("", "ZUNIONSTORE a 1 c"), ("", "ZRANGESTORE a c 0 1"),
    ("HSET a f v", "HSET a f v"), ("HSET a f v", "HSETNX a f w"), ("HSET a f v", "HDEL a g"),
    ("HSET a f 1", "HINCRBY a f 0"), ("HSET a f 1", "HINCRBYFLOAT a f 0"), ("PFADD a 1", "PFADD a 1"),
    ("", "PFADD a"), ("PFADD a 1,PFADD b 2", "PFCOUNT a b"), ("PFADD a 1", "PFMERGE a"), ("", "PFMERGE a"),
    ("GEOADD a 1 1 x", "GEOADD a 1 1 x"), ("", "BITOP AND a c"), ("SET a 1", "BITOP AND a c"),
    ("XADD a 1-1 f v", "XTRIM a MAXLEN 5"), ("XADD a 1-1 f v", "XDEL a 5-5"), ("XADD a 1-1 f v", "XSETID a 5-5"),
    ("XADD a 1-1 f v", "XGROUP CREATE a g 0"), ("", "XGROUP CREATE a g $ MKSTREAM"), (STREAM, "XGROUP DESTROY a g"),
    (STREAM, "XGROUP SETID a g 0"), (STREAM, "XGROUP CREATECONSUMER a g d"), (STREAM, "XGROUP DELCONSUMER a g c"),
    (STREAM, "XACK a g 1-1"), (STREAM, "XCLAIM a g d 0 1-1"), (STREAM, "XAUTOCLAIM a g d 0 0"),
    (STREAM, "XADD a 2-2 f v"), ("XADD a 1-1 f v", "XREAD STREAMS a 0"),
]  # fmt: skip


@pytest.mark.parametrize("client", [0, 1])
@pytest.mark.parametrize(("before", "change"), WATCHED)
def test_the_same_changes_break_a_transaction(clients: Clients, before: str, change: str, client: int) -> None:
    def say(who: int, requests: str) -> None:
        for words in lines(*requests.split(",")) if requests else []:
            clients.call(who, *[str(word).encode() for word in words])

    say(0, before)
    say(0, "WATCH a b a")
    say(client, change)
    say(0, "SELECT 0,MULTI,PING,EXEC,MULTI,PING,EXEC")


ALONE = [
    "EXEC", "DISCARD", "EXEC a", "WATCH a,SET a 1,EXEC a,MULTI,EXEC", "WATCH a,SET a 1,EXEC,MULTI,EXEC",
    "MULTI,EXEC", "MULTI,EXEC a,EXEC", "MULTI,MULTI,SET a 1,EXEC", "MULTI,WATCH a,UNWATCH,EXEC", "MULTI a,EXEC",
    "MULTI,DISCARD a,EXEC", "MULTI,DISCARD,EXEC", "MULTI,SAVE,PING,EXEC", "MULTI,GET,EXEC", "MULTI,FLY,EXEC",
    "MULTI,CONFIG FLY,EXEC", "MULTI,SHUTDOWN,EXEC", "MULTI,SET a 1,INCR a,LPUSH a 1,GET a,EXEC,GET a",
    "HSET h f v,MULTI,HGETALL h,PING,HGETALL h,EXEC", "MULTI,SELECT 3,SET a 1,SELECT 99,EXEC,GET a,SELECT 0,GET a",
    "MULTI,SET a 1,RESET,EXEC,GET a", "MULTI,AUTH x,AUTH a b,EXEC", "MULTI,PING a b,EXEC", "MULTI,PING a b,RESET,EXEC",
    "WATCH a,SET a 1,UNWATCH,MULTI,EXEC", "WATCH a,SET a 1,RESET,MULTI,EXEC",
    "WATCH a,MULTI,DISCARD,SET a 1,MULTI,EXEC",
    "WATCH a,MULTI,SET a 1,EXEC,MULTI,EXEC", "WATCH a,MULTI,FLY,EXEC,SET a 1,MULTI,EXEC", "WATCH", "UNWATCH a",
    "MULTI,BLPOP a 0,BRPOPLPUSH a b 0,BLMOVE a b LEFT LEFT 0,BZPOPMIN a 0,XREAD BLOCK 0 STREAMS a $,EXEC",
    "MULTI,BLMPOP 0 1 a LEFT,BZMPOP 0 1 a MIN,RPUSH a 1,BLPOP a 0,EXEC", "MULTI,DEBUG SLEEP 0.01,PING,DEBUG FLY,EXEC",
    "MULTI,CLIENT SETNAME x,CLIENT GETNAME,EXEC,CLIENT GETNAME",
    "CONFIG SET requirepass x,RESET,EXEC,EXEC a,MULTI,WATCH a,DISCARD,AUTH x,CONFIG SET requirepass ''",
    "SET a 1,CONFIG SET maxmemory 1,MULTI,SET a 2,EXEC,MULTI,GET a,EXEC,MULTI,PING,RESET",
    "SET a 1,CONFIG SET maxmemory 1,MULTI,DISCARD,MULTI,EXEC,WATCH a,EXEC,MULTI,WATCH a,EXEC,CONFIG SET maxmemory 0",
    "SET a 1,MULTI,SET a 2,GET a,CONFIG SET maxmemory 1,EXEC,EXEC,CONFIG SET maxmemory 0,GET a",
]  # fmt: skip


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("requests", ALONE)
def test_one_client_is_answered_alike(servers: BothServers, requests: str, resp: int) -> None:
    servers.begin(resp)
    try:
        for words in lines(*requests.split(",")):
            servers.call(*words)
    finally:
        servers.both("RESET")
        servers.both("AUTH", "x")
        for name, value in (("requirepass", ""), ("maxmemory", "0")):
            servers.both("CONFIG", "SET", name, value)


def test_each_reply_is_in_the_version_that_was_spoken_then(both: BothServers) -> None:
    both.call("HSET", "h", "f", "v")
    for request in lines("MULTI", "HGETALL h", "HELLO 3", "HGETALL h", "GET nope", "HELLO 2", "HGETALL h", "GET nope"):
        both.call(*request)
    theirs, ours = (parse(reply)[0][1] for reply in both.both("EXEC"))
    marks = [[mark for mark, _ in replies] for replies in (theirs, ours)]
    assert marks[0] == marks[1] == [b"*", b"%", b"%", b"_", b"*", b"*", b"$"]
    assert [theirs[place] for place in (0, 2, 3, 5, 6)] == [ours[place] for place in (0, 2, 3, 5, 6)]


def test_a_watched_key_that_expires_breaks_a_transaction(both: BothServers) -> None:
    for request in lines("SET a 1 PX 30", "WATCH a", "MULTI", "PING", "DEBUG SLEEP 0.05", "DISCARD"):
        both.call(*request)
    for request in lines("SET a 1 PX 30", "WATCH a", "DEBUG SLEEP 0.05", "MULTI", "PING", "EXEC"):
        both.call(*request)


def test_a_key_that_had_expired_when_it_was_watched_is_none(both: BothServers) -> None:
    both.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    try:
        for request in lines("SET a 1 PX 20", "DEBUG SLEEP 0.04", "WATCH a", "MULTI", "PING", "EXEC"):
            both.call(*request)
        for request in lines("SET a 1 PX 20", "DEBUG SLEEP 0.04", "WATCH a", "GET a", "MULTI", "PING", "EXEC"):
            both.call(*request)
        for request in lines("SET a 1 PX 20", "DEBUG SLEEP 0.04", "WATCH a", "SET a 2", "MULTI", "PING", "EXEC"):
            both.call(*request)
    finally:
        both.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
