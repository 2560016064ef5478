"""Listpacks, ziplists and zipmaps: what is no such thing is refused before it is believed."""

from __future__ import annotations

from typing import Callable

import pytest

from tests.rdb import files as make
from tests.rdb.cases import NUMBERS, SIZES
from twisted_kv.rdb.packed import read_listpack, read_ziplist, read_zipmap, write_listpack

Read = Callable[[bytes], "list[bytes]"]

ENTRIES: list[make.Item] = [b"", b"field", 7, -1, 300, 70_000, 1 << 40, b"v" * 63, b"v" * 64, b"v" * 300, b"w" * 5000]
WHOLE: list[tuple[Read, bytes]] = [
    (read_listpack, make.packed(ENTRIES)),
    (read_ziplist, make.zipped(ENTRIES)),
    (read_zipmap, make.zipmap({b"f": b"v", b"g" * 300: b"w" * 300, b"": b""}, free=2)),
]
SMALL: list[tuple[Read, bytes]] = [
    (read_listpack, make.packed([b"f", b"v" * 64, 7, -300, 1 << 40])),
    (read_ziplist, make.zipped([b"f", b"v" * 64, 7, -300, 1 << 40, b"x" * 300, b"y"])),
    (read_zipmap, make.zipmap({b"f": b"v", b"g": b"w" * 300}, free=2)),
]


@pytest.mark.parametrize(("read", "data"), WHOLE)
def test_a_packed_collection_that_is_cut_is_refused(read: Read, data: bytes) -> None:
    for end in range(len(data)):
        with pytest.raises(ValueError, match=r"packed collection|a zipmap|an entry"):
            read(data[:end])


@pytest.mark.parametrize(("read", "data"), SMALL)
def test_a_packed_collection_that_is_damaged_is_refused_or_read(read: Read, data: bytes) -> None:
    whole = len(read(data))
    for at in range(len(data)):
        for mask in range(1, 256):
            damaged = bytearray(data)
            damaged[at] ^= mask
            entries, why = [], ""
            try:
                entries = read(bytes(damaged))
            except ValueError as error:
                why = str(error)
            assert why.startswith(("a ", "an ")) if why else len(entries) <= 2 * whole


@pytest.mark.parametrize(
    ("read", "data", "why"),
    [
        (read_listpack, make.listpack([b"\xf5"]), "no known kind"),
        (read_listpack, make.packed([1])[:7] + b"\x02\xff", "wrong size"),
        (read_listpack, make.listpack([b"\x01\x00\x01"]), "wrong size"),
        (read_listpack, b"\x07\0\0\0\0\0\xfe", "another size"),
        (read_ziplist, make.ziplist([b"\xc1\0\0"]), "no known kind"),
        (read_ziplist, make.ziplist([b"\x05ab"]), "wrong size"),
        (read_ziplist, make.ziplist([b"\xf1"], count=2), "another number"),
        (read_zipmap, b"\1\1f\1\0v\xfe", "is cut"),
        (read_zipmap, b"\1\1f\xff\xff", "too early"),
        (read_zipmap, b"\1\1f\xff", "lacks a value"),
        (read_zipmap, b"\1\1f\1\xff", "wrong size"),
        (read_zipmap, make.zipmap({b"f": b"v"}, count=2), "another number"),
        (read_zipmap, b"\1\1f\xfe\1\xff", "an entry is cut"),
    ],
)
def test_what_is_none_is_refused(read: Read, data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(data)


def test_an_entry_that_ends_in_its_head_is_refused() -> None:
    body = b"\xc0\xff"  # a number of 13 bits whose second byte is the end
    data = (len(body) + 6).to_bytes(4, "little") + b"\1\0" + body
    with pytest.raises(ValueError, match=r"a listpack|an entry"):
        read_listpack(data)
    body = b"\0\xff"
    data = (len(body) + 10).to_bytes(4, "little") + b"\x0a\0\0\0\1\0" + body
    with pytest.raises(ValueError, match=r"a ziplist|an entry"):
        read_ziplist(data)


def test_a_listpack_is_written_as_redis_does() -> None:
    numbers: list[make.Item] = list(NUMBERS)
    assert write_listpack(b"%d" % each for each in NUMBERS) == make.packed(numbers)
    for size in (*SIZES, 125, 126, 127, 128, 16377, 16378, 16379, (1 << 21) - 6, (1 << 21) - 5):
        assert write_listpack([b"v" * size, b"7"]) == make.packed([b"v" * size, 7]), size
    texts = [b"007", b"-0", b"+1", b" 1", b"", b"9223372036854775808", b"1" * 21, b"-", b"a"]
    assert write_listpack(texts) == make.packed(texts)


def test_a_listpack_of_very_many_entries_does_not_tell_how_many() -> None:
    for count in (65534, 65535, 65536):
        data = write_listpack([b"7"] * count)
        assert data[4:6] == min(count, 65535).to_bytes(2, "little")
        assert len(read_listpack(data)) == count


@pytest.mark.parametrize(
    ("read", "data", "entries"),
    [
        (read_listpack, make.listpack([b"\x01", b"\xff", b"\x02"]), [b"1"]),
        (read_listpack, make.listpack([b"\x01", b"\x02"], count=3), [b"1", b"2"]),
        (read_zipmap, b"\1\1f\1\0v\xffdead\xff", [b"f", b"v"]),
    ],
)
def test_counts_and_what_is_after_an_early_end_are_not_looked_at_as_by_redis(
    read: Read, data: bytes, entries: list[bytes]
) -> None:
    assert read(data) == entries
