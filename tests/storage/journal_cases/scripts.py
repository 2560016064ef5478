"""Scripts, which are noted by what they do, and functions, which are kept with the data."""

from __future__ import annotations

from typing import Any, List, Tuple

from twisted_kv.rdb.payload import dump_functions

Case = Tuple[List[Tuple[Any, ...]], Tuple[Any, ...], List[Tuple[Any, ...]]]
"""What was done before, a request, and what is noted of it."""

L = b"#!lua name=l\nredis.register_function('f', function(keys) return redis.call('SET', keys[1], 1) end)"
LOADED = ("FUNCTION", "LOAD", L)
PAYLOAD = dump_functions([L])

SOME_RECORDED = """
redis.set_repl(redis.REPL_NONE) redis.call('INCR', 'a')
redis.set_repl(redis.REPL_ALL) redis.call('INCR', 'b')
redis.set_repl(redis.REPL_REPLICA) redis.call('INCR', 'c')
"""

CASES: list[Case] = [
    ([], ("EVAL", "return redis.call('GET', KEYS[1])", 1, "k"), []),
    ([], ("EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", 1, "k", "v"), [("SET", "k", "v")]),
    (
        [],
        ("EVAL", "redis.call('incr', 'a') redis.call('DEL', 'no') redis.call('incr', 'b')", 0),
        [("INCR", "a"), ("INCR", "b")],
    ),
    ([], ("EVAL", "redis.call('INCR', 'a') error('x')", 0), [("INCR", "a")]),
    (
        [],
        ("EVAL", SOME_RECORDED, 0),
        [("INCR", "b")],
    ),
    ([], ("SCRIPT", "LOAD", "return 1"), []),
    ([], LOADED, [LOADED]),
    ([LOADED], LOADED, []),
    ([LOADED], ("function", "load", "Replace", L), [("FUNCTION", "LOAD", "Replace", L)]),
    ([LOADED], ("FCALL", "f", 1, "k"), [("SET", "k", "1")]),
    ([LOADED], ("FUNCTION", "DELETE", "l"), [("FUNCTION", "DELETE", "l")]),
    ([], ("FUNCTION", "DELETE", "l"), []),
    ([], ("FUNCTION", "FLUSH", "ASYNC"), [("FUNCTION", "FLUSH")]),
    ([], ("FUNCTION", "RESTORE", PAYLOAD), [("FUNCTION", "RESTORE", PAYLOAD)]),
    ([], ("FUNCTION", "RESTORE", PAYLOAD, "flush"), [("FUNCTION", "RESTORE", PAYLOAD, "flush")]),
    ([LOADED], ("FUNCTION", "RESTORE", PAYLOAD), []),
    ([LOADED], ("FUNCTION", "STATS"), []),
]
