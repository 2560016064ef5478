"""The limit of open files: it is raised where it can be, and bounds the clients where it cannot."""

from __future__ import annotations

import resource

import pytest

from twisted_kv.transports import open_files
from twisted_kv.transports.open_files import RESERVED, allow_clients

NO_LIMIT = resource.RLIM_INFINITY


class System:
    """A system's limits of open files, soft and hard."""

    def __init__(self, soft: int, hard: int, refusal: Exception | None = None) -> None:
        self.limits = (soft, hard)
        self.refusal = refusal
        self.changes = 0

    def getrlimit(self, which: int) -> tuple[int, int]:
        assert which == resource.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_NOFILE
        self.changes += 1
        if self.refusal is not None:
            raise self.refusal
        self.limits = limits

    def install(self, monkeypatch: pytest.MonkeyPatch) -> System:
        monkeypatch.setattr(open_files.resource, "getrlimit", self.getrlimit)
        monkeypatch.setattr(open_files.resource, "setrlimit", self.setrlimit)
        return self


@pytest.mark.parametrize("soft", [NO_LIMIT, 10_000 + RESERVED, 1_000_000])
def test_a_limit_that_is_high_enough_is_left_alone(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    system = System(soft, NO_LIMIT).install(monkeypatch)
    assert allow_clients(10_000) == 10_000
    assert system.changes == 0


@pytest.mark.parametrize("hard", [NO_LIMIT, 10_000 + RESERVED, 1_000_000])
def test_a_low_soft_limit_is_raised_to_what_is_needed_and_no_further(
    monkeypatch: pytest.MonkeyPatch, hard: int
) -> None:
    system = System(1024, hard).install(monkeypatch)
    assert allow_clients(10_000) == 10_000
    assert system.limits == (10_000 + RESERVED, hard)


def test_under_a_low_hard_limit_fewer_clients_are_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(64, 512).install(monkeypatch)
    assert allow_clients(10_000) == 512 - RESERVED
    assert system.limits == (512, 512)


@pytest.mark.parametrize("refusal", [OSError("no"), ValueError("no")])
def test_a_system_that_does_not_raise_the_limit_leaves_what_it_was(
    monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    system = System(100, NO_LIMIT, refusal).install(monkeypatch)
    assert allow_clients(10_000) == 100 - RESERVED
    assert system.changes == 1
    assert system.limits == (100, NO_LIMIT)


def test_one_client_is_always_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    System(10, 10).install(monkeypatch)
    assert allow_clients(10_000) == 1
