"""Errors in the data of a value."""

from __future__ import annotations


class CorruptError(ValueError):
    """A string begins like a HyperLogLog but is not a valid one."""
