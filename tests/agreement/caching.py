"""What clients say who keep values and are told when these change: scripts for a `Conversation`."""

from __future__ import annotations

from .waiting import read_scripts

TEXT = """
a key that was read is told once
    b: HELLO 3; CLIENT TRACKING on | b: GET k | a: SET k 1 | a: SET k 2 | b: GET k | a: SET k 3; SET k 4
who has not read is not told
    b: HELLO 3; CLIENT TRACKING on | c: HELLO 3; CLIENT TRACKING on | b: GET k | a: SET k 1; SET j 1
what was read before tracking is not remembered
    b: HELLO 3; GET k; CLIENT TRACKING on | a: SET k 1
several keys
    b: HELLO 3; CLIENT TRACKING on | b: MGET k j l | a: MSET k 1 j 2 l 3 | b: SINTER s t; ZRANGE z 0 -1 |
    a: SADD t 1; ZADD z 1 a
keys that do not exist
    b: HELLO 3; CLIENT TRACKING on | b: GET k; EXISTS j; LLEN l | a: SET k v; SET j v; RPUSH l 1
own changes are told behind the reply
    b: HELLO 3; CLIENT TRACKING on; GET k | b: SET k 1; PING | b: GET k; INCR k; PING; GET k; DEL k; PING
own changes in a transaction are told behind it
    b: HELLO 3; CLIENT TRACKING on; GET k; GET j | b: MULTI; SET k 1; SET j 2; GET k; SET k 3; EXEC; PING | a: SET k 4
a transaction remembers what it reads
    b: HELLO 3; CLIENT TRACKING on | b: MULTI; GET k; EXEC | a: SET k 1
a transaction of another
    b: HELLO 3; CLIENT TRACKING on; MGET k j | a: MULTI; SET k 1; SET j 2; SET k 3; EXEC
NOLOOP
    b: HELLO 3; CLIENT TRACKING on NOLOOP; GET k | b: SET k 1; PING | a: SET k 2 | b: GET k | a: SET k 3
all ways of changing
    a: MSET k 1 j 2; RPUSH l 1 2 3; SADD s 1 2; HSET h f v; ZADD z 1 a | b: HELLO 3; CLIENT TRACKING on |
    b: MGET k j; LLEN l; SCARD s; HLEN h; ZCARD z | a: INCR k; APPEND j x; LPOP l; SREM s 1; HDEL h f; ZREM z a |
    b: MGET k j; LLEN l; SCARD s; HLEN h; ZCARD z | a: RENAME k m; COPY j n; DEL l; EXPIRE s 100; UNLINK h z |
    b: MGET m n; SCARD s | a: PERSIST s; MOVE m 3; RENAMENX n o | b: GET o; SCARD s | a: SETRANGE o 1 x; EXPIRE s -1
a database has no part in it
    b: HELLO 3; CLIENT TRACKING on; GET k | a: SELECT 3; SET k 1
FLUSHALL
    b: HELLO 3; CLIENT TRACKING on; GET k | c: HELLO 3; CLIENT TRACKING on BCAST | a: SET k 1; FLUSHALL | a: FLUSHDB |
    b: FLUSHALL; PING | b: GET k; MULTI; SET k 1; FLUSHALL; SET j 1; EXEC; PING
SWAPDB
    a: SET k 1 | b: HELLO 3; CLIENT TRACKING on; GET k | a: SWAPDB 0 1 | a: SET k 2
expiry
    a: SET k v PX 20 | b: HELLO 3; CLIENT TRACKING on; GET k | pass 0.4 | a: GET k
BCAST
    b: HELLO 3; CLIENT TRACKING on BCAST | a: SET k 1 | a: SET j 2; SET i 3; SET k 4 | b: SET x 1; PING | b: GET x; PING
BCAST with prefixes
    b: HELLO 3; CLIENT TRACKING on BCAST PREFIX k PREFIX j | c: HELLO 3; CLIENT TRACKING on BCAST PREFIX kk |
    a: SET k1 1; SET j1 2; SET l1 3; SET kk1 4 | b: SET k2 1; SET j2 2; PING; SET k3 3; PING | a: MSET k9 1 k8 2 kk7 3
BCAST with NOLOOP
    b: HELLO 3; CLIENT TRACKING on BCAST NOLOOP | c: HELLO 3; CLIENT TRACKING on BCAST | b: SET k 1; PING | a: SET k 2 |
    b: SET k 3; SET j 1 | c: SET k 1; SET j 1
BCAST in a transaction
    b: HELLO 3; CLIENT TRACKING on BCAST | b: MULTI; SET k 1; SET j 2; EXEC; PING | a: MULTI; SET k 1; SET j 2; EXEC
BCAST is ended
    b: HELLO 3; CLIENT TRACKING on BCAST PREFIX k | b: CLIENT TRACKING off | a: SET k 1 | b: CLIENT TRACKING on |
    a: SET k 1
prefixes overlap
    b: CLIENT TRACKING on BCAST PREFIX a PREFIX ab | b: CLIENT TRACKING on BCAST PREFIX ab PREFIX a |
    b: CLIENT TRACKING on BCAST PREFIX a PREFIX a | b: CLIENT TRACKING on BCAST PREFIX a |
    b: CLIENT TRACKING on BCAST PREFIX b |
    b: CLIENT TRACKING on BCAST PREFIX ab | b: CLIENT TRACKING on BCAST | b: CLIENT TRACKINGINFO |
    b: CLIENT TRACKING on BCAST PREFIX a
OPTIN
    b: HELLO 3; CLIENT TRACKING on OPTIN | b: GET k | a: SET k 1 | b: CLIENT CACHING YES; GET k; GET j |
    a: SET k 1; SET j 1 |
    b: CLIENT CACHING YES; CLIENT GETNAME; GET k | a: SET k 1 | b: CLIENT CACHING YES; PING; GET k | a: SET k 1 |
    b: CLIENT CACHING YES; FLY; GET k | a: SET k 1 |
    b: CLIENT CACHING YES; CLIENT TRACKINGINFO; GET k; CLIENT TRACKINGINFO
OPTIN with a transaction
    b: HELLO 3; CLIENT TRACKING on OPTIN | b: CLIENT CACHING YES; MULTI; GET k; GET j; EXEC; GET l |
    a: MSET k 1 j 2 l 3 |
    b: MULTI; CLIENT CACHING YES; GET k; EXEC; GET j | a: MSET k 1 j 2
OPTOUT
    b: HELLO 3; CLIENT TRACKING on OPTOUT | b: GET k | a: SET k 1 | b: CLIENT CACHING NO; GET k; GET j |
    a: SET k 1; SET j 1
modes that cannot be
    b: CLIENT TRACKING on OPTIN OPTOUT | b: CLIENT TRACKING on BCAST OPTIN | b: CLIENT TRACKING on PREFIX k |
    b: CLIENT TRACKING on OPTIN; CLIENT TRACKING on OPTOUT | b: CLIENT TRACKING on; CLIENT TRACKING on BCAST |
    b: CLIENT TRACKING off; CLIENT TRACKING on OPTOUT; CLIENT TRACKING on OPTIN | b: CLIENT TRACKING maybe |
    b: CLIENT TRACKING on NOPE | b: CLIENT TRACKING on REDIRECT | b: CLIENT TRACKING on REDIRECT x |
    b: CLIENT TRACKING |
    b: CLIENT TRACKING on REDIRECT 999999 | b: CLIENT TRACKING on PREFIX |
    b: CLIENT TRACKING off NOPE; CLIENT TRACKING off BCAST |
    b: CLIENT TRACKING on REDIRECT 0 | b: CLIENT TRACKING on REDIRECT {a} REDIRECT {a}
CACHING that cannot be
    b: CLIENT CACHING yes |
    b: CLIENT TRACKING on; CLIENT CACHING yes; CLIENT CACHING no; CLIENT CACHING x; CLIENT CACHING |
    b: CLIENT TRACKING off; CLIENT TRACKING on OPTIN; CLIENT CACHING no; CLIENT CACHING x; CLIENT CACHING YES a
what it says of itself
    b: CLIENT TRACKINGINFO; CLIENT GETREDIR | b: CLIENT TRACKING on; CLIENT TRACKINGINFO; CLIENT GETREDIR |
    b: CLIENT TRACKING off; CLIENT TRACKING on BCAST PREFIX a PREFIX b NOLOOP; CLIENT TRACKINGINFO |
    b: CLIENT TRACKING on BCAST |
    b: CLIENT TRACKING off; CLIENT TRACKING on OPTIN NOLOOP; CLIENT TRACKINGINFO; CLIENT CACHING yes |
    b: CLIENT TRACKINGINFO |
    b: HELLO 3; CLIENT TRACKINGINFO; CLIENT TRACKING off; CLIENT TRACKING on OPTOUT | b: CLIENT CACHING no |
    b: CLIENT TRACKINGINFO
redirected in RESP2
    c: SUBSCRIBE __redis__:invalidate | b: CLIENT TRACKING on REDIRECT {c} | b: GET k | a: SET k 1 |
    b: GET k; SET k 2; PING |
    a: FLUSHALL | b: CLIENT TRACKING off | a: SET k 1
redirected to one who does not listen
    c: PING | b: CLIENT TRACKING on REDIRECT {c} | b: GET k | a: SET k 1
redirected in RESP3
    c: HELLO 3 | b: HELLO 3 | b: CLIENT TRACKING on REDIRECT {c}; GET k | a: SET k 1 | b: GET k; SET k 2; PING
redirected with BCAST
    c: SUBSCRIBE __redis__:invalidate | b: CLIENT TRACKING on REDIRECT {c} BCAST PREFIX k |
    a: SET k 1; SET j 1; SET k2 1
redirected to one who is gone
    c: PING | b: HELLO 3; CLIENT TRACKING on REDIRECT {c}; GET k | c gone | a: SET k 1 |
    b: CLIENT TRACKINGINFO; GET k | a: SET k 2
RESP2 without a redirection
    b: CLIENT TRACKING on; GET k | a: SET k 1 | b: HELLO 3; GET k | a: SET k 2
RESET
    b: HELLO 3; CLIENT TRACKING on; GET k | b: RESET; CLIENT TRACKINGINFO | a: SET k 1 |
    b: HELLO 3; CLIENT TRACKING on BCAST |
    b: RESET | a: SET k 2
who is gone
    b: HELLO 3; CLIENT TRACKING on; GET k | c: HELLO 3; CLIENT TRACKING on BCAST | b gone | c gone | a: SET k 1
a message among replies
    b: HELLO 3; SUBSCRIBE c; CLIENT TRACKING on; GET k | a: SET k 1; PUBLISH c x |
    b: GET k; PUBLISH c y; SET k 2; PUBLISH c z
one who waits
    b: HELLO 3; CLIENT TRACKING on; GET k; BLPOP l 0; PING | a: SET k 1 | a: RPUSH l 1
a reader that is served
    b: HELLO 3; CLIENT TRACKING on; LLEN l; BLPOP l 0 | a: RPUSH l 1
commands that only look
    a: RPUSH l 1; SET k v | b: HELLO 3; CLIENT TRACKING on | b: TYPE k; TTL l; OBJECT ENCODING k; EXISTS k |
    a: SET k 1; LPUSH l 2 |
    b: KEYS x*; DBSIZE | a: SET k 1; LPUSH l 2 | b: SORT l; SORT_RO l | a: LPUSH l 3
a command that fails
    a: RPUSH l 1 | b: HELLO 3; CLIENT TRACKING on; GET l; HGET l f; LLEN | a: LPUSH l 2
what writes does not remember
    b: HELLO 3; CLIENT TRACKING on | b: GETSET k 1; INCR n; SET j v GET; GETEX k; APPEND k x |
    a: SET k 2; SET n 1; SET j w
"""

SCRIPTS = read_scripts(TEXT)
