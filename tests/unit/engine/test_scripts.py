"""Scripts: what they may do, what they are answered, and what remains of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from twisted_kv.commands import GROUPS
from twisted_kv.declaring import Group
from twisted_kv.scripting import scripts as scripts_module
from twisted_kv.scripting.interpreter import _refuse_attribute
from twisted_kv.scripting.kinds import OUT_OF_MEMORY
from twisted_kv.scripting.scripts import EVALUATED, ScriptCache, sha_of
from twisted_kv.sessions.session import Session
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import OK, BigNumber, Decimal, OrderedSet, Pairs, Status, Verbatim
from twisted_kv.vocabulary.waiting import Promise

pytestmark = pytest.mark.lua

own = Group("own")


@own.command("LATER", flags="readonly", since="1.0.0")
def later(session: Session) -> Promise:
    """Reply later."""
    return Promise()


@own.command("NESTED", flags="write", since="1.0.0")
def nested(session: Session) -> Any:
    """Run a script within another."""
    return session.call(b"EVAL", b"return 1", b"0")


@own.command("FAULTY", flags="readonly", since="1.0.0")
def faulty(session: Session) -> Any:
    """Return what is no reply."""
    return object()


@own.command("MIXED", flags="readonly", since="1.0.0")
def mixed(session: Session) -> Any:
    """Return an error among others."""
    return [CommandError("inner", "MY"), 1]


@own.command("BROKEN", flags="readonly", since="1.0.0")
def broken(session: Session) -> Any:
    """Fail."""
    raise ZeroDivisionError


@own.command("LIMITED", flags="readonly", since="1.0.0")
def limited(session: Session, word: bytes = b"") -> Any:
    """Take one argument or none."""
    return word


@own.command("NOTHING", flags="readonly", since="1.0.0")
def nothing(session: Session) -> Any:
    """Stop the process from within, as Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.fixture
def cache() -> Any:
    with MemoryCache(groups=(*GROUPS, own)) as cache:
        yield cache


def evaluate(cache: MemoryCache, source: str, *words: Any) -> Any:
    return cache.call("EVAL", source, *(words or (0,)))


def request_for(source: bytes) -> bytes:
    return b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n0\r\n" % (len(source), source)


def refusal(cache: MemoryCache, *words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        cache.call(*words)
    return str(caught.value)


def test_keys_and_arguments(cache: MemoryCache) -> None:
    assert evaluate(cache, "return {KEYS, ARGV}", 2, "a", "b", "c") == [[b"a", b"b"], [b"c"]]
    assert evaluate(cache, "return {KEYS, ARGV}", 0, "c", "d") == [[], [b"c", b"d"]]
    assert evaluate(cache, "return {KEYS, ARGV}", 2, "a", "b") == [[b"a", b"b"], []]
    many = [b"%d" % number for number in range(9000)]
    assert evaluate(cache, "return {KEYS, ARGV}", 5000, *many) == [many[:5000], many[5000:]]
    assert evaluate(cache, "return ARGV", 0, *many) == many


@pytest.mark.parametrize(
    ("source", "reply"),
    [
        ("return 3.99", 3),
        ("return 1e30", -(2**63)),
        ("return 'x'", b"x"),
        ("return {ok='fi\\r\\nne'}", Status(b"fi  ne")),
        ("return true", 1),
        ("return false", None),
        ("return nil", None),
        ("return function() end", None),
        ("return {1, nil, 2}", [1]),
        ("return {1, print_ and 1 or 2}".replace("print_", "false"), [1, 2]),
        ("return {{}, {{'a'}}, function() end, cjson.null, 1.5, false}", [[], [[b"a"]], None, None, 1, None]),
        ("return {double=1.5}", 1.5),
        ("return {double=0/0}", Decimal(b"-nan")),
        ("return {double=-(0/0)}", Decimal(b"nan")),
        ("return redis.call('ECHO', 0/0)", b"-nan"),
        ("return {big_number='12\\n3'}", BigNumber(b"12 3")),
        ("return {verbatim_string={format='mkd', string='x'}}", Verbatim(b"x")),
        ("return {map={a=1}}", {b"a": 1}),
        ("return {map={[1]=2, [1.5]=3}}", Pairs([(1, 2), (1, 3)])),
        ("return {set={a=true}}", OrderedSet([b"a"])),
        ("redis.setresp(3) return {true, false}", [True, False]),
        ("return redis.error_reply('MY error')", CommandError("error", "MY")),
        ("return {redis.error_reply('')}", [CommandError("", "ERR ")]),
        ("return {redis.status_reply('x'), redis.status_reply(1)}", [Status(b"x"), "ERR wrong number or type"]),
    ],
)
def test_what_a_script_returns(cache: MemoryCache, source: str, reply: Any) -> None:
    if isinstance(reply, CommandError):
        assert refusal(cache, "EVAL", source, 0) == str(reply)
        return
    got = evaluate(cache, source)
    if isinstance(reply, list) and reply and isinstance(reply[-1], (CommandError, str)):
        assert str(got[-1]).startswith(str(reply[-1]))
        return
    assert got == reply
    assert type(got) is type(reply)


def test_a_long_reply_and_a_deep_one(cache: MemoryCache) -> None:
    assert evaluate(cache, "local t = {} for i = 1, 10000 do t[i] = i end return t") == list(range(1, 10001))
    assert evaluate(cache, "local t = {} for i = 1, 10000 do t[i] = tostring(i) end return {t, 1}")[1] == 1
    deep = "local t = {} for i = 1, 2000 do t = {t, map = i == 5 and {[t] = {set = {[i] = true}}} or nil} end return t"
    assert refusal(cache, "EVAL", deep, 0) == "ERR reached lua stack limit"
    sent = cache.connect()
    assert sent.send(request_for(deep.encode())).count(b"*1\r\n") > 1900
    cyclic = b"local t = {} t[1] = t t[2] = {err = 'x'} return t"
    reply = sent.send(request_for(cyclic))
    assert reply.count(b"*2\r\n") == 7995
    assert reply.count(b"-ERR reached lua stack limit\r\n") == 2
    odd = b"return {map={[1]={verbatim_string={format='m', string='x'}}, x={set={y=true}}}}"
    sent.send(b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n")
    reply = sent.send(request_for(odd))
    assert reply == b"%2\r\n:1\r\n=5\r\nm  :x\r\n$1\r\nx\r\n~1\r\n$1\r\ny\r\n"
    numbered = request_for(b"return {map={[1]=2}}")
    assert sent.send(numbered) == b"%1\r\n:1\r\n:2\r\n"
    mapped = b"return {{map={a=1}}, {verbatim_string={format='mkd', string='x'}}}"
    reply = sent.send(request_for(mapped))
    assert reply == b"*2\r\n%1\r\n$1\r\na\r\n:1\r\n=5\r\nmkd:x\r\n"


def test_what_a_script_gets(cache: MemoryCache) -> None:
    cache.call("SET", "s", "v")
    cache.call("HSET", "h", "f", "v")
    cache.call("ZADD", "z", 1.5, "m")
    cache.call("SADD", "e", "m")
    cache.call("RPUSH", "l", *range(300))
    types = """
    local r = {}
    for _, each in ipairs{{'GET', 's'}, {'GET', 'no'}, {'PING'}, {'HGETALL', 'h'}, {'ZSCORE', 'z', 'm'},
                          {'ZRANGE', 'z', 0, -1, 'WITHSCORES'}, {'SMEMBERS', 'e'}, {'INFO', 'server'},
                          {'LRANGE', 'l', 0, -1},
                          {'XREAD', 'STREAMS', 'x', 0}, {'CONFIG'}, {'LPOP', 's'}, {'LPOP', 'no', 2}, {'DEL'},
                          {'GEOPOS', 'z', 'no'}, {'COMMAND', 'INFO', 'get', 'no'}, {'LATER'}, {'FAULTY'}} do
      local got = redis.pcall(unpack(each))
      local kinds = {}
      for key in pairs(type(got) == 'table' and got or {}) do
        kinds[#kinds + 1] = type(key) == 'string' and key or nil
      end
      table.sort(kinds)
      r[#r + 1] = each[1] .. ' ' .. type(got) .. ' ' .. table.concat(kinds, ',')
    end
    return r
    """
    fault = "err,ignore_error_stats_update"
    common = [b"CONFIG table " + fault.encode(), b"LPOP table " + fault.encode()]
    assert evaluate(cache, types) == [
        *(b"GET string ", b"GET boolean ", b"PING table ok", b"HGETALL table ", b"ZSCORE string ", b"ZRANGE table "),
        *(b"SMEMBERS table ", b"INFO string ", b"LRANGE table ", b"XREAD boolean ", *common, b"LPOP boolean "),
        *(b"DEL table " + fault.encode(), b"GEOPOS table ", b"COMMAND table ", b"LATER table " + fault.encode()),
        b"FAULTY table " + fault.encode(),
    ]
    assert evaluate(cache, "redis.setresp(3)" + types) == [
        *(
            b"GET string ",
            b"GET nil ",
            b"PING table ok",
            b"HGETALL table map",
            b"ZSCORE table double",
            b"ZRANGE table ",
        ),
        *(b"SMEMBERS table set", b"INFO table verbatim_string", b"LRANGE table ", b"XREAD nil ", *common, b"LPOP nil "),
        *(b"DEL table " + fault.encode(), b"GEOPOS table ", b"COMMAND table ", b"LATER table " + fault.encode()),
        b"FAULTY table " + fault.encode(),
    ]
    assert evaluate(cache, "redis.setresp(3) return redis.call('EXISTS', 's')") == 1


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("return redis.call('NOPE')", "ERR Unknown Redis command called from script"),
        ("return redis.call('GET')", "ERR Wrong number of args calling Redis command from script"),
        ("redis.call('GET', 'k') return redis.call('GET')", "ERR Wrong number of args calling Redis"),
        ("return redis.acl_check_cmd()", "ERR Please specify at least one argument for this redis lib call"),
        ("return redis.log('nan', 1)", "ERR First argument must be a number (log level)."),
        ("return redis.call('OBJECT')", "ERR Wrong number of args calling Redis command from script"),
        ("return redis.call('GET', {})", "ERR Lua redis lib command arguments must be strings or integers"),
        ("return redis.call()", "ERR Please specify at least one argument for this redis lib call"),
        ("return redis.call('MULTI')", "ERR This Redis command is not allowed from script"),
        (
            "return redis.call('XREAD', 'BLOCK', 1, 'STREAMS', 'x', 0)",
            "ERR XREAD command is not allowed with BLOCK option",
        ),
        ("return redis.call('NESTED')", "ERR a script cannot run another script"),
        ("return redis.sha1hex()", "ERR wrong number of arguments"),
        ("return redis.log(1)", "ERR redis.log() requires two arguments or more."),
        ("return redis.log({}, 1)", "ERR First argument must be a number (log level)."),
        ("return redis.log('x', 1)", "ERR First argument must be a number (log level)."),
        ("return redis.log(7, 1)", "ERR Invalid debug level."),
        ("return redis.setresp(1, 2)", "ERR redis.setresp() requires one argument."),
        ("return redis.setresp(4)", "ERR RESP version must be 2 or 3."),
        ("return redis.set_repl()", "ERR redis.set_repl() requires two arguments."),
        ("return redis.set_repl(4)", "ERR Invalid replication flags."),
        ("return redis.acl_check_cmd('nope')", "ERR Invalid command passed to redis.acl_check_cmd()"),
        ("error()", "ERR nil"),
        ("error({err=1})", "1"),
        ("error({})", "ERR unknown error"),
        ("return bit.band('x')", "ERR user_script:1: bad argument #1 to 'band' (number expected, got string)"),
        ("bad bad", "ERR Error compiling script (new function): user_script:1: '=' expected near 'bad'"),
        ("\x1bLua", "ERR Error compiling script (new function): user_script:1: unexpected symbol near 'char(27)'"),
        ("#!lua", "ERR Invalid script shebang"),
        ("#! \nreturn 1", "ERR Unexpected engine in script shebang: #!"),
        ('#!lua "\nreturn 1', "ERR Invalid engine in script shebang"),
        ("#!lua name=x\nreturn 1", "ERR Unknown lua shebang option: name=x"),
        ("#!lua flags=x\nreturn 1", "ERR Unexpected flag in script shebang: x"),
        (
            "#!lua flags=no-writes\nreturn redis.call('SET', 'a', 1)",
            "ERR Write commands are not allowed from read-only",
        ),
        (
            "#!lua flags=no-writes\nreturn redis.call('PUBLISH', 'a', 1)",
            "ERR Write commands are not allowed from read-only",
        ),
    ],
)
def test_what_is_refused(cache: MemoryCache, source: str, error: str) -> None:
    assert refusal(cache, "EVAL", source, 0).startswith(error)


def test_numbers_texts_and_what_scripts_ask(cache: MemoryCache) -> None:
    assert evaluate(cache, "return redis.sha1hex(1.5)") == sha_of(b"1.5")
    assert evaluate(cache, "return redis.sha1hex({})") == sha_of(b"")
    assert evaluate(cache, "return {redis.acl_check_cmd('get', 'x'), redis.REDIS_VERSION}") == [1, b"7.0.15"]
    evaluate(cache, "redis.call('SET', 'n', 1.5) redis.call('SET', 'm', 3)")
    assert cache.call("MGET", "n", "m") == [b"1.5", b"3"]
    assert evaluate(cache, "redis.log(redis.LOG_WARNING, 'a', 1, {}) redis.log('0', 'quiet')") is None
    assert evaluate(cache, "return redis.call('PING')") == Status(b"PONG")
    assert evaluate(cache, "redis.set_repl(redis.REPL_ALL) return redis.call('PUBLISH', 'c', 'm')") == 0
    assert evaluate(cache, "return {redis.replicate_commands(), redis.breakpoint(), redis.debug()}") == [1, None]


def test_a_string_that_was_changed_in_place_and_an_error_among_others(cache: MemoryCache) -> None:
    source = "redis.call('APPEND', 'k', 'a') redis.call('APPEND', 'k', 'b') "
    source += "return {redis.call('GET', 'k'), redis.call('MIXED')}"
    assert evaluate(cache, source) == [b"ab", [CommandError("inner", "MY"), 1]]
    assert evaluate(cache, "return {struct.unpack('bb', 'ab'), bit.band(7, 2)}") == [97, 2]
    error = "ERR user_script:1: bad argument #2 to 'pack' (number expected, got userdata)"
    assert refusal(cache, "EVAL", "return struct.pack('b', cjson.null)", 0).startswith(error)


def test_a_script_that_fails_has_done_what_it_did(cache: MemoryCache) -> None:
    assert refusal(cache, "EVAL", "redis.call('SET', 'a', 1)\nredis.call('LPUSH', 'a', 1)", 0) == (
        "WRONGTYPE Operation against a key holding the wrong kind of value script: "
        "3c5b4d9e1b5a3ba5ae7b1f0a8f0cf8a2b9d0b6a1, on @user_script:2."
    ).replace(
        "3c5b4d9e1b5a3ba5ae7b1f0a8f0cf8a2b9d0b6a1",
        sha_of(b"redis.call('SET', 'a', 1)\nredis.call('LPUSH', 'a', 1)").decode(),
    )
    assert cache.call("GET", "a") == b"1"


def test_errors_are_counted_once(cache: MemoryCache) -> None:
    errors = cache.service.dispatcher.statistics.errors
    refusal(cache, "EVAL", "return redis.call('LPUSH', KEYS[1])", 1, "a")
    assert errors["ERR"] == 1
    refusal(cache, "EVAL", "redis.call('SET', 'a', 1) return redis.pcall('LPUSH', 'a', 1)", 0)
    assert errors["WRONGTYPE"] == 1
    refusal(cache, "EVAL", "return redis.error_reply('OWN x')", 0)
    assert errors["OWN"] == 1
    evaluate(cache, "return {1, redis.error_reply('IN x'), redis.pcall('LPUSH', 'a', 1)}")
    assert (errors["IN"], errors["WRONGTYPE"]) == (1, 2)
    refusal(cache, "EVAL", "return redis.call({})", 0)
    refusal(cache, "EVAL", "return redis.call('EVAL', 'x', 0)", 0)
    entries = {entry.name: entry for entry in cache.service.dispatcher.server.commands.entries()}
    assert (errors["ERR"], entries["eval"].failed, entries["eval"].rejected) == (3, 6, 1)


def test_a_script_selects_for_itself(cache: MemoryCache) -> None:
    evaluate(cache, "redis.call('SELECT', 3) redis.call('SET', 'k', 1)")
    assert cache.call("EXISTS", "k") == 0
    with cache.session() as session:
        session.call("SELECT", 3)
        assert session.call("EVAL", "return redis.call('GET', 'k')", 0) == b"1"


def test_time_stands_still(cache: MemoryCache) -> None:
    cache.call("SET", "k", "v", "PX", 10)
    cache.service.dispatcher.now.clock.callLater(0, lambda: None)
    assert evaluate(cache, "local a = redis.call('PTTL', 'k') return {a, redis.call('PTTL', 'k')}") == [10, 10]


def test_scripts_by_their_sha(cache: MemoryCache) -> None:
    sha = cache.call("SCRIPT", "LOAD", "return ARGV[1]")
    assert sha == sha_of(b"return ARGV[1]")
    assert cache.call("EVALSHA", sha, 0, "x") == b"x"
    assert cache.call("EVALSHA_RO", sha.upper(), 0, "x") == b"x"
    assert cache.call("EVAL_RO", "return ARGV[1]", 0, "y") == b"y"
    evaluate(cache, "return 7")
    assert cache.call("SCRIPT", "EXISTS", sha, sha_of(b"return 7"), b"x") == [1, 1, 0]
    assert cache.call("SCRIPT", "FLUSH") is OK
    assert cache.call("SCRIPT", "FLUSH", "Async") is OK
    assert cache.call("SCRIPT", "EXISTS", sha) == [0]
    assert refusal(cache, "EVALSHA", sha, 0) == "NOSCRIPT No matching script. Please use EVAL."
    assert refusal(cache, "EVALSHA", "x", "y") == "NOSCRIPT No matching script. Please use EVAL."
    assert refusal(cache, "EVALSHA", sha, "y") == "ERR value is not an integer or out of range"
    assert refusal(cache, "EVAL", "return 1", 2, "k") == "ERR Number of keys can't be greater than number of args"
    assert refusal(cache, "EVAL", "return 1", -1) == "ERR Number of keys can't be negative"
    assert refusal(cache, "SCRIPT", "FLUSH", "x") == "ERR SCRIPT FLUSH only support SYNC|ASYNC option"
    assert refusal(cache, "SCRIPT", "KILL") == "NOTBUSY No scripts in execution right now."
    assert cache.call("SCRIPT", "DEBUG", "NO") is OK
    assert refusal(cache, "SCRIPT", "DEBUG", "x") == "ERR Use SCRIPT DEBUG YES/SYNC/NO"
    assert refusal(cache, "SCRIPT", "DEBUG", "yes") == "ERR there is no debugger for scripts here"


@pytest.mark.pure
def test_what_came_by_eval_alone_is_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts_module, "EVALUATED", 3)
    assert EVALUATED == 500
    compiled: list[bytes] = []
    cache = ScriptCache(lambda body: compiled.append(body))
    loaded = cache.load(b"loaded").sha
    first = cache.evaluate(b"1").sha
    for number in (2, 3):
        cache.evaluate(b"%d" % number)
    cache.evaluate(b"1")  # used again
    cache.evaluate(b"loaded")
    cache.find(loaded)
    cache.evaluate(b"4")
    assert cache.find(sha_of(b"2")) is None
    assert cache.find(first) is not None
    assert cache.load(b"3") is cache.load(b"3")
    for number in range(5, 9):
        cache.evaluate(b"%d" % number)
    assert (len(cache), cache.memory) == (5, len(b"loaded") + 1 + 3)
    assert cache.find(sha_of(b"3")) is not None
    assert cache.find(loaded) is not None
    assert compiled.count(b"1") == 1
    monkeypatch.setattr(scripts_module, "EVALUATED_BYTES", 10)
    cache.evaluate(b"more than ten")
    assert (len(cache), cache.memory) == (3, len(b"loaded") + 1 + 13)
    cache.evaluate(b"ten bytes")
    assert (len(cache), cache.memory) == (3, len(b"loaded") + 1 + 9)


def test_flags_and_the_state_of_the_server(cache: MemoryCache) -> None:
    cache.call("SET", "filler", "x" * 1000)
    cache.call("CONFIG", "SET", "maxmemory", 1)
    refused = "OOM command not allowed when used memory > 'maxmemory'."
    assert refusal(cache, "EVAL", "return redis.call('SET', 'a', 1)", 0).startswith(refused + " script: ")
    assert evaluate(cache, "return redis.call('GET', 'filler')") is not None
    assert evaluate(cache, "redis.call('DEL', 'no') return redis.call('SET', 'a', 1)") == Status(b"OK")
    assert refusal(cache, "EVAL", "#!lua\nreturn 1", 0) == refused
    assert cache.call("EVAL", "#!lua flags=allow-oom\nreturn redis.call('SET', 'a', 1)", 0) == Status(b"OK")
    assert cache.call("EVAL", "#!lua flags=no-writes,allow-stale\nreturn 1", 0) == 1
    sha = cache.call("SCRIPT", "LOAD", "#!lua\nreturn 1")
    assert refusal(cache, "EVALSHA", sha, 0) == refused
    assert refusal(cache, "EVALSHA", "0" * 40, 0).startswith("NOSCRIPT")
    assert refusal(cache, "EVAL", "#!x\n", 0).startswith("ERR Unexpected engine")
    cache.call("CONFIG", "SET", "maxmemory", 0)
    admission = cache.service.dispatcher.admission
    admission.misconf = CommandError("the disk is full.", "MISCONF")
    assert refusal(cache, "EVAL", "return redis.call('SET', 'a', 1)", 0).startswith("MISCONF the disk is full. script:")
    assert refusal(cache, "EVAL", "#!lua\nreturn 1", 0) == "MISCONF the disk is full."
    assert evaluate(cache, "#!lua flags=no-writes\nreturn 2") == 2
    admission.misconf = None
    assert refusal(cache, "EVAL_RO", "#!lua\nreturn 1", 0) == (
        "ERR Can not execute a script with write flag using *_ro command."
    )


def test_in_a_transaction_the_state_counts_that_is_there_when_it_runs(cache: MemoryCache) -> None:
    cache.call("SET", "filler", "x" * 1000)
    for config, error in (
        ({"maxmemory": 1}, "OOM allow-oom flag is not set"),
        ({}, "MISCONF no disk. Writable scripts"),
    ):
        connection = cache.connect()
        connection.call("MULTI")
        connection.call("EVAL", "#!lua\nreturn 1", 0)
        if config:
            cache.call("CONFIG", "SET", "maxmemory", 1)
        admission = cache.service.dispatcher.admission
        transaction = next(iter(cache.service.dispatcher.server.sessions.values())).transaction
        assert transaction is not None
        if not config:
            admission.misconf = CommandError("no disk.", "MISCONF")
        replies = connection.call("EXEC")
        cache.call("CONFIG", "SET", "maxmemory", 0)
        admission.misconf = None
        assert str(replies[0]).startswith(error)
        connection.close()


def test_what_scripts_take_is_told(cache: MemoryCache) -> None:
    def told() -> dict[str, str]:
        text = cache.call("INFO", "memory").decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    before = told()
    assert (before["used_memory_vm_eval"], before["number_of_cached_scripts"]) == ("0", "0")
    evaluate(cache, "return 1")
    after = told()
    assert int(after["used_memory_vm_eval"]) > 10_000
    assert after["used_memory_vm_total"] == after["used_memory_vm_eval"] == after["used_memory_lua"]
    assert (after["number_of_cached_scripts"], after["used_memory_scripts"]) == ("1", "8")


def test_a_limit_of_the_memory_holds_at_once(cache: MemoryCache) -> None:
    bomb = "local t = {} for i = 1, 1e6 do t[i] = ('x'):rep(1000) .. i end return #t"
    cache.call("CONFIG", "SET", "lua-memory-limit", "8mb")
    evaluate(cache, "return 1")
    cache.call("CONFIG", "SET", "lua-memory-limit", "6mb")
    needs = "ERR not enough memory: the script needs more than lua-memory-limit"
    assert refusal(cache, "EVAL", bomb, 0) == needs
    cache.call("SET", "big", b"x" * 4_000_000)
    two = "local a = redis.call('GET', 'big') local b = redis.pcall('GET', 'big') .. 'y' return #a + #b"
    assert refusal(cache, "EVAL", two, 0).startswith(needs)
    assert refusal(cache, "EVAL", "return #ARGV[1]", 0, b"x" * 6_000_000) == needs
    assert refusal(cache, "EVAL", "--" + "x" * 6_000_000, 0) == needs
    caught = "local t = {} pcall(function() for i = 1, 1e6 do t[i] = ('x'):rep(1000) .. i end end) "
    full = "pcall(redis.call, {}, {}, {}) return pcall(redis.call, 'GET', 'big')"
    assert refusal(cache, "EVAL", caught + full, 0).startswith(needs)
    assert refusal(cache, "EVAL", caught + "return bit.band(1, 2)", 0).startswith(needs)
    cache.call("RPUSH", "list", *[b"y" * 1000] * 5000)
    assert refusal(cache, "EVAL", "return redis.call('LRANGE', 'list', 0, -1)", 0).startswith(needs)
    assert evaluate(cache, "return #redis.call('GET', 'big')") == 4_000_000
    assert evaluate(cache, "return #struct.pack('c0', ARGV[1])", 0, b"x" * 100_000) == 100_000
    assert refusal(
        cache, "EVAL", "return #struct.pack('c0c0c0', ARGV[1], ARGV[1], ARGV[1])", 0, b"x" * 1_900_000
    ).startswith(needs)


def test_a_source_that_takes_more_than_its_size(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "lua-memory-limit", "4mb")
    for source in ("return {" + "1," * 300_000 + "}", "return {" + "1," * 100_000 + "}", "--" + "x" * 900_000):
        assert refusal(cache, "EVAL", source, 0) == "ERR not enough memory: the script needs more than lua-memory-limit"
    assert evaluate(cache, "return 1") == 1


def test_no_attribute_of_python_is_there_for_scripts() -> None:
    with pytest.raises(AttributeError):
        _refuse_attribute(None, b"__class__", False)


@pytest.mark.pure
def test_lua_itself_may_be_out_of_memory(cache: MemoryCache, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(cache, "return 1")
    interpreter = cache.service.dispatcher.server.services.scripts._lua.interpreter  # type: ignore[attr-defined]

    def run(*words: object) -> None:
        raise interpreter._memory_error

    monkeypatch.setattr(interpreter, "_run", run)
    assert refusal(cache, "EVAL", "return 1", 0) == "ERR not enough memory: the script needs more than lua-memory-limit"


@pytest.mark.pure
def test_a_function_of_the_host_that_fails_is_an_error_of_the_script(
    cache: MemoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(words: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(cache.service.dispatcher.script_runs, "check_acl", check)
    error = "ERR internal error, see the log of the server script: "
    assert refusal(cache, "EVAL", "return redis.acl_check_cmd('GET')", 0).startswith(error)


def test_a_few_tables_may_not_come_to_any_number_of_values(cache: MemoryCache) -> None:
    source = "local t = {1, 2} for i = 1, 40 do t = {t, t} end return t"
    assert refusal(cache, "EVAL", source, 0) == "ERR the reply of the script is too large"
    deep = source.replace("{t, t}", "{t, t, map = i > 39 and {[1] = t} or nil}")
    assert cache.connect().send(request_for(deep.encode())) == b"-ERR the reply of the script is too large\r\n"


def test_no_error_writes_to_a_read_only_table(cache: MemoryCache) -> None:
    for each in ("_G", "redis", "string", "getmetatable('')"):
        assert "Attempt to modify a readonly table" in refusal(cache, "EVAL", f"error({each})", 0)
    assert refusal(cache, "EVAL", "return source", 0).startswith("ERR user_script:1: Script attempted")
    hostile = "error(setmetatable({}, {__index = function() error('x') end}))"
    assert refusal(cache, "EVAL", hostile, 0).startswith("ERR unknown error")


def test_an_error_at_the_end_of_the_memory_ends_the_script(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "lua-memory-limit", "4mb")
    fill = "local t = {} pcall(function() for i = 1, 1e6 do t[i] = ('x'):rep(100) .. i end end) "
    late = "local e = {} local ok = pcall(function() for i = 1, 1e6 do e[i] = {pcall(redis.sha1hex)} end end) return 1"
    for source in (fill + "pcall(redis.sha1hex, 1) return 1", late, fill + "for i = 1, 1e7 do end return 1"):
        with suppress(CommandError):
            evaluate(cache, source)
        assert evaluate(cache, "return 1") == 1
    interpreter = cache.service.dispatcher.server.services.scripts._lua.interpreter  # type: ignore[attr-defined]
    interpreter.set_memory_limit(interpreter.memory)
    assert interpreter._describe(ValueError()) == (OUT_OF_MEMORY, False, True)


def test_a_call_near_the_end_of_the_memory_ends_the_script(cache: MemoryCache) -> None:
    cache.call("CONFIG", "SET", "lua-memory-limit", "6mb")
    fill = "local t = {} while collectgarbage('count') < 5500 do t[#t + 1] = ('x'):rep(1000) .. #t end "
    needs = "ERR not enough memory: the script needs more than lua-memory-limit"
    for call in ("redis.call('PING')", "pcall(redis.call, 'PING')", "pcall(redis.log)"):
        assert refusal(cache, "EVAL", f"{fill} {call} return #t", 0).startswith(needs)
    cache.call("RPUSH", "list", *[b"y" * 1000] * 100)
    assert evaluate(cache, "return #redis.call('LRANGE', 'list', 0, -1)") == 100


def test_very_many_scripts_leave_room_for_arguments(cache: MemoryCache) -> None:
    for number in range(501):
        assert cache.call("SCRIPT", "LOAD", f"return {number}")
    assert evaluate(cache, "return #{pcall(redis.call, unpack({{}, {}, {}}))}") == 2


def test_a_command_that_fails_in_a_script(cache: MemoryCache) -> None:
    assert refusal(cache, "EVAL", "return redis.call('BROKEN')", 0).startswith("ERR internal error, see the log")
    wrong = "ERR wrong number of arguments for 'limited' command script: "
    assert refusal(cache, "EVAL", "return redis.call('LIMITED', 1, 2)", 0).startswith(wrong)


def test_ctrl_c_in_a_script_is_not_for_the_script(cache: MemoryCache) -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate(cache, "while true do pcall(redis.call, 'NOTHING') end")
    assert evaluate(cache, "return 1") == 1


def test_without_lua_it_is_said_how_to_get_it(cache: MemoryCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lupa.lua51", None)
    needs = "ERR scripts need lupa, which is not installed here: pip install 'twisted-kv[lua]'"
    assert refusal(cache, "EVAL", "return 1", 0) == needs
    assert refusal(cache, "SCRIPT", "LOAD", "return 1") == needs
    assert refusal(cache, "FUNCTION", "LOAD", "#!lua name=l\nreturn 1") == needs


def test_a_script_and_a_function_of_python(cache: MemoryCache) -> None:
    script = cache.script("return {KEYS[1], ARGV[1]}")
    assert script.call(["k"], [1.5]) == [b"k", b"1.5"]
    got: list[Any] = []
    script.request(["k"], ["a"]).addCallback(got.append)
    assert got == [[b"k", b"a"]]
    with pytest.raises(TypeError, match="lists of words"):
        script.call("k")
    with cache.session() as session:
        session.call("SELECT", 3)
        assert session.script(b"redis.call('SET', 'x', 1) return 'ok'").call() == b"ok"
        assert session.call("GET", "x") == b"1"
