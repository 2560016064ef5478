"""Libraries of functions, and how their code says what they are."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Final, FrozenSet, Iterable, Sequence

import attrs

from twisted_kv.scripting.scripts import FLAGS
from twisted_kv.vocabulary.errors import CommandError, as_text, c_string
from twisted_kv.wire.words import split_words

NAME: Final = b"@user_function"
ENGINE: Final = b"LUA"

BAD_NAME: Final = (
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
)
_NAME: Final = re.compile(rb"[A-Za-z0-9_]+")


@attrs.frozen(eq=False)
class Function:
    """A function of a library; `callback` is a function of Lua."""

    name: bytes
    callback: Any
    description: bytes | None
    flags: FrozenSet[str]


@attrs.frozen(eq=False)
class Library:
    """A library: its name, its code, and its functions in the order of their registration."""

    name: bytes
    code: bytes
    functions: Sequence[Function]


Load = Callable[[bytes], Sequence[Function]]
"""Runs the code of a library, without its first line, and returns what it has registered; raises `CommandError`."""


class Libraries:
    """All libraries of a cache; the names of functions are the same in any case."""

    def __init__(self, libraries: Iterable[Library] = ()) -> None:
        self.by_name: Dict[bytes, Library] = {}
        self._functions: Dict[bytes, Function] = {}
        for library in libraries:
            self.add(library)

    def find(self, name: bytes) -> Function | None:
        """Return a function."""
        return self._functions.get(name) or self._functions.get(name.lower())

    @property
    def codes(self) -> list[bytes]:
        """The codes of all libraries."""
        return [library.code for library in self.by_name.values()]

    @property
    def functions_count(self) -> int:
        return len(self._functions)

    @property
    def memory(self) -> int:
        """Bytes of all codes."""
        return sum(map(len, self.codes))

    def add(self, library: Library, *, replace: bool = False) -> None:
        """Add a library; raise `CommandError` if its name, or that of a function, is taken."""
        old = self.by_name.get(library.name)
        if old is not None and not replace:
            raise CommandError(f"Library {as_text(library.name)} already exists")
        own = () if old is None else {function.name.lower() for function in old.functions}
        for function in library.functions:
            name = function.name.lower()
            if name in self._functions and name not in own:
                raise CommandError(f"Function {as_text(function.name)} already exists")
        if old is not None:
            self.remove(old.name)
        self.by_name[library.name] = library
        for function in library.functions:
            self._functions[function.name.lower()] = function

    def remove(self, name: bytes) -> bool:
        """Remove a library; return False if there is none of that name."""
        library = self.by_name.pop(name, None)
        if library is None:
            return False
        for function in library.functions:
            del self._functions[function.name.lower()]
        return True


def read_library(code: bytes, load: Load, *, taken: Callable[[bytes], bool] = lambda name: False) -> Library:
    """Return the library of a code; raise `CommandError` if there is anything wrong with it.

    `taken` is asked, before its code is run, whether a library of that name must not be made.
    """
    name, body = _read_head(code)
    if taken(name):
        raise CommandError(f"Library '{as_text(name)}' already exists")
    functions = load(body)
    if not functions:
        raise CommandError("No functions registered")
    return Library(name, code, functions)


def is_name(name: bytes) -> bool:
    """Check whether a library or a function may be called so."""
    return _NAME.fullmatch(name) is not None


def flags_of(names: Iterable[bytes]) -> FrozenSet[str]:
    """Return the flags that a function declares; raise ValueError for one that does not exist."""
    flags = frozenset(map(as_text, names))
    if not flags <= FLAGS:
        raise ValueError("unknown flag given")
    return flags


def _read_head(code: bytes) -> tuple[bytes, bytes]:
    """Return the name of a library and its code without the first line, whose end is kept."""
    if not code.startswith(b"#!"):
        raise CommandError("Missing library metadata")
    line, end, _ = code.partition(b"\n")
    if not end:
        raise CommandError("Invalid library metadata")
    try:
        words = split_words(line)
    except ValueError:
        raise CommandError("Invalid library metadata") from None
    engine = words[0][2:]
    name: bytes | None = None
    for word in words[1:]:
        if not word.lower().startswith(b"name="):
            raise CommandError(f"Invalid metadata value given: {as_text(c_string(word))}")
        if name is not None:
            raise CommandError("Invalid metadata value, name argument was given multiple times")
        name = word[len(b"name=") :]
    if name is None:
        raise CommandError("Library name was not given")
    if not is_name(name):
        raise CommandError(BAD_NAME)
    if engine.upper() != ENGINE:
        raise CommandError(f"Engine '{as_text(c_string(engine))}' not found")
    return name, code[len(line) :]
