"""What is wrong with a value."""

from __future__ import annotations


class CorruptError(ValueError):
    """A string that begins like a HyperLogLog, and is none."""
