"""Think of what clients send to a server that is to be killed: requests of all types, in transactions and alone."""

from __future__ import annotations

import random
from typing import Callable, Dict, Iterator, NamedTuple, Tuple

from tests.generated.models.model import TICKET

Words = Tuple[bytes, ...]

SHARED = 3
"""The databases, from the first on, that all connections use; behind them each has two of its own."""

FUTURE = 4_000_000_000_000
"""Milliseconds since 1970: a date in the year 2096."""

KINDS = (
    "SET SET SET SET SET HSET HSET HSET INCR INCR COUNT COUNT COUNT COUNT DRAW DRAW DRAW APPEND APPEND HDEL HINCRBY "
    "INCRBYFLOAT MSET MSET DEL DEL GETDEL RENAME EXPIRE EXPIRE PEXPIREAT PERSIST PERSIST GETEX SELECT SELECT "
    "SETRANGE SETRANGE SETBIT SETBIT RPUSH RPUSH RPUSH LPUSH LPUSHX LPOP RPOP LMOVE LMOVE LTRIM LSET LINSERT LREM "
    "SADD SADD SADD SREM SMOVE SPOP SUNIONSTORE SDIFFSTORE ZADD ZADD ZADD ZINCRBY ZINCRBY ZREM ZREMRANGEBYSCORE "
    "ZREMRANGEBYRANK ZPOPMIN ZPOPMAX ZUNIONSTORE ZRANGESTORE XADD XADD XADD XADD XDEL XTRIM XSETID XGROUP XGROUP "
    "XREADGROUP XREADGROUP XREADGROUP XACK XACK XCLAIM XAUTOCLAIM RENAMENX MOVE COPY COPY SWAPDB FLUSHDB MULTI MULTI "
    "RUN RUN"
).split()
"""The kinds of requests, each as often as it is likely.

COUNT goes to a key that is never removed, so that few states come twice.  RUN stands for several of one kind.
"""

FAMILIES = "snfhbltzx"
"""The kinds of keys, by what they have held most often: a string, a counter (n), a float, a hash, a string of more than
64 KiB (b), a list, a set (t), a sorted set (z) or a stream (x)."""

NUMBERS = {"s": 8, "n": 8, "f": 8, "h": 8, "b": 1, "x": 2}
"""How many keys there are of a kind, if not 3."""


class Served(NamedTuple):
    """A request that waits for a key, what was done to the key before, and what then puts something there."""

    before: list[Words]
    waiting: Words
    serving: list[Words]


class Author:
    """Thinks of the requests of one connection: on its own keys, in a few databases, each value another.

    `era` is how many authors had the name before: entries of streams are named behind those of before.

    `database` is where it is, and `must_wait` whether the server has something to choose for the last request, so that
    the next one is to be sent once that is answered.
    """

    def __init__(self, name: int, draw: random.Random, ballast: int = 0, era: int = 0) -> None:
        self.draw = draw
        self.database = 0
        self.must_wait = False
        self._name = name
        self._count = 0
        self._era = era
        self._stamp = draw.getrandbits(32)
        self._ballast = iter(range(ballast))
        self._own = [SHARED + 2 * name, SHARED + 2 * name + 1]
        self._planned: list[Words] = []
        self._leaves_nothing = False  # to the server to choose
        self._thought: Dict[str, Callable[[], Words]] = {
            **self._plain(),
            **self._of_collections(),
            **self._of_streams(),
        }

    def request(self) -> Words:
        """Give the next request."""
        for number in self._ballast:
            return b"SET", b"%d:ballast%d" % (self._name, number), self._value() + b"b" * 1000
        if not self._planned:
            kind = self.draw.choice(KINDS)
            self._planned = self._transaction() if kind == "MULTI" else self._several(kind)
        words = self._planned.pop(0)
        self.must_wait = not self.is_amid and (words[0] in (b"SPOP", b"EXEC") or b"*" in words)
        return words

    @property
    def is_amid(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return bool(self._planned)

    def _think(self, kind: str) -> Words:
        if kind in ("DRAW", "FLUSHDB") and (self.database < SHARED) is (kind == "FLUSHDB"):
            kind = "COUNT"
        return self._thought[kind]()

    def _several(self, kind: str) -> list[Words]:
        """Give a request of a kind, or for RUN several of one of the kinds that are run together where they may."""
        if kind != "RUN":
            return [self._think(kind)]
        kind = self.draw.choice(["SET", "SET", "SET", "INCR", "HSET", "RPUSH", "SADD", "ZADD", "APPEND"])
        return [self._think(kind)[:3] if kind == "SET" else self._think(kind) for _ in range(self.draw.randint(4, 12))]

    def _transaction(self) -> list[Words]:
        """Give some requests that are done all or none; where the server chooses, nothing follows."""
        kinds = [self.draw.choice(KINDS) for _ in range(self.draw.randint(1, 8))]
        plain = [kind for kind in kinds if kind not in ("MULTI", "SPOP", "RUN")]
        if self.draw.random() < 0.2:
            plain.append("SPOP")
        database, self._leaves_nothing = self.database, True
        requests = [self._think(kind) for kind in plain]
        self._leaves_nothing = False
        if self.draw.random() < 0.95:
            return [(b"MULTI",), *requests, (b"EXEC",)]
        self.database = database
        return [(b"MULTI",), *requests, (b"DISCARD",)]

    # Parts of requests

    def _key(self, family: str) -> bytes:
        if self.draw.random() < 0.02:
            family = self.draw.choice(FAMILIES)
        return f"{self._name}:{family}{self.draw.randrange(NUMBERS.get(family, 3))}".encode()

    def _any_key(self) -> bytes:
        return self._key(self.draw.choice(FAMILIES))

    def _value(self) -> bytes:
        self._count += 1
        size = 20_000 if self.draw.random() < 0.005 else self.draw.randrange(60)
        return b"v%d.%x." % (self._count, self._stamp) + b"x" * size

    def _values(self) -> list[bytes]:
        return [self._value() for _ in range(self.draw.randint(1, 4))]

    def _far(self, unit: int) -> bytes:
        return b"%d" % (self.draw.randrange(10_000, 1_000_000) * unit)

    def _number(self, least: int, most: int) -> bytes:
        return b"%d" % self.draw.randint(least, most)

    def _pairs(self) -> Iterator[bytes]:
        for field in self.draw.sample(range(8), self.draw.randint(1, 5)):
            yield from (b"f%d" % field, self._value())

    def _members(self, most: int) -> list[bytes]:
        """Give members, some of which are numbers, so that sets are kept in all ways."""
        return [self.draw.choice([b"m%d", b"%d"]) % self.draw.randrange(20) for _ in range(self.draw.randint(1, most))]

    def _scores(self) -> Iterator[bytes]:
        for member in {*self._members(4)}:
            yield from (b"%g" % (self.draw.randrange(40) / 2), member)

    def _end(self) -> bytes:
        return self.draw.choice([b"LEFT", b"RIGHT"])

    def _select(self) -> Words:
        self.database = self.draw.choice([*range(SHARED), *range(SHARED), *self._own])
        return b"SELECT", b"%d" % self.database

    def _elsewhere(self) -> bytes:
        return b"%d" % self.draw.choice([*range(SHARED), *self._own])

    # Requests by their kinds

    def _set(self) -> Words:
        options = [(), (), (b"PX", self._far(1000)), (b"KEEPTTL",), (b"NX",)]
        return (b"SET", self._key("s"), self._value(), *self.draw.choice(options))

    def _plain(self) -> Dict[str, Callable[[], Words]]:
        draw, key, value = self.draw, self._key, self._value
        return {
            "SET": self._set,
            "SELECT": self._select,
            "DRAW": lambda: (b"INCR", TICKET),
            "COUNT": lambda: (b"INCR", b"%d:count" % self._name),
            "INCR": lambda: (b"INCR", key("n")),
            "INCRBYFLOAT": lambda: (b"INCRBYFLOAT", key("f"), b"0.5"),
            "APPEND": lambda: (b"APPEND", key(draw.choice("sb")), value()),
            "SETRANGE": lambda: (b"SETRANGE", key("b"), self._number(0, 90_000), value()),
            "SETBIT": lambda: (b"SETBIT", key("b"), self._number(0, 800_000), self._number(0, 1)),
            "MSET": lambda: (b"MSET", key("s"), value(), key("s"), value()),
            "GETDEL": lambda: (b"GETDEL", key(draw.choice("sssb"))),
            "GETEX": lambda: (b"GETEX", key("s"), *draw.choice([(b"PX", self._far(1000)), (b"PERSIST",)])),
            "HSET": lambda: (b"HSET", key("h"), *self._pairs()),
            "HDEL": lambda: (b"HDEL", key("h"), *(b"f%d" % each for each in draw.sample(range(8), 3))),
            "HINCRBY": lambda: (b"HINCRBY", key("h"), b"n", self._number(-9, 9)),
            "DEL": lambda: (b"DEL", self._any_key(), key("h")),
            "RENAME": lambda: (b"RENAME", *self._two_keys()),
            "RENAMENX": lambda: (b"RENAMENX", *self._two_keys()),
            "COPY": lambda: (b"COPY", *self._two_keys(), b"DB", self._elsewhere(), *draw.choice([(), (b"REPLACE",)])),
            "MOVE": lambda: (b"MOVE", self._any_key(), self._elsewhere()),
            "SWAPDB": lambda: (b"SWAPDB", *(b"%d" % each for each in draw.sample(self._own, 2))),
            "FLUSHDB": lambda: (b"FLUSHDB",),
            "EXPIRE": lambda: (b"EXPIRE", self._any_key(), b"-1" if draw.random() < 0.1 else self._far(1)),
            "PEXPIREAT": lambda: (b"PEXPIREAT", self._any_key(), b"%d" % (FUTURE + draw.randrange(FUTURE))),
            "PERSIST": lambda: (b"PERSIST", self._any_key()),
        }

    def _two_keys(self) -> tuple[bytes, bytes]:
        family = self.draw.choice("s" + FAMILIES)
        return self._key(family), self._key(family)

    def _of_collections(self) -> Dict[str, Callable[[], Words]]:
        draw, key = self.draw, self._key
        return {
            "RPUSH": lambda: (b"RPUSH", key("l"), *self._values()),
            "LPUSH": lambda: (b"LPUSH", key("l"), *self._values()),
            "LPUSHX": lambda: (b"LPUSHX", key("l"), self._value()),
            "LPOP": lambda: (b"LPOP", key("l"), *draw.choice([(), (b"3",)])),
            "RPOP": lambda: (b"RPOP", key("l"), *draw.choice([(), (b"3",)])),
            "LMOVE": lambda: (b"LMOVE", key("l"), key("l"), self._end(), self._end()),
            "LTRIM": lambda: (b"LTRIM", key("l"), self._number(0, 2), self._number(3, 12)),
            "LSET": lambda: (b"LSET", key("l"), self._number(0, 3), b"e%d" % draw.randrange(4)),
            "LINSERT": lambda: (b"LINSERT", key("l"), b"BEFORE", b"e%d" % draw.randrange(4), self._value()),
            "LREM": lambda: (b"LREM", key("l"), b"0", b"e%d" % draw.randrange(4)),
            "SADD": lambda: (b"SADD", key("t"), *self._members(6)),
            "SREM": lambda: (b"SREM", key("t"), *self._members(3)),
            "SMOVE": lambda: (b"SMOVE", key("t"), key("t"), *self._members(1)),
            "SPOP": lambda: (b"SPOP", key("t"), *draw.choice([(), (b"3",)])),
            "SUNIONSTORE": lambda: (b"SUNIONSTORE", key("t"), key("t"), key("t")),
            "SDIFFSTORE": lambda: (b"SDIFFSTORE", key("t"), key("t"), key("t")),
            "ZADD": lambda: (b"ZADD", key("z"), draw.choice([b"CH", b"NX", b"XX", b"GT", b"LT"]), *self._scores()),
            "ZINCRBY": lambda: (b"ZINCRBY", key("z"), self._number(-3, 3), *self._members(1)),
            "ZREM": lambda: (b"ZREM", key("z"), *self._members(3)),
            "ZREMRANGEBYSCORE": lambda: (b"ZREMRANGEBYSCORE", key("z"), self._number(0, 9), self._number(9, 12)),
            "ZREMRANGEBYRANK": lambda: (b"ZREMRANGEBYRANK", key("z"), self._number(0, 5), self._number(5, 8)),
            "ZPOPMIN": lambda: (b"ZPOPMIN", key("z"), self._number(1, 3)),
            "ZPOPMAX": lambda: (b"ZPOPMAX", key("z"), self._number(1, 3)),
            "ZUNIONSTORE": lambda: (b"ZUNIONSTORE", key("z"), b"2", key("z"), key("z")),
            "ZRANGESTORE": lambda: (b"ZRANGESTORE", key("z"), key("z"), self._number(0, 3), self._number(4, 9)),
        }

    def _of_streams(self) -> Dict[str, Callable[[], Words]]:
        key = self._key
        return {
            "XADD": self._xadd,
            "XDEL": lambda: (b"XDEL", key("x"), *self._ids(6)),
            "XTRIM": lambda: (b"XTRIM", key("x"), b"MAXLEN", self._number(2, 9)),
            "XSETID": lambda: (b"XSETID", key("x"), b"%d-9" % self._date()),
            "XGROUP": self._xgroup,
            "XREADGROUP": lambda: (b"XREADGROUP", *self._reader(), *self._how(), b"STREAMS", key("x"), b">"),
            "XACK": lambda: (b"XACK", key("x"), self._group(), *self._ids(8)),
            "XCLAIM": lambda: (b"XCLAIM", key("x"), self._group(), self._consumer(), b"0", *self._ids(8)),
            "XAUTOCLAIM": lambda: (b"XAUTOCLAIM", key("x"), self._group(), self._consumer(), b"0", b"0"),
        }

    def _date(self) -> int:
        """Give what the entries of now begin with; a few follow each other with the same, and it never falls."""
        return FUTURE + self._era * 1_000_000 + self._count // 20

    def _xadd(self) -> Words:
        most = self.draw.choice([(), (), (b"MAXLEN", self._number(1, 12))])
        wish = b"*" if self.draw.random() < 0.2 and not self._leaves_nothing else b"%d-*" % self._date()
        return (b"XADD", self._key("x"), *most, wish, *self._pairs())

    def _ids(self, count: int) -> list[bytes]:
        dates = [self._date() - self.draw.randrange(12) for _ in range(count)]
        return [b"%d-%d" % (date, self.draw.choice([0, 0, 0, 1])) for date in dates]

    def _group(self) -> bytes:
        return self.draw.choice([b"g", b"g", b"other"])

    def _consumer(self) -> bytes:
        return self.draw.choice([b"alice", b"bob"])

    def _reader(self) -> Words:
        return b"GROUP", self._group(), self._consumer()

    def _how(self) -> Words:
        return (b"COUNT", self._number(1, 5), *self.draw.choice([(), (), (b"NOACK",)]))

    def _xgroup(self) -> Words:
        key, group = self._key("x"), self._group()
        start = self.draw.choice([b"0", b"$"])
        create = (b"XGROUP", b"CREATE", key, group, start, b"MKSTREAM")
        others: list[Words] = [
            (b"XGROUP", b"DESTROY", key, group),
            (b"XGROUP", b"SETID", key, group, start),
            (b"XGROUP", b"CREATECONSUMER", key, group, self._consumer()),
            (b"XGROUP", b"DELCONSUMER", key, group, self._consumer()),
        ]
        return self.draw.choice([create, create, create, *others])

    # Requests that wait

    def served(self) -> Served:
        """Think of a request that waits for a key, and of what lets it go on."""
        key = b"%d:wait" % self._name
        return self.draw.choice([self._served_list, self._served_ranks, self._served_stream])(key)

    def _served_list(self, key: bytes) -> Served:
        other = self._key("l")
        waiting = self.draw.choice(
            [
                (b"BLPOP", key, b"0"),
                (b"BRPOP", key, b"0"),
                (b"BLMOVE", key, other, self._end(), self._end(), b"0"),
                (b"BLMPOP", b"0", b"1", key, self._end(), b"COUNT", b"2"),
            ]
        )
        made = b"%d:made" % self._name
        push = (b"RPUSH", key, *self._values())
        way = self.draw.choice([b"RENAME", b"COPY", b"LMOVE", b"MULTI", b"RPUSH"])
        serving = {
            b"RENAME": [(b"RPUSH", made, *self._values()), (b"RENAME", made, key)],
            b"COPY": [(b"RPUSH", made, *self._values()), (b"COPY", made, key, b"DB", b"%d" % self.database)],
            b"LMOVE": [(b"LPUSH", made, self._value()), (b"LMOVE", made, key, b"LEFT", b"RIGHT")],
            b"MULTI": [(b"MULTI",), self._set(), push, (b"HSET", self._key("h"), *self._pairs()), push, (b"EXEC",)],
            b"RPUSH": [push],
        }
        return Served([(b"DEL", key, made)], waiting, serving[way])

    def _served_ranks(self, key: bytes) -> Served:
        waiting = self.draw.choice(
            [
                (b"BZPOPMIN", key, b"0"),
                (b"BZPOPMAX", key, b"0"),
                (b"BZMPOP", b"0", b"1", key, self.draw.choice([b"MIN", b"MAX"]), b"COUNT", b"2"),
            ]
        )
        add = (b"ZADD", key, b"CH", *self._scores())
        serving = self.draw.choice(
            [[add], [(b"ZINCRBY", key, b"2", b"m")], [(b"MULTI",), add, self._set(), (b"EXEC",)]]
        )
        return Served([(b"DEL", key)], waiting, serving)

    def _served_stream(self, key: bytes) -> Served:
        before = [(b"DEL", key), (b"XGROUP", b"CREATE", key, b"g", b"$", b"MKSTREAM")]
        waiting = (b"XREADGROUP", b"GROUP", b"g", self._consumer(), b"BLOCK", b"0", b"STREAMS", key, b">")
        add = (b"XADD", key, b"%d-*" % self._date(), *self._pairs())
        return Served(before, waiting, self.draw.choice([[add], [(b"MULTI",), add, add, (b"EXEC",)]]))
