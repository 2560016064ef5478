"""Lines are cut into words as Redis's sdssplitargs cuts them."""

from __future__ import annotations

import pytest

from twisted_kv.wire.words import quote, split_words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b"  \t\r\n ", []),
        (b"SET k v", [b"SET", b"k", b"v"]),
        (b"  a \t b\r\n", [b"a", b"b"]),
        (b'"a b"', [b"a b"]),
        (b"'a b'", [b"a b"]),
        (b'""', [b""]),
        (b"''", [b""]),
        (b"\"\" '' x", [b"", b"", b"x"]),
        (b'"a" ', [b"a"]),
        (b'"a"\tb', [b"a", b"b"]),
        (b'a"b"', [b"ab"]),
        (b"a'b c' d", [b"ab c", b"d"]),
        (b'"a\'b"', [b"a'b"]),
        (b"'a\"b'", [b'a"b']),
        (rb'"\n\r\t\b\a\\\""', [b'\n\r\t\b\a\\"']),
        (rb'"\x00\xfF\x41"', [b"\x00\xffA"]),
        (rb'"\q\xzz\x4"', [b"qxzzx4"]),
        (b'"\\\n"', [b"\n"]),
        (rb"'\n\x41'", [rb"\n\x41"]),
        (rb"'a\'b'", [b"a'b"]),
        (rb"'a\\b'", [rb"a\\b"]),
        (rb"a\nb", [rb"a\nb"]),
        (b"\xff\xfe \x80", [b"\xff\xfe", b"\x80"]),
        (b'"\xff" x', [b"\xff", b"x"]),
        (b"\va", [b"a"]),
        (b"\fa \v b", [b"a", b"b"]),
        (b"a\vb\fc", [b"a\vb\fc"]),  # they separate no words, but are passed over before one
        (b'"a"\vb', [b"a", b"b"]),
    ],
)
def test_a_line_is_cut_into_words(line: bytes, words: list[bytes]) -> None:
    assert split_words(line) == words


@pytest.mark.parametrize(
    "line",
    [
        b'"',
        b"'",
        b'"a',
        b"'a",
        b'a"',
        b"a'",
        b'"a"b',
        b"'a'b",
        b"'a'\"b\"",
        b"a'b'c",
        b'"a\\"',
        b'"a\\',
        rb"'a\'",
        rb"'a\\'",
        rb"'a\' b",
        rb"'a\' b'c",
        b'x "a" "',
        b"'a\"",
        b'"\xff',
    ],
)
def test_quotes_that_are_not_balanced_are_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="unbalanced quotes"):
        split_words(line)


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        (b"", '""'),
        (b"abc", '"abc"'),
        (b"a b'", '"a b\'"'),
        (b'a"\\', r'"a\"\\"'),
        (b"\n\r\t\a\b", r'"\n\r\t\a\b"'),
        (b"\x00\x1b\x7f\x80\xff", r'"\x00\x1b\x7f\x80\xff"'),
        ("é".encode(), r'"\xc3\xa9"'),
        (b"~ ", '"~ "'),
    ],
)
def test_a_word_is_quoted_in_printable_ascii(word: bytes, quoted: str) -> None:
    assert quote(word) == quoted
    assert split_words(quoted.encode()) == [word]


def test_a_long_line_of_quotes_is_cut_in_passing() -> None:
    assert split_words(b"'" + b"\\'" * 30_000 + b"'") == [b"'" * 30_000]
    with pytest.raises(ValueError, match="unbalanced"):
        split_words(b"'" + b"\\'" * 30_000)
    with pytest.raises(ValueError, match="unbalanced"):
        split_words(b'"' + b'\\"' * 30_000)
