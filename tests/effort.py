"""How hard the tests look for faults: `--effort` of the command line.

quick      few examples, and of long tables every n-th case: what everybody runs who has just come
thorough   many, the same ones every time: what `.ci/run` does
long       very many, others every time; for a night
random     many, others every time, and those of a seed where one is given: what `.ci/explore` does
"""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

EXAMPLES: Final = {"quick": 10, "thorough": 100, "long": 5_000, "random": 300}
"""How many examples a generated test tries, if it does not say otherwise."""

for _name, _count in EXAMPLES.items():
    settings.register_profile(
        _name,
        max_examples=_count,
        deadline=None,
        derandomize=_name in ("quick", "thorough"),
        suppress_health_check=[HealthCheck.too_slow],
    )

_chosen = "quick"


def choose(name: str) -> None:
    """Take effect for all tests that are imported from now on."""
    global _chosen
    _chosen = name
    settings.load_profile(name)


def is_quick() -> bool:
    return _chosen == "quick"


def is_long() -> bool:
    return _chosen == "long"


def is_the_same_every_time() -> bool:
    return _chosen in ("quick", "thorough")


def examples(thorough: int) -> int:
    """Give how many examples to try where a thorough run tries so many."""
    return max(1, thorough * EXAMPLES[_chosen] // EXAMPLES["thorough"])
