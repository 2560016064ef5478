"""A command of one's own: for Redis clients, in datagrams and in process, like all others.

python examples/own_command.py
"""

from twisted.internet import defer, task

from twisted_kv import CacheService
from twisted_kv.commands import GROUPS
from twisted_kv.declaring import Group, first, integer

own = Group("own")


@own.command("INCRCAPPED", flags="write fast", keys=first("RW update"), since="1.0.0")
def incrcapped(session, key, limit):
    """Increment a number, up to a limit."""
    if integer(session.call(b"GET", key) or b"0") >= integer(limit):
        return None
    return session.call(b"INCR", key)


async def main(reactor):
    cache = CacheService(port=None, groups=(*GROUPS, own))
    cache.startService()
    print([cache.call("INCRCAPPED", "visits", 3) for _ in range(5)])
    print(cache.call("COMMAND", "DOCS", "incrcapped")[b"incrcapped"][b"summary"].decode())
    await cache.stopService()


if __name__ == "__main__":
    task.react(lambda reactor: defer.ensureDeferred(main(reactor)))
