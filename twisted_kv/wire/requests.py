"""Parses the requests of a RESP client: arrays of bulk strings, and inline commands typed by hand.

`feed()` takes bytes as they arrive, `gets()` returns the next whole request, `take()` several plain ones at once.  No
memory is allocated for bytes that were only announced, and a request that arrives in many pieces is not parsed again
from its start with each of them.

`take()` is the fast path for most requests (see `plain_requests`).  Both work on one portion at a time: bytes that
arrive while much is still unread (after a request that waits, a client may send hundreds of megabytes) are held and
joined only once.

Errors and their texts are those of Redis 7.0, except that the number of arguments has a practical limit here.  As in
Redis, the two bytes after a bulk string are skipped without a check, and so is the byte after a carriage return.
"""

from __future__ import annotations

from itertools import chain, islice
from operator import length_hint
from typing import Final, Iterable, Iterator

from twisted_kv.vocabulary.errors import ProtocolError, as_text
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.plain_requests import Requests, Run, take_plain
from twisted_kv.wire.words import split_words

MAX_LINE: Final = 64 * 1024
"""The maximum size of an inline command, or of a line that announces a length, in bytes."""
MAX_ARGUMENTS: Final = 1024 * 1024
INT32_MAX: Final = 2**31 - 1
MAX_BULK: Final = 512 * 1024 * 1024

UNAUTHENTICATED_ARGUMENTS: Final = 10
UNAUTHENTICATED_BULK: Final = 16 * 1024

PORTION: Final = 64 * 1024
"""With more unread bytes than this, new ones are held; at least `MAX_LINE`, so that no line waits for held bytes."""

_CUT: Final = 16 * 1024
"""Bytes in which plain requests are searched for together; a connection reads as many at a time."""

_SMALL: Final = {b"%d" % number: number for number in range(1024)}
_TRIES: Final = 2
"""How often plain requests are searched for in vain, or nearly so: at the start, and after one that was incomplete."""
AT_ONCE: Final = 64
"""The maximum number of plain requests that are returned at once."""
FIRST: Final = 4
"""How many are returned at once initially, while it is unknown how long they take."""
_FEW: Final = 4
"""This many arguments or fewer are not worth searching for together."""
_LONG: Final = 1024
"""An argument of at least this many bytes is read on its own."""
_HEADERS: Final = [*(b"$%d" % size for size in range(_LONG)), b"\r\n"]
"""The line that announces an argument, by its size; the last stands for arguments too long, and equals no line."""
_GLANCE: Final = 1024
"""How many bytes are searched for short arguments initially."""


class RequestReader:
    """Splits a byte stream into requests.

    `authenticated` may change between two calls of `gets()`: a client without the password may announce only little.
    `max_bulk` is Redis's `proto-max-bulk-len` in bytes.  Without `inline`, anything but an array is an error.

    `_buffer` holds the bytes, of which those before `_at` have been read.  No byte is examined or moved more than a
    few times: while a long argument is incomplete, new bytes are collected in `_chunks` until `_missing` bytes have
    arrived; while more than a portion is unread, they are collected in `_held` until that is read.  Plain requests are
    found together and returned from `_taken` (`take`); where there are none, the search stops after `_TRIES` attempts
    per portion, and requests are read one by one (`gets`), the short arguments of a long request together again.
    """

    __slots__ = (
        "_argument_bytes",
        "_arguments",
        "_at",
        "_buffer",
        "_bulk",
        "_chunk_bytes",
        "_chunks",
        "_held",
        "_held_bytes",
        "_left",
        "_missing",
        "_taken",
        "_tries",
        "at_once",
        "authenticated",
        "inline",
        "max_bulk",
        "more",
    )

    def __init__(self, max_bulk: int = MAX_BULK, *, inline: bool = True) -> None:
        self.max_bulk = max_bulk
        self.inline = inline
        self.at_once = FIRST
        """How many plain requests are returned at once; up to `AT_ONCE`, set by the caller that runs them."""
        self.authenticated = True
        self.more = False
        """Whether there are bytes that were not yet returned as a request or read into an incomplete one."""
        self._buffer = b""
        self._at = 0  # the buffer before it has been read
        self._chunks: list[bytes] = []  # follow the buffer, while a long bulk string is incomplete
        self._chunk_bytes = 0
        self._held: list[bytes] = []  # follow the buffer, while much of it is unread
        self._held_bytes = 0
        self._taken: Iterator[list[bytes]] = iter(())  # plain requests that `take` has found and not returned
        self._missing = 0  # bytes that must arrive before it is worth parsing again
        self._tries = _TRIES
        self._left = 0  # arguments that the current request lacks
        self._arguments: list[bytes] = []
        self._argument_bytes = 0
        self._bulk = -1  # announced length of the next argument, or -1 before it is known

    @property
    def pending(self) -> int:
        """How many buffered bytes belong to no whole request yet."""
        return len(self._buffer) - self._at + self._chunk_bytes + self._held_bytes + self._argument_bytes

    @property
    def between_requests(self) -> bool:
        """Whether no request is partially read."""
        return not self._left and not self.pending

    def feed(self, data: bytes) -> None:
        """Add bytes of the stream to the buffer."""
        self.more = True
        if self._missing > len(data):
            self._missing -= len(data)
            self._chunks.append(data)
            self._chunk_bytes += len(data)
            return
        if self._held or (not self._missing and len(self._buffer) - self._at > PORTION):
            self._held.append(data)
            self._held_bytes += len(data)
            return
        if self._chunks:
            self._chunks.append(data)
            data = b"".join(self._chunks)
            self._chunks = []
            self._chunk_bytes = 0
        self._missing = 0
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0
        self._tries = _TRIES

    def take(self) -> Requests:
        """Return the next requests as long as they are whole and plain, or none if `gets()` has to parse the next one.

        Returns a run, or at most `at_once` requests, so that the caller can check the time between batches.
        """
        if length_hint(self._taken):
            requests = list(islice(self._taken, self.at_once))
            self.more = bool(length_hint(self._taken) or self._at < len(self._buffer) or self._held_bytes)
            return requests
        if self._left or self._missing or not self._tries or not self.authenticated:
            return []
        unread = len(self._buffer) - self._at
        if min(unread, PORTION) > self.max_bulk:
            return []  # an argument may be too long; `gets()` reports that
        found: Requests
        start = self._at
        if unread <= _CUT:
            found, self._at = take_plain(self._buffer, start)
        else:  # longer requests are left to `gets`, which does not look at them again
            found, taken = take_plain(self._buffer[start : start + _CUT], 0)
            self._at += taken
        made_progress = isinstance(found, Run) or len(found) >= AT_ONCE or self._at - start > _CUT // 2
        self._tries = _TRIES if made_progress else self._tries - 1
        if self._at == len(self._buffer):
            self._buffer = b""
            self._at = 0
            self.more = self._held_bytes > 0
        if isinstance(found, Run):
            return found
        if len(found) > self.at_once:
            self._taken = iter(found)
            self.more = True
            return list(islice(self._taken, self.at_once))
        return found

    def take_one(self) -> list[list[bytes]]:
        """Return the next request, in whatever form, or none until more bytes arrive; raises as `gets`."""
        words = self.gets()
        return [] if words is None else [words]

    def put_off(self, requests: Iterable[list[bytes]]) -> None:
        """Put requests back in front of all others, for the next `take()`."""
        self._taken = iter([*requests, *self._taken])
        self.more = bool(length_hint(self._taken)) or self.more

    def give_back(self, requests: Iterable[list[bytes]]) -> None:
        """Return taken requests to the buffer, to be parsed again, by `gets()`."""
        data = b"".join(map(encode_request, chain(requests, self._taken)))
        if data:
            self._tries = 0
            if self._at:
                self._at -= len(data)  # they are still there: plain requests have only one form
            else:
                self._buffer = data + self._buffer  # more bytes may have arrived during the turns of other connections
            self.more = True

    def gets(self) -> list[bytes] | None:
        """Return the next request, or None until more bytes arrive.

        Raises `ProtocolError`, after which the stream is unusable.
        """
        words = self._gets()
        while words is None and self._held:
            data = b"".join(self._held)
            self._held = []
            self._held_bytes = 0
            if self._missing:
                self.feed(data)
            else:  # not by `feed`, which would hold them again while a long line is incomplete
                self._buffer = self._buffer[self._at :] + data
                self._at = 0
                self._tries = _TRIES
            words = self._gets()
        return words

    def _gets(self) -> list[bytes] | None:
        """Return the next request in the buffer, or None."""
        if self._missing:
            return None
        while True:
            if not self._left:
                if self._at >= len(self._buffer):
                    self._buffer = b""  # it may be large, and the next bytes may be a long time coming
                    self._at = 0
                    self.more = self._held_bytes > 0
                    return None
                if self._buffer[self._at] != 0x2A:  # an asterisk
                    words = self._inline()
                    if words:
                        return words
                    if words is None:
                        return None
                    continue
                count = self._length(b"mbulk count", "invalid multibulk length")
                if count is None:
                    return None
                if count > UNAUTHENTICATED_ARGUMENTS and not self.authenticated and count <= INT32_MAX:
                    raise ProtocolError("unauthenticated multibulk length")
                if count > MAX_ARGUMENTS:
                    raise ProtocolError("invalid multibulk length")
                if count <= 0:
                    continue
                self._left = count
            if not self._read_arguments():
                return None
            request, self._arguments = self._arguments, []
            self._argument_bytes = 0
            return request

    def _read_arguments(self) -> bool:
        """Continue reading the current request; return True when it is whole."""
        arguments = self._arguments
        one_by_one = 0 if self.max_bulk >= _LONG else self._left  # how many, until short ones are searched for again
        glance = _GLANCE
        while self._left:
            length = self._bulk
            if length < 0:
                if self._left > _FEW and not one_by_one:
                    count, were_all = self._read_short_arguments(glance)
                    glance = min(4 * glance, PORTION) if were_all else _GLANCE
                    one_by_one = 0 if were_all or count > _FEW else 8 * _FEW
                    if count:
                        continue
                one_by_one -= one_by_one > 0
                if self._at >= len(self._buffer):
                    return False
                if self._buffer[self._at] != 0x24:  # a dollar sign
                    # Redis looks for the whole line first, so it reports a wrong byte only once its line has arrived.
                    if self._line(b"bulk count") is None:
                        return False
                    got = as_text(self._buffer[self._at : self._at + 1])
                    raise ProtocolError(f"expected '$', got '{got}'")
                announced = self._length(b"bulk count", "invalid bulk length")
                if announced is None:
                    return False
                length = announced
                if length < 0 or length > self.max_bulk:
                    raise ProtocolError("invalid bulk length")
                if length > UNAUTHENTICATED_BULK and not self.authenticated:
                    raise ProtocolError("unauthenticated bulk length")
                self._bulk = length
            start = self._at
            end = start + length
            if len(self._buffer) < end + 2:
                self._missing = end + 2 - len(self._buffer)
                return False
            arguments.append(self._buffer[start:end])
            self._argument_bytes += length
            self._at = end + 2
            self._bulk = -1
            self._left -= 1
        return True

    def _read_short_arguments(self, glance: int) -> tuple[int, bool]:
        """Read arguments all at once, as long as they are short and hold no line ends.

        Searches the next `glance` bytes.  Returns how many arguments were read, and whether those were all of them.
        """
        lines = self._buffer[self._at : self._at + glance].split(b"\r\n")
        count = min(self._left, (len(lines) - 1) // 2)
        words = lines[1 : 2 * count : 2]
        sizes = [min(len(word), _LONG) for word in words]
        headers = [_HEADERS[size] for size in sizes]
        announced = lines[: 2 * count : 2]
        were_all = count > 0 and announced == headers
        if announced != headers:  # keep those before the first mismatch
            count = next(index for index, pair in enumerate(zip(announced, headers)) if pair[0] != pair[1])
            del words[count:], sizes[count:], headers[count:]
        size = sum(sizes)
        self._arguments += words
        self._argument_bytes += size
        self._at += size + sum(map(len, headers)) + 4 * count
        self._left -= count
        return count, were_all

    def _length(self, what: bytes, error: str) -> int | None:
        """Read the number after `*` or `$`; return None until its line is whole."""
        end = self._line(what)
        if end is None:
            return None
        digits = self._buffer[self._at + 1 : end]
        value = _SMALL.get(digits)
        if value is None:
            value = parse_integer(digits)
            if value is None:
                raise ProtocolError(error)
        self._at = end + 2
        return value

    def _line(self, what: bytes) -> int | None:
        """Return the offset of the current line's end, or None until it has arrived, line feed included."""
        end = self._buffer.find(b"\r", self._at)
        if end < 0 or self._buffer.find(b"\0", self._at, end) >= 0:
            # C strings end at a NUL: Redis finds nothing after one, and waits until the line is too long.
            if len(self._buffer) - self._at > MAX_LINE:
                raise ProtocolError(f"too big {what.decode()} string")
            return None
        return end if end + 2 <= len(self._buffer) else None

    def _inline(self) -> list[bytes] | None:
        """Read a line of words; return an empty list for an empty line, None until the line is whole."""
        if not self.inline:
            raise ProtocolError("expected an array")
        end = self._buffer.find(b"\n", self._at)
        if end < 0 or self._buffer.find(b"\0", self._at, end) >= 0:
            if len(self._buffer) - self._at > MAX_LINE:
                raise ProtocolError("too big inline request")
            return None
        line = self._buffer[self._at : end]
        self._at = end + 1
        if line.endswith(b"\r"):
            line = line[:-1]
        try:
            return split_words(line)
        except ValueError:
            raise ProtocolError("unbalanced quotes in request") from None
