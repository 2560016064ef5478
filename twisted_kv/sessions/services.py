"""The services that commands use: persistence, execution, waiting, background work, the ports.

Each is a protocol with a null object, which takes its place where the service is missing (a cache without a folder, a
server made by a test).  So no command needs to check whether a service exists.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Protocol, Sequence, Tuple

import attrs

from twisted_kv.declaring.table import TableEntry
from twisted_kv.scripting.libraries import Libraries
from twisted_kv.sessions.tracked import Tracked
from twisted_kv.store.database import Database
from twisted_kv.vocabulary.errors import NO_FOLDER, CommandError
from twisted_kv.vocabulary.replies import NO_REPLY, Reply

Session = Any
"""A `session.Session`, whose module imports this one."""

Effect = Tuple[int, Tuple[bytes, ...]]
"""A change: the index of a database, and a request that repeats the change."""


class Persistence(Protocol):
    """Snapshots and the append-only file.  Each method raises `CommandError` for what is impossible at present."""

    @property
    def takes_time(self) -> bool:
        """Whether saving completes later than it is requested."""

    @property
    def last_save(self) -> int:
        """When a snapshot was last saved, in seconds since 1970; before the first one, when the process started."""

    def save(self) -> Reply:
        """Save a snapshot; the reply is sent when it is on the disk."""

    def background_save(self, *, schedule: bool) -> Reply:
        """Start saving a snapshot, or schedule one if that is impossible at present."""

    def reload(self) -> Reply:
        """Discard all data and load them from the append-only file; the reply is sent when that is done."""

    def rewrite(self) -> Reply:
        """Start a rewrite of the append-only file."""

    def shut_down(self, *, save: bool | None, force: bool) -> Reply:
        """Save as the save points require (or always, or never) and stop the process; the reply is the error."""

    def abort_shutdown(self) -> bool:
        """Abort a shutdown; return False if none was under way."""

    def flushed(self) -> None:
        """React to the removal of all keys of all databases."""

    def information(self) -> Mapping[str, object]:
        """Return the fields of INFO persistence."""


class NoPersistence:
    """No persistence; `stop` stops the process."""

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
    """Receives the effects that commands report, for the append-only file."""

    is_open: bool
    """Whether they are recorded."""

    def append(self, effect: Effect, /) -> None:
        """Record an effect of the command that is running."""

    def mute(self, is_muted: bool) -> None:
        """Record nothing of what requests do, or go on: what a script has asked for."""

    def discard(self) -> None:
        """Record nothing of what the unit under way has done: the process ends."""


class NoEffects:
    """Nothing is recorded."""

    is_open = False

    def append(self, effect: Effect, /) -> None:
        pass

    def mute(self, is_muted: bool) -> None:
        pass

    def discard(self) -> None:
        pass


class Execution(Protocol):
    """Runs requests.  An error is a reply value, not an exception."""

    def run(self, session: Session, words: Sequence[bytes], entry: TableEntry) -> Reply:
        """Run a request whose command was admitted before."""

    def call(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Run a request within another, as a part of the same unit."""


class NoExecution:
    """Requests are refused."""

    def run(self, session: Session, words: Sequence[bytes], entry: TableEntry) -> Reply:
        return CommandError("no engine runs requests here")

    def call(self, session: Session, words: Sequence[bytes]) -> Reply:
        return CommandError("no engine runs requests here")


class Waiting(Protocol):
    """The requests that wait for a key."""

    def unblock(self, session: Session, *, error: bool) -> bool:
        """End the wait of a session's request, as if it had timed out or with an error; return False if none waits."""

    def look_again(self, database: Database, key: bytes) -> None:
        """Rerun the requests that wait for a key, although its watchers were not notified of a change."""


class NoWaiting:
    """No request waits for a key."""

    def unblock(self, session: Session, *, error: bool) -> bool:
        return False

    def look_again(self, database: Database, key: bytes) -> None:
        pass


class Upkeep(Protocol):
    """The background work of a cache."""

    def set_active_expire(self, active: bool) -> None:
        """Set whether keys are removed as they expire, or only when a request accesses them."""

    def track_use(self) -> None:
        """Start tracking when keys are used, whatever the policy."""


class NoUpkeep:
    """No background work."""

    def set_active_expire(self, active: bool) -> None:
        pass

    def track_use(self) -> None:
        pass


class Ports(Protocol):
    """The open ports."""

    @property
    def port(self) -> int | None:
        """The TCP port, or None."""

    def count_drops(self) -> int:
        """Return the number of datagrams that the system has dropped before they were read."""


class NoPorts:
    """No port is open."""

    port: int | None = None

    def count_drops(self) -> int:
        return 0


class KeyTracking(Protocol):
    """The keys that are tracked for clients."""

    @property
    def clients(self) -> int:
        """The number of clients whose keys are tracked."""

    def begin(self, session: Session, tracked: Tracked) -> None:
        """Track the keys of a session, or track them in another way; prefixes are added to those it has."""

    def end(self, session: Session) -> None:
        """Track the keys of a session no more."""

    def flushed(self) -> None:
        """Tell all tracking clients that all keys have gone."""

    def counts(self) -> Mapping[str, int]:
        """Return what INFO says about keys and prefixes."""


class NoTracking:
    """No keys are tracked."""

    clients = 0

    def begin(self, session: Session, tracked: Tracked) -> None:
        raise CommandError("no engine tracks keys here")

    def end(self, session: Session) -> None:
        pass

    def flushed(self) -> None:
        pass

    def counts(self) -> Mapping[str, int]:
        return {}


class Monitoring(Protocol):
    """The sessions that are shown all requests."""

    def begin(self, session: Session) -> None:
        """Show all requests to a session."""

    def end(self, session: Session) -> None:
        """Show a session no more requests."""


class NoMonitoring:
    """No requests are shown."""

    def begin(self, session: Session) -> None:
        raise CommandError("no engine runs requests here")

    def end(self, session: Session) -> None:
        pass


class Pausing(Protocol):
    """The pause of clients."""

    def begin(self, milliseconds: int, *, only_writes: bool) -> None:
        """Pause clients; a pause that is on already is only made longer, or stricter."""

    def end(self) -> None:
        """End the pause."""


class NoPausing:
    """There are no clients to pause."""

    def begin(self, milliseconds: int, *, only_writes: bool) -> None:
        pass

    def end(self) -> None:
        pass


@attrs.define(eq=False)
class Running:
    """What is known of the script that runs.  `name` is the SHA1 of a script, or the name of a function."""

    name: bytes
    request: Sequence[bytes]
    since: int
    """When it began, by `Now.elapsed`."""
    is_function: bool
    is_read_only: bool
    allows_oom: bool
    wrote: bool = False


class Scripts(Protocol):
    """Scripts, and the one that runs.  `words` are the number of keys, the keys and the arguments."""

    def evaluate(self, session: Session, source: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        """Run the script of an EVAL."""

    def evaluate_sha(self, session: Session, sha: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        """Run a script that is in the cache; raise `CommandError` if it is not."""

    def flags_of(self, command: Sequence[str], word: bytes, *, is_sha: bool) -> Sequence[str]:
        """Return the flags of a request that runs a script, given those of its command."""

    def load(self, source: bytes) -> bytes:
        """Put a script into the cache; return its SHA1, or raise `CommandError`."""

    def exists(self, sha: bytes) -> bool:
        """Check whether a script is in the cache."""

    def flush(self) -> None:
        """Forget all scripts."""

    def shut_down(self) -> None:
        """End the script that runs, whatever it has written: nothing is kept of it."""

    def go_on(self) -> None:
        """Go on after a shutdown that has failed."""

    def kill(self) -> None:
        """End the script that runs; raise `CommandError` if none runs, or if it has written."""

    def information(self) -> Mapping[str, int]:
        """Return what INFO says about memory."""


class NoScripts:
    """No scripts are run."""

    def evaluate(self, session: Session, source: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        raise CommandError("no engine runs scripts here")

    def evaluate_sha(self, session: Session, sha: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        raise CommandError("no engine runs scripts here")

    def flags_of(self, command: Sequence[str], word: bytes, *, is_sha: bool) -> Sequence[str]:
        return command

    def load(self, source: bytes) -> bytes:
        raise CommandError("no engine runs scripts here")

    def exists(self, sha: bytes) -> bool:
        return False

    def flush(self) -> None:
        pass

    def shut_down(self) -> None:
        pass

    def go_on(self) -> None:
        pass

    def kill(self) -> None:
        raise CommandError("no engine runs scripts here")

    def information(self) -> Mapping[str, int]:
        return {}


class Functions(Protocol):
    """The functions in their libraries.  Each method raises `CommandError` for what is impossible."""

    @property
    def libraries(self) -> Libraries:
        """The libraries."""

    @property
    def codes(self) -> Sequence[bytes]:
        """The codes of all libraries."""

    @property
    def running(self) -> Running | None:
        """The script or function that runs."""

    def call(self, session: Session, name: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        """Call a function; `words` are the number of keys, the keys and the arguments."""

    def flags_of(self, command: Sequence[str], name: bytes) -> Sequence[str]:
        """Return the flags of a request that calls a function, given those of its command."""

    def load(self, code: bytes, *, replace: bool) -> bytes:
        """Load a library; return its name."""

    def delete(self, name: bytes) -> None:
        """Delete a library."""

    def flush(self) -> None:
        """Delete all libraries."""

    def restore(self, codes: Sequence[bytes], *, flush: bool, replace: bool) -> None:
        """Load libraries, all or none."""

    def kill(self) -> None:
        """End the function that runs."""

    def information(self) -> Mapping[str, int]:
        """Return what INFO says about memory."""


class NoFunctions:
    """There are no functions, and none can be loaded."""

    running: Running | None = None
    codes: Sequence[bytes] = ()

    def __init__(self) -> None:
        self.libraries = Libraries()

    def call(self, session: Session, name: bytes, words: Sequence[bytes], *, read_only: bool) -> Reply:
        raise CommandError("Function not found")

    def flags_of(self, command: Sequence[str], name: bytes) -> Sequence[str]:
        return command

    def load(self, code: bytes, *, replace: bool) -> bytes:
        raise CommandError("no engine runs functions here")

    def delete(self, name: bytes) -> None:
        raise CommandError("Library not found")

    def flush(self) -> None:
        pass

    def restore(self, codes: Sequence[bytes], *, flush: bool, replace: bool) -> None:
        raise CommandError("no engine runs functions here")

    def kill(self) -> None:
        raise CommandError("no engine runs functions here")

    def information(self) -> Mapping[str, int]:
        return {}


class Services:
    """The services that commands use; each is a null object until its provider replaces it."""

    def __init__(self, persistence: Persistence) -> None:
        self.persistence = persistence
        self.effects: Effects = NoEffects()
        self.execution: Execution = NoExecution()
        self.waiting: Waiting = NoWaiting()
        self.tracking: KeyTracking = NoTracking()
        self.monitoring: Monitoring = NoMonitoring()
        self.pausing: Pausing = NoPausing()
        self.scripts: Scripts = NoScripts()
        self.functions: Functions = NoFunctions()
        self.upkeep: Upkeep = NoUpkeep()
        self.ports: Ports = NoPorts()
