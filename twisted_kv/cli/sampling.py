"""Walks over the keys of a server, and looks at it again and again: `--scan`, `--bigkeys`, `--stat`."""

from __future__ import annotations

import time
from itertools import count
from typing import Any, Callable, Final, Iterator

from twisted_kv.vocabulary.replies import Reply
from twisted_kv.wire.words import quote

Ask = Callable[..., Reply]
"""Sends a request and gives its reply value; raises `CommandError` for an error reply, `NoAnswer` without one."""

_PAUSE_EVERY: Final = 100
"""SCANs after which `--bigkeys` makes the pause that `-i` asks for."""


def scan(ask: Ask, pattern: bytes | None, interval: float, every: int = 1) -> Iterator[list[bytes]]:
    """Walk over all keys that match a pattern, some at a time, with a pause of seconds after so many requests."""
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
    """What was seen of the keys of one type."""

    def __init__(self, name: str, command: bytes, unit: str) -> None:
        self.name = name
        self.command = command
        self.unit = unit
        self.keys = self.total = self.largest = 0
        self.key = b""


def big_keys(ask: Ask, write: Callable[[str], None], pattern: bytes | None, interval: float) -> None:
    """Find the key of each type that has most members, and tell how large the keys are on the average."""
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
            if kind is None:  # it is gone, or of a module
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
_HEAD: Final = (
    "------- data ------ --------------------- load -------------------- - child -\n"
    "keys       mem      clients blocked requests            connections          \n"
)


def watch(ask: Ask, write: Callable[[str], None], interval: float) -> None:
    """Tell what a server holds and does, a line each time, with a pause of seconds between; for ever."""
    before = 0
    for number in count():
        if not number % _LINES_A_PAGE:
            write(_HEAD)
        info: Any = ask(b"INFO")
        told = dict(line.split(":", 1) for line in info.decode("utf-8", "replace").splitlines() if ":" in line)
        keys = sum(int(told[name].split("=")[1].split(",")[0]) for name in told if name.startswith("db"))
        requests = int(told.get("total_commands_processed", 0))
        more = f"{requests} (+{requests - before if number else 0})"
        before = requests
        write(
            f"{keys:<11}{_memory(int(told.get('used_memory', 0))):<9}{told.get('connected_clients', ''):<8}"
            f"{told.get('blocked_clients', ''):<8}{more:<20}{told.get('total_connections_received', ''):<12}"
        )
        write("\n")
        time.sleep(interval)


def _memory(size: int) -> str:
    """Write bytes with the unit that makes the number small, as redis-cli does."""
    if size < 1024:
        return f"{size}B"
    power = min((size.bit_length() - 1) // 10, 4)
    return f"{size / 1024**power:.2f}{' KMGT'[power]}"
