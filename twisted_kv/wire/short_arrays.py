"""Encodes the replies that most requests for many values get: arrays of short strings, in one pass.

Two functions do the same in different ways, each fast where the other is slow.  `by_joining` makes each element in one
comprehension and joins them, which suits an interpreter; `by_writing` writes into a buffer, which suits a compiler.
Both give up at the first element that may be large, so that nothing is looked at twice: what they encode is small, and
needs no check of its size.

Microseconds for an array of 100 strings of 64 bytes (redis-server: about 1):

|              | CPython 3.11.2 | compiled | PyPy 7.3.11 |
| `by_joining` | 4.8            | 2.4      | 1.0         |
| `by_writing` | 8.6            | 1.3      | 1.9         |
"""

from __future__ import annotations

from itertools import chain
from types import FunctionType
from typing import Any, Callable, Dict, Final, Iterable, Optional

try:  # noqa: SIM105 - the compiler has to see the import
    from librt.strings import BytesWriter
except ImportError:  # pragma: no cover - only the compiled build needs it
    pass

SHORT: Final = 1024
"""The size in bytes from which a string is long."""
FEW: Final = 1024
"""The maximum number of elements that are encoded without a look at their sizes."""

BULK_HEADERS: Final = [b"$%d\r\n" % length for length in range(SHORT)]
"""The header of a bulk string, by its length: a look-up is faster than formatting."""


Simple = Dict[type, Callable[[Any], bytes]]
"""The encoders of the other elements that are small whatever they are, by type: numbers, nulls and the like."""


ShortArray = Callable[[bytes, Iterable[Any], Simple], Optional[bytes]]
"""Encodes elements, those of a dictionary pair by pair; returns None if one is neither a short string nor simple."""


def by_joining(head: bytes, elements: Iterable[Any], simple: Simple) -> bytes | None:
    """Encode elements after a head; return None if one is neither a short string nor simple."""
    if type(elements) is dict:
        elements = chain.from_iterable(elements.items())
    try:
        lines = [
            BULK_HEADERS[len(each)] + each if type(each) is bytes else simple[type(each)](each)[:-2]
            for each in elements
        ]
    except LookupError:
        return None
    lines.append(b"")
    return head + b"\r\n".join(lines)


def by_writing(head: bytes, elements: Iterable[Any], simple: Simple) -> bytes | None:
    """Encode elements after a head; return None if one is neither a short string nor simple."""
    writer = BytesWriter()
    writer.write(head)
    if type(elements) is dict:
        pairs: dict[Any, Any] = elements
        for key, value in pairs.items():
            if not (_write(writer, key, simple) and _write(writer, value, simple)):
                return None
        return writer.getvalue()
    listed: list[Any] = elements if type(elements) is list else list(elements)
    for each in listed:
        if not _write(writer, each, simple):
            return None
    return writer.getvalue()


def _write(writer: BytesWriter, element: Any, simple: Simple) -> bool:
    """Write an element; return False if it is neither a short string nor simple."""
    if type(element) is bytes:
        size = len(element)
        if size >= SHORT:
            return False
        writer.write(BULK_HEADERS[size])
        writer.write(element)
        writer.write(b"\r\n")
        return True
    encode = simple.get(type(element))
    if encode is None:
        return False
    writer.write(encode(element))
    return True


_is_interpreted: Final = isinstance(by_joining, FunctionType)

short_array: Final[ShortArray] = by_joining if _is_interpreted else by_writing
