"""Requests from the same process: plain Python values in, reply values out."""

from __future__ import annotations

from inspect import iscoroutine
from threading import get_ident
from types import TracebackType
from typing import Any, Callable, Iterable, Sequence, Tuple, TypeVar

from twisted.internet.defer import Deferred, fail, succeed

from twisted_kv.declaring.commands import Lasting
from twisted_kv.engine.notifications import ANY_EVENT
from twisted_kv.engine.service import Service
from twisted_kv.sessions.channels import CHANNEL, PATTERN, Kind, Subscriptions
from twisted_kv.sessions.session import Session
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.glob import compile_pattern
from twisted_kv.vocabulary.keyspace_events import CLASS_OF
from twisted_kv.vocabulary.replies import NULL_ARRAY, Push, Reply
from twisted_kv.vocabulary.script_requests import Script
from twisted_kv.vocabulary.subscriptions import KeyEvent, Message, OnMessage, Subscription, check_callback, check_names
from twisted_kv.vocabulary.waiting import Promise
from twisted_kv.wire.words import Word, encode_word, encode_words

T = TypeVar("T")

WRONG_THREAD = (
    "a cache is called in the thread of its reactor: from another one, use call_from_thread or run_from_thread"
)


def _later(reply: Promise, owner: Owner) -> Deferred[Reply]:
    """Return a Deferred that fires with a reply that is not known yet."""

    def abandon(_: Deferred[Reply]) -> None:
        reply.abandon()

    deferred: Deferred[Reply] = Deferred(abandon)

    def fire(result: Reply) -> None:
        if deferred.called:
            return  # it was cancelled
        if isinstance(result, CommandError):
            owner.call_back(deferred.errback, result)
        else:
            owner.call_back(deferred.callback, None if result is NULL_ARRAY else result)

    reply.then(fire)
    return deferred


class Owner:
    """The thread that may call: the reactor's, or while none runs yet, the one that created the cache."""

    __slots__ = ("asking", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.asking: Session | None = None
        """The session whose `request` is under way, so that it may wait."""

    def move(self) -> None:
        """Make the calling thread the owner of the cache."""
        self.thread = get_ident()

    def check(self) -> None:
        """Raise RuntimeError in any other thread."""
        if get_ident() != self.thread:
            raise RuntimeError(WRONG_THREAD)

    def call_back(self, function: Callable[[T], object], value: T) -> None:
        """Call a function of the program, perhaps in the middle of its `request`: what it asks there must not wait."""
        asking, self.asking = self.asking, None
        if asking is not None:
            asking.may_wait = False
        try:
            function(value)
        finally:
            if asking is not None:
                asking.may_wait = True
            self.asking = asking


class Listener:
    """A subscriber within the process: it passes messages on after the unit that has caused them."""

    def __init__(
        self, service: Service, owner: Owner, names: Iterable[Tuple[Kind, bytes]], callback: OnMessage | None
    ) -> None:
        self._deliveries = service.deliveries
        self._owner = owner
        self._subscriptions = Subscriptions(service.channels, self)
        self.subscription = Subscription(self._subscriptions.end, callback)
        """What the program has of it."""
        for kind, name in names:
            self._subscriptions.add(kind, name)

    def push(self, message: Push) -> None:
        """Accept a message from the channels."""
        pattern = message[1] if len(message) > 3 else None
        item = Message(message[-2], message[-1], pattern)
        self._deliveries.post(lambda: self._owner.call_back(self.subscription.put, item))


def subscribe(
    service: Service, owner: Owner, channels: Sequence[Word], patterns: Sequence[Word], callback: OnMessage | None
) -> Subscription:
    """Subscribe to channels and patterns.

    Raises ValueError if there are none, TypeError for a name that cannot be sent, RuntimeError in a wrong thread.
    """
    owner.check()
    check_names(channels, patterns)
    names = [(kind, encode_word(name)) for kind, each in ((CHANNEL, channels), (PATTERN, patterns)) for name in each]
    return Listener(service, owner, names, callback).subscription


def read_events(
    service: Service,
    owner: Owner,
    event: str,
    pattern: Word,
    callback: Callable[[KeyEvent], object],
    database: int | None,
) -> Subscription:
    """Call back for a keyspace event, or for all with `*`, of the keys that match, in one database or in all.

    Raises ValueError for an event or a database that does not exist, RuntimeError in a wrong thread.
    """
    owner.check()
    name = encode_word(event)
    if name != ANY_EVENT and name not in CLASS_OF:
        raise ValueError(f"there is no event {event!r}: these are {', '.join(map(bytes.decode, CLASS_OF))}")
    databases = service.settings.databases
    if database is not None and not 0 <= database < databases:
        raise ValueError(f"there is no database {database!r} among {databases}")

    check_callback(callback)

    def read(event: bytes, key: bytes, index: int) -> None:
        if database is None or database == index:
            item = KeyEvent(event.decode(), key, index)
            service.deliveries.post(lambda: owner.call_back(subscription.put, item))

    end = service.notifications.read(name, compile_pattern(encode_word(pattern)), read)
    subscription = Subscription(end, callback)
    return subscription


def run_as_unit(service: Service, owner: Owner, function: Callable[..., T], args: Sequence[Any]) -> T:
    """Call `function(session, *args)` with a new session, as one unit, and return its result.

    Raises what the function raises, TypeError if it returns what comes later, and RuntimeError in a wrong thread.
    """
    owner.check()

    def run() -> T:
        with LocalSession(service, owner) as session:
            value = function(session, *args)
            if isinstance(value, Deferred) or iscoroutine(value):
                if iscoroutine(value):
                    value.close()
                raise TypeError("run is for functions that return a value, not one that comes later")
            return value

    return service.run_unit(run)


class LocalSession:
    """A session within the same process, with a selected database and a protocol version of its own.

    It is a context manager and speaks RESP3, so that replies keep their shape.  If it `is_shared`, no command may
    change the session (SELECT, MULTI, ...).  All methods must be called in the thread of the reactor, and raise
    RuntimeError in any other.
    """

    def __init__(self, service: Service, owner: Owner | None = None, *, is_shared: bool = False) -> None:
        self._service = service
        self._owner = owner or Owner()
        self._request = service.request
        self._session = service.begin(Lasting.SESSION, trusted=True)
        self._session.resp = 3
        self._session.may_wait = False
        if is_shared:
            self._session.share()

    def call(self, *words: Word) -> Reply:
        """Run one request and return its reply value, never a Deferred.

        Raises `CommandError` for an error reply, and its subclass `WouldWait` for a command that would have to wait,
        such as BLPOP on an empty list, or SAVE: it has then changed nothing; use `request` instead.  Raises TypeError
        for an argument that is not str, bytes, int or float, or if there are none at all.
        """
        if not words:
            raise TypeError("a request has at least one word")
        if get_ident() != self._owner.thread:
            raise RuntimeError(WRONG_THREAD)
        request = []
        values: tuple[object, ...] = words
        for value in values:  # the most frequent types are handled inline: a call for each would double the time
            if type(value) is bytes:
                request.append(value)
            elif type(value) is str and value.isascii():
                request.append(value.encode())
            else:
                request.append(encode_word(value))
        reply = self._request(self._session, request)
        if type(reply) is bytes:
            return reply
        if isinstance(reply, CommandError):
            raise reply
        return None if reply is NULL_ARRAY else reply

    def request(self, *words: Word) -> Deferred[Reply]:
        """Run one request; the Deferred fires with its reply value, now or later.

        It fails with `CommandError` for an error reply, and with its subclass `SessionEnded` if the session ends before
        the reply comes.  Cancelling it stops the wait.  Raises TypeError as `call` does.
        """
        self._owner.check()
        request = encode_words(words)
        session, owner = self._session, self._owner
        asking, owner.asking = owner.asking, session
        session.may_wait = True
        try:
            reply = self._request(session, request)
        finally:
            session.may_wait = session is asking
            owner.asking = asking
        if type(reply) is Promise:
            return _later(reply, owner)
        if isinstance(reply, CommandError):
            return fail(reply)
        return succeed(None if reply is NULL_ARRAY else reply)

    def script(self, source: str | bytes) -> Script:
        """Return a script to be called with keys and arguments."""
        return Script(self.call, self.request, source)

    def reset(self) -> None:
        """Reset the session, as RESET does for a client; pending Deferreds fail with `SessionEnded`."""
        self._service.end(self._session)
        self._session.reset()
        self._session.resp = 3

    def close(self) -> None:
        """End the session; a Deferred that still waits for a key fails with `SessionEnded`."""
        self._service.end(self._session)

    def __enter__(self) -> LocalSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
