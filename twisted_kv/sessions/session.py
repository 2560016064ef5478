"""One conversation, and what all conversations of one cache share: the state that commands work on."""

from __future__ import annotations

import hmac
import os
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Callable, Dict, Final, Mapping, Protocol

from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.table import CommandTable, Scope, TableEntry
from twisted_kv.sessions.services import NoPersistence, Services
from twisted_kv.sessions.statistics import Statistics
from twisted_kv.sessions.transactions import Transaction, Watches
from twisted_kv.settings.config import KNOWN, Settings
from twisted_kv.store.database import Database, Releasable
from twisted_kv.values import packing
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.errors import CommandError, WouldWait
from twisted_kv.vocabulary.logs import Repeated
from twisted_kv.vocabulary.replies import Push, Reply

REDIS_VERSION = "7.0.15"
"""The Redis whose behaviour is answered; HELLO and INFO say so, because clients choose what to send by it."""

DEFAULT_USER = "default"

_NOTHING_AT_ONCE: Final[Dict[bytes, TableEntry]] = {}


class Server:
    """The databases, the settings, the sessions, the command table and the counts of one cache.

    `shutdown` stops the process for SHUTDOWN; where it is None, as in somebody's application, SHUTDOWN is refused.
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
        """When it was made; what is measured from here are durations."""
        self.run_id = os.urandom(20).hex()
        self.random = Random()
        self.packing = packing.Packing()
        """How small collections have to be to stay packed, in all databases."""
        self.databases = [
            Database(index, now, alarm, discard, self.random, self.packing) for index in range(settings.databases)
        ]
        self.services = Services(NoPersistence(self.stop))
        self.silent_ports: Counter[int] = Counter(dict.fromkeys(settings.udp_refuse_port, 1))
        """Source ports whose datagrams get no answer: those that are named, and our own."""
        self.repeated = Repeated(lambda: now.elapsed)
        """What clients bring about, and how often it was logged."""
        self.sessions: dict[int, Session] = {}
        """The sessions that have a link, by their id: what CLIENT LIST lists."""
        self.setting_changed: dict[str, Callable[[], None]] = {}
        """Called after CONFIG SET has changed a setting; may raise ValueError to have the old value put back."""
        self._last_session = 0
        for name in packing.NAMES:
            self.setting_changed[name.replace("_", "-")] = self._pack
        self._pack()

    def _pack(self) -> None:
        """Take over the settings that say how small collections have to be."""
        for name in packing.NAMES:
            setattr(self.packing, name, getattr(self.settings, name))

    def stop(self) -> None:
        """Stop the process; SHUTDOWN is refused where that is somebody else's."""
        assert self.shutdown is not None  # or SHUTDOWN would have been refused
        self.shutdown()

    def next_session_id(self) -> int:
        """Give a number that no session had before."""
        self._last_session += 1
        return self._last_session

    def change_settings(self, wanted: Mapping[str, str]) -> None:
        """Change settings by their redis.conf names: all of them, or none if one cannot be; raises `SettingError`."""
        settings = self.settings
        before = {name: KNOWN[name].get(settings) for name in wanted}
        name = ""
        try:
            for name, text in wanted.items():
                KNOWN[name].put(settings, KNOWN[name].kind.parse(text))
            for name in wanted:
                self._tell_of(name)
        except ValueError as error:
            for each, value in before.items():
                KNOWN[each].put(settings, value)
            for each in wanted:
                with suppress(ValueError):  # which it was refused for
                    self._tell_of(each)
            raise SettingError(name, str(error)) from None

    def _tell_of(self, name: str) -> None:
        """Tell whoever wants to know that a setting was changed; raises ValueError if it cannot be so."""
        self.setting_changed.get(KNOWN[name].alias_of or name, _nothing)()

    def reset_statistics(self) -> None:
        """Begin to count anew, as CONFIG RESETSTAT does."""
        self.statistics.reset()
        for database in self.databases:
            database.hits = database.misses = database.expired = database.evicted = 0
        for entry in self.commands.entries():
            entry.reset_statistics()


def _nothing() -> None:
    """Nobody needs to know."""


class SettingError(ValueError):
    """A setting that cannot be changed: `name` is its redis.conf name, `str()` says why."""

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
        """Bytes received that belong to no whole request yet."""

    @property
    def waiting_output(self) -> int:
        """Bytes of replies that the client has not taken."""

    def push(self, message: Reply) -> None:
        """Send a message that no request asked for."""

    def close(self) -> None:
        """End the connection at once."""


class Session:
    """What one client has selected, told and given.

    A session with a link is listed by CLIENT LIST; a trusted one is never asked for the password.  `closing` asks
    whoever holds the link to close it after the reply.
    """

    __slots__ = (
        "at_once",
        "authenticated",
        "closing",
        "created",
        "db",
        "id",
        "is_replay",
        "last_active",
        "last_call",
        "lasting",
        "library_name",
        "library_version",
        "link",
        "may_wait",
        "name",
        "pushed",
        "resp",
        "scope",
        "server",
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
        """Whether it does again what a log says: nobody has asked for it, and nobody gets a reply."""
        self.link = link
        self.trusted = trusted
        self.id = server.next_session_id()
        self.created = self.last_active = server.now.elapsed  # durations are measured from here
        self.last_call: TableEntry | None = None
        self.library_name = b""
        self.library_version = b""
        self.closing = False
        self.may_wait = True
        """Whether a reply may come later; if not, a command that has to wait raises `WouldWait`."""
        self.waiting = 0
        """How many of its requests wait for a key."""
        self.transaction: Transaction | None = None
        """What was begun with MULTI."""
        self.watches: Watches | None = None
        self.pushed: list[Push] | None = None
        """What is pushed to it while a request of its EXEC runs: that stands among the replies."""
        self.reset()

    def reset(self) -> None:
        """Forget what the client has selected, told and given, as RESET does."""
        self.db: Database = self.server.databases[0]
        self.resp = 2
        self.name = b""
        self.authenticated = self.trusted or not self.server.settings.requirepass
        self.end_transaction()

    def share(self) -> None:
        """Let callers who know nothing of each other use it: then no command may change it."""
        self.scope = Scope.SHARED
        self.refresh()

    def refresh(self) -> None:
        """React to a password that was given, or a transaction that was begun or ended.

        `at_once` holds the commands that are called with no more questions than the number of their words.
        """
        is_direct = self.authenticated and self.transaction is None
        self.at_once = self.server.commands.at_once[self.scope] if is_direct else _NOTHING_AT_ONCE

    def end_transaction(self) -> None:
        """Forget what was queued since MULTI, and the keys that were watched."""
        self.transaction = None
        self.unwatch()
        self.refresh()

    def watch(self, key: bytes) -> None:
        """Have the next transaction aborted if a key changes before it."""
        if self.watches is None:
            self.watches = Watches()
        self.watches.add(self.db, key)

    def unwatch(self) -> None:
        """Watch keys no more."""
        if self.watches is not None:
            self.watches.end()
            self.watches = None

    def must_wait(self, command: str) -> None:
        """Say that a command will answer later, before it begins; raises `WouldWait` where that cannot be."""
        if not self.may_wait:
            raise WouldWait(command)

    def call(self, *words: bytes) -> Reply:
        """Run another command from within one, as a part of it; returns the reply value, raises `CommandError`.

        Both are one unit: one record of the log, and nobody sees the first without the second.  What would wait for a
        key does not.
        """
        reply = self.server.services.execution.call(self, words)
        if isinstance(reply, CommandError):
            raise reply
        return reply

    def log(self, *words: bytes) -> None:
        """Name a request that does again what this one has done, for the log, where its own words would not.

        A relative time, a random choice: whatever depends on more than the data.  Several follow one another.
        """
        self.server.services.effects.append((self.db.index, words))

    def authenticate(self, user: bytes, password: bytes) -> bool:
        """Check a password; the session is authenticated if it is right.

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
        """Whether the password is asked for and was not given."""
        return not self.authenticated and bool(self.server.settings.requirepass)

    @property
    def now(self) -> int:
        """The present in milliseconds since 1970, the same for all of one request."""
        return self.server.now.milliseconds
