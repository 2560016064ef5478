"""What is noted of the commands on sets."""

from __future__ import annotations

from typing import Any, List, Tuple

Case = Tuple[List[Tuple[Any, ...]], Tuple[Any, ...], List[Tuple[Any, ...]]]
"""What was done before, a request, and what is noted of it."""

S = ("SADD", "s", "a", "b")
T = ("SADD", "t", "b", "c")
ONE = ("SADD", "s", "a")
K = ("SET", "k", "v")

CASES: list[Case] = [
    ([], S, [S]),
    ([S], S, []),
    ([ONE], S, [S]),
    ([K], ("SADD", "k", "a"), []),
    ([S], ("SREM", "s", "a", "x"), [("SREM", "s", "a", "x")]),
    ([ONE], ("SREM", "s", "a"), [("SREM", "s", "a")]),
    ([S], ("SREM", "s", "x"), []),
    ([], ("SREM", "s", "a"), []),
    ([S], ("SMOVE", "s", "t", "a"), [("SMOVE", "s", "t", "a")]),
    ([S, T], ("SMOVE", "s", "t", "b"), [("SMOVE", "s", "t", "b")]),
    ([S], ("SMOVE", "s", "t", "x"), []),
    ([S], ("SMOVE", "s", "s", "a"), []),
    ([ONE], ("SPOP", "s"), [("SREM", "s", "a")]),
    ([ONE], ("SPOP", "s", 1), [("DEL", "s")]),
    ([S], ("SPOP", "s", 9), [("DEL", "s")]),
    ([S], ("SPOP", "s", 0), []),
    ([], ("SPOP", "s"), []),
    ([], ("SPOP", "s", 1), []),
    ([S, T], ("SINTERSTORE", "s", "s", "t"), [("SINTERSTORE", "s", "s", "t")]),
    ([S, T], ("SUNIONSTORE", "u", "s", "t"), [("SUNIONSTORE", "u", "s", "t")]),
    ([S, T], ("SDIFFSTORE", "t", "s", "t"), [("SDIFFSTORE", "t", "s", "t")]),
    ([S], ("SINTERSTORE", "s", "nope"), [("SINTERSTORE", "s", "nope")]),
    ([S], ("SUNIONSTORE", "s", "nope"), [("SUNIONSTORE", "s", "nope")]),
    ([S], ("SDIFFSTORE", "s", "nope"), [("SDIFFSTORE", "s", "nope")]),
    ([], ("SINTERSTORE", "s", "nope"), []),
    ([], ("SUNIONSTORE", "s", "nope"), []),
    ([], ("SDIFFSTORE", "s", "nope"), []),
    ([S], ("SRANDMEMBER", "s"), []),
]
