"""Keys of any type, databases, SORT and the numbers of hashes."""

from __future__ import annotations

from typing import Any, List, Tuple

Case = Tuple[List[Tuple[Any, ...]], Tuple[Any, ...], List[Tuple[Any, ...]]]
"""What was done before, a request, and what is noted of it."""

S = ("SET", "k", "v")
H = ("HSET", "h", "f", 1)
L = ("RPUSH", "l", 2, 1)

CASES: list[Case] = [
    ([S], ("RENAMENX", "k", "j"), [("RENAMENX", "k", "j")]),
    ([S], ("RENAMENX", "k", "k"), []),
    ([S, L], ("RENAMENX", "k", "l"), []),
    ([], ("RENAMENX", "k", "j"), []),
    ([S], ("MOVE", "k", 1), [("MOVE", "k", 1)]),
    ([S], ("MOVE", "k", 0), []),
    ([], ("MOVE", "k", 1), []),
    ([S], ("COPY", "k", "j"), [("COPY", "k", "j")]),
    ([S], ("COPY", "k", "j", "DB", 1), [("COPY", "k", "j", "DB", 1)]),
    ([S, L], ("COPY", "k", "l"), []),
    ([S, L], ("COPY", "k", "l", "replace"), [("COPY", "k", "l", "replace")]),
    ([S], ("COPY", "k", "k"), []),
    ([], ("COPY", "k", "j"), []),
    ([S], ("SWAPDB", 0, 1), [("SWAPDB", 0, 1)]),
    ([], ("SWAPDB", 3, 1), [("SWAPDB", 3, 1)]),
    ([S], ("SWAPDB", 0, "x"), []),
    ([L], ("SORT", "l"), []),
    ([L], ("SORT", "l", "STORE", "m"), [("SORT", "l", "STORE", "m")]),
    ([S], ("SORT", "nope", "STORE", "k"), [("SORT", "nope", "STORE", "k")]),
    ([], ("SORT", "nope", "STORE", "k"), []),
    ([H], ("HINCRBYFLOAT", "h", "f", "0.5"), [("HSET", "h", "f", "1.5")]),
    ([], ("HINCRBYFLOAT", "h", "f", "2"), [("HSET", "h", "f", "2")]),
    ([H], ("HINCRBYFLOAT", "h", "f", "inf"), []),
    ([H], ("HRANDFIELD", "h"), []),
    ([S], ("DEBUG", "RELOAD"), []),
]
