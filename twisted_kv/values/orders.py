"""Release of a sorted list in small steps, which sortedcontainers does not offer."""

from __future__ import annotations

from typing import Any

from sortedcontainers import SortedList


def release_part(order: SortedList[Any]) -> list[object] | None:
    """Remove and return some elements of a sorted list that is no longer used, or None when nothing is left.

    They are one of the short lists that it consists of.  With its public methods each element would take 5 us, because
    the list keeps itself in order all the time.
    """
    parts: list[list[object]] = order._lists  # type: ignore[attr-defined]  # the lists it consists of
    return parts.pop() if parts else None
