"""The cache's messages in the program's log, filtered by `loglevel`."""

from __future__ import annotations

from typing import Any, Callable, ClassVar, Final

from zope.interface import implementer

from twisted import logger
from twisted_kv.vocabulary.errors import INTERNAL, CommandError

NAMESPACE: Final = "owncache"

MINUTE: Final = 60_000
"""Milliseconds."""

_LEVELS: Final = {
    "debug": logger.LogLevel.debug,
    "verbose": logger.LogLevel.debug,
    "notice": logger.LogLevel.info,
    "warning": logger.LogLevel.warn,
}
"""The lowest level that is logged, for each of Redis's level names."""


class Logger(logger.Logger):
    """A logger of the cache; it drops messages below the level of the process."""

    least: ClassVar[Any] = logger.LogLevel.info

    def __init__(self, namespace: str = NAMESPACE, source: object = None, observer: Any = None) -> None:
        super().__init__(namespace, source, observer)

    def emit(self, level: Any, format: str | None = None, **kwargs: object) -> None:  # noqa: A002  # Twisted's name
        if level >= self.least:
            super().emit(level, format, **kwargs)


class Repeated:
    """Limits events that clients can cause at will to one log line a minute for each kind, and counts the others.

    `elapsed` returns milliseconds.
    """

    def __init__(self, elapsed: Callable[[], int]) -> None:
        self._elapsed = elapsed
        self._logged: dict[str, tuple[int, int]] = {}  # when each kind was logged, and how many were skipped since

    def closed(self, log: logger.Logger, peer: str, why: str) -> None:
        """Log that a client is disconnected, once a minute for each reason."""
        now = self._elapsed()
        then, passed_over = self._logged.get(why, (now - MINUTE, 0))
        if now - then < MINUTE:
            self._logged[why] = then, passed_over + 1
            return
        self._logged[why] = now, 0
        more = f" (and {passed_over} more like it in between)" if passed_over else ""
        log.warn("closed {peer}: {why}{more}", peer=peer, why=why, more=more)


def set_log_level(word: str) -> None:
    """Set the lowest level that is logged, for the whole process."""
    Logger.least = _LEVELS[word]


def log_to_system(identity: str, facility: str) -> Callable[[], None]:
    """Send the cache's messages to the system's log, too; return a function that stops that."""
    import syslog  # here, because it is rarely used

    from twisted.python.syslog import SyslogObserver

    legacy: Any = SyslogObserver(identity, facility=getattr(syslog, f"LOG_{facility.upper()}")).emit
    observer = logger.LegacyLogObserverWrapper(legacy)

    @implementer(logger.ILogObserver)
    def forward(event: Any) -> None:
        if isinstance(event.get("log_logger"), Logger):
            observer(event)

    logger.globalLogPublisher.addObserver(forward)
    return lambda: logger.globalLogPublisher.removeObserver(forward)


_log: Final = Logger()


def log_no_reply(value: object) -> CommandError:
    """Log, while an exception is handled, that a command has returned a value that is no reply, which is a bug of it.

    Return the error reply to send in its place.
    """
    _log.failure("a command has returned a value that is no reply: {kind}", kind=type(value).__name__)
    return CommandError(INTERNAL)
