"""The format of the append-only file (AOF): requests as clients send them, one after the other.

Each file begins in database 0, and has a SELECT wherever the database changes.  Lines that begin with `#` are notes, as
Redis writes them with `aof-timestamp-enabled`.
"""

from __future__ import annotations

import re
from typing import Final, Iterable, Iterator, List, Mapping, Sequence

from twisted_kv.persistence.errors import LogError
from twisted_kv.persistence.remaking import collection_requests
from twisted_kv.rdb.uses import Large, Use
from twisted_kv.sessions.services import Effect
from twisted_kv.store.entries import Value
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.plain_requests import Requests, by_lines

_LONGEST_LINE: Final = 64
_MOST_WORDS: Final = 1024 * 1024
_MOST_STEPS: Final = 1_000_000

_REQUEST_START: Final = re.compile(rb"\r\n(?=\*[1-9]\d{0,6}\r\n\$\d)")
_COUNT: Final = re.compile(rb"\*([1-9]\d{0,6})\r\n")
_LENGTH: Final = re.compile(rb"\$(\d{1,12})\r\n")
_TORN_NUMBER: Final = re.compile(rb"(?:[*$]\d*\r?)?\Z")
_NOTE: Final = re.compile(rb"#[^\n]*(?:\n|\Z)")


def write_effects(done: List[Effect], database: int) -> tuple[bytes, int]:
    """Encode effects as one record, which is replayed as a whole or not at all.

    `database` is the one that is selected before the record, -1 in a new file.  Return the record, and the database
    that is selected after it.
    """
    parts: list[bytes] = []
    is_transaction = len(done) > 1
    for position, (index, request) in enumerate(done):
        if index != database:
            database = index
            parts.append(encode_request((b"SELECT", b"%d" % index)))
        if is_transaction and position == 0:
            parts.append(b"*1\r\n$5\r\nMULTI\r\n")
        parts.append(encode_request(request))
    if is_transaction:
        parts.append(b"*1\r\n$4\r\nEXEC\r\n")
    return b"".join(parts), database


def date_note(seconds: float) -> bytes:
    """Encode a note with the date of the requests after it, as Redis does with `aof-timestamp-enabled`."""
    return b"#TS:%d\r\n" % seconds


class CommandWriter:
    """Writes a snapshot as the requests that rebuild it; it has the methods of `RdbWriter`.

    `dated`: whether it begins with a note of its date.
    """

    def __init__(self, dated: bool = False) -> None:
        self._dated = dated
        self._index = -1

    def begin(self, facts: Mapping[str, str | int]) -> bytes:
        """Return only the note of the date: this format has no header."""
        return date_note(int(facts["ctime"])) if self._dated else b""

    def functions(self, codes: Iterable[bytes]) -> bytes:
        """Return the requests that load libraries of functions."""
        return b"".join([encode_request((b"FUNCTION", b"LOAD", code)) for code in codes])

    def database(self, index: int, keys: int, deadlines: int) -> bytes:
        """Return the request that selects a database."""
        self._index = index
        return encode_request((b"SELECT", b"%d" % index))

    def key(self, index: int, key: bytes, value: Value, deadline: int | None, use: Use) -> bytes:
        """Return the requests that create a key."""
        if isinstance(value, bytes):
            requests = encode_request((b"SET", key, value))
        else:
            requests = b"".join(collection_requests(key, type(value), value.pieces(), len(value)))
        return self._select(index) + requests + self._expire(key, deadline)

    def large_string(self, index: int, key: bytes, value: bytes, deadline: int | None, use: Use) -> list[bytes]:
        """Return the requests that create a key whose value is a long string, which is not copied."""
        head = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (len(key), key, len(value))
        return [self._select(index) + head, value, b"\r\n" + self._expire(key, deadline)]

    def large(self, large: Large) -> Iterator[bytes]:
        """Yield the requests that create a key whose value is a large collection, in parts."""
        yield self._select(large.database)
        yield from collection_requests(large.key, large.kind, large.pieces, large.length)
        yield self._expire(large.key, large.deadline)

    def end(self, crc: int) -> bytes:
        """Return nothing: this format has no footer."""
        return b""

    def _select(self, index: int) -> bytes:
        return b"" if index == self._index else self.database(index, 0, 0)

    @staticmethod
    def _expire(key: bytes, deadline: int | None) -> bytes:
        return b"" if deadline is None else encode_request((b"PEXPIREAT", key, b"%d" % deadline))


class LogReader:
    """Splits an append-only file into requests.  Unlike with a client's, each byte must be as Redis writes it."""

    def __init__(self, offset: int = 0) -> None:
        self._buffer = b""
        self._at = 0
        self._buffer_offset = offset
        self._chunks: list[bytes] = []
        self._missing = 0
        self._words: list[bytes] = []  # of a request that is not complete yet
        self._words_left = 0  # how many more of them are expected
        self._bytes_read = 0  # bytes of that request, up to the last of its words so far

    @property
    def offset(self) -> int:
        """Offset in the file of the first byte that was not returned as part of a request."""
        return self._buffer_offset + self._at

    @property
    def rest(self) -> bytes:
        """Bytes that were fed and not returned: the beginning of a request, once all others were taken."""
        return b"".join((self._buffer[self._at :], *self._chunks))

    def feed(self, data: bytes) -> None:
        """Add bytes of the file."""
        self._chunks.append(data)
        self._missing -= len(data)
        if self._missing <= 0:
            self._buffer = b"".join((self._buffer[self._at :], *self._chunks))
            self._buffer_offset += self._at
            self._at = 0
            self._missing = 0
            self._chunks.clear()

    def take(self) -> tuple[Requests, int]:
        """Return the next requests, and the offset at which the first begins; no requests if more bytes are needed.

        They are adjacent in the file; each has `request_size` bytes.  Raises `LogError`.
        """
        while not self._missing:
            start = self.offset
            if not self._bytes_read:  # by lines in every build: the other way does not check the bytes after a word
                found, self._at = by_lines(self._buffer, self._at)
                if found:
                    return found, start
            request = self._read_one()
            if request is None:
                break
            if request:
                return [request], start
        return [], self.offset

    def _read_one(self) -> list[bytes] | None:
        """Read one request, or a note, which is returned as an empty list; None until it is complete."""
        data, at = self._buffer, self._at + self._bytes_read
        if at == len(data):
            return None
        if not self._bytes_read:
            if data[at] == 0x23:  # a hash sign
                end = data.find(b"\n", at)
                if end < 0:
                    return None
                self._at = end + 1
                return []
            count, at = self._read_number(b"*", at)
            if count is None:
                return None
            if not 0 < count <= _MOST_WORDS:
                raise LogError(f"{count} words where a request should be", self.offset)
            self._words_left = count
            self._bytes_read = at - self._at
        while self._words_left:
            size, at = self._read_number(b"$", at)
            if size is None:
                return None
            if size < 0:
                raise LogError(f"a word of {size} bytes", self.offset)
            end = at + size
            following = data[end : end + 2]
            if not b"\r\n".startswith(following):
                raise LogError("a word has another length than announced", self.offset)
            if len(following) < 2:
                self._missing = end + 2 - len(data)
                return None
            self._words.append(data[at:end])
            at = end + 2
            self._words_left -= 1
            self._bytes_read = at - self._at
        words, self._words = self._words, []
        self._at, self._bytes_read = at, 0
        return words

    def _read_number(self, mark: bytes, at: int) -> tuple[int | None, int]:
        """Read a number's line; return the number (None until the line is complete) and the position after it."""
        end = self._buffer.find(b"\n", at, at + _LONGEST_LINE)
        line = self._buffer[at : end + 1 if end >= 0 else at + _LONGEST_LINE]
        is_complete = end >= 0
        digits = line[1:-2] if is_complete else line[1:-1] if line[-1:] == b"\r" else line[1:]
        number = parse_integer(digits) if digits else 0
        is_valid = line[:1] in (mark, b"") and (number is not None or (digits == b"-" and not is_complete))
        if not is_valid or (is_complete and (line[-2:] != b"\r\n" or not digits)) or len(line) == _LONGEST_LINE:
            raise LogError(f"no '{mark.decode()}' and a number where they should be", self.offset)
        return (number if is_complete else None), end + 1


def request_size(words: Sequence[bytes]) -> int:
    """Return the size of a request in an append-only file, in bytes."""
    return len(b"%d" % len(words)) + 3 + sum([len(word) + len(b"%d" % len(word)) + 5 for word in words])


def is_torn(rest: bytes) -> bool:
    """Return whether the bytes left at the end of an append-only file are torn, not damaged.

    A torn end is the beginning of one request; a system that lost power may have added zeros.  If complete requests
    follow in it, up to its end, the length in that request must be wrong: cutting it off would lose valid requests.
    Bytes within a text that only look like a request do not count.
    """
    body = rest.rstrip(b"\0")
    reader = LogReader()
    reader.feed(body)
    try:
        if reader.take()[0]:
            return False
    except LogError:
        return False
    return not _requests_follow(body)


def _requests_follow(body: bytes) -> bool:
    """Return whether complete requests begin after some line end, and follow one another up to the end.

    The last of them may be torn.  If the search takes too many steps, the answer is True.
    """
    steps = 0
    visited: set[int] = set()  # where requests begin that do not lead to the end
    for match in _REQUEST_START.finditer(body):
        at = match.end()
        complete = 0
        while at not in visited:
            visited.add(at)
            end, words_read = _skip_request(body, at)
            steps += words_read
            if steps > _MOST_STEPS:
                return True
            if end == _NONE:
                break
            if end == _TORN or end == len(body):
                if complete or end == len(body):
                    return True
                break
            complete += 1
            at = end
    return False


_NONE: Final = -1
_TORN: Final = -2


def _skip_request(data: bytes, at: int) -> tuple[int, int]:
    """Return the end of the request that begins at a position, and how many words were read.

    The end is `_TORN` if the data end before it, `_NONE` if there is no request.
    """
    note = _NOTE.match(data, at)
    if note is not None:
        return note.end(), 1
    match = _COUNT.match(data, at)
    if match is None:
        return (_TORN if _TORN_NUMBER.match(data, at) else _NONE), 1
    at = match.end()
    count = int(match[1])
    for words_read in range(1, count + 1):
        match = _LENGTH.match(data, at)
        if match is None:
            return (_TORN if _TORN_NUMBER.match(data, at) else _NONE), words_read
        at = match.end() + int(match[1])
        following = data[at : at + 2]
        if following != b"\r\n":
            return (_TORN if b"\r\n".startswith(following) else _NONE), words_read
        at += 2
    return at, count
