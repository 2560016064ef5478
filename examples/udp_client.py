"""Talks to owncache over UDP, in each of the three dialects.

twistd -n owncache --port 6379
python examples/udp_client.py 6379
"""

import sys

from twisted.internet import defer, task

from twisted_kv import DatagramClient


async def main(reactor, port):
    for dialect in ("equals", "command", "resp"):
        client = DatagramClient("127.0.0.1", port, dialect=dialect, timeout=1.0, reactor=reactor)
        await client.request("SET", "dialect", dialect)
        print(f"{dialect:8} GET dialect ->", await client.request("GET", "dialect"))
        client.close()


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 6379
    task.react(lambda reactor: defer.ensureDeferred(main(reactor, port)))
