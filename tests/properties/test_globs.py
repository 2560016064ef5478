"""Patterns agree with a plain matcher that was written from Redis's documented rules."""

from __future__ import annotations

from typing import List, Set, Union

from hypothesis import given
from hypothesis import strategies as st

from twisted_kv.vocabulary.glob import compile_pattern

STAR = "any number of bytes"
Atom = Union[str, Set[int]]
ANY = set(range(256))


def atoms(pattern: bytes) -> List[Atom]:
    """Read a pattern: each atom is a star, or the set of bytes that one byte of the text may be."""
    found: List[Atom] = []
    rest = list(pattern)
    while rest:
        byte = rest.pop(0)
        if byte == ord("*"):
            found.append(STAR)
        elif byte == ord("?"):
            found.append(ANY)
        elif byte == ord("["):
            negated = rest[:1] == [ord("^")]
            if negated:
                rest.pop(0)
            members: Set[int] = set()
            while rest and rest[0] != ord("]"):
                byte = rest.pop(0)
                if byte == ord("\\") and rest:
                    members.add(rest.pop(0))
                elif len(rest) >= 2 and rest[0] == ord("-"):
                    ends = sorted((byte, rest[1]))
                    members.update(range(ends[0], ends[1] + 1))
                    del rest[:2]
                else:
                    members.add(byte)
            del rest[:1]
            found.append(ANY - members if negated else members)
        else:
            found.append({rest.pop(0) if byte == ord("\\") and rest else byte})
    return found


def matches_by_the_rules(pattern: bytes, text: bytes) -> bool:
    """Walk over the text with the set of all places in the pattern that may have been reached."""
    parts = atoms(pattern)
    if not text:
        return pattern in (b"", b"*")  # several stars do not match the empty text, though one does

    def with_stars(places: Set[int]) -> Set[int]:
        reached = set()
        for place in places:
            reached.add(place)
            while place < len(parts) and parts[place] == STAR:
                place += 1
                reached.add(place)
        return reached

    places = with_stars({0})
    for byte in text:
        after = set()
        for place in places:
            if place < len(parts):
                part = parts[place]
                if part == STAR:
                    after.add(place)
                elif byte in part:  # type: ignore[operator]
                    after.add(place + 1)
        places = with_stars(after)
    return len(parts) in places


few = st.lists(st.sampled_from(list(b"abc")), max_size=12).map(bytes)
patterns = st.lists(
    st.sampled_from([b"*", b"*", b"?", b"a", b"b", b"ab", b"[ab]", b"[^a]", b"[a-b]", b"[b-a]", b"\\a", b"\\*", b"c"]),
    max_size=9,
).map(b"".join)
wild = st.lists(st.sampled_from(list(b"ab*?[]^-\\\n\xff.")), max_size=10).map(bytes)


@given(patterns, few)
def test_patterns_match_as_the_rules_say(pattern: bytes, text: bytes) -> None:
    assert compile_pattern(pattern)(text) == matches_by_the_rules(pattern, text)


@given(wild, st.lists(st.sampled_from(list(b"ab*?[]^-\\\n\xff.")), max_size=6).map(bytes))
def test_odd_patterns_match_as_the_rules_say(pattern: bytes, text: bytes) -> None:
    assert compile_pattern(pattern)(text) == matches_by_the_rules(pattern, text)


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_any_bytes_are_a_pattern(pattern: bytes, text: bytes) -> None:
    assert compile_pattern(pattern)(text) == matches_by_the_rules(pattern, text)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_an_escaped_text_matches_itself_alone(text: bytes, other: bytes) -> None:
    matches = compile_pattern(b"".join(b"\\" + text[at : at + 1] for at in range(len(text))))
    assert matches(text)
    assert matches(other) == (other == text)


@given(patterns, few)
def test_in_any_case_a_pattern_matches_what_its_lower_case_matches(pattern: bytes, text: bytes) -> None:
    expected = compile_pattern(pattern)(text)
    for each in (text, text.upper()):
        assert compile_pattern(pattern.upper(), ignore_case=True)(each) == expected
