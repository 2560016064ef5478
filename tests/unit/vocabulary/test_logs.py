"""What is logged, down to which level, and to the system's log."""

from __future__ import annotations

import syslog
from typing import Any, Iterator, List, Tuple

import pytest
from twisted.logger import Logger as TwistedLogger
from twisted.python.syslog import SyslogObserver

from tests.servers.capture import listening
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.logs import Logger, set_log_level


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    least = Logger.least
    yield
    Logger.least = least


@pytest.mark.parametrize(("word", "said"), [("debug", 3), ("verbose", 3), ("notice", 2), ("warning", 1)])
def test_what_is_below_the_level_is_not_logged(word: str, said: int) -> None:
    set_log_level(word)
    with listening() as heard:
        for level in ("debug", "info", "warn"):
            getattr(Logger(), level)("a line")
    assert len(heard.events) == said


def test_the_level_is_a_setting() -> None:
    cache = MemoryCache({"loglevel": "warning"})
    with listening() as heard:
        Logger().info("nobody needs to know")
        assert heard.events == []
        cache.call("CONFIG", "SET", "loglevel", "notice")
        Logger().info("somebody does")
    assert len(heard.events) == 1


def test_the_systems_log_gets_what_the_cache_says_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: List[Tuple[Any, ...]] = []
    monkeypatch.setattr(SyslogObserver, "openlog", staticmethod(lambda *how: lines.append(how)))
    monkeypatch.setattr(SyslogObserver, "syslog", staticmethod(lambda level, text: lines.append((text,))))
    cache = MemoryCache({"syslog-enabled": True, "syslog-ident": "cache", "syslog-facility": "local3"})
    assert lines[0][0] == "cache"
    assert lines[0][2] == syslog.LOG_LOCAL3
    Logger().warn("full")
    TwistedLogger().warn("not ours")
    assert "full" in lines[-1][0]
    cache.stop()
    Logger().warn("after the end")
    assert "after the end" not in str(lines)


def test_what_clients_bring_about_has_a_line_a_minute() -> None:
    cache = MemoryCache()
    with listening() as heard:
        for _ in range(1000):
            cache.connect().send(b"POST / HTTP/1.1\r\n")
        assert len(heard.warnings) == 1
        assert heard.warnings[0].endswith("a browser may have been tricked")
        cache.clock.advance(60)
        cache.connect().send(b"Host: here\r\n")
        cache.clock.advance(60)
        cache.connect().send(b"Host: here\r\n")
    assert [warning.partition("tricked")[2] for warning in heard.warnings] == [
        "",
        " (and 999 more like it in between)",
        "",
    ]
    cache.stop()


def test_each_kind_has_a_line_of_its_own() -> None:
    cache = MemoryCache({"client-query-buffer-limit": "1mb"})
    with listening() as heard:
        for _ in range(3):
            cache.connect().send(b"*1\r\n$2000000\r\n" + b"x" * 1_500_000)
            cache.connect().send(b"POST / HTTP/1.1\r\n")
    assert len(heard.warnings) == 2
    cache.stop()
