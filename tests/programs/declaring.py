"""How a case is declared: one library, used as its documents say.

A case is a function of a port; it raises when something is not as it should be.  One that cannot work yet names the
command that it needs, and has to fail because that command is unknown: the day it works, its declaration has to change.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path
from typing import Awaitable, Callable, Dict, NamedTuple

PATIENCE = 15.0
"""Seconds that a case waits for something to happen."""

NODE = Path(__file__).parent / "node"


class Case(NamedTuple):
    """One program: what of it is tried, by which function, and the command that it needs and that is not there."""

    package: str
    tried: str
    run: Callable[[int], None]
    missing: str
    version: str
    """Its version, where it is not one of those in `requirements.txt`."""


class Programs:
    """The cases of one module, by the names of their functions; an instance is the decorator that declares them."""

    def __init__(self) -> None:
        self.cases: Dict[str, Case] = {}

    def __call__(
        self, package: str, tried: str, missing: str = "", version: str = ""
    ) -> Callable[[Callable[[int], None]], Callable[[int], None]]:
        def declare(run: Callable[[int], None]) -> Callable[[int], None]:
            self.cases[run.__name__] = Case(package, tried, run, missing, version)
            return run

        return declare


def node(script: str, port: int, package: str) -> None:
    """Run a program of Node, which may ask which package it is to use; packages are where `$NODE_PATH` says."""
    subprocess.run(["node", NODE / f"{script}.js", str(port), package], check=True)


def same(got: object, expected: object) -> None:
    """Raise an error that names both values unless they are equal."""
    if got != expected:
        raise AssertionError(f"{got!r} and not {expected!r}")


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s")
        time.sleep(0.02)


async def soon(awaited: Awaitable[object]) -> object:
    """Await something, but not forever."""
    return await asyncio.wait_for(awaited, PATIENCE)


def at_home() -> Dict[str, str]:
    """Return the environment with a `$HOME`, which some programs look for."""
    return {"HOME": "/tmp", **os.environ}
