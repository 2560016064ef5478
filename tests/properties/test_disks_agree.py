"""The disks of the tests do what the system's files do: offsets, cuts under an open file, names that move away."""

from __future__ import annotations

import tempfile
from typing import Any, Dict, List, Tuple

from hypothesis import example, given
from hypothesis import strategies as st

from tests.storage.failing_disk import DATA
from tests.storage.failing_disk import MemoryDisk as FailingDisk
from tests.storage.plain_disk import MemoryDisk as PlainDisk
from twisted_kv.persistence.files import Folder, RealFolder

NAMES = ("a", "b")
names = st.sampled_from(NAMES)
handles = st.integers(0, 3)

steps = st.one_of(
    st.tuples(st.sampled_from(["create", "append", "open"]), names),
    st.tuples(st.just("write"), handles, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("cut"), handles, st.integers(0, 12)),
    st.tuples(st.just("read"), handles, st.integers(1, 8)),
    st.tuples(st.just("replace"), names, names),
    st.tuples(st.just("remove"), names),
)


class Opened:
    """A file that a step has opened, and whether it may be read or written to."""

    def __init__(self, file: Any, readable: bool) -> None:
        self.file = file
        self.readable = readable


def play(folder: Folder, script: List[Tuple[Any, ...]]) -> Tuple[List[Any], Dict[str, bytes]]:
    """Do the steps that can be done; returns what each told, and what the files hold in the end."""
    told: List[Any] = []
    opened: List[Opened] = []
    for kind, *arguments in script:
        if kind in ("create", "append", "open"):
            if kind == "open" and folder.size(arguments[0]) is None:
                continue
            opened.append(Opened(getattr(folder, kind)(arguments[0]), readable=kind == "open"))
        elif kind in ("write", "cut", "read"):
            fitting = [each for each in opened if each.readable == (kind == "read")]
            if not fitting:
                continue
            file = fitting[arguments[0] % len(fitting)].file
            if kind == "write":
                file.write(arguments[1])
            elif kind == "cut":
                file.cut(arguments[1])
            else:
                told.append(file.read(arguments[1]))
        elif kind == "replace":
            if folder.size(arguments[0]) is not None and arguments[0] != arguments[1]:
                folder.replace(*arguments)
        else:
            folder.remove(arguments[0])
        told.append([folder.size(name) for name in NAMES])
    for each in opened:
        each.file.close()
    contents = {}
    for name in sorted(folder.names()):
        file = folder.open(name)
        contents[name] = b"".join(iter(lambda file=file: file.read(5), b""))
        file.close()
    return told, contents


@example([("create", "a"), ("open", "a"), ("remove", "a"), ("write", 0, b"x"), ("read", 0, 1)])  # one file, no name
@given(st.lists(steps, max_size=30))
def test_the_disks_of_the_tests_do_what_the_real_one_does(script: List[Tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as path:
        expected = play(RealFolder(path), script)
    assert play(PlainDisk().folder("/memory"), script) == expected
    assert play(FailingDisk().folder(DATA), script) == expected


def test_a_file_that_was_created_is_written_to_at_its_end_after_a_cut() -> None:
    """As after a disk that was full: what was half written is cut off, and no hole may be left in its place."""
    script = [("create", "a"), ("write", 0, b"whole "), ("write", 0, b"ha"), ("cut", 0, 6), ("write", 0, b"next")]
    with tempfile.TemporaryDirectory() as path:
        assert play(RealFolder(path), script)[1] == {"a": b"whole next"}
