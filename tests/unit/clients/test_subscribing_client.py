"""The subscriptions of the stream client: confirmed, supplied, and made again when the connection is lost."""

from __future__ import annotations

import gc
from typing import Any, List

import pytest
from twisted.internet.defer import CancelledError, ensureDeferred
from twisted.internet.error import ConnectionRefusedError, TimeoutError
from twisted.logger import capturedLogs

from tests.unit.clients.test_client import Endpoint, outcome, request, waits
from twisted_kv import Message
from twisted_kv.client import StreamClient
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.vocabulary.errors import CommandError

CONFIRMED = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"


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


@pytest.mark.parametrize("resp", [2, 3])
def test_messages_come_from_the_cache(cache: MemoryCache, resp: int) -> None:
    client = StreamClient(cache.endpoint(), resp=resp, clock=cache.clock)
    got: List[Message] = []
    subscription = outcome(client.subscribe("c", "d", patterns=["x*"], callback=got.append))
    assert outcome(client.request("PUBLISH", "c", "1")) == 1
    cache.call("PUBLISH", "xy", b"\xff")
    assert got == [Message(b"c", b"1"), Message(b"xy", b"\xff", b"x*")]
    subscription.stop()
    subscription.stop()
    assert cache.call("PUBLISH", "c", "2") == 0
    assert len(got) == 2
    client.close()


def test_messages_are_read_in_a_coroutine(cache: MemoryCache) -> None:
    client = StreamClient(cache.endpoint(), clock=cache.clock)
    got: List[bytes] = []

    async def read() -> None:
        async for message in await client.subscribe("c"):
            got.append(message.payload)
            if message.payload == b"end":
                break

    done = ensureDeferred(read())
    for payload in ("1", "2", "end"):
        cache.call("PUBLISH", "c", payload)
    assert outcome(done) is None
    assert got == [b"1", b"2", b"end"]
    client.close()
    assert cache.call("PUBLISH", "c", "x") == 0


def test_it_is_not_there_before_the_server_has_confirmed_all(plain: StreamClient, endpoint: Endpoint) -> None:
    waiting = plain.subscribe("c", "d")
    assert endpoint.streams[0].take() == request(b"SUBSCRIBE", b"c") + request(b"SUBSCRIBE", b"d")
    endpoint.answer(CONFIRMED)
    assert waits(waiting)
    endpoint.answer(CONFIRMED)
    assert not outcome(waiting).is_stopped
    plain.close()


def test_a_lost_connection_is_made_again_until_it_is_stopped(
    plain: StreamClient, endpoint: Endpoint, timer: Clock
) -> None:
    got: List[bytes] = []
    waiting = plain.subscribe("c", callback=lambda message: got.append(message.payload))
    endpoint.answer(CONFIRMED)
    subscription = outcome(waiting)
    endpoint.plan = ["refuse", "silence"]
    endpoint.streams[0].abortConnection()
    timer.advance(0.1)
    assert endpoint.attempts == 2
    timer.advance(0.2)
    assert endpoint.attempts == 3
    timer.advance(5)  # no answer
    timer.advance(0.4)
    assert endpoint.attempts == 4
    assert endpoint.streams[-1].take() == request(b"SUBSCRIBE", b"c")
    endpoint.answer(CONFIRMED + b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n")
    assert got == [b"x"]
    endpoint.streams[-1].abortConnection()
    subscription.stop()
    timer.advance(100)
    assert endpoint.attempts == 4
    assert timer.getDelayedCalls() == []


def test_a_refused_confirmation_ends_a_connection_and_it_is_tried_again(
    plain: StreamClient, endpoint: Endpoint, timer: Clock
) -> None:
    waiting = plain.subscribe("c")
    endpoint.answer(CONFIRMED)
    outcome(waiting)
    endpoint.streams[0].abortConnection()
    timer.advance(0.1)
    endpoint.answer(b"-LOADING not yet\r\n")
    assert endpoint.streams[-1].lost
    timer.advance(0.2)
    assert endpoint.attempts == 3
    plain.close()
    assert timer.getDelayedCalls() == []


def test_a_quiet_connection_is_asked_for_a_sign_of_life(plain: StreamClient, endpoint: Endpoint, timer: Clock) -> None:
    waiting = plain.subscribe("c")
    endpoint.answer(CONFIRMED)
    outcome(waiting)
    endpoint.streams[0].take()
    timer.advance(30)
    assert endpoint.streams[0].take() == request(b"PING")
    endpoint.answer(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")
    timer.advance(30)
    assert endpoint.streams[0].take() == request(b"PING")
    timer.advance(5)  # no answer: it is dead
    assert endpoint.streams[0].lost
    timer.advance(0.1)
    assert endpoint.attempts == 2
    plain.close()
    assert timer.getDelayedCalls() == []


def test_what_fails_at_first_fails_at_once(plain: StreamClient, endpoint: Endpoint, timer: Clock) -> None:
    endpoint.plan = ["refuse"]
    with pytest.raises(ConnectionRefusedError):
        outcome(plain.subscribe("c"))
    waiting = plain.subscribe("c")
    endpoint.answer(b"-NOAUTH Authentication required.\r\n")
    with pytest.raises(CommandError, match="NOAUTH"):
        outcome(waiting)
    waiting = plain.subscribe("c")
    timer.advance(5)
    with pytest.raises(TimeoutError):
        outcome(waiting)
    plain.close()
    timer.advance(100)
    assert endpoint.attempts == 3
    assert timer.getDelayedCalls() == []


def test_it_is_cancelled_or_closed_before_it_is_there(plain: StreamClient, endpoint: Endpoint, timer: Clock) -> None:
    waiting = plain.subscribe("c")
    waiting.cancel()
    with pytest.raises(CancelledError):
        outcome(waiting)
    assert endpoint.streams[0].lost
    endpoint.plan = ["silence"]
    other = plain.subscribe("c")
    plain.close()
    timer.advance(100)
    with pytest.raises(Exception, match="closed"):
        outcome(other)
    assert timer.getDelayedCalls() == []


@pytest.mark.parametrize("name", ["SUBSCRIBE", "psubscribe", "UNSUBSCRIBE", "SSUBSCRIBE", "MONITOR"])
def test_a_request_that_messages_follow_is_refused(plain: StreamClient, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name.upper()} is followed by messages: call subscribe"):
        plain.request(name, "c")


def test_what_cannot_be_subscribed_to_is_an_error(plain: StreamClient) -> None:
    bad: Any = None
    with pytest.raises(ValueError, match="at least one channel"):
        plain.subscribe()
    with pytest.raises(TypeError, match="a sequence of patterns"):
        plain.subscribe(patterns="x*")
    with pytest.raises(TypeError):
        plain.subscribe(bad)


@pytest.mark.parametrize("end", ["loss", "error", "timeout", "close", "cancel"])
def test_nothing_is_left_unheard_when_several_names_fail(
    plain: StreamClient, endpoint: Endpoint, timer: Clock, end: str
) -> None:
    with capturedLogs() as logs:
        waiting = plain.subscribe("a", "b", "c")
        {
            "loss": lambda: endpoint.streams[0].abortConnection(),
            "error": lambda: endpoint.answer(b"-ERR no\r\n" * 3),
            "timeout": lambda: timer.advance(5),
            "close": plain.close,
            "cancel": waiting.cancel,
        }[end]()
        with pytest.raises(Exception):  # noqa: B017, PT011 - which one is seen above
            outcome(waiting)
        del waiting
        gc.collect()
    assert logs == []
    assert timer.getDelayedCalls() == []


@pytest.mark.parametrize(
    "words", [("CLIENT", "REPLY", "SKIP"), ("client", "tracking", "on"), ("CLIENT", "CACHING", "yes")]
)
def test_what_would_hold_for_one_connection_is_refused(plain: StreamClient, words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="would hold for one connection only"):
        plain.request(*words)


def test_a_message_that_is_cut_ends_the_connection(plain: StreamClient, endpoint: Endpoint) -> None:
    waiting = plain.subscribe("c")
    endpoint.answer(CONFIRMED)
    outcome(waiting)
    endpoint.answer(b"*2\r\n$7\r\nmessage\r\n$1\r\nc\r\n")
    assert endpoint.streams[0].lost
    plain.close()
