"""The `cmsgpack` library answers as Redis 7.0.15 does."""

from __future__ import annotations

import struct
from importlib import import_module, resources
from typing import Any, Callable

import pytest

pytestmark = pytest.mark.lua

MISSING, BAD = "Missing bytes in input.", "Bad data format in input."
TOO_MANY = "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)"

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def runtime() -> Any:
    lua = import_module("lupa.lua51").LuaRuntime(encoding=None, unpack_returned_tuples=True)
    chunk = resources.files("twisted_kv.scripting").joinpath("cmsgpack.lua").read_bytes()
    double, single = struct.Struct(">d"), struct.Struct(">f")
    lua.execute(
        b"local chunk = ... cmsgpack = assert(loadstring(chunk, '@cmsgpack'))(select(2, ...))",
        chunk,
        double.pack,
        lambda data: double.unpack(data)[0],
        single.pack,
        lambda data: single.unpack(data)[0],
    )
    return lua


@pytest.fixture
def run(runtime: Any) -> Run:
    """Runs a script of one line, and returns its values as a tuple, or the text of its error."""
    call = runtime.eval(b"function(source, ...) return pcall(assert(loadstring(source, '@script')), ...) end")

    def run(source: str, *arguments: bytes) -> Any:
        result = call(source.encode("utf-8"), *arguments)
        if result is True:
            return ()
        ok, *values = result
        return tuple(values) if ok else values[0].decode("latin-1")

    return run


@pytest.mark.parametrize(
    ("expressions", "data"),
    [
        ("nil, true, false, print", "c0 c3 c2 c0"),
        ("1, 127, 128, 255, 256, 65535, 65536", "01 7f cc80 ccff cd0100 cdffff ce00010000"),
        ("2^31, 2^32-1, 2^32, 2^53", "ce80000000 ceffffffff cf0000000100000000 cf0020000000000000"),
        ("-1, -32, -33, -128, -129, -32768", "ff e0 d0df d080 d1ff7f d18000"),
        ("-32769, -2^31, -2^31-1, -2^63", "d2ffff7fff d280000000 d3ffffffff7fffffff d38000000000000000"),
        ("2^63, -2^64, 0.5, 1/0, 2^-149", "ca5f000000 cadf800000 ca3f000000 ca7f800000 ca00000001"),
        ("0.1, 1e300, 2^-150", "cb3fb999999999999a cb7e37e43c8800759c cb3690000000000000"),
        ("3.4028235677973366e38, 16777217.5", "cb47effffff0000000 cb4170000018000000"),
        ("'', 'abc'", "a0 a3616263"),
        ("{}, {1, 2}, {a=1}", "90 920102 81a16101"),
        ("{[1]=1, [3]=3}, {[0]=1}, {[1.5]=1}, {[2]=1, [1]=1}", "8201010303 810001 81ca3fc0000001 920101"),
        ("setmetatable({1}, {__index=error, __len=error})", "9101"),
    ],
)
def test_values_are_packed(run: Run, expressions: str, data: str) -> None:
    assert run(f"local data = cmsgpack.pack({expressions}) return data") == (bytes.fromhex(data),)


@pytest.mark.parametrize(
    ("expression", "head"),
    [
        ("('a'):rep(32)", "d920"),
        ("('a'):rep(256)", "da0100"),
        ("('a'):rep(65536)", "db00010000"),
        ("items(15)", "9f"),
        ("items(16)", "dc0010"),
        ("items(65536)", "dd00010000"),
        ("items(15, 0)", "de0010"),
    ],
)
def test_long_values_have_long_heads(run: Run, expression: str, head: str) -> None:
    items = "local function items(n, first) local t = {} for i = first or 1, n do t[i] = i end return t end "
    (data,) = run(f"{items} local data = cmsgpack.pack({expression}) return data")
    assert data.startswith(bytes.fromhex(head))


def test_tables_deeper_than_sixteen_are_packed_as_nil(run: Run) -> None:
    assert run("local t = {} t[1] = t local data = cmsgpack.pack(t) return data") == (b"\x91" * 16 + b"\xc0",)


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ("", ()),
        ("01 ff c0 c3 c2", (1, -1, None, True, False)),
        ("ccff cdffff ceffffffff cf0020000000000001", (255, 65535, 4294967295, 2**53)),
        ("cfffffffffffffffff d3fffffffffffffffe", (-1, -2)),
        ("d0ff d1fffe d2fffffffd", (-1, -2, -3)),
        ("ca3f800000 cb3fb999999999999a ca00000001", (1, 0.1, 2.0**-149)),
        ("a161 d90162 da000163 db0000000164", (b"a", b"b", b"c", b"d")),
    ],
)
def test_data_is_unpacked(run: Run, data: str, values: tuple[Any, ...]) -> None:
    assert run("return cmsgpack.unpack((...))", bytes.fromhex(data)) == values


def test_tables_are_unpacked(run: Run) -> None:
    data = bytes.fromhex("93 01 c0 03 82 a161 9102 01 03 dc0001 05 de0001 06 07")
    source = "local a, m, b, n = cmsgpack.unpack((...)) return a[1], a[2], a[3], m.a[1], m[1], b[1], n[6]"
    assert run(source, data) == (1, None, 3, 2, 3, 5, 7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("cc", MISSING),
        ("01 a1", MISSING),
        ("92 01", MISSING),
        ("ddffffffff 01", MISSING),
        ("dbffffffff 01", MISSING),
        ("c1", BAD),
        ("c4 01 61", BAD),
        ("d4 01 01", BAD),
        ("01" * 8000, TOO_MANY),
        ("91" * 4000 + "01", "stack overflow (in function mp_decode_to_lua_array)"),
    ],
)
def test_bad_data_is_an_error_where_unpack_was_called(run: Run, data: str, message: str) -> None:
    assert run("local value = cmsgpack.unpack((...)) return value", bytes.fromhex(data)) == "script:1: " + message


@pytest.mark.parametrize(
    ("data", "message"), [("81 c0 01", "table index is nil"), ("91 81 cb7ff8000000000000 01", "table index is NaN")]
)
def test_an_impossible_key_is_an_error_without_a_position(run: Run, data: str, message: str) -> None:
    assert run("local value = cmsgpack.unpack((...)) return value", bytes.fromhex(data)) == message


@pytest.mark.parametrize(
    ("call", "values"),
    [
        (r"unpack_one('\1\2')", (1, 1)),
        (r"unpack_one('\1\2', 1)", (-1, 2)),
        (r"unpack_one('\1\2', '1')", (-1, 2)),
        ("unpack_one('')", (-1,)),
        (r"unpack_limit('\1\2', 0)", (1, 2)),
        (r"unpack_limit('\1\2', 1)", (1, 1)),
        (r"unpack_limit('\1\2', 3)", (-1, 1, 2)),
        (r"unpack_limit('\1\2\3', 1, 1)", (2, 2)),
        (r"unpack_limit('\1\2\3', 0, 1)", (1,)),
    ],
)
def test_some_values_are_unpacked_with_the_offset_of_the_rest(run: Run, call: str, values: tuple[Any, ...]) -> None:
    assert run(f"return cmsgpack.{call}") == values


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("pack()", "bad argument #0 to 'pack' (MessagePack pack needs input.)"),
        ("unpack()", "bad argument #1 to 'unpack' (string expected, got no value)"),
        ("unpack({})", "bad argument #1 to 'unpack' (string expected, got table)"),
        ("unpack_limit()", "bad argument #2 to 'unpack_limit' (number expected, got no value)"),
        ("unpack_limit('', 1, 'x')", "bad argument #3 to 'unpack_limit' (number expected, got string)"),
        ("unpack_one('ab', 3)", "Start offset 3 greater than input length 2."),
        ("unpack_one('ab', 2^31)", "Start offset -2147483648 greater than input length 2."),
        ("unpack_one('ab', -1)", "Invalid request to unpack with offset of -1 and limit of 2."),
        ("unpack_limit('ab', -1)", "Invalid request to unpack with offset of 0 and limit of 2."),
    ],
)
def test_misuse_is_explained(run: Run, call: str, message: str) -> None:
    assert run(f"local value = cmsgpack.{call} return value") == "script:1: " + message


def test_as_many_values_are_unpacked_as_redis_can_return(run: Run) -> None:
    assert run("return (select('#', cmsgpack.unpack(('a'):rep(7999))))") == (7999,)
