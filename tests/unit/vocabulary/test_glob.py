"""Patterns match as in Redis's KEYS."""

from __future__ import annotations

import pytest

from twisted_kv.vocabulary import glob
from twisted_kv.vocabulary.glob import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (b"", [b""], [b"a"]),
        (b"hello", [b"hello"], [b"", b"hell", b"hello!", b"Hello"]),
        (b"h?llo", [b"hello", b"h\nllo", b"h\xffllo"], [b"hllo", b"heello"]),
        (b"h*llo", [b"hllo", b"heeello", b"h\n\xffllo"], [b"hll", b"hello!"]),
        (b"*", [b"", b"a", b"\n"], []),
        (b"**", [b"a", b"ab\n"], [b""]),  # as Redis: one star is looked at apart
        (b"*?*", [b"a", b"\n\n"], [b""]),
        (b"?*", [b"a", b"ab"], [b""]),
        (b"a*", [b"a", b"ab"], [b"", b"ba"]),
        (b"*a", [b"a", b"ba", b"aa"], [b"", b"ab"]),
        (b"a*a", [b"aa", b"aba", b"aaa"], [b"a", b"ab"]),
        (b"*ab*bc*", [b"abbc", b"xabxbcx", b"ababc bc"], [b"abc", b"bcab"]),
        (b"a*b*c", [b"abc", b"axbxc", b"abcbc"], [b"acb", b"ac", b"abcx"]),
        (b"h[ae]llo", [b"hallo", b"hello"], [b"hillo", b"hllo"]),
        (b"h[^e]llo", [b"hallo", b"h\nllo"], [b"hello", b"hllo"]),
        (b"h[a-c]llo", [b"hallo", b"hbllo", b"hcllo"], [b"hdllo", b"h-llo"]),
        (b"[c-a]", [b"a", b"b", b"c"], [b"d", b"-"]),
        (b"[^a-c]", [b"d", b"-"], [b"a", b"b", b"c"]),
        (b"[-a]", [b"-", b"a"], [b"b"]),
        (b"[a-]", [b"a", b"_", b"]"], [b"-", b"b"]),  # a range from a down to the bracket, in a class without an end
        (b"[a-", [b"a", b"-"], [b"b"]),
        (b"[", [], [b"", b"[", b"a"]),
        (b"[^", [b"a", b"\n"], [b"", b"ab"]),
        (b"[]", [], [b"", b"[]", b"a"]),
        (b"[^]", [b"a", b"]"], [b"", b"ab"]),
        (b"[]a]", [], [b"]", b"a", b"a]"]),
        (b"[a", [b"a"], [b"[a", b"b"]),
        (b"[a\\", [b"a", b"\\"], [b"b"]),
        (b"[\\]]", [b"]"], [b"\\", b"]]"]),
        (b"[\\^a]", [b"^", b"a"], [b"b", b"\\"]),
        (b"[a\\-c]", [b"a", b"-", b"c"], [b"b", b"\\"]),
        (b"[a^]", [b"a", b"^"], [b"b"]),
        (b"[*?]", [b"*", b"?"], [b"a", b""]),
        (b"[.+()|$]", [b".", b"+", b"(", b"|", b"$"], [b"a"]),
        (b"[\x80-\xff]", [b"\x80", b"\xff"], [b"a", b"\x7f"]),
        (b"\\*", [b"*"], [b"a", b"\\*", b""]),
        (b"\\?\\[\\\\", [b"?[\\"], [b"a[\\"]),
        (b"\\a", [b"a"], [b"\\a"]),
        (b"\\", [b"\\"], [b"", b"a"]),
        (b"a\\", [b"a\\"], [b"a"]),
        (b"]", [b"]"], [b""]),
        (b"a]b^c-d", [b"a]b^c-d"], [b"a"]),
        (b"a.b", [b"a.b"], [b"axb"]),
        (b"(a|b)+$", [b"(a|b)+$"], [b"a"]),
        (b"\xff\x00*", [b"\xff\x00", b"\xff\x00\n"], [b"\xff"]),
        ("é?".encode(), ["éa".encode()], ["éé".encode()]),
    ],
)
def test_a_pattern_matches_whole_texts(pattern: bytes, matching: list[bytes], others: list[bytes]) -> None:
    matches = compile_pattern(pattern)
    assert [text for text in matching if not matches(text)] == []
    assert [text for text in others if matches(text)] == []


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (b"maxMEMORY*", [b"maxmemory", b"MAXMEMORY-policy"], [b"maxmem"]),
        (b"*[a-c]", [b"xA", b"xb"], [b"xd"]),
        (b"[^a]", [b"b", b"B"], [b"a", b"A"]),
        ("é".encode(), ["é".encode()], ["É".encode()]),
    ],
)
def test_a_pattern_may_match_in_any_case(pattern: bytes, matching: list[bytes], others: list[bytes]) -> None:
    matches = compile_pattern(pattern, ignore_case=True)
    assert [text for text in matching if not matches(text)] == []
    assert [text for text in others if matches(text)] == []


@pytest.mark.parametrize(
    "pattern", [b"a*" * 500 + b"b", b"*a" * 500 + b"*b", b"*?" * 500 + b"b", b"*[a-z]a" * 100 + b"b"]
)
def test_a_hostile_pattern_costs_no_more_than_a_plain_one(pattern: bytes) -> None:
    text = b"a" * 20_000
    assert not compile_pattern(pattern)(text)
    assert compile_pattern(pattern)(text + b"b")


@pytest.mark.parametrize("piece", [b"a", b"?", b"[ab]", b"\\a", b"[^b]", b"a?"])
def test_a_long_pattern_matches_and_is_not_looked_at_for_a_short_text(piece: bytes) -> None:
    text = b"a" * (50_000 * (2 if piece == b"a?" else 1))
    matches = compile_pattern(piece * 50_000)
    assert matches(text)
    assert not matches(text[1:])
    assert not matches(text[:-1] + b"b") or piece in (b"?", b"[ab]", b"a?")
    assert compile_pattern(b"*" + piece * 50_000 + b"*")(b"xx" + text + b"x")
    assert not compile_pattern(b"*" + piece * 50_000 + b"*")(b"x")


def test_a_piece_that_takes_several_expressions_is_found_where_all_of_them_follow() -> None:
    piece = b"[a]" * 300
    matches = compile_pattern(b"*" + piece + b"*")
    assert matches(b"a" * 250 + b"b" + b"a" * 300)
    assert not matches(b"a" * 250 + b"b" + b"a" * 299)
    assert compile_pattern(b"*" + piece.upper() + b"b", ignore_case=True)(b"A" * 301 + b"B")


def test_a_pattern_of_classes_at_the_end_of_a_text_that_does_not_match() -> None:
    text = b"x" * 200
    assert not compile_pattern(b"*" + b"[xy]" * 60 + b"[ab]")(text)
    assert not compile_pattern(b"*" + b"[xy]" * 199 + b"[ab]")(text)
    assert compile_pattern(b"*" + b"[xy]" * 60 + b"[ab]")(text + b"a")


def test_a_long_piece_that_is_nearly_the_end_of_a_text_is_not_found() -> None:
    assert not compile_pattern(b"*" + b"[xy]" * 199 + b"[ab]" + b"*")(b"x" * 200)
    assert not compile_pattern(b"*" + b"[xy]" * 200 + b"[ab]" + b"*")(b"x" * 202)  # of more than one expression
    assert compile_pattern(b"*" + b"[xy]" * 199 + b"[ab]" + b"*")(b"x" * 200 + b"a")


@pytest.mark.parametrize("piece", [b"*x", b"?*"])
def test_of_more_stars_than_a_thousand_nothing_matches(piece: bytes) -> None:
    text = b"x" * 3000
    assert compile_pattern(piece * 1000)(text)
    assert compile_pattern(piece * 1000 + b"*")(text)
    assert not compile_pattern(b"*x" * 1001)(text)
    assert not compile_pattern(b"x*" * 1002)(text)
    assert compile_pattern(b"x*" * 1001)(text)
    assert compile_pattern(b"*" * 5000 + b"x")(text)


@pytest.mark.pure
def test_a_pattern_is_split_no_further_than_it_takes() -> None:
    assert len(glob._split(b"*" * 1_000_000)) == 2
    assert len(glob._split(b"a*" * 1_000_000)) < 1010
    assert len(list(glob._split(b"?" * 1_000_000)[0][0]._expressions())) == 1
    assert compile_pattern(b"*" * 1000)(b"x")
    assert not compile_pattern(b"*" * 1000)(b"")
    assert not compile_pattern(b"a*" * 1002)(b"a" * 2000)
    assert compile_pattern(b"?" * 300 + b"x")(b"y" * 300 + b"x")
    assert not compile_pattern(b"?" * 300 + b"x")(b"y" * 301)
