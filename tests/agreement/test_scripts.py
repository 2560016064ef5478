"""Scripts get the same replies, errors and places of errors included, and do the same to keys and to other clients."""

# ruff: noqa: E501 - scripts stand as they are sent

from __future__ import annotations

import hashlib
import re
from random import Random
from typing import Iterator

import attrs
import pytest

from tests import effort

from .events import Listener
from .replies import Word, as_bytes
from .script_writer import SETTING_UP, Script, ScriptWriter
from .servers import BothServers, difference, encode
from .test_messages import Messages, speak_resp3
from .waiting import read_scripts

pytestmark = [pytest.mark.peer, pytest.mark.timeout(7200)]

SEQUENCES = 4_000 if effort.is_long() else effort.examples(150)

MARK = b"+the end of a reply"


def ask_deep(both: BothServers, *words: Word) -> tuple[bytes, bytes]:
    """Send a request to both servers, and give the bytes of both replies, however deep they are."""
    try:
        return both.both(*words)
    except RecursionError:
        end = b"$%d\r\n%b\r\n" % (len(MARK), MARK)
        both.real.send(encode(("ECHO", MARK)))
    theirs = b""
    while not theirs.endswith(end):
        piece, is_closed = both.real.drain()
        theirs += piece
        assert not is_closed, f"the real server closed the connection after {words[:2]!r}"
    return theirs[: -len(end)], both.ask_ours(*words)


def compare(both: BothServers, *words: Word) -> bytes:
    """Send a request to both servers, and compare the replies, however deep they are."""
    theirs, ours = ask_deep(both, *words)
    source = as_bytes(words[1]).decode("latin-1") if len(words) > 1 else ""
    assert theirs == ours, (
        f"the servers differ after {words[:1] + words[2:]!r} of\n{source}\n{difference(theirs, ours)}"
    )
    return theirs


def set_up(both: BothServers, resp: int) -> None:
    """Begin anew, with a value of each type."""
    both.begin(resp)
    for line in SETTING_UP.split(b"|"):
        both.call(*line.split(b" "))


def sha_of(source: bytes) -> bytes:
    return hashlib.sha1(source, usedforsecurity=False).hexdigest().encode()


# A table of scripts

LINES = r"""
return redis.call('nosuch')
local t=redis.pcall('lpush','a') local r={} for k,v in pairs(t) do r[#r+1]=k..'='..tostring(v) end return r
return {redis.pcall('lpush','s','2')}
error('foo')
error('foo',0)
error({err='x y'})
error({err='XX y'})
return redis.error_reply('XX y')
return redis.error_reply('-XX y')
return redis.error_reply('XX')
return redis.error_reply('')
return redis.error_reply(1)
return redis.error_reply()
return redis.status_reply('a','b')
local t = redis.error_reply('My Err') error(t)
return pcall(error,{err='hello'})
local a,b=xpcall(function() return redis.call('lpush','s','2') end, function(e) local r={} for k,v in pairs(e) do r[#r+1]=k..'='..tostring(v) end return r end) return {tostring(a),b}
return foo
rawset(_G,'foo',1)
table.insert(_G,1)
redis.x=1
return redis.call('set','n',1.5)
return redis.call('blpop','nokey',0)
return redis.setresp()
return redis.setresp(4)
return redis.setresp('a')
return redis.setresp(1,2)
return redis.sha1hex()
return redis.sha1hex('a','b')
return redis.sha1hex(12)
return redis.log()
return redis.log('x','y')
return redis.log(9,'y')
return redis.log(1)
return redis.set_repl()
return redis.set_repl(9)
return redis.debug('a')
return redis.acl_check_cmd()
return redis.acl_check_cmd('nosuch')
return redis.acl_check_cmd('get','a')
return redis.acl_check_cmd('get')
return #redis.sha1hex('')
return {loadstring('\27abc')}
return {load(function() return nil end)}
return string.dump(function() end)
return setmetatable(_G,{})
return getmetatable('')
return getmetatable(_G)
local t=getmetatable('') t.__index=nil
return {3.99,'a',true,false,{1,{2}}}
return 1e18
return {ok=1}
return {map={a=1}}
return {set={a=1}}
return {big_number='123'}
return {verbatim_string={format='txt',string='abc'}}
return redis
redis.setresp(3) return {true,false,nil}
redis.setresp(3) return false
return redis.call('select',3)
math.randomseed(7) return {math.random(100),math.random(100),math.random(5,10)}
return unpack({1,2,3})
local t={} for i=1,8000 do t[i]=i end return {unpack(t)}
return {pcall(function() local t={} for i=1,8000 do t[i]=i end return unpack(t) end)}
error()
error(nil)
error(12)
error(true)
local t = nil; return t.x
local function f() error('deep') end f()
return coroutine.wrap(function() error('x') end)()
return coroutine.wrap(function() return redis.call('lpush','s','1') end)()
return {pcall(function() return foo end)}
return {tostring(1e15),tostring(1e14),tostring(123456789012345678),tostring(0.1),tostring(-0)}
return type(redis.call('get','nokey'))
return #KEYS
return string.format('%d %s %5.2f %q','10','a',1.5,'x\n')
return redis.call('client','setname','x')
return redis.call('wait',1,0)
local function f() error('x',2) end f()
return {getmetatable(_G)==nil, getmetatable(redis)==nil, getmetatable(string)==nil}
local t={} for k,v in pairs(getmetatable(_G)) do t[#t+1]=k..type(v) end return t
local t={} for k,v in pairs(getmetatable('')) do t[#t+1]=k..type(v) end return t
return {pcall(math.random,0)}
return {pcall(math.random,5,1)}
return {pcall(math.random,1,2,3)}
local a,b=pcall(string.find,'a','%') return {a and 1 or 0,b}
return string.find(nil,'a')
return string.gsub('a','a')
return {pcall(setmetatable,_G,{})}
return {pcall(rawset,_G,'a',1)}
setmetatable(redis,{})
for k,v in pairs(redis) do if k=='call' then return k end end
local k=next(redis) return type(k)
return KEYS
KEYS=1
KEYS[1]='a' return KEYS
return {redis.pcall('set','a','b','EX','zz')}
redis.call('zadd','z',1.5,'a') redis.setresp(3) local t=redis.call('zrange','z',0,-1,'withscores') return {type(t[1]), t[1][2].double and 1 or 0}
redis.setresp(3) local t=redis.call('zscore','z','a') return t
redis.setresp(3) return redis.call('zscore','z','a')
redis.setresp(3) return redis.call('get','nokey')
redis.setresp(3) return type(redis.call('get','nokey'))
redis.call('hset','h','f','v') redis.setresp(3) local t=redis.call('hgetall','h') return {t.map.f}
redis.call('hset','h','f','v') redis.setresp(3) return redis.call('hgetall','h')
redis.setresp(3) local t=redis.call('info','server') return {type(t), t.verbatim_string and t.verbatim_string.format}
redis.setresp(3) return redis.call('sismember','nokey','a')
redis.call('sadd','se','a') redis.setresp(3) local t=redis.call('smembers','se') return {t.set.a and 1 or 0, type(t.set.a)}
return redis.call('geopos','nokey','a')
return redis.sha1hex(1.5)
return redis.sha1hex({})
return redis.sha1hex(nil)
return redis.sha1hex(true)
return redis.set_repl('a')
return redis.set_repl(1.9)
return redis.log(redis.LOG_DEBUG,'a','b',1,{})
return {redis.acl_check_cmd('config','get','x')}
return {redis.acl_check_cmd('config')}
return {redis.acl_check_cmd({})}
return redis.call('object','encoding','a','b')
return {err='',1,2}
return {map={}}
return {verbatim_string={format='t',string='abc'}}
return {map={[1]=2,[1.5]=3}}
local a,b=loadstring('\27abc','n') return b
local a,b=load(function() return {} end) return b
local n=0 local a,b=load(function() n=n+1 if n==1 then return '\27' end return nil end) return b
local n=0 local a,b=load(function() n=n+1 if n==1 then return 'bad bad' end return nil end) return b
local n=0 local a,b=load(function() error('x') end) return b
return load(1)
return {pcall(xpcall)}
return xpcall(function() return 1 end)
return {xpcall(function() error('a') end)}
return {pcall(rawset,1)}
return {pcall(rawset,{},nil,1)}
return {pcall(setmetatable,1)}
return {pcall(setmetatable,{})}
return setmetatable({},1)
return {pcall(getmetatable)}
return next({},'zz')
return table.insert({},1,2,3)
return table.insert({})
return table.insert(1,2)
return table.foreach({1},function(k,v) return v end)
return table.foreach(redis,function(k,v) if k=='call' then return k end end)
return #redis
return coroutine.wrap(1)
return coroutine.resume(1)
local f=coroutine.wrap(function() return 1 end) f() return f()
local f=coroutine.wrap(function() error({err='A b'}) end) f()
local f=coroutine.wrap(function() redis.call('nosuch') end) f()
return string.gsub('hello','l',{l='L'})
return {string.gsub('hello','l',function(x) return nil end)}
return {string.gsub('hello','l','%2')}
return string.gsub('hello','(l','x')
local r={} for w in string.gmatch('a b c','%a') do r[#r+1]=w end return r
return {('x'):rep(3), ('x'):len(), ('abc'):sub(2)}
return math.random({})
return math.randomseed()
return math.randomseed('a')
return math.random(2^31)
return math.random(0,2^40)
math.randomseed(42) local r={} for i=1,10 do r[i]=string.format('%.17g',math.random()) end r[#r+1]=math.random(1000000) r[#r+1]=math.random(-5,5) return r
math.randomseed(-1) return string.format('%.17g',math.random())
math.randomseed(2^33+5) return string.format('%.17g',math.random())
math.randomseed(1.7) return string.format('%.17g',math.random())
return tostring(setmetatable({},{__tostring=function() return 'hi' end}))
return setmetatable({1,2},{__index=function() return 5 end})
return setmetatable({},{__index=function(t,k) if k=='err' then return 'X' end end})
error(setmetatable({},{__index=function(t,k) if k=='err' then return 'X' end end}))
return pcall(error,setmetatable({},{__index=function(t,k) error('deep') end}))
error({err=12})
error(cjson.null)
local function f(n) return 1+f(n+1) end return f(1)
return string.format('%y',1)
return tonumber('0x10')
return assert(false,{err='MY e'})
return 'a'..{}
if nil>1 then end
x = = 1
return redis.call('xread','block',0,'streams','nostream','$')
return redis.log(redis.LOG_WARNING, 'x') == nil
return redis.call(nil)
return redis.call('echo','hi')
return cjson.encode({1,2,{a=1}})
return cmsgpack.unpack('')
"""
"""Scripts of one line."""

TEXT = r"""
#!lua
return 1
---
#!lua flags=no-writes
return redis.call('set','a',1)
---
#!lua flags=nosuch
return 1
---
#!lua name=a
return 1
---
#!lua foo=bar
return 1
---
#!python
return 1
---
#!lua flags=no-writes,allow-oom
error('x')
---
#!lua flags=
return 1
---
#!lua flags=no-writes flags=allow-oom
return 1
---
#!
return 1
---
#!lua flags=no-writes, allow-oom
return 1
---

---
local f=coroutine.wrap(function() local x=nil; x.y=1 end)
f()
---
#!lua flags=no-writes
return redis.call('publish','a','b')
---
#!lua flags=no-writes
return redis.call('pfcount','a')
---
#!lua flags=no-writes
return redis.pcall('set','a','b')
"""
"""Scripts of more lines, or of none, with `---` between them."""

TABLE = [*LINES.strip("\n").split("\n"), *(each.strip("\n") for each in TEXT.split("\n---\n"))]


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("source", TABLE)
def test_scripts_of_a_table_agree(servers: BothServers, source: str, resp: int) -> None:
    set_up(servers, resp)
    compare(servers, "EVAL", source, 2, "k1", "k2", "a1", "a2")
    set_up(servers, resp)
    compare(servers, "SCRIPT", "LOAD", source)
    compare(servers, "EVALSHA", sha_of(source.encode()), 0, "a1")
    servers.compare_data()
    set_up(servers, resp)
    for words in (("MULTI",), ("SET", "n", 7), ("EVAL", source, 1, "n"), ("GET", "n"), ("EXEC",)):
        compare(servers, *words)
    servers.compare_data()
    set_up(servers, resp)
    compare(servers, "EVAL_RO", source, 0)
    compare(servers, "EVALSHA_RO", sha_of(source.encode()), 0)
    servers.compare_data()


# Scripts by chance


def play(both: BothServers, scripts: list[Script], resp: int, way: str) -> None:
    """Run scripts one after the other, and compare what they answer and leave."""
    set_up(both, resp)
    if way == "MULTI":
        compare(both, "MULTI")
    for script in scripts:
        if way == "EVALSHA":
            compare(both, "SCRIPT", "LOAD", script.source)
            compare(both, way, sha_of(script.source), *script.words)
        else:
            compare(both, "EVAL" if way == "MULTI" else way, script.source, *script.words)
    if way == "MULTI":
        compare(both, "EXEC")
    both.compare_data()


def fails(both: BothServers, scripts: list[Script], resp: int, way: str) -> bool:
    try:
        play(both, scripts, resp, way)
    except AssertionError:
        return True
    return False


def shortest(both: BothServers, scripts: list[Script], resp: int, way: str) -> list[Script]:
    """Leave out scripts and lines as long as the servers still differ."""
    place = 0
    while place < len(scripts):
        fewer = scripts[:place] + scripts[place + 1 :]
        if fails(both, fewer, resp, way):
            scripts = fewer
        else:
            place += 1
    for number, script in enumerate(scripts):
        line = 0
        while line < len(script.lines):
            shorter = attrs.evolve(script, lines=script.lines[:line] + script.lines[line + 1 :])
            if fails(both, [*scripts[:number], shorter, *scripts[number + 1 :]], resp, way):
                script = shorter
                scripts = [*scripts[:number], shorter, *scripts[number + 1 :]]
            else:
                line += 1
    return scripts


@pytest.mark.parametrize("part", range(8))
def test_scripts_written_by_chance_agree(servers: BothServers, part: int) -> None:
    chance = Random(part if effort.is_the_same_every_time() else None)
    for _ in range(SEQUENCES):
        writer = ScriptWriter(chance)
        scripts = [writer.script() for _ in range(chance.choice([1, 1, 3]))]
        resp, way = chance.choice([2, 3]), chance.choice(["EVAL", "EVAL", "EVAL", "EVALSHA", "EVAL_RO", "MULTI"])
        try:
            play(servers, scripts, resp, way)
        except AssertionError:
            play(servers, shortest(servers, scripts, resp, way), resp, way)
            raise


# Requests

SHA = sha_of(b"return 1").decode()
REQUESTS: list[tuple[Word, ...]] = [
    *[(name,) for name in ("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "SCRIPT")],
    *[(name, word) for name in ("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO") for word in ("return 1", SHA, "")],
    *[
        (name, word, count, *words)
        for name, word in (("EVAL", "return {KEYS, ARGV}"), ("EVAL_RO", "return KEYS"), ("EVALSHA", SHA), ("EVALSHA_RO", SHA))
        for count in (0, 1, 2, 3, -1, "x", "", "1.5", " 1", "01", "-0", "+1", 2**63 - 1, 2**63, -(2**63), "9" * 30)
        for words in ((), ("a",), ("a", "b"))
    ],
    ("EVALSHA", SHA.upper(), 0), ("EVALSHA", SHA.title(), 0), ("EVALSHA", SHA[:-1], 0), ("EVALSHA", SHA + "0", 0),
    ("EVALSHA", "g" * 40, 0), ("EVALSHA", b"\0" * 40, 0), ("EVALSHA", b"\xff" * 40, 0), ("EVALSHA", "", 0),
    ("EVALSHA", "0" * 40, "x"), ("EVALSHA", "0" * 40, 5), ("EVALSHA", "0" * 40, -1), ("EVALSHA", "0" * 39, "x"),
    ("EVAL", "bad bad", "x"), ("EVAL", "bad bad", 0), ("EVAL", "bad bad", 5), ("EVAL", b"return '\0'", 0),
    ("EVAL", b"\xff", 0), ("EVAL", "", 0), ("EVAL", "\n\n", 0), ("EVAL", "return 1 -- \xe9", 0),
    ("SCRIPT", "LOAD"), ("SCRIPT", "LOAD", ""), ("SCRIPT", "LOAD", "return 1"), ("SCRIPT", "LOAD", "return 1", "x"),
    ("SCRIPT", "LOAD", "bad bad"), ("SCRIPT", "LOAD", "#!lua\nreturn 1"), ("SCRIPT", "LOAD", "#!lua flags=x\nreturn 1"),
    ("SCRIPT", "LOAD", "#!py\nreturn 1"), ("SCRIPT", "LOAD", b"\x1bLua"), ("SCRIPT", "LOAD", b"return 1\0"),
    ("SCRIPT", "EXISTS"), ("SCRIPT", "EXISTS", SHA), ("SCRIPT", "EXISTS", SHA, SHA.upper(), "", "x", "0" * 40),
    ("SCRIPT", "FLUSH", "x"), ("SCRIPT", "FLUSH", "SYNC", "x"), ("SCRIPT", "FLUSH", ""), ("SCRIPT", "FLUSH", b"SYNC\0"),
    ("SCRIPT", "FLUSH"), ("EVALSHA", SHA, 0), ("EVAL", "return 1", 0), ("EVALSHA", SHA, 0), ("SCRIPT", "FLUSH", "sync"),
    ("EVALSHA", SHA, 0), ("SCRIPT", "LOAD", "return 1"), ("SCRIPT", "FLUSH", "ASYNC"), ("SCRIPT", "EXISTS", SHA),
    ("EVALSHA_RO", SHA, 0), ("EVAL_RO", "return 1", 0), ("EVALSHA_RO", SHA.upper(), 0), ("SCRIPT", "EXISTS", SHA),
    ("SCRIPT", "KILL"), ("SCRIPT", "KILL", "x"), ("SCRIPT", "NOPE"), ("SCRIPT", ""), ("SCRIPT", "NOPE", "x"),
    ("SCRIPT", "DEBUG"), ("SCRIPT", "DEBUG", "no"), ("SCRIPT", "DEBUG", "NOPE"), ("SCRIPT", "DEBUG", "no", "x"),
    ("script", "load", "return 1"), ("Script", "Exists", SHA),
    ("COMMAND", "INFO", "eval", "evalsha", "eval_ro", "evalsha_ro", "script|load", "script|exists", "script|flush",
     "script|kill", "script|debug"),
    *[
        ("COMMAND", what, name, word, count, *words)
        for what in ("GETKEYS", "GETKEYSANDFLAGS")
        for name in ("EVAL", "evalsha", "EVAL_RO", "evalsha_ro")
        for word in ("return 1", SHA, "#!lua flags=no-writes\nreturn 1", "#!lua flags=x\nreturn 1", "bad bad", "0" * 40)
        for count, words in ((0, ()), (1, ("a",)), (1, ("a", "b")), (2, ("a",)), ("x", ("a",)), (-1, ("a",)), (0, ("a",)))
    ],
    ("COMMAND", "GETKEYS", "EVAL"), ("COMMAND", "GETKEYS", "EVAL", "x"), ("COMMAND", "GETKEYS", "SCRIPT", "LOAD", "x"),
]  # fmt: skip


@pytest.mark.parametrize("resp", [2, 3])
def test_requests_that_concern_scripts_are_read_alike(both: BothServers, resp: int) -> None:
    both.call("SCRIPT", "FLUSH")
    if resp == 3:
        both.call("HELLO", 3)
    for words in REQUESTS:
        both.call(*words)
    for words in REQUESTS:
        if words[1:2] == ("DEBUG",):
            continue  # there is no debugger here
        both.call("MULTI")
        both.call(*words)
        both.call("PING")
        both.call("EXEC")


def test_flags_of_a_script_that_is_known_are_those_of_its_request(both: BothServers) -> None:
    sources = [f"#!lua flags={flags}\nreturn {number}" for number, flags in enumerate(
        ["", "no-writes", "allow-oom", "allow-stale", "no-writes,allow-oom", "no-cluster", "allow-cross-slot-keys"]
    )]  # fmt: skip
    both.call("SCRIPT", "FLUSH")
    for known in (False, True):
        for source in sources:
            if known:
                both.call("SCRIPT", "LOAD", source)
            for name in ("EVALSHA", "EVALSHA_RO"):
                both.call("COMMAND", "GETKEYSANDFLAGS", name, sha_of(source.encode()), 1, "k")
                both.call(name, sha_of(source.encode()), 1, "k")
            both.call("COMMAND", "GETKEYSANDFLAGS", "EVAL", source, 1, "k")


# What scripts do to others: `a` and its like are clients of a conversation, `~` is a space within a word

CONVERSATIONS = r"""
SELECT in a script
    a: SELECT 2 | a: EVAL return~redis.call('select',5) 0 | a: SET k v; GET k | a: SELECT 2; KEYS * |
    a: EVAL redis.call('select',5)~redis.call('set','x',1)~return~redis.call('get','k') 0; KEYS *; SELECT 5; KEYS * |
    a: EVAL return~redis.call('keys','*') 0; SELECT 0; EVAL return~redis.call('dbsize') 0 |
    a: MULTI; SELECT 3; EVAL redis.call('set','y',1)~redis.call('select',4)~return~redis.call('set','z',1) 0; SET w 1; EXEC |
    a: SELECT 3; KEYS y; KEYS w; SELECT 4; KEYS z
keys that end in the midst of a script
    a: SET k v PX 30; EVAL redis.call('pexpire','k',-1)~return~redis.call('exists','k') 0 | a: EXISTS k |
    a: EVAL redis.call('set','j',1,'PXAT',1)~return~redis.call('get','j') 0 | a: EXISTS j |
    a: SET k v PX 20 | pass 0.1 | a: EVAL return~redis.call('get','k') 0 | a: EVAL return~redis.call('pttl','k') 0 |
    a: EVAL redis.call('set','k','v','px',1)~for~i=1,3000000~do~end~return~redis.call('get','k') 0 |
    pass 0.1 | a: GET k
WATCH and scripts
    a: SET k 1; WATCH k | b: EVAL return~redis.call('get','k') 0 | a: MULTI; PING; EXEC |
    a: WATCH k | b: EVAL return~redis.call('set','k',2) 0 | a: MULTI; PING; EXEC |
    a: WATCH k; EVAL return~redis.call('incr','k') 0; MULTI; PING; EXEC |
    a: WATCH k; EVAL return~redis.call('get','k') 1 k; MULTI; EVAL return~redis.call('incr','k') 0; EXEC |
    a: WATCH k j | b: EVAL redis.call('del','j') 0 | a: MULTI; PING; EXEC |
    a: WATCH j | b: EVAL redis.call('set','j',1)~redis.call('del','j') 0 | a: MULTI; PING; EXEC |
    a: WATCH j | b: EVAL redis.call('set','j',1)~error('x') 0 | a: MULTI; PING; EXEC |
    a: WATCH k | b: EVAL redis.call('select',1)~redis.call('set','k',1) 0 | a: MULTI; PING; EXEC
clients that wait are served after a script
    b: BLPOP k 0 | c: BRPOP k 0 |
    a: EVAL redis.call('rpush','k',1,2,3)~local~n=redis.call('llen','k')~redis.call('lpush','k',0)~return~n 0 | a: LRANGE k 0 -1
what is gone at the end of a script is not served
    b: BLPOP k 0 | a: EVAL redis.call('rpush','k',1)~redis.call('del','k')~return~1 0 | a: RPUSH k 2
clients of several keys that wait
    b: BLPOP k j 0 | c: BLMOVE j l LEFT RIGHT 0 | d: BZPOPMIN z 0 | e: XREAD BLOCK 0 STREAMS x 0 |
    a: EVAL redis.call('rpush','j',1)~redis.call('rpush','k',2)~redis.call('zadd','z',1,'m')~redis.call('xadd','x','1-1','f','v') 0 |
    a: LRANGE l 0 -1; LRANGE j 0 -1; LRANGE k 0 -1
served although the script failed
    b: BLPOP k 0 | a: EVAL redis.call('rpush','k',1)~error('x') 0 | b: BLPOP k 0 |
    a: EVAL redis.call('rpush','k',1)~redis.call('nope') 0
served after a transaction with scripts
    b: BLPOP k 0 | c: BLPOP k 0 |
    a: MULTI; EVAL redis.call('rpush','k',1) 0; LLEN k; EVAL redis.call('rpush','k',2)~return~redis.call('llen','k') 0; EXEC | a: LLEN k
blocking commands in a script do not wait
    a: EVAL return~redis.call('blpop','k',0) 0 | a: EVAL return~redis.call('blmove','k','j','left','left',0) 0 |
    a: EVAL return~redis.call('bzpopmin','k',0) 0 | a: EVAL return~redis.call('xread','block',0,'streams','k','$') 0 |
    a: RPUSH k 1 2 3; EVAL return~redis.call('blpop','k',0) 0 | a: EVAL return~redis.call('blmpop',0,1,'k','left','count',5) 0 |
    a: EVAL return~redis.call('wait',1,0) 0 | a: XADD x 1-1 f v; XGROUP CREATE x g $ |
    a: EVAL return~redis.call('xreadgroup','group','g','c','block',0,'streams','x','>') 0
a script after one that waits
    b: BLPOP k 0; EVAL return~redis.call('rpush','k',5,6) 0; EVAL return~redis.call('lpop','k') 0 | a: RPUSH k 1 | a: LLEN k
messages of a script
    b: SUBSCRIBE c | a: EVAL redis.call('publish','c','1')~redis.call('set','k',1)~return~redis.call('publish','c','2') 0 |
    a: MULTI; PUBLISH c 3; EVAL redis.call('publish','c','4') 0; EXEC | a: EVAL return~redis.call('publish','nobody','x') 0 |
    b: EVAL return~1 0; SCRIPT LOAD x; PING
messages of a script to its own client
    b: HELLO 3; SUBSCRIBE c | b: EVAL redis.call('publish','c','1')~return~redis.call('publish','c','2') 0; PING
what a script changes is told
    b: HELLO 3; CLIENT TRACKING on | b: GET k; GET j; GET i | a: EVAL redis.call('set','k',1)~redis.call('set','j',2)~return~1 0 |
    b: GET k; GET j | a: EVAL redis.call('set','k',1)~error('x') 0 | a: EVAL return~redis.call('get','j') 0 | a: SET j 1
what a script has read is told to its client
    b: HELLO 3; CLIENT TRACKING on | b: EVAL return~redis.call('get','k') 1 k | a: SET k 1 | a: SET k 2 |
    b: EVAL return~redis.call('get','j') 0 | a: SET j 1 | b: EVAL_RO return~redis.call('mget','j','i') 1 l | a: SET i 1; SET l 1
    | b: EVAL return~1 1 m | a: SET m 1 | b: EVAL_RO return~1 1 n | a: SET n 1
own changes by a script
    b: HELLO 3; CLIENT TRACKING on; GET k; GET j | b: EVAL redis.call('set','k',1)~redis.call('set','j',1)~return~redis.call('get','k') 0; PING |
    a: SET k 3; SET j 3
own changes by a script without an echo
    b: HELLO 3; CLIENT TRACKING on NOLOOP; GET k | b: EVAL return~redis.call('set','k',1) 0; PING | a: SET k 3
broadcasts of a script
    b: HELLO 3; CLIENT TRACKING on BCAST | a: EVAL redis.call('set','k',1)~redis.call('set','j',1)~redis.call('del','k')~return~1 0 |
    b: EVAL redis.call('set','k',1)~redis.call('set','j',1)~return~redis.call('incr','k') 0; PING
broadcasts of a script without an echo
    b: HELLO 3; CLIENT TRACKING on BCAST NOLOOP | c: HELLO 3; CLIENT TRACKING on BCAST PREFIX j |
    b: EVAL redis.call('set','k',1)~redis.call('set','j',1) 0; PING
tracking by request and scripts
    b: HELLO 3; CLIENT TRACKING on OPTIN | b: CLIENT CACHING yes; EVAL return~redis.call('get','k') 0; GET j | a: SET k 1; SET j 1 |
    b: EVAL return~redis.call('get','k') 0 | a: SET k 1
tracking unless asked and scripts
    b: HELLO 3; CLIENT TRACKING on OPTOUT | b: CLIENT CACHING no; EVAL return~redis.call('get','k') 0; GET j | a: SET k 1; SET j 1 |
    b: EVAL return~redis.call('get','k') 0 | a: SET k 1
MONITOR of a script
    b: MONITOR | a: EVAL redis.call('set','k',1)~redis.pcall('nope')~redis.pcall('get')~return~redis.call('get','k') 1 k v |
    a: EVALSHA 0000000000000000000000000000000000000000 0; SCRIPT LOAD return~1; SCRIPT EXISTS x; EVAL bad~bad 0; EVAL return~1 x |
    a: SELECT 3; EVAL redis.call('ping')~redis.call('select',4)~return~redis.call('get','k') 0; PING |
    a: MULTI; EVAL return~redis.call('incr','n') 0; PING; EXEC | a: EVAL_RO return~redis.call('set','k',1) 0 |
    a: EVAL redis.call('config','get','x')~redis.call('echo','a\0b')~error('x') 0 | a: EVAL return~redis.pcall('auth','x') 0 |
    a: EVAL redis.call('lpush','none','x')~return~redis.call('set','k','b~c\"d') 0; SCRIPT FLUSH
scripts of one who monitors
    b: MONITOR | b: EVAL return~redis.call('set','k',1) 0 | a: EVAL return~redis.call('get','k') 0 | b: EVAL return~1 0; SCRIPT LOAD x
names and numbers of clients
    a: CLIENT SETNAME me; EVAL return~redis.pcall('client','getname') 0; EVAL return~redis.pcall('client','setname','you') 0; CLIENT GETNAME |
    a: EVAL return~redis.pcall('client','kill','x:1') 0; EVAL return~redis.pcall('hello') 0
clients who wait for a script that renames and swaps
    b: BLPOP k 0 | a: RPUSH j 1 2; EVAL return~redis.call('rename','j','k') 0 | b: BLPOP k 0; BLPOP i 0 |
    a: EVAL redis.call('select',1)~redis.call('rpush','i',1)~return~redis.call('swapdb',0,1) 0 | a: KEYS *
flushed by a script
    b: HELLO 3; CLIENT TRACKING on; GET k | a: SET k 1; WATCH k | c: EVAL return~redis.call('flushall') 0 | a: MULTI; PING; EXEC; KEYS *
"""


class Scripts(Messages):
    """A conversation in whose words `~` stands for a space."""

    def _requests(self, text: str, side: int) -> bytes:
        requests = [request.split(" ") for request in text.split("; ")]
        return b"".join(encode(tuple(_word(word) for word in words)) for words in requests)


def _word(text: str) -> str:
    return "" if text == "''" else text.replace("~", " ")


@pytest.fixture
def conversation(both: BothServers) -> Iterator[Scripts]:
    """A conversation on empty databases."""
    both.call("SCRIPT", "FLUSH")
    conversation = Scripts(both)
    yield conversation
    conversation.end()


ABOUT_OTHERS = read_scripts(CONVERSATIONS)


@pytest.mark.parametrize("name", ABOUT_OTHERS)
@pytest.mark.parametrize("resp", [2, 3])
def test_scripts_concern_other_clients_alike(conversation: Scripts, name: str, resp: int) -> None:
    if resp == 3:
        speak_resp3(conversation, "abcde")
    conversation.play(*ABOUT_OTHERS[name])


CHANGING = (
    "redis.call('set', 'k', 'v')",
    "redis.call('set', 'k', 'v', 'ex', 1000)",
    "redis.call('del', 'k', 'none')",
    "redis.call('rpush', 'l', 1, 2) redis.call('lpop', 'l') redis.call('lpop', 'l')",
    "redis.call('incr', 'n') redis.call('incr', 'n') error('x')",
    "redis.call('get', 'missing') redis.pcall('lpush', 'k', 1)",
    "redis.call('hset', 'h', 'f', 1) redis.call('hdel', 'h', 'f')",
    "redis.call('select', 3) redis.call('set', 'k', 'v') redis.call('select', 4) redis.call('move', 'k', 5)",
    "redis.call('expire', 'n', 100) redis.call('persist', 'n') redis.call('pexpire', 'n', -1)",
    "redis.call('rename', 'h2', 'h3')",
    "redis.call('sadd', 's', 1) redis.call('rename', 's', 't') redis.call('copy', 't', 'u')",
    "redis.call('xadd', 'x', '1-1', 'f', 'v') redis.call('xdel', 'x', '1-1')",
    "redis.call('zadd', 'z', 1, 'a') redis.call('zpopmin', 'z')",
    "redis.call('flushdb')",
)


REQUESTS_THAT_RUN: tuple[tuple[Word, ...], ...] = (
    ("EVAL", "source", 0),
    ("EVAL_RO", "source", 0),
    ("MULTI",),
    ("EVAL", "source", 0),
    ("EXEC",),
)


@pytest.mark.parametrize("source", CHANGING)
def test_events_caused_by_scripts_agree(both: BothServers, source: str) -> None:
    listener = Listener(both)
    try:
        for request in REQUESTS_THAT_RUN:
            listener.call(*(source if word == "source" else word for word in request))
        both.call("SCRIPT", "LOAD", source)
        listener.call("EVALSHA", sha_of(source.encode()), 1, "k")
    finally:
        listener.close()


# Memory: a limit of one byte is over-full with any key

FULL = (
    "return redis.call('get', 'k')",
    "return redis.call('set', 'k', 'v')",
    "return redis.pcall('set', 'k', 'v')",
    "redis.call('del', 'k') return redis.call('set', 'k', 'v')",
    "redis.call('expire', 'k', 100) redis.call('append', 'k', 'v') return redis.call('incr', 'n')",
    "redis.pcall('set', 'k', 'v') return {redis.pcall('set', 'j', 'v'), redis.pcall('del', 'k'), redis.pcall('set', 'k', 'w')}",
    "redis.call('get', 'k') return redis.call('lpush', 'l', 1)",
    "redis.call('lpop', 'none') return redis.call('lpush', 'l', 1)",
    "return redis.call('publish', 'c', 'm')",
    "redis.call('publish', 'c', 'm') return redis.call('lpush', 'l', 1)",
    "return redis.call('config', 'get', 'maxmemory')",
    "redis.call('select', 1) return redis.call('lpush', 'l', 1)",
    "return redis.call('copy', 'k', 'j')",
    "return redis.call('getex', 'k', 'persist')",
    "return redis.call('pfcount', 'none')",
    "return redis.call('sort', 'none', 'store', 'other')",
    "return redis.call('bitfield', 'k', 'get', 'u8', 0)",
    "return redis.call('rename', 'k', 'j')",
    "return redis.call('flushall')",
)
FLAGS = ("", "#!lua\n", "#!lua flags=allow-oom\n", "#!lua flags=no-writes\n", "#!lua flags=no-writes,allow-oom\n",
         "#!lua flags=allow-stale\n")  # fmt: skip


@pytest.fixture
def full(both: BothServers) -> Iterator[BothServers]:
    """Both servers with a key, and a limit of memory that the real one is relieved of afterwards."""
    both.call("SCRIPT", "FLUSH")
    yield both
    both.control.ask(encode(("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")))


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
def test_scripts_are_refused_alike_over_the_limit_of_memory(full: BothServers, flags: str, policy: str) -> None:
    full.call("CONFIG", "SET", "maxmemory-policy", policy)
    for body in FULL:
        source = flags + body
        for way in ("EVAL", "EVALSHA", "EVAL_RO", "MULTI", "EVALSHA MULTI"):
            full.call("CONFIG", "SET", "maxmemory", 0)
            full.call("FLUSHALL")
            full.call("SET", "k", 1)
            full.call("SCRIPT", "LOAD", source)
            full.call("CONFIG", "SET", "maxmemory", 1)
            name, word = ("EVALSHA", sha_of(source.encode())) if way.startswith("EVALSHA") else ("EVAL", source)
            if "MULTI" in way:
                for request in (("MULTI",), (name, word, 1, "k"), ("GET", "k"), ("EXEC",)):
                    full.call(*request)
            else:
                full.call("EVAL_RO" if way == "EVAL_RO" else name, word, 1, "k")
            full.compare_data()


def test_writes_that_fail_for_want_of_memory_are_counted_alike(full: BothServers) -> None:
    full.call("CONFIG", "RESETSTAT")
    full.call("SET", "k", 1)
    full.call("CONFIG", "SET", "maxmemory", 1)
    for flags in FLAGS:
        for body in FULL[:8]:
            full.call("EVAL", flags + body, 0)
    assert errors(full.ask_ours("INFO", "errorstats")) == errors(full.ask_real("INFO", "errorstats"))


FAILING = (
    "return redis.call('nope')", "return redis.pcall('nope')", "error('x')", "error({err = 'MY x'})", "return {err = 'MY x'}",
    "return redis.error_reply('OWN x')", "redis.pcall('nope') return 1", "return pcall(redis.call, 'nope')",
    "local ok, e = pcall(redis.call, 'lpush', 'k', 1) return {err = e}",
    "local e = redis.pcall('lpush', 'k', 1) error(e)", "local e = redis.pcall('lpush', 'k', 1) return e", "x = 1",
    "return redis.call('get')", "redis.call('incr', 'k') return redis.call('incrby', 'k', 'x')", "bad bad",
    "return {1, {err = 'IN x'}}", "return redis.call('eval', 'x', 0)", "return redis.call()", "return redis.call({})",
)  # fmt: skip


@pytest.mark.parametrize("source", FAILING)
def test_calls_and_errors_of_scripts_are_counted_alike(both: BothServers, source: str) -> None:
    both.call("SET", "k", "v")
    both.call("CONFIG", "RESETSTAT")
    for words in (("EVAL", source, 0), ("EVAL_RO", source, 0), ("EVALSHA", sha_of(source.encode()), 0), ("MULTI",),
                  ("EVAL", source, 0), ("EXEC",)):  # fmt: skip
        both.call(*words)
    for section in ("errorstats", "commandstats"):
        theirs, ours = (errors(reply) for reply in both.both("INFO", section))
        assert ours == theirs


def errors(reply: bytes) -> list[bytes]:
    """Give the lines of counts, without times."""
    lines = [line for line in reply.split(b"\r\n") if line.startswith((b"errorstat_", b"cmdstat_"))]
    return sorted(
        re.sub(rb"usec\w*=[^,]*,", b"", line)
        for line in lines
        if not line.startswith((b"cmdstat_info", b"cmdstat_config"))
    )
