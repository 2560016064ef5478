"""Writes the drawings of docs/architecture.md from the code: `python docs/make_drawings.py`.

The layers come from the tuple that the architecture test checks, the states of a connection from their table.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Sequence

from twisted_kv.faces import ending

PATH = Path(__file__).with_name("architecture.md")
TEST = Path(__file__).parents[1] / "tests" / "test_architecture.py"


def layers(names: Sequence[Sequence[str]]) -> str:
    """Return the layers as a Mermaid flowchart, the lowest at the bottom."""
    lines = ["flowchart BT"]
    lines += [f'    layer{number}["{", ".join(layer)}"]' for number, layer in enumerate(names)]
    lines += [f"    layer{number} --> layer{number + 1}" for number in range(len(names) - 1)]
    return "\n".join(lines) + "\n"


def document(text: str, names: Sequence[Sequence[str]]) -> str:
    """Return the text of docs/architecture.md with its drawings made anew."""
    drawings = {"layers": layers(names), "ending": ending.drawing()}

    def drawn(found: re.Match[str]) -> str:
        return f"<!-- drawing: {found[1]} -->\n```mermaid\n{drawings[found[1]]}```\n"

    return re.sub(r"<!-- drawing: (\w+) -->\n```mermaid\n.*?```\n", drawn, text, flags=re.DOTALL)


if __name__ == "__main__":
    PATH.write_text(document(PATH.read_text(encoding="utf-8"), runpy.run_path(str(TEST))["LAYERS"]), encoding="utf-8")
