"""All cases, in the order of the document."""

from __future__ import annotations

from typing import Dict

from tests.programs import caches, clients, from_node, limits, locks, messages, queues, workers
from tests.programs.declaring import Case

CASES: Dict[str, Case] = {
    name: case
    for module in (clients, caches, queues, workers, locks, limits, messages, from_node)
    for name, case in module.program.cases.items()
}
