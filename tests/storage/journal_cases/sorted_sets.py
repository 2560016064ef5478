"""What is noted of the commands on sorted sets."""

from __future__ import annotations

from typing import Any, List, Tuple

Case = Tuple[List[Tuple[Any, ...]], Tuple[Any, ...], List[Tuple[Any, ...]]]
"""What was done before, a request, and what is noted of it."""

Z = ("ZADD", "z", 1, "a", 2, "b", 3, "c")
Y = ("ZADD", "y", 5, "c", 6, "d")
K = ("SET", "k", "v")

CASES: list[Case] = [
    ([], Z, [Z]),
    ([Z], Z, []),
    ([K], ("ZADD", "k", 1, "a"), []),
    ([Z], ("ZADD", "z", 2, "a"), [("ZADD", "z", 2, "a")]),
    ([Z], ("ZADD", "z", "xx", "GT", "CH", 2, "a"), [("ZADD", "z", "xx", "GT", "CH", 2, "a")]),
    ([Z], ("ZADD", "z", "NX", 2, "a"), []),
    ([Z], ("ZADD", "z", "LT", 2, "a"), []),
    ([], ("ZADD", "z", "XX", 2, "a"), []),
    ([Z], ("ZADD", "z", "INCR", 2, "a"), [("ZADD", "z", "INCR", 2, "a")]),
    ([Z], ("ZADD", "z", "INCR", 0, "a"), []),
    ([Z], ("ZINCRBY", "z", "1.5", "a"), [("ZINCRBY", "z", "1.5", "a")]),
    ([Z], ("ZINCRBY", "z", 0, "a"), []),
    ([], ("ZINCRBY", "z", 0, "a"), [("ZINCRBY", "z", 0, "a")]),
    ([Z], ("ZREM", "z", "a", "x"), [("ZREM", "z", "a", "x")]),
    ([Z], ("ZREM", "z", "x"), []),
    ([Z], ("ZPOPMIN", "z"), [("ZPOPMIN", "z")]),
    ([Z], ("ZPOPMIN", "z", 2), [("ZPOPMIN", "z", 2)]),
    ([Z], ("ZPOPMAX", "z", 9), [("ZPOPMAX", "z", 9)]),
    ([Z], ("ZPOPMAX", "z", 0), []),
    ([], ("ZPOPMAX", "z"), []),
    ([Z], ("ZMPOP", 2, "nope", "z", "MIN"), [("ZPOPMIN", "z", 1)]),
    ([Z], ("ZMPOP", 1, "z", "max", "COUNT", 9), [("ZPOPMAX", "z", 3)]),
    ([], ("ZMPOP", 1, "z", "MIN"), []),
    ([Z], ("BZMPOP", 0, 2, "nope", "z", "MAX", "COUNT", 2), [("ZPOPMAX", "z", 2)]),
    ([Z], ("BZPOPMIN", "nope", "z", 0), [("ZPOPMIN", "z")]),
    ([Z], ("BZPOPMAX", "z", 0), [("ZPOPMAX", "z")]),
    ([Z], ("ZREMRANGEBYRANK", "z", 0, 1), [("ZREMRANGEBYRANK", "z", 0, 1)]),
    ([Z], ("ZREMRANGEBYRANK", "z", 7, 9), []),
    ([Z], ("ZREMRANGEBYSCORE", "z", "(1", "inf"), [("ZREMRANGEBYSCORE", "z", "(1", "inf")]),
    ([Z], ("ZREMRANGEBYSCORE", "z", 7, 9), []),
    ([Z], ("ZREMRANGEBYLEX", "z", "-", "+"), [("ZREMRANGEBYLEX", "z", "-", "+")]),
    ([Z], ("ZREMRANGEBYLEX", "z", "+", "-"), []),
    ([Z], ("ZRANGESTORE", "y", "z", 0, 1), [("ZRANGESTORE", "y", "z", 0, 1)]),
    ([Z], ("ZRANGESTORE", "z", "nope", 0, 1), [("ZRANGESTORE", "z", "nope", 0, 1)]),
    ([Z], ("ZRANGESTORE", "nope", "z", 7, 9), []),
    ([Z, Y], ("ZUNIONSTORE", "z", 2, "y", "z"), [("ZUNIONSTORE", "z", 2, "y", "z")]),
    (
        [Z, Y],
        ("ZINTERSTORE", "x", 2, "y", "z", "WEIGHTS", 2, "0.5", "AGGREGATE", "MAX"),
        [("ZINTERSTORE", "x", 2, "y", "z", "WEIGHTS", 2, "0.5", "AGGREGATE", "MAX")],
    ),
    ([Z, Y], ("ZDIFFSTORE", "x", 2, "y", "z"), [("ZDIFFSTORE", "x", 2, "y", "z")]),
    ([Z], ("ZDIFFSTORE", "z", 2, "z", "z"), [("ZDIFFSTORE", "z", 2, "z", "z")]),
    ([], ("ZDIFFSTORE", "z", 1, "nope"), []),
    ([], ("ZUNIONSTORE", "z", 1, "nope"), []),
    ([], ("ZINTERSTORE", "z", 1, "nope"), []),
    ([Z], ("ZRANDMEMBER", "z"), []),
]
