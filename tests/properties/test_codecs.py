"""Generated cases for the codecs of RDB: what goes in comes out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests import rdb_files as make
from tests.rdb_reading import Reading, plain
from twisted_kv.persistence.manifest import LONGEST_LINE, Manifest, ManifestError, Part
from twisted_kv.rdb.checksum import crc64, crc64_by_table
from twisted_kv.rdb.lzf import compress, decompress
from twisted_kv.rdb.packed import read_listpack, read_ziplist, read_zipmap, write_listpack
from twisted_kv.rdb.payload import dump, is_sound, restore
from twisted_kv.rdb.reader import RdbError
from twisted_kv.values.hashes import Hash

numbers = st.integers(-(1 << 63), (1 << 63) - 1).map(lambda number: b"%d" % number)
texts = st.one_of(st.binary(max_size=80), numbers, st.integers(-9000, 9000).map(lambda number: b"%d" % number))
repeating = st.lists(
    st.tuples(st.binary(min_size=1, max_size=6), st.integers(1, 300)).map(lambda pair: pair[0] * pair[1]), max_size=6
).map(b"".join)
pairs = st.dictionaries(texts, st.one_of(texts, st.binary(max_size=300)), min_size=1, max_size=20)


@given(data=st.one_of(repeating, st.binary(max_size=3000)))
def test_lzf_gives_back_what_it_was_given(data: bytes) -> None:
    packed = compress(data)
    if packed is not None:
        assert len(packed) <= len(data) - 4
        assert decompress(packed, len(data)) == data


@given(data=st.binary(max_size=200), length=st.integers(0, 1000))
def test_lzf_of_anything_is_read_or_refused(data: bytes, length: int) -> None:
    with suppress(ValueError):
        assert len(decompress(data, length)) == length


@given(entries=st.lists(st.one_of(texts, st.binary(max_size=5000)), max_size=30))
def test_a_listpack_gives_back_what_it_was_given(entries: list[bytes]) -> None:
    data = write_listpack(entries)
    assert read_listpack(data) == entries
    items: list[make.Item] = [int(entry) if entry == _canonical(entry) else entry for entry in entries]
    assert data == make.packed(items)


def _canonical(entry: bytes) -> bytes:
    """Give an entry again if it reads as a number of 64 bits, else something else."""
    try:
        number = int(entry)
    except ValueError:
        return entry + b"?"
    return b"%d" % number if -(1 << 63) <= number < 1 << 63 else b"?"


@given(body=st.binary(max_size=60), count=st.integers(0, 65535))
def test_packed_collections_of_anything_are_read_or_refused(body: bytes, count: int) -> None:
    size = len(body)
    for read, data in (
        (read_listpack, (size + 7).to_bytes(4, "little") + count.to_bytes(2, "little") + body + b"\xff"),
        (read_ziplist, (size + 11).to_bytes(4, "little") + bytes(4) + count.to_bytes(2, "little") + body + b"\xff"),
        (read_zipmap, bytes((count & 0xFF,)) + body + b"\xff"),
    ):
        with suppress(ValueError):
            read(data)


@given(data=st.binary(max_size=300), crc=st.integers(0, (1 << 64) - 1))
def test_the_two_checksums_agree(data: bytes, crc: int) -> None:
    assert crc64(data, crc) == crc64_by_table(data, crc)


@given(sample=st.one_of(texts, st.binary(max_size=2000), repeating, pairs))
def test_a_value_survives_its_payload(sample: Any) -> None:
    value = sample
    if isinstance(sample, dict):
        value = Hash()
        for field, content in sample.items():
            value.set(field, content)
    payload = dump(value)
    assert is_sound(payload)
    assert plain(restore(payload)) == sample


@given(body=st.binary(max_size=100), kind=st.sampled_from([0, 4, 9, 13, 16]))
def test_a_payload_of_anything_is_restored_or_refused(body: bytes, kind: int) -> None:
    with suppress(RdbError):
        restore(make.dump_payload(kind, body))


@given(body=st.binary(max_size=200), version=st.integers(1, 12), piece=st.integers(1, 50))
def test_a_file_of_anything_is_read_or_refused(body: bytes, version: int, piece: int) -> None:
    refused = None
    try:
        Reading(databases=16).run(b"REDIS%04d" % version + body, piece)
    except RdbError as error:
        refused = error
    assert refused is None or 0 <= refused.offset <= 9 + len(body)


names = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda name: name not in (".", "..")
)
counts = st.integers(1, (1 << 63) - 1)


@given(
    base=st.none() | st.builds(Part, names, counts, st.just("b")),
    increments=st.dictionaries(counts, names, max_size=4),
    history=st.lists(st.builds(Part, names, counts, st.just("h")), max_size=3),
)
def test_a_manifest_gives_back_what_it_was_given(
    base: Part | None, increments: dict[int, str], history: list[Part]
) -> None:
    parts = tuple(Part(increments[number], number, "i") for number in sorted(increments))
    manifest = Manifest(base, parts, tuple(history))
    text = manifest.format()
    if text:
        assert Manifest.parse(text) == manifest
    assert all(len(line) < LONGEST_LINE for line in text.split(b"\n"))


@given(data=st.binary(max_size=200))
def test_a_manifest_of_anything_is_read_or_refused(data: bytes) -> None:
    refused = None
    try:
        Manifest.parse(data)
    except ManifestError as error:
        refused = error
    assert refused is None or 0 <= refused.offset <= len(data)
