"""What all tests share: a cache in memory, how hard generated cases are looked for, and which transport is tested.

With `--transport plain` the ports of all tests are Twisted's own, and every program that is started is told so; tests
of the fast transport itself are left out.  With `--reactor NAME` twistd is started with that reactor.
"""

from __future__ import annotations

import os
from typing import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import launch
from twisted_kv.net import datagram_batches, multiplexer
from twisted_kv.testing import Clock, MemoryCache

_SLOW_IS_FINE = [HealthCheck.too_slow]
settings.register_profile("default", max_examples=100, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("long", max_examples=5_000, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--transport", choices=("fast", "plain"), default="fast", help="the transport that is tested")
    parser.addoption("--kills", type=int, default=3, help="how often a server is killed in each mode of test_kill")
    parser.addoption("--reactor", metavar="NAME", help="the reactor of each twistd that a test starts")


def pytest_configure(config: pytest.Config) -> None:
    """Choose, before the first test is imported; workers of xdist are told the same options."""
    transport = config.getoption("transport")
    launch.choose(transport, config.getoption("reactor"))
    if transport == "plain":
        for each in (multiplexer, datagram_batches):
            vars(each)["is_possible"] = False  # it is Final to all but this


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of the fast transport where the plain one is tested."""
    if config.getoption("transport") != "plain":
        return
    of_fast = [item for item in items if item.get_closest_marker("fast")]
    items[:] = [item for item in items if not item.get_closest_marker("fast")]
    config.hook.pytest_deselected(items=of_fast)


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
