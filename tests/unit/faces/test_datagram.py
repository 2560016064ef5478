"""The face for datagrams, over a fake socket and on a fake clock: what each dialect answers, and bad input."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.faces.datagram import DATAGRAMS_A_TURN, READ_SIZE, CacheDatagramProtocol
from twisted_kv.testing import Clock, DatagramTransport, MemoryCache, MemoryDatagrams
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.dialects import DIALECTS, MAX_DATAGRAM
from twisted_kv.wire.encoder import encode_request

FOREIGN = ("10.9.8.7", 4000)


def resp(*requests: list[bytes]) -> bytes:
    """Whole RESP requests as one datagram."""
    return b"".join(map(encode_request, requests))


def statistics(cache: MemoryCache) -> dict[str, str]:
    """The fields of INFO stats."""
    lines = cache.call("INFO", "stats").decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


# The equals dialect


@pytest.mark.parametrize("dialect", [None, "auto", "equals"])
@pytest.mark.parametrize(
    ("sent", "key", "value"),
    [
        (b"foo=bar", b"foo", b"bar"),
        (b"foo=bar=baz", b"foo", b"bar=baz"),
        (b"foo===", b"foo", b"=="),
        (b"foo=", b"foo", b""),
        (b"=bar", b"", b"bar"),
        (b"=", b"", b""),
        (b"foo=bar\n", b"foo", b"bar"),
        (b"foo=bar\r\n", b"foo", b"bar"),
        (b"foo=bar\n\n", b"foo", b"bar\n"),
        (b"foo=bar\r", b"foo", b"bar\r"),
        (b" a key = a value ", b" a key ", b" a value "),
        (b"\xff\0\xfe=\x80\0\r\n\x81", b"\xff\0\xfe", b"\x80\0\r\n\x81"),
        (b"GETX=1", b"GETX", b"1"),
        (b"SET=1", b"SET", b"1"),
        (b"*=1", b"*", b"1"),
    ],
)
def test_a_set_is_done_in_silence_and_read_back(
    cache: MemoryCache, dialect: str | None, sent: bytes, key: bytes, value: bytes
) -> None:
    face = cache.datagrams(dialect)
    assert face.send(sent) is None
    assert cache.call("GET", key) == value
    assert cache.datagrams("equals").send(key) == key + b"=" + value


@pytest.mark.parametrize("sent", [b"nope", b"nope\n", b"nope\r\n", b"", b"\n", b"\r\n"])
def test_a_key_that_is_not_there_is_said_to_be_so(cache: MemoryCache, sent: bytes) -> None:
    assert cache.datagrams().send(sent) == b"keyDoesNotExists"


@pytest.mark.parametrize("sent", [b"", b"\n", b"\r\n"])
def test_an_empty_request_retrieves_the_empty_key(cache: MemoryCache, sent: bytes) -> None:
    cache.call("SET", "", "bar")
    assert cache.datagrams().send(sent) == b"=bar"


def test_an_older_value_and_its_ttl_are_replaced(cache: MemoryCache, clock: Clock) -> None:
    cache.call("SET", "foo", "old", "PX", 100)
    face = cache.datagrams()
    face.send(b"foo=new")
    assert cache.call("PTTL", "foo") == -1
    clock.advance(1)
    assert face.send(b"foo") == b"foo=new"


def test_retrieving_what_is_no_string_is_an_error_without_a_line_ending(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "f", "v")
    answer = cache.datagrams().send(b"h")
    assert answer == b"(error) WRONGTYPE Operation against a key holding the wrong kind of value"


def test_a_set_replaces_a_key_of_another_type(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "f", "v")
    assert cache.datagrams().send(b"h=1") is None
    assert cache.call("GET", "h") == b"1"


def test_a_set_that_is_refused_is_silent_and_counted(cache: MemoryCache, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = cache.service.dispatcher.server.commands.entry_of([b"SET"])
    monkeypatch.setattr(entry, "function", refuse)
    assert cache.datagrams().send(b"foo=bar") is None
    assert statistics(cache)["refused_datagram_sets"] == "1"
    assert cache.call("EXISTS", "foo") == 0


def refuse(*ignored: object) -> None:
    """Fail as a command that finds no memory does."""
    raise CommandError("command not allowed when used memory > 'maxmemory'.", "OOM")


@pytest.mark.parametrize("sent", [b"foo=bar\n", b"foo=bar\r\n"])
def test_a_binary_face_takes_a_line_ending_as_data(cache: MemoryCache, sent: bytes) -> None:
    face = cache.datagrams("equals", binary=True)
    assert face.send(sent) is None
    assert cache.call("GET", "foo") == sent[4:]
    assert face.send(b"foo\n") == b"keyDoesNotExists"
    assert face.send(b"foo") == sent


@pytest.mark.parametrize("word", [b"PING", b"GET foo", b"SET a b", b"*1\r\n$4\r\nPING\r\n"])
def test_pinned_to_equals_nothing_is_a_special_word(cache: MemoryCache, word: bytes) -> None:
    face = cache.datagrams("equals", binary=True)
    assert face.send(word) == b"keyDoesNotExists"
    assert face.send(word + b"=1") is None
    assert face.send(word) == word + b"=1"


# The command dialect


@pytest.mark.parametrize("dialect", [None, "auto", "command"])
@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"PING", b"PONG\n"),
        (b"ping", b"PONG\n"),
        (b"PiNg hello", b"hello\n"),
        (b"GET nope", b"(nil)\n"),
        (b"SET", b"(error) ERR wrong number of arguments for 'SET' command\n"),
        (b"SET KEYVAL", b"(error) ERR wrong number of arguments for 'SET' command\n"),
        (b"GET", b"(error) ERR wrong number of arguments for 'GET' command\n"),
        (b"get a b", b"(error) ERR wrong number of arguments for 'GET' command\n"),
        (b"SET foo bar PX abc", b"(error) ERR value is not an integer or out of range\n"),
        (b"SET foo bar PX 0", b"(error) ERR invalid expire time in 'set' command\n"),
        (b'SET foo "bar', b"(error) ERR Protocol error: unbalanced quotes in request\n"),
        (b"GET 'a'b", b"(error) ERR Protocol error: unbalanced quotes in request\n"),
    ],
)
def test_a_command_is_answered_with_a_line(
    cache: MemoryCache, dialect: str | None, ending: bytes, sent: bytes, answer: bytes
) -> None:
    assert cache.datagrams(dialect).send(sent + ending) == answer


@pytest.mark.parametrize(
    ("sent", "key", "value"),
    [
        (b"SET Foo Bar", b"Foo", b"Bar"),
        (b"SET foo bar baz", b"foo", b"bar baz"),
        (b"SET note remember to get", b"note", b"remember to get"),
        (b"set\tfoo   bar    baz", b"foo", b"bar baz"),
        (b'SET foo "a b\\n"', b"foo", b"a b\n"),
        (b"SET 'a key' 'a  b'", b"a key", b"a  b"),
        (b'SET foo "\\xff\\x00"', b"foo", b"\xff\0"),
        (b"SET foo px 100", b"foo", b"px 100"),
        (b"SET foo a=b", b"foo", b"a=b"),
        (b"SET foo bar nx", b"foo", b"bar nx"),
    ],
)
def test_a_value_may_have_many_words(cache: MemoryCache, sent: bytes, key: bytes, value: bytes) -> None:
    face = cache.datagrams()
    assert face.send(sent) == b"OK\n"
    assert cache.call("GET", key) == value
    assert cache.call("PTTL", key) == -1


def test_a_time_to_live_at_the_end_is_no_part_of_the_value(cache: MemoryCache, clock: Clock) -> None:
    face = cache.datagrams()
    assert face.send(b"SET foo bar baz px 10000") == b"OK\n"
    clock.advance(9.999)
    assert face.send(b"GET foo") == b"bar baz\n"
    clock.advance(0.001)
    assert face.send(b"GET foo") == b"(nil)\n"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"FLY away", b"(error) ERR unknown command 'FLY', with args beginning with: 'away' \n"),
        (b"INCR n", b"(integer) 1\n"),
        (b"KEYS *", b"(empty array)\n"),
        (b"MGET a b", b"1) (nil)\n2) (nil)\n"),
        (b"EXISTS", b"(error) ERR wrong number of arguments for 'EXISTS' command\n"),
        (b"CONFIG GET", b"(error) ERR wrong number of arguments for 'CONFIG|GET' command\n"),
        (b"CONFIG GET port", b'1) "port"\n2) "6379"\n'),
        (b"TYPE a", b"none\n"),
        (b"ECHO 'a b'", b"a b\n"),
        (b"GET h", b"(error) WRONGTYPE Operation against a key holding the wrong kind of value\n"),
    ],
)
def test_every_command_works_when_the_dialect_is_pinned(cache: MemoryCache, sent: bytes, answer: bytes) -> None:
    cache.call("HSET", "other", "f", "v")
    cache.call("RENAME", "other", "h") if b"GET h" in sent else cache.call("DEL", "other")
    assert cache.datagrams("command").send(sent) == answer


@pytest.mark.parametrize("sent", [b"AUTH x", b"SELECT 1", b"CLIENT ID", b"QUIT", b"HELLO 3", b"SHUTDOWN", b"RESET"])
def test_what_needs_a_connection_says_so(cache: MemoryCache, sent: bytes) -> None:
    answer = cache.datagrams("command").send(sent)
    assert answer is not None
    assert answer.startswith(b"(error) ERR ")
    assert answer.endswith(b" needs a connection\n")


@pytest.mark.parametrize("sent", [b"", b"\n", b"\r\n", b"   ", b" \t \n"])
def test_an_empty_command_gets_silence(cache: MemoryCache, sent: bytes) -> None:
    assert cache.datagrams("command").send(sent) is None


# The resp dialect


@pytest.mark.parametrize("dialect", [None, "resp"])
@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (resp([b"PING"]), b"+PONG\r\n"),
        (resp([b"SET", b"k", b"a\r\nb"], [b"GET", b"k"]), b"+OK\r\n$4\r\na\r\nb\r\n"),
        (resp([b"GET", b"nope"], [b"INCR", b"n"]), b"$-1\r\n:1\r\n"),
        (resp([b"GET"]), b"-ERR wrong number of arguments for 'get' command\r\n"),
        (resp([b"SELECT", b"2"], [b"SET", b"k", b"v"], [b"DBSIZE"]), b"+OK\r\n+OK\r\n:1\r\n"),
        (resp([b"CLIENT", b"ID"]), b"-ERR CLIENT ID needs a connection\r\n"),
        (resp([b"QUIT"]), b"-ERR QUIT needs a connection\r\n"),
    ],
)
def test_resp_requests_are_answered_in_their_order(
    cache: MemoryCache, dialect: str | None, sent: bytes, answer: bytes
) -> None:
    assert cache.datagrams(dialect).send(sent) == answer


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"PING\r\n",
        b"*1\r\n$4\r\nPIN",
        b"*2\r\n$3\r\nGET\r\n",
        b"*x\r\n",
        b"*1\r\n:1\r\n",
        b"*0\r\n",
        resp([b"SET", b"k", b"v"]) + b"*1\r\n$4\r\nPI",
        resp([b"SET", b"k", b"v"]) + b"PING\r\n",
        b"*1\r\n$99999999\r\n",
    ],
)
def test_what_is_not_whole_resp_gets_silence_and_does_nothing(cache: MemoryCache, sent: bytes) -> None:
    assert cache.datagrams("resp").send(sent) is None
    assert cache.call("DBSIZE") == 0


def test_what_a_datagram_selects_holds_for_that_datagram_alone(cache: MemoryCache) -> None:
    face = cache.datagrams()
    assert face.send(resp([b"SELECT", b"5"], [b"SET", b"k", b"five"])) == b"+OK\r\n+OK\r\n"
    assert face.send(resp([b"GET", b"k"])) == b"$-1\r\n"
    assert face.send(resp([b"HELLO", b"3"], [b"GET", b"k"])).endswith(b"_\r\n")
    assert face.send(resp([b"GET", b"k"])) == b"$-1\r\n"


# The choice between them


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"PINGX", b"keyDoesNotExists"),
        (b"GETfoo", b"keyDoesNotExists"),
        (b" GET foo", b"keyDoesNotExists"),
        (b"DEL foo", b"keyDoesNotExists"),
        (b"*", b"keyDoesNotExists"),
        (b"*a", b"keyDoesNotExists"),
        (b"*1", None),
        (b"get foo=bar", b"(nil)\n"),
        (b"set foo=bar", b"(error) ERR wrong number of arguments for 'SET' command\n"),
        (b"Set=bar", None),
    ],
)
def test_how_a_datagram_begins_tells_its_dialect(cache: MemoryCache, sent: bytes, answer: bytes | None) -> None:
    assert cache.datagrams().send(sent) == answer


@pytest.mark.parametrize(
    ("name", "answer"), [("auto", b"PONG\n"), ("equals", b"keyDoesNotExists"), ("command", b"PONG\n"), ("resp", None)]
)
def test_the_setting_chooses_the_dialect(name: str, answer: bytes | None) -> None:
    cache = MemoryCache({"udp-dialect": name})
    assert cache.datagrams().send(b"PING") == answer
    cache.stop()


def test_all_faces_share_the_data(cache: MemoryCache) -> None:
    cache.datagrams().send(b"foo=bar")
    assert cache.connect().send(b"GET foo\r\n") == b"$3\r\nbar\r\n"
    assert cache.datagrams("resp").send(resp([b"GET", b"foo"])) == b"$3\r\nbar\r\n"
    assert cache.datagrams("command").send(b"GET foo") == b"bar\n"


# Sizes


@pytest.mark.parametrize(
    ("dialect", "asked", "around", "answer"),
    [
        ("equals", b"k", 2, b"(error) ERR reply is too large for a datagram"),
        ("command", b"GET k", 1, b"(error) ERR reply is too large for a datagram\n"),
        ("resp", resp([b"GET", b"k"]), 10, b"-ERR reply is too large for a datagram\r\n"),
    ],
)
def test_a_reply_that_does_not_fit_is_an_error_and_one_that_just_fits_is_whole(
    cache: MemoryCache, dialect: str, asked: bytes, around: int, answer: bytes
) -> None:
    face = cache.datagrams(dialect)
    cache.call("SET", "k", b"x" * (MAX_DATAGRAM - around))
    whole = face.send(asked)
    assert whole is not None
    assert len(whole) == MAX_DATAGRAM
    cache.call("APPEND", "k", "x")
    assert face.send(asked) == answer


def test_many_replies_that_do_not_fit_together_are_one_error_and_all_requests_are_run(cache: MemoryCache) -> None:
    cache.call("SET", "k", b"x" * 40_000)
    get = [b"GET", b"k"]
    sent = resp(get, get, [b"SET", b"after", b"1"], get)
    assert cache.datagrams().send(sent) == b"-ERR reply is too large for a datagram\r\n"
    assert cache.call("GET", "after") == b"1"


def test_the_largest_datagram_that_there_is_is_served(cache: MemoryCache) -> None:
    value = b"v" * (MAX_DATAGRAM - 2)
    assert cache.datagrams().send(b"k=" + value) is None
    assert cache.call("GET", "k") == value


@pytest.mark.parametrize(
    ("dialect", "sent", "answer"),
    [
        ("equals", b"key=", b"(error) ERR request is cut: it is longer than this server reads"),
        ("command", b"SET key ", b"(error) ERR request is cut: it is longer than this server reads\n"),
        ("resp", b"*1\r\n", b"-ERR request is cut: it is longer than this server reads\r\n"),
    ],
)
def test_a_request_that_the_kernel_cut_is_an_error(
    cache: MemoryCache, dialect: str, sent: bytes, answer: bytes
) -> None:
    chosen = DIALECTS[dialect]()
    face = MemoryDatagrams(cache.service, chosen, DatagramTransport(max_packet_size=8192))
    assert face.send(sent.ljust(8192, b"x")) == answer
    assert cache.call("DBSIZE") == 0
    assert face.send(sent.ljust(8191, b"x")) != answer


def test_more_is_read_than_any_datagram_holds() -> None:
    assert READ_SIZE > MAX_DATAGRAM


# Who is served


def test_a_peer_that_is_not_allowed_gets_silence_and_is_counted(cache: MemoryCache) -> None:
    face = cache.datagrams()
    for sent in (b"foo=bar", b"PING", resp([b"PING"]), b"", b'GET "'):
        assert face.send(sent, FOREIGN) is None
    assert cache.service.dispatcher.server.commands.entries() == []
    assert cache.call("DBSIZE") == 0
    counts = statistics(cache)
    assert counts["refused_datagrams"] == "5"
    assert counts["total_datagrams_received"] == "5"


@pytest.mark.parametrize(
    ("peer", "answer"),
    [
        (("10.9.8.7", 4000), b"PONG\n"),
        (("::ffff:10.9.8.7", 4000), b"PONG\n"),
        (("127.0.0.1", 4000), b"PONG\n"),
        (("::1", 4000, 0, 0), b"PONG\n"),
        (("2001:db8::1", 4000, 0, 0), b"PONG\n"),
        (("10.10.0.1", 4000), None),
        (("192.0.2.1", 4000), None),
        (("no address", 4000), None),
    ],
)
def test_the_allowed_networks_and_this_machine_are_served(peer: tuple[str, int], answer: bytes | None) -> None:
    cache = MemoryCache({"udp-allow": "10.9.0.0/16 2001:db8::/32"})
    assert cache.datagrams().send(b"PING", peer) == answer
    cache.stop()


@pytest.mark.parametrize(
    "sent",
    [
        b"foo=bar",
        b"foo",
        b"PING",
        b"GET foo",
        b"AUTH secret",
        b'GET "',
        resp([b"PING"]),
        resp([b"AUTH"]),
        resp([b"AUTH", b"wrong"]),
        resp([b"AUTH", b"wrong"], [b"AUTH", b"secret"]),
        resp([b"AUTH", b"nobody", b"secret"]),
        resp([b"PING"], [b"AUTH", b"secret"]),
        resp([b"HELLO", b"3", b"AUTH", b"default", b"secret"]),
    ],
)
def test_with_a_password_all_but_a_right_auth_gets_silence_and_is_counted(sent: bytes) -> None:
    cache = MemoryCache({"requirepass": "secret"})
    cache.call("SET", "foo", "kept")
    assert cache.datagrams().send(sent) is None
    assert cache.call("GET", "foo") == b"kept"
    assert statistics(cache)["refused_datagrams"] == "1"
    cache.stop()


def test_with_a_password_a_cut_datagram_gets_silence_too() -> None:
    cache = MemoryCache({"requirepass": "secret"})
    face = MemoryDatagrams(cache.service, None, DatagramTransport(max_packet_size=100))
    assert face.send(b"x" * 100) is None
    cache.stop()


def test_nothing_behind_a_wrong_auth_is_run() -> None:
    cache = MemoryCache({"requirepass": "secret"})
    cache.datagrams().send(resp([b"AUTH", b"wrong"], [b"SET", b"k", b"v"]))
    assert cache.call("EXISTS", "k") == 0
    cache.stop()


@pytest.mark.parametrize("login", [[b"AUTH", b"secret"], [b"auth", b"default", b"secret"]])
def test_with_a_password_a_datagram_that_begins_with_it_is_served(login: list[bytes]) -> None:
    cache = MemoryCache({"requirepass": "secret"})
    face = cache.datagrams()
    assert face.send(resp(login, [b"SET", b"k", b"v"], [b"GET", b"k"])) == b"+OK\r\n+OK\r\n$1\r\nv\r\n"
    assert face.send(resp([b"GET", b"k"])) is None
    cache.stop()


def test_a_password_that_is_set_later_holds_for_the_next_datagram(cache: MemoryCache) -> None:
    face = cache.datagrams()
    face.send(b"foo=bar")
    cache.call("CONFIG", "SET", "requirepass", "secret")
    assert face.send(b"foo") is None
    assert face.send(resp([b"GET", b"foo"])) is None
    cache.call("CONFIG", "SET", "requirepass", "")
    assert face.send(b"foo") == b"foo=bar"


# The network


def test_a_reply_that_cannot_be_sent_does_not_stop_the_listener(cache: MemoryCache) -> None:
    face = cache.datagrams()
    face.transport.refuses = True
    assert face.send(b"PING") is None
    face.protocol.connectionRefused()
    face.transport.refuses = False
    assert face.send(b"PING") == b"PONG\n"


def test_a_system_that_carries_less_gets_the_error_of_a_reply_too_large(cache: MemoryCache) -> None:
    face = cache.datagrams()
    face.transport.capacity = 9216
    cache.call("SET", "foo", b"x" * 10_000)
    assert face.send(b"foo") == b"(error) ERR reply is too large for a datagram"
    assert face.send(b"STRLEN foo") == b"keyDoesNotExists"


def test_a_datagram_that_comes_twice_breaks_nothing(cache: MemoryCache) -> None:
    face = cache.datagrams()
    for _ in range(2):
        assert face.send(b"foo=bar") is None
        assert face.send(b"foo") == b"foo=bar"


def test_datagrams_and_bytes_are_counted(cache: MemoryCache) -> None:
    before = statistics(cache)
    cache.datagrams().send(b"PING")
    after = statistics(cache)
    changes = {name: int(after[name]) - int(before[name]) for name in after if after[name] != before[name]}
    assert changes["total_datagrams_received"] == 1
    assert changes["total_net_input_bytes"] == 4
    assert changes["total_net_output_bytes"] == 5


def test_the_protocol_needs_nothing_but_a_dispatcher() -> None:
    protocol = CacheDatagramProtocol(Dispatcher(clock=Clock()))
    transport = DatagramTransport()
    protocol.makeConnection(transport)
    protocol.datagramReceived(b"foo=bar", ("127.0.0.1", 1))
    protocol.datagramReceived(b"foo", ("127.0.0.1", 2))
    assert transport.sent == [(b"foo=bar", ("127.0.0.1", 2))]


def test_a_transport_that_does_not_say_how_much_it_reads_is_taken_to_read_all() -> None:
    class Bare:
        def write(self, datagram: bytes, peer: object) -> None:
            assert datagram == b"PONG\n"

    dispatcher = Dispatcher(clock=Clock())
    protocol = CacheDatagramProtocol(dispatcher)
    protocol.makeConnection(Bare())
    protocol.datagramReceived(b"PING", ("127.0.0.1", 1))
    assert dispatcher.statistics.bytes_sent == 5


def test_a_reply_of_many_large_values_is_told_without_being_made(cache: MemoryCache) -> None:
    cache.call("SET", "big", b"x" * 1_000_000)
    face = cache.datagrams()
    assert face.send(resp([b"MGET", *[b"big"] * 3000])) == b"-ERR reply is too large for a datagram\r\n"
    assert face.send(resp([b"GET", b"big"], [b"SET", b"k", b"v"])) == b"-ERR reply is too large for a datagram\r\n"
    assert cache.call("GET", "k") == b"v"


def test_what_only_reads_is_not_run_when_the_reply_is_too_large_already(cache: MemoryCache) -> None:
    cache.call("HSET", "h", *[b"x" * 1000 for _ in range(2)], *[word for n in range(100) for word in (n, b"v" * 1000)])
    answer = cache.datagrams().send(resp(*[[b"HGETALL", b"h"]] * 50, [b"SET", b"k", b"v"], [b"COMMAND"]))
    assert answer == b"-ERR reply is too large for a datagram\r\n"
    assert cache.call("GET", "k") == b"v"
    assert b"cmdstat_hgetall:calls=1," in cache.call("INFO", "commandstats")


def test_after_some_datagrams_the_reactor_has_its_turn(cache: MemoryCache) -> None:
    face = cache.datagrams()
    transport: Any = face.transport
    transport.maxThroughput = 1000
    for _ in range(DATAGRAMS_A_TURN - 1):
        face.send(b"PING")
    assert transport.maxThroughput == 1000
    face.send(b"PING")
    assert transport.maxThroughput == 0
    cache.clock.advance(0)
    assert transport.maxThroughput == 1000
    for _ in range(DATAGRAMS_A_TURN):
        face.send(b"PING")
    face.protocol.stopProtocol()


@pytest.mark.parametrize("request_", [b"CONFIG SET timeout 1", b"CLIENT KILL ID 1", b"SHUTDOWN"])
def test_what_a_forged_sender_must_not_do_needs_a_connection(cache: MemoryCache, request_: bytes) -> None:
    answer = cache.datagrams("command").send(request_)
    assert answer is not None
    assert answer.endswith(b"needs a connection\n")


def test_what_the_rest_of_a_datagram_works_on_holds_when_the_reply_is_too_large(cache: MemoryCache) -> None:
    cache.call("SET", "big", b"x" * 100_000)
    too_large = b"-ERR reply is too large for a datagram\r\n"
    sent = resp([b"GET", b"big"], [b"NOPE"], [b"SELECT", b"1"], [b"SET", b"k", b"v"], [b"CONFIG", b"RESETSTAT"])
    assert cache.datagrams().send(sent) == too_large
    assert cache.call("EXISTS", "k") == 0
    with cache.session() as other:
        other.call("SELECT", 1)
        assert other.call("GET", "k") == b"v"
    assert b"keyspace_hits:1\r\n" in cache.call("INFO", "stats")
