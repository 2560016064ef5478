"""The clients, on fake endpoints, fake sockets and a fake clock."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionLost, ConnectionRefusedError, MessageLengthError, TimeoutError

from twisted_kv.client import DatagramClient, StreamClient
from twisted_kv.testing import Clock, MemoryCache, MemoryDatagrams, StreamTransport
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Status
from twisted_kv.wire.encoder import encode_request


def outcome(waiting: Deferred[Any]) -> Any:
    """Give what a Deferred fired with, or raise what it failed with."""
    found: list[Any] = []
    waiting.addCallbacks(lambda value: found.append((value, None)), lambda failure: found.append((None, failure.value)))
    assert found, "it has not fired"
    value, error = found[0]
    if error is not None:
        raise error
    return value


def waits(waiting: Deferred[Any]) -> bool:
    """Tell whether a Deferred has not fired, nor the one that it stands for."""
    return not waiting.called or isinstance(getattr(waiting, "result", None), Deferred)


def request(*words: bytes) -> bytes:
    return encode_request(words)


class Endpoint:
    """An endpoint whose far ends are the test: each connection is a `StreamTransport`, or a refusal, or nothing."""

    def __init__(self) -> None:
        self.streams: list[StreamTransport] = []
        self.plan: list[str] = []
        self.attempts = 0
        self.kind = StreamTransport

    def connect(self, factory: Any) -> Deferred[Any]:
        self.attempts += 1
        plan = self.plan.pop(0) if self.plan else "accept"
        if plan == "refuse":
            return fail(ConnectionRefusedError("no server listens"))
        if plan == "silence":
            return Deferred()
        stream = self.kind()
        self.streams.append(stream)
        protocol = factory.buildProtocol(None)
        stream.protocol = protocol
        protocol.makeConnection(stream)
        return succeed(protocol)

    def answer(self, data: bytes) -> None:
        """Have the newest connection receive bytes."""
        self.streams[-1].protocol.dataReceived(data)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def timer() -> Clock:
    return Clock()


@pytest.fixture
def plain(endpoint: Endpoint, timer: Clock) -> StreamClient:
    """A client that greets nobody."""
    return StreamClient(endpoint, resp=2, clock=timer)


# Over a stream


@pytest.mark.parametrize("resp", [2, 3])
def test_a_request_is_answered_by_the_cache(cache: MemoryCache, resp: int) -> None:
    client = StreamClient(cache.endpoint(), resp=resp, clock=cache.clock)
    assert outcome(client.request("SET", "k", b"\xff", "PX", 100)) == b"OK"
    assert outcome(client.request("GET", "k")) == b"\xff"
    cache.clock.advance(0.1)
    assert outcome(client.request("GET", "k")) is None
    client.close()
    assert cache.factory.connections == set()


def test_replies_keep_their_shape_in_the_newer_protocol(cache: MemoryCache) -> None:
    cache.call("HSET", "h", "f", "v")
    assert outcome(StreamClient(cache.endpoint(), clock=cache.clock).request("HGETALL", "h")) == {b"f": b"v"}
    assert outcome(StreamClient(cache.endpoint(), resp=2, clock=cache.clock).request("HGETALL", "h")) == [b"f", b"v"]


def test_an_error_reply_is_an_error(cache: MemoryCache) -> None:
    client = StreamClient(cache.endpoint(), clock=cache.clock)
    with pytest.raises(CommandError) as caught:
        outcome(client.request("INCRBY", "k", "x"))
    assert (caught.value.code, caught.value.message) == ("ERR", "value is not an integer or out of range")
    assert outcome(client.request("PING")) == Status(b"PONG")


@pytest.mark.parametrize("resp", [2, 3])
def test_the_database_and_the_password_go_first(resp: int) -> None:
    cache = MemoryCache({"requirepass": "secret"})
    client = StreamClient(cache.endpoint(), password="secret", database=3, resp=resp, clock=cache.clock)
    assert outcome(client.request("SET", "k", "v")) == b"OK"
    assert b" db=3 " in outcome(client.request("CLIENT", "INFO"))
    cache.stop()


@pytest.mark.parametrize("resp", [2, 3])
def test_a_wrong_password_is_an_error_of_each_request(resp: int) -> None:
    cache = MemoryCache({"requirepass": "secret"})
    client = StreamClient(cache.endpoint(), password="wrong", resp=resp, clock=cache.clock)
    for _ in range(2):
        with pytest.raises(CommandError, match=r"^WRONGPASS "):
            outcome(client.request("GET", "k"))
        assert cache.factory.connections == set()
    cache.stop()


@pytest.mark.parametrize(
    ("options", "greeting"),
    [
        ({"resp": 2}, []),
        ({}, [request(b"HELLO", b"3")]),
        ({"resp": 2, "password": "p"}, [request(b"AUTH", b"default", b"p")]),
        ({"password": "p", "user": "me"}, [request(b"HELLO", b"3", b"AUTH", b"me", b"p")]),
        ({"resp": 2, "database": 2}, [request(b"SELECT", b"2")]),
    ],
)
def test_the_greeting_comes_before_the_first_request(
    endpoint: Endpoint, timer: Clock, options: dict[str, Any], greeting: list[bytes]
) -> None:
    client = StreamClient(endpoint, clock=timer, **options)
    waiting = client.request("GET", "k")
    for sent in greeting:
        assert endpoint.streams[0].take() == sent
        endpoint.answer(b"+OK\r\n")
    assert endpoint.streams[0].take() == request(b"GET", b"k")
    endpoint.answer(b"$1\r\nv\r\n")
    assert outcome(waiting) == b"v"


def test_it_connects_at_the_first_request_and_again_when_the_connection_was_lost(
    plain: StreamClient, endpoint: Endpoint
) -> None:
    assert endpoint.attempts == 0
    for number in (1, 2):
        waiting = plain.request("SET", "k", "v")
        endpoint.answer(b"+OK\r\n")
        assert outcome(waiting) == b"OK"
        assert endpoint.attempts == number
        endpoint.streams[-1].abortConnection()


def test_replies_come_in_the_order_of_the_requests(plain: StreamClient, endpoint: Endpoint) -> None:
    waiting = [plain.request("ECHO", str(number)) for number in range(5)]
    assert endpoint.attempts == 1
    endpoint.answer(b"".join(b"$1\r\n%d\r\n" % number for number in range(5)))
    assert [outcome(each) for each in waiting] == [b"0", b"1", b"2", b"3", b"4"]


def test_requests_made_while_connecting_share_the_connection(timer: Clock) -> None:
    endpoint = Endpoint()
    client = StreamClient(endpoint, clock=timer)
    first, second = client.request("PING"), client.request("PING")
    assert endpoint.attempts == 1
    endpoint.answer(b"%0\r\n")
    endpoint.answer(b"+PONG\r\n+PONG\r\n")
    assert (outcome(first), outcome(second)) == (b"PONG", b"PONG")
    assert endpoint.attempts == 1


def test_a_request_that_only_reads_is_tried_three_times(plain: StreamClient, endpoint: Endpoint, timer: Clock) -> None:
    waiting = plain.request("GET", "k")
    for number in (1, 2, 3):
        assert endpoint.attempts == number
        assert waits(waiting)
        timer.advance(5)
    with pytest.raises(TimeoutError, match="no answer within 5 s"):
        outcome(waiting)
    assert endpoint.attempts == 3
    assert timer.getDelayedCalls() == []


def test_a_second_try_may_be_answered(plain: StreamClient, endpoint: Endpoint) -> None:
    waiting = plain.request("mget", "a")
    endpoint.streams[0].abortConnection()
    endpoint.answer(b"*1\r\n$1\r\nv\r\n")
    assert outcome(waiting) == [b"v"]


def test_without_retries_one_try_is_made(endpoint: Endpoint, timer: Clock) -> None:
    waiting = StreamClient(endpoint, resp=2, retries=0, clock=timer).request("GET", "k")
    endpoint.streams[0].abortConnection()
    with pytest.raises(ConnectionLost):
        outcome(waiting)
    assert endpoint.attempts == 1


def test_a_request_that_changes_something_is_never_sent_twice(
    plain: StreamClient, endpoint: Endpoint, timer: Clock
) -> None:
    waiting = plain.request("INCR", "n")
    timer.advance(5)
    with pytest.raises(TimeoutError):
        outcome(waiting)
    waiting = plain.request("INCR", "n")
    endpoint.streams[-1].abortConnection()
    with pytest.raises(ConnectionLost):
        outcome(waiting)
    assert endpoint.attempts == 2


def test_after_a_time_out_a_late_reply_is_not_taken_for_the_next_one(
    plain: StreamClient, endpoint: Endpoint, timer: Clock
) -> None:
    late = plain.request("INCR", "n")
    timer.advance(5)
    with pytest.raises(TimeoutError):
        outcome(late)
    assert endpoint.streams[0].lost
    waiting = plain.request("GET", "k")
    assert endpoint.attempts == 2
    endpoint.answer(b"$1\r\nv\r\n")
    assert outcome(waiting) == b"v"


class SlowEnd(StreamTransport):
    """A stream that is aborted in a later turn of the reactor, as a real one."""

    def abortConnection(self) -> None:
        self.disconnecting = True

    def end(self) -> None:
        super().abortConnection()


@pytest.fixture
def slow(endpoint: Endpoint) -> Endpoint:
    endpoint.kind = SlowEnd
    return endpoint


def test_all_others_that_wait_fail_when_one_request_has_timed_out(
    plain: StreamClient, slow: Endpoint, timer: Clock
) -> None:
    first = plain.request("INCR", "n")
    timer.advance(3)
    others = [plain.request("INCR", "n") for _ in range(2)]
    timer.advance(2)
    with pytest.raises(TimeoutError):
        outcome(first)
    slow.streams[0].end()
    for each in others:
        with pytest.raises(ConnectionLost):
            outcome(each)


def test_after_a_time_out_the_next_request_goes_over_a_new_connection(
    plain: StreamClient, slow: Endpoint, timer: Clock
) -> None:
    first = plain.request("INCR", "n")
    timer.advance(5)
    with pytest.raises(TimeoutError):
        outcome(first)
    second = plain.request("INCR", "m")
    assert slow.attempts == 2
    assert slow.streams[1].take() == request(b"INCR", b"m")
    slow.streams[0].end()
    slow.answer(b":1\r\n")
    assert outcome(second) == 1


def test_all_that_wait_on_a_lost_connection_fail(plain: StreamClient, endpoint: Endpoint) -> None:
    waiting = [plain.request("INCR", "n") for _ in range(3)]
    endpoint.streams[0].abortConnection()
    for each in waiting:
        with pytest.raises(ConnectionLost):
            outcome(each)


def test_a_refused_connection_is_an_error(plain: StreamClient, endpoint: Endpoint) -> None:
    endpoint.plan = ["refuse"] * 4
    with pytest.raises(ConnectionRefusedError):
        outcome(plain.request("SET", "k", "v"))
    assert endpoint.attempts == 1
    with pytest.raises(ConnectionRefusedError):
        outcome(plain.request("GET", "k"))
    assert endpoint.attempts == 4
    assert waits(plain.request("GET", "k"))


def test_connecting_takes_no_longer_than_the_timeout(plain: StreamClient, endpoint: Endpoint, timer: Clock) -> None:
    endpoint.plan = ["silence"]
    waiting = plain.request("SET", "k", "v")
    timer.advance(5)
    with pytest.raises(TimeoutError):
        outcome(waiting)


def test_a_greeting_that_is_not_answered_fails_the_request(endpoint: Endpoint, timer: Clock) -> None:
    waiting = StreamClient(endpoint, timeout=2, clock=timer).request("SET", "k", "v")
    timer.advance(2)
    with pytest.raises(TimeoutError, match="no answer within 2 s"):
        outcome(waiting)
    assert endpoint.streams[0].lost


def test_a_pushed_message_is_no_reply(plain: StreamClient, endpoint: Endpoint) -> None:
    waiting = plain.request("GET", "k")
    endpoint.answer(b">1\r\n$4\r\nnews\r\n")
    assert waits(waiting)
    endpoint.answer(b"$1\r\nv\r\n")
    assert outcome(waiting) == b"v"


@pytest.mark.parametrize("rubbish", [b"?what\r\n", b"HTTP/1.1 200 OK\r\n", b"$x\r\n"])
def test_a_server_that_does_not_speak_redis_ends_the_connection(
    plain: StreamClient, endpoint: Endpoint, rubbish: bytes
) -> None:
    waiting = plain.request("SET", "k", "v")
    endpoint.answer(rubbish)
    with pytest.raises(ConnectionLost):
        outcome(waiting)
    assert endpoint.streams[0].lost


def test_a_reply_that_nobody_asked_for_ends_the_connection(plain: StreamClient, endpoint: Endpoint) -> None:
    waiting = plain.request("SET", "k", "v")
    endpoint.answer(b"+OK\r\n+OK\r\n")
    assert outcome(waiting) == b"OK"
    assert endpoint.streams[0].lost


def test_a_cancelled_request_ends_the_connection(plain: StreamClient, endpoint: Endpoint, timer: Clock) -> None:
    waiting = plain.request("SET", "k", "v")
    waiting.cancel()
    with pytest.raises((CancelledError, ConnectionLost)):
        outcome(waiting)
    assert endpoint.streams[0].lost
    assert timer.getDelayedCalls() == []


def test_a_closed_client_opens_another_connection(plain: StreamClient, endpoint: Endpoint) -> None:
    plain.close()
    assert endpoint.attempts == 0
    plain.request("PING")
    endpoint.answer(b"+PONG\r\n")
    plain.close()
    assert endpoint.streams[0].lost
    waiting = plain.request("PING")
    endpoint.answer(b"+PONG\r\n")
    assert outcome(waiting) == b"PONG"
    assert endpoint.attempts == 2


@pytest.mark.parametrize("words", [(), ("SET", "k", None), ("SET", "k", True), ([b"GET"],)])
def test_what_cannot_be_sent_is_told_at_once(plain: StreamClient, endpoint: Endpoint, words: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        plain.request(*words)
    assert endpoint.attempts == 0


@pytest.mark.parametrize("resp", [2, 3])
def test_a_client_that_was_refused_is_served_when_there_is_room(resp: int) -> None:
    cache = MemoryCache({"maxclients": 1})
    other = cache.connect()
    client = StreamClient(cache.endpoint(), resp=resp, timeout=1, retries=0, clock=cache.clock)
    refused = client.request("GET", "k")
    cache.clock.advance(1)
    with pytest.raises((CommandError, ConnectionLost, TimeoutError)):
        outcome(refused)
    other.close()
    assert outcome(client.request("GET", "k")) is None
    cache.stop()


def test_the_reactor_is_asked_for_the_time_where_no_clock_is_given(
    monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint, timer: Clock
) -> None:
    import twisted.internet

    monkeypatch.setattr(twisted.internet, "reactor", timer, raising=False)
    waiting = StreamClient(endpoint, resp=2, retries=0).request("PING")
    assert len(timer.getDelayedCalls()) == 1
    endpoint.answer(b"+PONG\r\n")
    assert outcome(waiting) == b"PONG"
    assert timer.getDelayedCalls() == []


# Over datagrams


class Socket:
    """One client socket of a `Network`."""

    def __init__(self, network: Network, protocol: Any, interface: str) -> None:
        self.network = network
        self.protocol = protocol
        self.interface = interface
        self.peer: tuple[str, int] | None = None
        self.open = True
        protocol.makeConnection(self)

    def connect(self, host: str, port: int) -> None:
        self.peer = (host, port)

    def write(self, datagram: bytes) -> None:
        self.network.carry(self, datagram)

    def stopListening(self) -> Deferred[None]:
        if self.open:
            self.open = False
            self.protocol.doStop()
        return succeed(None)


class Network(Clock):
    """A reactor whose datagrams go to a cache, or get lost, or are refused, as `plan` says for each."""

    def __init__(self, face: MemoryDatagrams | None = None) -> None:
        super().__init__()
        self.face = face
        self.plan: list[Callable[[Socket, bytes], None]] = []
        self.sockets: list[Socket] = []
        self.sent: list[bytes] = []

    def listenUDP(self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192) -> Socket:  # noqa: N803  # as Twisted has it
        assert port == 0
        assert maxPacketSize >= 65_507
        self.sockets.append(Socket(self, protocol, interface))
        return self.sockets[-1]

    def carry(self, socket: Socket, datagram: bytes) -> None:
        self.sent.append(datagram)
        if self.plan:
            self.plan.pop(0)(socket, datagram)
            return
        answer = self.face.send(datagram) if self.face is not None else None
        if answer is not None and socket.open:
            socket.protocol.datagramReceived(answer, socket.peer)


def lost(socket: Socket, datagram: bytes) -> None:
    """A datagram that nobody gets."""


def refused(socket: Socket, datagram: bytes) -> None:
    """A datagram to a port that no server listens on."""
    socket.protocol.connectionRefused()


def closed(socket: Socket, datagram: bytes) -> None:
    """The same under a reactor that closes the port."""
    socket.stopListening()


def too_long(socket: Socket, datagram: bytes) -> None:
    """A datagram that no socket takes."""
    raise MessageLengthError("message too long")


@pytest.fixture
def network(cache: MemoryCache) -> Network:
    return Network(cache.datagrams())


def udp(network: Network, **options: Any) -> DatagramClient:
    return DatagramClient("127.0.0.1", 6379, reactor=network, **options)


def test_a_server_that_takes_words_for_a_key_is_told_from_one_that_answers(
    network: Network, cache: MemoryCache
) -> None:
    client = udp(network, dialect="command")
    with pytest.raises(CommandError, match="--udp-dialect command"):
        outcome(client.request("INCR", "n"))
    assert cache.call("EXISTS", "n") == 0
    assert outcome(udp(Network(cache.datagrams("command")), dialect="command").request("INCR", "n")) == b"(integer) 1"


def test_a_request_that_no_datagram_holds_is_told_once(network: Network) -> None:
    client = udp(network)
    network.plan = [too_long]
    with pytest.raises(MessageLengthError):
        outcome(client.request("SET", "k", "v"))
    assert client._waiting is None  # or a failure would come up that nobody asks for
    assert outcome(client.request("PING")) == b"PONG"


@pytest.mark.parametrize("dialect", ["equals", "command", "resp"])
def test_a_key_is_set_and_read_in_each_dialect(network: Network, cache: MemoryCache, dialect: str) -> None:
    client = udp(network, dialect=dialect)
    assert outcome(client.request("SET", "k", "a value")) == (None if dialect == "equals" else b"OK")
    assert outcome(client.request("GET", "k")) == b"a value"
    assert cache.call("GET", "k") == b"a value"
    assert outcome(client.request("GET", "nope")) == (b"(nil)" if dialect == "command" else None)
    assert network.sockets[0].peer == ("127.0.0.1", 6379)
    assert len(network.sockets) == 1


@pytest.mark.parametrize("dialect", ["equals", "command", "resp"])
def test_an_error_reply_of_each_dialect_is_an_error(network: Network, cache: MemoryCache, dialect: str) -> None:
    cache.call("HSET", "h", "f", "v")
    with pytest.raises(CommandError) as caught:
        outcome(udp(network, dialect=dialect).request("GET", "h"))
    assert caught.value.code == "WRONGTYPE"


@pytest.mark.parametrize("value", [b"\xff\0\n", b"a  b", b'"', b"'", b"px 100", b"", b"\r\n"])
@pytest.mark.parametrize("dialect", ["command", "resp"])
def test_any_bytes_travel(network: Network, cache: MemoryCache, dialect: str, value: bytes) -> None:
    assert outcome(udp(network, dialect=dialect).request("SET", "k", value)) == b"OK"
    assert cache.call("GET", "k") == value


@pytest.mark.parametrize(
    "words", [("DEL", "k"), ("GET", "a=b"), ("SET", "a=b", "v"), ("SET", "k"), ("SET", "k", "v", "PX", 1), ("GET",)]
)
def test_what_the_equals_dialect_cannot_say_is_told_at_once(network: Network, words: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="equals dialect"):
        udp(network, dialect="equals").request(*words)
    assert network.sent == []


def test_what_cannot_be_a_word_is_told_at_once(network: Network) -> None:
    for words in ((), ("GET", None)):
        with pytest.raises(TypeError):
            udp(network).request(*words)
    assert network.sent == []


def test_a_password_needs_the_resp_dialect() -> None:
    for dialect in ("equals", "command"):
        with pytest.raises(ValueError, match="resp"):
            DatagramClient(dialect=dialect, password="secret")
    with pytest.raises(ValueError, match="unknown dialect 'morse'"):
        DatagramClient(dialect="morse")


def test_a_password_goes_along_with_each_request() -> None:
    cache = MemoryCache({"requirepass": "secret"})
    client = udp(Network(cache.datagrams()), password="secret")
    assert outcome(client.request("SET", "k", "v")) == b"OK"
    assert outcome(client.request("GET", "k")) == b"v"
    cache.stop()


def test_a_wrong_password_is_met_with_silence() -> None:
    cache = MemoryCache({"requirepass": "secret"})
    network = Network(cache.datagrams())
    waiting = udp(network, password="wrong", retries=0).request("GET", "k")
    network.advance(1)
    with pytest.raises(TimeoutError):
        outcome(waiting)
    cache.stop()


def test_a_lost_request_that_only_reads_is_sent_again(network: Network) -> None:
    network.plan = [lost, lost]
    waiting = udp(network).request("PING")
    for _ in range(2):
        assert waits(waiting)
        network.advance(1)
    assert outcome(waiting) == b"PONG"
    assert len(network.sent) == 3
    assert [socket.open for socket in network.sockets] == [False, False, True]
    assert network.getDelayedCalls() == []


def test_after_all_tries_it_is_a_time_out(network: Network) -> None:
    network.plan = [lost] * 3
    waiting = udp(network, timeout=0.5).request("GET", "k")
    for _ in range(3):
        network.advance(0.5)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.5 s"):
        outcome(waiting)
    assert len(network.sent) == 3


def test_a_datagram_that_changes_something_is_never_sent_twice(network: Network) -> None:
    network.plan = [lost]
    waiting = udp(network).request("INCR", "n")
    network.advance(1)
    with pytest.raises(TimeoutError):
        outcome(waiting)
    assert len(network.sent) == 1


@pytest.mark.parametrize("refusal", [refused, closed])
def test_a_port_that_nobody_listens_on_is_told(network: Network, refusal: Callable[..., None]) -> None:
    network.plan = [refusal]
    with pytest.raises(ConnectionRefusedError, match=r"no server listens on 127\.0\.0\.1:6379"):
        outcome(udp(network).request("SET", "k", "v"))
    network.plan = [refusal] * 3
    with pytest.raises(ConnectionRefusedError):
        outcome(udp(network).request("GET", "k"))
    assert len(network.sent) == 4


def test_a_server_that_comes_back_is_reached_again(network: Network) -> None:
    network.plan = [refused]
    client = udp(network)
    assert outcome(client.request("GET", "k")) is None
    assert len(network.sent) == 2


def test_a_refusal_while_nothing_waits_is_passed_over(network: Network) -> None:
    client = udp(network)
    outcome(client.request("PING"))
    network.sockets[0].protocol.connectionRefused()
    network.sockets[0].protocol.datagramReceived(b"late", ("127.0.0.1", 6379))
    assert outcome(client.request("PING")) == b"PONG"


@pytest.mark.parametrize(
    ("dialect", "older"),
    [
        ("equals", b"other=1"),
        ("resp", b"$16\r\n0123456789abcdef\r\n+OK\r\n"),
        ("resp", b"+OK\r\n+OK\r\n+OK\r\n"),
        ("resp", b"rubbish"),
        ("resp", b""),
        ("resp", b"*3\r\n$1"),
    ],
)
def test_an_older_or_damaged_reply_is_not_taken_for_this_one(network: Network, dialect: str, older: bytes) -> None:
    network.plan = [lost]
    waiting = udp(network, dialect=dialect).request("GET", "k")
    network.sockets[0].protocol.datagramReceived(older, ("127.0.0.1", 6379))
    assert waits(waiting)
    network.advance(1)
    assert outcome(waiting) is None


def test_a_reply_that_is_doubled_is_taken_once(network: Network, cache: MemoryCache) -> None:
    def doubled(socket: Socket, datagram: bytes) -> None:
        answer = cache.datagrams().send(datagram)
        for _ in range(2):
            socket.protocol.datagramReceived(answer, socket.peer)

    network.plan = [doubled, doubled]
    client = udp(network)
    assert outcome(client.request("INCR", "n")) == 1
    assert outcome(client.request("INCR", "n")) == 2


def test_an_error_about_the_datagram_as_a_whole_is_the_reply(network: Network, cache: MemoryCache) -> None:
    cache.call("SET", "big", b"x" * 70_000)
    with pytest.raises(CommandError, match="reply is too large for a datagram"):
        outcome(udp(network).request("GET", "big"))


def test_one_request_is_under_way_at_a_time(network: Network) -> None:
    network.plan = [lost]
    client = udp(network)
    first, second = client.request("INCR", "n"), client.request("ECHO", "x")
    assert len(network.sent) == 1
    network.advance(1)
    with pytest.raises(TimeoutError):
        outcome(first)
    assert outcome(second) == b"x"


def test_a_closed_datagram_client_opens_another_socket(network: Network) -> None:
    client = udp(network)
    assert client.close() is None
    outcome(client.request("PING"))
    assert outcome(client.close()) is None
    assert not network.sockets[0].open
    assert outcome(client.request("PING")) == b"PONG"
    assert len(network.sockets) == 2


def test_to_close_while_a_request_waits_ends_it(network: Network) -> None:
    network.plan = [lost] * 3
    client = udp(network, retries=0)
    waiting = client.request("GET", "k")
    client.close()
    with pytest.raises(ConnectionLost):
        outcome(waiting)
    network.advance(1)
    assert network.getDelayedCalls() == []


def test_a_socket_that_is_closed_later_does_not_disturb_the_next_try(network: Network) -> None:
    """On a real reactor a port is closed in a later turn, and tells its protocol so."""
    network.plan = [lost]
    client = udp(network, timeout=1)
    waiting = client.request("GET", "k")
    first = client._protocol
    network.plan = [lost]
    network.advance(1)
    assert first is not None
    first.stopProtocol()
    first.datagramReceived(b"$1\r\nv\r\n", ("127.0.0.1", 6379))
    network.advance(1)
    assert outcome(waiting) is None
    assert len(network.sockets) == 3


@pytest.mark.parametrize("tail", ["NX", "XX GET", "EX", "EX 1 PX 2", "and more"])
def test_what_would_become_part_of_the_value_is_refused_in_the_command_dialect(network: Network, tail: str) -> None:
    with pytest.raises(ValueError, match="part of the value"):
        udp(network, dialect="command").request("SET", "k", "v", *tail.split())


@pytest.mark.parametrize("tail", ["", "ex 10", "PXAT 99999999999999", "keepttl"])
def test_time_options_are_sent_in_the_command_dialect(network: Network, cache: MemoryCache, tail: str) -> None:
    assert outcome(udp(network, dialect="command").request("SET", "k", "v", *tail.split())) == b"OK"
    assert cache.call("GET", "k") == b"v"


def test_an_ipv6_server_is_asked_from_an_ipv6_socket(network: Network) -> None:
    client = DatagramClient("::1", 6379, reactor=network)
    assert outcome(client.request("PING")) == b"PONG"
    assert network.sockets[0].interface == "::"
    assert network.sockets[0].peer == ("::1", 6379)


def test_a_cancelled_request_is_not_answered_in_place_of_the_next(network: Network, cache: MemoryCache) -> None:
    network.plan = [lost]
    client = udp(network, dialect="command")
    first = client.request("GET", "first")
    late = client._protocol
    first.addErrback(lambda _: None)
    first.cancel()
    cache.call("SET", "second", "right")
    network.plan = [lost]
    second = client.request("GET", "second")
    assert late is not None
    late.datagramReceived(b"wrong\n", ("127.0.0.1", 6379))
    network.advance(1)
    assert outcome(second) == b"right"


def test_a_closed_client_does_not_try_again(plain: StreamClient, endpoint: Endpoint) -> None:
    waiting = plain.request("GET", "k")
    plain.close()
    with pytest.raises(ConnectionLost):
        outcome(waiting)
    assert endpoint.attempts == 1
    assert endpoint.streams[0].lost


def test_requests_that_wait_for_a_connection_share_one_attempt_and_its_end() -> None:
    timer = Clock()
    attempts: list[Deferred[Any]] = []

    class Silent:
        def connect(self, factory: Any) -> Deferred[Any]:
            attempts.append(Deferred())
            return attempts[-1]

    endpoint: Any = Silent()
    client = StreamClient(endpoint, timeout=5, retries=1, clock=timer)
    waiting = [client.request("GET", "k") for _ in range(100)]
    cancelled = client.request("GET", "k")
    cancelled.addErrback(lambda _: None)
    cancelled.cancel()
    assert len(attempts) == 1
    for _ in range(2):
        timer.advance(5)
    for each in waiting:
        with pytest.raises(TimeoutError):
            outcome(each)
    assert len(attempts) == 2


# Many requests at once


def held(answers: list[Any]) -> Callable[[Socket, bytes], None]:
    """A network that keeps what the server answers, to be handed on when and as often as the test likes."""

    def keep(socket: Socket, datagram: bytes) -> None:
        assert socket.network.face is not None
        answers.append((socket, socket.network.face.send(datagram)))

    return keep


def hand_on(answer: Any) -> None:
    socket, datagram = answer
    if socket.open:
        socket.protocol.datagramReceived(datagram, socket.peer)


def test_requests_that_are_asked_at_once_get_their_own_replies(cache: MemoryCache) -> None:
    answers: list[Any] = []
    network = Network(cache.datagrams("resp"))
    network.plan = [held(answers)] * 3
    client = udp(network)
    waiting = [client.request("INCR", "n") for _ in range(3)]
    for number in range(3):
        assert all(waits(each) for each in waiting[number:])
        hand_on(answers[number])
        hand_on(answers[number])  # doubled on its way
        hand_on(answers[0])  # and an old one once more
    assert [outcome(each) for each in waiting] == [1, 2, 3]
    assert cache.call("GET", "n") == b"3"


def test_a_reply_that_comes_after_its_time_is_not_taken_for_the_next(cache: MemoryCache) -> None:
    answers: list[Any] = []
    network = Network(cache.datagrams("resp"))
    network.plan = [held(answers)]
    client = udp(network, timeout=0.5, retries=0)
    late, next_one = client.request("INCR", "n"), client.request("INCR", "n")
    network.advance(0.5)
    with pytest.raises(TimeoutError):
        outcome(late)
    hand_on(answers[0])
    assert outcome(next_one) == 2


# What holds for one connection, and what waits


@pytest.mark.parametrize("line", ["SELECT 1", "select 1", "AUTH x", "HELLO 3", "RESET"])
def test_what_would_be_forgotten_with_a_connection_is_refused(plain: StreamClient, line: str) -> None:
    with pytest.raises(ValueError, match="would hold for one connection only: give database, password and resp"):
        plain.request(*line.split())


@pytest.mark.parametrize("resp", [0, 1, 4, "3"])
def test_a_version_that_is_none_is_refused(endpoint: Endpoint, resp: Any) -> None:
    with pytest.raises(ValueError, match="resp is the protocol version, 2 or 3"):
        StreamClient(endpoint, resp=resp)


def test_a_database_is_selected_again_when_a_connection_was_lost(cache: MemoryCache) -> None:
    client = StreamClient(cache.endpoint(), database=3, clock=cache.clock)
    assert outcome(client.request("SET", "k", "three")) == b"OK"
    cache.call("CLIENT", "KILL", "TYPE", "normal")
    assert outcome(client.request("GET", "k")) == b"three"


def test_a_request_that_waits_keeps_no_other_from_its_reply(cache: MemoryCache) -> None:
    client = StreamClient(cache.endpoint(), clock=cache.clock, timeout=5)
    waiting = client.request("BLPOP", "k", 0)
    assert outcome(client.request("PING")) == b"PONG"
    cache.clock.advance(3600)
    assert waits(waiting)
    assert outcome(client.request("RPUSH", "k", "a")) == 1
    assert outcome(waiting) == [b"k", b"a"]
    cache.clock.advance(1)
    assert cache.call("INFO", "clients").count(b"connected_clients:1\r\n") == 1  # it has closed that connection


def test_a_request_that_waits_has_as_much_time_as_it_asks_for_and_the_clients_own(
    plain: StreamClient, endpoint: Endpoint, timer: Clock
) -> None:
    waiting = plain.request("BLPOP", "k", 10)
    timer.advance(14.9)
    assert waits(waiting)
    timer.advance(0.2)
    with pytest.raises(TimeoutError):
        outcome(waiting)


@pytest.mark.parametrize("connected", [True, False])
def test_what_waits_fails_when_the_client_is_closed(endpoint: Endpoint, timer: Clock, connected: bool) -> None:
    client = StreamClient(endpoint, resp=3, clock=timer)
    waiting = client.request("BLPOP", "k", 0)
    if connected:
        endpoint.answer(b"%0\r\n")
    client.close()
    if not connected:
        endpoint.answer(b"%0\r\n")
    with pytest.raises(ConnectionLost, match="the client was closed"):
        outcome(waiting)
    assert endpoint.streams[0].lost
