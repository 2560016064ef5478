"""The short way for arrays of short strings gives what the encoder gives, or leaves the array to it."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NULL_ARRAY, OK, Decimal, OrderedSet, Verbatim
from twisted_kv.wire import short_arrays
from twisted_kv.wire.encoder import AGGREGATES, encode, encode_few
from twisted_kv.wire.short_arrays import FEW, SHORT, ShortArray, by_joining, by_writing

WAYS: list[ShortArray] = [by_joining, *([by_writing] if hasattr(short_arrays, "BytesWriter") else [])]
"""Both functions, where the compiler's library is installed."""

short = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"\r\n", b"x" * (SHORT - 1)]),
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.sampled_from([OK, Decimal(b"1.5")]),
)
other = st.sampled_from([b"x" * SHORT, [], [b"a"], Verbatim(b"text"), NULL_ARRAY, CommandError("no"), {b"a": 1}])


def members(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Replies of every kind that has elements."""
    keys = st.binary(max_size=5)
    return st.one_of(
        st.lists(of, max_size=12),
        st.lists(of, max_size=12).map(OrderedSet),
        st.dictionaries(keys, of, max_size=6),
        st.sets(keys, max_size=6),
        st.frozensets(keys, max_size=6),
    )


@given(members(short), st.sampled_from([2, 3]))
@example([b"x"] * FEW, 2)
def test_few_short_elements_are_encoded_as_ever(reply: Any, resp: int) -> None:
    assert encode_few(reply, resp) == encode(reply, resp)


@given(st.lists(short, max_size=4), other, st.lists(short, max_size=4), st.sampled_from([2, 3]))
def test_an_array_with_anything_else_is_left_to_the_encoder(first: Any, odd: Any, last: Any, resp: int) -> None:
    assert encode_few([*first, odd, *last], resp) is None


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("reply", [[b"x"] * (FEW + 1), b"x", 1, None, OK, CommandError("no")])
def test_many_elements_and_replies_without_any_are_left_to_the_encoder(reply: Any, resp: int) -> None:
    assert encode_few(reply, resp) is None


def test_the_types_that_have_elements_are_known() -> None:
    assert {list, dict, set, frozenset, OrderedSet} == AGGREGATES


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("odd", [b"x" * SHORT, []])
def test_either_way_gives_up_at_any_place(way: ShortArray, odd: Any) -> None:
    assert way(b"", [odd], {}) is way(b"", [b"a", odd], {}) is way(b"", iter([odd]), {}) is None
    assert way(b"", {b"a": odd}, {}) is None
    assert way(b"", {b"a": b"b", b"x" * SHORT: b""}, {}) is None
    assert way(b"*2\r\n", {b"a": b"b"}, {}) == way(b"*2\r\n", iter([b"a", b"b"]), {}) == b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    assert way(b"", [1], {int: lambda number: b":%d\r\n" % number}) == b":1\r\n"


@given(st.binary(max_size=9), st.lists(st.one_of(short, other), max_size=12))
def test_both_ways_agree(head: bytes, elements: list[Any]) -> None:
    simple = {int: lambda number: b":%d\r\n" % number, type(None): lambda none: b"_\r\n"}
    found = {way(head, elements, simple) for way in WAYS}
    assert len(found) == 1
    assert found == {way(head, chain(elements), simple) for way in WAYS}
