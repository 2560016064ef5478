"""What the cache says in the program's log, down to the level that `loglevel` names."""

from __future__ import annotations

from typing import Any, Callable, ClassVar, Final

from zope.interface import implementer

from twisted import logger

NAMESPACE: Final = "owncache"

MINUTE: Final = 60_000
"""Milliseconds."""

_LEVELS: Final = {
    "debug": logger.LogLevel.debug,
    "verbose": logger.LogLevel.debug,
    "notice": logger.LogLevel.info,
    "warning": logger.LogLevel.warn,
}
"""The least level that is logged, for each of Redis's words."""


class Logger(logger.Logger):
    """A logger of the cache's; what is below the level of the process is not logged at all."""

    least: ClassVar[Any] = logger.LogLevel.info

    def __init__(self, namespace: str = NAMESPACE, source: object = None, observer: Any = None) -> None:
        super().__init__(namespace, source, observer)

    def emit(self, level: Any, format: str | None = None, **kwargs: object) -> None:  # noqa: A002  # Twisted's name
        if level >= self.least:
            super().emit(level, format, **kwargs)


class Repeated:
    """Counts what clients can bring about as often as they like, so that each kind has a line a minute in the log.

    `elapsed` gives milliseconds.
    """

    def __init__(self, elapsed: Callable[[], int]) -> None:
        self._elapsed = elapsed
        self._told: dict[str, tuple[int, int]] = {}  # when each kind was, and how often it was passed over since

    def closed(self, log: logger.Logger, peer: str, why: str) -> None:
        """Log that a client is disconnected, once a minute for each reason."""
        now = self._elapsed()
        then, passed_over = self._told.get(why, (now - MINUTE, 0))
        if now - then < MINUTE:
            self._told[why] = then, passed_over + 1
            return
        self._told[why] = now, 0
        more = f" (and {passed_over} more like it in between)" if passed_over else ""
        log.warn("closed {peer}: {why}{more}", peer=peer, why=why, more=more)


def set_log_level(word: str) -> None:
    """Have what is below a level not logged, in the whole process."""
    Logger.least = _LEVELS[word]


def log_to_system(identity: str, facility: str) -> Callable[[], None]:
    """Send what the cache says to the system's log, too; returns what ends that."""
    import syslog  # here, because few ask for it

    from twisted.python.syslog import SyslogObserver

    legacy: Any = SyslogObserver(identity, facility=getattr(syslog, f"LOG_{facility.upper()}")).emit
    observer = logger.LegacyLogObserverWrapper(legacy)

    @implementer(logger.ILogObserver)
    def ours(event: Any) -> None:
        if isinstance(event.get("log_logger"), Logger):
            observer(event)

    logger.globalLogPublisher.addObserver(ours)
    return lambda: logger.globalLogPublisher.removeObserver(ours)
