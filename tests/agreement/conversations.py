"""Several clients at a time, each with a connection to both servers, who say the same things in the same order."""

from __future__ import annotations

import re
import time
from typing import Sequence

from tests.rdb import files as make

from .replies import Word
from .servers import BothServers, RealConnection, encode

PAYLOAD = make.dump_payload(make.LIST, make.members([b"1", b"2"]))
"""What RESTORE makes a list of."""

SETTLED = 4
"""Requests of others after which the real server has done with what a client sent before: it has one thread."""


class Client:
    """A connection to each server."""

    def __init__(self, both: BothServers) -> None:
        self.real = RealConnection(both.real_port)
        self.ours = both.cache.connect()
        self.numbers = (
            int(self.real.ask(encode(("CLIENT", "ID")))[1:]),
            int(self.ours.send(encode(("CLIENT", "ID")))[1:]),
        )

    def send(self, data: Sequence[bytes]) -> None:
        """Send bytes to both servers: for the real one, and for ours."""
        self.real.send(data[0])
        if not self.ours.closed:
            self.ours.protocol.dataReceived(data[1])

    def close(self) -> None:
        self.real.close()
        self.ours.close()


class Conversation:
    """Clients by their names, who come when they are first heard of.

    A step is a line: `a: LPUSH k 1; LLEN k` sends two requests at once, `{b}` in it is the number of the client b, `''`
    an empty word.  `a half` says that a sends no more, `a gone` ends its connection, `pass 0.1` lets time pass.  After
    each step, what all clients have got since is compared, and who was disconnected.
    """

    def __init__(self, both: BothServers) -> None:
        self.both = both
        self.clients: dict[str, Client] = {}
        self.said: list[str] = []

    def play(self, *steps: str) -> None:
        """Go through steps, and compare after each."""
        for step in steps:
            self.said.append(step)
            self._do(step)
            self._compare()

    def end(self) -> None:
        """End all connections."""
        for client in self.clients.values():
            client.close()
        self.clients.clear()

    def _do(self, step: str) -> None:
        name, colon, text = step.partition(": ")
        if colon:
            client = self._client(name)
            self.both.tick()
            client.send([self._requests(text, side) for side in (0, 1)])
            return
        name, _, what = step.partition(" ")
        if name == "pass":
            time.sleep(float(what))
        elif what == "half":
            self._client(name).real.half_close()
            self.clients[name].ours.half_close()
        else:
            self._client(name).close()
            del self.clients[name]

    def _client(self, name: str) -> Client:
        if name not in self.clients:
            self.clients[name] = Client(self.both)
        return self.clients[name]

    def _requests(self, text: str, side: int) -> bytes:
        numbers: dict[str, object] = {name: client.numbers[side] for name, client in self.clients.items()}
        numbers["payload"] = PAYLOAD.decode("latin-1")
        for name in set(re.findall(r"\{(\w)\}", text)) - set(numbers):
            numbers[name] = self._client(name).numbers[side]
        requests = [request.format(**numbers).split(" ") for request in text.split("; ")]
        return b"".join(encode(tuple(map(_word, words))) for words in requests)

    def settle(self) -> dict[str, tuple[tuple[bytes, bool], tuple[bytes, bool]]]:
        """Give what each client has got since, and whether it was disconnected: by the real server, and by ours."""
        for _ in range(SETTLED):
            self.both.control.ask(encode(("CONFIG", "GET", "-")))  # who monitors is not shown that
        self.both.tick()
        return {
            name: (client.real.drain(), (client.ours.transport.take(), client.ours.closed))
            for name, client in self.clients.items()
        }

    def _compare(self) -> None:
        for name, (theirs, ours) in self.settle().items():
            if ours != theirs:
                said = "\n".join(f"  {each}" for each in self.said[-30:])
                raise AssertionError(f"the servers differ for {name} after\n{said}\n  redis: {theirs}\n  ours:  {ours}")


def _word(text: str) -> Word:
    return b"" if text == "''" else text.encode("latin-1")
