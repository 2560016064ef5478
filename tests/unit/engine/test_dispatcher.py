"""The dispatch service: a conversation begins, asks and ends."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import LogLevel, capturedLogs

from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.table import TableEntry
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.sessions.session import Session
from twisted_kv.settings.config import Settings
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.vocabulary.clock import SystemClock
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NO_REPLY, OK, Push

INTERNAL = "ERR internal error, see the log of the server"


class FakeLink:
    """A connection as commands see it."""

    peer = "127.0.0.1:50000"
    local = "127.0.0.1:6379"
    descriptor = 7
    waiting_input = 3
    waiting_output = 4
    waiting_parts = 1
    memory = 1000

    def __init__(self) -> None:
        self.closed = False

    def push(self, message: Any) -> None:
        raise AssertionError(f"nothing is pushed here: {Push(message)}")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher(clock=Clock())


@pytest.fixture
def session(dispatcher: Dispatcher) -> Session:
    return dispatcher.begin(Lasting.SESSION)


def named(dispatcher: Dispatcher, name: bytes) -> TableEntry:
    return dispatcher.server.commands.entry_of([name])


def test_a_request_gives_a_value_and_an_error_is_a_value_too(dispatcher: Dispatcher, session: Session) -> None:
    assert dispatcher.request(session, [b"SET", b"k", b"v"]) is OK
    assert dispatcher.request(session, [b"GeT", b"k"]) == b"v"
    assert dispatcher.request(session, [b"HLEN", b"k"]) == CommandError(
        "Operation against a key holding the wrong kind of value", "WRONGTYPE"
    )
    assert dispatcher.request(session, [b"NOPE"]) == CommandError("unknown command 'NOPE', with args beginning with: ")


def test_all_that_it_needs_has_a_default() -> None:
    dispatcher = Dispatcher()
    assert isinstance(dispatcher.server.now.clock, SystemClock)
    assert dispatcher.server.settings == Settings()
    assert dispatcher.server.shutdown is None
    assert dispatcher.request(dispatcher.begin(Lasting.SESSION), [b"PING"]) == b"PONG"


def test_only_a_conversation_with_a_link_is_listed_and_only_until_its_end(dispatcher: Dispatcher) -> None:
    with_link = dispatcher.begin(Lasting.CONNECTION, FakeLink())
    without = dispatcher.begin(Lasting.SESSION)
    assert dispatcher.server.sessions == {with_link.id: with_link}
    assert b"qbuf=3 " in dispatcher.request(without, [b"CLIENT", b"LIST"])
    assert b"fd=7 " in dispatcher.request(with_link, [b"CLIENT", b"INFO"])
    dispatcher.end(without)
    dispatcher.end(with_link)
    dispatcher.end(with_link)
    assert dispatcher.server.sessions == {}


def test_a_request_sees_the_present_of_its_moment() -> None:
    clock = Clock()
    dispatcher = Dispatcher(clock=clock)
    session = dispatcher.begin(Lasting.SESSION)
    dispatcher.request(session, [b"SET", b"k", b"v", b"PX", b"100"])
    clock.advance(0.06)
    assert dispatcher.request(session, [b"PTTL", b"k"]) == 40
    assert dispatcher.begin(Lasting.SESSION).created - session.created == 60


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([b"GET"], "wrong number of arguments for 'get' command"),
        ([b"gEt", b"a", b"b"], "wrong number of arguments for 'get' command"),
        ([b"CONFIG"], "wrong number of arguments for 'config' command"),
        ([b"Config", b"SET", b"timeout"], "wrong number of arguments for 'config|set' command"),
    ],
)
def test_the_number_of_words_is_checked(
    dispatcher: Dispatcher, session: Session, words: list[bytes], error: str
) -> None:
    assert dispatcher.request(session, words) == CommandError(error)


@pytest.mark.parametrize(
    ("lasting", "served"),
    [(Lasting.REQUEST, [False, False]), (Lasting.DATAGRAM, [True, False]), (Lasting.SESSION, [True, True])],
)
def test_what_needs_a_longer_conversation_is_refused(
    dispatcher: Dispatcher, lasting: Lasting, served: list[bool]
) -> None:
    session = dispatcher.begin(lasting)
    replies = [dispatcher.request(session, words) for words in ([b"SELECT", b"1"], [b"CLIENT", b"SETNAME", b"me"])]
    assert [reply == OK for reply in replies] == served
    refused = [str(reply) for reply in replies if reply != OK]
    assert refused == ["ERR SELECT needs a connection", "ERR CLIENT SETNAME needs a connection"][2 - len(refused) :]
    assert named(dispatcher, b"select").rejected == int(lasting < Lasting.DATAGRAM)


def test_the_password_is_asked_for_once(dispatcher: Dispatcher) -> None:
    dispatcher.server.settings.set("requirepass", "geheim")
    session = dispatcher.begin(Lasting.SESSION)
    assert str(dispatcher.request(session, [b"GET", b"k"])) == "NOAUTH Authentication required."
    assert named(dispatcher, b"get").rejected == 1
    assert dispatcher.request(session, [b"AUTH", b"geheim"]) == OK
    assert dispatcher.request(session, [b"GET", b"k"]) is None


@pytest.mark.parametrize("word", [b"POST", b"post", b"Host:", b"HOST:"])
def test_a_connection_that_speaks_http_is_closed_without_a_reply(dispatcher: Dispatcher, word: bytes) -> None:
    link = FakeLink()
    session = dispatcher.begin(Lasting.CONNECTION, link)
    with capturedLogs() as logs:
        assert dispatcher.request(session, [word, b"/", b"HTTP/1.1"]) is NO_REPLY
    assert link.closed
    assert [event["log_level"] for event in logs] == [LogLevel.warn]


def test_without_a_link_post_is_just_an_unknown_command(dispatcher: Dispatcher, session: Session) -> None:
    reply = dispatcher.request(session, [b"POST", b"/"])
    assert str(reply) == "ERR unknown command 'POST', with args beginning with: '/' "
    assert not session.closing


class TestFault:
    """A fault in a command is told to whoever asked and to the log, and nobody else notices."""

    @pytest.fixture
    def broken(self, cache: MemoryCache) -> MemoryCache:
        def strlen(session: Session, key: bytes) -> int:
            session.db.set(b"touched", key)
            raise ZeroDivisionError("secret detail")

        named(cache.service.dispatcher, b"strlen").function = strlen
        return cache

    def test_it_gives_an_error_reply_and_a_log_entry(self, broken: MemoryCache) -> None:
        client = broken.connect()
        with capturedLogs() as logs:
            assert client.send(b"STRLEN k\r\n") == b"-%s\r\n" % INTERNAL.encode()
        (event,) = logs
        assert event["log_level"] == LogLevel.critical
        assert event["command"] == "strlen"
        assert event["log_failure"].check(ZeroDivisionError)

    def test_the_connection_and_all_others_are_served_on(self, broken: MemoryCache) -> None:
        client, other = broken.connect(), broken.connect()
        with capturedLogs():
            answer = client.send(b"SET k v\r\nSTRLEN k\r\nGET k\r\n")
        assert answer == b"+OK\r\n-%s\r\n$1\r\nv\r\n" % INTERNAL.encode()
        assert other.call("GET", "k") == b"v"
        assert not client.closed

    def test_it_is_counted_as_a_failure(self, broken: MemoryCache) -> None:
        with capturedLogs(), pytest.raises(CommandError, match=INTERNAL):
            broken.call("STRLEN", "k")
        assert b"cmdstat_strlen:calls=1,rejected_calls=0,failed_calls=1" in broken.call("INFO", "commandstats")
        assert b"errorstat_ERR:count=1" in broken.call("INFO", "errorstats")

    def test_a_datagram_gets_it_too_and_the_next_is_served(self, broken: MemoryCache) -> None:
        datagrams = broken.datagrams("command")
        with capturedLogs():
            assert datagrams.send(b"STRLEN k") == b"(error) %s\n" % INTERNAL.encode()
        assert datagrams.send(b"PING") == b"PONG\n"

    def test_another_cache_has_no_such_fault(self, broken: MemoryCache) -> None:
        other = MemoryCache()
        assert other.call("STRLEN", "k") == 0
        other.stop()


def test_keys_are_removed_by_themselves_only_between_start_and_stop() -> None:
    clock = Clock()
    dispatcher = Dispatcher(clock=clock)
    session = dispatcher.begin(Lasting.SESSION)

    def size_after_expiry() -> int:
        dispatcher.request(session, [b"SET", b"k", b"v", b"PX", b"10"])
        clock.advance(0.010)
        size: int = dispatcher.request(session, [b"DBSIZE"])
        return size

    assert size_after_expiry() == 1
    dispatcher.start()
    assert size_after_expiry() == 0
    dispatcher.stop()
    assert size_after_expiry() == 1
    assert clock.getDelayedCalls() == []
    assert dispatcher.request(session, [b"GET", b"k"]) is None


def test_who_waits_behind_a_link_takes_nothing_after_the_end(dispatcher: Dispatcher, session: Session) -> None:
    waiting = dispatcher.begin(Lasting.SESSION, FakeLink())
    promise = dispatcher.request(waiting, [b"BLPOP", b"k", b"0"])
    dispatcher.end(waiting)
    assert dispatcher.request(session, [b"RPUSH", b"k", b"v"]) == 1
    assert dispatcher.request(session, [b"LLEN", b"k"]) == 1
    assert not promise.is_resolved


def test_a_fault_in_what_is_replayed_stops_the_start(dispatcher: Dispatcher) -> None:
    replay = Session(dispatcher.server, Lasting.SESSION, trusted=True, is_replay=True)
    entry = named(dispatcher, b"set")

    def broken(*words: Any) -> Any:
        raise ZeroDivisionError

    entry.function = broken
    with pytest.raises(ZeroDivisionError):
        dispatcher.run(replay, [b"SET", b"k", b"v"], entry)
    assert dispatcher.units.depth == 0
