"""What the compiled wheel needs beyond the compiler: its library, and the summaries of commands.

A compiled function has no docstring, but COMMAND DOCS and HELP reply its first line.  So the first lines of the
docstrings of all commands are read from the sources and go into the wheel as a module.
"""

from __future__ import annotations

import ast
import os
import tempfile
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULE = "twisted_kv/declaring/summaries.py"


class CompiledBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Completes a wheel that is compiled; any other stays as it is."""

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        """Add the library that the compiled code calls, and the module of the summaries."""
        if os.environ.get("HATCH_BUILD_HOOK_ENABLE_MYPYC", "").lower() not in {"1", "true"}:
            return
        build_data["dependencies"].append(f"librt>={installed('librt')}")
        found = {
            f"{path.stem}.{node.name}": (ast.get_docstring(node) or "").partition("\n")[0]
            for path in sorted(Path(self.root, "twisted_kv/commands").glob("*.py"))
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef)
        }
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, "summaries.py")
        path.write_text(f'"""The first lines of the docstrings of commands."""\n\nSUMMARIES = {found!r}\n')
        build_data["force_include"][str(path)] = MODULE
