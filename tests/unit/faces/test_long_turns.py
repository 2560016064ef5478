"""A wake-up that takes too long leaves what is left to the next one: others have their turn."""

from __future__ import annotations

from typing import Any, List, Sequence

import pytest

from twisted_kv.engine.wakeup import REQUESTS, TURN
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.wire.encoder import encode_request


class Slow:
    """A cache whose requests take some time each."""

    def __init__(self, milliseconds: float) -> None:
        self.milliseconds = milliseconds
        self.clock = Clock()
        self.cache = MemoryCache(clock=self.clock)
        dispatcher = self.cache.service.dispatcher
        request = dispatcher.request
        self.run: List[bytes] = []

        def slow(session: Any, words: Sequence[bytes]) -> Any:
            self.clock.rightNow += self.milliseconds / 1000
            self.run.append(words[-1])
            return request(session, words)

        dispatcher.request = slow  # type: ignore[method-assign]  # as a request that is costly

    def pipeline(self, name: str, count: int, command: bytes = b"ECHO") -> bytes:
        return b"".join(encode_request([command, b"%b%d" % (name.encode(), number)]) for number in range(count))


@pytest.mark.pure
def test_a_client_that_pipelines_costly_requests_lets_others_have_theirs() -> None:
    slow = Slow(TURN + 1)
    first, other = slow.cache.connect(), slow.cache.connect()
    replies = first.send(slow.pipeline("a", 40))
    other.send(slow.pipeline("b", 1))
    for _ in range(60):
        slow.clock.advance(0)
    assert len(slow.run) == 41
    assert slow.run.index(b"b0") < 6
    assert [word for word in slow.run if word.startswith(b"a")] == [b"a%d" % number for number in range(40)]
    assert (replies + first.transport.take()).count(b"$") == 40


@pytest.mark.pure
def test_quick_requests_are_run_together() -> None:
    slow = Slow(0.001)
    client = slow.cache.connect()
    assert client.send(slow.pipeline("a", 500)).count(b"$") == 500


@pytest.mark.pure
def test_who_was_quick_and_becomes_costly_lets_others_have_their_turn_at_once() -> None:
    slow = Slow(0)
    first, other = slow.cache.connect(), slow.cache.connect()
    first.send(slow.pipeline("quick", 500))
    slow.milliseconds = TURN + 1
    slow.run.clear()
    replies = first.send(slow.pipeline("a", 90, b"KEYS"))  # its time depends on the data, unlike that of ECHO
    other.send(slow.pipeline("b", 1))
    for _ in range(100):
        slow.clock.advance(0)
    assert slow.run.index(b"b0") < 3
    assert [word for word in slow.run if word.startswith(b"a")] == [b"a%d" % number for number in range(90)]
    assert (replies + first.transport.take()).count(b"*0") == 90


@pytest.mark.pure
def test_a_burst_of_costly_datagrams_leaves_room_for_others() -> None:
    slow = Slow(1)
    face, client = slow.cache.datagrams("command"), slow.cache.connect()
    face.protocol.datagramsReceived([(b"ECHO d%d" % number, ("127.0.0.1", 5)) for number in range(60)])
    client.send(slow.pipeline("c", 1))
    for _ in range(20):
        slow.clock.advance(0)
    assert len(slow.run) == 61
    assert slow.run.index(b"c0") <= 2 * REQUESTS
    assert [datagram for datagram, _ in face.transport.sent] == [b"d%d\n" % number for number in range(60)]


@pytest.mark.pure
def test_of_many_connections_some_wait_for_the_next_wake_up() -> None:
    slow = Slow(3)
    wakeup = slow.cache.service.dispatcher.wakeup
    clients = [slow.cache.connect() for _ in range(40)]
    wakeup.open()
    for number, client in enumerate(clients):
        client.send(slow.pipeline(f"{number}-", 1))
    wakeup.close()
    assert len(slow.run) < 20
    for _ in range(40):
        slow.clock.advance(0)
    assert len(slow.run) == 40
    assert all(client.transport.take() for client in clients)
