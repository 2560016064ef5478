"""Pub/sub: messages to whoever is subscribed at that moment; nothing is stored.

A subscription belongs to a connection.  In process, `CacheService.subscribe` makes one, and the commands are refused.
"""

from __future__ import annotations

from typing import Sequence

from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, every, first
from twisted_kv.sessions.channels import CHANNEL, PATTERN, SHARD, Kind, match_names
from twisted_kv.sessions.session import Session
from twisted_kv.vocabulary.errors import CommandError, SubcommandError
from twisted_kv.vocabulary.replies import Push, Reply, Several

pubsub = Group("pubsub")

_SUBSCRIBING = "pubsub noscript loading stale"

pubsub.container(
    "PUBSUB", since="2.8.0", summary="Return information about channels and subscribers.", help_since="6.2.0"
)


@pubsub.command(
    "SUBSCRIBE",
    since="2.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N) where N is the number of channels to subscribe to.",
    lasting=Lasting.CONNECTION,
    while_subscribed=True,
)
def subscribe(session: Session, channel: bytes, *channels: bytes) -> Reply:
    """Subscribe to channels."""
    return _subscribe(session, CHANNEL, b"subscribe", (channel, *channels))


@pubsub.command(
    "PSUBSCRIBE",
    since="2.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N) where N is the number of patterns the client is already subscribed to.",
    lasting=Lasting.CONNECTION,
    while_subscribed=True,
)
def psubscribe(session: Session, pattern: bytes, *patterns: bytes) -> Reply:
    """Subscribe to all channels whose names match a pattern."""
    return _subscribe(session, PATTERN, b"psubscribe", (pattern, *patterns))


@pubsub.command(
    "SSUBSCRIBE",
    since="7.0.0",
    flags=_SUBSCRIBING,
    keys=every("not_key"),
    complexity="O(N) where N is the number of shard channels to subscribe to.",
    lasting=Lasting.CONNECTION,
    while_subscribed=True,
)
def ssubscribe(session: Session, channel: bytes, *channels: bytes) -> Reply:
    """Subscribe to shard channels."""
    if session.transaction is not None:
        raise CommandError("SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    return _subscribe(session, SHARD, b"ssubscribe", (channel, *channels))


@pubsub.command(
    "UNSUBSCRIBE",
    since="2.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N) where N is the number of clients already subscribed to a channel.",
    lasting=Lasting.CONNECTION,
    while_subscribed=True,
)
def unsubscribe(session: Session, *channels: bytes) -> Reply:
    """Unsubscribe from channels, or from all."""
    return _unsubscribe(session, CHANNEL, b"unsubscribe", channels)


@pubsub.command(
    "PUNSUBSCRIBE",
    since="2.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N+M) where N is the number of patterns the client is already subscribed and M is the number of "
    "total patterns subscribed in the system (by any client).",
    lasting=Lasting.CONNECTION,
    while_subscribed=True,
)
def punsubscribe(session: Session, *patterns: bytes) -> Reply:
    """Unsubscribe from patterns, or from all."""
    return _unsubscribe(session, PATTERN, b"punsubscribe", patterns)


@pubsub.command(
    "SUNSUBSCRIBE",
    since="7.0.0",
    flags=_SUBSCRIBING,
    keys=every("not_key"),
    complexity="O(N) where N is the number of clients already subscribed to a channel.",
    lasting=Lasting.CONNECTION,
    while_subscribed=True,
)
def sunsubscribe(session: Session, *channels: bytes) -> Reply:
    """Unsubscribe from shard channels, or from all."""
    return _unsubscribe(session, SHARD, b"sunsubscribe", channels)


def _subscribe(session: Session, kind: Kind, verb: bytes, names: Sequence[bytes]) -> Reply:
    """Subscribe to names; the reply is one message for each."""
    return Several([Push((verb, name, session.subscribe(kind, name))) for name in names])


def _unsubscribe(session: Session, kind: Kind, verb: bytes, names: Sequence[bytes]) -> Reply:
    """Unsubscribe from names, or from all of a kind; the reply is one message for each, and at least one."""
    if not names and session.subscriptions is not None:
        names = list(session.subscriptions.names[kind])
    if not names:
        count = 0 if session.subscriptions is None else session.subscriptions.count(kind)
        return Push((verb, None, count))
    return Several([Push((verb, name, session.unsubscribe(kind, name))) for name in names])


@pubsub.command(
    "PUBLISH",
    since="2.0.0",
    flags="pubsub loading stale fast may_replicate",
    complexity="O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number "
    "of subscribed patterns (by any client).",
)
def publish(session: Session, channel: bytes, message: bytes) -> Reply:
    """Send a message to the subscribers of a channel, and return how many there are."""
    return session.server.channels.publish(channel, message)


@pubsub.command(
    "SPUBLISH",
    since="7.0.0",
    flags="pubsub loading stale fast may_replicate",
    keys=first("not_key"),
    complexity="O(N) where N is the number of clients subscribed to the receiving shard channel.",
)
def spublish(session: Session, channel: bytes, message: bytes) -> Reply:
    """Send a message to the subscribers of a shard channel, and return how many there are."""
    return session.server.channels.publish_to_shard(channel, message)


_ASKING = "pubsub loading stale"


@pubsub.command(
    "PUBSUB CHANNELS",
    since="2.8.0",
    flags=_ASKING,
    complexity="O(N) where N is the number of active channels, and assuming constant time pattern matching "
    "(relatively short channels and patterns)",
)
def pubsub_channels(session: Session, *patterns: bytes) -> Reply:
    """Return the channels that have subscribers, those subscribed to by pattern aside."""
    return _active(session, CHANNEL, patterns)


@pubsub.command(
    "PUBSUB SHARDCHANNELS",
    since="7.0.0",
    flags=_ASKING,
    complexity="O(N) where N is the number of active shard channels, and assuming constant time pattern matching "
    "(relatively short shard channels).",
)
def pubsub_shardchannels(session: Session, *patterns: bytes) -> Reply:
    """Return the shard channels that have subscribers."""
    return _active(session, SHARD, patterns)


def _active(session: Session, kind: Kind, patterns: Sequence[bytes]) -> Reply:
    """Return the names that have subscribers, or those that match one pattern."""
    if len(patterns) > 1:
        raise SubcommandError
    names = session.server.channels.names(kind)
    return list(filter(match_names(patterns[0]), names)) if patterns else list(names)


@pubsub.command("PUBSUB NUMPAT", since="2.8.0", flags=_ASKING)
def pubsub_numpat(session: Session) -> Reply:
    """Return the number of different patterns that are subscribed to."""
    return session.server.channels.count(PATTERN)


@pubsub.command(
    "PUBSUB NUMSUB",
    since="2.8.0",
    flags=_ASKING,
    complexity="O(N) for the NUMSUB subcommand, where N is the number of requested channels",
)
def pubsub_numsub(session: Session, *channels: bytes) -> Reply:
    """Return the number of subscribers of each channel, those by pattern aside."""
    return _counts(session, CHANNEL, channels)


@pubsub.command(
    "PUBSUB SHARDNUMSUB",
    since="7.0.0",
    flags=_ASKING,
    complexity="O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
)
def pubsub_shardnumsub(session: Session, *channels: bytes) -> Reply:
    """Return the number of subscribers of each shard channel."""
    return _counts(session, SHARD, channels)


def _counts(session: Session, kind: Kind, names: Sequence[bytes]) -> Reply:
    count = session.server.channels.count
    return [part for name in names for part in (name, count(kind, name))]
