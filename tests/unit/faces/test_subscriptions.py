"""Messages within the process: after the request that has caused them, in order, and never lost without a word."""

from __future__ import annotations

import asyncio
from typing import Any, List

import pytest
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.logger import capturedLogs

from tests.unit.faces.test_calls_and_requests import in_a_thread
from twisted_kv import CacheService, KeyEvent, Message, MessagesLost, Subscription
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.subscriptions import MOST_UNREAD

pytestmark = pytest.mark.usefixtures("cache")


def test_a_callback_gets_the_messages_of_its_channels_and_patterns(cache: MemoryCache) -> None:
    got: List[Message] = []
    subscription = cache.service.subscribe("news", patterns=["n*", b"x*"], callback=got.append)
    assert cache.service.publish("news", b"hello") == 2
    assert cache.service.publish("other", b"hello") == 0
    assert cache.connect().call("PUBLISH", "xy", "z") == 1
    assert got == [
        Message(b"news", b"hello"),
        Message(b"news", b"hello", b"n*"),
        Message(b"xy", b"z", b"x*"),
    ]
    assert cache.call("PUBSUB", "NUMSUB", "news") == [b"news", 1]
    subscription.stop()
    subscription.stop()
    assert cache.service.publish("news", "again") == 0
    assert len(got) == 3
    assert cache.call("PUBSUB", "NUMPAT") == 0


def test_a_callback_is_called_after_the_unit_and_sees_all_of_it(cache: MemoryCache) -> None:
    seen: List[Any] = []
    cache.service.subscribe("c", callback=lambda message: seen.append(cache.call("GET", "k")))
    client = cache.connect()
    client.send(b"MULTI\r\nPUBLISH c x\r\nSET k 1\r\nPUBLISH c y\r\nSET k 2\r\nEXEC\r\n")
    assert seen == [b"2", b"2"]


def test_what_a_callback_publishes_comes_behind_what_was_published_before(cache: MemoryCache) -> None:
    got: List[bytes] = []

    def again(message: Message) -> None:
        got.append(message.payload)
        if len(message.payload) < 3:
            cache.service.publish("c", message.payload + b"!")

    cache.service.subscribe("c", callback=again)
    cache.connect().send(b"MULTI\r\nPUBLISH c a\r\nPUBLISH c b\r\nEXEC\r\n")
    assert got == [b"a", b"b", b"a!", b"b!", b"a!!", b"b!!"]


def test_a_callback_that_goes_on_publishing_leaves_the_reactor_its_turns(cache: MemoryCache) -> None:
    got: List[bytes] = []

    def again(message: Message) -> None:
        got.append(message.payload)
        if len(got) < 1500:
            cache.service.publish("c", b"x")

    cache.service.subscribe("c", callback=again)
    cache.service.publish("c", b"x")
    assert len(got) == 1000
    cache.clock.advance(0)
    assert len(got) == 1500


def test_a_cache_that_is_started_again_delivers(cache: MemoryCache) -> None:
    got: List[bytes] = []

    def again(message: Message) -> None:
        got.append(message.payload)
        cache.service.publish("c", b"x")

    subscription = cache.service.subscribe("c", callback=again)
    cache.service.publish("c", b"x")
    cache.service.stopService()
    subscription.stop()
    cache.service.startService()
    later: List[bytes] = []
    cache.service.subscribe("d", callback=lambda message: later.append(message.payload))
    cache.service.publish("d", "y")
    assert later == [b"y"]


def test_a_reader_that_ends_another_when_all_end(cache: MemoryCache) -> None:
    subscription = cache.service.subscribe("c")
    first, second, third = (ensureDeferred(subscription.__anext__()) for _ in range(3))
    ended: List[Any] = []
    first.addErrback(lambda _: second.cancel())
    for each in (second, third):
        each.addErrback(lambda failure: ended.append(failure.type))
    subscription.stop()
    assert ended == [CancelledError, StopAsyncIteration]


def test_a_reset_cache_has_no_subscriptions(cache: MemoryCache) -> None:
    got: List[Any] = []
    for _ in range(40):
        cache.service.subscribe("c", callback=got.append).stop()
    kept = cache.service.subscribe("c", callback=got.append)
    cache.service.on("*", "*", got.append)
    cache.reset()
    cache.service.publish("c", "x")
    cache.call("SET", "k", "v")
    assert got == []
    assert kept.is_stopped


def test_without_turns_all_is_delivered_at_once() -> None:
    service = CacheService(port=None)  # not started: its timers do not run
    got: List[bytes] = []

    def again(message: Message) -> None:
        got.append(message.payload)
        if len(got) < 1500:
            service.publish("c", b"x")

    service.subscribe("c", callback=again)
    service.publish("c", b"x")
    assert len(got) == 1500


def test_a_callback_that_raises_is_logged_and_the_next_one_is_called(cache: MemoryCache) -> None:
    got: List[bytes] = []

    def fail(message: Message) -> None:
        raise ValueError("no")

    cache.service.subscribe("c", callback=fail)
    cache.service.subscribe("c", callback=lambda message: got.append(message.payload))
    with capturedLogs() as logs:
        assert cache.service.publish("c", "x") == 2
    assert got == [b"x"]
    assert [each["log_format"] for each in logs] == ["the callback of a subscription has failed"]


def test_a_callback_in_the_middle_of_a_request_does_not_wait(cache: MemoryCache) -> None:
    errors: List[str] = []

    def wait(message: Message) -> None:
        with pytest.raises(CommandError) as caught:
            cache.call("BLPOP", "k", 0)
        errors.append(str(caught.value))

    cache.service.subscribe("c", callback=wait)
    cache.request("PUBLISH", "c", "x")
    assert errors == ["WOULDWAIT BLPOP would have to wait here: use request(), which returns a Deferred"]


def test_messages_are_read_in_a_coroutine(cache: MemoryCache) -> None:
    got: List[bytes] = []
    subscription = cache.service.subscribe("c")

    async def read() -> str:
        async for message in subscription:
            got.append(message.payload)
        return "ended"

    cache.service.publish("c", "before")
    done: List[Any] = []
    ensureDeferred(read()).addCallback(done.append)
    assert got == [b"before"]
    cache.service.publish("c", "x")
    cache.service.publish("c", "y")
    assert got == [b"before", b"x", b"y"]
    subscription.stop()
    assert done == ["ended"]


def test_an_unread_message_is_dropped_when_it_stops(cache: MemoryCache) -> None:
    with cache.service.subscribe("c") as subscription:
        cache.service.publish("c", "x")
    ended: List[Any] = []
    ensureDeferred(subscription.__anext__()).addErrback(lambda failure: ended.append(failure.type))
    assert ended == [StopAsyncIteration]


def test_too_many_unread_messages_are_lost_and_counted_where_they_are_missing(cache: MemoryCache) -> None:
    subscription = cache.service.subscribe("c")
    for number in range(MOST_UNREAD + 3):
        cache.service.publish("c", number)
    got: List[Any] = []

    async def read() -> None:
        while True:
            try:
                got.append(int((await subscription.__anext__()).payload))
            except MessagesLost as lost:
                got.append(lost)

    ensureDeferred(read())
    cache.service.publish("c", -1)
    assert got[:MOST_UNREAD] == list(range(MOST_UNREAD))
    assert (got[MOST_UNREAD].count, str(got[MOST_UNREAD])) == (3, "3 messages were lost: 10000 were unread")
    assert got[MOST_UNREAD + 1 :] == [-1]


def test_a_reader_that_is_cancelled_leaves_the_next_message_to_others(cache: MemoryCache) -> None:
    subscription = cache.service.subscribe("c")
    first: Deferred[Any] = ensureDeferred(subscription.__anext__())
    first.addErrback(lambda failure: None)
    first.cancel()
    got: List[Any] = []
    ensureDeferred(subscription.__anext__()).addCallback(got.append)
    cache.service.publish("c", "x")
    assert got == [Message(b"c", b"x")]


def test_messages_are_read_in_a_task_of_asyncio(cache: MemoryCache) -> None:
    got: List[bytes] = []

    async def main() -> None:
        subscription = cache.service.subscribe("c")

        async def read() -> None:
            async for message in subscription:
                got.append(message.payload)

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        for payload in ("x", "y"):
            cache.service.publish("c", payload)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        subscription.stop()
        await task

    asyncio.run(main())
    assert got == [b"x", b"y"]


def test_who_has_a_callback_is_not_read(cache: MemoryCache) -> None:
    with pytest.raises(TypeError, match="go to its callback"):
        cache.service.subscribe("c", callback=print).__aiter__()


def test_what_cannot_be_subscribed_to_is_an_error(cache: MemoryCache) -> None:
    with pytest.raises(ValueError, match="at least one channel"):
        cache.service.subscribe()
    with pytest.raises(TypeError, match="a sequence of patterns"):
        cache.service.subscribe(patterns="a*")
    with pytest.raises(TypeError):
        cache.service.subscribe(None)  # type: ignore[arg-type]  # that is what is tried
    assert isinstance(in_a_thread(lambda: cache.service.subscribe("c")), RuntimeError)
    assert cache.call("PUBSUB", "CHANNELS") == []


@pytest.mark.parametrize("words", ["SUBSCRIBE c", "PSUBSCRIBE c", "SSUBSCRIBE c", "UNSUBSCRIBE"])
def test_a_call_in_process_cannot_subscribe_and_is_told_what_can(cache: MemoryCache, words: str) -> None:
    with cache.session() as session:
        for caller in (cache, session):
            with pytest.raises(CommandError, match="needs a connection; in process, messages come by `subscribe`"):
                caller.call(*words.split())


@pytest.mark.parametrize("dialect", ["command", "resp"])
def test_a_datagram_publishes_and_cannot_subscribe(cache: MemoryCache, dialect: str) -> None:
    got: List[Message] = []
    subscription: Subscription = cache.service.subscribe("c", callback=got.append)
    face = cache.datagrams(dialect)
    end = b"\r\n" if dialect == "resp" else b"\n"
    if dialect == "resp":
        published = face.send(b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1\r\nx\r\n")
        refused = face.send(b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n")
    else:
        published, refused = face.send(b"PUBLISH c x"), face.send(b"SUBSCRIBE c")
    assert published in (b":1\r\n", b"(integer) 1\n")
    assert refused is not None
    assert refused.endswith(b"ERR SUBSCRIBE needs a connection" + end)
    assert got == [Message(b"c", b"x")]
    subscription.stop()


def test_what_is_due_is_delivered_when_the_cache_stops() -> None:
    cache = MemoryCache()
    got: List[bytes] = []

    def again(message: Message) -> None:
        got.append(message.payload)
        cache.service.publish("c", b"x")

    cache.service.subscribe("c", callback=again)
    cache.service.publish("c", b"x")
    cache.stop()
    assert len(got) == 1001
    assert cache.clock.getDelayedCalls() == []


def test_a_callback_that_ends_the_process_does_not_keep_the_others_from_theirs(cache: MemoryCache) -> None:
    got: List[bytes] = []

    def leave(message: Message) -> None:
        raise SystemExit

    cache.service.subscribe("c", callback=leave)
    cache.service.subscribe("c", callback=lambda message: got.append(message.payload))
    with capturedLogs() as logs:
        cache.service.publish("c", "x")
    assert got == [b"x"]
    assert [each["log_format"] for each in logs] == ["a callback has failed"]


def test_a_subscription_that_stops_before_its_message_is_delivered_gets_none(cache: MemoryCache) -> None:
    got: List[bytes] = []
    first = cache.service.subscribe("c", callback=lambda message: second.stop())
    second = cache.service.subscribe("c", callback=lambda message: got.append(message.payload))
    cache.service.publish("c", "x")
    first.stop()
    assert got == []


def test_a_callback_is_a_plain_function(cache: MemoryCache) -> None:
    async def wait(message: Message) -> None:
        pass

    bad: Any = 5
    for callback in (wait, bad):
        with pytest.raises(TypeError, match="a callback is a plain function"):
            cache.subscribe("c", callback=callback)
        with pytest.raises(TypeError):
            cache.on("set", "*", callback)
    with pytest.raises(TypeError, match="a plain function"):
        cache.on("set", "*", None)  # type: ignore[arg-type]  # that is what is tried
    assert cache.call("PUBSUB", "CHANNELS") == []
    assert cache.service.dispatcher.server.databases[0].report is None


def test_the_kit_has_the_methods_of_the_service(cache: MemoryCache) -> None:
    got: List[Any] = []
    cache.subscribe("c", patterns=["d*"], callback=got.append)
    cache.on("set", "*", got.append)
    assert cache.publish("c", "x") == 1
    cache.call("SET", "k", "v")
    assert got == [Message(b"c", b"x"), KeyEvent("set", b"k", 0)]
