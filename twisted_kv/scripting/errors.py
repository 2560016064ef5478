"""Errors of functions that scripts call."""

from __future__ import annotations


class LibraryError(Exception):
    """A library function was misused; `str()` is Lua's text for it, without its position."""


class Raised(Exception):  # noqa: N818 - it is not always a mistake
    """An error for the script, which may catch it unless it is fatal; `text` is what the script sees of it."""

    def __init__(self, text: bytes, is_fatal: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.is_fatal = is_fatal
