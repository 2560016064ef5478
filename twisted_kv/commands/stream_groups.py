"""Commands on consumer groups, whose consumers share the entries of a stream."""

from __future__ import annotations

from itertools import islice
from typing import Sequence

import attrs

from twisted_kv.commands.streams import (
    ReadOptions,
    by_key,
    entry_reply,
    limited,
    parse_bound,
    parse_id,
)
from twisted_kv.declaring.arguments import Arguments, integer
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, after_streams, first, second
from twisted_kv.sessions.session import Session
from twisted_kv.values.consumer_groups import UNKNOWN, Consumer, ConsumerGroup, Pending
from twisted_kv.values.stream_nodes import LAST_ID, id_text, signed
from twisted_kv.values.streams import Stream
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, SubcommandError, c_string, c_text
from twisted_kv.vocabulary.numbers import INT64_MAX, UINT64_MAX
from twisted_kv.vocabulary.replies import NULL_ARRAY, OK, Reply
from twisted_kv.vocabulary.waiting import Block

stream_groups = Group("stream", category="stream")

stream_groups.container("XGROUP", since="5.0.0", summary="Create and change consumer groups.")

_ATTEMPTS = 10
"""Entries that XAUTOCLAIM examines for each that it may claim."""


def _no_group(key: bytes, name: bytes, where: str = "") -> CommandError:
    return CommandError(f"No such key '{c_text(key)}' or consumer group '{c_text(name)}'{where}", "NOGROUP")


def _edit_read(session: Session, key: bytes) -> Stream | None:
    """Return a stream for changing it, but count it as read: commands on pending entries do that in Redis."""
    session.db.read_as(key, Stream)
    return session.db.edit(key, Stream)


def _group(stream: Stream | None, key: bytes, name: bytes) -> tuple[Stream, ConsumerGroup]:
    """Return a stream and its group; raises `CommandError` if there is none."""
    group = None if stream is None else stream.group(name)
    if stream is None or group is None:
        raise _no_group(key, name)
    return stream, group


def _consumer(session: Session, key: bytes, group: ConsumerGroup, name: bytes) -> tuple[Consumer, bool]:
    """Return a consumer of a group, created if missing, and whether it was created; record that it was seen now."""
    consumer = group.consumers.get(name)
    is_new = consumer is None
    if consumer is None:
        consumer = group.consumers[name] = Consumer(name, session.now)
        session.db.changed(key, quietly=True, event=b"xgroup-createconsumer")
    consumer.seen = session.now
    return consumer, is_new


def _log_claim(
    session: Session, key: bytes, name: bytes, group: ConsumerGroup, entry_id: int, pending: Pending
) -> None:
    """Record in the journal that a consumer received an entry, or lost it because the stream no longer has it."""
    times = b"TIME", b"%d" % pending.delivered, b"RETRYCOUNT", b"%d" % signed(pending.count)
    last = b"FORCE", b"JUSTID", b"LASTID", id_text(group.last_id)
    session.journal(b"XCLAIM", key, name, pending.owner, b"0", id_text(entry_id), *times, *last)


def _log_position(session: Session, key: bytes, name: bytes, group: ConsumerGroup) -> None:
    """Record in the journal how far a group has read."""
    read = b"ENTRIESREAD", b"%d" % group.entries_read
    session.journal(b"XGROUP", b"SETID", key, name, id_text(group.last_id), *read)


# XGROUP


def _stream_of_group(session: Session, key: bytes, *, may_make: bool = False) -> Stream | None:
    stream = session.db.edit(key, Stream)
    if stream is None and not may_make:
        raise CommandError(
            "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM "
            "option to create an empty stream automatically."
        )
    return stream


def _named_group(session: Session, key: bytes, name: bytes) -> tuple[Stream, ConsumerGroup]:
    stream = _stream_of_group(session, key)
    assert stream is not None
    group = stream.group(name)
    if group is None:
        raise CommandError(f"No such consumer group '{c_text(name)}' for key name '{c_text(key)}'", "NOGROUP")
    return stream, group


def _position_options(words: Sequence[bytes], *, may_make: bool) -> tuple[bool, int]:
    """Parse MKSTREAM (for CREATE only) and ENTRIESREAD."""
    make, read = False, UNKNOWN
    arguments = Arguments(words)
    while arguments:
        if may_make and arguments.takes(b"MKSTREAM"):
            make = True
        elif arguments.left >= 2 and arguments.takes(b"ENTRIESREAD"):
            read = arguments.integer()
            if read < 0 and read != UNKNOWN:
                raise CommandError("value for ENTRIESREAD must be positive or -1")
        else:
            raise SubcommandError
    return make, read


def _position(stream: Stream | None, argument: bytes) -> int:
    if c_string(argument) == b"$":
        return 0 if stream is None else stream.last_id
    return parse_id(argument)


@stream_groups.command(
    "XGROUP CREATE",
    since="5.0.0",
    flags="write denyoom",
    keys=second("RW insert"),
    tells_after="xgroup-create",
)
def xgroup_create(session: Session, key: bytes, name: bytes, entry_id: bytes, *words: bytes) -> Reply:
    """Create a consumer group that reads the entries after an ID."""
    make, read = _position_options(words, may_make=True)
    stream = _stream_of_group(session, key, may_make=make)
    if len(words) > 3:
        raise SubcommandError
    last_id = _position(stream, entry_id)
    if stream is None:
        stream = session.db.edit_or_make(key, Stream)
    if name in stream.groups:
        raise CommandError("Consumer Group name already exists", "BUSYGROUP")
    stream.add_group(name, ConsumerGroup(last_id, read))
    session.db.changed(key, quietly=True, event=b"xgroup-create")
    return OK


@stream_groups.command(
    "XGROUP SETID",
    since="5.0.0",
    flags="write",
    keys=second("RW update"),
)
def xgroup_setid(session: Session, key: bytes, name: bytes, entry_id: bytes, *words: bytes) -> Reply:
    """Set the ID after which a consumer group reads entries."""
    _, read = _position_options(words, may_make=False)
    stream, group = _named_group(session, key, name)
    if len(words) > 2:
        raise SubcommandError
    ends = {b"-": 0, b"+": LAST_ID}
    end = ends.get(c_string(entry_id))
    group.last_id = _position(stream, entry_id) if end is None else end
    group.entries_read = read
    session.db.changed(key, quietly=True, event=b"xgroup-setid")
    return OK


@stream_groups.command(
    "XGROUP DESTROY",
    since="5.0.0",
    flags="write",
    keys=second("RW delete"),
    complexity="O(N)",
)
def xgroup_destroy(session: Session, key: bytes, name: bytes) -> Reply:
    """Remove a consumer group with its consumers; return 0 if there was none."""
    stream = _stream_of_group(session, key)
    assert stream is not None
    if not stream.drop_group(name):
        return 0
    session.db.changed(key, quietly=True, event=b"xgroup-destroy")
    session.server.services.waiting.look_again(session.db, key)
    return 1


@stream_groups.command(
    "XGROUP CREATECONSUMER",
    since="6.2.0",
    flags="write denyoom",
    keys=second("RW insert"),
)
def xgroup_createconsumer(session: Session, key: bytes, name: bytes, consumer: bytes) -> Reply:
    """Add a consumer to a group; return 0 if it already exists."""
    _, group = _named_group(session, key, name)
    if consumer in group.consumers:
        return 0
    group.consumers[consumer] = Consumer(consumer, session.now)
    session.db.changed(key, quietly=True, event=b"xgroup-createconsumer")
    return 1


@stream_groups.command(
    "XGROUP DELCONSUMER",
    since="5.0.0",
    flags="write",
    keys=second("RW delete"),
)
def xgroup_delconsumer(session: Session, key: bytes, name: bytes, consumer: bytes) -> Reply:
    """Remove a consumer from a group, and return how many entries it had not acknowledged."""
    _, group = _named_group(session, key, name)
    removed = group.consumers.pop(consumer, None)
    if removed is None:
        return 0
    for entry_id in removed.pending:
        del group.pending[entry_id]
    session.db.changed(key, quietly=True, event=b"xgroup-delconsumer")
    return len(removed.pending)


# Reading


@stream_groups.command(
    "XREADGROUP",
    since="5.0.0",
    flags="write blocking movablekeys",
    keys=after_streams("RO access", 4),
    complexity="O(M)",
    lasting=Lasting.SESSION,
)
def xreadgroup(
    session: Session,
    option: bytes,
    group: bytes,
    consumer: bytes,
    streams: bytes,
    key: bytes,
    entry_id: bytes,
    *words: bytes,
) -> Reply:
    """Return entries not yet delivered to any consumer of a group, or the pending entries of this one."""
    words = (option, group, consumer, streams, key, entry_id, *words)
    options = ReadOptions.parse(words, is_group=True, in_script=session.is_script)
    assert options.group is not None
    group, consumer = options.group
    requested: list[tuple[bytes, int | None]] = []
    for each, given in zip(options.keys, options.ids):
        stream = session.db.read_as(each, Stream)
        if stream is None or group not in stream.groups:
            raise _no_group(each, group, " in XREADGROUP with GROUP option")
        if c_string(given) == b"$":
            raise CommandError(
                "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer "
                "by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty "
                "result set."
            )
        begin = LAST_ID if c_string(given) == b">" else parse_id(given)
        requested.append((each, None if begin == LAST_ID else begin))
    found: list[tuple[bytes, Reply]] = []
    for each, start in requested:
        reply = _new_entries(session, each, options) if start is None else _history(session, each, options, start)
        if reply is not None:
            found.append((each, reply))
    if found:
        return by_key(session, found)
    if options.timeout is None:
        return NULL_ARRAY

    def again(ready: bytes) -> Sequence[bytes]:
        stream = session.db.lookup_as(ready, Stream)
        assert stream is not None
        if group not in stream.groups:
            raise CommandError("the consumer group this client was blocked on no longer exists", "NOGROUP")
        return options.again(ready, b">")

    database = session.db

    def is_for(ready: bytes) -> bool:
        stream = database.peek(ready)
        assert isinstance(stream, Stream)
        known = stream.groups.get(group)
        return known is None or stream.largest > known.last_id

    return Block(options.keys, Stream, options.timeout, again, NULL_ARRAY, gone=_stream_is_gone, is_for=is_for)


def _stream_is_gone() -> CommandError:
    return CommandError("the stream key no longer exists", "UNBLOCKED")


def _new_entries(session: Session, key: bytes, options: ReadOptions) -> Reply:
    """Deliver entries to a consumer that were not delivered to any yet; return None if there are none."""
    assert options.group is not None
    name, consumer_name = options.group
    stream, group = _group(session.db.lookup_as(key, Stream), key, name)
    if stream.largest <= group.last_id:
        return None
    session.db.edit(key, Stream)
    consumer, is_new = _consumer(session, key, group, consumer_name)
    if is_new and options.no_ack:
        session.journal(b"XGROUP", b"CREATECONSUMER", key, name, consumer_name)
    entries = list(limited(stream.range(group.last_id + 1, LAST_ID), options.count or -1))
    for entry_id, _ in entries:
        stream.advance(group, entry_id)
        if not options.no_ack:
            _log_claim(session, key, name, group, entry_id, group.give(entry_id, consumer, session.now))
    session.db.changed(key, len(entries), quietly=True)
    _log_position(session, key, name, group)
    return [entry_reply(entry) for entry in entries]


def _history(session: Session, key: bytes, options: ReadOptions, start: int) -> Reply:
    """Deliver again to a consumer the entries after an ID that it has not acknowledged."""
    assert options.group is not None
    name, consumer_name = options.group
    stream, group = _group(session.db.edit(key, Stream), key, name)
    consumer, is_new = _consumer(session, key, group, consumer_name)
    if is_new:
        session.journal(b"XGROUP", b"CREATECONSUMER", key, name, consumer_name)
    replies: list[Reply] = []
    for entry_id in list(islice(consumer.pending.ids(start + 1), options.count or None)):
        fields = stream.get(entry_id)
        if fields is not None:
            pending = consumer.pending[entry_id]
            pending.delivered = session.now
            pending.deliver()
        replies.append(entry_reply((entry_id, fields)))
    return replies


@stream_groups.command(
    "XACK",
    since="5.0.0",
    flags="write fast",
    keys=first("RW update"),
)
def xack(session: Session, key: bytes, name: bytes, entry_id: bytes, *more: bytes) -> Reply:
    """Acknowledge entries, and return how many of them were pending."""
    stream = _edit_read(session, key)
    group = None if stream is None else stream.group(name)
    if group is None:
        return 0
    ids = [parse_id(each) for each in (entry_id, *more)]
    acknowledged = sum([group.forget(each) for each in ids])
    if acknowledged:
        session.db.changed(key, acknowledged, quietly=True)
    return acknowledged


@attrs.define
class PendingOptions:
    """The arguments of XPENDING after the group."""

    idle: int = 0
    start: int = 0
    end: int = LAST_ID
    count: int = 0
    consumer: bytes | None = None

    @classmethod
    def parse(cls, words: Sequence[bytes]) -> PendingOptions:
        """Parse IDLE, the range, the count and the consumer."""
        if not 3 <= len(words) <= 6:
            raise CommandError(SYNTAX)
        options = cls()
        arguments = Arguments(words)
        if arguments.takes(b"IDLE"):
            options.idle = arguments.integer()
            if arguments.left < 3:
                raise CommandError(SYNTAX)
        start, end = arguments.word(), arguments.word()
        options.count = max(0, arguments.integer())
        options.start, options.end = parse_bound(start, low=True), parse_bound(end, low=False)
        if arguments:
            options.consumer = arguments.word()
        return options


@stream_groups.command(
    "XPENDING",
    since="5.0.0",
    flags="readonly",
    keys=first("RO access"),
    tips="nondeterministic_output",
    complexity="O(N)",
)
def xpending(session: Session, key: bytes, name: bytes, *words: bytes) -> Reply:
    """Return the pending entries of a consumer group: a summary, or each entry in a range."""
    options = PendingOptions.parse(words) if words else None
    _, group = _group(session.db.read_as(key, Stream), key, name)
    if options is None:
        if not group.pending:
            return [0, None, None, NULL_ARRAY]
        counts = [[each.name, b"%d" % len(each.pending)] for each in group.consumers.values() if each.pending]
        lowest, highest = group.pending.edges()
        return [len(group.pending), id_text(lowest), id_text(highest), counts]
    pending = group.pending
    if options.consumer is not None:
        consumer = group.consumers.get(options.consumer)
        if consumer is None:
            return []
        pending = consumer.pending
    replies: list[Reply] = []
    for entry_id in pending.ids(options.start, options.end):
        if len(replies) == options.count:
            break
        each = pending[entry_id]
        idle = signed(session.now - each.delivered)
        if options.idle and idle < options.idle:
            continue
        replies.append([id_text(entry_id), each.owner, max(0, idle), signed(each.count)])
    return replies


# Claiming


@attrs.define
class ClaimOptions:
    """The arguments of XCLAIM after the minimum idle time."""

    ids: Sequence[int]
    delivered: int
    """The date, in milliseconds, at which entries count as delivered."""
    count: int = -1
    """How often they count as delivered; if negative, their previous count is continued."""
    force: bool = False
    only_ids: bool = False
    last_id: int = 0

    @classmethod
    def parse(cls, words: Sequence[bytes], now: int) -> ClaimOptions:
        """Parse the leading IDs, and the options after them."""
        ids = []
        for each in words:
            try:
                ids.append(parse_id(each))
            except CommandError:
                break
        options = cls(ids, now)
        arguments = Arguments(words[len(ids) :])
        while arguments:
            argument = arguments.word()
            option = c_string(argument).upper()
            if option == b"FORCE":
                options.force = True
            elif option == b"JUSTID":
                options.only_ids = True
            elif option == b"IDLE" and arguments:
                options.delivered = now - integer(arguments.word(), "Invalid IDLE option argument for XCLAIM")
            elif option == b"TIME" and arguments:
                options.delivered = integer(arguments.word(), "Invalid TIME option argument for XCLAIM")
            elif option == b"RETRYCOUNT" and arguments:
                options.count = integer(arguments.word(), "Invalid RETRYCOUNT option argument for XCLAIM")
            elif option == b"LASTID" and arguments:
                options.last_id = parse_id(arguments.word())
            else:
                raise CommandError(f"Unrecognized XCLAIM option '{c_text(argument)}'")
        if not 0 <= options.delivered <= now:
            options.delivered = now
        return options

    def next_count(self, count: int) -> int:
        """Return the new delivery count of an entry whose previous count was `count`."""
        return self.count if self.count >= 0 else count + (not self.only_ids) & UINT64_MAX


class _Claim:
    """Transfers pending entries of a group to a consumer, which is created with the first of them."""

    def __init__(
        self, session: Session, key: bytes, name: bytes, consumer_name: bytes, stream: Stream, group: ConsumerGroup
    ) -> None:
        self.session = session
        self.key = key
        self.name = name
        self.consumer_name = consumer_name
        self.stream = stream
        self.group = group
        self.claimed: list[int] = []
        self.deleted: list[int] = []
        """IDs of entries that are no longer pending, because the stream does not have them either."""
        self._consumer: Consumer | None = None

    @property
    def consumer(self) -> Consumer:
        """The consumer that claims."""
        if self._consumer is None:
            self._consumer, _ = _consumer(self.session, self.key, self.group, self.consumer_name)
        return self._consumer

    def take(self, entry_id: int, pending: Pending, delivered: int, count: int) -> None:
        """Assign a pending entry to the consumer, whichever consumer had it."""
        if pending.consumer is not self.consumer:
            pending.give(entry_id, self.consumer)
        pending.delivered, pending.count = delivered, count
        self.claimed.append(entry_id)
        self._record(entry_id, pending)

    def drop(self, entry_id: int, pending: Pending) -> None:
        """Remove a pending entry from its consumer, because the stream no longer has it."""
        self.group.forget(entry_id)
        self.deleted.append(entry_id)
        self._record(entry_id, pending)

    def _record(self, entry_id: int, pending: Pending) -> None:
        _log_claim(self.session, self.key, self.name, self.group, entry_id, pending)
        self.session.db.changed(self.key, quietly=True)

    def reply(self, *, only_ids: bool) -> list[Reply]:
        """Return the claimed entries as clients see them."""
        if only_ids:
            return [id_text(entry_id) for entry_id in self.claimed]
        return [entry_reply((entry_id, self.stream.get(entry_id))) for entry_id in self.claimed]


@stream_groups.command(
    "XCLAIM",
    since="5.0.0",
    flags="write fast",
    keys=first("RW update"),
    tips="nondeterministic_output",
    complexity="O(log N)",
)
def xclaim(
    session: Session, key: bytes, name: bytes, consumer: bytes, idle: bytes, entry_id: bytes, *words: bytes
) -> Reply:
    """Claim the given entries for a consumer if they have been idle for long enough, and return them."""
    stream, group = _group(_edit_read(session, key), key, name)
    least = max(0, integer(idle, "Invalid min-idle-time argument for XCLAIM"))
    options = ClaimOptions.parse((entry_id, *words), session.now)
    is_ahead = options.last_id > group.last_id
    if is_ahead:
        group.last_id = options.last_id
    claim = _Claim(session, key, name, consumer, stream, group)
    for each in options.ids:
        pending = group.pending.get(each)
        if stream.get(each) is None:
            if pending is not None:
                claim.drop(each, pending)
            continue
        if pending is None:
            if not options.force:
                continue
            pending = group.give(each, claim.consumer, session.now)
        elif least and signed(session.now - pending.delivered) < least:
            continue
        claim.take(each, pending, options.delivered, options.next_count(pending.count))
    if is_ahead and not claim.claimed and not claim.deleted:
        _log_position(session, key, name, group)
        session.db.changed(key, quietly=True)
    return claim.reply(only_ids=options.only_ids)


@stream_groups.command(
    "XAUTOCLAIM",
    since="6.2.0",
    flags="write fast",
    keys=first("RW delete"),
    tips="nondeterministic_output",
)
def xautoclaim(
    session: Session, key: bytes, name: bytes, consumer: bytes, idle: bytes, start: bytes, *words: bytes
) -> Reply:
    """Claim pending entries for a consumer, from an ID on, if idle for long enough, and return them."""
    session.db.read(key)
    least = max(0, integer(idle, "Invalid min-idle-time argument for XAUTOCLAIM"))
    first_id = parse_bound(start, low=True)
    count, only_ids = _autoclaim_options(words)
    stream, group = _group(session.db.edit(key, Stream), key, name)
    claim = _Claim(session, key, name, consumer, stream, group)
    following = 0
    candidates = list(islice(group.pending.ids(first_id), min(count * _ATTEMPTS, len(group.pending)) + 1))
    for attempt, entry_id in enumerate(candidates):
        if attempt == count * _ATTEMPTS or len(claim.claimed) + len(claim.deleted) == count:
            following = entry_id
            break
        pending = group.pending[entry_id]
        if stream.get(entry_id) is None:
            claim.drop(entry_id, pending)
        elif not least or signed(session.now - pending.delivered) >= least:
            claim.take(entry_id, pending, session.now, pending.count + (not only_ids) & UINT64_MAX)
    return [id_text(following), claim.reply(only_ids=only_ids), [id_text(each) for each in claim.deleted]]


def _autoclaim_options(words: Sequence[bytes]) -> tuple[int, bool]:
    """Parse COUNT and JUSTID."""
    count, only_ids = 100, False
    arguments = Arguments(words)
    while arguments:
        if arguments.left >= 2 and arguments.takes(b"COUNT"):
            count = integer(arguments.word(), "COUNT must be > 0")
            if not 1 <= count <= INT64_MAX // 16:
                raise CommandError("COUNT must be > 0")
        elif arguments.takes(b"JUSTID"):
            only_ids = True
        else:
            raise CommandError(SYNTAX)
    return count, only_ids
