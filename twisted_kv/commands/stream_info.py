"""XINFO: information about a stream, its groups and their consumers."""

from __future__ import annotations

from itertools import islice
from typing import Sequence

from twisted_kv.commands.streams import entry_reply, limited
from twisted_kv.declaring.arguments import integer
from twisted_kv.declaring.groups import Group, second
from twisted_kv.sessions.session import Session
from twisted_kv.values.consumer_groups import UNKNOWN, Consumer, ConsumerGroup
from twisted_kv.values.stream_nodes import LAST_ID, id_text, signed
from twisted_kv.values.streams import Stream
from twisted_kv.vocabulary.errors import CommandError, SubcommandError, c_text
from twisted_kv.vocabulary.replies import Reply

stream_info = Group("stream", category="stream")

stream_info.container("XINFO", since="5.0.0", summary="Return information about streams.")

_SHOWN = 10
"""Entries that XINFO STREAM FULL shows of each list, unless COUNT sets another number."""


def _stream(session: Session, key: bytes) -> Stream:
    stream = session.db.read_as(key, Stream)
    if stream is None:
        raise CommandError("no such key")
    return stream


@stream_info.command(
    "XINFO STREAM",
    since="5.0.0",
    flags="readonly",
    keys=second("RO access"),
)
def xinfo_stream(session: Session, key: bytes, *words: bytes) -> Reply:
    """Return information about a stream: its length, its first and last entry, or everything with FULL."""
    stream = _stream(session, key)
    shown = _shown(words) if words else None
    facts: dict[bytes, Reply] = {
        b"length": signed(stream.length),
        b"radix-tree-keys": stream.nodes,
        b"radix-tree-nodes": stream.tree_nodes(),
        b"last-generated-id": id_text(stream.last_id),
        b"max-deleted-entry-id": id_text(stream.deleted_id),
        b"entries-added": signed(stream.entries_added),
        b"recorded-first-entry-id": id_text(stream.first_id),
    }
    if shown is not None:
        facts[b"entries"] = [entry_reply(entry) for entry in limited(stream.range(0, LAST_ID), shown or -1)]
        facts[b"groups"] = [_full_group(stream, name, group, shown or None) for name, group in stream.groups.items()]
        return facts
    first = next(stream.range(0, LAST_ID), None)
    last = next(stream.range(0, LAST_ID, reverse=True), None)
    facts[b"groups"] = len(stream.groups)
    facts[b"first-entry"] = None if first is None else entry_reply(first)
    facts[b"last-entry"] = None if last is None else entry_reply(last)
    return facts


def _shown(words: Sequence[bytes]) -> int:
    """Parse FULL and COUNT; return how many entries to show, 0 for all."""
    if len(words) not in (1, 3) or words[0].upper() != b"FULL" or (len(words) == 3 and words[1].upper() != b"COUNT"):
        raise SubcommandError
    count = integer(words[2]) if len(words) == 3 else _SHOWN
    return count if count >= 0 else _SHOWN


def _full_group(stream: Stream, name: bytes, group: ConsumerGroup, shown: int | None) -> Reply:
    pending = [
        [id_text(entry_id), each.owner, each.delivered, signed(each.count)]
        for entry_id, each in islice(group.pending.items(), shown)
    ]
    return {
        b"name": name,
        b"last-delivered-id": id_text(group.last_id),
        b"entries-read": None if group.entries_read == UNKNOWN else group.entries_read,
        b"lag": stream.lag(group),
        b"pel-count": len(group.pending),
        b"pending": pending,
        b"consumers": [_full_consumer(consumer, shown) for consumer in group.consumers.values()],
    }


def _full_consumer(consumer: Consumer, shown: int | None) -> Reply:
    pending = [
        [id_text(entry_id), each.delivered, signed(each.count)]
        for entry_id, each in islice(consumer.pending.items(), shown)
    ]
    return {
        b"name": consumer.name,
        b"seen-time": consumer.seen,
        b"pel-count": len(consumer.pending),
        b"pending": pending,
    }


@stream_info.command(
    "XINFO GROUPS",
    since="5.0.0",
    flags="readonly",
    keys=second("RO access"),
)
def xinfo_groups(session: Session, key: bytes) -> Reply:
    """Return information about the consumer groups of a stream."""
    stream = _stream(session, key)
    return [
        {
            b"name": name,
            b"consumers": len(group.consumers),
            b"pending": len(group.pending),
            b"last-delivered-id": id_text(group.last_id),
            b"entries-read": None if group.entries_read == UNKNOWN else group.entries_read,
            b"lag": stream.lag(group),
        }
        for name, group in stream.groups.items()
    ]


@stream_info.command(
    "XINFO CONSUMERS",
    since="5.0.0",
    flags="readonly",
    keys=second("RO access"),
    tips="nondeterministic_output",
)
def xinfo_consumers(session: Session, key: bytes, name: bytes) -> Reply:
    """Return information about the consumers of a group."""
    group = _stream(session, key).groups.get(name)
    if group is None:
        raise CommandError(f"No such consumer group '{c_text(name)}' for key name '{c_text(key)}'", "NOGROUP")
    return [
        {b"name": each.name, b"pending": len(each.pending), b"idle": max(0, signed(session.now - each.seen))}
        for each in group.consumers.values()
    ]
