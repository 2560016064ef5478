"""The form of a log: requests as clients send them, one after the other.

Each file begins in database 0, and says SELECT where another follows.  Lines that begin with `#` are notes, as Redis
writes them with `aof-timestamp-enabled`.
"""

from __future__ import annotations

import re
from typing import Final, Iterator, List, Mapping, Sequence

from twisted_kv.persistence.errors import LogError
from twisted_kv.persistence.remaking import collection_requests
from twisted_kv.rdb.uses import Large, Use
from twisted_kv.sessions.services import Effect
from twisted_kv.store.database import Value
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.plain_requests import by_lines

_LONGEST_LINE: Final = 64
_MOST_WORDS: Final = 1024 * 1024
_MOST_STEPS: Final = 1_000_000

_BEGINNING: Final = re.compile(rb"\r\n(?=\*[1-9]\d{0,6}\r\n\$\d)")
_COUNT: Final = re.compile(rb"\*([1-9]\d{0,6})\r\n")
_LENGTH: Final = re.compile(rb"\$(\d{1,12})\r\n")
_TORN_NUMBER: Final = re.compile(rb"(?:[*$]\d*\r?)?\Z")
_NOTE: Final = re.compile(rb"#[^\n]*(?:\n|\Z)")


def write_effects(done: List[Effect], database: int) -> tuple[bytes, int]:
    """Write what was done, all of it or nothing, behind what ends in a database, -1 for a new file.

    Gives it, and the database it ends in.
    """
    parts: list[bytes] = []
    together = len(done) > 1
    for place, (index, request) in enumerate(done):
        if index != database:
            database = index
            parts.append(encode_request((b"SELECT", b"%d" % index)))
        if together and place == 0:
            parts.append(b"*1\r\n$5\r\nMULTI\r\n")
        parts.append(encode_request(request))
    if together:
        parts.append(b"*1\r\n$4\r\nEXEC\r\n")
    return b"".join(parts), database


def date_note(seconds: float) -> bytes:
    """Write a note that says when what follows was done, as Redis does with `aof-timestamp-enabled`."""
    return b"#TS:%d\r\n" % seconds


class CommandWriter:
    """Writes a snapshot as a log of the requests that make it; the same methods as `RdbWriter` has.

    `dated`: it begins with a note of its date.
    """

    def __init__(self, dated: bool = False) -> None:
        self._dated = dated
        self._index = -1

    def begin(self, facts: Mapping[str, str | int]) -> bytes:
        """Say nothing but the date: a log has no head."""
        return date_note(int(facts["ctime"])) if self._dated else b""

    def database(self, index: int, keys: int, deadlines: int) -> bytes:
        """Begin a database."""
        self._index = index
        return encode_request((b"SELECT", b"%d" % index))

    def key(self, index: int, key: bytes, value: Value, deadline: int | None, use: Use) -> bytes:
        """Give the requests that make a key."""
        if isinstance(value, bytes):
            made = encode_request((b"SET", key, value))
        else:
            made = b"".join(collection_requests(key, type(value), value.pieces(), len(value)))
        return self._lead(index) + made + self._end(key, deadline)

    def large_string(self, index: int, key: bytes, value: bytes, deadline: int | None, use: Use) -> list[bytes]:
        """Give the requests that make a key whose value is a long string, which is not copied."""
        head = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (len(key), key, len(value))
        return [self._lead(index) + head, value, b"\r\n" + self._end(key, deadline)]

    def large(self, large: Large) -> Iterator[bytes]:
        """Give the requests that make a key whose value is a large collection, in parts."""
        yield self._lead(large.database)
        yield from collection_requests(large.key, large.kind, large.pieces, large.length)
        yield self._end(large.key, large.deadline)

    def end(self, crc: int) -> bytes:
        """Say nothing: a log has no end."""
        return b""

    def _lead(self, index: int) -> bytes:
        return b"" if index == self._index else self.database(index, 0, 0)

    @staticmethod
    def _end(key: bytes, deadline: int | None) -> bytes:
        return b"" if deadline is None else encode_request((b"PEXPIREAT", key, b"%d" % deadline))


class LogReader:
    """Cuts a log into requests.  Unlike a client's, every byte of it has to be as Redis writes it."""

    def __init__(self, offset: int = 0) -> None:
        self._buffer = b""
        self._at = 0
        self._before = offset
        self._chunks: list[bytes] = []
        self._missing = 0
        self._words: list[bytes] = []  # of a request that has not come to its end
        self._left = 0  # how many more of them are to come
        self._read = 0  # bytes of that request, up to the last of these words

    @property
    def offset(self) -> int:
        """Where in the file the first byte is that was not given as part of a request."""
        return self._before + self._at

    @property
    def rest(self) -> bytes:
        """What came and was not given: the beginning of a request, after all others were taken."""
        return b"".join((self._buffer[self._at :], *self._chunks))

    def feed(self, data: bytes) -> None:
        """Take bytes of the log."""
        self._chunks.append(data)
        self._missing -= len(data)
        if self._missing <= 0:
            self._buffer = b"".join((self._buffer[self._at :], *self._chunks))
            self._before += self._at
            self._at = 0
            self._missing = 0
            self._chunks.clear()

    def take(self) -> tuple[list[list[bytes]], int]:
        """Give the next requests, and the offset at which the first begins; none until more has come.

        They lie side by side, each of `request_size` bytes.  Raises `LogError`.
        """
        while not self._missing:
            start = self.offset
            if not self._read:  # by lines, whatever the build: the other way passes over what stands behind a word
                requests, self._at = by_lines(self._buffer, self._at)
                if requests:
                    return requests, start
            one = self._one()
            if one is None:
                break
            if one:
                return [one], start
        return [], self.offset

    def _one(self) -> list[bytes] | None:
        """Read one request, or a note, which is none; None until it has come."""
        data, at = self._buffer, self._at + self._read
        if at == len(data):
            return None
        if not self._read:
            if data[at] == 0x23:  # a hash sign
                end = data.find(b"\n", at)
                if end < 0:
                    return None
                self._at = end + 1
                return []
            count, at = self._number(b"*", at)
            if count is None:
                return None
            if not 0 < count <= _MOST_WORDS:
                raise LogError(f"{count} words where a request should be", self.offset)
            self._left = count
            self._read = at - self._at
        while self._left:
            size, at = self._number(b"$", at)
            if size is None:
                return None
            if size < 0:
                raise LogError(f"a word of {size} bytes", self.offset)
            end = at + size
            behind = data[end : end + 2]
            if not b"\r\n".startswith(behind):
                raise LogError("a word has another length than announced", self.offset)
            if len(behind) < 2:
                self._missing = end + 2 - len(data)
                return None
            self._words.append(data[at:end])
            at = end + 2
            self._left -= 1
            self._read = at - self._at
        words, self._words = self._words, []
        self._at, self._read = at, 0
        return words

    def _number(self, mark: bytes, at: int) -> tuple[int | None, int]:
        """Read the line of a number at a place, and give the place behind it; None until the line has come."""
        end = self._buffer.find(b"\n", at, at + _LONGEST_LINE)
        line = self._buffer[at : end + 1 if end >= 0 else at + _LONGEST_LINE]
        whole = end >= 0
        digits = line[1:-2] if whole else line[1:-1] if line[-1:] == b"\r" else line[1:]
        number = parse_integer(digits) if digits else 0
        sound = line[:1] in (mark, b"") and (number is not None or (digits == b"-" and not whole))
        if not sound or (whole and (line[-2:] != b"\r\n" or not digits)) or len(line) == _LONGEST_LINE:
            raise LogError(f"no '{mark.decode()}' and a number where they should be", self.offset)
        return (number if whole else None), end + 1


def request_size(words: Sequence[bytes]) -> int:
    """Tell how many bytes a request has in a log."""
    return len(b"%d" % len(words)) + 3 + sum([len(word) + len(b"%d" % len(word)) + 5 for word in words])


def is_torn(rest: bytes) -> bool:
    """Tell whether what is left at the end of a log was torn off while it was written, or is damaged.

    Torn off is the beginning of one request; a system that lost power may have put zeros behind it.  If whole requests
    follow in it, up to its end, its own length must be wrong: to cut them off would lose what is well.  What looks like
    a request in the midst of a text is none.
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
    """Tell whether somewhere behind a line end whole requests begin, one after the other up to the end of a log.

    The last of them may be torn off.  Where that takes too many steps to tell, they are taken to be there.
    """
    steps = 0
    passed: set[int] = set()  # where requests that lead nowhere begin
    for match in _BEGINNING.finditer(body):
        at = match.end()
        whole = 0
        while at not in passed:
            passed.add(at)
            end, taken = _skip_request(body, at)
            steps += taken
            if steps > _MOST_STEPS:
                return True
            if end == _NONE:
                break
            if end == _TORN or end == len(body):
                if whole or end == len(body):
                    return True
                break
            whole += 1
            at = end
    return False


_NONE: Final = -1
_TORN: Final = -2


def _skip_request(data: bytes, at: int) -> tuple[int, int]:
    """Give where the request ends that begins here, and how many words that took.

    `_TORN` if the data end before, `_NONE` if there is no request.
    """
    note = _NOTE.match(data, at)
    if note is not None:
        return note.end(), 1
    match = _COUNT.match(data, at)
    if match is None:
        return (_TORN if _TORN_NUMBER.match(data, at) else _NONE), 1
    at = match.end()
    count = int(match[1])
    for taken in range(1, count + 1):
        match = _LENGTH.match(data, at)
        if match is None:
            return (_TORN if _TORN_NUMBER.match(data, at) else _NONE), taken
        at = match.end() + int(match[1])
        behind = data[at : at + 2]
        if behind != b"\r\n":
            return (_TORN if b"\r\n".startswith(behind) else _NONE), taken
        at += 2
    return at, count
