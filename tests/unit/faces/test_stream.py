"""The face for Redis clients, over fake transports and on a fake clock."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv6Address, UNIXAddress
from twisted.internet.defer import ensureDeferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ITCPTransport
from zope.interface import directlyProvides

from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.faces.connections import RespFactory
from twisted_kv.sessions.outbox import CHUNK
from twisted_kv.testing import Clock, MemoryCache, MemoryConnection, StreamTransport
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Push, Status
from twisted_kv.wire.encoder import encode_request

GET_BIG = encode_request([b"GET", b"big"])


def statistics(cache: MemoryCache) -> dict[str, str]:
    """The fields of INFO stats."""
    lines = cache.call("INFO", "stats").decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


# Requests and replies


def test_a_request_is_answered(cache: MemoryCache) -> None:
    assert cache.connect().send(b"*1\r\n$4\r\nPING\r\n") == b"+PONG\r\n"


def test_pipelined_requests_are_answered_in_their_order(cache: MemoryCache) -> None:
    sent = b"".join(encode_request(words) for words in ([b"SET", b"a", b"1"], [b"GET", b"a"], [b"INCR", b"a"]))
    assert cache.connect().send(sent) == b"+OK\r\n$1\r\n1\r\n:2\r\n"


def test_a_client_that_sends_one_byte_at_a_time_is_served(cache: MemoryCache) -> None:
    client = cache.connect()
    sent = encode_request([b"SET", b"k", b"a\r\nb\0c"]) + b"GET k\r\n" + encode_request([b"GET", b"k"])
    answers = b"".join(client.send(sent[at : at + 1]) for at in range(len(sent)))
    assert answers == b"+OK\r\n" + b"$6\r\na\r\nb\0c\r\n" * 2


@pytest.mark.parametrize("line", [b"PING\n", b"PING\r\n", b"  ping  \r\n", b"\r\n\nPING\r\n", b'"PING"\r\n'])
def test_inline_requests_are_answered(cache: MemoryCache, line: bytes) -> None:
    assert cache.connect().send(line) == b"+PONG\r\n"


def test_hello_3_turns_the_replies_of_this_connection_alone(cache: MemoryCache) -> None:
    new, old = cache.connect(), cache.connect()
    new.call("HELLO", 3)
    assert new.send(b"GET nothing\r\n") == b"_\r\n"
    assert old.send(b"GET nothing\r\n") == b"$-1\r\n"


def test_the_reply_to_hello_is_in_the_protocol_that_it_chose(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"HELLO 3\r\n").startswith(b"%7\r\n$6\r\nserver\r\n")
    assert client.send(b"HELLO 2\r\n").startswith(b"*14\r\n$6\r\nserver\r\n")


def test_a_value_that_comes_in_many_pieces_is_whole(cache: MemoryCache) -> None:
    client = cache.connect()
    value = bytes(range(256)) * 1000
    sent = encode_request([b"SET", b"k", value])
    answers = [client.send(sent[at : at + 1000]) for at in range(0, len(sent), 1000)]
    assert b"".join(answers) == b"+OK\r\n"
    assert cache.call("GET", "k") == value


def test_each_connection_has_its_own_database(cache: MemoryCache) -> None:
    first, second = cache.connect(), cache.connect()
    assert first.call("SELECT", 3) == b"OK"
    first.call("SET", "k", "v")
    assert second.call("GET", "k") is None
    assert first.call("GET", "k") == b"v"


def test_an_error_does_not_end_the_connection(cache: MemoryCache) -> None:
    client = cache.connect()
    with pytest.raises(CommandError, match="wrong number of arguments for 'get' command"):
        client.call("GET")
    assert client.call("PING") == Status(b"PONG")


def test_an_empty_request_gets_no_answer(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"*0\r\n\r\n*-1\r\n") == b""
    assert client.call("PING") == b"PONG"


def test_a_large_value_comes_back_whole(cache: MemoryCache) -> None:
    client = cache.connect()
    value = bytes(range(256)) * 4096
    client.call("SET", "big", value)
    assert client.send(GET_BIG * 3) == (b"$%d\r\n%b\r\n" % (len(value), value)) * 3


def test_bytes_of_both_ways_are_counted(cache: MemoryCache) -> None:
    before = statistics(cache)
    cache.connect().send(b"PING\r\n")
    after = statistics(cache)
    for name, count in (("total_net_input_bytes", 6), ("total_net_output_bytes", 7)):
        assert int(after[name]) - int(before[name]) == count


# Bad input


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1048577\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n:1\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$600000000\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b'SET a "b\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"x" * (64 * 1024 + 1), b"-ERR Protocol error: too big inline request\r\n"),
        (b"*" + b"1" * (64 * 1024 + 1), b"-ERR Protocol error: too big mbulk count string\r\n"),
        (b"*1\r\n$" + b"1" * (64 * 1024 + 1), b"-ERR Protocol error: too big bulk count string\r\n"),
    ],
)
def test_what_is_not_resp_is_answered_with_redis_words_and_closed(
    cache: MemoryCache, sent: bytes, answer: bytes
) -> None:
    client = cache.connect()
    assert client.send(sent) == answer
    assert client.closed


def test_requests_before_the_bad_one_are_answered_and_those_after_it_are_not(cache: MemoryCache) -> None:
    client = cache.connect()
    sent = b"PING\r\n*x\r\nSET late 1\r\n"
    assert client.send(sent) == b"+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"
    assert cache.call("EXISTS", "late") == 0
    client.protocol.dataReceived(b"SET late 1\r\n")
    assert cache.call("EXISTS", "late") == 0


@pytest.mark.parametrize("first", [b"POST / HTTP/1.1\r\n", b"post /\n", b"Host: localhost\r\n", b"host: a\n"])
def test_a_browser_that_was_tricked_gets_nothing_and_is_closed(cache: MemoryCache, first: bytes) -> None:
    client = cache.connect()
    assert client.send(first + b"SET hacked 1\r\n") == b""
    assert client.closed
    assert cache.call("EXISTS", "hacked") == 0


def test_post_as_an_array_closes_too(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(encode_request([b"POST", b"/"])) == b""
    assert client.closed


def test_a_value_that_was_announced_and_never_sent_takes_no_memory(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$104857600\r\n") == b""
    assert not client.closed
    assert client.protocol.connection.waiting_input < 1024
    assert cache.connect().call("PING") == b"PONG"


def test_a_request_longer_than_the_query_buffer_limit_ends_its_client_alone(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    greedy, other = cache.connect(), cache.connect()
    greedy.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10485760\r\n")
    for _ in range(17):
        greedy.send(b"x" * 65_536)
    assert greedy.closed
    assert other.call("PING") == b"PONG"
    assert statistics(cache)["client_query_buffer_limit_disconnections"] == "1"


def test_proto_max_bulk_len_holds_from_the_next_request_on(cache: MemoryCache) -> None:
    client = cache.connect()
    cache.call("CONFIG", "SET", "proto-max-bulk-len", "1mb")
    assert client.send(b"*1\r\n$1048577\r\n") == b"-ERR Protocol error: invalid bulk length\r\n"


# A client that does not read


def fill(cache: MemoryCache, size: int = 100_000) -> None:
    cache.call("SET", "big", b"x" * size)


def test_replies_wait_while_the_transport_is_full_and_come_whole_later(cache: MemoryCache) -> None:
    fill(cache)
    client = cache.connect(capacity=1000)
    for _ in range(5):
        client.protocol.dataReceived(GET_BIG)
    assert client.protocol.connection.waiting_output > 0
    received = b""
    while piece := client.transport.take():
        received += piece
    assert received == (b"$100000\r\n" + b"x" * 100_000 + b"\r\n") * 5
    assert client.protocol.connection.waiting_output == 0


def test_many_small_replies_that_waited_come_in_their_order(cache: MemoryCache) -> None:
    client = cache.connect(capacity=10)
    sent = [b"%06d" % number for number in range(20_000)]
    for each in sent:
        client.protocol.dataReceived(b"ECHO %b\r\n" % each)
    received = b""
    while piece := client.transport.take():
        assert len(piece) <= 2 * CHUNK
        received += piece
    assert received == b"".join(b"$6\r\n%b\r\n" % each for each in sent)


def test_what_waits_for_a_client_is_told_by_client_list(cache: MemoryCache) -> None:
    fill(cache)
    client = cache.connect(capacity=10)
    client.protocol.dataReceived(GET_BIG * 2)
    assert f"omem={client.protocol.connection.waiting_output} ".encode() in cache.call("CLIENT", "LIST")
    assert client.protocol.connection.waiting_output > 100_000


def test_over_the_hard_limit_a_client_that_never_reads_is_ended_and_others_are_served(cache: MemoryCache) -> None:
    fill(cache)
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
    deaf, other = cache.connect(capacity=1000), cache.connect()
    most = 0
    for _ in range(50):
        deaf.protocol.dataReceived(GET_BIG)
        most = max(most, deaf.protocol.connection.waiting_output)
        assert other.call("PING") == b"PONG"
    assert deaf.closed
    assert most <= (1 << 20)
    assert deaf.protocol.connection.waiting_output == 0
    assert statistics(cache)["client_output_buffer_limit_disconnections"] == "1"


def test_one_burst_of_requests_stops_at_the_hard_limit(cache: MemoryCache) -> None:
    fill(cache)
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
    deaf = cache.connect(capacity=1000)
    deaf.protocol.dataReceived(GET_BIG * 50 + encode_request([b"SET", b"reached", b"1"]))
    assert deaf.closed
    assert cache.call("EXISTS", "reached") == 0


def test_over_the_soft_limit_a_client_has_its_seconds(cache: MemoryCache, clock: Clock) -> None:
    fill(cache)
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 150kb 10")
    deaf = cache.connect(capacity=1000)
    for _ in range(4):
        deaf.protocol.dataReceived(GET_BIG)
    clock.advance(10)
    assert not deaf.closed
    clock.advance(1.5)
    assert deaf.closed
    assert statistics(cache)["client_output_buffer_limit_disconnections"] == "1"


def test_who_reads_again_below_the_soft_limit_has_all_seconds_anew(cache: MemoryCache, clock: Clock) -> None:
    fill(cache)
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 150kb 10")
    slow = cache.connect(capacity=1000)
    slow.protocol.dataReceived(GET_BIG * 4)
    clock.advance(8)
    while slow.transport.take():
        pass
    slow.protocol.dataReceived(GET_BIG * 4)
    clock.advance(8)
    assert not slow.closed
    assert slow.protocol.connection.waiting_output > 0


def test_without_limits_any_amount_waits(cache: MemoryCache, clock: Clock) -> None:
    fill(cache)
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
    deaf = cache.connect(capacity=1000)
    for _ in range(50):
        deaf.protocol.dataReceived(GET_BIG)
    clock.advance(100)
    assert not deaf.closed
    assert deaf.protocol.connection.waiting_output > 4_500_000


def test_a_paused_client_that_is_killed_goes_at_once(cache: MemoryCache) -> None:
    fill(cache)
    deaf = cache.connect(capacity=1000)
    deaf.protocol.dataReceived(GET_BIG * 3)
    assert cache.call("CLIENT", "KILL", "TYPE", "normal") == 1
    assert deaf.closed
    assert deaf.protocol.connection.waiting_output == 0


def test_what_a_transport_says_to_a_producer_is_understood(cache: MemoryCache) -> None:
    client = cache.connect()
    assert IPushProducer.providedBy(client.protocol)
    client.protocol.stopProducing()
    client.protocol.dataReceived(b"PING\r\n")
    assert client.transport.value() == b""
    assert client.protocol.connection.waiting_output == 7


# The end of a connection


def test_quit_is_answered_and_then_closed(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"QUIT\r\nPING\r\n") == b"+OK\r\n"
    assert client.closed


def test_quit_waits_for_the_replies_before_it(cache: MemoryCache) -> None:
    fill(cache)
    client = cache.connect(capacity=1000)
    client.protocol.dataReceived(GET_BIG * 3 + b"QUIT\r\n")
    assert not client.closed
    received = b""
    while piece := client.transport.take():
        received += piece
    assert received.endswith(b"xx\r\n+OK\r\n")
    assert len(received) == 3 * 100_011 + 5
    assert client.closed


def test_a_client_that_sends_no_more_still_gets_what_it_is_owed(cache: MemoryCache) -> None:
    fill(cache)
    client = cache.connect(capacity=1000)
    assert IHalfCloseableProtocol.providedBy(client.protocol)
    client.protocol.dataReceived(GET_BIG * 3)
    client.half_close()
    assert not client.closed
    received = b""
    while piece := client.transport.take():
        received += piece
    assert len(received) == 3 * 100_011
    assert client.closed


def test_a_client_that_is_owed_nothing_is_closed_when_it_sends_no_more(cache: MemoryCache) -> None:
    client = cache.connect()
    client.half_close()
    assert client.closed


def test_a_client_that_takes_no_more_is_closed(cache: MemoryCache) -> None:
    client = cache.connect()
    client.protocol.writeConnectionLost()
    assert client.closed


def test_a_lost_connection_is_no_longer_listed(cache: MemoryCache) -> None:
    client = cache.connect()
    assert cache.call("CLIENT", "LIST").count(b"\n") == 1
    client.close()
    assert cache.call("CLIENT", "LIST") == b""
    assert cache.factory.connections == set()


def test_data_and_pushes_after_the_end_are_passed_over(cache: MemoryCache) -> None:
    client = cache.connect()
    client.close()
    client.protocol.dataReceived(b"SET k v\r\n")
    client.protocol.connection.push(Push([b"message"]))
    client.protocol.connection.sweep(0)
    assert cache.call("EXISTS", "k") == 0
    assert client.transport.value() == b""


def test_to_close_a_connection_that_was_never_made_does_nothing(cache: MemoryCache) -> None:
    protocol = cache.factory.buildProtocol(None)
    protocol.connection.close()
    assert cache.factory.connections == set()


@pytest.mark.parametrize(("resp", "sent"), [(2, b"*1\r\n$5\r\nhello\r\n"), (3, b">1\r\n$5\r\nhello\r\n")])
def test_a_message_can_be_pushed_in_the_protocol_of_the_client(cache: MemoryCache, resp: int, sent: bytes) -> None:
    client = cache.connect()
    client.call("HELLO", resp)
    client.protocol.connection.push(Push([b"hello"]))
    assert client.transport.take() == sent


# Idle clients


def test_an_idle_client_is_disconnected_after_the_timeout(cache: MemoryCache, clock: Clock) -> None:
    cache.call("CONFIG", "SET", "timeout", "10")
    idle, busy = cache.connect(), cache.connect()
    for _ in range(10):
        clock.advance(1)
        busy.call("PING")
    assert not idle.closed
    clock.advance(1)
    busy.call("PING")
    clock.advance(1)
    assert idle.closed
    assert not busy.closed


def test_without_a_timeout_nobody_is_idle_for_too_long(cache: MemoryCache, clock: Clock) -> None:
    client = cache.connect()
    clock.advance(1_000_000)
    assert not client.closed


def test_a_client_whose_long_request_is_still_coming_is_not_idle(cache: MemoryCache, clock: Clock) -> None:
    cache.call("CONFIG", "SET", "timeout", "3")
    client = cache.connect()
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\n")
    for _ in range(10):
        clock.advance(1)
        client.send(b"x" * 10)
    assert client.send(b"\r\n") == b"+OK\r\n"


def test_a_client_that_quit_and_never_reads_is_idle_too(cache: MemoryCache, clock: Clock) -> None:
    fill(cache)
    cache.call("CONFIG", "SET", "timeout", "3")
    client = cache.connect(capacity=1000)
    client.protocol.dataReceived(GET_BIG * 3 + b"QUIT\r\n")
    for _ in range(6):
        clock.advance(1)
    assert client.closed


# Who is let in


def test_one_client_more_than_maxclients_is_told_and_closed(clock: Clock) -> None:
    cache = MemoryCache({"maxclients": 64})
    clients = [cache.connect() for _ in range(64)]
    late = cache.connect()
    assert late.transport.take() == b"-ERR max number of clients reached\r\n"
    assert late.closed
    assert late.send(b"PING\r\n") == b""
    assert all(client.call("PING") == b"PONG" for client in clients)
    assert statistics(cache)["rejected_connections"] == "1"
    clients.pop().close()
    assert cache.connect().call("PING") == b"PONG"
    cache.stop()


@pytest.mark.parametrize("peer", ["10.0.0.7", "192.0.2.1", "2001:db8::1"])
def test_protected_mode_refuses_clients_of_other_machines(cache: MemoryCache, peer: str) -> None:
    client = cache.connect(peer)
    answer = client.transport.take()
    assert answer.startswith(b"-DENIED ")
    assert answer.endswith(b"\r\n")
    assert answer.count(b"\n") == 1
    assert client.closed
    assert client.send(b"PING\r\n") == b""
    assert statistics(cache)["rejected_connections"] == "1"


@pytest.mark.parametrize("setting", [("protected-mode", "no"), ("requirepass", "secret")])
def test_a_password_or_the_mode_switched_off_lets_other_machines_in(
    cache: MemoryCache, setting: tuple[str, str]
) -> None:
    cache.call("CONFIG", "SET", *setting)
    client = cache.connect("10.0.0.7")
    assert client.send(b"PING\r\n") in (b"+PONG\r\n", b"-NOAUTH Authentication required.\r\n")
    assert not client.closed


def test_an_ipv6_loopback_client_is_served_in_protected_mode(cache: MemoryCache) -> None:
    transport = StreamTransport()
    transport.peerAddr = IPv6Address("TCP", "::1", 4000)
    assert MemoryConnection(cache.factory, transport).call("PING") == b"PONG"


def test_a_client_of_a_unix_socket_is_served_and_named_as_redis_does(cache: MemoryCache) -> None:
    transport = StreamTransport()
    transport.hostAddr = UNIXAddress(b"/run/owncache.sock")
    transport.peerAddr = UNIXAddress(None)
    client = MemoryConnection(cache.factory, transport)
    assert b" addr=/run/owncache.sock:0 laddr=/run/owncache.sock:0 " in client.call("CLIENT", "INFO")


def test_client_info_tells_both_addresses(cache: MemoryCache) -> None:
    client = cache.connect()
    assert b" addr=127.0.0.1:50000 laddr=127.0.0.1:6379 fd=-1 " in client.call("CLIENT", "INFO")


def test_without_the_password_only_little_may_be_announced() -> None:
    cache = MemoryCache({"requirepass": "secret"})
    for sent in (b"*11\r\n", b"*2\r\n$16385\r\n"):
        client = cache.connect()
        assert client.send(sent).startswith(b"-ERR Protocol error: unauthenticated ")
        assert client.closed
    client = cache.connect()
    assert client.send(b"AUTH secret\r\n*11\r\n") == b"+OK\r\n"
    assert not client.closed
    cache.stop()


# The classes alone


class TcpTransport(StreamTransport):
    """A transport with the options of a TCP socket."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[tuple[str, bool]] = []

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.options.append(("no delay", enabled))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.options.append(("keep alive", enabled))

    def fileno(self) -> int:
        return 7


@pytest.mark.parametrize(("keepalive", "asked"), [("300", True), ("0", False)])
def test_a_tcp_connection_gets_its_options(cache: MemoryCache, keepalive: str, asked: bool) -> None:
    cache.call("CONFIG", "SET", "tcp-keepalive", keepalive)
    transport = TcpTransport()
    directlyProvides(transport, ITCPTransport)
    protocol = MemoryConnection(cache.factory, transport).protocol
    assert transport.options == [("no delay", True), ("keep alive", asked)]
    assert protocol.connection.descriptor == 7


def test_the_factory_needs_nothing_but_a_dispatcher() -> None:
    clock = Clock()
    factory = RespFactory(Dispatcher(clock=clock))
    client = MemoryConnection(factory, StreamTransport())
    assert client.call("SET", "k", "v") == b"OK"
    assert client.call("GET", "k") == b"v"
    assert clock.getDelayedCalls() == []


def test_a_factory_that_was_stopped_leaves_no_timer_and_may_be_started_again() -> None:
    clock = Clock()
    factory = RespFactory(Dispatcher(clock=clock))
    factory.stopFactory()
    for _ in range(2):
        factory.doStart()
        assert len(clock.getDelayedCalls()) == 1
        factory.doStop()
        assert clock.getDelayedCalls() == []


def test_close_all_ends_every_connection(cache: MemoryCache) -> None:
    clients = [cache.connect() for _ in range(3)]
    ensureDeferred(cache.factory.close_all())
    assert all(client.closed for client in clients)
    assert cache.factory.connections == set()


def test_close_all_waits_a_second_for_what_was_sent_to_be_taken(cache: MemoryCache, clock: Clock) -> None:
    quick, slow = cache.connect(capacity=1000), cache.connect(capacity=1000)
    for client in (quick, slow):
        client.protocol.dataReceived(b"PING\r\n")
    done = ensureDeferred(cache.factory.close_all())
    assert quick.transport.take() == b"+PONG\r\n"
    assert quick.closed
    clock.advance(0.9)
    assert not slow.closed
    assert not done.called
    clock.advance(0.1)
    assert slow.closed
    assert done.called
    assert cache.factory.connections == set()


def test_a_refused_client_gets_its_error_and_is_not_waited_for_long(cache: MemoryCache, clock: Clock) -> None:
    one, other = (cache.connect("10.0.0.7", capacity=10) for _ in range(2))
    assert not one.closed
    one.transport.take()
    assert one.closed
    assert not other.closed
    clock.advance(3)
    assert other.closed


def test_a_killed_client_that_takes_nothing_is_gone_soon(cache: MemoryCache, clock: Clock) -> None:
    deaf, other = cache.connect(capacity=1000), cache.connect()
    deaf.protocol.dataReceived(b"ECHO " + b"x" * 500 + b"\r\n")  # in the transport, which is not full
    assert other.call("CLIENT", "KILL", "ID", deaf.protocol.connection._session.id) == 1  # type: ignore[union-attr]
    clock.advance(3)
    assert deaf.closed
    assert b"\n" not in other.call("CLIENT", "LIST")[:-1]


def test_one_large_reply_that_is_not_read_counts_against_the_limits(cache: MemoryCache, clock: Clock) -> None:
    cache.call("SET", "big", b"x" * 1_000_000)
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 100kb 2")
    client = cache.connect(capacity=1000)
    client.protocol.dataReceived(b"GET big\r\n")
    assert len(client.transport.value()) <= 64 * 1024
    assert client.protocol.connection.waiting_output > 900_000
    clock.advance(4)
    assert client.closed
    assert not cache.connect(capacity=1000).closed


def test_a_large_reply_comes_whole_in_its_chunks(cache: MemoryCache) -> None:
    value = bytes(range(256)) * 2000
    cache.call("SET", "big", value)
    client = cache.connect(capacity=1000)
    client.protocol.dataReceived(b"GET big\r\nPING\r\n")
    received = b""
    while part := client.transport.take():
        received += part
    assert received == b"$512000\r\n" + value + b"\r\n+PONG\r\n"


def test_a_client_that_reads_slowly_is_not_idle(cache: MemoryCache, clock: Clock) -> None:
    cache.call("SET", "big", b"x" * 1_000_000)
    cache.call("CONFIG", "SET", "timeout", "3")
    client = cache.connect(capacity=1000)
    client.protocol.dataReceived(b"GET big\r\n")
    for _ in range(10):
        clock.advance(2)
        assert client.transport.take()
    assert not client.closed


def test_a_lost_connection_leaves_nothing_to_the_garbage_collector(cache: MemoryCache) -> None:
    client = cache.connect()
    session = client.protocol.connection._session
    assert session is not None
    client.close()
    assert session.link is None
    assert client.protocol.connection._session is None


def test_a_request_that_was_run_is_not_kept(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"SET k " + b"x" * 60_000 + b"\r\n")
    assert client.protocol.connection._reader._buffer == b""


def test_client_kill_ends_another_connection_at_once(cache: MemoryCache) -> None:
    one, other = cache.connect(), cache.connect()
    assert one.call("CLIENT", "KILL", "ID", other.call("CLIENT", "ID")) == 1
    assert other.closed
    assert one.call("PING") == b"PONG"


def test_shutdown_is_refused_where_the_host_gave_no_way(cache: MemoryCache) -> None:
    client = cache.connect()
    with pytest.raises(CommandError, match="SHUTDOWN is refused"):
        client.call("SHUTDOWN")
    assert not client.closed


def test_a_reply_that_would_outgrow_the_limit_is_never_made(cache: MemoryCache) -> None:
    cache.call("SET", "big", b"x" * 1_000_000)
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 2mb 0 0")
    client, other = cache.connect(), cache.connect()
    assert len(client.send(b"MGET big big\r\n")) > 2_000_000
    assert client.send(b"PING\r\nMGET big big big\r\nPING\r\n") == b""
    assert client.closed
    assert other.send(b"PING\r\n") == b"+PONG\r\n"
    assert b"client_output_buffer_limit_disconnections:1\r\n" in cache.call("INFO", "stats")


def test_a_small_reply_is_given_whatever_the_limit(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 5 6 7")
    client = cache.connect()
    assert client.call("CONFIG", "GET", "timeout") == [b"timeout", b"0"]
    assert client.call("PING") == b"PONG"
