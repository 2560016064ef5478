"""Files are written as Redis writes them, and are read back."""

from __future__ import annotations

import pytest

from tests.rdb import files as make
from tests.rdb.reading import Reading
from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.bodies import kind_and_body
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.uses import Large, Use
from twisted_kv.rdb.words import write_length, write_string
from twisted_kv.rdb.writer import RdbWriter
from twisted_kv.values.hashes import Hash
from twisted_kv.values.packing import DEFAULTS

FACTS = {"redis-ver": "7.0.15", "redis-bits": 64, "ctime": 1_600_000_000, "used-mem": 1_000_000, "aof-base": 0}


def table(pairs: dict[bytes, bytes]) -> Hash:
    value = Hash()
    for field, content in pairs.items():
        value.set(field, content)
    return value


def finished(writer: RdbWriter, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return data + writer.end(crc64(data, 0))


@pytest.mark.parametrize("number", [0, 63, 64, 16383, 16384, 70_000, (1 << 32) - 1, 1 << 32, (1 << 64) - 1])
def test_a_length_takes_as_few_bytes_as_it_can(number: int) -> None:
    assert write_length(number) == make.length(number)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b"", make.string(b"")),
        (b"0", make.int8(0)),
        (b"-128", make.int8(-128)),
        (b"127", make.int8(127)),
        (b"128", make.int16(128)),
        (b"-129", make.int16(-129)),
        (b"32767", make.int16(32767)),
        (b"32768", make.int32(32768)),
        (b"-32769", make.int32(-32769)),
        (b"2147483647", make.int32(2147483647)),
        (b"-2147483648", make.int32(-2147483648)),
        *(
            (text, make.string(text))
            for text in (b"2147483648", b"-2147483649", b"007", b"-0", b"+1", b" 1", b"a", b"-")
        ),
        *((b"x" * size, make.string(b"x" * size)) for size in (11, 12, 63, 64, 1023, 1024, 16383, 16384, 70_000)),
    ],
)
def test_a_string_is_written_as_redis_does(text: bytes, written: bytes) -> None:
    assert write_string(text) == written


def test_long_strings_are_compressed_if_that_is_asked_for_and_pays() -> None:
    assert write_string(b"a" * 20, compressed=True) == make.string(b"a" * 20)
    assert write_string(b"a" * 21) == make.string(b"a" * 21)
    short = write_string(b"a" * 21, compressed=True)
    assert short[:1] == b"\xc3"
    assert len(short) < 15
    noise = bytes(range(256))
    assert write_string(noise, compressed=True) == make.string(noise)


@pytest.mark.parametrize(
    ("pairs", "kind"),
    [
        ({b"f": b"v"}, rdb.HASH_LISTPACK),
        ({b"f": b"v" * DEFAULTS.hash_max_listpack_value}, rdb.HASH_LISTPACK),
        ({b"f": b"v" * (DEFAULTS.hash_max_listpack_value + 1)}, rdb.HASH),
        ({b"f" * (DEFAULTS.hash_max_listpack_value + 1): b"v"}, rdb.HASH),
        ({b"%d" % place: b"" for place in range(DEFAULTS.hash_max_listpack_entries)}, rdb.HASH_LISTPACK),
        ({b"%d" % place: b"" for place in range(DEFAULTS.hash_max_listpack_entries + 1)}, rdb.HASH),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_small_hash_is_packed(pairs: dict[bytes, bytes], kind: int, compressed: bool) -> None:
    written, body = kind_and_body(table(pairs), compressed=compressed)
    assert written == kind
    assert [key.value for key in Reading().run(make.rdb(make.key(b"k", kind, body)))] == [pairs]


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_written_is_read_back(checked: bool, compressed: bool) -> None:
    writer = RdbWriter(compressed=compressed, checked=checked)
    long = {b"%d" % place: b"value " * (place % 20) for place in range(2000)}
    keys: list[tuple[int, bytes, bytes | dict[bytes, bytes], int | None, Use]] = [
        (0, b"k", b"v", None, None),
        (0, b"", b"x" * 70_000, 5, None),
        (0, b"n" * 100, b"12", None, (rdb.IDLE, 70_000)),
        (4, b"k", b"v", -7, (rdb.FREQUENCY, 255)),
        (4, b"k\r\n", {b"f": b"v"}, (1 << 63) - 1, None),
        (2, b"h", long, None, None),
        (0, b"late", b"v", None, None),
    ]
    parts = [writer.begin(FACTS), writer.database(0, 3, 1)]
    for index, name, value, deadline, use in keys:
        parts.append(writer.key(index, name, value if isinstance(value, bytes) else table(value), deadline, use))
    parts += writer.large(Large(9, b"large", Hash, table(long).freeze(), len(long), 8, (rdb.IDLE, 1)))
    data = finished(writer, *parts)
    reading = Reading()
    assert [tuple(key) for key in reading.run(data)] == [*keys, (9, b"large", long, 8, (rdb.IDLE, 1))]
    assert reading.reader.aux == {name.encode(): str(fact).encode() for name, fact in FACTS.items()}
    assert (data[-8:] == bytes(8)) is not checked


def test_a_file_is_to_the_byte_as_redis_writes_it() -> None:
    writer = RdbWriter()
    ours = finished(
        writer,
        writer.begin(FACTS),
        writer.database(0, 2, 1),
        writer.key(0, b"k", b"v", None, None),
        writer.key(0, b"t", b"12", 4_102_444_800_000, None),
    )
    assert ours == make.rdb(
        make.aux(b"redis-ver", make.string(b"7.0.15")),
        make.aux(b"redis-bits", make.int8(64)),
        make.aux(b"ctime", make.int32(1_600_000_000)),
        make.aux(b"used-mem", make.int32(1_000_000)),
        make.aux(b"aof-base", make.int8(0)),
        make.select(0),
        make.resize(2, 1),
        make.key(b"k", make.STRING, make.string(b"v")),
        make.expires_ms(4_102_444_800_000),
        make.key(b"t", make.STRING, make.int8(12)),
    )
