"""The client that waits: what it remembers over a lost connection, and what it says where there is no answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sockets.memory_stream import MemoryStream
from twisted_kv.blocking_client import BlockingClient, NoAnswer
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError


class Line:
    """The way to a cache: the streams that were made, and how often nobody listens."""

    def __init__(self, cache: MemoryCache) -> None:
        self.cache = cache
        self.streams: list[MemoryStream] = []
        self.refuses = 0

    def connect(self) -> MemoryStream:
        if self.refuses:
            self.refuses -= 1
            raise ConnectionRefusedError(111, "Connection refused")
        self.streams.append(MemoryStream(self.cache))
        return self.streams[-1]

    def cut(self) -> None:
        """Have the server lose the connection."""
        self.streams[-1].connection.transport.loseConnection()

    def client(self, **options: Any) -> BlockingClient:
        return BlockingClient(self.connect, **options)


@pytest.fixture
def line(cache: MemoryCache) -> Line:
    return Line(cache)


def test_one_connection_serves_all_requests(line: Line) -> None:
    client = line.client()
    assert client.request("SET", "k", "v") == b"OK"
    assert client.request("GET", "k") == b"v"
    assert len(line.streams) == 1
    client.close()
    assert line.streams[0].closed


def test_an_error_reply_is_raised(line: Line) -> None:
    with pytest.raises(CommandError, match="unknown command"):
        line.client().request("FLY")


def test_the_database_is_selected_again_after_a_lost_connection(line: Line, cache: MemoryCache) -> None:
    client = line.client()
    client.request("select", 3)
    line.cut()
    assert client.request("SET", "k", "v") == b"OK"
    assert client.database == 3
    assert cache.call("DBSIZE") == 0
    with cache.session() as session:
        session.call("SELECT", 3)
        assert session.call("GET", "k") == b"v"


def test_a_database_that_was_refused_is_not_remembered(line: Line) -> None:
    client = line.client(database=2)
    with pytest.raises(CommandError):
        client.request("SELECT", 99)
    assert client.database == 2


def test_the_version_and_the_password_are_given_again(line: Line, cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "requirepass", "secret")
    client = line.client()
    with pytest.raises(CommandError, match="NOAUTH"):
        client.request("PING")
    client.request("AUTH", "secret")
    line.cut()
    assert client.request("PING") == b"PONG"
    client.request("HELLO", 3, "SETNAME", "me", "AUTH", "default", "secret")
    line.cut()
    assert client.request("CONFIG", "GET", "port") == {b"port": b"6379"}
    client.request("AUTH", "default", "secret")
    client.request("HELLO", 3)
    line.cut()
    assert client.request("PING") == b"PONG"
    client.request("RESET")
    line.cut()
    with pytest.raises(CommandError, match="NOAUTH"):
        client.request("PING")


@pytest.mark.parametrize("resp", [2, 3])
def test_what_was_given_at_first_is_told_to_each_connection(line: Line, cache: MemoryCache, resp: int) -> None:
    cache.call("CONFIG", "SET", "requirepass", "secret")
    client = line.client(password="secret", database=1, resp=resp)
    for _ in range(2):
        assert b" db=1 " in client.request("CLIENT", "INFO")  # type: ignore[operator]  # it is bytes
        line.cut()
    wrong = line.client(password="no", resp=resp)
    with pytest.raises(CommandError, match="WRONGPASS"):
        wrong.request("PING")
    assert line.streams[-1].closed


def test_a_transaction_is_lost_with_its_connection_and_said_so(line: Line, cache: MemoryCache) -> None:
    client = line.client()
    client.request("MULTI")
    client.request("SELECT", 5)
    client.request("SET", "k", "v")
    assert client.in_transaction
    line.cut()
    with pytest.raises(NoAnswer, match="the transaction with it"):
        client.request("GET", "k")
    assert not client.in_transaction
    assert client.database == 0
    assert client.request("GET", "k") is None


@pytest.mark.parametrize("end", ["EXEC", "DISCARD", "RESET"])
def test_a_transaction_ends(line: Line, end: str) -> None:
    client = line.client()
    client.request("MULTI")
    client.request("SELECT", 5)
    client.request(end)
    assert not client.in_transaction
    assert client.database == (5 if end == "EXEC" else 0)


def test_a_transaction_that_is_refused_has_ended(line: Line, cache: MemoryCache) -> None:
    client = line.client()
    client.request("MULTI")
    with pytest.raises(CommandError):
        client.request("FLY")
    with pytest.raises(CommandError):
        client.request("DISCARD", "now")
    assert client.in_transaction
    with pytest.raises(CommandError, match="EXECABORT"):
        client.request("EXEC", "now")  # with words too many it is refused, and ends it all the same
    assert not client.in_transaction
    client.request("WATCH", "k")
    cache.call("SET", "k", "v")
    client.request("MULTI")
    client.request("SELECT", 5)
    assert client.request("EXEC") is not True
    assert (client.in_transaction, client.database) == (False, 0)


def test_what_only_reads_is_tried_again_and_nothing_else(line: Line) -> None:
    client = line.client()
    line.refuses = 2
    assert client.request("GET", "k") is None
    client.close()
    line.refuses = 3
    with pytest.raises(NoAnswer, match="Connection refused"):
        client.request("GET", "k")
    line.refuses = 1
    with pytest.raises(NoAnswer, match="Connection refused"):
        client.request("SET", "k", "v")
    assert line.refuses == 0


def test_a_request_that_waits_has_more_time_and_leaves_nothing_behind(line: Line) -> None:
    client = line.client(timeout=2.0)
    for wish, seconds in ((3, 5.0), (0, None)):
        with pytest.raises(NoAnswer, match="no answer within 2 s"):
            client.request("BLPOP", "q", wish)
        assert line.streams[-1].seconds == seconds
        assert line.streams[-1].closed
    client.request("RPUSH", "q", "a")
    assert client.request("LLEN", "q") == 1


def test_an_interrupt_ends_the_connection(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    client = line.client()
    client.request("PING")

    def interrupted(stream: MemoryStream, data: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MemoryStream, "sendall", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.request("PING")
    assert line.streams[0].closed
    assert client.request("PING") == b"PONG"


class Says:
    """A server that says what the test has it say, and ends the connection."""

    def __init__(self, *said: bytes | Exception) -> None:
        self.said = list(said)

    def __call__(self) -> Says:
        return self

    def sendall(self, data: bytes) -> None:
        """Take it."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        if not self.said:
            return b""
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def settimeout(self, seconds: float | None) -> None:
        """Take note."""

    def close(self) -> None:
        """End."""


def test_a_message_before_the_reply_is_passed_over() -> None:
    assert BlockingClient(Says(b">2\r\n+a\r\n+b\r\n:", b"1\r\n")).request("INCR", "k") == 1


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (Says(), "the connection ended before the reply came"),
        (Says(b"$3\r\nab"), "the connection ended before the reply came"),
        (Says(b"HTTP/1.1 400\r\n"), "the server does not speak RESP"),
        (Says(ConnectionResetError(104, "Connection reset by peer")), "Connection reset by peer"),
    ],
)
def test_a_server_that_does_not_answer_is_told(server: Says, why: str) -> None:
    with pytest.raises(NoAnswer, match=why):
        BlockingClient(server).request("INCR", "k")


def test_a_connection_that_was_reset_meanwhile_is_made_anew() -> None:
    client = BlockingClient(Says(b":1\r\n", ConnectionResetError(), b":2\r\n"))
    assert client.request("INCR", "k") == 1
    assert client.request("INCR", "k") == 2


@pytest.mark.parametrize("resp", [2, 3])
def test_messages_are_listened_to_until_it_is_closed(line: Line, cache: MemoryCache, resp: int) -> None:
    client = line.client(resp=resp)
    client.request("SELECT", 3)
    messages = client.listen("SUBSCRIBE", "c")
    assert next(messages) == [b"subscribe", b"c", 1]
    cache.call("PUBLISH", "c", "x")
    assert next(messages) == [b"message", b"c", b"x"]
    client.close()
    assert cache.call("PUBLISH", "c", "y") == 0
    client.request("SET", "k", "v")
    with cache.session() as session:
        session.call("SELECT", 3)
        assert session.call("GET", "k") == b"v"


def test_a_lost_connection_or_an_error_ends_the_messages(line: Line) -> None:
    messages = line.client().listen("MONITOR")
    assert next(messages) == b"OK"
    line.cut()
    with pytest.raises(NoAnswer):
        next(messages)
    with pytest.raises(CommandError, match="wrong number"):
        next(line.client().listen("SUBSCRIBE"))


@pytest.mark.parametrize("name", ["SUBSCRIBE", "psubscribe", "MONITOR", b"UNSUBSCRIBE", "PSYNC"])
def test_what_is_answered_more_than_once_is_not_sent(name: str) -> None:
    client = BlockingClient(Says(b":1\r\n"))
    with pytest.raises(ValueError, match="waits for one reply"):
        client.request(name, "channel")
    with pytest.raises(ValueError, match="waits for one reply, and CLIENT REPLY has none"):
        client.request("CLIENT", "REPLY", "OFF")
    assert client.request("INCR", "k") == 1


def test_a_connection_that_is_reset_ends_the_messages() -> None:
    messages = BlockingClient(Says(b"+OK\r\n", ConnectionResetError(104, "reset"))).listen("MONITOR")
    assert next(messages) == b"OK"
    with pytest.raises(NoAnswer, match="reset"):
        next(messages)
