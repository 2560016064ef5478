"""Keyspace events: to channels, and to callbacks of the program, while anybody wants to know."""

from __future__ import annotations

from typing import Any, Callable, List

import pytest

from twisted_kv import KeyEvent, Session
from twisted_kv.commands import GROUPS
from twisted_kv.declaring import Group, first
from twisted_kv.testing import MemoryCache, MemoryConnection
from twisted_kv.vocabulary import keyspace_events
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Reply


def subscribed(cache: MemoryCache, *patterns: str) -> MemoryConnection:
    client = cache.connect()
    client.call("HELLO", 3)
    client.send(b"PSUBSCRIBE " + " ".join(patterns).encode() + b"\r\n")
    return client


def test_nothing_is_told_while_nobody_wants_to_know(cache: MemoryCache) -> None:
    database = cache.service.dispatcher.server.databases[0]
    client = subscribed(cache, "*")
    cache.call("SET", "k", "v")
    assert database.report is None
    assert not database.alert
    assert client.transport.take() == b""
    cache.call("CONFIG", "SET", "notify-keyspace-events", "A")  # classes, but no channels
    assert database.report is None
    cache.call("CONFIG", "SET", "notify-keyspace-events", "KE")  # channels, but no classes
    cache.call("SET", "k", "v")
    assert client.transport.take() == b""


def test_an_expired_key_and_an_evicted_one_are_told_when_they_go(cache: MemoryCache) -> None:
    client = subscribed(cache, "__keyevent@*__:e*")
    cache.call("CONFIG", "SET", "notify-keyspace-events", "Exe")
    cache.call("SET", "k", "v", "PX", 10)
    cache.clock.advance(0.01)
    assert b"expired\r\n$1\r\nk\r\n" in client.transport.take()
    cache.call("SET", "k", "x" * 100)
    cache.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", 1)
    cache.call("SET", "j", "x")
    assert b"evicted\r\n$1\r\nk\r\n" in client.transport.take()


def test_a_callback_is_told_of_the_events_that_it_named(cache: MemoryCache) -> None:
    got: List[KeyEvent] = []
    subscription = cache.service.on("set", "session:*", got.append)
    cache.call("SET", "session:1", "v")
    cache.call("SET", "other", "v")
    cache.call("DEL", "session:1")
    with cache.session() as session:
        session.call("SELECT", 3)
        session.call("SET", b"session:\xff", "v")
    assert got == [KeyEvent("set", b"session:1", 0), KeyEvent("set", b"session:\xff", 3)]
    subscription.stop()
    cache.call("SET", "session:1", "v")
    assert len(got) == 2
    assert cache.service.dispatcher.server.databases[0].report is None


def test_a_callback_is_told_of_all_events_of_one_database(cache: MemoryCache) -> None:
    got: List[str] = []
    cache.service.on("*", "*", lambda event: got.append(event.event), database=0)
    cache.call("LPUSH", "l", "x")
    cache.call("RPOP", "l")
    cache.call("GET", "l")
    with cache.session() as session:
        session.call("SELECT", 1)
        session.call("SET", "k", "v")
    assert got == ["new", "lpush", "rpop", "del", "keymiss"]


def test_a_callback_is_told_after_the_whole_of_a_transaction(cache: MemoryCache) -> None:
    seen: List[Any] = []
    cache.service.on("expired", "*", lambda event: seen.append(cache.call("GET", "k")))
    cache.call("SET", "x", "v", "PX", 10)
    cache.service.dispatcher.set_active_expire(False)
    cache.clock.advance(1)
    cache.connect().send(b"MULTI\r\nGET x\r\nSET k 1\r\nSET k 2\r\nEXEC\r\n")
    assert seen == [b"2"]


def test_a_callback_may_change_what_it_was_told_of(cache: MemoryCache) -> None:
    def again(event: KeyEvent) -> None:
        cache.call("SET", event.key, "again", "PX", 1000)

    cache.service.on("expired", "*", again)
    cache.call("SET", "k", "v", "PX", 10)
    cache.clock.advance(0.02)
    assert cache.call("GET", "k") == b"again"


def test_a_reader_that_stops_in_the_midst_leaves_the_others(cache: MemoryCache) -> None:
    got: List[str] = []
    first = cache.service.on("set", "*", lambda event: first.stop())
    cache.service.on("set", "*", lambda event: got.append(event.event))
    cache.call("SET", "k", "v")
    cache.call("SET", "k", "v")
    assert got == ["set", "set"]


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda service: service.on("sets", "*", print), "there is no event 'sets'"),
        (lambda service: service.on("set", "*", print, database=16), "there is no database 16 among 16"),
        (lambda service: service.on("set", "*", print, database=-1), "there is no database -1"),
    ],
)
def test_what_cannot_be_told_is_an_error(cache: MemoryCache, ask: Callable[[Any], Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ask(cache.service)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", ""),
        ("KEA", "AKE"),
        ("AKEmn", "AKEm"),
        ("mnKEg$lshzxet", "g$lshzxetnKEm"),
        ("nmg", "gnm"),
        ("g$lshzxetdn", "A"),
        ("KKgg", "gK"),
    ],
)
def test_the_setting_is_written_as_redis_writes_it(cache: MemoryCache, text: str, written: str) -> None:
    cache.call("CONFIG", "SET", "notify-keyspace-events", text)
    assert cache.call("CONFIG", "GET", "notify-keyspace-events") == {b"notify-keyspace-events": written.encode()}


def test_a_letter_that_is_no_class_is_refused(cache: MemoryCache) -> None:
    with pytest.raises(CommandError, match="Invalid event class character"):
        cache.call("CONFIG", "SET", "notify-keyspace-events", "KEq")


def test_what_a_command_tells_after_its_reply_is_an_event() -> None:
    for group in GROUPS:
        for command in group.commands.values():
            for each in (command, *command.subcommands.values()):
                assert set(each.tells_after) <= set(keyspace_events.CLASS_OF), each.name


def test_a_message_about_its_own_change_comes_behind_an_error_too() -> None:
    group = Group("own")

    @group.command("BREAK", since="1.0.0", flags="write", keys=first("RW"), tells_after="set")
    def break_(session: Session, key: bytes) -> Reply:
        session.db.set(key, b"v")
        raise CommandError("no")

    with MemoryCache(groups=[*GROUPS, group]) as cache:
        client = subscribed(cache, "__keyevent*__:set")
        client.transport.take()
        cache.call("CONFIG", "SET", "notify-keyspace-events", "EA")
        sent = client.send(b"BREAK k\r\nPING\r\n")
        assert sent.startswith(b"-ERR no\r\n>4\r\n$8\r\npmessage\r\n")
        assert sent.endswith(b"$1\r\nk\r\n+PONG\r\n")


def test_a_client_sees_its_own_events_before_or_behind_its_reply_as_redis_tells_them(cache: MemoryCache) -> None:
    client = subscribed(cache, "__keyevent*__:*")
    client.transport.take()
    cache.call("CONFIG", "SET", "notify-keyspace-events", "EA")
    assert client.send(b"LPUSH l x\r\n").startswith(b":1\r\n>4\r\n")
    assert client.send(b"SET k v\r\n").endswith(b"$1\r\nk\r\n+OK\r\n")
    sent = client.send(b"MULTI\r\nRPUSH l y\r\nPING\r\nEXEC\r\n")
    assert b"*2\r\n:2\r\n>4\r\n" in sent
    assert sent.endswith(b"$1\r\nl\r\n+PONG\r\n")


def test_a_key_that_is_replaced_is_new_where_redis_removes_it_before(cache: MemoryCache) -> None:
    got: List[str] = []
    cache.call("MSET", "a", 1, "b", 2, "c", 3)
    cache.service.on("*", "*", lambda event: got.append(f"{event.event} {event.key.decode()}"))
    cache.call("RENAME", "a", "b")
    cache.call("COPY", "b", "c", "REPLACE")
    assert got == ["new b", "rename_from a", "rename_to b", "new c", "copy_to c"]


def test_a_key_that_nobody_has_looked_at_since_it_expired_has_expired_when_it_is_set(cache: MemoryCache) -> None:
    got: List[str] = []
    cache.call("SET", "k", "v", "PX", 10)
    cache.service.on("*", "*", lambda event: got.append(event.event))
    cache.service.dispatcher.set_active_expire(False)
    cache.clock.advance(1)
    cache.call("SET", "k", "w")
    cache.call("SET", "k", "w", "PXAT", 1)
    assert got == ["expired", "new", "set", "set", "expire", "expired"]


def test_an_event_of_an_own_command_is_in_the_class_of_modules(cache: MemoryCache) -> None:
    got: List[str] = []
    client = subscribed(cache, "__keyevent*__:*")
    client.transport.take()
    cache.call("CONFIG", "SET", "notify-keyspace-events", "Ed")
    cache.service.on("*", "*", lambda event: got.append(event.event))
    cache.service.dispatcher.server.databases[0].set(b"k", b"v", event=b"mine")
    assert got == ["new", "mine"]
    assert client.transport.take().count(b"pmessage") == 1


def test_events_are_told_by_key_and_by_event(cache: MemoryCache) -> None:
    client = subscribed(cache, "__key*")
    client.transport.take()
    cache.call("CONFIG", "SET", "notify-keyspace-events", "KA")
    cache.call("SET", "k", "v")
    assert client.transport.take() == (
        b">4\r\n$8\r\npmessage\r\n$6\r\n__key*\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n"
    )
    assert client.send(b"LPUSH k x\r\n").startswith(b"-WRONGTYPE")
