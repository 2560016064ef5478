"""The requests of one datagram, which share a session, and the parts of its answer."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Final, List, Sequence, Tuple

from twisted_kv.engine.service import Service
from twisted_kv.faces.late_answers import TOO_MANY, LateAnswer, LateAnswers
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.logs import log_no_reply
from twisted_kv.vocabulary.replies import Reply
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.dialects import MAX_DATAGRAM, Dialect, Request
from twisted_kv.wire.encoder import least_size

TOO_LARGE: Final = "reply is too large for a datagram"


def rendered(dialect: Dialect, request: Request, reply: Reply, resp: int) -> bytes | None:
    """Render a reply; a value that is none, which is a bug of its command, becomes an error."""
    try:
        return dialect.render(request, reply, resp)
    except Exception:
        return dialect.error(log_no_reply(reply))


class Conversation(LateAnswer):
    """Runs the requests of a datagram, and assembles its answer, now or once the last reply has arrived."""

    def __init__(
        self, service: Service, dialect: Dialect, requests: Sequence[Request], late: LateAnswers, address: Any
    ) -> None:
        super().__init__(address)
        self._service = service
        self._dialect = dialect
        self._requests = iter(requests)
        self._late = late
        self._session = service.begin(dialect.lasting)
        self._parts: List[bytes] = []
        self._size = 0
        self._awaited: Dict[Promise, None] = {}
        self._arrived: List[Tuple[int, Request, int, Reply]] = []  # replies that arrived later and are not encoded yet
        self._is_held = False  # by a reply that comes later: no request after it is run yet
        self._is_refused = False  # the client has not sent the password
        self._is_running = False  # replies that arrive meanwhile are encoded in this turn

    def start(self) -> bytes | None:
        """Run the requests; return the answer, or None for no answer or if it comes later."""
        answer = self.go_on()
        if not self.is_complete:
            self._late.owe(self)
        return answer

    def go_on(self) -> bytes | None:
        self._is_running = True
        try:
            self._encode_arrived()
            while not self._is_held and self._run():
                self._encode_arrived()
            self._encode_arrived()
        except BaseException:
            self.abandon()
            raise
        finally:
            self._is_running = False
        if not self.is_complete:
            return None
        self._service.end(self._session)
        if self._is_refused:
            return None
        if self._size > MAX_DATAGRAM:
            return self._dialect.error(CommandError(TOO_LARGE))
        return b"".join(self._parts) or None

    @property
    def is_complete(self) -> bool:
        return not self._awaited and not self._arrived

    def abandon(self) -> None:
        awaited = list(self._awaited)
        self._awaited.clear()
        self._arrived.clear()
        for promise in awaited:
            promise.abandon()
        self._service.end(self._session)

    def _run(self) -> bool:
        """Run requests up to one that blocks those after it; return False if there are no more."""
        session, request = self._session, self._service.request
        password = bool(self._service.settings.requirepass)
        for words in self._requests:
            if self._size > MAX_DATAGRAM and self._service.only_reads(words):
                continue  # its reply would not be sent anyway
            reply = request(session, words)
            if password and session.must_authenticate and not self._parts:
                self._service.statistics.datagrams_refused += 1
                self._is_refused = True
                return False
            if type(reply) is Promise:
                if self._owe(reply, words):
                    return True
            else:
                self._parts.append(self._render(words, reply, session.resp))
        return False

    def _owe(self, promise: Promise, words: Request) -> bool:
        """Reserve a part for a reply that comes later; return True if no later request may run before it."""
        resp = self._session.resp
        if self._late.is_full:
            promise.abandon()
            self._parts.append(self._render(words, CommandError(TOO_MANY), resp))
            return False
        self._awaited[promise] = None
        self._is_held = promise.holds
        self._parts.append(b"")
        promise.then(partial(self._take, promise, len(self._parts) - 1, words, resp))
        return promise.holds

    def _take(self, promise: Promise, index: int, words: Request, resp: int, reply: Reply) -> None:
        """Accept a reply that comes later; the next turn encodes it and runs the requests after it."""
        if promise in self._awaited:
            del self._awaited[promise]
            self._arrived.append((index, words, resp, reply))
            self._is_held = self._is_held and not promise.holds
            if not self._is_running:
                self._late.arrive(self)

    def _encode_arrived(self) -> None:
        arrived, self._arrived = self._arrived, []
        for index, words, resp, reply in arrived:
            self._parts[index] = self._render(words, reply, resp)

    def _render(self, words: Request, reply: Reply, resp: int) -> bytes:
        """Encode a reply, unless all of them together are too large already."""
        if self._size > MAX_DATAGRAM or least_size(reply) > MAX_DATAGRAM:
            self._size += MAX_DATAGRAM + 1
            return b""
        part = rendered(self._dialect, words, reply, resp)
        if part is None:
            return b""
        self._size += len(part)
        return part
