"""What commands ask of others: saving, waiting, the ports, what runs by itself.

Each is a protocol with a null object, which stands for it where nobody does it (a cache without a folder, a server that
a test has made).  So no command asks whether there is one.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Protocol, Sequence, Tuple

import attrs

from twisted_kv.declaring.table import TableEntry
from twisted_kv.store.database import Database
from twisted_kv.vocabulary.errors import NO_FOLDER, CommandError
from twisted_kv.vocabulary.replies import NO_REPLY, Reply

Session = Any
"""A `session.Session`, whose module stands on this one."""

Effect = Tuple[int, Tuple[bytes, ...]]
"""What was done: the number of a database, and a request that does it again."""


class Persistence(Protocol):
    """What outlasts the process.  Each method raises `CommandError` for what cannot be now."""

    @property
    def takes_time(self) -> bool:
        """Whether what saves is done later than it is asked for."""

    @property
    def last_save(self) -> int:
        """Seconds since 1970 at which a snapshot was last saved; at the start, of the start."""

    def save(self) -> Reply:
        """Save a snapshot; the reply comes when it is on the disk."""

    def background_save(self, *, schedule: bool) -> Reply:
        """Begin to save a snapshot, or schedule one if that cannot be now."""

    def reload(self) -> Reply:
        """Forget all data and load them from the append-only file; the reply comes when that is done."""

    def rewrite(self) -> Reply:
        """Begin to write the append-only file anew."""

    def shut_down(self, *, save: bool | None, force: bool) -> Reply:
        """Save as the save points say (or always, or never), and stop the process; the reply says why that failed."""

    def abort_shutdown(self) -> bool:
        """Go on serving; False if nothing was about to stop."""

    def flushed(self) -> None:
        """React to the removal of all keys of all databases."""

    def information(self) -> Mapping[str, object]:
        """Return the fields of INFO persistence."""


class NoPersistence:
    """Nothing outlasts the process; `stop` stops it."""

    takes_time = False

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop

    @property
    def last_save(self) -> int:
        raise CommandError(NO_FOLDER)

    def save(self) -> Reply:
        raise CommandError(NO_FOLDER)

    def background_save(self, *, schedule: bool) -> Reply:
        raise CommandError(NO_FOLDER)

    def reload(self) -> Reply:
        raise CommandError("this cache has no append-only file")

    def rewrite(self) -> Reply:
        raise CommandError(NO_FOLDER)

    def shut_down(self, *, save: bool | None, force: bool) -> Reply:
        if save:
            raise CommandError(f"Errors trying to SHUTDOWN: {NO_FOLDER}")
        self._stop()
        return NO_REPLY

    def abort_shutdown(self) -> bool:
        return False

    def flushed(self) -> None:
        pass

    def information(self) -> Mapping[str, object]:
        return {"loading": 0, "rdb_bgsave_in_progress": 0, "aof_enabled": 0, "aof_rewrite_in_progress": 0}


class Effects(Protocol):
    """Takes what commands say that they have done, for the append-only file."""

    def append(self, effect: Effect, /) -> None:
        """Record an effect of the command that runs."""


class NoEffects:
    """Nothing is recorded."""

    def append(self, effect: Effect, /) -> None:
        pass


class Execution(Protocol):
    """What runs requests.  An error is a value."""

    def request(self, session: Session, words: Sequence[bytes], admitted: TableEntry | None = None) -> Reply:
        """Run a request whose command was admitted before."""

    def call(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Run a request within another, as a part of what that does."""


class NoExecution:
    """Nobody runs requests."""

    def request(self, session: Session, words: Sequence[bytes], admitted: TableEntry | None = None) -> Reply:
        return CommandError("nobody runs requests here")

    def call(self, session: Session, words: Sequence[bytes]) -> Reply:
        return self.request(session, words)


class Waiting(Protocol):
    """The requests that wait for a key."""

    def unblock(self, session: Session, *, error: bool) -> bool:
        """End the wait of a session's request as if its time was up, or with an error; False if none waits."""

    def look_again(self, database: Database, key: bytes) -> None:
        """Run those again that wait for a key, though it has not changed for who watches it."""


class NobodyWaits:
    """No request waits for a key."""

    def unblock(self, session: Session, *, error: bool) -> bool:
        return False

    def look_again(self, database: Database, key: bytes) -> None:
        pass


class Upkeep(Protocol):
    """What a cache does by itself."""

    def set_active_expire(self, active: bool) -> None:
        """Remove keys when their time comes, or only when somebody asks for them."""

    def track_use(self) -> None:
        """Begin to keep account of when keys are used, whatever the policy."""


class NoUpkeep:
    """Nothing is done that nobody asks for."""

    def set_active_expire(self, active: bool) -> None:
        pass

    def track_use(self) -> None:
        pass


class Ports(Protocol):
    """The ports that are open."""

    @property
    def port(self) -> int | None:
        """The TCP port, or None."""

    def count_drops(self) -> int:
        """Count the datagrams that the system has dropped before anybody could read them."""


class NoPorts:
    """No port is open."""

    port: int | None = None

    def count_drops(self) -> int:
        return 0


@attrs.define
class Services:
    """What commands ask of others."""

    persistence: Persistence
    effects: Effects = attrs.field(factory=NoEffects)
    execution: Execution = attrs.field(factory=NoExecution)
    waiting: Waiting = attrs.field(factory=NobodyWaits)
    upkeep: Upkeep = attrs.field(factory=NoUpkeep)
    ports: Ports = attrs.field(factory=NoPorts)
