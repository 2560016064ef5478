"""A cursor over the optional words of a request."""

from __future__ import annotations

import pytest

from twisted_kv.declaring.arguments import Arguments, integer
from twisted_kv.vocabulary.errors import CommandError


def test_words_are_taken_one_after_another() -> None:
    arguments = Arguments([b"ex", b"10", b"Nx"])
    assert arguments
    assert arguments.left == 3
    assert arguments.option() == b"EX"
    assert arguments.integer() == 10
    assert arguments.left == 1
    assert arguments.word() == b"Nx"
    assert not arguments
    assert arguments.left == 0


def test_no_words_are_false() -> None:
    assert not Arguments([])
    assert not Arguments(())


@pytest.mark.parametrize("take", [Arguments.word, Arguments.option, Arguments.integer])
def test_a_word_that_is_lacking_is_a_syntax_error(take: object) -> None:
    assert callable(take)
    arguments = Arguments([b"EX"])
    arguments.word()
    for _ in range(2):
        with pytest.raises(CommandError) as raised:
            take(arguments)
        assert raised.value.line == b"ERR syntax error"
        assert arguments.left == 0


def test_a_word_that_is_no_integer_is_refused_and_was_taken() -> None:
    arguments = Arguments([b"abc", b"7"])
    with pytest.raises(CommandError) as raised:
        arguments.integer()
    assert raised.value.line == b"ERR value is not an integer or out of range"
    assert arguments.integer() == 7


@pytest.mark.parametrize(("word", "option"), [(b"\xe9x", b"\xe9X"), (b"nx\x00y", b"NX"), (b"\x00", b""), (b"", b"")])
def test_an_option_is_read_up_to_its_first_nul_as_in_c(word: bytes, option: bytes) -> None:
    assert Arguments([word]).option() == option
    assert Arguments([word]).word() == word


def test_an_integer_is_read_with_a_text_for_what_is_none() -> None:
    assert integer(b"-5") == -5
    with pytest.raises(CommandError) as raised:
        integer(b"5.0", "timeout is not an integer")
    assert raised.value.line == b"ERR timeout is not an integer"
