"""Replies are written as redis-cli 7.0.15 writes them; the expected texts are what it printed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sockets.parsing import typed
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY, OK, Decimal, OrderedSet, Push, Status, Verbatim
from twisted_kv.wire.terminal import in_resp2, render, render_raw

TEN = {b"k%d" % number: number for number in range(10)}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b"(nil)\n"),
        (NULL_ARRAY, b"(nil)\n"),
        (OK, b"OK\n"),
        (Status(b"a\xff"), b"a\xff\n"),
        (CommandError("x"), b"(error) ERR x\n"),
        (CommandError("a\x01\udcff"), b"(error) ERR a\x01\xff\n"),
        (5, b"(integer) 5\n"),
        (-1, b"(integer) -1\n"),
        (True, b"(true)\n"),
        (False, b"(false)\n"),
        (1.5, b"(double) 1.5\n"),
        (float("inf"), b"(double) inf\n"),
        (0.1, b"(double) 0.10000000000000001\n"),
        (b"", b'""\n'),
        (b'a"\x00\xff\n', b'"a\\"\\x00\\xff\\n"\n'),
        (Verbatim(b"a\nb"), b"a\nb\n"),
        (Verbatim(b"a\nb\n"), b"a\nb\n\n"),
        ([], b"(empty array)\n"),
        ({}, b"(empty hash)\n"),
        (set(), b"(empty set)\n"),
        (frozenset(), b"(empty set)\n"),
        (OrderedSet(), b"(empty set)\n"),
        (Push(), b"(empty push)\n"),
        ([b"a"], b'1) "a"\n'),
        ([[]], b"1) (empty array)\n"),
        ([None, True, 2.0, CommandError("b")], b"1) (nil)\n2) (true)\n3) (double) 2\n4) (error) ERR b\n"),
        ([Verbatim(b"c")], b"1) c\n"),
        ([1, [b"a", [None]]], b'1) (integer) 1\n2) 1) "a"\n   2) 1) (nil)\n'),
        ([[[1, 2], 3], 4], b"1) 1) 1) (integer) 1\n      2) (integer) 2\n   2) (integer) 3\n2) (integer) 4\n"),
        (
            [1] * 10 + [[1, 2]],
            b"".join(b"%2d) (integer) 1\n" % number for number in range(1, 11))
            + b"11) 1) (integer) 1\n    2) (integer) 2\n",
        ),
        (OrderedSet([1, b"a"]), b'1~ (integer) 1\n2~ "a"\n'),
        ({1}, b"1~ (integer) 1\n"),
        (frozenset({1}), b"1~ (integer) 1\n"),
        (Push([Status(b"x"), 1]), b"1) x\n2) (integer) 1\n"),
        ({b"a": 1, b"\xff": b"\r\n"}, b'1# "a" => (integer) 1\n2# "\\xff" => "\\r\\n"\n'),
        ({1: None, Status(b"s"): True}, b"1# (integer) 1 => (nil)\n2# s => (true)\n"),
        ({b"a": [], b"b": {}}, b'1# "a" => (empty array)\n2# "b" => (empty hash)\n'),
        ({b"c": set()}, b'1# "c" => (empty set)\n'),
        (TEN, b"".join(b'%2d# "k%d" => (integer) %d\n' % (n + 1, n, n) for n in range(10))),
        ([{b"b": 1}, {2}], b'1) 1# "b" => (integer) 1\n2) 1~ (integer) 2\n'),
        ([1, {b"a": [[1]]}], b'1) (integer) 1\n2) 1# "a" => 1) 1) (integer) 1\n'),
        ({b"a": {b"b": 1}}, b'1# "a" => 1# "b" => (integer) 1\n'),
        ({b"a": [Verbatim(b"a\nb")]}, b'1# "a" => 1) a\nb\n'),
        ({b"a": {b"b": {}}}, b'1# "a" => 1# "b" => (empty hash)\n'),
        (Decimal(b"1.50"), b"(double) 1.50\n"),
    ],
)
def test_a_reply_is_written_as_on_a_terminal(value: Any, text: bytes) -> None:
    assert render(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({b"a": 1, b"b": [1, 2]}, b'1# "a" => (integer) 1\n2# "b" => \n   1) (integer) 1\n   2) (integer) 2\n'),
        (
            {b"a": {b"b": {b"c": 1, b"d": 2}}},
            b'1# "a" => \n   1# "b" => \n      1# "c" => (integer) 1\n      2# "d" => (integer) 2\n',
        ),
        ({b"a": [[1, 2]]}, b'1# "a" => \n   1) 1) (integer) 1\n      2) (integer) 2\n'),
        ({(1, 2): [1, 2]}, b"1# 1) (integer) 1\n   2) (integer) 2 => \n   1) (integer) 1\n   2) (integer) 2\n"),
        (
            [{b"a": [1, [2, 3]], b"b": OrderedSet([1, 2])}],
            (
                b'1) 1# "a" => \n      1) (integer) 1\n      2) 1) (integer) 2\n         2) (integer) 3\n'
                b'   2# "b" => \n      1~ (integer) 1\n      2~ (integer) 2\n'
            ),
        ),
    ],
)
def test_a_value_of_several_items_in_a_map_begins_on_its_own_line(value: Any, text: bytes) -> None:
    assert render(value) == text


def test_a_map_may_have_arrays_for_keys() -> None:
    assert render({(1,): 1}) == b"1# 1) (integer) 1 => (integer) 1\n"
    assert render({(1, 2): 1}) == b"1# 1) (integer) 1\n   2) (integer) 2 => (integer) 1\n"
    assert render_raw({(1, 2): 1}) == b"1\n2 1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b""),
        (NULL_ARRAY, b""),
        (OK, b"OK"),
        (CommandError("x"), b"ERR x\n"),
        (5, b"5"),
        (True, b"(true)"),
        (False, b"(false)"),
        (1.5, b"1.5"),
        (b'a"\x00\xff\n', b'a"\x00\xff\n'),
        (Verbatim(b"a\nb"), b"a\nb"),
        ([], b""),
        ({}, b""),
        (set(), b""),
        ([[]], b""),
        ([1, [b"a", [None]]], b"1\na\n"),
        ([CommandError("a"), CommandError("b")], b"ERR a\n\nERR b\n"),
        ([None, True, 2.0], b"\n(true)\n2"),
        (OrderedSet([1, 2]), b"1\n2"),
        ({1}, b"1"),
        (Push([1, 2]), b"1\n2"),
        ({b"a": 1, b"b": [1, 2]}, b"a 1\nb 1\n2"),
        ({b"a": {b"b": {b"c": 1, b"d": 2}}}, b"a b c 1\nd 2"),
    ],
)
def test_a_reply_is_written_as_into_a_pipe(value: Any, text: bytes) -> None:
    assert render_raw(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, [2, 3], 4], b"1;2;3;4"),
        ([CommandError("a"), 1], b"ERR a\n;1"),
        ({b"a": 1, b"b": 2}, b"a 1;b 2"),
        ({b"a": [1, 2]}, b"a 1;2"),
        ({b"a": {b"c": 1, b"d": 2}}, b"a c 1;d 2"),
    ],
)
def test_the_delimiter_of_a_pipe_holds_at_every_depth(value: Any, text: bytes) -> None:
    assert render_raw(value, b";") == text


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (None, None),
        (OK, OK),
        (7, 7),
        (True, 1),
        (Decimal(b"1.50"), b"1.50"),
        (0.1, b"0.10000000000000001"),
        ([True, [1.0]], [1, [b"1"]]),
        ({b"a": {b"b": False}}, [b"a", [b"b", 0]]),
        ({1}, [1]),
        (frozenset({2.5}), [b"2.5"]),
        (OrderedSet([1, True]), [1, 1]),
        (Push([Status(b"x"), 1.5]), [Status(b"x"), b"1.5"]),
    ],
)
def test_resp2_knows_no_maps_sets_doubles_and_booleans(value: Any, seen: Any) -> None:
    assert typed(in_resp2(value)) == typed(seen)
