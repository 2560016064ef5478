"""One Redis client: its requests are read, run and answered here, whatever carries the bytes.

A class of its own, and not part of Twisted's protocol, because all of it is passed by each chunk of a client: the
compiled build knows the attributes of a class that inherits from nothing else (an eighth of the CPU of a GET, there).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Final, Iterator, Protocol

from twisted_kv.declaring.commands import Lasting
from twisted_kv.engine.service import Service
from twisted_kv.engine.wakeup import READ_SIZE
from twisted_kv.faces.ending import LONGEST, TRANSITIONS, Cause, State
from twisted_kv.sessions.outbox import CHUNK, MOST_SLOTS, SMALL, Batch, Outbox, Slot
from twisted_kv.sessions.session import Session, memory_of
from twisted_kv.settings.kinds import BufferLimit
from twisted_kv.transports.sockets import descriptor, local_name, peer_name, prepare
from twisted_kv.vocabulary.errors import CommandError, ProtocolError
from twisted_kv.vocabulary.logs import Logger
from twisted_kv.vocabulary.replies import OK, Pushed, Reply, messages_of
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.encoder import encode_resp2
from twisted_kv.wire.plain_requests import Requests, Run, listed
from twisted_kv.wire.requests import AT_ONCE, PORTION, RequestReader
from twisted_kv.wire.short_arrays import BULK_HEADERS

OPEN: Final = State.OPEN
OWING: Final = State.OWING


CONNECTION_SIZE: Final = 4096
"""Bytes of memory of a connection that has nothing to do, with its session and its transport; measured roughly."""


class Owner(Protocol):
    """The object that builds connections and manages them."""

    service: Service

    def admit(self, connection: RespConnection) -> CommandError | None:
        """Admit a new connection, or return the error that it is refused with."""

    def forget(self, connection: RespConnection) -> None:
        """Forget a connection that is lost."""


class RespConnection:
    """The connection of one Redis client.

    Replies go to the transport at once until it reports that its buffer is full.  From then on they wait in the outbox,
    where they can be counted.  As in Redis, the client is still served (one that pipelines a lot reads late) until a
    limit is exceeded.
    """

    _log = Logger()

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._service = service = owner.service
        self._now = service.now
        self._wakeup = service.wakeup
        self._statistics = service.statistics
        self._settings = service.settings
        self.transport: Any = None
        """One of Twisted's stream transports, once there is one."""
        self._session: Session | None = None
        self._reader = RequestReader()
        self._outbox = Outbox(self._output_limit)
        self._state = OPEN
        self._since = self._now.elapsed  # when it entered that state, in milliseconds
        self._full = False  # the transport accepts no more for now
        self._producing = False  # we are the transport's producer: it reports when it is full
        self._turns = 0  # number of turns in wake-ups that are not committed yet
        self._joined = False  # a turn is scheduled or running
        self._awaited: Promise | None = None  # the reply that blocks the requests after it
        self._has_backlog = False  # requests have piled up, perhaps more than one turn may run

    # What the transport reports

    def begin(self, transport: Any, producer: Any) -> None:
        """Begin the conversation; `producer` is told when the transport is full."""
        self.transport = transport
        transport.registerProducer(producer, True)
        self._producing = True
        if hasattr(transport, "bufferSize"):
            transport.bufferSize = READ_SIZE
        refusal = self._owner.admit(self)
        if refusal is not None:
            self._write(encode_resp2(refusal))
            self._move(Cause.LEAVE)
            self._disconnect(abort=False)
            return
        prepare(transport, self._settings.tcp_keepalive)
        self._session = self._service.begin(Lasting.CONNECTION, self)

    def receive(self, data: bytes) -> None:
        """Read bytes of the client; what they ask runs when all connections have read."""
        self._wakeup.load += len(data)
        if self._state is not OPEN:
            return
        self._reader.feed(data)
        if self._awaited is not None:
            self._check_query_limit()
        elif not self._joined:
            self._joined = True
            self._wakeup.join(self)
        elif self._wakeup.is_suspended(self):
            self._check_query_limit()

    def run(self) -> Batch:
        """Run the requests received so far, and return their replies and the pushes that came meanwhile."""
        self._turns += 1
        session, reader, outbox = self._session, self._reader, self._outbox
        if session is None or (self._state is not OPEN and self._state.is_over):
            self._joined = False
            return []
        session.last_active = self._wakeup.elapsed
        again = False
        if not reader.more and not session.closing:
            pass  # it was posted for a reply or a message alone, as very many subscribers may be
        elif self._awaited is None and self._state is not OWING:
            try:
                again = self._run_requests(session, reader, outbox)
            except ProtocolError as error:
                outbox.parts.append(encode_resp2(CommandError(f"Protocol error: {error}")))
                session.closing = True
            if session.closing:
                self._move(Cause.LAST_REQUEST)
            elif reader.more:
                self._check_query_limit()
        self._joined = self._has_backlog = again
        batch = outbox.take()
        if len(batch) > 1 and self._wakeup.commits_at_once and not self._state.is_over:
            self._deliver(batch)  # not all large replies of a wake-up at once: no cache of the processor holds them
            return []
        return batch

    def _run_requests(self, session: Session, reader: RequestReader, outbox: Outbox) -> bool:
        """Run requests; return True if the rest must wait for another turn.  Raises `ProtocolError`."""
        if not outbox.parts:  # a new list is faster to fill than an old one where a collector has generations (PyPy)
            outbox.parts = []
        request, parts = self._request_of(session), outbox.parts
        reader.max_bulk = self._settings.proto_max_bulk_len
        least_pending = reader.pending - PORTION if self._has_backlog else 0  # yield when fewer bytes are left
        ended = False
        while reader.more and not ended and (requests := self._next_requests(session)):
            if isinstance(requests, Run):
                requests = [] if self._run_together(requests, session) else listed(reader.take())
                ended = session.closing or self._awaited is not None
            following = iter(requests)
            for words in following:
                reply = request(session, words)
                if type(reply) is bytes and len(reply) < SMALL:  # most replies are
                    parts += (BULK_HEADERS[len(reply)], reply, b"\r\n")
                    continue
                if reply is OK:
                    parts.append(b"+OK\r\n")
                elif type(reply) is Promise:
                    ended = self._owe_promise(reply, session, following)
                else:
                    # In the protocol version after the request: the reply to HELLO uses the new one.
                    if not outbox.add(reply, session.resp):
                        self._close_over_output_limit("its reply is longer than client-output-buffer-limit")
                    request = self._request_of(session)  # it may have been CLIENT REPLY
                    call = session.last_call
                    # This command may have made the wake-up late; after fast ones the clock is not read.
                    if call is not None and not call.is_fast and reader.at_once > 1 and self._wakeup.is_late:
                        reader.at_once = 1
                        reader.put_off(following)
                ended = ended or session.closing
                if ended:
                    break
                if not session.authenticated and session.must_authenticate:
                    reader.give_back(following)  # it was RESET: what follows must be read with the stricter limits
            if reader.more and not ended and self._yield_rest(least_pending):
                return True
        return False

    def _run_together(self, run: Run, session: Session) -> bool:
        """Run a run, or its first requests, and put the others off; return False if each has to be run by itself."""
        is_mute = session.replies_off or session.skips_reply
        replies = [] if is_mute else self._service.request_run(session, run)
        if len(replies) < run.count:
            self._reader.put_off(run.requests(len(replies)))
        if not replies:
            return False
        last = replies.pop() if type(replies[-1]) is Promise else None
        if replies and not self._outbox.add_run(replies, session.resp):
            self._close_over_output_limit("its reply is longer than client-output-buffer-limit")
        if last is not None:
            self._owe_promise(last, session, iter(()))
        return True

    def _request_of(self, session: Session) -> Callable[[Session, list[bytes]], Reply]:
        """Return what runs a request: with CLIENT REPLY, what leaves the reply out."""
        return self._request_mutely if session.replies_off or session.skips_reply else self._service.request

    def _request_mutely(self, session: Session, words: list[bytes]) -> Reply:
        """Run a request without its reply; messages are sent all the same."""
        skips = session.skips_reply
        session.skips_reply = False  # but CLIENT REPLY SKIP may set it again
        reply = self._service.request(session, words)
        if type(reply) is not Promise:
            return messages_of(reply) if skips or session.replies_off else reply
        mute = Promise(holds=reply.holds)
        mute.abandon = reply.give_up
        reply.then(partial(self._resolve_mutely, mute, session, skips))
        return mute

    @staticmethod
    def _resolve_mutely(mute: Promise, session: Session, skips: bool, reply: Reply) -> None:
        mute.resolve(messages_of(reply) if skips or session.replies_off else reply)

    def _next_requests(self, session: Session) -> Requests:
        """Return the next complete requests; an unauthenticated client may announce only small sizes."""
        reader = self._reader
        reader.authenticated = session.authenticated or not session.must_authenticate
        return reader.take() or reader.take_one()

    def _yield_rest(self, least_pending: int) -> bool:
        """Leave the rest to the next wake-up if this one is late or few bytes are left; return True if it is left."""
        if self._wakeup.is_late:
            self._reader.at_once = 1  # until some run fast again
            return self._wakeup.join_next(self)
        self._reader.at_once = min(2 * self._reader.at_once, AT_ONCE)
        return self._reader.pending < least_pending and self._wakeup.join_next(self)

    def _owe_promise(self, promise: Promise, session: Session, following: Iterator[list[bytes]]) -> bool:
        """Register a reply that comes later; return True if no more requests may run before it."""
        if not promise.holds and len(self._outbox.slots) < MOST_SLOTS:
            promise.then(partial(self._fill, self._outbox.promise(promise, session.resp)))
            return False
        self._awaited = promise
        promise.then(self._resume)
        if promise.is_resolved:
            return False
        if not self._stop_waiting_if_ended():
            self._reader.give_back(following)
        return True

    def _stop_waiting_if_ended(self) -> bool:
        """Wait no more if the client sends no more and waits for a key: it may not be there to receive the value.

        It still gets the replies to its earlier requests.  Return True if so.
        """
        awaited, session = self._awaited, self._session
        if self._state is not State.HALF_CLOSED or session is None or not session.waiting or awaited is None:
            return False
        self._awaited = None
        awaited.abandon()
        session.closing = True
        self._move(Cause.LAST_REQUEST)
        return True

    def _resume(self, reply: Reply) -> None:
        """Continue after a request whose reply has arrived; it is sent with the others of a wake-up."""
        self._awaited = None
        self._has_backlog = True
        self._queue(reply)

    def _fill(self, slot: Slot, reply: Reply) -> None:
        """Put a reply that comes later into its slot; it is sent with the others of a wake-up."""
        self._queue(reply, slot)

    def _queue(self, reply: Reply, slot: Slot | None = None) -> None:
        """Queue a reply that arrives while no request of this client runs, and schedule a turn for it."""
        if self._session is None or self._state.is_over:
            return
        outbox = self._outbox
        fits = outbox.add(reply, self._session.resp) if slot is None else outbox.fill(slot, reply)
        if not fits:
            self._close_over_output_limit("its reply is longer than client-output-buffer-limit")
        elif not self._joined:
            self._joined = True
            self._wakeup.post(self)

    def _check_query_limit(self) -> None:
        """Disconnect a client whose unprocessed input exceeds the limit."""
        if self._reader.pending > self._settings.client_query_buffer_limit:
            self._log_disconnection("its request is longer than client-query-buffer-limit")
            self._statistics.query_limit_disconnections += 1
            self.close()

    def answer(self, batch: Batch) -> None:
        """Send the batch of a turn that is committed, unless the connection was closed meanwhile."""
        self._turns -= 1
        if batch and (self._state is OPEN or not self._state.is_over):
            self._deliver(batch)
        if self._state is not OPEN:
            self._end_if_served()

    def _deliver(self, batch: Batch) -> None:
        """Hand a batch to the transport, or release it to wait for that."""
        outbox, data = self._outbox, batch[0]
        if len(batch) > 1 or self._full or outbox.released or len(data) > CHUNK:
            outbox.release(batch)
            self._send()
        elif data:
            outbox.held_bytes -= len(data)
            self._statistics.bytes_sent += len(data)
            self.transport.write(data)

    def end_input(self) -> None:
        """React to the client closing its sending side; it still gets the replies that it is owed."""
        self._move(Cause.END_OF_INPUT)
        self._stop_waiting_if_ended()
        self._end_if_served()

    def lose(self) -> None:
        """End the connection: the client is gone."""
        try:
            if self._joined and not self._state.is_over and not self._wakeup.is_suspended(self):
                self.run()  # a last turn, whose replies are not sent; input that it does not reach is lost
        finally:
            self._move(Cause.LOST)
            self._owner.forget(self)

    def pause(self) -> None:
        """Send nothing for now: the transport is full."""
        self._full = True

    def resume(self) -> None:
        """Send what has waited."""
        self._full = False
        if self._session is not None:
            self._session.last_active = self._now.elapsed
        self._send()

    # What commands see

    @property
    def peer(self) -> str:
        return peer_name(self.transport)

    @property
    def local(self) -> str:
        return local_name(self.transport)

    @property
    def descriptor(self) -> int:
        return descriptor(self.transport)

    @property
    def waiting_input(self) -> int:
        return self._reader.pending

    @property
    def waiting_output(self) -> int:
        return self._outbox.held_bytes + self._outbox.waiting_bytes

    @property
    def memory_with_queue(self) -> int:
        """Bytes of memory of the connection with what MULTI has queued, as an estimate."""
        return self.memory if self._session is None else memory_of(self._session)

    @property
    def is_over(self) -> bool:
        """Whether its session has ended."""
        return self._state.is_over

    @property
    def is_kept(self) -> bool:
        """Whether it must not be closed for lack of memory."""
        return self._session is not None and self._session.is_kept

    def close_for_memory(self) -> None:
        """Close the connection because all connections take more memory than `maxmemory-clients` allows."""
        self._log_disconnection("it takes more memory than others (maxmemory-clients)")
        self.close()

    @property
    def waiting_parts(self) -> int:
        return len(self._outbox.released)

    @property
    def memory(self) -> int:
        return CONNECTION_SIZE + self._reader.pending + self._outbox.size

    def push(self, message: Pushed) -> None:
        session = self._session
        if session is None or session.closing or (self._state is not OPEN and self._state.is_over):
            return
        if session.held is not None:
            session.held.append(message)
        elif session.pushed is not None:
            session.pushed.append(message)
        elif not self._outbox.add_push(message, session.resp):
            self._close_over_output_limit("its messages are longer than client-output-buffer-limit")
        elif not self._joined:
            self._joined = True
            self._wakeup.post(self)

    def close(self, *, abort: bool = False) -> None:
        """Close the connection; replies that wait in the outbox are not sent.

        What the transport holds is sent, unless the connection is aborted or the client does not read it soon.
        """
        if self.transport is not None and self._state is not State.GONE:
            self._move(Cause.LEAVE)
            self._disconnect(abort=abort or self._full)

    # The end

    def _move(self, cause: Cause) -> None:
        """Enter the state that a cause leads to, and act on it."""
        state = TRANSITIONS[self._state].get(cause)
        if state is None:
            return
        self._state = state
        self._since = self._now.elapsed
        if state is State.DRAINING:
            self._disconnect(abort=False)
        elif state is State.LINGERING or state is State.GONE:
            self._drop_session()

    def _end_if_served(self) -> None:
        """End a connection that runs no further requests, unless the client is still owed something."""
        is_owed = self._turns or self._joined or self._awaited is not None or self._outbox.is_owing
        if not is_owed and self._state is not OPEN:
            self._move(Cause.SERVED)

    def _drop_session(self) -> None:
        """Drop everything the client is owed, and end its session."""
        session = self._session
        if session is not None:
            session.shut()
        self._reader = RequestReader()  # the rest of what it has sent is not run
        awaited = self._awaited
        self._awaited = None
        self._outbox.clear()
        if awaited is not None:
            awaited.abandon()
        if session is not None:
            self._service.end(session)
            if self._state is State.GONE:
                # The two reference each other: without this their buffers would live until the garbage collector runs.
                session.link = None
                self._session = None

    def _disconnect(self, *, abort: bool) -> None:
        """Tell the transport to close; it would wait for ever for a producer that is paused."""
        if self._producing:
            self._producing = False
            self.transport.unregisterProducer()
        if abort:
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    def sweep(self, now: int) -> None:
        """Close a connection that has been idle, over its soft limit, or ending for too long."""
        longest = LONGEST.get(self._state)
        if longest is not None:
            if now - self._since > longest * 1000:
                self._disconnect(abort=True)
            return
        if self._session is None:
            return
        timeout = self._settings.timeout
        session = self._session
        listens = session.subscriptions is not None or session.is_monitor
        is_waiting = self._awaited is not None or self._outbox.slots or listens
        if timeout and not is_waiting and now - self._session.last_active > timeout * 1000:
            self.close()
        elif self._outbox.size:
            self._check_output_limits(now)

    # What goes out

    def _write(self, data: bytes) -> None:
        self._statistics.bytes_sent += len(data)
        self.transport.write(data)

    def _send(self) -> None:
        """Hand what may be sent to the transport in chunks until it is full; too much left ends the connection."""
        outbox = self._outbox
        while not self._full and (chunk := outbox.next_chunk()):
            self._write(chunk)
        if not self._state.is_over:
            self._check_output_limits(self._now.elapsed)
            self._end_if_served()

    def _output_limit(self) -> BufferLimit:
        """Return the `client-output-buffer-limit` of this client's class."""
        limits, session = self._settings.client_output_buffer_limit, self._session
        limit = limits.normal if session is None or session.subscriptions is None else limits.pubsub
        assert limit is not None  # each class has one
        return limit

    def _close_over_output_limit(self, why: str) -> None:
        self._log_disconnection(why)
        self._statistics.output_limit_disconnections += 1
        self.close()

    def _log_disconnection(self, why: str) -> None:
        """Log why the client is disconnected."""
        self._service.repeated.closed(self._log, self.peer, why)

    def _check_output_limits(self, now: int) -> None:
        """Disconnect the client if too many replies are waiting to be sent to it."""
        if self._outbox.is_beyond_limits(now):
            self._close_over_output_limit("it does not read its replies (client-output-buffer-limit)")
