"""Compiled Lua, changed so that every call keeps the frame of its caller.

`return f(x)` is a tail call: the frame of the caller is gone while `f` runs.  In Redis `f` is often a function in C,
which never replaces a frame, so an error there still tells the line of the script.  Here many of these functions are
Lua themselves.  So tail calls are made ordinary calls: the instruction after one is a return of all that it gave, which
is what the compiler puts behind a tail call too (it is never reached there).

The price: recursion by tail calls is bounded as any other (20,000 calls).
"""

from __future__ import annotations

import struct
from array import array
from typing import Final

_CALL: Final = 28
_TAIL_CALL: Final = 29
_HEADER: Final = 12
_OPCODE: Final = 0x3F


class _Reader:
    """Walks over a function that `string.dump` has written, on this machine, by Lua 5.1."""

    def __init__(self, code: bytes, *, strip: bool) -> None:
        self._code = bytearray(code)
        self._strip = strip
        self._place = _HEADER
        self._int = struct.Struct("i")
        self._size = struct.Struct({4: "I", 8: "Q"}[code[8]])
        self._parts: list[bytes] = []
        self._kept = 0

    def read(self) -> bytes:
        self._function()
        self._parts.append(bytes(self._code[self._kept :]))
        return b"".join(self._parts)

    def _count(self) -> int:
        (count,) = self._int.unpack_from(self._code, self._place)
        self._place += 4
        return int(count)

    def _text(self) -> None:
        (size,) = self._size.unpack_from(self._code, self._place)
        self._place += self._size.size + int(size)

    def _function(self) -> None:
        self._text()  # the name of the source
        self._place += 2 * 4 + 4  # lines; upvalues, parameters, whether there are more, the stack
        self._instructions()
        for _ in range(self._count()):
            kind = self._code[self._place]
            self._place += 1
            if kind == 1:  # a boolean
                self._place += 1
            elif kind == 3:  # a number
                self._place += 8
            elif kind == 4:
                self._text()
        for _ in range(self._count()):
            self._function()
        self._lines()
        for _ in range(self._count()):  # local variables
            self._text()
            self._place += 2 * 4
        for _ in range(self._count()):  # upvalues
            self._text()

    def _instructions(self) -> None:
        size = 4 * self._count()
        end = self._place + size
        instructions = array("I", bytes(self._code[self._place : end]))
        for index, instruction in enumerate(instructions):
            if instruction & _OPCODE == _TAIL_CALL:
                instructions[index] = instruction ^ _TAIL_CALL ^ _CALL
        self._code[self._place : end] = instructions.tobytes()
        self._place = end

    def _lines(self) -> None:
        start = self._place
        count = self._count()
        self._place += 4 * count
        if self._strip:
            self._parts += (bytes(self._code[self._kept : start]), bytes(4))
            self._kept = self._place


def keep_frames(code: bytes, *, strip: bool = False) -> bytes:
    """Return a dumped function without tail calls; with `strip` also without line numbers."""
    return _Reader(code, strip=strip).read()
