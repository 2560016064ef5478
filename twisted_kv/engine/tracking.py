"""Client tracking: tells clients that keep values of ours when these are no longer right.

A key that a tracking client has read is remembered, with the client; the first change of it is told and forgotten.
Clients that broadcast are told of all changes of keys with their prefixes, at the end of the wake-up, in one message
for each prefix.  Numbers of databases do not matter: a key is its name, as in Redis.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Callable, Dict, Final, List, Sequence, Tuple

from twisted_kv.declaring.commands import Command, Function, InTransaction
from twisted_kv.engine.layers import TRACKING, Layers
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.sessions.session import Server, Session
from twisted_kv.sessions.tracked import Tracked
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Followed, Push, Pushed, Reply
from twisted_kv.vocabulary.waiting import Promise

CHANNEL: Final = b"__redis__:invalidate"
"""The channel of messages to clients that speak RESP2, to which another client redirects."""


_EFFORT: Final = 100
_MOST_EFFORT: Final = 12_800
"""Keys that a request forgets for those that were remembered beyond the limit: at first, and at most."""


class _Prefix:
    """The clients that are told of the keys with a prefix, and the keys that have changed since they were told.

    `keys` gives for each the session that has changed it first, None for a change that no client has made.
    """

    __slots__ = ("keys", "sessions")

    def __init__(self) -> None:
        self.sessions: Dict[Session, None] = {}
        self.keys: Dict[bytes, Session | None] = {}


class Tracking:
    """The keys that clients have read, and the prefixes that they want to be told of."""

    def __init__(self, server: Server, layers: Layers, wakeup: WakeUp) -> None:
        self._server = server
        self._layers = layers
        self._wakeup = wakeup
        self._sessions: Dict[Session, None] = {}
        self._readers: Dict[bytes, Dict[int, None]] = {}  # the IDs of the sessions that have read a key
        self._items = 0  # how many IDs these are in all
        self._prefixes: Dict[bytes, _Prefix] = {}
        self._lengths: Counter[int] = Counter()  # how many prefixes have which length
        self._asking: Session | None = None  # whose request runs, the outermost one
        self._pending: List[Pushed] = []  # what that session is told of when it has got its reply
        self._is_over_limit = False  # too many keys may be remembered
        self._effort = _EFFORT  # how many keys are forgotten when that is found next
        self._is_script = False  # whether a script runs
        self._script: Tuple[Session, Sequence[bytes]] | None = None  # who runs one, and the keys it has declared
        self._changed: Dict[bytes, _Prefix] = {}  # the prefixes whose clients are told at the end of the wake-up

    # What commands ask

    def begin(self, session: Session, tracked: Tracked) -> None:
        """Track the keys of a session, or track them in another way; prefixes are added to those it has."""
        added = tracked.prefixes
        if session.tracked is not None:
            tracked.prefixes = session.tracked.prefixes
            tracked.prefixes.update(added)
        session.tracked = tracked
        self._sessions[session] = None
        for prefix in added:
            if prefix not in self._prefixes:
                self._prefixes[prefix] = _Prefix()
                self._lengths[len(prefix)] += 1
            self._prefixes[prefix].sessions[session] = None
        if len(self._sessions) == 1:
            self._switch()

    def end(self, session: Session) -> None:
        """Track the keys of a session no more."""
        if session.tracked is None:
            return
        for prefix in session.tracked.prefixes:
            known = self._prefixes[prefix]
            del known.sessions[session]
            if not known.sessions:
                del self._prefixes[prefix]
                self._lengths[len(prefix)] -= 1
                if not self._lengths[len(prefix)]:
                    del self._lengths[len(prefix)]
        session.tracked = None
        session.refresh()
        del self._sessions[session]
        if not self._sessions:
            self._clear()
            self._switch()

    def flushed(self) -> None:
        """Tell all tracking clients that all keys have gone."""
        for session in tuple(self._sessions):
            if session.tracked is not None:  # telling one may end another, whose buffer is full
                self._tell(session, None)
        self._clear()

    def counts(self) -> Dict[str, int]:
        """Return what INFO says: how many keys are remembered, for how many clients in all, and how many prefixes."""
        return {
            "tracking_total_keys": len(self._readers),
            "tracking_total_items": self._items,
            "tracking_total_prefixes": len(self._prefixes),
        }

    @property
    def clients(self) -> int:
        """The number of clients whose keys are tracked."""
        return len(self._sessions)

    # What happens

    def _switch(self) -> None:
        """Watch all keys and commands while somebody tracks."""
        is_on = bool(self._sessions)
        self._layers.switch(TRACKING, self._layer if is_on else None)
        for database in self._server.databases:
            database.tell_modified(self._modified if is_on else None)

    def _layer(self, command: Command, function: Function) -> Function:
        """Wrap the function of a command that reads or changes keys: who calls it matters, and what it reads."""
        if command.runs_requests:
            return self._layer_of_script(command, function)
        is_read = "readonly" in command.flags and command.has_keys
        if not (is_read or command.is_write or command.in_transaction is InTransaction.RUNS_QUEUED):
            return function
        keys_of = _finder(command)

        def run(session: Session, *words: bytes) -> Reply:
            try:
                if self._asking is not None:
                    return function(session, *words)
                return self._run(session, function, words)
            finally:  # even if it has failed, as in Redis
                if is_read:
                    if session.is_script:
                        self._remember_for_script()
                    elif session.tracked is not None and session.tracked.remembers:
                        self._remember(session, keys_of(words))

        return run

    def _layer_of_script(self, command: Command, function: Function) -> Function:
        """Wrap the function of a command that runs a script: whatever that reads, the keys it has declared count."""
        keys_of = _finder(command)

        def run(session: Session, *words: bytes) -> Reply:
            if session.tracked is not None and session.tracked.remembers:
                self._script = session, keys_of(words)
            self._is_script = True
            try:
                if self._asking is not None:
                    return function(session, *words)
                return self._run(session, function, words)
            finally:
                self._script = None
                self._is_script = False

        return run

    def _remember_for_script(self) -> None:
        """Remember the keys of the script that runs, which has just read something."""
        if self._script is not None:
            self._remember(*self._script)

    def _run(self, session: Session, function: Function, words: Sequence[bytes]) -> Reply:
        """Run a request; what it invalidates for its own client is told behind its reply."""
        if self._is_over_limit:
            self._shrink()
        self._asking = session
        try:
            reply = function(session, *words)
        except CommandError:
            session.push_behind(self._pending)
            self._pending = []
            raise
        finally:
            self._asking = None
            pending, self._pending = self._pending, []
        if not pending:
            return reply
        if type(reply) is not Promise:
            return Followed(reply, pending)
        for message in pending:
            session.push(message)
        return reply

    def _shrink(self) -> None:
        """Forget keys beyond `tracking-table-max-keys`, in the order in which they were read; ever more at a time."""
        most = self._server.settings.tracking_table_max_keys or len(self._readers)
        beyond = len(self._readers) - most
        for key in list(islice(self._readers, max(0, min(beyond, self._effort)))):
            self._forget(key, None)
        self._is_over_limit = beyond > self._effort
        self._effort = min(2 * self._effort, _MOST_EFFORT) if self._is_over_limit else _EFFORT

    def _remember(self, session: Session, keys: Sequence[bytes]) -> None:
        readers, number = self._readers, session.id
        for key in keys:
            known = readers.get(key)
            if known is None:
                readers[key] = {number: None}
                self._items += 1
            elif number not in known:
                known[number] = None
                self._items += 1
        if len(readers) > self._server.settings.tracking_table_max_keys:
            self._is_over_limit = True

    def _modified(self, key: bytes, by_request: bool) -> None:
        """React to a change of a key, made by the request that runs or by none."""
        changer = self._asking if by_request else None
        teller = None if self._is_script else changer  # where prefixes are concerned, a script is no client to Redis
        for length in self._lengths:
            prefix = key[:length]
            known = self._prefixes.get(prefix)
            if known is not None:
                known.keys.setdefault(key, teller)
                if not self._changed:
                    self._wakeup.at_end(self._broadcast)
                self._changed[prefix] = known
        if key in self._readers:
            self._forget(key, changer)

    def _forget(self, key: bytes, changer: Session | None) -> None:
        """Tell those who have read a key that it has changed, and forget that they have."""
        readers = self._readers.pop(key)
        self._items -= len(readers)
        for number in readers:
            session = self._server.sessions.get(number)
            if session is None or session.tracked is None or session.tracked.is_broadcast:
                continue
            if not (session is changer and session.tracked.is_noloop):
                self._tell(session, [key])

    def _broadcast(self) -> None:
        """Tell of the changes of keys with prefixes."""
        due, self._changed = self._changed, {}
        for _, known in sorted(due.items()):
            changed, known.keys = known.keys, {}
            keys = sorted(changed)
            for session in tuple(known.sessions):
                tracked = session.tracked
                if tracked is not None:
                    told = [key for key in keys if changed[key] is not session] if tracked.is_noloop else keys
                    if told:
                        self._tell(session, told)

    def _clear(self) -> None:
        """Forget all keys."""
        self._readers.clear()
        self._items = 0

    def _tell(self, session: Session, keys: List[bytes] | None) -> None:
        """Tell a client, or the one that it redirects to, that keys have changed: all, with None."""
        tracked = session.tracked
        assert tracked is not None  # or it would not be told
        receiver = self._server.sessions.get(tracked.redirect) if tracked.redirect else session
        if receiver is None:
            tracked.is_broken = True
            if session.resp > 2:
                self._push(session, session, Push((b"tracking-redir-broken", tracked.redirect)))
        elif receiver.resp > 2:
            self._push(session, receiver, Push((b"invalidate", keys)))
        elif tracked.redirect and receiver.subscriptions is not None:
            self._push(session, receiver, Push((b"message", CHANNEL, keys)))

    def _push(self, session: Session, receiver: Session, message: Push) -> None:
        if session is self._asking and receiver is session:
            self._pending.append(message)
        else:
            receiver.push(message)


def _finder(command: Command) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    """Return a function that finds the keys among the arguments of a command."""
    if len(command.keys) == 1:
        spec = command.keys[0]
        if spec.first == command.skip and spec.last == 0 and not spec.counted and not spec.keyword:
            return lambda words: words[:1]
    name = command.name.encode().split(b"|")

    def find(words: Sequence[bytes]) -> Sequence[bytes]:
        request = [*name, *words]
        return [request[position] for position, _ in command.find(request) or ()]

    return find
