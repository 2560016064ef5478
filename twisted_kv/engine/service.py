"""What a face knows of who is behind it: a service that runs requests, its clock, its settings and its counts.

The one that stands behind all faces today is the `Dispatcher`, on the store of this process.
"""

from __future__ import annotations

from typing import Counter, Protocol, Sequence

from twisted_kv.declaring.commands import Lasting
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.sessions.session import Link, Session
from twisted_kv.sessions.statistics import Statistics
from twisted_kv.settings.config import Settings
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.logs import Repeated
from twisted_kv.vocabulary.replies import Reply


class Service(Protocol):
    """Runs requests, in conversations that a face begins and ends."""

    settings: Settings
    now: Now
    statistics: Statistics
    wakeup: WakeUp
    """Where whoever reads requests from a network has them run."""
    repeated: Repeated
    """What clients bring about, and how often it was logged."""
    silent_ports: Counter[int]
    """Source ports whose datagrams get no answer: those that the settings name, and our own."""

    def begin(self, lasting: Lasting, link: Link | None = None, *, trusted: bool = False) -> Session:
        """Begin a conversation; one with a link is listed by CLIENT LIST until `end`.

        A trusted one is never asked for the password: it is of the process that holds the data.
        """

    def request(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Run one request, at least one word; returns the reply value, a `CommandError` value for an error.

        It may be a `Promise`, if the session may wait.
        """

    def end(self, session: Session) -> None:
        """End a conversation."""

    def only_reads(self, words: Sequence[bytes]) -> bool:
        """Tell whether a request leaves the data, the server and the conversation as they are."""
