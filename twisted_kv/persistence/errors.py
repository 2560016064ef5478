"""What keeps data from being loaded or written."""

from __future__ import annotations


class LogError(Exception):
    """A log that is damaged; `offset` in bytes is where the request begins that shows it."""

    def __init__(self, why: str, offset: int) -> None:
        super().__init__(why)
        self.offset = offset


class ManifestError(Exception):
    """A manifest that says nothing clear; `offset` in bytes is where its line begins."""

    def __init__(self, why: str, offset: int = 0) -> None:
        super().__init__(why)
        self.offset = offset


class LoadError(Exception):
    """Data that cannot be loaded; `str()` names the file, the offset in bytes and why."""


class DataFolderError(Exception):
    """The folder for the data cannot be used; `str()` names it and says why."""
