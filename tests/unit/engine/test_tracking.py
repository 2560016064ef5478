"""Client tracking where no other server is at hand: its bounds, time, and what is left of a client that has gone."""

from __future__ import annotations

from typing import Any, Dict, NoReturn

import pytest

from twisted_kv.testing import MemoryCache, MemoryConnection, StreamTransport
from twisted_kv.vocabulary.errors import CommandError


def tracking(cache: MemoryCache, *options: str) -> MemoryConnection:
    client = cache.connect()
    client.call("HELLO", 3)
    client.call("CLIENT", "TRACKING", "on", *options)
    return client


def invalidated(*keys: bytes) -> bytes:
    return b">2\r\n$10\r\ninvalidate\r\n*%d\r\n" % len(keys) + b"".join(b"$%d\r\n%b\r\n" % (len(k), k) for k in keys)


def test_an_expired_key_is_told_when_it_goes(cache: MemoryCache) -> None:
    client, broad = tracking(cache), tracking(cache, "BCAST")
    cache.call("SET", "k", "v", "PX", 10)
    assert broad.transport.take() == invalidated(b"k")
    client.call("GET", "k")
    cache.clock.advance(0.01)
    assert client.transport.take() == invalidated(b"k")
    assert broad.transport.take() == invalidated(b"k")


def test_an_evicted_key_is_told(cache: MemoryCache) -> None:
    client = tracking(cache)
    cache.call("SET", "k", "x" * 100)
    client.call("GET", "k")
    cache.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", 1)
    cache.call("SET", "j", "x")
    assert client.transport.take() == invalidated(b"k")


def test_who_finds_a_key_expired_is_told_behind_the_reply(cache: MemoryCache) -> None:
    client = tracking(cache, "NOLOOP")
    cache.call("SET", "k", "v", "PX", 10)
    client.call("GET", "k")
    cache.service.dispatcher.set_active_expire(False)
    cache.clock.advance(1)
    assert client.send(b"GET k\r\nPING\r\n") == b"_\r\n" + invalidated(b"k") + b"+PONG\r\n"


def test_the_table_has_a_bound_and_what_leaves_it_is_told(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "tracking-table-max-keys", 2)
    client = tracking(cache)
    client.call("MGET", "a", "b")
    assert client.send(b"MGET c d\r\n") == b"*2\r\n_\r\n_\r\n"
    assert client.send(b"GET a\r\n") == invalidated(b"a") + invalidated(b"b") + b"_\r\n"  # before it is read again
    assert client.send(b"GET a\r\n") == invalidated(b"c") + b"_\r\n"
    assert b"tracking_total_keys:2\r\ntracking_total_items:2\r\ntracking_total_prefixes:0\r\n" in cache.call("INFO")
    client.call("MGET", *range(500))
    counts = [client.send(b"GET a\r\n").count(b"invalidate") for _ in range(4)]
    assert counts == [100, 200, 201, 0]  # `a` is read again each time
    cache.call("CONFIG", "SET", "tracking-table-max-keys", 0)
    client.call("MGET", *range(100))
    assert client.send(b"GET a\r\n") == b"_\r\n"
    assert b"tracking_total_keys:102\r\n" in cache.call("INFO", "stats")


def test_nothing_is_left_of_a_client_that_has_gone(cache: MemoryCache) -> None:
    server = cache.service.dispatcher.server
    gone, broad, stays = tracking(cache), tracking(cache, "BCAST", "PREFIX", "k"), tracking(cache)
    gone.call("GET", "k")
    assert b"tracking_clients:3\r\n" in cache.call("INFO", "clients")
    gone.close()
    broad.close()
    cache.call("SET", "k", "v")
    assert stays.transport.take() == b""
    assert server.databases[0].modified is not None
    stays.call("CLIENT", "TRACKING", "off")
    assert server.databases[0].modified is None
    assert not server.databases[0].alert
    stays.call("CLIENT", "TRACKING", "off")  # nothing happens


def test_a_change_by_a_call_in_process_is_told(cache: MemoryCache) -> None:
    client, broad = tracking(cache), tracking(cache, "BCAST")
    client.call("GET", "k")
    cache.call("SET", "k", "v")
    assert client.transport.take() == broad.transport.take() == invalidated(b"k")
    client.call("GET", "k")
    cache.call("FLUSHALL")
    assert client.transport.take() == broad.transport.take() == b">2\r\n$10\r\ninvalidate\r\n_\r\n"


def test_a_client_list_says_who_is_tracked(cache: MemoryCache) -> None:
    tracking(cache, "BCAST")
    other = tracking(cache)
    target = cache.connect()
    number = target.call("CLIENT", "ID")
    other.call("CLIENT", "TRACKING", "off")
    other.call("CLIENT", "TRACKING", "on", "REDIRECT", number)
    lines = cache.call("CLIENT", "LIST").splitlines()
    assert [b" flags=%b " % flags in line for flags, line in zip((b"tB", b"t", b"N"), lines)] == [True] * 3
    assert b" redir=%d " % number in lines[1]
    other.call("GET", "k")
    target.close()
    cache.call("SET", "k", "v")
    assert b" flags=tR " in cache.call("CLIENT", "LIST")


def test_a_call_in_process_cannot_be_tracked(cache: MemoryCache) -> None:
    with pytest.raises(CommandError, match="CLIENT TRACKING needs a connection; in process, messages come by"):
        cache.call("CLIENT", "TRACKING", "on")
    assert cache.call("CLIENT", "GETREDIR") == -1


def test_what_waits_is_told_at_once(cache: MemoryCache) -> None:
    client = tracking(cache)
    cache.call("RPUSH", "l", "x")
    cache.call("PEXPIRE", "l", 10)
    client.call("LLEN", "l")
    cache.service.dispatcher.set_active_expire(False)
    cache.clock.advance(1)
    assert client.send(b"BLPOP l 0\r\n") == invalidated(b"l")
    cache.call("RPUSH", "l", "y")
    assert client.transport.take() == b"*2\r\n$1\r\nl\r\n$1\r\ny\r\n"


def test_what_a_failed_request_invalidates_is_told_behind_its_error(cache: MemoryCache) -> None:
    client = tracking(cache)
    cache.call("SET", "k", "v", "PX", 10)
    cache.call("RPUSH", "l", "x")
    client.call("GET", "k")
    cache.service.dispatcher.set_active_expire(False)
    cache.clock.advance(1)
    sent = client.send(b"MGET k\r\nPING\r\n")
    assert sent == b"*1\r\n_\r\n" + invalidated(b"k") + b"+PONG\r\n"
    cache.call("SET", "k", "v", "PX", 10)
    client.call("GET", "k")
    cache.clock.advance(1)
    assert client.send(b"SUNION k l\r\nPING\r\n") == (
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" + invalidated(b"k") + b"+PONG\r\n"
    )


def test_a_transaction_is_told_of_its_own_changes_behind_it(cache: MemoryCache) -> None:
    client = tracking(cache)
    client.call("MGET", "a", "b")
    sent = client.send(b"MULTI\r\nSET a 1\r\nSET b 2\r\nGET a\r\nEXEC\r\n")
    assert sent.endswith(b"*3\r\n+OK\r\n+OK\r\n$1\r\n1\r\n" + invalidated(b"a") + invalidated(b"b"))
    cache.call("SET", "a", 3)
    assert client.transport.take() == invalidated(b"a")


def test_prefixes_are_told_together_at_the_end_and_not_to_the_one_who_changed_them(cache: MemoryCache) -> None:
    first = tracking(cache, "BCAST", "PREFIX", "k", "PREFIX", "j", "NOLOOP")
    second = tracking(cache, "BCAST", "PREFIX", "k")
    third = cache.connect()
    third.send(b"SET k2 1\r\nSET j1 2\r\nSET x 3\r\nSET k1 4\r\nSET k2 5\r\n")
    assert first.transport.take() == invalidated(b"j1") + invalidated(b"k1", b"k2")
    assert second.transport.take() == invalidated(b"k1", b"k2")
    assert first.send(b"SET k3 1\r\nSET j3 1\r\n") == b"+OK\r\n+OK\r\n"
    assert second.transport.take() == invalidated(b"k3")
    assert second.send(b"SET k4 1\r\nPING\r\n") == b"+OK\r\n+PONG\r\n" + invalidated(b"k4")


def test_a_reader_that_is_gone_or_has_changed_its_mode_is_not_told(cache: MemoryCache) -> None:
    gone, broad, out = tracking(cache), tracking(cache), tracking(cache, "OPTOUT")
    for client in (gone, broad, out):
        client.call("GET", "k")
    gone.close()
    broad.call("CLIENT", "TRACKING", "off")
    broad.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "x")
    cache.call("SET", "k", "v")
    assert broad.transport.take() == b""
    assert out.transport.take() == invalidated(b"k")


def test_one_whose_buffer_is_full_does_not_keep_others_from_being_told_of_a_flush(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 70000 0 0")
    slow = MemoryConnection(cache.factory, StreamTransport(capacity=1))
    slow.protocol.dataReceived(b"HELLO 3\r\nCLIENT TRACKING on\r\nGET a\r\n")
    number = slow.protocol.connection._session.id  # type: ignore[union-attr]  # it is connected
    redirecting = tracking(cache, "REDIRECT", str(number))
    slow.protocol.dataReceived(b"*2\r\n$4\r\nECHO\r\n$69990\r\n" + b"x" * 69_990 + b"\r\n")
    last = tracking(cache)
    cache.connect().send(b"MULTI\r\n" + b"FLUSHALL\r\n" * 5 + b"EXEC\r\n")
    assert last.transport.take().count(b"invalidate") == 5
    assert redirecting.call("PING") == b"PONG"


def test_who_does_not_want_to_hear_of_its_own_changes(cache: MemoryCache) -> None:
    client, plain = tracking(cache, "NOLOOP"), cache.connect()
    client.call("GET", "k")
    assert client.send(b"SET k v\r\nPING\r\n") == b"+OK\r\n+PONG\r\n"
    plain.call("CLIENT", "TRACKING", "on")  # in RESP2, and to nobody else: there is no way to tell it
    plain.call("GET", "k")
    cache.call("SET", "k", "w")
    assert plain.transport.take() == b""


def test_who_broadcasts_has_no_keys_remembered(cache: MemoryCache) -> None:
    client = tracking(cache, "BCAST", "PREFIX", "x")
    client.call("GET", "k")
    assert b"tracking_total_keys:0\r\n" in cache.call("INFO", "stats")


def test_telling_one_client_may_end_another_whom_it_redirects_to(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 65536 0 0")
    slow = MemoryConnection(cache.factory, StreamTransport(capacity=1))
    number = slow.protocol.connection._session.id  # type: ignore[union-attr]  # it is connected
    redirecting = tracking(cache, "BCAST", "REDIRECT", str(number))
    slow.protocol.dataReceived(b"HELLO 3\r\nCLIENT TRACKING on BCAST\r\n")
    cache.call("SET", b"k" * 70_000, 1)
    assert slow.closed
    cache.call("SET", "k", 1)
    assert redirecting.transport.take() == b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % number
    redirecting.call("HELLO", 2)
    cache.call("SET", "k", 1)
    assert redirecting.transport.take() == b""


def test_a_flush_that_ends_one_client_tells_the_others(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "normal 65536 0 0")
    slow = MemoryConnection(cache.factory, StreamTransport(capacity=1))
    number = slow.protocol.connection._session.id  # type: ignore[union-attr]  # it is connected
    redirecting = tracking(cache, "REDIRECT", str(number))
    slow.protocol.dataReceived(b"HELLO 3\r\nCLIENT TRACKING on\r\n")
    cache.connect().send(b"MULTI\r\n" + b"FLUSHALL\r\n" * 3000 + b"EXEC\r\n")
    assert slow.closed
    assert b"tracking-redir-broken" in redirecting.transport.take()


class NotWalkedOver(Dict[bytes, Any]):
    """What may be looked up in only."""

    def items(self) -> NoReturn:
        raise AssertionError("all prefixes are walked over")

    __iter__ = keys = values = items  # type: ignore[assignment]  # none of them returns


def test_very_many_prefixes_are_looked_up_and_not_walked_over(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    words = [word for number in range(2000) for word in ("PREFIX", f"p{number:05}:")]
    client.call("CLIENT", "TRACKING", "on", "BCAST", *words)
    client.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "other")
    tracking_ = cache.service.dispatcher.server.services.tracking
    assert sorted(tracking_._lengths) == [5, 7]  # type: ignore[attr-defined]  # what a change asks for
    assert b"tracking_total_prefixes:2001" in cache.call("INFO", "stats")
    known = tracking_._prefixes  # type: ignore[attr-defined]  # as above
    tracking_._prefixes = NotWalkedOver(known)  # type: ignore[attr-defined]  # as above
    cache.call("SET", "p00042:x", 1)
    assert client.transport.take() == invalidated(b"p00042:x")
    tracking_._prefixes = known  # type: ignore[attr-defined]  # as above
    with pytest.raises(CommandError, match="overlaps with an existing prefix 'p00042:'"):
        client.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "p00042:x")
    with pytest.raises(CommandError, match="overlaps with an existing prefix 'p00010:'"):
        client.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "p0001")
    with pytest.raises(CommandError, match="Prefix 'x' overlaps with another provided prefix 'xb'"):
        client.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "x", "PREFIX", "xb", "PREFIX", "xa")
    assert int(cache.call("CLIENT", "LIST").partition(b" tot-mem=")[2].split()[0]) > 500_000
    client.close()
    assert not tracking_._lengths  # type: ignore[attr-defined]  # as above


def test_remembered_keys_are_counted_as_they_come_and_go(cache: MemoryCache) -> None:
    def counts() -> bytes:
        found: bytes = cache.call("INFO", "stats")
        return found[found.index(b"tracking_total_keys") : found.index(b"tracking_total_prefixes")]

    one, two = tracking(cache), tracking(cache)
    for client in (one, one, two):
        client.call("GET", "k")
        client.call("MGET", "k", "j")
    assert counts() == b"tracking_total_keys:2\r\ntracking_total_items:4\r\n"
    cache.call("SET", "k", 1)
    assert counts() == b"tracking_total_keys:1\r\ntracking_total_items:2\r\n"
    cache.call("FLUSHALL")
    assert counts() == b"tracking_total_keys:0\r\ntracking_total_items:0\r\n"
    one.call("GET", "k")
    one.close()
    two.close()
    assert counts() == b"tracking_total_keys:0\r\ntracking_total_items:0\r\n"
