"""What is noted of requests on lists."""

from __future__ import annotations

from typing import Any, List, Tuple

Case = Tuple[List[Tuple[Any, ...]], Tuple[Any, ...], List[Tuple[Any, ...]]]
"""What was done before, a request, and what is noted of it."""

L = ("RPUSH", "k", "a", "b", "a")
J = ("RPUSH", "j", "x")
S = ("SET", "s", "v")

CASES: list[Case] = [
    ([], ("LPUSH", "k", "a", "b"), [("LPUSH", "k", "a", "b")]),
    ([L], ("RPUSH", "k", "a"), [("RPUSH", "k", "a")]),
    ([S], ("RPUSH", "s", "a"), []),
    ([L], ("LPUSHX", "k", "a"), [("LPUSHX", "k", "a")]),
    ([L], ("RPUSHX", "k", "a"), [("RPUSHX", "k", "a")]),
    ([], ("LPUSHX", "k", "a"), []),
    ([], ("RPUSHX", "k", "a"), []),
    ([L], ("LINSERT", "k", "before", "b", "x"), [("LINSERT", "k", "before", "b", "x")]),
    ([L], ("LINSERT", "k", "BEFORE", "z", "x"), []),
    ([], ("LINSERT", "k", "BEFORE", "a", "x"), []),
    ([L], ("LSET", "k", -1, "x"), [("LSET", "k", -1, "x")]),
    ([L], ("LSET", "k", 9, "x"), []),
    ([L], ("LTRIM", "k", 1, -1), [("LTRIM", "k", 1, -1)]),
    ([L], ("LTRIM", "k", 5, 9), [("LTRIM", "k", 5, 9)]),
    ([], ("LTRIM", "k", 0, 1), []),
    ([L], ("LREM", "k", 0, "a"), [("LREM", "k", 0, "a")]),
    ([L], ("LREM", "k", 0, "z"), []),
    ([L], ("LPOP", "k"), [("LPOP", "k")]),
    ([L], ("LPOP", "k", 0), []),
    ([L], ("RPOP", "k", 2), [("RPOP", "k", 2)]),
    ([L], ("RPOP", "k", 9), [("RPOP", "k", 9)]),
    ([], ("RPOP", "k"), []),
    ([L], ("LMOVE", "k", "j", "left", "right"), [("LMOVE", "k", "j", "left", "right")]),
    ([L], ("LMOVE", "k", "k", "LEFT", "RIGHT"), [("LMOVE", "k", "k", "LEFT", "RIGHT")]),
    ([J], ("LMOVE", "j", "j", "LEFT", "RIGHT"), [("LMOVE", "j", "j", "LEFT", "RIGHT")]),
    ([L, S], ("LMOVE", "k", "s", "LEFT", "RIGHT"), []),
    ([], ("LMOVE", "k", "j", "LEFT", "RIGHT"), []),
    ([L], ("RPOPLPUSH", "k", "j"), [("RPOPLPUSH", "k", "j")]),
    ([], ("RPOPLPUSH", "k", "j"), []),
    ([L], ("LMPOP", 2, "j", "k", "LEFT", "COUNT", 2), [("LPOP", "k", 2)]),
    ([L], ("LMPOP", 1, "k", "RIGHT", "COUNT", 9), [("RPOP", "k", 3)]),
    ([L], ("LMPOP", 1, "k", "LEFT"), [("LPOP", "k", 1)]),
    ([], ("LMPOP", 1, "k", "LEFT"), []),
    ([L], ("BLPOP", "j", "k", 0), [("LPOP", "k")]),
    ([L], ("BRPOP", "k", 0), [("RPOP", "k")]),
    ([L], ("BLMPOP", 0, 1, "k", "right", "COUNT", 2), [("RPOP", "k", 2)]),
    ([L], ("BLMOVE", "k", "j", "left", "right", 0), [("LMOVE", "k", "j", "left", "right")]),
    ([L], ("BLMOVE", "k", "j", "RIGHT", "LEFT", 0), [("LMOVE", "k", "j", "RIGHT", "LEFT")]),
    ([L], ("BRPOPLPUSH", "k", "j", 0), [("RPOPLPUSH", "k", "j")]),
    ([L, S], ("BRPOPLPUSH", "k", "s", 0), []),
]
