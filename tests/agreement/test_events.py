"""Keyspace events: every event of every command, in its order, as the real server reports them."""

from __future__ import annotations

from random import Random
from typing import Iterator

import pytest

from tests import effort

from .events import Listener
from .grammar import Entry, read_grammar
from .grammar_play import play_listening, shortest
from .grammar_writer import Writer
from .replies import parse
from .requests_introspection import COMMANDS
from .servers import BothServers, encode

pytestmark = [pytest.mark.peer, pytest.mark.timeout(7200)]

SEQUENCES = 300 if effort.is_long() else effort.examples(20)


@pytest.fixture
def listener(both: BothServers) -> Iterator[Listener]:
    """A listener to both servers."""
    listener = Listener(both)
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def grammar(servers: BothServers) -> list[Entry]:
    """What Redis says of all commands that can be compared."""
    return read_grammar(parse(servers.ask_real("COMMAND", "DOCS"))[0], [each.name for each in COMMANDS])


@pytest.mark.parametrize("part", range(4))
def test_requests_by_the_grammar_of_redis_cause_the_same_events(
    servers: BothServers, grammar: list[Entry], part: int
) -> None:
    for number in range(SEQUENCES):
        chance = Random(f"events {part} {number}")  # text gives the same sequence in every process
        requests = Writer(chance, grammar).sequence(chance.choice([10, 20, 40, 80]))
        try:
            play_listening(servers, requests, 2)
        except AssertionError:
            play_listening(servers, shortest(servers, requests, 2, play_listening), 2)
            raise


CASES = """
SET k v; SET k v EX 100; SET k v PX 100000 NX; SET k v KEEPTTL; SET k v XX GET; SETNX k v; SETNX j v
    GETSET k w; GETDEL k
SETEX k 100 v; PSETEX k 100000 v; GETEX k EX 50; GETEX k PERSIST; GETEX k PERSIST; GETEX k PXAT 1
    GETEX k
SET k v PXAT 1; EXISTS k
MSET a 1 b 2 a 3; MSETNX a 1 c 2; MSETNX c 1 d 2; APPEND e x; APPEND e y; SETRANGE e 3 z; SETRANGE e 0 ''
    SETRANGE f 0 ''
INCR n; DECR n; INCRBY n 5; DECRBY n 3; INCRBYFLOAT n 1.5; INCRBYFLOAT m 2; INCR n
SETBIT b 7 1; SETBIT b 7 1; SETBIT b 100 0; BITFIELD b SET u8 0 255; BITFIELD b GET u8 0
    BITFIELD c INCRBY u2 0 1
BITFIELD b SET u8 0 255; BITFIELD b OVERFLOW FAIL INCRBY u8 0 255; BITFIELD z OVERFLOW FAIL INCRBY u2 0 8
    BITFIELD y
BITOP AND d b c; BITOP NOT d b; BITOP OR d x y; BITOP XOR e x y
LPUSH l a b; RPUSH l c; LPUSHX l d; RPUSHX nope d; LINSERT l BEFORE a z; LINSERT l AFTER nope z
    LSET l 0 q; LREM l 0 a
LREM l 0 nope; LTRIM l 0 1; LTRIM l 0 -1; LPOP l; RPOP l; LPOP l; RPUSH l 1 2 3; LPOP l 5; RPUSH l 1 2 3
    LTRIM l 5 9
RPUSH l 1 2; LMOVE l m LEFT RIGHT; LMOVE l m RIGHT LEFT; RPOPLPUSH m m; LMOVE m m LEFT RIGHT
    RPOPLPUSH m n; LMPOP 2 x n LEFT
RPUSH m 1 2; BLPOP m 0; BRPOPLPUSH m p 0; BLMOVE p q LEFT LEFT 0; BLMPOP 0 1 q LEFT COUNT 3
SADD s a b; SADD s a; SREM s a; SREM s nope; SPOP s; SADD s a b c; SPOP s 2; SPOP s 5; SADD s a b
    SMOVE s t a; SMOVE s t nope
SMOVE s t b; SADD t x; SMOVE t t x; SADD u a; SINTERSTORE v t u; SUNIONSTORE v t u; SDIFFSTORE v t t
    SDIFFSTORE v t t
SREM u a; SPOP u; SADD u 1 2 3; SPOP u 0; SRANDMEMBER nope
HSET h f v g w; HSET h f v; HSETNX h f v; HSETNX h i v; HMSET h j v; HINCRBY h n 1; HINCRBYFLOAT h n 1.5
    HDEL h f nope; HDEL h nope
HDEL h g i j n; HINCRBY h n 1; HDEL h n
ZADD z 1 a 2 b; ZADD z 1 a; ZADD z XX 3 nope; ZADD z XX CH 3 a; ZADD z INCR 1 a; ZADD z NX INCR 1 a
    ZINCRBY z 2 a; ZINCRBY y 1 a
ZREM z nope; ZREM z a; ZPOPMIN z; ZADD z 1 a 2 b 3 c; ZPOPMAX z 2; ZPOPMIN z 9; ZADD z 1 a 2 b 3 c 4 d
    ZREMRANGEBYRANK z 0 0
ZREMRANGEBYSCORE z 2 2; ZREMRANGEBYLEX z - (d; ZREMRANGEBYLEX z - +; ZADD z XX 1 a; ZADD z 1 a 2 b
    ZREMRANGEBYSCORE z 9 10
ZRANGESTORE t z 0 -1; ZRANGESTORE t z 5 9; ZUNIONSTORE t 1 z; ZINTERSTORE t 2 z z; ZDIFFSTORE t 2 z z
    ZDIFFSTORE t 2 z z
ZADD z 1 a 2 b 3 c 4 d; ZMPOP 2 x z MIN; BZPOPMIN z 0; BZPOPMAX z 0; BZMPOP 0 1 z MIN
GEOADD g 1 1 a 2 2 b; GEOSEARCHSTORE t g FROMLONLAT 1 1 BYRADIUS 1000 km
    GEOSEARCHSTORE t nope FROMLONLAT 1 1 BYRADIUS 1 km
GEORADIUS g 1 1 1000 km STORE t; GEORADIUS g 50 50 1 km STOREDIST t
    GEORADIUSBYMEMBER g a 1000 km STOREDIST t
PFADD p a b; PFADD p a; PFADD p; PFADD q; PFMERGE r p q; PFCOUNT p; PFCOUNT p q; PFMERGE p
XADD x 1-1 f v; XADD x MAXLEN 1 2-1 f v; XADD x MAXLEN 5 3-1 f v; XTRIM x MAXLEN 5; XTRIM x MAXLEN 1
    XDEL x 1-1; XDEL x 3-1
XADD x NOMKSTREAM 9-1 f v; XADD nope NOMKSTREAM 9-1 f v; XSETID x 99-1; XGROUP CREATE x g $
    XGROUP CREATE y g $ MKSTREAM
XGROUP SETID x g 0; XGROUP CREATECONSUMER x g c; XGROUP CREATECONSUMER x g c; XGROUP DELCONSUMER x g c
    XGROUP DELCONSUMER x g c
XREADGROUP GROUP g d STREAMS x >; XREADGROUP GROUP g e STREAMS x >; XADD x 100-1 f v
    XREADGROUP GROUP g e STREAMS x >; XACK x g 100-1
XADD x 101-1 f v; XREADGROUP GROUP g e NOACK STREAMS x >; XREADGROUP GROUP g e STREAMS x 0
    XREADGROUP GROUP g h STREAMS x 0
XADD x 102-1 f v; XREADGROUP GROUP g e STREAMS x >; XCLAIM x g i 0 102-1; XAUTOCLAIM x g j 0 0
    XGROUP DESTROY x g; XGROUP DESTROY x g
DEL nope; UNLINK nope; SET k v; DEL k k; SET k v; UNLINK k nope; SET k v; EXPIRE k 100; EXPIRE k 50 GT
    EXPIRE k -1; EXPIRE k 9
SET k v; PEXPIREAT k 1; SET k v; EXPIREAT k 9999999999; PERSIST k; PERSIST k; RENAME k j; RENAMENX j k
    SET j w; RENAME k j; RENAMENX j j
RENAME j j; COPY j k; COPY j k; COPY j k REPLACE; COPY j k DB 1; MOVE j 1; MOVE j 2; MOVE k 1; SELECT 1
    FLUSHDB; SET a b; FLUSHALL
RPUSH l 2 1; SORT l; SORT l STORE t; SORT nope STORE t; SORT nope STORE t; SORT l STORE l
GET nope; MGET nope nope2; STRLEN nope; EXISTS nope; TTL nope; TYPE nope; OBJECT ENCODING nope; DUMP nope
    LLEN nope; HGET nope f
HGETALL nope; SMEMBERS nope; SINTER nope nope2; SUNION nope; ZSCORE nope a; ZRANGE nope 0 -1; XLEN nope
    XRANGE nope - +; XREAD STREAMS nope 0
GETRANGE nope 0 -1; GETBIT nope 1; BITCOUNT nope; BITPOS nope 1; SCARD nope; SRANDMEMBER nope
    PFCOUNT nope; GEOPOS nope a; SCAN 0; HSCAN nope 0
TOUCH nope; PTTL nope; PEXPIRETIME nope; EXPIRETIME nope; OBJECT FREQ nope; MEMORY USAGE nope
    DEBUG DIGEST; LPOS nope a; LRANGE nope 0 -1; LCS nope a
GETEX nope; GETDEL nope; GETSET nope v; SET nope2 v GET; APPEND nope3 v; LPOP nope; SPOP nope
    ZPOPMIN nope; HDEL nope f; XACK nope g 1-1
ZRANDMEMBER nope; HRANDFIELD nope; SISMEMBER nope a; SMISMEMBER nope a; HEXISTS nope a; HMGET nope a
    ZMSCORE nope a; ZINTERCARD 1 nope
ZUNION 2 nope nope2; SORT nope BY x*; RPUSH l 1; SORT l BY w* GET v*; RANDOMKEY; KEYS *; BITOP NOT d nope
    SINTERCARD 1 nope; XPENDING nope g
MULTI; SET k v; LPUSH l x; DEL k; EXEC; MULTI; SET k v; DISCARD; SWAPDB 0 1; DEBUG SLEEP 0
    DEBUG STRINGMATCH-LEN 1 a
"""


LINES = CASES.replace("\n    ", "; ").strip().split("\n")


@pytest.mark.parametrize("line", LINES)
def test_a_command_causes_the_same_events(listener: Listener, line: str) -> None:
    for request in line.split("; "):
        listener.call(*("" if word == "''" else word for word in request.split(" ")))


NOT_ALIKE = ("MGET", "SORT", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "ZMPOP", "ZPOPMIN", "ZPOPMAX", "SPOP")
"""Commands that report while they write an array, so that in Redis a message stands within the reply; and one that
chooses at random."""


@pytest.mark.parametrize("line", [line for line in LINES if "MULTI" not in line])
def test_a_client_sees_its_own_events_before_or_behind_the_reply_alike(both: BothServers, line: str) -> None:
    both.begin(3)
    both.call("CONFIG", "SET", "notify-keyspace-events", "EA")
    both.call("PSUBSCRIBE", "__key*__:*")
    try:
        for request in line.split("; "):
            words = ["" if word == "''" else word for word in request.split(" ")]
            if words[0] in NOT_ALIKE or words[-1] == "GET" or words[-2:] == ["PXAT", "1"]:
                continue  # the last has expired at once here, and is found to have at some time there
            data = encode(tuple(words))
            both.real.send(data + encode(("ECHO", "end")))
            theirs = b""
            while not theirs.endswith(b"$3\r\nend\r\n"):
                theirs += both.real.ask(b"")
            ours = both.ours.send(data + encode(("ECHO", "end")))
            assert ours == theirs, request
    finally:
        both.control.ask(encode(("CONFIG", "SET", "notify-keyspace-events", "")))
