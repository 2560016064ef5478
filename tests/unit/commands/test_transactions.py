"""MULTI, EXEC, DISCARD, WATCH and UNWATCH: over connections, in datagrams and in process."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.persistence.journal import Journal
from twisted_kv.testing import Clock, MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY


@pytest.fixture
def client(cache: MemoryCache) -> MemoryConnection:
    return cache.connect()


def say(client: Any, *requests: str) -> list[Any]:
    """Send requests, each a line of words; gives the replies, errors as their texts."""
    replies = []
    for request in requests:
        try:
            replies.append(client.call(*request.split(" ")))
        except CommandError as error:
            replies.append(str(error))
    return replies


def test_requests_are_queued_and_run_together(client: MemoryConnection) -> None:
    assert say(client, "MULTI", "SET k v", "GET k", "EXEC") == [b"OK", b"QUEUED", b"QUEUED", [b"OK", b"v"]]


def test_an_error_within_does_not_stop_the_others(client: MemoryConnection) -> None:
    first, error, last = say(client, "MULTI", "SET k v", "INCR k", "GET k", "EXEC")[-1]
    assert (first, str(error), last) == (b"OK", "ERR value is not an integer or out of range", b"v")


def test_an_empty_transaction_gives_an_empty_array(client: MemoryConnection) -> None:
    assert say(client, "MULTI", "EXEC")[-1] == []


@pytest.mark.parametrize("refused", ["FLY", "GET", "SAVE", "CONFIG FLY", "SHUTDOWN", "DEBUG SLEEP 0"])
def test_a_request_that_is_refused_aborts_the_transaction(client: MemoryConnection, refused: str) -> None:
    replies = say(client, "MULTI", "SET k v", refused, "EXEC", "GET k")
    assert replies[2].startswith("ERR ")
    assert replies[3:] == ["EXECABORT Transaction discarded because of previous errors.", None]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("EXEC", "ERR EXEC without MULTI"),
        ("DISCARD", "ERR DISCARD without MULTI"),
        ("EXEC now", "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
    ],
)
def test_without_a_transaction_nothing_ends(client: MemoryConnection, request_: str, error: str) -> None:
    assert say(client, request_) == [error]


def test_a_transaction_does_not_begin_twice_and_goes_on(client: MemoryConnection) -> None:
    replies = say(client, "MULTI", "MULTI", "WATCH k", "PING", "EXEC")
    assert replies[1] == "ERR MULTI calls can not be nested"
    assert replies[2] == "ERR WATCH inside MULTI is not allowed"
    assert replies[4] == [b"PONG"]


def test_too_many_words_for_an_open_arity_are_found_by_exec(client: MemoryConnection) -> None:
    replies = say(client, "MULTI", "PING a b", "EXEC")
    assert replies[1] == b"QUEUED"
    assert [str(each) for each in replies[2]] == ["ERR wrong number of arguments for 'ping' command"]


def test_discard_and_reset_forget_what_was_queued(client: MemoryConnection) -> None:
    assert say(client, "MULTI", "SET k v", "DISCARD", "GET k") == [b"OK", b"QUEUED", b"OK", None]
    assert say(client, "MULTI", "SET k v", "RESET", "EXEC", "GET k")[2:] == [b"RESET", "ERR EXEC without MULTI", None]


def test_quit_ends_a_connection_in_a_transaction(client: MemoryConnection) -> None:
    assert say(client, "MULTI", "QUIT")[-1] == b"OK"
    assert client.closed


def test_what_changes_the_session_within_holds_after(client: MemoryConnection) -> None:
    assert say(client, "MULTI", "SELECT 3", "SET k v", "EXEC", "GET k", "SELECT 0", "GET k")[3:] == [
        [b"OK", b"OK"],
        b"v",
        b"OK",
        None,
    ]


def test_hello_within_changes_the_version_from_there_on(cache: MemoryCache, client: MemoryConnection) -> None:
    cache.call("HSET", "h", "f", "v")
    say(client, "MULTI", "HGETALL h", "HELLO 3", "HGETALL h")
    reply = client.send(b"EXEC\r\n")
    assert reply.startswith(b"*3\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n%7\r\n")
    assert reply.endswith(b"%1\r\n$1\r\nf\r\n$1\r\nv\r\n")


def test_a_request_that_would_wait_has_its_time_up_at_once(client: MemoryConnection) -> None:
    assert say(client, "MULTI", "BLPOP l 0", "RPUSH l x", "BLPOP l 0", "EXEC")[-1] == [NULL_ARRAY, 1, [b"l", b"x"]]


def test_the_reply_waits_for_the_one_that_comes_last(clock: Clock) -> None:
    cache = MemoryCache({"enable-debug-command": "yes"})
    client = cache.connect()
    assert client.send(b"MULTI\r\nDEBUG SLEEP 1\r\nPING\r\nDEBUG SLEEP 2\r\nEXEC\r\n").endswith(b"+QUEUED\r\n")
    cache.clock.advance(1)
    assert client.send(b"") == b""
    cache.clock.advance(1)
    assert client.send(b"") == b"*3\r\n+OK\r\n+PONG\r\n+OK\r\n"
    cache.stop()
    assert cache.clock.getDelayedCalls() == []


WATCHERS = {
    "a connection": lambda cache: cache.connect().call,
    "a call in process": lambda cache: cache.call,
    "a datagram": lambda cache: lambda *words: cache.datagrams("command").send(" ".join(words).encode()),
}


@pytest.mark.parametrize("change", ["SET k v", "DEL k", "FLUSHALL", "RENAME k j", "EXPIRE k 0", "COPY j k REPLACE"])
@pytest.mark.parametrize("who", WATCHERS)
def test_whoever_changes_a_watched_key_breaks_the_transaction(cache: MemoryCache, who: str, change: str) -> None:
    client = cache.connect()
    say(client, "MSET k v j v", "WATCH k")
    WATCHERS[who](cache)(*change.split(" "))
    assert say(client, "MULTI", "SET k mine", "EXEC", "MULTI", "EXEC")[2:] == [NULL_ARRAY, b"OK", []]


@pytest.mark.parametrize(
    "change", ["SET j v", "DEL nope", "GET k", "EXPIRE k 9 XX", "SELECT 3", "HSET k f v", "TOUCH k", "OBJECT FREQ k"]
)
def test_what_leaves_a_watched_key_as_it_is_breaks_nothing(client: MemoryConnection, change: str) -> None:
    say(client, "SET k v", "WATCH k nope", change, "SELECT 0")
    assert say(client, "MULTI", "PING", "EXEC")[-1] == [b"PONG"]


def test_a_watched_key_that_expires_breaks_the_transaction(cache: MemoryCache, client: MemoryConnection) -> None:
    say(client, "SET k v PX 10", "WATCH k")
    cache.clock.rightNow += 1  # and no timer has run
    assert say(client, "MULTI", "EXEC")[-1] is NULL_ARRAY


def test_a_key_that_had_expired_when_it_was_watched_is_none(cache: MemoryCache, client: MemoryConnection) -> None:
    say(client, "SET k v PX 10")
    cache.clock.rightNow += 1
    assert say(client, "WATCH k", "GET k", "MULTI", "EXEC")[-1] == []


def test_databases_that_are_exchanged_change_what_is_watched_in_both(cache: MemoryCache) -> None:
    here, there, other = cache.connect(), cache.connect(), cache.connect()
    say(here, "SET k v", "WATCH k")
    say(there, "SELECT 1", "WATCH k")
    say(other, "WATCH nope")
    cache.call("SWAPDB", 0, 1)
    for each, reply in ((here, NULL_ARRAY), (there, NULL_ARRAY), (other, [])):
        assert say(each, "MULTI", "EXEC")[-1] == reply


@pytest.mark.parametrize("end", ["UNWATCH", "MULTI,DISCARD", "MULTI,EXEC", "RESET", "EXEC x"])
def test_keys_are_watched_no_more_after(cache: MemoryCache, end: str) -> None:
    client = cache.connect()
    say(client, "WATCH k", *end.split(","))
    cache.call("SET", "k", "v")
    assert say(client, "MULTI", "EXEC")[-1] == []
    assert all(not database.watched for database in cache.service.dispatcher.server.databases)


def test_a_connection_that_ends_watches_no_more(cache: MemoryCache, client: MemoryConnection) -> None:
    say(client, "WATCH a b", "SELECT 1", "WATCH a")
    client.close()
    assert all(not database.watched for database in cache.service.dispatcher.server.databases)


def test_many_watches_leave_nothing_behind(cache: MemoryCache, client: MemoryConnection) -> None:
    database = cache.service.dispatcher.server.databases[0]
    for start in range(0, 10_000, 1000):
        client.call("WATCH", *range(start, start + 1000))
    watched = database.watched
    assert len(watched) == 10_000
    client.call("UNWATCH")
    assert database.watched == {}
    assert database.watched is not watched  # a dict that was large stays so


def test_a_datagram_holds_a_whole_transaction(cache: MemoryCache) -> None:
    datagrams = cache.datagrams("resp")
    words = [[b"WATCH", b"k"], [b"MULTI"], [b"SET", b"k", b"v"], [b"GET", b"k"], [b"EXEC"]]
    reply = datagrams.send(b"".join(_encoded(each) for each in words))
    assert reply == b"+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\nv\r\n"
    assert not cache.service.dispatcher.server.databases[0].watched


def _encoded(words: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def test_a_transaction_in_process_gives_values(cache: MemoryCache) -> None:
    with cache.session() as session:
        assert say(session, "HSET h f v", "MULTI", "HGETALL h", "HELLO 2", "EXEC")[-1][0] == {b"f": b"v"}


def test_a_transaction_in_process_that_waits_gives_a_deferred() -> None:
    cache = MemoryCache({"enable-debug-command": "local"})
    results: list[Any] = []
    with cache.session() as session:
        say(session, "MULTI", "DEBUG SLEEP 1", "PING")
        deferred = session.request("EXEC")
        deferred.addCallback(results.append)
        cache.clock.advance(1)
    assert results == [[b"OK", b"PONG"]]
    cache.stop()


def test_a_deferred_transaction_can_be_cancelled() -> None:
    cache = MemoryCache({"enable-debug-command": "local"})
    with cache.session() as session:
        say(session, "MULTI", "DEBUG SLEEP 1")
        deferred: Any = session.request("EXEC")
        deferred.addErrback(lambda failure: None)
        deferred.cancel()
    cache.stop()
    assert cache.clock.getDelayedCalls() == []


def test_memory_that_is_short_aborts_what_is_queued_and_what_is_run(cache: MemoryCache) -> None:
    client = cache.connect()
    say(client, "SET k v", "MULTI", "SET k w")
    cache.call("CONFIG", "SET", "maxmemory", 1)
    oom = "OOM command not allowed when used memory > 'maxmemory'."
    assert say(client, "EXEC") == [f"EXECABORT Transaction discarded because of: {oom}"]
    assert say(client, "MULTI", "GET k", "EXEC") == [
        b"OK",
        oom,
        "EXECABORT Transaction discarded because of previous errors.",
    ]
    assert say(client, "MULTI", "DISCARD", "GET k") == [b"OK", b"OK", b"v"]


def test_a_disk_that_fails_aborts_what_writes(cache: MemoryCache) -> None:
    client = cache.connect()
    say(client, "MULTI", "SET k w")
    cache.service.dispatcher.admission.misconf = CommandError("the disk", "MISCONF")
    assert say(client, "EXEC") == ["EXECABORT Transaction discarded because of: MISCONF the disk"]
    assert say(client, "MULTI", "GET k", "EXEC")[-1] == [None]
    assert say(client, "MULTI", "SET k v", "EXEC")[1:] == [
        "MISCONF the disk",
        "EXECABORT Transaction discarded because of previous errors.",
    ]


def test_the_password_comes_before_exec() -> None:
    cache = MemoryCache({"requirepass": "x"})
    assert say(cache.connect(), "EXEC") == [
        "EXECABORT Transaction discarded because of: NOAUTH Authentication required."
    ]
    cache.stop()


def test_one_exec_is_noted_as_one_across_databases(cache: MemoryCache) -> None:
    noted: list[Any] = []
    client = cache.connect()
    say(client, "SET k v PX 10", "WATCH k")
    journal = Journal(cache.service.dispatcher, noted.append)
    journal.open()
    say(client, "UNWATCH", "MULTI", "SET a 1", "GET a", "SELECT 2", "SET b 2", "INCRBYFLOAT b 1", "EXEC", "SET c 3")
    assert noted == [
        [(0, (b"SET", b"a", b"1")), (2, (b"SET", b"b", b"2")), (2, (b"SET", b"b", b"3", b"KEEPTTL"))],
        [(2, (b"SET", b"c", b"3"))],
    ]
    journal.close()


@pytest.mark.pure
def test_a_request_that_breaks_within_is_an_error_of_its_own(cache: MemoryCache) -> None:
    client = cache.connect()
    entry = cache.service.dispatcher.server.commands.entry_of([b"GET"])

    def broken(session: Any, key: bytes) -> Any:
        raise RuntimeError("broken")

    entry.function = broken
    first, error, last = say(client, "MULTI", "PING", "GET k", "PING", "EXEC")[-1]
    assert (first, last) == (b"PONG", b"PONG")
    assert str(error).startswith("ERR internal error")


def test_a_key_that_is_watched_twice_is_watched_once(client: MemoryConnection) -> None:
    assert say(client, "WATCH k k", "WATCH k", "UNWATCH", "UNWATCH")[-1] == b"OK"
