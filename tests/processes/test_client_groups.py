"""What redis-py and txredisapi send for each type of data, against the program in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any, Iterator

import pytest
import redis

from tests.processes.test_clients import PATIENCE, start, stop

pytestmark = [pytest.mark.processes, pytest.mark.peer]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    process, port = start(tmp_path_factory.mktemp("owncache"))
    yield port
    stop(process)


@pytest.fixture(params=[2, 3])
def client(port: int, request: pytest.FixtureRequest) -> Iterator[Any]:
    """redis-py in both versions of the protocol, on an empty cache."""
    with redis.Redis(port=port, protocol=request.param, socket_timeout=PATIENCE, decode_responses=True) as client:
        client.flushall()
        yield client


def test_lists(client: Any) -> None:
    assert client.rpush("l", "a", "b", "c") == 3
    assert client.lrange("l", 0, -1) == ["a", "b", "c"]
    assert client.lpos("l", "b") == 1
    assert client.linsert("l", "BEFORE", "b", "x") == 4
    assert client.lmove("l", "m", "LEFT", "RIGHT") == "a"
    assert client.lmpop(2, "nope", "l", direction="LEFT", count=2) == ["l", ["x", "b"]]
    assert client.ltrim("l", 0, 0)
    assert client.lpop("l", 5) == ["c"]


def test_sets(client: Any) -> None:
    assert client.sadd("s", 1, 2, 3) == 3
    client.sadd("t", 3, 4)
    assert client.smembers("s") == {"1", "2", "3"}
    assert client.sinter("s", "t") == {"3"}
    assert client.sintercard(2, ["s", "t"]) == 1
    assert client.sunionstore("u", "s", "t") == 4
    assert client.smismember("s", ["1", "9"]) == [1, 0]
    assert sorted(client.sscan_iter("u")) == ["1", "2", "3", "4"]
    assert client.spop("t") in ("3", "4")


def test_sorted_sets(client: Any) -> None:
    assert client.zadd("z", {"a": 1, "b": 2.5, "c": 3}) == 3
    assert [member for member, _ in client.zrange("z", 0, -1, withscores=True)] == ["a", "b", "c"]
    assert client.zscore("z", "b") == 2.5
    assert client.zadd("z", {"a": 5}, gt=True, ch=True) == 1
    assert client.zincrby("z", 1, "c") == 4.0
    assert client.zrangebyscore("z", 2, "+inf") == ["b", "c", "a"]
    assert client.zrevrank("z", "a") == 0
    assert client.zunionstore("y", {"z": 2}) == 3
    assert client.zpopmin("y")
    assert len(client.zmpop(1, ["z"], max=True)) == 2


def test_hashes(client: Any) -> None:
    assert client.hset("h", mapping={"f": 1, "g": "x"}) == 2
    assert client.hgetall("h") == {"f": "1", "g": "x"}
    assert client.hincrbyfloat("h", "f", 0.5) == 1.5
    assert client.hstrlen("h", "g") == 1
    assert sorted(client.hrandfield("h", 2)) == ["f", "g"]
    assert dict(client.hscan_iter("h")) == {"f": "1.5", "g": "x"}


def test_streams_with_groups(client: Any) -> None:
    first = client.xadd("x", {"f": "v"})
    assert client.xlen("x") == 1
    assert client.xrange("x") == [(first, {"f": "v"})]
    assert client.xgroup_create("x", "g", id="0")
    assert client.xreadgroup("g", "me", {"x": ">"}, count=5)
    assert client.xpending("x", "g")["pending"] == 1
    assert client.xclaim("x", "g", "you", 0, [first]) == [(first, {"f": "v"})]
    assert client.xautoclaim("x", "g", "me", 0)[1] == [(first, {"f": "v"})]
    assert client.xack("x", "g", first) == 1
    assert client.xinfo_stream("x")["length"] == 1
    assert client.xinfo_groups("x")[0]["name"] == "g"
    assert client.xinfo_consumers("x", "g")
    assert client.xtrim("x", maxlen=0) == 1


def test_places_bits_and_estimates(client: Any) -> None:
    assert client.geoadd("p", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")) == 2
    assert client.geodist("p", "Palermo", "Catania", unit="km") == pytest.approx(166.2742)
    assert client.geosearch("p", longitude=15, latitude=37, radius=100, unit="km") == ["Catania"]
    assert client.geohash("p", "Palermo") == ["sqc8b49rny0"]
    assert client.setbit("b", 7, 1) == 0
    assert client.bitcount("b") == 1
    assert client.bitfield("b").set("u8", 0, 255).get("u4", 0).execute() == [1, 15]
    assert client.bitop("NOT", "c", "b") == 1
    assert client.pfadd("e", "a", "b", "c") == 1
    assert client.pfcount("e") == 3
    assert client.pfmerge("d", "e")


def test_keys_and_sort(client: Any) -> None:
    client.rpush("l", 3, 1, 2)
    assert client.sort("l", desc=True) == ["3", "2", "1"]
    assert client.sort("l", store="d") == 3
    assert client.copy("l", "k")
    assert client.move("k", 1)
    assert client.renamenx("l", "d") in (0, False)
    assert client.expiretime("l") == -1
    assert client.object("encoding", "l") == "quicklist"
    assert client.memory_usage("l") > 0
    assert client.command_getkeys("MSET", "a", 1, "b", 2) == ["a", "b"]


def test_a_pipeline_is_a_transaction(client: Any) -> None:
    with client.pipeline() as pipeline:
        pipeline.set("k", 1).incr("k").lpush("k", "x").get("k")
        replies = pipeline.execute(raise_on_error=False)
    assert replies[:2] == [True, 2]
    assert isinstance(replies[2], redis.ResponseError)
    assert replies[3] == "2"


def test_a_watched_key_that_changes_is_an_error(client: Any) -> None:
    with client.pipeline() as pipeline:
        pipeline.watch("k")
        client.set("k", "other")
        pipeline.multi()
        pipeline.set("k", "mine")
        with pytest.raises(redis.WatchError):
            pipeline.execute()
    assert client.transaction(lambda pipeline: pipeline.multi() or pipeline.set("k", "mine"), "k") == [True]
    assert client.get("k") == "mine"


def test_requests_that_wait_are_answered_by_who_comes(client: Any, port: int) -> None:
    def push() -> None:
        with redis.Redis(port=port) as other:
            other.rpush("l", "x")
            other.zadd("z", {"m": 1})

    timer = threading.Timer(0.2, push)
    timer.start()
    assert list(client.blpop("l", timeout=30)) == ["l", "x"]
    assert list(client.bzpopmin("z", timeout=30)[:2]) == ["z", "m"]
    timer.join()
    assert client.blpop("l", timeout=0.05) is None


TXREDISAPI = """
import sys
from twisted.internet import defer, task
import txredisapi

async def main(reactor):
    client = await txredisapi.Connection("127.0.0.1", int(sys.argv[1]), reconnect=False)
    await client.flushall()
    assert await client.lpush("l", ["a", "b"]) == 2
    assert await client.lrange("l", 0, -1) == ["b", "a"]
    assert await client.sadd("s", [1, 2]) == 2
    assert await client.smembers("s") == {1, 2}
    assert await client.zadd("z", 1, "m") == 1
    assert await client.zrange("z", 0, -1) == ["m"]
    await client.hmset("h", {"f": 1})
    assert await client.hgetall("h") == {"f": 1}
    assert await client.pfadd("e", ["a", "b"]) == 1
    transaction = await client.multi("k")
    await transaction.set("k", 1)
    await transaction.incr("k")
    assert await transaction.commit() == ["OK", 2]
    assert await client.brpop(["l"], timeout=1) == ["l", "a"]
    assert await client.blpop(["nope"], timeout=1) is None
    pipeline = await client.pipeline()
    pipeline.set("p", 1)
    pipeline.get("p")
    assert await pipeline.execute_pipeline() == ["OK", 1]
    await client.disconnect()
    print("well")

task.react(lambda reactor: defer.ensureDeferred(main(reactor)))
"""


def test_txredisapi_uses_each_type(port: int) -> None:
    pytest.importorskip("txredisapi")
    ended = subprocess.run(
        [sys.executable, "-c", TXREDISAPI, str(port)], capture_output=True, timeout=PATIENCE, check=False
    )
    assert ended.stdout == b"well\n", ended.stderr.decode()
