"""Our cache beside the real redis-server of the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from .servers import BothServers, RedisServer


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Do not measure coverage here: what only a comparison reaches lacks a test that runs without a peer."""
    if config.pluginmanager.hasplugin("_cov"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker("no_cover")


@pytest.fixture(scope="module")
def servers(redis_server: RedisServer) -> Iterator[BothServers]:
    """Both servers; a generated example calls `begin` itself."""
    both = BothServers(redis_server.port)
    yield both
    both.stop()


@pytest.fixture
def both(servers: BothServers) -> BothServers:
    """Both servers, with new connections and without keys."""
    servers.begin()
    return servers
