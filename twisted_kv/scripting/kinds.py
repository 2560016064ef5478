"""What the parts of a result are, as `prelude.lua` numbers them, and what Lua's lack of memory is called."""

from __future__ import annotations

from typing import Final

RAISED: Final = -1
"""The script has raised an error: its text, source and line, and whether it is counted already."""
ERROR: Final = 1
STATUS: Final = 2
DOUBLE: Final = 3
BIG_NUMBER: Final = 4
VERBATIM: Final = 5
MAP: Final = 6
SET: Final = 7
ARRAY: Final = 8
LONG: Final = 9
"""An array of no items, or of more than can be given at once."""

OUT_OF_MEMORY: Final = b"ERR not enough memory: the script needs more than lua-memory-limit"
