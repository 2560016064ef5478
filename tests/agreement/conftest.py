"""One real redis-server for each worker, and our cache beside it."""

from __future__ import annotations

import shutil
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


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real redis-server, ended by its process id."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(program, tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


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
