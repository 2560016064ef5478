"""The three UDP dialects (how a datagram's requests and replies are written), and a fourth that picks one of them.

    equals    foo=bar sets, foo retrieves                          (for a person or a program with little time)
    command   SET foo bar px 10000                                 (for a person who knows Redis)
    resp      whole RESP requests, as many as fit                  (for a program)
    auto      one of the three, by how the datagram begins

A dialect parses a datagram into requests (lists of words) and renders each reply as its part of the answering
datagram, or as None for no answer.  A datagram may hold any bytes; a dialect raises nothing but `CommandError`.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final, FrozenSet, List, Pattern

from twisted_kv.declaring.commands import Lasting
from twisted_kv.vocabulary.errors import ArityError, CommandError, ProtocolError
from twisted_kv.vocabulary.numbers import parse_integer
from twisted_kv.vocabulary.replies import NoReply, Reply
from twisted_kv.wire.encoder import encode, encode_resp2
from twisted_kv.wire.requests import RequestReader
from twisted_kv.wire.terminal import in_resp2, render
from twisted_kv.wire.words import split_words

Request = List[bytes]

MAX_DATAGRAM: Final = 65_507
"""The maximum payload of a datagram over IPv4, in bytes."""


_MISS: Final = re.compile(rb"keyDoesNotExists|\(nil\)\n?|\(error\) [A-Z]+(?: [^\n]*)?\n?|-[A-Z]+(?: [^\r\n]*)?\r\n")


def is_miss(datagram: bytes) -> bool:
    """Check whether a datagram is exactly what one of the dialects answers for a missing key or an error."""
    return datagram.startswith((b"k", b"(", b"-")) and _MISS.fullmatch(datagram) is not None


class Dialect:
    """One way to parse and answer datagrams.

    With `binary`, a line ending at the end of a datagram is data; otherwise it is not part of the request.
    """

    name: ClassVar[str] = ""
    lasting: ClassVar[Lasting] = Lasting.REQUEST

    def __init__(self, binary: bool = False) -> None:
        self.binary = binary

    def choose(self, datagram: bytes) -> Dialect:
        """Return the dialect in which a datagram is written."""
        return self

    def of_keys(self, datagrams: list[bytes]) -> Dialect | None:
        """Return the dialect in which each of some datagrams is a key to retrieve, and nothing else; None if not."""
        return None

    def parse(self, datagram: bytes) -> list[Request]:
        """Return the requests of a datagram, or none if it is not to be answered; raises `CommandError`."""
        raise NotImplementedError

    def render(self, request: Request, reply: Reply, resp: int) -> bytes | None:
        """Return the encoded reply, or None for no answer; `resp` is the session's protocol version."""
        raise NotImplementedError

    def error(self, error: CommandError) -> bytes:
        """Return an encoded error."""
        return b"(error) " + error.line

    def _without_line_ending(self, datagram: bytes) -> bytes:
        if self.binary or not datagram.endswith(b"\n"):
            return datagram
        return datagram[:-2] if datagram.endswith(b"\r\n") else datagram[:-1]


class Equals(Dialect):
    """`foo=bar` sets a key and is not answered; a datagram without an equals sign is the key to retrieve."""

    name: ClassVar[str] = "equals"

    def of_keys(self, datagrams: list[bytes]) -> Dialect | None:
        joined = b"".join(datagrams)
        return None if b"=" in joined or b"\n" in joined else self

    def parse(self, datagram: bytes) -> list[Request]:
        if datagram[-1:] == b"\n":
            datagram = self._without_line_ending(datagram)
        key, separator, value = datagram.partition(b"=")
        return [[b"SET", key, value]] if separator else [[b"GET", key]]

    def render(self, request: Request, reply: Reply, resp: int) -> bytes | None:
        if len(request) == 3:
            return None
        if type(reply) is bytes:
            return b"%b=%b" % (request[1], reply)
        if reply is None:
            return b"keyDoesNotExists"
        assert isinstance(reply, CommandError)  # GET has no other reply
        return self.error(reply)


class Words(Dialect):
    """Words as at the redis-cli prompt, answered with text that ends in a line feed."""

    name: ClassVar[str] = "command"

    def parse(self, datagram: bytes) -> list[Request]:
        try:
            words = split_words(self._without_line_ending(datagram))
        except ValueError:
            raise CommandError("Protocol error: unbalanced quotes in request") from None
        if not words:
            return []
        return [_join_value(words) if words[0].upper() == b"SET" else words]

    def render(self, request: Request, reply: Reply, resp: int) -> bytes | None:
        if isinstance(reply, CommandError):
            return self.error(reply)
        if isinstance(reply, NoReply):
            return None
        shown = in_resp2(reply)
        return shown + b"\n" if isinstance(shown, bytes) else render(shown)

    def error(self, error: CommandError) -> bytes:
        if isinstance(error, ArityError):
            error = ArityError(error.command.upper())  # as the user typed it
        return super().error(error) + b"\n"


class Resp(Dialect):
    """Whole RESP requests, answered in RESP and in order."""

    name: ClassVar[str] = "resp"
    lasting: ClassVar[Lasting] = Lasting.DATAGRAM

    def parse(self, datagram: bytes) -> list[Request]:
        reader = RequestReader(MAX_DATAGRAM, inline=False)
        reader.feed(datagram)
        requests = []
        try:
            while (request := reader.gets()) is not None:
                requests.append(request)
        except ProtocolError:
            return []
        return requests if reader.between_requests else []

    def render(self, request: Request, reply: Reply, resp: int) -> bytes | None:
        return encode(reply, resp) or None

    def error(self, error: CommandError) -> bytes:
        return encode_resp2(error)


class Auto(Dialect):
    """Choose the dialect by how the datagram begins."""

    name: ClassVar[str] = "auto"
    _COMMAND: ClassVar[Pattern[bytes]] = re.compile(rb"(?:PING|GET|SET)(?=[ \t\n\r\v\f]|\Z)", re.IGNORECASE)
    _RESP: ClassVar[Pattern[bytes]] = re.compile(rb"\*[0-9]")
    _BEGINNINGS: ClassVar[FrozenSet[bytes]] = frozenset(
        b"%c" % each for each in b"PpGgSs*"
    )  # of every datagram that is not in `equals`

    def __init__(self, binary: bool = False) -> None:
        super().__init__(binary)
        self._equals, self._words, self._resp = Equals(binary), Words(binary), Resp(binary)

    def of_keys(self, datagrams: list[bytes]) -> Dialect | None:
        equals = self._equals
        doubtful = [datagram for datagram in datagrams if datagram[:1] in self._BEGINNINGS]
        if doubtful and any(self.choose(datagram) is not equals for datagram in doubtful):
            return None
        return equals.of_keys(datagrams)

    def choose(self, datagram: bytes) -> Dialect:
        if datagram[:1] not in self._BEGINNINGS:
            return self._equals
        if self._COMMAND.match(datagram):
            return self._words
        return self._resp if self._RESP.match(datagram) else self._equals


DIALECTS: Final[dict[str, type[Dialect]]] = {each.name: each for each in (Auto, Equals, Words, Resp)}


def _join_value(words: Request) -> Request:
    """Join the words after the key of a SET into one value, except the longest tail that reads as time options.

    At least one word remains as the value.  A final pair such as `PX abc` counts as a (malformed) time option.
    """
    if len(words) < 4:
        return words
    start = len(words)
    while True:
        option = words[start - 1].upper()
        if start > 3 and option == b"KEEPTTL":
            start -= 1
            continue
        option = words[start - 2].upper()
        number = start == len(words) or parse_integer(words[start - 1]) is not None
        if start > 4 and option in (b"EX", b"PX", b"EXAT", b"PXAT") and number:
            start -= 2
            continue
        return [*words[:2], b" ".join(words[2:start]), *words[start:]]
