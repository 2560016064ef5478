"""The `cjson` library answers as Redis 7.0.15 does."""

from __future__ import annotations

from importlib import import_module, resources
from typing import Any, Callable

import pytest

pytestmark = pytest.mark.lua

NESTING = "Found too many nested data structures (%d) at character %d"

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def runtime() -> Any:
    lua = import_module("lupa.lua51").LuaRuntime(encoding=None, unpack_returned_tuples=True)
    chunk = resources.files("twisted_kv.scripting").joinpath("cjson.lua").read_bytes()
    lua.execute(b"local chunk = ... cjson, reset = assert(loadstring(chunk, '@cjson'))(python.none)", chunk)
    return lua


@pytest.fixture
def run(runtime: Any) -> Run:
    """Runs a script of one line, and returns its values, or False and the text of its error."""
    runtime.execute(b"reset()")
    call = runtime.eval(b"function(source, ...) return pcall(assert(loadstring(source, '@script')), ...) end")

    def run(source: str, *arguments: bytes) -> Any:
        result = call(source.encode("utf-8"), *arguments)
        if result is True:
            return None
        ok, *values = result
        if not ok:
            return False, values[0].decode("latin-1")
        return values[0] if len(values) == 1 else tuple(values)

    return run


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("nil", b"null"),
        ("cjson.null", b"null"),
        ("true", b"true"),
        ("0.1", b"0.1"),
        ("1/3", b"0.33333333333333"),
        ("0*-1", b"-0"),
        ("200", b"200"),
        ("1e15", b"1e+15"),
        ("123456789012345", b"1.2345678901234e+14"),
        ("2^63", b"9.2233720368548e+18"),
        (r"'/\127\0\1\8\9\10\12\13\"\\\128\255'", b'"\\/\\u007f\\u0000\\u0001\\b\\t\\n\\f\\r\\"\\\\\x80\xff"'),
        ("{}", b"{}"),
        ("{{}}", b"[{}]"),
        ("{1,'a',false,{b=cjson.null}}", b'[1,"a",false,{"b":null}]'),
        ("{[1]=1,[4]=2}", b"[1,null,null,2]"),
        ("{[10]=2}", b"[null,null,null,null,null,null,null,null,null,2]"),
        ("{[1]=1,[2]=2,a=3}", b'{"1":1,"2":2,"a":3}'),
        ("{[1.5]=1}", b'{"1.5":1}'),
        ("{[0]=2}", b'{"0":2}'),
        ("{['a\"/']=1}", b'{"a\\"\\/":1}'),
        ("{[2^31]=2}", b'{"2147483648":2}'),
        ("{[2^32+1]=2,[3]=1}", b"[null,null,1]"),
        ("setmetatable({[3]=1}, {__index=error, __len=error})", b"[null,null,1]"),
    ],
)
def test_values_are_encoded(run: Run, expression: str, text: bytes) -> None:
    assert run(f"local text = cjson.encode({expression}) return text") == text


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0/0", "Cannot serialise number: must not be NaN or Inf"),
        ("{[1/0]=2}", "Cannot serialise number: must not be NaN or Inf"),
        ("{print}", "Cannot serialise function: type not supported"),
        ("coroutine.create(function() end)", "Cannot serialise thread: type not supported"),
        ("{[true]=1}", "Cannot serialise boolean: table key must be a number or string"),
        ("{[11]=2}", "Cannot serialise table: excessively sparse array"),
        ("{[3]=print,[100]=1}", "Cannot serialise table: excessively sparse array"),
        ("(function() local t = {} t[1] = t return t end)()", "Cannot serialise, excessive nesting (1001)"),
        ("", "bad argument #1 to 'encode' (expected 1 argument)"),
        ("1, nil", "bad argument #1 to 'encode' (expected 1 argument)"),
    ],
)
def test_what_cannot_be_encoded_is_an_error_where_encode_was_called(run: Run, expression: str, message: str) -> None:
    assert run(f"local text = cjson.encode({expression}) return text") == (False, "script:1: " + message)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (b" \n\t\r [1]  \n", "v[1] == 1 and #v == 1"),
        (b'{"1":2,"01":3,"a":null,"a":4}', "v['1'] == 2 and v['01'] == 3 and v.a == 4"),
        (b'{"a":{"b":[]},"c":[{"d":1.5e3},false,true,null,"x"]}', "v.c[1].d == 1500 and v.c[4] == cjson.null"),
        (b'{"a":-1,"b":"x","c":2.5}', "v.a == -1 and v.b == 'x' and v.c == 2.5"),
        (b"[null,null]", "#v == 2 and v[1] == cjson.null"),
        (b"-0", "1 / v == -1/0"),
        (b"[-0,-0.0,1]", "1 / v[1] == -1/0 and 1 / v[2] == -1/0"),
        (b"0x10", "v == 16"),
        (b"[01,+1,-.5,5.,0x.8p1]", "table.concat(v, ' ') == '1 1 -0.5 5 1'"),
        (b"[nan,-Infinity,iNf,1e999]", "v[1] ~= v[1] and v[2] == -1/0 and v[3] == 1/0 and v[4] == 1/0"),
        (b'"\\b\\f\\n\\r\\t\\/\\"\\\\"', "v == '\\b\\f\\n\\r\\t/\"\\\\'"),
        (b'"a\\uD83D\\uDE00\\u00e9\\u20ac\\u0000"', "v == 'a\\240\\159\\152\\128\\195\\169\\226\\130\\172\\0'"),
        (b'"a\nb\x7f"', "v == 'a\\nb\\127'"),
        (b"[1,2]\0x", "#v == 2"),
        (b"[" * 1000 + b"]" * 1000, "#v == 1"),
    ],
)
def test_texts_are_decoded(run: Run, text: bytes, condition: str) -> None:
    assert run(f"local v = cjson.decode((...)) return {condition}", text) is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "Expected value but found T_END at character 1"),
        (b"\0", "Expected value but found T_END at character 1"),
        (b"a\0", "JSON parser does not support UTF-16 or UTF-32"),
        (b"1 2", "Expected the end but found T_NUMBER at character 3"),
        (b"[1,2", "Expected comma or array end but found T_END at character 5"),
        (b"[1:", "Expected comma or array end but found T_COLON at character 3"),
        (b"[true {", "Expected comma or array end but found T_OBJ_BEGIN at character 7"),
        (b"[1,]", "Expected value but found T_ARR_END at character 4"),
        (b"[1.5.5]", "Expected comma or array end but found invalid token at character 5"),
        (b"[0x1e+5]", "Expected comma or array end but found T_NUMBER at character 6"),
        (b"{1 2", "Expected object key string but found T_NUMBER at character 2"),
        (b'{"a"nan}', "Expected colon but found T_NUMBER at character 5"),
        (b'{"a":', "Expected value but found T_END at character 6"),
        (b'{"a":1', "Expected comma or object end but found T_END at character 7"),
        (b'{"a":1,}', "Expected object key string but found T_OBJ_END at character 8"),
        (b'{"a":1,"b', "Expected object key string but found unexpected end of string at character 10"),
        (b'{"a":.5}', "Expected value but found invalid token at character 6"),
        (b'"a\0b"', "Expected value but found unexpected end of string at character 3"),
        (b'"a\\x"', "Expected value but found invalid escape code at character 3"),
        (b'"a\\ud800\\u0041"', "Expected value but found invalid unicode escape code at character 3"),
        (b"-a", "Expected value but found invalid number at character 1"),
        (b"infinit", "Expected the end but found invalid token at character 4"),
        (b"truex", "Expected the end but found invalid token at character 5"),
        (b"[" * 1001, NESTING % (1001, 1001)),
        (b'{"a":' * 1001, NESTING % (1001, 5001)),
    ],
)
def test_what_is_no_json_is_an_error_where_decode_was_called(run: Run, text: bytes, message: str) -> None:
    assert run("local value = cjson.decode((...)) return value", text) == (False, "script:1: " + message)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("cjson.decode(nil)", "bad argument #1 to 'decode' (string expected, got nil)"),
        ("cjson:decode()", "calling 'decode' on bad self (string expected, got table)"),
        (
            "cjson.encode_max_depth(0)",
            "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)",
        ),
        ("cjson.encode_max_depth('y')", "bad argument #1 to 'encode_max_depth' (number expected, got string)"),
        ("cjson.encode_max_depth(1, 2)", "bad argument #2 to 'encode_max_depth' (found too many arguments)"),
        (
            "cjson.encode_number_precision(15)",
            "bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)",
        ),
        ("cjson.encode_sparse_array(1)", "bad argument #1 to 'encode_sparse_array' (invalid option '1')"),
        ("cjson.encode_keep_buffer({})", "bad argument #1 to 'encode_keep_buffer' (string expected, got table)"),
        ("cjson.decode_invalid_numbers('null')", "bad argument #1 to 'decode_invalid_numbers' (invalid option 'null')"),
    ],
)
def test_misuse_is_explained(run: Run, call: str, message: str) -> None:
    assert run(f"local value = {call} return value") == (False, "script:1: " + message)


def test_the_configuration_is_kept_until_it_is_reset(runtime: Any, run: Run) -> None:
    assert run("return cjson.encode_sparse_array(true, '1', 0.9)") == (True, 1, 0)
    assert run("return cjson.encode({[3]=1})") == b'{"3":1}'
    assert run(
        "cjson.encode_number_precision(3) cjson.encode_invalid_numbers('null') return cjson.encode({1/3,0/0})"
    ) == (b"[0.333,null]")
    assert run("cjson.decode_max_depth(1) return (pcall(cjson.decode, '[[]]'))") is False
    assert run("cjson.decode_invalid_numbers(false) return select(2, pcall(cjson.decode, '[01]'))") == (
        b"Expected value but found invalid number at character 2"
    )
    runtime.execute(b"reset()")
    assert run("return cjson.encode_sparse_array()") == (False, 2, 10)
    assert run("return cjson.encode_number_precision(), cjson.decode_max_depth()") == (14, 1000)
    assert run("return cjson.encode_invalid_numbers(), cjson.decode_invalid_numbers()") == (False, True)


def test_an_instance_has_a_configuration_of_its_own(run: Run) -> None:
    assert run("local c = cjson.new() c.encode_number_precision(2) return c.encode(1/3), cjson.encode(1/3)") == (
        b"0.33",
        b"0.33333333333333",
    )


def test_nesting_ends_where_the_stack_of_redis_does(run: Run) -> None:
    run("cjson.decode_max_depth(100000) cjson.encode_max_depth(100000)")
    assert run("local v = cjson.decode((...)) return v", b'{"a":' * 5000) == (
        False,
        "script:1: " + NESTING % (4000, 19996),
    )
    assert run("local t = {} t[1] = t local text = cjson.encode(t)") == (
        False,
        "script:1: Cannot serialise, excessive nesting (7998)",
    )


def test_an_aborted_call_leaves_nothing_broken(run: Run) -> None:
    abort = (
        "local f, steps, v = cjson[...], select(2, ...) local ok = pcall(function() "
        "debug.sethook(function() debug.sethook() error('stop') end, '', tonumber(steps)) f(v) debug.sethook() end) "
        "debug.sethook() return ok"
    )
    text = b'{"a":[1,"x",{"b":1.5}]}'
    for steps in range(1, 60):
        assert run(abort, b"decode", b"%d" % steps, text) is False or steps > 20
        assert run("return cjson.encode(cjson.decode((...)))", text) == text


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"1" * 300_000,
        b"1." * 150_000,
        b"[" + b" " * 300_000,
        b'{"a":"b"' + b" " * 300_000,
        b'{"' + b"a" * 300_000,
    ],
)
def test_time_grows_with_the_size_and_not_with_its_square(run: Run, text: bytes) -> None:
    assert run("local value = cjson.decode((...)) return value", text)[0] is False
