"""What clients say who wait for keys, and those who wake them: scripts for a `Conversation`."""

from __future__ import annotations

TEXT = """
who came first is served first
    b: BLPOP k 0 | c: BRPOP k 0 | d: BLPOP k 0 | a: RPUSH k 1 | a: RPUSH k 2 | a: RPUSH k 3 | a: EXISTS k
one push serves several
    b: BLPOP k 0 | c: BRPOP k 0 | d: BLPOP k 0 | a: RPUSH k 1 2 3 4 5 | a: LRANGE k 0 -1
what is there is taken at once
    a: RPUSH k 1 2 3 | b: BLPOP j k 0 | b: BRPOP k j 0 | b: BLPOP k 0 | b: BLPOP k 0
a push that serves all tells how long the list was
    b: BLPOP k 0 | a: LPUSH k 1 | a: LLEN k | a: LPUSH k 2
moves in a chain
    d: BLMOVE c d LEFT RIGHT 0 | c: BLMOVE b c LEFT RIGHT 0 | b: BLMOVE a b LEFT RIGHT 0 | x: RPUSH a 1 2 |
    x: LRANGE a 0 -1; LRANGE b 0 -1; LRANGE c 0 -1; LRANGE d 0 -1
moves in a ring
    b: BRPOPLPUSH a b 0 | c: BRPOPLPUSH b a 0 | d: BLPOP a 0 | x: RPUSH a 1 | x: KEYS *
a move to where it came from
    b: BLMOVE k k LEFT RIGHT 0 | c: BLPOP k 0 | a: RPUSH k 1 2 | a: LRANGE k 0 -1
a move to the same key alone
    b: BRPOPLPUSH k k 0 | a: RPUSH k 1 | a: LRANGE k 0 -1
a move to another type
    b: BLMOVE k s LEFT LEFT 0 | c: BRPOPLPUSH k s 0 | d: BLPOP k 0 | a: SET s v | a: RPUSH k 1 2 | a: LRANGE k 0 -1
a move where there is another type at once
    a: SET s v; RPUSH k 1 | b: BLMOVE k s LEFT LEFT 0 | b: BRPOPLPUSH s k 0
several keys
    b: BLPOP j k l 0 | a: RPUSH k 1 | b: BLPOP j k l 0 | a: RPUSH l 1 2 | b: BLPOP j k l 0
the same key twice
    b: BLPOP k k 0 | c: BLPOP k j k 0 | a: RPUSH k 1 2 3 | a: LRANGE k 0 -1 | b: PING
two keys in one transaction
    b: BLPOP k j 0 | a: MULTI; RPUSH j 1; RPUSH k 2; EXEC | a: EXISTS j k
a transaction is served at its end
    b: BLPOP k 0 | a: MULTI; RPUSH k 1; LPUSH k 0; LLEN k; DEL k; LPUSH k 9; EXEC | a: EXISTS k
a transaction that leaves nothing
    b: BLPOP k 0 | a: MULTI; RPUSH k 1; DEL k; EXEC | a: RPUSH k 2
a transaction that leaves another type
    b: BLPOP k 0 | a: MULTI; RPUSH k 1; DEL k; SET k v; EXEC | a: DEL k | a: RPUSH k 2
a key of another type in the transaction first
    b: BLPOP k j 0 | a: MULTI; SET k s; RPUSH j 1; DEL k; RPUSH k 2; EXEC | a: EXISTS j k
blocking requests in a transaction
    a: MULTI; BLPOP k 0; BLMOVE k j LEFT LEFT 0; BRPOPLPUSH k j 0; BLMPOP 0 1 k LEFT; BZPOPMIN k 0; EXEC |
    a: MULTI; RPUSH k 1; BLPOP k 0; BLPOP k 0; EXEC | a: MULTI; BLPOP k -1; BLPOP k x; EXEC
in RESP3
    b: RESET | a: MULTI; BLPOP k 0; BLMOVE k j LEFT LEFT 0; BLMPOP 0 1 k LEFT; EXEC |
    c: BLMPOP 0 2 j k RIGHT COUNT 2 | a: RPUSH k 1 2 3 | a: LRANGE k 0 -1
time is up
    b: BLPOP k 0.02 | c: BLMOVE k j LEFT RIGHT 0.02 | d: BRPOPLPUSH k j 0.021 | e: BLMPOP 0.0201 1 k LEFT |
    f: BZPOPMIN k 1e-2 | g: XREAD BLOCK 20 STREAMS k 0 | h: BLPOP k 0.0191 | pass 0.2 | a: RPUSH k 1 | b: PING |
    a: LLEN k
times that cannot be
    a: BLPOP k -1 | a: BLPOP k x | a: BLPOP k '' | a: BLPOP k inf | a: BLPOP k nan | a: BLPOP k 1e400 |
    a: BLPOP k 9223372036854775807 | a: BLPOP k 9223372036854776 | a: BLPOP k -0.0001 |
    a: BLPOP k -9223372036854775808 | a: BLMPOP -1 1 k LEFT | a: BLMOVE k j LEFT LEFT -1 | a: BLMOVE k j UP LEFT -1 |
    a: BRPOPLPUSH k j x | a: BLMPOP x 0 k LEFT | a: BLMPOP x 1 k UP | a: BLMPOP x 1 k LEFT COUNT 0 | a: BLPOP k 1e |
    a: BLPOP k 0x
times of long ago and far away
    b: BLPOP k 9221000000000000 | c: BLPOP k 1e15 | d: BLPOP k 0x10 | e: BLPOP k 1e3 | f: BLPOP k -0 |
    g: BLPOP k 0.0 | a: RPUSH k 1 2 3 4 5 6 | a: EXISTS k
what is sent behind waits
    b: BLPOP k 0; GET s; SET s 2; BLPOP k 0; GET s | b: SET s 3 | a: SET s 1 | a: RPUSH k 1 | a: GET s |
    a: RPUSH k 2 | a: GET s
half a request behind
    b: BLPOP k 0; PING | b: ECHO x | a: RPUSH k 1 | b: PING
RESET behind
    b: SELECT 2; BLPOP k 0; RESET; LPUSH k 9 | a: SELECT 2; RPUSH k 1 | a: KEYS * | a: SELECT 0; KEYS *
CLIENT behind
    b: BLPOP k 0; CLIENT SETNAME x; CLIENT GETNAME | a: RPUSH k 1
MULTI behind
    b: BLPOP k 0; MULTI; BLPOP k 0; LPUSH k 5; EXEC; BLPOP k 0 | a: RPUSH k 1
QUIT behind
    b: BLPOP k 0; QUIT; SET s 1 | a: GET s | a: RPUSH k 1 2 | a: LRANGE k 0 -1 | a: GET s
an error behind
    b: BLPOP k 0; FLY; BLPOP k; SET s | a: RPUSH k 1
behind wakes others
    b: BLPOP k 0; LPUSH j 1; LLEN j | c: BLPOP j 0; LPUSH l 1; LLEN l | d: BLPOP l 0; SET s 1 | a: RPUSH k 1; GET s |
    a: GET s | a: KEYS *
behind fills the same key
    b: BLPOP k 0; RPUSH k x; LLEN k | c: BLPOP k 0 | d: BLPOP k 0 | a: RPUSH k 1 2 | a: LRANGE k 0 -1
who sends no more
    b: BLPOP k 0 | b half | a: RPUSH k 1 | a: LRANGE k 0 -1
who sends no more with requests behind
    b: BLPOP k 0; SET s 1 | b half | a: RPUSH k 1 | a: LRANGE k 0 -1; GET s
who is gone
    b: BLPOP k 0 | c: BLPOP k 0 | b gone | a: RPUSH k 1 | a: EXISTS k
who is gone with requests behind
    b: BLPOP k 0; SET s 1 | b gone | a: RPUSH k 1 | a: LRANGE k 0 -1; GET s
who is killed
    b: BLPOP k 0 | c: BLPOP k 0 | a: CLIENT KILL ID {b}; RPUSH k 1 | a: EXISTS k
who is killed with requests behind
    b: BLPOP k 0; SET s 1 | a: CLIENT KILL ID {b}; RPUSH k 1 | a: LLEN k; GET s
unblocked as if its time was up
    b: BLPOP k 0; PING | c: BLMOVE k j LEFT LEFT 0 | d: BLMPOP 0 1 k LEFT | e: BZPOPMIN k 0 |
    f: XREAD BLOCK 0 STREAMS k 0 | a: CLIENT UNBLOCK {b} | a: CLIENT UNBLOCK {c} TIMEOUT |
    a: CLIENT UNBLOCK {d} timeout | a: CLIENT UNBLOCK {e} | a: CLIENT UNBLOCK {f} | a: CLIENT UNBLOCK {b} |
    a: RPUSH k 1 | a: LLEN k
unblocked with an error
    b: BLPOP k 0; PING | c: BLMOVE k j LEFT LEFT 0 | a: CLIENT UNBLOCK {b} ERROR; RPUSH k 1 |
    a: CLIENT UNBLOCK {c} error | a: LRANGE j 0 -1
unblocked by a pipeline, and at once again
    b: BLPOP k 0; BLPOP k 0; PING | a: CLIENT UNBLOCK {b}; RPUSH k 1 2 | a: LLEN k
unblocked wrongly
    b: PING | a: CLIENT UNBLOCK {b} | a: CLIENT UNBLOCK {a} | a: CLIENT UNBLOCK 99999999 | a: CLIENT UNBLOCK x |
    a: CLIENT UNBLOCK | a: CLIENT UNBLOCK {b} MAYBE | a: CLIENT UNBLOCK x MAYBE | a: CLIENT UNBLOCK {b} ERROR x |
    a: CLIENT UNBLOCK {b} ERROR TIMEOUT | a: CLIENT UNBLOCK -1 | a: CLIENT UNBLOCK 0 '' |
    a: MULTI; CLIENT UNBLOCK {b}; EXEC
RENAME
    b: BLPOP k 0 | a: RPUSH j 1 2 | a: RENAME j k | a: LRANGE k 0 -1
RENAME over another type
    b: BLPOP k 0 | a: SET k v | a: RPUSH j 1 2 | a: RENAME j k | a: LRANGE k 0 -1
RENAMENX
    b: BLPOP k 0 | a: RPUSH j 1 2 | a: RENAMENX j k | a: LRANGE k 0 -1
COPY
    b: BLPOP k 0 | a: RPUSH j 1 2 | a: COPY j k | a: LRANGE k 0 -1; LRANGE j 0 -1
COPY over another type
    b: BLPOP k 0 | a: SET k v; RPUSH j 1 2 | a: COPY j k REPLACE | a: LRANGE k 0 -1
COPY to another database
    b: SELECT 3; BLPOP k 0 | c: BLPOP k 0 | a: RPUSH j 1 2 | a: COPY j k DB 3 | a: KEYS *
MOVE
    b: SELECT 3; BLPOP k 0 | a: RPUSH k 1 2 | a: MOVE k 3 | a: KEYS *; SELECT 3; LRANGE k 0 -1
SORT STORE
    b: BLPOP k 0 | a: RPUSH j 3 1 2 | a: SORT j STORE k | a: LRANGE k 0 -1
XGROUP MKSTREAM
    b: XREAD BLOCK 0 STREAMS k 0 | c: XREAD BLOCK 0 STREAMS k $ | a: XGROUP CREATE k g $ MKSTREAM; XSETID k 5-5 |
    a: XADD k 6-1 f v
XADD without MKSTREAM
    b: XREAD BLOCK 0 STREAMS k 0 | a: XADD k NOMKSTREAM 6-1 f v | a: XADD k 1-1 f v | a: XADD k 2-1 f v
SORT STORE of nothing
    b: BLPOP k 0 | a: SORT j STORE k | a: RPUSH k 1
SWAPDB
    b: SELECT 3; BLPOP k 0 | c: BLPOP k 0 | a: RPUSH k 1 2 | a: RPUSH k 3 4 | a: SWAPDB 0 3 |
    a: KEYS *; SELECT 3; KEYS *
SWAPDB brings what others wait for
    b: SELECT 3; BLPOP k 0 | a: RPUSH j 1; SELECT 2; RPUSH k 1 2 | a: SWAPDB 3 2 | a: KEYS *; SELECT 3; KEYS *
LINSERT and what makes no list
    b: BLPOP k 0 | a: LINSERT k BEFORE x y | a: LPUSHX k 1 | a: RPUSHX k 1 | a: LSET k 0 x | a: LTRIM k 0 1 |
    a: RPUSH k z
FLUSHALL
    b: BLPOP k 0 | a: SET k v | a: FLUSHALL | a: MULTI; RPUSH k 1; FLUSHALL; EXEC | a: RPUSH k 1 | a: EXISTS k
a key that becomes another type
    b: BLPOP k 0 | a: SET k v | a: LPUSH k 1 | a: APPEND k v | a: DEL k | a: SADD k m | a: DEL k | a: ZADD k 1 m |
    a: DEL k | a: RPUSH k 1
another type on one of several keys
    a: SET k v | b: BLPOP j k 0 | b: BLPOP k j 0 | c: BLPOP j 0 | a: LPUSH j 1
another type on one of several keys, later
    b: BLPOP j k 0 | a: SET k v | a: LPUSH j 1 | a: LPUSH j 2
databases
    b: SELECT 3; BLPOP k 0 | c: BLPOP k 0 | a: RPUSH k 1 | a: RPUSH k 2 | a: SELECT 3; RPUSH k 3 |
    a: KEYS *; SELECT 0; KEYS *
mixed types on one key
    b: BLPOP k 0 | c: BZPOPMIN k 0 | d: XREAD BLOCK 0 STREAMS k 0 | e: BLPOP k 0 | f: BZPOPMAX k 0 |
    a: RPUSH k 1 2 3 | a: LRANGE k 0 -1; DEL k | a: ZADD k 1 a 2 b 3 c | a: ZRANGE k 0 -1; DEL k | a: XADD k 1-1 f v |
    a: XLEN k
mixed types in one transaction
    b: BLPOP k 0 | c: BZPOPMIN k 0 | d: XREAD BLOCK 0 STREAMS k $ |
    a: MULTI; RPUSH k 1; DEL k; ZADD k 1 m; DEL k; XADD k 1-1 f v; EXEC | a: MULTI; DEL k; RPUSH k 1; EXEC |
    a: MULTI; ZADD k 1 m; EXEC | a: KEYS *
BLMPOP counts
    b: BLMPOP 0 2 j k LEFT COUNT 2 | c: BLMPOP 0 1 k RIGHT COUNT 10 | d: BLMPOP 0 1 k LEFT | a: RPUSH k 1 2 3 4 5 6 |
    a: LRANGE k 0 -1 | a: RPUSH k 7 8
BZMPOP counts
    b: BZMPOP 0 2 j k MIN COUNT 2 | c: BZMPOP 0 1 k MAX COUNT 10 | a: ZADD k 1 a 2 b 3 c 4 d | a: EXISTS k
sorted sets by other ways
    b: BZPOPMIN k 0 | a: ZADD j 1 a 2 b | a: ZUNIONSTORE k 1 j | a: ZRANGE k 0 -1; DEL k | b: BZPOPMAX k 0 |
    a: ZRANGESTORE k j 0 -1 | a: ZRANGE k 0 -1; DEL k | b: BZPOPMAX k 0 | a: ZINCRBY k 1 m | b: BZPOPMAX k 0 |
    a: GEOADD k 1 1 m | a: KEYS *
readers of a group
    a: XGROUP CREATE k g $ MKSTREAM | b: XREADGROUP GROUP g b BLOCK 0 STREAMS k > |
    c: XREADGROUP GROUP g c BLOCK 0 STREAMS k > | d: XREAD BLOCK 0 STREAMS k $ | a: XADD k 1-1 f v |
    a: XADD k 1-2 f v | b: XREADGROUP GROUP g b BLOCK 0 STREAMS k > | a: DEL k
readers of a group that is destroyed
    a: XGROUP CREATE k g $ MKSTREAM; XGROUP CREATE k h $ | b: XREADGROUP GROUP g b BLOCK 0 STREAMS k > |
    c: XREADGROUP GROUP h b BLOCK 0 STREAMS k > | a: XGROUP DESTROY k g | a: XADD k 1-1 f v
readers of a group whose stream becomes something else
    a: XGROUP CREATE k g $ MKSTREAM | b: XREADGROUP GROUP g b BLOCK 0 STREAMS k > | a: MULTI; DEL k; RPUSH k 1; EXEC
readers of a group whose stream is overwritten
    a: XGROUP CREATE k g $ MKSTREAM | b: XREADGROUP GROUP g b BLOCK 0 STREAMS k > | a: SET k v
readers of a group whose stream is renamed
    a: XGROUP CREATE k g $ MKSTREAM | b: XREADGROUP GROUP g b BLOCK 0 STREAMS k > | a: RENAME k j
readers of a group whose stream is flushed
    a: XGROUP CREATE k g $ MKSTREAM | b: XREADGROUP GROUP g b BLOCK 0 STREAMS k > | a: FLUSHALL
readers of a group whose database is swapped
    a: XGROUP CREATE k g $ MKSTREAM | b: XREADGROUP GROUP g b BLOCK 0 STREAMS k > | a: SWAPDB 0 5
readers of a group whose stream expires
    a: XGROUP CREATE k g $ MKSTREAM | b: XREADGROUP GROUP g b BLOCK 0 STREAMS k > | a: PEXPIRE k 20 | pass 0.4 |
    a: EXISTS k
readers of several groups, of which one goes
    a: XGROUP CREATE k g $ MKSTREAM; XGROUP CREATE j g $ MKSTREAM | b: XREADGROUP GROUP g b BLOCK 0 STREAMS j k > > |
    a: DEL k | b: XREADGROUP GROUP g b BLOCK 0 STREAMS j k > > | a: XADD j 1-1 f v
a wrong number of words
    a: BLPOP | a: BLPOP k | a: BLMOVE a b LEFT RIGHT | a: BRPOPLPUSH a b | a: BLMPOP 0 1 k | a: BLMPOP 0 2 k LEFT
an expired list
    a: RPUSH k 1; PEXPIRE k 1 | pass 0.02 | b: BLPOP k 0 | a: RPUSH k 2
WATCH of what is taken
    c: WATCH k; MULTI; PING | b: BLPOP k 0 | a: RPUSH k 1 | c: EXEC
an element that comes by LMOVE
    b: BLPOP k 0 | a: RPUSH j 1 2 | a: LMOVE j k LEFT LEFT; RPOPLPUSH j k | a: LRANGE k 0 -1
RESTORE
    b: BLPOP k 0 | c: BLPOP k 0 | a: RESTORE k 0 {payload} | a: RESTORE k 0 {payload} REPLACE | a: LRANGE k 0 -1
"""


def read_scripts(text: str) -> dict[str, list[str]]:
    """Read scripts: a name at the margin, and below it steps with a bar between them."""
    scripts: dict[str, list[str]] = {}
    name = ""
    for line in text.strip("\n").split("\n"):
        if line.startswith(" "):
            scripts.setdefault(name, []).extend(step.strip() for step in line.strip(" |").split("|"))
        else:
            name = line
    return scripts


SCRIPTS = read_scripts(TEXT)
