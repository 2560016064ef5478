"""Requests that wait for a key, from the same process."""

from __future__ import annotations

from typing import Any, List

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tests.servers.capture import listening
from tests.storage.starts import words
from twisted_kv.engine.blocking import Blocking
from twisted_kv.persistence.journal import Journal
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY

Got = List[Any]


def got(waiting: Deferred[Any]) -> Got:
    """Give a list that a reply goes into, or an error."""
    replies: Got = []
    waiting.addBoth(lambda reply: replies.append(reply.value if isinstance(reply, Failure) else reply))
    return replies


def blocking(cache: MemoryCache) -> Blocking:
    return cache.service.dispatcher.blocking


def assert_nobody_waits(cache: MemoryCache) -> None:
    """Check that nothing is kept of anybody who has waited."""
    waits = blocking(cache)
    assert len(waits) == 0
    assert (waits._ready, waits._waiters, waits._sessions, list(waits._given)) == ({}, {}, {}, [])
    assert all(database.watched == {} for database in cache.service.dispatcher.server.databases)
    assert cache.clock.getDelayedCalls() == [
        call for call in cache.clock.getDelayedCalls() if call.func.__name__ == "_sweep"
    ]


def test_a_call_that_waits_gives_a_deferred_of_its_reply(cache: MemoryCache) -> None:
    reply = got(cache.request("BLPOP", "k", 0))
    assert reply == []
    assert cache.call("RPUSH", "k", "a", "b") == 2
    assert reply == [[b"k", b"a"]]
    assert cache.call("LRANGE", "k", 0, -1) == [b"b"]
    assert_nobody_waits(cache)


def test_what_is_there_is_taken_at_once(cache: MemoryCache) -> None:
    cache.call("RPUSH", "k", "a")
    assert cache.call("BRPOP", "k", 0) == [b"k", b"a"]


def test_a_call_that_waits_fails_with_the_error_of_its_command(cache: MemoryCache) -> None:
    reply = got(cache.request("BLMOVE", "k", "s", "LEFT", "LEFT", 0))
    cache.call("SET", "s", "v")
    cache.call("RPUSH", "k", "a")
    assert isinstance(reply[0], CommandError)
    assert reply[0].code == "WRONGTYPE"
    assert cache.call("LLEN", "k") == 1
    assert_nobody_waits(cache)


@pytest.mark.parametrize(("timeout", "milliseconds"), [("0.001", 1), ("0.0001", 1), ("1", 1000), ("1.001", 1001)])
def test_a_wait_ends_at_its_millisecond(cache: MemoryCache, clock: Clock, timeout: str, milliseconds: int) -> None:
    reply = got(cache.request("BLPOP", "k", timeout))
    clock.advance((milliseconds - 1) / 1000)
    assert reply == []
    clock.advance(0.001)
    assert reply == [None]
    assert_nobody_waits(cache)


def test_a_wait_without_an_end_goes_on(cache: MemoryCache, clock: Clock) -> None:
    waiting = cache.request("BLPOP", "k", 0)
    clock.advance(1_000_000)
    assert not waiting.called
    cache.call("RPUSH", "k", "a")
    assert waiting.result == [b"k", b"a"]


def test_a_wait_that_has_ended_takes_nothing_later(cache: MemoryCache, clock: Clock) -> None:
    cache.request("BLPOP", "k", 1)
    clock.advance(1)
    cache.call("RPUSH", "k", "a")
    assert cache.call("LLEN", "k") == 1


def test_a_wait_that_is_cancelled_takes_nothing(cache: MemoryCache) -> None:
    waiting = cache.request("BLPOP", "k", "j", 5)
    reply = got(waiting)
    waiting.cancel()
    assert isinstance(reply[0], CancelledError)
    assert_nobody_waits(cache)
    cache.call("RPUSH", "k", "a")
    assert cache.call("LLEN", "k") == 1
    waiting.cancel()


def test_a_wait_that_is_cancelled_too_late_has_its_element(cache: MemoryCache) -> None:
    first, second = cache.request("BLPOP", "k", 0), cache.request("BLPOP", "k", 0)
    first.addCallback(lambda reply: second.cancel())
    cache.call("RPUSH", "k", "a", "b")
    assert second.result == [b"k", b"b"]
    assert cache.call("EXISTS", "k") == 0


def test_one_session_may_wait_for_several_things_at_once(cache: MemoryCache) -> None:
    with cache.session() as session:
        replies = [got(session.request("BLPOP", *keys, 0)) for keys in ("a", "ab", "b")]
        assert len(blocking(cache)) == 1
        cache.call("RPUSH", "b", "1", "2")
        assert replies == [[], [[b"b", b"1"]], [[b"b", b"2"]]]
        cache.call("RPUSH", "a", "3")
        assert replies[0] == [[b"a", b"3"]]
        assert_nobody_waits(cache)


def test_a_session_waits_in_the_database_that_was_selected_then(cache: MemoryCache) -> None:
    with cache.session() as session:
        session.call("SELECT", 3)
        reply = got(session.request("BLPOP", "k", 0))
        session.call("SELECT", 5)
        session.call("RPUSH", "k", "five")
        cache.call("RPUSH", "k", "zero")
        assert reply == []
        session.call("SELECT", 3)
        session.call("RPUSH", "k", "three")
        assert reply == [[b"k", b"three"]]
        assert session.call("KEYS", "*") == []


def test_who_waits_is_told_that_its_session_was_closed_and_takes_nothing(cache: MemoryCache) -> None:
    session = cache.session()
    replies = [got(session.request("BLPOP", "k", 0)), got(session.request("BLPOP", "k", 7))]
    session.close()
    assert [str(reply) for (reply,) in replies] == ["ENDED the session ended while the request was waiting"] * 2
    assert_nobody_waits(cache)
    cache.call("RPUSH", "k", "a")
    assert cache.call("LLEN", "k") == 1


def test_who_waits_is_told_that_the_cache_was_stopped() -> None:
    cache = MemoryCache()
    replies = [got(cache.request("BLPOP", "k", 9)), got(cache.request("BLMOVE", "k", "j", "LEFT", "LEFT", 0))]
    cache.stop()
    assert [str(reply) for (reply,) in replies] == ["ENDED the session ended while the request was waiting"] * 2
    assert cache.clock.getDelayedCalls() == []


# Who gets a reply may ask for more


def test_who_gets_a_reply_sees_all_who_waited_served(cache: MemoryCache) -> None:
    first, second = cache.request("BLPOP", "k", 0), cache.request("BLPOP", "k", 0)
    seen = got(first.addCallback(lambda reply: cache.call("LRANGE", "k", 0, -1)))
    later = got(second)
    cache.call("RPUSH", "k", "a", "b", "c")
    assert seen == [[b"c"]]
    assert later == [[b"k", b"b"]]


def test_who_gets_a_reply_and_pushes_more_serves_the_next(cache: MemoryCache) -> None:
    """The next was once served twice, from a list of those who had waited before."""
    first, second, third = (cache.request("BLPOP", "k", 0) for _ in range(3))
    first.addCallback(lambda reply: cache.call("RPUSH", "k", "c"))
    replies = [got(each) for each in (first, second, third)]
    cache.call("RPUSH", "k", "a", "b")
    assert replies == [[1], [[b"k", b"b"]], [[b"k", b"c"]]]
    assert_nobody_waits(cache)


def test_a_client_whose_next_request_pushes_more_serves_the_next(cache: MemoryCache) -> None:
    clients = [cache.connect() for _ in range(3)]
    clients[0].send(b"BLPOP k 0\r\nRPUSH k c\r\nLLEN k\r\n")
    for client in clients[1:]:
        client.send(b"BLPOP k 0\r\n")
    cache.call("RPUSH", "k", "a", "b")
    taken = [client.send(b"") for client in clients]
    element = b"*2\r\n$1\r\nk\r\n$1\r\n%b\r\n"
    assert taken == [element % b"a" + b":1\r\n:0\r\n", element % b"b", element % b"c"]
    assert_nobody_waits(cache)


def test_a_long_chain_of_calls_that_wake_one_another_does_not_go_deep(cache: MemoryCache) -> None:
    length = 5000
    for place in range(length):
        waiting = cache.request("BLPOP", place, 0)
        waiting.addCallback(lambda reply, place=place: cache.call("RPUSH", place + 1, "x"))
    cache.call("RPUSH", 0, "x")
    assert cache.call("KEYS", "*") == [b"%d" % length]
    assert_nobody_waits(cache)


def test_a_long_chain_of_calls_that_unblock_one_another_does_not_go_deep(cache: MemoryCache) -> None:
    clients = [cache.connect() for _ in range(1500)]
    numbers = [client.call("CLIENT", "ID") for client in clients]
    for client, number in zip(clients, numbers[1:]):
        client.send(b"BLPOP k 0\r\nCLIENT UNBLOCK %d\r\n" % number)
    clients[-1].send(b"BLPOP k 0\r\n")
    cache.call("CLIENT", "UNBLOCK", numbers[0])
    assert clients[-1].send(b"PING\r\n") == b"*-1\r\n+PONG\r\n"
    assert_nobody_waits(cache)


def test_a_long_chain_of_moves_does_not_go_deep(cache: MemoryCache) -> None:
    for place in reversed(range(5000)):
        cache.request("BLMOVE", place, place + 1, "LEFT", "RIGHT", 0)
    cache.call("RPUSH", 0, "x")
    assert cache.call("KEYS", "*") == [b"5000"]
    assert_nobody_waits(cache)


def test_a_fault_in_who_takes_a_reply_does_not_reach_others(cache: MemoryCache) -> None:
    first, second = cache.connect(), cache.connect()
    for client in (first, second):
        client.send(b"BLPOP k 0\r\n")

    def broken(reply: object) -> None:
        raise RuntimeError("broken")

    waiter = next(iter(next(iter(blocking(cache)._sessions.values()))))
    waiter.promise.then(broken)
    with listening() as said:
        assert cache.call("RPUSH", "k", "a", "b") == 2
    assert len(said.tracebacks) == 1
    assert second.send(b"") == b"*2\r\n$1\r\nk\r\n$1\r\nb\r\n"
    assert_nobody_waits(cache)


@pytest.mark.pure
def test_a_fault_in_a_request_that_is_run_again_does_not_reach_others(cache: MemoryCache) -> None:
    first, second = got(cache.request("BLPOP", "k", 0)), got(cache.request("BLPOP", "k", 0))
    server = cache.service.dispatcher.server
    entry = server.commands.entry_of([b"BLPOP"])
    function, entry.function = entry.function, broken_once(entry.function)
    with listening() as said:
        assert cache.call("RPUSH", "k", "a", "b") == 2
    entry.function = function
    assert len(said.tracebacks) == 1
    assert "internal error" in str(first[0])
    assert second == [[b"k", b"a"]]
    assert_nobody_waits(cache)


def broken_once(function: Any) -> Any:
    """Give a function that breaks when it is called first."""
    calls: list[None] = []

    def run(*args: Any) -> Any:
        calls.append(None)
        if len(calls) == 1:
            raise RuntimeError("broken")
        return function(*args)

    return run


# Many


def test_thousands_wait_and_are_served_in_their_order(cache: MemoryCache) -> None:
    replies = [got(cache.request("BLPOP", "k", "other", 0)) for _ in range(5000)]
    assert cache.call("RPUSH", "k", *range(2500)) == 2500
    for number in range(2500, 5000):
        cache.call("RPUSH", "k", number)
    assert replies == [[[b"k", b"%d" % number]] for number in range(5000)]
    assert_nobody_waits(cache)


def test_thousands_of_clients_come_and_go(cache: MemoryCache) -> None:
    clients = [cache.connect() for _ in range(2000)]
    for client in clients:
        client.send(b"BLPOP a b a 0\r\n")
    assert len(blocking(cache)) == 2000
    assert b"blocked_clients:2000\r\n" in cache.call("INFO", "clients")
    for client in reversed(clients):
        client.close()
    assert_nobody_waits(cache)
    assert b"blocked_clients:0\r\n" in cache.call("INFO", "clients")


def test_many_keys_become_ready_in_one_transaction(cache: MemoryCache) -> None:
    replies = [got(cache.request("BLPOP", key, 0)) for key in range(3000)]
    with cache.session() as session:
        session.call("MULTI")
        for key in range(3000):
            session.call("RPUSH", key, "x")
        session.call("EXEC")
    assert all(len(reply) == 1 for reply in replies)
    assert_nobody_waits(cache)


# Keys that come and go by other ways


def test_a_list_that_takes_the_place_of_another_type_serves_who_waits(cache: MemoryCache) -> None:
    """Redis 7.0 forgets them here."""
    reply = got(cache.request("BLPOP", "k", 0))
    cache.call("SET", "k", "v")
    cache.call("RPUSH", "j", "2", "1")
    cache.call("SORT", "j", "STORE", "k")
    assert reply == [[b"k", b"1"]]


def test_a_list_that_holds_another_type_by_the_end_of_the_transaction_serves_nobody(cache: MemoryCache) -> None:
    reply = got(cache.request("BLPOP", "k", 0))
    with cache.session() as session:
        for request in (("MULTI",), ("RPUSH", "k", "a"), ("SET", "k", "v"), ("EXEC",)):
            session.call(*request)
    assert reply == []
    cache.call("DEL", "k")
    cache.call("RPUSH", "k", "b")
    assert reply == [[b"k", b"b"]]


def test_a_reader_of_a_group_is_told_when_its_stream_expires(cache: MemoryCache, clock: Clock) -> None:
    cache.call("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
    reply = got(cache.request("XREADGROUP", "GROUP", "g", "me", "BLOCK", 0, "STREAMS", "k", ">"))
    cache.call("PEXPIRE", "k", 20)
    clock.advance(0.02)
    clock.advance(0)
    assert [str(each) for each in reply] == ["UNBLOCKED the stream key no longer exists"]
    assert_nobody_waits(cache)


def test_a_reader_of_a_group_is_told_when_its_group_is_gone(cache: MemoryCache) -> None:
    cache.call("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
    cache.call("XGROUP", "CREATE", "k", "h", "$")
    replies = [
        got(cache.request("XREADGROUP", "GROUP", group, "me", "BLOCK", 0, "STREAMS", "k", ">")) for group in ("g", "h")
    ]
    cache.call("XGROUP", "DESTROY", "k", "g")
    assert "NOGROUP the consumer group this client was blocked on no longer exists" in str(replies[0][0])
    assert replies[1] == []
    cache.call("XADD", "k", "1-1", "f", "v")
    assert replies[1] == [{b"k": [[b"1-1", [b"f", b"v"]]]}]


def test_a_reader_goes_on_waiting_while_nothing_new_is_there(cache: MemoryCache) -> None:
    cache.call("XADD", "k", "5-5", "f", "v")
    reply = got(cache.request("XREAD", "BLOCK", 0, "STREAMS", "k", "$"))
    cache.call("XDEL", "k", "5-5")
    cache.call("XTRIM", "k", "MAXLEN", 0)
    assert reply == []
    assert len(blocking(cache)) == 1
    cache.call("XADD", "k", "6-6", "f", "v")
    assert reply == [{b"k": [[b"6-6", [b"f", b"v"]]]}]


def test_a_request_in_a_transaction_does_not_wait(cache: MemoryCache) -> None:
    with cache.session() as session:
        session.call("MULTI")
        session.call("BLPOP", "k", 0)
        session.call("BLMOVE", "k", "j", "LEFT", "LEFT", 0)
        assert session.call("EXEC") == [NULL_ARRAY, None]
    assert_nobody_waits(cache)


def test_a_wait_in_a_session_that_has_begun_a_transaction_meanwhile_is_served(cache: MemoryCache) -> None:
    with cache.session() as session:
        reply = got(session.request("BLPOP", "k", 0))
        session.call("MULTI")
        cache.call("RPUSH", "k", "a")
        assert reply == [[b"k", b"a"]]
        assert session.call("PING") == b"QUEUED"


def test_a_datagram_cannot_wait(cache: MemoryCache) -> None:
    answer = cache.datagrams("resp").send(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n")
    assert answer == b"-ERR BLPOP needs a connection\r\n"


# The log


def test_what_is_taken_is_noted_behind_what_brought_it() -> None:
    cache = MemoryCache()
    noted: list[Any] = []
    Journal(cache.service.dispatcher, noted.append).open()
    cache.request("BLPOP", "a", 0)
    cache.request("BRPOPLPUSH", "a", "b", 0)
    cache.request("BLMOVE", "b", "c", "LEFT", "RIGHT", 0)
    cache.request("BLMPOP", 0, 1, "c", "RIGHT", "COUNT", 5)
    cache.call("RPUSH", "a", "1", "2", "3")
    with cache.session() as session:
        session.call("SELECT", 3)
        session.request("BRPOP", "k", 0)
        session.call("SELECT", 4)
        session.call("MULTI")
        session.call("RPUSH", "x", "1")
        session.call("EXEC")
        session.call("SELECT", 3)
        session.call("RPUSH", "k", "1")
    cache.stop()
    assert noted == [
        [each]
        for each in [
            (0, words("RPUSH", "a", 1, 2, 3)),
            (0, words("LPOP", "a")),
            (0, words("RPOPLPUSH", "a", "b")),
            (0, words("LMOVE", "b", "c", "LEFT", "RIGHT")),
            (0, words("RPOP", "c", 1)),
            (4, words("RPUSH", "x", 1)),
            (3, words("RPUSH", "k", 1)),
            (3, words("RPOP", "k")),
        ]
    ]


@pytest.mark.pure
def test_who_would_have_to_wait_again_waits_on(cache: MemoryCache, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = blocking(cache)
    replies = got(cache.request("BLPOP", "q", 0))
    [waiter] = [each for waiting in waits._sessions.values() for each in waiting]
    with monkeypatch.context() as patched:
        patched.setattr(waits, "_request", lambda session, words, entry: waiter.block)
        cache.call("RPUSH", "q", "a")
    assert replies == []
    cache.call("RPUSH", "q", "b")
    assert replies == [[b"q", b"a"]]
