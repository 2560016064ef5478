"""A replication stream between workers, as Synapse has it: txredisapi over a `MemoryCache`, without a socket."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

import txredisapi
from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from twisted_kv.testing import MemoryCache

STREAM = b"worker.server"


class Subscriber(txredisapi.SubscriberProtocol):  # type: ignore[misc]  # it has no types
    """Receives the commands of all workers."""

    def messageReceived(self, pattern: Any, channel: Any, message: Any) -> None:
        self.factory.worker.receive(message.encode())


class Subscribers(txredisapi.SubscriberFactory):  # type: ignore[misc]  # as above
    """Makes the connection that a worker receives by."""

    protocol = Subscriber
    reconnect = False

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.worker = worker


class Worker:
    """Sends rows of its stream to the others, and asks them for what it has missed."""

    def __init__(self, cache: MemoryCache, name: bytes) -> None:
        self.name = name
        self.rows: List[bytes] = []
        self.got: List[Tuple[bytes, bytes]] = []
        endpoint = cache.endpoint()
        senders = txredisapi.RedisFactory(None, None, 1)
        senders.reconnect = False
        senders.startConnecting(endpoint)
        self.sender: Any = None
        subscribers = Subscribers(self)
        subscribers.startConnecting(endpoint)
        self.connected = gatherResults([senders.deferred, subscribers.deferred]).addCallback(self._subscribe)

    def _subscribe(self, handlers: List[Any]) -> None:
        self.sender, subscriber = handlers
        subscribing = subscriber._factory.pool[0].subscribe(STREAM.decode())
        subscribing.addErrback(lambda failure: failure.trap(txredisapi.ConnectionError))  # when the cache stops

    def write(self, row: bytes) -> None:
        self.rows.append(row)
        self.send(b"RDATA", self.name, b"%d" % len(self.rows), row)

    def send(self, *words: bytes) -> None:
        self.sender.publish(STREAM, b" ".join(words))

    def receive(self, command: bytes) -> None:
        verb, _, rest = command.partition(b" ")
        if verb == b"REPLICATE":
            self.send(b"POSITION", self.name, b"%d" % len(self.rows))
            return
        name = rest.partition(b" ")[0]
        if name != self.name:
            self.got.append((verb, rest))


@inlineCallbacks
def turns_until(condition: Callable[[], bool]) -> Any:
    """Let the reactor have its turns, since txredisapi reads a part of a reply in each."""
    from twisted.internet import reactor

    for _ in range(10_000):
        if condition():
            return
        yield deferLater(reactor, 0)
    raise AssertionError("it has not come about")


class ReplicationTests(TestCase):
    """Three workers."""

    @inlineCallbacks
    def test_all_workers_receive_all_rows_in_their_order(self) -> Any:
        cache = MemoryCache()
        self.addCleanup(cache.stop)
        workers = [Worker(cache, name) for name in (b"main", b"events", b"media")]
        for worker in workers:
            yield worker.connected
        assert cache.call("PUBSUB", "NUMSUB", STREAM) == [STREAM, 3]
        main, events, media = workers
        main.send(b"REPLICATE")
        yield turns_until(lambda: len(media.got) == 2)
        assert sorted(media.got) == [(b"POSITION", b"events 0"), (b"POSITION", b"main 0")]
        for number in range(100):
            events.write(b"event-%d" % number)
            media.write(b"file-%d" % number)
        yield turns_until(lambda: len(main.got) == 202 and len(events.got) == 102)
        rows = [rest for verb, rest in main.got if verb == b"RDATA"]
        assert rows == [
            b"%b %d %b-%d" % (name, number + 1, kind, number)
            for number in range(100)
            for name, kind in ((b"events", b"event"), (b"media", b"file"))
        ]
        assert [rest for verb, rest in events.got if verb == b"RDATA"] == [
            b"media %d file-%d" % (number + 1, number) for number in range(100)
        ]
