"""What a client is owed: in its order, after what it tells of is committed, and never more than its limit."""

from __future__ import annotations

import pytest

from tests.own_commands import cache_with_own, promises
from tests.servers.capture import listening
from tests.storage.failing_disk import DATA, MemoryDisk, turns
from twisted_kv.sessions.outbox import CHUNK, MOST_SLOTS, SMALL, Batch, Outbox
from twisted_kv.settings.kinds import BufferLimit
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.replies import Push
from twisted_kv.vocabulary.waiting import Promise

MESSAGE = b"*2\r\n$7\r\nmessage\r\n$1\r\nm\r\n"


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(lambda: BufferLimit(1 << 30, 64 << 20, 60))


def sent(outbox: Outbox) -> bytes:
    """All that may be sent now."""
    return b"".join(iter(outbox.next_chunk, b""))


def passed(outbox: Outbox) -> bytes:
    """End a turn that is committed at once, and give what may be sent."""
    outbox.release(outbox.take())
    return sent(outbox)


def assert_nothing_owed(outbox: Outbox) -> None:
    assert (outbox.parts, outbox.size, list(outbox.released), outbox.slots) == ([], 0, [], {})


# By itself


def test_small_replies_leave_as_one(outbox: Outbox) -> None:
    outbox.add(1, 2)
    outbox.add(b"v" * SMALL, 2)
    outbox.add(Push([b"x"]), 3)
    batch = outbox.take()
    assert b"".join(batch[:-1]) == b"".join(batch)
    outbox.release(batch)
    assert sent(outbox) == b":1\r\n$1024\r\n" + b"v" * SMALL + b"\r\n>1\r\n$1\r\nx\r\n"
    outbox.add(1, 2)
    outbox.add(None, 3)
    assert outbox.take() == [b":1\r\n_\r\n"]


def test_nothing_is_sent_before_it_is_released(outbox: Outbox) -> None:
    outbox.add(1, 2)
    batch = outbox.take()
    assert sent(outbox) == b""
    assert outbox.held_bytes == outbox.size == 4
    outbox.release(batch)
    assert (outbox.held_bytes, outbox.waiting_bytes) == (0, 4)
    assert sent(outbox) == b":1\r\n"
    assert_nothing_owed(outbox)


def test_chunks_are_no_longer_than_what_is_handed_over_at_a_time(outbox: Outbox) -> None:
    outbox.add(b"v" * (2 * CHUNK), 2)
    outbox.add(b"w", 2)
    outbox.release(outbox.take())
    chunks = list(iter(outbox.next_chunk, b""))
    assert list(map(len, chunks)) == [CHUNK, CHUNK, 18]
    assert b"".join(chunks) == b"$131072\r\n" + b"v" * (2 * CHUNK) + b"\r\n$1\r\nw\r\n"
    assert_nothing_owed(outbox)


def test_slots_keep_the_order_whatever_order_they_are_filled_in(outbox: Outbox) -> None:
    slots = [outbox.promise(Promise(holds=False), 2) for _ in range(3)]
    outbox.add(0, 2)
    assert passed(outbox) == b""
    outbox.fill(slots[1], 2)
    assert passed(outbox) == b""
    outbox.fill(slots[0], 1)
    assert passed(outbox) == b":1\r\n:2\r\n"
    outbox.fill(slots[2], 3)
    assert passed(outbox) == b":3\r\n:0\r\n"
    assert_nothing_owed(outbox)


def test_a_slot_is_written_in_the_protocol_of_its_request(outbox: Outbox) -> None:
    slot = outbox.promise(Promise(holds=False), 3)
    outbox.add(None, 2)
    outbox.fill(slot, None)
    assert passed(outbox) == b"_\r\n$-1\r\n"


def test_a_slot_is_filled_in_vain_before_that_is_committed(outbox: Outbox) -> None:
    slot = outbox.promise(Promise(holds=False), 2)
    first = outbox.take()
    outbox.fill(slot, 1)
    second = outbox.take()
    outbox.release(first)
    assert sent(outbox) == b""
    outbox.release(second)
    assert sent(outbox) == b":1\r\n"


def test_what_waits_behind_a_slot_is_counted(outbox: Outbox) -> None:
    outbox.promise(Promise(holds=False), 2)
    outbox.add(b"v" * 2000, 2)
    assert outbox.size == 2000
    assert passed(outbox) == b""
    assert outbox.size == outbox.waiting_bytes == 2009


@pytest.mark.parametrize("where", ["gathered", "held", "waiting"])
def test_the_limit_counts_all_that_is_owed(where: str) -> None:
    outbox = Outbox(lambda: BufferLimit(200_000, 0, 0))
    batches: list[Batch] = []
    assert outbox.add(b"v" * 150_000, 2)
    if where != "gathered":
        batches.append(outbox.take())
    if where == "waiting":
        outbox.release(batches.pop())
    assert outbox.is_within_limit
    assert outbox.add(b"v" * 10_000, 2)
    assert not outbox.add([b"v" * 50_000], 2)
    assert not outbox.add(b"v" * 50_000, 2)


def test_a_slot_may_be_filled_with_too_much() -> None:
    outbox = Outbox(lambda: BufferLimit(200_000, 0, 0))
    slot = outbox.promise(Promise(holds=False), 2)
    assert not outbox.fill(slot, b"v" * 200_000)


def test_whoever_is_owed_nothing_any_more_waits_for_nothing(outbox: Outbox) -> None:
    abandoned: list[int] = []
    for number in range(2):
        promise = Promise(holds=False)
        promise.abandon = lambda number=number: abandoned.append(number)  # type: ignore[misc]
        outbox.promise(promise, 2)
    outbox.add(b"v" * 5000, 2)
    held = outbox.take()
    outbox.add(1, 2)
    outbox.clear()
    assert abandoned == [0, 1]
    assert_nothing_owed(outbox)
    assert held


# Pushes to a client


def test_a_push_stands_behind_the_replies_to_earlier_requests_of_the_pipeline(own: MemoryCache) -> None:
    client = own.connect()
    assert client.send(b"SET a 1\r\nPUSH m\r\nGET a\r\n") == b"+OK\r\n" + MESSAGE + b"+OK\r\n$1\r\n1\r\n"


def test_a_push_by_another_client_is_sent_with_the_wake_up(own: MemoryCache) -> None:
    client, other = own.connect(), own.connect()
    client.send(b"HELLO 3\r\n")
    assert other.send(b"PUSH m\r\nPUSH m\r\n") == 2 * (MESSAGE + b"+OK\r\n")
    assert client.transport.take() == 2 * MESSAGE.replace(b"*", b">")


def test_who_only_listens_is_written_to_once_in_a_wake_up(own: MemoryCache) -> None:
    wakeup = own.service.dispatcher.wakeup
    listener, *others = [own.connect() for _ in range(4)]
    writes: list[bytes] = []
    listener.transport.wrote = lambda: writes.append(listener.transport.take())
    wakeup.open()
    for client in others:
        client.protocol.dataReceived(b"PUSH m\r\nPING\r\n")
    wakeup.close()
    assert writes == [3 * MESSAGE]


def test_a_push_from_a_call_in_process_is_sent_when_the_call_is_done(own: MemoryCache) -> None:
    client = own.connect()
    seen: list[bytes] = []
    client.transport.wrote = lambda: seen.append(own.call("GET", "k"))
    own.call("SETPUSH", "k", "v")
    assert seen == [b"v"]
    assert client.transport.take() == MESSAGE.replace(b"m\r\n", b"v\r\n")


def test_a_push_inside_exec_stands_before_the_reply_of_its_element(own: MemoryCache) -> None:
    client, other = own.connect(), own.connect()
    assert client.send(b"MULTI\r\nSET a 1\r\nPUSH m\r\nPING\r\nEXEC\r\nPING\r\n") == (
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n" + MESSAGE + b"+OK\r\n+PONG\r\n+PONG\r\n"
    )
    assert other.transport.take() == MESSAGE
    assert client.send(b"PUSH m\r\n") == MESSAGE + b"+OK\r\n"


def test_a_push_inside_exec_is_in_the_protocol_of_that_moment(own: MemoryCache) -> None:
    client = own.connect()
    replies = client.send(b"MULTI\r\nPUSH m\r\nHELLO 3\r\nPUSH m\r\nEXEC\r\n")
    assert replies.count(MESSAGE + b"+OK\r\n") == replies.count(MESSAGE.replace(b"*", b">") + b"+OK\r\n") == 1


def test_others_hear_of_an_exec_in_process_when_it_is_done(own: MemoryCache) -> None:
    client = own.connect()
    seen: list[bytes] = []
    client.transport.wrote = lambda: seen.append(own.call("GET", "b"))
    with own.session() as session:
        for words in (["MULTI"], ["SETPUSH", "a", "v"], ["SET", "b", "w"], ["EXEC"]):
            session.call(*words)
    assert seen == [b"w"]


def test_a_push_after_quit_is_not_sent(own: MemoryCache) -> None:
    client = own.connect()
    assert client.send(b"QUIT\r\n") == b"+OK\r\n"
    own.call("PUSH", "m")
    assert client.closed


@pytest.mark.parametrize("exec_", [False, True])
def test_nobody_hears_of_a_write_before_it_is_safe(exec_: bool) -> None:
    disk = MemoryDisk()
    cache = cache_with_own({"dir": DATA, "save": "", "appendonly": "yes", "appendfsync": "always"}, disk=disk)
    turns(cache)
    writer, other = cache.connect(), cache.connect()
    disk.hold()
    request = b"MULTI\r\nSETPUSH k v\r\nEXEC\r\n" if exec_ else b"SETPUSH k v\r\n"
    assert writer.send(request) == other.transport.take() == b""
    disk.release()
    turns(cache)
    message = MESSAGE.replace(b"m\r\n", b"v\r\n")
    assert other.transport.take() == message
    assert message in writer.transport.take()
    cache.stop()


def test_a_push_by_a_call_in_process_waits_for_the_disk_too() -> None:
    disk = MemoryDisk()
    cache = cache_with_own({"dir": DATA, "save": "", "appendonly": "yes", "appendfsync": "always"}, disk=disk)
    turns(cache)
    client = cache.connect()
    disk.hold()
    cache.call("SETPUSH", "k", "m")
    assert client.transport.take() == b""
    disk.release()
    turns(cache)
    assert client.transport.take() == MESSAGE
    cache.stop()


# Replies that come later


def test_three_late_replies_of_one_pipeline_are_under_way_at_once(own: MemoryCache) -> None:
    client = own.connect()
    assert client.send(b"PING\r\nLATER a\r\nLATER b\r\nPING\r\nLATER c\r\nPING\r\n") == b"+PONG\r\n"
    assert sorted(promises) == [b"a", b"b", b"c"]
    promises[b"c"].resolve(3)
    promises[b"b"].resolve(2)
    assert client.transport.take() == b""
    promises[b"a"].resolve(1)
    assert client.transport.take() == b":1\r\n:2\r\n+PONG\r\n:3\r\n+PONG\r\n"


def test_what_is_asked_after_late_replies_is_run_and_answered_behind_them(own: MemoryCache) -> None:
    client = own.connect()
    client.send(b"LATER a\r\n")
    assert client.send(b"SET k v\r\n") == b""
    assert own.call("GET", "k") == b"v"
    promises[b"a"].resolve(b"late")
    assert client.transport.take() == b"$4\r\nlate\r\n+OK\r\n"


def test_a_late_reply_that_holds_keeps_later_requests_from_running(own: MemoryCache) -> None:
    client = own.connect()
    assert client.send(b"LATER a\r\nHELD b\r\nSET k v\r\n") == b""
    assert own.call("EXISTS", "k") == 0
    promises[b"b"].resolve(2)
    assert own.call("EXISTS", "k") == 1
    assert client.transport.take() == b""
    promises[b"a"].resolve(1)
    assert client.transport.take() == b":1\r\n:2\r\n+OK\r\n"


def test_a_reply_that_is_known_at_once_is_no_late_one(own: MemoryCache) -> None:
    assert own.connect().send(b"AGREED 1\r\nAGREED 2\r\nPING\r\n") == b":1\r\n:2\r\n+PONG\r\n"


def test_a_push_does_not_overtake_a_late_reply(own: MemoryCache) -> None:
    client = own.connect()
    client.send(b"LATER a\r\n")
    own.call("PUSH", "m")
    assert client.transport.take() == b""
    promises[b"a"].resolve(1)
    assert client.transport.take() == b":1\r\n" + MESSAGE


def test_a_push_overtakes_no_reply_but_comes_to_who_waits_for_a_key(own: MemoryCache) -> None:
    client = own.connect()
    client.send(b"BLPOP k 0\r\n")
    own.call("PUSH", "m")
    assert client.transport.take() == MESSAGE
    own.call("RPUSH", "k", "v")
    assert client.transport.take() == b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n"


def test_so_many_late_replies_may_be_under_way_and_the_next_request_waits(own: MemoryCache) -> None:
    client = own.connect()
    for number in range(MOST_SLOTS + 2):
        client.send(b"LATER %d\r\n" % number)
    assert len(promises) == MOST_SLOTS + 1
    for number in range(MOST_SLOTS + 2):
        promises[b"%d" % number].resolve(number)
    assert client.transport.take() == b"".join(b":%d\r\n" % number for number in range(MOST_SLOTS + 2))


@pytest.mark.parametrize("command", ["LATER", "HELD"])
def test_a_client_that_quits_or_sends_no_more_still_gets_its_late_replies(own: MemoryCache, command: str) -> None:
    quitting, ended = own.connect(), own.connect()
    quitting.send(b"LATER quitting\r\nQUIT\r\n")
    ended.send(f"{command} ended\r\n".encode())
    ended.half_close()
    assert not quitting.closed
    assert not ended.closed
    promises[b"quitting"].resolve(1)
    promises[b"ended"].resolve(2)
    assert quitting.closed
    assert ended.closed
    assert quitting.transport.value() == b":1\r\n+OK\r\n"
    assert ended.transport.value() == b":2\r\n"


@pytest.mark.parametrize("command", ["LATER", "HELD"])
def test_a_client_that_has_gone_waits_for_no_reply(own: MemoryCache, command: str) -> None:
    client = own.connect()
    client.send(f"{command} a\r\n".encode())
    promise = promises[b"a"]
    client.close()
    assert promises == {}
    promise.resolve(1)
    assert own.factory.connections == set()


@pytest.mark.parametrize("command", ["LATER", "HELD"])
def test_a_late_reply_that_is_none_is_an_internal_error(own: MemoryCache, command: str) -> None:
    client = own.connect()
    client.send(f"{command} a\r\nPING\r\n".encode())
    with listening() as said:
        promises[b"a"].resolve(object())
    assert len(said.tracebacks) == 1
    assert client.transport.take() == INTERNAL + b"+PONG\r\n"


@pytest.mark.parametrize("command", ["LATER", "HELD"])
def test_a_late_reply_that_is_too_long_ends_the_connection(command: str) -> None:
    with cache_with_own({"client-output-buffer-limit": "normal 200000 0 0"}) as cache:
        client = cache.connect()
        client.send(f"{command} a\r\n".encode())
        promises[b"a"].resolve(b"v" * 300_000)
        assert client.closed
        assert client.transport.value() == b""


def test_what_is_held_behind_a_late_reply_is_limited() -> None:
    with cache_with_own({"client-output-buffer-limit": "normal 200000 0 0"}) as cache:
        client = cache.connect()
        cache.call("SET", "k", "v" * 90_000)
        client.send(b"LATER a\r\nGET k\r\nGET k\r\n")
        assert not client.closed
        client.send(b"GET k\r\n")
        assert client.closed


def test_what_is_held_by_a_slow_disk_is_limited() -> None:
    disk = MemoryDisk()
    config = {"dir": DATA, "save": "", "appendonly": "yes", "appendfsync": "always"}
    cache = cache_with_own({**config, "client-output-buffer-limit": "normal 200000 0 0"}, disk=disk)
    turns(cache)
    client = cache.connect()
    cache.call("SET", "k", "v" * 1000)
    disk.hold()
    for _ in range(180):
        client.send(b"INCR n\r\nGET k\r\n")
    cache.clock.advance(1)
    assert not client.closed
    for _ in range(20):
        client.send(b"GET k\r\n")
    cache.clock.advance(1)
    assert client.closed
    disk.release()
    turns(cache)
    cache.stop()


def test_an_error_class_defined_later_is_an_error(own: MemoryCache) -> None:
    client = own.connect()
    assert client.send(b"REFUSE\r\nMULTI\r\nREFUSE\r\nEXEC\r\n") == (
        b"-QUOTA too much\r\n+OK\r\n+QUEUED\r\n*1\r\n-QUOTA too much\r\n"
    )


INTERNAL = b"-ERR internal error, see the log of the server\r\n"


def test_a_value_that_is_no_reply_is_an_internal_error_and_earlier_replies_are_kept(own: MemoryCache) -> None:
    client = own.connect()
    with listening() as said:
        assert client.send(b"SET k v\r\nNONSENSE\r\nPING\r\n") == b"+OK\r\n" + INTERNAL + b"+PONG\r\n"
        assert client.send(b"MULTI\r\nSET k w\r\nNONSENSE\r\nEXEC\r\nPING\r\n") == (
            b"+OK\r\n+QUEUED\r\n+QUEUED\r\n" + INTERNAL + b"+PONG\r\n"
        )
    assert len(said.tracebacks) == 2
