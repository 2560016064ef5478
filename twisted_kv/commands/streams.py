"""Commands on values that are streams: entries in the order of their IDs."""

from __future__ import annotations

from typing import Final, Iterable, Sequence

import attrs

from twisted_kv.arguments import Arguments, integer
from twisted_kv.errors import SYNTAX, ArityError, CommandError, c_string
from twisted_kv.groups import Group, behind_streams, first
from twisted_kv.numbers import UINT64_MAX
from twisted_kv.replies import NULL_ARRAY, OK, Block, Reply
from twisted_kv.sessions.session import Session
from twisted_kv.table import Lasting
from twisted_kv.values.streams import LAST_ID, NODE_ENTRIES, Fields, Stream, id_text, make_id

streams = Group("stream", category="stream")

BAD_ID: Final = "Invalid stream ID specified as stream command argument"
_TRIMMED_AT_ONCE: Final = 100 * NODE_ENTRIES


def parse_id(word: bytes, missing: int = 0) -> int:
    """Read an ID, milliseconds and a sequence number, which is `missing` if it is left out."""
    milliseconds, dash, sequence = word.partition(b"-")
    parts = _unsigned(milliseconds), _unsigned(sequence) if dash else missing
    if parts[0] is None or parts[1] is None or len(word) > 127:
        raise CommandError(BAD_ID)
    return make_id(parts[0], parts[1])


def _unsigned(word: bytes) -> int | None:
    """Read a number of 64 bits without a sign."""
    if not word.isdigit() or len(word) > 20 or (word[:1] == b"0" and len(word) > 1):
        return None
    number = int(word)
    return number if number <= UINT64_MAX else None


def parse_bound(word: bytes, *, low: bool) -> int:
    """Read a bound of a range: `-` and `+` are the first and the last of all, a bound behind `(` is left out."""
    excluded = word.startswith(b"(") and len(word) > 1
    text = word[1:] if excluded else word
    if text == b"-" or text == b"+":
        if excluded:
            raise CommandError(BAD_ID)
        return 0 if text == b"-" else LAST_ID
    bound = parse_id(text, 0 if low else UINT64_MAX)
    if not excluded:
        return bound
    if low and bound == LAST_ID:
        raise CommandError("invalid start ID for the interval")
    if not low and not bound:
        raise CommandError("invalid end ID for the interval")
    return bound + 1 if low else bound - 1


def entry_reply(entry: tuple[int, Fields | None]) -> Reply:
    """Give an entry as clients see it: its ID, and its fields and values by turns."""
    entry_id, fields = entry
    return [id_text(entry_id), None if fields is None else list(fields)]


@attrs.define
class Trim:
    """How a stream is to be shortened: to a number of entries, or of all that are older than an ID."""

    length: int | None = None
    least: int = 0
    approximately: bool = False
    limit: int | None = None
    """How many entries may go, approximately; 0 for any number."""
    is_asked: bool = False

    def take(self, option: bytes, arguments: Arguments) -> bool:
        """Read what follows an option; False if it is none of these."""
        if option in (b"MAXLEN", b"MINID") and arguments:
            if self.is_asked:
                raise CommandError("syntax error, MAXLEN and MINID options at the same time are not compatible")
            self.is_asked = True
            if arguments.left >= 2 and not arguments.takes(b"="):
                self.approximately = arguments.takes(b"~")
            if option == b"MAXLEN":
                self.length = arguments.integer()
                if self.length < 0:
                    raise CommandError("The MAXLEN argument must be >= 0.")
            else:
                self.least = parse_id(arguments.word())
        elif option == b"LIMIT" and arguments:
            self.limit = arguments.integer()
            if self.limit < 0:
                raise CommandError("The LIMIT argument must be >= 0.")
        else:
            return False
        return True

    def check(self) -> None:
        """Refuse a limit where there can be none."""
        if self.limit is not None and not self.is_asked:
            raise CommandError("syntax error, LIMIT cannot be used without specifying a trimming strategy")
        if self.limit is not None and not self.approximately:
            raise CommandError("syntax error, LIMIT cannot be used without the special ~ option")

    def run(self, stream: Stream) -> int:
        """Shorten a stream; gives how many entries went."""
        if not self.is_asked:
            return 0
        limit = (_TRIMMED_AT_ONCE if self.limit is None else self.limit) if self.approximately else 0
        return stream.trim(length=self.length, least=self.least, approximately=self.approximately, limit=limit)

    def effect(self, stream: Stream) -> tuple[bytes, ...]:
        """Give the words that shorten a stream to what it is now."""
        if not self.is_asked:
            return ()
        if self.length is not None:
            return b"MAXLEN", b"=", b"%d" % len(stream)
        return b"MINID", b"=", id_text(stream.first_id if self.approximately and len(stream) else self.least)


@attrs.define
class AddOptions:
    """What stands before the fields of XADD."""

    trim: Trim
    make: bool = True
    entry_id: int | None = None
    """The ID, or None for one to be made."""
    sequence_is_open: bool = False
    """The milliseconds alone were given, and the sequence number is to be made."""

    @classmethod
    def take(cls, arguments: Arguments) -> AddOptions:
        """Take options, and the ID that stands behind them."""
        options = cls(Trim())
        while arguments:
            word = arguments.word()
            if word == b"*":
                break
            option = c_string(word).upper()
            if option == b"NOMKSTREAM":
                options.make = False
            elif not options.trim.take(option, arguments):
                options._read_id(word)
                break
        options.trim.check()
        return options

    def _read_id(self, word: bytes) -> None:
        if word.endswith(b"-*") and _unsigned(word[:-2]) is not None:
            self.entry_id = parse_id(word[:-2])
            self.sequence_is_open = True
        else:
            self.entry_id = parse_id(word)

    def next_id(self, stream: Stream, now: int) -> int:
        """Give the ID that a new entry gets; raises `CommandError` if there is none that is above all others."""
        last = stream.last_id
        if self.entry_id is None:
            made = max(make_id(now, 0), last + 1)
            if made > LAST_ID:
                raise CommandError("The stream has exhausted the last possible ID, unable to add more items")
            return made
        entry_id = self.entry_id
        if self.sequence_is_open and entry_id >> 64 == last >> 64:
            entry_id = last + 1
            if entry_id >> 64 != last >> 64:
                entry_id = 0  # there is no sequence number left
        if entry_id <= last:
            raise CommandError("The ID specified in XADD is equal or smaller than the target stream top item")
        return entry_id


@streams.command(
    "XADD",
    since="5.0.0",
    flags="write denyoom fast",
    keys=first("RW update", notes="UPDATE instead of INSERT because of the optional trimming feature"),
    tips="nondeterministic_output",
)
def xadd(session: Session, key: bytes, entry_id: bytes, field: bytes, value: bytes, *words: bytes) -> Reply:
    """Add an entry to a stream, and return its ID."""
    arguments = Arguments((entry_id, field, value, *words))
    options = AddOptions.take(arguments)
    fields = tuple(arguments.rest())
    if not fields or len(fields) % 2:
        raise ArityError("xadd")
    if options.entry_id == 0 and not options.sequence_is_open:
        raise CommandError("The ID specified in XADD must be greater than 0-0")
    stream = session.db.lookup_as(key, Stream)
    if stream is None and not options.make:
        return None
    if stream is not None and stream.last_id == LAST_ID:
        raise CommandError("The stream has exhausted the last possible ID, unable to add more items")
    new_id = options.next_id(stream or Stream(), session.now)
    stream = session.db.edit(key, Stream, make=True)
    assert stream is not None
    stream.append(new_id, fields)
    options.trim.run(stream)
    session.db.changed(key)
    text = id_text(new_id)
    session.log(b"XADD", key, *options.trim.effect(stream), text, *fields)
    return text


@streams.command(
    "XTRIM",
    since="5.0.0",
    flags="write",
    keys=first("RW delete"),
    tips="nondeterministic_output",
    complexity="O(N)",
)
def xtrim(session: Session, key: bytes, strategy: bytes, threshold: bytes, *words: bytes) -> Reply:
    """Remove the oldest entries of a stream, and return how many they were."""
    arguments = Arguments((strategy, threshold, *words))
    trim = Trim()
    while arguments:
        if not trim.take(arguments.option(), arguments):
            raise CommandError(SYNTAX)
    if not trim.is_asked:
        raise CommandError("syntax error, XTRIM must be called with at least one trimming strategy")
    trim.check()
    stream = session.db.edit(key, Stream)
    if stream is None:
        return 0
    removed = trim.run(stream)
    if removed:
        session.db.changed(key, removed)
        session.log(b"XTRIM", key, *trim.effect(stream))
    return removed


@streams.command(
    "XDEL",
    since="5.0.0",
    flags="write fast",
    keys=first("RW delete"),
)
def xdel(session: Session, key: bytes, entry_id: bytes, *more: bytes) -> Reply:
    """Remove entries from a stream, and return how many there were."""
    ids = [parse_id(word) for word in (entry_id, *more)]
    stream = session.db.edit(key, Stream)
    if stream is None:
        return 0
    removed = sum([stream.delete(each) for each in ids])
    if removed:
        session.db.changed(key, removed)
    return removed


@streams.command(
    "XLEN",
    since="5.0.0",
    flags="readonly fast",
    keys=first("RO"),
)
def xlen(session: Session, key: bytes) -> Reply:
    """Return the number of entries of a stream."""
    stream = session.db.read_as(key, Stream)
    return 0 if stream is None else len(stream)


def _range(session: Session, key: bytes, low: bytes, high: bytes, words: tuple[bytes, ...], *, reverse: bool) -> Reply:
    start, end = parse_bound(low, low=True), parse_bound(high, low=False)
    count = -1
    arguments = Arguments(words)
    while arguments:
        if arguments.left < 2 or not arguments.takes(b"COUNT"):
            raise CommandError(SYNTAX)
        count = max(0, arguments.integer())
    stream = session.db.read_as(key, Stream)
    if stream is None:
        return []
    if count == 0:
        return NULL_ARRAY
    return [entry_reply(entry) for entry in limited(stream.range(start, end, reverse=reverse), count)]


def limited(entries: Iterable[tuple[int, Fields]], count: int) -> Iterable[tuple[int, Fields]]:
    """Give so many entries, or all if the count is negative."""
    if count < 0:
        yield from entries
        return
    for entry in entries:
        if not count:
            return
        count -= 1
        yield entry


@streams.command(
    "XRANGE",
    since="5.0.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def xrange(session: Session, key: bytes, start: bytes, end: bytes, *words: bytes) -> Reply:
    """Return the entries of a stream from one ID to another."""
    return _range(session, key, start, end, words, reverse=False)


@streams.command(
    "XREVRANGE",
    since="5.0.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def xrevrange(session: Session, key: bytes, end: bytes, start: bytes, *words: bytes) -> Reply:
    """Return the entries of a stream from one ID back to another."""
    return _range(session, key, start, end, words, reverse=True)


@streams.command(
    "XSETID",
    since="5.0.0",
    flags="write denyoom fast",
    keys=first("RW update"),
)
def xsetid(session: Session, key: bytes, last_id: bytes, *words: bytes) -> Reply:
    """Set the last ID of a stream, and what it remembers of entries that are gone."""
    wanted = parse_id(last_id)
    added: int | None = None
    deleted: int | None = None
    arguments = Arguments(words)
    while arguments:
        if arguments.left >= 2 and arguments.takes(b"ENTRIESADDED"):
            added = arguments.integer()
            if added < 0:
                raise CommandError("entries_added must be positive")
        elif arguments.left >= 2 and arguments.takes(b"MAXDELETEDID"):
            deleted = parse_id(arguments.word())
            if wanted < deleted:
                raise CommandError("The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
        else:
            raise CommandError(SYNTAX)
    stream = session.db.edit(key, Stream)
    if stream is None:
        raise CommandError("no such key")
    if wanted < stream.deleted_id:
        raise CommandError("The ID specified in XSETID is smaller than current max_deleted_entry_id")
    if len(stream):
        largest = next(iter(stream.range(0, LAST_ID, reverse=True)))[0]
        if wanted < largest:
            raise CommandError("The ID specified in XSETID is smaller than the target stream top item")
        if added is not None and len(stream) > added:
            raise CommandError("The entries_added specified in XSETID is smaller than the target stream length")
    stream.last_id = wanted
    if added is not None:
        stream.entries_added = added
    if deleted:
        stream.deleted_id = deleted
    session.db.changed(key, quietly=True)
    return OK


@attrs.define
class ReadOptions:
    """What XREAD and XREADGROUP are asked for, the IDs still as words."""

    keys: Sequence[bytes] = ()
    ids: Sequence[bytes] = ()
    count: int = 0
    """0 for all."""
    timeout: int | None = None
    """Milliseconds to wait, 0 for ever, None not at all."""
    group: tuple[bytes, bytes] | None = None
    """The names of the group and the consumer."""
    no_ack: bool = False

    @classmethod
    def parse(cls, words: Sequence[bytes], command: str) -> ReadOptions:
        """Read options, keys and IDs."""
        options = cls()
        arguments = Arguments(words)
        is_group = command == "xreadgroup"
        while arguments:
            option = arguments.option()
            if option == b"BLOCK" and arguments:
                options.timeout = integer(arguments.word(), "timeout is not an integer or out of range")
                if options.timeout < 0:
                    raise CommandError("timeout is negative")
            elif option == b"COUNT" and arguments:
                options.count = max(0, arguments.integer())
            elif option == b"STREAMS" and arguments:
                options._take_streams(arguments.rest(), command)
            elif option == b"GROUP" and arguments.left >= 2:
                if not is_group:
                    raise CommandError("The GROUP option is only supported by XREADGROUP. You called XREAD instead.")
                options.group = arguments.word(), arguments.word()
            elif option == b"NOACK":
                if not is_group:
                    raise CommandError("The NOACK option is only supported by XREADGROUP. You called XREAD instead.")
                options.no_ack = True
            else:
                raise CommandError(SYNTAX)
        if not options.keys:
            raise CommandError(SYNTAX)
        if is_group and options.group is None:
            raise CommandError("Missing GROUP option for XREADGROUP")
        return options

    def _take_streams(self, words: Sequence[bytes], command: str) -> None:
        if len(words) % 2:
            symbol = ">" if command == "xreadgroup" else "$"
            raise CommandError(
                f"Unbalanced '{command}' list of streams: for each stream key an ID or '{symbol}' must be specified."
            )
        self.keys, self.ids = words[: len(words) // 2], words[len(words) // 2 :]

    def again(self, key: bytes, entry_id: bytes) -> tuple[bytes, ...]:
        """Give the words behind the name of the command that ask the same of one key."""
        words: tuple[bytes, ...] = (b"COUNT", b"%d" % self.count, b"BLOCK", b"0", b"STREAMS", key, entry_id)
        if self.no_ack:
            words = (b"NOACK", *words)
        return words if self.group is None else (b"GROUP", *self.group, *words)


def by_key(session: Session, found: Sequence[tuple[bytes, Reply]]) -> Reply:
    """Give what was found in several streams: a map in RESP3, pairs in RESP2."""
    return dict(found) if session.resp == 3 else [list(pair) for pair in found]


@streams.command(
    "XREAD",
    since="5.0.0",
    flags="readonly blocking movablekeys",
    keys=behind_streams("RO access", 1),
    complexity="O(N)",
    lasting=Lasting.CONNECTION,
)
def xread(session: Session, streams: bytes, key: bytes, entry_id: bytes, *words: bytes) -> Reply:
    """Return the entries of streams that are newer than an ID each, and wait for some if there are none."""
    options = ReadOptions.parse((streams, key, entry_id, *words), "xread")
    starts: dict[bytes, int] = {}
    asked: list[tuple[bytes, int]] = []
    for each, word in zip(options.keys, options.ids):
        stream = session.db.lookup_as(each, Stream)
        if word == b"$":
            start = 0 if stream is None else stream.last_id
        elif word == b">":
            raise CommandError(
                "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
            )
        else:
            start = parse_id(word)
        starts[each] = start
        asked.append((each, start))
    found: list[tuple[bytes, Reply]] = []
    for each, start in asked:
        stream = session.db.read_as(each, Stream)
        if stream is not None and len(stream) and stream.last_id > start:
            entries = limited(stream.range(start + 1, LAST_ID), options.count or -1)
            found.append((each, [entry_reply(entry) for entry in entries]))
    found = [(each, entries) for each, entries in found if entries]
    if found:
        return by_key(session, found)
    if options.timeout is None:
        return NULL_ARRAY
    return Block(
        options.keys,
        Stream,
        options.timeout,
        lambda ready: options.again(ready, id_text(starts[ready])),
        NULL_ARRAY,
    )
