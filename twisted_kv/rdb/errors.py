"""What is wrong with a file or a payload."""

from __future__ import annotations


class RdbError(Exception):
    """A file that cannot be loaded: `offset` in bytes is where it shows, `str()` tells why."""

    def __init__(self, why: str, offset: int = 0) -> None:
        super().__init__(why)
        self.offset = offset


class LostValueError(RdbError):
    """A value that is whole and cannot be kept, as that of a module.

    A log that holds one stops the start, as it stops redis-server's: what was written is never lost in silence.
    """


class EmptyValueError(RdbError):
    """A collection without members, which older versions of Redis may have written.  Redis passes it over in files."""


class ShortError(Exception):
    """More bytes have to come; `missing` of them at least."""

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing
