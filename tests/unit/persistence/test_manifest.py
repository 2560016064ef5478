"""The manifest: which files an append-only file consists of."""

from __future__ import annotations

import pytest

from twisted_kv.persistence.manifest import BASE, HISTORY, INCREMENT, LONGEST_LINE, Manifest, ManifestError, Part

BASE_LINE = b"file appendonly.aof.1.base.rdb seq 1 type b\n"
INCR_LINE = b"file appendonly.aof.1.incr.aof seq 1 type i\n"
NEXT_LINE = b"file appendonly.aof.2.incr.aof seq 2 type i\n"
OLD_LINE = b"file old.aof seq 7 type h\n"
BASE_PART = Part("appendonly.aof.1.base.rdb", 1, BASE)
INCR_PART = Part("appendonly.aof.1.incr.aof", 1, INCREMENT)
NEXT_PART = Part("appendonly.aof.2.incr.aof", 2, INCREMENT)
OLD_PART = Part("old.aof", 7, HISTORY)


def refusal(data: bytes) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "manifest"),
    [
        (BASE_LINE + INCR_LINE, Manifest(BASE_PART, (INCR_PART,))),
        (INCR_LINE + BASE_LINE, Manifest(BASE_PART, (INCR_PART,))),
        (BASE_LINE, Manifest(BASE_PART)),
        (INCR_LINE + NEXT_LINE, Manifest(None, (INCR_PART, NEXT_PART))),
        (BASE_LINE + OLD_LINE + INCR_LINE, Manifest(BASE_PART, (INCR_PART,), (OLD_PART,))),
        (b"# a comment\n" + BASE_LINE + b"#\n", Manifest(BASE_PART)),
        (BASE_LINE.replace(b"\n", b"\r\n"), Manifest(BASE_PART)),
        (b"TYPE b SEQ 1 File appendonly.aof.1.base.rdb\n", Manifest(BASE_PART)),
        (b'file "appendonly.aof.1.base.rdb" seq 1 type b more here\n', Manifest(BASE_PART)),
        (b'file "a\\x20b\\"" seq 1 type b\n', Manifest(Part('a b"', 1, BASE))),
        (b"# nothing\n", Manifest()),
    ],
)
def test_a_manifest_is_read_as_redis_does(data: bytes, manifest: Manifest) -> None:
    assert Manifest.parse(data) == manifest


@pytest.mark.parametrize(
    ("data", "why", "offset"),
    [
        (b"", "empty", 0),
        (BASE_LINE[:-1], "not whole", 0),
        (BASE_LINE + INCR_LINE[:-1], "not whole", len(BASE_LINE)),
        (BASE_LINE + b"\n", "without a file", len(BASE_LINE)),
        (BASE_LINE + BASE_LINE, "a second base", len(BASE_LINE)),
        (NEXT_LINE + INCR_LINE, "not greater", len(NEXT_LINE)),
        (INCR_LINE + INCR_LINE, "not greater", len(INCR_LINE)),
        (b"file a seq 1 type x\n", "'x' where a type", 0),
        (b"file a seq 0 type b\n", "without a file", 0),
        (b"file a seq -1 type b\n", "without a file", 0),
        (b"file a seq x type b\n", "without a file", 0),
        (b"file a type b\n", "without a file", 0),
        (b"seq 1 type b\n", "without a file", 0),
        (b'file "" seq 1 type b\n', "without a file", 0),
        (b"file a seq 1 type\n", "without a file", 0),
        (b"file a seq 1\n", "where a type", 0),
        (b"file a/b seq 1 type b\n", "with a path", 0),
        (b"file .. seq 1 type b\n", "with a path", 0),
        (b"file . seq 1 type b\n", "with a path", 0),
        (b'file "a seq 1 type b\n', "quotes", 0),
        (b"x" * LONGEST_LINE + b"\n", "too long", 0),
        (b"x" * 2000, "not whole", 0),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_place(data: bytes, why: str, offset: int) -> None:
    error = refusal(data)
    assert why in str(error)
    assert error.offset == offset


def test_a_manifest_that_is_cut_anywhere_is_refused_or_names_whole_lines() -> None:
    data = BASE_LINE + INCR_LINE
    for end in range(len(data)):
        if end == len(BASE_LINE):
            assert Manifest.parse(data[:end]) == Manifest(BASE_PART)
        else:
            refusal(data[:end])


def test_a_manifest_that_is_flipped_anywhere_is_refused_or_read() -> None:
    data = BASE_LINE + INCR_LINE
    for at in range(len(data)):
        for mask in range(1, 256):
            damaged = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
            offset = 0
            try:
                Manifest.parse(damaged)
            except ManifestError as error:
                offset = error.offset
            assert 0 <= offset < len(data)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("appendonly.aof", b"appendonly.aof"),
        ("my log", b'"my log"'),
        ('a"b\\c', b'"a\\"b\\\\c"'),
        ("it's", b'"it\'s"'),
        ("é", b'"\\xc3\\xa9"'),
        ("a\nb", b'"a\\x0ab"'),
        ("\udcff", b'"\\xff"'),
    ],
)
def test_a_name_is_written_so_that_it_can_be_read(name: str, written: bytes) -> None:
    manifest = Manifest(Part(name, 1, BASE))
    assert manifest.format() == b"file %b seq 1 type b\n" % written
    assert Manifest.parse(manifest.format()) == manifest


def test_files_are_named_one_after_the_other() -> None:
    manifest = Manifest()
    assert manifest.parts == ()
    base = manifest.next_base("log", is_rdb=True)
    first = manifest.next_increment("log")
    assert (base, first) == (Part("log.1.base.rdb", 1, BASE), Part("log.1.incr.aof", 1, INCREMENT))
    manifest = Manifest(base).with_increment(first)
    second = manifest.next_increment("log")
    assert second == Part("log.2.incr.aof", 2, INCREMENT)
    assert manifest.next_base("log", is_rdb=False) == Part("log.2.base.aof", 2, BASE)
    assert manifest.with_increment(second).parts == (base, first, second)


def test_what_a_new_base_replaces_becomes_history() -> None:
    manifest = Manifest(BASE_PART, (INCR_PART, NEXT_PART), (OLD_PART,))
    base = manifest.next_base("appendonly.aof", is_rdb=True)
    anew = manifest.begun_anew(base, (NEXT_PART,))
    assert anew.parts == (base, NEXT_PART)
    assert [part.name for part in anew.history] == ["old.aof", BASE_PART.name, INCR_PART.name]
    assert {part.kind for part in anew.history} == {HISTORY}
    assert Manifest.parse(anew.format()) == anew
