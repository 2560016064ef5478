"""docs/commands.md is what the table of commands gives."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_document_of_the_commands_is_that_of_the_table() -> None:
    """`python docs/make_commands.py` writes it anew."""
    made = runpy.run_path(str(DOCS / "make_commands.py"))["document"]()
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == made
