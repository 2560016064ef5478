"""Two words, the same everywhere: `call` gives the reply value, `request` a Deferred of it."""

from __future__ import annotations

import threading
from typing import Any, Callable, List

import pytest
from twisted.internet.defer import Deferred

from tests.storage.failing_disk import MemoryDisk, started, turns
from twisted_kv import CacheService, CommandError, SessionEnded, WouldWait
from twisted_kv.commands import GROUPS
from twisted_kv.testing import MemoryCache

WAIT = [
    ("BLPOP", "k", 0),
    ("BRPOP", "k", "j", 1),
    ("BLMOVE", "k", "j", "LEFT", "RIGHT", 0),
    ("BRPOPLPUSH", "k", "j", 0),
    ("BLMPOP", 0, 1, "k", "LEFT"),
    ("BZPOPMIN", "z", 0),
    ("BZPOPMAX", "z", 0),
    ("BZMPOP", 0, 1, "z", "MIN"),
    ("XREAD", "BLOCK", 0, "STREAMS", "s", "$"),
    ("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">"),
    ("DEBUG", "SLEEP", 1),
]


@pytest.fixture
def cache() -> MemoryCache:
    cache = MemoryCache({"enable-debug-command": "yes"})
    cache.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    return cache


def test_every_command_that_blocks_is_tried() -> None:
    blocking = {name for group in GROUPS for name, command in group.commands.items() if "blocking" in command.flags}
    assert {str(words[0]).lower().encode() for words in WAIT} - {b"debug"} == blocking


@pytest.mark.parametrize("words", WAIT, ids=lambda words: words[0])
def test_a_call_that_would_have_to_wait_is_refused_and_has_changed_nothing(
    cache: MemoryCache, words: tuple[Any, ...]
) -> None:
    database = cache.service.dispatcher.server.databases[0]
    calls = len(cache.clock.getDelayedCalls())
    before = database.changes, cache.call("DEBUG", "DIGEST"), cache.call("XINFO", "STREAM", "s", "FULL")
    with cache.session() as session:
        for caller in (cache, session):
            with pytest.raises(WouldWait, match=r"would have to wait here: use request\(\)") as caught:
                caller.call(*words)
            assert isinstance(caught.value, CommandError)
    after = database.changes, cache.call("DEBUG", "DIGEST"), cache.call("XINFO", "STREAM", "s", "FULL")
    assert after == before
    assert len(cache.service.dispatcher.blocking) == 0
    assert len(cache.clock.getDelayedCalls()) == calls


def test_a_call_gives_what_is_there_and_takes_it(cache: MemoryCache) -> None:
    cache.call("RPUSH", "k", "a", "b")
    assert cache.call("BLPOP", "k", 0) == [b"k", b"a"]
    assert cache.call("LLEN", "k") == 1


def test_a_request_gives_a_deferred_whether_it_waits_or_not(cache: MemoryCache) -> None:
    got: List[Any] = []
    with cache.session() as session:
        for caller in (cache, session):
            caller.request("SET", "k", "v").addCallback(got.append)
            caller.request("INCR", "k").addErrback(lambda failure: got.append(str(failure.value)))
            waiting = caller.request("BLPOP", "list", 0)
            assert isinstance(waiting, Deferred)
            waiting.addCallback(got.append)
            cache.call("RPUSH", "list", "a")
        with pytest.raises(TypeError, match="at least one word"):
            session.request()
        with pytest.raises(TypeError, match="bool"):
            cache.request("SET", "k", True)
    assert got == 2 * [b"OK", "ERR value is not an integer or out of range", [b"list", b"a"]]


def test_a_request_can_be_cancelled_and_takes_nothing_then(cache: MemoryCache) -> None:
    waiting = cache.request("BLPOP", "k", 0).addErrback(lambda _: None)
    waiting.cancel()
    cache.call("RPUSH", "k", "a")
    assert cache.call("LLEN", "k") == 1


@pytest.mark.parametrize("how", ["session", "cache"])
def test_what_waits_when_a_conversation_ends_says_that_it_ended(cache: MemoryCache, how: str) -> None:
    failed: List[Any] = []
    with cache.session() as session:
        (session if how == "session" else cache).request("BLPOP", "k", 0).addErrback(failed.append)
        if how == "cache":
            cache.stop()
    assert failed[0].check(SessionEnded)
    assert failed[0].value.code == "ENDED"


def test_save_and_its_like_are_refused_by_call_and_begun_by_request() -> None:
    disk = MemoryDisk()
    cache = started(disk, appendonly="yes", enable_debug_command="yes")
    cache.call("SET", "k", "v")
    for words in (("SAVE",), ("DEBUG", "LOADAOF")):
        with pytest.raises(WouldWait):
            cache.call(*words)
        turns(cache)
        assert "dump.rdb" not in disk.files()
        got: List[Any] = []
        cache.request(*words).addCallback(got.append)
        turns(cache)
        assert got == [b"OK"]
        disk.folder("/data").remove("dump.rdb")


SHARED = [
    ("MULTI",),
    ("EXEC",),
    ("DISCARD",),
    ("WATCH", "k"),
    ("UNWATCH",),
    ("SELECT", 1),
    ("HELLO", 3),
    ("RESET",),
    ("AUTH", "secret"),
    ("QUIT",),
    ("CLIENT", "SETNAME", "x"),
    ("CLIENT", "SETINFO", "LIB-NAME", "x"),
]


@pytest.mark.parametrize("words", SHARED, ids=lambda words: " ".join(map(str, words[:2])))
def test_nobody_changes_a_conversation_that_is_shared(cache: MemoryCache, words: tuple[Any, ...]) -> None:
    with pytest.raises(CommandError, match=r"changes the session, which all callers share here: use session"):
        cache.call(*words)
    failed: List[Any] = []
    cache.request(*words).addErrback(failed.append)
    assert "use session()" in str(failed[0].value)
    cache.call("SET", "k", "v")
    with cache.session() as session:
        assert session.call("GET", "k") == b"v"


def test_every_command_that_changes_a_conversation_is_tried() -> None:
    declared = {
        each.name
        for group in GROUPS
        for command in group.commands.values()
        for each in (command, *command.subcommands.values())
        if each.changes_session
    }
    tried = {"|".join(str(word).lower() for word in words[: 1 + (words[0] == "CLIENT")]) for words in SHARED}
    assert declared == tried


def in_a_thread(work: Callable[[], Any]) -> Any:
    """Do something in another thread; returns what came of it, be it an error."""
    came: List[Any] = []

    def run() -> None:
        try:
            came.append(work())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return came[0]


def test_a_call_from_a_wrong_thread_is_an_error(cache: MemoryCache) -> None:
    with cache.session() as session:
        for caller in (cache.call, cache.request, session.call, session.request):
            error = in_a_thread(lambda caller=caller: caller("INCR", "n"))  # type: ignore[misc]
            assert isinstance(error, RuntimeError)
            assert "call_from_thread" in str(error)
    assert cache.call("EXISTS", "n") == 0


def test_a_cache_belongs_to_the_thread_that_made_it_until_it_is_started_in_another() -> None:
    cache = CacheService(port=None)
    assert cache.call("INCR", "n") == 1
    assert isinstance(in_a_thread(lambda: cache.call("INCR", "n")), RuntimeError)
    other = MemoryCache()
    in_a_thread(other.service._owner.move)  # as `startService` does
    with pytest.raises(RuntimeError, match="in the thread of its reactor"):
        other.call("PING")


def test_a_call_that_a_subclass_has_of_its_own_is_used() -> None:
    class Counting(CacheService):
        calls = 0

        def call(self, *words: Any) -> Any:
            self.calls += 1
            return super().call(*words)

    cache = Counting(port=None)
    assert cache.call("PING") == b"PONG"
    assert cache.calls == 1
