"""Cases for Twisted's trial, on the real reactor: `python -m twisted.trial tests/trial`.  pytest runs them too."""

from __future__ import annotations

from typing import Any, Callable


def raised(kind: type[Any], call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Give the exception that a call raises."""
    try:
        call(*arguments, **options)
    except kind as found:
        return found
    raise AssertionError(f"{kind.__name__} was not raised")
