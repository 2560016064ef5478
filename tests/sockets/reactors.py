"""Reactors of all kinds, each made for one test and installed nowhere, and clients that live on them."""

from __future__ import annotations

import asyncio
import importlib.util
from contextlib import suppress
from typing import Any, Awaitable, Callable, Generator

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint, connectProtocol
from twisted.internet.error import ReactorNotRunning
from twisted.internet.pollreactor import PollReactor
from twisted.internet.protocol import Protocol
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

PATIENCE = 30.0
"""Seconds after which a test that is not over is a failure."""

has_uvloop = importlib.util.find_spec("uvloop") is not None


def _epoll() -> Any:
    from twisted.internet.epollreactor import EPollReactor

    return EPollReactor()


def _asyncio() -> Any:
    return AsyncioSelectorReactor(asyncio.SelectorEventLoop())


def _uvloop() -> Any:
    import uvloop

    return AsyncioSelectorReactor(uvloop.new_event_loop())


KINDS: dict[str, Callable[[], Any]] = {
    "epoll": _epoll,
    "poll": PollReactor,
    "select": SelectReactor,
    "asyncio": _asyncio,
    "uvloop": _uvloop,
}


def run(kind: str, main: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run a coroutine on a new reactor of a kind until it is over; gives what it returns.

    None if the reactor was stopped before, which `main` may do.
    """
    reactor = KINDS[kind]()
    outcome: list[Any] = []

    def begin() -> None:
        work = ensureDeferred(main(reactor))
        work.addTimeout(PATIENCE, reactor)
        work.addBoth(outcome.append)
        work.addBoth(end)

    def end(_: object) -> None:
        with suppress(ReactorNotRunning):  # it stops already
            reactor.stop()

    guard = reactor.callLater(2 * PATIENCE, end)
    reactor.callWhenRunning(begin)
    try:
        reactor.run(installSignalHandlers=False)
    finally:
        if guard.active():
            guard.cancel()
        _dismantle(reactor)
    if outcome and isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0] if outcome else None


def _dismantle(reactor: Any) -> None:
    """Close what a reactor keeps open after its end."""
    for reader in reactor._internalReaders:
        reactor.removeReader(reader)
        reader.connectionLost(None)
    poller = getattr(reactor, "_poller", None)
    if poller is not None and hasattr(poller, "close"):
        poller.close()
    loop = getattr(reactor, "_asyncioEventloop", None)
    if loop is not None:
        loop.close()


def turn(reactor: Any) -> Deferred[None]:
    """Let the reactor take a turn."""
    return deferLater(reactor, 0)


async def turns_until(reactor: Any, true: Callable[[], Any]) -> None:
    """Let the reactor take turns until something holds; the time-out of the test bounds it."""
    while not true():
        await turn(reactor)


class Client(Protocol):
    """A connection whose bytes are waited for."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False
        self.lost: Deferred[bytes] = Deferred()
        self._wanted: tuple[int, Deferred[bytes]] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._look()

    def connectionLost(self, reason: Any = None) -> None:
        self.ended = True
        if self._wanted is not None:
            self._wanted[1].errback(reason)
            self._wanted = None
        self.lost.callback(bytes(self.received))

    def read(self, size: int) -> Deferred[bytes]:
        """Wait for so many bytes, and take them."""
        self._wanted = size, Deferred()
        waiting = self._wanted[1]
        self._look()
        return waiting

    def ask(self, request: bytes, answer: bytes) -> Generator[Any, Any, None]:
        """Send a request, and hold that the answer is as it should be; to be awaited."""
        return _ask(self, request, answer)  # type: ignore[return-value]  # it is awaited only

    def _look(self) -> None:
        if self._wanted is not None and len(self.received) >= self._wanted[0]:
            (size, waiting), self._wanted = self._wanted, None
            taken = bytes(self.received[:size])
            del self.received[:size]
            waiting.callback(taken)


async def _ask(client: Client, request: bytes, answer: bytes) -> None:
    client.transport.write(request)
    received = await client.read(len(answer))
    assert received == answer, received


def connect(reactor: Any, port: Any, protocol: Protocol | None = None) -> Deferred[Any]:
    """Connect a client by plain TCP to a port of this machine, or to a Unix socket by its path."""
    if isinstance(port, str):
        return connectProtocol(UNIXClientEndpoint(reactor, port), protocol or Client())
    return connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), protocol or Client())


def done(result: Any) -> Deferred[Any]:
    """Make a Deferred of what may be one already."""
    return result if isinstance(result, Deferred) else succeed(result)
