"""A cache inside a Twisted program: without a port, a second process or waiting.

python examples/in_process.py
"""

from twisted.internet import defer, task

from twisted_kv import CacheService, CommandError


async def main(reactor):
    cache = CacheService(port=None)
    cache.startService()

    cache.call("SET", "greeting", "hello", "PX", 100)
    print("set, for a tenth of a second:", cache.call("GET", "greeting"))
    await task.deferLater(reactor, 0.15)
    print("a little later:", cache.call("GET", "greeting"))

    cache.call("HSET", "user:1", "name", "Ada", "logins", 1)
    cache.call("HINCRBY", "user:1", "logins", 1)
    print("a hash:", cache.call("HGETALL", "user:1"))

    with cache.session() as other:
        other.call("SELECT", 1)
        print("another database has", other.call("DBSIZE"), "keys, this one", cache.call("DBSIZE"))

    try:
        cache.call("GET", "user:1")
    except CommandError as error:
        print("an error has a code and a message:", error.code, "-", error.message)
    await cache.stopService()


if __name__ == "__main__":
    task.react(lambda reactor: defer.ensureDeferred(main(reactor)))
