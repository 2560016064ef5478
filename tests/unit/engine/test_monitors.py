"""MONITOR: who is shown what, where requests do not come from a connection, and what is left of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

from twisted_kv import Session
from twisted_kv.commands import GROUPS
from twisted_kv.declaring import Group, first
from twisted_kv.testing import MemoryCache, MemoryConnection, StreamTransport
from twisted_kv.vocabulary.replies import Reply


def test_requests_in_process_and_by_datagram_are_shown(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"MONITOR\r\n") == b"+OK\r\n"
    cache.clock.jump(0.25)
    cache.call("SET", "k", b'"\n\xff')
    cache.datagrams("command").send(b"GET k")
    cache.datagrams("resp").send(b"*1\r\n$4\r\nPING\r\n")
    seconds, _, fraction = f"{cache.clock.seconds():.6f}".partition(".")
    when = f"+{seconds}.{fraction}".encode()
    assert client.transport.take().splitlines() == [
        when + b' [0 process] "SET" "k" "\\"\\n\\xff"',
        when + b' [0 datagram] "GET" "k"',
        when + b' [0 datagram] "PING"',
    ]


def test_a_connection_over_a_path_is_shown_so(cache: MemoryCache) -> None:
    client, other = cache.connect(), cache.connect()
    client.send(b"MONITOR\r\n")
    link = other.protocol.connection._session.link  # type: ignore[union-attr]  # it is connected
    type(link).peer, before = property(lambda self: "/run/cache.sock"), type(link).peer
    try:
        other.send(b"PING\r\n")
    finally:
        type(link).peer = before
    assert b"[0 unix:/run/cache.sock]" in client.transport.take()


def test_nothing_is_wrapped_once_nobody_monitors(cache: MemoryCache) -> None:
    server = cache.service.dispatcher.server
    client, other = cache.connect(), cache.connect()
    cache.call("GET", "k")
    entry = server.commands.entry_of([b"GET", b"k"])
    bare = entry.function
    client.send(b"MONITOR\r\n")
    other.send(b"MONITOR\r\n")
    assert entry.function is not bare
    client.close()
    assert entry.function is not bare
    other.send(b"RESET\r\n")
    assert entry.function is bare
    cache.call("GET", "k")
    assert cache.call("CLIENT", "LIST").count(b"flags=O") == 0


def test_who_does_not_read_is_disconnected_and_the_others_are_served(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 200000 0 0")
    slow = MemoryConnection(cache.factory, StreamTransport(capacity=1))
    slow.protocol.dataReceived(b"MONITOR\r\n")
    client = cache.connect()
    for _ in range(400):
        assert client.send(b"SET k " + b"x" * 1000 + b"\r\n") == b"+OK\r\n"
    assert slow.closed
    assert client.send(b"PING\r\n") == b"+PONG\r\n"


def test_the_flag_of_one_who_monitors(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"MONITOR\r\nCLIENT NO-EVICT on\r\n")
    assert b" flags=Oe " in cache.call("CLIENT", "LIST")
    cache.call("CONFIG", "SET", "timeout", 1)
    cache.clock.advance(10)
    assert not client.closed


def test_passwords_are_not_shown(cache: MemoryCache) -> None:
    client, other = cache.connect(), cache.connect()
    client.send(b"MONITOR\r\n")
    other.send(b"AUTH secret\r\nAUTH me secret\r\nHELLO 3 SETNAME x AUTH me secret\r\nHELLO 2 AUTH me\r\n")
    shown = client.transport.take()
    assert b"secret" not in shown
    assert b'"HELLO" "3" "SETNAME" "x" "AUTH" "(redacted)" "(redacted)"' in shown
    assert b'"AUTH" "(redacted)"\r\n' in shown


def test_who_monitors_sees_its_own_requests_behind_their_replies_and_has_no_keys(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"MONITOR\r\nMONITOR\r\n") == b"+OK\r\n"
    refused = b"-ERR Replica can't interact with the keyspace\r\n"
    assert client.send(b"PUBLISH c x\r\nGET k\r\n") == refused * 2
    assert client.send(b"PING\r\n").startswith(b"+PONG\r\n+")
    assert client.send(b"AUTH x\r\n").startswith(b"-ERR AUTH <password> called without")
    assert client.send(b"WAIT 1 0\r\n").endswith(b'] "WAIT" "1" "0"\r\n')
    other = cache.connect()
    assert b"MONITOR isn't allowed for DENY BLOCKING client" in other.send(b"MULTI\r\nMONITOR\r\nEXEC\r\n")


def test_a_request_that_has_waited_is_shown_once(cache: MemoryCache) -> None:
    client, other = cache.connect(), cache.connect()
    client.send(b"MONITOR\r\n")
    other.send(b"BLPOP l 0\r\n")
    assert client.transport.take().count(b"BLPOP") == 1
    cache.call("RPUSH", "l", "x")
    assert b"BLPOP" not in client.transport.take()


def test_a_transaction_is_shown_when_it_runs(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"MONITOR\r\n")
    cache.connect().send(b"MULTI\r\nSET k 1\r\nGET k\r\nEXEC\r\n")
    shown = [line.partition(b"] ")[2] for line in client.transport.take().splitlines()]
    assert shown == [b'"MULTI"', b'"SET" "k" "1"', b'"GET" "k"', b'"EXEC"']


def test_a_command_within_another_gives_its_value_or_its_error_whoever_monitors() -> None:
    group = Group("own")

    @group.command("NEXT", since="1.0.0", flags="write", keys=first("RW"))
    def next_(session: Session, key: bytes) -> Reply:
        count: int = session.call(b"INCR", key)
        session.call(b"LPUSH", b"l", b"x")
        return count + 1

    with MemoryCache(groups=[*GROUPS, group]) as cache:
        client = cache.connect()
        client.send(b"MONITOR\r\n")
        assert cache.call("NEXT", "k") == 2
        listener = cache.connect()
        listener.call("HELLO", 3)
        cache.call("CONFIG", "SET", "notify-keyspace-events", "EA")
        listener.send(b"PSUBSCRIBE __key*\r\n")
        sent = listener.send(b"NEXT k\r\n")
        assert sent.endswith(b":3\r\n")
        assert sent.count(b"pmessage") == 2
        cache.call("RPUSH", "list", "x")
        listener.transport.take()
        assert listener.send(b"NEXT list\r\n").startswith(b"-WRONGTYPE")


def test_a_journal_that_is_replayed_is_not_shown_and_tells_no_events(tmp_path: Path) -> None:
    config = {"dir": str(tmp_path), "appendonly": "yes", "enable-debug-command": "yes"}
    with MemoryCache(config) as cache:
        cache.call("SET", "k", "v", "PX", 1000)
        client = cache.connect()
        client.send(b"MONITOR\r\n")
        got: List[Any] = []
        cache.service.on("*", "*", got.append)
        tracked = cache.connect()
        tracked.call("HELLO", 3)
        tracked.send(b"CLIENT TRACKING on\r\nGET k\r\n")
        client.transport.take()
        done: List[Any] = []
        cache.request("DEBUG", "LOADAOF").addCallback(done.append)
        cache.clock.advance(0)
        assert done == [b"OK"]
        assert got == []
        assert b"SET" not in client.transport.take()
        assert tracked.transport.take() == b">2\r\n$10\r\ninvalidate\r\n_\r\n"
