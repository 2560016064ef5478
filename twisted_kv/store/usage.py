"""How much a key is used, where somebody asks for it.  What is kept of a key is one number in its entry."""

from __future__ import annotations

from typing import Protocol


class Usage(Protocol):
    """A way to keep in one number how a key is used; None is the number of a key of which nothing is known."""

    def used(self, mark: int | None) -> int:
        """Give the number of a key that is used now, from the one it had."""

    def idleness(self, mark: int | None) -> int:
        """Tell how dispensable a key is: more is more."""
