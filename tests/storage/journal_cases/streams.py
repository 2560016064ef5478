"""What is noted of requests that change streams and their groups."""

from __future__ import annotations

from typing import Any, List, Tuple

from twisted_kv.testing import START

Case = Tuple[List[Tuple[Any, ...]], Tuple[Any, ...], List[Tuple[Any, ...]]]
"""What was done before, a request, and what is noted of it."""

NOW = START * 1000
LAST = "18446744073709551615-18446744073709551615"

S = [("XADD", "s", number, "f", "v") for number in range(1, 5)]
G = [*S, ("XGROUP", "CREATE", "s", "g", 0), ("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", "s", ">")]
DELETED = [*G, ("XDEL", "s", 1)]


def claimed(entry_id: str, consumer: str, count: int, last: str = "2-0", time: int = NOW) -> tuple[Any, ...]:
    """Give the request that gives an entry to a consumer."""
    times = "TIME", time, "RETRYCOUNT", count
    return ("XCLAIM", "s", "g", consumer, 0, entry_id, *times, "FORCE", "JUSTID", "LASTID", last)


def at(entry_id: str, read: int) -> tuple[Any, ...]:
    """Give the request that says how far the group has read."""
    return "XGROUP", "SETID", "s", "g", entry_id, "ENTRIESREAD", read


def made(consumer: str) -> tuple[Any, ...]:
    """Give the request that makes a consumer."""
    return "XGROUP", "CREATECONSUMER", "s", "g", consumer


CASES: list[Case] = [
    ([], ("XADD", "s", 9, "f", "v"), [("XADD", "s", 9, "f", "v")]),
    ([], ("XADD", "s", "*", "f", "v"), [("XADD", "s", f"{NOW}-0", "f", "v")]),
    ([], ("XADD", "s", "*", "*", "*"), [("XADD", "s", f"{NOW}-0", "*", "*")]),
    (S, ("XADD", "s", "4-*", "f", "v"), [("XADD", "s", "4-1", "f", "v")]),
    (S, ("XADD", "s", "NOMKSTREAM", 9, "f", "v"), [("XADD", "s", "NOMKSTREAM", 9, "f", "v")]),
    ([], ("XADD", "s", "NOMKSTREAM", 9, "f", "v"), []),
    (S, ("XADD", "s", 1, "f", "v"), []),
    (S, ("XADD", "s", "MAXLEN", 2, 9, "f", "v"), [("XADD", "s", "MAXLEN", 2, 9, "f", "v")]),
    (S, ("XADD", "s", "MAXLEN", "=", 2, "*", "f", "v"), [("XADD", "s", "MAXLEN", "=", 2, f"{NOW}-0", "f", "v")]),
    (
        S,
        ("XADD", "s", "MAXLEN", "~", 2, "LIMIT", 7, 9, "f", "v", "g", "w"),
        [("XADD", "s", "MAXLEN", "=", 5, "LIMIT", 7, 9, "f", "v", "g", "w")],
    ),
    (S, ("XADD", "s", "MINID", "~", 3, 9, "f", "v"), [("XADD", "s", "MINID", "=", "1-0", 9, "f", "v")]),
    (S, ("XADD", "s", "MINID", "~", 99, 9, "f", "v"), [("XADD", "s", "MINID", "=", LAST, 9, "f", "v")]),
    (S, ("XADD", "s", "MINID", 99, 9, "f", "v"), [("XADD", "s", "MINID", 99, 9, "f", "v")]),
    (S, ("XTRIM", "s", "MAXLEN", 1), [("XTRIM", "s", "MAXLEN", 1)]),
    (S, ("XTRIM", "s", "MAXLEN", "~", 0), [("XTRIM", "s", "MAXLEN", "=", 0)]),
    (S, ("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", 9), [("XTRIM", "s", "MAXLEN", "=", 0, "LIMIT", 9)]),
    (S, ("XTRIM", "s", "MINID", "~", 99), [("XTRIM", "s", "MINID", "=", LAST)]),
    (S, ("XTRIM", "s", "MINID", "=", 3), [("XTRIM", "s", "MINID", "=", 3)]),
    (S, ("XTRIM", "s", "MAXLEN", 9), []),
    ([], ("XTRIM", "s", "MAXLEN", 0), []),
    (S, ("XDEL", "s", 1, 77), [("XDEL", "s", 1, 77)]),
    (S, ("XDEL", "s", 77), []),
    (S, ("XSETID", "s", 50, "ENTRIESADDED", 99), [("XSETID", "s", 50, "ENTRIESADDED", 99)]),
    (S, ("XGROUP", "CREATE", "s", "g", "$"), [("XGROUP", "CREATE", "s", "g", "$")]),
    ([], ("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"), [("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")]),
    (G, ("XGROUP", "CREATE", "s", "g", 0), []),
    (G, ("XGROUP", "SETID", "s", "g", 3), [("XGROUP", "SETID", "s", "g", 3)]),
    (G, ("XGROUP", "SETID", "s", "g", 3, "ENTRIESREAD", 3), [at("3", 3)]),
    (G, ("XGROUP", "DESTROY", "s", "g"), [("XGROUP", "DESTROY", "s", "g")]),
    (G, ("XGROUP", "DESTROY", "s", "nope"), []),
    (G, ("XGROUP", "CREATECONSUMER", "s", "g", "d"), [made("d")]),
    (G, ("XGROUP", "CREATECONSUMER", "s", "g", "c"), []),
    (G, ("XGROUP", "DELCONSUMER", "s", "g", "c"), [("XGROUP", "DELCONSUMER", "s", "g", "c")]),
    (G, ("XGROUP", "DELCONSUMER", "s", "g", "d"), []),
    # Redis notes how many entries were read only with NOACK; replayed, XINFO would then tell another lag.
    (
        G,
        ("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", ">"),
        [claimed("3-0", "d", 1, "3-0"), claimed("4-0", "d", 1, "4-0"), at("4-0", 4)],
    ),
    (G, ("XREADGROUP", "GROUP", "g", "d", "NOACK", "STREAMS", "s", ">"), [made("d"), at("4-0", 4)]),
    (G, ("XREADGROUP", "GROUP", "g", "c", "NOACK", "COUNT", 1, "STREAMS", "s", ">"), [at("3-0", 3)]),
    # Redis notes a consumer who reads again only with NOACK; replayed, there would be none.
    (G, ("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", 0), [made("d")]),
    # That entries were delivered once more is not noted, as by Redis.
    (G, ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", 99), []),
    (G, ("XACK", "s", "g", 1, 9), [("XACK", "s", "g", 1, 9)]),
    (G, ("XACK", "s", "g", 9), []),
    (G, ("XCLAIM", "s", "g", "d", 0, 1), [claimed("1-0", "d", 2)]),
    (G, ("XCLAIM", "s", "g", "d", 0, 1, "JUSTID", "IDLE", 5), [claimed("1-0", "d", 1, time=NOW - 5)]),
    (G, ("XCLAIM", "s", "g", "d", 0, 3), []),
    (G, ("XCLAIM", "s", "g", "d", 0, 3, "FORCE"), [claimed("3-0", "d", 2)]),
    (G, ("XCLAIM", "s", "g", "d", 0, 3, "LASTID", 9), [at("9-0", 2)]),
    (G, ("XCLAIM", "s", "g", "d", 0, 1, "LASTID", 9), [claimed("1-0", "d", 2, "9-0")]),
    (G, ("XCLAIM", "s", "g", "d", 10_000, 1), []),
    (DELETED, ("XCLAIM", "s", "g", "d", 0, 1), [claimed("1-0", "c", 1)]),
    (G, ("XAUTOCLAIM", "s", "g", "d", 0, 0, "COUNT", 1), [claimed("1-0", "d", 2)]),
    (G, ("XAUTOCLAIM", "s", "g", "d", 0, 0, "JUSTID"), [claimed("1-0", "d", 1), claimed("2-0", "d", 1)]),
    (G, ("XAUTOCLAIM", "s", "g", "d", 10_000, 0), []),
    (DELETED, ("XAUTOCLAIM", "s", "g", "d", 0, 0), [claimed("1-0", "c", 1), claimed("2-0", "d", 2)]),
]
