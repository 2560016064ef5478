"""What is wrong with a file or a payload."""

from __future__ import annotations


class RdbError(Exception):
    """A file that cannot be loaded: `offset` in bytes is where it shows, `str()` tells why."""

    def __init__(self, why: str, offset: int = 0) -> None:
        super().__init__(why)
        self.offset = offset


class EmptyValueError(RdbError):
    """A collection without members, which older versions of Redis may have written.  Redis passes it over in files."""


class ShortError(Exception):
    """More bytes have to come; `missing` of them at least."""

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing
