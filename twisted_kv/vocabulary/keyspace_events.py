"""The keyspace events of Redis 7.0: their names and classes, and the letters of `notify-keyspace-events`."""

from __future__ import annotations

from typing import Dict, Final, FrozenSet

KEYSPACE: Final = "K"
"""Messages to `__keyspace@<database>__:<key>`, whose payload is the event."""
KEYEVENT: Final = "E"
"""Messages to `__keyevent@<database>__:<event>`, whose payload is the key."""

_OF_CLASSES: Final[Dict[str, str]] = {
    "g": "copy_to del expire move_from move_to persist rename_from rename_to restore",
    "$": "append incrby incrbyfloat set setbit setrange pfadd",
    "l": "linsert lpop lpush lrem lset ltrim rpop rpush sortstore",
    "s": "sadd sdiffstore sinterstore spop srem sunionstore",
    "h": "hdel hincrby hincrbyfloat hset",
    "z": "geosearchstore georadiusstore zadd zdiffstore zincr zinterstore zpopmax zpopmin zrangestore zrem "
    "zremrangebylex zremrangebyrank zremrangebyscore zunionstore",
    "x": "expired",
    "e": "evicted",
    "t": "xadd xdel xgroup-create xgroup-createconsumer xgroup-delconsumer xgroup-destroy xgroup-setid xsetid xtrim",
    "d": "",
    "n": "new",
    "m": "keymiss",
}

CLASS_OF: Final[Dict[bytes, str]] = {
    name.encode(): letter for letter, names in _OF_CLASSES.items() for name in names.split()
}
"""The letter of the class of each event."""

CLASSES: Final = tuple(_OF_CLASSES)
"""The letters of all classes, in Redis's order; `d` is that of events of modules, of which there are none."""

ALL: Final[FrozenSet[str]] = frozenset("g$lshzxetd")
"""What the letter `A` stands for."""


def parse(text: str) -> FrozenSet[str]:
    """Parse a value of `notify-keyspace-events`; raises ValueError with Redis's text."""
    if set(text) - {"A", KEYSPACE, KEYEVENT, *CLASSES}:
        raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    return frozenset(text) - {"A"} | (ALL if "A" in text else frozenset())


def format_classes(wanted: FrozenSet[str]) -> str:
    """Write a value of `notify-keyspace-events` as CONFIG GET returns it.

    As in Redis, `n` is not written beside `A`.
    """
    written = ["A"] if wanted >= ALL else [letter for letter in CLASSES if letter in wanted and letter != "m"]
    return "".join([*written, *(letter for letter in (KEYSPACE, KEYEVENT, "m") if letter in wanted)])
