"""The face for datagrams: each is answered by one datagram, or not at all."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Callable, Sequence

from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import DatagramProtocol

from twisted_kv.declaring.commands import Lasting
from twisted_kv.engine.service import Service
from twisted_kv.engine.wakeup import REQUESTS
from twisted_kv.faces.conversations import TOO_LARGE, Conversation, rendered
from twisted_kv.faces.late_answers import TOO_MANY, Datagrams, LateAnswer, LateAnswers
from twisted_kv.transports.addresses import is_served
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import Reply
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.dialects import DIALECTS, MAX_DATAGRAM, Dialect, Request, is_miss
from twisted_kv.wire.encoder import least_size
from twisted_kv.wire.plain_requests import LEAST_RUN, MOST_RUN, Run

try:
    from mypy_extensions import mypyc_attr
except ImportError:
    from twisted_kv.vocabulary.compiling import mypyc_attr  # type: ignore[assignment]

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

READ_SIZE = 65_536
"""The `maxPacketSize` for `listenUDP`: more than any datagram holds.  Twisted's default truncates at 8,192 bytes."""

DATAGRAMS_A_TURN = 64
"""Datagrams that are answered before the reactor serves others."""


@mypyc_attr(allow_interpreted_subclasses=True)
class CacheDatagramProtocol(DatagramProtocol):
    """Answers datagrams in one dialect, by default the one named in the settings of its service.

    With a password set, only a `resp` datagram that begins with a correct AUTH is served.
    """

    noisy = False
    _log = Logger()

    def __init__(self, service: Service, dialect: Dialect | None = None) -> None:
        settings = service.settings
        self._service = service
        self._request = service.request
        self._settings = settings
        self._statistics = service.statistics
        self._dialect = dialect or DIALECTS[settings.udp_dialect](settings.udp_binary)
        self._session = service.begin(Lasting.REQUEST)
        self._silent_ports = service.silent_ports
        self._wakeup = service.wakeup
        self._received: Datagrams = []
        self._late = LateAnswers(service.now, self._statistics, self._post)
        self._joined = False  # a turn is scheduled
        self._write_all: Callable[[Datagrams], None] = self._write_each
        self._read_size = READ_SIZE
        self._left_in_turn = DATAGRAMS_A_TURN
        self._pause: IDelayedCall | None = None
        self._port = 0
        self._is_served = lru_cache(maxsize=4096)(partial(is_served, allowed=settings.udp_allow))

    def startProtocol(self) -> None:
        self._read_size = getattr(self.transport, "maxPacketSize", READ_SIZE)
        self._write_all = getattr(self.transport, "write_all", self._write_each)
        host = getattr(self.transport, "getHost", lambda: None)()
        self._port = getattr(host, "port", 0)
        self._silent_ports[self._port] += 1

    def stopProtocol(self) -> None:
        self._silent_ports[self._port] -= 1
        self._silent_ports += Counter()  # removes the ports whose count is now zero
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._late.close()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self._left_in_turn -= 1
        if not self._left_in_turn:
            self._left_in_turn = DATAGRAMS_A_TURN
            self._yield_to_reactor()
        self.datagramsReceived([(datagram, addr)])

    def datagramsReceived(self, datagrams: Datagrams) -> None:
        """Accept datagrams with their senders' addresses; they are answered at the end of the wake-up."""
        self._wakeup.load += sum([len(datagram) for datagram, _ in datagrams])
        self._received += datagrams
        if not self._joined:
            self._joined = True
            self._wakeup.join(self)

    def _post(self) -> None:
        """Schedule late answers to be sent with the others of a wake-up."""
        if not self._joined:
            self._joined = True
            self._wakeup.post(self)

    def run(self) -> Datagrams:
        """Run the requests of the datagrams received, and return the answers."""
        self._joined = False
        received, self._received = self._received, []
        answers: Datagrams = []
        if LEAST_RUN <= len(received) <= MOST_RUN and self._answer_together(received, answers):
            pass
        elif len(received) <= REQUESTS:
            self._answer_each(received, answers)
        else:
            for start in range(0, len(received), REQUESTS):
                if start and self._wakeup.is_late and self._wakeup.join_next(self):
                    self._joined = True
                    self._received = received[start:] + self._received
                    received = received[:start]
                    break
                self._answer_each(received[start : start + REQUESTS], answers)
        self._statistics.datagrams_received += len(received)
        if self._late.arrived:
            answers += [each for each in self._late.take() if each[1][1] not in self._silent_ports]
        return answers

    def _answer_together(self, received: Datagrams, answers: Datagrams) -> bool:
        """Do the same as `_answer_each` for datagrams that are all keys to retrieve; return False if they are not."""
        datagrams = [datagram for datagram, _ in received]
        dialect = self._dialect.of_keys(datagrams)
        if (
            dialect is None
            or self._settings.requirepass
            or max(map(len, datagrams)) >= self._read_size
            or not all(map(self._is_served, {address[0] for _, address in received}))
        ):
            return False
        replies = self._service.request_run(self._session, Run(b"GET", [datagrams], b"", 0, 0))
        silent = self._silent_ports
        for (datagram, address), reply in zip(received, replies):
            if type(reply) is bytes and len(datagram) + len(reply) < MAX_DATAGRAM:  # as `Equals` renders it
                answer: bytes | None = b"%b=%b" % (datagram, reply)
            else:
                answer = self._render(dialect, datagram, [b"GET", datagram], reply)
            if answer is not None and address[1] not in silent:
                answers.append((answer, address))
        if len(replies) < len(received):
            self._answer_each(received[len(replies) :], answers)
        return True

    def _answer_each(self, received: Datagrams, answers: Datagrams) -> None:
        """Run the requests of some datagrams, and append their answers to `answers`."""
        is_served, choose, silent = self._is_served, self._dialect.choose, self._silent_ports
        for datagram, address in received:
            if is_served(address[0]):
                try:
                    answer = self._answer(choose(datagram), datagram, address)
                except Exception:  # a bug of ours; the others are still answered
                    self._log.failure("a datagram could not be answered")
                    continue
                # A server on such a port would mistake the answer for a request, and answer it.
                if answer is not None and address[1] not in silent:
                    answers.append((answer, address))
            else:
                self._statistics.datagrams_refused += 1

    def answer(self, answers: Datagrams) -> None:
        """Send answers."""
        if answers and self.transport is not None:
            self._statistics.bytes_sent += sum([len(answer) for answer, _ in answers])
            self._write_all(answers)

    def _write_each(self, answers: Datagrams) -> None:
        """Send answers one by one, through a transport that has no `write_all`."""
        transport: Any = self.transport
        for answer, address in answers:
            try:
                transport.write(answer, address)
            except MessageLengthError:  # some systems carry less than IPv4 does
                with suppress(OSError):
                    transport.write(self._too_large(self._dialect.choose(b"")), address)
            except OSError:
                pass  # this answer is lost, as datagrams may be; the next one is still sent

    def close(self, *, abort: bool = False) -> None:
        """Do nothing: the port stays open for all other peers."""

    def connectionRefused(self) -> None:
        """Ignore that a peer went away before it got its reply."""

    def _answer(self, dialect: Dialect, datagram: bytes, address: Any) -> bytes | None:
        """Run the requests of a datagram; return the answering datagram, or None for no answer or if it comes later.

        A datagram that is itself just a miss or an error of ours is never answered: two servers would answer each other
        for ever.
        """
        try:
            if len(datagram) >= self._read_size:
                raise CommandError("request is cut: it is longer than this server reads")
            requests = dialect.parse(datagram)
            if dialect.lasting:  # more than one request shares the session
                return self._answer_all(dialect, requests, address)
            if self._settings.requirepass:
                raise CommandError("only the resp dialect can give the password")
        except CommandError as error:
            if self._settings.requirepass:
                self._statistics.datagrams_refused += 1
                return None
            return None if is_miss(datagram) else dialect.error(error)
        if not requests:
            return None
        reply = self._request(self._session, requests[0])
        if type(reply) is Promise:
            if not self._late.is_full:
                render = partial(self._render, dialect, datagram, requests[0])
                _LateReply(address, reply, render, self._late).wait()
                return None
            reply.abandon()
            reply = CommandError(TOO_MANY)
        return self._render(dialect, datagram, requests[0], reply)

    def _render(self, dialect: Dialect, datagram: bytes, request: Request, reply: Reply) -> bytes | None:
        """Return the datagram that answers one with a single request, or None for no answer."""
        answer = None
        if type(reply) is bytes:
            size = len(reply)
        elif (reply is None or isinstance(reply, CommandError)) and is_miss(datagram):
            return None
        else:
            size = least_size(reply)
        if size <= MAX_DATAGRAM:
            answer = rendered(dialect, request, reply, 2)
            if answer is None:
                if isinstance(reply, CommandError):
                    self._statistics.datagram_sets_refused += 1
                return None
        if answer is not None and len(answer) <= MAX_DATAGRAM:
            return answer
        return None if is_miss(datagram) else self._too_large(dialect)

    def _answer_all(self, dialect: Dialect, requests: Sequence[Request], address: Any) -> bytes | None:
        """Run requests that share a session; return the answer, or None for no answer or if it comes later."""
        if not requests:
            return None
        if self._settings.requirepass and requests[0][0].upper() != b"AUTH":
            self._statistics.datagrams_refused += 1
            return None
        return Conversation(self._service, dialect, requests, self._late, address).start()

    @staticmethod
    def _too_large(dialect: Dialect) -> bytes:
        return dialect.error(CommandError(TOO_LARGE))

    def _yield_to_reactor(self) -> None:
        """Return to the reactor after so many datagrams: Twisted itself reads until it has 256 KiB."""
        transport: Any = self.transport
        if self._pause is None and hasattr(transport, "maxThroughput"):
            throughput = transport.maxThroughput
            transport.maxThroughput = 0  # its loop checks this before each datagram

            def resume() -> None:
                self._pause = None
                transport.maxThroughput = throughput

            self._pause = self._service.now.clock.callLater(0, resume)


class _LateReply(LateAnswer):
    """A datagram with a single request, whose reply comes later; `render` encodes it."""

    def __init__(
        self, address: Any, promise: Promise, render: Callable[[Reply], bytes | None], late: LateAnswers
    ) -> None:
        super().__init__(address)
        self._promise = promise
        self._render = render
        self._late = late
        self._reply: Reply = None

    def wait(self) -> None:
        """Register the answer as owed, and wait for the reply."""
        self._late.owe(self)
        self._promise.then(self._take)

    def go_on(self) -> bytes | None:
        return self._render(self._reply)

    @property
    def is_complete(self) -> bool:
        return self._promise.is_resolved

    def abandon(self) -> None:
        self._promise.abandon()

    def _take(self, reply: Reply) -> None:
        self._reply = reply
        self._late.arrive(self)
