"""The kit for tests: fake clock, fake transports and fake endpoints that behave as the real ones do."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from twisted_kv.testing import START, Clock, DatagramTransport, MemoryCache, MemoryDatagrams, StreamTransport
from twisted_kv.vocabulary.errors import CommandError, SessionEnded
from twisted_kv.vocabulary.replies import Push
from twisted_kv.wire.dialects import DIALECTS

# The clock


def test_the_clock_begins_at_a_plausible_date_or_where_it_is_told() -> None:
    assert Clock().seconds() == START == 1_767_225_600
    assert Clock(5).seconds() == 5.0


def test_ten_steps_of_a_tenth_are_exactly_a_second() -> None:
    clock = Clock()
    for _ in range(10):
        clock.advance(0.1)
    assert clock.seconds() == START + 1


def test_calls_are_made_when_they_fall_due_and_not_before() -> None:
    clock = Clock()
    called: list[float] = []
    clock.callLater(0.3, lambda: called.append(clock.seconds()))
    clock.advance(0.1)
    clock.advance(0.1)
    assert called == []
    clock.advance(0.1)
    assert len(called) == 1


def test_the_cache_lives_by_the_clock(cache: MemoryCache, clock: Clock) -> None:
    cache.call("SET", "k", "v", "PX", 100)
    clock.advance(0.099)
    assert cache.call("GET", "k") == b"v"
    clock.advance(0.001)
    assert cache.call("GET", "k") is None


def test_a_key_goes_by_itself_when_its_time_has_come(cache: MemoryCache, clock: Clock) -> None:
    cache.call("SET", "k", "v", "PX", 100)
    clock.advance(0.1)
    assert cache.call("DBSIZE") == 0


def test_two_caches_may_share_one_clock() -> None:
    clock = Clock()
    first, second = MemoryCache(clock=clock), MemoryCache(clock=clock)
    first.call("SET", "k", "1", "EX", 1)
    second.call("SET", "k", "2", "EX", 2)
    clock.advance(1)
    assert first.call("GET", "k") is None
    assert second.call("GET", "k") == b"2"
    first.stop()
    second.stop()
    assert clock.getDelayedCalls() == []


# The fake stream


class Recorder(Protocol):
    """Notes what its transport tells it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.received = b""

    def connectionMade(self) -> None:
        self.events.append("made")

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure) -> None:
        reason.trap(ConnectionDone)
        self.events.append("lost")

    def pauseProducing(self) -> None:
        self.events.append("pause")

    def resumeProducing(self) -> None:
        self.events.append("resume")

    def stopProducing(self) -> None:
        self.events.append("stop")


def recorded(capacity: int | None = None) -> tuple[StreamTransport, Recorder]:
    transport, protocol = StreamTransport(capacity=capacity), Recorder()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    transport.registerProducer(protocol, True)
    return transport, protocol


def test_a_stream_that_is_full_pauses_its_producer_and_resumes_it_when_there_is_room() -> None:
    transport, protocol = recorded(capacity=10)
    transport.write(b"x" * 10)
    assert protocol.events == ["made"]
    transport.write(b"x")
    assert protocol.events == ["made", "pause"]
    assert transport.take() == b"x" * 11
    assert protocol.events == ["made", "pause", "resume"]


def test_a_stream_without_a_capacity_never_pauses() -> None:
    transport, protocol = recorded()
    transport.write(b"x" * 1_000_000)
    assert len(transport.take()) == 1_000_000
    assert protocol.events == ["made"]


def test_a_stream_that_is_to_end_ends_when_all_was_taken() -> None:
    transport, protocol = recorded(capacity=10)
    transport.write(b"bye")
    transport.unregisterProducer()
    transport.loseConnection()
    assert protocol.events == ["made"]
    assert transport.take() == b"bye"
    assert protocol.events == ["made", "lost"]
    transport.write(b"late")
    assert transport.take() == b""
    assert protocol.events == ["made", "lost"]


def test_an_aborted_stream_ends_at_once_and_once() -> None:
    transport, protocol = recorded(capacity=10)
    transport.write(b"unread")
    transport.abortConnection()
    transport.abortConnection()
    assert protocol.events == ["made", "lost"]


def test_a_stream_without_a_protocol_may_end() -> None:
    transport = StreamTransport()
    transport.loseConnection()
    assert transport.lost


# The fake client


def test_a_memory_connection_calls_and_raises_errors(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.call("SET", "k", 1.5) == b"OK"
    assert client.call("GET", b"k") == b"1.5"
    with pytest.raises(CommandError) as caught:
        client.call("HGET", "k", "f")
    assert caught.value.code == "WRONGTYPE"


def test_a_pushed_message_before_the_reply_is_passed_over(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.protocol.connection.push(Push([b"news"]))
    assert client.call("PING") == b"PONG"


def test_a_request_that_is_not_answered_is_said_so(cache: MemoryCache) -> None:
    client = cache.connect()
    with pytest.raises(ConnectionDone):
        client.call("POST", "/")
    assert client.closed


def test_a_request_that_waits_is_owed_its_reply_and_no_other_gets_it(cache: MemoryCache) -> None:
    client = cache.connect()
    with pytest.raises(AssertionError, match="no reply came: it is owed"):
        client.call("BLPOP", "k", 0)
    with pytest.raises(RuntimeError, match="a reply is owed"):
        client.call("PING")
    cache.call("RPUSH", "k", "a")
    assert client.call("PING") == b"PONG"


def test_replies_that_come_later_come_in_their_order(cache: MemoryCache) -> None:
    client = cache.connect()
    replies: list[object] = []
    for words in (["BLPOP", "k", 0], ["PING"], ["LPUSH", "k"], ["BLPOP", "k", "1"]):
        client.request(*words).addBoth(replies.append)
    assert replies == []
    cache.call("RPUSH", "k", "a")
    assert [str(getattr(reply, "value", reply)) for reply in replies] == [
        "[b'k', b'a']",
        "b'PONG'",
        "ERR wrong number of arguments for 'lpush' command",
    ]
    cache.clock.advance(1)
    assert len(replies) == 4
    client.request("BLPOP", "k", 0).addBoth(replies.append)
    client.close()
    assert isinstance(getattr(replies[4], "value", None), ConnectionDone)


def test_each_client_has_a_port_of_its_own(cache: MemoryCache) -> None:
    assert len({cache.connect().protocol.connection.peer for _ in range(10)}) == 10


def test_a_memory_session_has_a_database_of_its_own(cache: MemoryCache) -> None:
    with cache.session() as session:
        session.call("SELECT", 1)
        session.call("SET", "k", "v")
    assert cache.call("EXISTS", "k") == 0


def test_the_config_of_a_memory_cache_is_by_redis_names() -> None:
    cache = MemoryCache({"databases": 2, "timeout": "7", "protected-mode": False})
    assert cache.call("CONFIG", "GET", "timeout") == {b"timeout": b"7"}
    assert cache.call("CONFIG", "GET", "protected-mode") == {b"protected-mode": b"no"}
    with pytest.raises(CommandError, match="out of range"):
        cache.session().call("SELECT", 2)
    cache.stop()
    with pytest.raises(ValueError, match="unknown setting 'nonsense'"):
        MemoryCache({"nonsense": 1})


# The fake socket


def test_a_datagram_gives_its_answer_or_silence(cache: MemoryCache) -> None:
    face = cache.datagrams()
    assert face.send(b"foo=bar") is None
    assert face.send(b"foo", ("127.0.0.1", 9)) == b"foo=bar"
    assert face.transport.sent == [(b"foo=bar", ("127.0.0.1", 9))]


def test_a_datagram_transport_can_refuse_and_can_be_short() -> None:
    transport = DatagramTransport(max_packet_size=100)
    assert transport.maxPacketSize == 100
    transport.refuses = True
    with pytest.raises(OSError, match="refused"):
        transport.write(b"x")


def test_datagrams_may_be_pinned_to_a_dialect_by_name(cache: MemoryCache) -> None:
    assert cache.datagrams("equals").send(b"PING") == b"keyDoesNotExists"
    assert cache.datagrams("equals", binary=True).send(b"\n") == b"keyDoesNotExists"
    assert MemoryDatagrams(cache.service, DIALECTS["command"]()).send(b"PING") == b"PONG\n"
    with pytest.raises(KeyError):
        cache.datagrams("morse")


# The fake endpoint


def connected(cache: MemoryCache) -> Recorder:
    waiting = cache.endpoint().connect(Factory.forProtocol(Recorder))
    found: list[Recorder] = []
    waiting.addCallback(found.append)
    return found[0]


def test_an_endpoint_leads_into_the_cache(cache: MemoryCache) -> None:
    protocol = connected(cache)
    assert protocol.transport.getPeer().port == 6379
    assert protocol.transport.getHost().port == 54321
    protocol.transport.setTcpNoDelay(True)
    protocol.transport.setTcpKeepAlive(True)
    protocol.transport.write(b"PING\r\nPING\r\n")
    assert protocol.received == b"+PONG\r\n+PONG\r\n"


def test_both_ends_of_a_pipe_learn_of_its_end(cache: MemoryCache) -> None:
    protocol = connected(cache)
    protocol.transport.loseConnection()
    protocol.transport.loseConnection()
    assert protocol.events == ["made", "lost"]
    assert cache.factory.connections == set()
    protocol.transport.write(b"PING\r\n")
    assert protocol.received == b""


def test_the_server_may_end_the_pipe(cache: MemoryCache) -> None:
    protocol = connected(cache)
    protocol.transport.write(b"QUIT\r\nPING\r\n")
    assert protocol.received == b"+OK\r\n"
    assert protocol.events == ["made", "lost"]


def test_bytes_behind_an_abort_are_not_delivered(cache: MemoryCache) -> None:
    class Hasty(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.transport.write(b"SET k v\r\n")
            self.transport.abortConnection()
            self.transport.write(b"SET late v\r\n")

    found: list[Hasty] = []
    cache.endpoint().connect(Factory.forProtocol(Hasty)).addCallback(found.append)
    assert found[0].events == ["made", "lost"]
    assert cache.call("EXISTS", "late") == 0
    assert cache.factory.connections == set()


def test_an_endpoint_can_refuse(cache: MemoryCache) -> None:
    endpoint = cache.endpoint()
    endpoint.refuses = True
    failures: list[Failure] = []
    endpoint.connect(Factory.forProtocol(Recorder)).addErrback(failures.append)
    assert failures[0].check(ConnectionRefusedError)
    endpoint.refuses = False
    assert connected(cache).events == ["made"]


def test_a_stopped_memory_cache_leaves_no_timer_and_no_client() -> None:
    cache = MemoryCache({"timeout": 5})
    client = cache.connect()
    cache.call("SET", "k", "v", "EX", 5)
    assert cache.clock.getDelayedCalls() != []
    cache.stop()
    assert client.closed
    assert cache.clock.getDelayedCalls() == []
    assert cache.call("GET", "k") == b"v"


@pytest.mark.parametrize("before", range(0, 2000, 7))
def test_a_call_is_made_when_its_time_was_added_up(before: int) -> None:
    clock = Clock()
    clock.advance(before / 1000)
    for delay in range(1, 200, 7):
        calls: list[int] = []
        clock.callLater(delay / 1000, calls.append, delay)
        clock.advance(delay / 1000)
        assert calls == [delay]


# From one test to the next


def test_a_cache_stops_where_its_with_ends() -> None:
    with MemoryCache() as cache:
        client = cache.connect()
        assert client.call("PING") == b"PONG"
    assert client.transport.lost
    assert cache.clock.getDelayedCalls() == []


def test_reset_leaves_nothing_of_the_test_before() -> None:
    with MemoryCache({"maxclients": "7"}) as cache:
        client = cache.connect()
        client.call("SELECT", 3)
        client.call("SET", "k", "v", "EX", 100)
        session = cache.session()
        session.call("SELECT", 1)
        session.call("WATCH", "w")
        session.call("MULTI")
        cache.call("CONFIG", "SET", "maxclients", "9", "client-output-buffer-limit", "pubsub 1 1 1")
        cache.call("CONFIG", "SET", "maxmemory", "1gb")
        failures: list[Failure] = []
        for each in (cache, cache.session()):
            each.request("BLPOP", "waited", 0).addErrback(failures.append)
        cache.call("GET", "nobody")
        with pytest.raises(CommandError):
            cache.call("LPUSH", "nobody")
        cache.reset()
        assert client.transport.lost
        assert [failure.type for failure in failures] == [SessionEnded, SessionEnded]
        assert session.call("CLIENT", "INFO").split(b" db=")[1].startswith(b"0 ")
        assert session.call("SET", "a", "b") == b"OK"
        assert cache.call("DBSIZE") == 1
        assert cache.call("CONFIG", "GET", "maxclients") == {b"maxclients": b"7"}
        assert cache.call("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"0"}
        assert (
            b"pubsub 33554432 8388608 60"
            in cache.call("CONFIG", "GET", "client-output*")[b"client-output-buffer-limit"]
        )
        information = cache.call("INFO", "everything")
        assert b"keyspace_misses:0\r\n" in information
        assert b"errorstat_" not in information
        assert b"cmdstat_blpop" not in information
        assert cache.connect().call("GET", "k") is None


def test_an_endpoint_may_be_used_on_after_a_reset() -> None:
    with MemoryCache() as cache:
        lost: list[Failure] = []

        class Client(Protocol):
            def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]  # as Twisted's
                lost.append(reason)

        endpoint = cache.endpoint()
        endpoint.connect(Factory.forProtocol(Client))
        cache.reset()
        assert len(lost) == 1
        endpoint.connect(Factory.forProtocol(Client))
        assert len(lost) == 1
        assert len(cache.factory.connections) == 1


def test_reset_sets_the_clock_back_if_it_is_asked_to() -> None:
    with MemoryCache() as cache:
        cache.clock.advance(1000.5)
        cache.clock.jump(-7)
        cache.reset()
        assert cache.clock.seconds() == START + 993.5
        cache.reset(clock=True)
        assert cache.clock.seconds() == START
        cache.call("SET", "k", "v", "PX", 100)
        cache.clock.advance(0.1)
        assert cache.call("GET", "k") is None
