"""What users write against the public API: read by mypy, never run."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint

from twisted_kv import (
    CacheDatagramProtocol,
    CacheService,
    CommandError,
    DatagramClient,
    Dispatcher,
    RespFactory,
    Session,
    StreamClient,
)
from twisted_kv.commands import GROUPS
from twisted_kv.declaring import Group, first
from twisted_kv.testing import Clock, MemoryCache

cache = CacheService(port=0, udp_port=None, bind="127.0.0.1", config={"maxclients": 10}, clock=Clock())
reply: object = cache.call("SET", b"k", 1, 2.5)
number: int | None = cache.port
dispatcher: Dispatcher = cache.dispatcher
with cache.session() as session:
    session.call("GET", "k")
try:
    cache.call_from_thread("GET", "k")
except CommandError as error:
    code: str = error.code
    message: str = error.message

script = cache.script("return KEYS[1]")
scripted: object = script.call(["k"], [1, b"x"])
later: Deferred[object] = script.request()


def add(session: object, amount: int) -> int:
    return amount


added: int = cache.run(add, 3)
protocol = CacheDatagramProtocol(Dispatcher())
factory = RespFactory(Dispatcher())
client = StreamClient(TCP4ClientEndpoint(reactor, "127.0.0.1", 6379), timeout=1.0)
remote: Deferred[object] = client.script("return 1").request(["k"])
datagrams = DatagramClient("127.0.0.1", 6379, dialect="equals")


async def ask() -> object:
    waiting: Deferred[object] = client.request("GET", "k")
    await datagrams.request("GET", "k")
    return await waiting


own = Group("own")


@own.command("TWICE", flags="readonly", keys=first("RO access"), since="1.0.0")
def twice(session: Session, key: bytes) -> list[object]:
    """Return a string twice."""
    value: object = session.call(b"GET", key)
    return [value, value]


extended = CacheService(port=None, groups=(*GROUPS, own))
memory = MemoryCache({"requirepass": "x"}, groups=(own,))
memory.clock.advance(1)
answer: bytes | None = memory.datagrams().send(b"foo")
sent: bytes = memory.connect().send(b"PING\r\n")
