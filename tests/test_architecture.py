"""The architecture: imports go one way, time is read in one place, files stay small.

The layers are listed from left to right; a module imports only from its own layer and from those to its left.  Imports
inside functions and under TYPE_CHECKING count as all others.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator, Mapping

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "twisted_kv"
MAX_LINES = 700

LAYERS = (
    ("vocabulary", "version"),
    ("declaring", "wire", "values", "scripting"),
    ("settings",),
    ("store",),
    ("rdb",),
    ("sessions",),
    ("commands",),
    ("engine",),
    ("persistence", "transports"),
    ("faces",),
    ("service",),
    ("client", "blocking_client"),
    ("tap", "testing", "cli"),
)
PLACES = {f"{PACKAGE}.{name}": place for place, layer in enumerate(LAYERS) for name in layer}
RIGHTMOST = len(LAYERS)
"""Where the package itself stands: it may import anything, and nothing in it may import it."""

WALL_CLOCK = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "reactor": {"seconds"},
}

Sources = Mapping[str, str]
"""The text of each module by its dotted name; a package's name stands for its `__init__`."""


def read_sources() -> dict[str, str]:
    sources = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        sources[".".join(parts)] = path.read_text(encoding="utf-8")
    return sources


SOURCES = read_sources()


def place_of(module: str) -> int:
    """The layer of a module; raises KeyError for one that stands in none."""
    if module == PACKAGE:
        return RIGHTMOST
    return PLACES[".".join(module.split(".")[:2])]


def imports_of(module: str, sources: Sources) -> set[str]:
    """The modules of the package that a module imports."""
    found: set[str] = set()
    is_package = any(name.startswith(f"{module}.") for name in sources)
    for node in ast.walk(ast.parse(sources[module])):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.split(".")
                up = node.level - 1 if is_package else node.level
                base = ".".join([*here[: len(here) - up], *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in sources else base)
    return {name for name in found if name == PACKAGE or name.startswith(f"{PACKAGE}.")}


def arrows_to_the_right(sources: Sources) -> list[str]:
    """The imports from a layer to the right, and the modules that stand in no layer."""
    wrong = []
    for module in sources:
        try:
            place = place_of(module)
            wrong += [f"{module} imports {other}" for other in imports_of(module, sources) if place_of(other) > place]
        except KeyError as error:
            wrong.append(f"{error} stands in no layer")
    return sorted(wrong)


def cycles(sources: Sources) -> list[str]:
    """The import cycles, each told once, from its first module in alphabetical order."""
    graph = {module: sorted(imports_of(module, sources) - {module}) for module in sources}
    found = set()

    def visit(module: str, trail: list[str]) -> None:
        if module in trail:
            loop = trail[trail.index(module) :]
            start = loop.index(min(loop))
            found.add(" -> ".join([*loop[start:], *loop[:start], loop[start]]))
        elif module not in done:
            for other in graph.get(module, ()):
                visit(other, [*trail, module])
            done.add(module)

    done: set[str] = set()
    for module in sorted(graph):
        visit(module, [])
    return sorted(found)


def at_module_level(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run when the module is imported: those in no function."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from at_module_level(child)


def reactor_imports(source: str) -> list[int]:
    """The lines that import the global reactor when the module is imported."""
    lines = []
    for node in at_module_level(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        else:
            continue
        if "twisted.internet.reactor" in names or (
            isinstance(node, ast.ImportFrom) and node.module == "twisted.internet.reactor"
        ):
            lines.append(node.lineno)
    return lines


def wall_clock_reads(source: str) -> list[int]:
    """The lines that name something that tells the time of the real world."""
    tree = ast.parse(source)
    aliases = {}
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            aliases.update({alias.asname: alias.name.rpartition(".")[2] for alias in node.names if alias.asname})
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            lines += [node.lineno for alias in node.names if alias.name in WALL_CLOCK["time"]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            name = aliases.get(owner, owner).lstrip("_")
            if node.attr in WALL_CLOCK.get(name, ()):
                lines.append(node.lineno)
    return sorted(lines)


def too_long(source: str) -> bool:
    return len(source.splitlines()) > MAX_LINES


def hides_other_plugins(folder: Path) -> list[str]:
    """The files that turn a folder of plugins into a package, which hides all other plugins of the machine."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("__init__.py"))


# The package as it is


def test_the_package_was_found() -> None:
    assert {PACKAGE, f"{PACKAGE}.vocabulary.clock", f"{PACKAGE}.commands", f"{PACKAGE}.commands.strings"} <= set(
        SOURCES
    )
    assert imports_of(f"{PACKAGE}.commands", SOURCES) >= {f"{PACKAGE}.commands.strings"}


def test_imports_only_go_to_the_left() -> None:
    assert arrows_to_the_right(SOURCES) == []


STANDS_ON = {
    "client": {"vocabulary", "wire", "version"},
    "blocking_client": {"vocabulary", "wire", "version"},
    "cli": {"vocabulary", "wire", "version", "client", "blocking_client", "cli"},
}
"""What the other side of the wire may know: it has no cache in it."""


@pytest.mark.parametrize("name", STANDS_ON)
def test_a_client_knows_nothing_of_what_is_behind_the_wire(name: str) -> None:
    modules = [each for each in SOURCES if each == f"{PACKAGE}.{name}" or each.startswith(f"{PACKAGE}.{name}.")]
    known = {other.split(".")[1] for module in modules for other in imports_of(module, SOURCES)}
    assert modules
    assert known <= STANDS_ON[name]


def test_there_are_no_import_cycles() -> None:
    assert cycles(SOURCES) == []


@pytest.mark.parametrize("module", SOURCES)
def test_no_module_imports_the_reactor_at_its_head(module: str) -> None:
    assert reactor_imports(SOURCES[module]) == []


@pytest.mark.parametrize(
    "module", sorted(set(SOURCES) - {f"{PACKAGE}.vocabulary.clock", f"{PACKAGE}.vocabulary.timers"})
)
def test_only_the_clock_and_the_timers_read_the_clocks_of_the_system(module: str) -> None:
    assert wall_clock_reads(SOURCES[module]) == []


def test_the_clock_does_read_the_wall_clock() -> None:
    assert wall_clock_reads(SOURCES[f"{PACKAGE}.vocabulary.clock"])


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_is_short_and_says_what_it_is(module: str) -> None:
    assert not too_long(SOURCES[module])
    assert ast.get_docstring(ast.parse(SOURCES[module]))


def test_the_folder_of_the_plugin_is_no_package() -> None:
    plugins = ROOT / "twisted"
    assert list(plugins.rglob("*.py"))
    assert hides_other_plugins(plugins) == []


def test_the_plugin_is_short_and_says_what_it_is() -> None:
    for path in (ROOT / "twisted").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert not too_long(source)
        assert ast.get_docstring(ast.parse(source))
        assert reactor_imports(source) == []


# The checks themselves: each must be able to fail


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("values.sharded", "from twisted_kv.store.database import Database", "twisted_kv.store.database"),
        ("values.sharded", "import twisted_kv.store.database", "twisted_kv.store.database"),
        ("values.sharded", "from twisted_kv.store import database", "twisted_kv.store.database"),
        ("values.sharded", "from ..store import database", "twisted_kv.store.database"),
        ("values.sharded", "from ..store.database import Database", "twisted_kv.store.database"),
        ("values.sharded", "from twisted_kv import CacheService", "twisted_kv"),
        ("values.sharded", "from .. import CacheService", "twisted_kv"),
        ("values.sharded", "def f():\n    from twisted_kv import service", "twisted_kv.service"),
        ("values.sharded", "if TYPE_CHECKING:\n    from twisted_kv.faces import stream", "twisted_kv.faces.stream"),
        ("values", "from ..store import database", "twisted_kv.store.database"),
        ("vocabulary", "from twisted_kv.wire import words", "twisted_kv.wire"),
        ("client", "import twisted_kv.cli", "twisted_kv.cli"),
    ],
)
def test_an_arrow_to_the_right_is_found(module: str, source: str, wrong: str) -> None:
    names = " .values .values.sharded .store .store.database .service .faces .faces.stream .client".split(" ")
    sources = {**{PACKAGE + name: "" for name in names}, f"{PACKAGE}.{module}": source}
    assert arrows_to_the_right(sources) == [f"{PACKAGE}.{module} imports {wrong}"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("", "from twisted_kv.cli import main"),
        ("store.database", "from twisted_kv.values.sharded import ShardedDict"),
        ("store.database", "from twisted_kv.store.expiry import Expiry"),
        ("store.database", "from .expiry import Expiry"),
        ("store", "from . import database"),
        ("wire.dialects", "from twisted_kv.declaring.commands import Lasting"),
        ("service", "from twisted_kv.faces import stream\nfrom twisted_kv.faces.in_process import LocalSession"),
        ("vocabulary", "import twisted\nfrom twisted.internet import task\nimport twisted_kv_other"),
    ],
)
def test_an_arrow_to_the_left_is_fine(module: str, source: str) -> None:
    names = ("", ".store", ".store.database", ".store.expiry", ".faces.stream", ".cli", ".declaring")
    name = f"{PACKAGE}.{module}".rstrip(".")
    assert arrows_to_the_right({**{PACKAGE + each: "" for each in names}, name: source}) == []


def test_a_module_that_stands_in_no_layer_is_found() -> None:
    assert arrows_to_the_right({f"{PACKAGE}.utils": ""}) == [f"'{PACKAGE}.utils' stands in no layer"]


def test_a_cycle_is_found_however_long_and_wherever_it_is_entered() -> None:
    sources = {
        f"{PACKAGE}.a": f"import {PACKAGE}.c",
        f"{PACKAGE}.b": f"def f():\n    from {PACKAGE} import d",
        f"{PACKAGE}.c": f"from {PACKAGE}.b import x",
        f"{PACKAGE}.d": f"from {PACKAGE}.c import x",
        f"{PACKAGE}.e": f"import {PACKAGE}.f",
        f"{PACKAGE}.f": f"import {PACKAGE}.e, {PACKAGE}.a",
    }
    loops = [["b", "d", "c", "b"], ["e", "f", "e"]]
    assert cycles(sources) == [" -> ".join(f"{PACKAGE}.{name}" for name in loop) for loop in loops]
    assert cycles({**sources, f"{PACKAGE}.d": "", f"{PACKAGE}.f": ""}) == []


@pytest.mark.parametrize(
    "source",
    [
        "from twisted.internet import reactor",
        "from twisted.internet import task, reactor as r",
        "import twisted.internet.reactor",
        "import twisted.internet.reactor as r",
        "from twisted.internet.reactor import callLater",
        "try:\n    from twisted.internet import reactor\nexcept ImportError:\n    pass",
        "class A:\n    from twisted.internet import reactor",
        "if True:\n    import twisted.internet.reactor",
    ],
)
def test_a_reactor_at_a_modules_head_is_found(source: str) -> None:
    assert reactor_imports(source)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    from twisted.internet import reactor",
        "class A:\n    def f(self):\n        import twisted.internet.reactor",
        "from twisted.internet import task",
        "import twisted.internet.task",
    ],
)
def test_a_reactor_inside_a_function_is_fine(source: str) -> None:
    assert reactor_imports(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "import time\nread = time.time",
        "import time as t\nt.monotonic()",
        "from time import perf_counter",
        "from time import time as now",
        "import time\ntime.perf_counter()",
        "import time\ntime.monotonic_ns()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\ndatetime.utcnow()",
        "from datetime import datetime as dt\ndt.now()",
        "from datetime import date\ndate.today()",
        "reactor.seconds()",
        "self._reactor.seconds()",
        "from twisted.internet import reactor as r\nr.seconds()",
    ],
)
def test_a_read_of_the_wall_clock_is_found(source: str) -> None:
    assert wall_clock_reads(source) == [len(source.splitlines())]


@pytest.mark.parametrize(
    "source",
    [
        "self.clock.seconds()",
        "def time(session):\n    return session.now",
        "session.server.now.read()",
        "import time\ntime.sleep",
        "from datetime import timedelta\ntimedelta.max",
    ],
)
def test_time_from_elsewhere_is_fine(source: str) -> None:
    assert wall_clock_reads(source) == []


def test_a_long_file_is_found() -> None:
    assert not too_long("x = 1\n" * MAX_LINES)
    assert too_long("x = 1\n" * (MAX_LINES + 1))


def test_an_init_file_among_the_plugins_is_found(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "some_plugin.py").touch()
    assert hides_other_plugins(tmp_path) == []
    (tmp_path / "plugins" / "__init__.py").touch()
    (tmp_path / "__init__.py").touch()
    assert hides_other_plugins(tmp_path) == ["__init__.py", "plugins/__init__.py"]
