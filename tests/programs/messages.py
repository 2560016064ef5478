"""Messages from one process to others."""

from __future__ import annotations

import asyncio
from typing import Any, List

from tests.programs.declaring import Programs, same, soon

program = Programs()


@program("redis", "publish and subscribe, in RESP2 and RESP3")
def redis_pubsub(port: int) -> None:
    import redis

    for protocol in (2, 3):
        client = redis.Redis(port=port, socket_timeout=3, protocol=protocol)
        subscriber = client.pubsub()
        subscriber.subscribe("c")
        subscriber.psubscribe("d*")
        client.publish("c", "m")
        client.publish("d1", "n")
        messages = [subscriber.get_message(timeout=1) for _ in range(4)]
        same([each["data"] for each in messages], [1, 2, b"m", b"n"])
        subscriber.unsubscribe()
        subscriber.ping()
        same([subscriber.get_message(timeout=1)["type"] for _ in range(2)], ["unsubscribe", "pong"])
        same(client.pubsub_numsub("c"), [(b"c", 0)])
        subscriber.close()


@program("redis", "asyncio: publish and subscribe")
def redis_pubsub_asyncio(port: int) -> None:
    import redis.asyncio as redis

    async def run() -> None:
        client = redis.Redis(port=port, decode_responses=True)
        async with client.pubsub() as subscriber:
            await subscriber.subscribe("c")
            await client.publish("c", "m")
            got = []
            async for message in subscriber.listen():
                got.append(message["data"])
                if len(got) == 2:
                    break
            same(got, [1, "m"])
        await client.aclose()

    asyncio.run(run())


@program("channels_redis", "its layer that publishes and subscribes")
def channels_redis_pubsub(port: int) -> None:
    from channels_redis.pubsub import RedisPubSubChannelLayer

    async def run() -> None:
        layer = RedisPubSubChannelLayer(hosts=[("127.0.0.1", port)])
        first, second = await layer.new_channel(), await layer.new_channel()
        for channel in (first, second):
            await layer.group_add("group", channel)
        await layer.group_send("group", {"type": "hello"})
        same([await asyncio.wait_for(layer.receive(each), 3) for each in (first, second)], [{"type": "hello"}] * 2)
        await layer.send(first, {"type": "alone"})
        same(await asyncio.wait_for(layer.receive(first), 3), {"type": "alone"})
        await layer.flush()

    asyncio.run(run())


@program("channels_redis", "a channel layer: messages, groups, capacity, expiry, a consumer that is cancelled, flush")
def channels_redis(port: int) -> None:
    from asgiref.sync import async_to_sync
    from channels.exceptions import ChannelFull
    from channels_redis.core import RedisChannelLayer

    hosts = [("127.0.0.1", port)]

    async def channels() -> None:
        layer = RedisChannelLayer(hosts=hosts, capacity=3, channel_capacity={"small*": 1})
        await layer.send("channel", {"type": "hello"})
        same(await soon(layer.receive("channel")), {"type": "hello"})
        for number in range(3):
            await layer.send("channel", {"number": number})
        for full, message in (("channel", {"number": 3}), ("small", {"number": 1})):
            try:
                await layer.send(full, message)
                await layer.send(full, message)
            except ChannelFull:
                continue
            raise AssertionError(f"{full} is not full")
        same([(await soon(layer.receive("channel")))["number"] for _ in range(3)], [0, 1, 2])
        waiting = asyncio.create_task(layer.receive("channel"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await layer.send("channel", {"type": "after"})
        same(await soon(layer.receive("channel")), {"type": "after"})
        await layer.flush()

    async def groups() -> None:
        layers = [RedisChannelLayer(hosts=hosts, capacity=2, symmetric_encryption_keys=["secret"]) for _ in range(2)]
        names = [await layer.new_channel() for layer in layers for _ in range(2)]
        owners = [layer for layer in layers for _ in range(2)]
        for name, owner in zip(names, owners):
            await owner.group_add("group", name)
        await layers[0].group_send("group", {"type": "hello"})
        same([await soon(owner.receive(name)) for name, owner in zip(names, owners)], [{"type": "hello"}] * 4)
        await layers[0].group_discard("group", names[0])
        for number in range(3):  # the third is over the capacity, and is dropped
            await layers[1].group_send("group", {"number": number})
        got = [(await soon(layers[0].receive(names[1])))["number"] for _ in range(2)]
        same(got, [0, 1])
        await layers[0].flush()
        for layer in layers:
            await layer.close_pools()

    async def expiry() -> None:
        layer = RedisChannelLayer(hosts=hosts, expiry=1)
        await layer.send("channel", {"type": "late"})
        await asyncio.sleep(1.2)
        await layer.send("channel", {"type": "on time"})
        same(await soon(layer.receive("channel")), {"type": "on time"})
        await layer.flush()

    for each in (channels, groups, expiry):
        async_to_sync(each)()


@program("python-socketio", "messages to the rooms of other processes")
def python_socketio(port: int) -> None:
    import socketio

    url = f"redis://127.0.0.1:{port}/0"
    got: List[Any] = []

    async def run() -> None:
        server = socketio.AsyncServer(client_manager=socketio.AsyncRedisManager(url, channel="c"))
        server.manager.initialize()
        emitted = asyncio.Event()

        async def emit(event: str, data: Any, *_: Any, **how: Any) -> None:
            got.append((event, data, how["room"]))
            emitted.set()

        server.manager._handle_emit = lambda message: emit(message["event"], message["data"], room=message["room"])
        await asyncio.sleep(0.3)  # until it has subscribed
        socketio.RedisManager(url, channel="c", write_only=True).emit("event", {"a": 1}, room="r")
        await asyncio.wait_for(emitted.wait(), 5)

    asyncio.run(run())
    same(got, [("event", [{"a": 1}], "r")])
