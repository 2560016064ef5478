"""Generated cases for the codecs of RDB: what goes in comes out."""

from __future__ import annotations

from contextlib import suppress
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tests.generated.values import texts, value_of, values
from tests.rdb import files as make
from tests.rdb.cases import VALUES
from tests.rdb.reading import Plain, Reading, plain
from twisted_kv.persistence.manifest import LONGEST_LINE, Manifest, ManifestError, Part
from twisted_kv.rdb.checksum import crc64, crc64_by_table
from twisted_kv.rdb.lzf import compress, decompress
from twisted_kv.rdb.packed import read_listpack, read_ziplist, read_zipmap, write_listpack
from twisted_kv.rdb.payload import dump, is_sound, restore
from twisted_kv.rdb.reader import RdbError
from twisted_kv.rdb.uses import Large
from twisted_kv.rdb.writer import RdbWriter
from twisted_kv.values import long_strings
from twisted_kv.values.long_strings import LongString

repeating = st.lists(
    st.tuples(st.binary(min_size=1, max_size=6), st.integers(1, 300)).map(lambda pair: pair[0] * pair[1]), max_size=6
).map(b"".join)


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


@given(sample=values)
def test_a_value_survives_its_payload(sample: Plain) -> None:
    value = value_of(sample)
    assert plain(value) == sample
    payload = dump(value)
    assert is_sound(payload)
    assert plain(restore(payload)) == sample


@given(data=st.binary(max_size=300), written=st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=90))))
def test_a_long_string_survives_its_payload(data: bytes, written: list[tuple[int, bytes]]) -> None:
    with mock.patch.multiple(long_strings, CHUNK=64, _ZEROS=bytes(64)):
        value = LongString(data)
        for offset, part in written:
            value.write(offset, part)
        assert restore(dump(value)) == value.joined()


@given(samples=st.lists(values, max_size=5), compressed=st.booleans(), piece=st.integers(1, 200))
def test_values_of_all_types_survive_a_file(samples: list[Plain], compressed: bool, piece: int) -> None:
    writer = RdbWriter(compressed=compressed)
    data = writer.begin({}) + writer.database(0, len(samples), 0)
    for place, sample in enumerate(samples):
        value = value_of(sample)
        if isinstance(value, bytes) or place % 2:
            data += writer.key(0, b"%d" % place, value, None, None)
        else:
            large = Large(0, b"%d" % place, type(value), value.freeze(), len(value), None, None)
            data += b"".join(writer.large(large))
    data += writer.end(crc64(data, 0))
    assert [key.value for key in Reading().run(data, piece, 3)] == samples


@given(body=st.binary(max_size=100), kind=st.integers(0, 26))
def test_a_payload_of_anything_is_restored_or_refused(body: bytes, kind: int) -> None:
    with suppress(RdbError):
        restore(make.dump_payload(kind, body))


@given(case=st.sampled_from([each for each in VALUES if len(each.body) < 3000]), changes=st.data())
def test_a_payload_that_is_changed_anywhere_is_restored_or_refused(case: make.Typed, changes: st.DataObject) -> None:
    body = bytearray(case.body)
    for place in changes.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4)):
        body[place] ^= changes.draw(st.integers(1, 255))
    with suppress(RdbError):
        value = restore(make.dump_payload(case.kind, bytes(body)))
        assert plain(restore(dump(value))) == plain(value)


@given(
    kind=st.sampled_from([make.STREAM_LISTPACKS, make.STREAM_LISTPACKS_2, make.STREAM_LISTPACKS_3]),
    start=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    items=st.lists(st.one_of(st.integers(-1, 4), st.integers(-(1 << 63), (1 << 63) - 1), st.just(b"f")), max_size=24),
    counts=st.lists(st.integers(0, 4), max_size=12),
)
def test_a_stream_of_anything_is_restored_or_refused(
    kind: int, start: make.StreamId, items: list[make.Item], counts: list[int]
) -> None:
    node = make.string(make.stream_id(start)) + make.string(make.packed(items))
    with suppress(RdbError):
        value = restore(make.dump_payload(kind, make.length(1) + node + b"".join(map(make.length, counts))))
        assert plain(restore(dump(value))) == plain(value)


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
