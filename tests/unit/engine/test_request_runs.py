"""Requests of one command that came together are run together, as far as that makes no difference."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.groups import Group, first
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.engine.wakeup import TURN
from twisted_kv.persistence.journal import Journal
from twisted_kv.sessions.session import Session
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.vocabulary.errors import WrongTypeError
from twisted_kv.vocabulary.replies import OK, Reply
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.plain_requests import MOST_RUN, Run, by_bytes, by_lines, listed


@pytest.fixture(autouse=True)
def _(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs, whatever the rest of the tests has."""
    monkeypatch.setattr(Dispatcher, "HAS_RUNS", True)


@pytest.fixture
def session(cache: MemoryCache) -> Session:
    """A session whose commands are at hand."""
    found = cache.service.dispatcher.begin(Lasting.SESSION, trusted=True)
    for words in ("SET k v", "GET k", "HSET h f v", "LPUSH l v", "STRLEN k", "SET t v EX 100", "SADD x y", "MGET k k"):
        cache.call(*words.split())
    return found


def together(cache: MemoryCache, session: Session, *rows: str) -> list[Any]:
    """Run requests as one run; give the replies of those that were run."""
    requests = [row.encode().split() for row in rows]
    data = b"".join(map(encode_request, requests))
    run = Run(requests[0][0], [list(column) for column in zip(*[words[1:] for words in requests])], data, 0, len(data))
    return cache.service.dispatcher.request_run(session, run)


def test_strings_are_read_and_set_together(cache: MemoryCache, session: Session) -> None:
    cache.call("LPUSH", "list", "v")
    assert together(cache, session, "SET a 1", "SET b 22", "SET a 333", "SET t new", "SET list x") == [OK] * 5
    assert together(cache, session, "GET a", "GET none", "GET t", "GET list") == [b"333", None, b"new", b"x"]
    assert cache.call("TTL", "t") == -1
    memory = cache.service.dispatcher.server.databases[0].memory
    assert memory == sum(cache.call("MEMORY", "USAGE", key) for key in cache.call("KEYS", "*"))  # type: ignore[misc,union-attr]


def test_strings_are_set_with_a_deadline_together(cache: MemoryCache, session: Session) -> None:
    assert together(cache, session, "SET a 1 EX 100", "SET t 2 EX 7", "SET k 3 EX 100") == [OK] * 3
    assert [cache.call("TTL", key) for key in ("a", "t", "k")] == [100, 7, 100]
    assert together(cache, session, "SET a 1 EX 100", "SET b 2 EX 0", "SET c 3 EX 9") == [OK]
    assert together(cache, session, "SET a 1 EX 100", "SET l 2 EX 9", "SET c 3 EX 9") == [OK]
    assert together(cache, session, "SET a 1 EX 100", "SET b 2 PX 100") == []
    assert together(cache, session, "SET a 1 NX GET", "SET b 2 NX GET") == []
    cache.clock.advance(7)
    assert cache.call("EXISTS", "t") == 0
    memory = cache.service.dispatcher.server.databases[0].memory
    assert memory == sum(cache.call("MEMORY", "USAGE", key) for key in cache.call("KEYS", "*"))  # type: ignore[misc,union-attr]


def test_a_run_ends_before_a_key_that_has_expired_or_holds_another_type(cache: MemoryCache, session: Session) -> None:
    assert together(cache, session, "GET k", "GET h", "GET k") == [b"v"]
    cache.call("CONFIG", "SET", "save", "")
    cache.service.dispatcher.set_active_expire(False)
    cache.clock.advance(101)
    assert together(cache, session, "GET k", "GET t", "GET k") == [b"v"]
    assert cache.call("EXISTS", "t") == 0


def test_fast_commands_without_a_function_for_many_are_run_together(cache: MemoryCache, session: Session) -> None:
    assert together(cache, session, "HSET h f w", "HSET h g w", "HSET k g w") != []
    replies = together(cache, session, "STRLEN k", "STRLEN h", "STRLEN none")
    assert replies[0] == 1
    assert isinstance(replies[1], WrongTypeError)
    assert replies[2] == 0
    assert together(cache, session, "MGET k none", "MGET none k") == [[b"v", None], [None, b"v"]]


@pytest.mark.parametrize("row", ["ECHO v", "NOSUCH v", "KEYS *", "GET", "SORT l", "BLPOP l 0"])
def test_others_are_not(cache: MemoryCache, session: Session, row: str) -> None:
    cache.call("ECHO", "v")
    if row != "GET":
        assert together(cache, session, *[row] * 4) == []
    assert together(cache, session, "GET a b", "GET b c") == []


def test_nothing_is_run_together_while_somebody_wants_to_know(cache: MemoryCache, session: Session) -> None:
    end = cache.service.on("set", "*", lambda event: None)
    assert together(cache, session, "SET a 1", "SET b 2") == []
    end.stop()
    other = cache.connect()
    other.call("WATCH", "b")
    assert together(cache, session, "SET a 1", "SET b 2") == []
    assert together(cache, session, "SET a 1", "SET c 2") == [OK] * 2
    cache.service.dispatcher.has_runs = False
    assert together(cache, session, "SET a 1", "SET c 2") == []


def test_nothing_is_set_together_while_use_is_recorded_or_a_snapshot_taken(
    cache: MemoryCache, session: Session
) -> None:
    database = session.db
    cache.service.dispatcher.track_use()
    assert together(cache, session, "SET a 1", "SET b 2") == []
    assert together(cache, session, "GET a", "GET b") == []
    assert not database.set_volatile_strings([b"a"], [b"v"], [session.now + 1000])


def test_a_run_ends_when_the_turn_has_become_long(session: Session) -> None:
    clock = Clock()
    cache = MemoryCache(clock=clock)
    own = cache.service.dispatcher.begin(Lasting.SESSION, trusted=True)
    cache.call("INCR", "n")
    cache.connect().call("PING")  # a wake-up, from which on time is counted
    clock.advance((TURN + 1) / 1000)
    assert together(cache, own, *["INCR n"] * 100) == [2, 3, 4, 5]


def test_a_run_ends_when_others_have_to_be_served(cache: MemoryCache, session: Session) -> None:
    cache.call("SET", "soon", "v", "PX", 50)
    noted: list[Any] = []
    Journal(cache.service.dispatcher, noted.append, lambda index, data: noted.append(data)).open()
    cache.service.dispatcher.set_active_expire(False)
    cache.clock.advance(0.06)
    assert together(cache, session, "STRLEN k", "STRLEN soon", "STRLEN k") == [1, 0]
    assert noted == [[(0, (b"DEL", b"soon"))]]


def test_the_log_of_a_run_is_what_came(cache: MemoryCache, session: Session) -> None:
    noted: list[Any] = []
    Journal(cache.service.dispatcher, noted.append, lambda index, data: noted.append((index, data))).open()
    sets = b"".join(encode_request([b"SET", key, b"v"]) for key in (b"a", b"b"))
    assert together(cache, session, "SET a v", "SET b v") == [OK] * 2
    assert noted == [(0, sets)]
    assert together(cache, session, "GET a", "GET b") == [b"v"] * 2
    assert together(cache, session, "SET a v EX 9", "SET b v EX 9") == []
    assert len(noted) == 1


def test_without_a_way_to_record_runs_there_are_none_that_write(cache: MemoryCache, session: Session) -> None:
    noted: list[Any] = []
    Journal(cache.service.dispatcher, noted.append).open()
    assert together(cache, session, "SET a v", "SET b v") == []
    assert together(cache, session, "GET a", "GET b") == [None, None]


@pytest.mark.parametrize("take", [by_lines, by_bytes])
def test_a_run_is_bounded(take: Any) -> None:
    requests = [[b"GET", b"k%d" % number] for number in range(2 * MOST_RUN)]
    data = b"".join(map(encode_request, requests))
    found, end = take(data, 0)
    assert isinstance(found, Run)
    assert found.count == MOST_RUN
    again, _ = take(data, end)
    assert listed(found) + listed(again) == requests


@pytest.mark.parametrize("take", [by_lines, by_bytes])
@pytest.mark.parametrize("cut", range(1, 24))
def test_a_run_ends_before_a_request_that_has_not_come_as_a_whole(take: Any, cut: int) -> None:
    get = encode_request([b"GET", b"k"])
    found, end = take(9 * get + get[:-cut], 0)
    assert isinstance(found, Run)
    assert (found.count, end) == (9, 9 * len(get))


own = Group("own")
due: list[str] = []


@own.command("MARK", flags="write fast", keys=first("OW update"), since="1.0.0")
def mark(session: Session, key: bytes) -> Reply:
    """Set a key to a mark."""
    session.db.set(key, b"m")
    return OK


@own.run("MARK", arguments=1)
def mark_run(session: Session, run: Run) -> list[Reply]:
    """Do so for the first half of many keys, and have something done behind that."""
    execution: Any = session.server.services.execution
    execution.units.at_end(lambda: due.append("done"))
    return [mark(session, key) for key in run.columns[0][: run.count // 2]]


def test_a_command_of_a_program_may_have_a_function_for_many_too() -> None:
    cache = MemoryCache(groups=(*GROUPS, own))
    client = cache.connect()
    client.call("MARK", "k")
    noted: list[Any] = []
    Journal(cache.service.dispatcher, noted.append, lambda index, data: noted.append(data)).open()
    due.clear()
    requests = [[b"MARK", b"k%d" % number] for number in range(8)]
    assert client.send(b"".join(map(encode_request, requests))) == b"+OK\r\n" * 8
    assert due == ["done"]
    assert noted == [b"".join(map(encode_request, requests[:4])), *[[(0, tuple(words))] for words in requests[4:]]]


def test_strings_with_and_without_deadlines_are_read_together(cache: MemoryCache, session: Session) -> None:
    assert together(cache, session, "GET t", "GET k", "GET none", "GET t") == [b"v", b"v", None, b"v"]


def test_a_table_is_prepared_only_while_it_is_empty(session: Session) -> None:
    table = session.db.table
    session.db.expect(10_000)
    assert session.db.table is table
    session.db.flush()
    session.db.expect(10_000)
    assert len(session.db.table.shards) == 32
