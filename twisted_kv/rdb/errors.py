"""The errors of reading RDB files and payloads."""

from __future__ import annotations


class RdbError(Exception):
    """A file cannot be loaded: `offset` is the byte where the problem was found, `str()` the reason."""

    def __init__(self, why: str, offset: int = 0) -> None:
        super().__init__(why)
        self.offset = offset


class LostValueError(RdbError):
    """A value is intact but cannot be kept, such as a module's.

    A journal that holds one aborts the start, as in redis-server: what was written is never lost silently.
    """


class EmptyValueError(RdbError):
    """A collection has no members.  Older versions of Redis may have written one; Redis skips it in files."""


class ShortError(Exception):
    """The buffer ends too early; at least `missing` more bytes are needed."""

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing
