"""Keyspace events: messages about what happens to keys, and callbacks of the program around the cache.

The databases report nothing while nobody wants to know; which events there are is in `vocabulary.keyspace_events`.
"""

from __future__ import annotations

from typing import Callable, Dict, Final, FrozenSet, List

from twisted_kv.declaring.commands import Command, Function
from twisted_kv.engine.layers import TELLING, Layers
from twisted_kv.sessions.channels import Channels
from twisted_kv.sessions.session import Server, Session
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.glob import Matcher
from twisted_kv.vocabulary.keyspace_events import CLASS_OF, KEYEVENT, KEYSPACE
from twisted_kv.vocabulary.replies import Followed, Pushed, Reply

Reader = Callable[[bytes, bytes, int], None]
"""Is called with an event, its key and the index of the database, perhaps in the middle of a command."""

ANY_EVENT: Final = b"*"
"""Stands for all events."""


class Notifications:
    """Reports the events that `notify-keyspace-events` names to channels, and those that readers want to these."""

    def __init__(self, server: Server, layers: Layers) -> None:
        self._server = server
        self._layers = layers
        self._telling: Session | None = None  # whose command runs that replies before it tells `_after`
        self._after: FrozenSet[bytes] = frozenset()
        self._behind: List[Pushed] = []
        self._channels: Channels = server.channels
        self._wanted: FrozenSet[str] = frozenset()
        self._readers: Dict[bytes, Dict[Reader, Matcher]] = {}  # by event
        server.setting_changed["notify-keyspace-events"] = self.settings_changed
        self.settings_changed()

    def settings_changed(self) -> None:
        """Report the classes of events that are set now."""
        wanted = self._server.settings.notify_keyspace_events
        self._wanted = wanted if wanted & {KEYSPACE, KEYEVENT} else frozenset()
        self._layers.switch(TELLING, self._layer if self._wanted else None)
        self._switch()

    def _layer(self, command: Command, function: Function) -> Function:
        """Wrap a function that Redis runs so that some events are reported after the reply."""
        after = command.tells_after
        if not after:
            return function

        def run(session: Session, *words: bytes) -> Reply:
            outer = self._telling, self._after, self._behind
            behind: List[Pushed] = []
            self._telling, self._after, self._behind = session, after, behind
            try:
                reply = function(session, *words)
            except CommandError:
                session.push_behind(behind)
                raise
            finally:
                self._telling, self._after, self._behind = outer
            return Followed(reply, behind) if behind else reply

        return run

    def read(self, event: bytes, matches: Matcher, reader: Reader) -> Callable[[], None]:
        """Call a reader for an event, or `ANY_EVENT`, of the keys that match; return what ends that."""
        self._readers.setdefault(event, {})[reader] = matches
        self._switch()

        def end() -> None:
            readers = self._readers[event]
            del readers[reader]
            if not readers:
                del self._readers[event]
            self._switch()

        return end

    def _switch(self) -> None:
        report = self._report if self._wanted or self._readers else None
        for database in self._server.databases:
            database.report_to(report)

    def _report(self, index: int, event: bytes, key: bytes) -> None:
        if self._server.databases[index].ignores_deadlines:
            return  # a journal is replayed: that has happened before
        wanted = self._wanted
        if CLASS_OF.get(event, "d") in wanted:  # that of an own command is in the class of modules
            telling = self._telling if event in self._after else None
            if telling is not None:
                telling.held = self._behind
            if KEYSPACE in wanted:
                self._channels.publish(b"__keyspace@%d__:%b" % (index, key), event)
            if KEYEVENT in wanted:
                self._channels.publish(b"__keyevent@%d__:%b" % (index, event), key)
            if telling is not None:
                telling.held = None
        if self._readers:
            for name in (event, ANY_EVENT):
                for reader, matches in self._readers.get(name, {}).items():
                    if matches(key):
                        reader(event, key, index)
