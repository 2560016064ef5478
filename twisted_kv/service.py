"""The cache as a Twisted service."""

from __future__ import annotations

import os
from typing import Any, Callable, Final, Iterable, Mapping, Sequence, TypeVar

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred, DeferredList, ensureDeferred, maybeDeferred, succeed
from twisted.internet.threads import blockingCallFromThread
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.groups import Group
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.faces import listeners
from twisted_kv.faces.in_process import LocalSession, Owner, read_events, run_as_unit, subscribe
from twisted_kv.persistence.durability import Durability
from twisted_kv.persistence.files import Disk, RealDisk
from twisted_kv.sessions.services import NoPorts
from twisted_kv.settings.config import Settings
from twisted_kv.transports.open_files import allow_clients
from twisted_kv.version import VERSION
from twisted_kv.vocabulary.clock import Clock, SystemClock
from twisted_kv.vocabulary.logs import Logger, log_to_system, set_log_level
from twisted_kv.vocabulary.replies import Reply
from twisted_kv.vocabulary.script_requests import Script
from twisted_kv.vocabulary.subscriptions import KeyEvent, OnMessage, Subscription
from twisted_kv.wire.words import Word

T = TypeVar("T")

SCRIPT_TIME: Final = 60_000
"""Milliseconds after which a script is ended in a program's cache (`script-time-limit`): it holds up the program."""


class CacheService(MultiService):
    """A cache: its data, its ports, and calls from the same process.

        cache = CacheService(port=6379)
        cache.setServiceParent(application)
        cache.call("SET", "k", b"v", "PX", 100)

    `port` is the TCP port, and the UDP port too unless `udp_port` is given; 0 picks a free one, None opens none.
    `bind` lists the addresses in redis.conf's syntax.  `config` holds further settings by their redis.conf names, and
    takes precedence over these arguments.  A `Settings` object as `config` replaces all of them.

    With `save`, `appendonly` or `dir` in `config` the data survives the process.  Existing data is loaded when the
    service starts; until that is complete, calls raise `CommandError` with the code LOADING (see `when_loaded`).
    `disk` determines where the files are and what accesses them; by default, threads access this machine's files.

    `clock` is any object with `seconds()` (since 1970) and `callLater()`; the default is real time.  `on_shutdown` is
    called for the SHUTDOWN command, which is refused without it.  `groups` are the available commands, by default all
    of `twisted_kv.commands.GROUPS`: add a `Group` to these for commands of your own.

    Calls work before the service is started, without ports, and after it was stopped; the data is kept as long as the
    object exists.  Raises ValueError for an invalid setting; `startService` raises `CannotListenError`, and
    `DataFolderError` for a folder that cannot be used.
    """

    _log = Logger()

    owns_process = False
    """Whether the process exists for this cache alone, so that the cache handles the process's signals."""

    def __init__(
        self,
        port: int | None = 6379,
        udp_port: int | None = None,
        bind: str = "127.0.0.1",
        config: Mapping[str, object] | Settings | None = None,
        reactor: Any = None,
        clock: Clock | None = None,
        on_shutdown: Callable[[], None] | None = None,
        disk: Disk | None = None,
        groups: Iterable[Group] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(config, Settings):
            named: dict[str, object] = {"bind": bind, "udp-port": -1 if udp_port is None else udp_port}
            named.update({"tcp": False, "udp": False} if port is None else {"port": port})
            config = Settings.of({"script-time-limit": SCRIPT_TIME, **named, **(config or {})})
        listeners.check(config)
        if not self.owns_process:
            for name in ("shutdown-on-sigterm", "shutdown-on-sigint"):
                if config.get(name) != "default":
                    raise ValueError(f"setting '{name}': signals are the business of your application here")
        set_log_level(config.loglevel)
        self._reactor = reactor
        self._listeners: listeners.Listeners | None = None
        self.settings = config
        self.dispatcher = Dispatcher(
            config, clock or SystemClock(reactor), on_shutdown, GROUPS if groups is None else groups
        )
        """The dispatch service, for custom protocols."""
        self._owner = Owner()
        self._local = LocalSession(self.dispatcher, self._owner, is_shared=True)
        if type(self).call is CacheService.call:
            self.call = self._local.call  # type: ignore[method-assign]  # passing arguments on costs a tenth of a GET
        self._subscriptions: list[Subscription] = []
        self._most_subscriptions = 16  # from that number on, those that were stopped are dropped
        self._durability: Durability | None = None
        if config.save or config.appendonly or config.dir:
            config.dir = config.dir or os.path.abspath(".")
            disk = disk or RealDisk(self._global_reactor)
            folder = disk.folder(config.dir)
            self._durability = Durability(self.dispatcher, folder, disk.worker(), disk.worker())
        self._syslog: Callable[[], None] | None = None  # stops logging to the system's log
        self._loaded: Failure | None = None  # why the data could not be loaded
        self._waiting: list[Deferred[None]] = []  # Deferreds of `when_loaded`
        self.dispatcher.server.setting_changed["maxclients"] = self._check_maxclients
        self.dispatcher.server.setting_changed["loglevel"] = lambda: set_log_level(self.settings.loglevel)
        for note in () if self.owns_process else config.notes():
            self._log.warn("{note}", note=note)

    @property
    def port(self) -> int | None:
        """The open TCP port, or None."""
        return self._listeners.port if self._listeners is not None else None

    @property
    def udp_port(self) -> int | None:
        """The open UDP port, or None."""
        return self._listeners.udp_port if self._listeners is not None else None

    def call(self, *words: Word) -> Reply:
        """Run one request in the reactor's thread and return its reply value, never a Deferred.

        Raises `CommandError` for an error reply, `WouldWait` (a subclass) for a command that would have to wait,
        TypeError for an argument that is not str, bytes, int or float, and RuntimeError in any other thread.  All
        callers share one session, so a command that would change it (SELECT, MULTI, ...) is refused: see `session`.
        """
        return self._local.call(*words)

    def request(self, *words: Word) -> Deferred[Reply]:
        """Run one request in the reactor's thread; the Deferred fires with its reply value, now or later.

        It fails with `CommandError` for an error reply, and can be cancelled.  An invalid request raises as in `call`.
        """
        return self._local.request(*words)

    def script(self, source: str | bytes) -> Script:
        """Return a script in Lua: `cache.script("return redis.call('GET', KEYS[1])").call(["key"])`.

        It runs as one request, and what it writes is one record of the append-only file.
        """
        return self._local.script(source)

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function(session, *args)` as one unit, and return its result: what a script is, in Python.

        `session` is a new session, as `session()` returns it.  What the function writes is one record of the
        append-only file, no other client is served meanwhile, and those that wait or watch are told afterwards.  It is
        no transaction: an exception propagates, and what was written stays.  Raises TypeError if the function returns a
        coroutine or a Deferred, and RuntimeError in any other thread than the reactor's.
        """
        return run_as_unit(self.dispatcher, self._owner, function, args)

    def subscribe(
        self, *channels: Word, patterns: Sequence[Word] = (), callback: OnMessage | None = None
    ) -> Subscription:
        """Subscribe to channels, and to all channels that match patterns, until `Subscription.stop`.

        Each `Message` is passed to the callback, or read with `async for` from the subscription: after the request that
        has published it, never within.  Raises ValueError if nothing is named, TypeError for a name that is not str,
        bytes, int or float, and RuntimeError in any other thread than the reactor's.
        """
        return self._kept(subscribe(self.dispatcher, self._owner, channels, patterns, callback))

    def on(
        self, event: str, pattern: Word, callback: Callable[[KeyEvent], object], database: int | None = None
    ) -> Subscription:
        """Call back for what happens to keys: `cache.on("expired", "session:*", forget)`.

        `event` is the name of a keyspace event of Redis (`set`, `del`, `expired`, `evicted`, `new`, `keymiss`, ...), or
        `*` for all; `pattern` is as in KEYS; without `database` all databases count.  `notify-keyspace-events` need not
        be set.  The callback is called after the request that has caused the event, never within.  Raises ValueError
        for an event or a database that does not exist, and RuntimeError in any other thread than the reactor's.
        """
        return self._kept(read_events(self.dispatcher, self._owner, event, pattern, callback, database))

    def _kept(self, subscription: Subscription) -> Subscription:
        """Keep a subscription, so that `stop_subscriptions` finds it; return it."""
        if len(self._subscriptions) >= self._most_subscriptions:
            self._subscriptions = [each for each in self._subscriptions if not each.is_stopped]
            self._most_subscriptions = 2 * len(self._subscriptions) + 16
        self._subscriptions.append(subscription)
        return subscription

    def stop_subscriptions(self) -> None:
        """Stop all subscriptions of `subscribe` and `on`."""
        for each in self._subscriptions:
            each.stop()
        self._subscriptions.clear()

    def publish(self, channel: Word, payload: Word) -> int:
        """Publish a message to a channel, and return how many have received it: PUBLISH as a method.

        A subscriber counts once for the channel and once for each pattern that matches.
        """
        count: int = self.call("PUBLISH", channel, payload)
        return count

    def when_loaded(self) -> Deferred[None]:
        """Return a Deferred that fires when the data of an earlier process is loaded: at once, if there is none.

        It fails with `LoadError`, which names the file, if the data cannot be loaded.
        """
        loaded: Deferred[None] = Deferred()
        if self._loaded is not None:
            loaded.errback(self._loaded)
        elif self.dispatcher.admission.is_loading:
            self._waiting.append(loaded)
        else:
            loaded.callback(None)
        return loaded

    def sync(self) -> Deferred[bool]:
        """Flush all changes made so far to the disk, in the append-only file.

        The Deferred fires with False if that failed, or if there is no such file.  With `appendfsync always` each
        reply to a client waits for this; a call in process does not.
        """
        return succeed(False) if self._durability is None else self._durability.sync()

    def call_from_thread(self, *words: Word) -> Reply:
        """Run one request from a thread other than the reactor's, and wait for its reply value, without a time limit.

        Raises as `call` does, and RuntimeError where it would wait forever: in the reactor's own thread, or while no
        reactor runs.
        """
        return blockingCallFromThread(self._reactor_of_other_thread(), self.request, *words)

    def run_from_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function(session, *args)` in the reactor's thread from another thread, and return its result.

        It is called as by `run`, as one unit.  Raises what the function raises, TypeError if it returns a coroutine or
        a Deferred (nothing could wait for it while the session is still open), and RuntimeError as `call_from_thread`
        does.
        """
        return blockingCallFromThread(self._reactor_of_other_thread(), lambda: self.run(function, *args))

    def _reactor_of_other_thread(self) -> Any:
        """Return the reactor; raises RuntimeError unless it runs in another thread."""
        reactor = self._global_reactor()
        if isInIOThread() or not reactor.running:
            raise RuntimeError("this is for other threads than the reactor's, while that runs; here, use call")
        return reactor

    def session(self) -> LocalSession:
        """Return a new session with its own selected database; it is a context manager."""
        return LocalSession(self.dispatcher, self._owner)

    def privilegedStartService(self) -> None:
        """Open the ports while the process may still open those below 1024; raises `CannotListenError`."""
        super().privilegedStartService()
        self._open()

    def startService(self) -> None:
        """Open the ports unless they are open, and start active expiry of keys; raises `CannotListenError`."""
        if self.running:
            return
        self._owner.move()
        if self.settings.syslog_enabled and self._syslog is None:
            self._syslog = log_to_system(self.settings.syslog_ident, self.settings.syslog_facility)
        self._open()
        super().startService()
        self._loaded = None
        if self._durability is None:
            self._ready(None)
        else:
            self._durability.start().addCallbacks(self._ready, self._load_failed)

    def stopService(self) -> Deferred[Any]:
        """Close the ports and the connections; fires when that is done.  The data is kept."""
        self.dispatcher.stop()
        ending = [maybeDeferred(super().stopService)]
        if self._listeners is not None:
            opened, self._listeners = self._listeners, None
            self.dispatcher.server.services.ports = NoPorts()
            ending.append(opened.close())
        stopped = DeferredList(ending, fireOnOneErrback=True, consumeErrors=True)
        if self._syslog is not None:
            stopped.addBoth(self._stop_syslog)
        if self._durability is not None:  # once nothing can change the data any more
            durability = self._durability
            stopped.addBoth(lambda result: ensureDeferred(durability.stop()).addCallback(lambda _: result))
        return stopped

    def _stop_syslog(self, result: Any) -> Any:
        stop, self._syslog = self._syslog, None
        if stop is not None:
            stop()
        return result

    def _ready(self, _: None) -> None:
        """Start the dispatcher after loading, and fire the Deferreds of `when_loaded`."""
        self.dispatcher.start()
        self._log.info("owncache {version} is ready", version=VERSION)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def _load_failed(self, failure: Failure) -> None:
        """Record that the data cannot be loaded, so that no client will be served."""
        if failure.check(CancelledError):
            return  # the service was stopped meanwhile
        self._loaded = failure
        self._log.critical("cannot load the data: {why}", why=failure.value)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.errback(failure)

    def _open(self) -> None:
        if self._listeners is not None:
            return
        if self._durability is not None:
            self._durability.lock()
        if not listeners.are_asked_for(self.settings):
            return
        opened = listeners.Listeners(self._global_reactor(), self.settings, self.dispatcher)
        if self.settings.tcp or self.settings.endpoint or self.settings.unixsocket:
            self._allow_clients()
        opened.open()
        self._listeners = opened
        self.dispatcher.server.services.ports = opened
        self.dispatcher.script_runs.poll = opened.serve_once

    def _allow_clients(self) -> None:
        """Raise the limit on open files to what maxclients needs, or lower maxclients to what the limit allows."""
        wanted = self.settings.maxclients
        possible = allow_clients(wanted)
        if possible < wanted:
            self.settings.maxclients = possible
            self._log.warn(
                "maxclients lowered from {wanted} to {possible}: the limit of open files allows no more",
                wanted=wanted,
                possible=possible,
            )

    def _check_maxclients(self) -> None:
        if allow_clients(self.settings.maxclients) < self.settings.maxclients:
            raise ValueError("The operating system is not able to handle the specified number of clients")

    def _global_reactor(self) -> Any:
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        return self._reactor
