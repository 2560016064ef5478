"""Errors on the border between Lua and its host."""

from __future__ import annotations

from twisted_kv.vocabulary.errors import LossError


class LibraryError(Exception):
    """A library function was misused; `str()` is Lua's text for it, without its position."""


class Raised(Exception):  # noqa: N818  # it is what a script sees raised
    """An error for a script: `text` is an error reply; a fatal one ends the script, and nothing can catch it.

    It `is_counted` among the errors of the server when it is raised.
    """

    def __init__(self, text: bytes, *, is_fatal: bool = False, is_counted: bool = True) -> None:
        super().__init__(text)
        self.text = text
        self.is_fatal = is_fatal
        self.is_counted = is_counted


class OutOfMemoryError(LossError):
    """A script or a library of functions does not fit into the memory of Lua; in a log it must not be passed over."""

    def __init__(self) -> None:
        text = "not enough memory: the script needs more than lua-memory-limit"
        super().__init__(text, text)
