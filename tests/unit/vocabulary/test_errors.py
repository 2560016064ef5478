"""Errors carry Redis's texts and come back as the same bytes."""

from __future__ import annotations

import pytest

from twisted_kv.vocabulary.errors import (
    ArityError,
    CommandError,
    ExpireTimeError,
    ProtocolError,
    WrongTypeError,
    as_text,
    c_string,
    c_text,
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (CommandError("syntax error"), b"ERR syntax error"),
        (CommandError("Authentication required.", "NOAUTH"), b"NOAUTH Authentication required."),
        (CommandError("", "NOCODE"), b"NOCODE"),
        (WrongTypeError(), b"WRONGTYPE Operation against a key holding the wrong kind of value"),
        (ArityError("config|get"), b"ERR wrong number of arguments for 'config|get' command"),
        (ExpireTimeError("setex"), b"ERR invalid expire time in 'setex' command"),
    ],
)
def test_an_error_is_one_line_that_begins_with_its_code(error: CommandError, line: bytes) -> None:
    assert error.line == line
    assert str(error) == line.decode()
    assert CommandError.parse(line) == error


def test_line_ends_inside_an_error_become_blanks_and_those_at_its_end_go() -> None:
    assert CommandError("a\r\nb\nc \r\n\n").line == b"ERR a  b c "


@pytest.mark.parametrize("data", [b"", b"plain", b"\xff\xfe", "é€".encode(), b"\xed\xa0\x80", bytes(range(256))])
def test_bytes_of_a_client_come_back_unchanged_from_an_error_text(data: bytes) -> None:
    assert CommandError(as_text(data)).line[4:] == data.replace(b"\r", b" ").replace(b"\n", b" ")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (b"ERR no such key", "ERR", "no such key"),
        (b"MOVED 1 127.0.0.1:1", "MOVED", "1 127.0.0.1:1"),
        (b"NOCODE", "NOCODE", ""),
        (b"", "", ""),
        (b"ERR  two blanks", "ERR", " two blanks"),
        (b"ERR \xff", "ERR", "\udcff"),
    ],
)
def test_the_first_word_of_an_error_is_its_code(line: bytes, code: str, message: str) -> None:
    error = CommandError.parse(line)
    assert (error.code, error.message, error.line) == (code, message, line)


def test_errors_are_equal_when_they_say_the_same() -> None:
    assert CommandError("no") == CommandError("no")
    assert hash(CommandError("no")) == hash(CommandError("no"))
    assert CommandError.parse(WrongTypeError().line) == WrongTypeError()
    assert CommandError("no") != CommandError("yes")
    assert CommandError("no") != CommandError("no", "NOPERM")
    assert CommandError("no") != "ERR no"
    assert len({CommandError("no"), CommandError("no"), CommandError("yes")}) == 2


def test_an_arity_error_knows_its_command() -> None:
    assert ArityError("get").command == "get"


def test_a_protocol_error_is_no_reply() -> None:
    assert not issubclass(ProtocolError, CommandError)
    assert str(ProtocolError("invalid bulk length")) == "invalid bulk length"


@pytest.mark.parametrize(
    ("word", "cut"), [(b"", b""), (b"abc", b"abc"), (b"a\x00b\x00c", b"a"), (b"\x00a", b""), (b"\xff", b"\xff")]
)
def test_a_word_ends_for_c_at_its_first_nul(word: bytes, cut: bytes) -> None:
    assert c_string(word) == cut
    assert c_text(word) == as_text(cut)
