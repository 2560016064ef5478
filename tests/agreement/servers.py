"""The two servers that are compared: a real redis-server as a process, and our cache in memory."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted_kv.testing import Clock, MemoryCache, MemoryConnection

from .accepted import ACCEPTED
from .replies import Parsed, Word, as_bytes, parse

PATIENCE = 10.0
"""Seconds that the real server has for anything."""


def encode(words: tuple[Word, ...]) -> bytes:
    """Write a request."""
    parts = [as_bytes(word) for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class RedisServer:
    """A redis-server of our own on an ephemeral port of the loopback interface."""

    def __init__(self, program: str, folder: Path) -> None:
        self._command = [program, "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"]
        self._command += ["--rdbcompression", "no"]  # DUMP would compress, which we never do
        self._command += ["--bind", "127.0.0.1", "--dir", str(folder), "--logfile", str(folder / "redis.log")]
        for _ in range(5):  # another program may take the port between our look and the server's start
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port: int = probe.getsockname()[1]
            self._process = subprocess.Popen([*self._command, "--port", str(self.port)])
            if self._answers():
                return
        raise AssertionError("redis-server does not start: " + (folder / "redis.log").read_text())

    def _answers(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with RealConnection(self.port) as connection:
                    return connection.ask(encode(("PING",))) == b"+PONG\r\n"
            except OSError:
                time.sleep(0.01)
        self.stop()
        return False

    def stop(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)


class RealConnection:
    """A blocking connection to the real server that gives replies as the bytes they came in."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self) -> RealConnection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The address as CLIENT LIST has it."""
        return "{}:{}".format(*self._socket.getsockname())

    @property
    def server_name(self) -> str:
        """The address of the server's side, as CLIENT LIST has it."""
        return "{}:{}".format(*self._socket.getpeername())

    def send(self, data: bytes) -> None:
        """Send bytes and wait for nothing; a server that is gone is no error."""
        try:
            self._socket.sendall(data)
        except OSError:
            return

    def ask(self, request: bytes) -> bytes:
        """Send one request and give the bytes of its reply."""
        self._socket.sendall(request)
        while True:
            try:
                _, end = parse(self._rest)
            except IndexError:
                more = self._socket.recv(1 << 20)
                if not more:
                    raise ConnectionError("the real server closed the connection") from None
                self._rest += more
                continue
            reply, self._rest = self._rest[:end], self._rest[end:]
            return reply

    def drain(self) -> tuple[bytes, bool]:
        """Give what has come, without waiting, and whether the server has closed the connection."""
        data, self._rest = self._rest, b""
        self._socket.setblocking(False)
        try:
            while True:
                more = self._socket.recv(1 << 20)
                if not more:
                    return data, True
                data += more
        except BlockingIOError:
            return data, False
        except ConnectionError:
            return data, True
        finally:
            self._socket.settimeout(PATIENCE)

    def half_close(self) -> None:
        """Tell the server that nothing more is sent; one that is gone is no error."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


class BothServers:
    """Says the same to both servers, and fails where their replies differ.

    `begin` starts anew: connections, empty databases and a protocol version.  The clock of our cache follows the real
    time, since the real server's does.
    """

    def __init__(self, port: int) -> None:
        self.real_port = port
        self.cache = MemoryCache({"enable-debug-command": "yes"}, clock=Clock(time.time()))
        self.control = RealConnection(port)
        self.real = RealConnection(port)
        self.ours: MemoryConnection = self.cache.connect()
        self.said: list[tuple[Word, ...]] = []

    def begin(self, resp: int = 2) -> None:
        """Connect anew, remove all keys and choose the protocol version; our cache is a new one."""
        self.real.close()
        self.real = RealConnection(self.real_port)
        self.cache.stop()
        self.cache = MemoryCache({"enable-debug-command": "yes"}, clock=Clock(time.time()))
        self.ours = self.cache.connect()
        self.said = []
        self.call("FLUSHALL")
        if resp != 2:
            self.call("HELLO", resp)

    def stop(self) -> None:
        """End both ends."""
        self.real.close()
        self.control.close()
        self.cache.stop()

    def tick(self) -> None:
        """Bring our clock to the present."""
        clock = self.cache.clock
        clock.advance(max(0.0, time.time() - clock.seconds()))

    def ask_ours(self, *words: Word) -> bytes:
        """Send a request to ours alone, and give the bytes of its reply."""
        self.tick()
        reply = self.ours.send(encode(words))
        waited = 0.0
        while not reply and not self.ours.closed and waited < PATIENCE:  # it blocks, and its time-out has to come
            self.cache.clock.advance(0.01)
            waited += 0.01
            reply = self.ours.send(b"")
        return reply

    def ask_real(self, *words: Word) -> bytes:
        """Send a request to the real server alone, and give the bytes of its reply."""
        return self.real.ask(encode(words))

    def both(self, *words: Word) -> tuple[bytes, bytes]:
        """Send a request to both, and give the bytes of both replies, the real server's first."""
        return self.ask_real(*words), self.ask_ours(*words)

    def call(self, *words: Word) -> bytes:
        """Send a request to both, compare the replies and give the real server's."""
        self.said.append(words)
        theirs, ours = self.both(*words)
        if theirs != ours and not self._is_accepted(words, theirs, ours):
            said = "\n".join("  " + " ".join(repr(word) for word in each)[:300] for each in self.said[-30:])
            raise AssertionError(f"the servers differ after\n{said}\n{difference(theirs, ours)}")
        return theirs

    def compare_data(self) -> None:
        """Compare what both hold; what has expired is walked over before, so that Redis removes it."""
        for index in range(15, -1, -1):
            self.control.ask(encode(("SELECT", index)))
            self.control.ask(encode(("SCAN", 0, "COUNT", 1_000_000)))
        self.call("DEBUG", "DIGEST")

    def _is_accepted(self, words: tuple[Word, ...], theirs: bytes, ours: bytes) -> bool:
        named = tuple(as_bytes(word).upper() for word in words[:2])
        for each in ACCEPTED:
            prefix = tuple(each.request.encode().split())
            if named[: len(prefix)] == prefix and each.agree(self, words, theirs, ours):
                return True
        return False

    def stream(self, data: bytes, before: bytes = b"", piece: int = 1 << 30) -> tuple[bytes, bool]:
        """Send bytes to both over new connections, and compare what comes back and whether the connection ends.

        `before` is sent first, and its reply is not looked at; `piece` is how many bytes are sent at a time.
        """
        pieces = [data[start : start + piece] for start in range(0, len(data), piece)]
        with RealConnection(self.real_port) as real:
            if before:
                real.ask(before)
            for each in pieces:
                real.send(each)
            # The real server has one thread: once it has answered others a few times, it has done with ours.
            for _ in range(5 + len(data) // 8192):
                self.control.ask(encode(("PING",)))
            theirs = real.drain()
        self.tick()
        connection = self.cache.connect()
        if before:
            connection.send(before)
        ours = b"".join([connection.send(each) for each in pieces if not connection.closed]), connection.closed
        connection.close()
        assert theirs == ours, f"the servers differ after {data[:200]!r}\n  redis: {theirs!r}\n  ours:  {ours!r}"
        return theirs

    def compare_keyspaces(self, databases: int = 3) -> None:
        """Compare all keys of the first databases: type, value and time to live."""
        self.call("RESET")
        for index in range(databases):
            self.call("SELECT", index)
            keys, _ = parse(self.call("KEYS", "*"))
            for _, key in keys[1]:
                kind = self.call("TYPE", key)
                self.call("GET" if kind == b"+string\r\n" else "HGETALL", key)
                self.call("PTTL", key)

    def walk(self, *words: Word, place: int) -> tuple[Parsed, Parsed]:
        """Walk to the end with SCAN or its like on both, and give what came, sorted, each once.

        `words` is the request without a cursor, and `place` is where that goes.
        """
        return _walk(self.ask_real, words, place), _walk(self.ask_ours, words, place)


def difference(theirs: bytes, ours: bytes) -> str:
    """Show two replies from a little before the first byte in which they differ."""
    same = next((place for place, pair in enumerate(zip(theirs, ours)) if pair[0] != pair[1]), 0)
    start = max(0, same - 200)
    return f"  redis: {theirs[start : same + 500]!r}\n  ours:  {ours[start : same + 500]!r}"


def _walk(ask: Any, words: tuple[Word, ...], place: int) -> Parsed:
    found: set[Any] = set()
    cursor: Word = b"0"
    while True:
        (_, (next_cursor, items)), _ = parse(ask(*words[:place], cursor, *words[place:]))
        step = items[1]
        in_pairs = as_bytes(words[0]).upper() in (b"HSCAN", b"ZSCAN")
        found.update(zip(step[::2], step[1::2]) if in_pairs else step)
        cursor = next_cursor[1]
        if cursor == b"0":
            return b"*", sorted(found)
