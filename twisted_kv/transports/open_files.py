"""The limit of open files, which bounds how many clients can be connected."""

from __future__ import annotations

import resource
from typing import Final

RESERVED: Final = 32
"""Descriptors for the process itself (logs, the reactor's own, listening ports), as many as Redis reserves."""


def allow_clients(wanted: int) -> int:
    """Raise the soft limit of open files for `wanted` clients; return how many are possible, at least 1."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    reachable = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    except (OSError, ValueError):
        reachable = soft  # the system allows less than it says
    return max(1, min(wanted, reachable - RESERVED))
