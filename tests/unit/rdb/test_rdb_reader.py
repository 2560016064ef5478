"""Files come out as they were made, however they are cut; what is damaged, or cannot be kept, is refused."""

from __future__ import annotations

import pytest

from tests.rdb import files as make
from tests.rdb.cases import CASES, DAMAGED, LOADED, LOADED_EVEN_SO, REFUSALS, STRING_K, Case, Refusal, cuts
from tests.rdb.reading import Reading
from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.errors import EmptyValueError, RdbError
from twisted_kv.rdb.reader import OneByOne, RdbReader
from twisted_kv.rdb.writer import RdbWriter
from twisted_kv.store.database import Database
from twisted_kv.testing import Clock
from twisted_kv.vocabulary.clock import Now

BASE = make.rdb(
    make.select(0),
    make.resize(3, 1),
    STRING_K,
    make.expires_ms(5),
    make.key(b"h", make.HASH, make.hash_table({b"%d" % place: b"v" * place for place in range(30)})),
    make.key(b"z" * 70, make.HASH_LISTPACK, make.string(make.packed([b"f", b"v", 7, 8]))),
    make.select(3),
    make.key(b"n", make.STRING, make.int8(7)),
    make.key(b"long", make.STRING, make.string(b"v" * 200)),
)


def refusal(data: bytes, piece: int = 1 << 30, *, databases: int = 16, is_deep: bool = False) -> RdbError:
    with pytest.raises(RdbError) as caught:
        Reading(databases=databases, is_deep=is_deep).run(data, piece)
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.every(5)
def test_a_file_holds_what_it_holds_however_it_is_cut(case: Case) -> None:
    size = len(case.data)
    for piece, longest in ((1, 2_000), (2, 2_000), (7, 20_000), (64, 20_000), (4096, 1 << 20), (size, 1 << 30)):
        for most in (1, 3, 1000):
            if size <= longest and (most > 1 or size < 20_000):
                keys = Reading().run(case.data, piece, most)
                assert [key[:4] for key in keys] == [tuple(key) for key in case.keys], (piece, most)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.every(5)
def test_what_comes_behind_the_end_is_left(case: Case) -> None:
    for piece in (1 << 30, len(case.data), len(case.data) - 1):
        reading = Reading()
        reading.run(case.data + b"behind", piece)
        assert reading.reader.rest == b"behind"
        assert reading.reader.offset == len(case.data)


@pytest.mark.parametrize("is_deep", [False, True], ids=["as Redis", "sanitized"])
@pytest.mark.parametrize("case", [*REFUSALS, *DAMAGED], ids=lambda case: case.name)
def test_what_cannot_be_kept_is_refused_by_its_name(case: Refusal, is_deep: bool) -> None:
    is_loaded = (LOADED_EVEN_SO if is_deep else LOADED).match(case.name)
    for piece in (1, 7, 1 << 30):
        if is_loaded:
            Reading(is_deep=is_deep).run(case.data, piece)
            continue
        error = refusal(case.data, piece, is_deep=is_deep)
        assert case.word in str(error)
        assert 0 <= error.offset <= len(case.data)


def test_a_file_that_is_cut_anywhere_is_refused_at_its_end() -> None:
    for data in cuts(BASE):
        for piece in (1 << 30, 13):
            error = refusal(data, piece)
            assert error.offset == len(data)
            assert "the file ends here" in str(error)


def test_a_small_file_that_is_cut_anywhere_is_refused_in_all_of_its_forms() -> None:
    for case in CASES:
        if len(case.data) < 200:
            for data in cuts(case.data):
                assert "the file ends here" in str(refusal(data)), (case.name, len(data))


def test_each_flip_of_a_file_is_refused() -> None:
    for at in range(len(BASE)):
        for mask in (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF):
            data = bytearray(BASE)
            data[at] ^= mask
            refusal(bytes(data))


def test_a_checksum_that_is_not_asked_for_is_not_compared() -> None:
    damaged = BASE[:-1] + bytes([BASE[-1] ^ 1])
    assert Reading(checked=False).run(damaged) == Reading().run(BASE)


def test_the_place_of_damage_is_told() -> None:
    head = make.rdb(STRING_K)[: -len(make.rdb()) + 9]
    data = make.rdb(STRING_K, make.key(b"bad", make.STRING, b"\xc4"))
    assert refusal(data).offset == len(head)
    assert refusal(data, 1).offset == len(head)


@pytest.mark.parametrize(
    "other",
    [make.key(b"k", make.STRING, make.string(b"other")), make.key(b"k", make.HASH, make.hash_table({b"f": b""}))],
)
def test_a_key_that_is_there_twice_is_refused(other: bytes) -> None:
    assert "twice" in str(refusal(make.rdb(STRING_K, other)))
    assert "twice" in str(refusal(make.rdb(make.select(0), STRING_K, other)))
    assert len(Reading().run(make.rdb(STRING_K, make.select(1), other))) == 2


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (make.HASH, make.length(2) + make.string(b"f") + make.string(b"v") + make.string(b"f") + make.string(b"w")),
        (make.HASH_LISTPACK, make.string(make.packed([b"f", b"v", b"f", b"w"]))),
        (make.HASH_ZIPLIST, make.string(make.zipped([b"f", b"v", b"f", b"w"]))),
    ],
)
def test_a_hash_that_has_a_field_twice_is_refused_or_has_the_first(kind: int, body: bytes) -> None:
    """Redis keeps both where it does not unpack them, finds the first, and ends when it unpacks them later."""
    data = make.rdb(make.key(b"k", kind, body))
    assert "twice" in str(refusal(data, is_deep=True))
    if kind == make.HASH_ZIPLIST:
        assert "twice" in str(refusal(data))
    else:
        assert Reading().run(data)[0].value == {b"f": b"v"}


def test_a_compressed_string_that_announces_too_much_is_refused_before_it_is_made() -> None:
    data = make.rdb(make.key(b"k", make.STRING, make.lzf_string(b"\0x\xe0\xff\0", 1 << 40)))
    assert "more than it can hold" in str(refusal(data))


def test_a_string_that_announces_more_than_the_file_has_is_refused_at_the_end() -> None:
    data = make.rdb(make.key(b"k", make.STRING, make.length((1 << 64) - 1)))
    assert refusal(data, 3).offset == len(data)


def test_what_a_file_says_of_itself_is_known() -> None:
    reading = Reading()
    reading.run(make.rdb(make.aux(b"aof-base", make.int8(1)), make.aux(b"redis-ver", make.string(b"7.0.15")), STRING_K))
    assert reading.reader.aux == {b"aof-base": b"1", b"redis-ver": b"7.0.15"}


def test_the_use_of_a_key_is_told_and_is_that_of_one_key_only() -> None:
    empty = make.key(b"empty", make.HASH, make.length(0))
    data = make.rdb(make.idle(7), STRING_K, make.frequency(3), empty, make.key(b"n", make.STRING, make.int8(1)))
    assert [(key.name, key.use) for key in Reading().run(data)] == [(b"k", (rdb.IDLE, 7)), (b"n", None)]
    packed = make.key(b"empty", make.HASH_LISTPACK, make.string(make.listpack([])))
    data = make.rdb(make.expires_ms(5), packed, make.frequency(9), make.key(b"n", make.STRING, make.int8(1)))
    assert [key[3:] for key in Reading().run(data)] == [(None, (rdb.FREQUENCY, 9))]


def test_as_many_keys_are_handed_on_as_are_asked_for() -> None:
    keys = [make.key(b"%d" % place, make.STRING, make.string(b"v")) for place in range(10)]
    table = {b"%d" % place: b"v" for place in range(10)}
    reading = Reading()
    reading.reader.feed(make.rdb(*keys, make.key(b"h", make.HASH, make.hash_table(table))))
    for count in (3, 6, 9):
        assert reading.reader.read(3)
        assert len(reading.keys) == count
    while not reading.reader.done:
        assert reading.reader.read(3)
    assert reading.keys[-1].value == table


def test_a_hash_comes_bit_by_bit_while_its_file_does() -> None:
    table = {b"field %d" % place: b"v" * 50 for place in range(100)}
    data = make.rdb(make.expires_ms(9), make.key(b"h", make.HASH, make.hash_table(table)))
    for piece in (1, 60, 61, 1000):
        assert [key[1:4] for key in Reading().run(data, piece, 7)] == [(b"h", table, 9)]


def test_nothing_is_read_before_there_is_a_head() -> None:
    reader = RdbReader(lambda _: OneByOne(lambda *_: True))
    assert not reader.read(1)
    reader.feed(b"REDIS00")
    assert not reader.read(1)
    with pytest.raises(RdbError) as caught:
        reader.finish()
    assert caught.value.offset == 7


def test_an_empty_hash_is_an_error_of_its_own() -> None:
    assert issubclass(EmptyValueError, RdbError)


@pytest.mark.parametrize("value", [b"v", b"12", b"1234567", b"v" * 100, b"v" * 20_000])
def test_a_key_that_is_there_twice_is_refused_however_its_value_is_written(value: bytes) -> None:
    writer = RdbWriter(compressed=True)
    data = writer.begin({}) + writer.database(0, 2, 0)
    data += writer.key(0, b"k", value, None, None) + writer.key(0, b"k", value, None, None)
    reader = RdbReader(lambda _: OneByOne(Database(0, Now(Clock())).load))
    reader.feed(data)
    with pytest.raises(RdbError, match="twice"):
        reader.read(10)


def test_the_code_of_a_library_is_passed_on() -> None:
    code = b"#!lua name=l\nredis.register_function('f', function() return 42 end)"
    writer = RdbWriter()
    data = b"".join((writer.begin({}), writer.functions([code, code + b" "])))
    data += writer.end(crc64(data, 0))
    loaded: list[bytes] = []
    reader = RdbReader(lambda _: OneByOne(lambda *_: True), load_function=loaded.append)
    reader.feed(data)
    assert reader.read(10)
    reader.finish()
    assert loaded == [code, code + b" "]
    unable = RdbReader(lambda _: OneByOne(lambda *_: True))
    unable.feed(data)
    with pytest.raises(RdbError, match="nothing to run it"):
        unable.read(10)
