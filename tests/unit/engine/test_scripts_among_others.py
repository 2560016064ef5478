"""Scripts and all that looks on: monitors, those who track, watch or wait, the journal, snapshots, and programs."""

from __future__ import annotations

from typing import Any, List

import pytest

from tests.storage.starts import words
from twisted_kv.client import StreamClient
from twisted_kv.persistence.journal import Journal
from twisted_kv.sessions.services import Effect
from twisted_kv.testing import InlineDisk, MemoryCache
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY

pytestmark = pytest.mark.lua

TWO = "redis.call('INCR', 'a') redis.call('INCR', 'b')"
LIBRARY = "#!lua name=l\nredis.register_function('f', function(keys) return redis.call('INCR', keys[1]) end)"


def recorded(cache: MemoryCache) -> list[list[Effect]]:
    noted: list[list[Effect]] = []
    Journal(cache.service.dispatcher, noted.append).open()
    return noted


def test_a_script_is_one_record_with_its_databases(cache: MemoryCache) -> None:
    noted = recorded(cache)
    cache.call("EVAL", "redis.call('INCR', 'a') redis.call('SELECT', 2) redis.call('INCR', 'b')", 0)
    assert noted == [[(0, words("INCR", "a")), (2, words("INCR", "b"))]]


def test_what_a_script_has_muted_is_recorded_again_after_it(cache: MemoryCache) -> None:
    noted = recorded(cache)
    cache.call("EVAL", "redis.set_repl(redis.REPL_NONE) redis.call('INCR', 'a')", 0)
    cache.call("INCR", "b")
    assert noted == [[(0, words("INCR", "b"))]]


def test_a_function_of_python_is_one_record(cache: MemoryCache) -> None:
    noted = recorded(cache)
    waiting: List[Any] = []
    cache.request("BLPOP", "list", 0).addCallback(waiting.append)

    def transfer(session: Any, amount: int) -> int:
        session.call("RPUSH", "list", "x")
        session.call("DECRBY", "a", amount)
        assert waiting == []
        return int(session.call("INCRBY", "b", amount))

    assert cache.run(transfer, 3) == 3
    assert waiting == [[b"list", b"x"]]
    together = [(0, words("RPUSH", "list", "x")), (0, words("DECRBY", "a", 3)), (0, words("INCRBY", "b", 3))]
    assert noted[0] == together


def test_what_a_function_of_python_raises_undoes_nothing(cache: MemoryCache) -> None:
    noted = recorded(cache)

    def fails(session: Any) -> None:
        session.call("SET", "k", "v")
        raise LookupError

    with pytest.raises(LookupError):
        cache.run(fails)
    assert noted == [[(0, words("SET", "k", "v"))]]
    assert cache.call("GET", "k") == b"v"

    async def later(session: Any) -> None:
        raise AssertionError("it is never run")

    for refused in (later, lambda session: cache.request("GET", "k")):
        with pytest.raises(TypeError, match="return a value"):
            cache.run(refused)


def test_who_watches_and_who_waits(cache: MemoryCache) -> None:
    client, waiter = cache.connect(), cache.connect()
    client.call("WATCH", "b")
    owed = waiter.request("BLPOP", "list", 0)
    source = "redis.call('RPUSH', 'list', 1) redis.call('INCR', 'b') return redis.call('LLEN', 'list')"
    assert cache.call("EVAL", source, 0) == 1
    got: List[Any] = []
    owed.addCallback(got.append)
    assert got == [[b"list", b"1"]]
    client.call("MULTI")
    client.call("PING")
    assert client.call("EXEC") is NULL_ARRAY


def test_monitors_see_the_script_before_its_requests(cache: MemoryCache) -> None:
    monitor = cache.connect()
    assert monitor.send(b"MONITOR\r\n") == b"+OK\r\n"
    cache.connect().call("EVAL", TWO, 0)
    lines = monitor.transport.take().splitlines()
    assert [line.split(b"] ")[1][:6] for line in lines] == [b'"EVAL"', b'"INCR"', b'"INCR"']
    assert [b" lua]" in line for line in lines] == [False, True, True]


def test_messages_of_a_script(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.send(b"SUBSCRIBE c\r\n")
    cache.call("CONFIG", "SET", "notify-keyspace-events", "KEA")
    source = b"redis.call('PUBLISH', 'c', 'm') redis.call('SET', 'k', 1) redis.call('GETEX', 'k', 'PERSIST') return 1"
    sent = client.send(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n0\r\n" % (len(source), source))
    assert sent == b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n:1\r\n"
    client.send(b"SUBSCRIBE __keyevent@0__:del\r\n")
    source = b"redis.call('DEL', 'k') return 2"
    sent = client.send(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n0\r\n" % (len(source), source))
    assert sent.endswith(b":2\r\n")


def test_the_keys_of_a_script_that_reads_are_tracked(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.call("CLIENT", "TRACKING", "ON")
    client.call("EVAL", "return redis.call('GET', 'undeclared')", 1, "declared")
    client.call("EVAL", "return redis.call('SET', KEYS[1], 1)", 1, "written")
    client.call("EVAL", "return 1", 1, "unread")
    client.transport.take()
    for key in ("declared", "undeclared", "written", "unread"):
        cache.call("SET", key, 1)
    sent = client.transport.take()
    assert b"$8\r\ndeclared\r\n" in sent
    assert sent.count(b"invalidate") == 1
    client.send(b"MULTI\r\nPING\r\n")
    client.call("EVAL", "return redis.call('GET', 'x')", 1, "within")
    client.call("EXEC")
    cache.call("EVAL", "redis.call('GET', 'x') return redis.call('SET', KEYS[1], 1)", 1, "within")
    assert client.transport.take().count(b"within") == 1


def test_own_invalidations_come_behind_the_reply(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.call("CLIENT", "TRACKING", "ON")
    client.call("GET", "k")
    source = b"redis.call('SET', 'k', 1) return 7"
    sent = client.send(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n0\r\n" % (len(source), source))
    assert sent == b":7\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"


def test_to_noloop_a_script_is_another_client(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.call("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP")
    assert client.send(b"SET k 1\r\n") == b"+OK\r\n"
    assert client.send(b"EVAL \"return redis.call('SET', KEYS[1], 1)\" 1 s\r\n") == (
        b"+OK\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\ns\r\n"
    )


def test_writing_scripts_are_paused_with_writes(cache: MemoryCache) -> None:
    client = cache.connect()
    cache.call("CLIENT", "PAUSE", 1000, "WRITE")
    assert client.call("EVAL", "#!lua flags=no-writes\nreturn 1", 0) == 1
    owed = client.request("EVAL", "return 1", 0)
    got: List[Any] = []
    owed.addCallback(got.append)
    assert got == []
    cache.clock.advance(1)
    assert got == [1]


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_functions_survive_in_the_log_and_in_snapshots(tmp_path: Any, preamble: str) -> None:
    log = {"dir": str(tmp_path), "appendonly": "yes", "save": "", "aof-use-rdb-preamble": preamble}
    for round_ in range(3):
        with MemoryCache(log, disk=InlineDisk()) as cache:
            cache.clock.advance(0)
            if not round_:
                cache.call("FUNCTION", "LOAD", LIBRARY)
            if round_ == 1:
                cache.call("BGREWRITEAOF")
                for _ in range(20):
                    cache.clock.advance(0)
            assert cache.call("FCALL", "f", 1, "k") == round_ + 1
    with MemoryCache({"dir": str(tmp_path)}) as cache:
        cache.call("FUNCTION", "LOAD", LIBRARY)
        cache.request("SAVE")
        for _ in range(20):
            cache.clock.advance(0)
    with MemoryCache({"dir": str(tmp_path)}) as cache:
        for _ in range(20):
            cache.clock.advance(0)
        assert cache.call("FCALL", "f", 1, "new") == 1


def test_without_lua_a_snapshot_or_a_log_with_functions_stops_the_start(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = {"dir": str(tmp_path), "appendonly": "yes", "save": "", "aof-use-rdb-preamble": "no"}
    with MemoryCache(log) as cache:
        cache.clock.advance(0)
        cache.call("FUNCTION", "LOAD", LIBRARY)
        cache.request("SAVE")
        for _ in range(20):
            cache.clock.advance(0)
    monkeypatch.setitem(__import__("sys").modules, "lupa.lua51", None)
    snapshot = {"dir": str(tmp_path)}
    for config, where in ((log, "'function|load' cannot be carried out"), (snapshot, "a library of functions")):
        with MemoryCache(config) as cache:
            for _ in range(20):
                cache.clock.advance(0)
            failed: List[Any] = []
            cache.service.when_loaded().addErrback(failed.append)
            cache.clock.advance(0)
            assert where in str(failed[0].value)
            assert "pip install 'twisted-kv[lua]'" in str(failed[0].value)


def test_an_old_log_may_hold_scripts(tmp_path: Any) -> None:
    request = b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n0\r\n" % (len(TWO), TWO.encode())
    (tmp_path / "appendonly.aof").write_bytes(request)
    with MemoryCache({"dir": str(tmp_path), "appendonly": "yes", "save": ""}) as cache:
        for _ in range(20):
            cache.clock.advance(0)
        assert cache.call("MGET", "a", "b") == [b"1", b"1"]


def test_a_reload_keeps_functions(tmp_path: Any) -> None:
    config = {"dir": str(tmp_path), "appendonly": "yes", "save": "", "enable-debug-command": "yes"}
    with MemoryCache(config) as cache:
        cache.clock.advance(0)
        cache.call("FUNCTION", "LOAD", LIBRARY)
        cache.request("DEBUG", "LOADAOF")
        for _ in range(20):
            cache.clock.advance(0)
        assert cache.call("FCALL", "f", 1, "k") == 1


def test_scripts_of_the_client(cache: MemoryCache) -> None:
    client = StreamClient(cache.endpoint(), clock=cache.clock)
    script = client.script("return {KEYS[1], ARGV[1]}")
    got: List[Any] = []
    for _ in range(2):
        script.request(["k"], [1]).addBoth(got.append)
    script.request(args=["x", "y"]).addBoth(got.append)
    wrong = client.script(b"return redis.call('NOPE')")
    wrong.request().addErrback(got.append)
    cache.call("SCRIPT", "FLUSH")
    script.request(["k"], [2]).addBoth(got.append)
    for _ in range(20):
        cache.clock.advance(0)
    assert got[:3] == [[b"k", b"1"], [b"k", b"1"], []]
    assert isinstance(got[3].value, CommandError)
    assert got[4] == [b"k", b"2"]
    for _ in range(2):
        wrong.request().addErrback(got.append)
        for _ in range(20):
            cache.clock.advance(0)
    assert [each.value.code for each in got[5:]] == ["ERR", "ERR"]
    client.close()
