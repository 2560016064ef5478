"""What clients say who listen, and those who tell them: scripts for a `Conversation`."""

from __future__ import annotations

from .waiting import read_scripts

TEXT = """
a message for each subscriber
    b: SUBSCRIBE k | c: SUBSCRIBE k j | a: PUBLISH k hello | a: PUBLISH j '' | a: PUBLISH l x
the same channel twice
    b: SUBSCRIBE k k | b: SUBSCRIBE k | a: PUBLISH k x | b: UNSUBSCRIBE k k | a: PUBLISH k x
patterns
    b: PSUBSCRIBE k* | c: PSUBSCRIBE ?1 [^a]2 | a: PUBLISH k1 x; PUBLISH k2 y; PUBLISH a2 z; PUBLISH k z
a channel and a pattern for the same message
    b: SUBSCRIBE k1 | b: PSUBSCRIBE k* | a: PUBLISH k1 x | b: UNSUBSCRIBE | a: PUBLISH k1 x | b: PUNSUBSCRIBE |
    a: PUBLISH k1 x
the pattern first
    b: PSUBSCRIBE k* | b: SUBSCRIBE k1 | a: PUBLISH k1 x
who subscribed first is told first and counts
    b: SUBSCRIBE k | c: SUBSCRIBE k | d: PSUBSCRIBE * | a: PUBLISH k x | a: PUBSUB NUMSUB k j; PUBSUB NUMPAT
shard channels are names of their own
    b: SSUBSCRIBE k | c: SUBSCRIBE k | d: PSUBSCRIBE k | a: PUBLISH k 1 | a: SPUBLISH k 2 |
    a: PUBSUB SHARDCHANNELS; PUBSUB CHANNELS; PUBSUB SHARDNUMSUB k j; PUBSUB NUMSUB k | b: SUNSUBSCRIBE |
    a: SPUBLISH k 3
all kinds are counted
    b: SUBSCRIBE k; PSUBSCRIBE k*; SSUBSCRIBE k; SUBSCRIBE j; SSUBSCRIBE j; PSUBSCRIBE j* | b: UNSUBSCRIBE k |
    b: SUNSUBSCRIBE k; PUNSUBSCRIBE k* | b: UNSUBSCRIBE j; SUNSUBSCRIBE j; PUNSUBSCRIBE j*
unsubscribed from nothing
    b: UNSUBSCRIBE; PUNSUBSCRIBE; SUNSUBSCRIBE | b: UNSUBSCRIBE k; PUNSUBSCRIBE k l; SUNSUBSCRIBE k | b: GET k |
    b: SUBSCRIBE k; PUNSUBSCRIBE; SUNSUBSCRIBE; UNSUBSCRIBE j | b: UNSUBSCRIBE k; UNSUBSCRIBE | b: GET k
what may be said while subscribed
    b: SUBSCRIBE k | b: PING; PING x; PING '' |
    b: GET k; SET k v; DBSIZE; FLY; GET; PUBLISH k x; SUBSCRIBE; CLIENT GETNAME |
    b: MULTI | b: EXEC | b: HELLO 3; HELLO 2 | b: CLIENT SETNAME x; CLIENT NOPE; PUBSUB CHANNELS; DBSIZE |
    b: WATCH k; UNWATCH; AUTH x; SELECT 1; ECHO x; PING x y | b: UNSUBSCRIBE; GET k; PING; PING x
what may be said while subscribed to a shard channel
    b: SSUBSCRIBE k | b: PING; GET k; SPUBLISH k x | b: SUNSUBSCRIBE k; GET k; PING
RESET ends it
    b: SUBSCRIBE k; PSUBSCRIBE j*; SSUBSCRIBE k | b: RESET | b: GET k; PING |
    a: PUBLISH k x; PUBLISH j1 x; SPUBLISH k x |
    a: PUBSUB CHANNELS; PUBSUB NUMPAT
QUIT
    b: SUBSCRIBE k | b: QUIT; PING | a: PUBLISH k x; PUBSUB CHANNELS
who is gone
    b: SUBSCRIBE k | c: SUBSCRIBE k | b gone | a: PUBLISH k x
who sends no more is told no more
    b: SUBSCRIBE k | b half | a: PUBLISH k x | a: PUBLISH k y; PUBSUB CHANNELS
who is killed
    b: SUBSCRIBE k | c: SUBSCRIBE k | d: PING | a: CLIENT KILL TYPE pubsub SKIPME no | a: PUBLISH k x | d: PING
in one pipeline
    b: SUBSCRIBE k; PUBLISH k x; PING; UNSUBSCRIBE k; PUBLISH k y; PING | a: PUBLISH k z
a pipeline of messages
    b: SUBSCRIBE k j | a: PUBLISH k 1; PUBLISH j 2; SET s v; PUBLISH k 3; GET s; PUBLISH j 4
to oneself
    b: HELLO 3 | b: SUBSCRIBE k; PSUBSCRIBE k* | b: PING; PUBLISH k x; PING |
    b: MULTI; PUBLISH k 1; PING; PUBLISH k 2; EXEC |
    b: MULTI; SUBSCRIBE j; PUBLISH j 1; UNSUBSCRIBE j; PUBLISH j 2; EXEC
several channels in a transaction
    b: HELLO 3; MULTI; SUBSCRIBE k j l; PING; UNSUBSCRIBE; PSUBSCRIBE k* j*; EXEC | a: PUBLISH k x
subscribed in a transaction
    b: MULTI; SUBSCRIBE k j; GET x; PING; PING x; UNSUBSCRIBE k; EXEC | b: GET x; PING | a: PUBLISH j x |
    b: UNSUBSCRIBE; GET x
a shard channel in a transaction
    b: MULTI; SSUBSCRIBE k; SUNSUBSCRIBE k; SUNSUBSCRIBE; EXEC | b: MULTI; SUBSCRIBE; EXEC | b: PING
published in a transaction
    b: SUBSCRIBE k | a: MULTI; PUBLISH k 1; SET s v; PUBLISH k 2; EXEC | a: MULTI; PUBLISH k 3; DISCARD
RESET in a transaction
    b: HELLO 3; SUBSCRIBE k; MULTI; PING; RESET; PING | a: PUBLISH k x
a message to one that waits for a key
    b: HELLO 3; SUBSCRIBE k | b: BLPOP l 0; PING | a: PUBLISH k x | a: PUBLISH k y; RPUSH l 1; PUBLISH k z
another protocol while subscribed
    b: HELLO 3 | b: SUBSCRIBE k; HELLO 2; GET x; PING; HELLO 3 | a: PUBLISH k x | b: UNSUBSCRIBE; GET x
questions
    b: SUBSCRIBE a1 | a: PUBSUB CHANNELS a*; PUBSUB CHANNELS b*; PUBSUB CHANNELS a1; PUBSUB CHANNELS ''; PUBSUB NUMSUB |
    a: PUBSUB NUMSUB a1 a1 x; PUBSUB SHARDNUMSUB; PUBSUB SHARDCHANNELS a*; PUBSUB NUMPAT
questions asked wrongly
    a: PUBSUB | a: PUBSUB NOPE | a: PUBSUB CHANNELS a b | a: PUBSUB NUMPAT x | a: PUBSUB SHARDCHANNELS a b |
    a: pubsub channels |
    a: PUBLISH | a: PUBLISH k | a: PUBLISH k x y | a: SPUBLISH k | a: SUBSCRIBE | a: PSUBSCRIBE | a: SSUBSCRIBE
the empty name
    b: SUBSCRIBE '' | c: PSUBSCRIBE '' | d: PSUBSCRIBE * | a: PUBLISH '' x; PUBSUB CHANNELS; PUBSUB NUMSUB ''
"""

SCRIPTS = read_scripts(TEXT)
