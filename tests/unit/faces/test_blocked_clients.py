"""Clients on connections whose requests wait for a key."""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.storage.failing_disk import MemoryDisk, started
from tests.storage.plain_disk import Files
from tests.storage.starts import INCR
from tests.storage.starts import started as on_files
from twisted_kv.engine.wakeup import ROUNDS
from twisted_kv.testing import Clock, MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.requests import PORTION

WAIT = b"BLPOP k 0\r\n"
NOTHING = b"*-1\r\n"


def element(value: bytes, key: bytes = b"k") -> bytes:
    """Write the reply of BLPOP."""
    return b"*2\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value)


def flags(cache: MemoryCache, client: MemoryConnection) -> str:
    """Give the flags that CLIENT LIST has of a client."""
    lines = cache.call("CLIENT", "LIST").decode().splitlines()
    fields = [dict(field.split("=", 1) for field in line.split(" ")) for line in lines]
    return next(each["flags"] for each in fields if each["addr"] == client.protocol.connection.peer)


@pytest.fixture
def waiting(cache: MemoryCache) -> Iterator[MemoryConnection]:
    """A client that waits for the list k, and has taken no byte of what it was sent."""
    client = cache.connect(capacity=1000)
    client.protocol.dataReceived(b"PING\r\n" + WAIT + b"SET behind 1\r\n")
    yield client
    client.close()


def assert_nobody_waits(cache: MemoryCache) -> None:
    assert len(cache.service.dispatcher.blocking) == 0
    assert all(database.watched == {} for database in cache.service.dispatcher.server.databases)


def test_a_client_is_answered_when_there_is_something(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(WAIT) == b""
    cache.call("RPUSH", "k", "a")
    assert client.send(b"") == element(b"a")
    assert_nobody_waits(cache)


def test_what_came_with_a_request_that_waits_is_run_behind_it(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"SET s 1\r\n" + WAIT + b"INCR s\r\nBLPOP j 0\r\nINCR s\r\n") == b"+OK\r\n"
    cache.call("RPUSH", "k", "a")
    assert client.send(b"") == element(b"a") + b":2\r\n"
    cache.call("RPUSH", "j", "b")
    assert client.send(b"") == element(b"b", b"j") + b":3\r\n"


def test_what_comes_later_waits_too_however_it_is_cut(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(WAIT)
    for byte in b"*1\r\n$4\r\nPING\r\nECHO x\r\n*2\r\n$4\r\nECHO\r\n$3\r\nab":
        assert client.send(bytes([byte])) == b""
    cache.call("RPUSH", "k", "a")
    assert client.send(b"") == element(b"a") + b"+PONG\r\n$1\r\nx\r\n"
    assert client.send(b"c\r\n") == b"$3\r\nabc\r\n"


def test_a_client_in_resp3_is_answered_in_it(cache: MemoryCache, clock: Clock) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.send(b"BLPOP k 1\r\nHELLO 2\r\nBLPOP k 1\r\n")
    clock.advance(1)
    assert client.send(b"").startswith(b"_\r\n*14\r\n")
    clock.advance(1)
    assert client.send(b"") == NOTHING


def test_a_client_in_resp3_is_answered_before_it_is_reset(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.send(b"BZPOPMIN k 0\r\nRESET\r\n")
    cache.call("ZADD", "k", "1.5", "m")
    assert client.send(b"") == b"*3\r\n$1\r\nk\r\n$1\r\nm\r\n,1.5\r\n+RESET\r\n"


def test_quit_waits_for_its_turn(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(WAIT + b"QUIT\r\nSET s 1\r\n")
    assert not client.closed
    cache.call("RPUSH", "k", "a")
    assert client.transport.value() == element(b"a") + b"+OK\r\n"
    assert client.closed
    assert cache.call("EXISTS", "s") == 0


def test_more_than_may_wait_ends_the_connection(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    client = cache.connect()
    client.send(WAIT)
    client.send(b"ECHO " + b"x" * 2_000_000)
    assert client.closed
    assert_nobody_waits(cache)


def test_a_client_is_shown_as_waiting(cache: MemoryCache) -> None:
    client = cache.connect()
    assert flags(cache, client) == "N"
    client.send(WAIT)
    assert flags(cache, client) == "b"
    assert b"blocked_clients:1\r\n" in cache.call("INFO", "clients")
    cache.call("RPUSH", "k", "a")
    assert flags(cache, client) == "N"
    assert b"blocked_clients:0\r\n" in cache.call("INFO", "clients")


# Who leaves takes nothing


def test_who_is_gone_takes_nothing(cache: MemoryCache, waiting: MemoryConnection) -> None:
    waiting.close()
    assert_nobody_waits(cache)
    assert cache.call("RPUSH", "k", "a") == 1
    assert cache.call("LLEN", "k") == 1
    assert cache.call("EXISTS", "behind") == 0


def test_who_sends_no_more_takes_nothing(cache: MemoryCache, waiting: MemoryConnection) -> None:
    waiting.half_close()
    assert_nobody_waits(cache)
    cache.call("RPUSH", "k", "a")
    assert waiting.transport.take() == b"+PONG\r\n"
    assert waiting.closed
    assert cache.call("LLEN", "k") == 1
    assert cache.call("EXISTS", "behind") == 0


def test_who_sends_no_more_from_the_start_takes_only_what_is_there(cache: MemoryCache) -> None:
    cache.call("RPUSH", "k", "a")
    wakeup = cache.service.dispatcher.wakeup
    client = cache.connect(capacity=1000)
    wakeup.open()
    client.protocol.dataReceived(WAIT + WAIT + b"SET behind 1\r\n")
    client.half_close()
    wakeup.close()
    assert_nobody_waits(cache)
    cache.call("RPUSH", "k", "b")
    assert cache.call("LLEN", "k") == 1
    assert cache.call("EXISTS", "behind") == 0
    client.transport.take()
    assert client.closed


def test_who_is_killed_takes_nothing_though_its_connection_is_not_lost_yet(
    cache: MemoryCache, waiting: MemoryConnection
) -> None:
    killer = cache.connect()
    killed = waiting.protocol.connection.peer.encode()
    assert killer.send(b"CLIENT KILL %b\r\nRPUSH k a\r\nCLIENT KILL %b\r\n" % (killed, killed)) == (
        b"+OK\r\n:1\r\n-ERR No such client\r\n"
    )
    assert not waiting.closed
    assert_nobody_waits(cache)
    assert cache.call("LLEN", "k") == 1
    waiting.transport.take()
    assert waiting.closed
    assert cache.call("EXISTS", "behind") == 0


def test_who_is_lost_in_the_wake_up_that_served_it_has_what_it_sent_done(cache: MemoryCache) -> None:
    client, other = cache.connect(), cache.connect()
    client.send(WAIT + b"SET behind 1\r\n")
    wakeup = cache.service.dispatcher.wakeup
    wakeup.open()
    other.protocol.dataReceived(b"RPUSH k a\r\n")
    client.close()
    wakeup.close()
    assert other.transport.take() == b":1\r\n"
    assert cache.call("LLEN", "k") == 1


def test_who_was_served_and_is_killed_by_who_was_served_before_gets_no_reply(cache: MemoryCache) -> None:
    """As in Redis: both were served before anything else was run."""
    first, second = cache.connect(), cache.connect()
    first.send(WAIT + b"CLIENT KILL ID %d\r\n" % second.call("CLIENT", "ID"))
    second.send(WAIT + b"SET behind 1\r\n")
    cache.call("RPUSH", "k", "a", "b")
    assert first.send(b"") == element(b"a") + b":1\r\n"
    assert second.closed
    assert second.transport.value() == b""
    assert cache.call("KEYS", "*") == []


def test_who_waits_is_not_idle(cache: MemoryCache, clock: Clock) -> None:
    cache.call("CONFIG", "SET", "timeout", 10)
    client, idle = cache.connect(), cache.connect()
    client.send(b"BLPOP k 100\r\n")
    for _ in range(60):
        clock.advance(1)
    assert (client.closed, idle.closed) == (False, True)
    for _ in range(40):
        clock.advance(1)
    assert client.send(b"") == NOTHING
    for _ in range(9):
        clock.advance(1)
    assert not client.closed
    for _ in range(4):
        clock.advance(1)
    assert client.closed


def test_connections_that_wait_end_with_the_cache() -> None:
    cache = MemoryCache()
    clients = [cache.connect() for _ in range(3)]
    for client in clients:
        client.send(b"BLPOP k 50\r\n")
    cache.stop()
    assert all(client.closed for client in clients)
    assert cache.clock.getDelayedCalls() == []


def test_a_fault_behind_a_request_that_waited_does_not_reach_others(cache: MemoryCache) -> None:
    clients = [cache.connect() for _ in range(2)]
    clients[0].send(WAIT + b"*1\r\n$x\r\n")
    clients[1].send(WAIT)
    cache.call("RPUSH", "k", "a", "b")
    assert clients[0].transport.value() == element(b"a") + b"-ERR Protocol error: invalid bulk length\r\n"
    assert clients[0].closed
    assert clients[1].send(b"") == element(b"b")


# Pipelines that wake one another


def test_a_long_chain_of_clients_that_wake_one_another_does_not_go_deep(cache: MemoryCache) -> None:
    clients = [cache.connect() for _ in range(3000)]
    for place, client in enumerate(clients):
        client.send(b"BLPOP %d 0\r\nRPUSH %d x\r\n" % (place, place + 1))
    first = cache.connect()
    assert first.send(b"RPUSH 0 x\r\nDBSIZE\r\n") == b":1\r\n:0\r\n"
    assert cache.call("KEYS", "*") == []  # others have their turn in the midst of it
    for _ in range(3000 // ROUNDS):
        cache.clock.advance(0)
    assert cache.call("KEYS", "*") == [b"3000"]
    assert all(client.transport.value().endswith(b":1\r\n") for client in clients)
    assert_nobody_waits(cache)


def test_a_client_behind_whose_request_much_has_gathered_lets_others_have_their_turn(cache: MemoryCache) -> None:
    client, count = cache.connect(), 3 * PORTION // len(b"INCR n\r\n")
    client.protocol.dataReceived(WAIT)
    for _ in range(3):
        client.protocol.dataReceived(b"INCR n\r\n" * (count // 3))
    cache.connect().call("RPUSH", "k", "a")
    assert 0 < int(cache.call("GET", "n")) <= count // 3 + 1
    client.half_close()
    for _ in range(3):
        cache.clock.advance(0)
    assert client.transport.value().endswith(b":%d\r\n" % (count // 3 * 3))
    assert client.closed
    assert_nobody_waits(cache)


def test_two_clients_may_play_ping_pong(cache: MemoryCache) -> None:
    one, other = cache.connect(), cache.connect()
    one.send(b"BLPOP a 0\r\nRPUSH b x\r\n" * 500)
    other.send(b"BLPOP b 0\r\nRPUSH a x\r\n" * 500)
    cache.call("RPUSH", "a", "x")
    assert one.transport.value().count(b":1\r\n") == other.transport.value().count(b":1\r\n") == 500
    assert cache.call("KEYS", "*") == [b"a"]
    assert_nobody_waits(cache)


# Unblocking


def test_a_client_is_unblocked_as_if_its_time_was_up(cache: MemoryCache) -> None:
    client = cache.connect()
    number = client.call("CLIENT", "ID")
    client.send(WAIT + b"PING\r\n")
    assert cache.call("CLIENT", "UNBLOCK", number) == 1
    assert client.send(b"") == NOTHING + b"+PONG\r\n"
    assert cache.call("CLIENT", "UNBLOCK", number, "TIMEOUT") == 0


def test_a_client_is_unblocked_with_an_error(cache: MemoryCache) -> None:
    client = cache.connect()
    number = client.call("CLIENT", "ID")
    client.send(WAIT)
    assert cache.call("CLIENT", "UNBLOCK", number, "error") == 1
    assert client.send(b"") == b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
    assert_nobody_waits(cache)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((1, "MAYBE"), "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        (("x", "ERROR"), "ERR value is not an integer or out of range"),
        (
            (1, "ERROR", "x"),
            "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
        ),
    ],
)
def test_who_asks_wrongly_unblocks_nobody(cache: MemoryCache, words: tuple[str | int, ...], error: str) -> None:
    with pytest.raises(CommandError) as caught:
        cache.call("CLIENT", "UNBLOCK", *words)
    assert caught.value.line.decode() == error


def test_nobody_who_does_not_wait_is_unblocked(cache: MemoryCache) -> None:
    client = cache.connect()
    assert cache.call("CLIENT", "UNBLOCK", client.call("CLIENT", "ID")) == 0
    assert cache.call("CLIENT", "UNBLOCK", 99_999) == 0


def test_a_client_in_a_transaction_is_shown_as_such(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"WATCH k\r\nMULTI\r\n")
    assert flags(cache, client) == "x"
    cache.call("SET", "k", "v")
    assert flags(cache, client) == "xd"


# With a log


def test_with_always_who_has_waited_is_answered_when_it_is_safe() -> None:
    disk = MemoryDisk()
    cache = started(disk, appendonly="yes", appendfsync="always")
    client, other = cache.connect(), cache.connect()
    client.send(WAIT)
    disk.hold()
    assert other.send(b"RPUSH k a\r\n") == b""
    assert client.send(b"") == b""
    disk.go()
    assert other.send(b"") == b":1\r\n"
    assert client.send(b"") == element(b"a")
    cache.stop()


def lists(cache: MemoryCache) -> dict[tuple[int, bytes], list[bytes]]:
    """Give all lists."""
    held = {}
    with cache.session() as session:
        for index in (0, 3):
            session.call("SELECT", index)
            for key in session.call("KEYS", "*"):
                held[index, key] = session.call("LRANGE", key, 0, -1)
    return held


def test_what_was_taken_is_not_there_after_a_restart() -> None:
    files: Files = {}
    with on_files(files) as cache:
        clients = [cache.connect() for _ in range(2)]
        clients[0].send(b"BLMOVE k j LEFT LEFT 0\r\nRPUSH s 1\r\n")
        clients[1].send(b"SELECT 3\r\nBRPOP k 0\r\n")
        cache.call("RPUSH", "k", "a", "b")
        with cache.session() as session:
            session.call("SELECT", 3)
            session.call("RPUSH", "k", "a", "b")
        held = lists(cache)
        assert held == {(0, b"k"): [b"b"], (0, b"j"): [b"a"], (0, b"s"): [b"1"], (3, b"k"): [b"a"]}
    log = files[INCR]
    assert log.index(b"RPUSH") < log.index(b"LMOVE") < log.index(b"RPOP") < len(log)
    assert log.count(b"BLMOVE") == log.count(b"BRPOP") == 0
    with on_files(files) as again:
        assert lists(again) == held


def test_a_client_that_sends_no_more_gets_what_it_was_owed_before_it_waits(cache: MemoryCache) -> None:
    """Once the replies of the same turn were dropped with the wait."""
    client = cache.connect()
    wakeup = cache.service.dispatcher.wakeup
    wakeup.open()
    client.protocol.dataReceived(b"PING\r\nSET k v\r\nBLPOP q 0\r\nPING\r\n")
    client.half_close()
    wakeup.close()
    assert client.transport.value() == b"+PONG\r\n+OK\r\n"
    assert client.closed
    assert cache.call("RPUSH", "q", "x") == 1
    assert cache.call("LLEN", "q") == 1


def test_a_client_that_waits_for_anything_is_not_idle(clock: Clock) -> None:
    with MemoryCache({"timeout": "5", "enable-debug-command": "yes"}, clock) as cache:
        client = cache.connect()
        client.send(b"DEBUG SLEEP 60\r\n")
        clock.advance(30)
        assert not client.closed
        clock.advance(31)
        assert client.transport.take() == b"+OK\r\n"
        clock.advance(10)
        assert client.closed
