"""Pub/sub commands, as one client sees them; the real server is compared in `tests/agreement/test_messages.py`."""

from __future__ import annotations

import re

import pytest

from twisted_kv.testing import MemoryCache, MemoryConnection, StreamTransport
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.encoder import encode_request


def message(*parts: bytes, mark: bytes = b"*") -> bytes:
    return mark + b"%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def test_messages_come_to_subscribers_of_the_channel_and_of_patterns(cache: MemoryCache) -> None:
    client, other = cache.connect(), cache.connect()
    assert client.send(b"SUBSCRIBE a b\r\n") == (
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
    )
    assert client.send(b"SUBSCRIBE a\r\n") == b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n"
    assert client.send(b"PSUBSCRIBE a*\r\n") == b"*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:3\r\n"
    assert client.send(b"SSUBSCRIBE a\r\n") == b"*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n"
    assert other.send(b"PUBLISH a x\r\nPUBLISH ab y\r\nSPUBLISH a z\r\nPUBLISH c x\r\n") == b":2\r\n:1\r\n:1\r\n:0\r\n"
    assert client.transport.take() == (
        message(b"message", b"a", b"x")
        + message(b"pmessage", b"a*", b"a", b"x")
        + message(b"pmessage", b"a*", b"ab", b"y")
        + message(b"smessage", b"a", b"z")
    )
    lists = cache.call("CLIENT", "LIST").splitlines()
    assert b" flags=P " in lists[0]
    assert b" sub=2 psub=1 ssub=1 " in lists[0]
    assert b"pubsub_channels:2\r\npubsub_patterns:1\r\npubsubshard_channels:1\r\n" in cache.call("INFO", "stats")


def test_questions_about_subscribers(cache: MemoryCache) -> None:
    cache.connect().send(b"SUBSCRIBE a b\r\nPSUBSCRIBE a* c*\r\nSSUBSCRIBE s\r\n")
    cache.connect().send(b"SUBSCRIBE a\r\nPSUBSCRIBE a*\r\n")
    assert cache.call("PUBSUB", "CHANNELS") == [b"a", b"b"]
    assert cache.call("PUBSUB", "CHANNELS", "b*") == [b"b"]
    assert cache.call("PUBSUB", "NUMSUB", "a", "x") == [b"a", 2, b"x", 0]
    assert cache.call("PUBSUB", "NUMPAT") == 2
    assert cache.call("PUBSUB", "SHARDCHANNELS") == [b"s"]
    assert cache.call("PUBSUB", "SHARDNUMSUB", "s") == [b"s", 1]
    with pytest.raises(CommandError, match="unknown subcommand or wrong number of arguments for 'channels'"):
        cache.call("PUBSUB", "channels", "a", "b")


def test_who_listens_in_resp2_may_ask_little_else(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"SUBSCRIBE a\r\n")
    assert client.send(b"GET k\r\n") == (
        b"-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        b"context\r\n"
    )
    assert client.send(b"PING\r\nPING x\r\n") == message(b"pong", b"") + message(b"pong", b"x")
    assert client.send(b"UNSUBSCRIBE x\r\n") == b"*3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:1\r\n"
    assert client.send(b"UNSUBSCRIBE\r\nGET k\r\n") == b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n$-1\r\n"
    assert client.send(b"UNSUBSCRIBE\r\n") == b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
    assert client.send(b"PUNSUBSCRIBE x\r\n") == b"*3\r\n$12\r\npunsubscribe\r\n$1\r\nx\r\n:0\r\n"
    assert client.send(b"SSUBSCRIBE a\r\nSUNSUBSCRIBE\r\nGET k\r\n").endswith(b":0\r\n$-1\r\n")


def test_in_resp3_it_goes_on_and_messages_stand_before_the_reply(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.send(b"SUBSCRIBE a\r\n")
    told = message(b"message", b"a", b"x", mark=b">")
    assert client.send(b"PUBLISH a x\r\nGET k\r\n") == told + b":1\r\n_\r\n"
    assert client.send(b"MULTI\r\nPUBLISH a x\r\nPING\r\nEXEC\r\n").endswith(b"*2\r\n" + told + b":1\r\n+PONG\r\n")


def test_a_shard_channel_is_not_subscribed_to_in_a_transaction(cache: MemoryCache) -> None:
    client = cache.connect()
    assert b"SSUBSCRIBE isn't allowed for a DENY BLOCKING client" in client.send(b"MULTI\r\nSSUBSCRIBE a\r\nEXEC\r\n")


def test_a_single_star_is_no_pattern_for_the_empty_name(cache: MemoryCache) -> None:
    cache.connect().send(b"PSUBSCRIBE *\r\n")
    assert cache.call("PUBLISH", "", "x") == 0
    assert cache.call("PUBLISH", "a", "x") == 1


def test_the_class_of_a_client_follows_what_it_listens_to(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 100000 0 0")
    slow = MemoryConnection(cache.factory, StreamTransport(capacity=1))
    slow.protocol.dataReceived(b"SUBSCRIBE a\r\n")
    client = cache.connect()
    for _ in range(400):
        assert client.send(b"PUBLISH a " + b"x" * 1000 + b"\r\n") in (b":1\r\n", b":0\r\n")
    assert slow.closed
    assert cache.call("PUBSUB", "CHANNELS") == []
    assert b"client_output_buffer_limit_disconnections:1\r\n" in cache.call("INFO", "stats")


def test_a_subscriber_is_not_idle(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "timeout", 1)
    listens, idle = cache.connect(), cache.connect()
    listens.send(b"SUBSCRIBE a\r\n")
    cache.clock.advance(10)
    assert (listens.closed, idle.closed) == (False, True)


def test_clients_are_killed_by_their_type(cache: MemoryCache) -> None:
    listens, other = cache.connect(), cache.connect()
    listens.send(b"SUBSCRIBE a\r\n")
    assert cache.call("CLIENT", "LIST", "TYPE", "pubsub").count(b"\n") == 1
    assert cache.call("CLIENT", "KILL", "TYPE", "pubsub") == 1
    assert (listens.closed, other.closed) == (True, False)
    assert cache.call("PUBLISH", "a", "x") == 0


def test_what_is_published_is_not_in_the_transaction_s_way(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"SUBSCRIBE a\r\n")
    cache.connect().send(b"MULTI\r\nPUBLISH a 1\r\nPUBLISH a 2\r\nDISCARD\r\n")
    assert client.transport.take() == b""


def test_no_replies_but_messages(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    assert (
        client.send(b"CLIENT REPLY OFF\r\nPING\r\nGET\r\nSUBSCRIBE a\r\n")
        == b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
    )
    told = message(b"message", b"a", b"x", mark=b">")
    assert client.send(b"PUBLISH a x\r\nUNSUBSCRIBE x\r\nCLIENT REPLY ON\r\nPING\r\n") == (
        told + b">3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:1\r\n+OK\r\n+PONG\r\n"
    )
    assert client.send(b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\n") == b"+PONG\r\n"
    assert client.send(b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\n") == b"+PONG\r\n"
    assert client.send(b"CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY ON\r\n") == b"+OK\r\n"
    assert client.send(b"CLIENT REPLY MAYBE\r\n") == b"-ERR syntax error\r\n"
    assert client.send(b"CLIENT REPLY OFF\r\n") == b""
    assert client.send(b"UNSUBSCRIBE\r\n") == b">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"
    assert (
        client.send(b"UNSUBSCRIBE\r\nRESET\r\n")
        == b">3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n".replace(b"$-1", b"_") + b"+RESET\r\n"
    )


def test_a_blocking_request_without_its_reply(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"CLIENT REPLY SKIP\r\nBLPOP l 0\r\nPING\r\n") == b""
    cache.call("RPUSH", "l", "x")
    assert client.transport.take() == b"+PONG\r\n"
    assert client.send(b"CLIENT REPLY OFF\r\nBLPOP l 0\r\nSET k v\r\n") == b""
    client.close()
    assert len(cache.service.dispatcher.blocking) == 0
    cache.call("RPUSH", "l", "x")
    assert cache.call("LLEN", "l") == 1


def test_an_invalidation_is_sent_without_the_reply_before_it(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.send(b"CLIENT TRACKING on\r\nGET k\r\nCLIENT REPLY OFF\r\n")
    assert client.send(b"SET k v\r\n") == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"


def test_wait_counts_no_replicas(cache: MemoryCache) -> None:
    client = cache.connect()
    assert client.send(b"WAIT 0 0\r\nWAIT -1 0\r\n") == b":0\r\n:0\r\n"
    assert client.send(b"WAIT 1 100\r\nPING\r\n") == b""
    cache.clock.advance(0.1)
    assert client.transport.take() == b":0\r\n+PONG\r\n"
    assert client.send(b"MULTI\r\nWAIT 1 0\r\nEXEC\r\n").endswith(b"*1\r\n:0\r\n")
    assert client.send(b"WAIT 1 -1\r\nWAIT x 0\r\nWAIT 1 x\r\n").count(b"-ERR") == 3
    assert client.send(b"WAIT 1 0\r\n") == b""
    assert cache.call("CLIENT", "UNBLOCK", client.protocol.connection._session.id) == 1  # type: ignore[union-attr]  # connected
    assert client.transport.take() == b":0\r\n"
    with pytest.raises(CommandError, match="would have to wait"):
        cache.call("WAIT", 1, 0)
    assert cache.call("WAIT", 0, 0) == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("maybe", "syntax error"),
        ("on NOPE", "syntax error"),
        ("on REDIRECT", "syntax error"),
        ("on REDIRECT x", "not an integer"),
        ("on REDIRECT 999", "does not exist"),
        ("on REDIRECT 1 REDIRECT 1", "can only redirect to a single other client"),
        ("on PREFIX k", "requires BCAST"),
        ("on BCAST OPTIN", "not compatible with BCAST"),
        ("on OPTIN OPTOUT", "both OPTIN mode and OPTOUT"),
        ("on BCAST PREFIX a PREFIX ab", "overlaps with another provided prefix 'ab'"),
        ("on BCAST PREFIX a PREFIX b PREFIX a", "overlaps with another provided prefix 'a'"),
    ],
)
def test_tracking_that_cannot_be(cache: MemoryCache, options: str, error: str) -> None:
    client = cache.connect()
    number = client.call("CLIENT", "ID")
    with pytest.raises(CommandError, match=error):
        client.call("CLIENT", "TRACKING", *options.replace("T 1", f"T {number}").split())
    assert client.call("CLIENT", "GETREDIR") == -1


def test_a_mode_of_tracking_is_not_switched(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("CLIENT", "TRACKING", "on", "OPTIN")
    for options in ("OPTOUT", "BCAST"):
        with pytest.raises(CommandError, match="before disabling tracking for this client"):
            client.call("CLIENT", "TRACKING", "on", options)
    client.call("CLIENT", "TRACKING", "off")
    client.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "a")
    with pytest.raises(CommandError, match="overlaps with an existing prefix 'a'"):
        client.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "ab")
    client.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "b")
    assert client.call("CLIENT", "TRACKINGINFO") == [
        b"flags", [b"on", b"bcast"], b"redirect", 0, b"prefixes", [b"a", b"b"]
    ]  # fmt: skip


def test_what_is_remembered_by_choice(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    with pytest.raises(CommandError, match="only when the client is in tracking mode"):
        client.call("CLIENT", "CACHING", "yes")
    client.call("CLIENT", "TRACKING", "on", "OPTIN")
    for word, error in (("no", "OPTOUT mode"), ("maybe", "syntax error")):
        with pytest.raises(CommandError, match=error):
            client.call("CLIENT", "CACHING", word)
    client.send(b"GET a\r\nCLIENT CACHING YES\r\nCLIENT GETNAME\r\nGET b\r\nGET c\r\n")
    client.send(b"CLIENT CACHING YES\r\nMULTI\r\nGET d\r\nGET e\r\nEXEC\r\nGET f\r\n")
    client.send(b"MULTI\r\nCLIENT CACHING YES\r\nGET g\r\nEXEC\r\nGET h\r\n")
    cache.call("MSET", *(word for key in "abcdefgh" for word in (key, 1)))
    assert re.findall(rb"\*1\r\n\$1\r\n(.)", client.transport.take()) == [b"b", b"d", b"e", b"g"]
    client.call("CLIENT", "TRACKING", "off")
    client.call("CLIENT", "TRACKING", "on", "OPTOUT")
    with pytest.raises(CommandError, match="OPTIN mode"):
        client.call("CLIENT", "CACHING", "yes")
    client.send(b"GET a\r\nCLIENT CACHING NO\r\n")
    assert client.call("CLIENT", "TRACKINGINFO")[b"flags"] == {b"on", b"optout", b"caching-no"}
    client.send(b"GET b\r\n")
    assert client.call("CLIENT", "TRACKINGINFO")[b"flags"] == {b"on", b"optout"}
    cache.call("MSET", "a", 2, "b", 2)
    assert client.transport.take().count(b"invalidate") == 1


def test_who_is_told_instead(cache: MemoryCache) -> None:
    reader, listener, deaf = cache.connect(), cache.connect(), cache.connect()
    listener.send(b"SUBSCRIBE __redis__:invalidate\r\n")
    reader.call("CLIENT", "TRACKING", "on", "REDIRECT", listener.protocol.connection._session.id)  # type: ignore[union-attr]
    reader.call("GET", "k")
    cache.call("SET", "k", 1)
    told = b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"
    assert listener.transport.take() == told + b"*1\r\n$1\r\nk\r\n"
    cache.call("FLUSHALL")
    assert listener.transport.take() == told + b"$-1\r\n"
    reader.call("CLIENT", "TRACKING", "on", "REDIRECT", deaf.protocol.connection._session.id)  # type: ignore[union-attr]
    reader.call("GET", "k")
    cache.call("SET", "k", 1)
    assert deaf.transport.take() == b""
    reader.call("HELLO", 3)
    reader.call("GET", "k")
    number = deaf.protocol.connection._session.id  # type: ignore[union-attr]
    deaf.close()
    cache.call("SET", "k", 1)
    assert reader.transport.take() == b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % number
    assert b"broken_redirect" in reader.call("CLIENT", "TRACKINGINFO")[b"flags"]


def test_a_shard_channel_is_no_key(cache: MemoryCache) -> None:
    with pytest.raises(CommandError, match="The command has no key arguments"):
        cache.call("COMMAND", "GETKEYS", "SPUBLISH", "c", "x")
    assert cache.call("COMMAND", "INFO", "publish")[0][2] == [b"pubsub", b"loading", b"stale", b"fast"]


def test_who_is_not_tracked_is_told_so(cache: MemoryCache) -> None:
    assert cache.call("CLIENT", "TRACKINGINFO") == {b"flags": [b"off"], b"redirect": -1, b"prefixes": []}


def test_a_wrong_word_for_no_evict(cache: MemoryCache) -> None:
    assert cache.connect().send(b"CLIENT NO-EVICT maybe\r\n") == b"-ERR syntax error\r\n"
    assert cache.connect().send(b"CLIENT PAUSE 1 ALL x\r\n").startswith(b"-ERR unknown subcommand or wrong number")


def test_a_message_to_very_many_leaves_the_reactor_its_turns(cache: MemoryCache) -> None:
    clients = [cache.connect() for _ in range(2500)]
    for client in clients:
        client.send(b"SUBSCRIBE a\r\n")
    assert cache.call("PUBLISH", "a", "1") == 2500
    reached = sum(bool(client.transport.value()) for client in clients)
    assert 1000 <= reached < 1100
    cache.call("PUBLISH", "a", "2")
    cache.clock.advance(0)
    both = message(b"message", b"a", b"1") + message(b"message", b"a", b"2")
    assert all(client.transport.take() == both for client in clients)


def test_a_message_in_a_transaction_without_replies_is_sent(cache: MemoryCache) -> None:
    client = cache.connect()
    client.call("HELLO", 3)
    client.send(b"SUBSCRIBE a\r\nCLIENT TRACKING on\r\nGET k\r\nCLIENT REPLY OFF\r\n")
    sent = client.send(b"MULTI\r\nPUBLISH a x\r\nSET k v\r\nEXEC\r\n")
    told = message(b"message", b"a", b"x", mark=b">")
    assert sent == told + b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"


def test_small_messages_count_too_where_one_request_sends_very_many(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    client = cache.connect()
    for number in range(100):
        client.send(b"PSUBSCRIBE a" + b"*" * (number + 1) + b"\r\n")
    request = b"PUBLISH a " + b"x" * 900 + b"\r\n"
    cache.connect().send(b"MULTI\r\n" + request * 100 + b"EXEC\r\n")
    assert client.closed
    assert b"client_output_buffer_limit_disconnections:1\r\n" in cache.call("INFO", "stats")


def test_a_client_that_a_callback_closes_is_asked_no_more(cache: MemoryCache) -> None:
    client = cache.connect()
    number = client.call("CLIENT", "ID")
    client.send(b"PING\r\n" * 1000)  # from now on, many requests are taken at once
    cache.call("RPUSH", "l", "a", "b", "c", "d")
    cache.service.on("lpop", "*", lambda event: cache.call("CLIENT", "KILL", "ID", number))
    asked = [
        encode_request(words) for words in ([b"LPOP", b"l"], [b"LPOP", b"l"], [b"SUBSCRIBE", b"c"], [b"LPOP", b"l"])
    ]
    client.send(b"".join(asked))
    assert client.closed
    assert cache.call("LRANGE", "l", 0, -1) == [b"b", b"c", b"d"]
    assert cache.call("PUBSUB", "CHANNELS") == []


def test_what_a_client_is_subscribed_to_counts_as_its_memory(cache: MemoryCache) -> None:
    client = cache.connect()
    client.send(b"SUBSCRIBE " + b" ".join(b"channel-%d" % number for number in range(1000)) + b"\r\n")
    size = int(cache.call("CLIENT", "LIST").partition(b" tot-mem=")[2].split()[0])
    assert size > 400_000
    client.send(b"UNSUBSCRIBE\r\n")
    assert int(cache.call("CLIENT", "LIST").partition(b" tot-mem=")[2].split()[0]) < 10_000


@pytest.mark.parametrize("words", ["SUBSCRIBE a b", "MONITOR", "CLIENT REPLY OFF"])
def test_the_kit_s_client_refuses_what_has_not_one_reply(cache: MemoryCache, words: str) -> None:
    client = cache.connect()
    with pytest.raises(ValueError, match="waits for one reply"):
        client.call(*words.split())
    assert client.call("PING") == b"PONG"
