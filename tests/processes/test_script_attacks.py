"""Scripts that attack the server: each against a process of its own, which must outlive it and remember nothing of it.

After each attack another client is answered at once, memory is bounded, and a script sees a world without a trace of it.
"""

# ruff: noqa: E501 - scripts stand as they are sent

from __future__ import annotations

import re
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator

import attrs
import pytest

from twisted_kv.wire.encoder import encode_request

from .test_twistd import Program, running

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

LIMIT = 8 << 20
"""Bytes that scripts may take in these servers."""
PATIENCE = 10.0
"""Seconds that an attack may take: none is an endless loop."""
PROMPT = 2.0
"""Seconds within which another client is answered once the attack is over."""
GROWTH = 160 << 20
"""Bytes by which the process may have grown at its largest: requests and replies of some megabytes, and copies of these."""

MARK = b"the end of a reply"

FINGERPRINT = b"""
local found = {}
local function note(...) found[#found + 1] = table.concat({...}, ' ') end
local function look(name, t)
  local names = {}
  for key in pairs(t) do names[#names + 1] = key end
  table.sort(names)
  for _, key in ipairs(names) do note(name, key, type(t[key])) end
end
look('_G', _G)
for _, name in ipairs{'redis', 'string', 'table', 'math', 'coroutine', 'cjson', 'cmsgpack', 'struct', 'bit'} do
  look(name, _G[name])
  note(name, tostring(_G[name].source), tostring(_G[name].line), tostring(_G[name].leaked))
  note(name, tostring(pcall(function() _G[name].line = 5 end)), tostring(pcall(rawset, _G[name], 'line', 5)))
end
note('globals', tostring(pcall(function() return source end)), tostring(pcall(function() return line end)))
note('texts', tostring(('x').source), tostring(getmetatable('').source))
note('string', ('x'):upper(), tostring(getmetatable('').__index == string))
note('arguments', #KEYS, #ARGV)
note('call', type(redis.call), tostring(redis.call('get', 'no such key')), #redis.call('hgetall', 'no such key'))
note('error', tostring(redis.pcall('nope').err), tostring(select(2, pcall(redis.call, 'nope'))))
note('pcall', tostring(pcall(error, 'x')), tostring(select(2, pcall(error, 'x', 0))))
note('json', cjson.encode({1, {a = 1.5}}), tostring(pcall(cjson.encode, {[1] = 1, [1000] = 1})), cjson.encode(1/3))
note('json', tostring(pcall(cjson.decode, string.rep('[', 900) .. string.rep(']', 900))), cjson.decode('[0.5]')[1])
note('global', tostring(pcall(function() return leaked end)), tostring(rawget(_G, 'leaked')))
note('meta', tostring(getmetatable(_G) ~= nil), tostring(getmetatable(redis)), tostring(getmetatable(string)))
note('collector', collectgarbage('setpause', 200), collectgarbage('setstepmul', 200))
note('coroutine', tostring(coroutine.running()), tostring(coroutine.wrap(function() return 5 end)()))
return table.concat(found, '\\n')
"""
"""Returns all that a script can see of what others may have left."""


class Connection:
    """A connection that takes a reply for whatever comes before the next answer, however deep it is."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.settimeout(PATIENCE)

    def send(self, *words: bytes) -> None:
        """Send a request, and wait for nothing."""
        self.socket.sendall(encode_request(words))

    def ask(self, *words: bytes) -> bytes:
        """Send a request, and return the bytes of its reply."""
        end = b"$%d\r\n%b\r\n" % (len(MARK), MARK)
        self.socket.sendall(encode_request(words) + encode_request((b"ECHO", MARK)))
        received = bytearray()
        while not received.endswith(end):
            piece = self.socket.recv(1 << 20)
            assert piece, f"the server closed the connection after {bytes(received[-200:])!r}"
            received += piece
        return bytes(received[: -len(end)])

    def close(self) -> None:
        self.socket.close()


@attrs.frozen
class Target:
    """A server that is attacked."""

    program: Program
    attacker: Connection

    def evaluate(self, source: bytes, *words: bytes, keys: int = 0) -> bytes:
        """Run a script, and return the bytes of its reply."""
        return self.attacker.ask(b"EVAL", source, b"%d" % keys, *words)

    def memory(self, figure: str) -> int:
        """Return a figure of the process's memory in bytes: VmRSS now, VmHWM at its largest."""
        text = Path(f"/proc/{self.program.process.pid}/status").read_text()
        [kilobytes] = re.findall(rf"{figure}:\s+(\d+) kB", text)
        return int(kilobytes) * 1024


@contextmanager
def attacked(folder: Path, limit: int = LIMIT) -> Iterator[Target]:
    """Start a server, have it attacked, and check that it has come to no harm."""
    with running(folder, "--lua-memory-limit", str(limit), "--save", "", "--no-udp") as program:
        target = Target(program, Connection(program.port))
        before = target.evaluate(FINGERPRINT)
        assert before.startswith(b"$"), before
        size = target.memory("VmRSS")
        yield target
        assert program.process.poll() is None, program.said()
        other = Connection(program.port)
        began = time.monotonic()
        assert other.ask(b"PING") == b"+PONG\r\n"
        assert time.monotonic() - began < PROMPT
        assert other.ask(b"EVAL", b"return redis.call('set', KEYS[1], ARGV[1])", b"1", b"k", b"v") == b"+OK\r\n"
        after = other.ask(b"EVAL", FINGERPRINT, b"0")
        assert after == before
        assert time.monotonic() - began < 2 * PROMPT
        assert target.memory("VmHWM") - size < GROWTH
        assert "Traceback" not in program.said()
        assert "has failed" not in program.said()
        other.close()
        target.attacker.close()


BOMBS: Dict[str, bytes] = {
    "a string is doubled": b"local s = 'x' while true do s = s .. s end",
    "a string is doubled, 60 times": b"local s = 'x' for i = 1, 60 do s = s .. s end return #s",
    "a table is filled": b"local t = {} local i = 0 while true do i = i + 1 t[i] = {i} end",
    "a table is filled with texts": b"local t = {} local i = 0 while true do i = i + 1 t['key' .. i] = 'value' .. i end",
    "coroutines": b"local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
    "coroutines that have begun": (
        b"local t = {} while true do local c = coroutine.wrap(function() coroutine.yield(t) end) c() t[#t + 1] = c end"
    ),
    "coroutines in coroutines": b"local function f() return coroutine.wrap(f)() end f()",
    "closures": b"local t = {} while true do local x = #t t[x + 1] = function() return x end end",
    "string.rep": b"return #string.rep('x', 2^30)",
    "string.rep of 2 GB": b"return #string.rep('x', 2^31)",
    "string.rep of more": b"return #string.rep('xxxx', 2^62)",
    "string.rep caught": b"return {pcall(string.rep, 'x', 1e9)}",
    "the reply is large": b"return string.rep('x', 3e6)",
    "many large parts of a reply": b"local s = string.rep('x', 1e6) local t = {} for i = 1, 20 do t[i] = s end return t",
    "table.concat": b"local t = {} local s = string.rep('x', 1e5) for i = 1, 1e4 do t[i] = s end return #table.concat(t)",
    "gsub": b"return #string.gsub(string.rep('x', 1e4), 'x', string.rep('y', 1e5))",
    "gsub with a function": b"local y = string.rep('y', 1e5) return #string.gsub(string.rep('x', 1e4), '.', function() return y end)",
    "string.format": b"local s = string.rep('x', 1e6) return #string.format(string.rep('%s', 100), unpack({s, s, s, s, s}))",
    "string.format of many": (
        b"local s, t = string.rep('x', 1e5), {} for i = 1, 200 do t[i] = s end "
        b"return #string.format(string.rep('%s', 200), unpack(t))"
    ),
    "upper of much": b"local s, t = string.rep('x', 1e6), {} for i = 1, 100 do t[i] = (s .. i):upper() end return #t",
    "cjson.encode": b"local s = string.rep('\\1', 2e6) return #cjson.encode({s, s, s})",
    "cjson.encode of many": b"local t = {} for i = 1, 5e4 do t[i] = {a = {b = i}} end return #cjson.encode(t)",
    "cjson.encode of one value that is often there": (
        b"local t = {1, 2} for i = 1, 28 do t = {t, t} end return #cjson.encode(t)"
    ),
    "cjson.encode of a cycle": b"local t = {} t[1] = t return #cjson.encode(t)",
    "cjson.encode of a sparse table": b"return #cjson.encode({[1] = 1, [2^40] = 2})",
    "cjson.decode": b"return #cjson.decode('[' .. string.rep('[],', 3e5) .. '1]')",
    "cjson.decode of many": b"return #cjson.decode('[' .. string.rep('1,', 1e6) .. '1]')",
    "cjson.decode of a text": b"return #cjson.decode('\"' .. string.rep('\\\\u0041', 3e5) .. '\"')",
    "cmsgpack.pack": b"local s = string.rep('x', 2e6) return #cmsgpack.pack({s, s, s, s})",
    "cmsgpack.pack of a cycle": b"local t = {} t[1] = t t[2] = t return #cmsgpack.pack(t)",
    "cmsgpack.unpack of a large array": b"return #cmsgpack.unpack('\\221\\255\\255\\255\\255')",
    "cmsgpack.unpack of a large map": b"return #cmsgpack.unpack('\\223\\127\\255\\255\\255' .. string.rep('\\1', 1e6))",
    "cmsgpack.unpack of a large text": b"return #cmsgpack.unpack('\\219\\255\\255\\255\\255abc')",
    "cmsgpack.unpack of many": b"return #{cmsgpack.unpack(string.rep('\\1', 1e6))}",
    "struct.pack of many": b"return #struct.pack(string.rep('i4', 1e5), 1)",
    "struct.pack of large sizes": b"return #struct.pack('i99999999', 1)",
    "struct.pack of zeros": b"return #struct.pack(string.rep('x', 2e6))",
    "struct.pack of a large field": b"return #struct.pack('c999999999', 'x')",
    "struct.pack aligned": b"return #struct.pack('!1073741824i4', 1)",
    "struct.size": b"return struct.size('c2147483647c2147483647c2147483647')",
    "struct.unpack of many": b"return #{struct.unpack(string.rep('b', 2e5), string.rep('x', 2e5))}",
    "struct.unpack beyond": b"return {struct.unpack('>I4c0', '\\255\\255\\255\\255abc', 2^40)}",
    "bit": b"return {bit.tohex(1, 2^31), bit.lshift(1, 2^40), bit.rol(2^60, -2^60)}",
    "loadstring of much": b"return type(loadstring(string.rep('local x = 1 ', 2e5)))",
    "loadstring of nested blocks": b"return {loadstring(string.rep('do ', 1e5))}",
    "loadstring of nested brackets": b"return {loadstring('return ' .. string.rep('(', 1e5))}",
    "loadstring of nested tables": b"return {loadstring('return ' .. string.rep('{', 1e5))}",
    "loadstring of a long sum": b"return {loadstring('return ' .. string.rep('1 + ', 2e5) .. '1')}",
    "loadstring of a long concatenation": b"return {loadstring('return ' .. string.rep('1 .. ', 1e5) .. '1')}",
    "load of endless pieces": b"local n = 0 return {load(function() n = n + 1 return string.rep('x ', 1e5) .. n end)}",
    "load of many small pieces": b"local n = 0 return {load(function() n = n + 1 if n < 3e5 then return ' ' end end)}",
    "many constants": (
        b"local t = {} for i = 1, 1e5 do t[i] = \"'\" .. i .. \"'\" end return {loadstring('return {' .. table.concat(t, ',') .. '}')}"
    ),
    "the collector is stopped": b"collectgarbage('stop') local s for i = 1, 1e6 do s = 'text' .. i end return #s",
    "the collector is lazy": (
        b"collectgarbage('setpause', 100000) collectgarbage('setstepmul', 1) local s "
        b"for i = 1, 1e6 do s = 'text' .. i end return #s"
    ),
    "the collector is called often": b"for i = 1, 2000 do collectgarbage() end return 1",
    "sha1hex of much": b"local s = string.rep('x', 3e6) for i = 1, 20 do redis.sha1hex(s) end return 1",
    "log of much": b"redis.log(redis.LOG_DEBUG, string.rep('x', 3e6)) return 1",
    "an error with a large text": b"error(string.rep('x', 3e6))",
    "an error table with a large text": b"error({err = string.rep('x ', 1e6)})",
    "an error reply with a large text": b"return redis.error_reply(string.rep('x', 3e6))",
    "a status with a large text": b"return redis.status_reply(string.rep('x', 3e6))",
    "a large reply of many": b"local t = {} for i = 1, 2e5 do t[i] = i end return t",
    "one value often in a reply": b"local t = {1, 2} for i = 1, 15 do t = {t, t} end return t",
    "ECHO of much, many times": b"local s = string.rep('x', 2e6) local t = {} for i = 1, 50 do t[i] = redis.call('echo', s .. i) end return #t",
    "keys of much": b"for i = 1, 300 do redis.call('set', 'k' .. i, string.rep('x', 1e5)) end redis.call('flushall') return 1",
    "a value that does not fit": (
        b"redis.call('setrange', 'big', 20000000, 'x') local ok = pcall(redis.call, 'get', 'big') redis.call('del', 'big') return ok"
    ),
    "values that do not fit": (
        b"for i = 1, 200 do redis.call('rpush', 'list', string.rep('x', 1e5)) end "
        b"local r = redis.pcall('lrange', 'list', 0, -1) redis.call('del', 'list') return #r"
    ),
    "many small values that do not fit": (
        b"for i = 1, 200 do local t = {} for j = 1, 1000 do t[j] = i * j end redis.call('rpush', 'list', unpack(t)) end "
        b"local r = redis.pcall('lrange', 'list', 0, -1) return #r"
    ),
    "a map that does not fit": (
        b"redis.setresp(3) for i = 1, 100000 do redis.call('hset', 'hash', i, i) end return redis.call('hgetall', 'hash')"
    ),
    "a set that does not fit": (
        b"redis.setresp(3) for i = 1, 100000 do redis.call('sadd', 'set', i) end return redis.call('smembers', 'set')"
    ),
}
"""Scripts that want memory, by what takes it."""

CAUGHT = {
    "in a loop": b"for i = 1, 20 do pcall(function() local s = 'x' while true do s = s .. s end end) end return 1",
    "in a loop of tables": (
        b"for i = 1, 20 do pcall(function() local t = {} while true do t[#t + 1] = {} end end) end return 1"
    ),
    "and all that was taken is kept": (
        b"local kept = {} for i = 1, 20 do pcall(function() while true do kept[#kept + 1] = ('x'):rep(1000) .. #kept end end) end "
        b"return #kept"
    ),
    "and a command follows": (
        b"local t = {} pcall(function() while true do t[#t + 1] = {} end end) return redis.call('set', 'k', 'v')"
    ),
    "and a command that fails follows": (
        b"local t = {} pcall(function() while true do t[#t + 1] = {} end end) return redis.call('nope')"
    ),
    "and pcall follows": (
        b"local t = {} pcall(function() while true do t[#t + 1] = {} end end) return redis.pcall('nope')"
    ),
    "by xpcall with a handler that takes more": (
        b"local t = {} return xpcall(function() while true do t[#t + 1] = {} end end, "
        b"function(e) while true do t[#t + 1] = {} end end)"
    ),
    "in coroutines": (
        b"local kept = {} for i = 1, 20 do coroutine.resume(coroutine.create(function() "
        b"while true do kept[#kept + 1] = {i} end end)) end return redis.call('ping')"
    ),
    "in a metamethod": (
        b"local t = setmetatable({}, {__index = function(t, k) while true do t[#t + 1] = {} end end}) "
        b"pcall(function() return t.x end) return redis.call('echo', 'x')"
    ),
    "and libraries follow": (
        b"local t = {} pcall(function() while true do t[#t + 1] = {} end end) "
        b"return {pcall(cjson.encode, {1}), pcall(struct.pack, 'i4', 1), pcall(bit.band, 1, 2), pcall(redis.sha1hex, 'x'), "
        b"pcall(cmsgpack.pack, 1), pcall(redis.log, 0, 'x'), pcall(redis.setresp, 3), pcall(loadstring, 'return 1')}"
    ),
    "and the collector is stopped": (
        b"collectgarbage('stop') for i = 1, 20 do pcall(function() local t = {} while true do t[#t + 1] = {} end end) end "
        b"return redis.call('ping')"
    ),
}
"""Scripts that want memory, catch the error and go on."""

FILLING = b"""
local kept, size = {}, tonumber(ARGV[1])
local function fill(step, left)
  while collectgarbage('count') * 1024 < size - left do kept[#kept + 1] = string.rep('x', step) .. #kept end
end
fill(10000, 30000) fill(100, 3000)
"""
AT_THE_LIMIT = {
    "a large value": b"return redis.call('echo', string.rep('x', 60000))",
    "a value of the keyspace": b"return #redis.call('get', 'large')",
    "a list of the keyspace": b"return #redis.call('lrange', 'list', 0, -1)",
    "the members of a set, as RESP3": b"redis.setresp(3) return redis.call('smembers', 'set')",
    "many arguments": b"local t = {} for i = 1, 1000 do t[i] = 'm' end return redis.call('sadd', 'set', unpack(t))",
    "tables as arguments": b"local t = {} for i = 1, 1000 do t[i] = kept end return redis.call('sadd', unpack(t))",
    "numbers as arguments": b"local t = {} for i = 1, 1000 do t[i] = i + 0.5 end return redis.call('sadd', 'set', unpack(t))",
    "errors": b"for i = 1, 1000 do pcall(redis.call, 'nope') end return 1",
    "errors that are kept": b"for i = 1, 1e5 do kept[#kept + 1] = redis.pcall('nope') end return 1",
    "statuses that are kept": b"for i = 1, 1e5 do kept[#kept + 1] = redis.pcall('ping') end return 1",
    "an error": b"return redis.call('nope')",
    "a reply": b"return kept",
    "a map as a reply": b"return {map = {a = kept, b = kept}}",
    "sha1hex": b"for i = 1, 1e5 do kept[#kept + 1] = redis.sha1hex(i) end return #kept",
    "struct": b"for i = 1, 1e5 do kept[#kept + 1] = struct.pack('>I8', i) end return #kept",
    "struct.unpack of many": b"return #{struct.unpack(string.rep('b', 7000), string.rep('x', 7000))}",
    "bit": b"for i = 1, 1e5 do kept[#kept + 1] = bit.tohex(i) end return #kept",
    "errors of struct": b"for i = 1, 1e4 do kept[#kept + 1] = select(2, pcall(struct.pack, 'i99', i)) end return #kept",
    "cjson": b"for i = 1, 1e5 do kept[#kept + 1] = cjson.decode('[1,{\"a\":[]}]') end return #kept",
    "loadstring": b"for i = 1, 1e5 do kept[#kept + 1] = loadstring('return ' .. i) end return #kept",
    "an error with a handler": b"return {xpcall(function() redis.call('nope') end, function(e) kept[#kept + 1] = e return e end)}",
    "coroutines": b"for i = 1, 1e4 do kept[#kept + 1] = coroutine.wrap(function() redis.call('nope') end) pcall(kept[#kept]) end return 1",
    "an error of its own": b"error({err = kept[1]})",
    "log": b"for i = 1, 1000 do redis.log(0, kept[1]) end return 1",
    "errors of sha1hex": b"for i = 1, 1e5 do kept[#kept + 1] = select(2, pcall(redis.sha1hex)) .. i end return #kept",
    "errors of log": b"for i = 1, 1e5 do kept[#kept + 1] = {pcall(redis.log)} end return #kept",
    "errors of acl_check_cmd": b"for i = 1, 1e5 do kept[#kept + 1] = {pcall(redis.acl_check_cmd, 'nope')} end return #kept",
    "errors of setresp": b"for i = 1, 1e5 do kept[#kept + 1] = {xpcall(redis.setresp, function(e) return e end)} end return #kept",
    "errors in coroutines": b"for i = 1, 1e5 do kept[#kept + 1] = {coroutine.resume(coroutine.create(redis.log))} end return #kept",
    "acl_check_cmd": b"for i = 1, 1e5 do kept[#kept + 1] = {redis.acl_check_cmd('get', 'k')} end return #kept",
    "doubles of cmsgpack": b"for i = 1, 1e5 do kept[#kept + 1] = cmsgpack.pack(i + 0.3) end return #kept",
    "floats of cmsgpack": b"for i = 1, 1e5 do kept[#kept + 1] = cmsgpack.pack(i + 0.5) end return #kept",
    "doubles that cmsgpack reads": (
        b"local s = cmsgpack.pack(0.1) for i = 1, 1e5 do kept[#kept + 1] = {cmsgpack.unpack(s)} end return #kept"
    ),
    "tables alone": b"for i = 1, 1e6 do kept[#kept + 1] = {} end return #kept",
    "integers of commands": b"for i = 1, 1e6 do kept[#kept + 1] = {redis.call('incr', 'k')} end return #kept",
    "nothing of commands": b"for i = 1, 1e6 do kept[#kept + 1] = {redis.call('get', 'none')} end return #kept",
    "many small lists": b"for i = 1, 1e5 do kept[#kept + 1] = redis.call('lrange', 'list', 0, 150) end return #kept",
    "many lists": b"for i = 1, 1e5 do kept[#kept + 1] = redis.call('lrange', 'list', 0, 1100) end return #kept",
    "names": b"for i = 1, 1e5 do kept[#kept + 1] = function() return redis.call('echo', i) end kept[#kept]() end return #kept",
    "setresp": b"for i = 1, 1000 do redis.setresp(3) redis.setresp(2) end return 1",
}
"""What a script does that has filled its memory to just below the limit."""

ANSWERS = re.compile(rb"[-+:$*%~_,#=(]")


def assert_answered(reply: bytes) -> None:
    assert ANSWERS.match(reply), reply[:200]
    assert b"nternal" not in reply[:2000], reply[:2000]


@pytest.mark.parametrize("name", BOMBS)
def test_a_script_that_wants_memory_harms_nobody(tmp_path: Path, name: str) -> None:
    with attacked(tmp_path) as target:
        assert_answered(target.evaluate(BOMBS[name]))


@pytest.mark.parametrize("name", CAUGHT)
def test_a_script_that_catches_its_want_of_memory_harms_nobody(tmp_path: Path, name: str) -> None:
    with attacked(tmp_path) as target:
        assert_answered(target.evaluate(CAUGHT[name]))


@pytest.mark.parametrize("name", AT_THE_LIMIT)
def test_a_script_at_the_limit_of_its_memory_harms_nobody(tmp_path: Path, name: str) -> None:
    with attacked(tmp_path) as target:
        ask = target.attacker.ask
        ask(b"SET", b"large", b"x" * 900_000)
        ask(b"RPUSH", b"list", *[b"y" * 20] * 20_000)
        ask(b"SADD", b"set", *[b"%d" % number for number in range(20_000)])
        for left in (1_500_000, 1_048_576 + 20_000, 1_000_000, 300_000, 40_000, 4_000):
            source = FILLING + AT_THE_LIMIT[name]
            assert_answered(target.evaluate(source, b"%d" % (LIMIT - left)))
            assert_answered(
                target.evaluate(b"local kept\nreturn {pcall(function() " + source + b" end)}", b"%d" % (LIMIT - left))
            )


DEEP: Dict[str, bytes] = {
    "recursion": b"local function f(n) return 1 + f(n + 1) end return f(1)",
    "recursion by tail calls": b"local function f(n) if n == 0 then return 'done' end return f(n - 1) end return f(1e6)",
    "recursion that is caught": b"local function f() local ok, e = pcall(f) return ok end return f()",
    "recursion of pcall": b"local function f(g) return pcall(g, g) end return f(f)",
    "recursion of pcall itself": b"local t = {} for i = 1, 200 do t[i] = pcall end return {pcall(pcall, unpack(t))}",
    "recursion of xpcall": b"local function f() return xpcall(f, f) end return f()",
    "recursion of handlers": b"local function h(e) error(e) end return {xpcall(function() error('x') end, h)}",
    "recursion of __index": b"local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
    "a ring of __index": b"local t = {} setmetatable(t, {__index = t}) return t.x",
    "a long chain of __index": b"local t = {} for i = 1, 1e5 do t = setmetatable({}, {__index = t}) end return {pcall(function() return t.x end)}",
    "recursion of __tostring": b"local t = setmetatable({}, {__tostring = tostring}) return {pcall(tostring, t)}",
    "recursion of __call": b"local t = setmetatable({}, {}) getmetatable(t).__call = t return {pcall(t)}",
    "recursion of __concat": b"local t = setmetatable({}, {}) getmetatable(t).__concat = function(a, b) return a .. b end return t .. t",
    "recursion of gsub": b"local function f() return ('x'):gsub('x', f) end return {pcall(f)}",
    "recursion of sort": b"local function f() table.sort({1, 2, 3}, f) return true end return {pcall(f)}",
    "recursion of load": b"local function f() return load(f) end return {pcall(f)}",
    "recursion of foreach": b"local function f() table.foreach({1}, f) end return {pcall(f)}",
    "recursion of coroutines": b"local function f() return coroutine.wrap(f)() end return {pcall(f)}",
    "recursion of resume": b"local function f() return coroutine.resume(coroutine.create(f)) end return {f()}",
    "a coroutine that resumes itself": b"local c c = coroutine.create(function() return coroutine.resume(c) end) return {coroutine.resume(c)}",
    "yield across pcall": b"return {coroutine.resume(coroutine.create(function() return pcall(coroutine.yield, 1) end))}",
    "yield across sort": b"return {coroutine.resume(coroutine.create(function() table.sort({3, 2, 1}, coroutine.yield) end))}",
    "yield across redis.call": b"return {pcall(redis.call, 'echo', setmetatable({}, {__tostring = coroutine.yield}))}",
    "a cyclic reply": b"local t = {} t[1] = t return t",
    "a cyclic map": b"local t = {} t.map = {a = t} return t",
    "a cyclic set": b"local t = {} t.set = {[t] = true} return t",
    "a broad and deep reply": b"local t = {} for i = 1, 20 do t = {t, 1} end return t",
    "a deep reply": b"local t = {} for i = 1, 1e5 do t = {t} end return t",
    "a deep map": b"local t = {} for i = 1, 1e5 do t = {map = {a = t}} end return t",
    "a reply with metamethods": (
        b"return setmetatable({}, {__index = function(t, k) error('x') end, __len = error, __pairs = error, __tostring = error})"
    ),
    "a reply with metamethods below": b"return {setmetatable({}, {__index = error}), setmetatable({1}, {__index = error})}",
    "a reply of KEYS": b"KEYS[1] = KEYS return {KEYS, ARGV}",
    "deep JSON": b"return cjson.decode(string.rep('[', 1e6))",
    "deep JSON of objects": b"return cjson.decode(string.rep('{\"a\":', 1e5))",
    "deep JSON that is written": b"local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)",
    "deep JSON whose depth is allowed": (
        b"pcall(cjson.decode_max_depth, 1e9) pcall(cjson.encode_max_depth, 1e9) local t = {} "
        b"for i = 1, 1e5 do t = {t} end return {pcall(cjson.decode, string.rep('[', 3e5)), pcall(cjson.encode, t)}"
    ),
    "deep msgpack": b"return cmsgpack.unpack(string.rep('\\145', 1e6))",
    "deep msgpack of maps": b"return cmsgpack.unpack(string.rep('\\129\\1', 1e5))",
    "deep msgpack that is written": b"local t = {} for i = 1, 1e5 do t = {t} end return #cmsgpack.pack(t)",
    "7,999 arguments": b"local t = {} for i = 1, 7990 do t[i] = i end return redis.call('sadd', 'k', unpack(t))",
    "8,000 arguments": b"local t = {} for i = 1, 8000 do t[i] = i end return redis.call('sadd', 'k', unpack(t))",
    "arguments of pcall": b"local t = {} for i = 1, 7980 do t[i] = i end return {pcall(redis.pcall, 'sadd', 'k', unpack(t))}",
    "unpack of many": b"return {pcall(unpack, {}, 1, 1e9), pcall(unpack, {}, -2^31, 2^31), pcall(unpack, {}, 1, 8000)}",
    "select of far": b"return {pcall(select, -2^31, 1), pcall(select, 2^31, 1), pcall(select, 0/0, 1)}",
    "many results": b"local t = {} for i = 1, 7900 do t[i] = 'x' end return {string.byte(string.rep('x', 7900), 1, -1)}",
    "too many results": b"return {pcall(string.byte, string.rep('x', 1e6), 1, -1)}",
    "a chain of many words": b"local s = 'x' local t = {loadstring('local s = ... return s' .. string.rep(' .. s', 240))} return t[1](s)",
    "a long pattern": b"return string.match(string.rep('x', 200000), string.rep('x?', 200000))",
    "a long pattern of a method": b"return {pcall(('x').find, string.rep('x', 2e5), string.rep('x?', 2e5))}",
    "a long pattern in gsub": b"return string.gsub(string.rep('x', 200000), string.rep('x?', 200000), '')",
    "a long pattern in gmatch": b"for w in string.gmatch(string.rep('x', 200000), string.rep('x?', 200000)) do return w end",
    "a long pattern in gfind": b"return {pcall(string.gfind, string.rep('x', 2e5), string.rep('x?', 2e5))}",
    "a long pattern in gsub with a table": b"return string.gsub(string.rep('x', 200000), string.rep('x?', 200000), {})",
    "a long pattern that is a number": b"return string.find('1', tonumber(string.rep('1', 300)))",
    "a long text and a pattern that goes back": b"return #string.gsub(string.rep('a', 10000), '.-b', 'x')",
    "a nested pattern": b"return {pcall(string.find, string.rep('(', 2e4), string.rep('%b()', 400))}",
    "captures": b"return {pcall(string.find, 'x', string.rep('(', 900) .. string.rep(')', 900)), pcall(string.find, 'x', string.rep('()', 40))}",
    "a balanced text": b"return #string.match(string.rep('(', 1e6) .. string.rep(')', 1e6), '%b()')",
    "sort with an unsound order": b"local t = {} for i = 1, 1000 do t[i] = i end return {pcall(table.sort, t, function() return true end)}",
    "sort of a table that changes": (
        b"local t = {} for i = 1, 1000 do t[i] = i end return {pcall(table.sort, t, function(a, b) t[#t] = nil return a > b end)}"
    ),
    "sort of far": b"return {pcall(table.sort, setmetatable({}, {__index = function() return 1 end}))}",
    "a table that is changed while it is walked over": (
        b"local t = {} for i = 1, 1000 do t[i] = i end return {pcall(function() for k in pairs(t) do t[k + 5000] = 1 t[k] = nil end end)}"
    ),
    "next of a key that is gone": b"return {pcall(next, {}, 'x'), pcall(next, redis, 'x'), pcall(next, redis, {})}",
    "format of wide fields": b"return {pcall(string.format, '%999d', 1), pcall(string.format, '%99.99f', 1e308), pcall(string.format, '%.999f', 1)}",
    "format of flags": b"return {pcall(string.format, '%' .. string.rep('-', 1e5) .. 'd', 1), pcall(string.format, '%n', 1), pcall(string.format, '%p', 1)}",
    "tonumber of much": b"return {tonumber(string.rep('1', 1e6)), tonumber(string.rep('z', 1e6), 36)}",
    "concat of far": b"return {pcall(table.concat, {}, 'x', 1, 2^31), pcall(table.concat, {}, 'x', -2^31, 2^31 - 1)}",
    "insert of far": b"local t = {} return {pcall(table.insert, t, 2^31 - 1, 1), pcall(table.remove, t, 2^31), #t}",
    "setn and getn": b"return {pcall(table.setn, {}, 1e9), pcall(table.getn, {}), pcall(table.maxn, {[2^53] = 1})}",
    "string indices": b"return {('x'):sub(-2^63, 2^63), ('x'):byte(2^31), ('x'):rep(0/0), ('x'):rep(-1/0)}",
    "a source of many lines": b"\n" * 500_000 + b"return 1",
    "a source with a NUL": b"return '\0' .. 1",
}
"""Scripts that go deep, or far."""


@pytest.mark.parametrize("name", DEEP)
def test_a_script_that_goes_too_far_harms_nobody(tmp_path: Path, name: str) -> None:
    with attacked(tmp_path) as target:
        assert_answered(target.evaluate(DEEP[name], b"a", keys=1))
        target.attacker.ask(b"HELLO", b"3")
        assert_answered(target.evaluate(DEEP[name], b"a", keys=1))
        target.attacker.send(b"MULTI")
        target.attacker.send(b"EVAL", DEEP[name], b"1", b"a")
        assert_answered(target.attacker.ask(b"EXEC"))
        target.attacker.ask(b"FLUSHALL")


REACHED = b"""
local seen, paths, bad = {}, {}, {}
local forbidden = {io = 1, os = 1, debug = 1, package = 1, python = 1, require = 1, module = 1, dofile = 1, loadfile = 1,
                   getfenv = 1, setfenv = 1, newproxy = 1, print = 1, sethook = 1, getinfo = 1, getregistry = 1, __gc = 1,
                   as_function = 1, builtins = 1, __class__ = 1, __globals__ = 1, eval = 1}
local function visit(value, path)
  local kind = type(value)
  if kind == 'userdata' and value ~= cjson.null then bad[#bad + 1] = 'userdata at ' .. path end
  if kind == 'table' or kind == 'function' or kind == 'thread' then
    if seen[value] then return end
    seen[value] = true
  end
  local meta = getmetatable(value)
  if meta ~= nil then visit(meta, path .. '<meta>') end
  if kind == 'table' then
    for _, walk in ipairs{pairs, function(t) return next, t end} do
      for key, item in walk(value) do
        if path ~= '_G.redis' and forbidden[key] then bad[#bad + 1] = tostring(key) .. ' at ' .. path end
        visit(key, path .. '<key>')
        visit(item, path .. '.' .. tostring(key))
      end
    end
    table.foreach(value, function(key, item) visit(item, path .. '.' .. tostring(key)) end)
    for name in pairs(forbidden) do
      local ok, item = pcall(function() return value[name] end)
      if ok and item ~= nil and path ~= '_G.redis' then bad[#bad + 1] = name .. ' of ' .. path end
      if rawget(value, name) ~= nil and path ~= '_G.redis' then bad[#bad + 1] = 'raw ' .. name .. ' of ' .. path end
    end
  end
  if kind == 'string' then for name in pairs(forbidden) do
    local ok, item = pcall(function() return value[name] end)
    if ok and item ~= nil then bad[#bad + 1] = name .. ' of a text at ' .. path end
  end end
  if kind == 'function' and path:find('^_G%.%a+%.?%a*$') and not path:find('collectgarbage') then
    for _, arguments in ipairs{{}, {1}, {'x'}, {{}}, {function() end}, {nil, 1}, {cjson.null}, {value}, {{}, 1}, {{}, function() end},
                               {'get', 'k'}, {'echo', {}}, {'x', 'x', 'x'}, {-1}, {'i4', 'x'}, {coroutine.create(function() end)}} do
      local results = {pcall(value, unpack(arguments, 1, 3))}
      for i = 1, 10 do visit(results[i], path .. '()') end
      local handed
      pcall(xpcall, function() value(unpack(arguments, 1, 3)) end, function(e) handed = e end)
      visit(handed, path .. '() to a handler')
      results = {coroutine.resume(coroutine.create(function(...) return value(...) end), unpack(arguments, 1, 3))}
      for i = 1, 10 do visit(results[i], path .. '() in a coroutine') end
    end
  end
end
visit(_G, '_G')
visit('x', 'text') visit(nil, 'nil') visit(1, 'number') visit(true, 'boolean') visit(visit, 'function')
visit(coroutine.running(), 'thread') visit(cjson.null, 'null')
return bad
"""

LOOKING = b"""
local found = {}
local function look(how, value)
  local kind = type(value)
  if kind == 'userdata' and value ~= cjson.null then found[#found + 1] = how end
  if kind == 'table' then for key, item in pairs(value) do
    if type(key) == 'userdata' or type(item) == 'userdata' and item ~= cjson.null then found[#found + 1] = how .. ', inside' end
  end end
  return value
end
local function all(how, ...) for i = 1, select('#', ...) do look(how, (select(i, ...))) end end
local raisers = {
  call = function() redis.call('nope') end,
  wrong = function() redis.call('lpush', 'string', 'x') end,
  none = function() redis.call() end,
  table = function() redis.call({}) end,
  log = function() redis.log() end,
  sha = function() redis.sha1hex() end,
  resp = function() redis.setresp('x') end,
  repl = function() redis.set_repl(99) end,
  acl = function() redis.acl_check_cmd('nope') end,
  struct = function() struct.pack('i99', 1) end,
  bit = function() bit.band({}) end,
  json = function() cjson.decode('[') end,
  pack = function() cmsgpack.unpack('\\145') end,
  large = function() cmsgpack.unpack('\\202\\1') end,
  load = function() assert(load(function() redis.call('nope') end)) end,
}
redis.call('set', 'string', 'v')
for name, raise in pairs(raisers) do
  local ways = {
    plain = raise,
    index = function() return setmetatable({}, {__index = raise}).x end,
    newindex = function() setmetatable({}, {__newindex = raise}).x = 1 end,
    call = function() setmetatable({}, {__call = raise})() end,
    lt = function() local m = {__lt = raise} return setmetatable({}, m) < setmetatable({}, m) end,
    le = function() local m = {__le = raise} return setmetatable({}, m) <= setmetatable({}, m) end,
    eq = function() local m = {__eq = raise} return setmetatable({}, m) == setmetatable({}, m) end,
    concat = function() return setmetatable({}, {__concat = raise}) .. 'x' end,
    add = function() return setmetatable({}, {__add = raise}) + 1 end,
    unm = function() return -setmetatable({}, {__unm = raise}) end,
    tostring = function() return tostring(setmetatable({}, {__tostring = raise})) end,
    sort = function() table.sort({3, 2, 1}, raise) end,
    gsub = function() string.gsub('x', 'x', raise) end,
    foreach = function() table.foreach({1}, raise) end,
    foreachi = function() table.foreachi({1}, raise) end,
    load = function() return assert(load(raise)) end,
    loaded = function() look('load ' .. name, select(2, load(raise))) end,
    wrapped = function() coroutine.wrap(raise)() end,
    twice = function() coroutine.wrap(function() coroutine.wrap(raise)() end)() end,
    resumed = function() all('resume in ' .. name, coroutine.resume(coroutine.create(raise))) error(select(2, coroutine.resume(coroutine.create(raise)))) end,
    caught = function() all('pcall in ' .. name, pcall(raise)) error(select(2, pcall(raise)), 0) end,
    iterator = function() for x in raise do end end,
    asserted = function() assert(pcall(raise)) end,
    nested = function() xpcall(raise, function(e) look('handler in ' .. name, e) raise() end) end,
  }
  for way, f in pairs(ways) do
    local how = name .. ' by ' .. way
    all('pcall ' .. how, pcall(f))
    all('pcall pcall ' .. how, pcall(pcall, f))
    all('xpcall ' .. how, xpcall(f, function(e) return look('handler ' .. how, e) end))
    all('xpcall raising ' .. how, xpcall(f, function(e) look('handler ' .. how, e) raise() end))
    all('xpcall raising again ' .. how, xpcall(f, function(e) look('handler ' .. how, e) error(e) end))
    all('xpcall with redis.call ' .. how, xpcall(f, redis.call))
    all('xpcall with no function ' .. how, pcall(xpcall, f, 5))
    all('xpcall with a coroutine ' .. how, xpcall(f, coroutine.wrap(function(e) while true do look('coroutine ' .. how, e) coroutine.yield(e) end end)))
    all('xpcall in xpcall ' .. how, xpcall(function() return xpcall(f, function(e) error(look('inner ' .. how, e)) end) end, function(e) return look('outer ' .. how, e) end))
    all('resume ' .. how, coroutine.resume(coroutine.create(f)))
    all('resume of pcall ' .. how, coroutine.resume(coroutine.create(function() return pcall(f) end)))
    all('resume of xpcall ' .. how, coroutine.resume(coroutine.create(function() return xpcall(f, function(e) return look('handler in a coroutine ' .. how, e) end) end)))
    all('wrap in pcall ' .. how, pcall(coroutine.wrap(f)))
    all('wrap in xpcall ' .. how, xpcall(coroutine.wrap(f), function(e) return look('handler of wrap ' .. how, e) end))
    all('wrap in wrap ' .. how, pcall(coroutine.wrap(function() return coroutine.wrap(f)() end)))
    all('pcall of sort ' .. how, pcall(table.sort, {2, 1}, f))
    all('pcall of gsub ' .. how, pcall(string.gsub, 'x', 'x', f))
    all('xpcall of gsub ' .. how, xpcall(function() string.gsub('x', 'x', f) end, function(e) return look('handler of gsub ' .. how, e) end))
    all('pcall of tostring ' .. how, pcall(tostring, setmetatable({}, {__tostring = f})))
    all('pcall of load ' .. how, pcall(load, f))
    all('redis.pcall ' .. how, pcall(redis.pcall, setmetatable({}, {__tostring = f})))
    all('encode ' .. how, pcall(cjson.encode, setmetatable({}, {__index = f})))
    all('pack ' .. how, pcall(cmsgpack.pack, setmetatable({}, {__index = f})))
    all('concat ' .. how, pcall(table.concat, setmetatable({}, {__index = f}), ',', 1, 2))
    all('unpack ' .. how, pcall(unpack, setmetatable({}, {__index = f}), 1, 2))
    all('assert ' .. how, pcall(assert, pcall(f)))
    local c = coroutine.create(function() coroutine.yield() f() end)
    coroutine.resume(c)
    all('resume again ' .. how, coroutine.resume(c))
    all('resume of a dead one ' .. how, coroutine.resume(c))
    all('running ' .. how, pcall(coroutine.wrap(function() coroutine.yield(coroutine.running()) end)))
  end
end
return found
"""


def test_nothing_that_a_script_can_reach_leads_out(tmp_path: Path) -> None:
    with attacked(tmp_path, 64 << 20) as target:
        assert target.evaluate(REACHED) == b"*0\r\n"


def test_no_error_shows_a_script_what_is_not_lua(tmp_path: Path) -> None:
    with attacked(tmp_path, 64 << 20) as target:
        assert target.evaluate(LOOKING) == b"*0\r\n"
        assert target.attacker.ask(b"DEL", b"string") == b":1\r\n"


READ_ONLY = ("_G", "redis", "string", "cjson", "getmetatable('')", "getmetatable(_G)", "KEYS")

RAISING_AT_THE_END: Dict[str, bytes] = {
    "an error of a command": b"redis.call('nope')",
    "in a metamethod": b"local t = setmetatable({}, {__index = function() redis.call('nope') end}) return t.x",
    "in a comparison": b"table.sort({2, 1}, function() redis.call('nope') end)",
    "in a coroutine": b"coroutine.wrap(function() redis.call('nope') end)()",
    "in two coroutines": b"coroutine.wrap(function() coroutine.wrap(function() redis.call('nope') end)() end)()",
    "in gsub": b"string.gsub('x', 'x', function() redis.call('nope') end)",
    "in tostring": b"return tostring(setmetatable({}, {__tostring = function() redis.call('nope') end}))",
    "in a handler": b"return {xpcall(function() redis.call('nope') end, function(e) redis.call('nope') end)}",
    "as a value": b"return {pcall(redis.call, 'nope')}",
    "as a result of resume": b"return {coroutine.resume(coroutine.create(function() redis.call('nope') end))}",
    "cjson.null": b"error(cjson.null)",
    "cjson.null in pcall": b"return {pcall(error, cjson.null)}",
    "a table": b"error({})",
    "a table with a field": b"error({a = 1})",
    "a table with metamethods": b"error(setmetatable({}, {__index = function() error('x') end, __newindex = error, __tostring = error}))",
    "a table whose text raises": b"error(setmetatable({err = setmetatable({}, {__tostring = error})}, {}))",
    "a function": b"error(error)",
    "a coroutine": b"error(coroutine.create(error))",
    **{f"a read-only table: {name}": b"error(%b)" % name.encode() for name in READ_ONLY},
    **{
        f"a read-only table that is caught: {name}": b"pcall(error, %b) error('x')" % name.encode()
        for name in READ_ONLY
    },
    **{f"a read-only table in a coroutine: {name}": b"coroutine.wrap(error)(%b)" % name.encode() for name in READ_ONLY},
    "nothing": b"error()",
    "a cyclic table": b"local t = {} t.err = t error(t)",
    "a text with NUL": b"error('a\\0b\\r\\nc')",
    "a source and a line": b"error({err = 'E x', source = {}, line = {}})",
    "a huge line": b"error({err = 'E x', source = 'y', line = 2^70})",
    "a coroutine that is dead": b"local c = coroutine.wrap(error) pcall(c) c()",
}


@pytest.mark.parametrize("name", RAISING_AT_THE_END)
def test_an_error_of_whatever_kind_ends_a_script(tmp_path: Path, name: str) -> None:
    with attacked(tmp_path) as target:
        assert_answered(target.evaluate(RAISING_AT_THE_END[name]))
        assert_answered(target.attacker.ask(b"EVAL_RO", RAISING_AT_THE_END[name], b"0"))


FORGED: Dict[str, bytes] = {
    "dumped and loaded": b"return {loadstring(string.dump(function() return 1 end))}",
    "dumped and loaded in pieces": (
        b"local code, at = string.dump(function() return 1 end), 0 "
        b"return {load(function() at = at + 1 return code:sub(at, at) end)}"
    ),
    "an empty piece first": b"local n = 0 return {load(function() n = n + 1 return ({'', '\\27Lua'})[n] end)}",
    "the first byte alone": b"local n = 0 return {load(function() n = n + 1 return ({'\\27', 'Lua\\81\\0'})[n] end)}",
    "a comment first": b"return {loadstring('#comment\\n' .. string.dump(function() end))}",
    "dumped and changed": (
        b"local code = string.dump(function(a) return a end) "
        b"for i = 1, #code do local changed = code:sub(1, i - 1) .. string.char((code:byte(i) + 1) % 256) .. code:sub(i + 1) "
        b"local f = loadstring(changed) if f then return 'loaded' end end return 'refused'"
    ),
    "by a name": b"return {loadstring('\\27Lua', '@user_script')}",
    "as a number": b"return {loadstring(27), load(function() return 27 end)}",
    "dumped functions of the host": b"return {pcall(string.dump, redis.call), pcall(string.dump, pcall), pcall(string.dump, string.rep)}",
    "the script itself": b"\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00",
    "the script with a shebang": b"#!lua\n\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00",
    "the script after a line": b"#\n\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00",
    "a name with a NUL": b"return {loadstring('x =', 'a\\0b'), loadstring('return 1', string.rep('n', 1e5))}",
}


@pytest.mark.parametrize("name", FORGED)
def test_no_bytecode_is_run(tmp_path: Path, name: str) -> None:
    with attacked(tmp_path) as target:
        reply = target.evaluate(FORGED[name])
        assert_answered(reply)
        assert b"loaded" not in reply
        assert_answered(target.attacker.ask(b"SCRIPT", b"LOAD", FORGED[name]))


LEAVING = b"""
local function try(f, ...) return pcall(f, ...) end
try(function() leaked = 1 end)
try(function() _G.leaked = 1 end)
try(function() _G['leaked'] = 1 end)
try(rawset, _G, 'leaked', 1)
try(rawset, getmetatable(_G), 'leaked', 1)
try(setmetatable, _G, {__index = {leaked = 1}})
try(function() getmetatable(_G).__index = {leaked = 1} end)
try(function() getmetatable(_G).__newindex = nil end)
try(table.insert, _G, 1)
try(table.remove, _G)
try(table.sort, _G)
try(table.setn, _G, 5)
try(function() loadstring('leaked = 1')() end)
try(function() load(function() return nil end)() end)
try(function() for name in pairs(_G) do _G[name] = nil end end)
for _, name in ipairs{'redis', 'string', 'table', 'math', 'coroutine', 'cjson', 'cmsgpack', 'struct', 'bit'} do
  local t = _G[name]
  local names = {}
  for key in pairs(t) do names[#names + 1] = key end
  for _, key in ipairs(names) do
    try(function() t[key] = nil end)
    try(rawset, t, key, print)
  end
  try(function() t.leaked = 1 end)
  try(rawset, t, 'leaked', 1)
  try(setmetatable, t, {})
  try(table.insert, t, 1)
  try(table.remove, t)
  try(table.sort, t, function() return true end)
  try(table.foreach, t, function(key) t[key] = nil end)
  try(function() getmetatable(t).__index = nil end)
  try(function() for key in next, t do rawset(t, key, nil) end end)
end
try(setmetatable, 'x', {})
try(function() getmetatable('').__index = nil end)
try(function() getmetatable('').__index = function() return 1 end end)
try(rawset, getmetatable(''), '__index', {upper = function() return 'leaked' end})
try(rawset, getmetatable('').__index, 'upper', function() return 'leaked' end)
try(function() getmetatable('').__add = function() return 1 end end)
try(setmetatable, getmetatable(''), {})
try(function() rawget(_G, 'string').upper = nil end)
try(cjson.encode_keep_buffer, false)
try(cjson.encode_max_depth, 1)
try(cjson.decode_max_depth, 1)
try(cjson.encode_number_precision, 1)
try(cjson.encode_sparse_array, true, 1, 1)
try(cjson.encode_invalid_numbers, true)
try(cjson.decode_invalid_numbers, true)
try(cjson.decode_array_with_array_mt, true)
math.randomseed(1)
redis.setresp(3)
redis.set_repl(redis.REPL_NONE)
try(collectgarbage, 'stop')
try(collectgarbage, 'setpause', 1000000)
try(collectgarbage, 'setstepmul', 1)
redis.call('select', 5)
"""


@pytest.mark.parametrize(
    "end", [b"return 1", b"error('x')", b"redis.call('nope')", b"local s = 'x' while true do s = s .. s end"]
)
def test_a_script_leaves_nothing_to_the_next(tmp_path: Path, end: bytes) -> None:
    with attacked(tmp_path) as target:
        assert_answered(target.evaluate(LEAVING + end))
        assert target.evaluate(b"return redis.call('set', 'here', 'v')") == b"+OK\r\n"
        assert target.attacker.ask(b"KEYS", b"*") == b"*1\r\n$4\r\nhere\r\n"
        assert target.attacker.ask(b"CLIENT", b"INFO").count(b" db=0 ") == 1


def test_random_numbers_do_not_repeat_after_a_script_has_chosen_a_seed(tmp_path: Path) -> None:
    with attacked(tmp_path) as target:
        seeded = b"math.randomseed(7) return string.format('%.17g', math.random())"
        drawn = b"return string.format('%.17g', math.random())"
        replies = [target.evaluate(script) for script in (seeded, drawn, seeded, drawn, drawn)]
        assert replies[0] == replies[2]
        assert len({*replies}) == 4


def test_a_coroutine_of_one_script_cannot_be_met_by_another(tmp_path: Path) -> None:
    with attacked(tmp_path) as target:
        source = (
            b"local c = coroutine.wrap(function() local k, a = KEYS, ARGV while true do coroutine.yield({k, a, KEYS[1]}) end end) "
            b"KEYS.kept = c return c()"
        )
        first = target.evaluate(source, b"a", keys=1)
        assert first == b"*3\r\n*1\r\n$1\r\na\r\n*0\r\n$1\r\na\r\n"
        assert target.evaluate(b"return {KEYS.kept == nil, #KEYS, #ARGV}", b"b") == b"*3\r\n:1\r\n:0\r\n:1\r\n"


@pytest.mark.parametrize(
    "words",
    [
        [b"eval", b"return 1", b"0"],
        [b"evalsha", b"0" * 40, b"0"],
        [b"eval_ro", b"return 1", b"0"],
        [b"script", b"flush"],
        [b"script", b"load", b"return 1"],
        [b"script", b"kill"],
        [b"shutdown"],
        [b"multi"],
        [b"subscribe", b"c"],
        [b"monitor"],
        [b"client", b"kill", b"type", b"normal"],
        [b"client", b"reply", b"off"],
        [b"client", b"pause", b"100000"],
        [b"hello", b"3"],
        [b"reset"],
        [b"quit"],
        [b"debug", b"segfault"],
        [b"debug", b"sleep", b"0"],
        [b"config", b"set", b"lua-memory-limit", b"4mb"],
        [b"config", b"set", b"maxmemory", b"1"],
        [b"wait", b"1", b"0"],
        [b"blpop", b"none", b"0"],
        [b"xread", b"block", b"0", b"streams", b"none", b"$"],
        [b"brpoplpush", b"none", b"none", b"0"],
        [b"bgsave"],
        [b"save"],
        [b"replicaof", b"127.0.0.1", b"1"],
        [b"auth", b"x"],
        [b"watch", b"k"],
        [b"client", b"tracking", b"on"],
        [b"client", b"setname", b"x"],
        [b"client", b"no-evict", b"on"],
    ],
    ids=lambda words: b" ".join(words[:2]).decode(),
)
def test_a_script_cannot_call_what_concerns_clients_or_the_server(tmp_path: Path, words: list[bytes]) -> None:
    with attacked(tmp_path) as target:
        assert_answered(target.evaluate(b"return redis.call(unpack(ARGV))", *words))
        assert_answered(target.evaluate(b"return {pcall(redis.call, unpack(ARGV))}", *words))
        assert_answered(target.evaluate(b"return redis.pcall(unpack(ARGV))", *words))
        target.attacker.ask(b"CONFIG", b"SET", b"maxmemory", b"0")


def test_requests_with_many_and_large_words_harm_nobody(tmp_path: Path) -> None:
    with attacked(tmp_path) as target:
        count = b"return {#KEYS, #ARGV, #(KEYS[#KEYS] or ''), #(ARGV[#ARGV] or '')}"
        for number in (3_990, 3_999, 4_000, 4_001, 7_990, 8_000, 50_000):
            expected = b"*4\r\n:%d\r\n:0\r\n:1\r\n:0\r\n" % number
            assert target.evaluate(count, *[b"k"] * number, keys=number) == expected
            assert target.evaluate(count, *[b"k"] * number) == b"*4\r\n:0\r\n:%d\r\n:0\r\n:1\r\n" % number
        assert_answered(target.evaluate(count, *[b"k"] * 100_000, keys=100_000))
        assert_answered(target.evaluate(count, *[b"key number %d" % number for number in range(100_000)], keys=50_000))
        for size in (1_000_000, 4_000_000, 7_000_000, 8_000_000, 20_000_000):
            assert_answered(target.evaluate(b"return #ARGV[1]", b"x" * size))
            assert_answered(target.evaluate(b"return #ARGV[1] + #ARGV[2]", b"x" * size, b"y" * size))
            assert_answered(target.evaluate(b"return redis.call('echo', KEYS[1] .. 'x')", b"x" * size, keys=1))
            assert_answered(
                target.evaluate(b"return ARGV", *[b"%d" % number + b"x" * (size // 100) for number in range(100)])
            )
        assert target.evaluate(b"return {KEYS[1], #KEYS[1]}", b"a\0b", keys=1) == b"*2\r\n$3\r\na\0b\r\n:3\r\n"


def test_keys_with_nul_bytes_are_whole(tmp_path: Path) -> None:
    with attacked(tmp_path) as target:
        assert target.evaluate(b"return redis.call('set', KEYS[1], ARGV[1])", b"\0k\0", b"\0v\0", keys=1) == b"+OK\r\n"
        assert target.attacker.ask(b"GET", b"\0k\0") == b"$3\r\n\0v\0\r\n"
        assert_answered(target.evaluate(b"return redis.call('set\\0', 'a', 'b')"))
        assert_answered(target.attacker.ask(b"EVALSHA", b"\0" * 40, b"0"))
        assert_answered(target.attacker.ask(b"SCRIPT", b"EXISTS", b"\0" * 40, b"", b"\xff" * 1_000_000))
        target.attacker.ask(b"FLUSHALL")


def test_large_sources_harm_nobody(tmp_path: Path) -> None:
    with attacked(tmp_path) as target:
        for source in (
            b"--" + b"x" * 1_000_000 + b"\nreturn 1",
            b"return '" + b"x" * 1_000_000 + b"'",
            b"local x = 1\n" * 100_000,
            b"local x = 1\n" * 150 + b"x = 1\n" * 200_000,
            b"return {" + b"1," * 500_000 + b"}",
            b"return {" + b"{}," * 300_000 + b"}",
            b"return " + b"not " * 250_000 + b"1",
            b"return " + b"-" * 2 + b"1\n" + b"(" * 1_000_000,
            b"return function() " * 50_000,
            b"x." * 500_000,
            b"if x then " * 100_000,
            b"\xff" * 1_000_000,
            b"[[" * 500_000,
            b"return 1 " + b"\0" * 1_000_000,
            b"#!lua " + b"flags=no-writes " * 60_000 + b"\nreturn 1",
            b"#!lua flags=" + b"no-writes," * 100_000 + b"no-writes\nreturn 1",
            b"#!" + b"x" * 1_000_000,
            b"--" + b"x" * 20_000_000,
        ):
            for words in ((b"EVAL", source, b"0"), (b"SCRIPT", b"LOAD", source)):
                assert_answered(target.attacker.ask(*words))


def test_of_many_scripts_only_the_last_are_kept(tmp_path: Path) -> None:
    with attacked(tmp_path) as target:
        filling = b" " * 2_000
        for start in range(0, 10_000, 500):
            for number in range(start, start + 500):
                target.attacker.send(b"EVAL", b"return %d --" % number + filling, b"0")
            target.attacker.send(b"SCRIPT", b"EXISTS", b"")
            assert target.attacker.ask(b"PING").endswith(b"*1\r\n:0\r\n+PONG\r\n")
        told = target.attacker.ask(b"INFO", b"memory")
        [count] = re.findall(rb"number_of_cached_scripts:(\d+)", told)
        assert int(count) <= 500 + 1
        [used] = re.findall(rb"used_memory_lua:(\d+)", told)
        assert int(used) < LIMIT


def test_many_loaded_scripts_end_in_an_error(tmp_path: Path) -> None:
    with attacked(tmp_path, 4 << 20) as target:
        loaded = b"return {" + b"'x'," * 200 + b"%d}"
        replies = [target.attacker.ask(b"SCRIPT", b"LOAD", loaded % number) for number in range(5_000)]
        assert replies[0].startswith(b"$40\r\n")
        for reply in replies:
            assert_answered(reply)
        target.attacker.ask(b"SCRIPT", b"FLUSH")


def test_flushing_scripts_while_they_are_used_harms_nobody(tmp_path: Path) -> None:
    with attacked(tmp_path) as target:
        ask = target.attacker.ask
        body = b"local t = {} for i = 1, 1000 do t[i] = {i} end return #t"
        sha = ask(b"SCRIPT", b"LOAD", body)[5:-2]
        for number in range(200):
            ask(b"SCRIPT", b"FLUSH", *[[b"SYNC"], [b"ASYNC"], []][number % 3])
            assert ask(b"EVALSHA", sha, b"0").startswith(b"-NOSCRIPT")
            assert ask(b"EVAL", body, b"0") == b":1000\r\n"
            assert ask(b"EVALSHA", sha, b"0") == b":1000\r\n"
        target.attacker.send(b"MULTI")
        for words in ((b"EVALSHA", sha, b"0"), (b"SCRIPT", b"FLUSH"), (b"EVALSHA", sha, b"0"), (b"EVAL", body, b"0")):
            target.attacker.send(*words)
        queued = rb"\+OK\r\n(?:\+QUEUED\r\n){4}"
        assert re.fullmatch(queued + rb"\*4\r\n:1000\r\n\+OK\r\n-NOSCRIPT[^\r]*\r\n:1000\r\n", ask(b"EXEC"))


@pytest.mark.parametrize("moment", ["at once", "after half a request", "with replies unread"])
def test_clients_that_leave_amid_scripts_harm_nobody(tmp_path: Path, moment: str) -> None:
    with attacked(tmp_path) as target:
        for number in range(20):
            gone = Connection(target.program.port)
            source = b"local t = {} for i = 1, 20000 do t[i] = i end redis.call('incr', 'count') return t"
            request = encode_request((b"EVAL", source, b"0"))
            gone.socket.sendall(request[:-5] if moment == "after half a request" else request * 5)
            if moment == "with replies unread" and number % 2:
                gone.socket.recv(10)
            gone.close()
        assert target.attacker.ask(b"PING") == b"+PONG\r\n"
        target.attacker.ask(b"DEL", b"count")


def test_scripts_of_clients_that_speak_at_once_do_not_mix(tmp_path: Path) -> None:
    with attacked(tmp_path) as target:
        clients = [Connection(target.program.port) for _ in range(20)]
        source = b"redis.setresp(tonumber(ARGV[1]) % 2 + 2) local t = {} for i = 1, 5000 do t[i] = i end return ARGV[1]"
        for _ in range(10):
            for number, client in enumerate(clients):
                client.send(b"EVAL", source, b"0", b"%d" % number)
        for number, client in enumerate(clients):
            assert client.ask(b"PING") == b"$%d\r\n%d\r\n" % (len(str(number)), number) * 10 + b"+PONG\r\n"
            client.close()
