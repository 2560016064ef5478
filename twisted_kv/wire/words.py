r"""Parses and quotes lines of words as people type them: `SET greeting "hello\nworld"`.

The rules are those of the redis-cli prompt, of inline requests and of redis.conf (C Redis's sdssplitargs): words are
separated by blanks, `"..."` may contain escapes, `'...'` only `\'`, and a closing quote must end its word.
"""

from __future__ import annotations

import re
from typing import Final, Sequence, Union

_BLANKS: Final = re.compile(rb"[ \t\n\r\v\f]*")
_PIECE: Final = re.compile(
    rb"""(?P<bare>[^ \t\n\r"']+)
       | "(?P<double>(?:\\.|[^"\\])*)"(?=[ \t\n\r\v\f]|\Z)
       | '(?P<single>(?:\\'|[^'\\]|\\(?!'))*)'(?=[ \t\n\r\v\f]|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_CONTROL: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}

_QUOTED: Final = [
    {v[0]: "\\" + k.decode() for k, v in _CONTROL.items()}.get(byte)
    or (f"\\{byte:c}" if byte in b'\\"' else f"{byte:c}" if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
    for byte in range(256)
]


def split_words(line: bytes) -> list[bytes]:
    """Split a line into words; raises ValueError if its quotes are not balanced."""
    if b'"' not in line and b"'" not in line and b"\v" not in line and b"\f" not in line:
        return line.split()
    words = []
    at = _end(_BLANKS.match(line))
    while at < len(line):
        word = b""
        while (piece := _PIECE.match(line, at)) is not None:
            at = piece.end()
            if piece.lastgroup == "bare":
                word += piece["bare"]
                continue
            word += _unescape(piece["double"]) if piece.lastgroup == "double" else piece["single"].replace(b"\\'", b"'")
            break
        else:
            if at < len(line) and line[at] in b"\"'":
                raise ValueError("unbalanced quotes")
        words.append(word)
        at = _end(_BLANKS.match(line, at))
    return words


def quote(word: bytes) -> str:
    """Return bytes in double quotes, in printable ASCII, so that `split_words` reads them back."""
    return '"' + "".join([_QUOTED[byte] for byte in word]) + '"'


def _unescape(text: bytes) -> bytes:
    return _ESCAPE.sub(_escaped, text) if b"\\" in text else text


def _escaped(match: re.Match[bytes]) -> bytes:
    name: bytes = match[1]
    if len(name) == 3:
        return bytes([int(name[1:], 16)])
    return _CONTROL.get(name, name)


def _end(match: re.Match[bytes] | None) -> int:
    assert match is not None  # the pattern matches the empty string
    return match.end()


Word = Union[str, bytes, int, float]


def encode_word(word: object) -> bytes:
    """Encode a word of a request: text as UTF-8, numbers in decimal; raises TypeError for anything else."""
    if isinstance(word, bytes):
        return bytes(word)
    if isinstance(word, str):
        try:
            return word.encode()
        except UnicodeEncodeError as error:
            raise TypeError(f"a word of a request is text that UTF-8 can write: {error}") from None
    if isinstance(word, bool):
        raise TypeError("a word of a request is str, bytes, int or float; what a bool means is for you to say")
    if isinstance(word, int):
        return b"%d" % word
    if isinstance(word, float):
        return repr(word).encode()
    raise TypeError(f"a word of a request is str, bytes, int or float, not {type(word).__name__}")


def encode_words(words: Sequence[object]) -> list[bytes]:
    """Encode the words of a request; raises TypeError if there are none, or if one cannot be encoded."""
    if not words:
        raise TypeError("a request has at least one word")
    return [encode_word(word) for word in words]
