"""The documents that are made from the code are what the code makes of them now."""

from __future__ import annotations

import runpy
from pathlib import Path

from tests.test_architecture import LAYERS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_document_of_the_commands_is_that_of_the_table() -> None:
    """`python docs/make_commands.py` writes it anew."""
    made = runpy.run_path(str(DOCS / "make_commands.py"))["document"]()
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == made


def test_the_drawings_are_those_of_the_code() -> None:
    """`python docs/make_drawings.py` writes them anew."""
    made = runpy.run_path(str(DOCS / "make_drawings.py"))["document"]
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    assert made(text, LAYERS) == text
    assert text.count("<!-- drawing: ") == 2
