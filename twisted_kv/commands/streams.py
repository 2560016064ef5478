"""Commands on streams, whose entries are ordered by ID."""

from __future__ import annotations

import re
from itertools import islice
from typing import Final, Iterable, Sequence

import attrs

from twisted_kv.declaring.arguments import Arguments, integer
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, after_streams, first
from twisted_kv.sessions.session import Session
from twisted_kv.store.database import Database
from twisted_kv.values.stream_nodes import LAST_ID, Fields, id_text, make_id, signed
from twisted_kv.values.streams import Stream
from twisted_kv.vocabulary.errors import SYNTAX, ArityError, CommandError, WaitInScriptError, c_string
from twisted_kv.vocabulary.numbers import UINT64_MAX, parse_integer
from twisted_kv.vocabulary.replies import NULL_ARRAY, OK, Pairs, Reply
from twisted_kv.vocabulary.waiting import Block

streams = Group("stream", category="stream")

BAD_ID: Final = "Invalid stream ID specified as stream command argument"
_EXHAUSTED: Final = "The stream has exhausted the last possible ID, unable to add more items"
_TRIMMED_NODES: Final = 100
"""Nodes that XTRIM and XADD examine with `~`, unless LIMIT sets a number of entries."""
_MOST_TRIMMED: Final = 1_000_000
_READ_AT_ONCE: Final = 1000
"""Entries returned to a reader that had to wait for them, unless COUNT sets another number."""
_ID_BYTES: Final = 127
_UNSIGNED: Final = re.compile(rb"[\t-\r ]*([+-]?)([0-9]+)\Z")
"""What C's strtoull accepts: Redis falls back on it for a number that is not in its usual form."""


def parse_id(word: bytes, missing: int = 0) -> int:
    """Parse an ID: milliseconds and a sequence number, which is `missing` if it is omitted."""
    milliseconds, dash, sequence = c_string(word).partition(b"-")
    parts = _unsigned(milliseconds), _unsigned(sequence) if dash else missing
    if parts[0] is None or parts[1] is None or len(word) > _ID_BYTES:
        raise CommandError(BAD_ID)
    return make_id(parts[0], parts[1])


def _unsigned(text: bytes) -> int | None:
    """Parse an unsigned 64-bit number, or return None."""
    number = parse_integer(text)
    if number is not None:
        return number if number >= 0 else None
    match = _UNSIGNED.match(text[:_ID_BYTES])
    if match is None or int(match[2]) > UINT64_MAX:
        return None
    return -int(match[2]) & UINT64_MAX if match[1] == b"-" else int(match[2])


def parse_bound(word: bytes, *, low: bool) -> int:
    """Parse a range bound: `-` and `+` are the lowest and the highest ID; `(` excludes the bound after it."""
    excluded = word.startswith(b"(") and len(word) > 1
    text = word[1:] if excluded else word
    if c_string(text) in (b"-", b"+") and len(text) <= _ID_BYTES and not excluded:
        return 0 if text.startswith(b"-") else LAST_ID
    bound = parse_id(text, 0 if low else UINT64_MAX)
    if not excluded:
        return bound
    if low and bound == LAST_ID:
        raise CommandError("invalid start ID for the interval")
    if not low and not bound:
        raise CommandError("invalid end ID for the interval")
    return bound + 1 if low else bound - 1


def entry_reply(entry: tuple[int, Fields | None]) -> Reply:
    """Return an entry as clients see it: its ID, and its fields and values alternately, or null if it was deleted."""
    entry_id, fields = entry
    return [id_text(entry_id), NULL_ARRAY if fields is None else list(fields)]


@attrs.define
class Trim:
    """How to trim a stream: to a number of entries, or by removing all entries older than an ID."""

    length: int | None = None
    least: int = 0
    approximately: bool = False
    limit: int | None = None
    """How many entries an approximate trim may remove; 0 for any number."""
    is_asked: bool = False
    behind: int = 0
    """How many arguments follow the number or the ID."""

    def take(self, option: bytes, arguments: Arguments) -> bool:
        """Parse what follows an option; return False if the option does not concern trimming."""
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
            self.behind = arguments.left
        elif option == b"LIMIT" and arguments:
            self.limit = arguments.integer()
            if self.limit < 0:
                raise CommandError("The LIMIT argument must be >= 0.")
        else:
            return False
        return True

    def check(self, session: Session, *, must_trim: bool = False) -> None:
        """Refuse LIMIT where it is not allowed.  A journal record may have it after `=`: `make_exact` writes it so."""
        if self.limit and not self.is_asked:
            raise CommandError("syntax error, LIMIT cannot be used without specifying a trimming strategy")
        if must_trim and not self.is_asked:
            raise CommandError("syntax error, XTRIM must be called with a trimming strategy")
        if self.limit is not None and not self.approximately and not session.is_replay:
            raise CommandError("syntax error, LIMIT cannot be used without the special ~ option")

    def run(self, stream: Stream) -> int:
        """Trim a stream; return how many entries were removed."""
        if not self.is_asked:
            return 0
        limit = 0
        if self.approximately:
            usual = min(_TRIMMED_NODES * stream.packing.stream_node_max_entries, _MOST_TRIMMED)
            limit = (usual or 100 * _TRIMMED_NODES) if self.limit is None else self.limit
        return stream.trim(length=self.length, least=self.least, approximately=self.approximately, limit=limit)

    def make_exact(self, words: list[bytes], stream: Stream) -> None:
        """Change a request so that it trims a stream to exactly what it holds now."""
        if self.approximately:
            index = len(words) - self.behind - 1
            words[index - 1] = b"="
            words[index] = b"%d" % stream.length if self.length is not None else id_text(stream.oldest)


@attrs.define
class AddOptions:
    """The arguments of XADD before the fields."""

    trim: Trim
    make: bool = True
    entry_id: int | None = None
    """The ID, or None to generate one."""
    sequence_is_open: bool = False
    """Only the milliseconds were given; the sequence number is generated."""

    @classmethod
    def take(cls, session: Session, arguments: Arguments) -> AddOptions:
        """Parse the options and the ID that follows them."""
        options = cls(Trim())
        while arguments:
            argument = arguments.word()
            if c_string(argument) == b"*":
                break
            option = c_string(argument).upper()
            if option == b"NOMKSTREAM":
                options.make = False
            elif not options.trim.take(option, arguments):
                options._parse_id(argument)
                break
        options.trim.check(session)
        return options

    def _parse_id(self, argument: bytes) -> None:
        milliseconds, _, sequence = c_string(argument).partition(b"-")
        if sequence == b"*" and len(argument) <= _ID_BYTES:
            self.entry_id = parse_id(milliseconds)
            self.sequence_is_open = True
        else:
            self.entry_id = parse_id(argument)

    def next_id(self, last: int, now: int) -> int:
        """Return the ID for a new entry; raises `CommandError` if it cannot be above the last one."""
        if self.entry_id is None:
            return max(make_id(now, 0), last + 1)
        entry_id = self.entry_id
        if self.sequence_is_open and entry_id >> 64 == last >> 64:
            entry_id = last + 1
            if entry_id >> 64 != last >> 64:
                raise CommandError("Elements are too large to be stored")  # it means that no sequence number is left
        if entry_id <= last:
            raise CommandError("The ID specified in XADD is equal or smaller than the target stream top item")
        return entry_id


_NO_OPTIONS: Final = AddOptions(Trim())


@streams.command(
    "XADD",
    since="5.0.0",
    flags="write denyoom fast",
    keys=first("RW update", notes="UPDATE instead of INSERT because of the optional trimming feature"),
    tips="nondeterministic_output",
    tells_after="xadd xtrim",
)
def xadd(session: Session, key: bytes, entry_id: bytes, field: bytes, value: bytes, *words: bytes) -> Reply:
    """Append an entry to a stream, and return its ID."""
    options, fields = _NO_OPTIONS, (field, value, *words)
    if entry_id != b"*":  # most requests begin with `*`
        arguments = Arguments((entry_id, *fields))
        options = AddOptions.take(session, arguments)
        fields = tuple(arguments.rest())
    if not fields or len(fields) % 2:
        raise ArityError("xadd")
    if options.entry_id == 0 and not options.sequence_is_open:
        raise CommandError("The ID specified in XADD must be greater than 0-0")
    database = session.db
    stream = database.edit(key, Stream)
    if stream is None and not options.make:
        return None
    last_id = 0 if stream is None else stream.last_id
    if last_id == LAST_ID:
        raise CommandError(_EXHAUSTED)
    new_id = options.next_id(last_id, session.now)
    if stream is None:  # only now: a refused request must not create anything
        stream = database.edit_or_make(key, Stream)
    stream.append(new_id, fields)
    trimmed = options.trim.run(stream)
    database.changed(key, event=b"xadd")
    if trimmed:
        database.tell(b"xtrim", key)
    text = id_text(new_id)
    if options is _NO_OPTIONS:
        session.journal(b"XADD", key, text, *fields)
        return text
    request = [b"XADD", key, entry_id, field, value, *words]
    options.trim.make_exact(request, stream)
    if options.entry_id is None or options.sequence_is_open:
        request[-len(fields) - 1] = text
    session.journal(*request)
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
    """Remove the oldest entries of a stream, and return how many were removed."""
    arguments = Arguments((strategy, threshold, *words))
    trim = Trim()
    while arguments:
        if not trim.take(arguments.option(), arguments):
            raise CommandError(SYNTAX)
    trim.check(session, must_trim=True)
    stream = session.db.edit(key, Stream)
    if stream is None:
        return 0
    removed = trim.run(stream)
    if removed:
        session.db.changed(key, removed, event=b"xtrim")
        request = [b"XTRIM", key, strategy, threshold, *words]
        trim.make_exact(request, stream)
        session.journal(*request)
    return removed


@streams.command(
    "XDEL",
    since="5.0.0",
    flags="write fast",
    keys=first("RW delete"),
)
def xdel(session: Session, key: bytes, entry_id: bytes, *more: bytes) -> Reply:
    """Remove entries from a stream, and return how many were removed."""
    stream = session.db.edit(key, Stream)
    if stream is None:
        return 0
    ids = [parse_id(each) for each in (entry_id, *more)]
    removed = stream.delete(ids)
    if removed:
        session.db.changed(key, removed, event=b"xdel")
    return removed


@streams.command(
    "XLEN",
    since="5.0.0",
    flags="readonly fast",
    keys=first("RO"),
)
def xlen(session: Session, key: bytes) -> Reply:
    """Return the number of entries in a stream."""
    stream = session.db.read_as(key, Stream)
    return 0 if stream is None else signed(stream.length)


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
    """Return at most `count` entries, or all if the count is negative."""
    return entries if count < 0 else islice(entries, count)


@streams.command(
    "XRANGE",
    since="5.0.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def xrange(session: Session, key: bytes, start: bytes, end: bytes, *words: bytes) -> Reply:
    """Return the entries of a stream between two IDs."""
    return _range(session, key, start, end, words, reverse=False)


@streams.command(
    "XREVRANGE",
    since="5.0.0",
    flags="readonly",
    keys=first("RO access"),
    complexity="O(N)",
)
def xrevrange(session: Session, key: bytes, end: bytes, start: bytes, *words: bytes) -> Reply:
    """Return the entries of a stream between two IDs, newest first."""
    return _range(session, key, start, end, words, reverse=True)


@streams.command(
    "XSETID",
    since="5.0.0",
    flags="write denyoom fast",
    keys=first("RW update"),
)
def xsetid(session: Session, key: bytes, last_id: bytes, *words: bytes) -> Reply:
    """Set the last ID of a stream, and optionally its count of added entries and its highest deleted ID."""
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
    if stream.length:
        if wanted < stream.largest:
            raise CommandError("The ID specified in XSETID is smaller than the target stream top item")
        if added is not None and stream.length > added:
            raise CommandError("The entries_added specified in XSETID is smaller than the target stream length")
    stream.last_id = wanted
    if added is not None:
        stream.entries_added = added
    if deleted:
        stream.deleted_id = deleted
    session.db.changed(key, quietly=True, event=b"xsetid")
    return OK


@attrs.define
class ReadOptions:
    """The options of XREAD and XREADGROUP, with the IDs not yet parsed."""

    keys: Sequence[bytes] = ()
    ids: Sequence[bytes] = ()
    count: int = 0
    """0 for all."""
    timeout: int | None = None
    """Milliseconds to wait: 0 to wait forever, None not to wait."""
    group: tuple[bytes, bytes] | None = None
    """The names of the group and the consumer."""
    no_ack: bool = False

    @classmethod
    def parse(cls, words: Sequence[bytes], *, is_group: bool, in_script: bool) -> ReadOptions:
        """Parse options, keys and IDs."""
        options = cls()
        arguments = Arguments(words)
        while arguments:
            option = arguments.option()
            if option == b"BLOCK" and arguments:
                if in_script:
                    raise WaitInScriptError("BLOCK")
                options.timeout = integer(arguments.word(), "timeout is not an integer or out of range")
                if options.timeout < 0:
                    raise CommandError("timeout is negative")
            elif option == b"COUNT" and arguments:
                options.count = max(0, arguments.integer())
            elif option == b"STREAMS" and arguments:
                options._take_streams(arguments.rest())
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

    def _take_streams(self, arguments: Sequence[bytes]) -> None:
        if len(arguments) % 2:
            raise CommandError("Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
        self.keys, self.ids = arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]

    def again(self, key: bytes, entry_id: bytes) -> tuple[bytes, ...]:
        """Return the arguments that repeat the request for one key."""
        count = b"%d" % (self.count or _READ_AT_ONCE)
        arguments: tuple[bytes, ...] = (b"COUNT", count, b"BLOCK", b"0", b"STREAMS", key, entry_id)
        if self.no_ack:
            arguments = (b"NOACK", *arguments)
        return arguments if self.group is None else (b"GROUP", *self.group, *arguments)


def by_key(session: Session, found: Sequence[tuple[bytes, Reply]]) -> Reply:
    """Return what was found in several streams: a map in RESP3, pairs in RESP2.  A key may have been given twice."""
    if session.resp == 2:
        return [list(pair) for pair in found]
    by_names = dict(found)
    return by_names if len(by_names) == len(found) else Pairs(found)


def _has_newer(database: Database, key: bytes, start: int) -> bool:
    """Return whether a stream may have entries above an ID."""
    stream = database.peek(key)
    return not isinstance(stream, Stream) or (stream.length > 0 and stream.largest > start)


@streams.command(
    "XREAD",
    since="5.0.0",
    flags="readonly blocking movablekeys",
    keys=after_streams("RO access", 1),
    complexity="O(N)",
    lasting=Lasting.SESSION,
)
def xread(session: Session, streams: bytes, key: bytes, entry_id: bytes, *words: bytes) -> Reply:
    """Return the entries of each stream newer than its given ID, or wait for new ones if there are none."""
    options = ReadOptions.parse((streams, key, entry_id, *words), is_group=False, in_script=session.is_script)
    starts: dict[bytes, int] = {}
    requested: list[tuple[bytes, int]] = []
    for each, given in zip(options.keys, options.ids):
        stream = session.db.read_as(each, Stream)  # counted here and below, as in Redis
        if c_string(given) == b"$":
            start = 0 if stream is None else stream.last_id
        elif c_string(given) == b">":
            raise CommandError(
                "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
            )
        else:
            start = parse_id(given)
        starts.setdefault(each, start)
        requested.append((each, start))
    database = session.db
    found: list[tuple[bytes, Reply]] = []
    for each, start in requested:
        stream = database.read_as(each, Stream)
        if stream is not None and stream.length and stream.largest > start:
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
        is_for=lambda ready: _has_newer(database, ready, starts[ready]),
    )
