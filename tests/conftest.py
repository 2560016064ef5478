"""What all tests share: a cache in memory, and how hard generated cases are looked for."""

from __future__ import annotations

import os
from typing import Iterator

import pytest
from hypothesis import HealthCheck, settings

from twisted_kv.testing import Clock, MemoryCache

_SLOW_IS_FINE = [HealthCheck.too_slow]
settings.register_profile("default", max_examples=100, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("long", max_examples=5_000, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def cache() -> Iterator[MemoryCache]:
    """A started cache without ports, on a clock of its own; no timer may be left when it was stopped."""
    cache = MemoryCache()
    yield cache
    cache.stop()
    assert cache.clock.getDelayedCalls() == []


@pytest.fixture
def clock(cache: MemoryCache) -> Clock:
    """The clock of the cache."""
    return cache.clock
