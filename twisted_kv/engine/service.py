"""The interface that a face uses: a service that runs requests, with its clock, settings and statistics.

Its only implementation today is the `Dispatcher`, which works on the store of this process.
"""

from __future__ import annotations

from typing import Callable, Counter, Protocol, Sequence, TypeVar

from twisted_kv.declaring.commands import Lasting
from twisted_kv.engine.deliveries import Deliveries
from twisted_kv.engine.notifications import Notifications
from twisted_kv.engine.script_runs import ScriptRuns
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.sessions.channels import Channels
from twisted_kv.sessions.session import Link, Session
from twisted_kv.sessions.statistics import Statistics
from twisted_kv.settings.config import Settings
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.logs import Repeated
from twisted_kv.vocabulary.replies import Reply
from twisted_kv.wire.plain_requests import Run

T = TypeVar("T")


class Service(Protocol):
    """Runs requests, in sessions that a face begins and ends."""

    settings: Settings
    now: Now
    statistics: Statistics
    wakeup: WakeUp
    """Runs the requests that faces have read from a network."""
    repeated: Repeated
    """Limits how often events that clients can cause are logged."""
    channels: Channels
    """The subscribers to channels."""
    notifications: Notifications
    """Reports keyspace events."""
    deliveries: Deliveries
    """Calls back the program around the cache."""
    script_runs: ScriptRuns
    """The script that runs, if one does."""
    silent_ports: Counter[int]
    """Source ports whose datagrams get no reply: those in the settings, and the cache's own."""

    def begin(self, lasting: Lasting, link: Link | None = None, *, trusted: bool = False) -> Session:
        """Begin a session; one with a link is listed by CLIENT LIST until `end`.

        A trusted session needs no password: it belongs to the process that holds the data.
        """

    def request(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Run one request, which includes the command's name; return the reply value, a `CommandError` for an error.

        The reply may be a `Promise`, if the session may wait.
        """

    def request_run(self, session: Session, run: Run) -> list[Reply]:
        """Run the first requests of a run, as `request` runs each; return their replies.

        Only the last reply may be a `Promise`.  The requests that are left have to be run one by one.
        """

    def run_unit(self, work: Callable[[], T]) -> T:
        """Run work that makes several requests, as one unit; return what it returns."""

    def end(self, session: Session) -> None:
        """End a session."""

    def only_reads(self, words: Sequence[bytes]) -> bool:
        """Check whether a request leaves the data, the server and the session unchanged."""
