"""Writes scripts by chance: values of all types, libraries, commands, errors and what catches them.

Nothing is written whose answer is random or an address: no table or function is made a text, and a set has members only
that are integers.  Numbers get `+0` where Redis would tell -0 from 0.
"""

# ruff: noqa: E501 - scripts stand as they are sent

from __future__ import annotations

from random import Random
from typing import Callable, List, Sequence, Tuple

import attrs

SHEBANGS = (
    "#!lua",
    "#!lua flags=",
    "#!lua flags=no-writes",
    "#!lua flags=allow-oom",
    "#!lua flags=no-writes,allow-oom",
    "#!lua flags=allow-stale,no-cluster,allow-cross-slot-keys",
    "#!lua flags=no-writes flags=allow-oom",
    "#!lua flags=nope",
    "#!lua flags=no-writes,",
    "#!lua name=a",
    "#!lua a=b flags=nope",
    "#!luau",
    "#!lua 'flags=no-writes'",
    "#!lua  flags=no-writes ",
    "#!",
)

KEYS = (b"s", b"n", b"h", b"l", b"t", b"z", b"x", b"none")

SETTING_UP = (
    b"SET s hello|SET n 5|HSET h f 1 g two|RPUSH l a b c|SADD t 1 2 3|ZADD z 1 a 2.5 b|XADD x 1-1 f v|"
    b"XGROUP CREATE x g 0"
)

COMMANDS = tuple(
    line.strip()
    for line in """
    get s|get n|get h|get none|set s v|set s 10|set none v|set s v nx get|set s v ex 1000|append s more|strlen s
    getrange s 1 3|setrange s 2 xx|incr n|incr s|incrby n 7|incrbyfloat n 1.5|decr none|mget s n h none|mset s 1 n 2
    getdel s|getex n persist|setnx s 1|setbit s 7 1|getbit s 1|bitcount s|bitpos s 1|bitfield n get u8 0 incrby i5 1 1
    hset h f 2 i 3|hget h f|hget h nope|hgetall h|hgetall none|hmget h f nope|hdel h f|hlen h|hincrby h f 2
    hincrbyfloat h f 1.25|hexists h f|hkeys h|hvals h|hstrlen h g|hsetnx h q 1|hset s f v|hset h f
    rpush l d|lpush l x y|lrange l 0 -1|llen l|lpop l|rpop l 2|lindex l 0|lset l 0 q|lset l 99 q|lrem l 0 a|ltrim l 0 1
    linsert l before b new|lpos l a|lmove l l left right|rpoplpush l none|lmpop 1 l left|lpop none 2|lpop none|lpush s 1
    sadd t 4 5|smembers t|sismember t 2|smismember t 1 9|srem t 1|scard t|sinter t t|sunion t none|sdiff t none
    sintercard 1 t|smove t none 2|sinterstore none t t|sadd s 1
    zadd z 3 c|zadd z nx ch 1 d|zadd z incr 1 a|zadd z xx incr 1 nope|zscore z a|zscore z nope|zmscore z a nope
    zrange z 0 -1|zrange z 0 -1 withscores|zrange z -inf +inf byscore|zrank z b|zrevrank z nope|zincrby z 0.1 a
    zpopmin z|zpopmax none|zcount z -inf inf|zrem z a|zcard z|zadd z x a|zadd s 1 a|zrangestore none z 0 -1
    zmpop 1 z min|zunion 2 z z withscores|zadd z inf i|zincrby z -inf i
    xadd x 5-* f v|xadd x 1-1 f v|xlen x|xrange x - +|xrevrange x + - count 1|xread streams x 0|xread streams none 0
    xreadgroup group g c streams x >|xack x g 1-1|xpending x g|xdel x 1-1|xread block 0 streams x $|xtrim x maxlen 1
    pfadd none a b|pfcount none|geoadd none 13.361389 38.115556 p|geopos none p q|geodist none p p|setbit none 3 1
    del s|del s n h|unlink l|exists s n none|type z|type none|expire s 1000|persist s|ttl n|rename s none|renamenx s n
    rename none s|copy s none|object encoding n|object encoding none|sort l alpha|sort l|sort t desc|touch s n
    ping|ping x|echo hello|select 1|select 0|select 99|select x|dbsize|flushdb|publish c m|lolno|config get maxmemory
    config nope|config|object nope x|client id nope|multi|exec|watch s|subscribe c|blpop l 0|blpop none 0|eval x 0
    brpoplpush none l 0|bzpopmin z 0|swapdb 0 1|move s 3|wait 0 0|dump s|restore s 0 x|command count x
    auth x|hello 3|reset|quit|monitor|save|shutdown nope|script load x|function nope|memory usage none|expire s
    """.replace("\n", "|").split("|")
    if line.strip()
)

_TEXTS = (
    "''", "'a'", "'b c'", "'10'", "' 5 '", "'0x10'", "'1e3'", "'-7'", "'nan'", "'inf'", "'a\\0b'", "'\\195\\169'",
    "'\\255'", "'line\\r\\nend'", "'%d+'", "'(%w+)'", "'ERR bad'", "'MY err'", "'-x y'", "'hello world'", "'[a-c]'",
    "'{\"a\":[1,2.5,null,true,\"x\"]}'", "'[1,[2,[3]]]'", "'{}'", "'[]'", "'{\"a\":'", "'[nan]'", "'\"\\\\u00e9\\\\n\"'",
    "'\\145\\1\\2'", "'\\130\\161a\\1\\161b\\192'", "('x'):rep(70)", "[[long]]", "KEYS[1]", "ARGV[1]", "ARGV[2]",
)  # fmt: skip
_NUMBERS = (
    "0", "1", "2", "3", "-1", "-5", "10", "1.5", "3.99", "-3.99", "0.1", "1e14", "1e15", "1e16", "1e17", "123456789012",
    "2^31", "2^32", "2^53", "2^53+1", "2^63", "-2^63", "2^64", "1e100", "-1e100", "5e-324", "1/0", "-1/0", "0/0", "1/3",
    "0x7fffffff", "255", "256", "65536", "#KEYS", "#ARGV",
)  # fmt: skip
_SMALL = ("0", "1", "2", "3", "-1", "-2", "5", "1.5", "100", "'2'")
_PATTERNS = (
    "'l'", "'%a+'", "'(%w)(%w)'", "'()l'", "'^h'", "'.-o'", "'[^%s]*'", "'%f[%w]%w+'", "'%b()'", "''", "'x*'", "'%'",
    "'[a'", "'(l'", "'%1'", "'l)'", "'(.)%1'", "'%z'", "'$'", "'a-b'",
)  # fmt: skip
_FORMATS = ("'%d'", "'%5.2f'", "'%s'", "'%q'", "'%x'", "'%e'", "'%g'", "'%5s|%-5s'", "'%c'", "'%i%%'", "'%y'", "'%.14g'",
            "'%.3s'", "'%5d'", "'%u'", "'%o'", "'%s %s'", "'%'", "'%.20f'")  # fmt: skip
_STRUCTS = ("'>I2'", "'<i4'", "'b'", "'B'", "'>h'", "'s'", "'c3'", "'>d'", "'<f'", "'i8'", "'>I4i4'", "'l'", "'x'", "'c0'",
            "'Bc0'", "'!4 i1 i4'", "'q'", "'i33'", "''", "'L'", "'>T'")  # fmt: skip
_NAMES = ("a", "b", "c", "d")
_FIELDS = ("x", "y", "err", "ok", "n")
_OPERATORS = ("+", "-", "*", "/", "%", "^", "..", "==", "~=", "<", "<=", ">", ">=", "and", "or")


@attrs.frozen
class Script:
    """A script as lines, of which the first may be a shebang, and what goes with it."""

    lines: Tuple[str, ...]
    keys: Tuple[bytes, ...]
    arguments: Tuple[bytes, ...]

    @property
    def source(self) -> bytes:
        return "\n".join(self.lines).encode("latin-1")

    @property
    def words(self) -> Tuple[bytes, ...]:
        """What follows the script in a request."""
        return (b"%d" % len(self.keys), *self.keys, *self.arguments)


@attrs.define
class ScriptWriter:
    """Writes scripts by chance."""

    chance: Random
    _names: List[str] = attrs.field(factory=list)

    def script(self) -> Script:
        """Write a script of some lines, each a whole statement."""
        chance = self.chance
        self._names = []
        lines = [chance.choice(SHEBANGS)] if chance.random() < 0.1 else []
        if chance.random() < 0.15:
            lines.append(chance.choice(["redis.setresp(3)", "redis.setresp(2)", "redis.setresp(4)"]))
        for _ in range(chance.choice([1, 2, 3, 5, 8, 13])):
            lines.append(self.statement(2))
        lines.append("return " + self._result())
        keys = tuple(chance.choice(KEYS) for _ in range(chance.randrange(3)))
        arguments = tuple(chance.choice([b"", b"1", b"a b", b"-0", b"\0\xff"]) for _ in range(chance.randrange(3)))
        return Script(tuple(lines), keys, arguments)

    # Statements

    def statement(self, depth: int) -> str:
        """Write a statement on one line; `depth` bounds how much stands inside another."""
        chance = self.chance
        dice = chance.random()
        if depth == 0 or dice < 0.35:
            value = self.any(2)
            name = chance.choice(_NAMES)
            if name in self._names and chance.random() < 0.5:
                return f"{name} = {value}"
            self._names.append(name)
            return f"local {name} = {value}"
        if dice < 0.55:
            return f"redis.{chance.choice(['call', 'pcall', 'pcall'])}({self._command()})"
        writers: Sequence[Callable[[int], str]] = (
            self._loop, self._choice, self._function, self._field, self._caught, self._coroutine, self._globals,
            self._resumed, self._metatable, self._table_call,
        )  # fmt: skip
        return chance.choice(writers)(depth - 1)

    def _inside(self, depth: int) -> str:
        kept = list(self._names)
        text = " ".join(self.statement(depth) for _ in range(self.chance.choice([1, 1, 2])))
        self._names = kept
        return text

    def _loop(self, depth: int) -> str:
        chance = self.chance
        head = chance.choice(
            [
                "for i = 1, 3 do",
                "for i = 3, 1, -1 do",
                f"for i, v in ipairs({self.table(1)}) do",
                f"for k, v in pairs({self.table(1)}) do",
                f"for i = {self.number(0)}, 2, 1e9 do if i < 0 then break end",
                f"for w in string.gmatch({self.text(1)}, {chance.choice(_PATTERNS)}) do",
                f"for i = 1, 2 do if i == {self.number(0)} then break end",
            ]
        )
        return f"{head} {self._inside(depth)} end"

    def _choice(self, depth: int) -> str:
        return f"if {self.any(1)} then {self._inside(depth)} else {self._inside(depth)} end"

    def _function(self, depth: int) -> str:
        name = self.chance.choice(_NAMES)
        kept = list(self._names)
        self._names = [*kept, "p", "q"]
        body = f"{self._inside(depth)} return {self.any(1)}, {self.any(1)}"
        self._names = [*kept, name]
        return f"local function {name}(p, q, ...) {body} end"

    def _field(self, depth: int) -> str:
        place = self.chance.choice([f".{self.chance.choice(_FIELDS)}", f"[{self.any(0)}]", "[1]", "[#KEYS + 1]"])
        return f"{self._name()}{place} = {self.any(2)}"

    def _caught(self, depth: int) -> str:
        chance = self.chance
        body = f"function() {self._inside(depth)} {self._raising()} end"
        names = chance.sample(_NAMES, 2)
        self._names += names
        catch = chance.choice(
            [
                f"pcall({body})",
                f"pcall({body}, {self.any(1)})",
                f"xpcall({body}, function(e) return type(e) end)",
                f"xpcall({body}, function(e) return e end)",
                f"xpcall({body}, function(e) return e.err end)",
                f"xpcall({body}, function(e) {self._raising()} end)",
                f"coroutine.resume(coroutine.create({body}))",
                f"pcall(coroutine.wrap({body}))",
                f"pcall({self._callable()}, {self.any(1)}, {self.any(1)})",
            ]
        )
        return f"local {names[0]}, {names[1]} = {catch}"

    def _coroutine(self, depth: int) -> str:
        name = self.chance.choice(_NAMES)
        inside = f"local v = coroutine.yield({self.any(1)}) {self._inside(depth)} return v"
        self._names.append(name)
        return f"local {name} = coroutine.wrap(function(...) {inside} end) {name}() {name} = {name}({self.any(1)})"

    def _resumed(self, depth: int) -> str:
        name = self.chance.choice(_NAMES)
        self._names.append(name)
        return (
            f"local {name} = {{coroutine.resume(coroutine.create(function(...) {self._inside(depth)} "
            f"coroutine.yield({self.any(1)}) end), {self.any(1)})}}"
        )

    def _globals(self, depth: int) -> str:
        return self.chance.choice(
            [
                "g = 1",
                f"local u = g{self.chance.randrange(3)}",
                "KEYS = {1}",
                "ARGV[1] = 'z'",
                "redis.call = 1",
                "string.x = 1",
                "rawset(_G, 'x', 1)",
                "math.randomseed(5)",
                "setmetatable(_G, {})",
                "local r = math.randomseed(9) " + self._named("math.random(100)"),
                f"assert({self.any(1)}, {self.text(0)})",
                self._raising(),
            ]
        )

    def _named(self, value: str) -> str:
        name = self.chance.choice(_NAMES)
        self._names.append(name)
        return f"local {name} = {value}"

    def _metatable(self, depth: int) -> str:
        method = self.chance.choice(
            [
                "__index",
                "__newindex",
                "__call",
                "__add",
                "__concat",
                "__eq",
                "__lt",
                "__le",
                "__unm",
                "__len",
                "__tostring",
            ]
        )
        kept = list(self._names)
        self._names = [*kept, "p", "q"]
        body = f"{self._inside(depth)} return {self.any(1)}"
        self._names = kept
        return self._named(f"setmetatable({self.table(1)}, {{{method} = function(p, q) {body} end}})")

    def _table_call(self, depth: int) -> str:
        chance = self.chance
        target = self._name()
        return chance.choice(
            [
                f"table.insert({target}, {self.any(1)})",
                f"table.insert({target}, {chance.choice(_SMALL)}, {self.any(1)})",
                self._named(f"table.remove({target})"),
                f"table.sort({target})",
                f"table.sort({target}, function(p, q) {self._inside(0)} return p < q end)",
                f"rawset({target}, {self.any(0)}, {self.any(1)})",
                f"table.foreach({target}, function(p, q) {self._inside(0)} end)",
            ]
        )

    def _raising(self) -> str:
        chance = self.chance
        return chance.choice(
            [
                f"error({self.text(1)})",
                f"error({self.text(1)}, {chance.choice(['0', '1'])})",
                f"error({self.number(0)})",
                "error()",
                "error(nil)",
                f"error({{err = {self.text(0)} .. ''}})",
                f"error(redis.error_reply({chance.choice(_TEXTS[:26])}))",
                f"redis.call({self._command()})",
                f"assert(false, {self.text(0)})",
                f"local u = nil + {self.any(0)}",
                f"local u = {self.any(1)} .. {self.any(1)}",
                "local u = nowhere",
                "local u; u.x = 1",
                "local u; u()",
            ]
        )

    def _callable(self) -> str:
        return self.chance.choice(
            ["redis.call", "redis.pcall", "string.rep", "tonumber", "cjson.decode", "cjson.encode", "cmsgpack.unpack",
             "struct.pack", "bit.band", "setmetatable", "rawget", "select", "unpack", "ipairs", "next", "string.format",
             "redis.sha1hex", "redis.error_reply", "redis.status_reply", "table.concat", "math.floor", "nil", "string.sub",
             "loadstring", "redis.log", "redis.setresp", "string.char", "rawequal", "math.max", "coroutine.wrap"]
        )  # fmt: skip

    # Values

    def _result(self) -> str:
        dice = self.chance.random()
        if dice < 0.3:
            return "{" + ", ".join(self.any(2) for _ in range(self.chance.randrange(1, 6))) + "}"
        if dice < 0.5:
            return f"redis.{self.chance.choice(['call', 'pcall'])}({self._command()})"
        if dice < 0.6 and self._names:
            return "{" + ", ".join(dict.fromkeys(self._names)) + "}"
        return self.any(3)

    def _name(self) -> str:
        return self.chance.choice(self._names) if self._names else "KEYS"

    def any(self, depth: int) -> str:
        """Write an expression of any type."""
        chance = self.chance
        dice = chance.random()
        if dice < 0.2 and self._names:
            return self._name()
        if dice < 0.4:
            return self.text(depth)
        if dice < 0.6:
            return self.number(depth)
        if dice < 0.8:
            return self.table(depth)
        if dice < 0.9 and depth:
            return f"({self.any(depth - 1)} {chance.choice(_OPERATORS)} {self.any(depth - 1)})"
        if dice < 0.94 and depth:
            return chance.choice(["not {}", "-{}", "#{}", "type({})"]).format(self.any(0))
        return chance.choice(["nil", "true", "false", "cjson.null", "function() end", "type", "coroutine.create(type)"])

    def text(self, depth: int) -> str:
        """Write an expression that is a text, or fails."""
        chance = self.chance
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(_TEXTS)
        depth -= 1
        pattern = chance.choice(_PATTERNS)
        writers: Sequence[Callable[[], str]] = (
            lambda: f"({self.text(depth)} .. {self.text(depth)})",
            lambda: f"tostring({self.number(depth)})",
            lambda: f"string.sub({self.text(depth)}, {chance.choice(_SMALL)}, {chance.choice(_SMALL)})",
            lambda: f"({self.text(depth)}):upper()",
            lambda: f"string.rep({self.text(0)}, {chance.choice(_SMALL)})",
            lambda: f"string.gsub({self.text(depth)}, {pattern}, {chance.choice(['%1', '<%0>', 'z', '%%', '%2'])!r})",
            lambda: f"string.gsub({self.text(depth)}, {pattern}, {{l = 'L', a = 1, h = false}})",
            lambda: f"string.gsub({self.text(depth)}, {pattern}, function(p) {self._inside(0)} return p end)",
            lambda: f"string.match({self.text(depth)}, {pattern})",
            lambda: f"({self.text(depth)}):match({pattern}, {chance.choice(_SMALL)})",
            lambda: f"string.format({chance.choice(_FORMATS)}, {self.simple(depth)}, {self.simple(depth)})",
            lambda: f"string.format({chance.choice(_FORMATS)}, {self.simple(depth)})",
            lambda: f"string.reverse({self.text(depth)})",
            lambda: f"string.char({self.number(0)}, 65)",
            lambda: f"redis.sha1hex({self.any(0)})",
            lambda: f"cjson.encode({self.any(depth + 1)})",
            lambda: f"cmsgpack.pack({self.any(depth + 1)}, {self.any(0)})",
            lambda: f"cmsgpack.pack({self.any(depth + 1)})",
            lambda: f"struct.pack({chance.choice(_STRUCTS)}, {self.simple(0)}, {self.simple(0)})",
            lambda: f"struct.pack({chance.choice(_STRUCTS)}, {self.simple(0)})",
            lambda: f"bit.tohex({self.number(depth)}, {chance.choice(_SMALL)})",
            lambda: f"table.concat({self.table(depth)}, {self.text(0)})",
            lambda: f"type({self.any(depth)})",
            lambda: f"(select(2, pcall({self._callable()}, {self.any(depth)})) or 'none')",
        )
        return chance.choice(writers)()

    def simple(self, depth: int) -> str:
        """Write a text or a number that is not -0."""
        return self.text(depth) if self.chance.random() < 0.5 else f"({self.number(depth)}) + 0"

    def number(self, depth: int) -> str:
        """Write an expression that is a number, or fails."""
        chance = self.chance
        if depth == 0 or chance.random() < 0.4:
            return chance.choice(_NUMBERS)
        depth -= 1
        writers: Sequence[Callable[[], str]] = (
            lambda: f"({self.number(depth)} {chance.choice('+-*/%^')} {self.number(depth)})",
            lambda: f"#{self._name()}",
            lambda: f"tonumber({self.text(depth)})",
            lambda: f"tonumber({self.text(0)}, {chance.choice(['2', '10', '16', '36', '37'])})",
            lambda: (
                f"math.{chance.choice(['floor', 'ceil', 'abs', 'sqrt', 'exp', 'modf', 'frexp'])}({self.number(depth)})"
            ),
            lambda: f"math.{chance.choice(['max', 'min', 'fmod', 'pow'])}({self.number(depth)}, {self.any(0)})",
            lambda: (
                f"bit.{chance.choice(['band', 'bor', 'bxor', 'lshift', 'rshift', 'arshift', 'rol', 'ror'])}"
                f"({self.simple(depth)}, {self.simple(0)})"
            ),
            lambda: f"bit.{chance.choice(['tobit', 'bnot', 'bswap'])}({self.simple(depth)})",
            lambda: f"string.byte({self.text(depth)}, {chance.choice(_SMALL)})",
            lambda: f"string.len({self.text(depth)})",
            lambda: f"select('#', {self.any(0)}, {self.any(0)})",
            lambda: f"string.find({self.text(depth)}, {chance.choice(_PATTERNS)})",
            lambda: f"string.find({self.text(depth)}, {self.text(0)}, {chance.choice(_SMALL)}, true)",
            lambda: f"struct.unpack({chance.choice(_STRUCTS)}, {self.text(depth)})",
            lambda: f"struct.size({chance.choice(_STRUCTS)})",
            lambda: f"redis.pcall({self._command()})",
        )
        return chance.choice(writers)()

    def table(self, depth: int) -> str:
        """Write an expression that is a table, or fails."""
        chance = self.chance
        if depth == 0:
            return chance.choice(
                ["{}", "{1, 2}", "KEYS", "ARGV", "{x = 1}", "{1, nil, 3}", "{err = 'E x'}", "{ok = 'fine'}"]
            )
        depth -= 1
        writers: Sequence[Callable[[], str]] = (
            lambda: "{" + ", ".join(self.any(depth) for _ in range(chance.randrange(4))) + "}",
            lambda: "{" + ", ".join(f"{chance.choice(_FIELDS)} = {self.any(depth)}" for _ in range(2)) + "}",
            lambda: f"{{[{self.text(0)}] = {self.any(depth)}, {self.any(depth)}}}",
            lambda: f"{{[{chance.choice(_SMALL)}] = {self.any(depth)}, {self.any(depth)}}}",
            lambda: f"{{err = {self.any(0)}}}",
            lambda: f"{{ok = {self.any(0)}}}",
            lambda: f"{{double = ({self.number(0)}) + 0}}",
            lambda: f"{{map = {self.table(depth)}}}",
            lambda: f"{{set = {self.table(depth)}}}",
            lambda: f"{{big_number = {self.any(0)}}}",
            lambda: f"{{verbatim_string = {{format = {chance.choice(_TEXTS)}, string = {self.any(0)}}}}}",
            lambda: f"{{{chance.choice(['pcall', 'redis.pcall', 'unpack'])}({self.any(depth)})}}",
            lambda: f"{{string.find({self.text(depth)}, {chance.choice(_PATTERNS)})}}",
            lambda: f"{{string.gsub({self.text(depth)}, {chance.choice(_PATTERNS)}, {self.any(0)})}}",
            lambda: f"cjson.decode({self.text(depth)})",
            lambda: f"cjson.decode(cjson.encode({self.table(depth)}))",
            lambda: f"{{cmsgpack.unpack({self.text(depth)})}}",
            lambda: f"{{cmsgpack.unpack(cmsgpack.pack({self.table(depth)}))}}",
            lambda: f"{{struct.unpack({chance.choice(_STRUCTS)}, {self.text(depth)})}}",
            lambda: f"redis.pcall({self._command()})",
            lambda: f"redis.call({self._command()})",
            lambda: f"{{redis.call({self._command()})}}",
            lambda: f"redis.error_reply({self.any(0)})",
            lambda: f"redis.status_reply({self.any(0)})",
            lambda: f"{{loadstring({self.text(depth)}, {self.text(0)})}}",
        )
        return chance.choice(writers)()

    def _command(self) -> str:
        """Write the arguments of a call: a command of the list, spoilt now and then."""
        chance = self.chance
        words = [repr(word) for word in chance.choice(COMMANDS).split(" ")]
        if chance.random() < 0.1:
            words[0] = words[0].upper()
        while chance.random() < 0.12:
            place = chance.randrange(len(words) + 1)
            if chance.random() < 0.3 and len(words) > 1:
                del words[min(place, len(words) - 1)]
            else:
                words[place : place + 1] = [self.simple(1) if chance.random() < 0.7 else self.any(0)]
        return ", ".join(words)
