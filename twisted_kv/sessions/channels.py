"""Pub/sub: who is subscribed to which channels, patterns and shard channels.

A subscriber is anything with a `push` method: a session, or a subscription within the process.  Publishing never
waits: what each subscriber does with a message, and when, is its own business.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Callable, Dict, Final, Iterator, List, Protocol

from twisted_kv.vocabulary.glob import Matcher, compile_pattern
from twisted_kv.vocabulary.replies import Push


class Kind(IntEnum):
    """What a subscription names."""

    CHANNEL = 0
    """One channel."""
    PATTERN = 1
    """All channels whose name matches a pattern."""
    SHARD = 2
    """One shard channel; these have names of their own."""


class Subscriber(Protocol):
    """A receiver of messages."""

    def push(self, message: Push, /) -> None:
        """Accept a message: `message CHANNEL PAYLOAD`, `pmessage PATTERN CHANNEL PAYLOAD` or `smessage ...`.

        All its parts are bytes, and the same object goes to all subscribers.
        """


NAME_SIZE: Final = 400
"""Bytes of memory of a subscription besides its name: measured for 300,000 channels of one client."""

Receive = Callable[[Push], None]

Subscribers = Dict[Subscriber, Receive]
"""Subscribers in the order in which they have subscribed, with what accepts their messages."""


def match_names(pattern: bytes) -> Matcher:
    """Return a function that checks whether a channel's name matches a pattern.

    As in Redis, a single star does not match the empty name here, unlike in KEYS, where it stands for everything.
    """
    return bool if pattern == b"*" else compile_pattern(pattern)


class Channels:
    """The subscribers of one cache."""

    __slots__ = ("_matchers", "_names")

    def __init__(self) -> None:
        self._names: List[Dict[bytes, Subscribers]] = [{} for _ in Kind]
        self._matchers: Dict[bytes, Matcher] = {}

    def publish(self, channel: bytes, payload: bytes) -> int:
        """Send a message to the subscribers of a channel and of the patterns that match; return how many got it.

        A subscriber gets it once for the channel and once for each pattern.
        """
        count = 0
        if self._names[Kind.CHANNEL]:
            count = self._send(Kind.CHANNEL, channel, Push((b"message", channel, payload)))
        if self._matchers:
            for pattern in [each for each, matches in self._matchers.items() if matches(channel)]:
                count += self._send(Kind.PATTERN, pattern, Push((b"pmessage", pattern, channel, payload)))
        return count

    def publish_to_shard(self, channel: bytes, payload: bytes) -> int:
        """Send a message to the subscribers of a shard channel; return how many got it."""
        return self._send(Kind.SHARD, channel, Push((b"smessage", channel, payload)))

    def names(self, kind: Kind) -> Iterator[bytes]:
        """Return all names that have subscribers."""
        return iter(self._names[kind])

    def count(self, kind: Kind, name: bytes | None = None) -> int:
        """Count the subscribers of a name, or the names that have some."""
        return len(self._names[kind]) if name is None else len(self._names[kind].get(name, ()))

    def add(self, kind: Kind, name: bytes, subscriber: Subscriber, receive: Receive) -> None:
        """Add a subscriber, who is not subscribed to this name yet; `receive` accepts messages in its place."""
        self._names[kind].setdefault(name, {})[subscriber] = receive
        if kind is Kind.PATTERN and name not in self._matchers:
            self._matchers[name] = match_names(name)

    def remove(self, kind: Kind, name: bytes, subscriber: Subscriber) -> None:
        """Remove a subscriber of a name."""
        subscribers = self._names[kind][name]
        del subscribers[subscriber]
        if not subscribers:
            del self._names[kind][name]
            if kind is Kind.PATTERN:
                del self._matchers[name]

    def _send(self, kind: Kind, name: bytes, message: Push) -> int:
        # A copy, because a subscriber whose buffer is full is disconnected, and so leaves.
        subscribers = self._names[kind].get(name)
        if subscribers is None:
            return 0
        receivers = tuple(subscribers.values())
        for receive in receivers:
            receive(message)
        return len(receivers)


class Subscriptions:
    """What one subscriber is subscribed to.  `receive` accepts its messages, by default its method `push`."""

    __slots__ = ("_channels", "_receive", "_subscriber", "memory", "names")

    def __init__(self, channels: Channels, subscriber: Subscriber, receive: Receive | None = None) -> None:
        self._channels = channels
        self._subscriber = subscriber
        self._receive = receive or subscriber.push
        self.names: List[Dict[bytes, None]] = [{} for _ in Kind]
        """The names by kind, in the order of their subscription."""
        self.memory = 0
        """Bytes of memory of the names and of their entries in two tables, as an estimate."""

    def __bool__(self) -> bool:
        return any(self.names)

    def count(self, kind: Kind) -> int:
        """Return the count that a reply about this kind gives: channels and patterns are counted together."""
        return len(self.names[SHARD]) if kind is SHARD else len(self.names[CHANNEL]) + len(self.names[PATTERN])

    def add(self, kind: Kind, name: bytes) -> None:
        """Subscribe to a name, unless it is subscribed to already."""
        if name not in self.names[kind]:
            self.names[kind][name] = None
            self.memory += len(name) + NAME_SIZE
            self._channels.add(kind, name, self._subscriber, self._receive)

    def remove(self, kind: Kind, name: bytes) -> None:
        """Unsubscribe from a name, if it is subscribed to."""
        if name in self.names[kind]:
            del self.names[kind][name]
            self.memory -= len(name) + NAME_SIZE
            self._channels.remove(kind, name, self._subscriber)

    def end(self) -> None:
        """Unsubscribe from everything."""
        for kind in Kind:
            for name in list(self.names[kind]):
                self.remove(kind, name)


CHANNEL: Final = Kind.CHANNEL
PATTERN: Final = Kind.PATTERN
SHARD: Final = Kind.SHARD
