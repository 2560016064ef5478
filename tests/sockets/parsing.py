"""One driver for the cases of every reader of byte streams: anything with `feed(data)` and `gets()`."""

from __future__ import annotations

import resource
from typing import Any, Callable, Iterable, List, Optional, Tuple

from twisted_kv.vocabulary.errors import ProtocolError

Outcome = Tuple[List[Any], Optional[str]]
"""What a stream gave: its values, and the text of the error that ended it, if one did."""


def read(reader: Any, pieces: Iterable[bytes]) -> Outcome:
    """Feed pieces one after another, and take after each all that is whole."""
    values: list[Any] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (value := reader.gets()) is not None:
                values.append(value)
    except ProtocolError as error:
        return values, str(error)
    return values, None


def read_at_the_end(reader: Any, pieces: Iterable[bytes]) -> Outcome:
    """Feed all pieces before the first value is taken."""
    for piece in pieces:
        reader.feed(piece)
    return read(reader, [b""])


def peak_of(call: Callable[[], object]) -> int:
    """Tell how many bytes a call takes at its peak; to the page only, where Python cannot trace them (PyPy)."""
    try:
        import tracemalloc
    except ImportError:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        call()
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def one_by_one(stream: bytes) -> list[bytes]:
    """Cut a stream into single bytes."""
    return [stream[at : at + 1] for at in range(len(stream))]


def typed(value: Any) -> Any:
    """Give a value in which nothing but the same type is equal: to Python, True is 1 and Status(b"x") is b"x"."""
    if isinstance(value, dict):
        return type(value), [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(typed(item)) for item in value)
    if isinstance(value, (list, tuple)):
        return type(value), [typed(item) for item in value]
    return type(value), repr(value)


def assert_reads_alike(
    new: Callable[[], Any],
    stream: bytes,
    values: list[Any],
    error: str | None = None,
    more: tuple[bytes, Any] = (b"", []),
) -> None:
    """Assert what a stream gives when it comes whole, one byte at a time, and with bytes after it.

    `more` is a whole value and how it is read; half of it comes after the stream first, and then all of it.
    """
    expected = (typed(values), error)

    def check(outcome: Outcome, also: list[Any]) -> None:
        assert (typed(outcome[0]), outcome[1]) == (typed(values + also) if also else expected[0], expected[1])

    check(read(new(), [stream]), [])
    check(read(new(), one_by_one(stream)), [])
    check(read_at_the_end(new(), one_by_one(stream)), [])
    tail, value = more
    also = [] if error is not None or not tail else [value]
    half = len(tail) // 2
    check(read(new(), [stream + tail[:half]]), [])
    check(read(new(), [stream + tail]), also)
    check(read(new(), one_by_one(stream + tail)), also)
    check(read(new(), [stream + tail[:half], tail[half:]]), also)
