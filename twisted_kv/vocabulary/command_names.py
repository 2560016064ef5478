"""What clients need to know about commands, by name, without loading any command.

A test checks that these lists agree with the declarations.
"""

from __future__ import annotations

from typing import Final, Sequence

from twisted_kv.vocabulary.errors import as_text
from twisted_kv.vocabulary.numbers import parse_double

READ_ONLY: Final = frozenset(
    b"""
    bitcount bitfield_ro bitpos dbsize dump echo eval_ro evalsha_ro exists expiretime fcall_ro geodist geohash
    geopos georadius_ro georadiusbymember_ro geosearch get getbit getrange hexists hget hgetall hkeys hlen hmget
    hrandfield hscan hstrlen hvals keys lcs lindex llen lpos lrange mget pexpiretime pfcount ping pttl randomkey
    scan scard sdiff sinter sintercard sismember smembers smismember sort_ro srandmember sscan strlen substr
    sunion time touch ttl type xlen xpending xrange xread xrevrange zcard zcount zdiff zinter zintercard
    zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank zrevrange zrevrangebylex
    zrevrangebyscore zrevrank zscan zscore zunion
    """.split()
)
"""Commands that may safely be sent twice, because they change nothing."""

TIMEOUT_LAST: Final = frozenset(b"blpop brpop blmove brpoplpush bzpopmin bzpopmax".split())
"""Commands whose last argument is their timeout in seconds."""
TIMEOUT_FIRST: Final = frozenset(b"blmpop bzmpop".split())
"""Commands whose first argument is their timeout in seconds."""
BLOCK_OPTION: Final = frozenset(b"xread xreadgroup".split())
"""Commands whose option BLOCK is their timeout in milliseconds."""

OF_CONNECTION: Final = frozenset(b"auth hello reset select".split())
"""Commands whose effect is lost when a client reconnects."""

OF_CONNECTION_BY_CLIENT: Final = frozenset(b"caching reply tracking".split())
"""Subcommands of CLIENT of that kind, after which replies may be missing or messages come."""

LISTENING: Final = frozenset(b"monitor psubscribe punsubscribe ssubscribe subscribe sunsubscribe unsubscribe".split())
"""Commands after which a connection gets messages that answer no request."""


def check_single_reply(words: Sequence[bytes]) -> None:
    """Raise ValueError for a request that has not exactly one reply."""
    name = words[0].lower()
    is_mute = name == b"client" and len(words) > 1 and words[1].lower() == b"reply"
    if name in LISTENING or name in (b"sync", b"psync") or is_mute:
        shown = as_text(b" ".join(words[: 1 + is_mute]))
        raise ValueError(f"this client waits for one reply, and {shown} has none or many")


def waiting_seconds(words: Sequence[bytes]) -> float | None:
    """Return a request's timeout in seconds, 0 for no limit; None for a request that does not wait."""
    name = words[0].lower()
    try:
        if name in TIMEOUT_LAST:
            return parse_double(words[-1])
        if name in TIMEOUT_FIRST:
            return parse_double(words[1])
        if name in BLOCK_OPTION:
            options = [word.upper() for word in words]
            end = options.index(b"STREAMS")
            return int(words[options.index(b"BLOCK", 0, end) + 1]) / 1000
    except (ValueError, IndexError):
        pass  # the request does not wait, or is refused at once
    return None
