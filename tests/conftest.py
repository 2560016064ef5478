"""What all tests share: a cache in memory, how hard faults are looked for, and which transport is tested.

With `--transport plain` the ports of all tests are Twisted's own, and every program that is started is told so; tests
of the fast transport itself are left out.  With `--reactor NAME` twistd is started with that reactor.  `--effort` is
told in `tests/effort.py`.  With `--runs off` no cache of this process runs pipelines of one command together.
"""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING, Iterator

import pytest

from tests import effort
from tests.own_commands import cache_with_own
from tests.servers import launch
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.transports import datagram_batches, multiplexer

if TYPE_CHECKING:
    from tests.agreement.servers import RedisServer

SEED = 1
"""Of the order of the tests, and of their random choices, where they are the same every time."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--transport", choices=("fast", "plain"), default="fast", help="the transport that is tested")
    parser.addoption("--runs", choices=("on", "off"), default="on", help="whether pipelines are run together")
    parser.addoption("--effort", choices=tuple(effort.EXAMPLES), default="quick", help="how hard faults are looked for")
    parser.addoption("--kills", type=int, help="how often a server is killed in each mode of test_kill")
    parser.addoption("--reactor", metavar="NAME", help="the reactor of each twistd that a test starts")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose, before the first test is imported; workers of xdist are told the same options."""
    effort.choose(config.getoption("effort"))
    if config.option.kills is None:
        config.option.kills = effort.examples(3)
    if effort.is_the_same_every_time() and getattr(config.option, "randomly_seed", None) == "default":
        config.option.randomly_seed = SEED
    transport = config.getoption("transport")
    launch.choose(transport, config.getoption("reactor"))
    Dispatcher.HAS_RUNS = config.getoption("runs") == "on"
    if transport == "plain":
        for each in (multiplexer, datagram_batches):
            vars(each)["is_possible"] = False  # it is Final to all but this


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the options do: tests of the fast transport, and of long tables most in the quick run."""
    wanted = items
    if config.getoption("transport") == "plain":
        wanted = [item for item in wanted if not item.get_closest_marker("fast")]
    if effort.is_quick():
        wanted = _sampled(wanted)
    kept = set(wanted)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = wanted


def _sampled(items: list[pytest.Item]) -> list[pytest.Item]:
    """Keep every n-th case of each test that is marked `every(n)`, and none that is marked `thorough`.

    Of those that start processes or ask a real server it keeps every fourth.
    """
    counts: Counter[str] = Counter()
    kept = []
    for item in items:
        marker = item.get_closest_marker("every")
        is_slow = item.get_closest_marker("peer") or item.get_closest_marker("processes")
        step = marker.args[0] if marker else 4 if is_slow else 1
        name = item.nodeid.partition("[")[0]
        if item.get_closest_marker("thorough"):
            continue
        if counts[name] % step == 0:
            kept.append(item)
        counts[name] += 1
    return kept


@pytest.fixture
def own(clock: Clock) -> Iterator[MemoryCache]:
    """A cache with the commands of `tests/own_commands.py`, too."""
    with cache_with_own(clock=clock) as cache:
        yield cache
        cache.factory.abort_all()


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


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real redis-server, ended by its process id."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    from tests.agreement.servers import RedisServer  # here, because few tests have a peer

    server = RedisServer(program, tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()
