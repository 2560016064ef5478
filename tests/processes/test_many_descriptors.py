"""A host on Twisted's select reactor, which knows no descriptor above 1023, serves clients above it all the same."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from twisted_kv.transports import multiplexer

HIGHEST = 1023
"""The last descriptor that select() knows."""

PROGRAM = """
import os, resource, socket, threading
from twisted.internet.selectreactor import SelectReactor
from twisted_kv.service import CacheService

resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
reactor = SelectReactor()
cache = CacheService(port=0, reactor=reactor, config={"maxclients": 1000})
cache.startService()
taken = [os.open(os.devnull, os.O_RDONLY)]
while taken[-1] < 1100:
    taken.append(os.open(os.devnull, os.O_RDONLY))

def ask(port):
    try:
        clients = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(20)]
        for client in clients:
            client.sendall(b"INCR n\\r\\nCLIENT INFO\\r\\n")
        for client in clients:
            answer = client.recv(10_000)
            while b" fd=" not in answer:
                answer += client.recv(10_000)
            print(answer.split(b" fd=")[1].split(b" ")[0].decode())
    finally:
        reactor.callFromThread(reactor.stop)

reactor.addSystemEventTrigger("before", "shutdown", cache.stopService)
reactor.callWhenRunning(lambda: threading.Thread(target=ask, args=(cache.port,)).start())
reactor.run(installSignalHandlers=False)
print("served", cache.call("GET", "n").decode(), "left", len(cache.dispatcher.server.sessions))
"""


@pytest.mark.fast
@pytest.mark.processes
@pytest.mark.skipif(not multiplexer.is_possible, reason="the system has no epoll")
def test_the_select_reactor_serves_descriptors_that_it_does_not_know() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert hard == resource.RLIM_INFINITY or hard >= 2048, "the limit of open files is too low for this test"
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    *numbers, last = ended.stdout.splitlines() or [""]
    assert last == "served 20 left 0", ended.stderr
    assert len(numbers) == 20
    assert min(map(int, numbers)) > HIGHEST
