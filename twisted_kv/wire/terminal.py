"""Renders reply values as redis-cli does: for a terminal, with types and numbers; raw, for a pipe; as CSV; as JSON."""

from __future__ import annotations

from typing import Dict, Final

from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.numbers import format_double
from twisted_kv.vocabulary.replies import Decimal, NullArray, OrderedSet, Push, Reply, Status, Verbatim
from twisted_kv.wire.words import quote

_AGGREGATES: Final = (list, tuple, dict, set, frozenset)
_EMPTY: Dict[type, str] = {list: "(empty array)", Push: "(empty push)", dict: "(empty hash)"}
_MARK: Dict[type, str] = {list: ")", Push: ")", dict: "#"}


def render(value: Reply, prefix: str = "") -> bytes:
    """Render a reply as redis-cli does on a terminal; every line ends with a line feed.

    `prefix` precedes the second and later lines of a nested value.
    """
    if isinstance(value, _AGGREGATES):
        return _aggregate(value, prefix)
    return _scalar(value) + b"\n"


def in_resp2(value: Reply) -> Reply:
    """Convert a reply to the types of RESP2, redis-cli's default: no maps, sets, doubles or booleans."""
    if isinstance(value, dict):
        return [in_resp2(part) for item in value.items() for part in item]
    if isinstance(value, (list, set, frozenset)):
        return [in_resp2(item) for item in value]
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal):
        return bytes(value)
    return format_double(value) if isinstance(value, float) else value


def _scalar(value: Reply) -> bytes:
    if value is None or isinstance(value, NullArray):
        return b"(nil)"
    if isinstance(value, CommandError):
        return b"(error) " + value.line
    if isinstance(value, (Status, Verbatim)):
        return bytes(value)
    if isinstance(value, Decimal):
        return b"(double) " + value
    if isinstance(value, bytes):
        return quote(value).encode()
    if isinstance(value, bool):
        return b"(true)" if value else b"(false)"
    if isinstance(value, float):
        return b"(double) " + format_double(value)
    return b"(integer) %d" % value


def _aggregate(value: Reply, prefix: str) -> bytes:
    kind: type = OrderedSet if isinstance(value, (set, frozenset)) else list if type(value) is tuple else type(value)
    if not value:
        return _EMPTY.get(kind, "(empty set)").encode() + b"\n"
    width = len(str(len(value)))
    mark = _MARK.get(kind, "~")
    nested = prefix + " " * (width + 2)
    parts = []
    for number, item in enumerate(value, 1):
        parts.append(f"{'' if number == 1 else prefix}{number:{width}d}{mark} ".encode())
        parts.append(render(item, nested))
        if kind is dict:
            parts[-1] = parts[-1][:-1] + b" => "
            if _takes_lines(value[item]):
                parts.append(b"\n" + nested.encode())
            parts.append(render(value[item], nested))
    return b"".join(parts)


def _takes_lines(value: Reply) -> bool:
    """Check whether a value takes several lines because it, or its first item, has several items."""
    if not isinstance(value, _AGGREGATES) or not value:
        return False
    first = next(iter(value.values() if isinstance(value, dict) else value))
    return len(value) > 1 or _takes_lines(first)


def render_raw(value: Reply, delimiter: bytes = b"\n") -> bytes:
    """Render a reply as redis-cli does into a pipe: the plain bytes, one value a line, no line feed after the last."""
    if value is None or isinstance(value, NullArray):
        return b""
    if isinstance(value, CommandError):
        return value.line + b"\n"
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, bool):
        return b"(true)" if value else b"(false)"
    if isinstance(value, float):
        return format_double(value)
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, dict):
        pairs = ((render_raw(key, delimiter), render_raw(item, delimiter)) for key, item in value.items())
        return delimiter.join(key + b" " + item for key, item in pairs)
    return delimiter.join(render_raw(item, delimiter) for item in value)


def render_csv(value: Reply) -> bytes:
    """Render a reply as redis-cli does with `--csv`: one line without its line feed, nested values flattened."""
    if value is None or isinstance(value, NullArray):
        return b"NULL"
    if isinstance(value, CommandError):
        return b"ERROR," + quote(value.line).encode()
    if isinstance(value, Decimal):
        return bytes(value)
    if isinstance(value, bytes):
        return quote(value).encode()
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        return format_double(value)
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, dict):
        return b",".join([render_csv(part) for item in value.items() for part in item])
    return b",".join([render_csv(item) for item in value])


def render_json(value: Reply) -> bytes:
    """Render a reply as redis-cli does with `--json`: one line without its line feed, invalid UTF-8 unchanged."""
    if value is None or isinstance(value, NullArray):
        return b"null"
    if isinstance(value, CommandError):
        return b"error:" + _json_text(value.line)
    if isinstance(value, Decimal):
        return bytes(value)
    if isinstance(value, bytes):
        return _json_text(value)
    if isinstance(value, dict):
        pairs = ((render_json(key), render_json(item)) for key, item in value.items())
        return b"{" + b",".join([_json_key(key) + b":" + item for key, item in pairs]) + b"}"
    if isinstance(value, _AGGREGATES):
        return b"[" + b",".join([render_json(item) for item in value]) + b"]"
    return render_csv(value)  # numbers and booleans


def _json_key(encoded: bytes) -> bytes:
    """Quote an encoded value for use as a key, unless it already is a JSON string."""
    return encoded if encoded.startswith(b'"') else _json_text(encoded)


_JSON_ESCAPES: Final = [
    {8: b"\\b", 9: b"\\t", 10: b"\\n", 12: b"\\f", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}.get(
        byte, b"\\u%04x" % byte if byte < 32 else bytes((byte,))
    )
    for byte in range(256)
]


def _json_text(text: bytes) -> bytes:
    return b'"' + b"".join([_JSON_ESCAPES[byte] for byte in text]) + b'"'
