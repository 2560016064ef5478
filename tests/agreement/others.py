"""What clients say who watch others, are silent or have to wait: scripts for a `Conversation`."""

from __future__ import annotations

from .waiting import read_scripts

TEXT = """
all requests are shown
    b: MONITOR | a: PING; SET k v; GET k; FLY; GET; CLIENT GETNAME; CONFIG GET x; AUTH x; AUTH u p |
    a: set K "a\\n\xff |
    a: HELLO 2 AUTH u p SETNAME x; HELLO 3 SETNAME y; HELLO 2; CLIENT GETREDIR
a transaction is shown when it runs
    b: MONITOR | a: MULTI; SET k 1; INCR k; FLY; EXEC | a: MULTI; SET k 1; INCR k; EXEC | a: MULTI; PING; DISCARD
databases
    b: MONITOR | a: SELECT 3; PING; SELECT 0; PING
one who waits
    b: MONITOR | a: BLPOP l 0; PING | c: RPUSH l 1
one's own requests
    b: MONITOR | b: PING; ECHO x; MONITOR; PING | b: MULTI; PING; EXEC | b: SUBSCRIBE k; UNSUBSCRIBE k | b: WAIT 0 0
one's own requests in RESP3
    b: HELLO 3; MONITOR | b: PING; ECHO x | b: MULTI; PING; ECHO x; EXEC | b: SUBSCRIBE k; PSUBSCRIBE x y; PING
no keys for one who monitors
    b: MONITOR | b: GET k; SET k v; DBSIZE; KEYS *; PUBLISH k x; SCAN 0; FLUSHALL; BLPOP k 0; PFCOUNT k |
    b: MULTI; GET k; EXEC
messages and lines
    b: MONITOR; SUBSCRIBE k | a: PUBLISH k x; PING | a: MULTI; PUBLISH k y; PING; EXEC
several who monitor
    b: MONITOR | c: MONITOR | a: PING | b gone | a: PING | c: RESET; PING | a: PING
MONITOR in a transaction
    a: MULTI; MONITOR; PING; EXEC; PING
RESET ends it
    b: MONITOR; RESET; GET k | a: PING
no replies
    b: CLIENT REPLY OFF; PING; GET k; FLY; CLIENT REPLY ON; PING | b: CLIENT REPLY OFF | b: SET k 1; GET |
    b: CLIENT REPLY ON; GET k
no reply to the next request
    b: CLIENT REPLY SKIP; PING; PING | b: CLIENT REPLY SKIP; CLIENT REPLY SKIP; PING; PING |
    b: CLIENT REPLY SKIP; FLY; PING |
    b: CLIENT REPLY SKIP | b: GET k; PING | b: CLIENT REPLY SKIP; MULTI; PING; EXEC |
    b: CLIENT REPLY OFF; CLIENT REPLY SKIP; PING |
    b: PING; CLIENT REPLY ON; PING | b: CLIENT REPLY x; CLIENT REPLY; CLIENT REPLY SKIP; CLIENT REPLY x; PING
messages without replies
    b: CLIENT REPLY OFF; SUBSCRIBE k; PSUBSCRIBE x y; UNSUBSCRIBE; PING | a: PUBLISH k v; PUBLISH x v | b: RESET; PING
messages without replies in RESP3
    b: HELLO 3; SUBSCRIBE k; CLIENT REPLY OFF; PUBLISH k x; GET k; CLIENT TRACKING on; GET k; SET k 1 |
    b: CLIENT REPLY ON; PING
a blocking request without its reply
    b: CLIENT REPLY OFF; BLPOP l 0; CLIENT REPLY ON; PING | a: RPUSH l 1 | b: CLIENT REPLY SKIP; BLPOP l 0; PING |
    a: RPUSH l 2
a password that is wrong without a reply
    b: CLIENT REPLY OFF; AUTH x; HELLO 3; CLIENT REPLY ON; GET k
paused
    b: CLIENT PAUSE 60 ALL; PING | a: PING; SET k 1 | c: GET k | pass 0.3 | c: GET k
paused for writes
    b: CLIENT PAUSE 60 WRITE; GET k | a: GET k; PING; SET k 1; GET k | c: GET k; PUBLISH x y; PING | pass 0.3 | c: GET k
paused writes in a transaction
    b: CLIENT PAUSE 60 WRITE | a: MULTI; GET k; PING | a: EXEC | c: MULTI; SET k 1 | c: EXEC | pass 0.3 | a: GET k
a transaction that was begun before the pause
    a: MULTI; SET k 1 | b: CLIENT PAUSE 60 WRITE | a: EXEC | c: GET k | pass 0.3 | c: GET k
a pause that is ended
    b: CLIENT PAUSE 60000 WRITE | a: SET k 1; GET k | c: RPUSH l 1 | b: CLIENT UNPAUSE | c: GET k; LLEN l |
    b: CLIENT UNPAUSE
a pause that is made longer
    b: CLIENT PAUSE 60000 WRITE; CLIENT PAUSE 1 WRITE | a: SET k 1 | pass 0.1 | b: GET k; CLIENT UNPAUSE | a: GET k
a pause within a transaction
    b: MULTI; SET j 1; CLIENT PAUSE 60 WRITE; SET k 1; EXEC; GET k | a: SET k 2 | pass 0.3 | a: GET k
one who is paused and gone
    b: CLIENT PAUSE 60 WRITE | a: SET k 1 | c: SET k 2 | a gone | pass 0.3 | c: GET k
one who is paused and sends no more
    b: CLIENT PAUSE 60 WRITE | a: SET k 1 | a half | pass 0.3 | c: GET k
one who is paused waits for a key then
    b: CLIENT PAUSE 60 WRITE | a: BLPOP l 0; PING | pass 0.3 | c: RPUSH l 1 | c: LLEN l
one who waits is not served in a pause
    a: BLPOP l 0 | b: CLIENT PAUSE 60 WRITE | c: RPUSH l 1 | pass 0.3 | c: LLEN l
one who monitors is not paused
    c: MONITOR | b: CLIENT PAUSE 60 ALL | c: PING | a: PING | pass 0.3 | a: PING
an expired key in a pause
    a: SET k v PX 20 | b: CLIENT PAUSE 60000 WRITE | pass 0.2 | a: GET k; EXISTS k; DBSIZE; TTL k |
    b: CLIENT UNPAUSE | a: GET k; DBSIZE
pauses that cannot be
    b: CLIENT PAUSE | b: CLIENT PAUSE x | b: CLIENT PAUSE -1 | b: CLIENT PAUSE 10 X | b: CLIENT PAUSE 10 WRITE x |
    b: CLIENT UNPAUSE x |
    b: CLIENT PAUSE x X | b: CLIENT PAUSE 0; PING | b: CLIENT UNPAUSE
NO-EVICT
    b: CLIENT NO-EVICT on; CLIENT NO-EVICT OFF; CLIENT NO-EVICT x; CLIENT NO-EVICT; CLIENT NO-EVICT on off
WAIT
    b: WAIT 0 0; WAIT x 0; WAIT 0 x; WAIT 0 -1; WAIT -1 0; WAIT 1 20; PING | pass 0.2 | b: MULTI; WAIT 1 0; EXEC |
    b: WAIT 1 |
    b: WAIT 1 0; PING | a: CLIENT UNBLOCK {b} | b: WAIT 1 0; PING | a: CLIENT UNBLOCK {b} ERROR | b: WAIT x y
"""

SCRIPTS = read_scripts(TEXT)
