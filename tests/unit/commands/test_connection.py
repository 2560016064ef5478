"""Commands about the connection itself."""

from __future__ import annotations

from typing import Any, Iterator

import pytest

from twisted_kv.testing import MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError

NOAUTH = "NOAUTH Authentication required."
WRONGPASS = "WRONGPASS invalid username-password pair or user is disabled."


def refusal(client: Any, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        client.call(*words)
    return str(caught.value)


@pytest.fixture
def client(cache: MemoryCache) -> MemoryConnection:
    return cache.connect()


@pytest.fixture
def guarded() -> Iterator[MemoryCache]:
    """A cache with a password."""
    cache = MemoryCache(config={"requirepass": "geheim"})
    yield cache
    cache.stop()


def test_ping_and_echo_answer(client: MemoryConnection) -> None:
    assert client.send(b"PING\r\n") == b"+PONG\r\n"
    assert client.send(b"PING hello\r\n") == b"$5\r\nhello\r\n"
    assert client.call("ECHO", b"\0") == b"\0"
    assert refusal(client, "PING", "a", "b") == "ERR wrong number of arguments for 'ping' command"


def test_quit_answers_and_closes(client: MemoryConnection) -> None:
    assert client.send(b"QUIT now\r\nPING\r\n") == b"+OK\r\n"
    assert client.closed


def test_each_connection_selects_for_itself(cache: MemoryCache, client: MemoryConnection) -> None:
    other = cache.connect()
    assert client.call("SELECT", 3) == b"OK"
    client.call("SET", "k", "three")
    assert other.call("GET", "k") is None
    other.call("SELECT", 3)
    assert other.call("GET", "k") == b"three"


@pytest.mark.parametrize(
    ("index", "error"),
    [
        ("abc", "ERR value is not an integer or out of range"),
        (
            2**31,
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ),
        (16, "ERR DB index is out of range"),
        (-1, "ERR DB index is out of range"),
    ],
)
def test_a_database_that_is_not_there_is_refused(client: MemoryConnection, index: Any, error: str) -> None:
    client.call("SELECT", 2)
    client.call("SET", "k", "v")
    assert refusal(client, "SELECT", index) == error
    assert client.call("GET", "k") == b"v"


def test_hello_tells_who_is_there(client: MemoryConnection) -> None:
    assert client.send(b"HELLO\r\n").startswith(
        b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n"
    )
    reply = client.call("HELLO", 3)
    assert reply == {
        b"server": b"redis",
        b"version": b"7.0.15",
        b"proto": 3,
        b"id": client.call("CLIENT", "ID"),
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


def test_hello_changes_the_protocol_from_its_own_reply_on(client: MemoryConnection) -> None:
    assert client.send(b"GET nope\r\n") == b"$-1\r\n"
    assert client.send(b"HELLO 3\r\n").startswith(b"%7\r\n")
    assert client.send(b"GET nope\r\n") == b"_\r\n"
    assert client.send(b"HELLO 2\r\n").startswith(b"*14\r\n")
    assert client.send(b"HGETALL nope\r\n") == b"*0\r\n"


def test_hello_names_the_connection(client: MemoryConnection) -> None:
    client.call("HELLO", 3, "SETNAME", "me", "AUTH", "default", "any")
    assert client.call("CLIENT", "GETNAME") == b"me"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("4",), "NOPROTO unsupported protocol version"),
        (("abc",), "ERR Protocol version is not an integer or out of range"),
        (("3", "AUTH", "default"), "ERR Syntax error in HELLO option 'AUTH'"),
        (("3", "SETNAME"), "ERR Syntax error in HELLO option 'SETNAME'"),
        (("3", "foo"), "ERR Syntax error in HELLO option 'foo'"),
        (
            ("3", "SETNAME", "a b"),
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ),
        (("3", "AUTH", "nobody", "x"), WRONGPASS),
    ],
)
def test_a_hello_that_is_refused_changes_nothing(client: MemoryConnection, words: Any, error: str) -> None:
    assert refusal(client, "HELLO", *words) == error
    assert client.call("CLIENT", "GETNAME") is None
    assert client.send(b"GET nope\r\n") == b"$-1\r\n"


def test_what_stands_before_a_wrong_option_of_hello_holds(client: MemoryConnection) -> None:
    assert refusal(client, "HELLO", "3", "SETNAME", "me", "AUTH", "nobody", "x") == WRONGPASS
    assert client.call("CLIENT", "GETNAME") == b"me"
    assert client.send(b"GET nope\r\n") == b"$-1\r\n"


def test_reset_forgets_all_that_was_selected_told_and_given(cache: MemoryCache, client: MemoryConnection) -> None:
    client.call("HELLO", 3, "SETNAME", "me")
    client.call("SELECT", 5)
    assert client.send(b"RESET\r\n") == b"+RESET\r\n"
    client.call("SET", "k", "v")
    assert cache.call("GET", "k") == b"v"
    assert client.call("CLIENT", "GETNAME") is None
    assert client.send(b"GET nope\r\n") == b"$-1\r\n"


class TestPassword:
    @pytest.mark.parametrize("words", [("GET", "k"), ("PING",), ("CLIENT", "ID"), ("COMMAND",), ("INFO",)])
    def test_without_the_password_nothing_is_served(self, guarded: MemoryCache, words: tuple[str, ...]) -> None:
        client = guarded.connect()
        assert refusal(client, *words) == NOAUTH
        assert client.call("AUTH", "geheim") == b"OK"
        assert client.call(*words) is None or client.call(*words)

    def test_what_is_wrong_with_a_request_is_told_before_the_password_is_asked_for(self, guarded: MemoryCache) -> None:
        client = guarded.connect()
        assert refusal(client, "GET") == "ERR wrong number of arguments for 'get' command"
        assert refusal(client, "NOPE").startswith("ERR unknown command 'NOPE'")

    @pytest.mark.parametrize("login", [("geheim",), ("default", "geheim")])
    def test_the_password_opens_with_and_without_the_name_of_the_user(self, guarded: MemoryCache, login: Any) -> None:
        client = guarded.connect()
        assert client.call("AUTH", *login) == b"OK"
        assert client.call("SET", "k", "v") == b"OK"

    @pytest.mark.parametrize("login", [("wrong",), ("",), ("default", "wrong"), ("nobody", "geheim"), ("geheim2",)])
    def test_a_wrong_password_opens_nothing(self, guarded: MemoryCache, login: Any) -> None:
        client = guarded.connect()
        assert refusal(client, "AUTH", *login) == WRONGPASS
        assert refusal(client, "GET", "k") == NOAUTH

    def test_a_wrong_password_does_not_end_what_the_right_one_began(self, guarded: MemoryCache) -> None:
        client = guarded.connect()
        client.call("AUTH", "geheim")
        assert refusal(client, "AUTH", "wrong") == WRONGPASS
        assert client.call("PING") == b"PONG"

    def test_hello_asks_for_the_password(self, guarded: MemoryCache) -> None:
        client = guarded.connect()
        assert refusal(client, "HELLO", 3).startswith(
            "NOAUTH HELLO must be called with the client already authenticated"
        )
        assert refusal(client, "HELLO", 3, "AUTH", "default", "wrong") == WRONGPASS
        assert client.call("HELLO", 3, "AUTH", "default", "geheim")[b"proto"] == 3
        assert client.call("PING") == b"PONG"

    def test_reset_asks_for_the_password_again(self, guarded: MemoryCache) -> None:
        client = guarded.connect()
        assert client.call("RESET") == b"RESET"
        client.call("AUTH", "geheim")
        client.call("RESET")
        assert refusal(client, "PING") == NOAUTH

    def test_quit_needs_no_password(self, guarded: MemoryCache) -> None:
        client = guarded.connect()
        assert client.call("QUIT") == b"OK"
        assert client.closed

    def test_calls_in_process_need_no_password_even_after_a_reset(self, guarded: MemoryCache) -> None:
        assert guarded.call("SET", "k", "v") == b"OK"
        with guarded.session() as session:
            session.call("RESET")
            assert session.call("GET", "k") == b"v"

    def test_a_password_may_hold_any_bytes(self, cache: MemoryCache) -> None:
        cache.call("CONFIG", "SET", "requirepass", b"\xff\x00 \xc3\xa4")
        client = cache.connect()
        assert refusal(client, "AUTH", "other") == WRONGPASS
        assert client.call("AUTH", b"\xff\x00 \xc3\xa4") == b"OK"
        assert client.call("CONFIG", "GET", "requirepass") == [b"requirepass", b"\xff\x00 \xc3\xa4"]

    def test_a_password_set_later_is_asked_of_new_connections_only(self, cache: MemoryCache) -> None:
        before = cache.connect()
        cache.call("CONFIG", "SET", "requirepass", "geheim")
        after = cache.connect()
        assert before.call("PING") == b"PONG"
        assert refusal(after, "PING") == NOAUTH
        cache.call("CONFIG", "SET", "requirepass", "")
        assert after.call("PING") == b"PONG"

    def test_without_a_password_auth_is_refused_but_for_the_user_who_needs_none(self, client: MemoryConnection) -> None:
        assert refusal(client, "AUTH", "x").startswith("ERR AUTH <password> called without any password configured")
        assert client.call("AUTH", "default", "x") == b"OK"
        assert refusal(client, "AUTH", "nobody", "x") == WRONGPASS
        assert refusal(client, "AUTH", "a", "b", "c") == "ERR syntax error"
