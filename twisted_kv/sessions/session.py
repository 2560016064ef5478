"""One session, and what all sessions of a cache share: the state that commands work on."""

from __future__ import annotations

import hmac
import os
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Callable, Dict, Final, Mapping, Protocol

from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.table import CommandTable, Scope, TableEntry
from twisted_kv.sessions.channels import NAME_SIZE, Channels, Kind, Subscriptions
from twisted_kv.sessions.services import NoPersistence, Services
from twisted_kv.sessions.statistics import Statistics
from twisted_kv.sessions.tracked import Tracked
from twisted_kv.sessions.transactions import Transaction, Watches
from twisted_kv.settings.config import KNOWN, Settings
from twisted_kv.store.database import Database
from twisted_kv.store.entries import Releasable
from twisted_kv.values import packing
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.errors import CommandError, WouldWait
from twisted_kv.vocabulary.logs import Repeated
from twisted_kv.vocabulary.replies import Pushed, Reply

REDIS_VERSION = "7.0.15"
"""The Redis version whose behaviour is reproduced.  HELLO and INFO report it, since clients choose commands by it."""

DEFAULT_USER = "default"

_NO_ENTRIES: Final[Dict[bytes, TableEntry]] = {}


class Server:
    """The databases, the settings, the sessions, the command table and the statistics of one cache.

    `shutdown` stops the process for SHUTDOWN; where it is None, as in an embedding application, SHUTDOWN is refused.
    """

    def __init__(
        self,
        settings: Settings,
        now: Now,
        commands: CommandTable,
        *,
        alarm: Callable[[int], None],
        discard: Callable[[Releasable], None],
        shutdown: Callable[[], None] | None = None,
    ) -> None:
        self.settings = settings
        self.now = now
        self.commands = commands
        self.shutdown = shutdown
        self.statistics = Statistics()
        self.started = self.now.elapsed
        """When the server was made, on the clock for durations."""
        self.run_id = os.urandom(20).hex()
        self.random = Random()
        self.packing = packing.Packing()
        """The size limits up to which collections stay packed, in all databases."""
        self.databases = [
            Database(index, now, alarm, discard, self.random, self.packing) for index in range(settings.databases)
        ]
        self.services = Services(NoPersistence(self.stop))
        self.channels = Channels()
        self.silent_ports: Counter[int] = Counter(dict.fromkeys(settings.udp_refuse_port, 1))
        """Source ports whose datagrams get no reply: those in the settings, and the cache's own."""
        self.repeated = Repeated(lambda: now.elapsed)
        """Limits how often events that clients can cause are logged."""
        self.sessions: dict[int, Session] = {}
        """The sessions that have a link, by id: what CLIENT LIST lists."""
        self.setting_changed: dict[str, Callable[[], None]] = {}
        """Callbacks by setting, called after CONFIG SET; one may raise ValueError to have the old value restored."""
        self._last_session = 0
        for name in packing.NAMES:
            self.setting_changed[name.replace("_", "-")] = self._pack
        self._pack()

    def _pack(self) -> None:
        """Copy the size limits of packed collections from the settings."""
        for name in packing.NAMES:
            setattr(self.packing, name, getattr(self.settings, name))

    def stop(self) -> None:
        """Stop the process; never called where SHUTDOWN is refused, in an embedding application."""
        assert self.shutdown is not None  # or SHUTDOWN would have been refused
        self.shutdown()

    def next_session_id(self) -> int:
        """Return an id that no session had before."""
        self._last_session += 1
        return self._last_session

    def change_settings(self, wanted: Mapping[str, str]) -> None:
        """Set settings by their redis.conf names: all of them, or none and raise `SettingError` if one is refused."""
        settings = self.settings
        before = {name: KNOWN[name].get(settings) for name in wanted}
        name = ""
        try:
            for name, text in wanted.items():
                KNOWN[name].put(settings, KNOWN[name].kind.parse(text))
            for name in wanted:
                self._notify_changed(name)
        except ValueError as error:
            for each, value in before.items():
                KNOWN[each].put(settings, value)
            for each in wanted:
                with suppress(ValueError):  # the error that it was refused with
                    self._notify_changed(each)
            raise SettingError(name, str(error)) from None

    def _notify_changed(self, name: str) -> None:
        """Call the callback for a changed setting; raise ValueError if it refuses the value."""
        self.setting_changed.get(KNOWN[name].alias_of or name, _no_callback)()

    def reset_statistics(self) -> None:
        """Reset all counters, as CONFIG RESETSTAT does."""
        self.statistics.reset()
        for database in self.databases:
            database.hits = database.misses = database.expired = database.evicted = 0
        for entry in self.commands.entries():
            entry.reset_statistics()


def memory_of(session: Session) -> int:
    """Return the bytes of memory that a session with its connection takes, as an estimate."""
    link = session.link
    size = 0 if link is None else link.memory
    if session.transaction is not None:
        size += session.transaction.memory
    if session.subscriptions is not None:
        size += session.subscriptions.memory
    if session.tracked is not None:
        size += len(session.tracked.prefixes) * NAME_SIZE
    return size


def _no_callback() -> None:
    """Do nothing: the setting has no callback."""


class SettingError(ValueError):
    """A setting cannot be changed: `name` is its redis.conf name, `str()` the reason."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


class Link(Protocol):
    """A connection as commands see it.  `peer` and `local` are `host:port`, or the path of a Unix socket."""

    @property
    def peer(self) -> str: ...

    @property
    def local(self) -> str: ...

    @property
    def descriptor(self) -> int: ...

    @property
    def waiting_input(self) -> int:
        """Bytes received that do not form a complete request yet."""

    @property
    def waiting_output(self) -> int:
        """Bytes of replies that the client has not read."""

    @property
    def waiting_parts(self) -> int:
        """The number of replies, or batches of replies, that these are."""

    @property
    def memory(self) -> int:
        """Bytes of memory that the connection takes, as an estimate."""

    def push(self, message: Pushed) -> None:
        """Send a message that answers no request, after all that the client is owed already."""

    def close(self) -> None:
        """Close the connection at once."""


class Session:
    """What the server remembers of one client: its database, name, password check, transaction and so on.

    A session with a link is listed by CLIENT LIST; a trusted one needs no password.  `closing` makes the owner of the
    link close it after the reply.
    """

    __slots__ = (
        "at_once",
        "authenticated",
        "behind",
        "closing",
        "created",
        "db",
        "held",
        "id",
        "is_kept",
        "is_monitor",
        "is_replay",
        "is_script",
        "is_shut",
        "last_active",
        "last_call",
        "lasting",
        "library_name",
        "library_version",
        "link",
        "may_wait",
        "name",
        "pushed",
        "replies_off",
        "resp",
        "scope",
        "server",
        "skips_reply",
        "subscriptions",
        "tracked",
        "transaction",
        "trusted",
        "waiting",
        "watches",
    )

    def __init__(
        self,
        server: Server,
        lasting: Lasting,
        link: Link | None = None,
        *,
        trusted: bool = False,
        is_replay: bool = False,
    ) -> None:
        self.server = server
        self.lasting = lasting
        self.scope = Scope(lasting)
        self.is_replay = is_replay
        """Whether the session replays a journal: no client has issued its requests, and none gets a reply."""
        self.is_script = False
        """Whether its requests are those of scripts."""
        self.link = link
        self.trusted = trusted
        self.id = server.next_session_id()
        self.created = self.last_active = server.now.elapsed  # durations are measured from here
        self.last_call: TableEntry | None = None
        self.library_name = b""
        self.library_version = b""
        self.closing = False
        self.may_wait = True
        """Whether a reply may come later; if not, a command that must wait raises `WouldWait`."""
        self.waiting = 0
        """The number of its requests that wait for a key."""
        self.transaction: Transaction | None = None
        """The transaction begun with MULTI."""
        self.watches: Watches | None = None
        self.subscriptions: Subscriptions | None = None
        """What it is subscribed to; None for nothing."""
        self.is_shut = False
        """Whether its connection is gone, and no request of it is run any more."""
        self.is_monitor = False
        """Whether it is shown the requests of all clients."""
        self.is_kept = False
        """Whether it is not disconnected for `maxmemory-clients`."""
        self.tracked: Tracked | None = None
        """How its keys are tracked; None for not at all."""
        self.pushed: list[Pushed] | None = None
        """Pushes to it while a request of its EXEC runs: these appear among the replies."""
        self.behind: list[Pushed] | None = None
        """Pushes to it that come behind the error reply to the request that has just failed."""
        self.held: list[Pushed] | None = None
        """Pushes to it that must come behind the reply to the request that runs, while any must."""
        self.reset()

    def reset(self) -> None:
        """Restore the state of a new session, as RESET does."""
        self.db: Database = self.server.databases[0]
        self.resp = 2
        self.name = b""
        self.replies_off = False
        """Whether no replies are sent, only messages."""
        self.skips_reply = False
        """Whether the reply to the next request is not sent."""
        self.authenticated = self.trusted or not self.server.settings.requirepass
        self.release()

    def share(self) -> None:
        """Share the session between independent callers: from now on no command may change it."""
        self.scope = Scope.SHARED
        self.refresh()

    def refresh(self) -> None:
        """Update `at_once` after authentication, HELLO, a subscription, or the beginning or end of a transaction.

        `at_once` holds the commands for which only the number of arguments needs checking.
        """
        is_direct = self.authenticated and self.transaction is None and not self.only_listens and not self.is_monitor
        if self.is_shut or (self.tracked is not None and self.tracked.caching):
            is_direct = False  # what the latter holds for has to be found out
        self.at_once = self.server.commands.at_once[self.scope] if is_direct else _NO_ENTRIES

    def shut(self) -> None:
        """Run no more requests: the connection is gone, perhaps in the midst of a batch of them."""
        self.closing = self.is_shut = True
        self.refresh()

    def release(self) -> None:
        """Give up what others know of the session: its transaction, watched keys, subscriptions, and tracking."""
        self.unsubscribe_all()
        if self.tracked is not None:
            self.server.services.tracking.end(self)
        if self.is_monitor:
            self.server.services.monitoring.end(self)
        self.end_transaction()

    def end_transaction(self) -> None:
        """Discard the requests queued since MULTI, and unwatch all keys."""
        self.transaction = None
        self.unwatch()
        self.refresh()

    def watch(self, key: bytes) -> None:
        """Watch a key: if it changes before the next transaction, EXEC aborts."""
        if self.watches is None:
            self.watches = Watches()
        self.watches.add(self.db, key)

    def unwatch(self) -> None:
        """Stop watching all keys."""
        if self.watches is not None:
            self.watches.end()
            self.watches = None

    @property
    def only_listens(self) -> bool:
        """Whether it is subscribed in RESP2, which cannot tell a message from a reply: few commands are allowed."""
        return self.resp == 2 and self.subscriptions is not None

    def subscribe(self, kind: Kind, name: bytes) -> int:
        """Subscribe to a channel or a pattern; return how many are subscribed to now, as the reply counts them."""
        subscriptions = self.subscriptions
        if subscriptions is None:
            receive = None if self.link is None else self.link.push  # a call less for each message
            subscriptions = self.subscriptions = Subscriptions(self.server.channels, self, receive)
            self.refresh()
        subscriptions.add(kind, name)
        return subscriptions.count(kind)

    def unsubscribe(self, kind: Kind, name: bytes) -> int:
        """Unsubscribe from a channel or a pattern; return how many are left, as the reply counts them."""
        subscriptions = self.subscriptions
        if subscriptions is None:
            return 0
        subscriptions.remove(kind, name)
        if not subscriptions:
            self.subscriptions = None
            self.refresh()
        return subscriptions.count(kind)

    def unsubscribe_all(self) -> None:
        """End all subscriptions, without a message about it."""
        if self.subscriptions is not None:
            self.subscriptions.end()
            self.subscriptions = None
            self.refresh()

    def push(self, message: Pushed) -> None:
        """Send a message that answers no request; a session without a link gets none."""
        if self.link is not None:
            self.link.push(message)

    def push_behind(self, messages: list[Pushed]) -> None:
        """Send messages behind the reply to a request that is about to fail."""
        if messages:
            self.behind = [*(self.behind or ()), *messages]

    def must_wait(self, command: str) -> None:
        """Check, before a command begins, that it may reply later; raise `WouldWait` if not."""
        if not self.may_wait:
            raise WouldWait(command)

    def call(self, *words: bytes) -> Reply:
        """Run another command from within one, as a part of it; return the reply value or raise `CommandError`.

        Both are one unit: one record of the journal, and no client sees the first without the second.  Blocking
        commands do not wait.
        """
        if any(type(word) is not bytes for word in words):
            raise TypeError("the arguments of session.call are bytes")
        reply = self.server.services.execution.call(self, words)
        if isinstance(reply, CommandError):
            raise reply
        return reply

    @property
    def is_recorded(self) -> bool:
        """Whether changes are recorded in the journal, so that it is worth saying how."""
        return self.server.services.effects.is_open

    def journal(self, *words: bytes) -> None:
        """Record in the journal a request that repeats this one's effect, where the request itself would not.

        That concerns everything that depends on more than the data, such as a relative time or a random choice.
        Several calls append several requests.
        """
        self.server.services.effects.append((self.db.index, words))

    def authenticate(self, user: bytes, password: bytes) -> bool:
        """Check a password and authenticate the session if it is correct; return whether it was.

        The comparison takes the same time wherever the first difference is.
        """
        expected = self.server.settings.requirepass.encode("utf-8", "surrogateescape")
        known = user == DEFAULT_USER.encode()
        if (hmac.compare_digest(password, expected) or not expected) and known:
            self.authenticated = True
            self.refresh()
            return True
        return False

    @property
    def must_authenticate(self) -> bool:
        """Whether a password is required and the session is not authenticated."""
        return not self.authenticated and bool(self.server.settings.requirepass)

    @property
    def now(self) -> int:
        """The current time in milliseconds since 1970, constant during one request."""
        return self.server.now.milliseconds
