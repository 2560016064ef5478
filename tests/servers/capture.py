"""What the cache says in its log while a test runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

from twisted.logger import LogLevel, formatEvent, globalLogPublisher


class Said:
    """The lines of a log, by their levels."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def at(self, *levels: LogLevel) -> list[str]:
        """Give the lines of some levels."""
        return [formatEvent(event) for event in self.events if event["log_level"] in levels]

    @property
    def warnings(self) -> list[str]:
        """What somebody should look at."""
        return self.at(LogLevel.warn, LogLevel.error, LogLevel.critical)

    @property
    def tracebacks(self) -> list[str]:
        """Faults of ours."""
        return [formatEvent(event) for event in self.events if "log_failure" in event]


@contextmanager
def listening() -> Iterator[Said]:
    """Take note of what is said meanwhile."""
    said = Said()
    globalLogPublisher.addObserver(said.events.append)
    try:
        yield said
    finally:
        globalLogPublisher.removeObserver(said.events.append)
