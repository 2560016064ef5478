"""The tasks that scan a server's keys or poll its statistics: `--scan`, `--bigkeys`, `--stat`."""

from __future__ import annotations

import time
from itertools import count
from typing import Any, Callable, Final, Iterator

from twisted_kv.vocabulary.replies import Reply
from twisted_kv.wire.words import quote

Ask = Callable[..., Reply]
"""Sends a request and returns its reply value; raises `CommandError` for an error reply, `NoAnswer` for none."""

_PAUSE_EVERY: Final = 100
"""The number of SCANs between the pauses of `--bigkeys`, whose length `-i` sets."""


def scan(ask: Ask, pattern: bytes | None, interval: float, every: int = 1) -> Iterator[list[bytes]]:
    """Yield all keys that match a pattern, in batches, and sleep `interval` seconds after `every` requests."""
    cursor = b"0"
    for number in count(1):
        found: Any = ask(b"SCAN", cursor, *([] if pattern is None else [b"MATCH", pattern]))
        cursor, keys = found
        yield keys
        if cursor == b"0":
            return
        if interval and not number % every:
            time.sleep(interval)


class _Kind:
    """The statistics of the keys of one type."""

    def __init__(self, name: str, command: bytes, unit: str) -> None:
        self.name = name
        self.command = command
        self.unit = unit
        self.keys = self.total = self.largest = 0
        self.key = b""


def big_keys(ask: Ask, write: Callable[[str], None], pattern: bytes | None, interval: float) -> None:
    """Report the largest key of each type, and the average size of the keys."""
    kinds = {
        kind.name.encode(): kind
        for kind in (
            _Kind("list", b"LLEN", "items"),
            _Kind("hash", b"HLEN", "fields"),
            _Kind("string", b"STRLEN", "bytes"),
            _Kind("stream", b"XLEN", "entries"),
            _Kind("set", b"SCARD", "members"),
            _Kind("zset", b"ZCARD", "members"),
        )
    }
    keys: Any = ask(b"DBSIZE")
    write(
        "\n# Scanning the entire keyspace to find biggest keys as well as\n"
        "# average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n"
        "# per 100 SCAN commands (not usually needed).\n\n"
    )
    sampled = bytes_of_keys = 0
    for found in scan(ask, pattern, interval, _PAUSE_EVERY):
        share = 100 * sampled / keys if keys else 0.0
        for key in found:
            named: Any = ask(b"TYPE", key)
            kind = kinds.get(bytes(named))
            sampled += 1
            bytes_of_keys += len(key)
            if kind is None:  # the key no longer exists, or is of a module's type
                continue
            size: Any = ask(kind.command, key)
            kind.keys += 1
            kind.total += size
            if size > kind.largest:
                kind.largest, kind.key = size, key
                write(f"[{share:05.2f}%] Biggest {kind.name:<6} found so far '{quote(key)}' with {size} {kind.unit}\n")
    average = bytes_of_keys / sampled if sampled else 0.0
    write("\n-------- summary -------\n\n")
    write(f"Sampled {sampled} keys in the keyspace!\n")
    write(f"Total key length in bytes is {bytes_of_keys} (avg len {average:.2f})\n\n")
    for kind in kinds.values():
        if kind.largest:
            write(f"Biggest {kind.name:>6} found '{quote(kind.key)}' has {kind.largest} {kind.unit}\n")
    write("\n")
    for kind in kinds.values():
        part = 100 * kind.keys / sampled if sampled else 0.0
        mean = kind.total / kind.keys if kind.keys else 0.0
        write(f"{kind.keys} {kind.name}s with {kind.total} {kind.unit} ({part:05.2f}% of keys, avg size {mean:.2f})\n")


_LINES_A_PAGE: Final = 20
_HEADER: Final = (
    "------- data ------ --------------------- load -------------------- - child -\n"
    "keys       mem      clients blocked requests            connections          \n"
)


def watch(ask: Ask, write: Callable[[str], None], interval: float) -> None:
    """Write a line of the server's statistics every `interval` seconds, without end."""
    before = 0
    for number in count():
        if not number % _LINES_A_PAGE:
            write(_HEADER)
        info: Any = ask(b"INFO")
        fields = dict(line.split(":", 1) for line in info.decode("utf-8", "replace").splitlines() if ":" in line)
        keys = sum(int(fields[name].split("=")[1].split(",")[0]) for name in fields if name.startswith("db"))
        requests = int(fields.get("total_commands_processed", 0))
        more = f"{requests} (+{requests - before if number else 0})"
        before = requests
        write(
            f"{keys:<11}{_memory(int(fields.get('used_memory', 0))):<9}{fields.get('connected_clients', ''):<8}"
            f"{fields.get('blocked_clients', ''):<8}{more:<20}{fields.get('total_connections_received', ''):<12}"
        )
        write("\n")
        time.sleep(interval)


def _memory(size: int) -> str:
    """Format a number of bytes with the unit that keeps it short, as redis-cli does."""
    if size < 1024:
        return f"{size}B"
    power = min((size.bit_length() - 1) // 10, 4)
    return f"{size / 1024**power:.2f}{' KMGT'[power]}"
