"""Listens to the keyspace events of both servers, and compares them after each request."""

from __future__ import annotations

from typing import Any

from .replies import Word, parse
from .servers import BothServers, RealConnection, encode

ALL_EVENTS = "KEAmn"

_LATE = (b"expired",)
"""Events that Redis reports later than we do: when somebody looks at the key, or a timer finds it."""


class Listener:
    """A connection to each server that is told of all events of all databases."""

    def __init__(self, servers: BothServers) -> None:
        self._servers = servers
        servers.call("CONFIG", "SET", "notify-keyspace-events", ALL_EVENTS)
        self._real = RealConnection(servers.real_port)
        self._ours = servers.cache.connect()
        subscribe = encode(("PSUBSCRIBE", "__key*__:*"))
        assert self._real.ask(subscribe) == self._ours.send(subscribe)

    def close(self) -> None:
        """Stop listening, and let the real server tell no more."""
        self._servers.control.ask(encode(("CONFIG", "SET", "notify-keyspace-events", "")))
        self._real.close()
        self._ours.close()

    def call(self, *words: Word) -> None:
        """Send a request to both servers, and compare the reply and the events."""
        self._servers.call(*words)
        self.compare()

    def forget(self) -> None:
        """Forget the events since the last time."""
        self._read_real(), self._ours.transport.take()

    def compare(self, *, in_any_order: bool = False) -> None:
        """Compare the events since the last time."""
        theirs, ours = self._read_real(), _events(self._ours.transport.take())
        if in_any_order:
            theirs, ours = sorted(theirs), sorted(ours)
        if theirs != ours:
            said = "\n".join("  " + " ".join(repr(word) for word in each)[:300] for each in self._servers.said[-30:])
            raise AssertionError(f"the events differ after\n{said}\n  redis: {theirs}\n  ours:  {ours}")

    def _read_real(self) -> list[tuple[bytes, bytes]]:
        """Read what the real server has told before it answers a PING here."""
        data = b""
        while True:
            reply = self._real.ask(encode(("PING",))) if not data else self._real.ask(b"")
            if b"pong" in reply[:12]:
                return _events(data[4:])
            data = (data or b"more") + reply


def _events(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the channels and payloads of messages, without the events that come late."""
    found: list[tuple[bytes, bytes]] = []
    while data:
        message: Any
        message, end = parse(data)
        data = data[end:]
        channel, payload = message[1][2][1], message[1][3][1]
        if payload not in _LATE and channel.rpartition(b":")[2] not in _LATE:
            found.append((channel, payload))
    return found
