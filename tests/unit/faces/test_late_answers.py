"""Datagrams whose replies come later: they get their one answer, in their dialect, and nobody owes them for ever."""

from __future__ import annotations

import pytest

from tests.own_commands import promises
from tests.servers.capture import listening
from twisted_kv.faces import late_answers
from twisted_kv.faces.late_answers import LONGEST
from twisted_kv.testing import MemoryCache, MemoryDatagrams
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.dialects import MAX_DATAGRAM
from twisted_kv.wire.encoder import encode_request

PEER = ("127.0.0.1", 40_000)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(late_answers, "MOST_OWED", 2)
    return 2


def resp(*lines: str) -> bytes:
    """Whole RESP requests as one datagram."""
    return b"".join(encode_request(line.encode().split()) for line in lines)


def taken(face: MemoryDatagrams) -> list[tuple[bytes, object]]:
    """The datagrams that were sent since the last time, with their addresses."""
    sent, face.transport.sent = face.transport.sent, []
    return sent


def given_up(cache: MemoryCache) -> int:
    return cache.service.dispatcher.server.statistics.dropped_late_datagrams


def test_the_answer_goes_to_who_asked_in_the_dialect_of_the_datagram(own: MemoryCache) -> None:
    face = own.datagrams("command")
    assert face.send(b"LATER a", PEER) is None
    assert face.send(b"LATER b", ("127.0.0.1", 40_001)) is None
    assert face.send(b"PING", PEER) == b"PONG\n"
    taken(face)
    promises[b"b"].resolve(2)
    promises[b"a"].resolve(b"v")
    assert taken(face) == [(b"(integer) 2\n", ("127.0.0.1", 40_001)), (b"v\n", PEER)]


def test_three_late_replies_of_one_datagram_are_under_way_at_once(own: MemoryCache) -> None:
    face = own.datagrams("resp")
    assert face.send(resp("PING", "LATER a", "LATER b", "SET k v", "LATER c", "GET k"), PEER) is None
    assert sorted(promises) == [b"a", b"b", b"c"]
    assert own.call("GET", "k") == b"v"
    for name in (b"c", b"a"):
        promises[name].resolve(name)
        assert taken(face) == []
    promises[b"b"].resolve(CommandError("no"))
    assert taken(face) == [(b"+PONG\r\n$1\r\na\r\n-ERR no\r\n+OK\r\n$1\r\nc\r\n$1\r\nv\r\n", PEER)]


def test_a_late_reply_is_written_in_the_protocol_of_its_request(own: MemoryCache) -> None:
    face = own.datagrams("resp")
    face.send(resp("HELLO 3", "LATER a", "HELLO 2", "LATER b"), PEER)
    promises[b"a"].resolve(None)
    promises[b"b"].resolve(None)
    ((answer, _),) = taken(face)
    assert answer.count(b"_\r\n") == answer.count(b"$-1\r\n") == 1


def test_a_late_reply_that_holds_keeps_later_requests_of_its_datagram_from_running(own: MemoryCache) -> None:
    face = own.datagrams("resp")
    assert face.send(resp("HELD a", "SET k v", "HELD b", "GET k"), PEER) is None
    assert own.call("EXISTS", "k") == 0
    assert face.send(resp("PING"), PEER) == b"+PONG\r\n"
    taken(face)
    promises[b"a"].resolve(1)
    assert own.call("EXISTS", "k") == 1
    assert taken(face) == []
    promises[b"b"].resolve(2)
    assert taken(face) == [(b":1\r\n+OK\r\n:2\r\n$1\r\nv\r\n", PEER)]


def test_a_late_reply_may_be_too_large(own: MemoryCache) -> None:
    face, other = own.datagrams("resp"), own.datagrams("command")
    face.send(resp("LATER a", "LATER b"), PEER)
    other.send(b"LATER c", PEER)
    for name in (b"a", b"b", b"c"):
        promises[name].resolve(b"v" * (MAX_DATAGRAM - 10))
    assert taken(face) == [(b"-ERR reply is too large for a datagram\r\n", PEER)]
    promises[b"c"] = promises[b"c"]
    assert taken(other) == [(b"v" * (MAX_DATAGRAM - 10) + b"\n", PEER)]


def test_what_is_just_a_miss_gets_no_late_error_either(own: MemoryCache) -> None:
    face = own.datagrams("command")
    face.send(b"LATER a", PEER)
    promises[b"a"].resolve(None)
    assert taken(face) == [(b"(nil)\n", PEER)]


def test_a_late_answer_to_a_port_that_answers_itself_is_not_sent(own: MemoryCache) -> None:
    face = own.datagrams("command")
    face.send(b"LATER a", ("127.0.0.1", 6379))
    promises[b"a"].resolve(1)
    assert taken(face) == []


@pytest.mark.parametrize("dialect", ["command", "resp"])
def test_an_answer_is_given_up_after_some_time(own: MemoryCache, dialect: str) -> None:
    face = own.datagrams(dialect)
    first, second = (b"LATER a", b"LATER b") if dialect == "command" else (resp("LATER a"), resp("LATER b"))
    face.send(first, PEER)
    own.clock.advance(LONGEST - 1)
    face.send(second, PEER)
    promise = promises[b"a"]
    own.clock.advance(1)
    assert (given_up(own), list(promises)) == (1, [b"b"])
    promise.resolve(1)
    assert taken(face) == []
    own.clock.advance(LONGEST - 1)
    assert (given_up(own), promises) == (2, {})
    assert b"dropped_late_datagrams:2" in own.call("INFO", "stats")


@pytest.mark.pure
@pytest.mark.parametrize("dialect", ["command", "resp"])
def test_only_so_many_answers_are_owed(own: MemoryCache, few: int, dialect: str) -> None:
    face = own.datagrams(dialect)
    for name in "abc":
        request = f"LATER {name}"
        answer = face.send(request.encode() if dialect == "command" else resp(request), PEER)
    assert answer is not None
    assert b"ERR too many answers to datagrams are under way" in answer
    assert list(promises) == [b"a", b"b"]
    taken(face)
    promises[b"a"].resolve(1)
    assert len(taken(face)) == 1
    assert face.send(b"LATER d" if dialect == "command" else resp("LATER d"), PEER) is None


@pytest.mark.parametrize("dialect", ["command", "resp"])
def test_a_late_reply_that_is_none_is_an_internal_error(own: MemoryCache, dialect: str) -> None:
    face = own.datagrams(dialect)
    for name in "ab":
        request = f"LATER {name}"
        face.send(request.encode() if dialect == "command" else resp(request), PEER)
    with listening() as said:
        promises[b"a"].resolve(object())
    assert len(said.tracebacks) == 1
    promises[b"b"].resolve(b"v")
    error, answer = [each for each, _ in taken(face)]
    assert b"ERR internal error" in error
    assert answer in (b"v\n", b"$1\r\nv\r\n")


@pytest.mark.parametrize("dialect", ["command", "resp"])
def test_a_value_that_is_no_reply_is_an_internal_error(own: MemoryCache, dialect: str) -> None:
    face = own.datagrams(dialect)
    write = (lambda line: line.encode()) if dialect == "command" else resp
    with listening() as said:
        face.protocol.datagramsReceived([(write("NONSENSE"), PEER), (write("PING"), PEER)])
    assert len(said.tracebacks) == 1
    error, answer = [each for each, _ in taken(face)]
    assert b"ERR internal error" in error
    assert answer == (b"PONG\n" if dialect == "command" else b"+PONG\r\n")


def test_a_port_that_closes_waits_for_nothing(own: MemoryCache) -> None:
    face = own.datagrams("resp")
    face.send(resp("LATER a", "PING"), PEER)
    face.close()
    assert promises == {}
    assert [call for call in own.clock.getDelayedCalls() if call.func.__name__ != "_sweep"] == []


def test_a_reply_that_is_known_at_once_is_no_late_one(own: MemoryCache) -> None:
    face = own.datagrams("resp")
    assert face.send(resp("AGREED 1", "AGREED 2"), PEER) == b":1\r\n:2\r\n"
    assert own.datagrams("command").send(b"AGREED 3", PEER) == b"(integer) 3\n"


def test_a_reply_that_is_known_at_once_after_a_late_one_is_answered_once(own: MemoryCache) -> None:
    face = own.datagrams("resp")
    assert face.send(resp("HELD a", "AGREED 1", "AGREED 2"), PEER) is None
    promises[b"a"].resolve(b"x")
    assert taken(face) == [(b"$1\r\nx\r\n:1\r\n:2\r\n", PEER)]
