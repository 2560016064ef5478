"""Errors that prevent data from being loaded or written."""

from __future__ import annotations


class LogError(Exception):
    """An append-only file is damaged; the request that shows it begins at `offset`, in bytes."""

    def __init__(self, why: str, offset: int) -> None:
        super().__init__(why)
        self.offset = offset


class ManifestError(Exception):
    """A manifest is invalid; the line in question begins at `offset`, in bytes."""

    def __init__(self, why: str, offset: int = 0) -> None:
        super().__init__(why)
        self.offset = offset


class LoadError(Exception):
    """Data cannot be loaded; `str()` names the file, the offset in bytes and the reason."""


class DataFolderError(Exception):
    """The data folder cannot be used; `str()` names it and the reason."""
