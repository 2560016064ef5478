"""What clients have to know of commands by their names, without loading any command.

A test holds these lists equal to the declarations.
"""

from __future__ import annotations

from typing import Final, Sequence

from twisted_kv.vocabulary.numbers import parse_double

READ_ONLY: Final = frozenset(
    b"""
    bitcount bitfield_ro bitpos dbsize dump echo exists expiretime geodist geohash geopos georadius_ro
    georadiusbymember_ro geosearch get getbit getrange hexists hget hgetall hkeys hlen hmget hrandfield hscan
    hstrlen hvals keys lcs lindex llen lpos lrange mget pexpiretime pfcount ping pttl randomkey scan scard sdiff
    sinter sintercard sismember smembers smismember sort_ro srandmember sscan strlen substr sunion time touch
    ttl type xlen xpending xrange xread xrevrange zcard zcount zdiff zinter zintercard zlexcount zmscore
    zrandmember zrange zrangebylex zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan
    zscore zunion
    """.split()
)
"""Commands that may be sent twice: they change nothing."""

LAST_WORD: Final = frozenset(b"blpop brpop blmove brpoplpush bzpopmin bzpopmax".split())
"""Commands that may wait as many seconds as their last argument says."""
FIRST_WORD: Final = frozenset(b"blmpop bzmpop".split())
"""Commands that may wait as many seconds as their first argument says."""
BLOCK_OPTION: Final = frozenset(b"xread xreadgroup".split())
"""Commands that may wait as many milliseconds as the option BLOCK says."""

OF_CONNECTION: Final = frozenset(b"auth hello reset select".split())
"""Commands whose effect is gone when a client connects again."""


def waiting_seconds(words: Sequence[bytes]) -> float | None:
    """Return how long a request may have the server wait, 0 for ever; None for one that is answered at once."""
    name = words[0].lower()
    try:
        if name in LAST_WORD:
            return parse_double(words[-1])
        if name in FIRST_WORD:
            return parse_double(words[1])
        if name in BLOCK_OPTION:
            options = [word.upper() for word in words]
            behind = options.index(b"STREAMS")
            return int(words[options.index(b"BLOCK", 0, behind) + 1]) / 1000
    except (ValueError, IndexError):
        pass  # it does not wait, or is refused at once
    return None
