"""CLIENT: names, lists and ends the connections."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.faces.resp_connection import CONNECTION_SIZE
from twisted_kv.testing import Clock, MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError


def refusal(client: Any, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        client.call(*words)
    return str(caught.value)


def fields_of(line: bytes) -> dict[str, str]:
    return dict(field.split("=", 1) for field in line.decode("latin-1").rstrip("\n").split(" "))  # type: ignore[misc]


def listed(client: Any, *words: Any) -> list[dict[str, str]]:
    return [fields_of(line) for line in client.call("CLIENT", "LIST", *words).splitlines()]


@pytest.fixture
def client(cache: MemoryCache) -> MemoryConnection:
    return cache.connect()


def test_each_connection_has_a_number_of_its_own(cache: MemoryCache, client: MemoryConnection) -> None:
    other = cache.connect()
    first = client.call("CLIENT", "ID")
    assert client.call("CLIENT", "ID") == first
    assert other.call("CLIENT", "ID") > first


def test_a_connection_is_named(client: MemoryConnection) -> None:
    assert client.call("CLIENT", "GETNAME") is None
    assert client.call("CLIENT", "SETNAME", "me") == b"OK"
    assert client.call("CLIENT", "GETNAME") == b"me"
    assert client.call("CLIENT", "SETNAME", "") == b"OK"
    assert client.call("CLIENT", "GETNAME") is None


@pytest.mark.parametrize("name", [b"a b", b"a\nb", b"\x7f", b"\xff", b"\0"])
def test_a_name_that_would_spoil_the_list_is_refused(client: MemoryConnection, name: bytes) -> None:
    client.call("CLIENT", "SETNAME", "me")
    error = "cannot contain spaces, newlines or special characters."
    assert refusal(client, "CLIENT", "SETNAME", name) == f"ERR Client names {error}"
    assert refusal(client, "CLIENT", "SETINFO", "LIB-NAME", name) == f"ERR lib-name {error}"
    assert refusal(client, "CLIENT", "SETINFO", "lib-ver", name) == f"ERR lib-ver {error}"
    assert client.call("CLIENT", "GETNAME") == b"me"


def test_a_library_tells_its_name_and_version(client: MemoryConnection) -> None:
    assert client.call("CLIENT", "SETINFO", "lib-name", "redis-py") == b"OK"
    assert client.call("CLIENT", "SETINFO", "LIB-VER", "5.0") == b"OK"
    told = fields_of(client.call("CLIENT", "INFO"))
    assert (told["lib-name"], told["lib-ver"]) == ("redis-py", "5.0")
    assert refusal(client, "CLIENT", "SETINFO", "foo", "x") == "ERR Unrecognized option 'foo'"


def test_what_is_known_of_a_connection_is_told(cache: MemoryCache, clock: Clock, client: MemoryConnection) -> None:
    client.call("HELLO", 3, "SETNAME", "me")
    client.call("SELECT", 4)
    clock.advance(5)
    client.call("PING")
    clock.advance(2.5)
    (told,) = listed(cache)
    assert told["id"] == str(client.call("CLIENT", "ID"))
    assert told["addr"] == "127.0.0.1:50000"
    assert told["laddr"] == "127.0.0.1:6379"
    assert (told["name"], told["db"], told["resp"], told["user"]) == ("me", "4", "3", "default")
    assert (told["age"], told["idle"], told["cmd"]) == ("7", "2", "ping")


def test_a_connection_that_asked_nothing_yet_has_no_command(cache: MemoryCache, client: MemoryConnection) -> None:
    (told,) = listed(cache)
    assert told["cmd"] == "NULL"
    client.call("CLIENT", "GETNAME")
    assert listed(cache)[0]["cmd"] == "client|getname"


def test_bytes_that_wait_are_told(cache: MemoryCache, client: MemoryConnection) -> None:
    client.send(b"*2\r\n$4\r\nPING\r\n$100\r\nabc")
    (told,) = listed(cache)
    assert int(told["qbuf"]) > 0
    assert int(told["tot-mem"]) == CONNECTION_SIZE + int(told["qbuf"])
    assert told["omem"] == "0"


def test_the_list_is_text_for_people(client: MemoryConnection) -> None:
    client.call("HELLO", 3)
    assert client.send(b"CLIENT LIST\r\n").startswith(b"=")
    assert client.send(b"CLIENT INFO\r\n").startswith(b"=")


def test_a_conversation_in_process_is_told_and_not_listed(cache: MemoryCache) -> None:
    told = fields_of(cache.call("CLIENT", "INFO"))
    assert (told["addr"], told["fd"]) == ("", "-1")
    assert listed(cache) == []


def test_the_list_can_be_narrowed(cache: MemoryCache) -> None:
    numbers = [cache.connect().call("CLIENT", "ID") for _ in range(3)]
    assert [int(each["id"]) for each in listed(cache)] == numbers
    assert [int(each["id"]) for each in listed(cache, "ID", numbers[2], 999, numbers[0])] == [numbers[2], numbers[0]]
    assert len(listed(cache, "TYPE", "normal")) == 3
    assert listed(cache, "type", "PUBSUB") == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("LIST", "ID"), "ERR syntax error"),
        (("LIST", "TYPE"), "ERR syntax error"),
        (("LIST", "TYPE", "normal", "x"), "ERR syntax error"),
        (("LIST", "FOO", "x"), "ERR syntax error"),
        (("LIST", "ID", "abc"), "ERR Invalid client ID"),
        (("LIST", "TYPE", "foo"), "ERR Unknown client type 'foo'"),
        (("KILL", "1.2.3.4:5"), "ERR No such client"),
        (("KILL", "ID", "0"), "ERR client-id should be greater than 0"),
        (("KILL", "ID", "abc"), "ERR client-id should be greater than 0"),
        (("KILL", "TYPE", "foo"), "ERR Unknown client type 'foo'"),
        (("KILL", "USER", "nobody"), "ERR No such user 'nobody'"),
        (("KILL", "FOO", "x"), "ERR syntax error"),
        (("KILL", "SKIPME", "maybe"), "ERR syntax error"),
        (("KILL", "ID", "1", "TYPE"), "ERR syntax error"),
        (("KILL",), "ERR wrong number of arguments for 'client|kill' command"),
        (("NOPE",), "ERR unknown subcommand 'NOPE'. Try CLIENT HELP."),
    ],
)
def test_what_cannot_be_done_is_refused_in_redis_words(
    client: MemoryConnection, words: tuple[str, ...], error: str
) -> None:
    assert refusal(client, "CLIENT", *words) == error
    assert not client.closed


class TestKill:
    def test_another_is_ended_by_its_address(self, cache: MemoryCache, client: MemoryConnection) -> None:
        other = cache.connect()
        address = listed(client, "ID", other.call("CLIENT", "ID"))[0]["addr"]
        assert client.call("CLIENT", "KILL", address) == b"OK"
        assert other.closed
        assert not client.closed
        assert len(listed(cache)) == 1

    def test_oneself_is_ended_after_the_reply(self, cache: MemoryCache, client: MemoryConnection) -> None:
        address = fields_of(client.call("CLIENT", "INFO"))["addr"]
        assert client.call("CLIENT", "KILL", address) == b"OK"
        assert client.closed
        assert listed(cache) == []

    def test_oneself_is_spared_by_filters_unless_told_otherwise(
        self, cache: MemoryCache, client: MemoryConnection
    ) -> None:
        number = client.call("CLIENT", "ID")
        assert client.call("CLIENT", "KILL", "ID", number) == 0
        assert client.call("CLIENT", "KILL", "ID", number, "SKIPME", "yes") == 0
        assert not client.closed
        assert client.call("CLIENT", "KILL", "ID", number, "SKIPME", "NO") == 1
        assert client.closed

    def test_filters_must_all_fit(self, cache: MemoryCache, client: MemoryConnection) -> None:
        other = cache.connect()
        number = other.call("CLIENT", "ID")
        assert client.call("CLIENT", "KILL", "ID", number, "ADDR", "1.2.3.4:5") == 0
        assert client.call("CLIENT", "KILL", "ID", number, "TYPE", "pubsub") == 0
        assert client.call("CLIENT", "KILL", "LADDR", "1.2.3.4:5") == 0
        assert not other.closed
        assert client.call("CLIENT", "KILL", "ID", number, "LADDR", "127.0.0.1:6379", "USER", "default") == 1
        assert other.closed

    def test_of_a_filter_that_is_given_twice_the_last_holds(self, cache: MemoryCache, client: MemoryConnection) -> None:
        other = cache.connect()
        assert client.call("CLIENT", "KILL", "ID", 999, "ID", other.call("CLIENT", "ID")) == 1
        assert other.closed

    @pytest.mark.parametrize(
        ("words", "spared"), [(("no", "no"), False), (("no", "yes"), True), (("yes", "no"), False)]
    )
    def test_skipme_may_be_given_twice(self, client: MemoryConnection, words: tuple[str, str], spared: bool) -> None:
        number = client.call("CLIENT", "ID")
        killed = client.call("CLIENT", "KILL", "SKIPME", words[0], "SKIPME", words[1], "ID", number)
        assert killed == int(not spared)
        assert client.closed is not spared

    def test_all_others_are_ended_by_type(self, cache: MemoryCache, client: MemoryConnection) -> None:
        others = [cache.connect() for _ in range(3)]
        assert client.call("CLIENT", "KILL", "TYPE", "normal") == 3
        assert all(other.closed for other in others)
        assert client.call("PING") == b"PONG"

    def test_a_call_in_process_can_end_all_and_lives_on(self, cache: MemoryCache, client: MemoryConnection) -> None:
        assert cache.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no") == 1
        assert client.closed
        assert cache.call("PING") == b"PONG"

    def test_what_the_killed_one_sent_before_is_answered_and_nothing_after(
        self, cache: MemoryCache, client: MemoryConnection
    ) -> None:
        address = fields_of(client.call("CLIENT", "INFO"))["addr"]
        answer = client.send(b"SET a 1\r\nCLIENT KILL %s\r\nSET b 2\r\n" % address.encode())
        assert answer == b"+OK\r\n+OK\r\n"
        assert cache.call("KEYS", "*") == [b"a"]
