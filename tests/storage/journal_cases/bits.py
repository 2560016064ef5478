"""What is noted of requests on bits, HyperLogLogs, places and parts of strings."""

from __future__ import annotations

from typing import Any, List, Tuple

Case = Tuple[List[Tuple[Any, ...]], Tuple[Any, ...], List[Tuple[Any, ...]]]
"""What was done before, a request, and what is noted of it."""

BIT = ("SETBIT", "k", 7, 1)
ABC = ("SET", "k", "abc")
OTHER = ("SET", "d", "x")
LOG = ("PFADD", "h", "a")
PLACES = ("GEOADD", "g", 1, 1, "a", 2, 2, "b")


def _as_itself(before: list[tuple[Any, ...]], *request: Any) -> Case:
    return before, request, [request]


def _unnoted(before: list[tuple[Any, ...]], *request: Any) -> Case:
    return before, request, []


CASES: list[Case] = [
    _as_itself([], *BIT),
    _unnoted([BIT], *BIT),
    _as_itself([BIT], "SETBIT", "k", 7, 0),
    _as_itself([], "SETBIT", "k", 7, 0),
    _unnoted([], "BITFIELD", "k", "GET", "u8", 0),
    _as_itself([], "BITFIELD", "k", "SET", "u8", 0, 0),
    _unnoted([("BITFIELD", "k", "SET", "u8", 0, 5)], "BITFIELD", "k", "SET", "u8", 0, 5),
    _as_itself([], "BITFIELD", "k", "INCRBY", "i5", "#3", -2, "GET", "u8", 0),
    # Redis lets the string grow, and does not note it.
    _as_itself([], "BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u8", 0, 300),
    _unnoted([ABC], "BITFIELD_RO", "k", "GET", "u8", 0),
    _as_itself([ABC], "BITOP", "NOT", "d", "k"),
    _unnoted([], "BITOP", "AND", "d", "k"),
    _as_itself([OTHER], "BITOP", "AND", "d", "k"),
    _as_itself([], "PFADD", "h"),
    _as_itself([], "PFADD", "h", "a", "b"),
    _unnoted([LOG], "PFADD", "h", "a"),
    _unnoted([LOG], "PFADD", "h"),
    _as_itself([LOG], "PFCOUNT", "h"),
    _unnoted([LOG, ("PFCOUNT", "h")], "PFCOUNT", "h"),
    _unnoted([LOG], "PFCOUNT", "h", "i"),
    _as_itself([], "PFMERGE", "d"),
    _as_itself([LOG], "PFMERGE", "d", "h"),
    _as_itself([LOG], "PFDEBUG", "GETREG", "h"),
    _as_itself([LOG], "PFDEBUG", "TODENSE", "h"),
    _unnoted([LOG], "PFDEBUG", "ENCODING", "h"),
    ([], ("GEOADD", "g", 1, 1, "a"), [("ZADD", "g", 3377822707026402, "a")]),
    (
        [],
        ("GEOADD", "g", "nx", "Ch", 1, 1, "a", 2, 2, "b"),
        [("ZADD", "g", "nx", "Ch", 3377822707026402, "a", 3378191666521995, "b")],
    ),
    _unnoted([PLACES], "GEOADD", "g", 1, 1, "a"),
    _unnoted([PLACES], "GEOADD", "g", "XX", 3, 3, "z"),
    _as_itself([PLACES], "GEORADIUS", "g", 1, 1, 500, "km", "STORE", "d"),
    _unnoted([PLACES], "GEORADIUS", "g", 50, 1, 5, "km", "STORE", "d"),
    _as_itself([PLACES, OTHER], "GEORADIUS", "g", 50, 1, 5, "km", "STORE", "d"),
    _as_itself([OTHER], "GEORADIUS", "g", 50, 1, 5, "km", "STOREDIST", "d"),
    _unnoted([PLACES], "GEORADIUS", "g", 1, 1, 500, "km"),
    _as_itself([PLACES], "GEORADIUSBYMEMBER", "g", "a", 500, "km", "STOREDIST", "d"),
    _unnoted([PLACES], "GEORADIUSBYMEMBER", "g", "a", 500, "km"),
    _as_itself([PLACES], "GEOSEARCHSTORE", "d", "g", "FROMMEMBER", "a", "BYRADIUS", 500, "km"),
    _as_itself([OTHER], "GEOSEARCHSTORE", "d", "g", "FROMMEMBER", "a", "BYRADIUS", 500, "km"),
    _unnoted([], "GEOSEARCHSTORE", "d", "g", "FROMMEMBER", "a", "BYRADIUS", 500, "km"),
    _as_itself([], "SETRANGE", "k", 3, "abc"),
    _as_itself([ABC], "SETRANGE", "k", 70_000, "abc"),
    _as_itself([ABC], "SETRANGE", "k", 0, "abc"),
    _unnoted([ABC], "SETRANGE", "k", 3, ""),
    _unnoted([], "SETRANGE", "k", 0, ""),
    _as_itself([], "MSETNX", "a", 1, "b", 2),
    _unnoted([ABC], "MSETNX", "a", 1, "k", 2),
    _as_itself([], "APPEND", "k", ""),
    _as_itself([ABC], "APPEND", "k", "x" * 70_000),
]
