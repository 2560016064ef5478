"""What is not used is not imported: no reactor is installed behind a program's back, and nothing large is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from twisted_kv import __all__ as exported


def loaded(program: str) -> set[str]:
    """Run a program in an interpreter of its own; returns which of some modules it has loaded."""
    looked_for = ("twisted.internet.reactor", "OpenSSL", "pycparser", "twisted_kv.commands", "twisted_kv.client")
    program += f"\nimport sys; print(*(name for name in {looked_for!r} if name in sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=tempfile.gettempdir(),
    )
    return set(ended.stdout.split())


MEMORY = """
from twisted_kv.testing import MemoryCache
cache = MemoryCache()
cache.call("SET", "k", "v", "EX", 5)
cache.connect().call("PING")
cache.datagrams().send(b"PING")
cache.clock.advance(5)
cache.stop()
"""
EMBEDDED = """
from twisted_kv import CacheService
cache = CacheService(port=None)
cache.call("SET", "k", "v", "EX", 5)
with cache.session() as session:
    session.call("GET", "k")
"""


@pytest.mark.pure
@pytest.mark.parametrize("program", [MEMORY, EMBEDDED], ids=["memory", "embedded"])
def test_no_reactor_is_installed_by_what_opens_nothing(program: str) -> None:
    assert loaded(program) - {"OpenSSL"} == {"twisted_kv.commands"}


@pytest.mark.pure
def test_a_reactor_may_be_chosen_after_a_cache_was_made() -> None:
    assert "twisted.internet.reactor" in loaded(
        EMBEDDED + "from twisted.internet import asyncioreactor as r; r.install()"
    )


@pytest.mark.pure
def test_the_package_itself_loads_nothing() -> None:
    assert loaded("import twisted_kv") == set()


@pytest.mark.pure
def test_a_client_loads_no_commands() -> None:
    assert "twisted_kv.commands" not in loaded("from twisted_kv import StreamClient, DatagramClient")


@pytest.mark.pure
def test_the_program_loads_no_reader_of_c() -> None:
    assert "pycparser" not in loaded("import twisted_kv.tap")


def test_all_names_are_there_and_no_others() -> None:
    import twisted_kv

    assert set(dir(twisted_kv)) == set(exported)
    for name in exported:
        assert getattr(twisted_kv, name) is not None
    with pytest.raises(AttributeError, match="module 'twisted_kv' has no attribute 'nonsense'"):
        twisted_kv.nonsense  # noqa: B018  # asking is what is tested
