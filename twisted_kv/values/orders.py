"""What a sorted list of sortedcontainers does not have: to be let go of in small steps."""

from __future__ import annotations

from typing import Any

from sortedcontainers import SortedList


def release_part(order: SortedList[Any]) -> list[object] | None:
    """Take some elements out of a sorted list that nobody uses any more; None when nothing is left.

    It is one of the short lists that it is made of.  By the methods that it offers, each element would take 5 us, since
    it keeps itself in order all the time.
    """
    parts: list[list[object]] = order._lists  # type: ignore[attr-defined]  # what it is made of
    return parts.pop() if parts else None
