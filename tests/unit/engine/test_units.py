"""Units of execution: what belongs together is one record, waits for nothing, and is heard of when it has ended."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest

from tests.own_commands import cache_with_own, callers, promises
from tests.storage.failing_disk import DATA, MemoryDisk, turns
from tests.storage.starts import words
from twisted_kv.declaring.commands import Lasting
from twisted_kv.engine.units import Units
from twisted_kv.persistence.journal import Journal
from twisted_kv.testing import MemoryCache, MemoryConnection
from twisted_kv.values.lists import List as List_
from twisted_kv.vocabulary.errors import CommandError, WouldWait
from twisted_kv.vocabulary.replies import NULL_ARRAY


@pytest.fixture
def records(own: MemoryCache) -> Iterator[list[Any]]:
    noted: list[Any] = []
    journal = Journal(own.service.dispatcher, noted.append)
    journal.open()
    yield noted
    journal.close()


def effects(*requests: str, database: int = 0) -> list[Any]:
    """What is recorded of some requests that belong together."""
    return [(database, words(*request.split())) for request in requests]


# By themselves


def test_what_is_due_after_a_unit_is_done_at_once_where_there_is_none() -> None:
    done: list[str] = []
    units = Units()
    units.after(lambda: done.append("a"))
    assert done == ["a"]


def test_what_is_due_is_done_after_the_outermost_unit_and_what_belongs_to_it_before() -> None:
    done: list[str] = []
    note: Callable[[str], Callable[[], None]] = lambda what: lambda: done.append(what)  # noqa: E731  # as short
    units = Units()
    units.begin()
    units.begin()
    units.after(note("after"))
    units.at_end(note("end"))
    units.end()
    assert done == []
    units.end()
    assert done == ["end", "after"]
    assert not units.is_due


def test_what_is_due_waits_while_units_are_run_that_belong_together() -> None:
    done: list[str] = []
    units = Units()
    units.is_held = True
    units.begin()
    units.at_end(lambda: done.append("end"))
    units.after(lambda: done.append("after"))
    units.end()
    assert done == ["end"]
    units.is_held = False
    units.finish()
    assert done == ["end", "after"]


def test_what_is_due_may_make_more_due() -> None:
    done: list[int] = []
    units = Units()

    def again() -> None:
        units.begin()
        done.append(len(done))
        if len(done) < 3:
            units.after(again)
        units.end()

    units.begin()
    units.after(again)
    units.end()
    assert done == [0, 1, 2]


# One command within another


def test_a_command_may_call_others_and_all_of_it_is_one_record(own: MemoryCache, records: list[Any]) -> None:
    assert own.call("BOTH", "a", "b") == [1, 1]
    assert records == [effects("INCR a", "INCR b")]
    own.call("SET", "c", 1)
    assert records[1:] == [effects("SET c 1")]


def test_a_command_that_changes_keys_itself_too_is_recorded_by_its_own_words(
    own: MemoryCache, records: list[Any]
) -> None:
    own.call("OWNTOO", "a", "b")
    assert records == [effects("OWNTOO a b")]


def test_what_a_command_tells_stands_where_it_was_told(own: MemoryCache, records: list[Any]) -> None:
    own.call("TOLD", "a", "b")
    assert records == [effects("INCR a", "SET b set", "INCR a")]


def test_commands_within_an_exec_belong_to_it(own: MemoryCache, records: list[Any]) -> None:
    client = own.connect()
    client.send(b"MULTI\r\nBOTH a b\r\nSELECT 1\r\nTOLD c d\r\nOWNTOO e f\r\nEXEC\r\n")
    others = effects("INCR c", "SET d set", "INCR c", "OWNTOO e f", database=1)
    assert records == [effects("INCR a", "INCR b") + others]


def test_a_command_may_change_another_database_by_one_that_it_calls(own: MemoryCache, records: list[Any]) -> None:
    client = own.connect()
    client.send(b"WITHIN SELECT 3\r\nWITHIN SET k v\r\n")
    assert records == [effects("SET k v", database=3)]


def test_a_key_that_was_found_expired_is_a_part_of_the_unit_that_found_it(own: MemoryCache, records: list[Any]) -> None:
    own.call("SET", "k", "v", "PX", 10)
    own.call("SET", "j", "v", "PX", 10)
    records.clear()
    own.clock.rightNow += 1  # and no timer has run
    own.call("APPEND", "k", "w")
    own.call("EXISTS", "j")
    assert records == [effects("DEL k", "APPEND k w"), effects("DEL j")]


def test_keys_that_a_timer_removes_have_nothing_to_do_with_one_another(own: MemoryCache, records: list[Any]) -> None:
    own.call("SET", "k", "v", "PX", 10)
    own.call("SET", "j", "v", "PX", 10)
    records.clear()
    own.clock.advance(1)
    assert sorted(records) == [effects("DEL j"), effects("DEL k")]


def test_who_waits_is_served_after_the_unit_and_recorded_after_it(own: MemoryCache, records: list[Any]) -> None:
    first, second = own.connect(), own.connect()
    first.send(b"BLPOP a 0\r\n")
    second.send(b"BLMOVE b c LEFT LEFT 0\r\n")
    client = own.connect()
    client.send(b"MULTI\r\nRPUSH a 1\r\nRPUSH b 2\r\nLLEN a\r\nEXEC\r\n")
    assert records == [effects("RPUSH a 1", "RPUSH b 2"), effects("LPOP a"), effects("LMOVE b c LEFT LEFT")]


def test_an_error_within_a_command_is_raised_there_and_may_be_the_reply(own: MemoryCache, records: list[Any]) -> None:
    client = own.connect()
    own.call("SET", "s", "text")
    records.clear()
    assert client.send(b"BOTH n s\r\n") == b"-ERR value is not an integer or out of range\r\n"
    assert own.call("GET", "n") == b"1"
    assert records == [effects("INCR n")]
    entries = own.service.dispatcher.server.commands
    assert [entries.entry_of([name]).failed for name in (b"both", b"incr")] == [1, 1]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("NOPE", "ERR unknown command 'NOPE', with args beginning with: "),
        ("GET", "ERR wrong number of arguments for 'get' command"),
        ("GET a b", "ERR wrong number of arguments for 'get' command"),
        ("MULTI", "ERR MULTI cannot be called within another command"),
        ("EXEC", "ERR EXEC cannot be called within another command"),
        ("RESET", "ERR RESET cannot be called within another command"),
    ],
)
def test_what_cannot_be_called_within_a_command_is_refused(own: MemoryCache, line: str, error: str) -> None:
    client = own.connect()
    assert client.send(f"WITHIN {line}\r\n".encode()) == f"-{error}\r\n".encode()
    assert client.send(b"MULTI\r\nWITHIN EXEC\r\nPING\r\nEXEC\r\n").endswith(
        b"*2\r\n-ERR EXEC cannot be called within another command\r\n+PONG\r\n"
    )


# What would wait


def in_exec(client: MemoryConnection, line: str) -> bytes:
    return client.send(f"MULTI\r\n{line}\r\nEXEC\r\n".encode()).partition(b"+QUEUED\r\n")[2]


@pytest.mark.parametrize("line", ["BLPOP k 0", "BLMOVE k j LEFT LEFT 0", "BZPOPMIN z 0", "XREAD BLOCK 0 STREAMS x 0"])
def test_what_would_wait_within_another_command_does_not(own: MemoryCache, line: str) -> None:
    client = own.connect()
    null = b"$-1\r\n" if "BLMOVE" in line else b"*-1\r\n"
    assert client.send(f"WITHIN {line}\r\n".encode()) == b"*1\r\n" + null
    assert in_exec(client, line) == b"*1\r\n" + null
    assert in_exec(client, f"WITHIN {line}") == b"*1\r\n*1\r\n" + null
    assert len(own.service.dispatcher.blocking) == 0
    assert client.send(b"PING\r\n") == b"+PONG\r\n"


def test_a_function_of_the_host_waits_for_nothing(own: MemoryCache) -> None:
    with own.session() as session:
        assert session.call("WITHIN", "BLPOP", "k", 0) == [NULL_ARRAY]
        with pytest.raises(WouldWait):
            session.call("BLPOP", "k", 0)
        replies: list[Any] = []
        session.request("WITHIN", "BLPOP", "k", 0).addCallback(replies.append)
        assert replies == [[NULL_ARRAY]]


def test_what_a_client_has_sent_after_a_request_that_waits_is_not_run_within_an_exec(own: MemoryCache) -> None:
    client = own.connect()
    number = client.call("CLIENT", "ID")
    client.send(b"BLPOP nothing 0\r\nSET k theirs\r\n")
    with own.session() as session:
        session.call("MULTI")
        session.call("SET", "k", "ours")
        session.call("CLIENT", "UNBLOCK", number)
        session.call("GET", "k")
        assert session.call("EXEC") == [b"OK", 1, b"ours"]
    assert client.transport.take() == b"*-1\r\n+OK\r\n"
    assert own.call("GET", "k") == b"theirs"


def test_a_fault_that_ends_the_process_leaves_no_unit_open(own: MemoryCache) -> None:
    dispatcher = own.service.dispatcher
    entry = dispatcher.server.commands.entry_of([b"ECHO"])

    def interrupted(*words: Any) -> Any:
        raise KeyboardInterrupt

    entry.function = interrupted
    with pytest.raises(KeyboardInterrupt):
        own.call("ECHO", "x")
    assert dispatcher.units.depth == 0
    assert own.call("PING") == b"PONG"


def test_an_error_within_a_command_reaches_who_asked_in_process(own: MemoryCache) -> None:
    with own.session() as session, pytest.raises(CommandError, match="unknown command"):
        session.call("WITHIN", "NOPE")


# What was found wrong once


def test_what_a_late_wake_up_leaves_is_not_a_part_of_a_timer_s_unit(own: MemoryCache) -> None:
    """Once the rest of a wake-up ran within the unit of the timer that continued it: BLPOP did not wait there."""
    client = own.connect()
    client.protocol.dataReceived(b"SLOW\r\n" * 40 + b"BLPOP k 0\r\n")
    for _ in range(60):
        own.clock.advance(0)
    assert client.transport.take() == b"+OK\r\n" * 40
    own.call("RPUSH", "k", "v")
    assert client.transport.take() == b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n"


def test_what_a_late_wake_up_leaves_waits_for_the_disk() -> None:
    disk = MemoryDisk()
    cache = cache_with_own({"dir": DATA, "save": "", "appendonly": "yes", "appendfsync": "always"}, disk=disk)
    turns(cache)
    client = cache.connect()
    disk.hold()
    client.protocol.dataReceived(b"SLOW\r\n" * 40 + b"SET k v\r\nINCR n\r\n")
    turns(cache)
    assert b":1\r\n" not in client.transport.take()
    disk.release()
    turns(cache)
    assert client.transport.take().endswith(b"+OK\r\n:1\r\n")
    cache.stop()


def test_a_key_that_is_evicted_while_somebody_waits_strands_nobody(own: MemoryCache) -> None:
    own.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    reader, popper = own.connect(), own.connect()
    reader.send(b"XREADGROUP GROUP g c BLOCK 0 STREAMS s >\r\n")
    popper.send(b"BLPOP list 0\r\n")
    own.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    own.call("CONFIG", "SET", "maxmemory", 1)
    own.call("SET", "x", "y")
    own.call("CONFIG", "SET", "maxmemory", 0)
    assert reader.transport.take().startswith(b"-UNBLOCKED ")
    own.call("RPUSH", "list", "v")
    assert popper.transport.take() == b"*2\r\n$4\r\nlist\r\n$1\r\nv\r\n"


def test_a_key_that_changes_outside_of_any_unit_serves_who_waits(own: MemoryCache) -> None:
    first, second = own.connect(), own.connect()
    first.send(b"BLPOP a 0\r\n")
    second.send(b"BLPOP b 0\r\n")
    database = own.service.dispatcher.server.databases[0]
    for key in (b"a", b"b"):
        value = List_()
        value.append(b"v")
        database.set(key, value)
    assert first.transport.take() == b"*2\r\n$1\r\na\r\n$1\r\nv\r\n"
    assert second.transport.take() == b"*2\r\n$1\r\nb\r\n$1\r\nv\r\n"


def test_a_key_that_was_found_expired_stays_gone_where_the_outer_command_is_recorded(
    own: MemoryCache, records: list[Any]
) -> None:
    own.call("SET", "n", 5, "PX", 100)
    records.clear()
    own.clock.rightNow += 1  # and no timer has run
    own.call("OWNTOO", "n", "m")
    assert records == [effects("DEL n", "OWNTOO n m")]


def test_a_change_in_a_database_that_was_selected_within_is_recorded(own: MemoryCache, records: list[Any]) -> None:
    client = own.connect()
    client.send(b"ELSEWHERE k\r\n")
    assert records == [effects("ELSEWHERE k")]


def test_a_shared_conversation_is_not_changed_by_a_command_within_another(own: MemoryCache) -> None:
    with pytest.raises(CommandError, match="SELECT changes the session"):
        own.call("WITHIN", "SELECT", 1)
    own.call("SET", "k", "v")
    assert own.call("DBSIZE") == 1


@pytest.mark.parametrize("line", ["HELD a", "LATER a", "DEBUG SLEEP 1"])
def test_what_answers_later_cannot_be_called_within_another_command(line: str) -> None:
    with cache_with_own({"enable-debug-command": "yes"}) as cache:
        client = cache.connect()
        assert client.send(f"WITHIN {line}\r\n".encode()).startswith(b"-WOULDWAIT ")
        assert promises == {}
        assert client.send(b"PING\r\n") == b"+PONG\r\n"


def test_a_call_within_the_callback_of_a_request_waits_for_nothing(own: MemoryCache) -> None:
    seen: list[Any] = []

    def react(reply: Any) -> None:
        try:
            own.call("BLPOP", "b", 0)
        except WouldWait as error:
            seen.append(error)

    own.request("BLPOP", "a", 0).addCallback(react)
    own.request("LPUSH", "a", "x")
    assert len(seen) == 1
    assert len(own.service.dispatcher.blocking) == 0


@pytest.mark.pure
def test_a_fault_in_the_way_back_of_one_that_waits_reaches_nobody_else(own: MemoryCache) -> None:
    first, second, pusher = own.connect(), own.connect(), own.connect()
    first.send(b"BLPOP k 0\r\n")
    second.send(b"BLPOP k 0\r\n")
    (waiter,) = next(iter(own.service.dispatcher.blocking._sessions.values()))

    def broken(key: bytes) -> Any:
        raise ZeroDivisionError

    waiter.block.again = broken
    assert pusher.send(b"RPUSH k a b\r\n") == b":2\r\n"
    assert first.transport.take().startswith(b"-ERR internal error")
    assert second.transport.take() == b"*2\r\n$1\r\nk\r\n$1\r\na\r\n"


@pytest.mark.pure
def test_what_a_command_passes_to_another_is_bytes(own: MemoryCache) -> None:
    session = own.service.dispatcher.begin(Lasting.SESSION, trusted=True)
    arguments: Any
    for arguments in ([b"SET", b"k", 5], ["GET", "k"]):
        with pytest.raises(TypeError, match="are bytes"):
            session.call(*arguments)
    assert own.call("EXISTS", "k") == 0


def test_a_key_that_is_evicted_within_a_unit_is_recorded_in_its_place(own: MemoryCache, records: list[Any]) -> None:
    """Once its removal was recorded before what the unit had done: after a replay, the key was there again."""
    own.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    own.call("CONFIG", "SET", "maxmemory", 100)
    callers[:] = [own.call]
    assert own.call("INPROCESS", "k") is False
    (record,) = records
    assert record[0][1][:2] == (b"SET", b"k")
    assert record[1:] == effects("DEL k")
